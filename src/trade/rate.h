/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Rating: a price list and what happened in a period become priced lines.
 *
 * Pure and reproducible: the same input gives the same lines in the same order: instances as
 * given, each with its subscription first, then its metrics in the order of enum metric; then
 * the pooled components in the order of the list. The order and the cutting of the usage rows
 * does not matter; they are added up first.
 *
 * Each line is rounded once, from the exact value, to the currency's smallest coin. The
 * quantity printed on it is rounded to RATE_SHOWN_DIGITS for the reader and never computed
 * with.
 */
#include "base/arena.h"
#include "trade/price.h"

enum {
	RATE_SHOWN_DIGITS = 6,
	RATE_LINES_MAX = 100000,
	RATE_INSTANCES_MAX = 20000,
	RATE_PERIOD_MAX_DAYS = 400,
};

/* A stretch of an instance's life; [from, to). */
struct rate_span {
	int64_t from_ms, to_ms;
	bool is_started; /* else stopped */
};

struct rate_instance {
	struct str guid, title;
	struct str release; /* release name */
	const struct rate_span
		*spans; /* in order, not overlapping; what lies outside the period is cut off */
	size_t span_count;
	/* Carries usage of periods that were billed before: no minimum is due for it. */
	bool is_late;
};

/* Usage of the period: several rows of one instance and metric are added. */
struct rate_usage {
	struct str instance; /* guid of one of the instances */
	enum metric metric;
	struct dec quantity; /* base units, >= 0 */
};

struct rate_input {
	const struct price_list *list;
	int64_t from_ms, to_ms; /* billed period [from, to), within the list's validity */
	const struct rate_instance *instances;
	size_t instance_count;
	const struct rate_usage *usages;
	size_t usage_count;
};

struct rate_line {
	struct str instance; /* guid; empty for pooled components */
	struct str text;     /* "blog: Memory (11 to 100 GiB-hour)" */
	struct dec quantity; /* shown, in `unit` */
	struct str unit;     /* "GiB-hour", "month"; empty for a minimum */
	struct dec unit_price;
	struct dec amount; /* rounded to the currency */
};

struct rate_result {
	const struct rate_line *lines;
	size_t line_count;
	struct dec total; /* exactly the sum of the lines' amounts */
};

/*
 * Lines whose quantity is 0 are left out; what `included` covers is a line of amount 0. A
 * minimum holds for each instance that existed in the period or used something, or once for a
 * pool in which one did. ERR_INVALID names the wrong field; ERR_TOO_LARGE beyond a maximum or
 * if a number does not fit; ERR_MEMORY if the arena is full.
 */
MUST int rate(const struct rate_input *in, struct arena *a, struct rate_result *out,
	      struct err *e);
