/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Identities: 32 bytes in guarded memory, and a file as age-keygen writes it:
 *
 *     # public key: age1…
 *     AGE-SECRET-KEY-1…
 *
 * A new file is written under a name of its own and then linked to its place: of two makers one
 * wins whole and both load what won. Copies outside the guarded memory are zeroed.
 */
#include <errno.h>
#include <fcntl.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trust/age_impl.h"
#include "trust/bech32.h"
#include "trust/sodium_impl.h"
#include "trust/wipe.h"

#define SECRET_PREFIX "age-secret-key-"
#define PUBLIC_PREFIX "age"

enum { PATH_BYTES = 4096, FILE_MAX = 4096 };

_Static_assert(BECH32_SIZE(sizeof PUBLIC_PREFIX - 1) == AGE_RECIPIENT_SIZE, "recipient");
_Static_assert(BECH32_SIZE(sizeof SECRET_PREFIX - 1) == AGE_IDENTITY_TEXT_SIZE, "identity");

/* An identity as text, zeroed when it leaves its scope. */
struct secret_text {
	char p[FILE_MAX + 1];
	uint8_t bytes[AGE_X_BYTES];
};

static void secret_text_wipe(struct secret_text *t)
{
	trust_wipe(t, sizeof *t);
}

struct age_identity *age_identity_free(struct age_identity *i)
{
	sodium_free(i); /* zeroes; NULL is fine */
	return NULL;
}

void age_identity_freep(struct age_identity **i)
{
	*i = age_identity_free(*i);
}

MUST int age_identity_of(const uint8_t secret[static AGE_X_BYTES], struct age_identity **out,
			 struct err *e)
{
	if (sodium_init() < 0)
		return err_fail(e, ERR_UNSUPPORTED, "no source of randomness");
	struct age_identity *i = sodium_malloc(sizeof *i);
	if (!i)
		return err_fail(e, ERR_MEMORY, "out of guarded memory");
	memcpy(i->secret, secret, AGE_X_BYTES);
	(void)crypto_scalarmult_base(i->public, i->secret);
	if (sodium_mprotect_readonly(i) != 0) {
		(void)age_identity_free(i);
		return err_os(e, errno, "protect the key's memory");
	}
	*out = i;
	return 0;
}

MUST int age_identity_make(struct age_identity **out, struct err *e)
{
	struct secret_text t CLEAN(secret_text_wipe);
	trust_random(t.bytes, sizeof t.bytes);
	return age_identity_of(t.bytes, out, e);
}

void age_identity_recipient(const struct age_identity *i, char out[static AGE_RECIPIENT_SIZE])
{
	bech32_write(S(PUBLIC_PREFIX), i->public, out);
}

MUST int age_recipient_read(struct str text, uint8_t out[static AGE_X_BYTES], struct err *e)
{
	/* The tool age takes lower case only. */
	if (!str_starts(text, S(PUBLIC_PREFIX "1")) ||
	    !bech32_read(text, S(PUBLIC_PREFIX), out))
		return err_field(e, "recipient", "is not age1 and a key");
	return 0;
}

MUST int age_recipient_check(struct str text, struct err *e)
{
	uint8_t bytes[AGE_X_BYTES], shared[AGE_X_BYTES], one[AGE_X_BYTES] = {1};
	if (age_recipient_read(text, bytes, e) < 0)
		return -1;
	/* Points of small order give everybody the same secret. */
	if (crypto_scalarmult(shared, one, bytes) != 0)
		return err_field(e, "recipient", "is no usable key");
	return 0;
}

/* The file's whole text into t->p. */
static int read_text(int fd, struct secret_text *t, size_t *n, struct err *e)
{
	*n = 0;
	while (*n < sizeof t->p) {
		ssize_t got = read(fd, t->p + *n, sizeof t->p - *n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_os(e, errno, "read");
		if (got == 0)
			return 0;
		*n += (size_t)got;
	}
	return err_fail(e, ERR_CORRUPT, "longer than %d bytes", FILE_MAX);
}

/* The one identity among comments and empty lines. */
static int parse_text(struct str text, struct secret_text *t, struct err *e)
{
	struct str line;
	unsigned found = 0;
	while (str_split(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!str_starts(line, S("AGE-SECRET-KEY-1")) ||
		    !bech32_read(line, S(SECRET_PREFIX), t->bytes))
			return err_fail(e, ERR_CORRUPT, "not an identity (AGE-SECRET-KEY-1…)");
		found++;
	}
	if (found != 1)
		return err_fail(e, ERR_CORRUPT, "%s",
				found ? "more than one identity" : "no identity");
	return 0;
}

static int load_from(int fd, struct age_identity **out, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_os(e, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return err_fail(e, ERR_CORRUPT, "not a regular file");
	if (st.st_mode & 077)
		return err_fail(e, ERR_FORBIDDEN,
				"mode %04o: others may read it, 0600 is wanted",
				st.st_mode & 07777);
	struct secret_text t CLEAN(secret_text_wipe);
	size_t n;
	if (read_text(fd, &t, &n, e) < 0 || parse_text(str_of(t.p, n), &t, e) < 0)
		return -1;
	return age_identity_of(t.bytes, out, e);
}

MUST int age_identity_load(const char *path, struct age_identity **out, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_os(e, errno, "open identity %s", path);
	if (load_from(fd, out, e) < 0)
		return err_in(e, "identity %s", path);
	return 0;
}

static int write_text(int fd, const struct age_identity *i, struct err *e)
{
	struct secret_text t CLEAN(secret_text_wipe);
	char recipient[AGE_RECIPIENT_SIZE];
	age_identity_recipient(i, recipient);
	int n = snprintf(t.p, sizeof t.p, "# public key: %s\n", recipient);
	char *secret = t.p + n;
	bech32_write(S(SECRET_PREFIX), i->secret, secret);
	for (char *c = secret; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - ('a' - 'A'));
	secret[AGE_IDENTITY_TEXT_SIZE - 1] = '\n';
	if (file_write_fd(fd, str_of(t.p, (size_t)n + AGE_IDENTITY_TEXT_SIZE), e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_os(e, errno, "flush") : 0;
}

/* The file `made` exists; gives it the name `path` too. 1: that is taken. */
static int publish(const char *made, const char *path, struct err *e)
{
	char dir[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	(void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	int rc = 0;
	if (link(made, path) < 0) {
		if (errno != EEXIST)
			return err_os(e, errno, "link");
		rc = 1;
	}
	return file_sync_dir(*dir ? dir : "/", e) < 0 ? -1 : rc;
}

MUST int age_identity_write(const struct age_identity *i, const char *path, struct err *e)
{
	char made[PATH_BYTES];
	uint32_t name[2];
	trust_random(name, sizeof name);
	int n = snprintf(made, sizeof made, "%s.tmp-%08x%08x", path, name[0], name[1]);
	if (n < 0 || (size_t)n >= sizeof made)
		return err_fail(e, ERR_INVALID, "path too long");
	int fd CLEAN(file_closep) =
		open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_os(e, errno, "create identity %s", path);
	int rc = write_text(fd, i, e);
	if (rc == 0)
		rc = publish(made, path, e);
	(void)unlink(made);
	return rc < 0 ? err_in(e, "make identity %s", path) : rc;
}

MUST int age_identity_open(const char *path, struct age_identity **out, struct err *e)
{
	struct age_identity *made CLEAN(age_identity_freep) = NULL;
	int rc = age_identity_load(path, out, e);
	if (rc <= 0)
		return rc;
	if (age_identity_make(&made, e) < 0 || age_identity_write(made, path, e) < 0)
		return -1;
	rc = age_identity_load(path, out, e);
	if (rc > 0)
		return err_fail(e, ERR_IO, "identity %s vanished", path);
	return rc;
}
