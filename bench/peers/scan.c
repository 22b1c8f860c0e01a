/* vectorscan in block mode, driven directly: all patterns in one database, a
 * call for each payload, a callback that counts. */
#include <hs/hs.h>
#include <stdint.h>
#include <stdlib.h>

struct scan_peer {
	hs_database_t *database;
	hs_scratch_t *scratch;
};

static int count(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context)
{
	(void)id, (void)from, (void)to, (void)flags;
	++*(uint64_t *)context;
	return 0;
}

/* `flags` and `ids` by expression, as hs_compile_multi takes them. */
struct scan_peer *peer_scan_new(const char *const *expressions, const unsigned int *flags, const unsigned int *ids,
				unsigned int patterns)
{
	struct scan_peer *peer = calloc(1, sizeof(*peer));
	hs_compile_error_t *error = NULL;

	if (!peer)
		return NULL;
	if (hs_compile_multi(expressions, flags, ids, patterns, HS_MODE_BLOCK, NULL, &peer->database, &error) !=
		    HS_SUCCESS ||
	    hs_alloc_scratch(peer->database, &peer->scratch) != HS_SUCCESS) {
		hs_free_compile_error(error);
		hs_free_database(peer->database);
		free(peer);
		return NULL;
	}
	return peer;
}

/* Scans every payload; returns the number of matches, or all ones where a scan fails. */
uint64_t peer_scan(struct scan_peer *peer, const uint8_t *const *payloads, const uint32_t *lengths, uint32_t n)
{
	uint64_t matches = 0;

	for (uint32_t i = 0; i < n; i++)
		if (hs_scan(peer->database, (const char *)payloads[i], lengths[i], 0, peer->scratch, count,
			    &matches) != HS_SUCCESS)
			return UINT64_MAX;
	return matches;
}

void peer_scan_free(struct scan_peer *peer)
{
	hs_free_scratch(peer->scratch);
	hs_free_database(peer->database);
	free(peer);
}
