/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The transparency log, computed again from its leaves. Of a growing tree only the roots of its
 * complete subtrees are kept, at most one a level; wherever somebody vouched for a size, the root
 * is made of them and compared.
 */
#include "cli/audit.h"
#include "core/audit.h"
#include "trust/jose.h"

enum { ENTRY_TEXT_MAX = 16 << 10 };

MUST int audit_take_head(struct audit *au, const struct json *record, struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct str root = client_text(record, "root");
	struct audit_mark m = {.at = client_i64(record, "size"),
			       .at_ms = client_i64(record, "at_ms"),
			       .whose = S("the master"),
			       .is_ours = true};
	audit_head_text(au->cloud, m.at, root, m.at_ms, &said);
	enum audit_signed how = audit_signature(au, client_text(record, "key"),
						client_text(record, "signature"), &said);
	if (how == AUDIT_BAD_SIGNATURE || hash_parse(root, &m.hash, e) < 0) {
		audit_say(au, "heads", AUDIT_BROKEN,
			  "the signature over size %lld does not hold", (long long)m.at);
		return 0;
	}
	if (how == AUDIT_STRANGE_KEY) {
		au->head_strange++;
		return 0;
	}
	au->head_good++;
	if (m.at > au->newest_head.at)
		au->newest_head = m;
	return audit_marks_add(au, &au->heads, &m, e);
}

/* Signed by a key that is told with it: its name is the hash of its public half. */
static bool is_witnessed(struct audit *au, const struct json *record, const struct buf *said)
{
	struct err ignored;
	struct str public, signature;
	char name[HASH_TEXT_SIZE];
	if (base64url_read(client_text(record, "public"), au->a, &public, &ignored) < 0 ||
	    base64url_read(client_text(record, "signature"), au->a, &signature, &ignored) < 0)
		return false;
	struct hash h = hash_of(public);
	hash_text(&h, name);
	return str_is(client_text(record, "key"), name) &&
	       key_is_signed_by(public, buf_str(said), signature);
}

MUST int audit_take_witness(struct audit *au, const struct json *record, struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct str root = client_text(record, "root"), name = client_text(record, "witness");
	struct audit_mark m = {.at = client_i64(record, "size"),
			       .at_ms = client_i64(record, "at_ms")};
	audit_witness_text(au->cloud, m.at, root, &said);
	if (!is_witnessed(au, record, &said) || hash_parse(root, &m.hash, e) < 0) {
		audit_say(au, "witnesses", AUDIT_BROKEN,
			  "the signature of key %" STR_F "… over size %lld does not hold",
			  STR_A(str_sub(client_text(record, "key"), 0, 16)), (long long)m.at);
		return 0;
	}
	m.whose = name.n ? arena_dup(au->a, name)
			 : arena_fmt(au->a, "witness %" STR_F "…",
				     STR_A(str_sub(client_text(record, "key"), 0, 16)));
	au->witness_good++;
	return audit_marks_add(au, &au->heads, &m, e);
}

/* ---- entries ------------------------------------------------------------------------------- */

static struct hash root_now(const struct audit *au)
{
	if (au->depth == 0)
		return merkle_empty();
	struct hash h = au->stack[au->depth - 1];
	for (size_t i = au->depth - 1; i > 0; i--)
		h = merkle_node(&au->stack[i - 1], &h);
	return h;
}

static void add_leaf(struct audit *au, const struct hash *leaf)
{
	struct hash h = *leaf;
	unsigned level = 0;
	for (; au->depth && au->levels[au->depth - 1] == level; level++)
		h = merkle_node(&au->stack[--au->depth], &h);
	au->levels[au->depth] = level;
	au->stack[au->depth++] = h;
	au->entries++;
}

/* Whoever vouched for the log as it is now saw this root. */
static void meet_heads(struct audit *au)
{
	struct audit_marks *m = &au->heads;
	if (m->next == m->n || m->items[m->next].at > au->entries)
		return;
	struct hash root = root_now(au);
	for (; m->next < m->n && m->items[m->next].at <= au->entries; m->next++) {
		const struct audit_mark *mark = &m->items[m->next];
		if (mark->at != au->entries || hash_eq(&mark->hash, &root))
			continue;
		audit_say(au, "log", mark->is_ours ? AUDIT_BROKEN : AUDIT_FORKED,
			  "the first %lld entries are not those that %" STR_F " %s at %" STR_F,
			  (long long)mark->at, STR_A(mark->whose),
			  mark->is_ours ? "signed" : "saw",
			  STR_A(audit_when(au->a, mark->at_ms)));
		au->is_log_broken = true;
	}
}

static void meet_wanted(struct audit *au, const struct json *record, const struct hash *leaf)
{
	struct str subject = client_text(record, "subject"),
		   sha256 = client_text(json_get(record, S("body")), "sha256");
	for (size_t i = 0; i < au->wanted_count; i++) {
		struct audit_wanted *w = &au->wanted[i];
		if (w->is_found || !str_eq(w->subject, subject) ||
		    (w->sha256.n && !str_eq(w->sha256, sha256)))
			continue;
		w->is_found = true;
		w->position = au->entries;
		w->leaf = *leaf;
	}
}

/* The leaf's hash, computed where its text is told; false: the text is another. */
static bool leaf_of(const struct json *record, struct arena *page, struct hash *out)
{
	struct buf text CLEAN(buf_fini) = BUF_INIT(ENTRY_TEXT_MAX);
	struct err ignored;
	if (hash_parse(client_text(record, "hash"), out, &ignored) < 0)
		return false;
	if (json_bool_of(json_get(record, S("hidden")), false))
		return true;
	audit_entry_text(client_text(record, "kind"), client_text(record, "subject"),
			 client_i64(record, "at_ms"),
			 json_text(json_get(record, S("body")), page), &text);
	struct hash leaf = merkle_leaf(buf_str(&text));
	return buf_check(&text, &ignored) == 0 && hash_eq(&leaf, out);
}

void audit_take_entry(struct audit *au, const struct json *record, struct arena *page)
{
	struct hash leaf;
	if (au->entries == 0)
		meet_heads(au); /* of an empty log */
	if (au->is_log_broken)
		return;
	if (client_i64(record, "position") != au->entries) {
		audit_say(au, "log", AUDIT_BROKEN, "entry %lld is missing",
			  (long long)au->entries);
		au->is_log_broken = true;
		return;
	}
	if (!leaf_of(record, page, &leaf)) {
		audit_say(au, "log", AUDIT_BROKEN, "entry %lld was changed",
			  (long long)au->entries);
		au->is_log_broken = true;
		return;
	}
	au->hidden += json_bool_of(json_get(record, S("hidden")), false);
	meet_wanted(au, record, &leaf);
	add_leaf(au, &leaf);
	meet_heads(au);
}

/* Somebody vouched for more entries than there are. */
static void check_end(struct audit *au)
{
	for (size_t i = au->heads.next; i < au->heads.n && !au->is_log_broken; i++) {
		const struct audit_mark *m = &au->heads.items[i];
		audit_say(au, "log", m->is_ours ? AUDIT_BROKEN : AUDIT_FORKED,
			  "the log shrank: it has %lld entries, but %" STR_F
			  " %s %lld at %" STR_F,
			  (long long)au->entries, STR_A(m->whose),
			  m->is_ours ? "signed" : "saw", (long long)m->at,
			  STR_A(audit_when(au->a, m->at_ms)));
		au->is_log_broken = true;
	}
}

static void say_wanted(struct audit *au)
{
	for (size_t i = 0; i < au->wanted_count; i++) {
		const struct audit_wanted *w = &au->wanted[i];
		if (!w->is_found)
			audit_say(au, "inclusion", AUDIT_BROKEN,
				  "%" STR_F " (%" STR_F ") is not in the log", STR_A(w->what),
				  STR_A(w->subject));
		else if (au->is_signed && w->position >= au->newest_head.at)
			audit_say(au, "inclusion", AUDIT_NOT_CHECKED,
				  "%" STR_F " is entry %lld, younger than the newest head: ask "
				  "again in a few seconds",
				  STR_A(w->what), (long long)w->position);
		else
			audit_say(au, "inclusion", AUDIT_HOLDS, "%" STR_F " is entry %lld",
				  STR_A(w->what), (long long)w->position);
	}
}

void audit_end_log(struct audit *au)
{
	if (au->entries == 0)
		meet_heads(au);
	check_end(au);
	if (!au->is_log_broken) {
		audit_say(au, "log", AUDIT_HOLDS,
			  "%lld entries%s; of %lld others' only the hash was told",
			  (long long)au->entries,
			  au->is_signed ? ", every head that is known fits them" : "",
			  (long long)au->hidden);
		say_wanted(au);
	}
	if (!au->is_signed)
		return;
	if (au->head_strange && au->head_good == 0)
		audit_say(au, "heads", AUDIT_BROKEN,
			  "%lld are signed by keys that no certificate vouches for",
			  (long long)au->head_strange);
	else if (au->head_good)
		audit_say(au, "heads", AUDIT_HOLDS,
			  "%lld signatures hold; the newest is of size %lld at %" STR_F,
			  (long long)au->head_good, (long long)au->newest_head.at,
			  STR_A(audit_when(au->a, au->newest_head.at_ms)));
	else
		audit_say(au, "heads", AUDIT_NOT_CHECKED, "none was made yet");
	if (au->witness_good)
		audit_say(au, "witnesses", AUDIT_HOLDS, "%lld saw this log too",
			  (long long)au->witness_good);
}
