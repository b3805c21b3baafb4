/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/join.h"
#include "agent/keys.h"
#include "base/file.h"
#include "cloud_kit.h"
#include "trust/join.h"
#include "trust/jose.h"

static const int64_t day_ms = 86400000;

static struct str file_text(struct kit *k, const char *name)
{
	struct err e = ERR_INIT;
	struct str text;
	assert_int_equal(file_read(kit_path(k, name), 1 << 20, k->a, &text, &e), 0);
	return text;
}

static void a_node_that_joined_nowhere_has_no_keys(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct keys *keys = NULL;
	assert_int_equal(keys_open(kit_path(k, "nowhere"), &keys, &e), 1);
	/* Keys alone are no membership: the certificate was never got. */
	assert_int_equal(unlink(kit_path(k, "node/identity/cert.pem")), 0);
	assert_int_equal(keys_open(kit_path(k, "node"), &keys, &e), 1);
	assert_null(keys);
}

static void keys_know_whose_they_are(void **state)
{
	struct kit *k = *state;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	assert_true(str_is(keys_node(keys), "n1"));
	assert_true(str_starts(keys_recipient(keys), S("age1")));
	assert_true(str_eq(keys_roots(keys, k->a), ca_roots(k->users)));
	int64_t life_ms = keys_to_ms(keys) -
			  (keys_due_ms(keys) - 2 * (keys_to_ms(keys) - keys_due_ms(keys)));
	assert_in_range(life_ms, 30 * day_ms - 1000, 30 * day_ms + 600000);
	assert_in_range(keys_due_ms(keys), k->now_ms + 19 * day_ms, k->now_ms + 20 * day_ms);
}

static void what_is_missing_or_mixed_is_corrupt(void **state)
{
	static const char *const files[] = {"roots.pem", "seal.age", "key.pem"};
	struct kit *k = *state;
	struct keys *keys = NULL;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct err e = ERR_INIT;
		const char *name = arena_fmt(k->a, "node/identity/%s", files[i]).p;
		const char *path = kit_path(k, name), *aside = kit_path(k, "aside");
		assert_int_equal(rename(path, aside), 0);
		assert_true(keys_open(kit_path(k, "node"), &keys, &e) < 0);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_non_null(strstr(e.text, files[i]));
		assert_int_equal(rename(aside, path), 0);
	}
	struct err e = ERR_INIT;
	struct str other = kit_certificate(k, k->users, CERT_NODE, "n1", k->master, k->now_ms);
	assert_int_equal(file_write(kit_path(k, "node/identity/cert.pem"), other, 0644, &e), 0);
	assert_true(keys_open(kit_path(k, "node"), &keys, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(chmod(kit_path(k, "node/identity/key.pem"), 0644), 0);
	assert_true(keys_open(kit_path(k, "node"), &keys, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	assert_null(keys);
}

static void a_renewal_replaces_file_and_memory(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	int64_t then_ms = k->now_ms + 25 * day_ms, old_to_ms = keys_to_ms(keys);
	size_t refused = 9;
	struct str csr, fresh = kit_certificate(k, k->users, CERT_NODE, "n1", k->node, then_ms);
	struct cert_request request;
	assert_int_equal(keys_request(keys, k->a, &csr, &e), 0);
	assert_int_equal(cert_request_read(csr, k->a, &request, &e), 0);
	assert_int_equal(keys_renewed(keys, fresh, ca_roots(k->users), then_ms, &refused, &e),
			 0);
	assert_int_equal(refused, 0);
	assert_int_equal(keys_to_ms(keys) - old_to_ms, 25 * day_ms);
	assert_true(str_eq(file_text(k, "node/identity/cert.pem"), fresh));
	keys = keys_free(keys);
	keys = kit_keys(k);
	assert_int_equal(keys_to_ms(keys) - old_to_ms, 25 * day_ms);
}

static void what_is_not_ours_is_not_taken(void **state)
{
	struct kit *k = *state;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	struct str before = file_text(k, "node/identity/cert.pem");
	int64_t to_ms = keys_to_ms(keys), now = k->now_ms;
	const struct str bad[] = {
		kit_certificate(k, k->users, CERT_NODE, "n2", k->node, now),
		kit_certificate(k, k->users, CERT_PERSON, "n1", k->node, now),
		kit_certificate(k, k->users, CERT_NODE, "n1", k->master, now),
		kit_certificate(k, k->foreign, CERT_NODE, "n1", k->node, now),
		kit_certificate(k, k->users, CERT_NODE, "n1", k->node, now - 40 * day_ms),
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		size_t refused;
		/* With the foreign cloud's roots at hand, too. */
		assert_true(keys_renewed(keys, bad[i], ca_roots(k->foreign), now, &refused,
					 &e) < 0);
		assert_int_equal(e.kind, ERR_CORRUPT);
	}
	assert_true(str_eq(file_text(k, "node/identity/cert.pem"), before));
	assert_true(str_eq(file_text(k, "node/identity/roots.pem"), ca_roots(k->users)));
	assert_int_equal(keys_to_ms(keys), to_ms);
}

/* The old root vouches for the new one in a link certificate. */
static void a_root_that_rolled_over_is_followed(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	size_t refused;
	assert_int_equal(ca_roll_root(kit_path(k, "acme"), S(""), k->now_ms, &e), 0);
	k->users = ca_free(k->users);
	assert_int_equal(ca_open(kit_path(k, "acme"), S(""), &k->users, &e), 0);
	struct str fresh = kit_certificate(k, k->users, CERT_NODE, "n1", k->node, k->now_ms);
	assert_int_equal(keys_renewed(keys, fresh, ca_roots(k->users), k->now_ms, &refused, &e),
			 0);
	assert_int_equal(refused, 0);
	struct cert *roots;
	size_t n;
	assert_int_equal(cert_chain_read(keys_roots(keys, k->a), k->a, &roots, &n, &e), 0);
	assert_int_equal(n, 2);
	/* And now the new root alone is enough. */
	struct hash mine = key_name(k->node), newest = ca_root_fingerprint(k->users);
	struct hash first = cert_fingerprint(&roots[0]);
	struct cert leaf;
	assert_memory_equal(&first, &newest, sizeof first);
	assert_int_equal(keys_check(fresh, cert_pem(roots[0].der, k->a), &mine, S("n1"),
				    k->now_ms, k->a, &leaf, &e),
			 0);
}

static void a_root_that_nobody_vouches_for_is_not_taken(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	size_t refused = 0;
	struct str own = ca_roots(k->users), foreign = ca_roots(k->foreign);
	struct str both = arena_fmt(k->a, "%" STR_F "%" STR_F, STR_A(own), STR_A(foreign));
	struct str fresh = kit_certificate(k, k->users, CERT_NODE, "n1", k->node, k->now_ms);
	assert_int_equal(keys_renewed(keys, fresh, both, k->now_ms, &refused, &e), 0);
	assert_int_equal(refused, 1);
	assert_true(str_eq(keys_roots(keys, k->a), own));
	/* Not even if the chain holds a certificate with that root's key. */
	fresh = arena_fmt(k->a, "%" STR_F "%" STR_F, STR_A(fresh), STR_A(foreign));
	assert_int_equal(keys_renewed(keys, fresh, both, k->now_ms, &refused, &e), 0);
	assert_int_equal(refused, 1);
	assert_true(str_eq(keys_roots(keys, k->a), own));
	/* Nor does a list of strangers alone take the own root away. */
	assert_int_equal(keys_renewed(keys, fresh, foreign, k->now_ms, &refused, &e), 0);
	assert_true(str_eq(keys_roots(keys, k->a), own));
}

static void a_statement_says_whose_sealing_key_it_is(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct keys *keys CLEAN(keys_freep) = kit_keys(k);
	struct str statement, signature;
	assert_int_equal(keys_statement(keys_identity(keys), S("n1"), keys_recipient(keys),
					k->a, &statement, &e),
			 0);
	assert_int_equal(base64url_read(statement, k->a, &signature, &e), 0);
	assert_true(key_is_signed_by(
		key_public(k->node),
		join_statement(S("node"), S("n1"), keys_recipient(keys), k->a), signature));
}

/* ---- joining, as far as no server is needed ------------------------------------------------ */

static void join_fails(struct kit *k, const char *url, struct str token, enum err_kind kind,
		       const char *field)
{
	struct err e = ERR_INIT;
	struct agent_joined out;
	const struct agent_join j = {.dir = kit_path(k, "fresh"),
				     .url = url,
				     .token = token,
				     .clock = clock_system()};
	assert_true(agent_join(&j, k->a, &out, &e) < 0);
	assert_int_equal(e.kind, kind);
	assert_string_equal(e.field, field);
	if (token.n > 40)
		assert_null(strstr(e.text, token.p + token.n - 20));
}

static void what_cannot_be_joined_is_named(void **state)
{
	static const char *const urls[] = {
		"http://127.0.0.1:1", "https://",     "https://:1",
		"https://h:x",	      "https://h:0",  "https://h:70000",
		"https://h/path",     "https://[::1", "https://[]"};
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct str node, person;
	struct hash root = ca_root_fingerprint(k->users);
	assert_int_equal(join_token_make(true, &root, k->a, &node, &e), 0);
	assert_int_equal(join_token_make(false, &root, k->a, &person, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		join_fails(k, urls[i], node, ERR_INVALID, "url");
	join_fails(k, "https://127.0.0.1:1", S("hoc1.n"), ERR_INVALID, "token");
	join_fails(k, "https://127.0.0.1:1", person, ERR_INVALID, "token");
	join_fails(k, "https://127.0.0.1:1/", node, ERR_UNREACHABLE, "");
	/* Its keys are there already, and private; no certificate is. */
	struct stat st;
	assert_int_equal(stat(kit_path(k, "fresh/identity/key.pem"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(kit_path(k, "fresh/identity"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_false(file_exists(kit_path(k, "fresh/identity/cert.pem")));
	int lock CLEAN(file_closep) = -1;
	assert_int_equal(file_lock(kit_path(k, "fresh/agent.lock"), &lock, &e), 0);
	join_fails(k, "https://127.0.0.1:1", node, ERR_CONFLICT, "");
}

static int setup(void **state)
{
	static struct kit k;
	kit_open(&k);
	*state = &k;
	return 0;
}

static int teardown(void **state)
{
	kit_close(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_that_joined_nowhere_has_no_keys),
		TEST(keys_know_whose_they_are),
		TEST(what_is_missing_or_mixed_is_corrupt),
		TEST(a_renewal_replaces_file_and_memory),
		TEST(what_is_not_ours_is_not_taken),
		TEST(a_root_that_rolled_over_is_followed),
		TEST(a_root_that_nobody_vouches_for_is_not_taken),
		TEST(a_statement_says_whose_sealing_key_it_is),
		TEST(what_cannot_be_joined_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
