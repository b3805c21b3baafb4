/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A cloud in one thread: a master, its nodes and its customers under a virtual clock.
 *
 *     customers, operator ──┐                        ┌── api (real) ── database in memory
 *                           ├── lossy network ───────┤
 *     nodes: machine (real) ┘                        └── long polls that wait
 *       └── disk, services, builds (simulated)
 *
 * Everything that happens is an event of one queue, ordered by (moment, number). Chance comes
 * from seeded generators only, so a seed tells the whole run; each event adds a line to the
 * trace, whose hash is compared between runs. What must always hold is an invariant of the
 * table below: the first violation of each is told with the trace that led to it.
 */
#include <stdio.h>

#include "agent/machine.h"
#include "agent/meter.h"
#include "api/api.h"
#include "base/id.h"
#include "base/mem.h"
#include "db/db.h"
#include "trust/hash.h"

enum {
	SIM_NODES_MAX = 500,
	SIM_PARTITIONS = 12, /* of one node */
	SIM_RELEASES = 3,
	SIM_TRACE_LINES = 50,
	SIM_LINE_MAX = 160,
	SIM_TEXT_MAX = 64,
	SIM_METER_MS = 10 * 60 * 1000,
};

enum sim_invariant {
	SIM_ACKNOWLEDGED,
	SIM_OWNER,
	SIM_FREE,
	SIM_CONVERGED,
	SIM_REMAINS,
	SIM_STEPS,
	SIM_SUPPLIES,
	SIM_TREES,
	SIM_PLACED,
	SIM_USAGE,
	SIM_EVENTS,
	SIM_SETTLED,
	SIM_QUIET,
	SIM_BOUNDED,
	SIM_INVARIANTS
};

struct sim;
typedef void sim_fn(struct sim *s, void *object, uint64_t a, uint64_t b);

struct sim_options {
	uint64_t seed;
	unsigned orders, nodes;
	bool has_master_restarts;
	bool shows_trace;
};

struct sim_event {
	int64_t at_ms;
	uint64_t number;
	sim_fn *fn;
	void *object;
	uint64_t a, b;
};

struct sim_stats {
	uint64_t events, requests, lost, doubled, crashes, reboots, cuts, steps, step_failures;
	uint64_t usage_events, orders, operations, polls_waited, live;
};

struct master;
struct net;
struct sim_node;
struct client;
struct ledger;
struct supplier;

struct sim {
	struct sim_options options;
	int64_t now_ms, started_ms;
	struct clock clock;
	struct sim_event *queue; /* heap */
	size_t queue_n, queue_max;
	uint64_t last_number;
	struct rng_seeded world; /* chance of network, steps, crashes, customers */
	bool is_healed;		 /* nothing goes wrong any more */
	bool is_over;		 /* events only give back what they hold */
	struct hasher trace;
	char lines[SIM_TRACE_LINES][SIM_LINE_MAX];
	uint64_t line_n;
	bool is_violated[SIM_INVARIANTS];
	struct master *master;
	struct sim_node *nodes;
	struct client *clients;
	size_t client_n;
	struct supplier *supplier;
	size_t flights;			       /* requests under way */
	size_t flights_max, master_parked_max; /* ever */
	struct ledger *ledger;
	struct sim_stats stats;
};

/* ---- loop.c ---------------------------------------------------------------------------------
 */

void sim_at(struct sim *s, int64_t at_ms, sim_fn *fn, void *object, uint64_t a, uint64_t b);
/* Carries out the next event; false if there is none before `limit_ms`. */
bool sim_next(struct sim *s, int64_t limit_ms);
void sim_trace(struct sim *s, const char *format, ...) PRINTF(2, 3);
void sim_violate(struct sim *s, enum sim_invariant what, const char *format, ...) PRINTF(3, 4);
const char *sim_invariant_text(enum sim_invariant what);
/* True in `per_mille` of 1000 cases; never once the world is healed. */
bool sim_chance(struct sim *s, unsigned per_mille);
/* Uniform in [low, high]. */
int64_t sim_between(struct sim *s, int64_t low, int64_t high);
/* Stops the program: the simulation itself went wrong. */
NORETURN void sim_die(const struct sim *s, const char *what, const struct err *e);
#define SIM_TRY(s, call) \
	do { \
		struct err e_ = ERR_INIT; \
		if ((call) < 0) \
			sim_die((s), #call, &e_); \
	} while (0)

/* ---- net.c ----------------------------------------------------------------------------------
 */

/* An answer, or status 0: none. Exactly one a request. */
typedef void net_answer_fn(struct sim *s, void *owner, uint64_t life, uint64_t token,
			   int status, struct str body);
struct flight {
	unsigned references;
	bool is_answered;
	void *owner;
	uint64_t life, token;
	net_answer_fn *answer;
	const int64_t *cut_until_ms; /* of its owner; NULL: never cut off */
	int64_t timeout_at_ms;
	const char *method;
	char *target, *body;
};
struct net_request {
	const char *method;
	struct str target, body;
	int64_t timeout_ms;
	void *owner;
	uint64_t life, token;
	net_answer_fn *answer;
	const int64_t *cut_until_ms;
};
void net_send(struct sim *s, const struct net_request *r);
/* Brings the master's answer on its way; status 0: the connection broke. */
void net_answer(struct sim *s, struct flight *f, int status, struct str body);
void flight_hold(struct flight *f);
void flight_drop(struct sim *s, struct flight *f);

/* ---- world_master.c -------------------------------------------------------------------------
 */

void master_new(struct sim *s);
void master_free(struct sim *s);
void master_take(struct sim *s, struct flight *f);
/* URI of release `i`. */
const char *master_release(unsigned i);
struct db *master_db(struct sim *s);
size_t master_parked(struct sim *s);
size_t master_parked_max(struct sim *s);

/* ---- world_node.c ---------------------------------------------------------------------------
 */

/* What a partition holds on disk and in memory of the host; survives the agent. */
struct home {
	bool has_wish; /* row of the node's database */
	char guid[SIM_TEXT_MAX];
	enum plan_want want;
	char *title, *tree, *release, *type, *parameters, *shared;
	int64_t version, applied_version;
	char *connection;
	/* files and processes */
	char files_of[SIM_TEXT_MAX]; /* guid whose files are there; "" none */
	char spec_of[SIM_TEXT_MAX];  /* guid whose specification is there */
	int64_t spec_version;
	bool is_running, is_net_up;
	char *run_parameters, *run_release; /* of the specification */
	char *child_asked;		    /* guid and version of the wish that asked last */
	char *child_known, *child_used;	    /* its connection: as heard last, as applied */
	/* the agent's memory: gone with it */
	int promise; /* as told: -1 nothing, 0 broken, 1 kept */
	int64_t probe_until_ms;
};
struct outbox_row {
	bool is_usage;
	char *body;
};
struct reading {
	char guid[SIM_TEXT_MAX], name[8];
	int64_t value, at_ms;
};
struct step;
struct sim_node {
	struct sim *sim;
	unsigned index;
	char name[16];
	struct rng_seeded rng;
	struct machine_world world;
	struct machine *machine; /* NULL: crashed */
	uint64_t life;		 /* counts machines */
	uint64_t wake;		 /* number of the newest wake_at */
	int64_t cut_until_ms;
	/* disk */
	struct home homes[SIM_PARTITIONS];
	bool has_release[SIM_RELEASES];
	char (*kept)[SIM_TEXT_MAX]; /* guids with secrets and the like in the database */
	size_t kept_n, kept_max;
	struct reading *readings;
	size_t reading_n, reading_max;
	struct outbox_row *outbox;
	size_t outbox_n, outbox_max;
	struct step *steps[SIM_PARTITIONS]; /* under way */
	size_t flush_rows;		    /* of the batch under way */
	uint64_t flush_token;
	uint64_t requests; /* sent, ever */
};
void nodes_new(struct sim *s);
void nodes_free(struct sim *s);
/* Ends what goes wrong: crashed nodes start, cut ones are joined. */
void nodes_heal(struct sim *s);
/* Text about the first node that is not at rest; NULL if all are. */
const char *nodes_unsettled(struct sim *s, char *text, size_t n);

struct step {
	struct sim_node *node;
	uint64_t life;
	size_t slot;
	enum plan_step_kind kind;
	struct machine_wish wish;
	struct arena *memory;
	bool is_failing, is_asking;
};
int node_release_index(struct str uri);
/* The step ends now. */
void node_step_ends(struct step *st);

/* ---- world_child.c --------------------------------------------------------------------------
 */

/* Does this deployment ask for a child? Then the step goes on with node_step_ends later. */
bool child_ask(struct step *st);

/* ---- world_disk.c ---------------------------------------------------------------------------
 */

void disk_save_wish(struct home *h, const struct machine_wish *w);
void disk_forget(struct sim_node *n, size_t slot, struct str guid);
void disk_keep_guid(struct sim_node *n, struct str guid);
void disk_apply(struct sim_node *n, size_t slot, const struct machine_wish *w);
void disk_wipe(struct sim_node *n, size_t slot);
void disk_put(struct sim_node *n, bool is_usage, struct str body);
void disk_drop(struct sim_node *n, size_t rows);
/* Measures partition `slot` once more; true if something was put into the outbox. */
bool disk_meter(struct sim_node *n, size_t slot);
void disk_fini(struct sim_node *n);
void disk_set(char **to, struct str text);

/* ---- world_client.c -------------------------------------------------------------------------
 */

enum { TITLES_MAX = 64 };
enum wanted { WANTED_NOTHING, WANTED_STARTED, WANTED_STOPPED, WANTED_DESTROYED };
struct title {
	char name[32];
	char guid[SIM_TEXT_MAX]; /* as acknowledged last */
	enum wanted wanted;	 /* as acknowledged last */
	int64_t size;		 /* its parameter, as acknowledged last */
	unsigned release;
	char where[48];
	bool is_unsure; /* refused: what a late copy of the request does is open */
};
struct client {
	struct sim *sim;
	unsigned index;
	char name[16];
	unsigned orders_left, changes_left;
	struct title titles[TITLES_MAX];
	size_t title_n;
	/* the operation under way */
	enum { OP_REQUEST, OP_BANG, OP_WATCH } op;
	struct title *title;
	enum wanted to;
	int64_t to_size;
	const char *method;
	char target[256], body[512];
	unsigned copies_open, copies_taken; /* of the same words at once */
	uint64_t token;
	unsigned watches;
	bool is_done;
};
void clients_new(struct sim *s);
void clients_free(struct sim *s);
bool clients_are_done(const struct sim *s);

/* ---- world_operator.c -----------------------------------------------------------------------
 */

void operator_new(struct sim *s);
void operator_free(struct sim *s);
bool operator_is_done(const struct sim *s);
/* Was release `r` on node `n` acknowledged to be wanted? */
bool operator_wants(const struct sim *s, unsigned n, unsigned r);

/* ---- check.c --------------------------------------------------------------------------------
 */

struct ledger_row {
	char node[16], id[72], quantity[40];
};
struct ledger {
	struct ledger_row *rows;
	size_t n, max;
};
/* A node produced this event. */
void ledger_add(struct sim *s, const char *node, struct str id, struct str quantity);
/* What must hold at any moment. */
void check_now(struct sim *s);
/* What must hold once all is at rest. */
void check_end(struct sim *s);
