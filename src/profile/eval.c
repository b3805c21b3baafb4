/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The parent: finds a warm child or starts one, asks, waits with a deadline, tells why a child
 * died. A child belongs to one thread while it is asked, and to the list of idle ones
 * otherwise; the lock is held for list and cache only, never while waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "json/json.h"
#include "profile/eval_impl.h"

enum { WARM_DEFAULT = 4, WARM_MAX = 64, CACHE_DEFAULT = 8 << 20, INPUT_ARENA_BYTES = 32 << 20 };

struct warm {
	int pid, fd;
	char hash[PROFILE_HASH_SIZE];
	int64_t idle_at_ms; /* 0: it has answered nothing yet */
};

struct profile_eval {
	pthread_mutex_t lock;
	char *program;
	unsigned warm_max;
	struct warm idle[WARM_MAX]; /* the longest idle first */
	unsigned idle_count;
	struct answers *answers;
	struct profile_eval_stats stats;
};

MUST int profile_eval_new(const struct profile_eval_options *options, struct profile_eval **out,
			  struct err *e)
{
	static const struct profile_eval_options usual = {.program = NULL};
	const struct profile_eval_options *o = options ? options : &usual;
	const char *program = o->program ? o->program : "/proc/self/exe";
	struct profile_eval *ev = MEM_NEW(struct profile_eval, e);
	if (!ev)
		return -1;
	ev->warm_max = MIN_OF(o->warm_max ? o->warm_max : WARM_DEFAULT, (unsigned)WARM_MAX);
	ev->program = mem_dup(program, strlen(program), e);
	if (!ev->program || answers_new(o->cache_max_bytes ? o->cache_max_bytes : CACHE_DEFAULT,
					&ev->answers, e) < 0) {
		mem_free(ev->program);
		mem_free(ev);
		return -1;
	}
	(void)pthread_mutex_init(&ev->lock, NULL);
	*out = ev;
	return 0;
}

/* Ends a child for good; gives its wait status. */
static int end_child(struct warm *w, bool kill_it)
{
	int status = 0;
	if (kill_it)
		(void)kill(w->pid, SIGKILL);
	file_closep(&w->fd);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

struct profile_eval *profile_eval_free(struct profile_eval *ev)
{
	if (!ev)
		return NULL;
	profile_eval_trim(ev, 0);
	(void)pthread_mutex_destroy(&ev->lock);
	answers_free(ev->answers);
	mem_free(ev->program);
	mem_free(ev);
	return NULL;
}

void profile_eval_freep(struct profile_eval **ev)
{
	*ev = profile_eval_free(*ev);
}

/* ---- idle children ---- */

static bool take_idle(struct profile_eval *ev, const char *hash, struct warm *out)
{
	bool found = false;
	(void)pthread_mutex_lock(&ev->lock);
	for (unsigned i = ev->idle_count; i-- > 0 && !found;) {
		if (strcmp(ev->idle[i].hash, hash) != 0)
			continue;
		*out = ev->idle[i];
		ev->idle_count--;
		memmove(&ev->idle[i], &ev->idle[i + 1], (ev->idle_count - i) * sizeof *out);
		ev->stats.warm_hits++;
		found = true;
	}
	(void)pthread_mutex_unlock(&ev->lock);
	return found;
}

/* Takes the longest idle one out if there are more than `max`, or it idles since `before_ms`.
 */
static bool take_oldest(struct profile_eval *ev, unsigned max, int64_t before_ms,
			struct warm *out)
{
	bool found = false;
	(void)pthread_mutex_lock(&ev->lock);
	if (ev->idle_count && (ev->idle_count > max || ev->idle[0].idle_at_ms <= before_ms)) {
		*out = ev->idle[0];
		ev->idle_count--;
		memmove(&ev->idle[0], &ev->idle[1], ev->idle_count * sizeof *out);
		found = true;
	}
	(void)pthread_mutex_unlock(&ev->lock);
	return found;
}

static void put_idle(struct profile_eval *ev, struct warm *w)
{
	struct warm oldest;
	while (take_oldest(ev, ev->warm_max - 1, INT64_MIN, &oldest))
		(void)end_child(&oldest, true);
	w->idle_at_ms = clock_mono_ms(clock_system());
	(void)pthread_mutex_lock(&ev->lock);
	bool has_place = ev->idle_count < WARM_MAX;
	if (has_place)
		ev->idle[ev->idle_count++] = *w;
	(void)pthread_mutex_unlock(&ev->lock);
	if (!has_place)
		(void)end_child(w, true);
}

void profile_eval_trim(struct profile_eval *ev, int64_t for_ms)
{
	struct warm w;
	int64_t before_ms = clock_mono_ms(clock_system()) - for_ms;
	while (take_oldest(ev, WARM_MAX, before_ms, &w))
		(void)end_child(&w, true);
}

struct profile_eval_stats profile_eval_stats(struct profile_eval *ev)
{
	(void)pthread_mutex_lock(&ev->lock);
	struct profile_eval_stats s = ev->stats;
	s.idle_children = ev->idle_count;
	s.cache_bytes = answers_bytes(ev->answers);
	(void)pthread_mutex_unlock(&ev->lock);
	return s;
}

/* ---- frames ---- */

static int wait_ready(int fd, short events, int64_t until_ms, struct err *e)
{
	int64_t left_ms = until_ms - clock_mono_ms(clock_system());
	struct pollfd p = {.fd = fd, .events = events};
	int rc = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
	if (rc < 0 && errno != EINTR)
		return err_os(e, errno, "wait for the evaluator");
	if (rc == 0)
		return err_fail(e, ERR_INVALID,
				"the profile is not evaluated within %d seconds",
				PROFILE_EVAL_WALL_MS / 1000);
	return 0;
}

enum { CHILD_DIED = 1 };

static int send_bytes(int fd, struct str s, int64_t until_ms, struct err *e)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			s = str_sub(s, (size_t)n, s.n);
		else if (errno == EPIPE || errno == ECONNRESET)
			return CHILD_DIED;
		else if (errno != EAGAIN && errno != EINTR)
			return err_os(e, errno, "send to the evaluator");
		else if (wait_ready(fd, POLLOUT, until_ms, e) < 0)
			return -1;
	}
	return 0;
}

static int send_frame(int fd, struct str s, int64_t until_ms, struct err *e)
{
	char head[4] = {(char)(s.n >> 24), (char)(s.n >> 16), (char)(s.n >> 8), (char)s.n};
	int rc = send_bytes(fd, str_of(head, sizeof head), until_ms, e);
	return rc ? rc : send_bytes(fd, s, until_ms, e);
}

static int receive_bytes(int fd, size_t n, struct buf *b, int64_t until_ms, struct err *e)
{
	char chunk[16384];
	while (n) {
		ssize_t got = recv(fd, chunk, MIN_OF(n, sizeof chunk), MSG_DONTWAIT);
		if (got > 0) {
			buf_add(b, str_of(chunk, (size_t)got));
			n -= (size_t)got;
		} else if (got == 0 || errno == ECONNRESET) {
			return CHILD_DIED;
		} else if (errno != EAGAIN && errno != EINTR) {
			return err_os(e, errno, "read from the evaluator");
		} else if (wait_ready(fd, POLLIN, until_ms, e) < 0) {
			return -1;
		}
	}
	return buf_check(b, e);
}

static int receive_frame(int fd, struct buf *b, int64_t until_ms, struct err *e)
{
	struct buf head CLEAN(buf_fini) = BUF_INIT(4);
	int rc = receive_bytes(fd, 4, &head, until_ms, e);
	if (rc)
		return rc;
	const unsigned char *h = (const unsigned char *)head.p;
	size_t n = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
	if (!n || n > EVAL_FRAME_MAX)
		return err_fail(e, ERR_INTERNAL, "the evaluator sent a frame of %zu bytes", n);
	return receive_bytes(fd, n, b, until_ms, e);
}

/* ---- children ---- */

static int spawn(const char *program, int fd, int *out_pid)
{
	/* clang-format off */
	char name[] = "hoc", verb[] = PROFILE_EVAL_VERB;
	char *argv[] = {name, verb, NULL}, *envp[] = {NULL};
	/* clang-format on */
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawnattr_init(&attr);
	int os = posix_spawn_file_actions_adddup2(&files, fd, 0);
	os = os ? os : posix_spawn_file_actions_adddup2(&files, fd, 1);
	os = os ? os : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	os = os ? os : posix_spawnattr_setsigmask(&attr, &none);
	os = os ? os : posix_spawnattr_setsigdefault(&attr, &all);
	os = os ? os
		: posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
							  POSIX_SPAWN_SETSIGDEF |
							  POSIX_SPAWN_SETPGROUP);
	os = os ? os : posix_spawn(out_pid, program, &files, &attr, argv, envp);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return os;
}

static int start_child(struct profile_eval *ev, const struct profile_bundle *b,
		       int64_t until_ms, struct warm *out, struct err *e)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_os(e, errno, "start the evaluator");
	*out = (struct warm){.fd = ends[0]};
	(void)snprintf(out->hash, sizeof out->hash, "%s", b->hash);
	int os = spawn(ev->program, ends[1], &out->pid);
	file_closep(&ends[1]);
	if (os) {
		file_closep(&ends[0]);
		return err_os(e, os, "start the evaluator %s", ev->program);
	}
	(void)pthread_mutex_lock(&ev->lock);
	ev->stats.children_started++;
	(void)pthread_mutex_unlock(&ev->lock);
	int rc = send_frame(out->fd, b->canonical, until_ms, e);
	if (rc < 0)
		(void)end_child(out, true);
	return rc < 0 ? -1 : 0; /* a child that died here shows it at the first question */
}

/* Tells why a child died without an answer. */
static int explain_death(int status, struct err *e)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return err_fail(e, ERR_INVALID, "the profile needs more than %d seconds of CPU",
				PROFILE_EVAL_CPU_SECONDS);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		return err_fail(
			e, ERR_INVALID,
			"the profile is nested too deeply, or needs more than %d MiB of memory",
			PROFILE_EVAL_MEMORY_MIB);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_fail(e, ERR_IO, "the evaluator cannot be executed");
	return err_fail(e, ERR_INVALID, "the profile needs more than %d MiB of memory",
			PROFILE_EVAL_MEMORY_MIB);
}

/* One question to one child. The child is idle again or gone. CHILD_DIED: ended in good order.
 */
static int ask_child(struct profile_eval *ev, struct warm *w, struct str question,
		     int64_t until_ms, struct buf *answer, struct err *e)
{
	int rc = send_frame(w->fd, question, until_ms, e);
	/* A child that is gone may have left its last words. */
	if (rc >= 0)
		rc = receive_frame(w->fd, answer, until_ms, e);
	if (rc == CHILD_DIED) {
		bool is_fresh = w->idle_at_ms == 0;
		int status = end_child(w, false);
		bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		return is_orderly || !is_fresh ? CHILD_DIED : explain_death(status, e);
	}
	if (rc == 0 && answer->p[0] == '=') {
		put_idle(ev, w);
		return 0;
	}
	(void)end_child(w, true);
	if (rc < 0)
		return -1;
	return err_fail(e, ERR_INVALID, "%.*s", (int)MIN_OF(answer->n - 1, 480), answer->p + 1);
}

static int ask(struct profile_eval *ev, const struct profile_bundle *b, struct str question,
	       struct buf *answer, struct err *e)
{
	struct warm w;
	int64_t until_ms = clock_mono_ms(clock_system()) + PROFILE_EVAL_WALL_MS;
	int rc = CHILD_DIED;
	/* An idle child may have answered its last question, or may have been killed by
	 * somebody. */
	if (take_idle(ev, b->hash, &w))
		rc = ask_child(ev, &w, question, until_ms, answer, e);
	if (rc != CHILD_DIED)
		return rc;
	buf_clear(answer);
	if (start_child(ev, b, until_ms, &w, e) < 0)
		return -1;
	rc = ask_child(ev, &w, question, until_ms, answer, e);
	return rc == CHILD_DIED
		       ? err_fail(e, ERR_INTERNAL, "the evaluator ended without an answer")
		       : rc;
}

static struct hash key_of(const struct profile_bundle *b, struct str question)
{
	struct hasher h;
	hasher_init(&h);
	hasher_add(&h, str_from(b->hash));
	hasher_add(&h, question);
	return hasher_end(&h);
}

static int ask_cached(struct profile_eval *ev, const struct profile_bundle *b,
		      struct str question, struct arena *a, struct str *out, struct err *e)
{
	struct hash key = key_of(b, question);
	(void)pthread_mutex_lock(&ev->lock);
	ev->stats.questions++;
	bool is_known = answers_find(ev->answers, &key, a, out);
	ev->stats.cache_hits += is_known;
	(void)pthread_mutex_unlock(&ev->lock);
	if (is_known)
		return 0;
	struct buf answer CLEAN(buf_fini) = BUF_INIT(EVAL_FRAME_MAX);
	if (ask(ev, b, question, &answer, e) < 0)
		return -1;
	struct str text = str_sub(buf_str(&answer), 1, answer.n);
	struct str copy = arena_dup(a, text);
	if (arena_check(a, e) < 0)
		return -1;
	(void)pthread_mutex_lock(&ev->lock);
	answers_keep(ev->answers, &key, text);
	(void)pthread_mutex_unlock(&ev->lock);
	*out = copy;
	return 0;
}

/* ---- questions ---- */

MUST int profile_eval_manifest(struct profile_eval *ev, const struct profile_bundle *b,
			       struct arena *a, struct str *out, struct err *e)
{
	return ask_cached(ev, b, S("{\"op\":\"manifest\"}"), a, out, e);
}

MUST int profile_eval_warm(struct profile_eval *ev, const struct profile_bundle *b,
			   struct err *e)
{
	struct buf answer CLEAN(buf_fini) = BUF_INIT(EVAL_FRAME_MAX);
	return ask(ev, b, S("{\"op\":\"warm\"}"), &answer, e);
}

/* The question in canonical form, so that equal inputs have equal keys. */
static int write_question(struct str type, struct str input, struct buf *b, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct json *tree;
	if (arena_new(INPUT_ARENA_BYTES, &a, e) < 0)
		return -1;
	if (json_parse(input, a, &tree, e) < 0)
		return err_in(e, "input of instance()");
	if (!json_is(tree, JSON_IS_OBJECT))
		return err_fail(e, ERR_INVALID, "the input of instance() must be an object");
	struct json *q = json_object_new(a);
	json_set_str(a, q, S("op"), S("instance"));
	json_set_str(a, q, S("type"), type.n ? type : S("default"));
	json_set(a, q, S("input"), tree);
	json_write_canonical(q, b);
	return arena_check(a, e) < 0 ? -1 : buf_check(b, e);
}

MUST int profile_eval_instance(struct profile_eval *ev, const struct profile_bundle *b,
			       struct str type, struct str input, struct arena *a,
			       struct str *out, struct err *e)
{
	struct buf question CLEAN(buf_fini) = BUF_INIT(EVAL_QUESTION_FRAME_MAX);
	if (write_question(type, input, &question, e) < 0)
		return -1;
	return ask_cached(ev, b, buf_str(&question), a, out, e);
}
