/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "trade/rate.h"
#include "trade/usage.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static struct dec dec_of(const char *text)
{
	struct err e = ERR_INIT;
	struct dec d;
	if (dec_parse(str_from(text), &d, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return d;
}

static int64_t at(const char *text)
{
	struct err e = ERR_INIT;
	int64_t ms = 0;
	if (clock_parse(str_from(text), &ms, &e) < 0)
		fail_msg("%s", e.text);
	return ms;
}

static void assert_dec(struct dec d, const char *want)
{
	char text[DEC_TEXT_SIZE];
	dec_text(d, text);
	assert_string_equal(text, want);
}

static struct price_component flat(const char *release, enum metric m, struct price_tier *tier,
				   const char *price)
{
	*tier = (struct price_tier){.unit_price = dec_of(price)};
	return (struct price_component){.release = str_from(release),
					.kind = PRICE_USAGE,
					.metric = m,
					.tiers = tier,
					.tier_count = 1};
}

static struct price_component monthly(const char *price)
{
	return (struct price_component){.release = S("*"),
					.kind = PRICE_SUBSCRIPTION,
					.period = PRICE_MONTH,
					.price = dec_of(price)};
}

static struct price_list list_of(const struct price_component *c, size_t n)
{
	return (struct price_list){
		.name = S("test"), .currency = "EUR", .components = c, .component_count = n};
}

/* ---- price lists ---- */

static void the_exact_release_goes_before_the_star(void **state UNUSED)
{
	struct price_tier t[3];
	struct price_component c[] = {
		flat("*", METRIC_CPU_SECONDS, &t[0], "1"),
		flat("redis", METRIC_CPU_SECONDS, &t[1], "2"),
		flat("*", METRIC_NETWORK_BYTES_IN, &t[2], "3"),
		monthly("5"),
	};
	struct price_list list = list_of(c, ARRAY_LEN(c));
	assert_ptr_equal(price_usage(&list, S("redis"), METRIC_CPU_SECONDS), &c[1]);
	assert_ptr_equal(price_usage(&list, S("nginx"), METRIC_CPU_SECONDS), &c[0]);
	assert_ptr_equal(price_usage(&list, S("redis"), METRIC_NETWORK_BYTES_IN), &c[2]);
	assert_null(price_usage(&list, S("redis"), METRIC_NETWORK_BYTES_OUT));
	assert_ptr_equal(price_subscription(&list, S("redis")), &c[3]);
}

static void a_wrong_list_names_the_field(void **state UNUSED)
{
	struct price_tier good = {.unit_price = dec_of("1")},
			  negative = {.unit_price = dec_of("-1")};
	struct price_tier falling[] = {{true, dec_of("10"), dec_of("1")},
				       {true, dec_of("10"), dec_of("1")},
				       {false, dec_of("0"), dec_of("1")}};
	struct price_tier ended[] = {{true, dec_of("10"), dec_of("1")}};
	struct price_component usage = {
		.release = S("*"), .kind = PRICE_USAGE, .tiers = &good, .tier_count = 1};
	struct price_component c[2];
	struct price_list list = list_of(c, 1);
	struct err e = ERR_INIT;
	c[0] = usage;
	assert_int_equal(price_check(&list, &e), 0);
#define WRONG(change, path) \
	do { \
		c[0] = usage; \
		change; \
		err_clear(&e); \
		assert_int_equal(price_check(&list, &e), -1); \
		assert_int_equal(e.kind, ERR_INVALID); \
		assert_string_equal(e.field, path); \
	} while (0)
	WRONG(c[0].release = S(""), "components[0].release");
	WRONG(c[0].unit = S("hectare"), "components[0].unit");
	WRONG(c[0].unit = S("GiB"), "components[0].unit");
	WRONG(c[0].metric = METRICS, "components[0].metric");
	WRONG(c[0].kind = PRICE_KINDS, "components[0].kind");
	WRONG(c[0].tier_count = 0, "components[0].tiers");
	WRONG(c[0].tier_count = 17, "components[0].tiers");
	WRONG(c[0].tiers = &negative, "components[0].tiers[0].unit_price");
	WRONG(c[0].included = dec_of("-1"), "components[0].included");
	WRONG(c[0].minimum = dec_of("-1"), "components[0].minimum");
	WRONG((c[0].tiers = falling, c[0].tier_count = 3), "components[0].tiers[1].up_to");
	WRONG(c[0].tiers = ended, "components[0].tiers[0].up_to");
	WRONG((c[0] = monthly("5"), c[0].period = PRICE_PERIODS), "components[0].period");
	WRONG((c[0] = monthly("5"), c[0].price = dec_of("-5")), "components[0].price");
	WRONG((c[1] = usage, list.component_count = 2), "components[1].release");
	list.component_count = 1;
	WRONG(list.currency[0] = 'X', "currency");
	list.currency[0] = 'E';
	WRONG((list.valid_from_ms = 5, list.valid_until_ms = 5), "valid_until");
	list.valid_until_ms = 0;
	WRONG(list.name = S(""), "name");
	list.name = S("n");
	struct price_vat vat = {.country = "FR", .rate = dec_of("120")};
	list.vats = &vat;
	list.vat_count = 1;
	WRONG((void)0, "vat[0].rate");
	vat = (struct price_vat){.country = "fr"};
	WRONG((void)0, "vat[0].country");
}

static void vat_is_found_by_country_moment_and_customer(void **state UNUSED)
{
	const struct price_vat rows[] = {
		{.country = "DE", .rate = dec_of("19"), .until_ms = at("2020-07-01")},
		{.country = "DE",
		 .rate = dec_of("16"),
		 .from_ms = at("2020-07-01"),
		 .until_ms = at("2021-01-01")},
		{.country = "DE", .rate = dec_of("19"), .from_ms = at("2021-01-01")},
		{.country = "DE",
		 .whom = PRICE_FOR_BUSINESS,
		 .rate = dec_of("0"),
		 .note = S("Reverse charge")},
	};
	const struct price_list list = {.vats = rows, .vat_count = ARRAY_LEN(rows)};
	assert_ptr_equal(price_vat(&list, "DE", false, at("2020-06-30T23:59:59.999Z")),
			 &rows[0]);
	assert_ptr_equal(price_vat(&list, "DE", false, at("2020-07-01")), &rows[1]);
	assert_ptr_equal(price_vat(&list, "DE", false, at("2026-01-01")), &rows[2]);
	assert_ptr_equal(price_vat(&list, "DE", true, at("2026-01-01")), &rows[3]);
	assert_null(price_vat(&list, "FR", false, at("2026-01-01")));
}

static void units_are_exact(void **state UNUSED)
{
	struct err e = ERR_INIT;
	enum metric m;
	struct dec shown;
	for (unsigned i = 0; i < METRICS; i++) {
		assert_int_equal(metric_parse(str_from(metric_info(i)->name), &m, &e), 0);
		assert_int_equal(m, i);
		assert_non_null(metric_unit(i, S("")));
	}
	assert_int_equal(metric_parse(S("dreams"), &m, &e), -1);
	const struct metric_unit *u = metric_unit(METRIC_MEMORY_BYTE_SECONDS, S(""));
	assert_string_equal(u->name, "GiB-hour");
	assert_int_equal(u->factor, INT64_C(3865470566400));
	assert_int_equal(metric_shown(dec_of("1932735283200"), u, 3, &shown, &e), 0);
	assert_dec(shown, "0.500");
	assert_null(metric_unit(METRIC_MEMORY_BYTE_SECONDS, S("GiB")));
	assert_int_equal(metric_unit(METRIC_NETWORK_BYTES_OUT, S("GB"))->factor, 1000000000);
}

/* ---- subscriptions ---- */

static void subscriptions_are_pro_rata(void **state UNUSED)
{
	static const struct {
		enum price_period period;
		const char *price, *from, *to, *begin, *end; /* period, life */
		const char *quantity, *amount;		     /* NULL: no line */
	} cases[] = {
		{PRICE_MONTH, "30.00", "2026-11-01", "2026-12-01", "2026-01-01", "2027-01-01",
		 "1", "30.00"},
		{PRICE_MONTH, "28.00", "2026-02-01", "2026-03-01", "2026-02-08", "2027-01-01",
		 "0.75", "21.00"},
		{PRICE_MONTH, "29.00", "2024-02-01", "2024-03-01", "2024-02-29", "2027-01-01",
		 "0.034483", "1.00"},
		/* half of January and half of February, exact: 15.5/31 + 14/28 */
		{PRICE_MONTH, "10.00", "2026-01-01", "2026-03-01", "2026-01-16T12:00:00Z",
		 "2026-02-15", "1", "10.00"},
		{PRICE_MONTH, "10.00", "2026-01-01", "2027-01-01", "2025-01-01", "2028-01-01",
		 "12", "120.00"},
		{PRICE_DAY, "2.40", "2026-11-01", "2026-12-01", "2026-11-30T12:00:00Z",
		 "2027-01-01", "0.5", "1.20"},
		{PRICE_HOUR, "0.10", "2026-11-01", "2026-12-01", "2026-11-01",
		 "2026-11-01T00:00:18.000Z", "0.005", "0.00"},
		{PRICE_HOUR, "1", "2026-11-01", "2026-12-01", "2026-11-01",
		 "2026-11-01T00:00:18.000Z", "0.005", "0.01"},
		{PRICE_HOUR, "1", "2026-11-01", "2026-12-01", "2026-10-01", "2026-11-01", NULL,
		 NULL},
		{PRICE_HOUR, "1", "2026-11-01", "2026-12-01", "2026-12-01", "2026-12-02", NULL,
		 NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		assert_int_equal(arena_new(1 << 20, &a, &e), 0);
		struct price_component c = monthly(cases[i].price);
		c.period = cases[i].period;
		struct price_list list = list_of(&c, 1);
		struct rate_span span = {at(cases[i].begin), at(cases[i].end), true};
		struct rate_instance inst = {S("g"), S("blog"), S("nginx"), &span, 1, false};
		struct rate_input in = {.list = &list,
					.from_ms = at(cases[i].from),
					.to_ms = at(cases[i].to),
					.instances = &inst,
					.instance_count = 1};
		struct rate_result out;
		if (rate(&in, a, &out, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		assert_int_equal(out.line_count, cases[i].quantity != NULL);
		if (!out.line_count)
			continue;
		assert_dec(out.lines[0].quantity, cases[i].quantity);
		assert_dec(out.lines[0].amount, cases[i].amount);
		assert_dec(out.total, cases[i].amount);
		assert_true(str_is(out.lines[0].text, "blog: nginx"));
	}
}

static void stopped_time_counts_as_the_list_says(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	struct price_component c = monthly("1.00");
	c.period = PRICE_DAY;
	struct price_list list = list_of(&c, 1);
	int64_t day = at("2026-11-01");
	const struct rate_span spans[] = {{day, day + DAY, true},
					  {day + DAY, day + 4 * DAY, false},
					  {day + 4 * DAY, day + 6 * DAY, true}};
	struct rate_instance inst = {S("g"), S("t"), S("r"), spans, 3, false};
	struct rate_input in = {.list = &list,
				.from_ms = day,
				.to_ms = day + 30 * DAY,
				.instances = &inst,
				.instance_count = 1};
	struct rate_result out;
	assert_int_equal(rate(&in, a, &out, &e), 0);
	assert_dec(out.total, "6.00");
	c.counts = PRICE_WHILE_STARTED;
	assert_int_equal(rate(&in, a, &out, &e), 0);
	assert_dec(out.total, "3.00");
}

/* ---- usage ---- */

static void tiers_price_what_lies_in_them(void **state UNUSED)
{
	struct price_tier tiers[] = {{true, dec_of("10"), dec_of("1.00")},
				     {true, dec_of("100"), dec_of("0.50")},
				     {false, dec_of("0"), dec_of("0.10")}};
	static const struct {
		enum price_tiering tiering;
		const char *included, *minimum, *gib;
		const char *amounts[5]; /* in order, NULL ends */
	} cases[] = {
		{PRICE_GRADUATED, "0", "0", "10", {"10.00"}},
		{PRICE_GRADUATED, "0", "0", "11", {"10.00", "0.50"}},
		{PRICE_GRADUATED, "0", "0", "100", {"10.00", "45.00"}},
		{PRICE_GRADUATED, "0", "0", "150", {"10.00", "45.00", "5.00"}},
		{PRICE_GRADUATED, "5", "0", "11", {"0.00", "6.00"}},
		{PRICE_GRADUATED, "5", "0", "5", {"0.00"}},
		{PRICE_GRADUATED, "5", "0", "3", {"0.00"}},
		{PRICE_GRADUATED, "5", "2.50", "6", {"0.00", "1.00", "1.50"}},
		{PRICE_GRADUATED, "0", "2.50", "0", {"2.50"}},
		{PRICE_GRADUATED, "0", "2.50", "3", {"3.00"}},
		{PRICE_GRADUATED, "0", "0", "0", {NULL}},
		{PRICE_VOLUME, "0", "0", "10", {"10.00"}},
		{PRICE_VOLUME, "0", "0", "11", {"5.50"}},
		{PRICE_VOLUME, "0", "0", "100", {"50.00"}},
		{PRICE_VOLUME, "0", "0", "101", {"10.10"}},
		{PRICE_VOLUME, "1", "0", "101", {"0.00", "50.00"}},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		assert_int_equal(arena_new(1 << 20, &a, &e), 0);
		struct price_component c = {.release = S("*"),
					    .kind = PRICE_USAGE,
					    .metric = METRIC_NETWORK_BYTES_OUT,
					    .tiering = cases[i].tiering,
					    .included = dec_of(cases[i].included),
					    .minimum = dec_of(cases[i].minimum),
					    .tiers = tiers,
					    .tier_count = 3};
		struct price_list list = list_of(&c, 1);
		struct rate_span span = {at("2026-11-01"), at("2026-12-01"), true};
		struct rate_instance inst = {S("g"), S("blog"), S("nginx"), &span, 1, false};
		struct rate_usage u = {.instance = S("g"), .metric = METRIC_NETWORK_BYTES_OUT};
		assert_int_equal(
			dec_mul(dec_of(cases[i].gib), dec_i64(1 << 30), &u.quantity, &e), 0);
		struct rate_input in = {.list = &list,
					.from_ms = at("2026-11-01"),
					.to_ms = at("2026-12-01"),
					.instances = &inst,
					.instance_count = 1,
					.usages = &u,
					.usage_count = 1};
		struct rate_result out;
		if (rate(&in, a, &out, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		size_t n = 0;
		for (; cases[i].amounts[n]; n++) {
			assert_true(n < out.line_count);
			assert_dec(out.lines[n].amount, cases[i].amounts[n]);
		}
		assert_int_equal(n, out.line_count);
	}
}

static void a_pool_is_one_total(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	struct price_tier t[2];
	struct price_component c[] = {flat("*", METRIC_NETWORK_BYTES_OUT, &t[0], "1"),
				      flat("redis", METRIC_NETWORK_BYTES_OUT, &t[1], "7")};
	c[0].is_pooled = true;
	c[0].included = dec_of("3");
	struct price_list list = list_of(c, 2);
	struct rate_span span = {at("2026-11-01"), at("2026-12-01"), true};
	struct rate_instance inst[] = {{S("a"), S("one"), S("nginx"), &span, 1, false},
				       {S("b"), S("two"), S("nginx"), &span, 1, false},
				       {S("c"), S("cache"), S("redis"), &span, 1, false}};
	struct rate_usage u[] = {{S("a"), METRIC_NETWORK_BYTES_OUT, dec_i64(INT64_C(2) << 30)},
				 {S("c"), METRIC_NETWORK_BYTES_OUT, dec_i64(INT64_C(1) << 30)},
				 {S("b"), METRIC_NETWORK_BYTES_OUT, dec_i64(INT64_C(2) << 30)}};
	struct rate_input in = {.list = &list,
				.from_ms = span.from_ms,
				.to_ms = span.to_ms,
				.instances = inst,
				.instance_count = 3,
				.usages = u,
				.usage_count = 3};
	struct rate_result out;
	assert_int_equal(rate(&in, a, &out, &e), 0);
	assert_int_equal(out.line_count, 3);
	assert_true(str_is(out.lines[0].text, "cache: Network sent"));
	assert_dec(out.lines[0].amount, "7.00");
	assert_true(str_is(out.lines[1].text, "All instances: Network sent (included)"));
	assert_dec(out.lines[2].amount, "1.00");
	assert_dec(out.total, "8.00");
}

static void wrong_input_is_named(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	struct price_component c = monthly("1");
	struct price_list list = list_of(&c, 1);
	list.valid_from_ms = at("2026-01-01");
	list.valid_until_ms = at("2027-01-01");
	struct rate_span spans[] = {{10, 20, true}, {15, 30, true}};
	struct rate_instance inst[] = {{S("g"), S("t"), S("r"), spans, 1, false},
				       {S("h"), S("t"), S("r"), spans, 1, false}};
	struct rate_usage u = {S("g"), METRIC_CPU_SECONDS, dec_i64(1)};
	struct rate_input good = {.list = &list,
				  .from_ms = at("2026-11-01"),
				  .to_ms = at("2026-12-01"),
				  .instances = inst,
				  .instance_count = 2,
				  .usages = &u,
				  .usage_count = 1},
			  in = good;
	struct rate_result out;
	assert_int_equal(rate(&in, a, &out, &e), 0);
#define REFUSED(change, undo, path) \
	do { \
		in = good; \
		change; \
		assert_int_equal(rate(&in, a, &out, &e), -1); \
		assert_int_equal(e.kind, ERR_INVALID); \
		assert_string_equal(e.field, path); \
		undo; \
	} while (0)
	REFUSED(in.to_ms = in.from_ms, (void)0, "to");
	REFUSED(in.from_ms = at("2025-12-31"), (void)0, "from");
	REFUSED(in.to_ms = at("2027-01-02"), (void)0, "to");
	REFUSED((list.valid_until_ms = 0, in.to_ms = INT64_MAX), (void)0, "to");
	REFUSED(inst[0].span_count = 2, inst[0].span_count = 1, "instances[0].spans[1]");
	REFUSED(inst[1].guid = S("g"), inst[1].guid = S("h"), "instances");
	REFUSED(u.instance = S("x"), u.instance = S("g"), "usages[0]");
	REFUSED(u.quantity = dec_i64(-1), u.quantity = dec_i64(1), "usages[0]");
	REFUSED(c.price = dec_i64(-1), c.price = dec_i64(1), "components[0].price");
}

static void overflow_is_reported(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	struct price_tier t;
	struct price_component c =
		flat("*", METRIC_CPU_SECONDS, &t, "999999999999999999999999999999999999");
	struct price_list list = list_of(&c, 1);
	struct rate_instance inst = {S("g"), S("t"), S("r"), NULL, 0, false};
	struct rate_usage u[] = {
		{S("g"), METRIC_CPU_SECONDS, dec_of("999999999999999999999999999999999999")},
		{S("g"), METRIC_CPU_SECONDS, dec_of("1")}};
	struct rate_input in = {.list = &list,
				.from_ms = at("2026-11-01"),
				.to_ms = at("2026-12-01"),
				.instances = &inst,
				.instance_count = 1,
				.usages = u,
				.usage_count = 1};
	struct rate_result out;
	assert_int_equal(rate(&in, a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	in.usage_count = 2;
	err_clear(&e);
	assert_int_equal(rate(&in, a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	struct arena *tiny CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(64, &tiny, &e), 0);
	assert_int_equal(rate(&in, tiny, &out, &e), -1);
	assert_int_equal(e.kind, ERR_MEMORY);
}

/* ---- properties ---- */

enum { MANY = 40, PIECES = 600 };

/* A list with every kind of component, instances and usage rows, all from a seed. */
struct world {
	struct price_tier tiers[METRICS][4];
	struct price_component components[METRICS + 1];
	struct price_list list;
	char guids[MANY][16];
	struct rate_span spans[MANY][2];
	struct rate_instance instances[MANY];
	struct rate_usage usages[PIECES];
	struct rate_input in;
};

static struct dec random_price(const struct rng *r)
{
	return (struct dec){(__int128)rng_below(r, 1000000), (uint8_t)rng_below(r, 9)};
}

static void world_prices(struct world *w, const struct rng *r)
{
	for (unsigned m = 0; m < METRICS; m++) {
		size_t n = 1 + rng_below(r, 4);
		for (size_t k = 0; k < n; k++)
			w->tiers[m][k] = (struct price_tier){
				k + 1 < n,
				{(__int128)(k + 1) * 12345, (uint8_t)rng_below(r, 2)},
				random_price(r)};
		for (size_t k = 0; k < n; k++)
			w->tiers[m][k].up_to.scale = w->tiers[m][0].up_to.scale;
		w->components[m] =
			(struct price_component){.release = S("*"),
						 .kind = PRICE_USAGE,
						 .metric = m,
						 .tiers = w->tiers[m],
						 .tier_count = n,
						 .tiering = rng_below(r, PRICE_TIERINGS),
						 .is_pooled = rng_below(r, 2),
						 .included = random_price(r),
						 .minimum = random_price(r)};
	}
	w->components[METRICS] = (struct price_component){.release = S("*"),
							  .period = rng_below(r, PRICE_PERIODS),
							  .counts = rng_below(r, PRICE_COUNTS),
							  .price = random_price(r)};
	w->list = list_of(w->components, METRICS + 1);
}

static void world_init(struct world *w, const struct rng *r)
{
	world_prices(w, r);
	int64_t from = at("2026-01-01") + (int64_t)rng_below(r, 300) * DAY;
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(w->guids[i], sizeof w->guids[i], "g%zu", i);
		int64_t begin = from - 5 * DAY + (int64_t)rng_below(r, 60 * DAY);
		int64_t stop = begin + (int64_t)rng_below(r, 30 * DAY);
		w->spans[i][0] = (struct rate_span){begin, stop, true};
		w->spans[i][1] =
			(struct rate_span){stop, stop + (int64_t)rng_below(r, 30 * DAY), false};
		w->instances[i] = (struct rate_instance){str_from(w->guids[i]), S("t"), S("r"),
							 w->spans[i],		2,	false};
	}
	for (size_t i = 0; i < PIECES; i++)
		w->usages[i] = (struct rate_usage){
			w->instances[rng_below(r, MANY)].guid,
			rng_below(r, METRICS),
			{(__int128)rng_below(r, UINT64_C(1) << 60), (uint8_t)rng_below(r, 4)}};
	w->in = (struct rate_input){.list = &w->list,
				    .from_ms = from,
				    .to_ms = from + 45 * DAY,
				    .instances = w->instances,
				    .instance_count = MANY,
				    .usages = w->usages,
				    .usage_count = PIECES};
}

/* Everything of a result as text. */
static void print(struct buf *b, const struct rate_result *r)
{
	for (size_t i = 0; i < r->line_count; i++) {
		const struct rate_line *l = &r->lines[i];
		buf_addf(b, "%" STR_F "|%" STR_F "|%" STR_F "|", STR_A(l->instance),
			 STR_A(l->text), STR_A(l->unit));
		dec_add_text(b, l->quantity);
		buf_add_c(b, '|');
		dec_add_text(b, l->unit_price);
		buf_add_c(b, '|');
		dec_add_text(b, l->amount);
		buf_add_c(b, '\n');
	}
	dec_add_text(b, r->total);
}

static void shuffle(struct world *w, const struct rng *r)
{
	for (size_t i = PIECES; i-- > 1;) {
		size_t k = rng_below(r, i + 1);
		struct rate_usage swap = w->usages[i];
		w->usages[i] = w->usages[k];
		w->usages[k] = swap;
	}
}

static void lines_add_up_and_repeat(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 42);
	struct world *w = test_malloc(sizeof *w);
	for (int round = 0; round < 60; round++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct buf one CLEAN(buf_fini) = BUF_INIT(1 << 22),
			       two CLEAN(buf_fini) = BUF_INIT(1 << 22);
		struct rate_result out;
		assert_int_equal(arena_new(1 << 24, &a, &e), 0);
		world_init(w, &s.rng);
		if (rate(&w->in, a, &out, &e) < 0)
			fail_msg("%s", e.text);
		struct dec sum = dec_i64(0);
		for (size_t i = 0; i < out.line_count; i++) {
			assert_int_equal(out.lines[i].amount.scale, 2);
			assert_true(dec_sign(out.lines[i].amount) >= 0);
			assert_int_equal(dec_add(sum, out.lines[i].amount, &sum, &e), 0);
		}
		assert_int_equal(dec_cmp(sum, out.total), 0);
		assert_true(out.line_count > 10);
		print(&one, &out);
		shuffle(w, &s.rng);
		assert_int_equal(rate(&w->in, a, &out, &e), 0);
		print(&two, &out);
		assert_int_equal(buf_check(&one, &e), 0);
		assert_true(str_eq(buf_str(&one), buf_str(&two)));
	}
	test_free(w);
}

/* Events cut into pieces give the totals, and so the lines, of the whole. */
static void cutting_usage_changes_nothing(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 43);
	struct world *w = test_malloc(sizeof *w);
	for (int round = 0; round < 30; round++) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct buf one CLEAN(buf_fini) = BUF_INIT(1 << 22),
			       two CLEAN(buf_fini) = BUF_INIT(1 << 22);
		struct rate_result out;
		assert_int_equal(arena_new(1 << 24, &a, &e), 0);
		world_init(w, &s.rng);
		assert_int_equal(rate(&w->in, a, &out, &e), 0);
		print(&one, &out);
		struct usage_event events[3 * PIECES];
		for (size_t i = 0; i < PIECES; i++) {
			struct dec left = w->usages[i].quantity;
			for (size_t k = 0; k < 3; k++) {
				struct dec part = {
					(__int128)rng_below(&s.rng,
							    (uint64_t)left.coefficient + 1),
					left.scale};
				if (k == 2)
					part = left;
				left.coefficient -= part.coefficient;
				int64_t end = w->in.from_ms + 1 +
					      (int64_t)rng_below(&s.rng, 45 * DAY);
				events[3 * i + k] = (struct usage_event){S("x"),
									 w->usages[i].instance,
									 w->usages[i].metric,
									 part,
									 end - 1,
									 end};
				assert_int_equal(usage_check(&events[3 * i + k], &e), 0);
			}
		}
		assert_int_equal(usage_sum(events, ARRAY_LEN(events), w->in.from_ms,
					   w->in.to_ms, a, &w->in.usages, &w->in.usage_count,
					   &e),
				 0);
		assert_true(w->in.usage_count <= MANY * METRICS);
		assert_int_equal(rate(&w->in, a, &out, &e), 0);
		print(&two, &out);
		assert_true(str_eq(buf_str(&one), buf_str(&two)));
	}
	test_free(w);
}

static void every_failed_allocation_is_told(void **state UNUSED)
{
	struct rng_seeded s;
	rng_seeded_init(&s, 44);
	struct world *w = test_malloc(sizeof *w);
	world_init(w, &s.rng);
	unsigned long n = 0;
	int rc = -1;
	while (rc < 0) {
		struct err e = ERR_INIT;
		struct arena *a CLEAN(arena_freep) = NULL;
		struct rate_result out;
		(void)mem_fail_after(++n);
		rc = arena_new(1 << 24, &a, &e);
		if (rc == 0)
			rc = rate(&w->in, a, &out, &e);
		(void)mem_fail_after(0);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_MEMORY);
	}
	assert_true(n > 3);
	test_free(w);
}

/* ---- events ---- */

static void an_event_belongs_where_it_ends(void **state UNUSED)
{
	const struct usage_event ev = {S("1"),	   S("g"), METRIC_CPU_SECONDS,
				       dec_i64(5), 100,	   200};
	assert_true(usage_is_in(&ev, 0, 200));
	assert_false(usage_is_in(&ev, 0, 199));
	assert_false(usage_is_in(&ev, 200, 300));
	assert_true(usage_is_in(&ev, 150, 300));
}

static void totals_are_sorted_sums(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 16, &a, &e), 0);
	const struct usage_event events[] = {
		{S("1"), S("h"), METRIC_CPU_SECONDS, dec_i64(5), 0, 10},
		{S("2"), S("g"), METRIC_DISK_BYTE_SECONDS, dec_i64(7), 0, 10},
		{S("3"), S("g"), METRIC_CPU_SECONDS, dec_of("0.5"), 0, 10},
		{S("4"), S("h"), METRIC_CPU_SECONDS, dec_of("0.25"), 10, 20},
		{S("5"), S("h"), METRIC_CPU_SECONDS, dec_i64(100), 20, 21},
	};
	const struct rate_usage *rows;
	size_t n;
	assert_int_equal(usage_sum(events, ARRAY_LEN(events), 0, 20, a, &rows, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_true(str_is(rows[0].instance, "g") && rows[0].metric == METRIC_CPU_SECONDS);
	assert_dec(rows[0].quantity, "0.5");
	assert_dec(rows[1].quantity, "7");
	assert_dec(rows[2].quantity, "5.25");
	assert_int_equal(usage_sum(NULL, 0, 0, 20, a, &rows, &n, &e), 0);
	assert_int_equal(n, 0);
}

static void wrong_events_are_named(void **state UNUSED)
{
	const struct usage_event good = {S("1"),     S("g"), METRIC_CPU_SECONDS,
					 dec_i64(5), 0,	     DAY};
	struct usage_event ev = good;
	struct err e = ERR_INIT;
	assert_int_equal(usage_check(&ev, &e), 0);
#define EVENT_REFUSED(change, path) \
	do { \
		ev = good; \
		change; \
		assert_int_equal(usage_check(&ev, &e), -1); \
		assert_string_equal(e.field, path); \
	} while (0)
	EVENT_REFUSED(ev.id = S(""), "id");
	EVENT_REFUSED(ev.instance = S(""), "instance");
	EVENT_REFUSED(ev.metric = METRICS, "metric");
	EVENT_REFUSED(ev.quantity = dec_i64(-1), "quantity");
	EVENT_REFUSED(ev.from_ms = -1, "from");
	EVENT_REFUSED(ev.to_ms = 0, "to");
	EVENT_REFUSED(ev.to_ms = DAY + 1, "to");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exact_release_goes_before_the_star),
		cmocka_unit_test(a_wrong_list_names_the_field),
		cmocka_unit_test(vat_is_found_by_country_moment_and_customer),
		cmocka_unit_test(units_are_exact),
		cmocka_unit_test(subscriptions_are_pro_rata),
		cmocka_unit_test(stopped_time_counts_as_the_list_says),
		cmocka_unit_test(tiers_price_what_lies_in_them),
		cmocka_unit_test(a_pool_is_one_total),
		cmocka_unit_test(wrong_input_is_named),
		cmocka_unit_test(overflow_is_reported),
		cmocka_unit_test(lines_add_up_and_repeat),
		cmocka_unit_test(cutting_usage_changes_nothing),
		cmocka_unit_test(every_failed_allocation_is_told),
		cmocka_unit_test(an_event_belongs_where_it_ends),
		cmocka_unit_test(totals_are_sorted_sums),
		cmocka_unit_test(wrong_events_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
