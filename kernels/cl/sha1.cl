/* SHA-1 (FIPS-180-4) and the HMAC of an ESP packet (RFC 2404) from the pad
 * states of the SA record. */

/* One block into the state `h`; `w` is used up. */
static void sha1_compress(uint *h, uint *w)
{
  uint a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
#define SHA1_ROUND(i, f, k) \
  { \
    const uint x = (i) < 16 ? w[(i) & 15] \
      : rotate(w[((i) + 13) & 15] ^ w[((i) + 8) & 15] ^ w[((i) + 2) & 15] ^ w[(i) & 15], 1u); \
    w[(i) & 15] = x; \
    const uint next = rotate(a, 5u) + (f) + e + (k) + x; \
    e = d; d = c; c = rotate(b, 30u); b = a; a = next; \
  }
#pragma unroll
  for (uint i = 0; i < 20; i++)
    SHA1_ROUND(i, bitselect(d, c, b), 0x5a827999u)
#pragma unroll
  for (uint i = 20; i < 40; i++)
    SHA1_ROUND(i, b ^ c ^ d, 0x6ed9eba1u)
#pragma unroll
  for (uint i = 40; i < 60; i++)
    SHA1_ROUND(i, (b & c) | (d & (b | c)), 0x8f1bbcdcu)
#pragma unroll
  for (uint i = 60; i < 80; i++)
    SHA1_ROUND(i, b ^ c ^ d, 0xca62c1d6u)
#undef SHA1_ROUND
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
}

/* The hash of one ESP packet as it grows: 24 bytes of ESP header and IV, then
 * cipher blocks of 16. So after n cipher blocks the hash block holds 6, 10, 14
 * or 2 words, and every index below is a constant: the words stay in registers. */
typedef struct {
  uint h[5];
  uint w[16];
} esp_hash;

static void hash_start(esp_hash *s, __global const sa_record *sa, uint2 header, uint4 iv)
{
#pragma unroll
  for (uint i = 0; i < 5; i++)
    s->h[i] = sa->inner[i];
  s->w[0] = header.x; s->w[1] = header.y;
  s->w[2] = iv.x; s->w[3] = iv.y; s->w[4] = iv.z; s->w[5] = iv.w;
#pragma unroll
  for (uint i = 6; i < 16; i++)
    s->w[i] = 0u;
}

/* Puts c into words i to i + 3 if `here`, without a branch. */
#define HASH_PUT(i, here) \
  s->w[i] = select(s->w[i], c.x, (uint)(here)); \
  s->w[(i) + 1] = select(s->w[(i) + 1], c.y, (uint)(here)); \
  s->w[(i) + 2] = select(s->w[(i) + 2], c.z, (uint)(here)); \
  s->w[(i) + 3] = select(s->w[(i) + 3], c.w, (uint)(here))

/* Cipher block number n. */
static void hash_block(esp_hash *s, uint n, uint4 c)
{
  const uint phase = n & 3u;
  HASH_PUT(6, phase == 0u);
  HASH_PUT(10, phase == 1u);
  HASH_PUT(2, phase == 3u);
  if (phase == 2u) {
    s->w[14] = c.x; s->w[15] = c.y;
    sha1_compress(s->h, s->w);
    s->w[0] = c.z; s->w[1] = c.w;
  }
}
#undef HASH_PUT

/* After the last of n cipher blocks: the high half of an extended sequence
 * number (RFC 4303, section 2.2.1) if the SA has one, the padding of both
 * hashes, and of the result the 96 bits of the ICV. */
static uint4 hash_finish(esp_hash *s, __global const sa_record *sa, uint n, uint esn_high)
{
  const uint esn = sa->esn & 1u;
  const uint held = (6u + 4u * (n & 3u)) & 15u;   /* 6, 10, 14, 2 */
  const uint bits = (64u + HB_ESP_CIPHER_OFFSET + 16u * n + 4u * esn) * 8u;
#pragma unroll
  for (uint i = 0; i < 16; i++) {
    const uint pad = i == held + esn ? 0x80000000u : 0u;
    s->w[i] = i < held ? s->w[i] : (esn && i == held ? esn_high : pad);
  }
  if (held + esn >= 14u) {   /* no room for the length */
    sha1_compress(s->h, s->w);
#pragma unroll
    for (uint i = 0; i < 15; i++)
      s->w[i] = 0u;
  }
  s->w[15] = bits;
  sha1_compress(s->h, s->w);

#pragma unroll
  for (uint i = 0; i < 5; i++) {
    s->w[i] = s->h[i];
    s->h[i] = sa->outer[i];
  }
  s->w[5] = 0x80000000u;
#pragma unroll
  for (uint i = 6; i < 15; i++)
    s->w[i] = 0u;
  s->w[15] = (64u + 20u) * 8u;
  sha1_compress(s->h, s->w);
  return (uint4)(s->h[0], s->h[1], s->h[2], 0u);
}
