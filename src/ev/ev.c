/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The loop over libuv.
 *
 * A libuv handle may only be freed in its close callback, one turn of the loop later; a watch
 * is therefore "closed" (off the ring, callback dead) at ev_watch_free and its memory goes
 * later. Invariants: (1) a watch on the ring is open; (2) ev->async is open for as long as the
 * loop lives, which is what keeps ev_run waiting; (3) posts and the stop flag are the only
 * members that other threads touch, under the lock or atomically.
 */
#include "ev/ev.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/mem.h"
#include "ev/ev_impl.h"

enum watch_kind { WATCH_TIMER, WATCH_FD, WATCH_SIGNAL };

struct ev_watch {
	struct ev_owned ring;
	union {
		uv_handle_t handle;
		uv_timer_t timer;
		uv_poll_t poll;
		uv_signal_t signal;
	} u;
	enum watch_kind kind;
	bool is_self_freeing;
	ev_fn *fn;
	ev_fd_fn *fd_fn;
	void *user;
};

struct post {
	struct post *next;
	ev_fn *fn;
	void *user;
};

struct work {
	uv_work_t req;
	struct ev_owned ring;
	struct ev *ev;
	ev_fn *work_fn, *done_fn;
	void *user;
};

struct ev {
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t limit; /* of ev_run_for */
	const struct clock *clock;
	struct ev_owned things, watches, works;
	size_t work_count;
	bool has_passed; /* the limit */
	bool is_closing;
	atomic_bool must_stop;
	_Atomic(pthread_t) runner;
	pthread_mutex_t lock;
	struct post *posts, **last_post; /* under lock */
	size_t post_count;		 /* under lock */
};

static int uv_fail(struct err *e, int rc, const char *what)
{
	return err_os(e, -rc, "%s", what);
}

void ev_ring_init(struct ev_owned *head)
{
	head->next = head->prev = head;
}

static void ring_add(struct ev_owned *head, struct ev_owned *o)
{
	o->prev = head->prev;
	o->next = head;
	head->prev->next = o;
	head->prev = o;
}

static void ring_remove(struct ev_owned *o)
{
	o->prev->next = o->next;
	o->next->prev = o->prev;
	o->next = o->prev = o;
}

void ev_own(struct ev *ev, struct ev_owned *o, void (*fini)(struct ev_owned *o))
{
	o->fini = fini;
	ring_add(&ev->things, o);
}

void ev_disown(struct ev_owned *o)
{
	ring_remove(o);
}

/* ---- the loop ---- */

static struct post *take_posts(struct ev *ev)
{
	(void)pthread_mutex_lock(&ev->lock);
	struct post *p = ev->posts;
	ev->posts = NULL;
	ev->last_post = &ev->posts;
	ev->post_count = 0;
	(void)pthread_mutex_unlock(&ev->lock);
	return p;
}

static void on_async(uv_async_t *async)
{
	struct ev *ev = CONTAINER_OF(async, struct ev, async);
	if (atomic_load(&ev->must_stop))
		uv_stop(&ev->loop);
	struct post *p = take_posts(ev);
	while (p) {
		struct post *next = p->next;
		p->fn(p->user);
		mem_free(p);
		p = next;
	}
}

static void on_limit(uv_timer_t *limit)
{
	struct ev *ev = CONTAINER_OF(limit, struct ev, limit);
	ev->has_passed = true;
	uv_stop(&ev->loop);
}

static int init_handles(struct ev *ev, struct err *e)
{
	int rc = uv_async_init(&ev->loop, &ev->async, on_async);
	if (rc == 0)
		rc = uv_timer_init(&ev->loop, &ev->limit);
	return rc < 0 ? uv_fail(e, rc, "make the event loop's handles") : 0;
}

MUST int ev_new(const struct clock *clock, struct ev **out, struct err *e)
{
	struct ev *ev = MEM_NEW(struct ev, e);
	if (!ev)
		return -1;
	ev->clock = clock ? clock : clock_system();
	ev_ring_init(&ev->things);
	ev_ring_init(&ev->watches);
	ev_ring_init(&ev->works);
	ev->last_post = &ev->posts;
	int rc = uv_loop_init(&ev->loop);
	if (rc < 0) {
		mem_free(ev);
		return uv_fail(e, rc, "make an event loop");
	}
	(void)pthread_mutex_init(&ev->lock, NULL);
	if (init_handles(ev, e) < 0) {
		ev_free(ev);
		return -1;
	}
	*out = ev;
	return 0;
}

static void close_handle(uv_handle_t *h, void *user UNUSED)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

struct ev *ev_free(struct ev *ev)
{
	if (!ev)
		return NULL;
	ev->is_closing = true;
	while (ev->things.next != &ev->things)
		ev->things.next->fini(ev->things.next);
	while (ev->watches.next != &ev->watches)
		ev_watch_free(CONTAINER_OF(ev->watches.next, struct ev_watch, ring));
	for (struct ev_owned *o = ev->works.next; o != &ev->works; o = o->next)
		(void)uv_cancel((uv_req_t *)&CONTAINER_OF(o, struct work, ring)->req);
	uv_walk(&ev->loop, close_handle, NULL);
	/* An earlier uv_stop ends one turn; requests of the pool end in their time. */
	do
		(void)uv_run(&ev->loop, UV_RUN_DEFAULT);
	while (uv_loop_close(&ev->loop) == UV_EBUSY);
	for (struct post *p = take_posts(ev), *next; p; p = next) {
		next = p->next;
		mem_free(p);
	}
	(void)pthread_mutex_destroy(&ev->lock);
	mem_free(ev);
	return NULL;
}

void ev_freep(struct ev **ev)
{
	*ev = ev_free(*ev);
}

MUST int ev_run(struct ev *ev, struct err *e)
{
	atomic_store(&ev->runner, pthread_self());
	while (!atomic_exchange(&ev->must_stop, false)) {
		int rc = uv_run(&ev->loop, UV_RUN_DEFAULT);
		if (rc < 0)
			return uv_fail(e, rc, "run the event loop");
	}
	return 0;
}

MUST int ev_run_for(struct ev *ev, int64_t for_ms, struct err *e)
{
	atomic_store(&ev->runner, pthread_self());
	ev->has_passed = false;
	uv_update_time(&ev->loop);
	int rc = uv_timer_start(&ev->limit, on_limit, (uint64_t)MAX_OF(for_ms, 0), 0);
	bool has_stopped = false;
	while (rc >= 0 && !ev->has_passed && !has_stopped) {
		has_stopped = atomic_exchange(&ev->must_stop, false);
		if (!has_stopped)
			rc = uv_run(&ev->loop, UV_RUN_DEFAULT);
	}
	(void)uv_timer_stop(&ev->limit);
	if (rc < 0)
		return uv_fail(e, rc, "run the event loop");
	return has_stopped || atomic_exchange(&ev->must_stop, false) ? 0 : 1;
}

void ev_stop(struct ev *ev)
{
	atomic_store(&ev->must_stop, true);
	if (pthread_equal(atomic_load(&ev->runner), pthread_self()))
		uv_stop(&ev->loop);
	else
		(void)uv_async_send(&ev->async);
}

const struct clock *ev_clock(const struct ev *ev)
{
	return ev->clock;
}

/* ---- watches ---- */

static struct ev_watch *watch_new(struct ev *ev, enum watch_kind kind, void *user,
				  struct err *e)
{
	ASSERT(!ev->is_closing);
	struct ev_watch *w = MEM_NEW(struct ev_watch, e);
	if (!w)
		return NULL;
	w->kind = kind;
	w->user = user;
	ev_ring_init(&w->ring);
	return w;
}

static void on_closed(uv_handle_t *h)
{
	mem_free(CONTAINER_OF(h, struct ev_watch, u.handle));
}

struct ev_watch *ev_watch_free(struct ev_watch *w)
{
	if (!w)
		return NULL;
	ring_remove(&w->ring);
	uv_close(&w->u.handle, on_closed);
	return NULL;
}

/* Ends the making of a watch whose handle was initialised with `rc_init`, started with `rc`. */
static int watch_finish(struct ev *ev, struct ev_watch *w, int rc_init, int rc,
			const char *what, struct ev_watch **out, struct err *e)
{
	if (rc_init < 0) { /* libuv does not know the handle: nothing to close */
		mem_free(w);
		return uv_fail(e, rc_init, what);
	}
	ring_add(&ev->watches, &w->ring);
	if (rc < 0) {
		ev_watch_free(w);
		return uv_fail(e, rc, what);
	}
	if (out)
		*out = w;
	return 0;
}

static void on_timer(uv_timer_t *t)
{
	struct ev_watch *w = CONTAINER_OF(t, struct ev_watch, u.timer);
	ev_fn *fn = w->fn;
	void *user = w->user;
	if (w->is_self_freeing)
		ev_watch_free(w);
	fn(user);
}

static int timer_start(struct ev *ev, int64_t after_ms, int64_t every_ms, ev_fn *fn, void *user,
		       struct ev_watch **out, struct err *e)
{
	struct ev_watch *w = watch_new(ev, WATCH_TIMER, user, e);
	if (!w)
		return -1;
	w->fn = fn;
	w->is_self_freeing = !out && every_ms == 0;
	uv_update_time(&ev->loop);
	int rc_init = uv_timer_init(&ev->loop, &w->u.timer);
	int rc = rc_init < 0
			 ? rc_init
			 : uv_timer_start(&w->u.timer, on_timer, (uint64_t)MAX_OF(after_ms, 0),
					  (uint64_t)every_ms);
	return watch_finish(ev, w, rc_init, rc, "start a timer", out, e);
}

MUST int ev_timer(struct ev *ev, int64_t after_ms, ev_fn *fn, void *user, struct ev_watch **out,
		  struct err *e)
{
	return timer_start(ev, after_ms, 0, fn, user, out, e);
}

MUST int ev_timer_every(struct ev *ev, int64_t after_ms, int64_t every_ms, ev_fn *fn,
			void *user, struct ev_watch **out, struct err *e)
{
	ASSERT(every_ms > 0);
	return timer_start(ev, after_ms, every_ms, fn, user, out, e);
}

void ev_timer_again(struct ev_watch *timer, int64_t after_ms)
{
	ASSERT(timer->kind == WATCH_TIMER);
	uv_timer_t *t = &timer->u.timer;
	uv_update_time(t->loop);
	ASSERT(uv_timer_start(t, on_timer, (uint64_t)MAX_OF(after_ms, 0),
			      uv_timer_get_repeat(t)) == 0);
}

void ev_timer_stop(struct ev_watch *timer)
{
	ASSERT(timer->kind == WATCH_TIMER);
	(void)uv_timer_stop(&timer->u.timer);
}

/* A failed descriptor counts as ready for all: its owner reads or writes and sees the error. */
static void on_poll(uv_poll_t *p, int status, int events)
{
	struct ev_watch *w = CONTAINER_OF(p, struct ev_watch, u.poll);
	int ready = 0;
	if (status < 0 || (events & UV_READABLE))
		ready |= EV_READ;
	if (status < 0 || (events & UV_WRITABLE))
		ready |= EV_WRITE;
	w->fd_fn(w->user, ready);
}

static int poll_events(int events)
{
	return (events & EV_READ ? UV_READABLE : 0) | (events & EV_WRITE ? UV_WRITABLE : 0);
}

MUST int ev_fd(struct ev *ev, int fd, int events, ev_fd_fn *fn, void *user,
	       struct ev_watch **out, struct err *e)
{
	struct ev_watch *w = watch_new(ev, WATCH_FD, user, e);
	if (!w)
		return -1;
	w->fd_fn = fn;
	int rc_init = uv_poll_init(&ev->loop, &w->u.poll, fd), rc = rc_init;
	if (rc_init >= 0 && events)
		rc = uv_poll_start(&w->u.poll, poll_events(events), on_poll);
	return watch_finish(ev, w, rc_init, rc, "watch a descriptor", out, e);
}

void ev_fd_change(struct ev_watch *w, int events)
{
	ASSERT(w->kind == WATCH_FD);
	if (events)
		ASSERT(uv_poll_start(&w->u.poll, poll_events(events), on_poll) == 0);
	else
		(void)uv_poll_stop(&w->u.poll);
}

static void on_signal(uv_signal_t *s, int signum UNUSED)
{
	struct ev_watch *w = CONTAINER_OF(s, struct ev_watch, u.signal);
	w->fn(w->user);
}

MUST int ev_signal(struct ev *ev, int signum, ev_fn *fn, void *user, struct ev_watch **out,
		   struct err *e)
{
	struct ev_watch *w = watch_new(ev, WATCH_SIGNAL, user, e);
	if (!w)
		return -1;
	w->fn = fn;
	int rc_init = uv_signal_init(&ev->loop, &w->u.signal);
	int rc = rc_init < 0 ? rc_init : uv_signal_start(&w->u.signal, on_signal, signum);
	return watch_finish(ev, w, rc_init, rc, "watch a signal", out, e);
}

/* ---- other threads ---- */

MUST int ev_post(struct ev *ev, ev_fn *fn, void *user, struct err *e)
{
	struct post *p = MEM_NEW(struct post, e);
	if (!p)
		return -1;
	*p = (struct post){.fn = fn, .user = user};
	(void)pthread_mutex_lock(&ev->lock);
	bool has_room = ev->post_count < EV_POSTS_MAX;
	if (has_room) {
		*ev->last_post = p;
		ev->last_post = &p->next;
		ev->post_count++;
	}
	(void)pthread_mutex_unlock(&ev->lock);
	if (!has_room) {
		mem_free(p);
		return err_fail(e, ERR_BUSY, "%d calls wait for the event loop", EV_POSTS_MAX);
	}
	(void)uv_async_send(&ev->async);
	return 0;
}

static void on_work(uv_work_t *req)
{
	struct work *k = CONTAINER_OF(req, struct work, req);
	k->work_fn(k->user);
}

static void on_work_done(uv_work_t *req, int status)
{
	struct work *k = CONTAINER_OF(req, struct work, req);
	ring_remove(&k->ring);
	k->ev->work_count--;
	if (k->done_fn && status == 0 && !k->ev->is_closing)
		k->done_fn(k->user);
	mem_free(k);
}

MUST int ev_work(struct ev *ev, ev_fn *work_fn, ev_fn *done_fn, void *user, struct err *e)
{
	if (ev->work_count == EV_WORKS_MAX)
		return err_fail(e, ERR_BUSY, "%d tasks wait for the thread pool", EV_WORKS_MAX);
	struct work *k = MEM_NEW(struct work, e);
	if (!k)
		return -1;
	k->ev = ev;
	k->work_fn = work_fn;
	k->done_fn = done_fn;
	k->user = user;
	int rc = uv_queue_work(&ev->loop, &k->req, on_work, on_work_done);
	if (rc < 0) {
		mem_free(k);
		return uv_fail(e, rc, "hand a task to the thread pool");
	}
	ring_add(&ev->works, &k->ring);
	ev->work_count++;
	return 0;
}
