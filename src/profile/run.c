/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One child, three pipes: output, errors, status. Errors are kept as a tail of a few lines, which is
 * what a person needs to see. Between fork and exec only async-signal-safe calls are made.
 */
#include "profile/run_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

enum { TAIL_BYTES = 4096, LINE_BYTES = 1024, TICK_MS = 250, NOT_FOUND = 127, STATUS_FD = 3 };

enum { OUT, ERRORS, STATUS, PIPES };

struct running {
	const struct run *r;
	int fds[PIPES]; /* our ends; -1 when at their end */
	pid_t pid;
	struct buf output;
	char tail[TAIL_BYTES]; /* of stderr, and of stdout too */
	size_t tail_n;
	char line[LINE_BYTES];
	size_t line_n;
};

/* ---- the child ---- */

static const char *const base_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C.UTF-8",
	"LANG=C.UTF-8",
	"HOME=/root",
	"DEBIAN_FRONTEND=noninteractive",
};

static const char *const container[] = {
	"unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation=private",
	"--",
};

struct launch {
	const char *argv[RUN_ARGS_MAX];
	const char *env[32];
};

static int prepare(const struct run *r, struct launch *l, struct err *e)
{
	size_t n = 0, k = 0;
	if (r->is_contained && geteuid() == 0)
		for (size_t i = 0; i < ARRAY_LEN(container); i++)
			l->argv[n++] = container[i];
	for (size_t i = 0; r->argv[i]; i++) {
		if (n == RUN_ARGS_MAX - 1)
			return err_fail(e, ERR_TOO_LARGE, "%s: too many arguments", r->what);
		l->argv[n++] = r->argv[i];
	}
	l->argv[n] = NULL;
	for (size_t i = 0; i < ARRAY_LEN(base_env); i++)
		l->env[k++] = base_env[i];
	static const char *const passed[] = {"http_proxy", "https_proxy", "no_proxy"};
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		const char *value = getenv(passed[i]);
		if (value) /* "NAME=value" begins right before the value */
			l->env[k++] = value - strlen(passed[i]) - 1;
	}
	for (size_t i = 0; r->extra_env && r->extra_env[i] && k < ARRAY_LEN(l->env) - 1; i++)
		l->env[k++] = r->extra_env[i];
	l->env[k] = NULL;
	return 0;
}

NORETURN static void child(const struct run *r, const struct launch *l, const int ends[PIPES],
			   pid_t parent)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getppid() != parent || chdir(r->cwd ? r->cwd : "/") < 0 || dup2(null_fd, 0) < 0 ||
	    dup2(ends[OUT], 1) < 0 || dup2(ends[ERRORS], 2) < 0 ||
	    dup2(ends[STATUS], STATUS_FD) < 0)
		_exit(NOT_FOUND - 1);
	(void)close_range(STATUS_FD + 1, ~0U, 0);
	/* execvpe does not change the texts; its prototype is older than const. */
	union {
		const char *const *in;
		char *const *out;
	} argv = {.in = l->argv}, env = {.in = l->env};
	(void)execvpe(l->argv[0], argv.out, env.out);
	_exit(NOT_FOUND);
}

static void close_ends(int ends[PIPES])
{
	for (size_t i = 0; i < PIPES; i++)
		file_closep(&ends[i]);
}

/* Descriptors 0 … 3 are the child's targets; ours stay above. */
static int open_pipes(struct running *p, int ends[PIPES], struct err *e)
{
	for (size_t i = 0; i < PIPES; i++) {
		int both[2];
		if (pipe2(both, O_CLOEXEC) < 0)
			return err_os(e, errno, "%s: pipe", p->r->what);
		p->fds[i] = both[0];
		ends[i] = fcntl(both[1], F_DUPFD_CLOEXEC, 10);
		file_closep(&both[1]);
		if (ends[i] < 0 || fcntl(p->fds[i], F_SETFL, O_NONBLOCK) < 0)
			return err_os(e, errno, "%s: pipe", p->r->what);
	}
	return 0;
}

static int start(struct running *p, struct err *e)
{
	struct launch l;
	int ends[PIPES] = {-1, -1, -1};
	pid_t parent = getpid();
	if (prepare(p->r, &l, e) < 0)
		return -1;
	if (open_pipes(p, ends, e) < 0) {
		close_ends(ends);
		return -1;
	}
	p->pid = fork();
	if (p->pid == 0)
		child(p->r, &l, ends, parent);
	close_ends(ends);
	return p->pid < 0 ? err_os(e, errno, "%s: fork", p->r->what) : 0;
}

/* ---- the parent ---- */

static void keep_tail(struct running *p, struct str s)
{
	if (s.n >= TAIL_BYTES)
		s = str_sub(s, s.n - TAIL_BYTES, TAIL_BYTES);
	size_t over = p->tail_n + s.n > TAIL_BYTES ? p->tail_n + s.n - TAIL_BYTES : 0;
	memmove(p->tail, p->tail + over, p->tail_n - over);
	p->tail_n -= over;
	memcpy(p->tail + p->tail_n, s.p, s.n);
	p->tail_n += s.n;
}

static void feed_status(struct running *p, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n') {
			if (p->r->status)
				p->r->status(p->r->user, str_of(p->line, p->line_n));
			p->line_n = 0;
		} else if (p->line_n < LINE_BYTES) {
			p->line[p->line_n++] = s.p[i];
		}
	}
}

static void drain(struct running *p, size_t which)
{
	char chunk[8192];
	ssize_t n;
	while ((n = read(p->fds[which], chunk, sizeof chunk)) > 0) {
		struct str s = str_of(chunk, (size_t)n);
		if (which == STATUS) {
			feed_status(p, s);
			continue;
		}
		if (which == OUT)
			buf_add(&p->output, s);
		keep_tail(p, s);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		file_closep(&p->fds[which]);
}

/* Until the child closed its output and errors. */
static void watch(struct running *p)
{
	while (p->fds[OUT] >= 0 || p->fds[ERRORS] >= 0) {
		struct pollfd polls[PIPES];
		for (size_t i = 0; i < PIPES; i++)
			polls[i] = (struct pollfd){.fd = p->fds[i], .events = POLLIN};
		int n = poll(polls, PIPES, p->r->tick ? TICK_MS : -1);
		for (size_t i = 0; i < PIPES && n > 0; i++)
			if (polls[i].revents)
				drain(p, i);
		if (n == 0)
			p->r->tick(p->r->user);
	}
	if (p->fds[STATUS] >= 0)
		drain(p, STATUS);
}

/* The end of the output as one line: its last lines, joined. */
static void last_lines(const struct running *p, char *out, size_t size)
{
	struct str s = str_trim(str_of(p->tail, p->tail_n));
	if (s.n > size - 8)
		s = str_sub(s, s.n - (size - 8), s.n);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		bool is_break = s.p[i] == '\n';
		if (is_break && n + 3 < size) {
			out[n++] = ' ';
			out[n++] = '|';
		}
		if (n + 1 < size)
			out[n++] = (unsigned char)s.p[i] < 0x20 ? ' ' : s.p[i];
	}
	out[n] = 0;
}

static bool tells_of(const struct running *p, const char *words)
{
	return str_find(str_of(p->tail, p->tail_n), str_from(words)) < p->tail_n;
}

static int judge(const struct running *p, int status, struct err *e)
{
	char tail[400];
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_lines(p, tail, sizeof tail);
	if (tells_of(p, "No space left on device") || tells_of(p, "min-free-space-") ||
	    tells_of(p, "enough free space"))
		return err_fail(e, ERR_NO_ROOM, "%s: the disk is full: %s", p->r->what, tail);
	if (WIFSIGNALED(status))
		return err_fail(e, ERR_BROKEN, "%s was ended by signal %d: %s", p->r->what,
				WTERMSIG(status), tail);
	if (WEXITSTATUS(status) == NOT_FOUND && !p->tail_n)
		return err_fail(e, ERR_UNSUPPORTED, "%s: this host has no program %s",
				p->r->what, p->r->argv[0]);
	return err_fail(e, ERR_BROKEN, "%s failed (exit code %d): %s", p->r->what,
			WEXITSTATUS(status), tail);
}

static int finish(struct running *p, struct arena *a, struct str *out, struct err *e)
{
	int status = 0;
	watch(p);
	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_os(e, errno, "%s: wait", p->r->what);
	if (judge(p, status, e) < 0)
		return -1;
	if (!out)
		return 0;
	if (buf_check(&p->output, e) < 0)
		return err_in(e, "output of %s", p->r->what);
	*out = arena_dup(a, buf_str(&p->output));
	return arena_check(a, e);
}

MUST int run_command(const struct run *r, struct arena *a, struct str *out, struct err *e)
{
	struct running p = {
		.r = r, .fds = {-1, -1, -1}, .output = BUF_INIT(r->output_max_bytes)};
	int rc = start(&p, e);
	if (rc == 0)
		rc = finish(&p, a, out, e);
	close_ends(p.fds);
	buf_fini(&p.output);
	return rc;
}
