/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bundles and the names of releases. The canonical text is written by the json room from a
 * sorted tree, so that the hash depends on content alone.
 */
#include "profile/bundle_impl.h"

#include "json/desc.h"
#include "trust/hash.h"

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool profile_name_is_valid(struct str s)
{
	if (!s.n || s.n > PROFILE_NAME_MAX || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_lower_or_digit(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

static bool is_path_part(struct str part)
{
	if (!part.n || part.p[0] == '.')
		return false;
	for (size_t i = 0; i < part.n; i++) {
		char c = part.p[i];
		if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

bool profile_path_is_valid(struct str s)
{
	if (!s.n || s.n > PROFILE_PATH_MAX)
		return false;
	struct str part;
	while (str_split(&s, '/', &part))
		if (!is_path_part(part))
			return false;
	return true;
}

const struct profile_file *profile_bundle_file(const struct profile_bundle *b, struct str path)
{
	for (size_t i = 0; i < b->file_count; i++)
		if (str_eq(b->files[i].path, path))
			return &b->files[i];
	return NULL;
}

const struct profile_file *profile_bundle_import(const struct profile_bundle *b,
						 struct str importer, struct str rel)
{
	if (str_starts(rel, S("./")))
		rel = str_sub(rel, 2, rel.n);
	size_t dir = importer.n;
	while (dir > 0 && importer.p[dir - 1] != '/')
		dir--;
	char beside[2 * PROFILE_PATH_MAX];
	if (dir + rel.n <= sizeof beside) {
		memcpy(beside, importer.p, dir);
		memcpy(beside + dir, rel.p, rel.n);
		const struct profile_file *f =
			profile_bundle_file(b, str_of(beside, dir + rel.n));
		if (f)
			return f;
	}
	return profile_bundle_file(b, rel);
}

static int by_path(const void *x, const void *y)
{
	const struct profile_file *a = x, *b = y;
	return str_cmp(a->path, b->path);
}

MUST int bundle_finish(struct profile_bundle *b, struct arena *a, struct err *e)
{
	qsort(b->files, b->file_count, sizeof *b->files, by_path);
	struct json *root = json_object_new(a), *files = json_object_new(a);
	for (size_t i = 0; i < b->file_count; i++)
		json_set_str(a, files, b->files[i].path, b->files[i].text);
	json_set_str(a, root, S("name"), b->name);
	json_set_str(a, root, S("entry"), b->entry);
	json_set(a, root, S("files"), files);
	struct buf text CLEAN(buf_fini) = BUF_INIT(PROFILE_BUNDLE_MAX_BYTES);
	json_write_canonical(root, &text);
	if (buf_check(&text, e) < 0)
		return err_in(e, "bundle of %" STR_F, STR_A(b->name));
	b->canonical = arena_dup(a, buf_str(&text));
	struct hash h = hash_of(b->canonical);
	hash_text(&h, b->hash);
	return arena_check(a, e);
}

/* ---- reading ---- */

static int check_name(struct str s, struct err *e)
{
	return profile_name_is_valid(s)
		       ? 0
		       : err_fail(e, ERR_INVALID, "is not a profile name (a-z, 0-9 and -)");
}

static int check_path(struct str s, struct err *e)
{
	return profile_path_is_valid(s)
		       ? 0
		       : err_fail(
				 e, ERR_INVALID,
				 "is not a relative path of letters, digits, '.', '_' and '-'");
}

struct bundle_text {
	struct str name, entry;
	struct json_pair *files;
	size_t file_count;
};

/* clang-format off */
static const struct json_field bundle_fields[] = {
	JSON_STR(struct bundle_text, name, "name", 1, PROFILE_NAME_MAX, JSON_REQUIRED, "Name of the profile.",
		 .check = check_name),
	JSON_STR(struct bundle_text, entry, "entry", 1, PROFILE_PATH_MAX, JSON_REQUIRED,
		 "Path of the file that is evaluated.", .check = check_path),
	JSON_PAIRS(struct bundle_text, files, file_count, "files", 1, PROFILE_BUNDLE_MAX_FILES, JSON_REQUIRED,
		   "Text of each file by path.", .max_bytes = PROFILE_BUNDLE_MAX_BYTES, .check_key = check_path),
};
/* clang-format on */
static const struct json_desc bundle_desc = JSON_DESC(
	struct bundle_text, bundle_fields, "Bundle", "A profile with what it imports.");

MUST int profile_bundle_parse(struct str text, struct arena *a, struct profile_bundle *out,
			      struct err *e)
{
	if (text.n > PROFILE_BUNDLE_MAX_BYTES)
		return err_fail(e, ERR_TOO_LARGE, "a bundle has at most %d bytes",
				PROFILE_BUNDLE_MAX_BYTES);
	struct bundle_text t;
	if (json_read(&bundle_desc, text, a, &t, e) < 0)
		return -1;
	struct profile_bundle b = {
		.name = t.name, .entry = t.entry, .file_count = t.file_count};
	b.files = ARENA_ARRAY(a, struct profile_file, t.file_count);
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < t.file_count; i++)
		b.files[i] = (struct profile_file){t.files[i].key, t.files[i].value};
	if (!profile_bundle_file(&b, b.entry))
		return err_field(e, "entry", "is not among the files");
	if (bundle_finish(&b, a, e) < 0)
		return -1;
	*out = b;
	return 0;
}

/* ---- names of releases ---- */

/* Copies 1 … 64 hex digits in lower case. */
static bool take_hex(struct str s, size_t min, char out[static PROFILE_HASH_SIZE])
{
	if (s.n < min || s.n >= PROFILE_HASH_SIZE)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		out[i] = c;
	}
	out[s.n] = 0;
	return true;
}

static bool ref_read(struct str s, struct profile_ref *r)
{
	if (take_hex(s, PROFILE_HASH_SIZE - 1, r->hash)) {
		r->kind = PROFILE_REF_HASH;
		return true;
	}
	bool is_uri = str_starts(s, S("hoc:"));
	if (is_uri)
		s = str_sub(s, 4, s.n);
	size_t at = str_find_char(s, '@');
	struct str name = str_sub(s, 0, at), hash = str_sub(s, at + 1, s.n);
	if (!profile_name_is_valid(name))
		return false;
	memcpy(r->name, name.p, name.n);
	r->hash[0] = 0;
	if (at == s.n) {
		r->kind = PROFILE_REF_NAME;
		return !is_uri;
	}
	bool is_tagged = str_starts(hash, S("sha256:"));
	if (is_tagged)
		hash = str_sub(hash, 7, hash.n);
	bool is_whole = hash.n == PROFILE_HASH_SIZE - 1;
	r->kind = is_whole ? PROFILE_REF_URI : PROFILE_REF_PREFIX;
	if (is_uri && !(is_tagged && is_whole))
		return false;
	return take_hex(hash, PROFILE_PREFIX_MIN, r->hash);
}

MUST int profile_ref_parse(struct str s, struct profile_ref *out, struct err *e)
{
	struct profile_ref r = {.kind = PROFILE_REF_NAME};
	if (!ref_read(s, &r))
		return err_fail(
			e, ERR_INVALID,
			"\"%.*s\" names no release: NAME, NAME@HEX (8 digits or more) or "
			"hoc:NAME@sha256:HEX",
			(int)MIN_OF(s.n, 100), s.p);
	*out = r;
	return 0;
}

void profile_uri_build(struct str name, const char *hash, char out[static PROFILE_URI_SIZE])
{
	(void)snprintf(out, PROFILE_URI_SIZE, "hoc:%" STR_F "@sha256:%s", STR_A(name), hash);
}
