/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Schema tree → nodes and rules.
 *
 * First every subschema of the document is compiled where the keyword table says there is one
 * ($id inside an enum is not an id). References wait in a list; when the document is done they
 * are resolved, which may bring in further documents and further references, until none waits.
 * A pointer to a place that no keyword leads to is compiled when it is met.
 */
#include "json/schema_impl.h"

#include <stdarg.h>

#define META_PREFIX "https://json-schema.org/draft/2020-12/"

enum { BUCKETS = 128 };

struct compiling {
	struct arena *a;
	struct err *e;
	const struct schema_options *options;
	struct str prefix; /* of paths: the URI of a document that is not the caller's */
	struct resource *resources;
	struct rule *refs; /* waiting */
	size_t n_nodes;
	struct node *buckets[BUCKETS];
};

static int fail(struct compiling *c, const struct json_step *at, const char *format, ...)
	PRINTF(3, 4);

static int fail(struct compiling *c, const struct json_step *at, const char *format, ...)
{
	char path[ERR_FIELD_MAX], text[ERR_TEXT_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	json_step_text(at, c->prefix, path);
	return err_field(c->e, path, "%s", text);
}

static struct node **bucket_of(struct compiling *c, const struct json *tree)
{
	return &c->buckets[((uintptr_t)tree >> 4) * 2654435761U / 64 % BUCKETS];
}

static struct node *find_node(struct compiling *c, const struct json *tree)
{
	struct node *n = *bucket_of(c, tree);
	while (n && n->tree != tree)
		n = n->next;
	return n;
}

static struct resource *find_resource(struct compiling *c, struct str uri)
{
	struct resource *r = c->resources;
	while (r && !str_eq(r->uri, uri))
		r = r->next;
	return r;
}

static struct resource *new_resource(struct compiling *c, struct str uri,
				     const struct json *root)
{
	struct resource *r = ARENA_NEW(c->a, struct resource);
	if (!r)
		return NULL;
	*r = (struct resource){.next = c->resources, .uri = uri, .root = root};
	c->resources = r;
	return r;
}

/* A step that outlives the call: nodes keep their place for the errors of later phases. */
static const struct json_step *step_to(struct compiling *c, const struct json_step *up,
				       struct str key, size_t index)
{
	struct json_step *s = ARENA_NEW(c->a, struct json_step);
	if (s)
		*s = (struct json_step){up, key, index};
	return s;
}

static int compile_node(struct compiling *c, const struct json *tree, struct resource *r,
			const struct json_step *at, struct node **out);

static int fail_form(struct compiling *c, const struct json_step *at, const char *wanted)
{
	return fail(c, at, "%s is wanted", wanted);
}

static int compile_pattern(struct compiling *c, struct str pattern, const struct json_step *at,
			   struct schema_regex **out)
{
	if (schema_regex_new(pattern, c->a, out, c->e) == 0)
		return 0;
	if (c->e->kind != ERR_INVALID)
		return -1;
	struct err why = *c->e;
	return fail(c, at, "%s", why.text);
}

/* The subschemas of an array or a map. */
static int compile_entries(struct compiling *c, struct rule *r, const struct json_step *at)
{
	bool is_map = r->value->kind == JSON_IS_OBJECT;
	bool has_patterns = r->keyword->form == FORM_PATTERN_MAP;
	r->nodes = ARENA_ARRAY(c->a, struct node *, r->value->n);
	r->regexes =
		has_patterns ? ARENA_ARRAY(c->a, struct schema_regex *, r->value->n) : NULL;
	if (arena_check(c->a, c->e) < 0)
		return -1;
	for (size_t i = 0; i < r->value->n; i++) {
		struct str key = is_map ? r->value->members[i].key : (struct str){NULL, 0};
		const struct json *tree =
			is_map ? r->value->members[i].value : r->value->items[i];
		const struct json_step *step = step_to(c, at, key, i);
		if (!step)
			return arena_check(c->a, c->e);
		if (has_patterns && compile_pattern(c, key, step, &r->regexes[i]) < 0)
			return -1;
		if (compile_node(c, tree, r->owner->resource, step, &r->nodes[i]) < 0)
			return -1;
	}
	return 0;
}

static int compile_types(struct compiling *c, struct rule *r, const struct json_step *at)
{
	const struct json *v = r->value;
	bool is_list = v->kind == JSON_IS_ARRAY;
	for (size_t i = 0; i < (is_list ? v->n : 1); i++) {
		struct str word = json_str_of(is_list ? v->items[i] : v, S(""));
		if (!schema_type_bits(word, &r->types))
			return fail_form(
				c, at,
				"null, boolean, integer, number, string, array, object or "
				"a list of them");
	}
	return r->types ? 0 : fail_form(c, at, "at least one type");
}

static int compile_rule(struct compiling *c, struct rule *r, const struct json_step *up)
{
	const struct json_step *at = step_to(c, up, str_from(r->keyword->name), 0);
	if (!at)
		return arena_check(c->a, c->e);
	const char *wanted = schema_form_wanted(r->keyword->form, r->value);
	if (wanted)
		return fail_form(c, at, wanted);
	switch (r->keyword->form) {
	case FORM_ANY:
	case FORM_ARRAY:
		r->weight = schema_weight(r->value);
		return 0;
	case FORM_TYPES:
		return compile_types(c, r, at);
	case FORM_PATTERN:
		r->regexes = ARENA_ARRAY(c->a, struct schema_regex *, 1);
		if (!r->regexes)
			return arena_check(c->a, c->e);
		return compile_pattern(c, r->value->str, at, r->regexes);
	case FORM_REF:
		r->next_ref = c->refs;
		c->refs = r;
		return 0;
	case FORM_SCHEMA:
		return compile_node(c, r->value, r->owner->resource, at, &r->node);
	case FORM_SCHEMAS:
	case FORM_MAP:
	case FORM_PATTERN_MAP:
		return compile_entries(c, r, at);
	case FORM_BOOL:
	case FORM_NUMBER:
	case FORM_POSITIVE:
	case FORM_COUNT:
	case FORM_STR:
	case FORM_STRS:
	case FORM_STRS_MAP:
	default:
		return 0;
	}
}

/* Whether the keyword counts in this node. */
static bool is_in_force(const struct compiling *c, const struct node *n, enum keyword_id id)
{
	if (id == KW_FORMAT)
		return c->options && c->options->asserts_format;
	return !(schema_keywords[id].is_validation && n->resource->skips_validation);
}

static int compile_rules(struct compiling *c, struct node *n)
{
	const struct json *values[KW_COUNT];
	size_t count = 0;
	for (size_t id = 0; id < KW_COUNT; id++) {
		const struct json *v = json_get(n->tree, str_from(schema_keywords[id].name));
		values[id] = v && is_in_force(c, n, (enum keyword_id)id) ? v : NULL;
		count += values[id] != NULL;
	}
	n->has_unevaluated = values[KW_UNEVALUATED_ITEMS] || values[KW_UNEVALUATED_PROPERTIES];
	n->rules = ARENA_ARRAY(c->a, struct rule, count);
	if (!n->rules)
		return arena_check(c->a, c->e);
	for (size_t id = 0; id < KW_COUNT; id++) {
		if (!values[id])
			continue;
		struct rule *r = &n->rules[n->n_rules++];
		*r = (struct rule){
			.keyword = &schema_keywords[id], .owner = n, .value = values[id]};
		if (compile_rule(c, r, n->at) < 0)
			return -1;
	}
	return 0;
}

static int add_anchor(struct compiling *c, struct node *n, struct str keyword, bool is_dynamic)
{
	const struct json *v = json_get(n->tree, keyword);
	if (!v)
		return 0;
	struct anchor *anchor = ARENA_NEW(c->a, struct anchor);
	if (!anchor)
		return arena_check(c->a, c->e);
	if (v->kind != JSON_IS_STR || !v->str.n)
		return fail(c, n->at, "%" STR_F " is not a name", STR_A(keyword));
	*anchor = (struct anchor){n->resource->anchors, v->str, n, is_dynamic};
	n->resource->anchors = anchor;
	if (is_dynamic)
		n->dynamic_anchor = v->str;
	return 0;
}

static const struct json *find_document(const struct compiling *c, struct str uri)
{
	for (size_t i = 0; c->options && i < c->options->n_docs; i++)
		if (str_eq(c->options->docs[i].uri, uri))
			return c->options->docs[i].tree;
	return NULL;
}

/* A meta-schema of the caller's may leave the validation vocabulary out (core 8.1.2). */
static bool has_no_validation(const struct compiling *c, const struct json *tree)
{
	const struct json *uri = json_get(tree, S("$schema"));
	const struct json *meta = uri ? find_document(c, json_str_of(uri, S(""))) : NULL;
	const struct json *vocabulary = json_get(meta, S("$vocabulary"));
	return vocabulary && !json_get(vocabulary, S(META_PREFIX "vocab/validation"));
}

static int enter_resource(struct compiling *c, struct node *n)
{
	const struct json *id = json_get(n->tree, S("$id"));
	struct str fragment = S("");
	if (id) {
		if (id->kind != JSON_IS_STR)
			return fail(c, n->at, "$id is not a string");
		struct str uri = schema_uri_resolve(c->a, n->resource->uri, id->str, &fragment);
		bool skips = n->resource->skips_validation;
		n->resource = new_resource(c, uri, n->tree);
		if (!n->resource)
			return arena_check(c->a, c->e);
		n->resource->skips_validation = skips;
	}
	if (fragment.n)
		return fail(c, n->at, "$id has a fragment");
	if (json_get(n->tree, S("$schema")) && n->resource->root == n->tree)
		n->resource->skips_validation = has_no_validation(c, n->tree);
	return 0;
}

static int fill_node(struct compiling *c, struct node *n)
{
	if (n->tree->kind == JSON_IS_BOOL) {
		n->is_true = n->tree->boolean;
		n->is_false = !n->tree->boolean;
		return 0;
	}
	if (n->tree->kind != JSON_IS_OBJECT)
		return fail(c, n->at, "is not a schema: an object, true or false is wanted");
	if (enter_resource(c, n) < 0 || add_anchor(c, n, S("$anchor"), false) < 0 ||
	    add_anchor(c, n, S("$dynamicAnchor"), true) < 0)
		return -1;
	return compile_rules(c, n);
}

/* Recursion follows the tree, which has at most JSON_DEPTH_MAX levels or is refused here. */
static int compile_node(struct compiling *c, const struct json *tree, struct resource *r,
			const struct json_step *at, struct node **out)
{
	*out = find_node(c, tree);
	if (*out)
		return 0;
	if (++c->n_nodes > SCHEMA_NODES_MAX || json_step_depth(at) > 2 * JSON_DEPTH_MAX)
		return err_fail(c->e, ERR_TOO_LARGE, "the schema is too large or too deep");
	struct node *n = ARENA_NEW(c->a, struct node);
	if (!n)
		return arena_check(c->a, c->e);
	struct node **bucket = bucket_of(c, tree);
	*n = (struct node){.next = *bucket, .tree = tree, .resource = r, .at = at};
	*bucket = n;
	*out = n;
	return fill_node(c, n);
}

/* A document under its URI; its own $id, if any, makes a resource inside. */
static int compile_document(struct compiling *c, const struct json *tree, struct str uri,
			    struct node **out)
{
	struct resource *r = new_resource(c, uri, tree);
	return r ? compile_node(c, tree, r, NULL, out) : arena_check(c->a, c->e);
}

/* 1: the resource is known now. 0: there is none. */
static int load_resource(struct compiling *c, struct str uri, struct resource **out)
{
	struct node *ignored;
	*out = find_resource(c, uri);
	if (*out)
		return 1;
	const struct json *tree = find_document(c, uri);
	struct str text = tree ? S("") : schema_meta_text(uri);
	struct json *parsed = NULL;
	if (text.n && json_parse(text, c->a, &parsed, c->e) < 0)
		return -1;
	tree = tree ? tree : parsed;
	if (!tree)
		return 0;
	struct str outer = c->prefix;
	c->prefix = uri;
	if (compile_document(c, tree, uri, &ignored) < 0)
		return -1;
	c->prefix = outer;
	*out = find_resource(c, uri);
	return 1;
}

/* Follows an RFC 6901 pointer; the resource changes where a node on the way has another. */
static int follow_pointer(struct compiling *c, struct resource *r, struct str pointer,
			  struct node **out)
{
	const struct json *j = r->root;
	const struct json_step *at = NULL;
	struct str token;
	while (j && schema_pointer_next(c->a, &pointer, &token)) {
		struct node *n = find_node(c, j);
		int64_t index = -1;
		struct err ignored;
		r = n ? n->resource : r;
		at = step_to(c, at, token, 0);
		if (json_is(j, JSON_IS_ARRAY))
			j = str_to_i64(token, 0, INT32_MAX, &index, &ignored) == 0
				    ? json_at(j, (size_t)index)
				    : NULL;
		else
			j = json_get(j, token);
	}
	if (arena_check(c->a, c->e) < 0)
		return -1;
	return j ? compile_node(c, j, r, at, out) : 0;
}

static int find_target(struct compiling *c, struct resource *r, struct str fragment,
		       struct node **out)
{
	if (!fragment.n || fragment.p[0] == '/')
		return follow_pointer(c, r, fragment, out);
	/* The $id of the root may stand under another URI than the one it was loaded by. */
	struct node *root = find_node(c, r->root);
	struct resource *places[] = {r, root ? root->resource : r};
	for (size_t i = 0; i < ARRAY_LEN(places) && !*out; i++)
		for (struct anchor *x = places[i]->anchors; x && !*out; x = x->next)
			if (str_eq(x->name, fragment))
				*out = x->node;
	return 0;
}

static int resolve_ref(struct compiling *c, struct rule *r)
{
	struct str fragment;
	struct resource *home = NULL;
	struct str uri =
		schema_uri_resolve(c->a, r->owner->resource->uri, r->value->str, &fragment);
	if (arena_check(c->a, c->e) < 0 || load_resource(c, uri, &home) < 0)
		return -1;
	if (home && find_target(c, home, fragment, &r->node) < 0)
		return -1;
	const struct json_step at = {r->owner->at, str_from(r->keyword->name), 0};
	if (!r->node)
		return fail(c, &at, "leads nowhere: %" STR_F, STR_A(r->value->str));
	r->is_dynamic = r->keyword == &schema_keywords[KW_DYNAMIC_REF] &&
			r->node->dynamic_anchor.n && str_eq(r->node->dynamic_anchor, fragment);
	return 0;
}

static int resolve_refs(struct compiling *c)
{
	while (c->refs) {
		struct rule *r = c->refs;
		c->refs = r->next_ref;
		if (resolve_ref(c, r) < 0)
			return -1;
	}
	return 0;
}

/* As if the root said unevaluatedProperties: false, unless it speaks of the rest itself. */
static int close_root(struct compiling *c, struct node *root)
{
	static const struct json no = {.kind = JSON_IS_BOOL};
	if (root->tree->kind != JSON_IS_OBJECT || schema_rule(root, KW_ADDITIONAL_PROPERTIES) ||
	    schema_rule(root, KW_UNEVALUATED_PROPERTIES))
		return 0;
	struct rule *rules = ARENA_ARRAY(c->a, struct rule, root->n_rules + 1);
	if (!rules)
		return arena_check(c->a, c->e);
	if (root->n_rules)
		memcpy(rules, root->rules, root->n_rules * sizeof *rules);
	struct rule *r = &rules[root->n_rules];
	*r = (struct rule){.keyword = &schema_keywords[KW_UNEVALUATED_PROPERTIES],
			   .owner = root,
			   .value = &no};
	root->rules = rules;
	root->n_rules++;
	root->has_unevaluated = true;
	return compile_node(c, &no, root->resource, root->at, &r->node);
}

MUST int schema_compile(const struct json *tree, const struct schema_options *options,
			struct arena *a, struct schema **out, struct err *e)
{
	struct compiling *c = ARENA_NEW(a, struct compiling);
	struct schema *s = ARENA_NEW(a, struct schema);
	if (!c || !s)
		return arena_check(a, e);
	*c = (struct compiling){.a = a, .e = e, .options = options, .prefix = S("")};
	struct str base = options && options->base_uri.p ? options->base_uri : S("");
	if (compile_document(c, tree, base, &s->root) < 0 || resolve_refs(c) < 0)
		return -1;
	if (options && options->is_closed && close_root(c, s->root) < 0)
		return -1;
	if (arena_check(a, e) < 0)
		return -1;
	*out = s;
	return 0;
}
