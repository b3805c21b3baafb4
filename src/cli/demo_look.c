/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the demo sees: instances, services and their processes, the node's status, the events. */
#include "base/clock.h"
#include "cli/demo.h"
#include "cli/orders.h"
#include "ev/stream.h"
#include "supervise/client.h"

enum { LOOK_MS = 10000, STATUS_MAX = 16 << 20, TICK_MS = 200, EVENT_WAIT_S = 5 };

/* ---- instances ----------------------------------------------------------------------------- */

MUST int demo_reload(struct demo *d, struct demo_order *o, struct err *e)
{
	struct str path =
		client_path(d->call, "/v1/instances/", o->title, "?customer=" DEMO_CUSTOMER);
	return client_get(d->call, path, &o->instance, e);
}

/* ---- services ------------------------------------------------------------------------------ */

MUST int demo_services(struct demo *d, struct demo_services *out, struct err *e)
{
	const struct supervise_request rq = {.verb = SUPERVISE_LIST};
	struct supervise_reply reply;
	out->count = 0;
	if (supervise_call(d->socket, &rq, LOOK_MS, d->call->arena, &reply, e) < 0)
		return err_in(e, "ask the supervisor");
	for (size_t i = 0; i < reply.service_count && out->count < DEMO_SERVICES_MAX; i++) {
		const struct supervise_status *s = &reply.services[i];
		struct demo_service *to = &out->list[out->count++];
		*to = (struct demo_service){
			.pid = s->pid,
			.respawns = s->respawns,
			.started_at_ms = s->started_at_ms,
			.is_up = s->state == SUPERVISE_UP,
		};
		(void)snprintf(to->id, sizeof to->id, "%" STR_F, STR_A(s->id));
	}
	return 0;
}

MUST int demo_service_of(struct demo *d, const struct demo_order *o, struct demo_service *out,
			 struct err *e)
{
	struct demo_services all;
	struct str id = arena_fmt(d->call->arena, "%" STR_F "/%s",
				  STR_A(client_text(o->instance, "partition")), o->service);
	if (demo_services(d, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++)
		if (str_is(id, all.list[i].id) && all.list[i].is_up) {
			*out = all.list[i];
			return 0;
		}
	return err_fail(e, ERR_BROKEN, "%" STR_F " does not run", STR_A(id));
}

static const struct demo_service *find(const struct demo_services *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].id, id) == 0)
			return &all->list[i];
	return NULL;
}

MUST int demo_same_pids(struct demo *d, const struct demo_services *before, struct str but,
			struct err *e)
{
	struct demo_services now;
	if (demo_services(d, &now, e) < 0)
		return -1;
	for (size_t i = 0; i < before->count; i++) {
		const struct demo_service *was = &before->list[i];
		if (str_eq(str_sub(str_from(was->id), 0, str_find_char(str_from(was->id), '/')),
			   but))
			continue;
		const struct demo_service *is = find(&now, was->id);
		if (!is || is->pid != was->pid || is->respawns != was->respawns)
			return err_fail(e, ERR_BROKEN, "%s was process %lld, and is %lld now",
					was->id, (long long)was->pid,
					(long long)(is ? is->pid : 0));
	}
	return 0;
}

/* ---- the node's status --------------------------------------------------------------------- */

struct follow {
	struct demo *demo;
	struct ev *ev;
	struct ev_stream *stream;
	struct arena *memory; /* of the last status */
	struct json *status;
	demo_status_fn *fn;
	void *user;
	int rc;
	struct err *e;
};

static void ask(struct follow *f)
{
	if (f->rc != 0 || !f->status)
		return;
	f->rc = f->fn(f->user, f->status, f->e);
	if (f->rc != 0)
		ev_stop(f->ev);
}

static void status_line(void *user, struct str text)
{
	struct follow *f = user;
	struct err e = ERR_INIT;
	f->status = NULL;
	arena_clear(f->memory);
	if (json_parse(text, f->memory, &f->status, &e) < 0)
		f->status = NULL;
	ask(f);
}

static void status_closed(void *user, const struct err *why UNUSED)
{
	struct follow *f = user;
	f->stream = ev_stream_free(f->stream);
}

static void connect_status(struct follow *f)
{
	const struct ev_stream_options o = {
		.framing = EV_LINES,
		.message_max_bytes = STATUS_MAX,
		.out_max_bytes = 64,
		.message = status_line,
		.closed = status_closed,
		.user = f,
	};
	struct err absent = ERR_INIT;
	struct str path = arena_fmt(f->memory, "%s/node.sock", f->demo->node_dir);
	if (ev_stream_connect_unix(f->ev, path.p, &o, &f->stream, &absent) < 0 ||
	    ev_stream_send(f->stream, S("follow"), &absent) < 0)
		f->stream = ev_stream_free(f->stream);
}

/* A node that is not there yet is asked again. */
static void tick(void *user)
{
	struct follow *f = user;
	if (!f->stream)
		connect_status(f);
	ask(f);
}

static int follow_until(struct follow *f, int64_t for_ms, struct err *e)
{
	if (arena_new(STATUS_MAX, &f->memory, e) < 0 || ev_new(NULL, &f->ev, e) < 0 ||
	    ev_timer_every(f->ev, 0, TICK_MS, tick, f, NULL, e) < 0)
		return -1;
	int rc = ev_run_for(f->ev, for_ms, e);
	if (rc < 0 || f->rc < 0)
		return -1;
	if (f->rc > 0)
		return 0;
	return err_fail(e, ERR_TIMEOUT,
			f->status ? "not so after %lld s"
				  : "the node's agent does not answer after %lld s",
			(long long)(for_ms / 1000));
}

MUST int demo_follow(struct demo *d, int64_t for_ms, demo_status_fn *fn, void *user,
		     struct err *e)
{
	struct follow f = {.demo = d, .fn = fn, .user = user, .e = e};
	int rc = follow_until(&f, for_ms, e);
	ev_stream_free(f.stream);
	ev_free(f.ev);
	arena_free(f.memory);
	return rc;
}

/* ---- events -------------------------------------------------------------------------------- */

MUST int demo_sequence(struct demo *d, int64_t *out, struct err *e)
{
	struct json *doc;
	if (client_get(d->call, S("/v1/status"), &doc, e) < 0)
		return -1;
	*out = client_i64(doc, "sequence");
	return 0;
}

/* One answer of the chain: 1 done, 0 go on. */
static int take_events(const struct json *list, int64_t *since, demo_event_fn *fn, void *user,
		       struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < json_count(list) && rc == 0; i++) {
		const struct json *event = json_at(list, i);
		*since = client_i64(event, "sequence");
		rc = fn(user, event, e);
	}
	return rc;
}

MUST int demo_events(struct demo *d, int64_t *since, int64_t for_ms, demo_event_fn *fn,
		     void *user, struct err *e)
{
	int64_t until_ms = clock_mono_ms(clock_system()) + for_ms;
	struct json *doc;
	for (;;) {
		int64_t left_s = (until_ms - clock_mono_ms(clock_system()) + 999) / 1000;
		if (left_s <= 0)
			return err_fail(e, ERR_TIMEOUT, "not so after %lld s",
					(long long)(for_ms / 1000));
		struct str path = arena_fmt(
			d->call->arena, "/v1/events?since=%lld&limit=1000&wait=%lld",
			(long long)*since, (long long)MIN_OF(left_s, (int64_t)EVENT_WAIT_S));
		if (client_get(d->call, path, &doc, e) < 0)
			return -1;
		int rc = take_events(json_get(doc, S("events")), since, fn, user, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
}
