/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The official test suite of JSON Schema, draft 2020-12, as Debian 12 carries it. Prints
 * `schema suite: N of M passed`; every required case must pass. HOC_SCHEMA_SUITE
 * names another copy (the folder with tests/ and remotes/).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/schema.h"

#define SUITE "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance"
#define DRAFT "/tests/draft2020-12"

enum { DOCS_MAX = 200, FILES_MAX = 200, FILE_BYTES_MAX = 1 << 20 };

/* nftw has no user pointer: what it finds is collected here and nowhere else. */
static struct {
	const char *root;
	struct str paths[FILES_MAX];
	size_t n;
	struct arena *a;
} walk;

static int collect(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_F && str_ends(str_from(path), S(".json")) && walk.n < FILES_MAX)
		walk.paths[walk.n++] = arena_dup(walk.a, str_from(path));
	return 0;
}

static void collect_below(const char *folder, struct arena *a)
{
	walk.n = 0;
	walk.a = a;
	(void)nftw(folder, collect, 8, FTW_PHYS);
}

static struct json *load(struct str path, struct arena *a)
{
	struct err e = ERR_INIT;
	struct json *tree = NULL;
	FILE *f = fopen(path.p, "re");
	char *text = arena_alloc(a, FILE_BYTES_MAX);
	assert_non_null(f);
	assert_non_null(text);
	size_t n = fread(text, 1, FILE_BYTES_MAX, f);
	assert_true(n < FILE_BYTES_MAX);
	(void)fclose(f);
	if (json_parse_nul(str_of(text, n), a, &tree, &e) < 0)
		print_message("%s: %s\n", path.p, e.text);
	return tree;
}

struct suite {
	struct schema_doc docs[DOCS_MAX];
	struct schema_options options;
	const char *file;
	size_t n_passed, n_failed;
};

static void count(struct suite *s, struct str group, struct str test, bool has_passed,
		  const struct err *e)
{
	if (has_passed) {
		s->n_passed++;
	} else {
		s->n_failed++;
		print_message("%s: %.*s: %.*s: %s: %s\n", s->file, STR_A(group), STR_A(test),
			      e->field, e->text);
	}
}

static void run_group(struct suite *s, const struct json *group)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct schema *schema = NULL;
	struct str name = json_str_of(json_get(group, S("description")), S(""));
	const struct json *tests = json_get(group, S("tests"));
	assert_int_equal(arena_new((size_t)16 << 20, &a, &e), 0);
	bool is_compiled =
		schema_compile(json_get(group, S("schema")), &s->options, a, &schema, &e) == 0;
	for (size_t i = 0; i < json_count(tests); i++) {
		const struct json *test = json_at(tests, i);
		bool want = json_bool_of(json_get(test, S("valid")), false);
		bool is_valid = is_compiled && schema_check(schema, json_get(test, S("data")),
							    S(""), a, &e) == 0;
		bool is_verdict = is_compiled && (is_valid || e.kind == ERR_INVALID);
		count(s, name, json_str_of(json_get(test, S("description")), S("")),
		      is_verdict && is_valid == want, &e);
	}
}

static void run_file(struct suite *s, struct str path, struct arena *a)
{
	const struct json *groups = load(path, a);
	assert_non_null(groups);
	s->file = strrchr(path.p, '/') + 1;
	for (size_t i = 0; i < json_count(groups); i++)
		run_group(s, json_at(groups, i));
}

/* Every file below remotes/ under the address that the suite gives it. */
static void register_remotes(struct suite *s, const char *root, struct arena *a)
{
	struct str folder = arena_fmt(a, "%s/remotes", root);
	collect_below(folder.p, a);
	s->options.docs = s->docs;
	for (size_t i = 0; i < walk.n && s->options.n_docs < DOCS_MAX; i++) {
		struct str below = str_sub(walk.paths[i], folder.n, walk.paths[i].n);
		const struct json *tree = load(walk.paths[i], a);
		if (tree)
			s->docs[s->options.n_docs++] = (struct schema_doc){
				arena_fmt(a, "http://localhost:1234%.*s", STR_A(below)), tree};
	}
}

static void the_official_suite_passes(void **state UNUSED)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct suite s = {.file = ""};
	const char *root = getenv("HOC_SCHEMA_SUITE");
	root = root ? root : SUITE;
	assert_int_equal(arena_new((size_t)512 << 20, &a, &e), 0);
	register_remotes(&s, root, a);
	struct str folder = arena_fmt(a, "%s" DRAFT, root);
	collect_below(folder.p, a);
	if (!walk.n)
		fail_msg("no suite in %s: install libtest-json-schema-acceptance-perl", root);
	for (size_t i = 0; i < walk.n; i++)
		if (!memmem(walk.paths[i].p, walk.paths[i].n, "/optional/", 10))
			run_file(&s, walk.paths[i], a);
	print_message("schema suite: %zu of %zu passed\n", s.n_passed, s.n_passed + s.n_failed);
	assert_true(s.n_passed > 1000);
	assert_int_equal(s.n_failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_official_suite_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
