/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "trust/wipe.h"

static void wiped_bytes_are_zero(void **state UNUSED)
{
	char secret[] = "correct horse battery";
	static const char zero[sizeof secret];
	struct str s = str_of(secret, sizeof secret);
	trust_wipe_str(&s);
	assert_memory_equal(secret, zero, sizeof secret);
	assert_int_equal(s.n, 0);
	struct str none = str_of(NULL, 0);
	trust_wipe_str(&none);
	memset(secret, 'x', sizeof secret);
	trust_wipe(secret, 3);
	assert_memory_equal(secret, zero, 3);
	assert_int_equal(secret[3], 'x');
	trust_wipe(NULL, 0);
}

static void random_texts_have_their_length_and_differ(void **state UNUSED)
{
	static const size_t lengths[] = {0, 2, 3, 4, 22, 32, 43};
	static const size_t bytes[] = {0, 1, 2, 3, 16, 24, 32};
	char a[64], b[64];
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		trust_random_text(bytes[i], a, 4 * bytes[i] / 3 + 3);
		assert_int_equal(strlen(a), lengths[i]);
		for (const char *p = a; *p; p++)
			assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
					       "uvwxyz0123456789-_",
					       *p));
	}
	trust_random_text(16, a, sizeof a);
	trust_random_text(16, b, sizeof b);
	assert_string_not_equal(a, b);
	uint8_t x[32] = {0}, y[32] = {0};
	trust_random(x, sizeof x);
	trust_random(y, sizeof y);
	assert_memory_not_equal(x, y, sizeof x);
}

static void every_digit_occurs(void **state UNUSED)
{
	bool is_seen[128] = {0};
	unsigned seen = 0;
	char a[64];
	for (unsigned i = 0; i < 1000 && seen < 64; i++) {
		trust_random_text(32, a, sizeof a);
		for (const char *p = a; *p; p++) {
			seen += !is_seen[(unsigned char)*p];
			is_seen[(unsigned char)*p] = true;
		}
	}
	assert_int_equal(seen, 64);
}

static void a_hardened_program_leaves_no_core(void **state UNUSED)
{
	struct rlimit core;
	(void)trust_harden();
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	assert_int_equal(core.rlim_cur, 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	/* Memory is still to be had, locked or not. */
	char *p = malloc(1 << 20);
	assert_non_null(p);
	memset(p, 1, 1 << 20);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wiped_bytes_are_zero),
		cmocka_unit_test(random_texts_have_their_length_and_differ),
		cmocka_unit_test(every_digit_occurs),
		cmocka_unit_test(a_hardened_program_leaves_no_core),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
