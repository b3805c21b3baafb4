/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Handshakes that we begin, only to see what the other side shows: nothing is sent after them.
 * A socket of its own, not blocking, one deadline for everything but the resolver's work.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/file.h"
#include "trust/cert_impl.h"
#include "trust/tls.h"

#define OID_ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"
/* RFC 8737 section 4 lets the servers of tenants speak TLS 1.2 too. It asks nothing of the key usage
 * of what they show, and clients are there (lego) whose certificate must not sign. */
#define PROBE_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%COMPAT"

enum { HANDSHAKE_BYTES = 64 << 10 };

struct deadline {
	const struct clock *clock;
	int64_t at_ms;
};

/* Waits until the socket is ready for `events`. ERR_TIMEOUT. */
static int wait_for(int fd, short events, const struct deadline *d, struct err *e)
{
	for (;;) {
		int64_t left = d->at_ms - clock_mono_ms(d->clock);
		struct pollfd p = {.fd = fd, .events = events};
		if (left <= 0)
			return err_fail(e, ERR_TIMEOUT, "no answer in time");
		int n = poll(&p, 1, (int)MIN_OF(left, 60000));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_os(e, errno, "wait for the other side");
	}
}

static int connect_to(const struct addrinfo *ai, const struct deadline *d, int *out,
		      struct err *e)
{
	int failed = 0;
	socklen_t n = sizeof failed;
	int fd CLEAN(file_closep) = socket(
		ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return err_os(e, errno, "socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return err_fail(e, ERR_UNREACHABLE, "connect: %s",
					strerrordesc_np(errno));
		if (wait_for(fd, POLLOUT, d, e) < 0)
			return -1;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0 || failed)
			return err_fail(e, ERR_UNREACHABLE, "connect: %s",
					strerrordesc_np(failed ? failed : errno));
	}
	*out = fd;
	fd = -1;
	return 0;
}

static void addresses_freep(struct addrinfo **a)
{
	if (*a)
		freeaddrinfo(*a);
}

/* The first address of `host` that takes a connection. */
static int dial(const char *host, uint16_t port, int flags, const struct deadline *d, int *out,
		struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *all CLEAN(addresses_freep) = NULL;
	char service[8];
	(void)snprintf(service, sizeof service, "%u", port);
	int rc = getaddrinfo(host, service, &hints, &all);
	if (rc != 0 || !all)
		return err_fail(e, ERR_UNREACHABLE, "no address of %s: %s", host,
				gai_strerror(rc));
	for (const struct addrinfo *ai = all; ai; ai = ai->ai_next) {
		rc = connect_to(ai, d, out, e);
		if (rc == 0 || e->kind == ERR_TIMEOUT)
			break;
	}
	return rc < 0 ? err_in(e, "%s port %u", host, port) : 0;
}

/* One connection: everything that must be undone. */
struct contact {
	int fd;
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
};

static void contact_fini(struct contact *c)
{
	if (c->session)
		gnutls_deinit(c->session);
	if (c->credentials)
		gnutls_certificate_free_credentials(c->credentials);
	file_closep(&c->fd);
}

static int contact_init(struct contact *c, const char *name, const char *priorities,
			const char *alpn, struct err *e)
{
	uint8_t bytes[16];
	int rc = gnutls_certificate_allocate_credentials(&c->credentials);
	if (rc == 0)
		rc = gnutls_init(&c->session,
				 GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (rc == 0)
		rc = gnutls_priority_set_direct(c->session, priorities, NULL);
	if (rc == 0)
		rc = gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials);
	if (rc == 0 && !cert_address(str_from(name), bytes))
		rc = gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, name, strlen(name));
	if (rc == 0 && alpn) {
		gnutls_datum_t d = datum_of(str_from(alpn));
		rc = gnutls_alpn_set_protocols(c->session, &d, 1, 0);
	}
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INTERNAL, rc, "TLS");
	gnutls_handshake_set_max_packet_length(c->session, HANDSHAKE_BYTES);
	gnutls_transport_set_int(c->session, c->fd);
	return 0;
}

static int shake_hands(struct contact *c, const struct deadline *d, struct err *e)
{
	for (;;) {
		int rc = gnutls_handshake(c->session);
		if (rc == 0)
			return 0;
		if (rc == GNUTLS_E_AGAIN) {
			short events =
				gnutls_record_get_direction(c->session) ? POLLOUT : POLLIN;
			if (wait_for(c->fd, events, d, e) < 0)
				return -1;
		} else if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
			const char *alert = gnutls_alert_get_name(gnutls_alert_get(c->session));
			return err_fail(e, ERR_UNREACHABLE,
					"TLS handshake: the other side says: %s",
					alert ? alert : "an unknown alert");
		} else if (gnutls_error_is_fatal(rc)) {
			return gnutls_fail_impl(e, ERR_UNREACHABLE, rc, "TLS handshake");
		}
	}
}

/* The root of that fingerprint among the shown ones; its PEM, if the chain holds up to it. */
static int find_root(const struct cert *chain, size_t count, const struct hash *root,
		     int64_t now_ms, struct str host, struct arena *a, struct str *out,
		     struct err *e)
{
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	for (size_t i = 0; i < count; i++) {
		struct hash have = cert_fingerprint(&chain[i]);
		if (!hash_eq(&have, root))
			continue;
		struct str pem = cert_pem(chain[i].der, a);
		if (arena_check(a, e) < 0 || cert_trust_new(pem, &trust, e) < 0)
			return -1;
		enum cert_fault f = cert_check(trust, chain, count, now_ms, true, host);
		if (f != CERT_GOOD)
			return err_fail(e, ERR_FORBIDDEN, "the server's certificate is %s",
					cert_fault_word(f));
		*out = pem;
		return 0;
	}
	return err_fail(e, ERR_FORBIDDEN, "the server is not of the authority that was named");
}

MUST int tls_anchor(const char *host, uint16_t port, const struct hash *root,
		    const struct clock *clock, unsigned timeout_ms, struct arena *a,
		    struct str *out_root_pem, struct err *e)
{
	struct contact c CLEAN(contact_fini) = {.fd = -1};
	struct deadline d = {clock, clock_mono_ms(clock) + timeout_ms};
	struct cert *chain = NULL;
	size_t count = 0;
	if (dial(host, port, 0, &d, &c.fd, e) < 0 ||
	    contact_init(&c, host, tls_priorities, NULL, e) < 0)
		return -1;
	if (shake_hands(&c, &d, e) < 0)
		return err_in(e, "%s port %u", host, port);
	int rc = tls_peer(c.session, a, &chain, &count, e);
	if (rc == 0)
		rc = err_fail(e, ERR_FORBIDDEN, "the server showed no certificate");
	else if (rc > 0)
		rc = find_root(chain, count, root, clock_now_ms(clock), str_from(host), a,
			       out_root_pem, e);
	return rc < 0 ? err_in(e, "%s port %u", host, port) : 0;
}

/* The 32 bytes of the critical extension acmeIdentifier (RFC 8737 section 3), or "". */
static int acme_identifier(struct str der, struct arena *a, struct str *out, struct err *e)
{
	gnutls_x509_crt_t crt CLEAN(crt_freep) = NULL;
	gnutls_datum_t value CLEAN(datum_freep) = {NULL, 0};
	size_t n = 0;
	unsigned is_critical = 0;
	if (cert_import(der, &crt, 1, &n, e) < 0)
		return -1;
	*out = S("");
	if (gnutls_x509_crt_get_extension_by_oid2(crt, OID_ACME_IDENTIFIER, 0, &value,
						  &is_critical) < 0 ||
	    !is_critical || value.size != 34 || value.data[0] != 4 || value.data[1] != 32)
		return 0;
	*out = arena_dup(a, str_of((const char *)value.data + 2, 32));
	return arena_check(a, e);
}

MUST int tls_alpn_probe(const char *address, uint16_t port, const char *name, const char *alpn,
			unsigned timeout_ms, struct arena *a, struct cert *out,
			struct str *out_ext, bool *out_is_agreed, struct err *e)
{
	struct contact c CLEAN(contact_fini) = {.fd = -1};
	const struct clock *clock = clock_system();
	struct deadline d = {clock, clock_mono_ms(clock) + timeout_ms};
	gnutls_datum_t agreed = {NULL, 0};
	unsigned n = 0;
	if (dial(address, port, AI_NUMERICHOST, &d, &c.fd, e) < 0 ||
	    contact_init(&c, name, PROBE_PRIORITIES, alpn, e) < 0)
		return -1;
	if (shake_hands(&c, &d, e) < 0)
		return err_in(e, "%s port %u", address, port);
	const gnutls_datum_t *der = gnutls_certificate_get_peers(c.session, &n);
	if (!der || !n)
		return err_fail(e, ERR_INVALID, "the server showed no certificate");
	if (cert_read(datum_str(&der[0]), a, out, e) < 0 ||
	    acme_identifier(datum_str(&der[0]), a, out_ext, e) < 0)
		return -1;
	*out_is_agreed = gnutls_alpn_get_selected_protocol(c.session, &agreed) == 0 &&
			 str_is(datum_str(&agreed), alpn);
	return 0;
}
