/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cert_kit.h"

#include <unistd.h>

/* ---- what is wrong with a certificate ---- */

/* The authority, one that looks like it, and what they signed at KIT_NOW. */
struct world {
	struct ca *users, *services, *alike;
	struct key *key;
	struct str master, person, service, revoked, evil, crl;
	struct cert_trust *trust, *trust_services;
};

static void world_fini(struct world *w)
{
	(void)ca_free(w->users);
	(void)ca_free(w->services);
	(void)ca_free(w->alike);
	(void)key_free(w->key);
	(void)cert_trust_free(w->trust);
	(void)cert_trust_free(w->trust_services);
}

static void world_init(struct world *w, struct place *at)
{
	struct err e = ERR_INIT;
	struct cert c;
	w->users = place_ca(at, "users", CA_USERS, KEY_P256, KIT_NOW);
	w->services = place_ca(at, "services", CA_SERVICES, KEY_ED25519, KIT_NOW);
	w->alike = place_ca(at, "alike", CA_USERS, KEY_P256, KIT_NOW);
	OK(key_make(KEY_P256, &w->key, &e));
	w->master = place_leaf(at, w->users, CERT_MASTER, "m.test", w->key, KIT_NOW);
	w->person = place_leaf(at, w->users, CERT_PERSON, "anna", w->key, KIT_NOW);
	w->revoked = place_leaf(at, w->users, CERT_PERSON, "bert", w->key, KIT_NOW);
	w->service = place_leaf(at, w->services, CERT_SERVICE, "*.shop.test", w->key, KIT_NOW);
	w->evil = place_leaf(at, w->alike, CERT_MASTER, "m.test", w->key, KIT_NOW);
	OK(cert_read(w->revoked, at->a, &c, &e));
	const struct ca_revoked r = {str_from(c.serial), KIT_NOW, 1};
	OK(ca_crl(w->users, &r, 1, 1, KIT_NOW, 7, at->a, &w->crl, &e));
	OK(cert_trust_new(joined(at, ca_roots(w->users), ca_chain(w->users)), &w->trust, &e));
	OK(cert_trust_add_crl(w->trust, w->crl, &e));
	OK(cert_trust_new(ca_roots(w->services), &w->trust_services, &e));
}

static void each_fault_is_called_by_its_name(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.users = NULL};
	world_init(&w, at);
	const struct row {
		const char *what;
		struct str leaf;
		const struct ca *sent; /* whose chain is sent with it; NULL: none */
		bool is_services;      /* who trusts authority services */
		int64_t after_ms;
		bool is_server;
		const char *host;
		enum cert_fault fault;
	} rows[] = {
		{"master", w.master, w.users, false, 0, true, "m.test", CERT_GOOD},
		{"no host asked", w.master, w.users, false, 0, true, "", CERT_GOOD},
		{"in capitals", w.master, w.users, false, 0, true, "M.Test", CERT_GOOD},
		{"master as client", w.master, w.users, false, 0, false, "", CERT_GOOD},
		{"person", w.person, w.users, false, 0, false, "", CERT_GOOD},
		{"issuer is known", w.person, NULL, false, 0, false, "", CERT_GOOD},
		{"wildcard", w.service, w.services, true, 0, true, "www.shop.test", CERT_GOOD},
		{"first second", w.person, w.users, false, -CA_SKEW_MS, false, "", CERT_GOOD},
		{"last second", w.person, w.users, false, 30 * KIT_DAY, false, "", CERT_GOOD},
		{"expired", w.person, w.users, false, 30 * KIT_DAY + 1, false, "",
		 CERT_EXPIRED},
		{"long expired", w.person, w.users, false, 9000 * KIT_DAY, false, "",
		 CERT_EXPIRED},
		{"not yet", w.person, w.users, false, -CA_SKEW_MS - 1, false, "", CERT_NOT_YET},
		{"revoked", w.revoked, w.users, false, 0, false, "", CERT_REVOKED},
		{"revoked, list old", w.revoked, w.users, false, 20 * KIT_DAY, false, "",
		 CERT_REVOKED},
		{"person as server", w.person, w.users, false, 0, true, "", CERT_WRONG_PURPOSE},
		{"service as client", w.service, w.services, true, 0, false, "",
		 CERT_WRONG_PURPOSE},
		{"other host", w.master, w.users, false, 0, true, "n.test", CERT_WRONG_NAME},
		{"below host", w.master, w.users, false, 0, true, "a.m.test", CERT_WRONG_NAME},
		{"cut host", w.master, w.users, false, 0, true, "m.tes", CERT_WRONG_NAME},
		{"wildcard, two labels", w.service, w.services, true, 0, true, "a.b.shop.test",
		 CERT_WRONG_NAME},
		{"wildcard, none", w.service, w.services, true, 0, true, "shop.test",
		 CERT_WRONG_NAME},
		{"wildcard, empty", w.service, w.services, true, 0, true, ".shop.test",
		 CERT_WRONG_NAME},
		{"address", w.master, w.users, false, 0, true, "127.0.0.1", CERT_WRONG_NAME},
		{"look-alike", w.evil, w.alike, false, 0, true, "m.test", CERT_UNTRUSTED},
		{"look-alike, our chain", w.evil, w.users, false, 0, true, "m.test",
		 CERT_UNTRUSTED},
		{"foreign", w.service, w.services, false, 0, true, "www.shop.test",
		 CERT_UNTRUSTED},
		{"users for services", w.master, w.users, true, 0, true, "m.test",
		 CERT_UNTRUSTED},
		{"issuer unknown", w.service, NULL, true, 0, true, "www.shop.test",
		 CERT_UNTRUSTED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct cert *chain;
		size_t n;
		struct str pem = cert_pem(r->leaf, at->a);
		if (r->sent)
			pem = joined(at, pem, joined(at, ca_chain(r->sent), ca_roots(r->sent)));
		OK(cert_chain_read(pem, at->a, &chain, &n, &e));
		enum cert_fault f =
			cert_check(r->is_services ? w.trust_services : w.trust, chain, n,
				   KIT_NOW + r->after_ms, r->is_server, str_from(r->host));
		if (f != r->fault)
			fail_msg("%s: %s instead of %s", r->what, cert_fault_word(f),
				 cert_fault_word(r->fault));
	}
}

static void who_shows_the_authority_itself_is_nobody(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.users = NULL};
	world_init(&w, at);
	struct cert *chain;
	size_t n;
	OK(cert_chain_read(joined(at, ca_chain(w.users), ca_roots(w.users)), at->a, &chain, &n,
			   &e));
	assert_int_equal(cert_check(w.trust, chain, n, KIT_NOW, false, S("")),
			 CERT_WRONG_PURPOSE);
	assert_int_equal(cert_check(w.trust, chain + 1, 1, KIT_NOW, false, S("")),
			 CERT_UNTRUSTED);
	assert_int_equal(cert_check(w.trust, chain, 0, KIT_NOW, false, S("")), CERT_UNTRUSTED);
}

static void every_changed_byte_is_noticed(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct world w CLEAN(world_fini) = {.users = NULL};
	size_t refused = 0, untrusted = 0;
	world_init(&w, at);
	char *copy = arena_alloc(at->a, w.person.n + 1);
	for (size_t i = 0; i < w.person.n; i++) {
		struct cert c;
		memcpy(copy, w.person.p, w.person.n);
		copy[i] ^= 1 << i % 8;
		err_clear(&e);
		if (cert_read(str_of(copy, w.person.n), at->a, &c, &e) < 0) {
			assert_int_equal(e.kind, ERR_INVALID);
			refused++;
		} else if (cert_check(w.trust, &c, 1, KIT_NOW, false, S("")) != CERT_GOOD) {
			untrusted++;
		} else {
			fail_msg("byte %zu may change", i);
		}
	}
	assert_true(refused > 10);
	assert_true(untrusted > 10);
	for (size_t n = 0; n < w.person.n; n += n < 20 ? 1 : 7) {
		struct cert c;
		FAILS(cert_read(str_sub(w.person, 0, n), at->a, &c, &e), ERR_INVALID);
	}
	memcpy(copy, w.person.p, w.person.n);
	copy[w.person.n] = 0;
	struct cert c;
	FAILS(cert_read(str_of(copy, w.person.n + 1), at->a, &c, &e), ERR_INVALID);
	FAILS(cert_read(S("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
			at->a, &c, &e),
	      ERR_INVALID);
	FAILS(cert_read(joined(at, cert_pem(w.person, at->a), cert_pem(w.master, at->a)), at->a,
			&c, &e),
	      ERR_INVALID);
	struct cert_trust *t CLEAN(cert_trust_freep) = NULL;
	FAILS(cert_trust_new(S(""), &t, &e), ERR_INVALID);
	FAILS(cert_trust_new(ca_chain(w.users), &t, &e), ERR_INVALID); /* no root in it */
}

/* ---- what an authority's key could sign if its owner were false ---- */

struct forge {
	const char *what, *issuer, *key; /* files of the place */
	const char *extensions;
	enum cert_fault fault; /* as a server, host a.shop.test */
};

/* A certificate of a fresh key, made by openssl with whatever extensions. */
static struct str forged(struct place *at, const struct forge *f)
{
	char said[SAID_SIZE];
	struct err e = ERR_INIT;
	struct str pem;
	place_write(at, "f.cnf", str_from(f->extensions));
	if (TOOL(said, "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
		 "ec_paramgen_curve:P-256", "-nodes", "-keyout", place_path(at, "f.key"),
		 "-subj", "/O=forged/CN=forged", "-out", place_path(at, "f.csr")) != 0 ||
	    TOOL(said, "openssl", "x509", "-req", "-in", place_path(at, "f.csr"), "-CA",
		 place_path(at, f->issuer), "-CAkey", place_path(at, f->key), "-set_serial",
		 "7", "-days", "2", "-extfile", place_path(at, "f.cnf"), "-out",
		 place_path(at, "f.pem")) != 0)
		fail_msg("%s: %s", f->what, said);
	OK(file_read(place_path(at, "f.pem"), 100000, at->a, &pem, &e));
	return pem;
}

#define LEAF \
	"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n" \
	"extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n" \
	"subjectKeyIdentifier=hash\n"
#define SUB \
	"basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n" \
	"authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"

/* A node with authority over two names. */
struct site {
	struct ca *ca, *own;
	struct key *key, *other;
	struct str chain;
	int64_t now_ms; /* the tools live in the machine's time */
};

static void site_fini(struct site *s)
{
	(void)ca_free(s->own);
	(void)ca_free(s->ca);
	(void)key_free(s->key);
	(void)key_free(s->other);
}

static void site_init(struct site *s, struct place *at)
{
	struct err e = ERR_INIT;
	char serial[CERT_SERIAL_SIZE];
	struct str names[] = {S("shop.test"), S("Second.Test")}, der;
	s->now_ms = clock_now_ms(clock_system());
	s->ca = place_ca(at, "ca", CA_SERVICES, KEY_P256, s->now_ms);
	OK(key_open(place_path(at, "d.key"), KEY_P256, &s->key, &e));
	OK(key_make(KEY_P256, &s->other, &e));
	OK(ca_delegate(s->ca, S("n1"), key_public(s->key), &(struct cert_names){names, 2},
		       s->now_ms, at->a, &der, serial, &e));
	s->chain = joined(at, cert_pem(der, at->a), ca_chain(s->ca));
	place_write(at, "d.pem", cert_pem(der, at->a));
	OK(ca_open_delegated(s->key, s->chain, &s->own, &e));
}

static void authority_is_delegated_over_names_only(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	char serial[CERT_SERIAL_SIZE];
	struct site s CLEAN(site_fini) = {.ca = NULL};
	struct str bad[] = {S("10.0.0.1"), S("*.shop.test"), S("")}, good = S("a.test"), der;
	const struct cert_names permitted = {&good, 1}, nothing = {NULL, 0};
	site_init(&s, at);
	struct ca *users CLEAN(ca_freep) = place_ca(at, "users", CA_USERS, KEY_P256, s.now_ms);
	struct ca *none CLEAN(ca_freep) = NULL;
	struct str public = key_public(s.other);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct cert_names one = {&bad[i], 1};
		FAILS(ca_delegate(s.ca, S("n1"), public, &one, s.now_ms, at->a, &der, serial,
				  &e),
		      ERR_INVALID);
	}
	FAILS(ca_delegate(s.ca, S("n1"), public, &nothing, s.now_ms, at->a, &der, serial, &e),
	      ERR_INVALID);
	FAILS(ca_delegate(s.ca, S("n 1"), public, &permitted, s.now_ms, at->a, &der, serial,
			  &e),
	      ERR_INVALID);
	FAILS(ca_delegate(users, S("n1"), public, &permitted, s.now_ms, at->a, &der, serial,
			  &e),
	      ERR_UNSUPPORTED);
	FAILS(ca_delegate(s.own, S("n2"), public, &permitted, s.now_ms, at->a, &der, serial,
			  &e),
	      ERR_UNSUPPORTED);
	FAILS(ca_open_delegated(s.other, s.chain, &none, &e), ERR_INVALID);
	FAILS(ca_open_delegated(s.key, S(""), &none, &e), ERR_INVALID);
	assert_int_equal(ca_issuer_to_ms(s.own) / 1000,
			 (s.now_ms + CA_DELEGATED_DAYS * KIT_DAY) / 1000);
	struct hash root = ca_root_fingerprint(s.ca);
	assert_int_equal(ca_kind_of(s.own), CA_SERVICES);
	assert_false(hash_eq(&root, &(struct hash){{0}}));
}

static void a_delegated_issuer_signs_within_its_names(void **state)
{
	static const struct {
		const char *name;
		bool is_signed;
	} asked[] = {
		{"shop.test", true},   {"a.b.shop.test", true}, {"*.shop.test", true},
		{"second.test", true}, {"bank.test", false},	{"workshop.test", false},
		{"test", false},       {"*.test", false},	{"10.0.0.1", false},
		{"::1", false},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char serial[CERT_SERIAL_SIZE], said[SAID_SIZE];
	struct site s CLEAN(site_fini) = {.ca = NULL};
	struct str der;
	site_init(&s, at);
	place_write(at, "roots.pem", ca_roots(s.ca));
	place_write(at, "chain.pem", s.chain);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct str two[] = {S("a.shop.test"), str_from(asked[i].name)};
		struct ca_leaf leaf = {.kind = CERT_SERVICE,
				       .names = {two, 2},
				       .public = key_public(s.other),
				       .now_ms = s.now_ms};
		if (!asked[i].is_signed) {
			FAILS(ca_sign(s.own, &leaf, at->a, &der, serial, &e), ERR_INVALID);
			continue;
		}
		OK(ca_sign(s.own, &leaf, at->a, &der, serial, &e));
		place_write(at, "leaf.pem", cert_pem(der, at->a));
		place_write(at, "whole.pem", joined(at, cert_pem(der, at->a), s.chain));
		if (TOOL(said, "openssl", "verify", "-x509_strict", "-purpose", "sslserver",
			 "-verify_hostname", "a.shop.test", "-CAfile",
			 place_path(at, "roots.pem"), "-untrusted", place_path(at, "chain.pem"),
			 place_path(at, "leaf.pem")) != 0 ||
		    TOOL(said, "certtool", "--verify", "--load-ca-certificate",
			 place_path(at, "roots.pem"), "--infile",
			 place_path(at, "whole.pem")) != 0)
			fail_msg("%s: %s", asked[i].name, said);
	}
}

static void a_false_delegated_issuer_is_not_believed(void **state)
{
	static const struct forge rows[] = {
		{"its name", "d.pem", "d.key", LEAF "subjectAltName=DNS:a.shop.test\n",
		 CERT_GOOD},
		{"foreign name", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test,DNS:bank.test\n", CERT_WRONG_NAME},
		{"name that ends alike", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test,DNS:workshop.test\n", CERT_WRONG_NAME},
		{"wildcard above", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test,DNS:*.test\n", CERT_WRONG_NAME},
		{"address", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test,IP:10.0.0.1\n", CERT_WRONG_NAME},
		{"address 6", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test,IP:2001:db8::1\n", CERT_WRONG_NAME},
		{"client", "d.pem", "d.key",
		 "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n"
		 "subjectAltName=DNS:a.shop.test\n",
		 CERT_WRONG_PURPOSE},
		{"no purpose", "d.pem", "d.key",
		 "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:a.shop.test\n",
		 CERT_WRONG_PURPOSE},
		{"any purpose", "d.pem", "d.key",
		 "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=anyExtendedKeyUsage\n"
		 "subjectAltName=DNS:a.shop.test\n",
		 CERT_WRONG_PURPOSE},
		{"what nobody knows", "d.pem", "d.key",
		 LEAF "subjectAltName=DNS:a.shop.test\n1.2.3.4=critical,DER:0500\n",
		 CERT_UNTRUSTED},
		{"only a common name", "d.pem", "d.key", LEAF, CERT_WRONG_NAME},
		/* A chain that is too long: the delegated issuer delegates. */
		{"authority below it", "sub.pem", "sub.key",
		 LEAF "subjectAltName=DNS:a.shop.test\n", CERT_UNTRUSTED},
		/* A leaf that plays the authority. */
		{"leaf below a leaf", "leaf.pem", "leaf.key",
		 LEAF "subjectAltName=DNS:a.shop.test\n", CERT_UNTRUSTED},
	};
	struct place *at = *state;
	struct site s CLEAN(site_fini) = {.ca = NULL};
	site_init(&s, at);
	/* The authority below it, and a leaf, as false issuers. */
	struct str sub = forged(at, &(struct forge){"sub", "d.pem", "d.key", SUB, 0});
	place_write(at, "sub.pem", sub);
	assert_int_equal(rename(place_path(at, "f.key"), place_path(at, "sub.key")), 0);
	struct str leaf =
		forged(at, &(struct forge){"leaf", "d.pem", "d.key",
					   LEAF "subjectAltName=DNS:a.shop.test\n", 0});
	place_write(at, "leaf.pem", leaf);
	assert_int_equal(rename(place_path(at, "f.key"), place_path(at, "leaf.key")), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str pem = forged(at, &rows[i]);
		struct str sent = joined(at, joined(at, pem, s.chain), joined(at, sub, leaf));
		enum cert_fault f =
			judged(at, ca_roots(s.ca), sent, s.now_ms + 60000, true, "a.shop.test");
		if (f != rows[i].fault)
			fail_msg("%s: %s instead of %s", rows[i].what, cert_fault_word(f),
				 cert_fault_word(rows[i].fault));
	}
}

/* ---- certificates and requests of others ---- */

static void certificates_of_others_are_read(void **state)
{
	static const char make[] =
		"import datetime, ipaddress, sys\n"
		"from cryptography import x509\n"
		"from cryptography.hazmat.primitives import hashes, serialization\n"
		"from cryptography.hazmat.primitives.asymmetric import rsa\n"
		"from cryptography.x509.oid import NameOID, ExtendedKeyUsageOID as E\n"
		"k = rsa.generate_private_key(65537, 2048)\n"
		"n = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'M\\u00fcller')])\n"
		"at = datetime.datetime(2049, 12, 31, 23, 59, 59)\n"
		"c = x509.CertificateBuilder().subject_name(n).issuer_name(n).public_key(\n"
		"    k.public_key()).serial_number(0xfedcba9876543210 << 88 | "
		"1).not_valid_before(\n"
		"    datetime.datetime(1970, 1, 2)).not_valid_after(at + "
		"datetime.timedelta(1))\n"
		"c = c.add_extension(x509.SubjectAlternativeName([\n"
		"    x509.DNSName('A.Test'), "
		"x509.IPAddress(ipaddress.ip_address('2001:db8::1')),\n"
		"    x509.IPAddress(ipaddress.ip_address('192.0.2.7')), "
		"x509.RFC822Name('a@b.test'),\n"
		"    x509.UniformResourceIdentifier(sys.argv[2])]), False)\n"
		"c = c.add_extension(x509.ExtendedKeyUsage([E.SERVER_AUTH, E.CLIENT_AUTH]), "
		"False)\n"
		"c = c.sign(k, hashes.SHA256())\n"
		"open(sys.argv[1], 'wb').write(c.public_bytes(serialization.Encoding.DER))\n";
	static const struct {
		const char *uri;
		bool is_read;
		enum cert_kind kind;
		const char *name;
	} rows[] = {
		{"https://example.test/x", true, CERT_SERVICE, "M\xc3\xbcller"},
		{"hoc:person:anna", true, CERT_PERSON, "anna"},
		{"hoc:instance:0b5c-1", true, CERT_INSTANCE, "0b5c-1"},
		{"hoc:service:anna", false, 0, NULL},
		{"hoc:person:", false, 0, NULL},
		{"hoc:person:a:b", false, 0, NULL},
		{"hoc:person:a%20b", false, 0, NULL},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char said[SAID_SIZE];
	place_write(at, "make.py", str_from(make));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str der;
		struct cert c;
		if (TOOL(said, "/usr/bin/python3", place_path(at, "make.py"),
			 place_path(at, "c.der"), rows[i].uri) != 0)
			fail_msg("%s", said);
		OK(file_read(place_path(at, "c.der"), 100000, at->a, &der, &e));
		if (!rows[i].is_read) {
			FAILS(cert_read(der, at->a, &c, &e), ERR_INVALID);
			continue;
		}
		OK(cert_read(der, at->a, &c, &e));
		assert_int_equal(c.kind, rows[i].kind);
		assert_true(str_is(c.name, rows[i].name));
		assert_true(str_is(c.issuer, "M\xc3\xbcller"));
		assert_string_equal(c.serial, "fedcba98765432100000000000000000000001");
		assert_int_equal(c.from_ms, 86400000);
		assert_int_equal(c.to_ms, 2524694399000 - 86400000 + 86400000);
		assert_int_equal(c.names.count, 3);
		assert_true(str_is(c.names.items[0], "a.test"));
		assert_true(str_is(c.names.items[1], "2001:db8::1"));
		assert_true(str_is(c.names.items[2], "192.0.2.7"));
		assert_true(c.is_client && c.is_server && !c.is_authority);
		struct hash h = hash_of(der), own = cert_fingerprint(&c);
		assert_true(hash_eq(&h, &own));
		h = hash_of(c.public);
		assert_true(hash_eq(&h, &c.key));
	}
}

static void requests_are_made_and_read(void **state)
{
	static const enum key_kind kinds[] = {KEY_P256, KEY_ED25519};
	struct place *at = *state;
	struct err e = ERR_INIT;
	char said[SAID_SIZE];
	struct str items[] = {S("A.test"), S("*.b.test"), S("192.0.2.1"), S("2001:DB8::2")};
	const struct cert_names names = {items, 4}, none = {NULL, 0};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct key *k CLEAN(key_freep) = NULL;
		struct str pem;
		struct cert_request r;
		OK(key_make(kinds[i], &k, &e));
		OK(cert_request_make(k, S(""), &none, at->a, &pem, &e));
		OK(cert_request_read(pem, at->a, &r, &e));
		assert_int_equal(r.common_name.n + r.names.count, 0);
		OK(cert_request_make(k, S("anna"), &names, at->a, &pem, &e));
		OK(cert_request_read(pem, at->a, &r, &e));
		assert_int_equal(r.kind, kinds[i]);
		assert_true(str_is(r.common_name, "anna"));
		assert_int_equal(r.names.count, 4);
		assert_true(str_is(r.names.items[0], "a.test"));
		assert_true(str_is(r.names.items[3], "2001:db8::2"));
		assert_true(str_eq(r.public, key_public(k)));
		struct cert_request same;
		OK(cert_request_read(r.der, at->a, &same, &e));
		assert_true(hash_eq(&same.key, &r.key));
		place_write(at, "r.csr", pem);
		if (TOOL(said, "openssl", "req", "-verify", "-noout", "-in",
			 place_path(at, "r.csr")) != 0)
			fail_msg("%s", said);
		/* Somebody else's key in it: the signature does not fit. */
		char *copy = arena_alloc(at->a, r.der.n);
		memcpy(copy, r.der.p, r.der.n);
		size_t at_key = str_find(r.der, r.public) + r.public.n - 3;
		copy[at_key] ^= 1;
		FAILS(cert_request_read(str_of(copy, r.der.n), at->a, &same, &e), ERR_INVALID);
		assert_int_equal(cert_request_make(k, S(""), &(struct cert_names){&pem, 1},
						   at->a, &pem, &e),
				 -1);
		assert_string_equal(e.field, "names");
		err_clear(&e);
	}
	struct cert_request r;
	FAILS(cert_request_read(S(""), at->a, &r, &e), ERR_INVALID);
	FAILS(cert_request_read(S("nonsense"), at->a, &r, &e), ERR_INVALID);
}

static void keys_of_requests_are_strong_enough(void **state)
{
	static const struct {
		const char *algorithm, *option;
		bool is_taken;
		enum key_kind kind;
		unsigned bits;
	} rows[] = {
		{"RSA", "rsa_keygen_bits:2048", true, KEY_KINDS, 2048},
		{"EC", "ec_paramgen_curve:P-384", true, KEY_KINDS, 384},
		{"EC", "ec_paramgen_curve:P-256", true, KEY_P256, 256},
		{"RSA", "rsa_keygen_bits:1024", false, 0, 0},
		{"EC", "ec_paramgen_curve:P-224", false, 0, 0},
		{"EC", "ec_paramgen_curve:P-521", false, 0, 0},
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char said[SAID_SIZE];
		struct str pem;
		struct cert_request r;
		if (TOOL(said, "openssl", "req", "-new", "-newkey", rows[i].algorithm,
			 "-pkeyopt", rows[i].option, "-nodes", "-keyout", place_path(at, "k"),
			 "-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test", "-out",
			 place_path(at, "r.csr")) != 0)
			fail_msg("%s", said);
		OK(file_read(place_path(at, "r.csr"), 100000, at->a, &pem, &e));
		if (!rows[i].is_taken) {
			FAILS(cert_request_read(pem, at->a, &r, &e), ERR_INVALID);
			continue;
		}
		OK(cert_request_read(pem, at->a, &r, &e));
		assert_int_equal(r.kind, rows[i].kind);
		assert_int_equal(r.key_bits, rows[i].bits);
		assert_true(str_is(r.common_name, "a.test"));
		assert_int_equal(r.names.count, 1);
	}
}

static void words_are_read_back(void **state)
{
	struct err e = ERR_INIT;
	enum cert_kind k;
	(void)state;
	for (enum cert_kind i = 0; i < CERT_KINDS; i++) {
		OK(cert_kind_read(str_from(cert_kind_word(i)), &k, &e));
		assert_int_equal(k, i);
	}
	FAILS(cert_kind_read(S("dog"), &k, &e), ERR_INVALID);
	for (enum cert_fault f = 0; f < CERT_FAULTS; f++)
		for (enum cert_fault g = 0; g < f; g++)
			assert_string_not_equal(cert_fault_word(f), cert_fault_word(g));
}

int main(void)
{
#define AT(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		AT(words_are_read_back),
		AT(each_fault_is_called_by_its_name),
		AT(who_shows_the_authority_itself_is_nobody),
		AT(every_changed_byte_is_noticed),
		AT(authority_is_delegated_over_names_only),
		AT(a_delegated_issuer_signs_within_its_names),
		AT(a_false_delegated_issuer_is_not_believed),
		AT(certificates_of_others_are_read),
		AT(requests_are_made_and_read),
		AT(keys_of_requests_are_strong_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
