/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The cache of packages by content: DIR/sha256/HEX. A name is the hash of what is in it, so an
 * object is either right or thrown away; every use verifies it. Objects appear by rename only.
 * Several processes may share a cache.
 */
#include "base/arena.h"

struct profile_cache_object {
	const char *sha256; /* 64 lower-case hex digits */
	int64_t size_bytes;
};

/* "DIR/sha256/HEX" in `a`. */
struct str profile_cache_path(const char *dir, const char *sha256, struct arena *a);
/*
 * Verifies size and hash of an object. 0: right. 1: absent; a wrong one is removed and counts
 * as absent.
 */
MUST int profile_cache_verify(const char *dir, const struct profile_cache_object *o,
			      struct err *e);
/*
 * Takes the file at `path` in (rename, or copy from another file system) if it is what `o`
 * says. ERR_CORRUPT: it is not, and was removed.
 */
MUST int profile_cache_take(const char *dir, const struct profile_cache_object *o,
			    const char *path, struct err *e);
/* Gives an object that was verified the name `to` as well; on another file system, a copy. */
MUST int profile_cache_give(const char *dir, const char *sha256, const char *to, struct err *e);
