/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <fcntl.h>
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
#include "trust/hash.h"

/* FIPS 180-4 examples, and the lengths around a block. */
static const struct {
	const char *text, *hex;
} known[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void assert_hex(struct hash h, const char *hex)
{
	char text[HASH_TEXT_SIZE];
	hash_text(&h, text);
	assert_string_equal(text, hex);
}

static void known_texts_have_their_known_hashes(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct str s = str_from(known[i].text);
		assert_hex(hash_of(s), known[i].hex);
		struct hasher h;
		hasher_init(&h);
		for (size_t at = 0; at < s.n; at++)
			hasher_add(&h, str_sub(s, at, 1));
		assert_hex(hasher_end(&h), known[i].hex);
	}
}

static void files_are_hashed_up_to_a_maximum(void **state)
{
	char path[256];
	struct err e = ERR_INIT;
	struct hash h;
	int64_t n = -1;
	(void)snprintf(path, sizeof path, "%s/f", (char *)*state);
	assert_int_equal(hash_file(path, 100, &h, NULL, &e), 1);
	assert_int_equal(file_write(path, S("abc"), 0600, &e), 0);
	assert_int_equal(hash_file(path, 3, &h, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_hex(h, known[1].hex);
	assert_int_equal(hash_file(path, 2, &h, &n, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(hash_fd(-1, 3, &h, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
}

static void only_regular_files_are_hashed(void **state)
{
	char link_path[256], fifo[256];
	struct err e = ERR_INIT;
	struct hash h;
	(void)snprintf(link_path, sizeof link_path, "%s/l", (char *)*state);
	(void)snprintf(fifo, sizeof fifo, "%s/p", (char *)*state);
	assert_int_equal(symlink("/etc/passwd", link_path), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(hash_file(link_path, 1 << 20, &h, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_int_equal(hash_file(fifo, 1 << 20, &h, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(hash_file(*state, 1 << 20, &h, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
}

static void hash_texts_parse_back(void **state UNUSED)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 0},
		{"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", 0},
		{"", -1},
		{"ba78", -1},
		{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", -1},
		{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", -1},
		{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag", -1},
	};
	struct hash want = hash_of(S("abc"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct hash got = {.bytes = {0}};
		assert_int_equal(hash_parse(str_from(cases[i].text), &got, &e), cases[i].rc);
		assert_int_equal(hash_eq(&got, &want), cases[i].rc == 0);
		assert_int_equal(e.kind, cases[i].rc ? ERR_INVALID : ERR_NONE);
	}
}

static void texts_compare_by_all_their_bytes(void **state UNUSED)
{
	assert_true(trust_text_eq(S("same"), S("same")));
	assert_true(trust_text_eq(S(""), S("")));
	assert_false(trust_text_eq(S("same"), S("samf")));
	assert_false(trust_text_eq(S("same"), S("tame")));
	assert_false(trust_text_eq(S("same"), S("same ")));
}

static int make_dir(void **state)
{
	*state = mkdtemp(strdup("/tmp/hoc-test-hash-XXXXXX"));
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e;
	int rc = file_remove_tree(*state, &e);
	free(*state);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_have_their_known_hashes),
		cmocka_unit_test_setup_teardown(files_are_hashed_up_to_a_maximum, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(only_regular_files_are_hashed, make_dir,
						remove_dir),
		cmocka_unit_test(hash_texts_parse_back),
		cmocka_unit_test(texts_compare_by_all_their_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
