/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The node: what `hoc node format|run|pass|boot|status` call.
 *
 * A node is one directory. `format` gives it a name, partitions with ranges of users, and
 * addresses; `run` is the daemon; `pass` converges once and ends; `boot` brings back what the
 * node last knew without any master, and ends; `status` shows it, running or not.
 */
#include "base/arena.h"

struct agent_format {
	const char *dir;
	struct str node;    /* name: 1 … 64 of [A-Za-z0-9._-] */
	int64_t partitions; /* 1 … 4000 */
	int64_t uid_first;  /* of the ranges; 0: the first free one above 200,000 */
	bool is_dry_run;    /* only says what would be */
};

struct agent_format_result {
	bool is_new;
	int64_t added, removed, kept;
	struct str text; /* JSON: node, partitions [{name, uid_base, ipv4, ipv6}], bridge */
};

/*
 * Makes or changes a node, and its network. Idempotent: a second time changes nothing; names,
 * ranges and addresses stay for ever. Fewer partitions than before are fine as long as those
 * that go are free (else ERR_CONFLICT). Needs root.
 */
MUST int agent_format(const struct agent_format *f, struct arena *a,
		      struct agent_format_result *out, struct err *e);
/*
 * Undoes format: no namespace, bridge, process or file of the node is left. ERR_CONFLICT while
 * an agent runs. Services are stopped first.
 */
MUST int agent_unformat(const char *dir, struct err *e);

struct agent_options {
	const char *dir;
	const char *master;    /* "http://127.0.0.1:8000"; NULL: alone */
	const char *program;   /* path of this binary */
	int64_t meter_seconds; /* between readings of usage; 0: never. Default of the CLI: 60 */
	int64_t poll_seconds;  /* length of a long poll */
	int64_t steps;	       /* partitions worked on at once */
};

/* The daemon: runs until SIGTERM or SIGINT; services go on. ERR_CONFLICT if one runs already. */
MUST int agent_run(const struct agent_options *o, struct err *e);
/*
 * One pass: until nothing is left to do, at most `limit_ms`. *out_failed: partitions or releases
 * that did not reach what is wanted. ERR_TIMEOUT, ERR_UNREACHABLE (no master).
 */
MUST int agent_pass(const struct agent_options *o, int64_t limit_ms, int64_t *out_failed,
		    struct err *e);
/* As agent_pass without a master, for the boot of the host. */
MUST int agent_boot(const struct agent_options *o, int64_t limit_ms, int64_t *out_failed,
		    struct err *e);

/* The daemon's view as JSON (see docs/rooms/agent.md), or what node.db says if none runs. */
MUST int agent_status(const char *dir, struct arena *a, struct str *out, struct err *e);
