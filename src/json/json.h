/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * JSON as a plain value in an arena.
 *
 * A `struct json` is a tree of null, bool, integer, real, text, array and object. Everything it
 * points to lives in the arena it was made in. Members of an object stay SORTED bytewise by
 * key, whatever the order they came in: lookup is a binary search and equal objects give equal
 * text. (Answers whose order of members matters to a reader are written by json/desc.h, in the
 * order of the table.)
 *
 * Numbers: an integer in the range of int64_t is exact (JSON_INT). A number written with a
 * point or an exponent becomes the nearest double (JSON_REAL) and is written back as the
 * shortest text that reads as the same double. An integer outside int64_t and a real beyond the
 * double's range are refused. Decimals that must stay exact travel as strings.
 *
 * The builders are sticky as their arena is: they accept NULL where a tree is expected, return
 * NULL after the arena failed, and one arena_check() at the end tells. One thread at a time for
 * changes; a finished tree may be read by many.
 *
 * Names avoid those of libjansson, which reads the text behind json_parse.
 */
#include "base/arena.h"

enum json_kind {
	JSON_IS_NULL,
	JSON_IS_BOOL,
	JSON_IS_INT,
	JSON_IS_REAL,
	JSON_IS_STR,
	JSON_IS_ARRAY,
	JSON_IS_OBJECT,
};

/* Nesting that is read, written, copied and compared; a scalar has depth 0, [] has 1. */
enum { JSON_DEPTH_MAX = 64 };

struct json_member;

struct json {
	enum json_kind kind;
	union {
		bool boolean;
		int64_t i64;
		double real;	/* finite */
		struct str str; /* UTF-8 */
		struct { /* JSON_IS_ARRAY: items; JSON_IS_OBJECT: members, sorted by key */
			size_t n, cap;
			union {
				struct json **items;
				struct json_member *members;
			};
		};
	};
};

struct json_member {
	struct str key;
	struct json *value;
};

/* "null", "boolean", "integer", "number", "string", "array", "object". */
const char *json_kind_name(enum json_kind kind);

/*
 * Reads `text` (any value at the top, nothing after it) into a tree in `a`, which bounds its
 * size: the nodes are charged before the text is read. Refuses more than JSON_DEPTH_MAX levels,
 * duplicate keys, invalid UTF-8, NaN and infinities, numbers out of range, the character
 * U+0000, and trailing bytes: ERR_INVALID, the text names line and column. ERR_TOO_LARGE:
 * beyond the arena's limit. The tree keeps no pointer into `text`.
 */
MUST int json_parse(struct str text, struct arena *a, struct json **out, struct err *e);
/* As json_parse, but strings (not keys) may hold U+0000; they must never meet a C string. */
MUST int json_parse_nul(struct str text, struct arena *a, struct json **out, struct err *e);

/*
 * Writers append to `b`; buf_check tells of a failure (too deep counts as one).
 * json_write: without white space. json_write_pretty: two spaces a level, no newline at the
 * end. json_write_canonical: for hashing: without white space, and a real that is a whole
 * number within int64_t is written as an integer, so equal trees (json_is_equal) give equal
 * bytes. NULL is written as null.
 */
void json_write(const struct json *j, struct buf *b);
void json_write_pretty(const struct json *j, struct buf *b);
void json_write_canonical(const struct json *j, struct buf *b);
/* One string with quotes and escapes; one real as above. */
void json_write_str(struct str s, struct buf *b);
void json_write_real(double v, struct buf *b);
/* json_write as a text in the arena; "" after the arena failed. */
struct str json_text(const struct json *j, struct arena *a);

/* The member's value, or NULL: no such member, not an object, or NULL. */
struct json *json_get(const struct json *object, struct str key);
/* Item `i` of an array, or NULL. */
struct json *json_at(const struct json *array, size_t i);
/*
 * Follows a path as errors print it: `services.postgres.exec[2]`, `files["etc/x.conf"].mode`
 * (inside the quotes every byte stands for itself). NULL if a step is missing or malformed; the
 * empty path is `j` itself.
 */
const struct json *json_path(const struct json *j, struct str path);

/* False for NULL. */
bool json_is(const struct json *j, enum json_kind kind);
/* The value, or `otherwise` if j is NULL or of another kind. A whole real counts as integer. */
struct str json_str_of(const struct json *j, struct str otherwise);
int64_t json_i64_of(const struct json *j, int64_t otherwise);
double json_real_of(const struct json *j, double otherwise);
bool json_bool_of(const struct json *j, bool otherwise);
/* Items or members; 0 for NULL and scalars. */
size_t json_count(const struct json *j);

/* Builders. Text is copied into the arena. A real must be finite, else null is made. */
struct json *json_null_new(struct arena *a);
struct json *json_bool_new(struct arena *a, bool v);
struct json *json_i64_new(struct arena *a, int64_t v);
struct json *json_real_new(struct arena *a, double v);
struct json *json_str_new(struct arena *a, struct str v);
struct json *json_array_new(struct arena *a);
struct json *json_object_new(struct arena *a);
/*
 * Adds or replaces a member; the key is copied, the value is shared, not copied, and must not
 * contain `object`. Nothing happens if object or value is NULL (the arena has failed then).
 */
void json_set(struct arena *a, struct json *object, struct str key, struct json *value);
void json_set_str(struct arena *a, struct json *object, struct str key, struct str v);
void json_set_i64(struct arena *a, struct json *object, struct str key, int64_t v);
void json_set_bool(struct arena *a, struct json *object, struct str key, bool v);
/* Takes a member out; nothing happens if there is none. */
void json_unset(struct json *object, struct str key);
/* Appends to an array, as json_set. */
void json_add(struct arena *a, struct json *array, struct json *value);
void json_add_str(struct arena *a, struct json *array, struct str v);

/* Equality of JSON Schema 2020-12 (core 4.2.2): numbers by value (1 is 1.0), members unordered.
 */
bool json_is_equal(const struct json *x, const struct json *y);
/* A deep copy in `a`; NULL for NULL and after the arena failed. */
struct json *json_dup_tree(struct arena *a, const struct json *j);
