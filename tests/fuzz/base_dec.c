/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: base */
/*
 * Decimals of strangers. A text that is taken prints as it was, to the byte; what arithmetic
 * says of two of them holds both ways round. Two operands are separated by a space.
 */
#include "base/dec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool read_one(struct str s, struct dec *out)
{
	struct err e = ERR_INIT;
	if (dec_parse(s, out, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_TOO_LARGE);
		ASSERT(e.text[0] && str_is_utf8(str_from(e.text)));
		return false;
	}
	char text[DEC_TEXT_SIZE];
	dec_text(*out, text);
	ASSERT(str_is(s, text));
	return true;
}

static void rounding(struct dec a)
{
	struct err e = ERR_INIT;
	for (uint8_t digits = 0; digits <= DEC_SCALE_MAX; digits++) {
		struct dec up, down;
		int rc = dec_round(a, digits, &up, &e);
		ASSERT(dec_round(dec_neg(a), digits, &down, &e) == rc);
		ASSERT(rc < 0 || (up.scale == digits && dec_cmp(up, dec_neg(down)) == 0));
		ASSERT(rc < 0 || digits < a.scale || dec_cmp(up, a) == 0);
	}
	ASSERT(dec_cmp(dec_trim(a, 0), a) == 0);
}

static void pairs(struct dec a, struct dec b)
{
	struct err e = ERR_INIT;
	struct dec one, two;
	ASSERT(dec_cmp(a, b) == -dec_cmp(b, a));
	if (dec_add(a, b, &one, &e) == 0) {
		ASSERT(dec_sub(one, b, &two, &e) == 0 && dec_cmp(two, a) == 0);
		ASSERT(dec_sign(b) == 0 || dec_cmp(one, a) == dec_sign(b));
	}
	if (dec_mul(a, b, &one, &e) == 0) {
		ASSERT(dec_sign(one) == dec_sign(a) * dec_sign(b));
		/* The product shared back is the factor. */
		if (dec_sign(b) && dec_mul_ratio(one, dec_i64(1), b, a.scale, &two, &e) == 0)
			ASSERT(dec_cmp(two, a) == 0);
	}
	if (dec_sign(b) == 0)
		ASSERT(dec_mul_ratio(a, a, b, 2, &one, &e) < 0 && e.kind == ERR_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest = str_of(n ? (const char *)data : "", n), first = S(""), second;
	struct dec a, b;
	(void)str_split(&rest, ' ', &first);
	if (!read_one(first, &a))
		return 0;
	rounding(a);
	if (str_split(&rest, ' ', &second) && read_one(second, &b))
		pairs(a, b);
	return 0;
}
