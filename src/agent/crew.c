/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One mutex, one condition, two linked lists: queued and finished. The loop owns the count
 * `load`; threads only touch the lists, and wake the loop by ev_post when the first finished job
 * waits for it.
 */
#include "agent/crew.h"

#include <errno.h>
#include <pthread.h>

#include "base/mem.h"

struct job {
	struct job *next;
	crew_fn *work, *done, *drop;
	void *user;
};

struct jobs {
	struct job *first, *last;
};

struct crew {
	struct ev *ev;
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct jobs queue, finished;
	unsigned threads, threads_max, idle, queued;
	size_t load;
	bool is_ending;
	pthread_t ids[];
};

MUST int crew_new(struct ev *ev, unsigned threads_max, struct crew **out, struct err *e)
{
	ASSERT(threads_max > 0);
	struct crew *c = mem_new(sizeof *c + threads_max * sizeof c->ids[0], e);
	if (!c)
		return -1;
	c->ev = ev;
	c->threads_max = threads_max;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->has_work, NULL);
	*out = c;
	return 0;
}

static void jobs_add(struct jobs *list, struct job *j)
{
	j->next = NULL;
	*(list->last ? &list->last->next : &list->first) = j;
	list->last = j;
}

static struct job *jobs_take(struct jobs *list)
{
	struct job *j = list->first;
	if (!j)
		return NULL;
	list->first = j->next;
	if (!list->first)
		list->last = NULL;
	return j;
}

/* In the loop: whatever was finished until now. */
static void take_finished(void *user)
{
	struct crew *c = user;
	(void)pthread_mutex_lock(&c->lock);
	struct jobs list = c->finished;
	c->finished = (struct jobs){NULL, NULL};
	(void)pthread_mutex_unlock(&c->lock);
	for (struct job *j = jobs_take(&list); j; j = jobs_take(&list)) {
		c->load--;
		j->done(j->user);
		mem_free(j);
	}
}

static void finish(struct crew *c, struct job *j)
{
	struct err e = ERR_INIT;
	(void)pthread_mutex_lock(&c->lock);
	bool is_first = !c->finished.first;
	jobs_add(&c->finished, j);
	(void)pthread_mutex_unlock(&c->lock);
	/* A full loop queue would lose the outcome: there is nothing to go on with. */
	ASSERT(!is_first || ev_post(c->ev, take_finished, c, &e) == 0);
}

/* The next job, or NULL when the crew ends. */
static struct job *take_job(struct crew *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->idle++;
	while (!c->queue.first && !c->is_ending)
		(void)pthread_cond_wait(&c->has_work, &c->lock);
	c->idle--;
	struct job *j = c->is_ending ? NULL : jobs_take(&c->queue);
	c->queued -= j != NULL;
	(void)pthread_mutex_unlock(&c->lock);
	return j;
}

static void *run_thread(void *user)
{
	struct crew *c = user;
	struct job *j;
	while ((j = take_job(c))) {
		j->work(j->user);
		finish(c, j);
	}
	return NULL;
}

/* With the lock held: one more thread if the idle ones are spoken for. */
static int add_thread(struct crew *c, struct err *e)
{
	if (c->idle > c->queued || c->threads == c->threads_max)
		return 0;
	int os = pthread_create(&c->ids[c->threads], NULL, run_thread, c);
	if (os && c->threads == 0)
		return err_os(e, os, "start a thread");
	c->threads += os == 0;
	return 0;
}

MUST int crew_do(struct crew *c, crew_fn *work, crew_fn *done, crew_fn *drop, void *user,
		 struct err *e)
{
	struct job *j = MEM_NEW(struct job, e);
	if (!j)
		return -1;
	*j = (struct job){.work = work, .done = done, .drop = drop, .user = user};
	(void)pthread_mutex_lock(&c->lock);
	int rc = add_thread(c, e);
	if (rc == 0) {
		jobs_add(&c->queue, j);
		c->queued++;
		c->load++;
		(void)pthread_cond_signal(&c->has_work);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (rc < 0)
		mem_free(j);
	return rc;
}

size_t crew_load(const struct crew *c)
{
	return c->load;
}

static void drop_all(struct jobs *list)
{
	for (struct job *j = jobs_take(list); j; j = jobs_take(list)) {
		if (j->drop)
			j->drop(j->user);
		mem_free(j);
	}
}

struct crew *crew_free(struct crew *c)
{
	if (!c)
		return NULL;
	(void)pthread_mutex_lock(&c->lock);
	c->is_ending = true;
	(void)pthread_cond_broadcast(&c->has_work);
	(void)pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->threads; i++)
		(void)pthread_join(c->ids[i], NULL);
	drop_all(&c->finished);
	drop_all(&c->queue);
	(void)pthread_cond_destroy(&c->has_work);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
	return NULL;
}
