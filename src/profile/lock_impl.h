/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Shared by lock.c (text), resolve.c (making), fetch.c and root.c (using). */
#include "profile/lock.h"

/* Sorts the packages, writes the canonical text and hashes it. */
MUST int lock_finish(struct profile_lock *l, struct arena *a, struct err *e);

/* ---- apt's private directory (apt.c) ---- */
struct apt {
	struct str dir;	 /* of these sources: lists, status, configuration */
	struct str conf; /* for apt-get -c */
	int lock_fd;	 /* flock on dir: exclusive to resolve, shared to fetch */
	int fetch_fd;	 /* flock of the one who fetches; -1: not held */
};
#define APT_CLOSED \
	{ \
		.lock_fd = -1, .fetch_fd = -1 \
	}
/* Makes or opens it and waits for the lock. ERR_UNSUPPORTED: no sources for the suite. */
MUST int apt_open(const struct profile_apt *options, const struct spec_software *s,
		  bool is_exclusive, struct arena *a, struct apt *out, struct err *e);
/* Waits until nobody else fetches here: what releases share is then fetched once. */
MUST int apt_lock_fetch(struct apt *apt, struct arena *a, struct err *e);
void apt_closep(struct apt *apt);
/* Lists are fetched if older than lists_max_age_ms; old lists do if no mirror answers. */
MUST int apt_update(const struct apt *apt, int64_t lists_max_age_ms, struct arena *a,
		    struct err *e);

/*
 * The host's sources of `suite` (and its -updates and -security) below `etc`, as deb822 text.
 * Empty if it has none. (sources.c)
 */
MUST int sources_of_host(const char *etc, struct str suite, struct arena *a, struct str *out,
			 struct err *e);
