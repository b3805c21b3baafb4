/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A crew: a bounded number of threads that do blocking work, one queue.
 *
 * The loop hands in work; `work` runs in a thread of the crew and may block as long as it
 * likes; `done` runs afterwards in the loop's thread. Threads are started when needed and never
 * more than the crew's size, so a crew that is idle from the start costs nothing. The queue is
 * bounded by those who fill it (a step a partition, a call a token).
 */
#include "ev/ev.h"

struct crew;
typedef void crew_fn(void *user);

/* A crew of at most `threads_max` (>= 1) threads, none of which runs yet. */
MUST int crew_new(struct ev *ev, unsigned threads_max, struct crew **out, struct err *e);
/*
 * Waits for work under way, ends the threads, and drops what is queued or was not yet `done`:
 * `drop` is called instead. NULL is accepted; returns NULL. Call it while the loop is not running.
 */
struct crew *crew_free(struct crew *c);
/* Queues work. Loop thread only. `user` lives until done or drop (may be NULL) was called. */
MUST int crew_do(struct crew *c, crew_fn *work, crew_fn *done, crew_fn *drop, void *user,
		 struct err *e);
/* Work queued or under way. */
size_t crew_load(const struct crew *c);
