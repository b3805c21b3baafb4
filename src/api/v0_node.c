/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* slapos.*.v0.* about nodes and installations. */
#include "api/v0.h"

#include "api/access.h"
#include "api/pages.h"
#include "api/place.h"
#include "api/views.h"
#include "store/installation.h"
#include "store/instance.h"
#include "store/node.h"

/* clang-format off */
struct address_in { struct str ip, interface, netmask, network, gateway; };
static const struct json_field address_fields[] = {
	JSON_STR(struct address_in, ip, "ip-address", 1, 100, JSON_REQUIRED, "Address."),
	JSON_STR(struct address_in, interface, "network-interface", 0, 100, 0, "Interface.", .initial_text = ""),
	JSON_STR(struct address_in, netmask, "netmask", 0, 100, 0, "Not kept."),
	JSON_STR(struct address_in, network, "network-address", 0, 100, 0, "Not kept."),
	JSON_STR(struct address_in, gateway, "gateway-ip-address", 0, 100, 0, "Not kept."),
};
static const struct json_desc address_desc = {
	.name = "V0Address", .help = "An address of a partition.", .bytes = sizeof(struct address_in),
	.fields = address_fields, .n_fields = ARRAY_LEN(address_fields), .is_open = true};
struct slot_in { struct str partition_id; struct address_in *ip_list; size_t n; };
static const struct json_field slot_fields[] = {
	JSON_STR(struct slot_in, partition_id, "partition_id", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Name, unique in its node."),
	JSON_STRUCTS(struct slot_in, ip_list, n, struct address_in, "ip_list", &address_desc, 0, MODEL_ADDRESSES_MAX, 0, "Its addresses."),
};
static const struct json_desc slot_desc = {
	.name = "V0Slot", .help = "A partition.", .bytes = sizeof(struct slot_in),
	.fields = slot_fields, .n_fields = ARRAY_LEN(slot_fields), .is_open = true};
struct format_in { struct str computer_guid; struct slot_in *list; size_t n; };
static const struct json_field format_fields[] = {
	JSON_STR(struct format_in, computer_guid, "computer_guid", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Node; registered by this call."),
	JSON_STRUCTS(struct format_in, list, n, struct slot_in, "compute_partition_list", &slot_desc, 0, MODEL_PARTITIONS_MAX, JSON_REQUIRED, "All its partitions."),
};
const struct json_desc v0_format_in = JSON_DESC(struct format_in, format_fields, "V0Format", "The whole set of partitions of a node.");
struct node_in { struct str computer_guid; };
static const struct json_field node_fields[] = {
	JSON_STR(struct node_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
};
const struct json_desc v0_node_in = JSON_DESC(struct node_in, node_fields, "V0Node", "Which node.");
struct node_message_in { struct str computer_guid, message; };
static const struct json_field node_message_fields[] = {
	JSON_STR(struct node_message_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_STR(struct node_message_in, message, "message", 0, V0_MESSAGE_MAX, JSON_REQUIRED, "Why."),
};
const struct json_desc v0_node_message_in = JSON_DESC(struct node_message_in, node_message_fields, "V0NodeMessage", "A message.");
struct usage_in { struct str computer_guid, tioxml; };
static const struct json_field usage_fields[] = {
	JSON_STR(struct usage_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_STR(struct usage_in, tioxml, "tioxml", 0, 1000000, JSON_REQUIRED, "TioXML."),
};
const struct json_desc v0_usage_in = JSON_DESC(struct usage_in, usage_fields, "V0Usage", "Usage as XML.");
static const struct json_desc node_item = JSON_DESC(struct node_in, node_fields, "V0NodeItem", "A node.");
struct node_list { struct node_in *result_list; size_t n; };
static const struct json_field node_list_fields[] = {
	JSON_STRUCTS(struct node_list, result_list, n, struct node_in, "result_list", &node_item, 0, INT64_MAX, 0, "Nodes."),
};
const struct json_desc v0_node_list_out = JSON_DESC(struct node_list, node_list_fields, "V0NodeList", "Nodes.");
struct text_out { struct str text; };
static const struct json_field text_fields[] = {
	JSON_STR(struct text_out, text, "text", 0, INT64_MAX, 0, "#access, or #error and why."),
};
const struct json_desc v0_node_status_out = JSON_DESC(struct text_out, text_fields, "V0NodeStatus", "Status of a node.");
static const struct json_word supply_words[] = {{"available", SUPPLY_AVAILABLE}, {"destroyed", SUPPLY_DESTROYED}, {NULL, 0}};
struct installation_in { struct str software_release_uri, computer_guid; enum supply_want state; };
static const struct json_field installation_fields[] = {
	JSON_STR(struct installation_in, software_release_uri, "software_release_uri", 1, 2000, JSON_REQUIRED, "URI."),
	JSON_STR(struct installation_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_ENUM(struct installation_in, state, "state", supply_words, 0, "What is wanted.", .initial = SUPPLY_AVAILABLE),
};
const struct json_desc v0_installation_in = JSON_DESC(struct installation_in, installation_fields, "V0InstallationIn", "A release for a node.");
static const struct json_word report_words[] = {
	{"available", BUILD_AVAILABLE}, {"building", BUILD_BUILDING}, {"destroyed", BUILD_DESTROYED}, {NULL, 0}};
struct installation_reported_in { struct str software_release_uri, computer_guid; enum supply_report reported_state; };
static const struct json_field installation_reported_fields[] = {
	JSON_STR(struct installation_reported_in, software_release_uri, "software_release_uri", 1, 2000, JSON_REQUIRED, "URI."),
	JSON_STR(struct installation_reported_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_ENUM(struct installation_reported_in, reported_state, "reported_state", report_words, JSON_REQUIRED, "What it is now."),
};
const struct json_desc v0_installation_reported_in = JSON_DESC(struct installation_reported_in, installation_reported_fields, "V0InstallationReported", "A report.");
struct installation_error_in { struct str software_release_uri, computer_guid, message; };
static const struct json_field installation_error_fields[] = {
	JSON_STR(struct installation_error_in, software_release_uri, "software_release_uri", 1, 2000, JSON_REQUIRED, "URI."),
	JSON_STR(struct installation_error_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_STR(struct installation_error_in, message, "message", 0, V0_MESSAGE_MAX, JSON_REQUIRED, "Text; cut at 2000 bytes."),
};
const struct json_desc v0_installation_error_in = JSON_DESC(struct installation_error_in, installation_error_fields, "V0InstallationError", "An error.");
struct installation_item { struct str software_release_uri, state; };
static const struct json_field installation_item_fields[] = {
	JSON_STR(struct installation_item, software_release_uri, "software_release_uri", 0, INT64_MAX, 0, "URI."),
	JSON_STR(struct installation_item, state, "state", 0, INT64_MAX, 0, "What is wanted."),
};
static const struct json_desc installation_item_desc = JSON_DESC(struct installation_item, installation_item_fields, "V0InstallationItem", "An installation.");
struct installation_list { struct installation_item *result_list; size_t n; };
static const struct json_field installation_list_fields[] = {
	JSON_STRUCTS(struct installation_list, result_list, n, struct installation_item, "result_list", &installation_item_desc, 0, INT64_MAX, 0, "Installations of the node."),
};
const struct json_desc v0_installation_list_out = JSON_DESC(struct installation_list, installation_list_fields, "V0InstallationList", "Installations.");
struct instance_item { struct str title, instance_guid, state, compute_partition_id, software_release_uri; };
static const struct json_field instance_item_fields[] = {
	JSON_STR(struct instance_item, title, "title", 0, INT64_MAX, 0, "Name."),
	JSON_STR(struct instance_item, instance_guid, "instance_guid", 0, INT64_MAX, 0, "Guid."),
	JSON_STR(struct instance_item, state, "state", 0, INT64_MAX, 0, "What is wanted."),
	JSON_STR(struct instance_item, compute_partition_id, "compute_partition_id", 0, INT64_MAX, 0, "Partition."),
	JSON_STR(struct instance_item, software_release_uri, "software_release_uri", 0, INT64_MAX, 0, "URI."),
};
static const struct json_desc instance_item_desc = JSON_DESC(struct instance_item, instance_item_fields, "V0InstanceItem", "An instance.");
struct instance_list { struct instance_item *result_list; size_t n; };
static const struct json_field instance_list_fields[] = {
	JSON_STRUCTS(struct instance_list, result_list, n, struct instance_item, "result_list", &instance_item_desc, 0, INT64_MAX, 0, "Instances on the node."),
};
const struct json_desc v0_instance_list_out = JSON_DESC(struct instance_list, instance_list_fields, "V0InstanceList", "Instances.");
/* clang-format on */

/* ---- format (wire d.9) --------------------------------------------------------------------- */

/* Addresses as they are stored: [["interface", "address"], …]. */
static struct str addresses_json(struct api_call *c, const struct slot_in *s)
{
	struct json *list = json_array_new(c->a);
	for (size_t i = 0; i < s->n; i++) {
		struct json *pair = json_array_new(c->a);
		json_add_str(c->a, pair, s->ip_list[i].interface);
		json_add_str(c->a, pair, s->ip_list[i].ip);
		json_add(c->a, list, pair);
	}
	return json_text(list, c->a);
}

static int by_name(const void *x, const void *y)
{
	return str_cmp((*(const struct slot_in *const *)x)->partition_id,
		       (*(const struct slot_in *const *)y)->partition_id);
}

/* The slots sorted by name; ERR_INVALID if a name comes twice or cannot be one. */
MUST static int sort_slots(struct api_call *c, const struct format_in *in,
			   const struct slot_in ***out, struct err *e)
{
	const struct slot_in **sorted = ARENA_ARRAY(c->a, const struct slot_in *, in->n);
	char path[80];
	if (!sorted)
		return arena_check(c->a, e);
	for (size_t i = 0; i < in->n; i++) {
		(void)snprintf(path, sizeof path, "compute_partition_list[%zu].partition_id",
			       i);
		if (supply_check_name(in->list[i].partition_id, path, e) < 0)
			return -1;
		sorted[i] = &in->list[i];
	}
	qsort(sorted, in->n, sizeof(const struct slot_in *), by_name);
	for (size_t i = 1; i < in->n; i++)
		if (str_eq(sorted[i - 1]->partition_id, sorted[i]->partition_id))
			return err_field(e, "compute_partition_list",
					 "names partition %" STR_F " twice",
					 STR_A(sorted[i]->partition_id));
	*out = sorted;
	return 0;
}

static const struct slot_in *find_slot(const struct slot_in **sorted, size_t n, struct str name)
{
	size_t low = 0, high = n;
	if (!sorted)
		return NULL;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (str_cmp(sorted[mid]->partition_id, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && str_eq(sorted[low]->partition_id, name) ? sorted[low] : NULL;
}

/* The instance on the partition has other addresses now: something to do for its node. */
MUST static int readdress(struct api_call *c, int64_t instance_id, struct err *e)
{
	struct instance i;
	int rc = store_instance_by_id(c->tx, c->a, instance_id, &i, e);
	if (rc <= 0)
		return rc;
	if (life_stamp(c, &i, STAMP_ADDRESSES_CHANGED, e) < 0)
		return -1;
	return store_instance_save(c->tx, &i, e);
}

/* Brings one known partition to what the format says. 1 if that changed it. */
MUST static int update_partition(struct api_call *c, struct partition *p,
				 const struct slot_in *slot, const struct format_in *in,
				 struct err *e)
{
	struct partition was = *p;
	p->is_gone = slot == NULL;
	if (slot) {
		p->position = slot - in->list;
		p->addresses_json = addresses_json(c, slot);
	}
	bool is_moved = !str_eq(p->addresses_json, was.addresses_json);
	if (!is_moved && p->position == was.position && p->is_gone == was.is_gone)
		return 0;
	if (store_partition_save(c->tx, p, e) < 0)
		return -1;
	if (is_moved && p->instance_id && readdress(c, p->instance_id, e) < 0)
		return -1;
	return 1;
}

MUST static int add_partitions(struct api_call *c, const struct node *n,
			       const struct format_in *in, const bool *known, struct err *e)
{
	int added = 0;
	for (size_t i = 0; i < in->n; i++) {
		if (known[i])
			continue;
		struct partition p = {
			.node_id = n->id,
			.name = in->list[i].partition_id,
			.position = (int64_t)i,
			.addresses_json = addresses_json(c, &in->list[i]),
		};
		if (store_partition_add(c->tx, &p, e) < 0)
			return -1;
		added++;
	}
	return added;
}

/* Compares what is with what is to be; returns how many partitions changed. */
MUST static int format(struct api_call *c, const struct node *n, const struct format_in *in,
		       struct err *e)
{
	struct partition *have = NULL;
	const struct slot_in **sorted = NULL;
	size_t count = 0;
	int changed = 0;
	bool *known = ARENA_ARRAY(c->a, bool, in->n);
	if (sort_slots(c, in, &sorted, e) < 0 || arena_check(c->a, e) < 0 ||
	    store_partition_list(c->tx, c->a, n->id, &have, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct slot_in *slot = find_slot(sorted, in->n, have[i].name);
		if (slot)
			known[slot - in->list] = true;
		int rc = update_partition(c, &have[i], slot, in, e);
		if (rc < 0)
			return -1;
		changed += rc;
	}
	int added = add_partitions(c, n, in, known, e);
	return added < 0 ? -1 : changed + added;
}

MUST int v0_format(struct api_call *c, struct err *e)
{
	const struct format_in *in = c->in;
	struct node n;
	if (supply_node_get(c, in->computer_guid, &n, e) < 0 || call_contact(c, &n, e) < 0)
		return -1;
	int changed = format(c, &n, in, e);
	if (changed < 0)
		return -1;
	if (changed) {
		struct json *body = json_object_new(c->a);
		json_set_i64(c->a, body, S("partitions"), (int64_t)in->n);
		call_event(c, EVENT_NODE_FORMATTED, n.name, body);
		if (store_node_recount(c->tx, n.id, e) < 0 || place_waiting_on(c, n.id, e) < 0)
			return -1;
	}
	return v0_answer_ok(c, "Formatted", e);
}

/* ---- nodes --------------------------------------------------------------------------------- */

MUST int v0_node_bang(struct api_call *c, struct err *e)
{
	const struct node_message_in *in = c->in;
	struct node n;
	if (supply_node(c, in->computer_guid, true, &n, e) < 0)
		return -1;
	struct instance anchor = {.node_id = n.id, .node = n.name};
	call_event_str(c, EVENT_NODE_BANGED, n.name, "message", call_cut(in->message));
	if (life_stamp(c, &anchor, STAMP_NODE_BANG, e) < 0)
		return -1;
	return v0_answer_ok(c, "Bang handled", e);
}

MUST int v0_node_list(struct api_call *c, struct err *e)
{
	struct node *list = NULL;
	size_t n = 0;
	struct node_list v = {.n = 0};
	if (store_node_list(c->tx, c->a, S(""), V0_LIST_MAX, &list, &n, e) < 0)
		return -1;
	v.result_list = ARENA_ARRAY(c->a, struct node_in, n);
	for (size_t i = 0; v.result_list && i < n; i++)
		if (!access_node(c).n || access_is_node(c, list[i].name))
			v.result_list[v.n++].computer_guid = list[i].name;
	return call_answer(c, 200, &v0_node_list_out, &v, e);
}

MUST int v0_node_status(struct api_call *c, struct err *e)
{
	const struct node_in *in = c->in;
	struct node n;
	if (supply_node(c, in->computer_guid, false, &n, e) < 0)
		return -1;
	struct text_out v = {
		n.liveness == PROMISE_KEPT
			? S("#access OK")
			: arena_fmt(c->a, "#error no data found for %" STR_F, STR_A(n.name))};
	return call_answer(c, 200, &v0_node_status_out, &v, e);
}

MUST int v0_not_here(struct api_call *c UNUSED, struct err *e)
{
	return err_fail(e, ERR_FORBIDDEN, "not here");
}

/* ---- installations ------------------------------------------------------------------------- */

MUST int v0_installation(struct api_call *c, struct err *e)
{
	const struct installation_in *in = c->in;
	struct node n;
	struct release r;
	struct installation s;
	if (supply_node(c, in->computer_guid, false, &n, e) < 0 ||
	    order_release_or_opaque(c, in->software_release_uri, "software_release_uri", &r,
				    e) < 0 ||
	    supply_want(c, &n, &r, in->state, &s, e) < 0)
		return -1;
	return v0_answer_ok(c, "State changed", e);
}

MUST int v0_installation_list(struct api_call *c, struct err *e)
{
	const struct node_in *in = c->in;
	struct node n;
	struct installation *list = NULL;
	size_t count = 0;
	struct installation_list v = {.n = 0};
	if (supply_node(c, in->computer_guid, true, &n, e) < 0 ||
	    store_installation_list(c->tx, c->a, n.id, V0_LIST_MAX, &list, &count, e) < 0)
		return -1;
	v.result_list = ARENA_ARRAY(c->a, struct installation_item, count);
	for (size_t i = 0; v.result_list && i < count; i++)
		v.result_list[v.n++] = (struct installation_item){
			list[i].release, str_from(supply_want_word(list[i].want))};
	return call_answer(c, 200, &v0_installation_list_out, &v, e);
}

/* The release as it is known; what was never heard of is not supplied either. */
MUST static int report(struct api_call *c, struct str node, struct str uri,
		       enum supply_report reported, struct str message, struct err *e)
{
	struct node n;
	struct release r;
	if (supply_node(c, node, true, &n, e) < 0 ||
	    order_release_or_opaque(c, uri, "software_release_uri", &r, e) < 0)
		return -1;
	return supply_report(c, &n, &r, reported, message, e);
}

MUST int v0_installation_reported(struct api_call *c, struct err *e)
{
	const struct installation_reported_in *in = c->in;
	if (report(c, in->computer_guid, in->software_release_uri, in->reported_state, S(""),
		   e) < 0)
		return -1;
	return v0_answer_ok(
		c, in->reported_state == BUILD_DESTROYED ? "Destroyed" : "State reported", e);
}

MUST int v0_installation_error(struct api_call *c, struct err *e)
{
	const struct installation_error_in *in = c->in;
	if (report(c, in->computer_guid, in->software_release_uri, BUILD_ERROR, in->message,
		   e) < 0)
		return -1;
	return v0_answer_ok(c, "Error reported", e);
}

static int add_item(struct api_call *c, struct instance *i, void *user, struct err *e UNUSED)
{
	struct instance_list *v = user;
	if (!i->is_shared)
		v->result_list[v->n++] = (struct instance_item){
			arena_dup(c->a, i->title), arena_dup(c->a, i->guid),
			str_from(instance_want_word(i->want)), arena_dup(c->a, i->partition),
			arena_dup(c->a, i->release)};
	return v->n == V0_LIST_MAX;
}

MUST int v0_instance_list(struct api_call *c, struct err *e)
{
	const struct node_in *in = c->in;
	struct node n;
	struct instance_list v = {.n = 0};
	if (supply_node(c, in->computer_guid, true, &n, e) < 0)
		return -1;
	v.result_list = ARENA_ARRAY(c->a, struct instance_item, V0_LIST_MAX);
	if (v.result_list && pages_each(c, INSTANCES_ON_NODE, n.id, 0, add_item, &v, e) < 0)
		return -1;
	return call_answer(c, 200, &v0_instance_list_out, &v, e);
}
