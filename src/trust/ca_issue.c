/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Certificates of an authority, field by field (RFC 5280 section 4). Verifiers at their strictest
 * (`openssl verify -x509_strict`) want key identifiers everywhere, key usage and basic constraints
 * critical, and a subject for whoever signs.
 */
#include "trust/ca_impl.h"
#include "trust/wipe.h"

static void constraints_freep(gnutls_x509_name_constraints_t *n)
{
	if (*n)
		gnutls_x509_name_constraints_deinit(*n);
}

/* Random, positive, always 16 bytes: nobody guesses the next one, and none comes twice. */
static int set_serial(gnutls_x509_crt_t crt, char text[static CERT_SERIAL_SIZE])
{
	uint8_t serial[CERT_SERIAL_BYTES];
	trust_random(serial, sizeof serial);
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	(void)cert_serial_text(serial, sizeof serial, text);
	return gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
}

static int set_subject(gnutls_x509_crt_t crt, const struct ca_cert *c)
{
	const char *unit = ca_kind_word(c->unit);
	int rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
					       c->cloud.p, (unsigned)c->cloud.n);
	if (rc == 0)
		rc = gnutls_x509_crt_set_dn_by_oid(crt,
						   GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, 0,
						   unit, (unsigned)strlen(unit));
	if (rc == 0 && c->common.n)
		rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
						   c->common.p, (unsigned)c->common.n);
	return rc;
}

static int set_names(gnutls_x509_crt_t crt, const struct ca_cert *c)
{
	int rc = 0;
	if (c->uri.n)
		rc = gnutls_x509_crt_set_subject_alt_name(
			crt, GNUTLS_SAN_URI, c->uri.p, (unsigned)c->uri.n, GNUTLS_FSAN_APPEND);
	for (size_t i = 0; c->names && i < c->names->count && rc == 0; i++) {
		struct str name = c->names->items[i];
		uint8_t bytes[16];
		size_t n = cert_address(name, bytes);
		rc = gnutls_x509_crt_set_subject_alt_name(
			crt, n ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
			n ? (const void *)bytes : name.p, (unsigned)(n ? n : name.n),
			GNUTLS_FSAN_APPEND);
	}
	return rc;
}

static int set_key(gnutls_x509_crt_t crt, const struct ca_cert *c, bool *is_rsa)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	gnutls_datum_t der = datum_of(c->public);
	struct hash name = hash_of(c->public);
	int rc = gnutls_pubkey_init(&p);
	if (rc == 0)
		rc = gnutls_pubkey_import(p, &der, GNUTLS_X509_FMT_DER);
	if (rc == 0)
		rc = gnutls_x509_crt_set_pubkey(crt, p);
	if (rc < 0)
		return rc;
	*is_rsa = gnutls_pubkey_get_pk_algorithm(p, NULL) == GNUTLS_PK_RSA;
	/* RFC 7093 section 2, method 4 of a SubjectPublicKeyInfo: the first 160 bits. */
	return gnutls_x509_crt_set_subject_key_id(crt, name.bytes, 20);
}

static int set_purposes(gnutls_x509_crt_t crt, const struct ca_cert *c, bool is_rsa)
{
	unsigned usage = c->is_authority ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
					 : GNUTLS_KEY_DIGITAL_SIGNATURE;
	if (is_rsa && !c->is_authority)
		usage |= GNUTLS_KEY_KEY_ENCIPHERMENT;
	int rc = gnutls_x509_crt_set_basic_constraints(crt, c->is_authority,
						       c->is_authority ? c->path_length : -1);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_usage(crt, usage);
	if (rc == 0 && c->is_client)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, CERT_OID_CLIENT, 0);
	if (rc == 0 && c->is_server)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, CERT_OID_SERVER, 0);
	return rc;
}

/* Only those DNS subtrees, and no address at all (RFC 5280 4.2.1.10: address and mask, zero). */
static int set_limits(gnutls_x509_crt_t crt, const struct cert_names *permitted)
{
	gnutls_x509_name_constraints_t nc CLEAN(constraints_freep) = NULL;
	unsigned char zero[32] = {0};
	gnutls_datum_t all4 = {zero, 8}, all6 = {zero, 32};
	int rc = gnutls_x509_name_constraints_init(&nc);
	for (size_t i = 0; i < permitted->count && rc == 0; i++) {
		gnutls_datum_t d = datum_of(permitted->items[i]);
		rc = gnutls_x509_name_constraints_add_permitted(nc, GNUTLS_SAN_DNSNAME, &d);
	}
	if (rc == 0)
		rc = gnutls_x509_name_constraints_add_excluded(nc, GNUTLS_SAN_IPADDRESS, &all4);
	if (rc == 0)
		rc = gnutls_x509_name_constraints_add_excluded(nc, GNUTLS_SAN_IPADDRESS, &all6);
	if (rc == 0)
		rc = gnutls_x509_crt_set_name_constraints(crt, nc, 1);
	return rc;
}

static int set_issuer_key(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	uint8_t id[CERT_KEY_ID_MAX];
	size_t n = sizeof id;
	int rc = gnutls_x509_crt_get_subject_key_id(issuer, id, &n, NULL);
	return rc < 0 ? rc : gnutls_x509_crt_set_authority_key_id(crt, id, n);
}

static int set_all(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, const struct ca_cert *c,
		   char serial[static CERT_SERIAL_SIZE])
{
	bool is_rsa = false;
	int rc = gnutls_x509_crt_set_version(crt, 3);
	if (rc == 0)
		rc = set_serial(crt, serial);
	if (rc == 0)
		rc = gnutls_x509_crt_set_activation_time(crt, (time_t)(c->from_ms / 1000));
	if (rc == 0)
		rc = gnutls_x509_crt_set_expiration_time(crt, (time_t)(c->to_ms / 1000));
	if (rc == 0)
		rc = set_subject(crt, c);
	if (rc == 0)
		rc = set_key(crt, c, &is_rsa);
	if (rc == 0)
		rc = set_names(crt, c);
	if (rc == 0)
		rc = set_purposes(crt, c, is_rsa);
	if (rc == 0 && c->permitted)
		rc = set_limits(crt, c->permitted);
	if (rc == 0)
		rc = set_issuer_key(crt, issuer);
	return rc;
}

static int check_limits(const struct cert_names *names, gnutls_x509_name_constraints_t limits,
			struct err *e)
{
	for (size_t i = 0; i < names->count; i++) {
		uint8_t bytes[16];
		size_t n = cert_address(names->items[i], bytes);
		gnutls_datum_t d =
			n ? (gnutls_datum_t){bytes, (unsigned)n} : datum_of(names->items[i]);
		if (!gnutls_x509_name_constraints_check(
			    limits, n ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, &d))
			return err_field(e, "names",
					 "has %" STR_F ", which this authority may not sign",
					 STR_A(names->items[i]));
	}
	return 0;
}

MUST int ca_cert_sign(const struct ca_cert *c, const gnutls_x509_crt_t *issuer,
		      const struct key *signer, struct arena *a, struct str *out,
		      char serial[static CERT_SERIAL_SIZE], struct err *e)
{
	gnutls_x509_crt_t crt CLEAN(crt_freep) = NULL;
	gnutls_datum_t der CLEAN(datum_freep) = {NULL, 0};
	if (c->limits && check_limits(c->names, *c->limits, e) < 0)
		return -1;
	int rc = gnutls_x509_crt_init(&crt);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_MEMORY, rc, "certificate");
	gnutls_x509_crt_t by = issuer ? *issuer : crt;
	rc = set_all(crt, by, c, serial);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "certificate");
	rc = gnutls_x509_crt_privkey_sign(
		crt, by, key_handle(signer),
		key_kind_of(signer) == KEY_P256 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_UNKNOWN, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_BROKEN, rc, "sign a certificate");
	*out = arena_dup(a, datum_str(&der));
	return arena_check(a, e);
}

MUST int ca_root_make(const struct key *k, struct str cloud, enum ca_kind kind, int64_t number,
		      int64_t now_ms, struct arena *a, struct str *out, struct err *e)
{
	char serial[CERT_SERIAL_SIZE];
	struct ca_cert c = {
		.public = key_public(k),
		.cloud = cloud,
		.common = arena_fmt(a, "%" STR_F " %s root %lld", STR_A(cloud),
				    ca_kind_word(kind), (long long)number),
		.unit = kind,
		.from_ms = now_ms - CA_SKEW_MS,
		.to_ms = now_ms + CA_ROOT_DAYS * CA_DAY_MS,
		.is_authority = true,
		.path_length = -1,
	};
	return ca_cert_sign(&c, NULL, k, a, out, serial, e);
}

MUST int ca_issuer_make(struct str public, gnutls_x509_crt_t root, const struct key *root_key,
			int64_t now_ms, struct arena *a, struct str *out, struct err *e)
{
	char serial[CERT_SERIAL_SIZE];
	int64_t root_to_ms = (int64_t)gnutls_x509_crt_get_expiration_time(root) * 1000;
	struct ca_cert c = {
		.public = public,
		.from_ms = now_ms - CA_SKEW_MS,
		.to_ms = MIN_OF(now_ms + CA_ISSUER_DAYS * CA_DAY_MS, root_to_ms),
		.is_authority = true,
	};
	if (root_to_ms <= now_ms)
		return err_fail(e, ERR_UNSUPPORTED, "the root has ended: roll it over");
	if (ca_subject_read(root, a, &c.cloud, &c.unit, e) < 0)
		return -1;
	/* The same name for each of its issuers: a revocation list holds for the name. */
	c.common = arena_fmt(a, "%" STR_F " %s issuer", STR_A(c.cloud), ca_kind_word(c.unit));
	c.path_length = c.unit == CA_SERVICES ? 1 : 0;
	return ca_cert_sign(&c, &root, root_key, a, out, serial, e);
}

static int part_of(gnutls_x509_crt_t crt, const char *oid, struct arena *a, struct str *out,
		   struct err *e)
{
	char text[256];
	size_t n = sizeof text;
	int rc = gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, text, &n);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "not an authority's certificate");
	*out = arena_dup(a, str_of(text, n));
	return arena_check(a, e);
}

MUST int ca_subject_read(gnutls_x509_crt_t crt, struct arena *a, struct str *cloud,
			 enum ca_kind *kind, struct err *e)
{
	struct str unit;
	if (part_of(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, a, cloud, e) < 0 ||
	    part_of(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, a, &unit, e) < 0)
		return -1;
	for (enum ca_kind k = 0; k < CA_KINDS; k++)
		if (str_is(unit, ca_kind_word(k))) {
			*kind = k;
			return 0;
		}
	return err_fail(e, ERR_CORRUPT, "not a certificate of authority users or services");
}
