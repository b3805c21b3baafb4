/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * config.json: https://github.com/opencontainers/runtime-spec v1.0.2 (config.md, config-linux.md).
 * Compare `crun spec`.
 *
 * System calls are refused by a list, not allowed by one: what a kernel adds for everybody works,
 * what reaches beyond the container does not. clone3 and io_uring answer ENOSYS, which libraries
 * take as an old kernel and fall back (clone3's flags lie in memory, where no filter can look).
 */
#include "supervise/oci.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/file.h"
#include "json/json.h"

enum {
	CONFIG_ARENA = 8 << 20,
	HOME_UID = 1000,
	NOFILE = 65536,
	SHM_MIB = 64,
	CPU_PERIOD = 100000
};

/* Sticky through the arena: one check at the end. */
struct maker {
	struct arena *a;
	const struct oci_service *s;
};

static struct json *text(const struct maker *m, const char *c)
{
	return json_str_new(m->a, str_from(c));
}

static struct json *texts(const struct maker *m, const char *const *list)
{
	struct json *array = json_array_new(m->a);
	for (; list && *list; list++)
		json_add(m->a, array, text(m, *list));
	return array;
}

static void set_text(const struct maker *m, struct json *o, const char *key, const char *value)
{
	json_set(m->a, o, str_from(key), text(m, value));
}

static void set_i64(const struct maker *m, struct json *o, const char *key, int64_t v)
{
	json_set_i64(m->a, o, str_from(key), v);
}

/* ---- process ---- */

static bool has_variable(const char *const *env, const char *name_equals)
{
	for (; env && *env; env++)
		if (str_starts(str_from(*env), str_from(name_equals)))
			return true;
	return false;
}

static struct json *make_env(const struct maker *m)
{
	static const struct {
		const char *name, *whole;
	} defaults[] = {
		{"PATH=", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"HOME=", "HOME=/hoc"},
		{"USER=", "USER=hoc"},
		{"LANG=", "LANG=C.UTF-8"},
		{"TMPDIR=", "TMPDIR=/tmp"},
	};
	struct json *env = texts(m, m->s->env);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (!has_variable(m->s->env, defaults[i].name))
			json_add(m->a, env, text(m, defaults[i].whole));
	return env;
}

static struct json *make_capabilities(const struct maker *m)
{
	static const char *const of_root[] = {"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",
					      "CAP_SETGID", "CAP_SETUID",	NULL};
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	struct json *o = json_object_new(m->a);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		json_set(m->a, o, str_from(sets[i]), texts(m, m->s->is_root ? of_root : NULL));
	json_set(m->a, o, S("inheritable"), json_array_new(m->a));
	json_set(m->a, o, S("ambient"), json_array_new(m->a));
	return o;
}

/* Never above our own limit: a container may not raise what it inherits, and would not start. */
static void add_rlimit(const struct maker *m, struct json *list, const char *type, int resource,
		       int64_t v)
{
	struct json *o = json_object_new(m->a);
	struct rlimit own;
	if (getrlimit((__rlimit_resource_t)resource, &own) == 0 && own.rlim_max < (rlim_t)v)
		v = (int64_t)own.rlim_max;
	set_text(m, o, "type", type);
	set_i64(m, o, "hard", v);
	set_i64(m, o, "soft", v);
	json_add(m->a, list, o);
}

static struct json *make_process(const struct maker *m)
{
	const struct oci_service *s = m->s;
	struct json *p = json_object_new(m->a), *user = json_object_new(m->a);
	set_i64(m, user, "uid", s->is_root ? 0 : s->uid ? s->uid : HOME_UID);
	set_i64(m, user, "gid", s->is_root ? 0 : s->gid ? s->gid : HOME_UID);
	json_set(m->a, p, S("user"), user);
	json_set_bool(m->a, p, S("terminal"), s->has_terminal);
	json_set(m->a, p, S("args"), texts(m, s->argv));
	json_set(m->a, p, S("env"), make_env(m));
	set_text(m, p, "cwd", s->cwd ? s->cwd : "/hoc");
	json_set(m->a, p, S("capabilities"), make_capabilities(m));
	json_set_bool(m->a, p, S("noNewPrivileges"), true);
	struct json *limits = json_array_new(m->a);
	add_rlimit(m, limits, "RLIMIT_CORE", RLIMIT_CORE, 0);
	add_rlimit(m, limits, "RLIMIT_NOFILE", RLIMIT_NOFILE, s->nofile ? s->nofile : NOFILE);
	if (s->pids) /* holds where the host has no pids controller */
		add_rlimit(m, limits, "RLIMIT_NPROC", RLIMIT_NPROC, s->pids);
	json_set(m->a, p, S("rlimits"), limits);
	return p;
}

/* ---- mounts ---- */

static void add_mount(const struct maker *m, struct json *list, const char *destination,
		      const char *type, const char *source, const char *options)
{
	struct json *o = json_object_new(m->a), *words = json_array_new(m->a);
	struct str rest = str_from(options), word;
	while (str_split(&rest, ',', &word))
		json_add_str(m->a, words, word);
	set_text(m, o, "destination", destination);
	set_text(m, o, "type", type);
	set_text(m, o, "source", source);
	json_set(m->a, o, S("options"), words);
	json_add(m->a, list, o);
}

static struct json *make_mounts(const struct maker *m)
{
	struct json *l = json_array_new(m->a);
	unsigned owner = m->s->is_root ? 0 : m->s->uid ? m->s->uid : HOME_UID;
	const char *run = arena_cstr(
		m->a,
		arena_fmt(m->a, "nosuid,nodev,mode=0755,size=64m,uid=%u,gid=%u", owner, owner));
	const char *shm = arena_cstr(
		m->a, arena_fmt(m->a, "nosuid,noexec,nodev,mode=1777,size=%dm", SHM_MIB));
	add_mount(m, l, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	add_mount(m, l, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=64k");
	add_mount(m, l, "/dev/pts", "devpts", "devpts",
		  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	add_mount(m, l, "/dev/shm", "tmpfs", "shm", shm);
	add_mount(m, l, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	add_mount(m, l, "/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro");
	add_mount(m, l, "/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=256m");
	add_mount(m, l, "/run", "tmpfs", "tmpfs", run);
	add_mount(m, l, "/hoc", "bind", m->s->home, "rbind,rw,nosuid,nodev");
	return l;
}

/* ---- system calls ---- */

static struct json *add_rule(const struct maker *m, struct json *list, const char *const *names,
			     int os)
{
	struct json *o = json_object_new(m->a);
	json_set(m->a, o, S("names"), texts(m, names));
	set_text(m, o, "action", "SCMP_ACT_ERRNO");
	set_i64(m, o, "errnoRet", os);
	json_add(m->a, list, o);
	return o;
}

static void add_condition(const struct maker *m, struct json *rule, int index, int64_t value,
			  const char *op, int64_t value_two)
{
	struct json *o = json_object_new(m->a), *args = json_array_new(m->a);
	set_i64(m, o, "index", index);
	set_i64(m, o, "value", value);
	set_i64(m, o, "valueTwo", value_two);
	set_text(m, o, "op", op);
	json_add(m->a, args, o);
	json_set(m->a, rule, S("args"), args);
}

static struct json *make_seccomp(const struct maker *m)
{
	/* clang-format off */
	static const char *const refused[] = {
		"acct", "add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "delete_module",
		"fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module",
		"ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
		"mount", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl",
		"open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "process_vm_readv",
		"process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key", "setns",
		"settimeofday", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare", "uselib",
		"userfaultfd", "ustat", "vhangup", NULL,
	};
	static const char *const absent[] = {
		"clone3", "io_uring_enter", "io_uring_register", "io_uring_setup", NULL,
	};
	static const int64_t namespaces[] = {
		CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
		CLONE_NEWUTS,
	};
	static const int64_t families[] = {AF_ALG, AF_VSOCK, AF_PACKET, AF_XDP};
	/* clang-format on */
	static const char *const clone[] = {"clone", NULL}, *const socket[] = {"socket", NULL};
	struct json *o = json_object_new(m->a), *rules = json_array_new(m->a);
	set_text(m, o, "defaultAction", "SCMP_ACT_ALLOW");
	(void)add_rule(m, rules, refused, EPERM);
	(void)add_rule(m, rules, absent, ENOSYS);
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		add_condition(m, add_rule(m, rules, clone, EPERM), 0, namespaces[i],
			      "SCMP_CMP_MASKED_EQ", namespaces[i]);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		add_condition(m, add_rule(m, rules, socket, EAFNOSUPPORT), 0, families[i],
			      "SCMP_CMP_EQ", 0);
	json_set(m->a, o, S("syscalls"), rules);
	return o;
}

/* ---- linux ---- */

static struct json *make_namespaces(const struct maker *m)
{
	static const char *const types[] = {"ipc", "mount", "pid", "user", "uts"};
	struct json *list = json_array_new(m->a);
	for (size_t i = 0; i < ARRAY_LEN(types) + !m->s->joins_network; i++) {
		struct json *o = json_object_new(m->a);
		set_text(m, o, "type", i < ARRAY_LEN(types) ? types[i] : "network");
		json_add(m->a, list, o);
	}
	return list;
}

static struct json *make_mapping(const struct maker *m)
{
	struct json *list = json_array_new(m->a), *o = json_object_new(m->a);
	set_i64(m, o, "containerID", 0);
	set_i64(m, o, "hostID", m->s->uid_base);
	set_i64(m, o, "size", OCI_UIDS);
	json_add(m->a, list, o);
	return list;
}

static struct json *make_resources(const struct maker *m)
{
	const struct oci_service *s = m->s;
	struct json *r = json_object_new(m->a), *memory = json_object_new(m->a),
		    *cpu = json_object_new(m->a), *pids = json_object_new(m->a);
	set_i64(m, memory, "limit", s->memory_bytes);
	set_i64(m, cpu, "period", CPU_PERIOD);
	set_i64(m, cpu, "quota", s->cpu_milli * (CPU_PERIOD / 1000));
	set_i64(m, pids, "limit", s->pids);
	if (s->memory_bytes)
		json_set(m->a, r, S("memory"), memory);
	if (s->cpu_milli)
		json_set(m->a, r, S("cpu"), cpu);
	if (s->pids)
		json_set(m->a, r, S("pids"), pids);
	return r;
}

static struct json *make_linux(const struct maker *m)
{
	static const char *const masked[] = {
		"/proc/acpi",	     "/proc/asound",	     "/proc/interrupts",
		"/proc/kcore",	     "/proc/keys",	     "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi",	     "/proc/timer_list",
		"/proc/timer_stats", "/sys/firmware",	     "/sys/fs/cgroup",
		"/sys/kernel/debug", "/sys/kernel/security", NULL};
	static const char *const readonly[] = {
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};
	struct json *o = json_object_new(m->a);
	json_set(m->a, o, S("namespaces"), make_namespaces(m));
	json_set(m->a, o, S("uidMappings"), make_mapping(m));
	json_set(m->a, o, S("gidMappings"), make_mapping(m));
	json_set(m->a, o, S("maskedPaths"), texts(m, masked));
	json_set(m->a, o, S("readonlyPaths"), texts(m, readonly));
	json_set(m->a, o, S("seccomp"), make_seccomp(m));
	if (m->s->memory_bytes || m->s->cpu_milli || m->s->pids)
		json_set(m->a, o, S("resources"), make_resources(m));
	return o;
}

static struct json *make_config(const struct maker *m)
{
	struct json *c = json_object_new(m->a), *root = json_object_new(m->a);
	set_text(m, c, "ociVersion", "1.0.0");
	set_text(m, root, "path", m->s->rootfs);
	json_set_bool(m->a, root, S("readonly"), true);
	json_set(m->a, c, S("root"), root);
	json_set(m->a, c, S("process"), make_process(m));
	set_text(m, c, "hostname", m->s->hostname ? m->s->hostname : "hoc");
	json_set(m->a, c, S("mounts"), make_mounts(m));
	json_set(m->a, c, S("linux"), make_linux(m));
	return c;
}

/* ---- checking ---- */

static int check_list(const char *const *list, size_t max, const char *field, struct err *e)
{
	size_t n = 0;
	for (; list && *list; list++, n++)
		if (n == max)
			return err_field(e, field, "has more than %zu entries", max);
		else if (!str_is_utf8(str_from(*list)))
			return err_field(e, field, "entry %zu is not UTF-8", n);
	return 0;
}

static int check_path(const char *path, const char *field, struct err *e)
{
	if (!path || path[0] != '/' || !str_is_utf8(str_from(path)))
		return err_field(e, field, "is not an absolute path");
	return 0;
}

static int check_texts(const struct oci_service *s, struct err *e)
{
	if (!s->argv || !s->argv[0] || !s->argv[0][0])
		return err_field(e, "argv", "is empty");
	if (check_path(s->rootfs, "rootfs", e) < 0 || check_path(s->home, "home", e) < 0 ||
	    (s->cwd && check_path(s->cwd, "cwd", e) < 0) ||
	    check_list(s->argv, OCI_ARGS_MAX, "argv", e) < 0 ||
	    check_list(s->env, OCI_ENV_MAX, "env", e) < 0)
		return -1;
	for (const char *const *v = s->env; v && *v; v++)
		if (**v == '=' || !strchr(*v, '='))
			return err_field(e, "env", "\"%s\" is not NAME=value", *v);
	return 0;
}

static int check_numbers(const struct oci_service *s, struct err *e)
{
	if (s->uid_base < OCI_UIDS || s->uid_base > UINT32_MAX - OCI_UIDS)
		return err_field(e, "uid_base", "must leave the host's own users alone");
	if (s->uid >= OCI_UIDS || s->gid >= OCI_UIDS)
		return err_field(e, "uid", "is outside the mapping");
	if (s->memory_bytes < 0 || s->cpu_milli < 0 || s->pids < 0 || s->nofile < 0)
		return err_field(e, "limits", "must not be negative");
	return 0;
}

MUST int oci_config(const struct oci_service *s, struct buf *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (check_texts(s, e) < 0 || check_numbers(s, e) < 0 ||
	    arena_new(CONFIG_ARENA, &a, e) < 0)
		return -1;
	struct maker m = {.a = a, .s = s};
	struct json *config = make_config(&m);
	if (arena_check(a, e) < 0)
		return -1;
	json_write_canonical(config, out);
	return buf_check(out, e);
}

MUST int oci_bundle_write(const char *dir, const struct oci_service *s, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(OCI_CONFIG_MAX);
	if (arena_new(CONFIG_ARENA, &a, e) < 0 || oci_config(s, &b, e) < 0 ||
	    file_mkdirs(dir, 0700, e) < 0)
		return -1;
	const char *path = arena_cstr(a, file_join(a, str_from(dir), S("config.json")));
	return file_write_if_changed(path, buf_str(&b), 0600, e);
}
