/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside of the doer: life (doer.c), steps (doer_step.c), requests (doer_talk.c), builds
 * (doer_build.c), usage (doer_meter.c), the certificate (doer_renew.c), its own
 * issuer (doer_authority.c), what the supervisor
 * tells (doer_supervisor.c).
 */
#include "agent/doer.h"
#include "agent/meter.h"
#include "agent/talkers.h"
#include "ev/child.h"
#include "ev/stream.h"
#include "supervise/client.h"

enum { DOER_RELEASES_MAX = 256, DOER_TALKERS = 16, DOER_CLIENTS = 24 };

struct build {
	struct doer *doer;
	size_t slot;
	char *release, *dir, *bundle; /* bundle: canonical text, NULL until fetched */
	struct err error;
	struct ev_child *child;
	struct ev_stream *stream; /* lines of progress */
	bool is_child_done, is_stream_done, is_built;
	struct profile_progress progress;
	bool is_removal;
};

struct doer {
	struct ev *ev;
	struct crew *work, *talk;
	struct machine *machine;
	struct machine_world world;
	struct deploy deploy;
	struct netns_plan net;
	struct ndb *ndb;
	struct profile_eval *eval;
	struct supervise_client *supervisor;
	struct ev_watch *wake, *meter, *renew, *delegation;
	struct talkers *talkers; /* NULL: alone */
	struct keys *keys;
	struct renewal *renewal; /* under way, or NULL */
	unsigned renew_failures;
	int64_t renew_after_ms, delegation_after_ms;
	bool is_asking_delegation;
	struct part *parts;
	size_t part_count;
	struct build *builds[DOER_RELEASES_MAX];
	char *dir, *master, *program, *socket, *node;
	pthread_mutex_t meter_lock; /* one sample at a time */
	bool has_supervisor, was_supervisor_lost;
	size_t samplings; /* under way */
	int64_t meter_every_ms, poll_for_ms, outbox_count;
	unsigned steps_max;
	ev_fn *on_change, *on_lost;
	void *on_change_user, *on_lost_user;
};

void doer_changed(struct doer *d);
/* Effects of struct machine_world. */
void doer_send(void *user, uint64_t token, const struct machine_request *request);
void doer_flush(void *user);
void doer_release_step(void *user, size_t slot, enum plan_release_kind kind,
		       struct str release);

/* How long services that were just started may take until they are ready and tested. */
int64_t doer_patience_ms(const struct profile_spec *spec);
void doer_step(void *user, size_t slot, enum plan_step_kind kind,
	       const struct machine_wish *wish);

/* Rows in the outbox, for the status; -1: not known. Crew threads. */
int64_t doer_count_outbox(struct doer *d);
/* Something was put in the outbox, which now has `count` rows (-1: not known). Loop thread. */
void doer_outbox_filled(struct doer *d, int64_t count);
/* What the meter reads of a partition. */
struct meter_target meter_target_of(const struct part *p, struct str guid, bool is_running);
/* One sample at a time, from any thread. */
MUST int doer_sample(struct doer *d, const struct meter_target *targets, size_t count,
		     struct err *e);
/* The first reading of a fresh deployment: usage is counted from here. Loop thread. */
void doer_sample_first(struct doer *d, const struct part *p);
/* The timer's function: reads all that runs. */
void doer_meter_tick(void *user);

/* Handlers of the supervisor's client. */
void doer_supervisor_event(void *user, const struct supervise_event *event);
void doer_supervisor_connected(void *user, const struct supervise_hello *hello);
void doer_supervisor_lost(void *user, const struct err *why);
/* A service of the applied spec is not owned by the supervisor, as its list says. */
bool doer_misses_service(const struct part *p, const struct supervise_reply *reply);

/* Looks whether the node's certificate is to be renewed, now and from time to time. */
MUST int doer_renew_start(struct doer *d, struct err *e);
/* Looks whether an issuer is delegated to the node, and renews it, from time to time. */
MUST int doer_authority_start(struct doer *d, struct err *e);
void build_free(struct build *b);
