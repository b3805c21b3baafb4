/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Runs the program's parsing with a table of verbs, and holds what it wrote. */
#include "cli/cmd.h"

enum { CAPTURE_MAX = 65536, CAPTURE_WORDS_MAX = 200 };

struct captured {
	int code;
	char out[CAPTURE_MAX], err[CAPTURE_MAX];
};

/* `line`: words after "hoc", with single blanks between; '' is an empty word. */
void capture(const struct cli_table *tables, size_t count, const char *line,
	     struct captured *into);
