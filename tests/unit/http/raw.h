/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The other side of a server under test: bytes on a socket, sent and read by hand. Every wait
 * has a deadline of DEADLINE_S; what passes it fails the test.
 *
 * The same tests run over TLS when `over_tls` is set (RUN_BOTH_WAYS): then servers on TCP show
 * the certificate "server", and whoever connects shakes hands first.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs.h"
#include "http/server.h"
#include "trust/tls.h"

enum { DEADLINE_S = 20, RAW_MAX = 1 << 20 };

/* An answer as it came; `head` and `body` are parts of `text`. */
struct raw_answer {
	int status; /* 0: the connection ended without one */
	size_t length;
	struct str head, body;
	char text[65536];
};

static struct certs *over_tls;
static struct tls_server *over_tls_server;

static inline int start_tls(void **state)
{
	(void)state;
	over_tls = certs_new();
	over_tls_server = certs_server(over_tls, "server");
	return 0;
}

static inline int end_tls(void **state)
{
	(void)state;
	over_tls_server = tls_server_free(over_tls_server);
	certs_free(over_tls);
	over_tls = NULL;
	return 0;
}

/* Runs a table of tests plain, and then over TLS. */
#define RUN_BOTH_WAYS(tests) \
	(cmocka_run_group_tests_name("plain", tests, NULL, NULL) + \
	 cmocka_run_group_tests_name("over TLS", tests, start_tls, end_tls))

/* A connection with what was read ahead. */
struct raw {
	int fd;
	void *session; /* NULL: plain */
	size_t n;
	char ahead[65536];
};

static inline struct raw *raw_open(const char *address)
{
	struct raw *r = calloc(1, sizeof *r);
	struct timeval deadline = {.tv_sec = DEADLINE_S};
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_un un;
	} to = {.any.sa_family = AF_UNSPEC};
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	if (is_unix) {
		to.un.sun_family = AF_UNIX;
		(void)snprintf(to.un.sun_path, sizeof to.un.sun_path, "%s", address + 5);
	} else {
		to.v4.sin_family = AF_INET;
		to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		to.v4.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	}
	assert_non_null(r);
	r->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(r->fd >= 0);
	assert_int_equal(setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline),
			 0);
	assert_int_equal(setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline),
			 0);
	if (connect(r->fd, &to.any, is_unix ? sizeof to.un : sizeof to.v4) != 0)
		fail_msg("connect to %s failed", address);
	if (over_tls && !is_unix)
		r->session = certs_connect(over_tls, r->fd, "client", NULL);
	return r;
}

static inline void raw_close(struct raw *r)
{
	(void)close(r->fd);
	if (r->session)
		certs_disconnect(r->session);
	free(r);
}

/* False if the other side does not take it any more. */
static inline bool raw_send(struct raw *r, struct str s)
{
	while (s.n) {
		ssize_t n = r->session ? certs_send(r->session, s.p, s.n)
				       : send(r->fd, s.p, s.n, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		s = str_sub(s, (size_t)n, s.n);
	}
	return true;
}

/* One more read; false at the end of the stream or after a reset. */
static inline bool raw_more(struct raw *r)
{
	assert_true(r->n < sizeof r->ahead);
	size_t room = sizeof r->ahead - r->n;
	ssize_t n = r->session ? certs_receive(r->session, r->ahead + r->n, room)
			       : recv(r->fd, r->ahead + r->n, room, 0);
	r->n += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static inline size_t raw_length(struct str head)
{
	static const struct str name = S_INIT("Content-Length: ");
	size_t at = str_find(head, name);
	return at < head.n ? (size_t)atoi(head.p + at + name.n) : 0;
}

/* Reads one answer; `has_body` is false for HEAD. */
static inline void raw_read(struct raw *r, bool has_body, struct raw_answer *out)
{
	size_t head;
	*out = (struct raw_answer){.status = 0};
	while ((head = str_find(str_of(r->ahead, r->n), S("\r\n\r\n"))) == r->n)
		if (!raw_more(r))
			return;
	head += 4;
	out->length = raw_length(str_of(r->ahead, head));
	size_t all = head + (has_body ? out->length : 0);
	while (r->n < all)
		if (!raw_more(r))
			return;
	memcpy(out->text, r->ahead, all);
	out->head = str_of(out->text, head);
	out->body = str_of(out->text + head, all - head);
	out->status = atoi(out->text + 9);
	r->n -= all;
	memmove(r->ahead, r->ahead + all, r->n);
}

/* True if the other side has ended the stream, and nothing was left in it. */
static inline bool raw_is_ended(struct raw *r)
{
	return !raw_more(r) && r->n == 0;
}

/* Sends a request and reads its answer. */
static inline void raw_ask(struct raw *r, const char *text, struct raw_answer *out)
{
	assert_true(raw_send(r, str_from(text)));
	raw_read(r, strncmp(text, "HEAD", 4) != 0, out);
}

static inline bool raw_has(const struct raw_answer *a, const char *line)
{
	return str_find(a->head, str_from(line)) < a->head.n;
}

/* A server on a free port of the loopback, with these options (listen may be NULL). */
static inline struct http_server *server_start(struct http_server_options o,
					       http_handler_fn *fn, void *user)
{
	struct err e = ERR_INIT;
	struct http_server *s = NULL;
	if (!o.listen)
		o.listen = "127.0.0.1:0";
	if (!o.tls)
		o.tls = over_tls_server;
	if (http_server_open(&o, fn, user, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}
