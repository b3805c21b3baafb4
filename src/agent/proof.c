/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "agent/proof.h"

#include "trust/jose.h"

enum { PROOF_BYTES = 64 << 10 };

static const struct {
	const char *event, *text;
} faults[PROOF_FAULTS] = {
	[PROOF_GOOD] = {"", ""},
	[PROOF_UNSIGNED] = {"agent.state.unsigned", "is not signed by the master"},
	[PROOF_STRANGER] = {"agent.state.stranger", "is signed by a key that no master has"},
	[PROOF_FORGED] = {"agent.state.forged",
			  "is not what the master signed for this request"},
	[PROOF_REPLAYED] = {"agent.state.replayed", "is an answer to an earlier request"},
	[PROOF_BACKWARDS] =
		{"agent.state.backwards",
		 "comes from a master that knows less than before: it was put back"},
};

const char *proof_fault_event(enum proof_fault f)
{
	ASSERT(f > PROOF_GOOD && f < PROOF_FAULTS);
	return faults[f].event;
}

const char *proof_fault_text(enum proof_fault f)
{
	ASSERT(f < PROOF_FAULTS);
	return faults[f].text;
}

static const struct proof_key *key_named(const struct proof_key *keys, size_t count,
					 struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static bool is_signed_for(const struct proof_ask *ask, const struct signed_state *answer,
			  const struct proof_key *key, struct str signature)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct err e = ERR_INIT;
	struct signed_state s = *answer;
	s.node = ask->node;
	s.method = ask->method;
	s.target = ask->target;
	s.nonce = ask->nonce;
	return signed_state_text(&s, &b, &e) == 0 &&
	       key_is_signed_by(key->public, buf_str(&b), signature);
}

struct str proof_key_named(struct str header)
{
	struct signed_mark mark;
	struct err e = ERR_INIT;
	return signed_state_read(header, &mark, &e) < 0 ? S("") : mark.key;
}

enum proof_fault proof_check(const struct proof_ask *asks, size_t ask_count,
			     const struct proof_answer *answer, const struct proof_key *keys,
			     size_t key_count, int64_t *out_sequence)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct signed_mark mark;
	struct str signature;
	char hex[HASH_TEXT_SIZE];
	if (signed_state_read(answer->header, &mark, &e) < 0 ||
	    arena_new(PROOF_BYTES, &a, &e) < 0 ||
	    base64url_read(mark.signature, a, &signature, &e) < 0)
		return PROOF_UNSIGNED;
	const struct proof_key *key = key_named(keys, key_count, mark.key);
	if (!key)
		return PROOF_STRANGER;
	struct hash body = hash_of(answer->body);
	str_hex(body.bytes, HASH_BYTES, hex);
	const struct signed_state state = {.status = answer->status,
					   .sequence = mark.sequence,
					   .at_ms = mark.at_ms,
					   .body_hash = str_from(hex)};
	for (size_t i = 0; i < ask_count; i++) {
		if (!is_signed_for(&asks[i], &state, key, signature))
			continue;
		*out_sequence = mark.sequence;
		if (i)
			return PROOF_REPLAYED;
		return mark.sequence < asks[0].floor ? PROOF_BACKWARDS : PROOF_GOOD;
	}
	return PROOF_FORGED;
}

MUST int proof_report(const struct key *k, const struct signed_report *r, struct str body,
		      struct arena *a, struct str *out, struct err *e)
{
	struct buf text CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct buf header CLEAN(buf_fini) = BUF_INIT(SIGNED_HEADER_MAX);
	struct signed_report report = *r;
	struct hash h = hash_of(body);
	char hex[HASH_TEXT_SIZE];
	struct str signature;
	str_hex(h.bytes, HASH_BYTES, hex);
	report.body_hash = str_from(hex);
	if (signed_report_text(&report, &text, e) < 0 ||
	    key_sign(k, buf_str(&text), a, &signature, e) < 0)
		return -1;
	const struct signed_mark mark = {.sequence = r->sequence,
					 .at_ms = r->at_ms,
					 .signature = base64url(signature, a)};
	signed_report_header(&mark, &header);
	if (buf_check(&header, e) < 0)
		return -1;
	*out = arena_dup(a, buf_str(&header));
	return arena_check(a, e);
}
