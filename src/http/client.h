/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * An HTTP client: one request after another to (mostly) one server, connections kept.
 *
 * A client belongs to one thread at a time, except http_client_cancel. It follows no redirect,
 * speaks http and https only, and takes a proxy from the environment only for hosts that are
 * not this machine. Foreign library: libcurl.
 *
 * https with `ca_file` (an authority of ours): TLS 1.3 only, no proxy, and the server's certificate
 * must lead to a root in that file and be for the host of the URL. Without `ca_file` https trusts what
 * the host trusts. `cert_file` and `key_file` are shown to servers under `base` only. The files are
 * looked at for every connection; when one has changed, kept connections are closed first.
 */
#include "http/route.h"

struct http_client;

struct http_client_options {
	const char *
		base; /* "http://127.0.0.1:8000", "unix:/run/x.sock", or NULL: only full URLs */
	unsigned connect_timeout_ms; /* 0: 5,000 */
	unsigned timeout_ms;	     /* 0: 30,000; a whole request, unless the request says */
	size_t max_response_bytes;   /* 0: 16 MiB; body, unless the request says */
	const char *ca_file;	     /* trusted roots, PEM; NULL: those of the host */
	const char *cert_file, *key_file; /* our chain and its key, PEM; NULL: show none */
	bool is_direct;			  /* no proxy, whatever the environment says */
};

/* `options` is copied. ERR_INVALID (field "base"), ERR_MEMORY. */
MUST int http_client_open(const struct http_client_options *options, struct http_client **out,
			  struct err *e);
/* NULL is accepted; returns NULL. No fetch may be running. */
struct http_client *http_client_close(struct http_client *c);
/* For CLEAN(http_client_closep). */
void http_client_closep(struct http_client **c);

struct http_request_header {
	const char *name;
	struct str value;
};

/* Takes a piece of the body; < 0 with *e filled ends the fetch with that error. */
typedef int http_body_fn(void *user, struct str piece, struct err *e);

struct http_request {
	enum http_method method;  /* HTTP_OTHER (0) is GET */
	struct str target;	  /* "/v1/status?x=1" on the base, or a full URL */
	struct str body;	  /* POST, PUT and PATCH send an empty one too */
	const char *content_type; /* NULL: application/json if there is a body */
	const struct http_request_header *headers;
	size_t header_count;
	unsigned timeout_ms; /* 0: the client's; give a long poll its wait and some more */
	size_t max_response_bytes; /* 0: the client's */
	http_body_fn *on_body;	   /* if set, a 2xx body goes here piece by piece */
	void *on_body_user;
};

enum { HTTP_RESPONSE_HEADERS_MAX = 64 };

struct http_response {
	unsigned status;
	struct str content_type;			      /* as sent, "" if absent */
	struct str body;				      /* empty if on_body took it */
	struct http_param headers[HTTP_RESPONSE_HEADERS_MAX]; /* further ones are dropped */
	size_t header_count;
};

enum { HTTP_CANCELLED = 1 };

/*
 * Sends and waits for the whole answer; any status is success. The answer lives in `a`.
 * Returns HTTP_CANCELLED after http_client_cancel. ERR_UNREACHABLE (no name, no connection, it
 * broke), ERR_TIMEOUT, ERR_TOO_LARGE (body), ERR_INVALID (target), ERR_MEMORY (arena).
 * The server may have acted on the request in each of these cases but the last two.
 * A server whose certificate is not good is ERR_UNREACHABLE too, with a text that names the fault:
 * nothing was sent, and what should be there did not answer. ERR_FORBIDDEN: it refused ours in the
 * handshake; ERR_BROKEN: the files of our identity cannot be used.
 */
MUST int http_fetch(struct http_client *c, const struct http_request *r, struct arena *a,
		    struct http_response *out, struct err *e);
/* As http_fetch, and a status outside 200 … 299 is the error of http_error_from_response. */
MUST int http_fetch_ok(struct http_client *c, const struct http_request *r, struct arena *a,
		       struct http_response *out, struct err *e);

/*
 * From any thread: the fetch that runs ends at once, and later ones return HTTP_CANCELLED
 * without sending, until http_client_reset.
 */
void http_client_cancel(struct http_client *c);
void http_client_reset(struct http_client *c);

/* The value of a header (name in any case), "" if absent. */
struct str http_response_header(const struct http_response *r, const char *name);
/*
 * Turns an answer of a status outside 2xx into *e and returns -1: kind, field and text of the
 * body {"error": {…}} if it is one (and the kind is known), else the kind by status and a text
 * with the status and the start of the body.
 */
int http_error_from_response(const struct http_response *r, struct err *e);
