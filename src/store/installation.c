/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/installation.h"

#include "store/rows.h"

#define SELECT \
	"SELECT s.node_id, s.release_id, n.name, r.uri, r.name, s.want, s.reported, " \
	"s.message," \
	" s.feed, s.changed_at FROM installation s JOIN node n ON n.id = s.node_id" \
	" JOIN release r ON r.id = s.release_id "

static const struct db_sql sql_find = {"installation_find",
				       SELECT "WHERE s.release_id = $1 AND s.node_id = $2",
				       "release node"};
static const struct db_sql sql_add = {"installation_add",
				      "INSERT INTO installation (node_id, release_id, want, "
				      "reported, message, feed, changed_at,"
				      " has_room) SELECT $1, $2, CAST($3 AS TEXT), CAST($4 AS "
				      "TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT),"
				      " CAST($7 AS BIGINT), CASE WHEN partitions_free > 0 THEN "
				      "1 ELSE 0 END FROM node WHERE id = $1",
				      "node release want reported message feed changed_at"};
static const struct db_sql sql_save = {"installation_save",
				       "UPDATE installation SET want = $1, reported = $2, "
				       "message = $3, feed = $4, changed_at = $5"
				       " WHERE release_id = $6 AND node_id = $7",
				       "want reported message feed changed_at release node"};
static const struct db_sql sql_delete = {
	"installation_delete",
	"DELETE FROM installation WHERE release_id = $1 AND node_id = $2", "release node"};
static const struct db_sql sql_of_node = {"installation_of_node",
					  SELECT "WHERE s.node_id = $1 ORDER BY r.uri LIMIT $2",
					  "node limit"};
static const struct db_sql sql_list = {"installation_list",
				       SELECT "ORDER BY n.name, r.uri LIMIT $1", "limit"};
static const struct db_sql sql_feed = {
	"installation_feed", "UPDATE node SET supply_feed = $1 WHERE id = $2", "feed node"};
static const struct db_sql sql_users = {
	"installation_users",
	"SELECT COUNT(*) FROM (SELECT 1 FROM instance WHERE node_id = $1 AND release_id = $2"
	" AND is_live = 1 LIMIT $3) AS users",
	"node release limit"};
static const struct db_sql sql_rooms = {
	"installation_rooms",
	"SELECT " NODE_COLUMNS ", reported FROM node JOIN"
	" (SELECT node_id, reported FROM installation WHERE release_id = $1 AND has_room = 1"
	" AND want = 'available' AND node_id > $2 ORDER BY node_id LIMIT $3) AS room"
	" ON node_id = id ORDER BY id",
	"release after limit"};

static enum supply_report reported_of(struct str word)
{
	for (int v = 0; v < SUPPLY_REPORTS; v++)
		if (str_is(word, supply_report_word((enum supply_report)v)))
			return (enum supply_report)v;
	return BUILD_NONE;
}

static void row(struct db_stmt *q, struct arena *a, struct installation *out)
{
	*out = (struct installation){
		.node_id = db_at_i64(q, 0),
		.release_id = db_at_i64(q, 1),
		.node = db_at_str(q, 2, a),
		.release = db_at_str(q, 3, a),
		.release_name = db_at_str(q, 4, a),
		.want = str_is(db_at_str(q, 5, a), "destroyed") ? SUPPLY_DESTROYED
								: SUPPLY_AVAILABLE,
		.reported = reported_of(db_at_str(q, 6, a)),
		.message = db_at_str(q, 7, a),
		.feed = db_at_i64(q, 8),
		.changed_at_ms = db_at_i64(q, 9),
	};
}

MUST int store_installation_find(struct db_tx *tx, struct arena *a, int64_t node_id,
				 int64_t release_id, struct installation *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_i64(q, "release", release_id);
	db_bind_i64(q, "node", node_id);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_installation_add(struct db_tx *tx, const struct installation *s, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "node", s->node_id);
	db_bind_i64(q, "release", s->release_id);
	db_bind_cstr(q, "want", supply_want_word(s->want));
	db_bind_cstr(q, "reported", supply_report_word(s->reported));
	db_bind_str(q, "message", s->message);
	db_bind_i64(q, "feed", s->feed);
	db_bind_i64(q, "changed_at", s->changed_at_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_installation_save(struct db_tx *tx, const struct installation *s, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_cstr(q, "want", supply_want_word(s->want));
	db_bind_cstr(q, "reported", supply_report_word(s->reported));
	db_bind_str(q, "message", s->message);
	db_bind_i64(q, "feed", s->feed);
	db_bind_i64(q, "changed_at", s->changed_at_ms);
	db_bind_i64(q, "release", s->release_id);
	db_bind_i64(q, "node", s->node_id);
	return rows_done(db_exec(q, e));
}

MUST int store_installation_delete(struct db_tx *tx, int64_t node_id, int64_t release_id,
				   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_delete);
	db_bind_i64(q, "release", release_id);
	db_bind_i64(q, "node", node_id);
	return rows_done(db_exec(q, e));
}

MUST int store_installation_list(struct db_tx *tx, struct arena *a, int64_t node_id,
				 int64_t limit, struct installation **out, size_t *count,
				 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, node_id ? &sql_of_node : &sql_list);
	if (node_id)
		db_bind_i64(q, "node", node_id);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct installation, row, out, count, e);
}

MUST int store_installation_feed(struct db_tx *tx, int64_t node_id, int64_t feed, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_feed);
	db_bind_i64(q, "feed", feed);
	db_bind_i64(q, "node", node_id);
	return rows_done(db_exec(q, e));
}

MUST int store_installation_users(struct db_tx *tx, int64_t node_id, int64_t release_id,
				  int64_t limit, int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_users);
	db_bind_i64(q, "node", node_id);
	db_bind_i64(q, "release", release_id);
	db_bind_i64(q, "limit", limit);
	int rc = db_step(q, e);
	if (rc > 0)
		*out = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_installation_rooms(struct db_tx *tx, struct arena *a, int64_t release_id,
				  int64_t after, size_t limit, struct room *out, size_t *count,
				  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_rooms);
	db_bind_i64(q, "release", release_id);
	db_bind_i64(q, "after", after);
	db_bind_i64(q, "limit", (int64_t)limit);
	size_t n = 0;
	int rc;
	while ((rc = db_step(q, e)) > 0) {
		ASSERT(n < limit);
		node_row(q, a, &out[n].node);
		out[n++].reported = reported_of(db_at_str(q, NODE_COLUMN_COUNT, a));
	}
	*count = n;
	return rc < 0 ? -1 : arena_check(a, e);
}
