/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What happens to an instance while it lives: timestamps, reports, publication, bang, its end.
 * Functions store what they change, unless they say that the caller does.
 */
#include "api/call.h"
#include "core/stamp.h"

/* Gives *i its next timestamp and wakes its node; the caller stores it. */
MUST int life_touch(struct api_call *c, struct instance *i, struct err *e);
/* The same for the host of a shared instance, stored. */
MUST int life_touch_host(struct api_call *c, const struct instance *i, struct err *e);
/*
 * Moves the timestamps that core/stamp.h names for `cause`. The caller stores *i; the others are
 * stored here. (STAMP_TREE: *i too.)
 */
MUST int life_stamp(struct api_call *c, struct instance *i, enum stamp_cause cause,
		    struct err *e);

/* What the node says. REPORT_DESTROYED frees the partition. 1 if nothing is new. */
MUST int life_report(struct api_call *c, struct instance *i, enum instance_report report,
		     struct str message, struct err *e);
/* Connection parameters, as a whole set. 1 if they are what they were. */
MUST int life_publish(struct api_call *c, struct instance *i, const struct json *connection,
		      struct err *e);
MUST int life_bang(struct api_call *c, struct instance *i, struct str message, struct err *e);
/* ERR_CONFLICT if the tree or the customer has that title. 1 if it is the same. */
MUST int life_rename(struct api_call *c, struct instance *i, struct str title, struct err *e);
/* Its end: the partition is free again, what it hosted waits again. */
MUST int life_free(struct api_call *c, struct instance *i, struct err *e);
