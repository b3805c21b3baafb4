/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Totals by sorting what belongs to the period and adding neighbours. */
#include "trade/usage.h"

MUST int usage_check(const struct usage_event *ev, struct err *e)
{
	if (!ev->id.n || ev->id.n > USAGE_ID_MAX)
		return err_field(e, "id", "must have 1 to %d bytes", USAGE_ID_MAX);
	if (!ev->instance.n)
		return err_field(e, "instance", "is missing");
	if ((unsigned)ev->metric >= METRICS)
		return err_field(e, "metric", "is not a metric");
	if (dec_sign(ev->quantity) < 0)
		return err_field(e, "quantity", "must not be negative");
	if (ev->from_ms < 0)
		return err_field(e, "from", "lies before 1970");
	if (ev->to_ms <= ev->from_ms)
		return err_field(e, "to", "must be after from");
	if (ev->to_ms - ev->from_ms > USAGE_SPAN_MAX_MS)
		return err_field(e, "to", "is more than a day after from");
	return 0;
}

bool usage_is_in(const struct usage_event *ev, int64_t from_ms, int64_t to_ms)
{
	return from_ms < ev->to_ms && ev->to_ms <= to_ms;
}

static int row_cmp(const void *a, const void *b)
{
	const struct rate_usage *x = a, *y = b;
	int order = str_cmp(x->instance, y->instance);
	return order ? order : (x->metric > y->metric) - (x->metric < y->metric);
}

MUST int usage_sum(const struct usage_event *events, size_t count, int64_t from_ms,
		   int64_t to_ms, struct arena *a, const struct rate_usage **out,
		   size_t *out_count, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += usage_is_in(&events[i], from_ms, to_ms);
	struct rate_usage *rows = ARENA_ARRAY(a, struct rate_usage, n);
	if (!rows)
		return arena_check(a, e);
	n = 0;
	for (size_t i = 0; i < count; i++)
		if (usage_is_in(&events[i], from_ms, to_ms))
			rows[n++] = (struct rate_usage){events[i].instance, events[i].metric,
							events[i].quantity};
	if (n)
		qsort(rows, n, sizeof rows[0], row_cmp);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (!kept || row_cmp(&rows[kept - 1], &rows[i]) != 0)
			rows[kept++] = rows[i];
		else if (dec_add(rows[kept - 1].quantity, rows[i].quantity,
				 &rows[kept - 1].quantity, e) < 0)
			return -1;
	}
	*out = rows;
	*out_count = kept;
	return 0;
}
