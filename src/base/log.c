/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Log lines. The level is process-wide because standard error is.
 */
#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/log_events.h"

enum { LINE_MAX_BYTES = 4096 };

static atomic_int least_level = LOG_INFO;

static const struct log_event_info events[] = {
#define ROW(id, meaning, todo) {id, meaning, todo},
	LOG_EVENTS(ROW)
#undef ROW
};

const struct log_event_info *log_events(size_t *count)
{
	*count = ARRAY_LEN(events);
	return events;
}

static bool is_known(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (strcmp(events[i].id, id) == 0)
			return true;
	return false;
}

void log_set_level(enum log_level level)
{
	atomic_store(&least_level, (int)level);
}

/* Bare if it is one harmless word, else quoted with escapes: a line stays a line. */
static void add_value(struct buf *b, struct str v)
{
	bool is_plain = v.n > 0;
	for (size_t i = 0; i < v.n && is_plain; i++)
		is_plain = v.p[i] > ' ' && v.p[i] != '"' && v.p[i] != '=' && v.p[i] != 0x7f;
	if (is_plain) {
		buf_add(b, v);
		return;
	}
	buf_add_c(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_add(b, S("\\n"));
		else if (c < ' ' || c == 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_add_c(b, (char)c);
	}
	buf_add_c(b, '"');
}

static void write_line(enum log_level level, const char *id, const struct log_kv *kv,
		       const struct err *e)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	ASSERT(is_known(id));
	if ((int)level < atomic_load(&least_level))
		return;
	char at[CLOCK_TEXT_SIZE];
	clock_text(clock_now_ms(clock_system()), at);
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	buf_addf(&b, "%s %s %s", at, names[level], id);
	for (; kv->key; kv++) {
		buf_addf(&b, " %s=", kv->key);
		if (kv->type == LOG_KV_INT)
			buf_addf(&b, "%lld", (long long)kv->i);
		else
			add_value(&b, kv->s);
	}
	if (e) {
		buf_addf(&b, " kind=%s", err_kind_info(e->kind)->name);
		if (e->field[0])
			buf_addf(&b, " field=%s", e->field);
		buf_add(&b, S(" text="));
		add_value(&b, str_from(e->text));
		buf_addf(&b, " place=%s:%d", e->file ? e->file : "?", e->line);
	}
	buf_add_c(&b, '\n');
	struct str line = buf_str(&b);
	/* A log that cannot be written has nobody to be told. */
	ssize_t ignored UNUSED = write(STDERR_FILENO, line.p, line.n);
	buf_fini(&b);
}

void log_write(enum log_level level, const char *id, const struct log_kv *kv)
{
	write_line(level, id, kv, NULL);
}

void log_write_err(enum log_level level, const char *id, const struct err *e,
		   const struct log_kv *kv)
{
	write_line(level, id, kv, e);
}
