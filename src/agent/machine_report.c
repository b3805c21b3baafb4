/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reports: what is, told to the master until it is acknowledged.
 */
#include "agent/machine_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/json.h"

static enum plan_told what_to_tell(const struct plan_partition *f)
{
	switch (f->want) {
	case PLAN_STARTED:
		if (machine_is_fulfilled(f))
			return PLAN_TOLD_STARTED;
		break;
	case PLAN_STOPPED:
		if (!f->is_running)
			return PLAN_TOLD_STOPPED;
		break;
	case PLAN_DESTROYED:
		if (!f->has_traces)
			return PLAN_TOLD_DESTROYED;
		break;
	case PLAN_NOTHING:
		break;
	}
	return PLAN_TOLD_FAILED;
}

static uint64_t send_connection(struct machine *m, const struct slot *s)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(MACHINE_WISH_MAX);
	buf_add(&b, S("{\"instance_guid\":"));
	json_write_str(s->wish.guid, &b);
	buf_addf(&b, ",\"connection_parameter_dict\":%s}", s->connection);
	return link_send(m, "POST", S("/slapos.put.v0.software_instance_connection_parameter"),
			 buf_str(&b), CALL_TIMEOUT_MS);
}

void link_report_slot(struct machine *m, size_t slot)
{
	struct slot *s = &m->slots[slot];
	static const char *const words[] = {
		[PLAN_TOLD_NOTHING] = "",
		[PLAN_TOLD_STARTED] = "started",
		[PLAN_TOLD_STOPPED] = "stopped",
		[PLAN_TOLD_FAILED] = "",
		[PLAN_TOLD_DESTROYED] = "destroyed",
	};
	s->telling = what_to_tell(&s->facts);
	if (s->telling == PLAN_TOLD_FAILED) {
		s->report_token =
			link_call2(m, "put.v0.software_instance_error", "instance_guid",
				   s->wish.guid, "message", str_from(s->message));
	} else if (s->telling == PLAN_TOLD_STARTED && s->connection && !s->is_connection_told) {
		s->telling = PLAN_TOLD_NOTHING;
		s->report_token = send_connection(m, s);
	} else {
		s->report_token = link_call2(m, "put.v0.software_instance_reported_state",
					     "instance_guid", s->wish.guid, "reported_state",
					     str_from(words[s->telling]));
	}
}

/* True if the report is over; false if it has to be said again later. */
static bool is_report_over(struct machine *m, int status, struct str body, const char *what)
{
	struct link *l = &m->link;
	bool is_barred = link_is_barred(status, body);
	if (status / 100 == 2) {
		l->report_failures = 0;
		return true;
	}
	if (is_barred)
		log_event(LOG_WARN, "agent.report.barred", KV_C("what", what),
			  KV_I("status", status), KV_S("body", str_sub(body, 0, 200)));
	if (status / 100 == 4 && status != 408 && status != 429 && !is_barred) {
		log_event(LOG_WARN, "agent.report.refused", KV_C("what", what),
			  KV_I("status", status));
		return true;
	}
	l->report_failures++;
	l->reports_after_ms =
		machine_now(m) + plan_backoff_ms(l->report_failures, machine_jitter(m));
	return false;
}

/* The master took it, or does not know the instance and wants nothing else of it. */
static bool is_destruction_known(const struct slot *s, int status)
{
	bool is_unknown = status == 403 || status == 404 || status == 410;
	return status / 100 == 2 || (is_unknown && s->facts.want == PLAN_DESTROYED);
}

void link_report_answered(struct machine *m, size_t slot, int status, struct str body)
{
	struct slot *s = &m->slots[slot];
	s->report_token = 0;
	s->facts.is_busy = false;
	if (!is_report_over(m, status, body, s->name))
		return;
	if (s->telling == PLAN_TOLD_NOTHING) {
		s->is_connection_told = true;
		return;
	}
	s->facts.told = s->telling;
	s->facts.told_version = s->step_version;
	if (s->telling == PLAN_TOLD_DESTROYED && is_destruction_known(s, status))
		machine_free_slot(m, slot);
}

static struct str release_state(const struct plan_release *r)
{
	return r->is_wanted ? S("available") : S("destroyed");
}

void link_report_release(struct machine *m, size_t slot)
{
	struct release_slot *r = &m->releases[slot];
	struct str node = str_from(m->node), release = str_from(r->release);
	if (r->facts.failures)
		r->report_token = link_call3(m, "put.v0.software_installation_error",
					     "software_release_uri", release, "computer_guid",
					     node, "message", str_from(r->message));
	else
		r->report_token = link_call3(m, "put.v0.software_installation_reported_state",
					     "software_release_uri", release, "computer_guid",
					     node, "reported_state", release_state(&r->facts));
}

void link_tell_building(struct machine *m, size_t slot)
{
	if (m->link.is_linked)
		(void)link_call3(m, "put.v0.software_installation_reported_state",
				 "software_release_uri", str_from(m->releases[slot].release),
				 "computer_guid", str_from(m->node), "reported_state",
				 S("building"));
}

void link_release_answered(struct machine *m, size_t slot, int status, struct str body)
{
	struct release_slot *r = &m->releases[slot];
	r->report_token = 0;
	r->facts.is_busy = false;
	if (!is_report_over(m, status, body, r->release))
		return;
	r->facts.is_told = true;
	if (!r->facts.is_wanted && r->facts.is_removed) {
		mem_free(r->release);
		*r = (struct release_slot){.release = NULL};
	}
}
