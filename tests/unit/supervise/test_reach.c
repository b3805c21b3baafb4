/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "supervise/reach.h"

enum { STRANGER = 54321, BAD_MOUNT = 2, BAD_REACH = 3, BAD_SIGHT = 4, BAD_SECRET = 5 };

static char dir[] = "/tmp/reach-XXXXXX";
static char node[200], note[250], secret[250];

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;
	if (geteuid() != 0 || !mkdtemp(dir))
		return -1;
	(void)snprintf(node, sizeof node, "%s/closed/cloud/node", dir);
	(void)snprintf(note, sizeof note, "%s/note", node);
	(void)snprintf(secret, sizeof secret, "%s/closed/secret", dir);
	if (chmod(dir, 0755) < 0 || file_mkdirs(node, 0755, &e) < 0 ||
	    file_write(note, S("seen"), 0644, &e) < 0 ||
	    file_write(secret, S("hidden"), 0644, &e) < 0)
		return -1;
	(void)snprintf(node, sizeof node, "%s/closed", dir);
	int rc = chmod(node, 0700);
	(void)snprintf(node, sizeof node, "%s/closed/cloud/node", dir);
	return rc;
}

static int tear_down(void **state UNUSED)
{
	struct err e = ERR_INIT;
	return file_remove_tree(dir, &e);
}

/* In a process with mounts of its own; what a user without rights then sees. */
static int as_supervisor(void)
{
	struct err e = ERR_INIT;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return BAD_MOUNT;
	if (reach_open(node, &e) != 0 || reach_open(node, &e) != 1)
		return BAD_REACH;
	if (setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
	    setresuid(STRANGER, STRANGER, STRANGER) < 0)
		return BAD_MOUNT;
	if (access(note, R_OK) < 0)
		return BAD_SIGHT;
	return access(secret, F_OK) == 0 ? BAD_SECRET : 0;
}

static void a_closed_parent_is_covered_for_the_supervisor_alone(void **state UNUSED)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(as_supervisor());
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	/* The host sees no change. */
	struct stat st;
	char closed[200];
	(void)snprintf(closed, sizeof closed, "%s/closed", dir);
	assert_int_equal(stat(closed, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(access(secret, F_OK), 0);
}

static void a_directory_that_is_not_there_is_an_error(void **state UNUSED)
{
	struct err e = ERR_INIT;
	assert_int_equal(reach_open("/nowhere/at/all", &e), -1);
	assert_int_equal(e.kind, ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_parent_is_covered_for_the_supervisor_alone),
		cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
