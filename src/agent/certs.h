/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Certificates of an instance's names: the key is made here, only a request travels.
 *
 *     partitions/NAME/certs/CERT.key, .pem, .roots    ours (0600); the tenant reaches none of it
 *     partitions/NAME/home/…                          copies where the profile wants them, his
 *
 *     missing ──▶ asked for: the step fails until it is there
 *     good ──▶ after two thirds of its life (and up to a twentieth more: a cloud does not renew all
 *              at once) asked for again; until that succeeds the old one stays
 *
 * Whom to ask: the master; while it does not answer, the node's own issuer (agent/authority.h).
 * A certificate that could not be renewed is told as the promise "certificates". Services are told
 * of a fresh one once, also if the agent dies in between (CERT.told).
 *
 * All functions are a step's: called by the thread that has the partition.
 */
#include "agent/deploy_impl.h"

/*
 * Every certificate of the plan is there and its files are in the home; marks what services are to
 * be told. Errors name the certificate.
 */
MUST int certs_apply(const struct deploy *d, struct part *p, const struct machine_wish *w,
		     struct deploy_plan *plan, struct arena *a, struct err *e);
/* The services of this spec were told: not again. */
MUST int certs_told(const struct part *p, const struct machine_wish *w,
		    const struct profile_spec *spec, struct arena *a, struct err *e);
/* When to look at the applied spec's certificates again; PLAN_NEVER if it has none. */
int64_t certs_due_ms(const struct part *p);
/*
 * Renews what is due of the applied spec, and tells its services. 1: something was put in the
 * outbox. What fails is tried again, ever more seldom.
 */
MUST int certs_renew(const struct deploy *d, struct part *p, const struct machine_wish *w,
		     struct arena *a, struct err *e);
