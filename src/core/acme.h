/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What an ACME server (RFC 8555) keeps, as plain values, and its pure rules.
 *
 *     account ─ places ─▶ order ─ needs, one for each name ─▶ authorization ─ offers ─▶ challenges
 *
 * States (RFC 8555 7.1.6), as far as they are stored here:
 *
 *     account        valid ─▶ deactivated
 *     order          pending ─▶ ready ─▶ valid            any of the first two ─▶ invalid
 *     authorization  pending ─▶ valid ─▶ deactivated      pending ─▶ invalid, deactivated
 *     challenge      derived from its authorization: pending ─▶ processing ─▶ valid, invalid
 *
 * What was pending, ready or valid is invalid (order) or expired (authorization) after its end.
 * Nothing is processing: a certificate is signed within the request that asks for it.
 */
#include "base/str.h"

enum acme_status {
	ACME_PENDING,
	ACME_READY,
	ACME_PROCESSING,
	ACME_VALID,
	ACME_INVALID,
	ACME_DEACTIVATED,
	ACME_REVOKED,
	ACME_EXPIRED,
	ACME_STATUSES
};
/* "pending" …, and back (ERR_CORRUPT: of our own store). */
const char *acme_status_word(enum acme_status s);
MUST int acme_status_read(struct str word, enum acme_status *out, struct err *e);

enum acme_method { ACME_HTTP_01, ACME_DNS_01, ACME_TLS_ALPN_01, ACME_METHODS };
/* "http-01" …, and back: false if it is none. */
const char *acme_method_word(enum acme_method m);
bool acme_method_read(struct str word, enum acme_method *out);
/* A wildcard is proven by dns-01 only (RFC 8555 7.4.1). */
bool acme_method_fits(enum acme_method m, bool is_wildcard);

enum {
	ACME_NAMES_MAX = 100,	/* of an order */
	ACME_OPEN_MAX = 300,	/* orders of an account that are pending or ready */
	ACME_TRIES_MAX = 4,	/* of a validation */
	ACME_CONTACTS_MAX = 10, /* of an account */
	ACME_NONCE_FOR_MS = 3600 * 1000,
	ACME_ORDER_FOR_MS = 7 * 86400 * 1000,
	ACME_LEASE_MS = 180 * 1000, /* a master that validates has so long, then another may */
};
/* Orders and their authorizations are forgotten so long after their end. */
#define ACME_KEEP_FOR_MS (INT64_C(30) * 86400 * 1000)

struct acme_account {
	int64_t id;
	struct str name;
	struct str thumbprint; /* RFC 7638, base64url */
	struct str public64;   /* DER of its key, base64url */
	int64_t customer_id;
	struct str contact_json; /* ["mailto:…"] */
	struct str binding_json; /* the external account binding that was shown, or "" */
	enum acme_status status;
	int64_t created_at_ms;
};

struct acme_order {
	int64_t id;
	struct str name;
	int64_t account_id;
	struct str identifiers_json; /* ["www.example.com", "*.example.com"], as ordered */
	enum acme_status status;
	struct str error_json;	/* a problem document, or "" */
	struct str serial;	/* of the certificate, "" if none yet */
	struct str certificate; /* PEM chain */
	struct str replaces;	/* RFC 9773 5 */
	int64_t expires_at_ms;	/* valid: when the certificate ends */
	int64_t created_at_ms;
};

struct acme_authorization {
	int64_t id;
	struct str name;
	int64_t account_id, order_id;
	struct str identifier; /* without "*." */
	bool is_wildcard;
	struct str token; /* each challenge's is this and an end of its own */
	enum acme_status status;
	struct str method_word; /* of the challenge that was answered, "" before */
	struct str error_json;
	int64_t tries;
	int64_t due_at_ms;	 /* > 0: it is to be validated then */
	int64_t validated_at_ms; /* 0: not yet */
	int64_t expires_at_ms;
};

/* ERR_CONFLICT if the diagram has no such arrow. 1 if already there. */
MUST int acme_account_move(struct acme_account *x, enum acme_status to, struct err *e);
MUST int acme_order_move(struct acme_order *x, enum acme_status to, struct err *e);
MUST int acme_authorization_move(struct acme_authorization *x, enum acme_status to,
				 struct err *e);
/* What they are at `now_ms`: as stored, or over. */
enum acme_status acme_order_status(const struct acme_order *x, int64_t now_ms);
enum acme_status acme_authorization_status(const struct acme_authorization *x, int64_t now_ms);
/* Of its challenge `m`. */
enum acme_status acme_challenge_status(const struct acme_authorization *x, enum acme_method m);

/* How long after try number `tries` (from 1) the next one is due; 0: there is none. */
int64_t acme_retry_ms(int64_t tries);

/* When a certificate is to be renewed (RFC 9773 4.2): a third of its life before its end, or at
 * once if it was revoked (`revoked_at_ms` > 0). */
void acme_window(int64_t from_ms, int64_t to_ms, int64_t revoked_at_ms, int64_t *start_ms,
		 int64_t *end_ms);

/* ---- addresses: whom a validation may connect to ----------------------------------------------- */

struct acme_network {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;	   /* of them, 0 … 128 */
};
/* "10.0.0.0/8", "fd00::/8", or one address. ERR_INVALID. */
MUST int acme_network_read(struct str text, struct acme_network *out, struct err *e);
/*
 * May a stranger's name lead there? An address of the public Internet, or one in `allowed`.
 * Loopback, link-local, private, shared, multicast, documentation and reserved addresses are
 * not public, and neither is an IPv6 address that carries one of those. `bytes` as above.
 */
bool acme_address_may(const uint8_t bytes[static 16], const struct acme_network *allowed,
		      size_t count);
