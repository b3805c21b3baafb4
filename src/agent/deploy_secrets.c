/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Secrets of an instance: unsealed here when they come, sealed here before they go.
 *
 * The master is asked who may read before anything is published; who cannot prove his key is left
 * out, and the promise "secrets-sealed" says so until it is mended. The same clear text for the
 * same readers is the same sealed text (node.db). Without a master the readers are those that
 * were known last.
 */
#include "agent/deploy_impl.h"
#include "agent/hide.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/wipe.h"

#define PROMISE S("secrets-sealed")

enum { SECRETS_MAX = HIDE_MAX };

/* ---- what must not be told ----------------------------------------------------------------- */

MUST int deploy_note_secret(struct deploy_plan *plan, struct str clear, struct arena *a,
			    struct err *e)
{
	if (!plan->secrets)
		plan->secrets = ARENA_ARRAY(a, struct str, SECRETS_MAX);
	if (!plan->secrets)
		return arena_check(a, e);
	if (plan->secret_count == SECRETS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "an instance has at most %d secrets",
				SECRETS_MAX);
	if (clear.n)
		plan->secrets[plan->secret_count++] = clear;
	return 0;
}

void deploy_hide(const struct deploy_plan *plan, char *text, size_t size)
{
	hide_secrets(text, size, plan->secrets, plan->secret_count);
}

void deploy_wipe_secrets(struct deploy_plan *plan)
{
	for (size_t i = 0; i < plan->secret_count; i++)
		trust_wipe_str(&plan->secrets[i]);
	trust_wipe_str(&plan->spec_text);
	plan->secret_count = 0;
}

/* ---- unsealing ----------------------------------------------------------------------------- */

/* A member's clear text in its place. 1: it is not for this node. */
static int unseal_member(const struct deploy *d, struct deploy_plan *plan, struct json *object,
			 struct str name, struct arena *a, struct err *e)
{
	struct str sealed = json_str_of(json_get(object, name), S("")), clear;
	struct err why = ERR_INIT;
	if (!age_is_sealed(sealed))
		return 0;
	if (!d->keys)
		return 1;
	if (age_unseal(sealed, keys_seal(d->keys), a, &clear, &why) < 0) {
		if (why.kind == ERR_FORBIDDEN)
			return 1;
		*e = why;
		return err_in(e, "parameter %" STR_F, STR_A(name));
	}
	if (!str_is_utf8(clear))
		return err_field(e,
				 name.n < 100
					 ? arena_fmt(a, "parameters.%" STR_F, STR_A(name)).p
					 : "parameters",
				 "is no text once it is unsealed");
	json_set_str(a, object, name, clear);
	return deploy_note_secret(plan, json_str_of(json_get(object, name), S("")), a, e);
}

MUST int deploy_unseal_parameters(const struct deploy *d, struct deploy_plan *plan,
				  struct str sealed, struct arena *a, struct str *out,
				  struct err *e)
{
	const struct spec_list *names = &plan->type->secret_parameters;
	struct json *parameters;
	*out = sealed;
	if (!names->count || !sealed.n)
		return 0;
	if (json_parse(sealed, a, &parameters, e) < 0)
		return -1;
	for (size_t i = 0; i < names->count; i++) {
		int rc = unseal_member(d, plan, parameters, names->items[i], a, e);
		if (rc > 0)
			return err_fail(e, ERR_FORBIDDEN,
					"parameter %" STR_F " is not sealed to this node's key",
					STR_A(names->items[i]));
		if (rc < 0)
			return -1;
		/* One that came in clear is no less a secret. */
		struct str clear = json_str_of(json_get(parameters, names->items[i]), S(""));
		if (deploy_note_secret(plan, clear, a, e) < 0)
			return -1;
	}
	*out = json_text(parameters, a);
	return arena_check(a, e);
}

MUST int deploy_unseal_object(const struct deploy *d, struct deploy_plan *plan,
			      struct json *object, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < json_count(object); i++) {
		if (!json_is(object, JSON_IS_OBJECT))
			return 0;
		int rc = unseal_member(d, plan, object, object->members[i].key, a, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- readers ------------------------------------------------------------------------------- */

typedef int read_fn(struct str body, struct str roots, struct str chain, struct str crl,
		    int64_t now_ms, struct arena *a, struct recipients *out, struct err *e);

/* What the master says of an instance's readers, as far as it holds. */
static int ask(const struct deploy *d, struct str guid, read_fn *fn, struct arena *a,
	       struct recipients *out, struct err *e)
{
	struct http_response response;
	struct str chain, crl;
	const struct http_request r = {
		.target = arena_fmt(a, "/v1/instances/%" STR_F "/recipients", STR_A(guid))};
	if (talkers_fetch_ok(d->talkers, &r, a, &response, e) < 0 ||
	    talkers_certificates(d->talkers, a, &chain, &crl, e) < 0 ||
	    fn(response.body, keys_roots(d->keys, a), chain, crl, clock_now_ms(d->clock), a,
	       out, e) < 0)
		return err_in(e, "who may read the secrets");
	return 0;
}

static int ask_readers(const struct deploy *d, const struct machine_wish *w, struct arena *a,
		       struct recipients *out, struct err *e)
{
	struct str told, body;
	if (ask(d, w->guid, recipients_read, a, out, e) < 0)
		return -1;
	int rc = ndb_readers(d->ndb, w->guid, a, &body, &told, e);
	if (rc < 0)
		return -1;
	struct str fresh = recipients_text(out, a);
	if (rc == 0 && str_eq(fresh, body))
		return 0;
	return ndb_save_readers(d->ndb, w->guid, fresh, rc ? S("") : told, e);
}

/* Those that were known last; nobody, if none were. */
static int recall_readers(const struct deploy *d, const struct machine_wish *w, struct arena *a,
			  struct recipients *out, struct err *e)
{
	struct str body, told;
	int rc = ndb_readers(d->ndb, w->guid, a, &body, &told, e);
	if (rc == 0)
		return recipients_parse(body, a, out, e);
	*out = (struct recipients){.is_sealed = true};
	return rc;
}

MUST int deploy_readers(const struct deploy *d, const struct machine_wish *w,
			struct deploy_plan *plan, struct arena *a, struct err *e)
{
	bool is_plain = d->talkers && !talkers_keys(d->talkers);
	plan->readers = (struct recipients){.is_sealed = false};
	if (!d->keys || is_plain)
		return 0;
	if (!d->talkers)
		return recall_readers(d, w, a, &plan->readers, e) < 0 ? -1 : 0;
	if (ask_readers(d, w, a, &plan->readers, e) == 0)
		return 0;
	struct err why = *e;
	if (why.kind != ERR_UNREACHABLE && why.kind != ERR_TIMEOUT)
		return -1;
	err_clear(e);
	int rc = recall_readers(d, w, a, &plan->readers, e);
	if (rc > 0)
		*e = why;
	return rc == 0 ? 0 : -1;
}

/* ---- sealing ------------------------------------------------------------------------------- */

MUST int deploy_seal(const struct deploy *d, struct str guid, struct str name,
		     const struct recipients *to, struct str clear, struct arena *a,
		     struct str *out, struct err *e)
{
	struct str digest = recipients_digest(to, clear, a);
	if (arena_check(a, e) < 0)
		return -1;
	int rc = ndb_sealed(d->ndb, guid, name, digest, a, out, e);
	if (rc <= 0)
		return rc;
	if (age_seal(clear, to->keys, to->count, a, out, e) < 0)
		return -1;
	return ndb_save_sealed(d->ndb, guid, name, digest, *out, e);
}

/* ---- what children are asked for with ------------------------------------------------------ */

bool deploy_holds_secret(const struct deploy_plan *plan, struct str text)
{
	for (size_t i = 0; i < plan->secret_count; i++)
		if (str_find(text, plan->secrets[i]) < text.n)
			return true;
	return false;
}

static struct str child_key(struct str child, struct str name, struct arena *a)
{
	return arena_fmt(a, "child.%" STR_F ".%" STR_F, STR_A(child), STR_A(name));
}

MUST int deploy_seal_child(const struct deploy *d, const struct machine_wish *w,
			   const struct deploy_plan *plan, struct str child,
			   const struct recipients *to, struct json *parameters,
			   struct arena *a, struct err *e)
{
	int sealed_n = 0;
	struct str sealed;
	for (size_t i = 0; i < json_count(parameters); i++) {
		struct str name = parameters->members[i].key;
		struct str clear = json_str_of(parameters->members[i].value, S(""));
		if (age_is_sealed(clear) || !deploy_holds_secret(plan, clear))
			continue;
		if (deploy_seal(d, w->guid, child_key(child, name, a), to, clear, a, &sealed,
				e) < 0)
			return -1;
		json_set_str(a, parameters, name, sealed);
		sealed_n++;
	}
	/* Elsewhere nobody would look for a sealed text. */
	if (deploy_holds_secret(plan, json_text(parameters, a)))
		return err_fail(e, ERR_INVALID,
				"a secret stands below the top level of its parameters");
	return sealed_n;
}

MUST int deploy_child_readers(const struct deploy *d, const struct machine_wish *w,
			      struct str child, struct arena *a, struct recipients *out,
			      struct err *e)
{
	struct str text, own = keys_recipient(d->keys);
	int rc = ndb_sealed(d->ndb, w->guid, child_key(child, S(""), a), S("readers"), a, &text,
			    e);
	if (rc == 0)
		return recipients_parse(text, a, out, e);
	*out = (struct recipients){.is_sealed = true, .keys = ARENA_NEW(a, struct str)};
	if (rc < 0 || !out->keys)
		return rc < 0 ? -1 : arena_check(a, e);
	out->keys[out->count++] = own;
	return 0;
}

MUST int deploy_child_placed(const struct deploy *d, const struct machine_wish *w,
			     struct str child, struct str guid, struct arena *a,
			     struct recipients *to, struct err *e)
{
	struct recipients node;
	struct str before = recipients_digest(to, S(""), a), own = keys_recipient(d->keys);
	if (ask(d, guid, recipients_read_node, a, &node, e) < 0)
		return -1;
	bool has_own = false;
	for (size_t i = 0; i < node.count; i++)
		has_own |= str_eq(node.keys[i], own);
	if (!has_own && node.count < CLOUD_RECIPIENTS_MAX)
		node.keys[node.count++] = own;
	*to = node;
	to->is_sealed = true;
	if (str_eq(before, recipients_digest(to, S(""), a)))
		return 0;
	return ndb_save_sealed(d->ndb, w->guid, child_key(child, S(""), a), S("readers"),
			       recipients_text(to, a), e) < 0
		       ? -1
		       : 1;
}

/* ---- telling ------------------------------------------------------------------------------- */

/* Tells the master what is wrong with the readers, once, and that it is mended. */
static int tell(const struct deploy *d, const struct machine_wish *w, struct str message,
		struct arena *a, struct err *e)
{
	struct str body, told;
	int rc = ndb_readers(d->ndb, w->guid, a, &body, &told, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (str_eq(message, told))
		return 0;
	const struct ndb_result r = {
		.instance = w->guid,
		.name = PROMISE,
		.state = message.n ? S("broken") : S("withdrawn"),
		.message = message,
		.at_ms = clock_now_ms(d->clock),
	};
	if (message.n)
		log_event(LOG_WARN, "agent.secret.unread", KV_S("instance", w->guid),
			  KV_S("why", message));
	if (ndb_results_add(d->ndb, &r, 1, e) < 0)
		return -1;
	return ndb_save_readers(d->ndb, w->guid, body, message, e);
}

MUST int deploy_seal_connection(const struct deploy *d, const struct machine_wish *w,
				const struct deploy_plan *plan, struct json *connection,
				struct arena *a, struct err *e)
{
	const struct spec_list *names = &plan->type->secret_connection;
	const struct recipients *to = &plan->readers;
	if (!to->is_sealed || !names->count)
		return 0;
	for (size_t i = 0; i < names->count; i++) {
		struct str name = names->items[i], sealed;
		struct str clear =
			json_str_of(json_get(connection, name), (struct str){NULL, 0});
		if (!clear.p)
			continue;
		if (!to->count) {
			json_unset(connection, name);
			continue;
		}
		if (deploy_seal(d, w->guid, name, to, clear, a, &sealed, e) < 0)
			return err_in(e, "seal %" STR_F, STR_A(name));
		json_set_str(a, connection, name, sealed);
	}
	struct str message = str_from(to->left_out);
	if (!to->count)
		message = arena_fmt(a, "no key to seal to%s%s", message.n ? ": " : "",
				    to->left_out);
	return tell(d, w, str_sub(message, 0, CLOUD_TEXT_MAX - 1), a, e);
}
