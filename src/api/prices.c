/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/prices.h"

#include "api/handlers.h"
#include "base/money.h"

/* clang-format off */
static const struct json_word kind_words[] = {{"subscription", PRICE_SUBSCRIPTION}, {"usage", PRICE_USAGE}, {NULL, 0}};
static const struct json_word period_words[] = {{"hour", PRICE_HOUR}, {"day", PRICE_DAY}, {"month", PRICE_MONTH}, {NULL, 0}};
static const struct json_word counts_words[] = {{"while-exists", PRICE_WHILE_EXISTS}, {"while-started", PRICE_WHILE_STARTED}, {NULL, 0}};
static const struct json_word tiering_words[] = {{"graduated", PRICE_GRADUATED}, {"volume", PRICE_VOLUME}, {NULL, 0}};
static const struct json_word for_words[] = {{"all", PRICE_FOR_ALL}, {"business", PRICE_FOR_BUSINESS}, {"consumer", PRICE_FOR_CONSUMER}, {NULL, 0}};
#define T struct price_tier_in
static const struct json_field tier_fields[] = {
	JSON_STR(T, up_to, "up_to", 1, 40, 0, "Its end, inclusive, in billing units; left out: the last one."),
	JSON_STR(T, unit_price, "unit_price", 1, 40, JSON_REQUIRED, "Of one billing unit, decimal text."),
};
static const struct json_desc tier_desc = JSON_DESC(T, tier_fields, "PriceTier", "A part of the quantity and its price.");
#undef T
#define T struct price_component_in
static const struct json_field component_fields[] = {
	JSON_STR(T, release, "release", 1, PRICE_NAME_MAX, 0, "Name of a release; * is any.", .initial_text = "*"),
	JSON_STR(T, text, "text", 0, PRICE_TEXT_MAX, 0, "Shown to the customer.", .initial_text = ""),
	JSON_ENUM(T, kind, "kind", kind_words, JSON_REQUIRED, "What is priced."),
	JSON_ENUM(T, period, "period", period_words, 0, "Subscription: price of one …", .initial = PRICE_MONTH),
	JSON_ENUM(T, counts, "counts", counts_words, 0, "Subscription: which time counts.", .initial = PRICE_WHILE_EXISTS),
	JSON_STR(T, price, "price", 1, 40, 0, "Subscription: decimal text.", .initial_text = "0"),
	JSON_STR(T, metric, "metric", 0, 60, 0, "Usage: what is metered.", .initial_text = ""),
	JSON_STR(T, unit, "unit", 0, 60, 0, "Usage: billing unit; left out: the usual one.", .initial_text = ""),
	JSON_ENUM(T, tiering, "tiering", tiering_words, 0, "Usage: how tiers work.", .initial = PRICE_GRADUATED),
	JSON_BOOL(T, is_pooled, "pooled", 0, "Usage: total over all instances of the customer."),
	JSON_STR(T, included, "included", 1, 40, 0, "Usage: free quantity of a period.", .initial_text = "0"),
	JSON_STR(T, minimum, "minimum", 1, 40, 0, "Usage: least amount of a period.", .initial_text = "0"),
	JSON_STRUCTS(T, tiers, tier_count, struct price_tier_in, "tiers", &tier_desc, 0, PRICE_TIERS_MAX, 0, "Usage: prices."),
};
static const struct json_desc component_desc = JSON_DESC(T, component_fields, "PriceComponent", "What one thing costs.");
#undef T
#define T struct price_vat_in
static const struct json_field vat_fields[] = {
	JSON_STR(T, country, "country", 2, 2, JSON_REQUIRED, "ISO 3166-1 alpha-2."),
	JSON_ENUM(T, whom, "whom", for_words, 0, "For whom; a customer with a VAT number is a business.", .initial = PRICE_FOR_ALL),
	JSON_STR(T, rate, "rate", 1, 40, JSON_REQUIRED, "Percent, decimal text."),
	JSON_STR(T, from, "from", 1, 40, 0, "Valid from.", .initial_text = "1970-01-01"),
	JSON_STR(T, until, "until", 0, 40, 0, "Valid until; left out: open.", .initial_text = ""),
	JSON_STR(T, note, "note", 0, PRICE_TEXT_MAX, 0, "Printed on the invoice.", .initial_text = ""),
};
static const struct json_desc vat_desc = JSON_DESC(T, vat_fields, "PriceVat", "A rate of VAT.");
#undef T
#define T struct price_in
static const struct json_field price_fields[] = {
	JSON_STR(T, currency, "currency", 3, 3, JSON_REQUIRED, "ISO 4217."),
	JSON_STR(T, valid_from, "valid_from", 1, 40, 0, "Valid from.", .initial_text = "1970-01-01"),
	JSON_STR(T, valid_until, "valid_until", 0, 40, 0, "Valid until; left out: open.", .initial_text = ""),
	JSON_STRUCTS(T, components, component_count, struct price_component_in, "components", &component_desc, 1, PRICE_COMPONENTS_MAX, JSON_REQUIRED, "What costs what."),
	JSON_STRUCTS(T, vats, vat_count, struct price_vat_in, "vats", &vat_desc, 0, PRICE_VATS_MAX, 0, "Rates of VAT."),
};
const struct json_desc v1_price_in = JSON_DESC(T, price_fields, "PriceList", "A price list.");
#undef T
/* clang-format on */

/* Names the field of a failed reading of a tier. */
static int at_tier(struct err *e, size_t i, size_t k, const char *field)
{
	struct err why = *e;
	char path[ERR_FIELD_MAX];
	(void)snprintf(path, sizeof path, "components[%zu].tiers[%zu].%s", i, k, field);
	return err_field(e, path, "%s", why.text);
}

/* Names the field of a failed reading. */
static int at(struct err *e, const char *list, size_t i, const char *field)
{
	struct err why = *e;
	char path[ERR_FIELD_MAX];
	(void)snprintf(path, sizeof path, "%s[%zu].%s", list, i, field);
	return err_field(e, path, "%s", why.text);
}

MUST static int read_tiers(const struct price_component_in *in, size_t i, struct arena *a,
			   struct price_component *out, struct err *e)
{
	struct price_tier *tiers = ARENA_ARRAY(a, struct price_tier, in->tier_count);
	if (!tiers)
		return arena_check(a, e);
	for (size_t k = 0; k < in->tier_count; k++) {
		tiers[k].has_end = in->tiers[k].up_to.p != NULL;
		if (tiers[k].has_end && dec_parse(in->tiers[k].up_to, &tiers[k].up_to, e) < 0)
			return at_tier(e, i, k, "up_to");
		if (dec_parse(in->tiers[k].unit_price, &tiers[k].unit_price, e) < 0)
			return at_tier(e, i, k, "unit_price");
	}
	out->tiers = tiers;
	out->tier_count = in->tier_count;
	return 0;
}

MUST static int read_component(const struct price_component_in *in, size_t i, struct arena *a,
			       struct price_component *out, struct err *e)
{
	*out = (struct price_component){
		.release = in->release,
		.text = in->text,
		.kind = in->kind,
		.period = in->period,
		.counts = in->counts,
		.unit = in->unit,
		.tiering = in->tiering,
		.is_pooled = in->is_pooled,
	};
	if (dec_parse(in->price, &out->price, e) < 0)
		return at(e, "components", i, "price");
	if (dec_parse(in->included, &out->included, e) < 0)
		return at(e, "components", i, "included");
	if (dec_parse(in->minimum, &out->minimum, e) < 0)
		return at(e, "components", i, "minimum");
	if (in->kind == PRICE_USAGE && metric_parse(in->metric, &out->metric, e) < 0)
		return at(e, "components", i, "metric");
	return read_tiers(in, i, a, out, e);
}

MUST static int read_vat(const struct price_vat_in *in, size_t i, struct price_vat *out,
			 struct err *e)
{
	*out = (struct price_vat){.whom = in->whom, .note = in->note};
	memcpy(out->country, in->country.p, 2);
	if (dec_parse(in->rate, &out->rate, e) < 0)
		return at(e, "vats", i, "rate");
	if (clock_parse(in->from, &out->from_ms, e) < 0)
		return at(e, "vats", i, "from");
	if (in->until.n && clock_parse(in->until, &out->until_ms, e) < 0)
		return at(e, "vats", i, "until");
	return 0;
}

MUST static int read_head(const struct price_in *in, struct price_list *out, struct err *e)
{
	struct err why;
	if (money_currency(in->currency, out->currency, &why) < 0)
		return err_field(e, "currency", "%s", why.text);
	if (clock_parse(in->valid_from, &out->valid_from_ms, &why) < 0)
		return err_field(e, "valid_from", "%s", why.text);
	if (in->valid_until.n && clock_parse(in->valid_until, &out->valid_until_ms, &why) < 0)
		return err_field(e, "valid_until", "%s", why.text);
	return 0;
}

MUST int prices_read(const struct price_in *in, struct str name, struct arena *a,
		     struct price_list *out, struct err *e)
{
	struct price_component *components =
		ARENA_ARRAY(a, struct price_component, in->component_count);
	struct price_vat *vats = ARENA_ARRAY(a, struct price_vat, in->vat_count);
	*out = (struct price_list){
		.name = name,
		.components = components,
		.component_count = in->component_count,
		.vats = vats,
		.vat_count = in->vat_count,
	};
	if (arena_check(a, e) < 0 || read_head(in, out, e) < 0)
		return -1;
	for (size_t i = 0; i < in->component_count; i++)
		if (read_component(&in->components[i], i, a, &components[i], e) < 0)
			return -1;
	for (size_t i = 0; i < in->vat_count; i++)
		if (read_vat(&in->vats[i], i, &vats[i], e) < 0)
			return -1;
	return price_check(out, e);
}
