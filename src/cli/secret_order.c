/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Orders with secret parameters. Which node will run an instance is known only when it is
 * placed, so a new order is sent twice:
 *
 *     request ─ sealed to oneself ─▶ placed on n1 ─ sealed to n1 and oneself ─▶ n1 unseals
 *
 * The master never holds one of them in clear, and the person can read again what he ordered.
 */
#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/orders.h"
#include "cli/secret.h"
#include "profile/secrets.h"
#include "trust/wipe.h"

enum { SECRET_MAX = 64 << 10 };

/* ---- where values come from ---------------------------------------------------------------- */

/* The line end that an editor or echo leaves is no part of a secret. */
static struct str without_line_end(struct str s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

MUST static int read_all(struct cli_call *c, int fd, struct str *out, struct err *e)
{
	char *text = arena_alloc(c->arena, SECRET_MAX + 1);
	size_t n = 0;
	if (!text)
		return arena_check(c->arena, e);
	for (;;) {
		ssize_t got = read(fd, text + n, SECRET_MAX + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_os(e, errno, "read the secret");
		n += (size_t)got;
		if (got == 0)
			break;
		if (n > SECRET_MAX)
			return err_fail(e, ERR_TOO_LARGE, "a secret has at most %d bytes",
					SECRET_MAX);
	}
	*out = str_of(text, n);
	return 0;
}

MUST static int read_line(struct cli_call *c, int fd, struct str *out, struct err *e)
{
	char *text = arena_alloc(c->arena, SECRET_MAX);
	size_t n = 0;
	if (!text)
		return arena_check(c->arena, e);
	while (n < SECRET_MAX) {
		ssize_t got = read(fd, text + n, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_os(e, errno, "read from the terminal");
		if (got == 0 || text[n] == '\n')
			break;
		n++;
	}
	*out = str_of(text, n);
	return 0;
}

/* Asks on the terminal, which shows nothing of the answer. */
MUST static int ask(struct cli_call *c, const char *name, struct str *out, struct err *e)
{
	struct termios was, quiet;
	int fd CLEAN(file_closep) = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &was) < 0)
		return err_field(e, "secret",
				 "there is no terminal to ask for %s: say %s=@FILE, or "
				 "%s=@- for standard input",
				 name, name, name);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		return err_os(e, errno, "quieten the terminal");
	(void)dprintf(fd, "%s: ", name);
	int rc = read_line(c, fd, out, e);
	(void)tcsetattr(fd, TCSAFLUSH, &was);
	(void)dprintf(fd, "\n");
	return rc;
}

MUST static int value_from(struct cli_call *c, const char *name, const char *source,
			   struct str *out, struct err *e)
{
	if (!source)
		return ask(c, name, out, e);
	if (source[0] != '@' || !source[1])
		return err_field(e, "secret",
				 "takes %s, %s=@FILE or %s=@-: a secret is not to stand on a "
				 "command line",
				 name, name, name);
	if (strcmp(source, "@-") == 0) {
		if (read_all(c, STDIN_FILENO, out, e) < 0)
			return -1;
	} else {
		int rc = file_read(source + 1, SECRET_MAX, c->arena, out, e);
		if (rc != 0)
			return rc < 0 ? -1
				      : err_field(e, "secret", "%s does not exist", source + 1);
	}
	*out = without_line_end(*out);
	return 0;
}

/* ---- which are secret ---------------------------------------------------------------------- */

MUST static int names_of(struct cli_call *c, const struct json *body, struct spec_list *out,
			 struct err *e)
{
	struct json *release;
	struct str type = client_text(body, "type");
	struct str ref = client_text(body, "release");
	struct str path = client_path(c, "/v1/releases/", arena_cstr(c->arena, ref), "");
	if (client_get(c, path, &release, e) < 0)
		return -1;
	const struct json *types = json_get(json_get(release, S("manifest")), S("types"));
	const struct json *t = json_get(types, type.n ? type : S("default"));
	return profile_secret_names(json_get(t, S("parameters")), c->arena, out, e);
}

/* --secret NAME, NAME=@FILE. `known` NULL: the master is local, any name is taken. */
MUST static int read_options(struct cli_call *c, const struct spec_list *known,
			     struct json *parameters, struct err *e)
{
	const char *text;
	for (size_t i = 0; (text = cli_value_at(c, "secret", i)); i++) {
		const char *equals = strchr(text, '=');
		struct str key =
			equals ? str_of(text, (size_t)(equals - text)) : str_from(text);
		const char *name = arena_cstr(c->arena, key);
		struct str value;
		if (known && !profile_is_secret(known, key))
			return err_field(e, "secret",
					 "the release has no secret parameter %s: say --param",
					 name);
		if (value_from(c, name, equals ? equals + 1 : NULL, &value, e) < 0)
			return -1;
		json_set_str(c->arena, parameters, key, value);
		trust_wipe_str(&value);
	}
	return arena_check(c->arena, e);
}

static bool is_on_command_line(const struct cli_call *c, struct str name)
{
	const char *text;
	for (size_t i = 0; (text = cli_value_at(c, "param", i)); i++)
		if (str_starts(str_from(text), name) && text[name.n] == '=')
			return true;
	return false;
}

MUST static int note_names(struct cli_call *c, const struct spec_list *known,
			   struct secret_order *o, struct err *e)
{
	o->names = ARENA_ARRAY(c->arena, struct str, known->count);
	if (!o->names)
		return arena_check(c->arena, e);
	for (size_t i = 0; i < known->count; i++) {
		struct json *v = json_get(o->parameters, known->items[i]);
		if (!v)
			continue;
		if (is_on_command_line(c, known->items[i]))
			(void)fprintf(stderr,
				      "hoc: secret %" STR_F " stood on the command line, where "
				      "others of this machine can read it: use --secret\n",
				      STR_A(known->items[i]));
		if (!json_is(v, JSON_IS_STR)) /* a secret is a text, also 1234 */
			json_set_str(c->arena, o->parameters, known->items[i],
				     json_text(v, c->arena));
		o->names[o->count++] = known->items[i];
	}
	return arena_check(c->arena, e);
}

MUST int secret_order_read(struct cli_call *c, struct json *body, struct json *parameters,
			   struct secret_order *out, struct err *e)
{
	struct spec_list known = {.count = 0};
	*out = (struct secret_order){.body = body, .parameters = parameters, .node = S("")};
	if (secret_me_open(c, &out->me, e) < 0)
		return -1;
	if (out->me.is_local)
		return read_options(c, NULL, parameters, e);
	if (!json_count(parameters) && !cli_has(c, "secret"))
		return 0;
	if (names_of(c, body, &known, e) < 0 || read_options(c, &known, parameters, e) < 0)
		return -1;
	return note_names(c, &known, out, e);
}

void secret_order_end(struct secret_order *o)
{
	for (size_t i = 0; i < o->count; i++) {
		struct str v = json_str_of(json_get(o->parameters, o->names[i]), S(""));
		trust_wipe_str(&v);
	}
	secret_me_close(&o->me);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* Is what stands there sealed to as many, and says the same? Then it stays. */
MUST static int is_same(struct cli_call *c, const struct secret_order *o, struct str sealed,
			struct str clear, size_t keys, struct err *e)
{
	struct str text CLEAN(trust_wipe_str) = S("");
	size_t stanzas = 0;
	if (!age_is_sealed(sealed) || age_check(sealed, &stanzas, e) < 0 || stanzas != keys)
		return 0;
	int rc = secret_unseal(c, &o->me, sealed, &text, e);
	return rc < 0 ? -1 : rc == 0 && str_eq(text, clear);
}

/* The parameters with every secret sealed; what `before` has stays if it is the same. */
MUST static int seal_all(struct cli_call *c, const struct secret_order *o,
			 const struct secret_keys *keys, const struct json *before,
			 struct json **out, struct err *e)
{
	struct json *sealed = json_object_new(c->arena);
	for (size_t i = 0; i < json_count(o->parameters); i++)
		json_set(c->arena, sealed, o->parameters->members[i].key,
			 o->parameters->members[i].value);
	for (size_t i = 0; i < o->count; i++) {
		struct str clear = json_str_of(json_get(o->parameters, o->names[i]), S(""));
		struct str old = json_str_of(json_get(before, o->names[i]), S("")), fresh;
		if (age_is_sealed(clear))
			continue; /* sealed by other means */
		int same = is_same(c, o, old, clear, keys->count, e);
		if (same < 0)
			return -1;
		if (!same && secret_seal(c, clear, keys, &fresh, e) < 0)
			return -1;
		json_set_str(c->arena, sealed, o->names[i], same ? old : fresh);
	}
	*out = sealed;
	return arena_check(c->arena, e);
}

/* The instance of that title, if it is there: 1, else 0. */
MUST static int find(struct cli_call *c, const struct secret_order *o, struct json **out,
		     struct err *e)
{
	struct str title = client_text(o->body, "title");
	struct str path = client_path(c, "/v1/instances/", arena_cstr(c->arena, title), "");
	path = client_query(c, path, "customer", cli_value(c, "customer"));
	if (client_get(c, path, out, e) == 0)
		return !str_is(client_text(*out, "status"), "destroyed");
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 0;
}

/* Own keys and, of an instance that has a place, its node's. */
MUST static int keys_for(struct cli_call *c, struct secret_order *o, struct json *instance,
			 struct secret_keys *keys, struct err *e)
{
	struct json *who;
	keys->count = 0;
	if (secret_keys_add_own(&o->me, keys, e) < 0)
		return -1;
	if (!instance || !client_text(instance, "node").n)
		return 0;
	struct str guid = client_text(instance, "guid");
	struct str path =
		client_path(c, "/v1/instances/", arena_cstr(c->arena, guid), "/recipients");
	if (client_get(c, path, &who, e) < 0 ||
	    secret_keys_add(c, &o->me, json_get(who, S("recipients")), o->me.name, keys, e) < 0)
		return -1;
	size_t own = keys->count;
	if (secret_keys_add(c, &o->me, json_get(who, S("node")), S(""), keys, e) < 0)
		return -1;
	if (keys->count == own)
		return err_fail(e, ERR_FORBIDDEN,
				"node %" STR_F
				" has no key that holds: nothing is sealed to it",
				STR_A(client_text(instance, "node")));
	o->node = client_text(instance, "node");
	return 0;
}

MUST static int post(struct cli_call *c, struct secret_order *o, struct json *before,
		     struct json **instance, struct err *e)
{
	struct secret_keys keys = {.count = 0};
	struct json *sealed, *body = json_object_new(c->arena);
	if (keys_for(c, o, before, &keys, e) < 0 ||
	    seal_all(c, o, &keys, json_get(before, S("parameters")), &sealed, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(o->body); i++)
		json_set(c->arena, body, o->body->members[i].key, o->body->members[i].value);
	json_set(c->arena, body, S("parameters"), sealed);
	return client_send(c, "POST", S("/v1/instances"), body, instance, e);
}

MUST int secret_order_send(struct cli_call *c, struct secret_order *o, struct json **instance,
			   struct err *e)
{
	struct json *before = NULL;
	if (!o->count)
		return client_send(c, "POST", S("/v1/instances"), o->body, instance, e);
	int found = find(c, o, &before, e);
	return found < 0 ? -1 : post(c, o, found ? before : NULL, instance, e);
}

MUST int secret_order_place(struct cli_call *c, struct secret_order *o, struct json **instance,
			    struct err *e)
{
	struct json *before = *instance;
	struct str node = client_text(before, "node");
	if (!o->count || (node.n && str_eq(node, o->node)))
		return 0;
	if (node.n)
		return post(c, o, before, instance, e);
	(void)fprintf(stderr,
		      "hoc: no node can read its secrets yet: once it has a place, send the "
		      "same request again, or run hoc secret reseal %s\n",
		      c->arguments[1]);
	return 0;
}
