/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/checkpoint.h"

#include "store/rows.h"

#define COLUMNS "sequence, hash, at_ms, key_name, signature"

static const struct db_sql sql_list = {
	"checkpoint_list",
	"SELECT " COLUMNS " FROM checkpoint WHERE sequence > $1 ORDER BY sequence LIMIT $2",
	"since limit"};
static const struct db_sql sql_newest = {
	"checkpoint_newest",
	"SELECT " COLUMNS " FROM checkpoint ORDER BY sequence DESC LIMIT $1", "limit"};
static const struct db_sql sql_add = {
	"checkpoint_add",
	"INSERT INTO checkpoint (sequence, hash, at_ms, key_name, signature)"
	" VALUES ($1, $2, $3, $4, $5)",
	"sequence hash at key signature"};
static const struct db_sql sql_remove = {
	"checkpoint_remove", "DELETE FROM checkpoint WHERE sequence = $1", "sequence"};

static void row(struct db_stmt *q, struct arena *a, struct checkpoint *out)
{
	*out = (struct checkpoint){
		.sequence = db_at_i64(q, 0),
		.hash = db_at_str(q, 1, a),
		.at_ms = db_at_i64(q, 2),
		.key_name = db_at_str(q, 3, a),
		.signature = db_at_str(q, 4, a),
	};
}

/* The newest one goes if the one before it is of the same hour. */
MUST static int thin(struct db_tx *tx, struct arena *a, struct err *e)
{
	struct checkpoint *two = NULL;
	size_t n = 0;
	struct db_stmt *q = db_prepare(tx, &sql_newest);
	db_bind_i64(q, "limit", 2);
	if (ROWS_READ(q, a, struct checkpoint, row, &two, &n, e) < 0)
		return -1;
	if (n < 2 ||
	    two[0].at_ms / STORE_CHECKPOINT_KEEP_MS != two[1].at_ms / STORE_CHECKPOINT_KEEP_MS)
		return 0;
	q = db_prepare(tx, &sql_remove);
	db_bind_i64(q, "sequence", two[0].sequence);
	return rows_done(db_exec(q, e));
}

MUST int store_checkpoint_add(struct db_tx *tx, struct arena *a, const struct checkpoint *cp,
			      struct err *e)
{
	if (thin(tx, a, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "sequence", cp->sequence);
	db_bind_str(q, "hash", cp->hash);
	db_bind_i64(q, "at", cp->at_ms);
	db_bind_str(q, "key", cp->key_name);
	db_bind_str(q, "signature", cp->signature);
	return rows_done(db_exec(q, e));
}

MUST int store_checkpoint_last(struct db_tx *tx, struct arena *a, struct checkpoint *out,
			       struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_newest);
	db_bind_i64(q, "limit", 1);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_checkpoint_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			       struct checkpoint **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "since", since);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct checkpoint, row, out, count, e);
}
