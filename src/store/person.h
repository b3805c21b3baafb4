/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table person. A person's name never changes; roles are words separated by blanks: publisher
 * accountant auditor operator. Keys: store/identity.h.
 */
#include "store/schema.h"

struct person {
	int64_t id;
	struct str name, roles;
	bool is_active;
	int64_t created_at_ms;
};

/* The person of that name. */
MUST int store_person_find(struct db_tx *tx, struct arena *a, struct str name,
			   struct person *out, struct err *e);
/* The person of that name; made active and without roles if there is none, then 1. */
MUST int store_person_get(struct db_tx *tx, struct arena *a, struct str name, int64_t now_ms,
			  struct person *out, struct err *e);
/* Stores roles and is_active of an existing one. */
MUST int store_person_save(struct db_tx *tx, const struct person *p, struct err *e);
/* By name, after `after` ("" from the start). */
MUST int store_person_list(struct db_tx *tx, struct arena *a, struct str after, int64_t limit,
			   struct person **out, size_t *count, struct err *e);
