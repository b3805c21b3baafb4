/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "core/event.h"

const char *event_kind_word(enum event_kind k)
{
	static const char *const words[EVENT_KINDS] = {
		[EVENT_RELEASE_PUBLISHED] = "release.published",
		[EVENT_NODE_CHANGED] = "node.changed",
		[EVENT_NODE_FORMATTED] = "node.formatted",
		[EVENT_NODE_BANGED] = "node.banged",
		[EVENT_INSTALLATION_WANTED] = "installation.wanted",
		[EVENT_INSTALLATION_REPORTED] = "installation.reported",
		[EVENT_INSTALLATION_FORGOTTEN] = "installation.forgotten",
		[EVENT_INSTANCE_REQUESTED] = "instance.requested",
		[EVENT_INSTANCE_CHANGED] = "instance.changed",
		[EVENT_INSTANCE_ALLOCATED] = "instance.allocated",
		[EVENT_INSTANCE_REPORTED] = "instance.reported",
		[EVENT_INSTANCE_PUBLISHED] = "instance.published",
		[EVENT_INSTANCE_BANGED] = "instance.banged",
		[EVENT_INSTANCE_RENAMED] = "instance.renamed",
		[EVENT_INSTANCE_FREED] = "instance.freed",
		[EVENT_INSTANCE_READERS] = "instance.readers",
		[EVENT_INSTANCE_ROTATED] = "instance.rotated",
		[EVENT_INSTANCE_RESEALED] = "instance.resealed",
		[EVENT_PROMISE_MOVED] = "promise.moved",
		[EVENT_USAGE_REPORTED] = "usage.reported",
		[EVENT_CUSTOMER_CHANGED] = "customer.changed",
		[EVENT_PERSON_CHANGED] = "person.changed",
		[EVENT_MEMBER_CHANGED] = "member.changed",
		[EVENT_PRICES_CHANGED] = "prices.changed",
		[EVENT_INVOICE_ISSUED] = "invoice.issued",
		[EVENT_CERTIFICATE_ISSUED] = "certificate.issued",
		[EVENT_CERTIFICATE_REVOKED] = "certificate.revoked",
		[EVENT_KEY_ADDED] = "key.added",
		[EVENT_KEY_SEALED] = "key.sealed",
		[EVENT_KEY_REVOKED] = "key.revoked",
		[EVENT_TOKEN_MADE] = "token.made",
		[EVENT_TOKEN_USED] = "token.used",
		[EVENT_PASSKEY_LINK] = "passkey.link.made",
		[EVENT_PASSKEY_ADDED] = "passkey.added",
		[EVENT_PASSKEY_REVOKED] = "passkey.revoked",
		[EVENT_SESSION_STARTED] = "session.started",
		[EVENT_SESSION_ENDED] = "session.ended",
		[EVENT_DOMAIN_ADDED] = "domain.added",
		[EVENT_DOMAIN_REMOVED] = "domain.removed",
		[EVENT_DELEGATION_CHANGED] = "delegation.changed",
		[EVENT_ACME_ACCOUNT] = "acme.account.changed",
		[EVENT_ACME_KEY] = "acme.key.changed",
		[EVENT_ACME_ORDERED] = "acme.ordered",
	};
	ASSERT((unsigned)k < EVENT_KINDS);
	return words[k];
}
