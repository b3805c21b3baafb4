/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cutting logs: fallocate(2), FALLOC_FL_COLLAPSE_RANGE. Ranges must be whole blocks.
 */
#include "supervise/log_cap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { KEEP_MAX = 1 << 20 };

MUST int log_cap_open(const char *path, unsigned uid, int *out_fd, struct err *e)
{
	int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = open(path, flags);
	bool is_new = fd < 0 && errno == ENOENT;
	if (is_new)
		fd = open(path, flags | O_CREAT | O_EXCL, 0640);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || (is_new && fchown(fd, uid, uid) < 0)) {
		int os = errno;
		file_closep(&fd);
		return err_os(e, os, "open the log %s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		file_closep(&fd);
		return err_fail(e, ERR_INVALID, "the log %s is no plain file", path);
	}
	(void)fcntl(fd, F_SETFL, O_APPEND);
	*out_fd = fd;
	return 0;
}

static int copy_and_cut(int fd, off_t size, off_t keep, const char *path, struct err *e)
{
	size_t n = (size_t)MIN_OF(keep, (off_t)KEEP_MAX);
	char *p = mem_new(n, e);
	if (!p)
		return -1;
	ssize_t got = pread(fd, p, n, size - (off_t)n);
	int rc = got < 0 || ftruncate(fd, 0) < 0 ? err_os(e, errno, "cut the log %s", path)
						 : file_write_fd(fd, str_of(p, (size_t)got), e);
	mem_free(p);
	return rc < 0 ? -1 : 1;
}

MUST int log_cap_trim(const char *path, int64_t max_bytes, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= max_bytes)
		return 0;
	int fd CLEAN(file_closep) = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(e, errno, "open the log %s", path);
	off_t keep = max_bytes / 2, drop = st.st_size - keep;
	drop -= drop % st.st_blksize;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, drop) == 0)
		return 1;
	return copy_and_cut(fd, st.st_size, keep, path, e);
}
