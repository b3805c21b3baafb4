/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Buckets of tokens: who is held back, for how long, and that nobody else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/rate.h"

enum { START_MS = 5000 };

static struct rate *fresh(int64_t per_minute, int64_t burst)
{
	struct rate *r = NULL;
	struct err e = ERR_INIT;
	const struct rate_limits limits = {
		.of = {[RATE_IDENTITY] = {per_minute, burst}, [RATE_LOGIN] = {1, 1}}};
	assert_int_equal(rate_new(&limits, &r, &e), 0);
	return r;
}

static void a_burst_is_taken_and_then_one_at_a_time(void **state)
{
	struct rate *r = fresh(60, 5);
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS), 0);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS), 1000);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 400), 600);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 1000), 0);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 1000), 1000);
	/* What nobody took is there again, and no more than the bucket holds. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 3600000), 0);
	assert_true(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 3600000) > 0);
	rate_free(r);
}

static void being_refused_costs_nothing(void **state)
{
	struct rate *r = fresh(60, 1);
	(void)state;
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 1), 999);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS + 1000), 0);
	rate_free(r);
}

static void callers_and_classes_have_buckets_of_their_own(void **state)
{
	struct rate *r = fresh(60, 1);
	(void)state;
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("a"), START_MS), 0);
	assert_int_equal(rate_take(r, RATE_IDENTITY, S("b"), START_MS), 0);
	assert_int_equal(rate_take(r, RATE_LOGIN, S("a"), START_MS), 0);
	assert_int_equal(rate_take(r, RATE_LOGIN, S("a"), START_MS), 60000);
	assert_true(rate_take(r, RATE_IDENTITY, S("a"), START_MS) > 0);
	/* No limit was set for addresses. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(r, RATE_ADDRESS, S("a"), START_MS), 0);
	rate_free(r);
}

/* A crowd that fills every place does not free who is held back. */
static void a_crowd_does_not_wash_away_who_is_held_back(void **state)
{
	struct rate *r = fresh(1, 3);
	char name[32];
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(r, RATE_IDENTITY, S("greedy"), START_MS), 0);
	assert_true(rate_take(r, RATE_IDENTITY, S("greedy"), START_MS) > 0);
	for (int i = 0; i < 4 * RATE_BUCKETS; i++) {
		(void)snprintf(name, sizeof name, "crowd-%d", i);
		(void)rate_take(r, RATE_IDENTITY, str_from(name), START_MS);
	}
	assert_true(rate_take(r, RATE_IDENTITY, S("greedy"), START_MS) > 0);
	rate_free(r);
}

static void addresses_stand_for_subscribers(void **state)
{
	static const struct {
		const char *address, *want;
	} cases[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:2::99", "2001:db8:1:2::"},
		{"2001:db8:1:3::99", "2001:db8:1:3::"},
		{"::1", "::"},
		{"unix", "unix"},
		{"", ""},
	};
	char out[RATE_KEY_SIZE];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str got = rate_address(str_from(cases[i].address), out);
		if (!str_is(got, cases[i].want))
			fail_msg("%s: %.*s", cases[i].address, STR_A(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_taken_and_then_one_at_a_time),
		cmocka_unit_test(being_refused_costs_nothing),
		cmocka_unit_test(callers_and_classes_have_buckets_of_their_own),
		cmocka_unit_test(a_crowd_does_not_wash_away_who_is_held_back),
		cmocka_unit_test(addresses_stand_for_subscribers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
