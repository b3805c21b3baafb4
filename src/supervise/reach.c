/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's directory is held by a descriptor while the way to it is covered, then bound to its
 * old path through /proc/self/fd.
 */
#include "supervise/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"

enum { PATH_BYTES = 4096 };

/*
 * The length of the shortest parent of `path` that others may not search, or 0: all may be.
 */
static int find_closed(const char *path, size_t *out, struct err *e)
{
	char part[PATH_BYTES];
	*out = 0;
	for (size_t i = 1; path[i] && !*out; i++) {
		struct stat st;
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (stat(part, &st) < 0)
			return err_os(e, errno, "look at %s", part);
		if (!(st.st_mode & S_IXOTH))
			*out = i;
	}
	return 0;
}

static int cover(const char *path, size_t closed, int held, struct err *e)
{
	char part[PATH_BYTES], source[64];
	memcpy(part, path, closed);
	part[closed] = 0;
	if (mount("tmpfs", part, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0755,size=64k") < 0)
		return err_os(e, errno, "cover %s", part);
	if (file_mkdirs(path, 0755, e) < 0)
		return -1;
	(void)snprintf(source, sizeof source, "/proc/self/fd/%d", held);
	if (mount(source, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_os(e, errno, "bind %s", path);
	return 0;
}

MUST int reach_open(const char *node_dir, struct err *e)
{
	char path[PATH_BYTES];
	size_t closed;
	if (!realpath(node_dir, path))
		return err_os(e, errno, "find %s", node_dir);
	if (find_closed(path, &closed, e) < 0)
		return -1;
	if (!closed)
		return 1;
	int held CLEAN(file_closep) = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (held < 0)
		return err_os(e, errno, "open %s", path);
	mode_t old = umask(0022);
	int rc = cover(path, closed, held, e);
	(void)umask(old);
	return rc;
}
