/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api */
/*
 * A master that serves, with each allocation and statement of a request failing once in whatever
 * thread it happens: the connection is answered with an error or cut, never more than that; a
 * write that was not acknowledged is there as a whole or not at all; the next request is served.
 */
#include "fault.h"

#include "api/http.h"
#include "base/file.h"
#include "cloud.h"
#include "http/client.h"

static struct {
	char folder[32], url[64], base[64];
	struct cloud cloud;
	struct api_http *server;
} world;

static unsigned long fail_statement(unsigned long n)
{
	return db_fail_after(world.cloud.db, n, DB_FAULT_STATEMENT);
}

static unsigned long fail_commit(unsigned long n)
{
	return db_fail_after(world.cloud.db, n, DB_FAULT_COMMIT);
}

static void open_world(void)
{
	struct err e = ERR_INIT;
	(void)snprintf(world.folder, sizeof world.folder, "/tmp/hoc-fault-serve-XXXXXX");
	if (!mkdtemp(world.folder))
		abort();
	(void)snprintf(world.url, sizeof world.url, "sqlite:%s/hoc.db", world.folder);
	cloud_open(&world.cloud, world.url, NULL);
	world.cloud.clock = *clock_system(); /* long polls end */
	const struct api_http_options o = {.api = world.cloud.api,
					   .db = world.cloud.db,
					   .clock = &world.cloud.clock,
					   .listen = "127.0.0.1:0",
					   .threads = 1};
	if (api_http_open(&o, &world.server, &e) < 0)
		abort();
	(void)snprintf(world.base, sizeof world.base, "http://%s",
		       api_http_address(world.server));
}

static void close_world(void)
{
	struct err e = ERR_INIT;
	world.server = api_http_close(world.server);
	cloud_close(&world.cloud);
	if (file_remove_tree(world.folder, &e) < 0)
		abort();
}

/* Asks on a connection of its own; a refusal becomes the error that it carries. */
static int ask(enum http_method method, const char *target, const char *body, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct http_client *c CLEAN(http_client_closep) = NULL;
	const struct http_client_options o = {.base = world.base, .timeout_ms = 20000};
	const struct http_request r = {
		.method = method, .target = str_from(target), .body = str_from(body)};
	struct http_response answer;
	if (arena_new(1 << 20, &a, e) < 0 || http_client_open(&o, &c, e) < 0 ||
	    http_fetch(c, &r, a, &answer, e) < 0)
		return -1;
	if (answer.status == 503)
		return err_fail(e, ERR_MEMORY, "refused: %" STR_F, STR_A(answer.body));
	if (answer.status == 500)
		return err_fail(e, ERR_IO, "refused: %" STR_F, STR_A(answer.body));
	FAULT_CHECK(answer.status == 200 || answer.status == 201);
	return 0;
}

static int order(struct err *e)
{
	return ask(HTTP_POST, "/v1/instances", "{\"release\": \"web\", \"title\": \"served\"}",
		   e);
}

static int list(struct err *e)
{
	return ask(HTTP_GET, "/v1/instances", "", e);
}

/* Waits at most a second, for what does not come. */
static int poll(struct err *e)
{
	return ask(HTTP_GET, "/v1/events?since=100000&wait=1", "", e);
}

static bool is_whole(void)
{
	struct err e = ERR_INIT;
	return cloud_holds(&world.cloud) && ask(HTTP_GET, "/v1/status", "", &e) == 0;
}

static const struct fault_scenario scenarios[] = {
	{.name = "serve.list", .run = list, .is_whole = is_whole},
	{.name = "serve.list, statements",
	 .run = list,
	 .is_whole = is_whole,
	 .arm = fail_statement},
	{.name = "serve.poll", .run = poll, .is_whole = is_whole},
	{.name = "serve.order, statements",
	 .run = order,
	 .is_whole = is_whole,
	 .arm = fail_statement},
	{.name = "serve.order, commit", .run = order, .is_whole = is_whole, .arm = fail_commit},
	{.name = "serve.order", .run = order, .is_whole = is_whole},
};

int main(void)
{
	open_world();
	int rc = fault_main(scenarios, ARRAY_LEN(scenarios));
	close_world();
	return rc;
}
