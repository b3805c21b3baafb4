/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: handlers and the tables of their input and output, for the table in ops.c. */
#include "api/call.h"

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
#define TABLE(name) extern const struct json_desc name

/* v1_base.c */
HANDLER(v1_status);
HANDLER(v1_openapi);
HANDLER(v1_events);
HANDLER(v1_customers);
HANDLER(v1_customer_get);
HANDLER(v1_customer_put);
TABLE(v1_status_out);
TABLE(v1_events_query);
TABLE(v1_events_out);
TABLE(v1_customers_out);
TABLE(v1_customer_in);
TABLE(v1_limit_query);
/* v1_release.c */
HANDLER(v1_releases);
HANDLER(v1_release_prepare);
HANDLER(v1_release_post);
HANDLER(v1_release_get);
HANDLER(v1_release_bundle);
TABLE(v1_releases_out);
TABLE(v1_release_in);
TABLE(v1_release_out);
/* v1_node.c */
HANDLER(v1_nodes);
HANDLER(v1_node_get);
HANDLER(v1_node_put);
HANDLER(v1_changes);
HANDLER(v1_installation_put);
HANDLER(v1_installations);
TABLE(v1_nodes_query);
TABLE(v1_nodes_out);
TABLE(v1_node_in);
TABLE(v1_changes_query);
TABLE(v1_changes_out);
TABLE(v1_installation_in);
TABLE(v1_installations_query);
TABLE(v1_installations_out);
/* v1_instance.c */
HANDLER(v1_instance_prepare);
HANDLER(v1_instance_post);
HANDLER(v1_instances);
HANDLER(v1_instance_get);
HANDLER(v1_instance_bang);
HANDLER(v1_instance_title);
TABLE(v1_instance_in);
TABLE(v1_instances_query);
TABLE(v1_instances_out);
TABLE(v1_instance_query);
TABLE(v1_customer_query);
TABLE(v1_bang_in);
TABLE(v1_title_in);
/* v1_promise.c */
HANDLER(v1_promises);
HANDLER(v1_promise_history);
HANDLER(v1_node_promises);
TABLE(v1_promises_query);
TABLE(v1_promises_out);
TABLE(v1_history_query);
TABLE(v1_history_out);
TABLE(v1_results_in);
TABLE(v1_results_out);
/* v1_usage.c */
HANDLER(v1_node_usage);
HANDLER(v1_usage);
HANDLER(v1_totals);
TABLE(v1_usage_in);
TABLE(v1_usage_accepted);
TABLE(v1_usage_query);
TABLE(v1_usage_out);
TABLE(v1_totals_out);
/* v1_bill.c */
HANDLER(v1_price_prepare);
HANDLER(v1_price_put);
HANDLER(v1_prices);
HANDLER(v1_invoice_prepare);
HANDLER(v1_invoice_post);
HANDLER(v1_invoices);
HANDLER(v1_invoice_get);
TABLE(v1_price_in);
TABLE(v1_prices_out);
TABLE(v1_invoice_in);
TABLE(v1_invoice_out);
TABLE(v1_invoices_query);
TABLE(v1_invoices_out);
TABLE(v1_invoice_query);
/* v0_instance.c */
HANDLER(v0_post_instance_prepare);
HANDLER(v0_post_instance);
HANDLER(v0_get_instance);
HANDLER(v0_get_partition);
HANDLER(v0_get_tree);
HANDLER(v0_tree_list);
HANDLER(v0_reported);
HANDLER(v0_error);
HANDLER(v0_bang);
HANDLER(v0_title);
HANDLER(v0_connection);
HANDLER(v0_hosted_list);
TABLE(v0_instance_in);
TABLE(v0_instance_out);
TABLE(v0_guid_in);
TABLE(v0_partition_in);
TABLE(v0_title_only_in);
TABLE(v0_empty_in);
TABLE(v0_tree_list_out);
TABLE(v0_reported_in);
TABLE(v0_message_in);
TABLE(v0_rename_in);
TABLE(v0_connection_in);
TABLE(v0_hosted_list_out);
TABLE(v0_ok_out);
/* v0_node.c */
HANDLER(v0_format);
HANDLER(v0_node_bang);
HANDLER(v0_node_list);
HANDLER(v0_node_status);
HANDLER(v0_installation);
HANDLER(v0_installation_list);
HANDLER(v0_installation_reported);
HANDLER(v0_installation_error);
HANDLER(v0_instance_list);
HANDLER(v0_not_here);
TABLE(v0_format_in);
TABLE(v0_node_in);
TABLE(v0_node_message_in);
TABLE(v0_node_list_out);
TABLE(v0_node_status_out);
TABLE(v0_installation_in);
TABLE(v0_installation_list_out);
TABLE(v0_installation_reported_in);
TABLE(v0_installation_error_in);
TABLE(v0_instance_list_out);
TABLE(v0_usage_in);

#undef HANDLER
#undef TABLE
