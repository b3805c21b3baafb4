/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The writer: groups, failures inside them, order of telling, overload, lost connections.
 *
 * A gate is a job that waits inside its transaction until the test opens it: what is queued
 * meanwhile is known to wait, without any sleeping.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engines.h"

/* clang-format off */
static const struct db_migration schema[] = {
	{1, "note",
	 "CREATE TABLE note (n INTEGER NOT NULL) STRICT;"
	 "CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
	 "INSERT INTO total VALUES ('sum', 0)",
	 "CREATE TABLE note (n BIGINT NOT NULL);"
	 "CREATE TABLE total (name TEXT PRIMARY KEY, value BIGINT NOT NULL);"
	 "INSERT INTO total VALUES ('sum', 0)"},
};
/* clang-format on */

static const struct db_sql sql_note = {"note_add", "INSERT INTO note (n) VALUES ($1)", "n"};
static const struct db_sql sql_count = {"note_count", "SELECT count(*) AS n FROM note", ""};
static const struct db_sql sql_has = {"note_has", "SELECT 1 AS one FROM note WHERE n = $1",
				      "n"};
static const struct db_sql sql_total = {"total_get",
					"SELECT value FROM total WHERE name = 'sum'", ""};
static const struct db_sql sql_total_set = {
	"total_set", "UPDATE total SET value = $1 WHERE name = 'sum'", "value"};
static const struct db_sql sql_kill = {"kill_me",
				       "SELECT pg_terminate_backend(pg_backend_pid())", ""};
static const struct db_sql sql_wrong = {"wrong", "SELECT nothing FROM nowhere", ""};

static int note(struct db_tx *tx, int64_t n, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_note);
	db_bind_i64(q, "n", n);
	return db_exec(q, e) == 1 ? 0 : -1;
}

static int work_count(struct db_tx *tx, void *user, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_count);
	if (db_step(q, e) < 0)
		return -1;
	*(int64_t *)user = db_at_i64(q, 0);
	return 0;
}

static int64_t notes(struct db *db)
{
	struct err e;
	int64_t n = -1;
	OK(db_read(db, work_count, &n, &e));
	return n;
}

/* ---- the gate --------------------------------------------------------------------------- */

struct gate {
	sem_t entered, open, told;
};

static int work_gate(struct db_tx *tx UNUSED, void *user, struct err *e UNUSED)
{
	struct gate *g = user;
	(void)sem_post(&g->entered);
	while (sem_wait(&g->open) < 0)
		;
	return 0;
}

static void gate_told(void *user, int rc UNUSED, const struct err *e UNUSED)
{
	(void)sem_post(&((struct gate *)user)->told);
}

/* Afterwards the writer stands in the gate, and nothing else waits. */
static void gate_close(struct gate *g, struct db *db)
{
	struct err e;
	(void)sem_init(&g->entered, 0, 0);
	(void)sem_init(&g->open, 0, 0);
	(void)sem_init(&g->told, 0, 0);
	OK(db_write_async(db, work_gate, g, gate_told, &e));
	while (sem_wait(&g->entered) < 0)
		;
}

static void gate_open(struct gate *g)
{
	(void)sem_post(&g->open);
	while (sem_wait(&g->told) < 0)
		;
}

struct order {
	struct db *db;
	int64_t n;
	bool is_bad; /* writes, then fails */
	int rc, calls;
	struct err e;
	bool was_visible; /* when it was told */
	sem_t told;
};

static int work_order(struct db_tx *tx, void *user, struct err *e)
{
	struct order *o = user;
	o->calls++;
	if (note(tx, o->n, e) < 0)
		return -1;
	return o->is_bad ? db_step(db_prepare(tx, &sql_wrong), e) : (int)o->n % 3;
}

static int work_has(struct db_tx *tx, void *user, struct err *e)
{
	struct order *o = user;
	struct db_stmt *q = db_prepare(tx, &sql_has);
	db_bind_i64(q, "n", o->n);
	return db_step(q, e);
}

static void order_told(void *user, int rc, const struct err *e)
{
	struct order *o = user;
	struct err ignored;
	o->rc = rc;
	o->e = *e;
	o->was_visible = db_read(o->db, work_has, o, &ignored) == 1;
	(void)sem_post(&o->told);
}

static void order_send(struct order *o, struct db *db, int64_t n, bool is_bad)
{
	struct err e;
	*o = (struct order){.db = db, .n = n, .is_bad = is_bad, .rc = -9};
	(void)sem_init(&o->told, 0, 0);
	OK(db_write_async(db, work_order, o, order_told, &e));
}

static void order_wait(struct order *o)
{
	while (sem_wait(&o->told) < 0)
		;
}

/* The scene's database again, with other options. */
static void reopen(struct scene *s, struct db_options options)
{
	struct err e;
	s->db = db_close(s->db);
	OK(db_open(s->url, &options, &s->db, &e));
	OK(db_migrate(s->db, schema, 1, &e));
}

static void count_up(void *user)
{
	(void)atomic_fetch_add((atomic_int *)user, 1);
}

/* ---- groups ----------------------------------------------------------------------------- */

static void a_group_is_one_commit_and_failures_stay_alone(struct scene *s)
{
	struct err e;
	struct gate g;
	struct order orders[16];
	struct db_counters before, after;
	atomic_int hooks = 0;
	struct db_options options = {.group_for_ms = 60000};
	s->db = db_close(s->db);
	OK(db_open(s->url, &options, &s->db, &e));
	OK(db_on_commit(s->db, count_up, &hooks, &e));
	OK(db_migrate(s->db, schema, 1, &e));
	db_counters(s->db, &before);
	gate_close(&g, s->db);
	for (int i = 0; i < 16; i++)
		order_send(&orders[i], s->db, i, i % 5 == 3);
	gate_open(&g);
	for (int i = 0; i < 16; i++) {
		order_wait(&orders[i]);
		assert_int_equal(orders[i].rc, i % 5 == 3 ? -1 : i % 3);
		assert_int_equal(orders[i].e.kind, i % 5 == 3 ? ERR_INTERNAL : ERR_NONE);
		assert_int_equal(orders[i].was_visible, i % 5 != 3);
		assert_int_equal(orders[i].calls, 1);
	}
	assert_int_equal(notes(s->db), 13);
	db_counters(s->db, &after);
	assert_int_equal(after.commits - before.commits, 1);
	assert_int_equal(after.commits_flushed - before.commits_flushed, 1);
	assert_int_equal(after.jobs - before.jobs, 17);
	assert_int_equal(after.jobs_failed - before.jobs_failed, 3);
	assert_int_equal(after.group_max, 17);
	struct order bad;
	order_send(&bad, s->db, 99, true);
	order_wait(&bad);
	s->db = db_close(s->db);		/* after which no hook can come any more */
	assert_int_equal(hooks, after.commits); /* none for the group that only failed */
}

static void a_failed_commit_fails_all_of_its_group(struct scene *s)
{
	struct gate g;
	struct order orders[4];
	reopen(s, (struct db_options){.group_for_ms = 60000});
	gate_close(&g, s->db);
	for (int i = 0; i < 4; i++)
		order_send(&orders[i], s->db, i, false);
	(void)db_fail_after(s->db, 1, DB_FAULT_COMMIT);
	gate_open(&g);
	for (int i = 0; i < 4; i++) {
		order_wait(&orders[i]);
		assert_int_equal(orders[i].rc, -1);
		assert_int_equal(orders[i].e.kind, ERR_IO);
	}
	assert_int_equal(notes(s->db), 0);
	order_send(&orders[0], s->db, 7, false);
	order_wait(&orders[0]);
	assert_int_equal(orders[0].rc, 1);
	assert_int_equal(notes(s->db), 1);
}

static void a_full_queue_is_busy(struct scene *s)
{
	struct err e;
	struct gate g;
	struct order orders[3], late = {.n = 50};
	struct db_counters counters;
	reopen(s, (struct db_options){.queue_max = 3, .group_max = 2});
	gate_close(&g, s->db);
	for (int i = 0; i < 3; i++)
		order_send(&orders[i], s->db, i, false);
	FAILS(db_write_async(s->db, work_order, &late, order_told, &e), ERR_BUSY);
	FAILS(db_write(s->db, work_order, &late, &e), ERR_BUSY);
	gate_open(&g);
	for (int i = 0; i < 3; i++)
		order_wait(&orders[i]);
	assert_int_equal(notes(s->db), 3);
	assert_int_equal(late.calls, 0);
	db_counters(s->db, &counters);
	assert_int_equal(counters.queue_refused, 2);
	assert_int_equal(counters.queue_max, 3);
	assert_true(counters.group_max <= 2);
}

static void closing_does_what_is_queued(struct scene *s)
{
	struct err e;
	struct gate g;
	struct order orders[5];
	reopen(s, (struct db_options){.group_max = 2});
	gate_close(&g, s->db);
	for (int i = 0; i < 5; i++)
		order_send(&orders[i], s->db, i, false);
	(void)sem_post(&g.open);
	s->db = db_close(s->db);
	for (int i = 0; i < 5; i++)
		assert_int_equal(orders[i].rc, i % 3);
	OK(db_open(s->url, NULL, &s->db, &e));
	assert_int_equal(notes(s->db), 5);
}

enum { THREADS = 16, WRITES = 40 };

struct worker {
	pthread_t thread;
	struct db *db;
	int number, failures;
};

static void *worker_main(void *user)
{
	struct worker *w = user;
	for (int i = 0; i < WRITES; i++) {
		struct err e = ERR_INIT;
		struct order o = {
			.db = w->db, .n = 1000 * w->number + i, .is_bad = i % 10 == 9};
		int rc = db_write(w->db, work_order, &o, &e);
		int want = o.is_bad ? -1 : (int)o.n % 3;
		int seen = db_read(w->db, work_has, &o, &e);
		w->failures += rc != want || seen != !o.is_bad;
	}
	return NULL;
}

static void many_threads_write_and_see_their_writes(struct scene *s)
{
	struct worker workers[THREADS];
	struct db_counters c;
	reopen(s, (struct db_options){0});
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.db = s->db, .number = i};
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].failures, 0);
	}
	assert_int_equal(notes(s->db), THREADS * (WRITES - WRITES / 10));
	db_counters(s->db, &c);
	uint64_t groups = 0;
	for (size_t i = 0; i < ARRAY_LEN(c.groups); i++)
		groups += c.groups[i];
	assert_int_equal(groups, c.commits);
	assert_int_equal(c.jobs, THREADS * WRITES + 2); /* and two of db_migrate */
}

/* ---- several programs beside one database ------------------------------------------------- */

/* Reads, then writes what depends on it: two at once would lose one. */
static int work_increment(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_total);
	if (db_step(q, e) < 0)
		return -1;
	int64_t value = db_at_i64(q, 0);
	q = db_prepare(tx, &sql_total_set);
	db_bind_i64(q, "value", value + 1);
	return db_exec(q, e) == 1 ? 0 : -1;
}

static int work_total(struct db_tx *tx, void *user, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_total);
	if (db_step(q, e) < 0)
		return -1;
	*(int64_t *)user = db_at_i64(q, 0);
	return 0;
}

static void *increment_main(void *user)
{
	struct worker *w = user;
	for (int i = 0; i < WRITES; i++) {
		struct err e = ERR_INIT;
		w->failures += db_write(w->db, work_increment, NULL, &e) != 0;
	}
	return NULL;
}

static void two_masters_keep_one_order_of_writes(struct scene *s)
{
	struct err e;
	struct db *other CLEAN(db_closep) = NULL;
	struct worker workers[6];
	int64_t total = 0;
	reopen(s, (struct db_options){0});
	OK(db_open(s->url, NULL, &other, &e));
	for (int i = 0; i < 6; i++) {
		workers[i] = (struct worker){.db = i % 2 ? other : s->db};
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, increment_main, &workers[i]),
			0);
	}
	for (int i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].failures, 0);
	}
	OK(db_read(s->db, work_total, &total, &e));
	assert_int_equal(total, 6 * WRITES);
}

/* ---- reading ---------------------------------------------------------------------------- */

struct watch {
	struct db *db;
	int64_t first, second;
	sem_t has_looked, look_again;
	int rc;
};

static int work_watch(struct db_tx *tx, void *user, struct err *e)
{
	struct watch *w = user;
	if (work_count(tx, &w->first, e) < 0)
		return -1;
	(void)sem_post(&w->has_looked);
	while (sem_wait(&w->look_again) < 0)
		;
	return work_count(tx, &w->second, e);
}

static void *watch_main(void *user)
{
	struct watch *w = user;
	struct err e = ERR_INIT;
	w->rc = db_read(w->db, work_watch, w, &e);
	return NULL;
}

static void a_read_sees_one_snapshot(struct scene *s)
{
	struct err e;
	pthread_t thread;
	struct watch w = {.first = -1, .second = -1};
	struct order o = {.n = 3};
	int64_t n = 0;
	reopen(s, (struct db_options){.readers_max = 1, .reader_wait_ms = 20});
	w.db = s->db;
	(void)sem_init(&w.has_looked, 0, 0);
	(void)sem_init(&w.look_again, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, watch_main, &w), 0);
	while (sem_wait(&w.has_looked) < 0)
		;
	OK(db_write(s->db, work_order, &o, &e));
	FAILS(db_read(s->db, work_count, &n, &e), ERR_BUSY); /* the only reader is taken */
	(void)sem_post(&w.look_again);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(w.rc, 0);
	assert_int_equal(w.first, 0);
	assert_int_equal(w.second, 0);
	assert_int_equal(notes(s->db), 1);
}

/* ---- async on sqlite::memory: ------------------------------------------------------------- */

static int chain_length(void *user)
{
	return ((struct order *)user)->calls;
}

static void chain_told(void *user, int rc, const struct err *e UNUSED)
{
	struct order *o = user;
	struct err ignored = ERR_INIT;
	o->rc = rc;
	if (chain_length(o) < 5 &&
	    db_write_async(o->db, work_order, o, chain_told, &ignored) < 0)
		o->rc = -2;
}

static void memory_runs_async_jobs_in_the_calling_thread(void **state UNUSED)
{
	struct err e;
	struct db *db CLEAN(db_closep) = NULL;
	atomic_int hooks = 0;
	OK(db_open("sqlite::memory:", NULL, &db, &e));
	OK(db_migrate(db, schema, 1, &e));
	OK(db_on_commit(db, count_up, &hooks, &e));
	struct order o = {.db = db, .n = 4};
	OK(db_write_async(db, work_order, &o, chain_told, &e));
	assert_int_equal(o.calls, 5);
	assert_int_equal(o.rc, 1);
	assert_int_equal(hooks, 5);
	assert_int_equal(notes(db), 5);
}

/* ---- lost connections ------------------------------------------------------------------- */

static int work_killed_once(struct db_tx *tx, void *user, struct err *e)
{
	struct order *o = user;
	if (o->calls++ == 0)
		return db_step(db_prepare(tx, &sql_kill), e);
	return o->is_bad ? 0 : note(tx, o->n, e);
}

static void a_lost_connection_runs_the_group_again(struct scene *s)
{
	struct err e;
	struct gate g;
	struct order first, killed = {.n = 1}, read = {.is_bad = true};
	struct db_counters c;
	if (s->engine == DB_SQLITE)
		return;
	reopen(s, (struct db_options){.group_for_ms = 60000});
	(void)notes(s->db);
	gate_close(&g, s->db);
	order_send(&first, s->db, 5, false);
	(void)sem_post(&g.open); /* it passes twice */
	(void)sem_post(&g.open);
	OK(db_write(s->db, work_killed_once, &killed, &e));
	order_wait(&first);
	assert_int_equal(first.rc, 2);
	assert_int_equal(killed.calls, 2);
	assert_int_equal(notes(s->db), 2);
	OK(db_read(s->db, work_killed_once, &read, &e));
	assert_int_equal(read.calls, 2);
	db_counters(s->db, &c);
	assert_true(c.retries >= 1);
}

static void a_server_that_comes_back_is_used_again(struct scene *s)
{
	struct err e;
	struct order o = {.n = 3};
	char command[256], line[256];
	if (s->engine == DB_SQLITE)
		return;
	reopen(s, (struct db_options){0});
	OK(db_write(s->db, work_order, &o, &e));
	(void)snprintf(command, sizeof command, "tests/pg-cluster.sh stop %s/pg", world()->dir);
	shell_line(command, line, sizeof line);
	FAILS(db_write(s->db, work_order, &o, &e), ERR_UNREACHABLE);
	(void)snprintf(command, sizeof command, "tests/pg-cluster.sh start %s/pg",
		       world()->dir);
	shell_line(command, line, sizeof line);
	OK(db_write(s->db, work_order, &o, &e));
	assert_int_equal(notes(s->db), 2);
}

/*
 * A man in the middle who cuts the line at the next COMMIT: before the server gets it, or after
 * the server has answered and before the client gets that.
 */
struct middle {
	char dir[128];
	int listener;
	pthread_t thread;
	atomic_int cut; /* the enum below; off after one cut */
};

enum { CUT_NOTHING, CUT_BEFORE, CUT_AFTER };

static int socket_at(const char *dir, bool is_server)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s/.s.PGSQL.5432", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *a = (const struct sockaddr *)&at;
	if (is_server ? bind(fd, a, sizeof at) || listen(fd, 8) : connect(fd, a, sizeof at)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Passes on what `from` has to say; false when the line ends or has to be cut. */
static bool pass_on(struct middle *m, int from, int to, bool is_request)
{
	char bytes[8192];
	ssize_t n = read(from, bytes, sizeof bytes);
	if (n <= 0)
		return false;
	int cut = is_request && memmem(bytes, (size_t)n, "COMMIT", 7)
			  ? atomic_exchange(&m->cut, CUT_NOTHING)
			  : CUT_NOTHING;
	if (cut == CUT_BEFORE)
		return false;
	struct err e;
	if (file_write_fd(to, str_of(bytes, (size_t)n), &e) < 0)
		return false;
	return cut == CUT_AFTER ? read(to, bytes, sizeof bytes) < 0 : true;
}

static void serve(struct middle *m, int client)
{
	char dir[128];
	(void)snprintf(dir, sizeof dir, "%s/pg", world()->dir);
	int server = socket_at(dir, false);
	struct pollfd fds[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
	bool is_open = server >= 0;
	while (is_open && poll(fds, 2, -1) > 0) {
		if (fds[0].revents)
			is_open = pass_on(m, client, server, true);
		if (is_open && fds[1].revents)
			is_open = pass_on(m, server, client, false);
	}
	(void)close(client);
	(void)close(server);
}

static void *middle_main(void *user)
{
	struct middle *m = user;
	int client;
	while ((client = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		serve(m, client);
	return NULL;
}

static void a_commit_without_an_answer_is_done_exactly_once(struct scene *s)
{
	static const int cuts[] = {CUT_BEFORE, CUT_AFTER};
	struct err e;
	struct middle m = {.cut = CUT_NOTHING};
	struct db *db = NULL;
	char url[512];
	if (s->engine == DB_SQLITE)
		return;
	reopen(s, (struct db_options){0});
	(void)snprintf(m.dir, sizeof m.dir, "%s/middle", world()->dir);
	assert_int_equal(mkdir(m.dir, 0755), 0);
	m.listener = socket_at(m.dir, true);
	assert_true(m.listener >= 0);
	assert_int_equal(pthread_create(&m.thread, NULL, middle_main, &m), 0);
	(void)snprintf(url, sizeof url, "postgresql:///hoc?host=%s&user=hoc%s", m.dir,
		       strstr(s->url, "&options"));
	OK(db_open(url, NULL, &db, &e));
	for (int i = 0; i < 2; i++) {
		struct order o = {.n = 3 + i};
		atomic_store(&m.cut, cuts[i]);
		assert_int_equal(db_write(db, work_order, &o, &e), i);
		assert_int_equal(o.calls, cuts[i] == CUT_BEFORE ? 2 : 1);
		assert_int_equal(notes(s->db), i + 1);
	}
	db = db_close(db);
	assert_int_equal(shutdown(m.listener, SHUT_RDWR), 0);
	assert_int_equal(pthread_join(m.thread, NULL), 0);
	assert_int_equal(close(m.listener), 0);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"a group is one commit and failures stay alone",
		 a_group_is_one_commit_and_failures_stay_alone},
		{"a failed commit fails all of its group",
		 a_failed_commit_fails_all_of_its_group},
		{"a full queue is busy", a_full_queue_is_busy},
		{"closing does what is queued", closing_does_what_is_queued},
		{"many threads write and see their writes",
		 many_threads_write_and_see_their_writes},
		{"two masters keep one order of writes", two_masters_keep_one_order_of_writes},
		{"a read sees one snapshot", a_read_sees_one_snapshot},
		{"a lost connection runs the group again",
		 a_lost_connection_runs_the_group_again},
		{"a server that comes back is used again",
		 a_server_that_comes_back_is_used_again},
		{"a commit without an answer is done exactly once",
		 a_commit_without_an_answer_is_done_exactly_once},
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_runs_async_jobs_in_the_calling_thread),
	};
	int failed = scenes_run(rows, ARRAY_LEN(rows));
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
