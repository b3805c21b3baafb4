/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The status socket. Each reader is a stream; those that follow get a fresh line when something
 * changed, gathered over a fifth of a second.
 */
#include "agent/status.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/stream.h"
#include "json/json.h"

enum { READERS_MAX = 32, GATHER_MS = 200, STATUS_MEMORY = 64 << 20, LINE_MAX_BYTES = 16 << 20 };

struct reader {
	struct status *status;
	struct ev_stream *stream; /* NULL: free */
	bool is_following;
};

struct status {
	struct ev *ev;
	struct doer *doer;
	char *node;
	struct ev_listener *listener;
	struct ev_watch *gather;
	bool is_gathering;
	struct reader readers[READERS_MAX];
};

/* ---- the text ------------------------------------------------------------------------------ */

static const char *want_name(enum plan_want want)
{
	static const char *const names[] = {[PLAN_NOTHING] = "free",
					    [PLAN_STARTED] = "started",
					    [PLAN_STOPPED] = "stopped",
					    [PLAN_DESTROYED] = "destroyed"};
	return names[want];
}

static const char *now_name(const struct plan_partition *f)
{
	if (f->want == PLAN_NOTHING)
		return "free";
	if (f->failures)
		return "failing";
	if (f->want == PLAN_STARTED)
		return f->tested_version == f->version && f->is_ready ? "running" : "starting";
	if (f->want == PLAN_STOPPED)
		return f->is_running ? "stopping" : "stopped";
	return f->has_traces ? "destroying" : "destroyed";
}

/* Promises belong to the step under way, if there is one: then they are left out. */
static struct json *promises_of(const struct part *p, struct arena *a)
{
	struct json *list = json_array_new(a);
	for (size_t i = 0; i < p->promise_count; i++) {
		const struct part_promise *promise = &p->promises[i];
		struct json *o = json_object_new(a);
		json_set_str(a, o, S("name"), promise->spec->name);
		json_set_str(a, o, S("kind"),
			     str_from(spec_promise_kind_name(promise->spec->kind)));
		json_set_str(a, o, S("state"),
			     str_from(part_promise_state_name(promise->state)));
		json_set_i64(a, o, S("since"), promise->since_ms);
		json_set_str(a, o, S("message"), str_from(promise->message));
		json_add(a, list, o);
	}
	return list;
}

static struct json *partition_of(struct doer *d, size_t slot, struct arena *a)
{
	struct machine *m = doer_machine(d);
	const struct plan_partition *f = machine_facts(m, slot);
	const struct machine_wish *w = machine_wish(m, slot);
	const struct part *p = doer_part(d, slot);
	struct json *o = json_object_new(a);
	json_set_str(a, o, S("partition"), machine_partition_name(m, slot));
	json_set_str(a, o, S("ipv4"), str_from(p->ipv4));
	json_set_str(a, o, S("ipv6"), str_from(p->ipv6));
	json_set_i64(a, o, S("uid_base"), (int64_t)p->uid_base);
	json_set_str(a, o, S("wanted"), str_from(want_name(f->want)));
	json_set_str(a, o, S("now"), str_from(now_name(f)));
	if (f->want == PLAN_NOTHING)
		return o;
	json_set_str(a, o, S("instance"), w->guid);
	json_set_str(a, o, S("title"), w->title);
	json_set_str(a, o, S("release"), w->release);
	json_set_i64(a, o, S("failures"), (int64_t)f->failures);
	json_set_str(a, o, S("message"), machine_message(m, slot));
	json_set_bool(a, o, S("busy"), f->is_busy);
	if (!f->is_busy)
		json_set(a, o, S("promises"), promises_of(p, a));
	return o;
}

static struct json *release_of(struct doer *d, size_t i, struct arena *a)
{
	struct str release, message;
	struct plan_release facts;
	struct profile_progress p;
	if (!machine_release(doer_machine(d), i, &release, &facts, &message))
		return NULL;
	struct json *o = json_object_new(a);
	const char *state = facts.build == PLAN_BUILD_DONE ? "available"
			    : facts.failures		   ? "failing"
							   : "waiting";
	bool is_building = doer_progress(d, i, &p);
	json_set_str(a, o, S("release"), release);
	json_set_bool(a, o, S("wanted"), facts.is_wanted);
	json_set_str(a, o, S("state"), str_from(is_building ? "building" : state));
	json_set_str(a, o, S("message"), message);
	if (is_building) {
		json_set_str(a, o, S("phase"), str_from(profile_phase_name(p.phase)));
		json_set_i64(a, o, S("done"), p.done);
		json_set_i64(a, o, S("total"), p.total);
		json_set_i64(a, o, S("bytes"), p.bytes);
		json_set_i64(a, o, S("bytes_total"), p.bytes_total);
	}
	return o;
}

/* How the node stands with a master that it shows keys; NULL: with none. */
static struct json *trust_of(struct doer *d, struct arena *a)
{
	struct keys *k = doer_keys(d);
	if (!k)
		return NULL;
	char trouble[CLOUD_TEXT_MAX], hex[HASH_TEXT_SIZE];
	struct hash name = key_name(keys_identity(k));
	struct json *o = json_object_new(a);
	doer_trouble(d, trouble);
	str_hex(name.bytes, HASH_BYTES, hex);
	json_set_str(a, o, S("key"), str_from(hex));
	json_set_str(a, o, S("seal_key"), keys_recipient(k));
	json_set_i64(a, o, S("certificate_to"), keys_to_ms(k));
	json_set_str(a, o, S("trouble"), str_from(trouble));
	return o;
}

struct str status_text(struct doer *d, struct str node, int64_t now_ms, struct arena *a)
{
	struct machine *m = doer_machine(d);
	struct json *o = json_object_new(a), *partitions = json_array_new(a),
		    *releases = json_array_new(a);
	for (size_t i = 0; i < machine_partitions(m); i++)
		json_add(a, partitions, partition_of(d, i, a));
	for (size_t i = 0; i < machine_releases(m); i++) {
		struct json *r = release_of(d, i, a);
		if (r)
			json_add(a, releases, r);
	}
	json_set_str(a, o, S("node"), node);
	json_set_bool(a, o, S("running"), true);
	json_set_i64(a, o, S("now"), now_ms);
	json_set_bool(a, o, S("linked"), machine_is_linked(m));
	json_set_i64(a, o, S("contact_at"), machine_contact_at_ms(m));
	json_set_bool(a, o, S("supervisor"), doer_has_supervisor(d));
	json_set_bool(a, o, S("settled"), machine_is_settled(m));
	json_set_i64(a, o, S("outbox"), doer_outbox_count(d));
	json_set(a, o, S("partitions"), partitions);
	json_set(a, o, S("releases"), releases);
	struct json *trust = trust_of(d, a);
	if (trust)
		json_set(a, o, S("trust"), trust);
	return json_text(o, a);
}

/* ---- the socket ---------------------------------------------------------------------------- */

static void drop(struct reader *r)
{
	r->stream = ev_stream_free(r->stream);
	r->is_following = false;
}

static void send_to(struct reader *r, struct str text)
{
	struct err e = ERR_INIT;
	if (ev_stream_send(r->stream, text, &e) < 0)
		drop(r);
}

static struct str text_now(struct status *s, struct arena *a)
{
	return status_text(s->doer, str_from(s->node), clock_now_ms(ev_clock(s->ev)), a);
}

static void gathered(void *user)
{
	struct status *s = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	bool has_followers = false;
	s->is_gathering = false;
	for (size_t i = 0; i < READERS_MAX; i++)
		has_followers = has_followers || s->readers[i].is_following;
	if (!has_followers || arena_new(STATUS_MEMORY, &a, &e) < 0)
		return;
	struct str text = text_now(s, a);
	for (size_t i = 0; i < READERS_MAX && text.n; i++)
		if (s->readers[i].is_following)
			send_to(&s->readers[i], text);
}

static void reader_message(void *user, struct str text)
{
	struct reader *r = user;
	r->is_following = str_is(text, "follow");
}

static void reader_closed(void *user, const struct err *why UNUSED)
{
	drop(user);
}

static void accepted(void *user, int fd)
{
	struct status *s = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct reader *r = NULL;
	for (size_t i = 0; i < READERS_MAX && !r; i++)
		if (!s->readers[i].stream)
			r = &s->readers[i];
	if (!r) {
		file_closep(&fd);
		return;
	}
	*r = (struct reader){.status = s};
	const struct ev_stream_options o = {
		.framing = EV_LINES,
		.message_max_bytes = 64,
		.out_max_bytes = LINE_MAX_BYTES,
		.message = reader_message,
		.closed = reader_closed,
		.user = r,
	};
	if (ev_stream_open(s->ev, fd, &o, &r->stream, &e) < 0 ||
	    arena_new(STATUS_MEMORY, &a, &e) < 0)
		log_err(LOG_WARN, "agent.status.failed", &e);
	else
		send_to(r, text_now(s, a));
}

MUST int status_serve(struct ev *ev, const char *dir, struct doer *d, struct str node,
		      struct status **out, struct err *e)
{
	char path[4096];
	struct status *s = MEM_NEW(struct status, e);
	if (!s)
		return -1;
	*s = (struct status){.ev = ev, .doer = d};
	(void)snprintf(path, sizeof path, "%s/node.sock", dir);
	s->node = mem_dup(node.p, node.n, e);
	if (!s->node || ev_timer(ev, 0, gathered, s, &s->gather, e) < 0 ||
	    ev_listen_unix(ev, path, 0600, accepted, s, &s->listener, e) < 0) {
		status_free(s);
		return -1;
	}
	ev_timer_stop(s->gather);
	*out = s;
	return 0;
}

void status_changed(struct status *s)
{
	if (!s || s->is_gathering)
		return;
	s->is_gathering = true;
	ev_timer_again(s->gather, GATHER_MS);
}

struct status *status_free(struct status *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < READERS_MAX; i++)
		drop(&s->readers[i]);
	ev_listener_free(s->listener);
	ev_watch_free(s->gather);
	mem_free(s->node);
	mem_free(s);
	return NULL;
}
