/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Children by vfork, watched through a pidfd.
 *
 * vfork: the child borrows our memory until it executes, so starting costs the same in a
 * program of any size. Between vfork and exec only system calls are made, the user's change by
 * raw ones (libc's would tell our other threads). Input is a memory file, so nothing is pumped
 * and no SIGPIPE exists.
 *
 * A child of a control group is born in it (clone3, with a copy of our memory): to move there
 * afterwards makes the kernel wait for all its processors, some 10 ms during which we would wait
 * as well. Either way the child's errno comes back through a page that both share.
 *
 *     running ──exit──▶ ended ──pipes at end, or EV_CHILD_LINGER_MS──▶ fn called, freed
 */
#include "ev/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "ev/ev_impl.h"

enum { OUT, ERRS, PIPES, STDIO = 3, CHUNK = 16384 };

struct ev_child {
	struct ev_owned owned;
	struct ev *ev;
	int pid, pidfd;
	struct ev_watch *pid_watch, *limit, *linger;
	int fds[PIPES];
	struct ev_watch *fd_watches[PIPES];
	struct buf bufs[PIPES];
	bool has_ended, is_forgotten;
	struct ev_child_result result;
	int64_t started_ms;
	ev_child_fn *fn;
	void *user;
};

/* ---- starting ---- */

/* What the child does, prepared where memory may still be taken. */
struct launch {
	const struct ev_child_spec *spec;
	char *const *argv, *const *env;
	int stdio[STDIO];
	bool is_born_inside; /* of the control group */
	struct failing *failing;
};

/* What the child last tried, and its errno if that failed; constants, so the same address is the
 * same text in both. */
struct failing {
	volatile int os;
	const char *volatile step;
};

static void close_stdio(struct launch *l)
{
	for (int i = 0; i < STDIO; i++)
		file_closep(&l->stdio[i]);
}

/* A descriptor above the standard three, so that dup2 never meets its own source. */
static int lift(int fd)
{
	if (fd < 0 || fd >= STDIO)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDIO);
	int os = errno;
	(void)close(fd);
	errno = os;
	return high;
}

static int open_input(struct str input, struct err *e)
{
	if (input.n > EV_CHILD_INPUT_MAX)
		return err_fail(e, ERR_TOO_LARGE, "input of a child has more than %d bytes",
				EV_CHILD_INPUT_MAX);
	int fd = lift(input.n ? memfd_create("input", MFD_CLOEXEC)
			      : open("/dev/null", O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return err_os(e, errno, "make a child's input");
	if (input.n && (file_write_fd(fd, input, e) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		file_closep(&fd);
		return err_fail(e, ERR_IO, "write a child's input");
	}
	return fd;
}

/* A pipe for stdout or stderr: our end to *ours, the child's is returned. */
static int open_pipe(int *ours, struct err *e)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_os(e, errno, "make a child's output");
	p[0] = lift(p[0]);
	p[1] = lift(p[1]);
	if (p[0] < 0 || p[1] < 0) {
		file_closep(&p[0]);
		file_closep(&p[1]);
		return err_fail(e, ERR_IO, "make a child's output");
	}
	*ours = p[0];
	return p[1];
}

static int copy_fd(int fd, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDIO);
	return copy < 0 ? err_os(e, errno, "copy a descriptor") : copy;
}

static int open_output(struct ev_child *c, const struct ev_child_spec *spec, struct err *e)
{
	if (spec->out_fd > 0)
		return copy_fd(spec->out_fd, e);
	if (spec->output_max_bytes)
		return open_pipe(&c->fds[OUT], e);
	int fd = lift(open("/dev/null", O_WRONLY | O_CLOEXEC));
	return fd < 0 ? err_os(e, errno, "open /dev/null") : fd;
}

static int open_stdio(struct ev_child *c, struct launch *l, struct err *e)
{
	const struct ev_child_spec *spec = l->spec;
	if ((l->stdio[0] = open_input(spec->input, e)) < 0)
		return -1;
	if ((l->stdio[1] = open_output(c, spec, e)) < 0)
		return -1;
	bool has_own = spec->is_split && spec->output_max_bytes && spec->out_fd <= 0;
	l->stdio[2] = has_own ? open_pipe(&c->fds[ERRS], e) : copy_fd(l->stdio[1], e);
	return l->stdio[2] < 0 ? -1 : 0;
}

static bool enter_cgroup(int dir_fd)
{
	int fd = openat(dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "0", 1) == 1;
}

static bool enter_places(const struct launch *l)
{
	const struct ev_child_spec *s = l->spec;
	if (s->cgroup_fd > 0 && !l->is_born_inside && !enter_cgroup(s->cgroup_fd))
		return false;
	return s->netns_fd <= 0 || setns(s->netns_fd, CLONE_NEWNET) == 0;
}

static bool take_user(const struct ev_child_spec *s)
{
	return !s->has_user || (syscall(SYS_setgroups, 0, NULL) == 0 &&
				syscall(SYS_setresgid, s->gid, s->gid, s->gid) == 0 &&
				syscall(SYS_setresuid, s->uid, s->uid, s->uid) == 0);
}

static void default_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL);
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in the child, in the parent's memory; returns only on failure. */
static void become(struct launch *l)
{
	const struct ev_child_spec *s = l->spec;
	l->failing->step = "enter the cgroup or network namespace";
	if (!enter_places(l))
		return;
	l->failing->step = "make a process group";
	if (setpgid(0, 0) < 0)
		return;
	l->failing->step = "set its descriptors";
	for (int i = 0; i < STDIO; i++)
		if (dup2(l->stdio[i], i) < 0)
			return;
	(void)close_range(STDIO, ~0U, CLOSE_RANGE_CLOEXEC);
	l->failing->step = "change directory";
	if (s->cwd && chdir(s->cwd) < 0)
		return;
	l->failing->step = "change user";
	if (!take_user(s))
		return;
	default_signals();
	l->failing->step = "execute";
	(void)execvpe(l->argv[0], l->argv, l->env);
}

/* As fork, into a control group. -1 also where the kernel or a filter knows no such thing. */
static pid_t fork_into(int cgroup_dir_fd)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP | CLONE_VFORK,
				  .exit_signal = SIGCHLD,
				  .cgroup = (uint64_t)cgroup_dir_fd};
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/*
 * In a frame of its own that returns only after the child let go of it. All signals are
 * blocked, so that no handler of ours runs in the child.
 */
static pid_t spawn(struct launch *l)
{
	sigset_t all, old;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	l->is_born_inside = true;
	pid_t pid = l->spec->cgroup_fd > 0 ? fork_into(l->spec->cgroup_fd) : -1;
	if (pid < 0) {
		l->is_born_inside = false;
		pid = vfork();
	}
	if (pid == 0) {
		become(l);
		l->failing->os = errno;
		_exit(127);
	}
	int os = errno;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = os;
	return pid;
}

static int explain(const struct launch *l, struct err *e)
{
	const struct failing *f = l->failing;
	if (f->os == ENOENT && strcmp(f->step, "execute") == 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no program %s", l->argv[0]);
	return err_os(e, f->os, "start %s: %s", l->argv[0], f->step);
}

/* Spawns it; its process id, or -1 if it could not become what it should. */
static pid_t spawn_told(struct launch *l, struct err *e)
{
	l->failing = mmap(NULL, sizeof *l->failing, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->failing == MAP_FAILED)
		return err_os(e, errno, "start %s", l->argv[0]);
	pid_t pid = spawn(l);
	if (pid < 0)
		(void)err_os(e, errno, "start %s", l->argv[0]);
	if (pid > 0 && l->failing->os) {
		(void)waitpid(pid, NULL, 0);
		pid = explain(l, e);
	}
	(void)munmap(l->failing, sizeof *l->failing);
	return pid;
}

static int start(struct ev_child *c, struct launch *l, struct err *e)
{
	pid_t pid = spawn_told(l, e);
	if (pid < 0)
		return -1;
	c->pid = pid;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return c->pidfd < 0 ? err_os(e, errno, "watch %s", l->argv[0]) : 0;
}

/* ---- watching ---- */

static void child_release(struct ev_child *c)
{
	ev_disown(&c->owned);
	ev_watch_free(c->pid_watch);
	ev_watch_free(c->limit);
	ev_watch_free(c->linger);
	for (int i = 0; i < PIPES; i++) {
		ev_watch_free(c->fd_watches[i]);
		file_closep(&c->fds[i]);
		buf_fini(&c->bufs[i]);
	}
	file_closep(&c->pidfd);
	mem_free(c);
}

static void finish(struct ev_child *c)
{
	if (!c->is_forgotten) {
		c->result.output = buf_str(&c->bufs[OUT]);
		c->result.errors = buf_str(&c->bufs[ERRS]);
		c->result.took_ms = clock_mono_ms(clock_system()) - c->started_ms;
		c->is_forgotten = true; /* ev_child_free inside fn finds nothing left to do */
		c->fn(c->user, &c->result);
	}
	child_release(c);
}

static void finish_if_done(struct ev_child *c)
{
	if (c->has_ended && c->fds[OUT] < 0 && c->fds[ERRS] < 0)
		finish(c);
}

static void close_pipe(struct ev_child *c, int i)
{
	c->fd_watches[i] = ev_watch_free(c->fd_watches[i]);
	file_closep(&c->fds[i]);
}

/* Takes what a pipe holds now; false at its end. */
static bool drain(struct ev_child *c, int i)
{
	char chunk[CHUNK];
	ssize_t n;
	while ((n = read(c->fds[i], chunk, sizeof chunk)) > 0) {
		struct buf *b = &c->bufs[i];
		size_t keep = MIN_OF((size_t)n, b->max - b->n);
		buf_add(b, str_of(chunk, keep));
		c->result.is_cut |= keep < (size_t)n || b->has_failed;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_pipe(struct ev_child *c, int i)
{
	if (!drain(c, i)) {
		close_pipe(c, i);
		finish_if_done(c);
	}
}

static void on_out(void *user, int events UNUSED)
{
	on_pipe(user, OUT);
}

static void on_errors(void *user, int events UNUSED)
{
	on_pipe(user, ERRS);
}

static void on_linger(void *user)
{
	struct ev_child *c = user;
	for (int i = 0; i < PIPES; i++)
		close_pipe(c, i);
	finish_if_done(c);
}

static void set_status(struct ev_child *c, const siginfo_t *info)
{
	bool is_exit = info->si_code == CLD_EXITED;
	c->result.exit_code = is_exit ? info->si_status : -1;
	c->result.signal = is_exit ? 0 : info->si_status;
}

static void on_exit_of_child(void *user, int events UNUSED)
{
	struct ev_child *c = user;
	siginfo_t info = {.si_pid = 0};
	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
		return;
	c->has_ended = true;
	set_status(c, &info);
	c->pid_watch = ev_watch_free(c->pid_watch);
	c->limit = ev_watch_free(c->limit);
	for (int i = 0; i < PIPES; i++)
		if (c->fds[i] >= 0 && !drain(c, i))
			close_pipe(c, i);
	struct err ignored;
	if ((c->fds[OUT] >= 0 || c->fds[ERRS] >= 0) && !c->is_forgotten &&
	    ev_timer(c->ev, EV_CHILD_LINGER_MS, on_linger, c, &c->linger, &ignored) == 0)
		return;
	if (!c->linger)
		on_linger(c);
}

static void kill_group(const struct ev_child *c, int signum)
{
	if (!c->has_ended && c->pid > 0)
		(void)kill(-c->pid, signum);
}

static void on_limit(void *user)
{
	struct ev_child *c = user;
	c->result.has_timed_out = true;
	kill_group(c, SIGKILL);
}

/* The loop ends: nobody will watch any more, so the child is killed and waited for here. */
static void child_fini(struct ev_owned *o)
{
	struct ev_child *c = CONTAINER_OF(o, struct ev_child, owned);
	kill_group(c, SIGKILL);
	if (!c->has_ended && c->pidfd >= 0) {
		siginfo_t info;
		/* By pid: a pidfd that the loop made non-blocking would not wait. */
		while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	child_release(c);
}

static int watch_pipes(struct ev_child *c, struct err *e)
{
	static ev_fd_fn *const fns[PIPES] = {on_out, on_errors};
	for (int i = 0; i < PIPES; i++)
		if (c->fds[i] >= 0 &&
		    ev_fd(c->ev, c->fds[i], EV_READ, fns[i], c, &c->fd_watches[i], e) < 0)
			return -1;
	return 0;
}

static int watch(struct ev_child *c, int64_t timeout_ms, struct err *e)
{
	if (watch_pipes(c, e) < 0)
		return -1;
	if (timeout_ms > 0 && ev_timer(c->ev, timeout_ms, on_limit, c, &c->limit, e) < 0)
		return -1;
	return ev_fd(c->ev, c->pidfd, EV_READ, on_exit_of_child, c, &c->pid_watch, e);
}

static int launch(struct ev_child *c, const struct ev_child_spec *spec, struct err *e)
{
	/* execve's prototype lacks a const that its contract has. */
	union {
		const char *const *in;
		char *const *out;
	} argv = {.in = spec->argv}, env = {.in = spec->env};
	struct launch l = {.spec = spec,
			   .argv = argv.out,
			   .env = spec->env ? env.out : environ,
			   .stdio = {-1, -1, -1}};
	int rc = open_stdio(c, &l, e);
	if (rc == 0)
		rc = start(c, &l, e);
	close_stdio(&l);
	return rc;
}

MUST int ev_child(struct ev *ev, const struct ev_child_spec *spec, ev_child_fn *fn, void *user,
		  struct ev_child **out, struct err *e)
{
	struct ev_child *c = MEM_NEW(struct ev_child, e);
	if (!c)
		return -1;
	c->ev = ev;
	c->fn = fn;
	c->user = user;
	c->pidfd = c->fds[OUT] = c->fds[ERRS] = -1;
	c->bufs[OUT].max = c->bufs[ERRS].max = spec->output_max_bytes;
	c->started_ms = clock_mono_ms(clock_system());
	ev_own(ev, &c->owned, child_fini);
	if (launch(c, spec, e) < 0 || watch(c, spec->timeout_ms, e) < 0) {
		child_fini(&c->owned);
		return -1;
	}
	if (out)
		*out = c;
	return 0;
}

int ev_child_pid(const struct ev_child *c)
{
	return c->pid;
}

void ev_child_kill(struct ev_child *c, int signum)
{
	kill_group(c, signum);
}

struct ev_child *ev_child_free(struct ev_child *c)
{
	if (!c || c->is_forgotten)
		return NULL;
	kill_group(c, SIGKILL);
	c->is_forgotten = true;
	if (c->has_ended)
		child_release(c);
	return NULL;
}

/* ---- blocking ---- */

struct waiter {
	struct ev *ev;
	struct arena *a;
	struct ev_child_result *out;
};

static void on_waited(void *user, const struct ev_child_result *r)
{
	struct waiter *w = user;
	*w->out = *r;
	w->out->output = arena_dup(w->a, r->output);
	w->out->errors = arena_dup(w->a, r->errors);
	ev_stop(w->ev);
}

MUST int ev_child_wait(const struct ev_child_spec *spec, struct arena *a,
		       struct ev_child_result *out, struct err *e)
{
	struct ev *ev CLEAN(ev_freep) = NULL;
	if (ev_new(NULL, &ev, e) < 0)
		return -1;
	struct ev_child_result got = {.exit_code = -1};
	struct waiter w = {.ev = ev, .a = a, .out = &got};
	if (ev_child(ev, spec, on_waited, &w, NULL, e) < 0 || ev_run(ev, e) < 0 ||
	    arena_check(a, e) < 0)
		return -1;
	*out = got;
	return 0;
}

MUST int ev_child_check(const struct ev_child_result *r, const char *name, struct err *e)
{
	if (r->exit_code == 0)
		return 0;
	struct str said = str_trim(r->errors.n ? r->errors : r->output);
	said = str_sub(said, said.n > 300 ? said.n - 300 : 0, 300);
	const char *colon = said.n ? ": " : "";
	if (r->has_timed_out)
		return err_fail(e, ERR_TIMEOUT, "%s did not end within %lld ms%s%" STR_F, name,
				(long long)r->took_ms, colon, STR_A(said));
	if (r->signal)
		return err_fail(e, ERR_BROKEN, "%s was ended by signal %d%s%" STR_F, name,
				r->signal, colon, STR_A(said));
	return err_fail(e, ERR_BROKEN, "%s ended with %d%s%" STR_F, name, r->exit_code, colon,
			STR_A(said));
}
