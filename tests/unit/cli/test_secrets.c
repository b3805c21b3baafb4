/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whose keys a client seals to, when the master that names them lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/secret.h"
#include "trust/ca.h"
#include "trust/join.h"
#include "trust/jose.h"
#include "trust/key.h"

static const int64_t day_ms = 86400000;

struct world {
	char dir[40];
	struct ca *ours, *foreign;
	struct key *alice, *bob;
	struct age_identity *seal, *other;
	struct str alice_seal, other_seal;
	struct cli_call call;
	struct secret_me me;
	int64_t now_ms;
};

#define OK(call) \
	do { \
		struct err e = ERR_INIT; \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static struct ca *authority(struct world *w, const char *name)
{
	struct ca *ca = NULL;
	const char *dir = arena_fmt(w->call.arena, "%s/%s", w->dir, name).p;
	const struct ca_make m = {
		.dir = dir,
		.kind = CA_USERS,
		.cloud = S("test"),
		.passphrase = S(""),
		.key_kind = KEY_P256,
		.now_ms = w->now_ms - 200 * day_ms,
	};
	OK(ca_make(&m, &e));
	OK(ca_open(dir, S(""), &ca, &e));
	return ca;
}

static struct str recipient_of(struct world *w, const struct age_identity *i)
{
	char text[AGE_RECIPIENT_SIZE];
	age_identity_recipient(i, text);
	return arena_dup(w->call.arena, str_from(text));
}

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	*state = w;
	(void)snprintf(w->dir, sizeof w->dir, "/tmp/hoc-cli-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->now_ms = clock_now_ms(clock_system());
	OK(arena_new(16 << 20, &w->call.arena, &e));
	w->ours = authority(w, "ours");
	w->foreign = authority(w, "foreign");
	OK(key_make(KEY_P256, &w->alice, &e));
	OK(key_make(KEY_ED25519, &w->bob, &e));
	OK(age_identity_make(&w->seal, &e));
	OK(age_identity_make(&w->other, &e));
	w->alice_seal = recipient_of(w, w->seal);
	w->other_seal = recipient_of(w, w->other);
	OK(cert_trust_new(ca_roots(w->ours), &w->me.trust, &e));
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	secret_me_close(&w->me);
	age_identity_free(w->seal);
	age_identity_free(w->other);
	key_free(w->alice);
	key_free(w->bob);
	ca_free(w->ours);
	ca_free(w->foreign);
	w->call.arena = arena_free(w->call.arena);
	assert_int_equal(file_remove_tree(w->dir, &e), 0);
	free(w);
	return 0;
}

/* What a master says of a key, true or not. */
struct claim {
	const char *what;
	bool is_taken;
	const char *kind, *name; /* as claimed; "" : person alice */
	enum cert_kind cert_kind;
	const char *cert_name;	/* in the certificate */
	bool is_foreign;	/* signed by another authority */
	bool is_bobs_key;	/* the certificate is for that key */
	bool names_another_key; /* `key` is not the certificate's */
	bool is_stated_by_bob;	/* the statement is signed by another key */
	bool states_another;	/* … and is of another sealing key */
	bool has_no_certificate;
	int64_t age_days; /* since it was signed: it lasts 30 */
};

static struct str certificate(struct world *w, const struct claim *x)
{
	struct arena *a = w->call.arena;
	const struct ca *ca = x->is_foreign ? w->foreign : w->ours;
	char serial[CERT_SERIAL_SIZE];
	struct str der = S("");
	const struct ca_leaf leaf = {
		.kind = x->cert_kind,
		.name = str_from(x->cert_name),
		.public = key_public(x->is_bobs_key ? w->bob : w->alice),
		.now_ms = w->now_ms - x->age_days * day_ms,
	};
	if (x->has_no_certificate)
		return S("");
	OK(ca_sign(ca, &leaf, a, &der, serial, &e));
	return arena_fmt(a, "%" STR_F "%" STR_F, STR_A(cert_pem(der, a)), STR_A(ca_chain(ca)));
}

static struct json *list_of(struct world *w, const struct claim *x)
{
	struct arena *a = w->call.arena;
	struct json *list = json_array_new(a), *r = json_object_new(a);
	struct str signature = S("");
	struct hash h = key_name(x->names_another_key != x->is_bobs_key ? w->bob : w->alice);
	char key[HASH_TEXT_SIZE];
	hash_text(&h, key);
	struct str text = join_statement(str_from(x->kind), str_from(x->name),
					 x->states_another ? w->other_seal : w->alice_seal, a);
	const struct key *by = x->is_stated_by_bob != x->is_bobs_key ? w->bob : w->alice;
	OK(key_sign(by, text, a, &signature, &e));
	json_set_str(a, r, S("kind"), str_from(x->kind));
	json_set_str(a, r, S("name"), str_from(x->name));
	json_set_str(a, r, S("key"), str_from(key));
	json_set_str(a, r, S("seal_key"), w->alice_seal);
	json_set_str(a, r, S("statement"), base64url(signature, a));
	json_set_str(a, r, S("certificate"), certificate(w, x));
	json_add(a, list, r);
	return list;
}

static void only_keys_that_hold_are_sealed_to(void **state)
{
	struct world *w = *state;
	/* clang-format off */
	static const struct claim claims[] = {
		{"a good one", true, "person", "alice", CERT_PERSON, "alice", .age_days = 1},
		{"a node's", true, "node", "n1", CERT_NODE, "n1", .age_days = 1},
		{"of another kind of key", true, "person", "bob", CERT_PERSON, "bob", .is_bobs_key = true, .age_days = 1},
		{"it ended a week ago", true, "person", "alice", CERT_PERSON, "alice", .age_days = 37},
		{"it ended long ago", false, "person", "alice", CERT_PERSON, "alice", .age_days = 61},
		{"it has not begun", false, "person", "alice", CERT_PERSON, "alice", .age_days = -2},
		{"another authority's", false, "person", "alice", CERT_PERSON, "alice", .is_foreign = true, .age_days = 1},
		{"somebody else's certificate", false, "person", "alice", CERT_PERSON, "mallory", .age_days = 1},
		{"a node's for a person", false, "person", "alice", CERT_NODE, "alice", .age_days = 1},
		{"named as another key", false, "person", "alice", CERT_PERSON, "alice", .names_another_key = true, .age_days = 1},
		{"stated by another key", false, "person", "alice", CERT_PERSON, "alice", .is_stated_by_bob = true, .age_days = 1},
		{"stated of another sealing key", false, "person", "alice", CERT_PERSON, "alice", .states_another = true, .age_days = 1},
		{"without a certificate", false, "person", "alice", CERT_PERSON, "alice", .has_no_certificate = true},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct secret_keys keys = {.count = 0};
		const struct json *list = list_of(w, &claims[i]);
		OK(secret_keys_add(&w->call, &w->me, list, S(""), &keys, &e));
		if (keys.count != claims[i].is_taken)
			fail_msg("%s: %zu keys", claims[i].what, keys.count);
		if (keys.count)
			assert_true(str_eq(keys.items[0], w->alice_seal));
	}
}

static void each_key_is_sealed_to_once(void **state)
{
	struct world *w = *state;
	struct secret_keys keys = {.count = 0};
	static const struct claim good = {"",	       true,	"person",     "alice",
					  CERT_PERSON, "alice", .age_days = 1};
	const struct json *list = list_of(w, &good);
	OK(secret_keys_add(&w->call, &w->me, list, S(""), &keys, &e));
	OK(secret_keys_add(&w->call, &w->me, list, S("alice"), &keys, &e));
	assert_int_equal(keys.count, 1);
	OK(secret_keys_add(&w->call, &w->me, list, S("bob"), &keys, &e));
	assert_int_equal(keys.count, 1);
	w->me.recipient = w->alice_seal;
	OK(secret_keys_add_own(&w->me, &keys, &e));
	assert_int_equal(keys.count, 1);
	keys.count = 0;
	OK(secret_keys_add(&w->call, &w->me, list, S("bob"), &keys, &e));
	assert_int_equal(keys.count, 0);
	struct str sealed;
	struct err e = ERR_INIT;
	assert_int_equal(secret_seal(&w->call, S("x"), &keys, &sealed, &e), -1);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
}

static void what_is_not_for_me_is_an_outcome(void **state)
{
	struct world *w = *state;
	struct secret_keys keys = {.items = {w->alice_seal}, .count = 1};
	struct str sealed = S(""), clear = S("");
	OK(secret_seal(&w->call, S("hush"), &keys, &sealed, &e));
	struct err e = ERR_INIT;
	assert_true(age_is_sealed(sealed));
	assert_int_equal(secret_unseal(&w->call, &w->me, sealed, &clear, &e), 1);
	w->me.seal = w->other;
	assert_int_equal(secret_unseal(&w->call, &w->me, sealed, &clear, &e), 1);
	assert_int_equal(e.kind, ERR_NONE);
	w->me.seal = w->seal;
	assert_int_equal(secret_unseal(&w->call, &w->me, sealed, &clear, &e), 0);
	assert_true(str_is(clear, "hush"));
	assert_int_equal(
		secret_unseal(&w->call, &w->me, str_sub(sealed, 0, sealed.n - 60), &clear, &e),
		-1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	w->me.seal = NULL;
}

static void rows_of_a_list_are_marked(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *instance, *mark;
	} cases[] = {
		{"{}", ""},
		{"{\"secrets\":{}}", ""},
		{"{\"secrets\":{\"connection\":{\"url\":\"sealed\"}}}", "sealed"},
		{"{\"secrets\":{\"connection\":{\"url\":\"sealed\"},\"parameters\":"
		 "{\"p\":\"clear\"}}}",
		 "clear at the master"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *j = NULL;
		OK(json_parse(str_from(cases[i].instance), w->call.arena, &j, &e));
		assert_true(str_is(secret_mark(j), cases[i].mark));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_keys_that_hold_are_sealed_to, begin, end),
		cmocka_unit_test_setup_teardown(each_key_is_sealed_to_once, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_for_me_is_an_outcome, begin, end),
		cmocka_unit_test_setup_teardown(rows_of_a_list_are_marked, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
