/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The machine and its partitions: ends, releases, outbox, restarts, faults. */
#include "fake_world.h"

#include <string.h>

#include "base/mem.h"

/* ---- stop and destruction ------------------------------------------------------------------- */

static void a_stop_is_carried_out_and_told(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	change(w, 0, "stopped");
	run(w);
	assert_int_equal(times(w, "step 0 stop"), 1);
	assert_int_equal(times(w, "\"reported_state\":\"stopped\""), 1);
	assert_true(machine_is_settled(w->m));
	change(w, 0, "started");
	run(w);
	assert_deployed(w, 0);
}

/* Some services may run after an apply that failed: "stopped" must not be said before a STOP. */
static void a_failed_apply_is_stopped_too(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	change(w, 0, "destroyed");
	run(w);
	w->instances[0] = (struct fake_instance){"inst-b", "started", "p0", R1, NULL, 1};
	news(w, "\"inst-b\"", false);
	run_master(w);
	end_step(w, 0, PLAN_OK); /* network */
	assert_int_equal(w->steps[0].kind, PLAN_APPLY);
	end_step(w, 0, PLAN_FAILED);
	forget_journal(w);
	change(w, 0, "stopped");
	run(w);
	assert_true(strstr(w->journal, "step 0 stop inst-b") != NULL);
	assert_int_equal(times(w, "\"stopped\""), 1);
}

static void destruction_wipes_tells_and_forgets(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	change(w, 0, "destroyed");
	run(w);
	const char *wiped = strstr(w->journal, "step 0 wipe inst-a\n");
	const char *told = strstr(w->journal, "\"reported_state\":\"destroyed\"");
	const char *forgotten = strstr(w->journal, "forget 0 inst-a\n");
	assert_true(wiped && told && forgotten);
	assert_true(wiped < told && told < forgotten);
	assert_int_equal(facts(w, 0)->want, PLAN_NOTHING);
	assert_int_equal(machine_wish(w->m, 0)->guid.n, 0);
	assert_true(machine_is_settled(w->m));
}

static void a_slot_is_free_only_after_the_master_knows(void **state)
{
	struct world *w = *state;
	static const struct {
		int status;
		bool is_freed;
	} cases[] = {{200, true},  {403, true},	 {404, true},
		     {409, false}, {500, false}, {0, false}};
	(void)w;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world one;
		build_world(&one, 2);
		deploy_one(&one);
		one.fail_path = "instance_reported_state";
		one.fail_status = cases[i].status;
		change(&one, 0, "destroyed");
		run(&one);
		assert_int_equal(was(&one, "forget 0 inst-a"), cases[i].is_freed);
		assert_int_equal(facts(&one, 0)->want,
				 cases[i].is_freed ? PLAN_NOTHING : PLAN_DESTROYED);
		if (cases[i].status == 0 || cases[i].status == 500) {
			one.fail_path = NULL;
			pass_time(&one, 2000);
			run(&one);
			assert_true(was(&one, "forget 0 inst-a"));
		}
		machine_free(one.m);
	}
}

/* The answer to "destroyed" is lost, but the master acted on it and gave the partition on. */
static void a_late_answer_does_not_free_the_next_instance(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	change(w, 0, "destroyed");
	while (!pending(w, "instance_reported_state"))
		assert_true(master_once(w) || hands_once(w));
	struct pending *late = pending(w, "instance_reported_state");
	struct pending kept = *late;
	late->token = 0;
	w->instances[0] = (struct fake_instance){"inst-b", "started", "p0", R1, NULL, 1};
	news(w, "\"inst-b\"", false);
	run_master(w); /* its first step is under way */
	assert_true(str_is(machine_wish(w->m, 0)->guid, "inst-b"));
	assert_true(was(w, "forget 0 inst-a"));
	assert_false(was(w, "forget 0 inst-b"));
	machine_answer(w->m, kept.token, 200, S("{}"));
	run(w);
	assert_true(str_is(machine_wish(w->m, 0)->guid, "inst-b"));
	assert_false(was(w, "forget 0 inst-b"));
	assert_deployed(w, 0);
}

/* The master forgot an instance and gave its partition to another: no files are inherited. */
static void a_partition_given_on_is_wiped_first(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[0] = (struct fake_instance){"inst-b", "started", "p0", R1, NULL, 1};
	news(w, "\"inst-b\"", false);
	for (int i = 0; i < 4; i++) {
		run(w);
		pass_time(w, 3000);
	}
	run(w);
	const char *wiped = strstr(w->journal, "step 0 wipe inst-a\n");
	const char *forgotten = strstr(w->journal, "forget 0 inst-a\n");
	const char *applied = strstr(w->journal, "step 0 apply inst-b\n");
	assert_true(wiped && forgotten && applied);
	assert_true(wiped < forgotten && forgotten < applied);
	assert_null(strstr(w->journal, "step 0 apply inst-a"));
	assert_deployed(w, 0);
}

static void two_wishes_during_a_step_are_both_seen(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	run_master(w);
	assert_int_equal(w->steps[0].kind, PLAN_APPLY);
	w->instances[0].timestamp = 3;
	news(w, "\"inst-a\"", false);
	run_master(w);
	change(w, 0, "stopped");
	run_master(w);
	assert_int_equal(times(w, "step"), 1); /* one at a time */
	end_step(w, 0, PLAN_FAILED);
	/* The failure was another wish's: the last one starts at once. */
	assert_int_equal(w->steps[0].kind, PLAN_STOP);
	run(w);
	assert_int_equal(facts(w, 0)->told, PLAN_TOLD_STOPPED);
	assert_true(machine_is_settled(w->m));
}

static void a_version_applied_in_between_is_applied_again(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	run_master(w);
	w->instances[0].timestamp = 3;
	news(w, "\"inst-a\"", false);
	run_master(w);
	end_step(w, 0, PLAN_OK);
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 2);
	assert_deployed(w, 0);
}

/* The new version failed half way: going back to the old one is work, too. */
static void a_return_to_the_old_version_is_applied(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	run_master(w);
	end_step(w, 0, PLAN_FAILED);
	forget_journal(w);
	w->instances[0].timestamp = 1;
	news(w, "\"inst-a\"", false);
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 1);
	assert_deployed(w, 0);
}

/* ---- several partitions --------------------------------------------------------------------- */

static void order_three(struct world *w)
{
	static const char *const guids[] = {"inst-a", "inst-b", "inst-c"};
	static const char *const parts[] = {"p0", "p1", "p2"};
	for (size_t i = 0; i < 3; i++)
		w->instances[i] =
			(struct fake_instance){guids[i], "started", parts[i], R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
}

static void no_more_steps_than_allowed(void **state)
{
	struct world *w = *state;
	order_three(w);
	start(w, false);
	run_master(w);
	end_build(w, 0, true);
	assert_int_equal(w->steps_now, 2);
	run(w);
	assert_int_equal(w->steps_most, 2);
	for (size_t i = 0; i < 3; i++)
		assert_deployed(w, i);
}

/* With one step at a time and neighbours that always have something due, all have their turn. */
static void busy_neighbours_starve_nobody(void **state UNUSED)
{
	struct world w;
	unsigned applied[SLOTS] = {0};
	build_world(&w, 1);
	order_three(&w);
	start(&w, false);
	run_master(&w);
	end_build(&w, 0, true);
	for (int i = 0; i < 40; i++) {
		for (size_t k = 0; k < SLOTS; k++)
			if (w.steps[k].is_busy) {
				applied[k] += w.steps[k].kind == PLAN_PROBE;
				end_step(&w, k,
					 w.steps[k].kind == PLAN_PROBE ? PLAN_NOT_YET
								       : PLAN_OK);
				break;
			}
		pass_time(&w, 600); /* all others are due whenever a step ends */
	}
	for (size_t k = 0; k < SLOTS; k++)
		assert_true(applied[k] > 5);
	machine_free(w.m);
}

/* ---- releases ------------------------------------------------------------------------------- */

static void a_build_that_fails_is_told_and_tried_later(void **state)
{
	struct world *w = *state;
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	int64_t pauses[3];
	for (size_t i = 0; i < 3; i++) {
		run_master(w);
		assert_int_equal(times(w, "build " R1), i + 1);
		end_build(w, 0, false);
		run_master(w);
		assert_int_equal(times(w, "software_installation_error"), i + 1);
		pauses[i] = w->wake_ms - w->now_ms;
		pass_time(w, pauses[i]);
	}
	assert_true(was(w, "\"message\":\"no such package\""));
	assert_in_range(pauses[0], 1000, 1100);
	assert_in_range(pauses[2], 4000, 4400);
	run(w);
	assert_int_equal(times(w, "\"reported_state\":\"available\""), 1);
	struct plan_release r;
	assert_true(release(w, R1, &r));
	assert_int_equal(r.build, PLAN_BUILD_DONE);
}

static void a_release_in_use_is_not_removed(void **state)
{
	struct world *w = *state;
	struct plan_release r;
	deploy_one(w);
	forget_journal(w);
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"destroyed\"}";
	news(w, "", true);
	run(w);
	assert_int_equal(times(w, "remove"), 0);
	assert_deployed(w, 0);
	change(w, 0, "destroyed");
	run(w);
	assert_int_equal(times(w, "remove " R1), 1);
	assert_true(was(w, "{\"software_release_uri\":\"" R1
			   "\",\"computer_guid\":\"n1\",\"reported_state\":\"destroyed\"}"));
	assert_false(release(w, R1, &r));
	assert_true(machine_is_settled(w->m));
}

/* An earlier run of the agent left it on disk; nothing here remembers it. */
static void a_release_that_is_not_remembered_is_removed_all_the_same(void **state)
{
	struct world *w = *state;
	struct plan_release r;
	w->supplies = "{\"software_release_uri\":\"" R2 "\",\"state\":\"destroyed\"}";
	start(w, false);
	run(w);
	assert_int_equal(times(w, "remove " R2), 1);
	assert_true(was(w, "\"reported_state\":\"destroyed\""));
	assert_false(release(w, R2, &r));
}

/* What failed is told while the supply is taken back: "destroyed" must follow. */
static void a_supply_taken_back_during_a_report_is_told(void **state)
{
	struct world *w = *state;
	struct plan_release r;
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	run_master(w);
	end_build(w, 0, false);
	struct pending *report = pending(w, "installation_error");
	assert_non_null(report);
	struct pending kept = *report;
	report->token = 0;
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"destroyed\"}";
	news(w, "", true);
	run_master(w);
	assert_true(release(w, R1, &r));
	assert_false(r.is_wanted);
	machine_answer(w->m, kept.token, 200, S("{}"));
	run(w);
	assert_int_equal(times(w, "remove " R1), 1); /* what half a build left */
	assert_int_equal(times(w, "\"reported_state\":\"destroyed\""), 1);
	assert_false(release(w, R1, &r));
}

static void a_release_under_removal_is_used_by_nobody(void **state)
{
	struct world *w = *state;
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	run(w);
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"destroyed\"}";
	news(w, "", true);
	run_master(w);
	assert_true(w->builds[0].is_busy);
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	news(w, "\"inst-a\"", true);
	run_master(w);
	assert_int_equal(w->steps_now, 0);
	run(w);
	assert_int_equal(times(w, "build " R1), 2);
	assert_deployed(w, 0);
}

/* ---- outbox --------------------------------------------------------------------------------- */

static void the_outbox_is_flushed_until_it_is_empty(void **state)
{
	struct world *w = *state;
	machine_outbox_filled(w->m);
	assert_int_equal(w->flushes, 0);
	deploy_one(w);
	assert_int_equal(w->flushes, 1);
	machine_outbox_filled(w->m);
	assert_int_equal(w->flushes, 2);
	assert_false(machine_is_settled(w->m));
	machine_outbox_filled(w->m); /* during the flush: goes with the next one */
	w->is_flushing = false;
	machine_flushed(w->m, true, false);
	assert_int_equal(w->flushes, 3);
	w->is_flushing = false;
	machine_flushed(w->m, true, true);
	assert_int_equal(w->flushes, 4);
	w->is_flushing = false;
	machine_flushed(w->m, true, false);
	assert_int_equal(w->flushes, 4);
	assert_true(machine_is_settled(w->m));
}

static void a_flush_that_fails_is_tried_later(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	machine_outbox_filled(w->m);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(w->flushes, i);
		w->is_flushing = false;
		machine_flushed(w->m, false, true);
		assert_int_equal(w->flushes, i);
		assert_false(machine_is_settled(w->m));
		pass_time(w, w->wake_ms - w->now_ms);
	}
	w->is_flushing = false;
	machine_flushed(w->m, true, false);
	assert_true(machine_is_settled(w->m));
}

/* ---- restart -------------------------------------------------------------------------------- */

static void restore(struct world *w, enum plan_want want, bool is_applied)
{
	struct err e = ERR_INIT;
	const struct machine_wish wish = {.guid = S("inst-a"),
					  .title = S("T"),
					  .tree = S("T"),
					  .release = S(R1),
					  .type = S("default"),
					  .want = want,
					  .parameters = S("{}"),
					  .shared = S("[]"),
					  .version = 42};
	const struct plan_partition f = {.has_traces = true,
					 .is_net_up = true,
					 .is_running = true,
					 .applied_version = is_applied ? 42 : 0};
	assert_int_equal(machine_restore_release(w->m, S(R1), &e), 0);
	assert_int_equal(machine_restore(w->m, 0, &wish, &f, S("{\"url\":\"u\"}"), &e), 0);
}

static void a_node_boots_without_its_master(void **state)
{
	struct world *w = *state;
	restore(w, PLAN_STARTED, false);
	start(w, true);
	assert_false(machine_is_settled(w->m));
	run(w);
	assert_int_equal(times(w, "step 0 apply inst-a"), 1);
	assert_int_equal(w->sent, 0);
	assert_true(machine_is_settled(w->m));
	assert_false(machine_is_linked(w->m));
	pass_time(w, 61000);
	assert_int_equal(w->steps[0].kind, PLAN_CHECK); /* life goes on */
	end_step(w, 0, PLAN_OK);
}

static void what_still_runs_is_not_applied_again(void **state)
{
	struct world *w = *state;
	restore(w, PLAN_STARTED, true);
	start(w, false);
	w->fail_path = "/";
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 0);
	assert_int_equal(times(w, "step 0 test"), 1);
	assert_false(machine_is_settled(w->m));
}

static void a_destruction_goes_on_after_a_restart(void **state)
{
	struct world *w = *state;
	restore(w, PLAN_DESTROYED, true);
	start(w, false);
	run(w);
	assert_int_equal(times(w, "step 0 wipe"), 1);
	assert_true(was(w, "forget 0 inst-a"));
	assert_true(machine_is_settled(w->m));
}

static void a_stop_looks_for_services_after_a_restart(void **state)
{
	struct world *w = *state;
	restore(w, PLAN_STOPPED, false);
	start(w, true);
	run(w);
	assert_int_equal(times(w, "step 0 stop"), 1);
	assert_true(machine_is_settled(w->m));
}

/* ---- input and faults ----------------------------------------------------------------------- */

static void bad_options_are_refused(void **state)
{
	struct world *w = *state;
	char name[70];
	memset(name, 'n', sizeof name);
	const struct machine_options bad[] = {
		{S(""), 1, 1, 1, 1},
		{{name, 65}, 1, 1, 1, 1},
		{S("n"), 0, 1, 1, 1},
		{S("n"), 100001, 1, 1, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct machine *m = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(machine_new(&bad[i], &w->w, &m, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_null(m);
	}
	struct err e = ERR_INIT;
	assert_int_equal(machine_name_partition(w->m, 0, (struct str){name, 64}, &e), -1);
	assert_int_equal(machine_name_partition(w->m, 0, S(""), &e), -1);
	assert_null(machine_free(NULL));
}

static void more_releases_than_fit_are_refused_not_fatal(void **state)
{
	struct world *w = *state;
	w->supplies = "{\"software_release_uri\":\"a\",\"state\":\"available\"},"
		      "{\"software_release_uri\":\"b\",\"state\":\"available\"},"
		      "{\"software_release_uri\":\"c\",\"state\":\"available\"},"
		      "{\"software_release_uri\":\"d\",\"state\":\"available\"},"
		      "{\"software_release_uri\":\"e\",\"state\":\"available\"}";
	start(w, false);
	run(w);
	assert_int_equal(times(w, "build "), RELEASES);
	assert_true(machine_is_settled(w->m));
}

static int make_and_restore(struct world *w, struct machine **out, struct err *e)
{
	const struct machine_options o = {S("n1"), 2, 2, 1, 1000};
	const struct machine_wish wish = {
		.guid = S("inst-a"), .release = S(R1), .version = 1, .want = PLAN_STARTED};
	const struct plan_partition f = {.has_traces = true};
	if (machine_new(&o, &w->w, out, e) < 0)
		return -1;
	if (machine_name_partition(*out, 0, S("p0"), e) < 0 ||
	    machine_restore_release(*out, S(R1), e) < 0 ||
	    machine_restore(*out, 0, &wish, &f, S("{}"), e) < 0)
		return -1;
	return machine_start(*out, S("{}"), S("{}"), true, e);
}

static void a_failed_allocation_is_told(void **state UNUSED)
{
	for (unsigned long n = 1;; n++) {
		struct world w;
		struct machine *m = NULL;
		struct err e = ERR_INIT;
		build_world(&w, 1);
		(void)mem_fail_after(n);
		int rc = make_and_restore(&w, &m, &e);
		unsigned long used = mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
		machine_free(m);
		machine_free(w.m);
		if (used < n) {
			assert_int_equal(rc, 0);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_stop_is_carried_out_and_told),
		SCENE(a_failed_apply_is_stopped_too),
		SCENE(destruction_wipes_tells_and_forgets),
		SCENE(a_slot_is_free_only_after_the_master_knows),
		SCENE(a_late_answer_does_not_free_the_next_instance),
		SCENE(a_partition_given_on_is_wiped_first),
		SCENE(two_wishes_during_a_step_are_both_seen),
		SCENE(a_version_applied_in_between_is_applied_again),
		SCENE(a_return_to_the_old_version_is_applied),
		SCENE(no_more_steps_than_allowed),
		cmocka_unit_test(busy_neighbours_starve_nobody),
		SCENE(a_build_that_fails_is_told_and_tried_later),
		SCENE(a_release_in_use_is_not_removed),
		SCENE(a_release_that_is_not_remembered_is_removed_all_the_same),
		SCENE(a_supply_taken_back_during_a_report_is_told),
		SCENE(a_release_under_removal_is_used_by_nobody),
		SCENE(the_outbox_is_flushed_until_it_is_empty),
		SCENE(a_flush_that_fails_is_tried_later),
		SCENE(a_node_boots_without_its_master),
		SCENE(what_still_runs_is_not_applied_again),
		SCENE(a_destruction_goes_on_after_a_restart),
		SCENE(a_stop_looks_for_services_after_a_restart),
		SCENE(bad_options_are_refused),
		SCENE(more_releases_than_fit_are_refused_not_fatal),
		cmocka_unit_test(a_failed_allocation_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
