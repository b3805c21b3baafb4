/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside of a deployment: what to be (deploy.c), run (deploy_run.c), children
 * (deploy_children.c). */
#include "agent/deploy.h"

/* Services run as this user of the partition's range. */
enum { DEPLOY_UID = 1000 };

/* What changed files ask of a service; the strongest wins. */
enum deploy_touch { DEPLOY_LEAVE, DEPLOY_SIGNAL, DEPLOY_RESTART };

struct deploy_plan {
	struct profile_bundle bundle;
	struct profile_manifest manifest;
	const struct spec_type *type;
	const char *rootfs;
	struct json *input;
	struct str spec_text;
	struct profile_spec spec;
	enum deploy_touch touch[SPEC_SERVICES_MAX];
};

/*
 * Asks the master for the children that the spec requests and puts what is known of their
 * connections into input.children. Returns 1 if that changed the input.
 */
MUST int deploy_children(const struct deploy *d, const struct machine_wish *w,
			 struct deploy_plan *plan, struct arena *a, struct err *e);
/* Runs the setup steps that are due, one after another. */
MUST int deploy_setup(const struct deploy *d, const struct part *p,
		      const struct machine_wish *w, const struct deploy_plan *plan,
		      struct arena *a, struct err *e);
/* Makes the services be those of the plan. */
MUST int deploy_services(const struct deploy *d, const struct part *p, struct deploy_plan *plan,
			 struct arena *a, struct err *e);
