/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Runs a command to its end in this thread: its output is read, its status lines are handed on,
 * and it dies with this process. (ev/child.h has no status lines and lets children outlive us.)
 */
#include "base/arena.h"

struct run {
	const char *what;	 /* for errors: "apt-get update" */
	const char *const *argv; /* NULL-terminated, [0] searched in PATH */
	const char *const
		*extra_env; /* NULL-terminated "NAME=value" beside a fixed clean set */
	const char *cwd;    /* NULL: "/" */
	bool is_contained; /* as root: in mount and process namespaces of its own, so that all it
			    * mounts and starts ends with it */
	size_t output_max_bytes;		     /* of stdout that is kept */
	void (*status)(void *user, struct str line); /* lines that it writes to descriptor 3 */
	void (*tick)(void *user);		     /* about four times a second */
	void *user;
};

enum { RUN_ARGS_MAX = 2400 };

/*
 * *out (may be NULL) gets stdout in `a`. ERR_BROKEN if it exits with another code than 0, with its
 * last lines; ERR_NO_ROOM if those tell of a full disk; ERR_UNSUPPORTED if there is no such
 * program.
 */
MUST int run_command(const struct run *r, struct arena *a, struct str *out, struct err *e);
