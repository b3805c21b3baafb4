/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The watcher: one thread that does what the library cannot.
 *
 *  - It cuts off connections whose deadline passed. The library knows only "no byte for so
 *    long"; a client that sends a byte now and then would hold its memory for ever.
 *  - It notices that the client of a parked call has left. The library does not look at a
 *    suspended connection. Only calls parked for a second are watched, so that the usual short
 *    wait for a database costs nothing here.
 *  - It lingers: a client that is still sending when it is refused loses the answer if the
 *    socket is closed at once (the kernel resets it). A duplicate of the descriptor is read
 *    empty, for a bounded time and number of bytes.
 *
 * It sleeps until the next moment that matters, and for ever if there is no connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "http/server_impl.h"

enum {
	WATCH_AFTER_MS = 1000,
	LINGER_MS = 3000,
	LINGER_BYTES = 16 << 20,
	EVENTS = 64,
};

void watch_wake_by(struct http_server *s, int64_t at_ms)
{
	if (at_ms >= s->wake_at_ms)
		return;
	s->wake_at_ms = at_ms;
	uint64_t one = 1;
	ssize_t n = write(s->wake_fd, &one, sizeof one);
	(void)n; /* fails only if it is signalled already */
}

void watch_forget(struct http_call *c)
{
	(void)epoll_ctl(c->server->epoll_fd, EPOLL_CTL_DEL, c->conn->fd, NULL);
	c->is_watched = false;
}

/* --- Slow clients ------------------------------------------------------------------------- */

/* Cuts who is too late; the nearest deadline of the others. */
static int64_t cut_slow(struct http_server *s, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	for (struct conn *c = s->conns; c; c = c->next) {
		int64_t deadline = c->deadline_ms;
		if (deadline == 0)
			continue;
		if (deadline > now_ms) {
			next = MIN_OF(next, deadline);
			continue;
		}
		c->deadline_ms = 0;
		s->cut++;
		/* The library sees the end of the stream and closes. */
		(void)shutdown(c->fd, SHUT_RDWR);
	}
	return next;
}

/* --- Clients that left -------------------------------------------------------------------- */

/* Puts calls that have been parked for a while under watch; when to look again. */
static int64_t watch_parked(struct http_server *s, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	for (struct http_call *c = s->parked; c; c = c->next) {
		if (c->is_watched || !c->gone || c->is_told)
			continue;
		if (c->parked_at_ms + WATCH_AFTER_MS > now_ms) {
			next = MIN_OF(next, c->parked_at_ms + WATCH_AFTER_MS);
			continue;
		}
		struct epoll_event event = {
			.events = EPOLLRDHUP | EPOLLONESHOT,
			.data.fd = c->conn->fd,
		};
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->conn->fd, &event) == 0)
			c->is_watched = true;
		else
			next = MIN_OF(next, now_ms + WATCH_AFTER_MS);
	}
	return next;
}

static bool has_left(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	return poll(&p, 1, 0) == 1;
}

/* The parked call on that descriptor whose client has left, or NULL. The descriptor of an event
 * may belong to another call by now: look again. */
static struct http_call *gone_on(struct http_server *s, int fd)
{
	for (struct http_call *c = s->parked; c; c = c->next)
		if (c->conn->fd == fd && c->is_watched)
			return has_left(fd) ? c : NULL;
	return NULL;
}

/* While the server stops: tells every holder of a parked call. */
static void tell_all(struct http_server *s)
{
	struct http_call *c = s->parked;
	while (c) {
		bool is_new = c->gone && !c->is_told;
		if (!is_new) {
			c = c->next;
			continue;
		}
		call_tell_gone(c);
		c = s->parked; /* the list may have changed meanwhile */
	}
}

/* --- Lingering ---------------------------------------------------------------------------- */

void watch_linger(struct conn *conn)
{
	struct http_server *s = conn->server;
	if (s->linger_count == LINGER_MAX || s->must_quit)
		return;
	int fd = fcntl(conn->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)shutdown(fd, SHUT_WR);
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		(void)close(fd);
		return;
	}
	int64_t until = server_now_ms() + LINGER_MS;
	s->lingers[s->linger_count++] = (struct lingering){fd, until, LINGER_BYTES};
	watch_wake_by(s, until);
}

/* Reads what came; false when the other side is done or had its share. */
static bool linger_read(struct lingering *l)
{
	char waste[16384];
	for (;;) {
		ssize_t n = recv(l->fd, waste, sizeof waste, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0 || (size_t)n > l->bytes_left)
			return false;
		l->bytes_left -= (size_t)n;
	}
}

/* True if `fd` lingers: then it was read. */
static bool linger_event(struct http_server *s, int fd)
{
	for (size_t i = 0; i < s->linger_count; i++) {
		if (s->lingers[i].fd != fd)
			continue;
		if (!linger_read(&s->lingers[i]))
			s->lingers[i].deadline_ms = 0; /* closed in this pass */
		return true;
	}
	return false;
}

static int64_t close_lingers(struct http_server *s, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	for (size_t i = s->linger_count; i-- > 0;) {
		if (s->lingers[i].deadline_ms > now_ms) {
			next = MIN_OF(next, s->lingers[i].deadline_ms);
			continue;
		}
		(void)close(s->lingers[i].fd);
		s->lingers[i] = s->lingers[--s->linger_count];
	}
	return next;
}

/* --- The thread --------------------------------------------------------------------------- */

static void handle_event(struct http_server *s, int fd)
{
	uint64_t count;
	if (fd == s->wake_fd) {
		ssize_t n = read(fd, &count, sizeof count);
		(void)n;
		return;
	}
	if (linger_event(s, fd))
		return;
	struct http_call *c = gone_on(s, fd);
	if (c)
		call_tell_gone(c);
}

/* Everything that is due; how long to sleep, -1 for ever. Lock held. */
static int pass(struct http_server *s)
{
	if (s->is_stopping)
		tell_all(s);
	int64_t now_ms = server_now_ms();
	int64_t next = cut_slow(s, now_ms);
	next = MIN_OF(next, watch_parked(s, now_ms));
	next = MIN_OF(next, close_lingers(s, now_ms));
	/* A deadline that is set while we sleep is at least request_timeout_s away. */
	if (s->conns)
		next = MIN_OF(next, now_ms + s->o.request_timeout_s * 1000LL / 4);
	s->wake_at_ms = next;
	if (next == INT64_MAX)
		return -1;
	return (int)MIN_OF(MAX_OF(next - now_ms, 0), 60000);
}

static void *watch(void *server)
{
	struct http_server *s = server;
	struct epoll_event events[EVENTS];
	(void)pthread_mutex_lock(&s->lock);
	while (!s->must_quit) {
		int timeout_ms = pass(s);
		(void)pthread_mutex_unlock(&s->lock);
		int n = epoll_wait(s->epoll_fd, events, EVENTS, timeout_ms);
		(void)pthread_mutex_lock(&s->lock);
		for (int i = 0; i < n; i++)
			handle_event(s, events[i].data.fd);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

MUST int watch_start(struct http_server *s, struct err *e)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = s->wake_fd};
	if (s->epoll_fd < 0 || s->wake_fd < 0 ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &event) < 0)
		return err_os(e, errno, "make the watcher's descriptors");
	int os = pthread_create(&s->watcher, NULL, watch, s);
	if (os)
		return err_os(e, os, "start the watcher");
	s->has_watcher = true;
	return 0;
}

void watch_stop(struct http_server *s)
{
	if (s->has_watcher) {
		(void)pthread_mutex_lock(&s->lock);
		s->must_quit = true;
		s->wake_at_ms = INT64_MAX;
		watch_wake_by(s, 0);
		(void)pthread_mutex_unlock(&s->lock);
		(void)pthread_join(s->watcher, NULL);
	}
	(void)close_lingers(s, INT64_MAX);
	file_closep(&s->wake_fd);
	file_closep(&s->epoll_fd);
}
