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
	"MIHJMHACAQAwDjEMMAoGA1UEAwwDYW5hMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\\n" \
	"QgAEy6/DPOP4i6UCCIrxUcX4FsfwF+0wl6GzrFlnxNn2F1g2Q05+A9y1TDBk3E/V\\n" \
	"XnsRTGvWS9YjBSSbwYxX8k4WxKAAMAoGCCqGSM49BAMCA0kAMEYCIQCwFZ4KMDtW\\n" \
	"tQFVwBUQb90lEbxsnwCPFj2gFAVua1RA0AIhALRrTA2YfjiZchcEK0aLB/t9HsiJ\\n" \
	"/TF4iTmdzF9EaCCw\\n" \
	"-----END CERTIFICATE REQUEST-----\\n"
/* Her certificate, signed by herself: only its key is asked for. */
#define TRUST_CERT \
	"-----BEGIN CERTIFICATE-----\n" \
	"MIIBjzCCATWgAwIBAgIUQM5LMQR4jFS1bi4VdHttj6mzUggwCgYIKoZIzj0EAwIw\n" \
	"DjEMMAoGA1UEAwwDYW5hMCAXDTI2MTEyMjAxMjExOFoYDzIwODEwODI1MDEyMTE4\n" \
	"WjAOMQwwCgYDVQQDDANhbmEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATLr8M8\n" \
	"4/iLpQIIivFRxfgWx/AX7TCXobOsWWfE2fYXWDZDTn4D3LVMMGTcT9VeexFMa9ZL\n" \
	"1iMFJJvBjFfyThbEo28wbTAZBgNVHREEEjAQhg5ob2M6cGVyc29uOmFuYTAMBgNV\n" \
	"HRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAKBggrBgEFBQcDAjAd\n" \
	"BgNVHQ4EFgQUxK+aS+e8woWPtjbOBhYYGOhDAkIwCgYIKoZIzj0EAwIDSAAwRQIg\n" \
	"J+q6AVJoy6glbWNq0r+S1H6tA/TQHCo5mNFsUPhKMPwCIQCwqlK077PcRoc+KM0u\n" \
	"pWSeGqQ0z3Rj2OO0UjH4380Dyg==\n" \
	"-----END CERTIFICATE-----\n"
#define TRUST_RECIPIENT "age1ej39lt7zjkjyavzv90vzf8hndldfsfcyfgny68gu62pw7f4ek95qp78q79"
/* The key signed "hoc-seal-key-v1\nperson\nana\nRECIPIENT\n". */
#define TRUST_STATEMENT \
	"MEQCIEKW0cwRfiFGASIkXLGmwEqord0R1jB1_PJaJ0Hxpya0AiBZvnX_SdALa-Zrxnhraz" \
	"nbr9iGiOXBLTHgy2O5O04FSA"
/* The log's root when it has one entry, and her signature "hoc-log-witness-v1\nfault\n1\nROOT\n". */
#define TRUST_ROOT "022efe2656017de34289a69e361cd294a1e05100d4be5e18c6d335b5b2f484dd"
#define TRUST_WITNESS \
	"MEUCIQD6crcZIWXHYZGw3Lw2IXUXeK3TNg_NSQ6Z-HsgbeJ8mQIgEEB-speclsUk-syC1W" \
	"ttJxRzyyzkIE4uVoKJ08aw0gY"
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

/* A master's key, the same for every cloud. */
static const struct key *trust_key(void)
{
	static struct key *made;
	struct err e = ERR_INIT;
	if (!made && key_make(KEY_ED25519, &made, &e) < 0)
		abort();
	return made;
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
