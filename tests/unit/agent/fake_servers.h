/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What promises are asked of: a socket on loopback that listens, answers over HTTP, hangs or is
 * closed, and a supervisor whose service is in a given state. Each lives in a thread of its own
 * until it is stopped.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/defs.h"

enum { FAKE_DOWN, FAKE_UP };

struct fake_server {
	int fd;
	unsigned port; /* of HTTP */
	pthread_t thread;
	const char *reply;     /* HTTP: sent after the request's head; NULL: nothing, ever */
	atomic_int state;      /* of the supervisor's one service */
	atomic_uint questions; /* so far */
	int held[64];	       /* connections that get no answer */
	size_t held_n;
	bool is_supervisor;
};

/* A socket that listens on 127.0.0.1; its port. */
int fake_listener(unsigned *port);
void fake_http_start(struct fake_server *s, const char *reply);
/* Answers `list` with service p0/web. */
void fake_supervisor_start(struct fake_server *s, const char *path);
void fake_stop(struct fake_server *s);
