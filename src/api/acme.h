/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: the ACME server (RFC 8555, RFC 9773), part op_acme of the table of operations.
 *
 * Clients have no certificate: a signed message (JWS) is who they are. The way of one:
 *
 *     acme_prepare_*   no database: shape, algorithm, url, nonce (is it ours, is it young), and,
 *                      if the key came along, the signature
 *     acme_serve       in the transaction: the account, its signature, the nonce is used up; then
 *                      the operation's own function
 *
 * A refusal that a client is meant to see (acme_fail) is an answer like any other: the nonce stays
 * used. So it must come before the function's first write. Any other failure rolls back.
 *
 * Nonces need no memory until they are used: each is a moment and randomness under an HMAC with a
 * key derived from options.eab_key, which all masters of a database share; those that were used are
 * rows until they are too old by themselves.
 */
#include "api/call.h"
#include "core/acme.h"
#include "store/acme.h"
#include "trust/jose.h"

/* RFC 8555 6.7, RFC 9773 7.4; each with its status in one table. */
enum acme_error {
	ACME_NO_ERROR,
	ACME_ACCOUNT_DOES_NOT_EXIST,
	ACME_ALREADY_REPLACED,
	ACME_ALREADY_REVOKED,
	ACME_BAD_CSR,
	ACME_BAD_NONCE,
	ACME_BAD_PUBLIC_KEY,
	ACME_BAD_REVOCATION_REASON,
	ACME_BAD_SIGNATURE_ALGORITHM,
	ACME_CONFLICT, /* malformed, 409 */
	ACME_CONNECTION,
	ACME_DNS,
	ACME_EXTERNAL_ACCOUNT_REQUIRED,
	ACME_INCORRECT_RESPONSE,
	ACME_INVALID_CONTACT,
	ACME_MALFORMED,
	ACME_NOT_FOUND, /* malformed, 404 */
	ACME_ORDER_NOT_READY,
	ACME_RATE_LIMITED,
	ACME_REJECTED_IDENTIFIER,
	ACME_SERVER_INTERNAL,
	ACME_TLS,
	ACME_TYPE, /* malformed, 415 */
	ACME_UNAUTHORIZED,
	ACME_UNSUPPORTED_CONTACT,
	ACME_UNSUPPORTED_IDENTIFIER,
	ACME_ERRORS
};

struct acme_subproblem {
	enum acme_error error;
	struct str text, name; /* the identifier */
};

struct acme_problem {
	enum acme_error error;
	struct str text;
	const struct acme_subproblem *subs;
	size_t sub_count;
};

enum acme_signer { ACME_BY_ACCOUNT, ACME_BY_KEY, ACME_BY_EITHER };

/* One signed request. What is "prepared" is the same in every run of the transaction. */
struct acme {
	struct api_call *c;
	/* prepared */
	enum acme_signer signer; /* what it really was: ACME_BY_ACCOUNT or ACME_BY_KEY */
	enum jose_alg alg;
	struct str protected64, payload64, signature;
	struct str payload; /* "": only to read (POST-as-GET) */
	struct str nonce;
	int64_t nonce_until_ms;
	struct str account_name;    /* by account: of its kid */
	struct jwk jwk;		    /* by key */
	struct str key, thumbprint; /* its DER, its name (base64url) */
	struct acme_problem early;
	/* of one run */
	struct acme_account account; /* by account */
	struct acme_problem problem;
};

typedef int acme_fn(struct acme *m, struct err *e);

/* ---- acme_problem.c: how failures are told --------------------------------------------------- */

/* Is this a path of ACME? Its errors have another form. */
bool acme_is_path(struct str target);
/* Writes any failure as a problem document (RFC 7807): for api_refuse. */
void acme_refuse(const struct err *why, struct buf *b, struct api_response *out);
/* Refuses the request: fills m->problem and *e, returns -1. */
#define acme_fail(m, e, error, ...) \
	err_failed(acme_problem_fill((m), (error), (e), arena_fmt((m)->c->a, __VA_ARGS__)))
int acme_problem_fill(struct acme *m, enum acme_error error, struct err *e, struct str text);
/* The same with the text of the failure that is in *e. Only for failures of input: others (memory,
 * database) stay what they are. */
int acme_fail_as(struct acme *m, enum acme_error error, struct err *e);
/* A problem document as text; it goes into rows too. */
struct str acme_problem_text(const struct acme_problem *p, struct arena *a);
/* Answers with one. */
MUST int acme_answer_problem(struct api_call *c, const struct acme_problem *p, struct err *e);

/* ---- acme_message.c: signed requests --------------------------------------------------------- */

/* For rows that are signed by an account (kid). A refusal waits in m->early. */
MUST int acme_prepare_account(struct api_call *c, struct err *e);
/* By a key that comes along (jwk). */
MUST int acme_prepare_key(struct api_call *c, struct err *e);
/* By one or the other. */
MUST int acme_prepare_either(struct api_call *c, struct err *e);
/* Runs `fn` for a prepared request. */
MUST int acme_serve(struct api_call *c, acme_fn *fn, struct err *e);

/* A message within a message: checked for shape, not for its signature. `key` of the protected
 * header is read if there is one. Failures are of input. */
struct acme_inner {
	enum jose_alg alg;
	bool has_nonce, has_jwk;
	struct str url, kid, protected64, payload64, payload, signature;
	struct jwk jwk;
};
MUST int acme_inner_read(struct arena *a, const struct json *tree, struct acme_inner *out,
			 struct err *e);
/* The key of a JWK and its name, base64url. */
MUST int acme_key_of(struct arena *a, const struct jwk *k, struct str *der,
		     struct str *thumbprint, struct err *e);
/* A JWK from JSON; other members are skipped. */
MUST int acme_jwk_read(struct arena *a, const struct json *tree, struct jwk *out,
		       struct err *e);
/* Reads the payload by its table; "" is refused. */
MUST int acme_payload(struct acme *m, const struct json_desc *d, void *out, struct err *e);

/* ---- acme_nonce.c ----------------------------------------------------------------------------- */

/* A fresh nonce. */
struct str acme_nonce_new(struct api_call *c, int64_t now_ms);
/* Is it one of ours that is not too old? Until when it is good. */
bool acme_nonce_read(struct api_call *c, struct str nonce, int64_t now_ms, int64_t *until_ms);
/* The key of an external account binding: 32 bytes, derived from the kid. */
struct hash acme_eab_key(const struct api_call *c, struct str kid);
/* 16 random bytes as base64url: names of accounts, orders, authorizations. */
struct str acme_name_new(struct arena *a);
/* 18 of them, 24 characters: the start of tokens. */
struct str acme_token_new(struct arena *a);

/* ---- addresses of resources ------------------------------------------------------------------ */

/* "https://host/acme/order/NAME"; `sub` is "" or what follows. */
struct str acme_url(struct api_call *c, const char *kind, struct str name, const char *sub);
/* The name in such a URL, "" if it is none of that kind. */
struct str acme_url_name(struct api_call *c, const char *kind, struct str url);
/* The address that this request came to. */
struct str acme_here(struct api_call *c);
/* Adds a header. */
void acme_header(struct api_call *c, const char *name, struct str value);
/* Headers that every answer has: nonce, link to the directory, no caching. */
void acme_headers(struct api_call *c);
/* Every operation needs an authority that can sign, and the secret. ERR_UNSUPPORTED. */
MUST int acme_check_master(const struct api_call *c, struct err *e);

/* ---- acme_order.c, shared --------------------------------------------------------------------- */

/* The account's own order; other people's do not exist. */
MUST int acme_order_of(struct acme *m, struct str name, struct acme_order *out, struct err *e);
/* Its names. */
MUST int acme_order_list(struct arena *a, const struct acme_order *o, struct str **out,
			 size_t *count, struct err *e);
MUST int acme_answer_order(struct acme *m, int status, const struct acme_order *o,
			   struct err *e);
/* Lower case. */
struct str acme_lower(struct arena *a, struct str name);

/* ---- acme_certificate.c, shared --------------------------------------------------------------- */

struct certificate;
/* The certificate that an identifier of RFC 9773 4.1 names: 1, or 0 if there is none. */
MUST int acme_renewal_find(struct api_call *c, struct str id, struct certificate *out,
			   struct err *e);

/* ---- handlers --------------------------------------------------------------------------------- */

extern const struct op_table op_acme;
extern const struct json_desc acme_message_desc; /* a flattened JWS */
extern const struct json_desc acme_directory_out, acme_renewal_out, acme_eab_out, acme_key_out;

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
/* acme_base.c */
HANDLER(acme_directory);
HANDLER(acme_new_nonce);
/* acme_account.c */
HANDLER(acme_new_account);
HANDLER(acme_account_post);
HANDLER(acme_account_orders);
HANDLER(acme_account_orders_more);
HANDLER(acme_key_change);
/* acme_order.c */
HANDLER(acme_new_order);
HANDLER(acme_order_get);
HANDLER(acme_finalize);
/* acme_authorization.c */
HANDLER(acme_authorization_post);
HANDLER(acme_challenge_post);
/* acme_certificate.c */
HANDLER(acme_certificate_get);
HANDLER(acme_revoke);
HANDLER(acme_renewal_info);
/* acme_customer.c: what a customer does, not an ACME client */
HANDLER(acme_eab_post);
HANDLER(acme_key_put);
HANDLER(acme_key_delete);
#undef HANDLER
