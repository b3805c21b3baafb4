/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* What instances used, added up, for the verbs. */
#include "cli/client.h"

/*
 * Totals of a customer's instances: {totals: [{instance, title, metric, quantity, billed,
 * unit}]}. `instance` (a guid), `from` and `to` narrow it if not NULL.
 */
MUST int usage_totals(struct cli_call *c, const char *customer, const char *instance,
		      const char *from, const char *to, struct json **out, struct err *e);
