/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Ed25519 over libsodium.
 *
 * Only the seed is on disk; the key pair is derived when it is loaded. A new key is written
 * under a name of its own and then linked to its place: link(2) refuses an existing name, so of
 * two makers one wins whole and both load what won. Every copy of seed or key outside the
 * guarded memory is zeroed on each way out.
 */
#include "trust/sign.h"

#include <errno.h>
#include <fcntl.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trust/sodium_impl.h"

#define FILE_HEAD "hoc-ed25519-seed-v1 "
#define PUBLIC_HEAD "ed25519:"

enum {
	PATH_BYTES = 4096,
	SEED_BYTES = crypto_sign_SEEDBYTES,
	HEAD_BYTES = sizeof FILE_HEAD - 1,
	FILE_BYTES = HEAD_BYTES + 2 * SEED_BYTES + 1,
};

_Static_assert(crypto_sign_BYTES == SIGN_BYTES, "Ed25519");
_Static_assert(crypto_sign_PUBLICKEYBYTES == SIGN_PUBLIC_BYTES, "Ed25519");
_Static_assert(sizeof PUBLIC_HEAD - 1 + 2 * SIGN_PUBLIC_BYTES + 1 == SIGN_PUBLIC_TEXT_SIZE,
	       "text form");

struct sign_key {
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct sign_public public;
};

/* The text of a key file, zeroed when it leaves its scope. */
struct key_text {
	char p[FILE_BYTES + 1];
	uint8_t seed[SEED_BYTES];
};

static void key_text_wipe(struct key_text *t)
{
	sodium_memzero(t, sizeof *t);
}

struct sign_key *sign_key_free(struct sign_key *k)
{
	sodium_free(k); /* zeroes; NULL is fine */
	return NULL;
}

void sign_key_freep(struct sign_key **k)
{
	*k = sign_key_free(*k);
}

static int key_from_seed(const uint8_t *seed, struct sign_key **out, struct err *e)
{
	struct sign_key *k = sodium_malloc(sizeof *k);
	if (!k)
		return err_fail(e, ERR_MEMORY, "out of guarded memory");
	(void)crypto_sign_seed_keypair(k->public.bytes, k->secret, seed);
	if (sodium_mprotect_readonly(k) != 0) {
		(void)sign_key_free(k);
		return err_os(e, errno, "protect the key's memory");
	}
	*out = k;
	return 0;
}

/* The file's whole text into t->p; ERR_CORRUPT if it has another size. */
static int read_text(int fd, struct key_text *t, struct err *e)
{
	size_t got = 0;
	while (got < sizeof t->p) {
		ssize_t n = read(fd, t->p + got, sizeof t->p - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(e, errno, "read");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	struct str text = str_of(t->p, got);
	if (got != FILE_BYTES || !str_starts(text, S(FILE_HEAD)) || text.p[got - 1] != '\n' ||
	    str_unhex(str_sub(text, HEAD_BYTES, SEED_BYTES * 2), t->seed, SEED_BYTES, e) < 0)
		return err_fail(e, ERR_CORRUPT, "not a private key of ours");
	return 0;
}

static int load_from(int fd, struct sign_key **out, struct err *e)
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
	struct key_text t CLEAN(key_text_wipe);
	if (read_text(fd, &t, e) < 0)
		return -1;
	return key_from_seed(t.seed, out, e);
}

MUST int sign_key_load(const char *path, struct sign_key **out, struct err *e)
{
	if (sodium_init() < 0)
		return err_fail(e, ERR_UNSUPPORTED, "no source of randomness");
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_os(e, errno, "open private key %s", path);
	if (load_from(fd, out, e) < 0)
		return err_in(e, "private key %s", path);
	return 0;
}

/* Writes a fresh seed to `fd` and flushes it. */
static int write_seed(int fd, struct err *e)
{
	struct key_text t CLEAN(key_text_wipe);
	randombytes_buf(t.seed, SEED_BYTES);
	memcpy(t.p, FILE_HEAD, HEAD_BYTES);
	str_hex(t.seed, SEED_BYTES, t.p + HEAD_BYTES);
	t.p[FILE_BYTES - 1] = '\n';
	if (file_write_fd(fd, str_of(t.p, FILE_BYTES), e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_os(e, errno, "flush") : 0;
}

/* The file `made` exists; gives it the name `path` too, unless that is taken. */
static int publish(const char *made, const char *path, struct err *e)
{
	char dir[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	(void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	if (link(made, path) < 0 && errno != EEXIST)
		return err_os(e, errno, "link");
	return file_sync_dir(*dir ? dir : "/", e);
}

static int make_file(const char *path, struct err *e)
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
	int rc = write_seed(fd, e);
	if (rc == 0)
		rc = publish(made, path, e);
	(void)unlink(made);
	return rc;
}

MUST int sign_key_open(const char *path, struct sign_key **out, struct err *e)
{
	int rc = sign_key_load(path, out, e);
	if (rc <= 0)
		return rc;
	if (make_file(path, e) < 0)
		return err_in(e, "make private key %s", path);
	rc = sign_key_load(path, out, e);
	if (rc > 0)
		return err_fail(e, ERR_IO, "private key %s vanished", path);
	return rc;
}

struct sign_public sign_key_public(const struct sign_key *k)
{
	return k->public;
}

struct signature sign_make(const struct sign_key *k, struct str message)
{
	struct signature s;
	(void)crypto_sign_detached(s.bytes, NULL, (const uint8_t *)message.p, message.n,
				   k->secret);
	return s;
}

bool sign_is_good(const struct sign_public *p, struct str message, const struct signature *s)
{
	return crypto_sign_verify_detached(s->bytes, (const uint8_t *)message.p, message.n,
					   p->bytes) == 0;
}

void sign_public_text(const struct sign_public *p, char out[static SIGN_PUBLIC_TEXT_SIZE])
{
	memcpy(out, PUBLIC_HEAD, sizeof PUBLIC_HEAD - 1);
	str_hex(p->bytes, SIGN_PUBLIC_BYTES, out + sizeof PUBLIC_HEAD - 1);
}

MUST int sign_public_parse(struct str text, struct sign_public *out, struct err *e)
{
	struct sign_public p;
	size_t head = sizeof PUBLIC_HEAD - 1;
	if (!str_starts(text, S(PUBLIC_HEAD)) ||
	    str_unhex(str_sub(text, head, text.n), p.bytes, SIGN_PUBLIC_BYTES, e) < 0)
		return err_fail(e, ERR_INVALID, "a public key is ed25519: and 64 hex digits");
	*out = p;
	return 0;
}

void signature_text(const struct signature *s, char out[static SIGN_TEXT_SIZE])
{
	str_hex(s->bytes, SIGN_BYTES, out);
}

MUST int signature_parse(struct str text, struct signature *out, struct err *e)
{
	struct signature s;
	if (str_unhex(text, s.bytes, SIGN_BYTES, e) < 0)
		return err_fail(e, ERR_INVALID, "a signature is 128 hexadecimal digits");
	*out = s;
	return 0;
}
