/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Requests for test_access.c: at least one for each operation and role.
 *
 * What stands in braces is the caller's own, somebody else's, or not there, by turns:
 * {c} customer, {i} guid, {t} title of a root, {n} node, {v} invoice, {w} person, {k} key,
 * {s} serial of a certificate; {m} is a member of that customer. {I} is always the caller's own guid.
 */

enum sample_flag {
	NAMES = 1,     /* it names an object: tried with one's own, another's and none */
	REFUSES = 2,   /* who may is told 403, "not here" */
	MAY_MISS = 4,  /* nothing of the kind is on this stage: 404 is what who may is told */
	PEOPLE = 8,    /* not for nodes: they ask in another way */
	NODES = 16,    /* for nodes only */
	OWN_RULE = 32, /* it has a rule of its own that may refuse, with other words */
};

struct sample {
	const char *id, *target; /* NULL: the path of the row */
	const char *body;
	int flags;
};

#define WEB "hoc:web@sha256:@web@"
#define TINY \
	"{'bundle': {'name': 'tiny', 'entry': 'p.jsonnet', 'files': {'p.jsonnet': '{name: " \
	"\\'tiny\\', title: \\'Tiny\\', category: \\'web\\', software: {debian: {suite: " \
	"\\'bookworm\\', packages: [\\'nginx\\']}}, types: {default: {instance(i):: {}}}}'}}}"
#define USAGE_OF(guid) \
	"{'events': [{'id': 'u9', 'instance': '" guid \
	"', 'metric': 'cpu_seconds', 'quantity': '1', 'from': '2026-11-17T01:00:00Z', 'to': " \
	"'2026-11-17T02:00:00Z'}]}"
/* Refused for what it says: nobody is asked for a certificate. */
#define MESSAGE "{'protected': 'e30', 'payload': '', 'signature': 'e30'}", MAY_MISS | OWN_RULE

/* clang-format off */
static const struct sample samples[] = {
	/* the cloud */
	{"status", NULL, "", 0},
	{"openapi", NULL, "", 0},
	{"events", NULL, "", 0},
	{"customers", NULL, "", 0},
	{"customer", NULL, "", NAMES},
	{"customer_set", NULL, "{'country': 'DE'}", NAMES},
	{"releases", NULL, "", 0},
	{"publish", NULL, TINY, 0},
	{"release", "/v1/releases/web", "", 0},
	{"bundle", "/v1/releases/web/bundle", "", 0},
	{"nodes", NULL, "", 0},
	{"node", NULL, "", NAMES},
	{"node_set", NULL, "{'region': 'fr'}", NAMES},
	{"changes", NULL, "", NAMES},
	{"node_promises", NULL, "{'results': [{'instance': '{I}', 'name': 'http', 'state': 'kept'}]}", NAMES},
	{"node_promises", "/v1/nodes/n1/promises", "{'results': [{'instance': '{i}', 'name': 'http', 'state': 'kept'}]}", NAMES},
	{"node_usage", NULL, USAGE_OF("{I}"), NAMES},
	{"node_usage", "/v1/nodes/n1/usage", USAGE_OF("{i}"), NAMES},
	{"supply", NULL, "{'release': 'web', 'node': '{n}'}", NAMES},
	{"installations", NULL, "", 0},
	{"installations", "/v1/installations?node={n}", "", NAMES},
	{"request", NULL, "{'release': 'web', 'title': 'new', 'customer': '{c}'}", NAMES | PEOPLE},
	{"request", NULL, "{'release': 'web', 'title': '{t}', 'customer': '{c}', 'state': 'stopped'}", NAMES | PEOPLE},
	{"request", NULL, "{'title': '{t}', 'customer': '{c}', 'state': 'destroyed'}", NAMES | PEOPLE},
	{"request", NULL, "{'release': 'web', 'title': 'sub', 'requester': '{i}'}", NAMES},
	{"request", NULL, "{'title': 'sub', 'requester': '{i}', 'state': 'destroyed'}", NAMES | MAY_MISS},
	{"request", NULL, "{'release': 'web', 'title': 'sh', 'type': 'host', 'shared': true, 'requester': '{I}', 'where': {'instance': '{i}'}}", NAMES},
	{"instances", NULL, "", 0},
	{"instances", "/v1/instances?customer={c}", "", NAMES | PEOPLE},
	{"instances", "/v1/instances?node={n}", "", NAMES | NODES},
	{"instances", "/v1/instances?after={i}", "", NAMES},
	{"instance", NULL, "", NAMES},
	{"instance", "/v1/instances/{t}", "", NAMES | PEOPLE},
	{"instance", "/v1/instances/{t}?customer={c}", "", NAMES | PEOPLE},
	{"bang", NULL, "{'message': 'm'}", NAMES},
	{"bang", "/v1/instances/{t}/bang?customer={c}", "{}", NAMES | PEOPLE},
	{"rename", NULL, "{'title': 'other'}", NAMES},
	{"promises", NULL, "", 0},
	{"promises", "/v1/promises?subject={i}", "", NAMES},
	{"promises", "/v1/promises?subject={t}", "", NAMES},
	{"promises", "/v1/promises?subject={c}", "", NAMES},
	{"promise_history", "/v1/promises/history?subject={i}&name=http", "", NAMES},
	{"promise_history", "/v1/promises/history?subject={t}&name=http", "", NAMES},
	{"promise_history", "/v1/promises/history?subject={c}&name={v}", "", NAMES},
	{"usage", NULL, "", 0},
	{"usage", "/v1/usage?customer={c}", "", NAMES},
	{"usage", "/v1/usage?customer=acme&instance={i}", "", NAMES},
	{"usage_totals", NULL, "", 0},
	{"usage_totals", "/v1/usage/totals?customer={c}", "", NAMES},
	{"usage_totals", "/v1/usage/totals?customer=acme&instance={i}", "", NAMES},
	{"prices", NULL, "", 0},
	{"price_set", "/v1/prices/gold", "{'currency': 'EUR', 'components': [{'kind': 'subscription', 'price': '1'}]}", 0},
	{"invoice_make", NULL, "{'customer': '{c}', 'from': '2026-11-01', 'to': '2026-11-02'}", NAMES},
	{"invoices", NULL, "", 0},
	{"invoices", "/v1/invoices?customer={c}", "", NAMES},
	{"invoice", NULL, "", NAMES},
	{"invoice", "/v1/invoices/{v}?format=text", "", NAMES},

	/* people */
	{"me", NULL, "", 0},
	{"persons", NULL, "", 0},
	{"person", NULL, "", NAMES},
	{"person_set", NULL, "{'roles': ['auditor'], 'active': true}", NAMES},
	{"members", NULL, "", NAMES},
	{"member_set", "/v1/customers/{c}/members/zoe", "{'role': 'member'}", NAMES},
	{"member_remove", "/v1/customers/{c}/members/zoe", "", NAMES},

	/* secrets */
	{"secrets_mode", NULL, "{'mode': 'sealed'}", NAMES},
	{"recipients", NULL, "", NAMES},
	{"recipients", "/v1/instances/{t}/recipients?customer={c}", "", NAMES | PEOPLE},
	{"reader_add", "/v1/instances/{i}/readers/{m}", "", NAMES},
	{"reader_remove", "/v1/instances/{i}/readers/{m}", "", NAMES},
	{"rotate", NULL, "", NAMES},
	{"reseal", "/v1/instances/{i}/connection/url", "{'value': 'x'}", NAMES | OWN_RULE},

	/* audit */
	{"checkpoints", NULL, "", 0},
	{"log_head", NULL, "", MAY_MISS},
	{"log_heads", NULL, "", 0},
	{"log_entries", NULL, "", 0},
	{"log_proof", "/v1/log/proof?hash=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef&size=1", "", MAY_MISS},
	{"log_consistency", "/v1/log/consistency?first=1&second=1", "", MAY_MISS},
	{"log_witness", NULL, "{'size': 1, 'root': 'x', 'signature': 'x'}", MAY_MISS},

	/* passkeys and sessions; callers here have certificates and come from no page */
	{"login_page", NULL, "", 0},
	{"passkey_page", NULL, "", 0},
	{"passkey_page_script", NULL, "", 0},
	{"passkey_page_style", NULL, "", 0},
	{"passkey_link", NULL, "", 0},
	{"passkey_options", NULL, "{}", OWN_RULE},
	{"passkey_add", NULL, "{'client_data': 'e30', 'attestation_object': 'e30'}", OWN_RULE},
	{"passkey_remove", "/v1/passkeys/7", "", MAY_MISS},
	{"passkeys", NULL, "", NAMES},
	{"session_options", NULL, "", OWN_RULE},
	{"session_start", NULL, "{'credential': 'x', 'client_data': 'e30', 'authenticator_data': 'x', 'signature': 'x', 'user_handle': 'x'}", OWN_RULE},
	{"session", NULL, "", MAY_MISS},
	{"logout", NULL, "", MAY_MISS},
	{"session_end", "/v1/sessions/5e01", "", MAY_MISS},
	{"sessions", NULL, "", NAMES},
	{"sessions_end", NULL, "", NAMES},

	/* trust */
	{"ca", NULL, "", 0},
	{"crl", "/v1/ca/users/crl", "", MAY_MISS},
	{"certificate", NULL, "", 0},
	{"certificates", "/v1/certificates?kind=person&owner={w}", "", NAMES | PEOPLE},
	{"certificates", "/v1/certificates?kind=node&owner={n}", "", NAMES | NODES},
	{"certificates", "/v1/certificates?kind=service&owner={i}", "", NAMES},
	{"certificate_revoke", NULL, "{'reason': 'superseded'}", NAMES},
	{"token_make", NULL, "{'kind': 'person', 'name': 'eve', 'customer': '{c}'}", NAMES | OWN_RULE},
	{"token_make", NULL, "{'kind': 'person', 'name': '{w}'}", NAMES | OWN_RULE},
	{"token_make", NULL, "{'kind': 'node', 'name': '{n}'}", NAMES | OWN_RULE},
	{"tokens", NULL, "", 0},
	{"enrol", NULL, "{'token': 'x', 'csr': '@csr@'}", OWN_RULE},
	{"renew", NULL, "{'csr': '@csr@'}", 0},
	{"key_seal", NULL, "{'seal_key': 'age1x', 'statement': 'x'}", NAMES},
	{"key_revoke", NULL, "{'reason': 'superseded'}", NAMES},
	{"person_keys", NULL, "", NAMES},
	{"node_keys", NULL, "", NAMES},
	{"domains", NULL, "", NAMES},
	{"domain_add", "/v1/customers/{c}/domains/shop.example.org", "{}", NAMES},
	{"domain_remove", "/v1/customers/{c}/domains/shop.example.org", "", NAMES},
	{"node_certificate", NULL, "{'instance': '{I}', 'names': ['www.acme.zone.test'], 'csr': '@csr@'}", NAMES},
	{"node_certificate", "/v1/nodes/n1/certificates", "{'instance': '{i}', 'names': ['www.{c}.zone.test'], 'csr': '@csr@'}", NAMES},
	{"delegation", NULL, "", NAMES | MAY_MISS},
	{"delegation_set", NULL, "{'names': ['acme.zone.test']}", NAMES},
	{"delegation_end", NULL, "", NAMES},
	{"node_authority", NULL, "{'csr': '@csr@'}", NAMES | MAY_MISS},
	{"node_issued", NULL, "{'certificates': [{'instance': '{i}', 'certificate': 'x'}]}", NAMES | MAY_MISS},

	/* ACME: the message says who it is */
	{"acme_directory", NULL, "", 0},
	{"acme_new_nonce", NULL, "", 0},
	{"acme_new_account", NULL, MESSAGE},
	{"acme_account", "/acme/account/1", MESSAGE},
	{"acme_account_orders", "/acme/account/1/orders", MESSAGE},
	{"acme_account_orders_more", "/acme/account/1/orders/1", MESSAGE},
	{"acme_key_change", NULL, MESSAGE},
	{"acme_new_order", NULL, MESSAGE},
	{"acme_order", "/acme/order/1", MESSAGE},
	{"acme_finalize", "/acme/order/1/finalize", MESSAGE},
	{"acme_authorization", "/acme/authorization/1", MESSAGE},
	{"acme_challenge", "/acme/challenge/1/http-01", MESSAGE},
	{"acme_certificate", "/acme/certificate/1", MESSAGE},
	{"acme_revoke", NULL, MESSAGE},
	{"acme_renewal_info", "/acme/renewal-info/AA.AA", "", MAY_MISS},
	{"acme_eab_make", NULL, "", NAMES},
	{"acme_key_allow", "/v1/customers/{c}/acme-keys/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", NAMES},
	{"acme_key_forbid", "/v1/customers/{c}/acme-keys/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", NAMES},

	/* the reference protocol */
	{"v0_request", NULL, "{'software_release_uri': '" WEB "', 'title': 'new', 'software_type': 'default'}", 0},
	{"v0_instance", NULL, "{'instance_guid': '{i}'}", NAMES},
	{"v0_partition", NULL, "{'computer_guid': '{n}', 'compute_partition_id': 'p0'}", NAMES},
	{"v0_tree", NULL, "{'title': '{t}'}", NAMES},
	{"v0_trees", NULL, "{}", 0},
	{"v0_installations", NULL, "{'computer_guid': '{n}'}", NAMES},
	{"v0_instances", NULL, "{'computer_guid': '{n}'}", NAMES},
	{"v0_hosted", NULL, "{'instance_guid': '{i}'}", NAMES},
	{"v0_nodes", NULL, "{}", 0},
	{"v0_supply", NULL, "{'software_release_uri': '" WEB "', 'computer_guid': '{n}'}", NAMES},
	{"v0_format", NULL, "{'computer_guid': '{n}', 'compute_partition_list': [{'partition_id': 'p0'}, {'partition_id': 'p1'}]}", NAMES},
	{"v0_node_bang", NULL, "{'computer_guid': '{n}', 'message': 'm'}", NAMES},
	{"v0_installation_reported", NULL, "{'software_release_uri': '" WEB "', 'computer_guid': '{n}', 'reported_state': 'available'}", NAMES},
	{"v0_installation_error", NULL, "{'software_release_uri': '" WEB "', 'computer_guid': '{n}', 'message': 'm'}", NAMES},
	{"v0_reported", NULL, "{'instance_guid': '{i}', 'reported_state': 'started'}", NAMES},
	{"v0_reported", NULL, "{'instance_guid': '{i}', 'reported_state': 'destroyed'}", NAMES | OWN_RULE},
	{"v0_error", NULL, "{'instance_guid': '{i}', 'message': 'm'}", NAMES},
	{"v0_bang", NULL, "{'instance_guid': '{i}', 'message': 'm'}", NAMES},
	{"v0_rename", NULL, "{'instance_guid': '{i}', 'title': 'other'}", NAMES},
	{"v0_publish", NULL, "{'instance_guid': '{i}', 'connection_parameter_dict': {'url': 'http://x'}}", NAMES},
	{"v0_node_status", NULL, "{'computer_guid': '{n}'}", NAMES},
	{"v0_hateoas_url", NULL, "{}", REFUSES},
	{"v0_instance_certificate", NULL, "{'instance_guid': '{i}'}", REFUSES},
	{"v0_node_certificate", NULL, "{'computer_guid': '{n}'}", REFUSES},
	{"v0_node_certificate_remove", NULL, "{'computer_guid': '{n}'}", REFUSES},
	{"v0_usage", NULL, "{'computer_guid': '{n}', 'tioxml': '<x/>'}", REFUSES},
};
/* clang-format on */
