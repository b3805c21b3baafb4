/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of metrics and the table of their units. */
#include "trade/metric.h"

#define HOUR_S INT64_C(3600)
#define DAY_S INT64_C(86400)
#define MIB_BYTES (INT64_C(1) << 20)
#define GIB_BYTES (INT64_C(1) << 30)
#define TIB_BYTES (INT64_C(1) << 40)
#define GB_BYTES INT64_C(1000000000)

/* clang-format off */
static const struct metric_info metrics[METRICS] = {
	/*                              name                  title              base   usual unit */
	[METRIC_INSTANCE_SECONDS]    = {"instance_seconds",    "Running time",     "s",   "instance-hour"},
	[METRIC_CPU_SECONDS]         = {"cpu_seconds",         "Processor",        "s",   "CPU-hour"},
	[METRIC_MEMORY_BYTE_SECONDS] = {"memory_byte_seconds", "Memory",           "B·s", "GiB-hour"},
	[METRIC_DISK_BYTE_SECONDS]   = {"disk_byte_seconds",   "Disk",             "B·s", "GiB-hour"},
	[METRIC_NETWORK_BYTES_IN]    = {"network_bytes_in",    "Network received", "B",   "GiB"},
	[METRIC_NETWORK_BYTES_OUT]   = {"network_bytes_out",   "Network sent",     "B",   "GiB"},
};

static const struct metric_unit units[] = {
	{METRIC_INSTANCE_SECONDS,    "instance-second", 1},
	{METRIC_INSTANCE_SECONDS,    "instance-hour",   HOUR_S},
	{METRIC_INSTANCE_SECONDS,    "instance-day",    DAY_S},
	{METRIC_CPU_SECONDS,         "CPU-second",      1},
	{METRIC_CPU_SECONDS,         "CPU-hour",        HOUR_S},
	{METRIC_MEMORY_BYTE_SECONDS, "MiB-hour",        MIB_BYTES * HOUR_S},
	{METRIC_MEMORY_BYTE_SECONDS, "GiB-hour",        GIB_BYTES * HOUR_S},
	{METRIC_MEMORY_BYTE_SECONDS, "GiB-day",         GIB_BYTES * DAY_S},
	{METRIC_DISK_BYTE_SECONDS,   "GiB-hour",        GIB_BYTES * HOUR_S},
	{METRIC_DISK_BYTE_SECONDS,   "GiB-day",         GIB_BYTES * DAY_S},
	{METRIC_DISK_BYTE_SECONDS,   "TiB-day",         TIB_BYTES * DAY_S},
	{METRIC_NETWORK_BYTES_IN,    "byte",            1},
	{METRIC_NETWORK_BYTES_IN,    "GB",              GB_BYTES},
	{METRIC_NETWORK_BYTES_IN,    "GiB",             GIB_BYTES},
	{METRIC_NETWORK_BYTES_OUT,   "byte",            1},
	{METRIC_NETWORK_BYTES_OUT,   "GB",              GB_BYTES},
	{METRIC_NETWORK_BYTES_OUT,   "GiB",             GIB_BYTES},
};
/* clang-format on */

const struct metric_info *metric_info(enum metric m)
{
	ASSERT((unsigned)m < METRICS);
	return &metrics[m];
}

MUST int metric_parse(struct str name, enum metric *out, struct err *e)
{
	for (unsigned m = 0; m < METRICS; m++) {
		if (!str_is(name, metrics[m].name))
			continue;
		*out = (enum metric)m;
		return 0;
	}
	return err_fail(e, ERR_INVALID, "no metric is called '%" STR_F "'",
			STR_A(str_sub(name, 0, 64)));
}

const struct metric_unit *metric_units(size_t *count)
{
	*count = ARRAY_LEN(units);
	return units;
}

const struct metric_unit *metric_unit(enum metric m, struct str name)
{
	if (!name.n)
		name = str_from(metric_info(m)->billing_unit);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].metric == m && str_is(name, units[i].name))
			return &units[i];
	return NULL;
}

MUST int metric_shown(struct dec quantity, const struct metric_unit *unit, uint8_t digits,
		      struct dec *out, struct err *e)
{
	return dec_mul_ratio(quantity, dec_i64(1), dec_i64(unit->factor), digits, out, e);
}
