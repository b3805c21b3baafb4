/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Statements, values, constraints and transactions, the same on both engines. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "engines.h"

/* clang-format off */
static const struct db_migration schema[] = {
	{1, "thing",
	 "CREATE TABLE thing (id INTEGER PRIMARY KEY, title TEXT UNIQUE, size INTEGER NOT NULL DEFAULT 0,"
	 " body BLOB, CONSTRAINT size_sane CHECK (size >= 0)) STRICT;"
	 "CREATE TABLE part (id INTEGER PRIMARY KEY, thing INTEGER NOT NULL REFERENCES thing (id)) STRICT",
	 "CREATE TABLE thing (id BIGINT PRIMARY KEY, title TEXT UNIQUE, size BIGINT NOT NULL DEFAULT 0,"
	 " body BYTEA, CONSTRAINT size_sane CHECK (size >= 0));"
	 "CREATE TABLE part (id BIGINT PRIMARY KEY, thing BIGINT NOT NULL REFERENCES thing (id))"},
};
/* clang-format on */

static const struct db_sql sql_add = {
	"thing_add", "INSERT INTO thing (id, title, size, body) VALUES ($1, $2, $3, $4)",
	"id title size body"};
static const struct db_sql sql_all = {
	"thing_all", "SELECT id, title, size, body FROM thing ORDER BY id LIMIT 1000", ""};
static const struct db_sql sql_part = {
	"part_add", "INSERT INTO part (id, thing) VALUES ($1, $2)", "id thing"};
static const struct db_sql sql_older = {
	"thing_older", "SELECT id FROM thing WHERE size < $1 + 1000 AND title = $2 LIMIT 10",
	"now title"};
static const struct db_sql sql_grow = {
	"thing_grow", "UPDATE thing SET size = size + $1 WHERE size >= 0 RETURNING id, size",
	"by"};
static const struct db_sql sql_sum = {"thing_sum",
				      "SELECT coalesce(sum(size), 0) AS total, count(*) AS n,"
				      " max(size) > 5 AS is_big FROM thing",
				      ""};
static const struct db_sql sql_none = {"thing_none", "DELETE FROM thing", ""};
static const struct db_sql sql_wrong = {"thing_wrong", "SELECT nothing FROM nowhere", ""};
static const struct db_sql sql_two = {"thing_two", "SELECT id FROM thing WHERE id = $1",
				      "id more"};

static int add(struct db_tx *tx, int64_t id, const char *title, int64_t size, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "id", id);
	db_bind_cstr(q, "title", title);
	db_bind_i64(q, "size", size);
	db_bind_null(q, "body");
	return db_exec(q, e) == 1 ? 0 : -1;
}

/* ---- values ----------------------------------------------------------------------------- */

static const char bytes[] = "\0\x01\xff\0\\x";

static int work_values(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_null(q, "title"); /* any order, and null first: its type is not known yet */
	db_bind_null(q, "body");
	db_bind_i64(q, "size", INT64_MAX);
	db_bind_i64(q, "id", INT64_MIN);
	if (db_exec(q, e) != 1)
		return -1;
	q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "id", 1);
	db_bind_str(q, "title", S("é 中 𝄞 '; DROP TABLE thing; --"));
	db_bind_bool(q, "size", true);
	db_bind_blob(q, "body", str_of(bytes, sizeof bytes - 1));
	if (db_exec(q, e) != 1)
		return -1;
	q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "id", 2);
	db_bind_str(q, "title", S(""));
	db_bind_i64(q, "size", 0);
	db_bind_blob(q, "body", S(""));
	return db_exec(q, e) == 1 ? 7 : -1;
}

static int read_values(struct db_tx *tx, void *user, struct err *e)
{
	struct arena *a = user;
	struct db_stmt *q = db_prepare(tx, &sql_all);
	assert_int_equal(db_step(q, e), 1);
	assert_true(db_col_is_null(q, "title"));
	assert_null(db_col_str(q, "title", a).p);
	assert_true(db_at_is_null(q, 3));
	assert_true(db_col_i64(q, "size") == INT64_MAX);
	assert_true(db_col_i64(q, "id") == INT64_MIN);
	assert_int_equal(db_step(q, e), 1);
	assert_string_equal(db_col_str(q, "title", a).p, "é 中 𝄞 '; DROP TABLE thing; --");
	assert_true(db_col_bool(q, "size"));
	assert_true(str_eq(db_col_blob(q, "body", a), str_of(bytes, sizeof bytes - 1)));
	assert_int_equal(db_step(q, e), 1);
	assert_non_null(db_at_str(q, 1, a).p);
	assert_int_equal(db_at_str(q, 1, a).n, 0);
	assert_false(db_at_is_null(q, 3));
	assert_non_null(db_at_blob(q, 3, a).p);
	assert_int_equal(db_step(q, e), 0);
	assert_int_equal(db_step(q, e), 0);
	return 0;
}

static void values_come_back(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	assert_int_equal(db_write(s->db, work_values, NULL, &e), 7);
	OK(db_read(s->db, read_values, s->a, &e));
}

static int work_dialect(struct db_tx *tx, void *user, struct err *e)
{
	struct arena *a = user;
	if (add(tx, 1, "a", 1700000000000, e) < 0 || add(tx, 2, "b", 4, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_older);
	db_bind_i64(q, "now", 1700000000000); /* not guessed to be an int4 beside + 1000 */
	db_bind_str(q, "title", S("a"));
	assert_int_equal(db_step(q, e), 1);
	assert_int_equal(db_at_i64(q, 0), 1);
	q = db_prepare(tx, &sql_grow); /* the row above is given up half-way */
	db_bind_i64(q, "by", 1);
	assert_int_equal(db_exec(q, e), 2);
	q = db_prepare(tx, &sql_sum);
	assert_int_equal(db_step(q, e), 1);
	assert_true(db_col_i64(q, "total") == 1700000000006);
	assert_int_equal(db_col_i64(q, "n"), 2);
	assert_true(db_col_bool(q, "is_big"));
	assert_int_equal(db_exec(db_prepare(tx, &sql_all), e), 0); /* reads change nothing */
	return arena_check(a, e);
}

static void the_dialect_means_the_same(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	OK(db_write(s->db, work_dialect, s->a, &e));
}

/* ---- mistakes and violations ------------------------------------------------------------ */

static int dup_id(struct db_tx *tx, struct err *e)
{
	return add(tx, 1, "other", 0, e);
}
static int dup_title(struct db_tx *tx, struct err *e)
{
	return add(tx, 9, "first", 0, e);
}
static int bad_size(struct db_tx *tx, struct err *e)
{
	return add(tx, 9, NULL, -1, e);
}
static int null_size(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "id", 9);
	db_bind_null(q, "title");
	db_bind_null(q, "size");
	db_bind_null(q, "body");
	return (int)db_exec(q, e);
}
static int no_thing(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_part);
	db_bind_i64(q, "id", 1);
	db_bind_i64(q, "thing", 77);
	return (int)db_exec(q, e);
}
static int bad_text(struct db_tx *tx, struct err *e)
{
	return add(tx, 9, "\xff\xfe", 0, e);
}
static int nul_text(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "title", S("a\0b"));
	return db_step(q, e);
}
static int bad_sql(struct db_tx *tx, struct err *e)
{
	return db_step(db_prepare(tx, &sql_wrong), e);
}
static int names_differ(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_two);
	db_bind_i64(q, "id", 1);
	db_bind_i64(q, "more", 1);
	return db_step(q, e);
}
static int no_such_name(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_part);
	db_bind_i64(q, "idd", 1);
	return db_step(q, e);
}
static int unbound(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_part);
	db_bind_i64(q, "id", 1);
	return db_step(q, e);
}
static int no_column(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_all);
	assert_int_equal(db_step(q, e), 1);
	assert_int_equal(db_col_i64(q, "weight"), 0);
	return db_step(q, e);
}
static int other_type(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_all);
	assert_int_equal(db_step(q, e), 1);
	assert_int_equal(db_col_i64(q, "title"), 0);
	return 0; /* forgets to ask: the transaction fails all the same */
}
static int wrong_type(struct db_tx *tx, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_part);
	db_bind_i64(q, "id", 1);
	db_bind_str(q, "thing", S("one"));
	return db_step(q, e);
}
static int swallowed(struct db_tx *tx, struct err *e)
{
	struct err first = ERR_INIT;
	assert_int_equal(dup_title(tx, &first), -1);
	assert_int_equal(add(tx, 10, "fine", 0, e), -1); /* a failed transaction stays failed */
	assert_string_equal(e->text, first.text);
	return 0;
}

struct mistake {
	const char *name;
	int (*work)(struct db_tx *tx, struct err *e);
	enum err_kind kind;
	const char *text[2]; /* on SQLite, on PostgreSQL: part of the error */
};

/* clang-format off */
static const struct mistake mistakes[] = {
	{"primary key",   dup_id,       ERR_CONFLICT, {"thing_add: UNIQUE constraint failed: thing.id", "thing_pkey"}},
	{"unique",        dup_title,    ERR_CONFLICT, {"thing.title", "thing_title_key"}},
	{"check",         bad_size,     ERR_CONFLICT, {"size_sane", "size_sane"}},
	{"not null",      null_size,    ERR_CONFLICT, {"thing.size", "\"size\""}},
	{"foreign key",   no_thing,     ERR_CONFLICT, {"part_add: FOREIGN KEY", "part_thing_fkey"}},
	{"not UTF-8",     bad_text,     ERR_INVALID,  {"title", "title"}},
	{"NUL",           nul_text,     ERR_INVALID,  {"title", "title"}},
	{"wrong SQL",     bad_sql,      ERR_INTERNAL, {"thing_wrong: ", "thing_wrong: "}},
	{"names differ",  names_differ, ERR_INTERNAL, {"thing_two: ", "thing_two: "}},
	{"no such name",  no_such_name, ERR_INTERNAL, {"part_add: no parameter idd", "part_add: no parameter idd"}},
	{"not bound",     unbound,      ERR_INTERNAL, {"parameter thing", "parameter thing"}},
	{"no column",     no_column,    ERR_INTERNAL, {"thing_all: no column weight", "thing_all: no column weight"}},
	{"other type",    other_type,   ERR_INTERNAL, {"column title", "column title"}},
	{"wrong type",    wrong_type,   ERR_INTERNAL, {"part_add: ", "part_add: "}},
	{"swallowed",     swallowed,    ERR_CONFLICT, {"thing.title", "thing_title_key"}},
};
/* clang-format on */

static int work_mistake(struct db_tx *tx, void *user, struct err *e)
{
	const struct mistake *m = user;
	if (add(tx, 5, "trace", 0, e) < 0)
		return -1;
	int rc = m->work(tx, e);
	return rc < 0 ? -1 : 0;
}

static int work_first(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	return add(tx, 1, "first", 0, e);
}

static int count_all(struct db_tx *tx, void *user, struct err *e)
{
	int64_t *n = user;
	struct db_stmt *q = db_prepare(tx, &sql_sum);
	if (db_step(q, e) < 0)
		return -1;
	*n = db_col_i64(q, "n");
	return 0;
}

static void mistakes_are_told_and_leave_nothing(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	OK(db_write(s->db, work_first, NULL, &e));
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		struct mistake m = mistakes[i];
		int64_t n = 0;
		print_message("%s\n", m.name);
		FAILS(db_write(s->db, work_mistake, &m, &e), m.kind);
		if (!strstr(e.text, m.text[s->engine]))
			fail_msg("%s: %s", m.name, e.text);
		if (m.kind == ERR_INVALID)
			assert_string_equal(e.field, "title");
		OK(db_read(s->db, count_all, &n, &e));
		assert_int_equal(n, 1);
	}
}

static void a_read_cannot_write(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	FAILS(db_read(s->db, work_first, NULL, &e), ERR_INTERNAL);
}

static int work_nested_read(struct db_tx *tx UNUSED, void *user, struct err *e)
{
	int64_t n;
	return db_read(user, count_all, &n, e);
}

static int work_nested_write(struct db_tx *tx UNUSED, void *user, struct err *e)
{
	return db_write(user, work_first, NULL, e);
}

static void a_job_cannot_wait_for_itself(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	FAILS(db_write(s->db, work_nested_write, s->db, &e), ERR_INTERNAL);
	FAILS(db_write(s->db, work_nested_read, s->db, &e), ERR_INTERNAL);
}

/* ---- faults ----------------------------------------------------------------------------- */

static int work_three(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	if (add(tx, 1, "a", 1, e) < 0 || add(tx, 2, "b", 2, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_grow);
	db_bind_i64(q, "by", 1);
	int rc;
	while ((rc = db_step(q, e)) > 0)
		;
	return rc;
}

static void a_fault_anywhere_leaves_all_or_nothing(struct scene *s)
{
	struct err e;
	OK(db_migrate(s->db, schema, 1, &e));
	for (enum db_fault where = 0; where < DB_FAULTS; where++) {
		static const unsigned long places[DB_FAULTS] = {3, 2, 1};
		sql_run(s->url, "DELETE FROM thing");
		unsigned long n = 1;
		for (;; n++) {
			int64_t rows = 0;
			(void)db_fail_after(s->db, n, where);
			int rc = db_write(s->db, work_three, NULL, &e);
			unsigned long passed = db_fail_after(s->db, 0, where);
			OK(db_read(s->db, count_all, &rows, &e));
			assert_int_equal(rows, rc < 0 ? 0 : 2);
			if (rc == 0) {
				assert_int_equal(passed, places[where]);
				break;
			}
			assert_int_equal(passed, n);
		}
		assert_int_equal(n, places[where] + 1);
	}
}

static int work_anew(struct db_tx *tx, void *user, struct err *e)
{
	return db_exec(db_prepare(tx, &sql_none), e) < 0 ? -1 : work_three(tx, user, e);
}

/* Opens, migrates, writes and reads with the given database. */
static int whole_life(const char *url, struct err *e)
{
	struct db *db CLEAN(db_closep) = NULL;
	int64_t n = 0;
	if (db_open(url, NULL, &db, e) < 0 || db_migrate(db, schema, 1, e) < 0 ||
	    db_write(db, work_anew, NULL, e) < 0)
		return -1;
	return db_read(db, count_all, &n, e) < 0 ? -1 : (int)n;
}

static void lack_of_memory_is_told_anywhere(struct scene *s)
{
	struct err e = ERR_INIT;
	s->db = db_close(s->db);
	for (unsigned long n = 1;; n++) {
		(void)mem_fail_after(n);
		int rc = whole_life(s->url, &e);
		if (mem_fail_after(0) < n) { /* all passed untouched */
			assert_int_equal(rc, 2);
			assert_true(n > 10);
			break;
		}
		assert_int_equal(rc, -1);
		if (e.kind != ERR_MEMORY)
			fail_msg("allocation %lu: %s", n, e.text);
	}
}

/* ---- opening ---------------------------------------------------------------------------- */

static void urls_are_judged(void **state UNUSED)
{
	static const struct {
		const char *url;
		enum err_kind kind;
	} cases[] = {
		{"", ERR_INVALID},
		{"mysql://x", ERR_INVALID},
		{"sqlite:", ERR_INVALID},
		{"postgresql://u:secret%zz@h/d", ERR_INVALID},
		{"postgresql://u:secret@127.0.0.1:1/d", ERR_UNREACHABLE},
		{"sqlite:/nowhere/at/all.db", ERR_IO},
		{"sqlite:/etc/hostname", ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct db *db = NULL;
		print_message("%s\n", cases[i].url);
		FAILS(db_open(cases[i].url, NULL, &db, &e), cases[i].kind);
		assert_null(strstr(e.text, "secret"));
		assert_null(db);
	}
}

static void memory_needs_no_thread(void **state UNUSED)
{
	struct err e;
	struct db *db CLEAN(db_closep) = NULL;
	int64_t n = 0;
	OK(db_open("sqlite::memory:", NULL, &db, &e));
	OK(db_migrate(db, schema, 1, &e));
	OK(db_write(db, work_first, NULL, &e));
	FAILS(db_write(db, work_first, NULL, &e), ERR_CONFLICT);
	FAILS(db_write(db, work_nested_write, db, &e), ERR_INTERNAL);
	FAILS(db_read(db, work_nested_read, db, &e), ERR_INTERNAL);
	FAILS(db_read(db, work_three, NULL, &e), ERR_INTERNAL);
	OK(db_read(db, count_all, &n, &e));
	assert_int_equal(n, 1);
}

static void a_new_file_is_private_and_in_wal_mode(void **state UNUSED)
{
	struct err e;
	struct stat st;
	char url[128], path[128];
	struct db *db CLEAN(db_closep) = NULL;
	(void)snprintf(path, sizeof path, "%s/private.db", world()->dir);
	(void)snprintf(url, sizeof url, "sqlite:%s", path);
	OK(db_open(url, NULL, &db, &e));
	OK(db_migrate(db, schema, 1, &e));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)snprintf(path, sizeof path, "%s/private.db-wal", world()->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Runs `body` in a child and gives its exit status. */
static int in_child(int (*body)(const char *dir), const char *dir)
{
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int work_big(struct db_tx *tx, void *user, struct err *e)
{
	static char megabyte[1 << 20];
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "id", *(int *)user);
	db_bind_null(q, "title");
	db_bind_i64(q, "size", 0);
	db_bind_blob(q, "body", str_of(megabyte, sizeof megabyte));
	return db_exec(q, e) < 0 ? -1 : 0;
}

enum { CHILD_FINE = 0, CHILD_WRONG = 1, CHILD_CANNOT = 77 };

/* Fills a file system of 4 MiB, then makes room again by itself: small rows still go in. */
static int fill_disk(const char *dir)
{
	struct err e = ERR_INIT;
	struct db *db = NULL;
	char url[128];
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0)
		return CHILD_CANNOT;
	(void)snprintf(url, sizeof url, "sqlite:%s/full.db", dir);
	if (db_open(url, NULL, &db, &e) < 0 || db_migrate(db, schema, 1, &e) < 0)
		return CHILD_WRONG;
	int rc = 0, done = 0;
	for (int i = 1; i < 10 && rc == 0; i++) {
		rc = db_write(db, work_big, &i, &e);
		done += rc == 0;
	}
	int64_t rows = 0;
	if (rc == 0 || e.kind != ERR_NO_ROOM || db_read(db, count_all, &rows, &e) < 0)
		return CHILD_WRONG;
	(void)db_close(db);
	return rows == done && done > 0 ? CHILD_FINE : CHILD_WRONG;
}

static void a_full_disk_is_no_room_and_loses_nothing(void **state UNUSED)
{
	char dir[128];
	(void)snprintf(dir, sizeof dir, "%s/small", world()->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	int code = in_child(fill_disk, dir);
	if (code == CHILD_CANNOT)
		skip();
	assert_int_equal(code, CHILD_FINE);
}

static int open_read_only(const char *url)
{
	struct err e = ERR_INIT;
	struct db *db = NULL;
	if (getuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return CHILD_CANNOT;
	return db_open(url, NULL, &db, &e) < 0 && e.kind == ERR_FORBIDDEN ? CHILD_FINE
									  : CHILD_WRONG;
}

static void a_read_only_file_is_refused_at_once(void **state UNUSED)
{
	char url[128];
	(void)snprintf(url, sizeof url, "sqlite:%s/fixed.db", world()->dir);
	sql_run(url, "CREATE TABLE t (a INTEGER) STRICT");
	assert_int_equal(chmod(url + strlen("sqlite:"), 0444), 0);
	assert_int_equal(in_child(open_read_only, url), CHILD_FINE);
}

static void a_corrupt_file_is_told(void **state UNUSED)
{
	struct err e;
	struct db *db CLEAN(db_closep) = NULL;
	char url[128];
	int64_t n;
	(void)snprintf(url, sizeof url, "sqlite:%s/corrupt.db", world()->dir);
	OK(db_open(url, NULL, &db, &e));
	OK(db_migrate(db, schema, 1, &e));
	OK(db_write(db, work_first, NULL, &e));
	db = db_close(db);
	int fd = open(url + strlen("sqlite:"), O_WRONLY);
	assert_true(fd >= 0);
	char noise[4096];
	memset(noise, 0xA5, sizeof noise);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096) /* all pages but the schema */
		assert_int_equal(pwrite(fd, noise, sizeof noise, at), 4096);
	assert_int_equal(close(fd), 0);
	OK(db_open(url, NULL, &db, &e));
	FAILS(db_read(db, count_all, &n, &e), ERR_CORRUPT);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"values come back", values_come_back},
		{"the dialect means the same", the_dialect_means_the_same},
		{"mistakes are told and leave nothing", mistakes_are_told_and_leave_nothing},
		{"a read cannot write", a_read_cannot_write},
		{"a job cannot wait for itself", a_job_cannot_wait_for_itself},
		{"lack of memory is told anywhere", lack_of_memory_is_told_anywhere},
		{"a fault anywhere leaves all or nothing",
		 a_fault_anywhere_leaves_all_or_nothing},
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_judged),
		cmocka_unit_test(memory_needs_no_thread),
		cmocka_unit_test(a_new_file_is_private_and_in_wal_mode),
		cmocka_unit_test(a_full_disk_is_no_room_and_loses_nothing),
		cmocka_unit_test(a_read_only_file_is_refused_at_once),
		cmocka_unit_test(a_corrupt_file_is_told),
	};
	int failed = scenes_run(rows, ARRAY_LEN(rows));
	return failed + cmocka_run_group_tests(tests, world_begin, world_end);
}
