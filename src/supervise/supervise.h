/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The process that owns every service of a node: `hoc supervise --dir NODEDIR`.
 *
 * It starts, respawns, stops and adopts, and nothing else: what should run is told to it
 * through its socket (protocol.h) by the agent and remembered in NODEDIR/supervise/state.json.
 * It is independent of the agent, which may be stopped, killed or upgraded while services run.
 *
 *     SIGTERM, SIGINT   ends; services keep running and wait for the next supervisor
 *     SIGHUP            executes /proc/self/exe again (an upgrade), keeping its children
 *     shutdown request  ends, with {"stop_services": true} after every service has stopped
 *
 * Needs root. Enters a mount namespace of its own; no mount of the host changes.
 */
#include "base/arena.h"
#include "base/clock.h"

struct supervise_options {
	const char *dir;	 /* NODEDIR, must exist */
	const char *crun;	 /* NULL: "crun" in PATH */
	const char *const *argv; /* how this program was started: executed again on SIGHUP */
	const struct rng *rng;	 /* NULL: the kernel's */
	/* Called once the socket listens and state was adopted (may be NULL): daemons tell
	 * their parent then. */
	void (*ready)(void *user);
	void *user;
};

/* Runs until asked to end. ERR_CONFLICT if another supervisor owns the directory. */
MUST int supervise_run(const struct supervise_options *o, struct err *e);

/* The socket's path for NODEDIR. */
struct str supervise_socket_path(struct arena *a, struct str node_dir);
