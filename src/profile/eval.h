/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Evaluates profiles (Jsonnet) in child processes that can do nothing else.
 *
 * The parent starts its own program again (hidden verb `profile-eval`). The child has no
 * descriptor but its pipe and can open none, runs as nobody when the parent is root, writes no
 * file, starts no process, and has 256 MiB and 2 seconds of CPU for a question; the parent
 * kills it after 5 seconds of wall clock. Imports are served from the bundle, out of memory.
 *
 * Speed: libjsonnet parses its standard library anew for every evaluation and import (25 ms
 * each). A child therefore runs one evaluation of an endless list whose elements ask for the next
 * question: library and profile are parsed once (some 80 ms), a further question costs 0.2 ms and
 * what instance() itself computes, 2 to 5 ms for the profiles here. A few such warm children (some
 * 20 MB each) are kept, by bundle, the least recently used going first; any failure ends the child.
 * Call profile_eval_warm before the first order of a release comes. Answers are also kept, keyed by
 * SHA-256 of (bundle, question), up to a byte limit: evaluation is a pure function, so an answer
 * never grows old.
 *
 * All functions but new and free may be called from any thread; they block (up to the wall
 * clock limit), so call them from pool threads.
 *
 * On the socket between them both sides send frames: length in four bytes, most significant
 * first, then as many bytes.
 *     parent: the bundle's canonical text, once; then questions:
 *             {"op": "manifest"}   {"op": "instance", "input": {…}, "type": T}   {"op": "warm"}
 *     child:  '=' JSON, or '!' text of the error, after which it ends
 */
#include "profile/bundle.h"

struct profile_eval;

enum {
	PROFILE_EVAL_MEMORY_MIB = 256,	     /* beyond what the program itself maps at start */
	PROFILE_EVAL_CPU_SECONDS = 2,	     /* a question */
	PROFILE_EVAL_WALL_MS = 5000,	     /* a question, waiting included */
	PROFILE_EVAL_ANSWER_MAX = 1 << 20,   /* bytes of JSON */
	PROFILE_EVAL_QUESTION_MAX = 1 << 20, /* bytes of input */
};

struct profile_eval_options {
	const char *program;	/* binary with the profile-eval verb; NULL: /proc/self/exe */
	unsigned warm_max;	/* idle children kept; 0: 4 */
	size_t cache_max_bytes; /* answers kept; 0: 8 MiB */
};

/* `options` may be NULL. Starts nothing yet. */
MUST int profile_eval_new(const struct profile_eval_options *options, struct profile_eval **out,
			  struct err *e);
/* Ends the idle children. No call may be under way. NULL is fine; returns NULL. */
struct profile_eval *profile_eval_free(struct profile_eval *ev);
/* For CLEAN(profile_eval_freep). */
void profile_eval_freep(struct profile_eval **ev);

/*
 * The visible fields of the profile as JSON text, in `a`.
 * ERR_INVALID: the profile is wrong, the text has file:line (or says which limit it passed:
 * time, memory, size, depth). ERR_IO: no child could be started.
 */
MUST int profile_eval_manifest(struct profile_eval *ev, const struct profile_bundle *b,
			       struct arena *a, struct str *out, struct err *e);
/* types[type].instance(input) as JSON text. `input`: JSON text of an object. Errors as above.
 */
MUST int profile_eval_instance(struct profile_eval *ev, const struct profile_bundle *b,
			       struct str type, struct str input, struct arena *a,
			       struct str *out, struct err *e);
/* Makes a child for this bundle ready, so that the next question of it is answered at once. */
MUST int profile_eval_warm(struct profile_eval *ev, const struct profile_bundle *b,
			   struct err *e);
/* Ends children idle for at least `for_ms` (0: all). Call it from a slow timer. */
void profile_eval_trim(struct profile_eval *ev, int64_t for_ms);

struct profile_eval_stats {
	uint64_t questions, cache_hits, warm_hits, children_started;
	unsigned idle_children;
	size_t cache_bytes;
};
/* Counts since the start, and what is held now. */
struct profile_eval_stats profile_eval_stats(struct profile_eval *ev);

/* The name of the hidden verb: `if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)`. */
#define PROFILE_EVAL_VERB "profile-eval"
/*
 * The child: main() calls it with 0 and 1 before anything else is set up, and returns its
 * result. It closes every other descriptor and drops its rights itself.
 */
int profile_eval_child_main(int in_fd, int out_fd);
