/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Man pages from the tables: hoc(1), and one page a verb. The language is man(7), kept to what
 * every formatter knows.
 */
#include "base/file.h"
#include "base/version.h"
#include "cli/cmd_impl.h"
#include "cli/verbs.h"

enum { PAGE_MAX = 1 << 20 };

/* ---- troff --------------------------------------------------------------------------------- */

/* One line of text: backslashes, hyphens, a leading dot or quote. */
static void roff(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\\')
			buf_add(b, S("\\e"));
		else if (c == '-')
			buf_add(b, S("\\-"));
		else if (c == '\'')
			buf_add(b, S("\\(aq"));
		else if (c == '.' && i == 0)
			buf_add(b, S("\\&."));
		else
			buf_add_c(b, c);
	}
}

static void roff_line(struct buf *b, const char *text)
{
	roff(b, str_from(text));
	buf_add_c(b, '\n');
}

/* Lines become paragraphs. */
static void roff_paragraphs(struct buf *b, const char *text)
{
	struct str rest = str_from(text), line;
	for (bool is_first = true; str_split(&rest, '\n', &line); is_first = false) {
		buf_add(b, is_first ? S("") : S(".PP\n"));
		roff(b, line);
		buf_add_c(b, '\n');
	}
}

/* Words in capitals are what the user puts in: italic, the rest as `font`. */
static void roff_words(struct buf *b, const char *text, const char *font)
{
	struct str rest = str_from(text), word;
	for (bool is_first = true; str_split(&rest, ' ', &word); is_first = false) {
		bool is_variable = word.n && word.p[0] >= 'A' && word.p[0] <= 'Z';
		buf_addf(b, "%s\\f%s", is_first ? "" : " ", is_variable ? "I" : font);
		roff(b, word);
		buf_add(b, S("\\fR"));
	}
}

/* "\fB\-\-wait\fR[=\fISECONDS\fR]" */
static void roff_option(struct buf *b, const struct cli_option *o)
{
	if (o->letter)
		buf_addf(b, "\\fB\\-%c\\fR, ", o->letter);
	buf_add(b, S("\\fB\\-\\-"));
	roff(b, str_from(o->name));
	buf_add(b, S("\\fR"));
	if (!o->argument)
		return;
	buf_add(b, o->is_value_optional ? S("[=\\fI") : S(" \\fI"));
	roff(b, str_from(o->argument));
	buf_add(b, o->is_value_optional ? S("\\fR]") : S("\\fR"));
}

static void roff_options(struct buf *b, const struct cli_option *o)
{
	for (; o && o->name; o++) {
		char help[2000];
		cmd_option_help(o, help, sizeof help);
		buf_add(b, S(".TP\n"));
		roff_option(b, o);
		buf_add_c(b, '\n');
		roff_line(b, help);
	}
}

static void roff_exits(struct buf *b, const char *exits)
{
	struct str rest = str_from(exits), line;
	while (str_split(&rest, '\n', &line)) {
		size_t blank = str_find_char(line, ' ');
		buf_addf(b, ".TP\n.B %" STR_F "\n", STR_A(str_sub(line, 0, blank)));
		roff(b, str_sub(line, blank + 1, line.n));
		buf_add_c(b, '\n');
	}
}

static void roff_examples(struct buf *b, const char *example)
{
	struct str rest = str_from(example), line;
	buf_add(b, S(".SH EXAMPLES\n.nf\n"));
	while (str_split(&rest, '\n', &line)) {
		roff(b, line);
		buf_add_c(b, '\n');
	}
	buf_add(b, S(".fi\n"));
}

static void page_head(struct buf *b, const char *name, const char *title)
{
	buf_addf(
		b,
		".TH \"%s\" \"1\" \"\" \"hoc %s\" \"Hyper Open Cloud\"\n.nh\n.ad l\n.SH NAME\n",
		name, HOC_VERSION);
	roff(b, str_from(name));
	buf_add(b, S(" \\- "));
	roff_line(b, title);
}

static int put_page(struct buf *b, const char *dir, const char *name, struct err *e)
{
	char path[4200];
	if (buf_check(b, e) < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/%s.1", dir, name);
	return file_write(path, buf_str(b), 0644, e);
}

/* ---- a verb -------------------------------------------------------------------------------- */

void cmd_page_name(const struct cli_cmd *cmd, char *name, size_t size)
{
	(void)snprintf(name, size, "hoc-%s", cmd->name);
	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '-';
}

/* "see hoc(1), hoc-node-run(1)": the verbs beside this one in its family. */
static void see_also(struct buf *b, const struct cmd_tables *t, const struct cli_cmd *of)
{
	char family[40], name[80];
	const struct cli_cmd *cmd;
	struct str whole = str_from(of->name);
	(void)snprintf(family, sizeof family, "%" STR_F,
		       STR_A(str_sub(whole, 0, str_find_char(whole, ' '))));
	buf_add(b, S(".SH SEE ALSO\n.BR hoc (1)"));
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++)
		if (cmd != of && cmd_is_of(cmd, family)) {
			cmd_page_name(cmd, name, sizeof name);
			buf_add(b, S(",\n.BR "));
			roff(b, str_from(name));
			buf_add(b, S(" (1)"));
		}
	buf_add_c(b, '\n');
}

/* "Show the log of a service." as a title: without the full stop. */
static void title_of(const struct cli_cmd *cmd, char *title, size_t size)
{
	struct str help = str_from(cmd->help);
	size_t stop = help.n && help.p[help.n - 1] == '.' ? help.n - 1 : help.n;
	(void)snprintf(title, size, "%" STR_F, STR_A(str_sub(help, 0, stop)));
}

static int write_page(const struct cmd_tables *t, const char *dir, const struct cli_cmd *cmd,
		      struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(PAGE_MAX);
	char name[80], title[400];
	cmd_page_name(cmd, name, sizeof name);
	title_of(cmd, title, sizeof title);
	page_head(&b, name, title);
	buf_add(&b, S(".SH SYNOPSIS\n\\fBhoc\\fR "));
	roff_words(&b, cmd->name, "B");
	if (cmd->arguments) {
		buf_add_c(&b, ' ');
		roff_words(&b, cmd->arguments, "R");
	}
	buf_addf(&b, " [options]\n.SH DESCRIPTION\n");
	roff_line(&b, cmd->help);
	if (cmd->details) {
		buf_add(&b, S(".PP\n"));
		roff_paragraphs(&b, cmd->details);
	}
	buf_add(&b, S(".SH OPTIONS\n"));
	roff_options(&b, cmd->options);
	roff_options(&b, cmd_common_options());
	if (cmd->example)
		roff_examples(&b, cmd->example);
	buf_add(&b, S(".SH EXIT STATUS\n"));
	roff_exits(&b, cmd_common_exits);
	if (cmd->exits)
		roff_exits(&b, cmd->exits);
	buf_add(&b,
		S(".PP\nAny other code is that of an error's kind, listed in\n.BR hoc (1).\n"));
	see_also(&b, t, cmd);
	return put_page(&b, dir, name, e);
}

/* ---- hoc(1) -------------------------------------------------------------------------------- */

static const char description[] =
	"turns Linux machines into a cloud that its owners own. A master takes orders; nodes "
	"build the software, run it, check that it keeps its promises and meter it; the master "
	"bills it. One program holds all of it: each verb below has a page of its own.\n"
	"Standard output is the answer, standard error is for people. With --json the answer "
	"is one JSON value, and so is an error: {\"error\": {\"kind\", \"field\", \"text\"}}, "
	"on "
	"standard error.\n"
	"An option is written --name VALUE or --name=VALUE, before or after the arguments; -- "
	"ends the options.";

static void list_verbs(struct buf *b, const struct cmd_tables *t)
{
	const struct cli_cmd *cmd;
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++) {
		char name[80];
		cmd_page_name(cmd, name, sizeof name);
		buf_add(b, S(".TP\n.BR "));
		roff(b, str_from(name));
		buf_add(b, S(" (1)\n"));
		roff_line(b, cmd->help);
	}
}

static void list_kinds(struct buf *b)
{
	for (int i = ERR_NONE; i < ERR_KINDS; i++) {
		const struct err_kind_info *k = err_kind_info((enum err_kind)i);
		if (i == ERR_USAGE)
			continue; /* the code of "invalid" */
		buf_addf(b, ".TP\n.B %d\n", k->exit_code);
		roff(b, i == ERR_INVALID ? S("invalid, usage") : str_from(k->name));
		buf_add(b, k->is_retry_useful ? S(" (trying again may help)\n") : S("\n"));
	}
	buf_add(b, S(".PP\nCode 1 is an answer, not a failure: what was looked at is not as it "
		     "should be. The page of the verb says what.\n"));
}

static int write_main_page(const char *dir, const struct cmd_tables *t, struct err *e)
{
	static const char files[] =
		".SH ENVIRONMENT\n.TP\n.B HOC_MASTER\nURL of the master, unless \\-\\-master "
		"is given.\n.TP\n.B HOC_NODE\nDirectory of the local node, unless an option "
		"names one.\n.TP\n.B HOC_IDENTITY\nWho to be: a directory of keys, unless "
		"\\-\\-identity is given; else ~/.config/hoc/identity.\n.TP\n.B "
		"HOC_CONFIG\nPath of "
		"the settings file.\n.SH FILES\n.TP\n"
		".I ~/.config/hoc/hoc.conf\n.TQ\n.I /etc/hoc/hoc.conf\nSettings, the first "
		"that "
		"exists: lines \\(lqkey = value\\(rq with the keys master, node and identity; "
		"# begins a "
		"comment. The environment goes before the file, options before both. Without "
		"any, the master is http://127.0.0.1:8000.\n";
	struct buf b CLEAN(buf_fini) = BUF_INIT(PAGE_MAX);
	page_head(&b, "hoc", "a cloud of one's own");
	buf_add(&b, S(".SH SYNOPSIS\n\\fBhoc\\fR [\\fB\\-\\-json\\fR] [\\fB\\-\\-master\\fR "
		      "\\fIURL\\fR] \\fIVERB\\fR [options] [arguments]\n.br\n\\fBhoc help\\fR "
		      "[\\fIVERB\\fR]\n.br\n\\fBhoc\\fR \\fB\\-\\-version\\fR\n.SH "
		      "DESCRIPTION\n.B hoc\n"));
	roff_paragraphs(&b, description);
	buf_add(&b, S(".SH VERBS\n"));
	list_verbs(&b, t);
	buf_add(&b, S(".SH OPTIONS\nof every verb:\n"));
	roff_options(&b, cmd_common_options());
	buf_add(&b, S(".SH EXIT STATUS\n"));
	list_kinds(&b);
	buf_add(&b, str_from(files));
	return put_page(&b, dir, "hoc", e);
}

int verb_docs_man(struct cli_call *c, struct err *e)
{
	const char *dir = c->arguments[0];
	const struct cli_cmd *cmd;
	if (file_mkdirs(dir, 0755, e) < 0 || write_main_page(dir, c->tables, e) < 0)
		return -1;
	for (size_t i = 0; (cmd = cmd_at(c->tables, i)); i++)
		if (write_page(c->tables, dir, cmd, e) < 0)
			return -1;
	return 0;
}
