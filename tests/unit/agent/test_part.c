/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Promises of a partition over rounds. Files in its home decide what is kept; the clock of the
 * rounds is the machine's plus an offset that the test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/deploy.h"
#include "agent/part.h"
#include "base/file.h"
#include "base/mem.h"
#include "fake_servers.h"

struct scene {
	char dir[64], socket[80];
	struct part p;
	struct ndb *n;
	struct arena *a;
	struct clock clock;
	int64_t ahead_ms;
	char message[CHECK_MESSAGE_SIZE];
	int64_t due_ms;
	bool is_kept;
};

static int64_t now(void *user)
{
	return clock_now_ms(clock_system()) + ((struct scene *)user)->ahead_ms;
}

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	const struct ndb_partition row = {0, S("p0"), 200000, S("127.0.0.1"), S("::1")};
	const struct netns_plan net = {.bridge = "hoc0000"};
	s = (struct scene){.dir = "/tmp/hoc-part-XXXXXX"};
	s.clock = (struct clock){now, now, &s};
	if (!mkdtemp(s.dir) || arena_new(16 << 20, &s.a, &e) < 0)
		return -1;
	(void)snprintf(s.socket, sizeof s.socket, "%s/socket", s.dir);
	*state = &s;
	if (ndb_open(s.dir, &s.n, &e) < 0 || part_init(&s.p, s.dir, &row, &net, &e) < 0)
		return -1;
	return file_mkdirs(s.p.home, 0755, &e);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	part_fini(&s->p);
	ndb_close(s->n);
	arena_free(s->a);
	return file_remove_tree(s->dir, &e);
}

static void take(struct scene *s, const char *guid, const char *spec)
{
	struct err e = ERR_INIT;
	const struct machine_wish w = {
		.guid = str_from(guid), .type = S("default"), .release = S("hoc:x")};
	if (part_take_spec(&s->p, &w, str_from(spec), clock_now_ms(&s->clock), &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
}

static void set_file(const struct scene *s, const char *name, bool is_there)
{
	const char *path = arena_fmt(s->a, "%s/%s", s->p.home, name).p;
	struct err e = ERR_INIT;
	if (is_there)
		assert_int_equal(file_write(path, S("x"), 0600, &e), 0);
	else
		(void)unlink(path);
}

/* A round; 1 if something was written. */
static int check(struct scene *s, bool is_test)
{
	struct err e = ERR_INIT;
	s->message[0] = 0;
	return part_check(&s->p, s->n, s->socket, &s->clock, is_test, 4, &s->is_kept,
			  &s->due_ms, s->message, &e);
}

/* The next round, when everything is due. */
static int round_later(struct scene *s)
{
	s->ahead_ms += 120000;
	return check(s, false);
}

static struct ndb_result *results(struct scene *s, size_t want)
{
	struct ndb_result *list;
	size_t n;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_results(s->n, S("inst-a"), 100, s->a, &list, &n, &e), 0);
	assert_int_equal(n, want);
	return list;
}

static enum part_promise_state state_of(const struct scene *s, const char *name)
{
	for (size_t i = 0; i < s->p.promise_count; i++)
		if (str_is(s->p.promises[i].spec->name, name))
			return s->p.promises[i].state;
	fail_msg("no promise %s", name);
	return PART_UNKNOWN;
}

#define FILE_PROMISE(name, more) "\"" name "\":{\"file\":{\"path\":\"" name "\"}" more "}"
#define ONE "{\"promises\":{" FILE_PROMISE("one", "") "}}"
#define WINDOW "{\"promises\":{" FILE_PROMISE("one", ",\"failures\":3") "}}"
#define SERVICE "\"services\":{\"web\":{\"exec\":[\"/bin/web\"]}}"

static void a_promise_moves_and_only_moves_are_written(void **state)
{
	struct scene *s = *state;
	set_file(s, "one", true);
	take(s, "inst-a", ONE);
	assert_int_equal(state_of(s, "one"), PART_UNKNOWN);
	assert_int_equal(check(s, true), 1);
	assert_true(s->is_kept);
	assert_int_equal(state_of(s, "one"), PART_KEPT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(round_later(s), 0);
	set_file(s, "one", false);
	assert_int_equal(round_later(s), 1);
	assert_false(s->is_kept);
	assert_string_equal(s->message, "promise one: file one is not there");
	assert_int_equal(state_of(s, "one"), PART_BROKEN);
	assert_int_equal(round_later(s), 0);
	set_file(s, "one", true);
	assert_int_equal(round_later(s), 1);
	const struct ndb_result *r = results(s, 3);
	assert_true(str_is(r[0].state, "kept"));
	assert_true(str_is(r[1].state, "broken"));
	assert_true(str_is(r[1].message, "file one is not there"));
	assert_true(str_is(r[2].state, "kept"));
	assert_true(r[0].at_ms >= r[1].at_ms && r[1].at_ms >= r[2].at_ms);
}

/* Not in what is written, nor in what the step says; an instance's end ends it. */
static void messages_tell_no_secret(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct str secrets[] = {S("gold-4711"), S("")};
	take(s, "inst-a", "{\"promises\":{" FILE_PROMISE("gold-4711", "") "}}");
	assert_int_equal(part_take_secrets(&s->p, secrets, 2, &e), 0);
	assert_int_equal(check(s, true), 1);
	const struct ndb_result *r = results(s, 1);
	assert_true(str_is(r[0].message, "file [secret] is not there"));
	assert_non_null(strstr(s->message, ": file [secret] is not there"));
	part_drop_spec(&s->p);
	assert_int_equal(s->p.secret_count, 0);
}

/* What an agent that starts anew reads back beside the spec. */
static void secrets_are_known_after_a_start(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct deploy d = {.clock = &s->clock};
	const struct machine_wish w = {
		.guid = S("inst-a"), .type = S("default"), .release = S("hoc:x")};
	const char *list = arena_fmt(s->a, "%s/secrets.json", s->p.dir).p;
	assert_int_equal(file_write(arena_fmt(s->a, "%s/spec.json", s->p.dir).p,
				    S("{\"promises\":{" FILE_PROMISE("gold-4711", "") "}}"),
				    0600, &e),
			 0);
	assert_int_equal(file_write(list, S("[\"gold-4711\"]"), 0600, &e), 0);
	assert_int_equal(deploy_restore(&d, &s->p, &w, &e), 0);
	assert_int_equal(check(s, true), 1);
	assert_true(str_is(results(s, 1)[0].message, "file [secret] is not there"));
	assert_int_equal(file_write(list, S("[\"gold"), 0600, &e), 0);
	assert_int_equal(deploy_restore(&d, &s->p, &w, &e), -1);
}

static void a_promise_is_asked_on_its_period(void **state)
{
	struct scene *s = *state;
	set_file(s, "one", true);
	take(s, "inst-a", ONE);
	int64_t before_ms = clock_now_ms(clock_system());
	assert_int_equal(check(s, true), 1);
	assert_in_range(s->due_ms, before_ms + 60000, before_ms + 90000);
	set_file(s, "one", false);
	assert_int_equal(check(s, false), 0); /* not due: not asked */
	assert_true(s->is_kept);
	s->ahead_ms = 61000 + 30000;
	before_ms = clock_now_ms(clock_system());
	assert_int_equal(check(s, false), 1);
	/* What is bad is asked again soon. */
	assert_in_range(s->due_ms, before_ms + 5000, before_ms + 30000);
}

static void a_window_forgives_until_it_is_full(void **state)
{
	struct scene *s = *state;
	set_file(s, "one", true);
	take(s, "inst-a", WINDOW);
	assert_int_equal(check(s, true), 1);
	set_file(s, "one", false);
	assert_int_equal(round_later(s), 0);
	assert_int_equal(round_later(s), 0);
	set_file(s, "one", true);
	assert_int_equal(round_later(s), 0); /* a good one empties it */
	set_file(s, "one", false);
	assert_int_equal(round_later(s), 0);
	assert_int_equal(round_later(s), 0);
	assert_int_equal(state_of(s, "one"), PART_KEPT);
	assert_int_equal(round_later(s), 1);
	assert_int_equal(state_of(s, "one"), PART_BROKEN);
	(void)results(s, 2);
}

/* Not known is not news. */
static void nothing_is_said_of_a_promise_that_is_not_known(void **state)
{
	struct scene *s = *state;
	take(s, "inst-a",
	     "{\"promises\":{" FILE_PROMISE("one", ",\"failures\":3,\"test\":false") "}}");
	assert_int_equal(check(s, true), 0);
	assert_true(s->is_kept);
	assert_int_equal(check(s, false), 0);
	assert_int_equal(state_of(s, "one"), PART_UNKNOWN);
	(void)results(s, 0);
}

static void tests_gate_and_anomalies_watch(void **state)
{
	struct scene *s = *state;
	take(s, "inst-a",
	     "{\"promises\":{" FILE_PROMISE("gate", ",\"anomaly\":false") "," FILE_PROMISE(
		     "watch", ",\"test\":false") "}}");
	set_file(s, "watch", true);
	assert_int_equal(check(s, true), 1);
	assert_false(s->is_kept);
	assert_int_equal(state_of(s, "gate"), PART_BROKEN);
	assert_int_equal(state_of(s, "watch"), PART_UNKNOWN);
	set_file(s, "gate", true);
	assert_int_equal(check(s, true), 1);
	assert_true(s->is_kept);
	set_file(s, "gate", false);
	assert_int_equal(round_later(s), 1);
	assert_true(s->is_kept);
	assert_int_equal(state_of(s, "gate"), PART_KEPT);
	assert_int_equal(state_of(s, "watch"), PART_KEPT);
}

static void a_deployment_that_settles_is_no_news(void **state)
{
	struct scene *s = *state;
	take(s, "inst-a", ONE);
	s->p.probe_until_ms = clock_now_ms(&s->clock) + 1000000;
	assert_int_equal(check(s, true), 0);
	assert_int_equal(check(s, true), 0);
	assert_false(s->is_kept);
	set_file(s, "one", true);
	assert_int_equal(check(s, true), 1);
	assert_true(str_is(results(s, 1)->state, "kept"));
	/* At the end of its patience it says so. */
	set_file(s, "one", false);
	assert_int_equal(check(s, true), 0);
	s->p.probe_until_ms = 0;
	assert_int_equal(check(s, true), 1);
	assert_true(str_is(results(s, 2)->state, "broken"));
}

/* ---- services ------------------------------------------------------------------------------- */

static void every_service_has_a_promise(void **state)
{
	struct scene *s = *state;
	take(s, "inst-a", "{" SERVICE "}");
	assert_int_equal(s->p.promise_count, 1);
	assert_int_equal(state_of(s, "service-web"), PART_UNKNOWN);
	take(s, "inst-a",
	     "{" SERVICE ",\"promises\":{\"mine\":{\"process\":{\"service\":\"web\"}}}}");
	assert_int_equal(s->p.promise_count, 1);
	assert_int_equal(state_of(s, "mine"), PART_UNKNOWN);
}

static void a_death_is_broken_at_its_moment_and_kept_when_up_again(void **state)
{
	struct scene *s = *state;
	struct fake_server supervisor;
	fake_supervisor_start(&supervisor, s->socket);
	set_file(s, "one", true);
	take(s, "inst-a", "{" SERVICE ",\"promises\":{" FILE_PROMISE("one", "") "}}");
	assert_int_equal(check(s, true), 1);
	(void)results(s, 2);
	part_add_incident(&s->p, S("web"), S("killed by signal 9"), 1795300000123);
	set_file(s, "one", false); /* every promise is asked at once */
	assert_int_equal(check(s, false), 1);
	fake_stop(&supervisor);
	const struct ndb_result *r = results(s, 5);
	size_t broken = 9, kept = 9;
	for (size_t i = 0; i < 3; i++) {
		if (!str_is(r[i].name, "service-web"))
			assert_true(str_is(r[i].state, "broken"));
		else if (str_is(r[i].state, "broken"))
			broken = i;
		else
			kept = i;
	}
	assert_true(kept < broken && broken < 9); /* newest first */
	assert_true(str_is(r[broken].message, "killed by signal 9"));
	assert_int_equal(r[broken].at_ms, 1795300000123);
	assert_int_equal(state_of(s, "service-web"), PART_KEPT);
	assert_int_equal(s->p.incident_count, 0);
}

static void incidents_have_a_maximum(void **state)
{
	struct scene *s = *state;
	struct fake_server supervisor;
	fake_supervisor_start(&supervisor, s->socket);
	take(s, "inst-a", "{" SERVICE "}");
	assert_int_equal(check(s, true), 1);
	for (int i = 0; i < 3 * PART_INCIDENTS_MAX; i++)
		part_add_incident(&s->p, i % 2 ? S("web") : S("unknown"), S("died"), 1000 + i);
	assert_int_equal(s->p.incident_count, PART_INCIDENTS_MAX);
	assert_int_equal(check(s, false), 1);
	fake_stop(&supervisor);
	(void)results(s, 1 + PART_INCIDENTS_MAX / 2 + 1);
}

struct deaths {
	struct part *p;
	atomic_bool is_over;
};

static void *die_often(void *user)
{
	struct deaths *d = user;
	for (int i = 0; i < 2000; i++)
		part_add_incident(d->p, S("web"), S("died"), i);
	atomic_store(&d->is_over, true);
	return NULL;
}

/* The loop adds incidents while a step's thread takes them. */
static void incidents_come_from_another_thread(void **state)
{
	struct scene *s = *state;
	struct deaths d = {.p = &s->p};
	pthread_t loop;
	set_file(s, "one", true);
	take(s, "inst-a", ONE);
	assert_int_equal(pthread_create(&loop, NULL, die_often, &d), 0);
	do
		assert_true(check(s, false) >= 0);
	while (!atomic_load(&d.is_over));
	assert_int_equal(pthread_join(loop, NULL), 0);
}

/* ---- repair --------------------------------------------------------------------------------- */

#define REPAIR(service) ",\"failures\":2,\"repair\":{\"restart\":\"" service "\"}"
#define TWO_REPAIRS \
	"{\"services\":{\"db\":{\"exec\":[\"/bin/db\"]},\"web\":{\"exec\":[\"/bin/web\"]}}," \
	"\"promises\":{" FILE_PROMISE("a", REPAIR("web")) "," FILE_PROMISE( \
		"b", REPAIR("web")) "," FILE_PROMISE("c", REPAIR("db")) "}}"

static void a_repair_is_given_once_for_each_service(void **state)
{
	struct scene *s = *state;
	struct fake_server supervisor;
	fake_supervisor_start(&supervisor, s->socket);
	set_file(s, "a", true);
	set_file(s, "b", true);
	set_file(s, "c", true);
	take(s, "inst-a", TWO_REPAIRS);
	assert_int_equal(check(s, true), 1);
	assert_null(part_repair(&s->p));
	set_file(s, "a", false);
	set_file(s, "b", false);
	set_file(s, "c", false);
	assert_int_equal(round_later(s), 0);
	assert_null(part_repair(&s->p)); /* the window is not full */
	assert_int_equal(round_later(s), 1);
	/* All three broke in one round: two services, whatever the order of asking. */
	assert_string_equal(part_repair(&s->p), "web");
	assert_int_equal(round_later(s), 0);
	assert_string_equal(part_repair(&s->p), "db");
	assert_null(part_repair(&s->p));
	assert_int_equal(round_later(s), 0);
	assert_null(part_repair(&s->p));
	/* Kept again, and broken again: another repair. */
	set_file(s, "b", true);
	(void)round_later(s);
	set_file(s, "b", false);
	(void)round_later(s);
	assert_null(part_repair(&s->p));
	(void)round_later(s);
	assert_string_equal(part_repair(&s->p), "web");
	fake_stop(&supervisor);
}

/* ---- specs over time ------------------------------------------------------------------------ */

static void states_outlive_a_new_version_not_a_new_instance(void **state)
{
	struct scene *s = *state;
	set_file(s, "one", true);
	take(s, "inst-a", ONE);
	assert_int_equal(check(s, true), 1);
	take(s, "inst-a",
	     "{\"promises\":{" FILE_PROMISE("one", ",\"period_seconds\":5") "," FILE_PROMISE(
		     "two", "") "}}");
	assert_int_equal(state_of(s, "one"), PART_KEPT);
	assert_int_equal(state_of(s, "two"), PART_UNKNOWN);
	take(s, "inst-b", ONE);
	assert_int_equal(state_of(s, "one"), PART_UNKNOWN);
	part_drop_spec(&s->p);
	assert_int_equal(s->p.promise_count, 0);
	assert_int_equal(check(s, false), 0);
	assert_true(s->due_ms == PLAN_NEVER);
}

static void after_a_rest_everything_is_told_again(void **state)
{
	struct scene *s = *state;
	set_file(s, "one", true);
	take(s, "inst-a", ONE);
	assert_int_equal(check(s, true), 1);
	part_rest(&s->p);
	assert_int_equal(state_of(s, "one"), PART_UNKNOWN);
	assert_int_equal(check(s, true), 1);
	(void)results(s, 2);
}

static void a_bad_spec_leaves_the_old_one(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct machine_wish w = {.guid = S("inst-a"), .type = S("default")};
	take(s, "inst-a", ONE);
	assert_int_equal(part_take_spec(&s->p, &w, S("{\"promises\":{\"x\":{}}}"), 1, &e), -1);
	assert_int_equal(part_take_spec(&s->p, &w, S("nonsense"), 1, &e), -1);
	assert_int_equal(s->p.promise_count, 1);
	assert_int_equal(state_of(s, "one"), PART_UNKNOWN);
}

static void promises_that_a_version_drops_are_taken_back(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct profile_spec fresh;
	take(s, "inst-a",
	     "{\"services\":{\"old\":{\"exec\":[\"/bin/x\"]},\"web\":{\"exec\":[\"/bin/x\"]}},"
	     "\"promises\":{" FILE_PROMISE("gone", "") "," FILE_PROMISE("one", "") "}}");
	assert_int_equal(
		profile_spec_read(S("{" SERVICE ",\"promises\":{" FILE_PROMISE("one", "") "}}"),
				  s->a, &fresh, &e),
		0);
	assert_int_equal(part_withdraw(&s->p, s->n, &fresh, 77, &e), 0);
	const struct ndb_result *r = results(s, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(str_is(r[i].state, "withdrawn"));
		assert_int_equal(r[i].at_ms, 77);
	}
	assert_true(str_is(r[0].name, "service-old"));
	assert_true(str_is(r[1].name, "gone"));
	part_drop_spec(&s->p);
	assert_int_equal(part_withdraw(&s->p, s->n, &fresh, 78, &e), 0);
	(void)results(s, 2);
}

/* ---- faults --------------------------------------------------------------------------------- */

/* A round that could not be written is told by the next one. */
static void a_failed_round_loses_no_news(void **state)
{
	struct scene *s = *state;
	unsigned long failed = 0;
	take(s, "inst-a", ONE);
	for (unsigned long n = 1;; n++) {
		struct ndb_result *list;
		size_t count = 0;
		struct err e = ERR_INIT;
		set_file(s, "one", true);
		(void)round_later(s);
		set_file(s, "one", false);
		(void)mem_fail_after(n);
		int rc = round_later(s);
		unsigned long used = mem_fail_after(0);
		failed += rc < 0;
		if (rc <= 0)
			(void)round_later(s);
		assert_int_equal(state_of(s, "one"), PART_BROKEN);
		assert_int_equal(ndb_results(s->n, S("inst-a"), 1, s->a, &list, &count, &e), 0);
		assert_int_equal(count, 1);
		assert_true(str_is(list[0].state, "broken"));
		arena_clear(s->a);
		if (used < n)
			break;
	}
	assert_true(failed > 3);
}

static void taking_a_spec_survives_every_failed_allocation(void **state)
{
	struct scene *s = *state;
	const struct machine_wish w = {.guid = S("inst-a"), .type = S("default")};
	take(s, "inst-a", ONE);
	for (unsigned long n = 1;; n++) {
		struct err e = ERR_INIT;
		(void)mem_fail_after(n);
		int rc = part_take_spec(&s->p, &w, S(WINDOW), 1, &e);
		unsigned long used = mem_fail_after(0);
		assert_int_equal(s->p.promise_count, 1);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
		if (used < n) {
			assert_int_equal(rc, 0);
			break;
		}
	}
}

static void a_part_that_cannot_be_made_leaves_nothing(void **state UNUSED)
{
	const struct ndb_partition row = {0, S("p0"), 200000, S("127.0.0.1"), S("::1")};
	const struct netns_plan net = {.bridge = "hoc0000"};
	for (unsigned long n = 1;; n++) {
		struct part p;
		struct err e = ERR_INIT;
		(void)mem_fail_after(n);
		int rc = part_init(&p, "/dir", &row, &net, &e);
		unsigned long used = mem_fail_after(0);
		if (rc == 0)
			part_fini(&p);
		else
			assert_int_equal(e.kind, ERR_MEMORY);
		if (used < n)
			break;
	}
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_promise_moves_and_only_moves_are_written),
		SCENE(messages_tell_no_secret),
		SCENE(secrets_are_known_after_a_start),
		SCENE(a_promise_is_asked_on_its_period),
		SCENE(a_window_forgives_until_it_is_full),
		SCENE(nothing_is_said_of_a_promise_that_is_not_known),
		SCENE(tests_gate_and_anomalies_watch),
		SCENE(a_deployment_that_settles_is_no_news),
		SCENE(every_service_has_a_promise),
		SCENE(a_death_is_broken_at_its_moment_and_kept_when_up_again),
		SCENE(incidents_have_a_maximum),
		SCENE(incidents_come_from_another_thread),
		SCENE(a_repair_is_given_once_for_each_service),
		SCENE(states_outlive_a_new_version_not_a_new_instance),
		SCENE(after_a_rest_everything_is_told_again),
		SCENE(a_bad_spec_leaves_the_old_one),
		SCENE(promises_that_a_version_drops_are_taken_back),
		SCENE(a_failed_round_loses_no_news),
		SCENE(taking_a_spec_survives_every_failed_allocation),
		cmocka_unit_test(a_part_that_cannot_be_made_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
