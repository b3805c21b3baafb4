/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"
#include "profile/eval.h"

struct world {
	struct arena *a;
	struct profile_eval *ev;
};

static int set_up(void **state)
{
	static struct world w;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(64 << 20, &w.a, &e), 0);
	assert_int_equal(profile_eval_new(NULL, &w.ev, &e), 0);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	w->ev = profile_eval_free(w->ev);
	w->a = arena_free(w->a);
	return 0;
}

/* A bundle of one file. */
static struct profile_bundle bundle_of(struct arena *a, const char *text)
{
	struct profile_bundle b;
	struct err e = ERR_INIT;
	struct buf json CLEAN(buf_fini) = BUF_INIT(1 << 20);
	buf_add(&json, S("{\"name\":\"x\",\"entry\":\"profile.jsonnet\",\"files\":{\"profile."
			 "jsonnet\":"));
	json_write_str(str_from(text), &json);
	buf_add(&json,
		S(",\"lib/part.libsonnet\":\"{answer: 42, inner: import 'inner.libsonnet'}\","
		  "\"lib/inner.libsonnet\":\"'deep'\"}}"));
	assert_int_equal(profile_bundle_parse(buf_str(&json), a, &b, &e), 0);
	return b;
}

static int manifest(struct world *w, const char *text, struct str *out, struct err *e)
{
	struct profile_bundle b = bundle_of(w->a, text);
	return profile_eval_manifest(w->ev, &b, w->a, out, e);
}

static const char good[] = "local part = import 'lib/part.libsonnet';\n"
			   "{ name: 'x', hidden:: 1, part: part,\n"
			   "  types: { default: { instance(i):: { sum: i.a + i.b, text: "
			   "std.join(',', i.list) } } } }";

static void the_manifest_is_what_is_visible(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	struct json *tree;
	assert_int_equal(manifest(w, good, &out, &e), 0);
	assert_int_equal(json_parse(out, w->a, &tree, &e), 0);
	assert_null(json_get(tree, S("hidden")));
	assert_int_equal(json_i64_of(json_path(tree, S("part.answer")), 0), 42);
	assert_true(str_is(json_str_of(json_path(tree, S("part.inner")), S("")), "deep"));
	assert_int_equal(json_count(json_path(tree, S("types.default"))), 0);
}

static void an_instance_is_a_function_of_its_input(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	struct profile_bundle b = bundle_of(w->a, good);
	static const struct {
		const char *input, *want;
	} cases[] = {
		{"{\"a\":1,\"b\":2,\"list\":[\"x\",\"y\"]}", "{\"sum\": 3, \"text\": \"x,y\"}"},
		{"{\"a\":\"p\",\"b\":\"q\",\"list\":[]}", "{\"sum\": \"pq\", \"text\": \"\"}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(profile_eval_instance(w->ev, &b, S("default"),
						       str_from(cases[i].input), w->a, &out,
						       &e),
				 0);
		assert_true(str_is(out, cases[i].want));
	}
}

static void equal_questions_are_answered_from_memory(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	struct profile_bundle b = bundle_of(w->a, good);
	const struct str inputs[] = {S("{\"a\":1,\"b\":2,\"list\":[]}"),
				     S(" {\"list\":[], \"b\":2,\"a\":1.0}")};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			profile_eval_instance(w->ev, &b, S(""), inputs[i], w->a, &out, &e), 0);
	struct profile_eval_stats s = profile_eval_stats(w->ev);
	assert_int_equal(s.questions, 2);
	assert_int_equal(s.cache_hits, 1);
	assert_int_equal(s.children_started, 1);
}

static void a_warm_child_is_used_again_and_trimmed(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	struct profile_bundle b = bundle_of(w->a, good);
	assert_int_equal(profile_eval_warm(w->ev, &b, &e), 0);
	for (int i = 0; i < 50; i++) {
		struct str input = arena_fmt(w->a, "{\"a\":%d,\"b\":2,\"list\":[]}", i);
		assert_int_equal(profile_eval_instance(w->ev, &b, S(""), input, w->a, &out, &e),
				 0);
	}
	struct profile_eval_stats s = profile_eval_stats(w->ev);
	assert_int_equal(s.children_started, 1);
	assert_int_equal(s.warm_hits, 50);
	profile_eval_trim(w->ev, 3600 * 1000);
	assert_int_equal(profile_eval_stats(w->ev).idle_children, 1);
	profile_eval_trim(w->ev, 0);
	assert_int_equal(profile_eval_stats(w->ev).idle_children, 0);
}

static void a_child_is_replaced_after_its_last_question(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	struct profile_bundle b = bundle_of(w->a, good);
	for (int i = 0; i < 1003; i++) {
		struct str input = arena_fmt(w->a, "{\"a\":%d,\"b\":2,\"list\":[]}", i);
		assert_int_equal(profile_eval_instance(w->ev, &b, S(""), input, w->a, &out, &e),
				 0);
	}
	assert_int_equal(profile_eval_stats(w->ev).children_started, 2);
}

static void idle_children_are_few(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	for (int i = 0; i < 7; i++)
		assert_int_equal(manifest(w, arena_fmt(w->a, "{ name: %d }", i).p, &out, &e),
				 0);
	assert_int_equal(profile_eval_stats(w->ev).idle_children, 4);
}

/* Everything a stranger's profile may try. None may take the parent along, or more than limits. */
static void a_bad_profile_is_an_error_with_its_place(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"{\n  a: error 'no' }", "profile.jsonnet:2:6"},
		{"{ a: ", "profile.jsonnet:1:"},
		{"{ a: unknown }", "profile.jsonnet:1:6-13: Unknown variable: unknown"},
		{"importstr '/etc/passwd'", "not in the profile's bundle"},
		{"import '../../../../etc/passwd'", "not in the profile's bundle"},
		{"importstr 'lib/../../secret'", "not in the profile's bundle"},
		{"local f(n) = 1 + f(n + 1); { a: f(0) }", "max stack frames"},
		{"[1, 2]", "must be an object"},
		{"'text'", "must be an object"},
		{"null", "must be an object"},
		{"{ a: std.native('next')('x') }", "profile.jsonnet:1:"},
		{"{ a: std.native('answer')('{}') }", "profile.jsonnet:1:"},
		{"function(x) x", "must be an object"},
		{"{ a: function(x) x }", "function"},
		{"local f(n) = if n == 0 then 0 else f(n - 1) tailstrict; { a: f(1e15) }",
		 /* of CPU, or of the clock on a busy machine */ "seconds"},
		{"{ a: std.length(std.makeArray(300000000, function(i) i)) }", "memory"},
		{"local d(s, n) = if n == 0 then s else d(s + s, n - 1) tailstrict; { a: "
		 "d('0123456789', 29) }",
		 /* memory, or the clock where memory is slow to fail */ "the profile "},
		{"local d(s, n) = if n == 0 then s else d(s + s, n - 1) tailstrict; local s = "
		 "d('0123456789', 13);"
		 "{ a: [s for i in std.range(1, 14)] }",
		 "larger than 1 MiB"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct str out;
		int rc = manifest(w, cases[i].text, &out, &e);
		if (rc != -1 || e.kind != ERR_INVALID || !strstr(e.text, cases[i].want))
			fail_msg("%s: rc %d, %s, wanted \"%s\"", cases[i].text, rc, e.text,
				 cases[i].want);
	}
	assert_int_equal(profile_eval_stats(w->ev).idle_children, 0);
}

static void deep_nesting_ends_the_child_only(void **state)
{
	struct world *w = *state;
	struct buf text CLEAN(buf_fini) = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	struct str out;
	for (int i = 0; i < 400000; i++)
		buf_add_c(&text, '[');
	assert_int_equal(manifest(w, text.p, &out, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	err_clear(&e);
	assert_int_equal(manifest(w, good, &out, &e), 0);
}

static void bad_instances_name_the_place(void **state)
{
	struct world *w = *state;
	struct profile_bundle b = bundle_of(w->a, "{ types: { default: { instance(i):: { x: "
						  "i.missing } }, list: { instance(i):: [1] }, "
						  "none: {} } }");
	static const struct {
		const char *type, *want;
	} cases[] = {
		{"default", "profile.jsonnet:1:"},
		{"list", "instance() must be an object"},
		{"none", "instance"},
		{"other", "the profile has no type other"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct str out;
		int rc = profile_eval_instance(w->ev, &b, str_from(cases[i].type), S("{}"),
					       w->a, &out, &e);
		assert_int_equal(rc, -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, cases[i].want));
	}
}

static void bad_input_is_refused_before_it_is_asked(void **state)
{
	struct world *w = *state;
	struct profile_bundle b = bundle_of(w->a, good);
	static const char *const inputs[] = {"", "[]", "{", "{} {}",
					     "{\"a\":1},\"op\":\"manifest\""};
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		struct err e = ERR_INIT;
		struct str out;
		assert_int_equal(profile_eval_instance(w->ev, &b, S(""), str_from(inputs[i]),
						       w->a, &out, &e),
				 -1);
		assert_int_equal(e.kind, ERR_INVALID);
	}
	assert_int_equal(profile_eval_stats(w->ev).children_started, 0);
}

static void a_program_that_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	static const struct profile_eval_options options = {.program = "/nonexistent/hoc"};
	struct profile_eval *ev CLEAN(profile_eval_freep) = NULL;
	struct profile_bundle b = bundle_of(w->a, good);
	struct err e = ERR_INIT;
	struct str out;
	assert_int_equal(profile_eval_new(&options, &ev, &e), 0);
	assert_int_equal(profile_eval_manifest(ev, &b, w->a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent/hoc"));
}

struct asker {
	struct profile_eval *ev;
	const struct profile_bundle *b;
	int number;
	atomic_int *good;
};

static void *ask_often(void *user)
{
	struct asker *k = user;
	struct arena *a = NULL;
	struct err e = ERR_INIT;
	struct str out;
	if (arena_new(8 << 20, &a, &e) < 0)
		return NULL;
	for (int i = 0; i < 20; i++) {
		struct str input =
			arena_fmt(a, "{\"a\":%d,\"b\":%d,\"list\":[]}", k->number * 100, i);
		struct str want =
			arena_fmt(a, "{\"sum\": %d, \"text\": \"\"}", k->number * 100 + i);
		if (profile_eval_instance(k->ev, k->b, S(""), input, a, &out, &e) == 0 &&
		    str_eq(out, want))
			atomic_fetch_add(k->good, 1);
	}
	arena_free(a);
	return NULL;
}

static void many_threads_ask_at_once(void **state)
{
	struct world *w = *state;
	struct profile_bundle b = bundle_of(w->a, good);
	atomic_int right = 0;
	pthread_t threads[4];
	struct asker askers[4];
	for (int i = 0; i < 4; i++) {
		askers[i] = (struct asker){w->ev, &b, i, &right};
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(right, 80);
}

/* This program is its own evaluator. */
int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(the_manifest_is_what_is_visible),
		WITH_WORLD(an_instance_is_a_function_of_its_input),
		WITH_WORLD(equal_questions_are_answered_from_memory),
		WITH_WORLD(a_warm_child_is_used_again_and_trimmed),
		WITH_WORLD(a_child_is_replaced_after_its_last_question),
		WITH_WORLD(idle_children_are_few),
		WITH_WORLD(a_bad_profile_is_an_error_with_its_place),
		WITH_WORLD(deep_nesting_ends_the_child_only),
		WITH_WORLD(bad_instances_name_the_place),
		WITH_WORLD(bad_input_is_refused_before_it_is_asked),
		WITH_WORLD(a_program_that_is_not_there_is_named),
		WITH_WORLD(many_threads_ask_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
