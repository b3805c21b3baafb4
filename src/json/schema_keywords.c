/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every keyword of JSON Schema 2020-12 that asserts or applies, in the order of evaluation, and
 * the forms their values have.
 * Source: core sections 8, 10 and 11, validation sections 6 and 7.
 */
#include "json/schema_impl.h"

#define K(kind) (1U << JSON_IS_##kind)
#define NUMBERS (K(INT) | K(REAL))

/* clang-format off */
const struct keyword schema_keywords[KW_COUNT] = {
	[KW_DEFS]                   = {"$defs", FORM_MAP, false, 0, NULL},
	[KW_TYPE]                   = {"type", FORM_TYPES, true, 0, schema_check_type},
	[KW_CONST]                  = {"const", FORM_ANY, true, 0, schema_check_const},
	[KW_ENUM]                   = {"enum", FORM_ARRAY, true, 0, schema_check_enum},
	[KW_MULTIPLE_OF]            = {"multipleOf", FORM_POSITIVE, true, NUMBERS, schema_check_multiple_of},
	[KW_MINIMUM]                = {"minimum", FORM_NUMBER, true, NUMBERS, schema_check_bound},
	[KW_MAXIMUM]                = {"maximum", FORM_NUMBER, true, NUMBERS, schema_check_bound},
	[KW_EXCLUSIVE_MINIMUM]      = {"exclusiveMinimum", FORM_NUMBER, true, NUMBERS, schema_check_bound},
	[KW_EXCLUSIVE_MAXIMUM]      = {"exclusiveMaximum", FORM_NUMBER, true, NUMBERS, schema_check_bound},
	[KW_MIN_LENGTH]             = {"minLength", FORM_COUNT, true, K(STR), schema_check_length},
	[KW_MAX_LENGTH]             = {"maxLength", FORM_COUNT, true, K(STR), schema_check_length},
	[KW_PATTERN]                = {"pattern", FORM_PATTERN, true, K(STR), schema_check_pattern},
	[KW_FORMAT]                 = {"format", FORM_STR, false, K(STR), schema_check_format},
	[KW_MIN_ITEMS]              = {"minItems", FORM_COUNT, true, K(ARRAY), schema_check_count},
	[KW_MAX_ITEMS]              = {"maxItems", FORM_COUNT, true, K(ARRAY), schema_check_count},
	[KW_UNIQUE_ITEMS]           = {"uniqueItems", FORM_BOOL, true, K(ARRAY), schema_check_unique},
	[KW_MIN_CONTAINS]           = {"minContains", FORM_COUNT, true, 0, NULL},
	[KW_MAX_CONTAINS]           = {"maxContains", FORM_COUNT, true, 0, NULL},
	[KW_REQUIRED]               = {"required", FORM_STRS, true, K(OBJECT), schema_check_required},
	[KW_MIN_PROPERTIES]         = {"minProperties", FORM_COUNT, true, K(OBJECT), schema_check_count},
	[KW_MAX_PROPERTIES]         = {"maxProperties", FORM_COUNT, true, K(OBJECT), schema_check_count},
	[KW_DEPENDENT_REQUIRED]     = {"dependentRequired", FORM_STRS_MAP, true, K(OBJECT), schema_check_dependent_required},
	[KW_PROPERTY_NAMES]         = {"propertyNames", FORM_SCHEMA, false, K(OBJECT), schema_check_property_names},
	[KW_PROPERTIES]             = {"properties", FORM_MAP, false, K(OBJECT), schema_check_properties},
	[KW_PATTERN_PROPERTIES]     = {"patternProperties", FORM_PATTERN_MAP, false, K(OBJECT), schema_check_pattern_properties},
	[KW_ADDITIONAL_PROPERTIES]  = {"additionalProperties", FORM_SCHEMA, false, K(OBJECT), schema_check_additional},
	[KW_PREFIX_ITEMS]           = {"prefixItems", FORM_SCHEMAS, false, K(ARRAY), schema_check_prefix_items},
	[KW_ITEMS]                  = {"items", FORM_SCHEMA, false, K(ARRAY), schema_check_items},
	[KW_CONTAINS]               = {"contains", FORM_SCHEMA, false, K(ARRAY), schema_check_contains},
	[KW_DEPENDENT_SCHEMAS]      = {"dependentSchemas", FORM_MAP, false, K(OBJECT), schema_check_dependent_schemas},
	[KW_REF]                    = {"$ref", FORM_REF, false, 0, schema_check_ref},
	[KW_DYNAMIC_REF]            = {"$dynamicRef", FORM_REF, false, 0, schema_check_dynamic_ref},
	[KW_ALL_OF]                 = {"allOf", FORM_SCHEMAS, false, 0, schema_check_all_of},
	[KW_ANY_OF]                 = {"anyOf", FORM_SCHEMAS, false, 0, schema_check_any_of},
	[KW_ONE_OF]                 = {"oneOf", FORM_SCHEMAS, false, 0, schema_check_one_of},
	[KW_NOT]                    = {"not", FORM_SCHEMA, false, 0, schema_check_not},
	[KW_THEN]                   = {"then", FORM_SCHEMA, false, 0, NULL},
	[KW_ELSE]                   = {"else", FORM_SCHEMA, false, 0, NULL},
	[KW_IF]                     = {"if", FORM_SCHEMA, false, 0, schema_check_if},
	[KW_UNEVALUATED_ITEMS]      = {"unevaluatedItems", FORM_SCHEMA, false, K(ARRAY), schema_check_unevaluated_items},
	[KW_UNEVALUATED_PROPERTIES] = {"unevaluatedProperties", FORM_SCHEMA, false, K(OBJECT), schema_check_unevaluated_properties},
};
/* clang-format on */

bool schema_type_bits(struct str word, unsigned *bits)
{
	static const struct {
		const char *word;
		unsigned bits;
	} words[] = {
		{"null", 1U << JSON_IS_NULL},
		{"boolean", 1U << JSON_IS_BOOL},
		{"integer", 1U << JSON_IS_INT},
		{"number", 1U << JSON_IS_INT | 1U << JSON_IS_REAL},
		{"string", 1U << JSON_IS_STR},
		{"array", 1U << JSON_IS_ARRAY},
		{"object", 1U << JSON_IS_OBJECT},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_is(word, words[i].word)) {
			*bits |= words[i].bits;
			return true;
		}
	}
	return false;
}

static bool is_list_of_text(const struct json *v)
{
	if (!json_is(v, JSON_IS_ARRAY))
		return false;
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i]->kind != JSON_IS_STR)
			return false;
	return true;
}

static bool is_map_of_lists(const struct json *v)
{
	if (!json_is(v, JSON_IS_OBJECT))
		return false;
	for (size_t i = 0; i < v->n; i++)
		if (!is_list_of_text(v->members[i].value))
			return false;
	return true;
}

static bool is_number(const struct json *v)
{
	return v->kind == JSON_IS_INT || v->kind == JSON_IS_REAL;
}

static bool is_count(const struct json *v)
{
	int64_t whole;
	return json_is_whole(v, &whole) && whole >= 0;
}

const char *schema_form_wanted(enum form form, const struct json *v)
{
	switch (form) {
	case FORM_BOOL:
		return v->kind == JSON_IS_BOOL ? NULL : "true or false";
	case FORM_NUMBER:
		return is_number(v) ? NULL : "a number";
	case FORM_POSITIVE:
		return is_number(v) && json_real_of(v, 0) > 0 ? NULL : "a number above 0";
	case FORM_COUNT:
		return is_count(v) ? NULL : "a whole number from 0 on";
	case FORM_STR:
	case FORM_PATTERN:
	case FORM_REF:
		return v->kind == JSON_IS_STR ? NULL : "a string";
	case FORM_STRS:
		return is_list_of_text(v) ? NULL : "an array of strings";
	case FORM_STRS_MAP:
		return is_map_of_lists(v) ? NULL : "an object of arrays of strings";
	case FORM_ARRAY:
		return v->kind == JSON_IS_ARRAY ? NULL : "an array";
	case FORM_SCHEMAS:
		return v->kind == JSON_IS_ARRAY && v->n ? NULL : "a list of schemas";
	case FORM_MAP:
	case FORM_PATTERN_MAP:
		return v->kind == JSON_IS_OBJECT ? NULL : "an object of schemas";
	case FORM_ANY:
	case FORM_TYPES:
	case FORM_SCHEMA:
	default:
		return NULL;
	}
}
