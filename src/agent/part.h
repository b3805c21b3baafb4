/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the doer holds of one partition: where it is, the spec that was applied last, and how
 * its promises stand. Owned by the thread that carries out the partition's present step, else
 * by the loop; only `incidents` are shared, behind a lock.
 */
#include <pthread.h>

#include "agent/check.h"
#include "agent/ndb.h"
#include "agent/netns.h"
#include "profile/eval.h"

enum { PART_INCIDENTS_MAX = 32 };

enum part_promise_state { PART_UNKNOWN, PART_KEPT, PART_BROKEN };
/* "unknown", "kept", "broken": the words of the wire. */
const char *part_promise_state_name(enum part_promise_state s);

struct part_promise {
	const struct spec_promise *spec;
	enum part_promise_state state;
	unsigned bad_in_row;
	int64_t since_ms, due_ms;
	bool is_told; /* the present state stands in the outbox or was sent */
	bool is_repair_given;
	char message[CHECK_MESSAGE_SIZE];
};

/* A service ended by itself. */
struct part_incident {
	char service[64], message[120];
	int64_t at_ms;
};

struct part {
	size_t slot;
	char name[64];
	unsigned uid_base;
	char ipv4[NETNS_ADDRESS_SIZE], ipv6[NETNS_ADDRESS_SIZE], netns[NETNS_PATH_SIZE];
	char *dir;	  /* NODEDIR/partitions/NAME */
	char *home;	  /* dir/home */
	char *runs;	  /* dir/runs: bundles of setup steps and exec promises */
	bool has_network; /* is up, by what this agent saw; else netns_up has to look */

	struct arena *memory; /* of spec; NULL: nothing applied */
	struct str guid, type, release, spec_text;
	struct str *secrets; /* what no message may tell */
	size_t secret_count;
	struct profile_spec spec;
	struct part_promise *promises; /* with one of kind process for each service */
	size_t promise_count;
	int64_t certs_due_ms; /* when to look at its certificates (agent/certs.h) */
	unsigned certs_failures;
	int64_t probe_until_ms; /* until then a fresh deployment may still settle */

	pthread_mutex_t lock;
	struct part_incident incidents[PART_INCIDENTS_MAX];
	size_t incident_count;
};

/* Fills the fixed members; part_fini frees. */
MUST int part_init(struct part *p, const char *node_dir, const struct ndb_partition *row,
		   const struct netns_plan *net, struct err *e);
void part_fini(struct part *p);
/*
 * Takes over an evaluated spec (JSON text of profile_eval_instance) of an instance. Promises
 * that were there before keep their state. On failure the old spec stays.
 */
MUST int part_take_spec(struct part *p, const struct machine_wish *w, struct str spec_text,
			int64_t now_ms, struct err *e);
/* What messages of promises must not tell from now on; after part_take_spec. */
MUST int part_take_secrets(struct part *p, const struct str *secrets, size_t count,
			   struct err *e);
/*
 * Takes back, towards the master, the promises of the present spec that `fresh` has not. Before
 * part_take_spec, so that a crash in between repeats it.
 */
MUST int part_withdraw(const struct part *p, struct ndb *n, const struct profile_spec *fresh,
		       int64_t now_ms, struct err *e);
/*
 * The services were stopped: the master takes the promises for unknown from then on, so each
 * is told again when they run again, even if it is found as it was.
 */
void part_rest(struct part *p);
void part_drop_spec(struct part *p);
/* Where checks of this partition run; `supervisor` is the socket's path. */
struct check_place part_place(const struct part *p, const char *supervisor);
/* Loop thread: a service died. Makes every promise of the partition due. */
void part_add_incident(struct part *p, struct str service, struct str message, int64_t at_ms);
/*
 * Runs the promises that are due (all tests, if `is_test`), side by side up to `cap`, writes
 * what changed to the node's database. *out_kept: all that were asked are kept. *out_due_ms:
 * when the next one is due. `message` (CHECK_MESSAGE_SIZE) gets the first broken one.
 */
MUST int part_check(struct part *p, struct ndb *n, const char *supervisor,
		    const struct clock *clock, bool is_test, unsigned cap, bool *out_kept,
		    int64_t *out_due_ms, char *message, struct err *e);
/*
 * A broken promise that wants a service restarted: its name, or NULL. Each is given once until
 * it was kept again, and a service once for all its promises.
 */
const char *part_repair(struct part *p);
