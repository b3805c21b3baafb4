/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens as text: what is made is read, what is damaged is refused and never quoted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "trust/join.h"

static struct arena *arena(void)
{
	struct arena *a;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(1 << 16, &a, &e), 0);
	return a;
}

static void what_is_made_is_read(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = arena();
	struct err e = ERR_INIT;
	struct hash root = hash_of(S("root")), first, second;
	struct str text, other;
	struct join_token t;
	assert_int_equal(join_token_make(true, &root, a, &text, &e), 0);
	assert_int_equal(join_token_make(true, &root, a, &other, &e), 0);
	assert_false(str_eq(text, other));
	struct str padded = arena_fmt(a, " %" STR_F "\n", STR_A(text));
	assert_int_equal(join_token_read(padded, &t, &e), 0);
	assert_true(t.is_node && hash_eq(&t.root, &root));
	assert_int_equal(t.secret.n, JOIN_SECRET_CHARS);
	first = join_token_name(&t);
	assert_int_equal(join_token_read(other, &t, &e), 0);
	second = join_token_name(&t);
	assert_false(hash_eq(&first, &second));
	assert_int_equal(join_token_make(false, &root, a, &text, &e), 0);
	assert_int_equal(join_token_read(text, &t, &e), 0);
	assert_false(t.is_node);
}

#define ROOT "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
#define SECRET "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_damaged_is_refused(void **state UNUSED)
{
	static const char *const texts[] = {
		"",
		"hoc1",
		"hoc1.p." ROOT,
		"hoc2.p." ROOT "." SECRET,
		"hoc1.x." ROOT "." SECRET,
		"hoc1.p." ROOT "." SECRET "A",
		"hoc1.p." ROOT ".AAAA",
		"hoc1.p.AAAA." SECRET,
		"hoc1.p." ROOT ".AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAA",
		"hoc1.p." ROOT "." SECRET ".",
		"hoc1.p.47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU." SECRET,
		"hoc1.p.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV." SECRET,
		"hoc1.p." ROOT "." SECRET SECRET SECRET SECRET,
	};
	struct join_token t;
	struct err e;
	assert_int_equal(join_token_read(S("hoc1.p." ROOT "." SECRET), &t, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		err_clear(&e);
		if (join_token_read(str_from(texts[i]), &t, &e) == 0)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, "token");
		assert_null(strstr(e.text, "AAAA"));
	}
}

static void a_statement_names_its_owner(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = arena();
	assert_true(str_is(join_statement(S("node"), S("n1"), S("age1x"), a),
			   "hoc-seal-key-v1\nnode\nn1\nage1x\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_read),
		cmocka_unit_test(what_is_damaged_is_refused),
		cmocka_unit_test(a_statement_names_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
