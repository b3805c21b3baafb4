/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Step 3: three orders, followed in the master's chain of events until every promise is kept;
 * step 4: proof by the clients that any user has.
 */
#include "base/clock.h"
#include "cli/demo.h"

enum { ORDER_MS = 180000, SETTLE_MS = 60000 };

/* ---- ordering ------------------------------------------------------------------------------ */

static int place(struct demo *d, struct demo_order *o, struct err *e)
{
	struct arena *a = d->call->arena;
	struct json *parameters, *body = json_object_new(a);
	if (json_parse(str_from(o->parameters), a, &parameters, e) < 0)
		return -1;
	json_set_str(a, body, S("release"), str_from(o->release));
	json_set_str(a, body, S("title"), str_from(o->title));
	json_set_str(a, body, S("customer"), S(DEMO_CUSTOMER));
	json_set_str(a, body, S("state"), S("started"));
	json_set(a, body, S("parameters"), parameters);
	return client_send(d->call, "POST", S("/v1/instances"), body, &o->instance, e);
}

/* Names the customer; what is the same already changes nothing. */
static int place_all(struct demo *d, struct err *e)
{
	demo_check_begin(&d->ui, "order");
	for (size_t i = 0; i < DEMO_ORDERS; i++)
		if (place(d, &d->orders[i], e) < 0)
			return err_in(e, "order %s", d->orders[i].title);
	demo_check_ok(&d->ui, "%s, %s, %s for customer %s", d->orders[0].title,
		      d->orders[1].title, d->orders[2].title, DEMO_CUSTOMER);
	return 0;
}

/* ---- following ----------------------------------------------------------------------------- */

enum moment { ORDERED, ALLOCATED, RUNNING, KEPT, MOMENTS };

struct following {
	struct demo *demo;
	struct demo_order *order;
	int64_t at_ms[MOMENTS]; /* 0: not so far */
};

static bool is_all_kept(const struct json *instance)
{
	const struct json *p = json_get(instance, S("promises"));
	return str_is(client_text(instance, "status"), "running") && client_i64(p, "kept") > 0;
}

static enum moment moment_of(const struct json *event)
{
	struct str kind = client_text(event, "kind"),
		   state = client_text(json_get(event, S("body")), "state");
	if (str_is(kind, "instance.requested") || str_is(kind, "instance.changed"))
		return ORDERED;
	if (str_is(kind, "instance.allocated"))
		return ALLOCATED;
	if (str_is(kind, "instance.reported") && str_is(state, "started"))
		return RUNNING;
	if (str_is(kind, "promise.moved") && str_is(state, "kept"))
		return KEPT;
	return MOMENTS;
}

/* Notes the moment of an event; 1 if it was about this order. */
static int order_event(void *user, const struct json *event, struct err *e UNUSED)
{
	struct following *f = user;
	struct err ignored = ERR_INIT;
	int64_t at_ms;
	if (!str_eq(client_text(event, "subject"), client_text(f->order->instance, "guid")))
		return 0;
	enum moment m = moment_of(event);
	bool is_last_counted = m == KEPT || m == RUNNING;
	if (m < MOMENTS && clock_parse(client_text(event, "at"), &at_ms, &ignored) == 0 &&
	    (is_last_counted || !f->at_ms[m]))
		f->at_ms[m] = at_ms;
	return 1;
}

/* What happened up to the moment when all was kept. */
static int note_rest(struct following *f, int64_t since, struct err *e)
{
	struct json *doc;
	struct str path = arena_fmt(f->demo->call->arena, "/v1/events?since=%lld&limit=1000",
				    (long long)since);
	if (client_get(f->demo->call, path, &doc, e) < 0)
		return -1;
	const struct json *list = json_get(doc, S("events"));
	for (size_t i = 0; i < json_count(list); i++)
		(void)order_event(f, json_at(list, i), e);
	return 0;
}

/* "ordered → allocated +2 ms → …", and the same as facts. */
static void show_timeline(struct following *f)
{
	static const char *const names[] = {"ordered", "allocated", "running", "kept"};
	struct demo_ui *ui = &f->demo->ui;
	struct json *times = json_object_new(ui->arena);
	const struct json *i = f->order->instance, *promises = json_get(i, S("promises"));
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	for (int m = ALLOCATED; m < MOMENTS; m++) {
		if (!f->at_ms[m] || !f->at_ms[ORDERED])
			continue;
		int64_t ms = f->at_ms[m] - f->at_ms[ORDERED];
		json_set_i64(ui->arena, times, str_from(names[m]), ms);
		if (m == RUNNING)
			buf_add(&b, S(", built before"));
		if (m != KEPT)
			buf_addf(&b, ", %s +%lld", names[m], (long long)ms);
		else
			buf_addf(&b, ", %lld promises kept +%lld ms",
				 (long long)client_i64(promises, "kept"), (long long)ms);
	}
	demo_check_ok(ui, "%" STR_F " on %" STR_F ": ordered%" STR_F,
		      STR_A(client_text(i, "name")), STR_A(client_text(i, "partition")),
		      STR_A(b.n ? buf_str(&b) : S(" before, as it is")));
	json_set_str(ui->arena, times, S("guid"), client_text(i, "guid"));
	json_set_str(ui->arena, times, S("partition"), client_text(i, "partition"));
	demo_fact(ui, f->order->title, times);
}

static int follow_order(struct demo *d, struct demo_order *o, int64_t since, int64_t placed_ms,
			struct err *e)
{
	struct following f = {.demo = d, .order = o};
	demo_check_begin(&d->ui, o->title);
	d->ui.check_since_ms = placed_ms;
	for (;;) {
		if (demo_reload(d, o, e) < 0)
			return -1;
		if (is_all_kept(o->instance))
			break;
		struct str status = client_text(o->instance, "status"),
			   message = client_text(o->instance, "message");
		demo_check_live(&d->ui, "%" STR_F " %" STR_F, STR_A(status), STR_A(message));
		if (demo_events(d, &since, ORDER_MS, order_event, &f, e) < 0)
			return err_in(e, "%s is %" STR_F " %" STR_F, o->title, STR_A(status),
				      STR_A(message));
	}
	if (note_rest(&f, since, e) < 0)
		return -1;
	show_timeline(&f);
	return 0;
}

/* ---- the node's own view ------------------------------------------------------------------- */

static const struct json *partition_of(const struct json *status, struct str guid)
{
	const struct json *list = json_get(status, S("partitions"));
	for (size_t i = 0; i < json_count(list); i++)
		if (str_eq(client_text(json_at(list, i), "instance"), guid))
			return json_at(list, i);
	return NULL;
}

static bool are_kept(const struct json *promises)
{
	for (size_t i = 0; i < json_count(promises); i++)
		if (!str_is(client_text(json_at(promises, i), "state"), "kept"))
			return false;
	return json_count(promises) > 0;
}

int demo_is_settled(void *user, const struct json *status, struct err *e UNUSED)
{
	struct demo *d = user;
	if (!json_bool_of(json_get(status, S("linked")), false))
		return 0;
	for (size_t i = 0; i < DEMO_ORDERS; i++) {
		const struct demo_order *o = &d->orders[i];
		if (str_is(client_text(o->instance, "state"), "destroyed"))
			continue;
		const struct json *p = partition_of(status, client_text(o->instance, "guid"));
		if (!str_is(client_text(p, "now"), "running") ||
		    !are_kept(json_get(p, S("promises")))) {
			demo_check_live(&d->ui, "%s is %" STR_F " %" STR_F, o->title,
					STR_A(client_text(p, "now")),
					STR_A(client_text(p, "message")));
			return 0;
		}
	}
	return 1;
}

int demo_ordering(struct demo *d, struct err *e)
{
	int64_t since, placed_ms = clock_mono_ms(clock_system());
	if (demo_sequence(d, &since, e) < 0 || place_all(d, e) < 0)
		return -1;
	for (size_t i = 0; i < DEMO_ORDERS; i++)
		if (follow_order(d, &d->orders[i], since, placed_ms, e) < 0)
			return -1;
	/* What the master knows may be older than a stop of the cloud: the node says what is. */
	demo_check_begin(&d->ui, "node");
	if (demo_follow(d, SETTLE_MS, demo_is_settled, d, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "says the same: every promise is kept");
	return 0;
}

/* ---- proof --------------------------------------------------------------------------------- */

int demo_proof(struct demo *d, struct err *e)
{
	static const char *const ping[] = {"PING", NULL};
	struct str out, page, title;
	demo_check_begin(&d->ui, "psql");
	if (demo_psql(d,
		      "SELECT 'PostgreSQL ' || current_setting('server_version') || ', "
		      "database ' "
		      "|| current_database() || ', user ' || current_user",
		      &out, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "%" STR_F, STR_A(out));
	demo_fact_str(&d->ui, "psql", out);
	demo_check_begin(&d->ui, "curl");
	if (demo_curl(d, &page, &title, e) < 0)
		return -1;
	struct str url = demo_connection(d, &d->orders[DEMO_SITE], "url");
	demo_check_ok(&d->ui, "%" STR_F ": \"%" STR_F "\", %zu bytes", STR_A(url), STR_A(title),
		      page.n);
	demo_fact_str(&d->ui, "curl", title);
	demo_check_begin(&d->ui, "redis-cli");
	if (demo_redis(d, ping, &out, e) < 0)
		return -1;
	if (!str_is(out, "PONG"))
		return err_fail(e, ERR_BROKEN, "PING is answered by %" STR_F, STR_A(out));
	demo_check_ok(&d->ui, "PING: %" STR_F, STR_A(out));
	demo_fact_str(&d->ui, "redis_cli", out);
	return demo_search_master(d, e);
}
