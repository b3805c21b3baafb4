/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * JSON Schema 2020-12: https://json-schema.org/draft/2020-12
 *
 * schema_compile turns a schema, which may come from a stranger, into a checked form in an
 * arena; schema_check tries instances against it. Every vocabulary of the standard meta-schema
 * is known. References stay within the document, the documents given in the options, and the
 * standard meta-schemas; nothing is ever fetched. Unknown keywords are annotations and ignored.
 * `pattern` is ECMA-262 as PCRE2 reads it, with limits; `format` is an annotation unless asked.
 *
 * Bounds: SCHEMA_DEPTH_MAX levels of evaluation (an endless $ref ends there), SCHEMA_WORK_MAX
 * steps of evaluation, SCHEMA_PATTERN_MAX bytes of a pattern, memory by the arena.
 *
 * A compiled schema is never changed: any number of threads may check with it, each with an
 * arena of its own. It lives as long as the arena and the trees it was compiled from.
 */
#include "json/json.h"

enum {
	SCHEMA_DEPTH_MAX = 192,
	SCHEMA_WORK_MAX = 2000000,
	SCHEMA_PATTERN_MAX = 2048,
	SCHEMA_NODES_MAX = 10000, /* subschemas of all documents together */
};

struct schema;

/* A document that $ref may name by its absolute URI. */
struct schema_doc {
	struct str uri;
	const struct json *tree;
};

struct schema_options {
	const struct schema_doc *docs;
	size_t n_docs;
	struct str base_uri; /* of the document if it has no $id; "" is fine */
	bool asserts_format; /* date-time, date, time, email, hostname, ipv4, ipv6, uri, uuid,
			      * regex, json-pointer, duration are checked, others ignored */
	bool is_closed; /* the root refuses members that nothing in it names, unless it says
			 * additionalProperties or unevaluatedProperties itself */
};

/*
 * `options` may be NULL. ERR_INVALID: a keyword has the wrong form, a reference leads nowhere,
 * a pattern does not compile; err.field is the place in the schema (`properties.port.minimum`).
 * ERR_TOO_LARGE: beyond a bound above. ERR_MEMORY: the arena's limit.
 */
MUST int schema_compile(const struct json *tree, const struct schema_options *options,
			struct arena *a, struct schema **out, struct err *e);

/*
 * 0 if `instance` is valid. ERR_INVALID: it is not; err.field is the place in the instance with
 * `prefix` before it ("parameters" → "parameters.port"; "" → "port"), the text a sentence
 * without subject: "is above the maximum 65535". ERR_TOO_LARGE: depth or work beyond the
 * bounds. `a` is scratch; nothing in it is needed afterwards.
 */
MUST int schema_check(const struct schema *s, const struct json *instance, struct str prefix,
		      struct arena *a, struct err *e);

/*
 * A copy of `instance` in which absent members have the `default` of their property schema,
 * also in nested objects, array items and those defaults themselves; $ref and allOf are
 * followed, conditional branches (anyOf, oneOf, if) are not. The copy is not checked: call
 * schema_check on it. ERR_TOO_LARGE, ERR_MEMORY as above.
 */
MUST int schema_apply_defaults(const struct schema *s, const struct json *instance,
			       struct arena *a, struct json **out, struct err *e);
