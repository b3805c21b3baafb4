/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What is metered, and in which units it is sold. Nodes report whole base units; a price list
 * sells billing units; the factor between them is a whole number, so nothing is lost on the
 * way.
 */
#include "base/dec.h"

enum metric {
	METRIC_INSTANCE_SECONDS,    /* time an instance was started */
	METRIC_CPU_SECONDS,	    /* processor time used */
	METRIC_MEMORY_BYTE_SECONDS, /* resident bytes × seconds */
	METRIC_DISK_BYTE_SECONDS,   /* bytes of the partition × seconds */
	METRIC_NETWORK_BYTES_IN,
	METRIC_NETWORK_BYTES_OUT,
	METRICS,
};

struct metric_info {
	const char *name;	  /* "memory_byte_seconds" */
	const char *title;	  /* for a person: "Memory" */
	const char *base_unit;	  /* "B·s" */
	const char *billing_unit; /* the usual one of the units below: "GiB-hour" */
};

/* A unit in which a metric may be sold: `factor` base units make one. */
struct metric_unit {
	enum metric metric;
	const char *name;
	int64_t factor; /* > 0 */
};

/* The row of `m`; never NULL. */
const struct metric_info *metric_info(enum metric m);
/* ERR_INVALID if no metric has that name. */
MUST int metric_parse(struct str name, enum metric *out, struct err *e);
/* All units; *count rows. */
const struct metric_unit *metric_units(size_t *count);
/* The unit `name` of `m`, the usual one if `name` is empty; NULL if there is none. */
const struct metric_unit *metric_unit(enum metric m, struct str name);
/*
 * `quantity` base units in billing units, rounded to `digits` decimals: for people and screens.
 * Amounts are computed from base units. ERR_TOO_LARGE.
 */
MUST int metric_shown(struct dec quantity, const struct metric_unit *unit, uint8_t digits,
		      struct dec *out, struct err *e);
