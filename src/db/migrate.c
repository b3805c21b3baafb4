/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Migrations: each is one write job, so it has the writer's lock (on PostgreSQL against all
 * other masters), is undone whole if it fails, and is durable before the next one starts. What
 * is to be done is asked again inside every job: another program may have been faster.
 */
#include "base/mem.h"
#include "db/db_impl.h"

static const char *const table[] = {
	[DB_SQLITE] = "CREATE TABLE IF NOT EXISTS schema_migration ("
		      " number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
		      " applied_at INTEGER NOT NULL) STRICT",
	[DB_POSTGRESQL] = "CREATE TABLE IF NOT EXISTS schema_migration ("
			  " number BIGINT PRIMARY KEY, name TEXT NOT NULL,"
			  " applied_at BIGINT NOT NULL)",
};

static const struct db_sql sql_last = {
	"migration_last", "SELECT coalesce(max(number), 0) AS number FROM schema_migration",
	""};

static const struct db_sql sql_name = {
	"migration_name", "SELECT name FROM schema_migration WHERE number = $1", "number"};

static const struct db_sql sql_add = {
	"migration_add",
	"INSERT INTO schema_migration (number, name, applied_at) VALUES ($1, $2, $3)",
	"number name at"};

static int last_read(struct db_tx *tx, int *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_last);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	*out = (int)db_at_i64(q, 0);
	return 0;
}

static int work_table(struct db_tx *tx, void *user, struct err *e)
{
	struct conn *c = tx->conn;
	if (c->driver->script(c, table[c->driver->engine], e) < 0)
		return err_in(e, "table schema_migration");
	return last_read(tx, user, e);
}

/* The recorded name of a number must be ours; otherwise the database has another history. */
static int name_check(struct db_tx *tx, const struct db_migration *m, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(65536, &a, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_name);
	db_bind_i64(q, "number", m->number);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	struct str found = rc > 0 ? db_col_str(q, "name", a) : S("");
	if (str_is(found, m->name))
		return 0;
	return err_fail(e, ERR_CONFLICT,
			"migration %d of this database is \"%" STR_F
			"\", of this program \"%s\"",
			m->number, STR_A(found), m->name);
}

static int work_migrate(struct db_tx *tx, void *user, struct err *e)
{
	const struct db_migration *m = user;
	struct conn *c = tx->conn;
	int last = 0;
	if (last_read(tx, &last, e) < 0)
		return -1;
	if (last >= m->number)
		return name_check(tx, m, e);
	const char *text = c->driver->engine == DB_SQLITE ? m->sqlite : m->postgresql;
	if (c->driver->script(c, text, e) < 0)
		return err_in(e, "migration %d %s", m->number, m->name);
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "number", m->number);
	db_bind_cstr(q, "name", m->name);
	db_bind_i64(q, "at", clock_now_ms(c->db->options.clock));
	return db_exec(q, e) < 0 ? -1 : 0;
}

int db_migrate(struct db *db, const struct db_migration *list, size_t n, struct err *e)
{
	int last = 0;
	if (db_write(db, work_table, &last, e) < 0)
		return -1;
	if (last > (int)n)
		return err_fail(e, ERR_UNSUPPORTED,
				"the database is at version %d, this program knows %zu: use a "
				"newer one",
				last, n);
	for (size_t i = 0; i < n; i++) {
		struct db_migration m = list[i]; /* a job's argument is not const */
		ASSERT(m.number == (int)i + 1);
		if (db_write(db, work_migrate, &m, e) < 0)
			return -1;
	}
	return 0;
}

int db_version(struct db *db, int *out, struct err *e)
{
	int last = 0;
	if (db_write(db, work_table, &last, e) < 0)
		return -1;
	*out = last;
	return 0;
}
