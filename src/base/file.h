/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Files that survive a power cut: written whole under a temporary name, flushed, renamed, and
 * the directory flushed. Reading has a maximum. Removing a tree never follows a symbolic link.
 */
#include "base/arena.h"

/*
 * The whole file, at most `max_bytes` (beyond: ERR_TOO_LARGE), into arena memory followed by a
 * NUL. Returns 1 if it does not exist (out untouched), 0 on success.
 */
MUST int file_read(const char *path, size_t max_bytes, struct arena *a, struct str *out,
		   struct err *e);
/*
 * After success the path holds exactly `content` with permissions `mode`, even through a power
 * cut; after failure it holds what it held, or, if only the last flush of the directory failed,
 * the new content. The directory must exist. A symbolic link at the path is replaced, never
 * followed. One writer of a path at a time: two would share the temporary name.
 */
MUST int file_write(const char *path, struct str content, unsigned mode, struct err *e);
/*
 * For files that their writer can make again: leaves an identical file alone and then returns 1,
 * else replaces it at once for every reader (rename), but does not flush. After a power cut it may
 * hold the old content, the new, or nothing, so whoever writes it compares again at the next start.
 */
MUST int file_write_if_changed(const char *path, struct str content, unsigned mode,
			       struct err *e);
/* Makes the directory and its parents with `mode`; existing ones are left as they are. */
MUST int file_mkdirs(const char *path, unsigned mode, struct err *e);
/*
 * Removes a file or a whole tree of any depth; what is not there is fine. Refuses to enter a
 * mount (ERR_CONFLICT), also one of the same file system and one at the path itself; what it
 * removed before stays removed. Links are removed, never followed.
 */
MUST int file_remove_tree(const char *path, struct err *e);
/* Flushes a directory's entries to disk. */
MUST int file_sync_dir(const char *path, struct err *e);
bool file_exists(const char *path);
/* Joins two path parts with one '/'. */
struct str file_join(struct arena *a, struct str dir, struct str name);
/* Writes all of `content` to a descriptor, resuming after signals and short writes. */
MUST int file_write_fd(int fd, struct str content, struct err *e);
/* For CLEAN(file_closep): closes if >= 0. */
void file_closep(int *fd);
/*
 * Takes the lock file at `path` for this process (flock, close-on-exec). Returns 0 and the
 * descriptor, or 1 if another process holds it.
 */
MUST int file_lock(const char *path, int *out_fd, struct err *e);
