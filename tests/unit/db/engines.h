/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Runs one table of cases on both engines. Each case gets a fresh, empty database: a file of
 * its own, or a schema of its own in a private PostgreSQL cluster that lives as long as the
 * program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "db/db.h"

struct world {
	char dir[64], cluster_url[256];
};

struct scene {
	enum db_engine engine;
	const char *name;
	void (*run)(struct scene *s);
	char url[400];
	struct db *db; /* opened and closed around the case */
	struct arena *a;
	int number;
};

/* An assertion that shows the error. For the main thread only. */
#define OK(call) \
	do { \
		e = (struct err)ERR_INIT; \
		if ((call) < 0) \
			fail_msg("%s: %s: %s", #call, err_kind_info(e.kind)->name, e.text); \
	} while (0)
#define FAILS(call, want) \
	do { \
		e = (struct err)ERR_INIT; \
		assert_int_equal((call), -1); \
		if (e.kind != (want)) \
			fail_msg("%s: %s: %s", #call, err_kind_info(e.kind)->name, e.text); \
	} while (0)

/* Runs a command and gives the first line it prints. */
static inline void shell_line(const char *command, char *line, size_t size)
{
	FILE *f = popen(command, "r");
	assert_non_null(f);
	line[0] = '\0';
	if (fgets(line, (int)size, f))
		line[strcspn(line, "\n")] = '\0';
	assert_int_equal(pclose(f), 0);
}

static inline struct world *world(void)
{
	static struct world w;
	return &w;
}

static inline int world_begin(void **state UNUSED)
{
	struct world *w = world();
	char command[256];
	(void)snprintf(w->dir, sizeof w->dir, "/tmp/hoc-db-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(chmod(w->dir, 0755), 0);
	(void)snprintf(command, sizeof command, "tests/pg-cluster.sh start %s/pg", w->dir);
	shell_line(command, w->cluster_url, sizeof w->cluster_url);
	return 0;
}

static inline int world_end(void **state UNUSED)
{
	struct world *w = world();
	char command[256], line[8];
	struct err e = ERR_INIT;
	(void)snprintf(command, sizeof command, "tests/pg-cluster.sh stop %s/pg", w->dir);
	shell_line(command, line, sizeof line);
	return file_remove_tree(w->dir, &e);
}

static inline int exec_text(struct db_tx *tx, void *user, struct err *e)
{
	struct db_sql sql = {"test_text", user, ""};
	return db_exec(db_prepare(tx, &sql), e) < 0 ? -1 : 0;
}

/* Runs one statement given as text, on a connection of its own. */
static inline void sql_run(const char *url, const char *text)
{
	struct err e = ERR_INIT;
	struct db *db CLEAN(db_closep) = NULL;
	char copy[512];
	(void)snprintf(copy, sizeof copy, "%s", text);
	OK(db_open(url, NULL, &db, &e));
	OK(db_write(db, exec_text, copy, &e));
}

static inline int scene_begin(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	if (s->engine == DB_SQLITE) {
		(void)snprintf(s->url, sizeof s->url, "sqlite:%s/%d.db", world()->dir,
			       s->number);
	} else {
		char text[64];
		(void)snprintf(text, sizeof text, "CREATE SCHEMA case%d", s->number);
		sql_run(world()->cluster_url, text);
		(void)snprintf(s->url, sizeof s->url, "%s&options=-csearch_path%%3Dcase%d",
			       world()->cluster_url, s->number);
	}
	OK(db_open(s->url, NULL, &s->db, &e));
	OK(arena_new(1 << 20, &s->a, &e));
	return 0;
}

static inline int scene_end(void **state)
{
	struct scene *s = *state;
	s->a = arena_free(s->a);
	s->db = db_close(s->db);
	return 0;
}

static inline void scene_run(void **state)
{
	struct scene *s = *state;
	s->run(s);
}

struct scene_row {
	const char *name;
	void (*run)(struct scene *s);
};

enum { SCENES_MAX = 64 };

/* Every row on both engines. */
static inline int scenes_run(const struct scene_row *rows, size_t n)
{
	static struct scene scenes[SCENES_MAX];
	static char names[SCENES_MAX][96];
	static const char *const engines[] = {"sqlite", "postgresql"};
	struct CMUnitTest tests[SCENES_MAX];
	ASSERT(2 * n <= SCENES_MAX);
	for (size_t i = 0; i < 2 * n; i++) {
		const struct scene_row *row = &rows[i % n];
		(void)snprintf(names[i], sizeof names[i], "%s: %s", engines[i / n], row->name);
		scenes[i] = (struct scene){.engine = i < n ? DB_SQLITE : DB_POSTGRESQL,
					   .name = row->name,
					   .run = row->run,
					   .number = (int)i};
		tests[i] = (struct CMUnitTest){names[i], scene_run, scene_begin, scene_end,
					       &scenes[i]};
	}
	return _cmocka_run_group_tests("db", tests, 2 * n, world_begin, world_end);
}
