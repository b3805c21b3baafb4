/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake_servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervise/protocol.h"

int fake_listener(unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t size = sizeof a;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* Reads up to `end`; false if the other side went away first. */
static bool read_until(int fd, const char *end, char *text, size_t max)
{
	size_t n = 0;
	while (n + 1 < max) {
		ssize_t got = read(fd, text + n, max - 1 - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = 0;
		if (strstr(text, end))
			return true;
	}
	return false;
}

static void say(int fd, struct str text)
{
	while (text.n) {
		ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		text = str_sub(text, (size_t)n, text.n);
	}
}

static void supervise_one(struct fake_server *s, int fd, const char *line)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(65536);
	struct supervise_request rq;
	struct err e = ERR_INIT;
	struct str text = str_from(line);
	text.n = str_find_char(text, '\n');
	if (arena_new(1 << 20, &a, &e) < 0 || supervise_request_read(text, a, &rq, &e) < 0)
		return;
	struct supervise_status service = {
		.id = S("p0/web"),
		.state = atomic_load(&s->state) == FAKE_UP ? SUPERVISE_UP : SUPERVISE_DOWN,
		.message = S(""),
	};
	const struct supervise_reply reply = {
		.serial = rq.serial, .services = &service, .service_count = 1};
	supervise_reply_write(&reply, &b);
	if (b.p[b.n - 1] != '\n')
		buf_add_c(&b, '\n');
	say(fd, buf_str(&b));
}

/* A connection; true if it may be closed. */
static bool serve_one(struct fake_server *s, int fd)
{
	char text[8192];
	if (!s->is_supervisor && !s->reply)
		return false;
	if (!read_until(fd, s->is_supervisor ? "\n" : "\r\n\r\n", text, sizeof text))
		return true;
	atomic_fetch_add(&s->questions, 1);
	if (s->is_supervisor)
		supervise_one(s, fd, text);
	else
		say(fd, str_from(s->reply));
	return true;
}

static void *serve(void *user)
{
	struct fake_server *s = user;
	int fd;
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (serve_one(s, fd) || s->held_n == ARRAY_LEN(s->held))
			(void)close(fd);
		else
			s->held[s->held_n++] = fd;
	}
	return NULL;
}

void fake_http_start(struct fake_server *s, const char *reply)
{
	*s = (struct fake_server){.reply = reply};
	s->fd = fake_listener(&s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void fake_supervisor_start(struct fake_server *s, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	*s = (struct fake_server){.is_supervisor = true, .state = FAKE_UP};
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void fake_stop(struct fake_server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR); /* accept returns */
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	for (size_t i = 0; i < s->held_n; i++)
		(void)close(s->held[i]);
}
