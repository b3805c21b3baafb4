/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/own.h"

static const struct db_sql sql_past = {
	"own_past", "SELECT 1 FROM instance WHERE id = $1 AND last_node_id = $2",
	"instance node"};
/* The root of a tree has no tree_id of its own. */
static const struct db_sql sql_tree = {
	"own_tree",
	"SELECT 1 FROM instance WHERE tree_id = $2 AND is_live = 1 AND node_id = $1"
	" UNION ALL SELECT 1 FROM instance WHERE id = $2 AND node_id = $1"
	" UNION ALL SELECT 1 FROM instance WHERE id = $3 AND last_node_id = $1 LIMIT 1",
	"node tree instance"};

MUST int store_own_past(struct db_tx *tx, int64_t node_id, int64_t instance_id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_past);
	db_bind_i64(q, "instance", instance_id);
	db_bind_i64(q, "node", node_id);
	return db_step(q, e);
}

MUST int store_own_tree(struct db_tx *tx, int64_t node_id, int64_t instance_id, int64_t tree_id,
			struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_tree);
	db_bind_i64(q, "node", node_id);
	db_bind_i64(q, "tree", tree_id);
	db_bind_i64(q, "instance", instance_id);
	return db_step(q, e);
}
