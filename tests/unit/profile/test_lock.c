/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "profile/cache.h"
#include "profile/lock_impl.h"

struct world {
	struct arena *a;
	char dir[64];
};

static int set_up(void **state)
{
	static struct world w;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(64 << 20, &w.a, &e), 0);
	(void)snprintf(w.dir, sizeof w.dir, "/tmp/hoc-lock-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	assert_int_equal(file_remove_tree(w->dir, &e), 0);
	w->a = arena_free(w->a);
	return 0;
}

static const char *put(struct world *w, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	const char *whole = arena_fmt(w->a, "%s/%s", w->dir, path).p;
	size_t slash = (size_t)(strrchr(whole, '/') - whole);
	assert_int_equal(file_mkdirs(arena_cstr(w->a, str_of(whole, slash)), 0755, &e), 0);
	assert_int_equal(file_write(whole, str_from(text), 0644, &e), 0);
	return whole;
}

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PACKAGE(name, file, hash) \
	"{\"name\":\"" name \
	"\",\"version\":\"1:2.0-1+b1~x\",\"architecture\":\"amd64\",\"file\":\"" file \
	"\",\"size\":7,\"sha256\":\"" hash "\"}"
#define LOCK(packages) \
	"{\"suite\":\"bookworm\",\"kind\":\"debian\",\"recipe\":1,\"architecture\":\"amd64\"," \
	"\"packages\":[" packages "]}"

static void the_hash_depends_on_content_alone(void **state)
{
	struct world *w = *state;
	struct profile_lock x, y, z;
	struct err e = ERR_INIT;
	struct str one =
		S(LOCK(PACKAGE("bb", "bb_1.deb", HEX_B) "," PACKAGE("aa", "aa_1.deb", HEX_A)));
	struct str two = S(" " LOCK(
		PACKAGE("aa", "aa_1.deb", HEX_A) " , " PACKAGE("bb", "bb_1.deb", HEX_B)));
	struct str other = S(LOCK(PACKAGE("aa", "aa_1.deb", HEX_A)));
	assert_int_equal(profile_lock_parse(one, w->a, &x, &e), 0);
	assert_int_equal(profile_lock_parse(two, w->a, &y, &e), 0);
	assert_int_equal(profile_lock_parse(other, w->a, &z, &e), 0);
	assert_string_equal(x.hash, y.hash);
	assert_string_not_equal(x.hash, z.hash);
	assert_true(str_is(x.packages[0].name, "aa"));
	assert_int_equal(x.total_bytes, 14);
	assert_int_equal(profile_lock_parse(x.canonical, w->a, &z, &e), 0);
	assert_string_equal(x.hash, z.hash);
}

static void bad_locks_name_the_field(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"[]", ""},
		{LOCK(""), "packages"},
		{LOCK(PACKAGE("aa", "../aa.deb", HEX_A)), "packages[0].file"},
		{LOCK(PACKAGE("aa", "a/a.deb", HEX_A)), "packages[0].file"},
		{LOCK(PACKAGE("aa", "aa.rpm", HEX_A)), "packages[0].file"},
		{LOCK(PACKAGE("--x", "aa.deb", HEX_A)), "packages[0].name"},
		{LOCK(PACKAGE("aa", "aa.deb", "abc")), "packages[0].sha256"},
		{LOCK(PACKAGE("aa", "aa.deb", HEX_A) "," PACKAGE("aa", "aa.deb", HEX_A)), ""},
		{"{\"suite\":\"b\",\"kind\":\"oci\",\"recipe\":1,\"architecture\":\"amd64\","
		 "\"packages\":[]}",
		 "kind"},
		{"{\"suite\":\"bookworm\",\"kind\":\"debian\",\"recipe\":2,\"architecture\":"
		 "\"amd64\","
		 "\"packages\":[" PACKAGE("aa", "aa.deb", HEX_A) "]}",
		 "recipe"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_lock l;
		struct err e = ERR_INIT;
		assert_int_equal(profile_lock_parse(str_from(cases[i].text), w->a, &l, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void only_sources_of_the_suite_are_taken(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	(void)put(w, "etc/sources.list",
		  "# deb http://commented bookworm main\n"
		  "deb http://one bookworm main contrib # tail\n"
		  "deb-src http://source bookworm main\n"
		  "deb [arch=amd64 signed-by=/k.gpg] http://two bookworm-updates main\n"
		  "deb http://three bookworm-backports main\n"
		  "deb http://four cloud-sdk-bookworm main\n"
		  "deb http://five trixie main\n");
	(void)put(w, "etc/sources.list.d/a.sources",
		  "Types: deb deb-src\nURIs: http://six\nSuites: bookworm-security "
		  "sid\nComponents: main\n"
		  "Signed-By:\n -----BEGIN-----\n .\n abc\n\n"
		  "Types: deb\nURIs: http://seven\nSuites: bookworm\nComponents: "
		  "main\nEnabled: no\n");
	(void)put(w, "etc/sources.list.d/b.sources.save", "deb http://eight bookworm main\n");
	assert_int_equal(sources_of_host(arena_fmt(w->a, "%s/etc", w->dir).p, S("bookworm"),
					 w->a, &out, &e),
			 0);
	assert_true(str_is(
		out,
		"Types: deb\nURIs: http://one\nSuites: bookworm\nComponents: main\n\n"
		"Types: deb\nURIs: http://two\nSuites: bookworm-updates\nComponents: main\n"
		"Signed-By: /k.gpg\n\n"
		"Types: deb\nURIs: http://six\nSuites: bookworm-security\nComponents: main\n"
		"Signed-By: -----BEGIN-----\n .\n abc\n\n"));
}

static void a_host_without_sources_is_unsupported(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct profile_lock l;
	struct spec_software s = {.suite = S("bookworm"), .mirror = S("")};
	struct profile_apt apt = {.dir = arena_fmt(w->a, "%s/apt", w->dir).p,
				  .host_etc = w->dir};
	assert_int_equal(profile_lock_resolve(&s, &apt, w->a, &l, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
}

static void a_folder_that_needs_quoting_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct profile_lock l;
	struct spec_software s = {.suite = S("bookworm"), .mirror = S("")};
	static const char *const dirs[] = {"relative", "/with space", "/with\"quote", "/a;b",
					   ""};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		struct profile_apt apt = {.dir = dirs[i], .host_etc = w->dir};
		assert_int_equal(profile_lock_resolve(&s, &apt, w->a, &l, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
	}
}

/* printf hello | sha256sum */
#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
static const struct profile_cache_object hello = {.sha256 = HELLO, .size_bytes = 5};

static void the_cache_takes_what_is_right(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	const char *file = put(w, "in", "hello");
	assert_int_equal(profile_cache_verify(w->dir, &hello, &e), 1);
	assert_int_equal(profile_cache_take(w->dir, &hello, file, &e), 0);
	assert_false(file_exists(file));
	assert_int_equal(profile_cache_verify(w->dir, &hello, &e), 0);
	struct str path = profile_cache_path(w->dir, HELLO, w->a);
	assert_true(str_ends(path, S("/sha256/" HELLO)));
}

static void the_cache_refuses_what_is_wrong(void **state)
{
	struct world *w = *state;
	static const char *const wrong[] = {"hellp", "hello!", ""};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err e = ERR_INIT;
		const char *file = put(w, "in", wrong[i]);
		assert_int_equal(profile_cache_take(w->dir, &hello, file, &e), -1);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_false(file_exists(file));
		assert_int_equal(profile_cache_verify(w->dir, &hello, &e), 1);
	}
}

static void a_damaged_object_is_thrown_away(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	const char *object = put(w, "sha256/" HELLO, "hellp");
	assert_int_equal(profile_cache_verify(w->dir, &hello, &e), 1);
	assert_false(file_exists(object));
}

int main(void)
{
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(the_hash_depends_on_content_alone),
		WITH_WORLD(bad_locks_name_the_field),
		WITH_WORLD(only_sources_of_the_suite_are_taken),
		WITH_WORLD(a_host_without_sources_is_unsupported),
		WITH_WORLD(a_folder_that_needs_quoting_is_refused),
		WITH_WORLD(the_cache_takes_what_is_right),
		WITH_WORLD(the_cache_refuses_what_is_wrong),
		WITH_WORLD(a_damaged_object_is_thrown_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
