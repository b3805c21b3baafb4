/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rating. Every line is the same sum, whatever it stands for:
 *
 *     amount = round(unit price × base quantity / factor)
 *
 * with a whole base quantity and a whole factor: usage has those of its unit; a subscription
 * counts milliseconds; and months, which differ in length, count in parts that all of them
 * share: a month of d days has d × 86,400,000 ms, and a millisecond of it is MONTH_LCM / d
 * parts.
 *
 *     usage rows ──by guid──▶ totals[instance][metric] ──▶ lines, or pooled[component] ──▶
 * lines
 */
#include "trade/rate.h"

#include "base/date.h"
#include "base/money.h"

enum { DAY_MS = 86400000, HOUR_MS = 3600000 };
/* Least common multiple of 28, 29, 30 and 31. */
enum { MONTH_LCM = 377580 };

struct by_guid {
	struct str guid;
	size_t at; /* in the instances */
};

struct pool {
	struct dec quantity;
	bool is_used;	  /* an instance of it existed in the period or used something */
	bool has_minimum; /* and was not only late */
};

struct rater {
	const struct rate_input *in;
	struct arena *a;
	uint8_t digits; /* of the currency */
	struct by_guid *index;
	struct dec *totals;  /* instance_count × METRICS */
	struct pool *pooled; /* component_count */
	struct rate_line *lines;
	size_t line_count, line_room;
	struct dec total;
};

/* What a line or a set of tiers is about. */
struct subject {
	struct str guid;
	struct str who;	 /* "blog", "all instances" */
	struct str what; /* "Memory" */
	struct str unit;
	struct dec factor; /* base units of one unit */
};

static int64_t clip(int64_t v, const struct rate_input *in)
{
	return MIN_OF(MAX_OF(v, in->from_ms), in->to_ms);
}

/* ---- input ---- */

static int check_spans(const struct rate_input *in, size_t at, struct err *e)
{
	const struct rate_instance *inst = &in->instances[at];
	int64_t before = INT64_MIN;
	for (size_t i = 0; i < inst->span_count; i++) {
		const struct rate_span *s = &inst->spans[i];
		if (s->from_ms >= before && s->to_ms >= s->from_ms) {
			before = s->to_ms;
			continue;
		}
		char path[64];
		(void)snprintf(path, sizeof path, "instances[%zu].spans[%zu]", at, i);
		return err_field(e, path, "must begin after the one before, and end later");
	}
	return 0;
}

static int check_input(const struct rate_input *in, struct err *e)
{
	const struct price_list *list = in->list;
	if (price_check(list, e) < 0)
		return err_in(e, "price list");
	if (in->from_ms < 0 || in->to_ms <= in->from_ms)
		return err_field(e, "to", "must be after from");
	if (in->to_ms - in->from_ms > RATE_PERIOD_MAX_DAYS * INT64_C(1) * DAY_MS)
		return err_field(e, "to", "is more than %d days after from",
				 RATE_PERIOD_MAX_DAYS);
	if (in->from_ms < list->valid_from_ms)
		return err_field(e, "from", "lies before the price list is valid");
	if (list->valid_until_ms && in->to_ms > list->valid_until_ms)
		return err_field(e, "to", "lies after the price list is valid");
	if (in->instance_count > RATE_INSTANCES_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d instances", RATE_INSTANCES_MAX);
	for (size_t i = 0; i < in->instance_count; i++)
		if (check_spans(in, i, e) < 0)
			return -1;
	return 0;
}

static int by_guid_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct by_guid *)a)->guid, ((const struct by_guid *)b)->guid);
}

static int index_instances(struct rater *r, struct err *e)
{
	size_t n = r->in->instance_count;
	r->index = ARENA_ARRAY(r->a, struct by_guid, n);
	if (!r->index)
		return arena_check(r->a, e);
	for (size_t i = 0; i < n; i++)
		r->index[i] = (struct by_guid){r->in->instances[i].guid, i};
	if (n)
		qsort(r->index, n, sizeof r->index[0], by_guid_cmp);
	for (size_t i = 1; i < n; i++)
		if (str_eq(r->index[i - 1].guid, r->index[i].guid))
			return err_field(e, "instances", "%" STR_F " is there twice",
					 STR_A(r->index[i].guid));
	return 0;
}

static int add_usage(struct rater *r, size_t at, struct err *e)
{
	const struct rate_usage *u = &r->in->usages[at];
	struct by_guid key = {.guid = u->instance};
	const struct by_guid *hit = r->in->instance_count
					    ? bsearch(&key, r->index, r->in->instance_count,
						      sizeof key, by_guid_cmp)
					    : NULL;
	char path[64];
	(void)snprintf(path, sizeof path, "usages[%zu]", at);
	if (!hit)
		return err_field(e, path, "no instance %" STR_F " in this period",
				 STR_A(u->instance));
	if ((unsigned)u->metric >= METRICS || dec_sign(u->quantity) < 0)
		return err_field(e, path,
				 "must have a metric and a quantity that is not negative");
	struct dec *total = &r->totals[hit->at * METRICS + u->metric];
	return dec_add(*total, u->quantity, total, e);
}

/* ---- lines ---- */

/* Makes room for one more line; the arena is sticky, add_line asks it. */
static void grow(struct rater *r)
{
	if (r->line_count < r->line_room)
		return;
	size_t room = MAX_OF(2 * r->line_room, (size_t)64);
	struct rate_line *more = ARENA_ARRAY(r->a, struct rate_line, room);
	if (more && r->line_count)
		memcpy(more, r->lines, r->line_count * sizeof *more);
	r->lines = more;
	r->line_room = room;
}

static int add_line(struct rater *r, const struct rate_line *line, struct err *e)
{
	if (r->line_count == RATE_LINES_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d lines", RATE_LINES_MAX);
	grow(r);
	if (arena_check(r->a, e) < 0)
		return -1;
	r->lines[r->line_count++] = *line;
	return dec_add(r->total, line->amount, &r->total, e);
}

static struct str line_text(struct rater *r, const struct subject *s, struct str suffix)
{
	return arena_fmt(r->a, "%" STR_F ": %" STR_F "%" STR_F, STR_A(s->who), STR_A(s->what),
			 STR_A(suffix));
}

/* One line of `quantity` base units at `price` a unit; nothing for a quantity of 0. */
static int price_line(struct rater *r, const struct subject *s, struct dec quantity,
		      struct dec price, struct str suffix, struct err *e)
{
	if (dec_sign(quantity) == 0)
		return 0;
	struct rate_line line = {
		.instance = s->guid,
		.text = line_text(r, s, suffix),
		.unit = s->unit,
		.unit_price = price,
	};
	if (dec_mul_ratio(quantity, dec_i64(1), s->factor, RATE_SHOWN_DIGITS, &line.quantity,
			  e) < 0 ||
	    dec_mul_ratio(price, quantity, s->factor, r->digits, &line.amount, e) < 0)
		return -1;
	line.quantity = dec_trim(line.quantity, 0);
	return add_line(r, &line, e);
}

/* ---- usage ---- */

/* " (first 10 GiB-hour)", " (above 10 to 100 GiB-hour)", " (above 100 GiB-hour)" */
static struct str tier_suffix(struct rater *r, const struct price_component *c, size_t k,
			      struct str unit)
{
	char below[DEC_TEXT_SIZE] = "", end[DEC_TEXT_SIZE] = "";
	if (c->tier_count == 1)
		return S("");
	if (k)
		dec_text(dec_trim(c->tiers[k - 1].up_to, 0), below);
	if (c->tiers[k].has_end)
		dec_text(dec_trim(c->tiers[k].up_to, 0), end);
	if (!k)
		return arena_fmt(r->a, " (first %s %" STR_F ")", end, STR_A(unit));
	return arena_fmt(r->a, " (above %s%s%s %" STR_F ")", below, end[0] ? " to " : "", end,
			 STR_A(unit));
}

/* End of a tier in base units; `all` where it has none or lies beyond. */
static int tier_end(const struct price_tier *t, struct dec factor, struct dec all,
		    struct dec *out, struct err *e)
{
	*out = all;
	if (!t->has_end)
		return 0;
	struct dec end;
	if (dec_mul(t->up_to, factor, &end, e) < 0)
		return -1;
	if (dec_cmp(end, all) < 0)
		*out = end;
	return 0;
}

static int graduated_lines(struct rater *r, const struct price_component *c,
			   const struct subject *s, struct dec quantity, struct err *e)
{
	struct dec begin = dec_i64(0), end, part;
	for (size_t k = 0; k < c->tier_count && dec_cmp(begin, quantity) < 0; k++) {
		if (tier_end(&c->tiers[k], s->factor, quantity, &end, e) < 0 ||
		    dec_sub(end, begin, &part, e) < 0 ||
		    price_line(r, s, part, c->tiers[k].unit_price,
			       tier_suffix(r, c, k, s->unit), e) < 0)
			return -1;
		begin = end;
	}
	return 0;
}

static int volume_line(struct rater *r, const struct price_component *c,
		       const struct subject *s, struct dec quantity, struct err *e)
{
	size_t k = 0;
	for (; c->tiers[k].has_end; k++) {
		struct dec end;
		if (dec_mul(c->tiers[k].up_to, s->factor, &end, e) < 0)
			return -1;
		if (dec_cmp(quantity, end) <= 0)
			break;
	}
	return price_line(r, s, quantity, c->tiers[k].unit_price, tier_suffix(r, c, k, s->unit),
			  e);
}

/* What is missing to the minimum since the total stood at `before`. */
static int minimum_line(struct rater *r, const struct price_component *c,
			const struct subject *s, struct dec before, struct err *e)
{
	struct dec minimum, charged, missing;
	if (dec_round(c->minimum, r->digits, &minimum, e) < 0 ||
	    dec_sub(r->total, before, &charged, e) < 0 ||
	    dec_sub(minimum, charged, &missing, e) < 0)
		return -1;
	if (dec_sign(missing) <= 0)
		return 0;
	const struct rate_line line = {
		.instance = s->guid,
		.text = line_text(r, s, S(" (up to the minimum charge)")),
		.quantity = dec_i64(1),
		.unit_price = missing,
		.amount = missing,
	};
	return add_line(r, &line, e);
}

static int usage_lines(struct rater *r, const struct price_component *c, struct str guid,
		       struct str who, struct dec quantity, bool has_minimum, struct err *e)
{
	const struct metric_unit *unit = metric_unit(c->metric, c->unit);
	const struct subject s = {
		.guid = guid,
		.who = who,
		.what = c->text.n ? c->text : str_from(metric_info(c->metric)->title),
		.unit = str_from(unit->name),
		.factor = dec_i64(unit->factor),
	};
	struct dec before = r->total, included, rest;
	if (dec_mul(c->included, s.factor, &included, e) < 0)
		return -1;
	if (dec_cmp(included, quantity) > 0)
		included = quantity;
	if (dec_sub(quantity, included, &rest, e) < 0 ||
	    price_line(r, &s, included, dec_i64(0), S(" (included)"), e) < 0)
		return -1;
	int rc = c->tiering == PRICE_VOLUME ? volume_line(r, c, &s, rest, e)
					    : graduated_lines(r, c, &s, rest, e);
	return rc < 0 ? -1 : has_minimum ? minimum_line(r, c, &s, before, e) : 0;
}

/* ---- subscription ---- */

/* Parts of months within [from, to), see the head of this file. */
static int64_t month_parts(int64_t from_ms, int64_t to_ms)
{
	int64_t parts = 0;
	while (from_ms < to_ms) {
		int64_t begin = date_month_ms(from_ms, 0), end = date_month_ms(from_ms, 1);
		int64_t days = (end - begin) / DAY_MS, until = MIN_OF(end, to_ms);
		parts += (until - from_ms) * (MONTH_LCM / days);
		from_ms = until;
	}
	return parts;
}

static int subscription_line(struct rater *r, const struct rate_instance *inst, struct err *e)
{
	const struct price_component *c = price_subscription(r->in->list, inst->release);
	if (!c)
		return 0;
	static const int64_t lengths[PRICE_PERIODS] = {
		[PRICE_HOUR] = HOUR_MS,
		[PRICE_DAY] = DAY_MS,
		[PRICE_MONTH] = INT64_C(1) * MONTH_LCM * DAY_MS,
	};
	int64_t billed = 0;
	for (size_t i = 0; i < inst->span_count; i++) {
		const struct rate_span *s = &inst->spans[i];
		int64_t from = clip(s->from_ms, r->in), to = clip(s->to_ms, r->in);
		if (c->counts == PRICE_WHILE_STARTED && !s->is_started)
			continue;
		billed += c->period == PRICE_MONTH ? month_parts(from, to) : to - from;
	}
	const struct subject s = {
		.guid = inst->guid,
		.who = inst->title,
		.what = c->text.n ? c->text : inst->release,
		.unit = str_from(price_period_name(c->period)),
		.factor = dec_i64(lengths[c->period]),
	};
	return price_line(r, &s, dec_i64(billed), c->price, S(""), e);
}

/* ---- the whole ---- */

static bool has_existed(const struct rate_input *in, const struct rate_instance *inst)
{
	for (size_t i = 0; i < inst->span_count; i++)
		if (clip(inst->spans[i].from_ms, in) < clip(inst->spans[i].to_ms, in))
			return true;
	return false;
}

static int rate_instance(struct rater *r, size_t at, struct err *e)
{
	const struct rate_instance *inst = &r->in->instances[at];
	bool is_there = has_existed(r->in, inst);
	if (subscription_line(r, inst, e) < 0)
		return -1;
	for (unsigned m = 0; m < METRICS; m++) {
		struct dec quantity = r->totals[at * METRICS + m];
		const struct price_component *c = price_usage(r->in->list, inst->release, m);
		if (!c || (!is_there && dec_sign(quantity) == 0))
			continue;
		struct pool *pool = &r->pooled[c - r->in->list->components];
		if (c->is_pooled) {
			pool->is_used = true;
			pool->has_minimum |= !inst->is_late;
			if (dec_add(pool->quantity, quantity, &pool->quantity, e) < 0)
				return -1;
		} else if (usage_lines(r, c, inst->guid, inst->title, quantity, !inst->is_late,
				       e) < 0) {
			return -1;
		}
	}
	return 0;
}

static int rate_pools(struct rater *r, struct err *e)
{
	for (size_t i = 0; i < r->in->list->component_count; i++) {
		const struct pool *pool = &r->pooled[i];
		const struct price_component *c = &r->in->list->components[i];
		if (pool->is_used && usage_lines(r, c, S(""), S("All instances"),
						 pool->quantity, pool->has_minimum, e) < 0)
			return -1;
	}
	return 0;
}

MUST int rate(const struct rate_input *in, struct arena *a, struct rate_result *out,
	      struct err *e)
{
	if (check_input(in, e) < 0)
		return -1;
	struct rater r = {.in = in, .a = a};
	r.digits = (uint8_t)money_digits(in->list->currency);
	r.total = (struct dec){0, r.digits};
	r.totals = ARENA_ARRAY(a, struct dec, in->instance_count * METRICS);
	r.pooled = ARENA_ARRAY(a, struct pool, in->list->component_count);
	if (index_instances(&r, e) < 0 || arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < in->usage_count; i++)
		if (add_usage(&r, i, e) < 0)
			return -1;
	for (size_t i = 0; i < in->instance_count; i++)
		if (rate_instance(&r, i, e) < 0)
			return -1;
	if (rate_pools(&r, e) < 0 || arena_check(a, e) < 0)
		return -1;
	*out = (struct rate_result){r.lines, r.line_count, r.total};
	return 0;
}
