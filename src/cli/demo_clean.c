/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The end of the demo's cloud: stopped, or without a trace. Half of one is fine, too. */
#include "base/file.h"
#include "cli/demo.h"
#include "supervise/client.h"

enum { STOP_MS = 20000, SHUTDOWN_MS = 120000 };

static int stop_daemon(struct demo *d,
		       int (*find)(struct demo *, struct demo_daemon *, struct err *),
		       struct err *e)
{
	struct demo_daemon found;
	/* A run that was killed may have left two of a kind behind: all that are found end. */
	do {
		if (find(d, &found, e) < 0 ||
		    (found.pid && demo_daemon_stop(found.pid, STOP_MS, e) < 0))
			return -1;
	} while (found.pid);
	return 0;
}

static int start_supervisor(struct demo *d, struct err *e)
{
	const char *const argv[] = {d->call->program, "supervise", "--dir",
				    d->node_dir,      "--daemon",  NULL};
	struct str out;
	return demo_run_ok(d, argv, NULL, &out, e);
}

/* A killed supervisor leaves its services running: another one takes them over, to end them. */
static int stop_services(struct demo *d, struct err *e)
{
	const struct supervise_request rq = {.verb = SUPERVISE_SHUTDOWN, .stop_services = true};
	struct supervise_reply reply;
	struct str state = arena_fmt(d->call->arena, "%s/supervise/state.json", d->node_dir);
	if (supervise_call(d->socket, &rq, SHUTDOWN_MS, d->call->arena, &reply, e) == 0)
		return 0;
	if (e->kind != ERR_UNREACHABLE)
		return err_in(e, "stop the services");
	err_clear(e);
	if (!file_exists(state.p))
		return 0; /* no service was ever started */
	if (start_supervisor(d, e) < 0 ||
	    supervise_call(d->socket, &rq, SHUTDOWN_MS, d->call->arena, &reply, e) < 0)
		return err_in(e, "stop the services");
	return 0;
}

MUST int demo_stop(struct demo *d, struct err *e)
{
	if (stop_daemon(d, demo_find_agent, e) < 0 || stop_services(d, e) < 0)
		return -1;
	return stop_daemon(d, demo_find_master, e);
}

static int remove_node(struct demo *d, struct err *e)
{
	const char *const argv[] = {d->call->program, "node",	   "unformat",
				    "--dir",	      d->node_dir, NULL};
	struct str out;
	return file_exists(d->node_dir) ? demo_run_ok(d, argv, NULL, &out, e) : 0;
}

/* The removal of the node ends its services, too; the agent would start the supervisor anew. */
MUST int demo_clean(struct demo *d, struct err *e)
{
	if (stop_daemon(d, demo_find_agent, e) < 0 || stop_daemon(d, demo_find_master, e) < 0 ||
	    remove_node(d, e) < 0)
		return -1;
	return file_remove_tree(d->dir, e);
}
