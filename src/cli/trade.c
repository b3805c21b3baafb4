/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commerce: price lists, invoices, customers. */
#include "base/file.h"
#include "cli/client.h"
#include "cli/verbs.h"

enum { FILE_MAX = 1 << 20 };

static int read_json(struct cli_call *c, const char *path, struct json **out, struct err *e)
{
	struct str text;
	int rc = file_read(path, FILE_MAX, c->arena, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_NOT_FOUND, "%s does not exist", path);
	return json_parse(text, c->arena, out, e) < 0 ? err_in(e, "%s", path) : 0;
}

int verb_price_set(struct cli_call *c, struct err *e)
{
	struct json *list, *doc;
	if (read_json(c, c->arguments[1], &list, e) < 0 ||
	    client_send(c, "PUT", client_path(c, "/v1/prices/", c->arguments[0], ""), list,
			&doc, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, doc);
	else
		(void)fprintf(c->out, "price list %s is set\n", c->arguments[0]);
	return 0;
}

static struct str price_text(struct cli_call *c, const struct json *component,
			     struct str currency)
{
	struct str price = client_text(component, "price");
	const struct json *tiers = json_get(component, S("tiers"));
	/* A usage has tiers, a subscription has not. */
	if (json_count(tiers))
		price = client_text(json_at(tiers, 0), "unit_price");
	if (json_count(tiers) > 1)
		return arena_fmt(c->arena, "%" STR_F " %" STR_F ", %zu tiers", STR_A(price),
				 STR_A(currency), json_count(tiers));
	return arena_fmt(c->arena, "%" STR_F " %" STR_F, STR_A(price), STR_A(currency));
}

int verb_price_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"LIST", "RELEASE", "WHAT", "PER", "PRICE", NULL};
	struct json *doc;
	struct table t;
	if (client_get(c, S("/v1/prices"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *lists = json_get(doc, S("prices"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(lists); i++) {
		const struct json *row = json_at(lists, i), *list = json_get(row, S("prices"));
		const struct json *components = json_get(list, S("components"));
		for (size_t k = 0; k < json_count(components); k++) {
			const struct json *x = json_at(components, k);
			struct str metric = client_text(x, "metric"),
				   period = client_text(x, "period");
			table_cell(&t, client_text(row, "name"));
			struct str release = client_text(x, "release");
			table_cell(&t, release.n ? release : S("*"));
			table_cell(&t, metric.n ? metric : client_text(x, "kind"));
			table_cell(&t, metric.n ? client_text(x, "unit") : period);
			table_cell(&t, price_text(c, x, client_text(list, "currency")));
		}
	}
	table_end(&t, "no price list: hoc price set NAME FILE");
	return 0;
}

/* The page of an invoice as text, or the document with --json. */
static int show_invoice(struct cli_call *c, const char *number, struct err *e)
{
	struct json *doc;
	struct str text, path = client_path(c, "/v1/invoices/", number, "");
	if (c->is_json) {
		if (client_get(c, path, &doc, e) < 0)
			return -1;
		client_print_json(c, doc);
		return 0;
	}
	if (client_get_text(c, client_query(c, path, "format", "text"), &text, e) < 0)
		return -1;
	(void)fprintf(c->out, "%" STR_F, STR_A(text));
	return 0;
}

int verb_invoice_run(struct cli_call *c, struct err *e)
{
	static const char *const names[] = {"from", "to", "prices"};
	struct json *doc, *body = json_object_new(c->arena);
	json_set_str(c->arena, body, S("customer"), str_from(c->arguments[0]));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (cli_value(c, names[i]))
			json_set_str(c->arena, body, str_from(names[i]),
				     str_from(cli_value(c, names[i])));
	if (client_send(c, "POST", S("/v1/invoices"), body, &doc, e) < 0)
		return -1;
	return show_invoice(c, arena_cstr(c->arena, client_text(doc, "number")), e);
}

int verb_invoice_show(struct cli_call *c, struct err *e)
{
	return show_invoice(c, c->arguments[0], e);
}

int verb_invoice_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"NUMBER", "CUSTOMER", "FROM", "TO",
					    "TOTAL",  "DUE",	  NULL};
	struct json *doc;
	struct table t;
	if (client_get(c,
		       client_query(c, S("/v1/invoices"), "customer", cli_value(c, "customer")),
		       &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("invoices"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *v = json_at(list, i);
		table_cell(&t, client_text(v, "number"));
		table_cell(&t, client_text(v, "customer"));
		table_cell(&t, client_text(v, "from"));
		table_cell(&t, client_text(v, "to"));
		table_cell(&t, arena_fmt(c->arena, "%" STR_F " %" STR_F,
					 STR_A(client_text(v, "gross")),
					 STR_A(client_text(v, "currency"))));
		table_cell(&t, str_sub(client_text(v, "due_at"), 0, 10));
	}
	table_end(&t, "no invoices");
	return 0;
}

int verb_customer_set(struct cli_call *c, struct err *e)
{
	static const char *const names[][2] = {
		{"address", "address"}, {"country", "country"}, {"vat-number", "vat_number"}};
	struct json *doc, *body = json_object_new(c->arena);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (cli_value(c, names[i][0]))
			json_set_str(c->arena, body, str_from(names[i][1]),
				     str_from(cli_value(c, names[i][0])));
	if (client_send(c, "PUT", client_path(c, "/v1/customers/", c->arguments[0], ""), body,
			&doc, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, doc);
	else
		(void)fprintf(c->out, "customer %s is known\n", c->arguments[0]);
	return 0;
}
