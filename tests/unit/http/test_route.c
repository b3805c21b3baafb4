/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/route.h"

struct row {
	struct http_route route;
	int own; /* rows may carry more than the route */
};

static const struct row table[] = {
	{{HTTP_GET, "/"}, 0},
	{{HTTP_GET, "/v1/nodes"}, 1},
	{{HTTP_GET, "/v1/nodes/{node}"}, 2},
	{{HTTP_PUT, "/v1/nodes/{node}"}, 3},
	{{HTTP_GET, "/v1/nodes/new"}, 4},
	{{HTTP_GET, "/v1/nodes/{node}/changes"}, 5},
	{{HTTP_POST, "/v1/nodes/{name}/promises/{kind}"}, 6},
	{{HTTP_POST, "/slapos.put.v0.software_instance_bang"}, 7},
	{{HTTP_HEAD, "/v1/head"}, 8},
};

static const struct {
	enum http_method method;
	const char *target;
	int rc;
	size_t row;
	const char *params; /* joined by '|' */
	const char *allow;
} cases[] = {
	{HTTP_GET, "/", HTTP_FOUND, 0, "", ""},
	{HTTP_HEAD, "/", HTTP_FOUND, 0, "", ""},
	{HTTP_GET, "/v1/nodes", HTTP_FOUND, 1, "", ""},
	{HTTP_GET, "/v1/nodes/n1?x=y", HTTP_FOUND, 2, "n1", ""},
	{HTTP_GET, "/v1/nodes/a%2Fb", HTTP_FOUND, 2, "a/b", ""},
	{HTTP_PUT, "/v1/nodes/n1", HTTP_FOUND, 3, "n1", ""},
	{HTTP_GET, "/v1/nodes/new", HTTP_FOUND, 4, "", ""},
	{HTTP_GET, "/v1/nodes/%7Bnode%7D", HTTP_FOUND, 2, "{node}", ""},
	{HTTP_GET, "/v1/nodes/n1/changes", HTTP_FOUND, 5, "n1", ""},
	{HTTP_POST, "/v1/nodes/n1/promises/p", HTTP_FOUND, 6, "n1|p", ""},
	{HTTP_POST, "/slapos.put.v0.software_instance_bang", HTTP_FOUND, 7, "", ""},
	{HTTP_HEAD, "/v1/head", HTTP_FOUND, 8, "", ""},
	{HTTP_GET, "/v1", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/nodes/", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/nodes//changes", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/node", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/nodesx", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/nodes/new/changes", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_GET, "/v1/nodes/n1/changes/x", HTTP_NO_ROUTE, 0, "", ""},
	{HTTP_POST, "/v1/nodes/n1", HTTP_WRONG_METHOD, 0, "n1", "GET, HEAD, PUT"},
	{HTTP_OTHER, "/v1/nodes", HTTP_WRONG_METHOD, 0, "", "GET, HEAD"},
	{HTTP_GET, "/v1/nodes/n1/promises/p", HTTP_WRONG_METHOD, 0, "n1|p", "POST"},
	{HTTP_GET, "/v1/head", HTTP_WRONG_METHOD, 0, "", "HEAD"},
};

static struct http_router *router(const void *rows, size_t n, size_t row_bytes)
{
	struct err e = ERR_INIT;
	struct http_router *r = NULL;
	if (http_router_new(rows, n, row_bytes, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void check_params(const struct http_match *m, const char *want)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	for (size_t i = 0; i < m->param_count; i++)
		buf_addf(&b, "%s%.*s", i ? "|" : "", STR_A(m->params[i]));
	assert_true(str_is(buf_str(&b), want));
}

static void requests_find_their_row(void **state UNUSED)
{
	struct http_router *r CLEAN(http_router_freep) =
		router(table, ARRAY_LEN(table), sizeof table[0]);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct http_target t;
		struct http_match m;
		assert_int_equal(arena_new(65536, &a, &e), 0);
		assert_int_equal(http_target_read(str_from(cases[i].target), a, &t, &e), 0);
		int rc = http_route_match(r, cases[i].method, &t, &m);
		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].target, rc);
		if (rc == HTTP_NO_ROUTE)
			continue;
		check_params(&m, cases[i].params);
		assert_string_equal(m.allow, cases[i].allow);
		if (rc == HTTP_FOUND)
			assert_int_equal(m.row, cases[i].row);
	}
}

static void bad_tables_are_named(void **state UNUSED)
{
	static const struct {
		struct http_route rows[2];
		const char *text;
	} bad[] = {
		{{{HTTP_GET, "/a"}, {HTTP_GET, "/a"}}, "GET /a"},
		{{{HTTP_GET, "/{a}"}, {HTTP_GET, "/{b}"}}, "GET /{b}"},
		{{{HTTP_GET, "/a"}, {HTTP_GET, "b"}}, "route 1"},
		{{{HTTP_OTHER, "/a"}, {HTTP_GET, "/b"}}, "route 0"},
		{{{HTTP_GET, "/a"}, {HTTP_GET, "/{a}/{b}/{c}/{d}/{e}"}}, "/{e}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct http_router *r = NULL;
		assert_int_equal(http_router_new(bad[i].rows, 2, sizeof bad[i].rows[0], &r, &e),
				 -1);
		assert_int_equal(e.kind, ERR_INTERNAL);
		assert_non_null(strstr(e.text, bad[i].text));
		assert_null(r);
	}
}

static void lack_of_memory_leaves_nothing_behind(void **state UNUSED)
{
	int rc = -1;
	for (unsigned long n = 1; rc < 0; n++) {
		struct err e = ERR_INIT;
		struct http_router *r CLEAN(http_router_freep) = NULL;
		assert_true(n < 1000);
		(void)mem_fail_after(n);
		rc = http_router_new(table, ARRAY_LEN(table), sizeof table[0], &r, &e);
		(void)mem_fail_after(0);
		assert_true(rc == 0 || e.kind == ERR_MEMORY);
	}
}

static void methods_have_exact_names(void **state UNUSED)
{
	for (unsigned m = HTTP_GET; m < HTTP_METHODS; m++)
		assert_int_equal(http_method_of(str_from(http_method_name(m))), m);
	assert_int_equal(http_method_of(S("get")), HTTP_OTHER);
	assert_int_equal(http_method_of(S("OTHER")), HTTP_OTHER);
	assert_int_equal(http_method_of(S("")), HTTP_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_find_their_row),
		cmocka_unit_test(bad_tables_are_named),
		cmocka_unit_test(lack_of_memory_leaves_nothing_behind),
		cmocka_unit_test(methods_have_exact_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
