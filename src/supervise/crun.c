/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The copy is executed by its path in /proc: the child has the descriptor until it executes.
 */
#include "supervise/crun.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { PATH_BYTES = 4096, COPY_MAX_BYTES = 64 << 20 };

struct crun {
	char path[PATH_BYTES];	  /* of the file; "" if there is none */
	char program[PATH_BYTES]; /* what is executed */
	struct stat copied;	  /* the file as it was copied */
	int fd;			  /* the copy, or -1 */
};

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The file that execvp would take. */
static void find(struct crun *c, const char *name)
{
	const char *path = getenv("PATH");
	struct str rest = str_from(path ? path : "/usr/bin:/bin"), dir;
	if (strchr(name, '/')) {
		(void)snprintf(c->path, sizeof c->path, "%s", name);
		return;
	}
	while (str_split(&rest, ':', &dir)) {
		(void)snprintf(c->path, sizeof c->path, "%" STR_F "/%s", STR_A(dir), name);
		if (dir.n && is_program(c->path))
			return;
	}
	c->path[0] = 0;
}

static bool is_elf(int fd)
{
	char head[4];
	return pread(fd, head, sizeof head, 0) == sizeof head &&
	       memcmp(head, "\177ELF", sizeof head) == 0;
}

static bool fill(int to, int from, off_t bytes)
{
	while (bytes > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)bytes);
		if (n <= 0)
			return false;
		bytes -= n;
	}
	/* vm.memfd_noexec takes the right to execute away. */
	struct stat st;
	return fstat(to, &st) == 0 && (st.st_mode & S_IXUSR) &&
	       fcntl(to, F_ADD_SEALS,
		     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

/* Without a copy the file itself is executed, and makes its own. */
static void copy(struct crun *c)
{
	struct stat st;
	int from CLEAN(file_closep) = open(c->path, O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0 || st.st_size > COPY_MAX_BYTES || !is_elf(from))
		return;
	int to = memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0 || !fill(to, from, st.st_size)) {
		file_closep(&to);
		return;
	}
	file_closep(&c->fd);
	c->fd = to;
	c->copied = st;
	(void)snprintf(c->program, sizeof c->program, "/proc/self/fd/%d", to);
}

MUST int crun_open(const char *name, struct crun **out, struct err *e)
{
	struct crun *c = MEM_NEW(struct crun, e);
	if (!c)
		return -1;
	c->fd = -1;
	(void)snprintf(c->program, sizeof c->program, "%s", name);
	find(c, name);
	if (c->path[0])
		copy(c);
	*out = c;
	return 0;
}

const char *crun_program(struct crun *c)
{
	struct stat st;
	if (c->fd >= 0 && stat(c->path, &st) == 0 &&
	    (st.st_ino != c->copied.st_ino || st.st_dev != c->copied.st_dev ||
	     st.st_mtim.tv_sec != c->copied.st_mtim.tv_sec ||
	     st.st_mtim.tv_nsec != c->copied.st_mtim.tv_nsec))
		copy(c);
	return c->program;
}

struct crun *crun_close(struct crun *c)
{
	if (!c)
		return NULL;
	file_closep(&c->fd);
	mem_free(c);
	return NULL;
}
