/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A new secret is written under a name of its own and then linked to its place: of two makers one
 * wins whole, and both load what won.
 */
#include "trust/jose_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trust/sodium_impl.h"

enum { PATH_BYTES = 4096 };

struct jose_secret {
	uint8_t bytes[JOSE_SECRET_BYTES];
};

struct jose_secret *jose_secret_free(struct jose_secret *s)
{
	sodium_free(s);
	return NULL;
}

void jose_secret_freep(struct jose_secret **s)
{
	*s = jose_secret_free(*s);
}

struct str jose_secret_bytes(const struct jose_secret *s)
{
	return str_of((const char *)s->bytes, sizeof s->bytes);
}

MUST static int check_file(int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_os(e, errno, "stat");
	if (!S_ISREG(st.st_mode) || st.st_size != JOSE_SECRET_BYTES)
		return err_fail(e, ERR_CORRUPT, "is not a file of %d bytes", JOSE_SECRET_BYTES);
	if (st.st_mode & 077)
		return err_fail(e, ERR_FORBIDDEN,
				"mode %04o: others may read it, 0600 is wanted",
				st.st_mode & 07777);
	return 0;
}

MUST static int load_from(int fd, struct jose_secret **out, struct err *e)
{
	if (check_file(fd, e) < 0)
		return -1;
	struct jose_secret *s = sodium_malloc(sizeof *s);
	if (!s)
		return err_fail(e, ERR_MEMORY, "out of guarded memory");
	if (read(fd, s->bytes, sizeof s->bytes) != (ssize_t)sizeof s->bytes) {
		(void)jose_secret_free(s);
		return err_fail(e, ERR_IO, "cannot be read");
	}
	(void)sodium_mprotect_readonly(s);
	*out = s;
	return 0;
}

/* 1: there is no file. */
MUST static int load(const char *path, struct jose_secret **out, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_os(e, errno, "open secret %s", path);
	return load_from(fd, out, e) < 0 ? err_in(e, "secret %s", path) : 0;
}

MUST static int write_fresh(int fd, struct err *e)
{
	uint8_t bytes[JOSE_SECRET_BYTES];
	randombytes_buf(bytes, sizeof bytes);
	int rc = file_write_fd(fd, str_of((const char *)bytes, sizeof bytes), e);
	sodium_memzero(bytes, sizeof bytes);
	if (rc == 0 && fsync(fd) < 0)
		return err_os(e, errno, "flush");
	return rc;
}

/* The file `made` exists; gives it the name `path` too, unless that is taken. */
MUST static int publish(const char *made, const char *path, struct err *e)
{
	char dir[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	(void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	if (link(made, path) < 0 && errno != EEXIST)
		return err_os(e, errno, "link");
	return file_sync_dir(*dir ? dir : "/", e);
}

MUST static int make(const char *path, struct err *e)
{
	char made[PATH_BYTES];
	int n = snprintf(made, sizeof made, "%s.tmp-%08x%08x", path, randombytes_random(),
			 randombytes_random());
	if (n < 0 || (size_t)n >= sizeof made)
		return err_fail(e, ERR_INVALID, "path too long");
	int fd CLEAN(file_closep) =
		open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_os(e, errno, "create");
	int rc = write_fresh(fd, e);
	if (rc == 0)
		rc = publish(made, path, e);
	(void)unlink(made);
	return rc;
}

MUST int jose_secret_open(const char *path, struct jose_secret **out, struct err *e)
{
	if (sodium_init() < 0)
		return err_fail(e, ERR_UNSUPPORTED, "no source of randomness");
	int rc = load(path, out, e);
	if (rc <= 0)
		return rc;
	if (make(path, e) < 0)
		return err_in(e, "make secret %s", path);
	rc = load(path, out, e);
	return rc > 0 ? err_fail(e, ERR_IO, "secret %s vanished", path) : rc;
}
