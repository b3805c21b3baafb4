/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The way of a request:
 *
 *     handler ─ api_open ─┬─ read:  run ─┬─ answer
 *                         │              └─ arm, run again ─┬─ answer
 *                         │                                 └─ parked ─ (hub) run ─ …
 *                         └─ write: queue ─ run in the writer ─ commit ─ answer, wake
 *
 * A job lives in the arena of its http call, so it is gone once the call is answered: nothing
 * may be read from it after http_reply. Topics to wake are therefore copied before.
 */
#include "api/http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>

#include "api/door.h"
#include "api/hub.h"
#include "base/mem.h"
#include "http/server.h"
#include "store/event.h"

struct api_http {
	struct api_http_options options;
	struct http_server *server;
	struct hub *hub;
	struct door door;
	int64_t seen; /* newest event that the hub's thread knows of */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	size_t writes; /* queued or running, with their done functions */
};

struct job {
	struct api_http *h;
	struct http_call *http;
	struct api_call *call;
	struct api_request req;
	struct api_response out;
	bool may_wait;
	struct hub_entry entry;
};

/* ---- answering ----------------------------------------------------------------------------- */

/* What browsers are told with every answer over TLS; an answer may say otherwise. */
static const struct http_header browser_headers[] = {
	{"Strict-Transport-Security", S_INIT("max-age=31536000")},
	{"X-Content-Type-Options", S_INIT("nosniff")},
	{"Content-Security-Policy", S_INIT("default-src 'none'; frame-ancestors 'none'")},
};

static bool has_header(const struct api_response *out, const char *name)
{
	for (size_t i = 0; i < out->header_count; i++)
		if (strcasecmp(out->headers[i].name, name) == 0)
			return true;
	return false;
}

static void reply(struct http_call *http, const struct api_response *out)
{
	struct http_header headers[2 + API_HEADERS_MAX + ARRAY_LEN(browser_headers)];
	size_t n = 0;
	if (out->allow.n)
		headers[n++] = (struct http_header){"Allow", out->allow};
	if (out->status == 503)
		headers[n++] = (struct http_header){"Retry-After", S("1")};
	for (size_t i = 0; i < out->header_count; i++)
		headers[n++] =
			(struct http_header){out->headers[i].name, out->headers[i].value};
	for (size_t i = 0; i < ARRAY_LEN(browser_headers) && http_call_is_tls(http); i++)
		if (!has_header(out, browser_headers[i].name))
			headers[n++] = browser_headers[i];
	const struct http_reply r = {
		.status = (unsigned)out->status,
		.content_type = out->content_type,
		.body = out->body,
		.is_body_in_arena = true,
		.headers = headers,
		.header_count = n,
	};
	http_reply(http, &r);
}

static void refuse(struct job *j, const struct err *why)
{
	struct api_response out;
	api_refuse(j->h->options.api, &j->req, why, http_call_arena(j->http), &out);
	reply(j->http, &out);
}

/* As refuse; whoever asked too often gets a status of his own and when to come back. */
static void turn_away(struct job *j, const struct err *why, int64_t wait_s)
{
	struct api_response out;
	struct err busy = *why;
	if (wait_s)
		busy.os = 429; /* the status is part of what is signed */
	api_refuse(j->h->options.api, &j->req, &busy, http_call_arena(j->http), &out);
	if (wait_s) {
		out.status = 429;
		out.headers[out.header_count++] = (struct api_header){
			"Retry-After",
			arena_fmt(http_call_arena(j->http), "%lld", (long long)wait_s)};
	}
	reply(j->http, &out);
}

/* ---- writes in flight ---------------------------------------------------------------------- */

static void write_begins(struct api_http *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->writes++;
	(void)pthread_mutex_unlock(&h->lock);
}

static void write_ends(struct api_http *h)
{
	(void)pthread_mutex_lock(&h->lock);
	if (--h->writes == 0)
		(void)pthread_cond_broadcast(&h->idle);
	(void)pthread_mutex_unlock(&h->lock);
}

void api_http_wake(struct api_http *h, const struct api_response *changed)
{
	if (changed->wake_count || changed->is_wake_all)
		hub_wake(h->hub, changed->wakes, changed->wake_count, changed->is_wake_all);
}

/* ---- what a read leaves to be noted: contact of a node, use of a session ------------------- */

struct contact {
	struct api_http *h;
	struct arena *arena;
	struct api_response out;
	struct str node, session; /* one of them */
};

static int contact_run(struct db_tx *tx, void *user, struct err *e)
{
	struct contact *k = user;
	if (k->session.n)
		return api_session_used(k->h->options.api, tx, k->session, e);
	return api_contact(k->h->options.api, tx, k->node, k->arena, &k->out, e);
}

static void contact_done(void *user, int rc, const struct err *e UNUSED)
{
	struct contact *k = user;
	struct api_http *h = k->h;
	/* What failed is tried again with the node's next call. */
	if (rc >= 0)
		api_http_wake(h, &k->out);
	arena_free(k->arena);
	mem_free(k);
	write_ends(h);
}

static void note_contact(struct api_http *h, const struct api_response *out)
{
	struct err e;
	struct contact *k = MEM_NEW(struct contact, &e);
	if (!k)
		return;
	k->h = h;
	if (arena_new(API_ARENA_BYTES, &k->arena, &e) < 0) {
		mem_free(k);
		return;
	}
	k->node = arena_dup(k->arena, out->contact);
	k->session = arena_dup(k->arena, out->session);
	write_begins(h);
	if (db_write_async(h->options.db, contact_run, k, contact_done, &e) < 0)
		contact_done(k, -1, &e);
}

/* ---- reads --------------------------------------------------------------------------------- */

static int read_run(struct db_tx *tx, void *user, struct err *e)
{
	struct job *j = user;
	return api_run(j->call, tx, j->may_wait, &j->out, e);
}

/* Runs a read. True if it is answered, false if it has to wait. */
static bool read_once(struct job *j, bool may_wait)
{
	struct err e = ERR_INIT;
	struct api_http *h = j->h;
	j->may_wait = may_wait;
	int rc = db_read(h->options.db, read_run, j, &e);
	if (rc >= 0 && (j->out.contact.n || j->out.session.n))
		note_contact(h, &j->out);
	if (rc == API_PARK)
		return false;
	if (rc < 0)
		refuse(j, &e);
	else
		reply(j->http, &j->out);
	return true;
}

static void gone(struct http_call *c, void *user)
{
	struct api_http *h = user;
	struct hub_entry *en = hub_remove_user(h->hub, c);
	if (en)
		reply(c, &(struct api_response){.status = 503, .body = S("{}")});
}

/* Nothing to tell yet: waits in the hub, or answers at once if there is no room. */
static void wait_for_news(struct job *j)
{
	struct api_http *h = j->h;
	j->entry.topics[0] = j->out.topics[0];
	j->entry.topics[1] = j->out.topics[1];
	j->entry.until_ms = j->out.park_until_ms;
	j->entry.user = j->http;
	if (!hub_arm(h->hub, &j->entry)) {
		(void)read_once(j, false);
		return;
	}
	for (;;) {
		struct err e = ERR_INIT;
		j->may_wait = true;
		int rc = db_read(h->options.db, read_run, j, &e);
		if (rc == API_PARK && hub_settle(h->hub, &j->entry))
			return; /* the hub has it now: j may be gone already */
		if (rc == API_PARK)
			continue;
		(void)hub_remove(h->hub, &j->entry);
		if (rc < 0)
			refuse(j, &e);
		else
			reply(j->http, &j->out);
		return;
	}
}

static void due(struct hub_entry *entry, bool is_last, void *user UNUSED)
{
	struct job *j = CONTAINER_OF(entry, struct job, entry);
	if (!read_once(j, !is_last))
		wait_for_news(j);
}

MUST static int last_sequence(struct db_tx *tx, void *user, struct err *e)
{
	return store_event_last(tx, user, e);
}

/* Did another master write? */
static bool look_outside(void *user)
{
	struct api_http *h = user;
	struct err e;
	int64_t last = 0;
	if (db_read(h->options.db, last_sequence, &last, &e) < 0 || last == h->seen)
		return false;
	h->seen = last;
	return true;
}

/* ---- writes -------------------------------------------------------------------------------- */

static void write_done(void *user, int rc, const struct err *e)
{
	struct job *j = user;
	struct api_http *h = j->h;
	if (rc < 0) {
		refuse(j, e);
	} else {
		api_committed(h->options.api, &j->out);
		/* Before the answer: the topics are in the call's arena. */
		api_http_wake(h, &j->out);
		reply(j->http, &j->out);
	}
	write_ends(h);
}

static void start_write(struct job *j)
{
	struct err e = ERR_INIT;
	struct api_http *h = j->h;
	write_begins(h);
	if (db_write_async(h->options.db, read_run, j, write_done, &e) == 0)
		return;
	refuse(j, &e);
	write_ends(h);
}

/* ---- the server ---------------------------------------------------------------------------- */

static void handle(struct http_call *c, void *user)
{
	struct api_http *h = user;
	struct arena *a = http_call_arena(c);
	struct err e = ERR_INIT;
	struct job *j = ARENA_NEW(a, struct job);
	if (!j) {
		(void)err_fail(&e, ERR_MEMORY, "out of memory");
		http_reply_err(c, &e);
		return;
	}
	j->h = h;
	j->http = c;
	const struct http_target *t = http_call_target(c);
	j->req = (struct api_request){
		.method = str_from(http_method_name(http_call_method(c))),
		.target = t->path,
		.parsed = t,
		.body = http_call_body(c),
	};
	int64_t wait_s = 0;
	if (door_enter(&h->door, c, &j->req, &wait_s, &e) < 0) {
		turn_away(j, &e, wait_s);
		return;
	}
	if (api_open(h->options.api, &j->req, a, &j->call, &e) < 0) {
		refuse(j, &e);
		return;
	}
	if (!api_call_is_read(j->call)) {
		start_write(j);
		return;
	}
	if (read_once(j, true))
		return;
	http_call_on_gone(c, gone, h);
	wait_for_news(j);
}

MUST int api_http_open(const struct api_http_options *options, struct api_http **out,
		       struct err *e)
{
	struct api_http *h = MEM_NEW(struct api_http, e);
	if (!h)
		return -1;
	h->options = *options;
	h->door = (struct door){.clock = options->clock, .trust = options->trust};
	ASSERT(pthread_mutex_init(&h->lock, NULL) == 0);
	ASSERT(pthread_cond_init(&h->idle, NULL) == 0);
	unsigned max_parked = options->max_parked ? options->max_parked : API_HTTP_PARKED_MAX;
	const struct hub_options hub = {
		.clock = options->clock,
		.due = due,
		.look = db_engine(options->db) == DB_POSTGRESQL ? look_outside : NULL,
		.look_ms = API_HTTP_LOOK_MS,
		.user = h,
		.max = max_parked,
	};
	const struct http_server_options server = {
		.listen = options->listen,
		.threads = options->threads ? options->threads : 4,
		.max_body_bytes = 4 << 20,
		.max_call_bytes = 2 * API_ARENA_BYTES,
		.max_connections = 2 * max_parked,
		.max_parked = 2 * max_parked,
		.max_address_connections = options->max_address_connections,
		.request_timeout_s = options->request_timeout_s,
		.tls = options->tls,
	};
	if (options->limits && rate_new(options->limits, &h->door.rate, e) < 0) {
		api_http_close(h);
		return -1;
	}
	if (hub_open(&hub, &h->hub, e) < 0 ||
	    http_server_open(&server, handle, h, &h->server, e) < 0) {
		api_http_close(h);
		return -1;
	}
	*out = h;
	return 0;
}

struct api_http *api_http_close(struct api_http *h)
{
	if (!h)
		return NULL;
	if (h->hub)
		hub_stop(h->hub);
	http_server_close(h->server);
	(void)pthread_mutex_lock(&h->lock);
	while (h->writes)
		(void)pthread_cond_wait(&h->idle, &h->lock);
	(void)pthread_mutex_unlock(&h->lock);
	hub_free(h->hub);
	rate_free(h->door.rate);
	(void)pthread_cond_destroy(&h->idle);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h);
	return NULL;
}

const char *api_http_address(const struct api_http *h)
{
	return http_server_address(h->server);
}

size_t api_http_parked(struct api_http *h)
{
	return hub_count(h->hub);
}
