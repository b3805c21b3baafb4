/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The target of a request: "/v1/nodes/n%C3%A9?since=4" (RFC 9112 section 3.2, RFC 3986).
 *
 * The path is cut at its '/' first and each segment is decoded after, so that "%2F" is a
 * character of a name and never a boundary. Values live in the arena that was given.
 */
#include "base/arena.h"

enum { HTTP_SEGMENTS_MAX = 16, HTTP_QUERY_MAX = 64 };

struct http_param {
	struct str name, value; /* decoded */
};

struct http_target {
	struct str raw;	 /* path and query as they were sent: what is signed */
	struct str path; /* as it was sent, without the query: for logs */
	struct str
		segments[HTTP_SEGMENTS_MAX]; /* decoded; "/" has none, "/a/" has "a" and "" */
	size_t segment_count;
	struct http_param *query; /* in the order sent; the same name may come twice */
	size_t query_count;
};

/*
 * Reads the origin form ("/path?query") or the absolute form ("http://host/path?query").
 * ERR_INVALID with field "path" or "query": a broken percent code, bytes that are not UTF-8,
 * a control character in the path or NUL in the query, a segment "." or "..", no leading '/',
 * more segments or parameters than the maxima above. '+' in a query is a space.
 */
MUST int http_target_read(struct str raw, struct arena *a, struct http_target *out,
			  struct err *e);

/* The first parameter of that name, or NULL. */
const struct http_param *http_target_param(const struct http_target *t, const char *name);
/* Undoes percent coding, and '+' if `is_query`; ERR_INVALID (no field) if broken or not UTF-8.
 */
MUST int http_decode(struct str raw, bool is_query, struct arena *a, struct str *out,
		     struct err *e);

/* Appends `s` percent coded, so that it is one path segment or one query value (RFC 3986: all
 * but unreserved). */
void http_encode_add(struct buf *b, struct str s);
/* Appends "?name=value", or "&name=value" if `b` holds a '?' already; the value percent coded.
 */
void http_query_add(struct buf *b, const char *name, struct str value);
void http_query_add_i64(struct buf *b, const char *name, int64_t value);
