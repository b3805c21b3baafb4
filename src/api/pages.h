/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Lists of instances in pages, each in memory that is used again for the next: a row can be as
 * large as its parameters and what it publishes, and a list may have thousands.
 */
#include "api/call.h"
#include "store/instance.h"

/* PAGES_ROWS of the largest rows fit into a call's memory. */
enum { PAGES_ROWS = 32 };

/* 0: go on; 1: enough; -1. What *i points to lives until it returns; *i may be changed. */
typedef int pages_fn(struct api_call *c, struct instance *i, void *user, struct err *e);
/* Calls fn with each instance of store_instance_list. */
MUST int pages_each(struct api_call *c, enum instance_by by, int64_t key, int64_t after,
		    pages_fn *fn, void *user, struct err *e);
