/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * When a service is started, respawned and given up: rules without effects.
 *
 *                      want                      launched
 *         ┌────▶ DOWN ───────▶ STARTING ──────────────────────▶ UP ────┐
 *         │        ▲   unwant & │  ▲  │ failed                   │  │    │ exited: first in a
 * row, │        │   failed   │  │  ▼                          │  │    │ or after steady_ms │
 * └────────────┘  │ BACKOFF ◀── exited again ───┘  │    ▼ │        ▲  unwant       │    │ │
 * STARTING at once │        └───────────────┼────┤ due, or want              │ │ └────┘ │
 * unwant, or again │  exited & not wanted                                    ▼
 *         └──────────────────────────────────────────────────── STOPPING
 *            exited & wanted: STARTING                     kill due: SIGKILL, still STOPPING
 *
 * A STARTING service that is no longer wanted is stopped as soon as it is launched. The machine
 * says what to do (an action); the caller does it and feeds what happens next.
 */
#include "base/clock.h"
#include "supervise/protocol.h"

struct respawn_policy {
	int64_t min_ms, max_ms, steady_ms, stop_ms; /* all > 0, min ≤ max */
};

struct respawn {
	enum supervise_state state;
	bool is_wanted;
	unsigned row;	  /* respawns since it last ran steadily */
	int64_t up_at_ms; /* monotonic */
	struct respawn_policy policy;
};

enum respawn_input {
	RESPAWN_WANT,  /* start, as nothing happened before */
	RESPAWN_AGAIN, /* stop it if it runs, then start */
	RESPAWN_UNWANT,
	RESPAWN_LAUNCHED,
	RESPAWN_FAILED, /* the launch */
	RESPAWN_EXITED, /* the process */
	RESPAWN_DUE,	/* the timer asked for by the last action */
	RESPAWN_INPUTS,
};

enum respawn_action {
	RESPAWN_NOTHING,
	RESPAWN_LAUNCH, /* now; forget the timer */
	RESPAWN_WAIT,	/* feed DUE after after_ms */
	RESPAWN_STOP,	/* send the stop signal, feed DUE after after_ms */
	RESPAWN_KILL,	/* SIGKILL */
	RESPAWN_REST,	/* it is down now; forget the timer */
};

struct respawn_step {
	enum respawn_action action;
	int64_t after_ms;
};

/* Moves `r` by one input at the moment `mono_ms`; what is to be done now. */
struct respawn_step respawn_feed(struct respawn *r, enum respawn_input input, int64_t mono_ms,
				 const struct rng *rng);
/* True if `to` may follow `from`; what respawn_feed holds itself to. */
bool respawn_may_move(enum supervise_state from, enum supervise_state to);
/* The wait before the next respawn after `row` in a row: half fixed, half drawn. Row ≥ 1. */
int64_t respawn_wait_ms(const struct respawn_policy *p, unsigned row, const struct rng *rng);
/* What runs was found running: UP without a launch. */
void respawn_adopt(struct respawn *r, int64_t mono_ms);
