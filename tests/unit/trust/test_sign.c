/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "trust/sign.h"

struct place {
	char dir[64], path[80];
};

/* RFC 8032 section 7.1, TEST 2: one byte of message. */
#define RFC_SEED "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define RFC_PUBLIC "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define RFC_SIGNATURE \
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" \
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static void a_known_key_signs_as_the_rfc_says(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct sign_key *k CLEAN(sign_key_freep) = NULL;
	assert_int_equal(
		file_write(at->path, S("hoc-ed25519-seed-v1 " RFC_SEED "\n"), 0600, &e), 0);
	assert_int_equal(sign_key_load(at->path, &k, &e), 0);
	struct sign_public p = sign_key_public(k);
	char text[SIGN_PUBLIC_TEXT_SIZE], hex[SIGN_TEXT_SIZE];
	sign_public_text(&p, text);
	assert_string_equal(text, RFC_PUBLIC);
	struct signature s = sign_make(k, S("\x72"));
	signature_text(&s, hex);
	assert_string_equal(hex, RFC_SIGNATURE);
	struct sign_public again;
	struct signature s_again;
	assert_int_equal(sign_public_parse(S(RFC_PUBLIC), &again, &e), 0);
	assert_int_equal(signature_parse(S(RFC_SIGNATURE), &s_again, &e), 0);
	assert_true(sign_is_good(&again, S("\x72"), &s_again));
}

static void a_key_is_made_once_and_private(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct sign_key *a CLEAN(sign_key_freep) = NULL, *b CLEAN(sign_key_freep) = NULL;
	struct stat st;
	assert_int_equal(sign_key_load(at->path, &a, &e), 1);
	assert_null(a);
	assert_int_equal(sign_key_open(at->path, &a, &e), 0);
	assert_int_equal(sign_key_open(at->path, &b, &e), 0);
	struct sign_public pa = sign_key_public(a), pb = sign_key_public(b);
	assert_memory_equal(&pa, &pb, sizeof pa);
	assert_int_equal(stat(at->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

static void only_the_right_signature_is_good(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct sign_key *k CLEAN(sign_key_freep) = NULL, *other CLEAN(sign_key_freep) = NULL;
	char path[96];
	(void)snprintf(path, sizeof path, "%s/other", at->dir);
	assert_int_equal(sign_key_open(at->path, &k, &e), 0);
	assert_int_equal(sign_key_open(path, &other, &e), 0);
	struct sign_public p = sign_key_public(k), po = sign_key_public(other);
	struct signature s = sign_make(k, S("a build"));
	assert_true(sign_is_good(&p, S("a build"), &s));
	assert_false(sign_is_good(&p, S("a builD"), &s));
	assert_false(sign_is_good(&p, S("a build "), &s));
	assert_false(sign_is_good(&po, S("a build"), &s));
	for (size_t i = 0; i < SIGN_BYTES; i++) {
		struct signature bad = s;
		bad.bytes[i] ^= 1;
		assert_false(sign_is_good(&p, S("a build"), &bad));
	}
}

static void damaged_or_open_key_files_are_refused(void **state)
{
	static const struct {
		const char *content;
		unsigned mode;
		enum err_kind kind;
	} cases[] = {
		{"hoc-ed25519-seed-v1 " RFC_SEED "\n", 0640, ERR_FORBIDDEN},
		{"hoc-ed25519-seed-v1 " RFC_SEED "\n", 0604, ERR_FORBIDDEN},
		{"", 0600, ERR_CORRUPT},
		{"hoc-ed25519-seed-v1 " RFC_SEED, 0600, ERR_CORRUPT},
		{"hoc-ed25519-seed-v1 " RFC_SEED "\n\n", 0600, ERR_CORRUPT},
		{"hoc-ed25519-seed-v2 " RFC_SEED "\n", 0600, ERR_CORRUPT},
		{"hoc-ed25519-seed-v1 x" RFC_SEED, 0600, ERR_CORRUPT},
	};
	struct place *at = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct sign_key *k = NULL;
		assert_int_equal(
			file_write(at->path, str_from(cases[i].content), cases[i].mode, &e), 0);
		assert_int_equal(sign_key_open(at->path, &k, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_null(strstr(e.text, "4ccd"));
		assert_null(k);
	}
}

static void a_key_without_a_directory_fails_clearly(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct sign_key *k = NULL;
	char path[96];
	(void)snprintf(path, sizeof path, "%s/none/key", at->dir);
	assert_int_equal(sign_key_open(path, &k, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_non_null(strstr(e.text, path));
}

static void *open_key(void *path)
{
	struct err e = ERR_INIT;
	struct sign_key *k = NULL;
	return sign_key_open(path, &k, &e) < 0 ? NULL : k;
}

static void makers_at_the_same_moment_agree(void **state)
{
	enum { MAKERS = 8 };
	struct place *at = *state;
	pthread_t threads[MAKERS];
	struct sign_public first = {.bytes = {0}};
	for (int i = 0; i < MAKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_key, at->path), 0);
	for (int i = 0; i < MAKERS; i++) {
		void *k;
		assert_int_equal(pthread_join(threads[i], &k), 0);
		assert_non_null(k);
		struct sign_public p = sign_key_public(k);
		if (i == 0)
			first = p;
		assert_memory_equal(&p, &first, sizeof p);
		(void)sign_key_free(k);
	}
	size_t entries = 0;
	DIR *d = opendir(at->dir);
	while (readdir(d))
		entries++;
	(void)closedir(d);
	assert_int_equal(entries, 3); /* ".", ".." and the key: no strays */
}

static void public_texts_are_strict(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"ed25519:",
		(RFC_PUBLIC "0"),
		("rsa:" RFC_SEED),
		RFC_SEED,
		"ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660x"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct sign_public p;
		assert_int_equal(sign_public_parse(str_from(bad[i]), &p, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
	}
}

static int make_place(void **state)
{
	struct place *at = calloc(1, sizeof *at);
	(void)snprintf(at->dir, sizeof at->dir, "/tmp/hoc-test-sign-XXXXXX");
	if (!mkdtemp(at->dir))
		return -1;
	(void)snprintf(at->path, sizeof at->path, "%s/key", at->dir);
	*state = at;
	return 0;
}

static int remove_place(void **state)
{
	struct place *at = *state;
	struct err e;
	int rc = file_remove_tree(at->dir, &e);
	free(at);
	return rc;
}

#define AT_PLACE(fn) cmocka_unit_test_setup_teardown(fn, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_PLACE(a_known_key_signs_as_the_rfc_says),
		AT_PLACE(a_key_is_made_once_and_private),
		AT_PLACE(only_the_right_signature_is_good),
		AT_PLACE(damaged_or_open_key_files_are_refused),
		AT_PLACE(a_key_without_a_directory_fails_clearly),
		AT_PLACE(makers_at_the_same_moment_agree),
		cmocka_unit_test(public_texts_are_strict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
