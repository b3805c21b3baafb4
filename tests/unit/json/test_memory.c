/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every allocation of every module fails once: each time a clear error, no leak (the sanitizer
 * flavour tells), outputs untouched; then the operation passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "json/schema.h"
#include "sample.h"

static const char text[] =
	"{\"title\":\"t\",\"items\":[{\"n\":1,\"exec\":[\"a\"]}],\"env\":{\"A\":\"1\"},"
	"\"services\":{\"pg\":{\"n\":5}},\"children\":[{\"title\":\"u\"}],\"any\":[1.5,null,"
	"true]}";

static int run_parse(struct arena *a, struct err *e)
{
	struct json *j = NULL;
	int rc = json_parse(str_from(text), a, &j, e);
	assert_int_equal(rc == 0, j != NULL);
	return rc;
}

/* The library does not notice that a token could not grow: escapes right where it has to. */
static int run_escapes(struct arena *a, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	struct json *j = NULL;
	for (int pad = 0; pad < 4; pad++) {
		buf_clear(&b);
		buf_addf(&b, "[%.*s\"", pad, "   ");
		for (int i = 0; i < 400; i++)
			buf_add(&b, S("\\\"\\n"));
		buf_add(&b, S("\"]"));
		if (buf_check(&b, e) < 0 || json_parse(buf_str(&b), a, &j, e) < 0)
			return -1;
		assert_int_equal(json_at(j, 0)->str.n, 800);
	}
	return 0;
}

static int run_desc(struct arena *a, struct err *e)
{
	struct sample s = {.seconds = 99};
	int rc = json_read(&sample_desc, str_from(text), a, &s, e);
	assert_int_equal(s.seconds, rc == 0 ? 30 : 99);
	if (rc < 0)
		return rc;
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	json_write_struct(&sample_desc, &s, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	(void)json_desc_schema(&sample_item_desc, a);
	return arena_check(a, e);
}

static int run_schema(struct arena *a, struct err *e)
{
	static const char schema[] =
		"{\"$ref\":\"#/$defs/x\",\"unevaluatedProperties\":false,\"$defs\":{\"x\":"
		"{\"anyOf\":[{\"required\":[\"none\"]},{\"properties\":{\"title\":{\"pattern\":"
		"\"^[a-z]*$\",\"default\":\"x\"},\"items\":{\"uniqueItems\":true}},"
		"\"patternProperties\":{\"^[^z]\":{}}}]}}}";
	struct json *tree = NULL, *instance = NULL, *filled = NULL;
	struct schema *s = NULL;
	if (json_parse(str_from(schema), a, &tree, e) < 0 ||
	    json_parse(str_from(text), a, &instance, e) < 0 ||
	    schema_compile(tree, NULL, a, &s, e) < 0 ||
	    schema_apply_defaults(s, instance, a, &filled, e) < 0)
		return -1;
	return schema_check(s, filled, S(""), a, e);
}

static int run_meta(struct arena *a, struct err *e)
{
	struct json *tree = NULL;
	struct schema *s = NULL;
	static const char schema[] =
		"{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}";
	if (json_parse(str_from(schema), a, &tree, e) < 0 ||
	    schema_compile(tree, NULL, a, &s, e) < 0)
		return -1;
	return schema_check(s, tree, S(""), a, e);
}

typedef int run_fn(struct arena *a, struct err *e);

static int run_once(run_fn *run, size_t limit_bytes, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	return arena_new(limit_bytes, &a, e) < 0 ? -1 : run(a, e);
}

static run_fn *const runs[] = {run_parse, run_escapes, run_desc, run_schema, run_meta};

static void each_allocation_may_fail(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		unsigned long n = 0;
		for (int rc = -1; rc < 0;) {
			struct err e = ERR_INIT;
			(void)mem_fail_after(++n);
			rc = run_once(runs[i], (size_t)4 << 20, &e);
			(void)mem_fail_after(0);
			if (rc < 0 && e.kind != ERR_MEMORY && e.kind != ERR_TOO_LARGE)
				fail_msg("run %zu, allocation %lu: %s", i, n, e.text);
			assert_true(n < 100000);
		}
		assert_true(n > 2);
	}
}

static void each_limit_of_the_arena_may_be_met(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		size_t limit = 0;
		for (int rc = -1; rc < 0; limit += 16 + limit / 64) {
			struct err e = ERR_INIT;
			rc = run_once(runs[i], limit, &e);
			if (rc < 0 && e.kind != ERR_MEMORY && e.kind != ERR_TOO_LARGE)
				fail_msg("run %zu, limit %zu: %s", i, limit, e.text);
			assert_true(limit < (size_t)16 << 20);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(each_limit_of_the_arena_may_be_met),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
