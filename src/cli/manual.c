/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is printed from the tables as text: --help, the overview, and pages of docs/generated.
 */
#include "base/log.h"
#include "base/utf8.h"
#include "base/version.h"
#include "cli/cmd_impl.h"
#include "cli/verbs.h"

enum { WIDTH = 80, LINE_MAX_BYTES = 2000 };

const char cmd_common_exits[] =
	"0 it worked\n"
	"2 the command line or the input is wrong; the text names the place";

/* ---- lines --------------------------------------------------------------------------------- */

/* Words of one line wrapped at WIDTH columns, each line after the first indented. */
static void wrap(FILE *out, struct str text, int indent, int column)
{
	struct str word;
	bool is_first = true;
	while (str_split(&text, ' ', &word)) {
		int columns = (int)utf8_columns(word);
		if (!is_first && column + 1 + columns > WIDTH) {
			(void)fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (!is_first) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fprintf(out, "%" STR_F, STR_A(word));
		column += columns;
		is_first = false;
	}
	(void)fputc('\n', out);
}

void cmd_option_name(const struct cli_option *o, char *name, size_t size)
{
	const char *before = !o->argument ? "" : o->is_value_optional ? "[=" : " ";
	const char *after = o->argument && o->is_value_optional ? "]" : "";
	char letter[8] = "";
	if (o->letter)
		(void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
	(void)snprintf(name, size, "%s--%s%s%s%s", letter, o->name, before,
		       o->argument ? o->argument : "", after);
}

void cmd_option_help(const struct cli_option *o, char *help, size_t size)
{
	bool has_initial = o->initial && o->initial[0];
	(void)snprintf(help, size, "%s%s%s%s%s%s", o->help, o->is_required ? " Required." : "",
		       o->is_repeated ? " May be repeated." : "",
		       has_initial ? " Default: " : "", has_initial ? o->initial : "",
		       has_initial ? "." : "");
}

static void print_options(FILE *out, const struct cli_option *o)
{
	enum { INDENT = 28 };
	for (; o && o->name; o++) {
		char name[80], help[LINE_MAX_BYTES];
		cmd_option_name(o, name, sizeof name);
		cmd_option_help(o, help, sizeof help);
		(void)fprintf(out, "  %-*s", INDENT - 3, name);
		if (strlen(name) > INDENT - 4)
			(void)fprintf(out, "\n%*s", INDENT - 1, "");
		(void)fputc(' ', out);
		wrap(out, str_from(help), INDENT, INDENT);
	}
}

/* "3 no such instance": the number to the right, the text wrapped. */
static void print_exits(FILE *out, const char *exits)
{
	struct str rest = str_from(exits), line;
	while (str_split(&rest, '\n', &line)) {
		size_t blank = str_find_char(line, ' ');
		(void)fprintf(out, "  %3" STR_F "  ", STR_A(str_sub(line, 0, blank)));
		wrap(out, str_sub(line, blank + 1, line.n), 7, 7);
	}
}

/* ---- the manual of a verb ------------------------------------------------------------------ */

void cmd_print_manual(FILE *out, const struct cli_cmd *cmd)
{
	struct str rest, line;
	(void)fprintf(out, "usage: hoc %s%s%s%s\n\n", cmd->name, cmd->arguments ? " " : "",
		      cmd->arguments ? cmd->arguments : "", cmd->options ? " [options]" : "");
	wrap(out, str_from(cmd->help), 0, 0);
	rest = str_from(cmd->details ? cmd->details : "");
	while (cmd->details && str_split(&rest, '\n', &line)) {
		(void)fputc('\n', out);
		wrap(out, line, 0, 0);
	}
	(void)fprintf(out, "\nOptions:\n");
	print_options(out, cmd->options);
	print_options(out, cmd_common_options());
	rest = str_from(cmd->example ? cmd->example : "");
	(void)fprintf(out, "%s", cmd->example ? "\nExamples:\n" : "");
	while (cmd->example && str_split(&rest, '\n', &line))
		(void)fprintf(out, "  %" STR_F "\n", STR_A(line));
	(void)fprintf(out, "\nExit codes (all of them: man hoc):\n");
	print_exits(out, cmd_common_exits);
	if (cmd->exits)
		print_exits(out, cmd->exits);
}

/* ---- the overview -------------------------------------------------------------------------- */

static void print_row(FILE *out, const struct cli_cmd *cmd)
{
	(void)fprintf(out, "  %-17s ", cmd->name);
	wrap(out, str_from(cmd->help), 20, 20);
}

/* Verbs of one group; a family has no headings. */
static void print_group(FILE *out, const struct cmd_tables *t, const char *group)
{
	const struct cli_cmd *cmd;
	(void)fprintf(out, "\n%s\n", group);
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++)
		if (strcmp(cmd->group, group) == 0)
			print_row(out, cmd);
}

/* True if no verb before the i-th has its group. */
static bool opens_group(const struct cmd_tables *t, size_t i)
{
	const char *group = cmd_at(t, i)->group;
	for (size_t k = 0; k < i; k++)
		if (strcmp(cmd_at(t, k)->group, group) == 0)
			return false;
	return true;
}

void cmd_print_overview(FILE *out, const struct cmd_tables *t, const char *family)
{
	const struct cli_cmd *cmd;
	if (family) {
		(void)fprintf(out, "usage: hoc %s VERB …\n\n", family);
		for (size_t i = 0; (cmd = cmd_at(t, i)); i++)
			if (cmd_is_of(cmd, family))
				print_row(out, cmd);
		(void)fprintf(out, "\nhoc %s VERB --help shows the manual of a verb.\n",
			      family);
		return;
	}
	(void)fprintf(out, "hoc: a cloud of one's own\n\n"
			   "usage: hoc [--json] [--master URL] VERB …\n");
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++)
		if (opens_group(t, i))
			print_group(out, t, cmd->group);
	(void)fprintf(out, "\nhoc VERB --help shows the manual of a verb.\n");
}

/* ---- pages --------------------------------------------------------------------------------- */

int verb_docs_verbs(struct cli_call *c, struct err *e UNUSED)
{
	const struct cli_cmd *cmd;
	(void)fprintf(c->out, "# Verbs\n\nGenerated from the tables of the program by `hoc "
			      "docs verbs`.\n");
	for (size_t i = 0; (cmd = cmd_at(c->tables, i)); i++) {
		(void)fprintf(c->out, "\n## hoc %s\n\n```\n", cmd->name);
		cmd_print_manual(c->out, cmd);
		(void)fprintf(c->out, "```\n");
	}
	return 0;
}

int verb_docs_events(struct cli_call *c, struct err *e UNUSED)
{
	size_t n;
	const struct log_event_info *list = log_events(&n);
	(void)fprintf(c->out, "# Events of the log\n\nGenerated by `hoc docs events`.\n\n| "
			      "event | meaning | what to do |\n|---|---|---|\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(c->out, "| `%s` | %s | %s |\n", list[i].id, list[i].meaning,
			      list[i].what_to_do);
	return 0;
}

int verb_docs_errors(struct cli_call *c, struct err *e UNUSED)
{
	(void)fprintf(c->out,
		      "# Kinds of errors\n\nGenerated by `hoc docs errors`.\n\n| kind | HTTP "
		      "status | exit code | trying again may help |\n|---|---|---|---|\n");
	for (int i = ERR_INVALID; i < ERR_KINDS; i++) {
		const struct err_kind_info *k = err_kind_info((enum err_kind)i);
		(void)fprintf(c->out, "| %s | %d | %d | %s |\n", k->name, k->http_status,
			      k->exit_code, k->is_retry_useful ? "yes" : "no");
	}
	return 0;
}

int verb_version(struct cli_call *c, struct err *e UNUSED)
{
	if (c->is_json)
		(void)fprintf(c->out, "{\"name\": \"hoc\", \"version\": \"%s\"}\n",
			      HOC_VERSION);
	else
		(void)fprintf(c->out, "hoc %s\n", HOC_VERSION);
	return 0;
}
