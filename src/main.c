/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * hoc: the one program. Joins the tables of verbs and holds those that start a room which the
 * client does not know: the node, the supervisor, the master.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/join.h"
#include "api/permissions.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/acme.h"
#include "cli/audit.h"
#include "cli/ca.h"
#include "cli/client.h"
#include "cli/identity.h"
#include "cli/passkey.h"
#include "cli/people.h"
#include "cli/secret.h"
#include "cli/settings.h"
#include "json/json.h"
#include "master/init.h"
#include "master/master.h"
#include "profile/build.h"
#include "profile/eval.h"
#include "supervise/supervise.h"
#include "trust/wipe.h"

static int set_log_level(const struct cli_call *c, struct err *e)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	const char *text = cli_value(c, "log-level");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0) {
			log_set_level((enum log_level)i);
			return 0;
		}
	return err_field(e, "log-level", "must be debug, info, warn or error");
}

#define LOG_LEVEL_OPTION \
	{ \
		.name = "log-level", .argument = "LEVEL", .choices = "debug info warn error", \
		.help = "Least level that is logged: debug, info, warn, error.", \
		.initial = "info" \
	}

/* ---- node ---------------------------------------------------------------------------------- */

#define DIR_OPTION \
	{ \
		.name = "dir", .argument = "DIR", \
		.help = "The node's directory; else $HOC_NODE, else the settings file." \
	}

static const struct cli_option format_options[] = {
	DIR_OPTION,
	{.name = "name", .argument = "NAME", .help = "Name of the node.", .is_required = true},
	{.name = "partitions",
	 .argument = "N",
	 .help = "Partitions the node has.",
	 .initial = "8"},
	{.name = "uid-first",
	 .argument = "UID",
	 .help = "First user id of the ranges; 0 looks for a free one.",
	 .initial = "0"},
	{.name = "dry-run", .help = "Only say what would be."},
	{.name = NULL},
};

static const struct cli_option dir_options[] = {DIR_OPTION, {.name = NULL}};

#define RUN_OPTIONS \
	DIR_OPTION, LOG_LEVEL_OPTION, \
		{.name = "meter-seconds", \
		 .argument = "N", \
		 .help = "Seconds between readings of usage; 0: never.", \
		 .initial = "60"}, \
		{.name = "poll-seconds", \
		 .argument = "N", \
		 .help = "Length of a long poll of the master.", \
		 .initial = "50"}, \
	{ \
		.name = "steps", .argument = "N", .help = "Partitions worked on at once.", \
		.initial = "8" \
	}

static const struct cli_option run_options[] = {
	RUN_OPTIONS,
	{.name = "alone", .help = "Without a master: keep what was last known."},
	{.name = NULL}};

static const struct cli_option pass_options[] = {RUN_OPTIONS,
						 {.name = "limit-seconds",
						  .argument = "N",
						  .help = "Give up after so long.",
						  .initial = "600"},
						 {.name = NULL}};

static int node_dir(struct cli_call *c, const char **out, struct err *e)
{
	if (settings_node(cli_value(c, "dir"), c->arena, out, e) < 0)
		return -1;
	if (!*out)
		return err_fail(e, ERR_USAGE, "which node? give --dir DIR, or set HOC_NODE");
	return 0;
}

static void print_format(const struct cli_call *c, const struct agent_format_result *r)
{
	struct err e = ERR_INIT;
	struct json *doc;
	(void)fprintf(c->out, "%s: %lld partitions added, %lld kept, %lld removed\n",
		      r->is_new ? "new node" : "node", (long long)r->added, (long long)r->kept,
		      (long long)r->removed);
	if (json_parse(r->text, c->arena, &doc, &e) < 0)
		return;
	const struct json *list = json_get(doc, S("partitions"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		struct str none = S("");
		(void)fprintf(c->out,
			      "  %-6" STR_F "users %lld+65536  %-15" STR_F " %" STR_F "\n",
			      STR_A(json_str_of(json_get(p, S("name")), none)),
			      (long long)json_i64_of(json_get(p, S("uid_base")), 0),
			      STR_A(json_str_of(json_get(p, S("ipv4")), none)),
			      STR_A(json_str_of(json_get(p, S("ipv6")), none)));
	}
}

static int do_format(struct cli_call *c, struct err *e)
{
	struct agent_format f = {.node = str_from(cli_value(c, "name")),
				 .is_dry_run = cli_has(c, "dry-run")};
	struct agent_format_result r;
	if (node_dir(c, &f.dir, e) < 0 ||
	    cli_i64(c, "partitions", 1, 4000, &f.partitions, e) < 0 ||
	    cli_i64(c, "uid-first", 0, 2000000000, &f.uid_first, e) < 0 ||
	    agent_format(&f, c->arena, &r, e) < 0)
		return -1;
	if (c->is_json)
		(void)fprintf(c->out, "%" STR_F "\n", STR_A(r.text));
	else
		print_format(c, &r);
	return 0;
}

static int do_unformat(struct cli_call *c, struct err *e)
{
	const char *dir;
	if (node_dir(c, &dir, e) < 0)
		return -1;
	return agent_unformat(dir, e);
}

enum { TOKEN_SIZE = 128 };

/* The token's text into `out`, without its line's end; from standard input for "-". */
static int read_token(const char *given, char out[static TOKEN_SIZE], struct err *e)
{
	if (strcmp(given, "-") != 0)
		(void)snprintf(out, TOKEN_SIZE, "%s", given);
	else if (!fgets(out, TOKEN_SIZE, stdin))
		return err_field(e, "token", "nothing came on standard input");
	return 0;
}

static void print_joined(struct cli_call *c, const struct agent_join *j,
			 const struct agent_joined *r)
{
	char until[CLOCK_TEXT_SIZE];
	clock_text(r->to_ms, until);
	if (!c->is_json) {
		(void)fprintf(c->out,
			      "node %" STR_F " of %" STR_F " (%s)\nkey %" STR_F
			      "\ncertificate until %s, renewed before by the agent\n",
			      STR_A(r->node), STR_A(r->cloud), j->url, STR_A(r->key), until);
		return;
	}
	struct json *o = json_object_new(c->arena);
	json_set_str(c->arena, o, S("node"), r->node);
	json_set_str(c->arena, o, S("cloud"), r->cloud);
	json_set_str(c->arena, o, S("key"), r->key);
	json_set_str(c->arena, o, S("to"), str_from(until));
	client_print_json(c, o);
}

static int do_node_join(struct cli_call *c, struct err *e)
{
	char token[TOKEN_SIZE];
	struct agent_join j = {.url = c->arguments[0], .clock = clock_system()};
	struct agent_joined r;
	if (node_dir(c, &j.dir, e) < 0 || read_token(c->arguments[1], token, e) < 0)
		return -1;
	j.token = str_from(token);
	int rc = agent_join(&j, c->arena, &r, e);
	trust_wipe(token, sizeof token);
	if (rc < 0)
		return -1;
	print_joined(c, &j, &r);
	return 0;
}

static int agent_options_of(struct cli_call *c, struct agent_options *o, struct err *e)
{
	(void)trust_harden();
	*o = (struct agent_options){.master = c->master, .program = c->program};
	if (node_dir(c, &o->dir, e) < 0 || set_log_level(c, e) < 0 ||
	    cli_i64(c, "meter-seconds", 0, 900, &o->meter_seconds, e) < 0 ||
	    cli_i64(c, "poll-seconds", 1, 60, &o->poll_seconds, e) < 0)
		return -1;
	return cli_i64(c, "steps", 1, 256, &o->steps, e);
}

static int do_node_run(struct cli_call *c, struct err *e)
{
	struct agent_options o;
	if (agent_options_of(c, &o, e) < 0)
		return -1;
	if (cli_has(c, "alone"))
		o.master = NULL;
	return agent_run(&o, e);
}

/* Exit code 1: the pass went through and something did not reach what is wanted. */
static int say_failed(const struct cli_call *c, int64_t failed)
{
	if (c->is_json)
		(void)fprintf(c->out, "{\"failed\":%lld}\n", (long long)failed);
	else
		(void)fprintf(c->out, failed ? "%lld failed\n" : "settled\n",
			      (long long)failed);
	return failed > 0;
}

static int do_pass(struct cli_call *c, struct err *e)
{
	struct agent_options o;
	int64_t seconds, failed;
	if (agent_options_of(c, &o, e) < 0 ||
	    cli_i64(c, "limit-seconds", 1, 86400, &seconds, e) < 0 ||
	    agent_pass(&o, seconds * 1000, &failed, e) < 0)
		return -1;
	return say_failed(c, failed);
}

static int do_boot(struct cli_call *c, struct err *e)
{
	struct agent_options o;
	int64_t seconds, failed;
	if (agent_options_of(c, &o, e) < 0 ||
	    cli_i64(c, "limit-seconds", 1, 86400, &seconds, e) < 0 ||
	    agent_boot(&o, seconds * 1000, &failed, e) < 0)
		return -1;
	return say_failed(c, failed);
}

static struct str kept_of(const struct cli_call *c, const struct json *promises)
{
	size_t kept = 0;
	for (size_t i = 0; i < json_count(promises); i++)
		kept += str_is(client_text(json_at(promises, i), "state"), "kept");
	return json_count(promises)
		       ? arena_fmt(c->arena, "%zu of %zu", kept, json_count(promises))
		       : S("");
}

static void print_partitions(struct cli_call *c, const struct json *list)
{
	static const char *const heads[] = {"PARTITION", "NOW",	    "ADDRESS", "TITLE",
					    "KEPT",	 "MESSAGE", NULL};
	struct table t;
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		table_cell(&t, client_text(p, "partition"));
		table_cell(&t, client_text(p, "now"));
		table_cell(&t, client_text(p, "ipv4"));
		table_cell(&t, client_text(p, "title"));
		table_cell(&t, kept_of(c, json_get(p, S("promises"))));
		table_cell(&t, client_text(p, "message"));
	}
	table_end(&t, "no partitions");
}

static void print_releases(struct cli_call *c, const struct json *list)
{
	static const char *const heads[] = {"RELEASE", "NOW", "PHASE", "MESSAGE", NULL};
	struct table t;
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *r = json_at(list, i);
		struct str release = client_text(r, "release"), phase = client_text(r, "phase");
		table_cell(&t, str_sub(release, 0, str_find(release, S("@sha256:")) + 16));
		table_cell(&t, client_text(r, "state"));
		if (phase.n)
			phase = arena_fmt(c->arena, "%" STR_F " %lld of %lld", STR_A(phase),
					  (long long)client_i64(r, "done"),
					  (long long)client_i64(r, "total"));
		table_cell(&t, phase);
		table_cell(&t, client_text(r, "message"));
	}
	table_end(&t, "no releases");
}

static void print_status(struct cli_call *c, const struct json *doc)
{
	const struct json *partitions = json_get(doc, S("partitions")),
			  *releases = json_get(doc, S("releases"));
	bool is_running = json_bool_of(json_get(doc, S("running")), false);
	(void)fprintf(c->out, "node %" STR_F ": %s, %s, %lld waiting to be sent\n",
		      STR_A(json_str_of(json_get(doc, S("node")), S("?"))),
		      is_running ? "agent runs" : "no agent runs (what it last knew)",
		      json_bool_of(json_get(doc, S("linked")), false) ? "master answers"
								      : "no master",
		      (long long)json_i64_of(json_get(doc, S("outbox")), 0));
	struct str trouble = client_text(json_get(doc, S("trust")), "trouble");
	if (trouble.n)
		(void)fprintf(c->out, "WARNING: %" STR_F "; the node changes nothing\n",
			      STR_A(trouble));
	(void)fputc('\n', c->out);
	print_releases(c, releases);
	(void)fputc('\n', c->out);
	print_partitions(c, partitions);
}

static int do_status(struct cli_call *c, struct err *e)
{
	const char *dir;
	struct str text;
	struct json *doc;
	if (node_dir(c, &dir, e) < 0 || agent_status(dir, c->arena, &text, e) < 0 ||
	    json_parse(text, c->arena, &doc, e) < 0)
		return -1;
	if (c->is_json)
		(void)fprintf(c->out, "%" STR_F "\n", STR_A(text));
	else
		print_status(c, doc);
	return 0;
}

/* ---- supervise ----------------------------------------------------------------------------- */

static const struct cli_option supervise_options[] = {
	{.name = "dir",
	 .argument = "DIR",
	 .help = "The node's directory.",
	 .is_required = true},
	{.name = "daemon", .help = "Return once it listens; it goes on in the background."},
	LOG_LEVEL_OPTION,
	{.name = NULL},
};

static void tell_ready(void *user)
{
	const int *fd = user;
	ssize_t ignored UNUSED = write(*fd, "r", 1);
	(void)close(*fd);
}

/* The child's end: a session of its own, the log as its output. */
static int become_daemon(const char *dir, int ready_fd, struct err *e)
{
	char path[4200];
	(void)snprintf(path, sizeof path, "%s/supervise/log", dir);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
	    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (log < 0 || null < 0 || setsid() < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		return err_os(e, errno, "become a daemon");
	(void)fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int run_daemon(const struct supervise_options *o, int ready_fd, struct err *e)
{
	struct supervise_options mine = *o;
	mine.ready = tell_ready;
	mine.user = &ready_fd;
	if (become_daemon(o->dir, ready_fd, e) < 0)
		return -1;
	if (supervise_run(&mine, e) == 0)
		return 0;
	log_err(LOG_ERROR, "program.failed", e, KV_C("program", "supervise"));
	return -1;
}

/* Waits for the word of the child; its failure stands in its log. */
static int await_daemon(const char *dir, int fd, struct err *e)
{
	char c;
	ssize_t n;
	while ((n = read(fd, &c, 1)) < 0 && errno == EINTR)
		continue;
	(void)close(fd);
	if (n == 1)
		return 0;
	return err_fail(e, ERR_BROKEN, "the supervisor did not start: see %s/supervise/log",
			dir);
}

static int do_supervise(struct cli_call *c, struct err *e)
{
	const char *dir;
	int pair[2];
	if (cli_path(c, "dir", &dir, e) < 0 || set_log_level(c, e) < 0)
		return -1;
	const char *const argv[] = {c->program, "supervise", "--dir", dir, NULL};
	const struct supervise_options o = {.dir = dir, .argv = argv};
	if (!cli_has(c, "daemon"))
		return supervise_run(&o, e);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_os(e, errno, "make a pipe");
	pid_t pid = fork();
	if (pid < 0)
		return err_os(e, errno, "fork");
	if (pid > 0) {
		(void)close(pair[1]);
		return await_daemon(dir, pair[0], e);
	}
	(void)close(pair[0]);
	return run_daemon(&o, pair[1], e);
}

/* ---- master -------------------------------------------------------------------------------- */

#define SECRET_OPTIONS \
	{.name = "passphrase-file", \
	 .argument = "FILE", \
	 .help = "Holds the passphrase that seals the keys; else systemd's credential " \
		 "hoc-passphrase."}, \
	{ \
		.name = "pin-file", .argument = "FILE", \
		.help = "Holds the PIN of the token; else systemd's credential hoc-pin." \
	}

#define DB_OPTION \
	{ \
		.name = "db", .argument = "URL", \
		.help = "sqlite:PATH or postgresql://…; else DIR/master.db." \
	}

static const struct cli_option master_options[] = {
	{.name = "data",
	 .argument = "DIR",
	 .help = "Directory of the master; an empty one is a fresh master.",
	 .is_required = true},
	{.name = "listen",
	 .argument = "ADDR",
	 .help = "Address and port; port 0 takes a free one, told in DIR/address.",
	 .initial = "127.0.0.1:8000"},
	{.name = "local",
	 .help = "No login: whoever reaches the loopback address is the operator."},
	SECRET_OPTIONS,
	DB_OPTION,
	LOG_LEVEL_OPTION,
	{.name = NULL},
};

static int do_master(struct cli_call *c, struct err *e)
{
	struct master_options o = {
		.listen = cli_value(c, "listen"),
		.is_local = cli_has(c, "local"),
		.passphrase_file = cli_value(c, "passphrase-file"),
		.pin_file = cli_value(c, "pin-file"),
		.db = cli_value(c, "db"),
		.program = c->program,
	};
	if (cli_path(c, "data", &o.data, e) < 0 || set_log_level(c, e) < 0)
		return -1;
	(void)trust_harden();
	return master_run(&o, e);
}

static const struct cli_option init_options[] = {
	{.name = "data",
	 .argument = "DIR",
	 .help = "Directory of the master.",
	 .is_required = true},
	{.name = "cloud",
	 .argument = "NAME",
	 .help = "Name of the cloud: a-z, 0-9 and '-'.",
	 .is_required = true},
	{.name = "name",
	 .argument = "HOST",
	 .help = "Host name or address that clients call the master by.",
	 .is_required = true,
	 .is_repeated = true},
	{.name = "operator",
	 .argument = "PERSON",
	 .help = "Name of the first operator.",
	 .is_required = true},
	SECRET_OPTIONS,
	{.name = "root-dir",
	 .argument = "DIR",
	 .help = "Keep the keys of the roots there, to be taken offline."},
	{.name = "token",
	 .argument = "URI",
	 .help = "Make the issuing keys in this PKCS #11 token: pkcs11:token=NAME."},
	{.name = "zone",
	 .argument = "DOMAIN",
	 .help = "DNS zone in which each customer has a domain."},
	DB_OPTION,
	{.name = NULL},
};

/* The next command of the operator, whole. */
static void print_invitation(const struct cli_call *c, struct str token)
{
	const char *host = cli_value_at(c, "name", 0);
	bool is_v6 = strchr(host, ':') != NULL;
	struct str url = arena_fmt(c->arena, "https://%s%s%s:8000", is_v6 ? "[" : "", host,
				   is_v6 ? "]" : "");
	if (c->is_json) {
		struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
		struct json *doc = json_object_new(c->arena);
		json_set_str(c->arena, doc, S("cloud"), str_from(cli_value(c, "cloud")));
		json_set_str(c->arena, doc, S("operator"), str_from(cli_value(c, "operator")));
		json_set_str(c->arena, doc, S("token"), token);
		json_write(doc, &b);
		(void)fprintf(c->out, "%" STR_F "\n", STR_A(buf_str(&b)));
		trust_wipe(b.p, b.n);
		return;
	}
	(void)fprintf(
		c->out,
		"The cloud %s is made. Start its master, then join as %s within a day:\n\n"
		"    hoc master run --data %s --listen ADDRESS:8000\n"
		"    hoc login %" STR_F " %" STR_F "\n",
		cli_value(c, "cloud"), cli_value(c, "operator"), cli_value(c, "data"),
		STR_A(url), STR_A(token));
}

static int do_master_init(struct cli_call *c, struct err *e)
{
	struct str names[CLI_VALUES_MAX], token;
	struct master_init i = {
		.cloud = cli_value(c, "cloud"),
		.zone = cli_value(c, "zone"),
		.names = names,
		.operator_name = cli_value(c, "operator"),
		.passphrase_file = cli_value(c, "passphrase-file"),
		.token_uri = cli_value(c, "token"),
		.pin_file = cli_value(c, "pin-file"),
		.db = cli_value(c, "db"),
		.program = c->program,
	};
	for (const char *n; (n = cli_value_at(c, "name", i.name_count));)
		names[i.name_count++] = str_from(n);
	if (cli_path(c, "data", &i.data, e) < 0)
		return -1;
	if (cli_has(c, "root-dir") && cli_path(c, "root-dir", &i.root_dir, e) < 0)
		return -1;
	(void)trust_harden();
	log_set_level(LOG_WARN);
	if (master_init(&i, c->arena, &token, e) < 0)
		return -1;
	print_invitation(c, token);
	trust_wipe_str(&token);
	return 0;
}

static int do_permissions(struct cli_call *c, struct err *e)
{
	(void)fprintf(c->out, "%" STR_F, STR_A(permissions_page(c->arena)));
	return arena_check(c->arena, e);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const char running[] = "Running a cloud (daemons; operators)";

#define EXITS_NODE "3 there is no node in that directory\n4 an agent runs there already"

static const struct cli_cmd daemons[] = {
	{.name = "master run",
	 .group = running,
	 .options = master_options,
	 .fn = do_master,
	 .help = "Run a master until it is told to stop: orders, promises, usage, invoices.",
	 .details = "With authorities in DIR (hoc master init) it speaks TLS 1.3 alone, and "
		    "callers show certificates. Without, it only listens on loopback, and only "
		    "with --local: whoever reaches that address is the operator.\n"
		    "Settings stand in DIR/master.json: who sells (seller: name, address, "
		    "country, vat_number), liveness_seconds, after which a silent node is "
		    "lost, names and zone of the cloud, and limits of how often somebody may "
		    "ask (docs/security.md).",
	 .example = "hoc master run --data /var/lib/hoc/master --listen [::]:8000\n"
		    "hoc master run --data /var/lib/hoc/master --local\n"
		    "hoc master run --data /var/lib/hoc/master --local --db "
		    "postgresql:///hoc?host=/run/postgresql",
	 .exits = "4 another master runs on DIR, or the address is taken\n"
		  "5 the passphrase or PIN is not that of the keys\n"
		  "10 the database does not answer"},
	{.name = "master init",
	 .group = running,
	 .options = init_options,
	 .fn = do_master_init,
	 .help = "Make a cloud: its authorities, its master's identity, the first operator's "
		 "token.",
	 .details =
		 "Keys are made in DIR and stay there: sealed by the passphrase, in a token, "
		 "or "
		 "in plain files that only their owner reads. With --root-dir the keys of the "
		 "roots go elsewhere, and roll-overs need that directory (hoc ca).\n"
		 "May be run again while the master is stopped: what is there stays, names "
		 "and zone become those given, and the token is a fresh one. That is the way "
		 "back in for an operator who lost his keys.",
	 .example = "hoc master init --data /var/lib/hoc/master --cloud acme --name "
		    "cloud.example --operator ann\n"
		    "hoc master init --data /var/lib/hoc/master --cloud acme --name "
		    "cloud.example --operator ann --passphrase-file /run/hoc/passphrase "
		    "--root-dir /media/usb/roots",
	 .exits = "4 a master runs on DIR, or DIR is of another cloud\n"
		  "5 the passphrase or PIN is not that of the keys"},
	{.name = "node format",
	 .group = running,
	 .options = format_options,
	 .fn = do_format,
	 .help = "Make a directory into a node: partitions, user ranges, addresses.",
	 .details = "Idempotent. Names, ranges and addresses stay for ever; the number of "
		    "partitions may grow, and shrink while those that go are free. Needs root.",
	 .example = "hoc node format --dir /var/lib/hoc/node --name n1 --partitions 8\n"
		    "hoc node format --dir /var/lib/hoc/node --name n1 --dry-run",
	 .exits = "4 a partition that should go is in use"},
	{.name = "node join",
	 .group = running,
	 .arguments = "URL TOKEN",
	 .min_args = 2,
	 .max_args = 2,
	 .options = dir_options,
	 .fn = do_node_join,
	 .help = "Let this node into a cloud: keys are made here, a certificate comes back.",
	 .details =
		 "TOKEN is from hoc token make node NAME; - reads it from standard input. "
		 "Before anything is sent the server has to prove that it is the cloud "
		 "whose fingerprint the token carries. Keys stand in DIR/identity and stay "
		 "there. May be repeated after a failure, with the same token; joining again "
		 "later accepts a master that was put back to an old state.",
	 .example = "hoc node join --dir /var/lib/hoc/node https://cloud.example:8000 - "
		    "</run/hoc/token",
	 .exits = "4 the directory is of another node, or an agent runs there\n"
		  "5 the server is not that cloud's, or the token is used up\n"
		  "10 the master does not answer"},
	{.name = "node run",
	 .group = running,
	 .options = run_options,
	 .fn = do_node_run,
	 .help = "Run the node's agent until it is told to stop; services go on without it.",
	 .details = "Needs root. The agent may be stopped, killed and upgraded at any moment. "
		    "Its log goes to standard error, one line an event (hoc docs events).",
	 .example = "hoc node run --dir /var/lib/hoc/node --master http://127.0.0.1:8000",
	 .exits = EXITS_NODE},
	{.name = "node pass",
	 .group = running,
	 .options = pass_options,
	 .fn = do_pass,
	 .help = "Converge once and end.",
	 .example = "hoc node pass --dir /var/lib/hoc/node --limit-seconds 120",
	 .exits = "1 something did not reach what is wanted\n" EXITS_NODE
		  "\n9 it was not over in time\n10 the master does not answer"},
	{.name = "node boot",
	 .group = running,
	 .options = pass_options,
	 .fn = do_boot,
	 .help = "Bring back what the node last knew, without any master: for the boot of the "
		 "host.",
	 .example = "hoc node boot --dir /var/lib/hoc/node",
	 .exits = "1 something did not reach what is wanted\n" EXITS_NODE
		  "\n9 it was not over in time"},
	{.name = "node status",
	 .group = running,
	 .options = dir_options,
	 .fn = do_status,
	 .help = "Show partitions, releases and promises of the local node.",
	 .example = "hoc node status --dir /var/lib/hoc/node",
	 .exits = "3 there is no node in that directory"},
	{.name = "node unformat",
	 .group = running,
	 .options = dir_options,
	 .fn = do_unformat,
	 .help = "Remove a node from this host: its services, network, files.",
	 .details = "Everything in the node's directory is lost. The agent must be stopped "
		    "first.",
	 .example = "hoc node unformat --dir /var/lib/hoc/node",
	 .exits = EXITS_NODE},
	{.name = "supervise",
	 .group = running,
	 .options = supervise_options,
	 .fn = do_supervise,
	 .help = "Own the services of a node: started by the agent, outlives it.",
	 .details = "Nobody needs to type this: the agent starts the supervisor of its node "
		    "where none runs. SIGTERM ends it while services keep running for the next "
		    "one; SIGHUP makes it execute its program anew (an upgrade) and keep its "
		    "services.",
	 .example = "hoc supervise --dir /var/lib/hoc/node --daemon",
	 .exits = "4 another supervisor runs there"},
};

static const struct cli_cmd pages[] = {
	{.name = "docs permissions",
	 .group = "This program",
	 .fn = do_permissions,
	 .help = "Print who may what: operations by roles.",
	 .example = "hoc docs permissions >permissions.md"},
};

int main(int argc, char **argv)
{
	const struct cli_table tables[] = {
		cli_commands,	      cli_identity_commands,	cli_people_commands,
		cli_secret_commands,  cli_ca_commands,		cli_acme_commands,
		cli_passkey_commands, cli_audit_commands,	{daemons, ARRAY_LEN(daemons)},
		cli_own_commands,     {pages, ARRAY_LEN(pages)}};
	/* Directories of a node are searched by its tenants' users; what is secret has a mode of its own. */
	(void)umask(022);
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
	if (argc == 3 && strcmp(argv[1], PROFILE_BUILD_VERB) == 0)
		return profile_build_child_main(argv[2], 0, 1);
	return cli_main(argc, argv, tables, ARRAY_LEN(tables));
}
