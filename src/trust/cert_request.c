/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests (PKCS #10). What a request asks for is only a wish: the authority takes the key, whose
 * owner signed the request, and decides about names itself.
 */
#include "trust/cert_impl.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, CN_BYTES = 256 };

void crq_freep(gnutls_x509_crq_t *c)
{
	if (*c)
		gnutls_x509_crq_deinit(*c);
}

static int add_names(gnutls_x509_crq_t crq, const struct cert_names *names, struct arena *a,
		     struct err *e)
{
	for (size_t i = 0; i < names->count; i++) {
		uint8_t bytes[16];
		struct str name;
		if (cert_name_take(names->items[i], a, &name, e) < 0)
			return -1;
		size_t n = cert_address(name, bytes);
		int rc = gnutls_x509_crq_set_subject_alt_name(
			crq, n ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
			n ? (const void *)bytes : name.p, (unsigned)(n ? n : name.n),
			GNUTLS_FSAN_APPEND);
		if (rc < 0)
			return gnutls_fail_impl(e, ERR_INVALID, rc, "names");
	}
	return 0;
}

static int sign_request(gnutls_x509_crq_t crq, const struct key *k, struct err *e)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	int rc = gnutls_pubkey_init(&p);
	if (rc == 0)
		rc = gnutls_pubkey_import_privkey(p, key_handle(k), 0, 0);
	if (rc == 0)
		rc = gnutls_x509_crq_set_pubkey(crq, p);
	if (rc == 0)
		rc = gnutls_x509_crq_privkey_sign(crq, key_handle(k), GNUTLS_DIG_UNKNOWN, 0);
	return rc < 0 ? gnutls_fail_impl(e, ERR_BROKEN, rc, "sign the request") : 0;
}

MUST int cert_request_make(const struct key *k, struct str common_name,
			   const struct cert_names *names, struct arena *a, struct str *out,
			   struct err *e)
{
	gnutls_x509_crq_t crq CLEAN(crq_freep) = NULL;
	gnutls_datum_t pem CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_x509_crq_init(&crq);
	if (rc == 0)
		rc = gnutls_x509_crq_set_version(crq, 1);
	if (rc == 0 && common_name.n)
		rc = gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0,
						   common_name.p, (unsigned)common_name.n);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "request");
	if (add_names(crq, names, a, e) < 0 || sign_request(crq, k, e) < 0)
		return -1;
	rc = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INTERNAL, rc, "request");
	*out = arena_dup(a, datum_str(&pem));
	return arena_check(a, e);
}

static bool is_good_rsa(gnutls_pubkey_t p, unsigned bits)
{
	gnutls_datum_t m CLEAN(datum_freep) = {NULL, 0}, x CLEAN(datum_freep) = {NULL, 0};
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX ||
	    gnutls_pubkey_export_rsa_raw2(p, &m, &x, GNUTLS_EXPORT_FLAG_NO_LZ) < 0 || !x.size)
		return false;
	/* An even or tiny exponent is no RSA; a huge one only costs its reader time. */
	return (x.data[x.size - 1] & 1) && (x.size > 1 || x.data[0] >= 3) && x.size <= 8;
}

MUST int cert_public_check(gnutls_pubkey_t p, enum key_kind *out_kind, unsigned *out_bits,
			   struct err *e)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	unsigned bits = 0;
	int algorithm = gnutls_pubkey_get_pk_algorithm(p, &bits);
	bool is_good = key_kind_of_public(p) != KEY_KINDS;
	if (algorithm == GNUTLS_PK_RSA)
		is_good = is_good_rsa(p, bits);
	else if (algorithm == GNUTLS_PK_ECDSA)
		is_good |= gnutls_pubkey_export_ecc_raw2(p, &curve, NULL, NULL, 0) == 0 &&
			   curve == GNUTLS_ECC_CURVE_SECP384R1;
	if (!is_good)
		return err_field(e, "csr",
				 "has a key that is not taken: P-256, P-384, Ed25519, "
				 "and RSA of 2048 to 4096 bits are");
	*out_kind = key_kind_of_public(p);
	*out_bits = bits;
	return 0;
}

static int crq_san(const void *of, unsigned n, void *out, size_t *size, unsigned *type)
{
	gnutls_x509_crq_t const *crq = of;
	return gnutls_x509_crq_get_subject_alt_name(*crq, n, out, size, type, NULL);
}

static int learn_common(gnutls_x509_crq_t crq, struct arena *a, struct str *out, struct err *e)
{
	char text[CN_BYTES];
	size_t n = sizeof text;
	int rc =
		gnutls_x509_crq_get_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &n);
	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		n = 0;
	else if (rc < 0)
		return err_field(e, "csr", "has a common name that is not readable");
	if (!str_is_utf8(str_of(text, n)) || memchr(text, 0, n))
		return err_field(e, "csr", "has a common name that is no text");
	*out = arena_dup(a, str_of(text, n));
	return arena_check(a, e);
}

static int learn_request(gnutls_x509_crq_t crq, struct arena *a, struct cert_request *r,
			 struct err *e)
{
	gnutls_datum_t der CLEAN(datum_freep) = {NULL, 0};
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	struct cert_san san;
	int rc = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_DER, &der);
	if (rc == 0)
		rc = gnutls_pubkey_init(&p);
	if (rc == 0)
		rc = gnutls_pubkey_import_x509_crq(p, crq, 0);
	if (rc < 0)
		return err_field(e, "csr", "is not readable: %s", gnutls_strerror(rc));
	if (cert_public_check(p, &r->kind, &r->key_bits, e) < 0)
		return -1;
	if (gnutls_x509_crq_verify(crq, 0) < 0)
		return err_field(e, "csr", "is not signed by the owner of its key");
	if (cert_san_read(crq_san, &crq, a, &san, e) < 0)
		return e->kind == ERR_MEMORY
			       ? -1
			       : err_field(e, "csr", "has names that are not readable");
	if (key_public_der(p, a, &r->public, e) < 0 ||
	    learn_common(crq, a, &r->common_name, e) < 0)
		return -1;
	r->key = hash_of(r->public);
	r->names = san.names;
	r->der = arena_dup(a, datum_str(&der));
	return arena_check(a, e);
}

MUST int cert_request_read(struct str text, struct arena *a, struct cert_request *out,
			   struct err *e)
{
	gnutls_x509_crq_t crq CLEAN(crq_freep) = NULL;
	struct cert_request r = {.kind = KEY_KINDS};
	gnutls_datum_t d = datum_of(text);
	bool is_der = text.n && text.p[0] == 0x30;
	if (!text.n || text.n > 2 * CERT_DER_MAX)
		return err_field(e, "csr", "is empty or longer than %d bytes",
				 2 * CERT_DER_MAX);
	int rc = gnutls_x509_crq_init(&crq);
	if (rc == 0)
		rc = gnutls_x509_crq_import(crq, &d,
					    is_der ? GNUTLS_X509_FMT_DER : GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return err_field(e, "csr", "is no certificate request: %s",
				 gnutls_strerror(rc));
	if (learn_request(crq, a, &r, e) < 0)
		return -1;
	*out = r;
	return 0;
}
