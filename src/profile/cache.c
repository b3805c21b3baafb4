/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Content under its hash. The hash is taken of the file that is about to be renamed, after its data
 * reached the disk, so that a name never stands for less than it says.
 */
#include "profile/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "trust/hash.h"

struct str profile_cache_path(const char *dir, const char *sha256, struct arena *a)
{
	return arena_fmt(a, "%s/sha256/%s", dir, sha256);
}

/* 0 right, 1 absent, 2 wrong. */
enum { ABSENT = 1, WRONG = 2 };

static int judge_file(const char *path, const struct profile_cache_object *o, struct err *e)
{
	struct hash want, got;
	struct stat st;
	if (hash_parse(str_from(o->sha256), &want, e) < 0)
		return -1;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? ABSENT : err_os(e, errno, "look at %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size != o->size_bytes)
		return WRONG;
	int rc = hash_file(path, o->size_bytes, &got, NULL, e);
	if (rc)
		return rc;
	return hash_eq(&want, &got) ? 0 : WRONG;
}

MUST int profile_cache_verify(const char *dir, const struct profile_cache_object *o,
			      struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(8192, &a, e) < 0)
		return -1;
	const char *path = arena_cstr(a, profile_cache_path(dir, o->sha256, a));
	int rc = judge_file(path, o, e);
	if (rc != WRONG)
		return rc;
	return file_remove_tree(path, e) < 0 ? -1 : ABSENT;
}

/* Data to disk; the name follows by rename. */
static int flush_file(const char *path, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_os(e, errno, "flush %s", path);
	if (fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0644) < 0)
		return err_os(e, errno, "set mode of %s", path);
	return 0;
}

static int copy_file(const char *from, const char *to, struct err *e)
{
	int in CLEAN(file_closep) = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out CLEAN(file_closep) =
		open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	char chunk[65536];
	ssize_t n;
	if (in < 0 || out < 0)
		return err_os(e, errno, "copy %s", from);
	while ((n = read(in, chunk, sizeof chunk)) > 0)
		if (file_write_fd(out, str_of(chunk, (size_t)n), e) < 0)
			return err_in(e, "%s", to);
	return n < 0 ? err_os(e, errno, "read %s", from) : 0;
}

/* Into DIR/sha256 under its name, through a temporary name if another file system is left. */
static int move_in(const char *from, const char *to, struct arena *a, struct err *e)
{
	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return err_os(e, errno, "rename to %s", to);
	const char *tmp = arena_fmt(a, "%s.tmp-%d", to, (int)getpid()).p;
	if (arena_check(a, e) < 0 || copy_file(from, tmp, e) < 0 || flush_file(tmp, e) < 0)
		return -1;
	if (rename(tmp, to) < 0)
		return err_os(e, errno, "rename to %s", to);
	return unlink(from) < 0 ? err_os(e, errno, "remove %s", from) : 0;
}

MUST int profile_cache_take(const char *dir, const struct profile_cache_object *o,
			    const char *path, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(16384, &a, e) < 0)
		return -1;
	int rc = judge_file(path, o, e);
	if (rc < 0)
		return -1;
	if (rc == ABSENT)
		return err_fail(e, ERR_NOT_FOUND, "%s was not fetched", path);
	if (rc == WRONG) {
		struct err ignored;
		(void)!file_remove_tree(path, &ignored);
		return err_fail(e, ERR_CORRUPT, "%s is not what its hash %.12s… says", path,
				o->sha256);
	}
	const char *folder = arena_fmt(a, "%s/sha256", dir).p;
	const char *to = arena_cstr(a, profile_cache_path(dir, o->sha256, a));
	if (arena_check(a, e) < 0 || file_mkdirs(folder, 0755, e) < 0 ||
	    flush_file(path, e) < 0)
		return -1;
	fail_point("profile.cache.before_rename");
	if (move_in(path, to, a, e) < 0)
		return -1;
	fail_point("profile.cache.after_rename");
	return file_sync_dir(folder, e);
}

MUST int profile_cache_give(const char *dir, const char *sha256, const char *to, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(16384, &a, e) < 0)
		return -1;
	const char *from = arena_cstr(a, profile_cache_path(dir, sha256, a));
	if (arena_check(a, e) < 0)
		return -1;
	if (link(from, to) == 0)
		return 0;
	return errno == EXDEV ? copy_file(from, to, e) : err_os(e, errno, "link to %s", to);
}
