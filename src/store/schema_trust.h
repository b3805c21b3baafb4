/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Migration 3: who is who, and what is sealed. No column holds a password, a private key or a
 * token: tokens and sessions are kept as SHA-256, keys by their public half.
 */
/* clang-format off */
#define TRUST_TABLES(I, ID, T) \
"CREATE TABLE person (id " ID ", name TEXT NOT NULL UNIQUE, roles TEXT NOT NULL DEFAULT ''," \
"  is_active " I " NOT NULL DEFAULT 1, created_at " I " NOT NULL)" T ";" \
"CREATE TABLE member (customer_id " I " NOT NULL REFERENCES customer (id)," \
"  person_id " I " NOT NULL REFERENCES person (id)," \
"  role TEXT NOT NULL CHECK (role IN ('owner', 'member'))," \
"  PRIMARY KEY (customer_id, person_id))" T ";" \
"CREATE INDEX member_person ON member (person_id, customer_id);" \
"CREATE TABLE identity_key (id " ID ", name TEXT NOT NULL UNIQUE," \
"  kind TEXT NOT NULL CHECK (kind IN ('person', 'node', 'instance', 'master'))," \
"  owner TEXT NOT NULL, title TEXT NOT NULL DEFAULT '', seal_key TEXT NOT NULL DEFAULT ''," \
"  statement TEXT NOT NULL DEFAULT '', created_at " I " NOT NULL, revoked_at " I "," \
"  reason TEXT NOT NULL DEFAULT '')" T ";" \
"CREATE INDEX identity_key_owner ON identity_key (kind, owner, id);" \
"CREATE TABLE certificate (id " ID ", serial TEXT NOT NULL UNIQUE," \
"  authority TEXT NOT NULL CHECK (authority IN ('users', 'services'))," \
"  kind TEXT NOT NULL, owner TEXT NOT NULL, names TEXT NOT NULL DEFAULT '[]'," \
"  customer_id " I " REFERENCES customer (id), key_name TEXT NOT NULL, pem TEXT NOT NULL," \
"  from_at " I " NOT NULL, to_at " I " NOT NULL, revoked_at " I "," \
"  reason " I " NOT NULL DEFAULT 0)" T ";" \
"CREATE INDEX certificate_owner ON certificate (kind, owner, id);" \
"CREATE INDEX certificate_key ON certificate (key_name, id);" \
"CREATE INDEX certificate_revoked ON certificate (authority, to_at, revoked_at)" \
"  WHERE revoked_at IS NOT NULL;" \
"CREATE TABLE enrol_token (id " ID ", hash TEXT NOT NULL UNIQUE," \
"  kind TEXT NOT NULL CHECK (kind IN ('person', 'node')), name TEXT NOT NULL," \
"  roles TEXT NOT NULL DEFAULT '', customer_id " I " REFERENCES customer (id)," \
"  customer_role TEXT NOT NULL DEFAULT '', is_new " I " NOT NULL, made_by TEXT NOT NULL," \
"  created_at " I " NOT NULL, expires_at " I " NOT NULL, bound_key TEXT NOT NULL DEFAULT ''," \
"  used_at " I ")" T ";" \
"CREATE INDEX enrol_token_expires ON enrol_token (expires_at);" \
"CREATE TABLE node_guard (node_id " I " PRIMARY KEY REFERENCES node (id)," \
"  newest " I " NOT NULL, seen TEXT NOT NULL)" T ";" \
"CREATE TABLE delegation (node_id " I " PRIMARY KEY REFERENCES node (id)," \
"  names TEXT NOT NULL, created_at " I " NOT NULL)" T ";" \
"CREATE TABLE domain (name TEXT PRIMARY KEY, customer_id " I " NOT NULL REFERENCES customer (id)," \
"  created_at " I " NOT NULL)" T ";" \
"CREATE INDEX domain_customer ON domain (customer_id, name);" \
"ALTER TABLE customer ADD COLUMN secrets TEXT NOT NULL DEFAULT 'sealed'" \
"  CHECK (secrets IN ('sealed', 'clear'));" \
"UPDATE customer SET secrets = 'clear';" \
"ALTER TABLE instance ADD COLUMN person TEXT NOT NULL DEFAULT '';" \
"ALTER TABLE instance ADD COLUMN readers TEXT NOT NULL DEFAULT '[]';" \
"ALTER TABLE instance ADD COLUMN rotation " I " NOT NULL DEFAULT 0;"
/* clang-format on */
