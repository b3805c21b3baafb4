/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Driving crun. Its messages go to a file of their own (--log), so that they neither mix with the
 * service's output nor need a reader; on failure their end is the error's text.
 *
 * crun's records are removed by removing their directory: without control groups of its own and
 * without hooks, `crun delete` does no more, and takes 3 ms more.
 */
#include "supervise/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/mem.h"
#include "json/json.h"
#include "supervise/proc.h"

enum { PATH_BYTES = 4096, SMALL_BYTES = 65536, STATUS_ARENA = 1 << 20, KILL_WAIT_MS = 5000 };

struct launch {
	struct launch_place place;
	struct ev_child *child;
	launch_fn *fn;
	void *user;
	char name[LAUNCH_NAME_SIZE];
	char pid_file[PATH_BYTES], log_option[PATH_BYTES]; /* "file:" and the path */
};

static const char *log_file(const struct launch *l)
{
	return l->log_option + sizeof "file:" - 1;
}

bool launch_status(int pidfd, int *exit_code, int *signum)
{
	siginfo_t info = {.si_pid = 0};
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return false;
	bool is_exit = info.si_code == CLD_EXITED;
	*exit_code = is_exit ? info.si_status : -1;
	*signum = is_exit ? 0 : info.si_status;
	return true;
}

void launch_kill(int pidfd)
{
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

MUST int launch_pidfd(int pid, struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? err_os(e, errno, "watch process %d", pid) : fd;
}

/* ---- launching ---- */

static void clean_scratch(struct launch *l)
{
	(void)unlink(l->pid_file);
	(void)unlink(log_file(l));
}

static int read_pid(const struct launch *l, int *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str text;
	int64_t pid;
	if (arena_new(2 * SMALL_BYTES, &a, e) < 0)
		return -1;
	int rc = file_read(l->pid_file, 100, a, &text, e);
	if (rc == 1)
		return err_fail(e, ERR_BROKEN, "crun wrote no pid file");
	if (rc < 0 || str_to_i64(str_trim(text), 1, INT32_MAX, &pid, e) < 0)
		return -1;
	*out = (int)pid;
	return 0;
}

/* crun's last message, without its time. */
static void explain(const struct launch *l, const struct ev_child_result *r, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str text = S("");
	struct err ignored;
	if (arena_new(2 * SMALL_BYTES, &a, &ignored) == 0)
		(void)!file_read(log_file(l), SMALL_BYTES, a, &text, &ignored);
	text = str_trim(text);
	size_t at = str_find(text, S("Z: "));
	if (at < text.n)
		text = str_sub(text, at + 3, text.n);
	struct ev_child_result said = *r;
	said.output = text;
	said.errors = S("");
	int failed UNUSED = ev_child_check(&said, "crun", e);
}

/* The container that a failed or forgotten launch may have made. */
static void undo(struct launch *l)
{
	int pid, pidfd;
	struct err ignored;
	if (read_pid(l, &pid, &ignored) == 0 && (pidfd = launch_pidfd(pid, &ignored)) >= 0) {
		launch_kill(pidfd);
		(void)close(pidfd);
	}
	launch_forget(&l->place, l->name);
	clean_scratch(l);
}

static void on_end(void *user, const struct ev_child_result *r)
{
	struct launch *l = user;
	struct err e = ERR_INIT;
	int pid = 0, pidfd = -1;
	fail_point("supervise.launch.done");
	if (r->exit_code != 0)
		explain(l, r, &e);
	else if (read_pid(l, &pid, &e) == 0)
		pidfd = launch_pidfd(pid, &e);
	if (pidfd < 0)
		undo(l);
	else
		clean_scratch(l);
	launch_fn *fn = l->fn;
	void *owner = l->user;
	mem_free(l);
	fn(owner, pid, pidfd, &e);
}

static int start_crun(struct ev *ev, struct launch *l, const struct launch_spec *spec,
		      struct err *e)
{
	const char *program = crun_program(l->place.crun);
	const char *run[] = {
		program,    "--root",	   l->place.root, "--cgroup-manager=disabled",
		"--log",    l->log_option, "run",	  "--detach",
		"--bundle", spec->bundle,  "--pid-file",  l->pid_file,
		l->name,    NULL};
	const char *create[] = {
		program,      "--root",	     l->place.root, "--cgroup-manager=disabled",
		"--log",      l->log_option, "create",	    "--bundle",
		spec->bundle, "--pid-file",  l->pid_file,   l->name,
		NULL};
	struct ev_child_spec child = {
		.argv = spec->is_standby ? create : run,
		.timeout_ms = LAUNCH_TIMEOUT_MS,
		.out_fd = spec->out_fd,
		.cgroup_fd = spec->cgroup_fd,
		.netns_fd = spec->netns_fd,
	};
	return ev_child(ev, &child, on_end, l, &l->child, e);
}

MUST int launch_start(struct ev *ev, const struct launch_place *place,
		      const struct launch_spec *spec, launch_fn *fn, void *user,
		      struct launch **out, struct err *e)
{
	struct launch *l = MEM_NEW(struct launch, e);
	if (!l)
		return -1;
	l->place = *place;
	l->fn = fn;
	l->user = user;
	(void)snprintf(l->name, sizeof l->name, "%s", spec->name);
	int n = snprintf(l->pid_file, PATH_BYTES, "%s/%s.pid", place->scratch, spec->name);
	int m = snprintf(l->log_option, PATH_BYTES, "file:%s/%s.log", place->scratch,
			 spec->name);
	if (n >= PATH_BYTES || m >= PATH_BYTES) {
		mem_free(l);
		return err_fail(e, ERR_INVALID, "the node directory's path is too long");
	}
	if (start_crun(ev, l, spec, e) < 0) {
		mem_free(l);
		return -1;
	}
	fail_point("supervise.launch.started");
	*out = l;
	return 0;
}

struct launch *launch_free(struct launch *l)
{
	if (!l)
		return NULL;
	ev_child_free(l->child);
	undo(l);
	mem_free(l);
	return NULL;
}

/* ---- standby ---- */

/*
 * A created container waits for a byte in its FIFO (`crun start` writes it, and unlinks the FIFO,
 * whose presence in the record means "created").
 */
MUST int launch_release(const struct launch_place *place, const char *name, struct err *e)
{
	char path[PATH_BYTES];
	(void)snprintf(path, sizeof path, "%s/%s/exec.fifo", place->root, name);
	int fd CLEAN(file_closep) = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_os(e, errno, "open %s", path);
	(void)unlink(path);
	return write(fd, "", 1) == 1 ? 0 : err_os(e, errno, "start the standby %s", name);
}

void launch_forget(const struct launch_place *place, const char *name)
{
	char path[PATH_BYTES];
	struct err ignored;
	int n = snprintf(path, sizeof path, "%s/%s", place->root, name);
	if (n > 0 && n < PATH_BYTES)
		(void)!file_remove_tree(path, &ignored);
}

/* ---- recovery ---- */

void launch_end(int pid)
{
	struct err ignored;
	int pidfd CLEAN(file_closep) = launch_pidfd(pid, &ignored);
	if (pidfd < 0)
		return;
	launch_kill(pidfd);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	(void)poll(&p, 1, KILL_WAIT_MS);
	int exit_code, signum;
	(void)launch_status(pidfd, &exit_code, &signum);
}

/* Reads a record; false if it is none or its process is gone. */
static bool read_record(const struct launch_place *place, const char *name, struct arena *a,
			struct launch_record *out)
{
	struct str text;
	struct json *status;
	struct err ignored;
	const char *path = arena_cstr(a, arena_fmt(a, "%s/%s/status", place->root, name));
	if (file_read(path, SMALL_BYTES, a, &text, &ignored) != 0 ||
	    json_parse(text, a, &status, &ignored) < 0)
		return false;
	int64_t pid = json_i64_of(json_get(status, S("pid")), 0);
	int64_t ticks = json_i64_of(json_get(status, S("process-start-time")), -1);
	uint64_t now_ticks;
	if (pid <= 0 || pid > INT32_MAX || !proc_start_ticks((int)pid, &now_ticks) ||
	    now_ticks != (uint64_t)ticks)
		return false;
	path = arena_cstr(a, arena_fmt(a, "%s/%s/exec.fifo", place->root, name));
	*out = (struct launch_record){.name = arena_dup(a, str_from(name)),
				      .id = S(""),
				      .pid = (int)pid,
				      .is_standby = file_exists(path)};
	struct str rest = out->name, partition, service;
	if (str_split(&rest, ':', &partition) && str_split(&rest, ':', &service) &&
	    str_split(&rest, ':', &out->hash) && rest.n)
		out->id = arena_fmt(a, "%" STR_F "/%" STR_F, STR_A(partition), STR_A(service));
	return true;
}

static void close_dirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

struct recovery {
	const struct launch_place *place;
	struct launch_record *list;
	size_t count;
};

static bool is_recorded(const struct recovery *r, int pid)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].pid == pid && !r->list[i].is_standby)
			return true;
	return false;
}

/*
 * A process that is still crun with our root in its arguments: a launch under way, or a standby
 * (which costs nothing to make again). The first process of a container that has just been
 * recorded looks the same until it executes its program; it is spared.
 */
static int kill_if_crun(void *user, int pid)
{
	const struct recovery *r = user;
	char line[PATH_BYTES];
	size_t n = proc_cmdline(pid, line, sizeof line), root_n = strlen(r->place->root);
	struct str all = str_of(line, n);
	size_t at = str_find(all, S("--root"));
	bool is_ours = at < n && at + 7 + root_n < n && line[at + 6] == 0 &&
		       memcmp(line + at + 7, r->place->root, root_n + 1) == 0 &&
		       str_find(all, S("--cgroup-manager=disabled")) < n;
	if (is_ours && pid != getpid() && !is_recorded(r, pid))
		launch_end(pid);
	return 0;
}

/* Lists the records of what lives; forgets the others if asked to. */
static int list_records(struct recovery *r, struct arena *a, bool must_forget, struct err *e)
{
	DIR *d CLEAN(close_dirp) = opendir(r->place->root);
	if (!d)
		return err_os(e, errno, "open %s", r->place->root);
	r->count = 0;
	struct dirent *entry;
	while (r->count < LAUNCH_RECORDS_MAX && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (read_record(r->place, entry->d_name, a, &r->list[r->count]))
			r->count++;
		else if (must_forget)
			launch_forget(r->place, entry->d_name);
	}
	return arena_check(a, e);
}

MUST int launch_recover(const struct launch_place *place, struct arena *a,
			struct launch_record **out, size_t *out_count, struct err *e)
{
	struct recovery r = {.place = place,
			     .list = ARENA_ARRAY(a, struct launch_record, LAUNCH_RECORDS_MAX)};
	if (arena_check(a, e) < 0 || list_records(&r, a, false, e) < 0)
		return -1;
	(void)proc_each(kill_if_crun, &r);
	if (list_records(&r, a, true, e) < 0)
		return -1;
	*out = r.list;
	*out_count = r.count;
	return 0;
}
