/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables for people: columns as a terminal shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/client.h"

enum { CELLS_MAX = 12 };

static void columns_are_as_wide_as_they_look(void **state UNUSED)
{
	static const char *const heads[] = {"TITLE", "NODE", "STATUS", NULL};
	static const struct {
		const char *cells[CELLS_MAX];
		const char *want;
	} rows[] = {
		{{NULL}, "nothing\n"},
		{{"a", "n1", "running"}, "TITLE  NODE  STATUS\na      n1    running\n"},
		{{"", "", ""}, "TITLE  NODE  STATUS\n             \n"},
		{{"Grüße", "n1", "x", "abc", "n2", "y"},
		 "TITLE  NODE  STATUS\nGrüße  n1    x\nabc    n2    y\n"},
		{{"データ", "n1", "x"}, "TITLE   NODE  STATUS\nデータ  n1    x\n"},
		{{"e\xcc\x81t\xc3\xa9-long", "n1", "x"},
		 "TITLE     NODE  STATUS\ne\xcc\x81t\xc3\xa9-long  n1    x\n"},
		{{"a\tb\x1b[2J", "n1", "x"}, "TITLE    NODE  STATUS\na b [2J  n1    x\n"},
		{{"\xff!", "n1", "x"}, "TITLE  NODE  STATUS\n\xef\xbf\xbd!     n1    x\n"},
		{{"two\nlines", "n1", "x\ny"},
		 "TITLE      NODE  STATUS\ntwo lines  n1    x y\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct table t;
		char *text = NULL;
		size_t n = 0;
		assert_int_equal(arena_new(1 << 20, &a, &e), 0);
		struct cli_call c = {.arena = a, .out = open_memstream(&text, &n)};
		table_start(&t, &c, heads);
		for (size_t k = 0; k < CELLS_MAX && rows[i].cells[k]; k++)
			table_cell(&t, str_from(rows[i].cells[k]));
		table_end(&t, "nothing");
		(void)fclose(c.out);
		assert_string_equal(text, rows[i].want);
		free(text);
	}
}

/* More cells than the first block holds. */
static void a_table_grows(void **state UNUSED)
{
	static const char *const heads[] = {"N", "SQUARE", NULL};
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct table t;
	char *text = NULL;
	size_t n = 0, lines = 0;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	struct cli_call c = {.arena = a, .out = open_memstream(&text, &n)};
	table_start(&t, &c, heads);
	for (int i = 0; i < 1000; i++) {
		table_cell(&t, arena_fmt(a, "%d", i));
		table_cell(&t, arena_fmt(a, "%d", i * i));
	}
	table_end(&t, "nothing");
	(void)fclose(c.out);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 1001);
	assert_non_null(strstr(text, "\n999  998001\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_they_look),
		cmocka_unit_test(a_table_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
