/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Answers to nodes are signed, reports of nodes are checked. */
#include "trusted.h"

#include "core/signed.h"
#include "trust/jose.h"

static const char changes[] = "/v1/nodes/n1/changes?since=0";
static const char usage[] = "/v1/nodes/n1/usage";
static const char no_usage[] = "{\"events\": []}";

/* What the header Hoc-State of the last answer says, if its signature is that of the master. */
static struct signed_mark state_of(struct trusted *t, const char *node, const char *method,
				   const char *target)
{
	struct cloud *c = t->c;
	struct err e = ERR_INIT;
	struct signed_mark m;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	char hex[HASH_TEXT_SIZE];
	struct str signature;
	const char *header = trusted_header(t, SIGNED_STATE_HEADER);
	if (!header)
		fail_msg("%s %s: no %s", method, target, SIGNED_STATE_HEADER);
	if (signed_state_read(str_from(header), &m, &e) < 0)
		fail_msg("%s: %s", header, e.text);
	assert_true(str_is(m.key, t->master_name));
	struct hash h = hash_of(c->out.body);
	hash_text(&h, hex);
	const struct signed_state s = {
		.node = str_from(node),
		.method = str_from(method),
		.target = str_from(target),
		.nonce = str_from(t->nonce ? t->nonce : "AAAAAAAAAAAAAAAAAAAAAA"),
		.status = c->status,
		.sequence = m.sequence,
		.at_ms = m.at_ms,
		.body_hash = str_from(hex),
	};
	assert_int_equal(signed_state_text(&s, &b, &e), 0);
	assert_int_equal(base64url_read(m.signature, c->a, &signature, &e), 0);
	if (!key_is_signed_by(key_public(t->master), buf_str(&b), signature))
		fail_msg("%s %s: another signature", method, target);
	assert_int_equal(m.at_ms, c->now_ms);
	return m;
}

static int64_t newest(struct cloud *c)
{
	return cloud_number(c, "SELECT MAX(sequence) FROM event");
}

static void answers_to_nodes_are_signed(struct cloud *c)
{
	struct trusted t;
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1");
	struct who *op = trusted_person(&t, "op", "operator", NULL, false);
	t.nonce = "first";
	trusted_ok(&t, n1, "GET", changes, "");
	assert_int_equal(state_of(&t, "n1", "GET", changes).sequence, newest(c));
	/* Another nonce, another signature; the same number while nothing happens. */
	t.nonce = "second";
	trusted_ok(&t, n1, "GET", changes, "");
	assert_int_equal(state_of(&t, "n1", "GET", changes).sequence, newest(c));
	/* What the transaction itself changed counts. */
	int64_t before = newest(c);
	trusted_ok(&t, op, "PUT", "/v1/customers/x", "{'country': 'FR'}");
	assert_null(trusted_header(&t, SIGNED_STATE_HEADER));
	trusted_ok(&t, n1, "POST", usage, no_usage);
	assert_int_equal(state_of(&t, "n1", "POST", usage).sequence, newest(c));
	assert_true(newest(c) > before);
	/* Nobody and persons get no signature. */
	trusted_ok(&t, NULL, "GET", "/v1/status", "");
	assert_null(trusted_header(&t, SIGNED_STATE_HEADER));
	trusted_end(&t);
}

static void refusals_are_signed(struct cloud *c)
{
	struct trusted t;
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1");
	static const struct {
		const char *method, *target, *body;
		int status;
	} cases[] = {
		{"GET", "/v1/nowhere", "", 404},
		{"DELETE", "/v1/nodes/n1/changes", "", 405},
		{"GET", "/v1/nodes/n1/changes?sinc=0", "", 400},
		{"PUT", "/v1/customers/x", "{'country': 'FR'}", 403},
		{"POST", "/slapos.put.v0.software_instance_error", "{'x': 1}", 400},
		{"POST", "/slapos.put.v0.software_instance_error",
		 "{'instance_guid': 'inst-none', 'message': ''}", 403},
	};
	cloud_assess(c);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		trusted_call(&t, n1, cases[i].method, cases[i].target, cases[i].body);
		if (c->status != cases[i].status)
			fail_msg("%s: %d %s", cases[i].target, c->status, c->text);
		assert_int_equal(state_of(&t, "n1", cases[i].method, cases[i].target).sequence,
				 newest(c));
	}
	trusted_end(&t);
}

static int write_and_fail(struct db_tx *tx, void *user, struct err *e)
{
	struct api_call *call = user;
	struct api_response out;
	if (api_run(call, tx, false, &out, e) < 0)
		return -1;
	return err_fail(e, ERR_IO, "the disk is full");
}

static void refusals_tell_of_no_event_that_was_not_committed(struct cloud *c)
{
	struct trusted t;
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1");
	static const char bang[] = "/slapos.put.v0.compute_node_bang";
	static const char body[] = "{\"computer_guid\": \"n1\", \"message\": \"m\"}";
	cloud_assess(c);
	int64_t before = newest(c);
	const struct api_request req = {
		.method = S("POST"),
		.target = str_from(bang),
		.content_type = S("application/json"),
		.body = str_from(body),
		.report = str_from(trusted_report(&t, n1, "POST", bang, body, 1)),
		.caller = {.kind = API_NODE, .name = S("n1"), .key = key_name(n1->key)},
	};
	struct err e = ERR_INIT;
	struct api_call *call;
	assert_int_equal(api_open(c->api, &req, c->a, &call, &e), 0);
	assert_int_equal(db_write(c->db, write_and_fail, call, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	trusted_call(&t, n1, "GET", "/v1/nowhere", "");
	assert_int_equal(state_of(&t, "n1", "GET", "/v1/nowhere").sequence, before);
	/* What was committed they do tell of, before anything is read again. */
	t.report = trusted_report(&t, n1, "POST", bang, body, 1);
	trusted_ok(&t, n1, "POST", bang, body);
	assert_true(newest(c) > before);
	t.report = NULL;
	trusted_call(&t, n1, "GET", "/v1/nowhere", "");
	assert_int_equal(state_of(&t, "n1", "GET", "/v1/nowhere").sequence, newest(c));
	trusted_end(&t);
}

static void refused(struct trusted *t, const char *why)
{
	if (t->c->status != 403)
		fail_msg("status %d instead of a refusal: %s", t->c->status, why);
	if (!strstr(t->c->text, why))
		fail_msg("'%s' instead of '%s'", t->c->text, why);
}

static void reports_are_checked(struct cloud *c)
{
	struct trusted t;
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1"), *n2 = trusted_node(&t, "n2");
	trusted_ok(&t, n1, "POST", usage, no_usage);
	static const struct {
		const char *method, *target, *body, *why;
	} changed[] = {
		{"POST", "/v1/nodes/n1/promises", no_usage, "changed on its way"},
		{"POST", "/v1/nodes/n1/usage?x=1", no_usage, "changed on its way"},
		{"POST", usage, "{\"events\": [ ]}", "changed on its way"},
		{"PUT", usage, no_usage, "changed on its way"},
	};
	for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
		t.report = trusted_report(&t, n1, changed[i].method, changed[i].target,
					  changed[i].body, 100);
		trusted_call(&t, n1, "POST", usage, no_usage);
		refused(&t, changed[i].why);
	}
	t.report = trusted_report(&t, n2, "POST", usage, no_usage, 100);
	trusted_call(&t, n1, "POST", usage, no_usage);
	refused(&t, "another node's");
	t.report = "";
	trusted_call(&t, n1, "POST", usage, no_usage);
	refused(&t, "is missing");
	t.report = "v1;100;1;AAAA";
	trusted_call(&t, n1, "POST", usage, no_usage);
	refused(&t, "changed on its way");
	t.report = "v2;100;1;AAAA";
	trusted_call(&t, n1, "POST", usage, no_usage);
	refused(&t, "version 1");
	/* Nothing of that was remembered. */
	t.report = trusted_report(&t, n1, "POST", usage, no_usage, 100);
	trusted_ok(&t, n1, "POST", usage, no_usage);
	trusted_end(&t);
}

static void numbers_count_once(struct cloud *c)
{
	struct trusted t;
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1");
	static const struct {
		int64_t sequence;
		const char *why; /* NULL: taken */
	} steps[] = {
		{5, NULL},    {5, "replayed"},	  {3, NULL},	{3, "replayed"},
		{2000, NULL}, {976, "too old"},	  {977, NULL},	{977, "replayed"},
		{3000, NULL}, {2000, "replayed"}, {1999, NULL}, {0, "too old"},
	};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		t.report = trusted_report(&t, n1, "POST", usage, no_usage, steps[i].sequence);
		trusted_call(&t, n1, "POST", usage, no_usage);
		if (steps[i].why)
			refused(&t, steps[i].why);
		else if (c->status != 200)
			fail_msg("step %zu: %d %s", i, c->status, c->text);
	}
	assert_int_equal(cloud_number(c, "SELECT newest FROM node_guard"), 3000);
	trusted_end(&t);
}

static void what_was_refused_was_not_seen(struct cloud *c)
{
	struct trusted t;
	static const char error[] = "/slapos.put.v0.software_instance_error";
	static const char none[] = "{\"instance_guid\": \"inst-none\", \"message\": \"\"}";
	cloud_stage(c, 2);
	trusted_begin(&t, c);
	struct who *n1 = trusted_node(&t, "n1");
	for (int i = 0; i < 2; i++) {
		t.report = trusted_report(&t, n1, "POST", error, none, 7);
		trusted_call(&t, n1, "POST", error, none);
		refused(&t, "No instance found");
	}
	t.report = trusted_report(&t, n1, "POST", usage, no_usage, 7);
	trusted_ok(&t, n1, "POST", usage, no_usage);
	trusted_call(&t, n1, "POST", usage, no_usage);
	refused(&t, "replayed");
	trusted_end(&t);
}

static void the_first_report_counts(struct cloud *c)
{
	struct trusted t;
	static const char format[] = "/slapos.put.v0.compute_node_format";
	static const char body[] =
		"{\"computer_guid\": \"n9\", \"compute_partition_list\": []}";
	trusted_begin(&t, c);
	struct who *n9 = trusted_node(&t, "n9");
	t.report = trusted_report(&t, n9, "POST", format, body, 1);
	trusted_ok(&t, n9, "POST", format, body);
	trusted_call(&t, n9, "POST", format, body);
	refused(&t, "replayed");
	trusted_end(&t);
}

static void a_local_master_asks_for_nothing(struct cloud *c)
{
	cloud_stage(c, 1);
	OK_POST(c, usage, no_usage);
	assert_int_equal(c->out.header_count, 0);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM node_guard"), 0);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"answers to nodes are signed", answers_to_nodes_are_signed},
		{"refusals are signed", refusals_are_signed},
		{"refusals tell of no event that was not committed",
		 refusals_tell_of_no_event_that_was_not_committed},
		{"reports are checked", reports_are_checked},
		{"numbers count once", numbers_count_once},
		{"what was refused was not seen", what_was_refused_was_not_seen},
		{"the first report counts", the_first_report_counts},
		{"a local master asks for nothing", a_local_master_asks_for_nothing},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
