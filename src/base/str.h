/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Text that is read (struct str) and text that is written (struct buf).
 *
 * A str is a pointer and a length, passed by value; it does not own and need not end in NUL.
 * NUL termination is only made at libc's door (arena_cstr). A buf owns heap memory, grows up to
 * a maximum stated at its birth, and is sticky: after a failed append it takes nothing more and
 * buf_check() tells.
 */
#include "base/err.h"

struct str {
	const char *p;
	size_t n; /* bytes */
};

/* A str of a literal, usable in initialisers of locals. */
#define S(lit) ((struct str){"" lit, sizeof(lit) - 1})
/* The same for static tables. */
#define S_INIT(lit) \
	{ \
		"" lit, sizeof(lit) - 1 \
	}
/* For printf: printf("%" STR_F, STR_A(s)) */
#define STR_F ".*s"
#define STR_A(s) (int)(s).n, (s).p

/* The text up to the NUL of `c`; NULL gives the empty str. */
struct str str_from(const char *c);
struct str str_of(const char *p, size_t n);
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *c);
/* Bytewise order; < 0, 0, > 0. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Position of `c` or s.n if absent. */
size_t str_find_char(struct str s, char c);
/* Position of `needle` or s.n if absent. */
size_t str_find(struct str s, struct str needle);
/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);
/* From byte `from` (clamped) on; at most `n` bytes. */
struct str str_sub(struct str s, size_t from, size_t n);
/*
 * Takes the part before the next `sep` off *rest into *part. False once *rest was used up: an
 * empty text gives one empty part, "a," gives "a" and "".  Start with rest->p non-NULL.
 */
bool str_split(struct str *rest, char sep, struct str *part);
/* The whole of s is a decimal integer within [min, max]; else -1 and ERR_INVALID. */
MUST int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out, struct err *e);
/* Bytes of the UTF-8 sequence that s begins with; 0 if it begins with none (or is empty). */
size_t str_utf8_step(struct str s);
/* True if s is valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
/* Lower-case hex of `n` bytes into `out`, which has 2 n + 1 bytes. */
void str_hex(const uint8_t *bytes, size_t n, char *out);
/* Undoes str_hex; s.n must be 2 n. */
MUST int str_unhex(struct str s, uint8_t *out, size_t n, struct err *e);

struct buf {
	char *p;    /* NUL-terminated once anything was added */
	size_t n;   /* bytes used, without the NUL */
	size_t cap; /* bytes allocated */
	size_t max; /* never more than this */
	bool has_failed;
	bool was_memory; /* it failed for lack of memory, not for max */
};

/* An empty buffer that will hold at most `max_bytes`. No memory is taken yet. */
#define BUF_INIT(max_bytes) \
	{ \
		.max = (max_bytes) \
	}
void buf_fini(struct buf *b);
void buf_add(struct buf *b, struct str s);
void buf_add_c(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) PRINTF(2, 3);
/* Forgets the content and a failure, keeps the memory. */
void buf_clear(struct buf *b);
struct str buf_str(const struct buf *b);
/* 0, or -1 with ERR_MEMORY / ERR_TOO_LARGE if an append failed since the last clear. */
MUST int buf_check(const struct buf *b, struct err *e);
