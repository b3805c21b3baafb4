/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The bytes that masters and nodes sign, and the headers that carry a signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/signed.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void texts_byte_for_byte(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	const struct signed_state s = {
		S("n1"), S("GET"), S("/v1/nodes/n1/changes?since=4"), S("AAAA"), 200, 7,
		1000,	 S(HEX64),
	};
	assert_int_equal(signed_state_text(&s, &b, &e), 0);
	assert_string_equal(b.p, "hoc-state-v1\nn1\nGET\n/v1/nodes/n1/changes?since=4\nAAAA\n"
				 "200\n7\n1000\n" HEX64 "\n");
	buf_clear(&b);
	const struct signed_report r = {
		S("n1"), S("POST"), S("/v1/nodes/n1/usage"), 12, 1001, S(HEX64),
	};
	assert_int_equal(signed_report_text(&r, &b, &e), 0);
	assert_string_equal(b.p, "hoc-report-v1\nn1\nPOST\n/v1/nodes/n1/usage\n12\n1001\n" HEX64
				 "\n");
}

static void no_two_messages_are_one_text(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct signed_report r = {S("n1"), S("POST"), S("/x\n12"), 12, 1001, S(HEX64)};
	assert_int_equal(signed_report_text(&r, &b, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	struct signed_state s = {S("n1"), S("GET"), S("/x"), S("A\nB"), 200, 7, 1, S(HEX64)};
	assert_int_equal(signed_state_text(&s, &b, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
}

static void headers_come_back(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_HEADER_MAX);
	struct signed_mark m = {7, 1000, S(HEX64), S("c2ln-_")}, back;
	signed_state_header(&m, &b);
	assert_string_equal(b.p, "v1;7;1000;" HEX64 ";c2ln-_");
	assert_int_equal(signed_state_read(buf_str(&b), &back, &e), 0);
	assert_int_equal(back.sequence, 7);
	assert_int_equal(back.at_ms, 1000);
	assert_true(str_is(back.key, HEX64));
	assert_true(str_is(back.signature, "c2ln-_"));
	buf_clear(&b);
	signed_report_header(&m, &b);
	assert_string_equal(b.p, "v1;7;1000;c2ln-_");
	assert_int_equal(signed_report_read(buf_str(&b), &back, &e), 0);
	assert_int_equal(back.sequence, 7);
	assert_int_equal(back.key.n, 0);
}

static void headers_are_read_strictly(void **state UNUSED)
{
	static const char *const bad_reports[] = {
		"",
		"v1",
		"v2;1;2;abc",
		"v1;1;2",
		"v1;1;2;",
		"v1;1;2;abc;d",
		"v1;-1;2;abc",
		"v1; 1;2;abc",
		"v1;1;x;abc",
		"v1;;2;abc",
		"v1;1;2;a=",
		"v1;1;2;a b",
		"v1;9223372036854775808;2;abc",
	};
	static const char *const bad_states[] = {
		"v1;1;2;abc",
		"v1;1;2;" HEX64,
		"v1;1;2;" HEX64 ";",
		"v1;1;2;0123;abc",
		"v1;1;2;" HEX64 "0;abc",
		"v1;1;2;0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef;abc",
	};
	struct signed_mark m;
	for (size_t i = 0; i < ARRAY_LEN(bad_reports); i++) {
		struct err e = ERR_INIT;
		if (signed_report_read(str_from(bad_reports[i]), &m, &e) != -1)
			fail_msg("'%s' was read", bad_reports[i]);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, "Hoc-Report"));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_states); i++) {
		struct err e = ERR_INIT;
		if (signed_state_read(str_from(bad_states[i]), &m, &e) != -1)
			fail_msg("'%s' was read", bad_states[i]);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, "Hoc-State"));
	}
	char long_one[SIGNED_HEADER_MAX + 20] = "v1;1;2;";
	struct err e = ERR_INIT;
	memset(long_one + 7, 'a', sizeof long_one - 8);
	assert_int_equal(signed_report_read(str_from(long_one), &m, &e), -1);
	assert_non_null(strstr(e.text, "too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_byte_for_byte),
		cmocka_unit_test(no_two_messages_are_one_text),
		cmocka_unit_test(headers_come_back),
		cmocka_unit_test(headers_are_read_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
