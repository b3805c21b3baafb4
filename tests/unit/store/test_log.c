/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The transparency log and the checkpoints in tables, on both engines. */
#include "../db/engines.h"

#include "core/audit.h"
#include "store/checkpoint.h"
#include "store/log.h"

enum { ENTRIES = 70 };

static struct log_entry entry_of(struct scene *s, int64_t i)
{
	return (struct log_entry){
		.kind = S("key"),
		.subject = arena_fmt(s->a, "subject %lld", (long long)(i % 7)),
		.body_json = arena_fmt(s->a, "{\"number\":%lld}", (long long)i),
		.at_ms = 1000 + i,
	};
}

#define DO(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, e->text); \
	} while (0)

static void in_write(struct scene *s, db_work_fn *fn)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	OK(db_write(s->db, fn, s, &e));
}

static struct hash leaf_of(const struct log_entry *entry)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	audit_entry_text(entry->kind, entry->subject, entry->at_ms, entry->body_json, &b);
	return merkle_leaf(buf_str(&b));
}

static void assert_hash(const struct hash *h, struct str hex)
{
	char text[HASH_TEXT_SIZE];
	hash_text(h, text);
	assert_true(str_is(hex, text));
}

/* Appends ENTRIES entries; after each, every earlier head is continued. */
static int log_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct hash roots[ENTRIES + 1], leaves[ENTRIES];
	struct merkle_proof p;
	int64_t size = -1;
	DO(store_log_size(tx, &size, e));
	assert_int_equal(size, 0);
	DO(store_log_root(tx, s->a, 0, &roots[0], e));
	struct hash nothing = merkle_empty();
	assert_true(hash_eq(&roots[0], &nothing));
	for (int64_t i = 0; i < ENTRIES; i++) {
		struct log_entry x = entry_of(s, i);
		DO(store_log_append(tx, s->a, &x, e));
		assert_int_equal(x.position, i);
		leaves[i] = leaf_of(&x);
		assert_hash(&leaves[i], x.hash);
		DO(store_log_root(tx, s->a, i + 1, &roots[i + 1], e));
		arena_clear(s->a);
	}
	for (int64_t n = 1; n <= ENTRIES; n++) {
		for (int64_t i = 0; i < n; i += 1 + i / 3) {
			DO(store_log_prove(tx, s->a, i, n, &p, e));
			assert_true(merkle_is_included(&leaves[i], (uint64_t)i, (uint64_t)n, &p,
						       &roots[n]));
			DO(store_log_prove_consistency(tx, s->a, i, n, &p, e));
			assert_true(merkle_is_consistent((uint64_t)i, &roots[i], (uint64_t)n,
							 &roots[n], &p));
		}
		arena_clear(s->a);
	}
	return 0;
}

static void a_log_grows_and_proves_itself(struct scene *s)
{
	in_write(s, log_body);
}

static int list_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct log_entry *list, x;
	size_t n;
	int64_t position = -1;
	for (int64_t i = 0; i < 20; i++) {
		x = entry_of(s, i);
		DO(store_log_append(tx, s->a, &x, e));
	}
	DO(store_log_list(tx, s->a, 18, S(""), 10, &list, &n, e));
	assert_int_equal(n, 2);
	assert_int_equal(list[0].position, 18);
	assert_true(str_is(list[1].body_json, "{\"number\":19}"));
	assert_int_equal(list[1].at_ms, 1019);
	assert_int_equal(list[1].customer_id, 0);
	assert_true(str_eq(list[1].hash, x.hash));
	DO(store_log_list(tx, s->a, 4, S("subject 3"), 10, &list, &n, e));
	assert_int_equal(n, 2); /* 10 and 17 */
	assert_int_equal(list[0].position, 10);
	assert_int_equal(store_log_find(tx, x.hash, &position, e), 1);
	assert_int_equal(position, 19);
	assert_int_equal(store_log_find(tx, S(AUDIT_ZEROS), &position, e), 0);
	return 0;
}

static void entries_are_listed_and_found(struct scene *s)
{
	in_write(s, list_body);
}

static int bounds_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct merkle_proof p;
	struct hash root;
	struct log_entry x = entry_of(s, 1);
	char *large = malloc(STORE_LOG_BODY_MAX + 1);
	assert_non_null(large);
	DO(store_log_append(tx, s->a, &x, e));
	assert_int_equal(store_log_root(tx, s->a, 2, &root, e), -1);
	assert_string_equal(e->field, "size");
	assert_int_equal(store_log_root(tx, s->a, -1, &root, e), -1);
	assert_int_equal(store_log_prove(tx, s->a, 1, 1, &p, e), -1);
	assert_int_equal(e->kind, ERR_INVALID);
	assert_int_equal(store_log_prove_consistency(tx, s->a, 2, 1, &p, e), -1);
	assert_string_equal(e->field, "first");
	assert_int_equal(store_log_prove_consistency(tx, s->a, -1, 1, &p, e), -1);
	assert_int_equal(store_log_prove_consistency(tx, s->a, 1, 2, &p, e), -1);
	assert_string_equal(e->field, "second");
	/* Lines are what an entry is made of: none may hold one. */
	x = entry_of(s, 2);
	x.subject = S("a\nb");
	assert_int_equal(store_log_append(tx, s->a, &x, e), -1);
	assert_int_equal(e->kind, ERR_INVALID);
	memset(large, 'x', STORE_LOG_BODY_MAX + 1);
	x = entry_of(s, 2);
	x.body_json = str_of(large, STORE_LOG_BODY_MAX + 1);
	assert_int_equal(store_log_append(tx, s->a, &x, e), -1);
	assert_int_equal(e->kind, ERR_TOO_LARGE);
	free(large);
	return 0;
}

static void sizes_and_texts_have_bounds(struct scene *s)
{
	in_write(s, bounds_body);
}

static const struct db_sql sql_lose = {"test_lose", "DELETE FROM log_node WHERE level = 2", ""};
static const struct db_sql sql_bend = {
	"test_bend", "UPDATE log_node SET hash = 'z' WHERE level = 0 AND position = 4", ""};

static int damage_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct hash root;
	for (int64_t i = 0; i < 5; i++) {
		struct log_entry x = entry_of(s, i);
		DO(store_log_append(tx, s->a, &x, e));
	}
	assert_int_equal(db_exec(db_prepare(tx, &sql_lose), e), 1);
	assert_int_equal(store_log_root(tx, s->a, 5, &root, e), -1);
	assert_int_equal(e->kind, ERR_CORRUPT);
	assert_int_equal(db_exec(db_prepare(tx, &sql_bend), e), 1);
	struct log_entry x = entry_of(s, 5);
	assert_int_equal(store_log_append(tx, s->a, &x, e), -1);
	assert_int_equal(e->kind, ERR_CORRUPT);
	return err_fail(e, ERR_CORRUPT, "nothing of this stays");
}

static void a_damaged_tree_is_no_root(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, damage_body, s, &e), ERR_CORRUPT);
}

/* Every 10 minutes for two hours: the first of each hour stays, and the newest. */
static int thin_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	static const int64_t want[] = {1, 7, 12};
	const int64_t hour = STORE_CHECKPOINT_KEEP_MS;
	struct checkpoint cp, *list;
	struct log_head head, *heads;
	size_t n;
	assert_int_equal(store_checkpoint_last(tx, s->a, &cp, e), 0);
	assert_int_equal(store_log_head_last(tx, s->a, &head, e), 0);
	for (int64_t i = 1; i <= 12; i++) {
		cp = (struct checkpoint){.sequence = i,
					 .hash = S("h"),
					 .at_ms = 100 * hour + (i - 1) * hour / 6,
					 .key_name = S("k"),
					 .signature = S("s")};
		head = (struct log_head){.size = i,
					 .root = S("r"),
					 .at_ms = cp.at_ms,
					 .key_name = S("k"),
					 .signature = S("s")};
		DO(store_checkpoint_add(tx, s->a, &cp, e));
		DO(store_log_head_add(tx, s->a, &head, e));
	}
	DO(store_checkpoint_list(tx, s->a, 0, 100, &list, &n, e));
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i].sequence, want[i]);
	DO(store_log_head_list(tx, s->a, -1, 100, &heads, &n, e));
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(heads[i].size, want[i]);
	assert_int_equal(store_checkpoint_last(tx, s->a, &cp, e), 1);
	assert_int_equal(cp.sequence, 12);
	assert_true(str_is(cp.signature, "s"));
	assert_int_equal(store_log_head_last(tx, s->a, &head, e), 1);
	assert_int_equal(head.size, 12);
	DO(store_checkpoint_list(tx, s->a, 7, 1, &list, &n, e));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].sequence, 12);
	return 0;
}

static void what_is_signed_stays_once_an_hour(struct scene *s)
{
	in_write(s, thin_body);
}

static int witness_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct log_witness w = {.witness = S("node:n1"),
				.key_name = S("k"),
				.public = S("p"),
				.size = 3,
				.root = S("r"),
				.signature = S("s"),
				.at_ms = 5},
			   *list;
	size_t n;
	assert_int_equal(store_log_witness_find(tx, s->a, w.witness, &w, e), 0);
	DO(store_log_witness_put(tx, &w, e));
	w.size = 9;
	DO(store_log_witness_put(tx, &w, e));
	w.witness = S("person:ada");
	w.size = 4;
	DO(store_log_witness_put(tx, &w, e));
	DO(store_log_witness_list(tx, s->a, 10, &list, &n, e));
	assert_int_equal(n, 2);
	assert_true(str_is(list[0].witness, "node:n1"));
	assert_int_equal(list[0].size, 9);
	assert_int_equal(store_log_witness_find(tx, s->a, S("person:ada"), &w, e), 1);
	assert_int_equal(w.size, 4);
	return 0;
}

static void a_witness_has_one_word(struct scene *s)
{
	in_write(s, witness_body);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"a log grows and proves itself", a_log_grows_and_proves_itself},
		{"entries are listed and found", entries_are_listed_and_found},
		{"sizes and texts have bounds", sizes_and_texts_have_bounds},
		{"a damaged tree is no root", a_damaged_tree_is_no_root},
		{"what is signed stays once an hour", what_is_signed_stays_once_an_hour},
		{"a witness has one word", a_witness_has_one_word},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
