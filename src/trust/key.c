/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Private keys over GnuTLS: in memory, in plain files and in sealed ones. Tokens: key_token.c.
 *
 * The library holds a key and zeroes it when it frees it. The PEM text of a key is in our hands
 * only between a file and the library, in buffers that are zeroed on each way out. A new file is
 * written under a name of its own and then linked to its place: link(2) refuses an existing name,
 * so of two makers one wins whole and both load what won.
 */
#include "trust/key.h"

#include <errno.h>
#include <fcntl.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "trust/age.h"
#include "trust/key_impl.h"
#include "trust/wipe.h"

enum {
	FILE_MAX = 16 << 10,
	PATH_BYTES = 4096,
	WORK_BYTES = 256 << 10,
};

static const char *const kind_words[KEY_KINDS] = {
	[KEY_P256] = "p256",
	[KEY_ED25519] = "ed25519",
};

const char *key_kind_word(enum key_kind kind)
{
	ASSERT(kind < KEY_KINDS);
	return kind_words[kind];
}

MUST int key_kind_read(struct str word, enum key_kind *out, struct err *e)
{
	for (enum key_kind k = 0; k < KEY_KINDS; k++)
		if (str_is(word, kind_words[k])) {
			*out = k;
			return 0;
		}
	return err_field(e, "kind", "is not p256 or ed25519");
}

int gnutls_fail_impl(struct err *e, enum err_kind kind, int rc, const char *what)
{
	return err_fail(e, rc == GNUTLS_E_MEMORY_ERROR ? ERR_MEMORY : kind, "%s: %s", what,
			gnutls_strerror(rc));
}

void datum_freep(gnutls_datum_t *d)
{
	gnutls_free(d->data);
}

void datum_wipe_freep(gnutls_datum_t *d)
{
	if (d->data)
		trust_wipe(d->data, d->size);
	gnutls_free(d->data);
}

void pubkey_freep(gnutls_pubkey_t *p)
{
	if (*p)
		gnutls_pubkey_deinit(*p);
}

static void x509_key_freep(gnutls_x509_privkey_t *p)
{
	if (*p)
		gnutls_x509_privkey_deinit(*p);
}

struct key *key_free(struct key *k)
{
	if (!k)
		return NULL;
	if (k->handle)
		gnutls_privkey_deinit(k->handle);
	mem_free(k->public);
	trust_wipe(k, sizeof *k);
	mem_free(k);
	return NULL;
}

void key_freep(struct key **k)
{
	*k = key_free(*k);
}

gnutls_privkey_t key_handle(const struct key *k)
{
	return k->handle;
}

enum key_kind key_kind_of_public(gnutls_pubkey_t p)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	int algorithm = gnutls_pubkey_get_pk_algorithm(p, NULL);
	if (algorithm == GNUTLS_PK_EDDSA_ED25519)
		return KEY_ED25519;
	if (algorithm == GNUTLS_PK_ECDSA &&
	    gnutls_pubkey_export_ecc_raw2(p, &curve, NULL, NULL, 0) == 0 &&
	    curve == GNUTLS_ECC_CURVE_SECP256R1)
		return KEY_P256;
	return KEY_KINDS;
}

MUST int key_public_der(gnutls_pubkey_t p, struct arena *a, struct str *out, struct err *e)
{
	gnutls_datum_t der CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_pubkey_export2(p, GNUTLS_X509_FMT_DER, &der);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "public key");
	*out = arena_dup(a, datum_str(&der));
	return arena_check(a, e);
}

/* The public half of k->handle: kind, DER, name. */
MUST int key_learn(struct key *k, struct err *e)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	gnutls_datum_t der CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_pubkey_init(&p);
	if (rc == 0)
		rc = gnutls_pubkey_import_privkey(p, k->handle, 0, 0);
	if (rc == 0)
		rc = gnutls_pubkey_export2(p, GNUTLS_X509_FMT_DER, &der);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_UNSUPPORTED, rc, "public half of a key");
	k->kind = key_kind_of_public(p);
	if (k->kind == KEY_KINDS)
		return err_fail(e, ERR_UNSUPPORTED, "the key is neither P-256 nor Ed25519");
	k->public = mem_dup((const char *)der.data, der.size, e);
	if (!k->public)
		return -1;
	k->public_bytes = der.size;
	k->name = hash_of(key_public(k));
	return 0;
}

MUST int key_new(struct key **out, struct err *e)
{
	struct key *k = MEM_NEW(struct key, e);
	if (!k)
		return -1;
	int rc = gnutls_privkey_init(&k->handle);
	if (rc < 0) {
		(void)key_free(k);
		return gnutls_fail_impl(e, ERR_INTERNAL, rc, "key");
	}
	*out = k;
	return 0;
}

MUST int key_make(enum key_kind kind, struct key **out, struct err *e)
{
	static const struct {
		gnutls_pk_algorithm_t algorithm;
		unsigned bits;
	} how[KEY_KINDS] = {
		[KEY_P256] = {GNUTLS_PK_ECDSA,
			      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)},
		[KEY_ED25519] = {GNUTLS_PK_EDDSA_ED25519, 256},
	};
	struct key *k CLEAN(key_freep) = NULL;
	ASSERT(kind < KEY_KINDS);
	if (key_new(&k, e) < 0)
		return -1;
	int rc = gnutls_privkey_generate(k->handle, how[kind].algorithm, how[kind].bits, 0);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_UNSUPPORTED, rc, "make a key");
	if (key_learn(k, e) < 0)
		return -1;
	*out = k;
	k = NULL;
	return 0;
}

/* A key from the text of a PKCS #8 file. */
static int key_from_pem(struct str pem, struct key **out, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	gnutls_x509_privkey_t x CLEAN(x509_key_freep) = NULL;
	gnutls_datum_t d = datum_of(pem);
	int rc = gnutls_x509_privkey_init(&x);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INTERNAL, rc, "key");
	rc = gnutls_x509_privkey_import2(x, &d, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
	if (rc == 0)
		rc = gnutls_x509_privkey_verify_params(x);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_CORRUPT, rc, "not a private key");
	if (key_new(&k, e) < 0)
		return -1;
	rc = gnutls_privkey_import_x509(k->handle, x, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INTERNAL, rc, "key");
	x = NULL; /* the handle's now */
	if (key_learn(k, e) < 0)
		return -1;
	*out = k;
	k = NULL;
	return 0;
}

/* The PKCS #8 text of a key; the caller wipes it. */
static int key_to_pem(const struct key *k, gnutls_datum_t *out, struct err *e)
{
	gnutls_x509_privkey_t x CLEAN(x509_key_freep) = NULL;
	int rc = gnutls_privkey_export_x509(k->handle, &x);
	if (rc == 0)
		rc = gnutls_x509_privkey_export2_pkcs8(x, GNUTLS_X509_FMT_PEM, NULL,
						       GNUTLS_PKCS_PLAIN, out);
	return rc < 0 ? gnutls_fail_impl(e, ERR_UNSUPPORTED, rc, "this key has no file form")
		      : 0;
}

/* The text of a key's file, zeroed when it leaves its scope. */
struct key_text {
	char p[FILE_MAX + 1];
	size_t n;
};

static void key_text_wipe(struct key_text *t)
{
	trust_wipe(t, sizeof *t);
}

static int read_private(int fd, struct key_text *t, struct err *e)
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
	t->n = 0;
	while (t->n < sizeof t->p) {
		ssize_t n = read(fd, t->p + t->n, sizeof t->p - t->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(e, errno, "read");
		if (n == 0)
			return 0;
		t->n += (size_t)n;
	}
	return err_fail(e, ERR_CORRUPT, "too large for a private key");
}

/* The file's text; 1: there is none. */
static int read_file(const char *path, struct key_text *t, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_os(e, errno, "open private key %s", path);
	if (read_private(fd, t, e) < 0)
		return err_in(e, "private key %s", path);
	return 0;
}

MUST int key_load(const char *path, struct key **out, struct err *e)
{
	struct key_text t CLEAN(key_text_wipe);
	t.n = 0;
	int rc = read_file(path, &t, e);
	if (rc != 0)
		return rc;
	if (key_from_pem(str_of(t.p, t.n), out, e) < 0)
		return err_in(e, "private key %s", path);
	return 0;
}

/* The file `made` exists; gives it the name `path` too. 1: that name is taken. */
static int publish(const char *made, const char *path, struct err *e)
{
	char dir[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	(void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	if (link(made, path) < 0)
		return errno == EEXIST ? 1 : err_os(e, errno, "link");
	return file_sync_dir(*dir ? dir : "/", e);
}

static int write_private(int fd, struct str text, struct err *e)
{
	if (file_write_fd(fd, text, e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_os(e, errno, "flush") : 0;
}

/* Writes `text` to a new file of mode 0600. 1: a file of that name exists. */
static int make_file(const char *path, struct str text, struct err *e)
{
	char made[PATH_BYTES], random[24];
	trust_random_text(9, random, sizeof random);
	int n = snprintf(made, sizeof made, "%s.tmp-%s", path, random);
	if (n < 0 || (size_t)n >= sizeof made)
		return err_fail(e, ERR_INVALID, "path too long");
	int fd CLEAN(file_closep) =
		open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_os(e, errno, "create private key %s", path);
	int rc = write_private(fd, text, e);
	if (rc == 0)
		rc = publish(made, path, e);
	(void)unlink(made);
	return rc < 0 ? err_in(e, "make private key %s", path) : rc;
}

MUST int key_save(const struct key *k, const char *path, struct err *e)
{
	gnutls_datum_t pem CLEAN(datum_wipe_freep) = {NULL, 0};
	if (key_to_pem(k, &pem, e) < 0)
		return -1;
	return make_file(path, datum_str(&pem), e);
}

MUST int key_open(const char *path, enum key_kind kind, struct key **out, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	int rc = key_load(path, out, e);
	if (rc <= 0)
		return rc;
	if (key_make(kind, &k, e) < 0 || key_save(k, path, e) < 0)
		return -1;
	rc = key_load(path, out, e);
	if (rc > 0)
		return err_fail(e, ERR_IO, "private key %s vanished", path);
	return rc;
}

static int check_passphrase(struct str passphrase, struct err *e)
{
	if (passphrase.n < KEY_PASSPHRASE_MIN || passphrase.n > KEY_PASSPHRASE_MAX)
		return err_field(e, "passphrase", "has not %d to %d characters",
				 KEY_PASSPHRASE_MIN, KEY_PASSPHRASE_MAX);
	return 0;
}

MUST int key_seal(const struct key *k, struct str passphrase, const char *path, struct err *e)
{
	gnutls_datum_t pem CLEAN(datum_wipe_freep) = {NULL, 0};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str sealed;
	if (check_passphrase(passphrase, e) < 0 || key_to_pem(k, &pem, e) < 0 ||
	    arena_new(WORK_BYTES, &a, e) < 0 ||
	    age_seal_passphrase(datum_str(&pem), passphrase, true, a, &sealed, e) < 0)
		return -1;
	int rc = make_file(path, sealed, e);
	return rc > 0 ? err_fail(e, ERR_CONFLICT, "%s exists", path) : rc;
}

MUST int key_unseal(const char *path, struct str passphrase, struct key **out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str pem CLEAN(trust_wipe_str) = {NULL, 0};
	struct key_text t CLEAN(key_text_wipe);
	t.n = 0;
	int rc = read_file(path, &t, e);
	if (rc != 0)
		return rc;
	if (arena_new(WORK_BYTES, &a, e) < 0)
		return -1;
	if (age_unseal_passphrase(str_of(t.p, t.n), passphrase, a, &pem, e) < 0 ||
	    key_from_pem(pem, out, e) < 0)
		return err_in(e, "private key %s", path);
	return 0;
}

MUST int key_is_sealed(const char *path, bool *out, struct err *e)
{
	struct key_text t CLEAN(key_text_wipe);
	t.n = 0;
	int rc = read_file(path, &t, e);
	if (rc == 0)
		*out = age_is_sealed(str_of(t.p, t.n));
	return rc;
}

enum key_kind key_kind_of(const struct key *k)
{
	return k->kind;
}

struct str key_public(const struct key *k)
{
	return str_of(k->public, k->public_bytes);
}

struct hash key_name(const struct key *k)
{
	return k->name;
}

static const gnutls_sign_algorithm_t signature_of[KEY_KINDS] = {
	[KEY_P256] = GNUTLS_SIGN_ECDSA_SHA256,
	[KEY_ED25519] = GNUTLS_SIGN_EDDSA_ED25519,
};

MUST int key_sign(const struct key *k, struct str message, struct arena *a, struct str *out,
		  struct err *e)
{
	gnutls_datum_t d = datum_of(message), s CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_privkey_sign_data2(k->handle, signature_of[k->kind], 0, &d, &s);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_BROKEN, rc, "sign");
	ASSERT(s.size <= KEY_SIGNATURE_MAX);
	*out = arena_dup(a, datum_str(&s));
	return arena_check(a, e);
}

bool key_is_signed_by(struct str public_der, struct str message, struct str signature)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	gnutls_datum_t der = datum_of(public_der), d = datum_of(message),
		       s = datum_of(signature);
	if (signature.n > KEY_SIGNATURE_MAX || gnutls_pubkey_init(&p) < 0 ||
	    gnutls_pubkey_import(p, &der, GNUTLS_X509_FMT_DER) < 0)
		return false;
	enum key_kind kind = key_kind_of_public(p);
	return kind != KEY_KINDS &&
	       gnutls_pubkey_verify_data2(p, signature_of[kind], 0, &d, &s) >= 0;
}
