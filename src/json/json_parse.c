/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text → tree, by libjansson: the only file that opens it.
 *
 * A strange text must not make the library take more than the caller's arena allows, and the
 * library neither bounds its memory nor lets us choose its depth. So a scan goes first that
 * knows only strings, brackets and commas: it refuses what is too deep, and counts the values,
 * whose nodes are taken from the arena before the library starts. What the library holds for a
 * moment is then a small multiple (at most about eight) of what the arena gave.
 *
 * Its allocations go through base/mem.h, so that fault tests reach them.
 */
#include <jansson.h>
#include <threads.h>

#include "base/mem.h"
#include "json/json.h"

struct scan {
	size_t values;	/* at least as many as the text has, if it is valid */
	size_t longest; /* no token has more bytes */
	size_t depth, line, column;
};

/* Steps behind the string that begins at i (its quote); stays in bounds on any input. */
static size_t skip_string(struct str text, size_t i, struct scan *s)
{
	for (i++, s->column++; i < text.n && text.p[i] != '"'; i++, s->column++) {
		if (text.p[i] == '\\') {
			i++;
			s->column++;
		}
	}
	return i;
}

/* A separator at i ends the token that began behind the one before it. */
static void end_token(struct scan *s, size_t i, size_t *begin)
{
	s->longest = MAX_OF(s->longest, i - *begin);
	*begin = i;
}

/* False at the bracket that goes too deep; line and column are its place then. */
static bool scan_text(struct str text, struct scan *s)
{
	size_t begin = 0;
	*s = (struct scan){.values = 1, .line = 1};
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		s->column++;
		if (c == '\n') {
			s->line++;
			s->column = 0;
		} else if (c == '"') {
			i = skip_string(text, i, s);
		} else if (c == ',') {
			s->values++;
			end_token(s, i, &begin);
		} else if (c == '[' || c == '{') {
			s->values++;
			end_token(s, i, &begin);
			if (++s->depth > JSON_DEPTH_MAX)
				return false;
		} else if (c == ']' || c == '}') {
			s->depth -= s->depth > 0;
			end_token(s, i, &begin);
		}
	}
	end_token(s, text.n, &begin);
	return true;
}

struct conversion {
	struct arena *a;
	struct json *nodes; /* taken one after another */
	size_t left;
};

static struct json *convert(struct conversion *c, json_t *from);

static struct str own_text(struct conversion *c, const char *p, size_t n)
{
	char *own = arena_alloc(c->a, n + 1);
	if (own && n)
		memcpy(own, p, n);
	return str_of(own, n);
}

static bool convert_items(struct conversion *c, json_t *from, struct json *to)
{
	to->n = to->cap = json_array_size(from);
	to->items = ARENA_ARRAY(c->a, struct json *, to->n);
	if (!to->items)
		return false;
	for (size_t i = 0; i < to->n; i++) {
		to->items[i] = convert(c, json_array_get(from, i));
		if (!to->items[i])
			return false;
	}
	return true;
}

static int by_key(const void *x, const void *y)
{
	const struct json_member *left = x, *right = y;
	return str_cmp(left->key, right->key);
}

static bool convert_members(struct conversion *c, json_t *from, struct json *to)
{
	to->cap = json_object_size(from);
	to->members = ARENA_ARRAY(c->a, struct json_member, to->cap);
	if (!to->members)
		return false;
	for (void *at = json_object_iter(from); at; at = json_object_iter_next(from, at)) {
		const char *key = json_object_iter_key(at);
		struct json_member *m = &to->members[to->n++];
		m->key = own_text(c, key, json_object_iter_key_len(at));
		m->value = m->key.p ? convert(c, json_object_iter_value(at)) : NULL;
		if (!m->value)
			return false;
	}
	if (to->n > 1)
		qsort(to->members, to->n, sizeof(*to->members), by_key);
	return true;
}

static bool fill(struct conversion *c, json_t *from, struct json *to)
{
	switch (json_typeof(from)) {
	case JSON_OBJECT:
		to->kind = JSON_IS_OBJECT;
		return convert_members(c, from, to);
	case JSON_ARRAY:
		to->kind = JSON_IS_ARRAY;
		return convert_items(c, from, to);
	case JSON_STRING:
		to->kind = JSON_IS_STR;
		to->str = own_text(c, json_string_value(from), json_string_length(from));
		return to->str.p != NULL;
	case JSON_INTEGER:
		to->kind = JSON_IS_INT;
		to->i64 = json_integer_value(from);
		return true;
	case JSON_REAL:
		to->kind = JSON_IS_REAL;
		to->real = json_real_value(from);
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		to->kind = JSON_IS_BOOL;
		to->boolean = json_is_true(from);
		return true;
	case JSON_NULL:
	default:
		to->kind = JSON_IS_NULL;
		return true;
	}
}

/* Recursion is bounded by the scan: JSON_DEPTH_MAX. */
static struct json *convert(struct conversion *c, json_t *from)
{
	ASSERT(c->left > 0);
	c->left--;
	struct json *to = c->nodes++;
	return fill(c, from, to) ? to : NULL;
}

/*
 * At places the library takes a failed allocation for bad syntax. Where the text of a token has
 * to grow it does not look at all: it loses a character and goes on, and if that was the one
 * behind a backslash, it asserts. So growth never fails: it is told by its size (a power of two)
 * and served from a reserve that was there before the library began, once memory has run out.
 * The allocator has no user pointer; all this belongs to the thread, for the time of one text.
 */
enum { GROWTH_MIN = 32, RESERVE_SMALL = 512 };

static _Thread_local struct {
	bool has_run_out;
	char *p;
	size_t n, used;
} reserve;

static bool is_growth(size_t n)
{
	return n >= GROWTH_MIN && (n & (n - 1)) == 0;
}

static void *library_alloc(size_t n)
{
	struct err ignored;
	void *p = mem_new(n, &ignored);
	if (p)
		return p;
	reserve.has_run_out = true;
	if (!is_growth(n) || n > reserve.n - reserve.used)
		return NULL;
	p = reserve.p + reserve.used;
	reserve.used += n;
	return p;
}

static void library_free(void *p)
{
	uintptr_t at = (uintptr_t)p, begin = (uintptr_t)reserve.p;
	if (at < begin || at >= begin + reserve.n)
		mem_free(p);
}

/* The library quotes the input in its messages; what could disturb a terminal becomes "?". */
static int fail_parse(const json_error_t *from, struct err *e)
{
	char text[sizeof from->text];
	size_t n = 0;
	for (; n < sizeof text - 1 && from->text[n]; n++)
		text[n] = (unsigned char)from->text[n] < ' ' ? '?' : from->text[n];
	if (!str_is_utf8(str_of(text, n)))
		n = 0;
	return err_fail(e, ERR_INVALID, "not valid JSON at line %d, column %d: %.*s",
			from->line, from->column, n ? (int)n : 15,
			n ? text : "malformed token");
}

static void set_allocator(void)
{
	json_set_alloc_funcs(library_alloc, library_free);
}

/* The text by the library, with `n` bytes at `room` as its reserve. */
static int load(struct str text, size_t flags, char *room, size_t n, struct conversion *c,
		struct json **out, struct err *e)
{
	json_error_t why = {0};
	reserve.has_run_out = false;
	reserve.p = room;
	reserve.n = n;
	reserve.used = 0;
	json_t *tree = json_loadb(text.n ? text.p : "", text.n,
				  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &why);
	int rc = 0;
	if (reserve.has_run_out)
		rc = err_fail(e, ERR_MEMORY, "out of memory while reading JSON");
	else if (!tree)
		rc = fail_parse(&why, e);
	else
		*out = convert(c, tree);
	json_decref(tree);
	reserve.p = NULL;
	reserve.n = 0;
	return rc;
}

static int parse(struct str text, size_t flags, struct arena *a, struct json **out,
		 struct err *e)
{
	/* The one place where the library learns its allocator, before its first use. */
	static once_flag once = ONCE_FLAG_INIT;
	call_once(&once, set_allocator);
	struct scan s;
	if (!scan_text(text, &s))
		return err_fail(
			e, ERR_INVALID,
			"not valid JSON at line %zu, column %zu: nested deeper than %d levels",
			s.line, s.column, JSON_DEPTH_MAX);
	struct conversion c = {a, ARENA_ARRAY(a, struct json, s.values), s.values};
	if (arena_check(a, e) < 0)
		return -1;
	/* Growing doubles, up to the first power of two above the token: all of it together. */
	char small[RESERVE_SMALL], *room = small;
	size_t n = 4 * (s.longest + GROWTH_MIN);
	if (n > sizeof small && !(room = mem_new(n, e)))
		return -1;
	struct json *made = NULL;
	int rc = load(text, flags, room, n, &c, &made, e);
	if (room != small)
		mem_free(room);
	if (rc < 0 || !made)
		return rc < 0 ? -1 : arena_check(a, e);
	*out = made;
	return 0;
}

MUST int json_parse(struct str text, struct arena *a, struct json **out, struct err *e)
{
	return parse(text, 0, a, out, e);
}

MUST int json_parse_nul(struct str text, struct arena *a, struct json **out, struct err *e)
{
	return parse(text, JSON_ALLOW_NUL, a, out, e);
}
