/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Timestamps: the version of what a partition should look like (wire d.5).
 *
 * A node processes an instance when its timestamp differs from the one it stored after its last
 * success, so it has to change whenever the node has something to do, and only then. It is a
 * number of microseconds UTC, and within one node strictly growing: `changes since N` is then
 * an index lookup by (node, timestamp), and two changes in one microsecond still differ.
 */
#include "core/model.h"

/* What may have happened to an instance. */
enum stamp_cause {
	STAMP_ALLOCATED,       /* it got a partition or, if shared, a host */
	STAMP_REQUEST_CHANGED, /* state, release, type or parameters */
	STAMP_REQUEST_SAME,    /* a request that changes nothing */
	STAMP_SHARED_CHANGED,  /* a shared instance that it hosts was added, changed, removed */
	STAMP_BANG,	       /* somebody banged a member of its tree */
	STAMP_NODE_BANG,       /* its node was banged */
	STAMP_PUBLISHED,       /* other connection parameters than before */
	STAMP_PUBLISHED_SAME,
	STAMP_ADDRESSES_CHANGED, /* a format gave its partition other addresses */
	STAMP_FORMATTED,	 /* a format that changed nothing for it */
	STAMP_RENAMED,
	STAMP_REPORTED,
	STAMP_CAUSES
};
/* Whose timestamp moves then. */
enum stamp_whose {
	STAMP_NOBODY,
	STAMP_SELF,	 /* of a shared instance: its own and its host's */
	STAMP_REQUESTER, /* the parent has to look at what its child published */
	STAMP_TREE,	 /* all members of the tree */
	STAMP_ON_NODE	 /* every instance on the node */
};
/* The row of d.5 for `cause`. */
enum stamp_whose stamp_whose(enum stamp_cause cause);
/* The next timestamp: now, or just after `previous` where the clock did not move. */
int64_t stamp_next(int64_t previous, int64_t now_ms);
