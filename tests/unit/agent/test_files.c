/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What root writes in a home whose tenant is hostile. Needs root (it gives files away). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/files.h"
#include "base/file.h"
#include "base/mem.h"

enum { TENANT = 345678 };

struct scene {
	char dir[64], home[80], outside[80];
	struct files_home h;
	struct arena *a;
};

static int set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	(void)snprintf(s.dir, sizeof s.dir, "/tmp/hoc-files-XXXXXX");
	if (!mkdtemp(s.dir))
		return -1;
	(void)snprintf(s.home, sizeof s.home, "%s/home", s.dir);
	(void)snprintf(s.outside, sizeof s.outside, "%s/outside", s.dir);
	s.a = NULL;
	if (arena_new(1 << 20, &s.a, &e) < 0 || mkdir(s.outside, 0755) < 0)
		return -1;
	*state = &s;
	return files_open(s.home, TENANT, &s.h, &e);
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	files_close(&s->h);
	arena_free(s->a);
	return file_remove_tree(s->dir, &e);
}

static const char *in_home(const struct scene *s, const char *path)
{
	return arena_fmt(s->a, "%s/%s", s->home, path).p;
}

static struct stat look(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void assert_holds(const struct scene *s, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	struct str got;
	assert_int_equal(files_read(&s->h, str_from(path), 65536, s->a, &got, &e), 0);
	assert_true(str_is(got, text));
}

static int put(const struct scene *s, const char *path, const char *text, struct err *e)
{
	return files_put(&s->h, str_from(path), str_from(text), 0640, e);
}

static void assert_owned(const char *path, unsigned mode)
{
	struct stat st = look(path);
	assert_int_equal(st.st_uid, TENANT);
	assert_int_equal(st.st_gid, TENANT);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void a_home_is_made_for_its_tenant(void **state)
{
	struct scene *s = *state;
	static const char *const parts[] = {"etc", "var", "run", "log"};
	assert_owned(s->home, 0700);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		assert_owned(in_home(s, parts[i]), 0700);
}

static void opening_again_changes_nothing_and_mends_a_crash(void **state)
{
	struct scene *s = *state;
	struct files_home again;
	struct err e = ERR_INIT;
	/* As after a crash between making a directory and giving it away. */
	assert_int_equal(chown(in_home(s, "var"), 0, 0), 0);
	assert_int_equal(chown(in_home(s, "run"), TENANT + 7, TENANT + 7), 0);
	assert_int_equal(files_open(s->home, TENANT, &again, &e), 0);
	files_close(&again);
	assert_owned(in_home(s, "var"), 0700);
	/* Another user of the tenant's own range keeps what it has. */
	assert_int_equal(look(in_home(s, "run")).st_uid, TENANT + 7);
}

static void a_file_gets_owner_mode_and_directories(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(put(s, "etc/a/b/x.conf", "one", &e), 0);
	assert_owned(in_home(s, "etc/a/b/x.conf"), 0640);
	assert_owned(in_home(s, "etc/a"), 0700);
	assert_owned(in_home(s, "etc/a/b"), 0700);
	assert_holds(s, "etc/a/b/x.conf", "one");
	assert_int_equal(put(s, "etc/empty", "", &e), 0);
	assert_int_equal(put(s, "etc/empty", "", &e), 1);
}

static void what_is_so_already_is_left_alone(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	ino_t before = look(in_home(s, "etc/x")).st_ino;
	assert_int_equal(put(s, "etc/x", "one", &e), 1);
	assert_int_equal(look(in_home(s, "etc/x")).st_ino, before);
}

/* Each line spoils the file in one way; it is made anew every time. */
static void whatever_differs_is_made_anew(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const char *x = in_home(s, "etc/x");
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	assert_int_equal(chmod(x, 0604), 0);
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	assert_int_equal(chown(x, 0, 0), 0);
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	assert_owned(x, 0640);
	assert_int_equal(truncate(x, 2), 0);
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	/* A file without end (sparse) is not read to its end. */
	assert_int_equal(truncate(x, (off_t)1 << 42), 0);
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	assert_holds(s, "etc/x", "one");
	assert_owned(x, 0640);
}

static void a_link_at_the_file_is_replaced_not_followed(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const char *victim = arena_fmt(s->a, "%s/victim", s->outside).p;
	assert_int_equal(file_write(victim, S("secret"), 0600, &e), 0);
	const char *const targets[] = {victim, "/etc/hoc-no-such-file", "/dev/null", "etc"};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct str got;
		const char *path = in_home(s, "etc/link");
		(void)unlink(path);
		assert_int_equal(symlink(targets[i], path), 0);
		assert_int_equal(files_read(&s->h, S("etc/link"), 100, s->a, &got, &e), 1);
		assert_int_equal(put(s, "etc/link", "mine", &e), 0);
		assert_true(S_ISREG(look(path).st_mode));
		assert_holds(s, "etc/link", "mine");
	}
	struct stat st = look(victim);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(access("/etc/hoc-no-such-file", F_OK), -1);
}

static void a_link_on_the_way_is_refused(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got;
	const char *const targets[] = {s->outside, "/etc", "../outside",
				       "nowhere",  "etc",  "/proc/self/root"};
	const char *path = in_home(s, "way");
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		err_clear(&e);
		(void)unlink(path);
		assert_int_equal(symlink(targets[i], path), 0);
		assert_int_equal(put(s, "way/passwd", "x", &e), -1);
		assert_int_equal(e.kind, ERR_IO);
		/* Nothing of ours is behind a link: nothing to read or remove. */
		assert_int_equal(files_read(&s->h, S("way/passwd"), 1 << 20, s->a, &got, &e),
				 1);
		assert_int_equal(files_remove(&s->h, S("way/passwd"), &e), 0);
	}
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(access(arena_fmt(s->a, "%s/passwd", s->outside).p, F_OK), -1);
}

static void a_link_for_a_directory_of_the_home_is_refused(void **state)
{
	struct scene *s = *state;
	struct files_home again;
	struct err e = ERR_INIT;
	assert_int_equal(rmdir(in_home(s, "log")), 0);
	assert_int_equal(symlink(s->outside, in_home(s, "log")), 0);
	assert_int_equal(files_open(s->home, TENANT, &again, &e), -1);
	assert_int_equal(look(s->outside).st_uid, 0);
	/* The home itself too. */
	const char *moved = arena_fmt(s->a, "%s/moved", s->dir).p;
	assert_int_equal(rename(s->home, moved), 0);
	assert_int_equal(symlink(s->outside, s->home), 0);
	assert_int_equal(files_open(s->home, TENANT, &again, &e), -1);
	assert_int_equal(look(s->outside).st_uid, 0);
}

static void a_pipe_neither_holds_nor_is_read(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got;
	assert_int_equal(mkfifo(in_home(s, "etc/pipe"), 0666), 0);
	assert_int_equal(files_read(&s->h, S("etc/pipe"), 100, s->a, &got, &e), 1);
	assert_int_equal(put(s, "etc/pipe", "text", &e), 0);
	assert_holds(s, "etc/pipe", "text");
	/* As the temporary name. */
	assert_int_equal(mkfifo(in_home(s, "etc/.hoc-y"), 0666), 0);
	assert_int_equal(put(s, "etc/y", "text", &e), 0);
	assert_holds(s, "etc/y", "text");
}

static void a_hard_link_is_parted_from_its_other_name(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const char *victim = arena_fmt(s->a, "%s/victim", s->outside).p;
	assert_int_equal(file_write(victim, S("secret"), 0600, &e), 0);
	assert_int_equal(link(victim, in_home(s, "etc/x")), 0);
	assert_int_equal(put(s, "etc/x", "mine", &e), 0);
	assert_int_equal(look(victim).st_uid, 0);
	assert_int_equal(look(victim).st_size, 6);
	assert_int_equal(link(victim, in_home(s, "etc/.hoc-y")), 0);
	assert_int_equal(put(s, "etc/y", "mine", &e), 0);
	assert_int_equal(look(victim).st_uid, 0);
	assert_int_equal(look(victim).st_size, 6);
}

static void paths_stay_in_the_home(void **state)
{
	struct scene *s = *state;
	static const char *const bad[] = {"",	 "/",	   "/etc/x", "../x", "etc/../../x",
					  "./x", "etc//x", "etc/",   ".",    ".."};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct str got;
		assert_int_equal(put(s, bad[i], "x", &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		err_clear(&e);
		assert_int_equal(files_read(&s->h, str_from(bad[i]), 9, s->a, &got, &e), -1);
		assert_int_equal(files_remove(&s->h, str_from(bad[i]), &e), -1);
	}
}

static void a_directory_at_the_file_is_an_error_without_leavings(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(mkdir(in_home(s, "etc/x"), 0700), 0);
	assert_int_equal(put(s, "etc/x", "text", &e), -1);
	assert_int_equal(e.os, EISDIR);
	assert_int_equal(access(in_home(s, "etc/.hoc-x"), F_OK), -1);
	assert_int_equal(files_remove(&s->h, S("etc/x"), &e), 0);
	assert_int_equal(access(in_home(s, "etc/x"), F_OK), 0);
}

static void removal_takes_files_and_accepts_absence(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(put(s, "etc/x", "one", &e), 0);
	assert_int_equal(files_remove(&s->h, S("etc/x"), &e), 0);
	assert_int_equal(access(in_home(s, "etc/x"), F_OK), -1);
	assert_int_equal(files_remove(&s->h, S("etc/x"), &e), 0);
	assert_int_equal(files_remove(&s->h, S("no/such/x"), &e), 0);
	assert_int_equal(put(s, "etc/f", "file", &e), 0);
	assert_int_equal(files_remove(&s->h, S("etc/f/x"), &e), 0);
	assert_holds(s, "etc/f", "file");
}

static void reading_has_a_maximum(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str got;
	assert_int_equal(put(s, "etc/x", "12345", &e), 0);
	assert_int_equal(files_read(&s->h, S("etc/x"), 5, s->a, &got, &e), 0);
	assert_int_equal(files_read(&s->h, S("etc/x"), 4, s->a, &got, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	assert_int_equal(files_read(&s->h, S("etc/none"), 4, s->a, &got, &e), 1);
	assert_int_equal(truncate(in_home(s, "etc/x"), (off_t)1 << 42), 0);
	assert_int_equal(files_read(&s->h, S("etc/x"), 4096, s->a, &got, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

/* ---- usage --------------------------------------------------------------------------------- */

static int64_t usage(const struct scene *s, size_t max, bool *is_partial)
{
	struct err e = ERR_INIT;
	int64_t bytes = -1;
	assert_int_equal(files_usage(s->home, max, &bytes, is_partial, &e), 0);
	return bytes;
}

static void fill(const struct scene *s, const char *path, size_t n)
{
	char *text = calloc(1, n);
	struct err e = ERR_INIT;
	assert_int_equal(files_put(&s->h, str_from(path), str_of(text, n), 0600, &e), 0);
	free(text);
}

static void usage_counts_blocks_once(void **state)
{
	struct scene *s = *state;
	bool is_partial = true;
	int64_t empty = usage(s, 1000, &is_partial);
	assert_false(is_partial);
	fill(s, "var/big", 1 << 20);
	int64_t one = usage(s, 1000, &is_partial);
	assert_in_range(one - empty, 1 << 20, (1 << 20) + 65536);
	/* Three names of one file are one file. */
	assert_int_equal(link(in_home(s, "var/big"), in_home(s, "var/again")), 0);
	assert_int_equal(link(in_home(s, "var/big"), in_home(s, "etc/again")), 0);
	assert_in_range(usage(s, 1000, &is_partial) - empty, (1 << 20) - 8, (1 << 20) + 65536);
	/* A hole is not on disk, a link's target is not ours. */
	int fd = open(in_home(s, "var/hole"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(symlink("/usr", in_home(s, "var/usr")), 0);
	assert_in_range(usage(s, 1000, &is_partial) - empty, (1 << 20) - 8, (1 << 20) + 131072);
	assert_false(is_partial);
}

static void usage_stops_at_its_maximum(void **state)
{
	struct scene *s = *state;
	bool is_partial = false;
	for (int i = 0; i < 50; i++)
		fill(s, arena_fmt(s->a, "var/f%d", i).p, 4096);
	int64_t whole = usage(s, 1000, &is_partial);
	assert_false(is_partial);
	assert_true(usage(s, 20, &is_partial) < whole);
	assert_true(is_partial);
}

static void usage_of_a_bottomless_tree_ends(void **state)
{
	struct scene *s = *state;
	bool is_partial = false;
	int dir = open(s->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		assert_int_equal(close(dir), 0);
		dir = next;
	}
	assert_int_equal(close(dir), 0);
	(void)usage(s, 100000, &is_partial);
	assert_true(is_partial);
}

/* ---- faults -------------------------------------------------------------------------------- */

/* Each allocation fails in turn: the file is the old or the new one, and no leavings. */
static void a_failed_allocation_leaves_whole_files(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(put(s, "etc/x", "old", &e), 0);
	for (unsigned long n = 1;; n++) {
		struct str got = S("");
		struct arena *a CLEAN(arena_freep) = NULL;
		assert_int_equal(arena_new(65536, &a, &e), 0);
		(void)mem_fail_after(n);
		int rc = files_read(&s->h, S("etc/x"), 100, a, &got, &e);
		unsigned long used = mem_fail_after(0);
		if (rc == 0)
			assert_true(str_is(got, "old"));
		else
			assert_int_equal(e.kind, ERR_MEMORY);
		if (used < n)
			break;
	}
	for (unsigned long n = 1;; n++) {
		(void)mem_fail_after(n);
		int rc = put(s, "etc/x", n % 2 ? "odd" : "even", &e);
		unsigned long used = mem_fail_after(0);
		assert_int_equal(rc, 0); /* what cannot be compared is written */
		assert_holds(s, "etc/x", n % 2 ? "odd" : "even");
		if (used < n)
			break;
	}
	assert_int_equal(access(in_home(s, "etc/.hoc-x"), F_OK), -1);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_home_is_made_for_its_tenant),
		SCENE(opening_again_changes_nothing_and_mends_a_crash),
		SCENE(a_file_gets_owner_mode_and_directories),
		SCENE(what_is_so_already_is_left_alone),
		SCENE(whatever_differs_is_made_anew),
		SCENE(a_link_at_the_file_is_replaced_not_followed),
		SCENE(a_link_on_the_way_is_refused),
		SCENE(a_link_for_a_directory_of_the_home_is_refused),
		SCENE(a_pipe_neither_holds_nor_is_read),
		SCENE(a_hard_link_is_parted_from_its_other_name),
		SCENE(paths_stay_in_the_home),
		SCENE(a_directory_at_the_file_is_an_error_without_leavings),
		SCENE(removal_takes_files_and_accepts_absence),
		SCENE(reading_has_a_maximum),
		SCENE(usage_counts_blocks_once),
		SCENE(usage_stops_at_its_maximum),
		SCENE(usage_of_a_bottomless_tree_ends),
		SCENE(a_failed_allocation_leaves_whole_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
