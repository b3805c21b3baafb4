/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Migration 5: accounts, orders and authorizations of ACME (RFC 8555). No column holds a secret:
 * a binding key is derived from its kid, tokens of challenges are public.
 */
/* clang-format off */
#define ACME_TABLES(I, ID, T) \
"CREATE TABLE acme_account (id " ID ", name TEXT NOT NULL UNIQUE, thumbprint TEXT NOT NULL UNIQUE," \
"  public TEXT NOT NULL, customer_id " I " NOT NULL REFERENCES customer (id)," \
"  contact TEXT NOT NULL DEFAULT '[]', binding TEXT NOT NULL DEFAULT '', status TEXT NOT NULL," \
"  created_at " I " NOT NULL)" T ";" \
"CREATE TABLE acme_eab (kid TEXT PRIMARY KEY, customer_id " I " NOT NULL REFERENCES customer (id)," \
"  created_at " I " NOT NULL, account_id " I " REFERENCES acme_account (id))" T ";" \
"CREATE INDEX acme_eab_account ON acme_eab (account_id);" \
"CREATE TABLE acme_key (thumbprint TEXT PRIMARY KEY," \
"  customer_id " I " NOT NULL REFERENCES customer (id), created_at " I " NOT NULL)" T ";" \
"CREATE TABLE acme_nonce (nonce TEXT PRIMARY KEY, expires_at " I " NOT NULL)" T ";" \
"CREATE INDEX acme_nonce_expires ON acme_nonce (expires_at);" \
"CREATE TABLE acme_order (id " ID ", name TEXT NOT NULL UNIQUE," \
"  account_id " I " NOT NULL REFERENCES acme_account (id), identifiers TEXT NOT NULL," \
"  status TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', serial TEXT NOT NULL DEFAULT ''," \
"  certificate TEXT NOT NULL DEFAULT '', replaces TEXT NOT NULL DEFAULT ''," \
"  expires_at " I " NOT NULL, created_at " I " NOT NULL)" T ";" \
"CREATE INDEX acme_order_account ON acme_order (account_id, id);" \
"CREATE INDEX acme_order_open ON acme_order (account_id, expires_at)" \
"  WHERE status IN ('pending', 'ready');" \
"CREATE INDEX acme_order_replaces ON acme_order (replaces) WHERE replaces <> '';" \
"CREATE INDEX acme_order_expires ON acme_order (expires_at);" \
"CREATE TABLE acme_authorization (id " ID ", name TEXT NOT NULL UNIQUE," \
"  account_id " I " NOT NULL REFERENCES acme_account (id)," \
"  order_id " I " NOT NULL REFERENCES acme_order (id), identifier TEXT NOT NULL," \
"  is_wildcard " I " NOT NULL, token TEXT NOT NULL, status TEXT NOT NULL," \
"  method TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', tries " I " NOT NULL DEFAULT 0," \
"  due_at " I " NOT NULL DEFAULT 0, validated_at " I " NOT NULL DEFAULT 0," \
"  expires_at " I " NOT NULL)" T ";" \
"CREATE INDEX acme_authorization_order ON acme_authorization (order_id, id);" \
"CREATE INDEX acme_authorization_name ON acme_authorization (account_id, identifier, status);" \
"CREATE INDEX acme_authorization_due ON acme_authorization (due_at) WHERE due_at > 0;"
/* clang-format on */
