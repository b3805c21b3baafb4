/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A lock: `software.debian {suite, packages}` resolved to exactly these files. Who has the lock
 * and a cache can build the release when every mirror is gone.
 *
 *     {"architecture": "amd64", "files": {…}, "kind": "debian", "packages": [{"architecture",
 * "file", "name", "sha256", "size", "version"}…], "recipe": 1, "suite": "bookworm"}
 *
 * The canonical text (sorted keys, no white space, packages sorted by name) is hashed: two
 * profiles with the same packages have the same lock hash and share one build. Where files can
 * be had ("sources") is kept beside it and not hashed.
 *
 * Resolving uses apt with a directory of its own: empty dpkg status, own lists, own sources
 * taken from the host's sources of that suite (or from a mirror). Nothing of the host changes.
 */
#include "profile/spec.h"

enum {
	PROFILE_LOCK_PACKAGES_MAX = 2000,
	PROFILE_LOCK_MAX_BYTES = 1 << 20,
	PROFILE_LOCK_RECIPE = 1, /* goes up when the way of building changes the result */
};

struct lock_package {
	struct str name, version, architecture;
	struct str file; /* name_version_arch.deb, epoch as apt writes it (%3a) */
	int64_t size_bytes;
	char sha256[65];
};

struct profile_lock {
	struct str suite, architecture;
	struct spec_pairs files;       /* of struct spec_software */
	struct lock_package *packages; /* sorted by name */
	size_t package_count;
	int64_t total_bytes;
	struct str canonical;
	char hash[65]; /* SHA-256 of canonical */
};

/* Reads a lock (any white space), checks it and its limits. ERR_INVALID with the path. */
MUST int profile_lock_parse(struct str json, struct arena *a, struct profile_lock *out,
			    struct err *e);

struct profile_apt {
	const char *dir; /* apt's private directory, made if absent; keeps lists between runs */
	const char *sources; /* text of a deb822 sources file; NULL: the host's for the suite */
	const char *host_etc;	  /* where the host's sources are; NULL: /etc/apt */
	int64_t lists_max_age_ms; /* fetch lists again when older; 0: always */
};

/*
 * Resolves to a lock. Blocks for seconds (network). ERR_INVALID: "software.debian.packages":
 * apt does not know one, by name; ERR_UNREACHABLE: no mirror answers and no lists are kept;
 * ERR_UNSUPPORTED: the host has no sources for the suite.
 */
MUST int profile_lock_resolve(const struct spec_software *s, const struct profile_apt *apt,
			      struct arena *a, struct profile_lock *out, struct err *e);
