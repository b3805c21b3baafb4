/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* A cloud in memory that lives as long as the program, and one request against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "db/db.h"
#include "json/json.h"
#include "store/release.h"

struct fuzz_cloud {
	struct db *db;
	struct api *api;
	struct rng_seeded rng;
	struct clock clock;
};

struct fuzz_call {
	struct api_request req;
	struct api *api;
	struct arena *a;
	bool keeps; /* else rolled back */
	bool is_answered;
	struct api_response out;
};

static int64_t fuzz_now(void *user UNUSED)
{
	return INT64_C(1795000000000);
}

static int fuzz_run(struct db_tx *tx, void *user, struct err *e)
{
	struct fuzz_call *c = user;
	if (api_handle(c->api, &c->req, tx, c->a, &c->out, e) < 0)
		return -1;
	c->is_answered = true;
	return c->keeps ? 0 : err_fail(e, ERR_USAGE, "rolled back");
}

static int fuzz_release(struct db_tx *tx, void *user UNUSED, struct err *e)
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
			  "\"software\": "
			  "{\"debian\": {\"suite\": \"bookworm\", \"packages\": [\"nginx\"]}}, "
			  "\"types\": "
			  "{\"default\": {\"parameters\": {\"properties\": {\"n\": {\"type\": "
			  "\"integer\"}}}}, \"host\": {\"shared\": true}}}"),
	};
	return store_release_add(tx, &r, S("{}"), e);
}

static void fuzz_stage(struct fuzz_cloud *cloud, const char *method, const char *target,
		       const char *body)
{
	struct err e = ERR_INIT;
	struct fuzz_call c = {.req = {.method = str_from(method),
				      .target = str_from(target),
				      .content_type = S("application/json"),
				      .body = str_from(body)},
			      .api = cloud->api,
			      .keeps = true};
	ASSERT(arena_new(API_ARENA_BYTES, &c.a, &e) == 0);
	ASSERT(db_write(cloud->db, fuzz_run, &c, &e) == 0);
	arena_free(c.a);
}

static struct fuzz_cloud *fuzz_cloud(void)
{
	static struct fuzz_cloud cloud;
	struct err e = ERR_INIT;
	if (cloud.db)
		return &cloud;
	cloud.clock = (struct clock){fuzz_now, fuzz_now, NULL};
	rng_seeded_init(&cloud.rng, 1);
	const struct api_options o = {.clock = &cloud.clock,
				      .rng = &cloud.rng.rng,
				      .version = "fuzz",
				      .database = "sqlite",
				      .mode = "local"};
	ASSERT(db_open("sqlite::memory:", NULL, &cloud.db, &e) == 0);
	ASSERT(api_migrate(cloud.db, &e) == 0 && api_new(&o, &cloud.api, &e) == 0);
	ASSERT(db_write(cloud.db, fuzz_release, NULL, &e) == 0);
	fuzz_stage(&cloud, "POST", "/slapos.put.v0.compute_node_format",
		   "{\"computer_guid\": \"n1\", \"compute_partition_list\": "
		   "[{\"partition_id\": \"p0\"}, "
		   "{\"partition_id\": \"p1\"}]}");
	fuzz_stage(&cloud, "PUT", "/v1/installations",
		   "{\"release\": \"web\", \"node\": \"n1\"}");
	fuzz_stage(&cloud, "POST", "/v1/instances",
		   "{\"release\": \"web\", \"title\": \"a\", \"type\": \"host\"}");
	fuzz_stage(&cloud, "PUT", "/v1/prices/default",
		   "{\"currency\": \"EUR\", \"components\": [{\"kind\": \"subscription\", "
		   "\"price\": "
		   "\"1\"}], \"vats\": [{\"country\": \"FR\", \"rate\": \"20\"}]}");
	return &cloud;
}

/* The row that `choice` means, of one dialect. */
static struct api_op_info fuzz_row(uint8_t choice, bool is_v0)
{
	struct api_op_info row = {.method = "GET"}, found[128];
	size_t n = 0;
	for (size_t i = 0; api_op_info(i, &row) && n < 128; i++)
		if ((strncmp(row.path, "/slapos.", 8) == 0) == is_v0)
			found[n++] = row;
	return found[choice % n];
}

/* Puts `names` where the path has {…}, and the rest behind it as query. */
static void fuzz_target(struct buf *b, const char *path, struct str names)
{
	struct str rest = str_from(path);
	while (rest.n) {
		size_t at = str_find_char(rest, '{');
		buf_add(b, str_sub(rest, 0, at));
		if (at == rest.n)
			break;
		struct str name = names;
		size_t end = str_find_char(names, ' ');
		name = str_sub(names, 0, end);
		names = str_sub(names, end + 1, names.n);
		buf_add(b, name.n ? name : S("n1"));
		rest = str_sub(rest, str_find_char(rest, '}') + 1, rest.n);
	}
	if (names.n) {
		buf_add_c(b, '?');
		buf_add(b, names);
	}
}

static int fuzz_api(const uint8_t *data, size_t n, bool is_v0)
{
	struct err e = ERR_INIT;
	struct fuzz_cloud *cloud = fuzz_cloud();
	if (n < 1 || n > 1 << 16)
		return 0;
	struct api_op_info row = fuzz_row(data[0], is_v0);
	struct str rest = str_of((const char *)data + 1, n - 1);
	size_t line = str_find_char(rest, '\n');
	struct buf target CLEAN(buf_fini) = BUF_INIT(1 << 17);
	fuzz_target(&target, row.path, str_sub(rest, 0, line));
	struct fuzz_call c = {.req = {.method = str_from(row.method),
				      .target = buf_str(&target),
				      .content_type = S("application/json"),
				      .body = str_sub(rest, line + 1, rest.n)},
			      .api = cloud->api};
	ASSERT(arena_new(API_ARENA_BYTES, &c.a, &e) == 0);
	int rc = db_write(cloud->db, fuzz_run, &c, &e);
	ASSERT(rc < 0);
	if (!c.is_answered) {
		if (e.kind == ERR_INTERNAL || e.kind == ERR_CORRUPT || e.kind == ERR_IO) {
			(void)fprintf(stderr, "%s %.*s: %s\n", row.method, STR_A(c.req.target),
				      e.text);
			abort();
		}
		api_refuse(cloud->api, &c.req, &e, c.a, &c.out);
	}
	struct json *answer;
	bool is_json = strncmp(c.out.content_type, "application/json", 16) == 0;
	ASSERT(c.out.status >= 200 && c.out.status < 600);
	ASSERT(!is_json || json_parse(c.out.body, c.a, &answer, &e) == 0);
	arena_free(c.a);
	return 0;
}
