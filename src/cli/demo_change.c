/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Step 6: a change that touches only what it must, and one that is refused. */
#include "base/clock.h"
#include "cli/demo.h"
#include "cli/orders.h"

#define NEW_TITLE "A new title, and nothing restarted"

enum { CHANGE_S = 60 };

static int request_title(struct demo *d, struct json *title, struct json **out, struct err *e)
{
	struct arena *a = d->call->arena;
	struct json *body = json_object_new(a), *parameters = json_object_new(a);
	json_set(a, parameters, S("title"), title);
	json_set_str(a, body, S("release"), str_from(d->orders[DEMO_SITE].release));
	json_set_str(a, body, S("title"), str_from(d->orders[DEMO_SITE].title));
	json_set_str(a, body, S("customer"), S(DEMO_CUSTOMER));
	json_set(a, body, S("parameters"), parameters);
	return client_send(d->call, "POST", S("/v1/instances"), body, out, e);
}

static void show_status(void *user, const struct json *instance)
{
	struct demo *d = user;
	demo_check_live(&d->ui, "%" STR_F, STR_A(client_text(instance, "status")));
}

static int change_title(struct demo *d, const struct demo_services *before, struct err *e)
{
	struct demo_order *site = &d->orders[DEMO_SITE];
	struct str page, was, is;
	demo_check_begin(&d->ui, "new title");
	if (demo_curl(d, &page, &was, e) < 0 ||
	    request_title(d, json_str_new(d->call->arena, S(NEW_TITLE)), &site->instance, e) <
		    0 ||
	    orders_wait(d->call, &site->instance, "running", CHANGE_S, show_status, d, e) < 0 ||
	    demo_curl(d, &page, &is, e) < 0)
		return -1;
	if (!str_is(is, NEW_TITLE))
		return err_fail(e, ERR_BROKEN, "the page's title is still \"%" STR_F "\"",
				STR_A(is));
	demo_check_ok(&d->ui, "\"%" STR_F "\" is now \"%" STR_F "\"", STR_A(was), STR_A(is));
	demo_check_begin(&d->ui, "processes");
	if (demo_same_pids(d, before, S(""), e) < 0)
		return -1;
	demo_check_ok(&d->ui, "all %zu are the same as before", before->count);
	demo_fact_str(&d->ui, "title", is);
	return 0;
}

/* The refusal has to name the field, and nothing may have changed. */
static int refuse_bad(struct demo *d, struct err *e)
{
	struct json *ignored;
	struct str page, title;
	struct err why = ERR_INIT;
	demo_check_begin(&d->ui, "bad parameter");
	int64_t version = client_i64(d->orders[DEMO_SITE].instance, "version");
	if (request_title(d, json_i64_new(d->call->arena, 7), &ignored, &why) == 0)
		return err_fail(e, ERR_BROKEN, "a title that is a number was accepted");
	if (why.kind != ERR_INVALID || !str_starts(str_from(why.field), S("parameters.")))
		return err_fail(e, ERR_BROKEN, "refused without naming the field: %s: %s",
				why.field, why.text);
	if (demo_reload(d, &d->orders[DEMO_SITE], e) < 0 || demo_curl(d, &page, &title, e) < 0)
		return -1;
	if (client_i64(d->orders[DEMO_SITE].instance, "version") != version ||
	    !str_is(title, NEW_TITLE))
		return err_fail(e, ERR_BROKEN, "the refused request changed something");
	demo_check_ok(&d->ui, "title = 7 is refused: %s: %s", why.field, why.text);
	demo_fact_str(&d->ui, "refused_field", str_from(why.field));
	demo_fact_str(&d->ui, "refused_text", str_from(why.text));
	return 0;
}

int demo_change(struct demo *d, struct err *e)
{
	struct demo_services before;
	if (demo_services(d, &before, e) < 0 || change_title(d, &before, e) < 0)
		return -1;
	return refuse_bad(d, e);
}
