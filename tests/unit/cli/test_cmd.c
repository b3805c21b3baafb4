/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command line: what is parsed to what, and what is said of what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture.h"

/* Says how it was called: "name=value name=value | argument argument | json". */
static int echo(struct cli_call *c, struct err *e)
{
	int64_t n = 0;
	for (size_t i = 0; i < c->value_count; i++)
		if (strcmp(c->values[i].option->name, "json") != 0)
			(void)fprintf(c->out, "%s=%s ", c->values[i].option->name,
				      c->values[i].text);
	for (size_t i = 0; i < c->argument_count; i++)
		(void)fprintf(c->out, "[%s]", c->arguments[i]);
	if (c->is_json)
		(void)fprintf(c->out, " json");
	if (cli_i64(c, "count", 1, 9, &n, e) < 0)
		return -1;
	(void)fprintf(c->out, " n%d", (int)n);
	return 0;
}

static int tells_one(struct cli_call *c UNUSED, struct err *e UNUSED)
{
	return 1;
}

static int fails(struct cli_call *c UNUSED, struct err *e)
{
	return err_field(e, "parameters.title", "is \"too\" long");
}

static int tells_master(struct cli_call *c, struct err *e UNUSED)
{
	(void)fprintf(c->out, "%s", c->master);
	return 0;
}

static const struct cli_option echo_options[] = {
	{.name = "count", .argument = "N", .help = "A number.", .initial = "3"},
	{.name = "param", .argument = "K=V", .help = "Pairs.", .is_repeated = true},
	{.name = "wait", .argument = "S", .help = "Wait.", .is_value_optional = true},
	{.name = "follow", .letter = 'f', .help = "Go on."},
	{.name = NULL}};
static const struct cli_option strict_options[] = {
	{.name = "dir", .argument = "DIR", .help = "Where.", .is_required = true},
	{.name = NULL}};

#define ROW .group = "Verbs", .help = "Does it."
static const struct cli_cmd first[] = {
	{.name = "echo",
	 .arguments = "A B",
	 .min_args = 1,
	 .max_args = 2,
	 .options = echo_options,
	 .fn = echo,
	 ROW},
	{.name = "strict", .options = strict_options, .fn = tells_one, ROW},
	{.name = "one", .fn = tells_one, .exits = "1 it is not so", ROW},
	{.name = "bad", .fn = fails, ROW},
	{.name = "where", .fn = tells_master, ROW}};
static const struct cli_cmd second[] = {{.name = "node run", .fn = tells_one, ROW},
					{.name = "node format", .fn = fails, ROW},
					{.name = "nodes", .fn = tells_one, ROW}};
static const struct cli_table tables[] = {{first, ARRAY_LEN(first)},
					  {second, ARRAY_LEN(second)}};

struct row {
	const char *line;
	int code;
	const char *out, *err; /* parts of what is written; NULL: nothing is */
};

static void check(const struct row *r)
{
	struct captured *c = calloc(1, sizeof *c);
	assert_non_null(c);
	capture(tables, ARRAY_LEN(tables), r->line, c);
	bool is_right = c->code == r->code &&
			(r->out ? !!strstr(c->out, r->out) : !c->out[0]) &&
			(r->err ? !!strstr(c->err, r->err) : !c->err[0]);
	if (!is_right)
		print_error("hoc %s\n  code %d, out %s, err %s\n", r->line, c->code, c->out,
			    c->err);
	free(c);
	assert_true(is_right);
}

static void options_stand_anywhere(void **state UNUSED)
{
	static const struct row rows[] = {
		{"echo a", 0, "[a] n3", NULL},
		{"echo a b", 0, "[a][b] n3", NULL},
		{"echo --count 5 a", 0, "count=5 [a] n5", NULL},
		{"echo a --count=5", 0, "count=5 [a] n5", NULL},
		{"echo a --count 5 b", 0, "count=5 [a][b] n5", NULL},
		{"echo a --param k=v --param=x=y=z", 0, "param=k=v param=x=y=z [a]", NULL},
		{"echo a --param=", 0, "param= [a]", NULL},
		{"echo a --wait", 0, "wait= [a]", NULL},
		{"echo a --wait=60", 0, "wait=60 [a]", NULL},
		{"echo --wait a", 0, "wait= [a]", NULL},
		{"echo a -f", 0, "follow= [a]", NULL},
		{"echo -f a --follow=", 2, NULL, "takes no value: --follow"},
		{"echo -- --count -f", 0, "[--count][-f] n3", NULL},
		{"echo a -- --", 0, "[a][--]", NULL},
		{"echo - -5", 0, "[-][-5] n3", NULL},
		{"echo ''", 0, "[]", NULL},
		{"echo a --json", 0, "[a] json", NULL},
		{"--json echo a", 0, "[a] json", NULL},
		{"--master http://m --json echo a", 0, "master=http://m [a] json", NULL},
		{"--identity /i --json echo a", 0, "[a] json", NULL},
		{"--identity=/i echo a", 0, "[a]", NULL},
		{"one", 1, NULL, NULL},
		{"node run", 1, NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void what_is_wrong_is_named(void **state UNUSED)
{
	static const struct row rows[] = {
		{"echo", 2, NULL, "usage: hoc echo A B (see hoc echo --help)"},
		{"echo a b c", 2, NULL, "one argument too many: c"},
		{"echo a b --wait 60", 2, NULL, "written --wait=60"},
		{"echo a --count", 2, NULL, "needs a value: --count"},
		{"echo a --count 1 --count 2", 2, NULL, "given twice: --count"},
		{"echo a -f --follow", 2, NULL, "given twice: --follow"},
		{"echo a --cuont 2", 2, NULL, "unknown option --cuont: did you mean --count?"},
		{"echo a --zzzzzz", 2, NULL, "unknown option --zzzzzz (see"},
		{"echo a --jso", 2, NULL, "did you mean --json?"},
		{"echo a -x", 2, NULL, "unknown option -x"},
		{"echo a -ff", 2, NULL, "unknown option -ff"},
		{"strict", 2, NULL, "missing option --dir"},
		{"--master", 2, NULL, "usage: hoc"},
		{"--master one", 2, NULL, "usage: hoc"},
		{"--bad one", 2, NULL, "no verb '--bad'"},
		{"eco a", 2, NULL, "no verb 'eco': did you mean 'hoc echo'?"},
		{"nod", 2, NULL, "did you mean 'hoc node'?"},
		{"nodse", 2, NULL, "did you mean 'hoc nodes'?"},
		{"node fromat", 2, NULL, "did you mean 'hoc node format'? (see hoc help node)"},
		{"node xyzzy", 2, NULL, "no verb 'node xyzzy' (see hoc help node)"},
		{"xyzzy", 2, NULL, "no verb 'xyzzy' (see hoc help)"},
		{"help xyzzy", 2, NULL, "no verb 'xyzzy'"},
		{"bad", 2, NULL, "hoc: parameters.title: is \"too\" long\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

/* An error of a number names the option, after nothing but the verb's own answer was begun. */
static void numbers_have_bounds(void **state UNUSED)
{
	static const struct row rows[] = {
		{"echo a --count 0", 2, "[a]", "--count"},
		{"echo a --count 10", 2, "[a]", "--count"},
		{"echo a --count 3x", 2, "[a]", "--count"},
		{"echo a --count=", 2, "[a]", "--count"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void errors_are_json_if_asked(void **state UNUSED)
{
	static const struct row rows[] = {
		{"bad --json", 2, NULL,
		 "{\"error\":{\"kind\":\"invalid\",\"field\":\"parameters.title\",\"text\":"
		 "\"is "
		 "\\\"too\\\" long\"}}\n"},
		{"--json bda", 2, NULL, "{\"error\":{\"kind\":\"usage\""},
		{"echo --json --nope", 2, NULL, "\"field\":\"nope\""},
		{"echo --nope --json", 2, NULL, "\"field\":\"nope\""},
		{"--json node", 2, NULL, "which verb? (see hoc help node)"},
		{"bad -- --json", 2, NULL, "hoc: one argument too many"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void help_is_where_people_look(void **state UNUSED)
{
	static const struct row rows[] = {
		{"help", 0, "Verbs\n  echo ", NULL},
		{"--help", 0, "usage: hoc [--json]", NULL},
		{"-h", 0, "usage: hoc [--json]", NULL},
		{"", 2, NULL, "usage: hoc [--json]"},
		{"node", 2, NULL, "usage: hoc node VERB"},
		{"node --help", 0, "  node format", NULL},
		{"node -h", 0, "  node run", NULL},
		{"node help", 0, "  node run", NULL},
		{"help node", 0, "  node run", NULL},
		{"echo --help", 0, "usage: hoc echo A B [options]", NULL},
		{"echo -h", 0, "  --wait[=S]", NULL},
		{"help echo", 0, "-f, --follow", NULL},
		{"help node run", 0, "usage: hoc node run\n", NULL},
		{"node run --help", 0, "usage: hoc node run\n", NULL},
		{"one --help", 0, "    1  it is not so", NULL},
		{"echo --help", 0, "A number. Default: 3.", NULL},
		{"echo --help", 0, "Pairs. May be repeated.", NULL},
		{"strict --help", 0, "Where. Required.", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void values_and_words_have_a_maximum(void **state UNUSED)
{
	char line[CLI_VALUES_MAX * 16] = "echo a";
	for (int i = 0; i <= CLI_VALUES_MAX; i++)
		(void)strcat(line, " --param k=v");
	check(&(struct row){line, 2, NULL, "more than 64 options"});
}

/* ---- the program's own table --------------------------------------------------------------- */

static bool is_exit_code(int code)
{
	for (int i = ERR_INVALID; i < ERR_KINDS; i++)
		if (err_kind_info((enum err_kind)i)->exit_code == code)
			return true;
	return code == 1;
}

static void every_verb_is_explained(void **state UNUSED)
{
	for (size_t i = 0; i < cli_commands.count; i++) {
		const struct cli_cmd *cmd = &cli_commands.cmds[i];
		struct str rest = str_from(cmd->exits ? cmd->exits : ""), line;
		assert_non_null(cmd->group);
		assert_non_null(cmd->help);
		assert_non_null(cmd->example);
		assert_int_equal(strncmp(cmd->example, "hoc ", 4), 0);
		assert_true(cmd->min_args <= cmd->max_args &&
			    cmd->max_args <= CLI_ARGUMENTS_MAX);
		assert_true(!cmd->max_args == !cmd->arguments);
		while (cmd->exits && str_split(&rest, '\n', &line)) {
			int code = 0, at = 0;
			char text[200];
			(void)snprintf(text, sizeof text, "%" STR_F, STR_A(line));
			assert_int_equal(sscanf(text, "%d %n", &code, &at), 1);
			assert_true(at > 1 && is_exit_code(code));
		}
	}
}

static void help_of_every_verb_can_be_asked(void **state UNUSED)
{
	struct captured *c = calloc(1, sizeof *c);
	assert_non_null(c);
	for (size_t i = 0; i < cli_commands.count; i++) {
		char line[200];
		(void)snprintf(line, sizeof line, "%s --help", cli_commands.cmds[i].name);
		capture(&cli_commands, 1, line, c);
		assert_int_equal(c->code, 0);
		assert_non_null(strstr(c->out, "Exit codes"));
		assert_non_null(strstr(c->out, "Examples:"));
	}
	capture(&cli_own_commands, 1, "--version --json", c);
	assert_int_equal(c->code, 0);
	assert_non_null(strstr(c->out, "\"version\""));
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(errors_are_json_if_asked),
		cmocka_unit_test(help_is_where_people_look),
		cmocka_unit_test(values_and_words_have_a_maximum),
		cmocka_unit_test(every_verb_is_explained),
		cmocka_unit_test(help_of_every_verb_can_be_asked),
	};
	(void)setenv("HOC_CONFIG", "/nonexistent", 1);
	(void)unsetenv("HOC_MASTER");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
