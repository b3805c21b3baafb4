/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake_world.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

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

bool was(const struct world *w, const char *what)
{
	return strstr(w->journal, what) != NULL;
}

unsigned times(const struct world *w, const char *what)
{
	unsigned n = 0;
	for (const char *p = strstr(w->journal, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

void forget_journal(struct world *w)
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

void build_world(struct world *w, size_t steps_max)
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

int set_up(void **state)
{
	static struct world w;
	build_world(&w, 2);
	*state = &w;
	return 0;
}

int tear_down(void **state)
{
	struct world *w = *state;
	machine_free(w->m);
	return 0;
}

void start(struct world *w, bool is_alone)
{
	struct err e = ERR_INIT;
	assert_int_equal(
		machine_start(w->m, S("{\"format\":1}"), S("{\"title\":\"n1\"}"), is_alone, &e),
		0);
}

/* ---- the master ----------------------------------------------------------------------------- */

struct pending *pending(struct world *w, const char *path)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (w->pending[i].token && strstr(w->pending[i].path, path))
			return &w->pending[i];
	return NULL;
}

void answer(struct world *w, struct pending *p, int status, const char *body)
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
bool master_once(struct world *w)
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

void end_step_as(struct world *w, size_t slot, const struct machine_result *r)
{
	assert_true(w->steps[slot].is_busy);
	w->steps[slot].is_busy = false;
	w->steps_now--;
	machine_step_done(w->m, slot, w->steps[slot].kind, r);
}

void end_step(struct world *w, size_t slot, enum plan_outcome outcome)
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

void end_build(struct world *w, size_t i, bool is_ok)
{
	assert_true(w->builds[i].is_busy);
	w->builds[i].is_busy = false;
	machine_release_done(w->m, i, w->builds[i].kind, is_ok, S("no such package"));
}

bool hands_once(struct world *w)
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

void pass_time(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	machine_tick(w->m);
}

enum { ROUNDS_MAX = 2000 };

/* Only the master works. */
void run_master(struct world *w)
{
	unsigned rounds = 0;
	while (master_once(w))
		assert_true(++rounds < ROUNDS_MAX); /* no endless conversation */
}

/* Master and hands work until nothing is left at this moment. */
void run(struct world *w)
{
	unsigned rounds = 0;
	while (master_once(w) || hands_once(w))
		assert_true(++rounds < ROUNDS_MAX);
}

/* The master has news. */
void news(struct world *w, const char *changed, bool has_supplies)
{
	w->sequence++;
	w->is_reset = false;
	w->changed = changed;
	w->has_new_supplies = has_supplies;
}

void deploy_one(struct world *w)
{
	w->instances[0] = (struct fake_instance){"inst-a", "started", "p0", R1, NULL, 1};
	w->supplies = "{\"software_release_uri\":\"" R1 "\",\"state\":\"available\"}";
	start(w, false);
	run(w);
}

const struct plan_partition *facts(const struct world *w, size_t slot)
{
	return machine_facts(w->m, slot);
}

void assert_deployed(const struct world *w, size_t slot)
{
	assert_int_equal(facts(w, slot)->told, PLAN_TOLD_STARTED);
	assert_int_equal(facts(w, slot)->told_version, facts(w, slot)->version);
	assert_int_equal(facts(w, slot)->failures, 0);
	assert_true(machine_is_settled(w->m));
}

void change(struct world *w, size_t i, const char *state_name)
{
	static char name[8][40];
	w->instances[i].state = state_name;
	(void)snprintf(name[i], sizeof name[i], "\"%s\"", w->instances[i].guid);
	news(w, name[i], false);
}

bool release(const struct world *w, const char *uri, struct plan_release *out)
{
	struct str name, message;
	for (size_t i = 0; i < machine_releases(w->m); i++)
		if (machine_release(w->m, i, &name, out, &message) && str_is(name, uri))
			return true;
	return false;
}
