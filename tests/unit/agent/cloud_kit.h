/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A cloud without a network: an authority, a master's key, a node that joined, persons with keys;
 * and what the master would say, signed or not.
 */
#include "agent/cloud.h"
#include "agent/keys.h"
#include "trust/ca.h"

struct kit {
	char dir[64];
	struct arena *a;
	struct ca *users, *foreign; /* foreign: of another cloud */
	struct key *master, *node;
	char master_name[HASH_TEXT_SIZE], node_name[HASH_TEXT_SIZE];
	int64_t now_ms;
};

/* Makes all that; the node is "n1" in dir/node, its certificate began at now_ms. */
void kit_open(struct kit *k);
void kit_close(struct kit *k);
/* Text of a path below dir. */
const char *kit_path(struct kit *k, const char *name);

/* Certificate of `key` and what it is sent with: PEM. */
struct str kit_certificate(struct kit *k, const struct ca *ca, enum cert_kind kind,
			   const char *name, const struct key *key, int64_t now_ms);
/* Opens the keys of the node. */
struct keys *kit_keys(struct kit *k);
/* GET /v1/ca with this master's key. */
struct str kit_ca_body(struct kit *k, const struct key *master, struct str certificate);

/* A key to seal to, and what proves it. */
struct kit_reader {
	const char *kind, *name;
	struct key *key;
	struct age_identity *seal;
	struct str certificate, statement, recipient, key_name;
};
void kit_reader_open(struct kit *k, const char *kind, const char *name, struct kit_reader *out);
void kit_reader_close(struct kit_reader *r);
/* GET …/recipients. */
struct str kit_recipients(struct kit *k, const char *mode, int64_t rotation,
			  const struct kit_reader *readers, size_t count);

/* The header Hoc-State of an answer, signed by `key`. */
struct str kit_state(struct kit *k, const struct key *key, const struct proof_ask *ask,
		     int status, int64_t sequence, struct str body);
