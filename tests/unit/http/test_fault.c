/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every allocation fails once: nothing leaks, nothing hangs, the next request is served. */
#include "base/mem.h"
#include "http/client.h"
#include "raw.h"

enum { TRIES_MAX = 200 };

static void answer(struct http_call *c, void *user UNUSED)
{
	struct err e;
	if (str_is(http_call_query(c, "bad"), "a b")) {
		(void)err_field(&e, "bad", "is bad");
		http_reply_err(c, &e);
	} else {
		http_reply_json(c, 200, arena_dup(http_call_arena(c), http_call_body(c)));
	}
}

static void a_server_opens_or_says_why_not(void **state UNUSED)
{
	struct http_server_options o = {.listen = "127.0.0.1:0"};
	int rc = -1;
	for (unsigned long n = 1; rc < 0; n++) {
		struct err e = ERR_INIT;
		struct http_server *s = NULL;
		assert_true(n < TRIES_MAX);
		(void)mem_fail_after(n);
		rc = http_server_open(&o, answer, NULL, &s, &e);
		(void)mem_fail_after(0);
		assert_int_equal(e.kind, rc ? ERR_MEMORY : ERR_NONE);
		(void)http_server_close(s);
	}
}

/* Asks on a fresh connection while the n-th allocation fails; the status, 0 if cut off. */
static int ask_failing(struct http_server *s, const char *text, unsigned long n)
{
	struct raw_answer a;
	struct raw *r = raw_open(http_server_address(s));
	(void)mem_fail_after(n);
	assert_true(raw_send(r, str_from(text)));
	raw_read(r, true, &a);
	(void)mem_fail_after(0);
	raw_close(r);
	return a.status;
}

static void a_request_is_served_or_refused(void **state UNUSED)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"POST /a%41?x=%42 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 200},
		{"GET /?bad=a+b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400},
	};
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, answer, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		/* Past the last allocation of the request nothing fails any more. */
		for (unsigned long n = 1; n < 30; n++) {
			int got = ask_failing(s, cases[i].text, n);
			if (got != cases[i].status && got != 503 && got != 0)
				fail_msg("%s: %d", cases[i].text, got);
		}
		assert_int_equal(ask_failing(s, cases[i].text, 0), cases[i].status);
	}
	assert_int_equal(http_server_counts(s).bodies_bytes, 0);
	(void)http_server_close(s);
}

static void a_client_fetches_or_says_why_not(void **state UNUSED)
{
	struct http_server *s =
		server_start((struct http_server_options){.threads = 1}, answer, NULL);
	char base[128];
	(void)snprintf(base, sizeof base, "http://%s", http_server_address(s));
	struct http_client_options o = {.base = base};
	int rc = -1;
	for (unsigned long n = 1; rc < 0; n++) {
		struct err e = ERR_INIT;
		struct http_client *c CLEAN(http_client_closep) = NULL;
		assert_true(n < TRIES_MAX);
		(void)mem_fail_after(n);
		rc = http_client_open(&o, &c, &e);
		(void)mem_fail_after(0);
		assert_int_equal(e.kind, rc ? ERR_MEMORY : ERR_NONE);
	}
	(void)http_server_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_opens_or_says_why_not),
		cmocka_unit_test(a_request_is_served_or_refused),
		cmocka_unit_test(a_client_fetches_or_says_why_not),
	};
	return RUN_BOTH_WAYS(tests);
}
