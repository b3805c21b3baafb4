/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The spec of an instance, read by table. Where JSON and C differ (a promise is one of five
 * kinds, readiness one of three, a file may be a bare text) the table fills a raw struct around
 * the public one, and a second step settles it. References are checked in spec_links.c.
 */
#include <signal.h>

#include "profile/spec_impl.h"

enum { SPEC_ERR_PATH = ERR_FIELD_MAX };

struct tcp_raw {
	struct str host;
	int64_t port;
};
struct http_raw {
	struct str url, contains;
	int64_t status;
};
struct exec_raw {
	struct spec_list command;
};
struct path_raw {
	struct str path, contains;
};
struct process_raw {
	struct str service;
};
struct repair_raw {
	struct str restart;
};
struct ready_raw {
	struct tcp_raw *tcp;
	struct spec_list exec;
	struct str file;
};
struct limits_raw {
	struct spec_limits l;
	double cpus;
};

struct file_raw {
	struct spec_file f;
	struct str mode;
};
struct service_raw {
	struct spec_service s;
	struct ready_raw *ready;
	struct limits_raw limits;
	struct str reload_signal, stop_signal;
};
struct promise_raw {
	struct spec_promise p;
	struct tcp_raw *tcp;
	struct http_raw *http;
	struct exec_raw *exec;
	struct path_raw *file;
	struct process_raw *process;
	struct repair_raw *repair;
};
struct request_raw {
	struct spec_request r;
	struct json *parameters, *where;
};
struct spec_raw {
	struct file_raw *files;
	struct spec_step *setup;
	struct service_raw *services;
	struct promise_raw *promises;
	struct spec_pairs publish;
	struct request_raw *requests;
	struct spec_port *ports;
	struct spec_certificate *certificates;
	size_t certificate_count;
	size_t file_count, step_count, service_count, promise_count, request_count, port_count;
};

static int check_state(struct str s, struct err *e)
{
	if (!str_is(s, "started") && !str_is(s, "stopped") && !str_is(s, "destroyed"))
		return err_fail(e, ERR_INVALID, "is not started, stopped or destroyed");
	return 0;
}

static int check_protocol(struct str s, struct err *e)
{
	return str_is(s, "tcp") || str_is(s, "udp")
		       ? 0
		       : err_fail(e, ERR_INVALID, "is not tcp or udp");
}

static int check_http_url(struct str s, struct err *e)
{
	return str_starts(s, S("http://"))
		       ? spec_check_url(s, e)
		       : err_fail(e, ERR_INVALID, "is not an http:// address");
}

/* clang-format off */
static const struct json_word reload_words[] = {
	{"none", SPEC_RELOAD_NONE}, {"restart", SPEC_RELOAD_RESTART}, {"signal", SPEC_RELOAD_SIGNAL}, {NULL, 0}};

#define NAME_LIST(T, m, key, max, help) \
	JSON_STRS(T, m.items, m.count, key, 0, max, 0, help, .max_bytes = SPEC_NAME_MAX, .check = spec_check_name)
#define COMMAND(T, m, key, flags, help) \
	JSON_STRS(T, m.items, m.count, key, 1, SPEC_ARGS_MAX, flags, help, .max_bytes = SPEC_STRING_MAX)
#define ENVIRONMENT(T, m) \
	JSON_PAIRS(T, m.items, m.count, "env", 0, SPEC_ENV_MAX, 0, "Environment variables.", \
		   .max_bytes = SPEC_STRING_MAX, .check_key = spec_check_env_name)

static const struct json_field file_fields[] = {
	JSON_STR(struct file_raw, f.text, "text", 0, SPEC_FILE_TEXT_MAX, JSON_REQUIRED, "Content."),
	JSON_STR(struct file_raw, mode, "mode", 4, 4, 0, "Permissions.", .check = spec_check_octal_mode,
		 .initial_text = "0600"),
	JSON_ENUM(struct file_raw, f.reload, "reload", reload_words, 0, "What a change does to services.",
		  .initial = SPEC_RELOAD_RESTART),
	NAME_LIST(struct file_raw, f.services, "services", SPEC_SERVICES_MAX, "Services that read it; none: all."),
};
static const struct json_desc file_desc = JSON_DESC(struct file_raw, file_fields, "File", "A file below /hoc.");

static const struct json_field step_fields[] = {
	JSON_STR(struct spec_step, name, "name", 1, SPEC_NAME_MAX, JSON_REQUIRED, "Name.", .check = spec_check_name),
	COMMAND(struct spec_step, exec, "exec", JSON_REQUIRED, "Program and arguments."),
	ENVIRONMENT(struct spec_step, env),
	JSON_BOOL(struct spec_step, is_once, "once", 0, "Never again after its success.", .initial = true),
};
static const struct json_desc step_desc = JSON_DESC(struct spec_step, step_fields, "Step",
	"A command that runs before services.");

static const struct json_field tcp_fields[] = {
	JSON_STR(struct tcp_raw, host, "host", 1, 60, 0, "Address; unsaid: the partition's IPv4.",
		 .check = spec_check_address, .initial_text = ""),
	JSON_I64(struct tcp_raw, port, "port", 1, 65535, JSON_REQUIRED, "Port."),
};
static const struct json_desc tcp_desc = JSON_DESC(struct tcp_raw, tcp_fields, "Tcp", "A connection is accepted.");

static const struct json_field ready_tcp_fields[] = {
	JSON_I64(struct tcp_raw, port, "port", 1, 65535, JSON_REQUIRED, "Port on the partition's IPv4."),
};
static const struct json_desc ready_tcp_desc = JSON_DESC(struct tcp_raw, ready_tcp_fields, "ReadyTcp",
	"A connection is accepted.");

static const struct json_field ready_fields[] = {
	JSON_STRUCT_PTR(struct ready_raw, tcp, struct tcp_raw, "tcp", &ready_tcp_desc, 0, "A port answers."),
	COMMAND(struct ready_raw, exec, "exec", 0, "A command exits with 0."),
	JSON_STR(struct ready_raw, file, "file", 1, 200, 0, "A file exists.", .check = spec_check_path),
};
static const struct json_desc ready_desc = JSON_DESC(struct ready_raw, ready_fields, "Ready",
	"How one knows that a service is ready.");

static const struct json_field limits_fields[] = {
	JSON_I64(struct limits_raw, l.memory_mib, "memory_mib", 1, 1 << 24, 0, "Memory in MiB."),
	JSON_REAL_NUMBER(struct limits_raw, cpus, "cpus", 0, 1024, 0, "CPUs, e.g. 0.5."),
	JSON_I64(struct limits_raw, l.pids, "pids", 1, 1 << 22, 0, "Processes and threads."),
};
static const struct json_desc limits_desc = JSON_DESC(struct limits_raw, limits_fields, "Limits",
	"What a service may use.");

static const struct json_field service_fields[] = {
	COMMAND(struct service_raw, s.exec, "exec", JSON_REQUIRED, "Program and arguments."),
	ENVIRONMENT(struct service_raw, s.env),
	NAME_LIST(struct service_raw, s.after, "after", SPEC_SERVICES_MAX, "Services that must be ready before."),
	JSON_STRUCT_PTR(struct service_raw, ready, struct ready_raw, "ready", &ready_desc, JSON_NULL_OK,
			"How one knows that it is ready."),
	JSON_I64(struct service_raw, s.ready_seconds, "ready_seconds", 1, 3600, 0, "Time to become ready.",
		 .initial = 30),
	JSON_STR(struct service_raw, reload_signal, "reload_signal", 1, 20, JSON_NULL_OK, "Makes it read its files.",
		 .check = spec_check_signal),
	JSON_STR(struct service_raw, stop_signal, "stop_signal", 1, 20, 0, "Makes it stop.",
		 .check = spec_check_signal, .initial_text = "SIGTERM"),
	JSON_I64(struct service_raw, s.stop_seconds, "stop_seconds", 0, 600, 0, "Time to stop.", .initial = 10),
	JSON_BOOL(struct service_raw, s.has_standby, "standby", 0, "Keep a container in waiting, to respawn at once.", .initial = true),
	JSON_STRUCT(struct service_raw, limits, struct limits_raw, "limits", &limits_desc, 0, "What it may use."),
};
static const struct json_desc service_desc = JSON_DESC(struct service_raw, service_fields, "Service",
	"A program that is kept running.");

static const struct json_field http_fields[] = {
	JSON_STR(struct http_raw, url, "url", 8, 1000, JSON_REQUIRED, "Address.", .check = check_http_url),
	JSON_I64(struct http_raw, status, "status", 100, 599, 0, "Expected status.", .initial = 200),
	JSON_STR(struct http_raw, contains, "contains", 0, 1000, 0, "Text in the body.", .initial_text = ""),
};
static const struct json_desc http_desc = JSON_DESC(struct http_raw, http_fields, "Http", "A page answers.");

static const struct json_field exec_fields[] = {
	COMMAND(struct exec_raw, command, "command", JSON_REQUIRED, "Program and arguments."),
};
static const struct json_desc exec_desc = JSON_DESC(struct exec_raw, exec_fields, "Exec", "A command exits with 0.");

static const struct json_field path_fields[] = {
	JSON_STR(struct path_raw, path, "path", 1, 200, JSON_REQUIRED, "Relative to /hoc.", .check = spec_check_path),
	JSON_STR(struct path_raw, contains, "contains", 0, 1000, 0, "Text in it.", .initial_text = ""),
};
static const struct json_desc path_desc = JSON_DESC(struct path_raw, path_fields, "FileExists", "A file exists.");

static const struct json_field process_fields[] = {
	JSON_STR(struct process_raw, service, "service", 1, SPEC_NAME_MAX, JSON_REQUIRED, "Service.",
		 .check = spec_check_name),
};
static const struct json_desc process_desc = JSON_DESC(struct process_raw, process_fields, "Process",
	"A service runs.");

static const struct json_field repair_fields[] = {
	JSON_STR(struct repair_raw, restart, "restart", 1, SPEC_NAME_MAX, JSON_REQUIRED, "Service to restart.",
		 .check = spec_check_name),
};
static const struct json_desc repair_desc = JSON_DESC(struct repair_raw, repair_fields, "Repair",
	"What to do when broken.");

static const struct json_field promise_fields[] = {
	JSON_STRUCT_PTR(struct promise_raw, tcp, struct tcp_raw, "tcp", &tcp_desc, 0, "A port answers."),
	JSON_STRUCT_PTR(struct promise_raw, http, struct http_raw, "http", &http_desc, 0, "A page answers."),
	JSON_STRUCT_PTR(struct promise_raw, exec, struct exec_raw, "exec", &exec_desc, 0, "A command works."),
	JSON_STRUCT_PTR(struct promise_raw, file, struct path_raw, "file", &path_desc, 0, "A file exists."),
	JSON_STRUCT_PTR(struct promise_raw, process, struct process_raw, "process", &process_desc, 0,
			"A service runs."),
	JSON_I64(struct promise_raw, p.period_seconds, "period_seconds", 1, 86400, 0, "Between checks.",
		 .initial = 60),
	JSON_I64(struct promise_raw, p.timeout_seconds, "timeout_seconds", 1, 300, 0, "Of a check.", .initial = 5),
	JSON_I64(struct promise_raw, p.failures, "failures", 1, 100, 0, "In a row that break it.", .initial = 1),
	JSON_BOOL(struct promise_raw, p.is_test, "test", 0, "Gates the deployment.", .initial = true),
	JSON_BOOL(struct promise_raw, p.is_anomaly, "anomaly", 0, "Watched afterwards.", .initial = true),
	JSON_STRUCT_PTR(struct promise_raw, repair, struct repair_raw, "repair", &repair_desc, JSON_NULL_OK,
			"What to do when broken."),
};
static const struct json_desc promise_desc = JSON_DESC(struct promise_raw, promise_fields, "Promise",
	"What the instance promises.");

static const struct json_field request_fields[] = {
	JSON_STR(struct request_raw, r.release, "release", 1, 200, JSON_REQUIRED, "NAME, NAME@PREFIX or URI."),
	JSON_STR(struct request_raw, r.type, "type", 1, SPEC_NAME_MAX, 0, "Type.", .check = spec_check_name,
		 .initial_text = "default"),
	JSON_TREE_OBJECT(struct request_raw, parameters, "parameters", JSON_NULL_OK, "Parameters."),
	JSON_TREE_OBJECT(struct request_raw, where, "where", JSON_NULL_OK, "Where it may be."),
	JSON_BOOL(struct request_raw, r.is_shared, "shared", 0, "A shared instance."),
	JSON_STR(struct request_raw, r.state, "state", 1, 20, 0, "State.", .check = check_state,
		 .initial_text = "started"),
};
static const struct json_desc request_desc = JSON_DESC(struct request_raw, request_fields, "ChildRequest",
	"An instance this one needs.");

static const struct json_field port_fields[] = {
	JSON_I64(struct spec_port, port, "port", 1, 65535, JSON_REQUIRED, "Port."),
	JSON_STR(struct spec_port, protocol, "protocol", 3, 3, 0, "tcp or udp.", .check = check_protocol,
		 .initial_text = "tcp"),
};
static const struct json_desc port_desc = JSON_DESC(struct spec_port, port_fields, "Port", "A port it listens on.");

static const struct json_field certificate_fields[] = {
	JSON_STRS(struct spec_certificate, names.items, names.count, "names", 0, SPEC_CERTIFICATE_NAMES_MAX, 0,
		  "DNS names and addresses; none: the instance's own name.", .max_bytes = 253, .check = spec_check_host),
	JSON_STR(struct spec_certificate, key, "key", 1, 200, 0, "File of the private key; unsaid: etc/tls/NAME.key.",
		 .check = spec_check_path),
	JSON_STR(struct spec_certificate, chain, "chain", 1, 200, 0,
		 "File of the certificate and what is above it; unsaid: etc/tls/NAME.pem.", .check = spec_check_path),
	JSON_STR(struct spec_certificate, roots, "roots", 1, 200, 0, "File of the roots to believe.",
		 .check = spec_check_path),
	JSON_ENUM(struct spec_certificate, reload, "reload", reload_words, 0, "What a fresh one does to services.",
		  .initial = SPEC_RELOAD_RESTART),
	NAME_LIST(struct spec_certificate, services, "services", SPEC_SERVICES_MAX,
		  "Services that read it; none: all."),
};
static const struct json_desc certificate_desc = JSON_DESC(struct spec_certificate, certificate_fields, "Certificate",
	"A certificate whose key is made where it is used.");

#define NAMED(m, count, M, name, key, desc, max, help, ...) \
	JSON_NAMED(struct spec_raw, m, count, M, name, key, desc, 0, max, 0, help, __VA_ARGS__)
static const struct json_field spec_fields[] = {
	NAMED(files, file_count, struct file_raw, f.path, "files", &file_desc, SPEC_FILES_MAX, "Files below /hoc.",
	      .check_key = spec_check_path),
	JSON_STRUCTS(struct spec_raw, setup, step_count, struct spec_step, "setup", &step_desc, 0, SPEC_STEPS_MAX, 0,
		     "Commands before services."),
	NAMED(services, service_count, struct service_raw, s.name, "services", &service_desc, SPEC_SERVICES_MAX,
	      "Programs that are kept running.", .check_key = spec_check_name),
	NAMED(promises, promise_count, struct promise_raw, p.name, "promises", &promise_desc, SPEC_PROMISES_MAX,
	      "What the instance promises.", .check_key = spec_check_name),
	JSON_PAIRS(struct spec_raw, publish.items, publish.count, "publish", 0, SPEC_PUBLISH_MAX, 0,
		   "Connection parameters.", .max_bytes = SPEC_STRING_MAX, .check_key = spec_check_name),
	NAMED(requests, request_count, struct request_raw, r.name, "requests", &request_desc, SPEC_REQUESTS_MAX,
	      "Instances this one needs.", .check_key = spec_check_name),
	NAMED(ports, port_count, struct spec_port, name, "ports", &port_desc, SPEC_PORTS_MAX, "Ports it listens on.",
	      .check_key = spec_check_name),
	NAMED(certificates, certificate_count, struct spec_certificate, name, "certificates", &certificate_desc,
	      SPEC_CERTIFICATES_MAX, "Certificates of its names.", .check_key = spec_check_name),
};
/* clang-format on */
static const struct json_desc spec_desc = JSON_DESC(
	struct spec_raw, spec_fields, "Spec", "What a node must make true for an instance.");

/* A bare text is short for {text: …}. */
static void widen_files(struct json *spec, struct arena *a)
{
	struct json *files = json_get(spec, S("files"));
	if (!json_is(files, JSON_IS_OBJECT))
		return;
	for (size_t i = 0; i < files->n; i++) {
		struct json *text = files->members[i].value;
		if (!json_is(text, JSON_IS_STR))
			continue;
		struct json *file = json_object_new(a);
		json_set(a, file, S("text"), text);
		files->members[i].value = file;
	}
}

static unsigned mode_of(struct str octal)
{
	unsigned mode = 0;
	for (size_t i = 0; i < octal.n; i++)
		mode = mode * 8 + (unsigned)(octal.p[i] - '0');
	return mode;
}

static int settle_ready(const struct service_raw *raw, struct spec_ready *out, struct err *e)
{
	char path[SPEC_ERR_PATH];
	const struct ready_raw *r = raw->ready;
	if (!r)
		return 0;
	(void)snprintf(path, sizeof path, "services.%" STR_F ".ready", STR_A(raw->s.name));
	if ((r->tcp != NULL) + (r->exec.count > 0) + (r->file.p != NULL) != 1)
		return err_field(e, path, "must have exactly one of tcp, exec and file");
	if (r->tcp)
		*out = (struct spec_ready){.kind = SPEC_READY_TCP, .port = r->tcp->port};
	else if (r->exec.count)
		*out = (struct spec_ready){.kind = SPEC_READY_EXEC, .exec = r->exec};
	else
		*out = (struct spec_ready){.kind = SPEC_READY_FILE, .file = r->file};
	return 0;
}

static int settle_service(const struct service_raw *raw, struct spec_service *out,
			  struct err *e)
{
	*out = raw->s;
	out->limits = raw->limits.l;
	out->limits.cpu_milli = (int64_t)(raw->limits.cpus * 1000 + 0.5);
	out->reload_signal = spec_signal_number(raw->reload_signal);
	out->stop_signal = spec_signal_number(raw->stop_signal);
	return settle_ready(raw, &out->ready, e);
}

static int settle_promise(const struct promise_raw *raw, struct spec_promise *out,
			  struct err *e)
{
	char path[SPEC_ERR_PATH];
	struct spec_promise p = raw->p;
	int kinds = 0;
	if (raw->tcp && ++kinds) {
		p.kind = SPEC_PROMISE_TCP;
		p.host = raw->tcp->host;
		p.port = raw->tcp->port;
	}
	if (raw->http && ++kinds) {
		p.kind = SPEC_PROMISE_HTTP;
		p.url = raw->http->url;
		p.status = raw->http->status;
		p.contains = raw->http->contains;
	}
	if (raw->exec && ++kinds) {
		p.kind = SPEC_PROMISE_EXEC;
		p.command = raw->exec->command;
	}
	if (raw->file && ++kinds) {
		p.kind = SPEC_PROMISE_FILE;
		p.path = raw->file->path;
		p.contains = raw->file->contains;
	}
	if (raw->process && ++kinds) {
		p.kind = SPEC_PROMISE_PROCESS;
		p.service = raw->process->service;
	}
	if (raw->repair)
		p.repair_restart = raw->repair->restart;
	(void)snprintf(path, sizeof path, "promises.%" STR_F, STR_A(p.name));
	if (kinds != 1)
		return err_field(e, path,
				 "must have exactly one of tcp, http, exec, file and process");
	*out = p;
	return 0;
}

static void settle_certificate(struct spec_certificate *c, struct arena *a)
{
	if (!c->key.n)
		c->key = arena_fmt(a, "etc/tls/%" STR_F ".key", STR_A(c->name));
	if (!c->chain.n)
		c->chain = arena_fmt(a, "etc/tls/%" STR_F ".pem", STR_A(c->name));
}

static struct str object_text(const struct json *tree, struct arena *a)
{
	return tree ? json_text(tree, a) : S("{}");
}

static int settle(const struct spec_raw *r, struct arena *a, struct profile_spec *s,
		  struct err *e)
{
	*s = (struct profile_spec){
		.file_count = r->file_count,
		.setup = r->setup,
		.step_count = r->step_count,
		.service_count = r->service_count,
		.promise_count = r->promise_count,
		.publish = r->publish,
		.request_count = r->request_count,
		.ports = r->ports,
		.port_count = r->port_count,
		.certificates = r->certificates,
		.certificate_count = r->certificate_count,
	};
	s->files = ARENA_ARRAY(a, struct spec_file, s->file_count);
	s->services = ARENA_ARRAY(a, struct spec_service, s->service_count);
	s->promises = ARENA_ARRAY(a, struct spec_promise, s->promise_count);
	s->requests = ARENA_ARRAY(a, struct spec_request, s->request_count);
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < s->file_count; i++) {
		s->files[i] = r->files[i].f;
		s->files[i].mode = mode_of(r->files[i].mode);
	}
	for (size_t i = 0; i < s->service_count; i++)
		if (settle_service(&r->services[i], &s->services[i], e) < 0)
			return -1;
	for (size_t i = 0; i < s->promise_count; i++)
		if (settle_promise(&r->promises[i], &s->promises[i], e) < 0)
			return -1;
	for (size_t i = 0; i < s->request_count; i++) {
		s->requests[i] = r->requests[i].r;
		s->requests[i].parameters = object_text(r->requests[i].parameters, a);
		s->requests[i].where = object_text(r->requests[i].where, a);
	}
	for (size_t i = 0; i < s->certificate_count; i++)
		settle_certificate(&s->certificates[i], a);
	return arena_check(a, e);
}

MUST int profile_spec_read(struct str json, struct arena *a, struct profile_spec *out,
			   struct err *e)
{
	struct json *tree;
	struct spec_raw raw;
	struct profile_spec s;
	if (json_parse(json, a, &tree, e) < 0)
		return -1;
	widen_files(tree, a);
	if (arena_check(a, e) < 0 || json_read_tree(&spec_desc, tree, S(""), a, &raw, e) < 0 ||
	    settle(&raw, a, &s, e) < 0 || spec_check_links(&s, e) < 0)
		return -1;
	*out = s;
	return 0;
}

const struct spec_service *profile_spec_service(const struct profile_spec *s, struct str name)
{
	for (size_t i = 0; i < s->service_count; i++)
		if (str_eq(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

const char *spec_promise_kind_name(enum spec_promise_kind kind)
{
	static const char *const names[] = {
		[SPEC_PROMISE_TCP] = "tcp",	    [SPEC_PROMISE_HTTP] = "http",
		[SPEC_PROMISE_EXEC] = "exec",	    [SPEC_PROMISE_FILE] = "file",
		[SPEC_PROMISE_PROCESS] = "process",
	};
	return names[kind];
}
