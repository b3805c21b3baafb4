/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: base */
/*
 * A generator of HTTP load: N keep-alive connections, each with one request under way at a time.
 *
 *     load [-c CLIENTS] [-t SECONDS] [-n REQUESTS] [-f FIRST] [-m METHOD] [-b BODY] ADDRESS:PORT PATH
 *
 * "{n}" in path and body becomes the request's number, twelve digits, counted from FIRST: titles
 * differ, and the twelve digits are base64 as they stand (etcd's keys). Ends after SECONDS or
 * REQUESTS, whichever is first, and prints one line of JSON. An answer that is not 2xx counts as
 * refused; its beginning is shown once. One thread, so that it takes little from what it measures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	CLIENTS_MAX = 1024,
	SAMPLES_MAX = 4 << 20,
	ANSWER_MAX = 1 << 20,
	REQUEST_MAX = 256 << 10,
	DIGITS = 12,
	SHOWN_BYTES = 200,
};

struct options {
	int64_t clients, seconds, requests, first;
	const char *method, *body, *path;
	struct sockaddr_in to;
};

struct client {
	int fd;
	size_t sent, got;
	int64_t began_us;
	struct buf request;
	char *answer; /* ANSWER_MAX bytes */
};

struct load {
	struct options o;
	int epoll;
	int64_t asked, under_way, refused, deadline_us;
	uint32_t *took_us;
	size_t samples;
	char first_refusal[SHOWN_BYTES];
	struct client clients[CLIENTS_MAX];
};

static int64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- a request ----------------------------------------------------------------------------- */

static void add_numbered(struct buf *b, const char *text, int64_t number)
{
	const char *mark;
	while ((mark = strstr(text, "{n}")) != NULL) {
		buf_add(b, str_of(text, (size_t)(mark - text)));
		buf_addf(b, "%0*lld", DIGITS, (long long)number);
		text = mark + 3;
	}
	buf_add(b, str_from(text));
}

static size_t numbered_bytes(const char *text)
{
	size_t n = strlen(text);
	while ((text = strstr(text, "{n}")) != NULL) {
		n += DIGITS - 3;
		text += 3;
	}
	return n;
}

static void write_request(struct load *l, struct client *c)
{
	int64_t number = l->o.first + l->asked++;
	buf_clear(&c->request);
	buf_addf(&c->request, "%s ", l->o.method);
	add_numbered(&c->request, l->o.path, number);
	buf_addf(&c->request, " HTTP/1.1\r\nHost: bench\r\n");
	if (l->o.body)
		buf_addf(&c->request,
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			 numbered_bytes(l->o.body));
	buf_addf(&c->request, "\r\n");
	if (l->o.body)
		add_numbered(&c->request, l->o.body, number);
}

static int send_more(struct client *c, struct err *e)
{
	while (c->sent < c->request.n) {
		ssize_t n = send(c->fd, c->request.p + c->sent, c->request.n - c->sent,
				 MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return err_os(e, errno, "send");
		c->sent += (size_t)n;
	}
	return 0;
}

static bool may_ask(const struct load *l)
{
	return (!l->o.requests || l->asked < l->o.requests) && now_us() < l->deadline_us;
}

static int ask(struct load *l, struct client *c, struct err *e)
{
	if (!may_ask(l))
		return 0;
	write_request(l, c);
	if (buf_check(&c->request, e) < 0)
		return -1;
	c->sent = c->got = 0;
	c->began_us = now_us();
	l->under_way++;
	return send_more(c, e);
}

/* ---- its answer ---------------------------------------------------------------------------- */

/* Length of the whole answer, 0 if its end has not come. Length given, or in chunks. */
static size_t whole_bytes(const struct client *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return 0;
	const char *length = strcasestr(c->answer, "\r\nContent-Length:");
	size_t head = (size_t)(end - c->answer) + 4;
	if (length && length < end)
		return head + (size_t)strtoul(length + 17, NULL, 10);
	const char *last = strstr(end, "\r\n0\r\n\r\n");
	return last ? (size_t)(last - c->answer) + 7 : 0;
}

static void count_answer(struct load *l, const struct client *c)
{
	l->under_way--;
	if (l->samples < SAMPLES_MAX)
		l->took_us[l->samples++] = (uint32_t)(now_us() - c->began_us);
	bool is_good = c->got > 12 && c->answer[9] == '2';
	if (is_good)
		return;
	if (!l->refused++)
		(void)snprintf(l->first_refusal, sizeof l->first_refusal, "%s", c->answer);
}

static int receive(struct load *l, struct client *c, struct err *e)
{
	ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got, 0);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? err_os(e, errno, "receive")
			     : err_fail(e, ERR_IO, "the server closed a connection");
	c->got += (size_t)n;
	c->answer[c->got] = '\0';
	size_t whole = whole_bytes(c);
	if (!whole || c->got < whole)
		return 0;
	count_answer(l, c);
	return ask(l, c, e);
}

/* ---- all of them --------------------------------------------------------------------------- */

static int client_open(struct load *l, struct client *c, struct err *e)
{
	int on = 1;
	struct epoll_event want = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	c->request = (struct buf)BUF_INIT(REQUEST_MAX);
	c->answer = mem_new(ANSWER_MAX, e);
	if (!c->answer)
		return -1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const void *)&l->o.to, sizeof l->o.to) < 0)
		return err_os(e, errno, "connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &want) < 0)
		return err_os(e, errno, "watch");
	return 0;
}

static int serve(struct load *l, const struct epoll_event *event, struct err *e)
{
	struct client *c = event->data.ptr;
	if ((event->events & EPOLLOUT) && send_more(c, e) < 0)
		return -1;
	if (!(event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	/* Edge-triggered: until a read finds nothing; an answer read whole starts the next one. */
	for (ssize_t left = 1; left > 0;) {
		char byte;
		if (receive(l, c, e) < 0)
			return -1;
		left = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	}
	return 0;
}

static int run(struct load *l, struct err *e)
{
	struct epoll_event events[128];
	for (int64_t i = 0; i < l->o.clients; i++)
		if (client_open(l, &l->clients[i], e) < 0)
			return -1;
	l->deadline_us = now_us() + l->o.seconds * 1000000;
	for (int64_t i = 0; i < l->o.clients; i++)
		if (ask(l, &l->clients[i], e) < 0)
			return -1;
	while (l->under_way > 0) {
		int n = epoll_wait(l->epoll, events, 128, 10000);
		if (n == 0)
			return err_fail(e, ERR_TIMEOUT, "no answer for 10 seconds");
		for (int i = 0; i < n; i++)
			if (serve(l, &events[i], e) < 0)
				return -1;
	}
	return 0;
}

/* ---- what is printed ----------------------------------------------------------------------- */

static int by_size(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	return (a > b) - (a < b);
}

static uint32_t percentile(const struct load *l, unsigned percent)
{
	return l->samples ? l->took_us[(l->samples - 1) * percent / 100] : 0;
}

static void print(struct load *l, int64_t took_us)
{
	qsort(l->took_us, l->samples, sizeof *l->took_us, by_size);
	for (char *p = l->first_refusal; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\')
			*p = ' ';
	(void)printf("{\"requests\": %zu, \"refused\": %lld, \"seconds\": %.3f, "
		     "\"per_second\": %.1f, "
		     "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"refusal\": \"%s\"}\n",
		     l->samples, (long long)l->refused, (double)took_us / 1e6,
		     (double)l->samples * 1e6 / (double)took_us, percentile(l, 50) / 1000.0,
		     percentile(l, 99) / 1000.0, l->first_refusal);
}

static int read_address(char *text, struct sockaddr_in *out, struct err *e)
{
	char *colon = strrchr(text, ':');
	if (!colon)
		return err_field(e, "address", "'%s' is not ADDRESS:PORT", text);
	*colon = '\0';
	out->sin_family = AF_INET;
	out->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, text, &out->sin_addr) != 1)
		return err_field(e, "address", "'%s' is not an IPv4 address", text);
	return 0;
}

static int read_options(int argc, char **argv, struct options *o, struct err *e)
{
	int c;
	*o = (struct options){.clients = 1, .seconds = 5, .method = "GET"};
	while ((c = getopt(argc, argv, "c:t:n:f:m:b:")) != -1) {
		int64_t *number = c == 'c'   ? &o->clients
				  : c == 't' ? &o->seconds
				  : c == 'n' ? &o->requests
				  : c == 'f' ? &o->first
					     : NULL;
		if (number)
			*number = strtoll(optarg, NULL, 10);
		else if (c == 'm')
			o->method = optarg;
		else if (c == 'b')
			o->body = optarg;
	}
	if (argc - optind != 2 || o->clients < 1 || o->clients > CLIENTS_MAX)
		return err_fail(e, ERR_USAGE, "load [options] ADDRESS:PORT PATH");
	o->path = argv[optind + 1];
	return read_address(argv[optind], &o->to, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct load *l = MEM_NEW(struct load, &e);
	int rc = -1;
	if (l && read_options(argc, argv, &l->o, &e) == 0) {
		l->epoll = epoll_create1(EPOLL_CLOEXEC);
		l->took_us = mem_new(SAMPLES_MAX * sizeof *l->took_us, &e);
		int64_t began_us = now_us();
		rc = l->took_us ? run(l, &e) : -1;
		if (rc == 0)
			print(l, now_us() - began_us);
	}
	if (rc < 0)
		(void)fprintf(stderr, "load: %s\n", e.text);
	return rc < 0 ? 1 : 0;
}
