/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A node's clients against a master that signs, lies, forgets and is put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agent/talkers.h"
#include "base/log.h"
#include "cloud_kit.h"
#include "http/server.h"
#include "trust/jose.h"

enum play {
	PLAY_HONEST,
	PLAY_UNSIGNED,
	PLAY_TAMPERED,
	PLAY_OTHER_NODE,
	PLAY_OTHER_TARGET,
	PLAY_REPLAYED, /* the answer to the request before */
	PLAY_STRANGER, /* signed by a key that /v1/ca does not tell of */
};

struct scene {
	struct kit k;
	struct ndb *ndb;
	struct keys *keys;
	struct talkers *t;
	struct http_server *server;
	char url[64];

	pthread_mutex_t lock; /* what follows */
	enum play play;
	int64_t sequence;
	const struct key *signer, *told; /* told: whom /v1/ca names */
	unsigned writes, reads, cas;
	int64_t last_report;
	bool are_reports_good;
	struct str old_nonce;
};

static void answer_ca(struct scene *s, struct http_call *c)
{
	struct str certificate =
		kit_certificate(&s->k, s->k.users, CERT_MASTER, "m", s->told, s->k.now_ms);
	s->cas++;
	http_reply_json(
		c, 200,
		arena_dup(http_call_arena(c), kit_ca_body(&s->k, s->told, certificate)));
}

static void note_report(struct scene *s, struct http_call *c, struct str target)
{
	struct err e = ERR_INIT;
	struct signed_mark mark;
	struct str signature;
	char hex[HASH_TEXT_SIZE];
	struct hash h = hash_of(http_call_body(c));
	struct buf text CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	s->writes++;
	hash_text(&h, hex);
	if (signed_report_read(http_call_header(c, SIGNED_REPORT_HEADER), &mark, &e) < 0 ||
	    base64url_read(mark.signature, s->k.a, &signature, &e) < 0) {
		s->are_reports_good = false;
		return;
	}
	const struct signed_report r = {.node = S("n1"),
					.method =
						str_from(http_method_name(http_call_method(c))),
					.target = target,
					.sequence = mark.sequence,
					.at_ms = mark.at_ms,
					.body_hash = str_from(hex)};
	s->are_reports_good =
		s->are_reports_good && mark.sequence > s->last_report &&
		signed_report_text(&r, &text, &e) == 0 &&
		key_is_signed_by(key_public(s->k.node), buf_str(&text), signature);
	s->last_report = mark.sequence;
}

/* As the client sent it: path and, for the polls of these tests, their query. */
static struct str target_of(struct scene *s, struct http_call *c)
{
	struct str since = http_call_query(c, "since");
	struct str path = http_call_target(c)->path;
	if (!since.n)
		return path;
	return arena_fmt(s->k.a, "%" STR_F "?since=%" STR_F "&wait=0", STR_A(path),
			 STR_A(since));
}

static void answer(struct scene *s, struct http_call *c)
{
	struct str target = target_of(s, c), body = S("{\"sequence\":7}");
	struct proof_ask ask = {
		.node = S("n1"),
		.method = str_from(http_method_name(http_call_method(c))),
		.target = target,
		.nonce = arena_dup(s->k.a, http_call_header(c, SIGNED_NONCE_HEADER))};
	struct str nonce = ask.nonce;
	if (http_call_method(c) == HTTP_GET)
		s->reads++;
	else
		note_report(s, c, target);
	if (s->play == PLAY_OTHER_NODE)
		ask.node = S("n2");
	if (s->play == PLAY_OTHER_TARGET)
		ask.target = S("/v1/nodes/n1/else");
	if (s->play == PLAY_REPLAYED)
		ask.nonce = s->old_nonce;
	s->old_nonce = nonce;
	const struct http_header header = {
		SIGNED_STATE_HEADER, kit_state(&s->k, s->signer, &ask, 200, s->sequence, body)};
	const struct http_reply r = {
		.status = 200,
		.body = s->play == PLAY_TAMPERED ? S("{\"sequence\":8}") : body,
		.headers = &header,
		.header_count = s->play != PLAY_UNSIGNED,
	};
	http_reply(c, &r);
}

static void handle(struct http_call *c, void *user)
{
	struct scene *s = user;
	(void)pthread_mutex_lock(&s->lock);
	if (str_is(http_call_target(c)->path, "/v1/ca"))
		answer_ca(s, c);
	else if (str_is(http_call_target(c)->path, "/v1/ca/users/crl"))
		http_reply_json(c, 404, S("{}"));
	else
		answer(s, c);
	(void)pthread_mutex_unlock(&s->lock);
}

static void open_talkers(struct scene *s, struct keys *keys)
{
	struct err e = ERR_INIT;
	const struct talkers_options o = {.master = s->url,
					  .keys = keys,
					  .ndb = s->ndb,
					  .node = S("n1"),
					  .clock = clock_system(),
					  .clients = 2};
	assert_int_equal(talkers_new(&o, &s->t, &e), 0);
}

/* 0, or the kind of the failure. */
static int fetch(struct scene *s, enum http_method method, const char *target)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct http_response r;
	assert_int_equal(arena_new(1 << 20, &a, &e), 0);
	const struct http_request rq = {.method = method,
					.target = str_from(target),
					.body = method == HTTP_GET ? S("") : S("{\"a\":1}")};
	if (talkers_fetch(s->t, &rq, a, &r, &e) < 0)
		return (int)e.kind;
	assert_int_equal(r.status, 200);
	return 0;
}

static int poll(struct scene *s)
{
	return fetch(s, HTTP_GET, "/v1/nodes/n1/changes?since=4&wait=0");
}

static void trouble_is(struct scene *s, enum proof_fault fault)
{
	char trouble[CLOUD_TEXT_MAX];
	talkers_trouble(s->t, trouble);
	if (fault == PROOF_GOOD)
		assert_string_equal(trouble, "");
	else if (!strstr(trouble, proof_fault_text(fault)))
		fail_msg("\"%s\" does not say \"%s\"", trouble, proof_fault_text(fault));
}

static void an_honest_master_is_believed_and_told(void **state)
{
	struct scene *s = *state;
	assert_int_equal(poll(s), 0);
	assert_int_equal(fetch(s, HTTP_PUT, "/v1/nodes/n1"), 0);
	assert_int_equal(fetch(s, HTTP_POST, "/slapos.get.v0.software_instance"), 0);
	assert_true(s->are_reports_good);
	assert_int_equal(s->writes, 2);
	assert_int_equal(s->cas, 1);
	trouble_is(s, PROOF_GOOD);
}

static void every_lie_is_refused_and_named(void **state)
{
	static const struct {
		enum play play;
		enum proof_fault fault;
	} lies[] = {
		{PLAY_UNSIGNED, PROOF_UNSIGNED}, {PLAY_TAMPERED, PROOF_FORGED},
		{PLAY_OTHER_NODE, PROOF_FORGED}, {PLAY_OTHER_TARGET, PROOF_FORGED},
		{PLAY_REPLAYED, PROOF_REPLAYED},
	};
	struct scene *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		s->play = PLAY_HONEST;
		assert_int_equal(poll(s), 0);
		s->play = lies[i].play;
		assert_int_equal(poll(s), ERR_CORRUPT);
		trouble_is(s, lies[i].fault);
		s->play = PLAY_HONEST;
		assert_int_equal(fetch(s, HTTP_PUT, "/v1/nodes/n1"), 0);
		trouble_is(s, PROOF_GOOD);
	}
}

static void a_stranger_is_refused_and_a_new_master_found(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct key *next CLEAN(key_freep) = NULL;
	assert_int_equal(key_make(KEY_P256, &next, &e), 0);
	s->signer = next; /* before anything was fetched: /v1/ca tells of another */
	assert_int_equal(poll(s), ERR_CORRUPT);
	trouble_is(s, PROOF_STRANGER);
	/* A node that starts afterwards learns of the new key. */
	s->t = talkers_free(s->t);
	s->told = next;
	open_talkers(s, s->keys);
	assert_int_equal(poll(s), 0);
	s->signer = s->told = s->k.master;
}

static void a_master_that_went_back_gets_no_write_until_it_caught_up(void **state)
{
	struct scene *s = *state;
	s->sequence = 50;
	assert_int_equal(poll(s), 0);
	s->sequence = 49;
	assert_int_equal(poll(s), ERR_CONFLICT);
	trouble_is(s, PROOF_BACKWARDS);
	unsigned writes = s->writes;
	assert_int_equal(fetch(s, HTTP_POST, "/v1/nodes/n1/usage"), ERR_CONFLICT);
	assert_int_equal(s->writes, writes);
	/* Nor after a start of the node: what was polled is kept. */
	s->t = talkers_free(s->t);
	open_talkers(s, s->keys);
	assert_int_equal(poll(s), ERR_CONFLICT);
	s->sequence = 50;
	assert_int_equal(fetch(s, HTTP_POST, "/v1/nodes/n1/usage"), 0);
	assert_int_equal(s->writes, writes + 1);
	trouble_is(s, PROOF_GOOD);
	/* Who joins again accepts it as it is. */
	struct err e = ERR_INIT;
	s->sequence = 9;
	s->t = talkers_free(s->t);
	assert_int_equal(talkers_forget(s->ndb, &e), 0);
	open_talkers(s, s->keys);
	assert_int_equal(poll(s), 0);
}

static void numbers_of_reports_never_come_twice(void **state)
{
	struct scene *s = *state;
	assert_int_equal(fetch(s, HTTP_PUT, "/v1/nodes/n1"), 0);
	int64_t first = s->last_report;
	assert_int_equal(fetch(s, HTTP_PUT, "/v1/nodes/n1"), 0);
	assert_int_equal(s->last_report, first + 1);
	s->t = talkers_free(s->t);
	open_talkers(s, s->keys);
	assert_int_equal(fetch(s, HTTP_PUT, "/v1/nodes/n1"), 0);
	assert_in_range(s->last_report, first + 2, first + 1000);
	/* A node whose directory was lost starts above what its master saw. */
	assert_true(first >= s->k.now_ms);
	assert_true(s->are_reports_good);
}

static void *poll_many(void *user)
{
	struct scene *s = user;
	for (unsigned i = 0; i < 20; i++)
		if (poll(s) != 0 || fetch(s, HTTP_PUT, "/v1/nodes/n1") != 0)
			return s;
	return NULL;
}

/* Six threads share two clients, and the master's numbers grow meanwhile. */
static void answers_may_overtake_each_other(void **state)
{
	struct scene *s = *state;
	pthread_t threads[6];
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poll_many, s), 0);
	for (unsigned i = 0; i < 200; i++) {
		(void)pthread_mutex_lock(&s->lock);
		s->sequence++;
		(void)pthread_mutex_unlock(&s->lock);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *failed = s;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(s->writes, 120);
}

static void a_plain_master_is_asked_as_ever(void **state)
{
	struct scene *s = *state;
	s->t = talkers_free(s->t);
	s->play = PLAY_UNSIGNED;
	open_talkers(s, NULL);
	assert_null(talkers_keys(s->t));
	assert_int_equal(poll(s), 0);
	assert_int_equal(s->cas, 0);
}

static void a_node_that_stops_waits_for_nobody(void **state)
{
	struct scene *s = *state;
	talkers_cancel(s->t);
	assert_int_equal(poll(s), ERR_UNREACHABLE);
	talkers_cancel(NULL);
	assert_null(talkers_free(NULL));
}

static int setup(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	const struct http_server_options o = {.listen = "127.0.0.1:0", .threads = 2};
	s = (struct scene){.sequence = 1, .are_reports_good = true};
	log_set_level(LOG_ERROR + 1);
	(void)pthread_mutex_init(&s.lock, NULL);
	kit_open(&s.k);
	s.signer = s.told = s.k.master;
	s.keys = kit_keys(&s.k);
	if (ndb_open(kit_path(&s.k, "node"), &s.ndb, &e) < 0 ||
	    http_server_open(&o, handle, &s, &s.server, &e) < 0)
		return -1;
	(void)snprintf(s.url, sizeof s.url, "http://%s", http_server_address(s.server));
	open_talkers(&s, s.keys);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	talkers_free(s->t);
	http_server_close(s->server);
	ndb_close(s->ndb);
	keys_free(s->keys);
	kit_close(&s->k);
	(void)pthread_mutex_destroy(&s->lock);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_honest_master_is_believed_and_told),
		TEST(every_lie_is_refused_and_named),
		TEST(a_stranger_is_refused_and_a_new_master_found),
		TEST(a_master_that_went_back_gets_no_write_until_it_caught_up),
		TEST(numbers_of_reports_never_come_twice),
		TEST(answers_may_overtake_each_other),
		TEST(a_plain_master_is_asked_as_ever),
		TEST(a_node_that_stops_waits_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
