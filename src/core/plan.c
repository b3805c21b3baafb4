/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The planner. Each wanted state is one function that walks its column of the table in plan.h
 * from the top and stops at the first line whose fact is missing.
 */
#include "core/plan.h"

enum {
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_LAST_MS = 300000,
	PROBE_FIRST_MS = 2,
	PROBE_LAST_MS = 500
};

int64_t plan_backoff_ms(unsigned failures, unsigned jitter)
{
	int64_t ms = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && ms < BACKOFF_LAST_MS; i++)
		ms *= 2;
	ms = MIN_OF(ms, (int64_t)BACKOFF_LAST_MS);
	return ms + ms * (int64_t)jitter / 10000;
}

int64_t plan_probe_pause_ms(unsigned probes)
{
	int64_t ms = PROBE_FIRST_MS;
	for (unsigned i = 1; i < probes && ms < PROBE_LAST_MS; i++)
		ms *= 2;
	return MIN_OF(ms, (int64_t)PROBE_LAST_MS);
}

const char *plan_step_name(enum plan_step_kind kind)
{
	static const char *const names[PLAN_STEP_KINDS] = {
		[PLAN_WAIT] = "wait",	[PLAN_NET_UP] = "network", [PLAN_APPLY] = "apply",
		[PLAN_PROBE] = "probe", [PLAN_TEST] = "test",	   [PLAN_REPORT] = "report",
		[PLAN_CHECK] = "check", [PLAN_STOP] = "stop",	   [PLAN_WIPE] = "wipe",
	};
	ASSERT((unsigned)kind < PLAN_STEP_KINDS);
	return names[kind];
}

static struct plan_step step(enum plan_step_kind kind, int64_t due_ms)
{
	return (struct plan_step){kind, due_ms};
}

static bool is_told(const struct plan_partition *p, enum plan_told told)
{
	return p->told == told && p->told_version == p->version;
}

/* A failure is told once per wish; the retry goes on beside it. */
static bool owes_failure(const struct plan_partition *p)
{
	return p->failures > 0 && !is_told(p, PLAN_TOLD_FAILED);
}

static struct plan_step plan_started(const struct plan_partition *p, int64_t now_ms)
{
	int64_t due = p->not_before_ms;
	if (!p->is_release_ready)
		return step(PLAN_WAIT, PLAN_NEVER);
	if (!p->is_net_up)
		return step(PLAN_NET_UP, due);
	if (p->applied_version != p->version || !p->is_running)
		return step(PLAN_APPLY, due);
	if (!p->is_ready)
		return step(PLAN_PROBE, due);
	if (p->tested_version != p->version)
		return step(PLAN_TEST, due);
	bool owes_report = !is_told(p, PLAN_TOLD_STARTED);
	if (owes_report && (p->report_due_ms <= now_ms || p->report_due_ms < p->check_due_ms))
		return step(PLAN_REPORT, p->report_due_ms);
	return step(PLAN_CHECK, MAX_OF(p->check_due_ms, p->not_before_ms));
}

static struct plan_step plan_stopped(const struct plan_partition *p)
{
	if (p->is_running)
		return step(PLAN_STOP, p->not_before_ms);
	if (!is_told(p, PLAN_TOLD_STOPPED))
		return step(PLAN_REPORT, p->report_due_ms);
	return step(PLAN_WAIT, PLAN_NEVER);
}

static struct plan_step plan_destroyed(const struct plan_partition *p)
{
	if (p->has_traces)
		return step(PLAN_WIPE, p->not_before_ms);
	if (!is_told(p, PLAN_TOLD_DESTROYED))
		return step(PLAN_REPORT, p->report_due_ms);
	return step(PLAN_WAIT, PLAN_NEVER);
}

static struct plan_step plan_wanted(const struct plan_partition *p, int64_t now_ms)
{
	switch (p->want) {
	case PLAN_STARTED:
		return plan_started(p, now_ms);
	case PLAN_STOPPED:
		return plan_stopped(p);
	case PLAN_DESTROYED:
		return plan_destroyed(p);
	case PLAN_NOTHING:
		break;
	}
	return step(PLAN_WAIT, PLAN_NEVER);
}

struct plan_step plan_partition(const struct plan_partition *p, int64_t now_ms)
{
	if (p->is_busy)
		return step(PLAN_WAIT, PLAN_NEVER);
	struct plan_step next = plan_wanted(p, now_ms);
	if (next.kind != PLAN_WAIT && next.due_ms > now_ms) {
		if (owes_failure(p) && p->report_due_ms <= now_ms)
			return step(PLAN_REPORT, now_ms);
		return step(PLAN_WAIT, next.due_ms);
	}
	return next;
}

/* Facts that a step which worked establishes. */
static void succeed(struct plan_partition *p, enum plan_step_kind kind)
{
	switch (kind) {
	case PLAN_NET_UP:
		p->is_net_up = true;
		p->has_traces = true;
		break;
	case PLAN_APPLY:
		p->is_running = true;
		p->has_traces = true;
		p->is_ready = false;
		p->probes = 0;
		break;
	case PLAN_PROBE:
		p->is_ready = true;
		break;
	case PLAN_STOP:
		p->is_running = false;
		p->is_ready = false;
		break;
	case PLAN_WIPE:
		p->has_traces = false;
		p->is_running = false;
		p->is_ready = false;
		p->is_net_up = false;
		p->applied_version = 0;
		p->tested_version = 0;
		break;
	case PLAN_TEST:
	case PLAN_REPORT:
	case PLAN_CHECK:
	case PLAN_WAIT:
	case PLAN_STEP_KINDS:
		break;
	}
}

static void fail(struct plan_partition *p, int64_t now_ms, unsigned jitter)
{
	p->failures++;
	p->not_before_ms = now_ms + plan_backoff_ms(p->failures, jitter);
}

void plan_partition_done(struct plan_partition *p, enum plan_step_kind kind,
			 enum plan_outcome outcome, int64_t now_ms, unsigned jitter)
{
	p->is_busy = false;
	if (outcome == PLAN_OK) {
		succeed(p, kind);
		p->not_before_ms = now_ms;
		/* Probing and reporting prove nothing about the step that keeps failing. */
		if (kind == PLAN_TEST || kind == PLAN_STOP || kind == PLAN_WIPE)
			p->failures = 0;
		return;
	}
	bool is_patient = kind == PLAN_PROBE || kind == PLAN_TEST;
	if (outcome == PLAN_NOT_YET && is_patient && now_ms < p->probe_until_ms) {
		p->probes++;
		p->not_before_ms = now_ms + plan_probe_pause_ms(p->probes);
		return;
	}
	fail(p, now_ms, jitter);
}

void plan_partition_want(struct plan_partition *p, enum plan_want want, int64_t version)
{
	if (p->want == want && p->version == version)
		return;
	p->want = want;
	p->version = version;
	p->failures = 0;
	p->not_before_ms = 0;
}

struct plan_release_step plan_release(const struct plan_release *r, int64_t now_ms)
{
	enum plan_release_kind kind = PLAN_RELEASE_WAIT;
	if (r->is_busy)
		return (struct plan_release_step){kind, PLAN_NEVER};
	if (r->is_wanted && r->build != PLAN_BUILD_DONE)
		kind = PLAN_RELEASE_BUILD;
	else if (!r->is_wanted && !r->is_removed && !r->is_used)
		kind = PLAN_RELEASE_REMOVE;
	bool is_due = kind != PLAN_RELEASE_WAIT && r->not_before_ms <= now_ms;
	if (is_due)
		return (struct plan_release_step){kind, now_ms};
	if (!r->is_told && r->report_due_ms <= now_ms)
		return (struct plan_release_step){PLAN_RELEASE_REPORT, now_ms};
	int64_t due = kind == PLAN_RELEASE_WAIT ? PLAN_NEVER : r->not_before_ms;
	if (!r->is_told)
		due = MIN_OF(due, r->report_due_ms);
	return (struct plan_release_step){PLAN_RELEASE_WAIT, due};
}

void plan_release_done(struct plan_release *r, enum plan_release_kind kind, bool is_ok,
		       int64_t now_ms, unsigned jitter)
{
	r->is_busy = false;
	if (kind == PLAN_RELEASE_REPORT) {
		r->is_told = r->is_told || is_ok;
		return;
	}
	r->is_told = false;
	if (!is_ok) {
		r->failures++;
		r->not_before_ms = now_ms + plan_backoff_ms(r->failures, jitter);
		if (kind == PLAN_RELEASE_BUILD)
			r->build = PLAN_BUILD_FAILED;
		return;
	}
	r->failures = 0;
	r->not_before_ms = now_ms;
	r->is_removed = kind == PLAN_RELEASE_REMOVE;
	r->build = kind == PLAN_RELEASE_BUILD ? PLAN_BUILD_DONE : PLAN_BUILD_NONE;
}
