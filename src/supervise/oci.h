/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The OCI configuration (config.json, runtime specification 1.0) of a service of a partition.
 *
 * One shape for all: the release's tree read-only as root, the partition's home on /hoc,
 * private tmpfs on /tmp, /run and /dev/shm, a user namespace that maps 0 … 65535 to the
 * partition's range, no capability, no new privileges, a system call filter that refuses what
 * no service needs.
 */
#include "base/arena.h"

enum { OCI_UIDS = 65536, OCI_ARGS_MAX = 256, OCI_ENV_MAX = 256, OCI_CONFIG_MAX = 1 << 20 };

struct oci_service {
	const char *rootfs; /* absolute: the release's checkout */
	const char *home;   /* absolute: bind-mounted read-write on /hoc */
	const char *const *
		argv; /* NULL-terminated; argv[0] is a path in the container or found by PATH */
	const char *const *env; /* NULL-terminated "NAME=value"; PATH, HOME, USER, LANG and
				   TMPDIR are added if missing; may be NULL */
	const char *hostname;	/* NULL: "hoc" */
	bool joins_network;	/* no network namespace of its own: the supervisor enters
				    supervise_spec.netns first. False: an empty new one */
	const char *cwd;	/* NULL: "/hoc" */
	unsigned uid_base;	/* first host uid (= gid) of the partition's range */
	unsigned uid, gid;	/* inside; 0, 0 stands for 1000, 1000 unless is_root */
	bool is_root; /* setup steps that must own files of several users: uid 0 inside, with
			 CHOWN, DAC_OVERRIDE, FOWNER, SETUID, SETGID over the range */
	int64_t memory_bytes; /* 0: no limit; these three need cgroup controllers, else unset */
	int64_t cpu_milli;    /* 1,000 = one processor */
	int64_t pids;
	int64_t nofile;	   /* RLIMIT_NOFILE; 0: 65,536; at most what we have */
	bool has_terminal; /* for `hoc exec`; services have none */
};

/* Appends the configuration as canonical JSON. ERR_INVALID names the member. */
MUST int oci_config(const struct oci_service *s, struct buf *out, struct err *e);
/*
 * Writes `dir`/config.json (dir is made if missing, 0700) if it differs. Returns 1 if it was
 * the same already.
 */
MUST int oci_bundle_write(const char *dir, const struct oci_service *s, struct err *e);
