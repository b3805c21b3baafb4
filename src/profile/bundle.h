/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A bundle: one profile with everything it imports, as one JSON text.
 *
 *     {"entry": "profile.jsonnet", "files": {"hoc.libsonnet": "...", "profile.jsonnet": "..."},
 *      "name": "postgresql"}
 *
 * It is what is published, hashed, stored by a master and evaluated by a node. Two bundles with
 * the same content have the same canonical text (keys sorted bytewise, no white space) and so
 * the same SHA-256, which names the release for ever: hoc:NAME@sha256:HEX.
 *
 * Paths are relative, of [A-Za-z0-9._-] parts that do not begin with a dot, so neither "..",
 * hidden files nor absolute paths can be written. An import resolves inside the bundle only:
 * first beside the importing file, then from the top.
 *
 * Everything a bundle points to lives in the arena given at its making. No global state: any
 * thread.
 */
#include "base/arena.h"

enum {
	PROFILE_BUNDLE_MAX_BYTES = 1 << 20, /* of the canonical text */
	PROFILE_BUNDLE_MAX_FILES = 64,
	PROFILE_PATH_MAX = 120, /* bytes of a path inside a bundle */
	PROFILE_NAME_MAX = 63,	/* [a-z0-9] then [a-z0-9-]* */
	PROFILE_HASH_SIZE = 65, /* 64 hex digits and a NUL */
	PROFILE_URI_SIZE = 4 + PROFILE_NAME_MAX + 8 + PROFILE_HASH_SIZE,
	PROFILE_PREFIX_MIN = 8, /* hex digits that users must write at least */
};

struct profile_file {
	struct str path, text;
};

struct profile_bundle {
	struct str name, entry;
	struct profile_file *files; /* sorted bytewise by path */
	size_t file_count;
	struct str canonical;	      /* the canonical text; what is published and stored */
	char hash[PROFILE_HASH_SIZE]; /* lower-case hex SHA-256 of canonical */
};

/*
 * Makes the bundle of the profile at `path` (profiles/NAME/profile.jsonnet: the folder gives
 * the name; any other file name gives it by its stem). Imports are looked up in the folder of
 * `path` and in `lib_dir` (NULL: "../lib" beside that folder, if it exists), never elsewhere
 * and never through a symbolic link. ERR_NOT_FOUND (no such profile), ERR_INVALID (an import
 * that is missing, absolute or uses ".."; the text has file:line), ERR_TOO_LARGE.
 */
MUST int profile_bundle_collect(const char *path, const char *lib_dir, struct arena *a,
				struct profile_bundle *out, struct err *e);

/*
 * Reads a bundle that somebody sent (`text`: JSON, any white space and key order) and checks
 * all limits. The arena needs about three times the size of the text. ERR_INVALID with the path
 * ("files.x/../y"), ERR_TOO_LARGE.
 */
MUST int profile_bundle_parse(struct str text, struct arena *a, struct profile_bundle *out,
			      struct err *e);

/* The file at `path`, or NULL. */
const struct profile_file *profile_bundle_file(const struct profile_bundle *b, struct str path);

/*
 * What `import rel` in the file `importer` means in this bundle, or NULL: beside the importer,
 * else from the top.
 */
const struct profile_file *profile_bundle_import(const struct profile_bundle *b,
						 struct str importer, struct str rel);

/* True if `s` may be the name of a profile (1 … 63 of [a-z0-9-], not beginning with '-'). */
bool profile_name_is_valid(struct str s);
/* True if `s` may be a path inside a bundle. */
bool profile_path_is_valid(struct str s);

/* How somebody names a release. */
enum profile_ref_kind {
	PROFILE_REF_NAME,   /* postgresql: the newest published */
	PROFILE_REF_PREFIX, /* postgresql@0123abcd: 8 … 63 hex digits */
	PROFILE_REF_URI,    /* hoc:postgresql@sha256:HEX, or NAME@ and 64 digits: exact */
	PROFILE_REF_HASH,   /* 64 hex digits alone: exact, name unknown */
};

struct profile_ref {
	enum profile_ref_kind kind;
	char name[PROFILE_NAME_MAX + 1]; /* "" for PROFILE_REF_HASH */
	char hash[PROFILE_HASH_SIZE];	 /* lower-case digits, as many as were given */
};

/* Reads any of the forms above; ERR_INVALID says which forms exist. */
MUST int profile_ref_parse(struct str s, struct profile_ref *out, struct err *e);

/* "hoc:NAME@sha256:HEX" into `out`. `name` is valid, `hash` has 64 digits. */
void profile_uri_build(struct str name, const char *hash, char out[static PROFILE_URI_SIZE]);
