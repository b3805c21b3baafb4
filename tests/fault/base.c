/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: base */
/*
 * The ground floor without memory: arenas, buffers, and files that stay whole.
 */
#include "fault.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { LIMIT_BYTES = 1 << 20, WORDS = 500 };

static int arena_grows(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(LIMIT_BYTES, &a, e) < 0)
		return -1;
	struct str last = S("");
	for (int i = 0; i < WORDS; i++)
		last = arena_fmt(a, "word %04d of a text that fills several blocks", i);
	if (arena_check(a, e) < 0) {
		FAULT_CHECK(last.n == 0);
		return -1;
	}
	FAULT_CHECK(str_starts(last, S("word 0499")));
	arena_clear(a);
	return arena_alloc(a, 64) ? 0 : arena_check(a, e);
}

static int buffer_grows(struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(LIMIT_BYTES);
	for (int i = 0; i < WORDS; i++)
		buf_addf(&b, "%04d ", i);
	if (buf_check(&b, e) < 0) {
		/* What was written before stays readable. */
		FAULT_CHECK(b.n % 5 == 0);
		return -1;
	}
	FAULT_CHECK(b.n == (size_t)WORDS * 5);
	return 0;
}

static int heap_objects(struct err *e)
{
	char *copy = mem_dup("abc", 3, e);
	if (!copy)
		return -1;
	char *grown = mem_grow(copy, 100, 3, e);
	int rc = grown ? 0 : -1;
	bool is_kept = strcmp(grown ? grown : copy, "abc") == 0;
	mem_free(grown ? grown : copy);
	FAULT_CHECK(is_kept);
	return rc;
}

/* A file in a folder of this process's own, replaced as a whole or not at all. */
static char folder[] = "/tmp/hoc-fault-XXXXXX";
static char path[sizeof folder + 8];

static void write_plainly(const char *text)
{
	FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) == EOF || fclose(f) != 0)
		abort();
}

static void old_file(void)
{
	if (!path[0]) {
		if (!mkdtemp(folder))
			abort();
		(void)snprintf(path, sizeof path, "%s/file", folder);
	}
	write_plainly("old");
}

static bool holds(const char *want)
{
	char text[16] = "";
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool is_same = fgets(text, sizeof text, f) && strcmp(text, want) == 0;
	(void)fclose(f);
	return is_same;
}

static bool file_is_whole(void)
{
	return holds("old") || holds("new");
}

static int file_is_replaced(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str got = S("");
	if (arena_new(LIMIT_BYTES, &a, e) < 0 ||
	    file_write_if_changed(path, S("new"), 0600, e) < 0 ||
	    file_read(path, LIMIT_BYTES, a, &got, e) < 0)
		return -1;
	FAULT_CHECK(str_is(got, "new"));
	return 0;
}

/* Removing has to work when there is no memory left. */
static int tree_is_removed(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(LIMIT_BYTES, &a, e) < 0)
		return -1;
	const char *deep = arena_cstr(a, arena_fmt(a, "%s/a/b/c", folder));
	if (arena_check(a, e) < 0 || file_mkdirs(deep, 0700, e) < 0 ||
	    file_remove_tree(folder, e) < 0)
		return -1;
	FAULT_CHECK(!file_exists(folder));
	return file_mkdirs(folder, 0700, e);
}

static const struct fault_scenario scenarios[] = {
	{.name = "base.arena_grows", .run = arena_grows},
	{.name = "base.buffer_grows", .run = buffer_grows},
	{.name = "base.heap_objects", .run = heap_objects},
	{.name = "base.file_is_replaced",
	 .run = file_is_replaced,
	 .reset = old_file,
	 .is_whole = file_is_whole},
	{.name = "base.tree_is_removed", .run = tree_is_removed, .reset = old_file},
};

int main(void)
{
	int rc = fault_main(scenarios, ARRAY_LEN(scenarios));
	struct err e = ERR_INIT;
	return file_remove_tree(folder, &e) < 0 ? EXIT_FAILURE : rc;
}
