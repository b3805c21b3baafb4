/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An authority's directory: made whole beside its place and then renamed to it, so that there is
 * never half an authority; and what the rollovers (ca_roll.c) need of its files.
 */
#include <errno.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trust/ca_impl.h"

enum { CLOUD_MAX = 64 };

MUST int ca_rename(const char *dir, const char *from, const char *to, struct err *e)
{
	char old[CA_PATH_BYTES], new[CA_PATH_BYTES];
	int n = snprintf(old, sizeof old, "%s/%s", dir, from);
	int m = snprintf(new, sizeof new, "%s/%s", dir, to);
	if (n < 0 || m < 0 || (size_t)n >= sizeof old || (size_t)m >= sizeof new)
		return err_fail(e, ERR_INVALID, "path too long");
	if (rename(old, new) < 0)
		return err_os(e, errno, "rename %s", old);
	return file_sync_dir(dir, e);
}

MUST int ca_key_write(const char *dir, const char *name, const struct key *k,
		      struct str passphrase, struct err *e)
{
	char path[CA_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof path)
		return err_fail(e, ERR_INVALID, "path too long");
	if (unlink(path) < 0 && errno != ENOENT)
		return err_os(e, errno, "remove %s", path);
	if (passphrase.n)
		return key_seal(k, passphrase, path, e);
	int rc = key_save(k, path, e);
	return rc > 0 ? err_fail(e, ERR_CONFLICT, "%s exists", path) : rc;
}

void ca_root_fini(struct ca_root *r)
{
	(void)key_free(r->key);
	crt_freep(&r->crt);
}

MUST int ca_root_open(const char *dir, struct str secret, struct arena *a, struct ca_root *out,
		      struct err *e)
{
	struct ca_root r CLEAN(ca_root_fini) = {NULL, NULL};
	struct str roots;
	int rc = ca_file_read(dir, "root.pem", a, &roots, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "no authority in %s", dir);
	if (rc == 0)
		rc = ca_key_open(dir, "root", ca_secret_of_root(secret), a, &r.key, e);
	if (rc != 0)
		return rc;
	struct hash name = key_name(r.key);
	rc = ca_cert_of_key(roots, &name, a, &r.crt, e);
	if (rc > 0)
		return err_fail(e, ERR_CORRUPT, "%s: no certificate of the root's key", dir);
	if (rc < 0)
		return -1;
	*out = r;
	r = (struct ca_root){NULL, NULL};
	return 0;
}

/* Appends the certificates of `pem` that are not in `out` yet and have not ended. */
static int merge_some(struct str pem, int64_t now_ms, struct arena *a, struct buf *out,
		      struct err *e)
{
	gnutls_x509_crt_t crt[CA_CERTS_MAX] = {NULL};
	size_t n = 0;
	int rc = pem.n ? cert_import(pem, crt, CA_CERTS_MAX, &n, e) : 0;
	for (size_t i = 0; i < n; i++) {
		struct cert c;
		if (rc == 0)
			rc = cert_learn(crt[i], a, &c, e);
		crt_freep(&crt[i]);
		if (rc < 0)
			continue;
		struct str text = cert_pem(c.der, a);
		if (c.to_ms > now_ms && str_find(buf_str(out), text) == out->n)
			buf_add(out, text);
	}
	return rc;
}

MUST int ca_merge(struct str fresh, struct str old, int64_t now_ms, struct arena *a,
		  struct str *out, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(CA_FILE_BYTES);
	if (merge_some(fresh, now_ms, a, &b, e) < 0 || merge_some(old, now_ms, a, &b, e) < 0 ||
	    buf_check(&b, e) < 0)
		return -1;
	*out = arena_dup(a, buf_str(&b));
	return arena_check(a, e);
}

/* ---- making one ---- */

static int check_make(const struct ca_make *m, struct err *e)
{
	if (!m->cloud.n || m->cloud.n > CLOUD_MAX || !str_is_utf8(m->cloud))
		return err_field(e, "cloud", "is no name of a cloud");
	for (size_t i = 0; i < m->cloud.n; i++)
		if ((unsigned char)m->cloud.p[i] < ' ' || m->cloud.p[i] == 0x7f)
			return err_field(e, "cloud", "is no name of a cloud");
	if (m->passphrase.n &&
	    (m->passphrase.n < KEY_PASSPHRASE_MIN || m->passphrase.n > KEY_PASSPHRASE_MAX))
		return err_field(e, "passphrase", "has not %d to %d characters",
				 KEY_PASSPHRASE_MIN, KEY_PASSPHRASE_MAX);
	if (memchr(m->passphrase.p ? m->passphrase.p : "", '\n', m->passphrase.n))
		return err_field(e, "passphrase", "has more than one line");
	return 0;
}

/* An empty directory beside `dir`, which takes its place in the end: "DIR.making". */
static int begin(const char *dir, char making[static CA_PATH_BYTES], struct err *e)
{
	int n = snprintf(making, CA_PATH_BYTES, "%s.making", dir);
	if (n < 0 || n >= CA_PATH_BYTES)
		return err_fail(e, ERR_INVALID, "path too long");
	if (rmdir(dir) < 0 && errno != ENOENT)
		return errno == ENOTEMPTY || errno == EEXIST
			       ? err_fail(e, ERR_CONFLICT, "%s is not empty", dir)
			       : err_os(e, errno, "make %s", dir);
	if (file_remove_tree(making, e) < 0)
		return -1;
	return file_mkdirs(making, 0700, e);
}

static int finish(const char *making, const char *dir, struct err *e)
{
	char parent[CA_PATH_BYTES];
	const char *slash = strrchr(dir, '/');
	(void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - dir) : 1,
		       slash ? dir : ".");
	if (file_sync_dir(making, e) < 0)
		return -1;
	if (rename(making, dir) < 0)
		return err_os(e, errno, "rename %s", making);
	return file_sync_dir(*parent ? parent : "/", e);
}

/* The root: its key into `dir`, its certificate too. */
static int make_root(const struct ca_make *m, const char *dir, struct arena *a,
		     struct ca_root *out, struct str *out_pem, struct err *e)
{
	struct str der;
	size_t n;
	if (key_make(m->key_kind, &out->key, e) < 0 ||
	    ca_root_make(out->key, m->cloud, m->kind, 1, m->now_ms, a, &der, e) < 0 ||
	    cert_import(der, &out->crt, 1, &n, e) < 0 ||
	    ca_key_write(dir, "root.key", out->key, m->passphrase, e) < 0)
		return -1;
	*out_pem = cert_pem(der, a);
	return ca_file_write(dir, "root.pem", *out_pem, e);
}

static int make_issuer(const struct ca_make *m, const char *dir, const struct ca_root *root,
		       struct str root_pem, struct arena *a, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct str der;
	if (m->token_uri) {
		if (key_open_token(m->token_uri, m->pin, m->key_kind, true, &k, e) < 0 ||
		    ca_file_write(dir, "issuer.uri", str_from(m->token_uri), e) < 0)
			return -1;
	} else if (key_make(m->key_kind, &k, e) < 0 ||
		   ca_key_write(dir, "issuer.key", k, m->passphrase, e) < 0) {
		return -1;
	}
	if (ca_issuer_make(key_public(k), root->crt, root->key, m->now_ms, a, &der, e) < 0 ||
	    ca_file_write(dir, "root.pem", root_pem, e) < 0)
		return -1;
	return ca_file_write(dir, "issuer.pem", cert_pem(der, a), e);
}

static int make(const struct ca_make *m, const char *making, const char *making_root,
		struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ca_root root CLEAN(ca_root_fini) = {NULL, NULL};
	struct str pem;
	if (arena_new(CA_WORK_BYTES, &a, e) < 0 ||
	    make_root(m, m->root_dir ? making_root : making, a, &root, &pem, e) < 0 ||
	    make_issuer(m, making, &root, pem, a, e) < 0 ||
	    (m->root_dir && finish(making_root, m->root_dir, e) < 0))
		return -1;
	return finish(making, m->dir, e);
}

MUST int ca_make(const struct ca_make *m, struct err *e)
{
	char making[CA_PATH_BYTES], making_root[CA_PATH_BYTES];
	struct err ignored = ERR_INIT;
	if (check_make(m, e) < 0 || begin(m->dir, making, e) < 0 ||
	    (m->root_dir && begin(m->root_dir, making_root, e) < 0))
		return -1;
	int rc = make(m, making, making_root, e);
	/* What is left of a failure holds keys of nobody. */
	if (file_remove_tree(making, &ignored) < 0 ||
	    (m->root_dir && file_remove_tree(making_root, &ignored) < 0))
		err_clear(&ignored);
	return rc;
}
