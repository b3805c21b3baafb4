/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The header, read from strangers: every line has an end, every text one form, and nothing is
 * taken that the writer of this room or the tool age would not write; stanzas of unknown kinds are
 * stepped over, as the format asks.
 */
#include "trust/age_impl.h"

#define VERSION_LINE "age-encryption.org/v1"

enum { ARGS_MAX = 3, COLUMNS = 64, BLOCK = AGE_CHUNK_BYTES + AGE_TAG_BYTES };

static int corrupt(struct err *e)
{
	return err_fail(e, ERR_CORRUPT, "the sealed text's header is changed or cut");
}

void age_stanza_write(struct buf *b, const char *kind, const uint8_t *arg, size_t arg_n,
		      unsigned log_n, const uint8_t body[static AGE_BODY_BYTES])
{
	buf_addf(b, "-> %s ", kind);
	age_base64_add(b, arg, arg_n, false);
	if (log_n)
		buf_addf(b, " %u", log_n);
	buf_add_c(b, '\n');
	age_base64_add(b, body, AGE_BODY_BYTES, false);
	buf_add_c(b, '\n');
}

/* Takes a line off *rest; false if there is no whole one. */
static bool take_line(struct str *rest, struct str *line)
{
	size_t end = str_find_char(*rest, '\n');
	if (end == rest->n)
		return false;
	*line = str_sub(*rest, 0, end);
	*rest = str_sub(*rest, end + 1, rest->n);
	return true;
}

/* Arguments of a stanza's first line, at most ARGS_MAX of them are kept; 0: malformed. */
static size_t split_args(struct str text, struct str args[static ARGS_MAX])
{
	size_t count = 0;
	struct str arg;
	while (str_split(&text, ' ', &arg)) {
		for (size_t i = 0; i < arg.n; i++)
			if (arg.p[i] < 33 || arg.p[i] > 126)
				return 0;
		if (arg.n == 0)
			return 0;
		if (count < ARGS_MAX)
			args[count] = arg;
		count++;
	}
	return count;
}

/* The body's lines; *n bytes in all, of which `out` gets the first AGE_BODY_BYTES. */
static bool read_body(struct str *rest, uint8_t *out, size_t *n)
{
	uint8_t bytes[COLUMNS];
	struct str line;
	*n = 0;
	do {
		size_t got = sizeof bytes;
		if (!take_line(rest, &line) || line.n > COLUMNS ||
		    !age_base64_read(line, false, bytes, &got))
			return false;
		if (*n < AGE_BODY_BYTES)
			memcpy(out + *n, bytes, MIN_OF(got, AGE_BODY_BYTES - *n));
		*n += got;
	} while (line.n == COLUMNS);
	return true;
}

static bool is_read_whole(struct str text, uint8_t *out, size_t want)
{
	size_t n = want;
	return age_base64_read(text, false, out, &n) && n == want;
}

static bool read_log_n(struct str text, unsigned *out)
{
	struct err ignored = ERR_INIT;
	int64_t v;
	if (text.n == 0 || text.p[0] < '1' || text.p[0] > '9' ||
	    str_to_i64(text, 1, 63, &v, &ignored) < 0)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool read_stanza(struct str first, struct str *rest, struct age_stanza *s)
{
	struct str args[ARGS_MAX];
	size_t count = split_args(str_sub(first, 3, first.n), args), body_n;
	if (count == 0 || !read_body(rest, s->body, &body_n))
		return false;
	if (str_is(args[0], "X25519")) {
		s->kind = AGE_STANZA_X25519;
		return count == 2 && is_read_whole(args[1], s->arg, AGE_X_BYTES) &&
		       body_n == AGE_BODY_BYTES;
	}
	if (str_is(args[0], "scrypt")) {
		s->kind = AGE_STANZA_SCRYPT;
		return count == 3 && is_read_whole(args[1], s->arg, AGE_SALT_BYTES) &&
		       read_log_n(args[2], &s->log_n) && body_n == AGE_BODY_BYTES;
	}
	s->kind = AGE_STANZA_OTHER;
	return true;
}

static int read_header(struct str bytes, struct arena *a, struct age_file *f, struct err *e)
{
	struct str rest = str_sub(bytes, 0, AGE_HEADER_MAX), line;
	bool has_scrypt = false;
	if (!take_line(&rest, &line) || !str_is(line, VERSION_LINE))
		return err_fail(e, ERR_CORRUPT, "not a sealed text (age, version 1)");
	f->stanzas = ARENA_ARRAY(a, struct age_stanza, AGE_STANZAS_MAX);
	if (!f->stanzas)
		return arena_check(a, e);
	for (;;) {
		if (!take_line(&rest, &line))
			return corrupt(e);
		if (str_starts(line, S("--- ")))
			break;
		if (!str_starts(line, S("-> ")) || f->count == AGE_STANZAS_MAX ||
		    !read_stanza(line, &rest, &f->stanzas[f->count]))
			return corrupt(e);
		has_scrypt |= f->stanzas[f->count++].kind == AGE_STANZA_SCRYPT;
	}
	if (f->count == 0 || (has_scrypt && f->count != 1) ||
	    !is_read_whole(str_sub(line, 4, line.n), f->mac, AGE_MAC_BYTES))
		return corrupt(e);
	f->signed_part = str_sub(bytes, 0, (size_t)(line.p - bytes.p) + 3);
	f->payload = str_sub(bytes, (size_t)(rest.p - bytes.p), bytes.n);
	return 0;
}

MUST int age_payload_clear(size_t n, size_t *out, struct err *e)
{
	size_t left = n > AGE_NONCE_BYTES ? n - AGE_NONCE_BYTES : 0;
	size_t chunks = (left + BLOCK - 1) / BLOCK;
	/* Only an empty text has an empty last chunk. */
	size_t last = left % BLOCK;
	if (left < AGE_TAG_BYTES || (last && last < AGE_TAG_BYTES) ||
	    (last == AGE_TAG_BYTES && chunks > 1))
		return err_fail(e, ERR_CORRUPT, "the sealed text is cut");
	*out = left - chunks * AGE_TAG_BYTES;
	return 0;
}

MUST int age_file_read(struct str sealed, struct arena *a, struct age_file *out, struct err *e)
{
	struct age_file f = {0};
	struct str bytes = sealed;
	size_t clear;
	if (sealed.n > AGE_TEXT_MAX)
		return err_fail(e, ERR_CORRUPT, "a sealed text of %zu bytes: at most %d",
				sealed.n, AGE_TEXT_MAX);
	if (age_is_sealed(sealed) && age_armour_off(sealed, a, &bytes, e) < 0)
		return -1;
	if (read_header(bytes, a, &f, e) < 0 || age_payload_clear(f.payload.n, &clear, e) < 0)
		return -1;
	if (clear > AGE_CLEAR_MAX)
		return err_fail(e, ERR_CORRUPT, "more than %d bytes are sealed", AGE_CLEAR_MAX);
	*out = f;
	return 0;
}

MUST int age_check(struct str sealed, size_t *stanzas, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct age_file f;
	if (arena_new(2 * AGE_TEXT_MAX, &a, e) < 0 || age_file_read(sealed, a, &f, e) < 0)
		return -1;
	*stanzas = f.count;
	return 0;
}
