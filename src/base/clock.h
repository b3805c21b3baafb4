/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Time and randomness, passed in.
 *
 * Rules never ask the machine what time it is: they receive a moment, or a struct clock. The
 * simulation hands in a virtual clock and a seeded generator, and a run repeats exactly.
 */
#include "base/date.h"
#include "base/str.h"

struct clock {
	int64_t (*now_ms)(void *user);	/* wall clock, UTC, milliseconds since 1970 */
	int64_t (*mono_ms)(void *user); /* never goes back; only differences mean anything */
	void *user;
};

/* The machine's clocks. */
const struct clock *clock_system(void);
int64_t clock_now_ms(const struct clock *c);
int64_t clock_mono_ms(const struct clock *c);

/* "2026-11-21T20:15:30.123Z" (RFC 3339, UTC) into `out`, 25 bytes. Years 1970 … 9999. */
enum { CLOCK_TEXT_SIZE = 25 };
void clock_text(int64_t at_ms, char out[static CLOCK_TEXT_SIZE]);
/* Reads what clock_text writes, also without milliseconds or time ("2026-11-21"). */
MUST int clock_parse(struct str s, int64_t *out_ms, struct err *e);

struct rng {
	void (*fill)(void *user, void *out, size_t n);
	void *user;
};

/* The kernel's generator (getrandom). */
const struct rng *rng_system(void);
/* A repeatable generator (splitmix64) for simulations and property tests; never for secrets. */
struct rng_seeded {
	uint64_t state;
	struct rng rng; /* hand out &s->rng */
};
void rng_seeded_init(struct rng_seeded *s, uint64_t seed);
uint64_t rng_u64(const struct rng *r);
/* Uniform in [0, below); below > 0. */
uint64_t rng_below(const struct rng *r, uint64_t below);
/* `n` characters of [A-Za-z0-9] into out[n + 1]: 5.95 bits each. */
void rng_text(const struct rng *r, char *out, size_t n);
