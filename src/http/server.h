/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * An HTTP/1.1 server.
 *
 * A call is one request and its one answer. It comes to the handler complete, on a thread of
 * the server's pool; handlers run side by side. The handler answers at once, or keeps the
 * pointer ("parks" the call) and someone answers later, from any thread:
 *
 *     arrived ──> handler ──http_reply──────────────> answered ──> gone
 *                    └─ returns without answer ─> parked ─http_reply─┘
 *
 * Rules for who holds a parked call:
 *  1. It answers exactly once, whatever happens; after that the pointer is dead to it.
 *  2. If it may wait long it asks for http_call_on_gone: the server then says when the client
 *     has left or the server stops, and the holder answers at once (a client that left gets
 *     nothing, but the answer frees the call).
 *  3. http_server_close waits for parked calls at most `drain_ms`, then answers them itself
 * with 503. A holder that comes later still calls http_reply once; it frees what remains.
 *
 * What a client can make the server hold is bounded by the options: connections (in all and by
 * address), header bytes, body bytes (of a call and of all calls), parked calls, and time: to
 * send a request, between requests, to take an answer. Beyond a bound a client gets 413, 431 or
 * 503 with Retry-After, or is cut off when it is too slow.
 *
 * Malformed requests never reach the handler: 400, with the error body of http_reply_err where
 * the head was readable. Foreign library: libmicrohttpd.
 *
 * With `tls` every connection is TLS 1.3. The client is asked for a certificate and may show none;
 * the handshake proves that it has the key of what it showed and nothing else: whether the
 * certificate is good is judged by the handler, which can say in words what is wrong with it. The
 * handshake and the head of the first request share request_timeout_s. A unix socket stays plain.
 */
#include "http/route.h"
#include "trust/tls.h"

struct http_server;
struct http_call;

typedef void http_handler_fn(struct http_call *c, void *user);
typedef void http_gone_fn(struct http_call *c, void *user);

struct http_server_options {
	const char *listen;		  /* "127.0.0.1:8000", "[::1]:0", "unix:/run/x.sock" */
	unsigned threads;		  /* 0: 2 */
	size_t max_header_bytes;	  /* 0: 16 KiB; request line and headers */
	size_t max_body_bytes;		  /* 0: 1 MiB; of one request */
	size_t max_bodies_bytes;	  /* 0: 256 MiB; of all requests in memory */
	size_t max_call_bytes;		  /* 0: 8 MiB; limit of a call's arena */
	unsigned max_connections;	  /* 0: 4096 */
	unsigned max_address_connections; /* 0: max_connections; from one address */
	unsigned max_parked;		  /* 0: max_connections */
	unsigned idle_timeout_s;	  /* 0: 60; between two requests of a connection */
	unsigned request_timeout_s;	  /* 0: 30; for the whole of a request to arrive */
	unsigned drain_ms;		  /* 0: 5000; see rule 3 */
	struct tls_server *tls;		  /* must outlive the server; NULL: plain */
};

/*
 * Binds, and serves until http_server_close. `options` is not kept. A unix socket is made with
 * mode 0600 and replaces a dead one at that path. ERR_INVALID (field "listen"), ERR_CONFLICT
 * (the address is in use), ERR_IO, ERR_MEMORY.
 */
MUST int http_server_open(const struct http_server_options *options, http_handler_fn *fn,
			  void *user, struct http_server **out, struct err *e);
/*
 * Stops accepting, tells the holders of parked calls, waits for answers (rule 3) and for their
 * way out, and frees: what answers parked calls must still run. After it returned the handler is not running and not called any more.
 * Not from a handler. NULL is accepted; returns NULL.
 */
struct http_server *http_server_close(struct http_server *s);
/* Where it listens, with the port that was bound: "127.0.0.1:40123". Lives with the server. */
const char *http_server_address(const struct http_server *s);

struct http_server_counts {
	uint64_t requests;	      /* calls handed to the handler since start */
	uint64_t refused;	      /* answered by the server itself: 4xx, 503 */
	uint64_t cut;		      /* connections cut off for slowness */
	unsigned connections, parked; /* now */
	size_t bodies_bytes;	      /* now */
};
struct http_server_counts http_server_counts(struct http_server *s);

/* --- What the request says. Valid until the call is answered. ---------------------------- */

/* HTTP_OTHER for a method that is not ours. */
enum http_method http_call_method(const struct http_call *c);
/* Path and query, decoded. */
const struct http_target *http_call_target(const struct http_call *c);
/* The body, all of it; empty if none. A NUL follows it. */
struct str http_call_body(const struct http_call *c);
/* A header's value (name in any case), the empty str if absent. Within the handler only. */
struct str http_call_header(const struct http_call *c, const char *name);
/* A query parameter's value, or the empty str. */
struct str http_call_query(const struct http_call *c, const char *name);
/* The other side: "127.0.0.1", "::1", or "unix". */
struct str http_call_peer(const struct http_call *c);
/* Did it come over TLS? */
bool http_call_is_tls(const struct http_call *c);
/*
 * The certificates that the client showed, leaf first; *count is 0 if it showed none, or without
 * TLS. They are read once a connection, and not checked against anything. Within the handler;
 * what it gives is valid until the call is answered. ERR_INVALID: a certificate that cannot be
 * read; ERR_MEMORY.
 */
MUST int http_call_certificate(struct http_call *c, const struct cert **chain, size_t *count,
			       struct err *e);
/* A number of the handler's that stays with the connection, 0 at first: what it found out about the
 * certificate. Within the handler only. */
unsigned *http_call_mark(struct http_call *c);
/* Memory of this call, freed after the answer left. */
struct arena *http_call_arena(struct http_call *c);

/* --- The answer. ------------------------------------------------------------------------- */

struct http_header {
	const char *name;
	struct str value; /* without CR, LF and NUL */
};

struct http_reply {
	unsigned status;	  /* 200 … 599 */
	const char *content_type; /* NULL: application/json */
	struct str body;
	bool is_body_in_arena; /* body lives in http_call_arena or is static: it is not copied
				*/
	bool must_close;       /* the connection ends after this answer */
	const struct http_header *headers; /* copied; a value has at most 1,000 bytes */
	size_t header_count;
};

/*
 * Answers, from any thread. Cannot fail: without memory the client gets a bare 503. Date,
 * Content-Length, Connection are added; a HEAD request gets no body. Never blocks.
 */
void http_reply(struct http_call *c, const struct http_reply *r);
/* Answers `status` with a JSON text in the call's arena (or static). */
void http_reply_json(struct http_call *c, unsigned status, struct str json);
/*
 * Answers an error: status of its kind, body {"error": {"kind": …, "field": …, "text": …}},
 * Retry-After with 503.
 */
void http_reply_err(struct http_call *c, const struct err *e);
/* The same with a status of its own choice (405…), and one more header if `header` is not NULL.
 */
void http_reply_err_as(struct http_call *c, unsigned status, const struct err *e,
		       const struct http_header *header);

/*
 * To be told once, on a thread of the server, that the client left or the server stops, if the
 * call is not answered yet. Call it in the handler, before another thread may answer. During
 * `fn` another thread may be answering: `c` is then good as a key for your own table of parked
 * calls and for nothing else; `user` must outlive the server. Who takes the call out of that
 * table answers it. `fn` must not block; it may call http_reply.
 */
void http_call_on_gone(struct http_call *c, http_gone_fn *fn, void *user);
