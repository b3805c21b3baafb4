/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One mutex, one condition, a linked queue. The loop owns the count `load`; threads only touch
 * the queue, and hand finished work back through ev_post.
 */
#include "agent/crew.h"

#include <errno.h>
#include <pthread.h>

#include "base/mem.h"

struct job {
	struct job *next;
	struct crew *crew;
	crew_fn *work, *done;
	void *user;
};

struct crew {
	struct ev *ev;
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct job *first, *last; /* queued */
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

static void job_done(void *user)
{
	struct job *j = user;
	j->crew->load--;
	j->done(j->user);
	mem_free(j);
}

/* The next job, or NULL when the crew ends. */
static struct job *take_job(struct crew *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->idle++;
	while (!c->first && !c->is_ending)
		(void)pthread_cond_wait(&c->has_work, &c->lock);
	c->idle--;
	struct job *j = c->is_ending ? NULL : c->first;
	if (j) {
		c->first = j->next;
		c->queued--;
		if (!c->first)
			c->last = NULL;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return j;
}

static void *run_thread(void *user)
{
	struct crew *c = user;
	struct job *j;
	while ((j = take_job(c))) {
		struct err e = ERR_INIT;
		j->work(j->user);
		/* A full loop queue would lose the outcome: there is nothing to go on with. */
		ASSERT(ev_post(c->ev, job_done, j, &e) == 0);
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

MUST int crew_do(struct crew *c, crew_fn *work, crew_fn *done, void *user, struct err *e)
{
	struct job *j = MEM_NEW(struct job, e);
	if (!j)
		return -1;
	*j = (struct job){.crew = c, .work = work, .done = done, .user = user};
	(void)pthread_mutex_lock(&c->lock);
	int rc = add_thread(c, e);
	if (rc == 0) {
		*(c->last ? &c->last->next : &c->first) = j;
		c->last = j;
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
	while (c->first) {
		struct job *j = c->first;
		c->first = j->next;
		mem_free(j);
	}
	(void)pthread_cond_destroy(&c->has_work);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
	return NULL;
}
