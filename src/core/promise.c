/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One row a kind: how it is assessed and what follows. */
#include "core/promise.h"

static struct promise_finding assess_liveness(const struct promise_facts *f)
{
	if (!f->last_contact_at_ms)
		return (struct promise_finding){PROMISE_UNKNOWN, S("never heard of")};
	if (f->now_ms - f->last_contact_at_ms > f->limit_ms)
		return (struct promise_finding){PROMISE_BROKEN,
						S("no contact within the limit")};
	return (struct promise_finding){PROMISE_KEPT, S("in contact")};
}

static struct promise_finding assess_installation(const struct promise_facts *f)
{
	enum promise_state s = f->build == BUILD_AVAILABLE ? PROMISE_KEPT
			       : f->build == BUILD_ERROR   ? PROMISE_BROKEN
							   : PROMISE_UNKNOWN;
	return (struct promise_finding){s, f->message};
}

static struct promise_finding assess_found(const struct promise_facts *f)
{
	return (struct promise_finding){f->found, f->message};
}

static const struct rule {
	struct promise_finding (*assess)(const struct promise_facts *f);
	enum promise_effect effects[PROMISE_STATES];
} rules[PROMISE_KINDS] = {
	[PROMISE_LIVENESS] = {assess_liveness, {[PROMISE_KEPT] = PROMISE_EFFECT_PLACE}},
	[PROMISE_INSTALLATION] = {assess_installation, {[PROMISE_KEPT] = PROMISE_EFFECT_PLACE}},
	[PROMISE_HEALTH] = {assess_found, {PROMISE_EFFECT_NONE}},
	[PROMISE_PAYMENT] = {assess_found, {PROMISE_EFFECT_NONE}},
};

struct promise_finding promise_assess(enum promise_kind kind, const struct promise_facts *f)
{
	ASSERT((unsigned)kind < PROMISE_KINDS);
	return rules[kind].assess(f);
}

bool promise_move(struct promise *p, const struct promise_finding *f, int64_t now_ms)
{
	bool is_move = p->state != f->state;
	if (is_move)
		p->since_ms = now_ms;
	p->state = f->state;
	p->checked_at_ms = now_ms;
	p->message = f->message;
	return is_move;
}

enum promise_effect promise_effect(enum promise_kind kind, enum promise_state to)
{
	ASSERT((unsigned)kind < PROMISE_KINDS && (unsigned)to < PROMISE_STATES);
	return rules[kind].effects[to];
}
