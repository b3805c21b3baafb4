/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a profile says, as C values: the manifest (what the product is) and the spec of an
 * instance (what a node must make true). Both are closed: an unknown member is an error that
 * names its path. Whatever a stranger can write has a maximum.
 *
 * Everything points into the arena given. No state: any thread.
 */
#include "json/desc.h"

enum {
	SPEC_NAME_MAX = 63, /* names of types, services, steps, promises: [a-z0-9][a-z0-9_-]* */
	SPEC_TYPES_MAX = 32,
	SPEC_PACKAGES_MAX = 256,
	SPEC_SECRETS_MAX = 32,
	SPEC_FILES_MAX = 256,
	SPEC_FILE_TEXT_MAX = 256 << 10,
	SPEC_STEPS_MAX = 32,
	SPEC_SERVICES_MAX = 32,
	SPEC_PROMISES_MAX = 64,
	SPEC_ARGS_MAX = 128,
	SPEC_ENV_MAX = 64,
	SPEC_PUBLISH_MAX = 64,
	SPEC_REQUESTS_MAX = 32,
	SPEC_PORTS_MAX = 64,
	SPEC_CERTIFICATES_MAX = 16,
	SPEC_CERTIFICATE_NAMES_MAX = 32,
	SPEC_STRING_MAX = 16 << 10, /* any other text */
};

struct spec_list {
	struct str *items;
	size_t count;
};

struct spec_pairs {
	struct json_pair *items; /* sorted by key */
	size_t count;
};

/* ---- manifest ---- */

struct spec_secret {
	struct str name;
	int64_t length; /* characters of [A-Za-z0-9]; 8 … 256 */
};

struct spec_type {
	struct str name;
	struct str title;	      /* "" if none */
	struct str parameters_schema; /* JSON text; closed object unless the profile says
					 otherwise */
	struct str connection_schema; /* JSON text */
	/* Members of both that are secret (profile/secrets.h). */
	struct spec_list secret_parameters, secret_connection;
	struct spec_secret *secrets;
	size_t secret_count;
	struct spec_list usage; /* metric names */
	bool is_shared;		/* hosts shared instances */
};

struct spec_software {
	/* debian: packages of one suite. The only kind yet. */
	struct str suite;	   /* "bookworm" */
	struct spec_list packages; /* as written in the profile, without duplicates, sorted */
	struct spec_pairs files; /* path in the root → text, written before packages beyond the
				  * essential ones are installed (what their scripts read) */
	struct str mirror;	 /* "": the node's own sources */
};

struct profile_manifest {
	struct str name, title, category, description, homepage;
	struct spec_software software;
	struct spec_type *types; /* sorted by name */
	size_t type_count;
};

/* Reads the manifest that profile_eval_manifest gave. ERR_INVALID with the path. */
MUST int profile_manifest_read(struct str json, struct arena *a, struct profile_manifest *out,
			       struct err *e);
/* The type called `name` ("" means "default"), or NULL. */
const struct spec_type *profile_manifest_type(const struct profile_manifest *m,
					      struct str name);

/*
 * Checks `parameters` (JSON text of an object; "" means {}) against the type's schema and gives
 * them with defaults filled in (canonical JSON text).
 * ERR_INVALID with the path of the first bad one: "parameters.port".
 */
MUST int profile_parameters_check(const struct spec_type *t, struct str parameters,
				  struct arena *a, struct str *out, struct err *e);
/*
 * Checks what an instance publishes (JSON text of an object of strings) against the type's
 * connection schema: "publish.url".
 */
MUST int profile_connection_check(const struct spec_type *t, const struct spec_pairs *publish,
				  struct arena *a, struct err *e);

/* ---- instance ---- */

/* What a change of a file does to services. Unsaid it is restart: safe for any program. */
enum spec_reload { SPEC_RELOAD_NONE, SPEC_RELOAD_RESTART, SPEC_RELOAD_SIGNAL };

struct spec_file {
	struct str path; /* relative to /hoc, valid and without ".." */
	struct str text;
	unsigned mode;		   /* 0600 unless said otherwise; no set-id bits */
	enum spec_reload reload;   /* what a change of the text does to `services` … */
	struct spec_list services; /* … none named: to all of them (that can, if SIGNAL) */
};

struct spec_step {
	struct str name;
	struct spec_list exec; /* at least one; [0] is an absolute path in the release */
	struct spec_pairs env;
	bool is_once; /* remembered durably by name after its success */
};

enum spec_ready_kind {
	SPEC_READY_NONE, /* running is ready */
	SPEC_READY_TCP,
	SPEC_READY_EXEC,
	SPEC_READY_FILE,
};

struct spec_ready {
	enum spec_ready_kind kind;
	int64_t port;	       /* TCP, on the partition's IPv4 */
	struct spec_list exec; /* EXEC: exits 0 when ready */
	struct str file;       /* FILE: exists when ready, relative to /hoc */
};

struct spec_limits {
	int64_t memory_mib; /* 0: none */
	int64_t cpu_milli;  /* thousandths of a CPU; 0: none ("cpus": 0.5 is 500) */
	int64_t pids;	    /* 0: none */
};

struct spec_service {
	struct str name;
	struct spec_list exec;
	struct spec_pairs env;
	struct spec_list after; /* names of services that must be ready first; no cycles */
	struct spec_ready ready;
	int64_t ready_seconds; /* 30 */
	int reload_signal;     /* signal number; 0: it has none */
	int stop_signal;       /* SIGTERM */
	int64_t stop_seconds;  /* 10; then SIGKILL */
	bool has_standby;      /* true: a container waits to take over at once (0.3 MiB) */
	struct spec_limits limits;
};

enum spec_promise_kind {
	SPEC_PROMISE_TCP,
	SPEC_PROMISE_HTTP,
	SPEC_PROMISE_EXEC,
	SPEC_PROMISE_FILE,
	SPEC_PROMISE_PROCESS,
};

struct spec_promise {
	struct str name;
	enum spec_promise_kind kind;
	struct str host;	  /* TCP: an address; "" is the partition's IPv4 */
	int64_t port;		  /* TCP */
	struct str url;		  /* HTTP: http://… */
	int64_t status;		  /* HTTP: 200 */
	struct str contains;	  /* HTTP, FILE: "" is anything */
	struct spec_list command; /* EXEC: run inside the instance, exits 0 when kept */
	struct str path;	  /* FILE: relative to /hoc */
	struct str service;	  /* PROCESS: name of one of the services */
	int64_t period_seconds;	  /* 60 */
	int64_t timeout_seconds;  /* 5 */
	int64_t failures;	  /* anomaly window: so many bad results in a row break it; 1 */
	bool is_test;		  /* gates the deployment; true */
	bool is_anomaly;	  /* watched in the steady state; true */
	struct str repair_restart; /* service to restart when broken; "" none */
};
/* The word of the profile: "tcp". */
const char *spec_promise_kind_name(enum spec_promise_kind kind);

struct spec_request {
	struct str name;
	struct str release;    /* as written: NAME, NAME@PREFIX or URI */
	struct str type;       /* "default" */
	struct str parameters; /* JSON text of an object */
	struct str where;      /* JSON text of an object */
	bool is_shared;
	struct str state; /* "started", "stopped" or "destroyed" */
};

struct spec_port {
	struct str name;
	int64_t port;
	struct str protocol; /* "tcp" or "udp" */
};

/* A certificate of the cloud's authority services. Its key is made in the partition. */
struct spec_certificate {
	struct str name;
	struct spec_list names;	 /* DNS names and addresses; none: the instance's own name */
	struct str key, chain;	 /* files relative to /hoc: "etc/tls/NAME.key", "….pem" */
	struct str roots;	 /* file for the roots to believe; "" none */
	enum spec_reload reload; /* what a fresh chain does to `services`, as with files */
	struct spec_list services;
};

/* Arrays are sorted by name (files: by path); setup keeps the order of the profile. */
struct profile_spec {
	struct spec_file *files;
	size_t file_count;
	struct spec_step *setup;
	size_t step_count;
	struct spec_service *services;
	size_t service_count;
	struct spec_promise *promises;
	size_t promise_count;
	struct spec_pairs publish;
	struct spec_request *requests;
	size_t request_count;
	struct spec_port *ports;
	size_t port_count;
	struct spec_certificate *certificates;
	size_t certificate_count;
};

/*
 * Reads and fully validates what profile_eval_instance gave: names, limits, references between
 * services, promises and files. ERR_INVALID with the path, e.g. "services.postgres.exec[0]".
 */
MUST int profile_spec_read(struct str json, struct arena *a, struct profile_spec *out,
			   struct err *e);
/* The service called `name`, or NULL. */
const struct spec_service *profile_spec_service(const struct profile_spec *s, struct str name);
