/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The chain of events, and what was signed of it. After the first fault no more is looked for. */
#include "cli/audit.h"
#include "core/audit.h"

enum { EVENT_TEXT_MAX = AUDIT_RECORD_MAX };

MUST int audit_take_point(struct audit *au, const struct json *record, struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(1000);
	struct str hash = client_text(record, "hash");
	struct audit_mark m = {.at = client_i64(record, "sequence"),
			       .at_ms = client_i64(record, "at_ms"),
			       .whose = S("the master"),
			       .is_ours = true};
	audit_checkpoint_text(au->cloud, m.at, hash, m.at_ms, &said);
	enum audit_signed how = audit_signature(au, client_text(record, "key"),
						client_text(record, "signature"), &said);
	if (how == AUDIT_BAD_SIGNATURE || hash_parse(hash, &m.hash, e) < 0) {
		audit_say(au, "checkpoints", AUDIT_BROKEN,
			  "the signature over event %lld does not hold", (long long)m.at);
		return 0;
	}
	if (how == AUDIT_STRANGE_KEY) {
		au->point_strange++;
		return 0;
	}
	au->point_good++;
	if (m.at > au->newest_point.at)
		au->newest_point = m;
	return audit_marks_add(au, &au->points, &m, e);
}

static void broken(struct audit *au, const char *what, int64_t sequence)
{
	audit_say(au, "chain", AUDIT_BROKEN, "event %lld %s", (long long)sequence, what);
	au->is_chain_broken = true;
}

/* An event that somebody vouched for, and another hash. */
static void differs(struct audit *au, const struct audit_mark *m)
{
	audit_say(au, "chain", m->is_ours ? AUDIT_BROKEN : AUDIT_FORKED,
		  "event %lld is not the one that %" STR_F " %s at %" STR_F, (long long)m->at,
		  STR_A(m->whose), m->is_ours ? "signed" : "saw",
		  STR_A(audit_when(au->a, m->at_ms)));
	au->is_chain_broken = true;
}

/* Reads the record; false: something of it is no event. */
static bool event_of(const struct json *record, struct arena *page, struct event *out)
{
	struct err ignored;
	*out = (struct event){
		.sequence = client_i64(record, "sequence"),
		.subject = client_text(record, "subject"),
		.kind = client_text(record, "kind"),
		.body_json = json_text(json_get(record, S("body")), page),
		.hash = client_text(record, "hash"),
	};
	return out->hash.n == HASH_TEXT_SIZE - 1 &&
	       clock_parse(client_text(record, "at"), &out->at_ms, &ignored) == 0;
}

static bool follows(const struct audit *au, const struct event *ev)
{
	struct buf text CLEAN(buf_fini) = BUF_INIT(EVENT_TEXT_MAX);
	struct err ignored;
	char hex[HASH_TEXT_SIZE];
	audit_event_text(str_from(au->previous), ev, &text);
	if (buf_check(&text, &ignored) < 0)
		return false;
	struct hash sum = hash_of(buf_str(&text));
	hash_text(&sum, hex);
	return str_is(ev->hash, hex);
}

static void meet_marks(struct audit *au, const struct event *ev)
{
	struct audit_marks *m = &au->points;
	struct err ignored;
	struct hash hash;
	for (; m->next < m->n && m->items[m->next].at <= ev->sequence; m->next++) {
		const struct audit_mark *mark = &m->items[m->next];
		if (mark->at == ev->sequence &&
		    (hash_parse(ev->hash, &hash, &ignored) < 0 || !hash_eq(&hash, &mark->hash)))
			differs(au, mark);
	}
}

void audit_take_event(struct audit *au, const struct json *record, struct arena *page)
{
	struct event ev;
	if (au->is_chain_broken)
		return;
	bool is_event = event_of(record, page, &ev);
	if (ev.sequence != au->expected) {
		broken(au, "is missing", au->expected);
		return;
	}
	if (!is_event || (au->previous[0] && !follows(au, &ev))) {
		broken(au, "was changed, or does not follow the one before it", ev.sequence);
		return;
	}
	memcpy(au->previous, ev.hash.p, HASH_TEXT_SIZE - 1);
	au->previous[HASH_TEXT_SIZE - 1] = 0;
	au->expected = ev.sequence + 1;
	au->events++;
	meet_marks(au, &ev);
}

/* Somebody vouched for events beyond the last one. */
static void check_end(struct audit *au)
{
	int64_t last = au->expected - 1;
	for (size_t i = 0; i < au->points.n; i++) {
		const struct audit_mark *m = &au->points.items[i];
		if (m->at <= last)
			continue;
		audit_say(au, "chain", m->is_ours ? AUDIT_BROKEN : AUDIT_FORKED,
			  "event %lld is missing: the chain ends at %lld, but %" STR_F
			  " %s %lld at %" STR_F,
			  (long long)last + 1, (long long)last, STR_A(m->whose),
			  m->is_ours ? "signed" : "saw", (long long)m->at,
			  STR_A(audit_when(au->a, m->at_ms)));
		au->is_chain_broken = true;
		return;
	}
}

/* What is signed, where the events themselves are not for this caller. */
static void end_closed(struct audit *au)
{
	for (size_t i = 0; i < au->points.n; i++) {
		const struct audit_mark *m = &au->points.items[i];
		if (!m->is_ours && m->at > au->newest_point.at) {
			audit_say(au, "chain", AUDIT_FORKED,
				  "the newest checkpoint is of event %lld, but %" STR_F
				  " saw one of %lld at %" STR_F,
				  (long long)au->newest_point.at, STR_A(m->whose),
				  (long long)m->at, STR_A(audit_when(au->a, m->at_ms)));
			return;
		}
	}
	audit_say(au, "chain", AUDIT_NOT_CHECKED,
		  "events are shown to auditors and operators only");
}

void audit_end_chain(struct audit *au)
{
	if (au->is_closed_to_us) {
		end_closed(au);
	} else {
		if (!au->is_chain_broken)
			check_end(au);
		if (!au->is_chain_broken && au->events == 0)
			audit_say(au, "chain", AUDIT_HOLDS, "there are no events");
		else if (!au->is_chain_broken)
			audit_say(
				au, "chain", AUDIT_HOLDS,
				"events %lld to %lld follow from each other; the last hash is "
				"%s",
				(long long)au->first, (long long)au->expected - 1,
				au->previous);
	}
	if (!au->is_signed) {
		audit_say(au, "checkpoints", AUDIT_NOT_CHECKED,
			  "this master is local and signs nothing: keep the last hash "
			  "elsewhere, or the end can be cut off unseen");
		return;
	}
	if (au->point_strange && au->point_good == 0)
		audit_say(au, "checkpoints", AUDIT_BROKEN,
			  "%lld are signed by keys that no certificate vouches for",
			  (long long)au->point_strange);
	else if (au->point_good)
		audit_say(au, "checkpoints", AUDIT_HOLDS,
			  "%lld signatures hold (%lld by keys of earlier masters were not "
			  "looked at); the newest is of event %lld at %" STR_F,
			  (long long)au->point_good, (long long)au->point_strange,
			  (long long)au->newest_point.at,
			  STR_A(audit_when(au->a, au->newest_point.at_ms)));
	else
		audit_say(au, "checkpoints", AUDIT_NOT_CHECKED, "none was made yet");
}
