/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Field tables: one table per struct reads it from JSON, writes it, describes it.
 *
 *     struct order { struct str title; int64_t seconds; enum state state; };
 *     static const struct json_word states[] = {{"started", STARTED}, {"stopped", STOPPED},
 * {0}}; static const struct json_field order_fields[] = { JSON_STR(struct order, title,
 * "title", 1, 200, JSON_REQUIRED, "Name of the order."), JSON_I64(struct order, seconds,
 * "seconds", 0, 3600, 0, "How long.", .initial = 30), JSON_ENUM(struct order, state, "state",
 * states, 0, "What it must be."),
 *     };
 *     const struct json_desc order_desc = JSON_DESC(struct order, order_fields, "Order", "An
 * order.");
 *
 * Reading checks everything: types, bounds, members missing or unknown. The first fault is an
 * ERR_INVALID whose err.field is the whole path ("services.postgres.exec[2]").
 *
 * A member that is absent, or null where JSON_NULL_OK is set, gives: .initial (bool, i64, enum,
 * real), .initial_text (str), else zero: a str with .p == NULL, a NULL pointer, a count of 0. A
 * str that was given has .p != NULL even if it is empty.
 *
 * The macros check the type of the C member: a wrong one does not compile.
 */
#include "json/json.h"

enum json_field_type {
	JSON_FIELD_BOOL,       /* bool */
	JSON_FIELD_I64,	       /* int64_t in [min, max] */
	JSON_FIELD_REAL,       /* double in [min, max] */
	JSON_FIELD_STR,	       /* struct str of min … max bytes */
	JSON_FIELD_ENUM,       /* an enum, by table of words */
	JSON_FIELD_TREE,       /* struct json *, any value (not NULL if given) */
	JSON_FIELD_OBJECT,     /* struct json *, an object */
	JSON_FIELD_STRUCT,     /* an embedded struct; absent = every field absent */
	JSON_FIELD_STRUCT_PTR, /* a pointer to a struct, NULL if absent */
	JSON_FIELD_STRUCTS,    /* pointer + count: array of structs */
	JSON_FIELD_STRS,       /* struct str * + count: array of strings */
	JSON_FIELD_PAIRS,      /* struct json_pair * + count: {KEY: "text"}, sorted by key */
	JSON_FIELD_NAMED, /* pointer + count: {NAME: {…}}, sorted; NAME goes into a struct str
			   * member of the item that is not in the item's own table */
};

enum json_field_flags {
	JSON_REQUIRED = 1 << 0,	  /* absent is an error */
	JSON_OMIT_EMPTY = 1 << 1, /* not written if zero, NULL, false or empty */
	JSON_SECRET = 1 << 2,	  /* json_write_masked writes "***" */
	JSON_NULL_OK = 1 << 3,	  /* null reads as absent; absent is written as null */
	JSON_READ_ONLY = 1 << 4,  /* written, described as readOnly; given in input: an error */
};

/* A table of words ends with {NULL, 0}. */
struct json_word {
	const char *word;
	int value;
};

struct json_pair {
	struct str key, value;
};

/*
 * An own check of a string, or of a key of a map: 0, or -1 with the text of *e filled (a
 * sentence such as "is not a host name"); the reader adds the path and makes it ERR_INVALID.
 */
typedef int json_check_fn(struct str s, struct err *e);

struct json_desc;

struct json_field {
	const char *key;
	const char *help; /* one sentence for the manual */
	enum json_field_type type;
	unsigned flags;
	size_t offset;	     /* of the C member */
	size_t offset_count; /* of its size_t count: STRUCTS, STRS, PAIRS, NAMED */
	size_t offset_name;  /* NAMED: of the struct str in the item that takes NAME */
	int64_t min,
		max; /* I64, REAL: value; STR: bytes; STRUCTS, STRS, PAIRS, NAMED: entries */
	int64_t max_bytes;	     /* STRS, PAIRS: bytes of each string; 0 = JSON_TEXT_MAX */
	const struct json_desc *sub; /* STRUCT…, NAMED */
	const struct json_word *words; /* ENUM */
	json_check_fn *check;	       /* STR; each string of STRS */
	json_check_fn *check_key; /* keys of PAIRS and NAMED; keys are ≤ JSON_KEY_MAX bytes */
	int64_t initial;	  /* BOOL, I64, ENUM, REAL if absent */
	const char *initial_text; /* STR if absent */
};

struct json_desc {
	const char *name; /* of the schema in the manual: "Order" */
	const char *help;
	size_t bytes; /* sizeof the C struct */
	const struct json_field *fields;
	size_t n_fields;
	bool is_open; /* unknown members are skipped (answers of other parties) */
};

enum { JSON_KEY_MAX = 255, JSON_TEXT_MAX = 1 << 20 };

#define JSON_DESC(T, field_table, name_, help_) \
	{ \
		.name = (name_), .help = (help_), .bytes = sizeof(T), .fields = (field_table), \
		.n_fields = ARRAY_LEN(field_table) \
	}

/* The offset of member m, which has to be of type M. */
#define JSON_OFFSET(T, m, M) (offsetof(T, m) + 0 * sizeof(&((T *)0)->m == (M *)0))
#define JSON_FIELD_(T, m, M, type_, key_, flags_, help_) \
	.key = (key_), .help = (help_), .type = (type_), .flags = (flags_), \
	.offset = JSON_OFFSET(T, m, M)

/* Each may end with more designators: .initial, .initial_text, .check, .check_key, .max_bytes.
 */
#define JSON_BOOL(T, m, key, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, bool, JSON_FIELD_BOOL, key, flags, help), ##__VA_ARGS__ \
	}
#define JSON_I64(T, m, key, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, int64_t, JSON_FIELD_I64, key, flags, help), \
			.min = (min_), .max = (max_), ##__VA_ARGS__ \
	}
#define JSON_REAL_NUMBER(T, m, key, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, double, JSON_FIELD_REAL, key, flags, help), \
			.min = (min_), .max = (max_), ##__VA_ARGS__ \
	}
#define JSON_STR(T, m, key, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, struct str, JSON_FIELD_STR, key, flags, help), \
			.min = (min_), .max = (max_), ##__VA_ARGS__ \
	}
#define JSON_ENUM(T, m, key_, words_, flags_, help_, ...) \
	{ \
		.key = (key_), .help = (help_), .type = JSON_FIELD_ENUM, .flags = (flags_), \
		.offset = offsetof(T, m) + \
			  0 * sizeof(char[sizeof(((T *)0)->m) == sizeof(int) ? 1 : -1]), \
		.words = (words_), ##__VA_ARGS__ \
	}
#define JSON_TREE(T, m, key, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, struct json *, JSON_FIELD_TREE, key, flags, help), \
			##__VA_ARGS__ \
	}
#define JSON_TREE_OBJECT(T, m, key, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, struct json *, JSON_FIELD_OBJECT, key, flags, help), \
			##__VA_ARGS__ \
	}
#define JSON_STRUCT(T, m, M, key, sub_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, M, JSON_FIELD_STRUCT, key, flags, help), .sub = (sub_), \
									   ##__VA_ARGS__ \
	}
#define JSON_STRUCT_PTR(T, m, M, key, sub_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, M *, JSON_FIELD_STRUCT_PTR, key, flags, help), \
			.sub = (sub_), ##__VA_ARGS__ \
	}
/* m is `M *` and count_m a size_t; between min and max entries. */
#define JSON_STRUCTS(T, m, count_m, M, key, sub_, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, M *, JSON_FIELD_STRUCTS, key, flags, help), \
			.offset_count = JSON_OFFSET(T, count_m, size_t), .sub = (sub_), \
			.min = (min_), .max = (max_), ##__VA_ARGS__ \
	}
#define JSON_STRS(T, m, count_m, key, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, struct str *, JSON_FIELD_STRS, key, flags, help), \
			.offset_count = JSON_OFFSET(T, count_m, size_t), .min = (min_), \
			.max = (max_), ##__VA_ARGS__ \
	}
#define JSON_PAIRS(T, m, count_m, key, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, struct json_pair *, JSON_FIELD_PAIRS, key, flags, help), \
			.offset_count = JSON_OFFSET(T, count_m, size_t), .min = (min_), \
			.max = (max_), ##__VA_ARGS__ \
	}
/* name_m: the struct str member of M that takes the key. */
#define JSON_NAMED(T, m, count_m, M, name_m, key, sub_, min_, max_, flags, help, ...) \
	{ \
		JSON_FIELD_(T, m, M *, JSON_FIELD_NAMED, key, flags, help), \
			.offset_count = JSON_OFFSET(T, count_m, size_t), \
			.offset_name = JSON_OFFSET(M, name_m, struct str), .sub = (sub_), \
			.min = (min_), .max = (max_), ##__VA_ARGS__ \
	}

/*
 * Reads JSON text, which must be one object, into the struct at `out` (d->bytes bytes, wholly
 * overwritten on success, untouched on failure). Text and arrays live in `a`. ERR_INVALID with
 * the path in err.field, or without a path if the text is not JSON; ERR_MEMORY, ERR_TOO_LARGE:
 * the arena's limit.
 */
MUST int json_read(const struct json_desc *d, struct str text, struct arena *a, void *out,
		   struct err *e);
/* The same from a tree, which must live as long as `out` (texts and trees are shared with it);
 * `path` stands before the paths of errors ("" for none). */
MUST int json_read_tree(const struct json_desc *d, const struct json *tree, struct str path,
			struct arena *a, void *out, struct err *e);

/* Appends the struct as compact JSON, members in the order of the table; buf_check tells. */
void json_write_struct(const struct json_desc *d, const void *in, struct buf *b);
/* The same for logs: fields with JSON_SECRET are "***". */
void json_write_masked(const struct json_desc *d, const void *in, struct buf *b);

/*
 * The table as a JSON Schema 2020-12 (type, properties, required, bounds, description, default;
 * closed unless the table is open; secrets are writeOnly). Sub-tables stand in place; one that
 * contains itself is cut at JSON_DESC_DEPTH_MAX levels. NULL after the arena failed.
 */
struct json *json_desc_schema(const struct json_desc *d, struct arena *a);
enum { JSON_DESC_DEPTH_MAX = 16 };
