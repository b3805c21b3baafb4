/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One service: the rules of respawn.h joined to processes.
 *
 * Invariants: (1) a service has a launch exactly while STARTING without a process; (2) it has a
 * pidfd exactly while UP or STOPPING; (3) whoever waits is answered when the service settles, or
 * when its launch fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervise/log_cap.h"
#include "supervise/proc.h"
#include "supervise/supervise_impl.h"

enum {
	CONFIG_MAX = 1 << 20,
	STANDBY_AFTER_MS = 500,
	LOG_MAX_BYTES = 10 << 20,
	DEFAULT_MIN_MS = 100,
	DEFAULT_MAX_MS = 30000,
	DEFAULT_STEADY_MS = 10000,
	DEFAULT_STOP_SECONDS = 10,
};

static void launch_now(struct service *s);

/* ---- making, finding ---- */

struct service *service_find(struct supervisor *sv, struct str id)
{
	for (struct service *s = sv->services; s; s = s->next)
		if (str_eq(s->spec.id, id))
			return s;
	return NULL;
}

static int64_t or_default(int64_t v, int64_t otherwise)
{
	return v > 0 ? v : otherwise;
}

static void set_policy(struct service *s)
{
	const struct supervise_spec *p = &s->spec;
	struct respawn_policy *r = &s->r.policy;
	r->min_ms = or_default(p->backoff_min_ms, DEFAULT_MIN_MS);
	r->max_ms = MAX_OF(or_default(p->backoff_max_ms, DEFAULT_MAX_MS), r->min_ms);
	r->steady_ms = or_default(p->steady_ms, DEFAULT_STEADY_MS);
	r->stop_ms = 1000 * or_default(p->stop_seconds, DEFAULT_STOP_SECONDS);
	if (p->log_max_bytes == 0)
		s->spec.log_max_bytes = LOG_MAX_BYTES;
}

MUST int service_take_spec(struct service *s, const struct supervise_spec *spec, struct err *e)
{
	struct arena *a;
	if (arena_new(SPEC_ARENA, &a, e) < 0)
		return -1;
	struct supervise_spec copy = *spec;
	/* A C string each: libc needs some of them. */
	copy.id = arena_dup(a, spec->id);
	copy.bundle = arena_dup(a, spec->bundle);
	copy.netns = arena_dup(a, spec->netns);
	copy.log = arena_dup(a, spec->log);
	copy.stop_signal = arena_dup(a, spec->stop_signal.n ? spec->stop_signal : S("SIGTERM"));
	if (arena_check(a, e) < 0) {
		arena_free(a);
		return -1;
	}
	arena_free(s->arena);
	s->arena = a;
	s->spec = copy;
	set_policy(s);
	return 0;
}

static void on_timer(void *user)
{
	service_feed(user, RESPAWN_DUE);
}

static void on_standby_due(void *user);

static int make_timers(struct service *s, struct err *e)
{
	if (ev_timer(s->sv->ev, 0, on_timer, s, &s->timer, e) < 0 ||
	    ev_timer(s->sv->ev, 0, on_standby_due, s, &s->standby_timer, e) < 0)
		return -1;
	ev_timer_stop(s->timer);
	ev_timer_stop(s->standby_timer);
	return 0;
}

MUST int service_new(struct supervisor *sv, const struct supervise_spec *spec,
		     struct service **out, struct err *e)
{
	if (sv->service_count == SUPERVISE_SERVICES_MAX)
		return err_fail(e, ERR_NO_ROOM, "there are %d services already",
				SUPERVISE_SERVICES_MAX);
	struct service *s = MEM_NEW(struct service, e);
	if (!s)
		return -1;
	s->sv = sv;
	s->pidfd = -1;
	s->exit_code = -1;
	s->next = sv->services;
	sv->services = s;
	sv->service_count++;
	if (service_take_spec(s, spec, e) < 0 || make_timers(s, e) < 0) {
		service_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

static void forget_process(struct service *s)
{
	s->watch = ev_watch_free(s->watch);
	file_closep(&s->pidfd);
	s->pid = 0;
}

void service_free(struct service *s)
{
	for (struct service **at = &s->sv->services; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			s->sv->service_count--;
			break;
		}
	service_drop_standby(s);
	if (s->launch)
		s->sv->launches--;
	launch_free(s->launch);
	forget_process(s);
	ev_watch_free(s->timer);
	ev_watch_free(s->standby_timer);
	while (s->waiters) {
		struct waiter *w = s->waiters;
		s->waiters = w->next;
		mem_free(w);
	}
	arena_free(s->arena);
	mem_free(s);
}

/* ---- fingerprints and names ---- */

static uint64_t hash_more(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 1099511628211u; /* FNV-1a, 64 bits */
	return (h ^ 0xff) * 1099511628211u;
}

MUST int service_hash(const struct supervise_spec *spec, char out[static HASH_SIZE],
		      struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str text;
	if (arena_new(2 * CONFIG_MAX, &a, e) < 0)
		return -1;
	const char *path = arena_cstr(a, file_join(a, spec->bundle, S("config.json")));
	int rc = file_read(path, CONFIG_MAX, a, &text, e);
	if (rc == 1)
		return err_field(e, "service.bundle", "there is no %s", path);
	if (rc < 0)
		return -1;
	uint64_t h = 14695981039346656037u;
	h = hash_more(h, text);
	h = hash_more(h, spec->log);
	h = hash_more(h, spec->netns);
	(void)snprintf(out, HASH_SIZE, "%016llx", (unsigned long long)h);
	return 0;
}

static void make_name(const struct service *s, const char *hash,
		      char out[static LAUNCH_NAME_SIZE])
{
	struct str id = s->spec.id;
	size_t slash = str_find_char(id, '/');
	struct str partition = str_sub(id, 0, slash), name = str_sub(id, slash + 1, id.n);
	(void)snprintf(out, LAUNCH_NAME_SIZE, "%" STR_F ":%" STR_F ":%s:%08x", STR_A(partition),
		       STR_A(name), hash, (unsigned)rng_u64(s->sv->rng));
}

/* ---- telling ---- */

static void tell(const struct service *s, enum supervise_event_kind kind, int64_t after_ms)
{
	struct supervise_event event = {.kind = kind,
					.id = s->spec.id,
					.pid = s->pid,
					.exit_code = -1,
					.after_ms = after_ms,
					.at_ms = clock_now_ms(clock_system())};
	if (kind == SUPERVISE_EVENT_EXITED || kind == SUPERVISE_EVENT_STOPPED) {
		event.exit_code = s->exit_code;
		event.signal = s->signum;
	}
	if (kind == SUPERVISE_EVENT_FAILED)
		event.message = str_from(s->message);
	server_event(s->sv, &event);
}

static int64_t mono_ms(void)
{
	return clock_mono_ms(clock_system());
}

MUST int service_wait(struct service *s, uint64_t client, int64_t serial, bool is_for_up,
		      enum supervise_outcome outcome, struct err *e)
{
	struct waiter *w = MEM_NEW(struct waiter, e);
	if (!w)
		return -1;
	*w = (struct waiter){.next = s->waiters,
			     .client = client,
			     .serial = serial,
			     .outcome = outcome,
			     .is_for_up = is_for_up};
	s->waiters = w;
	return 0;
}

/* What `w` waits for is so (0), cannot be any more (-1, *e), or not yet (1). */
static int judge(const struct service *s, const struct waiter *w, const struct err *failed,
		 struct err *e)
{
	if (s->action != ACTION_NONE)
		return 1;
	if (w->is_for_up && failed) {
		*e = *failed;
		return -1;
	}
	if (s->r.state == (w->is_for_up ? SUPERVISE_UP : SUPERVISE_DOWN))
		return 0;
	if (w->is_for_up != s->r.is_wanted)
		return err_fail(e, ERR_CONFLICT, "the service was %s meanwhile",
				w->is_for_up ? "stopped" : "started again");
	return 1;
}

void service_settle(struct service *s, const struct err *failed)
{
	struct waiter **at = &s->waiters;
	while (*at) {
		struct waiter *w = *at;
		struct supervise_reply reply = {
			.serial = w->serial, .outcome = w->outcome, .pid = s->pid};
		int rc = judge(s, w, failed, &reply.error);
		if (rc == 1) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		server_reply(s->sv, w->client, &reply);
		mem_free(w);
	}
}

/* ---- the process ---- */

static void on_exit_of_service(void *user, int events UNUSED)
{
	struct service *s = user;
	char old[LAUNCH_NAME_SIZE];
	memcpy(old, s->name, sizeof old);
	s->exit_code = -1;
	s->signum = 0;
	/* Of an adopted process nobody tells how it ended. */
	(void)launch_status(s->pidfd, &s->exit_code, &s->signum);
	s->ended_mono_ms = mono_ms();
	bool is_stop = s->r.state == SUPERVISE_STOPPING;
	tell(s, is_stop ? SUPERVISE_EVENT_STOPPED : SUPERVISE_EVENT_EXITED, 0);
	s->is_respawn = !is_stop;
	forget_process(s);
	struct supervisor *sv = s->sv;
	service_feed(s, RESPAWN_EXITED);
	launch_forget(&sv->place, old);
}

static int watch_process(struct service *s, int pid, int pidfd, struct err *e)
{
	s->pid = pid;
	s->pidfd = pidfd;
	return ev_fd(s->sv->ev, pidfd, EV_READ, on_exit_of_service, s, &s->watch, e);
}

static void on_launch_failed(struct service *s, const struct err *why)
{
	(void)snprintf(s->message, sizeof s->message, "%s", why->text);
	tell(s, SUPERVISE_EVENT_FAILED, 0);
	service_settle(s, why);
	service_feed(s, RESPAWN_FAILED);
}

/* The configuration may have changed while the older one was being launched. */
static void check_hash(struct service *s)
{
	char hash[HASH_SIZE];
	struct err ignored;
	if (s->r.state == SUPERVISE_UP && service_hash(&s->spec, hash, &ignored) == 0 &&
	    strcmp(hash, s->hash) != 0)
		service_feed(s, RESPAWN_AGAIN);
}

static void on_running(struct service *s)
{
	s->started_at_ms = clock_now_ms(clock_system());
	s->is_adopted = false;
	s->message[0] = 0;
	if (s->is_respawn)
		s->respawns++;
	tell(s, s->is_respawn ? SUPERVISE_EVENT_RESPAWNED : SUPERVISE_EVENT_STARTED,
	     s->is_respawn ? mono_ms() - s->ended_mono_ms : 0);
	s->is_respawn = false;
	if (s->spec.standby)
		ev_timer_again(s->standby_timer, STANDBY_AFTER_MS);
	service_feed(s, RESPAWN_LAUNCHED);
	check_hash(s);
}

static void on_launched(void *user, int pid, int pidfd, const struct err *why)
{
	struct service *s = user;
	struct err e = *why;
	s->launch = NULL;
	s->sv->launches--;
	if (pidfd >= 0 && watch_process(s, pid, pidfd, &e) < 0) {
		launch_kill(pidfd);
		forget_process(s);
		pidfd = -1;
	}
	struct supervisor *sv = s->sv;
	if (pidfd < 0)
		on_launch_failed(s, &e);
	else
		on_running(s);
	supervisor_look_at_end(sv);
}

static int launch_container(struct service *s, const char *name, bool is_standby, launch_fn *fn,
			    void *user, struct launch **out, struct err *e)
{
	struct launch_fds fds;
	struct supervisor *sv = s->sv;
	struct str partition = supervise_partition_of(s->spec.id);
	if (supervisor_open_place(sv, partition, s->spec.netns, &fds, e) < 0)
		return -1;
	int rc = 0;
	if (s->spec.log.n)
		rc = log_cap_open(s->spec.log.p, (unsigned)s->spec.log_uid, &fds.out, e);
	struct launch_spec spec = {.bundle = s->spec.bundle.p,
				   .name = name,
				   .out_fd = fds.out,
				   .cgroup_fd = fds.cgroup,
				   .netns_fd = fds.netns,
				   .is_standby = is_standby};
	if (rc == 0)
		rc = launch_start(sv->ev, &sv->place, &spec, fn, user, out, e);
	launch_fds_close(&fds);
	if (rc == 0)
		sv->launches++;
	return rc;
}

/* ---- standby ---- */

static void standby_free(struct standby *b)
{
	for (struct standby **at = &b->sv->standbys; *at; at = &(*at)->next)
		if (*at == b) {
			*at = b->next;
			break;
		}
	if (b->service)
		b->service->standby = NULL;
	if (b->launch)
		b->sv->launches--;
	launch_free(b->launch);
	ev_watch_free(b->watch);
	file_closep(&b->pidfd);
	mem_free(b);
}

static void on_exit_of_standby(void *user, int events UNUSED)
{
	struct standby *b = user;
	int exit_code, signum;
	(void)launch_status(b->pidfd, &exit_code, &signum);
	launch_forget(&b->sv->place, b->name);
	standby_free(b);
}

void service_drop_standby(struct service *s)
{
	struct standby *b = s->standby;
	ev_timer_stop(s->standby_timer);
	if (!b)
		return;
	b->service = NULL;
	s->standby = NULL;
	if (b->pidfd >= 0)
		launch_kill(b->pidfd); /* on_exit_of_standby does the rest */
	else
		standby_free(b);
}

static void on_standby_launched(void *user, int pid, int pidfd, const struct err *why)
{
	struct standby *b = user;
	struct supervisor *sv = b->sv;
	struct err e = *why;
	b->launch = NULL;
	sv->launches--;
	b->pid = pid;
	b->pidfd = pidfd;
	if (pidfd < 0 ||
	    ev_fd(sv->ev, pidfd, EV_READ, on_exit_of_standby, b, &b->watch, &e) < 0) {
		log_err(LOG_WARN, "supervise.standby.failed", &e, KV_C("container", b->name));
		if (pidfd >= 0)
			launch_kill(pidfd);
		standby_free(b);
	}
	supervisor_look_at_end(sv);
}

static void on_standby_due(void *user)
{
	struct service *s = user;
	struct err e = ERR_INIT;
	if (s->standby || s->r.state != SUPERVISE_UP || s->sv->end != END_NOT)
		return;
	struct standby *b = MEM_NEW(struct standby, &e);
	if (!b)
		return;
	*b = (struct standby){.sv = s->sv, .service = s, .pidfd = -1, .next = s->sv->standbys};
	s->sv->standbys = b;
	s->standby = b;
	if (service_hash(&s->spec, b->hash, &e) == 0) {
		make_name(s, b->hash, b->name);
		if (launch_container(s, b->name, true, on_standby_launched, b, &b->launch,
				     &e) == 0)
			return;
	}
	log_err(LOG_WARN, "supervise.standby.failed", &e, KV_S("service", s->spec.id));
	standby_free(b);
}

/* Lets the waiting container run in place of a launch. False if there is no usable one. */
static bool release_standby(struct service *s, const char *hash)
{
	struct standby *b = s->standby;
	struct err e = ERR_INIT;
	if (!b || b->pidfd < 0 || strcmp(b->hash, hash) != 0 ||
	    launch_release(&s->sv->place, b->name, &e) < 0) {
		service_drop_standby(s);
		return false;
	}
	int pid = b->pid, pidfd = b->pidfd;
	memcpy(s->name, b->name, sizeof s->name);
	b->pidfd = -1;
	standby_free(b);
	if (watch_process(s, pid, pidfd, &e) < 0) {
		launch_kill(pidfd);
		forget_process(s);
		return false;
	}
	return true;
}

/* ---- acting ---- */

static void launch_now(struct service *s)
{
	struct err e = ERR_INIT;
	int rc = service_hash(&s->spec, s->hash, &e);
	if (rc == 0 && release_standby(s, s->hash)) {
		on_running(s);
		return;
	}
	if (rc == 0) {
		make_name(s, s->hash, s->name);
		rc = launch_container(s, s->name, false, on_launched, s, &s->launch, &e);
	}
	if (rc < 0)
		on_launch_failed(s, &e);
}

void service_kill(struct service *s)
{
	if (s->pidfd >= 0)
		launch_kill(s->pidfd);
}

/* A signal that the first process of a container does not catch would be lost: kill at once. */
static void send_stop(struct service *s)
{
	int signum = supervise_signal_number(s->spec.stop_signal);
	if (proc_catches(s->pid, signum))
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, signum, NULL, 0);
	else
		service_kill(s);
}

static void do_step(struct service *s, struct respawn_step step)
{
	switch (step.action) {
	case RESPAWN_NOTHING:
		break;
	case RESPAWN_LAUNCH:
		ev_timer_stop(s->timer);
		launch_now(s);
		break;
	case RESPAWN_WAIT:
		ev_timer_again(s->timer, step.after_ms);
		tell(s, SUPERVISE_EVENT_BACKOFF, step.after_ms);
		break;
	case RESPAWN_STOP:
		ev_timer_again(s->timer, step.after_ms);
		service_drop_standby(s);
		send_stop(s);
		break;
	case RESPAWN_KILL:
		service_kill(s);
		break;
	case RESPAWN_REST:
		ev_timer_stop(s->timer);
		service_drop_standby(s);
		break;
	}
}

void service_feed(struct service *s, enum respawn_input input)
{
	struct supervisor *sv = s->sv;
	do_step(s, respawn_feed(&s->r, input, mono_ms(), sv->rng));
	service_settle(s, NULL);
	if (s->is_leaving && s->r.state == SUPERVISE_DOWN)
		ev_timer_again(sv->bury_timer, 0);
	supervisor_look_at_end(sv);
}

static void start_or_restart(struct service *s)
{
	char hash[HASH_SIZE];
	struct err e = ERR_INIT;
	bool runs = s->r.state == SUPERVISE_UP;
	if (runs && service_hash(&s->spec, hash, &e) == 0 && strcmp(hash, s->hash) == 0)
		service_feed(s, RESPAWN_WANT);
	else
		service_feed(s, RESPAWN_AGAIN);
	if (!s->spec.standby)
		service_drop_standby(s);
	else if (s->r.state == SUPERVISE_UP && !s->standby)
		ev_timer_again(s->standby_timer, STANDBY_AFTER_MS);
}

void service_act(struct service *s)
{
	enum service_action action = s->action;
	s->action = ACTION_NONE;
	if (s->sv->end == END_STOP)
		return;
	if (action == ACTION_START)
		start_or_restart(s);
	else
		service_feed(s, RESPAWN_UNWANT);
}

MUST int service_adopt(struct service *s, const struct launch_record *r, struct err *e)
{
	int pidfd = launch_pidfd(r->pid, e);
	if (pidfd < 0)
		return -1;
	(void)snprintf(s->name, sizeof s->name, "%" STR_F, STR_A(r->name));
	(void)snprintf(s->hash, sizeof s->hash, "%" STR_F, STR_A(r->hash));
	if (watch_process(s, r->pid, pidfd, e) < 0) {
		forget_process(s);
		return -1;
	}
	s->is_adopted = true;
	s->started_at_ms = clock_now_ms(clock_system());
	respawn_adopt(&s->r, mono_ms());
	if (s->spec.standby)
		ev_timer_again(s->standby_timer, STANDBY_AFTER_MS);
	tell(s, SUPERVISE_EVENT_ADOPTED, 0);
	return 0;
}
