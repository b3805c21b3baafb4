/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Lint of a profile: is it complete, are its schemas schemas, does an instance with default
 * parameters make sense?
 */
#include "profile/eval.h"
#include "profile/spec.h"

enum { PROFILE_FINDINGS_MAX = 64 };

struct profile_finding {
	struct str path; /* "types.default.parameters" */
	struct str text;
	bool is_error; /* else advice */
};

struct profile_findings {
	struct profile_finding *items;
	size_t count;
};

/*
 * Evaluates and checks. 0: done, findings (none: the profile is fine) in *out. < 0 only if the
 * check itself could not be made (memory, no child).
 */
MUST int profile_check(struct profile_eval *ev, const struct profile_bundle *b, struct arena *a,
		       struct profile_findings *out, struct err *e);
/* How many of them are errors. */
size_t profile_findings_errors(const struct profile_findings *f);
