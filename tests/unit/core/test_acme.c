/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pure rules of ACME: moves between states, what is over, retries, whom a validation may ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/acme.h"

static void states_move_as_drawn(void **state UNUSED)
{
	struct err e = ERR_INIT;
	/* clang-format off */
	static const struct { char what; enum acme_status from, to; int rc; } cases[] = {
		{'a', ACME_VALID, ACME_DEACTIVATED, 0}, {'a', ACME_DEACTIVATED, ACME_VALID, -1},
		{'a', ACME_VALID, ACME_REVOKED, -1},    {'a', ACME_DEACTIVATED, ACME_DEACTIVATED, 1},
		{'o', ACME_PENDING, ACME_READY, 0},     {'o', ACME_PENDING, ACME_VALID, -1},
		{'o', ACME_PENDING, ACME_INVALID, 0},   {'o', ACME_READY, ACME_VALID, 0},
		{'o', ACME_READY, ACME_INVALID, 0},     {'o', ACME_READY, ACME_PENDING, -1},
		{'o', ACME_VALID, ACME_INVALID, -1},    {'o', ACME_INVALID, ACME_READY, -1},
		{'z', ACME_PENDING, ACME_VALID, 0},     {'z', ACME_PENDING, ACME_INVALID, 0},
		{'z', ACME_PENDING, ACME_DEACTIVATED, 0}, {'z', ACME_VALID, ACME_DEACTIVATED, 0},
		{'z', ACME_VALID, ACME_INVALID, -1},    {'z', ACME_INVALID, ACME_VALID, -1},
		{'z', ACME_DEACTIVATED, ACME_VALID, -1},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct acme_account a = {.status = cases[i].from};
		struct acme_order o = {.status = cases[i].from};
		struct acme_authorization z = {.status = cases[i].from};
		int rc = cases[i].what == 'a'	? acme_account_move(&a, cases[i].to, &e)
			 : cases[i].what == 'o' ? acme_order_move(&o, cases[i].to, &e)
						: acme_authorization_move(&z, cases[i].to, &e);
		if (rc != cases[i].rc)
			fail_msg("%c %s to %s: %d", cases[i].what,
				 acme_status_word(cases[i].from), acme_status_word(cases[i].to),
				 rc);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_CONFLICT);
	}
}

static void words_are_read_back(void **state UNUSED)
{
	struct err e = ERR_INIT;
	enum acme_status s;
	enum acme_method m;
	for (unsigned i = 0; i < ACME_STATUSES; i++) {
		const char *word = acme_status_word((enum acme_status)i);
		assert_int_equal(acme_status_read(str_from(word), &s, &e), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(acme_status_read(S("Valid"), &s, &e), -1);
	for (unsigned i = 0; i < ACME_METHODS; i++) {
		assert_true(
			acme_method_read(str_from(acme_method_word((enum acme_method)i)), &m));
		assert_int_equal(m, i);
		assert_true(acme_method_fits((enum acme_method)i, false));
		assert_int_equal(acme_method_fits((enum acme_method)i, true), i == ACME_DNS_01);
	}
	assert_false(acme_method_read(S("http-02"), &m));
}

static void what_has_ended_is_over(void **state UNUSED)
{
	struct acme_order o = {.status = ACME_READY, .expires_at_ms = 100};
	struct acme_authorization z = {.status = ACME_VALID, .expires_at_ms = 100};
	assert_int_equal(acme_order_status(&o, 99), ACME_READY);
	assert_int_equal(acme_order_status(&o, 100), ACME_INVALID);
	o.status = ACME_VALID;
	assert_int_equal(acme_order_status(&o, 1000), ACME_VALID);
	assert_int_equal(acme_authorization_status(&z, 99), ACME_VALID);
	assert_int_equal(acme_authorization_status(&z, 100), ACME_EXPIRED);
	z.status = ACME_PENDING;
	assert_int_equal(acme_authorization_status(&z, 100), ACME_INVALID);
	z.status = ACME_DEACTIVATED;
	assert_int_equal(acme_authorization_status(&z, 100), ACME_DEACTIVATED);
}

static void a_challenge_is_what_its_authorization_is(void **state UNUSED)
{
	struct acme_authorization z = {.status = ACME_PENDING, .method_word = S("http-01")};
	assert_int_equal(acme_challenge_status(&z, ACME_HTTP_01), ACME_PENDING);
	z.due_at_ms = 5;
	assert_int_equal(acme_challenge_status(&z, ACME_HTTP_01), ACME_PROCESSING);
	assert_int_equal(acme_challenge_status(&z, ACME_DNS_01), ACME_PENDING);
	z.due_at_ms = 0;
	z.status = ACME_INVALID;
	assert_int_equal(acme_challenge_status(&z, ACME_HTTP_01), ACME_INVALID);
	z.status = ACME_DEACTIVATED;
	z.validated_at_ms = 7;
	assert_int_equal(acme_challenge_status(&z, ACME_HTTP_01), ACME_VALID);
}

static void tries_come_later_and_end(void **state UNUSED)
{
	int64_t before = 0;
	for (int64_t i = 1; i < ACME_TRIES_MAX; i++) {
		assert_true(acme_retry_ms(i) > before);
		before = acme_retry_ms(i);
	}
	assert_int_equal(acme_retry_ms(ACME_TRIES_MAX), 0);
	assert_int_equal(acme_retry_ms(ACME_TRIES_MAX + 100), 0);
	assert_int_equal(acme_retry_ms(0), 0);
}

static void renewal_begins_at_two_thirds(void **state UNUSED)
{
	const int64_t day = 86400000;
	int64_t start, end;
	acme_window(0, 30 * day, 0, &start, &end);
	assert_int_equal(start, 20 * day);
	assert_int_equal(end, 22 * day);
	acme_window(0, day, 0, &start, &end);
	assert_true(start < end && end < day);
	acme_window(0, 30 * day, 3 * day, &start, &end);
	assert_int_equal(start, 3 * day);
	assert_true(end > start && end < 4 * day);
	acme_window(0, 30 * day, 25 * day, &start, &end);
	assert_int_equal(start, 20 * day);
}

static void networks_are_read(void **state UNUSED)
{
	/* clang-format off */
	static const struct { const char *text; int bits; } cases[] = {
		{"10.0.0.0/8", 104}, {"127.0.0.1", 128}, {"fd00::/8", 8}, {"::1", 128}, {"0.0.0.0/0", 96},
		{"::/0", 0}, {"10.0.0.0/33", -1}, {"fd00::/129", -1}, {"10.0.0/8", -1}, {"", -1}, {"/8", -1},
		{"10.0.0.0/", -1}, {"10.0.0.0/-1", -1}, {"host/8", -1},
		{"000000000000000000000000000000000000000000000000000000000000000000000000/8", -1},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct acme_network n = {.bits = 999};
		int rc = acme_network_read(str_from(cases[i].text), &n, &e);
		if (cases[i].bits < 0 ? rc != -1 : rc != 0 || (int)n.bits != cases[i].bits)
			fail_msg("%s: %d, %u bits", cases[i].text, rc, n.bits);
	}
}

static bool may(const char *address, const char *allowed)
{
	struct err e = ERR_INIT;
	struct acme_network at, net;
	assert_int_equal(acme_network_read(str_from(address), &at, &e), 0);
	if (!allowed)
		return acme_address_may(at.bytes, NULL, 0);
	assert_int_equal(acme_network_read(str_from(allowed), &net, &e), 0);
	return acme_address_may(at.bytes, &net, 1);
}

static void only_public_addresses_are_asked(void **state UNUSED)
{
	static const char *const inner[] = {"0.0.0.0",
					    "10.1.2.3",
					    "100.64.0.1",
					    "100.127.255.255",
					    "127.0.0.1",
					    "169.254.169.254",
					    "172.16.0.1",
					    "172.31.255.255",
					    "192.0.0.8",
					    "192.0.2.1",
					    "192.168.1.1",
					    "198.18.0.1",
					    "198.51.100.7",
					    "203.0.113.7",
					    "224.0.0.1",
					    "255.255.255.255",
					    "::",
					    "::1",
					    "fe80::1",
					    "fc00::1",
					    "fdff::1",
					    "ff02::1",
					    "::ffff:127.0.0.1",
					    "::ffff:10.0.0.1",
					    "64:ff9b::7f00:1",
					    "2002:7f00:1::1",
					    "2001:db8::1",
					    "2001::1",
					    "3fff::1",
					    "64:ff9b:1::1",
					    "::7f00:1"};
	static const char *const outer[] = {
		"1.1.1.1",	    "9.255.255.255",   "11.0.0.1",	 "100.63.255.255",
		"100.128.0.1",	    "172.15.0.1",      "172.32.0.1",	 "192.167.1.1",
		"223.255.255.1",    "2606:4700::1111", "2a00:1450::1",	 "::ffff:8.8.8.8",
		"64:ff9b::808:808", "2002:808:808::1", "2001:4860::8888"};
	for (size_t i = 0; i < ARRAY_LEN(inner); i++)
		if (may(inner[i], NULL))
			fail_msg("%s is asked", inner[i]);
	for (size_t i = 0; i < ARRAY_LEN(outer); i++)
		if (!may(outer[i], NULL))
			fail_msg("%s is not asked", outer[i]);
	assert_true(may("10.1.2.3", "10.0.0.0/8"));
	assert_true(may("::ffff:10.1.2.3", "10.0.0.0/8"));
	assert_false(may("192.168.1.1", "10.0.0.0/8"));
	assert_false(may("192.168.1.1", "192.168.0.0/25"));
	assert_true(may("192.168.0.127", "192.168.0.0/25"));
	assert_false(may("192.168.0.128", "192.168.0.0/25"));
	assert_true(may("fd00::1", "fd00::/8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_move_as_drawn),
		cmocka_unit_test(words_are_read_back),
		cmocka_unit_test(what_has_ended_is_over),
		cmocka_unit_test(a_challenge_is_what_its_authorization_is),
		cmocka_unit_test(tries_come_later_and_end),
		cmocka_unit_test(renewal_begins_at_two_thirds),
		cmocka_unit_test(networks_are_read),
		cmocka_unit_test(only_public_addresses_are_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
