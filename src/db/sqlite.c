/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The SQLite engine.
 *
 * WAL with synchronous=FULL: a commit is one write and one flush of the log; readers see the
 * snapshot of their first statement and stop nobody. Connections are opened without SQLite's
 * own mutexes, because each is used by one thread at a time. The few commands around a
 * transaction are prepared once: they run for every job.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "db/db_impl.h"

enum command {
	CMD_BEGIN_READ,
	CMD_BEGIN_WRITE,
	CMD_COMMIT,
	CMD_ROLLBACK,
	CMD_SAVEPOINT,
	CMD_RELEASE,
	CMD_ROLLBACK_TO,
	CMDS,
};

static const char *const command_text[CMDS] = {
	[CMD_BEGIN_READ] = "BEGIN",
	[CMD_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[CMD_COMMIT] = "COMMIT",
	[CMD_ROLLBACK] = "ROLLBACK",
	[CMD_SAVEPOINT] = "SAVEPOINT job",
	[CMD_RELEASE] = "RELEASE job",
	[CMD_ROLLBACK_TO] = "ROLLBACK TO job",
};

/*
 * The log is flushed at each commit (FULL) and cut to 64 MiB after a checkpoint. A schema is no
 * place for a stranger's functions (trusted_schema). Case-sensitive LIKE as PostgreSQL has it.
 */
static const char settings[] = "PRAGMA synchronous = FULL;"
			       "PRAGMA foreign_keys = ON;"
			       "PRAGMA trusted_schema = OFF;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA case_sensitive_like = ON;"
			       "PRAGMA journal_size_limit = 67108864;"
			       "PRAGMA cache_size = -8000;"; /* KiB, at most */

/*
 * Pages in the log from which a checkpoint is tried, and from which it is insisted on: it then
 * waits for readers (at most lock_wait_ms), so that the log cannot grow for ever under them.
 */
enum { LOG_PAGES_TRY = 1000, LOG_PAGES_INSIST = 16384 };

/* Small memory that a connection takes from its own store, without asking malloc. */
enum { SLOT_BYTES = 1200, SLOTS = 200 };

struct lite {
	struct conn base;
	sqlite3 *h;
	sqlite3_stmt *command[CMDS];
};

struct lite_stmt {
	struct db_stmt base;
	sqlite3_stmt *h;
	int index[DB_PARAMS_MAX]; /* SQLite's number of our n-th parameter */
};

static struct lite *lite_of(struct conn *c)
{
	return CONTAINER_OF(c, struct lite, base);
}

static struct lite_stmt *stmt_of(struct db_stmt *q)
{
	return CONTAINER_OF(q, struct lite_stmt, base);
}

/* ---- errors ----------------------------------------------------------------------------- */

static enum err_kind kind_of(int code)
{
	if (code == SQLITE_CONSTRAINT_DATATYPE)
		return ERR_INTERNAL; /* text bound to an integer column */
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		return ERR_CONFLICT;
	case SQLITE_FULL:
		return ERR_NO_ROOM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_NOMEM:
		return ERR_MEMORY;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_FORBIDDEN;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return ERR_IO;
	default:
		return ERR_INTERNAL;
	}
}

static int lite_fail(sqlite3 *h, struct err *e)
{
	int code = sqlite3_extended_errcode(h);
	int os = sqlite3_system_errno(h);
	enum err_kind kind = kind_of(code);
	if (kind == ERR_IO && (os == ENOSPC || os == EDQUOT))
		kind = ERR_NO_ROOM;
	return err_fail(e, kind, "%s", sqlite3_errmsg(h));
}

/* ---- opening ---------------------------------------------------------------------------- */

/* An empty file with tight permissions, its name flushed; SQLite's own would be 0644. */
static int file_prepare(const char *path, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : err_os(e, errno, "create %s", path);
	char dir[4096];
	int n = snprintf(dir, sizeof dir, "%s", path);
	if (n < 0 || (size_t)n >= sizeof dir)
		return err_fail(e, ERR_INVALID, "path of the database is too long");
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	return file_sync_dir(slash ? dir : ".", e);
}

/* The file says so itself when it cannot be put into WAL mode: some file systems cannot. */
static int journal_set(struct lite *c, bool is_single, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc = -1;
	if (sqlite3_prepare_v2(c->h, "PRAGMA journal_mode = WAL", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW)
		rc = lite_fail(c->h, e);
	else if (is_single || str_is(str_from((const char *)sqlite3_column_text(q, 0)), "wal"))
		rc = 0;
	else
		rc = err_fail(e, ERR_UNSUPPORTED,
			      "its file system cannot hold a write-ahead log");
	(void)sqlite3_finalize(q);
	return rc;
}

/* Called after each commit. A checkpoint that fails is tried again after the next one. */
static int after_commit(void *user UNUSED, sqlite3 *h, const char *name, int pages)
{
	int mode = pages >= LOG_PAGES_INSIST ? SQLITE_CHECKPOINT_RESTART
					     : SQLITE_CHECKPOINT_PASSIVE;
	if (pages >= LOG_PAGES_TRY)
		(void)sqlite3_wal_checkpoint_v2(h, name, mode, NULL, NULL);
	return SQLITE_OK;
}

/*
 * SQLite counts every byte it takes, under one lock for all connections; we never ask. Refused,
 * without harm, once it is at work: the first connection decides.
 */
static void count_no_memory(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int lite_set_up(struct lite *c, const char *path, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	const struct db *db = c->base.db;
	if (db->is_single)
		flags |= SQLITE_OPEN_MEMORY;
	else if (!db->writer && file_prepare(path, e) < 0) /* a reader makes no file */
		return -1;
	count_no_memory();
	if (sqlite3_open_v2(path, &c->h, flags, NULL) != SQLITE_OK)
		return c->h ? lite_fail(c->h, e) : err_fail(e, ERR_MEMORY, "out of memory");
	if (sqlite3_db_readonly(c->h, "main") == 1)
		return err_fail(e, ERR_FORBIDDEN, "it may only be read");
	(void)sqlite3_busy_timeout(c->h, (int)db->options.lock_wait_ms);
	(void)sqlite3_db_config(c->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(c->h, SQLITE_DBCONFIG_LOOKASIDE, NULL, SLOT_BYTES, SLOTS);
	if (journal_set(c, db->is_single, e) < 0)
		return -1;
	(void)sqlite3_wal_hook(c->h, after_commit, NULL);
	if (sqlite3_exec(c->h, settings, NULL, NULL, NULL) != SQLITE_OK)
		return lite_fail(c->h, e);
	for (size_t i = 0; i < CMDS; i++)
		if (sqlite3_prepare_v3(c->h, command_text[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &c->command[i], NULL) != SQLITE_OK)
			return lite_fail(c->h, e);
	return 0;
}

static void lite_close(struct conn *base)
{
	struct lite *c = lite_of(base);
	db_conn_free_statements(base);
	for (size_t i = 0; i < CMDS; i++)
		(void)sqlite3_finalize(c->command[i]);
	int rc = sqlite3_close(c->h);
	ASSERT(rc == SQLITE_OK);
	mem_free(c);
}

static int lite_open(struct db *db, struct conn **out, struct err *e)
{
	struct lite *c = MEM_NEW(struct lite, e);
	if (!c)
		return -1;
	c->base.db = db;
	c->base.driver = &db_driver_sqlite;
	const char *path = db->url + strlen("sqlite:");
	if (lite_set_up(c, path, e) < 0) {
		lite_close(&c->base);
		return err_in(e, "database %s", path);
	}
	*out = &c->base;
	return 0;
}

/* ---- transactions ----------------------------------------------------------------------- */

static int command(struct conn *base, enum command which, struct err *e)
{
	struct lite *c = lite_of(base);
	int rc = sqlite3_step(c->command[which]) == SQLITE_DONE ? 0 : lite_fail(c->h, e);
	(void)sqlite3_reset(c->command[which]);
	return rc < 0 ? err_in(e, "%s", command_text[which]) : 0;
}

/* SQLite ends a transaction by itself after some errors (full disk, lack of memory). */
static bool lite_is_lost(struct conn *c)
{
	return sqlite3_get_autocommit(lite_of(c)->h) != 0;
}

static int lite_begin(struct conn *c, enum begin_mode mode, struct err *e)
{
	return command(c, mode == BEGIN_READ ? CMD_BEGIN_READ : CMD_BEGIN_WRITE, e);
}

static void lite_rollback(struct conn *c)
{
	struct err ignored; /* it has failed already, or is ended below by closing */
	if (!lite_is_lost(c))
		(void)command(c, CMD_ROLLBACK, &ignored);
}

static int lite_commit(struct conn *c, struct err *e)
{
	if (command(c, CMD_COMMIT, e) == 0)
		return 0;
	lite_rollback(c);
	return -1;
}

static int lite_savepoint(struct conn *c, struct err *e)
{
	return command(c, CMD_SAVEPOINT, e);
}

static int lite_release(struct conn *c, struct err *e)
{
	return command(c, CMD_RELEASE, e);
}

static int lite_rollback_to(struct conn *c, struct err *e)
{
	return command(c, CMD_ROLLBACK_TO, e) < 0 ? -1 : command(c, CMD_RELEASE, e);
}

static int lite_script(struct conn *base, const char *text, struct err *e)
{
	struct lite *c = lite_of(base);
	if (sqlite3_exec(c->h, text, NULL, NULL, NULL) != SQLITE_OK)
		return lite_fail(c->h, e);
	base->has_changed = true;
	return 0;
}

/* ---- statements ------------------------------------------------------------------------- */

static int lite_prepare(struct db_stmt *base, struct err *e)
{
	struct lite_stmt *q = stmt_of(base);
	sqlite3 *h = lite_of(base->conn)->h;
	const char *tail = "";
	if (sqlite3_prepare_v3(h, base->sql->text, -1, SQLITE_PREPARE_PERSISTENT, &q->h,
			       &tail) != SQLITE_OK)
		return lite_fail(h, e);
	if (!q->h || str_trim(str_from(tail)).n)
		return err_fail(e, ERR_INTERNAL, "is not exactly one statement");
	for (unsigned i = 0; i < base->params; i++) {
		char number[8];
		(void)snprintf(number, sizeof number, "$%u", i + 1);
		q->index[i] = sqlite3_bind_parameter_index(q->h, number);
		if (q->index[i] == 0)
			return err_fail(e, ERR_INTERNAL, "parameter %s is not in its text",
					number);
	}
	return 0;
}

static void lite_finish(struct db_stmt *q)
{
	(void)sqlite3_finalize(stmt_of(q)->h);
}

static int bind(sqlite3_stmt *h, int index, const struct param *p)
{
	switch (p->kind) {
	case VALUE_I64:
		return sqlite3_bind_int64(h, index, p->i);
	case VALUE_TEXT:
		return sqlite3_bind_text64(h, index, p->s.p, p->s.n, SQLITE_STATIC,
					   SQLITE_UTF8);
	case VALUE_BLOB:
		return sqlite3_bind_blob64(h, index, p->s.p, p->s.n, SQLITE_STATIC);
	case VALUE_NULL:
	case VALUE_UNBOUND:
		break;
	}
	return sqlite3_bind_null(h, index);
}

static int lite_start(struct db_stmt *base, struct err *e)
{
	struct lite_stmt *q = stmt_of(base);
	if (base->tx->is_read && !sqlite3_stmt_readonly(q->h))
		return err_fail(e, ERR_INTERNAL, "writes in a read transaction");
	for (unsigned i = 0; i < base->params; i++)
		if (bind(q->h, q->index[i], &base->param[i]) != SQLITE_OK)
			return lite_fail(lite_of(base->conn)->h, e);
	return 0;
}

static int lite_step(struct db_stmt *base, struct err *e)
{
	sqlite3_stmt *h = stmt_of(base)->h;
	int rc = sqlite3_step(h);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return lite_fail(lite_of(base->conn)->h, e);
}

static void lite_reset(struct db_stmt *base)
{
	(void)sqlite3_reset(stmt_of(base)->h);
}

static int64_t lite_changes(struct db_stmt *base)
{
	struct lite_stmt *q = stmt_of(base);
	return sqlite3_stmt_readonly(q->h) ? 0 : sqlite3_changes64(lite_of(base->conn)->h);
}

static int lite_columns(struct db_stmt *q)
{
	return sqlite3_column_count(stmt_of(q)->h);
}

static const char *lite_column_name(struct db_stmt *q, int column)
{
	const char *name = sqlite3_column_name(stmt_of(q)->h, column);
	return name ? name : "";
}

static enum value_kind lite_kind(struct db_stmt *q, int column)
{
	switch (sqlite3_column_type(stmt_of(q)->h, column)) {
	case SQLITE_NULL:
		return VALUE_NULL;
	case SQLITE_INTEGER:
		return VALUE_I64;
	case SQLITE_BLOB:
		return VALUE_BLOB;
	case SQLITE_TEXT:
		return VALUE_TEXT;
	default:
		return VALUE_UNBOUND; /* a real number: no such thing in this dialect */
	}
}

static int lite_i64(struct db_stmt *q, int column, int64_t *out, struct err *e UNUSED)
{
	*out = sqlite3_column_int64(stmt_of(q)->h, column);
	return 0;
}

static struct str lite_bytes(struct db_stmt *q, int column, enum value_kind kind,
			     struct arena *a)
{
	sqlite3_stmt *h = stmt_of(q)->h;
	const void *p = kind == VALUE_TEXT ? (const void *)sqlite3_column_text(h, column)
					   : sqlite3_column_blob(h, column);
	return arena_dup(a, str_of(p, (size_t)sqlite3_column_bytes(h, column)));
}

const struct driver db_driver_sqlite = {
	.name = "sqlite",
	.engine = DB_SQLITE,
	.stmt_bytes = sizeof(struct lite_stmt),
	.open = lite_open,
	.close = lite_close,
	.begin = lite_begin,
	.commit = lite_commit,
	.rollback = lite_rollback,
	.savepoint = lite_savepoint,
	.release = lite_release,
	.rollback_to = lite_rollback_to,
	.is_lost = lite_is_lost,
	.script = lite_script,
	.prepare = lite_prepare,
	.finish = lite_finish,
	.start = lite_start,
	.step = lite_step,
	.reset = lite_reset,
	.changes = lite_changes,
	.columns = lite_columns,
	.column_name = lite_column_name,
	.kind = lite_kind,
	.i64 = lite_i64,
	.bytes = lite_bytes,
};
