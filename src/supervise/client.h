/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The agent's side of the supervisor's socket (NODEDIR/supervise/socket).
 *
 * A client connects, says hello, subscribes, and connects again by itself for as long as it
 * lives: `connected` comes each time, with what the supervisor then is, so that the owner lists
 * and converges afresh; requests that were under way fail with ERR_UNREACHABLE and may be
 * repeated as they are, since every request is idempotent (`run` excepted: a lost `run` may
 * have happened). One loop thread. Nothing blocks but supervise_call.
 */
#include "ev/ev.h"
#include "supervise/protocol.h"

struct supervise_client;

struct supervise_client_handlers {
	void (*connected)(void *user, const struct supervise_hello *hello);
	/* Only after a `connected`; `why` is kind ERR_NONE if the supervisor closed in order.
	 */
	void (*disconnected)(void *user, const struct err *why);
	void (*event)(void *user, const struct supervise_event *event);
	void *user;
};

/* Any of the three may be NULL. `socket_path` is copied. Never fails for an absent supervisor.
 */
MUST int supervise_client_new(struct ev *ev, const char *socket_path,
			      const struct supervise_client_handlers *h,
			      struct supervise_client **out, struct err *e);
/* Open requests are dropped without a callback. NULL is accepted; returns NULL. */
struct supervise_client *supervise_client_free(struct supervise_client *c);
bool supervise_client_is_connected(const struct supervise_client *c);

/*
 * The answer: `reply` if error.kind is ERR_NONE (check `reply->error`). Never NULL: a lost
 * connection is a reply with ERR_UNREACHABLE, a supervisor that does not answer in time one
 * with ERR_TIMEOUT. Text is valid during the call.
 */
typedef void supervise_reply_fn(void *user, const struct supervise_reply *reply);

/*
 * Sends a request (serial is chosen here). fn is called once, unless the client is freed
 * before. timeout_ms 0: 30 s, and for stop, restart, remove and run their own limit on top.
 * Fails with ERR_UNREACHABLE without a connection, ERR_BUSY with SUPERVISE_REQUESTS_MAX under
 * way.
 */
enum { SUPERVISE_REQUESTS_MAX = 1024 };
MUST int supervise_request(struct supervise_client *c, const struct supervise_request *rq,
			   int64_t timeout_ms, supervise_reply_fn *fn, void *user,
			   struct err *e);

/*
 * One request on a connection of its own, blocking for at most timeout_ms: for the CLI and
 * tests. A refusal of the supervisor is a failure of this call. Text in *out lives in `a`.
 */
MUST int supervise_call(const char *socket_path, const struct supervise_request *rq,
			int64_t timeout_ms, struct arena *a, struct supervise_reply *out,
			struct err *e);

/*
 * Blocks until an event of `kind` of service `id` (empty: any) arrives on a connection that
 * first subscribes, then sends `rq` (may be NULL). For tests and benchmarks. ERR_TIMEOUT
 * otherwise.
 */
MUST int supervise_await(const char *socket_path, const struct supervise_request *rq,
			 enum supervise_event_kind kind, struct str id, int64_t timeout_ms,
			 struct arena *a, struct supervise_event *out, struct err *e);
