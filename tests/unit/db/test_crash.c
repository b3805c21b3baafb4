/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * kill -9 at both failpoints of a commit: what was acknowledged is there, nothing is there in
 * part, and the database opens again by itself.
 *
 * The child writes pairs (n, n) from several threads and tells the numbers that were acknowledged
 * through a pipe; the parent compares them with the rows.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "engines.h"

/* clang-format off */
static const struct db_migration schema[] = {
	{1, "pair",
	 "CREATE TABLE l (n INTEGER PRIMARY KEY) STRICT; CREATE TABLE r (n INTEGER PRIMARY KEY) STRICT",
	 "CREATE TABLE l (n BIGINT PRIMARY KEY); CREATE TABLE r (n BIGINT PRIMARY KEY)"},
};
/* clang-format on */

static const struct db_sql sql_left = {"left_add", "INSERT INTO l (n) VALUES ($1)", "n"};
static const struct db_sql sql_right = {"right_add", "INSERT INTO r (n) VALUES ($1)", "n"};
static const struct db_sql sql_pairs = {"pairs",
					"SELECT l.n FROM l, r WHERE l.n = r.n LIMIT 10000", ""};
static const struct db_sql sql_halves = {
	"halves",
	"SELECT n FROM l WHERE n NOT IN (SELECT n FROM r) UNION "
	"SELECT n FROM r WHERE n NOT IN (SELECT n FROM l) LIMIT 1",
	""};

enum { WRITERS = 6, NUMBERS = 4096 };

static int work_pair(struct db_tx *tx, void *user, struct err *e)
{
	const struct db_sql *halves[] = {&sql_left, &sql_right};
	for (int i = 0; i < 2; i++) {
		struct db_stmt *q = db_prepare(tx, halves[i]);
		db_bind_i64(q, "n", *(int *)user);
		if (db_exec(q, e) != 1)
			return -1;
	}
	return 0;
}

struct child_writer {
	struct db *db;
	int number, pipe;
};

static void *child_write(void *user)
{
	struct child_writer *w = user;
	for (int n = w->number; n < NUMBERS; n += WRITERS) {
		struct err e = ERR_INIT;
		if (db_write(w->db, work_pair, &n, &e) == 0 &&
		    write(w->pipe, &n, sizeof n) != sizeof n)
			break;
	}
	return NULL;
}

/* Opens, writes until the failpoint kills it; returns only if that never happened. */
static void child_main(const char *url, const char *failpoint, int pipe)
{
	struct err e = ERR_INIT;
	struct db *db = NULL;
	struct child_writer writers[WRITERS];
	pthread_t threads[WRITERS];
	(void)setenv("HOC_FAILPOINT", failpoint, 1);
	if (db_open(url, NULL, &db, &e) < 0)
		_exit(1);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct child_writer){db, i, pipe};
		if (pthread_create(&threads[i], NULL, child_write, &writers[i]) != 0)
			_exit(2);
	}
	for (int i = 0; i < WRITERS; i++)
		(void)pthread_join(threads[i], NULL);
	_exit(3);
}

static int read_pairs(struct db_tx *tx, void *user, struct err *e)
{
	bool *is_there = user;
	memset(is_there, 0, NUMBERS * sizeof *is_there);
	struct db_stmt *q = db_prepare(tx, &sql_pairs);
	int rc;
	while ((rc = db_step(q, e)) > 0)
		is_there[db_at_i64(q, 0)] = true;
	return rc < 0 ? -1 : db_step(db_prepare(tx, &sql_halves), e);
}

/* Runs the child to its end and fills what it was told is safe. */
static int crash(const char *url, const char *failpoint, bool is_acknowledged[NUMBERS])
{
	int ends[2], n, status = 0, count = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_main(url, failpoint, ends[1]);
	assert_int_equal(close(ends[1]), 0);
	while (read(ends[0], &n, sizeof n) == sizeof n) {
		is_acknowledged[n] = true;
		count++;
	}
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return count;
}

static void nothing_acknowledged_is_lost(struct scene *s)
{
	static const struct {
		const char *failpoint;
		bool is_last_group_kept;
	} cases[] = {
		{"db.commit.before:1", false},	{"db.commit.after:1", true},
		{"db.commit.before:7", false},	{"db.commit.after:7", true},
		{"db.commit.before:40", false}, {"db.commit.after:40", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;
		static bool acknowledged[NUMBERS], is_there[NUMBERS];
		memset(acknowledged, 0, sizeof acknowledged);
		OK(db_migrate(s->db, schema, 1, &e));
		s->db = db_close(s->db); /* no thread may be here when the child is made */
		sql_run(s->url, "DELETE FROM l");
		sql_run(s->url, "DELETE FROM r");
		int told = crash(s->url, cases[i].failpoint, acknowledged), rows = 0;
		OK(db_open(s->url, NULL, &s->db, &e));
		assert_int_equal(db_read(s->db, read_pairs, is_there, &e), 0); /* no halves */
		for (int n = 0; n < NUMBERS; n++) {
			assert_true(is_there[n] || !acknowledged[n]);
			rows += is_there[n];
		}
		/* At most one group was under way when it died. */
		if (cases[i].is_last_group_kept)
			assert_in_range(rows - told, 1, WRITERS);
		else
			assert_in_range(rows - told, 0, WRITERS);
	}
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"nothing acknowledged is lost", nothing_acknowledged_is_lost},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
