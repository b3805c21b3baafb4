/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Migrations: from every earlier version, refused where they must be, by two programs at once. */
#include <pthread.h>

#include "engines.h"

/* clang-format off */
static const struct db_migration list[] = {
	{1, "one",   "CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1)",
		     "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)"},
	{2, "two",   "ALTER TABLE t ADD COLUMN b INTEGER; UPDATE t SET b = a + 1",
		     "ALTER TABLE t ADD COLUMN b BIGINT; UPDATE t SET b = a + 1"},
	{3, "three", "ALTER TABLE t ADD COLUMN c INTEGER; UPDATE t SET c = b + 1",
		     "ALTER TABLE t ADD COLUMN c BIGINT; UPDATE t SET c = b + 1"},
	{4, "four",  "CREATE TABLE u (d INTEGER) STRICT; INSERT INTO u SELECT c + 1 FROM t",
		     "CREATE TABLE u (d BIGINT); INSERT INTO u SELECT c + 1 FROM t"},
};
static const struct db_migration half[] = {
	{1, "one", "CREATE TABLE t (a INTEGER) STRICT", "CREATE TABLE t (a BIGINT)"},
	{2, "bad", "CREATE TABLE u (b INTEGER) STRICT; INSERT INTO nowhere VALUES (1)",
		   "CREATE TABLE u (b BIGINT); INSERT INTO nowhere VALUES (1)"},
};
/* clang-format on */

static const struct db_sql sql_sum = {"test_sum", "SELECT a, b, c, d FROM t, u LIMIT 2", ""};
static const struct db_sql sql_u = {"test_u", "CREATE TABLE u (x TEXT)", ""};

static int work_sum(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_sum);
	if (db_step(q, e) < 0)
		return -1;
	int sum = 0;
	for (int i = 0; i < 4; i++)
		sum = 10 * sum + (int)db_at_i64(q, i);
	return db_step(q, e) == 0 ? sum : -1;
}

static int work_u(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	return db_exec(db_prepare(tx, &sql_u), e) < 0 ? -1 : 0;
}

static void every_version_migrates(struct scene *s)
{
	struct err e;
	int version = -1;
	OK(db_version(s->db, &version, &e));
	assert_int_equal(version, 0);
	for (size_t from = 0; from <= ARRAY_LEN(list); from++) {
		OK(db_migrate(s->db, list, from, &e));
		OK(db_version(s->db, &version, &e));
		assert_int_equal(version, from);
		OK(db_migrate(s->db, list, from, &e)); /* nothing to do */
	}
	assert_int_equal(db_read(s->db, work_sum, NULL, &e), 1234);
}

static void all_at_once(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, list, ARRAY_LEN(list), &e));
	assert_int_equal(db_read(s->db, work_sum, NULL, &e), 1234);
}

static void newer_and_foreign_databases_are_refused(struct scene *s)
{
	struct err e;
	struct db_migration foreign = list[0];
	foreign.name = "uno";
	OK(db_migrate(s->db, list, 2, &e));
	FAILS(db_migrate(s->db, list, 1, &e), ERR_UNSUPPORTED);
	struct db_migration pair[] = {foreign, list[1]};
	FAILS(db_migrate(s->db, pair, 2, &e), ERR_CONFLICT);
}

static void a_failed_migration_leaves_the_version_before(struct scene *s)
{
	struct err e;
	int version = 0;
	FAILS(db_migrate(s->db, half, 2, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "migration 2 bad"));
	OK(db_version(s->db, &version, &e));
	assert_int_equal(version, 1);
	OK(db_write(s->db, work_u, NULL, &e)); /* nothing of the second is there */
}

struct starter {
	pthread_t thread;
	pthread_barrier_t *start;
	struct db *db;
	struct err e;
	int rc;
};

static void *starter_main(void *user)
{
	struct starter *s = user;
	(void)pthread_barrier_wait(s->start);
	s->rc = db_migrate(s->db, list, ARRAY_LEN(list), &s->e);
	return NULL;
}

static void programs_may_start_at_once(struct scene *s)
{
	struct err e;
	struct starter starters[4];
	pthread_barrier_t start;
	assert_int_equal(pthread_barrier_init(&start, NULL, 4), 0);
	for (int i = 0; i < 4; i++) {
		starters[i] = (struct starter){.start = &start};
		OK(db_open(s->url, NULL, &starters[i].db, &e));
		assert_int_equal(
			pthread_create(&starters[i].thread, NULL, starter_main, &starters[i]),
			0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(starters[i].thread, NULL), 0);
		if (starters[i].rc < 0)
			fail_msg("%s", starters[i].e.text);
		starters[i].db = db_close(starters[i].db);
	}
	assert_int_equal(db_read(s->db, work_sum, NULL, &e), 1234);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"every version migrates", every_version_migrates},
		{"all at once", all_at_once},
		{"newer and foreign databases are refused",
		 newer_and_foreign_databases_are_refused},
		{"a failed migration leaves the version before",
		 a_failed_migration_leaves_the_version_before},
		{"programs may start at once", programs_may_start_at_once},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
