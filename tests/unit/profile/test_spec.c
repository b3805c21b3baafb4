/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "profile/spec.h"

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct arena *a = NULL;
	assert_int_equal(arena_new(32 << 20, &a, &e), 0);
	*state = a;
	return 0;
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

#define SOFTWARE \
	"\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":[\"nginx\",\"bash\"," \
	"\"nginx\"]}}"
#define HEAD "\"name\":\"x\",\"title\":\"X\",\"category\":\"web\","

static const char full_manifest[] =
	"{" HEAD SOFTWARE
	",\"types\":{\"default\":{\"parameters\":{\"properties\":{\"port\":{\"type\":"
	"\"integer\",\"maximum\":65535,\"default\":80},\"title\":{\"type\":\"string\"}},"
	"\"required\":"
	"[\"title\"]},\"connection\":{\"properties\":{\"url\":{\"type\":\"string\",\"secret\":"
	"true}},"
	"\"required\":[\"url\"]},\"secrets\":{\"p\":{\"length\":32},\"a\":{}},\"usage\":["
	"\"requests\"],"
	"\"shared\":true},\"a-first\":{}}}";

static void a_manifest_is_read(void **state)
{
	struct arena *a = *state;
	struct profile_manifest m;
	struct err e = ERR_INIT;
	assert_int_equal(profile_manifest_read(str_from(full_manifest), a, &m, &e), 0);
	assert_true(str_is(m.software.suite, "bookworm"));
	assert_int_equal(m.software.packages.count, 2);
	assert_true(str_is(m.software.packages.items[0], "bash"));
	assert_int_equal(m.type_count, 2);
	assert_true(str_is(m.types[0].name, "a-first"));
	const struct spec_type *t = profile_manifest_type(&m, S(""));
	assert_true(str_is(t->name, "default"));
	assert_true(t->is_shared);
	assert_int_equal(t->secret_count, 2);
	assert_true(str_is(t->secrets[0].name, "a"));
	assert_int_equal(t->secrets[0].length, 24);
	assert_int_equal(t->secrets[1].length, 32);
	assert_null(profile_manifest_type(&m, S("other")));
}

static void bad_manifests_name_the_field(void **state)
{
	struct arena *a = *state;
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"{}", "name"},
		{"{\"name\":\"X\"}", "name"},
		{"{" HEAD "\"types\":{\"default\":{}}}", "software"},
		{"{" HEAD "\"software\":{},\"types\":{\"default\":{}}}", "software.debian"},
		{"{" HEAD "\"software\":{\"oci\":{}},\"types\":{\"default\":{}}}",
		 "software.debian"},
		{"{" HEAD SOFTWARE "}", "types"},
		{"{" HEAD SOFTWARE ",\"types\":{}}", "types"},
		{"{" HEAD SOFTWARE
		 ",\"types\":{\"default\":{\"secrets\":{\"p\":{\"length\":4}}}}}",
		 "types.default.secrets.p.length"},
		{"{" HEAD SOFTWARE ",\"types\":{\"Default\":{}}}", "types.Default"},
		{"{" HEAD SOFTWARE ",\"types\":{\"default\":{\"parameters\":[]}}}",
		 "types.default.parameters"},
		{"{" HEAD SOFTWARE ",\"types\":{\"default\":{}},\"more\":1}", "more"},
		{"{" HEAD
		 "\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":[\"a b\"]}},"
		 "\"types\":{\"default\":{}}}",
		 "software.debian.packages[0]"},
		{"{" HEAD
		 "\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":[\"-o\"]}},"
		 "\"types\":{\"default\":{}}}",
		 "software.debian.packages[0]"},
		{"{" HEAD
		 "\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":[\"bash\"],"
		 "\"files\":{\"../x\":\"\"}}},\"types\":{\"default\":{}}}",
		 "software.debian.files[\"../x\"]"},
		{"{" HEAD
		 "\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":[\"bash\"],"
		 "\"mirror\":\"ftp://x\"}},\"types\":{\"default\":{}}}",
		 "software.debian.mirror"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_manifest m;
		struct err e = ERR_INIT;
		assert_int_equal(profile_manifest_read(str_from(cases[i].text), a, &m, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void parameters_get_defaults_or_a_path(void **state)
{
	struct arena *a = *state;
	struct profile_manifest m;
	struct err e = ERR_INIT;
	static const struct {
		const char *given, *want, *field;
	} cases[] = {
		{"{\"title\":\"t\"}", "{\"port\":80,\"title\":\"t\"}", ""},
		{"{\"title\":\"t\",\"port\":8080}", "{\"port\":8080,\"title\":\"t\"}", ""},
		{"", NULL, "parameters.title"},
		{"{\"title\":1}", NULL, "parameters.title"},
		{"{\"title\":\"t\",\"port\":65536}", NULL, "parameters.port"},
		{"{\"title\":\"t\",\"more\":1}", NULL, "parameters.more"},
		{"[]", NULL, "parameters"},
	};
	assert_int_equal(profile_manifest_read(str_from(full_manifest), a, &m, &e), 0);
	const struct spec_type *t = profile_manifest_type(&m, S("default"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str out;
		struct err bad = ERR_INIT;
		int rc = profile_parameters_check(t, str_from(cases[i].given), a, &out, &bad);
		assert_int_equal(rc, cases[i].want ? 0 : -1);
		assert_string_equal(bad.field, cases[i].field);
		if (cases[i].want)
			assert_true(str_is(out, cases[i].want));
	}
}

static void what_is_published_fits_the_connection(void **state)
{
	struct arena *a = *state;
	struct profile_manifest m;
	struct err e = ERR_INIT;
	assert_int_equal(profile_manifest_read(str_from(full_manifest), a, &m, &e), 0);
	const struct spec_type *t = profile_manifest_type(&m, S("default"));
	struct json_pair url = {S("url"), S("http://x")}, other = {S("other"), S("y")};
	assert_int_equal(profile_connection_check(t, &(struct spec_pairs){&url, 1}, a, &e), 0);
	assert_int_equal(profile_connection_check(t, &(struct spec_pairs){&other, 1}, a, &e),
			 -1);
	assert_non_null(strstr(e.field, "publish."));
}

static const char full_spec[] =
	"{\"files\":{\"etc/a.conf\":\"text\",\"etc/"
	"b\":{\"text\":\"\",\"mode\":\"0640\",\"reload\":\"signal\","
	"\"services\":[\"web\"]}},"
	"\"setup\":[{\"name\":\"init\",\"exec\":[\"/bin/true\"],\"env\":{\"A\":\"1\"}},"
	"{\"name\":\"again\",\"exec\":[\"/bin/true\"],\"once\":false}],"
	"\"services\":{\"web\":{\"exec\":[\"/bin/"
	"web\",\"-x\"],\"after\":[\"db\"],\"ready\":{\"tcp\":{\"port\":80}},"
	"\"reload_signal\":\"SIGHUP\",\"limits\":{\"memory_mib\":64,\"cpus\":0.5,\"pids\":10}},"
	"\"db\":{\"exec\":[\"/bin/"
	"db\"],\"ready\":null,\"reload_signal\":null,\"stop_signal\":\"SIGINT\","
	"\"stop_seconds\":3}},"
	"\"promises\":{\"a\":{\"tcp\":{\"port\":80}},\"b\":{\"http\":{\"url\":\"http://"
	"10.0.0.1/\","
	"\"contains\":\"x\"},\"period_seconds\":5,\"repair\":{\"restart\":\"web\"}},"
	"\"c\":{\"exec\":{\"command\":[\"/bin/x\"]},\"test\":false,\"failures\":3},"
	"\"d\":{\"file\":{\"path\":\"run/"
	"x\"}},\"e\":{\"process\":{\"service\":\"db\"},\"anomaly\":false}},"
	"\"publish\":{\"url\":\"http://x\"},"
	"\"requests\":{\"db\":{\"release\":\"postgresql\",\"parameters\":{\"a\":1},\"where\":"
	"null}},"
	"\"certificates\":{\"web\":{},\"api\":{\"names\":[\"api.example.com\",\"*.example."
	"com\","
	"\"10.0.0.1\",\"fd00::1\"],\"key\":\"var/k\",\"chain\":\"var/c\",\"roots\":\"var/"
	"r\",\"reload\":\"signal\",\"services\":[\"web\"]}},"
	"\"ports\":{\"http\":{\"port\":80}}}";

static void a_spec_is_read_with_defaults(void **state)
{
	struct arena *a = *state;
	struct profile_spec s;
	struct err e = ERR_INIT;
	if (profile_spec_read(str_from(full_spec), a, &s, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	assert_int_equal(s.files[0].mode, 0600);
	assert_int_equal(s.files[0].reload, SPEC_RELOAD_RESTART);
	assert_true(str_is(s.files[0].text, "text"));
	assert_int_equal(s.files[1].mode, 0640);
	assert_int_equal(s.files[1].reload, SPEC_RELOAD_SIGNAL);
	assert_true(s.setup[0].is_once);
	assert_false(s.setup[1].is_once);
	const struct spec_service *web = profile_spec_service(&s, S("web"));
	assert_int_equal(web->ready.kind, SPEC_READY_TCP);
	assert_int_equal(web->ready.port, 80);
	assert_int_equal(web->reload_signal, SIGHUP);
	assert_int_equal(web->stop_signal, SIGTERM);
	assert_int_equal(web->stop_seconds, 10);
	assert_int_equal(web->limits.cpu_milli, 500);
	const struct spec_service *db = profile_spec_service(&s, S("db"));
	assert_int_equal(db->ready.kind, SPEC_READY_NONE);
	assert_int_equal(db->reload_signal, 0);
	assert_int_equal(db->stop_signal, SIGINT);
	assert_int_equal(db->ready_seconds, 30);
	static const enum spec_promise_kind kinds[] = {SPEC_PROMISE_TCP, SPEC_PROMISE_HTTP,
						       SPEC_PROMISE_EXEC, SPEC_PROMISE_FILE,
						       SPEC_PROMISE_PROCESS};
	assert_int_equal(s.promise_count, ARRAY_LEN(kinds));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_int_equal(s.promises[i].kind, kinds[i]);
	assert_int_equal(s.promises[0].period_seconds, 60);
	assert_int_equal(s.promises[1].status, 200);
	assert_true(str_is(s.promises[1].repair_restart, "web"));
	assert_false(s.promises[2].is_test);
	assert_false(s.promises[4].is_anomaly);
	assert_true(str_is(s.requests[0].parameters, "{\"a\":1}"));
	assert_true(str_is(s.requests[0].where, "{}"));
	assert_true(str_is(s.requests[0].type, "default"));
	assert_true(str_is(s.ports[0].protocol, "tcp"));
	assert_int_equal(s.certificate_count, 2);
	const struct spec_certificate *api = &s.certificates[0], *own = &s.certificates[1];
	assert_int_equal(api->names.count, 4);
	assert_true(str_is(api->key, "var/k") && str_is(api->chain, "var/c") &&
		    str_is(api->roots, "var/r"));
	assert_int_equal(api->reload, SPEC_RELOAD_SIGNAL);
	assert_int_equal(own->names.count, 0);
	assert_true(str_is(own->key, "etc/tls/web.key") &&
		    str_is(own->chain, "etc/tls/web.pem"));
	assert_int_equal(own->roots.n, 0);
	assert_int_equal(own->reload, SPEC_RELOAD_RESTART);
}

static void an_empty_spec_is_a_spec(void **state)
{
	struct profile_spec s;
	struct err e = ERR_INIT;
	assert_int_equal(profile_spec_read(S("{}"), *state, &s, &e), 0);
	assert_int_equal(s.service_count + s.file_count + s.promise_count, 0);
}

#define SERVICE(more) "{\"services\":{\"s\":{\"exec\":[\"/s\"]" more "}}}"
#define PROMISE(text) "{\"services\":{\"s\":{\"exec\":[\"/s\"]}},\"promises\":{\"p\":" text "}}"
#define FILE_(path, text) \
	"{\"services\":{\"s\":{\"exec\":[\"/s\"]}},\"files\":{\"" path "\":" text "}}"

#define CERT(text) \
	"{\"services\":{\"s\":{\"exec\":[\"/s\"]}},\"files\":{\"etc/f\":\"\"}," \
	"\"certificates\":{" text "}}"

static void bad_certificates_name_the_path(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{CERT("\"C\":{}"), "certificates.C"},
		{CERT("\"c\":{\"more\":1}"), "certificates.c.more"},
		{CERT("\"c\":{\"names\":[\"a.b\",\"A.b\"]}"), "certificates.c.names[1]"},
		{CERT("\"c\":{\"names\":[\"*.*.b\"]}"), "certificates.c.names[0]"},
		{CERT("\"c\":{\"names\":[\"a..b\"]}"), "certificates.c.names[0]"},
		{CERT("\"c\":{\"names\":[\"-a.b\"]}"), "certificates.c.names[0]"},
		{CERT("\"c\":{\"key\":\"../x\"}"), "certificates.c.key"},
		{CERT("\"c\":{\"key\":\"etc/f\"}"), "certificates.c.key"},
		{CERT("\"c\":{\"key\":\"etc/f/g\"}"), "certificates.c.key"},
		{CERT("\"c\":{\"chain\":\"etc/tls/c.key\"}"), "certificates.c.chain"},
		{CERT("\"c\":{\"roots\":\"etc\"}"), "certificates.c.roots"},
		{CERT("\"b\":{},\"c\":{\"key\":\"etc/tls/b.pem\"}"), "certificates.c.key"},
		{CERT("\"c\":{\"reload\":\"x\"}"), "certificates.c.reload"},
		{CERT("\"c\":{\"services\":[\"x\"]}"), "certificates.c.services[0]"},
		{CERT("\"c\":{\"reload\":\"signal\",\"services\":[\"s\"]}"),
		 "certificates.c.services[0]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_spec spec;
		struct err e = ERR_INIT;
		assert_int_equal(profile_spec_read(str_from(cases[i].text), *state, &spec, &e),
				 -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
	}
}

static void bad_specs_name_the_path(void **state)
{
	struct arena *a = *state;
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"[]", ""},
		{"{\"service\":{}}", "service"},
		{"{\"services\":{\"s\":{}}}", "services.s.exec"},
		{"{\"services\":{\"s\":{\"exec\":[]}}}", "services.s.exec"},
		{"{\"services\":{\"s\":{\"exec\":[\"s\"]}}}", "services.s.exec[0]"},
		{"{\"services\":{\"s\":{\"exec\":[\"/s\",1]}}}", "services.s.exec[1]"},
		{"{\"services\":{\"S\":{\"exec\":[\"/s\"]}}}", "services.S"},
		{SERVICE(",\"env\":{\"A-B\":\"\"}"), "services.s.env.A-B"},
		{SERVICE(",\"after\":[\"x\"]"), "services.s.after[0]"},
		{SERVICE(",\"after\":[\"s\"]"), "services.s.after"},
		{SERVICE(",\"ready\":{}"), "services.s.ready"},
		{SERVICE(",\"ready\":{\"tcp\":{\"port\":1},\"file\":\"x\"}"),
		 "services.s.ready"},
		{SERVICE(",\"ready\":{\"tcp\":{\"port\":0}}"), "services.s.ready.tcp.port"},
		{SERVICE(",\"ready\":{\"file\":\"../x\"}"), "services.s.ready.file"},
		{SERVICE(",\"ready\":{\"exec\":[\"x\"]}"), "services.s.ready.exec[0]"},
		{SERVICE(",\"stop_signal\":\"SIGSTOP\""), "services.s.stop_signal"},
		{SERVICE(",\"limits\":{\"memory_mib\":-1}"), "services.s.limits.memory_mib"},
		{SERVICE(",\"limits\":{\"cpus\":\"1\"}"), "services.s.limits.cpus"},
		{"{\"services\":{\"a\":{\"exec\":[\"/"
		 "s\"],\"after\":[\"b\"]},\"b\":{\"exec\":[\"/s\"],\"after\":"
		 "[\"a\"]}}}",
		 "services.a.after"},
		{"{\"setup\":[{\"name\":\"a\",\"exec\":[\"/a\"]},{\"name\":\"a\",\"exec\":[\"/"
		 "a\"]}]}",
		 "setup[1].name"},
		{"{\"setup\":[{\"name\":\"a\",\"exec\":[\"a\"]}]}", "setup[0].exec[0]"},
		{"{\"setup\":[{\"exec\":[\"/a\"]}]}", "setup[0].name"},
		{FILE_("/etc/passwd", "\"\""), "files[\"/etc/passwd\"]"},
		{FILE_("a/../../b", "\"\""), "files[\"a/../../b\"]"},
		{FILE_("a/./b", "\"\""), "files[\"a/./b\"]"},
		{FILE_("", "\"\""), "files[\"\"]"},
		{FILE_("a", "1"), "files.a"},
		{FILE_("a", "{\"text\":\"\",\"mode\":\"4755\"}"), "files.a.mode"},
		{FILE_("a", "{\"text\":\"\",\"mode\":\"0800\"}"), "files.a.mode"},
		{FILE_("a", "{\"text\":\"\",\"reload\":\"later\"}"), "files.a.reload"},
		{FILE_("a", "{\"text\":\"\",\"services\":[\"x\"]}"),
		 "files[\"a\"].services[0]"},
		{FILE_("a", "{\"text\":\"\",\"reload\":\"signal\",\"services\":[\"s\"]}"),
		 "files[\"a\"].services[0]"},
		{"{\"files\":{\"a\":\"\",\"a.b\":\"\",\"a/b\":\"\"}}", "files[\"a\"]"},
		{PROMISE("{}"), "promises.p"},
		{PROMISE("{\"tcp\":{\"port\":1},\"process\":{\"service\":\"s\"}}"),
		 "promises.p"},
		{PROMISE("{\"tcp\":{\"port\":1,\"host\":\"evil.example\"}}"),
		 "promises.p.tcp.host"},
		{PROMISE("{\"http\":{\"url\":\"file:///etc/passwd\"}}"), "promises.p.http.url"},
		{PROMISE("{\"exec\":{\"command\":[\"x\"]}}"), "promises.p.exec.command[0]"},
		{PROMISE("{\"file\":{\"path\":\"/x\"}}"), "promises.p.file.path"},
		{PROMISE("{\"process\":{\"service\":\"x\"}}"), "promises.p.process.service"},
		{PROMISE("{\"tcp\":{\"port\":1},\"repair\":{\"restart\":\"x\"}}"),
		 "promises.p.repair.restart"},
		{PROMISE("{\"tcp\":{\"port\":1},\"period_seconds\":0}"),
		 "promises.p.period_seconds"},
		{"{\"publish\":{\"url\":1}}", "publish.url"},
		{"{\"requests\":{\"r\":{}}}", "requests.r.release"},
		{"{\"requests\":{\"r\":{\"release\":\"x\",\"state\":\"paused\"}}}",
		 "requests.r.state"},
		{"{\"ports\":{\"p\":{\"port\":1,\"protocol\":\"xxx\"}}}", "ports.p.protocol"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile_spec s;
		struct err e = ERR_INIT;
		int rc = profile_spec_read(str_from(cases[i].text), a, &s, &e);
		if (rc != -1 || e.kind != ERR_INVALID || strcmp(e.field, cases[i].field) != 0)
			fail_msg("%s: rc %d, field \"%s\", wanted \"%s\": %s", cases[i].text,
				 rc, e.field, cases[i].field, e.text);
	}
}

static void a_spec_that_is_not_json_is_invalid(void **state)
{
	struct profile_spec s;
	struct err e = ERR_INIT;
	assert_int_equal(profile_spec_read(S("{\"files\":"), *state, &s, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
}

int main(void)
{
#define WITH_ARENA(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_ARENA(a_manifest_is_read),
		WITH_ARENA(bad_manifests_name_the_field),
		WITH_ARENA(parameters_get_defaults_or_a_path),
		WITH_ARENA(what_is_published_fits_the_connection),
		WITH_ARENA(a_spec_is_read_with_defaults),
		WITH_ARENA(an_empty_spec_is_a_spec),
		WITH_ARENA(bad_specs_name_the_path),
		WITH_ARENA(bad_certificates_name_the_path),
		WITH_ARENA(a_spec_that_is_not_json_is_invalid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
