/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The words of every enum, and reading them back. */
#include "core/model.h"

static const char *const wants[INSTANCE_WANTS] = {
	[INSTANCE_STARTED] = "started",
	[INSTANCE_STOPPED] = "stopped",
	[INSTANCE_DESTROYED] = "destroyed",
};
static const char *const reports[INSTANCE_REPORTS] = {
	[REPORT_NONE] = "none",		  [REPORT_STARTED] = "started",
	[REPORT_STOPPED] = "stopped",	  [REPORT_ERROR] = "error",
	[REPORT_DESTROYED] = "destroyed",
};
static const char *const statuses[INSTANCE_STATUSES] = {
	[STATUS_WAITING] = "waiting",	    [STATUS_ALLOCATED] = "allocated",
	[STATUS_BUILDING] = "building",	    [STATUS_STARTING] = "starting",
	[STATUS_RUNNING] = "running",	    [STATUS_BROKEN] = "broken",
	[STATUS_STOPPING] = "stopping",	    [STATUS_STOPPED] = "stopped",
	[STATUS_DESTROYING] = "destroying", [STATUS_DESTROYED] = "destroyed",
};
static const char *const supply_wants[SUPPLY_WANTS] = {
	[SUPPLY_AVAILABLE] = "available",
	[SUPPLY_DESTROYED] = "destroyed",
};
static const char *const supply_reports[SUPPLY_REPORTS] = {
	[BUILD_NONE] = "none",		 [BUILD_BUILDING] = "building",
	[BUILD_AVAILABLE] = "available", [BUILD_ERROR] = "error",
	[BUILD_DESTROYED] = "destroyed",
};
static const char *const kinds[PROMISE_KINDS] = {
	[PROMISE_LIVENESS] = "liveness",
	[PROMISE_INSTALLATION] = "installation",
	[PROMISE_HEALTH] = "health",
	[PROMISE_PAYMENT] = "payment",
};
static const char *const states[PROMISE_STATES] = {
	[PROMISE_UNKNOWN] = "unknown",
	[PROMISE_KEPT] = "kept",
	[PROMISE_BROKEN] = "broken",
};

/* Index of `word` in `words`; -1 and a sentence that lists them all. */
MUST static int read_word(struct str word, const char *field, const char *const *words,
			  unsigned n, unsigned *out, struct err *e)
{
	for (unsigned i = 0; i < n; i++)
		if (str_is(word, words[i])) {
			*out = i;
			return 0;
		}
	struct buf list CLEAN(buf_fini) = BUF_INIT(200);
	for (unsigned i = 0; i < n; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", words[i]);
	return err_field(e, field, "'%" STR_F "' is not one of %" STR_F,
			 STR_A(str_sub(word, 0, 60)), STR_A(buf_str(&list)));
}

#define WORDS(type, name, table, count) \
	const char *name##_word(enum type v) \
	{ \
		ASSERT((unsigned)v < (count)); \
		return (table)[v]; \
	} \
	MUST int name##_read(struct str word, const char *field, enum type *out, \
			     struct err *e) \
	{ \
		unsigned at = 0; \
		if (read_word(word, field, (table), (count), &at, e) < 0) \
			return -1; \
		*out = (enum type)at; \
		return 0; \
	}

WORDS(instance_want, instance_want, wants, INSTANCE_WANTS)
WORDS(instance_report, instance_report, reports, INSTANCE_REPORTS)
WORDS(supply_want, supply_want, supply_wants, SUPPLY_WANTS)
WORDS(supply_report, supply_report, supply_reports, SUPPLY_REPORTS)
WORDS(promise_kind, promise_kind, kinds, PROMISE_KINDS)
WORDS(promise_state, promise_state, states, PROMISE_STATES)

const char *instance_status_word(enum instance_status v)
{
	ASSERT((unsigned)v < INSTANCE_STATUSES);
	return statuses[v];
}
