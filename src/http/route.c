/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A tree of segments. Each place has its fixed continuations sorted by bytes (binary search),
 * at most one continuation for "any segment", and for each method the row that ends there.
 *
 * Invariant: edges of a place are sorted and differ; `any` is the same place for every template
 * that has a parameter there, whatever the parameter's name.
 */
#include "http/route.h"

#include "base/mem.h"

enum { NO_ROW = -1 };

struct edge;

struct place {
	struct edge *edges;
	size_t edge_count;
	struct place *any;
	int rows[HTTP_METHODS];
	bool is_end; /* some row ends here */
};

struct edge {
	struct str segment; /* of the table's text */
	struct place *to;
};

struct http_router {
	struct place **places; /* all of them, to free; [0] is the root */
	size_t place_count;
};

static const char *const names[HTTP_METHODS] = {
	[HTTP_OTHER] = "OTHER", [HTTP_GET] = "GET",	    [HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",	[HTTP_PUT] = "PUT",	    [HTTP_DELETE] = "DELETE",
	[HTTP_PATCH] = "PATCH", [HTTP_OPTIONS] = "OPTIONS",
};

enum http_method http_method_of(struct str name)
{
	for (unsigned m = HTTP_GET; m < HTTP_METHODS; m++)
		if (str_is(name, names[m]))
			return (enum http_method)m;
	return HTTP_OTHER;
}

const char *http_method_name(enum http_method m)
{
	ASSERT((unsigned)m < HTTP_METHODS);
	return names[m];
}

/* Position of `segment` among the sorted edges, or where it would stand. */
static size_t edge_position(const struct place *p, struct str segment, bool *is_there)
{
	size_t low = 0, high = p->edge_count;
	*is_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(p->edges[middle].segment, segment);
		if (order == 0) {
			*is_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct place *place_new(struct http_router *r, struct err *e)
{
	struct place **grown = mem_grow(r->places, r->place_count + 1, sizeof *r->places, e);
	if (!grown)
		return NULL;
	r->places = grown;
	struct place *p = MEM_NEW(struct place, e);
	if (!p)
		return NULL;
	for (size_t m = 0; m < HTTP_METHODS; m++)
		p->rows[m] = NO_ROW;
	r->places[r->place_count++] = p;
	return p;
}

static struct place *add_edge(struct http_router *r, struct place *from, struct str segment,
			      struct err *e)
{
	bool is_there;
	size_t at = edge_position(from, segment, &is_there);
	if (is_there)
		return from->edges[at].to;
	struct place *to = place_new(r, e);
	struct edge *grown =
		to ? mem_grow(from->edges, from->edge_count + 1, sizeof *grown, e) : NULL;
	if (!grown)
		return NULL;
	from->edges = grown;
	memmove(grown + at + 1, grown + at, (from->edge_count - at) * sizeof *grown);
	grown[at] = (struct edge){.segment = segment, .to = to};
	from->edge_count++;
	return to;
}

static bool is_parameter(struct str segment)
{
	return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

/* The place where the template ends, made as needed. */
static struct place *add_path(struct http_router *r, struct str path, struct err *e)
{
	struct place *at = r->places[0];
	struct str rest = str_sub(path, 1, path.n), segment;
	size_t params = 0, segments = 0;
	while (at && path.n > 1 && str_split(&rest, '/', &segment)) {
		params += is_parameter(segment);
		if (++segments > HTTP_SEGMENTS_MAX || params > HTTP_PARAMS_MAX) {
			(void)err_fail(e, ERR_INTERNAL, "route %.*s is too long", STR_A(path));
			return NULL;
		}
		if (!is_parameter(segment)) {
			at = add_edge(r, at, segment, e);
			continue;
		}
		if (!at->any)
			at->any = place_new(r, e);
		at = at->any;
	}
	return at;
}

static int add_row(struct http_router *r, const struct http_route *route, size_t row,
		   struct err *e)
{
	struct str path = str_from(route->path);
	if (!str_starts(path, S("/")) || route->method == HTTP_OTHER ||
	    (unsigned)route->method >= HTTP_METHODS)
		return err_fail(e, ERR_INTERNAL, "route %zu is not one", row);
	struct place *end = add_path(r, path, e);
	if (!end)
		return -1;
	if (end->rows[route->method] != NO_ROW)
		return err_fail(e, ERR_INTERNAL, "route %s %s stands twice",
				names[route->method], route->path);
	end->rows[route->method] = (int)row;
	end->is_end = true;
	return 0;
}

MUST int http_router_new(const void *table, size_t count, size_t row_bytes,
			 struct http_router **out, struct err *e)
{
	struct http_router *r CLEAN(http_router_freep) = MEM_NEW(struct http_router, e);
	if (!r || !place_new(r, e))
		return -1;
	for (size_t i = 0; i < count; i++) {
		const void *row = (const char *)table + i * row_bytes;
		if (add_row(r, row, i, e) < 0)
			return -1;
	}
	*out = r;
	r = NULL;
	return 0;
}

struct http_router *http_router_free(struct http_router *r)
{
	for (size_t i = 0; r && i < r->place_count; i++) {
		mem_free(r->places[i]->edges);
		mem_free(r->places[i]);
	}
	if (r)
		mem_free(r->places);
	mem_free(r);
	return NULL;
}

void http_router_freep(struct http_router **r)
{
	*r = http_router_free(*r);
}

static const struct place *step(const struct place *at, struct str segment,
				struct http_match *m)
{
	bool is_there;
	size_t i = edge_position(at, segment, &is_there);
	if (is_there)
		return at->edges[i].to;
	if (!at->any || segment.n == 0)
		return NULL;
	m->params[m->param_count++] = segment;
	return at->any;
}

/* "GET, HEAD, POST": what has a row at this place. */
static void write_allow(const struct place *p, char *out)
{
	size_t n = 0;
	for (size_t m = HTTP_GET; m < HTTP_METHODS; m++) {
		bool is_head_of_get = m == HTTP_HEAD && p->rows[HTTP_GET] != NO_ROW;
		if (p->rows[m] == NO_ROW && !is_head_of_get)
			continue;
		int wrote =
			snprintf(out + n, HTTP_ALLOW_SIZE - n, "%s%s", n ? ", " : "", names[m]);
		n += (size_t)wrote;
		ASSERT(n < HTTP_ALLOW_SIZE);
	}
}

int http_route_match(const struct http_router *r, enum http_method method,
		     const struct http_target *target, struct http_match *out)
{
	struct http_match m = {.param_count = 0};
	const struct place *at = r->places[0];
	for (size_t i = 0; at && i < target->segment_count; i++)
		at = step(at, target->segments[i], &m);
	if (!at || !at->is_end)
		return HTTP_NO_ROUTE;
	int row = at->rows[method];
	if (row == NO_ROW && method == HTTP_HEAD)
		row = at->rows[HTTP_GET];
	if (row == NO_ROW) {
		write_allow(at, m.allow);
		*out = m;
		return HTTP_WRONG_METHOD;
	}
	m.row = (size_t)row;
	*out = m;
	return HTTP_FOUND;
}
