/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Step 1: a master and a node, made or found as an earlier run left them. */
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/settings.h"

enum {
	START_MS = 20000,
	STOP_MS = 15000,
	LINK_MS = 30000,
	LOOK_EVERY_MS = 5,
	ADDRESS_MAX = 200
};

/* ---- the master ---------------------------------------------------------------------------- */

static struct str address_path(struct demo *d)
{
	return arena_fmt(d->call->arena, "%s/address", d->master_dir);
}

/* 0: the address; 1: none is told. */
static int read_address(struct demo *d, struct str *out, struct err *e)
{
	int rc = file_read(address_path(d).p, ADDRESS_MAX, d->call->arena, out, e);
	if (rc == 0)
		*out = str_trim(*out);
	return rc;
}

/* The address of an earlier run, so that what a person wrote down stays true; else any free one. */
static const char *address_before(struct demo *d)
{
	struct str text, line;
	struct err ignored = ERR_INIT;
	if (file_read(d->conf, SETTINGS_MAX_BYTES, d->call->arena, &text, &ignored) != 0)
		return NULL;
	while (str_split(&text, '\n', &line))
		if (str_starts(line, S("master = https://")))
			return arena_cstr(d->call->arena, str_trim(str_sub(line, 17, line.n)));
	return NULL;
}

/* Waits until the address is told; 1 if the process ended before. */
static int await_address(struct demo *d, int pid, struct str *out, struct err *e)
{
	int64_t until_ms = clock_mono_ms(clock_system()) + START_MS;
	int fd CLEAN(file_closep) = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (clock_mono_ms(clock_system()) < until_ms) {
		int rc = read_address(d, out, e);
		if (rc <= 0)
			return rc;
		demo_check_live(&d->ui, "starting");
		if (poll(&p, 1, LOOK_EVERY_MS) > 0)
			return 1;
	}
	return err_fail(e, ERR_TIMEOUT, "the master does not listen after %d s",
			START_MS / 1000);
}

static int start_master(struct demo *d, const char *listen, struct str *out, struct err *e)
{
	const char *const words[] = {"master",	 "run",	 "--data", d->master_dir,
				     "--listen", listen, NULL};
	int pid;
	/* A killed master leaves its address behind; none runs now. */
	if (file_remove_tree(address_path(d).p, e) < 0 ||
	    demo_daemon_start(d, "master", words, &pid, e) < 0)
		return -1;
	return await_address(d, pid, out, e);
}

static int start_master_anywhere(struct demo *d, struct str *out, struct err *e)
{
	const char *before = address_before(d);
	int rc = before ? start_master(d, before, out, e) : 1;
	if (rc > 0)
		rc = start_master(d, "127.0.0.1:0", out, e);
	if (rc <= 0)
		return rc;
	return err_fail(e, ERR_BROKEN, "the master ended: %" STR_F,
			STR_A(demo_log_tail(d, "master")));
}

/* Who sells: settings of the master, given once. */
static int put_settings(struct demo *d, struct err *e)
{
	struct str text, to = arena_fmt(d->call->arena, "%s/master.json", d->master_dir);
	struct str from = arena_fmt(d->call->arena, "%s/master.json", d->data);
	if (file_exists(to.p))
		return 0;
	int rc = file_read(from.p, SETTINGS_MAX_BYTES, d->call->arena, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_NOT_FOUND, "%s does not exist", from.p);
	return file_write(to.p, text, 0644, e);
}

static int write_conf(struct demo *d, struct err *e)
{
	struct str text = arena_fmt(d->call->arena,
				    "# Written by hoc demo; used with HOC_CONFIG=%s\n"
				    "master = %s\nnode = %s\nidentity = %s\n",
				    d->conf, d->call->master, d->node_dir, d->identity);
	return file_write_if_changed(d->conf, text, 0644, e) < 0 ? -1 : 0;
}

/* The master's process, of this very program; *pid is 0 if it has to be started. */
static int find_master(struct demo *d, bool must_stop, int *pid, struct err *e)
{
	struct demo_daemon m;
	if (demo_find_master(d, &m, e) < 0)
		return -1;
	if (m.pid && (must_stop || !m.is_same)) {
		if (demo_daemon_stop(m.pid, STOP_MS, e) < 0)
			return -1;
		m.pid = 0;
	}
	*pid = m.pid;
	return 0;
}

/* Runs, or is started; *out_how says which. Authorities are made if there are none. */
static int have_master(struct demo *d, struct str *token, const char **out_how, struct err *e)
{
	struct str address;
	int pid;
	bool is_new = !demo_is_enrolled(d);
	if (find_master(d, is_new, &pid, e) < 0 ||
	    (is_new && demo_make_authorities(d, token, e) < 0))
		return -1;
	*out_how = pid ? "runs already" : "started";
	int rc = pid ? await_address(d, pid, &address, e)
		     : start_master_anywhere(d, &address, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_BROKEN, "the master ended meanwhile");
	d->call->master = arena_fmt(d->call->arena, "https://%" STR_F, STR_A(address)).p;
	return arena_check(d->call->arena, e);
}

static int ensure_master(struct demo *d, struct str *token, struct err *e)
{
	struct demo_daemon m;
	struct json *status;
	const char *how;
	demo_check_begin(&d->ui, "master");
	if (file_mkdirs(d->master_dir, 0700, e) < 0 || put_settings(d, e) < 0 ||
	    have_master(d, token, &how, e) < 0)
		return -1;
	if (token->n && demo_log_in(d, *token, e) < 0)
		return -1;
	if (client_get(d->call, S("/v1/status"), &status, e) < 0 || write_conf(d, e) < 0 ||
	    demo_find_master(d, &m, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "%s, %" STR_F ", process %d, %s", d->call->master,
		      STR_A(client_text(status, "database")), m.pid, how);
	demo_fact_str(&d->ui, "master", str_from(d->call->master));
	demo_fact_str(&d->ui, "database", client_text(status, "database"));
	return 0;
}

/* Who asks, and what the master takes him for. */
static int tell_identity(struct demo *d, struct err *e)
{
	struct json *me;
	demo_check_begin(&d->ui, "identity");
	if (client_get(d->call, S("/v1/me"), &me, e) < 0)
		return -1;
	struct str key = client_text(me, "key");
	demo_check_ok(&d->ui, "operator %" STR_F ", key %" STR_F "…, made in %s",
		      STR_A(client_text(me, "name")), STR_A(str_sub(key, 0, 16)), d->identity);
	demo_fact_str(&d->ui, "key", key);
	return 0;
}

/* ---- the node ------------------------------------------------------------------------------ */

static int format_node(struct demo *d, struct err *e)
{
	const char *const argv[] = {
		d->call->program, "node",	  "format", "--dir",  d->node_dir, "--name",
		DEMO_NODE,	  "--partitions", "8",	    "--json", NULL};
	struct str text;
	struct json *doc;
	demo_check_begin(&d->ui, "node");
	if (demo_run_ok(d, argv, NULL, &text, e) < 0 ||
	    json_parse(text, d->call->arena, &doc, e) < 0)
		return -1;
	const struct json *list = json_get(doc, S("partitions"));
	d->bridge = client_text(doc, "bridge");
	demo_check_ok(&d->ui, "%" STR_F ": %zu partitions on bridge %" STR_F,
		      STR_A(client_text(doc, "node")), json_count(list), STR_A(d->bridge));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		long long first = (long long)client_i64(p, "uid_base");
		demo_line(&d->ui, "%-3" STR_F " users %lld-%lld  %-14" STR_F " %" STR_F,
			  STR_A(client_text(p, "name")), first, first + 65535,
			  STR_A(client_text(p, "ipv4")), STR_A(client_text(p, "ipv6")));
	}
	demo_fact(&d->ui, "node", doc);
	return 0;
}

static int is_linked(void *user, const struct json *status, struct err *e UNUSED)
{
	struct demo *d = user;
	demo_check_live(&d->ui, "waits for the master");
	return json_bool_of(json_get(status, S("linked")), false) &&
	       json_bool_of(json_get(status, S("supervisor")), false);
}

/* Is the agent's master the one that runs? */
static bool has_word(struct str line, const char *word)
{
	struct str part;
	while (line.n && str_split(&line, 0, &part))
		if (str_is(part, word))
			return true;
	return false;
}

static int ensure_agent(struct demo *d, bool is_new_cloud, struct err *e)
{
	struct demo_daemon a;
	const char *how = "runs already";
	demo_check_begin(&d->ui, "agent");
	if (demo_find_agent(d, &a, e) < 0)
		return -1;
	bool must_join = is_new_cloud || !demo_is_joined(d);
	if (a.pid && (must_join || !a.is_same || !has_word(a.line, d->call->master))) {
		if (demo_daemon_stop(a.pid, STOP_MS, e) < 0)
			return -1;
		a.pid = 0;
	}
	if (must_join && demo_join_node(d, e) < 0)
		return -1;
	if (!a.pid) {
		how = "started";
		if (demo_start_agent(d, &a.pid, e) < 0)
			return -1;
	}
	if (demo_follow(d, LINK_MS, is_linked, d, e) < 0)
		return err_in(e, "the agent (%" STR_F ")", STR_A(demo_log_tail(d, "node")));
	demo_check_ok(&d->ui, "process %d, linked with the master, %s", a.pid, how);
	demo_fact_i64(&d->ui, "agent_pid", a.pid);
	return 0;
}

int demo_cloud(struct demo *d, struct err *e)
{
	struct str token = S("");
	if (ensure_master(d, &token, e) < 0 || tell_identity(d, e) < 0 || format_node(d, e) < 0)
		return -1;
	return ensure_agent(d, token.n > 0, e);
}
