/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * SHA-256 (FIPS 180-4): names of content.
 *
 * A hash is a plain value of 32 bytes; its text form is 64 lower-case hex digits. Everything
 * here may be called from any thread; a struct hasher belongs to one thread at a time.
 */
#include "base/str.h"

enum { HASH_BYTES = 32, HASH_TEXT_SIZE = 2 * HASH_BYTES + 1 };

struct hash {
	uint8_t bytes[HASH_BYTES];
};

/* The hash of `s`. */
struct hash hash_of(struct str s);

/* A hash in the making: hasher_init, hasher_add…, hasher_end. Plain memory, nothing to free. */
struct hasher {
	_Alignas(16) uint8_t state[128];
};
void hasher_init(struct hasher *h);
void hasher_add(struct hasher *h, struct str s);
/* The hash of all that was added. `h` needs hasher_init before it is used again. */
struct hash hasher_end(struct hasher *h);

/*
 * The hash of what the descriptor yields from its position to its end, at most `max_bytes`
 * (beyond: ERR_TOO_LARGE). *out_bytes, if not NULL, gets the length. ERR_IO if reading fails.
 */
MUST int hash_fd(int fd, int64_t max_bytes, struct hash *out, int64_t *out_bytes,
		 struct err *e);
/* As hash_fd for a regular file, which is not a symbolic link. Returns 1 if there is none. */
MUST int hash_file(const char *path, int64_t max_bytes, struct hash *out, int64_t *out_bytes,
		   struct err *e);

/* 64 lower-case hex digits and a NUL. */
void hash_text(const struct hash *h, char out[static HASH_TEXT_SIZE]);
/* Reads 64 hex digits (either case), nothing else; ERR_INVALID otherwise. */
MUST int hash_parse(struct str text, struct hash *out, struct err *e);

/* Equal, in a time that tells nothing about where they differ. */
bool hash_eq(const struct hash *a, const struct hash *b);
/* The same for texts; only the lengths may show through the time. */
bool trust_text_eq(struct str a, struct str b);
