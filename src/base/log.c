/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Log lines. The level is process-wide because standard error is.
 */
#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/log_events.h"
#include "base/utf8.h"

/* At the end of a line that had to leave pairs out. */
#define CUT " …"

enum { LINE_MAX_BYTES = 4096, VALUE_MAX_BYTES = 1024 };

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

static bool is_plain(struct str v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '=')
			return false;
	return v.n > 0;
}

static void add_escaped(struct buf *b, const struct utf8_char *c)
{
	if (c->code == '"' || c->code == '\\')
		buf_addf(b, "\\%c", (int)c->code);
	else if (c->code == '\n')
		buf_add(b, S("\\n"));
	else if (c->is_control || (c->code == 0xFFFD && c->bytes.n == 1))
		for (size_t i = 0; i < c->bytes.n; i++)
			buf_addf(b, "\\x%02x", (unsigned)(unsigned char)c->bytes.p[i]);
	else
		buf_add(b, c->bytes);
}

/*
 * Bare if it is one harmless word, else quoted with escapes: a line stays a line, of UTF-8. Of a
 * long value the beginning is shown.
 */
static void add_value(struct buf *b, struct str v)
{
	struct str shown = str_sub(v, 0, VALUE_MAX_BYTES);
	if (is_plain(v) && shown.n == v.n) {
		buf_add(b, v);
		return;
	}
	struct utf8_char c;
	buf_add_c(b, '"');
	while (utf8_next(&shown, &c))
		add_escaped(b, &c);
	buf_add(b, v.n > VALUE_MAX_BYTES ? S("…\"") : S("\""));
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
	/* On the stack: a log must be able to tell that memory ran out. */
	char text[LINE_MAX_BYTES];
	struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text - sizeof CUT - 1};
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
		if (e->field[0]) {
			buf_add(&b, S(" field="));
			add_value(&b, str_from(e->field));
		}
		buf_add(&b, S(" text="));
		add_value(&b, str_from(e->text));
		buf_addf(&b, " place=%s:%d", e->file ? e->file : "?", e->line);
	}
	if (b.has_failed) {
		b.max = sizeof text - 1;
		b.has_failed = false;
		buf_add(&b, S(CUT));
	}
	buf_add_c(&b, '\n');
	struct str line = buf_str(&b);
	/* A log that cannot be written has nobody to be told. */
	ssize_t ignored UNUSED = write(STDERR_FILENO, line.p, line.n);
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
