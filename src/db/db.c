/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Opening and closing, and reads on the pool of reader connections.
 *
 * Reader connections are opened when first needed and kept. On sqlite::memory: there is one
 * connection only, which reads and writes in turn in the calling thread.
 */
#include <errno.h>

#include "base/mem.h"
#include "db/db_impl.h"

static const struct db_options defaults = {
	.queue_max = 4096,
	.group_max = 512,
	.group_for_ms = 2,
	.readers_max = 4,
	.reader_wait_ms = 10000,
	.lock_wait_ms = 5000,
};

static struct db_options options_of(const struct db_options *given)
{
	struct db_options o = given ? *given : defaults;
	o.queue_max = o.queue_max ? o.queue_max : defaults.queue_max;
	o.group_max = o.group_max ? o.group_max : defaults.group_max;
	o.group_for_ms = o.group_for_ms ? o.group_for_ms : defaults.group_for_ms;
	o.readers_max = o.readers_max ? o.readers_max : defaults.readers_max;
	o.reader_wait_ms = o.reader_wait_ms ? o.reader_wait_ms : defaults.reader_wait_ms;
	o.lock_wait_ms = o.lock_wait_ms ? o.lock_wait_ms : defaults.lock_wait_ms;
	o.clock = o.clock ? o.clock : clock_system();
	return o;
}

static const struct driver *driver_of(struct str url)
{
	if (str_starts(url, S("sqlite:")) && url.n > strlen("sqlite:"))
		return &db_driver_sqlite;
	if (str_starts(url, S("postgresql:")) || str_starts(url, S("postgres:")))
		return &db_driver_postgresql;
	return NULL;
}

/* ---- opening ---------------------------------------------------------------------------- */

static void locks_init(struct db *db)
{
	pthread_condattr_t mono; /* a wait must not depend on the wall clock */
	(void)pthread_condattr_init(&mono);
	(void)pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&db->has_reader, &mono);
	(void)pthread_condattr_destroy(&mono);
	(void)pthread_cond_init(&db->has_work, NULL);
	(void)pthread_mutex_init(&db->mutex, NULL);
}

static int start(struct db *db, struct err *e)
{
	if (db->driver->open(db, &db->writer, e) < 0)
		return -1;
	if (db->is_single)
		return 0;
	int rc = pthread_create(&db->thread, NULL, db_writer_main, db);
	if (rc != 0)
		return err_os(e, rc, "start the writer of the database");
	db->has_thread = true;
	return 0;
}

int db_open(const char *url, const struct db_options *options, struct db **out, struct err *e)
{
	const struct driver *driver = driver_of(str_from(url));
	if (!driver)
		return err_field(e, "db", "is neither sqlite:PATH nor postgresql://…");
	struct db *db = MEM_NEW(struct db, e);
	if (!db)
		return -1;
	locks_init(db);
	db->driver = driver;
	db->options = options_of(options);
	db->is_single = str_is(str_from(url), "sqlite::memory:");
	db->url = mem_dup(url, strlen(url), e);
	if (!db->url || start(db, e) < 0) {
		(void)db_close(db);
		return -1;
	}
	*out = db;
	return 0;
}

struct db *db_close(struct db *db)
{
	if (!db)
		return NULL;
	if (db->has_thread) {
		(void)pthread_mutex_lock(&db->mutex);
		db->is_closing = true;
		(void)pthread_cond_signal(&db->has_work);
		(void)pthread_mutex_unlock(&db->mutex);
		(void)pthread_join(db->thread, NULL);
	}
	while (db->idle) {
		struct conn *c = db->idle;
		db->idle = c->next_idle;
		db->readers--;
		db->driver->close(c);
	}
	ASSERT(db->readers == 0);
	if (db->writer) /* last: SQLite then empties its log into the file */
		db->driver->close(db->writer);
	(void)pthread_cond_destroy(&db->has_work);
	(void)pthread_cond_destroy(&db->has_reader);
	(void)pthread_mutex_destroy(&db->mutex);
	mem_free(db->url);
	mem_free(db);
	return NULL;
}

void db_closep(struct db **db)
{
	*db = db_close(*db);
}

enum db_engine db_engine(const struct db *db)
{
	return db->driver->engine;
}

const char *db_engine_name(const struct db *db)
{
	return db->driver->name;
}

/* ---- the pool of readers ---------------------------------------------------------------- */

static struct timespec deadline(int64_t after_ms)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += after_ms / 1000;
	t.tv_nsec += after_ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* Under the mutex: waits until a connection is idle or another may be opened. */
static int reader_wait(struct db *db, struct err *e)
{
	struct timespec until = deadline(db->options.reader_wait_ms);
	while (!db->idle && db->readers >= db->options.readers_max)
		if (pthread_cond_timedwait(&db->has_reader, &db->mutex, &until) == ETIMEDOUT)
			return err_fail(e, ERR_BUSY, "all %u readers of the database are busy",
					db->options.readers_max);
	return 0;
}

static void reader_give(struct db *db, struct conn *c)
{
	(void)pthread_mutex_lock(&db->mutex);
	if (c) {
		c->next_idle = db->idle;
		db->idle = c;
	} else {
		db->readers--;
	}
	(void)pthread_cond_signal(&db->has_reader);
	(void)pthread_mutex_unlock(&db->mutex);
}

static int reader_take(struct db *db, struct conn **out, struct err *e)
{
	(void)pthread_mutex_lock(&db->mutex);
	int rc = reader_wait(db, e);
	struct conn *c = rc == 0 ? db->idle : NULL;
	if (c)
		db->idle = c->next_idle;
	else if (rc == 0)
		db->readers++;
	(void)pthread_mutex_unlock(&db->mutex);
	if (rc == 0 && !c) {
		rc = db->driver->open(db, &c, e);
		if (rc < 0)
			reader_give(db, NULL);
	}
	*out = c;
	return rc;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int read_once(struct conn *c, db_work_fn *fn, void *user, struct err *e)
{
	struct db_tx tx;
	struct err end = ERR_INIT;
	if (c->driver->begin(c, BEGIN_READ, e) < 0)
		return -1;
	db_tx_init(&tx, c, true);
	int rc = db_tx_run(&tx, fn, user, e);
	if (rc < 0)
		c->driver->rollback(c);
	else if (c->driver->commit(c, &end) < 0)
		rc = err_fail(e, end.kind, "end of a read: %s", end.text);
	return rc;
}

static int read_on(struct conn *c, db_work_fn *fn, void *user, struct err *e)
{
	struct tallies *t = &c->db->tallies;
	(void)atomic_fetch_add_explicit(&t->reads, 1, memory_order_relaxed);
	int rc = read_once(c, fn, user, e);
	if (rc >= 0 || c->driver->engine == DB_SQLITE || !c->driver->is_lost(c))
		return rc;
	(void)atomic_fetch_add_explicit(&t->retries, 1, memory_order_relaxed);
	return read_once(c, fn, user, e);
}

int db_read(struct db *db, db_work_fn *fn, void *user, struct err *e)
{
	struct conn *c = db->writer;
	if ((db->is_single || db_is_writer_thread(db)) && db->is_in_tx)
		return err_fail(e, ERR_INTERNAL, "a read inside another transaction");
	if (!db->is_single && reader_take(db, &c, e) < 0)
		return -1;
	if (db->is_single)
		db->is_in_tx = true;
	int rc = read_on(c, fn, user, e);
	if (db->is_single)
		db->is_in_tx = false;
	else
		reader_give(db, c);
	return rc;
}

/* ---- faults and counters ---------------------------------------------------------------- */

unsigned long db_fail_after(struct db *db, unsigned long n, enum db_fault where)
{
	ASSERT((unsigned)where < DB_FAULTS);
	atomic_store(&db->faults[where].left, n);
	return atomic_exchange(&db->faults[where].passed, 0);
}

void db_look(struct db *db, db_look_fn *fn, void *user)
{
	db->look = fn;
	db->look_user = user;
}

void db_counters(struct db *db, struct db_counters *out)
{
	struct tallies *t = &db->tallies;
	*out = (struct db_counters){
		.statements = t->statements,
		.reads = t->reads,
		.jobs = t->jobs,
		.jobs_failed = t->jobs_failed,
		.commits = t->commits,
		.commits_flushed = t->commits_flushed,
		.commits_failed = t->commits_failed,
		.retries = t->retries,
		.group_max = t->group_max,
		.queue_max = t->queue_max,
		.queue_refused = t->queue_refused,
	};
	for (size_t i = 0; i < ARRAY_LEN(out->groups); i++)
		out->groups[i] = t->groups[i];
}
