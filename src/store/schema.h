/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The tables of a master, and the one place with a text per engine.
 *
 * Every store function works inside a transaction of room db. Finders return 1 (found, *out
 * filled, texts in the arena) or 0 (none); lists return 0 and an array in the arena, at most
 * `limit` rows. A failure is -1 and fails the transaction.
 */
#include "db/db.h"

/* Brings the schema up to date. Errors of db_migrate. */
MUST int store_migrate(struct db *db, struct err *e);

/* Rows a list hands out at most, whatever is asked. */
enum { STORE_LIST_MAX = 5000 };
