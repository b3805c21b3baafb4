/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Migration 4: signed checkpoints of the event chain, and the transparency log (RFC 9162).
 *
 * log_node has the hash of every complete subtree, level 0 are the leaves: twice as many rows as
 * entries. Of checkpoints and heads one an hour stays, and the newest (store/checkpoint.h).
 * Of a witness only the newest word is kept.
 */
/* clang-format off */
#define AUDIT_TABLES(I, ID, T) \
"CREATE TABLE checkpoint (sequence " I " PRIMARY KEY, hash TEXT NOT NULL, at_ms " I " NOT NULL," \
"  key_name TEXT NOT NULL, signature TEXT NOT NULL)" T ";" \
"CREATE TABLE log_leaf (position " I " PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL," \
"  body TEXT NOT NULL, hash TEXT NOT NULL, at_ms " I " NOT NULL)" T ";" \
"CREATE INDEX log_leaf_hash ON log_leaf (hash, position);" \
"CREATE INDEX log_leaf_subject ON log_leaf (subject, position);" \
"CREATE TABLE log_node (level " I " NOT NULL, position " I " NOT NULL, hash TEXT NOT NULL," \
"  PRIMARY KEY (level, position))" T ";" \
"CREATE TABLE log_head (size " I " PRIMARY KEY, root TEXT NOT NULL, at_ms " I " NOT NULL," \
"  key_name TEXT NOT NULL, signature TEXT NOT NULL)" T ";" \
"CREATE TABLE log_witness (witness TEXT PRIMARY KEY, key_name TEXT NOT NULL," \
"  public TEXT NOT NULL, size " I " NOT NULL, root TEXT NOT NULL, signature TEXT NOT NULL," \
"  at_ms " I " NOT NULL)" T ";" \
"CREATE INDEX log_witness_size ON log_witness (size, witness);"
/* clang-format on */
