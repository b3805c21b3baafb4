/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An open authority: its issuing key, and what it signs.
 *
 * Which of the certificates in issuer.pem is the issuer's is told by the key, so that a rollover
 * that was cut short between its two renames leaves a directory that opens.
 */
#include "trust/ca.h"

#include "base/file.h"
#include "base/mem.h"
#include "trust/ca_impl.h"

static const char *const kind_words[CA_KINDS] = {
	[CA_USERS] = "users",
	[CA_SERVICES] = "services",
};

const char *ca_kind_word(enum ca_kind k)
{
	ASSERT(k < CA_KINDS);
	return kind_words[k];
}

struct ca *ca_free(struct ca *ca)
{
	if (!ca)
		return NULL;
	if (ca->limits)
		gnutls_x509_name_constraints_deinit(ca->limits);
	crt_freep(&ca->issuer);
	(void)key_free(ca->own);
	(void)arena_free(ca->a);
	mem_free(ca);
	return NULL;
}

void ca_freep(struct ca **ca)
{
	*ca = ca_free(*ca);
}

enum ca_kind ca_kind_of(const struct ca *ca)
{
	return ca->kind;
}

struct str ca_roots(const struct ca *ca)
{
	return ca->roots;
}

struct str ca_chain(const struct ca *ca)
{
	return ca->chain;
}

struct str ca_sent_roots(const struct ca *ca)
{
	return ca->sent_roots;
}

struct hash ca_root_fingerprint(const struct ca *ca)
{
	return ca->root;
}

int64_t ca_issuer_to_ms(const struct ca *ca)
{
	return ca->to_ms;
}

int64_t ca_root_to_ms(const struct ca *ca)
{
	return ca->root_to_ms;
}

/* ---- opening ---- */

struct str ca_secret_of_issuer(struct str secret)
{
	return str_sub(secret, 0, str_find_char(secret, '\n'));
}

struct str ca_secret_of_root(struct str secret)
{
	size_t n = str_find_char(secret, '\n');
	return n == secret.n ? secret : str_sub(secret, n + 1, secret.n);
}

const char *ca_path(const char *dir, const char *name, struct arena *a)
{
	return arena_fmt(a, "%s/%s", dir, name).p;
}

MUST int ca_file_read(const char *dir, const char *name, struct arena *a, struct str *out,
		      struct err *e)
{
	const char *path = ca_path(dir, name, a);
	if (arena_check(a, e) < 0)
		return -1;
	return file_read(path, CA_FILE_BYTES, a, out, e);
}

MUST int ca_file_write(const char *dir, const char *name, struct str text, struct err *e)
{
	char path[CA_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof path)
		return err_fail(e, ERR_INVALID, "path too long");
	return file_write(path, text, 0644, e);
}

MUST int ca_key_open(const char *dir, const char *name, struct str secret, struct arena *a,
		     struct key **out, struct err *e)
{
	struct str uri;
	bool is_sealed = false;
	const char *uri_name = arena_cstr(a, arena_fmt(a, "%s.uri", name));
	const char *path = ca_path(dir, arena_cstr(a, arena_fmt(a, "%s.key", name)), a);
	if (arena_check(a, e) < 0)
		return -1;
	int rc = ca_file_read(dir, uri_name, a, &uri, e);
	if (rc == 0)
		return key_open_token(arena_cstr(a, str_trim(uri)), secret, KEY_P256, false,
				      out, e);
	if (rc > 0)
		rc = key_is_sealed(path, &is_sealed, e);
	if (rc != 0)
		return rc;
	return is_sealed ? key_unseal(path, secret, out, e) : key_load(path, out, e);
}

/* Frees what cert_import gave, but the one at `keep`. */
static void crts_free(gnutls_x509_crt_t *crt, size_t n, size_t keep)
{
	for (size_t i = 0; i < n; i++)
		if (i != keep)
			crt_freep(&crt[i]);
}

MUST int ca_cert_of_key(struct str pem, const struct hash *key, struct arena *a,
			gnutls_x509_crt_t *out, struct err *e)
{
	gnutls_x509_crt_t crt[CA_CERTS_MAX] = {NULL};
	size_t n = 0, found = SIZE_MAX;
	int rc = cert_import(pem, crt, CA_CERTS_MAX, &n, e);
	for (size_t i = 0; i < n && rc == 0 && found == SIZE_MAX; i++) {
		struct cert c;
		rc = cert_learn(crt[i], a, &c, e);
		if (rc == 0 && hash_eq(&c.key, key))
			found = i;
	}
	crts_free(crt, n, rc == 0 ? found : SIZE_MAX);
	if (rc < 0)
		return -1;
	if (found == SIZE_MAX)
		return 1;
	*out = crt[found];
	return 0;
}

/* Certificates as links, of which the first `roots` may be roots. */
struct pool {
	struct arena *a;
	struct cert_link at[2 * CA_CERTS_MAX + 1];
	size_t count;
};

static void pool_fini(struct pool *p)
{
	for (size_t i = 0; i < p->count; i++)
		cert_link_fini(&p->at[i]);
	(void)arena_free(p->a);
}

static int pool_add(struct pool *p, struct str text, bool may_be_roots, struct err *e)
{
	gnutls_x509_crt_t crt[CA_CERTS_MAX] = {NULL};
	size_t n = 0;
	int rc = text.n ? cert_import(text, crt, CA_CERTS_MAX, &n, e) : 0;
	for (size_t i = 0; i < n; i++) {
		struct cert_link *l = &p->at[p->count];
		if (rc < 0) {
			crt_freep(&crt[i]);
			continue;
		}
		rc = cert_link_init(l, crt[i], p->a, e);
		if (rc == 0) {
			l->is_root = may_be_roots && cert_link_is_own(l);
			p->count++;
		}
	}
	return rc;
}

MUST int ca_is_under(struct str der, struct str roots, struct str links, bool *out,
		     struct err *e)
{
	struct pool p CLEAN(pool_fini) = {.a = NULL};
	struct cert_walk w;
	if (arena_new(CA_WORK_BYTES, &p.a, e) < 0 || pool_add(&p, der, false, e) < 0)
		return -1;
	ASSERT(p.count == 1);
	if (pool_add(&p, roots, true, e) < 0 || pool_add(&p, links, false, e) < 0)
		return -1;
	cert_walk_init(&w, &p.at[0]);
	for (size_t i = 1; i < p.count; i++)
		cert_walk_add(&w, &p.at[i]);
	*out = false;
	while (!*out && cert_walk_next(&w))
		*out = cert_way_check(&w.way) == CERT_GOOD;
	return 0;
}

static int learn_issuer(struct ca *ca, struct err *e)
{
	struct cert c;
	int length = -1;
	if (cert_learn(ca->issuer, ca->a, &c, e) < 0 ||
	    ca_subject_read(ca->issuer, ca->a, &ca->cloud, &ca->kind, e) < 0)
		return -1;
	if (!c.is_authority)
		return err_fail(e, ERR_CORRUPT, "the issuer's certificate is no authority's");
	(void)gnutls_x509_crt_get_basic_constraints(ca->issuer, NULL, NULL, &length);
	ca->may_delegate = ca->kind == CA_SERVICES && length != 0;
	ca->der = c.der;
	ca->from_ms = c.from_ms;
	ca->to_ms = c.to_ms;
	int rc = gnutls_x509_name_constraints_init(&ca->limits);
	if (rc == 0)
		rc = gnutls_x509_crt_get_name_constraints(ca->issuer, ca->limits, 0, NULL);
	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
		gnutls_x509_name_constraints_deinit(ca->limits);
		ca->limits = NULL;
	} else if (rc < 0) {
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "the issuer's limits");
	}
	return 0;
}

/* The newest root stands first. */
static int learn_root(struct ca *ca, struct err *e)
{
	struct cert newest[2];
	size_t n = 0;
	gnutls_x509_crt_t crt[CA_CERTS_MAX] = {NULL};
	if (cert_import(ca->roots, crt, CA_CERTS_MAX, &n, e) < 0)
		return -1;
	int rc = 0;
	for (size_t i = 0; i < n && i < ARRAY_LEN(newest) && rc == 0; i++)
		rc = cert_learn(crt[i], ca->a, &newest[i], e);
	crts_free(crt, n, SIZE_MAX);
	if (rc < 0)
		return -1;
	ca->root = cert_fingerprint(&newest[0]);
	ca->root_to_ms = newest[0].to_ms;
	ca->sent_roots = arena_fmt(ca->a, "%" STR_F "%" STR_F,
				   STR_A(n > 1 ? cert_pem(newest[1].der, ca->a) : S("")),
				   STR_A(cert_pem(newest[0].der, ca->a)));
	return arena_check(ca->a, e);
}

/* Files of the directory as texts of the ca; 1: no authority there. */
static int open_files(struct ca *ca, const char *dir, struct str secret, struct err *e)
{
	struct str issuers = S(""), links = S("");
	bool is_under = false;
	int rc = ca_file_read(dir, "issuer.pem", ca->a, &issuers, e);
	if (rc == 0)
		rc = ca_file_read(dir, "root.pem", ca->a, &ca->roots, e);
	if (rc == 0 && ca_file_read(dir, "links.pem", ca->a, &links, e) < 0)
		return -1;
	if (rc == 0)
		rc = ca_key_open(dir, "issuer", ca_secret_of_issuer(secret), ca->a, &ca->own,
				 e);
	if (rc != 0)
		return rc;
	ca->signer = ca->own;
	struct hash name = key_name(ca->own);
	rc = ca_cert_of_key(issuers, &name, ca->a, &ca->issuer, e);
	if (rc > 0)
		return err_fail(e, ERR_CORRUPT, "no certificate of the issuing key");
	if (rc < 0 || learn_issuer(ca, e) < 0 || learn_root(ca, e) < 0)
		return -1;
	if (ca_is_under(ca->der, ca->roots, links, &is_under, e) < 0)
		return -1;
	if (!is_under)
		return err_fail(e, ERR_CORRUPT, "the issuer is not under the authority's root");
	ca->chain = arena_fmt(ca->a, "%" STR_F "%" STR_F, STR_A(cert_pem(ca->der, ca->a)),
			      STR_A(links));
	return arena_check(ca->a, e);
}

MUST int ca_open(const char *dir, struct str secret, struct ca **out, struct err *e)
{
	struct ca *ca CLEAN(ca_freep) = MEM_NEW(struct ca, e);
	if (!ca || arena_new(CA_WORK_BYTES, &ca->a, e) < 0)
		return -1;
	int rc = open_files(ca, dir, secret, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "no authority in %s", dir);
	if (rc < 0)
		return err_in(e, "authority %s", dir);
	*out = ca;
	ca = NULL;
	return 0;
}

static int open_delegated(struct ca *ca, const struct key *k, struct str chain_pem,
			  struct err *e)
{
	struct cert *chain;
	size_t n;
	struct hash name = key_name(k);
	if (cert_chain_read(chain_pem, ca->a, &chain, &n, e) < 0)
		return -1;
	if (!hash_eq(&chain[0].key, &name))
		return err_fail(e, ERR_INVALID, "the issuer's certificate is of another key");
	int rc = ca_cert_of_key(chain_pem, &name, ca->a, &ca->issuer, e);
	if (rc < 0)
		return -1;
	ASSERT(rc == 0);
	if (learn_issuer(ca, e) < 0)
		return -1;
	if (!ca->limits)
		return err_fail(e, ERR_INVALID, "the issuer's certificate has no limits");
	ca->signer = k;
	ca->roots = ca->sent_roots = S("");
	ca->chain = arena_dup(ca->a, chain_pem);
	for (size_t i = 0; i < n; i++)
		if (str_eq(chain[i].issuer, chain[i].name)) {
			ca->roots = arena_fmt(ca->a, "%" STR_F "%" STR_F, STR_A(ca->roots),
					      STR_A(cert_pem(chain[i].der, ca->a)));
			if (!ca->root_to_ms) {
				ca->root = cert_fingerprint(&chain[i]);
				ca->root_to_ms = chain[i].to_ms;
			}
		}
	return arena_check(ca->a, e); /* sent_roots: the chain has them */
}

MUST int ca_open_delegated(const struct key *k, struct str chain_pem, struct ca **out,
			   struct err *e)
{
	struct ca *ca CLEAN(ca_freep) = MEM_NEW(struct ca, e);
	if (!ca || arena_new(CA_WORK_BYTES, &ca->a, e) < 0)
		return -1;
	if (open_delegated(ca, k, chain_pem, e) < 0)
		return err_in(e, "delegated authority");
	*out = ca;
	ca = NULL;
	return 0;
}

/* ---- signing ---- */

static int take_names(const struct cert_names *in, struct arena *a, struct cert_names *out,
		      struct err *e)
{
	if (in->count > CERT_NAMES_MAX)
		return err_field(e, "names", "are more than %d", CERT_NAMES_MAX);
	out->items = ARENA_ARRAY(a, struct str, in->count);
	if (!out->items)
		return arena_check(a, e);
	for (out->count = 0; out->count < in->count; out->count++)
		if (cert_name_take(in->items[out->count], a, &out->items[out->count], e) < 0)
			return -1;
	return 0;
}

/* What each kind of leaf may have. */
static const struct {
	enum ca_kind by;
	bool has_names, may_serve, is_client;
} leaf_kinds[CERT_KINDS] = {
	[CERT_PERSON] = {CA_USERS, false, false, true},
	[CERT_NODE] = {CA_USERS, true, true, true},
	[CERT_INSTANCE] = {CA_USERS, false, false, true},
	[CERT_MASTER] = {CA_USERS, true, true, true},
	[CERT_SERVICE] = {CA_SERVICES, true, true, false},
};

static int check_leaf(const struct ca *ca, const struct ca_leaf *leaf, struct err *e)
{
	if (leaf->kind >= CERT_AUTHORITY || leaf_kinds[leaf->kind].by != ca->kind)
		return err_field(e, "kind", "is not what authority %s signs",
				 ca_kind_word(ca->kind));
	if (leaf->kind != CERT_SERVICE && !cert_is_name(leaf->name))
		return err_field(e, "name", "cannot stand in a certificate");
	if (leaf->names.count && !leaf_kinds[leaf->kind].has_names)
		return err_field(e, "names", "are not for a certificate of that kind");
	if (leaf->is_server && !leaf_kinds[leaf->kind].may_serve)
		return err_field(e, "is_server", "is not for a certificate of that kind");
	if (leaf->kind == CERT_SERVICE && !leaf->names.count)
		return err_field(e, "names", "are missing");
	if (leaf->days < 0)
		return err_field(e, "days", "is negative");
	if (leaf->now_ms >= ca->to_ms)
		return err_fail(e, ERR_UNSUPPORTED, "the issuer has ended: roll it over");
	return 0;
}

static int check_public(enum ca_kind by, struct str der, struct err *e)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	gnutls_datum_t d = datum_of(der);
	enum key_kind kind;
	unsigned bits;
	if (gnutls_pubkey_init(&p) < 0 || gnutls_pubkey_import(p, &d, GNUTLS_X509_FMT_DER) < 0)
		return err_field(e, "csr", "has no readable public key");
	if (cert_public_check(p, &kind, &bits, e) < 0)
		return -1;
	if (by == CA_USERS && kind == KEY_KINDS)
		return err_field(e, "csr", "has a key that is neither P-256 nor Ed25519");
	return 0;
}

MUST int ca_sign(const struct ca *ca, const struct ca_leaf *leaf, struct arena *a,
		 struct str *out, char serial[static CERT_SERIAL_SIZE], struct err *e)
{
	struct cert_names names;
	int64_t days = leaf->days ? leaf->days : CA_LEAF_DAYS;
	if (check_leaf(ca, leaf, e) < 0 || check_public(ca->kind, leaf->public, e) < 0 ||
	    take_names(&leaf->names, a, &names, e) < 0)
		return -1;
	bool is_service = leaf->kind == CERT_SERVICE;
	struct str common = is_service ? names.items[0] : leaf->name;
	struct ca_cert c = {
		.public = leaf->public,
		.cloud = ca->cloud,
		.common = common.n <= 64 ? common : S(""),
		.unit = ca->kind,
		.from_ms = MAX_OF(leaf->now_ms - CA_SKEW_MS, ca->from_ms),
		.to_ms = MIN_OF(leaf->now_ms + days * CA_DAY_MS, ca->to_ms),
		.is_client = leaf_kinds[leaf->kind].is_client,
		/* Who has no names serves nobody: some clients would take the common name. */
		.is_server = is_service || (leaf->is_server && leaf->names.count),
		.names = &names,
		.limits = ca->limits ? &ca->limits : NULL,
	};
	if (!is_service)
		c.uri = arena_fmt(a, "hoc:%s:%" STR_F, cert_kind_word(leaf->kind),
				  STR_A(leaf->name));
	if (arena_check(a, e) < 0)
		return -1;
	return ca_cert_sign(&c, &ca->issuer, ca->signer, a, out, serial, e);
}

MUST int ca_delegate(const struct ca *ca, struct str node, struct str public,
		     const struct cert_names *names, int64_t now_ms, struct arena *a,
		     struct str *out, char serial[static CERT_SERIAL_SIZE], struct err *e)
{
	struct cert_names permitted;
	uint8_t bytes[16];
	if (!ca->may_delegate)
		return err_fail(e, ERR_UNSUPPORTED, "this authority does not delegate");
	if (now_ms >= ca->to_ms)
		return err_fail(e, ERR_UNSUPPORTED, "the issuer has ended: roll it over");
	if (!cert_is_name(node))
		return err_field(e, "node", "cannot stand in a certificate");
	if (!names->count)
		return err_field(e, "names", "are missing");
	if (check_public(CA_USERS, public, e) < 0 || take_names(names, a, &permitted, e) < 0)
		return -1;
	for (size_t i = 0; i < permitted.count; i++)
		if (cert_address(permitted.items[i], bytes) ||
		    str_starts(permitted.items[i], S("*.")))
			return err_field(e, "names", "of a delegation are DNS names");
	struct ca_cert c = {
		.public = public,
		.cloud = ca->cloud,
		.common = arena_fmt(a, "%" STR_F " %s issuer %" STR_F, STR_A(ca->cloud),
				    ca_kind_word(ca->kind), STR_A(node)),
		.unit = ca->kind,
		.from_ms = MAX_OF(now_ms - CA_SKEW_MS, ca->from_ms),
		.to_ms = MIN_OF(now_ms + CA_DELEGATED_DAYS * CA_DAY_MS, ca->to_ms),
		.is_authority = true,
		.is_server = true,
		.path_length = 0,
		.permitted = &permitted,
	};
	if (arena_check(a, e) < 0)
		return -1;
	return ca_cert_sign(&c, &ca->issuer, ca->signer, a, out, serial, e);
}
