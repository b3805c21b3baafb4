/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The frame of fault tests: a scenario is run with step 1 failing, then step 2, and so on,
 * until a run meets no failure. A step is an allocation of base/mem, or whatever `arm` counts
 * (the statements of db's fault wrapper, for example).
 *
 * After each failed step the scenario must have said so: rc < 0, a kind, a text; and nothing
 * may leak (LeakSanitizer, in the asan flavour). rc >= 0 in spite of the failure is fine where
 * the code has another way, because the scenario checks its own results with FAULT_CHECK.
 *
 * A file has a comment "rooms: db json" as its second line (what it is linked with), a table of
 * scenarios and FAULT_MAIN(table). It prints a line a scenario and ends with "N passed, N
 * failed".
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define FAULT_LEAKS() __lsan_do_recoverable_leak_check()
#endif
#endif
#ifndef FAULT_LEAKS
#define FAULT_LEAKS() 0
#endif

/* More failing steps than any scenario has: beyond it the loop would never end. */
enum { FAULT_STEPS_MAX = 100000 };

/* Makes step n from now on fail (0: none); returns how many steps happened since the last call.
 */
typedef unsigned long fault_arm_fn(unsigned long n);

struct fault_scenario {
	const char *name;
	/* Does it once: 0 done, > 0 an outcome, < 0 failed and *e filled. Frees all it made. */
	int (*run)(struct err *e);
	/* Brings the outside (files, rows) back to where run() begins; NULL if there is none.
	 */
	void (*reset)(void);
	/* Checks the outside after a run that failed: old state or new, nothing between; or
	 * NULL. */
	bool (*is_whole)(void);
	fault_arm_fn *arm; /* NULL: mem_fail_after */
};

/* For run(): something is wrong that no injected failure excuses. */
#define FAULT_CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("    %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			return err_fail(e, ERR_INTERNAL, "check failed: %s", #cond); \
		} \
	} while (0)

static bool fault_complain(const struct fault_scenario *s, unsigned long n, const char *what,
			   const struct err *e)
{
	printf("    %s, step %lu failing: %s (%s: %s)\n", s->name, n, what,
	       err_kind_info(e->kind)->name, e->text);
	return false;
}

/* One run with step n failing. *was_met tells whether step n came at all. */
static bool fault_once(const struct fault_scenario *s, unsigned long n, bool *was_met)
{
	fault_arm_fn *arm = s->arm ? s->arm : mem_fail_after;
	struct err e = ERR_INIT;
	if (s->reset)
		s->reset();
	(void)arm(n);
	int rc = s->run(&e);
	*was_met = arm(0) >= n;
	if (e.kind == ERR_INTERNAL)
		return fault_complain(s, n, "a check of the scenario failed", &e);
	if (!*was_met && rc < 0)
		return fault_complain(s, n, "failed although nothing was made to fail", &e);
	if (rc < 0 && (e.kind == ERR_NONE || !e.text[0]))
		return fault_complain(s, n, "failed without saying how", &e);
	if (rc < 0 && s->is_whole && !s->is_whole())
		return fault_complain(s, n, "left something half done", &e);
	return true;
}

static bool fault_loop(const struct fault_scenario *s)
{
	bool was_met = true;
	unsigned long n = 0;
	while (was_met && n < FAULT_STEPS_MAX)
		if (!fault_once(s, ++n, &was_met))
			return false;
	if (was_met || n == 1) {
		printf("    %s: %s\n", s->name,
		       was_met ? "never ends" : "has no step that could fail");
		return false;
	}
	/* Once for all steps: looking for leaks stops the whole program for a while. The sanitizer
	 * prints where the lost memory came from. */
	if (FAULT_LEAKS()) {
		printf("    %s: one of %lu failing steps leaked\n", s->name, n - 1);
		return false;
	}
	printf("ok  %s: %lu steps failed, one at a time\n", s->name, n - 1);
	return true;
}

/* A program with loops of its own leaves it alone. */
static UNUSED int fault_main(const struct fault_scenario *table, size_t count)
{
	size_t passed = 0;
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* nothing is lost when a sanitizer ends us */
	for (size_t i = 0; i < count; i++) {
		bool is_ok = fault_loop(&table[i]);
		passed += is_ok;
		if (!is_ok)
			printf("FAILED %s\n", table[i].name);
	}
	printf("%zu passed, %zu failed\n", passed, count - passed);
	return passed == count ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define FAULT_MAIN(table) \
	int main(void) \
	{ \
		return fault_main((table), ARRAY_LEN(table)); \
	}
