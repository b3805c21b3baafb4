/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table customer: who owns trees and is billed. */
#include "core/model.h"
#include "store/schema.h"

/* The customer of that name. */
MUST int store_customer_find(struct db_tx *tx, struct arena *a, struct str name,
			     struct customer *out, struct err *e);
/* The customer of that name: 0; made with it alone, his secrets sealed, if there is none: 1. */
MUST int store_customer_get(struct db_tx *tx, struct arena *a, struct str name, int64_t now_ms,
			    struct customer *out, struct err *e);
/* Stores address, country, VAT number and takes_clear of an existing one. */
MUST int store_customer_save(struct db_tx *tx, const struct customer *c, struct err *e);
MUST int store_customer_list(struct db_tx *tx, struct arena *a, int64_t limit,
			     struct customer **out, size_t *count, struct err *e);
