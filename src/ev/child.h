/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Children: a program started with an argument vector, watched until it ends.
 *
 * A child leads a process group of its own; the time limit and ev_child_kill reach the whole
 * group. It inherits no descriptor but the three named here, has every signal at its default
 * and dies with nothing else: a parent that goes away does not kill it. Output is kept up to a
 * maximum; what comes after is read and dropped, so that the child never blocks on us.
 *
 * This room waits for its own children by pid only; others in the process may wait for theirs.
 */
#include "base/arena.h"
#include "ev/ev.h"

struct ev_child;

struct ev_child_spec {
	const char *const
		*argv; /* NULL-terminated; argv[0] with '/' is a path, else searched in PATH */
	const char *const *env;	 /* NULL-terminated "NAME=value"; NULL: as ours */
	const char *cwd;	 /* NULL: ours */
	struct str input;	 /* on its stdin, then end of file; up to 1 MiB */
	size_t output_max_bytes; /* kept of stdout and stderr together; 0: both to /dev/null */
	int64_t timeout_ms;	 /* 0: none; then SIGKILL to the group */
	bool has_user;		 /* run as uid, gid (no supplementary groups) */
	unsigned uid, gid;
	bool is_split; /* stderr apart from stdout; else both in .output in order */
	int out_fd;    /* > 0: stdout and stderr go there instead (stays the caller's) */
	int netns_fd;  /* > 0: a network namespace to enter first (stays the caller's) */
	int cgroup_fd; /* > 0: directory of a control group to be born in (stays the caller's) */
};

struct ev_child_result {
	int exit_code; /* 0 … 255, or -1 if a signal ended it */
	int signal;    /* or 0 */
	bool has_timed_out;
	bool is_cut;	   /* output went beyond the maximum */
	struct str output; /* valid during the callback */
	struct str errors; /* stderr if is_split */
	int64_t took_ms;
};
typedef void ev_child_fn(void *user, const struct ev_child_result *r);

/*
 * Starts a child; fn is called once when it ended and its output is read (or, if a grandchild
 * keeps the pipe open, EV_CHILD_LINGER_MS later). Failure to execute is an error of this call:
 * ERR_NOT_FOUND if there is no such program. `out` may be NULL.
 */
enum { EV_CHILD_LINGER_MS = 200, EV_CHILD_INPUT_MAX = 1 << 20 };
MUST int ev_child(struct ev *ev, const struct ev_child_spec *spec, ev_child_fn *fn, void *user,
		  struct ev_child **out, struct err *e);
int ev_child_pid(const struct ev_child *c);
/* Sends a signal to the child's process group. The callback still comes. */
void ev_child_kill(struct ev_child *c, int signum);
/* Kills the group at once and forgets the child: no callback. NULL is accepted; returns NULL.
 */
struct ev_child *ev_child_free(struct ev_child *c);

/*
 * Runs a child to its end and blocks until then: for the pool, the CLI and tests. Output is
 * copied into `a`. A non-zero exit is a success here; look at `out`.
 */
MUST int ev_child_wait(const struct ev_child_spec *spec, struct arena *a,
		       struct ev_child_result *out, struct err *e);
/* 0 if the child ended with exit code 0, else ERR_BROKEN (ERR_TIMEOUT) with the end of its
 * output. */
MUST int ev_child_check(const struct ev_child_result *r, const char *name, struct err *e);
