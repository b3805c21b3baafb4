/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Partition networks by `ip -batch`: one run for the host's side of all partitions, one inside each
 * new namespace. The namespace itself is made here, in a thread of its own that is thrown away
 * afterwards: as ip-netns(8) does it, a bind mount of /proc/…/ns/net on /run/netns/NAME.
 *
 * Order of `up`, each step repeatable: namespace and its sysctl, device pair, address and route.
 * The last thing made is the default route inside, which is how a finished one is told.
 */
#include "agent/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ev/child.h"

#define NETNS_DIR "/run/netns"
enum {
	TEXT_MAX = 1 << 20,
	ARENA_BYTES = 8 << 20,
	TIMEOUT_MS = 60000,
	CANDIDATES = 4096,
	SMALL_MAX = 250,
	ROUTES_MAX = 16384,
	FIRST_HOST = 2, /* .1 is the bridge */
	LINK_SIZE = 18,
};

/* ---- the plan ---- */

static uint64_t hash_text(struct str s)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 1099511628211u;
	return h;
}

static bool is_same_prefix(const uint8_t *x, const uint8_t *y, unsigned bits)
{
	if (memcmp(x, y, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || (x[bits / 8] ^ y[bits / 8]) >> (8 - rest) == 0;
}

static bool is_taken(const uint8_t *address, unsigned bits, bool is_ipv6,
		     const struct netns_route *routes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (routes[i].is_ipv6 == is_ipv6 && routes[i].bits > 0 &&
		    is_same_prefix(address, routes[i].address, MIN_OF(bits, routes[i].bits)))
			return true;
	return false;
}

/* A candidate from 10.0.0.0/8 and fd00::/8, from the seed's next number. */
static void draw(struct rng_seeded *seed, struct netns_plan *p)
{
	uint64_t v = rng_u64(&seed->rng);
	p->ipv4 = 10u << 24 | ((uint32_t)v & 0xffffff & ~((1u << (32 - p->ipv4_bits)) - 1));
	rng_u64(&seed->rng);
	seed->rng.fill(seed->rng.user, p->ipv6, sizeof p->ipv6);
	p->ipv6[0] = 0xfd;
}

static bool is_free(const struct netns_plan *p, const struct netns_route *routes, size_t count)
{
	uint32_t net = htonl(p->ipv4);
	uint8_t four[4], six[16] = {0};
	memcpy(four, &net, sizeof four);
	memcpy(six, p->ipv6, sizeof p->ipv6);
	return !is_taken(four, p->ipv4_bits, false, routes, count) &&
	       !is_taken(six, 64, true, routes, count);
}

MUST int netns_plan_make(struct str node_id, unsigned partitions,
			 const struct netns_route *routes, size_t route_count,
			 struct netns_plan *out, struct err *e)
{
	if (partitions > NETNS_PARTITIONS_MAX)
		return err_field(e, "partitions", "is above %d", NETNS_PARTITIONS_MAX);
	struct rng_seeded seed;
	rng_seeded_init(&seed, hash_text(node_id));
	struct netns_plan p = {.ipv4_bits = partitions <= SMALL_MAX ? 24 : 20};
	(void)snprintf(p.bridge, sizeof p.bridge, "hoc%04x",
		       (unsigned)(rng_u64(&seed.rng) & 0xffff));
	for (int i = 0; i < CANDIDATES; i++) {
		draw(&seed, &p);
		if (is_free(&p, routes, route_count)) {
			*out = p;
			return 0;
		}
	}
	return err_fail(e, ERR_NO_ROOM, "every private network tried is routed elsewhere");
}

/* "00000A0A" of /proc/net/route: the address as the machine's integer, in hex. */
static bool read_route4(struct str line, struct netns_route *out)
{
	struct str field[8];
	size_t n = 0;
	while (n < ARRAY_LEN(field) && str_split(&line, '\t', &field[n]))
		n++;
	uint8_t net[4], mask[4];
	struct err ignored;
	if (n < 8 || str_unhex(field[1], net, 4, &ignored) < 0 ||
	    str_unhex(field[7], mask, 4, &ignored) < 0)
		return false;
	*out = (struct netns_route){.is_ipv6 = false};
	for (size_t i = 0; i < 4; i++) {
		out->address[i] = net[3 - i];
		out->bits += (unsigned)__builtin_popcount(mask[3 - i]);
	}
	return true;
}

static bool read_route6(struct str line, struct netns_route *out)
{
	struct str net = str_sub(line, 0, 32), bits = str_sub(line, 33, 2);
	uint8_t b;
	struct err ignored;
	*out = (struct netns_route){.is_ipv6 = true};
	if (str_unhex(net, out->address, 16, &ignored) < 0 ||
	    str_unhex(bits, &b, 1, &ignored) < 0)
		return false;
	out->bits = b;
	return true;
}

/* Appends the routes of one file. Default routes and multicast say nothing about use. */
static int add_routes(struct arena *a, const char *path,
		      bool (*read_line)(struct str, struct netns_route *),
		      struct netns_route *list, size_t *count, struct err *e)
{
	struct str text, line;
	int rc = file_read(path, TEXT_MAX, a, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	while (*count < ROUTES_MAX && str_split(&text, '\n', &line)) {
		struct netns_route r;
		if (read_line(line, &r) && r.bits > 0 && (!r.is_ipv6 || r.address[0] != 0xff))
			list[(*count)++] = r;
	}
	return 0;
}

MUST int netns_routes(struct arena *a, struct netns_route **out, size_t *out_count,
		      struct err *e)
{
	size_t count = 0;
	struct netns_route *list = ARENA_ARRAY(a, struct netns_route, ROUTES_MAX);
	if (arena_check(a, e) < 0 ||
	    add_routes(a, "/proc/net/route", read_route4, list, &count, e) < 0 ||
	    add_routes(a, "/proc/net/ipv6_route", read_route6, list, &count, e) < 0)
		return -1;
	*out = list;
	*out_count = count;
	return 0;
}

/* ---- names and addresses ---- */

static void ipv4_host(const struct netns_plan *p, unsigned host, char *out)
{
	struct in_addr a = {.s_addr = htonl(p->ipv4 + host)};
	ASSERT(inet_ntop(AF_INET, &a, out, NETNS_ADDRESS_SIZE));
}

static void ipv6_host(const struct netns_plan *p, unsigned host, char *out)
{
	struct in6_addr a = {.s6_addr = {0}};
	memcpy(a.s6_addr, p->ipv6, sizeof p->ipv6);
	a.s6_addr[14] = (uint8_t)(host >> 8);
	a.s6_addr[15] = (uint8_t)host;
	ASSERT(inet_ntop(AF_INET6, &a, out, NETNS_ADDRESS_SIZE));
}

void netns_ipv4(const struct netns_plan *p, unsigned slot, char out[static NETNS_ADDRESS_SIZE])
{
	ipv4_host(p, FIRST_HOST + slot, out);
}

void netns_ipv6(const struct netns_plan *p, unsigned slot, char out[static NETNS_ADDRESS_SIZE])
{
	ipv6_host(p, FIRST_HOST + slot, out);
}

void netns_gateway_ipv4(const struct netns_plan *p, char out[static NETNS_ADDRESS_SIZE])
{
	ipv4_host(p, 1, out);
}

void netns_gateway_ipv6(const struct netns_plan *p, char out[static NETNS_ADDRESS_SIZE])
{
	ipv6_host(p, 1, out);
}

void netns_path(const struct netns_plan *p, unsigned slot, char out[static NETNS_PATH_SIZE])
{
	(void)snprintf(out, NETNS_PATH_SIZE, NETNS_DIR "/%s-p%u", p->bridge, slot);
}

static void device_name(const struct netns_plan *p, unsigned slot, char out[static IFNAMSIZ])
{
	(void)snprintf(out, IFNAMSIZ, "%.7sp%u", p->bridge, slot);
}

/*
 * A link address is made from the IPv4 address, so that it outlives the device: who spoke to the
 * partition before would else try the old one for some ten seconds. The bridge would take
 * another one with each device that joins or leaves.
 */
static void link_address(const struct netns_plan *p, unsigned host, char out[static LINK_SIZE])
{
	uint32_t v = p->ipv4 + host;
	(void)snprintf(out, LINK_SIZE, "0a:58:%02x:%02x:%02x:%02x", v >> 24, v >> 16 & 0xff,
		       v >> 8 & 0xff, v & 0xff);
}

/* ---- running ip ---- */

static bool has_device(const char *name)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/sys/class/net/%s", name);
	return access(path, F_OK) == 0;
}

static int run_batch(const struct buf *commands, int netns_fd, struct arena *a, struct err *e)
{
	const char *argv[] = {"ip", "-batch", "-", NULL};
	struct ev_child_spec spec = {.argv = argv,
				     .input = buf_str(commands),
				     .output_max_bytes = 4096,
				     .timeout_ms = TIMEOUT_MS,
				     .netns_fd = netns_fd};
	struct ev_child_result r;
	if (buf_check(commands, e) < 0)
		return -1;
	if (commands->n == 0)
		return 0;
	if (ev_child_wait(&spec, a, &r, e) < 0)
		return -1;
	return ev_child_check(&r, "ip", e);
}

MUST int netns_bridge_up(const struct netns_plan *p, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	char four[NETNS_ADDRESS_SIZE], six[NETNS_ADDRESS_SIZE], path[64], link[LINK_SIZE];
	if (arena_new(ARENA_BYTES, &a, e) < 0)
		return -1;
	netns_gateway_ipv4(p, four);
	netns_gateway_ipv6(p, six);
	(void)snprintf(path, sizeof path, "/sys/class/net/%s/bridge", p->bridge);
	link_address(p, 1, link);
	if (!has_device(p->bridge))
		buf_addf(&b, "link add %s address %s type bridge forward_delay 0\n", p->bridge,
			 link);
	else if (access(path, F_OK) < 0)
		return err_fail(e, ERR_CONFLICT, "the device %s is no bridge", p->bridge);
	buf_addf(&b, "address replace %s/%u dev %s\n", four, p->ipv4_bits, p->bridge);
	buf_addf(&b, "address replace %s/64 dev %s nodad\n", six, p->bridge);
	buf_addf(&b, "link set %s up\n", p->bridge);
	return run_batch(&b, -1, a, e);
}

MUST int netns_bridge_down(const struct netns_plan *p, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	if (!has_device(p->bridge))
		return 0;
	if (arena_new(ARENA_BYTES, &a, e) < 0)
		return -1;
	buf_addf(&b, "link delete %s\n", p->bridge);
	return run_batch(&b, -1, a, e);
}

/* ---- namespaces ---- */

static bool is_namespace(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* /run/netns as ip makes it: a shared mount, so that later namespaces show everywhere. */
static int make_netns_dir(struct err *e)
{
	if (file_mkdirs(NETNS_DIR, 0755, e) < 0)
		return -1;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL ||
	    mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return err_os(e, errno, "share %s", NETNS_DIR);
	return 0;
}

struct making {
	const struct netns_plan *p;
	const unsigned *slots;
	size_t count;
	int rc;
	struct err e;
};

static int write_setting(const char *path, const char *value, struct err *e)
{
	int fd CLEAN(file_closep) = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_os(e, errno, "open %s", path);
	return file_write_fd(fd, str_from(value), e);
}

static int make_one(const char *path, struct err *e)
{
	char own[64];
	if (unshare(CLONE_NEWNET) < 0)
		return err_os(e, errno, "make a network namespace");
	if (write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", e) < 0)
		return -1;
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_os(e, errno, "create %s", path);
	(void)snprintf(own, sizeof own, "/proc/self/task/%ld/ns/net", syscall(SYS_gettid));
	if (mount(own, path, "none", MS_BIND, NULL) < 0)
		return err_os(e, errno, "keep the network namespace %s", path);
	return 0;
}

static void *make_missing(void *user)
{
	struct making *m = user;
	char path[NETNS_PATH_SIZE];
	for (size_t i = 0; i < m->count && m->rc == 0; i++) {
		netns_path(m->p, m->slots[i], path);
		if (!is_namespace(path))
			m->rc = make_one(path, &m->e);
	}
	return NULL;
}

static int make_namespaces(const struct netns_plan *p, const unsigned *slots, size_t count,
			   struct err *e)
{
	struct making m = {.p = p, .slots = slots, .count = count};
	pthread_t t;
	if (make_netns_dir(e) < 0)
		return -1;
	int os = pthread_create(&t, NULL, make_missing, &m);
	if (os)
		return err_os(e, os, "start a thread");
	(void)pthread_join(t, NULL);
	if (m.rc < 0)
		*e = m.e;
	return m.rc;
}

/* The file of a namespace is only in the way of its name; the mount is what keeps it. */
static int open_namespace(const struct netns_plan *p, unsigned slot, struct err *e)
{
	char path[NETNS_PATH_SIZE];
	netns_path(p, slot, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_os(e, errno, "open %s", path) : fd;
}

/* ---- up and down ---- */

/* A device whose other end is in a namespace that has no name any more cannot be given a new one. */
static int drop_strays(const struct netns_plan *p, const unsigned *slots, size_t count,
		       struct arena *a, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	char device[IFNAMSIZ], path[NETNS_PATH_SIZE];
	for (size_t i = 0; i < count; i++) {
		device_name(p, slots[i], device);
		netns_path(p, slots[i], path);
		if (!is_namespace(path) && has_device(device))
			buf_addf(&b, "link del %s\n", device);
	}
	return run_batch(&b, -1, a, e);
}

static int add_pairs(const struct netns_plan *p, const unsigned *slots, size_t count,
		     struct arena *a, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	char device[IFNAMSIZ], link[LINK_SIZE];
	for (size_t i = 0; i < count; i++) {
		device_name(p, slots[i], device);
		if (has_device(device))
			continue;
		link_address(p, FIRST_HOST + slots[i], link);
		buf_addf(&b, "link add %s type veth peer name eth0 address %s netns %s-p%u\n",
			 device, link, p->bridge, slots[i]);
		buf_addf(&b, "link set %s master %s up\n", device, p->bridge);
	}
	return run_batch(&b, -1, a, e);
}

static int set_up_inside(const struct netns_plan *p, unsigned slot, struct arena *a,
			 struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	char own[NETNS_ADDRESS_SIZE], gateway[NETNS_ADDRESS_SIZE];
	int fd CLEAN(file_closep) = open_namespace(p, slot, e);
	if (fd < 0)
		return -1;
	netns_ipv4(p, slot, own);
	buf_add(&b, S("link set lo up\nlink set eth0 up\n"));
	buf_addf(&b, "address replace %s/%u dev eth0\n", own, p->ipv4_bits);
	netns_ipv6(p, slot, own);
	buf_addf(&b, "address replace %s/64 dev eth0 nodad\n", own);
	netns_gateway_ipv6(p, gateway);
	buf_addf(&b, "route replace default via %s\n", gateway);
	netns_gateway_ipv4(p, gateway);
	buf_addf(&b, "route replace default via %s\n", gateway);
	return run_batch(&b, fd, a, e);
}

/* Finished ones have a default route, the last thing that is made. One thread's view: its own. */
static bool is_up(const struct netns_plan *p, unsigned slot, struct arena *a)
{
	char path[NETNS_PATH_SIZE], device[IFNAMSIZ];
	netns_path(p, slot, path);
	device_name(p, slot, device);
	if (!is_namespace(path) || !has_device(device))
		return false;
	struct err ignored;
	int fd CLEAN(file_closep) = open_namespace(p, slot, &ignored);
	const char *argv[] = {"ip", "-4", "route", "show", "default", NULL};
	struct ev_child_spec spec = {.argv = argv,
				     .output_max_bytes = 4096,
				     .timeout_ms = TIMEOUT_MS,
				     .netns_fd = fd};
	struct ev_child_result r;
	return fd >= 0 && ev_child_wait(&spec, a, &r, &ignored) == 0 &&
	       str_starts(r.output, S("default via"));
}

MUST int netns_up(const struct netns_plan *p, const unsigned *slots, size_t count,
		  struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(ARENA_BYTES, &a, e) < 0)
		return -1;
	unsigned *missing = ARENA_ARRAY(a, unsigned, count);
	size_t n = 0;
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!is_up(p, slots[i], a))
			missing[n++] = slots[i];
	if (n == 0)
		return 1;
	if (drop_strays(p, missing, n, a, e) < 0 || make_namespaces(p, missing, n, e) < 0 ||
	    add_pairs(p, missing, n, a, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (set_up_inside(p, missing[i], a, e) < 0)
			return err_in(e, "partition p%u", missing[i]);
	return 0;
}

MUST int netns_down(const struct netns_plan *p, const unsigned *slots, size_t count,
		    struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(TEXT_MAX);
	char device[IFNAMSIZ], path[NETNS_PATH_SIZE];
	if (arena_new(ARENA_BYTES, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		device_name(p, slots[i], device);
		if (has_device(device))
			buf_addf(&b, "link delete %s\n", device);
	}
	if (run_batch(&b, -1, a, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		netns_path(p, slots[i], path);
		if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
			return err_os(e, errno, "unmount %s", path);
		if (unlink(path) < 0 && errno != ENOENT)
			return err_os(e, errno, "remove %s", path);
	}
	return 0;
}

/* ---- counters ---- */

static int read_counter(struct arena *a, const char *device, const char *name, int64_t *out,
			struct err *e)
{
	struct str text;
	const char *path =
		arena_cstr(a, arena_fmt(a, "/sys/class/net/%s/statistics/%s", device, name));
	int rc = file_read(path, 100, a, &text, e);
	return rc != 0 ? rc : str_to_i64(str_trim(text), 0, INT64_MAX, out, e);
}

MUST int netns_counters(const struct netns_plan *p, unsigned slot, struct netns_counters *out,
			struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct netns_counters c;
	char device[IFNAMSIZ];
	device_name(p, slot, device);
	if (arena_new(4096, &a, e) < 0)
		return -1;
	/* What the host's end sends is what the partition receives. */
	int rc = read_counter(a, device, "tx_bytes", &c.in_bytes, e);
	if (rc == 0)
		rc = read_counter(a, device, "rx_bytes", &c.out_bytes, e);
	if (rc == 0)
		*out = c;
	return rc;
}
