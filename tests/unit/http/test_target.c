/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/target.h"

/* "a|b c" for the segments "a" and "b c", "NAME=VALUE;" for each parameter after a '?'. */
static void describe(const struct http_target *t, struct buf *b)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		buf_add(b, i ? S("|") : S(""));
		buf_add(b, t->segments[i]);
	}
	if (t->query)
		buf_add(b, S("?"));
	for (size_t i = 0; i < t->query_count; i++)
		buf_addf(b, "%.*s=%.*s;", STR_A(t->query[i].name), STR_A(t->query[i].value));
}

static const struct {
	const char *raw;
	const char *want;  /* NULL: refused */
	const char *field; /* of the refusal */
} cases[] = {
	{"/", "", NULL},
	{"/v1/nodes", "v1|nodes", NULL},
	{"/v1/nodes/", "v1|nodes|", NULL},
	{"//a", "|a", NULL},
	{"/a%2Fb/c", "a/b|c", NULL},
	{"/n%C3%A9", "n\xC3\xA9", NULL},
	{"/%7Ea/~b", "~a|~b", NULL},
	{"/a+b?c+d=e+f", "a+b?c d=e f;", NULL},
	{"/%2541", "%41", NULL},
	{"/a?", "a?", NULL},
	{"/a?&&x=1&", "a?x=1;", NULL},
	{"/a?x", "a?x=;", NULL},
	{"/a?x=1&x=2", "a?x=1;x=2;", NULL},
	{"/a?x=1=2", "a?x=1=2;", NULL},
	{"/a?u=http://b/c?d", "a?u=http://b/c?d;", NULL},
	{"/a?m=one%0Atwo", "a?m=one\ntwo;", NULL},
	{"http://host:1/a/b?c=d", "a|b?c=d;", NULL},
	{"http://host", "", NULL},
	{"", NULL, "path"},
	{"*", NULL, "path"},
	{"v1", NULL, "path"},
	{"/%", NULL, "path"},
	{"/%4", NULL, "path"},
	{"/%4g", NULL, "path"},
	{"/%G4", NULL, "path"},
	{"/% 41", NULL, "path"},
	{"/%00", NULL, "path"},
	{"/a%0Ab", NULL, "path"},
	{"/%7F", NULL, "path"},
	{"/%FF", NULL, "path"},
	{"/%C0%AF", NULL, "path"},
	{"/\xE9", NULL, "path"},
	{"/%ED%A0%80", NULL, "path"},
	{"/a/../b", NULL, "path"},
	{"/a/%2e%2E/b", NULL, "path"},
	{"/./b", NULL, "path"},
	{"/a b", NULL, "path"},
	{"/a?b c", NULL, "path"},
	{"/a?b\tc", NULL, "path"},
	{"/a#b", NULL, "path"},
	{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL, "path"},
	{"/a?x=%", NULL, "query"},
	{"/a?%zz=1", NULL, "query"},
	{"/a?x=%00", NULL, "query"},
	{"/a?x=%FE", NULL, "query"},
};

static void targets_are_read_or_refused_by_name(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
		struct http_target t;
		assert_int_equal(arena_new(65536, &a, &e), 0);
		int rc = http_target_read(str_from(cases[i].raw), a, &t, &e);
		if (rc != (cases[i].want ? 0 : -1))
			fail_msg("%s: %d %s", cases[i].raw, rc, e.text);
		if (rc < 0) {
			assert_int_equal(e.kind, ERR_INVALID);
			assert_string_equal(e.field, cases[i].field);
			continue;
		}
		describe(&t, &b);
		if (!str_is(buf_str(&b), cases[i].want))
			fail_msg("%s: got %.*s", cases[i].raw, STR_A(buf_str(&b)));
	}
}

static void too_many_parameters_are_refused(void **state UNUSED)
{
	for (int n = HTTP_QUERY_MAX; n <= HTTP_QUERY_MAX + 1; n++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
		struct http_target t = {.query_count = 0};
		buf_add(&b, S("/a"));
		for (int i = 0; i < n; i++)
			http_query_add_i64(&b, "x", i);
		assert_int_equal(arena_new(65536, &a, &e), 0);
		int rc = http_target_read(buf_str(&b), a, &t, &e);
		assert_int_equal(rc, n > HTTP_QUERY_MAX ? -1 : 0);
		assert_int_equal(t.query_count, rc ? 0 : HTTP_QUERY_MAX);
	}
}

static void a_full_arena_is_a_failure_of_memory(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct http_target t;
	for (size_t limit = 0; limit < 128; limit += 16) {
		struct arena *a CLEAN(arena_freep) = NULL;
		assert_int_equal(arena_new(limit, &a, &e), 0);
		assert_int_equal(http_target_read(S("/a%41/b?c=%42&d=e&f=g&h=i"), a, &t, &e),
				 -1);
		assert_int_equal(e.kind, ERR_MEMORY);
	}
}

static void what_is_encoded_decodes_to_the_same(void **state UNUSED)
{
	char all[255];
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)(i < 127 ? i + 1 : 'z');
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	struct http_target t;
	assert_int_equal(arena_new(65536, &a, &e), 0);
	buf_add(&b, S("/v1/x"));
	http_query_add(&b, "all&=", str_of(all, sizeof all));
	http_query_add_i64(&b, "n", INT64_MIN);
	assert_int_equal(http_target_read(buf_str(&b), a, &t, &e), 0);
	assert_int_equal(t.query_count, 2);
	assert_true(str_eq(http_target_param(&t, "all&=")->value, str_of(all, sizeof all)));
	assert_true(str_is(http_target_param(&t, "n")->value, "-9223372036854775808"));
	assert_null(http_target_param(&t, "m"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read_or_refused_by_name),
		cmocka_unit_test(too_many_parameters_are_refused),
		cmocka_unit_test(a_full_arena_is_a_failure_of_memory),
		cmocka_unit_test(what_is_encoded_decodes_to_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
