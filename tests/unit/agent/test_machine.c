/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The machine in a world written by hand: a clock that is set, a journal of requests, steps,
 * builds and flushes, and answers given one by one. The script is usually the fake master below:
 * some instances, some supplies, and a way to fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/machine.h"
#include "base/mem.h"
#include "json/json.h"

enum { SLOTS = 3, RELEASES = 4, PENDING_MAX = 64, JOURNAL_MAX = 4096 };

#define R1 "hoc:one@sha256:11"
#define R2 "hoc:two@sha256:22"

struct pending {
	uint64_t token; /* 0: free */
	char path[120], body[600];
};

struct fake_instance {
	const char *guid; /* NULL: none */
	const char *state, *partition, *release;
	const char *more; /* members that replace or follow: ",\"shared\":true" */
	int timestamp;
};

struct world {
	struct machine_world w;
	struct clock clock;
	struct rng_seeded rng;
	struct machine *m;
	int64_t now_ms, wake_ms;
	struct pending pending[PENDING_MAX];
	struct {
		bool is_busy;
		enum plan_step_kind kind;
		char guid[64];
	} steps[SLOTS];
	struct {
		bool is_busy;
		enum plan_release_kind kind;
		char release[64];
	} builds[RELEASES];
	unsigned steps_now, steps_most, flushes;
	bool is_flushing;
	char journal[JOURNAL_MAX];
	size_t journal_n;

	/* the master */
	struct fake_instance instances[8];
	const char *supplies; /* items of result_list */
	const char *shared;   /* items of every host's list */
	int64_t sequence;
	bool is_reset, has_new_supplies;
	const char *changed; /* items of "instances" */
	const char *fail_path;
	int fail_status;
	const char *fail_body;
	int failed;
	int64_t seen_since;
	unsigned sent;
};

static int64_t now(void *user)
{
	return ((struct world *)user)->now_ms;
}

PRINTF(2, 3)
static void journal(struct world *w, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(w->journal + w->journal_n, JOURNAL_MAX - w->journal_n, format, args);
	va_end(args);
	w->journal_n = MIN_OF(w->journal_n + (size_t)n, (size_t)JOURNAL_MAX - 1);
}

static bool was(const struct world *w, const char *what)
{
	return strstr(w->journal, what) != NULL;
}

static unsigned times(const struct world *w, const char *what)
{
	unsigned n = 0;
	for (const char *p = strstr(w->journal, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

static void forget_journal(struct world *w)
{
	w->journal_n = 0;
	w->journal[0] = 0;
}

/* ---- effects -------------------------------------------------------------------------------- */

static void world_send(void *user, uint64_t token, const struct machine_request *r)
{
	struct world *w = user;
	w->sent++;
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &w->pending[i];
		if (p->token)
			continue;
		p->token = token;
		(void)snprintf(p->path, sizeof p->path, "%" STR_F, STR_A(r->path));
		(void)snprintf(p->body, sizeof p->body, "%" STR_F, STR_A(r->body));
		if (!str_starts(r->path, S("/v1/nodes/n1/changes")) &&
		    !str_starts(r->path, S("/slapos.get")) &&
		    !str_starts(r->path, S("/slapos.allDocs")))
			journal(w, "%s %s %s\n", r->method, p->path, p->body);
		return;
	}
	fail_msg("too many requests at once");
}

static void world_step(void *user, size_t slot, enum plan_step_kind kind,
		       const struct machine_wish *wish)
{
	struct world *w = user;
	assert_false(w->steps[slot].is_busy); /* invariant 1 */
	w->steps[slot].is_busy = true;
	w->steps[slot].kind = kind;
	(void)snprintf(w->steps[slot].guid, sizeof w->steps[slot].guid, "%" STR_F,
		       STR_A(wish->guid));
	journal(w, "step %zu %s %" STR_F "\n", slot, plan_step_name(kind), STR_A(wish->guid));
	w->steps_now++;
	w->steps_most = MAX_OF(w->steps_most, w->steps_now);
}

static void world_release_step(void *user, size_t slot, enum plan_release_kind kind,
			       struct str release)
{
	struct world *w = user;
	assert_false(w->builds[slot].is_busy);
	assert_int_not_equal(kind, PLAN_RELEASE_REPORT);
	w->builds[slot].is_busy = true;
	w->builds[slot].kind = kind;
	journal(w, "%s %" STR_F "\n", kind == PLAN_RELEASE_BUILD ? "build" : "remove",
		STR_A(release));
}

static void world_flush(void *user)
{
	struct world *w = user;
	assert_false(w->is_flushing);
	w->is_flushing = true;
	w->flushes++;
}

static void world_wake_at(void *user, int64_t at_ms)
{
	((struct world *)user)->wake_ms = at_ms;
}

static void world_forget(void *user, size_t slot, struct str guid)
{
	journal(user, "forget %zu %" STR_F "\n", slot, STR_A(guid));
}

/* ---- life ----------------------------------------------------------------------------------- */

static void build_world(struct world *w, size_t steps_max)
{
	struct err e = ERR_INIT;
	const struct machine_options o = {.node = S("n1"),
					  .partitions = SLOTS,
					  .releases_max = RELEASES,
					  .steps_max = steps_max,
					  .poll_for_ms = 600000};
	*w = (struct world){.now_ms = 1000000, .wake_ms = PLAN_NEVER, .sequence = 1};
	w->clock = (struct clock){now, now, w};
	rng_seeded_init(&w->rng, 7);
	w->w = (struct machine_world){w,	   &w->clock,	  &w->rng.rng,
				      world_send,  world_step,	  world_release_step,
				      world_flush, world_wake_at, world_forget};
	w->supplies = w->shared = w->changed = "";
	w->is_reset = true;
	assert_int_equal(machine_new(&o, &w->w, &w->m, &e), 0);
	for (size_t i = 0; i < SLOTS; i++) {
		char name[8];
		(void)snprintf(name, sizeof name, "p%zu", i);
		assert_int_equal(machine_name_partition(w->m, i, str_from(name), &e), 0);
	}
}

static int set_up(void **state)
{
	static struct world w;
	build_world(&w, 2);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	machine_free(w->m);
	return 0;
}

static void start(struct world *w, bool is_alone)
{
	struct err e = ERR_INIT;
	assert_int_equal(
		machine_start(w->m, S("{\"format\":1}"), S("{\"title\":\"n1\"}"), is_alone, &e),
		0);
}

/* ---- the master ----------------------------------------------------------------------------- */

static struct pending *pending(struct world *w, const char *path)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (w->pending[i].token && strstr(w->pending[i].path, path))
			return &w->pending[i];
	return NULL;
}

static void answer(struct world *w, struct pending *p, int status, const char *body)
{
	uint64_t token = p->token;
	p->token = 0;
	machine_answer(w->m, token, status, str_from(body));
}

static const struct fake_instance *asked_for(const struct world *w, const struct pending *p)
{
	for (size_t i = 0; i < ARRAY_LEN(w->instances); i++)
		if (w->instances[i].guid && strstr(p->body, w->instances[i].guid))
			return &w->instances[i];
	return NULL;
}

static void answer_instance(struct world *w, struct pending *p)
{
	const struct fake_instance *i = asked_for(w, p);
	char body[900];
	if (!i) {
		answer(w, p, 403, "{\"status\":403}");
		return;
	}
	(void)snprintf(body, sizeof body,
		       "{\"title\":\"T\",\"instance_guid\":\"%s\",\"software_release_uri\":"
		       "\"%s\",\"software_type\":\"default\",\"state\":\"%s\","
		       "\"parameters\":{\"_\":\"{\\\"a\\\":1}\"},\"root_instance_title\":\"T\","
		       "\"computer_guid\":\"n1\",\"compute_partition_id\":\"%s\","
		       "\"processing_timestamp\":%d%s}",
		       i->guid, i->release, i->state, i->partition, i->timestamp,
		       i->more ? i->more : ",\"shared\":false");
	answer(w, p, 200, body);
}

static void answer_list(struct world *w, struct pending *p)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	buf_add(&b, S("{\"result_list\":["));
	bool is_first = true;
	for (size_t i = 0; i < ARRAY_LEN(w->instances); i++) {
		if (!w->instances[i].guid)
			continue;
		buf_addf(&b, "%s{\"instance_guid\":\"%s\"}", is_first ? "" : ",",
			 w->instances[i].guid);
		is_first = false;
	}
	buf_add(&b, S("]}"));
	answer(w, p, 200, b.p);
}

static void answer_changes(struct world *w, struct pending *p)
{
	char body[600];
	(void)snprintf(
		body, sizeof body,
		"{\"sequence\":%lld,\"reset\":%s,\"instances\":[%s],\"installations\":%s}",
		(long long)w->sequence, w->is_reset ? "true" : "false", w->changed,
		w->has_new_supplies ? "true" : "false");
	answer(w, p, 200, body);
}

static void drop_instance(struct world *w, const struct pending *p)
{
	for (size_t i = 0; i < ARRAY_LEN(w->instances); i++)
		if (w->instances[i].guid && strstr(p->body, w->instances[i].guid))
			w->instances[i].guid = NULL;
}

static void answer_as_master(struct world *w, struct pending *p)
{
	char body[600];
	if (strstr(p->path, "/changes")) {
		answer_changes(w, p);
	} else if (strstr(p->path, "get.v0.software_instance")) {
		answer_instance(w, p);
	} else if (strstr(p->path, "compute_node_instance_list")) {
		answer_list(w, p);
	} else if (strstr(p->path, "software_installation_list") ||
		   strstr(p->path, "instance_node_instance_list")) {
		bool is_supply = strstr(p->path, "installation_list") != NULL;
		(void)snprintf(body, sizeof body, "{\"result_list\":[%s]}",
			       is_supply ? w->supplies : w->shared);
		answer(w, p, 200, body);
	} else {
		if (strstr(p->body, "\"reported_state\":\"destroyed\""))
			drop_instance(w, p);
		answer(w, p, 200, "{\"type\":\"success\",\"title\":\"x\"}");
	}
}

/* True if the long poll would wait: nothing new. */
static bool is_parked(struct world *w, const struct pending *p)
{
	const char *since = strstr(p->path, "since=");
	if (!since || strstr(p->path, "wait=0"))
		return false;
	char want[40];
	(void)snprintf(want, sizeof want, "since=%lld&", (long long)w->sequence);
	return strstr(p->path, want) != NULL;
}

/* Answers one request; false if there is none but a parked poll. */
static bool master_once(struct world *w)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &w->pending[i];
		if (!p->token || is_parked(w, p))
			continue;
		if (w->fail_path && strstr(p->path, w->fail_path)) {
			w->failed++;
			answer(w, p, w->fail_status, w->fail_body ? w->fail_body : "");
		} else {
			answer_as_master(w, p);
		}
		return true;
	}
	return false;
}

static void end_step_as(struct world *w, size_t slot, const struct machine_result *r)
{
	assert_true(w->steps[slot].is_busy);
	w->steps[slot].is_busy = false;
	w->steps_now--;
	machine_step_done(w->m, slot, w->steps[slot].kind, r);
}

static void end_step(struct world *w, size_t slot, enum plan_outcome outcome)
{
	const struct machine_result r = {
		.outcome = outcome,
		.message = outcome == PLAN_OK ? S("") : S("it broke"),
		.connection = w->steps[slot].kind == PLAN_APPLY ? S("{\"url\":\"u\"}") : S(""),
		.probe_until_ms = w->now_ms + 30000,
		.check_due_ms = w->now_ms + 60000,
	};
	end_step_as(w, slot, &r);
}

static void end_build(struct world *w, size_t i, bool is_ok)
{
	assert_true(w->builds[i].is_busy);
	w->builds[i].is_busy = false;
	machine_release_done(w->m, i, w->builds[i].kind, is_ok, S("no such package"));
}

static bool hands_once(struct world *w)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (w->steps[i].is_busy) {
			end_step(w, i, PLAN_OK);
			return true;
		}
	for (size_t i = 0; i < RELEASES; i++)
		if (w->builds[i].is_busy) {
			end_build(w, i, true);
			return true;
		}
	if (!w->is_flushing)
		return false;
	w->is_flushing = false;
	machine_flushed(w->m, true, false);
	return true;
}

static void pass_time(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	machine_tick(w->m);
}

enum { ROUNDS_MAX = 2000 };

/* Only the master works. */
static void run_master(struct world *w)
{
	unsigned rounds = 0;
	while (master_once(w))
		assert_true(++rounds < ROUNDS_MAX); /* no endless conversation */
}

/* Master and hands work until nothing is left at this moment. */
static void run(struct world *w)
{
	unsigned rounds = 0;
	while (master_once(w) || hands_once(w))
		assert_true(++rounds < ROUNDS_MAX);
}

/* The master has news. */
static void news(struct world *w, const char *changed, bool has_supplies)
{
	w->sequence++;
	w->is_reset = false;
	w->changed = changed;
	w->has_new_supplies = has_supplies;
}

static void deploy_one(struct world *w)
{
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	run(w);
}

static const struct plan_partition *facts(const struct world *w, size_t slot)
{
	return machine_facts(w->m, slot);
}

static void assert_deployed(const struct world *w, size_t slot)
{
	assert_int_equal(facts(w, slot)->told, PLAN_TOLD_STARTED);
	assert_int_equal(facts(w, slot)->told_version, facts(w, slot)->version);
	assert_int_equal(facts(w, slot)->failures, 0);
	assert_true(machine_is_settled(w->m));
}

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

/* ---- stop and destruction ------------------------------------------------------------------- */

static void change(struct world *w, size_t i, const char *state_name)
{
	static char name[8][40];
	w->instances[i].state = state_name;
	(void)snprintf(name[i], sizeof name[i], "\"%s\"", w->instances[i].guid);
	news(w, name[i], false);
}

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
	run(w);
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
	for (int i = 0; i < 60; i++) {
		for (size_t k = 0; k < SLOTS; k++)
			if (w.steps[k].is_busy) {
				applied[k] += w.steps[k].kind == PLAN_PROBE;
				end_step(&w, k,
					 w.steps[k].kind == PLAN_PROBE ? PLAN_NOT_YET
								       : PLAN_OK);
				break;
			}
		pass_time(&w, 300);
	}
	for (size_t k = 0; k < SLOTS; k++)
		assert_true(applied[k] > 5);
	machine_free(w.m);
}

/* ---- releases ------------------------------------------------------------------------------- */

static bool release(const struct world *w, const char *uri, struct plan_release *out)
{
	struct str name, message;
	for (size_t i = 0; i < machine_releases(w->m); i++)
		if (machine_release(w->m, i, &name, out, &message) && str_is(name, uri))
			return true;
	return false;
}

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

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
		SCENE(a_failure_is_told_once_and_tried_for_ever),
		SCENE(a_check_that_fails_is_made_again_quietly),
		SCENE(a_lost_service_is_applied_again_and_told),
		SCENE(a_nudge_during_a_check_is_not_lost),
		SCENE(messages_are_cut_between_characters),
		SCENE(a_stop_is_carried_out_and_told),
		SCENE(a_failed_apply_is_stopped_too),
		SCENE(destruction_wipes_tells_and_forgets),
		SCENE(a_slot_is_free_only_after_the_master_knows),
		SCENE(a_late_answer_does_not_free_the_next_instance),
		SCENE(a_partition_given_on_is_wiped_first),
		SCENE(two_wishes_during_a_step_are_both_seen),
		SCENE(a_version_applied_in_between_is_applied_again),
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
