/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Counts what instances use, and puts it in the outbox.
 *
 * Metrics (units of trade/metric.h): instance_seconds, cpu_seconds, memory_byte_seconds,
 * disk_byte_seconds, network_bytes_in, network_bytes_out. A sample covers the time since the
 * one before; counters that went back (a device or a cgroup was made anew) count from zero. An
 * event's id is GUID:METRIC:FROM_MS, so that the same span is never counted twice; events and
 * readings go to disk in one transaction.
 *
 * A span longer than METER_SPAN_MAX_MS (the node was off) is charged for no time: only counters
 * move on.
 */
#include "agent/part.h"

enum { METER_SPAN_MAX_MS = 15 * 60 * 1000, METER_DISK_ENTRIES = 200000 };

/* What is read of an instance at one moment. */
struct meter_reading {
	struct str guid;
	int64_t at_ms;
	bool is_running;	     /* instance_seconds run while it is */
	int64_t cpu_usec;	     /* counter */
	int64_t memory_bytes;	     /* now */
	int64_t disk_bytes;	     /* now */
	int64_t in_bytes, out_bytes; /* counters */
};

/*
 * Pure: the events (outbox rows of kind "usage") between the readings kept (`old`, of this
 * guid; none for a new instance) and `now`, and the readings to keep. At most METER_ROWS rows,
 * METER_READINGS readings; texts in `a`. Quantities are exact decimals.
 */
enum { METER_ROWS = 6, METER_READINGS = 4 };
MUST int meter_events(const struct meter_reading *now, const struct ndb_reading *old,
		      size_t old_count, struct arena *a, struct ndb_row *rows,
		      size_t *row_count, struct ndb_reading *keep, size_t *keep_count,
		      struct err *e);
/* An instance to be read: copies, so that its partition may change meanwhile. */
struct meter_target {
	size_t slot;
	struct str partition, guid;
	const char *home; /* path */
	bool is_running;
};
/*
 * Reads and records the given instances. One that cannot be read is left out and logged. Blocks;
 * one call at a time.
 */
MUST int meter_sample(struct ndb *n, const struct meter_target *targets, size_t count,
		      const struct netns_plan *net, const char *supervisor,
		      const struct clock *clock, struct err *e);
