/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the fault loops need of ACME: an account of customer local with orders in several states, a
 * key that was allowed, a kid, a certificate; and requests that are signed like a client's.
 */
#include "api/api.h"
#include "core/acme.h"
#include "store/acme.h"
#include "trust/cert.h"
#include "trust/jose.h"
#include "trust/jose_cert.h"
#include "trusted.h"

#define ACME_HOST "fault.test"
#define ACME_SECRET "0123456789abcdef0123456789abcdef"
#define ACME_NAME "www.example.com"

enum acme_key {
	ACME_KEY_ACCOUNT,
	ACME_KEY_FRESH,
	ACME_KEY_BOUND,
	ACME_KEY_NEXT,
	ACME_KEY_LEAF,
	ACME_KEYS
};
enum { ACME_DER_HEAD = 12 };

/* Keys, and a certificate of the last one, the same for every cloud. */
static const struct key *acme_key(enum acme_key i)
{
	static struct key *made[ACME_KEYS];
	struct err e = ERR_INIT;
	if (!made[i] && key_make(KEY_ED25519, &made[i], &e) < 0)
		abort();
	return made[i];
}

struct acme_leaf {
	struct str der;
	char serial[CERT_SERIAL_SIZE];
};

static const struct acme_leaf *acme_leaf(void)
{
	static struct acme_leaf leaf;
	static struct arena *a;
	struct err e = ERR_INIT;
	static struct str name = S_INIT(ACME_NAME);
	const struct ca_leaf want = {
		.kind = CERT_SERVICE,
		.name = name,
		.names = {&name, 1},
		.public = key_public(acme_key(ACME_KEY_LEAF)),
		.is_server = true,
		.now_ms = INT64_C(1795000000000),
	};
	if (!a && (arena_new(1 << 20, &a, &e) < 0 ||
		   ca_sign(trust_ca(CA_SERVICES), &want, a, &leaf.der, leaf.serial, &e) < 0))
		abort();
	return &leaf;
}

static struct str acme_x(const struct key *k, struct arena *a)
{
	struct str der = key_public(k);
	return base64url(str_sub(der, ACME_DER_HEAD, der.n), a);
}

static struct str acme_jwk(const struct key *k, struct arena *a)
{
	return arena_fmt(a, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%" STR_F "\"}",
			 STR_A(acme_x(k, a)));
}

static struct str acme_thumbprint(const struct key *k, struct arena *a)
{
	struct err e = ERR_INIT;
	struct hash h;
	const struct jwk j = {.kty = S("OKP"), .crv = S("Ed25519"), .x = acme_x(k, a)};
	if (jwk_thumbprint(&j, a, &h, &e) < 0)
		abort();
	return base64url(str_of((const char *)h.bytes, sizeof h.bytes), a);
}

/* ---- the stage ----------------------------------------------------------------------------- */

static int acme_order_work(struct db_tx *tx, int64_t account_id, const char *name,
			   enum acme_status status, int64_t now_ms, struct err *e)
{
	bool is_pending = status == ACME_PENDING;
	struct acme_order o = {
		.name = str_from(name),
		.account_id = account_id,
		.identifiers_json = S("[\"" ACME_NAME "\"]"),
		.status = status,
		.error_json = S(""),
		.serial = S(""),
		.certificate = S("PEM"),
		.replaces = S(""),
		.expires_at_ms = now_ms + ACME_ORDER_FOR_MS,
		.created_at_ms = now_ms,
	};
	if (store_acme_order_add(tx, &o, e) < 0 || store_acme_order_save(tx, &o, e) < 0)
		return -1;
	struct acme_authorization z = {
		.name = str_from(name),
		.account_id = account_id,
		.order_id = o.id,
		.identifier = S(ACME_NAME),
		.token = S("AAAAAAAAAAAAAAAAAAAAAAAA"),
		.status = is_pending ? ACME_PENDING : ACME_VALID,
		.method_word = S(""),
		.error_json = S(""),
		.expires_at_ms = o.expires_at_ms,
	};
	return store_acme_authorization_add(tx, &z, e);
}

static int acme_certificate_work(struct db_tx *tx, struct arena *a, int64_t customer_id,
				 int64_t now_ms, struct err *e)
{
	const struct acme_leaf *l = acme_leaf();
	struct certificate x = {
		.serial = str_from(l->serial),
		.authority = S("services"),
		.kind = S("service"),
		.owner = S("acc"),
		.names_json = S("[\"" ACME_NAME "\"]"),
		.customer_id = customer_id,
		.key_name = S("01"),
		.pem = cert_pem(l->der, a),
		.from_ms = now_ms,
		.to_ms = now_ms + INT64_C(30) * 24 * 3600 * 1000,
	};
	return store_certificate_add(tx, &x, e);
}

static int acme_work(struct db_tx *tx, struct arena *a, int64_t customer_id, int64_t now_ms,
		     struct err *e)
{
	const struct key *k = acme_key(ACME_KEY_ACCOUNT);
	struct acme_account x = {
		.name = S("acc"),
		.thumbprint = acme_thumbprint(k, a),
		.public64 = base64url(key_public(k), a),
		.customer_id = customer_id,
		.contact_json = S("[]"),
		.binding_json = S(""),
		.status = ACME_VALID,
		.created_at_ms = now_ms,
	};
	const struct acme_eab kid = {
		.kid = S("kid"), .customer_id = customer_id, .created_at_ms = now_ms};
	if (store_acme_account_add(tx, &x, e) < 0 || store_acme_eab_add(tx, &kid, e) < 0 ||
	    store_acme_key_allow(tx, acme_thumbprint(acme_key(ACME_KEY_FRESH), a), customer_id,
				 now_ms, e) < 0 ||
	    store_acme_key_allow(tx, S("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"),
				 customer_id, now_ms, e) < 0 ||
	    acme_order_work(tx, x.id, "pending", ACME_PENDING, now_ms, e) < 0 ||
	    acme_order_work(tx, x.id, "ready", ACME_READY, now_ms, e) < 0 ||
	    acme_order_work(tx, x.id, "valid", ACME_VALID, now_ms, e) < 0)
		return -1;
	return acme_certificate_work(tx, a, customer_id, now_ms, e);
}

/* ---- requests ------------------------------------------------------------------------------ */

static struct str acme_signed(const struct key *k, struct str header, struct str payload,
			      struct arena *a)
{
	struct err e = ERR_INIT;
	struct str p = base64url(header, a), q = base64url(payload, a), s;
	if (key_sign(k, arena_fmt(a, "%" STR_F ".%" STR_F, STR_A(p), STR_A(q)), a, &s, &e) < 0)
		abort();
	return arena_fmt(a,
			 "{\"protected\":\"%" STR_F "\",\"payload\":\"%" STR_F
			 "\",\"signature\":\"%" STR_F "\"}",
			 STR_A(p), STR_A(q), STR_A(base64url(s, a)));
}

static struct str acme_binding(struct arena *a)
{
	struct hash key = hmac_sha256(S(ACME_SECRET), S("hoc-acme-eab-v1\nkid"));
	struct str p =
		base64url(S("{\"alg\":\"HS256\",\"kid\":\"kid\",\"url\":\"https://" ACME_HOST
			    "/acme/new-account\"}"),
			  a);
	struct str q = base64url(acme_jwk(acme_key(ACME_KEY_BOUND), a), a);
	struct hash h = hmac_sha256(str_of((const char *)key.bytes, sizeof key.bytes),
				    arena_fmt(a, "%" STR_F ".%" STR_F, STR_A(p), STR_A(q)));
	return arena_fmt(a,
			 "{\"externalAccountBinding\":{\"protected\":\"%" STR_F
			 "\",\"payload\":\"%" STR_F "\",\"signature\":\"%" STR_F "\"}}",
			 STR_A(p), STR_A(q),
			 STR_A(base64url(str_of((const char *)h.bytes, sizeof h.bytes), a)));
}

static struct str acme_change(struct arena *a)
{
	const struct key *next = acme_key(ACME_KEY_NEXT);
	return acme_signed(next,
			   arena_fmt(a,
				     "{\"alg\":\"EdDSA\",\"jwk\":%" STR_F
				     ",\"url\":\"https://" ACME_HOST "/acme/key-change\"}",
				     STR_A(acme_jwk(next, a))),
			   arena_fmt(a,
				     "{\"account\":\"https://" ACME_HOST
				     "/acme/account/acc\",\"oldKey\":%" STR_F "}",
				     STR_A(acme_jwk(acme_key(ACME_KEY_ACCOUNT), a))),
			   a);
}

static struct str acme_csr(struct arena *a)
{
	struct err e = ERR_INIT;
	struct str name = S(ACME_NAME), pem;
	const struct cert_names names = {&name, 1};
	struct cert_request r;
	if (cert_request_make(acme_key(ACME_KEY_LEAF), S(""), &names, a, &pem, &e) < 0 ||
	    cert_request_read(pem, a, &r, &e) < 0)
		abort();
	return arena_fmt(a, "{\"csr\":\"%" STR_F "\"}", STR_A(base64url(r.der, a)));
}

/* The payload that a row's body stands for. */
static struct str acme_payload(const char *body, struct arena *a)
{
	if (strcmp(body, "binding") == 0)
		return acme_binding(a);
	if (strcmp(body, "change") == 0)
		return acme_change(a);
	if (strcmp(body, "csr") == 0)
		return acme_csr(a);
	if (strcmp(body, "certificate") == 0)
		return arena_fmt(a, "{\"certificate\":\"%" STR_F "\"}",
				 STR_A(base64url(acme_leaf()->der, a)));
	return str_from(body);
}

struct acme_nonce_call {
	struct api_call *call;
	struct api_response out;
};

static int acme_nonce_run(struct db_tx *tx, void *user, struct err *e)
{
	struct acme_nonce_call *n = user;
	return api_run(n->call, tx, false, &n->out, e);
}

/* A fresh one, as a client gets it. */
static struct str acme_nonce(struct api *api, struct db *db, struct arena *a)
{
	struct err e = ERR_INIT;
	struct acme_nonce_call n;
	const struct api_request req = {.method = S("HEAD"),
					.target = S("/acme/new-nonce"),
					.host = S(ACME_HOST),
					.is_tls = true};
	if (api_open(api, &req, a, &n.call, &e) < 0 || db_read(db, acme_nonce_run, &n, &e) < 0)
		abort();
	for (size_t i = 0; i < n.out.header_count; i++)
		if (strcmp(n.out.headers[i].name, "Replay-Nonce") == 0)
			return n.out.headers[i].value;
	abort();
}

/* The message of a row: by the account, or by a key that comes along. */
static struct str acme_message(struct api *api, struct db *db, const char *who,
			       const char *target, const char *body, struct arena *a)
{
	bool is_account = strcmp(who, "acme") == 0;
	const struct key *k = acme_key(is_account			? ACME_KEY_ACCOUNT
				       : strcmp(who, "acme-bound") == 0 ? ACME_KEY_BOUND
									: ACME_KEY_FRESH);
	struct str signer = is_account ? S("\"kid\":\"https://" ACME_HOST "/acme/account/acc\"")
				       : arena_fmt(a, "\"jwk\":%" STR_F, STR_A(acme_jwk(k, a)));
	struct str header = arena_fmt(a,
				      "{\"alg\":\"EdDSA\",\"nonce\":\"%" STR_F
				      "\",\"url\":\"https://" ACME_HOST "%s\",%" STR_F "}",
				      STR_A(acme_nonce(api, db, a)), target, STR_A(signer));
	return acme_signed(k, header, acme_payload(body, a), a);
}
