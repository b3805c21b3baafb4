/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "trust/jose_cert.h"

#include <gnutls/x509.h>

#include "trust/jose.h"

enum { ID_MAX = 64, SERIAL_MAX = 21 };

static void crt_freep(gnutls_x509_crt_t *c)
{
	if (*c)
		gnutls_x509_crt_deinit(*c);
}

MUST int jose_cert_id(struct str der, struct arena *a, struct str *out, struct err *e)
{
	gnutls_x509_crt_t crt CLEAN(crt_freep) = NULL;
	char aki[ID_MAX], serial[ID_MAX];
	size_t aki_n = sizeof aki, serial_n = sizeof serial;
	union {
		const char *read;
		unsigned char *write; /* the library only reads */
	} p = {.read = der.p};
	const gnutls_datum_t data = {p.write, (unsigned)der.n};
	if (gnutls_x509_crt_init(&crt) < 0)
		return err_fail(e, ERR_MEMORY, "out of memory");
	if (gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_DER) < 0)
		return err_fail(e, ERR_INVALID, "is no certificate");
	if (gnutls_x509_crt_get_authority_key_id(crt, aki, &aki_n, NULL) < 0 ||
	    gnutls_x509_crt_get_serial(crt, serial, &serial_n) < 0)
		return err_fail(e, ERR_INVALID, "the certificate does not name its authority");
	*out = arena_fmt(a, "%" STR_F ".%" STR_F, STR_A(base64url(str_of(aki, aki_n), a)),
			 STR_A(base64url(str_of(serial, serial_n), a)));
	return arena_check(a, e);
}

MUST int jose_cert_id_serial(struct str id, struct arena *a, struct str *out, struct err *e)
{
	struct str serial;
	char hex[2 * SERIAL_MAX + 1];
	size_t point = str_find_char(id, '.');
	if (point == 0 || point >= id.n ||
	    base64url_read(str_sub(id, point + 1, id.n), a, &serial, e) < 0 || !serial.n ||
	    serial.n > SERIAL_MAX)
		return err_fail(e, ERR_INVALID, "is not AKI.SERIAL, both base64url");
	while (serial.n > 1 && !serial.p[0])
		serial = str_sub(serial, 1, serial.n);
	str_hex((const uint8_t *)serial.p, serial.n, hex);
	*out = arena_dup(a, str_from(hex));
	return arena_check(a, e);
}
