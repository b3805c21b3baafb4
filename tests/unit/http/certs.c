/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <cmocka.h>

#include "base/file.h"
#include "trust/tls.h"

enum { DAY_S = 86400, PATHS = 40, PEM_BYTES = 16384 };

struct pair {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

struct certs {
	char dir[64];
	char *paths[PATHS]; /* the last ones given out */
	size_t path_count;
	struct key *keys[PATHS];
	size_t key_count;
};

static const struct spec {
	const char *name, *root, *uri, *host;
	bool is_server;
	int from_days, to_days;
} specs[] = {
	{"server", "root", "hoc:master:m", "localhost", true, -1, 30},
	{"server-renewed", "root", "hoc:master:m", "localhost", true, -1, 60},
	{"server-expired", "root", "hoc:master:m", "localhost", true, -30, -1},
	{"server-future", "root", "hoc:master:m", "localhost", true, 2, 30},
	{"server-elsewhere", "root", "hoc:master:m", "elsewhere.example", true, -1, 30},
	{"server-foreign", "other-root", "hoc:master:m", "localhost", true, -1, 30},
	{"server-purpose", "root", "hoc:master:m", "localhost", false, -1, 30},
	{"client", "root", "hoc:person:ann", NULL, false, -1, 30},
	{"client-renewed", "root", "hoc:person:ann2", NULL, false, -1, 30},
	{"client-expired", "root", "hoc:person:ann", NULL, false, -30, -1},
	{"client-foreign", "other-root", "hoc:person:ann", NULL, false, -1, 30},
};

#define GOOD(call) assert_true((call) >= 0)

const char *certs_path(struct certs *c, const char *name)
{
	char **path = &c->paths[c->path_count++ % PATHS];
	free(*path);
	assert_true(asprintf(path, "%s/%s", c->dir, name) > 0);
	return *path;
}

static void write_pair(struct certs *c, const char *name, const struct pair *p, bool has_key)
{
	char file[80], pem[PEM_BYTES];
	size_t n = sizeof pem;
	struct err e = ERR_INIT;
	GOOD(gnutls_x509_crt_export(p->crt, GNUTLS_X509_FMT_PEM, pem, &n));
	(void)snprintf(file, sizeof file, "%s.pem", name);
	assert_int_equal(file_write(certs_path(c, file), str_of(pem, n), 0644, &e), 0);
	n = sizeof pem;
	GOOD(gnutls_x509_privkey_export_pkcs8(p->key, GNUTLS_X509_FMT_PEM, NULL,
					      GNUTLS_PKCS_PLAIN, pem, &n));
	(void)snprintf(file, sizeof file, "%s.key", name);
	if (has_key)
		assert_int_equal(file_write(certs_path(c, file), str_of(pem, n), 0600, &e), 0);
}

static void pair_start(struct pair *p, const char *cn, int from_days, int to_days)
{
	static _Atomic unsigned serial = 1;
	unsigned char number[5] = {1, 0, 0, 0, (unsigned char)serial++};
	time_t now = time(NULL);
	GOOD(gnutls_x509_privkey_init(&p->key));
	GOOD(gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	GOOD(gnutls_x509_crt_init(&p->crt));
	GOOD(gnutls_x509_crt_set_version(p->crt, 3));
	GOOD(gnutls_x509_crt_set_serial(p->crt, number, sizeof number));
	GOOD(gnutls_x509_crt_set_activation_time(p->crt, now + from_days * DAY_S));
	GOOD(gnutls_x509_crt_set_expiration_time(p->crt, now + to_days * DAY_S));
	GOOD(gnutls_x509_crt_set_dn_by_oid(p->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
					   (unsigned)strlen(cn)));
	GOOD(gnutls_x509_crt_set_key(p->crt, p->key));
}

static void set_identifiers(struct pair *p, const struct pair *issuer)
{
	unsigned char id[64];
	size_t n = sizeof id;
	GOOD(gnutls_x509_crt_get_key_id(p->crt, 0, id, &n));
	GOOD(gnutls_x509_crt_set_subject_key_id(p->crt, id, n));
	n = sizeof id;
	GOOD(gnutls_x509_crt_get_key_id(issuer->crt, 0, id, &n));
	GOOD(gnutls_x509_crt_set_authority_key_id(p->crt, id, n));
	GOOD(gnutls_x509_crt_sign2(p->crt, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0));
}

static void make_root(struct certs *c, const char *name, struct pair *out)
{
	pair_start(out, name, -100, 1000);
	GOOD(gnutls_x509_crt_set_basic_constraints(out->crt, 1, -1));
	GOOD(gnutls_x509_crt_set_key_usage(out->crt,
					   GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	set_identifiers(out, out);
	write_pair(c, name, out, false);
}

static void pair_end(struct pair *p)
{
	gnutls_x509_crt_deinit(p->crt);
	gnutls_x509_privkey_deinit(p->key);
}

static void make_leaf(struct certs *c, const struct spec *s, const struct pair *root)
{
	static const unsigned char v4[] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
	struct pair p;
	pair_start(&p, s->name, s->from_days, s->to_days);
	GOOD(gnutls_x509_crt_set_basic_constraints(p.crt, 0, -1));
	GOOD(gnutls_x509_crt_set_key_usage(p.crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	GOOD(gnutls_x509_crt_set_key_purpose_oid(
		p.crt, s->is_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0));
	GOOD(gnutls_x509_crt_set_subject_alt_name(p.crt, GNUTLS_SAN_URI, s->uri,
						  (unsigned)strlen(s->uri), GNUTLS_FSAN_SET));
	if (s->host)
		GOOD(gnutls_x509_crt_set_subject_alt_name(p.crt, GNUTLS_SAN_DNSNAME, s->host,
							  (unsigned)strlen(s->host),
							  GNUTLS_FSAN_APPEND));
	if (s->host && strcmp(s->host, "localhost") == 0) {
		GOOD(gnutls_x509_crt_set_subject_alt_name(p.crt, GNUTLS_SAN_IPADDRESS, v4,
							  sizeof v4, GNUTLS_FSAN_APPEND));
		GOOD(gnutls_x509_crt_set_subject_alt_name(p.crt, GNUTLS_SAN_IPADDRESS, v6,
							  sizeof v6, GNUTLS_FSAN_APPEND));
	}
	set_identifiers(&p, root);
	write_pair(c, s->name, &p, true);
	pair_end(&p);
}

struct certs *certs_new(void)
{
	struct certs *c = calloc(1, sizeof *c);
	struct pair root, other;
	(void)snprintf(c->dir, sizeof c->dir, "/tmp/hoc-test-certs-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	make_root(c, "root", &root);
	make_root(c, "other-root", &other);
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
		make_leaf(c, &specs[i], strcmp(specs[i].root, "root") == 0 ? &root : &other);
	pair_end(&root);
	pair_end(&other);
	return c;
}

void certs_free(struct certs *c)
{
	struct err e = ERR_INIT;
	for (size_t i = 0; i < c->key_count; i++)
		(void)key_free(c->keys[i]);
	assert_int_equal(file_remove_tree(c->dir, &e), 0);
	for (size_t i = 0; i < PATHS; i++)
		free(c->paths[i]);
	free(c);
}

/* The key and the chain of a pair; the key lives as long as `c`. */
static const struct key *load(struct certs *c, const char *name, struct arena *a,
			      struct str *chain)
{
	char file[80];
	struct err e = ERR_INIT;
	struct key **k = &c->keys[c->key_count++];
	(void)snprintf(file, sizeof file, "%s.key", name);
	if (key_load(certs_path(c, file), k, &e) != 0)
		fail_msg("%s: %s", file, e.text);
	(void)snprintf(file, sizeof file, "%s.pem", name);
	assert_int_equal(file_read(certs_path(c, file), 65536, a, chain, &e), 0);
	return *k;
}

struct tls_server *certs_server(struct certs *c, const char *name)
{
	struct arena *a = NULL;
	struct str chain = S("");
	struct tls_server *t = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	const struct key *k = load(c, name, a, &chain);
	if (tls_server_new(k, chain, &t, &e) < 0)
		fail_msg("%s", e.text);
	(void)arena_free(a);
	return t;
}

void certs_renew(struct certs *c, struct tls_server *t, const char *name)
{
	struct arena *a = NULL;
	struct str chain = S("");
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	const struct key *k = load(c, name, a, &chain);
	if (tls_server_renew(t, k, chain, &e) < 0)
		fail_msg("%s", e.text);
	(void)arena_free(a);
}

/* --- The client's end ---------------------------------------------------------------------- */

void *certs_connect(const struct certs *c, int fd, const char *name, const char *priority)
{
	gnutls_session_t s;
	gnutls_certificate_credentials_t cred;
	GOOD(gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
	GOOD(gnutls_certificate_allocate_credentials(&cred));
	if (name) {
		char pem[160], key[160]; /* many threads connect: nothing of `c` is written */
		(void)snprintf(pem, sizeof pem, "%s/%s.pem", c->dir, name);
		(void)snprintf(key, sizeof key, "%s/%s.key", c->dir, name);
		/* The server may name the authorities it wants; it shows what it is told to. */
		GOOD(gnutls_certificate_set_x509_key_file(cred, pem, key, GNUTLS_X509_FMT_PEM));
	}
	GOOD(gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, cred));
	GOOD(gnutls_priority_set_direct(s, priority ? priority : "NORMAL", NULL));
	gnutls_session_set_ptr(s, cred);
	gnutls_transport_set_int(s, fd);
	int rc;
	do
		rc = gnutls_handshake(s);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc == 0)
		return s;
	certs_disconnect(s);
	return NULL;
}

void certs_disconnect(void *session)
{
	gnutls_session_t s = session;
	gnutls_certificate_credentials_t cred = gnutls_session_get_ptr(s);
	gnutls_deinit(s);
	gnutls_certificate_free_credentials(cred);
}

long certs_send(void *session, const void *p, size_t n)
{
	return gnutls_record_send(session, p, n);
}

long certs_receive(void *session, void *p, size_t n)
{
	long rc;
	do /* a ticket or another message of the protocol is no data */
		rc = gnutls_record_recv(session, p, n);
	while (rc == GNUTLS_E_INTERRUPTED);
	return rc;
}

void certs_shown(void *session, char out[static 65])
{
	unsigned n = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);
	assert_true(n > 0);
	struct hash h = hash_of(str_of((const char *)der->data, der->size));
	hash_text(&h, out);
}
