/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The evaluator: a node's rules against an instance, one after another, until one fails.
 *
 * Bounds: every node costs a step of work, loops cost more, all are counted in one place; the
 * chain of frames has a maximum, so an endless $ref ends with an error instead of the stack.
 * What was evaluated (for unevaluated…) is only noted where a node above or beside asks.
 */
#include "json/schema_impl.h"

#include <stdarg.h>

MUST int schema_charge(struct eval *ev, size_t work)
{
	ev->work += work;
	if (ev->work <= SCHEMA_WORK_MAX)
		return 0;
	return err_fail(ev->e, ERR_TOO_LARGE,
			"takes too much work to check against its schema");
}

enum { BYTES_A_STEP = 64 };

static size_t weigh(const struct json *j, int depth)
{
	bool is_array = j->kind == JSON_IS_ARRAY;
	size_t sum = 1 + (j->kind == JSON_IS_STR ? j->str.n / BYTES_A_STEP : 0);
	for (size_t i = 0; i < json_count(j) && depth < JSON_DEPTH_MAX; i++)
		sum += weigh(is_array ? j->items[i] : j->members[i].value, depth + 1);
	return sum;
}

size_t schema_weight(const struct json *j)
{
	return weigh(j, 0);
}

int schema_fault(struct eval *ev, const struct json_step *at, const char *format, ...)
{
	char path[ERR_FIELD_MAX], text[ERR_TEXT_MAX];
	ev->fail_depth = json_step_depth(at);
	if (ev->quiet)
		return 1;
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	json_step_text(at, ev->prefix, path);
	(void)err_field(ev->e, path, "%s", text);
	return 1;
}

const struct rule *schema_rule(const struct node *n, enum keyword_id id)
{
	for (size_t i = 0; i < n->n_rules; i++)
		if (n->rules[i].keyword == &schema_keywords[id])
			return &n->rules[i];
	return NULL;
}

int schema_pattern_covers(struct eval *ev, const struct node *n, struct str key)
{
	const struct rule *r = schema_rule(n, KW_PATTERN_PROPERTIES);
	for (size_t i = 0; r && i < r->value->n; i++) {
		size_t work = 0;
		int rc = schema_regex_find(r->regexes[i], ev->regexes, key, &work, ev->e);
		if (rc < 0 || schema_charge(ev, work) < 0)
			return -1;
		if (rc)
			return 1;
	}
	return 0;
}

void schema_mark(const struct frame *f, size_t i)
{
	if (f->seen)
		f->seen->marks[i] = 1;
}

MUST int schema_seen_new(struct eval *ev, const struct json *instance, struct seen *out)
{
	out->marks = arena_alloc(ev->a, json_count(instance));
	if (!out->marks)
		return arena_check(ev->a, ev->e);
	return schema_charge(ev, json_count(instance) / 16);
}

void schema_seen_add(const struct frame *f, const struct seen *more)
{
	for (size_t i = 0; f->seen && i < json_count(f->instance); i++)
		f->seen->marks[i] |= more->marks[i];
}

static int run_rules(struct eval *ev, const struct frame *f)
{
	for (size_t i = 0; i < f->node->n_rules; i++) {
		const struct rule *r = &f->node->rules[i];
		unsigned kinds = r->keyword->kinds;
		if (!r->keyword->check || (kinds && !(kinds & 1U << f->instance->kind)))
			continue;
		int rc = r->keyword->check(ev, r, f);
		if (rc)
			return rc;
	}
	return 0;
}

MUST int schema_eval(struct eval *ev, const struct node *n, const struct json *instance,
		     const struct json_step *at, const struct frame *up, struct seen *seen)
{
	struct frame f = {up, n, instance, at, seen, up ? up->depth + 1 : 0};
	struct seen own;
	if (schema_charge(ev, 1) < 0)
		return -1;
	if (f.depth >= SCHEMA_DEPTH_MAX)
		return err_fail(
			ev->e, ERR_TOO_LARGE,
			"is checked by a schema that refers to itself without end, or is "
			"nested too deep");
	if (n->is_false)
		return schema_fault(ev, at, "is not allowed");
	if (!n->has_unevaluated)
		return run_rules(ev, &f);
	/* It may see what its own keywords evaluated, not what its neighbours did. */
	if (schema_seen_new(ev, instance, &own) < 0)
		return -1;
	f.seen = &own;
	int rc = run_rules(ev, &f);
	f.seen = seen;
	if (rc == 0)
		schema_seen_add(&f, &own);
	return rc;
}

MUST int schema_check(const struct schema *s, const struct json *instance, struct str prefix,
		      struct arena *a, struct err *e)
{
	struct eval ev = {.a = a, .e = e, .prefix = prefix};
	ev.regexes = schema_regex_run_new(a);
	if (arena_check(a, e) < 0)
		return -1;
	return schema_eval(&ev, s->root, instance, NULL, NULL, NULL) ? -1 : 0;
}
