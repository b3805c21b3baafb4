/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The home of a partition, written by root although its tenant owns it.
 *
 * A tenant may put symbolic links, FIFOs or anything else where we are about to write. So every
 * path is opened beneath the home with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS), files appear by rename of a fresh O_EXCL file, reads take regular
 * files only and never block. Content that a profile describes is made again after a crash, so
 * it is written atomically but not flushed one by one.
 */
#include "base/arena.h"

struct files_home {
	int fd;	      /* directory NODEDIR/partitions/NAME/home */
	unsigned uid; /* owner of what is written, uid and gid on the host */
};

/*
 * Opens the home, making it (0700) with etc, var, run and log, all owned by `uid`.
 * files_close when done.
 */
MUST int files_open(const char *home, unsigned uid, struct files_home *out, struct err *e);
void files_close(struct files_home *h);
/*
 * The file at `path` (relative, checked by the profile room) gets this text and mode, its
 * directories (0700) are made. Returns 1 if it was so already.
 */
MUST int files_put(const struct files_home *h, struct str path, struct str text, unsigned mode,
		   struct err *e);
/* Removes a file; what is not there is fine. */
MUST int files_remove(const struct files_home *h, struct str path, struct err *e);
/* The content of a regular file; 1 if there is none. ERR_TOO_LARGE beyond `max_bytes`. */
MUST int files_read(const struct files_home *h, struct str path, size_t max_bytes,
		    struct arena *a, struct str *out, struct err *e);
/*
 * Bytes on disk (allocated blocks) of the tree, without following links; counting stops after
 * `max_entries`, and *is_partial tells so.
 */
MUST int files_usage(const char *home, size_t max_entries, int64_t *out_bytes, bool *is_partial,
		     struct err *e);
