/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keys of the demo: authorities in DIR/master/ca, the operator's in DIR/identity, the node's in
 * DIR/node/identity. All are made where they are used; tokens let in who is to be let in.
 *
 * Also the proof that the master knows no secret: every file that it keeps is searched for the
 * passwords that the customer can read.
 */
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cmd_impl.h"
#include "cli/demo.h"
#include "cli/secret.h"
#include "trust/jose.h"

/* ---- who ----------------------------------------------------------------------------------- */

static const char *inside(struct demo *d, const char *dir, const char *name)
{
	return arena_fmt(d->call->arena, "%s/%s", dir, name).p;
}

MUST int demo_be_operator(struct demo *d, struct err *e)
{
	struct cli_call *c = d->call;
	d->identity = inside(d, d->dir, "identity");
	if (arena_check(c->arena, e) < 0)
		return -1;
	ASSERT(c->value_count < CLI_VALUES_MAX);
	c->values[c->value_count++] = (struct cli_value){
		.option = cmd_find_option(c->cmd, S("identity")), .text = d->identity};
	return 0;
}

bool demo_is_enrolled(struct demo *d)
{
	return file_exists(inside(d, d->identity, "seal.age")) &&
	       file_exists(inside(d, d->identity, "cert.pem")) &&
	       file_exists(inside(d, d->master_dir, "ca/users/issuer.pem"));
}

/* The member "token" of what a verb printed. */
static int token_of(struct demo *d, struct str text, struct str *out, struct err *e)
{
	struct json *doc;
	if (json_parse(text, d->call->arena, &doc, e) < 0)
		return -1;
	*out = client_text(doc, "token");
	return out->n ? 0 : err_fail(e, ERR_BROKEN, "no token was made");
}

MUST int demo_make_authorities(struct demo *d, struct str *out_token, struct err *e)
{
	const char *const argv[] = {
		d->call->program, "master", "init",	 "--data", d->master_dir, "--cloud",
		DEMO_CLOUD,	  "--name", "127.0.0.1", "--name", "localhost",	  "--operator",
		DEMO_OPERATOR,	  "--zone", "demo.test", "--json", NULL};
	struct str text;
	/* What an earlier cloud in this folder believed is of no use with new authorities. */
	if (file_remove_tree(d->identity, e) < 0 || demo_run_ok(d, argv, NULL, &text, e) < 0)
		return -1;
	return token_of(d, text, out_token, e);
}

MUST int demo_log_in(struct demo *d, struct str token, struct err *e)
{
	const char *const argv[] = {d->call->program, "login",	   d->call->master, "-",
				    "--identity",     d->identity, "--json",	    NULL};
	struct str said;
	return demo_feed_ok(d, argv, token, &said, e);
}

MUST int demo_join_node(struct demo *d, struct err *e)
{
	const char *const argv[] = {d->call->program, "node",	       "join", "--dir",
				    d->node_dir,      d->call->master, "-",    NULL};
	struct json *body = json_object_new(d->call->arena), *answer = NULL;
	struct str said;
	json_set_str(d->call->arena, body, S("kind"), S("node"));
	json_set_str(d->call->arena, body, S("name"), S(DEMO_NODE));
	if (client_send(d->call, "POST", S("/v1/tokens"), body, &answer, e) < 0)
		return -1;
	return demo_feed_ok(d, argv, client_text(answer, "token"), &said, e);
}

bool demo_is_joined(struct demo *d)
{
	return file_exists(inside(d, d->node_dir, "identity/cert.pem"));
}

/* ---- what is sealed ------------------------------------------------------------------------ */

struct str demo_connection(struct demo *d, const struct demo_order *o, const char *name)
{
	struct secret_me me CLEAN(secret_me_close) = {.is_local = true};
	struct str clear, value = client_text(json_get(o->instance, S("connection")), name);
	struct err ignored;
	if (!age_is_sealed(value))
		return value;
	if (secret_me_open(d->call, &me, &ignored) < 0 ||
	    secret_unseal(d->call, &me, value, &clear, &ignored) != 0)
		return S("");
	return clear;
}

/* ---- what the master knows ----------------------------------------------------------------- */

enum { FORMS = 4, NEEDLES_MAX = FORMS * DEMO_ORDERS };

/* What is looked for: each password as it is, as hexadecimal digits, as base64, as UTF-16. */
struct needles {
	struct str items[NEEDLES_MAX];
	size_t count;
};

static struct str hex_of(struct str s, struct arena *a)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	for (size_t i = 0; i < s.n; i++)
		buf_addf(&b, "%02x", (unsigned char)s.p[i]);
	return arena_dup(a, buf_str(&b));
}

static struct str utf16_of(struct str s, struct arena *a)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	for (size_t i = 0; i < s.n; i++) {
		buf_add_c(&b, s.p[i]);
		buf_add_c(&b, 0);
	}
	return arena_dup(a, buf_str(&b));
}

static void look_for(struct needles *n, struct str password, struct arena *a)
{
	/* Two bytes less than three fit in one group of base64: the groups that surely occur. */
	struct str whole = str_sub(password, 0, password.n - password.n % 3);
	const struct str forms[FORMS] = {password, hex_of(password, a), base64(whole, a),
					 utf16_of(password, a)};
	for (size_t i = 0; i < FORMS; i++)
		n->items[n->count++] = forms[i];
}

/* Searches one file; what cannot be opened any more is gone. */
static int search(const char *path, const struct needles *n, struct err *e)
{
	struct stat st;
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return 0;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_fail(e, ERR_IO, "%s cannot be looked at", path);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n->count; i++)
		if (memmem(p, (size_t)st.st_size, n->items[i].p, n->items[i].n))
			rc = err_fail(e, ERR_BROKEN, "a password stands in %s", path);
	(void)munmap(p, (size_t)st.st_size);
	return rc;
}

static int search_tree(const char *dir, const struct needles *n, int *files, int64_t *bytes,
		       struct err *e)
{
	char *roots[] = {(char *)(uintptr_t)dir, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *f;
	int rc = 0;
	if (!tree)
		return err_fail(e, ERR_IO, "%s cannot be looked at", dir);
	while (rc == 0 && (f = fts_read(tree))) {
		if (f->fts_info != FTS_F)
			continue;
		rc = search(f->fts_accpath, n, e);
		*files += 1;
		*bytes += f->fts_statp->st_size;
	}
	(void)fts_close(tree);
	return rc;
}

MUST int demo_search_master(struct demo *d, struct err *e)
{
	static const enum demo_order_no sealed[] = {DEMO_DATABASE, DEMO_CACHE};
	struct needles n = {.count = 0};
	int files = 0;
	int64_t bytes = 0;
	demo_check_begin(&d->ui, "zero knowledge");
	for (size_t i = 0; i < ARRAY_LEN(sealed); i++) {
		struct str without, password;
		if (demo_password(d, sealed[i], &without, &password, e) < 0)
			return -1;
		look_for(&n, password, d->call->arena);
	}
	if (arena_check(d->call->arena, e) < 0 ||
	    search_tree(d->master_dir, &n, &files, &bytes, e) < 0 ||
	    search_tree(d->log_dir, &n, &files, &bytes, e) < 0)
		return -1;
	demo_check_ok(&d->ui,
		      "%zu passwords in %d forms: not in the %lld KiB that the master keeps",
		      ARRAY_LEN(sealed), (int)FORMS, (long long)bytes / 1024);
	demo_fact_i64(&d->ui, "files_searched", files);
	return 0;
}
