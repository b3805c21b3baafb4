/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Log files that services write themselves (their stdout is the file, opened for appending) and
 * that still have a maximum.
 *
 * Nobody stands between a service and its log, so the file cannot be swapped under it. Instead the
 * older half is cut off in place: by collapsing the range (ext4, xfs: at once, no line lost) or,
 * where the file system cannot, by copying the last MiB to the front, which may lose what is
 * written in that very moment. The maximum is looked at every LOG_CAP_PERIOD_MS, so a file may be
 * larger for that long.
 */
#include "base/str.h"

enum { LOG_CAP_PERIOD_MS = 10000 };

/* Opens for appending, made 0640 for `uid` if new. Refuses links and what is no plain file. */
MUST int log_cap_open(const char *path, unsigned uid, int *out_fd, struct err *e);
/* Returns 1 if something was cut. No file is fine. */
MUST int log_cap_trim(const char *path, int64_t max_bytes, struct err *e);
