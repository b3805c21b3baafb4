/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One list under one mutex, one thread. A wake-up compares each topic with each entry: some
 * thousand entries and a handful of topics, far below the cost of the commit before it.
 */
#include "api/hub.h"

#include <errno.h>
#include <pthread.h>

#include "base/mem.h"

struct hub {
	struct hub_options options;
	pthread_mutex_t lock;
	pthread_cond_t news;
	pthread_t thread;
	struct hub_entry entries; /* a ring with this head */
	size_t count;
	bool is_stopping, has_thread;
};

static void unlink_entry(struct hub *h, struct hub_entry *en)
{
	en->before->next = en->next;
	en->next->before = en->before;
	en->state = HUB_OUT;
	h->count--;
}

/* The entry that is due, taken out; NULL if none. *wait_until gets the next deadline. */
static struct hub_entry *take_due(struct hub *h, int64_t now_ms, bool *is_last,
				  int64_t *wait_until_ms)
{
	*wait_until_ms = INT64_MAX;
	for (struct hub_entry *en = h->entries.next; en != &h->entries; en = en->next) {
		if (en->state != HUB_PARKED)
			continue;
		*is_last = h->is_stopping || en->until_ms <= now_ms;
		if (*is_last || en->is_woken) {
			unlink_entry(h, en);
			return en;
		}
		*wait_until_ms = MIN_OF(*wait_until_ms, en->until_ms);
	}
	return NULL;
}

static void mark_all(struct hub *h)
{
	for (struct hub_entry *en = h->entries.next; en != &h->entries; en = en->next)
		en->is_woken = true;
}

/* Sleeps until news, at most to the moment given (of the hub's clock). */
static void sleep_until(struct hub *h, int64_t until_ms, int64_t now_ms)
{
	int64_t for_ms =
		until_ms == INT64_MAX ? 3600000 : MAX_OF(until_ms - now_ms, (int64_t)1);
	struct timespec at;
	ASSERT(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
	at.tv_sec += for_ms / 1000;
	at.tv_nsec += for_ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	(void)pthread_cond_timedwait(&h->news, &h->lock, &at);
}

/* Looks outside if it is time for that; without the lock meanwhile. */
static void look(struct hub *h, int64_t *next_look_ms, int64_t now_ms)
{
	if (!h->options.look || !h->count || now_ms < *next_look_ms)
		return;
	*next_look_ms = now_ms + h->options.look_ms;
	(void)pthread_mutex_unlock(&h->lock);
	bool is_news = h->options.look(h->options.user);
	(void)pthread_mutex_lock(&h->lock);
	if (is_news)
		mark_all(h);
}

static void *hub_thread(void *user)
{
	struct hub *h = user;
	int64_t next_look_ms = 0;
	(void)pthread_mutex_lock(&h->lock);
	for (;;) {
		int64_t now_ms = clock_now_ms(h->options.clock), until_ms;
		bool is_last = false;
		look(h, &next_look_ms, now_ms);
		struct hub_entry *en = take_due(h, now_ms, &is_last, &until_ms);
		if (en) {
			(void)pthread_mutex_unlock(&h->lock);
			h->options.due(en, is_last, h->options.user);
			(void)pthread_mutex_lock(&h->lock);
		} else if (h->is_stopping && !h->count) {
			break;
		} else {
			if (h->options.look && h->count)
				until_ms = MIN_OF(until_ms, next_look_ms);
			sleep_until(h, until_ms, now_ms);
		}
	}
	(void)pthread_mutex_unlock(&h->lock);
	return NULL;
}

MUST int hub_open(const struct hub_options *options, struct hub **out, struct err *e)
{
	pthread_condattr_t attr;
	struct hub *h = MEM_NEW(struct hub, e);
	if (!h)
		return -1;
	h->options = *options;
	h->entries.next = h->entries.before = &h->entries;
	ASSERT(pthread_mutex_init(&h->lock, NULL) == 0);
	ASSERT(pthread_condattr_init(&attr) == 0);
	ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_cond_init(&h->news, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	int rc = pthread_create(&h->thread, NULL, hub_thread, h);
	if (rc) {
		hub_free(h);
		return err_os(e, rc, "start the thread of the hub");
	}
	h->has_thread = true;
	*out = h;
	return 0;
}

void hub_stop(struct hub *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->is_stopping = true;
	(void)pthread_cond_broadcast(&h->news);
	(void)pthread_mutex_unlock(&h->lock);
	if (h->has_thread)
		(void)pthread_join(h->thread, NULL);
	h->has_thread = false;
}

struct hub *hub_free(struct hub *h)
{
	if (!h)
		return NULL;
	ASSERT(!h->has_thread && !h->count);
	(void)pthread_cond_destroy(&h->news);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h);
	return NULL;
}

bool hub_arm(struct hub *h, struct hub_entry *en)
{
	(void)pthread_mutex_lock(&h->lock);
	bool may = !h->is_stopping && h->count < h->options.max;
	if (may) {
		en->next = h->entries.next;
		en->before = &h->entries;
		en->next->before = en;
		h->entries.next = en;
		en->state = HUB_ARMED;
		en->is_woken = false;
		h->count++;
	}
	(void)pthread_mutex_unlock(&h->lock);
	return may;
}

bool hub_settle(struct hub *h, struct hub_entry *en)
{
	(void)pthread_mutex_lock(&h->lock);
	bool is_quiet = !en->is_woken;
	en->is_woken = false;
	if (is_quiet) {
		en->state = HUB_PARKED;
		/* The thread may sleep beyond this entry's deadline. */
		(void)pthread_cond_signal(&h->news);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return is_quiet;
}

bool hub_remove(struct hub *h, struct hub_entry *en)
{
	(void)pthread_mutex_lock(&h->lock);
	bool is_in = en->state != HUB_OUT;
	if (is_in)
		unlink_entry(h, en);
	(void)pthread_cond_signal(&h->news);
	(void)pthread_mutex_unlock(&h->lock);
	return is_in;
}

struct hub_entry *hub_remove_user(struct hub *h, const void *user)
{
	struct hub_entry *found = NULL;
	(void)pthread_mutex_lock(&h->lock);
	for (struct hub_entry *en = h->entries.next; en != &h->entries && !found; en = en->next)
		if (en->state == HUB_PARKED && en->user == user)
			found = en;
	if (found)
		unlink_entry(h, found);
	(void)pthread_mutex_unlock(&h->lock);
	return found;
}

static bool waits_for(const struct hub_entry *en, const struct str *topics, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(en->topics[0], topics[i]) ||
		    (en->topics[1].n && str_eq(en->topics[1], topics[i])))
			return true;
	return false;
}

void hub_wake(struct hub *h, const struct str *topics, size_t count, bool is_all)
{
	bool is_any = false;
	(void)pthread_mutex_lock(&h->lock);
	for (struct hub_entry *en = h->entries.next; en != &h->entries; en = en->next)
		if (is_all || waits_for(en, topics, count))
			en->is_woken = is_any = true;
	if (is_any)
		(void)pthread_cond_signal(&h->news);
	(void)pthread_mutex_unlock(&h->lock);
}

size_t hub_count(struct hub *h)
{
	(void)pthread_mutex_lock(&h->lock);
	size_t n = h->count;
	(void)pthread_mutex_unlock(&h->lock);
	return n;
}
