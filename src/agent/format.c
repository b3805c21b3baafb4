/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Makes a directory into a node, once, and changes it later: name, ranges of users, addresses.
 *
 * Ranges: partition i has the 65,536 user ids from uid_first + i · 65,536 on. The search for the
 * first range begins at a place that the node's name and directory choose among the 27,000 there
 * are, so that two nodes of one host do not meet, and steps over every user of the host's passwd
 * and every range in /etc/subuid, so that no account and no container tool shares one. No account
 * is made: a range needs none.
 */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/identity.h"
#include "base/file.h"
#include "ev/child.h"
#include "json/json.h"
#include "supervise/client.h"
#include "supervise/supervise.h"
#include "trust/hash.h"

enum {
	RANGE = 65536,
	UID_LEAST = 200000,
	UID_LAST = 2100000000,
	UID_PLACES = 27000,
	FORMAT_MEMORY = 64 << 20,
	TAKEN_MAX = 4096,
	SUBUID_MAX = 1 << 20,
	SUPERVISOR_START_MS = 15000,
	SHUTDOWN_MS = 120000
};

/* ---- user ranges --------------------------------------------------------------------------- */

struct taken {
	int64_t from[TAKEN_MAX], to[TAKEN_MAX]; /* [from, to) */
	size_t n;
};

static void take(struct taken *t, int64_t from, int64_t count)
{
	if (t->n == TAKEN_MAX)
		return;
	t->from[t->n] = from;
	t->to[t->n++] = from + count;
}

/* Lines "name:first:count" of /etc/subuid or /etc/subgid. */
static int take_sub_file(struct taken *t, const char *path, struct arena *a, struct err *e)
{
	struct str text, line, name, first, count;
	int rc = file_read(path, SUBUID_MAX, a, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	while (str_split(&text, '\n', &line)) {
		int64_t from, n;
		struct err ignored = ERR_INIT;
		bool has_all = str_split(&line, ':', &name) && str_split(&line, ':', &first) &&
			       str_split(&line, ':', &count);
		if (has_all && str_to_i64(first, 0, UID_LAST, &from, &ignored) == 0 &&
		    str_to_i64(count, 0, UID_LAST, &n, &ignored) == 0)
			take(t, from, n);
	}
	return 0;
}

static int list_taken(struct taken *t, struct arena *a, struct err *e)
{
	setpwent();
	for (const struct passwd *p = getpwent(); p; p = getpwent())
		take(t, (int64_t)p->pw_uid, 1);
	endpwent();
	if (take_sub_file(t, "/etc/subuid", a, e) < 0)
		return -1;
	return take_sub_file(t, "/etc/subgid", a, e);
}

/* Moves `from` behind whatever overlaps [from, from + count); true if it moved. */
static bool step_over(const struct taken *t, int64_t count, int64_t *from)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->from[i] < *from + count && *from < t->to[i]) {
			*from = (t->to[i] + RANGE - 1) / RANGE * RANGE;
			return true;
		}
	return false;
}

static int find_range(struct str node_id, int64_t count, struct arena *a, int64_t *out,
		      struct err *e)
{
	struct taken *t = ARENA_NEW(a, struct taken);
	if (!t || list_taken(t, a, e) < 0)
		return t ? -1 : arena_check(a, e);
	struct hash chosen = hash_of(node_id);
	int64_t place =
		(chosen.bytes[0] << 16 | chosen.bytes[1] << 8 | chosen.bytes[2]) % UID_PLACES;
	int64_t from = ((UID_LEAST + RANGE - 1) / RANGE + place) * RANGE;
	while (from + count < UID_LAST && step_over(t, count, &from))
		continue;
	if (from + count >= UID_LAST)
		return err_fail(e, ERR_NO_ROOM, "no %lld free user ids on this host",
				(long long)count);
	*out = from;
	return 0;
}

/* ---- the plan ------------------------------------------------------------------------------ */

static bool is_name_char(char c, bool is_first)
{
	bool is_word =
		(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
	return is_word || (!is_first && (c == '.' || c == '_' || c == '-'));
}

static int check_name(struct str name, struct err *e)
{
	if (name.n < 1 || name.n > 64)
		return err_field(e, "node", "must have 1 to 64 characters");
	for (size_t i = 0; i < name.n; i++)
		if (!is_name_char(name.p[i], i == 0))
			return err_field(e, "node",
					 "may only have letters, digits, '.', '_' and '-'");
	return 0;
}

static int check(const struct agent_format *f, struct err *e)
{
	if (geteuid() != 0)
		return err_fail(
			e, ERR_FORBIDDEN,
			"format needs root: it makes network namespaces and user ranges");
	if (f->dir[0] != '/')
		return err_field(e, "dir", "must be an absolute path");
	if (f->partitions < 1 || f->partitions > NETNS_PARTITIONS_MAX)
		return err_field(e, "partitions", "must be 1 to %d", NETNS_PARTITIONS_MAX);
	return check_name(f->node, e);
}

/* A node that was never formatted: choose what stays for ever. */
static int plan_new(const struct agent_format *f, struct arena *a, struct identity *id,
		    int64_t *uid_first, struct err *e)
{
	struct netns_route *routes;
	size_t route_count;
	/* Addresses are planned for the most that a node can have, so that it can grow. */
	unsigned room = f->partitions > 200 ? NETNS_PARTITIONS_MAX : 200;
	struct str node_id = arena_fmt(a, "%" STR_F ":%s", STR_A(f->node), f->dir);
	id->node = arena_dup(a, f->node);
	if (netns_routes(a, &routes, &route_count, e) < 0 ||
	    netns_plan_make(node_id, room, routes, route_count, &id->net, e) < 0)
		return -1;
	*uid_first = f->uid_first;
	return f->uid_first ? 0 : find_range(node_id, f->partitions * RANGE, a, uid_first, e);
}

/* The partitions wanted: those there are, and new ones behind them. */
static int plan_partitions(const struct agent_format *f, struct arena *a, struct identity *id,
			   int64_t uid_first, struct err *e)
{
	size_t n = (size_t)f->partitions;
	struct ndb_partition *list = ARENA_ARRAY(a, struct ndb_partition, n);
	if (!list)
		return arena_check(a, e);
	for (size_t i = 0; i < n; i++) {
		char ipv4[NETNS_ADDRESS_SIZE], ipv6[NETNS_ADDRESS_SIZE];
		if (i < id->count) {
			list[i] = id->partitions[i];
			continue;
		}
		netns_ipv4(&id->net, (unsigned)i, ipv4);
		netns_ipv6(&id->net, (unsigned)i, ipv6);
		list[i] = (struct ndb_partition){
			.slot = (int64_t)i,
			.name = identity_partition_name(i, a),
			.uid_base = uid_first + (int64_t)i * RANGE,
			.ipv4 = arena_dup(a, str_from(ipv4)),
			.ipv6 = arena_dup(a, str_from(ipv6)),
		};
	}
	id->partitions = list;
	id->count = n;
	return arena_check(a, e);
}

static struct str describe(const struct identity *id, struct arena *a)
{
	struct json *o = json_object_new(a), *list = json_array_new(a);
	for (size_t i = 0; i < id->count; i++) {
		struct json *p = json_object_new(a);
		json_set_str(a, p, S("name"), id->partitions[i].name);
		json_set_i64(a, p, S("uid_base"), id->partitions[i].uid_base);
		json_set_str(a, p, S("ipv4"), id->partitions[i].ipv4);
		json_set_str(a, p, S("ipv6"), id->partitions[i].ipv6);
		json_add(a, list, p);
	}
	json_set_str(a, o, S("node"), id->node);
	json_set_str(a, o, S("bridge"), str_from(id->net.bridge));
	json_set(a, o, S("partitions"), list);
	return json_text(o, a);
}

/* ---- carrying it out ----------------------------------------------------------------------- */

static int slots_between(struct arena *a, size_t from, size_t to, unsigned **out, struct err *e)
{
	unsigned *slots = ARENA_ARRAY(a, unsigned, to > from ? to - from : 0);
	for (size_t i = from; slots && i < to; i++)
		slots[i - from] = (unsigned)i;
	*out = slots;
	return arena_check(a, e);
}

static int raise_network(const struct identity *id, size_t old_count, struct arena *a,
			 struct err *e)
{
	unsigned *all, *gone;
	if (slots_between(a, 0, id->count, &all, e) < 0 ||
	    slots_between(a, id->count, old_count, &gone, e) < 0)
		return -1;
	if (netns_bridge_up(&id->net, e) < 0 || netns_up(&id->net, all, id->count, e) < 0)
		return -1;
	return old_count > id->count ? netns_down(&id->net, gone, old_count - id->count, e) : 0;
}

static int make_directories(const struct identity *id, const char *dir, struct arena *a,
			    struct err *e)
{
	static const char *const parts[] = {"partitions", "releases", "keys", "supervise",
					    "log"};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (file_mkdirs(arena_fmt(a, "%s/%s", dir, parts[i]).p, i == 2 ? 0700 : 0755,
				e) < 0)
			return -1;
	for (size_t i = 0; i < id->count; i++)
		if (file_mkdirs(arena_fmt(a, "%s/partitions/%" STR_F, dir,
					  STR_A(id->partitions[i].name))
					.p,
				0711, e) < 0)
			return -1;
	return 0;
}

static int format_with(struct ndb *n, const struct agent_format *f, struct arena *a,
		       struct agent_format_result *out, struct err *e)
{
	struct identity id = {.count = 0};
	struct err absent = ERR_INIT;
	int64_t uid_first = 0;
	bool is_new = identity_load(n, f->dir, a, &id, &absent) < 0;
	if (is_new && absent.kind != ERR_NOT_FOUND) {
		*e = absent;
		return -1;
	}
	if (!is_new && !str_eq(id.node, f->node))
		return err_field(e, "node",
				 "this directory is node %" STR_F
				 " already; a node's name stays",
				 STR_A(id.node));
	if (is_new && plan_new(f, a, &id, &uid_first, e) < 0)
		return -1;
	size_t old = id.count;
	if (!is_new)
		uid_first = id.partitions[0].uid_base;
	if (plan_partitions(f, a, &id, uid_first, e) < 0)
		return -1;
	*out = (struct agent_format_result){
		.is_new = is_new,
		.added = (int64_t)(id.count > old ? id.count - old : 0),
		.removed = (int64_t)(old > id.count ? old - id.count : 0),
		.kept = (int64_t)MIN_OF(old, id.count),
		.text = describe(&id, a),
	};
	if (f->is_dry_run)
		return arena_check(a, e);
	/* Recorded first: what is recorded is made again by any later start. */
	if (identity_save(n, &id, e) < 0 || make_directories(&id, f->dir, a, e) < 0)
		return -1;
	return raise_network(&id, old, a, e);
}

MUST int agent_format(const struct agent_format *f, struct arena *a,
		      struct agent_format_result *out, struct err *e)
{
	struct ndb *n = NULL;
	if (check(f, e) < 0 || (!f->is_dry_run && file_mkdirs(f->dir, 0755, e) < 0))
		return -1;
	if (ndb_open(f->dir, &n, e) < 0)
		return -1;
	int rc = format_with(n, f, a, out, e);
	ndb_close(n);
	return rc;
}

/* ---- the end of a node --------------------------------------------------------------------- */

static int start_supervisor(const char *dir, struct arena *a, struct err *e)
{
	const char *const argv[] = {"/proc/self/exe", "supervise", "--dir", dir,
				    "--daemon",	      NULL};
	const struct ev_child_spec spec = {
		.argv = argv, .output_max_bytes = 4096, .timeout_ms = SUPERVISOR_START_MS};
	struct ev_child_result result;
	if (ev_child_wait(&spec, a, &result, e) < 0)
		return -1;
	return ev_child_check(&result, "hoc supervise", e);
}

/* A killed supervisor leaves its services running: another one takes them over, to end them. */
static int stop_services(const char *dir, struct arena *a, struct err *e)
{
	const struct supervise_request rq = {.verb = SUPERVISE_SHUTDOWN, .stop_services = true};
	struct supervise_reply reply;
	struct str socket = supervise_socket_path(a, str_from(dir)),
		   state = arena_fmt(a, "%s/supervise/state.json", dir);
	if (supervise_call(socket.p, &rq, SHUTDOWN_MS, a, &reply, e) == 0)
		return 0;
	if (e->kind != ERR_UNREACHABLE)
		return -1;
	err_clear(e);
	if (!file_exists(state.p))
		return arena_check(a, e); /* no service was ever started */
	if (start_supervisor(dir, a, e) < 0)
		return -1;
	return supervise_call(socket.p, &rq, SHUTDOWN_MS, a, &reply, e);
}

MUST int agent_unformat(const char *dir, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ndb *n = NULL;
	struct identity id;
	unsigned *slots;
	int lock CLEAN(file_closep) = -1;
	struct err absent = ERR_INIT;
	if (!file_exists(dir))
		return 0;
	if (arena_new(FORMAT_MEMORY, &a, e) < 0)
		return -1;
	int rc = file_lock(arena_fmt(a, "%s/agent.lock", dir).p, &lock, e);
	if (rc != 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_CONFLICT, "an agent runs on %s: stop it first",
					 dir);
	if (stop_services(dir, a, e) < 0 || ndb_open(dir, &n, e) < 0)
		return -1;
	rc = identity_load(n, dir, a, &id, &absent);
	ndb_close(n);
	if (rc == 0 &&
	    (slots_between(a, 0, id.count, &slots, e) < 0 ||
	     netns_down(&id.net, slots, id.count, e) < 0 || netns_bridge_down(&id.net, e) < 0))
		return -1;
	return file_remove_tree(dir, e);
}
