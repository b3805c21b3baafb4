/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/plan.h"

/* A started wish of version 7 on a ready host, nothing done yet. */
static struct plan_partition fresh(void)
{
	return (struct plan_partition){
		.want = PLAN_STARTED,
		.version = 7,
		.is_release_ready = true,
		.check_due_ms = PLAN_NEVER,
	};
}

/* Everything of the wish is done and told. */
static struct plan_partition steady(void)
{
	struct plan_partition p = fresh();
	p.is_net_up = p.has_traces = p.is_running = p.is_ready = true;
	p.applied_version = p.tested_version = p.told_version = 7;
	p.told = PLAN_TOLD_STARTED;
	p.check_due_ms = 5000;
	return p;
}

static void the_first_missing_fact_decides(void **state UNUSED)
{
	struct plan_partition p = fresh();
	p.is_release_ready = false;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_WAIT);
	p.is_release_ready = true;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_NET_UP);
	p.is_net_up = true;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_APPLY);
	p.is_running = true;
	p.applied_version = 7;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_PROBE);
	p.is_ready = true;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_TEST);
	p.tested_version = 7;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_REPORT);
	p.told = PLAN_TOLD_STARTED;
	p.told_version = 7;
	p.check_due_ms = 100;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_CHECK);
}

static void a_steady_partition_waits_for_its_check(void **state UNUSED)
{
	struct plan_partition p = steady();
	struct plan_step s = plan_partition(&p, 100);
	assert_int_equal(s.kind, PLAN_WAIT);
	assert_int_equal(s.due_ms, 5000);
	assert_int_equal(plan_partition(&p, 5000).kind, PLAN_CHECK);
}

static void nothing_starts_beside_a_step_under_way(void **state UNUSED)
{
	struct plan_partition p = fresh();
	p.is_busy = true;
	struct plan_step s = plan_partition(&p, 100);
	assert_int_equal(s.kind, PLAN_WAIT);
	assert_true(s.due_ms == PLAN_NEVER);
}

static void another_version_is_applied_without_a_stop(void **state UNUSED)
{
	struct plan_partition p = steady();
	plan_partition_want(&p, PLAN_STARTED, 8);
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_APPLY);
}

static void checks_go_on_while_the_master_is_away(void **state UNUSED)
{
	struct plan_partition p = steady();
	p.told = PLAN_TOLD_NOTHING;
	p.report_due_ms = PLAN_NEVER;
	assert_int_equal(plan_partition(&p, 5000).kind, PLAN_CHECK);
	p.report_due_ms = 0;
	assert_int_equal(plan_partition(&p, 5000).kind, PLAN_REPORT);
}

static void a_failure_is_told_once_and_tried_again(void **state UNUSED)
{
	struct plan_partition p = fresh();
	p.is_net_up = true;
	plan_partition_done(&p, PLAN_APPLY, PLAN_FAILED, 1000, 0);
	assert_int_equal(p.failures, 1);
	assert_int_equal(plan_partition(&p, 1000).kind, PLAN_REPORT);
	p.told = PLAN_TOLD_FAILED;
	p.told_version = 7;
	struct plan_step s = plan_partition(&p, 1000);
	assert_int_equal(s.kind, PLAN_WAIT);
	assert_int_equal(s.due_ms, 2000);
	assert_int_equal(plan_partition(&p, 2000).kind, PLAN_APPLY);
}

static void readiness_is_asked_ever_slower_until_it_is_late(void **state UNUSED)
{
	struct plan_partition p = steady();
	p.is_ready = false;
	p.probe_until_ms = 100;
	int64_t now_ms = 0, last_ms = 0;
	while (now_ms < 100) {
		plan_partition_done(&p, PLAN_PROBE, PLAN_NOT_YET, now_ms, 0);
		assert_int_equal(p.failures, 0);
		assert_true(p.not_before_ms - now_ms >= last_ms);
		last_ms = p.not_before_ms - now_ms;
		now_ms = p.not_before_ms;
	}
	plan_partition_done(&p, PLAN_PROBE, PLAN_NOT_YET, now_ms, 0);
	assert_int_equal(p.failures, 1);
}

static void destruction_wipes_then_tells(void **state UNUSED)
{
	struct plan_partition p = steady();
	plan_partition_want(&p, PLAN_DESTROYED, 9);
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_WIPE);
	plan_partition_done(&p, PLAN_WIPE, PLAN_OK, 100, 0);
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_REPORT);
	p.told = PLAN_TOLD_DESTROYED;
	p.told_version = 9;
	assert_int_equal(plan_partition(&p, 100).kind, PLAN_WAIT);
}

static void backoff_doubles_to_five_minutes(void **state UNUSED)
{
	assert_int_equal(plan_backoff_ms(1, 0), 1000);
	assert_int_equal(plan_backoff_ms(2, 0), 2000);
	assert_int_equal(plan_backoff_ms(9, 0), 256000);
	assert_int_equal(plan_backoff_ms(10, 0), 300000);
	assert_int_equal(plan_backoff_ms(UINT32_MAX, 0), 300000);
	assert_in_range(plan_backoff_ms(10, 999), 300000, 330000);
}

static void a_release_is_built_before_it_is_told(void **state UNUSED)
{
	struct plan_release r = {.is_wanted = true, .is_removed = true};
	assert_int_equal(plan_release(&r, 0).kind, PLAN_RELEASE_BUILD);
	plan_release_done(&r, PLAN_RELEASE_BUILD, false, 0, 0);
	assert_int_equal(plan_release(&r, 0).kind, PLAN_RELEASE_REPORT);
	plan_release_done(&r, PLAN_RELEASE_REPORT, true, 0, 0);
	assert_int_equal(plan_release(&r, 0).kind, PLAN_RELEASE_WAIT);
	assert_int_equal(plan_release(&r, 1000).kind, PLAN_RELEASE_BUILD);
	plan_release_done(&r, PLAN_RELEASE_BUILD, true, 1000, 0);
	assert_int_equal(plan_release(&r, 1000).kind, PLAN_RELEASE_REPORT);
	assert_int_equal(r.build, PLAN_BUILD_DONE);
	assert_false(r.is_removed);
}

static void a_used_release_is_not_removed(void **state UNUSED)
{
	struct plan_release r = {.build = PLAN_BUILD_DONE, .is_told = true, .is_used = true};
	assert_int_equal(plan_release(&r, 0).kind, PLAN_RELEASE_WAIT);
	r.is_used = false;
	assert_int_equal(plan_release(&r, 0).kind, PLAN_RELEASE_REMOVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_missing_fact_decides),
		cmocka_unit_test(a_steady_partition_waits_for_its_check),
		cmocka_unit_test(nothing_starts_beside_a_step_under_way),
		cmocka_unit_test(another_version_is_applied_without_a_stop),
		cmocka_unit_test(checks_go_on_while_the_master_is_away),
		cmocka_unit_test(a_failure_is_told_once_and_tried_again),
		cmocka_unit_test(readiness_is_asked_ever_slower_until_it_is_late),
		cmocka_unit_test(destruction_wipes_then_tells),
		cmocka_unit_test(backoff_doubles_to_five_minutes),
		cmocka_unit_test(a_release_is_built_before_it_is_told),
		cmocka_unit_test(a_used_release_is_not_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
