/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is printed from the tables: --help, the overview, man pages, the bash completion, and
 * the pages of docs/generated.
 */
#include "base/file.h"
#include "base/log.h"
#include "cli/cmd_impl.h"

enum { WIDTH = 80, PAGE_MAX = 1 << 20 };

/* Words of `text` wrapped at WIDTH, each line after the first indented. */
static void wrap(FILE *out, const char *text, int indent, int column)
{
	struct str rest = str_from(text), word;
	bool is_first = true;
	while (str_split(&rest, ' ', &word)) {
		if (!is_first && column + 1 + (int)word.n > WIDTH) {
			(void)fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (!is_first) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fprintf(out, "%" STR_F, STR_A(word));
		column += (int)word.n;
		is_first = false;
	}
	(void)fputc('\n', out);
}

static void option_name(const struct cli_option *o, char *name, size_t size)
{
	const char *before = !o->argument ? "" : o->is_value_optional ? "[=" : " ";
	const char *after = o->argument && o->is_value_optional ? "]" : "";
	(void)snprintf(name, size, "--%s%s%s%s", o->name, before,
		       o->argument ? o->argument : "", after);
}

static void print_options(FILE *out, const struct cli_option *o)
{
	enum { INDENT = 28 };
	for (; o && o->name; o++) {
		char name[80], help[600];
		option_name(o, name, sizeof name);
		(void)snprintf(help, sizeof help, "%s%s%s%s%s", o->help,
			       o->is_required ? " Required." : "",
			       o->is_repeated ? " May be repeated." : "",
			       o->initial ? " Default: " : "", o->initial ? o->initial : "");
		(void)fprintf(out, "  %-*s", INDENT - 3, name);
		if (strlen(name) > INDENT - 4)
			(void)fprintf(out, "\n%*s", INDENT - 1, "");
		(void)fputc(' ', out);
		wrap(out, help, INDENT, INDENT);
	}
}

void cmd_print_manual(FILE *out, const struct cli_cmd *cmd)
{
	(void)fprintf(out, "hoc %s %s%s\n\n", cmd->name, cmd->arguments ? cmd->arguments : "",
		      cmd->options ? " [options]" : "");
	wrap(out, cmd->help, 0, 0);
	if (cmd->details) {
		(void)fputc('\n', out);
		struct str rest = str_from(cmd->details), line;
		while (str_split(&rest, '\n', &line)) {
			char text[2000];
			(void)snprintf(text, sizeof text, "%" STR_F, STR_A(line));
			wrap(out, text, 0, 0);
		}
	}
	(void)fprintf(out, "\nOptions:\n");
	print_options(out, cmd->options);
	print_options(out, cmd_common_options());
	if (cmd->example)
		(void)fprintf(out, "\nExample:\n  %s\n", cmd->example);
}

void cmd_print_overview(FILE *out, const struct cmd_tables *t)
{
	(void)fprintf(
		out,
		"hoc: a cloud of one's own\n\nusage: hoc [--json] [--master URL] VERB …\n\n");
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++) {
			const struct cli_cmd *cmd = &t->tables[i].cmds[k];
			if (cmd->is_hidden)
				continue;
			(void)fprintf(out, "  %-17s ", cmd->name);
			wrap(out, cmd->help, 20, 20);
		}
	(void)fprintf(out, "\nhoc VERB --help shows the manual of a verb.\n");
}

/* ---- man pages ----------------------------------------------------------------------------- */

/* Text for troff: backslashes, leading dots and quotes, hyphens. */
static void roff(struct buf *b, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\\')
			buf_add(b, S("\\e"));
		else if (*c == '-')
			buf_add(b, S("\\-"));
		else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n'))
			buf_addf(b, "\\&%c", *c);
		else if (*c == '\n')
			buf_add(b, S("\n.PP\n"));
		else
			buf_add_c(b, *c);
	}
	buf_add_c(b, '\n');
}

static void roff_options(struct buf *b, const struct cli_option *o)
{
	for (; o && o->name; o++) {
		char name[80];
		option_name(o, name, sizeof name);
		buf_add(b, S(".TP\n.B "));
		roff(b, name);
		roff(b, o->help);
		if (o->initial && o->initial[0]) {
			buf_add(b, S("Default: "));
			roff(b, o->initial);
		}
	}
}

/* "hoc-node-run": the page of a verb. */
static void page_name(const struct cli_cmd *cmd, char *name, size_t size)
{
	(void)snprintf(name, size, "hoc-%s", cmd->name);
	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '-';
}

static int write_page(const char *dir, const struct cli_cmd *cmd, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(PAGE_MAX);
	char name[80], path[4200];
	page_name(cmd, name, sizeof name);
	buf_addf(&b,
		 ".TH \"%s\" 1 \"\" \"Hyper Open Cloud\" \"User commands\"\n.SH NAME\n%s \\- ",
		 name, name);
	roff(&b, cmd->help);
	buf_addf(&b, ".SH SYNOPSIS\n.B hoc %s\n%s [options]\n.SH DESCRIPTION\n", cmd->name,
		 cmd->arguments ? cmd->arguments : "");
	roff(&b, cmd->details ? cmd->details : cmd->help);
	buf_add(&b, S(".SH OPTIONS\n"));
	roff_options(&b, cmd->options);
	roff_options(&b, cmd_common_options());
	if (cmd->example) {
		buf_add(&b, S(".SH EXAMPLE\n"));
		roff(&b, cmd->example);
	}
	buf_add(&b, S(".SH EXIT STATUS\n0 if it worked; else the code of the error's kind, "
		      "see\n.BR hoc (1).\n"));
	if (buf_check(&b, e) < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/%s.1", dir, name);
	return file_write(path, buf_str(&b), 0644, e);
}

static int write_main_page(const char *dir, const struct cmd_tables *t, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(PAGE_MAX);
	char path[4200];
	buf_add(&b, S(".TH \"hoc\" 1 \"\" \"Hyper Open Cloud\" \"User commands\"\n.SH "
		      "NAME\nhoc \\- a cloud of one's own\n"
		      ".SH SYNOPSIS\n.B hoc\n[\\-\\-json] [\\-\\-master URL] VERB [options] "
		      "arguments\n.SH VERBS\n"));
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++) {
			const struct cli_cmd *cmd = &t->tables[i].cmds[k];
			char name[80];
			if (cmd->is_hidden)
				continue;
			page_name(cmd, name, sizeof name);
			buf_addf(&b, ".TP\n.BR %s (1)\n", name);
			roff(&b, cmd->help);
		}
	buf_add(&b, S(".SH EXIT STATUS\n"));
	for (int kind = ERR_NONE; kind < ERR_KINDS; kind++)
		buf_addf(&b, ".TP\n%d\n%s\n", err_kind_info((enum err_kind)kind)->exit_code,
			 err_kind_info((enum err_kind)kind)->name);
	buf_add(&b, S(".SH ENVIRONMENT\n.TP\nHOC_MASTER\nURL of the "
		      "master.\n.TP\nHOC_NODE\nDirectory of the local "
		      "node.\n.TP\nHOC_CONFIG\nPath of the settings file.\n"));
	if (buf_check(&b, e) < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/hoc.1", dir);
	return file_write(path, buf_str(&b), 0644, e);
}

static int write_man(const struct cmd_tables *t, const char *dir, struct err *e)
{
	if (file_mkdirs(dir, 0755, e) < 0 || write_main_page(dir, t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++)
			if (!t->tables[i].cmds[k].is_hidden &&
			    write_page(dir, &t->tables[i].cmds[k], e) < 0)
				return -1;
	return 0;
}

/* ---- completion ---------------------------------------------------------------------------- */

static void complete_verb(FILE *out, const struct cli_cmd *cmd)
{
	(void)fprintf(out, "\t'%s') words='", cmd->name);
	for (const struct cli_option *o = cmd->options; o && o->name; o++)
		(void)fprintf(out, "--%s ", o->name);
	(void)fprintf(out, "--help --json --master' ;;\n");
}

static void print_completion(FILE *out, const struct cmd_tables *t)
{
	(void)fprintf(out, "# bash completion of hoc\n_hoc() {\n\tlocal words verb "
			   "cur=${COMP_WORDS[COMP_CWORD]}\n"
			   "\tverb=\"${COMP_WORDS[1]}\"\n"
			   "\tcase \"$verb\" in node|master|profile|price|invoice) "
			   "verb=\"$verb ${COMP_WORDS[2]}\" ;; esac\n"
			   "\tcase \"$verb\" in\n");
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++)
			if (!t->tables[i].cmds[k].is_hidden)
				complete_verb(out, &t->tables[i].cmds[k]);
	(void)fprintf(out, "\t*) words='");
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++)
			if (!t->tables[i].cmds[k].is_hidden)
				(void)fprintf(out, "%s ", t->tables[i].cmds[k].name);
	(void)fprintf(out, "' ;;\n\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
			   "\"$cur\")\n}\n"
			   "complete -o default -F _hoc hoc\n");
}

/* ---- pages --------------------------------------------------------------------------------- */

static void print_verbs(FILE *out, const struct cmd_tables *t)
{
	(void)fprintf(
		out,
		"# Verbs\n\nGenerated from the tables of the program by `hoc docs verbs`.\n");
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++) {
			if (t->tables[i].cmds[k].is_hidden)
				continue;
			(void)fprintf(out, "\n## hoc %s\n\n```\n", t->tables[i].cmds[k].name);
			cmd_print_manual(out, &t->tables[i].cmds[k]);
			(void)fprintf(out, "```\n");
		}
}

static void print_events(FILE *out)
{
	size_t n;
	const struct log_event_info *list = log_events(&n);
	(void)fprintf(out, "# Events of the log\n\nGenerated by `hoc docs events`.\n\n| event "
			   "| meaning | what to do |\n|---|---|---|\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "| `%s` | %s | %s |\n", list[i].id, list[i].meaning,
			      list[i].what_to_do);
}

static void print_errors(FILE *out)
{
	(void)fprintf(out,
		      "# Kinds of errors\n\nGenerated by `hoc docs errors`.\n\n| kind | HTTP "
		      "status | exit code | trying again may help |\n|---|---|---|---|\n");
	for (int i = ERR_INVALID; i < ERR_KINDS; i++) {
		const struct err_kind_info *k = err_kind_info((enum err_kind)i);
		(void)fprintf(out, "| %s | %d | %d | %s |\n", k->name, k->http_status,
			      k->exit_code, k->is_retry_useful ? "yes" : "no");
	}
}

int cmd_docs(const struct cmd_tables *t, int argc, char **argv)
{
	struct err e = ERR_INIT;
	const char *what = argc > 0 ? argv[0] : "";
	if (strcmp(what, "man") == 0 && argc == 2) {
		if (write_man(t, argv[1], &e) == 0)
			return 0;
		(void)fprintf(stderr, "hoc: %s\n", e.text);
		return err_kind_info(e.kind)->exit_code;
	}
	if (strcmp(what, "completion") == 0)
		print_completion(stdout, t);
	else if (strcmp(what, "verbs") == 0)
		print_verbs(stdout, t);
	else if (strcmp(what, "events") == 0)
		print_events(stdout);
	else if (strcmp(what, "errors") == 0)
		print_errors(stdout);
	else {
		(void)fprintf(
			stderr,
			"usage: hoc docs man DIR | completion | verbs | events | errors\n");
		return err_kind_info(ERR_USAGE)->exit_code;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
