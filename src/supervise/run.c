/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One-shot containers: setup steps, commands of promises.
 *
 *     launching ──launched──▶ running ──ended──▶ its output is read, answered, forgotten
 *         │ failed                │ time is up: SIGKILL
 *         └──▶ answered           └──▶ ended
 *
 * The end of a container's first process is the end of all its processes, so the pipe holds
 * everything by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "supervise/log_cap.h"
#include "supervise/supervise_impl.h"

enum { CHUNK = 16384, NAME_BYTES = 64 };

struct run {
	struct run *next;
	struct supervisor *sv;
	uint64_t client;
	int64_t serial;
	struct launch *launch;
	struct ev_watch *watch, *limit, *pipe_watch;
	int pidfd, pipe, log;
	size_t keep; /* bytes of output to keep */
	struct buf tail;
	struct supervise_result result;
	int64_t started_ms;
	char partition[NAME_BYTES];
	char name[LAUNCH_NAME_SIZE];
};

static void run_free(struct run *r)
{
	struct supervisor *sv = r->sv;
	for (struct run **at = &sv->runs; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			sv->run_count--;
			break;
		}
	if (r->launch)
		sv->launches--;
	launch_free(r->launch);
	ev_watch_free(r->watch);
	ev_watch_free(r->limit);
	ev_watch_free(r->pipe_watch);
	if (r->pidfd >= 0)
		launch_forget(&sv->place, r->name);
	file_closep(&r->pidfd);
	file_closep(&r->pipe);
	file_closep(&r->log);
	buf_fini(&r->tail);
	mem_free(r);
	server_look_at_kills(sv);
	supervisor_look_at_end(sv);
}

/* Keeps the last `keep` bytes; the buffer holds at most twice as many. */
static void keep_tail(struct run *r, struct str s)
{
	if (r->keep == 0 || s.n > r->keep) {
		r->result.is_cut |= s.n > 0;
		s = str_sub(s, s.n - r->keep, r->keep);
	}
	if (r->tail.n + s.n > 2 * r->keep) {
		size_t stay = r->keep - s.n, drop = r->tail.n - stay;
		memmove(r->tail.p, r->tail.p + drop, stay);
		r->tail.n = stay;
		r->result.is_cut = true;
	}
	buf_add(&r->tail, s);
}

/* Bytes of the character at the front if it may stand in JSON, else 0. */
static size_t good_character(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (str_is_utf8(str_of(s.p, n)))
			return s.p[0] ? n : 0;
	return 0;
}

/* The kept output as UTF-8 without NUL, in place. */
static struct str clean_output(struct run *r)
{
	if (r->tail.n > r->keep) {
		r->result.is_cut = true;
		memmove(r->tail.p, r->tail.p + (r->tail.n - r->keep), r->keep);
		r->tail.n = r->keep;
	}
	for (size_t i = 0; i < r->tail.n;) {
		size_t n = good_character(str_sub(buf_str(&r->tail), i, 4));
		if (n == 0) {
			r->tail.p[i] = '?';
			n = 1;
		}
		i += n;
	}
	return buf_str(&r->tail);
}

/* Takes what the pipe holds; false at its end. */
static bool drain(struct run *r)
{
	char chunk[CHUNK];
	ssize_t n;
	struct err ignored;
	while ((n = read(r->pipe, chunk, sizeof chunk)) > 0) {
		keep_tail(r, str_of(chunk, (size_t)n));
		if (r->log >= 0 &&
		    file_write_fd(r->log, str_of(chunk, (size_t)n), &ignored) < 0)
			file_closep(&r->log);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_pipe(void *user, int events UNUSED)
{
	struct run *r = user;
	if (!drain(r))
		r->pipe_watch = ev_watch_free(r->pipe_watch);
}

static void on_exit_of_run(void *user, int events UNUSED)
{
	struct run *r = user;
	int exit_code = -1, signum = 0;
	(void)launch_status(r->pidfd, &exit_code, &signum);
	(void)drain(r);
	r->result.exit_code = exit_code;
	r->result.signal = signum;
	r->result.took_ms = clock_mono_ms(clock_system()) - r->started_ms;
	r->result.output = clean_output(r);
	struct supervise_reply reply = {.serial = r->serial, .result = &r->result};
	server_reply(r->sv, r->client, &reply);
	run_free(r);
}

static void on_limit(void *user)
{
	struct run *r = user;
	r->result.timed_out = true;
	if (r->pidfd >= 0)
		launch_kill(r->pidfd);
}

static void on_launched(void *user, int pid UNUSED, int pidfd, const struct err *why)
{
	struct run *r = user;
	struct err e = *why;
	r->launch = NULL;
	r->sv->launches--;
	r->pidfd = pidfd;
	if (pidfd >= 0 &&
	    ev_fd(r->sv->ev, pidfd, EV_READ, on_exit_of_run, r, &r->watch, &e) == 0) {
		if (r->result.timed_out)
			launch_kill(pidfd);
		return;
	}
	if (pidfd >= 0)
		launch_kill(pidfd);
	server_fail(r->sv, r->client, r->serial, &e);
	run_free(r);
}

/* The pipe: our end in r->pipe, non-blocking; the container's is returned. */
static int open_pipe(struct run *r, struct err *e)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_os(e, errno, "make a pipe");
	r->pipe = p[0];
	return p[1];
}

static int launch(struct run *r, const struct supervise_run_spec *spec, struct err *e)
{
	struct launch_fds fds;
	struct supervisor *sv = r->sv;
	if (supervisor_open_place(sv, spec->partition, spec->netns, &fds, e) < 0)
		return -1;
	fds.out = open_pipe(r, e);
	struct launch_spec l = {.bundle = spec->bundle.p,
				.name = r->name,
				.out_fd = fds.out,
				.cgroup_fd = fds.cgroup,
				.netns_fd = fds.netns};
	int rc = fds.out < 0
			 ? -1
			 : launch_start(sv->ev, &sv->place, &l, on_launched, r, &r->launch, e);
	launch_fds_close(&fds);
	if (rc == 0)
		sv->launches++;
	return rc;
}

static int prepare(struct run *r, const struct supervise_run_spec *spec, struct err *e)
{
	if (spec->log.n && log_cap_open(spec->log.p, 0, &r->log, e) < 0)
		return -1;
	if (ev_timer(r->sv->ev, spec->timeout_ms, on_limit, r, &r->limit, e) < 0 ||
	    launch(r, spec, e) < 0)
		return -1;
	return ev_fd(r->sv->ev, r->pipe, EV_READ, on_pipe, r, &r->pipe_watch, e);
}

MUST int run_start(struct supervisor *sv, uint64_t client, int64_t serial,
		   const struct supervise_run_spec *spec, struct err *e)
{
	if (sv->run_count == SUPERVISE_RUNS_MAX)
		return err_fail(e, ERR_BUSY, "%d commands run already", SUPERVISE_RUNS_MAX);
	struct run *r = MEM_NEW(struct run, e);
	if (!r)
		return -1;
	*r = (struct run){.next = sv->runs,
			  .sv = sv,
			  .client = client,
			  .serial = serial,
			  .pidfd = -1,
			  .pipe = -1,
			  .log = -1,
			  .keep = (size_t)spec->output_max_bytes,
			  .tail = BUF_INIT(2 * (size_t)spec->output_max_bytes + 1),
			  .started_ms = clock_mono_ms(clock_system())};
	sv->runs = r;
	sv->run_count++;
	(void)snprintf(r->partition, sizeof r->partition, "%" STR_F, STR_A(spec->partition));
	(void)snprintf(r->name, sizeof r->name, "run:%s:%016llx", r->partition,
		       (unsigned long long)rng_u64(sv->rng));
	if (prepare(r, spec, e) < 0) {
		run_free(r);
		return -1;
	}
	return 0;
}

void run_kill_partition(struct supervisor *sv, struct str partition)
{
	for (struct run *r = sv->runs; r; r = r->next)
		if (str_is(partition, r->partition) && r->pidfd >= 0)
			launch_kill(r->pidfd);
}

size_t run_count_of(const struct supervisor *sv, struct str partition)
{
	size_t n = 0;
	for (const struct run *r = sv->runs; r; r = r->next)
		n += str_is(partition, r->partition);
	return n;
}

void run_free_all(struct supervisor *sv)
{
	while (sv->runs) {
		if (sv->runs->pidfd >= 0)
			launch_kill(sv->runs->pidfd);
		run_free(sv->runs);
	}
}
