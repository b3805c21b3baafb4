/* SPDX-License-Identifier: AGPL-3.0-or-later */
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
#include "trust/age.h"
#include "trust/share.h"

struct place {
	char dir[64], path[80];
	struct arena *a;
	struct age_identity *i;
	char name[AGE_RECIPIENT_SIZE];
};

static const uint8_t secret[SHARE_BYTES] = "thirty-two bytes of plain text!";

static unsigned bits_of(unsigned v)
{
	return (unsigned)__builtin_popcount(v);
}

/* Every choice of shares of five: three and more give the secret, fewer do not. */
static void enough_shares_and_no_fewer_give_it_back(void **state UNUSED)
{
	struct share all[5], some[5];
	uint8_t out[SHARE_BYTES];
	share_split(secret, 3, 5, all);
	for (unsigned choice = 1; choice < 32; choice++) {
		unsigned n = 0;
		for (unsigned i = 0; i < 5; i++)
			if (choice & 1U << i)
				some[n++] = all[i];
		share_join(some, n, out);
		assert_int_equal(memcmp(out, secret, sizeof out) == 0, bits_of(choice) >= 3);
	}
}

static void the_largest_set_works(void **state UNUSED)
{
	struct share all[SHARE_MAX];
	uint8_t out[SHARE_BYTES];
	share_split(secret, SHARE_MAX, SHARE_MAX, all);
	share_join(all, SHARE_MAX, out);
	assert_memory_equal(out, secret, sizeof out);
}

/* Lagrange's weights at 0 for shares 1 and 2 are 2/3 and 1/3: 1/3 is 0xf6 in that field. */
static void the_field_is_that_of_aes(void **state UNUSED)
{
	struct share s[2] = {{.index = 1, .bytes = {1, 0}}, {.index = 2, .bytes = {0, 1}}};
	uint8_t out[SHARE_BYTES];
	share_join(s, 2, out);
	assert_int_equal(out[0], 0xf7);
	assert_int_equal(out[1], 0xf6);
}

static void an_identity_comes_back_from_its_shares(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str s[5], pick[3];
	struct age_identity *again CLEAN(age_identity_freep) = NULL;
	char name[AGE_RECIPIENT_SIZE];
	struct stat st;
	assert_int_equal(age_identity_split(at->i, 3, 5, at->a, s, &e), 0);
	for (size_t i = 0; i < 5; i++)
		assert_true(str_starts(s[i], S("hoc-share-v1 3 ")));
	pick[0] = s[4];
	pick[1] = s[1];
	pick[2] = arena_fmt(at->a, "  %" STR_F "\n", STR_A(s[2]));
	assert_int_equal(age_identity_join(pick, 3, at->path, &e), 0);
	assert_int_equal(age_identity_load(at->path, &again, &e), 0);
	age_identity_recipient(again, name);
	assert_string_equal(name, at->name);
	assert_int_equal(stat(at->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Nothing is written over. */
	assert_true(age_identity_join(s, 5, at->path, &e) < 0);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

static void join_fails(struct place *at, const struct str *s, size_t n, const char *what)
{
	struct err e = ERR_INIT;
	assert_true(age_identity_join(s, n, at->path, &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
	if (!strstr(e.text, what))
		fail_msg("\"%s\" does not say \"%s\"", e.text, what);
	assert_false(file_exists(at->path));
}

static void wrong_shares_are_named(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str s[3], other[3], again[3], pick[3];
	struct age_identity *stranger CLEAN(age_identity_freep) = NULL;
	assert_int_equal(age_identity_make(&stranger, &e), 0);
	assert_int_equal(age_identity_split(at->i, 2, 3, at->a, s, &e), 0);
	assert_int_equal(age_identity_split(at->i, 2, 3, at->a, again, &e), 0);
	assert_int_equal(age_identity_split(stranger, 2, 3, at->a, other, &e), 0);
	join_fails(at, s, 0, "0 shares");
	join_fails(at, s, 1, "2 are needed");
	pick[0] = s[0];
	pick[1] = s[0];
	join_fails(at, pick, 2, "share 2 is share 1 again");
	pick[1] = other[1];
	join_fails(at, pick, 2, "share 2 belongs to another identity");
	pick[1] = again[1];
	join_fails(at, pick, 2, "not of one set");
	pick[1] = S("AGE-SECRET-KEY-1");
	join_fails(at, pick, 2, "share 2 is changed or cut");
}

static void a_slip_of_the_pen_is_found(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str s[2], pick[2];
	assert_int_equal(age_identity_split(at->i, 2, 2, at->a, s, &e), 0);
	char *p = arena_alloc(at->a, s[1].n + 1);
	pick[0] = s[0];
	pick[1] = str_of(p, s[1].n);
	for (size_t i = 0; i < s[1].n; i++) {
		memcpy(p, s[1].p, s[1].n);
		p[i] = p[i] == '3' ? '4' : '3';
		join_fails(at, pick, 2, "share 2 is changed or cut");
		pick[1].n = i;
		join_fails(at, pick, 2, "share 2 is changed or cut");
		pick[1].n = s[1].n;
	}
}

static void senseless_sets_are_refused(void **state)
{
	static const unsigned bad[][2] = {{0, 3}, {1, 3}, {4, 3}, {2, 21}, {21, 21}};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str s[32];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(age_identity_split(at->i, bad[i][0], bad[i][1], at->a, s, &e) < 0);
		assert_int_equal(e.kind, ERR_INVALID);
	}
}

static int setup(void **state)
{
	static struct place at;
	struct err e = ERR_INIT;
	(void)snprintf(at.dir, sizeof at.dir, "/tmp/hoc-share-XXXXXX");
	if (!mkdtemp(at.dir) || arena_new(1 << 20, &at.a, &e) < 0 ||
	    age_identity_make(&at.i, &e) < 0)
		return -1;
	(void)snprintf(at.path, sizeof at.path, "%s/joined", at.dir);
	age_identity_recipient(at.i, at.name);
	*state = &at;
	return 0;
}

static int teardown(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	at->a = arena_free(at->a);
	at->i = age_identity_free(at->i);
	return file_remove_tree(at->dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enough_shares_and_no_fewer_give_it_back),
		cmocka_unit_test(the_largest_set_works),
		cmocka_unit_test(the_field_is_that_of_aes),
		cmocka_unit_test_setup_teardown(an_identity_comes_back_from_its_shares, setup,
						teardown),
		cmocka_unit_test_setup_teardown(wrong_shares_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slip_of_the_pen_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(senseless_sets_are_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
