/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Struct → JSON, by field table, straight into the buffer.
 *
 * What is written for a value that is not there: null with JSON_NULL_OK, nothing otherwise,
 * except that a required string is "" and a required tree null: the reader of the answer may
 * rely on the member.
 */
#include <math.h>

#include "json/desc.h"
#include "json/json_impl.h"

struct writing {
	struct buf *b;
	bool hides_secrets;
	int depth;
};

static void write_members(struct writing *w, const struct json_desc *d, const char *in);

/* What lies at `in`, by type. */
static bool load_bool(const char *in)
{
	bool v;
	memcpy(&v, in, sizeof v);
	return v;
}

static int64_t load_i64(const char *in)
{
	int64_t v;
	memcpy(&v, in, sizeof v);
	return v;
}

static double load_real(const char *in)
{
	double v;
	memcpy(&v, in, sizeof v);
	return v;
}

static struct str load_str(const char *in)
{
	struct str v;
	memcpy(&v, in, sizeof v);
	return v;
}

static const char *load_word(const struct json_field *f, const char *in)
{
	int v;
	memcpy(&v, in, sizeof v);
	for (const struct json_word *w = f->words; w->word; w++)
		if (w->value == v)
			return w->word;
	return NULL;
}

/* const char * serves for every pointer: only its bits are copied. */
static const char *load_pointer(const char *in)
{
	const char *v;
	memcpy(&v, in, sizeof v);
	return v;
}

static const struct json *load_tree(const char *in)
{
	const struct json *v;
	memcpy(&v, in, sizeof v);
	return v;
}

static size_t load_count(const struct json_field *f, const char *base)
{
	size_t n;
	memcpy(&n, base + f->offset_count, sizeof n);
	return n;
}

/* Absent: there is nothing to write. */
static bool is_absent(const struct json_field *f, const char *in)
{
	switch (f->type) {
	case JSON_FIELD_STR:
		return !load_str(in).p;
	case JSON_FIELD_TREE:
	case JSON_FIELD_OBJECT:
	case JSON_FIELD_STRUCT_PTR:
		return !load_pointer(in);
	case JSON_FIELD_ENUM:
		return !load_word(f, in);
	case JSON_FIELD_BOOL:
	case JSON_FIELD_I64:
	case JSON_FIELD_REAL:
	case JSON_FIELD_STRUCT:
	case JSON_FIELD_STRUCTS:
	case JSON_FIELD_STRS:
	case JSON_FIELD_PAIRS:
	case JSON_FIELD_NAMED:
	default:
		return false;
	}
}

/* Empty: zero, false, "", no entries, or absent. */
static bool is_empty(const struct json_field *f, const char *base)
{
	const char *in = base + f->offset;
	switch (f->type) {
	case JSON_FIELD_BOOL:
		return !load_bool(in);
	case JSON_FIELD_I64:
		return load_i64(in) == 0;
	case JSON_FIELD_REAL:
		return fpclassify(load_real(in)) == FP_ZERO;
	case JSON_FIELD_STR:
		return load_str(in).n == 0;
	case JSON_FIELD_STRUCTS:
	case JSON_FIELD_STRS:
	case JSON_FIELD_PAIRS:
	case JSON_FIELD_NAMED:
		return load_count(f, base) == 0;
	case JSON_FIELD_TREE:
	case JSON_FIELD_OBJECT:
	case JSON_FIELD_STRUCT_PTR:
	case JSON_FIELD_ENUM:
	case JSON_FIELD_STRUCT:
	default:
		return is_absent(f, in);
	}
}

static void write_list(struct writing *w, const struct json_field *f, const char *base)
{
	const char *items = load_pointer(base + f->offset);
	size_t n = load_count(f, base);
	bool is_map = f->type == JSON_FIELD_PAIRS || f->type == JSON_FIELD_NAMED;
	buf_add_c(w->b, is_map ? '{' : '[');
	for (size_t i = 0; i < n && !w->b->has_failed; i++) {
		if (i)
			buf_add_c(w->b, ',');
		if (f->type == JSON_FIELD_STRS) {
			json_write_str(load_str(items + i * sizeof(struct str)), w->b);
		} else if (f->type == JSON_FIELD_PAIRS) {
			const char *pair = items + i * sizeof(struct json_pair);
			json_write_str(load_str(pair + offsetof(struct json_pair, key)), w->b);
			buf_add_c(w->b, ':');
			json_write_str(load_str(pair + offsetof(struct json_pair, value)),
				       w->b);
		} else {
			const char *item = items + i * f->sub->bytes;
			if (is_map) {
				json_write_str(load_str(item + f->offset_name), w->b);
				buf_add_c(w->b, ':');
			}
			write_members(w, f->sub, item);
		}
	}
	buf_add_c(w->b, is_map ? '}' : ']');
}

static void write_real(double v, struct buf *b)
{
	if (isfinite(v))
		json_write_real(v, b);
	else
		buf_add(b, S("null"));
}

static void write_value(struct writing *w, const struct json_field *f, const char *base)
{
	const char *in = base + f->offset;
	switch (f->type) {
	case JSON_FIELD_BOOL:
		buf_add(w->b, load_bool(in) ? S("true") : S("false"));
		break;
	case JSON_FIELD_I64:
		buf_addf(w->b, "%lld", (long long)load_i64(in));
		break;
	case JSON_FIELD_REAL:
		write_real(load_real(in), w->b);
		break;
	case JSON_FIELD_STR:
		json_write_str(load_str(in), w->b);
		break;
	case JSON_FIELD_ENUM:
		json_write_str(str_from(load_word(f, in)), w->b);
		break;
	case JSON_FIELD_TREE:
	case JSON_FIELD_OBJECT:
		json_write(load_tree(in), w->b);
		break;
	case JSON_FIELD_STRUCT:
		write_members(w, f->sub, in);
		break;
	case JSON_FIELD_STRUCT_PTR:
		write_members(w, f->sub, load_pointer(in));
		break;
	case JSON_FIELD_STRUCTS:
	case JSON_FIELD_STRS:
	case JSON_FIELD_PAIRS:
	case JSON_FIELD_NAMED:
	default:
		write_list(w, f, base);
	}
}

static void write_field(struct writing *w, const struct json_field *f, const char *base,
			bool *is_first)
{
	bool gone = is_absent(f, base + f->offset);
	if ((f->flags & JSON_OMIT_EMPTY) && is_empty(f, base))
		return;
	if (gone && !(f->flags & (JSON_NULL_OK | JSON_REQUIRED)))
		return;
	if (!*is_first)
		buf_add_c(w->b, ',');
	*is_first = false;
	json_write_str(str_from(f->key), w->b);
	buf_add_c(w->b, ':');
	if (gone)
		buf_add(w->b, f->type == JSON_FIELD_STR && !(f->flags & JSON_NULL_OK)
				      ? S("\"\"")
				      : S("null"));
	else if (w->hides_secrets && (f->flags & JSON_SECRET))
		buf_add(w->b, S("\"***\""));
	else
		write_value(w, f, base);
}

static void write_members(struct writing *w, const struct json_desc *d, const char *in)
{
	bool is_first = true;
	if (w->depth >= JSON_DEPTH_MAX) {
		w->b->has_failed = true;
		return;
	}
	w->depth++;
	buf_add_c(w->b, '{');
	for (size_t i = 0; i < d->n_fields && !w->b->has_failed; i++)
		write_field(w, &d->fields[i], in, &is_first);
	buf_add_c(w->b, '}');
	w->depth--;
}

void json_write_struct(const struct json_desc *d, const void *in, struct buf *b)
{
	write_members(&(struct writing){.b = b}, d, in);
}

void json_write_masked(const struct json_desc *d, const void *in, struct buf *b)
{
	write_members(&(struct writing){.b = b, .hides_secrets = true}, d, in);
}
