/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Passkeys: registrations and logins that another implementation made (python3-cryptography, keys
 * of fixed numbers), and every way to be refused, made here with keys of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trust/cbor.h"
#include "trust/key.h"
#include "trust/webauthn.h"

/* clang-format off */
#define HEAD_ "e90764c9aba10812d67646636953d1bc58da22220b1755c301bb400d865715ef"
#define CHALLENGE_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define CLIENT(type) "{\"type\":\"webauthn." type "\",\"challenge\":\"" CHALLENGE_TEXT "\",\"origin\":\"https://cloud.example\",\"crossOrigin\":false}"

static const struct vector {
	const char *name, *public, *id, *attestation, *login, *signature;
} vectors[] = {
	{"ES256",
	 "3059301306072a8648ce3d020106082a8648ce3d03010703420004471c3e758c4904285bba7e53118ed0f524adeb0757d25bd2f8e7b0d76dfa714cdd520f7aca8a8b917acc37f51de8f0c9bbe3ad858382e702dc25a12d09f7a858",
	 "1940c3b75770548ed1dfb15d85833226",
	 "a363666d74646e6f6e656761747453746d74a06861757468446174615894" HEAD_ "45000000050000000000000000000000000000000000101940c3b75770548ed1dfb15d85833226a5010203262001215820471c3e758c4904285bba7e53118ed0f524adeb0757d25bd2f8e7b0d76dfa714c225820dd520f7aca8a8b917acc37f51de8f0c9bbe3ad858382e702dc25a12d09f7a858",
	 HEAD_ "0500000006",
	 "304402201444d777388fb03a250f0718d606f839b7f61519663941c10f8b0310957910ed0220053a51958c5a1485a12041205032b1166ff9d7625e80250d015c587119494768"},
	{"EdDSA",
	 "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
	 "3c2f9cf71583d31d423c0d6bbd3494f5",
	 "a363666d74646e6f6e656761747453746d74a06861757468446174615871" HEAD_ "45000000050000000000000000000000000000000000103c2f9cf71583d31d423c0d6bbd3494f5a401010327200621582003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
	 HEAD_ "0500000006",
	 "67fd9ee87d85c6bb1dacbc5240d4f691158cd19fe825470c24bb8d587e7867a60b559d7d3d8b3acc8f78e0585b728f4c1a895d4d244b5b0cc70222650023c306"},
};
/* clang-format on */

struct stage {
	struct arena *a;
	char challenge[32];
	struct webauthn_expected x;
	struct webauthn_client create, get;
};

static int begin(void **state)
{
	static struct stage s;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < sizeof s.challenge; i++)
		s.challenge[i] = (char)i;
	struct str challenge = str_of(s.challenge, sizeof s.challenge);
	s.x = (struct webauthn_expected){.challenge = challenge,
					 .origin = S("https://cloud.example"),
					 .rp_id = S("cloud.example")};
	s.create = (struct webauthn_client){.json = S(CLIENT("create")),
					    .type = S("webauthn.create"),
					    .challenge = challenge,
					    .origin = s.x.origin};
	s.get = (struct webauthn_client){.json = S(CLIENT("get")),
					 .type = S("webauthn.get"),
					 .challenge = challenge,
					 .origin = s.x.origin};
	*state = &s;
	return arena_new(4 << 20, &s.a, &e);
}

static int end(void **state)
{
	struct stage *s = *state;
	s->a = arena_free(s->a);
	return 0;
}

static struct str unhex(struct stage *s, const char *hex)
{
	struct err e = ERR_INIT;
	size_t n = strlen(hex) / 2;
	char *p = arena_alloc(s->a, n + 1);
	assert_int_equal(str_unhex(str_from(hex), (uint8_t *)p, n, &e), 0);
	return str_of(p, n);
}

static void another_implementation_is_understood(void **state)
{
	struct stage *s = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct webauthn_key k;
		uint32_t count = 0;
		if (webauthn_register(&s->x, &s->create, unhex(s, v->attestation), s->a, &k,
				      &e) < 0)
			fail_msg("%s: %s %s", v->name, e.field, e.text);
		assert_true(str_eq(k.public, unhex(s, v->public)));
		assert_true(str_eq(k.id, unhex(s, v->id)));
		assert_int_equal(k.count, 5);
		assert_false(k.is_backed_up);
		if (webauthn_login(&s->x, &s->get, &k, unhex(s, v->login),
				   unhex(s, v->signature), s->a, &count, &e) < 0)
			fail_msg("%s: %s %s", v->name, e.field, e.text);
		assert_int_equal(count, 6);
	}
}

/* ---- an authenticator of ours ---------------------------------------------------------------- */

enum {
	PRESENT = 1,
	VERIFIED = 4,
	MAY_BACK = 8,
	BACKED = 16,
	CREDENTIAL = 64,
	EXTENSIONS = 128
};

/* rpIdHash ‖ flags ‖ counter ‖ tail */
static struct str auth_data(struct stage *s, const char *rp, unsigned flags, uint32_t count,
			    struct str tail)
{
	struct hash h = hash_of(str_from(rp));
	char *p = arena_alloc(s->a, 37 + tail.n);
	memcpy(p, h.bytes, HASH_BYTES);
	p[32] = (char)flags;
	for (int i = 0; i < 4; i++)
		p[33 + i] = (char)(count >> (24 - 8 * i));
	memcpy(p + 37, tail.p ? tail.p : "", tail.n);
	return str_of(p, 37 + tail.n);
}

static struct str join(struct stage *s, struct str x, struct str y)
{
	char *p = arena_alloc(s->a, x.n + y.n + 1);
	memcpy(p, x.p, x.n);
	memcpy(p + x.n, y.p, y.n);
	return str_of(p, x.n + y.n);
}

/* aaguid ‖ id "abcd" ‖ the key as given in hexadecimal digits */
static struct str credential(struct stage *s, struct str cose)
{
	return join(s,
		    unhex(s, "00000000000000000000000000000000"
			     "0004"
			     "61626364"),
		    cose);
}

static struct str attestation(struct stage *s, struct str data)
{
	char head[3] = {0x59, (char)(data.n >> 8), (char)data.n};
	struct str start = unhex(s, "a363666d74646e6f6e656761747453746d74a0686175746844617461");
	return join(s, join(s, start, str_of(head, 3)), data);
}

static struct str cose_of(struct stage *s, const struct key *k)
{
	struct str public = key_public(k), tail;
	if (key_kind_of(k) == KEY_ED25519) {
		tail = str_sub(public, public.n - 32, 32);
		return join(s, unhex(s, "a4010103272006215820"), tail);
	}
	tail = str_sub(public, public.n - 64, 32);
	struct str x = join(s, unhex(s, "a5010203262001215820"), tail);
	return join(s, join(s, x, unhex(s, "225820")), str_sub(public, public.n - 32, 32));
}

static struct str sign(struct stage *s, const struct key *k, struct str data, struct str json)
{
	struct err e = ERR_INIT;
	struct hash h = hash_of(json);
	struct str out;
	assert_int_equal(key_sign(k, join(s, data, str_of((const char *)h.bytes, HASH_BYTES)),
				  s->a, &out, &e),
			 0);
	return out;
}

static void assert_refused(int rc, const struct err *e, const char *field, const char *words)
{
	if (rc != -1 || e->kind != ERR_INVALID || strcmp(e->field, field) != 0 ||
	    !strstr(e->text, words))
		fail_msg("%d %s %s: %s, not %s: %s", rc, err_kind_info(e->kind)->name, e->field,
			 e->text, field, words);
}

static void clients_of_others_are_refused(void **state)
{
	struct stage *s = *state;
	struct err e = ERR_INIT;
	struct webauthn_key k;
	uint32_t count;
	struct str object = unhex(s, vectors[0].attestation),
		   login = unhex(s, vectors[0].login),
		   signature = unhex(s, vectors[0].signature);
	assert_int_equal(webauthn_register(&s->x, &s->create, object, s->a, &k, &e), 0);
	for (int i = 0; i < 3; i++) {
		static const char *const fields[] = {
			"client_data.type", "client_data.challenge", "client_data.origin"};
		struct webauthn_client create = s->create, get = s->get;
		if (i == 0) {
			create.type = s->get.type;
			get.type = s->create.type;
		} else if (i == 1) {
			create.challenge = get.challenge =
				S("0123456789abcdef0123456789abcdef");
		} else {
			create.origin = get.origin = S("https://cloud.example.evil");
		}
		int rc = webauthn_register(&s->x, &create, object, s->a, &k, &e);
		assert_refused(rc, &e, fields[i], "is not");
		rc = webauthn_login(&s->x, &get, &k, login, signature, s->a, &count, &e);
		assert_refused(rc, &e, fields[i], "is not");
	}
	s->get.json = S(CLIENT("get") " "); /* other bytes than those that were signed */
	assert_int_equal(webauthn_login(&s->x, &s->get, &k, login, signature, s->a, &count, &e),
			 -1);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
}

static void authenticators_have_to_say_the_right_things(void **state)
{
	struct stage *s = *state;
	struct err e = ERR_INIT;
	struct key *k;
	struct webauthn_key out;
	const unsigned good = PRESENT | VERIFIED | CREDENTIAL;
	assert_int_equal(key_make(KEY_P256, &k, &e), 0);
	struct str cred = credential(s, cose_of(s, k)), map = unhex(s, "a1616101");
	const struct {
		const char *rp;
		unsigned flags;
		struct str tail;
		const char *words; /* NULL: fine */
	} rows[] = {
		{"cloud.example", good, cred, NULL},
		{"cloud.example", good | MAY_BACK | BACKED, cred, NULL},
		{"cloud.example", good | EXTENSIONS, join(s, cred, map), NULL},
		{"evil.example", good, cred, "another site"},
		{"cloud.example", good & ~(unsigned)PRESENT, cred, "nobody was present"},
		{"cloud.example", good & ~(unsigned)VERIFIED, cred, "not verified"},
		{"cloud.example", good | BACKED, cred, "may not be"},
		{"cloud.example", good & ~(unsigned)CREDENTIAL, cred, "behind its end"},
		{"cloud.example", good & ~(unsigned)CREDENTIAL, S(""), "holds no credential"},
		{"cloud.example", good, join(s, cred, S("x")), "behind its end"},
		{"cloud.example", good | EXTENSIONS, cred, "CBOR"},
		{"cloud.example", good | EXTENSIONS, join(s, cred, S("\x01")), "no map"},
		{"cloud.example", good, str_sub(cred, 0, 10), "cut short"},
		{"cloud.example", good, str_sub(cred, 0, 30), "CBOR"},
		{"cloud.example", good,
		 unhex(s, "00000000000000000000000000000000"
			  "0000"
			  "a0"),
		 "credential id"},
		{"cloud.example", good,
		 unhex(s, "00000000000000000000000000000000"
			  "0400"
			  "a0"),
		 "credential id"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str data = auth_data(s, rows[i].rp, rows[i].flags, 1, rows[i].tail);
		int rc = webauthn_register(&s->x, &s->create, attestation(s, data), s->a, &out,
					   &e);
		if (rows[i].words)
			assert_refused(rc, &e, "attestation_object", rows[i].words);
		else if (rc != 0 || !str_eq(out.public, key_public(k)) ||
			 !str_is(out.id, "abcd") ||
			 out.is_backed_up != !!(rows[i].flags & BACKED))
			fail_msg("row %zu: %s", i, e.text);
	}
	(void)key_free(k);
}

static void keys_of_other_kinds_are_refused(void **state)
{
	static const char *const bad[] = {
		"a0",
		"80",
		"01",
		"a10102", /* no key */
		"a401010327200621581f03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1d"
		"dc8664125531", /* short */
		"a501020338222001215820585858585858585858585858585858585858585858585858"
		"5858585858585858"
		"225820585858585858585858585858585858585858585858585858585858585858585"
		"8", /* ES384's number */
		"a501020326200121582058585858585858585858585858585858585858585858585858"
		"5858585858585858"
		"225820585858585858585858585858585858585858585858585858585858585858585"
		"8",			  /* no point */
		"a501020102032620012040", /* twice the same member */
		"a4616101032720062140",	  /* a member with a name */
		"a30101032720613a",	  /* a text for a curve */
		"bf0102ff",		  /* of indefinite length */
	};
	struct stage *s = *state;
	struct err e = ERR_INIT;
	struct webauthn_key out;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct str data = auth_data(s, "cloud.example", PRESENT | VERIFIED | CREDENTIAL,
					    1, credential(s, unhex(s, bad[i])));
		int rc = webauthn_register(&s->x, &s->create, attestation(s, data), s->a, &out,
					   &e);
		assert_refused(rc, &e, "attestation_object", "");
	}
}

static void objects_that_are_no_attestation_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"a0",
		"80",
		"a1",
		"a1686175746844617461",
		"a168617574684461746101",
		"a16861757468446174615fff",
		"a1018101",
		"a268617574684461746140686175746844617461"
		"40",
		"ff",
		"9bffffffffffffffff",
		"bbffffffffffffffff00",
		"5bffffffffffffffff",
		"1bffffffffffffffff",
		"d8184100",
		"a1686175746844617461"
		"4000",
	};
	struct stage *s = *state;
	struct err e = ERR_INIT;
	struct webauthn_key out;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int rc = webauthn_register(&s->x, &s->create, unhex(s, bad[i]), s->a, &out, &e);
		assert_refused(rc, &e, "attestation_object", "");
	}
	/* Every cut of a good one. */
	struct str good = unhex(s, vectors[0].attestation);
	for (size_t n = 0; n < good.n; n++)
		assert_int_equal(webauthn_register(&s->x, &s->create, str_sub(good, 0, n), s->a,
						   &out, &e),
				 -1);
	struct str large = str_of(arena_alloc(s->a, 70000), 70000);
	assert_int_equal(webauthn_register(&s->x, &s->create, large, s->a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void logins_are_checked(void **state)
{
	static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};
	struct stage *s = *state;
	struct err e = ERR_INIT;
	uint32_t count = 77;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct key *k, *other;
		assert_int_equal(key_make(kinds[i], &k, &e), 0);
		assert_int_equal(key_make(kinds[i], &other, &e), 0);
		struct webauthn_key stored = {
			.id = S("abcd"), .public = key_public(k), .count = 9};
		struct str good = auth_data(s, "cloud.example", PRESENT | VERIFIED, 10, S(""));
		struct str signature = sign(s, k, good, s->get.json);
		assert_int_equal(webauthn_login(&s->x, &s->get, &stored, good, signature, s->a,
						&count, &e),
				 0);
		assert_int_equal(count, 10);
		/* Another key's signature, another text, a bit of either. */
		count = 77;
		assert_int_equal(webauthn_login(&s->x, &s->get, &stored, good,
						sign(s, other, good, s->get.json), s->a, &count,
						&e),
				 -1);
		assert_int_equal(e.kind, ERR_FORBIDDEN);
		assert_int_equal(webauthn_login(&s->x, &s->get, &stored, good,
						sign(s, k, good, s->create.json), s->a, &count,
						&e),
				 -1);
		for (size_t b = 0; b < signature.n; b++) {
			struct str bent = join(s, signature, S(""));
			char *p = arena_alloc(s->a, bent.n);
			memcpy(p, bent.p, bent.n);
			p[b] = (char)(p[b] ^ 1);
			assert_int_equal(webauthn_login(&s->x, &s->get, &stored, good,
							str_of(p, bent.n), s->a, &count, &e),
					 -1);
		}
		/* Signed, and yet not what may be said. */
		static const struct {
			const char *rp;
			unsigned flags;
			uint32_t count;
			enum err_kind kind;
		} rows[] = {
			{"evil.example", PRESENT | VERIFIED, 10, ERR_INVALID},
			{"cloud.example", VERIFIED, 10, ERR_INVALID},
			{"cloud.example", PRESENT, 10, ERR_INVALID},
			{"cloud.example", PRESENT | VERIFIED | EXTENSIONS, 10, ERR_INVALID},
			{"cloud.example", PRESENT | VERIFIED | CREDENTIAL, 10, ERR_INVALID},
			{"cloud.example", PRESENT | VERIFIED, 9, ERR_FORBIDDEN},
			{"cloud.example", PRESENT | VERIFIED, 0, ERR_FORBIDDEN},
		};
		for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
			struct str data =
				auth_data(s, rows[r].rp, rows[r].flags, rows[r].count, S(""));
			assert_int_equal(webauthn_login(&s->x, &s->get, &stored, data,
							sign(s, k, data, s->get.json), s->a,
							&count, &e),
					 -1);
			assert_int_equal(e.kind, rows[r].kind);
		}
		assert_int_equal(count, 77); /* nothing was written on failure */
		/* An authenticator that does not count says zero, always. */
		stored.count = 0;
		struct str zero = auth_data(s, "cloud.example", PRESENT | VERIFIED, 0, S(""));
		assert_int_equal(webauthn_login(&s->x, &s->get, &stored, zero,
						sign(s, k, zero, s->get.json), s->a, &count,
						&e),
				 0);
		assert_int_equal(count, 0);
		(void)key_free(k);
		(void)key_free(other);
	}
}

static void deep_cbor_is_skipped_without_recursion(void **state)
{
	struct stage *s = *state;
	struct err e = ERR_INIT;
	char *p = arena_alloc(s->a, 100001);
	memset(p, 0x81, 100000); /* a list in a list in a list… */
	struct str rest = str_of(p, 100000);
	assert_int_equal(cbor_skip(&rest, &e), -1);
	p[100000] = 0;
	rest = str_of(p, 100001);
	assert_int_equal(cbor_skip(&rest, &e), 0);
	assert_int_equal(rest.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_implementation_is_understood, begin,
						end),
		cmocka_unit_test_setup_teardown(clients_of_others_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(authenticators_have_to_say_the_right_things,
						begin, end),
		cmocka_unit_test_setup_teardown(keys_of_other_kinds_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(objects_that_are_no_attestation_are_refused,
						begin, end),
		cmocka_unit_test_setup_teardown(logins_are_checked, begin, end),
		cmocka_unit_test_setup_teardown(deep_cbor_is_skipped_without_recursion, begin,
						end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
