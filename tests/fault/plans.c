/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api */
/*
 * How the statements of the API are done: none walks through a table that grows. The statements
 * are those that the requests of api_rows.h run; SQLite is asked for the plan of each.
 *
 * The exceptions are named below with their reasons, so that a new one is a decision.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api_rows.h"

enum { STATEMENTS_MAX = 256, PLAN_TEXT = 4000 };

static const char *const may_walk[] = {
	/* lists in the order of an index, cut by a LIMIT; prices, of which there are few */
	"customer_list",
	"event_last",
	"installation_list",
	"invoice_list",
	"log_last",
	"log_witness_list",
	"node_list",
	"price_list",
	"release_list",
	/* over the few rows of a SELECT with a LIMIT */
	"installation_rooms",
	"instance_tree_size",
	/* names below a name; asked when a customer lists one, which is rare */
	"domain_below",
	/* over the levels of the log's tree, one row each */
	"log_nodes",
	/* who refers to the new row: planned because of RETURNING, skipped while no key dangles */
	"instance_add",
	"release_add",
};

struct plans {
	struct cloud cloud;
	const struct db_sql *seen[STATEMENTS_MAX];
	size_t n;
	/* the one that is explained */
	struct db_sql explain[STATEMENTS_MAX];
	char text[STATEMENTS_MAX][PLAN_TEXT];
	size_t at;
	bool is_bad;
};

static void note(void *user, const struct db_sql *sql)
{
	struct plans *p = user;
	for (size_t i = 0; i < p->n; i++)
		if (p->seen[i] == sql)
			return;
	ASSERT(p->n < STATEMENTS_MAX);
	p->seen[p->n++] = sql;
}

static void run_all(struct plans *p)
{
	const struct row *row;
	const char *by;
	for (size_t i = 0; (row = row_at(i, &by)); i++) {
		struct cloud_call k;
		struct err e = ERR_INIT;
		if (strcmp(row->target, "/v1/releases") == 0 && row->body[0])
			continue; /* evaluates; its statements are run by others too */
		cloud_ask(&p->cloud, &k, row->method, row->target, row->body);
		cloud_by(&k, by);
		k.keeps = strcmp(row->method, "GET") == 0;
		if (cloud_run(&k, &e) < 0 && e.kind != ERR_USAGE) {
			printf("    %s %s: %s\n", row->method, k.target, e.text);
			abort();
		}
		cloud_done(&k);
	}
}

static bool walks_on_purpose(const char *name, struct str step)
{
	char line[300];
	(void)snprintf(line, sizeof line, "%" STR_F, STR_A(step));
	if (strstr(line, "CONSTANT ROW"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(may_walk); i++)
		if (strcmp(name, may_walk[i]) == 0)
			return true;
	return false;
}

static int explain(struct db_tx *tx, void *user, struct err *e)
{
	struct plans *p = user;
	const struct db_sql *sql = p->seen[p->at];
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str names = str_from(sql->params), name;
	if (arena_new(1 << 20, &a, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &p->explain[p->at]);
	while (names.n && str_split(&names, ' ', &name))
		db_bind_null(q, arena_cstr(a, name));
	int rc;
	while ((rc = db_step(q, e)) > 0) {
		struct str step = db_at_str(q, 3, a);
		if (!str_starts(step, S("SCAN ")) || walks_on_purpose(sql->name, step))
			continue;
		printf("    %s: %" STR_F "\n", sql->name, STR_A(step));
		p->is_bad = true;
	}
	return rc;
}

static bool explain_one(struct plans *p, size_t i)
{
	struct err e = ERR_INIT;
	p->at = i;
	p->is_bad = false;
	int n = snprintf(p->text[i], PLAN_TEXT, "EXPLAIN QUERY PLAN %s", p->seen[i]->text);
	ASSERT(n > 0 && n < PLAN_TEXT);
	p->explain[i] = (struct db_sql){p->seen[i]->name, p->text[i], p->seen[i]->params};
	if (db_write(p->cloud.db, explain, p, &e) < 0) {
		printf("    %s: %s\n", p->seen[i]->name, e.text);
		return false;
	}
	return !p->is_bad;
}

int main(void)
{
	static struct plans p;
	size_t passed = 0;
	cloud_open(&p.cloud, "sqlite::memory:", NULL);
	db_look(p.cloud.db, note, &p);
	run_all(&p);
	db_look(p.cloud.db, NULL, NULL);
	for (size_t i = 0; i < p.n; i++)
		passed += explain_one(&p, i);
	printf("ok  %zu statements of the API explained\n", p.n);
	printf("%zu passed, %zu failed\n", passed, p.n - passed);
	cloud_close(&p.cloud);
	return passed == p.n && p.n > 60 ? EXIT_SUCCESS : EXIT_FAILURE;
}
