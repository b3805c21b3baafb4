/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Usage events, and how they become totals.
 *
 * THE rule: an event belongs, whole, to the billed period in which it ends. A period [from, to)
 * takes every event with from < end <= to, since an event that ends at an instant measured the
 * time before it. Nothing is split, so nothing is rounded; neighbouring periods neither share
 * nor lose an event. The error against exact splitting is at most one event an instance, and
 * events are short (a node closes one at least every USAGE_SPAN_MAX_MS).
 */
#include "base/arena.h"
#include "trade/rate.h"

enum { USAGE_SPAN_MAX_MS = 86400000, USAGE_ID_MAX = 64 };

struct usage_event {
	struct str id;	     /* unique for its node; exactly-once is the store's business */
	struct str instance; /* guid */
	enum metric metric;
	struct dec quantity; /* base units, >= 0 */
	int64_t from_ms, to_ms;
};

/* 0, or ERR_INVALID naming the field: negative quantity, end before start, longer than the
 * maximum… */
MUST int usage_check(const struct usage_event *ev, struct err *e);
/* Whether the event belongs to [from, to). */
bool usage_is_in(const struct usage_event *ev, int64_t from_ms, int64_t to_ms);
/*
 * Totals of the events that belong to [from, to), one row an instance and metric, sorted by
 * guid and metric, in arena memory. The order of the events does not matter. ERR_TOO_LARGE,
 * ERR_MEMORY.
 */
MUST int usage_sum(const struct usage_event *events, size_t count, int64_t from_ms,
		   int64_t to_ms, struct arena *a, const struct rate_usage **out,
		   size_t *out_count, struct err *e);
