/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The master itself, its events, its customers. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/secrets.h"
#include "api/views.h"
#include "store/customer.h"
#include "store/event.h"

/* clang-format off */
struct status {
	struct str name, version, database, mode, now;
	int64_t sequence;
};
static const struct json_field status_fields[] = {
	JSON_STR(struct status, name, "name", 0, INT64_MAX, 0, "Hyper Open Cloud."),
	JSON_STR(struct status, version, "version", 0, INT64_MAX, 0, "Of the program."),
	JSON_STR(struct status, database, "database", 0, INT64_MAX, 0, "sqlite or postgresql."),
	JSON_STR(struct status, mode, "mode", 0, INT64_MAX, 0, "local: loopback only, without TLS."),
	JSON_STR(struct status, now, "now", 0, INT64_MAX, 0, "The master's clock."),
	JSON_I64(struct status, sequence, "sequence", 0, INT64_MAX, 0, "Of the newest event."),
};
const struct json_desc v1_status_out = JSON_DESC(struct status, status_fields, "Status", "The master.");

struct events_query { int64_t since, limit, wait; };
static const struct json_field events_query_fields[] = {
	JSON_I64(struct events_query, since, "since", 0, INT64_MAX, 0, "Only events after this sequence."),
	JSON_I64(struct events_query, limit, "limit", 1, 1000, 0, "At most so many.", .initial = 100),
	JSON_I64(struct events_query, wait, "wait", 0, API_WAIT_MAX_S, 0, "Seconds to wait for one."),
};
const struct json_desc v1_events_query =
	JSON_DESC(struct events_query, events_query_fields, "EventsQuery", "Which events.");
struct events { struct view_event *events; size_t n; };
static const struct json_field events_fields[] = {
	JSON_STRUCTS(struct events, events, n, struct view_event, "events", &view_event_desc, 0, INT64_MAX, 0, "In order."),
};
const struct json_desc v1_events_out = JSON_DESC(struct events, events_fields, "Events", "Part of the audit chain.");

struct customers { struct view_customer *customers; size_t n; };
static const struct json_field customers_fields[] = {
	JSON_STRUCTS(struct customers, customers, n, struct view_customer, "customers", &view_customer_desc, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc v1_customers_out = JSON_DESC(struct customers, customers_fields, "Customers", "Customers.");
struct customer_in { struct str address, country, vat_number; };
static const struct json_field customer_fields[] = {
	JSON_STR(struct customer_in, address, "address", 0, 600, 0, "Lines of the address, separated by newlines; at most 6."),
	JSON_STR(struct customer_in, country, "country", 2, 2, 0, "ISO 3166-1 alpha-2, upper case."),
	JSON_STR(struct customer_in, vat_number, "vat_number", 0, 30, 0, "Empty: none."),
};
const struct json_desc v1_customer_in =
	JSON_DESC(struct customer_in, customer_fields, "CustomerIn", "What is to be known; what is left out stays.");

struct limit_query { int64_t limit; };
static const struct json_field limit_fields[] = {
	JSON_I64(struct limit_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_limit_query = JSON_DESC(struct limit_query, limit_fields, "LimitQuery", "How many.");
/* clang-format on */

MUST int v1_status(struct api_call *c, struct err *e)
{
	const struct api_options *o = &c->api->options;
	struct status v = {
		.name = S("Hyper Open Cloud"),
		.version = str_from(o->version),
		.database = str_from(o->database),
		.mode = str_from(o->mode),
		.now = view_at(c->a, c->now_ms),
	};
	if (store_event_last(c->tx, &v.sequence, e) < 0)
		return -1;
	return call_answer(c, 200, &v1_status_out, &v, e);
}

MUST int v1_openapi(struct api_call *c, struct err *e)
{
	return call_answer_text(c, 200, "application/json", api_openapi(c->api, c->a), e);
}

MUST int v1_events(struct api_call *c, struct err *e)
{
	const struct events_query *q = c->query;
	struct event *list = NULL;
	struct events v = {.n = 0};
	if (store_event_list(c->tx, c->a, q->since, q->limit, &list, &v.n, e) < 0)
		return -1;
	if (!v.n && call_park(c, q->wait, S("events"), S("")) == API_PARK)
		return API_PARK;
	v.events = ARENA_ARRAY(c->a, struct view_event, v.n);
	for (size_t i = 0; v.events && i < v.n; i++)
		view_event_of(c, &list[i], &v.events[i]);
	return call_answer(c, 200, &v1_events_out, &v, e);
}

/* The caller's own, by name. */
MUST static int own_customers(struct api_call *c, int64_t limit, struct customer **out,
			      size_t *count, struct err *e)
{
	const struct access *x = c->access;
	struct customer *list = ARENA_ARRAY(c->a, struct customer, x->member_count);
	size_t n = 0;
	for (size_t i = 0; list && i < x->member_count && (int64_t)n < limit; i++) {
		int rc = access_customer_find(c, x->members[i].customer, &list[n], e);
		if (rc < 0)
			return -1;
		n += rc > 0;
	}
	*out = list;
	*count = n;
	return arena_check(c->a, e);
}

MUST int v1_customers(struct api_call *c, struct err *e)
{
	const struct limit_query *q = c->query;
	struct customer *list = NULL;
	struct customers v = {.n = 0};
	int rc = access_is_all(c) ? store_customer_list(c->tx, c->a, q->limit, &list, &v.n, e)
				  : own_customers(c, q->limit, &list, &v.n, e);
	if (rc < 0)
		return -1;
	v.customers = ARENA_ARRAY(c->a, struct view_customer, v.n);
	for (size_t i = 0; v.customers && i < v.n; i++)
		view_customer_of(c, &list[i], &v.customers[i]);
	return call_answer(c, 200, &v1_customers_out, &v, e);
}

MUST static int answer_customer(struct api_call *c, const struct customer *r, struct err *e)
{
	struct view_customer v;
	view_customer_of(c, r, &v);
	return call_answer(c, 200, &view_customer_desc, &v, e);
}

MUST int v1_customer_get(struct api_call *c, struct err *e)
{
	struct customer r;
	return access_customer(c, c->params[0], &r, e) < 0 ? -1 : answer_customer(c, &r, e);
}

MUST static int check_customer(struct str name, const struct customer_in *in, struct err *e)
{
	if (name.n > MODEL_NAME_MAX)
		return err_field(e, "name", "is longer than %d bytes", MODEL_NAME_MAX);
	for (size_t i = 0; in->country.p && i < in->country.n; i++)
		if (in->country.p[i] < 'A' || in->country.p[i] > 'Z')
			return err_field(e, "country", "is not two upper-case letters");
	return 0;
}

MUST int v1_customer_put(struct api_call *c, struct err *e)
{
	const struct customer_in *in = c->in;
	struct customer r;
	/* Only an operator makes a customer. */
	bool may_make = access_has(c, ROLE_OPERATOR);
	if (check_customer(c->params[0], in, e) < 0)
		return -1;
	if (may_make ? secrets_customer(c, c->params[0], &r, e) < 0
		     : access_customer(c, c->params[0], &r, e) < 0)
		return -1;
	struct customer was = r;
	r.address = in->address.p ? in->address : r.address;
	r.country = in->country.p ? in->country : r.country;
	r.vat_number = in->vat_number.p ? in->vat_number : r.vat_number;
	if (!str_eq(r.address, was.address) || !str_eq(r.country, was.country) ||
	    !str_eq(r.vat_number, was.vat_number)) {
		call_event(c, EVENT_CUSTOMER_CHANGED, r.name, NULL);
		if (store_customer_save(c->tx, &r, e) < 0)
			return -1;
	}
	return answer_customer(c, &r, e);
}
