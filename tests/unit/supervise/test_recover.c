/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The supervisor ends in every way there is; services and the wanted set survive. */
#include "scene.h"

static struct supervise_spec web(struct scene *s)
{
	return (struct supervise_spec){.id = S("p0/web"),
				       .backoff_min_ms = 1,
				       .bundle = bundle(s, "web", SHELL("exec sleep 1000"))};
}

static void a_killed_supervisor_loses_nothing(void **state)
{
	struct scene *s = *state;
	static const int signals[] = {SIGKILL, SIGTERM};
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (!s->supervisor)
			supervisor_start(s, NULL);
		int64_t pid = start(s, web(s)).pid;
		(void)supervisor_end(s, signals[i]);
		assert_true(is_alive(pid));
		supervisor_start(s, NULL);
		struct supervise_status now = status_of(s, S("p0/web"));
		assert_int_equal(now.state, SUPERVISE_UP);
		assert_int_equal(now.pid, pid);
		assert_true(now.adopted);
		assert_int_equal(start(s, web(s)).outcome, SUPERVISE_UNCHANGED);
	}
	/* What was adopted is watched: here it dies, and comes back. */
	struct supervise_request kill_it = {
		.verb = SUPERVISE_SIGNAL, .id = S("p0/web"), .signal = S("SIGKILL")};
	assert_true(is_alive(await(s, &kill_it, SUPERVISE_EVENT_RESPAWNED, S("p0/web")).pid));
}

static void what_died_meanwhile_is_started(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	int64_t pid = start(s, web(s)).pid;
	struct supervise_spec other = web(s);
	other.id = S("p0/stopped");
	int64_t stopped = start(s, other).pid;
	(void)ask(s, (struct supervise_request){.verb = SUPERVISE_STOP, .id = other.id});
	(void)supervisor_end(s, SIGKILL);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
	supervisor_start(s, NULL);
	struct supervise_status now = status_of(s, S("p0/web"));
	if (now.state != SUPERVISE_UP)
		now.pid = await(s, NULL, SUPERVISE_EVENT_STARTED, S("p0/web")).pid;
	assert_true(now.pid != pid && is_alive(now.pid));
	assert_int_equal(status_of(s, other.id).state, SUPERVISE_DOWN);
	assert_false(is_alive(stopped));
}

static void what_runs_an_older_configuration_is_replaced(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	int64_t pid = start(s, web(s)).pid;
	(void)supervisor_end(s, SIGKILL);
	(void)bundle(s, "web", SHELL("exec sleep 2000"));
	supervisor_start(s, NULL);
	assert_false(is_alive(pid) && waitpid((pid_t)pid, NULL, WNOHANG) == 0);
	struct supervise_status now = status_of(s, S("p0/web"));
	assert_false(now.adopted);
}

static void a_hang_up_executes_again_with_the_same_pid(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	int64_t pid = start(s, web(s)).pid;
	struct supervise_hello before =
		*ask(s, (struct supervise_request){.verb = SUPERVISE_HELLO}).hello;
	assert_int_equal(kill(s->supervisor, SIGHUP), 0);
	/* The old image closes the connection, the new one answers. */
	struct err e = ERR_INIT;
	struct supervise_event event;
	(void)!supervise_await(s->socket, NULL, SUPERVISE_EVENT_ADOPTED, S("none"), DEADLINE_MS,
			       s->a, &event, &e);
	struct supervise_reply r;
	struct supervise_request hello = {.verb = SUPERVISE_HELLO};
	while (supervise_call(s->socket, &hello, DEADLINE_MS, s->a, &r, &e) < 0)
		assert_int_equal(e.kind, ERR_UNREACHABLE);
	assert_int_equal(r.hello->pid, before.pid);
	assert_true(r.hello->started_at_ms > before.started_at_ms);
	struct supervise_status now = status_of(s, S("p0/web"));
	assert_int_equal(now.pid, pid);
	/* Still our child: its end is known in full. */
	struct supervise_request kill_it = {
		.verb = SUPERVISE_SIGNAL, .id = S("p0/web"), .signal = S("SIGKILL")};
	struct supervise_event exited = await(s, &kill_it, SUPERVISE_EVENT_EXITED, S("p0/web"));
	assert_int_equal(exited.signal, SIGKILL);
}

static void shutdown_stops_services_only_if_asked(void **state)
{
	struct scene *s = *state;
	supervisor_start(s, NULL);
	int64_t pid = start(s, web(s)).pid;
	struct supervise_request rq = {.verb = SUPERVISE_SHUTDOWN};
	(void)ask(s, rq);
	assert_int_equal(supervisor_end(s, 0), 0);
	assert_true(is_alive(pid));
	supervisor_start(s, NULL);
	rq.stop_services = true;
	(void)ask(s, rq);
	assert_int_equal(supervisor_end(s, 0), 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	assert_false(is_alive(pid));
	/* They stay wanted: as after a reboot. */
	supervisor_start(s, NULL);
	struct supervise_status now = status_of(s, S("p0/web"));
	if (now.state != SUPERVISE_UP)
		(void)await(s, NULL, SUPERVISE_EVENT_STARTED, S("p0/web"));
}

/* crun's own last process may take a moment to go. */
static void must_become_one_process(struct scene *s, const char *when)
{
	struct supervise_request usage = {.verb = SUPERVISE_USAGE, .partition = S("p0")};
	int64_t n = 0, until = clock_mono_ms(clock_system()) + DEADLINE_MS;
	while ((n = ask(s, usage).usage->processes) != 1)
		if (clock_mono_ms(clock_system()) > until)
			fail_msg("after %s: %lld processes", when, (long long)n);
}

static void death_at_any_failpoint_is_repaired(void **state)
{
	struct scene *s = *state;
	static const char *const points[] = {
		"supervise.state.before",   "base.file.written",	"base.file.renamed",
		"supervise.state.after",    "supervise.launch.started", "supervise.launch.done",
		"supervise.recover.listed", "supervise.recover.adopted"};
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct err e = ERR_INIT;
		struct supervise_reply r;
		struct supervise_spec spec = web(s);
		struct supervise_request rq = {.verb = SUPERVISE_START, .service = &spec};
		supervisor_start(s, points[i]);
		assert_int_equal(supervise_call(s->socket, &rq, DEADLINE_MS, s->a, &r, &e), -1);
		int status = supervisor_end(s, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		/* The same request on a healthy one: one process, and no other of ours. */
		supervisor_start(s, NULL);
		int64_t pid = start(s, spec).pid;
		assert_true(is_alive(pid));
		must_become_one_process(s, points[i]);
		struct supervise_request remove = {.verb = SUPERVISE_REMOVE, .id = spec.id};
		assert_int_equal(ask(s, remove).outcome, SUPERVISE_REMOVED);
		(void)supervisor_end(s, SIGTERM);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	test_program = argv[0];
	if (argc > 1 && strcmp(argv[1], "--supervise") == 0)
		return scene_supervise(argc, argv);
#define T(f) cmocka_unit_test_setup_teardown(f, scene_set_up, scene_tear_down)
	const struct CMUnitTest tests[] = {
		T(a_killed_supervisor_loses_nothing),
		T(what_died_meanwhile_is_started),
		T(what_runs_an_older_configuration_is_replaced),
		T(a_hang_up_executes_again_with_the_same_pid),
		T(shutdown_stops_services_only_if_asked),
		T(death_at_any_failpoint_is_repaired),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
