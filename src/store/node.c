/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/node.h"

#include "store/rows.h"

#define COLUMNS NODE_COLUMNS

static const struct db_sql sql_find = {"node_find",
				       "SELECT " COLUMNS " FROM node WHERE name = $1", "name"};
static const struct db_sql sql_by_id = {"node_by_id",
					"SELECT " COLUMNS " FROM node WHERE id = $1", "id"};
static const struct db_sql sql_add = {
	"node_add",
	"INSERT INTO node (name, title, region, network, capabilities, partitions_total,"
	" partitions_free, last_contact_at, feed, supply_feed, liveness, liveness_since, "
	"created_at)"
	" VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, 'unknown', $6, $6) RETURNING id",
	"name title region network capabilities now"};
static const struct db_sql sql_save = {"node_save",
				       "UPDATE node SET title = $1, region = $2, network = $3, "
				       "capabilities = $4 WHERE id = $5",
				       "title region network capabilities id"};
static const struct db_sql sql_list = {
	"node_list", "SELECT " COLUMNS " FROM node WHERE name > $1 ORDER BY name LIMIT $2",
	"after limit"};
static const struct db_sql sql_contact = {
	"node_contact", "UPDATE node SET last_contact_at = $1 WHERE id = $2", "now id"};
static const struct db_sql sql_liveness = {
	"node_liveness", "UPDATE node SET liveness = $1, liveness_since = $2 WHERE id = $3",
	"state since id"};
static const struct db_sql sql_silent = {
	"node_silent",
	"SELECT " COLUMNS " FROM node WHERE liveness = 'kept' AND last_contact_at < $1"
	" ORDER BY last_contact_at LIMIT $2",
	"before limit"};
static const struct db_sql sql_stamp = {
	"node_stamp",
	"UPDATE node SET feed = CASE WHEN feed >= $1 THEN feed + 1 ELSE $1 END WHERE id = $2"
	" RETURNING feed",
	"now id"};
static const struct db_sql sql_free_add = {
	"node_free_add",
	"UPDATE node SET partitions_free = partitions_free + $1 WHERE id = $2"
	" RETURNING partitions_free",
	"delta id"};
static const struct db_sql sql_room = {
	"node_room", "UPDATE installation SET has_room = $1 WHERE node_id = $2", "has_room id"};
static const struct db_sql sql_recount = {
	"node_recount",
	"UPDATE node SET"
	" partitions_total = (SELECT COUNT(*) FROM partition p WHERE p.node_id = $1 AND "
	"p.is_gone = 0),"
	" partitions_free = (SELECT COUNT(*) FROM partition p WHERE p.node_id = $1 AND "
	"p.is_gone = 0"
	" AND p.instance_id IS NULL) WHERE id = $1 RETURNING partitions_free",
	"id"};

#define P_COLUMNS "id, node_id, name, position, addresses, instance_id, is_gone"
static const struct db_sql sql_p_find = {
	"partition_find",
	"SELECT " P_COLUMNS " FROM partition WHERE node_id = $1 AND name = $2", "node name"};
static const struct db_sql sql_p_list = {
	"partition_list",
	"SELECT " P_COLUMNS " FROM partition WHERE node_id = $1 ORDER BY position, id LIMIT $2",
	"node limit"};
static const struct db_sql sql_p_lowest = {
	"partition_lowest",
	"SELECT " P_COLUMNS " FROM partition WHERE node_id = $1 AND instance_id IS NULL"
	" AND is_gone = 0 ORDER BY position LIMIT 1",
	"node"};
/*
 * COALESCE: "instance_id IS NULL AND is_gone = 0" is what index partition_free is limited to, and
 * PostgreSQL, as long as it has no statistics, goes through all of that rather than use the key.
 */
static const struct db_sql sql_p_take = {
	"partition_take",
	"UPDATE partition SET instance_id = $1 WHERE id = $2 AND COALESCE(instance_id, 0) = 0"
	" AND is_gone = 0",
	"instance id"};
static const struct db_sql sql_p_free = {
	"partition_free",
	"UPDATE partition SET instance_id = NULL WHERE id = $1 RETURNING is_gone", "id"};
static const struct db_sql sql_p_add = {
	"partition_add",
	"INSERT INTO partition (node_id, name, position, addresses, is_gone)"
	" VALUES ($1, $2, $3, $4, 0)",
	"node name position addresses"};
static const struct db_sql sql_p_save = {
	"partition_save",
	"UPDATE partition SET position = $1, addresses = $2, is_gone = $3 WHERE id = $4",
	"position addresses is_gone id"};
static const struct db_sql sql_p_drop = {
	"partition_drop", "DELETE FROM partition WHERE id = $1 AND instance_id IS NULL", "id"};

/* The word of a promise's state; a CHECK holds the column to the three. */
static enum promise_state state_of(struct str word)
{
	return str_is(word, "kept")	? PROMISE_KEPT
	       : str_is(word, "broken") ? PROMISE_BROKEN
					: PROMISE_UNKNOWN;
}

void node_row(struct db_stmt *q, struct arena *a, struct node *out)
{
	*out = (struct node){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.title = db_at_str(q, 2, a),
		.region = db_at_str(q, 3, a),
		.network = db_at_str(q, 4, a),
		.capabilities_json = db_at_str(q, 5, a),
		.partitions_total = db_at_i64(q, 6),
		.partitions_free = db_at_i64(q, 7),
		.last_contact_at_ms = db_at_i64(q, 8),
		.feed = db_at_i64(q, 9),
		.supply_feed = db_at_i64(q, 10),
		.liveness = state_of(db_at_str(q, 11, a)),
		.liveness_since_ms = db_at_i64(q, 12),
		.created_at_ms = db_at_i64(q, 13),
	};
}

static void partition_row(struct db_stmt *q, struct arena *a, struct partition *out)
{
	*out = (struct partition){
		.id = db_at_i64(q, 0),
		.node_id = db_at_i64(q, 1),
		.name = db_at_str(q, 2, a),
		.position = db_at_i64(q, 3),
		.addresses_json = db_at_str(q, 4, a),
		.instance_id = db_at_i64(q, 5),
		.is_gone = db_at_i64(q, 6) != 0,
	};
}

MUST int store_node_find(struct db_tx *tx, struct arena *a, struct str name, struct node *out,
			 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, node_row, out, e);
}

MUST int store_node_by_id(struct db_tx *tx, struct arena *a, int64_t id, struct node *out,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_id);
	db_bind_i64(q, "id", id);
	return ROW_READ(q, a, node_row, out, e);
}

MUST int store_node_add(struct db_tx *tx, struct node *n, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "name", n->name);
	db_bind_str(q, "title", n->title);
	db_bind_str(q, "region", n->region);
	db_bind_str(q, "network", n->network);
	db_bind_str(q, "capabilities", n->capabilities_json);
	db_bind_i64(q, "now", n->created_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		n->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_node_save(struct db_tx *tx, const struct node *n, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_str(q, "title", n->title);
	db_bind_str(q, "region", n->region);
	db_bind_str(q, "network", n->network);
	db_bind_str(q, "capabilities", n->capabilities_json);
	db_bind_i64(q, "id", n->id);
	return rows_done(db_exec(q, e));
}

MUST int store_node_list(struct db_tx *tx, struct arena *a, struct str after, int64_t limit,
			 struct node **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_str(q, "after", after);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct node, node_row, out, count, e);
}

MUST int store_node_contact(struct db_tx *tx, int64_t id, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_contact);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST int store_node_liveness(struct db_tx *tx, int64_t id, enum promise_state state,
			     int64_t since_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_liveness);
	db_bind_cstr(q, "state", promise_state_word(state));
	db_bind_i64(q, "since", since_ms);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST int store_node_silent(struct db_tx *tx, struct arena *a, int64_t before_ms, int64_t limit,
			   struct node **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_silent);
	db_bind_i64(q, "before", before_ms);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct node, node_row, out, count, e);
}

/* The number that a statement returns. */
MUST static int number_of(struct db_stmt *q, int64_t *out, struct err *e)
{
	int rc = db_step(q, e);
	if (rc > 0)
		*out = db_at_i64(q, 0);
	return rc < 0 ? -1 : rc > 0 ? 0 : err_fail(e, ERR_INTERNAL, "no such node");
}

MUST int store_node_stamp(struct db_tx *tx, int64_t id, int64_t now_ms, int64_t *out,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_stamp);
	db_bind_i64(q, "now", now_ms * 1000);
	db_bind_i64(q, "id", id);
	return number_of(q, out, e);
}

/* Tells the installations of the node whether there is room on it. */
MUST static int set_room(struct db_tx *tx, int64_t id, bool has_room, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_room);
	db_bind_bool(q, "has_room", has_room);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST static int add_free(struct db_tx *tx, int64_t id, int64_t delta, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_free_add);
	db_bind_i64(q, "delta", delta);
	db_bind_i64(q, "id", id);
	int64_t free = 0;
	if (number_of(q, &free, e) < 0)
		return -1;
	/* Only the step from or to 0 changes what the installations say. */
	if (free == 0 || (free == 1 && delta > 0))
		return set_room(tx, id, free > 0, e);
	return 0;
}

MUST int store_node_recount(struct db_tx *tx, int64_t id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_recount);
	db_bind_i64(q, "id", id);
	int64_t free = 0;
	if (number_of(q, &free, e) < 0)
		return -1;
	return set_room(tx, id, free > 0, e);
}

MUST int store_partition_find(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct str name, struct partition *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_find);
	db_bind_i64(q, "node", node_id);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, partition_row, out, e);
}

MUST int store_partition_list(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct partition **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_list);
	db_bind_i64(q, "node", node_id);
	/* Gone ones that are still taken come on top of a full format. */
	db_bind_i64(q, "limit", 2 * MODEL_PARTITIONS_MAX);
	return ROWS_READ(q, a, struct partition, partition_row, out, count, e);
}

MUST int store_partition_lowest(struct db_tx *tx, struct arena *a, int64_t node_id,
				struct partition *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_lowest);
	db_bind_i64(q, "node", node_id);
	return ROW_READ(q, a, partition_row, out, e);
}

MUST int store_partition_take(struct db_tx *tx, int64_t node_id, int64_t partition_id,
			      int64_t instance_id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_take);
	db_bind_i64(q, "instance", instance_id);
	db_bind_i64(q, "id", partition_id);
	int64_t n = db_exec(q, e);
	if (n == 0)
		return err_fail(e, ERR_CONFLICT, "partition is not free");
	return n < 0 ? -1 : add_free(tx, node_id, -1, e);
}

MUST static int drop_partition(struct db_tx *tx, int64_t id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_drop);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST int store_partition_free(struct db_tx *tx, int64_t node_id, int64_t partition_id,
			      struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_free);
	db_bind_i64(q, "id", partition_id);
	int64_t is_gone = 0;
	if (number_of(q, &is_gone, e) < 0)
		return -1;
	return is_gone ? drop_partition(tx, partition_id, e) : add_free(tx, node_id, 1, e);
}

MUST int store_partition_add(struct db_tx *tx, const struct partition *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_p_add);
	db_bind_i64(q, "node", p->node_id);
	db_bind_str(q, "name", p->name);
	db_bind_i64(q, "position", p->position);
	db_bind_str(q, "addresses", p->addresses_json);
	return rows_done(db_exec(q, e));
}

MUST int store_partition_save(struct db_tx *tx, const struct partition *p, struct err *e)
{
	if (p->is_gone && !p->instance_id)
		return drop_partition(tx, p->id, e);
	struct db_stmt *q = db_prepare(tx, &sql_p_save);
	db_bind_i64(q, "position", p->position);
	db_bind_str(q, "addresses", p->addresses_json);
	db_bind_bool(q, "is_gone", p->is_gone);
	db_bind_i64(q, "id", p->id);
	return rows_done(db_exec(q, e));
}
