/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/views.h"

#include "api/access.h"
#include "api/secrets.h"
#include "core/state.h"

/* clang-format off */
#define V struct view_instance
static const struct json_field counts_fields[] = {
	JSON_I64(struct view_counts, kept, "kept", 0, INT64_MAX, 0, "How many are kept."),
	JSON_I64(struct view_counts, broken, "broken", 0, INT64_MAX, 0, "How many are broken."),
	JSON_I64(struct view_counts, unknown, "unknown", 0, INT64_MAX, 0, "How many nobody knows of."),
};
static const struct json_desc counts_desc =
	JSON_DESC(struct view_counts, counts_fields, "Counts", "Promises by state.");
static const struct json_field instance_fields[] = {
	JSON_STR(V, guid, "guid", 0, INT64_MAX, 0, "Its name for ever; opaque."),
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "Its name within its tree."),
	JSON_STR(V, tree, "tree", 0, INT64_MAX, 0, "Title of the root of its tree."),
	JSON_STR(V, requester, "requester", 0, INT64_MAX, 0, "Guid of the instance that requested it; empty: a person did."),
	JSON_STR(V, release, "release", 0, INT64_MAX, 0, "URI of its release."),
	JSON_STR(V, name, "name", 0, INT64_MAX, 0, "Name of its release."),
	JSON_STR(V, type, "type", 0, INT64_MAX, 0, "Software type."),
	JSON_STR(V, state, "state", 0, INT64_MAX, 0, "What is wanted: started, stopped, destroyed."),
	JSON_STR(V, reported, "reported", 0, INT64_MAX, 0, "What its node last said: none, started, stopped, error, destroyed."),
	JSON_STR(V, status, "status", 0, INT64_MAX, 0, "What follows from both: waiting, allocated, building, starting, running, broken, stopping, stopped, destroying, destroyed."),
	JSON_STR(V, node, "node", 0, INT64_MAX, 0, "Where it is; empty while it waits."),
	JSON_STR(V, partition, "partition", 0, INT64_MAX, 0, "Its partition there."),
	JSON_TREE(V, addresses, "addresses", 0, "Pairs of interface and address."),
	JSON_TREE(V, parameters, "parameters", 0, "As requested, without defaults."),
	JSON_TREE(V, connection, "connection", 0, "What it published."),
	JSON_BOOL(V, shared, "shared", 0, "Is it hosted by another instance?"),
	JSON_STR(V, host, "host", 0, INT64_MAX, 0, "Guid of that instance."),
	JSON_I64(V, shared_count, "shared_count", 0, INT64_MAX, 0, "How many shared instances it hosts."),
	JSON_TREE(V, where, "where", 0, "Filter of its allocation."),
	JSON_STR(V, customer, "customer", 0, INT64_MAX, 0, "Whose it is."),
	JSON_I64(V, version, "version", 0, INT64_MAX, 0, "Grows with every visible change."),
	JSON_I64(V, timestamp, "timestamp", 0, INT64_MAX, 0, "Version of what its partition should look like, microseconds."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "When it was first requested."),
	JSON_STR(V, message, "message", 0, INT64_MAX, 0, "What its node said with its last report."),
	JSON_TREE(V, refusals, "refusals", 0, "Why it waits, a sentence a node."),
	JSON_STRUCT(V, promises, struct view_counts, "promises", &counts_desc, 0, "Its health promises by state."),
	JSON_TREE(V, secrets, "secrets", JSON_OMIT_EMPTY, "Of secret parameters and connection parameters: sealed, or clear at the master."),
};
const struct json_desc view_instance_desc =
	JSON_DESC(V, instance_fields, "Instance", "An instance of a release.");
#undef V
#define V struct view_node
static const struct json_field partitions_fields[] = {
	JSON_I64(struct view_partitions, total, "total", 0, INT64_MAX, 0, "All of them."),
	JSON_I64(struct view_partitions, free, "free", 0, INT64_MAX, 0, "Those without instance."),
};
static const struct json_desc partitions_desc =
	JSON_DESC(struct view_partitions, partitions_fields, "Partitions", "Partitions of a node.");
static const struct json_field node_fields[] = {
	JSON_STR(V, node, "node", 0, INT64_MAX, 0, "Its name."),
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "For people."),
	JSON_STR(V, region, "region", 0, INT64_MAX, 0, "Where it stands."),
	JSON_STR(V, network, "network", 0, INT64_MAX, 0, "What it hangs on."),
	JSON_TREE(V, capabilities, "capabilities", 0, "What it can do."),
	JSON_STRUCT(V, partitions, struct view_partitions, "partitions", &partitions_desc, 0, "Its partitions, counted."),
	JSON_STR(V, liveness, "liveness", 0, INT64_MAX, 0, "State of its promise to be in contact: unknown, kept, broken."),
	JSON_STR(V, liveness_since, "liveness_since", 0, INT64_MAX, 0, "Since when."),
	JSON_STR(V, last_contact_at, "last_contact_at", 0, INT64_MAX, 0, "To 10 seconds; empty: never."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "When it was first heard of."),
};
const struct json_desc view_node_desc = JSON_DESC(V, node_fields, "Node", "A machine of the cloud.");
#undef V
#define V struct view_release
static const struct json_field release_fields[] = {
	JSON_STR(V, release, "release", 0, INT64_MAX, 0, "Its URI: hoc:NAME@sha256:HEX."),
	JSON_STR(V, name, "name", 0, INT64_MAX, 0, "Name of the profile."),
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "For people."),
	JSON_STR(V, category, "category", 0, INT64_MAX, 0, "What kind of software."),
	JSON_STR(V, hash, "hash", 0, INT64_MAX, 0, "SHA-256 of its bundle."),
	JSON_STR(V, published_at, "published_at", 0, INT64_MAX, 0, "When it came."),
	JSON_TREE(V, manifest, "manifest", JSON_OMIT_EMPTY, "What the profile says of itself."),
};
const struct json_desc view_release_desc =
	JSON_DESC(V, release_fields, "Release", "A published profile.");
#undef V
#define V struct view_installation
static const struct json_field installation_fields[] = {
	JSON_STR(V, release, "release", 0, INT64_MAX, 0, "URI."),
	JSON_STR(V, name, "name", 0, INT64_MAX, 0, "Name of the release."),
	JSON_STR(V, node, "node", 0, INT64_MAX, 0, "On which node."),
	JSON_STR(V, state, "state", 0, INT64_MAX, 0, "What is wanted: available, destroyed."),
	JSON_STR(V, reported, "reported", 0, INT64_MAX, 0, "What the node said: none, building, available, error, destroyed."),
	JSON_STR(V, message, "message", 0, INT64_MAX, 0, "With that report."),
	JSON_STR(V, changed_at, "changed_at", 0, INT64_MAX, 0, "When any of it last changed."),
};
const struct json_desc view_installation_desc =
	JSON_DESC(V, installation_fields, "Installation", "A release on a node.");
#undef V
#define V struct view_promise
static const struct json_field promise_fields[] = {
	JSON_STR(V, promiser, "promiser", 0, INT64_MAX, 0, "Who promises: node, guid of an instance, customer."),
	JSON_STR(V, promisee, "promisee", 0, INT64_MAX, 0, "To whom."),
	JSON_STR(V, kind, "kind", 0, INT64_MAX, 0, "liveness, installation, health, payment."),
	JSON_STR(V, name, "name", 0, INT64_MAX, 0, "Which of that kind."),
	JSON_STR(V, state, "state", 0, INT64_MAX, 0, "kept, broken, unknown."),
	JSON_STR(V, since, "since", 0, INT64_MAX, 0, "Since when."),
	JSON_STR(V, checked_at, "checked_at", 0, INT64_MAX, 0, "Last looked at."),
	JSON_STR(V, message, "message", 0, INT64_MAX, 0, "What was found."),
};
const struct json_desc view_promise_desc = JSON_DESC(V, promise_fields, "Promise", "A promise.");
#undef V
#define V struct view_event
static const struct json_field event_fields[] = {
	JSON_I64(V, sequence, "sequence", 0, INT64_MAX, 0, "Its place in the chain, without gaps."),
	JSON_STR(V, at, "at", 0, INT64_MAX, 0, "When."),
	JSON_STR(V, subject, "subject", 0, INT64_MAX, 0, "About what."),
	JSON_STR(V, kind, "kind", 0, INT64_MAX, 0, "What happened."),
	JSON_TREE(V, body, "body", 0, "Details."),
	JSON_STR(V, hash, "hash", 0, INT64_MAX, 0, "SHA-256 over the previous hash and this event."),
};
const struct json_desc view_event_desc = JSON_DESC(V, event_fields, "Event", "A link of the audit chain.");
#undef V
#define V struct view_customer
static const struct json_field customer_fields[] = {
	JSON_STR(V, customer, "customer", 0, INT64_MAX, 0, "Name."),
	JSON_STR(V, address, "address", 0, INT64_MAX, 0, "Lines of the address."),
	JSON_STR(V, country, "country", 0, INT64_MAX, 0, "ISO 3166-1 alpha-2."),
	JSON_STR(V, vat_number, "vat_number", 0, INT64_MAX, 0, "Empty: none."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "When it first came."),
	JSON_STR(V, secrets, "secrets", 0, INT64_MAX, JSON_OMIT_EMPTY, "sealed: the master takes secrets sealed only; clear: also as they are."),
};
const struct json_desc view_customer_desc =
	JSON_DESC(V, customer_fields, "Customer", "Who is billed.");
#undef V
/* clang-format on */

struct str view_at(struct arena *a, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];
	if (!at_ms)
		return S("");
	clock_text(at_ms, text);
	return arena_dup(a, str_from(text));
}

struct json *view_json(struct arena *a, struct str text)
{
	struct json *tree;
	struct err e;
	if (text.n > 2 && json_parse(text, a, &tree, &e) == 0)
		return tree;
	return str_is(text, "[]") ? json_array_new(a) : json_object_new(a);
}

static struct json *lines(struct arena *a, struct str text)
{
	struct json *list = json_array_new(a);
	struct str line;
	while (text.n && str_split(&text, '\n', &line))
		json_add_str(a, list, line);
	return list;
}

void view_instance_of(struct api_call *c, const struct instance *i, struct view_instance *out)
{
	bool reads = access_reads(c, i);
	*out = (struct view_instance){
		.guid = i->guid,
		.title = i->title,
		.tree = i->tree,
		.requester = i->requester,
		.release = i->release,
		.name = i->release_name,
		.type = i->type,
		.state = str_from(instance_want_word(i->want)),
		.reported = str_from(instance_report_word(i->reported)),
		.status = str_from(instance_status_word(instance_status(i))),
		.node = i->node,
		.partition = i->partition,
		.addresses = view_json(c->a, i->addresses_json),
		.parameters = view_json(c->a, reads ? i->parameters_json : S("{}")),
		.connection = view_json(c->a, reads ? i->connection_json : S("{}")),
		.shared = i->is_shared,
		.host = i->host,
		.shared_count = i->shared_count,
		.where = view_json(c->a, i->where_json),
		.customer = i->customer,
		.version = i->version,
		.timestamp = i->timestamp,
		.created_at = view_at(c->a, i->created_at_ms),
		.message = i->message,
		.refusals = lines(c->a, i->refusals),
		.promises = {i->kept, i->broken, i->unknown},
		.secrets = reads ? secrets_marks(c, i) : NULL,
	};
}

void view_node_of(struct api_call *c, const struct node *n, struct view_node *out)
{
	*out = (struct view_node){
		.node = n->name,
		.title = n->title,
		.region = n->region,
		.network = n->network,
		.capabilities = view_json(c->a, n->capabilities_json),
		.partitions = {n->partitions_total, n->partitions_free},
		.liveness = str_from(promise_state_word(n->liveness)),
		.liveness_since = view_at(c->a, n->liveness_since_ms),
		.last_contact_at = view_at(c->a, n->last_contact_at_ms),
		.created_at = view_at(c->a, n->created_at_ms),
	};
}

void view_release_of(struct api_call *c, const struct release *r, struct view_release *out)
{
	*out = (struct view_release){
		.release = r->uri,
		.name = r->name,
		.title = r->title,
		.category = r->category,
		.hash = r->hash,
		.published_at = view_at(c->a, r->published_at_ms),
		.manifest = r->manifest_json.n ? view_json(c->a, r->manifest_json) : NULL,
	};
}

void view_installation_of(struct api_call *c, const struct installation *s,
			  struct view_installation *out)
{
	*out = (struct view_installation){
		.release = s->release,
		.name = s->release_name,
		.node = s->node,
		.state = str_from(supply_want_word(s->want)),
		.reported = str_from(supply_report_word(s->reported)),
		.message = s->message,
		.changed_at = view_at(c->a, s->changed_at_ms),
	};
}

void view_promise_of(struct api_call *c, const struct promise *p, struct view_promise *out)
{
	*out = (struct view_promise){
		.promiser = p->promiser,
		.promisee = p->promisee,
		.kind = str_from(promise_kind_word(p->kind)),
		.name = p->name,
		.state = str_from(promise_state_word(p->state)),
		.since = view_at(c->a, p->since_ms),
		.checked_at = view_at(c->a, p->checked_at_ms),
		.message = p->message,
	};
}

void view_event_of(struct api_call *c, const struct event *ev, struct view_event *out)
{
	*out = (struct view_event){
		.sequence = ev->sequence,
		.at = view_at(c->a, ev->at_ms),
		.subject = ev->subject,
		.kind = ev->kind,
		.body = view_json(c->a, ev->body_json),
		.hash = ev->hash,
	};
}

void view_customer_of(struct api_call *c, const struct customer *r, struct view_customer *out)
{
	*out = (struct view_customer){
		.customer = r->name,
		.address = r->address,
		.country = r->country,
		.vat_number = r->vat_number,
		.created_at = view_at(c->a, r->created_at_ms),
		.secrets = !secrets_are_guarded(c) ? S("")
			   : r->takes_clear	   ? S("clear")
						   : S("sealed"),
	};
}
