/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The settings file: what it may say, and what goes before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli/settings.h"

static const char fallback[] = "http://127.0.0.1:8000";

struct place {
	struct arena *a;
	char dir[32], path[64];
};

static int setup(void **state)
{
	struct err e = ERR_INIT;
	struct place *p = calloc(1, sizeof *p);
	assert_non_null(p);
	(void)strcpy(p->dir, "/tmp/hoc-unit-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->path, sizeof p->path, "%s/hoc.conf", p->dir);
	assert_int_equal(arena_new(1 << 20, &p->a, &e), 0);
	(void)setenv("HOC_CONFIG", p->path, 1);
	(void)unsetenv("HOC_MASTER");
	(void)unsetenv("HOC_NODE");
	(void)unsetenv("HOC_IDENTITY");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;
	struct place *p = *state;
	assert_int_equal(file_remove_tree(p->dir, &e), 0);
	arena_freep(&p->a);
	free(p);
	return 0;
}

static void put(struct place *p, const char *text)
{
	struct err e = ERR_INIT;
	assert_int_equal(file_write(p->path, str_from(text), 0644, &e), 0);
}

static void a_file_is_read(void **state)
{
	static const struct {
		const char *text, *master, *node; /* node NULL: none */
	} rows[] = {
		{"", fallback, NULL},
		{"\n# nothing\n", fallback, NULL},
		{"master = http://m:1", "http://m:1", NULL},
		{"master=http://m:1\nnode=/n\n", "http://m:1", "/n"},
		{"  node \t=  /var/lib/my node  # where it is\r\n", fallback,
		 "/var/lib/my node"},
		{"node = /a\nnode = /b\n", fallback, "/b"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place *p = *state;
		struct err e = ERR_INIT;
		const char *master = NULL, *node = NULL;
		put(p, rows[i].text);
		assert_int_equal(settings_master(NULL, p->a, &master, &e), 0);
		assert_string_equal(master, rows[i].master);
		assert_int_equal(settings_node(NULL, p->a, &node, &e), 0);
		assert_true(!node == !rows[i].node);
		if (node)
			assert_string_equal(node, rows[i].node);
	}
}

static void bad_lines_are_told_with_file_and_number(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"master\n", "line 1: is not 'key = value'"},
		{"node = /n\n\nhallo\n", "line 3: is not 'key = value'"},
		{"# x\nmaster = m\nMaster = m\n", "line 3: unknown key"},
		{"= x\n", "line 1: unknown key"},
		{"colour = blue\n", "known: master, node, identity"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct place *p = *state;
		struct err e = ERR_INIT;
		const char *out = NULL;
		put(p, rows[i].text);
		assert_int_equal(settings_master(NULL, p->a, &out, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, rows[i].says));
		assert_non_null(strstr(e.text, p->path));
		err_clear(&e);
		assert_int_equal(settings_node(NULL, p->a, &out, &e), -1);
	}
}

static void option_goes_before_environment_before_file(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	const char *out = NULL;
	put(p, "master = http://file\nnode = /file\n");
	(void)setenv("HOC_MASTER", "http://environment", 1);
	(void)setenv("HOC_NODE", "/environment", 1);
	assert_int_equal(settings_master(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, "http://environment");
	assert_int_equal(settings_master("http://option", p->a, &out, &e), 0);
	assert_string_equal(out, "http://option");
	assert_int_equal(settings_node(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, "/environment");
	assert_int_equal(settings_node("/option", p->a, &out, &e), 0);
	assert_string_equal(out, "/option");
	/* What goes before it also spares a file that is wrong. */
	put(p, "wrong\n");
	assert_int_equal(settings_master(NULL, p->a, &out, &e), 0);
}

static void a_relative_node_is_of_the_current_directory(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	char here[4096], want[4200];
	const char *out = NULL;
	assert_non_null(getcwd(here, sizeof here));
	(void)snprintf(want, sizeof want, "%s/my/node", here);
	assert_int_equal(settings_node("my/node", p->a, &out, &e), 0);
	assert_string_equal(out, want);
}

static void the_file_is_found_at_home(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	char path[200];
	const char *out = NULL;
	(void)unsetenv("HOC_CONFIG");
	(void)setenv("HOME", p->dir, 1);
	assert_int_equal(settings_master(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, fallback);
	(void)snprintf(path, sizeof path, "%s/.config/hoc", p->dir);
	assert_int_equal(file_mkdirs(path, 0755, &e), 0);
	(void)strcat(path, "/hoc.conf");
	assert_int_equal(file_write(path, S("master = http://home"), 0644, &e), 0);
	assert_int_equal(settings_master(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, "http://home");
}

static void a_huge_file_is_refused(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	const char *out = NULL;
	char *text = calloc(1, SETTINGS_MAX_BYTES + 2);
	assert_non_null(text);
	memset(text, '\n', SETTINGS_MAX_BYTES + 1);
	put(p, text);
	free(text);
	assert_int_equal(settings_master(NULL, p->a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void an_identity_is_found(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	char want[200];
	const char *out = NULL;
	(void)setenv("HOME", p->dir, 1);
	assert_int_equal(settings_identity(NULL, p->a, &out, &e), 0);
	(void)snprintf(want, sizeof want, "%s/.config/hoc/identity", p->dir);
	assert_string_equal(out, want);
	put(p, "identity = /file\n");
	assert_int_equal(settings_identity(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, "/file");
	(void)setenv("HOC_IDENTITY", "/environment", 1);
	assert_int_equal(settings_identity(NULL, p->a, &out, &e), 0);
	assert_string_equal(out, "/environment");
	assert_int_equal(settings_identity("/option", p->a, &out, &e), 0);
	assert_string_equal(out, "/option");
	(void)unsetenv("HOC_IDENTITY");
	(void)unsetenv("HOME");
	put(p, "");
	assert_int_equal(settings_identity(NULL, p->a, &out, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void a_master_is_remembered_once(void **state)
{
	static const struct {
		const char *before, *after; /* after NULL: as before */
	} rows[] = {
		{"", "master = https://m:1\n"},
		{"node = /n", "node = /n\nmaster = https://m:1\n"},
		{"# mine\nidentity = /i\n", "# mine\nidentity = /i\nmaster = https://m:1\n"},
		{"master = http://other\n", NULL},
	};
	struct place *p = *state;
	struct err e = ERR_INIT;
	struct str text;
	bool is_kept;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put(p, rows[i].before);
		assert_int_equal(settings_keep_master("https://m:1", p->a, &is_kept, &e), 0);
		assert_int_equal(is_kept, rows[i].after != NULL);
		assert_int_equal(file_read(p->path, 1000, p->a, &text, &e), 0);
		assert_string_equal(text.p, is_kept ? rows[i].after : rows[i].before);
		/* Now some master is set. */
		assert_int_equal(settings_keep_master("https://m:2", p->a, &is_kept, &e), 0);
		assert_false(is_kept);
	}
	put(p, "");
	(void)setenv("HOC_MASTER", "http://environment", 1);
	assert_int_equal(settings_keep_master("https://m:1", p->a, &is_kept, &e), 0);
	assert_false(is_kept);
	(void)unsetenv("HOC_MASTER");
	put(p, "wrong\n");
	assert_int_equal(settings_keep_master("https://m:1", p->a, &is_kept, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_lines_are_told_with_file_and_number, setup,
						teardown),
		cmocka_unit_test_setup_teardown(option_goes_before_environment_before_file,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_relative_node_is_of_the_current_directory,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_file_is_found_at_home, setup, teardown),
		cmocka_unit_test_setup_teardown(a_huge_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_identity_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_master_is_remembered_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
