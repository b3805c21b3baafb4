/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Control groups, version 2: Documentation/admin-guide/cgroup-v2.rst of the kernel.
 *
 * A controller can only be used in a group if its parent passes it on (subtree_control); we pass
 * on what there is, one by one, since writing several fails for all if one is refused.
 */
#include "supervise/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "supervise/proc.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
enum { PATH_BYTES = 300, TEXT_BYTES = 65536, WORDS_BYTES = 200 };

struct cgroups {
	bool has_groups, has_kill, has_memory;
	int host_root;
	char dir[64]; /* CGROUP_ROOT/hoc-XXXXXXXX */
	char words[WORDS_BYTES];
};

/* ---- finding out ---- */

static uint32_t hash_path(const char *path)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h;
}

static bool is_version_2(void)
{
	struct statfs fs;
	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Slave: what the host mounts later shows here, what is done here does not show there. */
static int enter_mounts(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_os(e, errno, "enter a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_os(e, errno, "part from the host's mounts");
	return 0;
}

static bool mount_version_2(void)
{
	if (is_version_2())
		return true;
	if (umount2(CGROUP_ROOT, MNT_DETACH) < 0 && errno != EINVAL)
		return false;
	return mount("cgroup2", CGROUP_ROOT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     NULL) == 0;
}

/* Reads a small file of the group into p[n]; "" if it cannot. */
static struct str read_file(const char *dir, const char *name, char *p, size_t n)
{
	char path[2 * PATH_BYTES];
	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;
	while (fd >= 0 && used + 1 < n && (got = read(fd, p + used, n - 1 - used)) > 0)
		used += (size_t)got;
	p[used] = 0;
	return str_of(p, used);
}

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[2 * PATH_BYTES];
	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd CLEAN(file_closep) = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static bool exists(const char *dir, const char *name)
{
	char path[2 * PATH_BYTES];
	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void pass_on_controllers(const char *dir)
{
	char have[1024], add[32];
	struct str rest = str_trim(read_file(dir, "cgroup.controllers", have, sizeof have)),
		   word;
	while (rest.n && str_split(&rest, ' ', &word)) {
		bool is_ours = str_is(word, "cpu") || str_is(word, "memory") ||
			       str_is(word, "io") || str_is(word, "pids");
		(void)snprintf(add, sizeof add, "+%" STR_F, STR_A(word));
		if (is_ours)
			(void)write_file(dir, "cgroup.subtree_control", add);
	}
}

static void add_word(struct cgroups *c, bool has, const char *word)
{
	size_t n = strlen(c->words);
	if (has)
		(void)snprintf(c->words + n, sizeof c->words - n, "%s%s", n ? " " : "", word);
}

static bool has_user_namespaces(void)
{
	char text[32];
	struct str s =
		str_trim(read_file("/proc/sys/user", "max_user_namespaces", text, sizeof text));
	return exists("/proc/self/ns", "user") && !str_is(s, "0");
}

/* In sorted order. */
static void note_capabilities(struct cgroups *c)
{
	char text[1024];
	struct str passed = read_file(c->dir, "cgroup.subtree_control", text, sizeof text);
	bool has = c->has_groups;
	c->has_kill = has && exists(c->dir, "cgroup.kill");
	c->has_memory = has && str_find(passed, S("memory")) < passed.n;
	add_word(c, c->has_kill, "cgroup.kill");
	add_word(c, has, "cgroup2");
	add_word(c, has && str_find(passed, S("cpu")) < passed.n, "cgroup2.cpu");
	add_word(c, has && str_find(passed, S("io")) < passed.n, "cgroup2.io");
	add_word(c, c->has_memory, "cgroup2.memory");
	add_word(c, has && str_find(passed, S("pids")) < passed.n, "cgroup2.pids");
	add_word(c, exists("/proc/self/ns", "net"), "netns");
	add_word(c, true, "pidfd");
	add_word(c, exists("/proc/sys/kernel/seccomp", "actions_avail"), "seccomp");
	add_word(c, has_user_namespaces(), "userns");
}

static int open_host_root(void)
{
	const char *inherited = getenv(CGROUPS_ROOT_VARIABLE);
	int64_t fd;
	struct err ignored;
	struct stat st;
	if (inherited && str_to_i64(str_from(inherited), 3, INT32_MAX, &fd, &ignored) == 0 &&
	    fstat((int)fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		(void)unsetenv(CGROUPS_ROOT_VARIABLE);
		(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
		return (int)fd;
	}
	return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

MUST int cgroups_open(const char *node_dir, struct cgroups **out, struct err *e)
{
	struct cgroups *c = MEM_NEW(struct cgroups, e);
	if (!c)
		return -1;
	(void)snprintf(c->dir, sizeof c->dir, CGROUP_ROOT "/hoc-%08x", hash_path(node_dir));
	c->host_root = open_host_root();
	if (c->host_root < 0 || enter_mounts(e) < 0) {
		if (c->host_root < 0)
			(void)err_os(e, errno, "open /");
		cgroups_close(c);
		return -1;
	}
	c->has_groups = mount_version_2() && (mkdir(c->dir, 0755) == 0 || errno == EEXIST);
	if (c->has_groups) {
		pass_on_controllers(CGROUP_ROOT);
		pass_on_controllers(c->dir);
	}
	note_capabilities(c);
	*out = c;
	return 0;
}

static void close_dirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* Groups outlive who made them. Those with processes stay: rmdir refuses them. */
static void remove_empty(const struct cgroups *c)
{
	char dir[PATH_BYTES];
	DIR *d CLEAN(close_dirp) = opendir(c->dir);
	struct dirent *entry;
	while (d && (entry = readdir(d)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			(void)snprintf(dir, sizeof dir, "%s/%s", c->dir, entry->d_name);
			(void)rmdir(dir);
		}
	(void)rmdir(c->dir);
}

struct cgroups *cgroups_close(struct cgroups *c)
{
	if (!c)
		return NULL;
	if (c->has_groups)
		remove_empty(c);
	file_closep(&c->host_root);
	mem_free(c);
	return NULL;
}

struct str cgroups_capabilities(const struct cgroups *c)
{
	return str_from(c->words);
}

int cgroups_host_root(const struct cgroups *c)
{
	return c->host_root;
}

/* ---- groups ---- */

static void group_dir(const struct cgroups *c, struct str partition, char *out)
{
	(void)snprintf(out, PATH_BYTES, "%s/%" STR_F, c->dir, STR_A(partition));
}

MUST int cgroups_enter(struct cgroups *c, struct str partition, int *out_fd, struct err *e)
{
	*out_fd = -1;
	if (!c->has_groups)
		return 1;
	char dir[PATH_BYTES];
	group_dir(c, partition, dir);
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_os(e, errno, "make the control group %s", dir);
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_os(e, errno, "open %s", dir);
	*out_fd = fd;
	return 0;
}

/* Calls fn for each process of the group; false if the group does not exist. */
static bool each_process(const char *dir, proc_each_fn *fn, void *user)
{
	char text[TEXT_BYTES];
	if (!exists(dir, "cgroup.procs"))
		return false;
	struct str rest = str_trim(read_file(dir, "cgroup.procs", text, sizeof text)), line;
	while (rest.n && str_split(&rest, '\n', &line)) {
		int64_t pid;
		struct err ignored;
		if (str_to_i64(line, 1, INT32_MAX, &pid, &ignored) == 0)
			(void)fn(user, (int)pid);
	}
	return true;
}

void cgroups_each(const struct cgroups *c, int (*fn)(void *user, int pid), void *user)
{
	DIR *d CLEAN(close_dirp) = c->has_groups ? opendir(c->dir) : NULL;
	struct dirent *entry;
	char dir[PATH_BYTES];
	while (d && (entry = readdir(d))) {
		group_dir(c, str_from(entry->d_name), dir);
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)each_process(dir, fn, user);
	}
}

static int kill_one(void *user UNUSED, int pid)
{
	(void)kill(pid, SIGKILL);
	return 0;
}

MUST int cgroups_kill(struct cgroups *c, struct str partition, struct err *e)
{
	char dir[PATH_BYTES];
	group_dir(c, partition, dir);
	if (!c->has_groups || !exists(dir, "cgroup.procs"))
		return 1;
	if (c->has_kill)
		return write_file(dir, "cgroup.kill", "1") == 0 || errno == ENOENT
			       ? 0
			       : err_os(e, errno, "kill the control group %s", dir);
	(void)each_process(dir, kill_one, NULL);
	return 0;
}

MUST int cgroups_remove(struct cgroups *c, struct str partition, struct err *e)
{
	char dir[PATH_BYTES];
	group_dir(c, partition, dir);
	if (!c->has_groups || rmdir(dir) == 0 || errno == ENOENT)
		return 0;
	return errno == EBUSY ? 1 : err_os(e, errno, "remove the control group %s", dir);
}

/* ---- usage ---- */

struct sum {
	struct supervise_usage *u;
	bool has_memory; /* comes from the group */
	bool has_cpu;
	uint64_t namespaces[64];
	size_t namespace_count;
};

static int add_process(void *user, int pid)
{
	struct sum *s = user;
	int64_t v;
	s->u->processes++;
	if (!s->has_memory && proc_pss_bytes(pid, &v))
		s->u->memory_bytes += v;
	if (!s->has_cpu && proc_cpu_usec(pid, &v))
		s->u->cpu_usec += v;
	return 0;
}

static int add_if_inside(void *user, int pid)
{
	struct sum *s = user;
	uint64_t ns;
	if (!proc_pid_namespace(pid, &ns))
		return 0;
	for (size_t i = 0; i < s->namespace_count; i++)
		if (s->namespaces[i] == ns)
			return add_process(s, pid);
	return 0;
}

static int64_t number_in(struct str text, const char *key)
{
	struct str line, want = str_from(key);
	int64_t v = 0;
	struct err ignored;
	while (str_split(&text, '\n', &line))
		if (str_starts(line, want) &&
		    str_to_i64(str_trim(str_sub(line, want.n, line.n)), 0, INT64_MAX, &v,
			       &ignored) < 0)
			v = 0;
	return v;
}

static void usage_of_group(const struct cgroups *c, const char *dir, struct sum *s)
{
	char text[4096];
	s->has_cpu = true;
	s->u->cpu_usec =
		number_in(read_file(dir, "cpu.stat", text, sizeof text), "usage_usec ");
	s->has_memory = c->has_memory;
	if (c->has_memory)
		s->u->memory_bytes = number_in(
			str_trim(read_file(dir, "memory.current", text, sizeof text)), "");
	s->u->source = c->has_memory ? S("cgroup") : S("cgroup+proc");
	(void)each_process(dir, add_process, s);
}

MUST int cgroups_usage(const struct cgroups *c, struct str partition, const int *inits,
		       size_t init_count, struct supervise_usage *out, struct err *e)
{
	struct supervise_usage u = {.source = S("proc")};
	struct sum s = {.u = &u};
	char dir[PATH_BYTES];
	group_dir(c, partition, dir);
	if (c->has_groups && exists(dir, "cgroup.procs")) {
		usage_of_group(c, dir, &s);
	} else if (init_count > ARRAY_LEN(s.namespaces)) {
		return err_fail(e, ERR_TOO_LARGE, "more than %zu containers in a partition",
				ARRAY_LEN(s.namespaces));
	} else if (init_count) {
		for (size_t i = 0; i < init_count; i++)
			if (proc_pid_namespace(inits[i], &s.namespaces[s.namespace_count]))
				s.namespace_count++;
		(void)proc_each(add_if_inside, &s);
	}
	*out = u;
	return 0;
}
