/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: trust base */
/*
 * What browsers send: the first byte says whether the rest is an attestation object or
 * authenticator data. A key that was taken has a sane size; nothing that is no signature logs in.
 */
#include "trust/webauthn.h"
#include "trust/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void skip_all(struct str rest)
{
	struct err e = ERR_INIT;
	while (rest.n) {
		size_t before = rest.n;
		if (cbor_skip(&rest, &e) < 0)
			return;
		ASSERT(rest.n < before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct webauthn_expected x = {
		.challenge = S_INIT("0123456789abcdef0123456789abcdef"),
		.origin = S_INIT("https://cloud.example"),
		.rp_id = S_INIT("cloud.example")};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct webauthn_key key = {.public = S(""), .id = S("")};
	uint32_t count = 0;
	if (n == 0)
		return 0;
	ASSERT(arena_new((size_t)1 << 20, &a, &e) == 0);
	struct str rest = str_of((const char *)data + 1, n - 1);
	struct webauthn_client c = {.json = S("{}"),
				    .type = data[0] & 1 ? S("webauthn.create")
							: S("webauthn.get"),
				    .challenge = x.challenge,
				    .origin = x.origin};
	skip_all(rest);
	if (data[0] & 1) {
		if (webauthn_register(&x, &c, rest, a, &key, &e) == 0)
			ASSERT(key.id.n > 0 && key.id.n <= WEBAUTHN_ID_MAX &&
			       key.public.n <= WEBAUTHN_PUBLIC_MAX);
		else
			ASSERT(e.kind == ERR_INVALID || e.kind == ERR_TOO_LARGE ||
			       e.kind == ERR_MEMORY || e.kind == ERR_UNSUPPORTED);
	} else {
		ASSERT(webauthn_login(&x, &c, &key, rest, S("none"), a, &count, &e) < 0);
	}
	return 0;
}
