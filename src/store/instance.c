/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/instance.h"

#include "store/rows.h"

#define SELECT \
	"SELECT i.id, i.guid, i.title, i.tree_id, i.requester_id, i.customer_id, " \
	"i.release_id," \
	" i.type, i.asked, i.want, i.reported, i.reported_at, i.report_of, i.message, " \
	"i.is_shared," \
	" i.host_id, i.node_id, i.partition_id, i.parameters, i.filter, i.connection, " \
	"i.refusals," \
	" i.stamp, i.version, i.created_at, i.kept, i.broken, i.unknown, i.shared_count," \
	" i.is_live, t.title, q.guid, c.name, r.uri, r.name, h.guid, n.name, p.name, " \
	"p.addresses," \
	" s.reported, i.person, i.readers, i.rotation, c.secrets FROM instance i JOIN " \
	"customer c ON c.id = i.customer_id" \
	" JOIN release r ON r.id = i.release_id LEFT JOIN instance t ON t.id = i.tree_id" \
	" LEFT JOIN instance q ON q.id = i.requester_id LEFT JOIN instance h ON h.id = " \
	"i.host_id" \
	" LEFT JOIN node n ON n.id = i.node_id LEFT JOIN partition p ON p.id = i.partition_id" \
	" LEFT JOIN installation s ON s.release_id = i.release_id AND s.node_id = i.node_id "

static const struct db_sql sql_by_id = {"instance_by_id", SELECT "WHERE i.id = $1", "id"};
static const struct db_sql sql_by_guid = {"instance_by_guid", SELECT "WHERE i.guid = $1",
					  "guid"};
static const struct db_sql sql_root = {
	"instance_root",
	SELECT
	"WHERE i.customer_id = $1 AND i.title = $2 AND i.is_live = 1 AND i.tree_id IS NULL",
	"customer title"};
static const struct db_sql sql_member = {
	"instance_member",
	SELECT
	"WHERE i.tree_id = $1 AND i.title = $2 AND i.is_live = 1 AND i.tree_id IS NOT NULL",
	"tree title"};
static const struct db_sql sql_titled = {
	"instance_titled",
	SELECT "WHERE i.title = $1 AND i.tree_id IS NULL AND (i.customer_id = $2 OR $2 = 0)"
	       " ORDER BY i.is_live DESC, i.id DESC LIMIT $3",
	"title customer limit"};
static const struct db_sql sql_titled_member = {
	"instance_titled_member",
	SELECT
	"WHERE i.title = $1 AND i.tree_id = $2 ORDER BY i.is_live DESC, i.id DESC LIMIT $3",
	"title tree limit"};
static const struct db_sql sql_on = {
	"instance_on",
	SELECT
	"WHERE i.id = (SELECT instance_id FROM partition WHERE node_id = $1 AND name = $2)",
	"node partition"};

static const struct db_sql sql_lists[INSTANCES_BY] = {
	[INSTANCES_ALL] = {"instances_all",
			   SELECT "WHERE i.is_live = 1 AND i.id > $1 ORDER BY i.id LIMIT $2",
			   "after limit"},
	[INSTANCES_OF_CUSTOMER] = {"instances_of_customer",
				   SELECT "WHERE i.customer_id = $1 AND i.is_live = 1"
					  " AND i.id > $2 ORDER BY i.id LIMIT $3",
				   "key after limit"},
	[INSTANCES_ON_NODE] = {"instances_on_node",
			       SELECT "WHERE i.node_id = $1 AND i.is_live = 1 AND i.id > $2"
				      " ORDER BY i.id LIMIT $3",
			       "key after limit"},
	[INSTANCES_CHANGED] = {"instances_changed",
			       SELECT
			       "WHERE i.node_id = $1 AND i.stamp > $2 AND i.is_shared = 0"
			       " ORDER BY i.stamp LIMIT $3",
			       "key after limit"},
	[INSTANCES_OF_TREE] = {"instances_of_tree",
			       SELECT "WHERE i.tree_id = $1 AND i.is_live = 1"
				      " AND i.tree_id IS NOT NULL AND i.id > $2"
				      " ORDER BY i.id LIMIT $3",
			       "key after limit"},
	[INSTANCES_REQUESTED] = {"instances_requested",
				 SELECT
				 "WHERE i.requester_id = $1 AND i.is_live = 1 AND i.id > $2"
				 " ORDER BY i.id LIMIT $3",
				 "key after limit"},
	[INSTANCES_HOSTED] = {"instances_hosted",
			      SELECT "WHERE i.host_id = $1 AND i.is_live = 1 AND i.id > $2"
				     " ORDER BY i.id LIMIT $3",
			      "key after limit"},
	[INSTANCES_WAITING] = {"instances_waiting",
			       SELECT "WHERE i.release_id = $1 AND i.is_live = 1"
				      " AND i.partition_id IS NULL AND i.want <> 'destroyed'"
				      " AND i.id > $2 ORDER BY i.id LIMIT $3",
			       "key after limit"},
	[INSTANCES_WAITING_ALL] = {"instances_waiting_all",
				   SELECT "WHERE i.is_live = 1 AND i.partition_id IS NULL"
					  " AND i.want <> 'destroyed' AND i.id > $1"
					  " ORDER BY i.id LIMIT $2",
				   "after limit"},
};
static const struct db_sql sql_read_by = {
	"instances_read_by",
	SELECT "WHERE i.is_live = 1 AND i.id > $1 AND (i.person = $2 OR i.readers LIKE $3)"
	       " ORDER BY i.id LIMIT $4",
	"after person pattern limit"};
static const struct db_sql sql_asked_from = {
	"instances_asked_from",
	SELECT "WHERE i.is_live = 1 AND i.id > $1 AND q.node_id = $2 ORDER BY i.id LIMIT $3",
	"after node limit"};
static const struct db_sql sql_hosts = {
	"instance_hosts",
	SELECT
	"WHERE i.release_id = $1 AND i.type = $2 AND i.customer_id = $3 AND i.is_live = 1"
	" AND i.is_shared = 0 AND i.want <> 'destroyed' AND i.partition_id IS NOT NULL"
	" ORDER BY i.shared_count, i.id LIMIT $4",
	"release type customer limit"};
static const struct db_sql sql_tree_size = {
	"instance_tree_size",
	"SELECT COUNT(*) FROM (SELECT 1 FROM instance WHERE tree_id = $1 AND is_live = 1"
	" AND tree_id IS NOT NULL LIMIT $2) AS members",
	"tree limit"};
static const struct db_sql sql_add = {
	"instance_add",
	"INSERT INTO instance (guid, title, tree_id, requester_id, customer_id, release_id, "
	"type,"
	" asked, want, reported, reported_at, report_of, message, is_shared, host_id, node_id,"
	" partition_id, parameters, filter, connection, refusals, stamp, version, created_at, "
	"kept,"
	" broken, unknown, shared_count, is_live, person) VALUES ($1, $2, $3, $4, $5, $6, $7,"
	" $8, $9, 'none', 0, 0, '', $10, $11, $12, $13, $14, $15, '{}', $16, $17, 1, $18, 0, 0,"
	" 0, 0, 1, $19) RETURNING id",
	"guid title tree requester customer release type asked want is_shared host node "
	"partition"
	" parameters filter refusals stamp created_at person"};
static const struct db_sql sql_save = {
	"instance_save",
	"UPDATE instance SET title = $1, release_id = $2, type = $3, asked = $4, want = $5,"
	" reported = $6, reported_at = $7, report_of = $8, message = $9, host_id = $10,"
	" node_id = $11, partition_id = $12, parameters = $13, filter = $14, connection = $15,"
	" refusals = $16, stamp = $17, version = version + 1, kept = $18, broken = $19,"
	" unknown = $20, readers = $21, rotation = $22 WHERE id = $23 RETURNING version",
	"title release type asked want reported reported_at report_of message host node "
	"partition"
	" parameters filter connection refusals stamp kept broken unknown readers rotation"
	" id"};
static const struct db_sql sql_shared_add = {
	"instance_shared_add",
	"UPDATE instance SET shared_count = shared_count + $1 WHERE id = $2", "delta id"};
static const struct db_sql sql_free = {
	"instance_free",
	"UPDATE instance SET is_live = 0, host_id = NULL, last_node_id = node_id, node_id = "
	"NULL,"
	" partition_id = NULL,"
	" want = 'destroyed', asked = 'destroyed', reported = 'destroyed', reported_at = $1,"
	" freed_at = $1, connection = '{}', refusals = '', kept = 0, broken = 0, unknown = 0,"
	" version = version + 1 WHERE id = $2 RETURNING version",
	"now id"};
static const struct db_sql sql_span_end = {
	"span_end", "UPDATE span SET to_at = $1 WHERE instance_id = $2 AND to_at IS NULL",
	"now instance"};
static const struct db_sql sql_span_begin = {
	"span_begin",
	"INSERT INTO span (instance_id, from_at, is_started) VALUES ($1, $2, $3)"
	" ON CONFLICT (instance_id, from_at) DO UPDATE SET to_at = NULL,"
	" is_started = excluded.is_started",
	"instance now is_started"};
static const struct db_sql sql_span_list = {
	"span_list",
	"SELECT instance_id, from_at, to_at, is_started FROM span WHERE instance_id = $1"
	" AND from_at < $2 AND (to_at IS NULL OR to_at > $3) ORDER BY from_at LIMIT 10000",
	"instance to from"};
static const struct db_sql sql_billed = {
	"instance_billed",
	"SELECT i.id, i.guid, i.title, CASE WHEN r.name = '' THEN r.uri ELSE r.name END"
	" FROM instance i JOIN release r ON r.id = i.release_id WHERE i.customer_id = $1"
	" AND i.id > $2 AND i.created_at < $3 AND (i.freed_at IS NULL OR i.freed_at >= $4)"
	" ORDER BY i.id LIMIT $5",
	"customer after to from limit"};

static enum instance_want want_of(struct str word)
{
	for (int v = 0; v < INSTANCE_WANTS; v++)
		if (str_is(word, instance_want_word((enum instance_want)v)))
			return (enum instance_want)v;
	return INSTANCE_STARTED;
}

static enum instance_report report_of(struct str word)
{
	for (int v = 0; v < INSTANCE_REPORTS; v++)
		if (str_is(word, instance_report_word((enum instance_report)v)))
			return (enum instance_report)v;
	return REPORT_NONE;
}

static enum supply_report build_of(struct str word)
{
	for (int v = 0; v < SUPPLY_REPORTS; v++)
		if (str_is(word, supply_report_word((enum supply_report)v)))
			return (enum supply_report)v;
	return BUILD_NONE;
}

/* A text that a join may not have found. */
static struct str joined(struct db_stmt *q, int column, struct arena *a)
{
	return db_at_is_null(q, column) ? S("") : db_at_str(q, column, a);
}

/* The columns that come from joins, and what they imply. */
static void joined_columns(struct db_stmt *q, struct arena *a, struct instance *out)
{
	out->tree = out->tree_id ? joined(q, 30, a) : out->title;
	out->tree_id = out->tree_id ? out->tree_id : out->id;
	out->requester = joined(q, 31, a);
	out->customer = db_at_str(q, 32, a);
	out->release = db_at_str(q, 33, a);
	out->release_name = db_at_str(q, 34, a);
	out->host = joined(q, 35, a);
	out->node = joined(q, 36, a);
	out->partition = joined(q, 37, a);
	out->addresses_json = db_at_is_null(q, 38) ? S("[]") : db_at_str(q, 38, a);
	out->build = build_of(joined(q, 39, a));
	out->takes_clear = str_is(db_at_str(q, 43, a), "clear");
}

static void row(struct db_stmt *q, struct arena *a, struct instance *out)
{
	*out = (struct instance){
		.id = db_at_i64(q, 0),
		.guid = db_at_str(q, 1, a),
		.title = db_at_str(q, 2, a),
		.tree_id = db_at_i64(q, 3),
		.requester_id = db_at_i64(q, 4),
		.customer_id = db_at_i64(q, 5),
		.release_id = db_at_i64(q, 6),
		.type = db_at_str(q, 7, a),
		.asked = want_of(db_at_str(q, 8, a)),
		.want = want_of(db_at_str(q, 9, a)),
		.reported = report_of(db_at_str(q, 10, a)),
		.reported_at_ms = db_at_i64(q, 11),
		.report_of = db_at_i64(q, 12),
		.message = db_at_str(q, 13, a),
		.is_shared = db_at_i64(q, 14) != 0,
		.host_id = db_at_i64(q, 15),
		.node_id = db_at_i64(q, 16),
		.partition_id = db_at_i64(q, 17),
		.parameters_json = db_at_str(q, 18, a),
		.where_json = db_at_str(q, 19, a),
		.connection_json = db_at_str(q, 20, a),
		.refusals = db_at_str(q, 21, a),
		.timestamp = db_at_i64(q, 22),
		.version = db_at_i64(q, 23),
		.created_at_ms = db_at_i64(q, 24),
		.kept = db_at_i64(q, 25),
		.broken = db_at_i64(q, 26),
		.unknown = db_at_i64(q, 27),
		.shared_count = db_at_i64(q, 28),
		.is_live = db_at_i64(q, 29) != 0,
		.person = db_at_str(q, 40, a),
		.readers_json = db_at_str(q, 41, a),
		.rotation = db_at_i64(q, 42),
	};
	joined_columns(q, a, out);
}

MUST int store_instance_by_id(struct db_tx *tx, struct arena *a, int64_t id,
			      struct instance *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_id);
	db_bind_i64(q, "id", id);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_instance_by_guid(struct db_tx *tx, struct arena *a, struct str guid,
				struct instance *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_guid);
	db_bind_str(q, "guid", guid);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_instance_root(struct db_tx *tx, struct arena *a, int64_t customer_id,
			     struct str title, struct instance *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_root);
	db_bind_i64(q, "customer", customer_id);
	db_bind_str(q, "title", title);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_instance_member(struct db_tx *tx, struct arena *a, int64_t tree_id,
			       struct str title, struct instance *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member);
	db_bind_i64(q, "tree", tree_id);
	db_bind_str(q, "title", title);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_instance_titled(struct db_tx *tx, struct arena *a, struct str title,
			       int64_t customer_id, int64_t tree_id, int64_t limit,
			       struct instance **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, tree_id ? &sql_titled_member : &sql_titled);
	db_bind_str(q, "title", title);
	if (tree_id)
		db_bind_i64(q, "tree", tree_id);
	else
		db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct instance, row, out, count, e);
}

MUST int store_instance_on(struct db_tx *tx, struct arena *a, int64_t node_id,
			   struct str partition, struct instance *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_on);
	db_bind_i64(q, "node", node_id);
	db_bind_str(q, "partition", partition);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_instance_list(struct db_tx *tx, struct arena *a, enum instance_by by,
			     int64_t key, int64_t after, int64_t limit, struct instance **out,
			     size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_lists[by]);
	if (by != INSTANCES_ALL && by != INSTANCES_WAITING_ALL)
		db_bind_i64(q, "key", key);
	db_bind_i64(q, "after", after);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct instance, row, out, count, e);
}

MUST int store_instance_read_by(struct db_tx *tx, struct arena *a, struct str person,
				int64_t after, int64_t limit, struct instance **out,
				size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_read_by);
	db_bind_i64(q, "after", after);
	db_bind_str(q, "person", person);
	db_bind_str(q, "pattern", arena_fmt(a, "%%\"%" STR_F "\"%%", STR_A(person)));
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct instance, row, out, count, e);
}

MUST int store_instance_asked_from(struct db_tx *tx, struct arena *a, int64_t node_id,
				   int64_t after, int64_t limit, struct instance **out,
				   size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_asked_from);
	db_bind_i64(q, "after", after);
	db_bind_i64(q, "node", node_id);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct instance, row, out, count, e);
}

MUST int store_instance_hosts(struct db_tx *tx, struct arena *a, int64_t release_id,
			      struct str type, int64_t customer_id, int64_t limit,
			      struct instance **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_hosts);
	db_bind_i64(q, "release", release_id);
	db_bind_str(q, "type", type);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct instance, row, out, count, e);
}

MUST int store_instance_tree_size(struct db_tx *tx, int64_t tree_id, int64_t limit,
				  int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_tree_size);
	db_bind_i64(q, "tree", tree_id);
	db_bind_i64(q, "limit", limit);
	int rc = db_step(q, e);
	if (rc > 0)
		*out = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

/* A reference, or null for 0. */
static void bind_ref(struct db_stmt *q, const char *name, int64_t id)
{
	if (id)
		db_bind_i64(q, name, id);
	else
		db_bind_null(q, name);
}

MUST int store_instance_add(struct db_tx *tx, struct instance *i, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "guid", i->guid);
	db_bind_str(q, "title", i->title);
	bind_ref(q, "tree", i->tree_id);
	bind_ref(q, "requester", i->requester_id);
	db_bind_i64(q, "customer", i->customer_id);
	db_bind_i64(q, "release", i->release_id);
	db_bind_str(q, "type", i->type);
	db_bind_cstr(q, "asked", instance_want_word(i->asked));
	db_bind_cstr(q, "want", instance_want_word(i->want));
	db_bind_bool(q, "is_shared", i->is_shared);
	bind_ref(q, "host", i->host_id);
	bind_ref(q, "node", i->node_id);
	bind_ref(q, "partition", i->partition_id);
	db_bind_str(q, "parameters", i->parameters_json);
	db_bind_str(q, "filter", i->where_json);
	db_bind_str(q, "refusals", i->refusals);
	db_bind_i64(q, "stamp", i->timestamp);
	db_bind_i64(q, "created_at", i->created_at_ms);
	db_bind_str(q, "person", i->person.p ? i->person : S(""));
	int rc = db_step(q, e);
	if (rc <= 0)
		return -1;
	i->id = db_at_i64(q, 0);
	i->tree_id = i->tree_id ? i->tree_id : i->id;
	return 0;
}

/* Takes the new version that the statement returns. */
MUST static int version_of(struct db_stmt *q, struct instance *i, struct err *e)
{
	int rc = db_step(q, e);
	if (rc == 0)
		return err_fail(e, ERR_INTERNAL, "instance %" STR_F " has no row",
				STR_A(i->guid));
	if (rc > 0)
		i->version = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_instance_save(struct db_tx *tx, struct instance *i, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_str(q, "title", i->title);
	db_bind_i64(q, "release", i->release_id);
	db_bind_str(q, "type", i->type);
	db_bind_cstr(q, "asked", instance_want_word(i->asked));
	db_bind_cstr(q, "want", instance_want_word(i->want));
	db_bind_cstr(q, "reported", instance_report_word(i->reported));
	db_bind_i64(q, "reported_at", i->reported_at_ms);
	db_bind_i64(q, "report_of", i->report_of);
	db_bind_str(q, "message", i->message);
	bind_ref(q, "host", i->host_id);
	bind_ref(q, "node", i->node_id);
	bind_ref(q, "partition", i->partition_id);
	db_bind_str(q, "parameters", i->parameters_json);
	db_bind_str(q, "filter", i->where_json);
	db_bind_str(q, "connection", i->connection_json);
	db_bind_str(q, "refusals", i->refusals);
	db_bind_i64(q, "stamp", i->timestamp);
	db_bind_i64(q, "kept", i->kept);
	db_bind_i64(q, "broken", i->broken);
	db_bind_i64(q, "unknown", i->unknown);
	db_bind_str(q, "readers", i->readers_json.n ? i->readers_json : S("[]"));
	db_bind_i64(q, "rotation", i->rotation);
	db_bind_i64(q, "id", i->id);
	return version_of(q, i, e);
}

MUST int store_instance_shared_add(struct db_tx *tx, int64_t host_id, int64_t delta,
				   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_shared_add);
	db_bind_i64(q, "delta", delta);
	db_bind_i64(q, "id", host_id);
	return rows_done(db_exec(q, e));
}

MUST int store_instance_free(struct db_tx *tx, struct instance *i, int64_t now_ms,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_free);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "id", i->id);
	if (version_of(q, i, e) < 0)
		return -1;
	i->is_live = false;
	i->want = i->asked = INSTANCE_DESTROYED;
	i->reported = REPORT_DESTROYED;
	i->host_id = i->node_id = i->partition_id = 0;
	i->host = i->node = i->partition = i->refusals = S("");
	i->addresses_json = S("[]");
	i->connection_json = S("{}");
	i->kept = i->broken = i->unknown = 0;
	return 0;
}

MUST int store_span_end(struct db_tx *tx, int64_t instance_id, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_span_end);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "instance", instance_id);
	return rows_done(db_exec(q, e));
}

MUST int store_span_begin(struct db_tx *tx, int64_t instance_id, int64_t now_ms,
			  bool is_started, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_span_begin);
	db_bind_i64(q, "instance", instance_id);
	db_bind_i64(q, "now", now_ms);
	db_bind_bool(q, "is_started", is_started);
	return rows_done(db_exec(q, e));
}

static void span_row(struct db_stmt *q, struct arena *a UNUSED, struct span *out)
{
	*out = (struct span){
		.instance_id = db_at_i64(q, 0),
		.from_ms = db_at_i64(q, 1),
		.to_ms = db_at_i64(q, 2),
		.is_started = db_at_i64(q, 3) != 0,
	};
}

MUST int store_span_list(struct db_tx *tx, struct arena *a, int64_t instance_id,
			 int64_t from_ms, int64_t to_ms, struct span **out, size_t *count,
			 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_span_list);
	db_bind_i64(q, "instance", instance_id);
	db_bind_i64(q, "to", to_ms);
	db_bind_i64(q, "from", from_ms);
	return ROWS_READ(q, a, struct span, span_row, out, count, e);
}

static void billed_row(struct db_stmt *q, struct arena *a, struct billed *out)
{
	*out = (struct billed){
		.id = db_at_i64(q, 0),
		.guid = db_at_str(q, 1, a),
		.title = db_at_str(q, 2, a),
		.release_name = db_at_str(q, 3, a),
	};
}

MUST int store_instance_billed(struct db_tx *tx, struct arena *a, int64_t customer_id,
			       int64_t from_ms, int64_t to_ms, int64_t after, int64_t limit,
			       struct billed **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_billed);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "after", after);
	db_bind_i64(q, "to", to_ms);
	db_bind_i64(q, "from", from_ms);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct billed, billed_row, out, count, e);
}
