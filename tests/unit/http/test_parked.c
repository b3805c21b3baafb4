/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Answers that come later, from other threads, or never. */
#include "hub.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

enum { CLIENTS = 8, ROUNDS = 200, MANY = 1000 };

struct asker {
	const char *address;
	int number, good;
};

static void *ask_often(void *user)
{
	struct asker *me = user;
	struct raw *r = raw_open(me->address);
	for (int i = 0; i < ROUNDS; i++) {
		char text[96], want[40];
		struct raw_answer a;
		(void)snprintf(want, sizeof want, "\"/%d/%d\"", me->number, i);
		(void)snprintf(text, sizeof text, "GET /%d/%d HTTP/1.1\r\nHost: h\r\n\r\n",
			       me->number, i);
		raw_ask(r, text, &a);
		me->good += a.status == 200 && str_is(a.body, want);
	}
	raw_close(r);
	return NULL;
}

static void another_thread_answers_each_its_own(void **state UNUSED)
{
	struct hub h;
	struct asker askers[CLIENTS];
	pthread_t threads[CLIENTS];
	hub_init(&h);
	struct http_server *s =
		server_start((struct http_server_options){.threads = 2}, hub_park, &h);
	hub_start_answering(&h);
	for (int i = 0; i < CLIENTS; i++) {
		askers[i] = (struct asker){http_server_address(s), i, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(askers[i].good, ROUNDS);
	}
	hub_stop_answering(&h);
	(void)http_server_close(s);
	assert_int_equal(h.told, 0);
	hub_fini(&h);
}

/* `n` connections, each with a request that is parked. */
static struct raw **park_many(struct http_server *s, struct hub *h, size_t n)
{
	struct raw **r = calloc(n, sizeof(struct raw *));
	for (size_t i = 0; i < n; i++) {
		r[i] = raw_open(http_server_address(s));
		assert_true(raw_send(r[i], S(GET("/wait"))));
	}
	hub_await(h, &h->count, n);
	return r;
}

static void stopping_tells_every_holder(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	struct http_server *s =
		server_start((struct http_server_options){.threads = 2}, hub_park, &h);
	struct raw **r = park_many(s, &h, MANY);
	assert_int_equal(http_server_counts(s).connections, MANY);
	(void)http_server_close(s);
	assert_int_equal(h.count, 0);
	assert_int_equal(h.told, MANY);
	for (size_t i = 0; i < MANY; i++) {
		raw_read(r[i], true, &a);
		assert_int_equal(a.status, 200);
		assert_true(str_is(a.body, "{\"gone\":true}"));
		raw_close(r[i]);
	}
	free(r);
	hub_fini(&h);
}

static void a_deaf_holder_does_not_stop_the_stop(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	h.is_deaf = true;
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 2, .drain_ms = 50}, hub_park, &h);
	struct raw **r = park_many(s, &h, 10);
	(void)http_server_close(s);
	for (size_t i = 0; i < 10; i++) {
		raw_read(r[i], true, &a);
		assert_int_equal(a.status, 503);
		assert_true(raw_has(&a, "Retry-After: 1\r\n"));
		raw_close(r[i]);
	}
	/* The holder comes late: the server is gone, what it kept is not. */
	for (struct http_call *c = hub_take(&h); c; c = hub_take(&h)) {
		assert_true(str_is(http_call_target(c)->path, "/wait"));
		assert_true(str_is(http_call_peer(c), "127.0.0.1"));
		http_reply_json(c, 200, S("1"));
	}
	free(r);
	hub_fini(&h);
}

static void answers_come_in_time_while_stopping(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	h.is_deaf = true;
	struct http_server *s =
		server_start((struct http_server_options){.threads = 2}, hub_park, &h);
	struct raw **r = park_many(s, &h, 10);
	hub_start_answering(&h);
	(void)http_server_close(s);
	hub_stop_answering(&h);
	for (size_t i = 0; i < 10; i++) {
		raw_read(r[i], true, &a);
		assert_int_equal(a.status, 200);
		assert_true(str_is(a.body, "\"/wait\""));
		raw_close(r[i]);
	}
	free(r);
	hub_fini(&h);
}

static void a_client_that_leaves_frees_its_call(void **state UNUSED)
{
	struct hub h;
	hub_init(&h);
	struct http_server *s =
		server_start((struct http_server_options){.threads = 2}, hub_park, &h);
	struct raw **r = park_many(s, &h, 3);
	raw_close(r[1]);
	hub_await(&h, &h.told, 1);
	hub_await(&h, &h.count, 2);
	/* The others wait on; one of them is answered as if nothing had been. */
	struct raw_answer a;
	struct http_call *c = hub_take(&h);
	http_reply_json(c, 200, S("7"));
	c = hub_take(&h);
	http_reply_json(c, 200, S("7"));
	for (size_t i = 0; i < 3; i += 2) {
		raw_read(r[i], true, &a);
		assert_int_equal(a.status, 200);
		raw_close(r[i]);
	}
	free(r);
	(void)http_server_close(s);
	assert_int_equal(h.told, 1);
	hub_fini(&h);
}

static void too_many_parked_calls_are_refused(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 1, .max_parked = 2}, hub_park, &h);
	struct raw **r = park_many(s, &h, 2);
	struct raw *more = raw_open(http_server_address(s));
	raw_ask(more, GET("/wait"), &a);
	assert_int_equal(a.status, 503);
	assert_int_equal(h.told, 1);
	assert_int_equal(h.count, 2);
	raw_close(more);
	(void)http_server_close(s);
	for (size_t i = 0; i < 2; i++)
		raw_close(r[i]);
	free(r);
	hub_fini(&h);
}

static void a_pipelined_request_waits_for_the_parked_one(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, hub_park, &h);
	struct raw *r = raw_open(http_server_address(s));
	assert_true(raw_send(r, S(GET("/first") GET("/second"))));
	hub_await(&h, &h.count, 1);
	hub_start_answering(&h);
	raw_read(r, true, &a);
	assert_true(str_is(a.body, "\"/first\""));
	raw_read(r, true, &a);
	assert_true(str_is(a.body, "\"/second\""));
	hub_stop_answering(&h);
	raw_close(r);
	(void)http_server_close(s);
	hub_fini(&h);
}

/* Every second call does not return before the other thread has taken, perhaps answered, it. */
static void answer_elsewhere(struct http_call *c, void *user)
{
	struct hub *h = user;
	bool must_wait = str_is(http_call_query(c, "wait"), "1");
	hub_park(c, h);
	if (must_wait)
		hub_await(h, &h->count, 0);
}

static void an_answer_may_overtake_the_handler(void **state UNUSED)
{
	struct hub h;
	struct raw_answer a;
	hub_init(&h);
	h.is_deaf = true;
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, answer_elsewhere, &h);
	struct raw *r = raw_open(http_server_address(s));
	hub_start_answering(&h);
	for (int i = 0; i < 500; i++) {
		raw_ask(r, i % 2 ? GET("/x?wait=1") : GET("/x?wait=0"), &a);
		assert_int_equal(a.status, 200);
	}
	hub_stop_answering(&h);
	raw_close(r);
	(void)http_server_close(s);
	hub_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_thread_answers_each_its_own),
		cmocka_unit_test(stopping_tells_every_holder),
		cmocka_unit_test(a_deaf_holder_does_not_stop_the_stop),
		cmocka_unit_test(answers_come_in_time_while_stopping),
		cmocka_unit_test(a_client_that_leaves_frees_its_call),
		cmocka_unit_test(too_many_parked_calls_are_refused),
		cmocka_unit_test(a_pipelined_request_waits_for_the_parked_one),
		cmocka_unit_test(an_answer_may_overtake_the_handler),
	};
	return RUN_BOTH_WAYS(tests);
}
