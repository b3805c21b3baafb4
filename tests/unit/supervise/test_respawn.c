/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rules of respawn under a virtual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervise/respawn.h"

static const struct respawn_policy policy = {
	.min_ms = 100, .max_ms = 1000, .steady_ms = 10000, .stop_ms = 5000};

struct scene {
	struct respawn r;
	struct rng_seeded rng;
	int64_t now_ms;
};

static void begin(struct scene *s)
{
	*s = (struct scene){.r = {.policy = policy}, .now_ms = 1000};
	rng_seeded_init(&s->rng, 7);
}

static struct respawn_step feed(struct scene *s, enum respawn_input input)
{
	return respawn_feed(&s->r, input, s->now_ms, &s->rng.rng);
}

static void the_first_respawn_is_at_once_then_waits_double(void **state UNUSED)
{
	struct scene s;
	begin(&s);
	static const int64_t most_ms[] = {100, 200, 400, 800, 1000, 1000};
	assert_int_equal(feed(&s, RESPAWN_WANT).action, RESPAWN_LAUNCH);
	assert_int_equal(feed(&s, RESPAWN_LAUNCHED).action, RESPAWN_NOTHING);
	assert_int_equal(feed(&s, RESPAWN_EXITED).action, RESPAWN_LAUNCH);
	for (size_t i = 0; i < ARRAY_LEN(most_ms); i++) {
		assert_int_equal(feed(&s, RESPAWN_LAUNCHED).action, RESPAWN_NOTHING);
		struct respawn_step step = feed(&s, RESPAWN_EXITED);
		assert_int_equal(step.action, RESPAWN_WAIT);
		assert_in_range(step.after_ms, most_ms[i] / 2, most_ms[i]);
		assert_int_equal(feed(&s, RESPAWN_DUE).action, RESPAWN_LAUNCH);
	}
	/* Having run long enough is health. */
	assert_int_equal(feed(&s, RESPAWN_LAUNCHED).action, RESPAWN_NOTHING);
	s.now_ms += policy.steady_ms;
	assert_int_equal(feed(&s, RESPAWN_EXITED).action, RESPAWN_LAUNCH);
}

static void a_launch_that_fails_waits(void **state UNUSED)
{
	struct scene s;
	begin(&s);
	(void)feed(&s, RESPAWN_WANT);
	struct respawn_step step = feed(&s, RESPAWN_FAILED);
	assert_int_equal(step.action, RESPAWN_WAIT);
	assert_in_range(step.after_ms, 50, 100);
	assert_int_equal(s.r.state, SUPERVISE_BACKOFF);
}

static void waits_are_spread(void **state UNUSED)
{
	struct rng_seeded rng;
	rng_seeded_init(&rng, 1);
	int64_t low = INT64_MAX, high = 0;
	for (int i = 0; i < 1000; i++) {
		int64_t wait = respawn_wait_ms(&policy, 4, &rng.rng);
		low = MIN_OF(low, wait);
		high = MAX_OF(high, wait);
	}
	assert_in_range(low, 400, 420);
	assert_in_range(high, 780, 800);
}

/* Each row: inputs from DOWN, the last action and state. */
static void every_way_through_the_diagram(void **state UNUSED)
{
	/* clang-format off */
	static const struct {
		enum respawn_input inputs[8];
		size_t n;
		enum respawn_action action;
		enum supervise_state state;
	} cases[] = {
		{{RESPAWN_UNWANT}, 1, RESPAWN_NOTHING, SUPERVISE_DOWN},
		{{RESPAWN_AGAIN}, 1, RESPAWN_LAUNCH, SUPERVISE_STARTING},
		{{RESPAWN_WANT, RESPAWN_UNWANT}, 2, RESPAWN_NOTHING, SUPERVISE_STARTING},
		{{RESPAWN_WANT, RESPAWN_UNWANT, RESPAWN_LAUNCHED}, 3, RESPAWN_STOP, SUPERVISE_STOPPING},
		{{RESPAWN_WANT, RESPAWN_UNWANT, RESPAWN_FAILED}, 3, RESPAWN_REST, SUPERVISE_DOWN},
		{{RESPAWN_WANT, RESPAWN_UNWANT, RESPAWN_WANT, RESPAWN_LAUNCHED}, 4, RESPAWN_NOTHING, SUPERVISE_UP},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_WANT}, 3, RESPAWN_NOTHING, SUPERVISE_UP},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_AGAIN}, 3, RESPAWN_STOP, SUPERVISE_STOPPING},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_AGAIN, RESPAWN_EXITED}, 4, RESPAWN_LAUNCH, SUPERVISE_STARTING},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_UNWANT, RESPAWN_DUE}, 4, RESPAWN_KILL, SUPERVISE_STOPPING},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_UNWANT, RESPAWN_EXITED}, 4, RESPAWN_REST, SUPERVISE_DOWN},
		{{RESPAWN_WANT, RESPAWN_LAUNCHED, RESPAWN_UNWANT, RESPAWN_WANT, RESPAWN_EXITED}, 5, RESPAWN_LAUNCH, SUPERVISE_STARTING},
		{{RESPAWN_WANT, RESPAWN_FAILED, RESPAWN_UNWANT}, 3, RESPAWN_REST, SUPERVISE_DOWN},
		{{RESPAWN_WANT, RESPAWN_FAILED, RESPAWN_UNWANT, RESPAWN_DUE}, 4, RESPAWN_NOTHING, SUPERVISE_DOWN},
		{{RESPAWN_WANT, RESPAWN_FAILED, RESPAWN_WANT}, 3, RESPAWN_LAUNCH, SUPERVISE_STARTING},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scene s;
		begin(&s);
		struct respawn_step step = {RESPAWN_NOTHING, 0};
		for (size_t k = 0; k < cases[i].n; k++)
			step = feed(&s, cases[i].inputs[k]);
		assert_int_equal(step.action, cases[i].action);
		assert_int_equal(s.r.state, cases[i].state);
	}
}

/* A million inputs at random: no forbidden move (it would assert), a wanted service never rests. */
static void no_order_of_inputs_breaks_the_rules(void **state UNUSED)
{
	struct scene s;
	begin(&s);
	for (int i = 0; i < 1000000; i++) {
		enum respawn_input input =
			(enum respawn_input)rng_below(&s.rng.rng, RESPAWN_INPUTS);
		s.now_ms += (int64_t)rng_below(&s.rng.rng, 3000);
		struct respawn_step step = feed(&s, input);
		assert_true(step.action != RESPAWN_LAUNCH || s.r.is_wanted ||
			    s.r.state == SUPERVISE_STARTING);
		assert_true(s.r.state != SUPERVISE_DOWN || !s.r.is_wanted);
		assert_in_range(step.after_ms, 0, policy.stop_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_respawn_is_at_once_then_waits_double),
		cmocka_unit_test(a_launch_that_fails_waits),
		cmocka_unit_test(waits_are_spread),
		cmocka_unit_test(every_way_through_the_diagram),
		cmocka_unit_test(no_order_of_inputs_breaks_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
