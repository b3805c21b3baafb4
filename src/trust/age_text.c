/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * base64 (RFC 4648 section 4) and the armour around it (RFC 7468, strict: all lines but the last
 * have 64 characters). Only one text stands for the same bytes: rest bits are zero. What may
 * differ is what mail and shells do to texts: CR before LF, no last LF.
 */
#include "trust/age_impl.h"

#define HEAD "-----BEGIN AGE ENCRYPTED FILE-----"
#define FOOT "-----END AGE ENCRYPTED FILE-----"

enum { LINE_CHARS = 64, LINE_BYTES = 48 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool age_base64_read(struct str text, bool is_padded, uint8_t *out, size_t *n)
{
	if (is_padded && text.n % 4)
		return false;
	for (int i = 0; is_padded && i < 2 && text.n && text.p[text.n - 1] == '='; i++)
		text.n--;
	size_t bytes = text.n / 4 * 3 + (text.n % 4 ? text.n % 4 - 1 : 0), at = 0;
	if (text.n % 4 == 1 || bytes > *n)
		return false;
	uint32_t bits = 0;
	unsigned have = 0;
	for (size_t i = 0; i < text.n; i++) {
		int d = digit(text.p[i]);
		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[at++] = (uint8_t)(bits >> have);
		}
	}
	*n = at;
	return (bits & ((1U << have) - 1)) == 0;
}

void age_base64_add(struct buf *b, const uint8_t *bytes, size_t n, bool is_padded)
{
	for (size_t i = 0; i < n; i += 3) {
		size_t left = MIN_OF(n - i, (size_t)3);
		uint32_t bits = (uint32_t)bytes[i] << 16;
		if (left > 1)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			bits |= bytes[i + 2];
		char four[4] = {'=', '=', '=', '='};
		for (size_t j = 0; j <= left; j++)
			four[j] = digits[bits >> (18 - 6 * j) & 63];
		buf_add(b, str_of(four, is_padded ? 4 : left + 1));
	}
}

bool age_is_sealed(struct str text)
{
	return str_starts(text, S(HEAD)) && text.n > sizeof HEAD - 1 &&
	       (text.p[sizeof HEAD - 1] == '\n' || text.p[sizeof HEAD - 1] == '\r');
}

MUST int age_armour(struct str bytes, struct arena *a, struct str *out, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(AGE_TEXT_MAX);
	const uint8_t *p = (const uint8_t *)bytes.p;
	buf_add(&b, S(HEAD "\n"));
	for (size_t at = 0; at < bytes.n; at += LINE_BYTES) {
		age_base64_add(&b, p + at, MIN_OF(bytes.n - at, (size_t)LINE_BYTES), true);
		buf_add_c(&b, '\n');
	}
	buf_add(&b, S(FOOT "\n"));
	if (buf_check(&b, e) < 0)
		return -1;
	*out = arena_dup(a, buf_str(&b));
	return arena_check(a, e);
}

/* Takes a line off *rest, without LF or CR LF; false at the end. */
static bool take_line(struct str *rest, struct str *line)
{
	if (rest->n == 0 || !str_split(rest, '\n', line))
		return false;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static int bad_armour(struct err *e)
{
	return err_fail(e, ERR_CORRUPT, "the sealed text's armour is changed or cut");
}

/* Is that a line of the middle? *is_last: nothing but the foot may come after it. */
static bool read_line(struct str line, uint8_t *out, size_t *n, bool *is_last)
{
	*n = LINE_BYTES;
	if (*is_last || line.n == 0 || line.n > LINE_CHARS ||
	    !age_base64_read(line, true, out, n))
		return false;
	*is_last = *n < LINE_BYTES;
	return true;
}

MUST int age_armour_off(struct str text, struct arena *a, struct str *out, struct err *e)
{
	struct str rest = text, line;
	uint8_t *bytes = arena_alloc(a, text.n / 4 * 3 + 3);
	if (!bytes)
		return arena_check(a, e);
	bool is_last = false;
	size_t at = 0, n;
	if (!take_line(&rest, &line) || !str_is(line, HEAD))
		return bad_armour(e);
	for (;; at += n) {
		if (!take_line(&rest, &line))
			return bad_armour(e);
		if (str_is(line, FOOT))
			break;
		if (!read_line(line, bytes + at, &n, &is_last))
			return bad_armour(e);
	}
	if (rest.n)
		return bad_armour(e);
	*out = str_of((const char *)bytes, at);
	return 0;
}
