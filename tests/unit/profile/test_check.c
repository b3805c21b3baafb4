/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "json/json.h"
#include "profile/check.h"

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

/* The profiles of this repository (tests run at its top) pass their own lint. */
static void the_profiles_here_are_fine(void **state)
{
	struct world *w = *state;
	static const char *const paths[] = {
		"profiles/nginx/profile.jsonnet",
		"profiles/postgresql/profile.jsonnet",
		"profiles/redis/profile.jsonnet",
	};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct profile_bundle b;
		struct profile_findings f;
		struct err e = ERR_INIT;
		if (profile_bundle_collect(paths[i], NULL, w->a, &b, &e) < 0)
			fail_msg("%s: %s", paths[i], e.text);
		assert_int_equal(profile_check(w->ev, &b, w->a, &f, &e), 0);
		for (size_t k = 0; k < f.count; k++)
			print_message("%s: %" STR_F ": %" STR_F "\n", paths[i],
				      STR_A(f.items[k].path), STR_A(f.items[k].text));
		assert_int_equal(f.count, 0);
	}
}

static void check_text(struct world *w, const char *text, struct profile_findings *f)
{
	struct profile_bundle b;
	struct err e = ERR_INIT;
	struct buf json CLEAN(buf_fini) = BUF_INIT(1 << 20);
	buf_add(&json, S("{\"name\":\"x\",\"entry\":\"profile.jsonnet\",\"files\":{\"profile."
			 "jsonnet\":"));
	json_write_str(str_from(text), &json);
	buf_add(&json, S("}}"));
	assert_int_equal(profile_bundle_parse(buf_str(&json), w->a, &b, &e), 0);
	assert_int_equal(profile_check(w->ev, &b, w->a, f, &e), 0);
}

#define BASE \
	"{ name: 'x', title: 'X', category: 'web', description: 'd'," \
	" software: { debian: { suite: 'bookworm', packages: ['bash'] } }, types: { default: "
#define TYPE(text) BASE "{" text "} } }"
#define SERVICE \
	"services: { s: { exec: ['/s'] } }, promises: { p: { process: { service: 's' } } }"

static void mistakes_are_found_with_their_path(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *text, *path;
		size_t errors;
	} cases[] = {
		{TYPE("instance(i):: {" SERVICE "}"), NULL, 0},
		{"{ name: error 'no' }", "", 1},
		{"{ name: 'x' }", "title", 1},
		{TYPE("instance(i):: {}"), NULL, 0},
		{TYPE("parameters: { properties: { a: { type: 'strin' } } }, instance(i):: {}"),
		 "types.default.parameters.properties.a.type", 1},
		{TYPE("connection: { type: 7 }, instance(i):: {}"),
		 "types.default.connection.type", 1},
		{TYPE("parameters: { properties: { a: { type: 'integer', default: 'x' } } }, "
		      "instance(i):: {}"),
		 "types.default.defaults.parameters.a", 1},
		{TYPE("parameters: { properties: { a: {} }, required: ['a'] }, instance(i):: "
		      "{}"),
		 "types.default.defaults", 0},
		{TYPE("parameters: { properties: { a: {} }, required: ['a'], examples: [{ a: 1 "
		      "}] },"
		      "instance(i):: { publish: { x: i.parameters.a } }"),
		 "types.default.instance().publish.x", 1},
		{TYPE("hidden:: 1"), "types.default.instance()", 1},
		{TYPE("instance(i):: { a: i.nothing }"), "types.default.instance()", 1},
		{TYPE("instance(i):: { services: { s: { exec: ['/s'] } } }"),
		 "types.default.instance().promises", 1},
		{TYPE("connection: { properties: { url: {} }, required: ['url'] }, "
		      "instance(i):: {" SERVICE "}"),
		 "types.default.instance().publish.url", 1},
		{TYPE("connection: { properties: { url: {} } }, instance(i):: {" SERVICE
		      ", publish: { u: 'x' } }"),
		 "types.default.instance().publish.u", 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_findings f;
		check_text(w, cases[i].text, &f);
		const char *path = f.count ? arena_cstr(w->a, f.items[0].path) : NULL;
		const char *text = f.count ? arena_cstr(w->a, f.items[0].text) : "";
		if (profile_findings_errors(&f) != cases[i].errors || !path != !cases[i].path ||
		    (path && strcmp(path, cases[i].path) != 0))
			fail_msg("%s: %s: %s", cases[i].text, path ? path : "nothing", text);
	}
}

static void another_name_than_the_folder_is_found(void **state)
{
	struct world *w = *state;
	struct profile_findings f;
	check_text(w,
		   "{ name: 'y', title: 'X', category: 'web', software: { debian: { suite: "
		   "'bookworm', packages: "
		   "['bash'] } }, types: { other: { instance(i):: {} } } }",
		   &f);
	assert_int_equal(f.count, 3); /* name, no description, no type "default" */
	assert_int_equal(profile_findings_errors(&f), 1);
	assert_true(str_is(f.items[0].path, "name"));
}

/* This program is its own evaluator. */
int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(the_profiles_here_are_fine),
		WITH_WORLD(mistakes_are_found_with_their_path),
		WITH_WORLD(another_name_than_the_folder_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
