/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The hands of a node: carries out what the machine plans, on this host.
 *
 * Two crews of threads do what blocks: `work` (steps of partitions) and `talk` (requests to the
 * master). Builds are child processes, so that a build of minutes takes no thread and can be
 * killed. The loop's thread owns everything else; a partition's struct part belongs to the
 * thread of its step while one is under way, else to the loop.
 */
#include "agent/crew.h"
#include "agent/deploy.h"
#include "agent/machine.h"
#include "agent/talkers.h"
#include "profile/build.h"

struct doer;

struct doer_options {
	const char *dir;     /* NODEDIR */
	const char *master;  /* base URL, or NULL: alone */
	struct keys *keys;   /* of the node; NULL: it joined nowhere. Outlives the doer */
	const char *program; /* this binary: for builds and evaluation */
	struct str node;
	struct netns_plan net;
	unsigned steps_max;	/* threads that carry out steps */
	int64_t meter_every_ms; /* 0: never */
	int64_t poll_for_ms;
};

/*
 * Everything is taken from NODEDIR/node.db; ERR_NOT_FOUND if the node is not formatted. The
 * networks of all partitions must be up (netns_up).
 */
MUST int doer_new(struct ev *ev, const struct doer_options *o, struct ndb *ndb,
		  struct doer **out, struct err *e);
/*
 * Ends requests under way, waits for steps, and frees. Outside of the loop. NULL is accepted;
 * returns NULL.
 */
struct doer *doer_free(struct doer *d);
/* Restores what the node knows and begins; `format_body`, `node_body` as in machine_start. */
MUST int doer_start(struct doer *d, struct str format_body, struct str node_body,
		    struct err *e);
struct machine *doer_machine(struct doer *d);
const struct part *doer_part(const struct doer *d, size_t slot);

/* How far the build of release slot i is; false if none is under way. */
bool doer_progress(const struct doer *d, size_t i, struct profile_progress *out);
/* Nothing is under way and nothing is due, except polls and checks: for `hoc node pass`. */
bool doer_is_settled(const struct doer *d);
/* The keys that the node shows its master; NULL: none. */
struct keys *doer_keys(const struct doer *d);
/* What is wrong with what the master answers, a sentence; "" if nothing. */
void doer_trouble(const struct doer *d, char out[static CLOUD_TEXT_MAX]);
/* The supervisor answered its last hello. */
bool doer_has_supervisor(const struct doer *d);
int64_t doer_outbox_count(const struct doer *d);
/* Calls fn in the loop after each event of the machine: for `pass` and status. */
void doer_on_change(struct doer *d, ev_fn *fn, void *user);
/* Calls fn in the loop when the supervisor went away: to start another. */
void doer_on_supervisor_lost(struct doer *d, ev_fn *fn, void *user);
