/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a node must not forget: NODEDIR/node.db.
 *
 * Its identity and partitions (format), the last wish of the master for each partition and how
 * far it was carried out, secrets, finished once-only setup steps, the outbox of usage and
 * promise results, and the meter's last readings. The file holds secrets: mode 0600.
 *
 * Every function is one transaction, durable when it returns, and blocks on the disk: call them
 * from crew threads (any thread), except at start.
 */
#include "agent/machine.h"
#include "db/db.h"

struct ndb;

enum {
	NDB_OUTBOX_MAX = 200000, /* rows kept while no master takes them; then the oldest go */
	NDB_HISTORY_MAX = 100,	 /* promise results kept for one partition */
};

/* Opens or makes DIR/node.db. */
MUST int ndb_open(const char *dir, struct ndb **out, struct err *e);
/* NULL is accepted; returns NULL. */
struct ndb *ndb_close(struct ndb *n);

/* The identity, as key → text. Returns 1 if there is no such key. */
MUST int ndb_get(struct ndb *n, struct str key, struct arena *a, struct str *out,
		 struct err *e);
MUST int ndb_set(struct ndb *n, const struct str *keys, const struct str *values, size_t count,
		 struct err *e);

struct ndb_partition {
	int64_t slot;
	struct str name;
	int64_t uid_base;
	struct str ipv4, ipv6;
};
/* All partitions by slot. */
MUST int ndb_partitions(struct ndb *n, struct arena *a, struct ndb_partition **out,
			size_t *out_count, struct err *e);
/* Replaces the set of partitions. ERR_CONFLICT if one that goes has an instance. */
MUST int ndb_set_partitions(struct ndb *n, const struct ndb_partition *p, size_t count,
			    struct err *e);

struct ndb_wish {
	int64_t slot;
	struct machine_wish wish;
	int64_t applied_version;
	struct str connection; /* JSON text, "" if none */
};
MUST int ndb_wishes(struct ndb *n, struct arena *a, struct ndb_wish **out, size_t *out_count,
		    struct err *e);
/* Keeps the wish; nothing is written if it is the one kept already (returns 1). */
MUST int ndb_save_wish(struct ndb *n, size_t slot, const struct machine_wish *w, struct err *e);
/* The wish of `version` was carried out and published `connection`. */
MUST int ndb_save_applied(struct ndb *n, size_t slot, int64_t version, struct str connection,
			  struct err *e);
/* Forgets the instance: wish, secrets, setup steps, children, meter. */
MUST int ndb_forget(struct ndb *n, size_t slot, struct str guid, struct err *e);

/*
 * The secret of that name, made now with `length` characters if there is none yet: once made it
 * stays the same until ndb_forget.
 */
MUST int ndb_secret(struct ndb *n, struct str guid, struct str name, size_t length,
		    const struct rng *rng, struct arena *a, struct str *out, struct err *e);
/* As ndb_secret, but one of a smaller rotation is replaced by a fresh one. */
MUST int ndb_rotated_secret(struct ndb *n, struct str guid, struct str name, int64_t rotation,
			    size_t length, const struct rng *rng, struct arena *a,
			    struct str *out, struct err *e);
/* What was sealed under that name, if its digest is this one; else 1. */
MUST int ndb_sealed(struct ndb *n, struct str guid, struct str name, struct str digest,
		    struct arena *a, struct str *out, struct err *e);
MUST int ndb_save_sealed(struct ndb *n, struct str guid, struct str name, struct str digest,
			 struct str text, struct err *e);
/* Who may read an instance's secrets, as last known (text of agent/cloud.h), and what the
 * master was last told of those left out, "" if nobody was. 1: not known. */
MUST int ndb_readers(struct ndb *n, struct str guid, struct arena *a, struct str *out_body,
		     struct str *out_told, struct err *e);
MUST int ndb_save_readers(struct ndb *n, struct str guid, struct str body, struct str told,
			  struct err *e);
/* 1 if the once-only step was done. */
MUST int ndb_is_step_done(struct ndb *n, struct str guid, struct str name, struct err *e);
MUST int ndb_step_done(struct ndb *n, struct str guid, struct str name, struct err *e);
/* Last known connection of a child (JSON text); returns 1 if none is known. */
MUST int ndb_child(struct ndb *n, struct str guid, struct str name, struct arena *a,
		   struct str *out, struct err *e);
MUST int ndb_save_child(struct ndb *n, struct str guid, struct str name, struct str connection,
			struct err *e);

/* The outbox. Rows of kind "usage", "promise" and "issued"; bodies are JSON objects. */
struct ndb_row {
	int64_t seq;
	struct str kind, body;
};
MUST int ndb_outbox_add(struct ndb *n, const struct ndb_row *rows, size_t count, struct err *e);
/* The oldest rows, at most `max`. */
MUST int ndb_outbox_peek(struct ndb *n, size_t max, struct arena *a, struct ndb_row **out,
			 size_t *out_count, struct err *e);
/* Forgets rows up to and including `seq`; *out_left says how many stay. */
MUST int ndb_outbox_drop(struct ndb *n, int64_t seq, int64_t *out_left, struct err *e);
MUST int ndb_outbox_count(struct ndb *n, int64_t *out, struct err *e);

/* A promise's result that differs from the one before, in a bounded ring, and for the outbox.
 */
struct ndb_result {
	struct str instance, name, state, message;
	int64_t at_ms, took_ms;
};
MUST int ndb_results_add(struct ndb *n, const struct ndb_result *results, size_t count,
			 struct err *e);
/* The ring of an instance, newest first. */
MUST int ndb_results(struct ndb *n, struct str instance, size_t max, struct arena *a,
		     struct ndb_result **out, size_t *out_count, struct err *e);

/*
 * The meter: reading `name` of `guid` was `value` (a counter) at `at_ms`. Usage rows and the
 * new readings go in one transaction, so that nothing is counted twice or lost.
 */
struct ndb_reading {
	struct str guid, name;
	int64_t value, at_ms;
};
MUST int ndb_readings(struct ndb *n, struct arena *a, struct ndb_reading **out,
		      size_t *out_count, struct err *e);
MUST int ndb_meter(struct ndb *n, const struct ndb_reading *readings, size_t reading_count,
		   const struct ndb_row *rows, size_t row_count, struct err *e);
