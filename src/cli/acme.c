/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/acme.h"

#include <stdio.h>

static const char group[] = "Certificates of services";

static const struct cli_option options[] = {
	{.name = "customer", .argument = "NAME", .help = "Whose names.", .is_required = true},
	{.name = NULL}};

static void print(struct cli_call *c, const struct json *doc, const char *const *keys)
{
	if (c->is_json) {
		client_print_json(c, doc);
		return;
	}
	for (; *keys; keys++)
		(void)fprintf(c->out, "%-10s %" STR_F "\n", *keys,
			      STR_A(client_text(doc, *keys)));
}

static int make(struct cli_call *c, struct err *e)
{
	static const char *const keys[] = {"kid", "hmac_key", "directory", NULL};
	struct json *doc;
	struct str path = client_path(c, "/v1/customers/", cli_value(c, "customer"), "/eab");
	if (client_send(c, "POST", path, NULL, &doc, e) < 0)
		return -1;
	print(c, doc, keys);
	return 0;
}

MUST static int set_key(struct cli_call *c, const char *method, struct err *e)
{
	static const char *const keys[] = {"thumbprint", "customer", NULL};
	struct json *doc;
	struct str head =
		client_path(c, "/v1/customers/", cli_value(c, "customer"), "/acme-keys/");
	struct str path = client_path(c, arena_cstr(c->arena, head), c->arguments[0], "");
	if (client_send(c, method, path, NULL, &doc, e) < 0)
		return -1;
	print(c, doc, keys);
	return 0;
}

static int allow(struct cli_call *c, struct err *e)
{
	return set_key(c, "PUT", e);
}

static int forbid(struct cli_call *c, struct err *e)
{
	return set_key(c, "DELETE", e);
}

static const struct cli_cmd verbs[] = {
	{.name = "acme key make",
	 .group = group,
	 .options = options,
	 .fn = make,
	 .help = "Make a key that binds one ACME account to a customer (external account "
		 "binding).",
	 .details =
		 "The key is told this once and stored nowhere. An ACME client is given both: "
		 "kid "
		 "and hmac_key. Its account may order certificates for the customer's names.",
	 .example = "hoc acme key make --customer shop",
	 .exits = "3 there is no such customer, or he is not yours"},
	{.name = "acme key allow",
	 .arguments = "THUMBPRINT",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = options,
	 .fn = allow,
	 .help = "Let an ACME account key make an account without a binding.",
	 .details = "For clients that know no binding, such as acme-tiny and acmetool. The "
		    "thumbprint (RFC 7638) is what the client prints, or what the master's "
		    "refusal names.",
	 .example = "hoc acme key allow --customer shop -- "
		    "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
	 .exits = "4 another customer has allowed that key"},
	{.name = "acme key forbid",
	 .arguments = "THUMBPRINT",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = options,
	 .fn = forbid,
	 .help = "Take that leave back; an account that was made stays.",
	 .example = "hoc acme key forbid --customer shop -- "
		    "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
	 .exits = "3 that key is not allowed"},
};

const struct cli_table cli_acme_commands = {verbs, ARRAY_LEN(verbs)};
