/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * THE table of operations, in parts: the cloud (here), trust, audit, certificates by ACME,
 * passkeys. Routing, permissions, the mode of the transaction, the checking of input,
 * /openapi.json and the manual all come from it.
 */
#include "api/acme.h"
#include "api/audit.h"
#include "api/handlers.h"
#include "api/passkey.h"
#include "api/people.h"
#include "api/secrets.h"
#include "api/trust.h"
#include "api/views.h"

#define V0(name) \
	{ \
		HTTP_POST, "/slapos." name \
	}

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/v1/status"), "status", "aaaaaaaa", false, NULL, NULL, &v1_status_out, NULL, v1_status, NULL,
		"The master: version, clock, newest event."},
	{GET_("/openapi.json"), "openapi", "aaaaaaaa", false, NULL, NULL, NULL, NULL, v1_openapi, NULL,
		"This API as an OpenAPI 3.1 document."},
	{GET_("/v1/events"), "events", "-----aa-", false, NULL, &v1_events_query, &v1_events_out, NULL, v1_events, NULL,
		"The audit chain; waits for news if asked to."},

	{GET_("/v1/customers"), "customers", "-oo-aaa-", false, NULL, &v1_limit_query, &v1_customers_out, NULL, v1_customers, NULL,
		"Customers: the caller's own, or all."},
	{GET_("/v1/customers/{customer}"), "customer", "-oo-aaa-", false, NULL, NULL, &view_customer_desc, NULL, v1_customer_get, NULL,
		"One customer."},
	{PUT_("/v1/customers/{customer}"), "customer_set", "--o-a-a-", true, &v1_customer_in, NULL, &view_customer_desc, NULL, v1_customer_put, NULL,
		"Sets a customer's address, country and VAT number; makes it if it is not there."},

	{GET_("/v1/releases"), "releases", "aaaaaaaa", false, NULL, &v1_limit_query, &v1_releases_out, NULL, v1_releases, NULL,
		"Published releases, newest first."},
	{POST_("/v1/releases"), "publish", "---a--a-", true, &v1_release_in, NULL, &v1_release_out, v1_release_prepare, v1_release_post, NULL,
		"Publishes a bundle; the same bundle again changes nothing."},
	{GET_("/v1/releases/{release}"), "release", "aaaaaaaa", false, NULL, NULL, &view_release_desc, NULL, v1_release_get, NULL,
		"One release with its manifest, by NAME, NAME@PREFIX, URI or hash."},
	{GET_("/v1/releases/{release}/bundle"), "bundle", "aaaaaaaa", false, NULL, NULL, NULL, NULL, v1_release_bundle, NULL,
		"Its bundle."},

	{GET_("/v1/nodes"), "nodes", "-aaa-aao", false, NULL, &v1_nodes_query, &v1_nodes_out, NULL, v1_nodes, NULL,
		"All nodes, by name; to a node itself."},
	{GET_("/v1/nodes/{node}"), "node", "-aaa-aao", false, NULL, NULL, &view_node_desc, NULL, v1_node_get, NULL,
		"One node."},
	{PUT_("/v1/nodes/{node}"), "node_set", "------ao", true, &v1_node_in, NULL, &view_node_desc, NULL, v1_node_put, NULL,
		"Sets what filters ask of a node; registers it if it is not there."},
	{GET_("/v1/nodes/{node}/changes"), "changes", "------ao", false, NULL, &v1_changes_query, &v1_changes_out, NULL, v1_changes, NULL,
		"What a node has to look at since a sequence; waits for news if asked to. Counts as contact."},
	{POST_("/v1/nodes/{node}/promises"), "node_promises", "------ao", true, &v1_results_in, NULL, &v1_results_out, NULL, v1_node_promises, NULL,
		"What a node found about the health of its instances."},
	{POST_("/v1/nodes/{node}/usage"), "node_usage", "------ao", true, &v1_usage_in, NULL, &v1_usage_accepted, NULL, v1_node_usage, NULL,
		"What a node metered; each (node, id) counts once."},

	{PUT_("/v1/installations"), "supply", "------a-", true, &v1_installation_in, NULL, &view_installation_desc, NULL, v1_installation_put, NULL,
		"Wants a release on a node, or wants it away."},
	{GET_("/v1/installations"), "installations", "---a-aao", false, NULL, &v1_installations_query, &v1_installations_out, NULL, v1_installations, NULL,
		"Which release is on which node, and how far."},

	{POST_("/v1/instances"), "request", "-oo---ao", true, &v1_instance_in, NULL, &view_instance_desc, v1_instance_prepare, v1_instance_post, NULL,
		"Requests an instance: makes it, or changes the one of that title. The same request twice changes nothing."},
	{GET_("/v1/instances"), "instances", "-oo--aao", false, NULL, &v1_instances_query, &v1_instances_out, NULL, v1_instances, NULL,
		"Instances of a customer, on a node, or all; destroyed ones are left out."},
	{GET_("/v1/instances/{instance}"), "instance", "-oo--aao", false, NULL, &v1_instance_query, &view_instance_desc, NULL, v1_instance_get, NULL,
		"One instance by guid, or a root by title; waits for a version other than `since` if asked to."},
	{POST_("/v1/instances/{instance}/bang"), "bang", "-oo---ao", true, &v1_bang_in, &v1_customer_query, &view_instance_desc, NULL, v1_instance_bang, NULL,
		"Makes the nodes process the whole tree again."},
	{POST_("/v1/instances/{instance}/title"), "rename", "-oo---a-", true, &v1_title_in, &v1_customer_query, &view_instance_desc, NULL, v1_instance_title, NULL,
		"Gives an instance another title."},

	{GET_("/v1/promises"), "promises", "-oo--aa-", false, NULL, &v1_promises_query, &v1_promises_out, NULL, v1_promises, NULL,
		"Promises and how they stand."},
	{GET_("/v1/promises/history"), "promise_history", "-oo--aa-", false, NULL, &v1_history_query, &v1_history_out, NULL, v1_promise_history, NULL,
		"The last moves of a promise."},

	{GET_("/v1/usage"), "usage", "-oo-aaa-", false, NULL, &v1_usage_query, &v1_usage_out, NULL, v1_usage, NULL,
		"What a customer's instances used."},
	{GET_("/v1/usage/totals"), "usage_totals", "-oo-aaa-", false, NULL, &v1_usage_query, &v1_totals_out, NULL, v1_totals, NULL,
		"What a customer's instances used within a period, added up by instance and metric."},
	{GET_("/v1/prices"), "prices", "-aa-aaa-", false, NULL, NULL, &v1_prices_out, NULL, v1_prices, NULL,
		"All price lists."},
	{PUT_("/v1/prices/{name}"), "price_set", "----a-a-", true, &v1_price_in, NULL, NULL, v1_price_prepare, v1_price_put, NULL,
		"Sets a price list; invoices that were issued stay as they are."},
	{POST_("/v1/invoices"), "invoice_make", "----a-a-", true, &v1_invoice_in, NULL, &v1_invoice_out, v1_invoice_prepare, v1_invoice_post, NULL,
		"Bills a customer for a period; the same period twice gives the same invoice."},
	{GET_("/v1/invoices"), "invoices", "--o-aaa-", false, NULL, &v1_invoices_query, &v1_invoices_out, NULL, v1_invoices, NULL,
		"Invoices, newest first."},
	{GET_("/v1/invoices/{number}"), "invoice", "--o-aaa-", false, NULL, &v1_invoice_query, &v1_invoice_out, NULL, v1_invoice_get, NULL,
		"One invoice, as JSON or as a page of text."},

	{V0("post.v0.software_instance"), "v0_request", "-oo---a-", true, &v0_instance_in, NULL, &v0_instance_out, v0_post_instance_prepare, v0_post_instance, NULL,
		"Requests a root."},
	{V0("get.v0.software_instance"), "v0_instance", "-oo---ao", false, &v0_guid_in, NULL, &v0_instance_out, NULL, v0_get_instance, NULL,
		"One instance."},
	{V0("get.v0.compute_partition"), "v0_partition", "-oo---ao", false, &v0_partition_in, NULL, &v0_instance_out, NULL, v0_get_partition, NULL,
		"What is on a partition."},
	{V0("get.v0.instance_tree"), "v0_tree", "-oo---a-", false, &v0_title_only_in, NULL, &v0_instance_out, NULL, v0_get_tree, NULL,
		"The root of that title."},
	{V0("allDocs.v0.instance_tree_list"), "v0_trees", "-oo---a-", false, &v0_empty_in, NULL, &v0_tree_list_out, NULL, v0_tree_list, NULL,
		"Titles of roots."},
	{V0("allDocs.v0.compute_node_software_installation_list"), "v0_installations", "------ao", false, &v0_node_in, NULL, &v0_installation_list_out, NULL, v0_installation_list, NULL,
		"Installations of a node. Counts as contact."},
	{V0("allDocs.v0.compute_node_instance_list"), "v0_instances", "------ao", false, &v0_node_in, NULL, &v0_instance_list_out, NULL, v0_instance_list, NULL,
		"Instances on a node. Counts as contact."},
	{V0("allDocs.v0.instance_node_instance_list"), "v0_hosted", "------ao", false, &v0_guid_in, NULL, &v0_hosted_list_out, NULL, v0_hosted_list, NULL,
		"Shared instances of a host."},
	{V0("allDocs.WIP.compute_node_list"), "v0_nodes", "-aaa-aao", false, &v0_empty_in, NULL, &v0_node_list_out, NULL, v0_node_list, NULL,
		"All nodes."},
	{V0("post.v0.software_installation"), "v0_supply", "------a-", true, &v0_installation_in, NULL, &v0_ok_out, NULL, v0_installation, NULL,
		"Wants a release on a node, or wants it away."},
	{V0("put.v0.compute_node_format"), "v0_format", "------ao", true, &v0_format_in, NULL, &v0_ok_out, NULL, v0_format, NULL,
		"The whole set of partitions of a node; registers the node."},
	{V0("put.v0.compute_node_bang"), "v0_node_bang", "------ao", true, &v0_node_message_in, NULL, &v0_ok_out, NULL, v0_node_bang, NULL,
		"All instances on the node are to be processed again."},
	{V0("put.v0.software_installation_reported_state"), "v0_installation_reported", "------ao", true, &v0_installation_reported_in, NULL, &v0_ok_out, NULL, v0_installation_reported, NULL,
		"How far a release is on the node."},
	{V0("put.v0.software_installation_error"), "v0_installation_error", "------ao", true, &v0_installation_error_in, NULL, &v0_ok_out, NULL, v0_installation_error, NULL,
		"A release could not be built."},
	{V0("put.v0.software_instance_reported_state"), "v0_reported", "------ao", true, &v0_reported_in, NULL, &v0_ok_out, NULL, v0_reported, NULL,
		"What an instance is now; destroyed frees its partition."},
	{V0("put.v0.software_instance_error"), "v0_error", "------ao", true, &v0_message_in, NULL, &v0_ok_out, NULL, v0_error, NULL,
		"An instance could not be processed."},
	{V0("put.v0.software_instance_bang"), "v0_bang", "-oo---ao", true, &v0_message_in, NULL, &v0_ok_out, NULL, v0_bang, NULL,
		"The whole tree is to be processed again."},
	{V0("put.v0.software_instance_title"), "v0_rename", "-oo---a-", true, &v0_rename_in, NULL, &v0_ok_out, NULL, v0_title, NULL,
		"Gives an instance another title."},
	{V0("put.v0.software_instance_connection_parameter"), "v0_publish", "------ao", true, &v0_connection_in, NULL, &v0_ok_out, NULL, v0_connection, NULL,
		"Replaces the connection parameters of an instance."},
	{V0("get.v0.compute_node_status"), "v0_node_status", "-aaa-aao", false, &v0_node_in, NULL, &v0_node_status_out, NULL, v0_node_status, NULL,
		"Is the node in contact?"},

	/* What this master does not do; it says so (403, not here). */
	{V0("get.v0.hateoas_url"), "v0_hateoas_url", "aaaaaaaa", false, &v0_empty_in, NULL, NULL, NULL, v0_not_here, NULL,
		"Not here: there are no HATEOAS documents."},
	{V0("get.v0.software_instance_certificate"), "v0_instance_certificate", "------ao", false, &v0_guid_in, NULL, NULL, NULL, v0_not_here, NULL,
		"Not here: keys are made where they are used."},
	{V0("post.v0.compute_node_certificate"), "v0_node_certificate", "------a-", false, &v0_node_in, NULL, NULL, NULL, v0_not_here, NULL,
		"Not here: keys are made where they are used."},
	{V0("remove.v0.compute_node_certificate"), "v0_node_certificate_remove", "------a-", false, &v0_node_in, NULL, NULL, NULL, v0_not_here, NULL,
		"Not here: keys are made where they are used."},
	{V0("post.v0.compute_node_usage"), "v0_usage", "------ao", false, &v0_usage_in, NULL, NULL, NULL, v0_not_here, NULL,
		"Not here: usage comes by POST /v1/nodes/{node}/usage."},
};
/* clang-format on */

const struct op_table op_cloud = {rows, ARRAY_LEN(rows)};

static const struct op_table *const tables[] = {&op_cloud, &op_people, &op_audit,   &op_secrets,
						&op_acme,  &op_trust,  &op_passkeys};

const struct op *op_at(size_t i)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		if (i < tables[t]->count)
			return &tables[t]->rows[i];
		i -= tables[t]->count;
	}
	return NULL;
}

size_t op_count(void)
{
	size_t n = 0;
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		n += tables[t]->count;
	return n;
}

bool op_is_v0(struct str path)
{
	return str_starts(path, S("/slapos."));
}
