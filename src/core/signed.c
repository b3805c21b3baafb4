/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Both texts are lists of lines: one function joins them, one takes headers apart. */
#include "core/signed.h"

enum { LINES_MAX = 9, KEY_DIGITS = 64, NUMBER_MAX = 24 };

MUST static int add_lines(const struct str *lines, size_t count, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < lines[i].n; k++)
			if ((unsigned char)lines[i].p[k] < 0x20)
				return err_fail(e, ERR_INVALID,
						"a signed text has no control characters");
		buf_add(out, lines[i]);
		buf_add_c(out, '\n');
	}
	return buf_check(out, e);
}

static struct str number(int64_t n, char text[static NUMBER_MAX])
{
	int used = snprintf(text, NUMBER_MAX, "%lld", (long long)n);
	return str_of(text, (size_t)used);
}

MUST int signed_state_text(const struct signed_state *s, struct buf *out, struct err *e)
{
	char status[NUMBER_MAX], sequence[NUMBER_MAX], at[NUMBER_MAX];
	const struct str lines[LINES_MAX] = {
		S("hoc-state-v1"),
		s->node,
		s->method,
		s->target,
		s->nonce,
		number(s->status, status),
		number(s->sequence, sequence),
		number(s->at_ms, at),
		s->body_hash,
	};
	return add_lines(lines, LINES_MAX, out, e);
}

MUST int signed_report_text(const struct signed_report *r, struct buf *out, struct err *e)
{
	char sequence[NUMBER_MAX], at[NUMBER_MAX];
	const struct str lines[] = {
		S("hoc-report-v1"),
		r->node,
		r->method,
		r->target,
		number(r->sequence, sequence),
		number(r->at_ms, at),
		r->body_hash,
	};
	return add_lines(lines, ARRAY_LEN(lines), out, e);
}

void signed_state_header(const struct signed_mark *m, struct buf *out)
{
	buf_addf(out, "v1;%lld;%lld;%" STR_F ";%" STR_F, (long long)m->sequence,
		 (long long)m->at_ms, STR_A(m->key), STR_A(m->signature));
}

void signed_report_header(const struct signed_mark *m, struct buf *out)
{
	buf_addf(out, "v1;%lld;%lld;%" STR_F, (long long)m->sequence, (long long)m->at_ms,
		 STR_A(m->signature));
}

static bool is_key(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return s.n == KEY_DIGITS;
}

static bool is_base64url(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		      (c >= 'A' && c <= 'Z') || c == '-' || c == '_'))
			return false;
	}
	return s.n > 0;
}

/* The parts of a header, `with_key` or not. */
MUST static int read_mark(struct str header, const char *name, bool with_key,
			  struct signed_mark *out, struct err *e)
{
	struct str part[5] = {{0}}, rest = header, p;
	size_t n = 0, wanted = with_key ? 5 : 4;
	struct signed_mark m = {.key = S("")};
	struct err why;
	if (!header.n)
		return err_fail(e, ERR_INVALID, "header %s is missing", name);
	if (header.n > SIGNED_HEADER_MAX)
		return err_fail(e, ERR_INVALID, "header %s is too long", name);
	for (; str_split(&rest, ';', &p); n++)
		if (n < wanted)
			part[n] = p;
	if (n != wanted || !str_is(part[0], "v1"))
		return err_fail(e, ERR_INVALID, "header %s is not of version 1", name);
	if (str_to_i64(part[1], 0, INT64_MAX, &m.sequence, &why) < 0 ||
	    str_to_i64(part[2], 0, INT64_MAX, &m.at_ms, &why) < 0)
		return err_fail(e, ERR_INVALID, "header %s: sequence or moment: %s", name,
				why.text);
	if (with_key)
		m.key = part[3];
	m.signature = part[wanted - 1];
	if ((with_key && !is_key(m.key)) || !is_base64url(m.signature))
		return err_fail(e, ERR_INVALID,
				"header %s: its key or signature is no such text", name);
	*out = m;
	return 0;
}

MUST int signed_state_read(struct str header, struct signed_mark *out, struct err *e)
{
	return read_mark(header, SIGNED_STATE_HEADER, true, out, e);
}

MUST int signed_report_read(struct str header, struct signed_mark *out, struct err *e)
{
	return read_mark(header, SIGNED_REPORT_HEADER, false, out, e);
}
