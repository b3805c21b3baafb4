/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Price lists, as values.
 *
 * A list has components. A component says what one thing costs for instances of one release
 * name, or of every release ("*"). Which components hold for an instance:
 *     the one with the exact release name, and else the one with "*",
 *     separately for the subscription and for each metric.
 *
 * Subscription: `price` per hour, day or calendar month (UTC), pro-rata to the millisecond:
 * price × billed time / length of the period; a month has the length it really has. Billed time
 * is the time the instance existed (stopped or not: its place is kept), or only the time it was
 * started, as `counts` says.
 *
 * Usage: of a metric in a billing unit. From the total of the billed period `included` is taken
 * first (never pro-rated); the rest meets the tiers:
 *     graduated   each tier prices the part of the quantity that lies in it
 *     volume      the tier that holds the whole quantity prices all of it
 * A tier ends at `up_to` (inclusive); the last has no end. If the sum of the lines is below
 * `minimum` (an amount a period), one more line makes up the difference. Totals are taken per
 * instance, or over all of the customer's instances with `is_pooled`.
 *
 * VAT rows are data: country, whom they are for, rate, span of validity, and a note that the
 * invoice must print (reverse charge).
 *
 * All text and arrays belong to the caller (an arena) and are only read.
 */
#include "trade/metric.h"

enum {
	PRICE_COMPONENTS_MAX = 256,
	PRICE_TIERS_MAX = 16,
	PRICE_VATS_MAX = 512,
	PRICE_NAME_MAX = 64,
	PRICE_TEXT_MAX = 120,
};

enum price_kind { PRICE_SUBSCRIPTION, PRICE_USAGE, PRICE_KINDS };
enum price_period { PRICE_HOUR, PRICE_DAY, PRICE_MONTH, PRICE_PERIODS };
enum price_counts { PRICE_WHILE_EXISTS, PRICE_WHILE_STARTED, PRICE_COUNTS };
enum price_tiering { PRICE_GRADUATED, PRICE_VOLUME, PRICE_TIERINGS };
enum price_for { PRICE_FOR_ALL, PRICE_FOR_BUSINESS, PRICE_FOR_CONSUMER, PRICE_FORS };

struct price_tier {
	bool has_end;	       /* false for the last tier only */
	struct dec up_to;      /* billing units */
	struct dec unit_price; /* of one billing unit, >= 0 */
};

struct price_component {
	struct str release; /* release name, or "*" */
	struct str text;    /* shown to the customer; empty: made from the metric */
	enum price_kind kind;
	/* subscription */
	enum price_period period;
	enum price_counts counts;
	struct dec price; /* of one period, >= 0 */
	/* usage */
	enum metric metric;
	struct str unit; /* a name of metric_units(); empty: the usual one */
	enum price_tiering tiering;
	bool is_pooled;
	struct dec included; /* billing units, >= 0 */
	struct dec minimum;  /* amount, >= 0 */
	const struct price_tier *tiers;
	size_t tier_count; /* >= 1 for usage */
};

struct price_vat {
	char country[3];	   /* ISO 3166-1 alpha-2, NUL-terminated */
	enum price_for whom;	   /* a customer with a VAT number is a business */
	struct dec rate;	   /* percent: 20 */
	int64_t from_ms, until_ms; /* valid within [from, until); until 0: open */
	struct str note;	   /* to be printed on the invoice, may be empty */
};

struct price_list {
	struct str name;
	char currency[4];
	int64_t valid_from_ms, valid_until_ms; /* [from, until); until 0: open */
	const struct price_component *components;
	size_t component_count;
	const struct price_vat *vats;
	size_t vat_count;
};

/* Words of the enums as in JSON ("subscription", "month", "while-started", "graduated",
 * "business"). */
const char *price_kind_name(enum price_kind v);
const char *price_period_name(enum price_period v);
const char *price_counts_name(enum price_counts v);
const char *price_tiering_name(enum price_tiering v);
const char *price_for_name(enum price_for v);

/* 0, or ERR_INVALID naming the field ("components[2].tiers[0].up_to") that breaks a rule above.
 */
MUST int price_check(const struct price_list *list, struct err *e);
/* The subscription (or NULL) for instances of `release`. */
const struct price_component *price_subscription(const struct price_list *list,
						 struct str release);
/* The component (or NULL) that prices `m` for instances of `release`. */
const struct price_component *price_usage(const struct price_list *list, struct str release,
					  enum metric m);
/*
 * The VAT row for a customer at a moment, or NULL: a row for businesses or consumers goes
 * before one for all; of several the one that began last.
 */
const struct price_vat *price_vat(const struct price_list *list, const char *country,
				  bool is_business, int64_t at_ms);
