/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From a request to a row of the table, and from a failure to an answer.
 *
 * A failure that HTTP has its own status for (405, 406, 415) travels as ERR_USAGE with that
 * status in err.os; with 405 err.field holds the methods that are allowed. ERR_FORBIDDEN with
 * 401 there means that a certificate would help (api/access.h).
 */
#include "api/api.h"

#include <stdatomic.h>

#include "api/access.h"
#include "api/acme.h"
#include "api/audit.h"
#include "api/bill.h"
#include "api/call.h"
#include "api/params.h"
#include "api/place.h"
#include "api/promises.h"
#include "api/session.h"
#include "api/signed.h"
#include "api/trust_crls.h"
#include "base/mem.h"
#include "store/node.h"
#include "store/promise.h"
#include "store/schema.h"

enum { LIVENESS_MS = 90000, PARAM_MAX = 2000, WAITING_STEP = 20 };

MUST int api_migrate(struct db *db, struct err *e)
{
	return store_migrate(db, e);
}

MUST static int make_router(struct api *api, struct err *e)
{
	size_t n = op_count();
	api->routes = mem_grow(NULL, n, sizeof *api->routes, e);
	if (!api->routes)
		return -1;
	for (size_t i = 0; i < n; i++)
		api->routes[i] = op_at(i)->route;
	return http_router_new(api->routes, n, sizeof *api->routes, &api->router, e);
}

MUST int api_new(const struct api_options *options, struct api **out, struct err *e)
{
	struct api *api = MEM_NEW(struct api, e);
	if (!api)
		return -1;
	api->options = *options;
	if (!api->options.liveness_limit_ms)
		api->options.liveness_limit_ms = LIVENESS_MS;
	if (make_router(api, e) < 0 || checked_new(&api->checked, e) < 0 ||
	    trust_crls_new(&api->crls, e) < 0) {
		api_free(api);
		return -1;
	}
	*out = api;
	return 0;
}

struct api *api_free(struct api *api)
{
	if (!api)
		return NULL;
	http_router_free(api->router);
	mem_free(api->routes);
	checked_free(api->checked);
	trust_crls_free(api->crls);
	mem_free(api);
	return NULL;
}

void api_freep(struct api **api)
{
	*api = api_free(*api);
}

/* ---- reading a request --------------------------------------------------------------------- */

MUST static int refuse_as(struct err *e, int status, const char *field, const char *text)
{
	(void)err_fill(e, ERR_USAGE, status, __FILE__, __LINE__, "%s", text);
	(void)snprintf(e->field, sizeof e->field, "%s", field);
	return -1;
}

MUST static int find_row(struct api_call *c, const struct api_request *req, struct err *e)
{
	struct http_match m;
	if (req->parsed)
		c->target = *req->parsed;
	else if (http_target_read(req->target, c->a, &c->target, e) < 0)
		return -1;
	int rc = http_route_match(c->api->router, http_method_of(req->method), &c->target, &m);
	if (rc == HTTP_WRONG_METHOD)
		return refuse_as(e, 405, m.allow, "this path does not know that method");
	if (rc == HTTP_NO_ROUTE) {
		(void)err_fail(e, ERR_NOT_FOUND, "no such path");
		e->os = 404; /* in the reference protocol, what a path names is 403, a path is 404 */
		return -1;
	}
	c->op = op_at(m.row);
	for (size_t i = 0; i < m.param_count; i++) {
		if (m.params[i].n > PARAM_MAX)
			return err_fail(e, ERR_NOT_FOUND,
					"no such object: its name is too long");
		c->params[i] = m.params[i];
	}
	return 0;
}

/* A query parameter as the JSON value that its field wants. */
MUST static int query_value(const struct json_field *f, struct str text, struct arena *a,
			    struct json **out, struct err *e)
{
	int64_t number;
	struct err why;
	if (f->type == JSON_FIELD_I64) {
		if (str_to_i64(text, INT64_MIN, INT64_MAX, &number, &why) < 0)
			return err_field(e, f->key, "%s", why.text);
		*out = json_i64_new(a, number);
	} else if (f->type == JSON_FIELD_BOOL) {
		if (!str_is(text, "true") && !str_is(text, "false"))
			return err_field(e, f->key, "is neither true nor false");
		*out = json_bool_new(a, str_is(text, "true"));
	} else {
		*out = json_str_new(a, text);
	}
	return 0;
}

static const struct json_field *query_field(const struct json_desc *d, struct str name)
{
	for (size_t i = 0; d && i < d->n_fields; i++)
		if (str_is(name, d->fields[i].key))
			return &d->fields[i];
	return NULL;
}

MUST static int read_query(struct api_call *c, struct err *e)
{
	struct json *tree = json_object_new(c->a), *value = NULL;
	const struct json_desc *d = c->op->query;
	for (size_t i = 0; i < c->target.query_count; i++) {
		const struct http_param *p = &c->target.query[i];
		const struct json_field *f = query_field(d, p->name);
		char name[80];
		(void)snprintf(name, sizeof name, "%" STR_F, STR_A(str_sub(p->name, 0, 60)));
		if (!f)
			return err_field(e, name, "is not a parameter of this call");
		if (json_get(tree, p->name))
			return err_field(e, name, "is given twice");
		if (query_value(f, p->value, c->a, &value, e) < 0)
			return -1;
		json_set(c->a, tree, p->name, value);
	}
	if (!d)
		return 0;
	c->query = arena_alloc(c->a, d->bytes);
	if (arena_check(c->a, e) < 0)
		return -1;
	return json_read_tree(d, tree, S(""), c->a, c->query, e);
}

/* application/json, parameters after it or not. */
static bool is_json(struct str media)
{
	struct str type = str_trim(str_sub(media, 0, str_find_char(media, ';')));
	return type.n == 16 && strncasecmp(type.p, "application/json", 16) == 0;
}

/* Does the header Accept let JSON through? */
static bool accepts_json(struct str accept)
{
	struct str part;
	if (!accept.n)
		return true;
	while (str_split(&accept, ',', &part)) {
		struct str type = str_trim(str_sub(part, 0, str_find_char(part, ';')));
		if (is_json(type) || str_is(type, "*/*") || str_is(type, "application/*"))
			return true;
	}
	return false;
}

MUST static int read_body(struct api_call *c, const struct api_request *req, struct err *e)
{
	const struct json_desc *d = c->op->in;
	bool is_v0 = op_is_v0(c->target.path);
	c->body_text = req->body;
	if (acme_is_path(c->target.path))
		return 0; /* its bodies are signed: their readers check all of them */
	if (is_v0 && !accepts_json(req->accept))
		return refuse_as(e, 406, "", "answers are application/json");
	if (!d) {
		if (req->body.n && !str_is(req->body, "{}")) /* an empty object is none */
			return err_fail(e, ERR_INVALID, "this call takes no body");
		return 0;
	}
	if (!is_json(req->content_type)) {
		if (is_v0)
			return err_fail(e, ERR_INVALID,
					"The browser (or proxy) sent a request that "
					"this server could not understand.");
		return refuse_as(e, 415, "", "the body has to be application/json");
	}
	c->in = arena_alloc(c->a, d->bytes);
	if (arena_check(c->a, e) < 0)
		return -1;
	return json_read(d, req->body, c->a, c->in, e);
}

MUST int api_open(struct api *api, const struct api_request *req, struct arena *a,
		  struct api_call **out, struct err *e)
{
	struct api_call *c = ARENA_NEW(a, struct api_call);
	struct api_request *own = ARENA_NEW(a, struct api_request);
	if (!c || !own)
		return arena_check(a, e);
	*own = *req;
	c->api = api;
	c->a = a;
	c->req = own;
	c->opened_at_ms = clock_now_ms(api->options.clock);
	c->caller = req->caller;
	session_offer(c);
	if (find_row(c, req, e) < 0 || access_door(c, e) < 0 || read_query(c, e) < 0 ||
	    read_body(c, req, e) < 0)
		return -1;
	if (c->op->prepare && c->op->prepare(c, e) < 0)
		return -1;
	*out = c;
	return 0;
}

bool api_call_is_read(const struct api_call *c)
{
	return !c->op->is_write;
}

MUST int api_run(struct api_call *c, struct db_tx *tx, bool may_wait, struct api_response *out,
		 struct err *e)
{
	call_begin(c, c->api, tx, c->a, out);
	c->may_wait = may_wait;
	if (access_load(c, e) < 0 || signed_report_check(c, e) < 0)
		return -1;
	int rc = c->op->run(c, e);
	if (rc < 0 || signed_report_keep(c, e) < 0 || call_end(c, e) < 0)
		return -1;
	return rc == 0 && signed_answer(c, e) < 0 ? -1 : rc;
}

MUST int api_handle(struct api *api, const struct api_request *req, struct db_tx *tx,
		    struct arena *a, struct api_response *out, struct err *e)
{
	struct api_call *c;
	if (api_open(api, req, a, &c, e) < 0)
		return -1;
	int rc = api_run(c, tx, false, out, e);
	ASSERT(rc <= 0); /* a call that may not wait does not park */
	return rc;
}

/* ---- failures ------------------------------------------------------------------------------ */

/* The status of an error in the reference protocol (wire b.1). */
static int v0_status(const struct err *why, const char **phrase)
{
	switch ((int)why->kind) {
	case ERR_INVALID:
	case ERR_TOO_LARGE:
		*phrase = "Bad Request";
		return 400;
	case ERR_NOT_FOUND:
		*phrase = why->os == 404 ? "Not Found" : "Forbidden";
		return why->os == 404 ? 404 : 403;
	case ERR_FORBIDDEN:
		*phrase = why->os == 401 ? "Unauthorized" : "Forbidden";
		return why->os == 401 ? 401 : 403;
	case ERR_CONFLICT:
	case ERR_NO_ROOM:
		*phrase = "Forbidden";
		return 403;
	case ERR_USAGE:
		*phrase = why->os == 406 ? "Not Acceptable" : "Method Not Allowed";
		return why->os;
	case ERR_BUSY:
	case ERR_MEMORY:
		if (why->kind == ERR_BUSY && why->os == 429) {
			*phrase = "Too Many Requests";
			return 429;
		}
		*phrase = "Service Unavailable";
		return 503;
	default:
		*phrase = "Internal Server Error";
		return 500;
	}
}

/*
 * In the reference protocol 403 is "it is not there" as well as "you may not": a node of ours,
 * which drops a report for the first and keeps it for the second, is told which.
 */
static void add_v0(struct buf *b, const struct api_request *req, const struct err *why,
		   int status, const char *phrase)
{
	buf_addf(b, "{\"status\": %d, \"type\": \"%s\", \"title\": ", status, phrase);
	struct buf title CLEAN(buf_fini) = BUF_INIT(ERR_TEXT_MAX + ERR_FIELD_MAX);
	if (why->field[0] && why->kind == ERR_INVALID)
		buf_addf(&title, "'%s' ", why->field);
	buf_addf(&title, "%s", status == 500 ? "Internal server error" : why->text);
	struct str t = buf_str(&title);
	json_write_str(str_is_utf8(t) ? t : S("the request is not UTF-8"), b);
	if (req->caller.kind == API_NODE)
		buf_addf(b, ", \"kind\": \"%s\"", err_kind_info(why->kind)->name);
	buf_add_c(b, '}');
}

static void add_v1(struct buf *b, const struct err *why)
{
	bool is_usage = why->kind == ERR_USAGE;
	struct str field = is_usage ? S("") : str_from(why->field), text = str_from(why->text);
	buf_addf(b, "{\"error\": {\"kind\": \"%s\", \"field\": ",
		 is_usage ? "invalid" : err_kind_info(why->kind)->name);
	json_write_str(str_is_utf8(field) ? field : S("?"), b);
	buf_add(b, S(", \"text\": "));
	json_write_str(str_is_utf8(text) ? text : S("the request is not UTF-8"), b);
	buf_add(b, S("}}"));
}

/* A refusal that a certificate would turn is 401; the rest is in the table of kinds. */
static int v1_status(const struct err *why)
{
	bool is_own = why->kind == ERR_USAGE ||
		      (why->kind == ERR_FORBIDDEN && why->os == 401) ||
		      (why->kind == ERR_BUSY && why->os == 429);
	return is_own ? why->os : err_kind_info(why->kind)->http_status;
}

void api_refuse(struct api *api, const struct api_request *req, const struct err *why,
		struct arena *a, struct api_response *out)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(8192);
	const char *phrase;
	*out = (struct api_response){.content_type = "application/json"};
	if (acme_is_path(req->target)) {
		acme_refuse(why, &b, out);
	} else if (op_is_v0(req->target)) {
		out->status = v0_status(why, &phrase);
		add_v0(&b, req, why, out->status, phrase);
	} else {
		out->status = v1_status(why);
		add_v1(&b, why);
	}
	if (out->status == 405)
		out->allow = arena_dup(a, str_from(why->field));
	if (out->status == 401) /* RFC 9110, 11.6.1: it has to name a way in */
		out->headers[out->header_count++] =
			(struct api_header){"WWW-Authenticate", S("Certificate realm=\"hoc\"")};
	out->body = arena_dup(a, buf_str(&b));
	/* The arena may be what is full: a constant then says so. */
	if (!out->body.n)
		out->body = S("{\"error\": {\"kind\": \"memory\", \"field\": \"\", \"text\": "
			      "\"the request needs too much memory\"}}");
	signed_refusal(api, req, a, out);
}

/* ---- work without a request ---------------------------------------------------------------- */

MUST int api_contact(struct api *api, struct db_tx *tx, struct str node, struct arena *a,
		     struct api_response *out, struct err *e)
{
	struct api_response ignored;
	struct api_call c = {.op = NULL};
	struct node n;
	call_begin(&c, api, tx, a, out ? out : &ignored);
	int rc = store_node_find(tx, a, node, &n, e);
	if (rc <= 0)
		return rc;
	return call_contact(&c, &n, e) < 0 ? -1 : call_end(&c, e);
}

/* A few of the orders that wait, each time the next ones: most find their place when something
 * becomes free, but not all that helps an order is noticed then. */
MUST static int try_waiting(struct api_call *c, int64_t limit, struct err *e)
{
	int64_t after = atomic_load(&c->api->waiting_after);
	int placed = place_waiting_any(c, &after, MIN_OF(limit, (int64_t)WAITING_STEP), e);
	atomic_store(&c->api->waiting_after, after);
	return placed;
}

MUST int api_assess(struct api *api, struct db_tx *tx, int64_t limit, struct arena *a,
		    struct api_response *out, struct err *e)
{
	struct api_response ignored;
	struct api_call c = {.op = NULL};
	struct node *silent = NULL;
	struct promise *due = NULL;
	size_t n = 0, m = 0;
	int changed = 0;
	call_begin(&c, api, tx, a, out ? out : &ignored);
	if (signed_note_newest(api, tx, e) < 0)
		return -1;
	if (store_node_silent(tx, a, c.now_ms - api->options.liveness_limit_ms, limit, &silent,
			      &n, e) < 0 ||
	    store_promise_due(tx, a, c.now_ms, limit, &due, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++, changed++)
		if (promises_liveness(&c, &silent[i], e) < 0)
			return -1;
	for (size_t i = 0; i < m; i++, changed++)
		if (bill_assess(&c, due[i].name, e) < 0)
			return -1;
	int placed = try_waiting(&c, limit, e);
	if (placed < 0 || call_end(&c, e) < 0 || audit_sign(&c, e) < 0)
		return -1;
	return changed + placed;
}

/* ---- the table ----------------------------------------------------------------------------- */

bool api_op_info(size_t i, struct api_op_info *out)
{
	const struct op *row = op_at(i);
	if (!row)
		return false;
	*out = (struct api_op_info){
		.method = http_method_name(row->route.method),
		.path = row->route.path,
		.id = row->id,
		.may = row->may,
		.help = row->help,
		.is_write = row->is_write,
	};
	return true;
}
