/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * JSON → struct, by field table.
 *
 * One reader per field type, in the table at the end. A struct is built beside its final place
 * and copied when all of it was right, so a failure leaves the caller's value alone. Recursion
 * follows the tables and goes no deeper than JSON_DEPTH_MAX levels of the tree.
 */
#include "json/desc.h"

#include <stdarg.h>

#include "json/json_impl.h"

struct reading {
	struct arena *a;
	struct err *e;
	struct str prefix;
	int depth;
};

typedef int field_fn(struct reading *r, const struct json_field *f, const struct json *j,
		     const struct json_step *at, char *out);

static int fail(struct reading *r, const struct json_step *at, const char *format, ...)
	PRINTF(3, 4);

static int fail(struct reading *r, const struct json_step *at, const char *format, ...)
{
	char path[ERR_FIELD_MAX], text[ERR_TEXT_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	json_step_text(at, r->prefix, path);
	return err_field(r->e, path, "%s", text);
}

static int fail_kind(struct reading *r, const struct json_step *at, const struct json *j,
		     const char *wanted)
{
	const char *found = json_kind_name(j->kind);
	const char *article = strchr("aio", found[0]) ? "an" : "a";
	if (j->kind == JSON_IS_NULL)
		return fail(r, at, "is null, %s is wanted", wanted);
	return fail(r, at, "is %s %s, %s is wanted", article, found, wanted);
}

static int read_bool(struct reading *r, const struct json_field *f UNUSED, const struct json *j,
		     const struct json_step *at, char *out)
{
	if (j->kind != JSON_IS_BOOL)
		return fail_kind(r, at, j, "true or false");
	memcpy(out, &j->boolean, sizeof(bool));
	return 0;
}

static int read_i64(struct reading *r, const struct json_field *f, const struct json *j,
		    const struct json_step *at, char *out)
{
	int64_t v;
	if (!json_is_whole(j, &v))
		return fail_kind(r, at, j, "an integer");
	if (v < f->min)
		return fail(r, at, "is below the minimum %lld", (long long)f->min);
	if (v > f->max)
		return fail(r, at, "is above the maximum %lld", (long long)f->max);
	memcpy(out, &v, sizeof v);
	return 0;
}

static int read_real(struct reading *r, const struct json_field *f, const struct json *j,
		     const struct json_step *at, char *out)
{
	if (j->kind != JSON_IS_INT && j->kind != JSON_IS_REAL)
		return fail_kind(r, at, j, "a number");
	double v = json_real_of(j, 0);
	if (v < (double)f->min)
		return fail(r, at, "is below the minimum %lld", (long long)f->min);
	if (v > (double)f->max)
		return fail(r, at, "is above the maximum %lld", (long long)f->max);
	memcpy(out, &v, sizeof v);
	return 0;
}

/* The field's own check; its text gets the path. */
static int check_own(struct reading *r, json_check_fn *check, struct str s,
		     const struct json_step *at)
{
	struct err why = ERR_INIT;
	if (!check || check(s, &why) == 0)
		return 0;
	return fail(r, at, "%s", why.text);
}

static int check_text(struct reading *r, const struct json *j, int64_t min, int64_t max,
		      json_check_fn *check, const struct json_step *at)
{
	if (j->kind != JSON_IS_STR)
		return fail_kind(r, at, j, "a string");
	if (min > 0 && j->str.n == 0)
		return fail(r, at, "is empty");
	if ((int64_t)j->str.n < min)
		return fail(r, at, "has %zu bytes, at least %lld are wanted", j->str.n,
			    (long long)min);
	if ((int64_t)j->str.n > max)
		return fail(r, at, "has %zu bytes, at most %lld are allowed", j->str.n,
			    (long long)max);
	return check_own(r, check, j->str, at);
}

static int read_str(struct reading *r, const struct json_field *f, const struct json *j,
		    const struct json_step *at, char *out)
{
	int rc = check_text(r, j, f->min, f->max, f->check, at);
	if (rc == 0)
		memcpy(out, &j->str, sizeof j->str);
	return rc;
}

static int fail_word(struct reading *r, const struct json_field *f, const struct json_step *at)
{
	char words[ERR_TEXT_MAX / 2] = "";
	size_t n = 0;
	for (const struct json_word *w = f->words; w->word && n < sizeof words; w++)
		n += (size_t)snprintf(words + n, sizeof words - n, "%s%s", n ? ", " : "",
				      w->word);
	return fail(r, at, "is not one of: %s", words);
}

static int read_enum(struct reading *r, const struct json_field *f, const struct json *j,
		     const struct json_step *at, char *out)
{
	if (j->kind != JSON_IS_STR)
		return fail_kind(r, at, j, "a string");
	for (const struct json_word *w = f->words; w->word; w++) {
		if (str_is(j->str, w->word)) {
			memcpy(out, &w->value, sizeof w->value);
			return 0;
		}
	}
	return fail_word(r, f, at);
}

/* The struct member is not const: the caller said so when it handed the tree over. */
static void put_tree(const struct json *j, char *out)
{
	memcpy(out, &j, sizeof j);
}

static int read_any(struct reading *r UNUSED, const struct json_field *f UNUSED,
		    const struct json *j, const struct json_step *at UNUSED, char *out)
{
	put_tree(j, out);
	return 0;
}

static int read_object(struct reading *r, const struct json_field *f UNUSED,
		       const struct json *j, const struct json_step *at, char *out)
{
	if (j->kind != JSON_IS_OBJECT)
		return fail_kind(r, at, j, "an object");
	put_tree(j, out);
	return 0;
}

static int read_members(struct reading *r, const struct json_desc *d, const struct json *j,
			const struct json_step *at, char *out);

static int read_struct(struct reading *r, const struct json_field *f, const struct json *j,
		       const struct json_step *at, char *out)
{
	return read_members(r, f->sub, j, at, out);
}

static int read_struct_ptr(struct reading *r, const struct json_field *f, const struct json *j,
			   const struct json_step *at, char *out)
{
	char *item = arena_alloc(r->a, f->sub->bytes);
	if (!item)
		return arena_check(r->a, r->e);
	memcpy(out, &item, sizeof item);
	return read_members(r, f->sub, j, at, item);
}

/* Checks kind and count of a list or map and takes the memory of its entries. */
static int new_entries(struct reading *r, const struct json_field *f, const struct json *j,
		       enum json_kind kind, size_t item_bytes, const struct json_step *at,
		       char **items)
{
	if (j->kind != kind)
		return fail_kind(r, at, j, kind == JSON_IS_ARRAY ? "an array" : "an object");
	if ((int64_t)j->n < f->min)
		return fail(r, at, "has %zu entries, at least %lld are wanted", j->n,
			    (long long)f->min);
	if ((int64_t)j->n > f->max)
		return fail(r, at, "has %zu entries, at most %lld are allowed", j->n,
			    (long long)f->max);
	*items = arena_array(r->a, j->n, item_bytes);
	return *items ? 0 : arena_check(r->a, r->e);
}

/* `out` is the pointer member; its count lies elsewhere in the same struct. */
static void put_entries(const struct json_field *f, char *items, size_t n, char *out)
{
	char *base = out - f->offset;
	memcpy(out, &items, sizeof items);
	memcpy(base + f->offset_count, &n, sizeof n);
}

static int read_structs(struct reading *r, const struct json_field *f, const struct json *j,
			const struct json_step *at, char *out)
{
	char *items;
	if (new_entries(r, f, j, JSON_IS_ARRAY, f->sub->bytes, at, &items) < 0)
		return -1;
	for (size_t i = 0; i < j->n; i++) {
		struct json_step step = {.up = at, .index = i};
		if (read_members(r, f->sub, j->items[i], &step, items + i * f->sub->bytes) < 0)
			return -1;
	}
	put_entries(f, items, j->n, out);
	return 0;
}

static int64_t text_max(const struct json_field *f)
{
	return f->max_bytes ? f->max_bytes : JSON_TEXT_MAX;
}

static int read_strs(struct reading *r, const struct json_field *f, const struct json *j,
		     const struct json_step *at, char *out)
{
	char *items;
	if (new_entries(r, f, j, JSON_IS_ARRAY, sizeof(struct str), at, &items) < 0)
		return -1;
	for (size_t i = 0; i < j->n; i++) {
		struct json_step step = {.up = at, .index = i};
		if (check_text(r, j->items[i], 0, text_max(f), f->check, &step) < 0)
			return -1;
		memcpy(items + i * sizeof(struct str), &j->items[i]->str, sizeof(struct str));
	}
	put_entries(f, items, j->n, out);
	return 0;
}

static int check_key(struct reading *r, const struct json_field *f, struct str key,
		     const struct json_step *at)
{
	if (key.n == 0 || key.n > JSON_KEY_MAX)
		return fail(r, at, "a name has 1 … %d bytes", JSON_KEY_MAX);
	return check_own(r, f->check_key, key, at);
}

static int read_pairs(struct reading *r, const struct json_field *f, const struct json *j,
		      const struct json_step *at, char *out)
{
	char *items;
	if (new_entries(r, f, j, JSON_IS_OBJECT, sizeof(struct json_pair), at, &items) < 0)
		return -1;
	for (size_t i = 0; i < j->n; i++) {
		const struct json_member *m = &j->members[i];
		struct json_step step = {.up = at, .key = m->key};
		if (check_key(r, f, m->key, &step) < 0 ||
		    check_text(r, m->value, 0, text_max(f), f->check, &step) < 0)
			return -1;
		struct json_pair pair = {m->key, m->value->str};
		memcpy(items + i * sizeof pair, &pair, sizeof pair);
	}
	put_entries(f, items, j->n, out);
	return 0;
}

static int read_named(struct reading *r, const struct json_field *f, const struct json *j,
		      const struct json_step *at, char *out)
{
	char *items;
	if (new_entries(r, f, j, JSON_IS_OBJECT, f->sub->bytes, at, &items) < 0)
		return -1;
	for (size_t i = 0; i < j->n; i++) {
		const struct json_member *m = &j->members[i];
		struct json_step step = {.up = at, .key = m->key};
		char *item = items + i * f->sub->bytes;
		if (check_key(r, f, m->key, &step) < 0 ||
		    read_members(r, f->sub, m->value, &step, item) < 0)
			return -1;
		memcpy(item + f->offset_name, &m->key, sizeof m->key);
	}
	put_entries(f, items, j->n, out);
	return 0;
}

static field_fn *const readers[] = {
	[JSON_FIELD_BOOL] = read_bool,
	[JSON_FIELD_I64] = read_i64,
	[JSON_FIELD_REAL] = read_real,
	[JSON_FIELD_STR] = read_str,
	[JSON_FIELD_ENUM] = read_enum,
	[JSON_FIELD_TREE] = read_any,
	[JSON_FIELD_OBJECT] = read_object,
	[JSON_FIELD_STRUCT] = read_struct,
	[JSON_FIELD_STRUCT_PTR] = read_struct_ptr,
	[JSON_FIELD_STRUCTS] = read_structs,
	[JSON_FIELD_STRS] = read_strs,
	[JSON_FIELD_PAIRS] = read_pairs,
	[JSON_FIELD_NAMED] = read_named,
};

static void set_initial(const struct json_desc *d, char *out);

/* What an absent member gives; `out` is zero before. */
static void set_field_initial(const struct json_field *f, char *out)
{
	bool is_true = f->initial != 0;
	int word = (int)f->initial;
	double real = (double)f->initial;
	struct str text = str_from(f->initial_text);
	if (f->type == JSON_FIELD_BOOL)
		memcpy(out, &is_true, sizeof is_true);
	else if (f->type == JSON_FIELD_I64)
		memcpy(out, &f->initial, sizeof f->initial);
	else if (f->type == JSON_FIELD_REAL)
		memcpy(out, &real, sizeof real);
	else if (f->type == JSON_FIELD_ENUM)
		memcpy(out, &word, sizeof word);
	else if (f->type == JSON_FIELD_STR && f->initial_text)
		memcpy(out, &text, sizeof text);
	else if (f->type == JSON_FIELD_STRUCT)
		set_initial(f->sub, out);
}

/* An embedded struct cannot contain itself, so this ends. */
static void set_initial(const struct json_desc *d, char *out)
{
	for (size_t i = 0; i < d->n_fields; i++)
		set_field_initial(&d->fields[i], out + d->fields[i].offset);
}

/* Adds to *n_known if the member is there. */
static int read_field(struct reading *r, const struct json_field *f, const struct json *object,
		      const struct json_step *at, char *out, size_t *n_known)
{
	struct json_step step = {.up = at, .key = str_from(f->key)};
	const struct json *j = json_get(object, step.key);
	*n_known += j != NULL;
	if (j && (f->flags & JSON_READ_ONLY))
		return fail(r, &step, "cannot be set");
	if (j && !(j->kind == JSON_IS_NULL && (f->flags & JSON_NULL_OK)))
		return readers[f->type](r, f, j, &step, out + f->offset);
	if (f->flags & JSON_REQUIRED)
		return fail(r, &step, j ? "is null" : "is missing");
	set_field_initial(f, out + f->offset);
	return 0;
}

static bool is_known(const struct json_desc *d, struct str key)
{
	for (size_t i = 0; i < d->n_fields; i++)
		if (str_is(key, d->fields[i].key))
			return true;
	return false;
}

static int fail_unknown(struct reading *r, const struct json_desc *d, const struct json *j,
			const struct json_step *at)
{
	for (size_t i = 0; i < j->n; i++) {
		struct json_step step = {.up = at, .key = j->members[i].key};
		if (!is_known(d, step.key))
			return fail(r, &step, "unknown field");
	}
	return 0;
}

static int read_members(struct reading *r, const struct json_desc *d, const struct json *j,
			const struct json_step *at, char *out)
{
	size_t n_known = 0;
	if (j->kind != JSON_IS_OBJECT)
		return fail_kind(r, at, j, "an object");
	if (r->depth >= JSON_DEPTH_MAX)
		return fail(r, at, "is nested deeper than %d levels", JSON_DEPTH_MAX);
	r->depth++;
	for (size_t i = 0; i < d->n_fields; i++)
		if (read_field(r, &d->fields[i], j, at, out, &n_known) < 0)
			return -1;
	r->depth--;
	return n_known == j->n || d->is_open ? 0 : fail_unknown(r, d, j, at);
}

MUST int json_read_tree(const struct json_desc *d, const struct json *tree, struct str path,
			struct arena *a, void *out, struct err *e)
{
	struct reading r = {a, e, path, 0};
	char *made = arena_alloc(a, d->bytes);
	if (!made)
		return arena_check(a, e);
	if (read_members(&r, d, tree, NULL, made) < 0)
		return -1;
	memcpy(out, made, d->bytes);
	return 0;
}

MUST int json_read(const struct json_desc *d, struct str text, struct arena *a, void *out,
		   struct err *e)
{
	struct json *tree;
	if (json_parse(text, a, &tree, e) < 0)
		return -1;
	return json_read_tree(d, tree, S(""), a, out, e);
}
