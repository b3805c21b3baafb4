/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Vectors of RFC 7515 (appendix A), RFC 7638, RFC 8037, RFC 4231; and what has to be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trust/jose.h"

#define JOE \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290" \
	"Ijp0" \
	"cnVlfQ"
#define RSA_N \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-" \
	"4qPCJrcS2mJPMEzP1Pt" \
	"0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-" \
	"bSf63kpaSHSX" \
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-" \
	"UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5" \
	"IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define WEAK_N \
	"uC_k7DcebxDXuMqY2_" \
	"NL35qtkKFC48GKyVbAXckcex4oeHocWYGtxwmGgceEAixMXkl7ZWKSwBfu7Sc4TxVbUAJN" \
	"3oRAbLb8kyJWifRHKvoACQnJm7iFAnoaeFYWiLw7MW1xboxi8ahhGstQuQHw5xh0FrieWDGfGqkJMxYflgE"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

/* clang-format off */
static const struct jwk key_rs256 = {.kty = S_INIT("RSA"), .n = S_INIT(RSA_N), .e = S_INIT("AQAB")};
static const struct jwk key_es256 = {.kty = S_INIT("EC"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X), .y = S_INIT(EC_Y)};
static const struct jwk key_eddsa = {.kty = S_INIT("OKP"), .crv = S_INIT("Ed25519"), .x = S_INIT(ED_X)};
/* Made for this test; R begins with a zero byte. */
static const struct jwk key_es384 = {.kty = S_INIT("EC"), .crv = S_INIT("P-384"),
	.x = S_INIT("MLznTIcxZllWx5ifzIEFmvgeLXCyvzluWXOjXMZvyBm50kBsSyigum_N2TF6G7Jx"),
	.y = S_INIT("a2CzA5o-uOJcRm0o-oiXSwIPjHACSSJaShK0w6my1v5qSJzYikkyVczoo5RIaBuD")};

struct signed_text { const char *source; const struct jwk *key; enum jose_alg alg; const char *protected64, *payload64, *signature; };
static const struct signed_text texts[] = {
	{"RFC 7515 A.2", &key_rs256, JOSE_RS256, "eyJhbGciOiJSUzI1NiJ9", JOE,
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
		"jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
		"1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
		"YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
	{"RFC 7515 A.3", &key_es256, JOSE_ES256, "eyJhbGciOiJFUzI1NiJ9", JOE,
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
	{"RFC 8037 A.4", &key_eddsa, JOSE_EDDSA, "eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
	{"own ES384", &key_es384, JOSE_ES384, "eyJhbGciOiJFUzM4NCJ9", "dGVzdCBkYXRh",
		"AMMHVgQ8Y_yd0BFeaQ5kJpAVrVKmkP1oTPaGY5F6E5qAAJFlgpbIXLk1_nuq3Hxn5SI1roGqjLXIAKCLivb8a7FTW8a-"
		"0WcdERfzty2UWC27W51blwgM326A3vKjhXg2"},
};
/* clang-format on */

static struct str bytes_of(struct arena *a, const char *text64)
{
	struct err e = ERR_INIT;
	struct str out;
	assert_int_equal(base64url_read(str_from(text64), a, &out, &e), 0);
	return out;
}

static void signatures_of_the_rfcs_are_good(void **state)
{
	struct arena *a = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct signed_text *t = &texts[i];
		struct str der, sig = bytes_of(a, t->signature),
				head = str_from(t->protected64);
		print_message("%s\n", t->source);
		assert_int_equal(jwk_public(t->key, a, &der, &e), 0);
		assert_true(jws_is_good(t->alg, der, head, str_from(t->payload64), sig));
		assert_false(jws_is_good(t->alg, der, head, S("eyJ9"), sig));
		assert_false(jws_is_good(t->alg, der, S("eyJ9"), str_from(t->payload64), sig));
		assert_false(jws_is_good(t->alg, der, head, str_from(t->payload64),
					 str_sub(sig, 0, sig.n - 1)));
		assert_false(jws_is_good(t->alg, der, head, str_from(t->payload64), S("")));
		for (unsigned other = 0; other < JOSE_ALGS; other++)
			if (other != t->alg)
				assert_false(jws_is_good((enum jose_alg)other, der, head,
							 str_from(t->payload64), sig));
	}
}

/* Every bit of a signature counts. */
static void a_changed_signature_is_bad(void **state)
{
	struct arena *a = *state;
	struct err e = ERR_INIT;
	for (size_t i = 1; i < ARRAY_LEN(texts); i++) {
		const struct signed_text *t = &texts[i];
		struct str der, sig = bytes_of(a, t->signature);
		assert_int_equal(jwk_public(t->key, a, &der, &e), 0);
		for (size_t at = 0; at < sig.n; at += 7) {
			char changed[512];
			memcpy(changed, sig.p, sig.n);
			changed[at] = (char)(changed[at] ^ 1);
			assert_false(jws_is_good(t->alg, der, str_from(t->protected64),
						 str_from(t->payload64),
						 str_of(changed, sig.n)));
		}
	}
}

static void thumbprints_are_those_of_the_rfcs(void **state)
{
	struct arena *a = *state;
	struct err e = ERR_INIT;
	struct hash h;
	const struct jwk rsa = {.kty = S("RSA"),
				.e = S("AQAB"),
				.n = S("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbb"
				       "fAAtVT86zwu1RK7aPFFx"
				       "uhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-"
				       "5JsGY4Hc5n9yBXArwl93lqt7_"
				       "RN5w6Cf0h4QyQ5v-65YGjQR0_"
				       "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQv"
				       "RL5hajrn1n91CbOpbISD08qNLyrdkt-"
				       "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
				       "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")};
	assert_int_equal(jwk_thumbprint(&rsa, a, &h, &e), 0);
	struct str text = base64url(str_of((const char *)h.bytes, sizeof h.bytes), a);
	assert_true(str_is(text, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
	assert_int_equal(jwk_thumbprint(&key_eddsa, a, &h, &e), 0);
	text = base64url(str_of((const char *)h.bytes, sizeof h.bytes), a);
	assert_true(str_is(text, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

/* clang-format off */
static const struct { const char *what; struct jwk key; enum err_kind kind; } bad_keys[] = {
	{"no kind", {.x = S_INIT(EC_X), .y = S_INIT(EC_Y)}, ERR_UNSUPPORTED},
	{"symmetric", {.kty = S_INIT("oct")}, ERR_UNSUPPORTED},
	{"curve of another kind", {.kty = S_INIT("OKP"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X)}, ERR_UNSUPPORTED},
	{"no y", {.kty = S_INIT("EC"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X)}, ERR_INVALID},
	{"not on the curve", {.kty = S_INIT("EC"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X), .y = S_INIT(EC_X)}, ERR_INVALID},
	{"short coordinate", {.kty = S_INIT("EC"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X), .y = S_INIT("AQAB")}, ERR_INVALID},
	{"padding", {.kty = S_INIT("EC"), .crv = S_INIT("P-256"), .x = S_INIT(EC_X "="), .y = S_INIT(EC_Y)}, ERR_INVALID},
	{"1024 bits", {.kty = S_INIT("RSA"), .n = S_INIT(WEAK_N), .e = S_INIT("AQAB")}, ERR_UNSUPPORTED},
	{"exponent 1", {.kty = S_INIT("RSA"), .n = S_INIT(RSA_N), .e = S_INIT("AQ")}, ERR_INVALID},
	{"even exponent", {.kty = S_INIT("RSA"), .n = S_INIT(RSA_N), .e = S_INIT("AQAA")}, ERR_INVALID},
	{"leading zero", {.kty = S_INIT("RSA"), .n = S_INIT(RSA_N), .e = S_INIT("AAEAAQ")}, ERR_INVALID},
	{"no exponent", {.kty = S_INIT("RSA"), .n = S_INIT(RSA_N)}, ERR_INVALID},
};
/* clang-format on */

static void bad_keys_are_refused(void **state)
{
	struct arena *a = *state;
	for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++) {
		struct err e = ERR_INIT;
		struct str der;
		struct hash h;
		print_message("%s\n", bad_keys[i].what);
		assert_int_equal(jwk_public(&bad_keys[i].key, a, &der, &e), -1);
		assert_int_equal(e.kind, bad_keys[i].kind);
		assert_string_equal(e.field, "jwk");
		assert_int_equal(jwk_thumbprint(&bad_keys[i].key, a, &h, &e), -1);
	}
}

static void hmac_is_that_of_the_rfcs(void **state)
{
	struct arena *a = *state;
	char hex[HASH_TEXT_SIZE];
	/* RFC 4231, test case 2. */
	struct hash h = hmac_sha256(S("Jefe"), S("what do ya want for nothing?"));
	hash_text(&h, hex);
	assert_string_equal(hex,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	/* RFC 7515 A.1. */
	struct str key = bytes_of(a, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
				     "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
	struct str head = S("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9");
	struct str sig = bytes_of(a, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
	assert_true(jws_hmac_is_good(key, head, S(JOE), sig));
	assert_false(jws_hmac_is_good(key, head, S("eyJ9"), sig));
	assert_false(jws_hmac_is_good(S("x"), head, S(JOE), sig));
	assert_false(jws_hmac_is_good(key, head, S(JOE), str_sub(sig, 0, 31)));
}

static void base64_is_strict(void **state)
{
	struct arena *a = *state;
	struct err e = ERR_INIT;
	struct str out;
	/* clang-format off */
	static const struct { const char *bytes, *url, *usual; } good[] = {
		{"", "", ""}, {"f", "Zg", "Zg=="}, {"fo", "Zm8", "Zm8="}, {"foo", "Zm9v", "Zm9v"},
		{"\xfb\xff", "-_8", "+/8="},
	};
	static const char *const bad_url[] = {"Zg==", "Z", "Zh", "Zm9", "Z g", "Zg\n", "+/8", "Zm9vZ", "Z%67", "\244dgg", "Zm9\366"};
	static const char *const bad_usual[] = {"Zg", "Zg=", "Zh==", "Zm9v\n", "-_8=", "Zg==Zg==", "\244dgg"};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(base64url_read(str_from(good[i].url), a, &out, &e), 0);
		assert_true(str_is(out, good[i].bytes));
		assert_int_equal(base64_read(str_from(good[i].usual), a, &out, &e), 0);
		assert_true(str_is(out, good[i].bytes));
		assert_true(str_is(base64url(str_from(good[i].bytes), a), good[i].url));
		assert_true(str_is(base64(str_from(good[i].bytes), a), good[i].usual));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_url); i++)
		assert_int_equal(base64url_read(str_from(bad_url[i]), a, &out, &e), -1);
	for (size_t i = 0; i < ARRAY_LEN(bad_usual); i++)
		assert_int_equal(base64_read(str_from(bad_usual[i]), a, &out, &e), -1);
}

static void algorithms_have_names(void **state UNUSED)
{
	struct err e = ERR_INIT;
	enum jose_alg alg = JOSE_ALGS;
	assert_int_equal(jose_alg_read(S("EdDSA"), &alg, &e), 0);
	assert_int_equal(alg, JOSE_EDDSA);
	static const char *const others[] = {"none", "", "es256", "RS512", "ES256 "};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(jose_alg_read(str_from(others[i]), &alg, &e), -1);
		assert_int_equal(e.kind, ERR_UNSUPPORTED);
		assert_string_equal(e.field, "alg");
	}
}

static int begin(void **state)
{
	struct err e = ERR_INIT;
	struct arena *a = NULL;
	int rc = arena_new(1 << 20, &a, &e);
	*state = a;
	return rc;
}

static int end(void **state)
{
	*state = arena_free(*state);
	return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(signatures_of_the_rfcs_are_good),
		CASE(a_changed_signature_is_bad),
		CASE(thumbprints_are_those_of_the_rfcs),
		CASE(bad_keys_are_refused),
		CASE(hmac_is_that_of_the_rfcs),
		CASE(base64_is_strict),
		CASE(algorithms_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
