/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Carries out a wish on a partition: from the profile's answer to running services.
 *
 *     bundle ─► manifest ─► parameters checked ─► secrets ─► children ─► spec
 *     spec ─► files (only those that differ) ─► setup (once) ─► services (only those whose
 *     bundle differs) ─► reload or restart what a changed file asks for ─► services gone
 *
 * Every step compares before it acts, so that applying the same wish again touches nothing.
 * Blocking; for crew threads; several partitions at once.
 */
#include "agent/part.h"
#include "agent/talkers.h"

struct deploy {
	const char *node_dir;
	const char *node;	/* name */
	const char *supervisor; /* socket */
	struct ndb *ndb;
	struct profile_eval *eval;
	struct talkers *talkers; /* for children's requests and recipients; NULL: no master */
	struct keys *keys;	 /* of the node; NULL: it has none */
	const struct clock *clock;
	const struct rng *rng;
};

/*
 * 0: applied; *out_connection (JSON text in `a`) is what the instance publishes: its secrets sealed
 * to those who may read them, unless the master is local or the customer takes them in clear. No
 * error's text holds a secret of the instance.
 */
MUST int deploy_apply(const struct deploy *d, struct part *p, const struct machine_wish *w,
		      struct arena *a, struct str *out_connection, struct err *e);
/* True if every service of the applied spec is ready. */
bool deploy_is_ready(const struct deploy *d, const struct part *p);
/* Stops the services of the partition, keeps everything else. */
MUST int deploy_stop(const struct deploy *d, struct part *p, struct err *e);
/* No process, no file and no service of the partition is left. */
MUST int deploy_wipe(const struct deploy *d, struct part *p, struct err *e);
MUST int deploy_restart(const struct deploy *d, struct part *p, struct str service,
			struct err *e);
/*
 * Reads back partitions/NAME/spec.json after a start of the agent. 1: there is none.
 */
MUST int deploy_restore(const struct deploy *d, struct part *p, const struct machine_wish *w,
			struct err *e);
/* The bundle of a release is kept as releases/HEX/bundle.json by the build. */
struct str deploy_release_dir(const char *node_dir, struct str release, struct arena *a,
			      struct err *e);
