/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The API over room http.
 *
 * A request that reads runs in the thread of the server. A request that writes is queued for the
 * writer and answered after the commit that holds it is on disk, so the requests of many clients
 * share one flush. A long poll that has nothing to tell is parked in a hub, woken by the commits
 * that concern it, and answered at its deadline or when the server stops.
 *
 * With TLS callers show certificates; who they are is in api_request.caller. Whoever asks too often
 * gets status 429 with Retry-After, and an error of kind busy.
 *
 * On PostgreSQL other masters may write too: while somebody waits, the newest event is looked at
 * every API_HTTP_LOOK_MS.
 */
#include "api/api.h"
#include "api/rate.h"
#include "db/db.h"
#include "trust/tls.h"

struct api_http;

enum { API_HTTP_PARKED_MAX = 4096, API_HTTP_LOOK_MS = 250 };

struct api_http_options {
	struct api *api;
	struct db *db; /* both must outlive it */
	const struct clock *clock;
	const char *listen;  /* "127.0.0.1:8000", "[::1]:0", "unix:PATH" */
	unsigned threads;    /* 0: 4 */
	unsigned max_parked; /* long polls at once; 0: API_HTTP_PARKED_MAX */
	/* With TLS, all three; they must outlive it. NULL: plain, and everybody is anyone. */
	struct tls_server *tls;
	const struct cert_trust *trust;	  /* callers' certificates lead to its roots */
	const struct rate_limits *limits; /* NULL: nobody asks too often */
	unsigned max_address_connections; /* 0: no limit but that of all */
	unsigned
		request_timeout_s; /* for handshake and head, and for the whole of a request; 0: 30 */
};

/* Listens and serves until api_http_close. Errors of http_server_open. */
MUST int api_http_open(const struct api_http_options *options, struct api_http **out,
		       struct err *e);
/* Answers what is parked, waits for writes that are queued, ends. NULL accepted; gives NULL. */
struct api_http *api_http_close(struct api_http *h);
/* Where it listens, with the real port: "127.0.0.1:40123". */
const char *api_http_address(const struct api_http *h);
/* Wakes the long polls that a change concerns; for work that came by another way. Any thread. */
void api_http_wake(struct api_http *h, const struct api_response *changed);
/* Long polls that wait now. */
size_t api_http_parked(struct api_http *h);
