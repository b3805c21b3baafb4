/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Checking a price list and finding in it.
 *
 * A check is a chain of small ones, each for a component or row whose path ("components[2]")
 * stands in a struct place, from which the field's path is made when something is wrong.
 */
#include "trade/price.h"

#include "base/money.h"

enum { PLACE_MAX = 64 };

/* clang-format off */
static const char *const kind_names[PRICE_KINDS] = {
	[PRICE_SUBSCRIPTION] = "subscription", [PRICE_USAGE] = "usage",
};
static const char *const period_names[PRICE_PERIODS] = {
	[PRICE_HOUR] = "hour", [PRICE_DAY] = "day", [PRICE_MONTH] = "month",
};
static const char *const counts_names[PRICE_COUNTS] = {
	[PRICE_WHILE_EXISTS] = "while-exists", [PRICE_WHILE_STARTED] = "while-started",
};
static const char *const tiering_names[PRICE_TIERINGS] = {
	[PRICE_GRADUATED] = "graduated", [PRICE_VOLUME] = "volume",
};
static const char *const for_names[PRICE_FORS] = {
	[PRICE_FOR_ALL] = "all", [PRICE_FOR_BUSINESS] = "business", [PRICE_FOR_CONSUMER] = "consumer",
};
/* clang-format on */

const char *price_kind_name(enum price_kind v)
{
	ASSERT((unsigned)v < PRICE_KINDS);
	return kind_names[v];
}

const char *price_period_name(enum price_period v)
{
	ASSERT((unsigned)v < PRICE_PERIODS);
	return period_names[v];
}

const char *price_counts_name(enum price_counts v)
{
	ASSERT((unsigned)v < PRICE_COUNTS);
	return counts_names[v];
}

const char *price_tiering_name(enum price_tiering v)
{
	ASSERT((unsigned)v < PRICE_TIERINGS);
	return tiering_names[v];
}

const char *price_for_name(enum price_for v)
{
	ASSERT((unsigned)v < PRICE_FORS);
	return for_names[v];
}

/* Where in the list a check is. */
struct place {
	char path[PLACE_MAX];
};

/* err_field at `place`.`member` */
static int wrong(struct err *e, const struct place *at, const char *member, const char *why)
{
	char path[PLACE_MAX + 32];
	(void)snprintf(path, sizeof path, "%s%s%s", at->path, at->path[0] ? "." : "", member);
	return err_field(e, path, "%s", why);
}

static int check_amount(struct dec d, const struct place *at, const char *member, struct err *e)
{
	return dec_sign(d) < 0 ? wrong(e, at, member, "must not be negative") : 0;
}

static int check_tiers(const struct price_component *c, const struct place *at, struct err *e)
{
	if (c->tier_count < 1 || c->tier_count > PRICE_TIERS_MAX)
		return wrong(e, at, "tiers", "must have 1 to 16 tiers");
	struct dec before = dec_i64(0);
	for (size_t i = 0; i < c->tier_count; i++) {
		const struct price_tier *t = &c->tiers[i];
		struct place here;
		(void)snprintf(here.path, sizeof here.path, "%s.tiers[%zu]", at->path, i);
		if (t->has_end != (i + 1 < c->tier_count))
			return wrong(e, &here, "up_to",
				     "must be there for all tiers but the last");
		if (t->has_end && dec_cmp(t->up_to, before) <= 0)
			return wrong(e, &here, "up_to", "must be above the tier before");
		before = t->up_to;
		if (check_amount(t->unit_price, &here, "unit_price", e) < 0)
			return -1;
	}
	return 0;
}

static int check_usage(const struct price_component *c, const struct place *at, struct err *e)
{
	if ((unsigned)c->metric >= METRICS)
		return wrong(e, at, "metric", "is not a metric");
	if ((unsigned)c->tiering >= PRICE_TIERINGS)
		return wrong(e, at, "tiering", "must be graduated or volume");
	if (!metric_unit(c->metric, c->unit))
		return wrong(e, at, "unit", "is not a unit of this metric");
	if (check_amount(c->included, at, "included", e) < 0 ||
	    check_amount(c->minimum, at, "minimum", e) < 0)
		return -1;
	return check_tiers(c, at, e);
}

static int check_component(const struct price_component *c, const struct place *at,
			   struct err *e)
{
	if (!c->release.n || c->release.n > PRICE_NAME_MAX)
		return wrong(e, at, "release", "must be a release name or '*'");
	if (c->text.n > PRICE_TEXT_MAX || !str_is_utf8(c->text))
		return wrong(e, at, "text", "must be at most 120 bytes of UTF-8");
	if (c->kind == PRICE_USAGE)
		return check_usage(c, at, e);
	if (c->kind != PRICE_SUBSCRIPTION)
		return wrong(e, at, "kind", "must be subscription or usage");
	if ((unsigned)c->period >= PRICE_PERIODS)
		return wrong(e, at, "period", "must be hour, day or month");
	if ((unsigned)c->counts >= PRICE_COUNTS)
		return wrong(e, at, "counts", "must be while-exists or while-started");
	return check_amount(c->price, at, "price", e);
}

/* Whether both price the same thing. */
static bool is_same_key(const struct price_component *a, const struct price_component *b)
{
	return a->kind == b->kind && str_eq(a->release, b->release) &&
	       (a->kind == PRICE_SUBSCRIPTION || a->metric == b->metric);
}

static int check_components(const struct price_list *list, struct err *e)
{
	struct place at = {""};
	if (list->component_count > PRICE_COMPONENTS_MAX)
		return wrong(e, &at, "components", "has more than 256 rows");
	for (size_t i = 0; i < list->component_count; i++) {
		(void)snprintf(at.path, sizeof at.path, "components[%zu]", i);
		if (check_component(&list->components[i], &at, e) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (is_same_key(&list->components[k], &list->components[i]))
				return wrong(e, &at, "release",
					     "is priced twice for the same thing");
	}
	return 0;
}

static bool is_country(const char *c)
{
	return c[0] >= 'A' && c[0] <= 'Z' && c[1] >= 'A' && c[1] <= 'Z' && c[2] == 0;
}

static int check_vat(const struct price_vat *v, const struct place *at, struct err *e)
{
	if (!is_country(v->country))
		return wrong(e, at, "country", "must be two capital letters (ISO 3166)");
	if ((unsigned)v->whom >= PRICE_FORS)
		return wrong(e, at, "for", "must be all, business or consumer");
	if (dec_sign(v->rate) < 0 || dec_cmp(v->rate, dec_i64(100)) > 0 || v->rate.scale > 4)
		return wrong(e, at, "rate", "must be 0 to 100 percent with at most 4 decimals");
	if (v->until_ms && v->until_ms <= v->from_ms)
		return wrong(e, at, "until", "must be after from");
	return 0;
}

static int check_vats(const struct price_list *list, struct err *e)
{
	struct place at = {""};
	if (list->vat_count > PRICE_VATS_MAX)
		return wrong(e, &at, "vat", "has more than 512 rows");
	for (size_t i = 0; i < list->vat_count; i++) {
		(void)snprintf(at.path, sizeof at.path, "vat[%zu]", i);
		if (check_vat(&list->vats[i], &at, e) < 0)
			return -1;
	}
	return 0;
}

MUST int price_check(const struct price_list *list, struct err *e)
{
	struct place top = {""};
	if (!list->name.n || list->name.n > PRICE_NAME_MAX || !str_is_utf8(list->name))
		return wrong(e, &top, "name", "must be 1 to 64 bytes of UTF-8");
	if (money_digits(list->currency) < 0)
		return wrong(e, &top, "currency", "is not a known currency code such as EUR");
	if (list->valid_until_ms && list->valid_until_ms <= list->valid_from_ms)
		return wrong(e, &top, "valid_until", "must be after valid_from");
	if (check_components(list, e) < 0)
		return -1;
	return check_vats(list, e);
}

/* The component of the kind (and metric) for exactly this release text. */
static const struct price_component *find(const struct price_list *list, struct str release,
					  enum price_kind kind, enum metric m)
{
	const struct price_component want = {.release = release, .kind = kind, .metric = m};
	for (size_t i = 0; i < list->component_count; i++)
		if (is_same_key(&list->components[i], &want))
			return &list->components[i];
	return NULL;
}

const struct price_component *price_subscription(const struct price_list *list,
						 struct str release)
{
	const struct price_component *c = find(list, release, PRICE_SUBSCRIPTION, 0);
	return c ? c : find(list, S("*"), PRICE_SUBSCRIPTION, 0);
}

const struct price_component *price_usage(const struct price_list *list, struct str release,
					  enum metric m)
{
	const struct price_component *c = find(list, release, PRICE_USAGE, m);
	return c ? c : find(list, S("*"), PRICE_USAGE, m);
}

static bool is_vat_for(const struct price_vat *v, const char *country, bool is_business,
		       int64_t at_ms)
{
	enum price_for own = is_business ? PRICE_FOR_BUSINESS : PRICE_FOR_CONSUMER;
	return strcmp(v->country, country) == 0 && v->from_ms <= at_ms &&
	       (!v->until_ms || at_ms < v->until_ms) &&
	       (v->whom == PRICE_FOR_ALL || v->whom == own);
}

/* Whether `a` goes before `b`. */
static bool is_closer(const struct price_vat *a, const struct price_vat *b)
{
	bool is_own_a = a->whom != PRICE_FOR_ALL, is_own_b = b->whom != PRICE_FOR_ALL;
	return is_own_a != is_own_b ? is_own_a : a->from_ms > b->from_ms;
}

const struct price_vat *price_vat(const struct price_list *list, const char *country,
				  bool is_business, int64_t at_ms)
{
	const struct price_vat *best = NULL;
	for (size_t i = 0; i < list->vat_count; i++) {
		const struct price_vat *v = &list->vats[i];
		if (is_vat_for(v, country, is_business, at_ms) && (!best || is_closer(v, best)))
			best = v;
	}
	return best;
}
