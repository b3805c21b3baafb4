/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"

static struct arena *arena_of(size_t limit)
{
	struct err e = ERR_INIT;
	struct arena *a = NULL;
	assert_int_equal(arena_new(limit, &a, &e), 0);
	return a;
}

static void the_limit_is_never_passed(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 1);
	for (int round = 0; round < 200; round++) {
		size_t limit = rng_below(&s.rng, 100000);
		struct arena *a CLEAN(arena_freep) = arena_of(limit);
		struct err e = ERR_INIT;
		while (arena_alloc(a, rng_below(&s.rng, 3000)))
			assert_true(arena_used_bytes(a) <= limit);
		assert_true(arena_used_bytes(a) <= limit && limit - arena_used_bytes(a) < 3016);
		assert_int_equal(arena_check(a, &e), -1);
		assert_int_equal(e.kind, ERR_MEMORY);
	}
}

static void the_last_byte_is_usable(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = arena_of(4096);
	struct err e = ERR_INIT;
	char *p = arena_alloc(a, 4096);
	assert_non_null(p);
	memset(p, 1, 4096);
	assert_int_equal(arena_check(a, &e), 0);
	assert_non_null(arena_alloc(a, 0));
	assert_null(arena_alloc(a, 1));
}

static void pieces_are_aligned_zeroed_and_apart(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 2);
	struct arena *a CLEAN(arena_freep) = arena_of(1 << 24);
	for (int clear = 0; clear < 3; clear++) {
		unsigned char *pieces[300];
		size_t sizes[300];
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			sizes[i] = rng_below(&s.rng, i % 50 ? 200 : 300000);
			pieces[i] = arena_alloc(a, sizes[i]);
			assert_non_null(pieces[i]);
			assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			for (size_t k = 0; k < sizes[i]; k++)
				assert_true(pieces[i][k] == 0);
			memset(pieces[i], (int)(i % 255) + 1, sizes[i]);
		}
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
			for (size_t k = 0; k < sizes[i]; k++)
				assert_true(pieces[i][k] == i % 255 + 1);
		arena_clear(a);
		assert_int_equal(arena_used_bytes(a), 0);
	}
}

static void a_failure_sticks_until_cleared(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = arena_of(64);
	struct err e = ERR_INIT;
	assert_null(arena_alloc(a, 65));
	assert_null(arena_alloc(a, 1));
	assert_int_equal(arena_dup(a, S("x")).n, 0);
	assert_string_equal(arena_cstr(a, S("x")), "");
	assert_int_equal(arena_fmt(a, "%d", 5).n, 0);
	assert_int_equal(arena_check(a, &e), -1);
	arena_clear(a);
	assert_int_equal(arena_check(a, &e), 0);
	assert_true(str_is(arena_fmt(a, "%d-%s", 5, "x"), "5-x"));
	assert_string_equal(arena_cstr(a, S("abc")), "abc");
}

static void sizes_that_overflow_fail(void **state UNUSED)
{
	static const struct {
		size_t count, item;
	} cases[] = {{SIZE_MAX, 2},
		     {SIZE_MAX, 1},
		     {SIZE_MAX / 2 + 1, 2},
		     {SIZE_MAX - 7, 1},
		     {1, SIZE_MAX}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a CLEAN(arena_freep) = arena_of(1000);
		assert_null(arena_array(a, cases[i].count, cases[i].item));
		assert_null(arena_alloc(a, 1));
	}
}

/* The n-th allocation fails, for every n: a clear error, no leak (the sanitizer looks). */
static void every_failed_allocation_is_told(void **state UNUSED)
{
	unsigned long n = 0;
	int rc = -1;
	while (rc < 0) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		(void)mem_fail_after(++n);
		rc = arena_new(1 << 20, &a, &e);
		for (int i = 0; rc == 0 && i < 500; i++)
			(void)arena_fmt(a, "%0*d", i, i);
		if (rc == 0)
			rc = arena_check(a, &e);
		(void)mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
	}
	assert_true(n > 3);
}

static void nothing_may_be_freed(void **state UNUSED)
{
	struct arena *none = NULL;
	assert_null(arena_free(NULL));
	arena_freep(&none);
	mem_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_is_never_passed),
		cmocka_unit_test(the_last_byte_is_usable),
		cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
		cmocka_unit_test(a_failure_sticks_until_cleared),
		cmocka_unit_test(sizes_that_overflow_fail),
		cmocka_unit_test(every_failed_allocation_is_told),
		cmocka_unit_test(nothing_may_be_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
