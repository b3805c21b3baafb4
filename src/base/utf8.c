/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Columns of characters: two sorted tables of ranges. */
#include "base/utf8.h"

struct range {
	uint32_t first, last;
};

/* clang-format off */
/* Combining marks, joiners, variation selectors. */
static const struct range none[] = {
	{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x05BF, 0x05BF}, {0x05C1, 0x05C2},
	{0x05C4, 0x05C5}, {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06DC},
	{0x06DF, 0x06E4}, {0x06E7, 0x06E8}, {0x06EA, 0x06ED}, {0x0900, 0x0902}, {0x093C, 0x093C},
	{0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},
	{0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D}, {0x2060, 0x2064}, {0x20D0, 0x20FF},
	{0x302A, 0x302D}, {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
	{0x1F3FB, 0x1F3FF}, {0xE0100, 0xE01EF},
};

static const struct range two[] = {
	{0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0x4DBF}, {0x4E00, 0xA4CF}, {0xA960, 0xA97F},
	{0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6},
	{0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};

static const struct range controls[] = {
	{0x0000, 0x001F}, {0x007F, 0x009F}, {0x061C, 0x061C}, {0x200E, 0x200F}, {0x2028, 0x202E},
	{0x2066, 0x2069},
};
/* clang-format on */

static bool is_in(uint32_t code, const struct range *table, size_t count)
{
	for (size_t i = 0; i < count && code >= table[i].first; i++)
		if (code <= table[i].last)
			return true;
	return false;
}

static uint32_t code_of(struct str bytes)
{
	static const uint8_t lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t code = (uint8_t)bytes.p[0] & lead_mask[bytes.n];
	for (size_t i = 1; i < bytes.n; i++)
		code = code << 6 | ((uint8_t)bytes.p[i] & 0x3F);
	return code;
}

bool utf8_next(struct str *rest, struct utf8_char *out)
{
	if (!rest->n)
		return false;
	size_t step = str_utf8_step(*rest);
	out->bytes = str_sub(*rest, 0, step ? step : 1);
	out->code = step ? code_of(out->bytes) : 0xFFFD;
	out->is_control = is_in(out->code, controls, ARRAY_LEN(controls));
	out->columns = 1;
	if (is_in(out->code, none, ARRAY_LEN(none)))
		out->columns = 0;
	else if (is_in(out->code, two, ARRAY_LEN(two)))
		out->columns = 2;
	*rest = str_sub(*rest, out->bytes.n, rest->n);
	return true;
}

size_t utf8_columns(struct str s)
{
	size_t columns = 0;
	struct utf8_char c;
	while (utf8_next(&s, &c))
		columns += c.columns;
	return columns;
}

void utf8_add_line(struct buf *b, struct str s)
{
	struct utf8_char c;
	while (utf8_next(&s, &c)) {
		if (c.is_control)
			buf_add_c(b, ' ');
		else
			buf_add(b, c.code == 0xFFFD ? S("\xEF\xBF\xBD") : c.bytes);
	}
}
