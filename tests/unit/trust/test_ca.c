/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cert_kit.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first certificate of a PEM text. */
static struct str first_of(struct str pem)
{
	return str_sub(pem, 0, str_find(pem, S("-----END CERTIFICATE-----\n")) + 26);
}

static struct str read_text(struct place *at, const char *name)
{
	struct err e = ERR_INIT;
	struct str text;
	OK(file_read(place_path(at, name), 1 << 20, at->a, &text, &e));
	return text;
}

static bool openssl_takes(struct place *at, struct str roots, struct str chain, struct str leaf,
			  char said[static SAID_SIZE])
{
	place_write(at, "o-roots.pem", roots);
	place_write(at, "o-chain.pem", chain);
	place_write(at, "o-leaf.pem", leaf);
	return TOOL(said, "openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile",
		    place_path(at, "o-roots.pem"), "-untrusted", place_path(at, "o-chain.pem"),
		    place_path(at, "o-leaf.pem")) == 0;
}

static bool certtool_takes(struct place *at, struct str roots, struct str chain,
			   struct str leaf, char said[static SAID_SIZE])
{
	place_write(at, "c-roots.pem", roots);
	place_write(at, "c-whole.pem", joined(at, leaf, chain));
	return TOOL(said, "certtool", "--verify", "--load-ca-certificate",
		    place_path(at, "c-roots.pem"), "--infile",
		    place_path(at, "c-whole.pem")) == 0;
}

static void assert_all_take(struct place *at, struct str roots, struct str chain,
			    struct str leaf)
{
	char said[SAID_SIZE];
	if (!openssl_takes(at, roots, chain, leaf, said) ||
	    !certtool_takes(at, roots, chain, leaf, said))
		fail_msg("%s", said);
}

/* The tools live in the machine's time. */
static void strict_tools_accept_every_chain(void **state)
{
	static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};
	struct place *at = *state;
	struct err e = ERR_INIT;
	int64_t now = clock_now_ms(clock_system());
	for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++) {
		struct key *k CLEAN(key_freep) = NULL;
		char said[SAID_SIZE], name[32];
		(void)snprintf(name, sizeof name, "ca-%zu", i);
		struct ca *ca CLEAN(ca_freep) = place_ca(at, name, CA_USERS, kinds[i / 2], now);
		OK(key_make(kinds[i % 2], &k, &e));
		struct str leaf =
			cert_pem(place_leaf(at, ca, CERT_MASTER, "master.test", k, now), at->a);
		assert_all_take(at, ca_roots(ca), ca_chain(ca), leaf);
		if (TOOL(said, "openssl", "verify", "-x509_strict", "-purpose", "sslserver",
			 "-verify_hostname", "master.test", "-CAfile",
			 place_path(at, "o-roots.pem"), "-untrusted",
			 place_path(at, "o-chain.pem"), place_path(at, "o-leaf.pem")) != 0 ||
		    TOOL(said, "certtool", "--verify", "--verify-purpose", "1.3.6.1.5.5.7.3.2",
			 "--load-ca-certificate", place_path(at, "c-roots.pem"), "--infile",
			 place_path(at, "c-whole.pem")) != 0)
			fail_msg("%s: %s", name, said);
	}
}

/* What openssl prints of a root that lives beyond 2049, and of its leaf. */
static void fields_are_as_rfc_5280_wants_them(void **state)
{
	static const char *const root_has[] = {
		"Issuer: O = test cloud, OU = users, CN = test cloud users root 1",
		"Not Before: Dec 31 23:55:00 2045 GMT",
		"Not After : Dec 30 00:00:00 2055 GMT",
		"X509v3 Basic Constraints: critical\n                CA:TRUE",
		"X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
		"X509v3 Subject Key Identifier",
		"X509v3 Authority Key Identifier",
	};
	static const char *const leaf_has[] = {
		"Version: 3",
		"Subject: O = test cloud, OU = users, CN = anna",
		"CA:FALSE",
		"X509v3 Key Usage: critical\n                Digital Signature\n",
		"TLS Web Client Authentication\n",
		"URI:hoc:person:anna\n",
	};
	const int64_t now = 2398377600000; /* 2046-01-01 */
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	char said[SAID_SIZE];
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, now);
	OK(key_make(KEY_ED25519, &k, &e));
	place_write(at, "root.pem", ca_roots(ca));
	struct str der = place_leaf(at, ca, CERT_PERSON, "anna", k, now);
	place_write(at, "leaf.pem", cert_pem(der, at->a));
	assert_int_equal(TOOL(said, "openssl", "x509", "-noout", "-text", "-in",
			      place_path(at, "root.pem")),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(root_has); i++)
		if (!strstr(said, root_has[i]))
			fail_msg("no \"%s\" in %s", root_has[i], said);
	assert_int_equal(TOOL(said, "openssl", "asn1parse", "-in", place_path(at, "root.pem")),
			 0);
	assert_non_null(strstr(said, "UTCTIME           :451231235500Z"));
	assert_non_null(strstr(said, "GENERALIZEDTIME   :20551230000000Z"));
	assert_int_equal(TOOL(said, "openssl", "x509", "-noout", "-text", "-in",
			      place_path(at, "leaf.pem")),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(leaf_has); i++)
		if (!strstr(said, leaf_has[i]))
			fail_msg("no \"%s\" in %s", leaf_has[i], said);
}

static void an_authority_signs_only_what_it_is_for(void **state)
{
	static const struct {
		enum ca_kind by;
		enum cert_kind kind;
		const char *name, *dns; /* dns: NULL none */
		bool is_server;
		int64_t days;
		const char *field; /* NULL: signed */
	} rows[] = {
		{CA_USERS, CERT_PERSON, "anna", NULL, false, 0, NULL},
		{CA_USERS, CERT_PERSON, "anna@example.test", NULL, false, 1, NULL},
		{CA_USERS, CERT_NODE, "n1", NULL, false, 0, NULL},
		{CA_USERS, CERT_NODE, "n1", "n1.test", true, 0, NULL},
		{CA_USERS, CERT_NODE, "host.test", NULL, true, 0, NULL},
		{CA_USERS, CERT_MASTER, "m", "127.0.0.1", true, 0, NULL},
		{CA_USERS, CERT_MASTER, "m", "::1", true, 0, NULL},
		{CA_SERVICES, CERT_SERVICE, "", "www.shop.test", true, 0, NULL},
		{CA_SERVICES, CERT_SERVICE, "", "*.shop.test", false, 0, NULL},
		{CA_USERS, CERT_PERSON, "anna", "anna.test", false, 0, "names"},
		{CA_USERS, CERT_PERSON, "anna", NULL, true, 0, "is_server"},
		{CA_USERS, CERT_INSTANCE, "i", NULL, true, 0, "is_server"},
		{CA_USERS, CERT_PERSON, "an na", NULL, false, 0, "name"},
		{CA_USERS, CERT_PERSON, "", NULL, false, 0, "name"},
		{CA_USERS, CERT_PERSON, "anna:x", NULL, false, 0, "name"},
		{CA_USERS, CERT_PERSON, "anna", NULL, false, -1, "days"},
		{CA_USERS, CERT_SERVICE, "", "shop.test", true, 0, "kind"},
		{CA_USERS, CERT_AUTHORITY, "a", NULL, false, 0, "kind"},
		{CA_SERVICES, CERT_PERSON, "anna", NULL, false, 0, "kind"},
		{CA_SERVICES, CERT_SERVICE, "shop", NULL, true, 0, "names"},
		{CA_SERVICES, CERT_SERVICE, "", "shop..test", true, 0, "names"},
		{CA_SERVICES, CERT_SERVICE, "", "shop.test.", true, 0, "names"},
		{CA_SERVICES, CERT_SERVICE, "", "-shop.test", true, 0, "names"},
		{CA_SERVICES, CERT_SERVICE, "", "w*.shop.test", true, 0, "names"},
		{CA_SERVICES, CERT_SERVICE, "", "", true, 0, "names"},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *users CLEAN(ca_freep) = place_ca(at, "u", CA_USERS, KEY_P256, KIT_NOW);
	struct ca *services CLEAN(ca_freep) = place_ca(at, "s", CA_SERVICES, KEY_P256, KIT_NOW);
	OK(key_make(KEY_P256, &k, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str dns = str_from(rows[i].dns), der;
		char serial[CERT_SERIAL_SIZE];
		struct ca_leaf leaf = {.kind = rows[i].kind,
				       .name = str_from(rows[i].name),
				       .names = {&dns, rows[i].dns != NULL},
				       .public = key_public(k),
				       .is_server = rows[i].is_server,
				       .now_ms = KIT_NOW,
				       .days = rows[i].days};
		const struct ca *ca = rows[i].by == CA_USERS ? users : services;
		err_clear(&e);
		int rc = ca_sign(ca, &leaf, at->a, &der, serial, &e);
		if ((rc < 0) != (rows[i].field != NULL) ||
		    (rc < 0 && strcmp(e.field, rows[i].field) != 0))
			fail_msg("row %zu: rc %d, %s %s", i, rc, e.field, e.text);
		if (rc < 0)
			continue;
		struct cert c;
		OK(cert_read(der, at->a, &c, &e));
		assert_int_equal(c.kind, rows[i].kind);
		assert_string_equal(c.serial, serial);
		assert_int_equal(strlen(serial), 2 * CERT_SERIAL_BYTES);
		assert_int_equal(c.from_ms, KIT_NOW - CA_SKEW_MS);
		assert_int_equal(c.to_ms,
				 KIT_NOW + (rows[i].days ? rows[i].days : 30) * KIT_DAY);
		assert_int_equal(c.names.count, rows[i].dns != NULL);
		if (rows[i].dns)
			assert_true(str_is(c.names.items[0], rows[i].dns));
		if (c.kind != CERT_SERVICE)
			assert_true(str_is(c.name, rows[i].name));
		assert_int_equal(c.is_client, c.kind != CERT_SERVICE);
		assert_int_equal(c.is_server,
				 c.kind == CERT_SERVICE || (rows[i].is_server && rows[i].dns));
		struct hash name = key_name(k);
		assert_true(hash_eq(&c.key, &name));
	}
}

static void keys_of_services_may_be_of_other_kinds(void **state)
{
	static const struct {
		const char *algorithm, *option;
		bool is_taken;
	} rows[] = {
		{"RSA", "rsa_keygen_bits:2048", true},
		{"RSA", "rsa_keygen_bits:1024", false},
		{"EC", "ec_paramgen_curve:P-384", true},
		{"EC", "ec_paramgen_curve:P-521", false},
		{"EC", "ec_paramgen_curve:secp256k1", false},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	int64_t now = clock_now_ms(clock_system());
	struct ca *users CLEAN(ca_freep) = place_ca(at, "u", CA_USERS, KEY_P256, now);
	struct ca *services CLEAN(ca_freep) = place_ca(at, "s", CA_SERVICES, KEY_P256, now);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char said[SAID_SIZE], serial[CERT_SERIAL_SIZE];
		struct str dns = S("shop.test"), der;
		if (TOOL(said, "openssl", "genpkey", "-algorithm", rows[i].algorithm,
			 "-pkeyopt", rows[i].option, "-out", place_path(at, "k.pem")) != 0 ||
		    TOOL(said, "openssl", "pkey", "-in", place_path(at, "k.pem"), "-pubout",
			 "-outform", "DER", "-out", place_path(at, "k.der")) != 0)
			fail_msg("%s", said);
		struct ca_leaf leaf = {.kind = CERT_SERVICE,
				       .names = {&dns, 1},
				       .public = read_text(at, "k.der"),
				       .now_ms = now};
		if (!rows[i].is_taken) {
			FAILS(ca_sign(services, &leaf, at->a, &der, serial, &e), ERR_INVALID);
			continue;
		}
		OK(ca_sign(services, &leaf, at->a, &der, serial, &e));
		assert_all_take(at, ca_roots(services), ca_chain(services),
				cert_pem(der, at->a));
		leaf.kind = CERT_PERSON;
		leaf.name = S("anna");
		leaf.names.count = 0;
		FAILS(ca_sign(users, &leaf, at->a, &der, serial, &e), ERR_INVALID);
		assert_string_equal(e.field, "");
	}
}

static void a_directory_is_made_whole_and_once(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct stat st;
	struct ca_make m = {.dir = place_path(at, "deep/down/ca"),
			    .cloud = S("test cloud"),
			    .passphrase = KIT_PASSPHRASE,
			    .now_ms = KIT_NOW};
	FAILS(ca_open(m.dir, S(""), &ca, &e), ERR_NOT_FOUND);
	m.passphrase = S("short");
	FAILS(ca_make(&m, &e), ERR_INVALID);
	m.passphrase = S("two lines,\nof which one is none");
	FAILS(ca_make(&m, &e), ERR_INVALID);
	m.passphrase = KIT_PASSPHRASE;
	m.cloud = S("");
	FAILS(ca_make(&m, &e), ERR_INVALID);
	m.cloud = S("a\nb");
	FAILS(ca_make(&m, &e), ERR_INVALID);
	m.cloud = S("test cloud");
	m.token_uri = "pkcs11:token=there is none;object=x"; /* fails half way */
	assert_int_equal(ca_make(&m, &e), -1);
	assert_false(file_exists(m.dir));
	assert_false(file_exists(place_path(at, "deep/down/ca.making")));
	m.token_uri = NULL;
	OK(ca_make(&m, &e));
	FAILS(ca_make(&m, &e), ERR_CONFLICT);
	FAILS(ca_open(m.dir, S("wrong horse battery"), &ca, &e), ERR_FORBIDDEN);
	FAILS(ca_open(m.dir, S(""), &ca, &e), ERR_FORBIDDEN);
	OK(ca_open(m.dir, KIT_PASSPHRASE, &ca, &e));
	assert_int_equal(ca_kind_of(ca), CA_USERS);
	assert_int_equal(ca_issuer_to_ms(ca), KIT_NOW + CA_ISSUER_DAYS * KIT_DAY);
	assert_int_equal(ca_root_to_ms(ca), KIT_NOW + CA_ROOT_DAYS * KIT_DAY);
	static const char *const secrets[] = {"issuer.key", "root.key"};
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		const char *name = arena_fmt(at->a, "deep/down/ca/%s", secrets[i]).p;
		assert_int_equal(stat(place_path(at, name), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		struct str text = read_text(at, name);
		assert_true(str_starts(text, S("-----BEGIN AGE ENCRYPTED FILE-----")));
	}
	/* Files of different authorities do not open together. */
	struct ca *other CLEAN(ca_freep) = place_ca(at, "other", CA_USERS, KEY_P256, KIT_NOW);
	struct ca *mixed CLEAN(ca_freep) = NULL;
	assert_int_equal(ca_kind_of(other), CA_USERS);
	place_write(at, "other/root.pem", ca_roots(ca));
	FAILS(ca_open(place_path(at, "other"), S(""), &mixed, &e), ERR_CORRUPT);
	place_write(at, "other/issuer.pem", read_text(at, "deep/down/ca/issuer.pem"));
	FAILS(ca_open(place_path(at, "other"), S(""), &mixed, &e), ERR_CORRUPT);
}

static void an_issuer_that_ended_signs_no_more(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	struct str der;
	struct cert c;
	char serial[CERT_SERIAL_SIZE];
	int64_t end = ca_issuer_to_ms(ca);
	OK(key_make(KEY_P256, &k, &e));
	struct ca_leaf leaf = {.kind = CERT_NODE,
			       .name = S("n"),
			       .public = key_public(k),
			       .now_ms = end - 5 * KIT_DAY};
	OK(ca_sign(ca, &leaf, at->a, &der, serial, &e));
	OK(cert_read(der, at->a, &c, &e));
	assert_int_equal(c.to_ms, end); /* never beyond it */
	leaf.now_ms = end;
	FAILS(ca_sign(ca, &leaf, at->a, &der, serial, &e), ERR_UNSUPPORTED);
	FAILS(ca_crl(ca, NULL, 0, 1, end, 7, at->a, &der, &e), ERR_UNSUPPORTED);
}

struct signer {
	const struct ca *ca;
	const struct key *key;
	char serials[40][CERT_SERIAL_SIZE];
	int failed;
};

static void *sign_many(void *user)
{
	struct signer *s = user;
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(16 << 20, &a, &e) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(s->serials); i++) {
		struct str der;
		struct ca_leaf leaf = {.kind = CERT_NODE,
				       .name = S("n"),
				       .public = key_public(s->key),
				       .now_ms = KIT_NOW};
		s->failed += ca_sign(s->ca, &leaf, a, &der, s->serials[i], &e) < 0;
	}
	return NULL;
}

static void threads_sign_at_once(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	static struct signer signers[4];
	pthread_t threads[ARRAY_LEN(signers)];
	OK(key_make(KEY_P256, &k, &e));
	for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
		signers[i] = (struct signer){.ca = ca, .key = k};
		assert_int_equal(pthread_create(&threads[i], NULL, sign_many, &signers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(signers[i].failed, 0);
		assert_int_equal(strlen(signers[i].serials[39]), 2 * CERT_SERIAL_BYTES);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(signers[i].serials[0], signers[j].serials[0]);
	}
}

/* ---- rollovers ---- */

static void an_issuers_rollover_keeps_what_it_signed(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	struct str root = arena_dup(at->a, ca_roots(ca)),
		   chain = arena_dup(at->a, ca_chain(ca));
	OK(key_make(KEY_P256, &k, &e));
	struct str before = cert_pem(place_leaf(at, ca, CERT_NODE, "n", k, KIT_NOW), at->a);
	int64_t later = KIT_NOW + 10 * KIT_DAY;
	OK(ca_roll_issuer(place_path(at, "ca"), S(""), later, &e));
	ca = ca_free(ca);
	OK(ca_open(place_path(at, "ca"), S(""), &ca, &e));
	assert_true(str_eq(root, ca_roots(ca)));
	assert_false(str_eq(chain, ca_chain(ca)));
	assert_int_equal(ca_issuer_to_ms(ca), later + CA_ISSUER_DAYS * KIT_DAY);
	struct str after = cert_pem(place_leaf(at, ca, CERT_NODE, "n", k, later), at->a);
	assert_int_equal(judged(at, root, joined(at, before, chain), later, false, ""),
			 CERT_GOOD);
	assert_int_equal(judged(at, root, joined(at, after, ca_chain(ca)), later, false, ""),
			 CERT_GOOD);
	/* An issuer that others know is enough; a wrong one of the same name is not. */
	assert_int_equal(judged(at, joined(at, root, chain), before, later, false, ""),
			 CERT_GOOD);
	assert_int_equal(judged(at, root, joined(at, before, ca_chain(ca)), later, false, ""),
			 CERT_UNTRUSTED);
}

static void each_side_of_a_root_rollover_trusts_the_other(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	int64_t now = clock_now_ms(clock_system()); /* for the tools */
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_SERVICES, KEY_P256, now);
	const char *dir = place_path(at, "ca");
	struct str roots[3], chains[3], sent[3], leaves[3];
	OK(key_make(KEY_P256, &k, &e));
	for (size_t i = 0; i < 3; i++) {
		if (i > 0) {
			OK(ca_roll_root(dir, S(""), now, &e));
			ca = ca_free(ca);
			OK(ca_open(dir, S(""), &ca, &e));
		}
		roots[i] = arena_dup(at->a, first_of(ca_roots(ca)));
		chains[i] = arena_dup(at->a, ca_chain(ca));
		sent[i] = joined(at, chains[i], ca_sent_roots(ca));
		leaves[i] = cert_pem(place_leaf(at, ca, CERT_SERVICE, "a.test", k, now), at->a);
		struct hash fp = ca_root_fingerprint(ca);
		struct cert c;
		OK(cert_read(roots[i], at->a, &c, &e));
		struct hash own = cert_fingerprint(&c);
		assert_true(hash_eq(&fp, &own));
	}
	/* Who trusts only root i, or all; a leaf below root j, as it was sent in its time. */
	for (size_t i = 0; i < 3; i++)
		for (size_t j = i ? i - 1 : 0; j < 3 && j < i + 2; j++) {
			char said[SAID_SIZE];
			struct str chain = joined(at, leaves[j], sent[j]);
			/* A newer party has the links with its root; an older one is sent them. */
			struct str pem = joined(at, roots[i], chains[i]);
			if (judged(at, pem, chain, now, true, "a.test") != CERT_GOOD)
				fail_msg("root %zu does not take a leaf of root %zu", i, j);
			struct str others = i > j ? joined(at, chains[j], chains[i]) : sent[j];
			if (!openssl_takes(at, roots[i], others, leaves[j], said) ||
			    !openssl_takes(at, ca_roots(ca), others, leaves[j], said) ||
			    (i <= j &&
			     !certtool_takes(at, roots[i], sent[j], leaves[j], said)) ||
			    !certtool_takes(at, ca_roots(ca), sent[j], leaves[j], said))
				fail_msg("root %zu, leaf of root %zu: %s", i, j, said);
		}
	/* Without links there is no way between them. */
	assert_int_equal(
		judged(at, roots[0], joined(at, leaves[1], first_of(chains[1])), now, true, ""),
		CERT_UNTRUSTED);
	/* A root that has ended is none, and what ended is dropped by the next rollover. */
	int64_t end = ca_root_to_ms(ca);
	assert_int_equal(
		judged(at, roots[0], joined(at, leaves[1], chains[1]), end + KIT_DAY, true, ""),
		CERT_EXPIRED);
	FAILS(ca_roll_issuer(dir, S(""), end, &e), ERR_UNSUPPORTED);
}

static void a_rollover_cut_short_leaves_an_authority(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	const char *dir = place_path(at, "ca");
	struct str old_key = read_text(at, "ca/issuer.key"),
		   old_root = read_text(at, "ca/root.key");
	/* Everything but the last rename of each: the old keys are still in place. */
	OK(ca_roll_root(dir, S(""), KIT_NOW, &e));
	place_write(at, "ca/issuer.key", old_key);
	place_write(at, "ca/issuer.key.next", S("half a key"));
	ca = ca_free(ca);
	OK(ca_open(dir, S(""), &ca, &e));
	place_write(at, "ca/root.key", old_root);
	place_write(at, "ca/root.key.next", S("half a key"));
	ca = ca_free(ca);
	OK(ca_open(dir, S(""), &ca, &e));
	OK(ca_roll_issuer(dir, S(""), KIT_NOW, &e));
	OK(ca_roll_root(dir, S(""), KIT_NOW, &e));
	ca = ca_free(ca);
	OK(ca_open(dir, S(""), &ca, &e));
	assert_false(file_exists(place_path(at, "ca/issuer.key.next")));
	assert_false(file_exists(place_path(at, "ca/root.key.next")));
}

static void an_offline_root_signs_what_is_carried_to_it(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct key *k CLEAN(key_freep) = NULL;
	struct str csr, pem, evil;
	struct ca_make m = {.dir = place_path(at, "ca"),
			    .kind = CA_USERS,
			    .cloud = S("test cloud"),
			    .root_dir = place_path(at, "safe"),
			    .now_ms = KIT_NOW};
	OK(ca_make(&m, &e));
	assert_false(file_exists(place_path(at, "ca/root.key")));
	assert_true(file_exists(place_path(at, "safe/root.key")));
	FAILS(ca_roll_issuer(m.dir, S(""), KIT_NOW, &e), ERR_UNSUPPORTED);
	FAILS(ca_roll_root(m.dir, S(""), KIT_NOW, &e), ERR_UNSUPPORTED);
	FAILS(ca_install_issuer(m.dir, S("x"), KIT_NOW, &e), ERR_NOT_FOUND);
	OK(ca_open(m.dir, S(""), &ca, &e));
	struct str first_chain = arena_dup(at->a, ca_chain(ca)),
		   first_root = arena_dup(at->a, ca_roots(ca));

	OK(ca_request_issuer(m.dir, S(""), at->a, &csr, &e));
	OK(ca_sign_issuer(m.root_dir, S(""), csr, KIT_NOW, at->a, &pem, &e));
	/* A look-alike authority signs it too. */
	struct ca *other CLEAN(ca_freep) = place_ca(at, "other", CA_USERS, KEY_P256, KIT_NOW);
	assert_non_null(other);
	OK(ca_sign_issuer(place_path(at, "other"), S(""), csr, KIT_NOW, at->a, &evil, &e));
	FAILS(ca_install_issuer(m.dir, evil, KIT_NOW, &e), ERR_FORBIDDEN);
	FAILS(ca_install_issuer(m.dir, first_chain, KIT_NOW, &e), ERR_INVALID);
	FAILS(ca_install_issuer(m.dir, pem, KIT_NOW + 4000 * KIT_DAY, &e), ERR_INVALID);
	ca = ca_free(ca);
	OK(ca_open(m.dir, S(""), &ca, &e));
	assert_true(str_eq(ca_chain(ca), first_chain)); /* until it is installed */
	OK(ca_install_issuer(m.dir, pem, KIT_NOW, &e));
	ca = ca_free(ca);
	OK(ca_open(m.dir, S(""), &ca, &e));
	assert_true(str_eq(ca_chain(ca), pem));

	/* The root rolls over in its safe; both files are carried over. */
	OK(ca_roll_root(m.root_dir, S(""), KIT_NOW, &e));
	FAILS(ca_install_roots(m.dir, ca_roots(other), KIT_NOW, &e), ERR_FORBIDDEN);
	FAILS(ca_install_roots(m.dir, read_text(at, "safe/root.pem"), KIT_NOW, &e),
	      ERR_FORBIDDEN); /* without links nobody vouches for it */
	OK(ca_install_roots(
		m.dir,
		joined(at, read_text(at, "safe/root.pem"), read_text(at, "safe/links.pem")),
		KIT_NOW, &e));
	OK(ca_request_issuer(m.dir, S(""), at->a, &csr, &e));
	OK(ca_sign_issuer(m.root_dir, S(""), csr, KIT_NOW, at->a, &pem, &e));
	OK(ca_install_issuer(m.dir, pem, KIT_NOW, &e));
	ca = ca_free(ca);
	OK(ca_open(m.dir, S(""), &ca, &e));
	OK(key_make(KEY_P256, &k, &e));
	struct str leaf = cert_pem(place_leaf(at, ca, CERT_NODE, "n", k, KIT_NOW), at->a);
	assert_int_equal(
		judged(at, first_root, joined(at, leaf, ca_chain(ca)), KIT_NOW, false, ""),
		CERT_GOOD);
}

static void a_token_holds_the_issuing_key(void **state)
{
	char said[SAID_SIZE];
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct key *k CLEAN(key_freep) = NULL;
	int64_t now = clock_now_ms(clock_system());
	OK(file_mkdirs(place_path(at, "tokens"), 0700, &e));
	place_write(at, "softhsm2.conf",
		    arena_fmt(at->a, "directories.tokendir=%s/tokens\n", at->dir));
	assert_int_equal(setenv("SOFTHSM2_CONF", place_path(at, "softhsm2.conf"), 1), 0);
	assert_int_equal(TOOL(said, "softhsm2-util", "--init-token", "--free", "--label", "hoc",
			      "--pin", "1234", "--so-pin", "5678"),
			 0);
	struct ca_make m = {.dir = place_path(at, "ca"),
			    .kind = CA_USERS,
			    .cloud = S("test cloud"),
			    .passphrase = KIT_PASSPHRASE,
			    .token_uri = "pkcs11:token=hoc;object=users",
			    .pin = S("1234"),
			    .now_ms = now};
	OK(ca_make(&m, &e));
	assert_false(file_exists(place_path(at, "ca/issuer.key")));
	FAILS(ca_open(m.dir, S("4321"), &ca, &e), ERR_FORBIDDEN);
	OK(key_make(KEY_ED25519, &k, &e));
	for (int i = 0; i < 2; i++) {
		OK(ca_open(m.dir, S("1234"), &ca, &e));
		struct str leaf =
			cert_pem(place_leaf(at, ca, CERT_MASTER, "m.test", k, now), at->a);
		assert_all_take(at, ca_roots(ca), ca_chain(ca), leaf);
		ca = ca_free(ca);
		if (i == 0)
			OK(ca_roll_issuer(m.dir, S("1234\ncorrect horse battery"), now, &e));
	}
	FAILS(ca_roll_issuer(m.dir, S("1234\nwrong horse battery"), now, &e), ERR_FORBIDDEN);
	FAILS(ca_roll_issuer(m.dir, S("9999\ncorrect horse battery"), now, &e), ERR_FORBIDDEN);
}

/* ---- revocation ---- */

static void a_revocation_list_says_what_was_revoked(void **state)
{
	static const char *const has[] = {
		"Version 2 (0x1)",
		"Issuer: O = test cloud, OU = users, CN = test cloud users issuer",
		"X509v3 Authority Key Identifier",
		"X509v3 CRL Number: \n                300",
		"Key Compromise",
		"Cessation Of Operation",
		"Serial Number: 8000000000000000000000000000000000000001",
	};
	static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	int64_t now = clock_now_ms(clock_system());
	OK(key_make(KEY_P256, &k, &e));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char said[SAID_SIZE];
		struct ca *ca CLEAN(ca_freep) =
			place_ca(at, key_kind_word(kinds[i]), CA_USERS, kinds[i], now);
		struct str bad = place_leaf(at, ca, CERT_NODE, "bad", k, now), crl;
		struct str good = place_leaf(at, ca, CERT_NODE, "good", k, now);
		struct cert c;
		OK(cert_read(bad, at->a, &c, &e));
		const struct ca_revoked revoked[] = {
			{str_from(c.serial), now - 1000, 1},
			{S("01"), now, 0},
			{S("8000000000000000000000000000000000000001"), 0, 5},
		};
		OK(ca_crl(ca, revoked, 3, 300, now, 7, at->a, &crl, &e));
		place_write(at, "crl.der", crl);
		assert_int_equal(TOOL(said, "openssl", "crl", "-inform", "DER", "-in",
				      place_path(at, "crl.der"), "-out",
				      place_path(at, "crl.pem"), "-text"),
				 0);
		struct str text = read_text(at, "crl.pem");
		for (size_t j = 0; j < ARRAY_LEN(has); j++)
			if (str_find(text, str_from(has[j])) == text.n)
				fail_msg("no \"%s\" in %" STR_F, has[j], STR_A(text));
		place_write(at, "roots.pem", joined(at, ca_roots(ca), ca_chain(ca)));
		place_write(at, "issuer.pem", ca_chain(ca));
		if (TOOL(said, "certtool", "--verify-crl", "--load-ca-certificate",
			 place_path(at, "issuer.pem"), "--infile",
			 place_path(at, "crl.pem")) != 0)
			fail_msg("certtool: %s", said);
		for (int is_bad = 0; is_bad < 2; is_bad++) {
			place_write(at, "leaf.pem", cert_pem(is_bad ? bad : good, at->a));
			int rc = TOOL(said, "openssl", "verify", "-x509_strict", "-crl_check",
				      "-CRLfile", place_path(at, "crl.pem"), "-CAfile",
				      place_path(at, "roots.pem"), place_path(at, "leaf.pem"));
			if ((rc == 0) != !is_bad || (is_bad && !strstr(said, "revoked")))
				fail_msg("%s", said);
		}
		/* Empty, beyond 2049, and what cannot be said. */
		OK(ca_crl(ca, NULL, 0, 0, now, 10000, at->a, &crl, &e));
		place_write(at, "crl.der", crl);
		assert_int_equal(TOOL(said, "openssl", "crl", "-inform", "DER", "-in",
				      place_path(at, "crl.der"), "-text", "-noout"),
				 0);
		assert_non_null(strstr(said, "Next Update: "));
		assert_non_null(strstr(said, "No Revoked Certificates"));
		struct ca_revoked wrong = {S("xyz"), now, 0};
		FAILS(ca_crl(ca, &wrong, 1, 1, now, 7, at->a, &crl, &e), ERR_INVALID);
		wrong = (struct ca_revoked){S("01"), now, 7};
		FAILS(ca_crl(ca, &wrong, 1, 1, now, 7, at->a, &crl, &e), ERR_INVALID);
		FAILS(ca_crl(ca, NULL, 0, -1, now, 7, at->a, &crl, &e), ERR_INVALID);
		FAILS(ca_crl(ca, NULL, 0, 1, now, 0, at->a, &crl, &e), ERR_INVALID);
	}
}

static void a_trust_takes_only_lists_under_its_roots(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	struct ca *alike CLEAN(ca_freep) = place_ca(at, "alike", CA_USERS, KEY_P256, KIT_NOW);
	struct cert_trust *t CLEAN(cert_trust_freep) = NULL;
	struct str crl, evil, old_chain = arena_dup(at->a, ca_chain(ca));
	struct cert *chain;
	size_t n;
	OK(key_make(KEY_P256, &k, &e));
	struct str leaf = cert_pem(place_leaf(at, ca, CERT_NODE, "n", k, KIT_NOW), at->a);
	OK(cert_chain_read(joined(at, leaf, old_chain), at->a, &chain, &n, &e));
	const struct ca_revoked revoked = {str_from(chain[0].serial), KIT_NOW, 1};
	OK(ca_crl(alike, &revoked, 1, 1, KIT_NOW, 7, at->a, &evil, &e));
	/* The issuer rolls over: the list of the new one holds for the old one's certificates. */
	OK(ca_roll_issuer(place_path(at, "ca"), S(""), KIT_NOW, &e));
	ca = ca_free(ca);
	OK(ca_open(place_path(at, "ca"), S(""), &ca, &e));
	OK(ca_crl(ca, &revoked, 1, 2, KIT_NOW, 7, at->a, &crl, &e));
	OK(cert_trust_new(joined(at, ca_roots(ca), ca_chain(ca)), &t, &e));
	FAILS(cert_trust_add_crl(t, evil, &e), ERR_CORRUPT);
	FAILS(cert_trust_add_crl(t, S("nonsense"), &e), ERR_CORRUPT);
	FAILS(cert_trust_add_crl(t, S(""), &e), ERR_CORRUPT);
	char *changed = arena_alloc(at->a, crl.n);
	memcpy(changed, crl.p, crl.n);
	changed[crl.n - 5] ^= 1;
	FAILS(cert_trust_add_crl(t, str_of(changed, crl.n), &e), ERR_CORRUPT);
	assert_int_equal(cert_check(t, chain, n, KIT_NOW, false, S("")), CERT_GOOD);
	OK(cert_trust_add_crl(t, crl, &e));
	assert_int_equal(cert_check(t, chain, n, KIT_NOW, false, S("")), CERT_REVOKED);
}

/* ---- years ---- */

struct years {
	struct place *at;
	struct ca *ca;
	struct key *key;
	const char *dir;
	struct str first_root, sent;
	int64_t renew_at_ms, to_ms;
	int leaves, issuers;
};

/* A fresh leaf, as a party gets it that renews at two thirds of life. */
static void renew(struct years *y, int64_t now_ms)
{
	struct err e = ERR_INIT;
	struct cert c;
	struct str der = place_leaf(y->at, y->ca, CERT_MASTER, "m.test", y->key, now_ms);
	OK(cert_read(der, y->at->a, &c, &e));
	y->sent = joined(y->at, cert_pem(der, y->at->a), ca_chain(y->ca));
	y->renew_at_ms = now_ms + (c.to_ms - now_ms) / 3 * 2;
	y->to_ms = c.to_ms;
	y->leaves++;
}

static void reopen(struct years *y)
{
	struct err e = ERR_INIT;
	y->ca = ca_free(y->ca);
	OK(ca_open(y->dir, S(""), &y->ca, &e));
}

static void one_day(struct years *y, int64_t now_ms, bool is_root_day)
{
	struct err e = ERR_INIT;
	if (is_root_day) {
		OK(ca_roll_root(y->dir, S(""), now_ms, &e));
		reopen(y);
	} else if (ca_issuer_to_ms(y->ca) - now_ms < CA_ISSUER_DAYS / 3 * KIT_DAY) {
		OK(ca_roll_issuer(y->dir, S(""), now_ms, &e));
		reopen(y);
		y->issuers++;
	}
	if (now_ms >= y->renew_at_ms)
		renew(y, now_ms);
}

static void five_years_pass_and_no_chain_ever_expires(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct years y = {.at = at, .dir = place_path(at, "ca")};
	y.ca = place_ca(at, "ca", CA_USERS, KEY_P256, KIT_NOW);
	y.first_root = arena_dup(at->a, ca_roots(y.ca));
	OK(key_make(KEY_P256, &y.key, &e));
	renew(&y, KIT_NOW);
	for (int day = 0; day < 5 * 365; day++) {
		int64_t now = KIT_NOW + day * KIT_DAY;
		one_day(&y, now, day == 900);
		assert_true(y.to_ms - now >= 10 * KIT_DAY - 1000); /* a week without master */
		if (day % 3)
			continue;
		/* One party never learned of anything since the first day; one is up to date. */
		if (judged(at, y.first_root, y.sent, now, true, "m.test") != CERT_GOOD ||
		    judged(at, joined(at, first_of(ca_roots(y.ca)), ca_chain(y.ca)), y.sent,
			   now, true, "m.test") != CERT_GOOD)
			fail_msg("day %d: the chain does not hold", day);
	}
	assert_in_range(y.leaves, 5 * 365 / 20, 5 * 365 / 20 + 2);
	assert_int_equal(y.issuers, 2); /* and one by the root's rollover */
	(void)key_free(y.key);
	(void)ca_free(y.ca);
}

int main(void)
{
#define AT(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		AT(a_token_holds_the_issuing_key), /* first: a module reads its settings once */
		AT(strict_tools_accept_every_chain),
		AT(fields_are_as_rfc_5280_wants_them),
		AT(an_authority_signs_only_what_it_is_for),
		AT(keys_of_services_may_be_of_other_kinds),
		AT(a_directory_is_made_whole_and_once),
		AT(an_issuer_that_ended_signs_no_more),
		AT(threads_sign_at_once),
		AT(an_issuers_rollover_keeps_what_it_signed),
		AT(each_side_of_a_root_rollover_trusts_the_other),
		AT(a_rollover_cut_short_leaves_an_authority),
		AT(an_offline_root_signs_what_is_carried_to_it),
		AT(a_revocation_list_says_what_was_revoked),
		AT(a_trust_takes_only_lists_under_its_roots),
		AT(five_years_pass_and_no_chain_ever_expires),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
