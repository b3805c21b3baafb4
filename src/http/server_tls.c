/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a connection showed in its handshake: read when a handler first asks, kept for the
 * connection's further calls. A call holds it too, since its holder may outlive the connection.
 */
#include "base/mem.h"
#include "http/server_impl.h"

enum { SHOWN_MAX = 512 << 10 };

void shown_unref(struct shown *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	s->arena = arena_free(s->arena);
	mem_free(s);
}

MUST static int read_shown(struct conn *conn, struct err *e)
{
	struct shown *s = MEM_NEW(struct shown, e);
	if (!s)
		return -1;
	atomic_init(&s->refs, 1);
	if (arena_new(SHOWN_MAX, &s->arena, e) < 0 ||
	    tls_peer(conn->session, s->arena, &s->chain, &s->count, e) < 0) {
		shown_unref(s);
		return -1;
	}
	conn->shown = s;
	return 0;
}

bool http_call_is_tls(const struct http_call *c)
{
	return c->server->o.tls != NULL;
}

MUST int http_call_certificate(struct http_call *c, const struct cert **chain, size_t *count,
			       struct err *e)
{
	if (!c->shown && c->conn->session) {
		if (!c->conn->shown && read_shown(c->conn, e) < 0)
			return -1;
		c->shown = c->conn->shown;
		atomic_fetch_add(&c->shown->refs, 1);
	}
	*chain = c->shown ? c->shown->chain : NULL;
	*count = c->shown ? c->shown->count : 0;
	return 0;
}

unsigned *http_call_mark(struct http_call *c)
{
	return &c->conn->mark;
}
