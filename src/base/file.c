/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Durable files. Order of a write: temporary file in the same directory, fsync, rename, fsync
 * of the directory; a crash leaves either the old or the new content, and at most a stray
 * ".tmp-" file that the next write of the same name replaces.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"

enum { PATH_BYTES = 4096 };

void file_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Reads the rest of `fd` into p[n]; the count read, or -1. */
static ssize_t read_all(int fd, char *p, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static void wipe_buf(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
	buf_fini(b);
}

/*
 * Grows with what arrives, so that files of /proc (size 0) are read too. The file may be a secret:
 * of what is read, nothing stays but the caller's text.
 */
static int read_stream(int fd, const char *path, size_t max_bytes, struct arena *a,
		       struct str *out, struct err *e)
{
	struct buf b CLEAN(wipe_buf) = BUF_INIT(max_bytes);
	char chunk[16384];
	ssize_t n = 0;
	/* A file without end (a device, a log that grows) is left once it passed the maximum. */
	while (!b.has_failed && (n = read_all(fd, chunk, sizeof chunk)) > 0)
		buf_add(&b, str_of(chunk, (size_t)n));
	int failed = errno;
	explicit_bzero(chunk, sizeof chunk);
	if (n < 0)
		return err_os(e, failed, "read %s", path);
	if (buf_check(&b, e) < 0)
		return err_in(e, "read %s", path);
	*out = arena_dup(a, buf_str(&b));
	return arena_check(a, e);
}

MUST int file_read(const char *path, size_t max_bytes, struct arena *a, struct str *out,
		   struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_os(e, errno, "open %s", path);
	return read_stream(fd, path, max_bytes, a, out, e);
}

MUST int file_write_fd(int fd, struct str content, struct err *e)
{
	while (content.n) {
		ssize_t w = write(fd, content.p, content.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_os(e, errno, "write");
		content = str_sub(content, (size_t)w, content.n);
	}
	return 0;
}

MUST int file_sync_dir(const char *path, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_os(e, errno, "flush directory %s", path);
	return 0;
}

/* The directory part of `path` into dir[PATH_BYTES]. */
static void parent_of(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		(void)snprintf(dir, PATH_BYTES, ".");
	else if (slash == path)
		(void)snprintf(dir, PATH_BYTES, "/");
	else
		(void)snprintf(dir, PATH_BYTES, "%.*s", (int)(slash - path), path);
}

static int write_temporary(const char *tmp, struct str content, unsigned mode, bool is_flushed,
			   struct err *e)
{
	(void)unlink(tmp);
	int fd CLEAN(file_closep) =
		open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
	if (fd < 0)
		return err_os(e, errno, "create %s", tmp);
	if (fchmod(fd, (mode_t)mode) < 0)
		return err_os(e, errno, "set mode of %s", tmp);
	if (file_write_fd(fd, content, e) < 0)
		return err_in(e, "%s", tmp);
	if (is_flushed && fsync(fd) < 0)
		return err_os(e, errno, "flush %s", tmp);
	return 0;
}

static int write_file(const char *path, struct str content, unsigned mode, bool is_flushed,
		      struct err *e)
{
	char dir[PATH_BYTES], tmp[PATH_BYTES + 16];
	parent_of(path, dir);
	const char *slash = strrchr(path, '/');
	int n = snprintf(tmp, sizeof tmp, "%s/.tmp-%s", dir, slash ? slash + 1 : path);
	if (n < 0 || (size_t)n >= sizeof tmp)
		return err_fail(e, ERR_INVALID, "path too long: %.80s…", path);
	if (write_temporary(tmp, content, mode, is_flushed, e) < 0) {
		(void)unlink(tmp);
		return -1;
	}
	fail_point("base.file.written");
	if (rename(tmp, path) < 0) {
		int os = errno;
		(void)unlink(tmp);
		return err_os(e, os, "rename to %s", path);
	}
	fail_point("base.file.renamed");
	return is_flushed ? file_sync_dir(dir, e) : 0;
}

MUST int file_write(const char *path, struct str content, unsigned mode, struct err *e)
{
	return write_file(path, content, mode, true, e);
}

/* A regular file of exactly this content and mode; false also if it cannot be read. */
static bool is_same_file(const char *path, struct str content, unsigned mode)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 07777) != mode || (uint64_t)st.st_size != content.n)
		return false;
	char chunk[16384];
	ssize_t n;
	while ((n = read_all(fd, chunk, sizeof chunk)) > 0) {
		struct str part = str_of(chunk, (size_t)n);
		if (!str_starts(content, part))
			return false;
		content = str_sub(content, part.n, content.n);
	}
	return n == 0 && content.n == 0;
}

MUST int file_write_if_changed(const char *path, struct str content, unsigned mode,
			       struct err *e)
{
	if (is_same_file(path, content, mode))
		return 1;
	return write_file(path, content, mode, false, e);
}

MUST int file_mkdirs(const char *path, unsigned mode, struct err *e)
{
	char part[PATH_BYTES];
	size_t n = strlen(path);
	if (n >= sizeof part)
		return err_fail(e, ERR_INVALID, "path too long: %.80s…", path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && i != n)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST)
			return err_os(e, errno, "make directory %s", part);
	}
	struct stat st;
	if (stat(path, &st) < 0)
		return err_os(e, errno, "make directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_os(e, ENOTDIR, "make directory %s", path);
	return 0;
}

bool file_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

struct str file_join(struct arena *a, struct str dir, struct str name)
{
	const char *slash = str_ends(dir, S("/")) ? "" : "/";
	return arena_fmt(a, "%" STR_F "%s%" STR_F, STR_A(dir), slash, STR_A(name));
}

MUST int file_lock(const char *path, int *out_fd, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_os(e, errno, "open lock %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int os = errno;
		file_closep(&fd);
		return os == EWOULDBLOCK ? 1 : err_os(e, os, "lock %s", path);
	}
	*out_fd = fd;
	return 0;
}
