/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Failures as values.
 *
 * A function that can fail returns int and takes a `struct err *` last:
 *     0    done
 *   > 0    an outcome that its header names; the direct caller handles it
 *   < 0    a failure: *e is filled, and is forwarded as it is or with one prefix
 *
 * struct err is plain and copyable, holds its text in itself, and so can report that memory ran
 * out. `e` is never NULL. One table (err_kind_info) maps each kind to an HTTP status, an exit
 * code and whether trying again can help.
 */
#include "base/defs.h"

enum err_kind {
	ERR_NONE = 0,
	ERR_INVALID,	 /* the input is wrong; `field` names the place */
	ERR_USAGE,	 /* the command line is wrong */
	ERR_NOT_FOUND,	 /* no such object, for this caller */
	ERR_CONFLICT,	 /* the object's state forbids it */
	ERR_FORBIDDEN,	 /* this caller may not */
	ERR_TOO_LARGE,	 /* beyond a stated maximum */
	ERR_NO_ROOM,	 /* nothing free fits the request */
	ERR_BUSY,	 /* a queue is full: later */
	ERR_TIMEOUT,	 /* not within the time given */
	ERR_UNREACHABLE, /* the other side does not answer */
	ERR_BROKEN,	 /* something ran and failed: a build, a promise, a child */
	ERR_CORRUPT,	 /* bytes are not what their hash, signature or format says */
	ERR_IO,		 /* the operating system refused; `os` has errno */
	ERR_MEMORY,	 /* an allocation, or a limit of an arena or buffer */
	ERR_UNSUPPORTED, /* this host or build lacks it */
	ERR_INTERNAL,	 /* our own mistake */
	ERR_KINDS,
};

enum { ERR_TEXT_MAX = 512, ERR_FIELD_MAX = 160 };

struct err {
	enum err_kind kind;
	int os;			   /* errno, or 0 */
	int line;		   /* place where it was raised */
	const char *file;	   /* static text */
	char field[ERR_FIELD_MAX]; /* path in the input, "" if none: "parameters.title" */
	char text[ERR_TEXT_MAX];   /* one sentence for a person, without newline */
};

struct err_kind_info {
	const char *name;     /* stable word, as in logs and JSON: "not-found" */
	int http_status;      /* 400 … 503 */
	int exit_code;	      /* of the CLI: 1 … 20, documented in docs/errors.md */
	bool is_retry_useful; /* the same call may succeed later */
};

/* The row of the table for `kind`; never NULL. */
const struct err_kind_info *err_kind_info(enum err_kind kind);

/* Fills *e and returns -1: `return err_fail(e, ERR_NOT_FOUND, "no node %s", name);` */
#define err_fail(e, kind, ...) \
	err_failed(err_fill((e), (kind), 0, __FILE__, __LINE__, __VA_ARGS__))

/* As err_fail with kind ERR_IO (ERR_NO_ROOM for ENOSPC, ERR_MEMORY for ENOMEM) and the text of
 * `os_errno` appended. */
#define err_os(e, os_errno, ...) \
	err_failed(err_fill_os((e), (os_errno), __FILE__, __LINE__, __VA_ARGS__))

/* As err_fail with kind ERR_INVALID, naming the field: err_field(e, "parameters.port", "is
 * above 65535"). */
#define err_field(e, path, ...) \
	err_failed(err_fill_field((e), (path), __FILE__, __LINE__, __VA_ARGS__))

/* Puts "prefix: " before the text of a filled *e and returns -1. */
#define err_in(e, ...) err_failed(err_prefix((e), __VA_ARGS__))

/* -1, which compilers and analysers may rely on: a failure is never taken for a success. */
static inline int err_failed(int rc UNUSED)
{
	return -1;
}

/* What the macros above call with their place in the source. */
int err_fill(struct err *e, enum err_kind kind, int os, const char *file, int line,
	     const char *format, ...) PRINTF(6, 7);
int err_fill_os(struct err *e, int os, const char *file, int line, const char *format, ...)
	PRINTF(5, 6);
int err_prefix(struct err *e, const char *format, ...) PRINTF(2, 3);
int err_fill_field(struct err *e, const char *path, const char *file, int line,
		   const char *format, ...) PRINTF(5, 6);

/* Makes *e empty again. */
void err_clear(struct err *e);

/* An empty error for a local: `struct err e = ERR_INIT;` */
#define ERR_INIT \
	{ \
		.kind = ERR_NONE \
	}
