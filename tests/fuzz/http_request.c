/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: http */
/*
 * Raw bytes as a request line: "METHOD TARGET". The target is read, matched, written again and
 * read again: the second reading must give what the first gave.
 */
#include <string.h>

#include "http/route.h"

static const struct http_route routes[] = {
	{HTTP_GET, "/"},
	{HTTP_GET, "/v1/nodes"},
	{HTTP_GET, "/v1/nodes/{node}"},
	{HTTP_PUT, "/v1/nodes/{node}"},
	{HTTP_GET, "/v1/nodes/{node}/changes"},
	{HTTP_POST, "/v1/nodes/{node}/promises/{kind}"},
	{HTTP_POST, "/slapos.post.v0.software_instance"},
};

/* Writes the decoded target so that it reads as the same. */
static void write_target(const struct http_target *t, struct buf *b)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		buf_add_c(b, '/');
		http_encode_add(b, t->segments[i]);
	}
	if (t->segment_count == 0)
		buf_add_c(b, '/');
	for (size_t i = 0; i < t->query_count; i++) {
		buf_add_c(b, i ? '&' : '?');
		http_encode_add(b, t->query[i].name);
		buf_add_c(b, '=');
		http_encode_add(b, t->query[i].value);
	}
}

static void check_same(const struct http_target *a, const struct http_target *b)
{
	ASSERT(a->segment_count == b->segment_count);
	for (size_t i = 0; i < a->segment_count; i++)
		ASSERT(str_eq(a->segments[i], b->segments[i]));
	ASSERT(a->query_count == b->query_count);
	for (size_t i = 0; i < a->query_count; i++) {
		ASSERT(str_eq(a->query[i].name, b->query[i].name));
		ASSERT(str_eq(a->query[i].value, b->query[i].value));
	}
}

static void check_match(enum http_method m, const struct http_target *t)
{
	struct err e;
	struct http_match match;
	struct http_router *r CLEAN(http_router_freep) = NULL;
	ASSERT(http_router_new(routes, ARRAY_LEN(routes), sizeof routes[0], &r, &e) == 0);
	int rc = http_route_match(r, m, t, &match);
	ASSERT(rc == HTTP_FOUND || rc == HTTP_NO_ROUTE || rc == HTTP_WRONG_METHOD);
	if (rc == HTTP_NO_ROUTE)
		return;
	ASSERT(rc == HTTP_FOUND || match.allow[0]);
	ASSERT(rc == HTTP_WRONG_METHOD || match.row < ARRAY_LEN(routes));
	for (size_t i = 0; i < match.param_count; i++)
		ASSERT(match.params[i].n > 0 && str_is_utf8(match.params[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = str_of((const char *)data, size);
	size_t space = str_find_char(line, ' ');
	enum http_method m = http_method_of(str_sub(line, 0, space));
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(1 << 20);
	struct http_target t, again;
	struct err e = ERR_INIT;
	if (arena_new(1 << 20, &a, &e) < 0)
		return 0;
	if (http_target_read(str_sub(line, space + 1, line.n), a, &t, &e) < 0) {
		ASSERT(e.kind != ERR_INVALID || e.field[0]);
		return 0;
	}
	check_match(m, &t);
	write_target(&t, &b);
	if (buf_check(&b, &e) == 0 && http_target_read(buf_str(&b), a, &again, &e) == 0)
		check_same(&t, &again);
	else
		ASSERT(e.kind == ERR_MEMORY || e.kind == ERR_TOO_LARGE);
	return 0;
}
