/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A field table as a JSON Schema, for the manual and the OpenAPI document.
 */
#include "json/desc.h"

static struct json *desc_schema(const struct json_desc *d, struct arena *a, int depth);

static struct json *typed(struct arena *a, const char *type)
{
	struct json *s = json_object_new(a);
	json_set_str(a, s, S("type"), str_from(type));
	return s;
}

/* A bound that says nothing is left out. */
static void bound(struct arena *a, struct json *s, struct str key, int64_t v, int64_t nothing)
{
	if (v != nothing)
		json_set_i64(a, s, key, v);
}

static struct json *number_schema(const struct json_field *f, struct arena *a)
{
	struct json *s = typed(a, f->type == JSON_FIELD_I64 ? "integer" : "number");
	bound(a, s, S("minimum"), f->min, INT64_MIN);
	bound(a, s, S("maximum"), f->max, INT64_MAX);
	return s;
}

/* maxLength counts characters, the table bytes: the schema promises no more than the table. */
static struct json *text_schema(struct arena *a, int64_t min, int64_t max)
{
	struct json *s = typed(a, "string");
	if (min > 0)
		json_set_i64(a, s, S("minLength"), 1);
	bound(a, s, S("maxLength"), max, INT64_MAX);
	return s;
}

static struct json *enum_schema(const struct json_field *f, struct arena *a)
{
	struct json *s = typed(a, "string"), *words = json_array_new(a);
	for (const struct json_word *w = f->words; w->word; w++)
		json_add_str(a, words, str_from(w->word));
	if (f->flags & JSON_NULL_OK)
		json_add(a, words, json_null_new(a));
	json_set(a, s, S("enum"), words);
	return s;
}

static struct json *array_schema(const struct json_field *f, struct arena *a, struct json *item)
{
	struct json *s = typed(a, "array");
	json_set(a, s, S("items"), item);
	bound(a, s, S("minItems"), f->min, 0);
	bound(a, s, S("maxItems"), f->max, INT64_MAX);
	return s;
}

static struct json *map_schema(const struct json_field *f, struct arena *a, struct json *value)
{
	struct json *s = typed(a, "object");
	json_set(a, s, S("additionalProperties"), value);
	json_set(a, s, S("propertyNames"), text_schema(a, 1, JSON_KEY_MAX));
	bound(a, s, S("minProperties"), f->min, 0);
	bound(a, s, S("maxProperties"), f->max, INT64_MAX);
	return s;
}

static struct json *type_schema(const struct json_field *f, struct arena *a, int depth)
{
	int64_t text_max = f->max_bytes ? f->max_bytes : JSON_TEXT_MAX;
	switch (f->type) {
	case JSON_FIELD_BOOL:
		return typed(a, "boolean");
	case JSON_FIELD_I64:
	case JSON_FIELD_REAL:
		return number_schema(f, a);
	case JSON_FIELD_STR:
		return text_schema(a, f->min, f->max);
	case JSON_FIELD_ENUM:
		return enum_schema(f, a);
	case JSON_FIELD_OBJECT:
		return typed(a, "object");
	case JSON_FIELD_STRUCT:
	case JSON_FIELD_STRUCT_PTR:
		return desc_schema(f->sub, a, depth + 1);
	case JSON_FIELD_STRUCTS:
		return array_schema(f, a, desc_schema(f->sub, a, depth + 1));
	case JSON_FIELD_STRS:
		return array_schema(f, a, text_schema(a, 0, text_max));
	case JSON_FIELD_PAIRS:
		return map_schema(f, a, text_schema(a, 0, text_max));
	case JSON_FIELD_NAMED:
		return map_schema(f, a, desc_schema(f->sub, a, depth + 1));
	case JSON_FIELD_TREE:
	default:
		return json_object_new(a);
	}
}

static const char *initial_word(const struct json_field *f)
{
	for (const struct json_word *w = f->words; w->word; w++)
		if (w->value == f->initial)
			return w->word;
	return NULL;
}

static void add_default(const struct json_field *f, struct arena *a, struct json *s)
{
	if (f->flags & JSON_REQUIRED)
		return;
	if (f->type == JSON_FIELD_BOOL)
		json_set_bool(a, s, S("default"), f->initial != 0);
	else if (f->type == JSON_FIELD_I64 && f->initial)
		json_set_i64(a, s, S("default"), f->initial);
	else if (f->type == JSON_FIELD_REAL && f->initial)
		json_set_i64(a, s, S("default"), f->initial);
	else if (f->type == JSON_FIELD_STR && f->initial_text)
		json_set_str(a, s, S("default"), str_from(f->initial_text));
	else if (f->type == JSON_FIELD_ENUM && initial_word(f))
		json_set_str(a, s, S("default"), str_from(initial_word(f)));
}

/* "type": "string" → "type": ["string", "null"]. */
static void allow_null(struct arena *a, struct json *s)
{
	struct json *type = json_get(s, S("type")), *both = json_array_new(a);
	if (!type)
		return;
	json_add(a, both, type);
	json_add_str(a, both, S("null"));
	json_set(a, s, S("type"), both);
}

static struct json *field_schema(const struct json_field *f, struct arena *a, int depth)
{
	struct json *s = type_schema(f, a, depth);
	if (f->flags & JSON_NULL_OK)
		allow_null(a, s);
	if (f->help)
		json_set_str(a, s, S("description"), str_from(f->help));
	add_default(f, a, s);
	if (f->flags & JSON_SECRET)
		json_set_bool(a, s, S("writeOnly"), true);
	if (f->flags & JSON_READ_ONLY)
		json_set_bool(a, s, S("readOnly"), true);
	return s;
}

static struct json *desc_schema(const struct json_desc *d, struct arena *a, int depth)
{
	struct json *s = typed(a, "object");
	struct json *properties = json_object_new(a), *required = json_array_new(a);
	json_set_str(a, s, S("title"), str_from(d->name));
	json_set_str(a, s, S("description"), str_from(d->help));
	if (depth >= JSON_DESC_DEPTH_MAX)
		return s;
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct json_field *f = &d->fields[i];
		json_set(a, properties, str_from(f->key), field_schema(f, a, depth));
		if (f->flags & JSON_REQUIRED)
			json_add_str(a, required, str_from(f->key));
	}
	json_set(a, s, S("properties"), properties);
	if (json_count(required))
		json_set(a, s, S("required"), required);
	if (!d->is_open)
		json_set_bool(a, s, S("additionalProperties"), false);
	return s;
}

struct json *json_desc_schema(const struct json_desc *d, struct arena *a)
{
	struct json *s = desc_schema(d, a, 0);
	struct err ignored;
	return arena_check(a, &ignored) < 0 ? NULL : s;
}
