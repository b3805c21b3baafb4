/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rollovers of the issuer and of the root, and the way over an offline root.
 *
 * Whatever moment a rollover stops at, the directory opens: first the next key is written under a
 * name of its own (NAME.key.next, or NAME.uri.next), then the files of certificates, which
 * hold old and new, then the next key takes its place. Which certificate is the issuer's, and which the
 * root's, is told by the key.
 */
#include "base/file.h"
#include "trust/ca_impl.h"
#include "trust/wipe.h"

static const char *next_name(bool is_token)
{
	return is_token ? "issuer.uri.next" : "issuer.key.next";
}

/* Is the issuing key in a token? Its URI. */
static int token_of(const char *dir, struct arena *a, bool *is_token, struct str *uri,
		    struct err *e)
{
	int rc = ca_file_read(dir, "issuer.uri", a, uri, e);
	*is_token = rc == 0;
	return rc < 0 ? -1 : 0;
}

/* The URI with another object: its name without what an earlier rollover added, and a suffix. */
static struct str next_uri(struct str uri, struct arena *a)
{
	char suffix[16];
	trust_random_text(6, suffix, sizeof suffix);
	size_t from = str_find(uri, S("object="));
	struct str head = str_sub(uri, 0, from), rest = str_sub(uri, from, uri.n);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != ';' && rest.p[n] != '?')
		n++;
	struct str object = str_sub(rest, 0, n), tail = str_sub(rest, n, rest.n);
	object.n = str_find(object, S(".next-"));
	return arena_fmt(a, "%" STR_F "%" STR_F ".next-%s%" STR_F, STR_A(head), STR_A(object),
			 suffix, STR_A(tail));
}

/* A fresh issuing key in its waiting place. */
static int make_next(const char *dir, struct str secret, enum key_kind kind, struct arena *a,
		     struct key **out, struct err *e)
{
	bool is_token = false, is_sealed = false;
	struct str uri;
	if (token_of(dir, a, &is_token, &uri, e) < 0)
		return -1;
	if (is_token) {
		uri = next_uri(str_trim(uri), a);
		if (arena_check(a, e) < 0 ||
		    key_open_token(arena_cstr(a, uri), ca_secret_of_issuer(secret), kind, true,
				   out, e) < 0)
			return -1;
		return ca_file_write(dir, next_name(true), uri, e);
	}
	if (key_is_sealed(ca_path(dir, "issuer.key", a), &is_sealed, e) < 0 ||
	    key_make(kind, out, e) < 0)
		return -1;
	return ca_key_write(dir, next_name(false), *out,
			    is_sealed ? ca_secret_of_issuer(secret) : S(""), e);
}

/* The certificate of the waiting key goes in front of the others; the key takes its place. */
static int install(const char *dir, struct str pem, int64_t now_ms, struct arena *a,
		   struct err *e)
{
	struct str old, all, uri;
	bool is_token = false;
	int rc = ca_file_read(dir, "issuer.pem", a, &old, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "no authority in %s", dir);
	if (rc < 0 || ca_merge(pem, old, now_ms, a, &all, e) < 0 ||
	    ca_file_write(dir, "issuer.pem", all, e) < 0 ||
	    token_of(dir, a, &is_token, &uri, e) < 0)
		return -1;
	return ca_rename(dir, next_name(is_token), is_token ? "issuer.uri" : "issuer.key", e);
}

static int roll_issuer(const char *dir, struct str secret, enum key_kind kind,
		       const struct ca_root *root, int64_t now_ms, struct arena *a,
		       struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct str der;
	if (make_next(dir, secret, kind, a, &k, e) < 0 ||
	    ca_issuer_make(key_public(k), root->crt, root->key, now_ms, a, &der, e) < 0)
		return -1;
	return install(dir, cert_pem(der, a), now_ms, a, e);
}

static int offline(struct err *e)
{
	return err_fail(e, ERR_UNSUPPORTED,
			"the root's key is not here: request an issuer and sign it there");
}

MUST int ca_roll_issuer(const char *dir, struct str secret, int64_t now_ms, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct ca_root root CLEAN(ca_root_fini) = {NULL, NULL};
	if (arena_new(CA_WORK_BYTES, &a, e) < 0 || ca_open(dir, secret, &ca, e) < 0)
		return -1;
	int rc = ca_root_open(dir, secret, a, &root, e);
	if (rc > 0)
		return offline(e);
	if (rc < 0)
		return -1;
	return roll_issuer(dir, secret, key_kind_of(ca->own), &root, now_ms, a, e);
}

/* ---- the root ---- */

/* The number in the newest root's name, plus one. */
static int64_t next_number(const struct cert *newest)
{
	struct err e = ERR_INIT;
	int64_t n = 1;
	size_t at = newest->name.n;
	while (at > 0 && newest->name.p[at - 1] != ' ')
		at--;
	if (str_to_i64(str_sub(newest->name, at, newest->name.n), 1, 1000000, &n, &e) < 0)
		n = 1;
	return n + 1;
}

/* The root `of` signed by the root `by`: it lives as long as both. */
static int make_link(const struct ca_root *of, const struct ca_root *by, int64_t now_ms,
		     struct arena *a, struct str *out, struct err *e)
{
	char serial[CERT_SERIAL_SIZE];
	struct cert c, signer;
	struct ca_cert link = {.is_authority = true, .path_length = -1};
	if (cert_learn(of->crt, a, &c, e) < 0 || cert_learn(by->crt, a, &signer, e) < 0 ||
	    ca_subject_read(of->crt, a, &link.cloud, &link.unit, e) < 0)
		return -1;
	link.public = c.public;
	link.common = c.name;
	link.from_ms = MAX_OF(now_ms - CA_SKEW_MS, MAX_OF(c.from_ms, signer.from_ms));
	link.to_ms = MIN_OF(c.to_ms, signer.to_ms);
	if (ca_cert_sign(&link, &by->crt, by->key, a, out, serial, e) < 0)
		return -1;
	*out = cert_pem(*out, a);
	return arena_check(a, e);
}

/* A fresh root after `old`, its certificate in *pem. */
static int make_root(const struct ca_root *old, struct str roots, int64_t now_ms,
		     struct arena *a, struct ca_root *out, struct str *pem, struct err *e)
{
	struct cert *newest;
	struct str cloud, der;
	enum ca_kind kind;
	size_t n;
	if (cert_chain_read(roots, a, &newest, &n, e) < 0 ||
	    ca_subject_read(old->crt, a, &cloud, &kind, e) < 0 ||
	    key_make(key_kind_of(old->key), &out->key, e) < 0 ||
	    ca_root_make(out->key, cloud, kind, next_number(&newest[0]), now_ms, a, &der, e) <
		    0 ||
	    cert_import(der, &out->crt, 1, &n, e) < 0)
		return -1;
	*pem = cert_pem(der, a);
	return arena_check(a, e);
}

static struct str joined(struct str x, struct str y, struct arena *a)
{
	return arena_fmt(a, "%" STR_F "%" STR_F, STR_A(x), STR_A(y));
}

/* Files of the fresh root: key waiting, links, roots, key in place. */
static int write_root(const char *dir, struct str secret, const struct ca_root *old,
		      const struct ca_root *new, struct str pem, struct str roots,
		      int64_t now_ms, struct arena *a, struct err *e)
{
	struct str new_by_old, old_by_new;
	bool is_sealed = false;
	if (key_is_sealed(ca_path(dir, "root.key", a), &is_sealed, e) < 0 ||
	    ca_key_write(dir, "root.key.next", new->key,
			 is_sealed ? ca_secret_of_root(secret) : S(""), e) < 0 ||
	    make_link(new, old, now_ms, a, &new_by_old, e) < 0 ||
	    make_link(old, new, now_ms, a, &old_by_new, e) < 0 ||
	    ca_merge(pem, roots, now_ms, a, &roots, e) < 0 ||
	    ca_file_write(dir, "links.pem", joined(new_by_old, old_by_new, a), e) < 0 ||
	    ca_file_write(dir, "root.pem", roots, e) < 0)
		return -1;
	return ca_rename(dir, "root.key.next", "root.key", e);
}

MUST int ca_roll_root(const char *dir, struct str secret, int64_t now_ms, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ca_root old CLEAN(ca_root_fini) = {NULL, NULL};
	struct ca_root new CLEAN(ca_root_fini) = {NULL, NULL};
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct str roots, pem, issuers;
	if (arena_new(CA_WORK_BYTES, &a, e) < 0)
		return -1;
	int has_issuer = ca_file_read(dir, "issuer.pem", a, &issuers, e);
	if (has_issuer < 0 || (has_issuer == 0 && ca_open(dir, secret, &ca, e) < 0))
		return -1;
	int rc = ca_root_open(dir, secret, a, &old, e);
	if (rc > 0)
		return offline(e);
	if (rc < 0 || ca_file_read(dir, "root.pem", a, &roots, e) != 0 ||
	    make_root(&old, roots, now_ms, a, &new, &pem, e) < 0 ||
	    write_root(dir, secret, &old, &new, pem, roots, now_ms, a, e) < 0)
		return -1;
	return ca ? roll_issuer(dir, secret, key_kind_of(ca->own), &new, now_ms, a, e) : 0;
}

/* ---- an offline root ---- */

MUST int ca_request_issuer(const char *dir, struct str secret, struct arena *a,
			   struct str *out_csr, struct err *e)
{
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct key *k CLEAN(key_freep) = NULL;
	struct cert_names none = {NULL, 0};
	if (ca_open(dir, secret, &ca, e) < 0 ||
	    make_next(dir, secret, key_kind_of(ca->own), a, &k, e) < 0)
		return -1;
	struct str common =
		arena_fmt(a, "%" STR_F " %s issuer", STR_A(ca->cloud), ca_kind_word(ca->kind));
	if (arena_check(a, e) < 0 || cert_request_make(k, common, &none, a, out_csr, e) < 0)
		return -1;
	return ca_file_write(dir, "issuer.csr", *out_csr, e);
}

MUST int ca_sign_issuer(const char *root_dir, struct str secret, struct str csr, int64_t now_ms,
			struct arena *a, struct str *out_pem, struct err *e)
{
	struct ca_root root CLEAN(ca_root_fini) = {NULL, NULL};
	struct cert_request r;
	struct str der;
	if (cert_request_read(csr, a, &r, e) < 0)
		return -1;
	if (r.kind == KEY_KINDS)
		return err_field(e, "csr", "has a key that is neither P-256 nor Ed25519");
	int rc = ca_root_open(root_dir, secret, a, &root, e);
	if (rc > 0)
		return offline(e);
	if (rc < 0 || ca_issuer_make(r.public, root.crt, root.key, now_ms, a, &der, e) < 0)
		return -1;
	*out_pem = cert_pem(der, a);
	return arena_check(a, e);
}

MUST int ca_install_issuer(const char *dir, struct str pem, int64_t now_ms, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str csr, roots, links = S("");
	struct cert_request r;
	struct cert c;
	bool is_under = false;
	if (arena_new(CA_WORK_BYTES, &a, e) < 0)
		return -1;
	int rc = ca_file_read(dir, "issuer.csr", a, &csr, e);
	if (rc == 0)
		rc = ca_file_read(dir, "root.pem", a, &roots, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "%s waits for no issuer", dir);
	if (rc < 0 || ca_file_read(dir, "links.pem", a, &links, e) < 0 ||
	    cert_request_read(csr, a, &r, e) < 0 || cert_read(pem, a, &c, e) < 0)
		return -1;
	if (!hash_eq(&c.key, &r.key))
		return err_fail(e, ERR_INVALID,
				"the certificate is not for the key that waits");
	if (!c.is_authority || now_ms > c.to_ms)
		return err_fail(e, ERR_INVALID, "the certificate is no issuer's, or has ended");
	if (ca_is_under(c.der, roots, links, &is_under, e) < 0)
		return -1;
	if (!is_under)
		return err_fail(e, ERR_FORBIDDEN,
				"the certificate is not signed by the authority's root");
	return install(dir, pem, now_ms, a, e);
}

/* Is the unknown root `c` signed by one that is trusted: has it a link among `fresh`? */
static int is_linked(const struct cert *c, const struct cert *fresh, size_t n, struct str roots,
		     struct str pem, bool *out, struct err *e)
{
	*out = false;
	for (size_t i = 0; i < n && !*out; i++) {
		if (!fresh[i].is_authority || str_eq(fresh[i].der, c->der) ||
		    !str_eq(fresh[i].public, c->public) || !str_eq(fresh[i].name, c->name))
			continue;
		if (ca_is_under(fresh[i].der, roots, pem, out, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_root(const struct cert *c)
{
	return str_eq(c->name, c->issuer);
}

/* The roots, or the links, of `fresh`. */
static struct str some_of(const struct cert *fresh, size_t n, bool are_roots, struct arena *a)
{
	struct str s = S("");
	for (size_t i = 0; i < n; i++)
		if (is_root(&fresh[i]) == are_roots)
			s = joined(s, cert_pem(fresh[i].der, a), a);
	return s;
}

MUST int ca_install_roots(const char *dir, struct str pem, int64_t now_ms, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str roots, links;
	struct cert *fresh;
	size_t n;
	if (arena_new(CA_WORK_BYTES, &a, e) < 0)
		return -1;
	int rc = ca_file_read(dir, "root.pem", a, &roots, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "no authority in %s", dir);
	if (rc < 0 || cert_chain_read(pem, a, &fresh, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool is_good = !is_root(&fresh[i]) ||
			       str_find(roots, cert_pem(fresh[i].der, a)) < roots.n;
		if (!is_good && is_linked(&fresh[i], fresh, n, roots, pem, &is_good, e) < 0)
			return -1;
		if (!is_good)
			return err_fail(e, ERR_FORBIDDEN, "no root of ours signed %" STR_F,
					STR_A(fresh[i].name));
	}
	if (ca_merge(some_of(fresh, n, true, a), roots, now_ms, a, &roots, e) < 0)
		return -1;
	links = some_of(fresh, n, false, a);
	if (arena_check(a, e) < 0 || (links.n && ca_file_write(dir, "links.pem", links, e) < 0))
		return -1;
	return ca_file_write(dir, "root.pem", roots, e);
}
