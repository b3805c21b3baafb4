/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What everybody can check afterwards: entries and proofs, what is signed and when, who sees what,
 * and witnesses. Verified with the client's half of the Merkle tree and of signatures.
 */
#include "cloud.h"

#include <unistd.h>

#include "api/audit.h"
#include "base/file.h"
#include "core/audit.h"
#include "store/certificate.h"
#include "store/customer.h"
#include "store/identity.h"
#include "store/log.h"
#include "store/member.h"
#include "store/person.h"
#include "trust/jose.h"
#include "trust/key.h"

enum { SECOND = 1000 };

static const char bundle[] =
	"{'bundle': {'name': 'tiny', 'entry': 'profile.jsonnet', 'files': "
	"{'profile.jsonnet': '{ name: \\'tiny\\', title: \\'Tiny\\', category: \\'web\\', "
	"software: { debian: { suite: \\'bookworm\\', packages: [\\'nginx\\'] } }, "
	"types: { default: {} } }'}}}";

/* ---- a master with a key, and callers ------------------------------------------------------ */

struct stage {
	struct cloud *c;
	char dir[40];
	struct key *key;      /* of the master */
	struct key *ada, *n1; /* of a person (auditor or not), of a node */
};

static void use_api(struct stage *s, const char *mode)
{
	struct cloud *c = s->c;
	struct err e = ERR_INIT;
	struct hash name = key_name(s->key);
	char hex[HASH_TEXT_SIZE];
	hash_text(&name, hex);
	const struct api_options options = {
		.clock = &c->clock,
		.rng = &c->rng.rng,
		.eval = c->eval,
		.version = "test",
		.database = db_engine_name(c->db),
		.mode = mode,
		.cloud = "example",
		.key = s->key,
		.key_name = str_from(text(c, "%s", hex)),
	};
	c->api = api_free(c->api);
	assert_int_equal(api_new(&options, &c->api, &e), 0);
}

static struct key *key_in(struct stage *s, const char *name, enum key_kind kind)
{
	struct err e = ERR_INIT;
	struct key *k;
	if (key_open(text(s->c, "%s/%s.key", s->dir, name), kind, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

static void stage_begin(struct stage *s, struct cloud *c)
{
	*s = (struct stage){.c = c};
	(void)snprintf(s->dir, sizeof s->dir, "/tmp/hoc-audit-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->key = key_in(s, "master", KEY_P256);
	s->ada = key_in(s, "ada", KEY_ED25519);
	s->n1 = key_in(s, "n1", KEY_P256);
}

static void stage_end(struct stage *s)
{
	struct err e = ERR_INIT;
	s->key = key_free(s->key);
	s->ada = key_free(s->ada);
	s->n1 = key_free(s->n1);
	assert_int_equal(file_remove_tree(s->dir, &e), 0);
}

/* A work of a test in a write transaction. */
struct work {
	struct stage *s;
	const char *person, *roles, *member_of;
	const struct key *key;
	struct api_request *request;
	struct log_entry entry;
	struct certificate certificate;
};

static void do_write(struct cloud *c, db_work_fn *fn, struct work *w)
{
	struct err e = ERR_INIT;
	if (db_write(c->db, fn, w, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
}

static struct str name_of(struct cloud *c, const struct key *k)
{
	char hex[HASH_TEXT_SIZE];
	struct hash name = key_name(k);
	hash_text(&name, hex);
	return str_from(text(c, "%s", hex));
}

static int add_key(struct db_tx *tx, struct work *w, const char *kind, const char *owner,
		   struct err *e)
{
	struct identity_key k = {.name = name_of(w->s->c, w->key),
				 .kind = str_from(kind),
				 .owner = str_from(owner),
				 .title = S(""),
				 .seal_key = S(""),
				 .statement = S(""),
				 .created_at_ms = 1};
	return store_key_add(tx, &k, e);
}

static int add_person(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	struct cloud *c = w->s->c;
	struct person p;
	struct customer owner;
	if (store_person_get(tx, c->a, str_from(w->person), 1, &p, e) < 0)
		return -1;
	p.roles = str_from(w->roles);
	if (store_person_save(tx, &p, e) < 0 || add_key(tx, w, "person", w->person, e) < 0)
		return -1;
	if (!w->member_of)
		return 0;
	if (store_customer_get(tx, c->a, str_from(w->member_of), 1, &owner, e) < 0)
		return -1;
	return store_member_set(tx, owner.id, p.id, true, e);
}

static void person(struct stage *s, const char *name, const char *roles, const char *member_of,
		   const struct key *k)
{
	struct work w = {
		.s = s, .person = name, .roles = roles, .member_of = member_of, .key = k};
	do_write(s->c, add_person, &w);
}

static int add_node(struct db_tx *tx, void *user, struct err *e)
{
	return add_key(tx, user, "node", "n1", e);
}

static int add_entry(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	return store_log_append(tx, w->s->c->a, &w->entry, e);
}

static void entry(struct stage *s, const char *kind, const char *subject, const char *body)
{
	struct work w = {.s = s,
			 .entry = {.kind = str_from(kind),
				   .subject = str_from(subject),
				   .body_json = str_from(body),
				   .at_ms = s->c->now_ms}};
	do_write(s->c, add_entry, &w);
}

static int handle(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	struct cloud *c = w->s->c;
	return api_handle(c->api, w->request, tx, c->a, &c->out, e);
}

/* A call by somebody; `key` NULL: nobody. */
static struct json *call_by(struct stage *s, enum api_caller_kind kind, const char *name,
			    const struct key *key, const char *method, const char *target,
			    struct str body)
{
	struct cloud *c = s->c;
	struct err e = ERR_INIT;
	struct json *answer = NULL;
	struct api_request req = {.method = str_from(method),
				  .target = str_from(target),
				  .content_type = body.n ? S("application/json") : S(""),
				  .accept = S("*/*"),
				  .body = body,
				  .caller = {.kind = kind, .name = str_from(name)}};
	struct work w = {.s = s, .request = &req};
	if (key)
		req.caller.key = key_name(key);
	if (db_write(c->db, handle, &w, &e) < 0)
		api_refuse(c->api, &req, &e, c->a, &c->out);
	(void)snprintf(c->text, sizeof c->text, "%s", e.text);
	(void)snprintf(c->field, sizeof c->field, "%s", e.field);
	c->status = c->out.status;
	return json_parse(c->out.body, c->a, &answer, &e) < 0 ? NULL : answer;
}

static struct json *get_by_ada(struct stage *s, const char *target)
{
	struct json *j = call_by(s, API_PERSON, "ada", s->ada, "GET", target, S(""));
	if (s->c->status != 200)
		fail_msg("GET %s: %s %s", target, s->c->field, s->c->text);
	return j;
}

/* ---- the client's half --------------------------------------------------------------------- */

static struct hash hash_at(struct cloud *c, struct json *j, const char *path)
{
	struct hash h;
	struct err e = ERR_INIT;
	if (hash_parse(str_from(at(c, j, path)), &h, &e) < 0)
		fail_msg("%s: %s", path, at(c, j, path));
	return h;
}

static struct merkle_proof proof_at(struct cloud *c, struct json *j)
{
	struct merkle_proof p = {.count = json_count(json_get(j, S("hashes")))};
	for (size_t i = 0; i < p.count; i++)
		p.hashes[i] = hash_at(c, j, text(c, "hashes[%zu]", i));
	return p;
}

static bool is_signed_by(struct cloud *c, const struct key *k, const struct buf *said,
			 const char *signature)
{
	struct err e = ERR_INIT;
	struct str bytes;
	assert_int_equal(base64url_read(str_from(signature), c->a, &bytes, &e), 0);
	return key_is_signed_by(key_public(k), buf_str(said), bytes);
}

/* ---- cases --------------------------------------------------------------------------------- */

static void releases_stand_in_the_log_once(struct cloud *c)
{
	struct json *j = OK_POST(c, "/v1/releases", bundle);
	const char *uri = at(c, j, "release"), *hash = at(c, j, "hash");
	OK_POST(c, "/v1/releases", bundle);
	j = OK_GET(c, "/v1/log/entries");
	assert_int_equal(number_at(j, "size"), 1);
	assert_at(c, j, "entries[0].kind", "release");
	assert_at(c, j, "entries[0].subject", uri);
	assert_at(c, j, "entries[0].body.uri", uri);
	assert_at(c, j, "entries[0].body.hash", hash);
	assert_at(c, j, "entries[0].hidden", "(none)");
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	audit_entry_text(S("release"), str_from(uri), number_at(j, "entries[0].at_ms"),
			 str_from(text(c, "{\"hash\":\"%s\",\"uri\":\"%s\"}", hash, uri)), &b);
	struct hash leaf = merkle_leaf(buf_str(&b)), told = hash_at(c, j, "entries[0].hash");
	assert_true(hash_eq(&leaf, &told));
}

static void a_local_master_signs_nothing_and_says_so(struct cloud *c)
{
	OK_POST(c, "/v1/releases", bundle);
	assert_int_equal(cloud_assess(c), 0);
	struct json *j = OK_GET(c, "/v1/log/head");
	assert_at(c, j, "signed", "false");
	assert_at(c, j, "signature", "");
	assert_int_equal(number_at(j, "size"), 1);
	struct json *entries = OK_GET(c, "/v1/log/entries");
	assert_at(c, j, "root", at(c, entries, "entries[0].hash"));
	j = OK_GET(c, "/v1/checkpoints");
	assert_at(c, j, "signed", "false");
	assert_at(c, j, "checkpoints", "[]");
	assert_at(c, OK_GET(c, "/v1/log/heads"), "heads", "[]");
	POST(c, "/v1/log/witness",
	     text(c, "{'size': 1, 'root': '%s', 'signature': 'AA'}",
		  at(c, OK_GET(c, "/v1/log/head"), "root")));
	assert_int_equal(c->status, 501);
}

static void proofs_hold_at_the_client(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	struct hash roots[12];
	struct json *j = NULL;
	for (int i = 0; i < 11; i++) {
		roots[i] = hash_at(c, OK_GET(c, "/v1/log/head"), "root");
		entry(&s, "key", text(c, "k%d", i), "{}");
	}
	roots[11] = hash_at(c, OK_GET(c, "/v1/log/head"), "root");
	struct json *all = OK_GET(c, "/v1/log/entries?limit=1000");
	for (int i = 0; i < 11; i++) {
		struct hash leaf = hash_at(c, all, text(c, "entries[%d].hash", i));
		j = OK_GET(c, text(c, "/v1/log/proof?size=11&hash=%s",
				   at(c, all, text(c, "entries[%d].hash", i))));
		struct merkle_proof p = proof_at(c, j);
		assert_int_equal(number_at(j, "position"), i);
		assert_true(merkle_is_included(&leaf, (uint64_t)i, 11, &p, &roots[11]));
		j = OK_GET(c, text(c, "/v1/log/consistency?first=%d&second=11", i));
		p = proof_at(c, j);
		assert_true(merkle_is_consistent((uint64_t)i, &roots[i], 11, &roots[11], &p));
	}
	/* Pages meet. */
	j = OK_GET(c, "/v1/log/entries?from=4&limit=3");
	assert_int_equal(json_count(json_get(j, S("entries"))), 3);
	assert_int_equal(number_at(j, "entries[0].position"), 4);
	j = OK_GET(c, "/v1/log/entries?subject=k7");
	assert_int_equal(json_count(json_get(j, S("entries"))), 1);
	assert_int_equal(number_at(j, "entries[0].position"), 7);
	stage_end(&s);
}

static void what_is_not_there_is_said(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	entry(&s, "key", "k", "{}");
	static const struct {
		const char *target, *field;
		int status;
	} rows[] = {
		{"/v1/log/proof?size=1&hash=" AUDIT_ZEROS, "", 404},
		{"/v1/log/proof?size=1", "hash", 400},
		{"/v1/log/proof?size=1&hash=abc", "hash", 400},
		{"/v1/log/consistency?first=0&second=2", "second", 400},
		{"/v1/log/consistency?first=2&second=1", "first", 400},
		{"/v1/log/consistency?first=-1&second=1", "first", 400},
		{"/v1/log/consistency?first=1", "second", 400},
		{"/v1/log/entries?limit=1001", "limit", 400},
		{"/v1/checkpoints?limit=0", "limit", 400},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		GET(c, rows[i].target);
		if (c->status != rows[i].status || strcmp(c->field, rows[i].field) != 0)
			fail_msg("%s: %d %s: %s", rows[i].target, c->status, c->field, c->text);
	}
	GET(c,
	    text(c, "/v1/log/proof?size=2&hash=%s", at(c, OK_GET(c, "/v1/log/head"), "root")));
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "size");
	stage_end(&s);
}

static void check_checkpoint(struct stage *s, struct json *j, const char *path)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct cloud *c = s->c;
	audit_checkpoint_text(S("example"), number_at(j, text(c, "%s.sequence", path)),
			      str_from(at(c, j, text(c, "%s.hash", path))),
			      number_at(j, text(c, "%s.at_ms", path)), &said);
	assert_true(is_signed_by(c, s->key, &said, at(c, j, text(c, "%s.signature", path))));
	assert_false(is_signed_by(c, s->ada, &said, at(c, j, text(c, "%s.signature", path))));
}

static void check_head(struct stage *s, struct json *j)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct cloud *c = s->c;
	assert_at(c, j, "signed", "true");
	assert_at(c, j, "cloud", "example");
	assert_at(c, j, "key", name_of(c, s->key).p);
	audit_head_text(S("example"), number_at(j, "size"), str_from(at(c, j, "root")),
			number_at(j, "at_ms"), &said);
	assert_true(is_signed_by(c, s->key, &said, at(c, j, "signature")));
}

static void what_is_new_is_signed_and_no_more(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	use_api(&s, "local"); /* everybody is the operator, and the master has a key */
	assert_at(c, OK_GET(c, "/v1/log/head"), "signed", "false");
	cloud_assess(c);
	struct json *j = OK_GET(c, "/v1/log/head");
	check_head(&s, j);
	assert_int_equal(number_at(j, "size"), 0);
	assert_at(c, OK_GET(c, "/v1/checkpoints"), "checkpoints", "[]"); /* no event yet */

	OK_POST(c, "/v1/releases", bundle);
	cloud_assess(c);
	check_head(&s, OK_GET(c, "/v1/log/head"));
	j = OK_GET(c, "/v1/checkpoints");
	assert_at(c, j, "signed", "true");
	check_checkpoint(&s, j, "checkpoints[0]");
	assert_at(c, j, "checkpoints[0].hash",
		  at(c, OK_GET(c, "/v1/events"), "events[0].hash"));
	/* A head a moment ago: the next one waits. */
	assert_int_equal(number_at(OK_GET(c, "/v1/log/head"), "size"), 0);
	c->now_ms += AUDIT_EVERY_MS;
	cloud_assess(c);
	assert_int_equal(number_at(OK_GET(c, "/v1/log/head"), "size"), 1);
	/* Nothing new: nothing is written, however long. */
	int64_t heads = cloud_number(c, "SELECT COUNT(*) FROM log_head"),
		points = cloud_number(c, "SELECT COUNT(*) FROM checkpoint");
	for (int i = 0; i < 50; i++) {
		c->now_ms += 3600 * SECOND;
		cloud_assess(c);
	}
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_head"), heads);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM checkpoint"), points);
	stage_end(&s);
}

static void busy_days_leave_one_checkpoint_an_hour(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	use_api(&s, "local");
	c->now_ms = INT64_C(1795000000000) / 3600000 * 3600000;
	for (int i = 0; i < 3 * 60; i++) {
		OK_PUT(c, "/v1/customers/acme", text(c, "{'address': '%d street'}", i));
		entry(&s, "key", text(c, "k%d", i), "{}");
		cloud_assess(c);
		c->now_ms += 60 * SECOND;
	}
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM checkpoint"), 4);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_head"), 4);
	struct json *j = OK_GET(c, "/v1/checkpoints");
	for (size_t i = 0; i < 4; i++)
		check_checkpoint(&s, j, text(c, "checkpoints[%zu]", i));
	assert_int_equal(number_at(j, "checkpoints[3].sequence"),
			 cloud_number(c, "SELECT MAX(sequence) FROM event"));
	j = OK_GET(c, "/v1/log/heads?since=61");
	assert_int_equal(json_count(json_get(j, S("heads"))), 2);
	/* A clock that was set back holds nothing up. */
	c->now_ms -= 86400 * SECOND;
	entry(&s, "key", "late", "{}");
	cloud_assess(c);
	assert_int_equal(number_at(OK_GET(c, "/v1/log/head"), "size"), 181);
	stage_end(&s);
}

static int add_certificate(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	struct customer owner;
	if (w->member_of) {
		if (store_customer_get(tx, w->s->c->a, str_from(w->member_of), 1, &owner, e) <
		    0)
			return -1;
		w->certificate.customer_id = owner.id;
	}
	return store_certificate_add(tx, &w->certificate, e);
}

static void certificate(struct stage *s, const char *serial, const struct key *k,
			const char *pem, const char *customer)
{
	struct work w = {.s = s,
			 .member_of = customer,
			 .certificate = {.serial = str_from(serial),
					 .authority = S("users"),
					 .kind = S("person"),
					 .owner = S("ada"),
					 .names_json = S("[]"),
					 .key_name = name_of(s->c, k),
					 .pem = str_from(pem),
					 .from_ms = 1,
					 .to_ms = INT64_C(1) << 50}};
	do_write(s->c, add_certificate, &w);
}

/* What the caller sees of each entry: its subject, or "-". */
static const char *seen(struct stage *s, struct json *j)
{
	struct cloud *c = s->c;
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	for (size_t i = 0; i < json_count(json_get(j, S("entries"))); i++) {
		assert_int_equal(strlen(at(c, j, text(c, "entries[%zu].hash", i))), 64);
		bool hidden = strcmp(at(c, j, text(c, "entries[%zu].hidden", i)), "true") == 0;
		bool told = strcmp(at(c, j, text(c, "entries[%zu].body", i)), "(none)") != 0;
		assert_true(hidden != told);
		buf_addf(&b, "%s ",
			 hidden ? "-" : at(c, j, text(c, "entries[%zu].subject", i)));
	}
	return text(c, "%s", b.p ? b.p : "");
}

static void others_see_hashes_alone(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	person(&s, "ada", "", "acme", s.ada);
	person(&s, "eve", "auditor", NULL, s.key);
	struct work node = {.s = &s, .key = s.n1};
	do_write(c, add_node, &node);
	entry(&s, "release", "uri", "{}");
	entry(&s, "key", "ada-key", "{\"kind\":\"person\",\"owner\":\"ada\"}");
	entry(&s, "key", "bob-key", "{\"kind\":\"person\",\"owner\":\"bob\"}");
	entry(&s, "key", "node-key", "{\"kind\":\"node\",\"owner\":\"n1\"}");
	entry(&s, "certificate", "01", "{\"kind\":\"service\",\"owner\":\"ada\"}");
	entry(&s, "certificate", "02", "{\"kind\":\"service\",\"owner\":\"x\"}");
	certificate(&s, "01", s.n1, "pem", "other");
	certificate(&s, "02", s.n1, "pem", "acme");
	use_api(&s, "tls");
	assert_string_equal(seen(&s, get_by_ada(&s, "/v1/log/entries")),
			    "uri ada-key - - - 02 ");
	struct json *j = call_by(&s, API_NODE, "n1", s.n1, "GET", "/v1/log/entries", S(""));
	assert_string_equal(seen(&s, j), "uri - - node-key - - ");
	j = call_by(&s, API_PERSON, "eve", s.key, "GET", "/v1/log/entries", S(""));
	assert_string_equal(seen(&s, j), "uri ada-key bob-key node-key 01 02 ");
	/* What is somebody else's is not there for who asks for it by name. */
	assert_string_equal(seen(&s, get_by_ada(&s, "/v1/log/entries?subject=bob-key")), "");
	assert_string_equal(seen(&s, get_by_ada(&s, "/v1/log/entries?subject=ada-key")),
			    "ada-key ");
	(void)call_by(&s, API_ANYONE, "", NULL, "GET", "/v1/log/entries", S(""));
	assert_int_equal(c->status, 401);
	stage_end(&s);
}

/* ---- witnesses ----------------------------------------------------------------------------- */

/* A certificate that the key made for itself: the master looks for the public half alone. */
static const char *pem_of(struct stage *s, const char *name)
{
	struct err e = ERR_INIT;
	struct str pem;
	const char *path = text(s->c, "%s/%s.pem", s->dir, name);
	const char *line = text(s->c,
				"openssl req -x509 -key %s/%s.key -subj /CN=%s -days 3 "
				"-addext subjectAltName=URI:hoc:person:%s -out %s 2>&1",
				s->dir, name, name, name, path);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	while (fgetc(f) != EOF)
		continue;
	assert_int_equal(pclose(f), 0);
	assert_int_equal(file_read(path, 100000, s->c->a, &pem, &e), 0);
	return pem.p;
}

static struct json *testify(struct stage *s, const struct key *k, int64_t size,
			    const char *root)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct cloud *c = s->c;
	struct err e = ERR_INIT;
	struct str signature;
	audit_witness_text(S("example"), size, str_from(root), &said);
	assert_int_equal(key_sign(k, buf_str(&said), c->a, &signature, &e), 0);
	const char *body = text(c, "{\"size\": %lld, \"root\": \"%s\", \"signature\": \"%s\"}",
				(long long)size, root, base64url(signature, c->a).p);
	return call_by(s, API_PERSON, "ada", s->ada, "POST", "/v1/log/witness", str_from(body));
}

static void a_witness_is_heard(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	person(&s, "ada", "", NULL, s.ada);
	person(&s, "eve", "auditor", NULL, s.n1);
	certificate(&s, "0a", s.ada, pem_of(&s, "ada"), NULL);
	use_api(&s, "tls");
	entry(&s, "key", "k", "{}");
	c->now_ms += AUDIT_EVERY_MS;
	cloud_assess(c);
	struct json *head = get_by_ada(&s, "/v1/log/head");
	check_head(&s, head);
	const char *root = at(c, head, "root");
	struct json *j = testify(&s, s.ada, 1, root);
	assert_int_equal(c->status, 200);
	assert_at(c, j, "witness", "person:ada");
	/* Everybody can check the word; who it was is told to auditors and to himself. */
	j = get_by_ada(&s, "/v1/log/head");
	assert_at(c, j, "witnesses[0].witness", "person:ada");
	assert_at(c, j, "witnesses[0].root", root);
	assert_int_equal(number_at(j, "witnesses[0].size"), 1);
	assert_at(c, j, "witnesses[0].public", base64url(key_public(s.ada), c->a).p);
	j = call_by(&s, API_PERSON, "eve", s.n1, "GET", "/v1/log/head", S(""));
	assert_at(c, j, "witnesses[0].witness", "person:ada");
	/* The word about a smaller size does not replace it. */
	(void)testify(&s, s.ada, 0, AUDIT_ZEROS);
	assert_int_equal(c->status, 409);
	assert_non_null(strstr(c->text, "another root"));
	j = testify(&s, s.ada, 0,
		    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(c->status, 200);
	assert_int_equal(number_at(j, "size"), 1);
	assert_int_equal(cloud_number(c, "SELECT size FROM log_witness"), 1);
	/* Not his signature; more than there is; not a root. */
	(void)testify(&s, s.n1, 1, root);
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "signature");
	(void)testify(&s, s.ada, 2, root);
	assert_string_equal(c->field, "size");
	(void)testify(&s, s.ada, 1,
		      "zz00000000000000000000000000000000000000000000000000000000000000");
	assert_string_equal(c->field, "root");
	stage_end(&s);
}

static void who_has_no_key_is_no_witness(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	person(&s, "ada", "", NULL, s.ada); /* without a certificate */
	use_api(&s, "tls");
	(void)testify(&s, s.ada, 0,
		      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(c->status, 403);
	(void)call_by(
		&s, API_PERSON, "ada", NULL, "POST", "/v1/log/witness",
		S("{\"size\": 0, \"signature\": \"AA\", \"root\": "
		  "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}"));
	assert_int_equal(c->status, 403);
	stage_end(&s);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"releases stand in the log once", releases_stand_in_the_log_once},
		{"a local master signs nothing and says so",
		 a_local_master_signs_nothing_and_says_so},
		{"proofs hold at the client", proofs_hold_at_the_client},
		{"what is not there is said", what_is_not_there_is_said},
		{"what is new is signed and no more", what_is_new_is_signed_and_no_more},
		{"busy days leave one checkpoint an hour",
		 busy_days_leave_one_checkpoint_an_hour},
		{"others see hashes alone", others_see_hashes_alone},
		{"a witness is heard", a_witness_is_heard},
		{"who has no key is no witness", who_has_no_key_is_no_witness},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
