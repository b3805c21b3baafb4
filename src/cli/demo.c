/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The verb `hoc demo`: its folder, its steps one after the other, its report.
 *
 * A step that fails does not hide the others: those that build on it are skipped and say so.
 * What a run did stays if it is interrupted; the next run goes on from there.
 */
#include "cli/demo.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/verbs.h"

enum {
	NEEDS_NOTHING = -1,
	EXIT_STEP_FAILED = 1,
	EXIT_INTERRUPTED = 130,
	REPORT_MAX = 16 << 20
};

/* Order of the steps; `needs` is the row without which one cannot run. */
static const struct {
	const char *name, *title;
	demo_step_fn *fn;
	int needs;
} steps[] = {
	{"cloud", "A master and a node", demo_cloud, NEEDS_NOTHING},
	{"catalogue", "Software: published, supplied, built", demo_catalogue, 0},
	{"orders", "Three orders of a customer", demo_ordering, 1},
	{"proof", "Proof by real clients", demo_proof, 2},
	{"survival", "A crash, and a node without its agent", demo_survival, 2},
	{"change", "A change, and a refusal", demo_change, 2},
	{"bill", "Usage, prices, invoice", demo_bill, 2},
	{"end", "One instance is destroyed", demo_end, 2},
};

static const struct demo_order orders[DEMO_ORDERS] = {
	[DEMO_DATABASE] = {"database", "postgresql", "postgres", "{}", NULL},
	[DEMO_SITE] = {"site", "nginx", "nginx", "{\"title\": \"" DEMO_TITLE "\"}", NULL},
	[DEMO_CACHE] = {"cache", "redis", "redis", "{}", NULL},
};

/* ---- places -------------------------------------------------------------------------------- */

static const char *in(struct cli_call *c, const char *dir, const char *name)
{
	return arena_fmt(c->arena, "%s/%s", dir, name).p;
}

/* Without --profiles: in the current directory, the source tree, or where they are installed. */
static int find_profiles(struct demo *d, struct err *e)
{
	static const char *const beside[] = {"../../profiles", "../share/hoc/profiles"};
	struct cli_call *c = d->call;
	char path[PATH_MAX];
	if (cli_path(c, "profiles", &d->profiles, e) < 0)
		return -1;
	if (cli_has(c, "profiles") || file_exists(in(c, d->profiles, "lib/hoc.libsonnet")))
		return 0;
	struct str program = str_from(c->program);
	size_t end = program.n;
	while (end && program.p[end - 1] != '/')
		end--;
	for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
		struct str guess = arena_fmt(c->arena, "%" STR_F "%s",
					     STR_A(str_sub(program, 0, end)), beside[i]);
		if (!file_exists(guess.p) || !realpath(guess.p, path))
			continue;
		d->profiles = arena_cstr(c->arena, str_from(path));
		return 0;
	}
	return err_fail(e, ERR_NOT_FOUND, "no profiles in %s: say --profiles DIR", d->profiles);
}

/* Builders take plain paths only; a socket's path has to fit, too. */
static int check_dir(const char *dir, struct err *e)
{
	for (const char *p = dir; *p; p++) {
		bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				(*p >= '0' && *p <= '9') || strchr("/._+-", *p);
		if (!is_plain)
			return err_field(e, "dir",
					 "%s has a character other than letters, digits and "
					 "/ . _ + -; choose another folder with --dir",
					 dir);
	}
	if (strlen(dir) > 80)
		return err_field(e, "dir", "%s is longer than 80 bytes", dir);
	return 0;
}

/* `dir` without "." and doubled slashes, so that one folder has one name in command lines. */
static const char *plain_path(struct arena *a, const char *dir)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(PATH_MAX);
	struct str rest = str_from(dir), part;
	while (str_split(&rest, '/', &part))
		if (part.n && !str_is(part, "."))
			buf_addf(&b, "/%" STR_F, STR_A(part));
	return arena_dup(a, buf_str(&b)).p;
}

static int set_places(struct demo *d, struct err *e)
{
	struct cli_call *c = d->call;
	char real[PATH_MAX];
	const char *dir;
	if (cli_path(c, "dir", &dir, e) < 0)
		return -1;
	d->dir = realpath(dir, real) ? arena_cstr(c->arena, str_from(real))
				     : plain_path(c->arena, dir);
	d->node_dir = in(c, d->dir, "node");
	d->master_dir = in(c, d->dir, "master");
	d->log_dir = in(c, d->dir, "log");
	d->conf = in(c, d->dir, "hoc.conf");
	d->socket = in(c, d->node_dir, "supervise/socket");
	if (arena_check(c->arena, e) < 0 || demo_be_operator(d, e) < 0)
		return -1;
	return check_dir(d->dir, e);
}

/* Only a folder that is empty, or was a demo's before, is touched. */
static int check_is_ours(struct demo *d, struct err *e)
{
	DIR *dir = opendir(d->dir);
	struct dirent *entry;
	bool is_empty = true;
	while (dir && (entry = readdir(dir)))
		is_empty = is_empty && (strcmp(entry->d_name, ".") == 0 ||
					strcmp(entry->d_name, "..") == 0);
	if (dir)
		(void)closedir(dir);
	if (is_empty || file_exists(in(d->call, d->dir, "demo.lock")))
		return 0;
	return err_fail(e, ERR_CONFLICT, "%s is not empty and is no folder of a demo", d->dir);
}

static int take_dir(struct demo *d, struct err *e)
{
	if (check_is_ours(d, e) < 0 || file_mkdirs(d->log_dir, 0755, e) < 0)
		return -1;
	int rc = file_lock(in(d->call, d->dir, "demo.lock"), &d->lock, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "another demo runs in %s", d->dir);
	return rc;
}

static int check_clients(struct demo *d, struct err *e)
{
	static const char *const clients[] = {"psql", "curl", "redis-cli", "ip", "crun"};
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		const char *const argv[] = {clients[i], "--version", NULL};
		const char *const ip[] = {"ip", "-Version", NULL};
		struct str out;
		if (demo_run_ok(d, strcmp(clients[i], "ip") == 0 ? ip : argv, NULL, &out, e) <
		    0)
			return err_in(e, "%s is needed (make deps installs it)", clients[i]);
	}
	return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

/* Only what is safe in a signal handler: a sentence, and the end that the signal asks for. */
static void interrupted(int signum)
{
	static const char text[] =
		"\nInterrupted. What is made stays: the same command goes on from here, with "
		"--clean it is removed.\n";
	ssize_t ignored UNUSED = write(STDERR_FILENO, text, sizeof text - 1);
	(void)signal(signum, SIG_DFL);
	(void)raise(signum);
}

static int run_steps(struct demo *d)
{
	bool is_done[ARRAY_LEN(steps)] = {false};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err e = ERR_INIT;
		int needs = steps[i].needs;
		if (needs >= 0 && !is_done[needs]) {
			char why[100];
			(void)snprintf(why, sizeof why, "needs step %d", needs + 1);
			demo_step_skip(&d->ui, steps[i].name, steps[i].title, why);
			failed++;
			continue;
		}
		demo_step_begin(&d->ui, steps[i].name, steps[i].title);
		int rc = steps[i].fn(d, &e);
		demo_step_end(&d->ui, rc, &e);
		is_done[i] = rc >= 0;
		failed += rc < 0;
	}
	return failed;
}

static struct json *report_of(struct demo *d, int failed, int64_t ms, int64_t at_ms)
{
	struct arena *a = d->call->arena;
	struct json *report = json_object_new(a);
	char at[CLOCK_TEXT_SIZE];
	clock_text(at_ms, at);
	json_set_bool(a, report, S("ok"), failed == 0);
	json_set_i64(a, report, S("milliseconds"), ms);
	json_set_str(a, report, S("at"), str_from(at));
	json_set_str(a, report, S("dir"), str_from(d->dir));
	json_set(a, report, S("steps"), d->ui.steps);
	return report;
}

static int write_report(struct demo *d, const struct json *report, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(REPORT_MAX);
	const char *path;
	if (!cli_value(d->call, "report"))
		return 0;
	json_write_pretty(report, &b);
	buf_add_c(&b, '\n');
	if (buf_check(&b, e) < 0 || cli_path(d->call, "report", &path, e) < 0)
		return -1;
	return file_write(path, buf_str(&b), 0644, e);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void say_next(struct demo *d)
{
	FILE *out = d->ui.out;
	const char *hoc = d->call->program;
	(void)fprintf(out,
		      "\nThe cloud goes on running. To use it:\n\n"
		      "  export HOC_CONFIG=%s\n"
		      "  %s list\n"
		      "  %s show database --customer " DEMO_CUSTOMER
		      " --reveal   with its address and password\n"
		      "  %s request redis sessions --customer " DEMO_CUSTOMER " --wait\n"
		      "  %s log site --customer " DEMO_CUSTOMER "\n"
		      "  %s help\n\n"
		      "Open the site: %" STR_F "\n"
		      "Stop the cloud: %s demo --dir %s --down\n"
		      "Remove every trace of it: the same with --clean, or make demo-clean.\n",
		      d->conf, hoc, hoc, hoc, hoc, hoc,
		      STR_A(demo_connection(d, &d->orders[DEMO_SITE], "url_ipv4")), hoc,
		      d->dir);
}

static int stop_or_stay(struct demo *d, struct err *e)
{
	bool stays = cli_has(d->call, "keep") || (d->ui.is_live && !cli_has(d->call, "stop"));
	if (stays) {
		say_next(d);
		return 0;
	}
	int64_t since_ms = clock_mono_ms(clock_system());
	if (demo_stop(d, e) < 0)
		return -1;
	(void)fprintf(d->ui.out,
		      "\nThe cloud is stopped (%lld ms). The same command starts it again.\n",
		      (long long)(clock_mono_ms(clock_system()) - since_ms));
	return 0;
}

static int show(struct demo *d, struct err *e)
{
	int64_t at_ms = clock_now_ms(clock_system()), since_ms = clock_mono_ms(clock_system());
	(void)fprintf(d->ui.out, "Hyper Open Cloud: a cloud in %s\n\n", d->dir);
	int failed = run_steps(d);
	int64_t ms = clock_mono_ms(clock_system()) - since_ms;
	struct json *report = report_of(d, failed, ms, at_ms);
	(void)fprintf(d->ui.out, "\n%zu steps, %d failed, %lld.%lld s\n", ARRAY_LEN(steps),
		      failed, (long long)(ms / 1000), (long long)(ms % 1000 / 100));
	if (write_report(d, report, e) < 0 || stop_or_stay(d, e) < 0)
		return -1;
	if (d->call->is_json)
		client_print_json(d->call, report);
	return failed ? EXIT_STEP_FAILED : 0;
}

static int clean(struct demo *d, struct err *e)
{
	int64_t since_ms = clock_mono_ms(clock_system());
	if (!file_exists(d->dir)) {
		(void)fprintf(d->ui.out, "There is no demo in %s.\n", d->dir);
		return 0;
	}
	if (take_dir(d, e) < 0 || demo_clean(d, e) < 0)
		return -1;
	(void)fprintf(d->ui.out,
		      "Removed: processes, network and files of the demo in %s (%lld ms).\n",
		      d->dir, (long long)(clock_mono_ms(clock_system()) - since_ms));
	return 0;
}

static int down(struct demo *d, struct err *e)
{
	if (file_exists(d->dir) && (take_dir(d, e) < 0 || demo_stop(d, e) < 0))
		return -1;
	(void)fprintf(d->ui.out, "The demo in %s is stopped.\n", d->dir);
	return 0;
}

int verb_demo(struct cli_call *c, struct err *e)
{
	struct demo *d = ARENA_NEW(c->arena, struct demo);
	if (!d)
		return arena_check(c->arena, e);
	*d = (struct demo){.call = c, .lock = -1};
	memcpy(d->orders, orders, sizeof orders);
	demo_ui_init(&d->ui, c->arena, c->is_json ? stderr : c->out);
	if (geteuid() != 0)
		return err_fail(e, ERR_FORBIDDEN,
				"the demo needs root, for user ranges and network namespaces: "
				"sudo %s demo (make demo does that)",
				c->program);
	(void)signal(SIGINT, interrupted);
	(void)signal(SIGTERM, interrupted);
	if (set_places(d, e) < 0)
		return -1;
	if (cli_has(c, "clean"))
		return clean(d, e);
	if (cli_has(c, "down"))
		return down(d, e);
	if (find_profiles(d, e) < 0 || check_clients(d, e) < 0 || take_dir(d, e) < 0)
		return -1;
	struct str up = arena_fmt(c->arena, "%s/../demo", d->profiles);
	d->data = up.p;
	return show(d, e);
}
