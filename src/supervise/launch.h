/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * One start of a container by `crun run --detach` (or `create`), and what crun leaves behind.
 *
 * crun ends as soon as the container runs; the container's first process then becomes our child,
 * since this process is the subreaper, and is watched through a pidfd. No helper stays.
 *
 * A container is named PARTITION:NAME:HASH:SERIAL. crun keeps its record in ROOT/NAME/status, with
 * pid and start time: that is also our record of what runs, made by every launch without a write
 * of ours, and read again after a crash. HASH tells which configuration it runs.
 */
#include "ev/child.h"
#include "supervise/crun.h"

enum { LAUNCH_NAME_SIZE = 192, LAUNCH_TIMEOUT_MS = 30000, LAUNCH_RECORDS_MAX = 16384 };

struct launch_place {
	struct crun *crun;   /* what is executed */
	const char *root;    /* crun's records: NODEDIR/supervise/crun */
	const char *scratch; /* pid files and messages: NODEDIR/supervise/launch */
};

struct launch_spec {
	const char *bundle; /* directory of config.json */
	const char *name;   /* of the container */
	int out_fd;    /* its stdout and stderr; < 0: /dev/null. All three stay the caller's */
	int cgroup_fd; /* < 0: none */
	int netns_fd;  /* < 0: none */
	bool is_standby; /* create only: launch_release starts it */
};

/* pidfd > 0 is the callee's from now on; else why it failed, and nothing is left. */
typedef void launch_fn(void *user, int pid, int pidfd, const struct err *why);
struct launch;

/* Starts a launch; `spec` and `place` are only read during the call, `place`'s texts live on. */
MUST int launch_start(struct ev *ev, const struct launch_place *place,
		      const struct launch_spec *spec, launch_fn *fn, void *user,
		      struct launch **out, struct err *e);
/* Kills crun and what it made; no callback. NULL is accepted; returns NULL. */
struct launch *launch_free(struct launch *l);

/* Lets a standby container run: one write. It must have been launched and live. */
MUST int launch_release(const struct launch_place *place, const char *name, struct err *e);
/* Forgets crun's record of a container that ended. */
void launch_forget(const struct launch_place *place, const char *name);

/* A record of crun of a container whose first process lives. */
struct launch_record {
	struct str name; /* of the container */
	struct str id;	 /* "p0/postgres", or empty if the name is not of a service */
	struct str hash; /* of its configuration */
	int pid;
	bool is_standby;
};
/*
 * After a start of the supervisor: kills launches that were under way, forgets records of what
 * ended, and lists the rest.
 */
MUST int launch_recover(const struct launch_place *place, struct arena *a,
			struct launch_record **out, size_t *out_count, struct err *e);
/* The status of an ended child, by pidfd. False if it is not ours to wait for or still runs. */
bool launch_status(int pidfd, int *exit_code, int *signum);
/* Kills a process, ours or not, and waits (some ms; 5 s at most) until it is gone. */
void launch_end(int pid);
/* SIGKILL through a pidfd. */
void launch_kill(int pidfd);
MUST int launch_pidfd(int pid, struct err *e);
