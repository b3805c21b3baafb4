/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The meta-schemas of JSON Schema 2020-12, by their URI, as published at
 * https://json-schema.org/draft/2020-12/schema (titles and comments left out).
 */
#include "json/schema_impl.h"

#define META(path) "https://json-schema.org/draft/2020-12/" path

static const struct {
	struct str uri, text;
} metas[] = {
	{S_INIT(META("schema")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/schema\",\"$vocabulary\":{\"h"
		"ttps://json-schema.org/draft/2020-12/vocab/core\":true,\"https://j"
		"son-schema.org/draft/2020-12/vocab/applicator\":true,\"https://jso"
		"n-schema.org/draft/2020-12/vocab/unevaluated\":true,\"https://json"
		"-schema.org/draft/2020-12/vocab/validation\":true,\"https://json-s"
		"chema.org/draft/2020-12/vocab/meta-data\":true,\"https://json-sche"
		"ma.org/draft/2020-12/vocab/format-annotation\":true,\"https://json"
		"-schema.org/draft/2020-12/vocab/content\":true},\"$dynamicAnchor\":"
		"\"meta\",\"allOf\":[{\"$ref\":\"meta/core\"},{\"$ref\":\"meta/applicator\"},"
		"{\"$ref\":\"meta/unevaluated\"},{\"$ref\":\"meta/validation\"},{\"$ref\":\""
		"meta/meta-data\"},{\"$ref\":\"meta/format-annotation\"},{\"$ref\":\"meta"
		"/content\"}],\"type\":[\"object\",\"boolean\"],\"properties\":{\"definitio"
		"ns\":{\"type\":\"object\",\"additionalProperties\":{\"$dynamicRef\":\"#met"
		"a\"},\"deprecated\":true,\"default\":{}},\"dependencies\":{\"type\":\"obje"
		"ct\",\"additionalProperties\":{\"anyOf\":[{\"$dynamicRef\":\"#meta\"},{\"$"
		"ref\":\"meta/validation#/$defs/stringArray\"}]},\"deprecated\":true,\""
		"default\":{}},\"$recursiveAnchor\":{\"$ref\":\"meta/core#/$defs/anchor"
		"String\",\"deprecated\":true},\"$recursiveRef\":{\"$ref\":\"meta/core#/$"
		"defs/uriReferenceString\",\"deprecated\":true}}}")},
	{S_INIT(META("meta/applicator")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/applicator\",\"$vocabu"
		"lary\":{\"https://json-schema.org/draft/2020-12/vocab/applicator\":"
		"true},\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"prope"
		"rties\":{\"prefixItems\":{\"$ref\":\"#/$defs/schemaArray\"},\"items\":{\"$"
		"dynamicRef\":\"#meta\"},\"contains\":{\"$dynamicRef\":\"#meta\"},\"additio"
		"nalProperties\":{\"$dynamicRef\":\"#meta\"},\"properties\":{\"type\":\"obj"
		"ect\",\"additionalProperties\":{\"$dynamicRef\":\"#meta\"},\"default\":{}"
		"},\"patternProperties\":{\"type\":\"object\",\"additionalProperties\":{\""
		"$dynamicRef\":\"#meta\"},\"propertyNames\":{\"format\":\"regex\"},\"defaul"
		"t\":{}},\"dependentSchemas\":{\"type\":\"object\",\"additionalProperties"
		"\":{\"$dynamicRef\":\"#meta\"},\"default\":{}},\"propertyNames\":{\"$dynam"
		"icRef\":\"#meta\"},\"if\":{\"$dynamicRef\":\"#meta\"},\"then\":{\"$dynamicRe"
		"f\":\"#meta\"},\"else\":{\"$dynamicRef\":\"#meta\"},\"allOf\":{\"$ref\":\"#/$d"
		"efs/schemaArray\"},\"anyOf\":{\"$ref\":\"#/$defs/schemaArray\"},\"oneOf\""
		":{\"$ref\":\"#/$defs/schemaArray\"},\"not\":{\"$dynamicRef\":\"#meta\"}},\""
		"$defs\":{\"schemaArray\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$dy"
		"namicRef\":\"#meta\"}}}}")},
	{S_INIT(META("meta/content")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/content\",\"$vocabular"
		"y\":{\"https://json-schema.org/draft/2020-12/vocab/content\":true},"
		"\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"properties\""
		":{\"contentEncoding\":{\"type\":\"string\"},\"contentMediaType\":{\"type\""
		":\"string\"},\"contentSchema\":{\"$dynamicRef\":\"#meta\"}}}")},
	{S_INIT(META("meta/core")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/core\",\"$vocabulary\":"
		"{\"https://json-schema.org/draft/2020-12/vocab/core\":true},\"$dyna"
		"micAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"properties\":{\"$id"
		"\":{\"$ref\":\"#/$defs/uriReferenceString\",\"pattern\":\"^[^#]*#?$\"},\"$"
		"schema\":{\"$ref\":\"#/$defs/uriString\"},\"$ref\":{\"$ref\":\"#/$defs/uri"
		"ReferenceString\"},\"$anchor\":{\"$ref\":\"#/$defs/anchorString\"},\"$dy"
		"namicRef\":{\"$ref\":\"#/$defs/uriReferenceString\"},\"$dynamicAnchor\""
		":{\"$ref\":\"#/$defs/anchorString\"},\"$vocabulary\":{\"type\":\"object\","
		"\"propertyNames\":{\"$ref\":\"#/$defs/uriString\"},\"additionalProperti"
		"es\":{\"type\":\"boolean\"}},\"$comment\":{\"type\":\"string\"},\"$defs\":{\"t"
		"ype\":\"object\",\"additionalProperties\":{\"$dynamicRef\":\"#meta\"}}},\""
		"$defs\":{\"anchorString\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A"
		"-Za-z0-9._]*$\"},\"uriString\":{\"type\":\"string\",\"format\":\"uri\"},\"ur"
		"iReferenceString\":{\"type\":\"string\",\"format\":\"uri-reference\"}}}")},
	{S_INIT(META("meta/format-annotation")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/format-annotation\",\""
		"$vocabulary\":{\"https://json-schema.org/draft/2020-12/vocab/forma"
		"t-annotation\":true},\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"bo"
		"olean\"],\"properties\":{\"format\":{\"type\":\"string\"}}}")},
	{S_INIT(META("meta/meta-data")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/meta-data\",\"$vocabul"
		"ary\":{\"https://json-schema.org/draft/2020-12/vocab/meta-data\":tr"
		"ue},\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"propert"
		"ies\":{\"title\":{\"type\":\"string\"},\"description\":{\"type\":\"string\"},"
		"\"default\":true,\"deprecated\":{\"type\":\"boolean\",\"default\":false},\""
		"readOnly\":{\"type\":\"boolean\",\"default\":false},\"writeOnly\":{\"type\""
		":\"boolean\",\"default\":false},\"examples\":{\"type\":\"array\",\"items\":t"
		"rue}}}")},
	{S_INIT(META("meta/unevaluated")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/unevaluated\",\"$vocab"
		"ulary\":{\"https://json-schema.org/draft/2020-12/vocab/unevaluated"
		"\":true},\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"pro"
		"perties\":{\"unevaluatedItems\":{\"$dynamicRef\":\"#meta\"},\"unevaluate"
		"dProperties\":{\"$dynamicRef\":\"#meta\"}}}")},
	{S_INIT(META("meta/validation")),
	 S_INIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":"
		"\"https://json-schema.org/draft/2020-12/meta/validation\",\"$vocabu"
		"lary\":{\"https://json-schema.org/draft/2020-12/vocab/validation\":"
		"true},\"$dynamicAnchor\":\"meta\",\"type\":[\"object\",\"boolean\"],\"prope"
		"rties\":{\"type\":{\"anyOf\":[{\"$ref\":\"#/$defs/simpleTypes\"},{\"type\":"
		"\"array\",\"items\":{\"$ref\":\"#/$defs/simpleTypes\"},\"minItems\":1,\"uni"
		"queItems\":true}]},\"const\":true,\"enum\":{\"type\":\"array\",\"items\":tr"
		"ue},\"multipleOf\":{\"type\":\"number\",\"exclusiveMinimum\":0},\"maximum"
		"\":{\"type\":\"number\"},\"exclusiveMaximum\":{\"type\":\"number\"},\"minimu"
		"m\":{\"type\":\"number\"},\"exclusiveMinimum\":{\"type\":\"number\"},\"maxLe"
		"ngth\":{\"$ref\":\"#/$defs/nonNegativeInteger\"},\"minLength\":{\"$ref\":"
		"\"#/$defs/nonNegativeIntegerDefault0\"},\"pattern\":{\"type\":\"string\""
		",\"format\":\"regex\"},\"maxItems\":{\"$ref\":\"#/$defs/nonNegativeIntege"
		"r\"},\"minItems\":{\"$ref\":\"#/$defs/nonNegativeIntegerDefault0\"},\"un"
		"iqueItems\":{\"type\":\"boolean\",\"default\":false},\"maxContains\":{\"$r"
		"ef\":\"#/$defs/nonNegativeInteger\"},\"minContains\":{\"$ref\":\"#/$defs"
		"/nonNegativeInteger\",\"default\":1},\"maxProperties\":{\"$ref\":\"#/$de"
		"fs/nonNegativeInteger\"},\"minProperties\":{\"$ref\":\"#/$defs/nonNega"
		"tiveIntegerDefault0\"},\"required\":{\"$ref\":\"#/$defs/stringArray\"},"
		"\"dependentRequired\":{\"type\":\"object\",\"additionalProperties\":{\"$r"
		"ef\":\"#/$defs/stringArray\"}}},\"$defs\":{\"nonNegativeInteger\":{\"typ"
		"e\":\"integer\",\"minimum\":0},\"nonNegativeIntegerDefault0\":{\"$ref\":\""
		"#/$defs/nonNegativeInteger\",\"default\":0},\"simpleTypes\":{\"enum\":["
		"\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]},"
		"\"stringArray\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueI"
		"tems\":true,\"default\":[]}}}")},
};

struct str schema_meta_text(struct str uri)
{
	for (size_t i = 0; i < ARRAY_LEN(metas); i++)
		if (str_eq(metas[i].uri, uri))
			return metas[i].text;
	return S("");
}
