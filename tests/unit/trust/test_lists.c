/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Revocation lists that have ended, as whoever was away has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "trust/ca.h"

static const int64_t day_ms = 86400000, then_ms = 1577836800000; /* long ago */

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

/* An old list is better than none, whatever the day is by now. */
static void a_list_holds_after_its_end(void **state)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct cert_trust *t CLEAN(cert_trust_freep) = NULL;
	char dir[] = "/tmp/hoc-test-lists-XXXXXX", serial[CERT_SERIAL_SIZE];
	struct str der, crl;
	struct cert leaf;
	(void)state;
	assert_non_null(mkdtemp(dir));
	OK(arena_new(4 << 20, &a, &e));
	OK(key_make(KEY_P256, &k, &e));
	const struct ca_make make = {.dir = dir,
				     .kind = CA_USERS,
				     .cloud = S("test"),
				     .passphrase = S(""),
				     .key_kind = KEY_P256,
				     .now_ms = then_ms};
	OK(ca_make(&make, &e));
	OK(ca_open(dir, S(""), &ca, &e));
	const struct ca_leaf order = {
		.kind = CERT_NODE, .name = S("n"), .public = key_public(k), .now_ms = then_ms};
	OK(ca_sign(ca, &order, a, &der, serial, &e));
	OK(cert_read(der, a, &leaf, &e));
	const struct ca_revoked revoked = {str_from(serial), then_ms, 1};
	OK(ca_crl(ca, &revoked, 1, 1, then_ms, 7, a, &crl, &e));
	OK(cert_trust_new(
		arena_fmt(a, "%" STR_F "%" STR_F, STR_A(ca_roots(ca)), STR_A(ca_chain(ca))), &t,
		&e));
	assert_int_equal(cert_check(t, &leaf, 1, then_ms + 20 * day_ms, false, S("")),
			 CERT_GOOD);
	OK(cert_trust_add_crl(t, crl, &e));
	assert_int_equal(cert_check(t, &leaf, 1, then_ms + 20 * day_ms, false, S("")),
			 CERT_REVOKED);
	OK(file_remove_tree(dir, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_list_holds_after_its_end)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
