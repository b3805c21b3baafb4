/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Checking a master: docs/audit.md says what is checked and what each finding means.
 *
 * What is checked is a stream of records, each a JSON object with a type, always in this order:
 *
 *     audit  roots?  master*  certificate?  checkpoint*  event*  head*  witness*  entry*
 *
 * It comes from a master (audit_ask) or from an archive (audit_read), and goes to a function: to
 * the checker (struct audit) or into an archive. A record is at most AUDIT_RECORD_MAX bytes.
 */
#include "cli/client.h"
#include "trust/cert.h"
#include "trust/merkle.h"

enum {
	AUDIT_RECORD_MAX = 8 << 20,
	AUDIT_FINDINGS_MAX = 64,
	AUDIT_MASTERS_MAX = 32,
	AUDIT_MARKS_MAX = 1 << 20, /* checkpoints, heads */
	AUDIT_FORK = 20,	   /* exit code: others, or we before, were shown another log */
};

extern const struct cli_table cli_audit_commands;

/* ---- records ----------------------------------------------------------------------------------- */

/* Takes a record; it lives until this returns. */
typedef int audit_sink_fn(void *user, const char *type, const struct json *record,
			  struct arena *page, struct err *e);

/* What is asked of a master. */
struct audit_question {
	struct str roots;	/* PEM that the caller trusts; "" in local mode */
	struct str certificate; /* his own; "" if he has none */
	int64_t from;		/* first event; 1: all */
};
/* Asks the master of `c` for everything, page by page. */
MUST int audit_ask(struct cli_call *c, const struct audit_question *q, audit_sink_fn *sink,
		   void *user, struct err *e);
/* Reads an archive. ERR_CORRUPT: changed, cut, or none; ERR_NOT_FOUND. */
MUST int audit_read(const char *path, audit_sink_fn *sink, void *user, struct err *e);
/* Writes what audit_ask gives as an archive, durable. *lines: records in it. */
MUST int audit_write(struct cli_call *c, const struct audit_question *q, const char *path,
		     int64_t *lines, struct err *e);

/* ---- the checker ------------------------------------------------------------------------------ */

enum audit_state { AUDIT_HOLDS, AUDIT_NOT_CHECKED, AUDIT_BROKEN, AUDIT_FORKED };
struct audit_finding {
	const char *about;
	enum audit_state state;
	struct str text;
};

/* At `at` (sequence, or size) somebody vouched for `hash`. */
struct audit_mark {
	int64_t at, at_ms;
	struct hash hash;
	struct str whose; /* "the master"; else it is a fork that does not fit */
	bool is_ours;	  /* of the master, now */
};
struct audit_marks {
	struct audit_mark *items;
	size_t n, cap, next;
};

/* An entry of the log that has to be there. */
struct audit_wanted {
	struct str what;	    /* for people: "release web", "your certificate" */
	struct str subject, sha256; /* sha256 "": any of that subject */
	bool is_found;
	int64_t position;
	struct hash leaf;
};

struct audit {
	struct arena *a; /* lives as long as this */
	struct str cloud, roots;
	bool is_signed, is_closed_to_us; /* events are not for this caller */
	int64_t now_ms;
	struct cert_trust *trust;
	struct audit_master {
		struct str name, public;
	} masters[AUDIT_MASTERS_MAX];
	size_t master_count;
	struct audit_finding findings[AUDIT_FINDINGS_MAX];
	size_t finding_count;
	/* the chain */
	struct audit_marks points;
	int64_t point_good, point_strange; /* signatures that hold; by keys not certified now */
	struct audit_mark newest_point;
	bool is_chain_broken;
	char previous[HASH_TEXT_SIZE]; /* "" before the first, if that is not event 1 */
	int64_t first, expected, events;
	/* the log */
	struct audit_marks heads;
	int64_t head_good, head_strange, witness_good;
	struct audit_mark newest_head;
	struct hash stack[MERKLE_PROOF_MAX];
	unsigned levels[MERKLE_PROOF_MAX];
	size_t depth;
	int64_t entries, hidden;
	bool is_log_broken;
	struct audit_wanted *wanted;
	size_t wanted_count;
};

/* `roots` "": those of the stream. All texts live in `a`. */
void audit_init(struct audit *au, struct arena *a, struct str roots, int64_t now_ms);
void audit_fini(struct audit *au);
/* Something that this client saw before; at_ms is when. */
MUST int audit_remember(struct audit *au, const struct audit_mark *point,
			const struct audit_mark *head, struct err *e);
/* The sink of the checker; `user` is the struct audit. */
audit_sink_fn audit_check;
/* After the last record: what is still to be said. */
void audit_end(struct audit *au);
/* Adds a finding. */
void audit_say(struct audit *au, const char *about, enum audit_state state, const char *format,
	       ...) PRINTF(4, 5);
/* The worst of the findings. */
enum audit_state audit_verdict(const struct audit *au);

/* Shared by the checker's files. */
enum audit_signed { AUDIT_SIGNED, AUDIT_STRANGE_KEY, AUDIT_BAD_SIGNATURE };
/* Is the text signed by a master that the roots vouch for? */
enum audit_signed audit_signature(const struct audit *au, struct str key, struct str signature,
				  const struct buf *said);
/* Keeps marks in the order of `at`. */
MUST int audit_marks_add(struct audit *au, struct audit_marks *m, const struct audit_mark *mark,
			 struct err *e);
/* A moment that a stranger told, as text: "2026-11-21T12:00:00.000Z". */
struct str audit_when(struct arena *a, int64_t at_ms);
MUST int audit_take_point(struct audit *au, const struct json *record, struct err *e);
void audit_take_event(struct audit *au, const struct json *record, struct arena *page);
void audit_end_chain(struct audit *au);
MUST int audit_take_head(struct audit *au, const struct json *record, struct err *e);
MUST int audit_take_witness(struct audit *au, const struct json *record, struct err *e);
void audit_take_entry(struct audit *au, const struct json *record, struct arena *page);
void audit_end_log(struct audit *au);
