/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/meter.h"
#include "base/mem.h"
#include "json/json.h"

#define GUID "inst-0123456789abcdefghij"
#define MINUTE ((int64_t)60000)
#define T0 ((int64_t)1795300000000)

struct sums {
	struct arena *a;
	struct ndb_row rows[METER_ROWS];
	size_t row_count;
	struct ndb_reading keep[METER_READINGS];
	size_t keep_count;
};

/* Readings that were kept of (at, cpu, in, out). */
static void old_readings(struct ndb_reading *old, int64_t at_ms, int64_t cpu, int64_t in,
			 int64_t out)
{
	const struct ndb_reading list[METER_READINGS] = {
		{S(GUID), S("time"), 0, at_ms},
		{S(GUID), S("cpu"), cpu, at_ms},
		{S(GUID), S("in"), in, at_ms},
		{S(GUID), S("out"), out, at_ms},
	};
	for (size_t i = 0; i < METER_READINGS; i++)
		old[i] = list[i];
}

static void sum(struct sums *s, const struct meter_reading *now, const struct ndb_reading *old,
		size_t old_count)
{
	struct err e = ERR_INIT;
	*s = (struct sums){.a = NULL};
	assert_int_equal(arena_new(1 << 20, &s->a, &e), 0);
	assert_int_equal(meter_events(now, old, old_count, s->a, s->rows, &s->row_count,
				      s->keep, &s->keep_count, &e),
			 0);
	assert_true(s->row_count <= METER_ROWS);
	assert_int_equal(s->keep_count, METER_READINGS);
}

static struct json *event(const struct sums *s, const char *metric)
{
	for (size_t i = 0; i < s->row_count; i++) {
		struct json *doc;
		struct err e = ERR_INIT;
		assert_true(str_is(s->rows[i].kind, "usage"));
		assert_int_equal(json_parse(s->rows[i].body, s->a, &doc, &e), 0);
		if (str_is(json_str_of(json_get(doc, S("metric")), S("")), metric))
			return doc;
	}
	return NULL;
}

static void assert_text(const struct json *event, const char *key, const char *want)
{
	struct str got = json_str_of(json_get(event, str_from(key)), S("(none)"));
	if (!str_is(got, want))
		fail_msg("%s is %.*s, not %s", key, STR_A(got), want);
}

/* `want` NULL: no such event. */
static void assert_quantity(const struct sums *s, const char *metric, const char *want)
{
	const struct json *got = event(s, metric);
	if (!want)
		assert_null(got);
	else
		assert_text(got, "quantity", want);
}

static const struct meter_reading busy = {
	.guid = S_INIT(GUID),
	.at_ms = T0 + MINUTE,
	.is_running = true,
	.cpu_usec = 1500000,
	.memory_bytes = 1000,
	.disk_bytes = 4096,
	.in_bytes = 70,
	.out_bytes = 80,
};

static void a_first_reading_only_starts_the_span(void **state UNUSED)
{
	struct sums s;
	sum(&s, &busy, NULL, 0);
	assert_int_equal(s.row_count, 0);
	for (size_t i = 0; i < s.keep_count; i++) {
		assert_true(str_is(s.keep[i].guid, GUID));
		assert_int_equal(s.keep[i].at_ms, T0 + MINUTE);
	}
	assert_true(str_is(s.keep[1].name, "cpu"));
	assert_int_equal(s.keep[1].value, 1500000);
	arena_free(s.a);
}

static void a_minute_has_six_events(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	old_readings(old, T0, 500000, 20, 80);
	sum(&s, &busy, old, METER_READINGS);
	assert_quantity(&s, "instance_seconds", "60.000");
	assert_quantity(&s, "cpu_seconds", "1.000000");
	assert_quantity(&s, "memory_byte_seconds", "60000.000");
	assert_quantity(&s, "disk_byte_seconds", "245760.000");
	assert_quantity(&s, "network_bytes_in", "50");
	assert_quantity(&s, "network_bytes_out", NULL); /* nothing was sent */
	const struct json *cpu = event(&s, "cpu_seconds");
	assert_text(cpu, "id", GUID ":cpu_seconds:1795300000000");
	assert_text(cpu, "instance", GUID);
	assert_text(cpu, "from", "2026-11-21T22:26:40.000Z");
	assert_text(cpu, "to", "2026-11-21T22:27:40.000Z");
	arena_free(s.a);
}

static void the_same_span_has_the_same_ids(void **state UNUSED)
{
	struct sums x, y;
	struct ndb_reading old[METER_READINGS];
	struct meter_reading later = busy;
	old_readings(old, T0, 0, 0, 0);
	later.at_ms += 5000;
	sum(&x, &busy, old, METER_READINGS);
	sum(&y, &later, old, METER_READINGS);
	assert_int_equal(x.row_count, METER_ROWS);
	assert_int_equal(y.row_count, METER_ROWS);
	struct str id = json_str_of(json_get(event(&x, "memory_byte_seconds"), S("id")), S(""));
	assert_text(event(&y, "memory_byte_seconds"), "id", id.p);
	assert_true(id.n <= 64); /* what a master takes */
	arena_free(x.a);
	arena_free(y.a);
}

static void the_readings_of_others_do_not_count(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	old_readings(old, T0, 0, 0, 0);
	for (size_t i = 0; i < METER_READINGS; i++)
		old[i].guid = S("inst-other");
	sum(&s, &busy, old, METER_READINGS);
	assert_int_equal(s.row_count, 0);
	arena_free(s.a);
}

static void a_counter_that_went_back_counts_from_zero(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	old_readings(old, T0, 9000000, 1000, 80);
	sum(&s, &busy, old, METER_READINGS);
	assert_quantity(&s, "cpu_seconds", "1.500000");
	assert_quantity(&s, "network_bytes_in", "70");
	assert_quantity(&s, "network_bytes_out", NULL);
	arena_free(s.a);
}

static void a_counter_without_a_reading_starts_now(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	old_readings(old, T0, 0, 0, 0);
	sum(&s, &busy, old, 1); /* only time is known */
	assert_quantity(&s, "cpu_seconds", NULL);
	assert_quantity(&s, "network_bytes_in", NULL);
	assert_quantity(&s, "instance_seconds", "60.000");
	arena_free(s.a);
}

static void a_long_gap_is_charged_for_no_time(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	struct meter_reading now = busy;
	now.at_ms = T0 + METER_SPAN_MAX_MS;
	old_readings(old, T0, 0, 0, 0);
	sum(&s, &now, old, METER_READINGS);
	assert_quantity(&s, "instance_seconds", "900.000");
	arena_free(s.a);
	now.at_ms++;
	sum(&s, &now, old, METER_READINGS);
	assert_quantity(&s, "instance_seconds", NULL);
	assert_quantity(&s, "memory_byte_seconds", NULL);
	assert_quantity(&s, "disk_byte_seconds", NULL);
	assert_quantity(&s, "cpu_seconds", "1.500000");
	arena_free(s.a);
	/* Of three days: told as of the last one, for masters take no longer spans. */
	now.at_ms = T0 + 3 * 86400000;
	sum(&s, &now, old, METER_READINGS);
	assert_text(event(&s, "cpu_seconds"), "from", "2026-11-23T22:26:40.000Z");
	assert_text(event(&s, "cpu_seconds"), "to", "2026-11-24T22:26:40.000Z");
	assert_text(event(&s, "cpu_seconds"), "id", GUID ":cpu_seconds:1795300000000");
	arena_free(s.a);
}

static void a_clock_that_went_back_starts_a_new_span(void **state UNUSED)
{
	static const int64_t steps[] = {0, -1, -MINUTE, -86400000};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct sums s;
		struct ndb_reading old[METER_READINGS];
		struct meter_reading now = busy;
		now.at_ms = T0 + steps[i];
		old_readings(old, T0, 0, 0, 0);
		sum(&s, &now, old, METER_READINGS);
		assert_int_equal(s.row_count, 0);
		assert_int_equal(s.keep[0].at_ms, now.at_ms);
		arena_free(s.a);
	}
}

static void a_stopped_instance_has_disk_but_no_time(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	struct meter_reading now = busy;
	now.is_running = false;
	now.memory_bytes = 0;
	old_readings(old, T0, now.cpu_usec, now.in_bytes, now.out_bytes);
	sum(&s, &now, old, METER_READINGS);
	assert_int_equal(s.row_count, 1);
	assert_quantity(&s, "disk_byte_seconds", "245760.000");
	arena_free(s.a);
}

static void huge_quantities_are_exact(void **state UNUSED)
{
	struct sums s;
	struct ndb_reading old[METER_READINGS];
	struct meter_reading now = busy;
	now.at_ms = T0 + METER_SPAN_MAX_MS - 1;
	now.memory_bytes = INT64_MAX;
	now.disk_bytes = (int64_t)10 << 40; /* 10 TiB: beyond 2^63 byte-milliseconds */
	now.cpu_usec = INT64_MAX;
	now.in_bytes = INT64_MAX;
	old_readings(old, T0, 0, 0, 0);
	sum(&s, &now, old, METER_READINGS);
	assert_quantity(&s, "instance_seconds", "899.999");
	assert_quantity(&s, "memory_byte_seconds", "8301025609797261371524.193");
	assert_quantity(&s, "disk_byte_seconds", "9895593654867722.240");
	assert_quantity(&s, "cpu_seconds", "9223372036854.775807");
	assert_quantity(&s, "network_bytes_in", "9223372036854775807");
	arena_free(s.a);
}

/* Each allocation fails in turn: no failure is taken for a success. */
static void a_failed_allocation_is_told(void **state UNUSED)
{
	struct ndb_reading old[METER_READINGS];
	old_readings(old, T0, 0, 0, 0);
	for (unsigned long n = 1;; n++) {
		struct sums s = {.a = NULL};
		struct err e = ERR_INIT;
		(void)mem_fail_after(n);
		int rc = arena_new(1 << 20, &s.a, &e);
		if (rc == 0)
			rc = meter_events(&busy, old, METER_READINGS, s.a, s.rows, &s.row_count,
					  s.keep, &s.keep_count, &e);
		unsigned long used = mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
		else
			assert_int_equal(s.row_count, METER_ROWS);
		arena_free(s.a);
		if (used < n) {
			assert_int_equal(rc, 0);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_reading_only_starts_the_span),
		cmocka_unit_test(a_minute_has_six_events),
		cmocka_unit_test(the_same_span_has_the_same_ids),
		cmocka_unit_test(the_readings_of_others_do_not_count),
		cmocka_unit_test(a_counter_that_went_back_counts_from_zero),
		cmocka_unit_test(a_counter_without_a_reading_starts_now),
		cmocka_unit_test(a_long_gap_is_charged_for_no_time),
		cmocka_unit_test(a_clock_that_went_back_starts_a_new_span),
		cmocka_unit_test(a_stopped_instance_has_disk_but_no_time),
		cmocka_unit_test(huge_quantities_are_exact),
		cmocka_unit_test(a_failed_allocation_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
