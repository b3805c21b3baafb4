/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Usage is read in pages and added up per instance and metric, so memory follows the number of
 * instances and not of events.
 */
#include "api/bill.h"

#include "api/promises.h"
#include "api/rows.h"
#include "base/date.h"
#include "store/customer.h"
#include "store/instance.h"
#include "store/usage.h"
#include "trade/payment.h"
#include "trade/rate.h"

/* What a period of a customer adds up to. */
struct sums {
	struct billed *instances;
	size_t n;
	struct rate_instance *rated;
	struct dec *totals; /* n × METRICS */
	bool *has;
	struct late *late; /* instances with usage of periods that were billed before */
	size_t late_n, late_cap;
};

/* What came late of one instance. */
struct late {
	int64_t id;
	struct rate_instance rated;
	struct dec totals[METRICS];
	bool has[METRICS];
};

MUST static int load_instances(struct api_call *c, const struct customer *owner,
			       int64_t from_ms, int64_t to_ms, struct sums *s, struct err *e)
{
	if (store_instance_billed(c->tx, c->a, owner->id, from_ms, to_ms, 0,
				  BILL_INSTANCES_MAX + 1, &s->instances, &s->n, e) < 0)
		return -1;
	if (s->n > BILL_INSTANCES_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d instances in one invoice",
				BILL_INSTANCES_MAX);
	s->rated = ARENA_ARRAY(c->a, struct rate_instance, s->n);
	s->totals = ARENA_ARRAY(c->a, struct dec, s->n * METRICS);
	s->has = ARENA_ARRAY(c->a, bool, s->n *METRICS);
	return arena_check(c->a, e);
}

MUST static int load_spans(struct api_call *c, int64_t from_ms, int64_t to_ms, struct sums *s,
			   struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		struct span *spans = NULL;
		size_t n = 0;
		if (store_span_list(c->tx, c->a, s->instances[i].id, from_ms, to_ms, &spans, &n,
				    e) < 0)
			return -1;
		struct rate_span *out = ARENA_ARRAY(c->a, struct rate_span, n);
		if (!out)
			return arena_check(c->a, e);
		for (size_t k = 0; k < n; k++)
			out[k] = (struct rate_span){spans[k].from_ms,
						    spans[k].to_ms ? spans[k].to_ms : to_ms,
						    spans[k].is_started};
		s->rated[i] = (struct rate_instance){
			.guid = s->instances[i].guid,
			.title = s->instances[i].title,
			.release = s->instances[i].release_name,
			.spans = out,
			.span_count = n,
		};
	}
	return 0;
}

/* Place of an instance in the list, which is in the order of ids; n if it is not in it. */
static size_t place_of(const struct sums *s, int64_t id)
{
	size_t low = 0, high = s->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->instances[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->instances[low].id == id ? low : s->n;
}

/* An instance that has something late: a line of its own on the invoice. */
MUST static int add_late_instance(struct api_call *c, struct sums *s, int64_t id, struct err *e)
{
	struct instance i;
	if (s->late_n == BILL_INSTANCES_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d instances with late usage",
				BILL_INSTANCES_MAX);
	int rc = store_instance_by_id(c->tx, c->a, id, &i, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_fail(e, ERR_INTERNAL, "usage without instance");
	s->late = rows_room(c->a, s->late, s->late_n, &s->late_cap, sizeof *s->late);
	if (!s->late)
		return arena_check(c->a, e);
	s->late[s->late_n++] = (struct late){
		.id = id,
		.rated = {.guid = arena_fmt(c->a, "%" STR_F " late", STR_A(i.guid)),
			  .title = arena_fmt(c->a, "%" STR_F " (late)", STR_A(i.title)),
			  .release = i.release_name.n ? i.release_name : i.release,
			  .is_late = true},
	};
	return 0;
}

MUST static int add_late(struct api_call *c, struct sums *s, const struct usage_row *u,
			 struct err *e)
{
	enum metric m;
	struct dec quantity;
	size_t at = 0;
	while (at < s->late_n && s->late[at].id != u->instance_id)
		at++;
	if (at == s->late_n && add_late_instance(c, s, u->instance_id, e) < 0)
		return -1;
	if (metric_parse(u->metric, &m, e) < 0 || dec_parse(u->quantity, &quantity, e) < 0)
		return -1;
	s->late[at].has[m] = true;
	return dec_add(s->late[at].totals[m], quantity, &s->late[at].totals[m], e);
}

MUST static int load_late(struct api_call *c, const struct customer *owner, struct str prices,
			  int64_t from_ms, int64_t to_ms, struct sums *s, struct err *e)
{
	struct arena *page CLEAN(arena_freep) = NULL;
	int64_t after = 0;
	if (arena_new(API_ARENA_BYTES, &page, e) < 0)
		return -1;
	for (size_t n = BILL_USAGE_PAGE; n == BILL_USAGE_PAGE;) {
		struct usage_row *rows = NULL;
		arena_clear(page);
		if (store_usage_late(c->tx, page, owner->id, prices, from_ms, to_ms, after,
				     BILL_USAGE_PAGE, &rows, &n, e) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (add_late(c, s, &rows[i], e) < 0)
				return -1;
		after = n ? rows[n - 1].id : after;
	}
	return 0;
}

MUST static int add_usage(struct api_call *c, struct sums *s, const struct usage_row *u,
			  struct err *e)
{
	enum metric m;
	struct dec quantity;
	size_t at = place_of(s, u->instance_id);
	if (at == s->n) /* of an instance that was gone before the period began */
		return add_late(c, s, u, e);
	if (metric_parse(u->metric, &m, e) < 0 || dec_parse(u->quantity, &quantity, e) < 0)
		return -1;
	s->has[at * METRICS + m] = true;
	struct dec *total = &s->totals[at * METRICS + m];
	return dec_add(*total, quantity, total, e);
}

MUST static int load_usage(struct api_call *c, const struct customer *owner, int64_t from_ms,
			   int64_t to_ms, struct sums *s, struct err *e)
{
	struct arena *page CLEAN(arena_freep) = NULL;
	struct usage_cursor at = {0, 0};
	if (arena_new(API_ARENA_BYTES, &page, e) < 0)
		return -1;
	for (size_t n = BILL_USAGE_PAGE; n == BILL_USAGE_PAGE;) {
		struct usage_row *rows = NULL;
		arena_clear(page);
		if (store_usage_list(c->tx, page, owner->id, 0, from_ms, to_ms, &at,
				     BILL_USAGE_PAGE, &rows, &n, e) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (add_usage(c, s, &rows[i], e) < 0)
				return -1;
	}
	return 0;
}

MUST int bill_totals(struct api_call *c, const struct customer *owner, int64_t from_ms,
		     int64_t to_ms, struct bill_total **out, size_t *count, struct err *e)
{
	struct sums s = {.n = 0};
	size_t n = 0;
	if (load_instances(c, owner, from_ms, to_ms, &s, e) < 0 ||
	    load_usage(c, owner, from_ms, to_ms, &s, e) < 0)
		return -1;
	struct bill_total *list = ARENA_ARRAY(c->a, struct bill_total, s.n * METRICS);
	for (size_t i = 0; list && i < s.n * METRICS; i++)
		if (s.has[i])
			list[n++] = (struct bill_total){
				s.instances[i / METRICS].guid, s.instances[i / METRICS].title,
				s.instances[i / METRICS].release_name,
				(enum metric)(i % METRICS), s.totals[i]};
	*out = list;
	*count = n;
	return arena_check(c->a, e);
}

/* The instances of the period, then what came late. */
MUST static int rate_sums(struct api_call *c, const struct sums *s, struct rate_input *in,
			  struct rate_result *out, struct err *e)
{
	size_t all = s->n + s->late_n;
	struct rate_instance *instances = ARENA_ARRAY(c->a, struct rate_instance, all);
	struct rate_usage *usages = ARENA_ARRAY(c->a, struct rate_usage, all * METRICS);
	if (!instances || !usages)
		return arena_check(c->a, e);
	in->instances = instances;
	in->instance_count = all;
	in->usages = usages;
	for (size_t i = 0; i < all; i++) {
		const struct late *late = i < s->n ? NULL : &s->late[i - s->n];
		const bool *has = late ? late->has : &s->has[i * METRICS];
		const struct dec *totals = late ? late->totals : &s->totals[i * METRICS];
		instances[i] = late ? late->rated : s->rated[i];
		for (unsigned m = 0; m < METRICS; m++)
			if (has[m])
				usages[in->usage_count++] = (struct rate_usage){
					instances[i].guid, (enum metric)m, totals[m]};
	}
	return rate(in, c->a, out, e);
}

/* Who sells, and who buys. */
static void parties(const struct api_call *c, const struct customer *owner,
		    struct invoice_order *out)
{
	const struct api_seller *s = &c->api->options.seller;
	out->seller =
		(struct invoice_party){.name = str_from(s->name ? s->name : "Hyper Open Cloud"),
				       .vat_number = str_from(s->vat_number)};
	(void)snprintf(out->seller.country, sizeof out->seller.country, "%s",
		       s->country ? s->country : "FR");
	out->customer =
		(struct invoice_party){.name = owner->name, .vat_number = owner->vat_number};
	(void)snprintf(
		out->customer.country, sizeof out->customer.country, "%" STR_F,
		STR_A(owner->country.n ? owner->country : str_from(out->seller.country)));
	struct str rest = s->address ? str_from(s->address) : S(""), line;
	while (rest.n && out->seller.address_count < INVOICE_ADDRESS_MAX &&
	       str_split(&rest, '\n', &line))
		out->seller.address[out->seller.address_count++] = line;
	rest = owner->address;
	while (rest.n && out->customer.address_count < INVOICE_ADDRESS_MAX &&
	       str_split(&rest, '\n', &line))
		out->customer.address[out->customer.address_count++] = line;
}

MUST int bill_make(struct api_call *c, const struct customer *owner,
		   const struct price_list *prices, int64_t from_ms, int64_t to_ms,
		   struct invoice *out, struct err *e)
{
	struct sums s = {.n = 0};
	struct rate_result rated;
	struct rate_input in = {.list = prices, .from_ms = from_ms, .to_ms = to_ms};
	struct invoice_order order = {.from_ms = from_ms, .to_ms = to_ms};
	if (load_instances(c, owner, from_ms, to_ms, &s, e) < 0 ||
	    load_spans(c, from_ms, to_ms, &s, e) < 0 ||
	    load_usage(c, owner, from_ms, to_ms, &s, e) < 0 ||
	    load_late(c, owner, prices->name, from_ms, to_ms, &s, e) < 0 ||
	    rate_sums(c, &s, &in, &rated, e) < 0)
		return -1;
	parties(c, owner, &order);
	memcpy(order.currency, prices->currency, sizeof order.currency);
	if (invoice_lines(&rated, prices, &order.customer, to_ms, c->a, &order.lines,
			  &order.note, e) < 0)
		return -1;
	order.line_count = rated.line_count;
	return invoice_make(&order, out, e);
}

static struct json *dec_json(struct arena *a, struct dec d)
{
	char text[DEC_TEXT_SIZE];
	dec_text(d, text);
	return json_str_new(a, str_from(text));
}

static struct json *party_json(struct arena *a, const struct invoice_party *p)
{
	struct json *out = json_object_new(a), *lines = json_array_new(a);
	json_set_str(a, out, S("name"), p->name);
	for (size_t i = 0; i < p->address_count; i++)
		json_add_str(a, lines, p->address[i]);
	json_set(a, out, S("address"), lines);
	json_set_str(a, out, S("country"), str_from(p->country));
	json_set_str(a, out, S("vat_number"), p->vat_number.p ? p->vat_number : S(""));
	return out;
}

static struct json *lines_json(struct arena *a, const struct invoice *inv)
{
	struct json *out = json_array_new(a);
	for (size_t i = 0; i < inv->line_count; i++) {
		const struct invoice_line *l = &inv->lines[i];
		struct json *line = json_object_new(a);
		json_set_str(a, line, S("text"), l->text);
		json_set(a, line, S("quantity"), dec_json(a, l->quantity));
		json_set_str(a, line, S("unit"), l->unit.p ? l->unit : S(""));
		json_set(a, line, S("unit_price"), dec_json(a, l->unit_price));
		json_set(a, line, S("amount"), dec_json(a, l->amount));
		json_set(a, line, S("vat_rate"), dec_json(a, l->vat_rate));
		json_add(a, out, line);
	}
	return out;
}

static struct str invoice_json(struct arena *a, const struct invoice *inv)
{
	struct json *out = json_object_new(a), *vats = json_array_new(a);
	for (size_t i = 0; i < inv->vat_count; i++) {
		struct json *v = json_object_new(a);
		json_set(a, v, S("rate"), dec_json(a, inv->vats[i].rate));
		json_set(a, v, S("net"), dec_json(a, inv->vats[i].net));
		json_set(a, v, S("vat"), dec_json(a, inv->vats[i].vat));
		json_add(a, vats, v);
	}
	json_set(a, out, S("seller"), party_json(a, &inv->seller));
	json_set(a, out, S("customer"), party_json(a, &inv->customer));
	json_set(a, out, S("lines"), lines_json(a, inv));
	json_set(a, out, S("vats"), vats);
	json_set(a, out, S("net"), dec_json(a, inv->net));
	json_set(a, out, S("vat"), dec_json(a, inv->vat));
	json_set(a, out, S("gross"), dec_json(a, inv->gross));
	json_set_str(a, out, S("currency"), str_from(inv->currency));
	json_set_str(a, out, S("note"), inv->note.p ? inv->note : S(""));
	return json_text(out, a);
}

/* Takes the next number of the series and makes the draft final. */
MUST static int number(struct api_call *c, struct invoice *inv, struct err *e)
{
	struct str series = S(BILL_SERIES);
	struct invoice_number last = {.n = 0}, next;
	int64_t year = 0;
	if (store_invoice_last(c->tx, series, &year, &last.n, e) < 0)
		return -1;
	(void)snprintf(last.series, sizeof last.series, "%s", BILL_SERIES);
	last.year = (int)year;
	if (invoice_number_next(series, date_at(c->now_ms).year, &last, &next, e) < 0)
		return -1;
	if (store_invoice_count(c->tx, series, next.year, next.n, e) < 0)
		return -1;
	return invoice_finish(inv, &next, c->now_ms,
			      c->now_ms + BILL_DUE_DAYS * INT64_C(86400000), e);
}

MUST int bill_store(struct api_call *c, const struct customer *owner, struct str prices,
		    struct invoice *inv, struct invoice_row *row, struct err *e)
{
	char text[INVOICE_NUMBER_SIZE], gross[DEC_TEXT_SIZE];
	struct buf page CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	if (number(c, inv, e) < 0)
		return -1;
	invoice_number_text(&inv->number, text);
	dec_text(inv->gross, gross);
	invoice_text(inv, &page);
	if (buf_check(&page, e) < 0)
		return -1;
	*row = (struct invoice_row){
		.number = arena_dup(c->a, str_from(text)),
		.customer_id = owner->id,
		.customer = owner->name,
		.from_ms = inv->from_ms,
		.to_ms = inv->to_ms,
		.price_list = prices,
		.currency = arena_dup(c->a, str_from(inv->currency)),
		.gross = arena_dup(c->a, str_from(gross)),
		.body_json = invoice_json(c->a, inv),
		.page = arena_dup(c->a, buf_str(&page)),
		.issued_at_ms = inv->issued_at_ms,
		.due_at_ms = inv->due_at_ms,
	};
	return arena_check(c->a, e) < 0 ? -1 : store_invoice_add(c->tx, row, e);
}

MUST int bill_promise(struct api_call *c, struct str customer, const struct invoice *inv,
		      struct err *e)
{
	struct payment_promise pay;
	struct payment_paid nothing = {.at_ms = 0};
	enum promise_state before;
	if (invoice_promise(inv, nothing, c->now_ms, &pay, e) < 0)
		return -1;
	struct promise_case k = {
		.promiser = customer,
		.promisee = S(PROMISE_MASTER),
		.name = arena_dup(c->a, str_from(pay.name)),
		.kind = PROMISE_PAYMENT,
		.facts = {.now_ms = c->now_ms,
			  .found = pay.state == PAYMENT_KEPT	 ? PROMISE_KEPT
				   : pay.state == PAYMENT_BROKEN ? PROMISE_BROKEN
								 : PROMISE_UNKNOWN,
			  .message = arena_dup(c->a, str_from(pay.message))},
		.wake_at_ms = pay.state == PAYMENT_UNKNOWN ? inv->due_at_ms + 1 : 0,
	};
	return promises_judge(c, &k, &before, e) < 0 ? -1 : 0;
}

MUST int bill_assess(struct api_call *c, struct str number_text, struct err *e)
{
	struct invoice_row row;
	int rc = store_invoice_find(c->tx, c->a, number_text, &row, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_CORRUPT,
					 "a promise of payment without invoice");
	/* Of an invoice only what its promise asks for: number, sum, dates. */
	struct invoice inv = {
		.state = INVOICE_FINAL,
		.issued_at_ms = row.issued_at_ms,
		.due_at_ms = row.due_at_ms,
	};
	(void)snprintf(inv.currency, sizeof inv.currency, "%" STR_F, STR_A(row.currency));
	if (invoice_number_parse(row.number, &inv.number, e) < 0 ||
	    dec_parse(row.gross, &inv.gross, e) < 0)
		return -1;
	return bill_promise(c, row.customer, &inv, e);
}
