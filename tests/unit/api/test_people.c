/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Persons, members, who one is; and what ownership means beyond one cell of the matrix. */
#include "trusted.h"

enum { SEVERAL = 3 };

/* Both of a stage: acme with its owner, beta with its. */
struct house {
	struct trusted t;
	struct cloud *c;
	struct who *op, *ana, *ben;
};

static void house_open(struct house *h, struct cloud *c)
{
	cloud_stage(c, 6);
	cloud_node(c, "n2", 6);
	cloud_supply(c, "web", "n2");
	*h = (struct house){.c = c};
	trusted_begin(&h->t, c);
	h->op = trusted_person(&h->t, "op", "operator", NULL, false);
	h->ana = trusted_person(&h->t, "ana", "", "acme", true);
	h->ben = trusted_person(&h->t, "ben", "", "beta", true);
}

static struct json *say(struct house *h, struct who *w, const char *method, const char *target,
			const char *body)
{
	return trusted_call(&h->t, w, method, target, body);
}

/* The call is refused with that status, and says so with that text. */
static void refused(struct house *h, struct who *w, const char *method, const char *target,
		    const char *body, int status, const char *why)
{
	say(h, w, method, target, body);
	if (h->c->status != status || !strstr(h->c->text, why))
		fail_msg("%s %s %s: %d '%s' instead of %d '%s'", method, target, body,
			 h->c->status, h->c->text, status, why);
}

/* ---- who one is ---------------------------------------------------------------------------- */

static void everybody_is_told_who_he_is(struct cloud *c)
{
	struct house h;
	struct json *j = OK_GET(c, "/v1/me");
	assert_at(c, j, "kind", "local");
	assert_at(c, j, "roles", "[\"operator\"]");
	house_open(&h, c);
	struct who *n1 = trusted_node(&h.t, "n1");
	struct who *new = trusted_person(&h.t, "new", "", NULL, false);
	j = trusted_ok(&h.t, h.ana, "GET", "/v1/me", "");
	assert_at(c, j, "kind", "person");
	assert_at(c, j, "name", "ana");
	assert_at(c, j, "roles", "[]");
	assert_at(c, j, "customers", "[{\"customer\":\"acme\",\"role\":\"owner\"}]");
	assert_at(c, j, "key", h.ana->key_name);
	j = trusted_ok(&h.t, h.op, "GET", "/v1/me", "");
	assert_at(c, j, "roles", "[\"operator\"]");
	j = trusted_ok(&h.t, n1, "GET", "/v1/me", "");
	assert_at(c, j, "kind", "node");
	assert_at(c, j, "name", "n1");
	/* Who has neither role nor customer is somebody too, and owns nothing. */
	j = trusted_ok(&h.t, new, "GET", "/v1/me", "");
	assert_at(c, j, "customers", "[]");
	j = trusted_ok(&h.t, new, "GET", "/v1/customers", "");
	assert_at(c, j, "customers", "[]");
	refused(&h, new, "POST", "/v1/instances", "{'release': 'web', 'title': 'x'}", 400,
		"you are in no customer");
	refused(&h, NULL, "GET", "/v1/me", "", 401, "show a certificate: hoc login");
	assert_non_null(trusted_header(&h.t, "WWW-Authenticate"));
	trusted_end(&h.t);
}

static void a_stranger_may_do_nothing(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who ghost = *h.ana, thief = *h.ana, node = *h.ana;
	ghost.name = "ghost"; /* a certificate of somebody who is not in the table */
	refused(&h, &ghost, "GET", "/v1/me", "", 403, "person ghost is not active here");
	thief.name = "ben"; /* another's name with this key */
	refused(&h, &thief, "GET", "/v1/me", "", 403, "this key is not known here");
	node.kind = "node"; /* a person's key as a node's */
	refused(&h, &node, "GET", "/v1/me", "", 403, "this key is not known here");
	refused(&h, &node, "GET", "/v1/status", "", 403, "this key is not known here");
	trusted_revoke(&h.t, h.ana);
	refused(&h, h.ana, "GET", "/v1/me", "", 403, "this key is revoked");
	refused(&h, h.ana, "GET", "/v1/releases", "", 403, "this key is revoked");
	trusted_ok(&h.t, h.ben, "GET", "/v1/me", "");
	trusted_end(&h.t);
}

/* ---- persons ------------------------------------------------------------------------------- */

static void an_operator_gives_and_takes_roles(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	const char *ana = "/v1/persons/ana";
	refused(&h, h.ana, "GET", "/v1/events", "", 403, "you may not do events");
	struct json *j = trusted_ok(&h.t, h.op, "PUT", ana,
				    "{'roles': ['auditor', 'publisher', 'auditor'], 'active': "
				    "true}");
	assert_at(c, j, "roles", "[\"publisher\",\"auditor\"]");
	assert_at(c, j, "customers[0].customer", "acme");
	int64_t events = cloud_number(c, "SELECT COUNT(*) FROM event");
	trusted_ok(&h.t, h.op, "PUT", ana,
		   "{'roles': ['publisher', 'auditor'], 'active': true}");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM event"), events);
	trusted_ok(&h.t, h.ana, "GET", "/v1/events", "");
	/* Not active: nothing at all, from the next call on. */
	j = trusted_ok(&h.t, h.op, "PUT", ana, "{'roles': ['auditor'], 'active': false}");
	assert_at(c, j, "active", "false");
	refused(&h, h.ana, "GET", "/v1/events", "", 403, "person ana is not active here");
	refused(&h, h.ana, "GET", "/v1/status", "", 403, "person ana is not active here");
	trusted_ok(&h.t, h.op, "PUT", ana, "{'roles': [], 'active': true}");
	trusted_ok(&h.t, h.ana, "GET", "/v1/instances", "");
	refused(&h, h.ana, "GET", "/v1/events", "", 403, "you may not do events");
	j = trusted_ok(&h.t, h.op, "GET", "/v1/persons?after=ana", "");
	assert_at(c, j, "persons[0].person", "ben");
	refused(&h, h.op, "PUT", ana, "{'roles': ['king'], 'active': true}", 400,
		"is none of publisher");
	assert_string_equal(c->field, "roles[0]");
	refused(&h, h.op, "PUT", "/v1/persons/eve", "{'roles': [], 'active': true}", 404,
		"no person eve");
	refused(&h, h.op, "PUT", "/v1/persons/op", "{'roles': [], 'active': true}", 409,
		"nobody ends his own power");
	refused(&h, h.op, "PUT", "/v1/persons/op", "{'roles': ['operator'], 'active': false}",
		409, "nobody ends his own power");
	trusted_end(&h.t);
}

/* ---- members ------------------------------------------------------------------------------- */

static void owners_say_who_is_in(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who *mem = trusted_person(&h.t, "mem", "", NULL, false);
	const char *place = "/v1/customers/acme/members/mem";
	struct json *j = trusted_ok(&h.t, h.ana, "PUT", place, "{'role': 'member'}");
	assert_at(c, j, "members[0].person", "ana");
	assert_at(c, j, "members[0].role", "owner");
	assert_at(c, j, "members[1].person", "mem");
	assert_at(c, j, "members[1].role", "member");
	trusted_ok(&h.t, mem, "POST", "/v1/instances", "{'release': 'web', 'title': 'shop'}");
	refused(&h, mem, "PUT", "/v1/customers/acme/members/ben", "{'role': 'member'}", 403,
		"you may not do member_set");
	refused(&h, h.ana, "PUT", "/v1/customers/acme/members/eve", "{'role': 'member'}", 404,
		"no person eve");
	/* The last owner stays, unless an operator takes him out. */
	refused(&h, h.ana, "DELETE", "/v1/customers/acme/members/ana", "", 409,
		"ana is the only owner of acme");
	refused(&h, h.ana, "PUT", "/v1/customers/acme/members/ana", "{'role': 'member'}", 409,
		"ana is the only owner of acme");
	trusted_ok(&h.t, h.ana, "PUT", place, "{'role': 'owner'}");
	trusted_ok(&h.t, h.ana, "DELETE", "/v1/customers/acme/members/ana", "");
	refused(&h, h.ana, "GET", "/v1/customers/acme", "", 404, "no customer acme");
	j = trusted_ok(&h.t, h.op, "DELETE", place, "");
	assert_at(c, j, "members", "[]");
	refused(&h, mem, "GET", "/v1/instances/shop", "", 404, "no instance shop");
	int64_t events = cloud_number(c, "SELECT COUNT(*) FROM event");
	trusted_ok(&h.t, h.op, "DELETE", place, "");
	trusted_ok(&h.t, h.op, "DELETE", "/v1/customers/acme/members/eve", "");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM event"), events);
	trusted_end(&h.t);
}

static void who_is_in_several_says_which(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	static const struct {
		const char *method, *target, *body;
	} asks[] = {
		{"POST", "/v1/instances", "{'release': 'web', 'title': 'shop'}"},
		{"GET", "/v1/instances", ""},
		{"GET", "/v1/usage", ""},
		{"GET", "/v1/usage/totals", ""},
		{"GET", "/v1/invoices", ""},
		{"POST", "/slapos.post.v0.software_instance",
		 "{'title': 'old', 'software_release_uri': 'http://x/y.cfg', 'software_type': "
		 "'default'}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		trusted_ok(&h.t, h.ana, asks[i].method, asks[i].target, asks[i].body);
	/* Invoices are of owners: as long as he owns one, there is no doubt. */
	trusted_ok(&h.t, h.op, "PUT", "/v1/customers/beta/members/ana", "{'role': 'member'}");
	refused(&h, h.ana, "GET", "/v1/instances", "", 400, "you are in 2 customers");
	trusted_ok(&h.t, h.ana, "GET", "/v1/invoices", "");
	trusted_ok(&h.t, h.op, "PUT", "/v1/customers/beta/members/ana", "{'role': 'owner'}");
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		refused(&h, h.ana, asks[i].method, asks[i].target, asks[i].body, 400,
			"is required: you are in 2 customers");
		assert_string_equal(c->field, "customer");
	}
	struct json *j = trusted_ok(&h.t, h.ana, "POST", "/v1/instances",
				    "{'release': 'web', 'title': 'shop', 'customer': 'beta'}");
	assert_at(c, j, "customer", "beta");
	/* One title in two of his customers: he has to say which. The one of others does not count. */
	trusted_ok(&h.t, h.op, "POST", "/v1/instances",
		   "{'release': 'web', 'title': 'shop', 'customer': 'third'}");
	refused(&h, h.ana, "GET", "/v1/instances/shop", "", 409, "several customers");
	j = trusted_ok(&h.t, h.ana, "GET", "/v1/instances/shop?customer=acme", "");
	assert_at(c, j, "customer", "acme");
	j = trusted_ok(&h.t, h.ben, "GET", "/v1/instances/shop", "");
	assert_at(c, j, "customer", "beta");
	j = trusted_ok(&h.t, h.ana, "POST", "/slapos.allDocs.v0.instance_tree_list", "{}");
	assert_int_equal(json_count(json_get(j, S("result_list"))), SEVERAL);
	trusted_end(&h.t);
}

static void only_an_operator_makes_customers(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who *acc = trusted_person(&h.t, "acc", "accountant", NULL, false);
	const char *fr = "{'country': 'FR'}";
	refused(&h, h.ana, "PUT", "/v1/customers/mine", fr, 404, "no customer mine");
	refused(&h, h.ana, "PUT", "/v1/customers/beta", fr, 404, "no customer beta");
	refused(&h, acc, "PUT", "/v1/customers/mine", fr, 404, "no customer mine");
	refused(&h, h.ana, "POST", "/v1/instances",
		"{'release': 'web', 'title': 'x', 'customer': 'mine'}", 404,
		"no customer mine");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM customer WHERE name = 'mine'"),
			 0);
	trusted_ok(&h.t, h.ana, "PUT", "/v1/customers/acme", fr);
	trusted_ok(&h.t, acc, "PUT", "/v1/customers/beta", fr);
	trusted_ok(&h.t, h.op, "PUT", "/v1/customers/mine", fr);
	trusted_end(&h.t);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static const char *order_on(struct house *h, struct who *w, const char *title, const char *node)
{
	struct json *j = trusted_ok(&h->t, w, "POST", "/v1/instances",
				    text(h->c,
					 "{'release': 'web', 'title': '%s', 'type': 'host', "
					 "'where': {'node': '%s'}}",
					 title, node));
	return at(h->c, j, "guid");
}

static const char *hosted_by(struct cloud *c, const char *requester, const char *host)
{
	return text(c,
		    "{'release': 'web', 'title': 's', 'type': 'host', 'shared': true, "
		    "'requester': '%s', 'where': {'instance': '%s'}}",
		    requester, host);
}

static void a_node_sees_the_trees_it_serves(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who *n1 = trusted_node(&h.t, "n1"), *n2 = trusted_node(&h.t, "n2");
	const char *shop = order_on(&h, h.ana, "shop", "n1"),
		   *mill = order_on(&h, h.ben, "mill", "n1");
	const char *child = text(
		c,
		"{'release': 'web', 'title': 'db', 'requester': '%s', 'where': {'node': 'n2'}}",
		shop);
	/* Children are asked for by the node of the one that asks. */
	refused(&h, n2, "POST", "/v1/instances", child, 400, "there is no instance");
	assert_string_equal(c->field, "requester");
	struct json *j = trusted_ok(&h.t, n1, "POST", "/v1/instances", child);
	const char *db = at(c, j, "guid");
	assert_at(c, j, "customer", "acme");
	assert_at(c, j, "node", "n2");
	refused(&h, n1, "POST", "/v1/instances", "{'release': 'web', 'title': 'x'}", 400,
		"a node asks for its instances");
	/* Now the tree is the business of both; they only speak for what is on them. */
	trusted_ok(&h.t, n2, "GET", text(c, "/v1/instances/%s", shop), "");
	trusted_ok(&h.t, n1, "GET", text(c, "/v1/instances/%s", db), "");
	refused(&h, n2, "GET", text(c, "/v1/instances/%s", mill), "", 404, "no instance");
	const char *of_shop = text(c, "{'instance_guid': '%s', 'message': 'm'}", shop);
	refused(&h, n2, "POST", "/slapos.put.v0.software_instance_error", of_shop, 403,
		"No instance found");
	trusted_ok(&h.t, n1, "POST", "/slapos.put.v0.software_instance_error", of_shop);
	j = trusted_ok(&h.t, n2, "GET", "/v1/instances", "");
	assert_int_equal(json_count(json_get(j, S("instances"))), 1);
	j = trusted_ok(&h.t, n1, "GET", "/v1/nodes", "");
	assert_int_equal(json_count(json_get(j, S("nodes"))), 1);
	/* Both tenants are on n1; a host of the other one is none for a child of this one. */
	refused(&h, n1, "POST", "/v1/instances", hosted_by(c, shop, mill), 400,
		"there is no instance");
	assert_string_equal(c->field, "where.instance");
	j = trusted_ok(&h.t, n1, "POST", "/v1/instances", hosted_by(c, shop, shop));
	assert_at(c, j, "host", shop);
	trusted_end(&h.t);
}

static const char *usage_of(struct cloud *c, const char *id, const char *guid)
{
	return text(c,
		    "{'events': [{'id': '%s', 'instance': '%s', 'metric': 'cpu_seconds', "
		    "'quantity': '1', 'from': '2026-11-16T00:00:00Z', 'to': "
		    "'2026-11-16T01:00:00Z'}]}",
		    id, guid);
}

static void what_ended_on_a_node_may_be_reported_late(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who *n1 = trusted_node(&h.t, "n1"), *n2 = trusted_node(&h.t, "n2");
	const char *shop = order_on(&h, h.ana, "shop", "n1");
	const char *gone =
		text(c, "{'instance_guid': '%s', 'reported_state': 'destroyed'}", shop);
	const char *report = "/slapos.put.v0.software_instance_reported_state";
	trusted_ok(&h.t, h.ana, "POST", "/v1/instances",
		   "{'title': 'shop', 'state': 'destroyed'}");
	refused(&h, n2, "POST", report, gone, 403, "No instance found");
	for (int i = 0; i < SEVERAL; i++) /* the answer may be lost on its way */
		trusted_ok(&h.t, n1, "POST", report, gone);
	refused(&h, n2, "POST", report, gone, 403, "No instance found");
	refused(&h, n2, "POST", "/v1/nodes/n2/usage", usage_of(c, "u1", shop), 400,
		"there is no instance");
	struct json *j =
		trusted_ok(&h.t, n1, "POST", "/v1/nodes/n1/usage", usage_of(c, "u1", shop));
	assert_at(c, j, "accepted", "1");
	trusted_ok(&h.t, n1, "GET", text(c, "/v1/instances/%s", shop), "");
	refused(&h, n2, "GET", text(c, "/v1/instances/%s", shop), "", 404, "no instance");
	trusted_end(&h.t);
}

/* ---- auditors ------------------------------------------------------------------------------ */

static void an_auditor_reads_no_values(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct who *aud = trusted_person(&h.t, "aud", "auditor", NULL, false);
	struct who *n1 = trusted_node(&h.t, "n1");
	struct json *j =
		trusted_ok(&h.t, h.ana, "POST", "/v1/instances",
			   "{'release': 'web', 'title': 'shop', 'parameters': {'title': "
			   "'hello'}, 'where': {'node': 'n1'}}");
	const char *guid = at(c, j, "guid");
	trusted_ok(&h.t, n1, "POST", "/slapos.put.v0.software_instance_connection_parameter",
		   text(c, "{'instance_guid': '%s', 'connection_parameter_dict': {'url': 'u'}}",
			guid));
	j = trusted_ok(&h.t, h.ana, "GET", "/v1/instances/shop", "");
	assert_at(c, j, "parameters.title", "hello");
	assert_at(c, j, "connection.url", "u");
	j = trusted_ok(&h.t, aud, "GET", "/v1/instances/shop", "");
	assert_at(c, j, "title", "shop");
	assert_at(c, j, "parameters", "{}");
	assert_at(c, j, "connection", "{}");
	trusted_end(&h.t);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"everybody is told who he is", everybody_is_told_who_he_is},
		{"a stranger may do nothing", a_stranger_may_do_nothing},
		{"an operator gives and takes roles", an_operator_gives_and_takes_roles},
		{"owners say who is in", owners_say_who_is_in},
		{"who is in several says which", who_is_in_several_says_which},
		{"only an operator makes customers", only_an_operator_makes_customers},
		{"a node sees the trees it serves", a_node_sees_the_trees_it_serves},
		{"what ended on a node may be reported late",
		 what_ended_on_a_node_may_be_reported_late},
		{"an auditor reads no values", an_auditor_reads_no_values},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
