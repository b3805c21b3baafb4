/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keywords that judge a value by itself: JSON Schema validation, section 6.
 */
#include <math.h>

#include "json/schema_impl.h"

enum { SHOWN_BYTES = 200, UNIQUE_MAX = 20000 };

/* A value of the schema as it stands in a sentence, cut if long; "" where nobody listens. */
static const char *shown(const struct eval *ev, const struct json *j, char out[SHOWN_BYTES])
{
	if (ev->quiet)
		return "";
	struct buf b CLEAN(buf_fini) = BUF_INIT(1 << 16);
	json_write(j, &b);
	struct str s = buf_str(&b);
	size_t n = MIN_OF(s.n, (size_t)SHOWN_BYTES - 8);
	while (n < s.n && n && !str_is_utf8(str_sub(s, 0, n)))
		n--;
	(void)snprintf(out, SHOWN_BYTES, "%.*s%s", (int)n, s.p, n < s.n ? "…" : "");
	return out;
}

static const char *article(const char *noun)
{
	return strchr("aeio", noun[0]) ? "an" : "a";
}

static void wanted_types(unsigned types, char *out, size_t room)
{
	/* "integer or number" is "number". */
	if (types & 1U << JSON_IS_REAL)
		types &= ~(1U << JSON_IS_INT);
	size_t n = 0;
	for (unsigned kind = 0; kind <= JSON_IS_OBJECT && n < room; kind++) {
		if (!(types & 1U << kind))
			continue;
		const char *name = json_kind_name((enum json_kind)kind);
		n += (size_t)snprintf(out + n, room - n, "%s%s %s", n ? " or " : "",
				      article(name), name);
	}
}

int schema_check_type(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct json *j = f->instance;
	char wanted[SHOWN_BYTES] = "";
	int64_t whole;
	if (r->types & 1U << j->kind)
		return 0;
	if (j->kind == JSON_IS_REAL && (r->types & 1U << JSON_IS_INT) &&
	    json_is_whole(j, &whole))
		return 0;
	/* Beyond int64_t every double is whole. */
	if (j->kind == JSON_IS_REAL && (r->types & 1U << JSON_IS_INT) &&
	    trunc(j->real) == j->real)
		return 0;
	wanted_types(r->types, wanted, sizeof wanted);
	const char *found = json_kind_name(j->kind);
	return schema_fault(ev, f->at, "is %s %s, %s is wanted", article(found), found, wanted);
}

int schema_check_const(struct eval *ev, const struct rule *r, const struct frame *f)
{
	char text[SHOWN_BYTES];
	if (schema_charge(ev, r->weight) < 0)
		return -1;
	if (json_is_equal(r->value, f->instance))
		return 0;
	return schema_fault(ev, f->at, "is not %s", shown(ev, r->value, text));
}

int schema_check_enum(struct eval *ev, const struct rule *r, const struct frame *f)
{
	char text[SHOWN_BYTES];
	if (schema_charge(ev, r->weight / 4) < 0)
		return -1;
	for (size_t i = 0; i < r->value->n; i++)
		if (json_is_equal(r->value->items[i], f->instance))
			return 0;
	return schema_fault(ev, f->at, "is not one of %s", shown(ev, r->value, text));
}

/* 0.0075 is a multiple of 0.0001 though neither is exact in binary. */
static bool is_multiple(double value, double step)
{
	long double times = (long double)value / step, parts = 1.0L / step;
	if (fabsl(times) < 9007199254740992.0L)
		return fabsl(times - roundl(times)) <= fabsl(times) * 1e-15L;
	/* Every whole number is a multiple of 1/k. */
	if (trunc(value) == value && fabsl(parts - roundl(parts)) <= parts * 1e-15L)
		return true;
	return fpclassify(fmod(value, step)) == FP_ZERO;
}

int schema_check_multiple_of(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct json *v = f->instance, *step = r->value;
	char text[SHOWN_BYTES];
	bool fits = v->kind == JSON_IS_INT && step->kind == JSON_IS_INT
			    ? v->i64 % step->i64 == 0
			    : is_multiple(json_real_of(v, 0), json_real_of(step, 1));
	return fits ? 0
		    : schema_fault(ev, f->at, "is not a multiple of %s", shown(ev, step, text));
}

/* < 0, 0, > 0; exact for two integers. */
static int compare_numbers(const struct json *x, const struct json *y)
{
	if (x->kind == JSON_IS_INT && y->kind == JSON_IS_INT)
		return (x->i64 > y->i64) - (x->i64 < y->i64);
	long double left = x->kind == JSON_IS_INT ? (long double)x->i64 : (long double)x->real;
	long double right = y->kind == JSON_IS_INT ? (long double)y->i64 : (long double)y->real;
	return (left > right) - (left < right);
}

int schema_check_bound(struct eval *ev, const struct rule *r, const struct frame *f)
{
	int order = compare_numbers(f->instance, r->value);
	const struct keyword *k = r->keyword;
	const char *fault = NULL;
	char text[SHOWN_BYTES];
	if (k == &schema_keywords[KW_MINIMUM] && order < 0)
		fault = "below the minimum";
	else if (k == &schema_keywords[KW_MAXIMUM] && order > 0)
		fault = "above the maximum";
	else if (k == &schema_keywords[KW_EXCLUSIVE_MINIMUM] && order <= 0)
		fault = "not above";
	else if (k == &schema_keywords[KW_EXCLUSIVE_MAXIMUM] && order >= 0)
		fault = "not below";
	return fault ? schema_fault(ev, f->at, "is %s %s", fault, shown(ev, r->value, text))
		     : 0;
}

/* Code points. */
static int64_t characters(struct str s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

/* Limits beyond int64_t cannot be reached. */
static int64_t limit_of(const struct rule *r)
{
	return json_i64_of(r->value, INT64_MAX);
}

int schema_check_length(struct eval *ev, const struct rule *r, const struct frame *f)
{
	int64_t n = characters(f->instance->str), limit = limit_of(r);
	if (schema_charge(ev, f->instance->str.n / 256) < 0)
		return -1;
	if (r->keyword == &schema_keywords[KW_MIN_LENGTH] && n < limit)
		return n ? schema_fault(ev, f->at, "is shorter than %lld characters",
					(long long)limit)
			 : schema_fault(ev, f->at, "is empty");
	if (r->keyword == &schema_keywords[KW_MAX_LENGTH] && n > limit)
		return schema_fault(ev, f->at, "is longer than %lld characters",
				    (long long)limit);
	return 0;
}

int schema_check_pattern(struct eval *ev, const struct rule *r, const struct frame *f)
{
	size_t work = 0;
	char text[SHOWN_BYTES];
	int rc = schema_regex_find(r->regexes[0], ev->regexes, f->instance->str, &work, ev->e);
	if (rc < 0 || schema_charge(ev, work) < 0)
		return -1;
	return rc ? 0
		  : schema_fault(ev, f->at, "does not match the pattern %s",
				 shown(ev, r->value, text));
}

int schema_check_format(struct eval *ev, const struct rule *r, const struct frame *f)
{
	if (schema_charge(ev, f->instance->str.n / 64) < 0)
		return -1;
	if (schema_format_holds(r->value->str, f->instance->str))
		return 0;
	return schema_fault(ev, f->at, "is not a valid %.*s", (int)MIN_OF(r->value->str.n, 40U),
			    r->value->str.p);
}

int schema_check_count(struct eval *ev, const struct rule *r, const struct frame *f)
{
	int64_t n = (int64_t)f->instance->n, limit = limit_of(r);
	const char *noun = f->instance->kind == JSON_IS_ARRAY ? "items" : "members";
	bool is_minimum = r->keyword == &schema_keywords[KW_MIN_ITEMS] ||
			  r->keyword == &schema_keywords[KW_MIN_PROPERTIES];
	if (is_minimum && n < limit)
		return schema_fault(ev, f->at, "has %lld %s, at least %lld are wanted",
				    (long long)n, noun, (long long)limit);
	if (!is_minimum && n > limit)
		return schema_fault(ev, f->at, "has %lld %s, at most %lld are allowed",
				    (long long)n, noun, (long long)limit);
	return 0;
}

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *bytes = p;
	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 1099511628211U;
	return h;
}

/* FNV-1a; equal trees (1 and 1.0 too) have equal hashes. */
static uint64_t hash_tree(uint64_t h, const struct json *j, int depth)
{
	int64_t whole = 0;
	double real = json_real_of(j, 0);
	if (json_is_whole(j, &whole))
		return hash_bytes(h, &whole, sizeof whole);
	h = hash_bytes(h, &j->kind, sizeof j->kind);
	if (j->kind == JSON_IS_REAL)
		return hash_bytes(h, &real, sizeof real);
	if (j->kind == JSON_IS_BOOL)
		return hash_bytes(h, &j->boolean, sizeof j->boolean);
	if (j->kind == JSON_IS_STR)
		return hash_bytes(h, j->str.p, j->str.n);
	for (size_t i = 0; i < json_count(j) && depth < JSON_DEPTH_MAX; i++) {
		bool is_array = j->kind == JSON_IS_ARRAY;
		if (!is_array)
			h = hash_bytes(h, j->members[i].key.p, j->members[i].key.n + 1);
		h = hash_tree(h, is_array ? j->items[i] : j->members[i].value, depth + 1);
	}
	return h;
}

/* Items are compared by hash, so only true twins and accidents cost a real comparison. */
int schema_check_unique(struct eval *ev, const struct rule *r, const struct frame *f)
{
	const struct json *j = f->instance;
	if (!r->value->boolean || j->n < 2)
		return 0;
	uint64_t *hashes = ARENA_ARRAY(ev->a, uint64_t, j->n);
	if (!hashes)
		return arena_check(ev->a, ev->e);
	if (j->n > UNIQUE_MAX)
		return err_fail(ev->e, ERR_TOO_LARGE, "has more than %d items to compare",
				UNIQUE_MAX);
	if (schema_charge(ev, schema_weight(j) + j->n * j->n / 256) < 0)
		return -1;
	for (size_t i = 0; i < j->n; i++)
		hashes[i] = hash_tree(14695981039346656037U, j->items[i], 0);
	for (size_t i = 1; i < j->n; i++) {
		for (size_t k = 0; k < i; k++) {
			if (hashes[i] != hashes[k])
				continue;
			if (schema_charge(ev, schema_weight(j->items[i])) < 0)
				return -1;
			if (json_is_equal(j->items[i], j->items[k]))
				return schema_fault(ev, f->at, "has equal items at %zu and %zu",
						    k, i);
		}
	}
	return 0;
}

/* A fault at the member that is not there. */
static int fault_missing(struct eval *ev, const struct frame *f, struct str key,
			 const char *because, struct str of)
{
	struct json_step step = {f->at, key, 0};
	if (!because)
		return schema_fault(ev, &step, "is missing");
	return schema_fault(ev, &step, "is missing: '%.*s' %s", (int)MIN_OF(of.n, 100U), of.p,
			    because);
}

int schema_check_required(struct eval *ev, const struct rule *r, const struct frame *f)
{
	for (size_t i = 0; i < r->value->n; i++) {
		struct str key = r->value->items[i]->str;
		if (!json_get(f->instance, key))
			return fault_missing(ev, f, key, NULL, S(""));
	}
	return schema_charge(ev, r->value->n / 8);
}

int schema_check_dependent_required(struct eval *ev, const struct rule *r,
				    const struct frame *f)
{
	for (size_t i = 0; i < r->value->n; i++) {
		const struct json_member *m = &r->value->members[i];
		for (size_t k = 0; json_get(f->instance, m->key) && k < m->value->n; k++) {
			struct str key = m->value->items[k]->str;
			if (!json_get(f->instance, key))
				return fault_missing(ev, f, key, "needs it", m->key);
		}
	}
	return schema_charge(ev, r->value->n / 8);
}
