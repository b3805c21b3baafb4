/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Finding verbs and options by name, and the nearest one where a name is not quite right.
 */
#include "cli/cmd_impl.h"

enum { NAME_MAX_BYTES = 40 };

const struct cli_cmd *cmd_at(const struct cmd_tables *t, size_t i)
{
	for (size_t k = 0; k < t->count; k++) {
		if (i < t->tables[k].count)
			return &t->tables[k].cmds[i];
		i -= t->tables[k].count;
	}
	return NULL;
}

/* ---- exact --------------------------------------------------------------------------------- */

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
	const struct cli_cmd *best = NULL, *cmd;
	*used = 0;
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++) {
		int n = 0;
		if (is_named(cmd, argc, argv, &n) && n > *used) {
			best = cmd;
			*used = n;
		}
	}
	return best;
}

bool cmd_is_of(const struct cli_cmd *cmd, const char *family)
{
	struct str name = str_from(cmd->name);
	size_t blank = str_find_char(name, ' ');
	return !family || (blank < name.n && str_is(str_sub(name, 0, blank), family));
}

bool cmd_is_family(const struct cmd_tables *t, const char *word)
{
	const struct cli_cmd *cmd;
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++)
		if (cmd_is_of(cmd, word))
			return true;
	return false;
}

static const struct cli_option *find_in(const struct cli_option *list, struct str name)
{
	for (; list && list->name; list++)
		if (str_is(name, list->name))
			return list;
	return NULL;
}

const struct cli_option *cmd_find_option(const struct cli_cmd *cmd, struct str name)
{
	const struct cli_option *o = find_in(cmd->options, name);
	return o ? o : find_in(cmd_common_options(), name);
}

/* ---- nearly -------------------------------------------------------------------------------- */

/* Characters to insert, remove, change or swap with their neighbour to turn one into the other. */
static size_t distance(struct str a, struct str b)
{
	size_t row[3][NAME_MAX_BYTES + 1];
	if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t k = 0; k <= b.n; k++)
		row[0][k] = k;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = i;
		for (size_t k = 1; k <= b.n; k++) {
			size_t change = last[k - 1] + (a.p[i - 1] != b.p[k - 1]);
			now[k] = MIN_OF(change, 1 + MIN_OF(last[k], now[k - 1]));
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] &&
			    a.p[i - 2] == b.p[k - 1])
				now[k] = MIN_OF(now[k], 1 + before[k - 2]);
		}
	}
	return row[a.n % 3][b.n];
}

static bool is_near(size_t distance, struct str typed)
{
	return distance <= 1 + typed.n / 4 && distance < typed.n;
}

/* What somebody typed where `name` could have been meant: as many words, if there are so many. */
static struct str typed_for(struct str *name, int argc, char **argv, char *joined, size_t size)
{
	size_t blank = str_find_char(*name, ' ');
	bool has_two = argc > 1 && argv[1][0] != '-';
	(void)snprintf(joined, size, "%s", argv[0]);
	if (blank < name->n && has_two)
		(void)snprintf(joined, size, "%s %s", argv[0], argv[1]);
	else
		*name = str_sub(*name, 0, blank);
	return str_from(joined);
}

struct str cmd_nearest(const struct cmd_tables *t, int argc, char **argv)
{
	struct str best = {NULL, 0};
	size_t least = SIZE_MAX;
	const struct cli_cmd *cmd;
	for (size_t i = 0; (cmd = cmd_at(t, i)); i++) {
		char joined[NAME_MAX_BYTES + 2];
		struct str name = str_from(cmd->name);
		struct str typed = typed_for(&name, argc, argv, joined, sizeof joined);
		size_t d = distance(typed, name);
		if (is_near(d, typed) && (d < least || (d == least && name.n > best.n))) {
			best = name;
			least = d;
		}
	}
	return best;
}

static void nearer(const struct cli_option *list, struct str name, size_t *least,
		   const struct cli_option **best)
{
	for (; list && list->name; list++) {
		size_t d = distance(name, str_from(list->name));
		if (is_near(d, name) && d < *least) {
			*least = d;
			*best = list;
		}
	}
}

const struct cli_option *cmd_nearest_option(const struct cli_cmd *cmd, struct str name)
{
	const struct cli_option *best = NULL;
	size_t least = SIZE_MAX;
	nearer(cmd->options, name, &least, &best);
	nearer(cmd_common_options(), name, &least, &best);
	return best;
}
