/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Asks a promise whether it is kept, once.
 *
 * tcp and http go from the host to the partition's address; exec runs in a one-shot container
 * of the partition; file is read beneath its home; process asks the supervisor. Whatever goes
 * wrong, a hanging one included, ends in "not kept" with a sentence, after timeout_seconds at
 * the latest.
 */
#include "agent/files.h"
#include "profile/spec.h"

struct check_place {
	const char *ipv4;	/* of the partition */
	const char *home;	/* path of its home */
	const char *supervisor; /* path of the supervisor's socket */
	const char *netns;	/* path of its network namespace */
	struct str partition;
	/* Directory with the bundle (config.json) of a promise that is of kind exec. */
	const char *run_dir; /* run_dir/PROMISE/config.json */
};

enum { CHECK_MESSAGE_SIZE = 240 };

struct check_result {
	bool is_kept;
	int64_t at_ms, took_ms;
	char message[CHECK_MESSAGE_SIZE]; /* "" if kept and there is nothing to say */
};

/* Blocks; any thread. */
void check_run(const struct spec_promise *p, const struct check_place *place,
	       struct check_result *out);
/* `count` promises side by side, at most `cap` threads. out[i] belongs to list[i]. */
void check_run_all(const struct spec_promise *const *list, size_t count, unsigned cap,
		   const struct check_place *place, struct check_result *out);
/* Is the service ready? Same means as a promise. */
bool check_is_ready(const struct spec_service *s, const struct check_place *place);
