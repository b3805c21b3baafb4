/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a node does next: the pure half of the agent.
 *
 * A slot is what the agent knows of one partition (or of one release on the node): what is
 * wanted, what is, what is under way. plan_partition and plan_release look at one slot and a
 * moment and name the single next step, or the moment from which a step may be due. They have
 * no effects and no memory; the doer carries the step out and writes its outcome back into the
 * slot with plan_partition_done. Since a step only follows from facts, every step may be
 * repeated: after a crash the facts are read again and the plan is the same.
 *
 *      wanted STARTED            wanted STOPPED         wanted DESTROYED      nothing wanted
 *      ----------------          --------------         ----------------      --------------
 *      release on disk?  wait                                                 (slot is idle)
 *      network?          NET_UP
 *      version applied?  APPLY   services up? STOP      anything left? WIPE
 *      ready?            PROBE
 *      tests kept?       TEST
 *      told the master?  REPORT  told?        REPORT    told?        REPORT
 *      check due?        CHECK
 *
 * While the master is away reports wait (report_due_ms) and everything else goes on.
 *
 * Failures back off: 1 s, 2 s, 4 s … 5 min, with jitter handed in by the caller, so that a
 * broken partition costs next to nothing and never delays another.
 */
#include "base/str.h"

enum plan_want { PLAN_NOTHING, PLAN_STARTED, PLAN_STOPPED, PLAN_DESTROYED };

enum plan_step_kind {
	PLAN_WAIT,   /* nothing to do before `due_ms` (PLAN_NEVER: until a fact changes) */
	PLAN_NET_UP, /* make the partition's network namespace and addresses */
	PLAN_APPLY,  /* evaluate the profile, write files, run setup, start or restart services
		      */
	PLAN_PROBE,  /* ask whether the services are ready */
	PLAN_TEST,   /* run the promises that gate a deployment */
	PLAN_REPORT, /* tell the master what is */
	PLAN_CHECK,  /* run the promises that are due */
	PLAN_STOP,   /* stop the services */
	PLAN_WIPE,   /* stop, then remove processes, files, network */
	PLAN_STEP_KINDS,
};

#define PLAN_NEVER INT64_MAX

struct plan_step {
	enum plan_step_kind kind;
	int64_t due_ms; /* the step is to start now if due_ms <= now */
};

/* What came of a step. */
enum plan_outcome {
	PLAN_OK,
	PLAN_NOT_YET, /* PROBE: not ready so far; TEST: not kept so far */
	PLAN_FAILED,
};

/* What a partition last told the master of itself. */
enum plan_told {
	PLAN_TOLD_NOTHING,
	PLAN_TOLD_STARTED,
	PLAN_TOLD_STOPPED,
	PLAN_TOLD_FAILED,
	PLAN_TOLD_DESTROYED
};

struct plan_partition {
	enum plan_want want;
	int64_t version; /* of what is wanted; any other value is another wish */

	bool is_release_ready; /* the release's root is on disk */
	bool has_traces;       /* processes, files or network of an instance exist here */
	bool is_net_up;
	bool is_running;	 /* services were started and not stopped since */
	int64_t applied_version; /* 0: none */
	bool is_ready;
	int64_t ready_since_ms,
		probe_until_ms; /* PROBE gives up (fails) after probe_until_ms */
	int64_t tested_version; /* tests were kept for it; 0: none */

	enum plan_told told; /* acknowledged by the master */
	int64_t told_version;
	int64_t report_due_ms; /* earliest moment of a report: later while the master is away */

	bool is_busy;	   /* a step of this partition is under way */
	unsigned failures; /* in a row */
	unsigned probes;   /* since the last APPLY */
	int64_t not_before_ms;
	int64_t check_due_ms; /* earliest promise, PLAN_NEVER if none */
};

/* The next step of a partition. */
struct plan_step plan_partition(const struct plan_partition *p, int64_t now_ms);

/*
 * Writes a step's outcome into the slot. `jitter` is uniform in [0, 1000): thousandths of the
 * back-off that are added. APPLY must have set ready_since/probe_until through its own facts.
 */
void plan_partition_done(struct plan_partition *p, enum plan_step_kind kind,
			 enum plan_outcome outcome, int64_t now_ms, unsigned jitter);

/* A new wish for the partition: failures are forgotten, a step under way is not disturbed. */
void plan_partition_want(struct plan_partition *p, enum plan_want want, int64_t version);

enum plan_build { PLAN_BUILD_NONE, PLAN_BUILD_DONE, PLAN_BUILD_FAILED };

/* A release that is supplied to the node, or to be removed from it. */
struct plan_release {
	bool is_wanted;
	bool is_removed; /* nothing of it is on disk any more */
	bool is_used;	 /* a partition still has it: not removed before */
	enum plan_build build;
	bool is_busy;
	bool is_told; /* the master knows how the last build or removal ended */
	int64_t report_due_ms;
	unsigned failures;
	int64_t not_before_ms;
};

enum plan_release_kind {
	PLAN_RELEASE_WAIT,
	PLAN_RELEASE_BUILD,
	PLAN_RELEASE_REMOVE,
	PLAN_RELEASE_REPORT
};

struct plan_release_step {
	enum plan_release_kind kind;
	int64_t due_ms;
};

/* The next step of a release; due_ms as for a partition. */
struct plan_release_step plan_release(const struct plan_release *r, int64_t now_ms);
/* Writes a step's outcome into the slot, as plan_partition_done. */
void plan_release_done(struct plan_release *r, enum plan_release_kind kind, bool is_ok,
		       int64_t now_ms, unsigned jitter);

/*
 * Milliseconds to wait after `failures` failures in a row (>= 1): 1 s doubling to 5 min, plus
 * up to a tenth by jitter (in [0, 1000)).
 */
int64_t plan_backoff_ms(unsigned failures, unsigned jitter);
/* Milliseconds between probes of readiness: 2, 4, 8 … 500. */
int64_t plan_probe_pause_ms(unsigned probes);
const char *plan_step_name(enum plan_step_kind kind);
