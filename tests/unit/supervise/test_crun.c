/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The copy of crun that is executed: of a program, anew when it changed, not of a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "supervise/crun.h"

enum {
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	ARENA_BYTES = 8 << 20
};

struct place {
	char dir[64], path[80];
	struct arena *a;
};

static int set_up(void **state)
{
	static struct place p;
	struct err e;
	p = (struct place){.dir = "/tmp/test-crun-XXXXXX"};
	assert_non_null(mkdtemp(p.dir));
	(void)snprintf(p.path, sizeof p.path, "%s/program", p.dir);
	assert_int_equal(arena_new(ARENA_BYTES, &p.a, &e), 0);
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	struct err e;
	arena_free(p->a);
	return file_remove_tree(p->dir, &e);
}

static struct str content(struct place *p, const char *path)
{
	struct err e;
	struct str text;
	assert_int_equal(file_read(path, 4 << 20, p->a, &text, &e), 0);
	return text;
}

static void put(struct place *p, struct str text)
{
	struct err e;
	assert_int_equal(file_write(p->path, text, 0755, &e), 0);
}

static void a_program_is_copied_and_sealed(void **state)
{
	struct place *p = *state;
	struct crun *c;
	struct err e;
	put(p, content(p, "/bin/true"));
	assert_int_equal(crun_open(p->path, &c, &e), 0);
	const char *program = crun_program(c);
	assert_string_not_equal(program, p->path);
	assert_true(str_eq(content(p, program), content(p, p->path)));
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	assert_int_equal(close(fd), 0);
	assert_null(crun_close(c));
}

static void a_changed_program_is_copied_again(void **state)
{
	struct place *p = *state;
	struct crun *c;
	struct err e;
	struct str second = content(p, "/bin/false");
	put(p, content(p, "/bin/true"));
	assert_int_equal(crun_open(p->path, &c, &e), 0);
	put(p, second);
	assert_true(str_eq(content(p, crun_program(c)), second));
	/* In the middle of an upgrade nothing is there: what was there is used. */
	assert_int_equal(unlink(p->path), 0);
	assert_true(str_eq(content(p, crun_program(c)), second));
	crun_close(c);
}

static void what_is_no_program_keeps_its_name(void **state)
{
	struct place *p = *state;
	struct crun *c;
	struct err e;
	put(p, S("#!/bin/sh\nexit 0\n"));
	assert_int_equal(crun_open(p->path, &c, &e), 0);
	assert_string_equal(crun_program(c), p->path);
	crun_close(c);
	assert_int_equal(crun_open("no-such-program-at-all", &c, &e), 0);
	assert_string_equal(crun_program(c), "no-such-program-at-all");
	crun_close(c);
}

static void a_name_is_searched_in_path(void **state)
{
	struct place *p = *state;
	struct crun *c;
	struct err e;
	assert_int_equal(crun_open("true", &c, &e), 0);
	assert_true(str_eq(content(p, crun_program(c)), content(p, "/bin/true")));
	crun_close(c);
	assert_null(crun_close(NULL));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_program_is_copied_and_sealed),
		CASE(a_changed_program_is_copied_again),
		CASE(what_is_no_program_keeps_its_name),
		CASE(a_name_is_searched_in_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
