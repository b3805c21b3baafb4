/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which members are secret, and what a master can still check when they are sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "json/schema.h"
#include "profile/secrets.h"
#include "trust/age.h"

#define SCHEMA \
	"{\"type\":\"object\",\"properties\":{" \
	"\"user\":{\"type\":\"string\",\"maxLength\":5}," \
	"\"password\":{\"type\":\"string\",\"maxLength\":20,\"secret\":true}," \
	"\"key\":{\"type\":\"string\",\"pattern\":\"^k\",\"secret\":true}," \
	"\"open\":{\"type\":\"string\",\"secret\":false}}," \
	"\"required\":[\"password\"]}"

static struct arena *new_arena(void)
{
	struct arena *a = NULL;
	struct err e;
	assert_int_equal(arena_new(16 << 20, &a, &e), 0);
	return a;
}

static struct json *tree(struct arena *a, const char *text)
{
	struct json *j = NULL;
	struct err e = ERR_INIT;
	if (json_parse(str_from(text), a, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static void the_top_level_is_looked_at(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = new_arena();
	struct err e = ERR_INIT;
	struct spec_list names;
	assert_int_equal(profile_secret_names(tree(a, SCHEMA), a, &names, &e), 0);
	assert_int_equal(names.count, 2);
	assert_true(str_is(names.items[0], "key"));
	assert_true(str_is(names.items[1], "password"));
	assert_true(profile_is_secret(&names, S("key")));
	assert_false(profile_is_secret(&names, S("open")));
	assert_int_equal(profile_secret_names(NULL, a, &names, &e), 0);
	assert_int_equal(names.count, 0);
	assert_int_equal(profile_secret_names(tree(a, "{\"properties\":[1]}"), a, &names, &e),
			 0);
	assert_int_equal(names.count, 0);
}

static struct str sealed(struct arena *a, const char *clear)
{
	struct age_identity *i = NULL;
	struct err e = ERR_INIT;
	char recipient[AGE_RECIPIENT_SIZE];
	struct str to, out;
	assert_int_equal(age_identity_make(&i, &e), 0);
	age_identity_recipient(i, recipient);
	to = str_from(recipient);
	assert_int_equal(age_seal(str_from(clear), &to, 1, a, &out, &e), 0);
	age_identity_free(i);
	return out;
}

static void sealed_members_take_any_text(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = new_arena();
	struct err e = ERR_INIT;
	const struct json *full = tree(a, SCHEMA);
	struct spec_list names;
	assert_int_equal(profile_secret_names(full, a, &names, &e), 0);
	struct json *values = json_object_new(a);
	json_set_str(a, values, S("user"), S("me"));
	json_set_str(a, values, S("password"), sealed(a, "hunter2"));
	static const struct {
		const char *what, *key, *text, *field;
		bool is_removed;
	} cases[] = {
		{"a good one", NULL, NULL, "", false},
		{"another clear member is checked", "user", "too long", "p.user", false},
		{"a clear secret is checked", "key", "not k", "p.key", false},
		{"a clear secret is taken", "key", "kk", "", false},
		{"unknown members are refused", "extra", "x", "p.extra", false},
		{"what is required is required", "password", NULL, "p.password", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *v = json_dup_tree(a, values);
		struct schema *s;
		const struct schema_options options = {.is_closed = true};
		e = (struct err)ERR_INIT;
		if (cases[i].is_removed)
			json_unset(v, str_from(cases[i].key));
		else if (cases[i].key)
			json_set_str(a, v, str_from(cases[i].key), str_from(cases[i].text));
		struct json *loose = profile_schema_sealed(full, &names, v, a);
		assert_int_equal(schema_compile(loose, &options, a, &s, &e), 0);
		int rc = schema_check(s, v, S("p"), a, &e);
		if (rc != (cases[i].field[0] ? -1 : 0))
			fail_msg("%s: %s %s", cases[i].what, e.field, e.text);
		assert_string_equal(e.field, cases[i].field);
	}
	/* The schema that was given stays as it is. */
	assert_true(json_is_equal(full, tree(a, SCHEMA)));
}

static void without_values_every_secret_is_loose(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = new_arena();
	struct err e = ERR_INIT;
	struct json *full = tree(a, SCHEMA);
	struct spec_list names;
	assert_int_equal(profile_secret_names(full, a, &names, &e), 0);
	struct json *loose = profile_schema_sealed(full, &names, NULL, a);
	struct json *p = json_get(loose, S("properties"));
	assert_true(json_is_equal(json_get(p, S("key")), tree(a, "{\"type\":\"string\"}")));
	assert_true(json_is_equal(json_get(p, S("password")), json_get(p, S("key"))));
	assert_int_equal(json_i64_of(json_get(json_get(p, S("user")), S("maxLength")), 0), 5);
}

static void misplaced_secrets_are_found(void **state UNUSED)
{
	static const struct {
		const char *schema, *place;
	} cases[] = {
		{SCHEMA, ""},
		{"{}", ""},
		{"{\"properties\":{\"secret\":{\"type\":\"string\"}}}", ""},
		{"{\"properties\":{\"n\":{\"type\":\"integer\",\"secret\":true}}}",
		 "properties.n"},
		{"{\"properties\":{\"x\":{\"secret\":true}}}", "properties.x"},
		{"{\"properties\":{\"o\":{\"type\":\"object\",\"properties\":{\"p\":"
		 "{\"type\":\"string\",\"secret\":true}}}}}",
		 "properties.o.properties.p"},
		{"{\"allOf\":[{\"properties\":{\"p\":{\"type\":\"string\",\"secret\":true}}}]}",
		 "allOf.properties.p"},
		{"{\"$defs\":{\"p\":{\"type\":\"string\",\"secret\":true}}}", "$defs.p"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a CLEAN(arena_freep) = new_arena();
		const char *why = NULL;
		struct str place = profile_secret_misplaced(tree(a, cases[i].schema), a, &why);
		if (!str_is(place, cases[i].place))
			fail_msg("%s: found at '%.*s'", cases[i].schema, STR_A(place));
		assert_int_equal(place.n > 0, why != NULL);
	}
}

static void a_manifest_names_its_secrets(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = new_arena();
	struct err e = ERR_INIT;
	struct profile_manifest m;
	struct str text = arena_fmt(
		a,
		"{\"name\":\"x\",\"title\":\"X\",\"category\":\"c\",\"software\":{\"debian\":"
		"{\"suite\":\"bookworm\",\"packages\":[\"hello\"]}},\"types\":{\"default\":"
		"{\"parameters\":%s,\"connection\":{\"properties\":{\"url\":"
		"{\"type\":\"string\",\"secret\":true}}}}}}",
		SCHEMA);
	if (profile_manifest_read(text, a, &m, &e) < 0)
		fail_msg("%s %s", e.field, e.text);
	assert_int_equal(m.types[0].secret_parameters.count, 2);
	assert_int_equal(m.types[0].secret_connection.count, 1);
	assert_true(str_is(m.types[0].secret_connection.items[0], "url"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_top_level_is_looked_at),
		cmocka_unit_test(sealed_members_take_any_text),
		cmocka_unit_test(without_values_every_secret_is_loose),
		cmocka_unit_test(misplaced_secrets_are_found),
		cmocka_unit_test(a_manifest_names_its_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
