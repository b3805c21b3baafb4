/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The event loop: timers, descriptors, children, signals, blocking work, streams.
 *
 * One loop per thread. Every function here is for the loop's thread, except ev_post and
 * ev_stop. Callbacks run in that thread, one at a time, never from inside the call that asked
 * for them: the caller has its watch in hand before the first callback.
 *
 * A watch belongs to whoever asked for it: ev_watch_free stops it, at any moment, also inside
 * its own callback; after that its callback is never called again. ev_free stops what is left,
 * and so frees it: owners free their watches before the loop, or never. The engine (libuv)
 * shows nowhere in this header.
 */
#include "base/clock.h"

struct ev;
struct ev_watch;
typedef void ev_fn(void *user);

/* A loop. `clock` (NULL: the machine's) is what ev_clock hands on; timers run on real time. */
MUST int ev_new(const struct clock *clock, struct ev **out, struct err *e);
/*
 * Frees the loop with every watch and stream left in it, without calling them. Children that
 * still run are killed with their process group; work in the pool is waited for, its done_fn is
 * not called. Not from inside a callback. NULL is accepted; returns NULL.
 */
struct ev *ev_free(struct ev *ev);
void ev_freep(struct ev **ev);
/* Serves events until ev_stop. Without anything to watch it still waits (for ev_post). */
MUST int ev_run(struct ev *ev, struct err *e);
/*
 * Serves events until ev_stop (0) or until `for_ms` passed (1). For tests and blocking clients.
 */
MUST int ev_run_for(struct ev *ev, int64_t for_ms, struct err *e);
/*
 * Makes the running (else the next) ev_run return soon; callbacks that are due already may
 * still come first. Any thread.
 */
void ev_stop(struct ev *ev);
const struct clock *ev_clock(const struct ev *ev);

/* Stops and frees. NULL is accepted; returns NULL: `x->timer = ev_watch_free(x->timer);` */
struct ev_watch *ev_watch_free(struct ev_watch *w);

/*
 * Calls fn once, `after_ms` (≥ 0) from now. With `out` NULL the watch frees itself afterwards;
 * else it stays, idle, for ev_timer_again or ev_watch_free.
 */
MUST int ev_timer(struct ev *ev, int64_t after_ms, ev_fn *fn, void *user, struct ev_watch **out,
		  struct err *e);
/* As ev_timer, then every `every_ms` (≥ 1) until freed; missed beats are not made up for. */
MUST int ev_timer_every(struct ev *ev, int64_t after_ms, int64_t every_ms, ev_fn *fn,
			void *user, struct ev_watch **out, struct err *e);
/* Sets a one-shot timer (again) to `after_ms` from now, forgetting the earlier moment. */
void ev_timer_again(struct ev_watch *timer, int64_t after_ms);
/* Makes a timer idle without freeing it. */
void ev_timer_stop(struct ev_watch *timer);

enum { EV_READ = 1, EV_WRITE = 2 };
typedef void ev_fd_fn(void *user, int events);
/*
 * Calls fn whenever `fd` is ready for one of `events` (EV_READ | EV_WRITE; hang-up counts as
 * both). The fd stays the caller's, becomes non-blocking, and is watched once at most; free the
 * watch before closing it. Works on pidfds: readable when the process ended.
 */
MUST int ev_fd(struct ev *ev, int fd, int events, ev_fd_fn *fn, void *user,
	       struct ev_watch **out, struct err *e);
/* Watches for other events from now on; 0 pauses. */
void ev_fd_change(struct ev_watch *w, int events);

/* Calls fn in the loop when the process receives `signum`. One loop of the process only. */
MUST int ev_signal(struct ev *ev, int signum, ev_fn *fn, void *user, struct ev_watch **out,
		   struct err *e);

/* Calls fn in the loop soon, in the order of posting. Any thread. At most EV_POSTS_MAX wait. */
enum { EV_POSTS_MAX = 65536 };
MUST int ev_post(struct ev *ev, ev_fn *fn, void *user, struct err *e);

/*
 * Runs work_fn in a pool thread, then done_fn (may be NULL) in the loop. work_fn may block
 * (disk, SQL, DNS) and must not touch the loop except by ev_post. At most EV_WORKS_MAX wait or
 * run.
 */
enum { EV_WORKS_MAX = 4096 };
MUST int ev_work(struct ev *ev, ev_fn *work_fn, ev_fn *done_fn, void *user, struct err *e);
