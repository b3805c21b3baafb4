/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The certificate a server shows, and the one that the other side showed.
 *
 * What is shown is immutable once made; renewal puts a new one into an atomic pointer. No library
 * tells when the last handshake that took the old one is over, so the old ones stay in memory
 * until the server is freed: a few kilobytes every twenty days. The session is bound by its
 * database pointer, which nothing else uses: TLS 1.3 has no session database.
 */
#include "trust/tls.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "trust/gnutls_impl.h"

enum { PEER_MAX = CERT_CHAIN_MAX, READ_BYTES = 4 << 20 };

const char tls_priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3"
			      ":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM"
			      ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1";

struct shown {
	struct shown *older;
	const struct key *key;
	int64_t to_ms;
	unsigned count;
	gnutls_pcert_st chain[CERT_CHAIN_MAX];
};

struct tls_server {
	_Atomic(struct shown *) now;
	pthread_mutex_t renewing;
};

static void shown_free(struct shown *s)
{
	for (unsigned i = 0; i < s->count; i++)
		gnutls_pcert_deinit(&s->chain[i]);
	mem_free(s);
}

static int fill(struct shown *s, const struct key *k, struct str chain_pem, struct arena *a,
		struct err *e)
{
	struct cert *chain;
	size_t count;
	struct hash name = key_name(k);
	if (cert_chain_read(chain_pem, a, &chain, &count, e) < 0)
		return -1;
	if (!hash_eq(&chain[0].key, &name))
		return err_fail(e, ERR_INVALID, "the certificate is not of the server's key");
	s->key = k;
	s->to_ms = chain[0].to_ms;
	for (; s->count < count; s->count++) {
		gnutls_datum_t d = datum_of(chain[s->count].der);
		int rc = gnutls_pcert_import_x509_raw(&s->chain[s->count], &d,
						      GNUTLS_X509_FMT_DER, 0);
		if (rc < 0)
			return gnutls_fail_impl(e, ERR_INVALID, rc, "server's certificate");
	}
	return 0;
}

static int shown_new(const struct key *k, struct str chain_pem, struct shown **out,
		     struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct shown *s = MEM_NEW(struct shown, e);
	if (!s)
		return -1;
	if (arena_new(READ_BYTES, &a, e) < 0 || fill(s, k, chain_pem, a, e) < 0) {
		shown_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

MUST int tls_server_new(const struct key *k, struct str chain_pem, struct tls_server **out,
			struct err *e)
{
	struct shown *s = NULL;
	struct tls_server *t = MEM_NEW(struct tls_server, e);
	if (!t)
		return -1;
	if (shown_new(k, chain_pem, &s, e) < 0) {
		mem_free(t);
		return -1;
	}
	(void)pthread_mutex_init(&t->renewing, NULL);
	atomic_init(&t->now, s);
	*out = t;
	return 0;
}

MUST int tls_server_renew(struct tls_server *t, const struct key *k, struct str chain_pem,
			  struct err *e)
{
	struct shown *s = NULL;
	if (shown_new(k, chain_pem, &s, e) < 0)
		return -1;
	(void)pthread_mutex_lock(&t->renewing);
	s->older = atomic_load_explicit(&t->now, memory_order_relaxed);
	atomic_store_explicit(&t->now, s, memory_order_release);
	(void)pthread_mutex_unlock(&t->renewing);
	return 0;
}

struct tls_server *tls_server_free(struct tls_server *t)
{
	if (!t)
		return NULL;
	for (struct shown *s = atomic_load(&t->now), *older; s; s = older) {
		older = s->older;
		shown_free(s);
	}
	(void)pthread_mutex_destroy(&t->renewing);
	mem_free(t);
	return NULL;
}

int64_t tls_server_to_ms(struct tls_server *t)
{
	return atomic_load_explicit(&t->now, memory_order_acquire)->to_ms;
}

static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info UNUSED,
		    gnutls_pcert_st **certs, unsigned *count, gnutls_ocsp_data_st **ocsp,
		    unsigned *ocsp_count, gnutls_privkey_t *key, unsigned *flags)
{
	struct tls_server *t = gnutls_db_get_ptr(session);
	if (!t)
		return -1;
	struct shown *s = atomic_load_explicit(&t->now, memory_order_acquire);
	*certs = s->chain;
	*count = s->count;
	*ocsp = NULL;
	*ocsp_count = 0;
	*key = key_handle(s->key);
	*flags = 0; /* all of it stays ours */
	return 0;
}

tls_function *tls_server_retrieve(void)
{
	return (tls_function *)retrieve;
}

void tls_server_bind(struct tls_server *t, void *session)
{
	gnutls_db_set_ptr(session, t);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
}

MUST int tls_peer(void *session, struct arena *a, struct cert **out, size_t *count,
		  struct err *e)
{
	unsigned n = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);
	if (!der || !n)
		return 0;
	if (n > PEER_MAX)
		return err_fail(e, ERR_INVALID, "the other side showed %u certificates", n);
	struct cert *chain = ARENA_ARRAY(a, struct cert, n);
	if (!chain)
		return arena_check(a, e);
	for (unsigned i = 0; i < n; i++)
		if (cert_read(datum_str(&der[i]), a, &chain[i], e) < 0)
			return err_in(e, "certificate %u of the other side", i + 1);
	*out = chain;
	*count = n;
	return 1;
}
