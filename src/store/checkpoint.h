/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table checkpoint: what a master signed of the event chain.
 *
 * A checkpoint says "event SEQUENCE has hash HASH", and so everything up to it. A newer one says
 * more than an older one; of the older ones the first of each hour stays, so that this
 * table grows by at most 24 rows a day.
 */
#include "core/model.h"
#include "store/schema.h"

enum { STORE_CHECKPOINT_KEEP_MS = 3600000 };

struct checkpoint {
	int64_t sequence, at_ms;
	struct str hash, key_name, signature; /* hex, hex, base64url */
};

/* Adds one; the one before goes if it is of the same hour as the one before that. */
MUST int store_checkpoint_add(struct db_tx *tx, struct arena *a, const struct checkpoint *cp,
			      struct err *e);
/* The newest: 1, or 0 if there is none. */
MUST int store_checkpoint_last(struct db_tx *tx, struct arena *a, struct checkpoint *out,
			       struct err *e);
/* After sequence `since`, in order. */
MUST int store_checkpoint_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			       struct checkpoint **out, size_t *count, struct err *e);
