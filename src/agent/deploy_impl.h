/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside of a deployment: what to be (deploy.c), run (deploy_run.c), children
 * (deploy_children.c), secrets (deploy_secrets.c). */
#include "agent/deploy.h"
#include "json/json.h"

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
	struct recipients readers; /* of its secrets; is_sealed false: they go out in clear */
	struct str *secrets;	   /* clear texts that no error may hold */
	size_t secret_count;
};

/*
 * Asks the master for the children that the spec requests and puts what is known of their
 * connections into input.children. Returns 1 if that changed the input.
 */
MUST int deploy_children(const struct deploy *d, const struct machine_wish *w,
			 struct deploy_plan *plan, struct arena *a, struct err *e);
/* Fills plan->readers: from the master, or as they were known last. plan->type is set. */
MUST int deploy_readers(const struct deploy *d, const struct machine_wish *w,
			struct deploy_plan *plan, struct arena *a, struct err *e);
/*
 * Parameters with their secret members unsealed. ERR_FORBIDDEN: one is not sealed to this node's
 * key; ERR_CORRUPT: one was changed.
 */
MUST int deploy_unseal_parameters(const struct deploy *d, struct deploy_plan *plan,
				  struct str sealed, struct arena *a, struct str *out,
				  struct err *e);
/* Unseals every sealed member of an object. 1: one is not sealed to this node's key. */
MUST int deploy_unseal_object(const struct deploy *d, struct deploy_plan *plan,
			      struct json *object, struct arena *a, struct err *e);
/* A sealed text of `clear` for those readers: the same one while neither changes. */
MUST int deploy_seal(const struct deploy *d, struct str guid, struct str name,
		     const struct recipients *to, struct str clear, struct arena *a,
		     struct str *out, struct err *e);
/* Seals the secret members of what is published, or takes them out where nobody may read. */
MUST int deploy_seal_connection(const struct deploy *d, const struct machine_wish *w,
				const struct deploy_plan *plan, struct json *connection,
				struct arena *a, struct err *e);
/*
 * Seals, to those readers, every member at the top of a child's parameters that holds a secret of
 * the parent; how many there are. ERR_INVALID: a secret stands deeper.
 */
MUST int deploy_seal_child(const struct deploy *d, const struct machine_wish *w,
			   const struct deploy_plan *plan, struct str child,
			   const struct recipients *to, struct json *parameters,
			   struct arena *a, struct err *e);
/* To whom a child's parameters were sealed last; at first to this node alone. */
MUST int deploy_child_readers(const struct deploy *d, const struct machine_wish *w,
			      struct str child, struct arena *a, struct recipients *out,
			      struct err *e);
/* The child `guid` was asked for: *to becomes its node's keys and this node's. 1: these are others
 * than before. */
MUST int deploy_child_placed(const struct deploy *d, const struct machine_wish *w,
			     struct str child, struct str guid, struct arena *a,
			     struct recipients *to, struct err *e);
/* Does a text hold a noted secret? */
bool deploy_holds_secret(const struct deploy_plan *plan, struct str text);
/* Keeps a clear text (which lives as long as `a`) out of errors. */
MUST int deploy_note_secret(struct deploy_plan *plan, struct str clear, struct arena *a,
			    struct err *e);
/* Replaces every noted secret in a text of `size` bytes, NUL included. */
void deploy_hide(const struct deploy_plan *plan, char *text, size_t size);
/* Zeroes what was noted, and the spec's text. */
void deploy_wipe_secrets(struct deploy_plan *plan);
/* Runs the setup steps that are due, one after another. */
MUST int deploy_setup(const struct deploy *d, const struct part *p,
		      const struct machine_wish *w, const struct deploy_plan *plan,
		      struct arena *a, struct err *e);
/* A changed file asks a running service to notice. */
MUST int deploy_touch_service(const struct deploy *d, const struct part *p,
			      const struct spec_service *s, enum deploy_touch touch,
			      struct arena *a, struct err *e);
/* Makes the services be those of the plan. */
MUST int deploy_services(const struct deploy *d, const struct part *p, struct deploy_plan *plan,
			 struct arena *a, struct err *e);
