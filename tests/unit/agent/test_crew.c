/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Threads are held at a gate (a pipe that says nothing yet); nothing waits by sleeping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "agent/crew.h"
#include "base/mem.h"

enum { LIMIT_MS = 20000, JOBS_MAX = 64 };

struct scene {
	struct ev *ev;
	struct crew *crew;
	int gate[2];	 /* a byte lets one held job go on */
	int arrivals[2]; /* a held job says so */
	int worked[JOBS_MAX], done[JOBS_MAX];
	atomic_size_t worked_n;
	size_t done_n, done_wanted, dropped_n;
};

struct job {
	struct scene *scene;
	int number;
	pthread_t worker;
};

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.crew = NULL};
	if (pipe(s.gate) < 0 || pipe(s.arrivals) < 0)
		return -1;
	*state = &s;
	return ev_new(NULL, &s.ev, &e);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	crew_free(s->crew);
	ev_free(s->ev);
	(void)close(s->gate[0]);
	(void)close(s->gate[1]);
	(void)close(s->arrivals[0]);
	(void)close(s->arrivals[1]);
	return 0;
}

static void start(struct scene *s, unsigned threads)
{
	struct err e = ERR_INIT;
	assert_int_equal(crew_new(s->ev, threads, &s->crew, &e), 0);
}

static void note(void *user)
{
	struct job *j = user;
	j->worker = pthread_self();
	j->scene->worked[atomic_fetch_add(&j->scene->worked_n, 1)] = j->number;
}

static void held(void *user)
{
	struct job *j = user;
	char byte = 'x';
	/* A test that fails closes the gate's other end: nobody is held for ever. */
	if (write(j->scene->arrivals[1], &byte, 1) == 1)
		(void)!read(j->scene->gate[0], &byte, 1);
	note(j);
}

static void over(void *user)
{
	struct job *j = user;
	struct scene *s = j->scene;
	s->done[s->done_n++] = j->number;
	if (s->done_n == s->done_wanted)
		ev_stop(s->ev);
}

static void dropped(void *user)
{
	struct job *j = user;
	j->scene->dropped_n++;
}

static void hand_in(struct scene *s, struct job *j, int number, crew_fn *work)
{
	struct err e = ERR_INIT;
	*j = (struct job){.scene = s, .number = number};
	assert_int_equal(crew_do(s->crew, work, over, dropped, j, &e), 0);
}

static void await_arrivals(struct scene *s, int n)
{
	char byte;
	for (int i = 0; i < n; i++)
		assert_int_equal(read(s->arrivals[0], &byte, 1), 1);
}

static void open_gate(struct scene *s, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(write(s->gate[1], "x", 1), 1);
}

static void await_done(struct scene *s, size_t n)
{
	struct err e = ERR_INIT;
	s->done_wanted = n;
	if (s->done_n < n)
		assert_int_equal(ev_run_for(s->ev, LIMIT_MS, &e), 0);
	assert_int_equal(s->done_n, n);
}

static void one_thread_keeps_the_order(void **state)
{
	struct scene *s = *state;
	struct job jobs[JOBS_MAX];
	start(s, 1);
	for (int i = 0; i < JOBS_MAX; i++)
		hand_in(s, &jobs[i], i, note);
	assert_int_equal(crew_load(s->crew), JOBS_MAX);
	await_done(s, JOBS_MAX);
	for (int i = 0; i < JOBS_MAX; i++) {
		assert_int_equal(s->worked[i], i);
		assert_int_equal(s->done[i], i);
		assert_true(pthread_equal(jobs[i].worker, jobs[0].worker));
	}
	assert_false(pthread_equal(jobs[0].worker, pthread_self()));
	assert_int_equal(crew_load(s->crew), 0);
}

/* All threads are held at once, which they can only be if there are as many; the rest waits. */
static void as_many_work_as_there_are_threads_and_no_more(void **state)
{
	enum { THREADS = 4 };
	struct scene *s = *state;
	struct job jobs[THREADS + 3];
	start(s, THREADS);
	for (int i = 0; i < THREADS; i++)
		hand_in(s, &jobs[i], i, held);
	await_arrivals(s, THREADS);
	for (int i = 0; i < 3; i++)
		hand_in(s, &jobs[THREADS + i], THREADS + i, note);
	assert_int_equal(crew_load(s->crew), THREADS + 3);
	assert_int_equal(s->worked_n, 0);
	open_gate(s, THREADS);
	await_done(s, THREADS + 3);
	assert_int_equal(crew_load(s->crew), 0);
}

static void a_blocked_thread_does_not_hold_the_others(void **state)
{
	struct scene *s = *state;
	struct job blocked, jobs[JOBS_MAX];
	start(s, 2);
	hand_in(s, &blocked, 99, held);
	await_arrivals(s, 1);
	for (int i = 0; i < 20; i++)
		hand_in(s, &jobs[i], i, note);
	await_done(s, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(s->done[i], i);
	assert_int_equal(crew_load(s->crew), 1);
	open_gate(s, 1);
	await_done(s, 21);
	assert_int_equal(s->done[20], 99);
}

/* A thread that is idle again is used, and another one is made only if it does not do. */
static void an_idle_thread_is_woken(void **state)
{
	struct scene *s = *state;
	struct job jobs[40];
	start(s, 3);
	for (int i = 0; i < 40; i++) {
		hand_in(s, &jobs[i], i, note);
		await_done(s, (size_t)i + 1);
	}
	struct job more[3];
	for (int i = 0; i < 3; i++)
		hand_in(s, &more[i], i, held);
	await_arrivals(s, 3);
	open_gate(s, 3);
	await_done(s, 43);
}

struct chain {
	struct job job;
	int left;
};

static void chain_done(void *user)
{
	struct chain *c = user;
	struct err e = ERR_INIT;
	struct scene *s = c->job.scene;
	if (c->left-- > 0)
		assert_int_equal(crew_do(s->crew, note, chain_done, NULL, c, &e), 0);
	else
		ev_stop(s->ev);
}

static void done_may_hand_in_more(void **state)
{
	struct scene *s = *state;
	struct chain c = {.job = {.scene = s}, .left = 20};
	struct err e = ERR_INIT;
	start(s, 2);
	assert_int_equal(crew_do(s->crew, note, chain_done, NULL, &c, &e), 0);
	assert_int_equal(ev_run_for(s->ev, LIMIT_MS, &e), 0);
	assert_int_equal(s->worked_n, 21);
}

static void *let_go(void *user)
{
	struct scene *s = user;
	open_gate(s, 1);
	return NULL;
}

static void freeing_waits_for_work_and_drops_the_queue(void **state)
{
	struct scene *s = *state;
	struct job blocked, queued[5];
	pthread_t opener;
	start(s, 1);
	hand_in(s, &blocked, 1, held);
	await_arrivals(s, 1);
	for (int i = 0; i < 5; i++)
		hand_in(s, &queued[i], i, note);
	assert_int_equal(pthread_create(&opener, NULL, let_go, s), 0);
	s->crew = crew_free(s->crew);
	assert_null(s->crew);
	assert_int_equal(pthread_join(opener, NULL), 0);
	/* The one that was held ended its work; nothing was done, everything was dropped once. */
	assert_true(s->worked_n >= 1);
	assert_int_equal(s->done_n, 0);
	assert_int_equal(s->dropped_n, 6);
}

static void a_crew_that_never_worked_is_freed(void **state)
{
	struct scene *s = *state;
	start(s, 8);
	s->crew = crew_free(s->crew);
	assert_null(crew_free(NULL));
}

static void a_failed_allocation_is_told(void **state)
{
	struct scene *s = *state;
	struct job j = {.scene = s};
	struct err e = ERR_INIT;
	(void)mem_fail_after(1);
	assert_int_equal(crew_new(s->ev, 2, &s->crew, &e), -1);
	assert_null(s->crew);
	start(s, 2);
	(void)mem_fail_after(1);
	assert_int_equal(crew_do(s->crew, note, over, NULL, &j, &e), -1);
	(void)mem_fail_after(0);
	assert_int_equal(e.kind, ERR_MEMORY);
	assert_int_equal(crew_load(s->crew), 0);
	hand_in(s, &j, 1, note);
	await_done(s, 1);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(one_thread_keeps_the_order),
		SCENE(as_many_work_as_there_are_threads_and_no_more),
		SCENE(a_blocked_thread_does_not_hold_the_others),
		SCENE(an_idle_thread_is_woken),
		SCENE(done_may_hand_in_more),
		SCENE(freeing_waits_for_work_and_drops_the_queue),
		SCENE(a_crew_that_never_worked_is_freed),
		SCENE(a_failed_allocation_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
