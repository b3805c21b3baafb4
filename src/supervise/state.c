/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NODEDIR/supervise/state.json: which services are wanted, and how. Written when that changes, never
 * when a process comes or goes: which processes run is in crun's records (launch.h).
 *
 *     {"version": 1, "services": [{"wanted": true, "spec": {"id": "p0/postgres", …}}, …]}
 *
 * The loop makes the text, a pool thread writes and flushes it. Changes that come meanwhile share
 * the next write. Requests are acted upon and answered after the write that holds them.
 */
#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/desc.h"
#include "supervise/supervise_impl.h"

enum { STATE_BYTES = 64 << 20, STATE_VERSION = 1 };

struct entry {
	bool wanted;
	struct supervise_spec spec;
};

struct state {
	int64_t version;
	struct entry *services;
	size_t service_count;
};

extern const struct json_desc supervise_spec_desc;

/* clang-format off */
static const struct json_field entry_fields[] = {
	JSON_BOOL(struct entry, wanted, "wanted", JSON_REQUIRED, "Should run."),
	JSON_STRUCT(struct entry, spec, struct supervise_spec, "spec", &supervise_spec_desc, JSON_REQUIRED, "What to run."),
};
static const struct json_desc entry_desc = JSON_DESC(struct entry, entry_fields, "Entry", "A service.");
static const struct json_field state_fields[] = {
	JSON_I64(struct state, version, "version", STATE_VERSION, STATE_VERSION, JSON_REQUIRED, "Of this format."),
	JSON_STRUCTS(struct state, services, service_count, struct entry, "services", &entry_desc, 0, SUPERVISE_SERVICES_MAX, JSON_REQUIRED, "All services."),
};
static const struct json_desc state_desc = JSON_DESC(struct state, state_fields, "State", "The wanted set.");
/* clang-format on */

struct save {
	struct supervisor *sv;
	uint64_t generation;
	struct buf text;
	struct err e;
};

static void save_free(struct save *k)
{
	buf_fini(&k->text);
	mem_free(k);
}

static int make_text(struct supervisor *sv, struct buf *out, struct err *e)
{
	struct entry *list = mem_new((sv->service_count + 1) * sizeof *list, e);
	if (!list)
		return -1;
	struct state state = {.version = STATE_VERSION, .services = list};
	for (struct service *s = sv->services; s; s = s->next)
		if (!s->is_leaving)
			list[state.service_count++] =
				(struct entry){.wanted = s->is_wanted, .spec = s->spec};
	json_write_struct(&state_desc, &state, out);
	buf_add_c(out, '\n');
	mem_free(list);
	return buf_check(out, e);
}

static void save_now(struct supervisor *sv);

static void work(void *user)
{
	struct save *k = user;
	fail_point("supervise.state.before");
	if (file_write(k->sv->state_path, buf_str(&k->text), 0600, &k->e) == 0)
		fail_point("supervise.state.after");
}

/* Those whose change could not be kept are told; they may ask again. */
static void fail_waiting(struct supervisor *sv, uint64_t generation, const struct err *why)
{
	for (struct service *s = sv->services; s; s = s->next) {
		if (s->action == ACTION_NONE || s->generation > generation)
			continue;
		while (s->waiters) {
			struct waiter *w = s->waiters;
			s->waiters = w->next;
			server_fail(sv, w->client, w->serial, why);
			mem_free(w);
		}
	}
}

static void act_on_saved(struct supervisor *sv)
{
	for (struct service *s = sv->services, *next; s; s = next) {
		next = s->next;
		if (s->action != ACTION_NONE && s->generation <= sv->saved)
			service_act(s);
	}
	server_look_at_kills(sv);
}

static void done(void *user)
{
	struct save *k = user;
	struct supervisor *sv = k->sv;
	sv->is_saving = false;
	if (k->e.kind != ERR_NONE) {
		log_err(LOG_ERROR, "supervise.state.failed", &k->e);
		fail_waiting(sv, k->generation, &k->e);
	} else {
		sv->saved = k->generation;
		act_on_saved(sv);
	}
	/* After a failure the next change tries again. */
	if (sv->changed > k->generation)
		save_now(sv);
	save_free(k);
	supervisor_look_at_end(sv);
}

static void save_now(struct supervisor *sv)
{
	struct err e = ERR_INIT;
	struct save *k = MEM_NEW(struct save, &e);
	if (k) {
		*k = (struct save){
			.sv = sv, .generation = sv->changed, .text = BUF_INIT(STATE_BYTES)};
		if (make_text(sv, &k->text, &e) == 0 &&
		    ev_work(sv->ev, work, done, k, &e) == 0) {
			sv->is_saving = true;
			return;
		}
		save_free(k);
	}
	log_err(LOG_ERROR, "supervise.state.failed", &e);
	fail_waiting(sv, sv->changed, &e);
}

uint64_t state_change(struct supervisor *sv)
{
	sv->changed++;
	if (!sv->is_saving)
		save_now(sv);
	return sv->changed;
}

MUST int state_load(struct supervisor *sv, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str text;
	struct state state;
	if (arena_new(2 * (size_t)STATE_BYTES, &a, e) < 0)
		return -1;
	int rc = file_read(sv->state_path, STATE_BYTES, a, &text, e);
	if (rc == 1)
		return 0;
	if (rc < 0 || json_read(&state_desc, text, a, &state, e) < 0)
		return err_in(e, "read %s", sv->state_path);
	for (size_t i = state.service_count; i > 0; i--) {
		struct service *s;
		if (service_new(sv, &state.services[i - 1].spec, &s, e) < 0)
			return -1;
		s->is_wanted = state.services[i - 1].wanted;
	}
	return 0;
}
