/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the official suite does not cover: the words and places of faults, defaults, bounds
 * against hostile schemas, formats, closed roots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "json/schema.h"

static int setup(void **state)
{
	struct err e = ERR_INIT;
	return arena_new((size_t)64 << 20, (struct arena **)state, &e);
}

static int teardown(void **state)
{
	(void)arena_free(*state);
	return 0;
}

static struct json *parsed(struct arena *a, const char *text)
{
	struct err e = ERR_INIT;
	struct json *j = NULL;
	if (json_parse(str_from(text), a, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static struct schema *compiled(struct arena *a, const char *text,
			       const struct schema_options *o)
{
	struct err e = ERR_INIT;
	struct schema *s = NULL;
	if (schema_compile(parsed(a, text), o, a, &s, &e) < 0)
		fail_msg("%s: %s: %s", text, e.field, e.text);
	return s;
}

static void faults_have_place_and_words(void **state)
{
	static const struct {
		const char *schema, *instance, *field, *text;
	} cases[] = {
		{"{\"properties\":{\"port\":{\"maximum\":65535}}}", "{\"port\":70000}",
		 "parameters.port", "is above the maximum 65535"},
		{"{\"properties\":{\"port\":{\"exclusiveMinimum\":0}}}", "{\"port\":0}",
		 "parameters.port", "is not above 0"},
		{"{\"type\":\"object\"}", "[]", "parameters",
		 "is an array, an object is wanted"},
		{"{\"type\":[\"integer\",\"null\"]}", "\"x\"", "parameters",
		 "is a string, a null or an integer is wanted"},
		{"{\"required\":[\"title\"]}", "{}", "parameters.title", "is missing"},
		{"{\"properties\":{\"a\":{}},\"additionalProperties\":false}",
		 "{\"a\":1,\"b\":2}", "parameters.b", "unknown field"},
		{"{\"items\":{\"properties\":{\"x\":{\"enum\":[\"a\",\"b\"]}}}}",
		 "[{},{\"x\":\"c\"}]", "parameters[1].x", "is not one of [\"a\",\"b\"]"},
		{"{\"const\":5}", "6", "parameters", "is not 5"},
		{"{\"minLength\":1}", "\"\"", "parameters", "is empty"},
		{"{\"maxLength\":2}", "\"ééé\"", "parameters", "is longer than 2 characters"},
		{"{\"pattern\":\"^[a-z]+$\"}", "\"A\"", "parameters",
		 "does not match the pattern \"^[a-z]+$\""},
		{"{\"multipleOf\":0.01}", "0.001", "parameters", "is not a multiple of 0.01"},
		{"{\"minItems\":2}", "[1]", "parameters", "has 1 items, at least 2 are wanted"},
		{"{\"maxProperties\":0}", "{\"a\":1}", "parameters",
		 "has 1 members, at most 0 are allowed"},
		{"{\"uniqueItems\":true}", "[1,{\"a\":2},{\"a\":2.0}]", "parameters",
		 "has equal items at 1 and 2"},
		{"{\"prefixItems\":[{}],\"items\":false}", "[1,2]", "parameters[1]",
		 "is one item too many"},
		{"{\"dependentRequired\":{\"user\":[\"password\"]}}", "{\"user\":1}",
		 "parameters.password", "is missing: 'user' needs it"},
		{"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}", "parameters.ab",
		 "the name of this member: is longer than 1 characters"},
		{"{\"not\":{}}", "1", "parameters", "has a form that is not allowed"},
		{"{\"contains\":{\"const\":1}}", "[2]", "parameters",
		 "has 0 items of a form of which 1 are wanted"},
		{"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":"
		 "{\"n\":{\"type\":\"integer\"}}}]}",
		 "{\"n\":\"x\"}", "parameters.n", "is a string, an integer is wanted"},
		{"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1", "parameters",
		 "fits none of the 2 forms allowed here; one of them: is an integer, a string "
		 "is "
		 "wanted"},
		{"{\"oneOf\":[{},true]}", "1", "parameters",
		 "fits more than one of the 2 forms that exclude each other"},
		{"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1}",
		 "parameters.b", "is missing"},
		{"{\"properties\":{\"a\":false}}", "{\"a\":1}", "parameters.a",
		 "is not allowed"},
		{"{\"allOf\":[{\"properties\":{\"a\":{}}}],\"unevaluatedProperties\":false}",
		 "{\"a\":1,\"etc/x\":1}", "parameters[\"etc/x\"]", "unknown field"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct schema *s = compiled(*state, cases[i].schema, NULL);
		assert_int_equal(schema_check(s, parsed(*state, cases[i].instance),
					      S("parameters"), *state, &e),
				 -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
		assert_string_equal(e.text, cases[i].text);
	}
}

static void bad_schemas_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *schema, *field, *said;
	} cases[] = {
		{"1", "", "is not a schema"},
		{"{\"properties\":{\"a\":{\"minimum\":\"1\"}}}", "properties.a.minimum",
		 "a number is wanted"},
		{"{\"properties\":[]}", "properties", "an object of schemas is wanted"},
		{"{\"type\":\"text\"}", "type", "or a list of them is wanted"},
		{"{\"type\":[]}", "type", "at least one type is wanted"},
		{"{\"multipleOf\":0}", "multipleOf", "a number above 0 is wanted"},
		{"{\"minLength\":-1}", "minLength", "a whole number from 0 on is wanted"},
		{"{\"required\":[1]}", "required", "an array of strings is wanted"},
		{"{\"allOf\":[]}", "allOf", "a list of schemas is wanted"},
		{"{\"allOf\":[{},5]}", "allOf[1]", "is not a schema"},
		{"{\"$ref\":\"#/$defs/none\"}", "$ref", "leads nowhere: #/$defs/none"},
		{"{\"items\":{\"$ref\":\"http://example.com/x\"}}", "items.$ref",
		 "leads nowhere"},
		{"{\"pattern\":\"(\"}", "pattern",
		 "is not a pattern: missing closing parenthesis"},
		{"{\"patternProperties\":{\"[\":{}}}", "patternProperties[\"[\"]",
		 "is not a pattern"},
		{"{\"pattern\":\"((((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))"
		 ")))))))\"}",
		 "pattern", "is not a pattern"},
		{"{\"pattern\":\"((a{1000}){1000}){1000}\"}", "pattern", "too large"},
		{"{\"$id\":\"#x\"}", "", "$id has a fragment"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct schema *s = NULL;
		assert_int_equal(
			schema_compile(parsed(*state, cases[i].schema), NULL, *state, &s, &e),
			-1);
		assert_int_equal(e.kind, ERR_INVALID);
		if (!strstr(e.text, cases[i].said))
			fail_msg("%s: %s", cases[i].schema, e.text);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void hostile_schemas_end(void **state)
{
	static const struct {
		const char *schema, *instance;
	} cases[] = {
		{"{\"$ref\":\"#\"}", "1"},
		{"{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1"},
		{"{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/"
		 "a\"}],\"$defs\":{\"a\":"
		 "{\"not\":{\"$ref\":\"#\"}}}}",
		 "1"},
		{"{\"$dynamicAnchor\":\"x\",\"$dynamicRef\":\"#x\"}", "1"},
		{"{\"pattern\":\"^(a+)+$\"}",
		 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\""},
		{"{\"patternProperties\":{\"^(a|a)*$\":{}}}",
		 "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\":1}"},
		{"{\"pattern\":\"(?R)?x*y\"}",
		 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct schema *s = compiled(*state, cases[i].schema, NULL);
		int rc = schema_check(s, parsed(*state, cases[i].instance), S("p"), *state, &e);
		assert_int_equal(rc, -1);
		assert_true(e.kind == ERR_TOO_LARGE || (i == 6 && e.kind == ERR_INVALID));
	}
}

/* Branches that double at every level: 2^40 ways without a bound on work. */
static void doubling_branches_end(void **state)
{
	struct arena *a = *state;
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	struct err e = ERR_INIT;
	buf_add(&b, S("{\"$ref\":\"#/$defs/l0\",\"$defs\":{\"l40\":false"));
	for (int i = 0; i < 40; i++)
		buf_addf(&b,
			 ",\"l%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/l%d\"},{\"$ref\":\"#/$defs/"
			 "l%d\"}]}",
			 i, i + 1, i + 1);
	buf_add(&b, S("}}"));
	struct schema *s = compiled(a, b.p, NULL);
	assert_int_equal(schema_check(s, parsed(a, "1"), S(""), a, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void large_schemas_are_refused(void **state)
{
	struct arena *a = *state;
	struct err e = ERR_INIT;
	struct schema *s = NULL;
	struct json *tree = json_object_new(a), *defs = json_object_new(a);
	for (int i = 0; i <= SCHEMA_NODES_MAX; i++)
		json_set(a, defs, arena_fmt(a, "%05d", i), json_object_new(a));
	json_set(a, tree, S("$defs"), defs);
	assert_int_equal(schema_compile(tree, NULL, a, &s, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void defaults_are_applied(void **state)
{
	static const struct {
		const char *schema, *instance, *want;
	} cases[] = {
		{"{\"properties\":{\"a\":{\"default\":1},\"b\":{}}}", "{}", "{\"a\":1}"},
		{"{\"properties\":{\"a\":{\"default\":1}}}", "{\"a\":null}", "{\"a\":null}"},
		{"{\"properties\":{\"o\":{\"default\":{},\"properties\":{\"x\":{\"default\":[2]"
		 "}}}}}",
		 "{}", "{\"o\":{\"x\":[2]}}"},
		{"{\"properties\":{\"o\":{\"properties\":{\"x\":{\"default\":2}}}}}", "{}",
		 "{}"},
		{"{\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
		 "d\"}},\"$defs\":{\"d\":{\"default\":3}}}",
		 "{}", "{\"a\":3}"},
		{"{\"allOf\":[{\"properties\":{\"a\":{\"allOf\":[{\"default\":4}]}}}]}", "{}",
		 "{\"a\":4}"},
		{"{\"items\":{\"properties\":{\"a\":{\"default\":1}}}}", "[{},{\"a\":2},3]",
		 "[{\"a\":1},{\"a\":2},3]"},
		{"{\"prefixItems\":[{}],\"items\":{\"properties\":{\"a\":{\"default\":1}}}}",
		 "[{},{}]", "[{},{\"a\":1}]"},
		{"{\"additionalProperties\":{\"properties\":{\"a\":{\"default\":1}}}}",
		 "{\"x\":{}}", "{\"x\":{\"a\":1}}"},
		{"{\"anyOf\":[{\"properties\":{\"a\":{\"default\":1}}}]}", "{}", "{}"},
		{"true", "{}", "{}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct json *instance = parsed(*state, cases[i].instance), *out = NULL;
		struct str before = json_text(instance, *state);
		struct schema *s = compiled(*state, cases[i].schema, NULL);
		assert_int_equal(schema_apply_defaults(s, instance, *state, &out, &e), 0);
		assert_string_equal(json_text(out, *state).p, cases[i].want);
		assert_true(str_eq(json_text(instance, *state), before));
	}
}

static void endless_defaults_end(void **state)
{
	struct err e = ERR_INIT;
	struct json *out = NULL;
	struct schema *s = compiled(
		*state, "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"default\":{}}", NULL);
	assert_int_equal(schema_apply_defaults(s, parsed(*state, "{}"), *state, &out, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	assert_null(out);
}

static void closed_roots_know_every_member(void **state)
{
	static const struct {
		const char *schema, *instance;
		int want;
	} cases[] = {
		{"{\"properties\":{\"a\":{}}}", "{\"a\":1}", 0},
		{"{\"properties\":{\"a\":{}}}", "{\"b\":1}", -1},
		{"{\"allOf\":[{\"properties\":{\"a\":{}}}]}", "{\"a\":1}", 0},
		{"{\"additionalProperties\":true}", "{\"b\":1}", 0},
		{"{\"patternProperties\":{\"^b\":{}}}", "{\"b\":1}", 0},
		{"{}", "{\"b\":1}", -1},
		{"{}", "{}", 0},
		{"true", "{\"b\":1}", 0},
	};
	const struct schema_options closed = {.is_closed = true};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct schema *s = compiled(*state, cases[i].schema, &closed);
		int rc = schema_check(s, parsed(*state, cases[i].instance), S(""), *state, &e);
		assert_int_equal(rc, cases[i].want);
		assert_true(rc == 0 || strcmp(e.field, "b") == 0);
	}
}

static void formats_are_asserted_when_asked(void **state)
{
	static const struct {
		const char *format, *text;
		bool is_valid;
	} cases[] = {
		{"date-time", "2024-02-29T23:59:60Z", true},
		{"date-time", "2023-02-29T00:00:00Z", false},
		{"date-time", "2024-01-01T00:00:00", false},
		{"date-time", "2024-01-01T12:34:56.789+05:30", true},
		{"date", "2024-13-01", false},
		{"time", "08:30:06-08:00", true},
		{"time", "22:59:60Z", false},
		{"duration", "P4DT12H30M5S", true},
		{"duration", "P1D2H", false},
		{"duration", "PT1S1H", false},
		{"duration", "P2W", true},
		{"duration", "PT", false},
		{"email", "joe.bloggs@example.com", true},
		{"email", "joe..bloggs@example.com", false},
		{"email", "@example.com", false},
		{"hostname", "www.example.com", true},
		{"hostname", "-bad.example", false},
		{"ipv4", "192.168.0.1", true},
		{"ipv4", "192.168.0.256", false},
		{"ipv6", "fe80::1", true},
		{"ipv6", "fe80::1%eth0", false},
		{"uri", "http://example.com/a?b#c", true},
		{"uri", "/relative", false},
		{"uri", "http:// space", false},
		{"uuid", "2EB8AA08-AA98-11EA-B4AA-73B441D16380", true},
		{"uuid", "2eb8aa08-aa98-11ea-b4aa73b441d16380", false},
		{"regex", "^a+$", true},
		{"regex", "(", false},
		{"json-pointer", "/a/~0b", true},
		{"json-pointer", "/a/~b", false},
		{"never-heard-of", "x", true},
	};
	const struct schema_options asserting = {.asserts_format = true};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct str text = arena_fmt(*state, "{\"format\":\"%s\"}", cases[i].format);
		struct json *instance = json_str_new(*state, str_from(cases[i].text));
		int rc = schema_check(compiled(*state, text.p, &asserting), instance, S(""),
				      *state, &e);
		if ((rc == 0) != cases[i].is_valid)
			fail_msg("%s: %s: %d", cases[i].format, cases[i].text, rc);
		assert_int_equal(schema_check(compiled(*state, text.p, NULL), instance, S(""),
					      *state, &e),
				 0);
	}
}

static void schemas_may_be_checked_by_the_meta_schema(void **state)
{
	struct err e = ERR_INIT;
	struct schema *s = compiled(
		*state, "{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}", NULL);
	assert_int_equal(
		schema_check(s, parsed(*state, "{\"properties\":{\"a\":{\"minimum\":1}}}"),
			     S(""), *state, &e),
		0);
	assert_int_equal(
		schema_check(s, parsed(*state, "{\"properties\":{\"a\":{\"minimum\":\"1\"}}}"),
			     S("schema"), *state, &e),
		-1);
	assert_string_equal(e.field, "schema.properties.a.minimum");
	assert_string_equal(e.text, "is a string, a number is wanted");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(faults_have_place_and_words),
		T(bad_schemas_are_refused_with_their_place),
		T(hostile_schemas_end),
		T(doubling_branches_end),
		T(large_schemas_are_refused),
		T(defaults_are_applied),
		T(endless_defaults_end),
		T(closed_roots_know_every_member),
		T(formats_are_asserted_when_asked),
		T(schemas_may_be_checked_by_the_meta_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
