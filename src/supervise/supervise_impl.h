/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Shared inside the room: the supervisor and its parts.
 *
 *     supervise.c  start, signals, end          server.c  clients, requests, events
 *     service.c    one service's life           run.c     one-shot containers
 *     state.c      the wanted set on disk       launch.c  crun
 *
 * A change of the wanted set is applied in memory, saved by a pool thread (several changes in one
 * write), and acted upon when it is on disk: service.action waits for that.
 */
#include "ev/stream.h"
#include "supervise/cgroup.h"
#include "supervise/launch.h"
#include "supervise/respawn.h"
#include "supervise/supervise.h"

enum { PATH_BYTES = 4096, HASH_SIZE = 17, SPEC_ARENA = 64 << 10 };

struct supervisor;

/* Someone waits for a service to settle. */
struct waiter {
	struct waiter *next;
	uint64_t client;
	int64_t serial;
	enum supervise_outcome outcome; /* what to answer when it did */
	bool is_for_up;			/* else for down */
};

enum service_action { ACTION_NONE, ACTION_START, ACTION_STOP, ACTION_REMOVE };

/* A created container, or one that is thrown away and not yet gone. */
struct standby {
	struct service *service; /* NULL: thrown away */
	struct supervisor *sv;
	struct standby *next;
	struct launch *launch;
	struct ev_watch *watch;
	int pid, pidfd;
	char name[LAUNCH_NAME_SIZE], hash[HASH_SIZE];
};

struct service {
	struct service *next;
	struct supervisor *sv;
	struct arena *arena; /* of spec */
	struct supervise_spec spec;
	struct respawn r;
	struct launch *launch;
	struct ev_watch *watch, *timer, *standby_timer;
	struct standby *standby;
	int pid, pidfd;				      /* 0, -1: none */
	char name[LAUNCH_NAME_SIZE], hash[HASH_SIZE]; /* what runs or is launched */
	struct waiter *waiters;
	enum service_action action; /* once the state of `generation` is on disk */
	uint64_t generation;
	bool is_wanted;	 /* as on disk */
	bool is_leaving; /* removed as soon as it is down */
	bool is_adopted, is_respawn;
	int64_t started_at_ms, ended_mono_ms, respawns;
	int exit_code, signum;
	char message[ERR_TEXT_MAX];
};

struct client {
	struct client *next;
	struct supervisor *sv;
	struct ev_stream *stream;
	uint64_t id;
	bool is_subscribed;
};

struct run;
struct kill_op;

struct supervisor {
	struct ev *ev;
	const struct supervise_options *o;
	const struct rng *rng;
	struct cgroups *cgroups;
	struct crun *crun;
	struct launch_place place;
	char dir[PATH_BYTES], socket[PATH_BYTES], state_path[PATH_BYTES], crun_root[PATH_BYTES],
		scratch[PATH_BYTES], crun_version[64];
	struct ev_listener *listener;
	struct client *clients;
	size_t client_count;
	uint64_t last_client;
	struct service *services;
	size_t service_count;
	struct standby *standbys;
	struct run *runs;
	size_t run_count;
	struct kill_op *kills;
	size_t launches; /* under way */
	size_t jobs;	 /* in the pool, beside the saving of state */
	int64_t started_at_ms;
	uint64_t changed, saved; /* generations of the wanted set */
	bool is_saving;
	enum { END_NOT, END_LEAVE, END_STOP, END_AGAIN } end;
	struct ev_watch *log_timer, *bury_timer;
};

/* ---- service.c ---- */
struct service *service_find(struct supervisor *sv, struct str id);
/* A service from a spec, which is copied. Not wanted, down. */
MUST int service_new(struct supervisor *sv, const struct supervise_spec *spec,
		     struct service **out, struct err *e);
void service_free(struct service *s);
MUST int service_take_spec(struct service *s, const struct supervise_spec *spec, struct err *e);
/* Feeds the rules and does what they say. */
void service_feed(struct service *s, enum respawn_input input);
/* Does the action that waited for the disk. */
void service_act(struct service *s);
/* Takes over a container that runs already. */
MUST int service_adopt(struct service *s, const struct launch_record *r, struct err *e);
/* Fingerprint of what a launch now would run: config.json, log, netns. */
MUST int service_hash(const struct supervise_spec *spec, char out[static HASH_SIZE],
		      struct err *e);
void service_kill(struct service *s);
void service_drop_standby(struct service *s);
/* Answers those who waited for what is now so. */
void service_settle(struct service *s, const struct err *failed);
MUST int service_wait(struct service *s, uint64_t client, int64_t serial, bool is_for_up,
		      enum supervise_outcome outcome, struct err *e);

/* ---- state.c ---- */
/* Marks the wanted set as changed and has it saved; returns the generation that will hold it. */
uint64_t state_change(struct supervisor *sv);
MUST int state_load(struct supervisor *sv, struct err *e);

/* ---- run.c ---- */
MUST int run_start(struct supervisor *sv, uint64_t client, int64_t serial,
		   const struct supervise_run_spec *spec, struct err *e);
void run_kill_partition(struct supervisor *sv, struct str partition);
size_t run_count_of(const struct supervisor *sv, struct str partition);
void run_free_all(struct supervisor *sv);

/* ---- server.c ---- */
MUST int server_start(struct supervisor *sv, struct err *e);
void server_stop(struct supervisor *sv);
void server_reply(struct supervisor *sv, uint64_t client, const struct supervise_reply *reply);
void server_fail(struct supervisor *sv, uint64_t client, int64_t serial, const struct err *why);
void server_event(struct supervisor *sv, const struct supervise_event *event);
/* After the state was saved, and when a service went. */
void server_look_at_kills(struct supervisor *sv);

/* ---- supervise.c ---- */
/* A launch ended, a service went down: perhaps the supervisor may end now, or bury one. */
void supervisor_look_at_end(struct supervisor *sv);
/* Opens what a launch needs; a failure closes all. */
struct launch_fds {
	int out, cgroup, netns;
};
MUST int supervisor_open_place(struct supervisor *sv, struct str partition, struct str netns,
			       struct launch_fds *out, struct err *e);
void launch_fds_close(struct launch_fds *fds);
