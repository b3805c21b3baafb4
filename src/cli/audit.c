/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The verbs: audit verify, audit export, audit log. */
#include "cli/audit.h"

#include "cli/audit_memory.h"

enum { AUDIT_ARENA = 256 << 20, RELEASES_MAX = 64 };

static const char *const state_words[] = {
	[AUDIT_HOLDS] = "holds",
	[AUDIT_NOT_CHECKED] = "not checked",
	[AUDIT_BROKEN] = "BROKEN",
	[AUDIT_FORKED] = "ANOTHER LOG",
};

/* ---- verify -------------------------------------------------------------------------------- */

/* Releases that the caller names have to be in the log. */
MUST static int want_releases(struct cli_call *c, struct audit *au, struct err *e)
{
	au->wanted = ARENA_ARRAY(au->a, struct audit_wanted, RELEASES_MAX);
	for (size_t i = 0; cli_value_at(c, "release", i); i++) {
		const char *name = cli_value_at(c, "release", i);
		struct str uri = str_from(name);
		struct json *answer;
		if (i == RELEASES_MAX)
			return err_field(e, "release", "is given more than %d times",
					 RELEASES_MAX);
		if (!cli_has(c, "file")) {
			if (client_get(c, client_path(c, "/v1/releases/", name, ""), &answer,
				       e) < 0)
				return -1;
			uri = client_text(answer, "release");
		}
		if (arena_check(au->a, e) < 0)
			return -1;
		au->wanted[au->wanted_count++] = (struct audit_wanted){
			.what = arena_fmt(au->a, "release %s", name), .subject = uri};
	}
	return 0;
}

MUST static int verify_master(struct cli_call *c, struct audit *au,
			      const struct audit_memory *m, int64_t from, struct err *e)
{
	const struct audit_question q = {
		.roots = m->roots, .certificate = m->certificate, .from = from};
	if (audit_remember(au, &m->point, &m->head, e) < 0 ||
	    audit_ask(c, &q, audit_check, au, e) < 0)
		return -1;
	if (!au->is_signed && str_starts(str_from(c->master), S("https://")))
		audit_say(au, "checkpoints", AUDIT_BROKEN,
			  "this master is not local and yet says that it signs nothing");
	audit_end(au);
	if (audit_memory_prove(c, m, au, e) < 0)
		return -1;
	return audit_memory_keep(c, m, au, e);
}

/* An archive that is no longer what was written is a finding, beside those of its content. */
MUST static int verify_file(const char *path, struct audit *au, struct err *e)
{
	if (audit_read(path, audit_check, au, e) < 0) {
		if (e->kind != ERR_CORRUPT)
			return -1;
		audit_say(au, "archive", AUDIT_BROKEN, "%s", e->text);
	}
	audit_end(au);
	return 0;
}

static void print_json(struct cli_call *c, const struct audit *au)
{
	struct json *doc = json_object_new(c->arena), *list = json_array_new(c->arena);
	for (size_t i = 0; i < au->finding_count; i++) {
		const struct audit_finding *f = &au->findings[i];
		struct json *row = json_object_new(c->arena);
		json_set_str(c->arena, row, S("about"), str_from(f->about));
		json_set_str(c->arena, row, S("state"), str_from(state_words[f->state]));
		json_set_str(c->arena, row, S("text"), f->text);
		json_add(c->arena, list, row);
	}
	json_set_bool(c->arena, doc, S("holds"), audit_verdict(au) <= AUDIT_NOT_CHECKED);
	json_set_str(c->arena, doc, S("cloud"), au->cloud.p ? au->cloud : S(""));
	json_set_bool(c->arena, doc, S("signed"), au->is_signed);
	json_set_i64(c->arena, doc, S("events"), au->events);
	json_set_i64(c->arena, doc, S("entries"), au->entries);
	json_set(c->arena, doc, S("findings"), list);
	client_print_json(c, doc);
}

static void print_table(struct cli_call *c, const struct audit *au)
{
	static const char *const heads[] = {"STATE", "ABOUT", "FINDING", NULL};
	struct table t;
	table_start(&t, c, heads);
	for (size_t i = 0; i < au->finding_count; i++) {
		table_cell(&t, str_from(state_words[au->findings[i].state]));
		table_cell(&t, str_from(au->findings[i].about));
		table_cell(&t, au->findings[i].text);
	}
	table_end(&t, "nothing was found");
}

/* The first of the worst findings decides how the verb ends. */
static int conclude(struct cli_call *c, const struct audit *au, struct err *e)
{
	enum audit_state worst = audit_verdict(au);
	const struct audit_finding *f = NULL;
	if (c->is_json)
		print_json(c, au);
	else
		print_table(c, au);
	if (worst <= AUDIT_NOT_CHECKED)
		return 0;
	for (size_t i = 0; i < au->finding_count && !f; i++)
		if (au->findings[i].state == worst)
			f = &au->findings[i];
	ASSERT(f);
	if (worst == AUDIT_BROKEN)
		return err_fail(e, ERR_CORRUPT, "%s: %" STR_F, f->about, STR_A(f->text));
	(void)fflush(c->out);
	(void)fprintf(
		stderr,
		"hoc: THIS MASTER SHOWS ANOTHER HISTORY THAN BEFORE: %" STR_F
		"\nhoc: keep log-head.json and an export, and ask the cloud's auditors.\n",
		STR_A(f->text));
	return AUDIT_FORK;
}

static int verify(struct cli_call *c, struct audit *au, struct err *e)
{
	struct audit_memory m;
	int64_t from = 1;
	const char *file = cli_value(c, "file");
	if (cli_i64(c, "from", 1, INT64_MAX, &from, e) < 0 || audit_memory_read(c, &m, e) < 0)
		return -1;
	audit_init(au, au->a, m.roots, clock_now_ms(clock_system()));
	if (want_releases(c, au, e) < 0)
		return -1;
	if (file ? verify_file(file, au, e) < 0 : verify_master(c, au, &m, from, e) < 0)
		return -1;
	if (arena_check(au->a, e) < 0)
		return -1;
	return conclude(c, au, e);
}

static int verb_verify(struct cli_call *c, struct err *e)
{
	struct audit au = {.a = NULL};
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(AUDIT_ARENA, &a, e) < 0)
		return -1;
	au.a = a;
	int rc = verify(c, &au, e);
	audit_fini(&au);
	return rc;
}

/* ---- export -------------------------------------------------------------------------------- */

static int verb_export(struct cli_call *c, struct err *e)
{
	struct audit_memory m;
	int64_t from = 1, lines = 0;
	const char *path;
	if (cli_path(c, "out", &path, e) < 0 ||
	    cli_i64(c, "from", 1, INT64_MAX, &from, e) < 0 || audit_memory_read(c, &m, e) < 0)
		return -1;
	const struct audit_question q = {
		.roots = m.roots, .certificate = m.certificate, .from = from};
	if (audit_write(c, &q, path, &lines, e) < 0)
		return -1;
	if (c->is_json) {
		struct json *doc = json_object_new(c->arena);
		json_set_str(c->arena, doc, S("file"), str_from(path));
		json_set_i64(c->arena, doc, S("records"), lines);
		client_print_json(c, doc);
	} else {
		(void)fprintf(c->out, "%lld records in %s\n", (long long)lines, path);
	}
	return 0;
}

/* ---- log ----------------------------------------------------------------------------------- */

static void print_entries(struct cli_call *c, const struct json *rows)
{
	static const char *const heads[] = {"POSITION", "AT",	   "KIND",
					    "SUBJECT",	"DETAILS", NULL};
	struct table t;
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);
		bool is_hidden = json_bool_of(json_get(row, S("hidden")), false);
		table_cell(&t,
			   arena_fmt(c->arena, "%lld", (long long)client_i64(row, "position")));
		table_cell(&t,
			   is_hidden ? S("-") : audit_when(c->arena, client_i64(row, "at_ms")));
		table_cell(&t, is_hidden ? S("-") : client_text(row, "kind"));
		table_cell(&t,
			   is_hidden ? client_text(row, "hash") : client_text(row, "subject"));
		table_cell(&t, is_hidden ? S("not yours: only its hash is told")
					 : json_text(json_get(row, S("body")), c->arena));
	}
	table_end(&t, "no entries");
}

static int verb_entries(struct cli_call *c, struct err *e)
{
	int64_t from = 0, limit = 100;
	struct json *answer;
	if (cli_i64(c, "from", 0, INT64_MAX, &from, e) < 0 ||
	    cli_i64(c, "limit", 1, 1000, &limit, e) < 0)
		return -1;
	struct str path = arena_fmt(c->arena, "/v1/log/entries?from=%lld&limit=%lld",
				    (long long)from, (long long)limit);
	path = client_query(c, path, "subject", cli_value(c, "subject"));
	if (arena_check(c->arena, e) < 0 || client_get(c, path, &answer, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, answer);
	else
		print_entries(c, json_get(answer, S("entries")));
	return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

#define FROM_EVENT \
	{ \
		.name = "from", .argument = "N", .initial = "1", \
		.help = "Begin with event N; what was before is believed." \
	}
static const struct cli_option verify_options[] = {
	FROM_EVENT,
	{.name = "file",
	 .argument = "FILE",
	 .help = "Check an archive of hoc audit export instead of a master."},
	{.name = "release",
	 .argument = "RELEASE",
	 .is_repeated = true,
	 .help = "A release that has to be in the log; of an archive its whole URI."},
	{.name = NULL}};
static const struct cli_option export_options[] = {
	{.name = "out",
	 .argument = "FILE",
	 .help = "Where to; a file that is there is replaced.",
	 .is_required = true},
	FROM_EVENT,
	{.name = NULL}};
static const struct cli_option entries_options[] = {
	{.name = "from", .argument = "N", .initial = "0", .help = "First position."},
	{.name = "limit", .argument = "N", .initial = "100", .help = "At most so many; 1000."},
	{.name = "subject",
	 .argument = "TEXT",
	 .help = "Only what is about it: the serial of a certificate, the name of a key, the "
		 "URI of a release."},
	{.name = NULL}};

#define EXITS_ASK "10 the master does not answer"

static const char auditing[] = "Checking the master";

static const struct cli_cmd cmds[] = {
	{.name = "audit verify",
	 .group = auditing,
	 .options = verify_options,
	 .fn = verb_verify,
	 .help = "Check a master's history: chain, signatures, log, and what this client saw "
		 "before.",
	 .details =
		 "Computes the chain of events and the tree of the log again, checks the "
		 "signatures under both by the certificates of the masters, that your "
		 "certificate and the releases you name are in the log, and that the log "
		 "continues the one that you and other witnesses saw. What held is kept in "
		 "log-head.json beside your key, and signed for others to see.\n"
		 "Events are shown to auditors and operators; others check the rest. A local "
		 "master signs nothing: the chain and the log alone are checked.",
	 .example = "hoc audit verify\nhoc audit verify --release nginx\n"
		    "hoc audit verify --file cloud.audit",
	 .exits = "12 something does not hold; the text names the first event or entry\n"
		  "20 this log is not the one that this client, or a witness, saw\n" EXITS_ASK},
	{.name = "audit export",
	 .group = auditing,
	 .options = export_options,
	 .fn = verb_export,
	 .help = "Write all that proves a master's history into a file.",
	 .details = "A record a line, JSON: certificates of the masters, checkpoints, events, "
		    "heads, witnesses, entries of the log. hoc audit verify --file proves it "
		    "without any master.",
	 .example = "hoc audit export --out cloud.audit",
	 .exits = EXITS_ASK},
	{.name = "audit log",
	 .group = auditing,
	 .options = entries_options,
	 .fn = verb_entries,
	 .help = "List the transparency log: certificates, changes of keys, releases.",
	 .example = "hoc audit log\nhoc audit log --from 100 --json",
	 .exits = EXITS_ASK},
};

const struct cli_table cli_audit_commands = {cmds, ARRAY_LEN(cmds)};
