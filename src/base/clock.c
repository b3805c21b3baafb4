/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The machine's clocks, moments as text, and random bytes.
 */
#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	ASSERT(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_now(void *user UNUSED)
{
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *user UNUSED)
{
	return read_clock(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
	static const struct clock c = {.now_ms = system_now, .mono_ms = system_mono};
	return &c;
}

int64_t clock_now_ms(const struct clock *c)
{
	return c->now_ms(c->user);
}

int64_t clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->user);
}

void clock_text(int64_t at_ms, char out[static CLOCK_TEXT_SIZE])
{
	struct date d = date_at(at_ms);
	unsigned ms = (unsigned)(at_ms - date_ms(d));
	unsigned year = (unsigned)d.year % 10000, month = (unsigned)d.month % 100;
	(void)snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month,
		       (unsigned)d.day % 100, ms / 3600000 % 24, ms / 60000 % 60,
		       ms / 1000 % 60, ms % 1000);
}

/* Reads `n` digits at position `at`; -1 if they are not there. */
static int digits(struct str s, size_t at, size_t n)
{
	if (at + n > s.n)
		return -1;
	int v = 0;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	return v;
}

/* "hh:mm:ss[.mmm]Z" from position 11 on; -1 if malformed. */
static int64_t parse_time_of_day(struct str s)
{
	int hour = digits(s, 11, 2), minute = digits(s, 14, 2), second = digits(s, 17, 2);
	bool has_ms = s.n == 24;
	int ms = has_ms ? digits(s, 20, 3) : 0;
	bool is_shaped = (s.n == 20 || (has_ms && s.p[19] == '.')) && s.p[10] == 'T' &&
			 s.p[13] == ':' && s.p[16] == ':' && s.p[s.n - 1] == 'Z';
	if (!is_shaped || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 59 || ms < 0)
		return -1;
	return ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
}

MUST int clock_parse(struct str s, int64_t *out_ms, struct err *e)
{
	struct date d = {digits(s, 0, 4), digits(s, 5, 2), digits(s, 8, 2)};
	bool is_date = s.n >= 10 && s.p[4] == '-' && s.p[7] == '-' && d.year >= 1970;
	int64_t ms = 0;
	if (is_date && s.n > 10)
		ms = s.n >= 20 ? parse_time_of_day(s) : -1;
	int64_t day_ms = is_date ? date_ms(d) : 0;
	struct date back = date_at(day_ms);
	if (!is_date || ms < 0 || back.month != d.month || back.day != d.day)
		return err_fail(e, ERR_INVALID,
				"'%" STR_F "' is not a date (2026-11-21) or UTC time "
				"(2026-11-21T20:15:30Z)",
				STR_A(s));
	*out_ms = day_ms + ms;
	return 0;
}

static void system_fill(void *user UNUSED, void *out, size_t n)
{
	char *p = out;
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		ASSERT(got > 0 || errno == EINTR);
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

const struct rng *rng_system(void)
{
	static const struct rng r = {.fill = system_fill};
	return &r;
}

static void seeded_fill(void *user, void *out, size_t n)
{
	struct rng_seeded *s = user;
	uint8_t *p = out;
	for (size_t i = 0; i < n;) {
		uint64_t z = (s->state += 0x9E3779B97F4A7C15u);
		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
		z ^= z >> 31;
		for (size_t k = 0; k < 8 && i < n; k++, i++)
			p[i] = (uint8_t)(z >> (8 * k));
	}
}

void rng_seeded_init(struct rng_seeded *s, uint64_t seed)
{
	s->state = seed;
	s->rng = (struct rng){.fill = seeded_fill, .user = s};
}

uint64_t rng_u64(const struct rng *r)
{
	uint64_t v;
	r->fill(r->user, &v, sizeof v);
	return v;
}

uint64_t rng_below(const struct rng *r, uint64_t below)
{
	ASSERT(below > 0);
	/* Values at the end that would favour small results are drawn again. */
	uint64_t limit = UINT64_MAX - UINT64_MAX % below;
	uint64_t v;
	do
		v = rng_u64(r);
	while (v >= limit);
	return v % below;
}

void rng_text(const struct rng *r, char *out, size_t n)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	for (size_t i = 0; i < n; i++)
		out[i] = letters[rng_below(r, sizeof letters - 1)];
	out[n] = 0;
}
