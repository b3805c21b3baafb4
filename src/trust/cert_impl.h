/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files about certificates share: cert.c (reading), cert_request.c, cert_path.c (ways to
 * a root), cert_check.c (trust) and ca*.c.
 */
#include "trust/cert.h"
#include "trust/gnutls_impl.h"

enum {
	CERT_NAME_MAX = 253, /* bytes of a DNS name (RFC 1035) */
	CERT_KEY_ID_MAX = 64,
	CERT_DN_MAX = 1024,
	CERT_WAY_MAX = 6, /* certificates of a way, leaf and root included */
	CERT_POOL_MAX = 64,
};

#define CERT_OID_SERVER "1.3.6.1.5.5.7.3.1"
#define CERT_OID_CLIENT "1.3.6.1.5.5.7.3.2"
#define CERT_OID_ANY "2.5.29.37.0"

/*
 * A DNS name as certificates hold it: lower-case copy of letters, digits, '-', '_' and dots, maybe
 * a first label "*"; or an address as text, in its one usual form. ERR_INVALID (field "names").
 */
MUST int cert_name_take(struct str text, struct arena *a, struct str *out, struct err *e);
/* The bytes of an address (4 or 16), or 0 if the text is none. */
size_t cert_address(struct str text, uint8_t out[static 16]);
/* "person" … of a URI "hoc:person:NAME", and NAME. False: not such a URI, or not a good NAME. */
bool cert_uri_read(struct str uri, enum cert_kind *out_kind, struct str *out_name);
/* May NAME stand in a URI and a subject? 1 … 64 of letters, digits, '.', '_', '@', '-'. */
bool cert_is_name(struct str name);

/* One alternative name of a certificate or a request, and who reads the n-th. */
typedef int cert_san_fn(const void *of, unsigned n, void *out, size_t *size, unsigned *type);
struct cert_san {
	struct cert_names names;
	struct str uri; /* the one that begins with "hoc:", or "" */
};
MUST int cert_san_read(cert_san_fn *read, const void *of, struct arena *a, struct cert_san *out,
		       struct err *e);

/* Is that public key one that a certificate may be made for (see cert_request_read)? ERR_INVALID,
 * field "csr". */
MUST int cert_public_check(gnutls_pubkey_t p, enum key_kind *out_kind, unsigned *out_bits,
			   struct err *e);

/* Handles of a text of one or more certificates (DER: one; PEM: up to `max`). The caller frees
 * each. ERR_INVALID. */
MUST int cert_import(struct str text, gnutls_x509_crt_t *out, size_t max, size_t *count,
		     struct err *e);
/* All of cert.h about one. */
MUST int cert_learn(gnutls_x509_crt_t crt, struct arena *a, struct cert *out, struct err *e);
/* Hex of a serial without the sign's zero byte; false if it is too long. */
bool cert_serial_text(const uint8_t *bytes, size_t n, char out[static CERT_SERIAL_SIZE]);
/* Is it the name of the certificate (exact, or by its wildcard for one label)? */
bool cert_has_host(const struct cert *c, struct str host);

/* What matters of a certificate for being part of a way. */
struct cert_link {
	gnutls_x509_crt_t crt;		  /* owned */
	struct str der, subject, issuer;  /* raw names */
	struct str key_id, issuer_key_id; /* "" if it has none */
	char serial[CERT_SERIAL_SIZE];
	bool is_signer, is_list_signer; /* of certificates, of revocation lists */
	bool is_limited, is_for_client, is_for_server; /* extended key usages, if any */
	bool is_root;				       /* trusted: ways end here */
	int path_length;			       /* -1: no limit */
	int64_t from_ms, to_ms;
};
/* Takes the handle over, also when it fails. Texts in `a`. */
MUST int cert_link_init(struct cert_link *l, gnutls_x509_crt_t crt, struct arena *a,
			struct err *e);
void cert_link_fini(struct cert_link *l);
/* Signed by itself: issuer and subject, and their key ids, are the same. */
bool cert_link_is_own(const struct cert_link *l);

/* Ways from a leaf to a root, one after another. */
struct cert_way {
	const struct cert_link *at[CERT_WAY_MAX]; /* leaf first, root last */
	size_t count;
};
struct cert_walk {
	const struct cert_link *pool[CERT_POOL_MAX]; /* who may come after the leaf */
	size_t pool_count;
	size_t next[CERT_WAY_MAX]; /* of the pool, per depth */
	size_t steps;
	struct cert_way way;
};
void cert_walk_init(struct cert_walk *w, const struct cert_link *leaf);
/* Adds somebody who may come after the leaf; beyond CERT_POOL_MAX he is left out. */
void cert_walk_add(struct cert_walk *w, const struct cert_link *l);
/* The next way by names, key ids and path lengths (no signature was checked); false: no more. */
bool cert_walk_next(struct cert_walk *w);
/* Signatures and name constraints of a way: good, untrusted or wrong-name. */
enum cert_fault cert_way_check(const struct cert_way *w);
