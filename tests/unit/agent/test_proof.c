/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/proof.h"
#include "base/log.h"
#include "cloud_kit.h"
#include "trust/jose.h"

#define BODY S("{\"sequence\":7}")
enum { KNOWN = 40, NOW = 41 };

static const struct proof_ask poll = {
	.node = S_INIT("n1"),
	.method = S_INIT("GET"),
	.target = S_INIT("/v1/nodes/n1/changes?since=4&wait=0"),
	.nonce = S_INIT("nonce-of-now"),
	.floor = KNOWN,
};

/* What the node finds of an answer to `poll` and, before it, `earlier` (may be NULL). */
static enum proof_fault judged(struct kit *k, const struct proof_ask *earlier, int status,
			       struct str header, struct str body)
{
	const struct proof_ask asks[2] = {poll, earlier ? *earlier : poll};
	const struct proof_answer answer = {status, header, body};
	const struct proof_key key = {str_from(k->master_name), key_public(k->master)};
	int64_t sequence = -1;
	enum proof_fault f = proof_check(asks, earlier ? 2 : 1, &answer, &key, 1, &sequence);
	assert_int_equal(sequence >= 0,
			 f == PROOF_GOOD || f == PROOF_REPLAYED || f == PROOF_BACKWARDS);
	return f;
}

static void what_the_master_signed_is_good(void **state)
{
	struct kit *k = *state;
	struct str header = kit_state(k, k->master, &poll, 200, NOW, BODY);
	assert_int_equal(judged(k, NULL, 200, header, BODY), PROOF_GOOD);
	header = kit_state(k, k->master, &poll, 200, KNOWN, BODY);
	assert_int_equal(judged(k, NULL, 200, header, BODY), PROOF_GOOD);
	header = kit_state(k, k->master, &poll, 404, NOW, S(""));
	assert_int_equal(judged(k, NULL, 404, header, S("")), PROOF_GOOD);
}

static void a_tampered_body_is_forged(void **state)
{
	struct kit *k = *state;
	struct str header = kit_state(k, k->master, &poll, 200, NOW, BODY);
	assert_int_equal(judged(k, NULL, 200, header, S("{\"sequence\":8}")), PROOF_FORGED);
	assert_int_equal(judged(k, NULL, 200, header, S("")), PROOF_FORGED);
	assert_int_equal(judged(k, NULL, 404, header, BODY), PROOF_FORGED);
}

static void an_answer_for_another_node_or_request_is_forged(void **state)
{
	struct kit *k = *state;
	struct proof_ask other = poll;
	other.node = S("n2");
	assert_int_equal(
		judged(k, NULL, 200, kit_state(k, k->master, &other, 200, NOW, BODY), BODY),
		PROOF_FORGED);
	other = poll;
	other.target = S("/v1/nodes/n1/changes?since=5&wait=0");
	assert_int_equal(
		judged(k, NULL, 200, kit_state(k, k->master, &other, 200, NOW, BODY), BODY),
		PROOF_FORGED);
	other = poll;
	other.method = S("POST");
	assert_int_equal(
		judged(k, NULL, 200, kit_state(k, k->master, &other, 200, NOW, BODY), BODY),
		PROOF_FORGED);
	other = poll;
	other.nonce = S("nonce-of-somebody");
	assert_int_equal(
		judged(k, NULL, 200, kit_state(k, k->master, &other, 200, NOW, BODY), BODY),
		PROOF_FORGED);
}

static void an_answer_to_an_earlier_request_is_a_replay(void **state)
{
	struct kit *k = *state;
	struct proof_ask earlier = poll;
	earlier.nonce = S("nonce-of-then");
	struct str header = kit_state(k, k->master, &earlier, 200, NOW, BODY);
	assert_int_equal(judged(k, &earlier, 200, header, BODY), PROOF_REPLAYED);
	earlier.target = S("/v1/nodes/n1/changes?since=3&wait=0");
	header = kit_state(k, k->master, &earlier, 200, NOW, BODY);
	assert_int_equal(judged(k, &earlier, 200, header, BODY), PROOF_REPLAYED);
}

static void a_master_that_was_put_back_is_seen(void **state)
{
	struct kit *k = *state;
	struct str header = kit_state(k, k->master, &poll, 200, KNOWN - 1, BODY);
	assert_int_equal(judged(k, NULL, 200, header, BODY), PROOF_BACKWARDS);
}

static void an_unknown_key_is_a_stranger(void **state)
{
	struct kit *k = *state;
	struct str header = kit_state(k, k->node, &poll, 200, NOW, BODY);
	assert_int_equal(judged(k, NULL, 200, header, BODY), PROOF_STRANGER);
	assert_true(str_is(proof_key_named(header), k->node_name));
	/* A stranger who takes the master's name has not its key. */
	struct str mine = kit_state(k, k->master, &poll, 200, NOW, BODY);
	struct str posing = arena_fmt(
		k->a, "v1;%d;%lld;%s;%" STR_F, NOW, (long long)k->now_ms, k->master_name,
		STR_A(str_sub(header, str_find(header, str_from(k->node_name)) + 65, 200)));
	assert_true(str_starts(posing, str_sub(mine, 0, 80)));
	assert_int_equal(judged(k, NULL, 200, posing, BODY), PROOF_FORGED);
}

static void a_changed_header_is_never_good(void **state)
{
	struct kit *k = *state;
	struct str header = kit_state(k, k->master, &poll, 200, NOW, BODY);
	char *p = arena_alloc(k->a, header.n + 1);
	assert_int_equal(judged(k, NULL, 200, S(""), BODY), PROOF_UNSIGNED);
	assert_int_equal(judged(k, NULL, 200, S("v2;1;2;3;4"), BODY), PROOF_UNSIGNED);
	for (size_t i = 0; i < header.n; i++) {
		memcpy(p, header.p, header.n);
		p[i] = p[i] == '1' ? '2' : '1';
		assert_int_not_equal(judged(k, NULL, 200, str_of(p, header.n), BODY),
				     PROOF_GOOD);
		assert_int_not_equal(judged(k, NULL, 200, str_sub(header, 0, i), BODY),
				     PROOF_GOOD);
	}
}

static void every_fault_has_an_event_of_its_own(void **state UNUSED)
{
	size_t n;
	const struct log_event_info *all = log_events(&n);
	for (int f = PROOF_GOOD + 1; f < PROOF_FAULTS; f++) {
		bool is_found = false;
		for (size_t i = 0; i < n; i++)
			is_found |=
				strcmp(all[i].id, proof_fault_event((enum proof_fault)f)) == 0;
		assert_true(is_found);
		assert_true(proof_fault_text((enum proof_fault)f)[0]);
		for (int g = PROOF_GOOD + 1; g < f; g++)
			assert_string_not_equal(proof_fault_event((enum proof_fault)f),
						proof_fault_event((enum proof_fault)g));
	}
}

static void a_report_is_signed_by_the_node(void **state)
{
	struct kit *k = *state;
	struct err e = ERR_INIT;
	struct str header, signature;
	struct signed_mark mark;
	struct buf text CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct signed_report r = {.node = S("n1"),
				  .method = S("PUT"),
				  .target = S("/v1/nodes/n1"),
				  .sequence = 12,
				  .at_ms = k->now_ms};
	assert_int_equal(proof_report(k->node, &r, BODY, k->a, &header, &e), 0);
	assert_int_equal(signed_report_read(header, &mark, &e), 0);
	assert_int_equal(mark.sequence, 12);
	assert_int_equal(mark.at_ms, k->now_ms);
	char hex[HASH_TEXT_SIZE];
	struct hash h = hash_of(BODY);
	hash_text(&h, hex);
	r.body_hash = str_from(hex);
	assert_int_equal(signed_report_text(&r, &text, &e), 0);
	assert_int_equal(base64url_read(mark.signature, k->a, &signature, &e), 0);
	assert_true(key_is_signed_by(key_public(k->node), buf_str(&text), signature));
	assert_false(key_is_signed_by(key_public(k->master), buf_str(&text), signature));
	r.target = S("/v1/nodes/n1\nx");
	assert_true(proof_report(k->node, &r, BODY, k->a, &header, &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
}

static int setup(void **state)
{
	static struct kit k;
	kit_open(&k);
	*state = &k;
	return 0;
}

static int teardown(void **state)
{
	kit_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_master_signed_is_good),
		cmocka_unit_test(a_tampered_body_is_forged),
		cmocka_unit_test(an_answer_for_another_node_or_request_is_forged),
		cmocka_unit_test(an_answer_to_an_earlier_request_is_a_replay),
		cmocka_unit_test(a_master_that_was_put_back_is_seen),
		cmocka_unit_test(an_unknown_key_is_a_stranger),
		cmocka_unit_test(a_changed_header_is_never_good),
		cmocka_unit_test(every_fault_has_an_event_of_its_own),
		cmocka_unit_test(a_report_is_signed_by_the_node),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
