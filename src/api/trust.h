/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: authorities, enrolment, keys, certificates, domains; the part op_trust of the
 * table of operations.
 *
 * Who may revoke a key: its owner (a person or node, by any good key of his) and operators.
 * Not the owner of a customer: he ends a membership, the person's keys are the person's.
 */
#include "api/call.h"
#include "store/certificate.h"
#include "store/identity.h"
#include "trust/ca.h"

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
#define TABLE(name) extern const struct json_desc name

extern const struct op_table op_trust;

/* trust_ca.c: what an authority says of itself. */
HANDLER(trust_ca_get);
HANDLER(trust_ca_crl);
HANDLER(trust_certificate_get);
HANDLER(trust_certificates);
HANDLER(trust_certificate_revoke);
TABLE(trust_ca_out);
TABLE(trust_status_out);
TABLE(trust_certificates_query);
TABLE(trust_certificates_out);
TABLE(trust_certificate_revoke_in);
/* enrol.c */
HANDLER(enrol_token_post);
HANDLER(enrol_token_list);
HANDLER(enrol_prepare);
HANDLER(enrol_post);
HANDLER(enrol_renew_prepare);
HANDLER(enrol_renew);
TABLE(enrol_token_in);
TABLE(enrol_token_out);
TABLE(enrol_tokens_out);
TABLE(enrol_in);
TABLE(enrol_renew_in);
TABLE(enrol_out);
/* trust_keys.c */
HANDLER(trust_key_seal);
HANDLER(trust_key_revoke);
HANDLER(trust_person_keys);
HANDLER(trust_node_keys);
TABLE(trust_seal_in);
TABLE(trust_revoke_in);
TABLE(trust_key_out);
TABLE(trust_keys_out);
/* trust_domains.c */
HANDLER(trust_domains);
HANDLER(trust_domain_put);
HANDLER(trust_domain_delete);
TABLE(trust_domain_in);
TABLE(trust_domains_out);
/* trust_node.c: certificates of services, by nodes */
HANDLER(trust_node_certificate);
HANDLER(trust_delegation_get);
HANDLER(trust_delegation_put);
HANDLER(trust_delegation_delete);
HANDLER(trust_node_authority);
TABLE(trust_node_certificate_in);
TABLE(trust_issued_out);
TABLE(trust_delegation_in);
TABLE(trust_delegation_out);
TABLE(trust_authority_in);
/* trust_issued.c: what a node issued itself */
HANDLER(trust_node_issued);
TABLE(trust_node_issued_in);
TABLE(trust_node_issued_out);

#undef HANDLER
#undef TABLE

/* The authority, or ERR_UNSUPPORTED in local mode. */
MUST int trust_authority(const struct api_call *c, enum ca_kind kind, const struct ca **out,
			 struct err *e);

/* The node of the path, if the caller may know of it: ERR_NOT_FOUND. ERR_UNSUPPORTED in local mode. */
MUST int trust_node_find(struct api_call *c, struct node *out, struct err *e);

/* ---- keys ------------------------------------------------------------------------------------ */

/* Makes a key known as its owner's: 1, or 0 if it was already. ERR_CONFLICT: it is another's.
 * ERR_FORBIDDEN: it is revoked. ERR_TOO_LARGE: IDENTITY_KEYS_MAX. */
MUST int trust_key_add(struct api_call *c, struct str name, enum cert_kind kind,
		       struct str owner, struct str title, struct err *e);
