/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Exact decimals. Products and quotients pass through a 384-bit integer (struct wide): the
 * largest intermediate, coefficient × coefficient × 10^36 of dec_mul_ratio, needs 360 bits, so
 * that only results can fail to fit, never the way to them.
 *
 * Invariant of every struct dec that leaves this file: |coefficient| < 10^36, scale <= 18.
 */
#include "base/dec.h"

typedef unsigned __int128 u128;

enum { LIMBS = 6, LIMB_BITS = 64 };

/* Little end first. */
struct wide {
	uint64_t limb[LIMBS];
};

#define E18 UINT64_C(1000000000000000000)
#define COEFFICIENT_END ((u128)E18 * E18)

static uint64_t pow10_of(unsigned n)
{
	ASSERT(n <= DEC_SCALE_MAX);
	uint64_t p = 1;
	while (n--)
		p *= 10;
	return p;
}

static u128 magnitude(struct dec d)
{
	u128 m = d.coefficient < 0 ? -(u128)d.coefficient : (u128)d.coefficient;
	ASSERT(m < COEFFICIENT_END && d.scale <= DEC_SCALE_MAX);
	return m;
}

static int too_large(struct err *e)
{
	return err_fail(e, ERR_TOO_LARGE, "a number needs more than %d digits or %d decimals",
			DEC_DIGITS_MAX, DEC_SCALE_MAX);
}

static struct dec signed_dec(bool is_negative, u128 m, uint8_t scale)
{
	return (struct dec){is_negative ? -(__int128)m : (__int128)m, scale};
}

static struct wide wide_of(u128 v)
{
	return (struct wide){{(uint64_t)v, (uint64_t)(v >> LIMB_BITS)}};
}

/* w × v; what passes 384 bits cannot happen with the operands of this file. */
static struct wide wide_mul(struct wide w, u128 v)
{
	uint64_t part[2] = {(uint64_t)v, (uint64_t)(v >> LIMB_BITS)};
	struct wide out = {{0}};
	for (size_t k = 0; k < 2; k++) {
		u128 carry = 0;
		for (size_t i = 0; i + k < LIMBS; i++) {
			carry += (u128)w.limb[i] * part[k] + out.limb[i + k];
			out.limb[i + k] = (uint64_t)carry;
			carry >>= LIMB_BITS;
		}
		ASSERT(carry == 0);
	}
	return out;
}

static int wide_cmp(const struct wide *a, const struct wide *b)
{
	for (size_t i = LIMBS; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	return 0;
}

static void wide_sub(struct wide *a, const struct wide *b)
{
	uint64_t borrow = 0;
	for (size_t i = 0; i < LIMBS; i++) {
		u128 take = (u128)b->limb[i] + borrow;
		borrow = a->limb[i] < take;
		a->limb[i] -= (uint64_t)take;
	}
}

/* Doubles and adds a bit at the bottom. */
static void wide_push_bit(struct wide *a, uint64_t bit)
{
	for (size_t i = 0; i < LIMBS; i++) {
		uint64_t out = a->limb[i] >> (LIMB_BITS - 1);
		a->limb[i] = a->limb[i] << 1 | bit;
		bit = out;
	}
}

/* Divides in place by a small number and returns the rest. */
static uint64_t wide_div_small(struct wide *a, uint64_t by)
{
	u128 rest = 0;
	for (size_t i = LIMBS; i-- > 0;) {
		rest = rest << LIMB_BITS | a->limb[i];
		a->limb[i] = (uint64_t)(rest / by);
		rest %= by;
	}
	return (uint64_t)rest;
}

static bool wide_fits(const struct wide *w)
{
	struct wide end = wide_of(COEFFICIENT_END);
	return wide_cmp(w, &end) < 0;
}

static u128 wide_low(const struct wide *w)
{
	return (u128)w->limb[1] << LIMB_BITS | w->limb[0];
}

static bool is_128(const struct wide *w)
{
	return (w->limb[2] | w->limb[3] | w->limb[4] | w->limb[5]) == 0;
}

/* round(n / d), half up; long division bit by bit, the rest stays below 2 d < 2^384. */
static struct wide wide_div_round(const struct wide *n, const struct wide *d)
{
	if (is_128(n) && is_128(d)) {
		u128 by = wide_low(d), rest = wide_low(n) % by;
		return wide_of(wide_low(n) / by + (rest >= by - rest));
	}
	struct wide q = {{0}}, rest = {{0}};
	for (size_t bit = LIMBS * LIMB_BITS; bit-- > 0;) {
		wide_push_bit(&rest, n->limb[bit / LIMB_BITS] >> (bit % LIMB_BITS) & 1);
		bool is_one = wide_cmp(&rest, d) >= 0;
		if (is_one)
			wide_sub(&rest, d);
		wide_push_bit(&q, is_one);
	}
	wide_push_bit(&rest, 0);
	if (wide_cmp(&rest, d) >= 0)
		for (size_t i = 0; i < LIMBS && ++q.limb[i] == 0; i++)
			continue;
	return q;
}

struct dec dec_i64(int64_t v)
{
	return (struct dec){v, 0};
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The shape [-]digits[.digits] without needless zeros in front. */
static bool is_shaped(struct str s, size_t point)
{
	if (point == 0 || point + 1 == s.n || (point > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (i != point && !is_digit(s.p[i]))
			return false;
	return true;
}

MUST int dec_parse(struct str s, struct dec *out, struct err *e)
{
	bool is_negative = s.n && s.p[0] == '-';
	struct str body = str_sub(s, is_negative, s.n);
	size_t point = str_find_char(body, '.');
	if (!is_shaped(body, point))
		return err_fail(e, ERR_INVALID, "'%" STR_F "' is not a decimal such as -12.50",
				STR_A(str_sub(s, 0, DEC_TEXT_SIZE)));
	size_t scale = point < body.n ? body.n - point - 1 : 0;
	if (body.n > DEC_DIGITS_MAX + 2 || scale > DEC_SCALE_MAX)
		return too_large(e);
	u128 m = 0;
	for (size_t i = 0; i < body.n; i++)
		if (i != point)
			m = m * 10 + (unsigned)(body.p[i] - '0');
	if (m >= COEFFICIENT_END)
		return too_large(e);
	if (is_negative && m == 0)
		return err_fail(e, ERR_INVALID, "zero has no sign");
	*out = signed_dec(is_negative, m, (uint8_t)scale);
	return 0;
}

void dec_text(struct dec d, char out[static DEC_TEXT_SIZE])
{
	u128 m = magnitude(d);
	char back[DEC_TEXT_SIZE];
	size_t n = 0;
	for (unsigned digits = 0; m || digits <= d.scale; digits++) {
		if (digits == d.scale && digits)
			back[n++] = '.';
		back[n++] = (char)('0' + (int)(m % 10));
		m /= 10;
	}
	if (d.coefficient < 0)
		back[n++] = '-';
	for (size_t i = 0; i < n; i++)
		out[i] = back[n - 1 - i];
	out[n] = 0;
}

void dec_add_text(struct buf *b, struct dec d)
{
	char text[DEC_TEXT_SIZE];
	dec_text(d, text);
	buf_add(b, str_from(text));
}

/* The same value with `scale` (>= its own) decimals; false if it does not fit. */
static bool widen(struct dec a, uint8_t scale, struct dec *out)
{
	u128 m;
	if (__builtin_mul_overflow(magnitude(a), (u128)pow10_of(scale - a.scale), &m) ||
	    m >= COEFFICIENT_END)
		return false;
	*out = signed_dec(a.coefficient < 0, m, scale);
	return true;
}

MUST int dec_add(struct dec a, struct dec b, struct dec *out, struct err *e)
{
	uint8_t scale = MAX_OF(a.scale, b.scale);
	if (!widen(a, scale, &a) || !widen(b, scale, &b))
		return too_large(e);
	__int128 sum = a.coefficient + b.coefficient; /* both below 10^36 < 2^126 */
	u128 m = sum < 0 ? -(u128)sum : (u128)sum;
	if (m >= COEFFICIENT_END)
		return too_large(e);
	*out = (struct dec){sum, scale};
	return 0;
}

MUST int dec_sub(struct dec a, struct dec b, struct dec *out, struct err *e)
{
	return dec_add(a, dec_neg(b), out, e);
}

MUST int dec_mul(struct dec a, struct dec b, struct dec *out, struct err *e)
{
	struct wide w = wide_mul(wide_of(magnitude(a)), magnitude(b));
	unsigned scale = a.scale + b.scale;
	while (scale > DEC_SCALE_MAX || !wide_fits(&w)) {
		if (scale == 0 || wide_div_small(&w, 10) != 0)
			return too_large(e);
		scale--;
	}
	bool is_negative = (a.coefficient < 0) != (b.coefficient < 0);
	*out = signed_dec(is_negative, wide_low(&w), (uint8_t)scale);
	return 0;
}

struct dec dec_neg(struct dec a)
{
	return (struct dec){-a.coefficient, a.scale};
}

static int cmp_i128(__int128 a, __int128 b)
{
	return (a > b) - (a < b);
}

int dec_cmp(struct dec a, struct dec b)
{
	__int128 ten_a = pow10_of(a.scale), ten_b = pow10_of(b.scale);
	int whole = cmp_i128(a.coefficient / ten_a, b.coefficient / ten_b);
	if (whole)
		return whole;
	__int128 rest_a = a.coefficient % ten_a * pow10_of(DEC_SCALE_MAX - a.scale);
	__int128 rest_b = b.coefficient % ten_b * pow10_of(DEC_SCALE_MAX - b.scale);
	return cmp_i128(rest_a, rest_b);
}

int dec_sign(struct dec a)
{
	return cmp_i128(a.coefficient, 0);
}

struct dec dec_trim(struct dec a, uint8_t digits_min)
{
	while (a.scale > digits_min && a.coefficient % 10 == 0) {
		a.coefficient /= 10;
		a.scale--;
	}
	return a;
}

MUST int dec_round(struct dec a, uint8_t digits, struct dec *out, struct err *e)
{
	return dec_mul_ratio(a, dec_i64(1), dec_i64(1), digits, out, e);
}

MUST int dec_mul_ratio(struct dec amount, struct dec part, struct dec whole, uint8_t digits,
		       struct dec *out, struct err *e)
{
	ASSERT(digits <= DEC_SCALE_MAX);
	if (whole.coefficient == 0)
		return err_fail(e, ERR_INVALID, "a share of nothing: division by zero");
	struct wide n = wide_mul(wide_of(magnitude(amount)), magnitude(part));
	struct wide d = wide_of(magnitude(whole));
	/* n / d × 10^-(amount.scale + part.scale - whole.scale), wanted in 10^-digits. */
	n = wide_mul(n, (u128)pow10_of(digits) * pow10_of(whole.scale));
	d = wide_mul(d, (u128)pow10_of(amount.scale) * pow10_of(part.scale));
	struct wide q = wide_div_round(&n, &d);
	if (!wide_fits(&q))
		return too_large(e);
	bool is_negative = (amount.coefficient < 0) != (part.coefficient < 0);
	is_negative = is_negative != (whole.coefficient < 0);
	*out = signed_dec(is_negative, wide_low(&q), digits);
	return 0;
}
