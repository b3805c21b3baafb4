/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* A directory of its own for each test, removed by the function under test at the end. */
struct place {
	char dir[64];
	struct arena *a;
	struct err e;
};

static int place_setup(void **state)
{
	struct place *p = test_calloc(1, sizeof *p);
	(void)snprintf(p->dir, sizeof p->dir, "/tmp/hoc-test-file-XXXXXX");
	*state = p;
	return mkdtemp(p->dir) && arena_new(1 << 22, &p->a, &p->e) == 0 ? 0 : -1;
}

static int place_teardown(void **state)
{
	struct place *p = *state;
	int rc = file_remove_tree(p->dir, &p->e);
	arena_free(p->a);
	test_free(p);
	return rc;
}

static const char *in(struct place *p, const char *name)
{
	return arena_cstr(p->a, arena_fmt(p->a, "%s/%s", p->dir, name));
}

static void put(struct place *p, const char *name, const char *content)
{
	if (file_write(in(p, name), str_from(content), 0644, &p->e) != 0)
		fail_msg("%s", p->e.text);
}

static void assert_content(struct place *p, const char *name, const char *want)
{
	struct str got;
	if (file_read(in(p, name), 1 << 20, p->a, &got, &p->e) != 0)
		fail_msg("%s cannot be read", name);
	assert_true(str_is(got, want));
}

/* Entries of a directory, "." and ".." aside. */
static size_t entries(const char *path)
{
	size_t n = 0;
	DIR *d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

static unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* ---- reading ---- */

static void reading_has_a_maximum(void **state)
{
	struct place *p = *state;
	struct str got = S("untouched");
	put(p, "f", "12345");
	assert_int_equal(file_read(in(p, "f"), 5, p->a, &got, &p->e), 0);
	assert_true(str_is(got, "12345"));
	assert_int_equal(got.p[5], 0);
	got = S("untouched");
	assert_int_equal(file_read(in(p, "f"), 4, p->a, &got, &p->e), -1);
	assert_int_equal(p->e.kind, ERR_TOO_LARGE);
	assert_int_equal(file_read("/dev/zero", 100000, p->a, &got, &p->e), -1);
	assert_int_equal(p->e.kind, ERR_TOO_LARGE);
	assert_int_equal(file_read(in(p, "none"), 5, p->a, &got, &p->e), 1);
	assert_true(str_is(got, "untouched"));
	assert_int_equal(file_read(p->dir, 5, p->a, &got, &p->e), -1);
	assert_int_equal(p->e.os, EISDIR);
	put(p, "empty", "");
	assert_int_equal(file_read(in(p, "empty"), 0, p->a, &got, &p->e), 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(file_read("/proc/self/status", 100000, p->a, &got, &p->e), 0);
	assert_true(got.n > 100);
}

/* ---- writing ---- */

static void a_write_replaces_whole(void **state)
{
	struct place *p = *state;
	put(p, "f", "a long first content");
	assert_int_equal(file_write(in(p, "f"), S("new"), 0600, &p->e), 0);
	assert_content(p, "f", "new");
	assert_int_equal(mode_of(in(p, "f")), 0600);
	assert_int_equal(file_write(in(p, "f"), S(""), 04711, &p->e), 0);
	assert_content(p, "f", "");
	assert_int_equal(mode_of(in(p, "f")), 04711);
	assert_int_equal(entries(p->dir), 1);
}

static void a_reader_keeps_the_old_content(void **state)
{
	struct place *p = *state;
	char old[4] = "";
	put(p, "f", "old");
	int fd CLEAN(file_closep) = open(in(p, "f"), O_RDONLY);
	put(p, "f", "new");
	assert_int_equal(read(fd, old, 3), 3);
	assert_string_equal(old, "old");
}

static void a_failed_write_leaves_the_old(void **state)
{
	struct place *p = *state;
	assert_int_equal(file_write(in(p, "none/f"), S("x"), 0644, &p->e), -1);
	assert_int_equal(p->e.os, ENOENT);
	put(p, "file", "x");
	assert_int_equal(file_write(in(p, "file/f"), S("x"), 0644, &p->e), -1);
	assert_int_equal(p->e.os, ENOTDIR);
	/* The target is a directory: the rename fails last, the temporary file goes. */
	assert_int_equal(mkdir(in(p, "dir"), 0755), 0);
	assert_int_equal(file_write(in(p, "dir"), S("x"), 0644, &p->e), -1);
	assert_int_equal(p->e.os, EISDIR);
	assert_int_equal(entries(p->dir), 2);
	/* A directory at the temporary name. */
	put(p, "f", "old");
	assert_int_equal(mkdir(in(p, ".tmp-f"), 0755), 0);
	assert_int_equal(file_write(in(p, "f"), S("new"), 0644, &p->e), -1);
	assert_content(p, "f", "old");
	char *name = arena_alloc(p->a, 5000);
	memset(name, 'n', 4999);
	assert_int_equal(file_write(name, S("x"), 0644, &p->e), -1);
	assert_int_equal(file_write(in(p, str_sub(str_from(name), 4999 - 300, 300).p), S("x"),
				    0644, &p->e),
			 -1);
}

/* A stranger's link at the temporary name or at the path must not be written through. */
static void links_are_replaced_never_followed(void **state)
{
	struct place *p = *state;
	put(p, "victim", "precious");
	assert_int_equal(symlink("victim", in(p, ".tmp-f")), 0);
	assert_int_equal(symlink("victim", in(p, "f")), 0);
	put(p, "f", "new");
	assert_content(p, "victim", "precious");
	assert_content(p, "f", "new");
	struct stat st;
	assert_int_equal(lstat(in(p, "f"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(entries(p->dir), 2);
}

static void only_changes_are_written(void **state)
{
	struct place *p = *state;
	const char *f = in(p, "f");
	struct stat before, after;
	assert_int_equal(file_write_if_changed(f, S("one"), 0600, &p->e), 0);
	assert_int_equal(stat(f, &before), 0);
	assert_int_equal(file_write_if_changed(f, S("one"), 0600, &p->e), 1);
	assert_int_equal(stat(f, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(file_write_if_changed(f, S("two"), 0600, &p->e), 0);
	assert_content(p, "f", "two");
	assert_int_equal(file_write_if_changed(f, S("tw"), 0600, &p->e), 0);
	assert_int_equal(file_write_if_changed(f, S("two"), 0600, &p->e), 0);
	/* The same content with another mode is a change. */
	assert_int_equal(file_write_if_changed(f, S("two"), 0644, &p->e), 0);
	assert_int_equal(mode_of(f), 0644);
	assert_int_equal(symlink("f", in(p, "link")), 0);
	assert_int_equal(file_write_if_changed(in(p, "link"), S("two"), 0644, &p->e), 0);
	struct stat st;
	assert_int_equal(lstat(in(p, "link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(mkfifo(in(p, "pipe"), 0644), 0);
	assert_int_equal(file_write_if_changed(in(p, "pipe"), S("x"), 0644, &p->e), 0);
	assert_int_equal(file_write_if_changed(in(p, "none/f"), S("x"), 0644, &p->e), -1);
}

static void large_content_survives(void **state)
{
	struct place *p = *state;
	char *big = arena_alloc(p->a, 300000);
	for (size_t i = 0; i < 300000; i++)
		big[i] = (char)(i * 7);
	struct str content = str_of(big, 300000), got;
	assert_int_equal(file_write_if_changed(in(p, "f"), content, 0644, &p->e), 0);
	assert_int_equal(file_read(in(p, "f"), 300000, p->a, &got, &p->e), 0);
	assert_true(str_eq(content, got));
	assert_int_equal(file_write_if_changed(in(p, "f"), content, 0644, &p->e), 1);
	big[299999]++;
	assert_int_equal(file_write_if_changed(in(p, "f"), content, 0644, &p->e), 0);
}

static void directories_are_made_with_parents(void **state)
{
	struct place *p = *state;
	assert_int_equal(file_mkdirs(in(p, "a/b//c/"), 0700, &p->e), 0);
	assert_int_equal(mode_of(in(p, "a/b/c")), 0700);
	assert_int_equal(file_mkdirs(in(p, "a/b/c"), 0755, &p->e), 0);
	assert_int_equal(mode_of(in(p, "a/b/c")), 0700);
	assert_int_equal(file_mkdirs("/", 0755, &p->e), 0);
	put(p, "file", "x");
	assert_int_equal(file_mkdirs(in(p, "file"), 0755, &p->e), -1);
	assert_int_equal(p->e.os, ENOTDIR);
	assert_int_equal(file_mkdirs(in(p, "file/sub"), 0755, &p->e), -1);
	assert_int_equal(p->e.os, ENOTDIR);
	assert_int_equal(file_mkdirs("", 0755, &p->e), -1);
}

static void paths_join_with_one_slash(void **state)
{
	struct place *p = *state;
	assert_true(str_is(file_join(p->a, S("a"), S("b")), "a/b"));
	assert_true(str_is(file_join(p->a, S("a/"), S("b")), "a/b"));
	assert_true(str_is(file_join(p->a, S("/"), S("b")), "/b"));
}

static void a_lock_is_held_once(void **state)
{
	struct place *p = *state;
	int one CLEAN(file_closep) = -1, two CLEAN(file_closep) = -1;
	assert_int_equal(file_lock(in(p, "lock"), &one, &p->e), 0);
	assert_int_equal(file_lock(in(p, "lock"), &two, &p->e), 1);
	assert_int_equal(two, -1);
	assert_true(fcntl(one, F_GETFD) & FD_CLOEXEC);
	file_closep(&one);
	assert_int_equal(file_lock(in(p, "lock"), &two, &p->e), 0);
}

/* ---- removing ---- */

static void a_tree_goes_but_not_what_it_links_to(void **state)
{
	struct place *p = *state;
	assert_int_equal(file_mkdirs(in(p, "outside/kept"), 0755, &p->e), 0);
	put(p, "outside/kept/file", "precious");
	assert_int_equal(file_mkdirs(in(p, "tree/a/b"), 0755, &p->e), 0);
	put(p, "tree/a/f", "x");
	assert_int_equal(symlink("../outside", in(p, "tree/up")), 0);
	assert_int_equal(symlink("/", in(p, "tree/a/root")), 0);
	assert_int_equal(symlink("nowhere", in(p, "tree/a/b/dangling")), 0);
	assert_int_equal(mkfifo(in(p, "tree/pipe"), 0644), 0);
	assert_int_equal(file_remove_tree(in(p, "tree"), &p->e), 0);
	assert_false(file_exists(in(p, "tree")));
	assert_content(p, "outside/kept/file", "precious");
	/* A link itself goes, its target stays. */
	assert_int_equal(symlink("outside", in(p, "link")), 0);
	assert_int_equal(file_remove_tree(in(p, "link"), &p->e), 0);
	assert_false(file_exists(in(p, "link")));
	assert_content(p, "outside/kept/file", "precious");
	assert_int_equal(file_remove_tree(in(p, "link"), &p->e), 0);
	assert_int_equal(file_remove_tree(in(p, "none/at/all"), &p->e), 0);
	assert_int_equal(file_remove_tree(in(p, "outside/"), &p->e), 0);
	assert_false(file_exists(in(p, "outside")));
}

static void what_cannot_be_meant_is_refused(void **state)
{
	static const char *const bad[] = {"", "/", "//", ".", "..", "/tmp/.", "/tmp/.."};
	struct place *p = *state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(file_remove_tree(bad[i], &p->e), -1);
		assert_int_equal(p->e.kind, ERR_INVALID);
	}
}

static size_t open_descriptors(void)
{
	return entries("/proc/self/fd");
}

/* Deeper than any path and any stack: made and removed step by step. */
static void no_depth_keeps_a_tree_alive(void **state)
{
	struct place *p = *state;
	size_t before = open_descriptors();
	assert_int_equal(mkdir(in(p, "deep"), 0755), 0);
	int at = open(in(p, "deep"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		assert_int_equal(mkdirat(at, ".deep-0", 0755), 0);
		int f = openat(at, "f", O_CREAT | O_WRONLY, 0644);
		(void)close(f);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		(void)close(at);
		at = next;
	}
	(void)close(at);
	assert_int_equal(file_remove_tree(in(p, "deep"), &p->e), 0);
	assert_false(file_exists(in(p, "deep")));
	assert_int_equal(open_descriptors(), before);
}

static void wide_trees_go_too(void **state)
{
	struct place *p = *state;
	assert_int_equal(mkdir(in(p, "wide"), 0755), 0);
	int dir CLEAN(file_closep) = open(in(p, "wide"), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 3000; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "f%d", i);
		int fd = i % 3 ? openat(dir, name, O_CREAT | O_WRONLY, 0644)
			       : mkdirat(dir, name, 0700);
		assert_true(fd >= 0);
		if (i % 3)
			(void)close(fd);
	}
	assert_int_equal(file_remove_tree(in(p, "wide"), &p->e), 0);
	assert_false(file_exists(in(p, "wide")));
}

/* In a mount namespace of a child: 0 if `path` was refused as a mount and `kept` still exists. */
static int try_mounted(struct place *p, const char *source, const char *at, const char *remove,
		       const char *kept)
{
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		if (mount(source ? source : "tmpfs", at, source ? NULL : "tmpfs",
			  source ? MS_BIND : 0, NULL) < 0)
			_exit(77);
		FILE *f = source ? NULL : fopen(kept, "w");
		if (f)
			(void)fclose(f);
		int rc = file_remove_tree(remove, &p->e);
		_exit(rc == -1 && p->e.kind == ERR_CONFLICT && file_exists(kept) ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void mounts_are_not_entered(void **state)
{
	struct place *p = *state;
	const char *tree = in(p, "tree"), *at = in(p, "tree/a/mnt"), *data = in(p, "data");
	assert_int_equal(file_mkdirs(at, 0755, &p->e), 0);
	assert_int_equal(file_mkdirs(data, 0755, &p->e), 0);
	put(p, "data/precious", "x");
	int rc = try_mounted(p, NULL, at, tree, in(p, "tree/a/mnt/precious"));
	if (rc == 77)
		skip(); /* mounting needs root */
	assert_int_equal(rc, 0);
	/* A bind mount of the same file system has the same device number. */
	assert_int_equal(file_mkdirs(at, 0755, &p->e), 0);
	assert_int_equal(try_mounted(p, data, at, tree, in(p, "data/precious")), 0);
	/* At the path itself. */
	assert_int_equal(file_mkdirs(at, 0755, &p->e), 0);
	assert_int_equal(try_mounted(p, data, tree, tree, in(p, "data/precious")), 0);
	assert_int_equal(file_remove_tree(tree, &p->e), 0);
	assert_content(p, "data/precious", "x");
}

/* On a file system mounted read-only: an error, and the old content. */
static void a_read_only_file_system_is_told(void **state)
{
	struct place *p = *state;
	put(p, "f", "old");
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(p->dir, p->dir, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, p->dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
			_exit(77);
		struct err wrote = ERR_INIT, removed = ERR_INIT;
		int w = file_write(in(p, "f"), S("new"), 0644, &wrote);
		int r = file_remove_tree(in(p, "f"), &removed);
		int same = file_write_if_changed(in(p, "f"), S("old"), 0644, &p->e);
		_exit(w == -1 && wrote.os == EROFS && r == -1 && removed.os == EROFS &&
				      same == 1
			      ? 0
			      : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_content(p, "f", "old");
}

/* The only way that a full disk can be had here: a file size limit would be a signal. */
static void a_full_disk_leaves_the_old_content(void **state)
{
	struct place *p = *state;
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", p->dir, "tmpfs", 0, "size=65536") < 0)
			_exit(77);
		char *big = arena_alloc(p->a, 1 << 20);
		struct str got;
		struct err e = ERR_INIT;
		bool is_right = file_write(in(p, "f"), S("old"), 0644, &e) == 0 &&
				file_write(in(p, "f"), str_of(big, 1 << 20), 0644, &e) == -1 &&
				e.kind == ERR_NO_ROOM && entries(p->dir) == 1 &&
				file_read(in(p, "f"), 10, p->a, &got, &e) == 0 &&
				str_is(got, "old");
		_exit(is_right ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void every_failed_allocation_is_told(void **state)
{
	struct place *p = *state;
	put(p, "f", "content");
	int rc = -1;
	unsigned long n = 0;
	while (rc < 0) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct str got;
		(void)mem_fail_after(++n);
		rc = arena_new(1 << 16, &a, &e);
		if (rc == 0)
			rc = file_read(in(p, "f"), 1000, a, &got, &e);
		(void)mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
	}
	assert_true(n >= 3);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(reading_has_a_maximum),
		IN_PLACE(a_write_replaces_whole),
		IN_PLACE(a_reader_keeps_the_old_content),
		IN_PLACE(a_failed_write_leaves_the_old),
		IN_PLACE(links_are_replaced_never_followed),
		IN_PLACE(only_changes_are_written),
		IN_PLACE(large_content_survives),
		IN_PLACE(directories_are_made_with_parents),
		IN_PLACE(paths_join_with_one_slash),
		IN_PLACE(a_lock_is_held_once),
		IN_PLACE(a_tree_goes_but_not_what_it_links_to),
		IN_PLACE(what_cannot_be_meant_is_refused),
		IN_PLACE(no_depth_keeps_a_tree_alive),
		IN_PLACE(wide_trees_go_too),
		IN_PLACE(mounts_are_not_entered),
		IN_PLACE(a_read_only_file_system_is_told),
		IN_PLACE(a_full_disk_leaves_the_old_content),
		IN_PLACE(every_failed_allocation_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
