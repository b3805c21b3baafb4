/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * SHA-256 over libsodium. Files are read in pieces of READ_BYTES and the kernel is told that
 * the reading is sequential, since what is hashed is large: packages and builds.
 */
#include "trust/hash.h"

#include <errno.h>
#include <fcntl.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trust/sodium_impl.h"

enum { READ_BYTES = 65536 };

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct hasher), "state fits");
_Static_assert(crypto_hash_sha256_BYTES == HASH_BYTES, "SHA-256");

static crypto_hash_sha256_state *state_of(struct hasher *h)
{
	return (crypto_hash_sha256_state *)(void *)h->state;
}

struct hash hash_of(struct str s)
{
	struct hash out;
	crypto_hash_sha256(out.bytes, (const uint8_t *)s.p, s.n);
	return out;
}

void hasher_init(struct hasher *h)
{
	crypto_hash_sha256_init(state_of(h));
}

void hasher_add(struct hasher *h, struct str s)
{
	crypto_hash_sha256_update(state_of(h), (const uint8_t *)s.p, s.n);
}

struct hash hasher_end(struct hasher *h)
{
	struct hash out;
	crypto_hash_sha256_final(state_of(h), out.bytes);
	return out;
}

MUST int hash_fd(int fd, int64_t max_bytes, struct hash *out, int64_t *out_bytes, struct err *e)
{
	char piece[READ_BYTES];
	struct hasher h;
	int64_t total = 0;
	ssize_t n;
	hasher_init(&h);
	while ((n = read(fd, piece, sizeof piece)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(e, errno, "read");
		total += n;
		if (total > max_bytes)
			return err_fail(e, ERR_TOO_LARGE, "more than %lld bytes",
					(long long)max_bytes);
		hasher_add(&h, str_of(piece, (size_t)n));
	}
	*out = hasher_end(&h);
	if (out_bytes)
		*out_bytes = total;
	return 0;
}

MUST int hash_file(const char *path, int64_t max_bytes, struct hash *out, int64_t *out_bytes,
		   struct err *e)
{
	/* Non-blocking, so that a FIFO put there does not hold us before fstat sees it. */
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 1;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(e, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_fail(e, ERR_INVALID, "%s is not a regular file", path);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (hash_fd(fd, max_bytes, out, out_bytes, e) < 0)
		return err_in(e, "hash %s", path);
	return 0;
}

void hash_text(const struct hash *h, char out[static HASH_TEXT_SIZE])
{
	str_hex(h->bytes, HASH_BYTES, out);
}

MUST int hash_parse(struct str text, struct hash *out, struct err *e)
{
	struct hash h;
	if (str_unhex(text, h.bytes, HASH_BYTES, e) < 0)
		return err_fail(e, ERR_INVALID, "a SHA-256 is 64 hexadecimal digits");
	*out = h;
	return 0;
}

bool hash_eq(const struct hash *a, const struct hash *b)
{
	return sodium_memcmp(a->bytes, b->bytes, HASH_BYTES) == 0;
}

bool trust_text_eq(struct str a, struct str b)
{
	return a.n == b.n && sodium_memcmp(a.p, b.p, a.n) == 0;
}
