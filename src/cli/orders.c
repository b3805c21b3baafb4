/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Orders: request, list, show, start, stop, destroy.
 *
 * Waiting is a long poll for the next version of the instance, not a clock: it ends as soon as
 * the wanted status is there, or fails with what the node said.
 */
#include "cli/orders.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/secret.h"
#include "cli/verbs.h"

enum { PARAMS_MAX = 1 << 20, WAIT_STEP_S = 20 };

/* ---- parameters ---------------------------------------------------------------------------- */

/* The value as JSON if it is some, else as text: 3, true, "a", [1], plain words. */
static struct json *value_of(struct cli_call *c, const char *text)
{
	struct json *value;
	struct err ignored = ERR_INIT;
	if (json_parse(str_from(text), c->arena, &value, &ignored) == 0)
		return value;
	return json_str_new(c->arena, str_from(text));
}

/* Options "k=v" of that name into an object. */
static int pairs_into(struct cli_call *c, const char *option, bool is_typed, struct json *into,
		      struct err *e)
{
	const char *text;
	for (size_t i = 0; (text = cli_value_at(c, option, i)); i++) {
		const char *equals = strchr(text, '=');
		if (!equals || equals == text)
			return err_field(e, option, "'%s' is not KEY=VALUE", text);
		struct str key = str_of(text, (size_t)(equals - text));
		if (is_typed)
			json_set(c->arena, into, key, value_of(c, equals + 1));
		else
			json_set_str(c->arena, into, key, str_from(equals + 1));
	}
	return 0;
}

static int parameters_of(struct cli_call *c, struct json **out, struct err *e)
{
	const char *file = cli_value(c, "params-file");
	*out = json_object_new(c->arena);
	if (file) {
		struct str text;
		int rc = file_read(file, PARAMS_MAX, c->arena, &text, e);
		if (rc != 0)
			return rc < 0 ? -1
				      : err_field(e, "params-file", "%s does not exist", file);
		if (json_parse(text, c->arena, out, e) < 0)
			return err_in(e, "%s", file);
		if (!json_is(*out, JSON_IS_OBJECT))
			return err_field(e, "params-file", "%s does not hold a JSON object",
					 file);
	}
	return pairs_into(c, "param", true, *out, e);
}

/* ---- showing ------------------------------------------------------------------------------- */

static void print_members(struct cli_call *c, const char *head, const struct json *object)
{
	if (!json_count(object))
		return;
	(void)fprintf(c->out, "%s\n", head);
	for (size_t i = 0; i < json_count(object); i++) {
		const struct json_member *m = &object->members[i];
		struct str text = json_is(m->value, JSON_IS_STR)
					  ? m->value->str
					  : json_text(m->value, c->arena);
		(void)fprintf(c->out, "  %" STR_F " = %" STR_F "\n", STR_A(m->key),
			      STR_A(text));
	}
}

static void print_lines(struct cli_call *c, const char *head, const struct json *list)
{
	for (size_t i = 0; i < json_count(list); i++)
		(void)fprintf(c->out, "%-12s%" STR_F "\n", i ? "" : head,
			      STR_A(json_str_of(json_at(list, i), S(""))));
}

void orders_print(struct cli_call *c, const struct json *i)
{
	static const char *const rows[][2] = {
		{"instance", "guid"},	  {"release", "release"},     {"type", "type"},
		{"customer", "customer"}, {"wanted", "state"},	      {"status", "status"},
		{"node", "node"},	  {"partition", "partition"}, {"message", "message"}};
	const struct json *promises = json_get(i, S("promises"));
	(void)fprintf(c->out, "%-12s%" STR_F "\n", "title", STR_A(client_text(i, "title")));
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		if (client_text(i, rows[k][1]).n)
			(void)fprintf(c->out, "%-12s%" STR_F "\n", rows[k][0],
				      STR_A(client_text(i, rows[k][1])));
	(void)fprintf(c->out, "%-12s%lld kept, %lld broken, %lld unknown\n", "promises",
		      (long long)client_i64(promises, "kept"),
		      (long long)client_i64(promises, "broken"),
		      (long long)client_i64(promises, "unknown"));
	print_lines(c, "waits for", json_get(i, S("refusals")));
	print_members(c, "parameters", json_get(i, S("parameters")));
	print_members(c, "connection", json_get(i, S("connection")));
}

static int answer(struct cli_call *c, struct json *instance, struct err *e)
{
	if (secret_show(c, instance, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, instance);
	else
		orders_print(c, instance);
	return 0;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static bool is_reached(const struct json *i, const char *status)
{
	return str_is(client_text(i, "status"), status);
}

/* The next version of the instance, or the same after a while. */
MUST static int next_version(struct cli_call *c, struct json **instance, int64_t until_ms,
			     struct err *e)
{
	int64_t left_s = (until_ms - clock_mono_ms(clock_system()) + 999) / 1000;
	struct str guid = client_text(*instance, "guid");
	struct str path =
		arena_fmt(c->arena, "/v1/instances/%" STR_F "?since=%lld&wait=%lld",
			  STR_A(guid), (long long)client_i64(*instance, "version"),
			  (long long)MIN_OF(MAX_OF(left_s, (int64_t)1), (int64_t)WAIT_STEP_S));
	return client_get(c, path, instance, e);
}

MUST int orders_wait(struct cli_call *c, struct json **instance, const char *status,
		     int64_t seconds, orders_progress_fn *progress, void *user, struct err *e)
{
	const struct clock *clock = clock_system();
	int64_t until_ms = clock_mono_ms(clock) + seconds * 1000;
	for (;;) {
		if (progress)
			progress(user, *instance);
		if (is_reached(*instance, status))
			return 0;
		int64_t left_s = (until_ms - clock_mono_ms(clock) + 999) / 1000;
		if (left_s <= 0)
			return err_fail(
				e, ERR_TIMEOUT,
				"%" STR_F " is %" STR_F ", not %s, after %lld s: %" STR_F,
				STR_A(client_text(*instance, "title")),
				STR_A(client_text(*instance, "status")), status,
				(long long)seconds, STR_A(client_text(*instance, "message")));
		if (next_version(c, instance, until_ms, e) < 0)
			return -1;
	}
}

static const char *status_for(struct str state)
{
	if (str_is(state, "stopped"))
		return "stopped";
	return str_is(state, "destroyed") ? "destroyed" : "running";
}

/* The seconds of --wait, 0: not asked for. Read before anything is sent. */
static int wait_of(struct cli_call *c, int64_t *out, struct err *e)
{
	*out = cli_has(c, "wait") ? 600 : 0;
	return *out && cli_value(c, "wait")[0] ? cli_i64(c, "wait", 1, 86400, out, e) : 0;
}

/* --wait: for the status that the wanted state ends in. A destroyed instance may be gone. */
static int wait_if_asked(struct cli_call *c, struct json **instance, int64_t seconds,
			 struct err *e)
{
	if (!seconds)
		return 0;
	return orders_wait(c, instance, status_for(client_text(*instance, "state")), seconds,
			   NULL, NULL, e);
}

/* ---- verbs --------------------------------------------------------------------------------- */

/* The body of a request, as the options say it. */
static struct json *body_of(struct cli_call *c, struct json *parameters, struct json *where)
{
	static const char *const texts[] = {"type", "state", "customer"};
	struct json *body = json_object_new(c->arena);
	json_set_str(c->arena, body, S("release"), str_from(c->arguments[0]));
	json_set_str(c->arena, body, S("title"), str_from(c->arguments[1]));
	json_set(c->arena, body, S("parameters"), parameters);
	json_set(c->arena, body, S("where"), where);
	json_set_bool(c->arena, body, S("shared"), cli_has(c, "shared"));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (cli_value(c, texts[i]))
			json_set_str(c->arena, body, str_from(texts[i]),
				     str_from(cli_value(c, texts[i])));
	return body;
}

/* Until it has a place, or the time is over. */
static int wait_for_place(struct cli_call *c, struct json **instance, int64_t seconds,
			  struct err *e)
{
	const struct clock *clock = clock_system();
	int64_t until_ms = clock_mono_ms(clock) + seconds * 1000;
	while (!client_text(*instance, "node").n && clock_mono_ms(clock) < until_ms)
		if (next_version(c, instance, until_ms, e) < 0)
			return -1;
	return 0;
}

int verb_request(struct cli_call *c, struct err *e)
{
	struct json *parameters, *instance, *where = json_object_new(c->arena);
	struct secret_order o CLEAN(secret_order_end) = {.count = 0};
	int64_t seconds;
	if (wait_of(c, &seconds, e) < 0 || parameters_of(c, &parameters, e) < 0 ||
	    pairs_into(c, "where", false, where, e) < 0 ||
	    secret_order_read(c, body_of(c, parameters, where), parameters, &o, e) < 0 ||
	    secret_order_send(c, &o, &instance, e) < 0 ||
	    (o.count && wait_for_place(c, &instance, seconds, e) < 0) ||
	    secret_order_place(c, &o, &instance, e) < 0 ||
	    wait_if_asked(c, &instance, seconds, e) < 0)
		return -1;
	return answer(c, instance, e);
}

MUST int orders_find(struct cli_call *c, const char *title, struct json **out, struct err *e)
{
	struct str path = client_path(c, "/v1/instances/", title, "");
	return client_get(c, client_query(c, path, "customer", cli_value(c, "customer")), out,
			  e);
}

MUST int orders_set_state(struct cli_call *c, struct json **instance, const char *state,
			  struct err *e)
{
	static const char *const kept[] = {"release", "title", "type", "customer"};
	struct json *body = json_object_new(c->arena);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_set_str(c->arena, body, str_from(kept[i]),
			     client_text(*instance, kept[i]));
	json_set(c->arena, body, S("parameters"), json_get(*instance, S("parameters")));
	json_set(c->arena, body, S("where"), json_get(*instance, S("where")));
	json_set(c->arena, body, S("shared"), json_get(*instance, S("shared")));
	if (client_text(*instance, "requester").n)
		json_set_str(c->arena, body, S("requester"),
			     client_text(*instance, "requester"));
	json_set_str(c->arena, body, S("state"), str_from(state));
	return client_send(c, "POST", S("/v1/instances"), body, instance, e);
}

static int change_state(struct cli_call *c, const char *state, struct err *e)
{
	struct json *instance;
	int64_t seconds;
	if (wait_of(c, &seconds, e) < 0 || orders_find(c, c->arguments[0], &instance, e) < 0 ||
	    orders_set_state(c, &instance, state, e) < 0 ||
	    wait_if_asked(c, &instance, seconds, e) < 0)
		return -1;
	return answer(c, instance, e);
}

int verb_start(struct cli_call *c, struct err *e)
{
	return change_state(c, "started", e);
}

int verb_stop(struct cli_call *c, struct err *e)
{
	return change_state(c, "stopped", e);
}

int verb_destroy(struct cli_call *c, struct err *e)
{
	return change_state(c, "destroyed", e);
}

int verb_show(struct cli_call *c, struct err *e)
{
	struct json *instance;
	if (orders_find(c, c->arguments[0], &instance, e) < 0)
		return -1;
	return answer(c, instance, e);
}

/* All pages of the list as one document. */
static int get_all(struct cli_call *c, struct json **out, struct err *e)
{
	struct json *all = json_array_new(c->arena), *page;
	const char *after = NULL;
	do {
		struct str path = client_query(c, S("/v1/instances"), "customer",
					       cli_value(c, "customer"));
		path = client_query(c, path, "node", cli_value(c, "node"));
		if (client_get(c, client_query(c, path, "after", after), &page, e) < 0)
			return -1;
		const struct json *list = json_get(page, S("instances"));
		for (size_t i = 0; i < json_count(list); i++)
			json_add(c->arena, all, json_at(list, i));
		struct str next = client_text(page, "next");
		after = next.n ? arena_cstr(c->arena, next) : NULL;
	} while (after);
	*out = json_object_new(c->arena);
	json_set(c->arena, *out, S("instances"), all);
	return arena_check(c->arena, e);
}

int verb_list(struct cli_call *c, struct err *e)
{
	static const char *const plain[] = {"TITLE",	 "RELEASE",  "STATUS",	 "NODE",
					    "PARTITION", "PROMISES", "CUSTOMER", NULL};
	static const char *const marked[] = {"TITLE",	"RELEASE",   "STATUS",
					     "NODE",	"PARTITION", "PROMISES",
					     "SECRETS", "CUSTOMER",  NULL};
	struct json *doc;
	struct table t;
	if (get_all(c, &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("instances"));
	bool has_marks = false;
	for (size_t i = 0; i < json_count(list); i++)
		has_marks = has_marks || secret_mark(json_at(list, i)).n;
	table_start(&t, c, has_marks ? marked : plain);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *x = json_at(list, i), *promises = json_get(x, S("promises"));
		int64_t kept = client_i64(promises, "kept");
		int64_t all =
			kept + client_i64(promises, "broken") + client_i64(promises, "unknown");
		table_cell(&t, client_text(x, "title"));
		table_cell(&t, client_text(x, "name"));
		table_cell(&t, client_text(x, "status"));
		table_cell(&t, client_text(x, "node"));
		table_cell(&t, client_text(x, "partition"));
		table_cell(&t, arena_fmt(c->arena, "%lld/%lld kept", (long long)kept,
					 (long long)all));
		if (has_marks)
			table_cell(&t, secret_mark(x));
		table_cell(&t, client_text(x, "customer"));
	}
	table_end(&t, "no instances");
	return 0;
}
