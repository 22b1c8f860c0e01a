#define _GNU_SOURCE
#include "shim.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/types.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

int hb_errno(void)
{
	return rte_errno;
}

uint16_t hb_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, packets, count);
}

uint16_t hb_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, packets, count);
}

int hb_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned count)
{
	return rte_pktmbuf_alloc_bulk(pool, packets, count);
}

void hb_pktmbuf_free(struct rte_mbuf *packet)
{
	rte_pktmbuf_free(packet);
}

int hb_pktmbuf_linearize(struct rte_mbuf *packet)
{
	return rte_pktmbuf_linearize(packet);
}

uint64_t hb_rdtsc(void)
{
	return rte_rdtsc();
}

uint64_t hb_tsc_hz(void)
{
	return rte_get_tsc_hz();
}

static hb_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	/* The level belongs to the thread that logs, and this runs on it. */
	log_sink((uint32_t)rte_log_cur_msg_loglevel(), text, length);
	return (ssize_t)length;
}

int hb_log_to(hb_log_sink sink)
{
	cookie_io_functions_t functions = { .write = log_write };
	FILE *stream;

	log_sink = sink;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -1;
	/* The stream lives as long as the process: DPDK logs until the very end. */
	return rte_openlog_stream(stream);
}

unsigned hb_interface_index(const char *name)
{
	return if_nametoindex(name);
}
