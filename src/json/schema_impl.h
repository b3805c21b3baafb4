/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The compiled form of a schema, shared by the files schema*.c.
 *
 *     document (tree) ──▶ resource (an absolute URI, a root, anchors)
 *                            └─▶ node (one subschema) ──▶ rule (one keyword with its operands)
 *
 * A node is made once per subschema object and found again by the address of its tree. Rules
 * stand in the order of the keyword table, which is the order of evaluation: cheap assertions
 * first, what depends on the outcome of others (unevaluated…) last.
 */
#include "json/json_impl.h"
#include "json/schema.h"

struct node;
struct rule;

enum keyword_id {
	KW_DEFS,
	KW_TYPE,
	KW_CONST,
	KW_ENUM,
	KW_MULTIPLE_OF,
	KW_MINIMUM,
	KW_MAXIMUM,
	KW_EXCLUSIVE_MINIMUM,
	KW_EXCLUSIVE_MAXIMUM,
	KW_MIN_LENGTH,
	KW_MAX_LENGTH,
	KW_PATTERN,
	KW_FORMAT,
	KW_MIN_ITEMS,
	KW_MAX_ITEMS,
	KW_UNIQUE_ITEMS,
	KW_MIN_CONTAINS,
	KW_MAX_CONTAINS,
	KW_REQUIRED,
	KW_MIN_PROPERTIES,
	KW_MAX_PROPERTIES,
	KW_DEPENDENT_REQUIRED,
	KW_PROPERTY_NAMES,
	KW_PROPERTIES,
	KW_PATTERN_PROPERTIES,
	KW_ADDITIONAL_PROPERTIES,
	KW_PREFIX_ITEMS,
	KW_ITEMS,
	KW_CONTAINS,
	KW_DEPENDENT_SCHEMAS,
	KW_REF,
	KW_DYNAMIC_REF,
	KW_ALL_OF,
	KW_ANY_OF,
	KW_ONE_OF,
	KW_NOT,
	KW_THEN,
	KW_ELSE,
	KW_IF,
	KW_UNEVALUATED_ITEMS,
	KW_UNEVALUATED_PROPERTIES,
	KW_COUNT,
};

/* What a keyword's value must look like, and what is compiled from it. */
enum form {
	FORM_ANY,
	FORM_BOOL,
	FORM_NUMBER,
	FORM_POSITIVE, /* a number above 0 */
	FORM_COUNT,    /* a whole number from 0 on */
	FORM_STR,
	FORM_STRS,     /* array of strings */
	FORM_STRS_MAP, /* object of arrays of strings */
	FORM_ARRAY,
	FORM_TYPES,	  /* → rule.types */
	FORM_PATTERN,	  /* → rule.regexes[0] */
	FORM_REF,	  /* → rule.node, once all is compiled */
	FORM_SCHEMA,	  /* → rule.node */
	FORM_SCHEMAS,	  /* array of schemas, not empty → rule.nodes */
	FORM_MAP,	  /* object of schemas → rule.nodes, in the order of the members */
	FORM_PATTERN_MAP, /* the same, keys are patterns → rule.nodes, rule.regexes */
};

/* One evaluation of a schema against an instance. */
struct eval {
	struct arena *a;
	struct err *e;
	struct str prefix;
	size_t work;
	int quiet;	   /* > 0: only the verdict matters */
	size_t fail_depth; /* steps to the place of the last fault */
	struct schema_regex_run *regexes;
};

/* Which members or items of the instance were evaluated: a byte each. */
struct seen {
	uint8_t *marks;
};

/* A node at work on an instance; the chain upwards is the dynamic scope. */
struct frame {
	const struct frame *up;
	const struct node *node;
	const struct json *instance;
	const struct json_step *at;
	struct seen *seen; /* NULL: nobody asks */
	int depth;
};

/* 0: holds. 1: does not, told by schema_fault. -1: given up, *ev->e is filled. */
typedef int check_fn(struct eval *ev, const struct rule *r, const struct frame *f);

struct keyword {
	const char *name;
	enum form form;
	bool is_validation; /* of the validation vocabulary */
	unsigned kinds;	    /* bits 1 << enum json_kind of instances it speaks about; 0 = all */
	check_fn *check;    /* NULL: only holds subschemas */
};

extern const struct keyword schema_keywords[KW_COUNT];

/* What is wanted when a value has not the form of its keyword, or NULL if it has. */
const char *schema_form_wanted(enum form form, const struct json *v);
/* Adds the bits of a type's name; false if there is no such type. */
bool schema_type_bits(struct str word, unsigned *bits);

struct rule {
	const struct keyword *keyword;
	const struct node *owner;
	const struct json *value;
	struct node *node;
	struct node **nodes;
	struct schema_regex **regexes;
	size_t weight;	 /* of the value, for const and enum: what comparing may cost */
	unsigned types;	 /* bits 1 << enum json_kind */
	bool is_dynamic; /* $dynamicRef that looks through the dynamic scope */
	struct rule *next_ref;
};

struct anchor {
	struct anchor *next;
	struct str name;
	struct node *node;
	bool is_dynamic;
};

struct resource {
	struct resource *next;
	struct str uri; /* absolute, or "" */
	const struct json *root;
	struct anchor *anchors;
	bool skips_validation; /* its meta-schema is without the validation vocabulary */
};

struct node {
	struct node *next; /* in its bucket */
	const struct json *tree;
	struct resource *resource;
	const struct json_step *at; /* place in the document */
	struct str dynamic_anchor;
	struct rule *rules;
	size_t n_rules;
	bool is_true, is_false;
	bool has_unevaluated;
};

struct schema {
	struct node *root;
};

/* schema_regex.c */
struct schema_regex;
struct schema_regex_run;
MUST int schema_regex_new(struct str pattern, struct arena *a, struct schema_regex **out,
			  struct err *e);
/* What matches of one evaluation share; NULL after the arena failed. */
struct schema_regex_run *schema_regex_run_new(struct arena *a);
/* 1 found, 0 not; -1: beyond the limits. *work grows by what it took. */
int schema_regex_find(const struct schema_regex *x, struct schema_regex_run *run, struct str s,
		      size_t *work, struct err *e);

/* schema_uri.c */
/* RFC 3986 section 5.2; the fragment of `ref` is cut off and given decoded in *fragment. */
struct str schema_uri_resolve(struct arena *a, struct str base, struct str ref,
			      struct str *fragment);
/* The value at an RFC 6901 pointer below `j`, or NULL; *token is the next reference token. */
bool schema_pointer_next(struct arena *a, struct str *pointer, struct str *token);

/* schema_meta.c */
/* The standard meta-schema with this URI as JSON text, or "". */
struct str schema_meta_text(struct str uri);

/* schema_format.c */
/* True also for formats that are not known. */
bool schema_format_holds(struct str format, struct str s);

/* schema_check.c */
MUST int schema_eval(struct eval *ev, const struct node *n, const struct json *instance,
		     const struct json_step *at, const struct frame *up, struct seen *seen);
/* Charges work; -1 when there was too much. */
MUST int schema_charge(struct eval *ev, size_t work);
/* What reading all of a tree is worth in steps of work. */
size_t schema_weight(const struct json *j);
/* Writes the fault down, unless quiet, and returns 1. */
int schema_fault(struct eval *ev, const struct json_step *at, const char *format, ...)
	PRINTF(3, 4);
/* The rule of another keyword of the same node, or NULL. */
const struct rule *schema_rule(const struct node *n, enum keyword_id id);
/* True if a pattern of the node's patternProperties finds `key`; < 0 as check_fn. */
int schema_pattern_covers(struct eval *ev, const struct node *n, struct str key);
void schema_mark(const struct frame *f, size_t i);
MUST int schema_seen_new(struct eval *ev, const struct json *instance, struct seen *out);
void schema_seen_add(const struct frame *f, const struct seen *more);

/* The check_fn of the keywords. schema_assert.c */
check_fn schema_check_type, schema_check_const, schema_check_enum, schema_check_multiple_of,
	schema_check_bound, schema_check_length, schema_check_pattern, schema_check_format,
	schema_check_count, schema_check_unique, schema_check_required,
	schema_check_dependent_required;
/* schema_apply.c */
check_fn schema_check_ref, schema_check_dynamic_ref, schema_check_all_of, schema_check_any_of,
	schema_check_one_of, schema_check_not, schema_check_if, schema_check_dependent_schemas;
/* schema_members.c */
check_fn schema_check_property_names, schema_check_properties, schema_check_pattern_properties,
	schema_check_additional, schema_check_prefix_items, schema_check_items,
	schema_check_contains, schema_check_unevaluated_items,
	schema_check_unevaluated_properties;
