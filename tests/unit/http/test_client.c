/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The client against our own server. */
#include "http/client.h"
#include "hub.h"

enum { BIG = 300000 };

static void serve(struct http_call *c, void *user)
{
	const struct http_target *t = http_call_target(c);
	struct str first = t->segment_count ? t->segments[0] : S("");
	struct arena *a = http_call_arena(c);
	struct err e;
	if (str_is(first, "wait")) {
		hub_park(c, user);
	} else if (str_is(first, "big")) {
		char *p = arena_alloc(a, BIG);
		memset(p, 'x', BIG);
		http_reply_json(c, 200, str_of(p, BIG));
	} else if (str_is(first, "error")) {
		(void)err_field(&e, "parameters.title", "says \"no\"");
		http_reply_err(c, &e);
	} else if (str_is(first, "html")) {
		http_reply(c, &(struct http_reply){.status = 502,
						   .content_type = "text/html",
						   .body = S("<p>bad\x1b[1m\n gateway")});
	} else if (str_is(first, "moved")) {
		struct http_header h = {"Location", S("/echo")};
		http_reply(c, &(struct http_reply){
				      .status = 302, .headers = &h, .header_count = 1});
	} else {
		struct str body = http_call_body(c), type = http_call_header(c, "Content-Type");
		struct str q = http_call_query(c, "q"), x = http_call_header(c, "X-One");
		http_reply_json(c, 200,
				arena_fmt(a, "%s %.*s q=%.*s x=%.*s type=%.*s body=%.*s",
					  http_method_name(http_call_method(c)), STR_A(t->path),
					  STR_A(q), STR_A(x), STR_A(type), STR_A(body)));
	}
}

struct pair {
	struct hub hub;
	struct http_server *server;
	struct http_client *client;
	struct arena *arena;
	char base[128];
};

static int pair_open(void **state)
{
	struct err e = ERR_INIT;
	struct pair *p = calloc(1, sizeof *p);
	hub_init(&p->hub);
	p->server = server_start((struct http_server_options){.threads = 2}, serve, &p->hub);
	(void)snprintf(p->base, sizeof p->base, "http://%s/", http_server_address(p->server));
	struct http_client_options o = {.base = p->base};
	assert_int_equal(http_client_open(&o, &p->client, &e), 0);
	assert_int_equal(arena_new(1 << 20, &p->arena, &e), 0);
	*state = p;
	return 0;
}

static int pair_close(void **state)
{
	struct pair *p = *state;
	p->client = http_client_close(p->client);
	p->server = http_server_close(p->server);
	p->arena = arena_free(p->arena);
	hub_fini(&p->hub);
	free(p);
	return 0;
}

static struct http_response ask(struct pair *p, struct http_request r)
{
	struct err e = ERR_INIT;
	struct http_response out;
	if (http_fetch(p->client, &r, p->arena, &out, &e) != 0)
		fail_msg("%s", e.text);
	return out;
}

static int ask_in_vain(struct pair *p, struct http_request r, struct err *e)
{
	struct http_response out = {.status = 99};
	*e = (struct err)ERR_INIT;
	int rc = http_fetch_ok(p->client, &r, p->arena, &out, e);
	assert_int_equal(out.status, 99);
	return rc;
}

static void requests_say_what_they_should(void **state)
{
	static const struct {
		enum http_method method;
		const char *body, *type, *want;
	} cases[] = {
		{HTTP_OTHER, NULL, NULL, "GET /e q=1 x=one type= body="},
		{HTTP_GET, NULL, NULL, "GET /e q=1 x=one type= body="},
		{HTTP_POST, "{}", NULL, "POST /e q=1 x=one type=application/json body={}"},
		{HTTP_POST, "", "a/b", "POST /e q=1 x=one type=a/b body="},
		{HTTP_PUT, "x", "a/b", "PUT /e q=1 x=one type=a/b body=x"},
		{HTTP_DELETE, NULL, NULL, "DELETE /e q=1 x=one type= body="},
		{HTTP_PATCH, "x", NULL, "PATCH /e q=1 x=one type=application/json body=x"},
	};
	struct pair *p = *state;
	struct http_request_header one = {"X-One", S("one")};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_response a = ask(p, (struct http_request){
							.method = cases[i].method,
							.target = S("/e?q=1"),
							.body = str_from(cases[i].body),
							.content_type = cases[i].type,
							.headers = &one,
							.header_count = 1,
						});
		if (!str_is(a.body, cases[i].want))
			fail_msg("got %.*s", STR_A(a.body));
		assert_true(str_is(a.content_type, "application/json"));
		assert_true(http_response_header(&a, "DATE").n > 0);
	}
	assert_int_equal(http_server_counts(p->server).connections, 1);
}

static void head_has_no_body(void **state)
{
	struct http_response a =
		ask(*state, (struct http_request){.method = HTTP_HEAD, .target = S("/e")});
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.n, 0);
	assert_true(http_response_header(&a, "content-length").n > 0);
}

static void a_redirect_is_an_answer(void **state)
{
	struct http_response a = ask(*state, (struct http_request){.target = S("/moved")});
	assert_int_equal(a.status, 302);
	assert_true(str_is(http_response_header(&a, "location"), "/echo"));
}

static void errors_of_the_api_come_back_whole(void **state)
{
	struct err e;
	assert_int_equal(ask_in_vain(*state, (struct http_request){.target = S("/error")}, &e),
			 -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_string_equal(e.field, "parameters.title");
	assert_string_equal(e.text, "says \"no\"");
}

static void other_errors_are_told_by_status(void **state)
{
	struct err e;
	assert_int_equal(ask_in_vain(*state, (struct http_request){.target = S("/html")}, &e),
			 -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
	assert_string_equal(e.text, "the server answered with status 502: <p>bad [1m gateway");
}

static void responses_become_errors_by_table(void **state UNUSED)
{
	static const struct {
		unsigned status;
		const char *body;
		enum err_kind kind;
		const char *field;
	} cases[] = {
		{409, "{\"error\":{\"kind\":\"no-room\",\"text\":\"t\"}}", ERR_NO_ROOM, ""},
		{400, "{\"error\":{\"kind\":\"invalid\",\"field\":null,\"text\":\"t\"}}",
		 ERR_INVALID, ""},
		{400,
		 "{\"error\":{\"kind\":\"invalid\",\"field\":\"a\",\"text\":\"t\",\"more\":1},"
		 "\"x\":2}",
		 ERR_INVALID, "a"},
		{404, "{\"error\":{\"kind\":\"unheard-of\",\"text\":\"t\"}}", ERR_NOT_FOUND,
		 ""},
		{404, "{\"error\":{\"kind\":\"none\",\"text\":\"t\"}}", ERR_NOT_FOUND, ""},
		{403, "{\"error\":", ERR_FORBIDDEN, ""},
		{401, "", ERR_FORBIDDEN, ""},
		{418, "", ERR_INVALID, ""},
		{429, "[]", ERR_BUSY, ""},
		{503, "null", ERR_BUSY, ""},
		{500, "{}", ERR_BROKEN, ""},
		{599, "", ERR_BROKEN, ""},
		{302, "", ERR_BROKEN, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct http_response r = {.status = cases[i].status,
					  .body = str_from(cases[i].body)};
		assert_int_equal(http_error_from_response(&r, &e), -1);
		if (e.kind != cases[i].kind)
			fail_msg("%u %s: kind %d", cases[i].status, cases[i].body, e.kind);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void bad_targets_are_named(void **state)
{
	static const char *const bad[] = {"",	    "x",	  "ftp://127.0.0.1/x",
					  "/a b",   "/a\r\nX: y", "file:///etc/passwd",
					  "http://"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e;
		if (ask_in_vain(*state, (struct http_request){.target = str_from(bad[i])},
				&e) != -1)
			fail_msg("%s was fetched", bad[i]);
		assert_int_equal(e.kind, ERR_INVALID);
	}
	struct http_request_header smuggled = {"X", S("a\r\nY: b")};
	struct err e;
	assert_int_equal(ask_in_vain(*state,
				     (struct http_request){.target = S("/e"),
							   .headers = &smuggled,
							   .header_count = 1},
				     &e),
			 -1);
	assert_string_equal(e.field, "headers");
}

static void large_answers_are_bounded(void **state)
{
	struct pair *p = *state;
	struct err e;
	struct http_request r = {.target = S("/big"), .max_response_bytes = BIG - 1};
	assert_int_equal(ask_in_vain(p, r, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	r.max_response_bytes = BIG;
	assert_int_equal(ask(p, r).body.n, BIG);
	struct arena *small CLEAN(arena_freep) = NULL;
	struct http_response out;
	assert_int_equal(arena_new(BIG, &small, &e), 0);
	assert_int_equal(http_fetch(p->client, &r, small, &out, &e), -1);
	assert_int_equal(e.kind, ERR_MEMORY);
}

struct sink {
	size_t n, stop_at;
};

static int take(void *user, struct str piece, struct err *e)
{
	struct sink *s = user;
	s->n += piece.n;
	return s->n > s->stop_at ? err_fail(e, ERR_IO, "enough") : 0;
}

static void bodies_can_be_taken_piece_by_piece(void **state)
{
	struct pair *p = *state;
	struct err e;
	struct sink s = {0, BIG};
	struct http_request r = {.target = S("/big"), .on_body = take, .on_body_user = &s};
	assert_int_equal(ask(p, r).body.n, 0);
	assert_int_equal(s.n, BIG);
	s = (struct sink){0, 100};
	assert_int_equal(ask_in_vain(p, r, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_string_equal(e.text, "enough");
	/* An error's body is for the caller, not for the sink. */
	s = (struct sink){0, BIG};
	r.target = S("/error");
	assert_int_equal(ask_in_vain(p, r, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(s.n, 0);
}

static void waiting_has_an_end(void **state)
{
	struct pair *p = *state;
	struct err e;
	struct http_request r = {.target = S("/wait?secret=1"), .timeout_ms = 50};
	assert_int_equal(ask_in_vain(p, r, &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "/wait"));
	assert_null(strstr(e.text, "secret"));
}

static void *cancel_when_parked(void *user)
{
	struct pair *p = user;
	hub_await(&p->hub, &p->hub.count, 1);
	http_client_cancel(p->client);
	return NULL;
}

static void another_thread_ends_the_wait(void **state)
{
	struct pair *p = *state;
	struct err e;
	pthread_t thread;
	struct http_request r = {.target = S("/wait"), .timeout_ms = 60000};
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_parked, p), 0);
	assert_int_equal(ask_in_vain(p, r, &e), HTTP_CANCELLED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	r.target = S("/e");
	assert_int_equal(ask_in_vain(p, r, &e), HTTP_CANCELLED);
	http_client_reset(p->client);
	assert_int_equal(ask(p, r).status, 200);
}

static void nobody_there_is_unreachable(void **state)
{
	struct pair *p = *state;
	struct err e;
	p->server = http_server_close(p->server);
	assert_int_equal(ask_in_vain(p, (struct http_request){.target = S("/e")}, &e), -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
}

/* A proxy that the environment names must not see what goes to this machine. */
static void loopback_goes_past_the_proxy(void **state)
{
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	struct http_response a = ask(*state, (struct http_request){.target = S("/e")});
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(a.status, 200);
}

static void unix_sockets_are_spoken_to(void **state)
{
	struct pair *p = *state;
	char dir[] = "/tmp/hoc-test-client-XXXXXX", address[64];
	struct err e = ERR_INIT;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(address, sizeof address, "unix:%s/s", dir);
	struct http_server *s =
		server_start((struct http_server_options){.listen = address}, serve, &p->hub);
	p->client = http_client_close(p->client);
	struct http_client_options o = {.base = address};
	assert_int_equal(http_client_open(&o, &p->client, &e), 0);
	assert_int_equal(ask(p, (struct http_request){.target = S("/e")}).status, 200);
	(void)http_server_close(s);
	assert_int_equal(ask_in_vain(p, (struct http_request){.target = S("/e")}, &e), -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, address + 5));
	assert_int_equal(rmdir(dir), 0);
}

static void bases_are_checked(void **state UNUSED)
{
	static const char *const bad[] = {"127.0.0.1:80", "ftp://x", "unix:relative"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct http_client *c = NULL;
		struct http_client_options o = {.base = bad[i]};
		assert_int_equal(http_client_open(&o, &c, &e), -1);
		assert_string_equal(e.field, "base");
		assert_null(c);
	}
}

#define WITH_PAIR(fn) cmocka_unit_test_setup_teardown(fn, pair_open, pair_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(requests_say_what_they_should),
		WITH_PAIR(head_has_no_body),
		WITH_PAIR(a_redirect_is_an_answer),
		WITH_PAIR(errors_of_the_api_come_back_whole),
		WITH_PAIR(other_errors_are_told_by_status),
		cmocka_unit_test(responses_become_errors_by_table),
		WITH_PAIR(bad_targets_are_named),
		WITH_PAIR(large_answers_are_bounded),
		WITH_PAIR(bodies_can_be_taken_piece_by_piece),
		WITH_PAIR(waiting_has_an_end),
		WITH_PAIR(another_thread_ends_the_wait),
		WITH_PAIR(nobody_there_is_unreachable),
		WITH_PAIR(loopback_goes_past_the_proxy),
		WITH_PAIR(unix_sockets_are_spoken_to),
		cmocka_unit_test(bases_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
