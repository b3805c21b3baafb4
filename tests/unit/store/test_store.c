/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables through their functions, on both engines. */
#include "../db/engines.h"

#include "store/bill.h"
#include "store/customer.h"
#include "store/event.h"
#include "store/instance.h"
#include "store/node.h"
#include "store/promise.h"
#include "store/release.h"
#include "store/usage.h"

/* The body of a case runs in one write transaction. */
static void in_write(struct scene *s, db_work_fn *fn)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	OK(store_migrate(s->db, &e));
	OK(db_write(s->db, fn, s, &e));
}

#define DO(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, e->text); \
	} while (0)

static int64_t add_instance(struct scene *s, struct db_tx *tx, const char *title, struct err *e)
{
	struct customer owner;
	struct release r;
	struct instance i = {
		.guid = arena_fmt(s->a, "inst-%s", title),
		.title = str_from(title),
		.type = S("default"),
		.parameters_json = S("{}"),
		.where_json = S("{}"),
		.refusals = S(""),
		.timestamp = 5,
		.is_live = true,
	};
	DO(store_customer_get(tx, s->a, S("c"), 1, &owner, e));
	int rc = store_release_by_uri(tx, s->a, S("u"), &r, e);
	DO(rc);
	if (rc == 0) {
		r = (struct release){.uri = S("u"),
				     .name = S("r"),
				     .title = S("R"),
				     .category = S("x"),
				     .hash = S("ab"),
				     .manifest_json = S("{}")};
		DO(store_release_add(tx, &r, S("{}"), e));
	}
	i.customer_id = owner.id;
	i.release_id = r.id;
	DO(store_instance_add(tx, &i, e));
	assert_int_equal(i.tree_id, i.id);
	return i.id;
}

static int partitions_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct node n = {.name = S("n"),
			 .title = S("n"),
			 .region = S(""),
			 .network = S(""),
			 .capabilities_json = S("{}")};
	struct partition p;
	static const char *const names[] = {"z", "a", "m"};
	DO(store_node_add(tx, &n, e));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		p = (struct partition){.node_id = n.id,
				       .name = str_from(names[i]),
				       .position = (int64_t)i,
				       .addresses_json = S("[]")};
		DO(store_partition_add(tx, &p, e));
	}
	DO(store_node_recount(tx, n.id, e));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		/* The lowest in the order of the format, not of the names. */
		assert_int_equal(store_partition_lowest(tx, s->a, n.id, &p, e), 1);
		assert_true(str_is(p.name, names[i]));
		DO(store_partition_take(tx, n.id, p.id, add_instance(s, tx, names[i], e), e));
	}
	assert_int_equal(store_partition_lowest(tx, s->a, n.id, &p, e), 0);
	assert_int_equal(store_partition_find(tx, s->a, n.id, S("a"), &p, e), 1);
	DO(store_partition_free(tx, n.id, p.id, e));
	assert_int_equal(store_node_find(tx, s->a, S("n"), &n, e), 1);
	assert_int_equal(n.partitions_free, 1);
	assert_int_equal(n.partitions_total, 3);
	/* Timestamps of a node grow though the clock stands. */
	int64_t first, second;
	DO(store_node_stamp(tx, n.id, 7, &first, e));
	DO(store_node_stamp(tx, n.id, 7, &second, e));
	assert_int_equal(first, 7000);
	assert_int_equal(second, 7001);
	return 0;
}

static void partitions_are_taken_in_order(struct scene *s)
{
	in_write(s, partitions_body);
}

static int twice_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct node n = {.name = S("n"),
			 .title = S("n"),
			 .region = S(""),
			 .network = S(""),
			 .capabilities_json = S("{}")};
	struct partition p = {.name = S("p"), .addresses_json = S("[]")};
	DO(store_node_add(tx, &n, e));
	p.node_id = n.id;
	DO(store_partition_add(tx, &p, e));
	DO(store_node_recount(tx, n.id, e));
	DO(store_partition_lowest(tx, s->a, n.id, &p, e));
	DO(store_partition_take(tx, n.id, p.id, add_instance(s, tx, "a", e), e));
	return store_partition_take(tx, n.id, p.id, add_instance(s, tx, "b", e), e);
}

static void no_partition_has_two_owners(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, twice_body, s, &e), ERR_CONFLICT);
}

static int roots_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct customer owner;
	struct instance i = {.guid = S("inst-second"),
			     .title = S("a"),
			     .type = S("t"),
			     .parameters_json = S("{}"),
			     .where_json = S("{}"),
			     .refusals = S("")};
	(void)add_instance(s, tx, "a", e);
	DO(store_customer_get(tx, s->a, S("c"), 1, &owner, e));
	i.customer_id = owner.id;
	i.release_id = 1;
	return store_instance_add(tx, &i, e);
}

static void a_title_is_taken_once(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, roots_body, s, &e), ERR_CONFLICT);
}

static int ring_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct promise p = {.promiser = S("x"),
			    .promisee = S("y"),
			    .kind = PROMISE_HEALTH,
			    .name = S("n"),
			    .body_json = S("{}"),
			    .message = S("m"),
			    .since_ms = 1};
	struct promise_line *lines = NULL;
	size_t n = 0;
	DO(store_promise_add(tx, &p, e));
	for (int i = 2; i <= 257; i++) {
		p.state = i % 2 ? PROMISE_KEPT : PROMISE_BROKEN;
		p.since_ms = i / 2; /* two at a time share a moment */
		DO(store_promise_save(tx, &p, true, e));
	}
	DO(store_promise_history(tx, s->a, p.id, &lines, &n, e));
	assert_int_equal(n, PROMISE_HISTORY_MAX);
	assert_int_equal(lines[n - 1].at_ms, 128);
	assert_int_equal(lines[n - 1].state, PROMISE_KEPT);
	assert_int_equal(lines[n - 2].state, PROMISE_BROKEN);
	for (size_t i = 1; i < n; i++)
		assert_true(lines[i].state != lines[i - 1].state);
	DO(store_promise_delete_all(tx, S("x"), PROMISE_HEALTH, e));
	DO(store_promise_history(tx, s->a, p.id, &lines, &n, e));
	assert_int_equal(n, 0);
	return 0;
}

static void a_history_is_a_ring(struct scene *s)
{
	in_write(s, ring_body);
}

static int chain_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	int64_t checked = -1, last = -1;
	DO(store_event_verify(tx, 10, &checked, e));
	assert_int_equal(checked, 0);
	for (int i = 0; i < 450; i++) {
		struct event ev[2] = {
			{.subject = S("a"), .kind = S("k"), .body_json = S("{}")},
			{.subject = S("b"), .kind = S("k"), .body_json = S("{}")}};
		DO(store_event_append(tx, s->a, ev, 2, i, e));
	}
	DO(store_event_last(tx, &last, e));
	assert_int_equal(last, 900);
	static const int64_t windows[] = {1, 2, 199, 200, 201, 450, 899, 900, 5000};
	for (size_t i = 0; i < ARRAY_LEN(windows); i++)
		DO(store_event_verify(tx, windows[i], &checked, e));
	assert_int_equal(checked, 900);
	return 0;
}

static void a_chain_is_verified_in_windows(struct scene *s)
{
	in_write(s, chain_body);
}

static int remove_event(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	static const struct db_sql sql = {"remove", "DELETE FROM event WHERE sequence = 500",
					  ""};
	return db_exec(db_prepare(tx, &sql), e) < 0 ? -1 : 0;
}

static int verify_all(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	int64_t checked;
	return store_event_verify(tx, 5000, &checked, e);
}

static void a_missing_event_is_found(struct scene *s)
{
	struct err e = ERR_INIT;
	in_write(s, chain_body);
	OK(db_write(s->db, remove_event, NULL, &e));
	FAILS(db_read(s->db, verify_all, NULL, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "500"));
}

static int usage_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct customer owner;
	struct node n = {.name = S("n"),
			 .title = S("n"),
			 .region = S(""),
			 .network = S(""),
			 .capabilities_json = S("{}")};
	struct usage_row *rows = NULL;
	struct usage_cursor at = {0, 0};
	size_t count = 0, seen = 0;
	DO(store_node_add(tx, &n, e));
	int64_t instance = add_instance(s, tx, "a", e);
	DO(store_customer_find(tx, s->a, S("c"), &owner, e));
	for (int i = 0; i < 25; i++) {
		struct usage_row u = {.node_id = n.id,
				      .customer_id = owner.id,
				      .instance_id = instance,
				      .event_id = arena_fmt(s->a, "e%d", i),
				      .metric = S("cpu_seconds"),
				      .quantity = S("1"),
				      .from_ms = 0,
				      .to_ms = 10 + i / 5};
		assert_int_equal(store_usage_add(tx, &u, e), 1);
		u.quantity = S("2");
		assert_int_equal(store_usage_add(tx, &u, e), 0);
	}
	do {
		DO(store_usage_list(tx, s->a, owner.id, 0, 10, 13, &at, 4, &rows, &count, e));
		seen += count;
		for (size_t i = 0; i < count; i++)
			assert_true(str_is(rows[i].quantity, "1") && rows[i].to_ms > 10 &&
				    rows[i].to_ms <= 13);
	} while (count);
	assert_int_equal(seen, 15);
	return 0;
}

static void usage_is_kept_once_and_paged(struct scene *s)
{
	in_write(s, usage_body);
}

static int bill_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct customer owner;
	struct invoice_row row = {.number = S("A-1"),
				  .from_ms = 10,
				  .to_ms = 20,
				  .price_list = S("p"),
				  .currency = S("EUR"),
				  .gross = S("1.00"),
				  .body_json = S("{}"),
				  .page = S("page"),
				  .issued_at_ms = 30,
				  .due_at_ms = 40};
	struct invoice_row found;
	int64_t year = -1, number = -1;
	DO(store_customer_get(tx, s->a, S("c"), 1, &owner, e));
	DO(store_invoice_last(tx, S("A"), &year, &number, e));
	assert_int_equal(number, 0);
	DO(store_invoice_count(tx, S("A"), 2026, 1, e));
	DO(store_invoice_count(tx, S("A"), 2026, 2, e));
	DO(store_invoice_last(tx, S("A"), &year, &number, e));
	assert_int_equal(number, 2);
	row.customer_id = owner.id;
	DO(store_invoice_add(tx, &row, e));
	assert_int_equal(store_invoice_of(tx, s->a, owner.id, 10, 20, S("p"), &found, e), 1);
	assert_true(str_is(found.page, "page"));
	assert_int_equal(store_invoice_of(tx, s->a, owner.id, 10, 21, S("p"), &found, e), 0);
	static const struct {
		int64_t from, to;
		int rc;
	} periods[] = {{0, 10, 0}, {20, 30, 0}, {19, 30, 1},
		       {0, 11, 1}, {12, 13, 1}, {0, 90, 1}};
	for (size_t i = 0; i < ARRAY_LEN(periods); i++)
		assert_int_equal(store_invoice_overlaps(tx, s->a, owner.id, periods[i].from,
							periods[i].to, S("p"), &found, e),
				 periods[i].rc);
	row.number = S("A-2");
	return store_invoice_add(tx, &row, e);
}

static void a_period_has_one_invoice(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, bill_body, s, &e), ERR_CONFLICT);
}

static int releases_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	static const struct {
		const char *uri, *name, *hash;
	} rows[] = {
		{"u1", "x", "aab1"}, {"u2", "x", "aab2"}, {"u3", "y", "aab3"}, {"u4", "", ""}};
	struct release r;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r = (struct release){.uri = str_from(rows[i].uri),
				     .name = str_from(rows[i].name),
				     .title = S("t"),
				     .category = S("c"),
				     .hash = str_from(rows[i].hash),
				     .manifest_json = S("{}")};
		DO(store_release_add(tx, &r, S("bundle"), e));
	}
	assert_int_equal(store_release_by_name(tx, s->a, S("x"), &r, e), 1);
	assert_true(str_is(r.uri, "u2"));
	assert_int_equal(store_release_by_name(tx, s->a, S(""), &r, e), 0);
	assert_int_equal(store_release_by_hash(tx, s->a, S("x"), S("aab"), &r, e), 2);
	assert_int_equal(store_release_by_hash(tx, s->a, S("y"), S("aab"), &r, e), 1);
	assert_true(str_is(r.uri, "u3"));
	assert_int_equal(store_release_by_hash(tx, s->a, S("z"), S("aab"), &r, e), 0);
	assert_int_equal(store_release_by_hash(tx, s->a, S(""), S("aab1"), &r, e), 1);
	return 0;
}

static void releases_are_named(struct scene *s)
{
	in_write(s, releases_body);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"partitions are taken in order", partitions_are_taken_in_order},
		{"no partition has two owners", no_partition_has_two_owners},
		{"a title is taken once", a_title_is_taken_once},
		{"a history is a ring", a_history_is_a_ring},
		{"a chain is verified in windows", a_chain_is_verified_in_windows},
		{"a missing event is found", a_missing_event_is_found},
		{"usage is kept once and paged", usage_is_kept_once_and_paged},
		{"a period has one invoice", a_period_has_one_invoice},
		{"releases are named", releases_are_named},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
