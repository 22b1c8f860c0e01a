/* AES-128 (FIPS-197), one block at a time, by one table a direction and
 * rotations. Words are big-endian columns of the state.
 *
 * The tables lie in local memory. Look-ups at addresses that depend on key and
 * data leak through timing where an attacker shares the caches or banks: see
 * the crate's README. */

__constant uchar AES_SBOX[256] = {
  0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
  0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
  0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
  0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
  0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
  0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
  0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
  0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
  0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
  0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
  0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
  0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
  0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
  0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
  0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
  0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

typedef struct {
  uint encrypt[256];       /* MixColumns of (SubBytes(x), 0, 0, 0) */
  uint decrypt[256];       /* InvMixColumns of (InvSubBytes(x), 0, 0, 0) */
  uchar sbox[256];         /* SubBytes */
  uchar inverse[256];      /* InvSubBytes */
} aes_tables;

/* Multiplication by x in GF(2^8) (FIPS-197, section 4.2.1). */
static uint aes_double(uint x)
{
  return (x << 1) ^ ((x >> 7) * 0x11bu);
}

/* Fills the tables. Every item of the group calls it; a barrier must follow. */
static void aes_fill(__local aes_tables *t)
{
  for (uint i = ITEM_ID; i < 256u; i += GROUP_SIZE) {
    /* i is what SubBytes reads, s what it gives, so InvSubBytes(s) is i. */
    const uint s = AES_SBOX[i];
    const uint s2 = aes_double(s);
    const uint i2 = aes_double(i), i4 = aes_double(i2), i8 = aes_double(i4);
    t->sbox[i] = (uchar)s;
    t->inverse[s] = (uchar)i;
    t->encrypt[i] = s2 << 24 | s << 16 | s << 8 | (s2 ^ s);
    t->decrypt[s] = (i8 ^ i4 ^ i2) << 24 | (i8 ^ i) << 16 | (i8 ^ i4 ^ i) << 8 | (i8 ^ i2 ^ i);
  }
}

/* One column of a round: row r of the new column comes from row r of w, x, y, z. */
static uint aes_column(__local const uint *t, uint w, uint x, uint y, uint z, uint key)
{
  return t[w >> 24] ^ rotate(t[(x >> 16) & 255u], 24u) ^ rotate(t[(y >> 8) & 255u], 16u)
    ^ rotate(t[z & 255u], 8u) ^ key;
}

static uint aes_last_column(__local const uchar *s, uint w, uint x, uint y, uint z, uint key)
{
  return ((uint)s[w >> 24] << 24 | (uint)s[(x >> 16) & 255u] << 16 | (uint)s[(y >> 8) & 255u] << 8
    | (uint)s[z & 255u]) ^ key;
}

/* Cipher (FIPS-197, section 5.1). */
static uint4 aes_encrypt(__local const aes_tables *t, const uint *key, uint4 s)
{
  uint a = s.x ^ key[0], b = s.y ^ key[1], c = s.z ^ key[2], d = s.w ^ key[3];
#pragma unroll
  for (uint r = 4; r < 40; r += 4) {
    const uint e = aes_column(t->encrypt, a, b, c, d, key[r]);
    const uint f = aes_column(t->encrypt, b, c, d, a, key[r + 1]);
    const uint g = aes_column(t->encrypt, c, d, a, b, key[r + 2]);
    const uint h = aes_column(t->encrypt, d, a, b, c, key[r + 3]);
    a = e; b = f; c = g; d = h;
  }
  return (uint4)(aes_last_column(t->sbox, a, b, c, d, key[40]),
                 aes_last_column(t->sbox, b, c, d, a, key[41]),
                 aes_last_column(t->sbox, c, d, a, b, key[42]),
                 aes_last_column(t->sbox, d, a, b, c, key[43]));
}

/* Equivalent inverse cipher (FIPS-197, section 5.3.5): key words from the last
 * round to the first. */
static uint4 aes_decrypt(__local const aes_tables *t, const uint *key, uint4 s)
{
  uint a = s.x ^ key[40], b = s.y ^ key[41], c = s.z ^ key[42], d = s.w ^ key[43];
#pragma unroll
  for (uint r = 36; r > 0; r -= 4) {
    const uint e = aes_column(t->decrypt, a, d, c, b, key[r]);
    const uint f = aes_column(t->decrypt, b, a, d, c, key[r + 1]);
    const uint g = aes_column(t->decrypt, c, b, a, d, key[r + 2]);
    const uint h = aes_column(t->decrypt, d, c, b, a, key[r + 3]);
    a = e; b = f; c = g; d = h;
  }
  return (uint4)(aes_last_column(t->inverse, a, d, c, b, key[0]),
                 aes_last_column(t->inverse, b, a, d, c, key[1]),
                 aes_last_column(t->inverse, c, b, a, d, key[2]),
                 aes_last_column(t->inverse, d, c, b, a, key[3]));
}
