/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Ways from a leaf to a trusted root (RFC 5280 section 6, RFC 4158).
 *
 * While an authority rolls its root over, there are several ways, and a chain that a stranger sends
 * may hold anything. So ways are searched depth first over a small pool, by what costs nothing:
 * names, key identifiers, the right to sign, path length. Only a whole way is checked by the
 * library, signatures and name constraints. Steps are counted, whatever the pool is.
 */
#include "trust/cert_impl.h"

enum { STEPS_MAX = 2000 };

static struct str take_datum(gnutls_datum_t *d, struct arena *a)
{
	struct str s = arena_dup(a, datum_str(d));
	datum_freep(d);
	return s;
}

static int link_names(struct cert_link *l, struct arena *a, struct err *e)
{
	gnutls_datum_t d = {NULL, 0};
	int rc = gnutls_x509_crt_export2(l->crt, GNUTLS_X509_FMT_DER, &d);
	if (rc == 0) {
		l->der = take_datum(&d, a);
		rc = gnutls_x509_crt_get_raw_dn(l->crt, &d);
	}
	if (rc == 0) {
		l->subject = take_datum(&d, a);
		rc = gnutls_x509_crt_get_raw_issuer_dn(l->crt, &d);
	}
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "certificate");
	l->issuer = take_datum(&d, a);
	return arena_check(a, e);
}

static int link_ids(struct cert_link *l, struct arena *a, struct err *e)
{
	uint8_t id[CERT_KEY_ID_MAX];
	size_t n = sizeof id;
	l->key_id = l->issuer_key_id = S("");
	if (gnutls_x509_crt_get_subject_key_id(l->crt, id, &n, NULL) == 0)
		l->key_id = arena_dup(a, str_of((const char *)id, n));
	n = sizeof id;
	if (gnutls_x509_crt_get_authority_key_id(l->crt, id, &n, NULL) == 0)
		l->issuer_key_id = arena_dup(a, str_of((const char *)id, n));
	n = sizeof id;
	int rc = gnutls_x509_crt_get_serial(l->crt, id, &n);
	if (rc < 0 || !cert_serial_text(id, n, l->serial))
		return err_fail(e, ERR_INVALID, "certificate: its serial is not readable");
	return arena_check(a, e);
}

static void link_rights(struct cert_link *l)
{
	unsigned usage = 0, is_ca = 0;
	bool has_usage = gnutls_x509_crt_get_key_usage(l->crt, &usage, NULL) == 0;
	l->path_length = -1;
	if (gnutls_x509_crt_get_basic_constraints(l->crt, NULL, &is_ca, &l->path_length) < 0)
		is_ca = 0;
	l->is_signer = is_ca && has_usage && (usage & GNUTLS_KEY_KEY_CERT_SIGN);
	l->is_list_signer = is_ca && has_usage && (usage & GNUTLS_KEY_CRL_SIGN);
	for (unsigned i = 0;; i++) {
		char oid[128];
		size_t n = sizeof oid;
		int rc = gnutls_x509_crt_get_key_purpose_oid(l->crt, i, oid, &n, NULL);
		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		l->is_limited = true;
		if (rc < 0)
			break;
		bool is_any = strcmp(oid, CERT_OID_ANY) == 0;
		l->is_for_client |= is_any || strcmp(oid, CERT_OID_CLIENT) == 0;
		l->is_for_server |= is_any || strcmp(oid, CERT_OID_SERVER) == 0;
	}
}

MUST int cert_link_init(struct cert_link *l, gnutls_x509_crt_t crt, struct arena *a,
			struct err *e)
{
	memset(l, 0, sizeof *l);
	l->crt = crt;
	if (link_names(l, a, e) < 0 || link_ids(l, a, e) < 0) {
		cert_link_fini(l);
		return -1;
	}
	link_rights(l);
	l->from_ms = (int64_t)gnutls_x509_crt_get_activation_time(crt) * 1000;
	l->to_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000;
	return 0;
}

void cert_link_fini(struct cert_link *l)
{
	crt_freep(&l->crt);
	l->crt = NULL;
}

bool cert_link_is_own(const struct cert_link *l)
{
	return str_eq(l->subject, l->issuer) &&
	       (!l->issuer_key_id.n || str_eq(l->issuer_key_id, l->key_id));
}

void cert_walk_init(struct cert_walk *w, const struct cert_link *leaf)
{
	memset(w, 0, sizeof *w);
	w->way.at[0] = leaf;
	w->way.count = 1;
}

void cert_walk_add(struct cert_walk *w, const struct cert_link *l)
{
	if (w->pool_count < CERT_POOL_MAX && l->is_signer)
		w->pool[w->pool_count++] = l;
}

/* Path length of `l` if it were to follow the way: authorities between it and the leaf. */
static bool is_near_enough(const struct cert_way *way, const struct cert_link *l)
{
	int between = 0;
	for (size_t i = 1; i < way->count; i++)
		between += !str_eq(way->at[i]->subject, way->at[i]->issuer);
	return l->path_length < 0 || between <= l->path_length;
}

static bool is_next(const struct cert_way *way, const struct cert_link *l)
{
	const struct cert_link *last = way->at[way->count - 1];
	if (!str_eq(last->issuer, l->subject) || !is_near_enough(way, l))
		return false;
	if (last->issuer_key_id.n && l->key_id.n && !str_eq(last->issuer_key_id, l->key_id))
		return false;
	for (size_t i = 0; i < way->count; i++)
		if (str_eq(way->at[i]->der, l->der))
			return false;
	return true;
}

bool cert_walk_next(struct cert_walk *w)
{
	struct cert_way *way = &w->way;
	if (way->count > 1)
		way->count--; /* the root of the last way */
	while (w->steps++ < STEPS_MAX) {
		size_t depth = way->count - 1;
		if (way->count == CERT_WAY_MAX || w->next[depth] == w->pool_count) {
			w->next[depth] = 0;
			if (depth == 0)
				return false;
			way->count--;
			continue;
		}
		const struct cert_link *l = w->pool[w->next[depth]++];
		if (!is_next(way, l))
			continue;
		way->at[way->count++] = l;
		if (l->is_root)
			return true;
		if (way->count < CERT_WAY_MAX)
			w->next[way->count - 1] = 0;
	}
	return false;
}

enum cert_fault cert_way_check(const struct cert_way *w)
{
	gnutls_x509_crt_t list[CERT_WAY_MAX], root = w->at[w->count - 1]->crt;
	unsigned status = 0;
	for (size_t i = 0; i < w->count; i++)
		list[i] = w->at[i]->crt;
	int rc = gnutls_x509_crt_list_verify(list, (int)w->count - 1, &root, 1, NULL, 0,
					     GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
						     GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS |
						     GNUTLS_VERIFY_DISABLE_CRL_CHECKS,
					     &status);
	if (rc < 0)
		return CERT_UNTRUSTED;
	if (status & GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE)
		return CERT_WRONG_NAME;
	return status ? CERT_UNTRUSTED : CERT_GOOD;
}
