/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A node joins a cloud: its keys are made here, and only a request for a certificate travels.
 *
 *     token ─► root of the cloud, by its fingerprint, before anything is sent
 *           ─► certificate for this node's key ─► whom secrets are sealed to
 *
 * May be repeated with the same token after a failure at any point: keys that were made stay, and
 * a token is bound to the key that came first. Joining again forgets what the master was known
 * to know, and so accepts one that was put back.
 */
#include "base/arena.h"
#include "base/clock.h"

struct agent_join {
	const char *dir;  /* NODEDIR, absolute; made if it is not there */
	const char *url;  /* "https://cloud.example:8000" */
	struct str token; /* "hoc1.n.…": the caller wipes it */
	struct str title; /* where the key is kept; "": the host's name */
	const struct clock *clock;
};

struct agent_joined {
	struct str node, cloud, key; /* key: its name */
	int64_t to_ms;		     /* the certificate ends */
};

/*
 * ERR_INVALID: token or url. ERR_FORBIDDEN: the server is not that cloud's, or the token is used
 * up. ERR_CONFLICT: the directory is another node's, or an agent runs on it. ERR_CORRUPT: what
 * the master answered does not hold. ERR_UNREACHABLE, ERR_TIMEOUT.
 */
MUST int agent_join(const struct agent_join *j, struct arena *a, struct agent_joined *out,
		    struct err *e);
