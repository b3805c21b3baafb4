/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading and writing request targets.
 *
 * The raw text is copied once into the arena; parts without a '%' (and '+' in a query) are
 * spans of that copy, the others are decoded into memory of their own. Decoding happens once:
 * what comes out is never decoded again.
 */
#include "http/target.h"

#include <inttypes.h>

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

/* Decodes `raw` into `to`, which has raw.n bytes; the length, or -1 if a code is broken. */
static ssize_t decode_into(struct str raw, bool is_query, char *to)
{
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];
		if (c == '%') {
			int high = i + 2 < raw.n ? hex_value(raw.p[i + 1]) : -1;
			int low = high >= 0 ? hex_value(raw.p[i + 2]) : -1;
			if (low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && is_query) {
			c = ' ';
		}
		to[n++] = c;
	}
	return (ssize_t)n;
}

MUST int http_decode(struct str raw, bool is_query, struct arena *a, struct str *out,
		     struct err *e)
{
	struct str got = raw;
	bool is_coded = str_find_char(raw, '%') < raw.n ||
			(is_query && str_find_char(raw, '+') < raw.n);
	if (is_coded) {
		char *to = arena_alloc(a, raw.n + 1);
		ssize_t n = to ? decode_into(raw, is_query, to) : 0;
		if (!to)
			return arena_check(a, e);
		if (n < 0)
			return err_fail(e, ERR_INVALID,
					"a '%%' is not followed by two hex digits");
		got = str_of(to, (size_t)n);
	}
	if (!str_is_utf8(got))
		return err_fail(e, ERR_INVALID, "the bytes are not UTF-8");
	*out = got;
	return 0;
}

/* Failures of decoding are told with the part of the target they are in. */
static int in_part(const char *part, struct err *e)
{
	struct err inner = *e;
	return inner.kind == ERR_INVALID ? err_field(e, part, "%s", inner.text) : -1;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static int read_segment(struct str raw, struct arena *a, struct str *out, struct err *e)
{
	struct str s;
	if (http_decode(raw, false, a, &s, e) < 0)
		return in_part("path", e);
	if (has_control(s))
		return err_field(e, "path", "holds a control character");
	if (str_is(s, ".") || str_is(s, ".."))
		return err_field(e, "path", "holds a segment \".\" or \"..\"");
	*out = s;
	return 0;
}

static int read_path(struct http_target *t, struct arena *a, struct err *e)
{
	if (!str_starts(t->path, S("/")))
		return err_field(e, "path", "does not begin with '/'");
	struct str rest = str_sub(t->path, 1, t->path.n), raw;
	while (rest.n > 0 || t->segment_count > 0) {
		if (!str_split(&rest, '/', &raw))
			break;
		if (t->segment_count == HTTP_SEGMENTS_MAX)
			return err_field(e, "path", "has more than %d segments",
					 HTTP_SEGMENTS_MAX);
		if (read_segment(raw, a, &t->segments[t->segment_count], e) < 0)
			return -1;
		t->segment_count++;
	}
	return 0;
}

static int read_param(struct str raw, struct arena *a, struct http_param *out, struct err *e)
{
	size_t equals = str_find_char(raw, '=');
	if (http_decode(str_sub(raw, 0, equals), true, a, &out->name, e) < 0 ||
	    http_decode(str_sub(raw, equals + 1, raw.n), true, a, &out->value, e) < 0)
		return in_part("query", e);
	if (str_find_char(out->name, '\0') < out->name.n ||
	    str_find_char(out->value, '\0') < out->value.n)
		return err_field(e, "query", "holds a NUL character");
	return 0;
}

static size_t count_params(struct str raw)
{
	size_t n = 0;
	struct str part;
	while (str_split(&raw, '&', &part))
		n += part.n > 0;
	return n;
}

static int read_query(struct str raw, struct http_target *t, struct arena *a, struct err *e)
{
	size_t n = count_params(raw);
	if (n > HTTP_QUERY_MAX)
		return err_field(e, "query", "has more than %d parameters", HTTP_QUERY_MAX);
	t->query = ARENA_ARRAY(a, struct http_param, n);
	if (!t->query)
		return arena_check(a, e);
	struct str part;
	while (str_split(&raw, '&', &part)) {
		if (part.n == 0)
			continue;
		if (read_param(part, a, &t->query[t->query_count], e) < 0)
			return -1;
		t->query_count++;
	}
	return 0;
}

/* Takes "http://host" off the absolute form. */
static struct str without_authority(struct str raw)
{
	static const struct str schemes[] = {S_INIT("http://"), S_INIT("https://")};
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!str_starts(raw, schemes[i]))
			continue;
		struct str rest = str_sub(raw, schemes[i].n, raw.n);
		size_t slash = str_find_char(rest, '/');
		return slash < rest.n ? str_sub(rest, slash, rest.n) : S("/");
	}
	return raw;
}

MUST int http_target_read(struct str raw, struct arena *a, struct http_target *out,
			  struct err *e)
{
	struct str own = arena_dup(a, without_authority(raw));
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < own.n; i++)
		if ((unsigned char)own.p[i] <= ' ')
			return err_field(e, "path", "holds a space or a control character");
	/* A fragment never travels; who sends one did not mean a path of ours. */
	if (str_find_char(own, '#') < own.n)
		return err_field(e, "path", "holds a '#'");
	size_t mark = str_find_char(own, '?');
	struct http_target t = {.raw = own, .path = str_sub(own, 0, mark)};
	if (read_path(&t, a, e) < 0)
		return -1;
	if (mark < own.n && read_query(str_sub(own, mark + 1, own.n), &t, a, e) < 0)
		return -1;
	*out = t;
	return 0;
}

const struct http_param *http_target_param(const struct http_target *t, const char *name)
{
	for (size_t i = 0; i < t->query_count; i++)
		if (str_is(t->query[i].name, name))
			return &t->query[i];
	return NULL;
}

/* RFC 3986 section 2.3. */
static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void http_encode_add(struct buf *b, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		if (is_unreserved(s.p[i])) {
			buf_add_c(b, s.p[i]);
			continue;
		}
		unsigned char c = (unsigned char)s.p[i];
		char code[] = {'%', digits[c >> 4], digits[c & 15]};
		buf_add(b, str_of(code, sizeof code));
	}
}

void http_query_add(struct buf *b, const char *name, struct str value)
{
	struct str so_far = buf_str(b);
	buf_add_c(b, str_find_char(so_far, '?') < so_far.n ? '&' : '?');
	http_encode_add(b, str_from(name));
	buf_add_c(b, '=');
	http_encode_add(b, value);
}

void http_query_add_i64(struct buf *b, const char *name, int64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%" PRId64, value);
	http_query_add(b, name, str_of(digits, (size_t)n));
}
