/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The invariants: what the master's tables, the nodes' disks and the customers' memories say. */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "store/event.h"

enum { CHECK_MEMORY = 256 << 20 };

struct check {
	struct sim *sim;
	struct arena *memory;
	size_t live;
};

/* ---- at any moment ------------------------------------------------------------------------- */

static const struct db_sql sql_free = {
	"sim_free",
	"SELECT n.name FROM node n WHERE n.partitions_total <> (SELECT COUNT(*) FROM partition "
	"p"
	" WHERE p.node_id = n.id AND p.is_gone = 0) OR n.partitions_free <> (SELECT COUNT(*)"
	" FROM partition p WHERE p.node_id = n.id AND p.is_gone = 0 AND p.instance_id IS NULL)"
	" OR EXISTS (SELECT 1 FROM installation s WHERE s.node_id = n.id"
	" AND s.has_room <> (n.partitions_free > 0)) ORDER BY n.name",
	""};
static const struct db_sql sql_owner = {
	"sim_owner",
	"SELECT p.name FROM partition p LEFT JOIN instance i ON i.id = p.instance_id"
	" WHERE p.instance_id IS NOT NULL AND (i.id IS NULL OR i.is_live = 0"
	" OR i.partition_id IS NULL OR i.partition_id <> p.id OR i.node_id <> p.node_id)"
	" UNION ALL SELECT i.guid FROM instance i LEFT JOIN partition p ON p.id = "
	"i.partition_id"
	" WHERE i.is_live = 1 AND i.is_shared = 0 AND i.partition_id IS NOT NULL"
	" AND (p.instance_id IS NULL OR p.instance_id <> i.id)",
	""};

/* Violates `what` for each row of a statement that should have none. */
static int expect_none(struct db_tx *tx, struct check *k, const struct db_sql *sql,
		       enum sim_invariant what, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, sql);
	int rc;
	while ((rc = db_step(q, e)) > 0)
		sim_violate(k->sim, what, "%" STR_F, STR_A(db_at_str(q, 0, k->memory)));
	return rc;
}

static int now(struct db_tx *tx, void *user, struct err *e)
{
	struct check *k = user;
	if (expect_none(tx, k, &sql_free, SIM_FREE, e) < 0)
		return -1;
	return expect_none(tx, k, &sql_owner, SIM_OWNER, e);
}

void check_now(struct sim *s)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	SIM_TRY(s, arena_new(CHECK_MEMORY, &a, &e_));
	struct check k = {.sim = s, .memory = a};
	SIM_TRY(s, db_read(master_db(s), now, &k, &e_));
	size_t parked_max = 4 * s->options.nodes + 2 * s->client_n;
	if (master_parked(s) > parked_max)
		sim_violate(s, SIM_BOUNDED, "%zu calls wait", master_parked(s));
}

/* ---- instances ----------------------------------------------------------------------------- */

struct row {
	struct str guid, title, want, reported, node, partition, parameters, release, filter,
		refusals, requester, connection;
	int64_t release_id, kept, broken, unknown;
	bool is_current;
};

static const struct db_sql sql_live = {
	"sim_live",
	"SELECT i.guid, i.title, i.want, i.reported, COALESCE(n.name, ''),"
	" COALESCE(p.name, ''), i.parameters, r.uri, i.filter, i.refusals, i.release_id,"
	" i.kept, i.broken, i.unknown, CASE WHEN i.report_of = i.stamp THEN 1 ELSE 0 END,"
	" COALESCE(q.guid, ''), i.connection FROM instance i JOIN release r ON r.id = "
	"i.release_id LEFT JOIN instance q ON q.id = i.requester_id"
	" LEFT JOIN node n ON n.id = i.node_id LEFT JOIN partition p ON p.id = i.partition_id"
	" WHERE i.is_live = 1 ORDER BY i.id",
	""};

static void read_row(struct db_stmt *q, struct arena *a, struct row *r)
{
	*r = (struct row){
		.guid = db_at_str(q, 0, a),
		.title = db_at_str(q, 1, a),
		.want = db_at_str(q, 2, a),
		.reported = db_at_str(q, 3, a),
		.node = db_at_str(q, 4, a),
		.partition = db_at_str(q, 5, a),
		.parameters = db_at_str(q, 6, a),
		.release = db_at_str(q, 7, a),
		.filter = db_at_str(q, 8, a),
		.refusals = db_at_str(q, 9, a),
		.release_id = db_at_i64(q, 10),
		.kept = db_at_i64(q, 11),
		.broken = db_at_i64(q, 12),
		.unknown = db_at_i64(q, 13),
		.is_current = db_at_i64(q, 14) != 0,
		.requester = db_at_str(q, 15, a),
		.connection = db_at_str(q, 16, a),
	};
}

static int read_live(struct db_tx *tx, struct check *k, struct row **out, size_t *count,
		     struct err *e)
{
	size_t cap = 100000, n = 0;
	struct row *rows = ARENA_ARRAY(k->memory, struct row, cap);
	struct db_stmt *q = db_prepare(tx, &sql_live);
	int rc;
	if (!rows)
		return arena_check(k->memory, e);
	while ((rc = db_step(q, e)) > 0 && n < cap)
		read_row(q, k->memory, &rows[n++]);
	*out = rows;
	*count = n;
	return rc < 0 ? -1 : arena_check(k->memory, e);
}

static struct home *home_of(struct sim *s, const struct row *r)
{
	int64_t node = 0, slot = 0;
	SIM_TRY(s, str_to_i64(str_sub(r->node, 1, r->node.n), 0, SIM_NODES_MAX, &node, &e_));
	SIM_TRY(s, str_to_i64(str_sub(r->partition, 1, r->partition.n), 0, SIM_PARTITIONS,
			      &slot, &e_));
	return &s->nodes[node].homes[slot];
}

static void wrong(struct check *k, const struct row *r, const char *what)
{
	sim_violate(k->sim, SIM_CONVERGED,
		    "%" STR_F " on %" STR_F " %" STR_F " wanted %" STR_F " reported %" STR_F
		    " (%s) kept %" PRId64 " broken %" PRId64 " unknown %" PRId64 ": %s",
		    STR_A(r->guid), STR_A(r->node), STR_A(r->partition), STR_A(r->want),
		    STR_A(r->reported), r->is_current ? "current" : "old", r->kept, r->broken,
		    r->unknown, what);
}

static void check_placed(struct check *k, const struct row *r)
{
	const struct home *h = home_of(k->sim, r);
	if (str_is(r->want, "destroyed")) {
		wrong(k, r, "is not destroyed");
		return;
	}
	if (!str_eq(r->want, r->reported) || !r->is_current)
		wrong(k, r, "the master does not know what is");
	if (str_is(r->want, "stopped")) {
		if (h->is_running)
			wrong(k, r, "runs");
		return;
	}
	if (!h->is_running || !str_is(r->guid, h->spec_of))
		wrong(k, r, "does not run");
	else if (!str_is(r->parameters, h->run_parameters))
		wrong(k, r, "runs with other parameters");
	else if (!str_is(r->release, h->run_release))
		wrong(k, r, "runs another release");
	if (r->kept != 1 || r->broken || r->unknown)
		wrong(k, r, "promises are not known to be kept");
}

static const struct db_sql sql_room = {
	"sim_room",
	"SELECT n.name FROM node n JOIN installation s ON s.node_id = n.id"
	" WHERE s.release_id = $1 AND s.want = 'available' AND s.reported <> 'error'"
	" AND n.partitions_free > 0 AND n.liveness <> 'broken' AND ($2 = '' OR n.region = $2)"
	" AND ($3 = '' OR n.name = $3) ORDER BY n.name LIMIT 1",
	"release region node"};

static int check_waiting(struct db_tx *tx, struct check *k, const struct row *r, struct err *e)
{
	struct json *filter;
	if (json_parse(r->filter, k->memory, &filter, e) < 0)
		return -1;
	struct db_stmt *q = db_prepare(tx, &sql_room);
	db_bind_i64(q, "release", r->release_id);
	db_bind_str(q, "region", json_str_of(json_get(filter, S("region")), S("")));
	db_bind_str(q, "node", json_str_of(json_get(filter, S("node")), S("")));
	int rc = db_step(q, e);
	if (rc > 0)
		sim_violate(k->sim, SIM_PLACED,
			    "%" STR_F " of %" STR_F " waits, node %" STR_F " has room: %" STR_F,
			    STR_A(r->guid), STR_A(r->release),
			    STR_A(db_at_str(q, 0, k->memory)),
			    STR_A(str_sub(r->refusals, 0, 200)));
	return rc < 0 ? -1 : 0;
}

/* ---- what nodes hold ----------------------------------------------------------------------- */

/* The live row of a guid. */
static const struct row *row_of(const struct row *rows, size_t n, const char *guid)
{
	for (size_t i = 0; i < n; i++)
		if (str_is(rows[i].guid, guid))
			return &rows[i];
	return NULL;
}

static void check_holds(struct check *k, const struct row *rows, size_t n,
			const struct sim_node *node, int slot, const char *guid,
			const char *what)
{
	char name[8];
	const struct row *r = row_of(rows, n, guid);
	(void)snprintf(name, sizeof name, "p%d", slot);
	if (r && str_is(r->node, node->name) && (slot < 0 || str_is(r->partition, name)))
		return;
	sim_violate(k->sim, SIM_REMAINS, "%s %s still has %s of %s", node->name,
		    slot < 0 ? "" : name, what, guid);
}

static void check_node(struct check *k, const struct row *rows, size_t n,
		       const struct sim_node *node)
{
	for (int i = 0; i < SIM_PARTITIONS; i++) {
		const struct home *h = &node->homes[i];
		if (h->has_wish)
			check_holds(k, rows, n, node, i, h->guid, "the wish");
		if (h->files_of[0])
			check_holds(k, rows, n, node, i, h->files_of, "files");
		if (h->is_running)
			check_holds(k, rows, n, node, i, h->spec_of, "processes");
	}
	for (size_t i = 0; i < node->kept_n; i++)
		check_holds(k, rows, n, node, -1, node->kept[i], "secrets");
	for (size_t i = 0; i < node->reading_n; i++)
		check_holds(k, rows, n, node, -1, node->readings[i].guid, "readings");
}

/* ---- supplies ------------------------------------------------------------------------------ */

static const struct db_sql sql_supplies = {
	"sim_supplies",
	"SELECT n.name, r.uri, s.want, s.reported, n.region FROM node n"
	" JOIN installation s ON s.node_id = n.id JOIN release r ON r.id = s.release_id"
	" ORDER BY n.name, r.uri",
	""};

/* One row of the master; its index is noted as seen. */
static void check_supply(struct check *k, struct db_stmt *q, bool *seen)
{
	struct sim *s = k->sim;
	struct arena *a = k->memory;
	int64_t node = 0;
	unsigned r = 0;
	struct str name = db_at_str(q, 0, a), uri = db_at_str(q, 1, a),
		   want = db_at_str(q, 2, a), reported = db_at_str(q, 3, a);
	SIM_TRY(s, str_to_i64(str_sub(name, 1, name.n), 0, SIM_NODES_MAX, &node, &e_));
	while (!str_is(uri, master_release(r)))
		r++;
	seen[node * SIM_RELEASES + r] = true;
	bool is_wanted = operator_wants(s, (unsigned)node, r),
	     is_there = s->nodes[node].has_release[r];
	if (!str_is(want, "available") || !str_is(reported, "available") || !is_there ||
	    !is_wanted)
		sim_violate(s, SIM_SUPPLIES,
			    "%" STR_F " release %u: wanted %" STR_F ", reported %" STR_F
			    ", on disk %d, operator %d",
			    STR_A(name), r, STR_A(want), STR_A(reported), is_there, is_wanted);
	if (db_at_str(q, 4, a).n != 2)
		sim_violate(s, SIM_SUPPLIES, "%" STR_F " never told its region", STR_A(name));
}

static int check_supplies(struct db_tx *tx, struct check *k, struct err *e)
{
	struct sim *s = k->sim;
	size_t n = (size_t)s->options.nodes * SIM_RELEASES;
	bool *seen = ARENA_ARRAY(k->memory, bool, n);
	struct db_stmt *q = db_prepare(tx, &sql_supplies);
	int rc = 0;
	if (!seen)
		return arena_check(k->memory, e);
	while ((rc = db_step(q, e)) > 0)
		check_supply(k, q, seen);
	for (unsigned i = 0; i < n; i++) {
		unsigned node = i / SIM_RELEASES, r = i % SIM_RELEASES;
		bool is_there = s->nodes[node].has_release[r],
		     is_wanted = operator_wants(s, node, r);
		if (!seen[i] && (is_there || is_wanted))
			sim_violate(s, SIM_SUPPLIES,
				    "n%03u release %u: no row, on disk %d, operator %d", node,
				    r, is_there, is_wanted);
	}
	return rc < 0 ? -1 : arena_check(k->memory, e);
}

/* ---- trees --------------------------------------------------------------------------------- */

static const struct row *child_of(const struct row *rows, size_t n, const struct row *parent)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].requester, parent->guid))
			return &rows[i];
	return NULL;
}

/* A parent that runs has the child it asked for, and was applied with what that published. */
static void check_parent(struct check *k, const struct row *rows, size_t n, const struct row *r)
{
	const struct row *child = child_of(rows, n, r);
	const struct home *h = home_of(k->sim, r);
	struct json *connection = NULL;
	if (!child || !str_eq(child->parameters, r->parameters) ||
	    !str_is(child->want, "started")) {
		sim_violate(k->sim, SIM_TREES,
			    "%" STR_F " with %" STR_F " has child %" STR_F " %" STR_F
			    " with %" STR_F,
			    STR_A(r->guid), STR_A(r->parameters),
			    STR_A(child ? child->guid : S("none")),
			    STR_A(child ? child->want : S("")),
			    STR_A(child ? child->parameters : S("")));
		return;
	}
	SIM_TRY(k->sim, json_parse(child->connection, k->memory, &connection, &e_));
	struct str url = json_str_of(json_get(connection, S("url")), S(""));
	if (!str_is(url, h->child_used))
		sim_violate(k->sim, SIM_TREES,
			    "%" STR_F " was applied with '%s' of child %" STR_F
			    ", which published '%" STR_F "'",
			    STR_A(r->guid), h->child_used, STR_A(child->guid), STR_A(url));
}

static void check_trees(struct check *k, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		char parent[SIM_TEXT_MAX];
		(void)snprintf(parent, sizeof parent, "%" STR_F, STR_A(r->requester));
		if (r->requester.n && !row_of(rows, n, parent))
			sim_violate(k->sim, SIM_TREES, "%" STR_F " lives without its requester",
				    STR_A(r->guid));
		if (str_is(r->release, master_release(2)) && r->node.n &&
		    str_is(r->want, "started"))
			check_parent(k, rows, n, r);
	}
}

/* ---- customers ----------------------------------------------------------------------------- */

static void check_title(struct check *k, const struct row *rows, size_t n,
			const struct title *t)
{
	static const char *const words[] = {"", "started", "stopped", "destroyed"};
	char parameters[40];
	const struct row *r = row_of(rows, n, t->guid);
	if (t->is_unsure || t->wanted == WANTED_NOTHING)
		return;
	if (t->wanted == WANTED_DESTROYED) {
		if (r)
			sim_violate(k->sim, SIM_ACKNOWLEDGED, "%s lives: %s", t->name, t->guid);
		return;
	}
	(void)snprintf(parameters, sizeof parameters, "{\"size\":%lld}", (long long)t->size);
	if (!r || !str_is(r->want, words[t->wanted]) || !str_is(r->parameters, parameters))
		sim_violate(k->sim, SIM_ACKNOWLEDGED,
			    "%s %s is to be %s with %s, and is %" STR_F " with %" STR_F,
			    t->name, t->guid, words[t->wanted], parameters,
			    STR_A(r ? r->want : S("gone")), STR_A(r ? r->parameters : S("")));
}

static void check_titles(struct check *k, const struct row *rows, size_t n)
{
	size_t expected = 0, unsure = 0;
	for (size_t i = 0; i < k->sim->client_n; i++)
		for (size_t t = 0; t < k->sim->clients[i].title_n; t++) {
			const struct title *one = &k->sim->clients[i].titles[t];
			check_title(k, rows, n, one);
			unsure += one->is_unsure;
			expected += !one->is_unsure && (one->wanted == WANTED_STARTED ||
							one->wanted == WANTED_STOPPED);
		}
	size_t roots = 0;
	for (size_t i = 0; i < n; i++)
		roots += rows[i].requester.n == 0;
	if (roots < expected || roots > expected + unsure)
		sim_violate(k->sim, SIM_ACKNOWLEDGED, "%zu live roots instead of %zu", roots,
			    expected);
}

/* ---- usage --------------------------------------------------------------------------------- */

void ledger_add(struct sim *s, const char *node, struct str id, struct str quantity)
{
	struct err e = ERR_INIT;
	struct ledger *l = s->ledger;
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 1024;
		l->rows = mem_grow(l->rows, l->max, sizeof *l->rows, &e);
		if (!l->rows)
			sim_die(s, "ledger", &e);
	}
	struct ledger_row *r = &l->rows[l->n++];
	(void)snprintf(r->node, sizeof r->node, "%s", node);
	(void)snprintf(r->id, sizeof r->id, "%" STR_F, STR_A(id));
	(void)snprintf(r->quantity, sizeof r->quantity, "%" STR_F, STR_A(quantity));
}

static int by_id(const void *x, const void *y)
{
	const struct ledger_row *a = x, *b = y;
	int order = strcmp(a->node, b->node);
	return order ? order : strcmp(a->id, b->id);
}

static const struct db_sql sql_usage = {
	"sim_usage",
	"SELECT n.name, u.event_id, u.quantity FROM usage_event u JOIN node n ON n.id = "
	"u.node_id ORDER BY n.name, u.event_id",
	""};

static int check_usage(struct db_tx *tx, struct check *k, struct err *e)
{
	struct ledger *l = k->sim->ledger;
	size_t i = 0;
	int rc;
	if (l->n)
		qsort(l->rows, l->n, sizeof *l->rows, by_id);
	for (size_t n = 1; n < l->n; n++)
		if (by_id(&l->rows[n - 1], &l->rows[n]) == 0)
			sim_violate(k->sim, SIM_USAGE, "%s made %s twice: %s and %s",
				    l->rows[n].node, l->rows[n].id, l->rows[n - 1].quantity,
				    l->rows[n].quantity);
	struct db_stmt *q = db_prepare(tx, &sql_usage);
	while ((rc = db_step(q, e)) > 0) {
		struct str node = db_at_str(q, 0, k->memory), id = db_at_str(q, 1, k->memory),
			   quantity = db_at_str(q, 2, k->memory);
		bool is_same = i < l->n && str_is(node, l->rows[i].node) &&
			       str_is(id, l->rows[i].id) &&
			       str_is(quantity, l->rows[i].quantity);
		if (!is_same) {
			sim_violate(k->sim, SIM_USAGE,
				    "made: %s %s %s; counted: %" STR_F " %" STR_F " %" STR_F,
				    i < l->n ? l->rows[i].node : "",
				    i < l->n ? l->rows[i].id : "",
				    i < l->n ? l->rows[i].quantity : "nothing", STR_A(node),
				    STR_A(id), STR_A(quantity));
			return 0;
		}
		i++;
	}
	if (rc == 0 && i < l->n)
		sim_violate(k->sim, SIM_USAGE, "%zu events instead of %zu; %s %s is missing", i,
			    l->n, l->rows[i].node, l->rows[i].id);
	return rc;
}

/* ---- the end ------------------------------------------------------------------------------- */

static int end(struct db_tx *tx, void *user, struct err *e)
{
	struct check *k = user;
	struct row *rows = NULL;
	size_t n = 0;
	int64_t checked = 0;
	struct err broken = ERR_INIT;
	if (now(tx, k, e) < 0 || read_live(tx, k, &rows, &n, e) < 0)
		return -1;
	k->live = n;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].node.n)
			check_placed(k, &rows[i]);
		else if (check_waiting(tx, k, &rows[i], e) < 0)
			return -1;
	}
	for (unsigned i = 0; i < k->sim->options.nodes; i++)
		check_node(k, rows, n, &k->sim->nodes[i]);
	check_titles(k, rows, n);
	check_trees(k, rows, n);
	if (check_supplies(tx, k, e) < 0 || check_usage(tx, k, e) < 0)
		return -1;
	if (store_event_verify(tx, INT64_MAX, &checked, &broken) < 0 || checked == 0)
		sim_violate(k->sim, SIM_EVENTS, "%s (%" PRId64 " events)", broken.text,
			    checked);
	return 0;
}

void check_end(struct sim *s)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	SIM_TRY(s, arena_new(CHECK_MEMORY, &a, &e_));
	struct check k = {.sim = s, .memory = a};
	SIM_TRY(s, db_read(master_db(s), end, &k, &e_));
	s->stats.live = k.live;
}
