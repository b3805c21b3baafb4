/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of wire d.5, with what a master that has trees should do on publication. */
#include "core/stamp.h"

enum stamp_whose stamp_whose(enum stamp_cause cause)
{
	static const enum stamp_whose rows[STAMP_CAUSES] = {
		[STAMP_ALLOCATED] = STAMP_SELF,
		[STAMP_REQUEST_CHANGED] = STAMP_SELF,
		[STAMP_REQUEST_SAME] = STAMP_NOBODY,
		[STAMP_SHARED_CHANGED] = STAMP_SELF,
		[STAMP_BANG] = STAMP_TREE,
		[STAMP_NODE_BANG] = STAMP_ON_NODE,
		[STAMP_PUBLISHED] = STAMP_REQUESTER,
		[STAMP_PUBLISHED_SAME] = STAMP_NOBODY,
		[STAMP_ADDRESSES_CHANGED] = STAMP_SELF,
		[STAMP_FORMATTED] = STAMP_NOBODY,
		[STAMP_RENAMED] = STAMP_NOBODY,
		[STAMP_REPORTED] = STAMP_NOBODY,
	};
	ASSERT((unsigned)cause < STAMP_CAUSES);
	return rows[cause];
}

int64_t stamp_next(int64_t previous, int64_t now_ms)
{
	return MAX_OF(previous + 1, now_ms * 1000);
}
