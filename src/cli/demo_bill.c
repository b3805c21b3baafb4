/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Step 7: what was used, what it costs, and the invoice: twice asked for, once made. */
#include "base/clock.h"
#include "base/dec.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/usage.h"
#include "trade/metric.h"

enum { USAGE_MS = 30000, DATA_MAX = 1 << 20 };

/* PUT of a file of demo data. */
static int put_data(struct demo *d, const char *file, const char *path, struct err *e)
{
	struct json *doc, *answer;
	struct str text, from = arena_fmt(d->call->arena, "%s/%s", d->data, file);
	int rc = file_read(from.p, DATA_MAX, d->call->arena, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_NOT_FOUND, "%s does not exist", from.p);
	if (json_parse(text, d->call->arena, &doc, e) < 0 ||
	    client_send(d->call, "PUT", str_from(path), doc, &answer, e) < 0)
		return err_in(e, "%s", from.p);
	return 0;
}

static int set_prices(struct demo *d, struct err *e)
{
	demo_check_begin(&d->ui, "price list");
	if (put_data(d, "prices.json", "/v1/prices/default", e) < 0 ||
	    put_data(d, "customer.json", "/v1/customers/" DEMO_CUSTOMER, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "default, in EUR: demo prices, so high that a minute shows");
	return 0;
}

/* ---- the period ---------------------------------------------------------------------------- */

/*
 * From the first order on, or from the end of the last invoice: no time is billed twice. The
 * database is the order that was made first and is never destroyed.
 */
static int begin_of_period(struct demo *d, struct str *out, struct err *e)
{
	struct json *doc;
	*out = client_text(d->orders[DEMO_DATABASE].instance, "created_at");
	if (client_get(d->call, S("/v1/invoices?customer=" DEMO_CUSTOMER), &doc, e) < 0)
		return -1;
	const struct json *list = json_get(doc, S("invoices"));
	for (size_t i = 0; i < json_count(list); i++) {
		struct str to = client_text(json_at(list, i), "to");
		if (str_cmp(to, *out) > 0)
			*out = to;
	}
	return 0;
}

/* ---- usage --------------------------------------------------------------------------------- */

/* The total of an order and metric, or NULL. */
static const struct json *used_by(const struct json *totals, const struct demo_order *o,
				  enum metric m)
{
	const struct json *list = json_get(totals, S("totals"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *row = json_at(list, i);
		if (str_eq(client_text(row, "instance"), client_text(o->instance, "guid")) &&
		    str_is(client_text(row, "metric"), metric_info(m)->name))
			return row;
	}
	return NULL;
}

static bool is_complete(const struct demo *d, const struct json *totals)
{
	for (size_t i = 0; i < DEMO_ORDERS; i++)
		for (int m = 0; m < METRICS; m++)
			if (!used_by(totals, &d->orders[i], (enum metric)m))
				return false;
	return true;
}

static int is_usage(void *user UNUSED, const struct json *event, struct err *e UNUSED)
{
	return str_is(client_text(event, "kind"), "usage.reported");
}

/* The node meters every two seconds: at most one more report has to be waited for. */
static int await_usage(struct demo *d, struct str from, struct json **totals, struct err *e)
{
	const char *since_text = arena_cstr(d->call->arena, from);
	int64_t since, until_ms = clock_mono_ms(clock_system()) + USAGE_MS;
	if (demo_sequence(d, &since, e) < 0)
		return -1;
	while (clock_mono_ms(clock_system()) < until_ms) {
		if (usage_totals(d->call, DEMO_CUSTOMER, NULL, since_text, NULL, totals, e) < 0)
			return -1;
		if (is_complete(d, *totals))
			return 0;
		demo_check_live(&d->ui, "waits for the next reading");
		if (demo_events(d, &since, USAGE_MS, is_usage, NULL, e) < 0)
			return err_in(e, "no usage arrives");
	}
	return err_fail(e, ERR_TIMEOUT, "not every metric was reported within %d s",
			USAGE_MS / 1000);
}

static const struct {
	enum metric metric;
	const char *unit, *head;
	uint8_t digits;
} columns[] = {
	{METRIC_INSTANCE_SECONDS, "instance-hour", "hours", 4},
	{METRIC_CPU_SECONDS, "CPU-second", "CPU-s", 3},
	{METRIC_MEMORY_BYTE_SECONDS, "GiB-hour", "mem GiB-h", 6},
	{METRIC_DISK_BYTE_SECONDS, "GiB-hour", "disk GiB-h", 6},
	{METRIC_NETWORK_BYTES_IN, "byte", "bytes in", 0},
	{METRIC_NETWORK_BYTES_OUT, "byte", "bytes out", 0},
};

/* Base units of a total in the unit of column k. */
static struct str shown(struct arena *a, const struct json *total, size_t k)
{
	char text[DEC_TEXT_SIZE];
	struct dec quantity;
	struct err ignored = ERR_INIT;
	const struct metric_unit *unit =
		metric_unit(columns[k].metric, str_from(columns[k].unit));
	if (dec_parse(client_text(total, "quantity"), &quantity, &ignored) < 0 || !unit ||
	    metric_shown(quantity, unit, columns[k].digits, &quantity, &ignored) < 0)
		return S("?");
	dec_text(quantity, text);
	return arena_dup(a, str_from(text));
}

static void show_usage(struct demo *d, const struct json *totals)
{
	struct arena *a = d->ui.arena;
	struct json *all = json_object_new(a);
	struct buf b CLEAN(buf_fini) = BUF_INIT(1000);
	buf_addf(&b, "%-9s", "");
	for (size_t k = 0; k < ARRAY_LEN(columns); k++)
		buf_addf(&b, " %10s", columns[k].head);
	demo_line(&d->ui, "%" STR_F, STR_A(buf_str(&b)));
	for (size_t i = 0; i < DEMO_ORDERS; i++) {
		const struct demo_order *o = &d->orders[i];
		struct json *row = json_object_new(a);
		buf_clear(&b);
		buf_addf(&b, "%-9s", o->title);
		for (size_t k = 0; k < ARRAY_LEN(columns); k++) {
			struct str text = shown(a, used_by(totals, o, columns[k].metric), k);
			buf_addf(&b, " %10" STR_F, STR_A(text));
			json_set_str(
				a, row, str_from(metric_info(columns[k].metric)->name),
				arena_fmt(a, "%" STR_F " %s", STR_A(text), columns[k].unit));
		}
		json_set(a, all, str_from(o->title), row);
		demo_line(&d->ui, "%" STR_F, STR_A(buf_str(&b)));
	}
	demo_fact(&d->ui, "usage", all);
}

static int meter(struct demo *d, struct str from, struct err *e)
{
	struct json *totals;
	demo_check_begin(&d->ui, "usage");
	if (await_usage(d, from, &totals, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "since %" STR_F, STR_A(from));
	show_usage(d, totals);
	return 0;
}

/* ---- the invoice --------------------------------------------------------------------------- */

static int ask_invoice(struct demo *d, struct str from, struct str to, struct json **out,
		       struct err *e)
{
	struct arena *a = d->call->arena;
	struct json *body = json_object_new(a);
	json_set_str(a, body, S("customer"), S(DEMO_CUSTOMER));
	json_set_str(a, body, S("from"), from);
	json_set_str(a, body, S("to"), to);
	return client_send(d->call, "POST", S("/v1/invoices"), body, out, e);
}

/* Lines add up to the net, net and VAT to the total, to the cent. */
static int check_sums(const struct json *invoice, struct err *e)
{
	struct dec net, vat, gross, sum = {0, 0}, amount;
	const struct json *lines = json_get(invoice, S("lines"));
	if (dec_parse(client_text(invoice, "net"), &net, e) < 0 ||
	    dec_parse(client_text(invoice, "vat"), &vat, e) < 0 ||
	    dec_parse(client_text(invoice, "gross"), &gross, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(lines); i++)
		if (dec_parse(client_text(json_at(lines, i), "amount"), &amount, e) < 0 ||
		    dec_add(sum, amount, &sum, e) < 0)
			return -1;
	if (dec_cmp(sum, net) != 0)
		return err_fail(e, ERR_BROKEN, "the lines do not add up to the net amount");
	if (dec_add(net, vat, &sum, e) < 0)
		return -1;
	if (dec_cmp(sum, gross) != 0)
		return err_fail(e, ERR_BROKEN, "net and VAT do not add up to the total");
	return 0;
}

static void show_page(struct demo *d, struct str page)
{
	struct str line;
	(void)fputc('\n', d->ui.out);
	page = str_trim(page);
	while (str_split(&page, '\n', &line))
		(void)fprintf(d->ui.out, "%" STR_F "\n", STR_A(line));
	(void)fputc('\n', d->ui.out);
}

static int bill(struct demo *d, struct str from, struct err *e)
{
	char to[CLOCK_TEXT_SIZE];
	struct json *first, *second;
	struct str page;
	demo_check_begin(&d->ui, "invoice");
	clock_text(clock_now_ms(clock_system()), to);
	if (ask_invoice(d, from, str_from(to), &first, e) < 0 ||
	    ask_invoice(d, from, str_from(to), &second, e) < 0)
		return -1;
	struct str number = client_text(first, "number");
	if (!str_eq(number, client_text(second, "number")))
		return err_fail(e, ERR_BROKEN, "the same period gave %" STR_F " and %" STR_F,
				STR_A(number), STR_A(client_text(second, "number")));
	const struct json *invoice = json_get(first, S("invoice"));
	struct str path = client_path(d->call, "/v1/invoices/",
				      arena_cstr(d->call->arena, number), "?format=text");
	if (check_sums(invoice, e) < 0 || client_get_text(d->call, path, &page, e) < 0)
		return -1;
	demo_check_ok(&d->ui,
		      "%" STR_F ": %" STR_F " + VAT %" STR_F " = %" STR_F " %" STR_F
		      "; asked for twice: the same number",
		      STR_A(number), STR_A(client_text(invoice, "net")),
		      STR_A(client_text(invoice, "vat")), STR_A(client_text(invoice, "gross")),
		      STR_A(client_text(invoice, "currency")));
	show_page(d, page);
	demo_fact(&d->ui, "invoice", first);
	demo_fact_str(&d->ui, "page", page);
	return 0;
}

int demo_bill(struct demo *d, struct err *e)
{
	struct str from;
	if (set_prices(d, e) < 0 || begin_of_period(d, &from, e) < 0 || meter(d, from, e) < 0)
		return -1;
	return bill(d, from, e);
}
