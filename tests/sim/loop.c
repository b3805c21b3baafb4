/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The queue of events, chance, and the trace. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

NORETURN void sim_die(const struct sim *s, const char *what, const struct err *e)
{
	printf("seed %" PRIu64 ": %s: %s\n0 passed, 1 failed\n", s->options.seed, what,
	       e ? e->text : "");
	exit(2);
}

static bool is_before(const struct sim_event *x, const struct sim_event *y)
{
	return x->at_ms != y->at_ms ? x->at_ms < y->at_ms : x->number < y->number;
}

void sim_at(struct sim *s, int64_t at_ms, sim_fn *fn, void *object, uint64_t a, uint64_t b)
{
	struct err e = ERR_INIT;
	if (s->is_over)
		return;
	if (s->queue_n == s->queue_max) {
		s->queue_max = s->queue_max ? 2 * s->queue_max : 1024;
		s->queue = mem_grow(s->queue, s->queue_max, sizeof *s->queue, &e);
		if (!s->queue)
			sim_die(s, "queue", &e);
	}
	struct sim_event ev = {MAX_OF(at_ms, s->now_ms), ++s->last_number, fn, object, a, b};
	size_t i = s->queue_n++;
	for (; i && is_before(&ev, &s->queue[(i - 1) / 2]); i = (i - 1) / 2)
		s->queue[i] = s->queue[(i - 1) / 2];
	s->queue[i] = ev;
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event top = s->queue[0], last = s->queue[--s->queue_n];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= s->queue_n)
			break;
		if (child + 1 < s->queue_n && is_before(&s->queue[child + 1], &s->queue[child]))
			child++;
		if (!is_before(&s->queue[child], &last))
			break;
		s->queue[i] = s->queue[child];
		i = child;
	}
	if (s->queue_n)
		s->queue[i] = last;
	return top;
}

bool sim_next(struct sim *s, int64_t limit_ms)
{
	if (!s->queue_n || s->queue[0].at_ms > limit_ms) {
		s->now_ms = MAX_OF(s->now_ms, limit_ms);
		return false;
	}
	struct sim_event ev = pop(s);
	s->now_ms = ev.at_ms;
	s->stats.events++;
	ev.fn(s, ev.object, ev.a, ev.b);
	return true;
}

void sim_trace(struct sim *s, const char *format, ...)
{
	char *line = s->lines[s->line_n++ % SIM_TRACE_LINES];
	int n = snprintf(line, SIM_LINE_MAX, "%" PRId64 " ", s->now_ms - s->started_ms);
	va_list list;
	va_start(list, format);
	(void)vsnprintf(line + n, SIM_LINE_MAX - (size_t)n, format, list);
	va_end(list);
	hasher_add(&s->trace, str_of(line, strlen(line) + 1));
	if (s->options.shows_trace)
		puts(line);
}

const char *sim_invariant_text(enum sim_invariant what)
{
	static const char *const texts[SIM_INVARIANTS] = {
		[SIM_ACKNOWLEDGED] = "nothing acknowledged is lost",
		[SIM_OWNER] = "one instance a partition, one partition an instance",
		[SIM_FREE] = "free counts are right",
		[SIM_CONVERGED] = "what runs is what is wanted, and the master knows",
		[SIM_REMAINS] = "destroyed instances leave nothing",
		[SIM_STEPS] = "steps meet what they need and harm nobody",
		[SIM_SUPPLIES] = "releases are where they are wanted",
		[SIM_TREES] = "children are what their parents asked for",
		[SIM_PLACED] = "nothing waits while there is room",
		[SIM_USAGE] = "usage counts exactly once",
		[SIM_EVENTS] = "the chain of events verifies",
		[SIM_SETTLED] = "no machine is stuck",
		[SIM_QUIET] = "a cloud at rest is quiet",
		[SIM_BOUNDED] = "what the master holds in memory is bounded",
	};
	return texts[what];
}

static void print_trace(const struct sim *s)
{
	uint64_t first = s->line_n > SIM_TRACE_LINES ? s->line_n - SIM_TRACE_LINES : 0;
	for (uint64_t i = first; i < s->line_n; i++)
		printf("    %s\n", s->lines[i % SIM_TRACE_LINES]);
}

void sim_violate(struct sim *s, enum sim_invariant what, const char *format, ...)
{
	if (s->is_violated[what])
		return;
	s->is_violated[what] = true;
	printf("seed %" PRIu64 " at %" PRId64 " ms: violated: %s: ", s->options.seed,
	       s->now_ms - s->started_ms, sim_invariant_text(what));
	va_list list;
	va_start(list, format);
	(void)vprintf(format, list);
	va_end(list);
	putchar('\n');
	print_trace(s);
}

bool sim_chance(struct sim *s, unsigned per_mille)
{
	return !s->is_healed && rng_below(&s->world.rng, 1000) < per_mille;
}

int64_t sim_between(struct sim *s, int64_t low, int64_t high)
{
	return low + (int64_t)rng_below(&s->world.rng, (uint64_t)(high - low) + 1);
}
