/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Asking the master, for the verbs: one request, its answer as a tree, or a clear error. */
#include "cli/cmd.h"
#include "json/json.h"

/* To whom, and as whom, a request goes. */
struct client_as {
	const char *master;
	const char *ca_file;		  /* whom to believe; NULL: the host's roots */
	const char *cert_file, *key_file; /* NULL: nobody */
};
/* A request as somebody else than the call's own identity; else as client_send. `method` may be
 * GET. */
MUST int client_send_as(struct cli_call *c, const struct client_as *as, const char *method,
			struct str path, const struct json *body, struct json **out,
			struct err *e);

/*
 * The requests below go to the call's master: with the identity (cli/identity.h) if it is an
 * https one, which may renew that in passing.
 */

/* GET; `path` begins with "/". Errors as the master gave them, with its field. */
MUST int client_get(struct cli_call *c, struct str path, struct json **out, struct err *e);
/* `method` is PUT, POST or DELETE; `body` may be NULL, and is with DELETE. */
MUST int client_send(struct cli_call *c, const char *method, struct str path,
		     const struct json *body, struct json **out, struct err *e);
/* GET of a text answer. */
MUST int client_get_text(struct cli_call *c, struct str path, struct str *out, struct err *e);
/* "/v1/instances/" and the text percent-encoded as one segment. */
struct str client_path(struct cli_call *c, const char *before, const char *segment,
		       const char *after);
/* Appends "?name=value" or "&name=value", encoded; nothing if value is NULL. */
struct str client_query(struct cli_call *c, struct str path, const char *name,
			const char *value);

/* The text of a member, "" if absent. */
struct str client_text(const struct json *object, const char *key);
int64_t client_i64(const struct json *object, const char *key);
/* Writes the tree as JSON and a newline. */
void client_print_json(struct cli_call *c, const struct json *doc);

/*
 * A table for people: columns padded to the widest cell in terminal columns, last one as it is;
 * controls in a cell (line ends, escapes) become blanks, so that a text cannot move the cursor.
 * On a terminal all but the last column are cut to 40 columns.
 * Without rows `empty` is written.
 */
enum { TABLE_COLUMNS_MAX = 10 };
struct table {
	struct cli_call *call;
	const char *const *heads; /* NULL-terminated */
	size_t columns;
	struct str *cells;
	size_t count, cap;
};
void table_start(struct table *t, struct cli_call *c, const char *const *heads);
void table_cell(struct table *t, struct str text);
void table_end(struct table *t, const char *empty);
