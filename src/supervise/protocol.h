/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What is said on the supervisor's socket: one JSON object a line.
 *
 *     → {"serial": 7, "verb": "start", "service": {"id": "p0/postgres", "partition": "p0", …}}
 *     ← {"serial": 7, "outcome": "started", "pid": 4711}
 *     ← {"serial": 7, "error": {"kind": "invalid", "field": "service.id", "text": "…"}}
 *     ← {"event": "exited", "id": "p0/postgres", "pid": 4711, "signal": 9, "at_ms": …}
 *
 * Replies carry the serial of their request and may come in another order. Events come to those
 * who subscribed. A line has at most SUPERVISE_LINE_MAX bytes either way. The structs below are
 * the messages; a field table each (protocol.c) reads and writes them. Text in them is
 * borrowed: from the caller when sent, from the reader's arena when received.
 *
 * verb            fields                        outcome
 * hello           –                             hello: {…}
 * start           service                       started | unchanged | restarted, pid
 * stop            id                            stopped | unchanged       (after it ended)
 * signal          id, signal                    done
 * restart         id                            restarted, pid            (fresh back-off)
 * remove          id                            removed | unchanged       (stops, then forgets)
 * kill_partition  partition                     done                      (no process is left)
 * run             run                           result: {…}
 * list            partition (may be left out)   services: [{…}]          (of it, or all)
 * usage           partition                     usage: {…}
 * subscribe       –                             done
 * shutdown        stop_services                 done                      (then the socket
 * closes)
 */
#include "base/arena.h"

enum {
	SUPERVISE_VERSION = 1,
	SUPERVISE_LINE_MAX = 2 << 20,
	SUPERVISE_SERVICES_MAX = 8192,
	SUPERVISE_CLIENTS_MAX = 64,
	SUPERVISE_OUTPUT_MAX = 256 << 10,
	SUPERVISE_RUNS_MAX = 64,
};

enum supervise_verb {
	SUPERVISE_HELLO,
	SUPERVISE_START,
	SUPERVISE_STOP,
	SUPERVISE_SIGNAL,
	SUPERVISE_RESTART,
	SUPERVISE_REMOVE,
	SUPERVISE_KILL_PARTITION,
	SUPERVISE_RUN,
	SUPERVISE_LIST,
	SUPERVISE_USAGE,
	SUPERVISE_SUBSCRIBE,
	SUPERVISE_SHUTDOWN,
	SUPERVISE_VERBS,
};

/*
 * What a service is. `start` of what runs changes nothing if the bytes of config.json, the log
 * and the network namespace are the same (a difference in the other members is taken over on
 * the fly: "unchanged"); else the service is restarted.
 */
struct supervise_spec {
	struct str id;	   /* "PARTITION/NAME", each [a-z0-9][a-z0-9_.-]*, at most 63 bytes */
	struct str bundle; /* absolute directory that holds config.json */
	struct str netns;  /* absolute path of a network namespace to start in; empty: as
			      config.json  says. Opened in the host's mount namespace */
	struct str log; /* absolute file for stdout and stderr; empty: /dev/null. It is opened
			   as root: its directory belongs to root, not to the partition */
	int64_t log_max_bytes; /* 65,536 … 1 GiB; 0: 10 MiB. The older half is dropped there */
	int64_t log_uid;       /* owner of a log file made here (host uid); 0: root */
	struct str stop_signal; /* "SIGTERM" if empty */
	int64_t stop_seconds;	/* 1 … 3,600, then SIGKILL; 0: 10 */
	int64_t backoff_min_ms; /* wait before the second respawn in a row; 0: 100 */
	int64_t backoff_max_ms; /* 0: 30,000 */
	int64_t steady_ms; /* having run that long, the next respawn is at once; 0: 10,000 */
	bool standby;	   /* keep a created container ready: respawn by one write */
};

/* A one-shot container: a setup step, a command of a promise. */
struct supervise_run_spec {
	struct str partition;
	struct str bundle;	  /* as above; removed by its owner, not here */
	struct str netns;	  /* as above */
	int64_t timeout_ms;	  /* 1 … 3,600,000; then SIGKILL */
	int64_t output_max_bytes; /* ≤ SUPERVISE_OUTPUT_MAX; the end is kept, the beginning
				     dropped */
	struct str log; /* output goes to this file as well if not empty; root's directory */
};

struct supervise_request {
	enum supervise_verb verb;
	int64_t serial;			/* set by the client */
	struct supervise_spec *service; /* start */
	struct supervise_run_spec *run; /* run */
	struct str id;
	struct str partition;
	struct str signal; /* "SIGHUP" */
	bool stop_services;
};

enum supervise_outcome {
	SUPERVISE_DONE,
	SUPERVISE_STARTED,
	SUPERVISE_UNCHANGED,
	SUPERVISE_RESTARTED,
	SUPERVISE_STOPPED,
	SUPERVISE_REMOVED,
	SUPERVISE_OUTCOMES,
};

enum supervise_state {
	SUPERVISE_DOWN,	    /* not wanted: stopped by request */
	SUPERVISE_STARTING, /* its container is being made */
	SUPERVISE_UP,
	SUPERVISE_BACKOFF,  /* ended by itself; waits to be started again */
	SUPERVISE_STOPPING, /* asked to end */
	SUPERVISE_STATES,
};

struct supervise_hello {
	int64_t version; /* SUPERVISE_VERSION */
	int64_t pid;
	int64_t started_at_ms;
	/*
	 * What this host gives, words separated by one space, sorted: cgroup.kill cgroup2
	 * cgroup2.cpu cgroup2.io cgroup2.memory cgroup2.pids netns pidfd seccomp userns.
	 * Without cgroup2 usage is summed from /proc.
	 */
	struct str capabilities;
	struct str crun; /* version */
};

struct supervise_status {
	struct str id;
	enum supervise_state state;
	int64_t pid;	       /* 0 if none */
	int64_t started_at_ms; /* of the present process */
	int64_t respawns;      /* since the last start by request */
	int64_t exit_code;     /* of the last end; -1: by a signal or none yet */
	int64_t signal;	       /* of the last end, or 0 */
	bool adopted;	       /* survived an earlier supervisor */
	bool standby;	       /* a created container waits for the next respawn */
	struct str message;    /* why the last start failed, or empty */
};

struct supervise_usage {
	int64_t cpu_usec; /* since the supervisor first knew the partition; never goes back */
	int64_t memory_bytes; /* now: memory.current, or the sum of proportional set sizes */
	int64_t processes;    /* now */
	struct str source;    /* "cgroup", "cgroup+proc" or "proc" */
};

struct supervise_result {
	int64_t exit_code; /* 0 … 255, or -1 */
	int64_t signal;
	bool timed_out;
	bool is_cut;
	struct str output; /* UTF-8; other bytes were replaced by '?' */
	int64_t took_ms;
};

struct supervise_reply {
	int64_t serial;
	enum supervise_outcome outcome;
	int64_t pid;
	struct supervise_hello *hello; /* hello, else NULL; and so on */
	struct supervise_usage *usage;
	struct supervise_result *result;
	struct supervise_status *services;
	size_t service_count;
	struct err error; /* kind ERR_NONE if none */
};

enum supervise_event_kind {
	SUPERVISE_EVENT_STARTED,   /* by request: pid */
	SUPERVISE_EVENT_EXITED,	   /* by itself: pid, exit_code or signal */
	SUPERVISE_EVENT_RESPAWNED, /* pid, after_ms = from end to new process */
	SUPERVISE_EVENT_BACKOFF,   /* after_ms = until the next attempt */
	SUPERVISE_EVENT_FAILED,	   /* could not be started: message; a BACKOFF follows */
	SUPERVISE_EVENT_STOPPED,   /* by request */
	SUPERVISE_EVENT_ADOPTED,   /* pid */
	SUPERVISE_EVENT_KINDS,
};

struct supervise_event {
	enum supervise_event_kind kind;
	struct str id;
	int64_t pid;
	int64_t exit_code; /* -1: by a signal, or not an end */
	int64_t signal;
	int64_t after_ms;
	int64_t at_ms; /* wall clock */
	struct str message;
};

/* The words on the wire and in `hoc node status`; never NULL. */
const char *supervise_state_name(enum supervise_state s);
const char *supervise_event_name(enum supervise_event_kind k);
const char *supervise_outcome_name(enum supervise_outcome o);

/* Each appends one line without LF; buf_check(out) tells. */
void supervise_request_write(const struct supervise_request *rq, struct buf *out);
void supervise_reply_write(const struct supervise_reply *r, struct buf *out);
void supervise_event_write(const struct supervise_event *ev, struct buf *out);
/* A request; unknown keys, bad and missing values are ERR_INVALID naming their path. */
MUST int supervise_request_read(struct str line, struct arena *a, struct supervise_request *out,
				struct err *e);
/* A line from the supervisor: 0 and *reply, or 1 and *event. */
MUST int supervise_answer_read(struct str line, struct arena *a, struct supervise_reply *reply,
			       struct supervise_event *event, struct err *e);

/* "SIGTERM" → 15; 0 if unknown. "SIGRTMIN+3" is known too. */
int supervise_signal_number(struct str name);
/* One half of an id: [a-z0-9][a-z0-9_.-]*, at most 63 bytes. */
bool supervise_is_name(struct str s);
/* The part before '/' of a valid id. */
struct str supervise_partition_of(struct str id);
