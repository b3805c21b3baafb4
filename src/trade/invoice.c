/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making invoices: checks, sums, numbers. The page is made in invoice_text.c. */
#include "trade/invoice.h"

#include "base/money.h"

/* clang-format off */
static const char *const state_names[INVOICE_STATES] = {
	[INVOICE_DRAFT] = "draft", [INVOICE_FINAL] = "final",
};
/* clang-format on */

const char *invoice_state_name(enum invoice_state s)
{
	ASSERT((unsigned)s < INVOICE_STATES);
	return state_names[s];
}

/* ---- numbers ---- */

static bool is_series(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'A' && s.p[i] <= 'Z') && !(s.p[i] >= '0' && s.p[i] <= '9'))
			return false;
	return s.n >= 1 && s.n <= INVOICE_SERIES_MAX;
}

MUST int invoice_number_next(struct str series, int year, const struct invoice_number *last,
			     struct invoice_number *out, struct err *e)
{
	if (!is_series(series))
		return err_field(e, "series", "must be 1 to %d of A-Z and 0-9",
				 INVOICE_SERIES_MAX);
	if (year < 1970 || year > 9999)
		return err_field(e, "year", "must be 1970 to 9999");
	struct invoice_number next = {.year = year, .n = 1};
	memcpy(next.series, series.p, series.n);
	if (last->n && strcmp(last->series, next.series) != 0)
		return err_field(e, "series", "differs from the last number's, %s",
				 last->series);
	if (last->n && year < last->year)
		return err_fail(e, ERR_CONFLICT, "an invoice of %d cannot follow one of %d",
				year, last->year);
	if (last->n && year == last->year)
		next.n = last->n + 1;
	if (next.n > INVOICE_NUMBER_MAX)
		return err_fail(e, ERR_TOO_LARGE, "series %s of %d is used up", next.series,
				year);
	*out = next;
	return 0;
}

void invoice_number_text(const struct invoice_number *n, char out[static INVOICE_NUMBER_SIZE])
{
	if (n->n == 0)
		(void)snprintf(out, INVOICE_NUMBER_SIZE, "draft");
	else
		(void)snprintf(out, INVOICE_NUMBER_SIZE, "%s-%04d-%06lld", n->series, n->year,
			       (long long)n->n);
}

MUST int invoice_number_parse(struct str s, struct invoice_number *out, struct err *e)
{
	struct str rest = s.n ? s : S(""), series, year, n;
	struct invoice_number got = {.n = 0};
	int64_t year_value;
	struct err ignored;
	char again[INVOICE_NUMBER_SIZE];
	bool is_whole = str_split(&rest, '-', &series) && str_split(&rest, '-', &year) &&
			str_split(&rest, '-', &n) && !rest.p && is_series(series);
	if (is_whole && str_to_i64(year, 1970, 9999, &year_value, &ignored) == 0 &&
	    str_to_i64(n, 1, INVOICE_NUMBER_MAX, &got.n, &ignored) == 0) {
		memcpy(got.series, series.p, series.n);
		got.year = (int)year_value;
		invoice_number_text(&got, again);
		if (str_is(s, again)) {
			*out = got;
			return 0;
		}
	}
	return err_fail(e, ERR_INVALID,
			"'%" STR_F "' is not an invoice number such as HOC-2026-000001",
			STR_A(str_sub(s, 0, INVOICE_NUMBER_SIZE)));
}

/* ---- sums ---- */

static int check_text(struct str text, const char *who, const char *member, struct err *e)
{
	if (text.n <= INVOICE_TEXT_MAX)
		return 0;
	char path[32];
	(void)snprintf(path, sizeof path, "%s.%s", who, member);
	return err_field(e, path, "is longer than %d bytes", INVOICE_TEXT_MAX);
}

static int check_party(const struct invoice_party *p, const char *who, struct err *e)
{
	char path[32];
	(void)snprintf(path, sizeof path, "%s.name", who);
	if (!p->name.n)
		return err_field(e, path, "is missing");
	(void)snprintf(path, sizeof path, "%s.country", who);
	if (strlen(p->country) != 2)
		return err_field(e, path, "must be two capital letters (ISO 3166)");
	(void)snprintf(path, sizeof path, "%s.address", who);
	if (p->address_count > INVOICE_ADDRESS_MAX)
		return err_field(e, path, "has more than %d lines", INVOICE_ADDRESS_MAX);
	for (size_t i = 0; i < p->address_count; i++)
		if (check_text(p->address[i], who, "address", e) < 0)
			return -1;
	if (check_text(p->name, who, "name", e) < 0)
		return -1;
	return check_text(p->vat_number, who, "vat_number", e);
}

static int check_order(const struct invoice_order *o, struct err *e)
{
	if (check_party(&o->seller, "seller", e) < 0 ||
	    check_party(&o->customer, "customer", e) < 0)
		return -1;
	if (money_digits(o->currency) < 0)
		return err_field(e, "currency", "is not a known currency code such as EUR");
	if (o->from_ms < 0 || o->to_ms <= o->from_ms)
		return err_field(e, "to", "must be after from");
	if (o->line_count > INVOICE_LINES_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d invoice lines",
				INVOICE_LINES_MAX);
	return 0;
}

/* The VAT line of `rate`, put in its place if it is new. */
static struct invoice_vat *vat_of(struct invoice *inv, struct dec rate)
{
	size_t at = 0;
	while (at < inv->vat_count && dec_cmp(inv->vats[at].rate, rate) < 0)
		at++;
	if (at < inv->vat_count && dec_cmp(inv->vats[at].rate, rate) == 0)
		return &inv->vats[at];
	if (inv->vat_count == INVOICE_VATS_MAX)
		return NULL;
	memmove(&inv->vats[at + 1], &inv->vats[at],
		(inv->vat_count - at) * sizeof inv->vats[0]);
	inv->vats[at] =
		(struct invoice_vat){.rate = dec_trim(rate, 0), .net = {0, inv->net.scale}};
	inv->vat_count++;
	return &inv->vats[at];
}

static int add_line(struct invoice *inv, size_t at, struct err *e)
{
	const struct invoice_line *line = &inv->lines[at];
	char path[48];
	(void)snprintf(path, sizeof path, "lines[%zu].amount", at);
	if (line->amount.scale != inv->net.scale)
		return err_field(e, path, "must be rounded to the coin of %s", inv->currency);
	(void)snprintf(path, sizeof path, "lines[%zu].vat_rate", at);
	if (dec_sign(line->vat_rate) < 0 || dec_cmp(line->vat_rate, dec_i64(100)) > 0)
		return err_field(e, path, "must be 0 to 100 percent");
	struct invoice_vat *v = vat_of(inv, line->vat_rate);
	if (!v)
		return err_fail(e, ERR_TOO_LARGE, "more than %d VAT rates on one invoice",
				INVOICE_VATS_MAX);
	if (dec_add(v->net, line->amount, &v->net, e) < 0)
		return -1;
	return dec_add(inv->net, line->amount, &inv->net, e);
}

static int add_vat(struct invoice *inv, struct invoice_vat *v, struct err *e)
{
	if (dec_mul_ratio(v->net, v->rate, dec_i64(100), inv->net.scale, &v->vat, e) < 0)
		return -1;
	return dec_add(inv->vat, v->vat, &inv->vat, e);
}

MUST int invoice_make(const struct invoice_order *order, struct invoice *out, struct err *e)
{
	if (check_order(order, e) < 0)
		return -1;
	uint8_t digits = (uint8_t)money_digits(order->currency);
	struct invoice inv = {
		.state = INVOICE_DRAFT,
		.seller = order->seller,
		.customer = order->customer,
		.from_ms = order->from_ms,
		.to_ms = order->to_ms,
		.lines = order->lines,
		.line_count = order->line_count,
		.note = order->note,
		.net = {0, digits},
		.vat = {0, digits},
	};
	memcpy(inv.currency, order->currency, sizeof inv.currency);
	for (size_t i = 0; i < inv.line_count; i++)
		if (add_line(&inv, i, e) < 0)
			return -1;
	for (size_t i = 0; i < inv.vat_count; i++)
		if (add_vat(&inv, &inv.vats[i], e) < 0)
			return -1;
	if (dec_add(inv.net, inv.vat, &inv.gross, e) < 0)
		return -1;
	*out = inv;
	return 0;
}

MUST int invoice_lines(const struct rate_result *rated, const struct price_list *list,
		       const struct invoice_party *customer, int64_t at_ms, struct arena *a,
		       const struct invoice_line **out, struct str *note, struct err *e)
{
	const struct price_vat *vat =
		price_vat(list, customer->country, customer->vat_number.n > 0, at_ms);
	if (!vat)
		return err_field(e, "customer.country", "price list has no VAT rate for %.2s",
				 customer->country);
	struct invoice_line *lines = ARENA_ARRAY(a, struct invoice_line, rated->line_count);
	if (!lines)
		return arena_check(a, e);
	for (size_t i = 0; i < rated->line_count; i++) {
		const struct rate_line *from = &rated->lines[i];
		lines[i] = (struct invoice_line){
			.text = from->text,
			.quantity = from->quantity,
			.unit = from->unit,
			.unit_price = from->unit_price,
			.amount = from->amount,
			.vat_rate = vat->rate,
		};
	}
	*out = lines;
	*note = vat->note;
	return 0;
}

MUST int invoice_finish(struct invoice *inv, const struct invoice_number *number,
			int64_t issued_at_ms, int64_t due_at_ms, struct err *e)
{
	if (inv->state != INVOICE_DRAFT)
		return err_fail(e, ERR_CONFLICT, "a final invoice does not change");
	if (number->n < 1)
		return err_field(e, "number", "is missing");
	if (issued_at_ms <= 0)
		return err_field(e, "issued_at", "is missing");
	if (due_at_ms < issued_at_ms)
		return err_field(e, "due_at", "lies before issued_at");
	inv->number = *number;
	inv->issued_at_ms = issued_at_ms;
	inv->due_at_ms = due_at_ms;
	inv->state = INVOICE_FINAL;
	return 0;
}
