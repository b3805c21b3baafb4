/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Which row of a table of routes a request belongs to.
 *
 * The rows are static; http_router_new makes a tree of their segments once, and matching then
 * costs one lookup a segment, however many rows there are. A fixed segment goes before a
 * parameter at the same place: "/v1/nodes/new" wins over "/v1/nodes/{node}"; there is no way
 * back from a fixed segment to a parameter. A router is read-only: any number of threads.
 */
#include "http/target.h"

enum { HTTP_PARAMS_MAX = 4, HTTP_ALLOW_SIZE = 64 };

enum http_method {
	HTTP_OTHER, /* none of ours: 405 on every path */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_PATCH,
	HTTP_OPTIONS,
	HTTP_METHODS,
};

/* The method of that exact (upper-case) name, HTTP_OTHER for any other text. */
enum http_method http_method_of(struct str name);
/* "GET"…; "OTHER" for HTTP_OTHER. */
const char *http_method_name(enum http_method m);

struct http_route {
	enum http_method method;
	const char *path; /* "/v1/nodes/{node}/changes": '{name}' is a whole segment */
};

struct http_match {
	size_t row;			    /* of the table */
	struct str params[HTTP_PARAMS_MAX]; /* decoded, in the order of the template; never
					       empty */
	size_t param_count;
	char allow[HTTP_ALLOW_SIZE]; /* HTTP_WRONG_METHOD: for the header Allow, "GET, HEAD,
					POST" */
};

enum { HTTP_FOUND = 0, HTTP_NO_ROUTE = 1, HTTP_WRONG_METHOD = 2 };

struct http_router;

/*
 * `table` starts at its first row and has `count` rows, `row_bytes` apart: a bigger row may
 * begin with a struct http_route. It must outlive the router. ERR_INTERNAL names a bad or
 * double row.
 */
MUST int http_router_new(const void *table, size_t count, size_t row_bytes,
			 struct http_router **out, struct err *e);
struct http_router *http_router_free(struct http_router *r);
void http_router_freep(struct http_router **r);

/*
 * HTTP_FOUND, HTTP_NO_ROUTE (answer 404) or HTTP_WRONG_METHOD (answer 405 with out->allow).
 * HEAD falls back to the row for GET.
 */
int http_route_match(const struct http_router *r, enum http_method method,
		     const struct http_target *target, struct http_match *out);
