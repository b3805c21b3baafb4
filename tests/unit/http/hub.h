/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A holder of parked calls, as the rooms above have one: a table under a lock. Whoever takes a
 * call out of the table answers it.
 */
#include <pthread.h>
#include <time.h>

#include "raw.h"

enum { HUB_MAX = 4096 };

struct hub {
	pthread_mutex_t lock;
	pthread_cond_t has_changed;
	struct http_call *calls[HUB_MAX];
	size_t count, told;
	bool must_quit, is_deaf; /* deaf: does not ask to be told */
	pthread_t answerer;
};

static inline void hub_init(struct hub *h)
{
	*h = (struct hub){.count = 0};
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->has_changed, NULL);
}

static inline void hub_fini(struct hub *h)
{
	(void)pthread_cond_destroy(&h->has_changed);
	(void)pthread_mutex_destroy(&h->lock);
}

static inline void hub_gone(struct http_call *c, void *user)
{
	struct hub *h = user;
	bool is_mine = false;
	(void)pthread_mutex_lock(&h->lock);
	h->told++;
	for (size_t i = 0; i < h->count && !is_mine; i++)
		if (h->calls[i] == c) {
			h->calls[i] = h->calls[--h->count];
			is_mine = true;
		}
	(void)pthread_cond_broadcast(&h->has_changed);
	(void)pthread_mutex_unlock(&h->lock);
	if (is_mine)
		http_reply_json(c, 200, S("{\"gone\":true}"));
}

static inline void hub_park(struct http_call *c, void *user)
{
	struct hub *h = user;
	if (!h->is_deaf)
		http_call_on_gone(c, hub_gone, h);
	(void)pthread_mutex_lock(&h->lock);
	assert_true(h->count < HUB_MAX);
	h->calls[h->count++] = c;
	(void)pthread_cond_broadcast(&h->has_changed);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Waits until *what is `n`. Lock held. */
static inline void hub_wait(struct hub *h, const size_t *what, size_t n)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	while (*what != n)
		if (pthread_cond_timedwait(&h->has_changed, &h->lock, &until) != 0)
			fail_msg("waited in vain for %zu, have %zu", n, *what);
}

static inline void hub_await(struct hub *h, const size_t *what, size_t n)
{
	(void)pthread_mutex_lock(&h->lock);
	hub_wait(h, what, n);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Takes one call out, NULL if there is none. */
static inline struct http_call *hub_take(struct hub *h)
{
	(void)pthread_mutex_lock(&h->lock);
	struct http_call *c = h->count ? h->calls[--h->count] : NULL;
	(void)pthread_mutex_unlock(&h->lock);
	return c;
}

/* Answers whatever is parked with the path it asked for, until it must quit. */
static inline void *hub_answer(void *user)
{
	struct hub *h = user;
	(void)pthread_mutex_lock(&h->lock);
	while (!h->must_quit || h->count) {
		if (!h->count) {
			(void)pthread_cond_wait(&h->has_changed, &h->lock);
			continue;
		}
		struct http_call *c = h->calls[--h->count];
		(void)pthread_cond_broadcast(&h->has_changed);
		(void)pthread_mutex_unlock(&h->lock);
		struct str path = http_call_target(c)->path;
		http_reply_json(c, 200, arena_fmt(http_call_arena(c), "\"%.*s\"", STR_A(path)));
		(void)pthread_mutex_lock(&h->lock);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}

static inline void hub_start_answering(struct hub *h)
{
	assert_int_equal(pthread_create(&h->answerer, NULL, hub_answer, h), 0);
}

static inline void hub_stop_answering(struct hub *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->must_quit = true;
	(void)pthread_cond_broadcast(&h->has_changed);
	(void)pthread_mutex_unlock(&h->lock);
	assert_int_equal(pthread_join(h->answerer, NULL), 0);
}
