/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A call as its handler sees it, and the way of its answer.
 *
 * An answer is made without a lock; then, under the lock, the state decides where it goes: kept
 * for the library's thread that is still in the handler, given to the suspended connection, or
 * dropped because the server has answered already.
 */
#include <microhttpd.h>

#include "base/mem.h"
#include "http/server_impl.h"
#include "json/json.h"

enum { ERROR_BODY_MAX = 8192 };

struct http_call *call_new(struct conn *conn, struct MHD_Connection *mhd, const char *raw)
{
	struct err ignored;
	struct http_server *s = conn->server;
	struct http_call *c = MEM_NEW(struct http_call, &ignored);
	if (!c)
		return NULL;
	if (arena_new(s->o.max_call_bytes, &c->arena, &ignored) < 0) {
		mem_free(c);
		return NULL;
	}
	c->raw = arena_dup(c->arena, str_from(raw));
	c->server = s;
	c->conn = conn;
	c->mhd = mhd;
	c->body = (struct buf)BUF_INIT(s->o.max_body_bytes);
	memcpy(c->peer, conn->peer, sizeof c->peer);
	atomic_init(&c->refs, 1);
	atomic_fetch_add(&s->refs, 1);
	return c;
}

void call_unref(struct http_call *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	struct http_server *s = c->server;
	atomic_fetch_sub(&s->bodies_bytes, c->charged_bytes);
	buf_fini(&c->body);
	c->arena = arena_free(c->arena);
	shown_unref(c->shown);
	mem_free(c);
	server_unref(s);
}

enum http_method http_call_method(const struct http_call *c)
{
	return c->method;
}

const struct http_target *http_call_target(const struct http_call *c)
{
	return &c->target;
}

struct str http_call_body(const struct http_call *c)
{
	return c->body.n ? buf_str(&c->body) : S("");
}

struct str http_call_header(const struct http_call *c, const char *name)
{
	const char *value = NULL;
	size_t n = 0;
	if (MHD_lookup_connection_value_n(c->mhd, MHD_HEADER_KIND, name, strlen(name), &value,
					  &n) != MHD_YES ||
	    !value)
		return S("");
	return str_of(value, n);
}

struct str http_call_query(const struct http_call *c, const char *name)
{
	const struct http_param *p = http_target_param(&c->target, name);
	return p ? p->value : S("");
}

struct str http_call_peer(const struct http_call *c)
{
	return str_from(c->peer);
}

struct arena *http_call_arena(struct http_call *c)
{
	return c->arena;
}

void http_call_on_gone(struct http_call *c, http_gone_fn *fn, void *user)
{
	c->gone_user = user;
	c->gone = fn;
}

/* --- Answers ------------------------------------------------------------------------------ */

static bool add_header(struct MHD_Response *m, const char *name, struct str value)
{
	char text[1024];
	if (value.n >= sizeof text)
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = 0;
	return MHD_add_response_header(m, name, text) == MHD_YES;
}

static bool add_headers(struct MHD_Response *m, const struct http_reply *r)
{
	const char *type = r->content_type ? r->content_type : "application/json";
	bool ok = MHD_add_response_header(m, "Content-Type", type) == MHD_YES;
	if (r->must_close)
		ok = ok && MHD_add_response_header(m, "Connection", "close") == MHD_YES;
	for (size_t i = 0; i < r->header_count; i++)
		ok = ok && add_header(m, r->headers[i].name, r->headers[i].value);
	return ok;
}

struct MHD_Response *call_response(const struct http_reply *r)
{
	/* The library wants a writable pointer and never writes. */
	union {
		const char *ours;
		void *theirs;
	} body = {.ours = r->body.n ? r->body.p : ""};
	struct MHD_Response *m = MHD_create_response_from_buffer(
		r->body.n, body.theirs,
		r->is_body_in_arena ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);
	if (m && !add_headers(m, r)) {
		MHD_destroy_response(m);
		m = NULL;
	}
	return m;
}

/* Takes a parked call out and wakes its connection. Lock held. */
static void unpark(struct http_call *c)
{
	struct http_server *s = c->server;
	if (c->is_watched)
		watch_forget(c);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->parked = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = c->prev = NULL;
	s->parked_count--;
	MHD_resume_connection(c->mhd);
}

/* The call has its answer. Lock held. */
static void settle(struct http_call *c, enum call_state state, struct MHD_Response *m,
		   unsigned status)
{
	struct http_server *s = c->server;
	bool was_parked = c->state == CALL_PARKED;
	c->state = state;
	c->response = m;
	c->status = status;
	s->open_count--;
	if (s->is_stopping)
		(void)pthread_cond_broadcast(&s->has_changed);
	if (was_parked)
		unpark(c);
}

void http_reply(struct http_call *c, const struct http_reply *r)
{
	ASSERT(r->status >= 200 && r->status <= 599);
	struct http_server *s = c->server;
	struct MHD_Response *m = call_response(r);
	(void)pthread_mutex_lock(&s->lock);
	ASSERT(c->state != CALL_ANSWERED);
	if (c->state == CALL_ABANDONED) {
		if (m)
			MHD_destroy_response(m);
	} else {
		c->reply_bytes = r->body.n;
		settle(c, CALL_ANSWERED, m, r->status);
	}
	(void)pthread_mutex_unlock(&s->lock);
	call_unref(c);
}

void http_reply_json(struct http_call *c, unsigned status, struct str json)
{
	http_reply(c, &(struct http_reply){
			      .status = status,
			      .body = json,
			      .is_body_in_arena = true,
		      });
}

struct str call_error_body(struct arena *a, const struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(ERROR_BODY_MAX);
	struct err ignored;
	buf_addf(&b, "{\"error\":{\"kind\":\"%s\"", err_kind_info(e->kind)->name);
	if (e->field[0]) {
		buf_add(&b, S(",\"field\":"));
		json_write_str(str_from(e->field), &b);
	}
	buf_add(&b, S(",\"text\":"));
	json_write_str(str_from(e->text), &b);
	buf_add(&b, S("}}"));
	struct str body = buf_check(&b, &ignored) < 0 ? S("") : arena_dup(a, buf_str(&b));
	if (body.n == 0)
		return S("{\"error\":{\"kind\":\"memory\",\"text\":\"out of memory\"}}");
	return body;
}

void http_reply_err_as(struct http_call *c, unsigned status, const struct err *e,
		       const struct http_header *header)
{
	struct http_header headers[2];
	struct http_reply r = {
		.status = status,
		.body = call_error_body(c->arena, e),
		.is_body_in_arena = true,
		.headers = headers,
	};
	if (header)
		headers[r.header_count++] = *header;
	if (status == 503)
		headers[r.header_count++] = (struct http_header){"Retry-After", S("1")};
	http_reply(c, &r);
}

void http_reply_err(struct http_call *c, const struct err *e)
{
	http_reply_err_as(c, (unsigned)err_kind_info(e->kind)->http_status, e, NULL);
}

/* --- Calls that nobody answers in time ---------------------------------------------------- */

void call_abandon(struct http_call *c)
{
	static const struct http_header retry = {"Retry-After", S_INIT("1")};
	struct MHD_Response *m = call_response(&(struct http_reply){
		.status = 503,
		.body = S("{\"error\":{\"kind\":\"busy\",\"text\":\"too much to do, or "
			  "stopping\"}}"),
		.is_body_in_arena = true,
		.must_close = true,
		.headers = &retry,
		.header_count = 1,
	});
	settle(c, CALL_ABANDONED, m, 503);
}

void call_tell_gone(struct http_call *c)
{
	if (c->is_told || !c->gone)
		return;
	c->is_told = true;
	atomic_fetch_add(&c->refs, 1);
	(void)pthread_mutex_unlock(&c->server->lock);
	c->gone(c, c->gone_user);
	struct http_server *s = c->server;
	atomic_fetch_add(&s->refs, 1);
	call_unref(c);
	(void)pthread_mutex_lock(&s->lock);
	server_unref(s); /* cannot be the last: whoever calls this holds one */
}
