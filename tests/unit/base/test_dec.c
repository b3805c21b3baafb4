/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/dec.h"
#include "base/money.h"

#define NINES36 "999999999999999999999999999999999999"
#define MINUS36 "-999999999999999999999999999999999999"

static struct dec dec_of(const char *text)
{
	struct err e = ERR_INIT;
	struct dec d;
	if (dec_parse(str_from(text), &d, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return d;
}

static void assert_dec(struct dec d, const char *want)
{
	char text[DEC_TEXT_SIZE];
	dec_text(d, text);
	assert_string_equal(text, want);
}

static void good_texts_print_as_they_were(void **state UNUSED)
{
	static const char *const cases[] = {
		"0",
		"1",
		"-1",
		"9",
		"10",
		"-3",
		"0.0125",
		"-0.5",
		"12.00",
		"0.00",
		"100",
		"1.000000000000000000",
		"0.000000000000000001",
		"-0.000000000000000001",
		"9223372036854775807",
		"9223372036854775808",
		"18446744073709551616",
		NINES36,
		MINUS36,
		"999999999999999999.999999999999999999",
		"-999999999999999999.999999999999999999",
		"340282366920938463463374607431768211",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_dec(dec_of(cases[i]), cases[i]);
}

static void bad_texts_are_refused(void **state UNUSED)
{
	static const struct {
		const char *text;
		enum err_kind kind;
	} cases[] = {
		{"", ERR_INVALID},
		{"-", ERR_INVALID},
		{".", ERR_INVALID},
		{".5", ERR_INVALID},
		{"5.", ERR_INVALID},
		{"-.5", ERR_INVALID},
		{"+1", ERR_INVALID},
		{"--1", ERR_INVALID},
		{"01", ERR_INVALID},
		{"00", ERR_INVALID},
		{"00.5", ERR_INVALID},
		{"-0", ERR_INVALID},
		{"-0.00", ERR_INVALID},
		{"1e3", ERR_INVALID},
		{" 1", ERR_INVALID},
		{"1 ", ERR_INVALID},
		{"1,5", ERR_INVALID},
		{"1.2.3", ERR_INVALID},
		{"1_000", ERR_INVALID},
		{"NaN", ERR_INVALID},
		{"0x10", ERR_INVALID},
		{"1.-2", ERR_INVALID},
		{"٣", ERR_INVALID},
		{"1.0000000000000000000", ERR_TOO_LARGE},
		{"1" NINES36, ERR_TOO_LARGE},
		{"1000000000000000000000000000000000000", ERR_TOO_LARGE},
		{NINES36 NINES36, ERR_TOO_LARGE},
		{"1000000000000000000.999999999999999999", ERR_TOO_LARGE},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct dec d = dec_i64(77);
		assert_int_equal(dec_parse(str_from(cases[i].text), &d, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_dec(d, "77");
	}
	struct err e = ERR_INIT;
	struct dec d;
	assert_int_equal(dec_parse(str_of("1\0002", 3), &d, &e), -1);
}

typedef int op_fn(struct dec a, struct dec b, struct dec *out, struct err *e);

static void sums_and_products_are_exact_or_refused(void **state UNUSED)
{
	static const struct {
		op_fn *op;
		const char *a, *b, *want; /* NULL: ERR_TOO_LARGE */
	} cases[] = {
		{dec_add, "1.5", "2.25", "3.75"},
		{dec_add, "0.1", "0.2", "0.3"},
		{dec_add, "1", "-1.00", "0.00"},
		{dec_add, "-5", "3", "-2"},
		{dec_add, NINES36, "0", NINES36},
		{dec_add, NINES36, "1", NULL},
		{dec_add, MINUS36, "-1", NULL},
		{dec_add, NINES36, "-1", "999999999999999999999999999999999998"},
		{dec_add, NINES36, "0.1", NULL},
		{dec_add, "1000000000000000000", "0.000000000000000001", NULL},
		{dec_sub, "1", "0.999999999999999999", "0.000000000000000001"},
		{dec_sub, MINUS36, NINES36, NULL},
		{dec_sub, "0", "0", "0"},
		{dec_mul, "0", NINES36, "0"},
		{dec_mul, "1.5", "2", "3.0"},
		{dec_mul, "-0.5", "0.5", "-0.25"},
		{dec_mul, "-2", "-3", "6"},
		{dec_mul, "0", "-3", "0"},
		{dec_mul, NINES36, "1", NINES36},
		{dec_mul, NINES36, "2", NULL},
		{dec_mul, NINES36, NINES36, NULL},
		{dec_mul, "1000000000000000000", "100000000000000000",
		 "100000000000000000000000000000000000"},
		{dec_mul, "1000000000000000000", "1000000000000000000", NULL},
		{dec_mul, "1000000000000000000.0", "100000000000000000",
		 "100000000000000000000000000000000000"},
		{dec_mul, "0.0000000001", "0.00000001", "0.000000000000000001"},
		{dec_mul, "0.0000000001", "0.000000001", NULL},
		{dec_mul, "0.0000000010", "0.000000001", "0.000000000000000001"},
		{dec_mul, "0.000000005", "0.0000000002", "0.000000000000000001"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct dec out = dec_i64(77);
		int rc = cases[i].op(dec_of(cases[i].a), dec_of(cases[i].b), &out, &e);
		assert_int_equal(rc, cases[i].want ? 0 : -1);
		assert_int_equal(e.kind, cases[i].want ? ERR_NONE : ERR_TOO_LARGE);
		assert_dec(out, cases[i].want ? cases[i].want : "77");
	}
}

static void comparing_looks_at_values(void **state UNUSED)
{
	static const char *const rising[] = {
		MINUS36,
		"-1000000000000000000",
		"-1.000000000000000001",
		"-1",
		"-0.5",
		"-0.000000000000000001",
		"0",
		"0.000000000000000001",
		"0.5",
		"0.50000001",
		"1",
		"1.01",
		"1.1",
		"999999999999999999.999999999999999999",
		"1000000000000000000",
		NINES36,
	};
	for (size_t i = 0; i < ARRAY_LEN(rising); i++)
		for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
			int order = dec_cmp(dec_of(rising[i]), dec_of(rising[k]));
			assert_int_equal(order, (i > k) - (i < k));
		}
	assert_int_equal(dec_cmp(dec_of("1.5"), dec_of("1.500")), 0);
	assert_int_equal(dec_cmp(dec_of("0"), dec_of("0.000")), 0);
}

static void rounding_is_half_away_from_zero(void **state UNUSED)
{
	static const struct {
		const char *value;
		uint8_t digits;
		const char *want;
	} cases[] = {
		{"1.004", 2, "1.00"},
		{"1.005", 2, "1.01"},
		{"1.0049999999", 2, "1.00"},
		{"-1.005", 2, "-1.01"},
		{"-1.004", 2, "-1.00"},
		{"0.5", 0, "1"},
		{"-0.5", 0, "-1"},
		{"0.4", 0, "0"},
		{"-0.4", 0, "0"},
		{"1.5", 0, "2"},
		{"2.5", 0, "3"},
		{"999.995", 2, "1000.00"},
		{"12", 2, "12.00"},
		{"0", 3, "0.000"},
		{"12.345", 3, "12.345"},
		{NINES36, 0, NINES36},
		{"0.000000000000000001", 18, "0.000000000000000001"},
		{"0.000000000000000005", 17, "0.00000000000000001"},
		{"0.000000000000000004", 17, "0.00000000000000000"},
		{NINES36, 1, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct dec out = dec_i64(77);
		int rc = dec_round(dec_of(cases[i].value), cases[i].digits, &out, &e);
		assert_int_equal(rc, cases[i].want ? 0 : -1);
		assert_dec(out, cases[i].want ? cases[i].want : "77");
	}
}

static void shares_are_rounded_once(void **state UNUSED)
{
	static const struct {
		const char *amount, *part, *whole;
		uint8_t digits;
		const char *want;
		enum err_kind kind;
	} cases[] = {
		{"10", "1", "3", 2, "3.33", ERR_NONE},
		{"10", "2", "3", 2, "6.67", ERR_NONE},
		{"-10", "2", "3", 2, "-6.67", ERR_NONE},
		{"10", "-2", "-3", 2, "6.67", ERR_NONE},
		{"10", "2", "-3", 2, "-6.67", ERR_NONE},
		{"1", "1", "2", 0, "1", ERR_NONE},
		{"1", "1", "-2", 0, "-1", ERR_NONE},
		/* rounding twice would give 0.05 → 0.1 */
		{"0.1", "0.449", "1", 1, "0.0", ERR_NONE},
		{"29.90", "1296000000", "2592000000", 2, "14.95", ERR_NONE},
		{"0.0125", "3865470566400", "3865470566400", 4, "0.0125", ERR_NONE},
		{NINES36, NINES36, NINES36, 0, NINES36, ERR_NONE},
		{NINES36, NINES36, "1", 0, NULL, ERR_TOO_LARGE},
		{"0.000000000000000001", "0.000000000000000001", NINES36, 18,
		 "0.000000000000000000", ERR_NONE},
		{"0.999999999999999999", "0.999999999999999999", "0.000000000000000001", 18,
		 "999999999999999998.000000000000000001", ERR_NONE},
		/* exactly half, beyond 128 bits */
		{NINES36, "99999999999999999999", "199999999999999999998", 0,
		 "500000000000000000000000000000000000", ERR_NONE},
		{MINUS36, "99999999999999999999", "199999999999999999998", 0,
		 "-500000000000000000000000000000000000", ERR_NONE},
		{"1", "1", "0", 2, NULL, ERR_INVALID},
		{"1", "1", "0.00", 2, NULL, ERR_INVALID},
		{"0", "1", "7", 2, "0.00", ERR_NONE},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct dec out = dec_i64(77);
		int rc = dec_mul_ratio(dec_of(cases[i].amount), dec_of(cases[i].part),
				       dec_of(cases[i].whole), cases[i].digits, &out, &e);
		assert_int_equal(rc, cases[i].want ? 0 : -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_dec(out, cases[i].want ? cases[i].want : "77");
	}
}

static void trimming_keeps_the_value(void **state UNUSED)
{
	assert_dec(dec_trim(dec_of("12.3400"), 0), "12.34");
	assert_dec(dec_trim(dec_of("12.00"), 0), "12");
	assert_dec(dec_trim(dec_of("12.0000"), 2), "12.00");
	assert_dec(dec_trim(dec_of("1200"), 0), "1200");
	assert_dec(dec_trim(dec_of("0.000"), 0), "0");
}

/* A decimal with up to `digits` digits and any scale. */
static struct dec random_dec(const struct rng *r, unsigned digits)
{
	unsigned __int128 m = 0;
	for (unsigned n = (unsigned)rng_below(r, digits + 1); n--;)
		m = m * 10 + rng_below(r, 10);
	struct dec d = {(__int128)m, (uint8_t)rng_below(r, DEC_SCALE_MAX + 1)};
	return rng_below(r, 2) ? d : dec_neg(d);
}

static void laws_hold_for_random_values(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 7);
	unsigned summed = 0, multiplied = 0;
	for (int i = 0; i < 20000; i++) {
		struct dec a = random_dec(&s.rng, 36), b = random_dec(&s.rng, 36), ab, ba, back;
		struct err e = ERR_INIT;
		char text[DEC_TEXT_SIZE];
		dec_text(a, text);
		back = dec_of(text);
		assert_true(back.coefficient == a.coefficient && back.scale == a.scale);
		assert_int_equal(dec_cmp(a, b), -dec_cmp(b, a));
		if (dec_add(a, b, &ab, &e) == 0) {
			assert_int_equal(dec_add(b, a, &ba, &e), 0);
			assert_int_equal(dec_cmp(ab, ba), 0);
			assert_int_equal(dec_sub(ab, b, &back, &e), 0);
			assert_int_equal(dec_cmp(back, a), 0);
			summed++;
		}
		if (dec_mul(a, b, &ab, &e) == 0) {
			assert_int_equal(dec_mul(b, a, &ba, &e), 0);
			assert_true(ab.coefficient == ba.coefficient && ab.scale == ba.scale);
			multiplied++;
		}
	}
	assert_true(summed > 5000 && multiplied > 1000);
}

static void rounding_is_symmetric_and_near(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 8);
	for (int i = 0; i < 20000; i++) {
		struct dec a = random_dec(&s.rng, 30), up, down, off;
		uint8_t digits = (uint8_t)rng_below(&s.rng, 5);
		struct err e = ERR_INIT;
		assert_int_equal(dec_round(a, digits, &up, &e), 0);
		assert_int_equal(dec_round(dec_neg(a), digits, &down, &e), 0);
		assert_true(up.coefficient == -down.coefficient && up.scale == down.scale);
		/* |rounded - a| <= half a unit */
		struct dec half = {5, (uint8_t)(digits + 1)};
		if (dec_sub(up, a, &off, &e) < 0)
			continue;
		assert_true(dec_cmp(off, half) <= 0 && dec_cmp(dec_neg(off), half) <= 0);
		assert_int_equal(dec_round(up, digits, &off, &e), 0);
		assert_true(off.coefficient == up.coefficient);
	}
}

/* Against plain arithmetic where 128 bits are enough, by both ways through the division. */
static void shares_agree_with_128_bits(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 9);
	for (int i = 0; i < 20000; i++) {
		int64_t a = (int64_t)rng_below(&s.rng, INT64_MAX),
			p = (int64_t)rng_below(&s.rng, 1u << 30);
		int64_t w = (int64_t)rng_below(&s.rng, INT64_MAX) + 1;
		__int128 n = (__int128)a * p, want = n / w + (n % w >= w - n % w);
		struct err e = ERR_INIT;
		struct dec got;
		assert_int_equal(dec_mul_ratio(dec_i64(a), dec_i64(p), dec_i64(w), 0, &got, &e),
				 0);
		assert_true(got.coefficient == want);
		/* The same ratio lengthened by 10^24 takes the long division. */
		struct dec part = {(__int128)p * 1000000000000, 0},
			   whole = {(__int128)w * 1000000000000, 0};
		struct dec amount = {(__int128)a * 1000000000000, 12};
		assert_int_equal(dec_mul_ratio(amount, part, whole, 0, &got, &e), 0);
		assert_true(got.coefficient == want);
	}
}

static void money_knows_its_coins(void **state UNUSED)
{
	static const struct {
		const char *code;
		int digits;
	} cases[] = {{"EUR", 2},  {"JPY", 0}, {"KWD", 3}, {"CHF", 2},
		     {"eur", -1}, {"", -1},   {"XYZ", -1}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(money_digits(cases[i].code), cases[i].digits);
	struct err e = ERR_INIT;
	struct money sum, yen = {dec_of("10.5"), "JPY"}, euro = {dec_of("1.005"), "EUR"};
	assert_int_equal(money_add(yen, euro, &sum, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(money_round(yen, &sum, &e), 0);
	assert_dec(sum.amount, "11");
	assert_int_equal(money_add(euro, euro, &sum, &e), 0);
	assert_dec(sum.amount, "2.010");
	assert_int_equal(money_round(euro, &sum, &e), 0);
	assert_dec(sum.amount, "1.01");
	struct money odd = {dec_of("1"), "???"};
	assert_int_equal(money_round(odd, &sum, &e), -1);
	char code[4];
	assert_int_equal(money_currency(S("EUR"), code, &e), 0);
	assert_string_equal(code, "EUR");
	assert_int_equal(money_currency(S("EURO"), code, &e), -1);
	assert_int_equal(money_currency(S("EU"), code, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_print_as_they_were),
		cmocka_unit_test(bad_texts_are_refused),
		cmocka_unit_test(sums_and_products_are_exact_or_refused),
		cmocka_unit_test(comparing_looks_at_values),
		cmocka_unit_test(rounding_is_half_away_from_zero),
		cmocka_unit_test(shares_are_rounded_once),
		cmocka_unit_test(trimming_keeps_the_value),
		cmocka_unit_test(laws_hold_for_random_values),
		cmocka_unit_test(rounding_is_symmetric_and_near),
		cmocka_unit_test(shares_agree_with_128_bits),
		cmocka_unit_test(money_knows_its_coins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
