/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a party trusts, and whether a chain that it was shown holds.
 *
 * The moment is the caller's (tests and simulations live in other times than the machine), so the
 * library checks signatures and constraints only; times, purposes, revocation and hosts are checked
 * here, on the way that was found.
 */
#include "base/mem.h"
#include "trust/cert_impl.h"

enum {
	TRUSTED_MAX = 32,
	LISTS_MAX = 16,
	WAYS_MAX = 12, /* that are worth a signature check */
	TRUST_BYTES = 64 << 20,
	CHECK_BYTES = 1 << 20,
};

struct revoked {
	char serial[CERT_SERIAL_SIZE];
};

/* What one revocation list says, sorted by serial. */
struct revocations {
	struct str issuer; /* raw name */
	struct revoked *items;
	size_t count;
};

struct cert_trust {
	struct arena *a;
	struct cert_link links[TRUSTED_MAX];
	size_t count;
	struct revocations lists[LISTS_MAX];
	size_t list_count;
};

static const char *const fault_words[CERT_FAULTS] = {
	[CERT_GOOD] = "good",
	[CERT_UNTRUSTED] = "untrusted",
	[CERT_EXPIRED] = "expired",
	[CERT_NOT_YET] = "not-yet",
	[CERT_REVOKED] = "revoked",
	[CERT_WRONG_PURPOSE] = "wrong-purpose",
	[CERT_WRONG_NAME] = "wrong-name",
};

const char *cert_fault_word(enum cert_fault f)
{
	ASSERT(f < CERT_FAULTS);
	return fault_words[f];
}

struct cert_trust *cert_trust_free(struct cert_trust *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->count; i++)
		cert_link_fini(&t->links[i]);
	(void)arena_free(t->a);
	mem_free(t);
	return NULL;
}

void cert_trust_freep(struct cert_trust **t)
{
	*t = cert_trust_free(*t);
}

static int fill(struct cert_trust *t, gnutls_x509_crt_t *crt, size_t n, struct err *e)
{
	int rc = 0;
	size_t roots = 0;
	for (size_t i = 0; i < n; i++) {
		if (rc < 0) {
			crt_freep(&crt[i]);
			continue;
		}
		struct cert_link *l = &t->links[t->count];
		rc = cert_link_init(l, crt[i], t->a, e);
		if (rc < 0)
			continue;
		l->is_root = cert_link_is_own(l);
		roots += l->is_root;
		t->count++;
	}
	if (rc == 0 && !roots)
		return err_fail(e, ERR_INVALID, "no root among the certificates to trust");
	return rc;
}

MUST int cert_trust_new(struct str pem, struct cert_trust **out, struct err *e)
{
	gnutls_x509_crt_t crt[TRUSTED_MAX] = {NULL};
	struct cert_trust *t CLEAN(cert_trust_freep) = MEM_NEW(struct cert_trust, e);
	size_t n = 0;
	if (!t || arena_new(TRUST_BYTES, &t->a, e) < 0 ||
	    cert_import(pem, crt, TRUSTED_MAX, &n, e) < 0 || fill(t, crt, n, e) < 0)
		return -1;
	*out = t;
	t = NULL;
	return 0;
}

/* ---- revocation lists ---- */

void crl_freep(gnutls_x509_crl_t *c)
{
	if (*c)
		gnutls_x509_crl_deinit(*c);
}

static int revoked_cmp(const void *a, const void *b)
{
	const struct revoked *x = a, *y = b;
	return strcmp(x->serial, y->serial);
}

/* Does the authority `l` have a way to a root whose signatures hold? */
static bool is_under_root(const struct cert_trust *t, const struct cert_link *l)
{
	struct cert_walk w;
	if (l->is_root)
		return true;
	cert_walk_init(&w, l);
	for (size_t i = 0; i < t->count; i++)
		cert_walk_add(&w, &t->links[i]);
	for (unsigned ways = 0; ways < WAYS_MAX && cert_walk_next(&w); ways++)
		if (cert_way_check(&w.way) == CERT_GOOD)
			return true;
	return false;
}

/* GnuTLS holds a list that has ended for wrong, whatever it is asked; we do not. */
static bool is_status_good(unsigned status)
{
	enum {
		TIMES = GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
			GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE
	};
	return status == 0 ||
	       ((status & TIMES) && !(status & ~(unsigned)(TIMES | GNUTLS_CERT_INVALID)));
}

static bool is_list_signed(const struct cert_trust *t, gnutls_x509_crl_t crl, struct str issuer)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct cert_link *l = &t->links[i];
		unsigned status = 0;
		if (!l->is_list_signer || !str_eq(l->subject, issuer))
			continue;
		int rc = gnutls_x509_crl_verify(
			crl, &l->crt, 1,
			GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
				GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS,
			&status);
		if (rc >= 0 && is_status_good(status) && is_under_root(t, l))
			return true;
	}
	return false;
}

static int read_revoked(gnutls_x509_crl_t crl, struct arena *a, struct revocations *out,
			struct err *e)
{
	gnutls_x509_crl_iter_t at = NULL;
	int n = gnutls_x509_crl_get_crt_count(crl), rc = 0;
	if (n < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, n, "revocation list");
	out->items = ARENA_ARRAY(a, struct revoked, (size_t)n);
	if (!out->items)
		return arena_check(a, e);
	while (out->count < (size_t)n) {
		uint8_t serial[64];
		size_t bytes = sizeof serial;
		rc = gnutls_x509_crl_iter_crt_serial(crl, &at, serial, &bytes, NULL);
		if (rc < 0)
			break;
		if (!cert_serial_text(serial, bytes, out->items[out->count].serial)) {
			rc = GNUTLS_E_ASN1_DER_ERROR;
			break;
		}
		out->count++;
	}
	if (at)
		gnutls_x509_crl_iter_deinit(at);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "revocation list");
	qsort(out->items, out->count, sizeof *out->items, revoked_cmp);
	return 0;
}

MUST int cert_trust_add_crl(struct cert_trust *t, struct str text, struct err *e)
{
	gnutls_x509_crl_t crl CLEAN(crl_freep) = NULL;
	gnutls_datum_t d = datum_of(text), dn CLEAN(datum_freep) = {NULL, 0};
	struct revocations list = {.count = 0};
	bool is_der = text.n && text.p[0] == 0x30;
	if (text.n > CERT_CRL_MAX || t->list_count == LISTS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "revocation list: too large, or too many");
	int rc = gnutls_x509_crl_init(&crl);
	if (rc == 0)
		rc = gnutls_x509_crl_import(crl, &d,
					    is_der ? GNUTLS_X509_FMT_DER : GNUTLS_X509_FMT_PEM);
	if (rc == 0)
		rc = gnutls_x509_crl_get_raw_issuer_dn(crl, &dn);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "revocation list");
	list.issuer = arena_dup(t->a, datum_str(&dn));
	if (arena_check(t->a, e) < 0)
		return -1;
	if (!is_list_signed(t, crl, list.issuer))
		return err_fail(e, ERR_CORRUPT,
				"revocation list: not signed under a trusted root");
	if (read_revoked(crl, t->a, &list, e) < 0)
		return -1;
	t->lists[t->list_count++] = list;
	return 0;
}

static bool is_revoked(const struct cert_trust *t, const struct cert_link *l)
{
	struct revoked key;
	memcpy(key.serial, l->serial, sizeof key.serial);
	for (size_t i = 0; i < t->list_count; i++) {
		const struct revocations *r = &t->lists[i];
		if (str_eq(r->issuer, l->issuer) && r->count &&
		    bsearch(&key, r->items, r->count, sizeof key, revoked_cmp))
			return true;
	}
	return false;
}

/* ---- a chain ---- */

/* The certificates of a chain as links; handles are freed at the end. */
struct chain_links {
	struct arena *a;
	struct cert_link at[CERT_CHAIN_MAX];
	size_t count;
};

static void chain_links_fini(struct chain_links *c)
{
	for (size_t i = 0; i < c->count; i++)
		cert_link_fini(&c->at[i]);
	(void)arena_free(c->a);
}

static bool chain_links_init(struct chain_links *c, const struct cert *chain, size_t count)
{
	struct err e = ERR_INIT;
	if (!count || count > CERT_CHAIN_MAX || arena_new(CHECK_BYTES, &c->a, &e) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		gnutls_x509_crt_t crt = NULL;
		size_t n = 0;
		if (cert_import(chain[i].der, &crt, 1, &n, &e) < 0 ||
		    cert_link_init(&c->at[c->count], crt, c->a, &e) < 0)
			return false;
		c->count++;
	}
	return true;
}

static enum cert_fault check_moment(const struct cert_way *w, int64_t now_ms)
{
	for (size_t i = 0; i < w->count; i++) {
		if (now_ms < w->at[i]->from_ms)
			return CERT_NOT_YET;
		if (now_ms > w->at[i]->to_ms)
			return CERT_EXPIRED;
	}
	return CERT_GOOD;
}

/* The leaf names the purpose; authorities that name any name it too. */
static bool is_for(const struct cert_way *w, const struct cert *leaf, bool is_server)
{
	if (leaf->is_authority || !(is_server ? leaf->is_server : leaf->is_client))
		return false;
	for (size_t i = 1; i < w->count; i++) {
		const struct cert_link *l = w->at[i];
		if (l->is_limited && !(is_server ? l->is_for_server : l->is_for_client))
			return false;
	}
	return true;
}

static enum cert_fault check_way(const struct cert_trust *t, const struct cert_way *w,
				 const struct cert *leaf, int64_t now_ms, bool is_server)
{
	enum cert_fault f = cert_way_check(w);
	if (f == CERT_GOOD)
		f = check_moment(w, now_ms);
	for (size_t i = 0; i + 1 < w->count && f == CERT_GOOD; i++)
		if (is_revoked(t, w->at[i]))
			f = CERT_REVOKED;
	if (f == CERT_GOOD && !is_for(w, leaf, is_server))
		f = CERT_WRONG_PURPOSE;
	return f;
}

enum cert_fault cert_check(const struct cert_trust *t, const struct cert *chain, size_t count,
			   int64_t now_ms, bool is_server, struct str host)
{
	struct chain_links c CLEAN(chain_links_fini) = {.a = NULL};
	struct cert_walk w;
	enum cert_fault told = CERT_UNTRUSTED;
	if (!chain_links_init(&c, chain, count))
		return CERT_UNTRUSTED;
	cert_walk_init(&w, &c.at[0]);
	for (size_t i = 0; i < t->count; i++)
		cert_walk_add(&w, &t->links[i]);
	for (size_t i = 1; i < c.count; i++)
		cert_walk_add(&w, &c.at[i]);
	for (unsigned ways = 0; ways < WAYS_MAX && cert_walk_next(&w); ways++) {
		enum cert_fault f = check_way(t, &w.way, &chain[0], now_ms, is_server);
		if (f == CERT_GOOD && host.n && !cert_has_host(&chain[0], host))
			f = CERT_WRONG_NAME;
		if (f == CERT_GOOD)
			return CERT_GOOD;
		if (told == CERT_UNTRUSTED)
			told = f;
	}
	return told;
}
