/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ev/child.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct arena *arena;

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;
	return arena_new(1 << 20, &arena, &e);
}

static int tear_down(void **state UNUSED)
{
	arena = arena_free(arena);
	return 0;
}

static struct ev_child_result must_run(struct ev_child_spec spec)
{
	struct err e = ERR_INIT;
	struct ev_child_result r;
	if (ev_child_wait(&spec, arena, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void exits_and_output_are_told(void **state UNUSED)
{
	static const struct {
		const char *script, *output, *errors;
		int exit_code, signal;
		size_t max;
		bool is_split, is_cut;
	} cases[] = {
		{"echo hello", "hello\n", "", 0, 0, 100, false, false},
		{"echo a; echo b >&2; exit 3", "a\nb\n", "", 3, 0, 100, false, false},
		{"echo a; echo b >&2; exit 3", "a\n", "b\n", 3, 0, 100, true, false},
		{"kill -9 $$", "", "", -1, SIGKILL, 100, false, false},
		{"echo 123456789", "1234", "", 0, 0, 4, false, true},
		{"echo nobody hears", "", "", 0, 0, 0, false, false},
		{"cat; pwd", "fed/\n", "", 0, 0, 100, false, false},
		{"trap", "", "", 0, 0, 100, false, false},
		{"ls -l /proc/self/fd | grep -c -- '->'", "4\n", "", 0, 0, 100, false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ev_child_result r = must_run((struct ev_child_spec){
			.argv = ARGV("sh", "-c", cases[i].script),
			.output_max_bytes = cases[i].max,
			.is_split = cases[i].is_split,
			.input = S("fed"),
			.cwd = "/",
		});
		assert_int_equal(r.exit_code, cases[i].exit_code);
		assert_int_equal(r.signal, cases[i].signal);
		assert_string_equal(arena_cstr(arena, r.output), cases[i].output);
		assert_string_equal(arena_cstr(arena, r.errors), cases[i].errors);
		assert_int_equal(r.is_cut, cases[i].is_cut);
		assert_false(r.has_timed_out);
	}
}

static void what_cannot_start_is_an_error_at_once(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct ev_child_result r;
	struct ev_child_spec spec = {.argv = ARGV("no-such-program-here")};
	assert_int_equal(ev_child_wait(&spec, arena, &r, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	spec = (struct ev_child_spec){.argv = ARGV("/bin/true"), .cwd = "/no/such/place"};
	assert_int_equal(ev_child_wait(&spec, arena, &r, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_int_equal(e.os, ENOENT);
	assert_non_null(strstr(e.text, "change directory"));
}

static void the_time_limit_kills_the_whole_group(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct ev_child_result r = must_run((struct ev_child_spec){
		.argv = ARGV("sh", "-c", "sleep 1000 & echo $!; wait"),
		.output_max_bytes = 100,
		.timeout_ms = 100,
	});
	assert_true(r.has_timed_out);
	assert_int_equal(r.signal, SIGKILL);
	int64_t grandchild;
	assert_int_equal(str_to_i64(str_trim(r.output), 1, INT32_MAX, &grandchild, &e), 0);
	/* Its end of the pipe is closed, or the call would have lingered. */
	assert_true(r.took_ms < 100 + EV_CHILD_LINGER_MS);
	assert_int_equal(ev_child_check(&r, "script", &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
}

static void a_grandchild_that_holds_the_pipe_does_not_hold_us(void **state UNUSED)
{
	struct ev_child_result r = must_run((struct ev_child_spec){
		.argv = ARGV("sh", "-c", "setsid sleep 2 & echo done"),
		.output_max_bytes = 100,
	});
	assert_int_equal(r.exit_code, 0);
	assert_true(r.took_ms >= EV_CHILD_LINGER_MS && r.took_ms < 2000);
	assert_true(str_is(r.output, "done\n"));
}

static void a_child_can_run_as_another_user(void **state UNUSED)
{
	if (geteuid() != 0)
		fail_msg("this test needs root");
	struct ev_child_result r = must_run((struct ev_child_spec){
		.argv = ARGV("sh", "-c", "id -u; id -G"),
		.output_max_bytes = 100,
		.has_user = true,
		.uid = 4711,
		.gid = 4712,
	});
	assert_true(str_is(r.output, "4711\n4712\n"));
}

static void never(void *user UNUSED, const struct ev_child_result *r UNUSED)
{
	fail_msg("a forgotten child called back");
}

static void stop(void *user)
{
	ev_stop(user);
}

static void a_forgotten_child_dies_in_silence(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct ev *ev CLEAN(ev_freep) = NULL;
	struct ev_child *c;
	assert_int_equal(ev_new(NULL, &ev, &e), 0);
	struct ev_child_spec spec = {.argv = ARGV("sleep", "1000"), .output_max_bytes = 10};
	assert_int_equal(ev_child(ev, &spec, never, NULL, &c, &e), 0);
	int pid = ev_child_pid(c);
	ev_child_free(c);
	assert_int_equal(ev_timer(ev, 50, stop, ev, NULL, &e), 0);
	assert_int_equal(ev_run(ev, &e), 0);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void a_freed_loop_leaves_no_child(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct ev *ev = NULL;
	struct ev_child *c;
	assert_int_equal(ev_new(NULL, &ev, &e), 0);
	struct ev_child_spec spec = {.argv = ARGV("sleep", "1000")};
	assert_int_equal(ev_child(ev, &spec, never, NULL, &c, &e), 0);
	int pid = ev_child_pid(c);
	ev_free(ev);
	assert_int_equal(kill(pid, 0), -1);
}

static void failures_quote_the_end_of_the_output(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct ev_child_result r = must_run((struct ev_child_spec){
		.argv = ARGV("sh", "-c", "echo no space left >&2; exit 7"),
		.output_max_bytes = 100,
	});
	assert_int_equal(ev_child_check(&r, "step initdb", &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_string_equal(e.text, "step initdb ended with 7: no space left");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(exits_and_output_are_told),
		T(what_cannot_start_is_an_error_at_once),
		T(the_time_limit_kills_the_whole_group),
		T(a_grandchild_that_holds_the_pipe_does_not_hold_us),
		T(a_child_can_run_as_another_user),
		T(a_forgotten_child_dies_in_silence),
		T(a_freed_loop_leaves_no_child),
		T(failures_quote_the_end_of_the_output),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
