/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A world for the machine, written by hand: a clock that is set, a journal of requests, steps,
 * builds and flushes, and answers given one by one. The script is usually the fake master: some
 * instances, some supplies, and a way to fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/machine.h"

enum { SLOTS = 3, RELEASES = 4, PENDING_MAX = 64, JOURNAL_MAX = 4096 };

#define R1 "hoc:one@sha256:11"
#define R2 "hoc:two@sha256:22"

struct pending {
	uint64_t token; /* 0: free */
	char path[120], body[600];
};

struct fake_instance {
	const char *guid; /* NULL: none */
	const char *state, *partition, *release;
	const char *more; /* members that replace or follow: ",\"shared\":true" */
	int timestamp;
};

struct world {
	struct machine_world w;
	struct clock clock;
	struct rng_seeded rng;
	struct machine *m;
	int64_t now_ms, wake_ms;
	struct pending pending[PENDING_MAX];
	struct {
		bool is_busy;
		enum plan_step_kind kind;
		char guid[64];
	} steps[SLOTS];
	struct {
		bool is_busy;
		enum plan_release_kind kind;
		char release[64];
	} builds[RELEASES];
	unsigned steps_now, steps_most, flushes;
	bool is_flushing;
	char journal[JOURNAL_MAX];
	size_t journal_n;

	/* the master */
	struct fake_instance instances[8];
	const char *supplies; /* items of result_list */
	const char *shared;   /* items of every host's list */
	int64_t sequence;
	bool is_reset, has_new_supplies;
	const char *changed; /* items of "instances" */
	const char *fail_path;
	int fail_status;
	const char *fail_body;
	int failed;
	int64_t seen_since;
	unsigned sent;
};

/* The journal has this text; how often; a fresh journal. */
bool was(const struct world *w, const char *what);
unsigned times(const struct world *w, const char *what);
void forget_journal(struct world *w);
/* For cmocka: *state becomes a world with two steps at once. */
int set_up(void **state);
int tear_down(void **state);
void build_world(struct world *w, size_t steps_max);
/* machine_start with the bodies that the story of an order shows. */
void start(struct world *w, bool is_alone);
/* A request under way whose path has this text, or NULL. */
struct pending *pending(struct world *w, const char *path);
void answer(struct world *w, struct pending *p, int status, const char *body);
/* Answers one request as the master would; false if there is none but a parked poll. */
bool master_once(struct world *w);
/* Ends what the hands do. */
void end_step_as(struct world *w, size_t slot, const struct machine_result *r);
void end_step(struct world *w, size_t slot, enum plan_outcome outcome);
void end_build(struct world *w, size_t i, bool is_ok);
/* Ends one step, build or flush well; false if there is none. */
bool hands_once(struct world *w);
/* The clock moves on, and the machine is woken. */
void pass_time(struct world *w, int64_t ms);
/* Only the master works, or master and hands, until nothing is left at this moment. */
void run_master(struct world *w);
void run(struct world *w);
/* The master has news: guids in quotes, separated by commas. */
void news(struct world *w, const char *changed, bool has_supplies);
/* inst-a of R1 on p0, until it is told as started. */
void deploy_one(struct world *w);
const struct plan_partition *facts(const struct world *w, size_t slot);
void assert_deployed(const struct world *w, size_t slot);
/* Instance `i` is wanted in another state. */
void change(struct world *w, size_t i, const char *state_name);
/* False if the node does not hold the release. */
bool release(const struct world *w, const char *uri, struct plan_release *out);

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
