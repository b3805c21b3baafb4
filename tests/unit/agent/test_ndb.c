/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/ndb.h"
#include "base/file.h"
#include "base/mem.h"

struct scene {
	char dir[64];
	struct ndb *n;
	struct arena *a;
	struct rng_seeded rng;
};

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.dir = "/tmp/hoc-ndb-XXXXXX"};
	rng_seeded_init(&s.rng, 1);
	if (!mkdtemp(s.dir) || arena_new(16 << 20, &s.a, &e) < 0)
		return -1;
	*state = &s;
	return ndb_open(s.dir, &s.n, &e);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	ndb_close(s->n);
	arena_free(s->a);
	return file_remove_tree(s->dir, &e);
}

static void reopen(struct scene *s)
{
	struct err e = ERR_INIT;
	s->n = ndb_close(s->n);
	assert_int_equal(ndb_open(s->dir, &s->n, &e), 0);
}

static void the_file_is_private(void **state)
{
	struct scene *s = *state;
	struct stat st;
	assert_int_equal(stat(arena_fmt(s->a, "%s/node.db", s->dir).p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void what_cannot_be_opened_is_an_error(void **state)
{
	struct scene *s = *state;
	struct ndb *n = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_open("/no/such/directory", &n, &e), -1);
	assert_null(n);
	err_clear(&e);
	assert_int_equal(file_write(arena_fmt(s->a, "%s/d", s->dir).p, S("x"), 0600, &e), 0);
	assert_int_equal(mkdir(arena_fmt(s->a, "%s/bad", s->dir).p, 0700), 0);
	assert_int_equal(file_write(arena_fmt(s->a, "%s/bad/node.db", s->dir).p,
				    arena_fmt(s->a, "%0600d", 7), 0600, &e),
			 0);
	assert_int_equal(ndb_open(arena_fmt(s->a, "%s/bad", s->dir).p, &n, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_null(ndb_close(NULL));
}

static void keys_are_kept_and_replaced(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got = S("untouched");
	const struct str keys[] = {S("name"), S("bridge")}, values[] = {S("n1"), S("hoc1")};
	const struct str other[] = {S("n2"), S("")};
	assert_int_equal(ndb_get(s->n, S("name"), s->a, &got, &e), 1);
	assert_true(str_is(got, "untouched"));
	assert_int_equal(ndb_set(s->n, keys, values, 2, &e), 0);
	assert_int_equal(ndb_set(s->n, keys, other, 2, &e), 0);
	reopen(s);
	assert_int_equal(ndb_get(s->n, S("name"), s->a, &got, &e), 0);
	assert_true(str_is(got, "n2"));
	assert_int_equal(ndb_get(s->n, S("bridge"), s->a, &got, &e), 0);
	assert_true(str_is(got, ""));
}

/* ---- partitions and wishes ------------------------------------------------------------------ */

static void set_partitions(struct scene *s, size_t count)
{
	struct ndb_partition list[8];
	struct err e = ERR_INIT;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct ndb_partition){(int64_t)i, arena_fmt(s->a, "p%zu", i),
						 200000 + (int64_t)i * 65536, S("10.0.0.2"),
						 S("fd00::2")};
	assert_int_equal(ndb_set_partitions(s->n, list, count, &e), 0);
}

static struct machine_wish wish(const char *guid, int64_t version)
{
	return (struct machine_wish){.guid = str_from(guid),
				     .title = S("title"),
				     .tree = S("tree"),
				     .release = S("hoc:x"),
				     .type = S("default"),
				     .want = PLAN_STARTED,
				     .parameters = S("{\"a\":1}"),
				     .shared = S("[]"),
				     .version = version};
}

static void save_wish(struct scene *s, size_t slot, const char *guid, int64_t version, int rc)
{
	struct err e = ERR_INIT;
	const struct machine_wish w = wish(guid, version);
	assert_int_equal(ndb_save_wish(s->n, slot, &w, &e), rc);
}

static struct ndb_wish *wishes(struct scene *s, size_t want)
{
	struct ndb_wish *list;
	size_t n;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_wishes(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(n, want);
	return list;
}

static void partitions_are_replaced_as_a_set(void **state)
{
	struct scene *s = *state;
	struct ndb_partition *list;
	size_t n = 9;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(n, 0);
	set_partitions(s, 3);
	set_partitions(s, 5);
	set_partitions(s, 2);
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_true(str_is(list[1].name, "p1"));
	assert_int_equal(list[1].slot, 1);
	assert_int_equal(list[1].uid_base, 265536);
	assert_true(str_is(list[1].ipv6, "fd00::2"));
}

static void a_partition_with_an_instance_does_not_go(void **state)
{
	struct scene *s = *state;
	struct ndb_partition *list;
	size_t n = 0;
	struct err e = ERR_INIT;
	set_partitions(s, 3);
	save_wish(s, 2, "inst-a", 5, 0);
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(ndb_set_partitions(s->n, list, 2, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "title"));
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(n, 3); /* nothing half done */
	assert_int_equal(ndb_forget(s->n, 2, S("inst-a"), &e), 0);
	set_partitions(s, 2);
}

static void a_set_with_a_clash_changes_nothing(void **state)
{
	struct scene *s = *state;
	struct ndb_partition *list;
	size_t n = 0;
	struct err e = ERR_INIT;
	set_partitions(s, 2);
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	list[1].uid_base = list[0].uid_base;
	assert_int_equal(ndb_set_partitions(s->n, list, 2, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(ndb_partitions(s->n, s->a, &list, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[1].uid_base, 265536);
}

static void a_wish_is_kept_with_all_its_texts(void **state)
{
	struct scene *s = *state;
	save_wish(s, 1, "inst-a", 5, 0);
	save_wish(s, 1, "inst-a", 5, 1); /* the same: nothing written */
	reopen(s);
	const struct ndb_wish *w = wishes(s, 1);
	assert_int_equal(w->slot, 1);
	assert_true(str_is(w->wish.guid, "inst-a"));
	assert_true(str_is(w->wish.title, "title"));
	assert_true(str_is(w->wish.tree, "tree"));
	assert_true(str_is(w->wish.release, "hoc:x"));
	assert_true(str_is(w->wish.type, "default"));
	assert_true(str_is(w->wish.parameters, "{\"a\":1}"));
	assert_true(str_is(w->wish.shared, "[]"));
	assert_int_equal(w->wish.want, PLAN_STARTED);
	assert_int_equal(w->wish.version, 5);
	assert_int_equal(w->applied_version, 0);
	assert_true(str_is(w->connection, ""));
}

static void an_applied_version_outlives_new_wishes_of_the_instance(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	save_wish(s, 0, "inst-a", 5, 0);
	assert_int_equal(ndb_save_applied(s->n, 0, 5, S("{\"url\":\"x\"}"), &e), 0);
	save_wish(s, 0, "inst-a", 6, 0);
	const struct ndb_wish *w = wishes(s, 1);
	assert_int_equal(w->applied_version, 5);
	assert_true(str_is(w->connection, "{\"url\":\"x\"}"));
	/* Another instance begins with nothing of its predecessor. */
	save_wish(s, 0, "inst-b", 7, 0);
	w = wishes(s, 1);
	assert_true(str_is(w->wish.guid, "inst-b"));
	assert_int_equal(w->applied_version, 0);
	assert_true(str_is(w->connection, ""));
}

static void one_instance_is_on_one_partition(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct machine_wish w = wish("inst-a", 6);
	save_wish(s, 0, "inst-a", 5, 0);
	assert_int_equal(ndb_save_wish(s->n, 1, &w, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	(void)wishes(s, 1);
}

/* ---- secrets, steps, children --------------------------------------------------------------- */

static struct str secret(struct scene *s, const char *guid, const char *name, size_t length)
{
	struct str got;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_secret(s->n, str_from(guid), str_from(name), length, &s->rng.rng,
				    s->a, &got, &e),
			 0);
	return got;
}

static void a_secret_stays_until_it_is_forgotten(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str first = secret(s, "inst-a", "password", 24);
	assert_int_equal(first.n, 24);
	assert_true(str_eq(secret(s, "inst-a", "password", 24), first));
	assert_true(
		str_eq(secret(s, "inst-a", "password", 8), first)); /* length of the first */
	reopen(s);
	assert_true(str_eq(secret(s, "inst-a", "password", 24), first));
	assert_false(str_eq(secret(s, "inst-a", "other", 24), first));
	assert_false(str_eq(secret(s, "inst-b", "password", 24), first));
	assert_int_equal(secret(s, "inst-a", "long", 256).n, 256);
	assert_int_equal(ndb_forget(s->n, 0, S("inst-a"), &e), 0);
	assert_false(str_eq(secret(s, "inst-a", "password", 24), first));
}

static void a_step_is_done_once(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_is_step_done(s->n, S("inst-a"), S("initdb"), &e), 0);
	assert_int_equal(ndb_step_done(s->n, S("inst-a"), S("initdb"), &e), 0);
	assert_int_equal(ndb_step_done(s->n, S("inst-a"), S("initdb"), &e), 0);
	reopen(s);
	assert_int_equal(ndb_is_step_done(s->n, S("inst-a"), S("initdb"), &e), 1);
	assert_int_equal(ndb_is_step_done(s->n, S("inst-b"), S("initdb"), &e), 0);
}

static void a_child_has_its_last_connection(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got;
	assert_int_equal(ndb_child(s->n, S("inst-a"), S("db"), s->a, &got, &e), 1);
	assert_int_equal(ndb_save_child(s->n, S("inst-a"), S("db"), S("{\"a\":1}"), &e), 0);
	assert_int_equal(ndb_save_child(s->n, S("inst-a"), S("db"), S("{\"a\":2}"), &e), 0);
	assert_int_equal(ndb_child(s->n, S("inst-a"), S("db"), s->a, &got, &e), 0);
	assert_true(str_is(got, "{\"a\":2}"));
}

static void add_result(struct scene *s, const char *guid, int64_t at_ms)
{
	struct err e = ERR_INIT;
	const struct ndb_result r = {str_from(guid),  S("answers"), S("kept"),
				     S("fine \"1\""), at_ms,	    3};
	assert_int_equal(ndb_results_add(s->n, &r, 1, &e), 0);
}

static size_t result_count(struct scene *s, const char *guid)
{
	struct ndb_result *list;
	size_t n;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_results(s->n, str_from(guid), 500, s->a, &list, &n, &e), 0);
	return n;
}

static int64_t outbox_count(struct scene *s)
{
	int64_t n = -1;
	struct err e = ERR_INIT;
	assert_int_equal(ndb_outbox_count(s->n, &n, &e), 0);
	return n;
}

static void add_usage(struct scene *s, const char *guid, int64_t value, const char *body)
{
	struct err e = ERR_INIT;
	const struct ndb_reading reading = {str_from(guid), S("cpu"), value, 100 + value};
	const struct ndb_row row = {.kind = S("usage"), .body = str_from(body)};
	assert_int_equal(ndb_meter(s->n, &reading, 1, &row, 1, &e), 0);
}

static void forgetting_takes_everything_but_what_is_owed(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got;
	struct ndb_reading *readings;
	size_t n;
	save_wish(s, 0, "inst-a", 5, 0);
	save_wish(s, 1, "inst-b", 5, 0);
	(void)secret(s, "inst-a", "password", 24);
	assert_int_equal(ndb_step_done(s->n, S("inst-a"), S("initdb"), &e), 0);
	assert_int_equal(ndb_save_child(s->n, S("inst-a"), S("db"), S("{}"), &e), 0);
	add_result(s, "inst-a", 1);
	add_result(s, "inst-b", 1);
	add_usage(s, "inst-a", 1, "{}");
	add_usage(s, "inst-b", 1, "{}");
	assert_int_equal(ndb_forget(s->n, 0, S("inst-a"), &e), 0);
	assert_int_equal(ndb_forget(s->n, 0, S("inst-a"), &e), 0);
	assert_true(str_is(wishes(s, 1)->wish.guid, "inst-b"));
	assert_int_equal(ndb_is_step_done(s->n, S("inst-a"), S("initdb"), &e), 0);
	assert_int_equal(ndb_child(s->n, S("inst-a"), S("db"), s->a, &got, &e), 1);
	assert_int_equal(result_count(s, "inst-a"), 0);
	assert_int_equal(result_count(s, "inst-b"), 1);
	assert_int_equal(ndb_readings(s->n, s->a, &readings, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(outbox_count(s), 4); /* usage is still to be paid */
}

static void forgetting_the_predecessor_spares_the_successor(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	save_wish(s, 0, "inst-b", 7, 0);
	assert_int_equal(ndb_forget(s->n, 0, S("inst-a"), &e), 0);
	assert_true(str_is(wishes(s, 1)->wish.guid, "inst-b"));
}

/* ---- outbox --------------------------------------------------------------------------------- */

static void the_outbox_keeps_its_order(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct ndb_row *rows, list[10];
	size_t n;
	int64_t left;
	for (int i = 0; i < 10; i++)
		list[i] = (struct ndb_row){.kind = i % 2 ? S("usage") : S("promise"),
					   .body = arena_fmt(s->a, "{\"i\":%d}", i)};
	assert_int_equal(ndb_outbox_add(s->n, list, 10, &e), 0);
	reopen(s);
	assert_int_equal(ndb_outbox_peek(s->n, 4, s->a, &rows, &n, &e), 0);
	assert_int_equal(n, 4);
	assert_true(str_is(rows[0].body, "{\"i\":0}"));
	assert_true(str_is(rows[3].body, "{\"i\":3}"));
	assert_true(str_is(rows[3].kind, "usage"));
	/* Looking takes nothing. */
	assert_int_equal(ndb_outbox_peek(s->n, 4, s->a, &rows, &n, &e), 0);
	assert_int_equal(outbox_count(s), 10);
	assert_int_equal(ndb_outbox_drop(s->n, rows[3].seq, &left, &e), 0);
	assert_int_equal(left, 6);
	assert_int_equal(ndb_outbox_drop(s->n, rows[3].seq, &left, &e), 0); /* twice is once */
	assert_int_equal(left, 6);
	assert_int_equal(ndb_outbox_peek(s->n, 100, s->a, &rows, &n, &e), 0);
	assert_int_equal(n, 6);
	assert_true(str_is(rows[0].body, "{\"i\":4}"));
	int64_t last = rows[5].seq;
	assert_int_equal(ndb_outbox_drop(s->n, last, &left, &e), 0);
	assert_int_equal(left, 0);
	/* A number is never used again: a late drop of an old one takes nothing new. */
	reopen(s);
	assert_int_equal(ndb_outbox_add(s->n, list, 1, &e), 0);
	assert_int_equal(ndb_outbox_peek(s->n, 1, s->a, &rows, &n, &e), 0);
	assert_true(rows[0].seq > last);
}

static void results_are_a_ring_and_go_out(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct ndb_result *list;
	struct ndb_row *rows;
	size_t n;
	for (int64_t i = 0; i < NDB_HISTORY_MAX + 25; i++)
		add_result(s, "inst-a", 1000 + i);
	add_result(s, "inst-b", 7);
	assert_int_equal(result_count(s, "inst-a"), NDB_HISTORY_MAX);
	assert_int_equal(ndb_results(s->n, S("inst-a"), 2, s->a, &list, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].at_ms, 1000 + NDB_HISTORY_MAX + 24); /* newest first */
	assert_int_equal(list[1].at_ms, 1000 + NDB_HISTORY_MAX + 23);
	assert_int_equal(list[0].took_ms, 3);
	assert_true(str_is(list[0].message, "fine \"1\""));
	assert_int_equal(outbox_count(s), NDB_HISTORY_MAX + 26);
	assert_int_equal(ndb_outbox_peek(s->n, 1, s->a, &rows, &n, &e), 0);
	assert_true(str_is(rows[0].kind, "promise"));
	assert_true(str_is(rows[0].body,
			   "{\"instance\":\"inst-a\",\"name\":\"answers\",\"state\":\"kept\","
			   "\"message\":\"fine \\\"1\\\"\",\"at\":\"1970-01-01T00:00:01.000Z\","
			   "\"took_ms\":3}"));
	assert_int_equal(ndb_results_add(s->n, NULL, 0, &e), 0);
}

/* ---- the meter ------------------------------------------------------------------------------ */

static void a_reading_moves_on_with_its_usage_or_not_at_all(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct ndb_reading *readings;
	size_t n;
	add_usage(s, "inst-a", 1, "{\"id\":1}");
	/* A row that cannot be stored takes the reading with it. */
	const struct ndb_reading next = {S("inst-a"), S("cpu"), 2, 102};
	const struct ndb_row bad[2] = {{.kind = S("usage"), .body = S("{}")},
				       {.kind = S("usage"), .body = S("\xFF")}};
	assert_int_equal(ndb_meter(s->n, &next, 1, bad, 2, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	reopen(s);
	assert_int_equal(ndb_readings(s->n, s->a, &readings, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(readings[0].value, 1);
	assert_int_equal(readings[0].at_ms, 101);
	assert_int_equal(outbox_count(s), 1);
	add_usage(s, "inst-a", 2, "{\"id\":2}");
	assert_int_equal(ndb_readings(s->n, s->a, &readings, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(readings[0].value, 2);
	assert_int_equal(outbox_count(s), 2);
}

/* ---- faults --------------------------------------------------------------------------------- */

static int everything(struct scene *s, struct arena *a, struct err *e)
{
	const struct machine_wish w = wish("inst-f", 5);
	const struct ndb_result r = {S("inst-f"), S("x"), S("kept"), S(""), 1, 1};
	const struct ndb_reading reading = {S("inst-f"), S("cpu"), 1, 1};
	const struct ndb_row row = {.kind = S("usage"), .body = S("{}")};
	struct str secret_text;
	struct ndb_wish *list;
	size_t n;
	if (ndb_save_wish(s->n, 3, &w, e) < 0 || ndb_save_applied(s->n, 3, 5, S("{}"), e) < 0 ||
	    ndb_secret(s->n, S("inst-f"), S("p"), 24, &s->rng.rng, a, &secret_text, e) < 0 ||
	    ndb_step_done(s->n, S("inst-f"), S("x"), e) < 0 ||
	    ndb_results_add(s->n, &r, 1, e) < 0 ||
	    ndb_meter(s->n, &reading, 1, &row, 1, e) < 0 ||
	    ndb_wishes(s->n, a, &list, &n, e) < 0)
		return -1;
	assert_int_equal(secret_text.n, 24);
	assert_int_equal(n, 1);
	return 0;
}

/* Each allocation fails in turn; the same again then works, and usage matches readings. */
static void a_failed_allocation_leaves_whole_transactions(void **state)
{
	struct scene *s = *state;
	for (unsigned long n = 1;; n++) {
		struct arena *a CLEAN(arena_freep) = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(arena_new(1 << 20, &a, &e), 0);
		int64_t before = outbox_count(s);
		(void)mem_fail_after(n);
		int rc = everything(s, a, &e);
		unsigned long used = mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
		assert_in_range(outbox_count(s) - before, 0, 2);
		if (used < n) {
			assert_int_equal(rc, 0);
			assert_int_equal(outbox_count(s) - before, 2);
			break;
		}
		assert_int_equal(ndb_forget(s->n, 3, S("inst-f"), &e), 0);
		arena_clear(s->a);
	}
}

static void opening_survives_every_failed_allocation(void **state)
{
	struct scene *s = *state;
	s->n = ndb_close(s->n);
	for (unsigned long n = 1;; n++) {
		struct err e = ERR_INIT;
		(void)mem_fail_after(n);
		int rc = ndb_open(s->dir, &s->n, &e);
		unsigned long used = mem_fail_after(0);
		if (rc == 0 && used < n)
			break;
		if (rc < 0) {
			assert_int_equal(e.kind, ERR_MEMORY);
			assert_null(s->n);
		}
		s->n = ndb_close(s->n);
	}
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(the_file_is_private),
		SCENE(what_cannot_be_opened_is_an_error),
		SCENE(keys_are_kept_and_replaced),
		SCENE(partitions_are_replaced_as_a_set),
		SCENE(a_partition_with_an_instance_does_not_go),
		SCENE(a_set_with_a_clash_changes_nothing),
		SCENE(a_wish_is_kept_with_all_its_texts),
		SCENE(an_applied_version_outlives_new_wishes_of_the_instance),
		SCENE(one_instance_is_on_one_partition),
		SCENE(a_secret_stays_until_it_is_forgotten),
		SCENE(a_step_is_done_once),
		SCENE(a_child_has_its_last_connection),
		SCENE(forgetting_takes_everything_but_what_is_owed),
		SCENE(forgetting_the_predecessor_spares_the_successor),
		SCENE(the_outbox_keeps_its_order),
		SCENE(results_are_a_ring_and_go_out),
		SCENE(a_reading_moves_on_with_its_usage_or_not_at_all),
		SCENE(a_failed_allocation_leaves_whole_transactions),
		SCENE(opening_survives_every_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
