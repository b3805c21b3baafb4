/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the tests of keys, certificates, authorities and TLS share: a place on disk, authorities in
 * it, leaves, and other people's tools as judges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "trust/ca.h"

/* 2026-11-21T00:00:00Z */
#define KIT_NOW 1795219200000LL
#define KIT_DAY 86400000LL
#define KIT_PASSPHRASE S("correct horse battery") /* of tests only */

#define OK(call) assert_ok((call), &e, __FILE__, __LINE__)
#define FAILS(call, wanted) assert_fails((call), (wanted), &e, __FILE__, __LINE__)
void assert_ok(int rc, const struct err *e, const char *file, int line);
void assert_fails(int rc, enum err_kind kind, struct err *e, const char *file, int line);

struct place {
	char dir[64];
	struct arena *a;
};
int place_setup(void **state);
int place_teardown(void **state);
/* "DIR/NAME", in the place's arena. */
const char *place_path(struct place *at, const char *name);
void place_write(struct place *at, const char *name, struct str text);

/* Runs a tool (found by PATH); its words go to `said`. Returns its exit code. */
enum { SAID_SIZE = 8192 };
int tool(char said[static SAID_SIZE], const char *const *argv);
#define TOOL(said, ...) tool((said), (const char *const[]){__VA_ARGS__, NULL})

/* A fresh authority in DIR/name, open. Keys are plain files. */
struct ca *place_ca(struct place *at, const char *name, enum ca_kind kind,
		    enum key_kind key_kind, int64_t now_ms);
/* A leaf signed by `ca`: DER. `name` is also its DNS name if it serves. */
struct str place_leaf(struct place *at, const struct ca *ca, enum cert_kind kind,
		      const char *name, const struct key *k, int64_t now_ms);
struct str joined(struct place *at, struct str x, struct str y);
/* What cert_check says of a chain in PEM to somebody who trusts `pem`. */
enum cert_fault judged(struct place *at, struct str pem, struct str chain_pem, int64_t now_ms,
		       bool is_server, const char *host);
