/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Usage between two readings. Four readings are kept for an instance: the moment of the last
 * sample (time), and the counters cpu, in, out at it.
 */
#include "agent/meter.h"

#include "base/dec.h"
#include "base/log.h"
#include "json/json.h"
#include "supervise/client.h"

enum { CALL_MS = 10000, EVENT_SPAN_MAX_MS = 86400000 };

static const struct ndb_reading *find(const struct ndb_reading *old, size_t count,
				      struct str guid, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_is(old[i].name, name) && str_eq(old[i].guid, guid))
			return &old[i];
	return NULL;
}

/* What a counter grew by; one that went back was made anew and counts from zero. */
static int64_t grown(const struct ndb_reading *old, int64_t now)
{
	if (!old)
		return 0;
	return now >= old->value ? now - old->value : now;
}

struct span {
	const struct meter_reading *now;
	int64_t from_ms;
	struct arena *a;
	struct ndb_row *rows;
	size_t *count;
};

/* One event; `quantity` is an exact decimal text. */
static void add_event(const struct span *s, const char *metric, struct str quantity)
{
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	/* Counters of a long gap belong to its end: masters refuse events of more than a day. */
	clock_text(MAX_OF(s->from_ms, s->now->at_ms - EVENT_SPAN_MAX_MS), from);
	clock_text(s->now->at_ms, to);
	struct json *o = json_object_new(s->a);
	struct str id = arena_fmt(s->a, "%" STR_F ":%s:%lld", STR_A(s->now->guid), metric,
				  (long long)s->from_ms);
	json_set_str(s->a, o, S("id"), id);
	json_set_str(s->a, o, S("instance"), s->now->guid);
	json_set_str(s->a, o, S("metric"), str_from(metric));
	json_set_str(s->a, o, S("quantity"), quantity);
	json_set_str(s->a, o, S("from"), str_from(from));
	json_set_str(s->a, o, S("to"), str_from(to));
	s->rows[(*s->count)++] =
		(struct ndb_row){.kind = S("usage"), .body = json_text(o, s->a)};
}

/* value / 10^digits as text. Products of two 63-bit numbers are wider than dec's 36 digits, but
 * a span is bounded: 2^63 bytes × METER_SPAN_MAX_MS has 25. */
static struct str decimal(struct arena *a, __int128 value, unsigned digits)
{
	char text[DEC_TEXT_SIZE];
	dec_text((struct dec){.coefficient = value, .scale = (uint8_t)digits}, text);
	return arena_dup(a, str_from(text));
}

static void add_events(const struct span *s, const struct ndb_reading *old, size_t old_count)
{
	const struct meter_reading *n = s->now;
	int64_t span_ms = n->at_ms - s->from_ms;
	bool is_known = span_ms > 0 && span_ms <= METER_SPAN_MAX_MS;
	int64_t cpu = grown(find(old, old_count, n->guid, "cpu"), n->cpu_usec);
	int64_t in = grown(find(old, old_count, n->guid, "in"), n->in_bytes);
	int64_t out = grown(find(old, old_count, n->guid, "out"), n->out_bytes);
	if (is_known && n->is_running)
		add_event(s, "instance_seconds", decimal(s->a, span_ms, 3));
	if (is_known && n->memory_bytes)
		add_event(s, "memory_byte_seconds",
			  decimal(s->a, (__int128)n->memory_bytes * span_ms, 3));
	if (is_known && n->disk_bytes)
		add_event(s, "disk_byte_seconds",
			  decimal(s->a, (__int128)n->disk_bytes * span_ms, 3));
	if (cpu)
		add_event(s, "cpu_seconds", decimal(s->a, cpu, 6));
	if (in)
		add_event(s, "network_bytes_in", arena_fmt(s->a, "%lld", (long long)in));
	if (out)
		add_event(s, "network_bytes_out", arena_fmt(s->a, "%lld", (long long)out));
}

MUST int meter_events(const struct meter_reading *now, const struct ndb_reading *old,
		      size_t old_count, struct arena *a, struct ndb_row *rows,
		      size_t *row_count, struct ndb_reading *keep, size_t *keep_count,
		      struct err *e)
{
	const struct ndb_reading *time = find(old, old_count, now->guid, "time");
	*row_count = 0;
	/* A clock that went back starts a new span; the old one is not charged twice. */
	if (time && time->at_ms < now->at_ms) {
		const struct span s = {now, time->at_ms, a, rows, row_count};
		add_events(&s, old, old_count);
	}
	const struct ndb_reading fresh[METER_READINGS] = {
		{now->guid, S("time"), 0, now->at_ms},
		{now->guid, S("cpu"), now->cpu_usec, now->at_ms},
		{now->guid, S("in"), now->in_bytes, now->at_ms},
		{now->guid, S("out"), now->out_bytes, now->at_ms},
	};
	memcpy(keep, fresh, sizeof fresh);
	*keep_count = METER_READINGS;
	return arena_check(a, e);
}

static int read_target(const struct meter_target *t, const struct netns_plan *net,
		       const char *supervisor, int64_t now_ms, struct arena *a,
		       struct meter_reading *out, struct err *e)
{
	const struct supervise_request rq = {.verb = SUPERVISE_USAGE,
					     .partition = t->partition};
	struct supervise_reply reply;
	struct netns_counters counters = {0, 0};
	bool is_partial = false;
	*out = (struct meter_reading){
		.guid = t->guid, .at_ms = now_ms, .is_running = t->is_running};
	if (supervise_call(supervisor, &rq, CALL_MS, a, &reply, e) < 0)
		return -1;
	if (reply.usage) {
		out->cpu_usec = reply.usage->cpu_usec;
		out->memory_bytes = reply.usage->memory_bytes;
	}
	if (netns_counters(net, (unsigned)t->slot, &counters, e) < 0)
		return -1;
	out->in_bytes = counters.in_bytes;
	out->out_bytes = counters.out_bytes;
	return files_usage(t->home, METER_DISK_ENTRIES, &out->disk_bytes, &is_partial, e);
}

MUST int meter_sample(struct ndb *n, const struct meter_target *targets, size_t count,
		      const struct netns_plan *net, const char *supervisor,
		      const struct clock *clock, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ndb_reading *old;
	size_t old_count, row_count = 0, keep_count = 0;
	if (arena_new(256 << 20, &a, e) < 0 || ndb_readings(n, a, &old, &old_count, e) < 0)
		return -1;
	struct ndb_row *rows = ARENA_ARRAY(a, struct ndb_row, count * METER_ROWS);
	struct ndb_reading *keep = ARENA_ARRAY(a, struct ndb_reading, count * METER_READINGS);
	if (!rows || !keep)
		return arena_check(a, e);
	for (size_t i = 0; i < count; i++) {
		struct meter_reading now;
		struct err skipped = ERR_INIT;
		size_t more_rows, more_kept;
		if (read_target(&targets[i], net, supervisor, clock_now_ms(clock), a, &now,
				&skipped) < 0) {
			log_err(LOG_WARN, "agent.meter.failed", &skipped,
				KV_S("partition", targets[i].partition));
			continue;
		}
		if (meter_events(&now, old, old_count, a, rows + row_count, &more_rows,
				 keep + keep_count, &more_kept, e) < 0)
			return -1;
		row_count += more_rows;
		keep_count += more_kept;
	}
	return keep_count ? ndb_meter(n, keep, keep_count, rows, row_count, e) : 0;
}
