/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Commands: one row a verb, from which parsing, --help, the man pages and the completion come.
 *
 *     hoc [--json] [--master URL] VERB [options] ARGUMENTS
 *
 * A verb has one or two words ("list", "node run"). Options are "--name value", "--name=value",
 * flags or single letters ("-f"), anywhere after the verb; "--" ends them. A value that may be
 * left out is only written "--name=value". Every verb knows -h, --help and --json.
 * A verb's function gets the parsed call, writes its answer to c->out, and returns 0, a
 * positive exit code that its row names, or -1 with an error, whose kind gives the exit code.
 *
 * Without a verb the overview is shown; the first word of several verbs ("node") alone shows
 * those. `hoc help VERB` is `hoc VERB --help`, `hoc --version` is `hoc version`.
 */
#include <stdio.h>

#include "base/arena.h"

enum {
	CLI_OPTIONS_MAX = 24,
	CLI_VALUES_MAX = 64,
	CLI_ARGUMENTS_MAX = 16,
	CLI_MEMORY = 256 << 20
};

struct cli_option {
	const char *name;     /* without dashes; NULL ends a table */
	const char *argument; /* word for the manual ("DIR"); NULL: a flag */
	const char *help;
	const char *initial; /* value if absent; NULL: none */
	const char
		*choices; /* usual values, with blanks between, for the completion; or NULL */
	char letter;	  /* 'f': "-f" is the same; 0: none */
	bool is_required, is_repeated;
	bool is_value_optional; /* --name alone is allowed: "--wait", "--wait=60" */
};

struct cli_value {
	const struct cli_option *option;
	const char *text; /* "" for a flag */
};

struct cmd_tables;
struct cli_call {
	const struct cli_cmd *cmd;
	const struct cmd_tables *tables; /* of the program, for what is printed from them */
	const char *program;		 /* absolute path of this binary */
	struct arena *arena;
	FILE *out;		   /* answers; errors and progress go to standard error */
	bool is_json, is_terminal; /* is_terminal: standard error is one */
	const char *master; /* --master, $HOC_MASTER, settings, else http://127.0.0.1:8000 */
	struct cli_value values[CLI_VALUES_MAX];
	size_t value_count;
	const char *arguments[CLI_ARGUMENTS_MAX];
	size_t argument_count;
};

typedef int cli_fn(struct cli_call *c, struct err *e);

struct cli_cmd {
	const char *name;      /* "request", "node run" */
	const char *arguments; /* for the manual: "RELEASE TITLE" */
	unsigned min_args, max_args;
	const struct cli_option *options; /* ends with name NULL; NULL: none */
	cli_fn *fn;
	const char *group;   /* heading in the overview */
	const char *help;    /* one sentence */
	const char *details; /* paragraphs for the manual, a line each; may be NULL */
	const char *example; /* command lines, a line each */
	const char *exits; /* "3 no such instance", a line each, besides 0 and 2; may be NULL */
};

/* A part of the command table; main.c joins those of all rooms. */
struct cli_table {
	const struct cli_cmd *cmds;
	size_t count;
};

/* Runs the program: the exit code. Errors go to standard error, as JSON with --json. */
int cli_main(int argc, char **argv, const struct cli_table *tables, size_t table_count);

/* The value of an option, or its initial value, or NULL. The last one counts. */
const char *cli_value(const struct cli_call *c, const char *name);
bool cli_has(const struct cli_call *c, const char *name);
/* The i-th value of a repeated option, or NULL. */
const char *cli_value_at(const struct cli_call *c, const char *name, size_t i);
/* An integer option; errors name it. */
MUST int cli_i64(const struct cli_call *c, const char *name, int64_t min, int64_t max,
		 int64_t *out, struct err *e);
/* An absolute path from an option that is a path; relative ones are taken from the current directory. */
MUST int cli_path(const struct cli_call *c, const char *name, const char **out, struct err *e);

/* The commands that speak to a master or need none: the room's own. */
extern const struct cli_table cli_commands;
/* Those about the program itself: version, docs. */
extern const struct cli_table cli_own_commands;
