/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What nodes report, what is counted and billed, what is published, what is told. */
#include "cloud.h"

#include "store/event.h"

enum { MINUTE_MS = 60000 };

static void a_node_reads_what_changed(struct cloud *c)
{
	cloud_stage(c, 4);
	struct json *j = OK_GET(c, "/v1/nodes/n1/changes?since=0");
	assert_at(c, j, "reset", "true");
	assert_at(c, j, "instances", "[]");
	int64_t since = number_at(j, "sequence");
	/* Nothing new: it waits, or says so. */
	const char *target =
		text(c, "/v1/nodes/n1/changes?since=%lld&wait=20", (long long)since);
	(void)cloud_call_wait(c, target);
	assert_true(c->parked);
	assert_int_equal(c->out.park_until_ms, c->now_ms + 20000);
	j = OK_GET(c, target);
	assert_at(c, j, "instances", "[]");
	assert_at(c, j, "installations", "false");
	const char *a = cloud_order(c, "a");
	const char *b = cloud_order(c, "b");
	bool is_woken = false;
	for (size_t i = 0; i < c->out.wake_count; i++)
		is_woken |= str_is(c->out.wakes[i], "node:n1");
	assert_true(is_woken);
	j = cloud_call_wait(c, target);
	assert_false(c->parked);
	assert_at(c, j, "reset", "false");
	assert_at(c, j, "instances[0]", a);
	assert_at(c, j, "instances[1]", b);
	since = number_at(j, "sequence");
	OK_POST(c, "/v1/instances",
		"{'release': 'web', 'title': 'b', 'parameters': {'port': 9}}");
	j = OK_GET(c, text(c, "/v1/nodes/n1/changes?since=%lld", (long long)since));
	assert_at(c, j, "instances", text(c, "[\"%s\"]", b));
	/* A sequence that the master does not know yet: everything again. */
	j = OK_GET(c, "/v1/nodes/n1/changes?since=9000000000000000");
	assert_at(c, j, "reset", "true");
	assert_int_equal(json_count(json_get(j, S("instances"))), 2);
}

static void a_silent_node_is_lost_and_found(struct cloud *c)
{
	cloud_stage(c, 2);
	assert_at(c, OK_GET(c, "/v1/nodes/n1"), "liveness", "kept");
	/* Reading is contact too: asked for after the read, at most every 10 s. */
	c->now_ms += 5000;
	OK_GET(c, "/v1/nodes/n1/changes?since=0");
	assert_int_equal(c->out.contact.n, 0);
	c->now_ms += 6000;
	OK_GET(c, "/v1/nodes/n1/changes?since=0");
	assert_true(str_is(c->out.contact, "n1"));
}

struct job {
	struct cloud *c;
	struct arena *a;
	int changed;
	bool is_contact;
};

static int run_job(struct db_tx *tx, void *user, struct err *e)
{
	struct job *j = user;
	struct api_response out;
	if (j->is_contact)
		return api_contact(j->c->api, tx, S("n1"), j->a, &out, e);
	j->changed = api_assess(j->c->api, tx, 100, j->a, &out, e);
	return j->changed < 0 ? -1 : 0;
}

static int job(struct cloud *c, bool is_contact)
{
	struct err e = ERR_INIT;
	struct job j = {.c = c, .a = c->a, .is_contact = is_contact};
	if (db_write(c->db, run_job, &j, &e) < 0)
		fail_msg("%s", e.text);
	return j.changed;
}

static void liveness_is_a_promise(struct cloud *c)
{
	cloud_stage(c, 2);
	assert_int_equal(job(c, false), 0);
	c->now_ms += 2 * MINUTE_MS;
	assert_int_equal(job(c, false), 1);
	assert_int_equal(job(c, false), 0);
	struct json *p = OK_GET(c, "/v1/promises?subject=n1&kind=liveness");
	assert_at(c, p, "promises[0].state", "broken");
	assert_at(c, p, "promises[0].promisee", "master");
	struct json *j = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a'}");
	assert_at(c, j, "status", "waiting");
	assert_non_null(strstr(at(c, j, "refusals[0]"), "node n1: lost since 2026-"));
	(void)job(c, true);
	assert_at(c, OK_GET(c, "/v1/nodes/n1"), "liveness", "kept");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "node", "n1");
	struct json *h = OK_GET(c, "/v1/promises/history?subject=n1&name=contact");
	assert_int_equal(json_count(json_get(h, S("history"))), 3);
	assert_at(c, h, "history[1].state", "broken");
	assert_at(c, h, "history[2].state", "kept");
}

static void result(struct cloud *c, const char *guid, const char *name, const char *state)
{
	OK_POST(c, "/v1/nodes/n1/promises",
		text(c, "{'results': [{'instance': '%s', 'name': '%s', 'state': '%s'}]}", guid,
		     name, state));
}

static void health_is_counted_and_remembered(struct cloud *c)
{
	cloud_stage(c, 2);
	const char *a = cloud_order(c, "a");
	cloud_report(c, a, "started");
	result(c, a, "answers", "unknown");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "status", "starting");
	result(c, a, "answers", "kept");
	result(c, a, "queries", "kept");
	struct json *j = OK_GET(c, "/v1/instances/a");
	assert_at(c, j, "status", "running");
	assert_int_equal(number_at(j, "promises.kept"), 2);
	int64_t version = number_at(j, "version");
	result(c, a, "queries", "kept");
	assert_int_equal(number_at(OK_GET(c, "/v1/instances/a"), "version"), version);
	result(c, a, "queries", "broken");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "status", "broken");
	for (int i = 0; i < 60; i++) {
		c->now_ms += 1000;
		result(c, a, "queries", "kept");
		c->now_ms += 1000;
		result(c, a, "queries", "broken");
	}
	struct json *h = OK_GET(c, "/v1/promises/history?subject=a&name=queries");
	struct json *lines = json_get(h, S("history"));
	assert_int_equal(json_count(lines), 100);
	assert_at(c, h, "history[99].state", "broken");
	assert_string_equal(at(c, h, "history[98].state"), "kept");
	assert_true(strcmp(at(c, h, "history[0].at"), at(c, h, "history[99].at")) < 0);
	result(c, a, "queries", "withdrawn");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "status", "running");
	/* Stopped: nobody knows its health. */
	OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a', 'state': 'stopped'}");
	cloud_report(c, a, "stopped");
	assert_int_equal(number_at(OK_GET(c, "/v1/instances/a"), "promises.unknown"), 1);
	/* Late results of what is gone are ignored. */
	j = OK_POST(c, "/v1/nodes/n1/promises",
		    "{'results': [{'instance': 'inst-x', 'name': 'n', 'state': 'kept'}]}");
	assert_int_equal(number_at(j, "unknown"), 1);
}

static void installations_are_promises(struct cloud *c)
{
	cloud_release(c, "web", "{\"default\": {}}");
	cloud_node(c, "n1", 1);
	struct json *s = OK_PUT(c, "/v1/installations", "{'release': 'web', 'node': 'n1'}");
	assert_at(c, s, "reported", "none");
	struct json *i = OK_POST(c, "/v1/instances", "{'release': 'web', 'title': 'a'}");
	assert_at(c, i, "status", "building");
	OK_POST(c, "/slapos.put.v0.software_installation_error",
		text(c,
		     "{'software_release_uri': '%s', 'computer_guid': 'n1', 'message': 'no "
		     "net'}",
		     at(c, s, "release")));
	struct json *p = OK_GET(c, "/v1/promises?subject=n1&kind=installation");
	assert_at(c, p, "promises[0].state", "broken");
	assert_at(c, p, "promises[0].message", "no net");
	cloud_supply(c, "web", "n1");
	p = OK_GET(c, "/v1/promises?kind=installation");
	assert_at(c, p, "promises[0].state", "kept");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "status", "allocated");
}

static const char *usage_of(struct cloud *c, const char *guid, const char *id,
			    const char *quantity)
{
	return text(c,
		    "{'events': [{'id': '%s', 'instance': '%s', 'metric': 'cpu_seconds', "
		    "'quantity': "
		    "'%s', 'from': '2026-11-18T08:00:00Z', 'to': '2026-11-18T08:01:00Z'}]}",
		    id, guid, quantity);
}

static void usage_counts_once(struct cloud *c)
{
	static const struct {
		const char *key, *value, *field;
	} bad[] = {
		{"metric", "x", "events[0].metric"},
		{"quantity", "-1", "events[0].quantity"},
		{"quantity", "1e3", "events[0].quantity"},
		{"from", "yesterday", "events[0].from"},
		{"to", "2020-01-01", ""},
		{"instance", "inst-x", "events[0].instance"},
	};
	cloud_stage(c, 1);
	const char *a = cloud_order(c, "a");
	struct json *j = OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e1", "1.5"));
	assert_int_equal(number_at(j, "accepted"), 1);
	j = OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e1", "2.5"));
	assert_int_equal(number_at(j, "accepted"), 0);
	assert_int_equal(number_at(j, "duplicates"), 1);
	j = OK_GET(c, "/v1/usage");
	assert_int_equal(json_count(json_get(j, S("usage"))), 1);
	assert_at(c, j, "usage[0].quantity", "1.5");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *keys[] = {"id", "instance", "metric", "quantity", "from", "to"};
		const char *values[] = {"e2",
					a,
					"cpu_seconds",
					"1",
					"2026-11-18T08:00:00Z",
					"2026-11-18T08:01:00Z"};
		struct buf b CLEAN(buf_fini) = BUF_INIT(2000);
		buf_add(&b, S("{'events': [{"));
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			buf_addf(&b, "%s'%s': '%s'", k ? ", " : "", keys[k],
				 strcmp(keys[k], bad[i].key) == 0 ? bad[i].value : values[k]);
		buf_add(&b, S("}]}"));
		POST(c, "/v1/nodes/n1/usage", buf_str(&b).p);
		assert_int_equal(c->status, 400);
		if (bad[i].field[0])
			assert_string_equal(c->field, bad[i].field);
	}
}

static const char prices[] = "{'currency': 'EUR', 'components': [{'kind': 'subscription', "
			     "'period': 'hour', 'price': "
			     "'1.20'}, {'kind': 'usage', 'metric': 'cpu_seconds', 'tiers': "
			     "[{'unit_price': '0.36'}]}], "
			     "'vats': [{'country': 'FR', 'rate': '20'}]}";

/* What one party can make the master hold has a maximum, and lists of the largest still end. */
static void large_instances_do_not_stop_lists(struct cloud *c)
{
	enum { MANY = 40, LARGE = 60000 };
	struct buf b CLEAN(buf_fini) = BUF_INIT(200000);
	cloud_release(c, "open",
		      "{\"default\": {\"parameters\": {\"properties\": {\"x\": {\"type\": "
		      "\"string\"}}}}}");
	cloud_node(c, "n1", MANY);
	cloud_supply(c, "open", "n1");
	for (int i = 0; i <= MANY; i++) {
		buf_clear(&b);
		buf_addf(&b,
			 "{\"release\": \"open\", \"title\": \"t%d\", \"parameters\": {\"x\": "
			 "\"",
			 i);
		for (int k = 0; k < (i < MANY ? LARGE : 70000); k++)
			buf_add_c(&b, 'x');
		buf_add(&b, S("\"}}"));
		assert_int_equal(buf_check(&b, &(struct err)ERR_INIT), 0);
		(void)cloud_call(c, "POST", "/v1/instances", buf_str(&b).p);
		assert_int_equal(c->status, i < MANY ? 200 : 400);
	}
	assert_string_equal(c->field, "parameters");
	int64_t seen = 0;
	const char *target = "/v1/instances?limit=1000";
	for (int64_t n = 1; n; seen += n) {
		struct json *j = OK_GET(c, target);
		n = (int64_t)json_count(json_get(j, S("instances")));
		const char *next = at(c, j, "next");
		target = text(c, "/v1/instances?limit=1000&after=%s", next);
		if (strcmp(next, "(none)") == 0) {
			seen += n;
			break;
		}
	}
	assert_int_equal(seen, MANY);
	assert_int_equal(
		json_count(json_get(OK_GET(c, "/v1/nodes/n1/changes?since=0"), S("instances"))),
		MANY);
	OK_POST(c, "/slapos.allDocs.v0.compute_node_instance_list", "{'computer_guid': 'n1'}");
	OK_POST(c, "/slapos.put.v0.compute_node_bang",
		"{'computer_guid': 'n1', 'message': ''}");
}

static struct json *bill(struct cloud *c, const char *from, const char *to)
{
	return OK_POST(c, "/v1/invoices",
		       text(c,
			    "{'customer': 'local', 'from': '2026-11-18T%sZ', 'to': "
			    "'2026-11-18T%sZ'}",
			    from, to));
}

static void usage_that_comes_late_is_billed_next(struct cloud *c)
{
	cloud_stage(c, 1);
	OK_PUT(c, "/v1/prices/default", prices);
	c->now_ms = INT64_C(1794988800000); /* 08:00:00 */
	const char *a = cloud_order(c, "a");
	c->now_ms += 65 * MINUTE_MS;
	assert_at(c, bill(c, "08:00:00", "09:00:00"), "invoice.net", "1.20");
	/* It ended within the hour that is billed already. */
	OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e1", "3600"));
	struct json *next = bill(c, "09:00:00", "09:01:00");
	assert_at(c, next, "invoice.lines[1].text", "a (late): Processor");
	assert_at(c, next, "invoice.lines[1].amount", "0.36");
	OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e1", "3600"));
	struct json *third = bill(c, "09:01:00", "09:02:00");
	assert_at(c, third, "invoice.lines[1].text", "(none)");
	/* Even of one that is gone. */
	OK_POST(c, "/v1/instances", "{'title': 'a', 'state': 'destroyed'}");
	cloud_report(c, a, "destroyed");
	OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e2", "7200"));
	c->now_ms += 60 * MINUTE_MS;
	struct json *last = bill(c, "09:30:00", "09:31:00");
	assert_at(c, last, "invoice.net", "0.72");
	assert_at(c, bill(c, "09:31:00", "09:32:00"), "invoice.net", "0.00");
}

static void the_same_period_is_billed_once(struct cloud *c)
{
	cloud_stage(c, 1);
	PUT(c, "/v1/prices/default", "{'currency': 'XXQ', 'components': []}");
	assert_int_equal(c->status, 400);
	OK_PUT(c, "/v1/prices/default", prices);
	assert_at(c, OK_GET(c, "/v1/prices"), "prices[0].prices.currency", "EUR");
	/* now is 2026-11-18T09:06:40Z */
	c->now_ms = INT64_C(1794988800000); /* 08:00:00 */
	const char *a = cloud_order(c, "a");
	c->now_ms += 60 * MINUTE_MS;
	OK_POST(c, "/v1/nodes/n1/usage", usage_of(c, a, "e1", "3600"));
	const char *period = "{'customer': 'local', 'from': '2026-11-18T08:00:00Z', 'to': "
			     "'2026-11-18T09:00:00Z'}";
	struct json *i = OK_POST(c, "/v1/invoices", period);
	assert_int_equal(c->status, 201);
	assert_at(c, i, "number", "HOC-2026-000001");
	c->now_ms += MINUTE_MS;
	struct json *again = OK_POST(c, "/v1/invoices", period);
	assert_int_equal(c->status, 200);
	assert_true(json_is_equal(i, again));
	POST(c, "/v1/invoices",
	     "{'customer': 'local', 'from': '2026-11-18T08:30:00Z', 'to': "
	     "'2026-11-18T09:01:00Z'}");
	assert_int_equal(c->status, 409);
	struct json *next = OK_POST(c, "/v1/invoices",
				    "{'customer': 'local', 'from': '2026-11-18T09:00:00Z', "
				    "'to': '2026-11-18T09:01:00Z'}");
	assert_at(c, next, "number", "HOC-2026-000002");
	POST(c, "/v1/invoices",
	     "{'customer': 'local', 'from': '2026-11-18', 'to': '2026-11-18T01:00:00Z', "
	     "'prices': 'x'}");
	assert_string_equal(c->field, "prices");
	/* Subscription 1.20; CPU: 3600 s are 1 hour at 0.36; 20 % VAT. */
	assert_at(c, i, "invoice.net", "1.56");
	assert_at(c, i, "invoice.vat", "0.31");
	assert_at(c, i, "gross", "1.87");
	assert_at(c, OK_GET(c, "/v1/invoices"), "invoices[1].number", "HOC-2026-000001");
	GET(c, "/v1/invoices/HOC-2026-000001?format=text");
	assert_int_equal(c->status, 200);
	assert_true(str_find(c->out.body, S("1.87")) < c->out.body.n);
	/* The customer's promise to pay: nobody knows until it is due, then it is broken. */
	struct json *p = OK_GET(c, "/v1/promises?kind=payment");
	assert_at(c, p, "promises[0].state", "unknown");
	c->now_ms += INT64_C(15) * 86400000;
	assert_true(job(c, false) >= 2);
	p = OK_GET(c, "/v1/promises?kind=payment&subject=local");
	assert_at(c, p, "promises[0].state", "broken");
	assert_int_equal(number_at(OK_GET(c, "/v1/status"), "sequence"),
			 cloud_number(c, "SELECT MAX(sequence) FROM event"));
}

static void profiles_are_published_once(struct cloud *c)
{
	const char *bundle =
		"{'bundle': {'name': 'tiny', 'entry': 'profile.jsonnet', 'files': "
		"{'profile.jsonnet': '{name: \\'tiny\\', title: \\'T\\', category: \\'x\\', "
		"software: "
		"{debian: {suite: \\'bookworm\\', packages: [\\'nginx\\']}}, types: {default: "
		"{parameters: {properties: {n: {type: \\'integer\\'}}}, instance(i):: "
		"{}}}}'}}}";
	struct json *j = OK_POST(c, "/v1/releases", bundle);
	assert_int_equal(c->status, 201);
	assert_at(c, j, "created", "true");
	const char *uri = at(c, j, "release");
	j = OK_POST(c, "/v1/releases", bundle);
	assert_at(c, j, "created", "false");
	static const char *const forms[] = {"tiny", "tiny@%.8s", "%s", "hoc:tiny@sha256:%s"};
	const char *hash = at(c, j, "hash");
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		char target[200] = "/v1/releases/";
		struct buf b CLEAN(buf_fini) = BUF_INIT(300);
		struct str form = str_from(forms[i]);
		size_t cut = str_find_char(form, '%');
		buf_add(&b, str_sub(form, 0, cut));
		if (cut < form.n)
			buf_add(&b, str_sub(str_from(hash), 0, i == 1 ? 8 : 64));
		(void)snprintf(target, sizeof target, "/v1/releases/%s", buf_str(&b).p);
		assert_at(c, OK_GET(c, target), "release", uri);
	}
	assert_at(c, OK_GET(c, "/v1/releases/tiny"),
		  "manifest.types.default.parameters.properties.n.type", "integer");
	assert_at(c, OK_GET(c, "/v1/releases/tiny/bundle"), "name", "tiny");
	POST(c, "/v1/releases",
	     "{'bundle': {'name': 'tiny', 'entry': 'p.jsonnet', 'files': {'p.jsonnet': '{'}}}");
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "bundle");
	POST(c, "/v1/instances", "{'release': 'tiny', 'title': 'a', 'parameters': {'n': 'x'}}");
	assert_string_equal(c->field, "parameters.n");
}

static void events_are_a_chain(struct cloud *c)
{
	cloud_stage(c, 1);
	(void)cloud_order(c, "a");
	struct json *j = OK_GET(c, "/v1/events?limit=1000");
	size_t n = json_count(json_get(j, S("events")));
	assert_at(c, j, "events[0].sequence", "1");
	assert_at(c, j, text(c, "events[%zu].kind", n - 1), "instance.allocated");
	(void)cloud_call_wait(c, text(c, "/v1/events?since=%zu&wait=5", n));
	assert_true(c->parked);
	assert_true(str_is(c->out.topics[0], "events"));
}

static int tamper(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	static const struct db_sql sql = {
		"tamper", "UPDATE event SET body = '{\"x\": 1}' WHERE sequence = 2", ""};
	return db_exec(db_prepare(tx, &sql), e) < 0 ? -1 : 0;
}

static int restore(struct db_tx *tx, void *user, struct err *e)
{
	static const struct db_sql sql = {
		"restore", "UPDATE event SET body = $1 WHERE sequence = 2", "body"};
	struct db_stmt *q = db_prepare(tx, &sql);
	db_bind_str(q, "body", *(struct str *)user);
	return db_exec(q, e) < 0 ? -1 : 0;
}

static int verify(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	int64_t checked;
	return store_event_verify(tx, 100, &checked, e);
}

static void a_changed_event_breaks_the_chain(struct cloud *c)
{
	struct err e = ERR_INIT;
	cloud_stage(c, 1);
	struct json *list = json_get(OK_GET(c, "/v1/events"), S("events"));
	struct str was = json_text(json_get(json_at(list, 1), S("body")), c->a);
	assert_int_equal(db_write(c->db, tamper, NULL, &e), 0);
	assert_int_equal(db_read(c->db, verify, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_non_null(strstr(e.text, "event 2"));
	assert_int_equal(db_write(c->db, restore, &was, &e), 0);
}

static void the_reference_calls_answer_in_their_form(struct cloud *c)
{
	cloud_stage(c, 2);
	/* Types of parameters survive in one parameter `_`. */
	struct json *i = OK_POST(
		c, "/slapos.post.v0.software_instance",
		text(c,
		     "{'title': 'a', 'software_release_uri': '%s', 'software_type': 'default', "
		     "'parameters': {'_': '{\\'port\\': 81}'}}",
		     at(c, OK_GET(c, "/v1/installations"), "installations[0].release")));
	assert_at(c, i, "parameters._", "{\"port\":81}");
	assert_at(c, i, "state", "started");
	assert_at(c, i, "ip_list[0][0]", "tap0");
	const char *guid = at(c, i, "instance_guid");
	assert_at(c, OK_GET(c, "/v1/instances/a"), "parameters.port", "81");
	assert_int_equal(json_count(i), 16);
	i = OK_POST(c, "/slapos.get.v0.software_instance",
		    text(c, "{'instance_guid': '%s'}", guid));
	assert_int_equal(number_at(i, "processing_timestamp"),
			 number_at(OK_GET(c, "/v1/instances/a"), "timestamp"));
	/* An opaque release: strings, as Python prints them; not ready until it is supplied. */
	const char *opaque =
		"{'title': 'o', 'software_release_uri': 'http://example.com/s.cfg', "
		"'software_type': 'default', 'parameters': {'n': 1, 'b': true, 'z': null}}";
	i = OK_POST(c, "/slapos.post.v0.software_instance", opaque);
	assert_at(c, i, "name", "SoftwareInstanceNotReady");
	OK_POST(c, "/slapos.post.v0.software_installation",
		"{'software_release_uri': 'http://example.com/s.cfg', 'computer_guid': 'n1'}");
	i = OK_POST(c, "/slapos.post.v0.software_instance", opaque);
	assert_at(c, i, "parameters", "{\"b\":\"True\",\"n\":\"1\",\"z\":\"None\"}");
	i = OK_POST(c, "/slapos.allDocs.v0.compute_node_instance_list",
		    "{'computer_guid': 'n1'}");
	assert_int_equal(json_count(json_get(i, S("result_list"))), 2);
	i = OK_POST(c, "/slapos.get.v0.compute_partition",
		    "{'computer_guid': 'n1', 'compute_partition_id': 'p1'}");
	assert_at(c, i, "title", "o");
	i = OK_POST(c, "/slapos.get.v0.instance_tree", "{'title': 'a'}");
	assert_at(c, i, "instance_guid", guid);
	i = OK_POST(c, "/slapos.allDocs.v0.instance_tree_list", "{}");
	assert_int_equal(json_count(json_get(i, S("result_list"))), 2);
	i = OK_POST(c, "/slapos.allDocs.WIP.compute_node_list", "{}");
	assert_at(c, i, "result_list[0].computer_guid", "n1");
}

static void the_reference_errors_have_three_members(struct cloud *c)
{
	static const struct {
		const char *method, *body;
		int status;
		const char *type, *title;
	} cases[] = {
		{"get.v0.software_instance", "{'instance_guid': 'x'}", 403, "Forbidden",
		 "No instance found with reference: x"},
		{"get.v0.software_instance", "{}", 400, "Bad Request", ""},
		{"get.v0.software_instance", "{'instance_guid': 1}", 400, "Bad Request", ""},
		{"get.v0.software_instance", "{", 400, "Bad Request", ""},
		{"get.v0.hateoas_url", "{}", 403, "Forbidden", "not here"},
		{"get.v0.hateoas_url", "{'x': 1}", 400, "Bad Request", ""},
		{"get.v0.compute_partition",
		 "{'computer_guid': 'n', 'compute_partition_id': 'p'}", 403, "Forbidden",
		 "No instance on partition p found."},
		{"get.v0.instance_tree", "{'title': 't'}", 403, "Forbidden",
		 "No instance tree t found."},
		{"allDocs.v0.compute_node_instance_list", "{'computer_guid': 'n9'}", 403,
		 "Forbidden", "n9 is not registered."},
		{"put.v0.compute_node_format", "{'computer_guid': 'n'}", 400, "Bad Request",
		 ""},
		{"put.v0.compute_node_format",
		 "{'computer_guid': 'n', 'compute_partition_list': [{'partition_id': 'a'}, "
		 "{'partition_id': 'a'}]}",
		 400, "Bad Request", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *j = POST(c, text(c, "/slapos.%s", cases[i].method), cases[i].body);
		assert_int_equal(c->status, cases[i].status);
		assert_int_equal(json_count(j), 3);
		assert_int_equal(number_at(j, "status"), cases[i].status);
		assert_at(c, j, "type", cases[i].type);
		if (cases[i].title[0])
			assert_at(c, j, "title", cases[i].title);
		else
			assert_true(strlen(at(c, j, "title")) > 5);
	}
}

static void a_format_keeps_what_is_there(struct cloud *c)
{
	cloud_stage(c, 3);
	const char *a = cloud_order(c, "a");
	(void)cloud_order(c, "b");
	int64_t before = number_at(OK_GET(c, "/v1/instances/a"), "timestamp");
	cloud_node(c, "n1", 3);
	assert_int_equal(number_at(OK_GET(c, "/v1/instances/a"), "timestamp"), before);
	cloud_node(c, "n1", 5);
	assert_int_equal(number_at(OK_GET(c, "/v1/nodes/n1"), "partitions.free"), 3);
	/* p1 goes away; b keeps it until it is destroyed. */
	cloud_node(c, "n1", 1);
	struct json *n = OK_GET(c, "/v1/nodes/n1");
	assert_int_equal(number_at(n, "partitions.total"), 1);
	assert_at(c, OK_GET(c, "/v1/instances/b"), "partition", "p1");
	const char *b = at(
		c, OK_POST(c, "/v1/instances", "{'title': 'b', 'state': 'destroyed'}"), "guid");
	cloud_report(c, b, "destroyed");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM partition"), 1);
	/* Another address is something to do. */
	OK_POST(c, "/slapos.put.v0.compute_node_format",
		"{'computer_guid': 'n1', 'compute_partition_list': [{'partition_id': 'p0', "
		"'ip_list': "
		"[{'ip-address': '10.9.9.9', 'network-interface': 'tap0'}]}]}");
	assert_true(number_at(OK_GET(c, text(c, "/v1/instances/%s", a)), "timestamp") > before);
}

static void the_table_is_complete(struct cloud *c)
{
	struct api_op_info row;
	size_t n = 0, writes = 0;
	struct json *doc = OK_GET(c, "/openapi.json");
	assert_at(c, doc, "openapi", "3.1.0");
	for (; api_op_info(n, &row); n++) {
		assert_true(strlen(row.help) > 5);
		assert_int_equal(strlen(row.may), 8);
		assert_int_equal(strspn(row.may, "-oa"), 8);
		writes += row.is_write;
		struct json *path = json_get(json_get(doc, S("paths")), str_from(row.path));
		assert_non_null(path);
	}
	assert_true(n > 50 && writes > 15);
	assert_at(c, doc,
		  "paths[\"/v1/instances\"].post.requestBody.content[\"application/"
		  "json\"].schema.required[0]",
		  "title");
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"a node reads what changed", a_node_reads_what_changed},
		{"a silent node is lost and found", a_silent_node_is_lost_and_found},
		{"liveness is a promise", liveness_is_a_promise},
		{"health is counted and remembered", health_is_counted_and_remembered},
		{"installations are promises", installations_are_promises},
		{"usage counts once", usage_counts_once},
		{"large instances do not stop lists", large_instances_do_not_stop_lists},
		{"usage that comes late is billed next", usage_that_comes_late_is_billed_next},
		{"the same period is billed once", the_same_period_is_billed_once},
		{"profiles are published once", profiles_are_published_once},
		{"events are a chain", events_are_a_chain},
		{"a changed event breaks the chain", a_changed_event_breaks_the_chain},
		{"the reference calls answer in their form",
		 the_reference_calls_answer_in_their_form},
		{"the reference errors have three members",
		 the_reference_errors_have_three_members},
		{"a format keeps what is there", a_format_keeps_what_is_there},
		{"the table is complete", the_table_is_complete},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
