/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/cloud.h"
#include "base/log.h"
#include "cloud_kit.h"

static const int64_t day_ms = 86400000;

struct scene {
	struct kit k;
	struct kit_reader ann, bob, n2;
};

static struct recipients read_of(struct scene *s, struct str body, int64_t now_ms,
				 struct str crl)
{
	struct err e = ERR_INIT;
	struct recipients r;
	if (recipients_read(body, ca_roots(s->k.users), ca_chain(s->k.users), crl, now_ms,
			    s->k.a, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static struct recipients reads(struct scene *s, const struct kit_reader *list, size_t n)
{
	return read_of(s, kit_recipients(&s->k, "sealed", 3, list, n), s->k.now_ms, S(""));
}

/* Only bob is left: ann, changed, is named with that reason. */
static void left_out(struct scene *s, const struct kit_reader *changed, const char *why)
{
	const struct kit_reader both[] = {*changed, s->bob};
	struct recipients r = reads(s, both, 2);
	assert_int_equal(r.count, 1);
	assert_true(str_eq(r.keys[0], s->bob.recipient));
	if (!strstr(r.left_out, changed->name) || !strstr(r.left_out, why))
		fail_msg("\"%s\" does not say %s: %s", r.left_out, changed->name, why);
}

static void who_proves_his_key_is_a_recipient(void **state)
{
	struct scene *s = *state;
	const struct kit_reader all[] = {s->ann, s->n2, s->ann};
	struct recipients r = reads(s, all, 3);
	assert_true(r.is_sealed);
	assert_int_equal(r.rotation, 3);
	assert_int_equal(r.count, 2);
	assert_true(str_eq(r.keys[0], s->ann.recipient));
	assert_true(str_eq(r.keys[1], s->n2.recipient));
	assert_string_equal(r.left_out, "");
}

static void who_does_not_is_left_out_and_named(void **state)
{
	struct scene *s = *state;
	struct kit_reader x = s->ann;
	x.certificate = S("");
	left_out(s, &x, "has no certificate");
	x.certificate = S("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	left_out(s, &x, "has no certificate");
	x = s->ann;
	x.certificate = kit_certificate(&s->k, s->k.foreign, CERT_PERSON, "ann", s->ann.key,
					s->k.now_ms);
	left_out(s, &x, "untrusted");
	/* The master itself puts its own sealing key in ann's place: */
	x = s->ann;
	x.recipient = s->n2.recipient;
	left_out(s, &x, "did not sign that sealing key");
	x = s->ann; /* … with a statement of a key that is somebody else's … */
	x.recipient = s->n2.recipient;
	x.statement = s->n2.statement;
	left_out(s, &x, "did not sign that sealing key");
	x = s->n2; /* … or with all that is another's but the name. */
	x.kind = "person";
	x.name = "ann";
	left_out(s, &x, "shows somebody else's certificate");
	x = s->ann;
	x.key_name = s->bob.key_name;
	left_out(s, &x, "shows somebody else's certificate");
	x = s->ann;
	x.statement = S("!");
	left_out(s, &x, "has no sealing key");
	x = s->ann;
	x.recipient = S("age1");
	left_out(s, &x, "has no sealing key");
}

static void a_certificate_that_ended_lately_still_counts(void **state)
{
	struct scene *s = *state;
	struct str body = kit_recipients(&s->k, "sealed", 0, &s->ann, 1);
	int64_t now_ms = s->k.now_ms;
	assert_int_equal(read_of(s, body, now_ms + 31 * day_ms, S("")).count, 1);
	assert_int_equal(read_of(s, body, now_ms + 59 * day_ms, S("")).count, 1);
	struct recipients r = read_of(s, body, now_ms + 61 * day_ms, S(""));
	assert_int_equal(r.count, 0);
	assert_string_equal(r.left_out, "ann: expired");
}

static void a_revoked_one_is_left_out(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct cert *chain;
	size_t n;
	struct str crl;
	assert_int_equal(cert_chain_read(s->ann.certificate, s->k.a, &chain, &n, &e), 0);
	const struct ca_revoked gone = {
		.serial = str_from(chain[0].serial), .at_ms = s->k.now_ms, .reason = 1};
	assert_int_equal(ca_crl(s->k.users, &gone, 1, 1, s->k.now_ms, 7, s->k.a, &crl, &e), 0);
	const struct kit_reader both[] = {s->ann, s->bob};
	struct str body = kit_recipients(&s->k, "sealed", 0, both, 2);
	struct recipients r = read_of(s, body, s->k.now_ms, crl);
	assert_int_equal(r.count, 1);
	assert_true(str_eq(r.keys[0], s->bob.recipient));
	assert_string_equal(r.left_out, "ann: revoked");
	/* A list of strangers revokes nobody. */
	assert_int_equal(ca_crl(s->k.foreign, &gone, 1, 1, s->k.now_ms, 7, s->k.a, &crl, &e),
			 0);
	assert_int_equal(read_of(s, body, s->k.now_ms, crl).count, 2);
}

/* The chain is the master's word: a root in it makes nobody good. */
static void a_root_in_the_chain_is_not_believed(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct recipients r;
	struct kit_reader x = s->ann;
	x.certificate = kit_certificate(&s->k, s->k.foreign, CERT_PERSON, "ann", s->ann.key,
					s->k.now_ms);
	struct str own = ca_chain(s->k.users), root = ca_roots(s->k.foreign);
	struct str chain = arena_fmt(s->k.a, "%" STR_F "%" STR_F, STR_A(own), STR_A(root));
	assert_int_equal(recipients_read(kit_recipients(&s->k, "sealed", 0, &x, 1),
					 ca_roots(s->k.users), chain, S(""), s->k.now_ms,
					 s->k.a, &r, &e),
			 0);
	assert_int_equal(r.count, 0);
	assert_string_equal(r.left_out, "ann: untrusted");
}

static void clear_needs_nobody(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct recipients r =
		read_of(s, kit_recipients(&s->k, "clear", 2, &s->ann, 1), s->k.now_ms, S(""));
	assert_false(r.is_sealed);
	assert_int_equal(r.rotation, 2);
	assert_int_equal(r.count, 0);
	/* No mode is no consent. */
	assert_true(recipients_read(kit_recipients(&s->k, "", 2, &s->ann, 1),
				    ca_roots(s->k.users), S(""), S(""), s->k.now_ms, s->k.a, &r,
				    &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_string_equal(e.field, "mode");
}

static void kept_readers_come_back(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct kit_reader both[] = {s->ann, s->bob};
	struct recipients r = reads(s, both, 2), again;
	struct str text = recipients_text(&r, s->k.a);
	assert_int_equal(recipients_parse(text, s->k.a, &again, &e), 0);
	assert_true(again.is_sealed);
	assert_int_equal(again.rotation, 3);
	assert_int_equal(again.count, 2);
	assert_true(str_eq(again.keys[1], r.keys[1]));
	assert_true(recipients_parse(S("{\"keys\":[\"age1\"]}"), s->k.a, &again, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
	/* Never the same for another text or another reader; the order does not matter. */
	struct str digest = recipients_digest(&r, S("secret"), s->k.a);
	assert_false(str_eq(digest, recipients_digest(&r, S("Secret"), s->k.a)));
	const struct kit_reader swapped[] = {s->bob, s->ann}, more[] = {s->bob, s->ann, s->n2};
	struct recipients other = reads(s, swapped, 2), third = reads(s, more, 3);
	assert_true(str_eq(digest, recipients_digest(&other, S("secret"), s->k.a)));
	assert_false(str_eq(digest, recipients_digest(&third, S("secret"), s->k.a)));
}

static void only_masters_are_masters(void **state)
{
	struct scene *s = *state;
	struct kit *k = &s->k;
	struct err e = ERR_INIT;
	struct cloud c;
	struct str good = kit_certificate(k, k->users, CERT_MASTER, "m", k->master, k->now_ms);
	assert_int_equal(cloud_read(kit_ca_body(k, k->master, good), ca_roots(k->users),
				    k->now_ms, k->a, &c, &e),
			 0);
	assert_int_equal(c.master_count, 1);
	assert_true(str_is(c.masters[0].name, k->master_name));
	assert_true(str_eq(c.masters[0].public, key_public(k->master)));
	const struct str bad[] = {
		kit_certificate(k, k->users, CERT_NODE, "n1", k->node, k->now_ms),
		kit_certificate(k, k->users, CERT_PERSON, "ann", s->ann.key, k->now_ms),
		kit_certificate(k, k->foreign, CERT_MASTER, "m", k->master, k->now_ms),
		kit_certificate(k, k->users, CERT_MASTER, "m", k->master,
				k->now_ms - 40 * day_ms),
		S(""),
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(cloud_read(kit_ca_body(k, k->master, bad[i]),
					    ca_roots(k->users), k->now_ms, k->a, &c, &e),
				 0);
		assert_int_equal(c.master_count, 0);
	}
	assert_true(cloud_read(S("{"), ca_roots(k->users), k->now_ms, k->a, &c, &e) < 0);
}

static int setup(void **state)
{
	static struct scene s;
	log_set_level(LOG_ERROR);
	kit_open(&s.k);
	kit_reader_open(&s.k, "person", "ann", &s.ann);
	kit_reader_open(&s.k, "person", "bob", &s.bob);
	kit_reader_open(&s.k, "node", "n2", &s.n2);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	kit_reader_close(&s->ann);
	kit_reader_close(&s->bob);
	kit_reader_close(&s->n2);
	kit_close(&s->k);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_proves_his_key_is_a_recipient),
		cmocka_unit_test(who_does_not_is_left_out_and_named),
		cmocka_unit_test(a_certificate_that_ended_lately_still_counts),
		cmocka_unit_test(a_revoked_one_is_left_out),
		cmocka_unit_test(a_root_in_the_chain_is_not_believed),
		cmocka_unit_test(clear_needs_nobody),
		cmocka_unit_test(kept_readers_come_back),
		cmocka_unit_test(only_masters_are_masters),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
