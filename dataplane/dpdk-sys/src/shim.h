/* Addresses for what DPDK only offers as static inline functions and macros. */
#ifndef HB_SHIM_H
#define HB_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* rte_errno of the calling thread. */
int hb_errno(void);

uint16_t hb_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count);
uint16_t hb_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count);

/* 0, or a negative errno when the pool has fewer than count packets: then none is taken. */
int hb_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned count);
void hb_pktmbuf_free(struct rte_mbuf *packet);
/* 0, or negative when the first segment has no room for the others. */
int hb_pktmbuf_linearize(struct rte_mbuf *packet);

/* The time-stamp counter, or what the architecture has in its place. */
uint64_t hb_rdtsc(void);
uint64_t hb_tsc_hz(void);

/* Sends DPDK's log to sink: level (1 emergency .. 8 debug), text, bytes. 0 or -1 with errno. */
typedef void (*hb_log_sink)(uint32_t level, const char *text, size_t length);
int hb_log_to(hb_log_sink sink);

/* Index of a kernel interface of this network namespace, 0 if there is none. */
unsigned hb_interface_index(const char *name);

#endif
