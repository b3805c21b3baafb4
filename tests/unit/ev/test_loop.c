/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ev/ev.h"

enum { DEADLINE_MS = 5000 };

struct scene {
	struct ev *ev;
	struct ev_watch *watch;
	int calls, last_events;
	char order[16];
	pthread_t worker;
};

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.ev = NULL};
	*state = &s;
	return ev_new(NULL, &s.ev, &e);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	s->ev = ev_free(s->ev);
	return 0;
}

static void must_stop(struct scene *s)
{
	struct err e = ERR_INIT;
	assert_int_equal(ev_run_for(s->ev, DEADLINE_MS, &e), 0);
}

static void add_a(void *user)
{
	struct scene *s = user;
	s->order[s->calls++] = 'a';
}

static void add_b_and_stop(void *user)
{
	struct scene *s = user;
	s->order[s->calls++] = 'b';
	ev_stop(s->ev);
}

static void timers_fire_in_order_of_time(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ev_timer(s->ev, 20, add_b_and_stop, s, NULL, &e), 0);
	assert_int_equal(ev_timer(s->ev, 1, add_a, s, NULL, &e), 0);
	assert_int_equal(s->calls, 0);
	must_stop(s);
	assert_string_equal(s->order, "ab");
}

static void a_stopped_timer_is_silent_until_set_again(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct ev_watch *a, *b;
	assert_int_equal(ev_timer(s->ev, 0, add_a, s, &a, &e), 0);
	assert_int_equal(ev_timer(s->ev, 10, add_b_and_stop, s, &b, &e), 0);
	ev_timer_stop(a);
	must_stop(s);
	assert_string_equal(s->order, "b");
	ev_timer_again(a, 0);
	ev_timer_again(b, 5);
	must_stop(s);
	assert_string_equal(s->order, "bab");
	ev_watch_free(a);
	ev_watch_free(b);
}

static void beat(void *user)
{
	struct scene *s = user;
	if (++s->calls == 3) {
		s->watch = ev_watch_free(s->watch);
		struct err e = ERR_INIT;
		assert_int_equal(ev_timer(s->ev, 10, add_b_and_stop, s, NULL, &e), 0);
	}
}

static void a_beat_may_free_itself(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ev_timer_every(s->ev, 0, 1, beat, s, &s->watch, &e), 0);
	must_stop(s);
	assert_int_equal(s->calls, 4);
}

static void on_fd(void *user, int events)
{
	struct scene *s = user;
	s->calls++;
	s->last_events = events;
	ev_stop(s->ev);
}

static void a_descriptor_tells_when_it_is_readable(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(ev_fd(s->ev, p[0], EV_READ, on_fd, s, &s->watch, &e), 0);
	assert_int_equal(ev_run_for(s->ev, 5, &e), 1);
	assert_int_equal(s->calls, 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	must_stop(s);
	assert_int_equal(s->last_events, EV_READ);
	ev_fd_change(s->watch, 0);
	assert_int_equal(ev_run_for(s->ev, 5, &e), 1);
	assert_int_equal(s->calls, 1);
	ev_watch_free(s->watch);
	close(p[0]);
	close(p[1]);
}

static void a_hang_up_counts_as_readable(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(ev_fd(s->ev, p[0], EV_READ, on_fd, s, &s->watch, &e), 0);
	close(p[1]);
	must_stop(s);
	assert_true(s->last_events & EV_READ);
	ev_watch_free(s->watch);
	close(p[0]);
}

static void signals_arrive_in_the_loop(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ev_signal(s->ev, SIGUSR1, add_b_and_stop, s, NULL, &e), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(s->calls, 0);
	must_stop(s);
	assert_int_equal(s->calls, 1);
}

static void *post_three(void *user)
{
	struct scene *s = user;
	struct err e = ERR_INIT;
	assert_int_equal(ev_post(s->ev, add_a, s, &e), 0);
	assert_int_equal(ev_post(s->ev, add_a, s, &e), 0);
	assert_int_equal(ev_post(s->ev, add_b_and_stop, s, &e), 0);
	return NULL;
}

static void posts_of_another_thread_keep_their_order(void **state)
{
	struct scene *s = *state;
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, post_three, s), 0);
	must_stop(s);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_string_equal(s->order, "aab");
}

static void ignore(void *user UNUSED)
{
}

static void posts_are_bounded(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	for (int i = 0; i < EV_POSTS_MAX; i++)
		assert_int_equal(ev_post(s->ev, ignore, s, &e), 0);
	assert_int_equal(ev_post(s->ev, ignore, s, &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
}

static void work(void *user)
{
	struct scene *s = user;
	s->worker = pthread_self();
}

static void work_runs_elsewhere_and_ends_here(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ev_work(s->ev, work, add_b_and_stop, s, &e), 0);
	must_stop(s);
	assert_int_equal(s->calls, 1);
	assert_false(pthread_equal(s->worker, pthread_self()));
}

static void a_loop_may_be_freed_with_all_kinds_of_things_open(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ev_timer_every(s->ev, 0, 1, add_a, s, &s->watch, &e), 0);
	assert_int_equal(ev_signal(s->ev, SIGUSR2, add_a, s, NULL, &e), 0);
	assert_int_equal(ev_post(s->ev, add_a, s, &e), 0);
	assert_int_equal(ev_work(s->ev, work, add_a, s, &e), 0);
	s->ev = ev_free(s->ev);
	assert_int_equal(s->calls, 0);
}

static void stop_before_run_counts(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	ev_stop(s->ev);
	assert_int_equal(ev_run(s->ev, &e), 0);
	assert_int_equal(ev_run_for(s->ev, 1, &e), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_order_of_time),
		T(a_stopped_timer_is_silent_until_set_again),
		T(a_beat_may_free_itself),
		T(a_descriptor_tells_when_it_is_readable),
		T(a_hang_up_counts_as_readable),
		T(signals_arrive_in_the_loop),
		T(posts_of_another_thread_keep_their_order),
		T(posts_are_bounded),
		T(work_runs_elsewhere_and_ends_here),
		T(a_loop_may_be_freed_with_all_kinds_of_things_open),
		T(stop_before_run_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
