/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The doer's requests to the master, by threads of the `talk` crew. */
#include "agent/doer_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/json.h"

enum { TALK_MEMORY = 20 << 20, FLUSH_ROWS = 500 };

/* ---- requests of the machine --------------------------------------------------------------- */

struct talk {
	struct doer *doer;
	uint64_t token;
	enum http_method method;
	struct arena *memory;
	struct str path, body, answer;
	int64_t timeout_ms;
	int status;
};

static void talk_work(void *user)
{
	struct talk *t = user;
	struct err e = ERR_INIT;
	struct http_response response;
	const struct http_request r = {
		.method = t->method,
		.target = t->path,
		.body = t->body.n ? t->body : (struct str){NULL, 0},
		.timeout_ms = (unsigned)t->timeout_ms,
	};
	if (talkers_fetch(t->doer->talkers, &r, t->memory, &response, &e) < 0) {
		log_err(LOG_DEBUG, "agent.link.failed", &e, KV_S("path", t->path));
		return;
	}
	t->status = (int)response.status;
	t->answer = response.body;
	if (t->status / 100 != 2)
		log_event(LOG_DEBUG, "agent.link.status", KV_S("path", t->path),
			  KV_I("status", t->status), KV_S("body", str_sub(t->answer, 0, 200)));
}

static void talk_done(void *user)
{
	struct talk *t = user;
	machine_answer(t->doer->machine, t->token, t->status, t->answer);
	doer_changed(t->doer);
	arena_free(t->memory);
}

static void talk_drop(void *user)
{
	struct talk *t = user;
	arena_free(t->memory);
}

static enum http_method method_of(const char *name)
{
	if (strcmp(name, "PUT") == 0)
		return HTTP_PUT;
	return strcmp(name, "POST") == 0 ? HTTP_POST : HTTP_GET;
}

static void talk_refused(void *user)
{
	struct talk *t = user;
	talk_done(t);
}

void doer_send(void *user, uint64_t token, const struct machine_request *request)
{
	struct doer *d = user;
	struct arena *a = NULL;
	struct err e = ERR_INIT;
	/* Without memory for a request the node cannot go on; it is restarted by its init. */
	ASSERT(arena_new(TALK_MEMORY, &a, &e) == 0);
	struct talk *t = ARENA_NEW(a, struct talk);
	ASSERT(t);
	*t = (struct talk){
		.doer = d,
		.token = token,
		.method = method_of(request->method),
		.memory = a,
		.path = arena_dup(a, request->path),
		.body = arena_dup(a, request->body),
		.timeout_ms = request->timeout_ms,
	};
	if (crew_do(d->talk, talk_work, talk_done, talk_drop, t, &e) < 0)
		ASSERT(ev_post(d->ev, talk_refused, t, &e) == 0);
}

/* ---- the outbox ---------------------------------------------------------------------------- */

struct flush {
	struct doer *doer;
	bool is_ok;
	int64_t left;
};

/* What goes where. */
struct parcel {
	const char *kind, *path, *member;
};

enum { PARCEL_REFUSED = 1 };

/* Sends the rows of one kind; 0 if the master took them, PARCEL_REFUSED if it never will. */
static int send_parcel(struct doer *d, const struct parcel *k, const struct ndb_row *rows,
		       size_t count, struct arena *a, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(8 << 20);
	size_t n = 0;
	buf_addf(&b, "{\"%s\":[", k->member);
	for (size_t i = 0; i < count; i++) {
		if (!str_is(rows[i].kind, k->kind))
			continue;
		if (n++)
			buf_add_c(&b, ',');
		buf_add(&b, rows[i].body);
	}
	buf_add(&b, S("]}"));
	if (buf_check(&b, e) < 0 || n == 0)
		return n == 0 ? 0 : -1;
	const struct http_request r = {
		.method = HTTP_POST,
		.target = arena_fmt(a, "/v1/nodes/%s/%s", d->node, k->path),
		.body = buf_str(&b),
	};
	struct http_response response;
	if (talkers_fetch(d->talkers, &r, a, &response, e) < 0)
		return -1;
	if (response.status / 100 == 2)
		return 0;
	(void)http_error_from_response(&response, e);
	return response.status == 400 || response.status == 413 ? PARCEL_REFUSED : -1;
}

/*
 * What the master calls invalid will not become valid: it is dropped, and said so. But one bad
 * row makes it refuse all, so they are sent one by one to find which.
 */
static int flush_kind(struct doer *d, const struct parcel *k, const struct ndb_row *rows,
		      size_t count, struct arena *a, struct err *e)
{
	int rc = send_parcel(d, k, rows, count, a, e);
	for (size_t i = 0; rc == PARCEL_REFUSED && i < count; i++) {
		err_clear(e);
		int one = send_parcel(d, k, &rows[i], 1, a, e);
		if (one < 0)
			return -1;
		if (one == PARCEL_REFUSED)
			log_err(LOG_ERROR, "agent.outbox.refused", e,
				KV_S("row", rows[i].body));
	}
	if (rc < 0)
		return -1;
	err_clear(e);
	return 0;
}

static void flush_work(void *user)
{
	static const struct parcel promises = {"promise", "promises", "results"};
	static const struct parcel issued = {"issued", "issued", "certificates"};
	static const struct parcel usage = {"usage", "usage", "events"};
	struct flush *f = user;
	struct doer *d = f->doer;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct ndb_row *rows;
	size_t count;
	if (arena_new(TALK_MEMORY, &a, &e) < 0 ||
	    ndb_outbox_peek(d->ndb, FLUSH_ROWS, a, &rows, &count, &e) < 0 ||
	    flush_kind(d, &promises, rows, count, a, &e) < 0 ||
	    flush_kind(d, &usage, rows, count, a, &e) < 0 ||
	    flush_kind(d, &issued, rows, count, a, &e) < 0 ||
	    (count && ndb_outbox_drop(d->ndb, rows[count - 1].seq, &f->left, &e) < 0)) {
		log_err(LOG_WARN, "agent.outbox.kept", &e);
		return;
	}
	f->is_ok = true;
}

static void flush_done(void *user)
{
	struct flush *f = user;
	struct doer *d = f->doer;
	if (f->is_ok)
		d->outbox_count = f->left;
	machine_flushed(d->machine, f->is_ok, f->left > 0);
	doer_changed(d);
	mem_free(f);
}

void doer_flush(void *user)
{
	struct doer *d = user;
	struct err e = ERR_INIT;
	struct flush *f = MEM_NEW(struct flush, &e);
	ASSERT(f);
	f->doer = d;
	if (crew_do(d->talk, flush_work, flush_done, mem_free, f, &e) < 0)
		ASSERT(ev_post(d->ev, flush_done, f, &e) == 0);
}
