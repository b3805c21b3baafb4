/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The tree: lookup, builders, equality, copies.
 *
 * Invariant: members of an object are sorted by key without duplicates, so that json_get may
 * search by halves and equality and canonical text need no order of their own.
 */
#include "json/json.h"

#include <math.h>

#include "json/json_impl.h"

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_IS_NULL] = "null",     [JSON_IS_BOOL] = "boolean",
		[JSON_IS_INT] = "integer",   [JSON_IS_REAL] = "number",
		[JSON_IS_STR] = "string",    [JSON_IS_ARRAY] = "array",
		[JSON_IS_OBJECT] = "object",
	};
	return names[kind];
}

bool json_is(const struct json *j, enum json_kind kind)
{
	return j && j->kind == kind;
}

bool json_real_is_whole(double v, int64_t *out)
{
	if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0) || trunc(v) != v)
		return false;
	*out = (int64_t)v;
	return true;
}

bool json_is_whole(const struct json *j, int64_t *out)
{
	if (json_is(j, JSON_IS_INT))
		*out = j->i64;
	return json_is(j, JSON_IS_INT) ||
	       (json_is(j, JSON_IS_REAL) && json_real_is_whole(j->real, out));
}

/* Where `key` is, or where it belongs; *found tells which. */
static size_t find_member(const struct json *object, struct str key, bool *found)
{
	size_t low = 0, high = object->n;
	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(object->members[middle].key, key);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct json *json_get(const struct json *object, struct str key)
{
	bool found = false;
	if (!json_is(object, JSON_IS_OBJECT))
		return NULL;
	size_t at = find_member(object, key, &found);
	return found ? object->members[at].value : NULL;
}

struct json *json_at(const struct json *array, size_t i)
{
	return json_is(array, JSON_IS_ARRAY) && i < array->n ? array->items[i] : NULL;
}

struct str json_str_of(const struct json *j, struct str otherwise)
{
	return json_is(j, JSON_IS_STR) ? j->str : otherwise;
}

int64_t json_i64_of(const struct json *j, int64_t otherwise)
{
	int64_t v = otherwise;
	return json_is_whole(j, &v) ? v : otherwise;
}

double json_real_of(const struct json *j, double otherwise)
{
	if (json_is(j, JSON_IS_INT))
		return (double)j->i64;
	return json_is(j, JSON_IS_REAL) ? j->real : otherwise;
}

bool json_bool_of(const struct json *j, bool otherwise)
{
	return json_is(j, JSON_IS_BOOL) ? j->boolean : otherwise;
}

size_t json_count(const struct json *j)
{
	return json_is(j, JSON_IS_ARRAY) || json_is(j, JSON_IS_OBJECT) ? j->n : 0;
}

static struct json *new_node(struct arena *a, enum json_kind kind)
{
	struct json *j = ARENA_NEW(a, struct json);
	if (j)
		j->kind = kind;
	return j;
}

struct json *json_null_new(struct arena *a)
{
	return new_node(a, JSON_IS_NULL);
}

struct json *json_bool_new(struct arena *a, bool v)
{
	struct json *j = new_node(a, JSON_IS_BOOL);
	if (j)
		j->boolean = v;
	return j;
}

struct json *json_i64_new(struct arena *a, int64_t v)
{
	struct json *j = new_node(a, JSON_IS_INT);
	if (j)
		j->i64 = v;
	return j;
}

struct json *json_real_new(struct arena *a, double v)
{
	struct json *j = new_node(a, isfinite(v) ? JSON_IS_REAL : JSON_IS_NULL);
	if (j && j->kind == JSON_IS_REAL)
		j->real = v;
	return j;
}

/* The copy of v, or .p == NULL if the arena failed. */
static struct str own_text(struct arena *a, struct str v)
{
	char *p = arena_alloc(a, v.n + 1);
	if (p && v.n)
		memcpy(p, v.p, v.n);
	return str_of(p, v.n);
}

struct json *json_str_new(struct arena *a, struct str v)
{
	struct str text = own_text(a, v);
	struct json *j = text.p ? new_node(a, JSON_IS_STR) : NULL;
	if (j)
		j->str = text;
	return j;
}

struct json *json_array_new(struct arena *a)
{
	return new_node(a, JSON_IS_ARRAY);
}

struct json *json_object_new(struct arena *a)
{
	return new_node(a, JSON_IS_OBJECT);
}

/* Room for one more entry of `bytes`: doubles; the old array stays behind in the arena. */
static void *more_room(struct arena *a, const struct json *j, void *old, size_t bytes)
{
	if (j->n < j->cap)
		return old;
	void *grown = arena_array(a, j->cap ? j->cap * 2 : 4, bytes);
	if (grown && j->n)
		memcpy(grown, old, j->n * bytes);
	return grown;
}

void json_add(struct arena *a, struct json *array, struct json *value)
{
	if (!json_is(array, JSON_IS_ARRAY) || !value)
		return;
	struct json **items = more_room(a, array, array->items, sizeof(*items));
	if (!items)
		return;
	array->cap = array->n < array->cap ? array->cap : (array->cap ? array->cap * 2 : 4);
	array->items = items;
	array->items[array->n++] = value;
}

void json_set(struct arena *a, struct json *object, struct str key, struct json *value)
{
	bool found = false;
	if (!json_is(object, JSON_IS_OBJECT) || !value)
		return;
	size_t at = find_member(object, key, &found);
	if (found) {
		object->members[at].value = value;
		return;
	}
	struct str own_key = own_text(a, key);
	struct json_member *members = more_room(a, object, object->members, sizeof(*members));
	if (!members || !own_key.p)
		return;
	object->cap =
		object->n < object->cap ? object->cap : (object->cap ? object->cap * 2 : 4);
	object->members = members;
	memmove(members + at + 1, members + at, (object->n - at) * sizeof(*members));
	members[at] = (struct json_member){own_key, value};
	object->n++;
}

void json_set_str(struct arena *a, struct json *object, struct str key, struct str v)
{
	json_set(a, object, key, json_str_new(a, v));
}

void json_set_i64(struct arena *a, struct json *object, struct str key, int64_t v)
{
	json_set(a, object, key, json_i64_new(a, v));
}

void json_set_bool(struct arena *a, struct json *object, struct str key, bool v)
{
	json_set(a, object, key, json_bool_new(a, v));
}

void json_unset(struct json *object, struct str key)
{
	bool found = false;
	size_t at = json_is(object, JSON_IS_OBJECT) ? find_member(object, key, &found) : 0;
	if (!found)
		return;
	object->n--;
	memmove(object->members + at, object->members + at + 1,
		(object->n - at) * sizeof(*object->members));
}

void json_add_str(struct arena *a, struct json *array, struct str v)
{
	json_add(a, array, json_str_new(a, v));
}

static bool is_number(const struct json *j)
{
	return j->kind == JSON_IS_INT || j->kind == JSON_IS_REAL;
}

static bool numbers_are_equal(const struct json *x, const struct json *y)
{
	int64_t left = 0, right = 0;
	bool is_left_whole = json_is_whole(x, &left), is_right_whole = json_is_whole(y, &right);
	if (is_left_whole || is_right_whole)
		return is_left_whole && is_right_whole && left == right;
	return x->real == y->real;
}

static bool trees_are_equal(const struct json *x, const struct json *y, int depth);

static bool entries_are_equal(const struct json *x, const struct json *y, int depth)
{
	if (x->n != y->n || depth >= JSON_DEPTH_MAX)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		if (x->kind == JSON_IS_ARRAY) {
			if (!trees_are_equal(x->items[i], y->items[i], depth + 1))
				return false;
		} else if (!str_eq(x->members[i].key, y->members[i].key) ||
			   !trees_are_equal(x->members[i].value, y->members[i].value,
					    depth + 1)) {
			return false;
		}
	}
	return true;
}

static bool trees_are_equal(const struct json *x, const struct json *y, int depth)
{
	if (is_number(x) && is_number(y))
		return numbers_are_equal(x, y);
	if (x->kind != y->kind)
		return false;
	switch (x->kind) {
	case JSON_IS_NULL:
		return true;
	case JSON_IS_BOOL:
		return x->boolean == y->boolean;
	case JSON_IS_STR:
		return str_eq(x->str, y->str);
	case JSON_IS_ARRAY:
	case JSON_IS_OBJECT:
		return entries_are_equal(x, y, depth);
	case JSON_IS_INT:
	case JSON_IS_REAL:
	default:
		return false;
	}
}

bool json_is_equal(const struct json *x, const struct json *y)
{
	return x && y ? trees_are_equal(x, y, 0) : x == y;
}

static struct json *dup_tree(struct arena *a, const struct json *j, int depth);

/* Copies entries one by one; false after the arena failed or below the deepest level. */
static bool dup_entries(struct arena *a, const struct json *j, struct json *copy, int depth)
{
	bool is_array = j->kind == JSON_IS_ARRAY;
	void *room = arena_array(a, j->n, is_array ? sizeof(*j->items) : sizeof(*j->members));
	if (!room || depth >= JSON_DEPTH_MAX)
		return false;
	if (is_array)
		copy->items = room;
	else
		copy->members = room;
	copy->n = copy->cap = j->n;
	for (size_t i = 0; i < j->n; i++) {
		const struct json *from = is_array ? j->items[i] : j->members[i].value;
		struct json *value = dup_tree(a, from, depth + 1);
		struct str key = is_array ? S("") : own_text(a, j->members[i].key);
		if (!value || !key.p)
			return false;
		if (is_array)
			copy->items[i] = value;
		else
			copy->members[i] = (struct json_member){key, value};
	}
	return true;
}

static struct json *dup_tree(struct arena *a, const struct json *j, int depth)
{
	if (j->kind == JSON_IS_STR)
		return json_str_new(a, j->str);
	struct json *copy = ARENA_NEW(a, struct json);
	if (!copy)
		return NULL;
	*copy = *j;
	if (json_is(j, JSON_IS_ARRAY) || json_is(j, JSON_IS_OBJECT))
		return dup_entries(a, j, copy, depth) ? copy : NULL;
	return copy;
}

struct json *json_dup_tree(struct arena *a, const struct json *j)
{
	return j ? dup_tree(a, j, 0) : NULL;
}
