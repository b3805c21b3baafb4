/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Parsing a command line by the table, and running the verb. Standard output is the answer;
 * errors, and help that nobody asked for, go to standard error.
 */
#include "cli/cmd.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "cli/cmd_impl.h"
#include "cli/settings.h"
#include "json/json.h"

/* Options that every verb has. */
static const struct cli_option common[] = {
	{.name = "help", .letter = 'h', .help = "Show the manual of the verb."},
	{.name = "json", .help = "Write the answer as JSON."},
	{.name = "master",
	 .argument = "URL",
	 .help = "The master to ask; else $HOC_MASTER, else the settings file."},
	{.name = "identity",
	 .argument = "DIR",
	 .help = "Who to be, for a master with TLS; else $HOC_IDENTITY, else the settings "
		 "file, else ~/.config/hoc/identity."},
	{.name = NULL},
};

const struct cli_option *cmd_common_options(void)
{
	return common;
}

/* ---- parsing ------------------------------------------------------------------------------- */

static int usage_error(struct err *e, const struct cli_cmd *cmd, const char *what,
		       struct str name)
{
	(void)err_fail(e, ERR_USAGE, "%s%" STR_F " (see hoc %s --help)", what, STR_A(name),
		       cmd->name);
	(void)snprintf(e->field, sizeof e->field, "%" STR_F, STR_A(name));
	return -1;
}

static int unknown_option(struct err *e, const struct cli_cmd *cmd, struct str name)
{
	const struct cli_option *near = cmd_nearest_option(cmd, name);
	if (!near)
		return usage_error(e, cmd, "unknown option --", name);
	(void)err_fail(e, ERR_USAGE,
		       "unknown option --%" STR_F ": did you mean --%s? (see hoc %s --help)",
		       STR_A(name), near->name, cmd->name);
	(void)snprintf(e->field, sizeof e->field, "%" STR_F, STR_A(name));
	return -1;
}

static int add_value(struct cli_call *c, const struct cli_option *o, const char *text,
		     struct err *e)
{
	if (c->value_count == CLI_VALUES_MAX)
		return err_fail(e, ERR_USAGE, "more than %d options", CLI_VALUES_MAX);
	for (size_t i = 0; i < c->value_count && !o->is_repeated; i++)
		if (c->values[i].option == o)
			return usage_error(e, c->cmd, "given twice: --", str_from(o->name));
	c->values[c->value_count++] = (struct cli_value){o, text};
	return 0;
}

/* "--name", "--name=value" or "--name value" at argv[*at]; moves *at past it. */
static int parse_long(struct cli_call *c, int argc, char **argv, int *at, struct err *e)
{
	struct str text = str_from(argv[*at] + 2);
	size_t equals = str_find_char(text, '=');
	struct str name = str_sub(text, 0, equals);
	const struct cli_option *o = cmd_find_option(c->cmd, name);
	if (!o)
		return unknown_option(e, c->cmd, name);
	(*at)++;
	if (equals < text.n) {
		if (!o->argument)
			return usage_error(e, c->cmd, "takes no value: --", name);
		return add_value(c, o, text.p + equals + 1, e);
	}
	if (!o->argument || o->is_value_optional)
		return add_value(c, o, "", e);
	if (*at >= argc)
		return usage_error(e, c->cmd, "needs a value: --", name);
	return add_value(c, o, argv[(*at)++], e);
}

static const struct cli_option *find_letter(const struct cli_option *list, char letter)
{
	for (; list && list->name; list++)
		if (list->letter == letter)
			return list;
	return NULL;
}

/* "-f": letters are flags, one at a time. */
static int parse_letter(struct cli_call *c, const char *text, struct err *e)
{
	const struct cli_option *o = find_letter(c->cmd->options, text[1]);
	if (!o)
		o = find_letter(cmd_common_options(), text[1]);
	if (!o || text[2])
		return usage_error(e, c->cmd, "unknown option ", str_from(text));
	return add_value(c, o, "", e);
}

static int add_argument(struct cli_call *c, const char *text, struct err *e)
{
	const struct cli_value *last = c->value_count ? &c->values[c->value_count - 1] : NULL;
	if (c->argument_count < c->cmd->max_args && c->argument_count < CLI_ARGUMENTS_MAX) {
		c->arguments[c->argument_count++] = text;
		return 0;
	}
	if (last && last->option->is_value_optional && !last->text[0])
		return err_fail(
			e, ERR_USAGE,
			"one argument too many: %s (a value is written --%s=%s; see hoc %s "
			"--help)",
			text, last->option->name, text, c->cmd->name);
	return usage_error(e, c->cmd, "one argument too many: ", str_from(text));
}

/* "-" and "-5" are arguments. */
static bool is_letter(const char *text)
{
	return text[0] == '-' &&
	       ((text[1] >= 'a' && text[1] <= 'z') || (text[1] >= 'A' && text[1] <= 'Z'));
}

static int parse(struct cli_call *c, int argc, char **argv, struct err *e)
{
	bool has_ended = false;
	for (int i = 0; i < argc;) {
		int rc = 0;
		if (has_ended)
			rc = add_argument(c, argv[i++], e);
		else if (strcmp(argv[i], "--") == 0)
			has_ended = i++ >= 0;
		else if (strncmp(argv[i], "--", 2) == 0)
			rc = parse_long(c, argc, argv, &i, e);
		else if (is_letter(argv[i]))
			rc = parse_letter(c, argv[i++], e);
		else
			rc = add_argument(c, argv[i++], e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int check_call(const struct cli_call *c, struct err *e)
{
	if (c->argument_count < c->cmd->min_args)
		return err_fail(e, ERR_USAGE, "usage: hoc %s %s (see hoc %s --help)",
				c->cmd->name, c->cmd->arguments ? c->cmd->arguments : "",
				c->cmd->name);
	for (const struct cli_option *o = c->cmd->options; o && o->name; o++)
		if (o->is_required && !cli_has(c, o->name))
			return usage_error(e, c->cmd, "missing option --", str_from(o->name));
	return 0;
}

/* ---- values -------------------------------------------------------------------------------- */

const char *cli_value(const struct cli_call *c, const char *name)
{
	for (size_t i = c->value_count; i > 0; i--)
		if (strcmp(c->values[i - 1].option->name, name) == 0)
			return c->values[i - 1].text;
	const struct cli_option *o = cmd_find_option(c->cmd, str_from(name));
	ASSERT(o);
	return o->initial;
}

bool cli_has(const struct cli_call *c, const char *name)
{
	for (size_t i = 0; i < c->value_count; i++)
		if (strcmp(c->values[i].option->name, name) == 0)
			return true;
	return false;
}

const char *cli_value_at(const struct cli_call *c, const char *name, size_t i)
{
	for (size_t k = 0; k < c->value_count; k++)
		if (strcmp(c->values[k].option->name, name) == 0 && i-- == 0)
			return c->values[k].text;
	return NULL;
}

MUST int cli_i64(const struct cli_call *c, const char *name, int64_t min, int64_t max,
		 int64_t *out, struct err *e)
{
	const char *text = cli_value(c, name);
	if (str_to_i64(str_from(text), min, max, out, e) == 0)
		return 0;
	e->kind = ERR_USAGE;
	(void)snprintf(e->field, sizeof e->field, "%s", name);
	return err_in(e, "--%s", name);
}

MUST int cli_path(const struct cli_call *c, const char *name, const char **out, struct err *e)
{
	const char *text = cli_value(c, name);
	char here[4096];
	if (!text || !text[0])
		return usage_error(e, c->cmd, "needs a path: --", str_from(name));
	if (text[0] == '/') {
		*out = text;
		return 0;
	}
	if (!getcwd(here, sizeof here))
		return err_fail(e, ERR_IO, "the current directory is gone");
	*out = arena_fmt(c->arena, "%s/%s", here, text).p;
	return arena_check(c->arena, e);
}

/* ---- running ------------------------------------------------------------------------------- */

static void print_error(const struct err *e, bool is_json)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(8192);
	if (is_json) {
		buf_addf(&b, "{\"error\":{\"kind\":\"%s\",\"field\":",
			 err_kind_info(e->kind)->name);
		json_write_str(str_from(e->field), &b);
		buf_add(&b, S(",\"text\":"));
		json_write_str(str_from(e->text), &b);
		buf_add(&b, S("}}\n"));
	} else if (e->field[0] && e->kind != ERR_USAGE) {
		buf_addf(&b, "hoc: %s: %s\n", e->field, e->text);
	} else {
		buf_addf(&b, "hoc: %s\n", e->text);
	}
	(void)fwrite(b.p, 1, b.n, stderr);
}

static const char *own_path(struct arena *a, const char *name)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	return n > 0 ? arena_dup(a, str_of(path, (size_t)n)).p : name;
}

/* A reader that went away (`hoc list | head`) is no failure. */
static int finish(FILE *out, struct err *e)
{
	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	return errno == EPIPE ? 0 : err_fail(e, ERR_IO, "the answer could not be written");
}

static int run(struct cli_call *c, struct err *e)
{
	if (cli_has(c, "help")) {
		cmd_print_manual(c->out, c->cmd);
		return 0;
	}
	if (check_call(c, e) < 0)
		return -1;
	c->is_json = cli_has(c, "json");
	if (settings_master(cli_value(c, "master"), c->arena, &c->master, e) < 0)
		return -1;
	int rc = c->cmd->fn(c, e);
	return rc >= 0 && finish(c->out, e) < 0 ? -1 : rc;
}

static bool is_word(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* `--json`, `--master` and `--identity` may stand before the verb: they count as if behind it. */
static int skip_common(int argc, char **argv)
{
	int n = 0;
	while (n < argc && strncmp(argv[n], "--", 2) == 0) {
		bool takes_value = is_word(argv[n], "--master", "--identity", "--master");
		if (strcmp(argv[n], "--json") != 0 && !takes_value &&
		    strncmp(argv[n], "--master=", 9) != 0 &&
		    strncmp(argv[n], "--identity=", 11) != 0)
			break;
		n += takes_value ? 2 : 1;
	}
	return MIN_OF(n, argc);
}

static bool asks_help(int argc, char **argv)
{
	return argc > 0 && is_word(argv[0], "help", "--help", "-h");
}

/* "no verb 'lst': did you mean 'hoc list'?" Within a family only its verbs are meant. */
static int unknown_verb(const struct cmd_tables *t, int argc, char **argv, const char *family,
			struct err *e)
{
	const char *second = family && argc > 1 ? argv[1] : "", *blank = second[0] ? " " : "";
	struct str near = cmd_nearest(t, argc, argv);
	bool is_of = !family || (str_starts(near, str_from(family)) &&
				 str_find_char(near, ' ') == strlen(family));
	if (near.n && is_of)
		return err_fail(e, ERR_USAGE,
				"no verb '%s%s%s': did you mean 'hoc %" STR_F
				"'? (see hoc help%s%s)",
				argv[0], blank, second, STR_A(near), family ? " " : "",
				family ? family : "");
	return err_fail(e, ERR_USAGE, "no verb '%s%s%s' (see hoc help%s%s)", argv[0], blank,
			second, family ? " " : "", family ? family : "");
}

/* The words name no verb: the verbs of a family, all of them, or an error that suggests one. */
static int no_verb(const struct cli_call *c, int argc, char **argv, bool is_asked,
		   struct err *e)
{
	const char *family = argc > 0 && cmd_is_family(c->tables, argv[0]) ? argv[0] : NULL;
	bool is_open = argc == 0 || (family && (argc == 1 || argv[1][0] == '-'));
	is_asked = is_asked || (family && asks_help(argc - 1, argv + 1));
	if (is_asked && (is_open || family)) {
		cmd_print_overview(c->out, c->tables, family);
		return 0;
	}
	if (!is_open)
		return unknown_verb(c->tables, argc, argv, family, e);
	if (c->is_json)
		return err_fail(e, ERR_USAGE, "which verb? (see hoc help%s%s)",
				family ? " " : "", family ? family : "");
	cmd_print_overview(stderr, c->tables, family);
	return err_kind_info(ERR_USAGE)->exit_code;
}

/* argv without the program's name. */
static int run_verb(int argc, char **argv, struct cli_call *c, struct err *e)
{
	char version[] = "version";
	int used = 0, before = skip_common(argc, argv), rest = argc - before;
	char **words = argv + before;
	bool is_help = asks_help(rest, words);
	if (is_help) {
		words++;
		rest--;
	}
	if (rest > 0 && strcmp(words[0], "--version") == 0)
		words[0] = version;
	c->cmd = cmd_find(c->tables, rest, words, &used);
	if (!c->cmd)
		return no_verb(c, rest, words, is_help, e);
	if (is_help) {
		cmd_print_manual(c->out, c->cmd);
		return 0;
	}
	if (parse(c, before, argv, e) < 0 || parse(c, rest - used, words + used, e) < 0)
		return -1;
	return run(c, e);
}

/* What was asked for as JSON is also refused as JSON, even if it could not be read. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int cli_main(int argc, char **argv, const struct cli_table *tables, size_t table_count)
{
	struct err e = ERR_INIT;
	const struct cmd_tables t = {tables, table_count};
	struct arena *a CLEAN(arena_freep) = NULL;
	(void)signal(SIGPIPE, SIG_IGN);
	struct cli_call *c = NULL;
	if (arena_new(CLI_MEMORY, &a, &e) == 0)
		c = ARENA_NEW(a, struct cli_call);
	if (!c) {
		(void)err_fail(&e, ERR_MEMORY, "out of memory");
		print_error(&e, wants_json(argc, argv));
		return err_kind_info(e.kind)->exit_code;
	}
	*c = (struct cli_call){.arena = a,
			       .tables = &t,
			       .out = stdout,
			       .is_json = wants_json(argc, argv),
			       .is_terminal = isatty(STDERR_FILENO) == 1};
	c->program = own_path(a, argc > 0 ? argv[0] : "hoc");
	int rc = argc > 0 ? run_verb(argc - 1, argv + 1, c, &e) : run_verb(0, argv, c, &e);
	if (rc >= 0)
		return rc;
	print_error(&e, c->is_json);
	return err_kind_info(e.kind)->exit_code;
}
