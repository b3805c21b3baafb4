/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Prices and invoices. An invoice is made in one write transaction from the spans and the usage
 * of the period, by room trade; the same period twice is the same invoice.
 */
#include "api/access.h"
#include "api/bill.h"
#include "api/handlers.h"
#include "api/prices.h"
#include "api/supply.h"
#include "api/views.h"
#include "store/customer.h"
#include "trade/invoice.h"

/* clang-format off */
struct view_price { struct str name; struct json *prices; struct str changed_at; };
static const struct json_field price_fields[] = {
	JSON_STR(struct view_price, name, "name", 0, INT64_MAX, 0, "Name of the list."),
	JSON_TREE(struct view_price, prices, "prices", 0, "The list."),
	JSON_STR(struct view_price, changed_at, "changed_at", 0, INT64_MAX, 0, "When it was set."),
};
static const struct json_desc view_price_desc = JSON_DESC(struct view_price, price_fields, "Prices", "A price list.");
struct view_prices { struct view_price *prices; size_t n; };
static const struct json_field prices_fields[] = {
	JSON_STRUCTS(struct view_prices, prices, n, struct view_price, "prices", &view_price_desc, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc v1_prices_out = JSON_DESC(struct view_prices, prices_fields, "PriceLists", "Price lists.");
struct invoice_in { struct str customer, from, to, prices; };
static const struct json_field invoice_in_fields[] = {
	JSON_STR(struct invoice_in, customer, "customer", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Who is billed."),
	JSON_STR(struct invoice_in, from, "from", 1, 40, JSON_REQUIRED, "Begin of the period, RFC 3339 or a date."),
	JSON_STR(struct invoice_in, to, "to", 1, 40, JSON_REQUIRED, "Its end, exclusive; not in the future."),
	JSON_STR(struct invoice_in, prices, "prices", 1, PRICE_NAME_MAX, 0, "Price list.", .initial_text = "default"),
};
const struct json_desc v1_invoice_in = JSON_DESC(struct invoice_in, invoice_in_fields, "InvoiceIn", "A period to be billed. The same one twice gives the same invoice.");
struct view_invoice { struct str number, customer, from, to, prices, currency, gross, issued_at, due_at; struct json *invoice; };
static const struct json_field invoice_fields[] = {
	JSON_STR(struct view_invoice, number, "number", 0, INT64_MAX, 0, "Gapless within its series and year."),
	JSON_STR(struct view_invoice, customer, "customer", 0, INT64_MAX, 0, "Who is billed."),
	JSON_STR(struct view_invoice, from, "from", 0, INT64_MAX, 0, "Begin of the period."),
	JSON_STR(struct view_invoice, to, "to", 0, INT64_MAX, 0, "Its end."),
	JSON_STR(struct view_invoice, prices, "prices", 0, INT64_MAX, 0, "Price list."),
	JSON_STR(struct view_invoice, currency, "currency", 0, INT64_MAX, 0, "ISO 4217."),
	JSON_STR(struct view_invoice, gross, "gross", 0, INT64_MAX, 0, "To be paid, decimal text."),
	JSON_STR(struct view_invoice, issued_at, "issued_at", 0, INT64_MAX, 0, "When it was made."),
	JSON_STR(struct view_invoice, due_at, "due_at", 0, INT64_MAX, 0, "When it is to be paid."),
	JSON_TREE(struct view_invoice, invoice, "invoice", 0, "Parties, lines, VAT and totals; in lists left out."),
};
const struct json_desc v1_invoice_out = JSON_DESC(struct view_invoice, invoice_fields, "Invoice", "An invoice.");
struct view_invoices { struct view_invoice *invoices; size_t n; };
static const struct json_field invoices_fields[] = {
	JSON_STRUCTS(struct view_invoices, invoices, n, struct view_invoice, "invoices", &v1_invoice_out, 0, INT64_MAX, 0, "Newest first."),
};
const struct json_desc v1_invoices_out = JSON_DESC(struct view_invoices, invoices_fields, "Invoices", "Invoices.");
struct invoices_query { struct str customer; int64_t limit; };
static const struct json_field invoices_query_fields[] = {
	JSON_STR(struct invoices_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Of one customer."),
	JSON_I64(struct invoices_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc v1_invoices_query = JSON_DESC(struct invoices_query, invoices_query_fields, "InvoicesQuery", "Which.");
enum format { FORMAT_JSON, FORMAT_TEXT };
static const struct json_word format_words[] = {{"json", FORMAT_JSON}, {"text", FORMAT_TEXT}, {NULL, 0}};
struct invoice_query { enum format format; };
static const struct json_field invoice_query_fields[] = {
	JSON_ENUM(struct invoice_query, format, "format", format_words, 0, "json, or text: the page.", .initial = FORMAT_JSON),
};
const struct json_desc v1_invoice_query = JSON_DESC(struct invoice_query, invoice_query_fields, "InvoiceQuery", "In which form.");
/* clang-format on */

/* ---- prices -------------------------------------------------------------------------------- */

MUST int v1_price_prepare(struct api_call *c, struct err *e)
{
	struct price_list list;
	if (supply_check_name(c->params[0], "name", e) < 0)
		return -1;
	return prices_read(c->in, c->params[0], c->a, &list, e);
}

static void view_price_of(struct api_call *c, const struct price_row *p, struct view_price *out)
{
	*out = (struct view_price){p->name, view_json(c->a, p->body_json),
				   view_at(c->a, p->changed_at_ms)};
}

MUST int v1_price_put(struct api_call *c, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	struct price_row row;
	struct view_price v;
	json_write_struct(&v1_price_in, c->in, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	struct str body = arena_dup(c->a, buf_str(&b));
	int rc = store_price_find(c->tx, c->a, c->params[0], &row, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_eq(row.body_json, body)) {
		row = (struct price_row){c->params[0], body, c->now_ms};
		call_event(c, EVENT_PRICES_CHANGED, row.name, NULL);
		if (store_price_save(c->tx, &row, e) < 0)
			return -1;
	}
	view_price_of(c, &row, &v);
	return call_answer(c, 200, &view_price_desc, &v, e);
}

MUST int v1_prices(struct api_call *c, struct err *e)
{
	struct price_row *list = NULL;
	struct view_prices v = {.n = 0};
	if (store_price_list(c->tx, c->a, 1000, &list, &v.n, e) < 0)
		return -1;
	v.prices = ARENA_ARRAY(c->a, struct view_price, v.n);
	for (size_t i = 0; v.prices && i < v.n; i++)
		view_price_of(c, &list[i], &v.prices[i]);
	return call_answer(c, 200, &v1_prices_out, &v, e);
}

/* ---- invoices ------------------------------------------------------------------------------ */

struct period {
	int64_t from_ms, to_ms;
};

MUST int v1_invoice_prepare(struct api_call *c, struct err *e)
{
	const struct invoice_in *in = c->in;
	struct period *p = ARENA_NEW(c->a, struct period);
	struct err why;
	if (!p)
		return arena_check(c->a, e);
	if (clock_parse(in->from, &p->from_ms, &why) < 0)
		return err_field(e, "from", "%s", why.text);
	if (clock_parse(in->to, &p->to_ms, &why) < 0)
		return err_field(e, "to", "%s", why.text);
	if (p->to_ms <= p->from_ms)
		return err_field(e, "to", "does not lie after from");
	if (p->to_ms > c->opened_at_ms)
		return err_field(e, "to", "lies in the future");
	c->prepared = p;
	return 0;
}

static void view_invoice_of(struct api_call *c, const struct invoice_row *r,
			    struct view_invoice *out)
{
	*out = (struct view_invoice){
		.number = r->number,
		.customer = r->customer,
		.from = view_at(c->a, r->from_ms),
		.to = view_at(c->a, r->to_ms),
		.prices = r->price_list,
		.currency = r->currency,
		.gross = r->gross,
		.issued_at = view_at(c->a, r->issued_at_ms),
		.due_at = view_at(c->a, r->due_at_ms),
		.invoice = r->body_json.n > 2 ? view_json(c->a, r->body_json) : NULL,
	};
}

MUST static int answer_invoice(struct api_call *c, int status, const struct invoice_row *r,
			       struct err *e)
{
	struct view_invoice v;
	view_invoice_of(c, r, &v);
	return call_answer(c, status, &v1_invoice_out, &v, e);
}

/* The price list of that name, read. */
MUST static int load_prices(struct api_call *c, struct str name, struct price_list *out,
			    struct err *e)
{
	struct price_row row;
	struct price_in *in = ARENA_NEW(c->a, struct price_in);
	int rc = store_price_find(c->tx, c->a, name, &row, e);
	if (rc == 0)
		return err_field(e, "prices", "there is no price list %" STR_F, STR_A(name));
	if (rc < 0 || arena_check(c->a, e) < 0)
		return -1;
	if (json_read(&v1_price_in, row.body_json, c->a, in, e) < 0)
		return -1;
	return prices_read(in, row.name, c->a, out, e);
}

MUST static int refuse_overlap(struct api_call *c, const struct customer *owner,
			       const struct invoice_in *in, const struct period *p,
			       struct err *e)
{
	struct invoice_row other;
	int rc = store_invoice_overlaps(c->tx, c->a, owner->id, p->from_ms, p->to_ms,
					in->prices, &other, e);
	if (rc <= 0)
		return rc;
	return err_fail(e, ERR_CONFLICT,
			"invoice %" STR_F " bills a part of this period already",
			STR_A(other.number));
}

MUST int v1_invoice_post(struct api_call *c, struct err *e)
{
	const struct invoice_in *in = c->in;
	const struct period *p = c->prepared;
	struct customer owner;
	struct price_list prices;
	struct invoice_row row;
	struct invoice inv;
	int rc = access_customer_find(c, in->customer, &owner, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_field(e, "customer", "there is no customer %" STR_F,
					  STR_A(in->customer));
	rc = store_invoice_of(c->tx, c->a, owner.id, p->from_ms, p->to_ms, in->prices, &row, e);
	if (rc != 0)
		return rc < 0 ? -1 : answer_invoice(c, 200, &row, e);
	if (refuse_overlap(c, &owner, in, p, e) < 0 ||
	    load_prices(c, in->prices, &prices, e) < 0 ||
	    bill_make(c, &owner, &prices, p->from_ms, p->to_ms, &inv, e) < 0 ||
	    bill_store(c, &owner, in->prices, &inv, &row, e) < 0 ||
	    bill_promise(c, owner.name, &inv, e) < 0)
		return -1;
	call_event_str(c, EVENT_INVOICE_ISSUED, row.number, "customer", owner.name);
	return answer_invoice(c, 201, &row, e);
}

MUST int v1_invoices(struct api_call *c, struct err *e)
{
	const struct invoices_query *q = c->query;
	struct invoice_row *list = NULL;
	struct view_invoices v = {.n = 0};
	struct customer owner = {.id = 0};
	struct str name = q->customer;
	int rc = 1;
	if (!name.n && !access_is_all(c) && access_customer_name(c, S(""), &name, e) < 0)
		return -1;
	if (name.n)
		rc = access_customer_find(c, name, &owner, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && store_invoice_list(c->tx, c->a, owner.id, q->limit, &list, &v.n, e) < 0)
		return -1;
	v.invoices = ARENA_ARRAY(c->a, struct view_invoice, v.n);
	for (size_t i = 0; v.invoices && i < v.n; i++)
		view_invoice_of(c, &list[i], &v.invoices[i]);
	return call_answer(c, 200, &v1_invoices_out, &v, e);
}

MUST int v1_invoice_get(struct api_call *c, struct err *e)
{
	const struct invoice_query *q = c->query;
	struct invoice_row row;
	int rc = store_invoice_find(c->tx, c->a, c->params[0], &row, e);
	if (rc == 0 || (rc > 0 && !access_owns(c, row.customer_id)))
		return err_fail(e, ERR_NOT_FOUND, "no invoice %" STR_F,
				STR_A(str_sub(c->params[0], 0, 60)));
	if (rc < 0)
		return -1;
	if (q->format == FORMAT_TEXT)
		return call_answer_text(c, 200, "text/plain; charset=utf-8", row.page, e);
	return answer_invoice(c, 200, &row, e);
}
