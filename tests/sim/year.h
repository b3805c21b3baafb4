/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Two years of a cloud with keys, a day a step: nothing that is used expires, and nobody is asked.
 *
 *     master      its authorities and its own certificate   rolls issuers, renews itself
 *     ann, bob, op  persons                                 renew as the command line decides
 *     n1, n2, n3  nodes, an instance with a certificate on each
 *                 n3 has a delegated issuer and signs itself while no master answers
 *
 * The code is the program's: api, authorities, renewal rules, what a party believes after a
 * root was rolled over. What belongs to a party is in files of its own, and whoever judges a
 * certificate does it with the roots and lists in his.
 */
#include "agent/keys.h"
#include "api/api.h"
#include "db/db.h"
#include "json/json.h"
#include "master/identity.h"

enum { YEAR_NODES = 3, YEAR_PERSONS = 3, YEAR_PARTIES = YEAR_NODES + YEAR_PERSONS };
#define YEAR_DAY_MS 86400000LL
#define YEAR_HOST "cloud.example"

/* What is used, and must hold whenever it is. */
enum year_use { YEAR_IDENTITY, YEAR_MASTER, YEAR_SERVICE, YEAR_ALONE, YEAR_USES };

struct year_plan {
	const char *name;
	int days, judged_from_day; /* before that it is as in another plan */
	int away_day;		   /* the first of 30 without master */
	int roll_root_day;	   /* both roots are rolled over; 0: never */
};

struct party {
	struct year *year;
	const char *name;
	char dir[100];
	bool is_node;
	struct key *key;
	struct keys *keys; /* of a node */
	int64_t sequence;  /* of its newest report */
	char guid[80];	   /* of the instance on a node */
};

struct year {
	const struct year_plan *plan;
	char dir[64], master_dir[80];
	int64_t now_ms, began_ms;
	int day;
	struct clock clock;
	struct rng_seeded rng;
	struct arena *a; /* of the step */
	struct db *db;
	struct api *api;
	struct master_identity master;
	struct party parties[YEAR_PARTIES];
	unsigned failed, checked;
	unsigned renewed, signed_, issuers, masters, delegated, alone, ended;
	int64_t shortest_ms[YEAR_USES]; /* life that was left at its least */
	unsigned told;			/* lines */
};

#define YEAR_TRY(call) \
	do { \
		struct err e_ = ERR_INIT; \
		if ((call) < 0) \
			year_die(#call, &e_); \
	} while (0)
NORETURN void year_die(const char *what, const struct err *e);
/* Something is not as it has to be. */
void year_fail(struct year *y, const char *format, ...) PRINTF(2, 3);
/* DIR/identity/NAME of a party; DIR/NAME of the master. */
const char *year_path(struct year *y, const struct party *p, const char *name);
struct str year_read(struct year *y, const struct party *p, const char *name);
void year_write(struct year *y, const struct party *p, const char *name, struct str text);

/* Somebody (NULL: nobody) asks the master. The status; *out is the answer, as JSON if it is. */
int year_ask(struct year *y, struct party *p, const char *method, const char *target,
	     struct str body, struct str *out);
/* The same; it has to be 200 or 201. */
struct json *year_ok(struct year *y, struct party *p, const char *method, const char *target,
		     struct str body);
/* A body with a request for `k`, and what else stands in it ("\"names\": […],"). */
struct str year_csr(struct year *y, const struct key *k, const char *more);

/* ---- year_world.c: the cloud as it begins -------------------------------------------------- */
void year_begin(struct year *y, const struct year_plan *plan);
void year_end(struct year *y);
/* The master opens what it has, as the program does: issuers that are due are rolled over. */
void year_master_up(struct year *y);
void year_master_down(struct year *y);
/* Its certificate is made anew, if it is due. */
void year_master_certify(struct year *y);

/* ---- year.c -------------------------------------------------------------------------------- */
/* Runs all plans: how many of their promises held, and how many did not. */
void year_run(unsigned *passed, unsigned *failed);
