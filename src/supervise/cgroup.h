/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * One control group for each partition, below one for the node:
 *
 *     /sys/fs/cgroup/hoc-XXXXXXXX/p0      XXXXXXXX: hash of the node directory's path
 *
 * cgroup_open enters a mount namespace of its own. Where the host shows cgroups of version 1 (or
 * both, "hybrid"), it unmounts them there and mounts version 2 in their place; the host sees no
 * change. Version 2 always counts processor time and processes and can kill a group whole;
 * memory, io and pids depend on which version the host gave the controllers to. Where version 2
 * cannot be had at all, groups do not exist and usage is summed from /proc by pid namespace.
 */
#include "base/arena.h"
#include "supervise/protocol.h"

struct cgroups;

/*
 * The number of a descriptor of the host's root that an earlier image of this process hands on:
 * inside its mount namespace, "/" is not the host's any more.
 */
#define CGROUPS_ROOT_VARIABLE "HOC_SUPERVISE_ROOT_FD"

/* Before the process has a second thread. `node_dir` is absolute. Never fails for a poor host. */
MUST int cgroups_open(const char *node_dir, struct cgroups **out, struct err *e);
/* Removes the groups in which no process is left. NULL is accepted; returns NULL. */
struct cgroups *cgroups_close(struct cgroups *c);
/* The words of supervise_hello.capabilities. */
struct str cgroups_capabilities(const struct cgroups *c);
/* An O_PATH descriptor of the host's root directory as the host mounts it. */
int cgroups_host_root(const struct cgroups *c);

/*
 * Makes the partition's group if needed and opens its directory for ev_child's cgroup_fd.
 * Returns 1 (and out -1) if this host has no groups.
 */
MUST int cgroups_enter(struct cgroups *c, struct str partition, int *out_fd, struct err *e);
/* SIGKILL to all in the group. 1 if it does not exist. */
MUST int cgroups_kill(struct cgroups *c, struct str partition, struct err *e);
/* Removes an empty group. 1 if processes are left in it. */
MUST int cgroups_remove(struct cgroups *c, struct str partition, struct err *e);

/*
 * Calls fn for every process in any of the node's groups. Does nothing on a host without groups.
 */
void cgroups_each(const struct cgroups *c, int (*fn)(void *user, int pid), void *user);

/*
 * Reads the usage of a partition. May take milliseconds (memory from /proc): for a pool thread.
 * Without groups, `inits` are the first processes of the partition's containers.
 */
MUST int cgroups_usage(const struct cgroups *c, struct str partition, const int *inits,
		       size_t init_count, struct supervise_usage *out, struct err *e);
