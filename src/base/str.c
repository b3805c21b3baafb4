/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text by pointer and length, and the growing buffer.
 *
 * Buffers double, so n appends cost O(n) copies; they never pass `max`.
 */
#include "base/str.h"

#include <stdarg.h>

#include "base/mem.h"

struct str str_from(const char *c)
{
	return c ? (struct str){c, strlen(c)} : S("");
}

struct str str_of(const char *p, size_t n)
{
	return (struct str){p, n};
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *c)
{
	return str_eq(a, str_from(c));
}

int str_cmp(struct str a, struct str b)
{
	size_t n = MIN_OF(a.n, b.n);
	int order = n ? memcmp(a.p, b.p, n) : 0;
	return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_of(s.p, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_sub(s, s.n - suffix.n, suffix.n), suffix);
}

size_t str_find_char(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

size_t str_find(struct str s, struct str needle)
{
	const char *hit = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_sub(struct str s, size_t from, size_t n)
{
	from = MIN_OF(from, s.n);
	const char *p = from ? s.p + from : s.p; /* NULL + 0 is undefined in C */
	return (struct str){p, MIN_OF(n, s.n - from)};
}

bool str_split(struct str *rest, char sep, struct str *part)
{
	if (!rest->p)
		return false;
	size_t at = str_find_char(*rest, sep);
	*part = str_of(rest->p, at);
	if (at == rest->n)
		*rest = (struct str){NULL, 0};
	else
		*rest = str_sub(*rest, at + 1, rest->n);
	return true;
}

MUST int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	bool is_negative = s.n && s.p[0] == '-';
	struct str digits = str_sub(s, is_negative, s.n);
	if (!digits.n || digits.n > 19)
		return err_fail(e, ERR_INVALID, "'%" STR_F "' is not an integer", STR_A(s));
	__int128 v = 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return err_fail(e, ERR_INVALID, "'%" STR_F "' is not an integer",
					STR_A(s));
		v = v * 10 + (digits.p[i] - '0');
	}
	if (is_negative)
		v = -v;
	if (v < min || v > max)
		return err_fail(e, ERR_INVALID, "%" STR_F " is not within %lld … %lld",
				STR_A(s), (long long)min, (long long)max);
	*out = (int64_t)v;
	return 0;
}

/* RFC 3629 section 4. */
size_t str_utf8_step(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n = s.n;
	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	bool is_overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
	bool is_surrogate = p[0] == 0xED && p[1] > 0x9F;
	bool is_beyond = p[0] == 0xF4 && p[1] > 0x8F;
	return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

bool str_is_utf8(struct str s)
{
	while (s.n) {
		size_t step = str_utf8_step(s);
		if (!step)
			return false;
		s = str_sub(s, step, s.n);
	}
	return true;
}

void str_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

MUST int str_unhex(struct str s, uint8_t *out, size_t n, struct err *e)
{
	if (s.n != 2 * n)
		return err_fail(e, ERR_INVALID, "%zu hex digits wanted, %zu found", 2 * n, s.n);
	for (size_t i = 0; i < s.n; i++)
		if (hex_value(s.p[i]) < 0)
			return err_fail(e, ERR_INVALID, "not a hex digit at %zu", i);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_value(s.p[2 * i]) << 4 | hex_value(s.p[2 * i + 1]));
	return 0;
}

void buf_fini(struct buf *b)
{
	mem_free(b->p);
	*b = (struct buf){.max = b->max};
}

/* Makes room for `more` bytes and a NUL; false and sticky if that is beyond max or memory. */
static bool buf_reserve(struct buf *b, size_t more)
{
	if (b->has_failed)
		return false;
	if (more > b->max || b->n > b->max - more) {
		b->has_failed = true;
		return false;
	}
	size_t need = b->n + more + 1;
	if (need <= b->cap)
		return true;
	size_t cap = MAX_OF(need, MIN_OF(MAX_OF(b->cap * 2, (size_t)64), b->max));
	struct err ignored;
	char *grown = mem_grow(b->p, cap, 1, &ignored);
	if (!grown) {
		b->has_failed = b->was_memory = true;
		return false;
	}
	b->p = grown;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, struct str s)
{
	if (!buf_reserve(b, s.n))
		return;
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = 0;
}

void buf_add_c(struct buf *b, char c)
{
	buf_add(b, str_of(&c, 1));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	if (n >= 0 && buf_reserve(b, (size_t)n)) {
		(void)vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
		b->n += (size_t)n;
	}
	va_end(again);
	va_end(args);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->has_failed = b->was_memory = false;
	if (b->p)
		b->p[0] = 0;
}

struct str buf_str(const struct buf *b)
{
	return b->p ? str_of(b->p, b->n) : S("");
}

MUST int buf_check(const struct buf *b, struct err *e)
{
	if (!b->has_failed)
		return 0;
	if (b->was_memory)
		return err_fail(e, ERR_MEMORY, "out of memory for a text of %zu bytes", b->n);
	return err_fail(e, ERR_TOO_LARGE, "text does not fit into %zu bytes", b->max);
}
