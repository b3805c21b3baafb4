/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Handshakes over loopback: a server of the library's own with our certificate callback, and our
 * first contact, or the library's own client, against it.
 */
#include "cert_kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "trust/tls.h"

enum { SECONDS = 10 };

/* ---- a server: one thread, one connection after another ---- */

struct server {
	int fd;
	uint16_t port;
	const char *priorities, *alpn; /* alpn: NULL none */
	struct tls_server *shown;      /* NULL: `credentials` have a certificate */
	gnutls_certificate_credentials_t credentials;
	pthread_t thread;
	/* of the last connection: */
	int peer_rc;
	size_t peer_count;
	enum cert_kind peer_kind;
	char peer_name[80];
};

static void look_at_peer(struct server *s, gnutls_session_t session)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct cert *chain;
	s->peer_rc = arena_new(4 << 20, &a, &e);
	if (s->peer_rc == 0)
		s->peer_rc = tls_peer(session, a, &chain, &s->peer_count, &e);
	if (s->peer_rc == 1) {
		s->peer_kind = chain[0].kind;
		(void)snprintf(s->peer_name, sizeof s->peer_name, "%" STR_F,
			       STR_A(chain[0].name));
	}
}

static void serve_one(struct server *s, int fd)
{
	gnutls_session_t session;
	char byte;
	int rc;
	if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL) < 0)
		return;
	(void)gnutls_priority_set_direct(session, s->priorities, NULL);
	(void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, s->credentials);
	if (s->shown)
		tls_server_bind(s->shown, session);
	if (s->alpn) {
		gnutls_datum_t d = {(unsigned char *)(uintptr_t)s->alpn,
				    (unsigned)strlen(s->alpn)};
		(void)gnutls_alpn_set_protocols(session, &d, 1, 0);
	}
	gnutls_transport_set_int(session, fd);
	do
		rc = gnutls_handshake(session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc == 0) {
		look_at_peer(s, session);
		(void)gnutls_record_send(session, "k", 1);
		(void)gnutls_record_recv(session, &byte, 1);
	}
	gnutls_deinit(session);
}

static void *serve(void *user)
{
	struct server *s = user;
	for (;;) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		serve_one(s, fd);
		(void)close(fd);
	}
}

static void listen_on(struct server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &n), 0);
	s->port = ntohs(at.sin_port);
}

static void server_start(struct server *s)
{
	listen_on(s);
	if (!s->priorities)
		s->priorities = tls_priorities;
	if (!s->credentials)
		assert_int_equal(gnutls_certificate_allocate_credentials(&s->credentials), 0);
	if (s->shown)
		gnutls_certificate_set_retrieve_function3(
			s->credentials,
			(gnutls_certificate_retrieve_function3 *)tls_server_retrieve());
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	(void)close(s->fd);
	gnutls_certificate_free_credentials(s->credentials);
}

/* ---- what is shown ---- */

struct world {
	struct ca *ca;
	struct key *key, *next;
	struct tls_server *shown;
	struct hash root;
	int64_t now_ms;
};

static struct str shown_pem(struct place *at, const struct world *w, const struct key *k,
			    int64_t now_ms)
{
	struct err e = ERR_INIT;
	struct str names[] = {S("localhost"), S("127.0.0.1")}, der;
	char serial[CERT_SERIAL_SIZE];
	struct ca_leaf leaf = {.kind = CERT_MASTER,
			       .name = S("m"),
			       .names = {names, 2},
			       .public = key_public(k),
			       .is_server = true,
			       .now_ms = now_ms};
	OK(ca_sign(w->ca, &leaf, at->a, &der, serial, &e));
	return joined(at, joined(at, cert_pem(der, at->a), ca_chain(w->ca)),
		      ca_sent_roots(w->ca));
}

static void world_init(struct world *w, struct place *at)
{
	struct err e = ERR_INIT;
	w->now_ms = clock_now_ms(clock_system());
	w->ca = place_ca(at, "ca", CA_USERS, KEY_P256, w->now_ms);
	OK(key_make(KEY_P256, &w->key, &e));
	OK(key_make(KEY_ED25519, &w->next, &e));
	OK(tls_server_new(w->key, shown_pem(at, w, w->key, w->now_ms), &w->shown, &e));
	w->root = ca_root_fingerprint(w->ca);
}

static void world_fini(struct world *w)
{
	(void)tls_server_free(w->shown);
	(void)key_free(w->key);
	(void)key_free(w->next);
	(void)ca_free(w->ca);
}

static int64_t in_ten_years(void *user)
{
	(void)user;
	return clock_now_ms(clock_system()) + 3000 * KIT_DAY;
}

static int64_t machine_mono(void *user)
{
	(void)user;
	return clock_mono_ms(clock_system());
}

/* ---- first contact ---- */

static void first_contact_finds_the_root_that_was_named(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	world_init(&w, at);
	struct server s = {.shown = w.shown};
	struct clock later = {in_ten_years, machine_mono, NULL};
	struct hash other = hash_of(S("another root"));
	struct str pem = S("");
	server_start(&s);
	OK(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a, &pem,
		      &e));
	assert_true(str_eq(pem, ca_roots(w.ca)));
	OK(tls_anchor("localhost", s.port, &w.root, clock_system(), SECONDS * 1000, at->a, &pem,
		      &e));
	pem = S("nothing");
	FAILS(tls_anchor("127.0.0.1", s.port, &other, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_FORBIDDEN);
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, &later, SECONDS * 1000, at->a, &pem, &e),
	      ERR_FORBIDDEN);
	assert_true(str_is(pem, "nothing"));
	/* After a rollover of the root, the old one still anchors. */
	OK(ca_roll_root(place_path(at, "ca"), S(""), w.now_ms, &e));
	w.ca = ca_free(w.ca);
	OK(ca_open(place_path(at, "ca"), S(""), &w.ca, &e));
	OK(tls_server_renew(w.shown, w.key, shown_pem(at, &w, w.key, w.now_ms), &e));
	struct hash fresh = ca_root_fingerprint(w.ca);
	OK(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a, &pem,
		      &e));
	OK(tls_anchor("127.0.0.1", s.port, &fresh, clock_system(), SECONDS * 1000, at->a, &pem,
		      &e));
	server_stop(&s);
}

static void first_contact_refuses_other_hosts_and_look_alikes(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	struct tls_server *shown = NULL;
	struct str pem = S("");
	world_init(&w, at);
	/* Somebody in between: shows the true root, but his leaf is his own. */
	struct ca *alike CLEAN(ca_freep) = place_ca(at, "alike", CA_USERS, KEY_P256, w.now_ms);
	struct str leaf = cert_pem(
		place_leaf(at, alike, CERT_MASTER, "127.0.0.1", w.key, w.now_ms), at->a);
	OK(tls_server_new(w.key, joined(at, joined(at, leaf, ca_chain(w.ca)), ca_roots(w.ca)),
			  &shown, &e));
	struct server s = {.shown = shown};
	server_start(&s);
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_FORBIDDEN);
	/* A true certificate, of another host. */
	leaf = cert_pem(place_leaf(at, w.ca, CERT_MASTER, "other.test", w.key, w.now_ms),
			at->a);
	struct str chain = joined(at, leaf, ca_chain(w.ca));
	OK(tls_server_renew(shown, w.key, joined(at, chain, ca_roots(w.ca)), &e));
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_FORBIDDEN);
	/* A person who serves. */
	leaf = cert_pem(place_leaf(at, w.ca, CERT_PERSON, "127.0.0.1", w.key, w.now_ms), at->a);
	chain = joined(at, leaf, ca_chain(w.ca));
	OK(tls_server_renew(shown, w.key, joined(at, chain, ca_roots(w.ca)), &e));
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_FORBIDDEN);
	server_stop(&s);
	(void)tls_server_free(shown);
}

static void first_contact_ends_in_time(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	struct str pem;
	world_init(&w, at);
	/* Nobody accepts: the kernel takes the connection, nothing answers. */
	struct server s = {.shown = w.shown};
	listen_on(&s);
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), 50, at->a, &pem, &e),
	      ERR_TIMEOUT);
	(void)close(s.fd);
	FAILS(tls_anchor("127.0.0.1", s.port, &w.root, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_UNREACHABLE);
	FAILS(tls_anchor("no.such.host.invalid", 1, &w.root, clock_system(), SECONDS * 1000,
			 at->a, &pem, &e),
	      ERR_UNREACHABLE);
	/* Older TLS is not spoken. */
	struct server old = {.shown = w.shown, .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
	server_start(&old);
	FAILS(tls_anchor("127.0.0.1", old.port, &w.root, clock_system(), SECONDS * 1000, at->a,
			 &pem, &e),
	      ERR_UNREACHABLE);
	server_stop(&old);
}

/* ---- who the other side is; renewal ---- */

struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

/* `cert` and `key`: files of the place, or NULL. Connected, not shaken hands. */
static void client_open(struct client *c, struct place *at, uint16_t port, const char *cert,
			const char *key)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	assert_int_equal(gnutls_certificate_allocate_credentials(&c->credentials), 0);
	if (cert)
		assert_int_equal(gnutls_certificate_set_x509_key_file(
					 c->credentials, place_path(at, cert),
					 place_path(at, key), GNUTLS_X509_FMT_PEM),
				 0);
	assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
	assert_int_equal(gnutls_priority_set_direct(c->session, tls_priorities, NULL), 0);
	assert_int_equal(
		gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials), 0);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
	gnutls_transport_set_int(c->session, c->fd);
}

static void client_shake(struct client *c)
{
	char byte = 0;
	int rc;
	do
		rc = gnutls_handshake(c->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	assert_int_equal(rc, 0);
	assert_int_equal(gnutls_protocol_get_version(c->session), GNUTLS_TLS1_3);
	do
		rc = (int)gnutls_record_recv(c->session, &byte, 1);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	assert_int_equal(rc, 1); /* the server has looked at us */
}

static struct cert client_sees(struct client *c, struct place *at)
{
	struct err e = ERR_INIT;
	struct cert *chain;
	size_t n = 0;
	assert_int_equal(tls_peer(c->session, at->a, &chain, &n, &e), 1);
	return chain[0];
}

static void client_close(struct client *c)
{
	(void)close(c->fd);
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->credentials);
}

static void the_other_side_is_known_by_its_certificate(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	struct key *k CLEAN(key_freep) = NULL;
	struct client c;
	world_init(&w, at);
	struct server s = {.shown = w.shown};
	server_start(&s);
	client_open(&c, at, s.port, NULL, NULL);
	client_shake(&c);
	assert_int_equal(s.peer_rc, 0);
	client_close(&c);
	OK(key_open(place_path(at, "k.pem"), KEY_ED25519, &k, &e));
	struct str leaf =
		cert_pem(place_leaf(at, w.ca, CERT_PERSON, "anna", k, w.now_ms), at->a);
	place_write(at, "c.pem", joined(at, leaf, ca_chain(w.ca)));
	client_open(&c, at, s.port, "c.pem", "k.pem");
	client_shake(&c);
	assert_int_equal(s.peer_rc, 1);
	assert_int_equal(s.peer_count, 2);
	assert_int_equal(s.peer_kind, CERT_PERSON);
	assert_string_equal(s.peer_name, "anna");
	client_close(&c);
	server_stop(&s);
}

static void a_renewed_certificate_is_shown_to_the_next(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	struct client before, during, after;
	world_init(&w, at);
	struct server s = {.shown = w.shown};
	server_start(&s);
	int64_t old_to = tls_server_to_ms(w.shown);
	assert_int_equal(old_to / 1000, (w.now_ms + 30 * KIT_DAY) / 1000);
	struct hash old = key_name(w.key), new = key_name(w.next);
	client_open(&before, at, s.port, NULL, NULL);
	client_shake(&before);
	client_close(&before);
	client_open(&during, at, s.port, NULL, NULL); /* the connection stands already */
	OK(tls_server_renew(w.shown, w.next, shown_pem(at, &w, w.next, w.now_ms + KIT_DAY),
			    &e));
	assert_int_equal(tls_server_to_ms(w.shown), old_to + KIT_DAY);
	client_shake(&during);
	client_close(&during);
	client_open(&after, at, s.port, NULL, NULL);
	client_shake(&after);
	struct cert c = client_sees(&after, at);
	assert_true(hash_eq(&c.key, &new));
	assert_false(hash_eq(&c.key, &old));
	client_close(&after);
	/* What does not fit is not taken, and what was shown stays. */
	FAILS(tls_server_renew(w.shown, w.key, shown_pem(at, &w, w.next, w.now_ms), &e),
	      ERR_INVALID);
	FAILS(tls_server_renew(w.shown, w.key, S("nonsense"), &e), ERR_INVALID);
	assert_int_equal(tls_server_to_ms(w.shown), old_to + KIT_DAY);
	server_stop(&s);
}

struct renewer {
	struct world *w;
	struct str pems[2];
	_Atomic bool is_over;
	int failed, renewed;
};

static void *renew_often(void *user)
{
	struct renewer *r = user;
	struct err e = ERR_INIT;
	do {
		int i = r->renewed++ % 2;
		r->failed += tls_server_renew(r->w->shown, i ? r->w->next : r->w->key,
					      r->pems[i], &e) < 0;
	} while (!r->is_over && r->renewed < 2000);
	return NULL;
}

static void handshakes_and_renewals_do_not_disturb_each_other(void **state)
{
	struct place *at = *state;
	struct world w CLEAN(world_fini) = {.ca = NULL};
	world_init(&w, at);
	struct server s = {.shown = w.shown};
	struct renewer r = {.w = &w};
	pthread_t thread;
	r.pems[0] = shown_pem(at, &w, w.key, w.now_ms);
	r.pems[1] = shown_pem(at, &w, w.next, w.now_ms);
	server_start(&s);
	assert_int_equal(pthread_create(&thread, NULL, renew_often, &r), 0);
	for (int i = 0; i < 40; i++) {
		struct client c;
		client_open(&c, at, s.port, NULL, NULL);
		client_shake(&c); /* the key fits the certificate, whichever it was */
		client_close(&c);
	}
	r.is_over = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.failed, 0);
	server_stop(&s);
}

/* ---- tls-alpn-01 ---- */

#define DIGEST "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void a_probe_tells_what_is_shown(void **state)
{
	static const struct {
		const char *priorities, *extension, *alpn;
		bool has_identifier, is_agreed;
	} rows[] = {
		{tls_priorities, "critical,DER:0420" DIGEST, "acme-tls/1", true, true},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.2", "critical,DER:0420" DIGEST, "acme-tls/1",
		 true, true},
		{tls_priorities, "critical,DER:0420" DIGEST, NULL, true, false},
		{tls_priorities, "DER:0420" DIGEST, "acme-tls/1", false, true},
		{tls_priorities, "critical,DER:041f" DIGEST, "acme-tls/1", false, true},
		{tls_priorities, NULL, "acme-tls/1", false, true},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char said[SAID_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server s = {.priorities = rows[i].priorities, .alpn = rows[i].alpn};
		struct str ext = S("not written");
		struct cert c;
		bool is_agreed = !rows[i].is_agreed;
		const char *id = arena_fmt(at->a, "1.3.6.1.5.5.7.1.31=%s", rows[i].extension).p;
		if (TOOL(said, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
			 "ec_paramgen_curve:P-256", "-nodes", "-keyout", place_path(at, "k"),
			 "-subj", "/CN=x", "-addext", "subjectAltName=DNS:a.test", "-days", "1",
			 "-out", place_path(at, "c"), rows[i].extension ? "-addext" : NULL,
			 id) != 0)
			fail_msg("%s", said);
		assert_int_equal(gnutls_certificate_allocate_credentials(&s.credentials), 0);
		assert_int_equal(gnutls_certificate_set_x509_key_file(
					 s.credentials, place_path(at, "c"),
					 place_path(at, "k"), GNUTLS_X509_FMT_PEM),
				 0);
		server_start(&s);
		OK(tls_alpn_probe("127.0.0.1", s.port, "a.test", "acme-tls/1", SECONDS * 1000,
				  at->a, &c, &ext, &is_agreed, &e));
		server_stop(&s);
		assert_int_equal(is_agreed, rows[i].is_agreed);
		assert_int_equal(ext.n, rows[i].has_identifier ? 32 : 0);
		if (ext.n)
			assert_int_equal(ext.p[31], 0x1f);
		assert_int_equal(c.names.count, 1);
		assert_true(str_is(c.names.items[0], "a.test"));
	}
	struct str ext;
	struct cert c;
	bool is_agreed;
	FAILS(tls_alpn_probe("localhost", 1, "a.test", "acme-tls/1", 1000, at->a, &c, &ext,
			     &is_agreed, &e),
	      ERR_UNREACHABLE); /* only addresses: no second look-up */
}

int main(void)
{
#define AT(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		AT(first_contact_finds_the_root_that_was_named),
		AT(first_contact_refuses_other_hosts_and_look_alikes),
		AT(first_contact_ends_in_time),
		AT(the_other_side_is_known_by_its_certificate),
		AT(a_renewed_certificate_is_shown_to_the_next),
		AT(handshakes_and_renewals_do_not_disturb_each_other),
		AT(a_probe_tells_what_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
