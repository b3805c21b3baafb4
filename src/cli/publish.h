/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Publishing and supplying, for the verbs and the demo. */
#include "cli/client.h"

/* Publishes the profile at `path`; *out is the answer {release, name, hash, created}. */
MUST int publish_bundle(struct cli_call *c, const char *path, struct json **out, struct err *e);
/* `state`: available or destroyed; *out is the installation. */
MUST int supply_release(struct cli_call *c, struct str release, struct str node,
			const char *state, struct json **out, struct err *e);
/*
 * The profile that somebody names: a Jsonnet file, or a folder that holds profile.jsonnet.
 * ERR_NOT_FOUND says which of both is missing.
 */
MUST int publish_path(struct cli_call *c, const char *named, const char **out, struct err *e);
