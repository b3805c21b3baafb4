/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside of `hoc demo`: a whole cloud in one folder, from order to invoice.
 *
 *     DIR/master/   database and log of the master; `address` is where it listens
 *     DIR/node/     the node: partitions, releases, supervisor
 *     DIR/log/      output of both daemons
 *     DIR/identity/ keys of the demo's operator
 *     DIR/hoc.conf  settings for the person who goes on by hand
 *     DIR/lock      one demo at a time
 *
 * Nothing of a run is remembered beside what the cloud itself knows: daemons are found by their
 * command line in /proc, the rest is asked from the master, the node and the supervisor. So a
 * run may be killed at any moment, and the next one finds what is there and goes on.
 *
 * The demo uses what any user has: the API, the program itself as a child, psql, curl,
 * redis-cli. Steps are rows of a table (demo.c); each is a function in a file of its concern.
 */
#include "cli/client.h"

/* ---- what is shown (demo_ui.c) ------------------------------------------------------------- */

/*
 * A step has a head line and checks below it. A check is one line: what, detail, ok or failed,
 * milliseconds; on a terminal the line lives until the check is over. Facts are lines below a
 * check; both go to the report.
 */
struct demo_ui {
	struct arena *arena;
	FILE *out;
	bool is_live; /* a terminal: lines may be drawn again, colours */
	struct json *steps;
	struct json *step, *facts; /* of the step under way */
	int number;
	int64_t step_since_ms, check_since_ms, drawn_at_ms;
	char check[64]; /* name of the check under way, "" if none */
	int live_lines; /* drawn at present */
};

/* Empty; `a` holds the report. */
void demo_ui_init(struct demo_ui *ui, struct arena *a, FILE *out);
/* `name` is the key of the report, `title` what a person reads. */
void demo_step_begin(struct demo_ui *ui, const char *name, const char *title);
/* rc < 0: failed with *e. */
void demo_step_end(struct demo_ui *ui, int rc, const struct err *e);
void demo_step_skip(struct demo_ui *ui, const char *name, const char *title, const char *why);

/* `name` is shown and is the key of the report: "postgres is killed". */
void demo_check_begin(struct demo_ui *ui, const char *name);
/*
 * Draws what is going on, in one or more lines, on a terminal at most ten times a second; without
 * one it is said every ten seconds.
 */
void demo_check_live(struct demo_ui *ui, const char *format, ...) PRINTF(2, 3);
/* "[=====>    ]": done of total; the text lives in `a`. */
struct str demo_bar(struct arena *a, int64_t done, int64_t total);
/* The check is over: a line with its detail and its milliseconds. */
void demo_check_ok(struct demo_ui *ui, const char *format, ...) PRINTF(2, 3);
/* Another line below a check. */
void demo_line(struct demo_ui *ui, const char *format, ...) PRINTF(2, 3);
/* A fact of the report. */
void demo_fact(struct demo_ui *ui, const char *key, struct json *value);
void demo_fact_str(struct demo_ui *ui, const char *key, struct str value);
void demo_fact_i64(struct demo_ui *ui, const char *key, int64_t value);

/* ---- the demo ------------------------------------------------------------------------------ */

enum { DEMO_ORDERS = 3, DEMO_PARTITIONS = 8, DEMO_SERVICES_MAX = 64 };
#define DEMO_NODE "demo"
#define DEMO_CUSTOMER "demo"
#define DEMO_CLOUD "demo"
#define DEMO_OPERATOR "demo"

enum demo_order_no { DEMO_DATABASE, DEMO_SITE, DEMO_CACHE };

/* What the demo customer orders. */
#define DEMO_TITLE "A site of my own"
struct demo_order {
	const char *title, *release, *service; /* "database", "postgresql", "postgres" */
	const char *parameters;		       /* JSON */
	struct json *instance;		       /* as last seen */
};

struct demo {
	struct cli_call *call;
	struct demo_ui ui;
	const char *identity; /* folder of the operator's keys */
	const char *dir, *node_dir, *master_dir, *conf, *log_dir;
	const char *profiles, *data; /* folders of profiles and of demo data */
	const char *socket;	     /* the supervisor's */
	struct str bridge;
	struct demo_order orders[DEMO_ORDERS];
	int lock;
};

typedef int demo_step_fn(struct demo *d, struct err *e);
/* One file each: demo_cloud.c, demo_catalogue.c, demo_orders.c, … */
demo_step_fn demo_cloud, demo_catalogue, demo_ordering, demo_proof, demo_survival, demo_change,
	demo_bill, demo_end;

/* Stops the cloud, services included; what is stopped already is fine. */
MUST int demo_stop(struct demo *d, struct err *e);
/* Removes every trace: processes, network, files. What is not there is fine. */
MUST int demo_clean(struct demo *d, struct err *e);

/* ---- daemons (demo_daemon.c) --------------------------------------------------------------- */

/* What /proc says of a process of this demo. */
struct demo_daemon {
	int pid;	 /* 0: none runs */
	bool is_same;	 /* it is this very program, not an older build */
	struct str line; /* its words, each followed by a NUL */
};
/* The process of `words` (NULL-terminated: "master", "run", "--data", DIR): first one found. */
MUST int demo_daemon_find(struct demo *d, const char *const *words, struct demo_daemon *out,
			  struct err *e);
/* Starts the program with these words in a session of its own, output to DIR/log/NAME.log. */
MUST int demo_daemon_start(struct demo *d, const char *name, const char *const *words,
			   int *out_pid, struct err *e);
/* SIGTERM, then SIGKILL after `for_ms`. A process that is gone is fine. */
MUST int demo_daemon_stop(int pid, int64_t for_ms, struct err *e);
bool demo_pid_lives(int pid);
MUST int demo_find_agent(struct demo *d, struct demo_daemon *out, struct err *e);
MUST int demo_find_master(struct demo *d, struct demo_daemon *out, struct err *e);
MUST int demo_start_agent(struct demo *d, int *out_pid, struct err *e);
/* The last lines of DIR/log/NAME.log, for an error. */
struct str demo_log_tail(struct demo *d, const char *name);

/* ---- children (demo_child.c) --------------------------------------------------------------- */

/* Runs a program to its end: exit code and output (trimmed). Not 0 is a success here. */
MUST int demo_run(struct demo *d, const char *const *argv, const char *const *env,
		  int64_t timeout_ms, int *out_code, struct str *out, struct err *e);
/* As demo_run; another exit code than 0 is ERR_BROKEN with the output. */
MUST int demo_run_ok(struct demo *d, const char *const *argv, const char *const *env,
		     struct str *out, struct err *e);
/* As demo_run_ok, `input` on its standard input: tokens come that way. */
MUST int demo_feed_ok(struct demo *d, const char *const *argv, struct str input,
		      struct str *out, struct err *e);
/* The url that an order published, and the password that stands in it. */
MUST int demo_password(struct demo *d, enum demo_order_no no, struct str *without,
		       struct str *password, struct err *e);
/* Real clients at the published addresses; the answer is what a person would see. */
MUST int demo_psql(struct demo *d, const char *sql, struct str *out, struct err *e);
MUST int demo_curl(struct demo *d, struct str *out_page, struct str *out_title, struct err *e);
MUST int demo_redis(struct demo *d, const char *const *words, struct str *out, struct err *e);
/* One question to each of the first `count` orders' services: does it answer? */
MUST int demo_all_answer(struct demo *d, size_t count, struct err *e);

/* ---- keys (demo_trust.c) ------------------------------------------------------------------- */

/* From now on requests are those of the operator in DIR/identity. */
MUST int demo_be_operator(struct demo *d, struct err *e);
bool demo_is_enrolled(struct demo *d);
bool demo_is_joined(struct demo *d);
/* Authorities, and a token for the operator, who then logs in; no master may run. */
MUST int demo_make_authorities(struct demo *d, struct str *out_token, struct err *e);
MUST int demo_log_in(struct demo *d, struct str token, struct err *e);
/* No agent may run. */
MUST int demo_join_node(struct demo *d, struct err *e);
/* A connection parameter of an order, unsealed if it came sealed; "" if not published. */
struct str demo_connection(struct demo *d, const struct demo_order *o, const char *name);
/* Looks for the customer's passwords in all that the master keeps: ERR_BROKEN names the file. */
MUST int demo_search_master(struct demo *d, struct err *e);

/* ---- what is (demo_look.c) ----------------------------------------------------------------- */

/* Loads the present state of an order. */
MUST int demo_reload(struct demo *d, struct demo_order *o, struct err *e);

/* Services of the node as its supervisor lists them. */
struct demo_services {
	size_t count;
	struct demo_service {
		char id[130]; /* "p0/postgres" */
		int64_t pid, respawns, started_at_ms;
		bool is_up;
	} list[DEMO_SERVICES_MAX];
};
MUST int demo_services(struct demo *d, struct demo_services *out, struct err *e);
/* The service of an order; ERR_BROKEN if it does not run. */
MUST int demo_service_of(struct demo *d, const struct demo_order *o, struct demo_service *out,
			 struct err *e);
/* ERR_BROKEN naming the first service of `before` (but those of partition `but`) that is not
 * the same process now. */
MUST int demo_same_pids(struct demo *d, const struct demo_services *before, struct str but,
			struct err *e);

/*
 * Follows the node's status until `fn` says so (1 done, 0 go on, -1 failed), at most for
 * `for_ms`; calls it at least every 200 ms. `status` lives during the call.
 */
typedef int demo_status_fn(void *user, const struct json *status, struct err *e);
MUST int demo_follow(struct demo *d, int64_t for_ms, demo_status_fn *fn, void *user,
		     struct err *e);
/*
 * For demo_follow, `user` is the demo: the agent is linked, and on the node all orders run with
 * every promise kept.
 */
demo_status_fn demo_is_settled;
/*
 * Reads the audit chain from *since on, at most until `for_ms` passed, until `fn` says so (as
 * above). Waits for news. *since moves on.
 */
typedef int demo_event_fn(void *user, const struct json *event, struct err *e);
MUST int demo_events(struct demo *d, int64_t *since, int64_t for_ms, demo_event_fn *fn,
		     void *user, struct err *e);
/* Sequence of the newest event. */
MUST int demo_sequence(struct demo *d, int64_t *out, struct err *e);
