/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Placing instances: core/alloc.h decides, this loads what it needs and stores what it says.
 * Cost: nodes that have the release and a free partition are found by index, 32 at a time, until
 * one fits; explaining a refusal looks at ALLOC_REFUSALS_MAX nodes.
 */
#include "api/call.h"
#include "core/alloc.h"

/* A filter as JSON object (values: text, number, bool, or an array of them). Borrows from it. */
MUST int place_where(const struct json *where, struct arena *a, struct alloc_where *out,
		     struct err *e);
/*
 * Looks for a place for an instance that has none. 1: found; node, partition and timestamp, of a
 * shared one host, are set in *i, which the caller stores, and then calls place_take. 0: none;
 * i->refusals says why.
 */
MUST int place_choose(struct api_call *c, struct instance *i, struct err *e);
MUST int place_take(struct api_call *c, struct instance *i, struct err *e);
/* Tries the waiting instances of a release, oldest first, at most `limit`; returns how many were
 * placed. */
MUST int place_waiting(struct api_call *c, int64_t release_id, int64_t limit, struct err *e);
/* Something became free on the node: tries those that wait for a release that it has. */
MUST int place_waiting_on(struct api_call *c, int64_t node_id, struct err *e);
/* Tries any that wait, after id `after`; *after moves along and is 0 at the end. */
MUST int place_waiting_any(struct api_call *c, int64_t *after, int64_t limit, struct err *e);
