/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * URI references and JSON pointers.
 *
 *     scheme ":" [ "//" authority ] path [ "?" query ] [ "#" fragment ]      RFC 3986
 */
#include "json/schema_impl.h"

struct uri {
	struct str scheme, authority, path, query, fragment;
	bool has_scheme, has_authority, has_query;
};

static bool is_scheme_char(char c, bool is_first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return !is_first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.');
}

static size_t scheme_length(struct str s)
{
	size_t n = 0;
	while (n < s.n && is_scheme_char(s.p[n], n == 0))
		n++;
	return n && n < s.n && s.p[n] == ':' ? n : 0;
}

static struct uri split(struct str s)
{
	struct uri u = {0};
	size_t at = str_find_char(s, '#');
	u.fragment = str_sub(s, at + 1, s.n);
	s = str_sub(s, 0, at);
	at = str_find_char(s, '?');
	u.has_query = at < s.n;
	u.query = str_sub(s, at + 1, s.n);
	s = str_sub(s, 0, at);
	size_t n = scheme_length(s);
	if (n) {
		u.has_scheme = true;
		u.scheme = str_sub(s, 0, n);
		s = str_sub(s, n + 1, s.n);
	}
	if (str_starts(s, S("//"))) {
		u.has_authority = true;
		s = str_sub(s, 2, s.n);
		at = str_find_char(s, '/');
		u.authority = str_sub(s, 0, at);
		s = str_sub(s, at, s.n);
	}
	u.path = s;
	return u;
}

/* RFC 3986 section 5.2.4, segment by segment; `out` has room for path.n + 1 bytes. */
static struct str remove_dots(struct str path, char *out)
{
	size_t n = 0;
	bool is_rooted = str_starts(path, S("/")), ends_in_dot = false;
	struct str rest = str_sub(path, is_rooted, path.n), part;
	while (str_split(&rest, '/', &part)) {
		ends_in_dot = str_is(part, ".") || str_is(part, "..");
		if (str_is(part, "..")) {
			while (n && out[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (!str_is(part, ".")) {
			if (n || is_rooted)
				out[n++] = '/';
			memcpy(out + n, part.p, part.n);
			n += part.n;
		}
	}
	if (ends_in_dot)
		out[n++] = '/';
	return str_of(out, n);
}

static struct str merge_paths(struct arena *a, const struct uri *base, struct str path)
{
	if (base->has_authority && !base->path.n)
		return arena_fmt(a, "/%" STR_F, STR_A(path));
	size_t n = base->path.n;
	while (n && base->path.p[n - 1] != '/')
		n--;
	return arena_fmt(a, "%" STR_F "%" STR_F, (int)n, base->path.p, STR_A(path));
}

static struct uri against(struct arena *a, const struct uri *base, struct uri u)
{
	if (u.has_scheme)
		return u;
	u.has_scheme = base->has_scheme;
	u.scheme = base->scheme;
	if (u.has_authority)
		return u;
	u.has_authority = base->has_authority;
	u.authority = base->authority;
	if (!u.path.n) {
		u.path = base->path;
		if (!u.has_query) {
			u.has_query = base->has_query;
			u.query = base->query;
		}
	} else if (u.path.p[0] != '/') {
		u.path = merge_paths(a, base, u.path);
	}
	return u;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
	return at ? (int)(at - digits) : -1;
}

static struct str percent_decode(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!out)
		return S("");
	for (size_t i = 0; i < s.n; i++) {
		int high = s.p[i] == '%' && i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
		if (low >= 0) {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	return str_of(out, n);
}

struct str schema_uri_resolve(struct arena *a, struct str base, struct str ref,
			      struct str *fragment)
{
	struct uri from = split(base), u = split(ref);
	bool is_relative = !u.has_scheme;
	*fragment = percent_decode(a, u.fragment);
	u = against(a, &from, u);
	char *room = arena_alloc(a, u.path.n + 2);
	if (!room)
		return S("");
	bool is_hierarchic = u.has_authority || str_starts(u.path, S("/"));
	struct str path = is_hierarchic || is_relative ? remove_dots(u.path, room) : u.path;
	return arena_fmt(a, "%" STR_F "%s%s%" STR_F "%" STR_F "%s%" STR_F, STR_A(u.scheme),
			 u.has_scheme ? ":" : "", u.has_authority ? "//" : "",
			 STR_A(u.authority), STR_A(path), u.has_query ? "?" : "",
			 STR_A(u.query));
}

bool schema_pointer_next(struct arena *a, struct str *pointer, struct str *token)
{
	if (!pointer->n)
		return false;
	struct str rest = str_sub(*pointer, 1, pointer->n);
	size_t at = str_find_char(rest, '/'), n = 0;
	*pointer = str_sub(rest, at, rest.n);
	char *out = arena_alloc(a, at + 1);
	for (size_t i = 0; out && i < at; i++) {
		bool is_escape = rest.p[i] == '~' && i + 1 < at;
		if (is_escape && rest.p[i + 1] == '0')
			out[n++] = '~';
		else if (is_escape && rest.p[i + 1] == '1')
			out[n++] = '/';
		else
			out[n++] = rest.p[i];
		i += is_escape && (rest.p[i + 1] == '0' || rest.p[i + 1] == '1');
	}
	*token = str_of(out ? out : "", n);
	return out != NULL;
}
