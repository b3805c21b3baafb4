/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Nodes, their feed of changes, their installations. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/order.h"
#include "api/pages.h"
#include "api/place.h"
#include "api/supply.h"
#include "api/views.h"
#include "store/installation.h"
#include "store/instance.h"
#include "store/node.h"

enum { FEED_MAX = 1000 };

/* clang-format off */
struct nodes_query { struct str after; int64_t limit; };
static const struct json_field nodes_query_fields[] = {
	JSON_STR(struct nodes_query, after, "after", 0, MODEL_NAME_MAX, 0, "Only nodes behind this name.", .initial_text = ""),
	JSON_I64(struct nodes_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_nodes_query = JSON_DESC(struct nodes_query, nodes_query_fields, "NodesQuery", "Which nodes.");
struct nodes { struct view_node *nodes; size_t n; };
static const struct json_field nodes_fields[] = {
	JSON_STRUCTS(struct nodes, nodes, n, struct view_node, "nodes", &view_node_desc, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc v1_nodes_out = JSON_DESC(struct nodes, nodes_fields, "Nodes", "Nodes.");
struct node_in { struct str title, region, network; struct json_pair *capabilities; size_t n; };
static const struct json_field node_fields[] = {
	JSON_STR(struct node_in, title, "title", 0, MODEL_TITLE_MAX, 0, "For people."),
	JSON_STR(struct node_in, region, "region", 0, MODEL_NAME_MAX, 0, "Where it stands."),
	JSON_STR(struct node_in, network, "network", 0, MODEL_NAME_MAX, 0, "What it hangs on."),
	JSON_PAIRS(struct node_in, capabilities, n, "capabilities", 0, 64, 0, "What it can do: {name: text}.", .max_bytes = MODEL_TITLE_MAX),
};
const struct json_desc v1_node_in = JSON_DESC(struct node_in, node_fields, "NodeIn", "What is to be known of a node; what is left out stays.");
struct changes_query { int64_t since, wait; };
static const struct json_field changes_query_fields[] = {
	JSON_I64(struct changes_query, since, "since", 0, INT64_MAX, 0, "Sequence of the last answer; 0: everything."),
	JSON_I64(struct changes_query, wait, "wait", 0, API_WAIT_MAX_S, 0, "Seconds to wait for a change."),
};
const struct json_desc v1_changes_query = JSON_DESC(struct changes_query, changes_query_fields, "ChangesQuery", "Since when.");
struct changes { int64_t sequence; bool reset; struct str *instances; size_t n; bool installations; };
static const struct json_field changes_fields[] = {
	JSON_I64(struct changes, sequence, "sequence", 0, INT64_MAX, 0, "To be sent as since next time."),
	JSON_BOOL(struct changes, reset, "reset", 0, "The list is everything that is on the node, not only what changed."),
	JSON_STRS(struct changes, instances, n, "instances", 0, INT64_MAX, 0, "Guids of instances to be looked at."),
	JSON_BOOL(struct changes, installations, "installations", 0, "The list of installations changed."),
};
const struct json_desc v1_changes_out = JSON_DESC(struct changes, changes_fields, "Changes", "What a node has to look at.");
static const struct json_word supply_words[] = {
	{"available", SUPPLY_AVAILABLE}, {"destroyed", SUPPLY_DESTROYED}, {NULL, 0}};
struct installation_in { struct str release, node; enum supply_want state; };
static const struct json_field installation_fields[] = {
	JSON_STR(struct installation_in, release, "release", 1, 300, JSON_REQUIRED, "NAME, NAME@PREFIX or URI."),
	JSON_STR(struct installation_in, node, "node", 1, MODEL_NAME_MAX, JSON_REQUIRED, "On which node."),
	JSON_ENUM(struct installation_in, state, "state", supply_words, 0, "What is wanted.", .initial = SUPPLY_AVAILABLE),
};
const struct json_desc v1_installation_in = JSON_DESC(struct installation_in, installation_fields, "InstallationIn", "A release for a node.");
struct installations_query { struct str node; int64_t limit; };
static const struct json_field installations_query_fields[] = {
	JSON_STR(struct installations_query, node, "node", 1, MODEL_NAME_MAX, 0, "Of one node only."),
	JSON_I64(struct installations_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_installations_query = JSON_DESC(struct installations_query, installations_query_fields, "InstallationsQuery", "Which.");
struct installations { struct view_installation *installations; size_t n; };
static const struct json_field installations_fields[] = {
	JSON_STRUCTS(struct installations, installations, n, struct view_installation, "installations", &view_installation_desc, 0, INT64_MAX, 0, "By node and release."),
};
const struct json_desc v1_installations_out = JSON_DESC(struct installations, installations_fields, "Installations", "Releases on nodes.");
/* clang-format on */

/* A node's own row, as a list. */
MUST static int own_node(struct api_call *c, struct str after, struct node **out, size_t *count,
			 struct err *e)
{
	struct node *one = ARENA_NEW(c->a, struct node);
	if (!one)
		return arena_check(c->a, e);
	int rc = store_node_find(c->tx, c->a, access_node(c), one, e);
	if (rc < 0)
		return -1;
	*out = one;
	*count = rc > 0 && str_cmp(one->name, after) > 0;
	return 0;
}

MUST int v1_nodes(struct api_call *c, struct err *e)
{
	const struct nodes_query *q = c->query;
	struct node *list = NULL;
	struct nodes v = {.n = 0};
	int rc = access_node(c).n
			 ? own_node(c, q->after, &list, &v.n, e)
			 : store_node_list(c->tx, c->a, q->after, q->limit, &list, &v.n, e);
	if (rc < 0)
		return -1;
	v.nodes = ARENA_ARRAY(c->a, struct view_node, v.n);
	for (size_t i = 0; v.nodes && i < v.n; i++)
		view_node_of(c, &list[i], &v.nodes[i]);
	return call_answer(c, 200, &v1_nodes_out, &v, e);
}

MUST static int answer_node(struct api_call *c, const struct node *n, struct err *e)
{
	struct view_node v;
	view_node_of(c, n, &v);
	return call_answer(c, 200, &view_node_desc, &v, e);
}

MUST int v1_node_get(struct api_call *c, struct err *e)
{
	struct node n;
	if (supply_node(c, c->params[0], false, &n, e) < 0)
		return -1;
	return answer_node(c, &n, e);
}

static struct str pairs_json(struct api_call *c, const struct node_in *in)
{
	struct json *tree = json_object_new(c->a);
	for (size_t i = 0; i < in->n; i++)
		json_set_str(c->a, tree, in->capabilities[i].key, in->capabilities[i].value);
	return json_text(tree, c->a);
}

MUST int v1_node_put(struct api_call *c, struct err *e)
{
	const struct node_in *in = c->in;
	struct node n;
	int made = supply_node_get(c, c->params[0], &n, e);
	if (made < 0)
		return -1;
	struct node was = n;
	n.title = in->title.p ? in->title : n.title;
	n.region = in->region.p ? in->region : n.region;
	n.network = in->network.p ? in->network : n.network;
	n.capabilities_json = in->capabilities ? pairs_json(c, in) : n.capabilities_json;
	bool is_same = str_eq(n.title, was.title) && str_eq(n.region, was.region) &&
		       str_eq(n.network, was.network) &&
		       str_eq(n.capabilities_json, was.capabilities_json);
	if (!is_same || made) {
		call_event(c, EVENT_NODE_CHANGED, n.name, NULL);
		if (store_node_save(c->tx, &n, e) < 0 || place_waiting_on(c, n.id, e) < 0)
			return -1;
	}
	return answer_node(c, &n, e);
}

static int add_one(struct api_call *c, struct instance *i, void *user, struct err *e UNUSED)
{
	struct changes *v = user;
	if (!i->is_shared)
		v->instances[v->n++] = arena_dup(c->a, i->guid);
	return v->n == 2 * MODEL_PARTITIONS_MAX;
}

/* Guids of all that is on the node. */
MUST static int everything(struct api_call *c, const struct node *n, struct changes *v,
			   struct err *e)
{
	v->reset = v->installations = true;
	v->instances = ARENA_ARRAY(c->a, struct str, 2 * MODEL_PARTITIONS_MAX);
	if (!v->instances)
		return arena_check(c->a, e);
	return pages_each(c, INSTANCES_ON_NODE, n->id, 0, add_one, v, e);
}

/* What does not fit comes with the next call. */
static int add_changed(struct api_call *c, struct instance *i, void *user, struct err *e UNUSED)
{
	struct changes *v = user;
	v->instances[v->n++] = arena_dup(c->a, i->guid);
	if (v->n < FEED_MAX)
		return 0;
	v->sequence = i->timestamp;
	return 1;
}

MUST static int changed_since(struct api_call *c, const struct node *n, int64_t since,
			      struct changes *v, struct err *e)
{
	v->installations = n->supply_feed > since;
	v->instances = ARENA_ARRAY(c->a, struct str, FEED_MAX);
	if (!v->instances)
		return arena_check(c->a, e);
	return pages_each(c, INSTANCES_CHANGED, n->id, since, add_changed, v, e);
}

MUST int v1_changes(struct api_call *c, struct err *e)
{
	const struct changes_query *q = c->query;
	struct node n;
	if (supply_node(c, c->params[0], true, &n, e) < 0)
		return -1;
	struct changes v = {.sequence = n.feed};
	if (q->since == 0 || q->since > n.feed) {
		if (everything(c, &n, &v, e) < 0)
			return -1;
	} else if (q->since == n.feed) {
		struct str topic = arena_fmt(c->a, "node:%" STR_F, STR_A(n.name));
		if (call_park(c, q->wait, topic, S("")) == API_PARK)
			return API_PARK;
	} else if (changed_since(c, &n, q->since, &v, e) < 0) {
		return -1;
	}
	return call_answer(c, 200, &v1_changes_out, &v, e);
}

MUST int v1_installation_put(struct api_call *c, struct err *e)
{
	const struct installation_in *in = c->in;
	struct release r;
	struct node n;
	struct installation s;
	struct view_installation v;
	if (order_release(c, in->release, "release", &r, e) < 0)
		return -1;
	int rc = store_node_find(c->tx, c->a, in->node, &n, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_field(e, "node", "there is no node %" STR_F,
					  STR_A(in->node));
	if (supply_want(c, &n, &r, in->state, &s, e) < 0)
		return -1;
	view_installation_of(c, &s, &v);
	return call_answer(c, 200, &view_installation_desc, &v, e);
}

MUST int v1_installations(struct api_call *c, struct err *e)
{
	const struct installations_query *q = c->query;
	struct installation *list = NULL;
	struct installations v = {.n = 0};
	struct node n = {.id = 0};
	struct str name = q->node.n ? q->node : access_node(c);
	if (name.n && supply_node(c, name, false, &n, e) < 0)
		return -1;
	if (store_installation_list(c->tx, c->a, n.id, q->limit, &list, &v.n, e) < 0)
		return -1;
	v.installations = ARENA_ARRAY(c->a, struct view_installation, v.n);
	for (size_t i = 0; v.installations && i < v.n; i++)
		view_installation_of(c, &list[i], &v.installations[i]);
	return call_answer(c, 200, &v1_installations_out, &v, e);
}
