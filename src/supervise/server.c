/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Clients, their requests, events to those who subscribed.
 *
 * Clients are named by number, not by pointer: an answer may come long after its request, and its
 * client may be gone. A client that does not read its events is cut off; it connects again and
 * lists.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervise/proc.h"
#include "supervise/supervise_impl.h"

enum {
	REQUEST_ARENA = 8 << 20,
	OUT_BYTES = 8 << 20,
	KILL_DEADLINE_MS = 10000,
	KILL_LOOK_MS = 10,
	INITS_MAX = 64,
	NAME_BYTES = 64,
};

/* ---- clients ---- */

static void client_free(struct client *c)
{
	struct supervisor *sv = c->sv;
	for (struct client **at = &sv->clients; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			sv->client_count--;
			break;
		}
	ev_stream_free(c->stream);
	mem_free(c);
}

static struct client *client_find(struct supervisor *sv, uint64_t id)
{
	struct client *c = sv->clients;
	while (c && c->id != id)
		c = c->next;
	return c;
}

static void send_line(struct client *c, const struct buf *line)
{
	struct err e = ERR_INIT;
	if (buf_check(line, &e) < 0 || ev_stream_send(c->stream, buf_str(line), &e) < 0)
		client_free(c);
}

void server_reply(struct supervisor *sv, uint64_t client, const struct supervise_reply *reply)
{
	struct client *c = client_find(sv, client);
	if (!c)
		return;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	supervise_reply_write(reply, &b);
	send_line(c, &b);
}

void server_fail(struct supervisor *sv, uint64_t client, int64_t serial, const struct err *why)
{
	struct supervise_reply reply = {.serial = serial, .error = *why};
	server_reply(sv, client, &reply);
}

void server_event(struct supervisor *sv, const struct supervise_event *event)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	for (struct client *c = sv->clients, *next; c; c = next) {
		next = c->next;
		if (!c->is_subscribed)
			continue;
		if (b.n == 0)
			supervise_event_write(event, &b);
		send_line(c, &b);
	}
}

/* ---- requests ----
 * Each returns 0 (answer with *out now), 1 (answered later) or -1 (refused). */

struct asked {
	struct supervisor *sv;
	uint64_t client;
	const struct supervise_request *rq;
	struct arena *a;
};

static int find(const struct asked *q, struct service **out, struct err *e)
{
	*out = service_find(q->sv, q->rq->id);
	if (!*out || (*out)->is_leaving)
		return err_fail(e, ERR_NOT_FOUND, "there is no service %" STR_F,
				STR_A(q->rq->id));
	return 0;
}

static int do_hello(const struct asked *q, struct supervise_reply *out, struct err *e)
{
	out->hello = ARENA_NEW(q->a, struct supervise_hello);
	if (arena_check(q->a, e) < 0)
		return -1;
	*out->hello = (struct supervise_hello){
		.version = SUPERVISE_VERSION,
		.pid = getpid(),
		.started_at_ms = q->sv->started_at_ms,
		.capabilities = cgroups_capabilities(q->sv->cgroups),
		.crun = str_from(q->sv->crun_version),
	};
	return 0;
}

/* Acts at once if the disk holds all that was decided, else after the next write. */
static int change(const struct asked *q, struct service *s, enum service_action action,
		  bool is_new_set)
{
	struct supervisor *sv = q->sv;
	s->action = action;
	if (is_new_set || sv->saved != sv->changed) {
		s->generation = state_change(sv);
	} else {
		s->generation = sv->saved;
		service_act(s);
	}
	return 1;
}

static bool is_same_policy(const struct supervise_spec *x, const struct supervise_spec *y)
{
	int64_t log_max = y->log_max_bytes ? y->log_max_bytes : x->log_max_bytes;
	struct str stop = y->stop_signal.n ? y->stop_signal : S("SIGTERM");
	return str_eq(x->bundle, y->bundle) && str_eq(x->netns, y->netns) &&
	       str_eq(x->log, y->log) && x->log_max_bytes == log_max &&
	       x->log_uid == y->log_uid && str_eq(x->stop_signal, stop) &&
	       x->stop_seconds == y->stop_seconds && x->backoff_min_ms == y->backoff_min_ms &&
	       x->backoff_max_ms == y->backoff_max_ms && x->steady_ms == y->steady_ms &&
	       x->standby == y->standby;
}

/* What a start will have done in the end. */
static enum supervise_outcome outcome_of_start(const struct service *s, const char *hash)
{
	if (s->r.state != SUPERVISE_UP)
		return s->r.state == SUPERVISE_STOPPING ? SUPERVISE_RESTARTED
							: SUPERVISE_STARTED;
	return strcmp(s->hash, hash) == 0 ? SUPERVISE_UNCHANGED : SUPERVISE_RESTARTED;
}

static int do_start(const struct asked *q, struct supervise_reply *out, struct err *e)
{
	const struct supervise_spec *spec = q->rq->service;
	char hash[HASH_SIZE];
	struct service *s = service_find(q->sv, spec->id);
	if (service_hash(spec, hash, e) < 0)
		return -1;
	bool is_same_set =
		s && s->is_wanted && !s->is_leaving && is_same_policy(&s->spec, spec);
	if (is_same_set && s->action == ACTION_NONE && s->r.state == SUPERVISE_UP &&
	    strcmp(hash, s->hash) == 0) {
		out->outcome = SUPERVISE_UNCHANGED;
		out->pid = s->pid;
		return 0;
	}
	if ((s ? service_take_spec(s, spec, e) : service_new(q->sv, spec, &s, e)) < 0 ||
	    service_wait(s, q->client, q->rq->serial, true, outcome_of_start(s, hash), e) < 0)
		return -1;
	s->is_wanted = true;
	s->is_leaving = false;
	s->respawns = 0;
	return change(q, s, ACTION_START, !is_same_set);
}

static int do_stop(const struct asked *q, struct supervise_reply *out, struct err *e)
{
	struct service *s;
	if (find(q, &s, e) < 0)
		return -1;
	if (!s->is_wanted && s->r.state == SUPERVISE_DOWN && s->action == ACTION_NONE) {
		out->outcome = SUPERVISE_UNCHANGED;
		return 0;
	}
	if (service_wait(s, q->client, q->rq->serial, false, SUPERVISE_STOPPED, e) < 0)
		return -1;
	bool was_wanted = s->is_wanted;
	s->is_wanted = false;
	return change(q, s, ACTION_STOP, was_wanted);
}

static int do_remove(const struct asked *q, struct supervise_reply *out, struct err *e)
{
	struct service *s = service_find(q->sv, q->rq->id);
	if (!s) {
		out->outcome = SUPERVISE_UNCHANGED;
		return 0;
	}
	if (service_wait(s, q->client, q->rq->serial, false, SUPERVISE_REMOVED, e) < 0)
		return -1;
	bool was_leaving = s->is_leaving;
	s->is_wanted = false;
	s->is_leaving = true;
	return change(q, s, ACTION_REMOVE, !was_leaving);
}

static int do_restart(const struct asked *q, struct supervise_reply *out UNUSED, struct err *e)
{
	struct service *s;
	if (find(q, &s, e) < 0 ||
	    service_wait(s, q->client, q->rq->serial, true, SUPERVISE_RESTARTED, e) < 0)
		return -1;
	s->respawns = 0;
	service_drop_standby(s);
	if (!s->is_wanted || s->action != ACTION_NONE) {
		s->is_wanted = true;
		return change(q, s, ACTION_START, true);
	}
	service_feed(s, RESPAWN_AGAIN);
	return 1;
}

static int do_signal(const struct asked *q, struct supervise_reply *out UNUSED, struct err *e)
{
	struct service *s;
	if (find(q, &s, e) < 0)
		return -1;
	int signum = supervise_signal_number(q->rq->signal);
	if (s->pidfd < 0)
		return err_fail(e, ERR_CONFLICT, "the service is %s",
				supervise_state_name(s->r.state));
	if (signum != SIGKILL && signum != SIGSTOP && signum != SIGCONT &&
	    !proc_catches(s->pid, signum))
		return err_fail(e, ERR_CONFLICT, "the service does not take %" STR_F,
				STR_A(q->rq->signal));
	if (syscall(SYS_pidfd_send_signal, s->pidfd, signum, NULL, 0) < 0 && errno != ESRCH)
		return err_os(e, errno, "send the signal");
	return 0;
}

static int do_run(const struct asked *q, struct supervise_reply *out UNUSED, struct err *e)
{
	return run_start(q->sv, q->client, q->rq->serial, q->rq->run, e) < 0 ? -1 : 1;
}

static int do_list(const struct asked *q, struct supervise_reply *out, struct err *e)
{
	struct supervisor *sv = q->sv;
	struct str partition = q->rq->partition;
	out->services = ARENA_ARRAY(q->a, struct supervise_status, sv->service_count + 1);
	if (arena_check(q->a, e) < 0)
		return -1;
	for (struct service *s = sv->services; s; s = s->next)
		if (!s->is_leaving &&
		    (!partition.n || str_eq(supervise_partition_of(s->spec.id), partition)))
			out->services[out->service_count++] = (struct supervise_status){
				.id = s->spec.id,
				.state = s->r.state,
				.pid = s->pid,
				.started_at_ms = s->started_at_ms,
				.respawns = s->respawns,
				.exit_code = s->exit_code,
				.signal = s->signum,
				.adopted = s->is_adopted,
				.standby = s->standby && s->standby->pidfd >= 0,
				.message = str_from(s->message),
			};
	return 0;
}

static int do_subscribe(const struct asked *q, struct supervise_reply *out UNUSED,
			struct err *e UNUSED)
{
	client_find(q->sv, q->client)->is_subscribed = true;
	return 0;
}

static int do_shutdown(const struct asked *q, struct supervise_reply *out, struct err *e UNUSED)
{
	struct supervisor *sv = q->sv;
	out->serial = q->rq->serial;
	server_reply(sv, q->client, out);
	if (sv->end == END_NOT)
		sv->end = q->rq->stop_services ? END_STOP : END_LEAVE;
	for (struct service *s = sv->services; sv->end == END_STOP && s; s = s->next)
		service_feed(s, RESPAWN_UNWANT);
	supervisor_look_at_end(sv);
	return 1;
}

/* ---- usage ---- */

struct usage_job {
	struct supervisor *sv;
	uint64_t client;
	int64_t serial;
	char partition[NAME_BYTES];
	int inits[INITS_MAX];
	size_t init_count;
	struct supervise_usage usage;
	struct err e;
};

static void usage_work(void *user)
{
	struct usage_job *k = user;
	int rc = cgroups_usage(k->sv->cgroups, str_from(k->partition), k->inits, k->init_count,
			       &k->usage, &k->e);
	ASSERT(rc == 0 || k->e.kind != ERR_NONE);
}

static void usage_done(void *user)
{
	struct usage_job *k = user;
	struct supervise_reply reply = {.serial = k->serial, .usage = &k->usage, .error = k->e};
	if (k->e.kind != ERR_NONE)
		reply.usage = NULL;
	struct supervisor *sv = k->sv;
	server_reply(sv, k->client, &reply);
	mem_free(k);
	sv->jobs--;
	supervisor_look_at_end(sv);
}

static bool is_in(const struct service *s, struct str partition)
{
	return str_eq(supervise_partition_of(s->spec.id), partition);
}

static int do_usage(const struct asked *q, struct supervise_reply *out UNUSED, struct err *e)
{
	struct usage_job *k = MEM_NEW(struct usage_job, e);
	if (!k)
		return -1;
	k->sv = q->sv;
	k->client = q->client;
	k->serial = q->rq->serial;
	(void)snprintf(k->partition, sizeof k->partition, "%" STR_F, STR_A(q->rq->partition));
	for (struct service *s = q->sv->services; s; s = s->next)
		if (s->pid && is_in(s, q->rq->partition) && k->init_count < INITS_MAX)
			k->inits[k->init_count++] = s->pid;
	if (ev_work(q->sv->ev, usage_work, usage_done, k, e) < 0) {
		mem_free(k);
		return -1;
	}
	q->sv->jobs++;
	return 1;
}

/* ---- killing a partition ---- */

struct kill_op {
	struct kill_op *next;
	struct supervisor *sv;
	uint64_t client, generation;
	int64_t serial, deadline_ms;
	struct ev_watch *timer;
	char partition[NAME_BYTES];
};

/* Kills what is there; the number of containers that still are. */
static size_t kill_all(struct kill_op *k)
{
	struct str partition = str_from(k->partition);
	struct err ignored;
	int rc UNUSED = cgroups_kill(k->sv->cgroups, partition, &ignored);
	run_kill_partition(k->sv, partition);
	size_t left = run_count_of(k->sv, partition);
	for (struct service *s = k->sv->services; s; s = s->next)
		if (is_in(s, partition) && (s->pidfd >= 0 || s->launch)) {
			service_kill(s);
			left++;
		}
	return left;
}

static void kill_op_free(struct kill_op *k)
{
	for (struct kill_op **at = &k->sv->kills; *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	ev_watch_free(k->timer);
	mem_free(k);
}

static void look_at_kill(struct kill_op *k)
{
	struct supervise_reply reply = {.serial = k->serial};
	size_t left = kill_all(k);
	int rc = left || k->sv->saved < k->generation
			 ? 1
			 : cgroups_remove(k->sv->cgroups, str_from(k->partition), &reply.error);
	if (rc == 1 && clock_mono_ms(clock_system()) < k->deadline_ms)
		return;
	if (rc == 1)
		(void)err_fail(&reply.error, ERR_BROKEN, "%s of %s within %d ms",
			       left ? "no end" : "no record or group's end", k->partition,
			       KILL_DEADLINE_MS);
	server_reply(k->sv, k->client, &reply);
	kill_op_free(k);
}

static void on_kill_timer(void *user)
{
	look_at_kill(user);
}

void server_look_at_kills(struct supervisor *sv)
{
	for (struct kill_op *k = sv->kills; k; k = k->next)
		ev_timer_again(k->timer, 0);
}

static int do_kill_partition(const struct asked *q, struct supervise_reply *out UNUSED,
			     struct err *e)
{
	struct supervisor *sv = q->sv;
	struct kill_op *k = MEM_NEW(struct kill_op, e);
	if (!k)
		return -1;
	*k = (struct kill_op){.sv = sv,
			      .client = q->client,
			      .serial = q->rq->serial,
			      .deadline_ms = clock_mono_ms(clock_system()) + KILL_DEADLINE_MS};
	(void)snprintf(k->partition, sizeof k->partition, "%" STR_F, STR_A(q->rq->partition));
	if (ev_timer_every(sv->ev, 0, KILL_LOOK_MS, on_kill_timer, k, &k->timer, e) < 0) {
		mem_free(k);
		return -1;
	}
	bool has_any = false;
	for (struct service *s = sv->services; s; s = s->next)
		if (is_in(s, q->rq->partition)) {
			/* Not after the disk, as a removal: killing works on a full disk too. */
			has_any = true;
			s->is_wanted = false;
			s->is_leaving = true;
			s->action = ACTION_NONE;
			service_feed(s, RESPAWN_UNWANT);
		}
	k->generation = has_any ? state_change(sv) : sv->saved;
	k->next = sv->kills;
	sv->kills = k;
	return 1;
}

/* ---- dispatch ---- */

typedef int do_fn(const struct asked *q, struct supervise_reply *out, struct err *e);
static do_fn *const doers[SUPERVISE_VERBS] = {
	[SUPERVISE_HELLO] = do_hello,
	[SUPERVISE_START] = do_start,
	[SUPERVISE_STOP] = do_stop,
	[SUPERVISE_SIGNAL] = do_signal,
	[SUPERVISE_RESTART] = do_restart,
	[SUPERVISE_REMOVE] = do_remove,
	[SUPERVISE_KILL_PARTITION] = do_kill_partition,
	[SUPERVISE_RUN] = do_run,
	[SUPERVISE_LIST] = do_list,
	[SUPERVISE_USAGE] = do_usage,
	[SUPERVISE_SUBSCRIBE] = do_subscribe,
	[SUPERVISE_SHUTDOWN] = do_shutdown,
};

static void answer(const struct asked *q)
{
	struct supervise_reply reply = {.serial = q->rq->serial};
	bool is_change = q->rq->verb == SUPERVISE_START || q->rq->verb == SUPERVISE_RUN ||
			 q->rq->verb == SUPERVISE_RESTART;
	int rc = q->sv->end != END_NOT && is_change
			 ? err_fail(&reply.error, ERR_BUSY, "the supervisor is about to end")
			 : doers[q->rq->verb](q, &reply, &reply.error);
	if (rc <= 0)
		server_reply(q->sv, q->client, &reply);
}

static void on_message(void *user, struct str line)
{
	struct client *c = user;
	struct asked q = {.sv = c->sv, .client = c->id};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct supervise_request rq;
	struct err e = ERR_INIT;
	if (arena_new(REQUEST_ARENA, &a, &e) < 0 ||
	    supervise_request_read(line, a, &rq, &e) < 0) {
		/* Without a request there is no serial: 0. */
		server_fail(q.sv, q.client, 0, &e);
		return;
	}
	q.rq = &rq;
	q.a = a;
	answer(&q);
}

static void on_closed(void *user, const struct err *why UNUSED)
{
	client_free(user);
}

/* Only root and the user that we are; the socket's mode says the same. */
static bool is_allowed(const struct ev_stream *s)
{
	unsigned uid;
	int pid;
	struct err ignored;
	return ev_stream_peer(s, &uid, &pid, &ignored) == 0 && (uid == 0 || uid == geteuid());
}

static void on_accept(void *user, int fd)
{
	struct supervisor *sv = user;
	struct err e = ERR_INIT;
	struct client *c = NULL;
	if (sv->client_count == SUPERVISE_CLIENTS_MAX || !(c = MEM_NEW(struct client, &e))) {
		(void)close(fd);
		return;
	}
	c->sv = sv;
	c->id = ++sv->last_client;
	c->next = sv->clients;
	sv->clients = c;
	sv->client_count++;
	struct ev_stream_options o = {.framing = EV_LINES,
				      .message_max_bytes = SUPERVISE_LINE_MAX,
				      .out_max_bytes = OUT_BYTES,
				      .message = on_message,
				      .closed = on_closed,
				      .user = c};
	if (ev_stream_open(sv->ev, fd, &o, &c->stream, &e) < 0 || !is_allowed(c->stream))
		client_free(c);
}

MUST int server_start(struct supervisor *sv, struct err *e)
{
	return ev_listen_unix(sv->ev, sv->socket, 0600, on_accept, sv, &sv->listener, e);
}

void server_stop(struct supervisor *sv)
{
	sv->listener = ev_listener_free(sv->listener);
	while (sv->kills)
		kill_op_free(sv->kills);
	while (sv->clients)
		client_free(sv->clients);
}
