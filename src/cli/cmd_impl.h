/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside of the command table: parsing (cmd.c) and what is printed from it (manual.c). */
#include "cli/cmd.h"

struct cmd_tables {
	const struct cli_table *tables;
	size_t count;
};

const struct cli_option *cmd_common_options(void);
/* The verb that the words begin with; *used words are its name. */
const struct cli_cmd *cmd_find(const struct cmd_tables *t, int argc, char **argv, int *used);
/* hoc VERB --help */
void cmd_print_manual(FILE *out, const struct cli_cmd *cmd);
/* hoc help */
void cmd_print_overview(FILE *out, const struct cmd_tables *t);
/*
 * hoc docs man DIR | completion | verbs | events | errors | api: what is generated from tables.
 * The exit code.
 */
int cmd_docs(const struct cmd_tables *t, int argc, char **argv);
