/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Daemons of the demo: found by their words in /proc, started in sessions of their own so that
 * neither Ctrl-C nor the end of the demo reaches them, ended through a pidfd.
 *
 * No file holds a process id: one that was killed, or whose number belongs to another process
 * now, could not be told from it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/demo.h"

enum { LINE_MAX_BYTES = 65536, LOG_MAX = 64 << 20, TAIL_MAX = 400, WORDS_MAX = 16 };

/* ---- finding ------------------------------------------------------------------------------- */

/* Do the words of a command line, after the program's name, begin with these? */
static bool is_line_of(struct str line, const char *const *words)
{
	struct str word;
	if (!line.n || !str_split(&line, 0, &word))
		return false;
	for (; *words; words++)
		if (!str_split(&line, 0, &word) || !str_is(word, *words))
			return false;
	return true;
}

static bool is_same_program(const char *pid)
{
	char path[64];
	struct stat theirs, ours;
	(void)snprintf(path, sizeof path, "/proc/%s/exe", pid);
	return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/* Zombies have no command line, so what is found lives. */
static int look_at(struct demo *d, const char *pid, const char *const *words,
		   struct demo_daemon *out, struct err *e)
{
	char path[64];
	struct str line;
	int64_t number;
	struct err ignored = ERR_INIT;
	(void)snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	if (file_read(path, LINE_MAX_BYTES, d->call->arena, &line, &ignored) != 0 ||
	    !is_line_of(line, words))
		return 1;
	if (str_to_i64(str_from(pid), 1, INT32_MAX, &number, e) < 0)
		return -1;
	*out = (struct demo_daemon){
		.pid = (int)number, .is_same = is_same_program(pid), .line = line};
	return 0;
}

MUST int demo_daemon_find(struct demo *d, const char *const *words, struct demo_daemon *out,
			  struct err *e)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int rc = 1;
	*out = (struct demo_daemon){.pid = 0};
	if (!proc)
		return err_os(e, errno, "look at /proc");
	while (rc > 0 && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			rc = look_at(d, entry->d_name, words, out, e);
	(void)closedir(proc);
	return rc < 0 ? -1 : 0;
}

MUST int demo_find_agent(struct demo *d, struct demo_daemon *out, struct err *e)
{
	const char *const words[] = {"node", "run", "--dir", d->node_dir, NULL};
	return demo_daemon_find(d, words, out, e);
}

MUST int demo_find_master(struct demo *d, struct demo_daemon *out, struct err *e)
{
	const char *const words[] = {"master", "run", "--data", d->master_dir, NULL};
	return demo_daemon_find(d, words, out, e);
}

/* ---- starting ------------------------------------------------------------------------------ */

static struct str log_path(struct demo *d, const char *name)
{
	return arena_fmt(d->call->arena, "%s/%s.log", d->log_dir, name);
}

MUST int demo_daemon_start(struct demo *d, const char *name, const char *const *words,
			   int *out_pid, struct err *e)
{
	char *argv[WORDS_MAX + 2] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	pid_t pid;
	struct str log = log_path(d, name);
	argv[0] = (char *)(uintptr_t)d->call->program;
	for (size_t i = 0; words[i]; i++) {
		ASSERT(i < WORDS_MAX);
		argv[i + 1] = (char *)(uintptr_t)words[i];
	}
	if (arena_check(d->call->arena, e) < 0)
		return -1;
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawnattr_init(&how);
	(void)posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&files, 1, log.p, O_WRONLY | O_CREAT | O_APPEND,
					       0600);
	(void)posix_spawn_file_actions_adddup2(&files, 1, 2);
	int rc = posix_spawn(&pid, d->call->program, &files, &how, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&how);
	if (rc != 0)
		return err_os(e, rc, "start %s", name);
	*out_pid = (int)pid;
	return 0;
}

MUST int demo_start_agent(struct demo *d, int *out_pid, struct err *e)
{
	const char *const words[] = {
		"node",	    "run",	     "--dir",		d->node_dir,
		"--master", d->call->master, "--meter-seconds", "2",
		NULL};
	return demo_daemon_start(d, "node", words, out_pid, e);
}

struct str demo_log_tail(struct demo *d, const char *name)
{
	struct str text;
	struct err ignored = ERR_INIT;
	if (file_read(log_path(d, name).p, LOG_MAX, d->call->arena, &text, &ignored) != 0)
		return S("");
	text = str_trim(text);
	text = str_sub(text, text.n > TAIL_MAX ? text.n - TAIL_MAX : 0, TAIL_MAX);
	struct str last = text, part;
	while (str_split(&text, '\n', &part))
		last = part.n ? part : last;
	return last;
}

/* ---- ending -------------------------------------------------------------------------------- */

bool demo_pid_lives(int pid)
{
	int fd CLEAN(file_closep) = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return fd >= 0 && poll(&p, 1, 0) == 0;
}

MUST int demo_daemon_stop(int pid, int64_t for_ms, struct err *e)
{
	int fd CLEAN(file_closep) = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (fd < 0)
		return errno == ESRCH ? 0 : err_os(e, errno, "look at process %d", pid);
	(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	if (poll(&p, 1, (int)for_ms) > 0)
		return 0;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	if (poll(&p, 1, 10000) > 0)
		return 0;
	return err_fail(e, ERR_TIMEOUT, "process %d does not end", pid);
}
