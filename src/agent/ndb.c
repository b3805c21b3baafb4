/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's own database: identity, partitions, wishes, setup steps, children.
 *
 * Each public function packs its arguments into a struct ndb_op and runs one db_work_fn with
 * it.
 */
#include "agent/ndb.h"

#include "agent/ndb_impl.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/mem.h"

static const struct db_migration migrations[] = {
	{1, "first",
	 "CREATE TABLE node (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
	 "CREATE TABLE partition (slot INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	 " uid_base INTEGER NOT NULL UNIQUE, ipv4 TEXT NOT NULL, ipv6 TEXT NOT NULL) STRICT;"
	 "CREATE TABLE wish (slot INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE,"
	 " title TEXT NOT NULL, tree TEXT NOT NULL, release TEXT NOT NULL, type TEXT NOT NULL,"
	 " want INTEGER NOT NULL, parameters TEXT NOT NULL, shared TEXT NOT NULL,"
	 " version INTEGER NOT NULL, applied_version INTEGER NOT NULL DEFAULT 0,"
	 " connection TEXT NOT NULL DEFAULT '') STRICT;"
	 "CREATE TABLE secret (guid TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
	 " PRIMARY KEY (guid, name)) STRICT;"
	 "CREATE TABLE step_done (guid TEXT NOT NULL, name TEXT NOT NULL,"
	 " PRIMARY KEY (guid, name)) STRICT;"
	 "CREATE TABLE child (guid TEXT NOT NULL, name TEXT NOT NULL, connection TEXT NOT NULL,"
	 " PRIMARY KEY (guid, name)) STRICT;"
	 "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
	 " body TEXT NOT NULL) STRICT;"
	 "CREATE TABLE result (seq INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL,"
	 " name TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, at_ms INTEGER NOT "
	 "NULL,"
	 " took_ms INTEGER NOT NULL) STRICT;"
	 "CREATE INDEX result_instance ON result (instance, seq);"
	 "CREATE TABLE reading (guid TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
	 " at_ms INTEGER NOT NULL, PRIMARY KEY (guid, name)) STRICT;",
	 ""},
	/* Secrets are made anew by rotation; what was sealed, and to whom. */
	{2, "sealing",
	 "ALTER TABLE secret ADD COLUMN rotation INTEGER NOT NULL DEFAULT 0;"
	 "CREATE TABLE sealed (guid TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,"
	 " text TEXT NOT NULL, PRIMARY KEY (guid, name)) STRICT;"
	 "CREATE TABLE readers (guid TEXT PRIMARY KEY, body TEXT NOT NULL,"
	 " told TEXT NOT NULL DEFAULT '') STRICT;",
	 ""},
};

static const struct db_sql GET = {"node_get", "SELECT value FROM node WHERE key = $1", "key"};
static const struct db_sql SET = {"node_set",
				  "INSERT INTO node (key, value) VALUES ($1, $2) ON CONFLICT "
				  "(key) DO UPDATE SET value = $2",
				  "key value"};
static const struct db_sql PARTITIONS = {
	"partition_all", "SELECT slot, name, uid_base, ipv4, ipv6 FROM partition ORDER BY slot",
	""};
static const struct db_sql PARTITION_COUNT = {"partition_count",
					      "SELECT count(*) AS n FROM partition", ""};
static const struct db_sql PARTITION_DELETE = {"partition_delete", "DELETE FROM partition", ""};
static const struct db_sql PARTITION_ADD = {
	"partition_add",
	"INSERT INTO partition (slot, name, uid_base, ipv4, ipv6) VALUES ($1, $2, $3, $4, $5)",
	"slot name uid_base ipv4 ipv6"};
static const struct db_sql WISH_ORPHAN = {"wish_orphan",
					  "SELECT w.guid AS guid, w.title AS title FROM wish w "
					  "LEFT JOIN partition p ON p.slot = w.slot"
					  " WHERE p.slot IS NULL ORDER BY w.slot LIMIT 1",
					  ""};
static const struct db_sql WISHES = {
	"wish_all",
	"SELECT slot, guid, title, tree, release, type, want, parameters, shared, version,"
	" applied_version, connection FROM wish ORDER BY slot",
	""};
static const struct db_sql WISH_COUNT = {"wish_count", "SELECT count(*) AS n FROM wish", ""};
static const struct db_sql WISH_VERSION = {
	"wish_version", "SELECT version, guid FROM wish WHERE slot = $1", "slot"};
static const struct db_sql WISH_SAVE = {
	"wish_save",
	"INSERT INTO wish (slot, guid, title, tree, release, type, want, parameters, shared, "
	"version)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (slot) DO UPDATE SET"
	" guid = $2, title = $3, tree = $4, release = $5, type = $6, want = $7, parameters = "
	"$8,"
	" shared = $9, version = $10,"
	/* Another instance starts from nothing, even if the one before was not forgotten. */
	" applied_version = CASE WHEN guid = $2 THEN applied_version ELSE 0 END,"
	" connection = CASE WHEN guid = $2 THEN connection ELSE '' END",
	"slot guid title tree release type want parameters shared version"};
static const struct db_sql WISH_APPLIED = {
	"wish_applied", "UPDATE wish SET applied_version = $2, connection = $3 WHERE slot = $1",
	"slot version connection"};
static const struct db_sql FORGET_WISH = {
	"forget_wish", "DELETE FROM wish WHERE slot = $1 AND guid = $2", "slot guid"};
static const struct db_sql FORGET_SECRETS = {"forget_secrets",
					     "DELETE FROM secret WHERE guid = $1", "guid"};
static const struct db_sql FORGET_STEPS = {"forget_steps",
					   "DELETE FROM step_done WHERE guid = $1", "guid"};
static const struct db_sql FORGET_CHILDREN = {"forget_children",
					      "DELETE FROM child WHERE guid = $1", "guid"};
static const struct db_sql FORGET_READINGS = {"forget_readings",
					      "DELETE FROM reading WHERE guid = $1", "guid"};
static const struct db_sql FORGET_SEALED = {"forget_sealed",
					    "DELETE FROM sealed WHERE guid = $1", "guid"};
static const struct db_sql FORGET_READERS = {"forget_readers",
					     "DELETE FROM readers WHERE guid = $1", "guid"};
static const struct db_sql FORGET_RESULTS = {"forget_results",
					     "DELETE FROM result WHERE instance = $1", "guid"};
static const struct db_sql STEP_GET = {
	"step_get", "SELECT 1 AS done FROM step_done WHERE guid = $1 AND name = $2",
	"guid name"};
static const struct db_sql STEP_ADD = {
	"step_add", "INSERT INTO step_done (guid, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	"guid name"};
static const struct db_sql CHILD_GET = {
	"child_get", "SELECT connection FROM child WHERE guid = $1 AND name = $2", "guid name"};
static const struct db_sql CHILD_SAVE = {
	"child_save",
	"INSERT INTO child (guid, name, connection) VALUES ($1, $2, $3)"
	" ON CONFLICT (guid, name) DO UPDATE SET connection = $3",
	"guid name connection"};

MUST int ndb_open(const char *dir, struct ndb **out, struct err *e)
{
	char url[4200];
	int n = snprintf(url, sizeof url, "sqlite:%s/node.db", dir);
	if (n < 0 || (size_t)n >= sizeof url)
		return err_field(e, "dir", "is too long");
	struct ndb *ndb = MEM_NEW(struct ndb, e);
	if (!ndb)
		return -1;
	int rc = db_open(url, NULL, &ndb->db, e);
	if (rc == 0)
		rc = db_migrate(ndb->db, migrations, ARRAY_LEN(migrations), e);
	if (rc < 0) {
		ndb_close(ndb);
		return err_in(e, "node database in %s", dir);
	}
	*out = ndb;
	return 0;
}

struct ndb *ndb_close(struct ndb *n)
{
	if (n)
		db_close(n->db);
	mem_free(n);
	return NULL;
}

/* ---- identity and partitions ---------------------------------------------------------------
 */

static int get_key(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &GET);
	db_bind_str(q, "key", op->key);
	int rc = db_step(q, e);
	if (rc > 0)
		*(struct str *)op->out = db_at_str(q, 0, op->a);
	return rc < 0 ? -1 : rc == 0;
}

MUST int ndb_get(struct ndb *n, struct str key, struct arena *a, struct str *out, struct err *e)
{
	struct ndb_op op = {.key = key, .a = a, .out = out};
	return db_read(n->db, get_key, &op, e);
}

struct pairs {
	const struct str *keys, *values;
};

static int set_keys(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	const struct pairs *pairs = op->in;
	for (size_t i = 0; i < op->count; i++) {
		struct db_stmt *q = db_prepare(tx, &SET);
		db_bind_str(q, "key", pairs->keys[i]);
		db_bind_str(q, "value", pairs->values[i]);
		if (db_exec(q, e) < 0)
			return -1;
	}
	return 0;
}

MUST int ndb_set(struct ndb *n, const struct str *keys, const struct str *values, size_t count,
		 struct err *e)
{
	const struct pairs pairs = {keys, values};
	struct ndb_op op = {.in = &pairs, .count = count};
	return db_write(n->db, set_keys, &op, e);
}

/* The single number that a counting statement gives. */
static int count_rows(struct db_tx *tx, const struct db_sql *sql, size_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, sql);
	if (db_step(q, e) < 0)
		return -1;
	*out = (size_t)db_at_i64(q, 0);
	return 0;
}

static int read_partitions(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	size_t n = 0, i = 0;
	if (count_rows(tx, &PARTITION_COUNT, &n, e) < 0)
		return -1;
	struct ndb_partition *list = ARENA_ARRAY(op->a, struct ndb_partition, n);
	struct db_stmt *q = db_prepare(tx, &PARTITIONS);
	int rc = 0;
	while (list && i < n && (rc = db_step(q, e)) > 0)
		list[i++] = (struct ndb_partition){
			.slot = db_at_i64(q, 0),
			.name = db_at_str(q, 1, op->a),
			.uid_base = db_at_i64(q, 2),
			.ipv4 = db_at_str(q, 3, op->a),
			.ipv6 = db_at_str(q, 4, op->a),
		};
	*(struct ndb_partition **)op->out = list;
	*op->out_count = i;
	return rc < 0 ? -1 : arena_check(op->a, e);
}

MUST int ndb_partitions(struct ndb *n, struct arena *a, struct ndb_partition **out,
			size_t *out_count, struct err *e)
{
	struct ndb_op op = {.a = a, .out = out, .out_count = out_count};
	return db_read(n->db, read_partitions, &op, e);
}

static int check_orphans(struct db_tx *tx, struct arena *a, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &WISH_ORPHAN);
	int rc = db_step(q, e);
	if (rc <= 0)
		return rc;
	struct str title = db_at_str(q, 1, a);
	return err_fail(e, ERR_CONFLICT,
			"instance %" STR_F " is on a partition that would go; destroy it first",
			STR_A(title));
}

static int replace_partitions(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	const struct ndb_partition *p = op->in;
	if (db_exec(db_prepare(tx, &PARTITION_DELETE), e) < 0)
		return -1;
	for (size_t i = 0; i < op->count; i++) {
		struct db_stmt *q = db_prepare(tx, &PARTITION_ADD);
		db_bind_i64(q, "slot", p[i].slot);
		db_bind_str(q, "name", p[i].name);
		db_bind_i64(q, "uid_base", p[i].uid_base);
		db_bind_str(q, "ipv4", p[i].ipv4);
		db_bind_str(q, "ipv6", p[i].ipv6);
		if (db_exec(q, e) < 0)
			return -1;
	}
	return check_orphans(tx, op->a, e);
}

MUST int ndb_set_partitions(struct ndb *n, const struct ndb_partition *p, size_t count,
			    struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(65536, &a, e) < 0)
		return -1;
	struct ndb_op op = {.a = a, .in = p, .count = count};
	return db_write(n->db, replace_partitions, &op, e);
}

/* ---- wishes --------------------------------------------------------------------------------
 */

static struct ndb_wish row_to_wish(struct db_stmt *q, struct arena *a)
{
	return (struct ndb_wish){
		.slot = db_at_i64(q, 0),
		.wish = {.guid = db_at_str(q, 1, a),
			 .title = db_at_str(q, 2, a),
			 .tree = db_at_str(q, 3, a),
			 .release = db_at_str(q, 4, a),
			 .type = db_at_str(q, 5, a),
			 .want = (enum plan_want)db_at_i64(q, 6),
			 .parameters = db_at_str(q, 7, a),
			 .shared = db_at_str(q, 8, a),
			 .version = db_at_i64(q, 9)},
		.applied_version = db_at_i64(q, 10),
		.connection = db_at_str(q, 11, a),
	};
}

static int read_wishes(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	size_t n = 0, i = 0;
	if (count_rows(tx, &WISH_COUNT, &n, e) < 0)
		return -1;
	struct ndb_wish *list = ARENA_ARRAY(op->a, struct ndb_wish, n);
	struct db_stmt *q = db_prepare(tx, &WISHES);
	int rc = 0;
	while (list && i < n && (rc = db_step(q, e)) > 0)
		list[i++] = row_to_wish(q, op->a);
	*(struct ndb_wish **)op->out = list;
	*op->out_count = i;
	return rc < 0 ? -1 : arena_check(op->a, e);
}

MUST int ndb_wishes(struct ndb *n, struct arena *a, struct ndb_wish **out, size_t *out_count,
		    struct err *e)
{
	struct ndb_op op = {.a = a, .out = out, .out_count = out_count};
	return db_read(n->db, read_wishes, &op, e);
}

static int find_version(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &WISH_VERSION);
	db_bind_i64(q, "slot", op->slot);
	int rc = db_step(q, e);
	op->number = rc > 0 ? db_at_i64(q, 0) : 0;
	return rc < 0 ? -1 : 0;
}

static int save_wish(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	const struct machine_wish *w = op->in;
	struct db_stmt *q = db_prepare(tx, &WISH_SAVE);
	db_bind_i64(q, "slot", op->slot);
	db_bind_str(q, "guid", w->guid);
	db_bind_str(q, "title", w->title);
	db_bind_str(q, "tree", w->tree);
	db_bind_str(q, "release", w->release);
	db_bind_str(q, "type", w->type);
	db_bind_i64(q, "want", (int64_t)w->want);
	db_bind_str(q, "parameters", w->parameters);
	db_bind_str(q, "shared", w->shared);
	db_bind_i64(q, "version", w->version);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_save_wish(struct ndb *n, size_t slot, const struct machine_wish *w, struct err *e)
{
	struct ndb_op op = {.slot = (int64_t)slot, .in = w};
	if (db_read(n->db, find_version, &op, e) < 0)
		return -1;
	if (op.number == w->version)
		return 1;
	fail_point("agent.wish.before");
	int rc = db_write(n->db, save_wish, &op, e);
	fail_point("agent.wish.after");
	return rc;
}

static int save_applied(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &WISH_APPLIED);
	db_bind_i64(q, "slot", op->slot);
	db_bind_i64(q, "version", op->number);
	db_bind_str(q, "connection", op->text);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_save_applied(struct ndb *n, size_t slot, int64_t version, struct str connection,
			  struct err *e)
{
	struct ndb_op op = {.slot = (int64_t)slot, .number = version, .text = connection};
	fail_point("agent.applied.before");
	int rc = db_write(n->db, save_applied, &op, e);
	fail_point("agent.applied.after");
	return rc;
}

static int forget(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	static const struct db_sql *const by_guid[] = {
		&FORGET_SECRETS, &FORGET_STEPS,	 &FORGET_CHILDREN, &FORGET_READINGS,
		&FORGET_RESULTS, &FORGET_SEALED, &FORGET_READERS};
	struct db_stmt *q = db_prepare(tx, &FORGET_WISH);
	db_bind_i64(q, "slot", op->slot);
	db_bind_str(q, "guid", op->guid);
	if (db_exec(q, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(by_guid); i++) {
		q = db_prepare(tx, by_guid[i]);
		db_bind_str(q, "guid", op->guid);
		if (db_exec(q, e) < 0)
			return -1;
	}
	return 0;
}

MUST int ndb_forget(struct ndb *n, size_t slot, struct str guid, struct err *e)
{
	struct ndb_op op = {.slot = (int64_t)slot, .guid = guid};
	fail_point("agent.forget.before");
	return db_write(n->db, forget, &op, e);
}

/* ---- steps, children --------------------------------------------------------------
 */

struct db_stmt *ndb_keyed(struct db_tx *tx, const struct db_sql *sql, const struct ndb_op *op)
{
	struct db_stmt *q = db_prepare(tx, sql);
	db_bind_str(q, "guid", op->guid);
	db_bind_str(q, "name", op->name);
	return q;
}

static int find_step(struct db_tx *tx, void *user, struct err *e)
{
	return db_step(ndb_keyed(tx, &STEP_GET, user), e);
}

MUST int ndb_is_step_done(struct ndb *n, struct str guid, struct str name, struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name};
	return db_read(n->db, find_step, &op, e);
}

static int add_step(struct db_tx *tx, void *user, struct err *e)
{
	return db_exec(ndb_keyed(tx, &STEP_ADD, user), e) < 0 ? -1 : 0;
}

MUST int ndb_step_done(struct ndb *n, struct str guid, struct str name, struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name};
	fail_point("agent.setup.before");
	int rc = db_write(n->db, add_step, &op, e);
	fail_point("agent.setup.after");
	return rc;
}

static int find_child(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = ndb_keyed(tx, &CHILD_GET, op);
	int rc = db_step(q, e);
	if (rc > 0)
		*(struct str *)op->out = db_at_str(q, 0, op->a);
	return rc < 0 ? -1 : rc == 0;
}

MUST int ndb_child(struct ndb *n, struct str guid, struct str name, struct arena *a,
		   struct str *out, struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name, .a = a, .out = out};
	return db_read(n->db, find_child, &op, e);
}

static int save_child(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	struct db_stmt *q = ndb_keyed(tx, &CHILD_SAVE, op);
	db_bind_str(q, "connection", op->text);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_save_child(struct ndb *n, struct str guid, struct str name, struct str connection,
			struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name, .text = connection};
	return db_write(n->db, save_child, &op, e);
}
