/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Secrets that the master cannot read: what it takes, shows, and makes nodes seal again. */
#include "trusted.h"

#include "trust/cert.h"

#define CLEAR "hunter2-canary"

static const char vault[] =
	"{\"default\": {\"parameters\": {\"properties\": {"
	"\"user\": {\"type\": \"string\", \"maxLength\": 5},"
	"\"password\": {\"type\": \"string\", \"maxLength\": 20, \"secret\": true},"
	"\"pin\": {\"type\": \"string\", \"pattern\": \"^[0-9]+$\", \"secret\": true}}},"
	"\"connection\": {\"properties\": {\"host\": {\"type\": \"string\"},"
	"\"url\": {\"type\": \"string\", \"secret\": true}}}}}";

/* Alice and Bob are in acme, Mallory in another customer; n1 runs what they order. */
struct stage {
	struct trusted t;
	struct who *op, *alice, *bob, *mallory, *n1;
};

static void begin(struct stage *s, struct cloud *c)
{
	cloud_release(c, "vault", vault);
	cloud_node(c, "n1", 4);
	cloud_supply(c, "vault", "n1");
	trusted_begin(&s->t, c);
	s->op = trusted_person(&s->t, "op", "operator", NULL, false);
	s->alice = trusted_person(&s->t, "alice", "", "acme", true);
	s->bob = trusted_person(&s->t, "bob", "", "acme", false);
	s->mallory = trusted_person(&s->t, "mallory", "", "evil", true);
	s->n1 = trusted_node(&s->t, "n1");
}

static struct json *order(struct stage *s, struct who *w, const char *parameters)
{
	return trusted_call(&s->t, w, "POST", "/v1/instances",
			    text(s->t.c,
				 "{'release': 'vault', 'title': 'v', 'parameters': {%s}}",
				 parameters));
}

static struct json *publish(struct stage *s, const char *guid, const char *parameters)
{
	return trusted_call(
		&s->t, s->n1, "POST", "/slapos.put.v0.software_instance_connection_parameter",
		text(s->t.c, "{'instance_guid': '%s', 'connection_parameter_dict': {%s}}", guid,
		     parameters));
}

static void refused(struct stage *s, int status, const char *field)
{
	struct cloud *c = s->t.c;
	if (c->status != status || strcmp(c->field, field) != 0)
		fail_msg("%d %s: %s; wanted %d %s", c->status, c->field, c->text, status,
			 field);
}

static const char *path(struct stage *s, const char *guid, const char *rest)
{
	return text(s->t.c, "/v1/instances/%s%s", guid, rest);
}

static void clear_secrets_are_refused(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	struct who *both[] = {s.alice, s.n1};
	const char *sealed = trusted_seal(&s.t, CLEAR, both, 2);
	order(&s, s.alice, "'password': '" CLEAR "'");
	refused(&s, 400, "parameters.password");
	assert_non_null(strstr(c->text, "seal it"));
	order(&s, s.alice, "'password': 5");
	refused(&s, 400, "parameters.password");
	order(&s, s.alice, text(c, "'password': '%s', 'pin': '1'", sealed));
	refused(&s, 400, "parameters.pin");
	/* What is not secret is checked as ever, beside sealed ones. */
	order(&s, s.alice, text(c, "'password': '%s', 'user': 'too long'", sealed));
	refused(&s, 400, "parameters.user");
	order(&s, s.alice, text(c, "'password': '%.200s'", sealed));
	refused(&s, 400, "parameters.password");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM instance"), 0);
	/* By the reference protocol too. */
	trusted_call(&s.t, s.alice, "POST", "/slapos.post.v0.software_instance",
		     "{'title': 'v', 'software_release_uri': 'hoc:vault', 'software_type': "
		     "'default', 'parameters': {'password': 'x'}}");
	assert_int_equal(c->status, 400);
	struct json *j = order(&s, s.alice, text(c, "'password': '%s', 'user': 'me'", sealed));
	assert_int_equal(c->status, 200);
	assert_at(c, j, "node", "n1");
	assert_at(c, j, "secrets.parameters.password", "sealed");
	assert_at(c, j, "secrets.parameters.user", "(none)");
	assert_string_equal(trusted_unseal(&s.t, s.n1, at(c, j, "parameters.password")), CLEAR);
	trusted_end(&s.t);
}

static void connections_come_sealed(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	publish(&s, guid, "'host': 'h', 'url': 'pg://" CLEAR "'");
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "connection.url");
	struct who *one[] = {s.alice};
	const char *sealed = trusted_seal(&s.t, CLEAR, one, 1);
	publish(&s, guid, text(c, "'host': 'h', 'url': '%s'", sealed));
	assert_int_equal(c->status, 200);
	struct json *j = trusted_ok(&s.t, s.alice, "GET", path(&s, guid, ""), "");
	assert_at(c, j, "connection.host", "h");
	assert_at(c, j, "secrets.connection.url", "sealed");
	assert_at(c, j, "secrets.connection.host", "(none)");
	assert_string_equal(trusted_unseal(&s.t, s.alice, at(c, j, "connection.url")), CLEAR);
	assert_null(trusted_unseal(&s.t, s.bob, at(c, j, "connection.url")));
	/* The reference protocol shows what there is: the sealed text. */
	j = trusted_ok(&s.t, s.alice, "POST", "/slapos.get.v0.instance_tree", "{'title': 'v'}");
	assert_string_equal(
		trusted_unseal(&s.t, s.alice, at(c, j, "connection_parameters.url")), CLEAR);
	trusted_end(&s.t);
}

static void an_operator_may_let_them_stand_in_clear(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	static const char mode[] = "/v1/customers/acme/secrets";
	trusted_call(&s.t, s.alice, "PUT", mode, "{'mode': 'clear'}");
	assert_int_equal(c->status, 403);
	struct json *j = trusted_ok(&s.t, s.op, "PUT", mode, "{'mode': 'clear'}");
	assert_at(c, j, "secrets", "clear");
	j = order(&s, s.alice, "'password': '" CLEAR "'");
	assert_int_equal(c->status, 200);
	const char *guid = at(c, j, "guid");
	assert_at(c, j, "secrets.parameters.password", "clear");
	/* A clear one is checked by its own schema, beside a sealed one as well. */
	struct who *one[] = {s.n1};
	order(&s, s.alice,
	      text(c, "'pin': 'x', 'password': '%s'", trusted_seal(&s.t, CLEAR, one, 1)));
	refused(&s, 400, "parameters.pin");
	publish(&s, guid, "'url': 'pg://" CLEAR "'");
	assert_int_equal(c->status, 200);
	j = trusted_ok(&s.t, s.alice, "GET", path(&s, guid, "/recipients"), "");
	assert_at(c, j, "mode", "clear");
	/* Back: the node has to look again, what stands there is marked until it did. */
	j = trusted_ok(&s.t, s.alice, "GET", path(&s, guid, ""), "");
	int64_t stamp = number_at(j, "timestamp");
	trusted_ok(&s.t, s.op, "PUT", mode, "{'mode': 'sealed'}");
	j = trusted_ok(&s.t, s.alice, "GET", path(&s, guid, ""), "");
	assert_at(c, j, "secrets.connection.url", "clear");
	assert_true(number_at(j, "timestamp") > stamp);
	publish(&s, guid, "'url': 'pg://" CLEAR "'");
	assert_string_equal(c->field, "connection.url");
	trusted_end(&s.t);
}

/* Names of the recipients: "alice n1". */
static const char *recipients(struct stage *s, struct who *w, const char *guid)
{
	struct cloud *c = s->t.c;
	struct json *j = trusted_ok(&s->t, w, "GET", path(s, guid, "/recipients"), "");
	const struct json *list = json_get(j, S("recipients"));
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	for (size_t i = 0; i < json_count(list); i++) {
		struct json *r = json_at(list, i);
		buf_addf(&b, "%s%s", i ? " " : "", at(c, r, "name"));
		assert_true(str_starts(str_from(at(c, r, "seal_key")), S("age1")));
		assert_at(c, r, "statement", "stated");
		assert_true(str_starts(str_from(at(c, r, "certificate")),
				       S("-----BEGIN CERTIFICATE-----")));
	}
	return text(c, "%s", b.n ? b.p : "");
}

static int64_t stamp_of(struct stage *s, const char *guid)
{
	return number_at(trusted_ok(&s->t, s->alice, "GET", path(s, guid, ""), ""),
			 "timestamp");
}

static void readers_are_members(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	int64_t stamp = stamp_of(&s, guid);
	/* Who is in another customer cannot be one, nor see that there is an instance. */
	trusted_call(&s.t, s.alice, "PUT", path(&s, guid, "/readers/mallory"), "");
	refused(&s, 400, "person");
	trusted_call(&s.t, s.alice, "PUT", path(&s, guid, "/readers/nobody"), "");
	refused(&s, 400, "person");
	trusted_call(&s.t, s.mallory, "PUT", path(&s, guid, "/readers/mallory"), "");
	assert_int_equal(c->status, 404);
	trusted_call(&s.t, s.mallory, "GET", path(&s, guid, "/recipients"), "");
	assert_int_equal(c->status, 404);
	assert_int_equal(stamp_of(&s, guid), stamp);
	trusted_ok(&s.t, s.alice, "PUT", path(&s, guid, "/readers/bob"), "");
	assert_string_equal(recipients(&s, s.n1, guid), "alice bob");
	assert_true(stamp_of(&s, guid) > stamp);
	/* The same again changes nothing. */
	stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.alice, "PUT", path(&s, guid, "/readers/bob"), "");
	assert_int_equal(stamp_of(&s, guid), stamp);
	trusted_ok(&s.t, s.alice, "DELETE", path(&s, guid, "/readers/bob"), "");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	assert_true(stamp_of(&s, guid) > stamp);
	stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.alice, "DELETE", path(&s, guid, "/readers/bob"), "");
	assert_int_equal(stamp_of(&s, guid), stamp);
	trusted_end(&s.t);
}

static void revoked_keys_are_left_out(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	trusted_ok(&s.t, s.alice, "PUT", path(&s, guid, "/readers/bob"), "");
	int64_t stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.bob, "POST", text(c, "/v1/keys/%s/revoke", s.bob->key_name), "{}");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	assert_true(stamp_of(&s, guid) > stamp);
	trusted_end(&s.t);
}

static void who_leaves_reads_no_more(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	trusted_ok(&s.t, s.alice, "PUT", path(&s, guid, "/readers/bob"), "");
	int64_t stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.alice, "DELETE", "/v1/customers/acme/members/bob", "");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	assert_true(stamp_of(&s, guid) > stamp);
	/* Back again, he is still one of its readers. */
	stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.alice, "PUT", "/v1/customers/acme/members/bob",
		   "{'role': 'member'}");
	assert_string_equal(recipients(&s, s.n1, guid), "alice bob");
	assert_true(stamp_of(&s, guid) > stamp);
	stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.op, "PUT", "/v1/persons/bob", "{'roles': [], 'active': false}");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	assert_true(stamp_of(&s, guid) > stamp);
	trusted_end(&s.t);
}

static void who_comes_back_is_sealed_to_again(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	const struct cert_names none = {.count = 0};
	struct str csr = S("");
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	assert_int_equal(cert_request_make(s.alice->key, S(""), &none, c->a, &csr, &e), 0);
	struct buf body CLEAN(buf_fini) = BUF_INIT(10000);
	buf_add(&body, S("{\"csr\": "));
	json_write_str(csr, &body);
	buf_add_c(&body, '}');
	/* In time: nobody notices. Ten days after its end: nodes may have left her out. */
	int64_t stamp = stamp_of(&s, guid);
	c->now_ms += INT64_C(86400000) * 20;
	trusted_ok(&s.t, s.alice, "POST", "/v1/renew", body.p);
	assert_int_equal(stamp_of(&s, guid), stamp);
	c->now_ms += INT64_C(86400000) * 40;
	trusted_ok(&s.t, s.alice, "POST", "/v1/renew", body.p);
	assert_true(stamp_of(&s, guid) > stamp);
	trusted_end(&s.t);
}

static void the_node_s_own_keys_are_told(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	struct json *j = trusted_ok(&s.t, s.alice, "GET", path(&s, guid, "/recipients"), "");
	assert_at(c, j, "node[0].name", "n1");
	assert_at(c, j, "node[0].seal_key", s.n1->recipient);
	assert_at(c, j, "node[0].key", s.n1->key_name);
	assert_int_equal(json_count(json_get(j, S("node"))), 1);
	trusted_end(&s.t);
}

static void a_requester_s_node_reads(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	struct json *child = trusted_ok(
		&s.t, s.n1, "POST", "/v1/instances",
		text(c, "{'release': 'vault', 'title': 'child', 'requester': '%s'}", guid));
	assert_string_equal(recipients(&s, s.n1, at(c, child, "guid")), "n1");
	assert_string_equal(recipients(&s, s.n1, guid), "alice");
	trusted_end(&s.t);
}

static void rotation_grows(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	int64_t stamp = stamp_of(&s, guid);
	trusted_ok(&s.t, s.bob, "POST", path(&s, guid, "/rotate"), "");
	trusted_ok(&s.t, s.alice, "POST", path(&s, guid, "/rotate"), "");
	trusted_call(&s.t, s.mallory, "POST", path(&s, guid, "/rotate"), "");
	assert_int_equal(c->status, 404);
	struct json *j = trusted_ok(&s.t, s.n1, "GET", path(&s, guid, "/recipients"), "");
	assert_int_equal(number_at(j, "rotation"), 2);
	assert_true(stamp_of(&s, guid) > stamp);
	trusted_end(&s.t);
}

static struct json *reseal(struct stage *s, struct who *w, const char *guid, const char *name,
			   const char *value)
{
	return trusted_call(&s->t, w, "PUT",
			    path(s, guid, text(s->t.c, "/connection/%s", name)),
			    text(s->t.c, "{'value': '%s'}", value));
}

static void holders_seal_again(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *guid = at(c, order(&s, s.alice, ""), "guid");
	struct who *one[] = {s.alice}, *both[] = {s.alice, s.bob};
	const char *wider = trusted_seal(&s.t, CLEAR, both, 2);
	reseal(&s, s.alice, guid, "url", wider);
	assert_int_equal(c->status, 404); /* nothing is published yet */
	publish(&s, guid,
		text(c, "'host': 'h', 'url': '%s'", trusted_seal(&s.t, CLEAR, one, 1)));
	reseal(&s, s.bob, guid, "url", wider);
	assert_int_equal(c->status, 409); /* he could not read it */
	reseal(&s, s.mallory, guid, "url", wider);
	assert_int_equal(c->status, 404);
	reseal(&s, s.alice, guid, "host", wider);
	refused(&s, 400, "name");
	reseal(&s, s.alice, guid, "url", "pg://clear");
	refused(&s, 400, "connection.url");
	struct json *j = reseal(&s, s.alice, guid, "url", wider);
	assert_int_equal(c->status, 200);
	assert_at(c, j, "connection.host", "h");
	assert_string_equal(trusted_unseal(&s.t, s.bob, at(c, j, "connection.url")), CLEAR);
	/* What its node publishes next takes its place. */
	publish(&s, guid,
		text(c, "'host': 'h', 'url': '%s'", trusted_seal(&s.t, "new", one, 1)));
	j = trusted_ok(&s.t, s.bob, "GET", path(&s, guid, ""), "");
	assert_null(trusted_unseal(&s.t, s.bob, at(c, j, "connection.url")));
	assert_string_equal(trusted_unseal(&s.t, s.alice, at(c, j, "connection.url")), "new");
	trusted_end(&s.t);
}

/* No table, no event, in no column: the canary is nowhere. */
static void the_database_holds_no_secret(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	struct who *both[] = {s.alice, s.n1};
	const char *sealed = trusted_seal(&s.t, CLEAR, both, 2);
	struct json *j = order(&s, s.alice, text(c, "'password': '%s'", sealed));
	const char *guid = at(c, j, "guid");
	publish(&s, guid, text(c, "'url': '%s'", trusted_seal(&s.t, CLEAR, both, 1)));
	order(&s, s.alice, "'password': '" CLEAR "'");
	publish(&s, guid, "'url': '" CLEAR "'");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM instance WHERE parameters LIKE "
					 "'%hunter2%' OR connection LIKE '%hunter2%'"),
			 0);
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM event WHERE body LIKE '%hunter2%'"), 0);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM instance WHERE parameters LIKE "
					 "'%AGE ENCRYPTED%' AND connection LIKE "
					 "'%AGE ENCRYPTED%'"),
			 1);
	trusted_end(&s.t);
}

static void a_local_master_is_as_it_was(struct cloud *c)
{
	cloud_release(c, "vault", vault);
	cloud_node(c, "n1", 2);
	cloud_supply(c, "vault", "n1");
	struct json *j = OK_POST(c, "/v1/instances",
				 "{'release': 'vault', 'title': 'v', 'parameters': "
				 "{'password': 'open'}}");
	const char *guid = at(c, j, "guid");
	assert_at(c, j, "secrets", "(none)");
	OK_POST(c, "/slapos.put.v0.software_instance_connection_parameter",
		text(c, "{'instance_guid': '%s', 'connection_parameter_dict': {'url': 'x'}}",
		     guid));
	j = OK_GET(c, text(c, "/v1/instances/%s/recipients", guid));
	assert_at(c, j, "mode", "clear");
	assert_int_equal(json_count(json_get(j, S("recipients"))), 0);
	OK_POST(c, text(c, "/v1/instances/%s/rotate", guid), "");
	PUT(c, text(c, "/v1/instances/%s/readers/x", guid), "");
	assert_int_equal(c->status, 501);
	PUT(c, "/v1/customers/local/secrets", "{'mode': 'sealed'}");
	assert_int_equal(c->status, 501);
	assert_at(c, OK_GET(c, "/v1/customers/local"), "secrets", "(none)");
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM customer WHERE secrets = 'clear'"), 1);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"clear secrets are refused", clear_secrets_are_refused},
		{"connections come sealed", connections_come_sealed},
		{"an operator may let them stand in clear",
		 an_operator_may_let_them_stand_in_clear},
		{"readers are members", readers_are_members},
		{"revoked keys are left out", revoked_keys_are_left_out},
		{"who leaves reads no more", who_leaves_reads_no_more},
		{"who comes back is sealed to again", who_comes_back_is_sealed_to_again},
		{"the node's own keys are told", the_node_s_own_keys_are_told},
		{"a requester's node reads", a_requester_s_node_reads},
		{"rotation grows", rotation_grows},
		{"holders seal again", holders_seal_again},
		{"the database holds no secret", the_database_holds_no_secret},
		{"a local master is as it was", a_local_master_is_as_it_was},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
