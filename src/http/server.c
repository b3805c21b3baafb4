/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Start and stop of the server.
 *
 * Stop, in this order: refuse new work; tell the holders of parked calls; wait for their
 * answers; answer what is left in their place; let answers reach their clients; join the
 * threads.
 */
#include "http/server.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "http/server_impl.h"

/* How long answers may still take to reach their clients when the server stops. */
enum { FLUSH_MS = 1000 };

int64_t server_now_ms(void)
{
	return clock_mono_ms(clock_system());
}

static void default_size(size_t *value, size_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void default_number(unsigned *value, unsigned otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void fill_defaults(struct http_server_options *o)
{
	o->listen = NULL;
	default_number(&o->threads, 2);
	default_size(&o->max_header_bytes, 16 << 10);
	default_size(&o->max_body_bytes, 1 << 20);
	default_size(&o->max_bodies_bytes, 256 << 20);
	default_size(&o->max_call_bytes, 8 << 20);
	default_number(&o->max_connections, 4096);
	default_number(&o->max_address_connections, o->max_connections);
	default_number(&o->max_parked, o->max_connections);
	default_number(&o->idle_timeout_s, 60);
	default_number(&o->request_timeout_s, 30);
	default_number(&o->drain_ms, 5000);
}

static struct http_server *server_new(const struct http_server_options *options,
				      http_handler_fn *fn, void *user, struct err *e)
{
	struct http_server *s = MEM_NEW(struct http_server, e);
	if (!s)
		return NULL;
	s->o = *options;
	if (str_starts(str_from(options->listen), S("unix:")))
		s->o.tls = NULL;
	fill_defaults(&s->o);
	s->fn = fn;
	s->user = user;
	s->epoll_fd = s->wake_fd = -1;
	s->wake_at_ms = INT64_MAX;
	atomic_init(&s->refs, 1);
	pthread_condattr_t monotonic;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->has_changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return s;
}

void server_unref(struct http_server *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	(void)pthread_cond_destroy(&s->has_changed);
	(void)pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

MUST int http_server_open(const struct http_server_options *options, http_handler_fn *fn,
			  void *user, struct http_server **out, struct err *e)
{
	int fd CLEAN(file_closep) = -1;
	struct http_server *s = server_new(options, fn, user, e);
	if (!s)
		return -1;
	if (listen_open(s, options->listen, &fd, e) < 0 || watch_start(s, e) < 0 ||
	    mhd_start(s, fd, e) < 0) {
		(void)http_server_close(s);
		return -1;
	}
	fd = -1; /* the library's now */
	*out = s;
	return 0;
}

/* Waits until *count is 0, at most `for_ms`. Lock held. */
static void wait_for_none(struct http_server *s, const unsigned *count, int64_t for_ms)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + for_ms % 1000 * 1000000;
	until.tv_sec += for_ms / 1000 + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	while (*count > 0)
		if (pthread_cond_timedwait(&s->has_changed, &s->lock, &until) == ETIMEDOUT)
			return;
}

static void drain(struct http_server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	watch_wake_by(s, 0);
	(void)pthread_mutex_unlock(&s->lock);
	mhd_stop_accepting(s);
	(void)pthread_mutex_lock(&s->lock);
	wait_for_none(s, &s->open_count, s->o.drain_ms);
	s->must_abandon = true;
	while (s->parked)
		call_abandon(s->parked);
	wait_for_none(s, &s->handed_count, FLUSH_MS);
	(void)pthread_mutex_unlock(&s->lock);
}

struct http_server *http_server_close(struct http_server *s)
{
	if (!s)
		return NULL;
	if (s->daemon) {
		drain(s);
		mhd_stop(s);
	}
	watch_stop(s);
	if (s->unix_path[0])
		(void)unlink(s->unix_path);
	server_unref(s);
	return NULL;
}

const char *http_server_address(const struct http_server *s)
{
	return s->address;
}

struct http_server_counts http_server_counts(struct http_server *s)
{
	struct http_server_counts c = {
		.requests = s->requests,
		.refused = s->refused,
		.cut = s->cut,
		.bodies_bytes = s->bodies_bytes,
	};
	(void)pthread_mutex_lock(&s->lock);
	c.connections = s->conn_count;
	c.parked = s->parked_count;
	(void)pthread_mutex_unlock(&s->lock);
	return c;
}
