/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of the server share.
 *
 *   server.c        options, start, stop
 *   server_mhd.c    the library's callbacks: a connection, a request, its end
 *   server_call.c   what a handler sees: the request's parts and the answer
 *   server_watch.c  one thread that cuts slow clients, notices clients that left, and lingers
 *   server_tls.c    the certificates that a connection showed
 *   listen.c        addresses and listening sockets
 *
 * Lock order: http_server.lock, then what the library locks. No callback of ours is entered
 * with a lock of the library held.
 *
 * Invariants, under the lock:
 *  1. A call is in `parked` exactly while its state is CALL_PARKED, and then its connection is
 *     suspended in the library; whoever takes it out resumes the connection before unlocking.
 *  2. A connection is in `conns` exactly while its descriptor is open and its own.
 *  3. After must_abandon nothing is parked any more.
 *  4. open_count is the number of calls that the handler has seen and nobody has answered.
 *
 * References to a call: the library's side (until the request is completed), the owner's side
 * (until http_reply), and one during a gone function. A server lives until it is closed and the
 * last call is freed.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "http/server.h"

enum { PEER_SIZE = 48, LINGER_MAX = 64 };

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

enum call_state {
	CALL_RUNNING,	/* on its way in, or in the handler */
	CALL_PARKED,	/* the handler returned without an answer */
	CALL_ANSWERED,	/* `response` is or was its answer */
	CALL_ABANDONED, /* the server answered in the owner's place */
};

/* The certificates of a connection: held by it, and by its calls that have asked for them. */
struct shown {
	atomic_uint refs;
	struct arena *arena;
	struct cert *chain;
	size_t count;
};

struct conn {
	struct http_server *server;
	struct conn *next, *prev;
	int fd;
	_Atomic int64_t deadline_ms; /* cut off after this; 0: never */
	bool is_over;		     /* beyond a limit: gets 503 only */
	bool must_linger;	     /* bytes may come that nobody reads: close gently */
	char peer[PEER_SIZE];
	void *session;	     /* of the TLS library; NULL: plain */
	struct shown *shown; /* NULL: not read yet */
	unsigned mark;
};

struct http_call {
	struct http_server *server;
	struct conn *conn; /* the library's side only */
	struct MHD_Connection *mhd;
	atomic_uint refs;
	enum call_state state;
	struct http_call *next, *prev; /* in `parked` */
	int64_t parked_at_ms;
	bool is_watched; /* its descriptor is in the watcher's epoll */
	bool is_told;	 /* the gone function was or is being called */
	bool was_handed; /* the handler has seen it */
	bool has_head;	 /* the first callback of the request is over */
	http_gone_fn *gone;
	void *gone_user;

	enum http_method method;
	struct str raw; /* target as sent */
	struct http_target target;
	struct arena *arena;
	struct buf body;
	size_t charged_bytes; /* of bodies_bytes */
	char peer[PEER_SIZE];
	struct shown *shown; /* NULL: nobody asked */

	struct MHD_Response *response;
	unsigned status;
	size_t reply_bytes;
};

struct lingering {
	int fd;
	int64_t deadline_ms;
	size_t bytes_left;
};

struct http_server {
	struct http_server_options o; /* every default filled in; `listen` is not kept */
	http_handler_fn *fn;
	void *user;
	struct MHD_Daemon *daemon;
	int quiet_fd; /* the listening socket once it accepts no more, else 0 */
	char address[128];
	char unix_path[108]; /* "" if TCP */
	atomic_uint refs;

	pthread_mutex_t lock;
	pthread_cond_t has_changed; /* fewer calls open or handed, while stopping */
	struct conn *conns;
	struct http_call *parked;
	unsigned conn_count, parked_count, open_count, handed_count;
	atomic_bool is_stopping;
	bool must_abandon;

	pthread_t watcher;
	bool has_watcher, must_quit;
	int epoll_fd, wake_fd;
	int64_t wake_at_ms; /* when the watcher looks by itself; INT64_MAX: never */
	struct lingering lingers[LINGER_MAX];
	size_t linger_count;

	_Atomic uint64_t requests, refused, cut;
	_Atomic size_t bodies_bytes;
};

/* --- listen.c --- */

/* A listening socket for the text of http_server_options.listen; fills address and unix_path.
 */
MUST int listen_open(struct http_server *s, const char *text, int *out_fd, struct err *e);

/* --- server.c --- */

void server_unref(struct http_server *s);
int64_t server_now_ms(void);

/* --- server_mhd.c --- */

/* Starts the library on a listening socket, which it then owns. */
MUST int mhd_start(struct http_server *s, int listen_fd, struct err *e);
/* Stops accepting; the connections stay. */
void mhd_stop_accepting(struct http_server *s);
/* Joins the library's threads and closes every connection. */
void mhd_stop(struct http_server *s);

/* --- server_call.c --- */

struct http_call *call_new(struct conn *conn, struct MHD_Connection *mhd, const char *raw);
void call_unref(struct http_call *c);
/* The library's answer for `r`; NULL without memory. `c` may be NULL (then the body is copied).
 */
struct MHD_Response *call_response(const struct http_reply *r);
/* Answers an open call in its owner's place: 503. Lock held. */
void call_abandon(struct http_call *c);
/* Tells the owner, if it asked and was not told yet. Lock held, released and taken again. */
void call_tell_gone(struct http_call *c);
/* The error body of the API, in arena memory or static. */
struct str call_error_body(struct arena *a, const struct err *e);

/* --- server_tls.c --- */

/* One holder less. NULL is accepted. */
void shown_unref(struct shown *s);

/* --- server_watch.c --- */

MUST int watch_start(struct http_server *s, struct err *e);
/* Ends the thread and closes what lingers. */
void watch_stop(struct http_server *s);
/* Makes the watcher look at `at_ms` the latest. Lock held. */
void watch_wake_by(struct http_server *s, int64_t at_ms);
/* Takes its descriptor out of the watcher's epoll. Lock held. */
void watch_forget(struct http_call *c);
/* Keeps a duplicate of the connection's socket open until the client has read its answer. */
void watch_linger(struct conn *conn);
