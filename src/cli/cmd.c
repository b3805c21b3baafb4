/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Parsing a command line by the table, and running the verb.
 */
#include "cli/cmd.h"

#include <signal.h>
#include <unistd.h>

#include "cli/cmd_impl.h"
#include "cli/settings.h"
#include "json/json.h"

/* Options that every verb has. */
static const struct cli_option common[] = {
	{.name = "help", .help = "Show the manual of the verb."},
	{.name = "json", .help = "Write the answer as JSON."},
	{.name = "master",
	 .argument = "URL",
	 .help = "The master to ask; else $HOC_MASTER, else the settings file."},
	{.name = NULL},
};

const struct cli_option *cmd_common_options(void)
{
	return common;
}

/* ---- finding ------------------------------------------------------------------------------- */

/* True if the first words of argv are the name of the verb; *used counts them. */
static bool is_named(const struct cli_cmd *cmd, int argc, char **argv, int *used)
{
	struct str rest = str_from(cmd->name), word;
	int n = 0;
	while (str_split(&rest, ' ', &word)) {
		if (n >= argc || !str_is(word, argv[n]))
			return false;
		n++;
	}
	*used = n;
	return true;
}

const struct cli_cmd *cmd_find(const struct cmd_tables *t, int argc, char **argv, int *used)
{
	const struct cli_cmd *best = NULL;
	*used = 0;
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->tables[i].count; k++) {
			int n = 0;
			if (is_named(&t->tables[i].cmds[k], argc, argv, &n) && n > *used) {
				best = &t->tables[i].cmds[k];
				*used = n;
			}
		}
	return best;
}

static const struct cli_option *find_in(const struct cli_option *list, struct str name)
{
	for (; list && list->name; list++)
		if (str_is(name, list->name))
			return list;
	return NULL;
}

static const struct cli_option *find_option(const struct cli_cmd *cmd, struct str name)
{
	const struct cli_option *o = find_in(cmd->options, name);
	return o ? o : find_in(common, name);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static int usage_error(struct err *e, const struct cli_cmd *cmd, const char *what,
		       struct str name)
{
	(void)err_fail(e, ERR_USAGE, "%s %" STR_F " (see hoc %s --help)", what, STR_A(name),
		       cmd->name);
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

/* One option at argv[*at]; moves *at past it. */
static int parse_option(struct cli_call *c, int argc, char **argv, int *at, struct err *e)
{
	struct str text = str_from(argv[*at] + 2);
	size_t equals = str_find_char(text, '=');
	struct str name = str_sub(text, 0, equals);
	const struct cli_option *o = find_option(c->cmd, name);
	if (!o)
		return usage_error(e, c->cmd, "unknown option --", name);
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

static int add_argument(struct cli_call *c, const char *text, struct err *e)
{
	if (c->argument_count == c->cmd->max_args || c->argument_count == CLI_ARGUMENTS_MAX)
		return usage_error(e, c->cmd, "one argument too many:", str_from(text));
	c->arguments[c->argument_count++] = text;
	return 0;
}

static int parse(struct cli_call *c, int argc, char **argv, struct err *e)
{
	bool has_ended = false;
	for (int i = 0; i < argc;) {
		bool is_option = !has_ended && strncmp(argv[i], "--", 2) == 0;
		int rc;
		if (is_option && argv[i][2] == 0) {
			has_ended = true;
			i++;
			continue;
		}
		if (!is_option && !has_ended && argv[i][0] == '-' && argv[i][1] == 'f' &&
		    !argv[i][2] && find_option(c->cmd, S("follow"))) {
			rc = add_value(c, find_option(c->cmd, S("follow")), "", e);
			i++;
		} else if (is_option) {
			rc = parse_option(c, argc, argv, &i, e);
		} else {
			rc = add_argument(c, argv[i++], e);
		}
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
	const struct cli_option *o = find_option(c->cmd, str_from(name));
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
	if (rc >= 0 && (fflush(c->out) != 0 || ferror(c->out)))
		return err_fail(e, ERR_IO, "the answer could not be written");
	return rc;
}

/* `--json` and `--master` may stand before the verb: they move behind it. */
static int skip_common(int argc, char **argv)
{
	int n = 0;
	while (n < argc && strncmp(argv[n], "--", 2) == 0) {
		bool takes_value = strcmp(argv[n], "--master") == 0;
		if (strcmp(argv[n], "--json") != 0 && !takes_value &&
		    strncmp(argv[n], "--master=", 9) != 0)
			break;
		n += takes_value ? 2 : 1;
	}
	return MIN_OF(n, argc);
}

static int run_verb(const struct cmd_tables *tables, int argc, char **argv, struct cli_call *c,
		    struct err *e)
{
	int used = 0, before = skip_common(argc - 1, argv + 1);
	int rest = argc - 1 - before;
	char **words = argv + 1 + before;
	c->cmd = cmd_find(tables, rest, words, &used);
	if (!c->cmd) {
		bool asks = rest == 0 || strcmp(words[0], "help") == 0 ||
			    strcmp(words[0], "--help") == 0;
		if (asks) {
			cmd_print_overview(c->out, tables);
			return rest == 0 ? err_kind_info(ERR_USAGE)->exit_code : 0;
		}
		c->is_json = before > 0;
		return err_fail(e, ERR_USAGE, "no verb '%s' (see hoc help)", words[0]);
	}
	if (parse(c, before, argv + 1, e) < 0 || parse(c, rest - used, words + used, e) < 0) {
		c->is_json = cli_has(c, "json");
		return -1;
	}
	return run(c, e);
}

int cli_main(int argc, char **argv, const struct cli_table *tables, size_t table_count)
{
	struct err e = ERR_INIT;
	struct cmd_tables t = {tables, table_count};
	struct arena *a CLEAN(arena_freep) = NULL;
	(void)signal(SIGPIPE, SIG_IGN);
	if (arena_new(CLI_MEMORY, &a, &e) < 0) {
		print_error(&e, false);
		return err_kind_info(e.kind)->exit_code;
	}
	if (argc > 1 && strcmp(argv[1], "docs") == 0)
		return cmd_docs(&t, argc - 2, argv + 2);
	struct cli_call *c = ARENA_NEW(a, struct cli_call);
	ASSERT(c);
	*c = (struct cli_call){
		.arena = a, .out = stdout, .is_terminal = isatty(STDERR_FILENO) == 1};
	c->program = own_path(a, argv[0]);
	int rc = run_verb(&t, argc, argv, c, &e);
	if (rc >= 0)
		return rc;
	print_error(&e, c->is_json);
	return err_kind_info(e.kind)->exit_code;
}
