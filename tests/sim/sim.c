/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A whole cloud in one thread, from a seed: see sim.h.
 *
 *     sim [--seed N] [--orders N] [--nodes N] [--runs N] [--trace]
 *
 * Each run has its own seed, and every second one restarts its master now and then. A run: the
 * customers order and change for some virtual hours while everything goes wrong; then nothing
 * goes wrong any more, and within a bounded time all must be at rest; then all must be quiet,
 * and right. The first seed is run twice and must give the same trace. After that come the years
 * of a cloud with keys (year.h), which are the same each time; with --runs 0 they come alone.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "year.h"

enum {
	HOUR_MS = 3600000,
	CHECK_EVERY_MS = 300000,
	BUSY_MAX_MS = 12 * HOUR_MS,
	SETTLE_MAX_MS = 2 * HOUR_MS,
	QUIET_MS = 600000,
	QUIET_REQUESTS = 30, /* of one node in that time: polls of 55 s */
	SAME_MOMENT_MAX = 200000,
};

static int64_t virtual_ms(void *user)
{
	const struct sim *s = user;
	return s->now_ms;
}

/* Runs until `until_ms`; false if time stands still. */
static bool run_until(struct sim *s, int64_t until_ms)
{
	uint64_t at_once = 0;
	int64_t moment_ms = s->now_ms;
	while (sim_next(s, until_ms)) {
		at_once = s->now_ms == moment_ms ? at_once + 1 : 0;
		moment_ms = s->now_ms;
		if (at_once > SAME_MOMENT_MAX) {
			sim_violate(s, SIM_QUIET, "time stands still");
			return false;
		}
	}
	return true;
}

static bool run_busy(struct sim *s)
{
	int64_t until_ms = s->started_ms + BUSY_MAX_MS;
	while (s->now_ms < until_ms && !(clients_are_done(s) && operator_is_done(s))) {
		if (!run_until(s, s->now_ms + CHECK_EVERY_MS))
			return false;
		check_now(s);
	}
	return true;
}

static bool is_settled(struct sim *s, char *text, size_t size)
{
	(void)snprintf(text, size, "customers or operator");
	return clients_are_done(s) && operator_is_done(s) && !nodes_unsettled(s, text, size);
}

static bool run_settle(struct sim *s)
{
	char text[1000] = "";
	int64_t until_ms = s->now_ms + SETTLE_MAX_MS;
	s->is_healed = true;
	sim_trace(s, "healed");
	nodes_heal(s);
	while (s->now_ms < until_ms) {
		if (!run_until(s, s->now_ms + CHECK_EVERY_MS / 10))
			return false;
		if (is_settled(s, text, sizeof text))
			return true;
	}
	sim_violate(s, SIM_SETTLED, "%s", text);
	return true;
}

static void run_quiet(struct sim *s)
{
	uint64_t before[SIM_NODES_MAX];
	for (unsigned i = 0; i < s->options.nodes; i++)
		before[i] = s->nodes[i].requests;
	if (!run_until(s, s->now_ms + QUIET_MS))
		return;
	for (unsigned i = 0; i < s->options.nodes; i++)
		if (s->nodes[i].requests - before[i] > QUIET_REQUESTS)
			sim_violate(s, SIM_QUIET, "%s sent %" PRIu64 " requests",
				    s->nodes[i].name, s->nodes[i].requests - before[i]);
}

static void sim_begin(struct sim *s, const struct sim_options *o, struct ledger *ledger)
{
	*s = (struct sim){.options = *o, .started_ms = 1767225600000, .ledger = ledger};
	s->now_ms = s->started_ms;
	s->clock = (struct clock){.now_ms = virtual_ms, .mono_ms = virtual_ms, .user = s};
	rng_seeded_init(&s->world, o->seed);
	hasher_init(&s->trace);
	master_new(s);
	nodes_new(s);
	clients_new(s);
	operator_new(s);
}

static void sim_end(struct sim *s)
{
	/* What is under way gives back what it holds. */
	for (unsigned i = 0; i < s->options.nodes; i++)
		s->nodes[i].life++;
	s->is_over = true;
	while (sim_next(s, INT64_MAX - 1))
		;
	master_free(s);
	nodes_free(s);
	clients_free(s);
	operator_free(s);
	mem_free(s->queue);
	mem_free(s->ledger->rows);
}

struct outcome {
	char trace[HASH_TEXT_SIZE];
	unsigned passed, failed;
};

static void print_stats(const struct sim *s, double seconds)
{
	const struct sim_stats *t = &s->stats;
	double hours = (double)(s->now_ms - s->started_ms) / HOUR_MS;
	printf("seed %" PRIu64 "%s: %.1f virtual hours in %.1f s (%.0f node-hours/s), %" PRIu64
	       " events, %" PRIu64 " requests (%" PRIu64 " lost, %" PRIu64 " doubled), %" PRIu64
	       " orders, %" PRIu64 " operations\n",
	       s->options.seed, s->options.has_master_restarts ? " (master restarts)" : "",
	       hours, seconds, seconds > 0 ? hours * s->options.nodes / seconds : 0, t->events,
	       t->requests, t->lost, t->doubled, t->orders, t->operations);
	printf("    %" PRIu64 " steps (%" PRIu64 " failed), %" PRIu64 " crashes, %" PRIu64
	       " reboots, %" PRIu64 " cuts, %" PRIu64 " usage events, %" PRIu64
	       " polls waited (at most %zu at once), %" PRIu64 " live at the end\n",
	       t->steps, t->step_failures, t->crashes, t->reboots, t->cuts, t->usage_events,
	       t->polls_waited, s->master_parked_max, t->live);
}

static struct outcome run(const struct sim_options *o)
{
	struct err e = ERR_INIT;
	struct outcome out = {.passed = 0};
	struct ledger ledger = {.n = 0};
	clock_t began = clock();
	struct sim *s = MEM_NEW(struct sim, &e);
	ASSERT(s);
	sim_begin(s, o, &ledger);
	if (run_busy(s) && run_settle(s)) {
		run_quiet(s);
		check_end(s);
	}
	s->master_parked_max = master_parked_max(s);
	struct hash sum = hasher_end(&s->trace);
	hash_text(&sum, out.trace);
	for (int i = 0; i < SIM_INVARIANTS; i++) {
		out.failed += s->is_violated[i];
		out.passed += !s->is_violated[i];
	}
	print_stats(s, (double)(clock() - began) / CLOCKS_PER_SEC);
	hasher_init(&s->trace);
	sim_end(s);
	mem_free(s);
	return out;
}

static unsigned number(const char *text)
{
	struct err e = ERR_INIT;
	int64_t n = 0;
	if (!text || str_to_i64(str_from(text), 0, 1000000, &n, &e) < 0) {
		printf("sim [--seed N] [--orders N] [--nodes N] [--runs N] [--trace]\n");
		exit(2);
	}
	return (unsigned)n;
}

static void expect(struct outcome *total, bool is_so, const char *text)
{
	total->passed += is_so;
	total->failed += !is_so;
	if (!is_so)
		printf("violated: %s\n", text);
}

static struct outcome run_all(struct sim_options o, unsigned runs)
{
	struct outcome total = {.passed = 0}, before = {.passed = 0};
	for (unsigned i = 0; i < runs; i++, o.seed++) {
		o.has_master_restarts = i % 2 == 1;
		struct outcome one = run(&o);
		total.passed += one.passed;
		total.failed += one.failed;
		if (i == 0) {
			struct outcome again = run(&o);
			expect(&total, strcmp(one.trace, again.trace) == 0,
			       "the same seed gives the same trace");
		} else {
			expect(&total, strcmp(one.trace, before.trace) != 0,
			       "another seed gives another trace");
		}
		before = one;
	}
	return total;
}

int main(int argc, char **argv)
{
	struct sim_options o = {.seed = 1, .orders = 1000, .nodes = 50};
	unsigned runs = 2;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--trace") == 0) {
			o.shows_trace = true;
			continue;
		}
		unsigned n = number(value);
		i++;
		if (strcmp(argv[i - 1], "--seed") == 0)
			o.seed = n;
		else if (strcmp(argv[i - 1], "--orders") == 0)
			o.orders = n;
		else if (strcmp(argv[i - 1], "--nodes") == 0)
			o.nodes = MIN_OF(MAX_OF(n, 1u), (unsigned)SIM_NODES_MAX);
		else if (strcmp(argv[i - 1], "--runs") == 0)
			runs = n;
		else
			number(NULL);
	}
	log_set_level(LOG_ERROR);
	struct outcome total = run_all(o, runs);
	year_run(&total.passed, &total.failed);
	printf("%u passed, %u failed\n", total.passed, total.failed);
	return total.failed ? 1 : 0;
}
