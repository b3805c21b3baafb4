/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/id.h"

static void ids_have_their_form(void **state UNUSED)
{
	for (int i = 0; i < 1000; i++) {
		struct id id = id_new(rng_system(), "inst");
		struct str s = id_str(&id);
		assert_int_equal(s.n, 25);
		assert_true(str_starts(s, S("inst-")));
		for (size_t k = 5; k < s.n; k++)
			assert_non_null(strchr("0123456789abcdefghjkmnpqrstvwxyz", s.p[k]));
	}
	struct id longest = id_new(rng_system(), "abcdefghij");
	assert_int_equal(id_str(&longest).n, ID_TEXT_SIZE - 1);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void ids_do_not_repeat(void **state UNUSED)
{
	enum { MANY = 50000 };
	struct id *ids = test_calloc(MANY, sizeof *ids);
	for (size_t i = 0; i < MANY; i++)
		ids[i] = id_new(rng_system(), "x");
	qsort(ids, MANY, sizeof *ids, by_text);
	for (size_t i = 1; i < MANY; i++)
		assert_true(strcmp(ids[i - 1].text, ids[i].text) != 0);
	test_free(ids);
}

/* Each of the 20 digits takes all 32 values: none of the random bits is lost. */
static void every_digit_varies(void **state UNUSED)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	bool seen[20][32] = {{false}};
	struct rng_seeded s;
	rng_seeded_init(&s, 3);
	for (int i = 0; i < 2000; i++) {
		struct id id = id_new(&s.rng, "x");
		for (size_t k = 0; k < 20; k++)
			seen[k][strchr(digits, id.text[2 + k]) - digits] = true;
	}
	for (size_t k = 0; k < 20; k++)
		for (size_t v = 0; v < 32; v++)
			assert_true(seen[k][v]);
}

static void a_seed_repeats_its_ids(void **state UNUSED)
{
	struct rng_seeded a, b;
	rng_seeded_init(&a, 9);
	rng_seeded_init(&b, 9);
	struct id x = id_new(&a.rng, "n"), y = id_new(&b.rng, "n");
	assert_string_equal(x.text, y.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_have_their_form),
		cmocka_unit_test(ids_do_not_repeat),
		cmocka_unit_test(every_digit_varies),
		cmocka_unit_test(a_seed_repeats_its_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
