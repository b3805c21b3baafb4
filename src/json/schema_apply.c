/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keywords that apply subschemas to the same instance: references and logic. Core, sections
 * 8.2.3, 10.2.
 *
 * A branch that may fail without the whole failing is tried quietly, with marks of its own that
 * are added when it holds. When every branch of anyOf or oneOf failed, the one whose fault lies
 * deepest in the instance is evaluated once more, aloud: it is most likely the one that was meant.
 */
#include "json/schema_impl.h"

static int apply(struct eval *ev, const struct node *n, const struct frame *f)
{
	return schema_eval(ev, n, f->instance, f->at, f, f->seen);
}

/* As apply, but a failure leaves no trace. */
static int try(struct eval *ev, const struct node *n, const struct frame *f)
{
	struct seen own;
	if (f->seen && schema_seen_new(ev, f->instance, &own) < 0)
		return -1;
	ev->quiet++;
	int rc = schema_eval(ev, n, f->instance, f->at, f, f->seen ? &own : NULL);
	ev->quiet--;
	if (rc == 0 && f->seen)
		schema_seen_add(f, &own);
	return rc;
}

int schema_check_ref(struct eval *ev, const struct rule *r, const struct frame *f)
{
	return apply(ev, r->node, f);
}

/* *work grows by the anchors that were looked at. */
static const struct node *dynamic_node(const struct resource *r, struct str name, size_t *work)
{
	for (const struct anchor *x = r->anchors; x; x = x->next) {
		++*work;
		if (x->is_dynamic && str_eq(x->name, name))
			return x->node;
	}
	return NULL;
}

/* The outermost resource of the dynamic scope that has the anchor decides. */
int schema_check_dynamic_ref(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct node *target = r->node;
	const struct resource *last = NULL;
	size_t work = 1;
	for (const struct frame *up = f; r->is_dynamic && up; up = up->up) {
		const struct resource *at = up->node->resource;
		const struct node *n =
			at != last ? dynamic_node(at, r->node->dynamic_anchor, &work) : NULL;
		target = n ? n : target;
		last = at;
	}
	return schema_charge(ev, 2 + work / 4) < 0 ? -1 : apply(ev, target, f);
}

int schema_check_all_of(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < r->value->n; i++) {
		int rc = apply(ev, r->nodes[i], f);
		if (rc)
			return rc;
	}
	return 0;
}

/* Tries the branches; *best is the failed one whose fault lies deepest. < 0 as check_fn. */
static int try_branches(struct eval *ev, const struct rule *r, const struct frame *f,
			size_t enough, size_t *n_held, size_t *best)
{
	size_t deepest = 0;
	*n_held = 0;
	for (size_t i = 0; i < r->value->n && *n_held < enough; i++) {
		int rc = try(ev, r->nodes[i], f);
		if (rc < 0)
			return -1;
		*n_held += rc == 0;
		if (rc && ev->fail_depth > deepest) {
			deepest = ev->fail_depth;
			*best = i;
		}
	}
	return 0;
}

static int fault_branches(struct eval *ev, const struct rule *r, const struct frame *f,
			  size_t best)
{
	size_t here = json_step_depth(f->at);
	if (ev->quiet)
		return schema_fault(ev, f->at, "%s", "");
	int rc = apply(ev, r->nodes[best], f);
	if (rc != 1 || ev->fail_depth > here || r->value->n == 1)
		return rc ? rc : 1;
	struct err why = *ev->e;
	return schema_fault(ev, f->at,
			    "fits none of the %zu forms allowed here; one of them: %s",
			    r->value->n, why.text);
}

int schema_check_any_of(struct eval *ev, const struct rule *r, const struct frame *f)
{
	size_t n_held, best = 0;
	/* Who asks what was evaluated wants to hear every branch that holds. */
	if (try_branches(ev, r, f, f->seen ? SIZE_MAX : 1, &n_held, &best) < 0)
		return -1;
	return n_held ? 0 : fault_branches(ev, r, f, best);
}

int schema_check_one_of(struct eval *ev, const struct rule *r, const struct frame *f)
{
	size_t n_held, best = 0;
	if (try_branches(ev, r, f, 2, &n_held, &best) < 0)
		return -1;
	if (n_held > 1)
		return schema_fault(
			ev, f->at,
			"fits more than one of the %zu forms that exclude each other",
			r->value->n);
	return n_held ? 0 : fault_branches(ev, r, f, best);
}

int schema_check_not(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct frame without_marks = {f->up, f->node, f->instance, f->at, NULL, f->depth};
	int rc = try(ev, r->node, &without_marks);
	if (rc)
		return rc < 0 ? -1 : 0;
	return schema_fault(ev, f->at, "has a form that is not allowed");
}

int schema_check_if(struct eval *ev, const struct rule *r, const struct frame *f)
{
	int rc = try(ev, r->node, f);
	if (rc < 0)
		return -1;
	const struct rule *next = schema_rule(f->node, rc == 0 ? KW_THEN : KW_ELSE);
	return next ? apply(ev, next->node, f) : 0;
}

int schema_check_dependent_schemas(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < r->value->n; i++) {
		int rc = json_get(f->instance, r->value->members[i].key)
				 ? apply(ev, r->nodes[i], f)
				 : 0;
		if (rc)
			return rc;
	}
	return schema_charge(ev, r->value->n / 8);
}
