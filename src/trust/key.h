/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Private keys of certificates: P-256 (ECDSA with SHA-256) and Ed25519.
 *
 * A private key is made where it is used. No function of this room gives one out, except into
 * its own file. A key has one of three homes:
 *
 *     a file      PKCS #8 in PEM, mode 0600: key_open
 *     sealed      the same PEM inside an age file (passphrase, scrypt): key_seal, key_unseal
 *     a token     PKCS #11, named by a URI (RFC 7512): key_open_token; it never leaves the token
 *
 * The public half is a value: the DER of a SubjectPublicKeyInfo; its name everywhere (database,
 * log, certificates) is the SHA-256 of these bytes, struct hash. A struct key may be used by
 * many threads at once. Foreign library: GnuTLS.
 */
#include "base/arena.h"
#include "trust/hash.h"

enum key_kind { KEY_P256, KEY_ED25519, KEY_KINDS };

enum { KEY_SIGNATURE_MAX = 128, KEY_PASSPHRASE_MIN = 12, KEY_PASSPHRASE_MAX = 1000 };

struct key;

/* "p256", "ed25519", and back (ERR_INVALID, field "kind"). */
const char *key_kind_word(enum key_kind kind);
MUST int key_kind_read(struct str word, enum key_kind *out, struct err *e);

/* A fresh key in memory only. */
MUST int key_make(enum key_kind kind, struct key **out, struct err *e);
/*
 * The key at `path`, made there first (kind, mode 0600, durable before this returns) if no file
 * exists. Two processes that come at once get the same key. ERR_CORRUPT, ERR_FORBIDDEN if others
 * may read it, ERR_IO.
 */
MUST int key_open(const char *path, enum key_kind kind, struct key **out, struct err *e);
/* As key_open, but never makes one: returns 1 if there is no file. */
MUST int key_load(const char *path, struct key **out, struct err *e);
/* Writes a fresh or loaded file key into `path`, sealed with the passphrase; mode 0600, never
 * over an existing file (ERR_CONFLICT). ERR_INVALID (field "passphrase") if it is too short. */
MUST int key_seal(const struct key *k, struct str passphrase, const char *path, struct err *e);
/* Opens a sealed file. 1: no file. ERR_FORBIDDEN: not that passphrase. */
MUST int key_unseal(const char *path, struct str passphrase, struct key **out, struct err *e);
/*
 * The private key that a PKCS #11 URI names ("pkcs11:token=hoc;object=users"); `pin` goes to the
 * token, once. With `is_made` a fresh pair (`kind`) is generated inside the token if it has none of
 * that name; a key that is there is taken whatever its kind. The tokens are those of p11-kit. It is
 * the process that is logged in to a token: while a key of it is open, no pin is asked for.
 * ERR_NOT_FOUND, ERR_FORBIDDEN (pin), ERR_UNSUPPORTED (the token cannot do that kind),
 * ERR_INVALID (field "uri" or "pin").
 */
MUST int key_open_token(const char *uri, struct str pin, enum key_kind kind, bool is_made,
			struct key **out, struct err *e);
/* Zeroes and frees. NULL is accepted; returns NULL. */
struct key *key_free(struct key *k);
void key_freep(struct key **k);

/* What kind it is. */
enum key_kind key_kind_of(const struct key *k);
/* DER of the public half; lives as long as the key. */
struct str key_public(const struct key *k);
/* SHA-256 of key_public. */
struct hash key_name(const struct key *k);

/* A detached signature of `message` (ECDSA: DER; Ed25519: 64 bytes). */
MUST int key_sign(const struct key *k, struct str message, struct arena *a, struct str *out,
		  struct err *e);
/* True if `signature` of `message` was made by the owner of the public key `public_der`. */
bool key_is_signed_by(struct str public_der, struct str message, struct str signature);
