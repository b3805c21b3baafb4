/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Step 5: the database is killed and comes back; the agent goes and comes, the services stay. */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "cli/demo.h"

enum { BACK_MS = 60000, PAUSE_MS = 5, HISTORY_MS = 60000, STOP_MS = 15000, START_MS = 60000 };

static int64_t mono_ms(void)
{
	return clock_mono_ms(clock_system());
}

/* ---- a row --------------------------------------------------------------------------------- */

static int insert_row(struct demo *d, struct str *id, struct err *e)
{
	struct str out;
	demo_check_begin(&d->ui, "row");
	if (demo_psql(d,
		      "SET client_min_messages = warning; "
		      "CREATE TABLE IF NOT EXISTS demo_notes (id bigserial PRIMARY KEY, "
		      "at timestamptz NOT NULL DEFAULT now(), note text NOT NULL)",
		      &out, e) < 0 ||
	    demo_psql(d,
		      "INSERT INTO demo_notes (note) VALUES ('written before the crash') "
		      "RETURNING id",
		      id, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "number %" STR_F " is written and committed", STR_A(*id));
	return 0;
}

static int look_for_row(struct demo *d, struct str id, struct err *e)
{
	struct str out,
		sql = arena_fmt(d->call->arena,
				"SELECT note FROM demo_notes WHERE id = %" STR_F, STR_A(id));
	if (demo_psql(d, sql.p, &out, e) < 0)
		return -1;
	if (str_is(out, "written before the crash"))
		return 0;
	return err_fail(e, ERR_CORRUPT, "row %" STR_F " is gone", STR_A(id));
}

/* ---- the kill ------------------------------------------------------------------------------ */

/* Asks again and again until the database answers; a wrong answer ends it at once. */
static int await_row(struct demo *d, struct str id, struct err *e)
{
	int64_t until_ms = mono_ms() + BACK_MS;
	while (look_for_row(d, id, e) < 0) {
		if (e->kind == ERR_CORRUPT || mono_ms() > until_ms)
			return err_in(e, "after %d s", BACK_MS / 1000);
		err_clear(e);
		demo_check_live(&d->ui, "killed; waits for an answer");
		(void)poll(NULL, 0, PAUSE_MS);
	}
	return 0;
}

static int kill_database(struct demo *d, struct str id, struct err *e)
{
	const struct demo_order *o = &d->orders[DEMO_DATABASE];
	struct demo_service before, after;
	demo_check_begin(&d->ui, "kill -9");
	if (demo_service_of(d, o, &before, e) < 0)
		return -1;
	int64_t at_ms = clock_now_ms(clock_system()), since_ms = mono_ms();
	if (before.pid < 2 || kill((pid_t)before.pid, SIGKILL) < 0)
		return err_os(e, errno, "kill process %lld", (long long)before.pid);
	if (await_row(d, id, e) < 0)
		return -1;
	int64_t answered_ms = mono_ms() - since_ms;
	if (demo_service_of(d, o, &after, e) < 0)
		return -1;
	if (after.pid == before.pid)
		return err_fail(e, ERR_BROKEN, "process %lld was not killed",
				(long long)before.pid);
	int64_t respawn_ms = MAX_OF(after.started_at_ms - at_ms, (int64_t)0);
	demo_check_ok(
		&d->ui,
		"postgres: process %lld, %lld ms later %lld; answers after %lld ms; row %" STR_F
		" is there",
		(long long)before.pid, (long long)respawn_ms, (long long)after.pid,
		(long long)answered_ms, STR_A(id));
	demo_fact_i64(&d->ui, "respawn_ms", respawn_ms);
	demo_fact_i64(&d->ui, "answer_ms", answered_ms);
	return 0;
}

/* ---- the history --------------------------------------------------------------------------- */

struct fall {
	struct str guid;
	char name[200]; /* promise that was broken, "" so far */
};

static int promise_event(void *user, const struct json *event, struct err *e UNUSED)
{
	struct fall *f = user;
	const struct json *body = json_get(event, S("body"));
	if (!str_is(client_text(event, "kind"), "promise.moved") ||
	    !str_eq(client_text(event, "subject"), f->guid))
		return 0;
	struct str name = client_text(body, "name"), state = client_text(body, "state");
	if (str_is(state, "broken") && !f->name[0])
		(void)snprintf(f->name, sizeof f->name, "%" STR_F, STR_A(name));
	return str_is(state, "kept") && str_is(name, f->name);
}

static int show_history(struct demo *d, int64_t since, struct err *e)
{
	struct fall f = {.guid = client_text(d->orders[DEMO_DATABASE].instance, "guid")};
	struct json *doc;
	demo_check_begin(&d->ui, "history");
	if (demo_events(d, &since, HISTORY_MS, promise_event, &f, e) < 0)
		return err_in(e, "no promise went to broken and back");
	struct str path = client_query(d->call, S("/v1/promises/history"), "subject",
				       arena_cstr(d->call->arena, f.guid));
	if (client_get(d->call, client_query(d->call, path, "name", f.name), &doc, e) < 0)
		return -1;
	const struct json *list = json_get(doc, S("history"));
	size_t n = json_count(list);
	demo_check_ok(&d->ui, "promise %s was broken, and is kept again", f.name);
	for (size_t i = n > 2 ? n - 2 : 0; i < n; i++) {
		const struct json *h = json_at(list, i);
		demo_line(&d->ui, "%" STR_F "  %-7" STR_F "%" STR_F,
			  STR_A(str_sub(client_text(h, "at"), 11, 12)),
			  STR_A(client_text(h, "state")), STR_A(client_text(h, "message")));
	}
	demo_fact(&d->ui, "history", json_get(doc, S("history")));
	return 0;
}

/* ---- without the agent --------------------------------------------------------------------- */

static int stop_agent(struct demo *d, const struct demo_services *before, struct err *e)
{
	struct demo_daemon agent;
	demo_check_begin(&d->ui, "agent stopped");
	if (demo_find_agent(d, &agent, e) < 0 ||
	    (agent.pid && demo_daemon_stop(agent.pid, STOP_MS, e) < 0) ||
	    demo_all_answer(d, DEMO_ORDERS, e) < 0 || demo_same_pids(d, before, S(""), e) < 0)
		return -1;
	demo_check_ok(&d->ui, "process %d is gone; all three services answer", agent.pid);
	return 0;
}

static int start_agent(struct demo *d, const struct demo_services *before, struct err *e)
{
	int pid;
	demo_check_begin(&d->ui, "agent started");
	if (demo_start_agent(d, &pid, e) < 0 ||
	    demo_follow(d, START_MS, demo_is_settled, d, e) < 0 ||
	    demo_same_pids(d, before, S(""), e) < 0)
		return -1;
	demo_check_ok(&d->ui, "process %d: took over %zu services, restarted none", pid,
		      before->count);
	for (size_t i = 0; i < before->count; i++)
		demo_line(&d->ui, "%-16s process %lld as before", before->list[i].id,
			  (long long)before->list[i].pid);
	demo_fact_i64(&d->ui, "adopted", (int64_t)before->count);
	return 0;
}

int demo_survival(struct demo *d, struct err *e)
{
	struct demo_services before;
	struct str id;
	int64_t since;
	if (insert_row(d, &id, e) < 0 || demo_sequence(d, &since, e) < 0 ||
	    kill_database(d, id, e) < 0 || show_history(d, since, e) < 0 ||
	    demo_services(d, &before, e) < 0 || stop_agent(d, &before, e) < 0)
		return -1;
	return start_agent(d, &before, e);
}
