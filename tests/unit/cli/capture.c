/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Puts a fresh file in the place of a descriptor; the old one is returned for restore(). */
static int redirect(int fd, FILE **file)
{
	int saved = dup(fd);
	*file = tmpfile();
	assert_non_null(*file);
	assert_true(saved >= 0 && dup2(fileno(*file), fd) == fd);
	return saved;
}

static void restore(int fd, int saved, FILE *file, char *text)
{
	assert_true(dup2(saved, fd) == fd);
	(void)close(saved);
	rewind(file);
	text[fread(text, 1, CAPTURE_MAX - 1, file)] = 0;
	(void)fclose(file);
}

void capture(const struct cli_table *tables, size_t count, const char *line,
	     struct captured *into)
{
	static char program[] = "hoc", empty[] = "";
	char *argv[CAPTURE_WORDS_MAX] = {program}, *copy = strdup(line), *rest = copy, *word;
	int argc = 1;
	FILE *out, *err;
	while ((word = strsep(&rest, " "))) {
		assert_true(argc < CAPTURE_WORDS_MAX - 1);
		if (word[0])
			argv[argc++] = strcmp(word, "''") == 0 ? empty : word;
	}
	(void)fflush(stdout);
	int saved_out = redirect(1, &out), saved_err = redirect(2, &err);
	into->code = cli_main(argc, argv, tables, count);
	(void)fflush(stdout);
	restore(1, saved_out, out, into->out);
	restore(2, saved_err, err, into->err);
	free(copy);
}
