/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Lines of the demo, for a terminal and for a file, and the report made of the same facts.
 *
 *     1  A master and a node
 *        ok     41 ms  master        http://127.0.0.1:41234, sqlite
 *        ..     1.2 s  format        [=====>              ] 12 of 51     (terminal, while it lasts)
 *
 * A live line ends with a carriage return and is drawn over; a finished one with a newline.
 */
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/demo.h"

enum {
	NAME_WIDTH = 16,
	DRAW_EVERY_MS = 100,
	SAY_EVERY_MS = 10000,
	BAR_WIDTH = 24,
	TEXT_MAX = 2000
};

static int64_t now_ms(void)
{
	return clock_mono_ms(clock_system());
}

void demo_ui_init(struct demo_ui *ui, struct arena *a, FILE *out)
{
	const char *term = getenv("TERM");
	*ui = (struct demo_ui){.arena = a, .out = out, .steps = json_array_new(a)};
	ui->is_live = isatty(fileno(out)) == 1 && term && strcmp(term, "dumb") != 0;
}

/* ---- pieces -------------------------------------------------------------------------------- */

static const char *colour(const struct demo_ui *ui, const char *code)
{
	return ui->is_live && !getenv("NO_COLOR") ? code : "";
}

static void span_text(int64_t ms, char out[static 24])
{
	if (ms < 10000)
		(void)snprintf(out, 24, "%lld ms", (long long)ms);
	else
		(void)snprintf(out, 24, "%lld.%lld s", (long long)(ms / 1000),
			       (long long)(ms % 1000 / 100));
}

static size_t terminal_columns(const struct demo_ui *ui)
{
	struct winsize w;
	if (ioctl(fileno(ui->out), TIOCGWINSZ, &w) < 0 || w.ws_col < 40)
		return 80;
	return w.ws_col;
}

/* At most `columns` of the text: a live line that wraps could not be drawn over. */
static struct str fitting(struct str text, size_t columns)
{
	struct str rest = text;
	struct utf8_char c;
	size_t used = 0, bytes = 0;
	while (utf8_next(&rest, &c) && used + c.columns <= columns) {
		used += c.columns;
		bytes += c.bytes.n;
	}
	return str_sub(text, 0, bytes);
}

/* The cursor stands at the end of the last line that was drawn. */
static void erase_live(struct demo_ui *ui)
{
	for (; ui->live_lines > 1; ui->live_lines--)
		(void)fputs("\r\033[K\033[1A", ui->out);
	if (ui->live_lines)
		(void)fputs("\r\033[K", ui->out);
	ui->live_lines = 0;
}

static void pad(FILE *out, size_t from, size_t to)
{
	(void)fprintf(out, "%*s", (int)(from < to ? to - from : 1), "");
}

/* ---- steps --------------------------------------------------------------------------------- */

void demo_step_begin(struct demo_ui *ui, const char *name, const char *title)
{
	ui->number++;
	ui->step_since_ms = now_ms();
	ui->check[0] = 0;
	ui->facts = json_object_new(ui->arena);
	ui->step = json_object_new(ui->arena);
	json_set_str(ui->arena, ui->step, S("name"), str_from(name));
	json_set_str(ui->arena, ui->step, S("title"), str_from(title));
	json_set(ui->arena, ui->step, S("facts"), ui->facts);
	json_add(ui->arena, ui->steps, ui->step);
	(void)fprintf(ui->out, "%s%d  %s%s\n", colour(ui, "\033[1m"), ui->number, title,
		      colour(ui, "\033[0m"));
	(void)fflush(ui->out);
}

static void print_result(struct demo_ui *ui, bool is_ok, const char *name, int64_t ms,
			 const char *text)
{
	char span[24];
	span_text(ms, span);
	erase_live(ui);
	(void)fprintf(ui->out, "   %s%-6s%s%9s  %s",
		      colour(ui, is_ok ? "\033[32m" : "\033[1;31m"), is_ok ? "ok" : "failed",
		      colour(ui, "\033[0m"), span, name);
	if (text[0]) {
		pad(ui->out, utf8_columns(str_from(name)), NAME_WIDTH);
		(void)fputs(text, ui->out);
	}
	(void)fputc('\n', ui->out);
	(void)fflush(ui->out);
}

void demo_step_end(struct demo_ui *ui, int rc, const struct err *e)
{
	char text[ERR_TEXT_MAX + ERR_FIELD_MAX + 4];
	int64_t ms = now_ms() - ui->step_since_ms;
	bool is_ok = rc >= 0;
	json_set_bool(ui->arena, ui->step, S("ok"), is_ok);
	json_set_i64(ui->arena, ui->step, S("milliseconds"), ms);
	if (is_ok)
		return;
	(void)snprintf(text, sizeof text, "%s%s%s", e->field, e->field[0] ? ": " : "", e->text);
	json_set_str(ui->arena, ui->step, S("error"), str_from(text));
	print_result(ui, false, ui->check, ui->check[0] ? now_ms() - ui->check_since_ms : ms,
		     text);
}

void demo_step_skip(struct demo_ui *ui, const char *name, const char *title, const char *why)
{
	demo_step_begin(ui, name, title);
	json_set_bool(ui->arena, ui->step, S("ok"), false);
	json_set_bool(ui->arena, ui->step, S("skipped"), true);
	json_set_i64(ui->arena, ui->step, S("milliseconds"), 0);
	(void)fprintf(ui->out, "   skipped: %s\n", why);
}

/* ---- checks -------------------------------------------------------------------------------- */

void demo_check_begin(struct demo_ui *ui, const char *name)
{
	(void)snprintf(ui->check, sizeof ui->check, "%s", name);
	ui->check_since_ms = ui->drawn_at_ms = now_ms();
	demo_check_live(ui, "…");
}

/* Lines of `text`: the first behind time and name, the others below. */
static void draw(struct demo_ui *ui, const char *text)
{
	char span[24], line[TEXT_MAX];
	int64_t now = now_ms();
	struct str rest = str_from(text), part;
	span_text(now - ui->check_since_ms, span);
	erase_live(ui);
	while (str_split(&rest, '\n', &part)) {
		bool is_first = ui->live_lines == 0;
		(void)snprintf(line, sizeof line, "   %-6s%9s  %-*s%" STR_F,
			       is_first ? ".." : "", is_first ? span : "", NAME_WIDTH,
			       is_first ? ui->check : "", STR_A(part));
		struct str shown = fitting(str_from(line), terminal_columns(ui) - 1);
		(void)fprintf(ui->out, "%s%" STR_F, is_first ? "" : "\n", STR_A(shown));
		ui->live_lines++;
	}
	(void)fflush(ui->out);
	ui->drawn_at_ms = now;
}

/* Without a terminal: now and then a whole line, so that a log shows that it goes on. */
static void say(struct demo_ui *ui, const char *text)
{
	if (now_ms() - ui->drawn_at_ms < SAY_EVERY_MS)
		return;
	ui->drawn_at_ms = now_ms();
	(void)fprintf(ui->out, "   ..               %-*s", NAME_WIDTH, ui->check);
	for (; *text; text++)
		(void)fputs(*text == '\n' ? "; " : (const char[]){*text, 0}, ui->out);
	(void)fputc('\n', ui->out);
	(void)fflush(ui->out);
}

static void show(struct demo_ui *ui, const char *text)
{
	if (!ui->is_live)
		say(ui, text);
	else if (!ui->live_lines || now_ms() - ui->drawn_at_ms >= DRAW_EVERY_MS)
		draw(ui, text);
}

void demo_check_live(struct demo_ui *ui, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	show(ui, text);
}

struct str demo_bar(struct arena *a, int64_t done, int64_t total)
{
	char bar[BAR_WIDTH + 1];
	int64_t filled = total > 0 ? MIN_OF(done, total) * BAR_WIDTH / total : 0;
	for (int64_t i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
	bar[BAR_WIDTH] = 0;
	return arena_fmt(a, "[%s]", bar);
}

void demo_check_ok(struct demo_ui *ui, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	int64_t ms = now_ms() - ui->check_since_ms;
	struct json *checks = json_get(ui->step, S("checks")), *c = json_object_new(ui->arena);
	if (!checks) {
		checks = json_array_new(ui->arena);
		json_set(ui->arena, ui->step, S("checks"), checks);
	}
	json_set_str(ui->arena, c, S("name"), str_from(ui->check));
	json_set_i64(ui->arena, c, S("milliseconds"), ms);
	json_set_str(ui->arena, c, S("text"), str_from(text));
	json_add(ui->arena, checks, c);
	print_result(ui, true, ui->check, ms, text);
	ui->check[0] = 0;
}

void demo_line(struct demo_ui *ui, const char *format, ...)
{
	va_list args;
	erase_live(ui);
	(void)fprintf(ui->out, "%20s", "");
	va_start(args, format);
	(void)vfprintf(ui->out, format, args);
	va_end(args);
	(void)fputc('\n', ui->out);
}

/* ---- facts --------------------------------------------------------------------------------- */

void demo_fact(struct demo_ui *ui, const char *key, struct json *value)
{
	json_set(ui->arena, ui->facts, str_from(key), value);
}

void demo_fact_str(struct demo_ui *ui, const char *key, struct str value)
{
	json_set_str(ui->arena, ui->facts, str_from(key), value);
}

void demo_fact_i64(struct demo_ui *ui, const char *key, int64_t value)
{
	json_set_i64(ui->arena, ui->facts, str_from(key), value);
}
