/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Operations of ACME (RFC 8555, RFC 9773). Their clients show no certificate: anyone may call, the
 * signed message says who it is. Reading is a POST with an empty payload, so every signed operation
 * writes: it uses a nonce up.
 */
#include "api/acme.h"

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/acme/directory"), "acme_directory", "aaaaaaaa", false, NULL, NULL, &acme_directory_out, NULL, acme_directory, NULL,
		"ACME: where is what."},
	{GET_("/acme/new-nonce"), "acme_new_nonce", "aaaaaaaa", false, NULL, NULL, NULL, NULL, acme_new_nonce, NULL,
		"ACME: a nonce."},
	{POST_("/acme/new-account"), "acme_new_account", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_key, acme_new_account, NULL,
		"ACME: makes an account that is bound to a customer, or finds the one of this key."},
	{POST_("/acme/account/{account}"), "acme_account", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_account_post, NULL,
		"ACME: the account; changes its contacts, or ends it."},
	{POST_("/acme/account/{account}/orders"), "acme_account_orders", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_account_orders, NULL,
		"ACME: its orders, newest first."},
	{POST_("/acme/account/{account}/orders/{before}"), "acme_account_orders_more", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_account_orders_more, NULL,
		"ACME: a further page of them."},
	{POST_("/acme/key-change"), "acme_key_change", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_key_change, NULL,
		"ACME: gives the account another key."},
	{POST_("/acme/new-order"), "acme_new_order", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_new_order, NULL,
		"ACME: orders a certificate for names of the account's customer."},
	{POST_("/acme/order/{order}"), "acme_order", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_order_get, NULL,
		"ACME: an order."},
	{POST_("/acme/order/{order}/finalize"), "acme_finalize", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_finalize, NULL,
		"ACME: takes the request and signs the certificate."},
	{POST_("/acme/authorization/{authorization}"), "acme_authorization", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_authorization_post, NULL,
		"ACME: an authorization; deactivates it."},
	{POST_("/acme/challenge/{authorization}/{method}"), "acme_challenge", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_challenge_post, NULL,
		"ACME: a challenge; with a payload it is validated."},
	{POST_("/acme/certificate/{order}"), "acme_certificate", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_account, acme_certificate_get, "application/pem-certificate-chain",
		"ACME: the certificate of an order, with its chain."},
	{POST_("/acme/revoke-cert"), "acme_revoke", "aaaaaaaa", true, &acme_message_desc, NULL, NULL, acme_prepare_either, acme_revoke, NULL,
		"ACME: revokes a certificate; by its account, or by its own key."},
	{GET_("/acme/renewal-info/{certificate}"), "acme_renewal_info", "aaaaaaaa", false, NULL, NULL, &acme_renewal_out, NULL, acme_renewal_info, NULL,
		"ACME: when a certificate is to be renewed."},

	{POST_("/v1/customers/{customer}/eab"), "acme_eab_make", "--o---a-", true, NULL, NULL, &acme_eab_out, NULL, acme_eab_post, NULL,
		"Makes a key that binds one ACME account to the customer; it is told this once."},
	{PUT_("/v1/customers/{customer}/acme-keys/{thumbprint}"), "acme_key_allow", "--o---a-", true, NULL, NULL, &acme_key_out, NULL, acme_key_put, NULL,
		"Lets an ACME account key make an account of the customer without a binding."},
	{DELETE_("/v1/customers/{customer}/acme-keys/{thumbprint}"), "acme_key_forbid", "--o---a-", true, NULL, NULL, &acme_key_out, NULL, acme_key_delete, NULL,
		"Takes that leave back; an account that was made stays."},
};
/* clang-format on */

const struct op_table op_acme = {rows, ARRAY_LEN(rows)};
