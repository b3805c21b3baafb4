/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The inside of an authority, for ca.c (open, sign), ca_issue.c (certificates), ca_dir.c (a
 * directory made), ca_roll.c (rollovers, offline root) and ca_crl.c (revocation lists).
 */
#include "trust/ca.h"
#include "trust/cert_impl.h"
#include "trust/key_impl.h"

enum {
	CA_PATH_BYTES = 4096,
	CA_FILE_BYTES = 1 << 20,
	CA_WORK_BYTES = 16 << 20,
	CA_CERTS_MAX = 32, /* in one file of a directory */
};

#define CA_DAY_MS 86400000LL

struct ca {
	enum ca_kind kind;
	struct arena *a;				 /* all texts */
	struct str cloud, roots, sent_roots, chain, der; /* der: the issuer's certificate */
	struct key *own;				 /* owned, or NULL: */
	const struct key *signer;			 /* own, or the caller's */
	gnutls_x509_crt_t issuer;
	gnutls_x509_name_constraints_t limits; /* NULL: none */
	bool may_delegate;
	int64_t from_ms, to_ms, root_to_ms;
	struct hash root;
};

/* A certificate to be made. */
struct ca_cert {
	struct str public; /* DER */
	struct str cloud, common;
	enum ca_kind unit;
	int64_t from_ms, to_ms;
	bool is_authority, is_client, is_server;
	int path_length;			      /* of an authority; -1: no limit */
	struct str uri;				      /* "" if none */
	const struct cert_names *names, *permitted;   /* NULL: none */
	const gnutls_x509_name_constraints_t *limits; /* names must be within; NULL: anywhere */
};
/* Signs it as `issuer` (NULL: it is its own) with that one's key. *out: DER. */
MUST int ca_cert_sign(const struct ca_cert *c, const gnutls_x509_crt_t *issuer,
		      const struct key *signer, struct arena *a, struct str *out,
		      char serial[static CERT_SERIAL_SIZE], struct err *e);
/* A fresh root, number `number` of that authority, by itself: DER. */
MUST int ca_root_make(const struct key *k, struct str cloud, enum ca_kind kind, int64_t number,
		      int64_t now_ms, struct arena *a, struct str *out, struct err *e);
/* The issuer's certificate under a root; also what a root's owner signs offline. */
MUST int ca_issuer_make(struct str public, gnutls_x509_crt_t root, const struct key *root_key,
			int64_t now_ms, struct arena *a, struct str *out, struct err *e);
/* Cloud and kind of an authority's certificate, from its subject. ERR_CORRUPT. */
MUST int ca_subject_read(gnutls_x509_crt_t crt, struct arena *a, struct str *cloud,
			 enum ca_kind *kind, struct err *e);

/* A file of a directory: 1 if there is none. */
MUST int ca_file_read(const char *dir, const char *name, struct arena *a, struct str *out,
		      struct err *e);
MUST int ca_file_write(const char *dir, const char *name, struct str text, struct err *e);
/* "DIR/NAME" in `a`. */
const char *ca_path(const char *dir, const char *name, struct arena *a);
/* The key of DIR/NAME.key: plain, sealed, or (NAME.uri) in a token. 1: there is none. */
MUST int ca_key_open(const char *dir, const char *name, struct str secret, struct arena *a,
		     struct key **out, struct err *e);
/* What of a secret opens the issuer's key, and what the root's: see ca.h. */
struct str ca_secret_of_issuer(struct str secret);
struct str ca_secret_of_root(struct str secret);
/* The certificate among those of `pem` whose key has that name. 1: none. */
MUST int ca_cert_of_key(struct str pem, const struct hash *key, struct arena *a,
			gnutls_x509_crt_t *out, struct err *e);
/* Has the certificate `der` a way to a root of `roots` (with the help of `links`) by signatures? */
MUST int ca_is_under(struct str der, struct str roots, struct str links, bool *out,
		     struct err *e);
/* All certificates of `fresh`, then those of `old`, as PEM: each once, none that has ended. */
MUST int ca_merge(struct str fresh, struct str old, int64_t now_ms, struct arena *a,
		  struct str *out, struct err *e);
/* The authority's root, for those who have its key: the key, its certificate. */
struct ca_root {
	struct key *key;
	gnutls_x509_crt_t crt;
};
void ca_root_fini(struct ca_root *r);
/* 1: the root's key is not here. */
MUST int ca_root_open(const char *dir, struct str secret, struct arena *a, struct ca_root *out,
		      struct err *e);
/* Writes a fresh key as DIR/NAME.key (sealed if the passphrase is not ""), over a stale one. */
MUST int ca_key_write(const char *dir, const char *name, const struct key *k,
		      struct str passphrase, struct err *e);
/* A file of the directory takes another's place, durably. */
MUST int ca_rename(const char *dir, const char *from, const char *to, struct err *e);
