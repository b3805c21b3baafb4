/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table member: which person is in which customer, as its owner or as a plain member. */
#include "store/schema.h"

struct member {
	int64_t customer_id, person_id;
	struct str customer, person; /* names, joined */
	bool is_owner;
};

enum { MEMBER_LIST_MAX = 1000 };

/* What a person is in, by name of the customer; at most MEMBER_LIST_MAX. */
MUST int store_member_of_person(struct db_tx *tx, struct arena *a, int64_t person_id,
				struct member **out, size_t *count, struct err *e);
/* Who is in a customer, by name of the person; at most MEMBER_LIST_MAX. */
MUST int store_member_of_customer(struct db_tx *tx, struct arena *a, int64_t customer_id,
				  struct member **out, size_t *count, struct err *e);
/* One of them. */
MUST int store_member_find(struct db_tx *tx, struct arena *a, int64_t customer_id,
			   int64_t person_id, struct member *out, struct err *e);
/* Stores what the person is in the customer, new or not. */
MUST int store_member_set(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			  bool is_owner, struct err *e);
MUST int store_member_delete(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			     struct err *e);
