/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Safe writing below a directory whose content somebody else controls.
 *
 * openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS refuses, in the kernel and in one step,
 * every path that leaves the home or passes through a link, so there is nothing to race with.
 */
#include "agent/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

enum { PATH_BYTES = 4096, WALK_DEPTH = 64 };

static int open_beneath(int dir, const char *path, int flags, unsigned mode)
{
	struct open_how how = {
		.flags = (unsigned long long)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* Makes one directory owned by the tenant and opens it. */
static int enter(int parent, const char *name, unsigned uid, struct err *e)
{
	bool is_new = mkdirat(parent, name, 0700) == 0;
	if (!is_new && errno != EEXIST)
		return err_os(e, errno, "make directory %s", name);
	int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_os(e, errno, "open directory %s", name);
	/* One of root's was left by a crash between making and giving. */
	struct stat st;
	bool is_ours = is_new || (fstat(fd, &st) == 0 && st.st_uid == 0);
	if (is_ours && fchown(fd, uid, uid) < 0) {
		int os = errno;
		file_closep(&fd);
		return err_os(e, os, "give directory %s to its owner", name);
	}
	return fd;
}

MUST int files_open(const char *home, unsigned uid, struct files_home *out, struct err *e)
{
	static const char *const parts[] = {"etc", "var", "run", "log"};
	if (mkdir(home, 0700) < 0 && errno != EEXIST)
		return err_os(e, errno, "make %s", home);
	int fd = open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, uid, uid) < 0) {
		int os = errno;
		file_closep(&fd);
		return err_os(e, os, "open %s", home);
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int sub = enter(fd, parts[i], uid, e);
		if (sub < 0) {
			file_closep(&fd);
			return err_in(e, "%s", home);
		}
		file_closep(&sub);
	}
	*out = (struct files_home){fd, uid};
	return 0;
}

void files_close(struct files_home *h)
{
	file_closep(&h->fd);
}

/* The next directory of a path: -1 with *e, or -2 if it is missing and is not to be made. */
static int step_into(const struct files_home *h, int dir, const char *name, bool is_made,
		     struct err *e)
{
	if (is_made)
		return enter(dir, name, h->uid, e);
	int next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
	/* What a link or a file stands before is not beneath the home either. */
	if (next < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		return -2;
	return next < 0 ? err_os(e, errno, "open directory %s", name) : next;
}

/*
 * Opens the directory that holds the last part of `path`, making what is missing if asked, and
 * copies the last part into name[PATH_BYTES]. -1 with *e, or -2 if a directory is missing.
 */
static int open_parent(const struct files_home *h, struct str path, bool is_made, char *name,
		       struct err *e)
{
	int dir = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
	struct str rest = path, part;
	if (dir < 0)
		return err_os(e, errno, "duplicate a descriptor");
	while (str_split(&rest, '/', &part)) {
		if (!part.n || str_is(part, ".") || str_is(part, "..") || part.n >= 256) {
			file_closep(&dir);
			return err_fail(e, ERR_INVALID, "not a path in a home: %" STR_F,
					STR_A(path));
		}
		(void)snprintf(name, PATH_BYTES, "%" STR_F, STR_A(part));
		if (!rest.p)
			return dir;
		int next = step_into(h, dir, name, is_made, e);
		file_closep(&dir);
		if (next < 0)
			return next;
		dir = next;
	}
	file_closep(&dir);
	return err_fail(e, ERR_INVALID, "empty path");
}

static int read_fd(int fd, size_t max_bytes, struct arena *a, struct str *out, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(max_bytes);
	char chunk[8192];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			buf_add(&b, str_of(chunk, (size_t)n));
		/* A tenant's file may have no end. */
		if (buf_check(&b, e) < 0)
			return -1;
	}
	if (n < 0)
		return err_os(e, errno, "read");
	*out = arena_dup(a, buf_str(&b));
	return arena_check(a, e);
}

/* A regular file of the directory; 1 if there is none or it is something else. */
static int read_at(int dir, const char *name, size_t max_bytes, struct arena *a,
		   struct str *out, struct stat *st, struct err *e)
{
	/* O_NONBLOCK: a FIFO in the tenant's directory must not hold us. */
	int fd CLEAN(file_closep) = open_beneath(dir, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO
			       ? 1
			       : err_os(e, errno, "open %s", name);
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return 1;
	return read_fd(fd, max_bytes, a, out, e);
}

static bool is_same(int dir, const char *name, struct str text, unsigned mode, unsigned uid)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err ignored = ERR_INIT;
	struct str old;
	struct stat st;
	if (arena_new(text.n + 65536, &a, &ignored) < 0)
		return false;
	int rc = read_at(dir, name, text.n, a, &old, &st, &ignored);
	return rc == 0 && str_eq(old, text) && (st.st_mode & 07777) == mode &&
	       st.st_uid == uid && st.st_gid == uid;
}

/* Gives the fresh file its owner, mode and content, and its name. */
static int finish_file(int dir, int fd, const char *tmp, const char *name, struct str text,
		       unsigned mode, unsigned uid, struct err *e)
{
	if (fchown(fd, uid, uid) < 0 || fchmod(fd, (mode_t)mode) < 0)
		return err_os(e, errno, "give %s to its owner", name);
	if (file_write_fd(fd, text, e) < 0)
		return -1;
	if (renameat(dir, tmp, dir, name) < 0)
		return err_os(e, errno, "put %s in place", name);
	return 0;
}

static int write_at(int dir, const char *name, struct str text, unsigned mode, unsigned uid,
		    struct err *e)
{
	char tmp[300];
	(void)snprintf(tmp, sizeof tmp, ".hoc-%.250s", name);
	(void)unlinkat(dir, tmp, 0);
	int fd CLEAN(file_closep) = open_beneath(dir, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_os(e, errno, "create %s", name);
	int rc = finish_file(dir, fd, tmp, name, text, mode, uid, e);
	if (rc < 0)
		(void)unlinkat(dir, tmp, 0);
	return rc;
}

MUST int files_put(const struct files_home *h, struct str path, struct str text, unsigned mode,
		   struct err *e)
{
	char name[PATH_BYTES];
	int dir CLEAN(file_closep) = open_parent(h, path, true, name, e);
	if (dir < 0)
		return -1;
	if (is_same(dir, name, text, mode, h->uid))
		return 1;
	return write_at(dir, name, text, mode, h->uid, e);
}

MUST int files_remove(const struct files_home *h, struct str path, struct err *e)
{
	char name[PATH_BYTES];
	int dir CLEAN(file_closep) = open_parent(h, path, false, name, e);
	if (dir == -2)
		return 0;
	if (dir < 0)
		return -1;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT && errno != EISDIR)
		return err_os(e, errno, "remove %" STR_F, STR_A(path));
	return 0;
}

MUST int files_read(const struct files_home *h, struct str path, size_t max_bytes,
		    struct arena *a, struct str *out, struct err *e)
{
	char name[PATH_BYTES];
	struct stat st;
	int dir CLEAN(file_closep) = open_parent(h, path, false, name, e);
	if (dir == -2)
		return 1;
	return dir < 0 ? -1 : read_at(dir, name, max_bytes, a, out, &st, e);
}

/* ---- usage --------------------------------------------------------------------------------- */

struct usage_walk {
	DIR *dirs[WALK_DEPTH];
	size_t depth, entries, max_entries;
	int64_t bytes;
	bool is_partial;
};

static void push(struct usage_walk *w, int fd)
{
	DIR *dir = w->depth < WALK_DEPTH ? fdopendir(fd) : NULL;
	if (!dir) {
		file_closep(&fd);
		w->is_partial = true;
		return;
	}
	w->dirs[w->depth++] = dir;
}

static void count_entry(struct usage_walk *w, const char *name)
{
	struct stat st;
	int dir = dirfd(w->dirs[w->depth - 1]);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	/* What vanishes while we look is not there. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	w->bytes += (int64_t)st.st_blocks * 512 /
		    (st.st_nlink && S_ISREG(st.st_mode) ? (int64_t)st.st_nlink : 1);
	if (++w->entries >= w->max_entries)
		w->is_partial = true;
	if (S_ISDIR(st.st_mode)) {
		int fd = open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0)
			push(w, fd);
	}
}

MUST int files_usage(const char *home, size_t max_entries, int64_t *out_bytes, bool *is_partial,
		     struct err *e)
{
	struct usage_walk w = {.max_entries = max_entries};
	int fd = open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_os(e, errno, "open %s", home);
	push(&w, fd);
	while (w.depth) {
		struct dirent *d =
			w.entries < max_entries ? readdir(w.dirs[w.depth - 1]) : NULL;
		if (d)
			count_entry(&w, d->d_name);
		else
			(void)closedir(w.dirs[--w.depth]);
	}
	*out_bytes = w.bytes;
	*is_partial = w.is_partial;
	return 0;
}
