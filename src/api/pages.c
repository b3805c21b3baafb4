/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/pages.h"

MUST int pages_each(struct api_call *c, enum instance_by by, int64_t key, int64_t after,
		    pages_fn *fn, void *user, struct err *e)
{
	struct arena *page CLEAN(arena_freep) = NULL;
	if (arena_new(API_ARENA_BYTES, &page, e) < 0)
		return -1;
	for (size_t n = PAGES_ROWS; n == PAGES_ROWS;) {
		struct instance *list = NULL;
		arena_clear(page);
		if (store_instance_list(c->tx, page, by, key, after, PAGES_ROWS, &list, &n, e) <
		    0)
			return -1;
		if (n)
			after = by == INSTANCES_CHANGED ? list[n - 1].timestamp
							: list[n - 1].id;
		for (size_t i = 0; i < n; i++) {
			int rc = fn(c, &list[i], user, e);
			if (rc != 0)
				return rc < 0 ? -1 : 0;
		}
	}
	return 0;
}
