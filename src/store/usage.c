/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/usage.h"

#include "store/rows.h"

static const struct db_sql sql_add = {"usage_add",
				      "INSERT INTO usage_event (node_id, event_id, "
				      "customer_id, instance_id, metric, quantity,"
				      " from_at, to_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
				      " ON CONFLICT (node_id, event_id) DO NOTHING",
				      "node event customer instance metric quantity from to"};
#define SELECT \
	"SELECT u.id, u.node_id, u.customer_id, u.instance_id, u.event_id, i.guid, u.metric," \
	" u.quantity, u.from_at, u.to_at FROM usage_event u JOIN instance i" \
	" ON i.id = u.instance_id WHERE "
#define WITHIN \
	" AND u.to_at > $2 AND u.to_at <= $3 AND (u.to_at > $4 OR (u.to_at = $4 AND u.id > " \
	"$5))" \
	" ORDER BY u.to_at, u.id LIMIT $6"
static const struct db_sql sql_list = {"usage_list", SELECT "u.customer_id = $1" WITHIN,
				       "customer from to after_to after_id limit"};
static const struct db_sql sql_of_instance = {
	"usage_of_instance", SELECT "u.instance_id = $1 AND u.customer_id = $7" WITHIN,
	"instance from to after_to after_id limit customer"};
/*
 * Every invoice has billed what came before it, in its period or as late. So only what came
 * after the last one is looked at.
 */
static const struct db_sql sql_late = {
	"usage_late",
	SELECT "u.customer_id = $1 AND u.id > $2"
	       " AND u.id > (SELECT COALESCE(MAX(usage_seen), 0) FROM invoice"
	       " WHERE customer_id = $1 AND price_list = $3)"
	       " AND NOT (u.to_at > $4 AND u.to_at <= $5) AND EXISTS (SELECT 1 FROM invoice v"
	       " WHERE v.customer_id = $1 AND v.price_list = $3 AND v.from_at < u.to_at"
	       " AND v.to_at >= u.to_at) ORDER BY u.id LIMIT $6",
	"customer after price_list from to limit"};

MUST int store_usage_add(struct db_tx *tx, const struct usage_row *u, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "node", u->node_id);
	db_bind_str(q, "event", u->event_id);
	db_bind_i64(q, "customer", u->customer_id);
	db_bind_i64(q, "instance", u->instance_id);
	db_bind_str(q, "metric", u->metric);
	db_bind_str(q, "quantity", u->quantity);
	db_bind_i64(q, "from", u->from_ms);
	db_bind_i64(q, "to", u->to_ms);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

static void row(struct db_stmt *q, struct arena *a, struct usage_row *out)
{
	*out = (struct usage_row){
		.id = db_at_i64(q, 0),
		.node_id = db_at_i64(q, 1),
		.customer_id = db_at_i64(q, 2),
		.instance_id = db_at_i64(q, 3),
		.event_id = db_at_str(q, 4, a),
		.instance = db_at_str(q, 5, a),
		.metric = db_at_str(q, 6, a),
		.quantity = db_at_str(q, 7, a),
		.from_ms = db_at_i64(q, 8),
		.to_ms = db_at_i64(q, 9),
	};
}

MUST int store_usage_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t instance_id, int64_t from_ms, int64_t to_ms,
			  struct usage_cursor *at, int64_t limit, struct usage_row **out,
			  size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, instance_id ? &sql_of_instance : &sql_list);
	db_bind_i64(q, "customer", customer_id);
	if (instance_id)
		db_bind_i64(q, "instance", instance_id);
	db_bind_i64(q, "from", from_ms);
	db_bind_i64(q, "to", to_ms);
	db_bind_i64(q, "after_to", at->to_ms);
	db_bind_i64(q, "after_id", at->id);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	if (ROWS_READ(q, a, struct usage_row, row, out, count, e) < 0)
		return -1;
	if (*count) {
		const struct usage_row *last = &(*out)[*count - 1];
		*at = (struct usage_cursor){last->to_ms, last->id};
	}
	return 0;
}

MUST int store_usage_late(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  struct str price_list, int64_t from_ms, int64_t to_ms, int64_t after,
			  int64_t limit, struct usage_row **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_late);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "after", after);
	db_bind_str(q, "price_list", price_list);
	db_bind_i64(q, "from", from_ms);
	db_bind_i64(q, "to", to_ms);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct usage_row, row, out, count, e);
}
