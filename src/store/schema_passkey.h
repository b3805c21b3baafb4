/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Migration 6: passkeys of people in browsers, and their sessions (kept as SHA-256).
 *
 * key_name: the key by whose certificate the passkey came in, itself or through sessions of the
 * passkey before it; when that key is revoked, the passkey is.
 */
/* clang-format off */
#define PASSKEY_TABLES(I, ID, T) \
"CREATE TABLE passkey (id " ID ", credential TEXT NOT NULL UNIQUE," \
"  person_id " I " NOT NULL REFERENCES person (id), public TEXT NOT NULL," \
"  counter " I " NOT NULL, title TEXT NOT NULL DEFAULT '', key_name TEXT NOT NULL," \
"  created_at " I " NOT NULL, used_at " I ", revoked_at " I ")" T ";" \
"CREATE INDEX passkey_person ON passkey (person_id, id);" \
"CREATE INDEX passkey_key ON passkey (key_name, id);" \
"CREATE TABLE passkey_challenge (hash TEXT PRIMARY KEY, purpose TEXT NOT NULL," \
"  person_id " I " REFERENCES person (id), key_name TEXT NOT NULL, expires_at " I " NOT NULL)" T ";" \
"CREATE INDEX passkey_challenge_end ON passkey_challenge (purpose, expires_at, hash);" \
"CREATE INDEX passkey_challenge_person ON passkey_challenge (person_id)" \
"  WHERE person_id IS NOT NULL;" \
"CREATE INDEX passkey_challenge_expiry ON passkey_challenge (expires_at);" \
"CREATE TABLE session (hash TEXT PRIMARY KEY, person_id " I " NOT NULL REFERENCES person (id)," \
"  passkey_id " I " NOT NULL REFERENCES passkey (id), bound TEXT NOT NULL," \
"  created_at " I " NOT NULL, used_at " I " NOT NULL, expires_at " I " NOT NULL)" T ";" \
"CREATE INDEX session_passkey ON session (passkey_id);" \
"CREATE INDEX session_person ON session (person_id, created_at, hash);" \
"CREATE INDEX session_end ON session (expires_at);"
/* clang-format on */
