/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Migration 6: passkeys of people in browsers, and their sessions (kept as SHA-256). */
/* clang-format off */
#define PASSKEY_TABLES(I, ID, T) \
"CREATE TABLE passkey (id " ID ", credential TEXT NOT NULL UNIQUE," \
"  person_id " I " NOT NULL REFERENCES person (id), public TEXT NOT NULL," \
"  counter " I " NOT NULL, title TEXT NOT NULL DEFAULT '', created_at " I " NOT NULL," \
"  used_at " I ", revoked_at " I ")" T ";" \
"CREATE INDEX passkey_person ON passkey (person_id, id);" \
"CREATE TABLE passkey_challenge (hash TEXT PRIMARY KEY, purpose TEXT NOT NULL," \
"  person_id " I " REFERENCES person (id), expires_at " I " NOT NULL)" T ";" \
"CREATE TABLE session (hash TEXT PRIMARY KEY, person_id " I " NOT NULL REFERENCES person (id)," \
"  passkey_id " I " NOT NULL REFERENCES passkey (id), bound TEXT NOT NULL," \
"  created_at " I " NOT NULL, used_at " I " NOT NULL, expires_at " I " NOT NULL)" T ";" \
"CREATE INDEX session_person ON session (person_id);"
/* clang-format on */
