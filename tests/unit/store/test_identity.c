/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tables of keys, certificates, tokens, domains and delegations, on both engines. */
#include "../db/engines.h"

#include "store/certificate.h"
#include "store/customer.h"
#include "store/delegation.h"
#include "store/domain.h"
#include "store/identity.h"
#include "store/node.h"
#include "store/token.h"

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

static void add_key(struct scene *s UNUSED, struct db_tx *tx, const char *name,
		    const char *owner, struct err *e)
{
	struct identity_key k = {.name = str_from(name),
				 .kind = S("person"),
				 .owner = str_from(owner),
				 .title = S("laptop"),
				 .created_at_ms = 5};
	DO(store_key_add(tx, &k, e));
	assert_true(k.id > 0);
}

static int keys_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct identity_key k, *list = NULL;
	size_t n = 0;
	int64_t good = 0;
	add_key(s, tx, "aa", "ann", e);
	add_key(s, tx, "bb", "ann", e);
	add_key(s, tx, "cc", "bob", e);
	assert_int_equal(store_key_find(tx, s->a, S("dd"), &k, e), 0);
	assert_int_equal(store_key_find(tx, s->a, S("bb"), &k, e), 1);
	assert_true(str_is(k.owner, "ann") && str_is(k.seal_key, "") && !k.revoked_at_ms);
	k.seal_key = S("age1x");
	k.statement = S("sig");
	DO(store_key_seal(tx, &k, e));
	assert_int_equal(store_key_revoke(tx, k.id, 9, S("lost"), e), 1);
	/* The first revocation counts. */
	assert_int_equal(store_key_revoke(tx, k.id, 10, S("again"), e), 0);
	DO(store_key_list(tx, s->a, S("person"), S("ann"), &list, &n, e));
	assert_int_equal(n, 2);
	assert_true(str_is(list[0].name, "aa") && str_is(list[1].seal_key, "age1x"));
	assert_int_equal(list[1].revoked_at_ms, 9);
	assert_true(str_is(list[1].reason, "lost"));
	DO(store_key_count(tx, S("person"), S("ann"), &good, e));
	assert_int_equal(good, 1);
	DO(store_key_count(tx, S("node"), S("ann"), &good, e));
	assert_int_equal(good, 0);
	return 0;
}

static void keys_are_revoked_once(struct scene *s)
{
	in_write(s, keys_body);
}

static int twice_body(struct db_tx *tx, void *user, struct err *e)
{
	struct identity_key k = {.name = S("aa"), .kind = S("node"), .owner = S("n1")};
	add_key(user, tx, "aa", "ann", e);
	return store_key_add(tx, &k, e);
}

static void a_key_has_one_owner(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, twice_body, s, &e), ERR_CONFLICT);
}

static int64_t add_certificate(struct db_tx *tx, const char *serial, const char *kind,
			       const char *key, int64_t to_ms, struct err *e)
{
	struct certificate x = {.serial = str_from(serial),
				.authority = S("users"),
				.kind = str_from(kind),
				.owner = S("o"),
				.names_json = S("[]"),
				.key_name = str_from(key),
				.pem = S("PEM"),
				.from_ms = 1,
				.to_ms = to_ms};
	DO(store_certificate_add(tx, &x, e));
	return x.id;
}

static int certificates_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct certificate x, *list = NULL;
	struct certificate_mark m, later;
	size_t n = 0;
	int64_t first = add_certificate(tx, "01", "person", "k", 100, e);
	(void)add_certificate(tx, "02", "person", "k", 200, e);
	(void)add_certificate(tx, "03", "master", "m", 200, e);
	DO(store_certificate_mark(tx, S("users"), 50, &m, e));
	assert_int_equal(m.count, 0);
	assert_int_equal(store_certificate_revoke(tx, first, 40, 4, e), 1);
	assert_int_equal(store_certificate_revoke(tx, first, 41, 1, e), 0);
	DO(store_certificate_mark(tx, S("users"), 50, &later, e));
	assert_int_equal(later.count, 1);
	assert_int_equal(later.newest_ms, 40);
	DO(store_certificate_revoked(tx, s->a, S("users"), 50, &list, &n, e));
	assert_int_equal(n, 1);
	assert_true(str_is(list[0].serial, "01"));
	assert_int_equal(list[0].reason, 4);
	/* What has ended leaves the list, as does what another authority made. */
	DO(store_certificate_revoked(tx, s->a, S("users"), 100, &list, &n, e));
	assert_int_equal(n, 0);
	DO(store_certificate_revoked(tx, s->a, S("services"), 50, &list, &n, e));
	assert_int_equal(n, 0);
	DO(store_certificate_good(tx, s->a, S("k"), 50, &list, &n, e));
	assert_int_equal(n, 1);
	assert_true(str_is(list[0].serial, "02"));
	DO(store_certificate_kind(tx, s->a, S("master"), 50, 10, &list, &n, e));
	assert_int_equal(n, 1);
	DO(store_certificate_of(tx, s->a, S("person"), S("o"), 150, 10, &list, &n, e));
	assert_int_equal(n, 1);
	assert_int_equal(store_certificate_newest(tx, s->a, S("k"), &x, e), 1);
	assert_true(str_is(x.serial, "02") && str_is(x.pem, "PEM") && x.customer_id == 0);
	assert_int_equal(store_certificate_find(tx, s->a, S("01"), &x, e), 1);
	assert_int_equal(x.revoked_at_ms, 40);
	assert_int_equal(store_certificate_find(tx, s->a, S("04"), &x, e), 0);
	return 0;
}

static void what_is_revoked_is_listed_until_it_ends(struct scene *s)
{
	in_write(s, certificates_body);
}

static int tokens_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct customer shop;
	struct token t = {.hash = S("h1"),
			  .kind = S("person"),
			  .name = S("ann"),
			  .roles = S("auditor"),
			  .customer_role = S("owner"),
			  .is_new = true,
			  .made_by = S("op"),
			  .created_at_ms = 1,
			  .expires_at_ms = 100};
	struct token *list = NULL;
	size_t n = 0;
	DO(store_customer_get(tx, s->a, S("shop"), 1, &shop, e));
	t.customer_id = shop.id;
	DO(store_token_add(tx, &t, e));
	t.hash = S("h2");
	t.customer_id = 0;
	t.expires_at_ms = 200;
	DO(store_token_add(tx, &t, e));
	assert_int_equal(store_token_find(tx, s->a, S("h1"), &t, e), 1);
	assert_true(str_is(t.customer, "shop") && t.is_new && str_is(t.bound_key, ""));
	DO(store_token_bind(tx, t.id, S("aa"), 7, e));
	assert_int_equal(store_token_find(tx, s->a, S("h1"), &t, e), 1);
	assert_true(str_is(t.bound_key, "aa"));
	assert_int_equal(t.used_at_ms, 7);
	DO(store_token_list(tx, s->a, 0, 50, 10, &list, &n, e));
	assert_int_equal(n, 2);
	DO(store_token_list(tx, s->a, shop.id, 50, 10, &list, &n, e));
	assert_int_equal(n, 1);
	DO(store_token_list(tx, s->a, 0, 100, 10, &list, &n, e));
	assert_int_equal(n, 1);
	DO(store_token_purge(tx, 150, e));
	assert_int_equal(store_token_find(tx, s->a, S("h1"), &t, e), 0);
	assert_int_equal(store_token_find(tx, s->a, S("h2"), &t, e), 1);
	return 0;
}

static void tokens_are_found_by_hash(struct scene *s)
{
	in_write(s, tokens_body);
}

static int bind_body(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	struct token t = {.hash = S("h"),
			  .kind = S("node"),
			  .name = S("n1"),
			  .roles = S(""),
			  .customer_role = S(""),
			  .made_by = S("op"),
			  .expires_at_ms = 9};
	DO(store_token_add(tx, &t, e));
	DO(store_token_bind(tx, t.id, S("aa"), 1, e));
	return store_token_bind(tx, t.id, S("bb"), 2, e);
}

static void a_token_is_bound_once(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	FAILS(db_write(s->db, bind_body, s, &e), ERR_CONFLICT);
}

static const struct domain_row {
	const char *name, *customer;
	int rc; /* of adding it, in this order; -1: it belongs to somebody */
} domain_rows[] = {
	{"example.com", "a", 1},      {"example.com", "a", 0},	   {"example.com", "b", -1},
	{"www.example.com", "b", -1}, {"www.example.com", "a", 1}, {"com", "b", -1},
	{"ample.com", "b", 1},	      {"notexample.com", "b", 1},  {"deep.ample.com", "b", 1},
	{"xample.com", "a", 1},	      {"example.org", "b", 1},	   {"org", "a", -1},
};

struct claim {
	struct scene *s;
	const struct domain_row *row;
	int rc;
};

static int claim_body(struct db_tx *tx, void *user, struct err *e)
{
	struct claim *claim = user;
	struct customer c;
	DO(store_customer_get(tx, claim->s->a, str_from(claim->row->customer), 1, &c, e));
	claim->rc = store_domain_add(tx, claim->s->a, str_from(claim->row->name), c.id, 3, e);
	return claim->rc < 0 ? -1 : 0;
}

static int owners_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	static const char *const rows[][2] = {{"a.b.example.com", "a"}, {"deep.ample.com", "b"},
					      {"example.com", "a"},	{"com", ""},
					      {"xexample.com", ""},	{"example.net", ""}};
	struct domain d, *list = NULL;
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = store_domain_owner(tx, s->a, str_from(rows[i][0]), &d, e);
		DO(rc);
		assert_int_equal(rc, rows[i][1][0] != 0);
		if (rc)
			assert_true(str_is(d.customer, rows[i][1]));
	}
	assert_int_equal(store_domain_owner(tx, s->a, S("example.com"), &d, e), 1);
	DO(store_domain_list(tx, s->a, d.customer_id, &list, &n, e));
	assert_int_equal(n, 3);
	assert_true(str_is(list[0].name, "example.com"));
	assert_int_equal(store_domain_remove(tx, S("example.com"), d.customer_id + 1, e), 0);
	assert_int_equal(store_domain_remove(tx, S("example.com"), d.customer_id, e), 1);
	/* What was below it and listed too stays his. */
	assert_int_equal(store_domain_owner(tx, s->a, S("a.www.example.com"), &d, e), 1);
	assert_int_equal(store_domain_owner(tx, s->a, S("a.example.com"), &d, e), 0);
	return 0;
}

static void a_name_has_one_owner(struct scene *s)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	for (size_t i = 0; i < ARRAY_LEN(domain_rows); i++) {
		struct claim claim = {.s = s, .row = &domain_rows[i]};
		int rc = db_write(s->db, claim_body, &claim, &e);
		if (claim.rc != domain_rows[i].rc || (rc < 0 && e.kind != ERR_CONFLICT))
			fail_msg("row %zu: %d (%s)", i, claim.rc, e.text);
	}
	OK(db_write(s->db, owners_body, s, &e));
}

static int delegation_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct delegation d;
	struct node n = {.name = S("n"),
			 .title = S("n"),
			 .region = S(""),
			 .network = S(""),
			 .capabilities_json = S("{}")};
	DO(store_node_add(tx, &n, e));
	assert_int_equal(store_delegation_find(tx, s->a, n.id, &d, e), 0);
	DO(store_delegation_set(tx, n.id, S("[]"), 1, e));
	DO(store_delegation_set(tx, n.id, S("[\"example.com\"]"), 2, e));
	assert_int_equal(store_delegation_find(tx, s->a, n.id, &d, e), 1);
	assert_true(str_is(d.names_json, "[\"example.com\"]"));
	assert_int_equal(store_delegation_remove(tx, n.id, e), 1);
	assert_int_equal(store_delegation_remove(tx, n.id, e), 0);
	return 0;
}

static void a_delegation_is_set_and_ended(struct scene *s)
{
	in_write(s, delegation_body);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"keys are revoked once", keys_are_revoked_once},
		{"a key has one owner", a_key_has_one_owner},
		{"what is revoked is listed until it ends",
		 what_is_revoked_is_listed_until_it_ends},
		{"tokens are found by hash", tokens_are_found_by_hash},
		{"a token is bound once", a_token_is_bound_once},
		{"a name has one owner", a_name_has_one_owner},
		{"a delegation is set and ended", a_delegation_is_set_and_ended},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
