/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The kinds of events: every change that the master accepts appends one or more to the chain.
 * Subject: what it is about (guid, node name, customer name, release URI, invoice number).
 */
#include "base/defs.h"

enum event_kind {
	EVENT_RELEASE_PUBLISHED,
	EVENT_NODE_CHANGED,
	EVENT_NODE_FORMATTED,
	EVENT_NODE_BANGED,
	EVENT_INSTALLATION_WANTED,
	EVENT_INSTALLATION_REPORTED,
	EVENT_INSTALLATION_FORGOTTEN,
	EVENT_INSTANCE_REQUESTED,
	EVENT_INSTANCE_CHANGED,
	EVENT_INSTANCE_ALLOCATED,
	EVENT_INSTANCE_REPORTED,
	EVENT_INSTANCE_PUBLISHED,
	EVENT_INSTANCE_BANGED,
	EVENT_INSTANCE_RENAMED,
	EVENT_INSTANCE_FREED,
	EVENT_PROMISE_MOVED,
	EVENT_USAGE_REPORTED,
	EVENT_CUSTOMER_CHANGED,
	EVENT_PRICES_CHANGED,
	EVENT_INVOICE_ISSUED,
	EVENT_KINDS
};
/* "instance.requested" */
const char *event_kind_word(enum event_kind k);
