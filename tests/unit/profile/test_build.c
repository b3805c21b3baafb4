/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What of a build needs no packages: records, locks between processes, the commands it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "profile/build.h"
#include "profile/run_impl.h"

struct world {
	struct arena *a;
	char dir[64];
};

static int set_up(void **state)
{
	static struct world w;
	struct err e = ERR_INIT;
	assert_int_equal(arena_new(8 << 20, &w.a, &e), 0);
	(void)snprintf(w.dir, sizeof w.dir, "/tmp/hoc-build-XXXXXX");
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

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void put_built(struct world *w, bool has_root)
{
	struct err e = ERR_INIT;
	const char *dir =
		arena_fmt(w->a, "%s/releases/" HEX_A "/%s", w->dir, has_root ? "root/etc" : "")
			.p;
	const char *path = arena_fmt(w->a, "%s/releases/" HEX_A "/built.json", w->dir).p;
	struct str text = S("{\"commit\":\"" HEX_B "\",\"lock\":\"" HEX_A "\",\"ms\":12}");
	assert_int_equal(file_mkdirs(dir, 0755, &e), 0);
	assert_int_equal(file_write(path, text, 0644, &e), 0);
}

static void a_release_is_present_with_record_and_root(void **state)
{
	struct world *w = *state;
	struct profile_built built;
	struct err e = ERR_INIT;
	assert_int_equal(profile_build_find(w->dir, HEX_A, w->a, &built, &e), 1);
	put_built(w, false);
	assert_int_equal(profile_build_find(w->dir, HEX_A, w->a, &built, &e), 1);
	put_built(w, true);
	assert_int_equal(profile_build_find(w->dir, HEX_A, w->a, &built, &e), 0);
	assert_string_equal(built.commit, HEX_B);
	assert_true(str_ends(built.root, S("/releases/" HEX_A "/root")));
	struct profile_build b = {.node_dir = w->dir, .release_hash = HEX_A};
	assert_int_equal(profile_build_run(&b, w->a, &built, &e), 0);
}

static void a_hash_that_is_none_is_refused(void **state)
{
	struct world *w = *state;
	struct profile_built built;
	static const char *const hashes[] = {"", "../..", HEX_A "a", "postgresql"};
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(profile_build_find(w->dir, hashes[i], w->a, &built, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_int_equal(profile_build_remove(w->dir, hashes[i], &e), -1);
	}
}

static void removal_is_repeatable(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	put_built(w, true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(profile_build_remove(w->dir, HEX_A, &e), 0);
	assert_false(file_exists(arena_fmt(w->a, "%s/releases/" HEX_A, w->dir).p));
}

static void one_process_at_a_time(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	const char *dir = arena_fmt(w->a, "%s/building", w->dir).p;
	const char *path = arena_fmt(w->a, "%s/release-" HEX_A ".lock", dir).p;
	assert_int_equal(file_mkdirs(dir, 0755, &e), 0);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(profile_build_remove(w->dir, HEX_A, &e), PROFILE_BUILD_ELSEWHERE);
	assert_int_equal(close(fd), 0);
	assert_int_equal(profile_build_remove(w->dir, HEX_A, &e), 0);
}

/* ---- commands ---- */

static void on_status(void *user, struct str line)
{
	int *sum = user;
	*sum += line.n == 3 && memcmp(line.p, "abc", 3) == 0;
}

static int shell(struct world *w, const char *script, struct str *out, int *status,
		 struct err *e)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct run r = {.what = "the test",
			.argv = argv,
			.output_max_bytes = 100,
			.status = on_status,
			.user = status};
	return run_command(&r, w->a, out, e);
}

static void a_command_gives_output_and_status(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct str out;
	int lines = 0;
	assert_int_equal(shell(w, "printf out; echo bad >&2; echo abc >&3; echo abc >&3", &out,
			       &lines, &e),
			 0);
	assert_true(str_is(out, "out"));
	assert_int_equal(lines, 2);
}

static void a_failed_command_is_an_error_with_its_last_lines(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *script, *text;
		enum err_kind kind;
	} cases[] = {
		{"echo one; echo two >&2; exit 3", "exit code 3", ERR_BROKEN},
		{"echo first; echo the last word >&2; exit 1", "the last word", ERR_BROKEN},
		{"kill -9 $$", "signal 9", ERR_BROKEN},
		{"echo 'cp: error writing: No space left on device' >&2; exit 1",
		 "disk is full", ERR_NO_ROOM},
		{"head -c 200 /dev/zero | tr '\\0' x", "output of the test", ERR_TOO_LARGE},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct str out;
		int lines = 0;
		assert_int_equal(shell(w, cases[i].script, &out, &lines, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_non_null(strstr(e.text, cases[i].text));
	}
}

static void a_missing_program_is_named(void **state)
{
	struct world *w = *state;
	static const char *const argv[] = {"no-such-program", NULL};
	struct run r = {.what = "the test", .argv = argv};
	struct err e = ERR_INIT;
	assert_int_equal(run_command(&r, w->a, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "no-such-program"));
}

int main(void)
{
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_release_is_present_with_record_and_root),
		WITH_WORLD(a_hash_that_is_none_is_refused),
		WITH_WORLD(removal_is_repeatable),
		WITH_WORLD(one_process_at_a_time),
		WITH_WORLD(a_command_gives_output_and_status),
		WITH_WORLD(a_failed_command_is_an_error_with_its_last_lines),
		WITH_WORLD(a_missing_program_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
