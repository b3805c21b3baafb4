/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Private keys inside a PKCS #11 token. p11-kit finds the modules (pkcs11.conf(5)); the private
 * half is made in the token, sensitive and private, and every signature is the token's work.
 *
 * A pin is offered once: a token locks itself after a few wrong ones, so nobody asks twice here.
 * The library takes a pin for a key that is there through a function, and for one that is to be
 * made only in the URI; that URI is wiped afterwards.
 */
#include <gnutls/pkcs11.h>

#include "trust/key_impl.h"
#include "trust/wipe.h"

enum { URI_SIZE = 1024, LABEL_SIZE = 128 };

static int give_pin(void *user, int attempt, const char *uri UNUSED, const char *label UNUSED,
		    unsigned flags, char *pin, size_t size)
{
	const struct key *k = user;
	if (attempt > 0 || (flags & GNUTLS_PIN_WRONG) || !*k->pin)
		return -1;
	return (size_t)snprintf(pin, size, "%s", k->pin) < size ? 0 : -1;
}

static int token_fail(struct err *e, int rc, const char *what)
{
	static const struct {
		int rc;
		enum err_kind kind;
	} kinds[] = {
		{GNUTLS_E_PKCS11_PIN_ERROR, ERR_FORBIDDEN},
		{GNUTLS_E_PKCS11_PIN_EXPIRED, ERR_FORBIDDEN},
		{GNUTLS_E_PKCS11_PIN_LOCKED, ERR_FORBIDDEN},
		{GNUTLS_E_PKCS11_REQUESTED_OBJECT_NOT_AVAILBLE, ERR_NOT_FOUND},
		{GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE, ERR_NOT_FOUND},
		{GNUTLS_E_PKCS11_UNSUPPORTED_FEATURE_ERROR, ERR_UNSUPPORTED},
		{GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM, ERR_UNSUPPORTED},
		{GNUTLS_E_PARSING_ERROR, ERR_INVALID},
	};
	enum err_kind kind = ERR_IO;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].rc == rc)
			kind = kinds[i].kind;
	return gnutls_fail_impl(e, kind, rc, what);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The decoded value of attribute "object" of a URI (RFC 7512). */
static int label_of(const char *uri, char out[static LABEL_SIZE], struct err *e)
{
	struct str rest = str_from(uri), part;
	size_t n = 0;
	if (!str_starts(rest, S("pkcs11:")))
		return err_field(e, "uri", "does not begin with pkcs11:");
	rest = str_sub(rest, 7, rest.n);
	rest.n = str_find_char(rest, '?');
	while (str_split(&rest, ';', &part)) {
		if (!str_starts(part, S("object=")))
			continue;
		for (size_t i = 7; i < part.n && n < LABEL_SIZE - 1; i++) {
			int high = -1, low = -1;
			if (part.p[i] == '%' && i + 2 < part.n) {
				high = hex_value(part.p[i + 1]);
				low = hex_value(part.p[i + 2]);
			}
			bool is_coded = high >= 0 && low >= 0;
			out[n++] = is_coded ? (char)(high << 4 | low) : part.p[i];
			i += is_coded ? 2 : 0;
		}
	}
	out[n] = '\0';
	return n ? 0 : err_field(e, "uri", "names no object");
}

struct pin_uri {
	char p[URI_SIZE];
};

static void pin_uri_wipe(struct pin_uri *u)
{
	trust_wipe(u, sizeof *u);
}

/* The URI with the pin in its query. */
static int uri_with_pin(const char *uri, const char *pin, struct pin_uri *out, struct err *e)
{
	int n = snprintf(out->p, sizeof out->p, "%s%cpin-value=", uri,
			 strchr(uri, '?') ? '&' : '?');
	for (const unsigned char *c = (const unsigned char *)pin; *c; c++)
		if (n > 0 && (size_t)n < sizeof out->p)
			n += snprintf(out->p + n, sizeof out->p - (size_t)n, "%%%02X", *c);
	if (n < 0 || (size_t)n >= sizeof out->p)
		return err_field(e, "uri", "is too long");
	return 0;
}

static int make_in_token(const char *uri, const char *pin, enum key_kind kind, struct err *e)
{
	gnutls_datum_t public CLEAN(datum_freep) = {NULL, 0};
	struct pin_uri whole CLEAN(pin_uri_wipe);
	char label[LABEL_SIZE];
	bool is_p256 = kind == KEY_P256;
	if (label_of(uri, label, e) < 0 || uri_with_pin(uri, pin, &whole, e) < 0)
		return -1;
	int rc = gnutls_pkcs11_privkey_generate3(
		whole.p, is_p256 ? GNUTLS_PK_ECDSA : GNUTLS_PK_EDDSA_ED25519,
		is_p256 ? (unsigned)GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) : 256,
		label, NULL, GNUTLS_X509_FMT_DER, &public, 0,
		GNUTLS_PKCS11_OBJ_FLAG_LOGIN | GNUTLS_PKCS11_OBJ_FLAG_MARK_SENSITIVE |
			GNUTLS_PKCS11_OBJ_FLAG_MARK_PRIVATE);
	return rc < 0 ? token_fail(e, rc, "make a key in the token") : 0;
}

MUST int key_open_token(const char *uri, struct str pin, enum key_kind kind, bool is_made,
			struct key **out, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	char label[LABEL_SIZE];
	if (label_of(uri, label, e) < 0 || key_new(&k, e) < 0)
		return -1;
	if (pin.n >= sizeof k->pin || (pin.n && memchr(pin.p, 0, pin.n)))
		return err_field(e, "pin", "is no pin of a token");
	if (pin.n)
		memcpy(k->pin, pin.p, pin.n);
	gnutls_privkey_set_pin_function(k->handle, give_pin, k);
	int rc = gnutls_privkey_import_url(k->handle, uri, GNUTLS_PKCS11_OBJ_FLAG_LOGIN);
	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE && is_made) {
		if (make_in_token(uri, k->pin, kind, e) < 0)
			return -1;
		rc = gnutls_privkey_import_url(k->handle, uri, GNUTLS_PKCS11_OBJ_FLAG_LOGIN);
	}
	if (rc < 0)
		return token_fail(e, rc, "key in a token");
	if (key_learn(k, e) < 0)
		return -1;
	*out = k;
	k = NULL;
	return 0;
}
