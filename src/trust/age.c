/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sealing and unsealing over libsodium.
 *
 *     file key (16 random bytes)
 *        ├─ HKDF "header"           ─▶ HMAC-SHA-256 over the header
 *        ├─ HKDF "payload", nonce   ─▶ ChaCha20-Poly1305 of each chunk; its nonce is the chunk's
 *        │                             number and whether it is the last
 *        └─ wrapped for each recipient: HKDF(X25519(fresh, recipient)) or scrypt(passphrase)
 *
 * Every key made on the way is zeroed on each way out. What was opened in part before a failure
 * showed is zeroed too: nobody reads what was not authenticated to its end.
 */
#include "trust/age_impl.h"
#include "trust/sodium_impl.h"
#include "trust/wipe.h"

#define LABEL_X25519 "age-encryption.org/v1/X25519"
#define LABEL_SCRYPT "age-encryption.org/v1/scrypt"

enum { WRAP_BYTES = 32, AEAD_NONCE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES };

static const uint8_t zero_nonce[AEAD_NONCE];

/* All that must not outlive a call. */
struct keys {
	uint8_t file[AGE_KEY_BYTES];
	uint8_t fresh[AGE_X_BYTES], shared[AGE_X_BYTES], wrap[WRAP_BYTES];
};

static void keys_wipe(struct keys *k)
{
	trust_wipe(k, sizeof *k);
}

/* HKDF-SHA-256 (RFC 5869), one block. */
static void hkdf(struct str ikm, struct str salt, const char *info, uint8_t out[static 32])
{
	crypto_auth_hmacsha256_state s;
	uint8_t prk[crypto_auth_hmacsha256_BYTES];
	static const uint8_t one = 1;
	(void)crypto_auth_hmacsha256_init(&s, (const uint8_t *)salt.p, salt.n);
	(void)crypto_auth_hmacsha256_update(&s, (const uint8_t *)ikm.p, ikm.n);
	(void)crypto_auth_hmacsha256_final(&s, prk);
	(void)crypto_auth_hmacsha256_init(&s, prk, sizeof prk);
	(void)crypto_auth_hmacsha256_update(&s, (const uint8_t *)info, strlen(info));
	(void)crypto_auth_hmacsha256_update(&s, &one, 1);
	(void)crypto_auth_hmacsha256_final(&s, out);
	trust_wipe(prk, sizeof prk);
	trust_wipe(&s, sizeof s);
}

static struct str bytes_of(const uint8_t *p, size_t n)
{
	return str_of((const char *)p, n);
}

static void header_mac(const struct keys *k, struct str header, uint8_t out[AGE_MAC_BYTES])
{
	uint8_t key[32];
	hkdf(bytes_of(k->file, sizeof k->file), S(""), "header", key);
	crypto_auth_hmacsha256_state s;
	(void)crypto_auth_hmacsha256_init(&s, key, sizeof key);
	(void)crypto_auth_hmacsha256_update(&s, (const uint8_t *)header.p, header.n);
	(void)crypto_auth_hmacsha256_final(&s, out);
	trust_wipe(key, sizeof key);
	trust_wipe(&s, sizeof s);
}

static void wrap(struct keys *k, uint8_t body[static AGE_BODY_BYTES])
{
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(body, NULL, k->file, sizeof k->file,
							NULL, 0, NULL, zero_nonce, k->wrap);
}

static bool unwrap(struct keys *k, const uint8_t body[static AGE_BODY_BYTES])
{
	return crypto_aead_chacha20poly1305_ietf_decrypt(k->file, NULL, NULL, body,
							 AGE_BODY_BYTES, NULL, 0, zero_nonce,
							 k->wrap) == 0;
}

/* k->wrap from k->shared, the sender's share and the recipient. */
static void wrap_key(struct keys *k, const uint8_t *share, const uint8_t *recipient)
{
	uint8_t salt[2 * AGE_X_BYTES];
	memcpy(salt, share, AGE_X_BYTES);
	memcpy(salt + AGE_X_BYTES, recipient, AGE_X_BYTES);
	hkdf(bytes_of(k->shared, sizeof k->shared), bytes_of(salt, sizeof salt), LABEL_X25519,
	     k->wrap);
}

static int scrypt_key(struct keys *k, struct str passphrase, const uint8_t *salt,
		      unsigned log_n, struct err *e)
{
	uint8_t full[sizeof LABEL_SCRYPT - 1 + AGE_SALT_BYTES];
	memcpy(full, LABEL_SCRYPT, sizeof LABEL_SCRYPT - 1);
	memcpy(full + sizeof LABEL_SCRYPT - 1, salt, AGE_SALT_BYTES);
	if (crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)passphrase.p, passphrase.n,
						  full, sizeof full, UINT64_C(1) << log_n, 8, 1,
						  k->wrap, sizeof k->wrap) != 0)
		return err_fail(e, ERR_MEMORY, "no memory for a passphrase's work (%u MiB)",
				1U << (log_n - MIN_OF(log_n, 10U)));
	return 0;
}

/*
 * Walks over the chunks of a payload: `clear` and `sealed` are what chunk `index` covers. Returns
 * how many bytes of clear text the chunk has.
 */
static size_t chunk_at(uint64_t index, size_t clear_n, uint8_t nonce[static AEAD_NONCE])
{
	size_t from = (size_t)index * AGE_CHUNK_BYTES;
	size_t n = MIN_OF(clear_n - from, (size_t)AGE_CHUNK_BYTES);
	memset(nonce, 0, AEAD_NONCE);
	for (unsigned i = 0; i < 8; i++)
		nonce[AEAD_NONCE - 2 - i] = (uint8_t)(index >> 8 * i);
	nonce[AEAD_NONCE - 1] = from + n == clear_n;
	return n;
}

static void payload_key(struct keys *k, const uint8_t nonce[static AGE_NONCE_BYTES])
{
	hkdf(bytes_of(k->file, sizeof k->file), bytes_of(nonce, AGE_NONCE_BYTES), "payload",
	     k->wrap);
}

static void seal_payload(struct keys *k, struct str clear, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE];
	trust_random(out, AGE_NONCE_BYTES);
	payload_key(k, out);
	out += AGE_NONCE_BYTES;
	size_t at = 0, n;
	uint64_t index = 0;
	do {
		n = chunk_at(index++, clear.n, nonce);
		(void)crypto_aead_chacha20poly1305_ietf_encrypt(
			out, NULL, (const uint8_t *)clear.p + at, n, NULL, 0, NULL, nonce,
			k->wrap);
		out += n + AGE_TAG_BYTES;
		at += n;
	} while (at < clear.n);
}

static bool open_payload(struct keys *k, struct str payload, uint8_t *out, size_t clear_n)
{
	uint8_t nonce[AEAD_NONCE];
	const uint8_t *in = (const uint8_t *)payload.p + AGE_NONCE_BYTES;
	payload_key(k, (const uint8_t *)payload.p);
	size_t at = 0, n;
	uint64_t index = 0;
	do {
		n = chunk_at(index++, clear_n, nonce);
		if (crypto_aead_chacha20poly1305_ietf_decrypt(out + at, NULL, NULL, in,
							      n + AGE_TAG_BYTES, NULL, 0, nonce,
							      k->wrap) != 0)
			return false;
		in += n + AGE_TAG_BYTES;
		at += n;
	} while (at < clear_n);
	return true;
}

/* The header is in `b` but for its end; adds that and the payload, and puts the armour on. */
static int finish(struct keys *k, struct buf *b, struct str clear, bool is_armoured,
		  struct arena *a, struct str *out, struct err *e)
{
	uint8_t mac[AGE_MAC_BYTES];
	size_t chunks = clear.n ? (clear.n + AGE_CHUNK_BYTES - 1) / AGE_CHUNK_BYTES : 1;
	buf_add(b, S("---"));
	header_mac(k, buf_str(b), mac);
	buf_add_c(b, ' ');
	age_base64_add(b, mac, sizeof mac, false);
	buf_add_c(b, '\n');
	if (buf_check(b, e) < 0)
		return -1;
	size_t n = b->n + AGE_NONCE_BYTES + clear.n + chunks * AGE_TAG_BYTES;
	uint8_t *bytes = arena_alloc(a, n);
	if (!bytes)
		return arena_check(a, e);
	memcpy(bytes, b->p, b->n);
	seal_payload(k, clear, bytes + b->n);
	if (is_armoured)
		return age_armour(bytes_of(bytes, n), a, out, e);
	*out = bytes_of(bytes, n);
	return 0;
}

static int begin(struct keys *k, struct buf *b, struct str clear, struct err *e)
{
	if (clear.n > AGE_CLEAR_MAX)
		return err_fail(e, ERR_TOO_LARGE, "%zu bytes to seal: at most %d", clear.n,
				AGE_CLEAR_MAX);
	trust_random(k->file, sizeof k->file);
	buf_add(b, S("age-encryption.org/v1\n"));
	return 0;
}

static int add_recipient(struct keys *k, struct str recipient, struct buf *b, struct err *e)
{
	uint8_t to[AGE_X_BYTES], share[AGE_X_BYTES], body[AGE_BODY_BYTES];
	if (age_recipient_read(recipient, to, e) < 0)
		return -1;
	trust_random(k->fresh, sizeof k->fresh);
	(void)crypto_scalarmult_base(share, k->fresh);
	if (crypto_scalarmult(k->shared, k->fresh, to) != 0)
		return err_field(e, "recipient", "is no usable key");
	wrap_key(k, share, to);
	wrap(k, body);
	age_stanza_write(b, "X25519", share, sizeof share, 0, body);
	return 0;
}

MUST int age_seal(struct str clear, const struct str *recipients, size_t count, struct arena *a,
		  struct str *out, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(AGE_HEADER_MAX);
	struct keys k CLEAN(keys_wipe) = {0};
	if (count == 0)
		return err_field(e, "recipient", "nobody could read it");
	if (count > AGE_RECIPIENTS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "%zu recipients: at most %d", count,
				AGE_RECIPIENTS_MAX);
	if (begin(&k, &b, clear, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (add_recipient(&k, recipients[i], &b, e) < 0)
			return -1;
	return finish(&k, &b, clear, true, a, out, e);
}

MUST int age_seal_passphrase(struct str clear, struct str passphrase, bool is_armoured,
			     struct arena *a, struct str *out, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(AGE_HEADER_MAX);
	struct keys k CLEAN(keys_wipe) = {0};
	uint8_t salt[AGE_SALT_BYTES], body[AGE_BODY_BYTES];
	if (begin(&k, &b, clear, e) < 0)
		return -1;
	trust_random(salt, sizeof salt);
	if (scrypt_key(&k, passphrase, salt, AGE_SCRYPT_LOG_N, e) < 0)
		return -1;
	wrap(&k, body);
	age_stanza_write(&b, "scrypt", salt, sizeof salt, AGE_SCRYPT_LOG_N, body);
	return finish(&k, &b, clear, is_armoured, a, out, e);
}

/* k->file is known: checks the header and opens the payload. */
static int open_file(struct keys *k, const struct age_file *f, struct arena *a, struct str *out,
		     struct err *e)
{
	uint8_t mac[AGE_MAC_BYTES];
	size_t n;
	header_mac(k, f->signed_part, mac);
	if (sodium_memcmp(mac, f->mac, sizeof mac) != 0)
		return err_fail(e, ERR_CORRUPT, "the sealed text's header was changed");
	if (age_payload_clear(f->payload.n, &n, e) < 0)
		return -1;
	uint8_t *clear = arena_alloc(a, n + 1);
	if (!clear)
		return arena_check(a, e);
	if (!open_payload(k, f->payload, clear, n)) {
		trust_wipe(clear, n);
		return err_fail(e, ERR_CORRUPT, "the sealed text was changed or cut");
	}
	*out = bytes_of(clear, n);
	return 0;
}

MUST int age_unseal(struct str sealed, const struct age_identity *i, struct arena *a,
		    struct str *out, struct err *e)
{
	struct keys k CLEAN(keys_wipe) = {0};
	struct age_file f;
	if (age_file_read(sealed, a, &f, e) < 0)
		return -1;
	for (size_t s = 0; s < f.count; s++) {
		if (f.stanzas[s].kind != AGE_STANZA_X25519 ||
		    crypto_scalarmult(k.shared, i->secret, f.stanzas[s].arg) != 0)
			continue;
		wrap_key(&k, f.stanzas[s].arg, i->public);
		if (unwrap(&k, f.stanzas[s].body))
			return open_file(&k, &f, a, out, e);
	}
	return err_fail(e, ERR_FORBIDDEN, "not sealed to this key");
}

MUST int age_unseal_passphrase(struct str sealed, struct str passphrase, struct arena *a,
			       struct str *out, struct err *e)
{
	struct keys k CLEAN(keys_wipe) = {0};
	struct age_file f;
	if (age_file_read(sealed, a, &f, e) < 0)
		return -1;
	const struct age_stanza *s = &f.stanzas[0];
	if (s->kind != AGE_STANZA_SCRYPT)
		return err_fail(e, ERR_FORBIDDEN, "sealed to keys, not by a passphrase");
	if (s->log_n > AGE_SCRYPT_LOG_N_MAX)
		return err_fail(e, ERR_CORRUPT, "a passphrase's work of 2^%u: at most 2^%d",
				s->log_n, AGE_SCRYPT_LOG_N_MAX);
	if (scrypt_key(&k, passphrase, s->arg, s->log_n, e) < 0)
		return -1;
	if (!unwrap(&k, s->body))
		return err_fail(e, ERR_FORBIDDEN, "not that passphrase");
	return open_file(&k, &f, a, out, e);
}
