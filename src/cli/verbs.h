/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* The verbs of the client, a file each (or a family). Their rows stand in verbs.c. */
#include "cli/cmd.h"

cli_fn verb_publish, verb_catalog, verb_supply, verb_unsupply, verb_nodes;
cli_fn verb_request, verb_list, verb_show, verb_start, verb_stop, verb_destroy;
cli_fn verb_log, verb_promise, verb_usage;
cli_fn verb_price_set, verb_price_list;
cli_fn verb_invoice_run, verb_invoice_list, verb_invoice_show, verb_customer_set;
cli_fn verb_profile_check, verb_profile_lock, verb_profile_build, verb_profile_show;
cli_fn verb_demo;
cli_fn verb_version, verb_docs_man, verb_docs_completion;
cli_fn verb_docs_verbs, verb_docs_events, verb_docs_errors;
