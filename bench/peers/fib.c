/* rte_fib as DPDK's own test drives it: bulk look-ups, nothing else. */
#include <rte_fib.h>
#include <stddef.h>
#include <stdint.h>

struct fib_route {
	uint32_t prefix;
	uint32_t depth;
	uint64_t next_hop;
};

/* A DIR-24-8 table with entries of 4 bytes; NULL where DPDK refuses. */
struct rte_fib *peer_fib_new(const struct fib_route *routes, uint32_t count, uint32_t groups,
			     uint32_t entry_bytes_log2)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = 0,
		.max_routes = (int)(count * 2),
		.dir24_8 = { .nh_sz = entry_bytes_log2, .num_tbl8 = groups },
	};
	struct rte_fib *fib = rte_fib_create("peer", -1, &conf);

	for (uint32_t i = 0; fib && i < count; i++)
		if (rte_fib_add(fib, routes[i].prefix, (uint8_t)routes[i].depth, routes[i].next_hop) != 0) {
			rte_fib_free(fib);
			return NULL;
		}
	return fib;
}

/* Looks all addresses up, `burst` at a time, and returns the sum of the answers. */
uint64_t peer_fib_lookup(struct rte_fib *fib, uint32_t *addresses, uint32_t count, uint32_t burst)
{
	uint64_t next_hops[256], sum = 0;

	for (uint32_t at = 0; at + burst <= count; at += burst) {
		rte_fib_lookup_bulk(fib, addresses + at, next_hops, (int)burst);
		for (uint32_t i = 0; i < burst; i++)
			sum += next_hops[i];
	}
	return sum;
}

void peer_fib_free(struct rte_fib *fib)
{
	rte_fib_free(fib);
}
