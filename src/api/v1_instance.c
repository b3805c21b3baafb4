/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Orders and what became of them. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/life.h"
#include "api/order.h"
#include "api/supply.h"
#include "api/views.h"
#include "store/customer.h"
#include "store/instance.h"

/* Rows read at once, and bytes after which a list ends early. */
enum { ROWS = 4, LIST_BYTES = 7 << 19 };

/* clang-format off */
static const struct json_word want_words[] = {
	{"started", INSTANCE_STARTED}, {"stopped", INSTANCE_STOPPED}, {"destroyed", INSTANCE_DESTROYED}, {NULL, 0}};
enum { STATE_ABSENT = -1 };
struct instance_in {
	struct str release, title, type, requester, customer;
	struct json *parameters, *where;
	bool shared;
	int state; /* enum instance_want, or STATE_ABSENT */
};
static const struct json_field instance_in_fields[] = {
	JSON_STR(struct instance_in, release, "release", 1, 300, 0, "NAME, NAME@PREFIX or URI; may be left out when state is destroyed.", .initial_text = ""),
	JSON_STR(struct instance_in, title, "title", 1, MODEL_TITLE_MAX, JSON_REQUIRED, "Name within its tree; names the instance in later requests."),
	JSON_STR(struct instance_in, type, "type", 1, MODEL_NAME_MAX, 0, "Software type.", .initial_text = "default"),
	JSON_TREE_OBJECT(struct instance_in, parameters, "parameters", 0, "Checked by the schema of the release's type."),
	JSON_TREE_OBJECT(struct instance_in, where, "where", 0, "Where it may be placed: node, region, network, capability, instance, retention_delay."),
	JSON_BOOL(struct instance_in, shared, "shared", 0, "To be hosted by an instance that is there."),
	JSON_ENUM(struct instance_in, state, "state", want_words, 0, "What is wanted; left out: as it is, started at first.", .initial = STATE_ABSENT),
	JSON_STR(struct instance_in, requester, "requester", 1, MODEL_NAME_MAX, 0, "Guid of the instance that asks.", .initial_text = ""),
	JSON_STR(struct instance_in, customer, "customer", 1, MODEL_NAME_MAX, 0, "Whose it is; left out: the only one that the caller is in.", .initial_text = ""),
};
const struct json_desc v1_instance_in = JSON_DESC(struct instance_in, instance_in_fields, "InstanceIn", "A request. The same request twice changes nothing.");

struct instances_query { struct str customer, node, after; int64_t limit; };
static const struct json_field instances_query_fields[] = {
	JSON_STR(struct instances_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Of one customer only."),
	JSON_STR(struct instances_query, node, "node", 1, MODEL_NAME_MAX, 0, "On one node only."),
	JSON_STR(struct instances_query, after, "after", 1, MODEL_NAME_MAX, 0, "Only those behind this guid."),
	JSON_I64(struct instances_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_instances_query = JSON_DESC(struct instances_query, instances_query_fields, "InstancesQuery", "Which instances.");
struct instances { struct view_instance *instances; size_t n; struct str next; };
static const struct json_field instances_fields[] = {
	JSON_STRUCTS(struct instances, instances, n, struct view_instance, "instances", &view_instance_desc, 0, INT64_MAX, 0, "Oldest first; destroyed ones are left out."),
	JSON_STR(struct instances, next, "next", 0, INT64_MAX, JSON_OMIT_EMPTY, "There is more: send it as after."),
};
const struct json_desc v1_instances_out = JSON_DESC(struct instances, instances_fields, "Instances", "Instances.");

struct instance_query { struct str customer; int64_t since, wait; };
static const struct json_field instance_query_fields[] = {
	JSON_STR(struct instance_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Whose, if the path has a title.", .initial_text = ""),
	JSON_I64(struct instance_query, since, "since", 0, INT64_MAX, 0, "A version: with wait, answer when it is newer.", .initial = 0),
	JSON_I64(struct instance_query, wait, "wait", 0, API_WAIT_MAX_S, 0, "Seconds to wait for a newer version."),
};
const struct json_desc v1_instance_query = JSON_DESC(struct instance_query, instance_query_fields, "InstanceQuery", "Which one, and when.");
struct customer_query { struct str customer; };
static const struct json_field customer_query_fields[] = {
	JSON_STR(struct customer_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Whose, if the path has a title.", .initial_text = ""),
};
const struct json_desc v1_customer_query = JSON_DESC(struct customer_query, customer_query_fields, "CustomerQuery", "Whose.");
struct bang_in { struct str message; };
static const struct json_field bang_fields[] = {
	JSON_STR(struct bang_in, message, "message", 0, MODEL_MESSAGE_MAX, 0, "Why.", .initial_text = ""),
};
const struct json_desc v1_bang_in = JSON_DESC(struct bang_in, bang_fields, "Bang", "Make the whole tree be processed again.");
struct title_in { struct str title; };
static const struct json_field title_fields[] = {
	JSON_STR(struct title_in, title, "title", 1, MODEL_TITLE_MAX, JSON_REQUIRED, "The new name."),
};
const struct json_desc v1_title_in = JSON_DESC(struct title_in, title_fields, "Title", "Another name.");
/* clang-format on */

MUST int v1_instance_prepare(struct api_call *c, struct err *e)
{
	const struct instance_in *in = c->in;
	struct order *o = ARENA_NEW(c->a, struct order);
	if (!o)
		return arena_check(c->a, e);
	*o = (struct order){
		.customer = in->customer,
		.requester = in->requester,
		.release = in->release,
		.title = in->title,
		.type = in->type,
		.parameters = in->parameters,
		.where = in->where,
		.is_shared = in->shared,
		.has_state = in->state != STATE_ABSENT,
		.state = in->state == STATE_ABSENT ? INSTANCE_STARTED
						   : (enum instance_want)in->state,
	};
	c->prepared = o;
	if (!in->release.n && !(o->has_state && o->state == INSTANCE_DESTROYED))
		return err_field(e, "release", "is required");
	if (in->customer.n && supply_check_name(in->customer, "customer", e) < 0)
		return -1;
	return order_check(o, c->a, e);
}

MUST static int answer(struct api_call *c, const struct instance *i, struct err *e)
{
	struct view_instance v;
	view_instance_of(c, i, &v);
	return call_answer(c, 200, &view_instance_desc, &v, e);
}

MUST int v1_instance_post(struct api_call *c, struct err *e)
{
	struct instance i;
	if (order_request(c, c->prepared, &i, e) < 0)
		return -1;
	return answer(c, &i, e);
}

/* Which rows the query means. */
struct chosen {
	enum instance_by by;
	int64_t key;
	int64_t node_id; /* only those on it; 0: all */
};

/* Of whom: of the customer that is named, of the caller's, of everybody. 1: surely empty. */
MUST static int choose_owner(struct api_call *c, const struct instances_query *q,
			     struct chosen *out, struct err *e)
{
	struct str name = q->customer;
	struct customer r;
	*out = (struct chosen){.by = INSTANCES_ALL};
	if (access_node(c).n) {
		*out = (struct chosen){.by = INSTANCES_ON_NODE, .key = c->access->node_id};
		return name.n > 0;
	}
	if (!name.n && access_is_all(c))
		return 0;
	if (access_customer_name(c, name, &name, e) < 0)
		return -1;
	int rc = access_customer_find(c, name, &r, e);
	out->by = INSTANCES_OF_CUSTOMER;
	out->key = rc > 0 ? r.id : 0;
	return rc < 0 ? -1 : rc == 0;
}

/* Which list the query means. 1: one that is surely empty. */
MUST static int choose_list(struct api_call *c, const struct instances_query *q,
			    struct chosen *out, struct err *e)
{
	struct node n;
	int rc = choose_owner(c, q, out, e);
	if (rc < 0 || !q->node.p)
		return rc;
	if (q->customer.p)
		return err_field(e, "node", "cannot be combined with customer");
	if (supply_node(c, q->node, false, &n, e) < 0)
		return -1;
	if (out->by == INSTANCES_ALL)
		*out = (struct chosen){.by = INSTANCES_ON_NODE, .key = n.id};
	out->node_id = n.id;
	return rc;
}

/*
 * The rows behind `after`: `limit` of them, or fewer if those are so large that no more would fit
 * into the call's memory, beside the answer that is made of them.
 */
MUST static int list_instances(struct api_call *c, const struct chosen *k, int64_t after,
			       int64_t limit, struct instances *v, struct err *e)
{
	v->instances = ARENA_ARRAY(c->a, struct view_instance, (size_t)limit);
	for (int64_t left = limit, rows = ROWS; v->instances && left && !v->next.n;
	     left -= rows) {
		struct instance *list = NULL;
		size_t n = 0;
		rows = MIN_OF(left, (int64_t)ROWS);
		if (store_instance_list(c->tx, c->a, k->by, k->key, after, rows, &list, &n, e) <
		    0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (!k->node_id || list[i].node_id == k->node_id)
				view_instance_of(c, &list[i], &v->instances[v->n++]);
		if ((int64_t)n < rows)
			break;
		after = list[n - 1].id;
		if (left == rows || arena_used_bytes(c->a) > LIST_BYTES)
			v->next = list[n - 1].guid;
	}
	return arena_check(c->a, e);
}

MUST int v1_instances(struct api_call *c, struct err *e)
{
	const struct instances_query *q = c->query;
	struct instance after = {.id = 0};
	struct instances v = {.next = S("")};
	struct chosen which;
	int rc = choose_list(c, q, &which, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && q->after.p) {
		rc = access_instance_find(c, q->after, &after, e);
		if (rc <= 0)
			return rc < 0 ? -1 : err_field(e, "after", "is no instance");
		rc = 0;
	}
	if (rc == 0 && list_instances(c, &which, after.id, q->limit, &v, e) < 0)
		return -1;
	return call_answer(c, 200, &v1_instances_out, &v, e);
}

MUST int v1_instance_get(struct api_call *c, struct err *e)
{
	const struct instance_query *q = c->query;
	struct instance i;
	if (order_lookup(c, c->params[0], q->customer, &i, e) < 0)
		return -1;
	if (i.version == q->since) {
		struct str topic = arena_fmt(c->a, "instance:%" STR_F, STR_A(i.guid));
		if (call_park(c, q->wait, topic, S("")) == API_PARK)
			return API_PARK;
	}
	return answer(c, &i, e);
}

/* Loads the instance that path and query name, again after a change. */
MUST static int find(struct api_call *c, struct instance *i, struct err *e)
{
	const struct customer_query *q = c->query;
	return order_lookup(c, c->params[0], q->customer, i, e);
}

MUST static int answer_again(struct api_call *c, struct instance *i, struct err *e)
{
	int rc = store_instance_by_id(c->tx, c->a, i->id, i, e);
	return rc <= 0 ? -1 : answer(c, i, e);
}

MUST int v1_instance_bang(struct api_call *c, struct err *e)
{
	const struct bang_in *in = c->in;
	struct instance i;
	if (find(c, &i, e) < 0 || life_bang(c, &i, in->message, e) < 0)
		return -1;
	return answer_again(c, &i, e);
}

MUST int v1_instance_title(struct api_call *c, struct err *e)
{
	const struct title_in *in = c->in;
	struct instance i;
	if (find(c, &i, e) < 0 || life_rename(c, &i, in->title, e) < 0)
		return -1;
	return answer_again(c, &i, e);
}
