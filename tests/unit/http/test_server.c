/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests and answers: what goes through, what is refused and how. */
#include <pthread.h>
#include <sys/stat.h>

#include "raw.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* Answers with what it understood of the request. */
static void echo(struct http_call *c, void *user UNUSED)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(65536);
	const struct http_target *t = http_call_target(c);
	struct str x = http_call_header(c, "x-TEST"), q = http_call_query(c, "q");
	struct str peer = http_call_peer(c);
	buf_addf(&b, "%s", http_method_name(http_call_method(c)));
	for (size_t i = 0; i < t->segment_count; i++)
		buf_addf(&b, "|%.*s", STR_A(t->segments[i]));
	buf_addf(&b, " q=%.*s x=%.*s peer=%.*s body=%zu:", STR_A(q), STR_A(x), STR_A(peer),
		 http_call_body(c).n);
	buf_add(&b, str_sub(http_call_body(c), 0, 20));
	assert_int_equal(http_call_body(c).p[http_call_body(c).n], 0);
	struct http_header extra = {"X-Extra", S("yes")};
	http_reply(c, &(struct http_reply){
			      .status = 201,
			      .content_type = "text/plain",
			      .body = buf_str(&b),
			      .headers = &extra,
			      .header_count = 1,
		      });
}

static void a_request_arrives_whole(void **state UNUSED)
{
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, echo, NULL);
	struct raw *r = raw_open(http_server_address(s));
	struct raw_answer a;
	raw_ask(r,
		"PUT /a%2Fb/c%20d?q=%26+x HTTP/1.1\r\nHost: h\r\nX-Test: one\r\n"
		"Content-Length: 5\r\n\r\nhello",
		&a);
	assert_int_equal(a.status, 201);
	if (!str_is(a.body, "PUT|a/b|c d q=& x x=one peer=127.0.0.1 body=5:hello"))
		fail_msg("%.*s", STR_A(a.body));
	assert_true(raw_has(&a, "Content-Type: text/plain\r\n"));
	assert_true(raw_has(&a, "X-Extra: yes\r\n"));
	assert_true(raw_has(&a, "Date: "));
	raw_close(r);
	(void)http_server_close(s);
}

static void a_connection_carries_many_requests(void **state UNUSED)
{
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, echo, NULL);
	struct raw *r = raw_open(http_server_address(s));
	struct raw_answer a;
	for (int i = 0; i < 100; i++) {
		raw_ask(r, GET("/k"), &a);
		assert_int_equal(a.status, 201);
	}
	assert_true(raw_send(r, S(GET("/1") GET("/2") GET("/3"))));
	for (int i = 1; i <= 3; i++) {
		raw_read(r, true, &a);
		assert_int_equal(a.status, 201);
		assert_int_equal(a.body.p[4], '0' + i);
	}
	assert_int_equal(http_server_counts(s).requests, 103);
	assert_int_equal(http_server_counts(s).connections, 1);
	raw_close(r);
	(void)http_server_close(s);
}

static void head_gets_no_body(void **state UNUSED)
{
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, echo, NULL);
	struct raw *r = raw_open(http_server_address(s));
	struct raw_answer a;
	raw_ask(r, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", &a);
	assert_int_equal(a.status, 201);
	assert_true(a.length > 0);
	assert_int_equal(a.body.n, 0);
	raw_ask(r, GET("/next"), &a);
	assert_int_equal(a.status, 201);
	raw_close(r);
	(void)http_server_close(s);
}

static void chunked_bodies_are_put_together(void **state UNUSED)
{
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, echo, NULL);
	struct raw *r = raw_open(http_server_address(s));
	struct raw_answer a;
	raw_ask(r,
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
		&a);
	assert_int_equal(a.status, 201);
	assert_true(str_ends(a.body, S("body=13:abc0123456789")));
	raw_close(r);
	(void)http_server_close(s);
}

/* --- Refused ------------------------------------------------------------------------------- */

static const struct {
	const char *request;
	int status;	  /* 0: the connection ends */
	const char *body; /* part of it, or NULL */
} refused[] = {
	{GET("/%"), 400, "{\"error\":{\"kind\":\"invalid\",\"field\":\"path\",\"text\":\""},
	{GET("/%00"), 400, "\"field\":\"path\""},
	{GET("/%FF"), 400, "\"field\":\"path\""},
	{GET("/a/../b"), 400, "\"field\":\"path\""},
	{GET("/a?x=%zz"), 400, "\"field\":\"query\""},
	{GET("a"), 400, "\"field\":\"path\""},
	{GET("*"), 400, "\"field\":\"path\""},
	{"GET\r\n\r\n", 0, NULL},
	{"GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n", 400, "\"field\":\"path\""},
	{"GET / HTTP/1.1\r\n\r\n", 400, "\"field\":\"Host\""},
	{GET("/a b"), 400, "\"field\":\"path\""},
	{"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 505, NULL},
	{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400, NULL},
	{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400, NULL},
	{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413,
	 "\"kind\":\"too-large\""},
	{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413,
	 NULL},
	{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL},
};

static void malformed_requests_are_answered_and_end(void **state UNUSED)
{
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .max_body_bytes = 1000}, echo, NULL);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct raw *r = raw_open(http_server_address(s));
		struct raw_answer a;
		raw_ask(r, refused[i].request, &a);
		if (a.status != refused[i].status)
			fail_msg("%s: got %d", refused[i].request, a.status);
		struct str want = str_from(refused[i].body);
		if (want.n && str_find(a.body, want) == a.body.n)
			fail_msg("%s: got %.*s", refused[i].request, STR_A(a.body));
		/* What the library says in its own words may have a second head (0.9.75). */
		while (raw_more(r))
			assert_true(a.status != 0);
		raw_close(r);
	}
	assert_int_equal(http_server_counts(s).requests, 0);
	(void)http_server_close(s);
}

/* Bytes that are no HTTP at all: any status or none, but the server lives and hands on nothing. */
static void garbage_reaches_no_handler(void **state UNUSED)
{
	static const struct str garbage[] = {
		S_INIT("\r\n\r\n\r\n\r\n"),
		S_INIT("\0\0\0\0\r\n\r\n"),
		S_INIT("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"),
		S_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		S_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
		S_INIT("GET / HTTP/1.1\r\nHost : h\r\nno colon\r\n\r\n"),
	};
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .request_timeout_s = 1}, echo, NULL);
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct raw *r = raw_open(http_server_address(s));
		struct raw_answer a;
		(void)raw_send(r, garbage[i]);
		(void)shutdown(r->fd, SHUT_WR);
		raw_read(r, true, &a);
		if (a.status / 100 == 2)
			fail_msg("garbage %zu was answered: %.*s", i, STR_A(a.body));
		raw_close(r);
	}
	struct raw *r = raw_open(http_server_address(s));
	struct raw_answer a;
	raw_ask(r, GET("/alive"), &a);
	assert_int_equal(a.status, 201);
	raw_close(r);
	(void)http_server_close(s);
}

static void long_heads_are_refused(void **state UNUSED)
{
	static const size_t sizes[] = {5000, 100000};
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .max_header_bytes = 4096}, echo,
		NULL);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct raw *r = raw_open(http_server_address(s));
		struct raw_answer a;
		struct buf b CLEAN(buf_fini) = BUF_INIT(1 << 20);
		buf_add(&b, S("GET / HTTP/1.1\r\nHost: h\r\nX: "));
		for (size_t n = 0; n < sizes[i]; n++)
			buf_add_c(&b, 'x');
		buf_add(&b, S("\r\n\r\n"));
		(void)raw_send(r, buf_str(&b));
		raw_read(r, true, &a);
		assert_int_equal(a.status, 431);
		raw_close(r);
	}
	(void)http_server_close(s);
}

/* Sends `total` bytes after `head`, in another thread, as a client does that does not listen. */
struct sender {
	struct raw *raw;
	const char *head, *piece;
	size_t total;
};

static void *send_much(void *user)
{
	struct sender *s = user;
	size_t n = strlen(s->piece);
	bool ok = raw_send(s->raw, str_from(s->head));
	for (size_t sent = 0; ok && sent < s->total; sent += n)
		ok = raw_send(s->raw, str_of(s->piece, n));
	return NULL;
}

static void huge_bodies_are_refused_and_the_client_hears_why(void **state UNUSED)
{
	char piece[4096 + 9];
	(void)snprintf(piece, sizeof piece, "1000\r\n%04096d\r\n", 0);
	const struct sender cases[] = {
		{NULL, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n", piece,
		 8000000},
		{NULL, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
		 piece, 8000000},
	};
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .max_body_bytes = 100000}, echo,
		NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sender one = cases[i];
		struct raw_answer a;
		pthread_t thread;
		one.raw = raw_open(http_server_address(s));
		assert_int_equal(pthread_create(&thread, NULL, send_much, &one), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		raw_read(one.raw, true, &a);
		assert_int_equal(a.status, 413);
		assert_true(str_find(a.body, S("100000 bytes")) < a.body.n);
		raw_close(one.raw);
	}
	assert_int_equal(http_server_counts(s).requests, 0);
	assert_int_equal(http_server_counts(s).bodies_bytes, 0);
	(void)http_server_close(s);
}

static void bodies_of_all_clients_have_one_bound(void **state UNUSED)
{
	struct http_server *s = server_start(
		(struct http_server_options){
			.threads = 1, .max_body_bytes = 6000, .max_bodies_bytes = 8000},
		echo, NULL);
	struct raw *slow = raw_open(http_server_address(s)),
		   *r = raw_open(http_server_address(s));
	struct raw_answer a;
	char half[5000];
	memset(half, 'x', sizeof half);
	assert_true(raw_send(slow, S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n"
				     "Expect: 100-continue\r\n\r\n")));
	raw_read(slow, true, &a);
	assert_int_equal(a.status, 100);
	assert_true(raw_send(slow, str_of(half, sizeof half)));
	/* The answer to the second request says that the server took the first one's bytes. */
	do {
		raw_ask(r, GET("/x"), &a);
		assert_int_equal(a.status, 201);
	} while (http_server_counts(s).bodies_bytes < 5000);
	raw_ask(r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3001\r\n\r\n", &a);
	assert_int_equal(a.status, 503);
	assert_true(raw_has(&a, "Retry-After: 1\r\n"));
	assert_true(raw_send(slow, str_of(half, 1000)));
	raw_read(slow, true, &a);
	assert_int_equal(a.status, 201);
	raw_close(r);
	raw_close(slow);
	(void)http_server_close(s);
}

static void connections_beyond_a_limit_are_told_to_come_later(void **state UNUSED)
{
	static const struct http_server_options limits[] = {
		{.threads = 1, .max_connections = 2},
		{.threads = 1, .max_connections = 100, .max_address_connections = 2},
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct http_server *s = server_start(limits[i], echo, NULL);
		struct raw *r[3];
		struct raw_answer a;
		for (size_t k = 0; k < 3; k++) {
			r[k] = raw_open(http_server_address(s));
			raw_ask(r[k], GET("/x"), &a);
			assert_int_equal(a.status, k < 2 ? 201 : 503);
		}
		assert_true(raw_has(&a, "Retry-After: 1\r\n"));
		assert_true(str_find(a.body, S("\"kind\":\"busy\"")) < a.body.n);
		assert_true(raw_is_ended(r[2]));
		for (size_t k = 0; k < 3; k++)
			raw_close(r[k]);
		(void)http_server_close(s);
	}
}

static void slow_clients_are_cut_off(void **state UNUSED)
{
	static const char *const starts[] = {
		"G",
		"GET / HTTP/1.1\r\nHost: h\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
	};
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .request_timeout_s = 1}, echo, NULL);
	struct raw *r[ARRAY_LEN(starts)];
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		r[i] = raw_open(http_server_address(s));
		assert_true(raw_send(r[i], str_from(starts[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		assert_true(raw_is_ended(r[i]));
		raw_close(r[i]);
	}
	assert_int_equal(http_server_counts(s).cut, ARRAY_LEN(starts));
	(void)http_server_close(s);
}

/* --- Addresses ----------------------------------------------------------------------------- */

static void addresses_are_checked(void **state UNUSED)
{
	static const char *const bad[] = {
		"",	     "8000",	 ":8000",	"localhost:8000",
		"127.0.0.1", "1.2.3:80", "127.0.0.1:x", "127.0.0.1:65536",
		"[::1]",     "[::1:80",	 "unix:",	"127.0.0.1:-1",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct http_server *s = NULL;
		struct http_server_options o = {.listen = bad[i]};
		if (http_server_open(&o, echo, NULL, &s, &e) != -1)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, "listen");
		assert_null(s);
	}
}

static void an_address_has_one_server(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, echo, NULL);
	struct http_server *other = NULL;
	struct http_server_options o = {.listen = http_server_address(s)};
	assert_int_equal(http_server_open(&o, echo, NULL, &other, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	(void)http_server_close(s);
}

static void a_unix_socket_is_private_and_replaces_a_dead_one(void **state UNUSED)
{
	char dir[] = "/tmp/hoc-test-http-XXXXXX", address[64];
	struct err e = ERR_INIT;
	struct raw_answer a;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(address, sizeof address, "unix:%s/s", dir);
	struct sockaddr_un dead = {.sun_family = AF_UNIX};
	(void)snprintf(dead.sun_path, sizeof dead.sun_path, "%s/s", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const void *)&dead, sizeof dead), 0);
	(void)close(fd);

	struct http_server_options o = {.threads = 1, .listen = address};
	struct http_server *s = server_start(o, echo, NULL), *other = NULL;
	assert_int_equal(stat(address + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(http_server_open(&o, echo, NULL, &other, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	struct raw *r = raw_open(address);
	raw_ask(r, GET("/u"), &a);
	assert_int_equal(a.status, 201);
	assert_true(str_find(a.body, S("peer=unix")) < a.body.n);
	raw_close(r);
	(void)http_server_close(s);
	assert_int_equal(stat(address + 5, &st), -1);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_arrives_whole),
		cmocka_unit_test(a_connection_carries_many_requests),
		cmocka_unit_test(head_gets_no_body),
		cmocka_unit_test(chunked_bodies_are_put_together),
		cmocka_unit_test(malformed_requests_are_answered_and_end),
		cmocka_unit_test(garbage_reaches_no_handler),
		cmocka_unit_test(long_heads_are_refused),
		cmocka_unit_test(huge_bodies_are_refused_and_the_client_hears_why),
		cmocka_unit_test(bodies_of_all_clients_have_one_bound),
		cmocka_unit_test(connections_beyond_a_limit_are_told_to_come_later),
		cmocka_unit_test(slow_clients_are_cut_off),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(an_address_has_one_server),
		cmocka_unit_test(a_unix_socket_is_private_and_replaces_a_dead_one),
	};
	return RUN_BOTH_WAYS(tests);
}
