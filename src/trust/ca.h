/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * An authority: a root, and an issuing key below it that signs certificates.
 *
 *     root (10 years, may be offline) ─▶ issuer (2 years, online) ─▶ leaf (30 days)
 *                                             └▶ delegated issuer of a node (180 days, names limited)
 *
 * A cloud has two, which nobody takes for each other: users (persons, nodes, instances, masters)
 * and services (names of tenants). A rollover of the issuer keeps the root; a rollover of the root
 * makes a new root and two link certificates (new by old, old by new), so that whoever trusts
 * either root reaches the other while both are valid; who was away for two of them enrols again. An authority's directory:
 *
 *     DIR/root.pem        trusted roots, newest first
 *     DIR/links.pem       link certificates of the last rollover of the root, if any
 *     DIR/issuer.pem      the issuer's certificate (and its predecessors, until they end)
 *     DIR/issuer.key      sealed by a passphrase, or plain PEM (0600), or
 *     DIR/issuer.uri      a PKCS #11 URI
 *     DIR/root.key        only if the root is online; sealed, as above
 *
 * Serials are random (16 bytes). Nothing here knows a database: what was issued is the caller's to
 * store. All functions take the moment. A struct ca may be used by many threads.
 */
#include "trust/cert.h"

enum {
	CA_LEAF_DAYS = 30,
	CA_ISSUER_DAYS = 730,
	CA_ROOT_DAYS = 3650,
	CA_DELEGATED_DAYS = 180,
	CA_SKEW_MS = 300000, /* certificates begin so much earlier: clocks differ */
};

enum ca_kind { CA_USERS, CA_SERVICES, CA_KINDS };
const char *ca_kind_word(enum ca_kind k); /* "users", "services" */

struct ca;

struct ca_make {
	const char *dir; /* made whole or not at all; may exist if empty (else ERR_CONFLICT) */
	enum ca_kind kind;
	struct str cloud;      /* name of the cloud, part of the subjects */
	struct str passphrase; /* seals the keys; "": plain files of mode 0600 */
	const char *token_uri; /* NULL: file; else the issuing key is made in this token */
	struct str pin;
	const char *
		root_dir; /* NULL: root.key beside the issuer; else it is kept there: offline */
	enum key_kind key_kind; /* of both keys; KEY_P256 is what browsers take */
	int64_t now_ms;
};
MUST int ca_make(const struct ca_make *m, struct err *e);
/*
 * `secret` here and below: passphrase or pin, as the directory needs. If the issuer is in a token
 * and root.key is sealed beside it, a rollover needs both: the pin, a newline, the passphrase.
 * ERR_FORBIDDEN: wrong. ERR_NOT_FOUND: no authority. ERR_CORRUPT: its files do not fit together.
 */
MUST int ca_open(const char *dir, struct str secret, struct ca **out, struct err *e);
struct ca *ca_free(struct ca *ca);
void ca_freep(struct ca **ca);

/* Whose authority it is. */
enum ca_kind ca_kind_of(const struct ca *ca);
/*
 * Texts of certificates in PEM; they live as long as the ca.
 *
 * ca_roots: all roots, newest first. ca_chain: the issuer, and the links of the last rollover of
 * the root. cert_trust_new takes both. A leaf is sent with ca_chain; a server sends ca_sent_roots
 * after that (see tls_anchor): the last two roots, newest last. In that order, and in few others,
 * GnuTLS and OpenSSL find their way whichever of the two roots they trust.
 */
struct str ca_roots(const struct ca *ca);
struct str ca_chain(const struct ca *ca);
struct str ca_sent_roots(const struct ca *ca);
/* SHA-256 of the newest root's DER: what tokens carry. */
struct hash ca_root_fingerprint(const struct ca *ca);
/* When the issuer, and the newest root, end. */
int64_t ca_issuer_to_ms(const struct ca *ca);
int64_t ca_root_to_ms(const struct ca *ca);

struct ca_leaf {
	enum cert_kind kind; /* users: person, node, instance, master; services: service */
	struct str name; /* for the URI and common name; of a service its first name is taken */
	struct cert_names names; /* DNS names and addresses; of a person none */
	struct str public;	 /* DER of the public key */
	bool is_server;		 /* users: master and node certificates serve too */
	int64_t now_ms, days;	 /* 0: CA_LEAF_DAYS; never beyond the issuer's end */
};
/*
 * Signs a leaf: *out is its DER, `serial` its number as hex. Keys: P-256 and Ed25519, for services
 * also P-384 and RSA. ERR_INVALID (fields kind, name, names, csr…: also names outside a delegated
 * authority's), ERR_UNSUPPORTED (the issuer has ended), ERR_BROKEN (the token failed).
 */
MUST int ca_sign(const struct ca *ca, const struct ca_leaf *leaf, struct arena *a,
		 struct str *out, char serial[static CERT_SERIAL_SIZE], struct err *e);
/* Signs an issuer of a node: path length 0, name constraints: only `names` (DNS subtrees; none:
 * ERR_INVALID). Only of authority services. */
MUST int ca_delegate(const struct ca *ca, struct str node, struct str public,
		     const struct cert_names *names, int64_t now_ms, struct arena *a,
		     struct str *out, char serial[static CERT_SERIAL_SIZE], struct err *e);
/*
 * An authority that was delegated: `chain_pem` is its certificate and what is above it, `k` outlives
 * it. Then ca_sign and ca_crl work on the node, within its names. ERR_INVALID: of another key.
 */
MUST int ca_open_delegated(const struct key *k, struct str chain_pem, struct ca **out,
			   struct err *e);

struct ca_revoked {
	struct str serial; /* hex */
	int64_t at_ms;
	int reason; /* RFC 5280 5.3.1: 0 unspecified, 1 key compromise, 4 superseded, 5 ceased */
};
/* A revocation list (DER), number `number` (each greater than the last), valid for `days`. */
MUST int ca_crl(const struct ca *ca, const struct ca_revoked *revoked, size_t count,
		int64_t number, int64_t now_ms, int64_t days, struct arena *a, struct str *out,
		struct err *e);

/*
 * Rollovers. The key that is replaced is destroyed (in a token it stays, unused); certificates that
 * it signed remain good. A directory is one process's to change; whoever has it open opens it
 * again. ERR_UNSUPPORTED: the root's key is not here.
 */
/* A fresh issuer under the same root. It has the name of the old one. */
MUST int ca_roll_issuer(const char *dir, struct str secret, int64_t now_ms, struct err *e);
/*
 * A fresh root beside the old one, link certificates, and a fresh issuer under the new one. In a
 * root_dir (which has no issuer) only the first two: see ca_install_roots.
 */
MUST int ca_roll_root(const char *dir, struct str secret, int64_t now_ms, struct err *e);
/*
 * With an offline root: ca_request_issuer writes DIR/issuer.csr for a fresh issuing key that waits
 * (DIR/issuer.key.next); ca_sign_issuer, run where root_dir is, signs it; ca_install_issuer takes
 * the certificate after checking it against root.pem and the waiting key, ERR_FORBIDDEN if another
 * root signed it. After ca_roll_root in root_dir its root.pem and links.pem, one after the other,
 * are handed to ca_install_roots: it takes roots that one of ours signed, else ERR_FORBIDDEN.
 */
MUST int ca_request_issuer(const char *dir, struct str secret, struct arena *a,
			   struct str *out_csr, struct err *e);
MUST int ca_sign_issuer(const char *root_dir, struct str secret, struct str csr, int64_t now_ms,
			struct arena *a, struct str *out_pem, struct err *e);
MUST int ca_install_issuer(const char *dir, struct str pem, int64_t now_ms, struct err *e);
MUST int ca_install_roots(const char *dir, struct str pem, int64_t now_ms, struct err *e);
