/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the supervisor tells: services that died, and what runs after it came back.
 */
#include "agent/doer_impl.h"
#include "base/log.h"

static struct part *part_of(struct doer *d, struct str id)
{
	struct str rest = id, name;
	if (!str_split(&rest, '/', &name))
		return NULL;
	for (size_t i = 0; i < d->part_count; i++)
		if (str_is(name, d->parts[i].name))
			return &d->parts[i];
	return NULL;
}

void doer_supervisor_event(void *user, const struct supervise_event *event)
{
	struct doer *d = user;
	struct part *p = part_of(d, event->id);
	if (!p || event->kind != SUPERVISE_EVENT_EXITED)
		return;
	char message[120];
	if (event->signal)
		(void)snprintf(message, sizeof message, "killed by signal %lld",
			       (long long)event->signal);
	else
		(void)snprintf(message, sizeof message, "exited with %lld",
			       (long long)event->exit_code);
	struct str service = str_sub(event->id, strlen(p->name) + 1, event->id.n);
	log_event(LOG_WARN, "agent.service.died", KV_S("service", event->id),
		  KV_C("how", message));
	part_add_incident(p, service, str_from(message), event->at_ms);
	machine_nudge(d->machine, p->slot, true, clock_now_ms(d->world.clock));
	doer_changed(d);
}

/* A service of an applied spec that the supervisor does not own any more. */
bool doer_misses_service(const struct part *p, const struct supervise_reply *reply)
{
	for (size_t i = 0; i < p->spec.service_count; i++) {
		bool is_found = false;
		for (size_t k = 0; k < reply->service_count && !is_found; k++) {
			const struct supervise_status *s = &reply->services[k];
			struct str name = str_sub(s->id, strlen(p->name) + 1, s->id.n);
			is_found = str_starts(s->id, str_from(p->name)) &&
				   str_eq(name, p->spec.services[i].name) &&
				   s->state != SUPERVISE_DOWN;
		}
		if (!is_found)
			return true;
	}
	return p->spec.service_count == 0 && p->memory == NULL;
}

static void supervisor_listed(void *user, const struct supervise_reply *reply)
{
	struct doer *d = user;
	if (reply->error.kind != ERR_NONE)
		return;
	for (size_t i = 0; i < d->part_count; i++) {
		const struct plan_partition *f = machine_facts(d->machine, i);
		/* A part in a step is not ours to read: after a loss it is applied once more. */
		bool is_lost = f->is_busy ? d->was_supervisor_lost
					  : doer_misses_service(&d->parts[i], reply);
		if (f->is_running && is_lost)
			machine_nudge(d->machine, i, false, PLAN_NEVER);
	}
	doer_changed(d);
}

void doer_supervisor_connected(void *user, const struct supervise_hello *hello UNUSED)
{
	struct doer *d = user;
	const struct supervise_request list = {.verb = SUPERVISE_LIST};
	struct err e = ERR_INIT;
	d->has_supervisor = true;
	if (supervise_request(d->supervisor, &list, 0, supervisor_listed, d, &e) < 0)
		log_err(LOG_WARN, "agent.supervisor.lost", &e);
}

void doer_supervisor_lost(void *user, const struct err *why)
{
	struct doer *d = user;
	d->has_supervisor = false;
	d->was_supervisor_lost = true;
	log_err(LOG_WARN, "agent.supervisor.lost", why);
	if (d->on_lost)
		d->on_lost(d->on_lost_user);
	doer_changed(d);
}
