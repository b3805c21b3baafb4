/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The client. One stream at a time; requests under way stand in a list, found by serial.
 *
 *     apart ──connect──▶ greeting (hello, subscribe sent) ──hello's reply──▶ joined
 *       ▲                    │ closed                                          │ closed
 *       └── RETRY_… ms ──────┴─────────────────────────────────────────────────┘
 */
#include "supervise/client.h"

#include "base/mem.h"
#include "ev/stream.h"

enum {
	RETRY_MIN_MS = 20,
	RETRY_MAX_MS = 1000,
	TIMEOUT_MS = 30000,
	STOP_TIMEOUT_MS = 3630000,
	ANSWER_BYTES = 32 << 20, /* a line and its tree */
	OUT_BYTES = 8 << 20,
	PATH_BYTES = 4096,
};

struct open_request {
	struct open_request *next;
	struct supervise_client *client;
	struct ev_watch *limit;
	int64_t serial;
	supervise_reply_fn *fn;
	void *user;
};

struct supervise_client {
	struct ev *ev;
	struct supervise_client_handlers h;
	struct ev_stream *stream;
	struct ev_watch *retry;
	int64_t retry_ms, serial;
	struct open_request *open;
	size_t open_count;
	bool is_joined;
	bool is_failing, is_freed; /* freed inside a callback of fail_all: released after it */
	char path[PATH_BYTES];
};

/* ---- requests under way ---- */

static void open_free(struct open_request *o)
{
	ev_watch_free(o->limit);
	mem_free(o);
}

/* Takes the request off the list, or NULL. */
static struct open_request *open_take(struct supervise_client *c, int64_t serial)
{
	for (struct open_request **at = &c->open; *at; at = &(*at)->next) {
		struct open_request *o = *at;
		if (o->serial == serial) {
			*at = o->next;
			c->open_count--;
			return o;
		}
	}
	return NULL;
}

static void answer(struct open_request *o, const struct supervise_reply *reply)
{
	supervise_reply_fn *fn = o->fn;
	void *user = o->user;
	open_free(o);
	fn(user, reply);
}

static void on_limit(void *user)
{
	struct open_request *o = user;
	struct supervise_reply reply = {.serial = o->serial};
	(void)err_fail(&reply.error, ERR_TIMEOUT, "the supervisor does not answer");
	ASSERT(open_take(o->client, o->serial) == o);
	answer(o, &reply);
}

/* Each callback may free the client: true if one did, then nothing of it may be touched. */
static bool fail_all(struct supervise_client *c, const struct err *why)
{
	c->is_failing = true;
	while (!c->is_freed && c->open) {
		struct supervise_reply reply = {.serial = c->open->serial, .error = *why};
		answer(open_take(c, c->open->serial), &reply);
	}
	c->is_failing = false;
	bool is_freed = c->is_freed;
	if (is_freed)
		mem_free(c);
	return is_freed;
}

static int64_t own_timeout(const struct supervise_request *rq)
{
	bool waits = rq->verb == SUPERVISE_STOP || rq->verb == SUPERVISE_RESTART ||
		     rq->verb == SUPERVISE_REMOVE || rq->verb == SUPERVISE_START;
	return rq->verb == SUPERVISE_RUN ? rq->run->timeout_ms + TIMEOUT_MS
	       : waits			 ? STOP_TIMEOUT_MS
					 : TIMEOUT_MS;
}

static int send_request(struct ev_stream *stream, const struct supervise_request *rq,
			int64_t serial, struct err *e)
{
	struct supervise_request numbered = *rq;
	numbered.serial = serial;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	supervise_request_write(&numbered, &b);
	if (buf_check(&b, e) < 0)
		return err_in(e, "write the request");
	return ev_stream_send(stream, buf_str(&b), e);
}

static int request(struct supervise_client *c, const struct supervise_request *rq,
		   int64_t timeout_ms, supervise_reply_fn *fn, void *user, struct err *e)
{
	if (c->open_count == SUPERVISE_REQUESTS_MAX)
		return err_fail(e, ERR_BUSY, "%d requests wait for the supervisor",
				SUPERVISE_REQUESTS_MAX);
	struct open_request *o = MEM_NEW(struct open_request, e);
	if (!o)
		return -1;
	*o = (struct open_request){
		.client = c, .serial = ++c->serial, .fn = fn, .user = user, .next = c->open};
	int64_t limit_ms = timeout_ms ? timeout_ms : own_timeout(rq);
	if (ev_timer(c->ev, limit_ms, on_limit, o, &o->limit, e) < 0 ||
	    send_request(c->stream, rq, o->serial, e) < 0) {
		open_free(o);
		return -1;
	}
	c->open = o;
	c->open_count++;
	return 0;
}

MUST int supervise_request(struct supervise_client *c, const struct supervise_request *rq,
			   int64_t timeout_ms, supervise_reply_fn *fn, void *user,
			   struct err *e)
{
	if (!c->is_joined)
		return err_fail(e, ERR_UNREACHABLE, "the supervisor is not there");
	return request(c, rq, timeout_ms, fn, user, e);
}

/* ---- the connection ---- */

static void try_to_connect(struct supervise_client *c);

static void on_retry(void *user)
{
	try_to_connect(user);
}

static void retry_later(struct supervise_client *c)
{
	ev_timer_again(c->retry, c->retry_ms);
	c->retry_ms = MIN_OF(c->retry_ms * 2, (int64_t)RETRY_MAX_MS);
}

static void on_closed(void *user, const struct err *why)
{
	struct supervise_client *c = user;
	bool was_joined = c->is_joined;
	struct err told = *why, lost = ERR_INIT;
	c->is_joined = false;
	c->stream = ev_stream_free(c->stream);
	retry_later(c);
	(void)err_fail(&lost, ERR_UNREACHABLE, "the connection to the supervisor was lost");
	if (fail_all(c, &lost))
		return;
	if (was_joined && c->h.disconnected)
		c->h.disconnected(c->h.user, &told);
}

static void break_off(struct supervise_client *c, const struct err *why)
{
	on_closed(c, why);
}

static void on_message(void *user, struct str line)
{
	struct supervise_client *c = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct supervise_reply reply;
	struct supervise_event event;
	struct err e = ERR_INIT;
	int rc = arena_new(ANSWER_BYTES, &a, &e);
	if (rc == 0)
		rc = supervise_answer_read(line, a, &reply, &event, &e);
	if (rc < 0) {
		break_off(c, &e);
	} else if (rc == 1) {
		if (c->is_joined && c->h.event)
			c->h.event(c->h.user, &event);
	} else {
		struct open_request *o = open_take(c, reply.serial);
		if (o)
			answer(o, &reply);
	}
}

static void on_hello(void *user, const struct supervise_reply *reply)
{
	struct supervise_client *c = user;
	if (reply->error.kind != ERR_NONE || !reply->hello) {
		if (c->stream)
			break_off(c, &reply->error);
		return;
	}
	c->is_joined = true;
	c->retry_ms = RETRY_MIN_MS;
	if (c->h.connected)
		c->h.connected(c->h.user, reply->hello);
}

static void on_subscribed(void *user UNUSED, const struct supervise_reply *reply UNUSED)
{
	/* A failure would have ended the connection. */
}

static void try_to_connect(struct supervise_client *c)
{
	struct ev_stream_options o = {.framing = EV_LINES,
				      .message_max_bytes = SUPERVISE_LINE_MAX,
				      .out_max_bytes = OUT_BYTES,
				      .message = on_message,
				      .closed = on_closed,
				      .user = c};
	struct supervise_request hello = {.verb = SUPERVISE_HELLO},
				 subscribe = {.verb = SUPERVISE_SUBSCRIBE};
	struct err e = ERR_INIT;
	if (ev_stream_connect_unix(c->ev, c->path, &o, &c->stream, &e) < 0) {
		c->stream = NULL;
		retry_later(c);
	} else if (request(c, &subscribe, 0, on_subscribed, c, &e) < 0 ||
		   request(c, &hello, 0, on_hello, c, &e) < 0) {
		break_off(c, &e);
	}
}

MUST int supervise_client_new(struct ev *ev, const char *socket_path,
			      const struct supervise_client_handlers *h,
			      struct supervise_client **out, struct err *e)
{
	struct supervise_client *c = MEM_NEW(struct supervise_client, e);
	if (!c)
		return -1;
	c->ev = ev;
	c->h = *h;
	c->retry_ms = RETRY_MIN_MS;
	int n = snprintf(c->path, sizeof c->path, "%s", socket_path);
	if (n < 0 || (size_t)n >= sizeof c->path) {
		mem_free(c);
		return err_fail(e, ERR_INVALID, "the socket's path is too long");
	}
	if (ev_timer(ev, 0, on_retry, c, &c->retry, e) < 0) {
		mem_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

struct supervise_client *supervise_client_free(struct supervise_client *c)
{
	if (!c)
		return NULL;
	while (c->open)
		open_free(open_take(c, c->open->serial));
	ev_watch_free(c->retry);
	ev_stream_free(c->stream);
	c->is_freed = true;
	if (!c->is_failing)
		mem_free(c);
	return NULL;
}

bool supervise_client_is_connected(const struct supervise_client *c)
{
	return c->is_joined;
}

/* ---- blocking ---- */

enum { SERIAL_SUBSCRIBE = 1, SERIAL_REQUEST = 2 };

struct blocking {
	struct ev *ev;
	struct ev_stream *stream;
	struct arena *a;
	const struct supervise_request *rq;
	bool is_for_event;
	enum supervise_event_kind kind;
	struct str id;
	struct supervise_reply reply;
	struct supervise_event event;
	struct err e;
	bool is_done;
};

static void blocking_end(struct blocking *b)
{
	b->is_done = true;
	ev_stop(b->ev);
}

static void blocking_closed(void *user, const struct err *why)
{
	struct blocking *b = user;
	b->stream = ev_stream_free(b->stream);
	if (b->is_done)
		return;
	b->e = *why;
	if (why->kind == ERR_NONE)
		(void)err_fail(&b->e, ERR_UNREACHABLE, "the supervisor closed the connection");
	blocking_end(b);
}

static void blocking_reply(struct blocking *b)
{
	if (b->reply.error.kind != ERR_NONE) {
		b->e = b->reply.error;
		blocking_end(b);
	} else if (b->reply.serial == SERIAL_REQUEST && !b->is_for_event) {
		blocking_end(b);
	} else if (b->reply.serial == SERIAL_SUBSCRIBE && b->rq) {
		if (send_request(b->stream, b->rq, SERIAL_REQUEST, &b->e) < 0)
			blocking_end(b);
	}
}

static void blocking_message(void *user, struct str line)
{
	struct blocking *b = user;
	if (b->is_done)
		return;
	int rc = supervise_answer_read(line, b->a, &b->reply, &b->event, &b->e);
	bool is_it = rc == 1 && b->is_for_event && b->event.kind == b->kind &&
		     (b->id.n == 0 || str_eq(b->id, b->event.id));
	if (rc < 0 || is_it)
		blocking_end(b);
	else if (rc == 0)
		blocking_reply(b);
}

static int blocking_run(struct blocking *b, const char *socket_path, int64_t timeout_ms,
			struct err *e)
{
	struct ev *ev CLEAN(ev_freep) = NULL;
	struct ev_stream_options o = {.framing = EV_LINES,
				      .message_max_bytes = SUPERVISE_LINE_MAX,
				      .out_max_bytes = OUT_BYTES,
				      .message = blocking_message,
				      .closed = blocking_closed,
				      .user = b};
	struct supervise_request subscribe = {.verb = SUPERVISE_SUBSCRIBE};
	if (ev_new(NULL, &ev, e) < 0 ||
	    ev_stream_connect_unix(ev, socket_path, &o, &b->stream, e) < 0)
		return -1;
	b->ev = ev;
	int rc = b->is_for_event ? send_request(b->stream, &subscribe, SERIAL_SUBSCRIBE, e)
				 : send_request(b->stream, b->rq, SERIAL_REQUEST, e);
	if (rc == 0)
		rc = ev_run_for(ev, timeout_ms, e);
	b->stream = ev_stream_free(b->stream);
	if (rc == 1)
		return err_fail(e, ERR_TIMEOUT, "the supervisor did not %s within %lld ms",
				b->is_for_event ? supervise_event_name(b->kind) : "answer",
				(long long)timeout_ms);
	if (rc == 0 && b->e.kind != ERR_NONE) {
		*e = b->e;
		return -1;
	}
	return rc;
}

MUST int supervise_call(const char *socket_path, const struct supervise_request *rq,
			int64_t timeout_ms, struct arena *a, struct supervise_reply *out,
			struct err *e)
{
	struct blocking b = {.a = a, .rq = rq};
	if (blocking_run(&b, socket_path, timeout_ms, e) < 0)
		return -1;
	*out = b.reply;
	return 0;
}

MUST int supervise_await(const char *socket_path, const struct supervise_request *rq,
			 enum supervise_event_kind kind, struct str id, int64_t timeout_ms,
			 struct arena *a, struct supervise_event *out, struct err *e)
{
	struct blocking b = {.a = a, .rq = rq, .is_for_event = true, .kind = kind, .id = id};
	if (blocking_run(&b, socket_path, timeout_ms, e) < 0)
		return -1;
	*out = b.event;
	return 0;
}
