/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the cloud delegates to the node is asked at the start and every ten minutes, so that an
 * issuer is at hand, and for today's tenants, when the master goes away.
 */
#include "agent/authority.h"
#include "agent/doer_impl.h"
#include "base/log.h"
#include "base/mem.h"

enum { LOOK_MS = 5000, AGAIN_MS = 600000, RETRY_MS = 30000, ASK_BYTES = 4 << 20 };

struct asking {
	struct doer *doer;
	bool is_ok;
};

static void ask_work(void *user)
{
	struct asking *k = user;
	struct doer *d = k->doer;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	int64_t now_ms = clock_now_ms(d->world.clock);
	k->is_ok = arena_new(ASK_BYTES, &a, &e) == 0 &&
		   authority_refresh(d->dir, str_from(d->node), d->talkers, now_ms, a, &e) >= 0;
	if (!k->is_ok)
		log_err(authority_is_away(&e) ? LOG_DEBUG : LOG_WARN, "agent.authority.kept",
			&e);
}

static void ask_done(void *user)
{
	struct asking *k = user;
	struct doer *d = k->doer;
	d->is_asking_delegation = false;
	d->delegation_after_ms =
		clock_now_ms(d->world.clock) + (k->is_ok ? AGAIN_MS : RETRY_MS);
	mem_free(k);
}

static void look(void *user)
{
	struct doer *d = user;
	struct err e = ERR_INIT;
	if (d->is_asking_delegation || clock_now_ms(d->world.clock) < d->delegation_after_ms)
		return;
	struct asking *k = MEM_NEW(struct asking, &e);
	if (!k)
		return; /* looks again soon */
	k->doer = d;
	d->is_asking_delegation = crew_do(d->talk, ask_work, ask_done, mem_free, k, &e) == 0;
	if (!d->is_asking_delegation)
		mem_free(k);
}

MUST int doer_authority_start(struct doer *d, struct err *e)
{
	return ev_timer_every(d->ev, 0, LOOK_MS, look, d, &d->delegation, e);
}
