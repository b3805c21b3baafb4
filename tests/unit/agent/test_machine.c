/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The machine and its master: orders, failed answers, reports. */
#include "fake_world.h"

#include <string.h>

/* ---- the way of an order -------------------------------------------------------------------- */

static void an_order_is_carried_out_and_told(void **state)
{
	struct world *w = *state;
	static const char *const story[] = {
		"POST /slapos.put.v0.compute_node_format {\"format\":1}\n",
		"PUT /v1/nodes/n1 {\"title\":\"n1\"}\n",
		"software_installation_reported_state {\"software_release_uri\":\"" R1
		"\",\"computer_guid\":\"n1\",\"reported_state\":\"building\"}\n",
		"build " R1 "\n",
		"\"reported_state\":\"available\"}\n",
		"step 0 network inst-a\n",
		"step 0 apply inst-a\n",
		"step 0 probe inst-a\n",
		"step 0 test inst-a\n",
		"POST /slapos.put.v0.software_instance_connection_parameter {\"instance_guid\":"
		"\"inst-a\",\"connection_parameter_dict\":{\"url\":\"u\"}}\n",
		"POST /slapos.put.v0.software_instance_reported_state {\"instance_guid\":"
		"\"inst-a\",\"reported_state\":\"started\"}\n",
	};
	deploy_one(w);
	const char *at = w->journal;
	for (size_t i = 0; i < ARRAY_LEN(story); i++) {
		const char *next = strstr(at, story[i]);
		if (!next)
			fail_msg("missing: %sin\n%s", story[i], w->journal);
		/* The release is told beside the instance. */
		if (i != 4)
			at = next;
	}
	assert_deployed(w, 0);
	assert_true(machine_is_linked(w->m));
	const struct machine_wish *wish = machine_wish(w->m, 0);
	assert_true(str_is(wish->parameters, "{\"a\":1}"));
	assert_true(str_is(wish->shared, "[]"));
	assert_true(str_is(wish->tree, "T"));
}

static void nothing_new_means_no_work(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	news(w, "\"inst-a\"", true);
	run(w);
	assert_int_equal(times(w, "step"), 0);
	assert_int_equal(times(w, "build"), 0);
	struct pending *poll = pending(w, "/changes");
	assert_non_null(poll);
	/* The node asks for ten minutes, a master grants one. */
	assert_non_null(strstr(poll->path, "since=2&wait=60"));
}

static void a_pass_is_not_over_before_the_master_was_asked(void **state)
{
	struct world *w = *state;
	start(w, false);
	assert_false(machine_is_settled(w->m));
	while (pending(w, "/changes") == NULL) {
		assert_false(machine_is_settled(w->m));
		assert_true(master_once(w));
	}
	assert_false(machine_is_settled(w->m));
	run(w);
	assert_true(machine_is_settled(w->m));
}

/* A master that counts from 0 answers since=0 at once: it must not be asked without end. */
static void an_empty_master_is_asked_now_and_then(void **state)
{
	struct world *w = *state;
	w->sequence = 0;
	start(w, false);
	run(w); /* fails if it never ends */
	assert_true(machine_is_settled(w->m));
	assert_true(w->wake_ms > w->now_ms);
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	w->sequence = 5;
	pass_time(w, w->wake_ms - w->now_ms);
	run(w);
	assert_deployed(w, 0);
}

static void a_bang_applies_again(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 1);
	assert_int_equal(times(w, "connection_parameter"), 0); /* the same: not told again */
	assert_int_equal(times(w, "\"started\""), 1);
	assert_deployed(w, 0);
}

static void shared_instances_reach_the_wish_unpacked(void **state)
{
	struct world *w = *state;
	w->shared =
		"{\"instance_guid\":\"inst-s\",\"title\":\"S\",\"software_type\":\"default\","
		"\"state\":\"started\",\"parameters\":{\"_\":\"{\\\"b\\\":2}\"}}";
	deploy_one(w);
	assert_true(str_is(machine_wish(w->m, 0)->shared,
			   "[{\"guid\":\"inst-s\",\"parameters\":{\"b\":2},\"title\":\"S\","
			   "\"type\":\"default\"}]"));
}

/* Documents that name our partition and are not for it. */
static void what_is_not_on_our_partitions_is_left_out(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[1] =
		(struct fake_instance){"inst-s", "started", "p0", R1, ",\"shared\":true", 1};
	w->instances[2] = (struct fake_instance){"inst-c", "started", "p9", R1, NULL, 1};
	news(w, "\"inst-s\",\"inst-c\"", false);
	run(w);
	assert_int_equal(times(w, "step"), 0);
	assert_true(str_is(machine_wish(w->m, 0)->guid, "inst-a"));
	assert_deployed(w, 0);
}

/* ---- failures of the conversation ----------------------------------------------------------- */

struct failure {
	const char *path;
	int status;
	const char *body;
};

/* Every request fails in every way, some times; then the order is carried out all the same. */
static void no_failed_answer_loses_the_wish(void **state UNUSED)
{
	static const char *const paths[] = {
		"compute_node_format",
		"/v1/nodes/n1",
		"/changes",
		"installation_list",
		"compute_node_instance_list",
		"get.v0.software_instance",
		"instance_node_instance_list",
		"installation_reported_state",
		"instance_connection_parameter",
		"instance_reported_state",
	};
	static const struct failure ways[] = {
		{NULL, 0, ""}, {NULL, 500, "oops"}, {NULL, 503, ""}, {NULL, 408, ""}};
	static const struct failure garbled[] = {
		{"/changes", 200, "not json"},
		{"/changes", 200, "{\"reset\":true}"},
		{"/changes", 200, "[]"},
		{"/changes", 404, ""},
		{"/changes", 403, ""},
		{"installation_list", 200, "{\"result_list\":"},
		{"compute_node_instance_list", 200, ""},
		{"compute_node_instance_list", 403, "{}"},
		{"get.v0.software_instance", 200,
		 "{\"instance_guid\":\"inst-other\","
		 "\"software_release_uri\":\"x\"}"},
		{"get.v0.software_instance", 200, "{\"instance_guid\":\"inst-a\"}"},
		{"get.v0.software_instance", 200,
		 "{\"instance_guid\":\"inst-a\",\"software_release_uri\":\"x\",\"state\":\"?"
		 "\"}"},
		{"get.v0.software_instance", 200, "null"},
		{"instance_node_instance_list", 200, "{"},
	};
	enum { WAYS = ARRAY_LEN(ways), PATHS = ARRAY_LEN(paths) };
	for (size_t i = 0; i < PATHS * WAYS + ARRAY_LEN(garbled); i++) {
		struct world w;
		bool is_garbled = i >= PATHS * WAYS;
		struct failure f = is_garbled ? garbled[i - PATHS * WAYS] : ways[i % WAYS];
		build_world(&w, 2);
		w.fail_path = is_garbled ? f.path : paths[i / WAYS];
		w.fail_status = f.status;
		w.fail_body = f.body;
		deploy_one(&w);
		for (int k = 0; k < 5; k++) {
			assert_int_not_equal(w.wake_ms, PLAN_NEVER);
			assert_false(machine_is_settled(w.m));
			pass_time(&w, 400000);
			run(&w);
		}
		assert_in_range(w.failed, 3, 60);
		w.fail_path = NULL;
		for (int k = 0; k < 3; k++) {
			pass_time(&w, 400000);
			run(&w);
		}
		assert_deployed(&w, 0);
		machine_free(w.m);
	}
}

/* A refused node page (an older master has none) is passed over. */
static void a_master_without_our_extras_still_gives_work(void **state)
{
	struct world *w = *state;
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	assert_true(master_once(w));
	answer(w, pending(w, "/v1/nodes/n1"), 404, "");
	run(w);
	assert_deployed(w, 0);
}

static void repeated_failures_are_further_and_further_apart(void **state)
{
	struct world *w = *state;
	int64_t pauses[6];
	w->fail_path = "get.v0.software_instance";
	w->fail_status = 500;
	deploy_one(w);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		pauses[i] = w->wake_ms - w->now_ms;
		pass_time(w, pauses[i]);
		run(w);
	}
	assert_in_range(pauses[0], 1000, 1100);
	assert_in_range(pauses[1], 2000, 2200);
	assert_in_range(pauses[5], 25000, 30000);
	/* The master answers: what else there is to tell goes on. */
	assert_true(machine_is_linked(w->m));
}

static void a_master_that_forgot_the_node_learns_of_it_again(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	answer(w, pending(w, "/changes"), 404, "{}");
	assert_false(machine_is_linked(w->m));
	w->is_reset = true;
	pass_time(w, 2000);
	run(w);
	assert_int_equal(times(w, "compute_node_format"), 1);
	assert_int_equal(times(w, "PUT /v1/nodes/n1"), 1);
	assert_true(machine_is_linked(w->m));
	assert_deployed(w, 0);
}

static void a_sequence_is_adopted_only_when_all_is_fetched(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	w->fail_path = "get.v0.software_instance";
	w->fail_status = 0;
	run(w);
	w->fail_path = NULL;
	pass_time(w, 1500);
	struct pending *poll = pending(w, "/changes");
	assert_non_null(poll);
	assert_non_null(strstr(poll->path, "since=1&"));
	run(w);
	assert_deployed(w, 0);
	assert_non_null(strstr(pending(w, "/changes")->path, "since=2&"));
}

static void an_unlisted_instance_is_left_as_it_is(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->instances[0].guid = NULL; /* the master answers 403 */
	news(w, "\"inst-a\"", false);
	w->is_reset = true;
	run(w);
	assert_int_equal(times(w, "step"), 0);
	assert_int_equal(times(w, "forget"), 0);
	assert_true(str_is(machine_wish(w->m, 0)->guid, "inst-a"));
	assert_deployed(w, 0);
}

/* ---- reports -------------------------------------------------------------------------------- */

static void a_refused_report_is_not_repeated(void **state)
{
	struct world *w = *state;
	w->fail_path = "put.v0.software_instance";
	w->fail_status = 400;
	deploy_one(w);
	assert_int_equal(w->failed, 2); /* connection, state */
	pass_time(w, 50000);
	run(w);
	assert_int_equal(w->failed, 2);
	assert_deployed(w, 0);
}

/* Who is refused himself (a key revoked by mistake, say) keeps what he has to tell. */
static void a_report_waits_while_the_node_is_refused(void **state UNUSED)
{
	static const struct failure ways[] = {
		{NULL, 401, ""},
		{NULL, 401, "{\"status\":401,\"title\":\"show a certificate\"}"},
		{NULL, 403,
		 "{\"status\":403,\"title\":\"this key is revoked\",\"kind\":\"forbidden\"}"},
		{NULL, 403, "{\"error\":{\"kind\":\"forbidden\",\"text\":\"not you\"}}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct world w;
		build_world(&w, 2);
		w.fail_path = ".put.v0.software_inst";
		w.fail_status = ways[i].status;
		w.fail_body = ways[i].body;
		deploy_one(&w);
		int before = w.failed;
		assert_true(before >= 1);
		assert_false(machine_is_settled(w.m));
		int64_t pauses[4];
		for (size_t k = 0; k < ARRAY_LEN(pauses); k++) {
			pauses[k] = w.wake_ms - w.now_ms;
			pass_time(&w, pauses[k]);
			run(&w);
		}
		assert_true(pauses[3] > pauses[0]); /* further and further apart */
		assert_true(w.failed > before);
		w.fail_path = NULL;
		forget_journal(&w);
		pass_time(&w, 400000);
		run(&w);
		assert_int_equal(times(&w, "\"started\""), 1);
		assert_int_equal(times(&w, "connection_parameter_dict"), 1);
		assert_int_equal(times(&w, "\"available\""), 1);
		assert_deployed(&w, 0);
		machine_free(w.m);
	}
}

/* 403 is also what a master says of an object that is gone: such a report is over. */
static void a_report_about_nothing_is_over(void **state UNUSED)
{
	static const char *const bodies[] = {
		"", "{\"status\":403,\"type\":\"Forbidden\",\"title\":\"No instance found\"}",
		"{\"status\":403,\"title\":\"No instance\",\"kind\":\"not-found\"}",
		"{\"kind\":7}", "[\"forbidden\"]"};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct world w;
		build_world(&w, 2);
		w.fail_path = "put.v0.software_instance";
		w.fail_status = 403;
		w.fail_body = bodies[i];
		deploy_one(&w);
		assert_int_equal(w.failed, 2); /* connection, state */
		pass_time(&w, 50000);
		run(&w);
		assert_int_equal(w.failed, 2);
		assert_deployed(&w, 0);
		machine_free(w.m);
	}
}

/* The end of an instance is not forgotten because the node was refused when it told it. */
static void a_destruction_is_told_by_a_node_that_was_refused(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	w->fail_path = "instance_reported_state";
	w->fail_status = 403;
	w->fail_body = "{\"status\":403,\"title\":\"revoked\",\"kind\":\"forbidden\"}";
	change(w, 0, "destroyed");
	run(w);
	assert_int_equal(times(w, "forget 0"), 0);
	assert_true(str_is(machine_wish(w->m, 0)->guid, "inst-a"));
	w->fail_path = NULL;
	pass_time(w, 50000);
	run(w);
	assert_int_equal(times(w, "forget 0 inst-a"), 1);
	assert_int_equal(times(w, "\"destroyed\""), 2);
}

/* Nor is an instance taken for unlisted, and the news of it for known. */
static void news_are_asked_for_again_by_a_node_that_was_refused(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	w->fail_path = "get.v0.software_instance";
	w->fail_status = 403;
	w->fail_body = "{\"status\":403,\"title\":\"revoked\",\"kind\":\"forbidden\"}";
	w->instances[0].timestamp = 2;
	news(w, "\"inst-a\"", false);
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 0);
	w->fail_path = NULL;
	pass_time(w, 50000);
	run(w);
	assert_int_equal(times(w, "step 0 apply"), 1);
	assert_deployed(w, 0);
}

static void a_failure_is_told_once_and_tried_for_ever(void **state)
{
	struct world *w = *state;
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	for (int round = 0; round < 8; round++) {
		run_master(w);
		for (size_t i = 0; i < RELEASES; i++)
			if (w->builds[i].is_busy)
				end_build(w, i, true);
		if (w->steps[0].is_busy)
			end_step(w, 0, w->steps[0].kind == PLAN_APPLY ? PLAN_FAILED : PLAN_OK);
		run_master(w);
		if (w->wake_ms != PLAN_NEVER && !w->steps[0].is_busy)
			pass_time(w, MAX_OF(w->wake_ms - w->now_ms, (int64_t)0));
	}
	assert_true(times(w, "step 0 apply") >= 4);
	assert_int_equal(times(w, "software_instance_error"), 1);
	assert_true(was(w, "\"message\":\"it broke\""));
	assert_int_equal(times(w, "\"started\""), 0);
	run(w);
	assert_int_equal(times(w, "\"started\""), 1);
	assert_deployed(w, 0);
}

/* A check that cannot be made does not make the node say "started" without end. */
static void a_check_that_fails_is_made_again_quietly(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	for (int i = 0; i < 5; i++) {
		pass_time(w, 61000);
		assert_true(w->steps[0].is_busy);
		assert_int_equal(w->steps[0].kind, PLAN_CHECK);
		end_step(w, 0, PLAN_FAILED);
		run(w);
	}
	assert_int_equal(times(w, "reported_state"), 0);
	assert_int_equal(times(w, "error"), 0);
	pass_time(w, 61000);
	run(w);
	assert_deployed(w, 0);
}

/* The services were lost; to start them again fails first. */
static void a_lost_service_is_applied_again_and_told(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	forget_journal(w);
	machine_nudge(w->m, 0, false, PLAN_NEVER);
	assert_true(w->steps[0].is_busy);
	assert_int_equal(w->steps[0].kind, PLAN_APPLY);
	end_step(w, 0, PLAN_FAILED);
	run_master(w);
	assert_int_equal(times(w, "software_instance_error"), 1);
	assert_int_equal(times(w, "\"started\""), 0);
	pass_time(w, 1200);
	end_step(w, 0, PLAN_OK);
	/* Readiness takes its time: nothing is told meanwhile. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(w->steps[0].kind, PLAN_PROBE);
		end_step(w, 0, PLAN_NOT_YET);
		run_master(w);
		pass_time(w, 600);
	}
	assert_int_equal(times(w, "\"started\""), 0);
	run(w);
	assert_int_equal(times(w, "\"started\""), 1);
	assert_deployed(w, 0);
}

static void a_nudge_during_a_check_is_not_lost(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	pass_time(w, 61000);
	assert_int_equal(w->steps[0].kind, PLAN_CHECK);
	machine_nudge(w->m, 0, true, w->now_ms); /* after the check had looked */
	end_step(w, 0, PLAN_OK);
	assert_true(w->steps[0].is_busy);
	assert_int_equal(w->steps[0].kind, PLAN_CHECK);
	end_step(w, 0, PLAN_OK);
	assert_false(w->steps[0].is_busy);
}

static void services_lost_during_a_step_are_applied_again(void **state)
{
	struct world *w = *state;
	deploy_one(w);
	pass_time(w, 61000);
	assert_int_equal(w->steps[0].kind, PLAN_CHECK);
	machine_nudge(w->m, 0, false, PLAN_NEVER); /* after the check had looked */
	end_step(w, 0, PLAN_OK);
	assert_int_equal(w->steps[0].kind, PLAN_APPLY);
	end_step(w, 0, PLAN_OK);
	run(w);
	assert_deployed(w, 0);
	/* What was applied again was tested again, and is checked as before. */
	pass_time(w, 61000);
	assert_true(w->steps[0].is_busy);
	assert_int_equal(w->steps[0].kind, PLAN_CHECK);
}

static void messages_are_cut_between_characters(void **state)
{
	struct world *w = *state;
	char text[600] = "x";
	for (size_t i = 1; i + 2 < sizeof text; i += 2)
		memcpy(text + i, "\xC3\xA9", 2);
	text[597] = 0;
	deploy_one(w);
	machine_nudge(w->m, 0, false, PLAN_NEVER);
	const struct machine_result r = {.outcome = PLAN_FAILED, .message = str_from(text)};
	end_step_as(w, 0, &r);
	assert_true(str_is_utf8(machine_message(w->m, 0)));
	assert_in_range(machine_message(w->m, 0).n, 390, 399);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(an_order_is_carried_out_and_told),
		SCENE(nothing_new_means_no_work),
		SCENE(a_pass_is_not_over_before_the_master_was_asked),
		SCENE(an_empty_master_is_asked_now_and_then),
		SCENE(a_bang_applies_again),
		SCENE(shared_instances_reach_the_wish_unpacked),
		SCENE(what_is_not_on_our_partitions_is_left_out),
		cmocka_unit_test(no_failed_answer_loses_the_wish),
		SCENE(a_master_without_our_extras_still_gives_work),
		SCENE(repeated_failures_are_further_and_further_apart),
		SCENE(a_master_that_forgot_the_node_learns_of_it_again),
		SCENE(a_sequence_is_adopted_only_when_all_is_fetched),
		SCENE(an_unlisted_instance_is_left_as_it_is),
		SCENE(a_refused_report_is_not_repeated),
		cmocka_unit_test(a_report_waits_while_the_node_is_refused),
		cmocka_unit_test(a_report_about_nothing_is_over),
		SCENE(a_destruction_is_told_by_a_node_that_was_refused),
		SCENE(news_are_asked_for_again_by_a_node_that_was_refused),
		SCENE(a_failure_is_told_once_and_tried_for_ever),
		SCENE(a_check_that_fails_is_made_again_quietly),
		SCENE(a_lost_service_is_applied_again_and_told),
		SCENE(a_nudge_during_a_check_is_not_lost),
		SCENE(services_lost_during_a_step_are_applied_again),
		SCENE(messages_are_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
