/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading /proc: proc(5). Files are small and read with one call into a buffer on the stack.
 */
#include "supervise/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { STAT_BYTES = 1024, STATUS_BYTES = 8192, USEC = 1000000 };

/* The text of /proc/PID/NAME, NUL-terminated, in p[n]; empty if there is none. */
static struct str read_proc(int pid, const char *name, char *p, size_t n)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, p, n - 1);
	size_t used = got > 0 ? (size_t)got : 0;
	p[used] = 0;
	return str_of(p, used);
}

/* Field `k` (counted from 3, the state) of /proc/PID/stat; the name before may hold anything. */
static bool stat_field(struct str text, unsigned k, uint64_t *out)
{
	size_t at = text.n;
	while (at > 0 && text.p[at - 1] != ')')
		at--;
	struct str rest = str_sub(text, at + 1, text.n), part = {0};
	for (unsigned i = 3; i <= k; i++)
		if (at == 0 || !str_split(&rest, ' ', &part))
			return false;
	int64_t v;
	struct err ignored;
	if (str_to_i64(part, INT64_MIN, INT64_MAX, &v, &ignored) < 0)
		return false;
	*out = (uint64_t)v;
	return true;
}

bool proc_start_ticks(int pid, uint64_t *out)
{
	char p[STAT_BYTES];
	return stat_field(read_proc(pid, "stat", p, sizeof p), 22, out);
}

bool proc_cpu_usec(int pid, int64_t *out)
{
	char p[STAT_BYTES];
	struct str text = read_proc(pid, "stat", p, sizeof p);
	uint64_t ticks = 0, v;
	for (unsigned k = 14; k <= 17; k++) {
		if (!stat_field(text, k, &v))
			return false;
		ticks += v;
	}
	*out = (int64_t)(ticks * (USEC / (uint64_t)sysconf(_SC_CLK_TCK)));
	return true;
}

/* The word after "key:" at the start of a line. */
static struct str line_value(struct str text, const char *key)
{
	struct str line, want = str_from(key);
	while (str_split(&text, '\n', &line))
		if (str_starts(line, want))
			return str_trim(str_sub(line, want.n, line.n));
	return S("");
}

/* A mask of /proc/PID/status: 16 hex digits, the most significant first. */
static bool has_signal(struct str status, const char *key, int signum)
{
	struct str mask = line_value(status, key);
	uint8_t bytes[8];
	struct err ignored;
	if (mask.n != 16 || str_unhex(mask, bytes, sizeof bytes, &ignored) < 0)
		return false;
	unsigned bit = (unsigned)signum - 1;
	return bit < 64 && (bytes[7 - bit / 8] >> (bit % 8) & 1);
}

bool proc_catches(int pid, int signum)
{
	char p[STATUS_BYTES];
	struct str status = read_proc(pid, "status", p, sizeof p);
	return has_signal(status, "SigCgt:", signum) || has_signal(status, "SigBlk:", signum);
}

bool proc_pss_bytes(int pid, int64_t *out)
{
	char p[STATUS_BYTES];
	struct str v = line_value(read_proc(pid, "smaps_rollup", p, sizeof p), "Pss:");
	struct err ignored;
	int64_t kib;
	if (str_to_i64(str_sub(v, 0, str_find_char(v, ' ')), 0, INT64_MAX / 1024, &kib,
		       &ignored) < 0)
		return false;
	*out = kib * 1024;
	return true;
}

bool proc_pid_namespace(int pid, uint64_t *out)
{
	char path[64];
	struct stat st;
	(void)snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
	if (stat(path, &st) < 0)
		return false;
	*out = st.st_ino;
	return true;
}

size_t proc_cmdline(int pid, char *line, size_t n)
{
	return read_proc(pid, "cmdline", line, n).n;
}

static void close_dirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

int proc_each(proc_each_fn *fn, void *user)
{
	DIR *d CLEAN(close_dirp) = opendir("/proc");
	int rc = 0;
	while (d && rc == 0) {
		struct dirent *entry = readdir(d);
		if (!entry)
			break;
		int64_t pid;
		struct err ignored;
		if (str_to_i64(str_from(entry->d_name), 1, INT32_MAX, &pid, &ignored) == 0)
			rc = fn(user, (int)pid);
	}
	return rc;
}
