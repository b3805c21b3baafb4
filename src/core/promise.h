/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The promise engine: one table of promises, one way to assess them.
 *
 * Every party promises its own behaviour, and somebody else assesses. A promise is a row:
 * promiser, promisee, kind, name, body, and since when it is kept, broken or unknown.
 *
 *     ┌─────────┐ ─▶ kept ◀─▶ broken         any state may follow any other; a move is an event
 *     │ unknown │ ◀─────────────┘            and a line of the promise's history
 *     └─────────┘
 *
 *     kind          promiser   promisee   name          kept if
 *     liveness      node       master     contact       it was heard of within the limit
 *     installation  node       master     release URI   it reported the release available
 *     health        instance   customer   of profile    the node's last check said so
 *     payment       customer   master     invoice no.   room trade says so
 *
 * What a broken (or again kept) promise sets in motion stands in the consequence column of one
 * table; repair, ticket, credit note and reminder become further rows of it.
 */
#include "core/model.h"

#define PROMISE_MASTER "master"	    /* as promisee */
#define PROMISE_CONTACT "contact"   /* name of the liveness promise */
enum { PROMISE_HISTORY_MAX = 100 }; /* lines kept of one promise */

/* What is known when a promise is assessed; each kind looks at its own part. */
struct promise_facts {
	int64_t now_ms;
	/* liveness */
	int64_t last_contact_at_ms; /* 0: never */
	int64_t limit_ms;
	/* installation */
	enum supply_report build;
	/* health, payment: as somebody nearer has found */
	enum promise_state found;
	struct str message; /* installation, health, payment */
};
struct promise_finding {
	enum promise_state state;
	struct str message; /* borrowed from the facts, or static */
};
/* The state that follows from the facts. Pure. */
struct promise_finding promise_assess(enum promise_kind kind, const struct promise_facts *f);

/* What a move sets in motion. */
enum promise_effect {
	PROMISE_EFFECT_NONE,
	PROMISE_EFFECT_PLACE, /* orders that wait may find room now */
};
/*
 * Moves `p` to what was found at `now_ms`. True if that is a move (state other than before):
 * `since_ms` is now then. checked_at_ms and message always follow.
 */
bool promise_move(struct promise *p, const struct promise_finding *f, int64_t now_ms);
/* The consequence column. */
enum promise_effect promise_effect(enum promise_kind kind, enum promise_state to);
