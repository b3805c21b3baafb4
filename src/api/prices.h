/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Price lists as JSON: the table of PUT /v1/prices, and the way to room trade's values. */
#include "api/call.h"
#include "trade/price.h"

struct price_tier_in {
	struct str up_to, unit_price;
};
struct price_component_in {
	struct str release, text, price, unit, included, minimum;
	enum price_kind kind;
	enum price_period period;
	enum price_counts counts;
	struct str metric;
	enum price_tiering tiering;
	bool is_pooled;
	struct price_tier_in *tiers;
	size_t tier_count;
};
struct price_vat_in {
	struct str country, rate, from, until, note;
	enum price_for whom;
};
struct price_in {
	struct str currency, valid_from, valid_until;
	struct price_component_in *components;
	size_t component_count;
	struct price_vat_in *vats;
	size_t vat_count;
};
/* As room trade wants it, checked by price_check; ERR_INVALID names the field. */
MUST int prices_read(const struct price_in *in, struct str name, struct arena *a,
		     struct price_list *out, struct err *e);
