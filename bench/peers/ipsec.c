/* intel-ipsec-mb's job API, driven as its own performance tool does: jobs on
 * regions that are ready, AES-128-CBC then HMAC-SHA1-96, in place. */
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 8
#define IV 16
#define ICV 12

struct ipsec_peer {
	IMB_MGR *manager;
	DECLARE_ALIGNED(uint8_t encrypt[176], 16);
	DECLARE_ALIGNED(uint8_t decrypt[176], 16);
	DECLARE_ALIGNED(uint8_t inner[20], 16);
	DECLARE_ALIGNED(uint8_t outer[20], 16);
};

struct ipsec_peer *peer_ipsec_new(const uint8_t *cipher, const uint8_t *integrity)
{
	struct ipsec_peer *peer = aligned_alloc(64, (sizeof(*peer) + 63) / 64 * 64);
	IMB_ARCH arch;
	uint8_t block[64];

	if (!peer)
		return NULL;
	peer->manager = alloc_mb_mgr(0);
	if (!peer->manager) {
		free(peer);
		return NULL;
	}
	init_mb_mgr_auto(peer->manager, &arch);
	IMB_AES_KEYEXP_128(peer->manager, cipher, peer->encrypt, peer->decrypt);
	memset(block, 0x36, sizeof(block));
	for (int i = 0; i < 20; i++)
		block[i] ^= integrity[i];
	IMB_SHA1_ONE_BLOCK(peer->manager, block, peer->inner);
	memset(block, 0x5c, sizeof(block));
	for (int i = 0; i < 20; i++)
		block[i] ^= integrity[i];
	IMB_SHA1_ONE_BLOCK(peer->manager, block, peer->outer);
	return peer;
}

/* Enciphers `count` regions of `text` bytes between IV and ICV. All lanes are
 * flushed after every `burst` jobs. Returns how many jobs completed. */
uint32_t peer_ipsec_encrypt(struct ipsec_peer *peer, uint8_t *const *regions, uint32_t count, uint32_t text,
			    uint32_t burst)
{
	IMB_MGR *manager = peer->manager;
	uint32_t done = 0;

	for (uint32_t at = 0; at < count; at++) {
		uint8_t *esp = regions[at];
		IMB_JOB *job = IMB_GET_NEXT_JOB(manager);

		job->enc_keys = peer->encrypt;
		job->dec_keys = peer->decrypt;
		job->key_len_in_bytes = 16;
		job->src = esp;
		job->dst = esp + HEADER + IV;
		job->cipher_start_src_offset_in_bytes = HEADER + IV;
		job->msg_len_to_cipher_in_bytes = text;
		job->hash_start_src_offset_in_bytes = 0;
		job->msg_len_to_hash_in_bytes = HEADER + IV + text;
		job->iv = esp + HEADER;
		job->iv_len_in_bytes = IV;
		job->auth_tag_output = esp + HEADER + IV + text;
		job->auth_tag_output_len_in_bytes = ICV;
		job->u.HMAC._hashed_auth_key_xor_ipad = peer->inner;
		job->u.HMAC._hashed_auth_key_xor_opad = peer->outer;
		job->cipher_mode = IMB_CIPHER_CBC;
		job->hash_alg = IMB_AUTH_HMAC_SHA_1;
		job->cipher_direction = IMB_DIR_ENCRYPT;
		job->chain_order = IMB_ORDER_CIPHER_HASH;
		for (job = IMB_SUBMIT_JOB(manager); job; job = IMB_GET_COMPLETED_JOB(manager))
			done += job->status == IMB_STATUS_COMPLETED;
		if ((at + 1) % burst == 0)
			while ((job = IMB_FLUSH_JOB(manager)))
				done += job->status == IMB_STATUS_COMPLETED;
	}
	for (IMB_JOB *job; (job = IMB_FLUSH_JOB(manager));)
		done += job->status == IMB_STATUS_COMPLETED;
	return done;
}

void peer_ipsec_free(struct ipsec_peer *peer)
{
	free_mb_mgr(peer->manager);
	free(peer);
}
