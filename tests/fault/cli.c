/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: cli */
/* Command lines without memory: read, refused, explained. The exit code says which. */
#include "fault.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"

/* Runs the program with both outputs thrown away: its exit code. */
static int run_quietly(char **argv)
{
	const struct cli_table tables[] = {cli_commands, cli_own_commands};
	int argc = 0;
	while (argv[argc])
		argc++;
	(void)fflush(NULL);
	int out = dup(STDOUT_FILENO), problems = dup(STDERR_FILENO);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (out < 0 || problems < 0 || nowhere < 0)
		abort();
	(void)dup2(nowhere, STDOUT_FILENO);
	(void)dup2(nowhere, STDERR_FILENO);
	int code = cli_main(argc, argv, tables, ARRAY_LEN(tables));
	(void)fflush(NULL);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(problems, STDERR_FILENO);
	(void)close(out);
	(void)close(problems);
	(void)close(nowhere);
	return code;
}

/* Ends with `expected`, or says that memory ran out. */
static int ends_with(int expected, const char *const *words, struct err *e)
{
	char text[8][80], *argv[9] = {NULL};
	for (size_t i = 0; words[i]; i++) {
		(void)snprintf(text[i], sizeof text[i], "%s", words[i]);
		argv[i] = text[i];
	}
	int code = run_quietly(argv);
	if (code == expected)
		return 0;
	if (code == err_kind_info(ERR_MEMORY)->exit_code)
		return err_fail(e, ERR_MEMORY, "exit code %d", code);
	return err_fail(e, ERR_INTERNAL, "exit code %d", code);
}

#define LINE(...) ((const char *const[]){"hoc", __VA_ARGS__, NULL})

static int version_is_told(struct err *e)
{
	return ends_with(0, LINE("version"), e);
}

static int help_is_told(struct err *e)
{
	return ends_with(0, LINE("request", "--help"), e);
}

static int nonsense_is_refused(struct err *e)
{
	return ends_with(err_kind_info(ERR_USAGE)->exit_code, LINE("request", "--nonsense"), e);
}

static int nobody_answers(struct err *e)
{
	return ends_with(err_kind_info(ERR_UNREACHABLE)->exit_code,
			 LINE("nodes", "--json", "--master", "http://127.0.0.1:1"), e);
}

static const struct fault_scenario scenarios[] = {
	{.name = "cli.version_is_told", .run = version_is_told},
	{.name = "cli.help_is_told", .run = help_is_told},
	{.name = "cli.nonsense_is_refused", .run = nonsense_is_refused},
	{.name = "cli.nobody_answers", .run = nobody_answers},
};

FAULT_MAIN(scenarios)
