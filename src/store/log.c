/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A head or a proof needs hashes along one way through the tree, and along its right edge: of each
 * level at most four, the neighbours of the way and the last one. One statement fetches
 * them all; the pure rules of trust/merkle.h then read from that table in memory.
 */
#include "store/log.h"

#include "core/audit.h"
#include "store/checkpoint.h"
#include "store/rows.h"

#define LEAF_COLUMNS "l.position, l.kind, l.subject, l.body, l.hash, l.at_ms, c.customer_id"
#define LEAF_FROM \
	" FROM log_leaf l LEFT JOIN certificate c" \
	" ON l.kind = 'certificate' AND c.serial = l.subject"
#define HEAD_COLUMNS "size, root, at_ms, key_name, signature"
#define WITNESS_COLUMNS "witness, key_name, public, size, root, signature, at_ms"

static const struct db_sql sql_last = {
	"log_last", "SELECT position FROM log_leaf ORDER BY position DESC LIMIT 1", ""};
static const struct db_sql sql_add = {
	"log_add",
	"INSERT INTO log_leaf (position, kind, subject, body, hash, at_ms)"
	" VALUES ($1, $2, $3, $4, $5, $6)",
	"position kind subject body hash at"};
static const struct db_sql sql_list = {"log_list",
				       "SELECT " LEAF_COLUMNS LEAF_FROM
				       " WHERE l.position >= $1 ORDER BY l.position LIMIT $2",
				       "from limit"};
static const struct db_sql sql_about = {
	"log_about",
	"SELECT " LEAF_COLUMNS LEAF_FROM
	" WHERE l.subject = $1 AND l.position >= $2 ORDER BY l.position LIMIT $3",
	"subject from limit"};
static const struct db_sql sql_find = {
	"log_find", "SELECT position FROM log_leaf WHERE hash = $1 ORDER BY position LIMIT 1",
	"hash"};
static const struct db_sql sql_node_add = {
	"log_node_add", "INSERT INTO log_node (level, position, hash) VALUES ($1, $2, $3)",
	"level position hash"};
/* Beside the way from leaf $1 up, and the last complete subtree of each level of $2 leaves. */
static const struct db_sql sql_nodes = {
	"log_nodes",
	"WITH RECURSIVE step (level, way, edge) AS ("
	"  SELECT CAST(0 AS BIGINT), CAST($1 AS BIGINT), CAST($2 AS BIGINT)"
	"  UNION ALL SELECT level + 1, way / 2, edge / 2 FROM step WHERE edge > 1)"
	" SELECT n.level, n.position, n.hash FROM step s JOIN log_node n ON n.level = s.level"
	" AND n.position IN (s.way - 1, s.way, s.way + 1, s.edge - 1)"
	" ORDER BY n.level, n.position LIMIT 256",
	"position size"};
static const struct db_sql sql_head_newest = {
	"log_head_newest", "SELECT " HEAD_COLUMNS " FROM log_head ORDER BY size DESC LIMIT $1",
	"limit"};
static const struct db_sql sql_head_list = {
	"log_head_list",
	"SELECT " HEAD_COLUMNS " FROM log_head WHERE size > $1 ORDER BY size LIMIT $2",
	"since limit"};
static const struct db_sql sql_head_add = {
	"log_head_add",
	"INSERT INTO log_head (size, root, at_ms, key_name, signature)"
	" VALUES ($1, $2, $3, $4, $5)",
	"size root at key signature"};
static const struct db_sql sql_head_remove = {"log_head_remove",
					      "DELETE FROM log_head WHERE size = $1", "size"};
static const struct db_sql sql_witness_put = {
	"log_witness_put",
	"INSERT INTO log_witness (witness, key_name, public, size, root, signature, at_ms)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (witness) DO UPDATE SET"
	" key_name = excluded.key_name, public = excluded.public, size = excluded.size,"
	" root = excluded.root, signature = excluded.signature, at_ms = excluded.at_ms",
	"witness key public size root signature at"};
static const struct db_sql sql_witness_find = {
	"log_witness_find", "SELECT " WITNESS_COLUMNS " FROM log_witness WHERE witness = $1",
	"witness"};
static const struct db_sql sql_witness_list = {
	"log_witness_list",
	"SELECT " WITNESS_COLUMNS " FROM log_witness ORDER BY size DESC, witness DESC LIMIT $1",
	"limit"};

/* ---- entries ------------------------------------------------------------------------------- */

static void leaf_row(struct db_stmt *q, struct arena *a, struct log_entry *out)
{
	*out = (struct log_entry){
		.position = db_at_i64(q, 0),
		.kind = db_at_str(q, 1, a),
		.subject = db_at_str(q, 2, a),
		.body_json = db_at_str(q, 3, a),
		.hash = db_at_str(q, 4, a),
		.at_ms = db_at_i64(q, 5),
		.customer_id = db_at_i64(q, 6),
	};
}

MUST int store_log_size(struct db_tx *tx, int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_last);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	*out = rc > 0 ? db_at_i64(q, 0) + 1 : 0;
	return 0;
}

MUST int store_log_list(struct db_tx *tx, struct arena *a, int64_t from, struct str subject,
			int64_t limit, struct log_entry **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, subject.n ? &sql_about : &sql_list);
	if (subject.n)
		db_bind_str(q, "subject", subject);
	db_bind_i64(q, "from", from);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct log_entry, leaf_row, out, count, e);
}

MUST int store_log_find(struct db_tx *tx, struct str hash, int64_t *position, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "hash", hash);
	int rc = db_step(q, e);
	if (rc > 0)
		*position = db_at_i64(q, 0);
	return rc;
}

/* ---- the tree ------------------------------------------------------------------------------ */

struct tree_node {
	int64_t level, position;
	struct str hash;
};

/* Nodes that were read at once, and where new ones go. */
struct tree {
	struct db_tx *tx;
	struct tree_node *nodes;
	size_t count;
};

static void node_at(struct db_stmt *q, struct arena *a, struct tree_node *out)
{
	out->level = db_at_i64(q, 0);
	out->position = db_at_i64(q, 1);
	out->hash = db_at_str(q, 2, a);
}

/* Reads what the way from leaf `position` up, and the right edge of `size` leaves, need. */
MUST static int tree_load(struct db_tx *tx, struct arena *a, int64_t position, int64_t size,
			  struct tree *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_nodes);
	out->tx = tx;
	db_bind_i64(q, "position", position);
	db_bind_i64(q, "size", size);
	return ROWS_READ(q, a, struct tree_node, node_at, &out->nodes, &out->count, e);
}

static int tree_read(void *user, unsigned level, uint64_t index, struct hash *out,
		     struct err *e)
{
	const struct tree *t = user;
	for (size_t i = 0; i < t->count; i++)
		if (t->nodes[i].level == (int64_t)level &&
		    t->nodes[i].position == (int64_t)index) {
			if (hash_parse(t->nodes[i].hash, out, e) == 0)
				return 0;
			break;
		}
	return err_fail(e, ERR_CORRUPT, "the log has no good hash at level %u, position %llu",
			level, (unsigned long long)index);
}

static int tree_write(void *user, unsigned level, uint64_t index, const struct hash *h,
		      struct err *e)
{
	const struct tree *t = user;
	char text[HASH_TEXT_SIZE];
	hash_text(h, text);
	struct db_stmt *q = db_prepare(t->tx, &sql_node_add);
	db_bind_i64(q, "level", (int64_t)level);
	db_bind_i64(q, "position", (int64_t)index);
	db_bind_str(q, "hash", str_from(text));
	return rows_done(db_exec(q, e));
}

MUST static int check_entry(const struct log_entry *entry, struct err *e)
{
	if (str_find_char(entry->kind, '\n') < entry->kind.n ||
	    str_find_char(entry->subject, '\n') < entry->subject.n ||
	    str_find_char(entry->body_json, '\n') < entry->body_json.n)
		return err_field(e, "subject", "an entry of the log has no line ends");
	if (entry->kind.n > STORE_LOG_TEXT_MAX || entry->subject.n > STORE_LOG_TEXT_MAX ||
	    entry->body_json.n > STORE_LOG_BODY_MAX)
		return err_fail(e, ERR_TOO_LARGE,
				"an entry of the log has at most %d bytes of subject and %d of "
				"body",
				STORE_LOG_TEXT_MAX, STORE_LOG_BODY_MAX);
	return 0;
}

MUST static int add_leaf(struct db_tx *tx, const struct log_entry *entry, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "position", entry->position);
	db_bind_str(q, "kind", entry->kind);
	db_bind_str(q, "subject", entry->subject);
	db_bind_str(q, "body", entry->body_json);
	db_bind_str(q, "hash", entry->hash);
	db_bind_i64(q, "at", entry->at_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_log_append(struct db_tx *tx, struct arena *a, struct log_entry *entry,
			  struct err *e)
{
	struct buf b CLEAN(buf_fini) =
		BUF_INIT(2 * STORE_LOG_TEXT_MAX + STORE_LOG_BODY_MAX + 100);
	struct tree t;
	char text[HASH_TEXT_SIZE];
	if (check_entry(entry, e) < 0 || store_log_size(tx, &entry->position, e) < 0 ||
	    tree_load(tx, a, entry->position, entry->position, &t, e) < 0)
		return -1;
	audit_entry_text(entry->kind, entry->subject, entry->at_ms, entry->body_json, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	struct hash leaf = merkle_leaf(buf_str(&b));
	hash_text(&leaf, text);
	entry->hash = arena_dup(a, str_from(text));
	if (arena_check(a, e) < 0 || add_leaf(tx, entry, e) < 0)
		return -1;
	return merkle_append((uint64_t)entry->position, &leaf, tree_read, tree_write, &t, e);
}

MUST static int check_size(struct db_tx *tx, const char *field, int64_t size, struct err *e)
{
	int64_t all;
	if (store_log_size(tx, &all, e) < 0)
		return -1;
	if (size < 0 || size > all)
		return err_field(e, field, "the log has %lld entries", (long long)all);
	return 0;
}

MUST int store_log_root(struct db_tx *tx, struct arena *a, int64_t size, struct hash *out,
			struct err *e)
{
	struct tree t;
	if (check_size(tx, "size", size, e) < 0 || tree_load(tx, a, size, size, &t, e) < 0)
		return -1;
	return merkle_root((uint64_t)size, tree_read, &t, out, e);
}

MUST int store_log_prove(struct db_tx *tx, struct arena *a, int64_t position, int64_t size,
			 struct merkle_proof *out, struct err *e)
{
	struct tree t;
	if (check_size(tx, "size", size, e) < 0 || tree_load(tx, a, position, size, &t, e) < 0)
		return -1;
	return merkle_prove((uint64_t)position, (uint64_t)size, tree_read, &t, out, e);
}

MUST int store_log_prove_consistency(struct db_tx *tx, struct arena *a, int64_t old_size,
				     int64_t size, struct merkle_proof *out, struct err *e)
{
	struct tree t;
	if (check_size(tx, "second", size, e) < 0)
		return -1;
	if (old_size < 0 || old_size > size)
		return err_field(e, "first", "is larger than the second size");
	if (tree_load(tx, a, MAX_OF(old_size - 1, (int64_t)0), size, &t, e) < 0)
		return -1;
	return merkle_prove_consistency((uint64_t)old_size, (uint64_t)size, tree_read, &t, out,
					e);
}

/* ---- heads --------------------------------------------------------------------------------- */

static void head_row(struct db_stmt *q, struct arena *a, struct log_head *out)
{
	*out = (struct log_head){
		.size = db_at_i64(q, 0),
		.root = db_at_str(q, 1, a),
		.at_ms = db_at_i64(q, 2),
		.key_name = db_at_str(q, 3, a),
		.signature = db_at_str(q, 4, a),
	};
}

/* The newest one goes if the one before it is of the same hour. */
MUST static int thin(struct db_tx *tx, struct arena *a, struct err *e)
{
	struct log_head *two = NULL;
	size_t n = 0;
	struct db_stmt *q = db_prepare(tx, &sql_head_newest);
	db_bind_i64(q, "limit", 2);
	if (ROWS_READ(q, a, struct log_head, head_row, &two, &n, e) < 0)
		return -1;
	if (n < 2 ||
	    two[0].at_ms / STORE_CHECKPOINT_KEEP_MS != two[1].at_ms / STORE_CHECKPOINT_KEEP_MS)
		return 0;
	q = db_prepare(tx, &sql_head_remove);
	db_bind_i64(q, "size", two[0].size);
	return rows_done(db_exec(q, e));
}

MUST int store_log_head_add(struct db_tx *tx, struct arena *a, const struct log_head *head,
			    struct err *e)
{
	if (thin(tx, a, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_head_add);
	db_bind_i64(q, "size", head->size);
	db_bind_str(q, "root", head->root);
	db_bind_i64(q, "at", head->at_ms);
	db_bind_str(q, "key", head->key_name);
	db_bind_str(q, "signature", head->signature);
	return rows_done(db_exec(q, e));
}

MUST int store_log_head_last(struct db_tx *tx, struct arena *a, struct log_head *out,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_head_newest);
	db_bind_i64(q, "limit", 1);
	return ROW_READ(q, a, head_row, out, e);
}

MUST int store_log_head_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			     struct log_head **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_head_list);
	db_bind_i64(q, "since", since);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct log_head, head_row, out, count, e);
}

/* ---- witnesses ----------------------------------------------------------------------------- */

static void witness_row(struct db_stmt *q, struct arena *a, struct log_witness *out)
{
	*out = (struct log_witness){
		.witness = db_at_str(q, 0, a),
		.key_name = db_at_str(q, 1, a),
		.public = db_at_str(q, 2, a),
		.size = db_at_i64(q, 3),
		.root = db_at_str(q, 4, a),
		.signature = db_at_str(q, 5, a),
		.at_ms = db_at_i64(q, 6),
	};
}

MUST int store_log_witness_put(struct db_tx *tx, const struct log_witness *w, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_witness_put);
	db_bind_str(q, "witness", w->witness);
	db_bind_str(q, "key", w->key_name);
	db_bind_str(q, "public", w->public);
	db_bind_i64(q, "size", w->size);
	db_bind_str(q, "root", w->root);
	db_bind_str(q, "signature", w->signature);
	db_bind_i64(q, "at", w->at_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_log_witness_find(struct db_tx *tx, struct arena *a, struct str witness,
				struct log_witness *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_witness_find);
	db_bind_str(q, "witness", witness);
	return ROW_READ(q, a, witness_row, out, e);
}

MUST int store_log_witness_list(struct db_tx *tx, struct arena *a, int64_t limit,
				struct log_witness **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_witness_list);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct log_witness, witness_row, out, count, e);
}
