/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of operations, part trust: authorities, enrolment, keys, certificates, domains. */
#include "api/trust.h"

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/v1/ca"), "ca", "aaaaaaaa", false, NULL, NULL, &trust_ca_out, NULL, trust_ca_get, NULL,
		"The cloud's authorities and masters: what to trust."},
	{GET_("/v1/ca/{authority}/crl"), "crl", "aaaaaaaa", false, NULL, NULL, NULL, NULL, trust_ca_crl, "application/pkix-crl",
		"The revocation list (DER) of authority users or services."},
	{GET_("/v1/certificates/{serial}"), "certificate", "aaaaaaaa", false, NULL, NULL, &trust_status_out, NULL, trust_certificate_get, NULL,
		"How a certificate stands: good, revoked, expired or unknown."},
	{GET_("/v1/certificates"), "certificates", "-ooooaao", false, NULL, &trust_certificates_query, &trust_certificates_out, NULL, trust_certificates, NULL,
		"An owner's certificates that have not ended."},
	{POST_("/v1/certificates/{serial}/revoke"), "certificate_revoke", "-oo---ao", true, &trust_certificate_revoke_in, NULL, &trust_status_out, NULL, trust_certificate_revoke, NULL,
		"Revokes a certificate of authority services."},

	{POST_("/v1/tokens"), "token_make", "-oooooa-", true, &enrol_token_in, NULL, &enrol_token_out, NULL, enrol_token_post, NULL,
		"Makes a token that lets a key in, once. Everybody for himself; an owner of a customer for new people in it."},
	{GET_("/v1/tokens"), "tokens", "-oooooa-", false, NULL, NULL, &enrol_tokens_out, NULL, enrol_token_list, NULL,
		"Tokens that have not expired; never their text."},
	{POST_("/v1/enrol"), "enrol", "aaaaaaaa", true, &enrol_in, NULL, &enrol_out, enrol_prepare, enrol_post, NULL,
		"Lets a key in by a token. The same key may come again; another may not."},
	{POST_("/v1/renew"), "renew", "-ooooooo", true, &enrol_renew_in, NULL, &enrol_out, enrol_renew_prepare, enrol_renew, NULL,
		"A certificate anew, for the caller's key or for a new one of his; until 30 days after the old one ended."},

	{PUT_("/v1/keys/{key}/seal"), "key_seal", "-ooooooo", true, &trust_seal_in, NULL, &trust_key_out, NULL, trust_key_seal, NULL,
		"Sets what secrets for this key's owner are sealed to; the key has to have signed it."},
	{POST_("/v1/keys/{key}/revoke"), "key_revoke", "-oooooao", true, &trust_revoke_in, NULL, &trust_key_out, NULL, trust_key_revoke, NULL,
		"Revokes a key and its certificates, for ever."},
	{GET_("/v1/persons/{person}/keys"), "person_keys", "-ooooaa-", false, NULL, NULL, &trust_keys_out, NULL, trust_person_keys, NULL,
		"All keys of a person."},
	{GET_("/v1/nodes/{node}/keys"), "node_keys", "-aa--aao", false, NULL, NULL, &trust_keys_out, NULL, trust_node_keys, NULL,
		"All keys of a node."},

	{GET_("/v1/customers/{customer}/domains"), "domains", "-oo--aa-", false, NULL, NULL, &trust_domains_out, NULL, trust_domains, NULL,
		"Names of a customer."},
	{PUT_("/v1/customers/{customer}/domains/{domain}"), "domain_add", "--o---a-", true, &trust_domain_in, NULL, &trust_domains_out, NULL, trust_domain_put, NULL,
		"Lists a name as the customer's, with all below it; a name belongs to one customer."},
	{DELETE_("/v1/customers/{customer}/domains/{domain}"), "domain_remove", "--o---a-", true, NULL, NULL, &trust_domains_out, NULL, trust_domain_delete, NULL,
		"Takes a name off the list."},

	{POST_("/v1/nodes/{node}/certificates"), "node_certificate", "-------o", true, &trust_node_certificate_in, NULL, &trust_issued_out, NULL, trust_node_certificate, NULL,
		"A certificate for a service on the node; the names have to be its customer's."},
	{GET_("/v1/nodes/{node}/delegation"), "delegation", "-----aao", false, NULL, NULL, &trust_delegation_out, NULL, trust_delegation_get, NULL,
		"What a node may issue certificates for itself."},
	{PUT_("/v1/nodes/{node}/delegation"), "delegation_set", "------a-", true, &trust_delegation_in, NULL, &trust_delegation_out, NULL, trust_delegation_put, NULL,
		"Lets a node issue certificates itself."},
	{DELETE_("/v1/nodes/{node}/delegation"), "delegation_end", "------a-", true, NULL, NULL, NULL, NULL, trust_delegation_delete, NULL,
		"Ends that, and revokes the node's issuers."},
	{POST_("/v1/nodes/{node}/authority"), "node_authority", "-------o", true, &trust_authority_in, NULL, &trust_issued_out, NULL, trust_node_authority, NULL,
		"An issuer of the node, limited to what was delegated."},
	{POST_("/v1/nodes/{node}/issued"), "node_issued", "-------o", true, &trust_node_issued_in, NULL, &trust_node_issued_out, NULL, trust_node_issued, NULL,
		"What the node issued itself while the master was away: stored, logged, and revoked if it should not be."},
};
/* clang-format on */

const struct op_table op_trust = {rows, ARRAY_LEN(rows)};
