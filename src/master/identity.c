/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "master/identity.h"

#include <stdlib.h>

#include "base/file.h"
#include "trust/renewal.h"
#include "trust/wipe.h"

enum { CHAIN_MAX = 128 << 10 };

static const char *path_of(const char *dir, const char *name, struct arena *a)
{
	return arena_cstr(a, file_join(a, str_from(dir), str_from(name)));
}

/* ---- secrets ------------------------------------------------------------------------------- */

MUST static int read_secret(const char *path, const char *credential, struct arena *a,
			    struct str *out, struct err *e)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	bool is_asked = path != NULL;
	*out = S("");
	if (!path && directory)
		path = path_of(directory, credential, a);
	if (arena_check(a, e) < 0)
		return -1;
	if (!path)
		return 0;
	int rc = file_read(path, MASTER_SECRET_MAX, a, out, e);
	if (rc > 0 && is_asked)
		return err_fail(e, ERR_NOT_FOUND, "there is no file %s", path);
	if (rc < 0)
		return -1;
	if (str_ends(*out, S("\n")))
		out->n--;
	return 0;
}

MUST int master_secrets_read(const char *passphrase_file, const char *pin_file, struct arena *a,
			     struct master_secrets *out, struct err *e)
{
	if (read_secret(passphrase_file, "hoc-passphrase", a, &out->passphrase, e) < 0)
		return -1;
	return read_secret(pin_file, "hoc-pin", a, &out->pin, e);
}

void master_secrets_wipe(struct master_secrets *s)
{
	trust_wipe_str(&s->passphrase);
	trust_wipe_str(&s->pin);
}

/* ---- what init made ------------------------------------------------------------------------ */

bool master_identity_is_there(const char *dir)
{
	char path[4200];
	for (int kind = 0; kind < CA_KINDS; kind++) {
		(void)snprintf(path, sizeof path, "%s/ca/%s/issuer.pem", dir,
			       ca_kind_word((enum ca_kind)kind));
		if (!file_exists(path))
			return false;
	}
	return true;
}

MUST static int open_authority(const char *dir, enum ca_kind kind,
			       const struct master_secrets *s, struct arena *a, struct ca **out,
			       struct err *e)
{
	const char *path = arena_fmt(a, "%s/ca/%s", dir, ca_kind_word(kind)).p;
	bool is_token = file_exists(path_of(path, "issuer.uri", a));
	if (arena_check(a, e) < 0)
		return -1;
	if (ca_open(path, is_token ? s->pin : s->passphrase, out, e) < 0)
		return err_in(e, "authority %s", ca_kind_word(kind));
	return 0;
}

MUST static int open_key(const char *dir, const struct master_secrets *s, struct arena *a,
			 struct key **out, struct err *e)
{
	int rc = key_load(path_of(dir, "identity/key.pem", a), out, e);
	if (rc > 0)
		rc = key_unseal(path_of(dir, "identity/key.age", a), s->passphrase, out, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "%s/identity has no key: run hoc master init",
				dir);
	return rc;
}

MUST static int read_eab(struct master_identity *i, struct arena *a, struct err *e)
{
	struct str key = S("");
	const char *path = path_of(i->dir, "eab.key", a);
	if (arena_check(a, e) < 0 || file_read(path, MASTER_EAB_BYTES + 1, a, &key, e) < 0)
		return -1;
	if (key.n != MASTER_EAB_BYTES)
		return err_fail(e, ERR_CORRUPT, "%s has not %d bytes", path, MASTER_EAB_BYTES);
	memcpy(i->eab, key.p, MASTER_EAB_BYTES);
	trust_wipe_str(&key);
	return 0;
}

MUST int master_identity_open(const char *dir, const struct master_secrets *s, struct arena *a,
			      struct master_identity *out, struct err *e)
{
	*out = (struct master_identity){.dir = dir};
	if (open_authority(dir, CA_USERS, s, a, &out->users, e) < 0 ||
	    open_authority(dir, CA_SERVICES, s, a, &out->services, e) < 0 ||
	    open_key(dir, s, a, &out->key, e) < 0 || read_eab(out, a, e) < 0)
		return -1;
	struct hash name = key_name(out->key);
	hash_text(&name, out->key_name);
	/* With the chain, what clients leave out is found, and revocation lists can be added. */
	struct str pem = arena_fmt(a, "%" STR_F "%" STR_F, STR_A(ca_roots(out->users)),
				   STR_A(ca_chain(out->users)));
	return arena_check(a, e) < 0 ? -1 : cert_trust_new(pem, &out->trust, e);
}

void master_identity_close(struct master_identity *i)
{
	i->tls = tls_server_free(i->tls);
	i->trust = cert_trust_free(i->trust);
	i->key = key_free(i->key);
	i->users = ca_free(i->users);
	i->services = ca_free(i->services);
	trust_wipe(i->eab, sizeof i->eab);
}

/* ---- the certificate ----------------------------------------------------------------------- */

MUST static int read_chain(const struct master_identity *i, struct arena *a, struct str *out,
			   struct err *e)
{
	return file_read(path_of(i->dir, "identity/cert.pem", a), CHAIN_MAX, a, out, e);
}

static bool has_name(const struct cert_names *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->items[i], name))
			return true;
	return false;
}

static bool is_same(const struct cert_names *a, const struct cert_names *b)
{
	bool is = a->count == b->count;
	for (size_t i = 0; i < a->count && is; i++)
		is = has_name(b, a->items[i]);
	return is;
}

static int64_t due_of(const struct cert *c)
{
	return renewal_due_ms(c->from_ms, c->to_ms);
}

MUST int master_identity_check(struct master_identity *i, const struct cert_names *names,
			       int64_t now_ms, struct arena *a, struct err *e)
{
	struct str pem = S("");
	struct cert *chain;
	size_t count;
	struct err ignored = ERR_INIT;
	struct hash key = key_name(i->key);
	if (read_chain(i, a, &pem, e) < 0)
		return -1;
	/* What cannot be read is made anew like what is not there. */
	if (!pem.n || cert_chain_read(pem, a, &chain, &count, &ignored) < 0)
		return arena_check(a, e);
	return hash_eq(&chain->key, &key) && str_ends(pem, ca_chain(i->users)) &&
	       is_same(&chain->names, names) && now_ms < due_of(chain) &&
	       now_ms >= chain->from_ms;
}

MUST int master_identity_keep(const struct master_identity *i, struct str chain,
			      struct arena *a, struct err *e)
{
	const char *path = path_of(i->dir, "identity/cert.pem", a);
	if (arena_check(a, e) < 0)
		return -1;
	return file_write(path, chain, 0644, e);
}

MUST int master_identity_show(struct master_identity *i, struct arena *a, struct err *e)
{
	struct str pem = S("");
	struct cert *chain;
	size_t count;
	int rc = read_chain(i, a, &pem, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_NOT_FOUND, "the certificate is gone");
	/* With its root, which first contact by a fingerprint needs (tls_anchor). */
	struct str all = arena_fmt(a, "%.*s%.*s", STR_A(pem), STR_A(ca_sent_roots(i->users)));
	if (arena_check(a, e) < 0 || cert_chain_read(pem, a, &chain, &count, e) < 0)
		return -1;
	rc = i->tls ? tls_server_renew(i->tls, i->key, all, e)
		    : tls_server_new(i->key, all, &i->tls, e);
	if (rc < 0)
		return -1;
	i->renew_at_ms = due_of(chain);
	return 0;
}
