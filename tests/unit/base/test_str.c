/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

static void integers_are_bounded(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t min, max, want;
		int rc;
	} cases[] = {
		{"0", 0, 9, 0, 0},
		{"-7", -9, 9, -7, 0},
		{"10", 0, 9, 0, -1},
		{"", 0, 9, 0, -1},
		{"-", -9, 9, 0, -1},
		{"1x", 0, 9, 0, -1},
		{" 1", 0, 9, 0, -1},
		{"9223372036854775807", 0, INT64_MAX, INT64_MAX, 0},
		{"9223372036854775808", INT64_MIN, INT64_MAX, 0, -1},
		{"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		int64_t got = 0;
		int rc = str_to_i64(str_from(cases[i].text), cases[i].min, cases[i].max, &got,
				    &e);
		assert_int_equal(rc, cases[i].rc);
		assert_int_equal(got, cases[i].want);
		assert_int_equal(e.kind, rc ? ERR_INVALID : ERR_NONE);
	}
}

static void splitting_keeps_empty_parts(void **state UNUSED)
{
	struct str rest = S("a,,b,"), part;
	const char *want[] = {"a", "", "b", ""};
	size_t n = 0;
	while (str_split(&rest, ',', &part))
		assert_true(str_is(part, want[n++]));
	assert_int_equal(n, 4);
}

static void utf8_is_judged_by_rfc_3629(void **state UNUSED)
{
	assert_true(str_is_utf8(S("é 中 𝄞")));
	assert_false(str_is_utf8(S("\xC0\x80")));
	assert_false(str_is_utf8(S("\xED\xA0\x80")));
	assert_false(str_is_utf8(S("\xF4\x90\x80\x80")));
	assert_false(str_is_utf8(S("\xE4\xB8")));
}

static void a_full_buffer_stays_failed(void **state UNUSED)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(4);
	struct err e = ERR_INIT;
	buf_add(&b, S("abcd"));
	assert_int_equal(buf_check(&b, &e), 0);
	buf_add_c(&b, 'e');
	buf_add(&b, S(""));
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	assert_true(str_is(buf_str(&b), "abcd"));
}

static void no_text_at_all_is_a_text(void **state UNUSED)
{
	/* What a zeroed struct holds; the sanitizer watches the pointer arithmetic. */
	struct str none = {NULL, 0};
	assert_int_equal(str_sub(none, 0, 5).n, 0);
	assert_true(str_ends(none, none));
	assert_true(str_starts(none, none));
	assert_int_equal(str_trim(none).n, 0);
	assert_true(str_is_utf8(none));
	assert_int_equal(str_find(none, S("x")), 0);
}

static void a_buffer_tells_memory_from_size(void **state UNUSED)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	struct err e = ERR_INIT;
	(void)mem_fail_after(1);
	buf_add(&b, S("a"));
	(void)mem_fail_after(0);
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.kind, ERR_MEMORY);
	buf_clear(&b);
	buf_add(&b, S("a"));
	assert_int_equal(buf_check(&b, &e), 0);
}

static void a_buffer_never_takes_more_than_its_maximum(void **state UNUSED)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	for (size_t i = 0; i < 1000; i++) {
		buf_add_c(&b, 'x');
		assert_true(b.cap <= 1001);
	}
	assert_int_equal(b.n, 1000);
	assert_false(b.has_failed);
	buf_add_c(&b, 'x');
	assert_true(b.has_failed);
}

/* Each allocation fails in turn; the text is whole or the failure is told. */
static void a_buffer_survives_every_failed_allocation(void **state UNUSED)
{
	unsigned long n = 0;
	bool is_whole = false;
	while (!is_whole) {
		struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
		struct err e = ERR_INIT;
		(void)mem_fail_after(++n);
		for (int i = 0; i < 5000; i++)
			buf_addf(&b, "%d,", i);
		(void)mem_fail_after(0);
		is_whole = buf_check(&b, &e) == 0;
		if (!is_whole)
			assert_int_equal(e.kind, ERR_MEMORY);
		else
			assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4 + 4000 * 5);
	}
	assert_true(n > 5);
}

static void columns_are_what_a_terminal_shows(void **state UNUSED)
{
	static const struct {
		const char *text;
		size_t columns;
	} cases[] = {
		{"", 0},     {"abc", 3},      {"Zoë", 3},  {"Zoe\xCC\x88", 3}, {"日本", 4},
		{"한국", 4}, {"\xFF\xFE", 2}, {"a\tb", 3}, {"😀", 2},	       {"👍🏽", 2},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(utf8_columns(str_from(cases[i].text)), cases[i].columns);
}

static void a_page_line_holds_no_controls(void **state UNUSED)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(100);
	utf8_add_line(&b, S("a\nb\x1b[1m\xE2\x80\xAEz\xFFé"));
	assert_true(str_is(buf_str(&b), "a b [1m z\xEF\xBF\xBDé"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_bounded),
		cmocka_unit_test(splitting_keeps_empty_parts),
		cmocka_unit_test(utf8_is_judged_by_rfc_3629),
		cmocka_unit_test(a_full_buffer_stays_failed),
		cmocka_unit_test(no_text_at_all_is_a_text),
		cmocka_unit_test(a_buffer_tells_memory_from_size),
		cmocka_unit_test(a_buffer_never_takes_more_than_its_maximum),
		cmocka_unit_test(a_buffer_survives_every_failed_allocation),
		cmocka_unit_test(columns_are_what_a_terminal_shows),
		cmocka_unit_test(a_page_line_holds_no_controls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
