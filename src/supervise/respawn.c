/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The rules of respawn.h, one function a state. The wait doubles with every respawn in a row
 * and half of it is drawn, so that services that fell together do not come back together.
 */
#include "supervise/respawn.h"

/* clang-format off */
static const bool moves[SUPERVISE_STATES][SUPERVISE_STATES] = {
	[SUPERVISE_DOWN]     = {[SUPERVISE_STARTING] = true, [SUPERVISE_UP] = true /* adopted */},
	[SUPERVISE_STARTING] = {[SUPERVISE_UP] = true, [SUPERVISE_BACKOFF] = true,
				[SUPERVISE_STOPPING] = true, [SUPERVISE_DOWN] = true,
				[SUPERVISE_STARTING] = true},
	[SUPERVISE_UP]	     = {[SUPERVISE_STARTING] = true, [SUPERVISE_BACKOFF] = true,
				[SUPERVISE_STOPPING] = true},
	[SUPERVISE_BACKOFF]  = {[SUPERVISE_STARTING] = true, [SUPERVISE_DOWN] = true},
	[SUPERVISE_STOPPING] = {[SUPERVISE_DOWN] = true, [SUPERVISE_STARTING] = true},
};
/* clang-format on */

bool respawn_may_move(enum supervise_state from, enum supervise_state to)
{
	return moves[from][to];
}

static void move(struct respawn *r, enum supervise_state to)
{
	ASSERT(respawn_may_move(r->state, to));
	r->state = to;
}

static struct respawn_step step(enum respawn_action action, int64_t after_ms)
{
	return (struct respawn_step){.action = action, .after_ms = after_ms};
}

static struct respawn_step nothing(void)
{
	return step(RESPAWN_NOTHING, 0);
}

int64_t respawn_wait_ms(const struct respawn_policy *p, unsigned row, const struct rng *rng)
{
	int64_t wait = p->min_ms;
	for (unsigned i = 1; i < row && wait < p->max_ms; i++)
		wait *= 2;
	wait = MIN_OF(wait, p->max_ms);
	int64_t half = wait / 2;
	return wait - half + (int64_t)rng_below(rng, (uint64_t)half + 1);
}

static struct respawn_step launch(struct respawn *r)
{
	move(r, SUPERVISE_STARTING);
	return step(RESPAWN_LAUNCH, 0);
}

static struct respawn_step launch_afresh(struct respawn *r)
{
	r->row = 0;
	return launch(r);
}

static struct respawn_step back_off(struct respawn *r, const struct rng *rng)
{
	move(r, SUPERVISE_BACKOFF);
	int64_t wait_ms = respawn_wait_ms(&r->policy, MAX_OF(r->row, 1U), rng);
	r->row = MIN_OF(r->row + 1, 1000000U);
	return step(RESPAWN_WAIT, wait_ms);
}

static struct respawn_step rest(struct respawn *r)
{
	move(r, SUPERVISE_DOWN);
	return step(RESPAWN_REST, 0);
}

static struct respawn_step stop(struct respawn *r)
{
	move(r, SUPERVISE_STOPPING);
	return step(RESPAWN_STOP, r->policy.stop_ms);
}

static struct respawn_step in_down(struct respawn *r, enum respawn_input input)
{
	return input == RESPAWN_WANT || input == RESPAWN_AGAIN ? launch_afresh(r) : nothing();
}

static struct respawn_step in_starting(struct respawn *r, enum respawn_input input,
				       int64_t mono_ms, const struct rng *rng)
{
	if (input == RESPAWN_LAUNCHED && r->is_wanted) {
		move(r, SUPERVISE_UP);
		r->up_at_ms = mono_ms;
		return nothing();
	}
	if (input == RESPAWN_LAUNCHED)
		return stop(r);
	if (input == RESPAWN_FAILED)
		return r->is_wanted ? back_off(r, rng) : rest(r);
	return nothing();
}

static struct respawn_step in_up(struct respawn *r, enum respawn_input input, int64_t mono_ms,
				 const struct rng *rng)
{
	if (input == RESPAWN_UNWANT || input == RESPAWN_AGAIN)
		return stop(r);
	if (input != RESPAWN_EXITED)
		return nothing();
	if (mono_ms - r->up_at_ms >= r->policy.steady_ms)
		r->row = 0;
	if (r->row > 0)
		return back_off(r, rng);
	r->row = 1;
	return launch(r);
}

static struct respawn_step in_backoff(struct respawn *r, enum respawn_input input)
{
	if (input == RESPAWN_UNWANT)
		return rest(r);
	if (input == RESPAWN_DUE)
		return launch(r);
	return input == RESPAWN_WANT || input == RESPAWN_AGAIN ? launch_afresh(r) : nothing();
}

static struct respawn_step in_stopping(struct respawn *r, enum respawn_input input)
{
	if (input == RESPAWN_DUE)
		return step(RESPAWN_KILL, 0);
	if (input == RESPAWN_EXITED)
		return r->is_wanted ? launch_afresh(r) : rest(r);
	return nothing();
}

struct respawn_step respawn_feed(struct respawn *r, enum respawn_input input, int64_t mono_ms,
				 const struct rng *rng)
{
	if (input == RESPAWN_WANT || input == RESPAWN_AGAIN)
		r->is_wanted = true;
	if (input == RESPAWN_UNWANT)
		r->is_wanted = false;
	switch (r->state) {
	case SUPERVISE_DOWN:
		return in_down(r, input);
	case SUPERVISE_STARTING:
		return in_starting(r, input, mono_ms, rng);
	case SUPERVISE_UP:
		return in_up(r, input, mono_ms, rng);
	case SUPERVISE_BACKOFF:
		return in_backoff(r, input);
	case SUPERVISE_STOPPING:
		return in_stopping(r, input);
	case SUPERVISE_STATES:
		break;
	}
	ASSERT(!"a state of the table");
	return nothing();
}

void respawn_adopt(struct respawn *r, int64_t mono_ms)
{
	move(r, SUPERVISE_UP);
	r->is_wanted = true;
	r->row = 0;
	r->up_at_ms = mono_ms;
}
