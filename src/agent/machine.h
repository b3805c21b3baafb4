/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The mind of a node: what the master wants, what is, and which step comes next.
 *
 * The machine knows no socket, no file and no clock of its own. It is told things (machine_*
 * calls) and acts through a table of effects (struct machine_world), so that the daemon and the
 * simulation run the same code. Everything happens in one thread: no effect may call back into
 * the machine before it returned; its outcome is told later, in the same thread.
 *
 *        master                                              partitions and releases
 *      poll ──► changes ──► fetch each ──► wish ─┐        ┌─► step ──► step_done ─┐
 *       ▲                                        ├─ plan ─┤                       │
 *       └────────── reports, outbox ◄────────────┘        └───────── facts ◄──────┘
 *
 * Link: format → poll (long) → fetch what changed → poll … A request that fails is repeated
 * after a back-off; reports are repeated until acknowledged, and the master takes them twice
 * without harm. Wishes survive in the doer's store and are handed in again by
 * machine_restore before machine_start, so a node boots without its master.
 *
 * Invariants
 *   1. At most one step of a slot, and at most `steps_max` steps, are under way.
 *   2. Only a wish from the master changes what is wanted. An instance that the master does not
 *      list is left as it is.
 *   3. A slot is free again only after its destruction was acknowledged.
 *
 * Wire facts: the reference protocol's JSON calls (POST /slapos.*.v0.*), and
 * /v1/nodes/ID/changes.
 */
#include "base/clock.h"
#include "core/plan.h"
#include "json/json.h"

struct machine;

/* What the master wants of one partition. Texts live as long as the slot keeps this wish. */
struct machine_wish {
	struct str guid, title, tree, release, type;
	enum plan_want want;
	struct str parameters; /* JSON object */
	struct str shared;     /* JSON array of shared instances hosted here */
	int64_t version;       /* a digest of all the above and of the master's timestamp */
};

/* A request to the master. Paths begin with "/"; bodies are JSON or empty. */
struct machine_request {
	const char *method;
	struct str path, body;
	int64_t timeout_ms;
};

/* What a step found out; texts are copied. */
struct machine_result {
	enum plan_outcome outcome;
	struct str message;	/* of a failure, for a person */
	struct str connection;	/* APPLY: published parameters, a JSON object; empty: none */
	int64_t probe_until_ms; /* APPLY: readiness and tests are waited for until then */
	int64_t check_due_ms;	/* APPLY, TEST, CHECK: when the next promise is due */
};

struct machine_world {
	void *user;
	const struct clock *clock;
	const struct rng *rng;
	/* Sends; machine_answer(token) follows exactly once. */
	void (*send)(void *user, uint64_t token, const struct machine_request *request);
	/* Carries out one step of partition `slot`; machine_step_done follows exactly once. */
	void (*step)(void *user, size_t slot, enum plan_step_kind kind,
		     const struct machine_wish *wish);
	/* Builds or removes; machine_release_done follows exactly once. Never REPORT. */
	void (*release_step)(void *user, size_t slot, enum plan_release_kind kind,
			     struct str release);
	/* Delivers one batch of queued usage and promise results; machine_flushed follows. */
	void (*flush)(void *user);
	/* Calls machine_tick at that moment or after; a later call replaces an earlier one. */
	void (*wake_at)(void *user, int64_t at_ms);
	/* The slot was freed: whatever was kept for this instance may go. */
	void (*forget)(void *user, size_t slot, struct str guid);
};

struct machine_options {
	struct str node;     /* name of the node: 1 … 64 characters of [A-Za-z0-9._-] */
	size_t partitions;   /* number of slots */
	size_t releases_max; /* releases that may be supplied at once */
	size_t steps_max;    /* steps under way at once */
	int64_t poll_for_ms; /* length of a long poll */
};

/* `world` and the texts of `options` stay the caller's and outlive the machine. */
MUST int machine_new(const struct machine_options *options, const struct machine_world *world,
		     struct machine **out, struct err *e);
struct machine *machine_free(struct machine *m);

/* Names slot `slot`; before anything else. */
MUST int machine_name_partition(struct machine *m, size_t slot, struct str name, struct err *e);
/*
 * Hands in what the doer's store and the supervisor know of a slot: its last wish and facts.
 * `wish` is copied. Before machine_start.
 */
MUST int machine_restore(struct machine *m, size_t slot, const struct machine_wish *wish,
			 const struct plan_partition *facts, struct str connection,
			 struct err *e);
/* A release that is on disk; before machine_start. */
MUST int machine_restore_release(struct machine *m, struct str release, struct err *e);
/*
 * Begins: plans what was restored, and sends `format_body` (the JSON of
 * slapos.put.v0.compute_node_format) and `node_body` (PUT /v1/nodes/ID) to the master before
 * the first poll. With `is_alone` the master is left out: for a boot without network.
 */
MUST int machine_start(struct machine *m, struct str format_body, struct str node_body,
		       bool is_alone, struct err *e);

/* The moment that was asked for with wake_at has come. */
void machine_tick(struct machine *m);
/* status 0: not reached, or no answer in time. */
void machine_answer(struct machine *m, uint64_t token, int status, struct str body);
void machine_step_done(struct machine *m, size_t slot, enum plan_step_kind kind,
		       const struct machine_result *result);
void machine_release_done(struct machine *m, size_t slot, enum plan_release_kind kind,
			  bool is_ok, struct str message);
/* The batch was delivered (or not); `has_more`: another one waits. */
void machine_flushed(struct machine *m, bool is_ok, bool has_more);
/* Something was put into the outbox. */
void machine_outbox_filled(struct machine *m);
/* A fact changed by itself: a service died for good, a promise is due earlier. */
void machine_nudge(struct machine *m, size_t slot, bool is_running, int64_t check_due_ms);

/* Nothing is under way and nothing is due, except polls and checks: for `hoc node pass`. */
bool machine_is_settled(const struct machine *m);
/* The master answered the last request that was not a long poll's time-out. */
bool machine_is_linked(const struct machine *m);
int64_t machine_contact_at_ms(const struct machine *m);

/* Views for status; pointers stay valid until the next call into the machine. */
size_t machine_partitions(const struct machine *m);
const struct plan_partition *machine_facts(const struct machine *m, size_t slot);
const struct machine_wish *machine_wish(const struct machine *m, size_t slot);
struct str machine_partition_name(const struct machine *m, size_t slot);
struct str machine_message(const struct machine *m, size_t slot);
size_t machine_releases(const struct machine *m);
/* False if the slot is empty. */
bool machine_release(const struct machine *m, size_t slot, struct str *release,
		     struct plan_release *facts, struct str *message);
