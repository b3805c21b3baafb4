/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "json/json.h"

static int setup(void **state)
{
	struct err e = ERR_INIT;
	return arena_new((size_t)8 << 20, (struct arena **)state, &e);
}

static int teardown(void **state)
{
	(void)arena_free(*state);
	return 0;
}

static struct json *parsed(struct arena *a, const char *text)
{
	struct err e = ERR_INIT;
	struct json *j = NULL;
	if (json_parse(str_from(text), a, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static void texts_come_back_sorted_and_short(void **state)
{
	static const struct {
		const char *text, *compact, *canonical;
	} cases[] = {
		{" null ", "null", "null"},
		{"true", "true", "true"},
		{"-9223372036854775808", "-9223372036854775808", "-9223372036854775808"},
		{"-0", "0", "0"},
		{"0.1", "0.1", "0.1"},
		{"1.0", "1.0", "1"},
		{"-0.0", "-0.0", "0"},
		{"1e3", "1000.0", "1000"},
		{"1e300", "1e+300", "1e+300"},
		{"0.30000000000000004", "0.30000000000000004", "0.30000000000000004"},
		{"\"\\u00e9\\n\\\"\\/\\u0001\"", "\"é\\n\\\"/\\u0001\"",
		 "\"é\\n\\\"/\\u0001\""},
		{"\"\\ud834\\udd1e\"", "\"𝄞\"", "\"𝄞\""},
		{"{ \"b\" : [ ] , \"a\" : { } , \"\" : 1 }", "{\"\":1,\"a\":{},\"b\":[]}",
		 "{\"\":1,\"a\":{},\"b\":[]}"},
		{"{\"a\":1,\"aa\":2,\"A\":3,\"é\":4}", "{\"A\":3,\"a\":1,\"aa\":2,\"é\":4}",
		 "{\"A\":3,\"a\":1,\"aa\":2,\"é\":4}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b CLEAN(buf_fini) = BUF_INIT(1000),
			     c CLEAN(buf_fini) = BUF_INIT(1000);
		struct json *j = parsed(*state, cases[i].text);
		json_write(j, &b);
		json_write_canonical(j, &c);
		assert_string_equal(b.p, cases[i].compact);
		assert_string_equal(c.p, cases[i].canonical);
		assert_true(json_is_equal(j, parsed(*state, b.p)));
		assert_true(str_is(json_text(json_dup_tree(*state, j), *state), b.p));
	}
}

static void bad_text_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "line 1"},
		{"{", "line 1"},
		{"[1,]", "column 4"},
		{"{\"a\":1,\n\"a\":2}", "line 2, column 3: duplicate"},
		{"[1] 2", "end of file expected"},
		{"NaN", "line 1"},
		{"[Infinity]", "line 1"},
		{"[1e999]", "overflow"},
		{"9223372036854775808", "too big"},
		{"'a'", "line 1"},
		{"\"\\u0000\"", "NUL"},
		{"{\"\\u0000\":1}", "NUL"},
		{"\"\\ud834\"", "line 1"},
		{"\"\xC0\x80\"", "decode byte 0xc0"},
		{"\"a\nb\"", "line 1"},
		{"01", "line 1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct json *j = NULL;
		assert_int_equal(json_parse(str_from(cases[i].text), *state, &j, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_null(j);
		if (!strstr(e.text, cases[i].said))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

static void depth_ends_at_its_maximum(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		struct err e = ERR_INIT;
		struct json *j = NULL;
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		int rc = json_parse(str_of(text, 2 * depth), *state, &j, &e);
		assert_int_equal(rc, depth > JSON_DEPTH_MAX ? -1 : 0);
		assert_true(rc == 0 || strstr(e.text, "column 65: nested deeper than 64"));
		assert_true(rc < 0 || json_text(j, *state).n == 2 * depth);
	}
	struct json *deep = json_array_new(*state);
	for (int i = 0; i < JSON_DEPTH_MAX; i++) {
		struct json *up = json_array_new(*state);
		json_add(*state, up, deep);
		deep = up;
	}
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	json_write(deep, &b);
	assert_true(b.has_failed);
	assert_null(json_dup_tree(*state, deep));
	assert_false(json_is_equal(deep, deep));
}

static void size_is_charged_before_reading(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct json *j = NULL;
	char text[3001];
	memset(text, ',', sizeof text);
	text[0] = '[';
	assert_int_equal(arena_new(50000, &a, &e), 0);
	assert_int_equal(json_parse(str_of(text, sizeof text), a, &j, &e), -1);
	assert_int_equal(e.kind, ERR_MEMORY);
}

static void nul_is_read_on_request(void **state)
{
	struct err e = ERR_INIT;
	struct json *j = NULL;
	assert_int_equal(json_parse_nul(S("\"a\\u0000b\""), *state, &j, &e), 0);
	assert_true(str_eq(j->str, S("a\0b")));
	assert_true(str_is(json_text(j, *state), "\"a\\u0000b\""));
}

static void members_stay_sorted_while_building(void **state)
{
	struct arena *a = *state;
	struct json *o = json_object_new(a), *list = json_array_new(a);
	for (int i = 0; i < 100; i++)
		json_set_i64(a, o, arena_fmt(a, "%d", i * 37 % 100), i);
	assert_int_equal(json_count(o), 100);
	for (size_t i = 1; i < o->n; i++)
		assert_true(str_cmp(o->members[i - 1].key, o->members[i].key) < 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(json_i64_of(json_get(o, arena_fmt(a, "%d", i * 37 % 100)), -1),
				 i);
	json_set_str(a, o, S("5"), S("five"));
	json_set_bool(a, o, S("7"), true);
	json_unset(o, S("6"));
	json_unset(o, S("600"));
	assert_int_equal(json_count(o), 99);
	assert_null(json_get(o, S("6")));
	assert_true(str_is(json_str_of(json_get(o, S("5")), S("")), "five"));
	assert_true(json_bool_of(json_get(o, S("7")), false));
	for (int i = 0; i < 9; i++)
		json_add_str(a, list, S("x"));
	json_add(a, list, json_real_new(a, 1.0 / 0.0));
	assert_int_equal(json_count(list), 10);
	assert_true(json_is(json_at(list, 9), JSON_IS_NULL));
	assert_null(json_at(list, 10));
}

static void builders_take_a_failed_arena(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(200, &a, &e), 0);
	struct json *o = json_object_new(a);
	for (int i = 0; i < 20; i++)
		json_set_str(a, o, arena_fmt(a, "%d", i), S("text"));
	json_add(a, json_array_new(a), json_null_new(a));
	assert_int_equal(arena_check(a, &e), -1);
	assert_true(json_count(o) < 20);
	assert_true(str_is(json_text(o, a), ""));
}

static void equality_is_by_value(void **state)
{
	static const struct {
		const char *x, *y;
		bool want;
	} cases[] = {
		{"1", "1.0", true},
		{"0", "-0.0", true},
		{"1", "true", false},
		{"9007199254740993", "9007199254740992.0", false},
		{"[1,2]", "[2,1]", false},
		{"{\"a\":1,\"b\":2}", "{\"b\":2.0,\"a\":1}", true},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"[]", "{}", false},
		{"\"a\"", "\"b\"", false},
		{"0.5", "0.5", true},
		{"null", "false", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			json_is_equal(parsed(*state, cases[i].x), parsed(*state, cases[i].y)),
			cases[i].want);
	assert_true(json_is_equal(NULL, NULL));
	assert_false(json_is_equal(NULL, parsed(*state, "null")));
}

static void paths_lead_where_they_say(void **state)
{
	struct json *j =
		parsed(*state, "{\"services\":{\"pg\":{\"exec\":[\"a\",\"b\",{\"x\":7}]}},"
			       "\"files\":{\"etc/x.conf\":{\"mode\":\"0600\"}}}");
	static const struct {
		const char *path, *want;
	} cases[] = {
		{"services.pg.exec[1]", "\"b\""},
		{"services.pg.exec[2].x", "7"},
		{"files[\"etc/x.conf\"].mode", "\"0600\""},
		{"services.pg.exec[3]", NULL},
		{"services.pg.exec[x]", NULL},
		{"services.pg.exec[1", NULL},
		{"services..pg", NULL},
		{".services", NULL},
		{"services.pg.", NULL},
		{"services.pg.exec.x", NULL},
		{"files.etc/x.conf", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *at = json_path(j, str_from(cases[i].path));
		if (cases[i].want)
			assert_true(str_is(json_text(at, *state), cases[i].want));
		else
			assert_null(at);
	}
	assert_ptr_equal(json_path(j, S("")), j);
	assert_null(json_path(NULL, S("a")));
}

static void accessors_fall_back(void **state)
{
	struct json *j = parsed(*state, "{\"s\":\"x\",\"i\":3,\"r\":2.5,\"w\":4.0,\"b\":true}");
	assert_int_equal(json_i64_of(json_get(j, S("w")), 0), 4);
	assert_int_equal(json_i64_of(json_get(j, S("r")), 9), 9);
	assert_int_equal(json_i64_of(json_get(j, S("none")), 9), 9);
	assert_true(json_real_of(json_get(j, S("i")), 0) == 3.0);
	assert_true(json_real_of(json_get(j, S("s")), 1.5) == 1.5);
	assert_true(str_is(json_str_of(json_get(j, S("i")), S("no")), "no"));
	assert_false(json_bool_of(json_get(j, S("s")), false));
	assert_null(json_get(json_get(j, S("s")), S("s")));
	assert_int_equal(json_count(NULL), 0);
	assert_string_equal(json_kind_name(JSON_IS_OBJECT), "object");
}

static void pretty_text_has_two_spaces_a_level(void **state)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	json_write_pretty(parsed(*state, "{\"a\":[1,{}],\"b\":[]}"), &b);
	assert_string_equal(b.p, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(texts_come_back_sorted_and_short),
		T(bad_text_is_refused_with_its_place),
		T(depth_ends_at_its_maximum),
		T(size_is_charged_before_reading),
		T(nul_is_read_on_request),
		T(members_stay_sorted_while_building),
		T(builders_take_a_failed_arena),
		T(equality_is_by_value),
		T(paths_lead_where_they_say),
		T(accessors_fall_back),
		T(pretty_text_has_two_spaces_a_level),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
