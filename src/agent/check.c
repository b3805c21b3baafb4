/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One function a kind of promise; each ends within the promise's time and says why it is not
 * kept. Side by side means a few threads that take the next promise of a list.
 */
#include "agent/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "http/client.h"
#include "supervise/client.h"

enum {
	CHECK_MEMORY = 4 << 20,
	FILE_MAX = 1 << 20,
	BODY_MAX = 1 << 20,
	THREADS_MAX = 16,
	OUTPUT_MAX = 4096
};

PRINTF(2, 3)
static void not_kept(struct check_result *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(r->message, sizeof r->message, format, args);
	va_end(args);
	r->is_kept = false;
	/* Output of commands is any bytes, and texts are cut anywhere: one clean line of UTF-8. */
	struct str rest = str_from(r->message);
	while (rest.n) {
		size_t step = str_utf8_step(rest);
		char *at = r->message + (rest.p - r->message);
		if (step == 0 || (unsigned char)*at < ' ')
			*at = step ? ' ' : '?';
		rest = str_sub(rest, step ? step : 1, rest.n);
	}
}

/* ---- tcp ----------------------------------------------------------------------------------- */

static int make_address(const char *host, int64_t port, struct sockaddr_storage *out,
			socklen_t *size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*size = sizeof *v4;
		return AF_INET;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*size = sizeof *v6;
		return AF_INET6;
	}
	return -1;
}

static void check_tcp(const char *host, int64_t port, int64_t timeout_ms,
		      struct check_result *r)
{
	struct sockaddr_storage address;
	socklen_t size, error_size = sizeof(int);
	int family = make_address(host, port, &address, &size), error = 0;
	if (family < 0) {
		not_kept(r, "%s is not an address", host);
		return;
	}
	int fd CLEAN(file_closep) =
		socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		not_kept(r, "no socket: %s", strerrordesc_np(errno));
		return;
	}
	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return;
	if (errno != EINPROGRESS) {
		not_kept(r, "%s port %lld: %s", host, (long long)port, strerrordesc_np(errno));
		return;
	}
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int64_t until_ms = clock_mono_ms(clock_system()) + timeout_ms, left_ms = timeout_ms;
	int n;
	while ((n = poll(&p, 1, (int)left_ms)) < 0 && errno == EINTR)
		left_ms = MAX_OF(until_ms - clock_mono_ms(clock_system()), (int64_t)0);
	if (n == 0)
		not_kept(r, "%s port %lld: no answer within %lld ms", host, (long long)port,
			 (long long)timeout_ms);
	else if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0 ||
		 error)
		not_kept(r, "%s port %lld: %s", host, (long long)port,
			 strerrordesc_np(error ? error : errno));
}

/* ---- http ---------------------------------------------------------------------------------- */

static void check_http(const struct spec_promise *p, struct arena *a, struct check_result *r)
{
	struct http_client *c CLEAN(http_client_closep) = NULL;
	struct err e = ERR_INIT;
	struct http_response response;
	const struct http_client_options o = {.max_response_bytes = BODY_MAX};
	const struct http_request rq = {.target = p->url,
					.timeout_ms = (unsigned)(p->timeout_seconds * 1000)};
	if (http_client_open(&o, &c, &e) < 0 || http_fetch(c, &rq, a, &response, &e) != 0) {
		not_kept(r, "%" STR_F ": %s", STR_A(p->url), e.text);
		return;
	}
	if ((int64_t)response.status != p->status)
		not_kept(r, "%" STR_F " answers %u, not %lld", STR_A(p->url), response.status,
			 (long long)p->status);
	else if (p->contains.n && str_find(response.body, p->contains) == response.body.n)
		not_kept(r, "%" STR_F " does not contain \"%" STR_F "\"", STR_A(p->url),
			 STR_A(p->contains));
}

/* ---- exec, process ------------------------------------------------------------------------- */

static void check_exec(const char *dir, int64_t timeout_ms, const struct check_place *place,
		       struct arena *a, struct check_result *r)
{
	struct supervise_run_spec run = {
		.partition = place->partition,
		.bundle = str_from(dir),
		.netns = str_from(place->netns),
		.timeout_ms = timeout_ms,
		.output_max_bytes = OUTPUT_MAX,
	};
	const struct supervise_request rq = {.verb = SUPERVISE_RUN, .run = &run};
	struct supervise_reply reply;
	struct err e = ERR_INIT;
	if (supervise_call(place->supervisor, &rq, timeout_ms + 5000, a, &reply, &e) < 0 ||
	    !reply.result) {
		not_kept(r, "%s", e.text);
		return;
	}
	struct str out = str_trim(reply.result->output);
	struct str tail = str_sub(out, out.n > 160 ? out.n - 160 : 0, 160);
	if (reply.result->timed_out)
		not_kept(r, "the command did not end within %lld ms", (long long)timeout_ms);
	else if (reply.result->exit_code != 0)
		not_kept(r, "the command exited with %lld: %" STR_F,
			 (long long)(reply.result->exit_code < 0 ? 128 + reply.result->signal
								 : reply.result->exit_code),
			 STR_A(tail));
}

static void check_process(const struct spec_promise *p, const struct check_place *place,
			  struct arena *a, struct check_result *r)
{
	const struct supervise_request rq = {.verb = SUPERVISE_LIST,
					     .partition = place->partition};
	struct supervise_reply reply;
	struct err e = ERR_INIT;
	if (supervise_call(place->supervisor, &rq, p->timeout_seconds * 1000, a, &reply, &e) <
	    0) {
		not_kept(r, "the supervisor does not answer: %s", e.text);
		return;
	}
	struct str id =
		arena_fmt(a, "%" STR_F "/%" STR_F, STR_A(place->partition), STR_A(p->service));
	for (size_t i = 0; i < reply.service_count; i++) {
		const struct supervise_status *s = &reply.services[i];
		if (!str_eq(s->id, id))
			continue;
		if (s->state != SUPERVISE_UP)
			not_kept(r, "service %" STR_F " is %s %" STR_F, STR_A(p->service),
				 supervise_state_name(s->state), STR_A(s->message));
		return;
	}
	not_kept(r, "service %" STR_F " is not there", STR_A(p->service));
}

/* ---- file ---------------------------------------------------------------------------------- */

static void check_file(struct str path, struct str contains, const struct check_place *place,
		       struct arena *a, struct check_result *r)
{
	struct files_home home = {.fd = -1};
	struct err e = ERR_INIT;
	struct str text;
	home.fd = open(place->home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home.fd < 0) {
		not_kept(r, "the home cannot be opened: %s", strerrordesc_np(errno));
		return;
	}
	int rc = files_read(&home, path, FILE_MAX, a, &text, &e);
	files_close(&home);
	if (rc != 0)
		not_kept(r, "file %" STR_F " %s", STR_A(path),
			 rc > 0 ? "is not there" : e.text);
	else if (contains.n && str_find(text, contains) == text.n)
		not_kept(r, "file %" STR_F " does not contain \"%" STR_F "\"", STR_A(path),
			 STR_A(contains));
}

/* ---- one, and many ------------------------------------------------------------------------- */

static void check_kind(const struct spec_promise *p, const struct check_place *place,
		       struct arena *a, struct check_result *r)
{
	int64_t timeout_ms = p->timeout_seconds * 1000;
	switch (p->kind) {
	case SPEC_PROMISE_TCP:
		check_tcp(p->host.n ? arena_cstr(a, p->host) : place->ipv4, p->port, timeout_ms,
			  r);
		break;
	case SPEC_PROMISE_HTTP:
		check_http(p, a, r);
		break;
	case SPEC_PROMISE_EXEC:
		check_exec(arena_fmt(a, "%s/%" STR_F, place->run_dir, STR_A(p->name)).p,
			   timeout_ms, place, a, r);
		break;
	case SPEC_PROMISE_FILE:
		check_file(p->path, p->contains, place, a, r);
		break;
	case SPEC_PROMISE_PROCESS:
		check_process(p, place, a, r);
		break;
	}
}

void check_run(const struct spec_promise *p, const struct check_place *place,
	       struct check_result *out)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	int64_t begun_ms = clock_mono_ms(clock_system());
	*out = (struct check_result){.is_kept = true};
	if (arena_new(CHECK_MEMORY, &a, &e) < 0)
		not_kept(out, "%s", e.text);
	else
		check_kind(p, place, a, out);
	out->at_ms = clock_now_ms(clock_system());
	out->took_ms = clock_mono_ms(clock_system()) - begun_ms;
}

struct round {
	const struct spec_promise *const *list;
	size_t count;
	const struct check_place *place;
	struct check_result *out;
	atomic_size_t next;
};

static void *run_round(void *user)
{
	struct round *r = user;
	size_t i;
	while ((i = atomic_fetch_add(&r->next, 1)) < r->count)
		check_run(r->list[i], r->place, &r->out[i]);
	return NULL;
}

void check_run_all(const struct spec_promise *const *list, size_t count, unsigned cap,
		   const struct check_place *place, struct check_result *out)
{
	struct round r = {.list = list, .count = count, .place = place, .out = out};
	pthread_t helpers[THREADS_MAX];
	size_t want = MIN_OF(MIN_OF((size_t)cap, count), (size_t)THREADS_MAX), n = 0;
	/* This thread is one of them; without further threads it does all itself. */
	while (n + 1 < want && pthread_create(&helpers[n], NULL, run_round, &r) == 0)
		n++;
	(void)run_round(&r);
	while (n)
		(void)pthread_join(helpers[--n], NULL);
}

bool check_is_ready(const struct spec_service *s, const struct check_place *place)
{
	enum { READY_TIMEOUT_MS = 2000 };
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct check_result r = {.is_kept = true};
	if (arena_new(CHECK_MEMORY, &a, &e) < 0)
		return false;
	switch (s->ready.kind) {
	case SPEC_READY_NONE:
		break;
	case SPEC_READY_TCP:
		check_tcp(place->ipv4, s->ready.port, READY_TIMEOUT_MS, &r);
		break;
	case SPEC_READY_EXEC:
		check_exec(arena_fmt(a, "%s/ready/%" STR_F, place->run_dir, STR_A(s->name)).p,
			   READY_TIMEOUT_MS, place, a, &r);
		break;
	case SPEC_READY_FILE:
		check_file(s->ready.file, S(""), place, a, &r);
		break;
	}
	return r.is_kept;
}
