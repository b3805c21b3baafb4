/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Streams of messages over a local socket, with bounds on what may wait in either direction.
 *
 * A message is a line (ended by LF, which is not part of it) or a frame (length in four bytes,
 * most significant first, then as many bytes). A peer that sends a longer message than allowed,
 * or does not read what it is sent, loses the connection; we never hold more than the maxima.
 */
#include "ev/ev.h"

struct ev_stream;
struct ev_listener;

enum ev_framing { EV_LINES, EV_FRAMES };

struct ev_stream_options {
	enum ev_framing framing;
	size_t message_max_bytes; /* of one incoming message */
	size_t out_max_bytes;	  /* of what waits to be sent */
	/* One whole message, valid during the call. The stream may be freed inside. */
	void (*message)(void *user, struct str text);
	/*
	 * The stream ended: kind ERR_NONE if the peer closed it in order, else why. Called once
	 * at most, last; the owner still frees the stream.
	 */
	void (*closed)(void *user, const struct err *why);
	void *user;
};

/* Takes a connected stream socket or one end of a socketpair; closes it even on failure. */
MUST int ev_stream_open(struct ev *ev, int fd, const struct ev_stream_options *o,
			struct ev_stream **out, struct err *e);
/* Connects to a socket in the file system. ERR_UNREACHABLE if nobody listens. */
MUST int ev_stream_connect_unix(struct ev *ev, const char *path,
				const struct ev_stream_options *o, struct ev_stream **out,
				struct err *e);
/* Sends one message (framing is added here). ERR_BUSY beyond out_max_bytes: nothing is sent. */
MUST int ev_stream_send(struct ev_stream *s, struct str message, struct err *e);
/* Stops taking messages until switched on again; the peer's bytes wait in the kernel. */
void ev_stream_pause(struct ev_stream *s, bool is_paused);
/* True when everything sent was handed to the kernel. */
bool ev_stream_is_flushed(const struct ev_stream *s);
/* The uid and pid of the peer as the kernel knows them (SO_PEERCRED). */
MUST int ev_stream_peer(const struct ev_stream *s, unsigned *out_uid, int *out_pid,
			struct err *e);
/* Closes at once, without `closed`. NULL is accepted; returns NULL. */
struct ev_stream *ev_stream_free(struct ev_stream *s);

typedef void ev_accept_fn(void *user,
			  int fd); /* fd is the callee's: close it or open a stream */
/*
 * Listens on a socket at `path` with permissions `mode`; a stale socket file is replaced. The
 * path has at most 107 bytes; longer ones are reached through a descriptor of their directory.
 */
MUST int ev_listen_unix(struct ev *ev, const char *path, unsigned mode, ev_accept_fn *fn,
			void *user, struct ev_listener **out, struct err *e);
/* Stops listening and removes the socket file. NULL is accepted; returns NULL. */
struct ev_listener *ev_listener_free(struct ev_listener *l);
