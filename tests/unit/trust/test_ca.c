/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cert_kit.h"

#include <sys/stat.h>
#include <unistd.h>

static void strict_tools_accept_every_chain(void **state)
{
	static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char said[SAID_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
			struct key *k CLEAN(key_freep) = NULL;
			char name[32];
			(void)snprintf(name, sizeof name, "ca-%zu-%zu", i, j);
			/* The tools live in the machine's time. */
			int64_t now = clock_now_ms(clock_system());
			struct ca *ca CLEAN(ca_freep) =
				place_ca(at, name, CA_USERS, kinds[i], now);
			OK(key_make(kinds[j], &k, &e));
			struct str der = place_leaf(at, ca, CERT_MASTER, "master.test", k, now);
			struct str leaf = cert_pem(der, at->a);
			place_write(at, "leaf.pem", leaf);
			place_write(at, "chain.pem", ca_chain(ca));
			place_write(at, "roots.pem", ca_roots(ca));
			place_write(at, "whole.pem", joined(at, leaf, ca_chain(ca)));
			if (TOOL(said, "openssl", "verify", "-x509_strict", "-check_ss_sig",
				 "-purpose", "sslserver", "-verify_hostname", "master.test",
				 "-CAfile", place_path(at, "roots.pem"), "-untrusted",
				 place_path(at, "chain.pem"), place_path(at, "leaf.pem")) != 0)
				fail_msg("%s: openssl: %s", name, said);
			if (TOOL(said, "certtool", "--verify", "--verify-purpose",
				 "1.3.6.1.5.5.7.3.1", "--verify-hostname", "master.test",
				 "--load-ca-certificate", place_path(at, "roots.pem"),
				 "--infile", place_path(at, "whole.pem")) != 0)
				fail_msg("%s: certtool: %s", name, said);
			assert_int_equal(judged(at, ca_roots(ca),
						joined(at, leaf, ca_chain(ca)), now, true,
						"master.test"),
					 CERT_GOOD);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(strict_tools_accept_every_chain, place_setup,
						place_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
