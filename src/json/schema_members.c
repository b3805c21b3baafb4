/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keywords that apply subschemas to members and items. Core, sections 10.3 and 11.
 */
#include "json/schema_impl.h"

/* Member i of the instance against a node; marks it. */
static int apply_member(struct eval *ev, const struct node *n, const struct frame *f, size_t i)
{
	const struct json_member *m = &f->instance->members[i];
	struct json_step step = {f->at, m->key, 0};
	schema_mark(f, i);
	return schema_eval(ev, n, m->value, &step, f, NULL);
}

static int apply_item(struct eval *ev, const struct node *n, const struct frame *f, size_t i)
{
	struct json_step step = {f->at, {NULL, 0}, i};
	schema_mark(f, i);
	return schema_eval(ev, n, f->instance->items[i], &step, f, NULL);
}

/* A member or item that falls to a `false` is called by its name. */
static int apply_rest(struct eval *ev, const struct rule *r, const struct frame *f, size_t i)
{
	bool is_array = f->instance->kind == JSON_IS_ARRAY;
	struct str key = is_array ? (struct str){NULL, 0} : f->instance->members[i].key;
	struct json_step step = {f->at, key, i};
	if (r->node->is_false)
		return schema_fault(ev, &step,
				    is_array ? "is one item too many" : "unknown field");
	return is_array ? apply_item(ev, r->node, f, i) : apply_member(ev, r->node, f, i);
}

int schema_check_property_names(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < f->instance->n; i++) {
		struct json name = {.kind = JSON_IS_STR, .str = f->instance->members[i].key};
		struct json_step step = {f->at, name.str, 0};
		int rc = schema_eval(ev, r->node, &name, &step, f, NULL);
		if (rc == 1 && !ev->quiet)
			(void)err_in(ev->e, "the name of this member");
		if (rc)
			return rc;
	}
	return 0;
}

/* Both lists are sorted by key: they are walked side by side. */
int schema_check_properties(struct eval *ev, const struct rule *r, const struct frame *f)
{
	size_t i = 0, k = 0;
	while (i < f->instance->n && k < r->value->n) {
		int order = str_cmp(f->instance->members[i].key, r->value->members[k].key);
		if (order == 0) {
			int rc = apply_member(ev, r->nodes[k], f, i);
			if (rc)
				return rc;
		}
		i += order <= 0;
		k += order >= 0;
	}
	return schema_charge(ev, (f->instance->n + r->value->n) / 16);
}

static int check_pattern(struct eval *ev, const struct rule *r, const struct frame *f, size_t k)
{
	for (size_t i = 0; i < f->instance->n; i++) {
		size_t work = 0;
		int rc = schema_regex_find(r->regexes[k], ev->regexes,
					   f->instance->members[i].key, &work, ev->e);
		if (rc < 0 || schema_charge(ev, work) < 0)
			return -1;
		rc = rc ? apply_member(ev, r->nodes[k], f, i) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

int schema_check_pattern_properties(struct eval *ev, const struct rule *r,
				    const struct frame *f)
{
	for (size_t k = 0; k < r->value->n; k++) {
		int rc = check_pattern(ev, r, f, k);
		if (rc)
			return rc;
	}
	return 0;
}

int schema_check_additional(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct rule *properties = schema_rule(f->node, KW_PROPERTIES);
	for (size_t i = 0; i < f->instance->n; i++) {
		struct str key = f->instance->members[i].key;
		if (properties && json_get(properties->value, key))
			continue;
		int rc = schema_pattern_covers(ev, f->node, key);
		if (rc == 1)
			continue;
		rc = rc ? rc : apply_rest(ev, r, f, i);
		if (rc)
			return rc;
	}
	return schema_charge(ev, f->instance->n / 16);
}

int schema_check_prefix_items(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < f->instance->n && i < r->value->n; i++) {
		int rc = apply_item(ev, r->nodes[i], f, i);
		if (rc)
			return rc;
	}
	return 0;
}

int schema_check_items(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct rule *prefix = schema_rule(f->node, KW_PREFIX_ITEMS);
	for (size_t i = prefix ? prefix->value->n : 0; i < f->instance->n; i++) {
		int rc = apply_rest(ev, r, f, i);
		if (rc)
			return rc;
	}
	return 0;
}

static int count_contained(struct eval *ev, const struct rule *r, const struct frame *f,
			   int64_t *n)
{
	for (size_t i = 0; i < f->instance->n; i++) {
		struct json_step step = {f->at, {NULL, 0}, i};
		ev->quiet++;
		int rc = schema_eval(ev, r->node, f->instance->items[i], &step, f, NULL);
		ev->quiet--;
		if (rc < 0)
			return -1;
		if (rc == 0) {
			schema_mark(f, i);
			++*n;
		}
	}
	return 0;
}

int schema_check_contains(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct rule *low = schema_rule(f->node, KW_MIN_CONTAINS);
	const struct rule *high = schema_rule(f->node, KW_MAX_CONTAINS);
	int64_t min = low ? json_i64_of(low->value, INT64_MAX) : 1;
	int64_t max = high ? json_i64_of(high->value, INT64_MAX) : INT64_MAX;
	int64_t n = 0;
	if (count_contained(ev, r, f, &n) < 0)
		return -1;
	if (n < min)
		return schema_fault(ev, f->at,
				    "has %lld items of a form of which %lld are wanted",
				    (long long)n, (long long)min);
	if (n > max)
		return schema_fault(ev, f->at,
				    "has %lld items of a form of which %lld are allowed",
				    (long long)n, (long long)max);
	return 0;
}

static int check_unevaluated(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < f->instance->n; i++) {
		int rc = f->seen->marks[i] ? 0 : apply_rest(ev, r, f, i);
		if (rc)
			return rc;
		schema_mark(f, i);
	}
	return schema_charge(ev, f->instance->n / 16);
}

int schema_check_unevaluated_items(struct eval *ev, const struct rule *r, const struct frame *f)
{
	return check_unevaluated(ev, r, f);
}

int schema_check_unevaluated_properties(struct eval *ev, const struct rule *r,
					const struct frame *f)
{
	return check_unevaluated(ev, r, f);
}
