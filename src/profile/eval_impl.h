/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Shared by eval.c (the parent), eval_child.c (the child) and answers.c (what is remembered).
 */
#include "profile/eval.h"
#include "trust/hash.h"

enum {
	EVAL_FRAME_MAX = PROFILE_EVAL_ANSWER_MAX + 1,
	EVAL_QUESTION_FRAME_MAX = PROFILE_EVAL_QUESTION_MAX + 256,
	EVAL_QUESTIONS_PER_CHILD = 1000, /* then it ends and a fresh one is started */
};

/*
 * Answers by SHA-256 of (bundle, question): at most `max_bytes` and EVAL_ANSWERS_MAX of them,
 * the least recently used going first. Not thread-safe: the owner locks.
 */
struct answers;
MUST int answers_new(size_t max_bytes, struct answers **out, struct err *e);
struct answers *answers_free(struct answers *c);
/* True: the answer's copy is in *out. */
bool answers_find(struct answers *c, const struct hash *key, struct arena *a, struct str *out);
/* Remembers; a lack of memory only means that it is not remembered. */
void answers_keep(struct answers *c, const struct hash *key, struct str answer);
size_t answers_bytes(const struct answers *c);
