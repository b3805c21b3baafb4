/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Texts of joining a cloud, read and written by both sides (docs/joining.md). Pure.
 *
 *     hoc1.KIND.ROOT.SECRET      a token: KIND p (person) or n (node), ROOT the SHA-256 of the
 *                                root of authority users, SECRET 24 random bytes; base64url
 *
 *     hoc-seal-key-v1\nKIND\nNAME\nRECIPIENT\n     what an identity key signs: whose sealing key
 */
#include "base/arena.h"
#include "trust/hash.h"

enum { JOIN_SECRET_BYTES = 24, JOIN_SECRET_CHARS = 32, JOIN_TOKEN_MAX = 100 };

struct join_token {
	bool is_node; /* else for a person */
	struct hash root;
	struct str secret; /* within the text that was read */
};
/* Blanks and line ends around the text are skipped. ERR_INVALID (field "token"); no error quotes
 * the text. */
MUST int join_token_read(struct str text, struct join_token *out, struct err *e);
/* A fresh token; wipe its text (trust/wipe.h) when it was shown. */
MUST int join_token_make(bool is_node, const struct hash *root, struct arena *a,
			 struct str *out, struct err *e);
/* Under what name the master keeps it: SHA-256 of the secret's text. */
struct hash join_token_name(const struct join_token *t);

/* `kind` is "person" or "node". */
struct str join_statement(struct str kind, struct str owner, struct str recipient,
			  struct arena *a);
