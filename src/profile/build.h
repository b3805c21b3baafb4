/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Builds a release on a node: lock → packages in the cache → root (mmdebstrap from a repository
 * made of the locked files alone) → OSTree commit, signed → hard-link checkout.
 *
 *     NODEDIR/apt.sources              optional: deb822 sources instead of the host's
 *     NODEDIR/apt/                     private apt directory (lists)
 *     NODEDIR/cache/sha256/HEX         packages
 *     NODEDIR/repo/                    OSTree, bare; branch lock/LOCKHASH
 *     NODEDIR/repo/hoc/LOCKHASH        signed statement {"commit", "lock", "key", "signature"}
 *     NODEDIR/keys/builder             Ed25519 key of this builder, made when first needed
 *     NODEDIR/releases/HEX/lock.json   the lock, written before anything is fetched
 *     NODEDIR/releases/HEX/root/       the checkout: appears by rename, complete
 *     NODEDIR/releases/HEX/built.json  {"lock", "commit", "ms"}: written last
 *     NODEDIR/building/LOCKHASH/       temporary; removed at start and end of a build
 *
 * Every step can be killed and repeated. One build at a time per lock and per release (lock
 * files in NODEDIR/building). Blocking: seconds to minutes. Needs root. NODEDIR is an absolute path of
 * [A-Za-z0-9/._+-]. Recommended use is a child process: `hoc profile-build`
 * (profile_build_child_main), whose end an agent's restart does not need to survive: a killed
 * build is continued by the next call, nothing fetched is fetched twice, and the children it
 * runs die with it.
 */
#include "profile/bundle.h"
#include "profile/lock.h"

enum profile_phase {
	PROFILE_PHASE_RESOLVE,
	PROFILE_PHASE_FETCH,  /* done of total packages, bytes of total */
	PROFILE_PHASE_UNPACK, /* done of total packages */
	PROFILE_PHASE_COMMIT,
	PROFILE_PHASE_CHECKOUT,
};

struct profile_progress {
	enum profile_phase phase;
	int64_t done, total;	    /* packages; total 0: not known */
	int64_t bytes, bytes_total; /* FETCH */
};
typedef void profile_progress_fn(void *user, const struct profile_progress *p);
/* "resolve", "fetch", "unpack", "commit", "checkout" */
const char *profile_phase_name(enum profile_phase phase);

struct profile_build {
	const char *node_dir;
	const char *release_hash;	      /* bundle hash: names NODEDIR/releases/HEX */
	const struct spec_software *software; /* of the manifest */
	const char *
		sources; /* text as in struct profile_apt; NULL: NODEDIR/apt.sources or the host's */
	profile_progress_fn *progress; /* may be NULL; called in this thread */
	void *user;
};

struct profile_built {
	char lock_hash[65], commit[65];
	struct str root; /* NODEDIR/releases/HEX/root */
	bool was_shared; /* the tree was there already, from this or another release */
};

enum { PROFILE_BUILD_ELSEWHERE = 1 };

/*
 * Makes the release present; if it is, verifies the record and returns at once.
 * Returns PROFILE_BUILD_ELSEWHERE if another process builds it at this moment.
 * ERR_BROKEN: a command failed: its name and last lines, the package if known; ERR_NO_ROOM: the
 * disk is full; ERR_UNREACHABLE: mirrors; ERR_CORRUPT: a hash is wrong; ERR_FORBIDDEN: not root.
 */
MUST int profile_build_run(const struct profile_build *b, struct arena *a,
			   struct profile_built *out, struct err *e);

/* 0 and *out: the release is present. 1: not. Reads one small file. */
MUST int profile_build_find(const char *node_dir, const char *release_hash, struct arena *a,
			    struct profile_built *out, struct err *e);

/*
 * Removes a release's checkout, its branch if no other release uses it, and what only it used
 * in repository and cache. What is not there is fine. PROFILE_BUILD_ELSEWHERE: it is being
 * built.
 */
MUST int profile_build_remove(const char *node_dir, const char *release_hash, struct err *e);

#define PROFILE_BUILD_VERB "profile-build"
/*
 * `hoc profile-build NODEDIR`: reads a bundle (JSON) from in_fd up to its end, evaluates it,
 * builds, and writes lines to out_fd: {"phase", "done", "total", "bytes", "bytes_total"} as it
 * goes (at most ten a second), and last {"ok": true, "commit", "lock", "root"} or
 * {"error": {"kind", "field", "text"}}. Exit code: of the error's kind. Dies with its parent.
 */
int profile_build_child_main(const char *node_dir, int in_fd, int out_fd);
