/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The network of a node's partitions: a bridge on the host, and for each partition a network
 * namespace joined to it by a pair of virtual Ethernet devices.
 *
 *     host   bridge hocXXXX   10.a.b.1/24   fdXX:…::1/64
 *               ├─ hocXXXXp0 ══ eth0 in namespace hocXXXX-p0   10.a.b.2   fdXX:…::2
 *               └─ hocXXXXp1 ══ eth0 in namespace hocXXXX-p1   10.a.b.3   fdXX:…::3
 *
 * XXXX comes from the node's id. The prefixes do too, moved on until no route of this host
 * overlaps; the plan is made once and kept with the node's identity, so that addresses never
 * change. Everything is idempotent: `up` on what is up changes nothing, `down` on what is not
 * there is fine. Functions block for some milliseconds (they run `ip`): call them in a pool
 * thread (ev_work). Need root.
 */
#include "base/arena.h"

enum {
	NETNS_PARTITIONS_MAX = 4000, /* up to 250 in a /24, else a /20 */
	NETNS_NAME_SIZE = 16,
	NETNS_ADDRESS_SIZE = 46,
	NETNS_PATH_SIZE = 64,
};

/* A plain value, to be stored field by field. */
struct netns_plan {
	char bridge[NETNS_NAME_SIZE]; /* "hoc3fa9" */
	uint32_t ipv4;		      /* network address, host byte order */
	unsigned ipv4_bits;	      /* 24 or 20 */
	uint8_t ipv6[8];	      /* the /64 */
};

/* A prefix that is taken: a route of the host. */
struct netns_route {
	bool is_ipv6;
	uint8_t address[16]; /* network byte order; the first 4 bytes for IPv4 */
	unsigned bits;
};

/*
 * The host's routes except default routes, from /proc/net/route and /proc/net/ipv6_route; at most
 * 16,384 are read. Takes up to 3 MiB of the arena.
 */
MUST int netns_routes(struct arena *a, struct netns_route **out, size_t *out_count,
		      struct err *e);
/*
 * The plan for a node: the first candidate that no route overlaps. Pure; the same input gives
 * the same plan. ERR_NO_ROOM after 4,096 candidates.
 */
MUST int netns_plan_make(struct str node_id, unsigned partitions,
			 const struct netns_route *routes, size_t route_count,
			 struct netns_plan *out, struct err *e);

/* Slot 0 … of a partition → its addresses as text, without prefix length. */
void netns_ipv4(const struct netns_plan *p, unsigned slot, char out[static NETNS_ADDRESS_SIZE]);
void netns_ipv6(const struct netns_plan *p, unsigned slot, char out[static NETNS_ADDRESS_SIZE]);
/* The host's own addresses on the bridge (the partitions' gateway). */
void netns_gateway_ipv4(const struct netns_plan *p, char out[static NETNS_ADDRESS_SIZE]);
void netns_gateway_ipv6(const struct netns_plan *p, char out[static NETNS_ADDRESS_SIZE]);
/* "/run/netns/hoc3fa9-p0": what oci_service.netns takes. */
void netns_path(const struct netns_plan *p, unsigned slot, char out[static NETNS_PATH_SIZE]);

/* Makes the bridge with its addresses. ERR_CONFLICT if a device of that name is no bridge. */
MUST int netns_bridge_up(const struct netns_plan *p, struct err *e);
/* Removes it. Namespaces are taken down before. */
MUST int netns_bridge_down(const struct netns_plan *p, struct err *e);
/*
 * Makes the namespaces of `count` slots with loopback, address, default route, and
 * net.ipv4.ip_unprivileged_port_start = 0. Returns 1 if all were up already. A half-made one (a
 * crash, a lost device) is completed; a running service in it keeps running.
 */
MUST int netns_up(const struct netns_plan *p, const unsigned *slots, size_t count,
		  struct err *e);
/* Removes namespace and devices; what still runs inside keeps a network that leads nowhere. */
MUST int netns_down(const struct netns_plan *p, const unsigned *slots, size_t count,
		    struct err *e);

/* Seen from the partition: bytes it received and sent since its devices were made. */
struct netns_counters {
	int64_t in_bytes, out_bytes;
};
/* 1 if the partition's device does not exist. */
MUST int netns_counters(const struct netns_plan *p, unsigned slot, struct netns_counters *out,
			struct err *e);
