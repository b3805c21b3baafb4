/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables of passkeys, challenges and sessions, on both engines. */
#include "../db/engines.h"

#include "store/passkey.h"
#include "store/person.h"
#include "store/session.h"

static void in_write(struct scene *s, db_work_fn *fn)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	OK(db_write(s->db, fn, s, &e));
}

#define DO(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, e->text); \
	} while (0)

static int64_t person(struct scene *s, struct db_tx *tx, const char *name, struct err *e)
{
	struct person p;
	DO(store_person_get(tx, s->a, str_from(name), 1, &p, e));
	return p.id;
}

static int64_t passkey(struct db_tx *tx, int64_t person_id, const char *credential,
		       const char *key, struct err *e)
{
	struct passkey p = {.credential = str_from(credential),
			    .person_id = person_id,
			    .public = S("public"),
			    .counter = 3,
			    .title = S("phone"),
			    .key_name = str_from(key),
			    .created_at_ms = 5};
	DO(store_passkey_add(tx, &p, e));
	assert_true(p.id > 0);
	return p.id;
}

static int passkeys_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct passkey p, *list = NULL;
	size_t n = 0;
	int64_t ann = person(s, tx, "ann", e), bob = person(s, tx, "bob", e);
	int64_t first = passkey(tx, ann, "c1", "k1", e),
		second = passkey(tx, ann, "c2", "k2", e);
	(void)passkey(tx, bob, "c3", "k1", e);
	assert_int_equal(store_passkey_find(tx, s->a, S("c9"), &p, e), 0);
	assert_int_equal(store_passkey_find(tx, s->a, S("c1"), &p, e), 1);
	assert_true(str_is(p.person, "ann") && p.is_person_active && p.counter == 3);
	assert_true(!p.used_at_ms && !p.revoked_at_ms && str_is(p.key_name, "k1"));
	DO(store_passkey_used(tx, first, INT64_C(4294967295), 9, e));
	assert_int_equal(store_passkey_by_id(tx, s->a, first, &p, e), 1);
	assert_true(p.counter == INT64_C(4294967295) && p.used_at_ms == 9);
	DO(store_passkey_of_key(tx, s->a, S("k1"), &list, &n, e));
	assert_int_equal(n, 2);
	assert_true(str_is(list[1].person, "bob"));
	assert_int_equal(store_passkey_revoke(tx, first, 10, e), 1);
	assert_int_equal(store_passkey_revoke(tx, first, 11, e), 0);
	DO(store_passkey_list(tx, s->a, ann, &list, &n, e));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].id, second);
	assert_int_equal(store_passkey_by_id(tx, s->a, first, &p, e), 1);
	assert_int_equal(p.revoked_at_ms, 10);
	return 0;
}

static void a_passkey_is_revoked_and_stays(struct scene *s)
{
	in_write(s, passkeys_body);
}

static int twice_body(struct db_tx *tx, void *user, struct err *e)
{
	struct passkey p = {.credential = S("c1"),
			    .person_id = person(user, tx, "bob", e),
			    .public = S("other"),
			    .title = S(""),
			    .key_name = S("")};
	(void)passkey(tx, person(user, tx, "ann", e), "c1", "k1", e);
	return store_passkey_add(tx, &p, e);
}

static void a_credential_has_one_owner(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, twice_body, s, &e), ERR_CONFLICT);
}

static void ask(struct db_tx *tx, const char *hash, const char *purpose, int64_t person_id,
		int64_t to_ms, int64_t keep, struct err *e)
{
	const struct passkey_challenge k = {.hash = str_from(hash),
					    .purpose = str_from(purpose),
					    .person_id = person_id,
					    .key_name = S("k1"),
					    .expires_at_ms = to_ms};
	DO(store_challenge_add(tx, &k, keep, e));
}

static int find(struct scene *s, struct db_tx *tx, const char *hash, const char *purpose,
		int64_t now_ms, struct err *e)
{
	struct passkey_challenge k = {.hash = S("")};
	int rc = store_challenge_find(tx, s->a, str_from(hash), str_from(purpose), now_ms, &k,
				      e);
	assert_true(rc <= 0 || (str_is(k.hash, hash) && str_is(k.key_name, "k1")));
	return rc;
}

static int challenges_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	int64_t ann = person(s, tx, "ann", e);
	ask(tx, "h1", "login", 0, 10, 2, e);
	ask(tx, "h2", "login", 0, 30, 2, e);
	ask(tx, "l1", "link", ann, 20, 2, e);
	ask(tx, "r1", "register", ann, 20, 2, e);
	assert_int_equal(find(s, tx, "h1", "login", 9, e), 1);
	assert_int_equal(find(s, tx, "h1", "login", 10, e), 0);
	assert_int_equal(find(s, tx, "h1", "link", 9, e), 0);
	/* The one that ends first gives way; other purposes do not count. */
	ask(tx, "h3", "login", 0, 20, 2, e);
	assert_int_equal(find(s, tx, "h1", "login", 9, e), 0);
	assert_int_equal(find(s, tx, "h2", "login", 9, e), 1);
	assert_int_equal(store_challenge_take(tx, S("h2"), e), 1);
	assert_int_equal(store_challenge_take(tx, S("h2"), e), 0);
	DO(store_challenge_take_of(tx, ann, S("link"), e));
	assert_int_equal(find(s, tx, "l1", "link", 9, e), 0);
	assert_int_equal(find(s, tx, "r1", "register", 9, e), 1);
	DO(store_challenge_take_of(tx, ann, S(""), e));
	assert_int_equal(find(s, tx, "r1", "register", 9, e), 0);
	DO(store_challenge_purge(tx, 19, e));
	assert_int_equal(find(s, tx, "h3", "login", 9, e), 1);
	DO(store_challenge_purge(tx, 20, e));
	assert_int_equal(find(s, tx, "h3", "login", 9, e), 0);
	return 0;
}

static void challenges_are_taken_once(struct scene *s)
{
	in_write(s, challenges_body);
}

static void enter(struct db_tx *tx, const char *hash, int64_t person_id, int64_t passkey_id,
		  int64_t at_ms, struct err *e)
{
	const struct session s = {.hash = str_from(hash),
				  .person_id = person_id,
				  .passkey_id = passkey_id,
				  .bound = S("agent"),
				  .created_at_ms = at_ms,
				  .used_at_ms = at_ms,
				  .expires_at_ms = at_ms + 100};
	DO(store_session_add(tx, &s, e));
}

static int sessions_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct session x, *list = NULL;
	size_t n = 0;
	int64_t ann = person(s, tx, "ann", e), bob = person(s, tx, "bob", e);
	int64_t first = passkey(tx, ann, "c1", "k1", e),
		second = passkey(tx, ann, "c2", "k1", e);
	enter(tx, "s1", ann, first, 10, e);
	enter(tx, "s2", ann, second, 20, e);
	enter(tx, "s3", bob, passkey(tx, bob, "c3", "k3", e), 30, e);
	assert_int_equal(store_session_find(tx, s->a, S("s9"), &x, e), 0);
	assert_int_equal(store_session_find(tx, s->a, S("s1"), &x, e), 1);
	assert_true(str_is(x.person, "ann") && str_is(x.passkey_title, "phone"));
	assert_true(x.is_passkey_good && str_is(x.bound, "agent") && str_is(x.key_name, "k1"));
	DO(store_session_touch(tx, S("s1"), 15, e));
	DO(store_session_touch(tx, S("s1"), 12, e)); /* one that was late */
	assert_int_equal(store_session_find(tx, s->a, S("s1"), &x, e), 1);
	assert_int_equal(x.used_at_ms, 15);
	DO(store_session_list(tx, s->a, ann, 14, 109, &list, &n, e));
	assert_int_equal(n, 2);
	assert_true(str_is(list[0].hash, "s2"));
	DO(store_session_list(tx, s->a, ann, 14, 110, &list, &n, e));
	assert_int_equal(n, 1);
	DO(store_session_list(tx, s->a, ann, 20, 100, &list, &n, e));
	assert_int_equal(n, 0);
	assert_int_equal(store_passkey_revoke(tx, second, 40, e), 1);
	assert_int_equal(store_session_find(tx, s->a, S("s2"), &x, e), 1);
	assert_false(x.is_passkey_good);
	assert_int_equal(store_session_end_by(tx, second, e), 1);
	assert_int_equal(store_session_end(tx, S("s2"), e), 0);
	assert_int_equal(store_session_end(tx, S("s1"), e), 1);
	assert_int_equal(store_session_end_of(tx, bob, e), 1);
	assert_int_equal(store_session_end_of(tx, bob, e), 0);
	enter(tx, "s4", ann, first, 50, e);
	DO(store_session_purge(tx, 149, e));
	assert_int_equal(store_session_find(tx, s->a, S("s4"), &x, e), 1);
	DO(store_session_purge(tx, 150, e));
	assert_int_equal(store_session_find(tx, s->a, S("s4"), &x, e), 0);
	return 0;
}

static void sessions_end(struct scene *s)
{
	in_write(s, sessions_body);
}

static int many_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct session *list = NULL, x;
	size_t n = 0;
	char hash[16];
	int64_t ann = person(s, tx, "ann", e), bob = person(s, tx, "bob", e);
	int64_t first = passkey(tx, ann, "c1", "k1", e);
	enter(tx, "bobs", bob, first, 1, e);
	for (int i = 0; i <= SESSIONS_MAX; i++) {
		(void)snprintf(hash, sizeof hash, "s%d", i);
		enter(tx, hash, ann, first, 10 + i, e);
	}
	DO(store_session_list(tx, s->a, ann, 0, 50, &list, &n, e));
	assert_int_equal(n, SESSIONS_MAX);
	assert_int_equal(store_session_find(tx, s->a, S("s0"), &x, e), 0);
	assert_int_equal(store_session_find(tx, s->a, S("bobs"), &x, e), 1);
	return 0;
}

static void the_newest_sessions_stay(struct scene *s)
{
	in_write(s, many_body);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"a passkey is revoked and stays", a_passkey_is_revoked_and_stays},
		{"a credential has one owner", a_credential_has_one_owner},
		{"challenges are taken once", challenges_are_taken_once},
		{"sessions end", sessions_end},
		{"the newest sessions stay", the_newest_sessions_stay},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
