/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The anti-replay window: a table of edges, and long random runs beside a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/guard.h"

static void edges_of_the_window(void **state UNUSED)
{
	static const struct {
		int64_t sequence;
		enum guard_answer answer;
	} steps[] = {
		{0, GUARD_TOO_OLD},
		{-1, GUARD_TOO_OLD},
		{1, GUARD_TAKEN},
		{1, GUARD_REPLAYED},
		{3, GUARD_TAKEN},
		{2, GUARD_TAKEN},
		{2, GUARD_REPLAYED},
		{3, GUARD_REPLAYED},
		{1024, GUARD_TAKEN},
		{1, GUARD_REPLAYED},
		{4, GUARD_TAKEN},
		{1025, GUARD_TAKEN},
		{1, GUARD_TOO_OLD},
		{2, GUARD_REPLAYED},
		{5, GUARD_TAKEN},
		{1026, GUARD_TAKEN},
		{2, GUARD_TOO_OLD},
		{3000, GUARD_TAKEN},
		{1976, GUARD_TOO_OLD},
		{1977, GUARD_TAKEN},
		{1977, GUARD_REPLAYED},
		{2999, GUARD_TAKEN},
		{4024, GUARD_TAKEN},
		{3000, GUARD_TOO_OLD},
		{3001, GUARD_TAKEN},
		{INT64_MAX, GUARD_TAKEN},
		{INT64_MAX, GUARD_REPLAYED},
		{INT64_MAX - 1023, GUARD_TAKEN},
		{INT64_MAX - 1024, GUARD_TOO_OLD},
	};
	struct guard g = {0};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (guard_take(&g, steps[i].sequence) != steps[i].answer)
			fail_msg("step %zu: another answer", i);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* The plain way: every number ever taken. */
enum { NUMBERS = 40000 };

static enum guard_answer plain_take(bool *taken, int64_t *newest, int64_t n)
{
	if (n < 1 || (n <= *newest && *newest - n >= GUARD_WINDOW))
		return GUARD_TOO_OLD;
	if (taken[n])
		return GUARD_REPLAYED;
	taken[n] = true;
	*newest = MAX_OF(*newest, n);
	return GUARD_TAKEN;
}

static void agrees_with_a_plain_list(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		bool taken[NUMBERS] = {false};
		int64_t newest = 0;
		struct guard g = {0};
		uint64_t s = seed * 0x9e3779b97f4a7c15;
		for (int i = 0; i < 20000; i++) {
			uint64_t r = next_random(&s);
			int64_t span = r % 50 == 0 ? 3000 : r % 7 == 0 ? 1100 : 40;
			int64_t n = newest + (int64_t)(next_random(&s) % (uint64_t)span) -
				    span * 2 / 3;
			if (n >= NUMBERS)
				break;
			if (guard_take(&g, n) != plain_take(taken, &newest, n))
				fail_msg("seed %llu, step %d, number %lld",
					 (unsigned long long)seed, i, (long long)n);
			assert_int_equal(g.newest, newest);
			char text[GUARD_TEXT_SIZE];
			struct err e = ERR_INIT;
			struct guard back;
			guard_text(&g, text);
			assert_int_equal(guard_read(g.newest, str_from(text), &back, &e), 0);
			assert_memory_equal(&back, &g, sizeof g);
			g = back;
		}
		assert_true(newest > GUARD_WINDOW);
	}
}

static void texts_are_read_strictly(void **state UNUSED)
{
	char text[GUARD_TEXT_SIZE + 1];
	struct guard g = {0}, out;
	struct err e = ERR_INIT;
	assert_int_equal(guard_take(&g, 1), GUARD_TAKEN);
	guard_text(&g, text);
	assert_int_equal(text[GUARD_TEXT_SIZE - 2], '1');
	assert_int_equal(text[0], '0');
	assert_int_equal(guard_read(-1, str_from(text), &out, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(guard_read(1, str_sub(str_from(text), 1, SIZE_MAX), &out, &e), -1);
	text[7] = 'g';
	assert_int_equal(guard_read(1, str_from(text), &out, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(guard_read(0, S(""), &out, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_the_window),
		cmocka_unit_test(agrees_with_a_plain_list),
		cmocka_unit_test(texts_are_read_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
