/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "json/schema.h"
#include "sample.h"

static int setup(void **state)
{
	struct err e = ERR_INIT;
	return arena_new((size_t)32 << 20, (struct arena **)state, &e);
}

static int teardown(void **state)
{
	(void)arena_free(*state);
	return 0;
}

static const char whole[] =
	"{\"title\":\"t\",\"password\":\"geheim\",\"seconds\":5,\"cpus\":0.5,\"on\":true,"
	"\"state\":\"down\",\"any\":[1,null],\"parameters\":{\"a\":1},"
	"\"one\":{\"n\":1},\"maybe\":{\"n\":2,\"exec\":[\"a\",\"b\"]},"
	"\"items\":[{\"n\":3},{\"n\":4}],\"env\":{\"A\":\"1\",\"B\":\"2\"},"
	"\"services\":{\"pg\":{\"n\":5,\"exec\":[\"x\"]},\"web\":{\"n\":0}},"
	"\"children\":[{\"title\":\"c\",\"seconds\":30,\"on\":true,\"one\":{\"n\":0},"
	"\"maybe\":null}]}";

static void what_is_read_is_written_back(void **state)
{
	struct err e = ERR_INIT;
	struct sample s;
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	if (json_read(&sample_desc, str_from(whole), *state, &s, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	assert_int_equal(s.state, SAMPLE_DOWN);
	assert_int_equal(s.maybe->n_exec, 2);
	assert_true(str_is(s.maybe->exec[1], "b"));
	assert_true(str_is(s.services[0].name, "pg"));
	assert_int_equal(s.services[0].n, 5);
	assert_true(str_is(s.env[1].value, "2"));
	assert_int_equal(s.n_children, 1);
	assert_int_equal(s.children[0].seconds, 30);
	json_write_struct(&sample_desc, &s, &b);
	assert_string_equal(b.p, whole);
	buf_clear(&b);
	json_write_masked(&sample_desc, &s, &b);
	assert_null(strstr(b.p, "geheim"));
	assert_non_null(strstr(b.p, "\"password\":\"***\""));
}

static void what_is_absent_has_its_initial_value(void **state)
{
	struct err e = ERR_INIT;
	struct sample s;
	assert_int_equal(json_read(&sample_desc, S("{\"title\":\"\\u00e9\",\"maybe\":null}"),
				   *state, &s, &e),
			 0);
	assert_int_equal(s.seconds, 30);
	assert_true(s.is_on);
	assert_null(s.password.p);
	assert_null(s.maybe);
	assert_null(s.any);
	assert_int_equal(s.n_items, 0);
	assert_int_equal(s.state, 0);
}

static void faults_name_the_whole_path(void **state)
{
	static const struct {
		const char *text, *field, *said;
	} cases[] = {
		{"[]", "", "is an array, an object is wanted"},
		{"{}", "title", "is missing"},
		{"{\"title\":null}", "title", "is null"},
		{"{\"title\":\"\"}", "title", "is empty"},
		{"{\"title\":\"a/b\"}", "title", "has a slash"},
		{"{\"title\":\"123456789012345678901\"}", "title", "has 21 bytes, at most 20"},
		{"{\"title\":5}", "title", "is an integer, a string is wanted"},
		{"{\"title\":\"t\",\"seconds\":\"5\"}", "seconds", "an integer is wanted"},
		{"{\"title\":\"t\",\"seconds\":5.5}", "seconds", "an integer is wanted"},
		{"{\"title\":\"t\",\"seconds\":-2}", "seconds", "is below the minimum -1"},
		{"{\"title\":\"t\",\"seconds\":3601}", "seconds", "is above the maximum 3600"},
		{"{\"title\":\"t\",\"cpus\":65.5}", "cpus", "is above the maximum 64"},
		{"{\"title\":\"t\",\"cpus\":-1}", "cpus", "is below the minimum 0"},
		{"{\"title\":\"t\",\"cpus\":[]}", "cpus", "a number is wanted"},
		{"{\"title\":\"t\",\"on\":1}", "on", "true or false is wanted"},
		{"{\"title\":\"t\",\"on\":null}", "on", "is null"},
		{"{\"title\":\"t\",\"state\":\"sideways\"}", "state",
		 "is not one of: up, down"},
		{"{\"title\":\"t\",\"state\":1}", "state", "a string is wanted"},
		{"{\"title\":\"t\",\"parameters\":[]}", "parameters", "an object is wanted"},
		{"{\"title\":\"t\",\"version\":1}", "version", "cannot be set"},
		{"{\"title\":\"t\",\"colour\":1}", "colour", "unknown field"},
		{"{\"title\":\"t\",\"one\":{\"x y\":1}}", "one[\"x y\"]", "unknown field"},
		{"{\"title\":\"t\",\"maybe\":{\"n\":6}}", "maybe.n", "is above the maximum 5"},
		{"{\"title\":\"t\",\"items\":[{},{\"exec\":[\"a\",1]}]}", "items[1].exec[1]",
		 "is an integer, a string is wanted"},
		{"{\"title\":\"t\",\"items\":[{},{},{},{}]}", "items",
		 "has 4 entries, at most 3"},
		{"{\"title\":\"t\",\"items\":{}}", "items", "an array is wanted"},
		{"{\"title\":\"t\",\"items\":[1]}", "items[0]", "an object is wanted"},
		{"{\"title\":\"t\",\"env\":{\"A\":1}}", "env.A", "a string is wanted"},
		{"{\"title\":\"t\",\"env\":{\"\":\"1\"}}", "env[\"\"]",
		 "a name has 1 … 255 bytes"},
		{"{\"title\":\"t\",\"services\":{\"pg\":{\"exec\":[\"0\",\"1\",\"12345678901\"]"
		 "}}}",
		 "services.pg.exec[2]", "has 11 bytes, at most 10"},
		{"{\"title\":\"t\",\"services\":{\"a/b\":{}}}", "services[\"a/b\"]",
		 "has a slash"},
		{"{\"title\":\"t\",\"children\":[{\"title\":\"u\",\"children\":[{}]}]}",
		 "children[0].children[0].title", "is missing"},
		{"{\"title\":", "", "not valid JSON at line 1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct sample s, before;
		memset(&s, 7, sizeof s);
		before = s;
		assert_int_equal(
			json_read(&sample_desc, str_from(cases[i].text), *state, &s, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
		if (!strstr(e.text, cases[i].said))
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_memory_equal(&s, &before, sizeof s);
	}
}

static void trees_are_read_below_a_path(void **state)
{
	struct err e = ERR_INIT;
	struct json *j = NULL;
	struct sample_item item;
	assert_int_equal(json_parse(S("{\"n\":9}"), *state, &j, &e), 0);
	assert_int_equal(
		json_read_tree(&sample_item_desc, j, S("types.default"), *state, &item, &e),
		-1);
	assert_string_equal(e.field, "types.default.n");
}

static void open_tables_skip_what_they_do_not_know(void **state)
{
	struct json_desc open = sample_item_desc;
	struct err e = ERR_INIT;
	struct sample_item item;
	open.is_open = true;
	assert_int_equal(json_read(&open, S("{\"n\":3,\"new\":1}"), *state, &item, &e), 0);
	assert_int_equal(item.n, 3);
}

static void long_paths_are_cut_to_valid_text(void **state)
{
	struct err e = ERR_INIT;
	struct sample s;
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	buf_add(&b, S("{\"title\":\"t\",\"x"));
	for (int i = 0; i < 200; i++)
		buf_add(&b, S("é"));
	buf_add(&b, S("\":1}"));
	assert_int_equal(json_read(&sample_desc, buf_str(&b), *state, &s, &e), -1);
	assert_true(str_is_utf8(str_from(e.field)));
	assert_in_range(strlen(e.field), 150, ERR_FIELD_MAX - 1);
}

/* The schema of the table says about an instance what the reader says. */
static void the_schema_agrees_with_the_reader(void **state)
{
	static const char *const texts[] = {
		whole,
		"{}",
		"{\"title\":\"t\"}",
		"{\"title\":\"t\",\"maybe\":null}",
		"{\"title\":\"t\",\"colour\":1}",
		"{\"title\":\"t\",\"seconds\":3601}",
		"{\"title\":\"t\",\"state\":\"sideways\"}",
		"{\"title\":\"t\",\"items\":[{},{},{},{}]}",
		"{\"title\":\"t\",\"env\":{\"A\":1}}",
		"{\"title\":\"t\",\"services\":{\"x\":{\"n\":5}}}",
		"{\"title\":\"t\",\"services\":{\"x\":{\"n\":6}}}",
	};
	struct err e = ERR_INIT;
	struct schema *schema = NULL;
	struct json *tree = json_desc_schema(&sample_desc, *state);
	assert_non_null(tree);
	if (schema_compile(tree, NULL, *state, &schema, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct json *j = NULL;
		struct sample s;
		assert_int_equal(json_parse(str_from(texts[i]), *state, &j, &e), 0);
		int checked = schema_check(schema, j, S(""), *state, &e);
		int read = json_read_tree(&sample_desc, j, S(""), *state, &s, &e);
		if (checked != read)
			fail_msg("%s: schema %d, reader %d: %s %s", texts[i], checked, read,
				 e.field, e.text);
	}
	assert_true(json_bool_of(json_path(tree, S("properties.password.writeOnly")), false));
	assert_true(json_bool_of(json_path(tree, S("properties.version.readOnly")), false));
	assert_int_equal(json_i64_of(json_path(tree, S("properties.seconds.default")), 0), 30);
	assert_true(
		str_is(json_str_of(json_path(tree, S("properties.title.description")), S("")),
		       "Its name."));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_read_is_written_back),
		T(what_is_absent_has_its_initial_value),
		T(faults_name_the_whole_path),
		T(trees_are_read_below_a_path),
		T(open_tables_skip_what_they_do_not_know),
		T(long_paths_are_cut_to_valid_text),
		T(the_schema_agrees_with_the_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
