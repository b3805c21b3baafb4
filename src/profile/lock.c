/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The text of a lock. Reading accepts any JSON that says the same; the canonical text is always
 * written anew, so the hash depends on what is locked and not on who wrote it down.
 */
#include "json/desc.h"
#include "profile/lock_impl.h"
#include "profile/spec_impl.h"
#include "trust/hash.h"

struct package_raw {
	struct lock_package p;
	struct str sha256;
};

struct lock_raw {
	struct profile_lock l;
	struct package_raw *packages;
	struct str kind;
	int64_t recipe;
};

static int check_version(struct str s, struct err *e)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+-:"
			    "~",
			    s.p[i]))
			return err_fail(e, ERR_INVALID, "is not a Debian version");
	return 0;
}

static int check_file_name(struct str s, struct err *e)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+-_"
			    "%~",
			    s.p[i]))
			return err_fail(e, ERR_INVALID, "is not the name of a package file");
	return str_ends(s, S(".deb")) && s.p[0] != '.'
		       ? 0
		       : err_fail(e, ERR_INVALID, "is not a .deb");
}

static int check_sha256(struct str s, struct err *e)
{
	struct hash h;
	return hash_parse(s, &h, e) < 0 ? err_fail(e, ERR_INVALID, "is not a SHA-256 in hex")
					: 0;
}

static int check_kind(struct str s, struct err *e)
{
	return str_is(s, "debian") ? 0 : err_fail(e, ERR_INVALID, "is not \"debian\"");
}

/* clang-format off */
static const struct json_field package_fields[] = {
	JSON_STR(struct package_raw, p.name, "name", 2, 120, JSON_REQUIRED, "Name.", .check = spec_check_package),
	JSON_STR(struct package_raw, p.version, "version", 1, 120, JSON_REQUIRED, "Version.", .check = check_version),
	JSON_STR(struct package_raw, p.architecture, "architecture", 1, 40, JSON_REQUIRED, "Architecture.",
		 .check = spec_check_suite),
	JSON_STR(struct package_raw, p.file, "file", 5, 250, JSON_REQUIRED, "File.", .check = check_file_name),
	JSON_I64(struct package_raw, p.size_bytes, "size", 1, (int64_t)4 << 30, JSON_REQUIRED, "Bytes."),
	JSON_STR(struct package_raw, sha256, "sha256", 64, 64, JSON_REQUIRED, "Hash.", .check = check_sha256),
};
static const struct json_desc package_desc = JSON_DESC(struct package_raw, package_fields, "LockedPackage",
	"One file of a release.");

static const struct json_field lock_fields[] = {
	JSON_STR(struct lock_raw, kind, "kind", 1, 20, JSON_REQUIRED, "debian.", .check = check_kind),
	JSON_I64(struct lock_raw, recipe, "recipe", 1, 1 << 20, JSON_REQUIRED, "Way of building."),
	JSON_STR(struct lock_raw, l.suite, "suite", 1, 40, JSON_REQUIRED, "Suite.", .check = spec_check_suite),
	JSON_STR(struct lock_raw, l.architecture, "architecture", 1, 40, JSON_REQUIRED, "Architecture.",
		 .check = spec_check_suite),
	JSON_PAIRS(struct lock_raw, l.files.items, l.files.count, "files", 0, 32, 0, "Files set before.",
		   .max_bytes = 16 << 10, .check_key = spec_check_path),
	JSON_STRUCTS(struct lock_raw, packages, l.package_count, struct package_raw, "packages", &package_desc, 1,
		     PROFILE_LOCK_PACKAGES_MAX, JSON_REQUIRED, "All files of the release."),
};
/* clang-format on */
static const struct json_desc lock_desc = JSON_DESC(
	struct lock_raw, lock_fields, "Lock", "Software resolved to exactly these files.");

static int by_name(const void *x, const void *y)
{
	const struct lock_package *a = x, *b = y;
	return str_cmp(a->name, b->name);
}

static struct json *package_tree(const struct lock_package *p, struct arena *a)
{
	struct json *j = json_object_new(a);
	json_set_str(a, j, S("name"), p->name);
	json_set_str(a, j, S("version"), p->version);
	json_set_str(a, j, S("architecture"), p->architecture);
	json_set_str(a, j, S("file"), p->file);
	json_set_i64(a, j, S("size"), p->size_bytes);
	json_set_str(a, j, S("sha256"), str_from(p->sha256));
	return j;
}

MUST int lock_finish(struct profile_lock *l, struct arena *a, struct err *e)
{
	struct json *root = json_object_new(a), *packages = json_array_new(a),
		    *files = json_object_new(a);
	qsort(l->packages, l->package_count, sizeof *l->packages, by_name);
	l->total_bytes = 0;
	for (size_t i = 0; i < l->package_count; i++) {
		if (i && str_eq(l->packages[i].name, l->packages[i - 1].name))
			return err_fail(e, ERR_INVALID, "package %" STR_F " is locked twice",
					STR_A(l->packages[i].name));
		json_add(a, packages, package_tree(&l->packages[i], a));
		l->total_bytes += l->packages[i].size_bytes;
	}
	for (size_t i = 0; i < l->files.count; i++)
		json_set_str(a, files, l->files.items[i].key, l->files.items[i].value);
	json_set_str(a, root, S("kind"), S("debian"));
	json_set_i64(a, root, S("recipe"), PROFILE_LOCK_RECIPE);
	json_set_str(a, root, S("suite"), l->suite);
	json_set_str(a, root, S("architecture"), l->architecture);
	json_set(a, root, S("files"), files);
	json_set(a, root, S("packages"), packages);
	struct buf text CLEAN(buf_fini) = BUF_INIT(PROFILE_LOCK_MAX_BYTES);
	json_write_canonical(root, &text);
	if (buf_check(&text, e) < 0)
		return err_in(e, "lock");
	l->canonical = arena_dup(a, buf_str(&text));
	struct hash h = hash_of(l->canonical);
	hash_text(&h, l->hash);
	return arena_check(a, e);
}

MUST int profile_lock_parse(struct str json, struct arena *a, struct profile_lock *out,
			    struct err *e)
{
	struct lock_raw r;
	if (json.n > PROFILE_LOCK_MAX_BYTES)
		return err_fail(e, ERR_TOO_LARGE, "a lock has at most %d bytes",
				PROFILE_LOCK_MAX_BYTES);
	if (json_read(&lock_desc, json, a, &r, e) < 0)
		return -1;
	if (r.recipe != PROFILE_LOCK_RECIPE)
		return err_field(e, "recipe", "is not %d, the one this program knows",
				 PROFILE_LOCK_RECIPE);
	r.l.packages = ARENA_ARRAY(a, struct lock_package, r.l.package_count);
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < r.l.package_count; i++) {
		struct hash h;
		r.l.packages[i] = r.packages[i].p;
		if (hash_parse(r.packages[i].sha256, &h, e) < 0)
			return -1;
		hash_text(&h, r.l.packages[i].sha256);
	}
	if (lock_finish(&r.l, a, e) < 0)
		return -1;
	*out = r.l;
	return 0;
}
