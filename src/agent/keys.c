/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The directory is read once; what a renewal brings replaces the files first (each whole), then
 * what is in memory. A crash between roots and certificate leaves a pair that still holds: new
 * roots include old ones until those end.
 */
#include "agent/keys.h"

#include <pthread.h>

#include "base/file.h"
#include "base/mem.h"
#include "trust/join.h"
#include "trust/jose.h"
#include "trust/renewal.h"
#include "trust/roots.h"

enum { WORK_BYTES = 4 << 20, CERTS_MAX = CERT_CHAIN_MAX };

struct keys {
	pthread_mutex_t lock; /* roots, from_ms, to_ms */
	char *roots;
	int64_t from_ms, to_ms;
	struct key *key;
	struct age_identity *seal;
	struct arena *memory; /* of the name */
	struct str node;
	char recipient[AGE_RECIPIENT_SIZE];
	char key_file[KEYS_PATH_SIZE], seal_file[KEYS_PATH_SIZE], cert_file[KEYS_PATH_SIZE],
		roots_file[KEYS_PATH_SIZE];
};

struct keys *keys_free(struct keys *k)
{
	if (!k)
		return NULL;
	key_free(k->key);
	age_identity_free(k->seal);
	mem_free(k->roots);
	arena_free(k->memory);
	(void)pthread_mutex_destroy(&k->lock);
	mem_free(k);
	return NULL;
}

void keys_freep(struct keys **k)
{
	*k = keys_free(*k);
}

MUST int keys_path(const char *dir, const char *name, char out[static KEYS_PATH_SIZE],
		   struct err *e)
{
	int n = snprintf(out, KEYS_PATH_SIZE, "%s/identity/%s", dir, name);
	if (n < 0 || n >= KEYS_PATH_SIZE)
		return err_field(e, "dir", "is too long");
	return 0;
}

static int set_paths(struct keys *k, const char *dir, struct err *e)
{
	if (keys_path(dir, "key.pem", k->key_file, e) < 0 ||
	    keys_path(dir, "seal.age", k->seal_file, e) < 0 ||
	    keys_path(dir, "cert.pem", k->cert_file, e) < 0)
		return -1;
	return keys_path(dir, "roots.pem", k->roots_file, e);
}

/* A file that has to be there. */
static int need(int rc, const char *path, struct err *e)
{
	return rc > 0 ? err_fail(e, ERR_CORRUPT, "%s is missing: join the cloud again", path)
		      : rc;
}

static int read_files(struct keys *k, struct err *e)
{
	struct str roots, chain;
	struct cert *certs;
	size_t count;
	if (need(key_load(k->key_file, &k->key, e), k->key_file, e) < 0 ||
	    need(age_identity_load(k->seal_file, &k->seal, e), k->seal_file, e) < 0 ||
	    need(file_read(k->roots_file, KEYS_PEM_MAX, k->memory, &roots, e), k->roots_file,
		 e) < 0 ||
	    file_read(k->cert_file, KEYS_PEM_MAX, k->memory, &chain, e) != 0 ||
	    cert_chain_read(chain, k->memory, &certs, &count, e) < 0)
		return -1;
	struct hash mine = key_name(k->key);
	if (memcmp(&mine, &certs[0].key, sizeof mine) != 0 || certs[0].kind != CERT_NODE)
		return err_fail(e, ERR_CORRUPT, "%s is not the certificate of %s", k->cert_file,
				k->key_file);
	k->node = certs[0].name;
	k->from_ms = certs[0].from_ms;
	k->to_ms = certs[0].to_ms;
	age_identity_recipient(k->seal, k->recipient);
	k->roots = mem_dup(roots.p, roots.n, e);
	return k->roots ? 0 : -1;
}

MUST int keys_open(const char *dir, struct keys **out, struct err *e)
{
	struct keys *k CLEAN(keys_freep) = MEM_NEW(struct keys, e);
	if (!k)
		return -1;
	(void)pthread_mutex_init(&k->lock, NULL);
	if (arena_new(WORK_BYTES, &k->memory, e) < 0 || set_paths(k, dir, e) < 0)
		return -1;
	/* The certificate is written last. */
	if (!file_exists(k->cert_file))
		return 1;
	if (read_files(k, e) < 0)
		return err_in(e, "keys of the node in %s", dir);
	*out = k;
	k = NULL;
	return 0;
}

struct str keys_node(const struct keys *k)
{
	return k->node;
}

const struct key *keys_identity(const struct keys *k)
{
	return k->key;
}

const struct age_identity *keys_seal(const struct keys *k)
{
	return k->seal;
}

struct str keys_recipient(const struct keys *k)
{
	return str_from(k->recipient);
}

const char *keys_roots_file(const struct keys *k)
{
	return k->roots_file;
}

const char *keys_cert_file(const struct keys *k)
{
	return k->cert_file;
}

const char *keys_key_file(const struct keys *k)
{
	return k->key_file;
}

struct str keys_roots(struct keys *k, struct arena *a)
{
	(void)pthread_mutex_lock(&k->lock);
	struct str roots = arena_dup(a, str_from(k->roots));
	(void)pthread_mutex_unlock(&k->lock);
	return roots;
}

int64_t keys_to_ms(struct keys *k)
{
	(void)pthread_mutex_lock(&k->lock);
	int64_t to_ms = k->to_ms;
	(void)pthread_mutex_unlock(&k->lock);
	return to_ms;
}

int64_t keys_due_ms(struct keys *k)
{
	(void)pthread_mutex_lock(&k->lock);
	int64_t due_ms = renewal_due_ms(k->from_ms, k->to_ms);
	(void)pthread_mutex_unlock(&k->lock);
	return due_ms;
}

MUST int keys_request(const struct keys *k, struct arena *a, struct str *out, struct err *e)
{
	const struct cert_names none = {.count = 0};
	return cert_request_make(k->key, k->node, &none, a, out, e);
}

/* ---- what is believed ---------------------------------------------------------------------- */

MUST int keys_check(struct str chain_pem, struct str roots_pem, const struct hash *key,
		    struct str name, int64_t now_ms, struct arena *a, struct cert *out,
		    struct err *e)
{
	struct cert *chain;
	size_t count;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	if (cert_chain_read(chain_pem, a, &chain, &count, e) < 0 ||
	    cert_trust_new(roots_pem, &trust, e) < 0)
		return -1;
	enum cert_fault fault = cert_check(trust, chain, count, now_ms, false, S(""));
	if (fault != CERT_GOOD)
		return err_fail(e, ERR_CORRUPT, "the certificate is %s",
				cert_fault_word(fault));
	if (chain[0].kind != CERT_NODE || memcmp(&chain[0].key, key, sizeof *key) != 0 ||
	    (name.n && !str_eq(chain[0].name, name)))
		return err_fail(e, ERR_CORRUPT,
				"the certificate is for %s %" STR_F ", or another key",
				cert_kind_word(chain[0].kind), STR_A(chain[0].name));
	*out = chain[0];
	return 0;
}

MUST int keys_renewed(struct keys *k, struct str certificate, struct str roots, int64_t now_ms,
		      size_t *out_roots_refused, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct hash mine = key_name(k->key);
	struct str old, believed;
	struct cert leaf;
	if (arena_new(WORK_BYTES, &a, e) < 0)
		return -1;
	old = keys_roots(k, a);
	if (keys_check(certificate, old, &mine, k->node, now_ms, a, &leaf, e) < 0 ||
	    roots_follow(old, roots, certificate, now_ms, a, &believed, out_roots_refused, e) <
		    0)
		return -1;
	char *copy = mem_dup(believed.p, believed.n, e);
	if (!copy)
		return -1;
	if (file_write(k->roots_file, believed, 0644, e) < 0 ||
	    file_write(k->cert_file, certificate, 0644, e) < 0) {
		mem_free(copy);
		return -1;
	}
	(void)pthread_mutex_lock(&k->lock);
	mem_free(k->roots);
	k->roots = copy;
	k->from_ms = leaf.from_ms;
	k->to_ms = leaf.to_ms;
	(void)pthread_mutex_unlock(&k->lock);
	return 0;
}

MUST int keys_statement(const struct key *k, struct str name, struct str recipient,
			struct arena *a, struct str *out, struct err *e)
{
	struct str text = join_statement(S("node"), name, recipient, a), signature;
	if (arena_check(a, e) < 0 || key_sign(k, text, a, &signature, e) < 0)
		return -1;
	*out = base64url(signature, a);
	return arena_check(a, e);
}
