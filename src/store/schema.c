/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tables. One text makes both engines' migrations: I is a 64-bit integer, ID a key that counts
 * itself, T ends a table. Every column that an operation looks things up by has its index, and
 * counts (free partitions, promises, shared instances) are kept where they are asked for, so no
 * request costs more for a cloud that is larger.
 */
#include "store/schema.h"

#include "store/schema_acme.h"
#include "store/schema_audit.h"
#include "store/schema_passkey.h"
#include "store/schema_trust.h"

/* clang-format off */
#define TABLES(I, ID, T) \
"CREATE TABLE customer (id " ID ", name TEXT NOT NULL UNIQUE, address TEXT NOT NULL DEFAULT ''," \
"  country TEXT NOT NULL DEFAULT '', vat_number TEXT NOT NULL DEFAULT ''," \
"  created_at " I " NOT NULL)" T ";" \
"CREATE TABLE release (id " ID ", uri TEXT NOT NULL UNIQUE, name TEXT NOT NULL," \
"  title TEXT NOT NULL, category TEXT NOT NULL, hash TEXT NOT NULL, manifest TEXT NOT NULL," \
"  bundle TEXT NOT NULL, published_at " I " NOT NULL)" T ";" \
"CREATE INDEX release_name ON release (name, id);" \
"CREATE INDEX release_hash ON release (hash);" \
"CREATE TABLE node (id " ID ", name TEXT NOT NULL UNIQUE, title TEXT NOT NULL," \
"  region TEXT NOT NULL, network TEXT NOT NULL, capabilities TEXT NOT NULL," \
"  partitions_total " I " NOT NULL, partitions_free " I " NOT NULL," \
"  last_contact_at " I " NOT NULL, feed " I " NOT NULL, supply_feed " I " NOT NULL," \
"  liveness TEXT NOT NULL CHECK (liveness IN ('unknown', 'kept', 'broken'))," \
"  liveness_since " I " NOT NULL, created_at " I " NOT NULL," \
"  CHECK (partitions_free >= 0 AND partitions_free <= partitions_total))" T ";" \
"CREATE INDEX node_silent ON node (liveness, last_contact_at);" \
"CREATE TABLE installation (release_id " I " NOT NULL REFERENCES release (id)," \
"  node_id " I " NOT NULL REFERENCES node (id)," \
"  want TEXT NOT NULL CHECK (want IN ('available', 'destroyed'))," \
"  reported TEXT NOT NULL CHECK (reported IN ('none', 'building', 'available', 'error', 'destroyed'))," \
"  message TEXT NOT NULL, feed " I " NOT NULL, changed_at " I " NOT NULL, has_room " I " NOT NULL," \
"  PRIMARY KEY (release_id, node_id))" T ";" \
"CREATE INDEX installation_node ON installation (node_id, release_id);" \
"CREATE INDEX installation_room ON installation (release_id, has_room, want, node_id);" \
"CREATE TABLE instance (id " ID ", guid TEXT NOT NULL UNIQUE, title TEXT NOT NULL," \
"  tree_id " I " REFERENCES instance (id), requester_id " I " REFERENCES instance (id)," \
"  customer_id " I " NOT NULL REFERENCES customer (id)," \
"  release_id " I " NOT NULL REFERENCES release (id), type TEXT NOT NULL," \
"  asked TEXT NOT NULL CHECK (asked IN ('started', 'stopped', 'destroyed'))," \
"  want TEXT NOT NULL CHECK (want IN ('started', 'stopped', 'destroyed'))," \
"  reported TEXT NOT NULL CHECK (reported IN ('none', 'started', 'stopped', 'error', 'destroyed'))," \
"  reported_at " I " NOT NULL, report_of " I " NOT NULL, message TEXT NOT NULL," \
"  is_shared " I " NOT NULL, host_id " I " REFERENCES instance (id)," \
"  node_id " I " REFERENCES node (id), partition_id " I "," \
"  parameters TEXT NOT NULL, filter TEXT NOT NULL, connection TEXT NOT NULL," \
"  refusals TEXT NOT NULL, stamp " I " NOT NULL, version " I " NOT NULL," \
"  created_at " I " NOT NULL, freed_at " I "," \
"  kept " I " NOT NULL, broken " I " NOT NULL, unknown " I " NOT NULL," \
"  shared_count " I " NOT NULL, is_live " I " NOT NULL)" T ";" \
"CREATE UNIQUE INDEX instance_root ON instance (customer_id, title)" \
"  WHERE is_live = 1 AND tree_id IS NULL;" \
"CREATE UNIQUE INDEX instance_member ON instance (tree_id, title)" \
"  WHERE is_live = 1 AND tree_id IS NOT NULL;" \
"CREATE INDEX instance_title ON instance (title, id);" \
"CREATE INDEX instance_customer ON instance (customer_id, id);" \
"CREATE INDEX instance_feed ON instance (node_id, stamp) WHERE node_id IS NOT NULL;" \
"CREATE INDEX instance_hosted ON instance (host_id, id) WHERE host_id IS NOT NULL;" \
"CREATE INDEX instance_requested ON instance (requester_id, id) WHERE requester_id IS NOT NULL;" \
"CREATE INDEX instance_host ON instance (release_id, type, customer_id, shared_count, id)" \
"  WHERE is_live = 1 AND is_shared = 0 AND want <> 'destroyed';" \
"CREATE INDEX instance_waiting ON instance (release_id, id)" \
"  WHERE is_live = 1 AND partition_id IS NULL AND want <> 'destroyed';" \
"CREATE TABLE partition (id " ID ", node_id " I " NOT NULL REFERENCES node (id)," \
"  name TEXT NOT NULL, position " I " NOT NULL, addresses TEXT NOT NULL," \
"  instance_id " I " REFERENCES instance (id), is_gone " I " NOT NULL," \
"  UNIQUE (node_id, name))" T ";" \
"CREATE INDEX partition_free ON partition (node_id, position)" \
"  WHERE instance_id IS NULL AND is_gone = 0;" \
"CREATE UNIQUE INDEX partition_owner ON partition (instance_id) WHERE instance_id IS NOT NULL;" \
"CREATE TABLE span (instance_id " I " NOT NULL REFERENCES instance (id), from_at " I " NOT NULL," \
"  to_at " I ", is_started " I " NOT NULL, PRIMARY KEY (instance_id, from_at))" T ";" \
"CREATE TABLE promise (id " ID ", promiser TEXT NOT NULL, promisee TEXT NOT NULL," \
"  kind TEXT NOT NULL CHECK (kind IN ('liveness', 'installation', 'health', 'payment'))," \
"  name TEXT NOT NULL, body TEXT NOT NULL," \
"  state TEXT NOT NULL CHECK (state IN ('unknown', 'kept', 'broken'))," \
"  since " I " NOT NULL, checked_at " I " NOT NULL, message TEXT NOT NULL, wake_at " I " NOT NULL," \
"  moves " I " NOT NULL," \
"  UNIQUE (promiser, kind, name))" T ";" \
"CREATE INDEX promise_kind ON promise (kind, id);" \
"CREATE INDEX promise_due ON promise (wake_at) WHERE wake_at > 0;" \
"CREATE TABLE promise_history (promise_id " I " NOT NULL REFERENCES promise (id) ON DELETE CASCADE," \
"  slot " I " NOT NULL, at_ms " I " NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL," \
"  PRIMARY KEY (promise_id, slot))" T ";" \
"CREATE TABLE event (sequence " I " PRIMARY KEY, at_ms " I " NOT NULL, subject TEXT NOT NULL," \
"  kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL)" T ";" \
"CREATE TABLE usage_event (id " ID ", node_id " I " NOT NULL REFERENCES node (id)," \
"  event_id TEXT NOT NULL, customer_id " I " NOT NULL REFERENCES customer (id)," \
"  instance_id " I " NOT NULL REFERENCES instance (id), metric TEXT NOT NULL," \
"  quantity TEXT NOT NULL, from_at " I " NOT NULL, to_at " I " NOT NULL," \
"  UNIQUE (node_id, event_id))" T ";" \
"CREATE INDEX usage_customer ON usage_event (customer_id, to_at, id);" \
"CREATE TABLE price (name TEXT PRIMARY KEY, body TEXT NOT NULL, changed_at " I " NOT NULL)" T ";" \
"CREATE TABLE invoice_counter (series TEXT PRIMARY KEY, year " I " NOT NULL, number " I " NOT NULL)" T ";" \
"CREATE TABLE invoice (id " ID ", number TEXT NOT NULL UNIQUE," \
"  customer_id " I " NOT NULL REFERENCES customer (id), from_at " I " NOT NULL, to_at " I " NOT NULL," \
"  price_list TEXT NOT NULL, currency TEXT NOT NULL, gross TEXT NOT NULL, body TEXT NOT NULL," \
"  page TEXT NOT NULL, issued_at " I " NOT NULL, due_at " I " NOT NULL," \
"  UNIQUE (customer_id, from_at, to_at, price_list))" T ";"

/*
 * usage_seen: the newest usage event when the invoice was made. What came later and ended in its
 * period is late; for invoices that were there before, nothing is.
 */
#define LATE_USAGE(I) \
"ALTER TABLE invoice ADD COLUMN usage_seen " I " NOT NULL DEFAULT 0;" \
"UPDATE invoice SET usage_seen = (SELECT COALESCE(MAX(id), 0) FROM usage_event);" \
"CREATE INDEX usage_arrival ON usage_event (customer_id, id);" \
"CREATE INDEX usage_instance ON usage_event (instance_id, to_at, id);"

/* last_node_id: where it was when its partition was freed; its node may still report usage. */
#define LAST_NODE(I) \
"ALTER TABLE instance ADD COLUMN last_node_id " I ";" \
"CREATE INDEX promise_promisee ON promise (promisee, kind, id);"

/* A row of the table below: one text, spelled for both engines. */
#define MIGRATION(number, name, TEXT) \
	{number, name, \
	 TEXT("INTEGER", "INTEGER PRIMARY KEY AUTOINCREMENT", " STRICT"), \
	 TEXT("BIGINT", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "")}

static const struct db_migration migrations[] = {
	MIGRATION(1, "a cloud", TABLES),
	{2, "late usage", LATE_USAGE("INTEGER"), LATE_USAGE("BIGINT")},
	MIGRATION(3, "trust", TRUST_TABLES),
	MIGRATION(4, "audit", AUDIT_TABLES),
	MIGRATION(5, "certificates by ACME", ACME_TABLES),
	MIGRATION(6, "passkeys", PASSKEY_TABLES),
	{7, "where instances ended", LAST_NODE("INTEGER"), LAST_NODE("BIGINT")},
};
/* clang-format on */

MUST int store_migrate(struct db *db, struct err *e)
{
	return db_migrate(db, migrations, ARRAY_LEN(migrations), e);
}
