/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tree → text.
 *
 * Written here and not by the library, whose writer needs a tree of its own, prints 0.1 as
 * 0.10000000000000001 and knows no bound; the whole is a page. RFC 8259.
 */
#include <math.h>

#include "json/json.h"
#include "json/json_impl.h"

enum style { COMPACT, PRETTY, CANONICAL };

struct writing {
	struct buf *b;
	enum style style;
};

static void write_escape(unsigned char c, struct buf *b)
{
	switch (c) {
	case '"':
		buf_add(b, S("\\\""));
		break;
	case '\\':
		buf_add(b, S("\\\\"));
		break;
	case '\n':
		buf_add(b, S("\\n"));
		break;
	case '\r':
		buf_add(b, S("\\r"));
		break;
	case '\t':
		buf_add(b, S("\\t"));
		break;
	default:
		buf_addf(b, "\\u%04x", c);
	}
}

void json_write_str(struct str s, struct buf *b)
{
	size_t from = 0;
	buf_add_c(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		buf_add(b, str_of(s.p + from, i - from));
		write_escape(c, b);
		from = i + 1;
	}
	buf_add(b, str_of(s.p + from, s.n - from));
	buf_add_c(b, '"');
}

void json_write_real(double v, struct buf *b)
{
	char text[40];
	/* The program never leaves the "C" locale: the point is a point. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_add(b, str_from(text));
	if (!strpbrk(text, ".e"))
		buf_add(b, S(".0"));
}

static void write_number(const struct json *j, const struct writing *w)
{
	int64_t whole = 0;
	if (j->kind == JSON_IS_INT ||
	    (w->style == CANONICAL && json_real_is_whole(j->real, &whole)))
		buf_addf(w->b, "%lld", (long long)(j->kind == JSON_IS_INT ? j->i64 : whole));
	else
		json_write_real(j->real, w->b);
}

static void new_line(const struct writing *w, int depth)
{
	if (w->style != PRETTY)
		return;
	buf_add_c(w->b, '\n');
	for (int i = 0; i < depth; i++)
		buf_add(w->b, S("  "));
}

static void write_tree(const struct json *j, const struct writing *w, int depth);

static void write_entries(const struct json *j, const struct writing *w, int depth)
{
	bool is_array = j->kind == JSON_IS_ARRAY;
	if (depth >= JSON_DEPTH_MAX) {
		w->b->has_failed = true;
		return;
	}
	buf_add_c(w->b, is_array ? '[' : '{');
	for (size_t i = 0; i < j->n; i++) {
		if (i)
			buf_add_c(w->b, ',');
		new_line(w, depth + 1);
		if (!is_array) {
			json_write_str(j->members[i].key, w->b);
			buf_add(w->b, w->style == PRETTY ? S(": ") : S(":"));
		}
		write_tree(is_array ? j->items[i] : j->members[i].value, w, depth + 1);
	}
	if (j->n)
		new_line(w, depth);
	buf_add_c(w->b, is_array ? ']' : '}');
}

static void write_tree(const struct json *j, const struct writing *w, int depth)
{
	if (w->b->has_failed)
		return;
	if (!j || j->kind == JSON_IS_NULL)
		buf_add(w->b, S("null"));
	else if (j->kind == JSON_IS_BOOL)
		buf_add(w->b, j->boolean ? S("true") : S("false"));
	else if (j->kind == JSON_IS_STR)
		json_write_str(j->str, w->b);
	else if (j->kind == JSON_IS_ARRAY || j->kind == JSON_IS_OBJECT)
		write_entries(j, w, depth);
	else
		write_number(j, w);
}

void json_write(const struct json *j, struct buf *b)
{
	write_tree(j, &(struct writing){b, COMPACT}, 0);
}

void json_write_pretty(const struct json *j, struct buf *b)
{
	write_tree(j, &(struct writing){b, PRETTY}, 0);
}

void json_write_canonical(const struct json *j, struct buf *b)
{
	write_tree(j, &(struct writing){b, CANONICAL}, 0);
}

struct str json_text(const struct json *j, struct arena *a)
{
	/* A text of a tree that fits into one arena: beyond this something else is wrong. */
	struct buf b CLEAN(buf_fini) = BUF_INIT((size_t)64 << 20);
	json_write(j, &b);
	if (b.has_failed) {
		/* More than there is: so that arena_check tells the caller. */
		(void)arena_array(a, SIZE_MAX, 2);
		return S("");
	}
	return arena_dup(a, buf_str(&b));
}
