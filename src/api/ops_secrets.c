/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may read an instance's secrets: the operations. */
#include "api/access.h"
#include "api/life.h"
#include "api/order.h"
#include "api/pages.h"
#include "api/params.h"
#include "api/secrets.h"
#include "api/trust_names.h"
#include "api/views.h"
#include "profile/secrets.h"
#include "store/certificate.h"
#include "store/customer.h"
#include "store/domain.h"
#include "store/identity.h"
#include "store/instance.h"
#include "store/person.h"
#include "trust/ca.h"

/* clang-format off */
enum { MODE_SEALED, MODE_CLEAR };
static const struct json_word mode_words[] = {{"sealed", MODE_SEALED}, {"clear", MODE_CLEAR}, {NULL, 0}};
struct mode_in { int mode; };
static const struct json_field mode_fields[] = {
	JSON_ENUM(struct mode_in, mode, "mode", mode_words, JSON_REQUIRED, "sealed: the master takes secrets sealed only; clear: also as they are, readable in its database."),
};
static const struct json_desc mode_in = JSON_DESC(struct mode_in, mode_fields, "SecretsMode", "How a customer's secrets are kept.");

struct value_in { struct str value; };
static const struct json_field value_fields[] = {
	JSON_STR(struct value_in, value, "value", 1, SECRETS_VALUE_MAX, JSON_REQUIRED, "The sealed text."),
};
static const struct json_desc value_in = JSON_DESC(struct value_in, value_fields, "SealedValue", "A connection parameter, sealed again.");

struct customer_query { struct str customer; };
static const struct json_field query_fields[] = {
	JSON_STR(struct customer_query, customer, "customer", 1, MODEL_NAME_MAX, 0, "Whose, if the path has a title.", .initial_text = ""),
};
static const struct json_desc customer_query = JSON_DESC(struct customer_query, query_fields, "SecretsQuery", "Whose.");

struct recipient { struct str kind, name, key, seal_key, statement, certificate; };
static const struct json_field recipient_fields[] = {
	JSON_STR(struct recipient, kind, "kind", 0, INT64_MAX, 0, "person or node."),
	JSON_STR(struct recipient, name, "name", 0, INT64_MAX, 0, "Whose key it is."),
	JSON_STR(struct recipient, key, "key", 0, INT64_MAX, 0, "Name of the identity key."),
	JSON_STR(struct recipient, seal_key, "seal_key", 0, INT64_MAX, 0, "To seal to: age1…"),
	JSON_STR(struct recipient, statement, "statement", 0, INT64_MAX, 0, "The identity key's signature over it."),
	JSON_STR(struct recipient, certificate, "certificate", 0, INT64_MAX, 0, "Of the identity key, and what is above it; empty: it has none that is valid."),
};
static const struct json_desc recipient_desc = JSON_DESC(struct recipient, recipient_fields, "Recipient", "A key to seal to.");
struct recipients {
	struct str mode;
	int64_t rotation;
	struct str person, customer, zone;
	struct json *readers, *names;
	struct recipient *items, *nodes;
	size_t n, node_count;
};
static const struct json_field recipients_fields[] = {
	JSON_STR(struct recipients, mode, "mode", 0, INT64_MAX, 0, "sealed, or clear: nothing is to be sealed."),
	JSON_I64(struct recipients, rotation, "rotation", 0, INT64_MAX, 0, "When it grows, secrets are made anew."),
	JSON_STR(struct recipients, person, "person", 0, INT64_MAX, 0, "Who asked for the instance; empty: an instance did."),
	JSON_STR(struct recipients, customer, "customer", 0, INT64_MAX, 0, "Whose the instance is."),
	JSON_STR(struct recipients, zone, "zone", 0, INT64_MAX, 0, "The cloud's zone; empty: it has none."),
	JSON_TREE(struct recipients, names, "names", 0, "DNS names that the customer has, each with all below it."),
	JSON_TREE(struct recipients, readers, "readers", 0, "Names of persons who may read besides."),
	JSON_STRUCTS(struct recipients, items, n, struct recipient, "recipients", &recipient_desc, 0, INT64_MAX, 0, "Every key to seal what is published to. Check certificate and statement first."),
	JSON_STRUCTS(struct recipients, nodes, node_count, struct recipient, "node", &recipient_desc, 0, INT64_MAX, 0, "Keys of the node that it is on: to seal its parameters to."),
};
static const struct json_desc recipients_out = JSON_DESC(struct recipients, recipients_fields, "Recipients", "Who may read the secrets of an instance.");
/* clang-format on */

MUST static int need_persons(const struct api_call *c, struct err *e)
{
	if (secrets_are_guarded(c))
		return 0;
	return err_fail(e, ERR_UNSUPPORTED,
			"this master is local: nobody is known to it, and "
			"secrets stand in it in clear");
}

MUST static int find(struct api_call *c, struct instance *i, struct err *e)
{
	const struct customer_query *q = c->query;
	return order_lookup(c, c->params[0], q->customer, i, e);
}

MUST static int find_live(struct api_call *c, struct instance *i, struct err *e)
{
	if (find(c, i, e) < 0)
		return -1;
	if (!i->is_live)
		return err_fail(e, ERR_CONFLICT, "instance %" STR_F " is destroyed",
				STR_A(i->title));
	return 0;
}

/* What is stored as JSON, to be changed: not to be read is a failure, other than in views. */
MUST static int load(struct api_call *c, struct str text, struct json **out, struct err *e)
{
	return json_parse(text, c->a, out, e) < 0 ? err_in(e, "what is stored") : 0;
}

/* ---- recipients ---------------------------------------------------------------------------- */

/* Does the person still count (api/secrets.h)? 1 or 0. */
MUST static int counts(struct api_call *c, int64_t customer_id, struct str name, struct err *e)
{
	struct person p;
	struct member m;
	struct str roles, word;
	enum role r;
	int rc = store_person_find(c->tx, c->a, name, &p, e);
	if (rc <= 0 || !p.is_active)
		return rc < 0 ? -1 : 0;
	for (roles = p.roles; roles.n && str_split(&roles, ' ', &word);)
		if (access_role_read(word, &r) && r == ROLE_OPERATOR)
			return 1;
	return store_member_find(c->tx, c->a, customer_id, p.id, &m, e);
}

/* The newest certificate of a key with its chain; "" if it has none that is not revoked. */
MUST static int certificate_of(struct api_call *c, struct str key, struct str *out,
			       struct err *e)
{
	struct certificate x;
	int rc = store_certificate_newest(c->tx, c->a, key, &x, e);
	*out = S("");
	if (rc <= 0 || x.revoked_at_ms)
		return rc < 0 ? -1 : 0;
	const struct ca *ca = c->api->options.users;
	struct str chain = ca ? ca_chain(ca) : S("");
	*out = arena_fmt(c->a, "%" STR_F "%" STR_F, STR_A(x.pem), STR_A(chain));
	return 0;
}

/* Appends the good keys of an owner to the list. */
MUST static int add_keys(struct api_call *c, const char *kind, struct str owner,
			 struct recipient *items, size_t *count, struct err *e)
{
	struct identity_key *keys = NULL;
	size_t n = 0;
	if (store_key_list(c->tx, c->a, str_from(kind), owner, &keys, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n && *count < SECRETS_RECIPIENTS_MAX; i++) {
		struct recipient *r = &items[*count];
		if (keys[i].revoked_at_ms || !keys[i].seal_key.n)
			continue;
		*r = (struct recipient){
			.kind = keys[i].kind,
			.name = keys[i].owner,
			.key = keys[i].name,
			.seal_key = keys[i].seal_key,
			.statement = keys[i].statement,
		};
		if (certificate_of(c, keys[i].name, &r->certificate, e) < 0)
			return -1;
		(*count)++;
	}
	return 0;
}

MUST static int add_person(struct api_call *c, const struct instance *i, struct str person,
			   struct recipients *v, struct err *e)
{
	int rc = person.n ? counts(c, i->customer_id, person, e) : 0;
	return rc <= 0 ? rc : add_keys(c, "person", person, v->items, &v->n, e);
}

/* An instance asked for it: the node that one is on uses what is published. */
MUST static int add_requester(struct api_call *c, const struct instance *i,
			      struct recipients *v, struct err *e)
{
	struct instance requester;
	if (!i->requester_id)
		return 0;
	int rc = store_instance_by_id(c->tx, c->a, i->requester_id, &requester, e);
	if (rc <= 0 || !requester.node.n)
		return rc < 0 ? -1 : 0;
	return add_keys(c, "node", requester.node, v->items, &v->n, e);
}

MUST static int fill(struct api_call *c, const struct instance *i, struct recipients *v,
		     struct err *e)
{
	v->items = ARENA_ARRAY(c->a, struct recipient, SECRETS_RECIPIENTS_MAX);
	v->nodes = ARENA_ARRAY(c->a, struct recipient, SECRETS_RECIPIENTS_MAX);
	if (!v->items || !v->nodes)
		return arena_check(c->a, e);
	if (i->node.n && add_keys(c, "node", i->node, v->nodes, &v->node_count, e) < 0)
		return -1;
	if (add_requester(c, i, v, e) < 0 || add_person(c, i, i->person, v, e) < 0)
		return -1;
	for (size_t k = 0; k < json_count(v->readers); k++) {
		struct str name = json_str_of(json_at(v->readers, k), S(""));
		if (!str_eq(name, i->person) && add_person(c, i, name, v, e) < 0)
			return -1;
	}
	return 0;
}

/* CUSTOMER.ZONE and his domains. */
MUST static int fill_names(struct api_call *c, const struct instance *i, struct recipients *v,
			   struct err *e)
{
	struct domain *domains = NULL;
	size_t n = 0;
	v->names = json_array_new(c->a);
	v->customer = i->customer;
	v->zone = str_from(c->api->options.zone ? c->api->options.zone : "");
	if (!secrets_are_guarded(c))
		return 0;
	if (store_domain_list(c->tx, c->a, i->customer_id, &domains, &n, e) < 0)
		return -1;
	if (v->zone.n && trust_is_label(i->customer))
		json_add_str(c->a, v->names,
			     arena_fmt(c->a, "%" STR_F ".%" STR_F, STR_A(i->customer),
				       STR_A(v->zone)));
	for (size_t k = 0; k < n; k++)
		json_add_str(c->a, v->names, domains[k].name);
	return arena_check(c->a, e);
}

MUST static int answer_recipients(struct api_call *c, const struct instance *i, struct err *e)
{
	bool is_clear = i->takes_clear || !secrets_are_guarded(c);
	struct recipients v = {
		.mode = is_clear ? S("clear") : S("sealed"),
		.rotation = i->rotation,
		.person = i->person,
	};
	if (load(c, i->readers_json, &v.readers, e) < 0 || fill_names(c, i, &v, e) < 0 ||
	    (secrets_are_guarded(c) && fill(c, i, &v, e) < 0))
		return -1;
	return call_answer(c, 200, &recipients_out, &v, e);
}

MUST static int recipients_get(struct api_call *c, struct err *e)
{
	struct instance i;
	return find(c, &i, e) < 0 ? -1 : answer_recipients(c, &i, e);
}

/* ---- readers ------------------------------------------------------------------------------- */

/* The node has to look at *i again; stores it. */
MUST static int save_and_stamp(struct api_call *c, struct instance *i, struct err *e)
{
	if (life_stamp(c, i, STAMP_REQUEST_CHANGED, e) < 0)
		return -1;
	return store_instance_save(c->tx, i, e);
}

/* The readers without the person, and whether he was among them. */
MUST static int without(struct api_call *c, const struct instance *i, struct str person,
			struct json **out, bool *was_there, struct err *e)
{
	struct json *readers;
	if (load(c, i->readers_json, &readers, e) < 0)
		return -1;
	*out = json_array_new(c->a);
	*was_there = false;
	for (size_t k = 0; k < json_count(readers); k++) {
		struct str name = json_str_of(json_at(readers, k), S(""));
		if (str_eq(name, person))
			*was_there = true;
		else
			json_add_str(c->a, *out, name);
	}
	return 0;
}

MUST static int store_readers(struct api_call *c, struct instance *i, struct json *readers,
			      const char *verb, struct err *e)
{
	i->readers_json = json_text(readers, c->a);
	call_event_str(c, EVENT_INSTANCE_READERS, i->guid, verb, c->params[1]);
	return save_and_stamp(c, i, e) < 0 ? -1 : answer_recipients(c, i, e);
}

MUST static int reader_put(struct api_call *c, struct err *e)
{
	struct instance i;
	struct json *readers;
	bool was_there;
	struct str person = c->params[1];
	if (need_persons(c, e) < 0 || find_live(c, &i, e) < 0)
		return -1;
	int rc = counts(c, i.customer_id, person, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_field(e, "person", "is no member of customer %" STR_F,
					  STR_A(i.customer));
	if (without(c, &i, person, &readers, &was_there, e) < 0)
		return -1;
	if (was_there)
		return answer_recipients(c, &i, e);
	if (json_count(readers) >= SECRETS_READERS_MAX)
		return err_fail(e, ERR_TOO_LARGE,
				"instance %" STR_F " has %d readers, the most there can be",
				STR_A(i.title), SECRETS_READERS_MAX);
	json_add_str(c->a, readers, person);
	return store_readers(c, &i, readers, "added", e);
}

MUST static int reader_delete(struct api_call *c, struct err *e)
{
	struct instance i;
	struct json *readers;
	bool was_there;
	if (need_persons(c, e) < 0 || find_live(c, &i, e) < 0 ||
	    without(c, &i, c->params[1], &readers, &was_there, e) < 0)
		return -1;
	return was_there ? store_readers(c, &i, readers, "removed", e)
			 : answer_recipients(c, &i, e);
}

/* ---- rotation, sealing again --------------------------------------------------------------- */

MUST static int answer(struct api_call *c, const struct instance *i, struct err *e)
{
	struct view_instance v;
	view_instance_of(c, i, &v);
	return call_answer(c, 200, &view_instance_desc, &v, e);
}

MUST static int rotate(struct api_call *c, struct err *e)
{
	struct instance i;
	struct json *body = json_object_new(c->a);
	if (find_live(c, &i, e) < 0)
		return -1;
	i.rotation++;
	json_set_i64(c->a, body, S("rotation"), i.rotation);
	call_event(c, EVENT_INSTANCE_ROTATED, i.guid, body);
	return save_and_stamp(c, &i, e) < 0 ? -1 : answer(c, &i, e);
}

/* Only who could read the value can have sealed it again. */
MUST static int need_reader(struct api_call *c, const struct instance *i, struct err *e)
{
	bool is_reader;
	struct str me = access_person(c);
	struct json *others;
	if (without(c, i, me, &others, &is_reader, e) < 0)
		return -1;
	if (me.n && (is_reader || str_eq(i->person, me)))
		return 0;
	return err_fail(e, ERR_CONFLICT,
			"you are no reader of %" STR_F
			"'s secrets: only who read a value can seal it again",
			STR_A(i->title));
}

MUST static int check_resealed(struct api_call *c, const struct instance *i,
			       const struct json *connection, struct str name, struct err *e)
{
	struct params_secrets names;
	if (params_secrets(c, i->release_id, i->release_name, i->type, &names, e) < 0)
		return -1;
	if (!json_get(connection, name))
		return err_fail(e, ERR_NOT_FOUND, "%" STR_F " publishes no %" STR_F,
				STR_A(i->title), STR_A(str_sub(name, 0, 100)));
	if (!profile_is_secret(&names.connection, name))
		return err_field(e, "name",
				 "%" STR_F " is not secret: its instance publishes it",
				 STR_A(name));
	return 0;
}

MUST static int reseal(struct api_call *c, struct err *e)
{
	const struct value_in *in = c->in;
	struct instance i;
	struct str name = c->params[1];
	if (need_persons(c, e) < 0 || find_live(c, &i, e) < 0 || need_reader(c, &i, e) < 0)
		return -1;
	struct json *connection;
	if (load(c, i.connection_json, &connection, e) < 0 ||
	    check_resealed(c, &i, connection, name, e) < 0)
		return -1;
	struct spec_list one = {.items = &name, .count = 1};
	json_set_str(c->a, connection, name, in->value);
	if (secrets_check(c, &one, connection, "connection", false, e) < 0)
		return -1;
	struct str text = json_text(connection, c->a);
	if (text.n > MODEL_CONNECTION_MAX)
		return err_field(e, "value",
				 "makes the connection %zu bytes; at most %d are allowed",
				 text.n, MODEL_CONNECTION_MAX);
	if (str_eq(text, i.connection_json))
		return answer(c, &i, e);
	i.connection_json = text;
	call_event_str(c, EVENT_INSTANCE_RESEALED, i.guid, "name", name);
	call_wake(c, "instance:", i.guid);
	if (store_instance_save(c->tx, &i, e) < 0 || life_stamp(c, &i, STAMP_PUBLISHED, e) < 0)
		return -1;
	return answer(c, &i, e);
}

/* ---- how a customer keeps them ------------------------------------------------------------- */

static int look_again(struct api_call *c, struct instance *i, void *user UNUSED, struct err *e)
{
	return save_and_stamp(c, i, e);
}

MUST static int mode_put(struct api_call *c, struct err *e)
{
	const struct mode_in *in = c->in;
	struct customer r;
	struct view_customer v;
	if (need_persons(c, e) < 0 || access_customer(c, c->params[0], &r, e) < 0)
		return -1;
	bool takes_clear = in->mode == MODE_CLEAR;
	if (r.takes_clear != takes_clear) {
		r.takes_clear = takes_clear;
		call_event_str(c, EVENT_CUSTOMER_CHANGED, r.name, "secrets",
			       str_from(mode_words[in->mode].word));
		if (store_customer_save(c->tx, &r, e) < 0 ||
		    pages_each(c, INSTANCES_OF_CUSTOMER, r.id, 0, look_again, NULL, e) < 0)
			return -1;
	}
	view_customer_of(c, &r, &v);
	return call_answer(c, 200, &view_customer_desc, &v, e);
}

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{PUT_("/v1/customers/{customer}/secrets"), "secrets_mode", "------a-", true, &mode_in, NULL, &view_customer_desc, NULL, mode_put, NULL,
		"May a customer's secrets stand in the master in clear?"},
	{GET_("/v1/instances/{instance}/recipients"), "recipients", "-oo---ao", false, NULL, &customer_query, &recipients_out, NULL, recipients_get, NULL,
		"Who may read the secrets of an instance, and the keys to seal them to."},
	{PUT_("/v1/instances/{instance}/readers/{person}"), "reader_add", "-oo---a-", true, NULL, &customer_query, &recipients_out, NULL, reader_put, NULL,
		"Lets a member of the customer read the instance's secrets; its node seals them again."},
	{DELETE_("/v1/instances/{instance}/readers/{person}"), "reader_remove", "-oo---a-", true, NULL, &customer_query, &recipients_out, NULL, reader_delete, NULL,
		"Seals no more to that person. What he has read he knows: rotate."},
	{POST_("/v1/instances/{instance}/rotate"), "rotate", "-oo---a-", true, NULL, &customer_query, &view_instance_desc, NULL, rotate, NULL,
		"Makes the secrets of an instance anew on its node."},
	{PUT_("/v1/instances/{instance}/connection/{name}"), "reseal", "-oo-----", true, &value_in, &customer_query, &view_instance_desc, NULL, reseal, NULL,
		"A reader seals a secret connection parameter again; what the node publishes next replaces it."},
};
/* clang-format on */

const struct op_table op_secrets = {rows, ARRAY_LEN(rows)};
