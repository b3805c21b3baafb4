/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Secrets of an instance on its node: opened, sealed, and kept out of every text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/deploy_impl.h"
#include "base/log.h"
#include "cloud_kit.h"

struct scene {
	struct kit k;
	struct ndb *ndb;
	struct keys *keys;
	struct kit_reader ann, bob;
	struct deploy d;
	struct deploy_plan plan;
	struct spec_type type;
	struct str names[2];
	struct machine_wish w;
	struct rng_seeded rng;
};

static struct str sealed_to(struct scene *s, struct str clear, struct str recipient)
{
	struct err e = ERR_INIT;
	struct str out;
	assert_int_equal(age_seal(clear, &recipient, 1, s->k.a, &out, &e), 0);
	return out;
}

static struct str parameters(struct scene *s, struct str pin)
{
	struct json *o = json_object_new(s->k.a);
	json_set_str(s->k.a, o, S("pin"), pin);
	json_set_str(s->k.a, o, S("title"), S("a page"));
	return json_text(o, s->k.a);
}

static struct str member(struct scene *s, struct str text, const char *name)
{
	struct err e = ERR_INIT;
	struct json *doc;
	assert_int_equal(json_parse(text, s->k.a, &doc, &e), 0);
	return json_str_of(json_get(doc, str_from(name)), S("(none)"));
}

static void set_readers(struct scene *s, const struct kit_reader *list, size_t n)
{
	struct recipients *r = &s->plan.readers;
	*r = (struct recipients){.is_sealed = true,
				 .keys = ARENA_ARRAY(s->k.a, struct str, n + 1)};
	for (; r->count < n; r->count++)
		r->keys[r->count] = list[r->count].recipient;
}

static struct str published(struct scene *s)
{
	struct err e = ERR_INIT;
	struct json *o = json_object_new(s->k.a);
	json_set_str(s->k.a, o, S("pin"), S("4711-canary"));
	json_set_str(s->k.a, o, S("url"), S("http://x"));
	assert_int_equal(deploy_seal_connection(&s->d, &s->w, &s->plan, o, s->k.a, &e), 0);
	return json_text(o, s->k.a);
}

static void a_parameter_for_this_node_is_opened(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str out,
		in = parameters(s, sealed_to(s, S("4711-canary"), keys_recipient(s->keys)));
	assert_int_equal(deploy_unseal_parameters(&s->d, &s->plan, in, s->k.a, &out, &e), 0);
	assert_true(str_is(member(s, out, "pin"), "4711-canary"));
	assert_true(str_is(member(s, out, "title"), "a page"));
	/* And one that came in clear stays as it is. */
	assert_int_equal(deploy_unseal_parameters(&s->d, &s->plan, parameters(s, S("plain")),
						  s->k.a, &out, &e),
			 0);
	assert_true(str_is(member(s, out, "pin"), "plain"));
	char text[] = "it said 4711-canary and plain";
	deploy_hide(&s->plan, text, sizeof text);
	assert_null(strstr(text, "4711"));
	assert_null(strstr(text, "plain"));
}

static void one_that_is_not_is_named(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str out, in = parameters(s, sealed_to(s, S("4711-canary"), s->ann.recipient));
	assert_true(deploy_unseal_parameters(&s->d, &s->plan, in, s->k.a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	assert_string_equal(e.text, "parameter pin is not sealed to this node's key");
	/* A node without keys says the same. */
	struct deploy without = s->d;
	without.keys = NULL;
	in = parameters(s, sealed_to(s, S("4711-canary"), keys_recipient(s->keys)));
	assert_true(deploy_unseal_parameters(&without, &s->plan, in, s->k.a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	/* Cut on the way: */
	struct str cut = sealed_to(s, S("4711-canary"), keys_recipient(s->keys));
	cut.n -= 60;
	assert_true(deploy_unseal_parameters(&s->d, &s->plan, parameters(s, cut), s->k.a, &out,
					     &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_non_null(strstr(e.text, "parameter pin"));
}

static void what_is_published_is_sealed_to_the_readers(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	const struct kit_reader both[] = {s->ann, s->bob};
	struct str first, again, out;
	set_readers(s, &s->ann, 1);
	first = published(s);
	assert_true(str_is(member(s, first, "url"), "http://x"));
	assert_true(str_find(first, S("4711")) == first.n);
	struct str sealed = member(s, first, "pin");
	assert_int_equal(age_unseal(sealed, s->ann.seal, s->k.a, &out, &e), 0);
	assert_true(str_is(out, "4711-canary"));
	assert_true(age_unseal(sealed, s->bob.seal, s->k.a, &out, &e) < 0);
	/* The same text while nothing changes … */
	assert_true(str_eq(published(s), first));
	/* … another one for other readers, which the new one can read, … */
	set_readers(s, both, 2);
	again = published(s);
	assert_false(str_eq(again, first));
	assert_int_equal(age_unseal(member(s, again, "pin"), s->bob.seal, s->k.a, &out, &e), 0);
	/* … and who was removed cannot. */
	set_readers(s, &s->bob, 1);
	again = published(s);
	assert_true(age_unseal(member(s, again, "pin"), s->ann.seal, s->k.a, &out, &e) < 0);
}

static void clear_is_as_it_was(void **state)
{
	struct scene *s = *state;
	s->plan.readers = (struct recipients){.is_sealed = false};
	assert_true(str_is(member(s, published(s), "pin"), "4711-canary"));
}

/* Rows of the promise that tells of readers: "broken no key…", newest last. */
static struct str told(struct scene *s)
{
	struct err e = ERR_INIT;
	struct ndb_row *rows;
	size_t n;
	struct str all = S("");
	assert_int_equal(ndb_outbox_peek(s->ndb, 100, s->k.a, &rows, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		all = arena_fmt(s->k.a, "%" STR_F "%s%" STR_F " %" STR_F, STR_A(all),
				all.n ? "; " : "", STR_A(member(s, rows[i].body, "state")),
				STR_A(member(s, rows[i].body, "message")));
	return all;
}

static void without_a_reader_nothing_secret_is_published_and_that_is_told(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	set_readers(s, NULL, 0);
	struct str body = recipients_text(&s->plan.readers, s->k.a);
	assert_int_equal(ndb_save_readers(s->ndb, s->w.guid, body, S(""), &e), 0);
	(void)snprintf(s->plan.readers.left_out, sizeof s->plan.readers.left_out,
		       "ann: expired");
	struct str text = published(s);
	assert_true(str_is(member(s, text, "pin"), "(none)"));
	assert_true(str_is(member(s, text, "url"), "http://x"));
	assert_true(str_is(told(s), "broken no key to seal to: ann: expired"));
	(void)published(s); /* once */
	assert_true(str_is(told(s), "broken no key to seal to: ann: expired"));
	set_readers(s, &s->ann, 1);
	(void)published(s);
	assert_true(str_is(told(s), "broken no key to seal to: ann: expired; withdrawn "));
}

static void without_a_master_the_readers_are_those_known_last(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	s->d.talkers = NULL;
	assert_int_equal(deploy_readers(&s->d, &s->w, &s->plan, s->k.a, &e), 0);
	assert_true(s->plan.readers.is_sealed); /* nobody known: nobody reads */
	assert_int_equal(s->plan.readers.count, 0);
	set_readers(s, &s->ann, 1);
	s->plan.readers.rotation = 4;
	struct str body = recipients_text(&s->plan.readers, s->k.a);
	assert_int_equal(ndb_save_readers(s->ndb, s->w.guid, body, S(""), &e), 0);
	s->plan.readers = (struct recipients){.count = 0};
	assert_int_equal(deploy_readers(&s->d, &s->w, &s->plan, s->k.a, &e), 0);
	assert_int_equal(s->plan.readers.count, 1);
	assert_int_equal(s->plan.readers.rotation, 4);
	/* A node that joined nowhere seals nothing: its master is local. */
	s->d.keys = NULL;
	assert_int_equal(deploy_readers(&s->d, &s->w, &s->plan, s->k.a, &e), 0);
	assert_false(s->plan.readers.is_sealed);
}

static void a_rotation_makes_secrets_anew_once(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str v[5];
	static const int64_t rotations[] = {0, 0, 1, 1, 0};
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_int_equal(ndb_rotated_secret(s->ndb, s->w.guid, S("password"),
						    rotations[i], 24, &s->rng.rng, s->k.a,
						    &v[i], &e),
				 0);
	assert_true(str_eq(v[0], v[1]));
	assert_false(str_eq(v[1], v[2]));
	assert_true(str_eq(v[2], v[3]));
	assert_true(str_eq(v[3], v[4])); /* never back to an old one */
	assert_int_equal(ndb_step_done(s->ndb, s->w.guid, S("init"), &e), 0);
	assert_int_equal(ndb_is_step_done(s->ndb, s->w.guid, S("init"), &e), 1);
	struct str text, other;
	assert_int_equal(
		ndb_save_sealed(s->ndb, s->w.guid, S("pin"), S("digest"), S("text"), &e), 0);
	assert_int_equal(
		ndb_sealed(s->ndb, s->w.guid, S("pin"), S("digest"), s->k.a, &text, &e), 0);
	assert_int_equal(ndb_sealed(s->ndb, s->w.guid, S("pin"), S("other"), s->k.a, &text, &e),
			 1);
	assert_int_equal(ndb_save_readers(s->ndb, s->w.guid, S("{}"), S(""), &e), 0);
	assert_int_equal(ndb_forget(s->ndb, 0, s->w.guid, &e), 0);
	assert_int_equal(
		ndb_sealed(s->ndb, s->w.guid, S("pin"), S("digest"), s->k.a, &text, &e), 1);
	assert_int_equal(ndb_readers(s->ndb, s->w.guid, s->k.a, &text, &other, &e), 1);
}

static void a_childs_secret_is_opened_for_its_parent(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct json *o = json_object_new(s->k.a);
	json_set_str(s->k.a, o, S("password"),
		     sealed_to(s, S("4711-canary"), keys_recipient(s->keys)));
	json_set_str(s->k.a, o, S("url"), S("http://x"));
	assert_int_equal(deploy_unseal_object(&s->d, &s->plan, o, s->k.a, &e), 0);
	assert_true(str_is(json_str_of(json_get(o, S("password")), S("")), "4711-canary"));
	assert_true(str_is(json_str_of(json_get(o, S("url")), S("")), "http://x"));
	json_set_str(s->k.a, o, S("password"), sealed_to(s, S("x"), s->ann.recipient));
	assert_int_equal(deploy_unseal_object(&s->d, &s->plan, o, s->k.a, &e), 1);
	assert_int_equal(
		deploy_unseal_object(&s->d, &s->plan, json_null_new(s->k.a), s->k.a, &e), 0);
}

/* A parent hands its password on: sealed to this node, then to the child's node too. */
static void what_a_child_is_given_is_sealed_before_it_goes(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct recipients to;
	struct str first, out;
	struct json *given = json_object_new(s->k.a);
	assert_int_equal(deploy_note_secret(&s->plan, S("4711-canary"), s->k.a, &e), 0);
	assert_int_equal(deploy_child_readers(&s->d, &s->w, S("leaf"), s->k.a, &to, &e), 0);
	assert_int_equal(to.count, 1);
	assert_true(str_eq(to.keys[0], keys_recipient(s->keys)));
	json_set_str(s->k.a, given, S("password"), S("4711-canary"));
	json_set_str(s->k.a, given, S("url"), S("db://u:4711-canary@x"));
	json_set_str(s->k.a, given, S("title"), S("a page"));
	assert_int_equal(
		deploy_seal_child(&s->d, &s->w, &s->plan, S("leaf"), &to, given, s->k.a, &e),
		2);
	first = json_text(given, s->k.a);
	assert_true(str_find(first, S("4711")) == first.n);
	assert_true(str_is(member(s, first, "title"), "a page"));
	assert_int_equal(
		age_unseal(member(s, first, "url"), keys_seal(s->keys), s->k.a, &out, &e), 0);
	assert_true(str_is(out, "db://u:4711-canary@x"));
	/* Below the top level nobody would look for it. */
	struct json *deep = json_object_new(s->k.a);
	json_set_str(s->k.a, deep, S("password"), S("4711-canary"));
	json_set(s->k.a, given, S("database"), deep);
	assert_true(deploy_seal_child(&s->d, &s->w, &s->plan, S("leaf"), &to, given, s->k.a,
				      &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_null(strstr(e.text, "4711"));
}

static void no_text_holds_a_secret(void **state)
{
	static const struct {
		const char *secret, *text, *want;
	} rows[] = {
		{"canary-4711", "exited with 1: canary-4711", "exited with 1: [secret]"},
		{"canary-4711", "canary-4711canary-4711.", "[secret][secret]."},
		{"canary-4711", "nothing of it", "nothing of it"},
		/* cut off by the text's end */
		{"canary-4711", "the tail is canary-47", "the tail is [secret]"},
		/* too short to be found by its gaps */
		{"pin", "the pin is bad", "[secret]: its text is withheld"},
		{"pin", "all is well", "all is well"},
	};
	struct scene *s = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[100];
		(void)snprintf(text, sizeof text, "%s", rows[i].text);
		s->plan.secret_count = 0;
		assert_int_equal(
			deploy_note_secret(&s->plan, str_from(rows[i].secret), s->k.a, &e), 0);
		deploy_hide(&s->plan, text, sizeof text);
		assert_string_equal(text, rows[i].want);
	}
	/* Small buffers are cut, never passed. */
	char small[] = "canary-4711";
	s->plan.secret_count = 0;
	assert_int_equal(deploy_note_secret(&s->plan, S("canary"), s->k.a, &e), 0);
	deploy_hide(&s->plan, small, sizeof small);
	assert_string_equal(small, "[secret]-47");
	struct str kept = arena_dup(s->k.a, S("canary"));
	s->plan.secret_count = 0;
	assert_int_equal(deploy_note_secret(&s->plan, kept, s->k.a, &e), 0);
	deploy_wipe_secrets(&s->plan);
	assert_int_equal(kept.p[0] | kept.p[5], 0);
}

static int setup(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.names = {S_INIT("pin")}};
	log_set_level(LOG_ERROR);
	kit_open(&s.k);
	s.keys = kit_keys(&s.k);
	kit_reader_open(&s.k, "person", "ann", &s.ann);
	kit_reader_open(&s.k, "person", "bob", &s.bob);
	rng_seeded_init(&s.rng, 1);
	if (ndb_open(kit_path(&s.k, "node"), &s.ndb, &e) < 0)
		return -1;
	s.type = (struct spec_type){.secret_parameters = {s.names, 1},
				    .secret_connection = {s.names, 1}};
	s.plan.type = &s.type;
	s.d = (struct deploy){.node = "n1",
			      .ndb = s.ndb,
			      .keys = s.keys,
			      .clock = clock_system(),
			      .rng = &s.rng.rng};
	s.w = (struct machine_wish){.guid = S("inst-1")};
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	kit_reader_close(&s->ann);
	kit_reader_close(&s->bob);
	ndb_close(s->ndb);
	keys_free(s->keys);
	kit_close(&s->k);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_parameter_for_this_node_is_opened),
		TEST(one_that_is_not_is_named),
		TEST(what_is_published_is_sealed_to_the_readers),
		TEST(clear_is_as_it_was),
		TEST(without_a_reader_nothing_secret_is_published_and_that_is_told),
		TEST(without_a_master_the_readers_are_those_known_last),
		TEST(a_rotation_makes_secrets_anew_once),
		TEST(a_childs_secret_is_opened_for_its_parent),
		TEST(what_a_child_is_given_is_sealed_before_it_goes),
		TEST(no_text_holds_a_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
