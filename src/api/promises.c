/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/promises.h"

#include "api/place.h"
#include "store/node.h"
#include "store/promise.h"

enum { WAITING_MAX = 64, HEALTH_MAX = 2 * PROMISES_OF_INSTANCE_MAX };

static void tell(struct api_call *c, const struct promise *p)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("kind"), str_from(promise_kind_word(p->kind)));
	json_set_str(c->a, body, S("name"), p->name);
	json_set_str(c->a, body, S("state"), str_from(promise_state_word(p->state)));
	call_event(c, EVENT_PROMISE_MOVED, p->promiser, body);
}

MUST static int add_row(struct api_call *c, const struct promise_case *k,
			const struct promise_finding *f, struct err *e)
{
	struct promise p = {
		.promiser = k->promiser,
		.promisee = k->promisee,
		.kind = k->kind,
		.name = k->name,
		.body_json = k->body_json.n ? k->body_json : S("{}"),
		.state = f->state,
		.since_ms = k->facts.now_ms,
		.checked_at_ms = k->facts.now_ms,
		.message = call_cut(f->message.p ? f->message : S("")),
		.wake_at_ms = k->wake_at_ms,
	};
	tell(c, &p);
	return store_promise_add(c->tx, &p, e);
}

MUST int promises_judge(struct api_call *c, const struct promise_case *k,
			enum promise_state *before, struct err *e)
{
	struct promise p;
	struct promise_finding f = promise_assess(k->kind, &k->facts);
	f.message = call_cut(f.message.p ? f.message : S(""));
	int rc = store_promise_find(c->tx, c->a, k->promiser, k->kind, k->name, &p, e);
	if (rc < 0)
		return -1;
	*before = rc ? p.state : PROMISE_STATES;
	if (rc == 0)
		return add_row(c, k, &f, e) < 0 ? -1 : 1;
	bool is_old = k->facts.now_ms - p.checked_at_ms >= PROMISE_RECHECK_MS;
	bool is_said = !str_eq(p.message, f.message) || p.wake_at_ms != k->wake_at_ms;
	bool is_move = promise_move(&p, &f, k->facts.now_ms);
	p.wake_at_ms = k->wake_at_ms;
	if (is_move)
		tell(c, &p);
	if ((is_move || is_old || is_said) && store_promise_save(c->tx, &p, is_move, e) < 0)
		return -1;
	return is_move;
}

/* The counter of an instance for a state; NULL for none. */
static int64_t *counter(struct instance *i, enum promise_state state)
{
	int64_t *counters[PROMISE_STATES] = {
		[PROMISE_UNKNOWN] = &i->unknown,
		[PROMISE_KEPT] = &i->kept,
		[PROMISE_BROKEN] = &i->broken,
	};
	return state < PROMISE_STATES ? counters[state] : NULL;
}

static void count_move(struct instance *i, enum promise_state from, enum promise_state to)
{
	if (counter(i, from))
		--*counter(i, from);
	if (counter(i, to))
		++*counter(i, to);
}

MUST static int withdraw(struct api_call *c, struct instance *i, struct str name, struct err *e)
{
	struct promise p;
	int rc = store_promise_find(c->tx, c->a, i->guid, PROMISE_HEALTH, name, &p, e);
	if (rc <= 0)
		return rc;
	count_move(i, p.state, PROMISE_STATES);
	return store_promise_delete(c->tx, p.id, e) < 0 ? -1 : 1;
}

MUST int promises_health(struct api_call *c, struct instance *i, const struct health_result *r,
			 struct err *e)
{
	if (r->is_withdrawn)
		return withdraw(c, i, r->name, e);
	struct promise_case k = {
		.promiser = i->guid,
		.promisee = i->customer,
		.name = r->name,
		.kind = PROMISE_HEALTH,
		.facts = {.now_ms = r->at_ms, .found = r->state, .message = r->message},
	};
	enum promise_state before;
	int rc = promises_judge(c, &k, &before, e);
	if (rc <= 0)
		return rc;
	if (before == PROMISE_STATES &&
	    i->kept + i->broken + i->unknown >= PROMISES_OF_INSTANCE_MAX)
		return err_fail(e, ERR_TOO_LARGE,
				"instance %" STR_F " has more than %d promises",
				STR_A(i->title), PROMISES_OF_INSTANCE_MAX);
	count_move(i, before, r->state);
	return 1;
}

MUST int promises_rest(struct api_call *c, struct instance *i, struct err *e)
{
	struct promise *list = NULL;
	size_t n = 0;
	if (i->kept + i->broken == 0)
		return 0;
	if (store_promise_list(c->tx, c->a, i->guid, PROMISE_HEALTH, 0, HEALTH_MAX, &list, &n,
			       e) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		struct health_result r = {
			.name = list[k].name,
			.message = S("the instance is stopped"),
			.state = PROMISE_UNKNOWN,
			.at_ms = c->now_ms,
		};
		if (promises_health(c, i, &r, e) < 0)
			return -1;
	}
	return 0;
}

MUST int promises_drop(struct api_call *c, const struct instance *i, struct err *e)
{
	return store_promise_delete_all(c->tx, i->guid, PROMISE_HEALTH, e);
}

MUST int promises_liveness(struct api_call *c, const struct node *n, struct err *e)
{
	struct promise_case k = {
		.promiser = n->name,
		.promisee = S(PROMISE_MASTER),
		.name = S(PROMISE_CONTACT),
		.kind = PROMISE_LIVENESS,
		.facts = {.now_ms = c->now_ms,
			  .last_contact_at_ms = n->last_contact_at_ms,
			  .limit_ms = c->api->options.liveness_limit_ms},
	};
	enum promise_state before, now = promise_assess(k.kind, &k.facts).state;
	int rc = promises_judge(c, &k, &before, e);
	if (rc <= 0)
		return rc;
	call_wake(c, "node:", n->name);
	if (store_node_liveness(c->tx, n->id, now, c->now_ms, e) < 0)
		return -1;
	if (promise_effect(k.kind, now) == PROMISE_EFFECT_PLACE &&
	    place_waiting_on(c, n->id, e) < 0)
		return -1;
	return 1;
}

MUST int promises_installation(struct api_call *c, const struct installation *s, struct err *e)
{
	struct promise_case k = {
		.promiser = s->node,
		.promisee = S(PROMISE_MASTER),
		.name = s->release,
		.kind = PROMISE_INSTALLATION,
		.facts = {.now_ms = c->now_ms, .build = s->reported, .message = s->message},
	};
	enum promise_state before, now = promise_assess(k.kind, &k.facts).state;
	int rc = promises_judge(c, &k, &before, e);
	if (rc > 0 && promise_effect(k.kind, now) == PROMISE_EFFECT_PLACE &&
	    place_waiting(c, s->release_id, WAITING_MAX, e) < 0)
		return -1;
	return rc;
}
