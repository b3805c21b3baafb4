/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the master signed, and what others say they saw of the log.
 *
 * A witness signs size and root of a head after he checked that it continues the one he remembers.
 * The master checks the signature and hands it on to whoever asks for the head: a client that
 * is shown another log than the witness finds that out. One word of each witness is kept, the
 * one of the largest size.
 */
#include "api/access.h"
#include "api/audit_ops.h"
#include "core/audit.h"
#include "store/certificate.h"
#include "store/checkpoint.h"
#include "store/log.h"
#include "trust/cert.h"
#include "trust/jose.h"

enum { LIST_MAX = 1000, WITNESSES_MAX = 100, SIGNATURE_MAX = 2 * KEY_SIGNATURE_MAX };

#define WHEN "When, milliseconds since 1970."
#define CLOUD "Name of the cloud, as it stands in what is signed."
#define SIGNED_ "False: a master in local mode has no key and signs nothing."

/* clang-format off */
struct list_query { int64_t since, limit; };
static const struct json_field checkpoints_query_fields[] = {
	JSON_I64(struct list_query, since, "since", 0, INT64_MAX, 0, "Only those of events after this sequence."),
	JSON_I64(struct list_query, limit, "limit", 1, LIST_MAX, 0, "At most so many.", .initial = 100),
};
const struct json_desc audit_checkpoints_query =
	JSON_DESC(struct list_query, checkpoints_query_fields, "CheckpointsQuery", "Which checkpoints.");
static const struct json_field checkpoint_fields[] = {
	JSON_I64(struct checkpoint, sequence, "sequence", 0, INT64_MAX, 0, "Of the event."),
	JSON_STR(struct checkpoint, hash, "hash", 0, INT64_MAX, 0, "Of the event, and so of all before it."),
	JSON_I64(struct checkpoint, at_ms, "at_ms", 0, INT64_MAX, 0, WHEN),
	JSON_STR(struct checkpoint, key_name, "key", 0, INT64_MAX, 0, "Name of the master's key."),
	JSON_STR(struct checkpoint, signature, "signature", 0, INT64_MAX, 0, "base64url."),
};
static const struct json_desc checkpoint_desc =
	JSON_DESC(struct checkpoint, checkpoint_fields, "Checkpoint", "A signature under the audit chain up to an event.");
struct checkpoints { struct str cloud; bool is_signed; struct checkpoint *checkpoints; size_t n; };
static const struct json_field checkpoints_fields[] = {
	JSON_STR(struct checkpoints, cloud, "cloud", 0, INT64_MAX, 0, CLOUD),
	JSON_BOOL(struct checkpoints, is_signed, "signed", 0, SIGNED_),
	JSON_STRUCTS(struct checkpoints, checkpoints, n, struct checkpoint, "checkpoints", &checkpoint_desc, 0, INT64_MAX, 0, "In order: the first of each hour, and the newest."),
};
const struct json_desc audit_checkpoints_out =
	JSON_DESC(struct checkpoints, checkpoints_fields, "Checkpoints", "What the master signed of the audit chain.");

static const struct json_field heads_query_fields[] = {
	JSON_I64(struct list_query, since, "since", -1, INT64_MAX, 0, "Only those of larger size.", .initial = -1),
	JSON_I64(struct list_query, limit, "limit", 1, LIST_MAX, 0, "At most so many.", .initial = 100),
};
const struct json_desc audit_heads_query =
	JSON_DESC(struct list_query, heads_query_fields, "LogHeadsQuery", "Which heads.");
static const struct json_field log_head_fields[] = {
	JSON_I64(struct log_head, size, "size", 0, INT64_MAX, 0, "Entries that it covers."),
	JSON_STR(struct log_head, root, "root", 0, INT64_MAX, 0, "Root of the tree over them."),
	JSON_I64(struct log_head, at_ms, "at_ms", 0, INT64_MAX, 0, WHEN),
	JSON_STR(struct log_head, key_name, "key", 0, INT64_MAX, 0, "Name of the master's key."),
	JSON_STR(struct log_head, signature, "signature", 0, INT64_MAX, 0, "base64url."),
};
static const struct json_desc log_head_desc =
	JSON_DESC(struct log_head, log_head_fields, "SignedHead", "A head that was signed.");
struct heads { struct str cloud; bool is_signed; struct log_head *heads; size_t n; };
static const struct json_field heads_fields[] = {
	JSON_STR(struct heads, cloud, "cloud", 0, INT64_MAX, 0, CLOUD),
	JSON_BOOL(struct heads, is_signed, "signed", 0, SIGNED_),
	JSON_STRUCTS(struct heads, heads, n, struct log_head, "heads", &log_head_desc, 0, INT64_MAX, 0, "By size."),
};
const struct json_desc audit_heads_out = JSON_DESC(struct heads, heads_fields, "LogHeads", "Signed heads of the transparency log.");

static const struct json_field witness_fields[] = {
	JSON_STR(struct log_witness, witness, "witness", 0, INT64_MAX, JSON_OMIT_EMPTY, "person:NAME or node:NAME; told to operators, auditors and himself."),
	JSON_STR(struct log_witness, key_name, "key", 0, INT64_MAX, 0, "Name of his key."),
	JSON_STR(struct log_witness, public, "public", 0, INT64_MAX, 0, "Public half of his key: SubjectPublicKeyInfo, base64url."),
	JSON_I64(struct log_witness, size, "size", 0, INT64_MAX, 0, "Of the head that he saw."),
	JSON_STR(struct log_witness, root, "root", 0, INT64_MAX, 0, "Its root."),
	JSON_STR(struct log_witness, signature, "signature", 0, INT64_MAX, 0, "His, base64url."),
	JSON_I64(struct log_witness, at_ms, "at_ms", 0, INT64_MAX, 0, WHEN),
};
static const struct json_desc witness_desc =
	JSON_DESC(struct log_witness, witness_fields, "LogWitness", "What somebody saw of the log.");
struct view_head {
	struct str cloud;
	bool is_signed;
	struct log_head head;
	struct log_witness *witnesses;
	size_t n;
};
static const struct json_field head_fields[] = {
	JSON_STR(struct view_head, cloud, "cloud", 0, INT64_MAX, 0, CLOUD),
	JSON_BOOL(struct view_head, is_signed, "signed", 0, SIGNED_),
	JSON_I64(struct view_head, head.size, "size", 0, INT64_MAX, 0, "Entries that it covers."),
	JSON_STR(struct view_head, head.root, "root", 0, INT64_MAX, 0, "Root of the tree over them."),
	JSON_I64(struct view_head, head.at_ms, "at_ms", 0, INT64_MAX, 0, WHEN),
	JSON_STR(struct view_head, head.key_name, "key", 0, INT64_MAX, 0, "Name of the master's key."),
	JSON_STR(struct view_head, head.signature, "signature", 0, INT64_MAX, 0, "base64url."),
	JSON_STRUCTS(struct view_head, witnesses, n, struct log_witness, "witnesses", &witness_desc, 0, INT64_MAX, 0, "Largest size first."),
};
const struct json_desc audit_head_out = JSON_DESC(struct view_head, head_fields, "LogHead", "The newest head of the transparency log.");

struct witness_in { int64_t size; struct str root, signature; };
static const struct json_field witness_in_fields[] = {
	JSON_I64(struct witness_in, size, "size", 0, INT64_MAX, JSON_REQUIRED, "Of the head."),
	JSON_STR(struct witness_in, root, "root", HASH_TEXT_SIZE - 1, HASH_TEXT_SIZE - 1, JSON_REQUIRED, "Its root."),
	JSON_STR(struct witness_in, signature, "signature", 1, SIGNATURE_MAX, JSON_REQUIRED, "The caller's, base64url (docs/audit.md)."),
};
const struct json_desc audit_witness_in = JSON_DESC(struct witness_in, witness_in_fields, "LogWitnessIn", "What the caller saw.");
struct witness_out { struct str witness; int64_t size; };
static const struct json_field witness_out_fields[] = {
	JSON_STR(struct witness_out, witness, "witness", 0, INT64_MAX, 0, "Who."),
	JSON_I64(struct witness_out, size, "size", 0, INT64_MAX, 0, "Largest head that is kept of him."),
};
const struct json_desc audit_witness_out = JSON_DESC(struct witness_out, witness_out_fields, "LogWitnessOut", "What is kept.");
/* clang-format on */

static struct str cloud_of(const struct api_call *c)
{
	return str_from(c->api->options.cloud);
}

MUST int audit_checkpoints(struct api_call *c, struct err *e)
{
	const struct list_query *q = c->query;
	struct checkpoints v = {.cloud = cloud_of(c), .is_signed = c->api->options.key != NULL};
	if (store_checkpoint_list(c->tx, c->a, q->since, q->limit, &v.checkpoints, &v.n, e) < 0)
		return -1;
	return call_answer(c, 200, &audit_checkpoints_out, &v, e);
}

MUST int audit_heads(struct api_call *c, struct err *e)
{
	const struct list_query *q = c->query;
	struct heads v = {.cloud = cloud_of(c), .is_signed = c->api->options.key != NULL};
	if (store_log_head_list(c->tx, c->a, q->since, q->limit, &v.heads, &v.n, e) < 0)
		return -1;
	return call_answer(c, 200, &audit_heads_out, &v, e);
}

/* Size and root as they are now; nobody signed them. */
MUST static int head_now(struct api_call *c, struct log_head *out, struct err *e)
{
	char text[HASH_TEXT_SIZE];
	struct hash root;
	*out = (struct log_head){.at_ms = c->now_ms, .key_name = S(""), .signature = S("")};
	if (store_log_size(c->tx, &out->size, e) < 0 ||
	    store_log_root(c->tx, c->a, out->size, &root, e) < 0)
		return -1;
	hash_text(&root, text);
	out->root = arena_dup(c->a, str_from(text));
	return arena_check(c->a, e);
}

/* "person:NAME" or "node:NAME" of the caller; "" if it is neither (local mode). */
static struct str witness_of(const struct api_call *c)
{
	struct str person = access_person(c), node = access_node(c);
	if (person.n)
		return arena_fmt(c->a, "person:%" STR_F, STR_A(person));
	return node.n ? arena_fmt(c->a, "node:%" STR_F, STR_A(node)) : S("");
}

MUST int audit_head(struct api_call *c, struct err *e)
{
	struct view_head v = {.cloud = cloud_of(c)};
	int rc = c->api->options.key ? store_log_head_last(c->tx, c->a, &v.head, e) : 0;
	if (rc < 0 || (rc == 0 && head_now(c, &v.head, e) < 0))
		return -1;
	v.is_signed = rc > 0;
	if (store_log_witness_list(c->tx, c->a, WITNESSES_MAX, &v.witnesses, &v.n, e) < 0)
		return -1;
	bool is_all = access_has(c, ROLE_OPERATOR) || access_has(c, ROLE_AUDITOR);
	struct str own = witness_of(c);
	for (size_t i = 0; i < v.n; i++)
		if (!is_all && !str_eq(v.witnesses[i].witness, own))
			v.witnesses[i].witness = S("");
	return call_answer(c, 200, &audit_head_out, &v, e);
}

/* ---- witnesses ----------------------------------------------------------------------------- */

/* Is that the root of this log at that size? */
MUST static int check_root(struct api_call *c, const struct witness_in *in, struct err *e)
{
	struct hash root, said;
	if (hash_parse(in->root, &said, e) < 0)
		return err_field(e, "root", "is not a SHA-256 in hexadecimal digits");
	if (store_log_root(c->tx, c->a, in->size, &root, e) < 0)
		return -1;
	if (!hash_eq(&root, &said))
		return err_fail(e, ERR_CONFLICT, "this log has another root at size %lld",
				(long long)in->size);
	return 0;
}

/* Checks the signature by the caller's key; *public: DER of it. */
MUST static int check_signature(struct api_call *c, const struct witness_in *in,
				struct str key_name, struct str *public, struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct certificate row;
	struct cert cert;
	struct str signature;
	int rc = store_certificate_newest(c->tx, c->a, key_name, &row, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_fail(e, ERR_FORBIDDEN,
				"a witness signs with a key that is certified");
	audit_witness_text(cloud_of(c), in->size, in->root, &said);
	if (cert_read(row.pem, c->a, &cert, e) < 0 || buf_check(&said, e) < 0)
		return -1;
	if (base64url_read(in->signature, c->a, &signature, e) < 0 ||
	    !key_is_signed_by(cert.public, buf_str(&said), signature))
		return err_field(e, "signature", "is not that of your key over this head");
	*public = cert.public;
	return 0;
}

MUST int audit_witness(struct api_call *c, struct err *e)
{
	const struct witness_in *in = c->in;
	char key_name[HASH_TEXT_SIZE];
	struct log_witness was = {.size = -1}, w = {.witness = witness_of(c)};
	struct str public;
	if (!c->api->options.key)
		return err_fail(e, ERR_UNSUPPORTED,
				"this master is local: nobody signs, nobody is a witness");
	hash_text(&c->caller.key, key_name);
	w.key_name = str_from(key_name);
	if (check_root(c, in, e) < 0 || check_signature(c, in, w.key_name, &public, e) < 0 ||
	    store_log_witness_find(c->tx, c->a, w.witness, &was, e) < 0)
		return -1;
	w.public = base64url(public, c->a);
	w.size = in->size;
	w.root = in->root;
	w.signature = in->signature;
	w.at_ms = c->now_ms;
	if (in->size > was.size && store_log_witness_put(c->tx, &w, e) < 0)
		return -1;
	struct witness_out v = {.witness = w.witness, .size = MAX_OF(in->size, was.size)};
	return call_answer(c, 200, &audit_witness_out, &v, e);
}
