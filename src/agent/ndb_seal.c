/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Secrets of instances: those that were made here, what was sealed of them, and for whom.
 *
 * Sealing is random. The text that was sealed last is kept with a digest of what and to whom, so
 * that an instance publishes the same text while neither changes.
 */
#include "agent/ndb.h"
#include "agent/ndb_impl.h"

enum { SECRET_MAX = 256 };

static const struct db_sql SECRET_GET = {
	"secret_get",
	"SELECT value FROM secret WHERE guid = $1 AND name = $2 AND rotation >= $3",
	"guid name rotation"};
static const struct db_sql SECRET_SAVE = {
	"secret_save",
	"INSERT INTO secret (guid, name, value, rotation) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (guid, name) DO UPDATE SET value = $3, rotation = $4",
	"guid name value rotation"};
static const struct db_sql SEALED_GET = {
	"sealed_get", "SELECT text FROM sealed WHERE guid = $1 AND name = $2 AND digest = $3",
	"guid name digest"};
static const struct db_sql SEALED_SAVE = {
	"sealed_save",
	"INSERT INTO sealed (guid, name, digest, text) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (guid, name) DO UPDATE SET digest = $3, text = $4",
	"guid name digest text"};
static const struct db_sql READERS_GET = {
	"readers_get", "SELECT body, told FROM readers WHERE guid = $1", "guid"};
static const struct db_sql READERS_SAVE = {
	"readers_save",
	"INSERT INTO readers (guid, body, told) VALUES ($1, $2, $3)"
	" ON CONFLICT (guid) DO UPDATE SET body = $2, told = $3",
	"guid body told"};

static int take_secret(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = ndb_keyed(tx, &SECRET_GET, op);
	db_bind_i64(q, "rotation", op->number);
	int rc = db_step(q, e);
	if (rc != 0) {
		if (rc > 0)
			*(struct str *)op->out = db_at_str(q, 0, op->a);
		return rc < 0 ? -1 : 0;
	}
	char text[SECRET_MAX + 1];
	rng_text(op->rng, text, op->length);
	*(struct str *)op->out = arena_dup(op->a, str_of(text, op->length));
	q = ndb_keyed(tx, &SECRET_SAVE, op);
	db_bind_str(q, "value", *(struct str *)op->out);
	db_bind_i64(q, "rotation", op->number);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_rotated_secret(struct ndb *n, struct str guid, struct str name, int64_t rotation,
			    size_t length, const struct rng *rng, struct arena *a,
			    struct str *out, struct err *e)
{
	ASSERT(length <= SECRET_MAX);
	struct ndb_op op = {.guid = guid,
			    .name = name,
			    .number = rotation,
			    .length = length,
			    .rng = rng,
			    .a = a,
			    .out = out};
	if (db_write(n->db, take_secret, &op, e) < 0)
		return -1;
	return arena_check(a, e);
}

MUST int ndb_secret(struct ndb *n, struct str guid, struct str name, size_t length,
		    const struct rng *rng, struct arena *a, struct str *out, struct err *e)
{
	return ndb_rotated_secret(n, guid, name, 0, length, rng, a, out, e);
}

static int find_sealed(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = ndb_keyed(tx, &SEALED_GET, op);
	db_bind_str(q, "digest", op->key);
	int rc = db_step(q, e);
	if (rc > 0)
		*(struct str *)op->out = db_at_str(q, 0, op->a);
	return rc < 0 ? -1 : rc == 0;
}

MUST int ndb_sealed(struct ndb *n, struct str guid, struct str name, struct str digest,
		    struct arena *a, struct str *out, struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name, .key = digest, .a = a, .out = out};
	return db_read(n->db, find_sealed, &op, e);
}

static int save_sealed(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	struct db_stmt *q = ndb_keyed(tx, &SEALED_SAVE, op);
	db_bind_str(q, "digest", op->key);
	db_bind_str(q, "text", op->text);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_save_sealed(struct ndb *n, struct str guid, struct str name, struct str digest,
			 struct str text, struct err *e)
{
	struct ndb_op op = {.guid = guid, .name = name, .key = digest, .text = text};
	return db_write(n->db, save_sealed, &op, e);
}

struct two_texts {
	struct str body, told;
};

static int find_readers(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct two_texts *out = op->out;
	struct db_stmt *q = db_prepare(tx, &READERS_GET);
	db_bind_str(q, "guid", op->guid);
	int rc = db_step(q, e);
	if (rc > 0)
		*out = (struct two_texts){db_at_str(q, 0, op->a), db_at_str(q, 1, op->a)};
	return rc < 0 ? -1 : rc == 0;
}

MUST int ndb_readers(struct ndb *n, struct str guid, struct arena *a, struct str *out_body,
		     struct str *out_told, struct err *e)
{
	struct two_texts found;
	struct ndb_op op = {.guid = guid, .a = a, .out = &found};
	int rc = db_read(n->db, find_readers, &op, e);
	if (rc != 0)
		return rc;
	*out_body = found.body;
	*out_told = found.told;
	return arena_check(a, e);
}

static int save_readers(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &READERS_SAVE);
	db_bind_str(q, "guid", op->guid);
	db_bind_str(q, "body", op->text);
	db_bind_str(q, "told", op->key);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_save_readers(struct ndb *n, struct str guid, struct str body, struct str told,
			  struct err *e)
{
	struct ndb_op op = {.guid = guid, .text = body, .key = told};
	return db_write(n->db, save_readers, &op, e);
}
