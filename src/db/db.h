/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The one door to SQL, for SQLite and PostgreSQL.
 *
 * Reads run in the calling thread, each in a read transaction (one snapshot) on a connection of
 * a small pool. Writes are jobs: one writer thread per database takes all that wait, opens one
 * transaction, runs each job in a savepoint of its own, commits once, and only then tells the
 * callers. A job that fails is rolled back alone; a commit that fails fails all jobs of its
 * group.
 *
 *     sqlite:PATH          file in WAL mode, synchronous=FULL, foreign keys on
 *     sqlite::memory:      one connection, no thread: everything runs in the calling thread,
 * which must always be the same one (simulation, tests) postgresql://…       whatever libpq
 * takes; several masters may share one database: an advisory lock per group keeps one order of
 * writes
 *
 * Invariants
 * 1. A caller hears of success only after the commit that holds its write is on disk.
 * 2. What a job that failed did is nowhere, on both engines.
 * 3. A failed statement fails its transaction: all later statements of the job return the same
 *    error, and the job fails with it even if it returns 0 or an error of another kind. Nothing can be caught inside a job (use ON
 *    CONFLICT where a clash is expected), so both engines behave alike.
 * 4. No statement is built from values.
 *
 * A job or read function may be called again from its beginning if its transaction was lost on
 * the way (PostgreSQL: lost connection, serialization failure). It must therefore be
 * repeatable: it sets what it gives to `user` anew each time, and does nothing outside the
 * database. If the connection is lost during COMMIT itself, the outcome is asked from the
 * server, so nothing is applied twice.
 *
 * Dialect: what both engines understand. $1 parameters, RETURNING, ON CONFLICT, whole
 * milliseconds in BIGINT / INTEGER, booleans as 0 / 1, text in UTF-8, BYTEA / BLOB; LIKE tells
 * case apart. Text columns on PostgreSQL are TEXT COLLATE "C", so that text has one order, that of
 * its bytes, whatever the server was set up with. No deferred constraints (they would fail a
 * whole group). On PostgreSQL the rows of a statement are all held at once, so every SELECT that
 * may return many carries a LIMIT.
 */
#include "base/arena.h"
#include "base/clock.h"

struct db;
struct db_tx;
struct db_stmt;

enum db_engine { DB_SQLITE, DB_POSTGRESQL };

enum { DB_PARAMS_MAX = 48, DB_STATEMENTS_MAX = 1024, DB_HOOKS_MAX = 8 };

/* 0 or NULL stands for the default. */
struct db_options {
	size_t queue_max;	/* jobs that may wait; more are refused with ERR_BUSY. 4096 */
	size_t group_max;	/* jobs in one commit. 512 */
	int64_t group_for_ms;	/* … or after this much work, whichever is first. 2 */
	unsigned readers_max;	/* read transactions at once. 4 */
	int64_t reader_wait_ms; /* for one of them to become free, else ERR_BUSY. 10000 */
	int64_t lock_wait_ms;	/* SQLite: for another process that holds the file. 5000 */
	const struct clock *clock; /* clock_system() */
};

/*
 * Opens the database, makes a SQLite file that is not there (its directory must exist, mode
 * 0600) and starts the writer. `options` may be NULL. Errors: ERR_INVALID (field "db": not such
 * a URL), ERR_IO, ERR_NO_ROOM, ERR_CORRUPT (not a database), ERR_UNREACHABLE (PostgreSQL),
 * ERR_FORBIDDEN (read-only file, wrong password). The URL may hold a password: no error text
 * shows it.
 */
MUST int db_open(const char *url, const struct db_options *options, struct db **out,
		 struct err *e);
/* Does what is queued, then closes. No other call may be under way. NULL accepted; gives NULL.
 */
struct db *db_close(struct db *db);
/* For CLEAN(db_closep). */
void db_closep(struct db **db);
enum db_engine db_engine(const struct db *db);
/* "sqlite" or "postgresql". */
const char *db_engine_name(const struct db *db);

/* ---- transactions ---------------------------------------------------------------------- */

/*
 * The body of a transaction. Returns 0 or an outcome > 0 (committed, handed to the caller), or
 * -1 with *e filled (rolled back). `tx` is valid until it returns.
 */
typedef int db_work_fn(struct db_tx *tx, void *user, struct err *e);
/*
 * Tells how an asynchronous job ended: rc as its function returned it, or -1; `e` is valid
 * during the call. Called from the writer thread after the commit is durable (or has failed).
 * Must not wait; may call db_write_async and db_read, not db_write.
 */
typedef void db_done_fn(void *user, int rc, const struct err *e);
/* Called from the writer thread, once per group that committed something. Rules as above. */
typedef void db_commit_fn(void *user);

/*
 * Runs fn at once, in this thread, in a read transaction: it sees one snapshot with every write
 * that was acknowledged before. Returns what fn returns. A statement that writes fails with
 * ERR_INTERNAL. Not from inside another transaction. ERR_BUSY: no reader free in time.
 */
MUST int db_read(struct db *db, db_work_fn *fn, void *user, struct err *e);
/*
 * Queues fn for the writer and waits until the commit that holds it is durable. Returns what fn
 * returned. ERR_BUSY: queue full, nothing done. ERR_UNREACHABLE: PostgreSQL went away and stayed
 * away; if that was during COMMIT nobody knows how it ended, so the caller's request must be one
 * that may be repeated. Not from inside a job or a done function (ERR_INTERNAL), nor a read. fn
 * runs in the writer thread while this thread waits: `user` may be a local.
 */
MUST int db_write(struct db *db, db_work_fn *fn, void *user, struct err *e);
/*
 * Queues fn and returns; `done` is called exactly once if this returned 0, never if it failed
 * (ERR_BUSY, ERR_MEMORY). `user` must live until then. On sqlite::memory: it runs before this
 * returns, unless called from inside a job or done function: then right after that one.
 */
MUST int db_write_async(struct db *db, db_work_fn *fn, void *user, db_done_fn *done,
			struct err *e);
/* Adds a hook, at most DB_HOOKS_MAX (ERR_TOO_LARGE). Any time; called after the done functions.
 */
MUST int db_on_commit(struct db *db, db_commit_fn *fn, void *user, struct err *e);

/* ---- statements ------------------------------------------------------------------------ */

/*
 * One statement, a static constant. `name` (unique in the program, "instance_by_guid") shows in
 * errors and logs. `params` names $1, $2, … in order, separated by one space; "" for none.
 */
struct db_sql {
	const char *name;
	const char *text;
	const char *params;
};

/*
 * The statement, ready to bind; every parameter must be bound before it runs. Never NULL: it is
 * sticky, a failure here or in a bind shows in db_step / db_exec. It is prepared once per
 * connection (found by the address of `sql`), belongs to `tx`, and is reset when the
 * transaction ends or when it is prepared again: one use of a statement at a time, so no
 * recursion into the same statement while its rows are being read.
 */
struct db_stmt *db_prepare(struct db_tx *tx, const struct db_sql *sql);
/*
 * Binds by name. Cheapest in the order of `params`. Text and blobs are not copied: they must
 * live until the last db_step or db_exec of this use. Text must be UTF-8 without NUL, else the
 * statement fails with ERR_INVALID (field = name of the parameter). An unknown name fails with
 * ERR_INTERNAL.
 */
void db_bind_str(struct db_stmt *q, const char *name, struct str value);
void db_bind_cstr(struct db_stmt *q, const char *name, const char *value); /* NULL binds null */
void db_bind_i64(struct db_stmt *q, const char *name, int64_t value);
void db_bind_bool(struct db_stmt *q, const char *name, bool value); /* as 0 or 1 */
void db_bind_blob(struct db_stmt *q, const char *name, struct str bytes);
void db_bind_null(struct db_stmt *q, const char *name);
/* Text, or null where value.p is NULL. */
void db_bind_str_or_null(struct db_stmt *q, const char *name, struct str value);

/*
 * 1: a row is there; 0: no more rows; -1: failure, the text begins with the statement's name.
 * ERR_CONFLICT: unique, primary key, check, not null or foreign key violation; the text names
 * the constraint (SQLite names the columns instead for unique and not null, and has no name for
 * a foreign key). ERR_NO_ROOM: disk full. ERR_CORRUPT, ERR_IO, ERR_BUSY, ERR_UNREACHABLE,
 * ERR_INTERNAL: the statement is wrong. Also tells a failure of the getters below.
 */
MUST int db_step(struct db_stmt *q, struct err *e);
/* Runs it to its end, rows ignored: the number of rows inserted, changed or deleted, or -1. */
MUST int64_t db_exec(struct db_stmt *q, struct err *e);

/*
 * Values of the current row, by column name or by index from 0. By index is cheapest; by name
 * costs one string comparison if columns are read in the order of the SELECT. Text goes into
 * the arena, NUL-terminated. NULL gives 0 and the str {NULL, 0}; an empty text has p != NULL.
 * A column that is not there or of another type makes the statement fail (next db_step, or the
 * end of the transaction), and gives 0 or the empty str here. A full arena gives the empty text and
 * makes the statement fail with ERR_MEMORY.
 */
int64_t db_col_i64(struct db_stmt *q, const char *name);
bool db_col_bool(struct db_stmt *q, const char *name);
struct str db_col_str(struct db_stmt *q, const char *name, struct arena *a);
struct str db_col_blob(struct db_stmt *q, const char *name, struct arena *a);
bool db_col_is_null(struct db_stmt *q, const char *name);
int64_t db_at_i64(struct db_stmt *q, int column);
struct str db_at_str(struct db_stmt *q, int column, struct arena *a);
struct str db_at_blob(struct db_stmt *q, int column, struct arena *a);
bool db_at_is_null(struct db_stmt *q, int column);

/* ---- migrations ------------------------------------------------------------------------ */

/* Texts may hold several statements separated by semicolons. Numbers rise from 1 without gap.
 */
struct db_migration {
	int number;
	const char *name;
	const char *sqlite, *postgresql;
};

/*
 * Brings the schema from whatever version it has to the last of the `n` given, one durable
 * transaction each, recorded in table schema_migration. Safe when several programs start at
 * once. ERR_UNSUPPORTED: the database is newer than the list; ERR_CONFLICT: a number is
 * recorded under another name. Call before other work.
 */
MUST int db_migrate(struct db *db, const struct db_migration *list, size_t n, struct err *e);
/* The number of the last migration done, 0 if none. */
MUST int db_version(struct db *db, int *out, struct err *e);

/* ---- tests and measurement ------------------------------------------------------------- */

enum db_fault {
	DB_FAULT_STATEMENT, /* before a statement of a job or read is run */
	DB_FAULT_STEP,	    /* before a row is handed out */
	DB_FAULT_COMMIT,    /* instead of the COMMIT of a group */
	DB_FAULTS,
};

/*
 * The n-th such place from now on (counted from 1) fails once with ERR_IO, after which the
 * fault is off; n = 0 switches it off. Returns how many such places were passed since the last
 * call for `where`. Statements of the room itself (BEGIN, savepoints, migrations' texts) do not
 * count.
 */
unsigned long db_fail_after(struct db *db, unsigned long n, enum db_fault where);

/*
 * Calls fn with each statement that a job or read prepares, from its thread, until it is called
 * with NULL; while nothing else runs. For tests that ask how statements are done.
 */
typedef void db_look_fn(void *user, const struct db_sql *sql);
void db_look(struct db *db, db_look_fn *fn, void *user);

/* Totals since db_open. */
struct db_counters {
	uint64_t statements;	  /* run by jobs and reads */
	uint64_t reads;		  /* read transactions */
	uint64_t jobs;		  /* write jobs ended */
	uint64_t jobs_failed;	  /* of them */
	uint64_t commits;	  /* groups committed */
	uint64_t commits_flushed; /* of them: something changed, so the log was flushed (1
				     fsync) */
	uint64_t commits_failed;
	uint64_t retries;    /* groups and reads run again */
	uint64_t group_max;  /* most jobs in a group */
	uint64_t groups[11]; /* groups of 1, 2, 3–4, 5–8, … 257–512, more */
	uint64_t queue_max;  /* most jobs that waited */
	uint64_t queue_refused;
};
void db_counters(struct db *db, struct db_counters *out);
