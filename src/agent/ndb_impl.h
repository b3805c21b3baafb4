/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside of the node's database, shared by ndb.c (wishes), ndb_queue.c (what is sent) and
 * ndb_seal.c (secrets). */
#include "agent/ndb.h"

struct ndb {
	struct db *db;
};

/* One transaction's wants and finds; each function uses the members it needs. */
struct ndb_op {
	struct arena *a;
	struct str key, name, guid, text;
	int64_t slot, number;
	size_t length, max;
	const struct rng *rng;
	const void *in;
	size_t count;
	void *out;
	size_t *out_count;
};

/* A statement with the (guid, name) that many tables are keyed by. */
struct db_stmt *ndb_keyed(struct db_tx *tx, const struct db_sql *sql, const struct ndb_op *op);
