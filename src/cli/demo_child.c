/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Programs that the demo runs: itself, and the clients that any user has. Passwords reach them
 * by the environment, never by a command line, which others on the machine could read.
 */
#include <arpa/inet.h>
#include <unistd.h>

#include "cli/demo.h"
#include "ev/child.h"

enum {
	OUTPUT_MAX = 1 << 20,
	CLIENT_MS = 15000,
	HOC_MS = 120000,
	ENV_MAX = 400,
	SHOWN_MAX = 300
};

/* What is run, with what, for how long. */
struct run {
	const char *const *argv, *const *env;
	struct str input;
	int64_t timeout_ms;
};

MUST static int run(struct demo *d, const struct run *r, int *out_code, struct str *out,
		    struct err *e)
{
	const struct ev_child_spec spec = {.argv = r->argv,
					   .env = r->env,
					   .input = r->input,
					   .output_max_bytes = OUTPUT_MAX,
					   .timeout_ms = r->timeout_ms};
	struct ev_child_result result;
	if (ev_child_wait(&spec, d->call->arena, &result, e) < 0)
		return err_in(e, "%s", r->argv[0]);
	if (result.has_timed_out)
		return err_fail(e, ERR_TIMEOUT, "%s did not end within %lld s", r->argv[0],
				(long long)(r->timeout_ms / 1000));
	*out_code = result.exit_code;
	*out = str_trim(result.output);
	return 0;
}

MUST int demo_run(struct demo *d, const char *const *argv, const char *const *env,
		  int64_t timeout_ms, int *out_code, struct str *out, struct err *e)
{
	const struct run r = {.argv = argv, .env = env, .timeout_ms = timeout_ms};
	return run(d, &r, out_code, out, e);
}

/* Any end but 0 is a failure, with what was said last. */
MUST static int run_ok(struct demo *d, const char *const *argv, const char *const *env,
		       struct str input, struct str *out, struct err *e)
{
	int code;
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	const struct run r = {.argv = argv,
			      .env = env,
			      .input = input,
			      .timeout_ms = slash ? HOC_MS : CLIENT_MS};
	if (run(d, &r, &code, out, e) < 0)
		return -1;
	if (code == 0)
		return 0;
	struct str said = str_sub(*out, out->n > SHOWN_MAX ? out->n - SHOWN_MAX : 0, SHOWN_MAX);
	return err_fail(e, ERR_BROKEN, "%s: %" STR_F, name, STR_A(said));
}

MUST int demo_run_ok(struct demo *d, const char *const *argv, const char *const *env,
		     struct str *out, struct err *e)
{
	return run_ok(d, argv, env, S(""), out, e);
}

MUST int demo_feed_ok(struct demo *d, const char *const *argv, struct str input,
		      struct str *out, struct err *e)
{
	return run_ok(d, argv, NULL, input, out, e);
}

/* Our environment, one variable over it. */
static const char *const *env_with(struct demo *d, const char *name, struct str value)
{
	const char **env = ARENA_ARRAY(d->call->arena, const char *, ENV_MAX + 2);
	size_t n = 0, length = strlen(name);
	if (!env)
		return NULL;
	for (size_t i = 0; environ[i] && n < ENV_MAX; i++)
		if (strncmp(environ[i], name, length) != 0 || environ[i][length] != '=')
			env[n++] = environ[i];
	env[n] = arena_fmt(d->call->arena, "%s=%" STR_F, name, STR_A(value)).p;
	return env;
}

/*
 * "scheme://user:PASSWORD@rest" without and with the password apart. Published addresses have
 * passwords of letters and digits only.
 */
static bool take_password(struct str url, struct arena *a, struct str *without,
			  struct str *password)
{
	size_t at = str_find_char(url, '@'), scheme = str_find(url, S("://"));
	if (at == url.n || scheme == url.n)
		return false;
	struct str user = str_sub(url, scheme + 3, at - scheme - 3);
	size_t colon = str_find_char(user, ':');
	if (colon == user.n)
		return false;
	*password = arena_dup(a, str_sub(user, colon + 1, user.n));
	*without = arena_fmt(a, "%" STR_F "%" STR_F, STR_A(str_sub(url, 0, scheme + 3 + colon)),
			     STR_A(str_sub(url, at, url.n)));
	return true;
}

MUST int demo_password(struct demo *d, enum demo_order_no no, struct str *without,
		       struct str *password, struct err *e)
{
	const struct demo_order *o = &d->orders[no];
	if (take_password(demo_connection(d, o, "url"), d->call->arena, without, password))
		return 0;
	return err_fail(e, ERR_BROKEN, "%s published no url with a password", o->title);
}

MUST int demo_psql(struct demo *d, const char *sql, struct str *out, struct err *e)
{
	struct str url, password;
	if (demo_password(d, DEMO_DATABASE, &url, &password, e) < 0)
		return -1;
	const char *const argv[] = {"psql",
				    "-X",
				    "-q",
				    "-A",
				    "-t",
				    "-v",
				    "ON_ERROR_STOP=1",
				    "-d",
				    arena_cstr(d->call->arena, url),
				    "-c",
				    sql,
				    NULL};
	return demo_run_ok(d, argv, env_with(d, "PGPASSWORD", password), out, e);
}

MUST int demo_curl(struct demo *d, struct str *out_page, struct str *out_title, struct err *e)
{
	struct str url = demo_connection(d, &d->orders[DEMO_SITE], "url");
	if (!url.n)
		return err_fail(e, ERR_BROKEN, "the site published no url");
	const char *const argv[] = {"curl",
				    "--silent",
				    "--show-error",
				    "--fail",
				    "--globoff",
				    "--noproxy",
				    "*",
				    "--max-time",
				    "10",
				    arena_cstr(d->call->arena, url),
				    NULL};
	if (demo_run_ok(d, argv, NULL, out_page, e) < 0)
		return -1;
	size_t from = str_find(*out_page, S("<title>")),
	       to = str_find(*out_page, S("</title>"));
	if (to == out_page->n || from > to)
		return err_fail(e, ERR_BROKEN, "the page at %" STR_F " has no title",
				STR_A(url));
	*out_title = str_sub(*out_page, from + 7, to - from - 7);
	return 0;
}

MUST int demo_redis(struct demo *d, const char *const *words, struct str *out, struct err *e)
{
	struct str url, password;
	const char *argv[12] = {"redis-cli", "--no-auth-warning", "-u"};
	size_t n = 3;
	if (demo_password(d, DEMO_CACHE, &url, &password, e) < 0)
		return -1;
	/* Without a password redis-cli takes the user of the URL for one: it is left out too. */
	size_t at = str_find_char(url, '@');
	argv[n++] =
		arena_fmt(d->call->arena, "redis://%" STR_F, STR_A(str_sub(url, at + 1, url.n)))
			.p;
	for (; *words && n + 1 < ARRAY_LEN(argv); words++)
		argv[n++] = *words;
	return demo_run_ok(d, argv, env_with(d, "REDISCLI_AUTH", password), out, e);
}

MUST int demo_all_answer(struct demo *d, size_t count, struct err *e)
{
	static const char *const ping[] = {"PING", NULL};
	struct str out, title;
	if (demo_psql(d, "SELECT 1", &out, e) < 0)
		return -1;
	if (count > DEMO_SITE && demo_curl(d, &out, &title, e) < 0)
		return -1;
	if (count > DEMO_CACHE && demo_redis(d, ping, &out, e) < 0)
		return -1;
	return 0;
}
