/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table release: what was published, by content; and opaque releases of the reference protocol,
 * whose URI is all that is known of them. A row never changes.
 */
#include "core/model.h"
#include "store/schema.h"

/* The release of exactly that URI; its manifest is left out. */
MUST int store_release_by_uri(struct db_tx *tx, struct arena *a, struct str uri,
			      struct release *out, struct err *e);
/* The newest of that name. */
MUST int store_release_by_name(struct db_tx *tx, struct arena *a, struct str name,
			       struct release *out, struct err *e);
/*
 * By the first digits of its hash; `name` "" is any. Returns how many rows fit, counted up to
 * 2; *out is the first.
 */
MUST int store_release_by_hash(struct db_tx *tx, struct arena *a, struct str name,
			       struct str prefix, struct release *out, struct err *e);
/* Stores one that is not there yet; `r->id` is set. */
MUST int store_release_add(struct db_tx *tx, struct release *r, struct str bundle,
			   struct err *e);
/* Its bundle, "" if it is opaque. */
MUST int store_release_bundle(struct db_tx *tx, struct arena *a, int64_t id, struct str *out,
			      struct err *e);
MUST int store_release_manifest(struct db_tx *tx, struct arena *a, int64_t id, struct str *out,
				struct err *e);
/* Newest first, without opaque ones; manifests are left out. */
MUST int store_release_list(struct db_tx *tx, struct arena *a, int64_t limit,
			    struct release **out, size_t *count, struct err *e);
