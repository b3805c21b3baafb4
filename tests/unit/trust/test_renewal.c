/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trust/renewal.h"

static const int64_t day_ms = 86400000, from_ms = 1767225600000;

static void test_leaf(void **state)
{
	static const struct {
		int64_t days;
		enum renewal_state want;
	} rows[] = {
		{-1, RENEWAL_FRESH}, {0, RENEWAL_FRESH}, {19, RENEWAL_FRESH},
		{20, RENEWAL_DUE},   {29, RENEWAL_DUE},	 {30, RENEWAL_LATE},
		{60, RENEWAL_LATE},  {61, RENEWAL_OVER},
	};
	(void)state;
	assert_int_equal(renewal_due_ms(from_ms, from_ms + 30 * day_ms), from_ms + 20 * day_ms);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(renewal_of(from_ms, from_ms + 30 * day_ms,
					    from_ms + rows[i].days * day_ms),
				 rows[i].want);
}

/* What is signed at the last moment before, and a month later, still lives as it should. */
static void test_issuer(void **state)
{
	int64_t to_ms = from_ms + 90 * day_ms;
	(void)state;
	assert_int_equal(renewal_issuer_due_ms(to_ms, 30), from_ms + 45 * day_ms);
	assert_int_equal(renewal_issuer_due_ms(from_ms + 730 * day_ms, 90),
			 from_ms + 595 * day_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf),
		cmocka_unit_test(test_issuer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
