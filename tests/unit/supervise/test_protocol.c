/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Messages, bundles and logs: what needs no supervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "json/json.h"
#include "supervise/log_cap.h"
#include "supervise/oci.h"
#include "supervise/protocol.h"

static struct arena *arena;

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;
	return arena_new(64 << 20, &arena, &e);
}

static int tear_down(void **state UNUSED)
{
	arena = arena_free(arena);
	return 0;
}

static void requests_read_back_as_written(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct supervise_spec spec = {.id = S("p0/postgres"),
				      .bundle = S("/b"),
				      .netns = S("/run/netns/x"),
				      .log = S("/l"),
				      .stop_signal = S("SIGINT"),
				      .stop_seconds = 7,
				      .standby = true};
	struct supervise_request rq = {.verb = SUPERVISE_START, .serial = 5, .service = &spec},
				 got;
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	supervise_request_write(&rq, &b);
	assert_int_equal(supervise_request_read(buf_str(&b), arena, &got, &e), 0);
	assert_int_equal(got.serial, 5);
	assert_true(str_eq(got.service->id, spec.id));
	assert_true(str_eq(got.service->netns, spec.netns));
	assert_true(str_eq(got.service->stop_signal, spec.stop_signal));
	assert_int_equal(got.service->stop_seconds, 7);
	assert_true(got.service->standby);
}

static void bad_requests_name_the_field(void **state UNUSED)
{
	static const struct {
		const char *line, *field;
	} cases[] = {
		{"{}", "verb"},
		{"{\"verb\":\"dance\"}", "verb"},
		{"{\"verb\":\"start\"}", "service"},
		{"{\"verb\":\"start\",\"service\":{\"bundle\":\"/b\"}}", "service.id"},
		{"{\"verb\":\"start\",\"service\":{\"id\":\"../x\",\"bundle\":\"/b\"}}",
		 "service.id"},
		{"{\"verb\":\"start\",\"service\":{\"id\":\"p0/a/b\",\"bundle\":\"/b\"}}",
		 "service.id"},
		{"{\"verb\":\"start\",\"service\":{\"id\":\"p0/A\",\"bundle\":\"/b\"}}",
		 "service.id"},
		{"{\"verb\":\"start\",\"service\":{\"id\":\"p0/a\",\"bundle\":\"b\"}}",
		 "service.bundle"},
		{"{\"verb\":\"start\",\"service\":{\"id\":\"p0/a\",\"bundle\":\"/b\",\"x\":1}}",
		 "service.x"},
		{"{\"verb\":\"stop\"}", "id"},
		{"{\"verb\":\"signal\",\"id\":\"p0/a\",\"signal\":\"SIGNOT\"}", "signal"},
		{"{\"verb\":\"run\",\"run\":{\"partition\":\"p0\",\"bundle\":\"/"
		 "b\",\"timeout_ms\":0}}",
		 "run.timeout_ms"},
		{"{\"verb\":\"usage\",\"partition\":\"a/b\"}", "partition"},
		{"nonsense", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct supervise_request rq;
		assert_int_equal(
			supervise_request_read(str_from(cases[i].line), arena, &rq, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void answers_read_back_as_written(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct supervise_status status = {
		.id = S("p0/a"), .state = SUPERVISE_BACKOFF, .exit_code = -1, .signal = 9};
	struct supervise_reply reply = {.serial = 9, .services = &status, .service_count = 1},
			       got;
	struct supervise_event event = {.kind = SUPERVISE_EVENT_RESPAWNED,
					.id = S("p0/a"),
					.pid = 5,
					.exit_code = -1,
					.after_ms = 3},
			       heard;
	struct buf b CLEAN(buf_fini) = BUF_INIT(10000);
	supervise_reply_write(&reply, &b);
	assert_int_equal(supervise_answer_read(buf_str(&b), arena, &got, &heard, &e), 0);
	assert_int_equal(got.service_count, 1);
	assert_int_equal(got.services[0].state, SUPERVISE_BACKOFF);
	assert_int_equal(got.error.kind, ERR_NONE);
	buf_clear(&b);
	reply = (struct supervise_reply){.serial = 1};
	(void)err_field(&reply.error, "service.id", "is bad");
	supervise_reply_write(&reply, &b);
	assert_int_equal(supervise_answer_read(buf_str(&b), arena, &got, &heard, &e), 0);
	assert_int_equal(got.error.kind, ERR_INVALID);
	assert_string_equal(got.error.field, "service.id");
	buf_clear(&b);
	supervise_event_write(&event, &b);
	assert_int_equal(supervise_answer_read(buf_str(&b), arena, &got, &heard, &e), 1);
	assert_int_equal(heard.kind, SUPERVISE_EVENT_RESPAWNED);
	assert_int_equal(heard.after_ms, 3);
}

static const char *const true_argv[] = {"/bin/true", NULL};

static void a_bundle_says_what_the_service_may(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct json *c;
	const char *env[] = {"HOME=/hoc/var", NULL};
	struct oci_service o = {.rootfs = "/r",
				.home = "/h",
				.argv = true_argv,
				.env = env,
				.uid_base = 100000,
				.joins_network = true};
	struct buf b CLEAN(buf_fini) = BUF_INIT(OCI_CONFIG_MAX);
	assert_int_equal(oci_config(&o, &b, &e), 0);
	assert_int_equal(json_parse(buf_str(&b), arena, &c, &e), 0);
	static const struct {
		const char *path, *text;
	} texts[] = {{"root.path", "/r"},
		     {"process.cwd", "/hoc"},
		     {"process.env[0]", "HOME=/hoc/var"},
		     {"mounts[8].destination", "/hoc"},
		     {"mounts[8].source", "/h"}};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_true(str_is(json_str_of(json_path(c, str_from(texts[i].path)), S("")),
				   texts[i].text));
	assert_true(json_bool_of(json_path(c, S("root.readonly")), false));
	assert_true(json_bool_of(json_path(c, S("process.noNewPrivileges")), false));
	assert_int_equal(json_count(json_path(c, S("process.capabilities.bounding"))), 0);
	assert_int_equal(json_count(json_path(c, S("process.env"))), 5);
	assert_int_equal(json_count(json_path(c, S("linux.namespaces"))), 5);
	assert_int_equal(json_i64_of(json_path(c, S("process.user.uid")), 0), 1000);
	assert_int_equal(json_i64_of(json_path(c, S("linux.uidMappings[0].hostID")), 0),
			 100000);
}

static void bad_services_name_the_member(void **state UNUSED)
{
	const char *bad_env[] = {"NOVALUE", NULL}, *none[] = {NULL};
	const struct {
		struct oci_service o;
		const char *field;
	} cases[] = {
		{{.rootfs = "/r", .home = "/h", .argv = none, .uid_base = 100000}, "argv"},
		{{.rootfs = "r", .home = "/h", .argv = true_argv, .uid_base = 100000},
		 "rootfs"},
		{{.rootfs = "/r", .argv = true_argv, .uid_base = 100000}, "home"},
		{{.rootfs = "/r", .home = "/h", .argv = true_argv, .uid_base = 0}, "uid_base"},
		{{.rootfs = "/r",
		  .home = "/h",
		  .argv = true_argv,
		  .uid_base = 100000,
		  .env = bad_env},
		 "env"},
		{{.rootfs = "/r",
		  .home = "/h",
		  .argv = true_argv,
		  .uid_base = 100000,
		  .pids = -1},
		 "limits"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct buf b CLEAN(buf_fini) = BUF_INIT(OCI_CONFIG_MAX);
		assert_int_equal(oci_config(&cases[i].o, &b, &e), -1);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void a_log_keeps_its_newer_half(void **state UNUSED)
{
	struct err e = ERR_INIT;
	char dir[] = "/tmp/test-log-XXXXXX";
	assert_non_null(mkdtemp(dir));
	const char *path = arena_cstr(arena, arena_fmt(arena, "%s/log", dir));
	int fd;
	assert_int_equal(log_cap_trim(path, 65536, &e), 0);
	assert_int_equal(log_cap_open(path, 0, &fd, &e), 0);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(file_write_fd(fd, arena_fmt(arena, "line %05d\n", i), &e), 0);
	assert_int_equal(log_cap_trim(path, 1 << 20, &e), 0);
	assert_int_equal(log_cap_trim(path, 65536, &e), 1);
	/* Whoever has it open goes on at its end. */
	assert_int_equal(file_write_fd(fd, S("last\n"), &e), 0);
	struct str text;
	assert_int_equal(file_read(path, 1 << 20, arena, &text, &e), 0);
	assert_in_range(text.n, 32768, 65536);
	assert_true(str_ends(text, S("line 19999\nlast\n")));
	file_closep(&fd);
	const char *link = arena_cstr(arena, arena_fmt(arena, "%s/link", dir));
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(log_cap_open(link, 0, &fd, &e), -1);
	assert_int_equal(log_cap_open("/dev/null", 0, &fd, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(requests_read_back_as_written), T(bad_requests_name_the_field),
		T(answers_read_back_as_written),  T(a_bundle_says_what_the_service_may),
		T(bad_services_name_the_member),  T(a_log_keeps_its_newer_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
