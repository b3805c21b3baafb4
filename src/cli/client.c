/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests of the verbs, and tables for people. */
#include "cli/client.h"

#include <unistd.h>

#include "base/utf8.h"
#include "cli/identity.h"
#include "http/client.h"

enum { ANSWER_MAX = 64 << 20, TIMEOUT_MS = 90000, CELL_MAX_BYTES = 16384, CELL_COLUMNS = 40 };

static enum http_method method_of(const char *name)
{
	if (strcmp(name, "PUT") == 0)
		return HTTP_PUT;
	if (strcmp(name, "DELETE") == 0)
		return HTTP_DELETE;
	return strcmp(name, "POST") == 0 ? HTTP_POST : HTTP_GET;
}

MUST static int fetch_as(struct cli_call *c, const struct client_as *as, const char *method,
			 struct str path, struct str body, struct str *out, struct err *e)
{
	struct http_client *client CLEAN(http_client_closep) = NULL;
	const struct http_client_options o = {
		.base = as->master,
		.timeout_ms = TIMEOUT_MS,
		.max_response_bytes = ANSWER_MAX,
		.ca_file = as->ca_file,
		.cert_file = as->cert_file,
		.key_file = as->key_file,
	};
	const struct http_request r = {
		.method = method_of(method), .target = path, .body = body};
	struct http_response response;
	if (http_client_open(&o, &client, e) < 0) {
		(void)snprintf(e->field, sizeof e->field, "master");
		return -1;
	}
	if (http_fetch_ok(client, &r, c->arena, &response, e) != 0) {
		if (e->kind == ERR_UNREACHABLE)
			return err_in(e, "the master %s does not answer", as->master);
		return -1;
	}
	*out = response.body;
	return 0;
}

MUST static int fetch(struct cli_call *c, const char *method, struct str path, struct str body,
		      struct str *out, struct err *e)
{
	struct client_as as = {.master = c->master};
	bool is_tls = strncmp(c->master, "https://", 8) == 0;
	if (is_tls && identity_use(c, &as, e) < 0)
		return -1;
	if (fetch_as(c, &as, method, path, body, out, e) < 0)
		return is_tls ? identity_explain(c, e) : -1;
	return 0;
}

/* The body as it is sent: DELETE and GET have none. */
static struct str sent_of(struct cli_call *c, const char *method, const struct json *body)
{
	bool is_bare = strcmp(method, "DELETE") == 0 || strcmp(method, "GET") == 0;
	if (body)
		return json_text(body, c->arena);
	return is_bare ? (struct str){NULL, 0} : S("{}");
}

MUST int client_send_as(struct cli_call *c, const struct client_as *as, const char *method,
			struct str path, const struct json *body, struct json **out,
			struct err *e)
{
	struct str text, sent = sent_of(c, method, body);
	if (arena_check(c->arena, e) < 0 || fetch_as(c, as, method, path, sent, &text, e) < 0)
		return -1;
	return json_parse(text, c->arena, out, e);
}

MUST int client_get(struct cli_call *c, struct str path, struct json **out, struct err *e)
{
	struct str text;
	if (fetch(c, "GET", path, (struct str){NULL, 0}, &text, e) < 0)
		return -1;
	return json_parse(text, c->arena, out, e);
}

MUST int client_get_text(struct cli_call *c, struct str path, struct str *out, struct err *e)
{
	return fetch(c, "GET", path, (struct str){NULL, 0}, out, e);
}

MUST int client_send(struct cli_call *c, const char *method, struct str path,
		     const struct json *body, struct json **out, struct err *e)
{
	struct str text, sent = sent_of(c, method, body);
	if (arena_check(c->arena, e) < 0 || fetch(c, method, path, sent, &text, e) < 0)
		return -1;
	return json_parse(text, c->arena, out, e);
}

struct str client_path(struct cli_call *c, const char *before, const char *segment,
		       const char *after)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(16384);
	buf_add(&b, str_from(before));
	http_encode_add(&b, str_from(segment));
	buf_add(&b, str_from(after));
	return arena_dup(c->arena, buf_str(&b));
}

struct str client_query(struct cli_call *c, struct str path, const char *name,
			const char *value)
{
	if (!value)
		return path;
	struct buf b CLEAN(buf_fini) = BUF_INIT(16384);
	buf_add(&b, path);
	http_query_add(&b, name, str_from(value));
	return arena_dup(c->arena, buf_str(&b));
}

struct str client_text(const struct json *object, const char *key)
{
	return json_str_of(json_get(object, str_from(key)), S(""));
}

int64_t client_i64(const struct json *object, const char *key)
{
	return json_i64_of(json_get(object, str_from(key)), 0);
}

void client_print_json(struct cli_call *c, const struct json *doc)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(ANSWER_MAX);
	json_write_pretty(doc, &b);
	(void)fprintf(c->out, "%" STR_F "\n", STR_A(buf_str(&b)));
}

/* ---- tables -------------------------------------------------------------------------------- */

void table_start(struct table *t, struct cli_call *c, const char *const *heads)
{
	*t = (struct table){.call = c, .heads = heads};
	while (heads[t->columns])
		t->columns++;
	ASSERT(t->columns <= TABLE_COLUMNS_MAX);
}

void table_cell(struct table *t, struct str text)
{
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct str *grown = ARENA_ARRAY(t->call->arena, struct str, cap);
		if (!grown)
			return;
		if (t->count)
			memcpy(grown, t->cells, t->count * sizeof *grown);
		t->cells = grown;
		t->cap = cap;
	}
	struct buf b CLEAN(buf_fini) = BUF_INIT(CELL_MAX_BYTES);
	utf8_add_line(&b, str_sub(text, 0, CELL_MAX_BYTES / 3));
	t->cells[t->count++] = arena_dup(t->call->arena, buf_str(&b));
}

/* The cell as wide as a terminal has room for: cut with an ellipsis. */
static struct str cut(struct cli_call *c, struct str cell)
{
	struct str rest = cell;
	struct utf8_char u;
	size_t columns = 0;
	while (columns < CELL_COLUMNS - 1 && utf8_next(&rest, &u))
		columns += u.columns;
	return arena_fmt(c->arena, "%" STR_F "…", STR_A(str_sub(cell, 0, cell.n - rest.n)));
}

/* A terminal gets cells of a bounded width, except the last column; anything else gets all. */
static void cut_wide(struct table *t)
{
	if (isatty(fileno(t->call->out)) != 1)
		return;
	for (size_t i = 0; i < t->count; i++)
		if ((i + 1) % t->columns && utf8_columns(t->cells[i]) > CELL_COLUMNS)
			t->cells[i] = cut(t->call, t->cells[i]);
}

static void print_row(struct table *t, const struct str *cells, const size_t *width)
{
	FILE *out = t->call->out;
	for (size_t i = 0; i < t->columns; i++) {
		(void)fprintf(out, "%" STR_F, STR_A(cells[i]));
		if (i + 1 < t->columns)
			(void)fprintf(out, "%*s", (int)(width[i] - utf8_columns(cells[i]) + 2),
				      "");
	}
	(void)fputc('\n', out);
}

void table_end(struct table *t, const char *empty)
{
	struct str heads[TABLE_COLUMNS_MAX];
	size_t width[TABLE_COLUMNS_MAX];
	if (!t->count) {
		(void)fprintf(t->call->out, "%s\n", empty);
		return;
	}
	cut_wide(t);
	ASSERT(t->columns > 0);
	for (size_t i = 0; i < t->columns; i++) {
		heads[i] = str_from(t->heads[i]);
		width[i] = heads[i].n;
	}
	for (size_t i = 0; i < t->count; i++)
		width[i % t->columns] =
			MAX_OF(width[i % t->columns], utf8_columns(t->cells[i]));
	print_row(t, heads, width);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		print_row(t, t->cells + i, width);
}
