/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Checks parameters against the schema of a release's type. A published release never changes,
 * so its compiled schemas are kept: at most PARAMS_KEPT_MAX types, the least recently used
 * going first. Any number of threads.
 */
#include "api/call.h"
#include "profile/spec.h"

enum { PARAMS_KEPT_MAX = 128, PARAMS_ARENA_BYTES = 8 << 20 };

/* The schemas that are kept: none at first. ERR_MEMORY. */
struct checked;
MUST int checked_new(struct checked **out, struct err *e);
/* No check may be under way. NULL accepted; gives NULL. */
struct checked *checked_free(struct checked *k);

/* The secret members of a type (profile/secrets.h). */
struct params_secrets {
	struct spec_list parameters, connection;
};
/* Of a type of a release; none where the release is opaque or has no such type. The names are in
 * the call's arena. */
MUST int params_secrets(struct api_call *c, int64_t release_id, struct str release_name,
			struct str type, struct params_secrets *out, struct err *e);

/*
 * A sealed text is taken in the place of a secret member; what is in it the node checks.
 * ERR_INVALID: `type` if the release has no such type, `shared` if it hosts none and
 * `is_shared`, `parameters.x` for a bad parameter.
 */
MUST int params_check(struct api_call *c, const struct release *r, struct str type,
		      bool is_shared, const struct json *parameters, struct err *e);
