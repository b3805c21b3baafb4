/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The keys of a node that joined a cloud: NODEDIR/identity.
 *
 *     key.pem     its identity key, made here (0600)          name     of the node
 *     seal.age    its sealing key, made here (0600)           roots.pem   whom it believes
 *     cert.pem    what the cloud says of its key: leaf first
 *
 * The certificate is renewed while the node runs; whoever connects anew shows the new one. A root
 * is only taken up if an old one says so in a link certificate. A struct keys may be used by many
 * threads.
 */
#include "base/clock.h"
#include "trust/age.h"
#include "trust/cert.h"
#include "trust/renewal.h"

struct keys;

enum {
	KEYS_PATH_SIZE = 4096,
	KEYS_PEM_MAX = 256 << 10,
	KEYS_GRACE_DAYS =
		RENEWAL_GRACE_DAYS, /* so long after its end a certificate may still be renewed */
};

/* Path of a file in DIR/identity. ERR_INVALID (field "dir"): too long. */
MUST int keys_path(const char *dir, const char *name, char out[static KEYS_PATH_SIZE],
		   struct err *e);
/* Reads DIR/identity; 1 if the node joined nowhere. ERR_CORRUPT, ERR_FORBIDDEN. */
MUST int keys_open(const char *dir, struct keys **out, struct err *e);
/* NULL is accepted; returns NULL. */
struct keys *keys_free(struct keys *k);
/* For CLEAN(keys_freep). */
void keys_freep(struct keys **k);

/* Name of the node that the certificate is for. These live as long as the keys. */
struct str keys_node(const struct keys *k);
const struct key *keys_identity(const struct keys *k);
const struct age_identity *keys_seal(const struct keys *k);
/* Its recipient, "age1…". */
struct str keys_recipient(const struct keys *k);
/* Paths, for a client: roots, certificate, key. */
const char *keys_roots_file(const struct keys *k);
const char *keys_cert_file(const struct keys *k);
const char *keys_key_file(const struct keys *k);
/* The roots, PEM, as they are now: a copy in `a`. */
struct str keys_roots(struct keys *k, struct arena *a);
/* When the certificate ends, and when it should be renewed: after two thirds of its life. */
int64_t keys_to_ms(struct keys *k);
int64_t keys_due_ms(struct keys *k);

/* A request for a fresh certificate of the same key: PEM. */
MUST int keys_request(const struct keys *k, struct arena *a, struct str *out, struct err *e);
/*
 * Takes a fresh certificate (leaf and what is above it) and the roots that came with it. Durable.
 * ERR_CORRUPT: not ours, or it does not hold under the roots that are believed; nothing changes.
 * *out_roots_refused: how many of `roots` no old root vouches for; they are not taken.
 */
MUST int keys_renewed(struct keys *k, struct str certificate, struct str roots, int64_t now_ms,
		      size_t *out_roots_refused, struct err *e);

/*
 * Does this chain say that `key` belongs to node `name` ("": whoever it says), under `roots`? The
 * leaf goes to *out. ERR_CORRUPT.
 */
MUST int keys_check(struct str chain_pem, struct str roots_pem, const struct hash *key,
		    struct str name, int64_t now_ms, struct arena *a, struct cert *out,
		    struct err *e);
/* The node's statement about its own sealing key, base64url. */
MUST int keys_statement(const struct key *k, struct str name, struct str recipient,
			struct arena *a, struct str *out, struct err *e);
