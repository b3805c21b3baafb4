/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The program: a child runs master_run, real clients talk to it over loopback. Threads wait in
 * reads with deadlines, never by sleeping.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "http/client.h"
#include "json/json.h"
#include "master/master.h"
#include "profile/eval.h"

struct house {
	char dir[64], data[80], base[100];
	pid_t pid;
	struct http_client *client;
	struct arena *a;
};

static void start(struct house *h)
{
	struct err e = ERR_INIT;
	int pair[2];
	assert_int_equal(pipe(pair), 0);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		const struct master_options o = {.data = h->data,
						 .listen = "127.0.0.1:0",
						 .is_local = true,
						 .ready_fd = pair[1]};
		(void)close(pair[0]);
		_exit(master_run(&o, &e) < 0 ? 1 : 0);
	}
	char line[80];
	(void)close(pair[1]);
	ssize_t n = read(pair[0], line, sizeof line - 1);
	(void)close(pair[0]);
	assert_true(n > 1);
	line[n - 1] = 0;
	(void)snprintf(h->base, sizeof h->base, "http://%s", line);
	const struct http_client_options o = {.base = h->base, .timeout_ms = 20000};
	assert_int_equal(http_client_open(&o, &h->client, &e), 0);
}

static int stop(struct house *h, int sig)
{
	int status = -1;
	h->client = http_client_close(h->client);
	assert_int_equal(kill(h->pid, sig), 0);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	return status;
}

static int begin(void **state)
{
	static struct house h;
	struct err e = ERR_INIT;
	h = (struct house){.pid = 0};
	(void)snprintf(h.dir, sizeof h.dir, "/tmp/hoc-master-XXXXXX");
	assert_non_null(mkdtemp(h.dir));
	(void)snprintf(h.data, sizeof h.data, "%s/data", h.dir);
	assert_int_equal(arena_new(64 << 20, &h.a, &e), 0);
	*state = &h;
	return 0;
}

static int end(void **state)
{
	struct house *h = *state;
	struct err e = ERR_INIT;
	h->a = arena_free(h->a);
	return file_remove_tree(h->dir, &e);
}

static unsigned fetch(struct house *h, enum http_method m, const char *target, const char *body,
		      struct json **out)
{
	struct err e = ERR_INIT;
	struct http_response r;
	const struct http_request req = {
		.method = m, .target = str_from(target), .body = str_from(body)};
	if (http_fetch(h->client, &req, h->a, &r, &e) < 0)
		fail_msg("%s: %s", target, e.text);
	if (out && json_parse(r.body, h->a, out, &e) < 0)
		fail_msg("%s: %" STR_F, target, STR_A(r.body));
	return r.status;
}

static void a_stage(struct house *h)
{
	assert_int_equal(fetch(h, HTTP_POST, "/slapos.put.v0.compute_node_format",
			       "{\"computer_guid\": \"n1\", \"compute_partition_list\": "
			       "[{\"partition_id\": \"p0\"}, "
			       "{\"partition_id\": \"p1\"}]}",
			       NULL),
			 200);
	assert_int_equal(fetch(h, HTTP_POST, "/slapos.post.v0.software_installation",
			       "{\"software_release_uri\": \"http://x/s.cfg\", "
			       "\"computer_guid\": \"n1\"}",
			       NULL),
			 200);
}

static const char order_text[] =
	"{\"title\": \"a\", \"software_release_uri\": \"http://x/s.cfg\", "
	"\"software_type\": \"default\"}";

static void what_was_acknowledged_survives_kill_9(void **state)
{
	struct house *h = *state;
	struct json *j;
	start(h);
	a_stage(h);
	assert_int_equal(
		fetch(h, HTTP_POST, "/slapos.post.v0.software_instance", order_text, &j), 200);
	struct str guid = json_get(j, S("instance_guid"))->str;
	(void)stop(h, SIGKILL);
	start(h);
	assert_int_equal(fetch(h, HTTP_GET, "/v1/instances/a", "", &j), 200);
	assert_true(str_eq(json_get(j, S("guid"))->str, guid));
	assert_int_equal(stop(h, SIGTERM), 0);
}

struct poll {
	struct house *h;
	struct http_client *client;
	struct arena *a;
	const char *target;
	unsigned status;
	struct json *answer;
};

static void *poll_thread(void *user)
{
	struct poll *p = user;
	struct err e = ERR_INIT;
	struct http_response r = {.status = 0};
	const struct http_request req = {.target = str_from(p->target), .timeout_ms = 30000};
	if (http_fetch(p->client, &req, p->a, &r, &e) < 0 ||
	    json_parse(r.body, p->a, &p->answer, &e) < 0)
		return NULL;
	p->status = r.status;
	return NULL;
}

static pthread_t begin_poll(struct house *h, struct poll *p, const char *target)
{
	struct err e = ERR_INIT;
	pthread_t t;
	*p = (struct poll){.h = h, .target = target};
	const struct http_client_options o = {.base = h->base};
	assert_int_equal(http_client_open(&o, &p->client, &e), 0);
	assert_int_equal(arena_new(1 << 20, &p->a, &e), 0);
	assert_int_equal(pthread_create(&t, NULL, poll_thread, p), 0);
	return t;
}

static void end_poll(struct poll *p)
{
	p->client = http_client_close(p->client);
	p->a = arena_free(p->a);
}

static void a_poll_is_woken_by_an_order(void **state)
{
	struct house *h = *state;
	struct json *j;
	struct poll p;
	char target[100];
	start(h);
	a_stage(h);
	assert_int_equal(fetch(h, HTTP_GET, "/v1/nodes/n1/changes?since=0", "", &j), 200);
	(void)snprintf(target, sizeof target, "/v1/nodes/n1/changes?since=%lld&wait=25",
		       (long long)json_get(j, S("sequence"))->i64);
	pthread_t t = begin_poll(h, &p, target);
	/* Whether it is parked already or not: the order has to reach it. */
	assert_int_equal(
		fetch(h, HTTP_POST, "/slapos.post.v0.software_instance", order_text, &j), 200);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(p.status, 200);
	assert_true(str_eq(json_at(json_get(p.answer, S("instances")), 0)->str,
			   json_get(j, S("instance_guid"))->str));
	end_poll(&p);
	assert_int_equal(stop(h, SIGTERM), 0);
}

static void polls_are_answered_at_their_deadline_and_at_stop(void **state)
{
	struct house *h = *state;
	struct json *j;
	struct poll p;
	char target[100];
	start(h);
	a_stage(h);
	assert_int_equal(fetch(h, HTTP_GET, "/v1/status", "", &j), 200);
	(void)snprintf(target, sizeof target, "/v1/events?since=%lld&wait=1",
		       (long long)json_get(j, S("sequence"))->i64);
	assert_int_equal(fetch(h, HTTP_GET, target, "", &j), 200);
	assert_int_equal(json_count(json_get(j, S("events"))), 0);
	(void)snprintf(target, sizeof target, "/v1/events?since=1000000&wait=50");
	pthread_t t = begin_poll(h, &p, target);
	/* The server answers in the order it reads; a call after the poll's connection is enough. */
	for (int i = 0; i < 20; i++)
		(void)fetch(h, HTTP_GET, "/v1/status", "", NULL);
	assert_int_equal(stop(h, SIGTERM), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	end_poll(&p);
}

struct racer {
	struct poll p;
	const char *body;
};

static void *race_thread(void *user)
{
	struct racer *r = user;
	struct err e = ERR_INIT;
	struct http_response out;
	const struct http_request req = {.method = HTTP_POST,
					 .target = S("/slapos.post.v0.software_instance"),
					 .body = str_from(r->body)};
	if (http_fetch(r->p.client, &req, r->p.a, &out, &e) == 0 &&
	    json_parse(out.body, r->p.a, &r->p.answer, &e) == 0)
		r->p.status = out.status;
	return NULL;
}

static void two_identical_requests_at_once_give_one_instance(void **state)
{
	enum { RACERS = 8 };
	struct house *h = *state;
	struct racer r[RACERS];
	pthread_t t[RACERS];
	struct json *j;
	struct err e = ERR_INIT;
	start(h);
	a_stage(h);
	const struct http_client_options o = {.base = h->base};
	for (int i = 0; i < RACERS; i++) {
		r[i] = (struct racer){.body = order_text};
		assert_int_equal(http_client_open(&o, &r[i].p.client, &e), 0);
		assert_int_equal(arena_new(1 << 20, &r[i].p.a, &e), 0);
		assert_int_equal(pthread_create(&t[i], NULL, race_thread, &r[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_int_equal(r[i].p.status, 200);
		assert_true(json_is_equal(r[i].p.answer, r[0].p.answer));
	}
	for (int i = 0; i < RACERS; i++)
		end_poll(&r[i].p);
	assert_int_equal(fetch(h, HTTP_GET, "/v1/instances", "", &j), 200);
	assert_int_equal(json_count(json_get(j, S("instances"))), 1);
	assert_int_equal(stop(h, SIGINT), 0);
}

static void a_stranger_is_kept_out(void **state)
{
	static const struct {
		const char *listen;
		bool is_local;
		const char *field;
	} cases[] = {
		{"0.0.0.0:0", true, "listen"},
		{"[::]:0", true, "listen"},
		{"192.0.2.1:80", true, "listen"},
		{"127.0.0.1:0", false, "local"},
	};
	struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		const struct master_options o = {.data = h->data,
						 .listen = cases[i].listen,
						 .is_local = cases[i].is_local};
		assert_int_equal(master_run(&o, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
	struct err e = ERR_INIT;
	start(h);
	const struct master_options o = {
		.data = h->data, .listen = "127.0.0.1:0", .is_local = true};
	assert_int_equal(master_run(&o, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(stop(h, SIGTERM), 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_kill_9, begin,
						end),
		cmocka_unit_test_setup_teardown(a_poll_is_woken_by_an_order, begin, end),
		cmocka_unit_test_setup_teardown(
			polls_are_answered_at_their_deadline_and_at_stop, begin, end),
		cmocka_unit_test_setup_teardown(
			two_identical_requests_at_once_give_one_instance, begin, end),
		cmocka_unit_test_setup_teardown(a_stranger_is_kept_out, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
