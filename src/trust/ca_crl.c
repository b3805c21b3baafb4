/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Revocation lists (RFC 5280 section 5), written here byte by byte: the library that signs
 * certificates cannot say a reason, and a list is simple.
 *
 *     CertificateList ::= { tbsCertList, algorithm, signature }
 *     tbsCertList     ::= { 1, algorithm, issuer, thisUpdate, nextUpdate,
 *                           { { serial, date, { reason } } … }, [0] { AKI, number } }
 */
#include "trust/ca_impl.h"

enum {
	TAG_INTEGER = 0x02,
	TAG_BITS = 0x03,
	TAG_BYTES = 0x04,
	TAG_ENUM = 0x0a,
	TAG_UTC_TIME = 0x17,
	TAG_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_KEY_ID = 0x80, /* [0] IMPLICIT */
	TAG_EXTENSIONS = 0xa0,
};

/* DER of object identifiers, and of the two algorithms, whole. */
#define OID_REASON "\x06\x03\x55\x1d\x15"
#define OID_NUMBER "\x06\x03\x55\x1d\x14"
#define OID_AUTHORITY_ID "\x06\x03\x55\x1d\x23"

static const struct str algorithms[KEY_KINDS] = {
	[KEY_P256] = S_INIT("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"),
	[KEY_ED25519] = S_INIT("\x30\x05\x06\x03\x2b\x65\x70"),
};

static void put(struct buf *b, uint8_t tag, struct str content)
{
	char head[6] = {(char)tag};
	size_t n = 2;
	if (content.n < 0x80) {
		head[1] = (char)content.n;
	} else {
		size_t bytes = content.n > 0xffff ? 3 : content.n > 0xff ? 2 : 1;
		ASSERT(content.n <= 0xffffff);
		head[1] = (char)(0x80 | bytes);
		for (size_t i = bytes; i > 0; i--)
			head[n++] = (char)(content.n >> 8 * (i - 1) & 0xff);
	}
	buf_add(b, str_of(head, n));
	buf_add(b, content);
}

/* A positive integer of some bytes, most significant first. */
static void put_integer(struct buf *b, uint8_t tag, const uint8_t *bytes, size_t n)
{
	char text[32] = {0};
	while (n > 1 && !*bytes) {
		bytes++;
		n--;
	}
	size_t pad = bytes[0] & 0x80 ? 1 : 0;
	ASSERT(n + pad <= sizeof text);
	memcpy(text + pad, bytes, n);
	put(b, tag, str_of(text, n + pad));
}

static void put_number(struct buf *b, uint8_t tag, int64_t number)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)((uint64_t)number >> 8 * (sizeof bytes - 1 - i));
	put_integer(b, tag, bytes, sizeof bytes);
}

/* UTCTime before 2050, GeneralizedTime from then on (RFC 5280 4.1.2.5). */
static void put_time(struct buf *b, int64_t at_ms)
{
	struct date d = date_at(at_ms);
	int64_t s = (at_ms - date_ms(d)) / 1000;
	bool is_utc = d.year < 2050;
	char text[32];
	(void)snprintf(text, sizeof text, "%0*d%02d%02d%02d%02d%02dZ", is_utc ? 2 : 4,
		       is_utc ? d.year % 100 : d.year, d.month, d.day, (int)(s / 3600),
		       (int)(s / 60 % 60), (int)(s % 60));
	put(b, is_utc ? TAG_UTC_TIME : TAG_TIME, str_from(text));
}

/* SEQUENCE { oid, OCTET STRING { value } } */
static void put_extension(struct buf *b, struct str oid, struct str value)
{
	char text[128];
	ASSERT(value.n < 64);
	size_t n = oid.n;
	memcpy(text, oid.p, n);
	text[n++] = TAG_BYTES;
	text[n++] = (char)value.n;
	memcpy(text + n, value.p, value.n);
	put(b, TAG_SEQUENCE, str_of(text, n + value.n));
}

static int put_revoked(struct buf *list, const struct ca_revoked *r, struct buf *entry,
		       struct err *e)
{
	uint8_t serial[20];
	struct buf reason CLEAN(buf_fini) = BUF_INIT(64), ext CLEAN(buf_fini) = BUF_INIT(128);
	if (!r->serial.n || r->serial.n % 2 || r->serial.n > 2 * sizeof serial ||
	    str_unhex(r->serial, serial, r->serial.n / 2, e) < 0)
		return err_field(e, "serial", "is no serial of a certificate");
	if (r->reason < 0 || r->reason > 10 || r->reason == 7)
		return err_field(e, "reason", "is none of RFC 5280");
	buf_clear(entry);
	put_integer(entry, TAG_INTEGER, serial, r->serial.n / 2);
	put_time(entry, r->at_ms);
	if (r->reason) { /* "unspecified" is said by silence */
		put_number(&reason, TAG_ENUM, r->reason);
		put_extension(&ext, S(OID_REASON), buf_str(&reason));
		put(entry, TAG_SEQUENCE, buf_str(&ext));
	}
	put(list, TAG_SEQUENCE, buf_str(entry));
	return buf_check(&reason, e) < 0 || buf_check(&ext, e) < 0 || buf_check(entry, e) < 0
		       ? -1
		       : 0;
}

/* [0] { { authority's key id, number } } */
static int put_extensions(struct buf *out, const struct ca *ca, int64_t number, struct err *e)
{
	struct buf all CLEAN(buf_fini) = BUF_INIT(512), one CLEAN(buf_fini) = BUF_INIT(256),
		       id CLEAN(buf_fini) = BUF_INIT(256);
	uint8_t key[CERT_KEY_ID_MAX];
	size_t n = sizeof key;
	int rc = gnutls_x509_crt_get_subject_key_id(ca->issuer, key, &n, NULL);
	if (rc < 0 || n > 32)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "key id of the issuer");
	put(&id, TAG_KEY_ID, str_of((const char *)key, n));
	put(&one, TAG_SEQUENCE, buf_str(&id));
	put_extension(&all, S(OID_AUTHORITY_ID), buf_str(&one));
	buf_clear(&one);
	put_number(&one, TAG_INTEGER, number);
	put_extension(&all, S(OID_NUMBER), buf_str(&one));
	buf_clear(&one);
	put(&one, TAG_SEQUENCE, buf_str(&all));
	put(out, TAG_EXTENSIONS, buf_str(&one));
	return buf_check(&all, e) < 0 || buf_check(&one, e) < 0 || buf_check(&id, e) < 0 ? -1
											 : 0;
}

/* Everything that is signed. */
static int put_body(struct buf *out, const struct ca *ca, const struct ca_revoked *revoked,
		    size_t count, int64_t number, int64_t now_ms, int64_t days, struct err *e)
{
	struct buf list CLEAN(buf_fini) = BUF_INIT(CERT_CRL_MAX);
	struct buf entry CLEAN(buf_fini) = BUF_INIT(256);
	gnutls_datum_t issuer CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_x509_crt_get_raw_dn(ca->issuer, &issuer);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "name of the issuer");
	put_number(out, TAG_INTEGER, 1); /* version 2 */
	buf_add(out, algorithms[key_kind_of(ca->signer)]);
	buf_add(out, datum_str(&issuer));
	put_time(out, now_ms);
	put_time(out, now_ms + days * CA_DAY_MS);
	for (size_t i = 0; i < count; i++)
		if (put_revoked(&list, &revoked[i], &entry, e) < 0)
			return err_in(e, "revocation %zu", i + 1);
	if (buf_check(&list, e) < 0)
		return -1;
	if (list.n) /* an empty one must be left out */
		put(out, TAG_SEQUENCE, buf_str(&list));
	return put_extensions(out, ca, number, e);
}

MUST int ca_crl(const struct ca *ca, const struct ca_revoked *revoked, size_t count,
		int64_t number, int64_t now_ms, int64_t days, struct arena *a, struct str *out,
		struct err *e)
{
	struct buf body CLEAN(buf_fini) = BUF_INIT(CERT_CRL_MAX);
	struct buf tbs CLEAN(buf_fini) = BUF_INIT(CERT_CRL_MAX);
	struct buf whole CLEAN(buf_fini) = BUF_INIT(CERT_CRL_MAX);
	struct str signature;
	if (number < 0 || days <= 0)
		return err_field(e, number < 0 ? "number" : "days", "is out of range");
	if (now_ms >= ca->to_ms)
		return err_fail(e, ERR_UNSUPPORTED, "the issuer has ended: roll it over");
	if (put_body(&body, ca, revoked, count, number, now_ms, days, e) < 0 ||
	    buf_check(&body, e) < 0)
		return -1;
	put(&tbs, TAG_SEQUENCE, buf_str(&body));
	if (buf_check(&tbs, e) < 0 || key_sign(ca->signer, buf_str(&tbs), a, &signature, e) < 0)
		return -1;
	buf_clear(&body);
	buf_add(&body, str_of("", 1)); /* no unused bits */
	buf_add(&body, signature);
	buf_add(&whole, buf_str(&tbs));
	buf_add(&whole, algorithms[key_kind_of(ca->signer)]);
	put(&whole, TAG_BITS, buf_str(&body));
	buf_clear(&tbs);
	put(&tbs, TAG_SEQUENCE, buf_str(&whole));
	if (buf_check(&body, e) < 0 || buf_check(&whole, e) < 0 || buf_check(&tbs, e) < 0)
		return -1;
	*out = arena_dup(a, buf_str(&tbs));
	return arena_check(a, e);
}
