/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the fault loops need of trust: authorities, made once a program; a key's request,
 * certificate and statement as they came from openssl, so that every run is the same; a token
 * whose secret is known.
 */
#include <stdlib.h>

#include "base/file.h"
#include "store/certificate.h"
#include "store/delegation.h"
#include "store/domain.h"
#include "store/identity.h"
#include "store/token.h"
#include "trust/ca.h"

/* A request by Ana's key, within quotes of JSON. */
#define TRUST_CSR \
	"-----BEGIN CERTIFICATE REQUEST-----\\n" \
	"MIHIMHACAQAwDjEMMAoGA1UEAwwDYW5hMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\\n" \
	"QgAEMwl3lIvrxmhTxo45Dnmj7yit6Ow0nwZI07UaUfyXHPlVx7fLTrJAaBRYB1sM\\n" \
	"HBFkH0bD6M+vnWNaVwSK6ad7WaAAMAoGCCqGSM49BAMCA0gAMEUCIFChCiM26DXx\\n" \
	"a1KGDxIIR8WBvYjptb/Z0/tN/JH3IJmXAiEA7sKlw1LX7Mh4PdbTE01nums9uoGt\\n" \
	"l26h5BaMF3kTXEc=\\n" \
	"-----END CERTIFICATE REQUEST-----\\n"
/* Her certificate, signed by herself: only its key is asked for. */
#define TRUST_CERT \
	"-----BEGIN CERTIFICATE-----\n" \
	"MIIBszCCAVigAwIBAgIUCicRHOjPJpipxXnWRcWxOlD1CWIwCgYIKoZIzj0EAwIw\n" \
	"DjEMMAoGA1UEAwwDYW5hMCAXDTI2MTEyMjAwNDU1NVoYDzIwODEwODI1MDA0NTU1\n" \
	"WjAOMQwwCgYDVQQDDANhbmEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQzCXeU\n" \
	"i+vGaFPGjjkOeaPvKK3o7DSfBkjTtRpR/Jcc+VXHt8tOskBoFFgHWwwcEWQfRsPo\n" \
	"z6+dY1pXBIrpp3tZo4GRMIGOMB0GA1UdDgQWBBR4IJsvM+m/xqasfxR+Yqv8cM5s\n" \
	"bDAfBgNVHSMEGDAWgBR4IJsvM+m/xqasfxR+Yqv8cM5sbDAZBgNVHREEEjAQhg5o\n" \
	"b2M6cGVyc29uOmFuYTAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNV\n" \
	"HSUEDDAKBggrBgEFBQcDAjAKBggqhkjOPQQDAgNJADBGAiEArJ24pZvCUUvdNo0p\n" \
	"/ome8p1nVpEjK4WWv9NpQQQilgQCIQC1Sl+OJtDD06Ek7b/AMKzZNenwZCK7Kf24\n" \
	"P0beIpn2lg==\n" \
	"-----END CERTIFICATE-----\n"
#define TRUST_RECIPIENT "age1ej39lt7zjkjyavzv90vzf8hndldfsfcyfgny68gu62pw7f4ek95qp78q79"
/* The key signed "hoc-seal-key-v1\nperson\nana\nRECIPIENT\n". */
#define TRUST_STATEMENT \
	"MEQCIE3hD1xR23F86ypA1tgTCiw-c1wbkCtIlCrDHObzU1idAiB-OoZbXlbXsxro2SQaDeyWkCfaj-" \
	"2LT23QDcODtT-ciA"
/* SHA-256 of "ana": what cloud_by shows as her key. */
#define TRUST_ANA "24d4b96f58da6d4a8512313bbd02a28ebf0ca95dec6e4c86ef78ce7f01e788ac"
#define TRUST_SECRET "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TRUST_TOKEN "hoc1.p.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU." TRUST_SECRET

/* An authority of each kind, the same for every cloud. */
static const struct ca *trust_ca(enum ca_kind kind)
{
	static struct ca *made[CA_KINDS];
	char parent[] = "/tmp/hoc-fault-ca-XXXXXX", dir[sizeof parent + 8];
	struct err e = ERR_INIT;
	if (made[kind])
		return made[kind];
	if (!mkdtemp(parent))
		abort();
	(void)snprintf(dir, sizeof dir, "%s/ca", parent);
	const struct ca_make make = {
		.dir = dir,
		.kind = kind,
		.cloud = S("fault"),
		.passphrase = S(""),
		.key_kind = KEY_P256,
		.now_ms = INT64_C(1790000000000),
	};
	if (ca_make(&make, &e) < 0 || ca_open(dir, S(""), &made[kind], &e) < 0 ||
	    file_remove_tree(parent, &e) < 0) {
		printf("    stage: %s\n", e.text);
		abort();
	}
	return made[kind];
}

static int trust_certificate(struct db_tx *tx, const char *serial, const char *kind,
			     const char *owner, int64_t customer_id, int64_t now_ms,
			     struct err *e)
{
	bool is_person = strcmp(kind, "person") == 0;
	struct certificate x = {
		.serial = str_from(serial),
		.authority = is_person ? S("users") : S("services"),
		.kind = str_from(kind),
		.owner = str_from(owner),
		.names_json = S("[]"),
		.customer_id = customer_id,
		.key_name = is_person ? S(TRUST_ANA) : S("00"),
		.pem = S(TRUST_CERT),
		.from_ms = now_ms,
		.to_ms = now_ms + INT64_C(30) * 24 * 3600 * 1000,
	};
	return store_certificate_add(tx, &x, e);
}

/* Ana's certificate, one of a service and one of a node; a token for Eve; a domain; n1 may issue. */
static int trust_work(struct db_tx *tx, struct arena *a, int64_t customer_id, int64_t node_id,
		      int64_t now_ms, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct hash h = hash_of(S(TRUST_SECRET));
	hash_text(&h, name);
	struct token t = {
		.hash = str_from(name),
		.kind = S("person"),
		.name = S("eve"),
		.roles = S("auditor"),
		.customer_id = customer_id,
		.customer_role = S("member"),
		.is_new = true,
		.made_by = S("op"),
		.created_at_ms = now_ms,
		.expires_at_ms = now_ms + INT64_C(24) * 3600 * 1000,
	};
	if (trust_certificate(tx, "0a", "person", "ana", 0, now_ms, e) < 0 ||
	    trust_certificate(tx, "0b", "service", "web", customer_id, now_ms, e) < 0 ||
	    trust_certificate(tx, "0c", "authority", "n1", 0, now_ms, e) < 0 ||
	    store_token_add(tx, &t, e) < 0 ||
	    store_delegation_set(tx, node_id, S("[]"), now_ms, e) < 0)
		return -1;
	return store_domain_add(tx, a, S("example.com"), customer_id, now_ms, e) < 0 ? -1 : 0;
}
