/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keys and signatures by GnuTLS, HMAC and base 64 by libsodium.
 *
 * A JWK becomes a SubjectPublicKeyInfo once; everything after that works on the DER, so that the
 * algorithm a message names is compared with what the key is, never the other way round. Members
 * of a JWK have exactly one spelling here (full length coordinates, no leading zero of a modulus):
 * one key has one thumbprint.
 */
#include "trust/jose.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "trust/sodium_impl.h"

enum {
	RSA_MIN_BYTES = 256, /* 2048 bits */
	RSA_MAX_BYTES = 512,
	EXPONENT_MAX_BYTES = 8,
	DER_MAX_BYTES = 1024,
};

static const char *const alg_words[JOSE_ALGS] = {
	[JOSE_ES256] = "ES256", [JOSE_ES384] = "ES384", [JOSE_RS256] = "RS256",
	[JOSE_EDDSA] = "EdDSA", [JOSE_HS256] = "HS256",
};

MUST int jose_alg_read(struct str word, enum jose_alg *out, struct err *e)
{
	for (unsigned i = 0; i < JOSE_ALGS; i++)
		if (str_is(word, alg_words[i])) {
			*out = (enum jose_alg)i;
			return 0;
		}
	(void)err_field(e, "alg", "is none of ES256, ES384, RS256, EdDSA");
	e->kind = ERR_UNSUPPORTED;
	return -1;
}

/* ---- base 64 ------------------------------------------------------------------------------- */

/* The library takes some bytes beyond ASCII for digits. */
static bool is_ascii(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return false;
	return true;
}

MUST static int read_64(struct str text, int variant, struct arena *a, struct str *out,
			struct err *e)
{
	size_t n = 0;
	char *bytes = arena_alloc(a, text.n / 4 * 3 + 4);
	if (!bytes)
		return arena_check(a, e);
	/* Without an end pointer the whole text has to be read; rest bits must be zero. */
	if (!is_ascii(text) ||
	    (text.n && sodium_base642bin((uint8_t *)bytes, text.n / 4 * 3 + 3, text.p, text.n,
					 NULL, &n, NULL, variant) != 0))
		return err_fail(
			e, ERR_INVALID, "is not base64%s",
			variant == sodium_base64_VARIANT_ORIGINAL ? "" : "url without padding");
	*out = str_of(bytes, n);
	return 0;
}

static struct str write_64(struct str bytes, int variant, struct arena *a)
{
	size_t size = sodium_base64_encoded_len(bytes.n, variant);
	char *text = arena_alloc(a, size);
	if (!text)
		return S("");
	(void)sodium_bin2base64(text, size, (const uint8_t *)bytes.p, bytes.n, variant);
	return str_of(text, size - 1);
}

MUST int base64url_read(struct str text, struct arena *a, struct str *out, struct err *e)
{
	return read_64(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING, a, out, e);
}

struct str base64url(struct str bytes, struct arena *a)
{
	return write_64(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING, a);
}

MUST int base64_read(struct str text, struct arena *a, struct str *out, struct err *e)
{
	return read_64(text, sodium_base64_VARIANT_ORIGINAL, a, out, e);
}

struct str base64(struct str bytes, struct arena *a)
{
	return write_64(bytes, sodium_base64_VARIANT_ORIGINAL, a);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void pubkey_freep(gnutls_pubkey_t *k)
{
	if (*k)
		gnutls_pubkey_deinit(*k);
}

static gnutls_datum_t datum(struct str s)
{
	union {
		const char *read;
		unsigned char *write; /* the library only reads */
	} p = {.read = s.p};
	return (gnutls_datum_t){p.write, (unsigned)s.n};
}

struct curve {
	const char *kty, *crv;
	gnutls_ecc_curve_t id;
	size_t bytes;
};
static const struct curve curves[] = {
	{"EC", "P-256", GNUTLS_ECC_CURVE_SECP256R1, 32},
	{"EC", "P-384", GNUTLS_ECC_CURVE_SECP384R1, 48},
	{"OKP", "Ed25519", GNUTLS_ECC_CURVE_ED25519, 32},
};

MUST static int bad_jwk(struct err *e, enum err_kind kind, const char *why)
{
	(void)err_field(e, "jwk", "%s", why);
	e->kind = kind;
	return -1;
}

/* A member as bytes; its fault is the key's. */
MUST static int member(struct str text, const char *name, struct arena *a, struct str *out,
		       struct err *e)
{
	if (!text.n)
		return err_field(e, "jwk", "lacks %s", name);
	if (base64url_read(text, a, out, e) == 0)
		return 0;
	return e->kind == ERR_INVALID ? err_field(e, "jwk", "%s is not base64url", name) : -1;
}

MUST static int import_curve(gnutls_pubkey_t key, const struct jwk *k, struct arena *a,
			     struct err *e)
{
	const struct curve *c = NULL;
	struct str x, y = {NULL, 0};
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (str_is(k->kty, curves[i].kty) && str_is(k->crv, curves[i].crv))
			c = &curves[i];
	if (!c)
		return bad_jwk(e, ERR_UNSUPPORTED, "is of none of P-256, P-384, Ed25519, RSA");
	bool has_y = c->id != GNUTLS_ECC_CURVE_ED25519;
	if (member(k->x, "x", a, &x, e) < 0 || (has_y && member(k->y, "y", a, &y, e) < 0))
		return -1;
	if (x.n != c->bytes || (has_y && y.n != c->bytes))
		return bad_jwk(e, ERR_INVALID, "has coordinates of a wrong length");
	gnutls_datum_t dx = datum(x), dy = datum(y);
	if (gnutls_pubkey_import_ecc_raw(key, c->id, &dx, has_y ? &dy : NULL) < 0 ||
	    (has_y && gnutls_pubkey_verify_params(key) < 0))
		return bad_jwk(e, ERR_INVALID, "is no point of its curve");
	return 0;
}

/* Odd, not 1, and not so long that verifying is work. */
static bool is_exponent(struct str x)
{
	bool is_one = x.n == 1 && x.p[0] == 1;
	return x.n <= EXPONENT_MAX_BYTES && (x.p[x.n - 1] & 1) && !is_one;
}

MUST static int import_rsa(gnutls_pubkey_t key, const struct jwk *k, struct arena *a,
			   struct err *e)
{
	struct str n, x;
	if (member(k->n, "n", a, &n, e) < 0 || member(k->e, "e", a, &x, e) < 0)
		return -1;
	if (!n.n || !x.n || !n.p[0] || !x.p[0])
		return bad_jwk(e, ERR_INVALID, "has a number with leading zeros");
	if (n.n < RSA_MIN_BYTES || n.n > RSA_MAX_BYTES || !(n.p[0] & 0x80))
		return bad_jwk(e, ERR_UNSUPPORTED,
			       "RSA has 2048 to 4096 bits, a multiple of 8");
	if (!(n.p[n.n - 1] & 1) || !is_exponent(x))
		return bad_jwk(e, ERR_INVALID, "has a weak modulus or exponent");
	gnutls_datum_t dn = datum(n), de = datum(x);
	if (gnutls_pubkey_import_rsa_raw(key, &dn, &de) < 0)
		return bad_jwk(e, ERR_INVALID, "is no RSA key");
	return 0;
}

MUST static int pubkey_new(gnutls_pubkey_t *out, struct err *e)
{
	return gnutls_pubkey_init(out) < 0 ? err_fail(e, ERR_MEMORY, "out of memory") : 0;
}

MUST int jwk_public(const struct jwk *k, struct arena *a, struct str *out_der, struct err *e)
{
	gnutls_pubkey_t key CLEAN(pubkey_freep) = NULL;
	size_t n = DER_MAX_BYTES;
	if (pubkey_new(&key, e) < 0)
		return -1;
	int rc = str_is(k->kty, "RSA") ? import_rsa(key, k, a, e) : import_curve(key, k, a, e);
	if (rc < 0)
		return -1;
	char *der = arena_alloc(a, DER_MAX_BYTES);
	if (!der)
		return arena_check(a, e);
	if (gnutls_pubkey_export(key, GNUTLS_X509_FMT_DER, der, &n) < 0)
		return bad_jwk(e, ERR_INVALID, "cannot be written as a public key");
	*out_der = str_of(der, n);
	return 0;
}

MUST int jwk_thumbprint(const struct jwk *k, struct arena *a, struct hash *out, struct err *e)
{
	struct str text, der;
	/* What jwk_public takes has members that need no escapes. */
	if (jwk_public(k, a, &der, e) < 0)
		return -1;
	if (str_is(k->kty, "RSA"))
		text = arena_fmt(a,
				 "{\"e\":\"%" STR_F "\",\"kty\":\"RSA\",\"n\":\"%" STR_F "\"}",
				 STR_A(k->e), STR_A(k->n));
	else if (str_is(k->kty, "OKP"))
		text = arena_fmt(
			a, "{\"crv\":\"%" STR_F "\",\"kty\":\"OKP\",\"x\":\"%" STR_F "\"}",
			STR_A(k->crv), STR_A(k->x));
	else
		text = arena_fmt(a,
				 "{\"crv\":\"%" STR_F "\",\"kty\":\"EC\",\"x\":\"%" STR_F
				 "\",\"y\":\"%" STR_F "\"}",
				 STR_A(k->crv), STR_A(k->x), STR_A(k->y));
	if (arena_check(a, e) < 0)
		return -1;
	*out = hash_of(text);
	return 0;
}

/* ---- signatures ---------------------------------------------------------------------------- */

struct fit {
	gnutls_pk_algorithm_t pk;
	gnutls_ecc_curve_t curve; /* of ECDSA */
	gnutls_sign_algorithm_t sign;
	size_t half; /* bytes of R and of S */
};
static const struct fit fits[JOSE_ALGS] = {
	[JOSE_ES256] = {GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP256R1, GNUTLS_SIGN_ECDSA_SHA256,
			32},
	[JOSE_ES384] = {GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP384R1, GNUTLS_SIGN_ECDSA_SHA384,
			48},
	[JOSE_RS256] = {GNUTLS_PK_RSA, GNUTLS_ECC_CURVE_INVALID, GNUTLS_SIGN_RSA_SHA256, 0},
	[JOSE_EDDSA] = {GNUTLS_PK_EDDSA_ED25519, GNUTLS_ECC_CURVE_INVALID,
			GNUTLS_SIGN_EDDSA_ED25519, 0},
};

static bool is_of_curve(gnutls_pubkey_t key, gnutls_ecc_curve_t want)
{
	gnutls_ecc_curve_t curve;
	gnutls_datum_t x = {NULL, 0}, y = {NULL, 0};
	if (gnutls_pubkey_export_ecc_raw2(key, &curve, &x, &y, 0) < 0)
		return false;
	gnutls_free(x.data);
	gnutls_free(y.data);
	return curve == want;
}

/* Without leading zeros, as DER has its numbers. */
static gnutls_datum_t number(struct str s)
{
	while (s.n > 1 && !s.p[0])
		s = str_sub(s, 1, s.n);
	return datum(s);
}

static bool verify(gnutls_pubkey_t key, const struct fit *f, struct str message,
		   struct str signature)
{
	gnutls_datum_t data = datum(message), sig = datum(signature), der = {NULL, 0};
	if (!f->half)
		return gnutls_pubkey_verify_data2(key, f->sign, 0, &data, &sig) >= 0;
	if (signature.n != 2 * f->half || !is_of_curve(key, f->curve))
		return false;
	gnutls_datum_t r = number(str_sub(signature, 0, f->half));
	gnutls_datum_t s = number(str_sub(signature, f->half, f->half));
	if (gnutls_encode_rs_value(&der, &r, &s) < 0)
		return false;
	bool is_good = gnutls_pubkey_verify_data2(key, f->sign, 0, &data, &der) >= 0;
	gnutls_free(der.data);
	return is_good;
}

bool jws_is_good(enum jose_alg alg, struct str public_der, struct str protected64,
		 struct str payload64, struct str signature)
{
	gnutls_pubkey_t key CLEAN(pubkey_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(protected64.n + payload64.n + 1);
	struct err ignored;
	gnutls_datum_t der = datum(public_der);
	if (alg == JOSE_HS256 || gnutls_pubkey_init(&key) < 0 ||
	    gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER) < 0)
		return false;
	if (gnutls_pubkey_get_pk_algorithm(key, NULL) != (int)fits[alg].pk)
		return false;
	buf_add(&b, protected64);
	buf_add_c(&b, '.');
	buf_add(&b, payload64);
	return buf_check(&b, &ignored) == 0 && verify(key, &fits[alg], buf_str(&b), signature);
}

static struct hash hmac_of(struct str key, const struct str *parts, size_t count)
{
	struct hash h;
	crypto_auth_hmacsha256_state state;
	(void)crypto_auth_hmacsha256_init(&state, (const uint8_t *)key.p, key.n);
	for (size_t i = 0; i < count; i++)
		(void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)parts[i].p,
						    parts[i].n);
	(void)crypto_auth_hmacsha256_final(&state, h.bytes);
	sodium_memzero(&state, sizeof state);
	return h;
}

struct hash hmac_sha256(struct str key, struct str message)
{
	return hmac_of(key, &message, 1);
}

bool jws_hmac_is_good(struct str key, struct str protected64, struct str payload64,
		      struct str signature)
{
	const struct str parts[] = {protected64, S("."), payload64};
	struct hash h = hmac_of(key, parts, ARRAY_LEN(parts));
	bool is_good = signature.n == HASH_BYTES &&
		       sodium_memcmp(h.bytes, signature.p, HASH_BYTES) == 0;
	sodium_memzero(&h, sizeof h);
	return is_good;
}
