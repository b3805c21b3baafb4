/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One promise asked once, of real sockets and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/check.h"
#include "base/file.h"
#include "fake_servers.h"

struct scene {
	char dir[64], home[80], socket[80];
	struct check_place place;
	struct arena *a;
};

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.dir = "/tmp/hoc-check-XXXXXX"};
	if (!mkdtemp(s.dir) || arena_new(1 << 20, &s.a, &e) < 0)
		return -1;
	(void)snprintf(s.home, sizeof s.home, "%s/home", s.dir);
	(void)snprintf(s.socket, sizeof s.socket, "%s/socket", s.dir);
	s.place = (struct check_place){.ipv4 = "127.0.0.1",
				       .home = s.home,
				       .supervisor = s.socket,
				       .netns = "/run/netns/none",
				       .partition = S("p0"),
				       .run_dir = s.dir};
	*state = &s;
	return mkdir(s.home, 0700);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	arena_free(s->a);
	return file_remove_tree(s->dir, &e);
}

static struct spec_promise promise(enum spec_promise_kind kind)
{
	return (struct spec_promise){.name = S("x"),
				     .kind = kind,
				     .timeout_seconds = 5,
				     .status = 200,
				     .service = S("web")};
}

static struct check_result ask(const struct scene *s, const struct spec_promise *p)
{
	struct check_result r;
	memset(&r, 0xAA, sizeof r);
	check_run(p, &s->place, &r);
	assert_true(r.at_ms > 1700000000000);
	assert_true(r.took_ms >= 0);
	assert_true(str_is_utf8(str_from(r.message)));
	if (r.is_kept)
		assert_string_equal(r.message, "");
	else
		assert_string_not_equal(r.message, "");
	return r;
}

static void assert_says(const struct scene *s, const struct spec_promise *p, const char *text)
{
	struct check_result r = ask(s, p);
	assert_false(r.is_kept);
	if (!strstr(r.message, text))
		fail_msg("\"%s\" does not say \"%s\"", r.message, text);
}

static void an_open_port_is_kept_and_a_closed_one_is_not(void **state)
{
	struct scene *s = *state;
	struct spec_promise p = promise(SPEC_PROMISE_TCP);
	unsigned port;
	int fd = fake_listener(&port);
	p.port = port;
	assert_true(ask(s, &p).is_kept); /* host left out: the partition's */
	p.host = S("127.0.0.1");
	assert_true(ask(s, &p).is_kept);
	(void)close(fd);
	assert_says(s, &p, "refused");
	p.host = S("no-address");
	assert_says(s, &p, "not an address");
	p.host = S("::1");
	assert_false(ask(s, &p).is_kept);
}

/* The queue of the listener is full: a further connection gets no answer at all. */
static void a_port_that_hangs_ends_with_its_timeout(void **state)
{
	struct scene *s = *state;
	struct spec_promise p = promise(SPEC_PROMISE_TCP);
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned port;
	int fd = fake_listener(&port), fillers[4];
	assert_int_equal(listen(fd, 0), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)port);
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[i], (struct sockaddr *)&to, sizeof to);
	}
	p.port = port;
	p.timeout_seconds = 1;
	assert_says(s, &p, "no answer within 1000 ms");
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
		(void)close(fillers[i]);
	(void)close(fd);
}

static void a_page_is_judged_by_status_and_content(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *reply;
		int64_t status;
		const char *contains, *says; /* says NULL: kept */
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "", NULL},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "ell", NULL},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "bye",
		 "does not contain \"bye\""},
		{"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 200, "",
		 "answers 503, not 200"},
		{"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 401, "", NULL},
		{"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: "
		 "0\r\n\r\n",
		 302, "", NULL},
		{"SSH-2.0-server\r\n", 200, "", "127.0.0.1"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\ncut", 200, "", "127.0.0.1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake_server server;
		struct spec_promise p = promise(SPEC_PROMISE_HTTP);
		fake_http_start(&server, cases[i].reply);
		p.url = arena_fmt(s->a, "http://127.0.0.1:%u/x", server.port);
		p.status = cases[i].status;
		p.contains = str_from(cases[i].contains);
		if (cases[i].says)
			assert_says(s, &p, cases[i].says);
		else
			assert_true(ask(s, &p).is_kept);
		fake_stop(&server);
	}
}

static void a_page_that_hangs_ends_with_its_timeout(void **state)
{
	struct scene *s = *state;
	struct fake_server server;
	struct spec_promise p = promise(SPEC_PROMISE_HTTP);
	fake_http_start(&server, NULL);
	p.url = arena_fmt(s->a, "http://127.0.0.1:%u/x", server.port);
	p.timeout_seconds = 1;
	assert_false(ask(s, &p).is_kept);
	fake_stop(&server);
	assert_false(ask(s, &p).is_kept); /* and now nobody listens */
}

static void a_file_is_read_beneath_the_home(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct spec_promise p = promise(SPEC_PROMISE_FILE);
	const char *path = arena_fmt(s->a, "%s/ready", s->home).p;
	p.path = S("ready");
	assert_says(s, &p, "is not there");
	assert_int_equal(file_write(path, S("state: fine\n"), 0600, &e), 0);
	assert_true(ask(s, &p).is_kept);
	p.contains = S("fine");
	assert_true(ask(s, &p).is_kept);
	p.contains = S("bad");
	assert_says(s, &p, "does not contain \"bad\"");
	p.contains = S("");
	/* What a tenant may put there instead. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_says(s, &p, "is not there");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_says(s, &p, "is not there");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_write(path, S("x"), 0600, &e), 0);
	assert_int_equal(truncate(path, (off_t)1 << 42), 0);
	assert_false(ask(s, &p).is_kept);
	assert_int_equal(rename(s->home, arena_fmt(s->a, "%s/moved", s->dir).p), 0);
	assert_says(s, &p, "home cannot be opened");
}

static void a_service_is_asked_of_the_supervisor(void **state)
{
	struct scene *s = *state;
	struct fake_server server;
	struct spec_promise p = promise(SPEC_PROMISE_PROCESS);
	assert_says(s, &p, "supervisor does not answer");
	fake_supervisor_start(&server, s->socket);
	assert_true(ask(s, &p).is_kept);
	atomic_store(&server.state, FAKE_DOWN);
	assert_says(s, &p, "service web is ");
	p.service = S("other");
	assert_says(s, &p, "service other is not there");
	fake_stop(&server);
}

/* Whatever bytes a message is made of and wherever it is cut, it can be stored and sent. */
static void messages_are_clean_lines(void **state)
{
	struct scene *s = *state;
	struct spec_promise p = promise(SPEC_PROMISE_FILE);
	char path[255], odd[] = "a\nb\x1b\xFF\xC3z";
	for (size_t i = 0; i < sizeof path; i += 3)
		memcpy(path + i, "\xE2\x82\xAC", 3);
	for (size_t shift = 0; shift < 3; shift++) {
		p.path = str_of(path, sizeof path - 3 * shift);
		p.contains = S("");
		struct check_result r = ask(s, &p);
		assert_false(r.is_kept);
	}
	p.path = str_from(odd);
	struct check_result r = ask(s, &p);
	for (const char *c = r.message; *c; c++)
		assert_true((unsigned char)*c >= ' ');
}

/* Promises that hang wait side by side, and answers stand where they belong. */
static void many_are_asked_side_by_side(void **state)
{
	enum { COUNT = 8 };
	struct scene *s = *state;
	struct fake_server hanging;
	struct err e = ERR_INIT;
	struct spec_promise list[COUNT];
	const struct spec_promise *pointers[COUNT];
	struct check_result out[COUNT];
	fake_http_start(&hanging, NULL);
	assert_int_equal(file_write(arena_fmt(s->a, "%s/ready", s->home).p, S("x"), 0600, &e),
			 0);
	for (size_t i = 0; i < COUNT; i++) {
		list[i] = promise(i % 2 ? SPEC_PROMISE_FILE : SPEC_PROMISE_HTTP);
		list[i].path = S("ready");
		list[i].url = arena_fmt(s->a, "http://127.0.0.1:%u/", hanging.port);
		list[i].timeout_seconds = 1;
		pointers[i] = &list[i];
	}
	for (unsigned cap = 0; cap <= 4; cap += 4) {
		size_t count = cap ? COUNT : 2; /* without further threads: one by one */
		memset(out, 0xAA, sizeof out);
		check_run_all(pointers, count, cap, &s->place, out);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(out[i].is_kept, i % 2);
	}
	check_run_all(pointers, 0, 4, &s->place, out);
	fake_stop(&hanging);
}

static void readiness_is_asked_by_the_same_means(void **state)
{
	struct scene *s = *state;
	struct spec_service service = {.name = S("web"), .ready = {.kind = SPEC_READY_NONE}};
	struct err e = ERR_INIT;
	unsigned port;
	assert_true(check_is_ready(&service, &s->place));
	int fd = fake_listener(&port);
	service.ready = (struct spec_ready){.kind = SPEC_READY_TCP, .port = port};
	assert_true(check_is_ready(&service, &s->place));
	(void)close(fd);
	assert_false(check_is_ready(&service, &s->place));
	service.ready = (struct spec_ready){.kind = SPEC_READY_FILE, .file = S("ready")};
	assert_false(check_is_ready(&service, &s->place));
	assert_int_equal(file_write(arena_fmt(s->a, "%s/ready", s->home).p, S(""), 0600, &e),
			 0);
	assert_true(check_is_ready(&service, &s->place));
	service.ready = (struct spec_ready){.kind = SPEC_READY_EXEC};
	assert_false(check_is_ready(&service, &s->place)); /* nobody supervises */
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(an_open_port_is_kept_and_a_closed_one_is_not),
		SCENE(a_port_that_hangs_ends_with_its_timeout),
		SCENE(a_page_is_judged_by_status_and_content),
		SCENE(a_page_that_hangs_ends_with_its_timeout),
		SCENE(a_file_is_read_beneath_the_home),
		SCENE(a_service_is_asked_of_the_supervisor),
		SCENE(messages_are_clean_lines),
		SCENE(many_are_asked_side_by_side),
		SCENE(readiness_is_asked_by_the_same_means),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
