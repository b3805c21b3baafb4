/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "profile/bundle.h"

struct world {
	struct arena *a;
	char dir[64];
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(32 << 20, &w->a, &e), 0);
	(void)snprintf(w->dir, sizeof w->dir, "/tmp/hoc-bundle-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	assert_int_equal(file_remove_tree(w->dir, &e), 0);
	arena_free(w->a);
	free(w);
	return 0;
}

/* Writes DIR/path, folders included; gives the whole path. */
static const char *put(struct world *w, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	const char *whole = arena_fmt(w->a, "%s/%s", w->dir, path).p;
	size_t slash = (size_t)(strrchr(whole, '/') - whole);
	assert_int_equal(file_mkdirs(arena_cstr(w->a, str_of(whole, slash)), 0755, &e), 0);
	assert_int_equal(file_write(whole, str_from(text), 0644, &e), 0);
	return whole;
}

static int collect(struct world *w, const char *path, struct profile_bundle *b, struct err *e)
{
	return profile_bundle_collect(path, NULL, w->a, b, e);
}

static void the_canonical_text_is_sorted_and_hashed(void **state)
{
	struct world *w = *state;
	struct profile_bundle b;
	struct err e = ERR_INIT;
	struct str text =
		S(" {\"name\": \"x\", \"files\": {\"b\": \"2\", \"a.jsonnet\": \"1\"}, "
		  "\"entry\": \"a.jsonnet\"}\n");
	assert_int_equal(profile_bundle_parse(text, w->a, &b, &e), 0);
	assert_true(str_is(b.canonical,
			   "{\"entry\":\"a.jsonnet\",\"files\":{\"a.jsonnet\":\"1\",\"b\":"
			   "\"2\"},\"name\":\"x\"}"));
	/* printf '…' | sha256sum */
	assert_string_equal(b.hash,
			    "dbc107be50bb8fdc2e6fd4ea56b45de62578d62a54c43bafcc94098bd61aec3d");
	assert_int_equal(b.file_count, 2);
}

static void bad_bundles_are_refused_by_field(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"[]", ""},
		{"{\"name\":\"x\",\"entry\":\"a\"}", "files"},
		{"{\"name\":\"X\",\"entry\":\"a\",\"files\":{\"a\":\"\"}}", "name"},
		{"{\"name\":\"x\",\"entry\":\"b\",\"files\":{\"a\":\"\"}}", "entry"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{}}", "files"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":1}}", "files.a"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\"\"},\"more\":1}", "more"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\"\",\"../b\":\"\"}}",
		 "files[\"../b\"]"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\"\",\"/etc/b\":\"\"}}",
		 "files[\"/etc/b\"]"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\"\",\".b\":\"\"}}",
		 "files[\".b\"]"},
		{"{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\"\",\"b//c\":\"\"}}",
		 "files[\"b//c\"]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_bundle b;
		struct err e = ERR_INIT;
		assert_int_equal(profile_bundle_parse(str_from(cases[i].text), w->a, &b, &e),
				 -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void a_large_bundle_is_refused(void **state)
{
	struct world *w = *state;
	struct buf text CLEAN(buf_fini) = BUF_INIT(4 << 20);
	struct profile_bundle b;
	struct err e = ERR_INIT;
	buf_add(&text, S("{\"name\":\"x\",\"entry\":\"a\",\"files\":{\"a\":\""));
	for (int i = 0; i < PROFILE_BUNDLE_MAX_BYTES; i++)
		buf_add_c(&text, 'x');
	buf_add(&text, S("\"}}"));
	assert_int_equal(profile_bundle_parse(buf_str(&text), w->a, &b, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void imports_are_collected_from_folder_and_library(void **state)
{
	struct world *w = *state;
	struct profile_bundle b;
	struct err e = ERR_INIT;
	const char *path =
		put(w, "web/profile.jsonnet",
		    "// import 'not/this'\n# import 'nor/this'\n/* import 'nor' */\n"
		    "local text = \"import 'nor this'\", block = |||\n  import 'nor'\n|||;\n"
		    "local h = import 'hoc.libsonnet', p = importstr \"./page/a.html\";\n"
		    "local m = import @'page/m.libsonnet'; h + p + m");
	(void)put(w, "lib/hoc.libsonnet", "(import 'deep.libsonnet')");
	(void)put(w, "lib/deep.libsonnet", "{}");
	(void)put(w, "lib/unused.libsonnet", "{}");
	(void)put(w, "web/page/a.html", "import 'this is only text'");
	(void)put(w, "web/page/m.libsonnet", "(import 'n.libsonnet')");
	(void)put(w, "web/page/n.libsonnet", "{}");
	assert_int_equal(collect(w, path, &b, &e), 0);
	static const char *const want[] = {
		"deep.libsonnet",   "hoc.libsonnet",	"page/a.html",
		"page/m.libsonnet", "page/n.libsonnet", "profile.jsonnet",
	};
	assert_true(str_is(b.name, "web"));
	assert_int_equal(b.file_count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_true(str_is(b.files[i].path, want[i]));
	assert_true(
		str_is(profile_bundle_import(&b, S("page/m.libsonnet"), S("n.libsonnet"))->path,
		       "page/n.libsonnet"));
	assert_null(profile_bundle_import(&b, S("profile.jsonnet"), S("n.libsonnet")));
	struct profile_bundle again;
	assert_int_equal(profile_bundle_parse(b.canonical, w->a, &again, &e), 0);
	assert_string_equal(again.hash, b.hash);
}

static void imports_from_elsewhere_are_refused(void **state)
{
	struct world *w = *state;
	static const char *const imports[] = {
		"/etc/passwd",
		"../lib/hoc.libsonnet",
		"a/../../secret",
		"./../secret",
		"a//b",
		".hidden",
		"missing.jsonnet",
		"",
	};
	(void)put(w, "secret", "x");
	for (size_t i = 0; i < ARRAY_LEN(imports); i++) {
		struct profile_bundle b;
		struct err e = ERR_INIT;
		const char *text =
			arena_fmt(w->a, "\nlocal x = importstr '%s'; x", imports[i]).p;
		const char *path = put(w, "web/profile.jsonnet", text);
		assert_int_equal(collect(w, path, &b, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, "profile.jsonnet:2: import '"));
	}
}

static void symbolic_links_lead_nowhere(void **state)
{
	struct world *w = *state;
	struct profile_bundle b;
	struct err e = ERR_INIT;
	const char *path = put(w, "web/profile.jsonnet", "importstr 'link'");
	assert_int_equal(symlink("/etc/passwd", arena_fmt(w->a, "%s/web/link", w->dir).p), 0);
	assert_int_equal(collect(w, path, &b, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_non_null(strstr(e.text, "symbolic link"));
}

static void a_missing_profile_is_not_found(void **state)
{
	struct world *w = *state;
	struct profile_bundle b;
	struct err e = ERR_INIT;
	assert_int_equal(collect(w, arena_fmt(w->a, "%s/none.jsonnet", w->dir).p, &b, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

#define DIGITS64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void releases_are_named_in_four_ways(void **state UNUSED)
{
	static const struct {
		const char *text;
		int rc;
		enum profile_ref_kind kind;
		const char *name, *hash;
	} cases[] = {
		{"postgresql", 0, PROFILE_REF_NAME, "postgresql", ""},
		{"postgresql@0123abcd", 0, PROFILE_REF_PREFIX, "postgresql", "0123abcd"},
		{"postgresql@0123ABCD", 0, PROFILE_REF_PREFIX, "postgresql", "0123abcd"},
		{"hoc:x@sha256:" DIGITS64, 0, PROFILE_REF_URI, "x", DIGITS64},
		{"x@" DIGITS64, 0, PROFILE_REF_URI, "x", DIGITS64},
		{DIGITS64, 0, PROFILE_REF_HASH, "", DIGITS64},
		{"", -1, 0, "", ""},
		{"x@0123abc", -1, 0, "", ""},
		{"x@", -1, 0, "", ""},
		{"X", -1, 0, "", ""},
		{"hoc:x", -1, 0, "", ""},
		{"hoc:x@0123abcd", -1, 0, "", ""},
		{"hoc:x@sha256:0123abcd", -1, 0, "", ""},
		{"x@" DIGITS64 "0", -1, 0, "", ""},
		{"x@0123abcg", -1, 0, "", ""},
		{"x/y", -1, 0, "", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_ref r = {.kind = 99};
		struct err e = ERR_INIT;
		assert_int_equal(profile_ref_parse(str_from(cases[i].text), &r, &e),
				 cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_int_equal(r.kind, cases[i].kind);
		assert_string_equal(r.name, cases[i].name);
		assert_string_equal(r.hash, cases[i].hash);
	}
}

static void an_uri_reads_back(void **state UNUSED)
{
	char uri[PROFILE_URI_SIZE];
	struct profile_ref r;
	struct err e = ERR_INIT;
	struct str longest =
		S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	profile_uri_build(longest, DIGITS64, uri);
	assert_int_equal(profile_ref_parse(str_from(uri), &r, &e), 0);
	assert_int_equal(r.kind, PROFILE_REF_URI);
	assert_string_equal(r.hash, DIGITS64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_canonical_text_is_sorted_and_hashed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(bad_bundles_are_refused_by_field, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_large_bundle_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(imports_are_collected_from_folder_and_library,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(imports_from_elsewhere_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(symbolic_links_lead_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_profile_is_not_found, set_up,
						tear_down),
		cmocka_unit_test(releases_are_named_in_four_ways),
		cmocka_unit_test(an_uri_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
