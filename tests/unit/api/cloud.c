/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cloud.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/event.h"
#include "store/release.h"

enum { CASES_MAX = 128 };

static char world_dir[64], world_url[256];

static int64_t now_of(void *user)
{
	return ((struct cloud *)user)->now_ms;
}

static void shell(const char *verb, char *line, size_t size)
{
	char command[200];
	(void)snprintf(command, sizeof command, "tests/pg-cluster.sh %s %s/pg", verb,
		       world_dir);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	line[0] = 0;
	if (fgets(line, (int)size, f))
		line[strcspn(line, "\n")] = 0;
	assert_int_equal(pclose(f), 0);
}

static int world_begin(void **state UNUSED)
{
	(void)snprintf(world_dir, sizeof world_dir, "/tmp/hoc-api-XXXXXX");
	assert_non_null(mkdtemp(world_dir));
	assert_int_equal(chmod(world_dir, 0755), 0);
	shell("start", world_url, sizeof world_url);
	return 0;
}

static int world_end(void **state UNUSED)
{
	char line[8];
	struct err e = ERR_INIT;
	shell("stop", line, sizeof line);
	return file_remove_tree(world_dir, &e);
}

static int run_text(struct db_tx *tx, void *user, struct err *e)
{
	struct db_sql sql = {"test_text", user, ""};
	return db_exec(db_prepare(tx, &sql), e) < 0 ? -1 : 0;
}

static void make_schema(struct cloud *c)
{
	struct err e = ERR_INIT;
	struct db *db CLEAN(db_closep) = NULL;
	char sql[64];
	(void)snprintf(sql, sizeof sql, "CREATE SCHEMA case%d", c->number);
	(void)snprintf(c->url, sizeof c->url, "%s&options=-csearch_path%%3Dcase%d", world_url,
		       c->number);
	assert_int_equal(db_open(world_url, NULL, &db, &e), 0);
	assert_int_equal(db_write(db, run_text, sql, &e), 0);
}

static int case_begin(void **state)
{
	struct cloud *c = *state;
	struct err e = ERR_INIT;
	c->now_ms = INT64_C(1795000000000);
	c->clock = (struct clock){now_of, now_of, c};
	rng_seeded_init(&c->rng, 42);
	if (c->engine == DB_SQLITE)
		(void)snprintf(c->url, sizeof c->url, "sqlite::memory:");
	else
		make_schema(c);
	assert_int_equal(db_open(c->url, NULL, &c->db, &e), 0);
	if (api_migrate(c->db, &e) < 0)
		fail_msg("%s", e.text);
	const struct profile_eval_options eval = {.program = NULL};
	assert_int_equal(profile_eval_new(&eval, &c->eval, &e), 0);
	const struct api_options options = {
		.clock = &c->clock,
		.rng = &c->rng.rng,
		.eval = c->eval,
		.version = "test",
		.database = db_engine_name(c->db),
		.mode = "local",
	};
	assert_int_equal(api_new(&options, &c->api, &e), 0);
	assert_int_equal(arena_new(256 << 20, &c->a, &e), 0);
	return 0;
}

static int case_end(void **state)
{
	struct cloud *c = *state;
	c->api = api_free(c->api);
	c->db = db_close(c->db);
	c->a = arena_free(c->a);
	c->eval = profile_eval_free(c->eval);
	return 0;
}

static void case_run(void **state)
{
	struct cloud *c = *state;
	c->run(c);
	cloud_check(c);
}

int cloud_run(int argc, char **argv, const struct cloud_case *cases, size_t n)
{
	static struct cloud clouds[CASES_MAX];
	static char names[CASES_MAX][120];
	static const char *const engines[] = {"sqlite", "postgresql"};
	struct CMUnitTest tests[CASES_MAX];
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
	ASSERT(2 * n <= CASES_MAX);
	for (size_t i = 0; i < 2 * n; i++) {
		(void)snprintf(names[i], sizeof names[i], "%s: %s", engines[i / n],
			       cases[i % n].name);
		clouds[i] = (struct cloud){.engine = i < n ? DB_SQLITE : DB_POSTGRESQL,
					   .number = (int)i,
					   .run = cases[i % n].run};
		tests[i] = (struct CMUnitTest){names[i], case_run, case_begin, case_end,
					       &clouds[i]};
	}
	return _cmocka_run_group_tests("api", tests, 2 * n, world_begin, world_end);
}

/* ---- calls --------------------------------------------------------------------------------- */

struct running {
	struct cloud *c;
	struct api_call *call;
	struct arena *a;
	bool may_wait;
};

static int run(struct db_tx *tx, void *user, struct err *e)
{
	struct running *r = user;
	return api_run(r->call, tx, r->may_wait, &r->c->out, e);
}

static struct json *call(struct cloud *c, const struct api_request *req, bool may_wait)
{
	struct err e = ERR_INIT;
	struct running r = {.c = c, .may_wait = may_wait};
	struct json *answer = NULL;
	assert_int_equal(arena_new(API_ARENA_BYTES, &r.a, &e), 0);
	int rc = api_open(c->api, req, r.a, &r.call, &e);
	if (rc == 0)
		rc = api_call_is_read(r.call) ? db_read(c->db, run, &r, &e)
					      : db_write(c->db, run, &r, &e);
	c->text[0] = c->field[0] = 0;
	c->parked = rc == API_PARK;
	if (rc < 0) {
		(void)snprintf(c->text, sizeof c->text, "%s", e.text);
		(void)snprintf(c->field, sizeof c->field, "%s", e.field);
		api_refuse(c->api, req, &e, r.a, &c->out);
	}
	c->status = c->out.status;
	if (rc != API_PARK && json_parse(c->out.body, c->a, &answer, &e) < 0)
		answer = NULL;
	c->out.body = arena_dup(c->a, c->out.body);
	c->out.contact = arena_dup(c->a, c->out.contact.p ? c->out.contact : S(""));
	for (size_t i = 0; i < c->out.wake_count; i++)
		c->out.wakes[i] = arena_dup(c->a, c->out.wakes[i]);
	arena_free(r.a);
	return answer;
}

struct json *cloud_call(struct cloud *c, const char *method, const char *target,
			const char *body)
{
	char copy[100000];
	size_t n = strlen(body);
	assert_true(n < sizeof copy);
	for (size_t i = 0; i <= n; i++)
		copy[i] = body[i] == '\'' ? '"' : body[i];
	const struct api_request req = {
		.method = str_from(method),
		.target = str_from(target),
		.content_type = n ? S("application/json") : S(""),
		.accept = S("*/*"),
		.body = str_of(copy, n),
	};
	return call(c, &req, false);
}

struct json *cloud_call_wait(struct cloud *c, const char *target)
{
	const struct api_request req = {.method = S("GET"), .target = str_from(target)};
	return call(c, &req, true);
}

struct json *cloud_ok(struct cloud *c, const char *method, const char *target, const char *body)
{
	struct json *j = cloud_call(c, method, target, body);
	if (c->status != 200 && c->status != 201)
		fail_msg("%s %s %s: %d %s: %s", method, target, body, c->status, c->field,
			 c->text);
	return j;
}

const char *at(struct cloud *c, struct json *j, const char *path)
{
	const struct json *v = json_path(j, str_from(path));
	if (json_is(v, JSON_IS_STR))
		return arena_cstr(c->a, v->str);
	return v ? arena_cstr(c->a, json_text(v, c->a)) : "(none)";
}

int64_t number_at(struct json *j, const char *path)
{
	return json_i64_of(json_path(j, str_from(path)), -1);
}

const char *text(struct cloud *c, const char *format, ...)
{
	char line[4000];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	return arena_cstr(c->a, str_from(line));
}

/* ---- the stage ----------------------------------------------------------------------------- */

struct release_job {
	struct release r;
};

static int add_release(struct db_tx *tx, void *user, struct err *e)
{
	return store_release_add(tx, &((struct release_job *)user)->r, S("{}"), e);
}

void cloud_release(struct cloud *c, const char *name, const char *types)
{
	struct err e = ERR_INIT;
	struct struct_hash {
		char hex[65];
	} h;
	for (size_t i = 0; i < 64; i++)
		h.hex[i] = "0123456789abcdef"[(unsigned char)name[i % strlen(name)] % 16];
	h.hex[64] = 0;
	const char *manifest = text(
		c,
		"{\"name\": \"%s\", \"title\": \"%s\", \"category\": \"web\", \"software\": "
		"{\"debian\": {\"suite\": \"bookworm\", \"packages\": [\"nginx\"]}}, "
		"\"types\": "
		"%s}",
		name, name, types);
	struct release_job job = {
		.r = {
			.uri = str_from(text(c, "hoc:%s@sha256:%s", name, h.hex)),
			.name = str_from(name),
			.title = str_from(name),
			.category = S("web"),
			.hash = str_from(text(c, "%s", h.hex)),
			.manifest_json = str_from(manifest),
			.published_at_ms = c->now_ms,
		}};
	assert_int_equal(db_write(c->db, add_release, &job, &e), 0);
}

void cloud_node(struct cloud *c, const char *name, int n)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(15000);
	buf_addf(&b, "{'computer_guid': '%s', 'compute_partition_list': [", name);
	for (int i = 0; i < n; i++)
		buf_addf(&b,
			 "%s{'partition_id': 'p%d', 'ip_list': [{'ip-address': '10.0.0.%d', "
			 "'network-interface': 'tap%d'}]}",
			 i ? ", " : "", i, i + 1, i);
	buf_add(&b, S("]}"));
	OK_POST(c, "/slapos.put.v0.compute_node_format", buf_str(&b).p);
}

void cloud_supply(struct cloud *c, const char *release, const char *node)
{
	struct json *j = OK_PUT(c, "/v1/installations",
				text(c, "{'release': '%s', 'node': '%s'}", release, node));
	OK_POST(c, "/slapos.put.v0.software_installation_reported_state",
		text(c,
		     "{'software_release_uri': '%s', 'computer_guid': '%s', 'reported_state': "
		     "'available'}",
		     at(c, j, "release"), node));
}

const char *cloud_order(struct cloud *c, const char *title)
{
	struct json *j = OK_POST(c, "/v1/instances",
				 text(c, "{'release': 'web', 'title': '%s'}", title));
	return at(c, j, "guid");
}

void cloud_report(struct cloud *c, const char *guid, const char *state)
{
	OK_POST(c, "/slapos.put.v0.software_instance_reported_state",
		text(c, "{'instance_guid': '%s', 'reported_state': '%s'}", guid, state));
}

void cloud_stage(struct cloud *c, int partitions)
{
	cloud_release(c, "web",
		      "{\"default\": {\"parameters\": {\"properties\": {\"title\": {\"type\": "
		      "\"string\", \"maxLength\": 20}, \"port\": {\"type\": \"integer\", "
		      "\"maximum\": 65535, \"default\": 80}}}}, \"host\": {\"shared\": true}}");
	cloud_node(c, "n1", partitions);
	cloud_supply(c, "web", "n1");
}

/* ---- what must always hold ----------------------------------------------------------------- */

struct number_job {
	const struct db_sql *sql;
	int64_t value;
};

static int read_number(struct db_tx *tx, void *user, struct err *e)
{
	struct number_job *job = user;
	struct db_stmt *q = db_prepare(tx, job->sql);
	int rc = db_step(q, e);
	if (rc > 0)
		job->value = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

/* Room db knows a statement by its address: each text gets one for ever. */
static const struct db_sql *statement(const char *sql)
{
	static struct db_sql kept[64];
	size_t i = 0;
	while (i < ARRAY_LEN(kept) && kept[i].text && strcmp(kept[i].text, sql) != 0)
		i++;
	assert_true(i < ARRAY_LEN(kept));
	kept[i] = (struct db_sql){sql, sql, ""};
	return &kept[i];
}

int64_t cloud_number(struct cloud *c, const char *sql)
{
	struct err e = ERR_INIT;
	struct number_job job = {statement(sql), -1};
	if (db_read(c->db, read_number, &job, &e) < 0)
		fail_msg("%s: %s", sql, e.text);
	return job.value;
}

static int verify(struct db_tx *tx, void *user, struct err *e)
{
	return store_event_verify(tx, 1000000, user, e);
}

void cloud_check(struct cloud *c)
{
	static const char *const zero[] = {
		"SELECT COUNT(*) FROM node n WHERE partitions_free <> (SELECT COUNT(*) FROM "
		"partition p "
		"WHERE p.node_id = n.id AND p.instance_id IS NULL AND p.is_gone = 0)",
		"SELECT COUNT(*) FROM instance i WHERE i.partition_id IS NOT NULL AND "
		"i.is_shared = 0 "
		"AND NOT EXISTS (SELECT 1 FROM partition p WHERE p.id = i.partition_id AND "
		"p.instance_id = i.id AND p.node_id = i.node_id)",
		"SELECT COUNT(*) FROM partition p WHERE p.instance_id IS NOT NULL AND NOT "
		"EXISTS "
		"(SELECT 1 FROM instance i WHERE i.id = p.instance_id AND i.partition_id = "
		"p.id AND "
		"i.is_live = 1)",
		"SELECT COUNT(*) FROM installation s JOIN node n ON n.id = s.node_id WHERE "
		"s.has_room "
		"<> CASE WHEN n.partitions_free > 0 THEN 1 ELSE 0 END",
		"SELECT COUNT(*) FROM instance i WHERE i.shared_count <> (SELECT COUNT(*) FROM "
		"instance x WHERE x.host_id = i.id AND x.is_live = 1) AND i.is_live = 1",
		"SELECT COUNT(*) FROM instance i WHERE i.kept <> (SELECT COUNT(*) FROM promise "
		"p WHERE "
		"p.promiser = i.guid AND p.kind = 'health' AND p.state = 'kept') AND i.is_live "
		"= 1",
	};
	struct err e = ERR_INIT;
	int64_t checked = 0;
	for (size_t i = 0; i < ARRAY_LEN(zero); i++)
		if (cloud_number(c, zero[i]) != 0)
			fail_msg("invariant: %s", zero[i]);
	if (db_read(c->db, verify, &checked, &e) < 0)
		fail_msg("chain: %s", e.text);
	assert_int_equal(checked, cloud_number(c, "SELECT COUNT(*) FROM event"));
}

static int assess(struct db_tx *tx, void *user, struct err *e)
{
	struct cloud *c = user;
	struct api_response out;
	c->status = api_assess(c->api, tx, 100, c->a, &out, e);
	return c->status < 0 ? -1 : 0;
}

int cloud_assess(struct cloud *c)
{
	struct err e = ERR_INIT;
	if (db_write(c->db, assess, c, &e) < 0)
		fail_msg("%s", e.text);
	return c->status;
}
