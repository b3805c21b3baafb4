/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Orders: placed, refused, changed, hosted, destroyed. */
#include "cloud.h"

#include "core/model.h"

static void an_order_gets_the_lowest_free_partition(struct cloud *c)
{
	cloud_stage(c, 3);
	struct json *j =
		OK_POST(c, "/v1/instances",
			"{'release': 'web', 'title': 'a', 'parameters': {'port': 81}}");
	assert_at(c, j, "node", "n1");
	assert_at(c, j, "partition", "p0");
	assert_at(c, j, "status", "allocated");
	assert_at(c, j, "addresses[0][1]", "10.0.0.1");
	assert_at(c, j, "parameters", "{\"port\":81}");
	assert_at(c, j, "customer", "local");
	assert_at(c, j, "tree", "a");
	struct json *b = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'b'}");
	assert_at(c, b, "partition", "p1");
	cloud_report(c, at(c, j, "guid"), "started");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "status", "running");
}

static void the_same_request_changes_nothing(struct cloud *c)
{
	cloud_stage(c, 2);
	const char *body =
		"{'release': 'web', 'title': 'a', 'parameters': {'title': 'x', 'port': 1}}";
	struct json *first = OK_POST(c, "/v1/instances", body);
	int64_t events = cloud_number(c, "SELECT COUNT(*) FROM event");
	c->now_ms += 60000;
	struct json *second = OK_POST(
		c, "/v1/instances",
		"{'title': 'a', 'parameters': {'port': 1, 'title': 'x'}, 'release': 'web'}");
	assert_true(json_is_equal(first, second));
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM instance"), 1);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM  event"), events);
}

static void a_change_moves_the_timestamp(struct cloud *c)
{
	cloud_stage(c, 2);
	struct json *a = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a'}");
	cloud_report(c, at(c, a, "guid"), "started");
	a = OK_GET(c, "/v1/instances/a");
	/* The clock stands still: it still has to differ. */
	struct json *b =
		OK_POST(c, "/v1/instances",
			"{'release': 'web', 'title': 'a', 'parameters': {'title': 'n'}}");
	assert_true(number_at(b, "timestamp") > number_at(a, "timestamp"));
	assert_true(number_at(b, "version") > number_at(a, "version"));
	assert_at(c, b, "status", "starting");
	/* Publishing and reporting do not (wire d.5). */
	OK_POST(c, "/slapos.put.v0.software_instance_connection_parameter",
		text(c,
		     "{'instance_guid': '%s', 'connection_parameter_dict': {'url': 'x', 'n': "
		     "1}}",
		     at(c, a, "guid")));
	cloud_report(c, at(c, a, "guid"), "started");
	struct json *d = OK_GET(c, "/v1/instances/a");
	assert_int_equal(number_at(d, "timestamp"), number_at(b, "timestamp"));
	assert_at(c, d, "status", "running");
	assert_at(c, d, "connection", "{\"n\":\"1\",\"url\":\"x\"}");
}

static void what_finds_no_room_waits_and_says_why(struct cloud *c)
{
	cloud_stage(c, 1);
	cloud_node(c, "n2", 1);
	const char *first = cloud_order(c, "a");
	struct json *b = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'b'}");
	assert_at(c, b, "status", "waiting");
	assert_at(c, b, "refusals[0]", "node n1: no free partition (1 of 1 busy)");
	assert_at(c, b, "refusals[1]", "node n2: release not supplied");
	cloud_supply(c, "web", "n2");
	b = OK_GET(c, "/v1/instances/b");
	assert_at(c, b, "node", "n2");
	assert_at(c, b, "refusals", "[]");
	struct json *d = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'd'}");
	assert_at(c, d, "status", "waiting");
	OK_POST(c, "/v1/instances", "{'title': 'a', 'state': 'destroyed'}");
	cloud_report(c, first, "destroyed");
	assert_at(c, OK_GET(c, "/v1/instances/d"), "node", "n1");
}

static void filters_choose_the_node(struct cloud *c)
{
	static const struct {
		const char *where, *node, *refusal;
	} cases[] = {
		{"{'node': 'n2'}", "n2", ""},
		{"{'computer_guid': 'n2'}", "n2", ""},
		{"{'region': 'eu'}", "n2", ""},
		{"{'network_guid': 'net'}", "n2", ""},
		{"{'capability': 'kvm'}", "n2", ""},
		{"{'capability': 'arch=arm64,kvm'}", "n2", ""},
		{"{'capability': ['kvm', 'arch=arm64']}", "n2", ""},
		{"{'capability': 'arch=mips'}", "", "node n1: lacks capability arch=mips"},
		{"{'region': 'us'}", "", "node n1: is not in region us"},
		{"{'node': 'n2', 'region': 'us'}", "", "node n2: is not in region us"},
		{"{'retention_delay': 7.0}", "n2", ""},
	};
	cloud_stage(c, 2);
	cloud_node(c, "n2", 20);
	cloud_supply(c, "web", "n2");
	OK_PUT(c, "/v1/nodes/n2",
	       "{'region': 'eu', 'network': 'net', 'capabilities': {'kvm': '1', 'arch': "
	       "'arm64'}}");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *j =
			OK_POST(c, "/v1/instances",
				text(c, "{'release': 'web', 'title': 't%zu', 'where': %s}", i,
				     cases[i].where));
		assert_at(c, j, "node", cases[i].node);
		if (cases[i].refusal[0])
			assert_at(c, j, "refusals[0]", cases[i].refusal);
	}
}

static void bad_input_names_its_field(struct cloud *c)
{
	static const struct {
		const char *method, *target, *body;
		int status;
		const char *field;
	} cases[] = {
		{"POST", "/v1/instances", "{'release': 'web'}", 400, "title"},
		{"POST", "/v1/instances", "{'title': 'a'}", 400, "release"},
		{"POST", "/v1/instances", "{'title': 1, 'release': 'web'}", 400, "title"},
		{"POST", "/v1/instances", "{'title': '', 'release': 'web'}", 400, "title"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'nope'}", 400, "release"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'web', 'x': 1}", 400, "x"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'web', 'type': 'nope'}",
		 400, "type"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'web', 'state': 'up'}",
		 400, "state"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'web', 'shared': 1}", 400,
		 "shared"},
		{"POST", "/v1/instances", "{'title': 'a', 'release': 'web', 'shared': true}",
		 400, "shared"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'parameters': {'title': 1}}", 400,
		 "parameters.title"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'parameters': {'port': 70000}}", 400,
		 "parameters.port"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'parameters': {'y': 1}}", 400,
		 "parameters.y"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'where': {'color': 'red'}}", 400,
		 "where.color"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'where': {'node': {}}}", 400, "where.node"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'where': {'node': 'n9'}}", 400,
		 "where.node"},
		{"POST", "/v1/instances",
		 "{'title': 'a', 'release': 'web', 'requester': 'inst-x'}", 400, "requester"},
		{"POST", "/v1/instances", "{'title': 'inst-a', 'release': 'web'}", 400,
		 "title"},
		{"POST", "/v1/instances", "[1]", 400, ""},
		{"POST", "/v1/instances", "{", 400, ""},
		{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n9'}", 400, "node"},
		{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n1', 'state': 'x'}",
		 400, "state"},
		{"GET", "/v1/instances/nope", "", 404, ""},
		{"GET", "/v1/nodes/nope", "", 404, ""},
		{"GET", "/v1/releases/nope", "", 404, "release"},
		{"GET", "/v1/nope", "", 404, ""},
		{"GET", "/v1/events?since=x", "", 400, "since"},
		{"GET", "/v1/events?wait=999", "", 400, "wait"},
		{"GET", "/v1/events?what=1", "", 400, "what"},
		{"GET", "/v1/events?since=1&since=2", "", 400, "since"},
		{"GET", "/v1/promises?kind=x", "", 400, "kind"},
		{"GET", "/v1/promises/history?subject=a", "", 400, "name"},
		{"DELETE", "/v1/instances", "", 405, "GET, HEAD, POST"},
		{"PUT", "/v1/customers/x", "{'country': 'fr'}", 400, "country"},
		{"PUT", "/v1/customers/x", "{'country': 'FRA'}", 400, "country"},
		{"POST", "/v1/nodes/n1/usage", "{'events': [{'id': 'a'}]}", 400,
		 "events[0].instance"},
		{"POST", "/v1/nodes/n1/promises", "{}", 400, "results"},
		{"POST", "/v1/invoices", "{'customer': 'x', 'from': 'y', 'to': '2026-01-01'}",
		 400, "from"},
		{"POST", "/v1/invoices",
		 "{'customer': 'x', 'from': '2026-01-01', 'to': '2099-01-01'}", 400, "to"},
		{"POST", "/v1/releases", "{'bundle': {'name': 'x'}}", 400, "bundle.entry"},
	};
	cloud_stage(c, 1);
	int64_t events = cloud_number(c, "SELECT COUNT(*) FROM event");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)cloud_call(c, cases[i].method, cases[i].target, cases[i].body);
		if (c->status != cases[i].status || strcmp(c->field, cases[i].field) != 0)
			fail_msg("%s %s %s: %d %s (%s)", cases[i].method, cases[i].target,
				 cases[i].body, c->status, c->field, c->text);
	}
	assert_int_equal(cloud_number(c, "SELECT COUNT(*)  FROM event"), events);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM instance"), 0);
}

static void titles_and_long_texts_have_limits(struct cloud *c)
{
	char long_title[240];
	cloud_stage(c, 1);
	memset(long_title, 'a', sizeof long_title);
	long_title[200] = 0;
	OK_POST(c, "/v1/instances", text(c, "{'release': 'web', 'title': '%s'}", long_title));
	long_title[200] = 'a';
	long_title[201] = 0;
	POST(c, "/v1/instances", text(c, "{'release': 'web', 'title': '%s'}", long_title));
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "title");
	/* A long message is cut, and not inside a character. */
	char message[5000];
	for (size_t i = 0; i + 2 < sizeof message; i += 2)
		memcpy(message + i, "é", 2);
	message[0] = 'x';
	message[1] = 'y';
	message[2] = 'z';
	memmove(message + 3, message + 4, sizeof message - 4);
	message[4001] = 0;
	const char *guid = at(c, OK_GET(c, "/v1/instances"), "instances[0].guid");
	OK_POST(c, "/slapos.put.v0.software_instance_error",
		text(c, "{'instance_guid': '%s', 'message': 'ab%s'}", guid, "ééé"));
	assert_at(c, OK_GET(c, text(c, "/v1/instances/%s", guid)), "message", "abééé");
	assert_at(c, OK_GET(c, text(c, "/v1/instances/%s", guid)), "status", "broken");
}

static void a_tree_is_destroyed_in_one_call(struct cloud *c)
{
	cloud_stage(c, 4);
	const char *root = cloud_order(c, "root");
	struct json *kid =
		OK_POST(c, "/v1/instances",
			text(c, "{'release': 'web', 'title': 'kid', 'requester': '%s'}", root));
	struct json *grand =
		OK_POST(c, "/v1/instances",
			text(c, "{'release': 'web', 'title': 'grand', 'requester': '%s'}",
			     at(c, kid, "guid")));
	assert_at(c, kid, "tree", "root");
	assert_at(c, grand, "tree", "root");
	assert_at(c, grand, "requester", at(c, kid, "guid"));
	POST(c, "/v1/instances",
	     text(c, "{'release': 'web', 'title': 'root', 'requester': '%s'}", root));
	assert_string_equal(c->field, "title");
	/* Only what was asked to be destroyed may be freed. */
	POST(c, "/slapos.put.v0.software_instance_reported_state",
	     text(c, "{'instance_guid': '%s', 'reported_state': 'destroyed'}", root));
	assert_int_equal(c->status, 403);
	struct json *gone =
		OK_POST(c, "/v1/instances", "{'title': 'root', 'state': 'destroyed'}");
	assert_at(c, gone, "status", "destroying");
	assert_at(c, OK_GET(c, text(c, "/v1/instances/%s", at(c, grand, "guid"))), "state",
		  "destroyed");
	cloud_report(c, root, "destroyed");
	cloud_report(c, at(c, kid, "guid"), "destroyed");
	cloud_report(c, at(c, grand, "guid"), "destroyed");
	cloud_report(c, at(c, grand, "guid"), "destroyed");
	assert_int_equal(number_at(OK_GET(c, "/v1/nodes/n1"), "partitions.free"), 4);
	gone = OK_POST(c, "/v1/instances", "{'title': 'root', 'state': 'destroyed'}");
	assert_at(c, gone, "status", "destroyed");
	assert_at(c, gone, "guid", root);
	/* The name is free for a new one. */
	assert_string_not_equal(cloud_order(c, "root"), root);
	POST(c, "/v1/instances", "{'title': 'never', 'state': 'destroyed'}");
	assert_int_equal(c->status, 404);
}

static void states_travel_down_the_tree(struct cloud *c)
{
	cloud_stage(c, 3);
	const char *root = cloud_order(c, "root");
	const char *body =
		text(c, "{'release': 'web', 'title': 'kid', 'requester': '%s'}", root);
	const char *kid = at(c, OK_POST(c, "/v1/instances", body), "guid");
	const char *path = text(c, "/v1/instances/%s", kid);
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'root', 'state': 'stopped'}");
	assert_at(c, OK_GET(c, path), "state", "stopped");
	assert_at(c, OK_POST(c, "/v1/instances", body), "state", "stopped");
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'root', 'state': 'started'}");
	assert_at(c, OK_GET(c, path), "state", "started");
	/* A started root leaves a stopped member alone. */
	OK_POST(c, "/v1/instances",
		text(c,
		     "{'release': 'web', 'title': 'kid', 'requester': '%s', 'state': "
		     "'stopped'}",
		     root));
	assert_at(c, OK_GET(c, "/v1/instances/root"), "state", "started");
	assert_at(c, OK_GET(c, path), "state", "stopped");
	cloud_report(c, kid, "stopped");
	assert_at(c, OK_GET(c, path), "status", "stopped");
}

static void a_parent_is_woken_by_its_child(struct cloud *c)
{
	cloud_stage(c, 2);
	const char *root = cloud_order(c, "root");
	const char *kid = at(
		c,
		OK_POST(c, "/v1/instances",
			text(c, "{'release': 'web', 'title': 'kid', 'requester': '%s'}", root)),
		"guid");
	int64_t before = number_at(OK_GET(c, "/v1/instances/root"), "timestamp");
	const char *publish = text(
		c, "{'instance_guid': '%s', 'connection_parameter_dict': {'url': 'u'}}", kid);
	OK_POST(c, "/slapos.put.v0.software_instance_connection_parameter", publish);
	int64_t after = number_at(OK_GET(c, "/v1/instances/root"), "timestamp");
	assert_true(after > before);
	OK_POST(c, "/slapos.put.v0.software_instance_connection_parameter", publish);
	assert_int_equal(number_at(OK_GET(c, "/v1/instances/root"), "timestamp"), after);
}

static void shared_instances_have_a_host(struct cloud *c)
{
	cloud_stage(c, 2);
	const char *order = "{'release': 'web', 'type': 'host', 'title': 's', 'shared': true, "
			    "'parameters': {'domain': 'd'}}";
	struct json *s = OK_POST(c, "/v1/instances", order);
	assert_at(c, s, "status", "waiting");
	struct json *host =
		OK_POST(c, "/v1/instances", "{'release': 'web', 'type': 'host', 'title': 'h'}");
	/* Nobody woke it: the job finds the host. */
	assert_int_equal(cloud_assess(c), 1);
	assert_at(c, OK_GET(c, "/v1/instances/s"), "host", at(c, host, "guid"));
	s = OK_POST(c, "/v1/instances",
		    "{'release': 'web', 'type': 'host', 'title': 's', 'shared': true, "
		    "'parameters': {'domain': 'e'}}");
	assert_at(c, s, "host", at(c, host, "guid"));
	assert_int_equal(number_at(OK_GET(c, "/v1/nodes/n1"), "partitions.free"), 1);
	int64_t before = number_at(OK_GET(c, "/v1/instances/h"), "timestamp");
	const char *list = text(c, "{'instance_guid': '%s'}", at(c, host, "guid"));
	struct json *l = OK_POST(c, "/slapos.allDocs.v0.instance_node_instance_list", list);
	assert_at(c, l, "result_list[0].title", "s");
	assert_at(c, l, "result_list[0].parameters._", "{\"domain\":\"e\"}");
	OK_POST(c, "/slapos.put.v0.software_instance_connection_parameter",
		text(c, "{'instance_guid': '%s', 'connection_parameter_dict': {'url': 'u'}}",
		     at(c, s, "guid")));
	assert_at(c, OK_GET(c, "/v1/instances/s"), "status", "running");
	OK_POST(c, "/v1/instances",
		"{'release': 'web', 'title': 's', 'shared': true, 'state': 'destroyed'}");
	assert_at(c, OK_GET(c, "/v1/instances/s"), "status", "destroyed");
	assert_true(number_at(OK_GET(c, "/v1/instances/h"), "timestamp") > before);
	l = OK_POST(c, "/slapos.allDocs.v0.instance_node_instance_list", list);
	assert_at(c, l, "result_list", "[]");
}

static void renaming_and_banging(struct cloud *c)
{
	cloud_stage(c, 3);
	const char *a = cloud_order(c, "a");
	(void)cloud_order(c, "b");
	int64_t before = number_at(OK_GET(c, "/v1/instances/a"), "timestamp");
	POST(c, "/v1/instances/a/title", "{'title': 'b'}");
	assert_int_equal(c->status, 409);
	struct json *j = OK_POST(c, "/v1/instances/a/title", "{'title': 'x'}");
	assert_at(c, j, "guid", a);
	assert_int_equal(number_at(j, "timestamp"), before);
	j = OK_POST(c, "/v1/instances/x/bang", "{'message': 'again'}");
	assert_true(number_at(j, "timestamp") > before);
}

static void customers_have_their_own_names(struct cloud *c)
{
	cloud_stage(c, 3);
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a', 'customer': 'x'}");
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a', 'customer': 'y'}");
	GET(c, "/v1/instances/a");
	assert_int_equal(c->status, 409);
	assert_at(c, OK_GET(c, "/v1/instances/a?customer=y"), "customer", "y");
	struct json *list = OK_GET(c, "/v1/instances?customer=x");
	assert_int_equal(json_count(json_get(list, S("instances"))), 1);
	OK_PUT(c, "/v1/customers/x", "{'country': 'DE', 'vat_number': 'DE1'}");
	assert_at(c, OK_GET(c, "/v1/customers/x"), "country", "DE");
	assert_at(c, OK_PUT(c, "/v1/customers/x", "{'address': 'Street 1'}"), "vat_number",
		  "DE1");
}

static void a_supply_in_use_stays(struct cloud *c)
{
	cloud_stage(c, 2);
	const char *a = cloud_order(c, "a");
	PUT(c, "/v1/installations", "{'release': 'web', 'node': 'n1', 'state': 'destroyed'}");
	assert_int_equal(c->status, 409);
	OK_POST(c, "/v1/instances", "{'title': 'a', 'state': 'destroyed'}");
	cloud_report(c, a, "destroyed");
	struct json *j = OK_PUT(c, "/v1/installations",
				"{'release': 'web', 'node': 'n1', 'state': 'destroyed'}");
	assert_at(c, j, "state", "destroyed");
	OK_POST(c, "/slapos.put.v0.software_installation_reported_state",
		text(c,
		     "{'software_release_uri': '%s', 'computer_guid': 'n1', 'reported_state': "
		     "'destroyed'}",
		     at(c, j, "release")));
	assert_at(c, OK_GET(c, "/v1/installations?node=n1"), "installations", "[]");
}

static void a_tree_has_a_largest_size(struct cloud *c)
{
	cloud_stage(c, 1);
	const char *root = cloud_order(c, "root");
	for (int i = 0; i < MODEL_TREE_MAX; i++)
		OK_POST(c, "/v1/instances",
			text(c, "{'release': 'web', 'title': 'k%d', 'requester': '%s'}", i,
			     root));
	POST(c, "/v1/instances",
	     text(c, "{'release': 'web', 'title': 'more', 'requester': '%s'}", root));
	assert_int_equal(c->status, 413);
	/* All of it obeys at once. */
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'root', 'state': 'stopped'}");
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM instance WHERE want = 'stopped'"),
		MODEL_TREE_MAX + 1);
	OK_POST(c, "/v1/instances", "{'title': 'root', 'state': 'destroyed'}");
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM instance WHERE want <> 'destroyed'"), 0);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"an order gets the lowest free partition",
		 an_order_gets_the_lowest_free_partition},
		{"the same request changes nothing", the_same_request_changes_nothing},
		{"a change moves the timestamp", a_change_moves_the_timestamp},
		{"what finds no room waits and says why",
		 what_finds_no_room_waits_and_says_why},
		{"filters choose the node", filters_choose_the_node},
		{"bad input names its field", bad_input_names_its_field},
		{"titles and long texts have limits", titles_and_long_texts_have_limits},
		{"a tree is destroyed in one call", a_tree_is_destroyed_in_one_call},
		{"states travel down the tree", states_travel_down_the_tree},
		{"a parent is woken by its child", a_parent_is_woken_by_its_child},
		{"shared instances have a host", shared_instances_have_a_host},
		{"renaming and banging", renaming_and_banging},
		{"customers have their own names", customers_have_their_own_names},
		{"a supply in use stays", a_supply_in_use_stays},
		{"a tree has a largest size", a_tree_has_a_largest_size},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
