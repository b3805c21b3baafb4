/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Authorities are directories: DIR/ca/users and DIR/ca/services of a master's data, and with
 * offline roots ROOTS/users and ROOTS/services. What changes them holds the master's lock, so no
 * master runs meanwhile; it opens what is new when it starts.
 */
#include "cli/ca.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/client.h"
#include "trust/ca.h"
#include "trust/wipe.h"

enum { SECRET_MAX = 1000, PEM_MAX = 256 << 10 };

#define AUTHORITY_OPTION \
	{ \
		.name = "authority", .argument = "NAME", .choices = "users services", \
		.help = "Which one: users or services.", .is_required = true \
	}
#define DATA_OPTION \
	{ \
		.name = "data", .argument = "DIR", .help = "The master's directory." \
	}
#define ROOT_OPTION \
	{ \
		.name = "root-dir", .argument = "DIR", \
		.help = "Where the keys of offline roots are." \
	}
#define SECRET_OPTIONS \
	{.name = "passphrase-file", \
	 .argument = "FILE", \
	 .help = "Holds the passphrase that seals the keys."}, \
	{ \
		.name = "pin-file", .argument = "FILE", .help = "Holds the PIN of the token." \
	}

static const struct cli_option show_options[] = {{.name = "data",
						  .argument = "DIR",
						  .help = "The master's directory.",
						  .is_required = true},
						 {.name = NULL}};
static const struct cli_option data_options[] = {{.name = "data",
						  .argument = "DIR",
						  .help = "The master's directory.",
						  .is_required = true},
						 AUTHORITY_OPTION,
						 SECRET_OPTIONS,
						 {.name = NULL}};
static const struct cli_option both_options[] = {
	DATA_OPTION, ROOT_OPTION, AUTHORITY_OPTION, SECRET_OPTIONS, {.name = NULL}};
static const struct cli_option root_options[] = {
	{.name = "root-dir",
	 .argument = "DIR",
	 .help = "Where the keys of offline roots are.",
	 .is_required = true},
	AUTHORITY_OPTION,
	SECRET_OPTIONS,
	{.name = NULL}};

/* ---- which, and with what ------------------------------------------------------------------ */

struct place {
	const char *dir;   /* of the authority */
	struct str secret; /* wiped by place_close */
	int lock_fd;
};

static void place_close(struct place *p)
{
	trust_wipe_str(&p->secret);
	file_closep(&p->lock_fd);
}

MUST static int read_secret(const struct cli_call *c, const char *option, struct str *out,
			    struct err *e)
{
	const char *path;
	*out = S("");
	if (!cli_has(c, option))
		return 0;
	if (cli_path(c, option, &path, e) < 0)
		return -1;
	int rc = file_read(path, SECRET_MAX, c->arena, out, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no file %s", path);
	if (rc == 0 && str_ends(*out, S("\n")))
		out->n--;
	return rc;
}

/* As ca.h wants it: the passphrase; or the PIN, and the passphrase on the next line. */
MUST static int read_secrets(const struct cli_call *c, const char *dir, struct str *out,
			     struct err *e)
{
	struct str passphrase, pin;
	const char *uri = arena_fmt(c->arena, "%s/issuer.uri", dir).p;
	if (arena_check(c->arena, e) < 0 ||
	    read_secret(c, "passphrase-file", &passphrase, e) < 0 ||
	    read_secret(c, "pin-file", &pin, e) < 0)
		return -1;
	*out = passphrase;
	if (file_exists(uri)) {
		*out = arena_fmt(c->arena, "%.*s%s%.*s", STR_A(pin), passphrase.n ? "\n" : "",
				 STR_A(passphrase));
		trust_wipe_str(&passphrase);
		trust_wipe_str(&pin);
	}
	return arena_check(c->arena, e);
}

MUST static int take_lock(const struct cli_call *c, const char *data, struct place *p,
			  struct err *e)
{
	const char *path = arena_fmt(c->arena, "%s/lock", data).p;
	if (arena_check(c->arena, e) < 0)
		return -1;
	int rc = file_lock(path, &p->lock_fd, e);
	return rc > 0 ? err_fail(e, ERR_CONFLICT, "a master runs on %s: stop it first", data)
		      : rc;
}

MUST static int place_open(struct cli_call *c, bool is_root, struct place *p, struct err *e)
{
	const char *base, *word = cli_value(c, "authority");
	*p = (struct place){.secret = S(""), .lock_fd = -1};
	if (strcmp(word, "users") != 0 && strcmp(word, "services") != 0)
		return err_field(e, "authority", "is users or services");
	if (cli_path(c, is_root ? "root-dir" : "data", &base, e) < 0)
		return -1;
	p->dir = arena_fmt(c->arena, is_root ? "%s/%s" : "%s/ca/%s", base, word).p;
	if (arena_check(c->arena, e) < 0)
		return -1;
	if (!file_exists(p->dir))
		return err_fail(e, ERR_NOT_FOUND, "there is no authority in %s", p->dir);
	if (!is_root && take_lock(c, base, p, e) < 0)
		return -1;
	if (read_secrets(c, p->dir, &p->secret, e) == 0)
		return 0;
	place_close(p);
	return -1;
}

MUST static int read_argument(struct cli_call *c, struct str *out, struct err *e)
{
	int rc = file_read(c->arguments[0], PEM_MAX, c->arena, out, e);
	return rc > 0 ? err_fail(e, ERR_NOT_FOUND, "there is no file %s", c->arguments[0]) : rc;
}

static int64_t now(void)
{
	return clock_now_ms(clock_system());
}

static int done(struct cli_call *c, const char *text)
{
	if (!c->is_json)
		(void)fprintf(c->out, "%s\n", text);
	else
		(void)fprintf(c->out, "{\"done\":true}\n");
	return 0;
}

/* ---- show ---------------------------------------------------------------------------------- */

struct shown {
	struct cert root, issuer;
	char fingerprint[HASH_TEXT_SIZE], root_to[CLOCK_TEXT_SIZE], issuer_to[CLOCK_TEXT_SIZE];
	const char *word, *key;
	bool has_root_key;
};

static bool has(struct cli_call *c, const char *dir, const char *name)
{
	return file_exists(arena_fmt(c->arena, "%s/%s", dir, name).p);
}

MUST static int read_first(struct cli_call *c, const char *dir, const char *name,
			   struct cert *out, struct err *e)
{
	struct str pem = S("");
	struct cert *chain;
	size_t count;
	const char *path = arena_fmt(c->arena, "%s/%s", dir, name).p;
	if (arena_check(c->arena, e) < 0)
		return -1;
	int rc = file_read(path, PEM_MAX, c->arena, &pem, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no %s", path);
	if (rc < 0 || cert_chain_read(pem, c->arena, &chain, &count, e) < 0)
		return -1;
	*out = chain[0];
	return 0;
}

static bool is_plain(struct cli_call *c, const char *dir)
{
	struct str text = S("");
	struct err ignored = ERR_INIT;
	const char *path = arena_fmt(c->arena, "%s/issuer.key", dir).p;
	bool is = file_read(path, PEM_MAX, c->arena, &text, &ignored) == 0 &&
		  str_starts(text, S("-----BEGIN PRIVATE KEY"));
	trust_wipe_str(&text);
	return is;
}

MUST static int look(struct cli_call *c, const char *data, const char *word, struct shown *out,
		     struct err *e)
{
	const char *dir = arena_fmt(c->arena, "%s/ca/%s", data, word).p;
	if (arena_check(c->arena, e) < 0 || read_first(c, dir, "root.pem", &out->root, e) < 0 ||
	    read_first(c, dir, "issuer.pem", &out->issuer, e) < 0)
		return -1;
	struct hash h = cert_fingerprint(&out->root);
	hash_text(&h, out->fingerprint);
	clock_text(out->root.to_ms, out->root_to);
	clock_text(out->issuer.to_ms, out->issuer_to);
	out->word = word;
	out->key = has(c, dir, "issuer.uri") ? "in a token"
		   : is_plain(c, dir)	     ? "in a plain file"
					     : "sealed";
	out->has_root_key = has(c, dir, "root.key");
	return arena_check(c->arena, e);
}

static void print_json(struct cli_call *c, const struct shown *s, size_t count)
{
	struct json *doc = json_object_new(c->arena);
	for (size_t i = 0; i < count; i++, s++) {
		struct json *one = json_object_new(c->arena);
		json_set_str(c->arena, one, S("fingerprint"), str_from(s->fingerprint));
		json_set_str(c->arena, one, S("root_to"), str_from(s->root_to));
		json_set_str(c->arena, one, S("issuer"), s->issuer.name);
		json_set_str(c->arena, one, S("issuer_to"), str_from(s->issuer_to));
		json_set_str(c->arena, one, S("issuer_key"), str_from(s->key));
		json_set_bool(c->arena, one, S("root_key_here"), s->has_root_key);
		json_set(c->arena, doc, str_from(s->word), one);
	}
	client_print_json(c, doc);
}

static void print_authority(struct cli_call *c, const struct shown *s)
{
	(void)fprintf(c->out, "authority %s\n", s->word);
	(void)fprintf(c->out, "  root     sha256 %s\n", s->fingerprint);
	(void)fprintf(c->out, "           until %s, its key is %s\n", s->root_to,
		      s->has_root_key ? "here" : "not here");
	(void)fprintf(c->out, "  issuer   %" STR_F ", until %s, its key is %s\n",
		      STR_A(s->issuer.name), s->issuer_to, s->key);
}

static int do_show(struct cli_call *c, struct err *e)
{
	struct shown s[CA_KINDS];
	const char *data;
	if (cli_path(c, "data", &data, e) < 0)
		return -1;
	for (int k = 0; k < CA_KINDS; k++)
		if (look(c, data, ca_kind_word((enum ca_kind)k), &s[k], e) < 0)
			return -1;
	if (c->is_json) {
		print_json(c, s, CA_KINDS);
		return 0;
	}
	for (int k = 0; k < CA_KINDS; k++)
		print_authority(c, &s[k]);
	return 0;
}

/* ---- roll-overs ---------------------------------------------------------------------------- */

static int do_roll_issuer(struct cli_call *c, struct err *e)
{
	struct place p;
	(void)trust_harden();
	if (place_open(c, false, &p, e) < 0)
		return -1;
	int rc = ca_roll_issuer(p.dir, p.secret, now(), e);
	place_close(&p);
	return rc < 0 ? -1 : done(c, "a fresh issuer signs from the master's next start on");
}

static int do_roll_root(struct cli_call *c, struct err *e)
{
	struct place p;
	bool is_root = cli_has(c, "root-dir");
	(void)trust_harden();
	if (is_root == cli_has(c, "data"))
		return err_fail(e, ERR_USAGE,
				"give --data, or --root-dir if the root is offline");
	if (place_open(c, is_root, &p, e) < 0)
		return -1;
	int rc = ca_roll_root(p.dir, p.secret, now(), e);
	place_close(&p);
	if (rc < 0)
		return -1;
	return done(
		c,
		is_root ? "a fresh root is made: take root.pem and links.pem, in one file, to "
			  "the master "
			  "(hoc ca install-roots), then let it sign an issuer"
			: "a fresh root and issuer are in use from the master's next start on");
}

/* ---- an issuer under an offline root ------------------------------------------------------- */

static int do_request(struct cli_call *c, struct err *e)
{
	struct place p;
	struct str csr;
	(void)trust_harden();
	if (place_open(c, false, &p, e) < 0)
		return -1;
	int rc = ca_request_issuer(p.dir, p.secret, c->arena, &csr, e);
	place_close(&p);
	if (rc == 0)
		(void)fprintf(c->out, "%" STR_F, STR_A(csr));
	return rc;
}

static int do_sign(struct cli_call *c, struct err *e)
{
	struct place p;
	struct str csr, pem;
	(void)trust_harden();
	if (read_argument(c, &csr, e) < 0 || place_open(c, true, &p, e) < 0)
		return -1;
	int rc = ca_sign_issuer(p.dir, p.secret, csr, now(), c->arena, &pem, e);
	place_close(&p);
	if (rc == 0)
		(void)fprintf(c->out, "%" STR_F, STR_A(pem));
	return rc;
}

typedef int install_fn(const char *dir, struct str pem, int64_t now_ms, struct err *e);

static int install(struct cli_call *c, install_fn *fn, const char *text, struct err *e)
{
	struct place p;
	struct str pem;
	if (read_argument(c, &pem, e) < 0 || place_open(c, false, &p, e) < 0)
		return -1;
	int rc = fn(p.dir, pem, now(), e);
	place_close(&p);
	return rc < 0 ? -1 : done(c, text);
}

static int do_install(struct cli_call *c, struct err *e)
{
	return install(c, ca_install_issuer, "it signs from the master's next start on", e);
}

static int do_install_roots(struct cli_call *c, struct err *e)
{
	return install(c, ca_install_roots, "taken", e);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const char group[] = "Authorities of a cloud (operators, on the master's machine)";

#define EXITS_CHANGE \
	"3 there is no authority\n4 a master runs on DIR\n5 the passphrase or PIN is not " \
	"that of " \
	"the keys\n15 the root's key is not here"

static const struct cli_cmd commands[] = {
	{.name = "ca show",
	 .group = group,
	 .options = show_options,
	 .fn = do_show,
	 .help = "Show both authorities: fingerprints, when they end, where their keys are.",
	 .example = "hoc ca show --data /var/lib/hoc/master",
	 .exits = "3 there is no authority"},
	{.name = "ca roll-issuer",
	 .group = group,
	 .options = data_options,
	 .fn = do_roll_issuer,
	 .help = "Replace an issuing key; the root stays.",
	 .details = "Certificates that the old one signed stay good until they end. The master "
		    "must "
		    "be stopped. With an offline root: ca request, sign, install.",
	 .example = "hoc ca roll-issuer --data /var/lib/hoc/master --authority users",
	 .exits = EXITS_CHANGE},
	{.name = "ca roll-root",
	 .group = group,
	 .options = both_options,
	 .fn = do_roll_root,
	 .help = "Make a fresh root beside the old one; each vouches for the other.",
	 .details =
		 "Whoever trusts either root reaches what both signed, while both are valid; "
		 "persons and nodes get the new one with their next renewal.",
	 .example = "hoc ca roll-root --data /var/lib/hoc/master --authority services\n"
		    "hoc ca roll-root --root-dir /media/usb/roots --authority users",
	 .exits = EXITS_CHANGE},
	{.name = "ca request",
	 .group = group,
	 .options = data_options,
	 .fn = do_request,
	 .help = "Make the next issuing key, and print the request for an offline root.",
	 .example = "hoc ca request --data /var/lib/hoc/master --authority users >users.csr",
	 .exits = EXITS_CHANGE},
	{.name = "ca sign",
	 .arguments = "REQUEST",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = root_options,
	 .fn = do_sign,
	 .help = "Where the root's key is: sign the request of an issuer, print its "
		 "certificate.",
	 .example = "hoc ca sign --root-dir /media/usb/roots --authority users users.csr "
		    ">users.pem",
	 .exits = "3 there is no authority, or no such file\n5 the passphrase is not that of "
		  "the "
		  "root"},
	{.name = "ca install",
	 .arguments = "CERTIFICATE",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = data_options,
	 .fn = do_install,
	 .help = "Take the certificate that an offline root signed for the next issuing key.",
	 .example = "hoc ca install --data /var/lib/hoc/master --authority users users.pem",
	 .exits = "3 there is no authority, or no such file\n4 a master runs on DIR\n5 another "
		  "root signed it"},
	{.name = "ca install-roots",
	 .arguments = "ROOTS",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = data_options,
	 .fn = do_install_roots,
	 .help = "Take what an offline root that was rolled over left: root.pem and links.pem "
		 "in one "
		 "file.",
	 .example = "cat root.pem links.pem >both.pem\nhoc ca install-roots --data "
		    "/var/lib/hoc/master "
		    "--authority users both.pem",
	 .exits = "3 there is no authority, or no such file\n4 a master runs on DIR\n5 no root "
		  "of ours signed it"},
};

const struct cli_table cli_ca_commands = {commands, ARRAY_LEN(commands)};
