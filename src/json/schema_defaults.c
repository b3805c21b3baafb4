/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Defaults: what the schema says a member is when nobody says anything.
 *
 * Only unconditional parts count (properties, items, $ref, allOf): what a branch would add could
 * change which branch holds. The first default found for a member is taken.
 */
#include "json/schema_impl.h"

struct filling {
	struct arena *a;
	struct err *e;
	size_t work;
};

static int step_in(struct filling *d, int depth)
{
	if (depth >= SCHEMA_DEPTH_MAX || ++d->work > SCHEMA_WORK_MAX)
		return err_fail(d->e, ERR_TOO_LARGE, "the defaults of the schema have no end");
	return 0;
}

/* The default of a node, its own or of what it refers to. */
static int find_default(struct filling *d, const struct node *n, int depth,
			const struct json **out)
{
	if (step_in(d, depth) < 0)
		return -1;
	*out = json_get(n->tree, S("default"));
	const struct rule *ref = schema_rule(n, KW_REF), *all = schema_rule(n, KW_ALL_OF);
	if (!*out && ref && find_default(d, ref->node, depth + 1, out) < 0)
		return -1;
	for (size_t i = 0; !*out && all && i < all->value->n; i++)
		if (find_default(d, all->nodes[i], depth + 1, out) < 0)
			return -1;
	return 0;
}

static int fill(struct filling *d, const struct node *n, struct json *j, int depth);

/* Adds the members that are absent and have a default. */
static int add_members(struct filling *d, const struct rule *r, struct json *j, int depth)
{
	for (size_t i = 0; i < r->value->n; i++) {
		struct str key = r->value->members[i].key;
		const struct json *v = NULL;
		if (json_get(j, key))
			continue;
		if (find_default(d, r->nodes[i], depth + 1, &v) < 0)
			return -1;
		if (v)
			json_set(d->a, j, key, json_dup_tree(d->a, v));
	}
	return arena_check(d->a, d->e);
}

static int fill_members(struct filling *d, const struct node *n, struct json *j, int depth)
{
	const struct rule *r = schema_rule(n, KW_PROPERTIES);
	const struct rule *rest = schema_rule(n, KW_ADDITIONAL_PROPERTIES);
	if (r && add_members(d, r, j, depth) < 0)
		return -1;
	for (size_t i = 0; r && i < r->value->n; i++) {
		struct json *v = json_get(j, r->value->members[i].key);
		if (v && fill(d, r->nodes[i], v, depth + 1) < 0)
			return -1;
	}
	bool has_patterns = schema_rule(n, KW_PATTERN_PROPERTIES) != NULL;
	for (size_t i = 0; rest && !has_patterns && i < j->n; i++)
		if (!(r && json_get(r->value, j->members[i].key)) &&
		    fill(d, rest->node, j->members[i].value, depth + 1) < 0)
			return -1;
	return 0;
}

static int fill_items(struct filling *d, const struct node *n, struct json *j, int depth)
{
	const struct rule *prefix = schema_rule(n, KW_PREFIX_ITEMS);
	const struct rule *items = schema_rule(n, KW_ITEMS);
	size_t n_prefix = prefix ? prefix->value->n : 0;
	for (size_t i = 0; i < j->n; i++) {
		const struct node *of = i < n_prefix ? prefix->nodes[i]
					: items	     ? items->node
						     : NULL;
		if (of && fill(d, of, j->items[i], depth + 1) < 0)
			return -1;
	}
	return 0;
}

static int fill(struct filling *d, const struct node *n, struct json *j, int depth)
{
	const struct rule *ref = schema_rule(n, KW_REF), *all = schema_rule(n, KW_ALL_OF);
	if (step_in(d, depth) < 0)
		return -1;
	if (j->kind == JSON_IS_OBJECT && fill_members(d, n, j, depth) < 0)
		return -1;
	if (j->kind == JSON_IS_ARRAY && fill_items(d, n, j, depth) < 0)
		return -1;
	if (ref && fill(d, ref->node, j, depth + 1) < 0)
		return -1;
	for (size_t i = 0; all && i < all->value->n; i++)
		if (fill(d, all->nodes[i], j, depth + 1) < 0)
			return -1;
	return 0;
}

MUST int schema_apply_defaults(const struct schema *s, const struct json *instance,
			       struct arena *a, struct json **out, struct err *e)
{
	struct filling d = {.a = a, .e = e};
	struct json *copy = json_dup_tree(a, instance);
	if (!copy)
		return arena_check(a, e) < 0 ? -1
					     : err_fail(e, ERR_TOO_LARGE, "is nested too deep");
	if (fill(&d, s->root, copy, 0) < 0)
		return -1;
	*out = copy;
	return 0;
}
