/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* slapos.*.v0.* about instances. */
#include "api/v0.h"

#include "api/access.h"
#include "api/pages.h"
#include "api/views.h"
#include "store/instance.h"
#include "store/node.h"

/* clang-format off */
static const struct json_word want_words[] = {
	{"started", INSTANCE_STARTED}, {"stopped", INSTANCE_STOPPED}, {"destroyed", INSTANCE_DESTROYED}, {NULL, 0}};
static const struct json_word report_words[] = {
	{"started", REPORT_STARTED}, {"stopped", REPORT_STOPPED}, {"destroyed", REPORT_DESTROYED}, {NULL, 0}};
struct request_in {
	struct str title, software_release_uri, software_type;
	struct json *parameters, *sla_parameters;
	bool shared;
	enum instance_want state;
};
static const struct json_field request_fields[] = {
	JSON_STR(struct request_in, title, "title", 1, MODEL_TITLE_MAX, JSON_REQUIRED, "Name of the root."),
	JSON_STR(struct request_in, software_release_uri, "software_release_uri", 1, 2000, JSON_REQUIRED, "URI of the release."),
	JSON_STR(struct request_in, software_type, "software_type", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Its type."),
	JSON_TREE_OBJECT(struct request_in, parameters, "parameters", 0, "Parameters; for a release of ours also one _ with JSON text."),
	JSON_BOOL(struct request_in, shared, "shared", 0, "To be hosted."),
	JSON_ENUM(struct request_in, state, "state", want_words, 0, "What is wanted.", .initial = INSTANCE_STARTED),
	JSON_TREE_OBJECT(struct request_in, sla_parameters, "sla_parameters", 0, "Filter."),
};
const struct json_desc v0_instance_in = JSON_DESC(struct request_in, request_fields, "V0InstanceIn", "A request.");
#define V struct v0_view
V {
	struct str title, instance_guid, software_release_uri, software_type, state;
	struct json *connection_parameters, *parameters;
	bool shared;
	struct str root_instance_title;
	struct json *ip_list, *full_ip_list, *sla_parameters;
	struct str computer_guid, compute_partition_id;
	int64_t processing_timestamp;
	struct str access_status_message;
};
static const struct json_field view_fields[] = {
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "Name."),
	JSON_STR(V, instance_guid, "instance_guid", 0, INT64_MAX, 0, "Guid, opaque."),
	JSON_STR(V, software_release_uri, "software_release_uri", 0, INT64_MAX, 0, "URI."),
	JSON_STR(V, software_type, "software_type", 0, INT64_MAX, 0, "Type."),
	JSON_STR(V, state, "state", 0, INT64_MAX, 0, "What is wanted."),
	JSON_TREE(V, connection_parameters, "connection_parameters", 0, "What it published."),
	JSON_TREE(V, parameters, "parameters", 0, "Parameters."),
	JSON_BOOL(V, shared, "shared", 0, "Is it hosted?"),
	JSON_STR(V, root_instance_title, "root_instance_title", 0, INT64_MAX, 0, "Title of the root of its tree."),
	JSON_TREE(V, ip_list, "ip_list", 0, "Pairs of interface and address."),
	JSON_TREE(V, full_ip_list, "full_ip_list", 0, "Always empty."),
	JSON_TREE(V, sla_parameters, "sla_parameters", 0, "Filter."),
	JSON_STR(V, computer_guid, "computer_guid", 0, INT64_MAX, 0, "Node."),
	JSON_STR(V, compute_partition_id, "compute_partition_id", 0, INT64_MAX, 0, "Partition."),
	JSON_I64(V, processing_timestamp, "processing_timestamp", 0, INT64_MAX, 0, "Version of what the partition should look like, microseconds."),
	JSON_STR(V, access_status_message, "access_status_message", 0, INT64_MAX, 0, "What was last reported."),
};
const struct json_desc v0_instance_out = JSON_DESC(V, view_fields, "V0Instance", "An instance.");
#undef V
struct not_ready { struct str message, name; int64_t status; };
static const struct json_field not_ready_fields[] = {
	JSON_STR(struct not_ready, message, "message", 0, INT64_MAX, 0, "For people."),
	JSON_STR(struct not_ready, name, "name", 0, INT64_MAX, 0, "SoftwareInstanceNotReady."),
	JSON_I64(struct not_ready, status, "status", 0, 999, 0, "102."),
};
static const struct json_desc not_ready_desc = JSON_DESC(struct not_ready, not_ready_fields, "V0NotReady", "Not placed yet.");
struct ok { struct str type, title; };
static const struct json_field ok_fields[] = {
	JSON_STR(struct ok, type, "type", 0, INT64_MAX, 0, "success."),
	JSON_STR(struct ok, title, "title", 0, INT64_MAX, 0, "What was done."),
};
const struct json_desc v0_ok_out = JSON_DESC(struct ok, ok_fields, "V0Ok", "Done.");
struct guid_in { struct str instance_guid; };
static const struct json_field guid_fields[] = {
	JSON_STR(struct guid_in, instance_guid, "instance_guid", 0, 1000, JSON_REQUIRED, "Guid."),
};
const struct json_desc v0_guid_in = JSON_DESC(struct guid_in, guid_fields, "V0Guid", "Which instance.");
struct partition_in { struct str computer_guid, compute_partition_id; };
static const struct json_field partition_fields[] = {
	JSON_STR(struct partition_in, computer_guid, "computer_guid", 0, 1000, JSON_REQUIRED, "Node."),
	JSON_STR(struct partition_in, compute_partition_id, "compute_partition_id", 0, 1000, JSON_REQUIRED, "Partition."),
};
const struct json_desc v0_partition_in = JSON_DESC(struct partition_in, partition_fields, "V0Partition", "Which partition.");
struct title_in { struct str title; };
static const struct json_field title_fields[] = {
	JSON_STR(struct title_in, title, "title", 0, MODEL_TITLE_MAX, JSON_REQUIRED, "Title of a root."),
};
const struct json_desc v0_title_only_in = JSON_DESC(struct title_in, title_fields, "V0Title", "Which tree.");
const struct json_desc v0_empty_in = {.name = "V0Empty", .help = "Nothing.", .bytes = 0};
static const struct json_desc v0_title_item = JSON_DESC(struct title_in, title_fields, "V0TreeItem", "A tree.");
struct titles { struct title_in *result_list; size_t n; };
static const struct json_field titles_fields[] = {
	JSON_STRUCTS(struct titles, result_list, n, struct title_in, "result_list", &v0_title_item, 0, INT64_MAX, 0, "Trees."),
};
const struct json_desc v0_tree_list_out = JSON_DESC(struct titles, titles_fields, "V0TreeList", "Trees.");
struct reported_in { struct str instance_guid; enum instance_report reported_state; };
static const struct json_field reported_fields[] = {
	JSON_STR(struct reported_in, instance_guid, "instance_guid", 0, 1000, JSON_REQUIRED, "Guid."),
	JSON_ENUM(struct reported_in, reported_state, "reported_state", report_words, JSON_REQUIRED, "What it is now."),
};
const struct json_desc v0_reported_in = JSON_DESC(struct reported_in, reported_fields, "V0Reported", "A report.");
struct message_in { struct str instance_guid, message; };
static const struct json_field message_fields[] = {
	JSON_STR(struct message_in, instance_guid, "instance_guid", 0, 1000, JSON_REQUIRED, "Guid."),
	JSON_STR(struct message_in, message, "message", 0, V0_MESSAGE_MAX, JSON_REQUIRED, "Text; cut at 2000 bytes."),
};
const struct json_desc v0_message_in = JSON_DESC(struct message_in, message_fields, "V0Message", "A message.");
struct rename_in { struct str instance_guid, title; };
static const struct json_field rename_fields[] = {
	JSON_STR(struct rename_in, instance_guid, "instance_guid", 0, 1000, JSON_REQUIRED, "Guid."),
	JSON_STR(struct rename_in, title, "title", 0, MODEL_TITLE_MAX, JSON_REQUIRED, "New title."),
};
const struct json_desc v0_rename_in = JSON_DESC(struct rename_in, rename_fields, "V0Rename", "Another title.");
struct connection_in { struct str instance_guid; struct json *connection_parameter_dict; };
static const struct json_field connection_fields[] = {
	JSON_STR(struct connection_in, instance_guid, "instance_guid", 0, 1000, JSON_REQUIRED, "Guid."),
	JSON_TREE_OBJECT(struct connection_in, connection_parameter_dict, "connection_parameter_dict", JSON_REQUIRED, "The whole set."),
};
const struct json_desc v0_connection_in = JSON_DESC(struct connection_in, connection_fields, "V0Connection", "Connection parameters.");
struct hosted { struct str title, instance_guid, software_type, state; struct json *parameters; struct str compute_partition_id, software_release_uri; };
static const struct json_field hosted_fields[] = {
	JSON_STR(struct hosted, title, "title", 0, INT64_MAX, 0, "Name."),
	JSON_STR(struct hosted, instance_guid, "instance_guid", 0, INT64_MAX, 0, "Guid."),
	JSON_STR(struct hosted, software_type, "software_type", 0, INT64_MAX, 0, "Type."),
	JSON_STR(struct hosted, state, "state", 0, INT64_MAX, 0, "What is wanted."),
	JSON_TREE(struct hosted, parameters, "parameters", 0, "Parameters."),
	JSON_STR(struct hosted, compute_partition_id, "compute_partition_id", 0, INT64_MAX, 0, "Partition of the host."),
	JSON_STR(struct hosted, software_release_uri, "software_release_uri", 0, INT64_MAX, 0, "URI."),
};
static const struct json_desc hosted_desc = JSON_DESC(struct hosted, hosted_fields, "V0Hosted", "A shared instance.");
struct hosted_list { struct hosted *result_list; size_t n; };
static const struct json_field hosted_list_fields[] = {
	JSON_STRUCTS(struct hosted_list, result_list, n, struct hosted, "result_list", &hosted_desc, 0, INT64_MAX, 0, "Shared instances of the host."),
};
const struct json_desc v0_hosted_list_out = JSON_DESC(struct hosted_list, hosted_list_fields, "V0HostedList", "Shared instances.");
/* clang-format on */

/* ---- shared by the calls ------------------------------------------------------------------- */

/* A value as Python's str prints it; containers as JSON. */
static struct str python_text(const struct json *v, struct arena *a)
{
	if (json_is(v, JSON_IS_STR))
		return v->str;
	if (json_is(v, JSON_IS_NULL))
		return S("None");
	if (json_is(v, JSON_IS_BOOL))
		return v->boolean ? S("True") : S("False");
	return json_text(v, a);
}

struct json *v0_parameters(struct api_call *c, const struct instance *i)
{
	struct json *out = json_object_new(c->a);
	if (i->release_name.n) {
		json_set_str(c->a, out, S("_"), i->parameters_json);
		return out;
	}
	struct json *in = view_json(c->a, i->parameters_json);
	for (size_t k = 0; k < json_count(in); k++)
		json_set_str(c->a, out, in->members[k].key,
			     python_text(in->members[k].value, c->a));
	return out;
}

static struct str access_message(struct api_call *c, const struct instance *i)
{
	if (i->reported == REPORT_NONE)
		return arena_fmt(c->a, "#error no data found for %" STR_F, STR_A(i->guid));
	if (i->reported == REPORT_ERROR)
		return arena_fmt(c->a, "#error %" STR_F, STR_A(i->message));
	return arena_fmt(c->a, "#access Instance correctly %s",
			 instance_report_word(i->reported));
}

MUST int v0_answer_instance(struct api_call *c, const struct instance *i, bool with_addresses,
			    struct err *e)
{
	struct json *none = json_array_new(c->a);
	bool hides = i->is_shared && !with_addresses;
	struct v0_view v = {
		.title = i->title,
		.instance_guid = i->guid,
		.software_release_uri = i->release,
		.software_type = i->type,
		.state = str_from(instance_want_word(i->want)),
		.connection_parameters = view_json(c->a, i->connection_json),
		.parameters = v0_parameters(c, i),
		.shared = i->is_shared,
		.root_instance_title = i->tree,
		.ip_list = hides ? none : view_json(c->a, i->addresses_json),
		.full_ip_list = none,
		.sla_parameters = view_json(c->a, i->where_json),
		.computer_guid = i->node,
		.compute_partition_id = i->partition,
		.processing_timestamp = i->timestamp,
		.access_status_message = access_message(c, i),
	};
	return call_answer(c, 200, &v0_instance_out, &v, e);
}

MUST int v0_answer_not_ready(struct api_call *c, struct err *e)
{
	const struct not_ready v = {S("Software Instance Not Ready"),
				    S("SoftwareInstanceNotReady"), 102};
	return call_answer(c, 200, &not_ready_desc, &v, e);
}

MUST int v0_answer_ok(struct api_call *c, const char *title, struct err *e)
{
	const struct ok v = {S("success"), str_from(title)};
	return call_answer(c, 200, &v0_ok_out, &v, e);
}

/* `may` decides what of the caller's it has to be: 1 or 0. */
MUST static int load(struct api_call *c, struct str guid,
		     int (*may)(struct api_call *, const struct instance *, struct err *),
		     struct instance *out, struct err *e)
{
	int rc = store_instance_by_guid(c->tx, c->a, guid, out, e);
	if (rc > 0)
		rc = may(c, out, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "No instance found with reference: %" STR_F,
				STR_A(str_sub(guid, 0, 200)));
	return rc < 0 ? -1 : 0;
}

MUST int v0_instance(struct api_call *c, struct str guid, struct instance *out, struct err *e)
{
	return load(c, guid, access_sees, out, e);
}

MUST int v0_instance_of_node(struct api_call *c, struct str guid, struct instance *out,
			     struct err *e)
{
	struct node n;
	if (load(c, guid, access_changes, out, e) < 0)
		return -1;
	if (!out->node_id)
		return 0;
	int rc = store_node_by_id(c->tx, c->a, out->node_id, &n, e);
	if (rc <= 0)
		return rc;
	return call_contact(c, &n, e);
}

/* ---- the calls ----------------------------------------------------------------------------- */

MUST int v0_post_instance_prepare(struct api_call *c, struct err *e)
{
	const struct request_in *in = c->in;
	struct order *o = ARENA_NEW(c->a, struct order);
	if (!o)
		return arena_check(c->a, e);
	struct json *parameters = in->parameters, *only = json_get(parameters, S("_"));
	if (str_starts(in->software_release_uri, S("hoc:")) && json_count(parameters) == 1 &&
	    json_is(only, JSON_IS_STR)) {
		if (json_parse(only->str, c->a, &parameters, e) < 0 ||
		    !json_is(parameters, JSON_IS_OBJECT))
			return err_field(e, "parameters._", "is not the text of a JSON object");
	}
	*o = (struct order){
		.release = in->software_release_uri,
		.may_be_opaque = true,
		.title = in->title,
		.type = in->software_type,
		.parameters = parameters,
		.where = in->sla_parameters,
		.is_shared = in->shared,
		.has_state = true,
		.state = in->state,
	};
	c->prepared = o;
	return order_check(o, c->a, e);
}

MUST int v0_post_instance(struct api_call *c, struct err *e)
{
	struct instance i;
	const struct order *o = c->prepared;
	if (order_request(c, o, &i, e) < 0) {
		/* Destroying what is not there creates nothing (wire d.1, ERP5). */
		if (e->kind == ERR_NOT_FOUND && o->state == INSTANCE_DESTROYED)
			return v0_answer_not_ready(c, e);
		return -1;
	}
	if (!i.partition_id && i.is_live)
		return v0_answer_not_ready(c, e);
	return v0_answer_instance(c, &i, true, e);
}

MUST int v0_get_instance(struct api_call *c, struct err *e)
{
	const struct guid_in *in = c->in;
	struct instance i;
	if (v0_instance(c, in->instance_guid, &i, e) < 0)
		return -1;
	return v0_answer_instance(c, &i, false, e);
}

MUST int v0_get_partition(struct api_call *c, struct err *e)
{
	const struct partition_in *in = c->in;
	struct instance i;
	struct node n = {.id = 0};
	int rc = store_node_find(c->tx, c->a, in->computer_guid, &n, e);
	if (rc > 0)
		rc = store_instance_on(c->tx, c->a, n.id, in->compute_partition_id, &i, e);
	if (rc > 0)
		rc = access_changes(c, &i, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "No instance on partition %" STR_F " found.",
				STR_A(str_sub(in->compute_partition_id, 0, 200)));
	return rc < 0 ? -1 : v0_answer_instance(c, &i, false, e);
}

MUST int v0_get_tree(struct api_call *c, struct err *e)
{
	const struct title_in *in = c->in;
	struct instance *list = NULL;
	size_t n = 0;
	if (access_titled(c, in->title, S(""), &list, &n, e) < 0)
		return -1;
	if (!n || !list[0].is_live)
		return err_fail(e, ERR_NOT_FOUND, "No instance tree %" STR_F " found.",
				STR_A(in->title));
	if (!list[0].partition_id)
		return v0_answer_not_ready(c, e);
	return v0_answer_instance(c, &list[0], false, e);
}

static int add_title(struct api_call *c, struct instance *i, void *user, struct err *e UNUSED)
{
	struct titles *v = user;
	if (i->tree_id == i->id)
		v->result_list[v->n++].title = arena_dup(c->a, i->title);
	return v->n == V0_LIST_MAX;
}

MUST int v0_tree_list(struct api_call *c, struct err *e)
{
	struct titles v = {.n = 0};
	const int64_t *ids;
	size_t owned;
	enum instance_by by = INSTANCES_OF_CUSTOMER;
	if (access_customers(c, &ids, &owned)) {
		static const int64_t everybody = 0;
		by = INSTANCES_ALL;
		ids = &everybody;
		owned = 1;
	}
	v.result_list = ARENA_ARRAY(c->a, struct title_in, V0_LIST_MAX);
	for (size_t i = 0; v.result_list && i < owned && v.n < V0_LIST_MAX; i++)
		if (pages_each(c, by, ids[i], 0, add_title, &v, e) < 0)
			return -1;
	return call_answer(c, 200, &v0_tree_list_out, &v, e);
}

MUST int v0_reported(struct api_call *c, struct err *e)
{
	const struct reported_in *in = c->in;
	struct instance i;
	if (v0_instance_of_node(c, in->instance_guid, &i, e) < 0)
		return -1;
	if (i.is_shared && in->reported_state == REPORT_DESTROYED)
		return v0_answer_ok(c, "Ignored", e);
	if (!i.is_live && in->reported_state != REPORT_DESTROYED)
		return v0_answer_ok(c, "Ignored", e);
	if (life_report(c, &i, in->reported_state, S(""), e) < 0)
		return -1;
	return v0_answer_ok(
		c, in->reported_state == REPORT_DESTROYED ? "Destroyed" : "State reported", e);
}

MUST int v0_error(struct api_call *c, struct err *e)
{
	const struct message_in *in = c->in;
	struct instance i;
	if (v0_instance_of_node(c, in->instance_guid, &i, e) < 0)
		return -1;
	if (i.is_live && life_report(c, &i, REPORT_ERROR, call_cut(in->message), e) < 0)
		return -1;
	return v0_answer_ok(c, "Error reported", e);
}

MUST int v0_bang(struct api_call *c, struct err *e)
{
	const struct message_in *in = c->in;
	struct instance i;
	if (load(c, in->instance_guid, access_changes, &i, e) < 0 ||
	    life_bang(c, &i, in->message, e) < 0)
		return -1;
	return v0_answer_ok(c, "Bang handled", e);
}

MUST int v0_title(struct api_call *c, struct err *e)
{
	const struct rename_in *in = c->in;
	struct instance i;
	if (v0_instance(c, in->instance_guid, &i, e) < 0 ||
	    life_rename(c, &i, in->title, e) < 0)
		return -1;
	return v0_answer_ok(c, "Renamed", e);
}

MUST int v0_connection(struct api_call *c, struct err *e)
{
	const struct connection_in *in = c->in;
	struct instance i;
	if (v0_instance_of_node(c, in->instance_guid, &i, e) < 0)
		return -1;
	if (i.is_live && life_publish(c, &i, in->connection_parameter_dict, e) < 0)
		return -1;
	return v0_answer_ok(c, "Updated", e);
}

MUST int v0_hosted_list(struct api_call *c, struct err *e)
{
	const struct guid_in *in = c->in;
	struct instance host, *list = NULL;
	size_t n = 0;
	struct hosted_list v = {.n = 0};
	if (load(c, in->instance_guid, access_changes, &host, e) < 0 ||
	    store_instance_list(c->tx, c->a, INSTANCES_HOSTED, host.id, 0, V0_LIST_MAX, &list,
				&n, e) < 0)
		return -1;
	v.result_list = ARENA_ARRAY(c->a, struct hosted, n);
	for (size_t i = 0; v.result_list && i < n; i++)
		v.result_list[v.n++] = (struct hosted){
			.title = list[i].title,
			.instance_guid = list[i].guid,
			.software_type = list[i].type,
			.state = str_from(instance_want_word(list[i].want)),
			.parameters = v0_parameters(c, &list[i]),
			.compute_partition_id = list[i].partition,
			.software_release_uri = list[i].release,
		};
	return call_answer(c, 200, &v0_hosted_list_out, &v, e);
}
