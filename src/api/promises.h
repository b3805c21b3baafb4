/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Rows of the promise table: found or made, assessed by core/promise.h, stored, told. */
#include "api/call.h"
#include "core/promise.h"

enum { PROMISES_OF_INSTANCE_MAX = 200, PROMISE_RECHECK_MS = 300000 };

/* Which promise, and what is known of it. */
struct promise_case {
	struct str promiser, promisee, name;
	enum promise_kind kind;
	struct str body_json; /* "" is {} */
	struct promise_facts facts;
	int64_t wake_at_ms; /* when it is to be assessed again by time */
};
/*
 * Assesses it and stores the row. Returns 1 if its state moved (*before has the old one;
 * PROMISE_STATES if the row is new), else 0. A check that found nothing new is written at most
 * every PROMISE_RECHECK_MS.
 */
MUST int promises_judge(struct api_call *c, const struct promise_case *k,
			enum promise_state *before, struct err *e);

/* What a node found about a health promise of its instance; counts follow, *i is not stored. */
struct health_result {
	struct str name, message;
	enum promise_state state;
	bool is_withdrawn; /* the instance no longer makes this promise */
	int64_t at_ms;
};
/* 1 if *i changed and has to be stored. */
MUST int promises_health(struct api_call *c, struct instance *i, const struct health_result *r,
			 struct err *e);
/* A stopped instance keeps and breaks nothing: its health is unknown. *i is not stored. */
MUST int promises_rest(struct api_call *c, struct instance *i, struct err *e);
/* Forgets the health promises of an instance that is gone. */
MUST int promises_drop(struct api_call *c, const struct instance *i, struct err *e);

/* Assesses the node's contact now; a move is stored on the node and sets free what waits. */
MUST int promises_liveness(struct api_call *c, const struct node *n, struct err *e);
MUST int promises_installation(struct api_call *c, const struct installation *s, struct err *e);
