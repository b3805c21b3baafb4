/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Promises: who makes them, how they stand, how they stood, and what nodes find. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/order.h"
#include "api/promises.h"
#include "api/rows.h"
#include "api/supply.h"
#include "api/views.h"
#include "store/instance.h"
#include "store/promise.h"

enum { RESULTS_MAX = 1000, STATE_WITHDRAWN = PROMISE_STATES, LATE_MAX_MS = 7 * 86400000 };

/* clang-format off */
static const struct json_word kind_words[] = {
	{"liveness", PROMISE_LIVENESS}, {"installation", PROMISE_INSTALLATION},
	{"health", PROMISE_HEALTH}, {"payment", PROMISE_PAYMENT}, {NULL, 0}};
struct promises_query { struct str subject; enum promise_kind kind; int64_t after, limit; };
static const struct json_field promises_query_fields[] = {
	JSON_STR(struct promises_query, subject, "subject", 1, MODEL_TITLE_MAX, 0, "Of one promiser: node, guid, title of a root, customer.", .initial_text = ""),
	JSON_ENUM(struct promises_query, kind, "kind", kind_words, 0, "Of one kind.", .initial = PROMISE_KINDS),
	JSON_I64(struct promises_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_promises_query = JSON_DESC(struct promises_query, promises_query_fields, "PromisesQuery", "Which promises.");
struct promises { struct view_promise *promises; size_t n; };
static const struct json_field promises_fields[] = {
	JSON_STRUCTS(struct promises, promises, n, struct view_promise, "promises", &view_promise_desc, 0, INT64_MAX, 0, "Oldest first."),
};
const struct json_desc v1_promises_out = JSON_DESC(struct promises, promises_fields, "Promises", "Promises.");
struct history_query { struct str subject, name; enum promise_kind kind; };
static const struct json_field history_query_fields[] = {
	JSON_STR(struct history_query, subject, "subject", 1, MODEL_TITLE_MAX, JSON_REQUIRED, "The promiser: node, guid, title of a root, customer."),
	JSON_STR(struct history_query, name, "name", 1, 400, JSON_REQUIRED, "Name of the promise."),
	JSON_ENUM(struct history_query, kind, "kind", kind_words, 0, "Needed only where two kinds have the name.", .initial = PROMISE_KINDS),
};
const struct json_desc v1_history_query = JSON_DESC(struct history_query, history_query_fields, "HistoryQuery", "Of which promise.");
struct line { struct str at, state, message; };
static const struct json_field line_fields[] = {
	JSON_STR(struct line, at, "at", 0, INT64_MAX, 0, "Since when."),
	JSON_STR(struct line, state, "state", 0, INT64_MAX, 0, "kept, broken, unknown."),
	JSON_STR(struct line, message, "message", 0, INT64_MAX, 0, "What was found."),
};
static const struct json_desc line_desc = JSON_DESC(struct line, line_fields, "PromiseMove", "A move of a promise.");
struct history { struct line *history; size_t n; };
static const struct json_field history_fields[] = {
	JSON_STRUCTS(struct history, history, n, struct line, "history", &line_desc, 0, INT64_MAX, 0, "The last moves, oldest first; at most 100."),
};
const struct json_desc v1_history_out = JSON_DESC(struct history, history_fields, "History", "How a promise stood.");

static const struct json_word state_words[] = {
	{"kept", PROMISE_KEPT}, {"broken", PROMISE_BROKEN}, {"unknown", PROMISE_UNKNOWN},
	{"withdrawn", STATE_WITHDRAWN}, {NULL, 0}};
struct result { struct str instance, name, message, at; int state; int64_t took_ms; };
static const struct json_field result_fields[] = {
	JSON_STR(struct result, instance, "instance", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Guid; it has to be on this node."),
	JSON_STR(struct result, name, "name", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Name of the promise."),
	JSON_ENUM(struct result, state, "state", state_words, JSON_REQUIRED, "What was found; withdrawn: the instance no longer makes it."),
	JSON_STR(struct result, message, "message", 0, 20000, 0, "Details; cut at 2000 bytes.", .initial_text = ""),
	JSON_STR(struct result, at, "at", 0, 40, 0, "When, RFC 3339; left out: now."),
	JSON_I64(struct result, took_ms, "took_ms", 0, 86400000, 0, "How long the check took."),
};
static const struct json_desc result_desc = JSON_DESC(struct result, result_fields, "Result", "Of one check.");
struct results { struct result *results; size_t n; };
static const struct json_field results_fields[] = {
	JSON_STRUCTS(struct results, results, n, struct result, "results", &result_desc, 0, RESULTS_MAX, JSON_REQUIRED, "What the node found."),
};
const struct json_desc v1_results_in = JSON_DESC(struct results, results_fields, "Results", "What a node found.");
struct accepted { int64_t accepted, unknown; };
static const struct json_field accepted_fields[] = {
	JSON_I64(struct accepted, accepted, "accepted", 0, INT64_MAX, 0, "Taken."),
	JSON_I64(struct accepted, unknown, "unknown", 0, INT64_MAX, 0, "Of instances that are not on this node (any more): ignored."),
};
const struct json_desc v1_results_out = JSON_DESC(struct accepted, accepted_fields, "ResultsTaken", "What came of it.");
/* clang-format on */

/* Is it one of the caller's: about the health of his instances, or of his to pay? */
static bool is_own(const struct api_call *c, const struct promise *p)
{
	bool is_health = p->kind == PROMISE_HEALTH;
	if (access_is_all(c))
		return true;
	if (!is_health && p->kind != PROMISE_PAYMENT)
		return false;
	for (size_t i = 0; i < c->access->member_count; i++) {
		const struct member *m = &c->access->members[i];
		if (access_owns(c, m->customer_id) &&
		    str_eq(m->customer, is_health ? p->promisee : p->promiser))
			return true;
	}
	return false;
}

/* Those of a promiser that the caller may know of. */
MUST static int list_of(struct api_call *c, struct str promiser, enum promise_kind kind,
			int64_t limit, struct promise **out, size_t *count, struct err *e)
{
	struct promise *list = NULL;
	size_t n = 0, kept = 0;
	if (store_promise_list(c->tx, c->a, promiser, kind, 0, limit, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (is_own(c, &list[i]))
			list[kept++] = list[i];
	*out = list;
	*count = kept;
	return 0;
}

/* The promiser that a subject means: the title of a root stands for its guid. */
MUST static int promiser_of(struct api_call *c, struct str subject, struct str *out,
			    struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	*out = subject;
	if (!subject.n || str_starts(subject, S("inst-")))
		return 0;
	struct promise *any = NULL;
	enum promise_kind kind = access_is_all(c) ? PROMISE_KINDS : PROMISE_PAYMENT;
	if (list_of(c, subject, kind, 1, &any, &n, e) < 0)
		return -1;
	if (n)
		return 0;
	if (access_titled(c, subject, S(""), &list, &n, e) < 0)
		return -1;
	if (n)
		*out = list[0].guid;
	return 0;
}

static int by_id(const void *x, const void *y)
{
	int64_t a = ((const struct promise *)x)->id, b = ((const struct promise *)y)->id;
	return (a > b) - (a < b);
}

/* All of the caller's customers, oldest first. */
MUST static int list_own(struct api_call *c, enum promise_kind kind, int64_t limit,
			 struct promise **out, size_t *count, struct err *e)
{
	struct promise *all = NULL;
	size_t n = 0, cap = 0;
	for (size_t i = 0; i < c->access->member_count; i++) {
		const struct member *m = &c->access->members[i];
		struct promise *list = NULL;
		size_t more = 0;
		if (!access_owns(c, m->customer_id))
			continue;
		if (store_promise_of_customer(c->tx, c->a, m->customer, kind, limit, &list,
					      &more, e) < 0)
			return -1;
		for (size_t k = 0; k < more; k++) {
			all = rows_room(c->a, all, n, &cap, sizeof *all);
			if (!all)
				return arena_check(c->a, e);
			all[n++] = list[k];
		}
	}
	if (n)
		qsort(all, n, sizeof *all, by_id);
	*out = all;
	*count = MIN_OF(n, (size_t)limit);
	return 0;
}

MUST int v1_promises(struct api_call *c, struct err *e)
{
	const struct promises_query *q = c->query;
	struct promise *list = NULL;
	struct promises v = {.n = 0};
	struct str promiser;
	if (promiser_of(c, q->subject, &promiser, e) < 0)
		return -1;
	int rc = promiser.n || access_is_all(c)
			 ? list_of(c, promiser, q->kind, q->limit, &list, &v.n, e)
			 : list_own(c, q->kind, q->limit, &list, &v.n, e);
	if (rc < 0)
		return -1;
	v.promises = ARENA_ARRAY(c->a, struct view_promise, v.n);
	for (size_t i = 0; v.promises && i < v.n; i++)
		view_promise_of(c, &list[i], &v.promises[i]);
	return call_answer(c, 200, &v1_promises_out, &v, e);
}

MUST static int find_promise(struct api_call *c, const struct history_query *q,
			     struct promise *out, struct err *e)
{
	struct str promiser;
	if (promiser_of(c, q->subject, &promiser, e) < 0)
		return -1;
	for (int kind = 0; kind < PROMISE_KINDS; kind++) {
		if (q->kind != PROMISE_KINDS && (int)q->kind != kind)
			continue;
		int rc = store_promise_find(c->tx, c->a, promiser, (enum promise_kind)kind,
					    q->name, out, e);
		if (rc < 0 || (rc > 0 && is_own(c, out)))
			return rc < 0 ? -1 : 0;
	}
	return err_fail(e, ERR_NOT_FOUND, "no promise %" STR_F " of %" STR_F,
			STR_A(str_sub(q->name, 0, 100)), STR_A(str_sub(q->subject, 0, 100)));
}

MUST int v1_promise_history(struct api_call *c, struct err *e)
{
	struct promise p;
	struct promise_line *lines = NULL;
	struct history v = {.n = 0};
	if (find_promise(c, c->query, &p, e) < 0 ||
	    store_promise_history(c->tx, c->a, p.id, &lines, &v.n, e) < 0)
		return -1;
	v.history = ARENA_ARRAY(c->a, struct line, v.n);
	for (size_t i = 0; v.history && i < v.n; i++)
		v.history[i] = (struct line){
			.at = view_at(c->a, lines[i].at_ms),
			.state = str_from(promise_state_word(lines[i].state)),
			.message = lines[i].message,
		};
	return call_answer(c, 200, &v1_history_out, &v, e);
}

/* When a check was made, by the node's clock; a moment that cannot be is taken as now. */
MUST static int moment_of(const struct result *r, size_t i, int64_t now_ms, int64_t *out,
			  struct err *e)
{
	char path[60];
	struct err why;
	*out = now_ms;
	if (!r->at.n)
		return 0;
	if (clock_parse(r->at, out, &why) < 0) {
		(void)snprintf(path, sizeof path, "results[%zu].at", i);
		return err_field(e, path, "%s", why.text);
	}
	if (*out > now_ms || *out < now_ms - LATE_MAX_MS)
		*out = now_ms;
	return 0;
}

MUST static int take_result(struct api_call *c, struct instance *i, const struct result *r,
			    int64_t at_ms, struct err *e)
{
	struct health_result h = {
		.name = r->name,
		.message = r->message,
		.is_withdrawn = r->state == STATE_WITHDRAWN,
		.at_ms = at_ms,
	};
	if (!h.is_withdrawn)
		h.state = (enum promise_state)r->state;
	int rc = promises_health(c, i, &h, e);
	if (rc <= 0)
		return rc;
	call_wake(c, "instance:", i->guid);
	return store_instance_save(c->tx, i, e);
}

MUST int v1_node_promises(struct api_call *c, struct err *e)
{
	const struct results *in = c->in;
	struct node n;
	struct instance i = {.id = 0};
	struct accepted v = {0, 0};
	if (supply_node(c, c->params[0], true, &n, e) < 0)
		return -1;
	for (size_t k = 0; k < in->n; k++) {
		const struct result *r = &in->results[k];
		int64_t at_ms;
		if (moment_of(r, k, c->now_ms, &at_ms, e) < 0)
			return -1;
		if (!i.id || !str_eq(i.guid, r->instance)) {
			i.id = 0;
			if (store_instance_by_guid(c->tx, c->a, r->instance, &i, e) < 0)
				return -1;
		}
		/* Reports may come late, when the instance is gone: no reason to refuse the rest. */
		if (!i.id || !i.is_live || i.node_id != n.id) {
			v.unknown++;
			continue;
		}
		if (take_result(c, &i, r, at_ms, e) < 0)
			return -1;
		v.accepted++;
	}
	return call_answer(c, 200, &v1_results_out, &v, e);
}
