/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Ed25519 (RFC 8032): who made this.
 *
 * A private key is made where it is used and never leaves: no function here gives it out. In a
 * process it lives in guarded memory (mlock'ed where the host allows, never in a core file,
 * read only, zeroed when freed); on disk in a file of mode 0600:
 *
 *     hoc-ed25519-seed-v1 <64 hex digits of the seed>\n
 *
 * A public key is a plain value; its text form is "ed25519:" and 64 lower-case hex digits.
 * A struct sign_key may be used by many threads at once.
 */
#include "base/str.h"

enum {
	SIGN_BYTES = 64,
	SIGN_TEXT_SIZE = 2 * SIGN_BYTES + 1,
	SIGN_PUBLIC_BYTES = 32,
	SIGN_PUBLIC_TEXT_SIZE = 8 + 2 * SIGN_PUBLIC_BYTES + 1,
};

struct sign_key; /* a private key in memory */

struct sign_public {
	uint8_t bytes[SIGN_PUBLIC_BYTES];
};

struct signature {
	uint8_t bytes[SIGN_BYTES];
};

/*
 * The key at `path`, made there first if no file exists (fresh randomness of the kernel,
 * written whole, mode 0600, durable before this returns). Two processes that come at the same
 * moment get the same key. The directory must exist. ERR_CORRUPT if the file is not a key,
 * ERR_FORBIDDEN if others may read it, ERR_IO.
 */
MUST int sign_key_open(const char *path, struct sign_key **out, struct err *e);
/* As sign_key_open, but never makes one: returns 1 if there is no file. */
MUST int sign_key_load(const char *path, struct sign_key **out, struct err *e);
/* Zeroes and frees. NULL is accepted; returns NULL. */
struct sign_key *sign_key_free(struct sign_key *k);
/* For CLEAN(sign_key_freep). */
void sign_key_freep(struct sign_key **k);

/* The public half. */
struct sign_public sign_key_public(const struct sign_key *k);
/* The signature of `message` by `k`. Same key and message, same signature. */
struct signature sign_make(const struct sign_key *k, struct str message);
/* True if `s` is a signature of `message` by the owner of `p`. */
bool sign_is_good(const struct sign_public *p, struct str message, const struct signature *s);

/* "ed25519:" and 64 hex digits, and back (ERR_INVALID). */
void sign_public_text(const struct sign_public *p, char out[static SIGN_PUBLIC_TEXT_SIZE]);
MUST int sign_public_parse(struct str text, struct sign_public *out, struct err *e);
/* 128 hex digits, and back (ERR_INVALID). */
void signature_text(const struct signature *s, char out[static SIGN_TEXT_SIZE]);
MUST int signature_parse(struct str text, struct signature *out, struct err *e);
