/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Step 8: one instance is destroyed. Nobody is believed: processes, addresses, namespaces and
 * files are looked for by the partition's user range, on the host itself.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/demo.h"
#include "cli/orders.h"

enum { RANGE = 65536, DESTROY_S = 60, CONNECT_MS = 500, REDIS_PORT = 6379 };

/* The partition that the instance had. */
struct place {
	char name[64], ipv4[64], netns[200], device[200];
	int64_t uid_base,
		link; /* link: index of its device, which the kernel never gives twice */
};

static bool is_in_range(const struct place *p, unsigned id)
{
	return (int64_t)id >= p->uid_base && (int64_t)id < p->uid_base + RANGE;
}

/* ---- where it is --------------------------------------------------------------------------- */

struct looking {
	struct demo *demo;
	struct place *out;
};

static int find_place(void *user, const struct json *status, struct err *e UNUSED)
{
	struct looking *l = user;
	const struct demo_order *o = &l->demo->orders[DEMO_CACHE];
	const struct json *list = json_get(status, S("partitions"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		if (!str_eq(client_text(p, "instance"), client_text(o->instance, "guid")))
			continue;
		struct str name = client_text(p, "partition"), bridge = l->demo->bridge;
		struct place *out = l->out;
		(void)snprintf(out->name, sizeof out->name, "%" STR_F, STR_A(name));
		(void)snprintf(out->ipv4, sizeof out->ipv4, "%" STR_F,
			       STR_A(client_text(p, "ipv4")));
		(void)snprintf(out->netns, sizeof out->netns, "/run/netns/%" STR_F "-%" STR_F,
			       STR_A(bridge), STR_A(name));
		(void)snprintf(out->device, sizeof out->device,
			       "/sys/class/net/%" STR_F "%" STR_F "/ifindex", STR_A(bridge),
			       STR_A(name));
		out->uid_base = client_i64(p, "uid_base");
		return 1;
	}
	return 0;
}

/* ---- looking at the host ------------------------------------------------------------------- */

/* The effective user of a process, from "Uid:\treal\teffective…"; -1 if it is gone. */
static int64_t user_of(const char *pid, struct arena *a)
{
	char path[64];
	struct str text, line, word;
	struct err ignored = ERR_INIT;
	int64_t id;
	(void)snprintf(path, sizeof path, "/proc/%s/status", pid);
	if (file_read(path, 65536, a, &text, &ignored) != 0)
		return -1;
	while (str_split(&text, '\n', &line))
		if (str_starts(line, S("Uid:")) && str_split(&line, '\t', &word) &&
		    str_split(&line, '\t', &word) && str_split(&line, '\t', &word))
			return str_to_i64(word, 0, UINT32_MAX, &id, &ignored) == 0 ? id : -1;
	return -1;
}

static int count_processes(const struct place *p, int *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct dirent *entry;
	*out = 0;
	if (arena_new(64 << 20, &a, e) < 0)
		return -1;
	DIR *proc = opendir("/proc");
	if (!proc)
		return err_os(e, errno, "look at /proc");
	while ((entry = readdir(proc))) {
		bool is_pid = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
		int64_t user = is_pid ? user_of(entry->d_name, a) : -1;
		*out += user >= 0 && is_in_range(p, (unsigned)user);
	}
	(void)closedir(proc);
	return arena_check(a, e);
}

/* Index of the partition's device; 0 if there is none. */
static int64_t link_of(struct demo *d, const struct place *p)
{
	struct str text;
	int64_t index;
	struct err ignored = ERR_INIT;
	if (file_read(p->device, 64, d->call->arena, &text, &ignored) != 0 ||
	    str_to_i64(str_trim(text), 1, INT32_MAX, &index, &ignored) < 0)
		return 0;
	return index;
}

/* Does something accept a connection there? */
static bool does_answer(const struct place *p)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(REDIS_PORT)};
	int error = 0;
	socklen_t n = sizeof error;
	int fd CLEAN(file_closep) =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	if (fd < 0 || inet_pton(AF_INET, p->ipv4, &to.sin_addr) != 1)
		return false;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return true;
	if (errno != EINPROGRESS || poll(&ready, 1, CONNECT_MS) <= 0)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

/* Files of the node that belong to the range; the first one found in `path`. */
static int count_files(struct demo *d, const struct place *p, int *out, char path[static 300],
		       struct err *e)
{
	char *roots[] = {(char *)(uintptr_t)d->node_dir, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *f;
	*out = 0;
	if (!tree)
		return err_os(e, errno, "look at %s", d->node_dir);
	while ((f = fts_read(tree))) {
		if (f->fts_info == FTS_DP || !f->fts_statp ||
		    (!is_in_range(p, f->fts_statp->st_uid) &&
		     !is_in_range(p, f->fts_statp->st_gid)))
			continue;
		if (!(*out)++)
			(void)snprintf(path, 300, "%s", f->fts_path);
	}
	(void)fts_close(tree);
	return 0;
}

/* ---- the checks ---------------------------------------------------------------------------- */

static void show_status(void *user, const struct json *instance)
{
	struct demo *d = user;
	demo_check_live(&d->ui, "%" STR_F, STR_A(client_text(instance, "status")));
}

static int destroy(struct demo *d, struct place *p, struct err *e)
{
	struct demo_order *o = &d->orders[DEMO_CACHE];
	struct looking l = {d, p};
	int processes;
	demo_check_begin(&d->ui, "destroy");
	if (demo_follow(d, 10000, find_place, &l, e) < 0 ||
	    count_processes(p, &processes, e) < 0)
		return -1;
	p->link = link_of(d, p);
	if (orders_set_state(d->call, &o->instance, "destroyed", e) < 0 ||
	    orders_wait(d->call, &o->instance, "destroyed", DESTROY_S, show_status, d, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "%s, %d processes on %s (users %lld-%lld, %s)", o->title,
		      processes, p->name, (long long)p->uid_base,
		      (long long)p->uid_base + RANGE - 1, p->ipv4);
	demo_fact_str(&d->ui, "partition", str_from(p->name));
	demo_fact_i64(&d->ui, "processes_before", processes);
	return 0;
}

static int check_gone(struct demo *d, const struct place *p, struct err *e)
{
	char found[300] = "";
	int processes, files;
	demo_check_begin(&d->ui, "processes");
	if (count_processes(p, &processes, e) < 0)
		return -1;
	if (processes)
		return err_fail(e, ERR_BROKEN, "%d processes of its users run", processes);
	demo_check_ok(&d->ui, "none of its users");
	demo_check_begin(&d->ui, "addresses");
	if (does_answer(p))
		return err_fail(e, ERR_BROKEN, "%s still answers", p->ipv4);
	/* The node may have made an empty network for the next order: another one, then. */
	int64_t link = link_of(d, p);
	if (link ? link == p->link : file_exists(p->netns))
		return err_fail(e, ERR_BROKEN, "its network is still there: %s", p->netns);
	demo_check_ok(&d->ui, "%s does not answer, its network is gone%s", p->ipv4,
		      link ? "; an empty one is made" : "");
	demo_check_begin(&d->ui, "files");
	struct str dir = arena_fmt(d->call->arena, "%s/partitions/%s", d->node_dir, p->name);
	if (file_exists(dir.p))
		return err_fail(e, ERR_BROKEN, "%s is there", dir.p);
	if (count_files(d, p, &files, found, e) < 0)
		return -1;
	if (files)
		return err_fail(e, ERR_BROKEN, "%d files are its users', e.g. %s", files,
				found);
	demo_check_ok(&d->ui, "its folder is gone, no file belongs to its users");
	return 0;
}

static int check_others(struct demo *d, const struct demo_services *before,
			const struct place *p, struct err *e)
{
	struct json *node;
	demo_check_begin(&d->ui, "the others");
	if (demo_same_pids(d, before, str_from(p->name), e) < 0 ||
	    demo_all_answer(d, DEMO_CACHE, e) < 0 ||
	    client_get(d->call, S("/v1/nodes/" DEMO_NODE), &node, e) < 0)
		return -1;
	const struct json *partitions = json_get(node, S("partitions"));
	demo_check_ok(&d->ui,
		      "same processes, still answering; %lld of %lld partitions are free",
		      (long long)client_i64(partitions, "free"),
		      (long long)client_i64(partitions, "total"));
	demo_fact_i64(&d->ui, "partitions_free", client_i64(partitions, "free"));
	return 0;
}

int demo_end(struct demo *d, struct err *e)
{
	struct demo_services before;
	struct place p = {.name = ""};
	if (demo_services(d, &before, e) < 0 || destroy(d, &p, e) < 0 ||
	    check_gone(d, &p, e) < 0)
		return -1;
	return check_others(d, &before, &p, e);
}
