/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A supervisor at work: start, respawn, stop, remove, with real containers. */
#include "scene.h"

#include <poll.h>
#include <sys/inotify.h>

#include "ev/child.h"
#include "supervise/proc.h"

static void a_service_runs_confined(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_run_spec run = {
		.partition = S("p0"),
		.bundle =
			bundle(s, "look",
			       SHELL("id -u; id -g; pwd; touch /hoc/mine && echo home;"
				     "touch /x 2>/dev/null || echo sealed; touch /tmp/x /run/x "
				     "&& echo tmp;"
				     "grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp):' "
				     "/proc/self/status;"
				     "echo /proc/[0-9]*; mount -t tmpfs x /tmp "
				     "2>&1; echo $HOME;"
				     "cat /proc/self/uid_map; ls /sys/fs/cgroup | grep -c .")),
		.timeout_ms = DEADLINE_MS,
		.output_max_bytes = 4096};
	struct supervise_reply r =
		ask(s, (struct supervise_request){.verb = SUPERVISE_RUN, .run = &run});
	assert_string_equal(arena_cstr(s->a, r.result->output),
			    "1000\n1000\n/hoc\nhome\nsealed\ntmp\n"
			    "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:"
			    "\t1\nSeccomp:\t2\n"
			    "/proc/1\nmount: permission denied (are you root?)\n/hoc\n"
			    "         0     700000      65536\n0\n");
	struct stat st;
	assert_int_equal(
		stat(arena_cstr(s->a, file_join(s->a, str_from(s->home), S("mine"))), &st), 0);
	assert_int_equal(st.st_uid, UID_BASE + 1000);
}

static void starting_again_changes_nothing_until_the_spec_does(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {.id = S("p0/web"),
				      .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
	struct supervise_reply one = start(s, spec), two = start(s, spec);
	assert_int_equal(one.outcome, SUPERVISE_STARTED);
	assert_int_equal(two.outcome, SUPERVISE_UNCHANGED);
	assert_int_equal(one.pid, two.pid);
	spec.stop_seconds = 1; /* policy: taken over without a restart */
	two = start(s, spec);
	assert_int_equal(two.outcome, SUPERVISE_UNCHANGED);
	assert_int_equal(one.pid, two.pid);
	(void)bundle(s, "web", SHELL("exec sleep 2000"));
	two = start(s, spec);
	assert_int_equal(two.outcome, SUPERVISE_RESTARTED);
	assert_int_not_equal(one.pid, two.pid);
	assert_false(is_alive(one.pid));
	assert_true(is_alive(two.pid));
}

/* Kills the service; the pid of its successor. */
static int64_t kill_and_await(struct scene *s, struct str id, int64_t pid)
{
	struct supervise_request kill_it = {
		.verb = SUPERVISE_SIGNAL, .id = id, .signal = S("SIGKILL")};
	struct supervise_event back = await(s, &kill_it, SUPERVISE_EVENT_RESPAWNED, id);
	assert_true(is_alive(back.pid));
	assert_int_not_equal(back.pid, pid);
	struct supervise_status now = status_of(s, id);
	assert_int_equal(now.state, SUPERVISE_UP);
	assert_int_equal(now.pid, back.pid);
	assert_int_equal(now.signal, SIGKILL);
	return back.pid;
}

static void a_killed_service_is_back(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {.id = S("p0/web"),
				      .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
	(void)kill_and_await(s, spec.id, start(s, spec).pid);
	assert_int_equal(status_of(s, spec.id).respawns, 1);
}

/* Start time of a process made now. */
static uint64_t ticks_now(void)
{
	uint64_t ticks = 0;
	pid_t pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_true(proc_start_ticks(pid, &ticks));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return ticks;
}

static void a_standby_takes_over(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {.id = S("p0/web"),
				      .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
	int64_t pid = start(s, spec).pid;
	spec.standby = true; /* asked for later: no restart */
	assert_int_equal(start(s, spec).outcome, SUPERVISE_UNCHANGED);
	for (int i = 0; i < 3; i++) {
		while (!status_of(s, spec.id).standby)
			;
		uint64_t before = ticks_now(), made;
		pid = kill_and_await(s, spec.id, pid);
		assert_true(proc_start_ticks((int)pid, &made));
		assert_true(made <= before);
		spec.steady_ms = 1; /* the next respawn is at once as well */
		(void)start(s, spec);
	}
	spec.standby = false;
	(void)start(s, spec);
	assert_false(status_of(s, spec.id).standby);
	assert_true(is_alive(pid));
}

static void a_service_that_ends_at_once_backs_off(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {.id = S("p0/bad"),
				      .backoff_min_ms = 3600000,
				      .backoff_max_ms = 3600000,
				      .bundle = bundle(s, "bad", SHELL("exit 3"))};
	struct supervise_request rq = {.verb = SUPERVISE_START, .service = &spec};
	struct supervise_event event = await(s, &rq, SUPERVISE_EVENT_BACKOFF, spec.id);
	assert_in_range(event.after_ms, 1800000, 3600000);
	struct supervise_status now = status_of(s, spec.id);
	assert_int_equal(now.state, SUPERVISE_BACKOFF);
	assert_int_equal(now.exit_code, 3);
	assert_int_equal(now.respawns, 1);
	/* A request does not wait for the back-off. */
	(void)bundle(s, "bad", SHELL("exec sleep 1000"));
	assert_true(is_alive(start(s, spec).pid));
}

static void what_cannot_run_says_why(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {
		.id = S("p0/none"),
		.bundle = bundle(s, "none", (const char *const[]){"/no", NULL})};
	struct supervise_request rq = {.verb = SUPERVISE_START, .service = &spec};
	struct err e = ask_in_vain(s, rq);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.text, "/no"));
	assert_int_equal(status_of(s, spec.id).state, SUPERVISE_BACKOFF);
	spec.bundle = S("/does/not/exist");
	e = ask_in_vain(s, rq);
	assert_string_equal(e.field, "service.bundle");
}

/* Follows the log with inotify until the line is there. */
static void await_line(struct scene *s, struct str log, const char *line)
{
	struct err e = ERR_INIT;
	struct str text;
	int fd = inotify_init1(IN_CLOEXEC);
	assert_true(inotify_add_watch(fd, log.p, IN_MODIFY) >= 0);
	while (file_read(log.p, 1000, s->a, &text, &e) == 0 && !strstr(text.p, line)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
		char event[4096];
		assert_true(read(fd, event, sizeof event) > 0);
	}
	close(fd);
}

static void stopping_asks_first_and_kills_after(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *script;
		int exit_code, signal;
	} cases[] = {
		{"trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done", 5, 0},
		{"trap '' TERM; trap : USR1; echo ready; while :; do sleep 0.01; done", -1,
		 SIGKILL},
		{"echo ready; exec sleep 1000", -1, SIGKILL},
	};
	supervisor_start(s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct supervise_spec spec = {
			.id = S("p0/web"),
			.stop_seconds = 1,
			.log = arena_fmt(s->a, "%s/%zu.log", s->dir, i),
			.bundle = bundle(s, "web", SHELL(cases[i].script)),
		};
		int64_t pid = start(s, spec).pid;
		await_line(s, spec.log, "ready");
		struct supervise_request stop = {.verb = SUPERVISE_STOP, .id = spec.id};
		struct supervise_event event =
			await(s, &stop, SUPERVISE_EVENT_STOPPED, spec.id);
		assert_false(is_alive(pid));
		assert_int_equal(event.signal, cases[i].signal);
		assert_int_equal(event.exit_code, cases[i].exit_code);
		assert_int_equal(status_of(s, spec.id).state, SUPERVISE_DOWN);
		struct supervise_reply again = ask(s, stop);
		assert_int_equal(again.outcome, SUPERVISE_UNCHANGED);
	}
}

static void removing_forgets(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {.id = S("p0/web"),
				      .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
	int64_t pid = start(s, spec).pid;
	struct supervise_request rq = {.verb = SUPERVISE_REMOVE, .id = spec.id};
	assert_int_equal(ask(s, rq).outcome, SUPERVISE_REMOVED);
	assert_false(is_alive(pid));
	assert_null(status_of(s, spec.id).id.p);
	assert_int_equal(ask(s, rq).outcome, SUPERVISE_UNCHANGED);
	rq.verb = SUPERVISE_STOP;
	assert_int_equal(ask_in_vain(s, rq).kind, ERR_NOT_FOUND);
}

static void killing_a_partition_leaves_no_process(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_spec spec = {
		.id = S("p0/a"),
		.bundle = bundle(s, "a", SHELL("sleep 1000 & sleep 1000 & wait"))};
	int64_t a = start(s, spec).pid;
	spec.id = S("p0/b");
	int64_t b = start(s, spec).pid;
	spec.id = S("p1/c");
	int64_t c = start(s, spec).pid;
	struct supervise_request of_p1 = {.verb = SUPERVISE_LIST, .partition = S("p1")};
	assert_int_equal(ask(s, of_p1).service_count, 1);
	assert_int_equal(
		ask(s, (struct supervise_request){.verb = SUPERVISE_LIST}).service_count, 3);
	struct supervise_request usage = {.verb = SUPERVISE_USAGE, .partition = S("p0")};
	struct supervise_reply r = ask(s, usage);
	assert_true(r.usage->processes >= 2);
	assert_true(r.usage->memory_bytes > 0);
	assert_true(r.usage->cpu_usec > 0);
	struct supervise_request rq = {.verb = SUPERVISE_KILL_PARTITION, .partition = S("p0")};
	(void)ask(s, rq);
	assert_false(is_alive(a));
	assert_false(is_alive(b));
	assert_true(is_alive(c));
	assert_int_equal(ask(s, usage).usage->processes, 0);
	assert_null(status_of(s, S("p0/a")).id.p);
	rq.partition = S("p1");
	(void)ask(s, rq);
	assert_false(is_alive(c));
}

static void runs_are_bounded_in_time_and_output(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *script, *output;
		int64_t timeout_ms, max;
		int exit_code, signal;
		bool timed_out, is_cut;
	} cases[] = {
		{"echo hello; exit 4", "hello\n", DEADLINE_MS, 100, 4, 0, false, false},
		{"echo 123456789", "789\n", DEADLINE_MS, 4, 0, 0, false, true},
		{"echo hello; exec sleep 1000", "hello\n", 300, 100, -1, SIGKILL, true, false},
		{"echo -e 'a\\0b\\377'", "a?b?\n", DEADLINE_MS, 100, 0, 0, false, false},
		{"sleep 1000 & echo left", "left\n", DEADLINE_MS, 100, 0, 0, false, false},
		{"echo nothing", "", DEADLINE_MS, 0, 0, 0, false, true},
	};
	supervisor_start(s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct supervise_run_spec run = {
			.partition = S("p0"),
			.bundle = bundle(s, "run", SHELL(cases[i].script)),
			.timeout_ms = cases[i].timeout_ms,
			.output_max_bytes = cases[i].max};
		struct supervise_reply r =
			ask(s, (struct supervise_request){.verb = SUPERVISE_RUN, .run = &run});
		assert_string_equal(arena_cstr(s->a, r.result->output), cases[i].output);
		assert_int_equal(r.result->exit_code, cases[i].exit_code);
		assert_int_equal(r.result->signal, cases[i].signal);
		assert_int_equal(r.result->timed_out, cases[i].timed_out);
		assert_int_equal(r.result->is_cut, cases[i].is_cut);
	}
}

static void output_goes_to_the_log(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	supervisor_start(s, NULL);
	struct str log = arena_fmt(s->a, "%s/web.log", s->dir), text;
	struct supervise_spec spec = {
		.id = S("p0/web"),
		.log = log,
		.backoff_min_ms = 3600000,
		.backoff_max_ms = 3600000,
		.bundle = bundle(s, "web", SHELL("echo out; echo err >&2")),
	};
	struct supervise_request rq = {.verb = SUPERVISE_START, .service = &spec};
	(void)await(s, &rq, SUPERVISE_EVENT_BACKOFF, spec.id);
	assert_int_equal(file_read(log.p, 100, s->a, &text, &e), 0);
	/* It ended twice: the first respawn is at once. */
	assert_string_equal(text.p, "out\nerr\nout\nerr\n");
}

static void limits_do_not_keep_a_service_from_starting(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	supervisor_start(s, NULL);
	struct oci_service o = {.rootfs = s->rootfs,
				.home = s->home,
				.argv = SHELL("exec sleep 1000"),
				.uid_base = UID_BASE,
				.memory_bytes = 64 << 20,
				.cpu_milli = 500,
				.pids = 50};
	struct str dir = bundle(s, "limited", SHELL("true"));
	must(oci_bundle_write(dir.p, &o, &e), &e);
	struct supervise_spec spec = {.id = S("p0/limited"), .bundle = dir};
	assert_true(is_alive(start(s, spec).pid));
}

static void must_ip(struct scene *s, const char *what, const char *name)
{
	struct err e = ERR_INIT;
	struct ev_child_result r;
	const char *argv[] = {"ip", "netns", what, name, NULL};
	struct ev_child_spec spec = {.argv = argv, .output_max_bytes = 1000};
	must(ev_child_wait(&spec, s->a, &r, &e), &e);
	must(ev_child_check(&r, "ip netns", &e), &e);
}

/* The namespace is made after the supervisor has parted from the host's mounts. */
static void a_service_runs_in_the_network_it_is_given(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	supervisor_start(s, NULL);
	const char *name = arena_cstr(s->a, arena_fmt(s->a, "hoctest%d", getpid()));
	must_ip(s, "add", name);
	struct stat ns;
	struct str path = arena_fmt(s->a, "/run/netns/%s", name);
	assert_int_equal(stat(path.p, &ns), 0);
	struct oci_service o = {.rootfs = s->rootfs,
				.home = s->home,
				.argv = SHELL("exec ls -L -i /proc/self/ns/net"),
				.uid_base = UID_BASE,
				.joins_network = true};
	struct str dir = bundle(s, "net", SHELL("true"));
	must(oci_bundle_write(dir.p, &o, &e), &e);
	struct supervise_run_spec run = {.partition = S("p0"),
					 .bundle = dir,
					 .netns = path,
					 .timeout_ms = DEADLINE_MS,
					 .output_max_bytes = 1000};
	struct supervise_reply r =
		ask(s, (struct supervise_request){.verb = SUPERVISE_RUN, .run = &run});
	must_ip(s, "delete", name);
	struct str want = arena_fmt(s->a, "%lu ", (unsigned long)ns.st_ino);
	struct str got = str_trim(r.result->output);
	if (!str_starts(got, want))
		fail_msg("network %" STR_F ", not %" STR_F, STR_A(got), STR_A(want));
	run.netns = S("/run/netns/there-is-none");
	struct err no =
		ask_in_vain(s, (struct supervise_request){.verb = SUPERVISE_RUN, .run = &run});
	assert_int_equal(no.kind, ERR_IO);
}

/* ---- the asynchronous client ---- */

struct friend
{
	struct scene *s;
	struct ev *ev;
	struct supervise_client *c;
	int connected, disconnected, replies, events;
	struct err last;
};

static void on_connected(void *user, const struct supervise_hello *hello)
{
	struct friend *f = user;
	f->connected++;
	assert_int_equal(hello->version, SUPERVISE_VERSION);
	ev_stop(f->ev);
}

static void on_disconnected(void *user, const struct err *why UNUSED)
{
	struct friend *f = user;
	f->disconnected++;
	ev_stop(f->ev);
}

static void on_event(void *user, const struct supervise_event *event)
{
	struct friend *f = user;
	f->events += event->kind == SUPERVISE_EVENT_STARTED;
}

static void on_reply(void *user, const struct supervise_reply *reply)
{
	struct friend *f = user;
	f->replies++;
	f->last = reply->error;
	ev_stop(f->ev);
}

static void must_happen(struct friend *f, const int *what, int count)
{
	struct err e = ERR_INIT;
	while (*what < count)
		assert_int_equal(ev_run_for(f->ev, DEADLINE_MS, &e), 0);
}

static void a_client_connects_again_by_itself(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct friend f = {.s = s};
	struct supervise_client_handlers h = {.connected = on_connected,
					      .disconnected = on_disconnected,
					      .event = on_event,
					      .user = &f};
	struct supervise_spec spec = {.id = S("p0/web"),
				      .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
	struct supervise_run_spec run = {.partition = S("p0"),
					 .bundle = bundle(s, "run", SHELL("exec sleep 1000")),
					 .timeout_ms = DEADLINE_MS};
	struct supervise_request start_it = {.verb = SUPERVISE_START, .service = &spec},
				 run_it = {.verb = SUPERVISE_RUN, .run = &run};
	must(ev_new(NULL, &f.ev, &e), &e);
	must(supervise_client_new(f.ev, s->socket, &h, &f.c, &e), &e);
	assert_int_equal(supervise_request(f.c, &start_it, 0, on_reply, &f, &e), -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
	supervisor_start(s, NULL);
	must_happen(&f, &f.connected, 1);
	must(supervise_request(f.c, &start_it, 0, on_reply, &f, &e), &e);
	must_happen(&f, &f.replies, 1);
	assert_int_equal(f.last.kind, ERR_NONE);
	assert_int_equal(f.events, 1);
	/* Lost under way: told, and the connection comes back. */
	must(supervise_request(f.c, &run_it, 0, on_reply, &f, &e), &e);
	(void)supervisor_end(s, SIGKILL);
	must_happen(&f, &f.disconnected, 1);
	assert_int_equal(f.replies, 2);
	assert_int_equal(f.last.kind, ERR_UNREACHABLE);
	supervisor_start(s, NULL);
	must_happen(&f, &f.connected, 2);
	/* A supervisor that does not answer in time. */
	assert_int_equal(kill(s->supervisor, SIGSTOP), 0);
	must(supervise_request(f.c, &start_it, 50, on_reply, &f, &e), &e);
	must_happen(&f, &f.replies, 3);
	assert_int_equal(f.last.kind, ERR_TIMEOUT);
	assert_int_equal(kill(s->supervisor, SIGCONT), 0);
	supervise_client_free(f.c);
	ev_free(f.ev);
}

static void the_host_is_described(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	struct supervise_reply r = ask(s, (struct supervise_request){.verb = SUPERVISE_HELLO});
	assert_int_equal(r.hello->version, SUPERVISE_VERSION);
	assert_int_equal(r.hello->pid, s->supervisor);
	assert_true(str_find(r.hello->capabilities, S("pidfd")) < r.hello->capabilities.n);
	assert_true(r.hello->crun.n > 0);
	struct err e = ERR_INIT;
	struct supervise_options second = {.dir = s->dir};
	assert_int_equal(supervise_run(&second, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

int main(int argc, char **argv)
{
	test_program = argv[0];
	if (argc > 1 && strcmp(argv[1], "--supervise") == 0)
		return scene_supervise(argc, argv);
#define T(f) cmocka_unit_test_setup_teardown(f, scene_set_up, scene_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_service_runs_confined),
		T(starting_again_changes_nothing_until_the_spec_does),
		T(a_killed_service_is_back),
		T(a_standby_takes_over),
		T(a_service_that_ends_at_once_backs_off),
		T(what_cannot_run_says_why),
		T(stopping_asks_first_and_kills_after),
		T(removing_forgets),
		T(killing_a_partition_leaves_no_process),
		T(runs_are_bounded_in_time_and_output),
		T(output_goes_to_the_log),
		T(limits_do_not_keep_a_service_from_starting),
		T(a_service_runs_in_the_network_it_is_given),
		T(a_client_connects_again_by_itself),
		T(the_host_is_described),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
