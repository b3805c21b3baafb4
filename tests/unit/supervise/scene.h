/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A scene with a real supervisor: a node directory, a small root file system (busybox), bundles,
 * and the supervisor as a process of its own: this test program, executed again with
 * "--supervise DIR". Needs root and crun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "supervise/client.h"
#include "supervise/oci.h"
#include "supervise/supervise.h"

enum { DEADLINE_MS = 20000, UID_BASE = 700000 };

struct scene {
	char dir[64], rootfs[128], home[128], socket[128];
	pid_t supervisor;
	struct arena *a;
};

static const char *test_program; /* argv[0] of this test */

static inline void must(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s (%s)", e->text, err_kind_info(e->kind)->name);
}

#define SHELL(...) ((const char *const[]){"/bin/sh", "-c", __VA_ARGS__, NULL})

/* A bundle whose container runs `argv`; its directory. */
static inline struct str bundle(struct scene *s, const char *name, const char *const *argv)
{
	struct err e = ERR_INIT;
	const char *dir = arena_cstr(s->a, arena_fmt(s->a, "%s/bundles/%s", s->dir, name));
	struct oci_service o = {
		.rootfs = s->rootfs, .home = s->home, .argv = argv, .uid_base = UID_BASE};
	must(file_mkdirs(dir, 0700, &e), &e);
	must(oci_bundle_write(dir, &o, &e), &e);
	return str_from(dir);
}

/* Starts the supervisor and waits until it listens. `failpoint` may be NULL. */
static inline void supervisor_start(struct scene *s, const char *failpoint)
{
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	s->supervisor = fork();
	if (s->supervisor == 0) {
		char fd[16];
		(void)snprintf(fd, sizeof fd, "%d", ready[1]);
		(void)close(ready[0]);
		(void)setenv("SCENE_READY_FD", fd, 1);
		if (failpoint)
			(void)setenv("HOC_FAILPOINT", failpoint, 1);
		(void)execl("/proc/self/exe", test_program, "--supervise", s->dir, NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	char c;
	ssize_t n = read(ready[0], &c, 1);
	(void)close(ready[0]);
	if (n != 1 && !failpoint)
		fail_msg("the supervisor did not start");
}

static inline int supervisor_end(struct scene *s, int signum)
{
	int status = 0;
	if (signum)
		assert_int_equal(kill(s->supervisor, signum), 0);
	assert_int_equal(waitpid(s->supervisor, &status, 0), s->supervisor);
	s->supervisor = 0;
	return status;
}

static void on_ready(void *user UNUSED)
{
	const char *fd = getenv("SCENE_READY_FD");
	int64_t n;
	struct err ignored;
	if (fd && str_to_i64(str_from(fd), 3, 1000, &n, &ignored) == 0) {
		ssize_t w UNUSED = write((int)n, "r", 1);
		(void)close((int)n);
		(void)unsetenv("SCENE_READY_FD");
	}
}

/* main() of the supervisor. */
static inline int scene_supervise(int argc, char **argv)
{
	struct err e = ERR_INIT;
	const char *const again[] = {argv[0], "--supervise", argc > 2 ? argv[2] : "", NULL};
	struct supervise_options o = {
		.dir = argc > 2 ? argv[2] : "", .argv = again, .ready = on_ready};
	if (supervise_run(&o, &e) == 0)
		return 0;
	(void)fprintf(stderr, "supervisor: %s\n", e.text);
	return err_kind_info(e.kind)->exit_code;
}

static inline struct supervise_reply ask(struct scene *s, struct supervise_request rq)
{
	struct err e = ERR_INIT;
	struct supervise_reply reply;
	must(supervise_call(s->socket, &rq, DEADLINE_MS, s->a, &reply, &e), &e);
	return reply;
}

static inline struct err ask_in_vain(struct scene *s, struct supervise_request rq)
{
	struct err e = ERR_INIT;
	struct supervise_reply reply;
	assert_int_equal(supervise_call(s->socket, &rq, DEADLINE_MS, s->a, &reply, &e), -1);
	return e;
}

static inline struct supervise_reply start(struct scene *s, struct supervise_spec spec)
{
	return ask(s, (struct supervise_request){.verb = SUPERVISE_START, .service = &spec});
}

static inline struct supervise_event await(struct scene *s, const struct supervise_request *rq,
					   enum supervise_event_kind kind, struct str id)
{
	struct err e = ERR_INIT;
	struct supervise_event event;
	must(supervise_await(s->socket, rq, kind, id, DEADLINE_MS, s->a, &event, &e), &e);
	return event;
}

static inline struct supervise_status status_of(struct scene *s, struct str id)
{
	struct supervise_reply r = ask(s, (struct supervise_request){.verb = SUPERVISE_LIST});
	for (size_t i = 0; i < r.service_count; i++)
		if (str_eq(r.services[i].id, id))
			return r.services[i];
	return (struct supervise_status){.id = {NULL, 0}};
}

static inline bool is_alive(int64_t pid)
{
	return kill((pid_t)pid, 0) == 0;
}

static inline void must_copy(const char *from, const char *to)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str bytes;
	must(arena_new(8 << 20, &a, &e), &e);
	if (file_read(from, 4 << 20, a, &bytes, &e) != 0)
		fail_msg("this test needs %s (Debian package busybox-static)", from);
	must(file_write(to, bytes, 0755, &e), &e);
}

static inline void make_rootfs(struct scene *s)
{
	static const char *const dirs[] = {"",	   "/hoc", "/proc", "/dev",
					   "/sys", "/tmp", "/run",  "/bin"};
	static const char *const tools[] = {"sh",    "sleep", "echo", "cat", "id",  "ls",
					    "mount", "touch", "kill", "pwd", "grep"};
	struct err e = ERR_INIT;
	char path[256];
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		(void)snprintf(path, sizeof path, "%s%s", s->rootfs, dirs[i]);
		must(file_mkdirs(path, 0755, &e), &e);
	}
	(void)snprintf(path, sizeof path, "%s/bin/busybox", s->rootfs);
	must_copy("/bin/busybox", path);
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		(void)snprintf(path, sizeof path, "%s/bin/%s", s->rootfs, tools[i]);
		assert_int_equal(symlink("busybox", path), 0);
	}
}

static inline int scene_set_up(void **state)
{
	static struct scene s;
	struct err e = ERR_INIT;
	s = (struct scene){.dir = "/tmp/test-supervise-XXXXXX"};
	*state = &s;
	if (geteuid() != 0)
		fail_msg("this test needs root");
	/* What the supervisor leaves behind when it is killed comes to us, and dies with us. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_non_null(mkdtemp(s.dir));
	assert_int_equal(chmod(s.dir, 0755), 0);
	(void)snprintf(s.rootfs, sizeof s.rootfs, "%s/root", s.dir);
	(void)snprintf(s.home, sizeof s.home, "%s/home", s.dir);
	(void)snprintf(s.socket, sizeof s.socket, "%s/supervise/socket", s.dir);
	must(arena_new(64 << 20, &s.a, &e), &e);
	make_rootfs(&s);
	must(file_mkdirs(s.home, 0755, &e), &e);
	assert_int_equal(chown(s.home, UID_BASE + 1000, UID_BASE + 1000), 0);
	return 0;
}

static inline int scene_tear_down(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	if (!s->supervisor)
		supervisor_start(s, NULL);
	struct supervise_reply reply;
	struct supervise_request rq = {.verb = SUPERVISE_KILL_PARTITION, .partition = S("p0")};
	int killed = supervise_call(s->socket, &rq, DEADLINE_MS, s->a, &reply, &e);
	/* In order: so that a leak or a late failure of the supervisor shows. */
	int status = supervisor_end(s, SIGTERM);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (killed < 0)
		(void)fprintf(stderr, "tear down: %s\n", e.text);
	s->a = arena_free(s->a);
	int removed = file_remove_tree(s->dir, &e);
	return killed < 0 || removed < 0 || status != 0 ? -1 : 0;
}
