/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Members of parameters and connection that are secret.
 *
 * Secret is a member at the top level of a type's parameters or connection schema that says
 * `secret: true`; its value is a text. In a cloud with keys it travels sealed (trust/age.h): a
 * master sees that a sealed text is there, the node unseals it and checks what is inside.
 *
 * No state: any thread. Everything made lives in the arena given.
 */
#include "profile/spec.h"

/* The names of the secret members, sorted. `schema` may be NULL: none. */
MUST int profile_secret_names(const struct json *schema, struct arena *a, struct spec_list *out,
			      struct err *e);
/* Is `name` one of them? */
bool profile_is_secret(const struct spec_list *names, struct str name);
/*
 * The schema that a master checks by: as `schema`, but a secret member whose value in `values` is
 * a sealed text (`values` NULL: every secret member) may be any text. Nothing else is loosened:
 * required members must be there. Shares what it does not change. NULL after the arena failed.
 */
struct json *profile_schema_sealed(const struct json *schema, const struct spec_list *names,
				   const struct json *values, struct arena *a);
/*
 * Where a schema says `secret: true` in a place that nobody looks at: below the top level, or of
 * a member whose type is not "string". The path of the first such place ("properties.x"), "" if
 * there is none; `why` is a sentence without subject.
 */
struct str profile_secret_misplaced(const struct json *schema, struct arena *a,
				    const char **why);
