/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Certificates and requests (X.509, RFC 5280): read, made, checked.
 *
 * Who a certificate is for stands in its subject alternative names:
 *
 *     URI hoc:person:NAME | hoc:node:NAME | hoc:instance:GUID | hoc:master:NAME   (authority users)
 *     DNS and IP names                                            (authority services, and masters)
 *
 * Purposes are extended key usages: client (persons, nodes, instances, masters) and server
 * (masters, nodes, services). Everything that comes from outside is at most CERT_DER_MAX bytes.
 */
#include "base/clock.h"
#include "trust/key.h"

enum {
	CERT_DER_MAX = 16 << 10,
	CERT_CHAIN_MAX =
		10, /* certificates that are read as one chain: links and roots included */
	CERT_NAMES_MAX = 100,
	CERT_CRL_MAX = 4 << 20,
	CERT_SERIAL_BYTES = 16,
	CERT_SERIAL_SIZE = 2 * 20 + 1, /* as hex text */
};

enum cert_kind { /* what the URI name says */
		 CERT_PERSON,
		 CERT_NODE,
		 CERT_INSTANCE,
		 CERT_MASTER,
		 CERT_SERVICE, /* no URI of ours */
		 CERT_AUTHORITY,
		 CERT_KINDS
};
/* "person" … and back (ERR_INVALID, field "kind"). */
const char *cert_kind_word(enum cert_kind kind);
MUST int cert_kind_read(struct str word, enum cert_kind *out, struct err *e);

struct cert_names {
	struct str *items; /* DNS names (lower case, maybe "*.…") and IP addresses as text */
	size_t count;
};

/* A certificate as it was read. Texts live in the arena given. */
struct cert {
	struct str der;
	char serial[CERT_SERIAL_SIZE]; /* lower-case hex */
	enum cert_kind kind;
	struct str
		name; /* NAME or GUID of the URI; of a service or authority its common name */
	struct str issuer; /* common name of the issuer */
	struct cert_names names;
	bool is_client, is_server, is_authority;
	int64_t from_ms, to_ms;
	struct hash key;   /* of its public key, as key_name */
	struct str public; /* DER of its public key */
};

/* Reads one certificate, DER or PEM. ERR_INVALID with what is wrong with it. */
MUST int cert_read(struct str text, struct arena *a, struct cert *out, struct err *e);
/* Reads a chain in PEM, leaf first; at most CERT_CHAIN_MAX. */
MUST int cert_chain_read(struct str pem, struct arena *a, struct cert **out, size_t *count,
			 struct err *e);
/* PEM of a DER. */
struct str cert_pem(struct str der, struct arena *a);
/* SHA-256 of the DER. */
struct hash cert_fingerprint(const struct cert *c);

/* A request (PKCS #10) signed by `k`: the PEM. `common_name` may be ""; names may be empty. */
MUST int cert_request_make(const struct key *k, struct str common_name,
			   const struct cert_names *names, struct arena *a, struct str *out,
			   struct err *e);
struct cert_request {
	struct str der, common_name;
	struct cert_names names; /* what it asks for; the authority decides */
	struct hash key;
	struct str public;
	enum key_kind kind; /* KEY_KINDS: neither of ours (RSA of an ACME client) */
	unsigned key_bits;
};
/* Reads DER or PEM and verifies that the owner of the key signed it. RSA of 2048 … 4096 bits,
 * P-256, P-384 and Ed25519 are taken. ERR_INVALID, field "csr". */
MUST int cert_request_read(struct str text, struct arena *a, struct cert_request *out,
			   struct err *e);

enum cert_fault {
	CERT_GOOD,
	CERT_UNTRUSTED, /* no way to a trusted root: foreign, or a look-alike */
	CERT_EXPIRED,
	CERT_NOT_YET,
	CERT_REVOKED,
	CERT_WRONG_PURPOSE,
	CERT_WRONG_NAME, /* another host, or outside an authority's name constraints */
	CERT_FAULTS
};
/* "good", "untrusted", "expired" … */
const char *cert_fault_word(enum cert_fault f);

/* What a party trusts: some roots, and lists of revoked certificates. Read-only once filled;
 * many threads. */
struct cert_trust;
/*
 * `pem`: certificates. Those signed by themselves are the roots that are trusted, at least one; the
 * others (links of an authority, its issuers: ca_chain) only help to find a way to a root when the
 * other side did not send them. At most 32. ERR_INVALID.
 */
MUST int cert_trust_new(struct str pem, struct cert_trust **out, struct err *e);
struct cert_trust *cert_trust_free(struct cert_trust *t);
void cert_trust_freep(struct cert_trust **t);
/*
 * Adds a revocation list (DER or PEM). Whoever signed it must be one of the certificates that
 * cert_trust_new got, and lead to a root: else ERR_CORRUPT. A list holds for all issuers of its
 * issuer's name (an authority keeps the name when it rolls the issuing key), and what it says holds
 * after its end too. At most CERT_CRL_MAX bytes.
 */
MUST int cert_trust_add_crl(struct cert_trust *t, struct str crl, struct err *e);
/*
 * Is this chain (leaf first; intermediates in any order after it; roots in it are ignored) good
 * at `now_ms` for `is_server` (else client) purpose, and, if `host` is not "", for that DNS name
 * or address? There may be several ways to roots; one good way is enough, else the fault of the
 * first whose signatures hold is told. A purpose must be named by the leaf; common names are no
 * hosts.
 */
enum cert_fault cert_check(const struct cert_trust *t, const struct cert *chain, size_t count,
			   int64_t now_ms, bool is_server, struct str host);
