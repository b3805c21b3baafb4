/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A whole master without sockets, and a cloud in it that has one of everything: what the fault
 * loops of room api run against. The clock stands and the generator is seeded, so that every
 * cloud is the same.
 *
 * Requests are made in local mode, or by somebody: ana, who is in customers local and acme, op, an
 * operator, node n1, or a browser (passkey.h); then the api asks who may.
 *
 * In paths and bodies ' stands for ", and @title@ for the guid of the instance of that title.
 */
#include <string.h>
#include <unistd.h>

#include "acme.h"
#include "api/api.h"
#include "db/db.h"
#include "json/json.h"
#include "profile/eval.h"
#include "store/customer.h"
#include "store/event.h"
#include "store/identity.h"
#include "store/instance.h"
#include "store/log.h"
#include "store/member.h"
#include "store/node.h"
#include "store/person.h"
#include "store/release.h"
#include "trusted.h"

#include "issued.h"
#include "passkey.h"

enum { CLOUD_GUIDS = 16, CLOUD_TABLES = 64, CLOUD_TEXT = 6000 };
#define CLOUD_NOW INT64_C(1795000000000)

struct cloud_guid {
	char title[32], guid[48];
};

struct cloud {
	const char *url; /* "sqlite::memory:" or a file's */
	struct db *db;
	/* local; of callers with certificates; the same, and it signs what concerns the log */
	struct api *api, *guarded, *keyed;
	struct profile_eval *eval;
	struct rng_seeded rng;
	struct clock clock;
	int64_t now_ms;
	struct cloud_guid guids[CLOUD_GUIDS];
	size_t guid_count;
};

/* One request, and what came of it. Texts stay until cloud_done. */
struct cloud_call {
	struct cloud *cloud;
	struct api *api;
	struct arena *a;
	struct api_call *call;
	char target[CLOUD_TEXT], body[CLOUD_TEXT];
	struct api_request req;
	struct api_response out;
	bool keeps; /* else a write is rolled back in the end, with ERR_USAGE */
};

static int64_t cloud_now(void *user)
{
	return ((struct cloud *)user)->now_ms;
}

/* ---- calls --------------------------------------------------------------------------------- */

/* Text with ' and @title@ replaced. */
static void cloud_text(const struct cloud *c, const char *in, char out[static CLOUD_TEXT])
{
	size_t n = 0;
	for (; *in; in++) {
		const char *end = *in == '@' ? strchr(in + 1, '@') : NULL;
		const char *guid = NULL;
		for (size_t i = 0; end && i < c->guid_count; i++)
			if (strlen(c->guids[i].title) == (size_t)(end - in - 1) &&
			    strncmp(c->guids[i].title, in + 1, (size_t)(end - in - 1)) == 0)
				guid = c->guids[i].guid;
		ASSERT(n + 64 < CLOUD_TEXT);
		if (end && strncmp(in, "@issued@", 8) == 0) {
			const struct issued_chain *made = issued_chain();
			ASSERT(n + made->text.n < CLOUD_TEXT);
			memcpy(out + n, made->text.p, made->text.n);
			n += made->text.n;
			in = end;
		} else if (guid) {
			n += (size_t)snprintf(out + n, 64, "%s", guid);
			in = end;
		} else {
			out[n++] = *in == '\'' ? '"' : *in;
		}
	}
	out[n] = 0;
}

static void cloud_ask(struct cloud *c, struct cloud_call *k, const char *method,
		      const char *target, const char *body)
{
	*k = (struct cloud_call){.cloud = c, .api = c->api, .keeps = true};
	cloud_text(c, target, k->target);
	cloud_text(c, body, k->body);
	k->req = (struct api_request){
		.method = str_from(method),
		.target = str_from(k->target),
		.content_type = k->body[0] ? S("application/json") : S(""),
		.accept = S("*/*"),
		.body = str_from(k->body),
	};
}

/* A client of ACME: "acme" by the account, "acme-bound" and "acme-fresh" by keys; "acme-none" reads
 * without a signature. */
static void cloud_by_acme(struct cloud_call *k, const char *who)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct str text;
	ASSERT(arena_new(1 << 20, &a, &e) == 0);
	k->req.host = S(ACME_HOST);
	k->req.is_tls = true;
	if (strcmp(who, "acme-none") != 0) {
		text = acme_message(k->api, k->cloud->db, who, k->target, k->body, a);
		ASSERT(text.n < sizeof k->body);
		memcpy(k->body, text.p, text.n + 1);
		k->req.body = str_from(k->body);
		k->req.content_type = S("application/jose+json");
	} else if (strstr(k->target, "renewal-info")) {
		ASSERT(jose_cert_id(acme_leaf()->der, a, &text, &e) == 0);
		(void)snprintf(k->target, sizeof k->target, "/acme/renewal-info/%" STR_F,
			       STR_A(text));
		k->req.target = str_from(k->target);
	}
}

/* It is that person's request, or node n1's; NULL: anybody's, in local mode. */
static UNUSED void cloud_by(struct cloud_call *k, const char *who)
{
	if (!who)
		return;
	k->api = strstr(k->target, "/witness") ? k->cloud->keyed : k->cloud->guarded;
	if (passkey_by(&k->req, who))
		return;
	if (strncmp(who, "acme", 4) == 0) {
		cloud_by_acme(k, who);
		return;
	}
	k->req.caller = (struct api_caller){
		.kind = strcmp(who, "n1") == 0 ? API_NODE : API_PERSON,
		.name = str_from(who),
		.key = hash_of(str_from(who)),
	};
}

/* The periodic work, as a request: method JOB; "assess" three weeks later, "contact" of n1. */
static int cloud_job(struct db_tx *tx, void *user, struct err *e)
{
	struct cloud_call *k = user;
	bool is_contact = strcmp(k->target, "contact") == 0;
	int rc = is_contact ? api_contact(k->cloud->api, tx, S("n1"), k->a, &k->out, e)
			    : api_assess(k->cloud->api, tx, 100, k->a, &k->out, e);
	if (rc < 0 || k->keeps)
		return rc;
	return err_fail(e, ERR_USAGE, "rolled back on purpose");
}

static int cloud_work(struct db_tx *tx, void *user, struct err *e)
{
	struct cloud_call *k = user;
	int rc = api_run(k->call, tx, false, &k->out, e);
	if (rc < 0 || k->keeps)
		return rc;
	return err_fail(e, ERR_USAGE, "rolled back on purpose");
}

static int cloud_run(struct cloud_call *k, struct err *e)
{
	if (arena_new(API_ARENA_BYTES, &k->a, e) < 0)
		return -1;
	if (str_is(k->req.method, "JOB"))
		return db_write(k->cloud->db, cloud_job, k, e);
	if (api_open(k->api, &k->req, k->a, &k->call, e) < 0)
		return -1;
	return api_call_is_read(k->call) ? db_read(k->cloud->db, cloud_work, k, e)
					 : db_write(k->cloud->db, cloud_work, k, e);
}

static void cloud_done(struct cloud_call *k)
{
	k->a = arena_free(k->a);
}

/* ---- all tables as one text ---------------------------------------------------------------- */

/* Room db knows a statement by its address: these live as long as the program. */
static struct {
	char name[CLOUD_TABLES][64], text[CLOUD_TABLES][1600];
	struct db_sql sql[CLOUD_TABLES];
	size_t n;
} cloud_tables;

static const struct db_sql cloud_columns = {
	"fault_columns",
	"SELECT m.name, group_concat('quote(' || c.name || ')', ' || '','' || ')"
	" FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
	" GROUP BY m.name ORDER BY m.name",
	""};

static int cloud_read_tables(struct db_tx *tx, void *user, struct err *e)
{
	struct arena *a = user;
	struct db_stmt *q = db_prepare(tx, &cloud_columns);
	int rc;
	cloud_tables.n = 0;
	while ((rc = db_step(q, e)) > 0) {
		size_t i = cloud_tables.n++;
		ASSERT(i < CLOUD_TABLES);
		(void)snprintf(cloud_tables.name[i], sizeof cloud_tables.name[i], "%s",
			       arena_cstr(a, db_at_str(q, 0, a)));
		int n = snprintf(cloud_tables.text[i], sizeof cloud_tables.text[i],
				 "SELECT %s FROM %s ORDER BY rowid",
				 arena_cstr(a, db_at_str(q, 1, a)),
				 arena_cstr(a, db_at_str(q, 0, a)));
		ASSERT(n > 0 && (size_t)n < sizeof cloud_tables.text[i]);
		cloud_tables.sql[i] =
			(struct db_sql){cloud_tables.name[i], cloud_tables.text[i], ""};
	}
	return rc;
}

struct cloud_dump {
	struct arena *a;
	struct buf *out;
};

static int cloud_dump_work(struct db_tx *tx, void *user, struct err *e)
{
	struct cloud_dump *d = user;
	buf_clear(d->out);
	for (size_t i = 0; i < cloud_tables.n; i++) {
		struct db_stmt *q = db_prepare(tx, &cloud_tables.sql[i]);
		int rc;
		while ((rc = db_step(q, e)) > 0) {
			buf_addf(d->out, "%s: ", cloud_tables.name[i]);
			buf_add(d->out, db_at_str(q, 0, d->a));
			buf_add_c(d->out, '\n');
		}
		if (rc < 0)
			return -1;
	}
	return buf_check(d->out, e);
}

/* Every row of every table, into *out. */
static UNUSED void cloud_dump(struct cloud *c, struct buf *out)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	ASSERT(arena_new(64 << 20, &a, &e) == 0);
	if (!cloud_tables.n)
		ASSERT(db_read(c->db, cloud_read_tables, a, &e) == 0);
	struct cloud_dump d = {a, out};
	if (db_read(c->db, cloud_dump_work, &d, &e) < 0) {
		printf("    dump: %s\n", e.text);
		abort();
	}
}

/* The first line in which two dumps differ, for people. */
static UNUSED void cloud_difference(struct str before, struct str after)
{
	struct str x = S(""), y = S("");
	while (before.n && after.n && str_split(&before, '\n', &x) &&
	       str_split(&after, '\n', &y))
		if (!str_eq(x, y))
			break;
	printf("    was: %" STR_F "\n    is:  %" STR_F "\n", STR_A(x), STR_A(y));
}

/* ---- what must always hold ----------------------------------------------------------------- */

static const struct db_sql cloud_rules[] = {
	{"rule_free",
	 "SELECT COUNT(*) FROM node n WHERE partitions_free <> (SELECT COUNT(*) FROM partition "
	 "p"
	 " WHERE p.node_id = n.id AND p.instance_id IS NULL AND p.is_gone = 0)",
	 ""},
	{"rule_placed",
	 "SELECT COUNT(*) FROM instance i WHERE i.partition_id IS NOT NULL AND i.is_shared = 0"
	 " AND NOT EXISTS (SELECT 1 FROM partition p WHERE p.id = i.partition_id"
	 " AND p.instance_id = i.id AND p.node_id = i.node_id)",
	 ""},
	{"rule_owner",
	 "SELECT COUNT(*) FROM partition p WHERE p.instance_id IS NOT NULL AND NOT EXISTS"
	 " (SELECT 1 FROM instance i WHERE i.id = p.instance_id AND i.partition_id = p.id"
	 " AND i.is_live = 1)",
	 ""},
	{"rule_room",
	 "SELECT COUNT(*) FROM installation s JOIN node n ON n.id = s.node_id WHERE s.has_room"
	 " <> CASE WHEN n.partitions_free > 0 THEN 1 ELSE 0 END",
	 ""},
	{"rule_shared",
	 "SELECT COUNT(*) FROM instance i WHERE i.is_live = 1 AND i.shared_count <>"
	 " (SELECT COUNT(*) FROM instance x WHERE x.host_id = i.id AND x.is_live = 1)",
	 ""},
	{"rule_promises",
	 "SELECT COUNT(*) FROM instance i WHERE i.is_live = 1 AND i.kept + i.broken + i.unknown"
	 " <> (SELECT COUNT(*) FROM promise p WHERE p.promiser = i.guid AND p.kind = 'health')",
	 ""},
	{"rule_spans",
	 "SELECT COUNT(*) FROM span s JOIN instance i ON i.id = s.instance_id"
	 " WHERE s.to_at IS NULL AND i.partition_id IS NULL",
	 ""},
	{"rule_numbers",
	 "SELECT COUNT(*) FROM invoice_counter WHERE number <> (SELECT COUNT(*) FROM invoice)",
	 ""},
};

static int cloud_check_work(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	int64_t checked;
	for (size_t i = 0; i < ARRAY_LEN(cloud_rules); i++) {
		struct db_stmt *q = db_prepare(tx, &cloud_rules[i]);
		int rc = db_step(q, e);
		if (rc < 0)
			return -1;
		if (db_at_i64(q, 0) != 0)
			return err_fail(e, ERR_CORRUPT, "%s does not hold",
					cloud_rules[i].name);
	}
	return store_event_verify(tx, 1000000, &checked, e);
}

static UNUSED bool cloud_holds(struct cloud *c)
{
	struct err e = ERR_INIT;
	if (db_read(c->db, cloud_check_work, NULL, &e) == 0)
		return true;
	printf("    %s\n", e.text);
	return false;
}

/* ---- the stage ----------------------------------------------------------------------------- */

/* A bundle that publishes; its text stands inside JSON inside C. */
#define CLOUD_BUNDLE(title) \
	"{'bundle': {'name': 'wiki', 'entry': 'p.jsonnet', 'files': {'p.jsonnet': '{name: " \
	"\\'wiki\\', title: \\'" title \
	"\\', category: \\'web\\', software: {debian: {suite: \\'bookworm\\', packages: " \
	"[\\'nginx\\']}}, types: {default: {instance(i):: {}}}}'}}}"

static const struct {
	const char *method, *target, *body;
	const char *title; /* its guid is kept */
} cloud_story[] = {
	{"POST", "/slapos.put.v0.compute_node_format",
	 "{'computer_guid': 'n1', 'compute_partition_list': [{'partition_id': 'p0', 'ip_list': "
	 "[{'ip-address': '10.0.0.1', 'network-interface': 'tap0'}]}, {'partition_id': 'p1'}, "
	 "{'partition_id': 'p2'}, {'partition_id': 'p3'}, {'partition_id': 'p4'}, "
	 "{'partition_id': 'p5'}, {'partition_id': 'p6'}]}",
	 NULL},
	{"PUT", "/v1/nodes/n1", "{'region': 'fr', 'capabilities': {'disk': 'ssd'}}", NULL},
	{"PUT", "/v1/nodes/n2", "{'title': 'Two'}", NULL},
	{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n1'}", NULL},
	{"POST", "/slapos.post.v0.software_installation",
	 "{'software_release_uri': 'http://x/software.cfg', 'computer_guid': 'n1'}", NULL},
	{"POST", "/slapos.put.v0.software_installation_reported_state",
	 "{'software_release_uri': 'http://x/software.cfg', 'computer_guid': 'n1', "
	 "'reported_state': 'available'}",
	 NULL},
	{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n2'}", NULL},
	{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n2', 'state': 'destroyed'}",
	 NULL},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'a', 'parameters': {'n': 1}}",
	 "a"},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'h', 'type': 'host'}", "h"},
	{"POST", "/v1/instances",
	 "{'release': 'web', 'title': 's', 'type': 'host', 'shared': true}", "s"},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'c', 'requester': '@a@'}", "c"},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'd', 'requester': '@c@'}", "d"},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'gone'}", "gone"},
	{"POST", "/v1/instances", "{'title': 'gone', 'state': 'destroyed'}", NULL},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'w', 'where': {'node': 'n2'}}",
	 "w"},
	{"POST", "/v1/nodes/n1/promises",
	 "{'results': [{'instance': '@a@', 'name': 'http', 'state': 'kept'}, {'instance': "
	 "'@a@', 'name': 'disk', 'state': 'broken', 'message': 'full'}]}",
	 NULL},
	{"POST", "/slapos.put.v0.software_instance_connection_parameter",
	 "{'instance_guid': '@a@', 'connection_parameter_dict': {'url': 'http://a'}}", NULL},
	{"PUT", "/v1/prices/default",
	 "{'currency': 'EUR', 'components': [{'kind': 'subscription', 'price': '10'}, {'kind': "
	 "'usage', 'metric': 'cpu_seconds', 'tiers': [{'unit_price': '0.5'}]}], 'vats': "
	 "[{'country': 'FR', 'rate': '20'}]}",
	 NULL},
	{"PUT", "/v1/customers/local", "{'country': 'FR', 'address': '1 rue x\\nParis'}", NULL},
	{"POST", "/v1/nodes/n1/usage",
	 "{'events': [{'id': 'u1', 'instance': '@a@', 'metric': 'cpu_seconds', 'quantity': "
	 "'7200', 'from': '2026-11-17T00:00:00Z', 'to': '2026-11-17T01:00:00Z'}]}",
	 NULL},
	{"POST", "/v1/invoices",
	 "{'customer': 'local', 'from': '2026-11-01', 'to': '2026-11-02'}", NULL},
};

static int cloud_release_work(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	struct release r = {
		.uri = S("hoc:web@sha256:"
			 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		.name = S("web"),
		.title = S("Web"),
		.category = S("web"),
		.hash = S("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		.manifest_json =
			S("{\"name\": \"web\", \"title\": \"Web\", \"category\": \"web\", "
			  "\"software\": {\"debian\": {\"suite\": \"bookworm\", \"packages\": "
			  "[\"nginx\"]}}, \"types\": {\"default\": {\"parameters\": "
			  "{\"properties\": {\"n\": {\"type\": \"integer\", \"maximum\": 9}}}, "
			  "\"connection\": {\"properties\": {\"url\": {\"type\": \"string\", "
			  "\"secret\": true}}}}, "
			  "\"host\": {\"shared\": true}}}"),
	};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct log_entry entry = {
		.kind = S("release"), .subject = r.uri, .body_json = S("{}"), .at_ms = 1};
	if (arena_new(1 << 20, &a, e) < 0 || store_log_append(tx, a, &entry, e) < 0)
		return -1;
	return store_release_add(tx, &r, S("{}"), e);
}

static int cloud_key_work(struct db_tx *tx, const char *who, const char *kind, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct hash h = hash_of(str_from(who));
	hash_text(&h, name);
	struct identity_key k = {.name = str_from(name),
				 .kind = str_from(kind),
				 .owner = str_from(who),
				 .title = S(""),
				 .created_at_ms = 1};
	if (store_key_add(tx, &k, e) < 0)
		return -1;
	k.seal_key = S("age1");
	k.statement = S("stated");
	return store_key_seal(tx, &k, e);
}

/* Ana may read the secrets of instance a. */
static int cloud_reader_work(struct db_tx *tx, struct arena *a, int64_t customer_id,
			     struct err *e)
{
	struct instance i;
	if (store_instance_root(tx, a, customer_id, S("a"), &i, e) <= 0)
		return -1;
	i.readers_json = S("[\"ana\"]");
	return store_instance_save(tx, &i, e);
}

static int cloud_people_work(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	static const char *const names[] = {"ana", "op"};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct person p;
	struct customer in;
	struct node n1;
	if (arena_new(1 << 20, &a, e) < 0 || cloud_key_work(tx, "n1", "node", e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (store_person_get(tx, a, str_from(names[i]), 1, &p, e) < 0 ||
		    cloud_key_work(tx, names[i], "person", e) < 0)
			return -1;
		p.roles = i ? S("operator") : S("");
		if (store_person_save(tx, &p, e) < 0)
			return -1;
	}
	if (store_person_find(tx, a, S("ana"), &p, e) < 0 ||
	    store_customer_get(tx, a, S("local"), 1, &in, e) < 0 ||
	    store_member_set(tx, in.id, p.id, true, e) < 0 ||
	    cloud_reader_work(tx, a, in.id, e) < 0 ||
	    store_node_find(tx, a, S("n1"), &n1, e) <= 0 ||
	    trust_work(tx, a, in.id, n1.id, CLOUD_NOW, e) < 0 ||
	    acme_work(tx, a, in.id, CLOUD_NOW, e) < 0 || issued_work(tx, a, CLOUD_NOW, e) < 0 ||
	    passkey_work(tx, p.id, CLOUD_NOW, e) < 0 ||
	    store_customer_get(tx, a, S("acme"), 1, &in, e) < 0)
		return -1;
	return store_member_set(tx, in.id, p.id, true, e);
}

static void cloud_must(struct cloud *c, const char *method, const char *target,
		       const char *body, const char *title)
{
	struct err e = ERR_INIT;
	struct cloud_call k;
	struct json *answer;
	cloud_ask(c, &k, method, target, body);
	if (cloud_run(&k, &e) < 0) {
		printf("    stage: %s %s: %s %s\n", method, k.target, e.field, e.text);
		abort();
	}
	if (title) {
		ASSERT(json_parse(k.out.body, k.a, &answer, &e) == 0);
		struct cloud_guid *g = &c->guids[c->guid_count++];
		ASSERT(c->guid_count <= CLOUD_GUIDS);
		(void)snprintf(g->title, sizeof g->title, "%s", title);
		(void)snprintf(g->guid, sizeof g->guid, "%" STR_F,
			       STR_A(json_str_of(json_get(answer, S("guid")), S(""))));
	}
	cloud_done(&k);
}

/* `url` must live as long as the cloud. */
static void cloud_open(struct cloud *c, const char *url, struct profile_eval *eval)
{
	static const struct str site = S_INIT(PASSKEY_HOST);
	struct err e = ERR_INIT;
	*c = (struct cloud){.url = url, .eval = eval, .now_ms = CLOUD_NOW};
	c->clock = (struct clock){cloud_now, cloud_now, c};
	rng_seeded_init(&c->rng, 7);
	const struct db_options db = {.clock = &c->clock};
	struct api_options o = {.clock = &c->clock,
				.rng = &c->rng.rng,
				.eval = eval,
				.version = "fault",
				.database = "sqlite",
				.mode = "local"};
	if (db_open(url, &db, &c->db, &e) < 0 || api_migrate(c->db, &e) < 0 ||
	    api_new(&o, &c->api, &e) < 0 || db_write(c->db, cloud_release_work, NULL, &e) < 0) {
		printf("    stage: %s\n", e.text);
		abort();
	}
	o.mode = "tls";
	o.users = trust_ca(CA_USERS);
	o.services = trust_ca(CA_SERVICES);
	o.cloud = "fault";
	o.zone = "zone.test";
	o.names = &site;
	o.name_count = 1;
	o.eab_key = S(ACME_SECRET);
	struct api_options keyed = o;
	keyed.key = trust_key();
	keyed.key_name = S("fault");
	if (api_new(&o, &c->guarded, &e) < 0 || api_new(&keyed, &c->keyed, &e) < 0) {
		printf("    stage: %s\n", e.text);
		abort();
	}
	for (size_t i = 0; i < ARRAY_LEN(cloud_story); i++) {
		c->now_ms += 1000;
		cloud_must(c, cloud_story[i].method, cloud_story[i].target, cloud_story[i].body,
			   cloud_story[i].title);
	}
	if (db_write(c->db, cloud_people_work, NULL, &e) < 0) {
		printf("    stage: %s\n", e.text);
		abort();
	}
	c->now_ms += 60000;
}

static void cloud_close(struct cloud *c)
{
	c->api = api_free(c->api);
	c->guarded = api_free(c->guarded);
	c->keyed = api_free(c->keyed);
	c->db = db_close(c->db);
}
