/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The supervisor's life: entering its place, recovering what ran, serving, ending.
 *
 * Start after any end of an earlier one (order, SIGKILL, power cut):
 *     1. launches that were under way are killed (their crun is found by its arguments)
 *     2. crun's records tell what runs; of it is adopted what is wanted with the configuration
 *        that its bundle holds now; the rest is killed
 *     3. processes of the node's groups that belong to nothing adopted are killed
 *     4. what is wanted and was not adopted is started
 */
#include "supervise/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervise/log_cap.h"
#include "supervise/proc.h"
#include "supervise/reach.h"
#include "supervise/supervise_impl.h"

enum { RECOVER_ARENA = 64 << 20, VERSION_ARENA = 64 << 10, NOFILE_WANTED = 1 << 20 };

struct str supervise_socket_path(struct arena *a, struct str node_dir)
{
	return file_join(a, node_dir, S("supervise/socket"));
}

/* ---- places ---- */

void launch_fds_close(struct launch_fds *fds)
{
	file_closep(&fds->out);
	file_closep(&fds->cgroup);
	file_closep(&fds->netns);
}

/* A network namespace's file, as the host sees it (see cgroup.h). */
static int open_netns(const struct supervisor *sv, struct str path, int *out, struct err *e)
{
	/* The spec's copy is NUL-terminated; '/' at the front would leave the host's root. */
	*out = openat(cgroups_host_root(sv->cgroups), path.p + 1, O_RDONLY | O_CLOEXEC);
	if (*out < 0)
		return err_os(e, errno, "open the network namespace %s", path.p);
	return 0;
}

MUST int supervisor_open_place(struct supervisor *sv, struct str partition, struct str netns,
			       struct launch_fds *out, struct err *e)
{
	struct launch_fds fds = {-1, -1, -1};
	if (cgroups_enter(sv->cgroups, partition, &fds.cgroup, e) < 0 ||
	    (netns.n && open_netns(sv, netns, &fds.netns, e) < 0)) {
		launch_fds_close(&fds);
		return -1;
	}
	*out = fds;
	return 0;
}

/* ---- ending ---- */

void supervisor_look_at_end(struct supervisor *sv)
{
	if (sv->end == END_NOT || sv->launches || sv->jobs || sv->is_saving)
		return;
	for (struct service *s = sv->services; sv->end == END_STOP && s; s = s->next)
		if (s->pidfd >= 0)
			return;
	ev_stop(sv->ev);
}

static void on_term(void *user)
{
	struct supervisor *sv = user;
	if (sv->end == END_NOT)
		sv->end = END_LEAVE;
	supervisor_look_at_end(sv);
}

static void on_hup(void *user)
{
	struct supervisor *sv = user;
	if (sv->end == END_NOT)
		sv->end = END_AGAIN;
	supervisor_look_at_end(sv);
}

static bool is_known(const struct supervisor *sv, int pid)
{
	for (const struct service *s = sv->services; s; s = s->next)
		if (s->pid == pid)
			return true;
	for (const struct standby *b = sv->standbys; b; b = b->next)
		if (b->pid == pid)
			return true;
	return false;
}

/*
 * Waits for ended children that nobody watches: what a failed launch left. While launches or runs
 * are under way a stranger may yet become known.
 */
static void on_child(void *user)
{
	struct supervisor *sv = user;
	siginfo_t info = {.si_pid = 0};
	while (sv->launches == 0 && sv->run_count == 0 &&
	       waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid &&
	       !is_known(sv, info.si_pid)) {
		(void)waitpid(info.si_pid, NULL, WNOHANG);
		info.si_pid = 0;
	}
}

static void on_bury(void *user)
{
	struct supervisor *sv = user;
	for (struct service *s = sv->services, *next; s; s = next) {
		next = s->next;
		if (s->is_leaving && s->r.state == SUPERVISE_DOWN && s->action == ACTION_NONE)
			service_free(s);
	}
}

static void on_log_beat(void *user)
{
	struct supervisor *sv = user;
	struct err e = ERR_INIT;
	for (struct service *s = sv->services; s; s = s->next)
		if (s->pid && s->spec.log.n &&
		    log_cap_trim(s->spec.log.p, s->spec.log_max_bytes, &e) < 0)
			log_err(LOG_WARN, "supervise.log.failed", &e,
				KV_S("service", s->spec.id));
}

static int watch_all(struct supervisor *sv, struct err *e)
{
	if (ev_signal(sv->ev, SIGTERM, on_term, sv, NULL, e) < 0 ||
	    ev_signal(sv->ev, SIGINT, on_term, sv, NULL, e) < 0 ||
	    ev_signal(sv->ev, SIGHUP, on_hup, sv, NULL, e) < 0 ||
	    ev_signal(sv->ev, SIGCHLD, on_child, sv, NULL, e) < 0 ||
	    ev_timer(sv->ev, 0, on_bury, sv, &sv->bury_timer, e) < 0)
		return -1;
	return ev_timer_every(sv->ev, LOG_CAP_PERIOD_MS, LOG_CAP_PERIOD_MS, on_log_beat, sv,
			      &sv->log_timer, e);
}

/* ---- starting ---- */

/* A descriptor for each service, and containers inherit the maximum. As far as the host lets us. */
static void raise_limits(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	struct rlimit more = {.rlim_cur = NOFILE_WANTED, .rlim_max = NOFILE_WANTED};
	if (l.rlim_max >= NOFILE_WANTED || setrlimit(RLIMIT_NOFILE, &more) < 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int make_path(char *out, const char *dir, const char *name, bool is_dir, struct err *e)
{
	int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
	if (n < 0 || n >= PATH_BYTES)
		return err_fail(e, ERR_INVALID, "the node directory's path is too long");
	return is_dir ? file_mkdirs(out, 0700, e) : 0;
}

static int make_paths(struct supervisor *sv, struct err *e)
{
	char room[PATH_BYTES];
	if (!realpath(sv->o->dir, sv->dir))
		return err_os(e, errno, "open the node directory %s", sv->o->dir);
	if (make_path(room, sv->dir, "supervise", true, e) < 0 ||
	    make_path(sv->crun_root, sv->dir, "supervise/crun", true, e) < 0 ||
	    make_path(sv->scratch, sv->dir, "supervise/launch", true, e) < 0 ||
	    make_path(sv->socket, sv->dir, "supervise/socket", false, e) < 0)
		return -1;
	sv->place = (struct launch_place){
		.crun = sv->crun, .root = sv->crun_root, .scratch = sv->scratch};
	return make_path(sv->state_path, sv->dir, "supervise/state.json", false, e);
}

static int take_lock(struct supervisor *sv, int *out, struct err *e)
{
	char path[PATH_BYTES];
	if (make_path(path, sv->dir, "supervise/lock", false, e) < 0)
		return -1;
	int rc = file_lock(path, out, e);
	return rc == 1 ? err_fail(e, ERR_CONFLICT, "another supervisor serves %s", sv->dir)
		       : rc;
}

/* "crun version 1.8.1" */
static int ask_crun(struct supervisor *sv, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	const char *argv[] = {crun_program(sv->crun), "--version", NULL};
	struct ev_child_spec spec = {
		.argv = argv, .output_max_bytes = 1000, .timeout_ms = LAUNCH_TIMEOUT_MS};
	struct ev_child_result r;
	if (arena_new(VERSION_ARENA, &a, e) < 0)
		return -1;
	if (ev_child_wait(&spec, a, &r, e) < 0 || ev_child_check(&r, "crun --version", e) < 0)
		return err_in(e, "the supervisor needs crun");
	struct str line, rest = r.output;
	(void)str_split(&rest, '\n', &line);
	if (str_starts(line, S("crun version ")))
		line = str_sub(line, 13, line.n);
	(void)snprintf(sv->crun_version, sizeof sv->crun_version, "%" STR_F, STR_A(line));
	return 0;
}

/* Adopts what runs as it is wanted; true if so. */
static bool adopt(struct supervisor *sv, const struct launch_record *r)
{
	struct service *s = service_find(sv, r->id);
	char hash[HASH_SIZE];
	struct err e = ERR_INIT;
	return s && s->is_wanted && !r->is_standby && s->pidfd < 0 &&
	       service_hash(&s->spec, hash, &e) == 0 && str_is(r->hash, hash) &&
	       service_adopt(s, r, &e) == 0;
}

/*
 * A process of the node's groups that is in no adopted container: its launch was cut off between
 * its start and crun's record of it.
 */
static int end_if_stray(void *user, int pid)
{
	struct supervisor *sv = user;
	uint64_t of_process, of_service;
	if (!proc_pid_namespace(pid, &of_process))
		return 0;
	for (const struct service *s = sv->services; s; s = s->next)
		if (s->pid && proc_pid_namespace(s->pid, &of_service) &&
		    of_process == of_service)
			return 0;
	launch_end(pid);
	return 0;
}

static int recover(struct supervisor *sv, size_t *adopted, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct launch_record *records;
	size_t count;
	if (arena_new(RECOVER_ARENA, &a, e) < 0 || state_load(sv, e) < 0 ||
	    launch_recover(&sv->place, a, &records, &count, e) < 0)
		return -1;
	fail_point("supervise.recover.listed");
	for (size_t i = 0; i < count; i++) {
		if (adopt(sv, &records[i])) {
			++*adopted;
			continue;
		}
		launch_end(records[i].pid);
		launch_forget(&sv->place, arena_cstr(a, records[i].name));
	}
	cgroups_each(sv->cgroups, end_if_stray, sv);
	fail_point("supervise.recover.adopted");
	return 0;
}

static void start_wanted(struct supervisor *sv)
{
	for (struct service *s = sv->services; s; s = s->next)
		if (s->is_wanted && s->r.state == SUPERVISE_DOWN)
			service_feed(s, RESPAWN_WANT);
}

static int serve(struct supervisor *sv, struct err *e)
{
	size_t adopted = 0;
	if (watch_all(sv, e) < 0 || recover(sv, &adopted, e) < 0 || server_start(sv, e) < 0)
		return -1;
	start_wanted(sv);
	on_child(sv);
	log_event(LOG_INFO, "supervise.ready", KV_C("dir", sv->dir),
		  KV_I("services", (int64_t)sv->service_count),
		  KV_I("adopted", (int64_t)adopted));
	if (sv->o->ready)
		sv->o->ready(sv->o->user);
	return ev_run(sv->ev, e);
}

static void fini(struct supervisor *sv)
{
	server_stop(sv);
	run_free_all(sv);
	while (sv->services)
		service_free(sv->services);
	sv->ev = ev_free(sv->ev);
	while (sv->standbys) {
		struct standby *b = sv->standbys;
		sv->standbys = b->next;
		file_closep(&b->pidfd);
		mem_free(b);
	}
}

/* The program's file may have been replaced: the name is what counts, not the open file. */
static int execute_again(const struct supervisor *sv, struct err *e)
{
	char path[PATH_BYTES], root[16];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n < 0)
		return err_os(e, errno, "find this program");
	path[n] = 0;
	struct str name = str_of(path, (size_t)n);
	if (str_ends(name, S(" (deleted)")))
		path[n - 10] = 0;
	/* The host's root directory can only be inherited: this mount namespace has another. */
	int fd = dup(cgroups_host_root(sv->cgroups));
	(void)snprintf(root, sizeof root, "%d", fd);
	if (fd < 0 || setenv(CGROUPS_ROOT_VARIABLE, root, 1) < 0)
		return err_os(e, errno, "hand on the root directory");
	union {
		const char *const *in;
		char *const *out;
	} argv = {.in = sv->o->argv};
	(void)execv(path, argv.out);
	return err_os(e, errno, "execute %s", path);
}

static int run(struct supervisor *sv, struct err *e)
{
	int lock CLEAN(file_closep) = -1;
	if (crun_open(sv->o->crun ? sv->o->crun : "crun", &sv->crun, e) < 0 ||
	    make_paths(sv, e) < 0 || take_lock(sv, &lock, e) < 0)
		return -1;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_os(e, errno, "become the parent of orphans");
	(void)umask(022);
	raise_limits();
	if (cgroups_open(sv->dir, &sv->cgroups, e) < 0 || reach_open(sv->dir, e) < 0 ||
	    ask_crun(sv, e) < 0 || ev_new(NULL, &sv->ev, e) < 0)
		return -1;
	int rc = serve(sv, e);
	fini(sv);
	if (rc == 0 && sv->end == END_AGAIN)
		rc = execute_again(sv, e);
	return rc;
}

MUST int supervise_run(const struct supervise_options *o, struct err *e)
{
	if (geteuid() != 0)
		return err_fail(e, ERR_FORBIDDEN, "the supervisor needs root");
	struct supervisor *sv = MEM_NEW(struct supervisor, e);
	if (!sv)
		return -1;
	sv->o = o;
	sv->rng = o->rng ? o->rng : rng_system();
	sv->started_at_ms = clock_now_ms(clock_system());
	int rc = run(sv, e);
	fini(sv);
	cgroups_close(sv->cgroups);
	crun_close(sv->crun);
	mem_free(sv);
	return rc;
}
