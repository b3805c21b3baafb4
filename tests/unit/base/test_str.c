/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_bounded),
		cmocka_unit_test(splitting_keeps_empty_parts),
		cmocka_unit_test(utf8_is_judged_by_rfc_3629),
		cmocka_unit_test(a_full_buffer_stays_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
