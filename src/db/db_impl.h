/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of this room share: a connection and its statements, the engine behind them as
 * a table of functions, and the database with its writer and its readers.
 *
 * Threads: a connection, with all its statements, belongs to one thread at a time: the writer's
 * to the writer thread for ever, a reader's to whoever took it from the pool. `mutex` guards
 * the queue, the pool and the hooks; counters and faults are atomic.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "db/db.h"

struct conn;

enum value_kind { VALUE_UNBOUND, VALUE_NULL, VALUE_I64, VALUE_TEXT, VALUE_BLOB };

struct param {
	struct str name; /* in the text of db_sql */
	enum value_kind kind;
	int64_t i;
	struct str s; /* the caller's, until the statement has started */
};

/*
 *          start                  last row
 *   READY ───────→ ROWS (step…) ───────────→ ENDED
 *     ↑_______________ prepare, end of transaction ┘
 */
enum stmt_state { STMT_READY, STMT_ROWS, STMT_ENDED };

/* The engine's part follows it in memory (driver.stmt_bytes). */
struct db_stmt {
	const struct db_sql *sql;
	struct conn *conn;
	struct db_tx *tx;
	struct db_stmt *next_in_bucket, *next_used;
	struct param *param;
	unsigned params, param_hint, column_hint;
	enum stmt_state state;
	bool is_used; /* by the transaction under way: is in conn->used */
	bool has_row;
};

struct db_tx {
	struct conn *conn;
	bool is_read;
	bool is_failed; /* `failure` is the answer to everything from now on */
	struct err failure;
	struct db_stmt broken; /* what db_prepare hands out when it has nothing better */
};

enum begin_mode { BEGIN_READ, BEGIN_WRITE, BEGIN_AGAIN };

/* An engine. Functions that return int follow the rule of base/err.h. */
struct driver {
	const char *name;
	enum db_engine engine;
	size_t stmt_bytes;
	int (*open)(struct db *db, struct conn **out, struct err *e);
	void (*close)(struct conn *c);
	/*
	 * For a write: takes the place of the only writer; reconnects if it must. BEGIN_AGAIN:
	 * the same jobs as before; returns 1, and no transaction is open, if their commit,
	 * whose outcome was unknown, turns out to be done.
	 */
	int (*begin)(struct conn *c, enum begin_mode mode, struct err *e);
	/* Afterwards no transaction is open, whatever it returned. */
	int (*commit)(struct conn *c, struct err *e);
	void (*rollback)(struct conn *c);
	int (*savepoint)(struct conn *c, struct err *e);
	int (*release)(struct conn *c, struct err *e);
	int (*rollback_to)(struct conn *c, struct err *e); /* and releases it */
	/* The transaction under way, or just ended by commit, is gone and is worth another try.
	 */
	bool (*is_lost)(struct conn *c);
	int (*script)(struct conn *c, const char *text, struct err *e);
	int (*prepare)(struct db_stmt *q, struct err *e);
	void (*finish)(struct db_stmt *q);
	int (*start)(struct db_stmt *q, struct err *e);
	int (*step)(struct db_stmt *q, struct err *e); /* 1 a row, 0 the end */
	void (*reset)(struct db_stmt *q);
	int64_t (*changes)(struct db_stmt *q); /* after the end */
	int (*columns)(struct db_stmt *q);
	const char *(*column_name)(struct db_stmt *q, int column);
	enum value_kind (*kind)(struct db_stmt *q, int column);
	int (*i64)(struct db_stmt *q, int column, int64_t *out, struct err *e);
	/* A copy of a text or blob; the empty text if the arena is full. */
	struct str (*bytes)(struct db_stmt *q, int column, enum value_kind kind,
			    struct arena *a);
};

extern const struct driver db_driver_sqlite;
extern const struct driver db_driver_postgresql;

enum { CONN_BUCKETS = 128 };

struct conn {
	const struct driver *driver;
	struct db *db;
	struct db_stmt *bucket[CONN_BUCKETS];
	struct db_stmt *used; /* in the transaction under way */
	unsigned statements;
	bool has_changed; /* something, in the transaction under way */
	struct conn *next_idle;
};

struct job {
	struct job *next;
	db_work_fn *fn;
	void *user;
	db_done_fn *done; /* NULL: a caller waits on `ended` */
	int rc;
	struct err *e; /* the caller's, or &own */
	struct err own;
	sem_t ended;
};

struct hook {
	db_commit_fn *fn;
	void *user;
};

struct fault {
	atomic_ulong left; /* fails when this falls from 1 to 0 */
	atomic_ulong passed;
};

struct tallies {
	atomic_uint_fast64_t statements, reads, jobs, jobs_failed, commits, commits_flushed,
		commits_failed, retries, group_max, groups[11], queue_max, queue_refused;
};

struct db {
	const struct driver *driver;
	char *url;
	struct db_options options; /* defaults filled in */
	bool is_single;		   /* sqlite::memory: */

	struct conn *writer;
	pthread_t thread;
	bool has_thread;
	bool is_in_tx;	  /* writer thread only; in single mode also during reads */
	bool is_draining; /* single mode: somebody up the stack empties the queue */

	pthread_mutex_t mutex;
	pthread_cond_t has_work, has_reader;
	struct job *queue, *queue_last;
	size_t queued;
	bool is_closing;
	struct conn *idle;
	unsigned readers;
	struct hook hooks[DB_HOOKS_MAX];
	unsigned hook_count;

	struct fault faults[DB_FAULTS];
	struct tallies tallies;
	db_look_fn *look; /* set while nothing runs; NULL: nobody looks */
	void *look_user;
};

/* stmt.c */
void db_tx_init(struct db_tx *tx, struct conn *c, bool is_read);
/* Runs fn, then resets the statements: rc of the body, or -1 if anything in it had failed. */
int db_tx_run(struct db_tx *tx, db_work_fn *fn, void *user, struct err *e);
void db_conn_free_statements(struct conn *c);
/* -1 with ERR_IO if the place has to fail now. */
int db_fault_check(struct db *db, enum db_fault where, struct err *e);

/* writer.c */
void *db_writer_main(void *db);
bool db_is_writer_thread(const struct db *db);
