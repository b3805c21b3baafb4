/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The log: one line an event, on standard error.
 *
 *     2026-11-21T20:15:30.123Z warn node.lost node=n1 silent_ms=61000
 *
 * Rooms return errors; the program where an error's journey ends logs it, once. Every event id
 * stands in base/log_events.h with its meaning and what to do about it; an id that is not there
 * is an assertion. Values are escaped so that a line is a line; no secret is ever a value.
 * Lines are written with one write(2), from any thread.
 */
#include "base/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_kv {
	const char *key; /* NULL ends the list */
	enum { LOG_KV_STR, LOG_KV_INT } type;
	struct str s;
	int64_t i;
};
#define KV_S(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_STR, .s = (v)})
#define KV_C(k, v) KV_S((k), str_from(v))
#define KV_I(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_INT, .i = (v)})

/* log_event(LOG_WARN, "node.lost", KV_C("node", name), KV_I("silent_ms", gap)) */
#define log_event(level, id, ...) \
	log_write((level), (id), \
		  (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
void log_write(enum log_level level, const char *id, const struct log_kv *kv);
/* Logs a failure: its kind, text, field and place, after the given pairs. */
#define log_err(level, id, e, ...) \
	log_write_err((level), (id), (e), \
		      (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
void log_write_err(enum log_level level, const char *id, const struct err *e,
		   const struct log_kv *kv);

/* Events below `level` are dropped. Process-wide; set once at start, LOG_INFO before. */
void log_set_level(enum log_level level);

struct log_event_info {
	const char *id, *meaning, *what_to_do;
};
/* The table, for the manual; *count rows. */
const struct log_event_info *log_events(size_t *count);
