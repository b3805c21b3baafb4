/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "trade/payment.h"

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

static struct invoice_line line_of(const char *text, const char *quantity, const char *unit,
				   const char *price, const char *rate, const char *amount)
{
	return (struct invoice_line){str_from(text), dec_of(quantity), str_from(unit),
				     dec_of(price),  dec_of(amount),   dec_of(rate)};
}

static struct invoice_order order_of(const struct invoice_line *lines, size_t n)
{
	return (struct invoice_order){
		.seller = {.name = S("Nuage Coopératif"),
			   .address = {S("12 rue des Lilas"), S("59000 Lille")},
			   .address_count = 2,
			   .country = "FR",
			   .vat_number = S("FR83404833048")},
		.customer = {.name = S("東京データ株式会社"),
			     .address = {S("Ōtemachi 1-2-3"), S("Tōkyō 100-0004")},
			     .address_count = 2,
			     .country = "JP"},
		.currency = "EUR",
		.from_ms = at("2026-11-01"),
		.to_ms = at("2026-12-01"),
		.lines = lines,
		.line_count = n,
	};
}

static void vat_is_rounded_once_a_rate(void **state UNUSED)
{
	/* Per line the VAT of 0.02 at 20 % would be 0.00 three times; on the sum it is 0.01. */
	const struct invoice_line lines[] = {
		line_of("a", "1", "", "0.02", "20", "0.02"),
		line_of("b", "1", "", "0.02", "20.0", "0.02"),
		line_of("c", "1", "", "10.00", "5.5", "10.00"),
		line_of("d", "1", "", "0.02", "20", "0.02"),
	};
	struct invoice_order order = order_of(lines, ARRAY_LEN(lines));
	struct invoice inv;
	struct err e = ERR_INIT;
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	assert_int_equal(inv.state, INVOICE_DRAFT);
	assert_int_equal(inv.vat_count, 2);
	assert_dec(inv.vats[0].rate, "5.5");
	assert_dec(inv.vats[0].net, "10.00");
	assert_dec(inv.vats[0].vat, "0.55");
	assert_dec(inv.vats[1].rate, "20");
	assert_dec(inv.vats[1].net, "0.06");
	assert_dec(inv.vats[1].vat, "0.01");
	assert_dec(inv.net, "10.06");
	assert_dec(inv.vat, "0.56");
	assert_dec(inv.gross, "10.62");
}

static void sums_hold_for_random_invoices(void **state UNUSED)
{
	static const char *const rates[] = {"0", "2.1", "5.5", "10", "20"};
	struct rng_seeded s;
	rng_seeded_init(&s, 5);
	struct invoice_line lines[60];
	for (int round = 0; round < 500; round++) {
		size_t n = rng_below(&s.rng, ARRAY_LEN(lines) + 1);
		for (size_t i = 0; i < n; i++) {
			lines[i] = line_of("x", "1", "", "1",
					   rates[rng_below(&s.rng, ARRAY_LEN(rates))], "0.00");
			lines[i].amount.coefficient =
				(__int128)rng_below(&s.rng, 10000000) - 1000000;
		}
		struct invoice_order order = order_of(lines, n);
		struct invoice inv;
		struct err e = ERR_INIT;
		assert_int_equal(invoice_make(&order, &inv, &e), 0);
		__int128 net = 0, vat = 0, by_rate = 0;
		for (size_t i = 0; i < n; i++)
			net += lines[i].amount.coefficient;
		for (size_t i = 0; i < inv.vat_count; i++) {
			vat += inv.vats[i].vat.coefficient;
			by_rate += inv.vats[i].net.coefficient;
			assert_true(i == 0 ||
				    dec_cmp(inv.vats[i - 1].rate, inv.vats[i].rate) < 0);
		}
		assert_true(inv.net.coefficient == net && by_rate == net);
		assert_true(inv.vat.coefficient == vat && inv.gross.coefficient == net + vat);
	}
}

static void wrong_orders_name_the_field(void **state UNUSED)
{
	struct invoice_line line = line_of("a", "1", "", "1", "20", "1.00");
	const struct invoice_order good = order_of(&line, 1);
	struct invoice_order order;
	struct invoice inv;
	struct err e = ERR_INIT;
#define REFUSED(change, path) \
	do { \
		order = good; \
		change; \
		assert_int_equal(invoice_make(&order, &inv, &e), -1); \
		assert_int_equal(e.kind, ERR_INVALID); \
		assert_string_equal(e.field, path); \
	} while (0)
	static const char long_text[INVOICE_TEXT_MAX + 1] = {'x'};
	REFUSED(order.seller.name = S(""), "seller.name");
	REFUSED(order.seller.name = str_of(long_text, sizeof long_text), "seller.name");
	REFUSED(order.customer.vat_number = str_of(long_text, sizeof long_text),
		"customer.vat_number");
	REFUSED(order.customer.country[0] = 0, "customer.country");
	REFUSED(order.customer.address_count = 7, "customer.address");
	REFUSED(order.currency[0] = 'X', "currency");
	REFUSED(order.to_ms = order.from_ms, "to");
	REFUSED(line.amount = dec_of("1.005"), "lines[0].amount");
	line = line_of("a", "1", "", "1", "101", "1.00");
	REFUSED((void)0, "lines[0].vat_rate");
	struct invoice_line many[INVOICE_VATS_MAX + 1];
	for (int i = 0; i <= INVOICE_VATS_MAX; i++) {
		many[i] = line_of("a", "1", "", "1", "0", "1.00");
		many[i].vat_rate = dec_i64(i);
	}
	order = order_of(many, ARRAY_LEN(many));
	assert_int_equal(invoice_make(&order, &inv, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	struct invoice_line huge[] = {
		line_of("a", "1", "", "1", "0", "9999999999999999999999999999999999.99"),
		line_of("a", "1", "", "1", "0", "0.01")};
	order = order_of(huge, 2);
	assert_int_equal(invoice_make(&order, &inv, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void numbers_have_no_gaps(void **state UNUSED)
{
	struct invoice_number last = {.n = 0}, next, back;
	struct err e = ERR_INIT;
	char text[INVOICE_NUMBER_SIZE], want[INVOICE_NUMBER_SIZE];
	for (int i = 1; i <= 300; i++) {
		int year = i <= 200 ? 2026 : 2028;
		assert_int_equal(invoice_number_next(S("HOC"), year, &last, &next, &e), 0);
		invoice_number_text(&next, text);
		(void)snprintf(want, sizeof want, "HOC-%d-%06d", year, i <= 200 ? i : i - 200);
		assert_string_equal(text, want);
		assert_int_equal(invoice_number_parse(str_from(text), &back, &e), 0);
		assert_string_equal(back.series, "HOC");
		assert_int_equal(back.year, year);
		assert_int_equal(back.n, next.n);
		last = next;
	}
	assert_int_equal(invoice_number_next(S("HOC"), 2027, &last, &next, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(invoice_number_next(S("OTHER"), 2028, &last, &next, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	last.n = INVOICE_NUMBER_MAX;
	assert_int_equal(invoice_number_next(S("HOC"), 2028, &last, &next, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	static const char *const bad_series[] = {"", "hoc", "A-B", "ABCDEFGHI", "É"};
	struct invoice_number none = {.n = 0};
	for (size_t i = 0; i < ARRAY_LEN(bad_series); i++)
		assert_int_equal(
			invoice_number_next(str_from(bad_series[i]), 2026, &none, &next, &e),
			-1);
	static const char *const bad[] = {"",
					  "draft",
					  "HOC",
					  "HOC-2026",
					  "HOC-2026-1",
					  "HOC-2026-0000001",
					  "HOC-2026-000000",
					  "HOC-2026-000001-",
					  "hoc-2026-000001",
					  "HOC-026-000001",
					  "HOC--2026-000001",
					  " HOC-2026-000001"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(invoice_number_parse(str_from(bad[i]), &next, &e), -1);
}

static void a_final_invoice_does_not_change(void **state UNUSED)
{
	struct invoice_line line = line_of("a", "1", "", "1", "20", "1.00");
	struct invoice_order order = order_of(&line, 1);
	const struct invoice_number number = {"HOC", 2026, 7}, none = {.n = 0};
	struct invoice inv, before;
	struct err e = ERR_INIT;
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	assert_int_equal(invoice_finish(&inv, &none, 10, 20, &e), -1);
	assert_string_equal(e.field, "number");
	assert_int_equal(invoice_finish(&inv, &number, 10, 9, &e), -1);
	assert_string_equal(e.field, "due_at");
	assert_int_equal(inv.state, INVOICE_DRAFT);
	assert_int_equal(invoice_finish(&inv, &number, 10, 20, &e), 0);
	memcpy(&before, &inv, sizeof inv);
	assert_int_equal(invoice_finish(&inv, &number, 30, 40, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_memory_equal(&before, &inv, sizeof inv);
}

static void lines_get_the_vat_of_the_customer(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(1 << 16, &a, &e), 0);
	const struct price_vat vats[] = {{.country = "FR", .rate = dec_of("20")},
					 {.country = "DE",
					  .whom = PRICE_FOR_BUSINESS,
					  .rate = dec_of("0"),
					  .note = S("Reverse charge")}};
	const struct price_list list = {.vats = vats, .vat_count = 2};
	const struct rate_line rated_line = {S("g"),	 S("blog: nginx"), dec_of("0.5"),
					     S("month"), dec_of("10.00"),  dec_of("5.00")};
	const struct rate_result rated = {&rated_line, 1, dec_of("5.00")};
	struct invoice_party customer = {
		.name = S("c"), .country = "DE", .vat_number = S("DE1")};
	const struct invoice_line *lines;
	struct str note;
	assert_int_equal(invoice_lines(&rated, &list, &customer, 5, a, &lines, &note, &e), 0);
	assert_dec(lines[0].vat_rate, "0");
	assert_dec(lines[0].amount, "5.00");
	assert_true(str_is(note, "Reverse charge"));
	customer.vat_number = S("");
	assert_int_equal(invoice_lines(&rated, &list, &customer, 5, a, &lines, &note, &e), -1);
	assert_string_equal(e.field, "customer.country");
}

/* ---- the page ---- */

/* clang-format off */
static const char page[] =
	"Nuage Coopératif                                                         INVOICE\n"
	"12 rue des Lilas\n"
	"59000 Lille\n"
	"FR\n"
	"VAT number FR83404833048\n"
	"\n"
	"東京データ株式会社                             Number   HOC-2026-000007\n"
	"Ōtemachi 1-2-3                                 Issued   2026-12-01\n"
	"Tōkyō 100-0004                                 Due      2026-12-15\n"
	"JP                                             Period   2026-11-01 to 2026-11-30\n"
	"                                               Currency EUR\n"
	"\n"
	"--------------------------------------------------------------------------------\n"
	"Item                             Quantity Unit              Price VAT%    Amount\n"
	"--------------------------------------------------------------------------------\n"
	"blog: nginx                      0.483871 month              9.90   20      4.79\n"
	"shop: Memory (above 10 to              90 GiB-hour         0.0125   20      1.13\n"
	"100 GiB-hour)\n"
	"データ: Disk                  1234.567891 GiB-hour         0.0004   20      0.49\n"
	"archive: Disk\n"
	"  123456789012.5 GiB-hour\n"
	"  at 0.000000012345, VAT 20 %\n"
	"                                                                         1524.07\n"
	"paper: A book about the                 1                   20.00  5.5     20.00\n"
	"cloud\n"
	"--------------------------------------------------------------------------------\n"
	"                                                           Net           1550.48\n"
	"                                            VAT 5.5 % of 20.00              1.10\n"
	"                                           VAT 20 % of 1530.48            306.10\n"
	"                                                     Total EUR           1857.68\n"
	"\n"
	"Services supplied under the terms of 1 January 2026, which anyone can read and\n"
	"check with the price list.\n"
	"\n"
	"Please pay EUR 1857.68 by 2026-12-15\n"
	"and name the invoice: HOC-2026-000007\n";
/* clang-format on */

static void the_page_is_this_one(void **state UNUSED)
{
	const struct invoice_line lines[] = {
		line_of("blog: nginx", "0.483871", "month", "9.90", "20", "4.79"),
		line_of("shop: Memory (above 10 to 100 GiB-hour)", "90", "GiB-hour", "0.0125",
			"20", "1.13"),
		line_of("データ: Disk", "1234.567891", "GiB-hour", "0.0004", "20", "0.49"),
		line_of("archive: Disk", "123456789012.5", "GiB-hour", "0.000000012345", "20",
			"1524.07"),
		line_of("paper: A book about the cloud", "1", "", "20.00", "5.5", "20.00"),
	};
	struct invoice_order order = order_of(lines, ARRAY_LEN(lines));
	order.note = S("Services supplied under the terms of 1 January 2026, which anyone can "
		       "read and check with the price list.");
	const struct invoice_number number = {"HOC", 2026, 7};
	struct invoice inv;
	struct err e = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	assert_int_equal(
		invoice_finish(&inv, &number, at("2026-12-01T08:00:00Z"), at("2026-12-15"), &e),
		0);
	invoice_text(&inv, &b);
	assert_int_equal(buf_check(&b, &e), 0);
	assert_string_equal(b.p, page);
}

/* No line passes 80 columns, whatever the texts; nothing is cut off. */
static void every_line_fits_the_page(void **state UNUSED)
{
	static const char *const words[] = {
		"Größe",
		"数据",
		"x",
		"aVeryLongWordWithoutAnySpaceAtAllThatMustBeBrokenSomewhereInTheMiddle",
		"and",
		"😀",
		"\x1b[31m",
		"\xff",
		"Zoe\xCC\x88",
		"\n",
		"\xE2\x80\xAE"};
	struct rng_seeded s;
	rng_seeded_init(&s, 6);
	for (int round = 0; round < 300; round++) {
		char texts[8][400];
		for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
			texts[i][0] = 'T';
			texts[i][1] = 0;
			for (size_t n = rng_below(&s.rng, 5); n--;) {
				size_t used = strlen(texts[i]);
				(void)snprintf(texts[i] + used, sizeof texts[i] - used, "%s %s",
					       rng_below(&s.rng, 2) ? " " : "",
					       words[rng_below(&s.rng, ARRAY_LEN(words))]);
			}
		}
		struct invoice_line line =
			line_of(texts[0], "1", "GiB-hour", "1", "20", "1.00");
		line.quantity =
			(struct dec){(__int128)rng_u64(&s.rng), (uint8_t)rng_below(&s.rng, 7)};
		line.unit_price = (struct dec){
			(__int128)rng_below(&s.rng, UINT64_C(1) << rng_below(&s.rng, 60)),
			(uint8_t)rng_below(&s.rng, 9)};
		line.amount.coefficient =
			(__int128)rng_below(&s.rng, UINT64_C(1) << rng_below(&s.rng, 63));
		struct invoice_order order = order_of(&line, 1);
		order.seller.name = str_from(texts[1]);
		order.seller.address[0] = str_from(texts[2]);
		order.customer.name = str_from(texts[3]);
		order.customer.address[1] = str_from(texts[4]);
		order.customer.vat_number = str_from(texts[5]);
		order.seller.vat_number = str_from(texts[7]);
		order.note = str_from(texts[6]);
		struct invoice inv;
		struct err e = ERR_INIT;
		struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
		assert_int_equal(invoice_make(&order, &inv, &e), 0);
		invoice_text(&inv, &b);
		assert_int_equal(buf_check(&b, &e), 0);
		assert_true(str_is_utf8(buf_str(&b)));
		struct str rest = buf_str(&b), row;
		while (str_split(&rest, '\n', &row))
			if (utf8_columns(row) > INVOICE_COLUMNS)
				fail_msg("%zu columns: %.*s", utf8_columns(row), (int)row.n,
					 row.p);
		char amount[DEC_TEXT_SIZE];
		dec_text(inv.gross, amount);
		assert_true(str_find(buf_str(&b), str_from(amount)) < b.n);
		assert_int_equal(str_find(buf_str(&b), S("\x1b")), b.n);
	}
}

static void a_page_that_does_not_fit_says_so(void **state UNUSED)
{
	struct invoice_line line = line_of("a", "1", "", "1", "20", "1.00");
	struct invoice_order order = order_of(&line, 1);
	struct invoice inv;
	struct err e = ERR_INIT;
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	for (size_t max = 0; max < 900; max += 7) {
		struct buf b CLEAN(buf_fini) = BUF_INIT(max);
		invoice_text(&inv, &b);
		assert_int_equal(buf_check(&b, &e), -1);
	}
}

/* ---- payment ---- */

static void the_promise_to_pay_is_judged(void **state UNUSED)
{
	static const struct {
		const char *paid;
		int64_t paid_at, now;
		enum payment_state state;
		int64_t since;
		const char *open, *message;
	} cases[] = {
		{"0", 0, 1000, PAYMENT_UNKNOWN, 1000, "1.20", "EUR 1.20 due 1970-01-01"},
		{"0", 0, 2000, PAYMENT_UNKNOWN, 1000, "1.20", "EUR 1.20 due 1970-01-01"},
		{"0", 0, 2001, PAYMENT_BROKEN, 2000, "1.20", "EUR 1.20 was due 1970-01-01"},
		{"1.19", 1500, 2001, PAYMENT_BROKEN, 2000, "0.01",
		 "EUR 0.01 was due 1970-01-01"},
		{"1.19", 1500, 1600, PAYMENT_UNKNOWN, 1000, "0.01", "EUR 0.01 due 1970-01-01"},
		{"1.20", 1500, 1600, PAYMENT_KEPT, 1500, "0.00", "paid in full"},
		{"1.20", 2500, 9000, PAYMENT_KEPT, 2500, "0.00", "paid in full"},
		{"5", 1500, 9000, PAYMENT_KEPT, 1500, "0.00", "paid in full"},
	};
	struct invoice_line line = line_of("a", "1", "", "1", "20", "1.00");
	struct invoice_order order = order_of(&line, 1);
	const struct invoice_number number = {"HOC", 2026, 7};
	struct invoice inv;
	struct err e = ERR_INIT;
	struct payment_promise p;
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	assert_int_equal(invoice_promise(&inv, (struct payment_paid){.at_ms = 0}, 5, &p, &e),
			 -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(invoice_finish(&inv, &number, 1000, 2000, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct payment_paid paid = {dec_of(cases[i].paid), cases[i].paid_at};
		assert_int_equal(invoice_promise(&inv, paid, cases[i].now, &p, &e), 0);
		assert_string_equal(payment_state_name(p.state),
				    payment_state_name(cases[i].state));
		assert_int_equal(p.since_ms, cases[i].since);
		assert_dec(p.open, cases[i].open);
		assert_string_equal(p.message, cases[i].message);
		assert_string_equal(p.name, "HOC-2026-000007");
	}
}

static void an_invoice_of_nothing_is_paid(void **state UNUSED)
{
	struct invoice_order order = order_of(NULL, 0);
	const struct invoice_number number = {"HOC", 2026, 7};
	struct invoice inv;
	struct err e = ERR_INIT;
	struct payment_promise p;
	assert_int_equal(invoice_make(&order, &inv, &e), 0);
	assert_dec(inv.gross, "0.00");
	assert_int_equal(invoice_finish(&inv, &number, 1000, 2000, &e), 0);
	assert_int_equal(invoice_promise(&inv, (struct payment_paid){.at_ms = 0}, 5000, &p, &e),
			 0);
	assert_int_equal(p.state, PAYMENT_KEPT);
	assert_int_equal(p.since_ms, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vat_is_rounded_once_a_rate),
		cmocka_unit_test(sums_hold_for_random_invoices),
		cmocka_unit_test(wrong_orders_name_the_field),
		cmocka_unit_test(numbers_have_no_gaps),
		cmocka_unit_test(a_final_invoice_does_not_change),
		cmocka_unit_test(lines_get_the_vat_of_the_customer),
		cmocka_unit_test(the_page_is_this_one),
		cmocka_unit_test(every_line_fits_the_page),
		cmocka_unit_test(a_page_that_does_not_fit_says_so),
		cmocka_unit_test(the_promise_to_pay_is_judged),
		cmocka_unit_test(an_invoice_of_nothing_is_paid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
