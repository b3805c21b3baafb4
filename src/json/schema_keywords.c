/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every keyword of JSON Schema 2020-12 that asserts or applies, in the order of evaluation.
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
