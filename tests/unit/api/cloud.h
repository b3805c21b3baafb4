/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A whole master without sockets: an api over a database of its own (in memory, or a schema in a
 * private PostgreSQL cluster), a clock that stands until it is moved, and a seeded generator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/api.h"
#include "db/db.h"
#include "json/json.h"
#include "profile/eval.h"

struct cloud {
	enum db_engine engine;
	int number;
	void (*run)(struct cloud *c);
	char url[400];
	struct db *db;
	struct api *api;
	struct arena *a;
	int64_t now_ms;
	struct clock clock;
	struct rng_seeded rng;
	struct profile_eval *eval;
	/* of the last call */
	int status;
	int parked; /* api_run said API_PARK */
	struct api_response out;
	char text[512]; /* of its error */
	char field[160];
};

struct cloud_case {
	const char *name;
	void (*run)(struct cloud *c);
};
/* Every case on both engines; what main returns. */
int cloud_run(int argc, char **argv, const struct cloud_case *cases, size_t n);

/* A call; the body's quotes may be written as ' . Gives the answer's JSON (NULL: not JSON). */
struct json *cloud_call(struct cloud *c, const char *method, const char *target,
			const char *body);
struct json *cloud_call_wait(struct cloud *c, const char *target);
#define GET(c, target) cloud_call((c), "GET", (target), "")
#define PUT(c, target, body) cloud_call((c), "PUT", (target), (body))
#define POST(c, target, body) cloud_call((c), "POST", (target), (body))
/* The same, and the status has to be 200 or 201. */
struct json *cloud_ok(struct cloud *c, const char *method, const char *target,
		      const char *body);
#define OK_GET(c, target) cloud_ok((c), "GET", (target), "")
#define OK_PUT(c, target, body) cloud_ok((c), "PUT", (target), (body))
#define OK_POST(c, target, body) cloud_ok((c), "POST", (target), (body))

/* Text at a path of an answer ("" if none), number (-1). */
const char *at(struct cloud *c, struct json *j, const char *path);
int64_t number_at(struct json *j, const char *path);
#define assert_at(c, j, path, want) assert_string_equal(at((c), (j), (path)), (want))

/* A release of ours, stored directly; `types` is the JSON of manifest.types. */
void cloud_release(struct cloud *c, const char *name, const char *types);
/* A node with `n` partitions p0, p1… that spoke just now. */
void cloud_node(struct cloud *c, const char *name, int n);
/* A release on a node, reported available. */
void cloud_supply(struct cloud *c, const char *release, const char *node);
/* Requests `title` of release `web`; gives its guid. */
const char *cloud_order(struct cloud *c, const char *title);
/* The node's report about an instance. */
void cloud_report(struct cloud *c, const char *guid, const char *state);
/* Standard stage: release web (types default, host), node n1 with `partitions`, web available. */
void cloud_stage(struct cloud *c, int partitions);
/* Formats into a fresh text. */
const char *text(struct cloud *c, const char *format, ...) PRINTF(2, 3);
/* The periodic job; how many things changed. */
int cloud_assess(struct cloud *c);
/* Checks what must always hold: owners, counts, chain. */
void cloud_check(struct cloud *c);
/* The one number of a SELECT; `sql` is a literal. */
int64_t cloud_number(struct cloud *c, const char *sql);
