/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/audit_memory.h"

#include "base/file.h"
#include "cli/identity.h"
#include "core/audit.h"
#include "json/desc.h"
#include "trust/jose.h"

enum { PEM_MAX = 1 << 20, MEMORY_MAX = 10000 };

/* clang-format off */
struct kept { struct str cloud, root, hash; int64_t size, sequence, at_ms; };
static const struct json_field kept_fields[] = {
	JSON_STR(struct kept, cloud, "cloud", 0, 1000, JSON_REQUIRED, "Name of the cloud."),
	JSON_I64(struct kept, size, "size", 0, INT64_MAX, JSON_REQUIRED, "Of the newest head of the log that was checked."),
	JSON_STR(struct kept, root, "root", 64, 64, JSON_REQUIRED, "Its root."),
	JSON_I64(struct kept, sequence, "sequence", 0, INT64_MAX, JSON_REQUIRED, "Of the newest checkpoint; 0: none."),
	JSON_STR(struct kept, hash, "hash", 64, 64, JSON_REQUIRED, "Its hash."),
	JSON_I64(struct kept, at_ms, "at_ms", 0, INT64_MAX, JSON_REQUIRED, "When it was checked, milliseconds since 1970."),
};
static const struct json_desc kept_desc = JSON_DESC(struct kept, kept_fields, "LogHeadFile", "What a client remembers of a master.");
/* clang-format on */

/* What is not there is empty. */
MUST static int read_file(struct cli_call *c, const char *path, struct str *out, struct err *e)
{
	*out = S("");
	return file_read(path, PEM_MAX, c->arena, out, e) < 0 ? -1 : 0;
}

static const char *kept_path(struct cli_call *c, const struct audit_memory *m)
{
	return arena_cstr(c->arena, file_join(c->arena, str_from(m->dir), S("log-head.json")));
}

MUST static int read_kept(struct cli_call *c, struct audit_memory *m, struct err *e)
{
	struct str text;
	struct kept k;
	if (read_file(c, kept_path(c, m), &text, e) < 0)
		return -1;
	if (text.n == 0)
		return 0;
	if (json_read(&kept_desc, text, c->arena, &k, e) < 0 ||
	    hash_parse(k.root, &m->head.hash, e) < 0 ||
	    hash_parse(k.hash, &m->point.hash, e) < 0)
		return err_in(e, "%s/log-head.json", m->dir);
	m->cloud = k.cloud;
	m->head.at = k.size;
	m->point.at = k.sequence;
	m->head.at_ms = m->point.at_ms = k.at_ms;
	return 0;
}

MUST int audit_memory_read(struct cli_call *c, struct audit_memory *out, struct err *e)
{
	struct identity who;
	*out = (struct audit_memory){.cloud = S(""), .roots = S(""), .certificate = S("")};
	out->head = out->point = (struct audit_mark){.at = -1, .whose = S("this client")};
	if (identity_paths(c, &who, e) < 0)
		return -1;
	if (!file_exists(who.dir))
		return 0;
	out->dir = who.dir;
	if (read_file(c, who.roots_path, &out->roots, e) < 0 ||
	    read_file(c, who.cert_path, &out->certificate, e) < 0)
		return -1;
	return read_kept(c, out, e);
}

/* ---- proofs -------------------------------------------------------------------------------- */

MUST static int ask_proof(struct cli_call *c, struct str path, struct merkle_proof *out,
			  struct err *e)
{
	struct json *answer;
	if (client_get(c, path, &answer, e) < 0)
		return -1;
	const struct json *hashes = json_get(answer, S("hashes"));
	out->count = json_count(hashes);
	if (out->count > MERKLE_PROOF_MAX)
		return err_fail(e, ERR_CORRUPT, "no proof is that long");
	for (size_t i = 0; i < out->count; i++)
		if (hash_parse(json_str_of(json_at(hashes, i), S("")), &out->hashes[i], e) < 0)
			return -1;
	return 0;
}

MUST static int prove_memory(struct cli_call *c, const struct audit_memory *m, struct audit *au,
			     struct err *e)
{
	struct merkle_proof p;
	const struct audit_mark *now = &au->newest_head;
	if (m->head.at > now->at) {
		audit_say(au, "memory", AUDIT_FORKED,
			  "the log shrank: its head is of size %lld, this client saw %lld at "
			  "%" STR_F,
			  (long long)now->at, (long long)m->head.at,
			  STR_A(audit_when(au->a, m->head.at_ms)));
		return 0;
	}
	struct str path = arena_fmt(c->arena, "/v1/log/consistency?first=%lld&second=%lld",
				    (long long)m->head.at, (long long)now->at);
	if (ask_proof(c, path, &p, e) < 0)
		return -1;
	if (merkle_is_consistent((uint64_t)m->head.at, &m->head.hash, (uint64_t)now->at,
				 &now->hash, &p))
		audit_say(au, "memory", AUDIT_HOLDS,
			  "the log continues the one of size %lld that this client saw at "
			  "%" STR_F,
			  (long long)m->head.at, STR_A(audit_when(au->a, m->head.at_ms)));
	else
		audit_say(au, "memory", AUDIT_FORKED,
			  "the log is not the one of size %lld that this client saw at %" STR_F,
			  (long long)m->head.at, STR_A(audit_when(au->a, m->head.at_ms)));
	return 0;
}

MUST static int prove_wanted(struct cli_call *c, struct audit *au, const struct audit_wanted *w,
			     struct err *e)
{
	struct merkle_proof p;
	char hex[HASH_TEXT_SIZE];
	const struct audit_mark *now = &au->newest_head;
	hash_text(&w->leaf, hex);
	struct str path =
		arena_fmt(c->arena, "/v1/log/proof?hash=%s&size=%lld", hex, (long long)now->at);
	if (ask_proof(c, path, &p, e) < 0)
		return -1;
	if (!merkle_is_included(&w->leaf, (uint64_t)w->position, (uint64_t)now->at, &p,
				&now->hash))
		audit_say(au, "inclusion", AUDIT_BROKEN,
			  "%" STR_F ": the master's proof does not lead to its head",
			  STR_A(w->what));
	return 0;
}

MUST int audit_memory_prove(struct cli_call *c, const struct audit_memory *m, struct audit *au,
			    struct err *e)
{
	if (!au->is_signed || audit_verdict(au) > AUDIT_NOT_CHECKED)
		return 0;
	if (m->cloud.n && !str_eq(m->cloud, au->cloud)) {
		audit_say(au, "memory", AUDIT_FORKED,
			  "this cloud called itself %" STR_F
			  " when this client saw it at %" STR_F,
			  STR_A(m->cloud), STR_A(audit_when(au->a, m->head.at_ms)));
		return 0;
	}
	if (m->cloud.n && prove_memory(c, m, au, e) < 0)
		return -1;
	for (size_t i = 0; i < au->wanted_count; i++)
		if (au->wanted[i].is_found && au->wanted[i].position < au->newest_head.at &&
		    prove_wanted(c, au, &au->wanted[i], e) < 0)
			return -1;
	return 0;
}

/* ---- keeping ------------------------------------------------------------------------------- */

/* Signs the head for others to see. */
MUST static int testify(struct cli_call *c, const struct audit *au, const char *root,
			struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct key *key CLEAN(key_freep) = NULL;
	struct str signature;
	struct identity who;
	struct json *body = json_object_new(c->arena), *ignored;
	if (identity_paths(c, &who, e) < 0)
		return -1;
	int rc = key_load(who.key_path, &key, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	audit_witness_text(au->cloud, au->newest_head.at, str_from(root), &said);
	if (buf_check(&said, e) < 0 ||
	    key_sign(key, buf_str(&said), c->arena, &signature, e) < 0)
		return -1;
	json_set_i64(c->arena, body, S("size"), au->newest_head.at);
	json_set_str(c->arena, body, S("root"), str_from(root));
	json_set_str(c->arena, body, S("signature"), base64url(signature, c->arena));
	return client_send(c, "POST", S("/v1/log/witness"), body, &ignored, e);
}

MUST int audit_memory_keep(struct cli_call *c, const struct audit_memory *m, struct audit *au,
			   struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(MEMORY_MAX);
	char root[HASH_TEXT_SIZE], hash[HASH_TEXT_SIZE] = AUDIT_ZEROS;
	if (!m->dir || !au->is_signed || au->newest_head.at < 0 ||
	    audit_verdict(au) > AUDIT_NOT_CHECKED)
		return 0;
	hash_text(&au->newest_head.hash, root);
	const struct audit_mark *point =
		au->newest_point.at > 0 ? &au->newest_point : &m->point;
	if (point->at > 0)
		hash_text(&point->hash, hash);
	const struct kept k = {.cloud = au->cloud,
			       .size = au->newest_head.at,
			       .root = str_from(root),
			       .sequence = MAX_OF(point->at, (int64_t)0),
			       .hash = str_from(hash),
			       .at_ms = au->now_ms};
	json_write_struct(&kept_desc, &k, &b);
	buf_add_c(&b, '\n');
	if (buf_check(&b, e) < 0 || arena_check(c->arena, e) < 0 ||
	    file_write(kept_path(c, m), buf_str(&b), 0600, e) < 0)
		return -1;
	return testify(c, au, root, e);
}
