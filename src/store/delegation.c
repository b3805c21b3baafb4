/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/delegation.h"

#include "store/rows.h"

static const struct db_sql sql_find = {
	"delegation_find", "SELECT names, created_at FROM delegation WHERE node_id = $1",
	"node"};
static const struct db_sql sql_set = {
	"delegation_set",
	"INSERT INTO delegation (node_id, names, created_at) VALUES ($1, $2, $3)"
	" ON CONFLICT (node_id) DO UPDATE SET names = excluded.names",
	"node names now"};
static const struct db_sql sql_remove = {"delegation_remove",
					 "DELETE FROM delegation WHERE node_id = $1", "node"};

static void row(struct db_stmt *q, struct arena *a, struct delegation *out)
{
	*out = (struct delegation){.names_json = db_at_str(q, 0, a),
				   .created_at_ms = db_at_i64(q, 1)};
}

MUST int store_delegation_find(struct db_tx *tx, struct arena *a, int64_t node_id,
			       struct delegation *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_i64(q, "node", node_id);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_delegation_set(struct db_tx *tx, int64_t node_id, struct str names_json,
			      int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_set);
	db_bind_i64(q, "node", node_id);
	db_bind_str(q, "names", names_json);
	db_bind_i64(q, "now", now_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_delegation_remove(struct db_tx *tx, int64_t node_id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_remove);
	db_bind_i64(q, "node", node_id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}
