/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/guard.h"

#include "store/rows.h"

static const struct db_sql sql_load = {
	"guard_load", "SELECT newest, seen FROM node_guard WHERE node_id = $1", "node"};
static const struct db_sql sql_save = {
	"guard_save",
	"INSERT INTO node_guard (node_id, newest, seen) VALUES ($1, $2, $3)"
	" ON CONFLICT (node_id) DO UPDATE SET newest = excluded.newest, seen = excluded.seen",
	"node newest seen"};

MUST int store_guard_load(struct db_tx *tx, struct arena *a, int64_t node_id, struct guard *out,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_load);
	db_bind_i64(q, "node", node_id);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		*out = (struct guard){0};
		return 0;
	}
	return guard_read(db_at_i64(q, 0), db_at_str(q, 1, a), out, e);
}

MUST int store_guard_save(struct db_tx *tx, int64_t node_id, const struct guard *g,
			  struct err *e)
{
	char text[GUARD_TEXT_SIZE];
	struct db_stmt *q = db_prepare(tx, &sql_save);
	guard_text(g, text);
	db_bind_i64(q, "node", node_id);
	db_bind_i64(q, "newest", g->newest);
	db_bind_cstr(q, "seen", text);
	return rows_done(db_exec(q, e));
}
