/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside of the command table: finding (find.c), parsing and running (cmd.c), and what is
 * printed from it (manual.c, man.c, completion.c).
 */
#include "cli/cmd.h"

struct cmd_tables {
	const struct cli_table *tables;
	size_t count;
};

/* The i-th verb of all tables, in their order; NULL at the end. */
const struct cli_cmd *cmd_at(const struct cmd_tables *t, size_t i);
const struct cli_option *cmd_common_options(void);
/* The verb that the words begin with; *used words are its name. */
const struct cli_cmd *cmd_find(const struct cmd_tables *t, int argc, char **argv, int *used);
/* True if `word` is the first of the two words of some verb. */
bool cmd_is_family(const struct cmd_tables *t, const char *word);
/* True if the verb belongs to the family; every verb belongs to NULL. */
bool cmd_is_of(const struct cli_cmd *cmd, const char *family);
/* The verb or family that was probably meant; empty if nothing is near. Lives as the tables. */
struct str cmd_nearest(const struct cmd_tables *t, int argc, char **argv);
const struct cli_option *cmd_find_option(const struct cli_cmd *cmd, struct str name);
/* The option of the verb whose name is near, or NULL. */
const struct cli_option *cmd_nearest_option(const struct cli_cmd *cmd, struct str name);

/* hoc VERB --help */
void cmd_print_manual(FILE *out, const struct cli_cmd *cmd);
/* hoc help, or with a family its verbs. */
void cmd_print_overview(FILE *out, const struct cmd_tables *t, const char *family);
/* "--wait[=SECONDS]", "-f, --follow" */
void cmd_option_name(const struct cli_option *o, char *name, size_t size);
/* What the manual says of an option: its help, whether it is required or repeated, its default. */
void cmd_option_help(const struct cli_option *o, char *help, size_t size);
/* "hoc-node-run": the page of a verb. */
void cmd_page_name(const struct cli_cmd *cmd, char *name, size_t size);
/* What the exit codes that every verb has mean, as in cli_cmd.exits. */
extern const char cmd_common_exits[];
