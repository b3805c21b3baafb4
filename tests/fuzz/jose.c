/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: trust base */
/*
 * Keys and signatures of strangers: lines of the input are the members of a JWK (kty crv x y n e),
 * the protected header, the payload and the signature. A text that was read as base 64 is the one
 * that its bytes are written as; a key that was taken has one name.
 */
#include "trust/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LINES = 9 };

static void round_trip(struct str text, struct arena *a)
{
	struct err e = ERR_INIT;
	struct str bytes;
	if (base64url_read(text, a, &bytes, &e) == 0)
		ASSERT(str_eq(base64url(bytes, a), text));
	if (base64_read(text, a, &bytes, &e) == 0)
		ASSERT(str_eq(base64(bytes, a), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct str line[LINES] = {{NULL, 0}}, rest = str_of((const char *)data, n), der, sig;
	struct hash name;
	ASSERT(arena_new((size_t)16 << 20, &a, &e) == 0);
	for (size_t i = 0; i < LINES; i++)
		if (str_split(&rest, '\n', &line[i]))
			round_trip(line[i], a);
	const struct jwk k = {line[0], line[1], line[2], line[3], line[4], line[5]};
	if (jwk_public(&k, a, &der, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_UNSUPPORTED ||
		       e.kind == ERR_MEMORY);
		ASSERT(jwk_thumbprint(&k, a, &name, &e) < 0);
		return 0;
	}
	ASSERT(jwk_thumbprint(&k, a, &name, &e) == 0);
	if (base64url_read(line[8], a, &sig, &e) == 0)
		for (unsigned alg = 0; alg < JOSE_ALGS; alg++)
			(void)jws_is_good((enum jose_alg)alg, der, line[6], line[7], sig);
	return 0;
}
