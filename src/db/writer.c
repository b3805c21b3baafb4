/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The writer: a queue of jobs, and groups of them in one commit.
 *
 *   queue → [take a job → savepoint → run → release | roll back]… → COMMIT → tell callers →
 * hooks
 *
 * A group grows while its jobs run, until the queue is empty, the group is full or its time is
 * over: under load the next group gathers while the disk flushes the last one. If the
 * transaction is lost on the way, the same jobs are run once more, none is added.
 */
#include <errno.h>

#include "base/fail.h"
#include "base/mem.h"
#include "db/db_impl.h"

struct group {
	struct job *first, *last;
	size_t n, good; /* good: jobs that will be committed */
};

static void count(atomic_uint_fast64_t *tally, uint64_t n)
{
	(void)atomic_fetch_add_explicit(tally, n, memory_order_relaxed);
}

/* Only ever called by one thread at a time for one tally. */
static void count_most(atomic_uint_fast64_t *tally, uint64_t n)
{
	if (n > atomic_load_explicit(tally, memory_order_relaxed))
		atomic_store_explicit(tally, n, memory_order_relaxed);
}

/* ---- the queue -------------------------------------------------------------------------- */

static int queue_put(struct db *db, struct job *job, struct err *e)
{
	int rc = 0;
	(void)pthread_mutex_lock(&db->mutex);
	if (db->queued >= db->options.queue_max) {
		count(&db->tallies.queue_refused, 1);
		rc = err_fail(e, ERR_BUSY, "%zu writes wait already", db->queued);
	} else {
		*(db->queue ? &db->queue_last->next : &db->queue) = job;
		db->queue_last = job;
		db->queued++;
		count_most(&db->tallies.queue_max, db->queued);
		if (db->queued == 1)
			(void)pthread_cond_signal(&db->has_work);
	}
	(void)pthread_mutex_unlock(&db->mutex);
	return rc;
}

/* Moves the oldest job to the end of the group; NULL if none waits. */
static struct job *queue_take(struct db *db, struct group *g)
{
	(void)pthread_mutex_lock(&db->mutex);
	struct job *job = db->queue;
	if (job) {
		db->queue = job->next;
		db->queued--;
	}
	(void)pthread_mutex_unlock(&db->mutex);
	if (!job)
		return NULL;
	job->next = NULL;
	*(g->first ? &g->last->next : &g->first) = job;
	g->last = job;
	g->n++;
	return job;
}

/* False once the queue is empty and the database closes. */
static bool queue_wait(struct db *db)
{
	(void)pthread_mutex_lock(&db->mutex);
	while (!db->queue && !db->is_closing)
		(void)pthread_cond_wait(&db->has_work, &db->mutex);
	bool has_job = db->queue != NULL;
	(void)pthread_mutex_unlock(&db->mutex);
	return has_job;
}

/* ---- a group ---------------------------------------------------------------------------- */

/* -1: the whole transaction is in doubt. A job's own failure is only the job's. */
static int job_run(struct db *db, struct job *job, struct err *e)
{
	struct conn *c = db->writer;
	struct db_tx tx;
	if (c->driver->savepoint(c, e) < 0)
		return -1;
	db_tx_init(&tx, c, false);
	err_clear(job->e);
	job->rc = db_tx_run(&tx, job->fn, job->user, job->e);
	if (c->driver->is_lost(c)) {
		if (job->rc < 0)
			*e = *job->e;
		else
			(void)err_fail(e, ERR_IO, "the transaction was lost");
		return -1;
	}
	return job->rc < 0 ? c->driver->rollback_to(c, e) : c->driver->release(c, e);
}

/* Runs the jobs of the group, then, the first time, also what waits, as far as limits allow. */
static int jobs_run(struct db *db, struct group *g, bool may_grow, struct err *e)
{
	const struct db_options *o = &db->options;
	int64_t until_ms = clock_mono_ms(o->clock) + o->group_for_ms;
	struct job *job = g->first;
	g->good = 0;
	while (job) {
		if (job_run(db, job, e) < 0)
			return -1;
		g->good += job->rc >= 0;
		job = job->next;
		if (!job && may_grow && g->n < o->group_max &&
		    clock_mono_ms(o->clock) < until_ms)
			job = queue_take(db, g);
	}
	return 0;
}

static int group_commit(struct db *db, struct err *e)
{
	struct conn *c = db->writer;
	fail_point("db.commit.before");
	if (db_fault_check(db, DB_FAULT_COMMIT, e) < 0) {
		c->driver->rollback(c);
		return -1;
	}
	if (c->driver->commit(c, e) < 0)
		return -1;
	fail_point("db.commit.after");
	return 0;
}

/* 0 committed; 1 lost, to be tried again; -1 failed. No transaction is left open. */
static int group_try(struct db *db, struct group *g, enum begin_mode mode, struct err *e)
{
	struct conn *c = db->writer;
	c->has_changed = c->has_changed && mode == BEGIN_AGAIN;
	int rc = c->driver->begin(c, mode, e);
	if (rc != 0)
		return rc > 0 ? 0 : -1;
	c->has_changed = false;
	db->is_in_tx = true;
	rc = jobs_run(db, g, mode == BEGIN_WRITE, e);
	db->is_in_tx = false;
	if (rc < 0) {
		bool is_lost = c->driver->is_lost(c);
		c->driver->rollback(c);
		return is_lost ? 1 : -1;
	}
	if (group_commit(db, e) == 0)
		return 0;
	return c->driver->engine == DB_POSTGRESQL && c->driver->is_lost(c) ? 1 : -1;
}

static void group_count(struct db *db, const struct group *g, bool is_committed)
{
	struct tallies *t = &db->tallies;
	size_t bucket = 0;
	while (bucket < ARRAY_LEN(t->groups) - 1 && (size_t)1 << bucket < g->n)
		bucket++;
	count(&t->jobs, g->n);
	count(&t->jobs_failed, is_committed ? g->n - g->good : g->n);
	count(is_committed ? &t->commits : &t->commits_failed, 1);
	if (!is_committed)
		return;
	count(&t->commits_flushed, db->writer->has_changed);
	count(&t->groups[bucket], 1);
	count_most(&t->group_max, g->n);
}

/* After this nothing of the group may be touched: who waited goes on. */
static void group_tell(struct group *g, int rc, const struct err *e)
{
	for (struct job *job = g->first, *next; job; job = next) {
		next = job->next;
		if (rc < 0) {
			job->rc = -1;
			*job->e = *e;
		}
		if (!job->done) {
			(void)sem_post(&job->ended);
			continue;
		}
		job->done(job->user, job->rc, job->e);
		mem_free(job);
	}
}

static void hooks_call(struct db *db)
{
	struct hook hooks[DB_HOOKS_MAX];
	(void)pthread_mutex_lock(&db->mutex);
	unsigned n = db->hook_count;
	memcpy(hooks, db->hooks, sizeof hooks);
	(void)pthread_mutex_unlock(&db->mutex);
	for (unsigned i = 0; i < n; i++)
		hooks[i].fn(hooks[i].user);
}

static void group_run(struct db *db)
{
	struct group g = {0};
	struct err e = ERR_INIT;
	if (!queue_take(db, &g))
		return;
	int rc = group_try(db, &g, BEGIN_WRITE, &e);
	if (rc > 0) {
		count(&db->tallies.retries, 1);
		rc = group_try(db, &g, BEGIN_AGAIN, &e);
	}
	if (rc > 0)
		rc = -1;
	bool is_committed = rc == 0;
	bool has_news = is_committed && g.good > 0;
	group_count(db, &g, is_committed);
	group_tell(&g, rc, &e);
	if (has_news)
		hooks_call(db);
}

void *db_writer_main(void *user)
{
	struct db *db = user;
	while (queue_wait(db))
		group_run(db);
	return NULL;
}

bool db_is_writer_thread(const struct db *db)
{
	return db->has_thread && pthread_equal(db->thread, pthread_self());
}

/* ---- writing ---------------------------------------------------------------------------- */

/* Without a writer thread, the first caller on the stack does all the work. */
static void drain(struct db *db)
{
	if (!db->is_single || db->is_draining)
		return;
	db->is_draining = true;
	while (db->queue)
		group_run(db);
	db->is_draining = false;
}

int db_write(struct db *db, db_work_fn *fn, void *user, struct err *e)
{
	if (db->is_single ? db->is_draining || db->is_in_tx : db_is_writer_thread(db))
		return err_fail(e, ERR_INTERNAL, "a write that would wait for itself");
	struct job job = {.fn = fn, .user = user, .e = e};
	(void)sem_init(&job.ended, 0, 0);
	int rc = queue_put(db, &job, e);
	if (rc == 0) {
		drain(db);
		while (sem_wait(&job.ended) < 0 && errno == EINTR)
			;
		rc = job.rc;
	}
	(void)sem_destroy(&job.ended);
	return rc;
}

int db_write_async(struct db *db, db_work_fn *fn, void *user, db_done_fn *done, struct err *e)
{
	struct job *job = MEM_NEW(struct job, e);
	if (!job)
		return -1;
	job->fn = fn;
	job->user = user;
	job->done = done;
	job->e = &job->own;
	if (queue_put(db, job, e) < 0) {
		mem_free(job);
		return -1;
	}
	drain(db);
	return 0;
}

int db_on_commit(struct db *db, db_commit_fn *fn, void *user, struct err *e)
{
	int rc = 0;
	(void)pthread_mutex_lock(&db->mutex);
	if (db->hook_count == DB_HOOKS_MAX)
		rc = err_fail(e, ERR_TOO_LARGE, "more than %d commit hooks", DB_HOOKS_MAX);
	else
		db->hooks[db->hook_count++] = (struct hook){fn, user};
	(void)pthread_mutex_unlock(&db->mutex);
	return rc;
}
