/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The verb usage: what instances used, in the units in which it is sold. */
#include "cli/usage.h"

#include "cli/verbs.h"

MUST int usage_totals(struct cli_call *c, const char *customer, const char *instance,
		      const char *from, const char *to, struct json **out, struct err *e)
{
	struct str path = client_query(c, S("/v1/usage/totals"), "customer", customer);
	path = client_query(c, path, "instance", instance);
	path = client_query(c, path, "from", from);
	return client_get(c, client_query(c, path, "to", to), out, e);
}

int verb_usage(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"INSTANCE", "METRIC", "QUANTITY", "UNIT", NULL};
	static const char *const cells[] = {"title", "metric", "billed", "unit"};
	struct json *doc;
	struct table t;
	if (usage_totals(c, cli_value(c, "customer"), cli_value(c, "instance"),
			 cli_value(c, "from"), cli_value(c, "to"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("totals"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++)
		for (size_t k = 0; k < ARRAY_LEN(cells); k++)
			table_cell(&t, client_text(json_at(list, i), cells[k]));
	table_end(&t, "no usage");
	return 0;
}
