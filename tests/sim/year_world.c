/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The cloud of year.h: made, asked, opened and closed. */
#include "year.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/proof.h"
#include "api/enrol.h"
#include "base/file.h"
#include "master/issuers.h"
#include "store/release.h"

enum { FILE_MAX = 1 << 20, STEP_BYTES = 256 << 20 };

NORETURN void year_die(const char *what, const struct err *e)
{
	printf("year: %s: %s %s\n", what, e->field, e->text);
	exit(1);
}

void year_fail(struct year *y, const char *format, ...)
{
	char line[400];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	y->failed++;
	if (y->told++ < 20)
		printf("violated: %s: day %d: %s\n", y->plan->name, y->day, line);
}

const char *year_path(struct year *y, const struct party *p, const char *name)
{
	const char *path = p ? arena_fmt(y->a, "%s/identity/%s", p->dir, name).p
			     : arena_fmt(y->a, "%s/%s", y->master_dir, name).p;
	YEAR_TRY(arena_check(y->a, &e_));
	return path;
}

struct str year_read(struct year *y, const struct party *p, const char *name)
{
	struct str text = S("");
	YEAR_TRY(file_read(year_path(y, p, name), FILE_MAX, y->a, &text, &e_));
	return text;
}

void year_write(struct year *y, const struct party *p, const char *name, struct str text)
{
	YEAR_TRY(file_write(year_path(y, p, name), text, 0600, &e_));
}

/* ---- asking -------------------------------------------------------------------------------- */

struct running {
	struct api_call *call;
	struct api_response out;
};

static int run_call(struct db_tx *tx, void *user, struct err *e)
{
	struct running *r = user;
	return api_run(r->call, tx, false, &r->out, e);
}

int year_ask(struct year *y, struct party *p, const char *method, const char *target,
	     struct str body, struct str *out)
{
	struct err e = ERR_INIT;
	struct running r = {.call = NULL};
	struct api_request q = {
		.method = str_from(method),
		.target = str_from(target),
		.content_type = body.n ? S("application/json") : S(""),
		.accept = S("*/*"),
		.body = arena_dup(y->a, body),
		.nonce = S("AAAAAAAAAAAAAAAAAAAAAA"),
	};
	if (p) {
		q.caller.kind = p->is_node ? API_NODE : API_PERSON;
		q.caller.name = str_from(p->name);
		q.caller.key = key_name(p->key);
	}
	if (p && p->is_node && strcmp(method, "GET") != 0) {
		const struct signed_report report = {.node = q.caller.name,
						     .method = q.method,
						     .target = q.target,
						     .sequence = ++p->sequence,
						     .at_ms = y->now_ms};
		YEAR_TRY(proof_report(p->key, &report, q.body, y->a, &q.report, &e_));
	}
	int rc = api_open(y->api, &q, y->a, &r.call, &e);
	if (rc == 0)
		rc = api_call_is_read(r.call) ? db_read(y->db, run_call, &r, &e)
					      : db_write(y->db, run_call, &r, &e);
	if (rc < 0)
		api_refuse(y->api, &q, &e, y->a, &r.out);
	else if (!api_call_is_read(r.call))
		api_committed(y->api, &r.out);
	*out = r.out.body;
	return r.out.status;
}

struct json *year_ok(struct year *y, struct party *p, const char *method, const char *target,
		     struct str body)
{
	struct str text;
	struct json *answer = NULL;
	int status = year_ask(y, p, method, target, body, &text);
	if (status / 100 != 2)
		year_fail(y, "%s %s %s: %d %" STR_F, p ? p->name : "anyone", method, target,
			  status, STR_A(str_sub(text, 0, 200)));
	else
		YEAR_TRY(json_parse(text, y->a, &answer, &e_));
	return answer;
}

struct str year_csr(struct year *y, const struct key *k, const char *more)
{
	const struct cert_names none = {.count = 0};
	struct str pem;
	struct buf b CLEAN(buf_fini) = BUF_INIT(FILE_MAX);
	YEAR_TRY(cert_request_make(k, S("any"), &none, y->a, &pem, &e_));
	buf_addf(&b, "{%s\"csr\": ", more);
	json_write_str(pem, &b);
	buf_add(&b, S("}"));
	return arena_dup(y->a, buf_str(&b));
}

/* ---- the master ---------------------------------------------------------------------------- */

static const struct master_secrets no_secrets = {S_INIT(""), S_INIT("")};

static void open_identity(struct year *y)
{
	YEAR_TRY(master_identity_open(y->master_dir, &no_secrets, y->a, &y->master, &e_));
}

void year_master_up(struct year *y)
{
	bool has_failed = false;
	open_identity(y);
	if (master_issuers_roll(&y->master, &no_secrets, y->now_ms, y->a, &has_failed)) {
		y->issuers++;
		master_identity_close(&y->master);
		open_identity(y);
	}
	if (has_failed)
		year_fail(y, "an issuer is due and was not rolled over");
	const struct api_options o = {
		.clock = &y->clock,
		.rng = &y->rng.rng,
		.version = "simulated",
		.database = "sqlite",
		.mode = "tls",
		.cloud = "year",
		.zone = "zone.example",
		.users = y->master.users,
		.services = y->master.services,
		.key = y->master.key,
		.key_name = str_from(y->master.key_name),
	};
	YEAR_TRY(api_new(&o, &y->api, &e_));
	year_master_certify(y);
}

void year_master_down(struct year *y)
{
	y->api = api_free(y->api);
	master_identity_close(&y->master);
}

struct certify {
	struct year *y;
	struct cert_names names;
	struct str chain;
};

static int certify(struct db_tx *tx, void *user, struct err *e)
{
	struct certify *k = user;
	struct year *y = k->y;
	return enrol_master(y->api, tx, S("year"), key_public(y->master.key), &k->names, y->a,
			    &k->chain, e);
}

void year_master_certify(struct year *y)
{
	struct str host = S(YEAR_HOST);
	struct certify k = {.y = y, .names = {&host, 1}};
	struct err e = ERR_INIT;
	int rc = master_identity_check(&y->master, &k.names, y->now_ms, y->a, &e);
	if (rc < 0)
		year_die("the master's certificate", &e);
	if (rc > 0)
		return;
	YEAR_TRY(db_write(y->db, certify, &k, &e_));
	YEAR_TRY(master_identity_keep(&y->master, k.chain, y->a, &e_));
	y->masters++;
	y->signed_++;
}

static void make_master(struct year *y)
{
	struct key *k CLEAN(key_freep) = NULL;
	YEAR_TRY(file_mkdirs(year_path(y, NULL, "ca"), 0700, &e_));
	YEAR_TRY(file_mkdirs(year_path(y, NULL, "identity"), 0700, &e_));
	for (int kind = 0; kind < CA_KINDS; kind++) {
		const char *word = ca_kind_word((enum ca_kind)kind);
		const struct ca_make make = {
			.dir = arena_fmt(y->a, "%s/%s", year_path(y, NULL, "ca"), word).p,
			.kind = (enum ca_kind)kind,
			.cloud = S("year"),
			.passphrase = S(""),
			.key_kind = KEY_P256,
			.now_ms = y->now_ms,
		};
		YEAR_TRY(ca_make(&make, &e_));
	}
	YEAR_TRY(key_open(year_path(y, NULL, "identity/key.pem"), KEY_P256, &k, &e_));
	year_write(y, NULL, "eab.key", S("0123456789abcdef0123456789abcdef"));
	year_master_up(y);
}

/* ---- who is there -------------------------------------------------------------------------- */

#define URI "hoc:web@sha256:1111111111111111111111111111111111111111111111111111111111111111"

static int add_release(struct db_tx *tx, void *user, struct err *e)
{
	const struct year *y = user;
	struct release r = {
		.uri = S(URI),
		.name = S("web"),
		.title = S("web"),
		.category = S("test"),
		.hash = str_sub(S(URI), strlen("hoc:web@sha256:"), 64),
		.manifest_json = S("{\"name\":\"web\",\"title\":\"web\",\"category\":\"test\","
				   "\"software\":{\"debian\":{\"suite\":\"bookworm\","
				   "\"packages\":[\"hello\"]}},\"types\":{\"default\":{}}}"),
		.published_at_ms = y->now_ms,
	};
	return store_release_add(tx, &r, S("{}"), e);
}

struct let_in {
	struct year *y;
	struct enrol_order order;
	struct str token;
};

static int make_token(struct db_tx *tx, void *user, struct err *e)
{
	struct let_in *l = user;
	return enrol_token_make(l->y->api, tx, &l->order, l->y->a, &l->token, e);
}

static void enrol(struct year *y, struct party *p, const char *roles, const char *customer)
{
	struct age_identity *seal CLEAN(age_identity_freep) = NULL;
	struct let_in l = {.y = y,
			   .order = {.is_node = p->is_node,
				     .name = str_from(p->name),
				     .roles = str_from(roles),
				     .customer = str_from(customer),
				     .is_owner = customer[0],
				     .made_by = S("the simulation"),
				     .root = ca_root_fingerprint(y->master.users)}};
	YEAR_TRY(file_mkdirs(arena_fmt(y->a, "%s/identity", p->dir).p, 0700, &e_));
	YEAR_TRY(key_open(year_path(y, p, "key.pem"), KEY_P256, &p->key, &e_));
	YEAR_TRY(age_identity_open(year_path(y, p, "seal.age"), &seal, &e_));
	YEAR_TRY(db_write(y->db, make_token, &l, &e_));
	struct json *j = year_ok(
		y, NULL, "POST", "/v1/enrol",
		year_csr(y, p->key,
			 arena_fmt(y->a, "\"token\": \"%" STR_F "\", ", STR_A(l.token)).p));
	year_write(y, p, "roots.pem", json_str_of(json_get(j, S("roots")), S("")));
	year_write(y, p, "cert.pem", json_str_of(json_get(j, S("certificate")), S("")));
	y->signed_++;
	if (p->is_node)
		YEAR_TRY(keys_open(p->dir, &p->keys, &e_) != 0 ? -1 : 0);
}

/* An instance of ann's on the node, which she orders and it takes. */
static void order(struct year *y, struct party *ann, struct party *op, struct party *n)
{
	struct json *j;
	year_ok(y, n, "POST", "/slapos.put.v0.compute_node_format",
		arena_fmt(y->a,
			  "{\"computer_guid\": \"%s\", \"compute_partition_list\": "
			  "[{\"partition_id\": \"p0\"}]}",
			  n->name));
	year_ok(y, op, "PUT", "/v1/installations",
		arena_fmt(y->a, "{\"release\": \"" URI "\", \"node\": \"%s\"}", n->name));
	year_ok(y, n, "POST", "/slapos.put.v0.software_installation_reported_state",
		arena_fmt(y->a,
			  "{\"software_release_uri\": \"" URI "\", \"computer_guid\": \"%s\", "
			  "\"reported_state\": \"available\"}",
			  n->name));
	j = year_ok(y, ann, "POST", "/v1/instances",
		    arena_fmt(y->a,
			      "{\"release\": \"web\", \"title\": \"on-%s\", "
			      "\"customer\": \"shop\"}",
			      n->name));
	(void)snprintf(n->guid, sizeof n->guid, "%" STR_F,
		       STR_A(json_str_of(json_get(j, S("guid")), S(""))));
}

static void make_parties(struct year *y)
{
	static const char *const names[YEAR_PARTIES] = {"n1", "n2", "n3", "op", "ann", "bob"};
	struct party *ps = y->parties, *op = &ps[3], *ann = &ps[4], *bob = &ps[5];
	for (size_t i = 0; i < YEAR_PARTIES; i++) {
		ps[i] = (struct party){.year = y, .name = names[i], .is_node = i < YEAR_NODES};
		(void)snprintf(ps[i].dir, sizeof ps[i].dir, "%s/%s", y->dir, names[i]);
	}
	enrol(y, op, "operator", "");
	enrol(y, ann, "", "shop");
	enrol(y, bob, "", "other");
	for (size_t i = 0; i < YEAR_NODES; i++) {
		enrol(y, &ps[i], "", "");
		order(y, ann, op, &ps[i]);
	}
	year_ok(y, op, "PUT", "/v1/nodes/n3/delegation",
		S("{\"names\": [\"shop.zone.example\"]}"));
}

/* ---- life ---------------------------------------------------------------------------------- */

static int64_t virtual_ms(void *user)
{
	const struct year *y = user;
	return y->now_ms;
}

void year_begin(struct year *y, const struct year_plan *plan)
{
	*y = (struct year){
		.plan = plan, .dir = "/dev/shm/hoc-year-XXXXXX", .began_ms = 1767225600000};
	for (int i = 0; i < YEAR_USES; i++)
		y->shortest_ms[i] = INT64_MAX;
	y->now_ms = y->began_ms;
	y->clock = (struct clock){.now_ms = virtual_ms, .mono_ms = virtual_ms, .user = y};
	rng_seeded_init(&y->rng, 1);
	if (!mkdtemp(y->dir))
		exit(1);
	(void)snprintf(y->master_dir, sizeof y->master_dir, "%s/master", y->dir);
	const struct db_options o = {.clock = &y->clock};
	YEAR_TRY(arena_new(STEP_BYTES, &y->a, &e_));
	YEAR_TRY(db_open("sqlite::memory:", &o, &y->db, &e_));
	YEAR_TRY(api_migrate(y->db, &e_));
	YEAR_TRY(db_write(y->db, add_release, y, &e_));
	make_master(y);
	make_parties(y);
}

void year_end(struct year *y)
{
	for (size_t i = 0; i < YEAR_PARTIES; i++) {
		keys_free(y->parties[i].keys);
		key_free(y->parties[i].key);
	}
	year_master_down(y);
	db_close(y->db);
	YEAR_TRY(file_remove_tree(y->dir, &e_));
	arena_free(y->a);
}
