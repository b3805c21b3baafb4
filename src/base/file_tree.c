/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Removing a tree that somebody else made, and may still be making.
 *
 * Down by openat with O_NOFOLLOW from one open directory to the next, never by path: a link put
 * in the way leads nowhere. An explicit stack, because the depth is somebody else's choice; what
 * lies deeper than the stack is renamed to the top of the tree and found there again, so that
 * no depth keeps a tree alive.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { PATH_BYTES = 4096, STACK_MAX = 64, NAME_BYTES = 256 };

struct walk {
	DIR *dirs[STACK_MAX];
	char names[STACK_MAX][NAME_BYTES];
	size_t depth;	      /* directories open */
	unsigned long raised; /* directories renamed to the top so far */
	bool must_rewind;     /* the top got entries that it may not have read */
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 0, or a refusal: the root of a mount looks like a directory, but is another's. */
static int check_mount(int fd, const char *name, struct err *e)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0)
		return err_os(e, errno, "look at %s", name);
	if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return err_fail(e, ERR_CONFLICT, "something is mounted at %s", name);
	return 0;
}

static int open_directory(int parent, const char *name, DIR **out, struct err *e)
{
	int fd CLEAN(file_closep) =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_os(e, errno, "open directory %s", name);
	if (check_mount(fd, name, e) < 0)
		return -1;
	DIR *dir = fdopendir(fd);
	if (!dir)
		return err_os(e, errno, "read directory %s", name);
	fd = -1; /* the stream owns it */
	*out = dir;
	return 0;
}

/* Moves a directory that lies too deep to the top of the tree, under a name that is free there. */
static int raise_directory(struct walk *w, int parent, const char *name, struct err *e)
{
	int rc;
	do {
		char fresh[NAME_BYTES];
		(void)snprintf(fresh, sizeof fresh, ".deep-%lu", w->raised++);
		rc = renameat(parent, name, dirfd(w->dirs[0]), fresh);
	} while (rc < 0 && (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR));
	if (rc < 0 && errno == EBUSY)
		return err_fail(e, ERR_CONFLICT, "something is mounted at %s", name);
	if (rc < 0)
		return err_os(e, errno, "move directory %s", name);
	w->must_rewind = true;
	return 0;
}

static int walk_down(struct walk *w, int parent, const char *name, struct err *e)
{
	if (w->depth == STACK_MAX)
		return raise_directory(w, parent, name, e);
	if (open_directory(parent, name, &w->dirs[w->depth], e) < 0)
		return -1;
	(void)snprintf(w->names[w->depth], NAME_BYTES, "%s", name);
	w->depth++;
	return 0;
}

/* Removes what is no directory: 0 done, 1 it is a directory, -1. */
static int remove_entry(int parent, const char *name, struct err *e)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	int os = errno;
	struct stat st;
	bool is_directory =
		fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
	if (is_directory && (os == EISDIR || os == EPERM))
		return 1;
	if (os == EBUSY)
		return err_fail(e, ERR_CONFLICT, "something is mounted at %s", name);
	return err_os(e, os, "remove %s", name);
}

static int walk_up(struct walk *w, int top, struct err *e)
{
	if (w->depth == 1 && w->must_rewind) {
		w->must_rewind = false;
		rewinddir(w->dirs[0]);
		return 0;
	}
	w->depth--;
	(void)closedir(w->dirs[w->depth]);
	int parent = w->depth ? dirfd(w->dirs[w->depth - 1]) : top;
	if (unlinkat(parent, w->names[w->depth], AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_os(e, errno, "remove directory %s", w->names[w->depth]);
	return 0;
}

/* The next entry of the deepest directory: removed, or walked into; at its end, up. */
static int walk_step(struct walk *w, int top, struct err *e)
{
	struct dirent *d = readdir(w->dirs[w->depth - 1]);
	if (!d)
		return walk_up(w, top, e);
	if (is_dot(d->d_name))
		return 0;
	int fd = dirfd(w->dirs[w->depth - 1]);
	int rc = remove_entry(fd, d->d_name, e);
	return rc == 1 ? walk_down(w, fd, d->d_name, e) : rc;
}

static int remove_tree(int top, const char *name, struct err *e)
{
	struct walk w = {.depth = 0};
	int rc = remove_entry(top, name, e);
	if (rc != 1)
		return rc;
	rc = walk_down(&w, top, name, e);
	while (rc == 0 && w.depth)
		rc = walk_step(&w, top, e);
	while (w.depth)
		(void)closedir(w.dirs[--w.depth]);
	return rc;
}

MUST int file_remove_tree(const char *path, struct err *e)
{
	struct str whole = str_from(path);
	while (whole.n > 1 && whole.p[whole.n - 1] == '/')
		whole.n--;
	char dir[PATH_BYTES];
	if (whole.n >= sizeof dir)
		return err_fail(e, ERR_INVALID, "path too long: %.80s…", path);
	memcpy(dir, whole.p, whole.n);
	dir[whole.n] = 0;
	char *slash = strrchr(dir, '/');
	char *name = slash ? slash + 1 : dir;
	if (!*name || is_dot(name))
		return err_fail(e, ERR_INVALID, "'%s' cannot be removed", path);
	char base[NAME_BYTES];
	if (snprintf(base, sizeof base, "%s", name) >= (int)sizeof base)
		return err_fail(e, ERR_INVALID, "name too long: %.80s…", name);
	*name = 0; /* keeps "/" of "/name" and makes "name" relative to here */
	int top CLEAN(file_closep) = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : err_os(e, errno, "open %s", *dir ? dir : ".");
	if (remove_tree(top, base, e) < 0)
		return err_in(e, "remove tree %s", path);
	return 0;
}
