/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cert_kit.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};

static void words_of_kinds_are_read(void **state)
{
	struct err e = ERR_INIT;
	enum key_kind k;
	(void)state;
	for (enum key_kind i = 0; i < KEY_KINDS; i++) {
		OK(key_kind_read(str_from(key_kind_word(i)), &k, &e));
		assert_int_equal(k, i);
	}
	FAILS(key_kind_read(S("rsa"), &k, &e), ERR_INVALID);
	FAILS(key_kind_read(S(""), &k, &e), ERR_INVALID);
}

static void a_signature_is_good_for_its_message_and_key_only(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct key *k CLEAN(key_freep) = NULL, *other CLEAN(key_freep) = NULL;
		struct str s;
		OK(key_make(kinds[i], &k, &e));
		OK(key_make(kinds[i], &other, &e));
		assert_int_equal(key_kind_of(k), kinds[i]);
		struct hash name = key_name(k), of = hash_of(key_public(k));
		assert_true(hash_eq(&name, &of));
		OK(key_sign(k, S("a message"), at->a, &s, &e));
		assert_in_range(s.n, 64, KEY_SIGNATURE_MAX);
		assert_true(key_is_signed_by(key_public(k), S("a message"), s));
		assert_false(key_is_signed_by(key_public(k), S("a massage"), s));
		assert_false(key_is_signed_by(key_public(k), S(""), s));
		assert_false(key_is_signed_by(key_public(other), S("a message"), s));
		assert_false(key_is_signed_by(S("no key"), S("a message"), s));
		assert_false(key_is_signed_by(S(""), S("a message"), s));
		assert_false(key_is_signed_by(key_public(k), S("a message"),
					      str_sub(s, 0, s.n - 1)));
		assert_false(key_is_signed_by(key_public(k), S("a message"), S("")));
		assert_false(key_is_signed_by(key_public(k), S("a message"),
					      joined(at, s, joined(at, s, s))));
		OK(key_sign(k, S(""), at->a, &s, &e));
		assert_true(key_is_signed_by(key_public(k), S(""), s));
	}
}

static void a_key_file_is_private_and_made_once(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *a CLEAN(key_freep) = NULL, *b CLEAN(key_freep) = NULL,
		      *c CLEAN(key_freep) = NULL;
	const char *path = place_path(at, "key.pem");
	struct stat st;
	assert_int_equal(key_load(path, &a, &e), 1);
	assert_null(a);
	OK(key_open(path, KEY_P256, &a, &e));
	OK(key_open(path, KEY_ED25519, &b, &e)); /* it is there: as it is */
	assert_int_equal(key_kind_of(b), KEY_P256);
	struct hash x = key_name(a), y = key_name(b);
	assert_true(hash_eq(&x, &y));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(chmod(path, 0640), 0);
	FAILS(key_load(path, &c, &e), ERR_FORBIDDEN);
	FAILS(key_open(path, KEY_P256, &c, &e), ERR_FORBIDDEN);
	FAILS(key_open(place_path(at, "none/key.pem"), KEY_P256, &c, &e), ERR_IO);
}

static void what_is_no_key_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
	} rows[] = {
		{"", ERR_CORRUPT},
		{"hello", ERR_CORRUPT},
		{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", ERR_CORRUPT},
		{"-----BEGIN PRIVATE KEY-----\n", ERR_CORRUPT},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	char *big = test_malloc(20 << 10);
	memset(big, 'x', 20 << 10);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		place_write(at, "bad", str_from(rows[i].text));
		FAILS(key_load(place_path(at, "bad"), &k, &e), rows[i].kind);
	}
	place_write(at, "bad", str_of(big, 20 << 10));
	FAILS(key_load(place_path(at, "bad"), &k, &e), ERR_CORRUPT);
	FAILS(key_load(at->dir, &k, &e), ERR_CORRUPT);
	assert_int_equal(symlink("bad", place_path(at, "link")), 0);
	FAILS(key_load(place_path(at, "link"), &k, &e), ERR_IO);
	test_free(big);
}

/* Keys of others, and ours with others. */
static void openssl_and_we_read_each_others_keys(void **state)
{
	static const struct {
		const char *algorithm, *option;
		int kind; /* or -1 */
	} rows[] = {
		{"ED25519", NULL, KEY_ED25519},
		{"EC", "ec_paramgen_curve:P-256", KEY_P256},
		{"EC", "ec_paramgen_curve:P-384", -1},
		{"RSA", "rsa_keygen_bits:2048", -1},
		{"X25519", NULL, -1},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char said[SAID_SIZE];
	const char *path = place_path(at, "foreign.pem");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct key *k CLEAN(key_freep) = NULL;
		(void)unlink(path);
		if (TOOL(said, "openssl", "genpkey", "-algorithm", rows[i].algorithm, "-out",
			 path, rows[i].option ? "-pkeyopt" : NULL, rows[i].option) != 0)
			fail_msg("%s", said);
		assert_int_equal(chmod(path, 0600), 0);
		if (rows[i].kind < 0) {
			assert_int_equal(key_load(path, &k, &e), -1);
			assert_true(e.kind == ERR_UNSUPPORTED || e.kind == ERR_CORRUPT);
			continue;
		}
		OK(key_load(path, &k, &e));
		assert_int_equal(key_kind_of(k), rows[i].kind);
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct key *k CLEAN(key_freep) = NULL;
		struct str s;
		const char *ours = place_path(at, key_kind_word(kinds[i]));
		OK(key_open(ours, kinds[i], &k, &e));
		OK(key_sign(k, S("a message"), at->a, &s, &e));
		place_write(at, "message", S("a message"));
		place_write(at, "signature", s);
		bool is_ed = kinds[i] == KEY_ED25519;
		int rc = TOOL(said, "openssl", "pkeyutl", "-verify", "-inkey", ours, "-rawin",
			      "-in", place_path(at, "message"), "-sigfile",
			      place_path(at, "signature"), is_ed ? NULL : "-digest", "sha256");
		if (rc != 0)
			fail_msg("openssl does not take our signature: %s", said);
	}
}

static void a_sealed_key_opens_by_its_passphrase_only(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL, *back CLEAN(key_freep) = NULL,
		      *no CLEAN(key_freep) = NULL;
	struct stat st;
	struct str text;
	const char *path = place_path(at, "sealed");
	OK(key_make(KEY_P256, &k, &e));
	FAILS(key_seal(k, S("too short"), path, &e), ERR_INVALID);
	assert_int_equal(key_unseal(path, KIT_PASSPHRASE, &no, &e), 1);
	OK(key_seal(k, KIT_PASSPHRASE, path, &e));
	FAILS(key_seal(k, KIT_PASSPHRASE, path, &e), ERR_CONFLICT);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	OK(file_read(path, 10000, at->a, &text, &e));
	assert_int_equal(str_find(text, S("PRIVATE KEY")), text.n);
	OK(key_unseal(path, KIT_PASSPHRASE, &back, &e));
	struct hash x = key_name(k), y = key_name(back);
	assert_true(hash_eq(&x, &y));
	FAILS(key_unseal(path, S("correct horse batterz"), &no, &e), ERR_FORBIDDEN);
	FAILS(key_load(path, &no, &e), ERR_CORRUPT);
	assert_null(no);
}

struct maker {
	const char *path;
	struct hash name;
	int rc;
};

static void *make_one(void *user)
{
	struct maker *m = user;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	m->rc = key_open(m->path, KEY_P256, &k, &e);
	if (m->rc == 0)
		m->name = key_name(k);
	return NULL;
}

static void makers_at_once_get_the_same_key(void **state)
{
	struct place *at = *state;
	pthread_t threads[8];
	struct maker makers[ARRAY_LEN(threads)];
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		makers[i] = (struct maker){.path = place_path(at, "raced.pem")};
		assert_int_equal(pthread_create(&threads[i], NULL, make_one, &makers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(makers[i].rc, 0);
		assert_true(hash_eq(&makers[0].name, &makers[i].name));
	}
}

/* ---- tokens: softhsm2 in a directory of its own ---- */

static int token_setup(void **state)
{
	char said[SAID_SIZE];
	if (place_setup(state) != 0)
		return -1;
	struct place *at = *state;
	struct err e = ERR_INIT;
	OK(file_mkdirs(place_path(at, "tokens"), 0700, &e));
	place_write(at, "softhsm2.conf",
		    arena_fmt(at->a, "directories.tokendir=%s/tokens\n", at->dir));
	if (setenv("SOFTHSM2_CONF", place_path(at, "softhsm2.conf"), 1) != 0)
		return -1;
	return TOOL(said, "softhsm2-util", "--init-token", "--free", "--label", "hoc", "--pin",
		    "1234", "--so-pin", "5678");
}

static void a_token_makes_and_keeps_its_key(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL, *again CLEAN(key_freep) = NULL,
		      *no CLEAN(key_freep) = NULL;
	struct str s;
	static const char uri[] = "pkcs11:token=hoc;object=users%20key";
	FAILS(key_open_token(uri, S("1234"), KEY_P256, false, &no, &e), ERR_NOT_FOUND);
	FAILS(key_open_token(uri, S("4321"), KEY_P256, true, &no, &e), ERR_FORBIDDEN);
	FAILS(key_open_token(uri, S(""), KEY_P256, true, &no, &e), ERR_FORBIDDEN);
	OK(key_open_token(uri, S("1234"), KEY_P256, true, &k, &e));
	OK(key_open_token(uri, S("1234"), KEY_P256, true, &again, &e));
	struct hash x = key_name(k), y = key_name(again);
	assert_true(hash_eq(&x, &y));
	OK(key_sign(k, S("a message"), at->a, &s, &e));
	assert_true(key_is_signed_by(key_public(again), S("a message"), s));
	FAILS(key_open_token("pkcs11:token=none;object=users", S("1234"), KEY_P256, true, &no,
			     &e),
	      ERR_NOT_FOUND);
	FAILS(key_open_token("pkcs11:token=hoc", S("1234"), KEY_P256, true, &no, &e),
	      ERR_INVALID);
	FAILS(key_open_token("file:///etc/passwd", S("1234"), KEY_P256, true, &no, &e),
	      ERR_INVALID);
	/* Nothing of it gets out. */
	FAILS(key_seal(k, KIT_PASSPHRASE, place_path(at, "out"), &e), ERR_UNSUPPORTED);
	assert_false(file_exists(place_path(at, "out")));
	/* Logged in is a process, so the pin matters again when nothing of it is open. */
	k = key_free(k);
	again = key_free(again);
	FAILS(key_open_token(uri, S("4321"), KEY_P256, false, &no, &e), ERR_FORBIDDEN);
	OK(key_open_token(uri, S("1234"), KEY_P256, false, &k, &e));
}

int main(void)
{
#define AT(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		AT(words_of_kinds_are_read),
		AT(a_signature_is_good_for_its_message_and_key_only),
		AT(a_key_file_is_private_and_made_once),
		AT(what_is_no_key_is_refused),
		AT(openssl_and_we_read_each_others_keys),
		AT(a_sealed_key_opens_by_its_passphrase_only),
		AT(makers_at_once_get_the_same_key),
		cmocka_unit_test_setup_teardown(a_token_makes_and_keeps_its_key, token_setup,
						place_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
