/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Who this node is and where it stands: read from node.db, told to the master. */
#include "agent/ndb.h"
#include "agent/netns.h"

struct identity {
	struct str node; /* name */
	struct netns_plan net;
	struct ndb_partition *partitions;
	size_t count;
};

/* ERR_NOT_FOUND if the directory holds no node. Texts in `a`. */
MUST int identity_load(struct ndb *n, const char *dir, struct arena *a, struct identity *out,
		       struct err *e);
MUST int identity_save(struct ndb *n, const struct identity *id, struct err *e);
/* The JSON of slapos.put.v0.compute_node_format. */
struct str identity_format_body(const struct identity *id, struct arena *a);
/* The JSON of PUT /v1/nodes/ID; `capabilities`: words of the supervisor, by spaces. */
struct str identity_node_body(const struct identity *id, struct str capabilities,
			      struct arena *a);
/* Names of the partitions: "p0", "p1" … */
struct str identity_partition_name(size_t slot, struct arena *a);
