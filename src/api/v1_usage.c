/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What nodes metered. Exactly once: (node, id) is the key of an event. */
#include "api/access.h"
#include "api/bill.h"
#include "api/handlers.h"
#include "api/supply.h"
#include "api/views.h"
#include "store/customer.h"
#include "store/instance.h"
#include "store/usage.h"
#include "trade/usage.h"

enum { EVENTS_MAX = 2000 };

/* clang-format off */
struct usage_in { struct str id, instance, metric, quantity, from, to; };
static const struct json_field usage_fields[] = {
	JSON_STR(struct usage_in, id, "id", 1, USAGE_ID_MAX, JSON_REQUIRED, "Unique for the node; the same id is taken once."),
	JSON_STR(struct usage_in, instance, "instance", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Guid."),
	JSON_STR(struct usage_in, metric, "metric", 1, 60, JSON_REQUIRED, "instance_seconds, cpu_seconds, memory_byte_seconds, disk_byte_seconds, network_bytes_in, network_bytes_out."),
	JSON_STR(struct usage_in, quantity, "quantity", 1, 40, JSON_REQUIRED, "Base units, as decimal text."),
	JSON_STR(struct usage_in, from, "from", 1, 40, JSON_REQUIRED, "Begin, RFC 3339."),
	JSON_STR(struct usage_in, to, "to", 1, 40, JSON_REQUIRED, "End, RFC 3339."),
};
static const struct json_desc usage_desc = JSON_DESC(struct usage_in, usage_fields, "UsageEvent", "What one instance used.");
struct batch { struct usage_in *events; size_t n; };
static const struct json_field batch_fields[] = {
	JSON_STRUCTS(struct batch, events, n, struct usage_in, "events", &usage_desc, 0, EVENTS_MAX, JSON_REQUIRED, "What was metered."),
};
const struct json_desc v1_usage_in = JSON_DESC(struct batch, batch_fields, "UsageIn", "Usage that a node reports.");
struct accepted { int64_t accepted, duplicates; };
static const struct json_field accepted_fields[] = {
	JSON_I64(struct accepted, accepted, "accepted", 0, INT64_MAX, 0, "New and stored."),
	JSON_I64(struct accepted, duplicates, "duplicates", 0, INT64_MAX, 0, "Sent before: nothing changed."),
};
const struct json_desc v1_usage_accepted = JSON_DESC(struct accepted, accepted_fields, "UsageAccepted", "What came of it.");
struct usage_query { struct str customer, instance, from, to; int64_t limit; };
static const struct json_field usage_query_fields[] = {
	JSON_STR(struct usage_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Whose; left out: the only one that the caller is in.", .initial_text = ""),
	JSON_STR(struct usage_query, instance, "instance", 1, MODEL_NAME_MAX, 0, "Of one instance (guid)."),
	JSON_STR(struct usage_query, from, "from", 1, 40, 0, "Ended after this moment.", .initial_text = "1970-01-01"),
	JSON_STR(struct usage_query, to, "to", 1, 40, 0, "Ended at or before it.", .initial_text = "9999-01-01"),
	JSON_I64(struct usage_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_usage_query = JSON_DESC(struct usage_query, usage_query_fields, "UsageQuery", "Which usage.");
struct view_usage { struct str id, instance, metric, quantity, from, to; };
static const struct json_field view_fields[] = {
	JSON_STR(struct view_usage, id, "id", 0, INT64_MAX, 0, "As the node gave it."),
	JSON_STR(struct view_usage, instance, "instance", 0, INT64_MAX, 0, "Guid."),
	JSON_STR(struct view_usage, metric, "metric", 0, INT64_MAX, 0, "What was metered."),
	JSON_STR(struct view_usage, quantity, "quantity", 0, INT64_MAX, 0, "Base units, decimal text."),
	JSON_STR(struct view_usage, from, "from", 0, INT64_MAX, 0, "Begin."),
	JSON_STR(struct view_usage, to, "to", 0, INT64_MAX, 0, "End."),
};
static const struct json_desc view_desc = JSON_DESC(struct view_usage, view_fields, "Usage", "What one instance used.");
struct usages { struct view_usage *usage; size_t n; };
static const struct json_field usages_fields[] = {
	JSON_STRUCTS(struct usages, usage, n, struct view_usage, "usage", &view_desc, 0, INT64_MAX, 0, "In the order of their ends."),
};
const struct json_desc v1_usage_out = JSON_DESC(struct usages, usages_fields, "UsageList", "Usage.");

struct view_total {
	struct str instance, title, release, metric, quantity, billed, unit;
};
#define T struct view_total
static const struct json_field total_fields[] = {
	JSON_STR(T, instance, "instance", 0, 0, 0, "Guid."),
	JSON_STR(T, title, "title", 0, 0, 0, "Title of the instance."),
	JSON_STR(T, release, "release", 0, 0, 0, "Name of its release."),
	JSON_STR(T, metric, "metric", 0, 0, 0, "What was metered."),
	JSON_STR(T, quantity, "quantity", 0, 0, 0, "Base units, exact decimal text."),
	JSON_STR(T, billed, "billed", 0, 0, 0, "The same in the usual billing unit, rounded to 6 decimals."),
	JSON_STR(T, unit, "unit", 0, 0, 0, "That unit."),
};
static const struct json_desc total_desc = JSON_DESC(T, total_fields, "UsageTotal", "What one instance used of one metric.");
#undef T
struct totals {
	struct view_total *totals;
	size_t n;
};
static const struct json_field totals_fields[] = {
	JSON_STRUCTS(struct totals, totals, n, struct view_total, "totals", &total_desc, 0, INT64_MAX, 0, "By instance and metric."),
};
const struct json_desc v1_totals_out = JSON_DESC(struct totals, totals_fields, "UsageTotals", "Usage, added up.");
/* clang-format on */

/* Turns a failure of room trade or base into one that names the field. */
static int bad(struct err *e, size_t i, const char *field)
{
	struct err why = *e;
	char path[ERR_FIELD_MAX];
	(void)snprintf(path, sizeof path, "events[%zu].%s", i,
		       why.field[0] ? why.field : field);
	return err_field(e, path, "%s", why.text);
}

/* Checks one event by the rules of room trade. */
MUST static int read_event(const struct usage_in *in, size_t i, struct usage_event *out,
			   struct err *e)
{
	*out = (struct usage_event){.id = in->id, .instance = in->instance};
	if (metric_parse(in->metric, &out->metric, e) < 0)
		return bad(e, i, "metric");
	if (dec_parse(in->quantity, &out->quantity, e) < 0)
		return bad(e, i, "quantity");
	if (clock_parse(in->from, &out->from_ms, e) < 0)
		return bad(e, i, "from");
	if (clock_parse(in->to, &out->to_ms, e) < 0)
		return bad(e, i, "to");
	return usage_check(out, e) < 0 ? bad(e, i, "id") : 0;
}

MUST static int take(struct api_call *c, const struct node *n, const struct usage_in *in,
		     size_t k, struct instance *i, struct err *e)
{
	struct usage_event ev;
	if (read_event(in, k, &ev, e) < 0)
		return -1;
	if (!i->id || !str_eq(i->guid, in->instance)) {
		i->id = 0;
		int rc = store_instance_by_guid(c->tx, c->a, in->instance, i, e);
		if (rc > 0)
			rc = access_changes(c, i, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			i->id = 0;
	}
	if (!i->id) {
		(void)err_fail(e, ERR_INVALID, "there is no instance %" STR_F,
			       STR_A(in->instance));
		return bad(e, k, "instance");
	}
	struct usage_row row = {
		.node_id = n->id,
		.event_id = in->id,
		.customer_id = i->customer_id,
		.instance_id = i->id,
		.metric = in->metric,
		.quantity = in->quantity,
		.from_ms = ev.from_ms,
		.to_ms = ev.to_ms,
	};
	return store_usage_add(c->tx, &row, e);
}

MUST int v1_node_usage(struct api_call *c, struct err *e)
{
	const struct batch *in = c->in;
	struct node n;
	struct instance i = {.id = 0};
	struct accepted v = {0, 0};
	if (supply_node(c, c->params[0], true, &n, e) < 0)
		return -1;
	for (size_t k = 0; k < in->n; k++) {
		int rc = take(c, &n, &in->events[k], k, &i, e);
		if (rc < 0)
			return -1;
		v.accepted += rc;
		v.duplicates += !rc;
	}
	if (v.accepted) {
		struct json *body = json_object_new(c->a);
		json_set_i64(c->a, body, S("events"), v.accepted);
		call_event(c, EVENT_USAGE_REPORTED, n.name, body);
	}
	return call_answer(c, 200, &v1_usage_accepted, &v, e);
}

static void view_usage_of(struct api_call *c, const struct usage_row *r, struct view_usage *out)
{
	*out = (struct view_usage){
		.id = r->event_id,
		.instance = r->instance,
		.metric = r->metric,
		.quantity = r->quantity,
		.from = view_at(c->a, r->from_ms),
		.to = view_at(c->a, r->to_ms),
	};
}

/* The period and the customer that a query means; a customer who is not there has id 0. */
MUST static int read_query(struct api_call *c, const struct usage_query *q, int64_t *from_ms,
			   int64_t *to_ms, struct customer *owner, struct err *e)
{
	struct err why;
	struct str name;
	if (clock_parse(q->from, from_ms, &why) < 0)
		return err_field(e, "from", "%s", why.text);
	if (clock_parse(q->to, to_ms, &why) < 0)
		return err_field(e, "to", "%s", why.text);
	if (access_customer_name(c, q->customer, &name, e) < 0)
		return -1;
	return access_customer_find(c, name, owner, e) < 0 ? -1 : 0;
}

MUST int v1_usage(struct api_call *c, struct err *e)
{
	const struct usage_query *q = c->query;
	struct usage_cursor at = {0, 0};
	struct usage_row *rows = NULL;
	struct customer owner = {.id = 0};
	struct usages v = {.n = 0};
	size_t n = 0;
	int64_t from_ms = 0, to_ms = 0;
	if (read_query(c, q, &from_ms, &to_ms, &owner, e) < 0)
		return -1;
	struct instance of = {.id = 0};
	int rc = 1;
	if (q->instance.p)
		rc = store_instance_by_guid(c->tx, c->a, q->instance, &of, e);
	if (rc < 0 || (rc > 0 && store_usage_list(c->tx, c->a, owner.id, of.id, from_ms, to_ms,
						  &at, q->limit, &rows, &n, e) < 0))
		return -1;
	v.usage = ARENA_ARRAY(c->a, struct view_usage, n);
	for (size_t i = 0; v.usage && i < n; i++)
		view_usage_of(c, &rows[i], &v.usage[v.n++]);
	return call_answer(c, 200, &v1_usage_out, &v, e);
}

MUST static int view_total_of(struct api_call *c, const struct bill_total *t,
			      struct view_total *out, struct err *e)
{
	enum { SHOWN_DIGITS = 6 };
	const struct metric_unit *unit = metric_unit(t->metric, S(""));
	struct dec shown;
	char quantity[DEC_TEXT_SIZE], billed[DEC_TEXT_SIZE];
	if (metric_shown(t->quantity, unit, SHOWN_DIGITS, &shown, e) < 0)
		return -1;
	dec_text(t->quantity, quantity);
	dec_text(shown, billed);
	*out = (struct view_total){
		.instance = t->guid,
		.title = t->title,
		.release = t->release,
		.metric = str_from(metric_info(t->metric)->name),
		.quantity = arena_dup(c->a, str_from(quantity)),
		.billed = arena_dup(c->a, str_from(billed)),
		.unit = str_from(unit->name),
	};
	return 0;
}

MUST int v1_totals(struct api_call *c, struct err *e)
{
	const struct usage_query *q = c->query;
	struct customer owner = {.id = 0};
	struct bill_total *list = NULL;
	struct totals v = {.n = 0};
	size_t n = 0;
	int64_t from_ms = 0, to_ms = 0;
	if (read_query(c, q, &from_ms, &to_ms, &owner, e) < 0 ||
	    bill_totals(c, &owner, from_ms, to_ms, &list, &n, e) < 0)
		return -1;
	v.totals = ARENA_ARRAY(c->a, struct view_total, n);
	for (size_t i = 0; v.totals && i < n; i++) {
		if (q->instance.p && !str_eq(q->instance, list[i].guid))
			continue;
		if (view_total_of(c, &list[i], &v.totals[v.n++], e) < 0)
			return -1;
	}
	return call_answer(c, 200, &v1_totals_out, &v, e);
}
