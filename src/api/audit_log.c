/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The transparency log as it is read. Everybody gets the hash of every entry, and so can compute
 * every root; whose an entry is, and operators and auditors, get its text as well.
 */
#include "api/access.h"
#include "api/audit_ops.h"
#include "api/views.h"
#include "store/log.h"

enum { ENTRIES_MAX = 1000 };

/* clang-format off */
struct entries_query { int64_t from, limit; struct str subject; };
static const struct json_field entries_query_fields[] = {
	JSON_I64(struct entries_query, from, "from", 0, INT64_MAX, 0, "First position; they begin at 0."),
	JSON_I64(struct entries_query, limit, "limit", 1, ENTRIES_MAX, 0, "At most so many.", .initial = 100),
	JSON_STR(struct entries_query, subject, "subject", 0, STORE_LOG_TEXT_MAX, 0, "Only what is about it and whose text the caller may see: a serial, key or URI."),
};
const struct json_desc audit_entries_query =
	JSON_DESC(struct entries_query, entries_query_fields, "LogEntriesQuery", "Which entries.");

struct view_entry {
	int64_t position;
	struct str hash, kind, subject;
	int64_t at_ms;
	struct json *body;
	bool hidden;
};
static const struct json_field entry_fields[] = {
	JSON_I64(struct view_entry, position, "position", 0, INT64_MAX, 0, "Its place in the log."),
	JSON_STR(struct view_entry, hash, "hash", 0, INT64_MAX, 0, "Of its leaf."),
	JSON_STR(struct view_entry, kind, "kind", 0, INT64_MAX, JSON_OMIT_EMPTY, "certificate, key or release."),
	JSON_STR(struct view_entry, subject, "subject", 0, INT64_MAX, JSON_OMIT_EMPTY, "Serial of the certificate, name of the key, URI of the release."),
	JSON_I64(struct view_entry, at_ms, "at_ms", 0, INT64_MAX, JSON_OMIT_EMPTY, "When, milliseconds since 1970."),
	JSON_TREE(struct view_entry, body, "body", JSON_OMIT_EMPTY, "Details."),
	JSON_BOOL(struct view_entry, hidden, "hidden", JSON_OMIT_EMPTY, "It is somebody else's: only its hash is told."),
};
static const struct json_desc entry_desc =
	JSON_DESC(struct view_entry, entry_fields, "LogEntry", "A leaf of the transparency log.");
struct entries { int64_t size; struct view_entry *entries; size_t n; };
static const struct json_field entries_fields[] = {
	JSON_I64(struct entries, size, "size", 0, INT64_MAX, 0, "How many entries there are in all."),
	JSON_STRUCTS(struct entries, entries, n, struct view_entry, "entries", &entry_desc, 0, INT64_MAX, 0, "In order."),
};
const struct json_desc audit_entries_out =
	JSON_DESC(struct entries, entries_fields, "LogEntries", "Part of the transparency log.");

struct proof_query { struct str hash; int64_t size; };
static const struct json_field proof_query_fields[] = {
	JSON_STR(struct proof_query, hash, "hash", HASH_TEXT_SIZE - 1, HASH_TEXT_SIZE - 1, JSON_REQUIRED, "Of the entry's leaf."),
	JSON_I64(struct proof_query, size, "size", 1, INT64_MAX, JSON_REQUIRED, "Of the head that it is proven against."),
};
const struct json_desc audit_proof_query =
	JSON_DESC(struct proof_query, proof_query_fields, "LogProofQuery", "Which entry, in which head.");
struct proof { int64_t position, size; struct str *hashes; size_t n; };
static const struct json_field proof_fields[] = {
	JSON_I64(struct proof, position, "position", 0, INT64_MAX, 0, "Of the entry."),
	JSON_I64(struct proof, size, "size", 0, INT64_MAX, 0, "Of the head."),
	JSON_STRS(struct proof, hashes, n, "hashes", 0, MERKLE_PROOF_MAX, 0, "Beside the way from the leaf to the root."),
};
const struct json_desc audit_proof_out = JSON_DESC(struct proof, proof_fields, "LogProof", "That an entry is in the log.");

struct consistency_query { int64_t first, second; };
static const struct json_field consistency_query_fields[] = {
	JSON_I64(struct consistency_query, first, "first", 0, INT64_MAX, JSON_REQUIRED, "The smaller size."),
	JSON_I64(struct consistency_query, second, "second", 0, INT64_MAX, JSON_REQUIRED, "The larger size."),
};
const struct json_desc audit_consistency_query =
	JSON_DESC(struct consistency_query, consistency_query_fields, "LogConsistencyQuery", "Which two sizes.");
struct consistency { int64_t first, second; struct str *hashes; size_t n; };
static const struct json_field consistency_fields[] = {
	JSON_I64(struct consistency, first, "first", 0, INT64_MAX, 0, "The smaller size."),
	JSON_I64(struct consistency, second, "second", 0, INT64_MAX, 0, "The larger size."),
	JSON_STRS(struct consistency, hashes, n, "hashes", 0, MERKLE_PROOF_MAX, 0, "What leads from one root to the other."),
};
const struct json_desc audit_consistency_out =
	JSON_DESC(struct consistency, consistency_fields, "LogConsistency", "That a log continues a smaller one.");
/* clang-format on */

/* ---- entries ------------------------------------------------------------------------------- */

/* Whose entry it is stands in its body; a customer's certificate is known by its row. */
static bool is_own(const struct api_call *c, const struct log_entry *entry,
		   const struct json *body)
{
	struct str kind = json_str_of(json_get(body, S("kind")), S("")),
		   owner = json_str_of(json_get(body, S("owner")), S("")),
		   person = access_person(c), node = access_node(c);
	if (str_is(entry->kind, "release"))
		return true;
	if (entry->customer_id && access_owns(c, entry->customer_id))
		return true;
	if (person.n)
		return str_is(kind, "person") && str_eq(owner, person);
	return node.n && (str_is(kind, "node") || str_is(kind, "authority")) &&
	       str_eq(owner, node);
}

static void view_of(struct api_call *c, const struct log_entry *entry, struct view_entry *out)
{
	struct json *body = view_json(c->a, entry->body_json);
	*out = (struct view_entry){.position = entry->position, .hash = entry->hash};
	if (!access_is_all(c) && !is_own(c, entry, body)) {
		out->hidden = true;
		return;
	}
	out->kind = entry->kind;
	out->subject = entry->subject;
	out->at_ms = entry->at_ms;
	out->body = body;
}

MUST int audit_entries(struct api_call *c, struct err *e)
{
	const struct entries_query *q = c->query;
	struct log_entry *list = NULL;
	struct entries v = {.n = 0};
	size_t n = 0;
	struct str subject = q->subject.p ? q->subject : S("");
	if (store_log_size(c->tx, &v.size, e) < 0 ||
	    store_log_list(c->tx, c->a, q->from, subject, q->limit, &list, &n, e) < 0)
		return -1;
	v.entries = ARENA_ARRAY(c->a, struct view_entry, n);
	for (size_t i = 0; v.entries && i < n; i++) {
		view_of(c, &list[i], &v.entries[v.n]);
		/* Who asks for a subject is not told that others have something about it. */
		v.n += subject.n == 0 || !v.entries[v.n].hidden;
	}
	return call_answer(c, 200, &audit_entries_out, &v, e);
}

/* ---- proofs -------------------------------------------------------------------------------- */

MUST static int texts_of(struct api_call *c, const struct merkle_proof *p, struct str **out,
			 struct err *e)
{
	char text[HASH_TEXT_SIZE];
	*out = ARENA_ARRAY(c->a, struct str, p->count);
	for (size_t i = 0; *out && i < p->count; i++) {
		hash_text(&p->hashes[i], text);
		(*out)[i] = arena_dup(c->a, str_from(text));
	}
	return arena_check(c->a, e);
}

MUST int audit_proof(struct api_call *c, struct err *e)
{
	const struct proof_query *q = c->query;
	struct proof v = {.size = q->size};
	struct merkle_proof p;
	int rc = store_log_find(c->tx, q->hash, &v.position, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "the log has no entry with that hash");
	if (store_log_prove(c->tx, c->a, v.position, v.size, &p, e) < 0 ||
	    texts_of(c, &p, &v.hashes, e) < 0)
		return -1;
	v.n = p.count;
	return call_answer(c, 200, &audit_proof_out, &v, e);
}

MUST int audit_consistency(struct api_call *c, struct err *e)
{
	const struct consistency_query *q = c->query;
	struct consistency v = {.first = q->first, .second = q->second};
	struct merkle_proof p;
	if (store_log_prove_consistency(c->tx, c->a, v.first, v.second, &p, e) < 0 ||
	    texts_of(c, &p, &v.hashes, e) < 0)
		return -1;
	v.n = p.count;
	return call_answer(c, 200, &audit_consistency_out, &v, e);
}
