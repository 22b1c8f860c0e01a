/* ESP with AES-128-CBC (RFC 3602) and HMAC-SHA1-96 (RFC 2404), in place: ESP
 * header (8 bytes), IV (16), cipher text, ICV (12). CBC and SHA-1 are serial in
 * a packet, so an item takes a packet at a time. */

static void load_key(uint *key, __global const uint *words)
{
#pragma unroll
  for (uint i = 0; i < 44; i++)
    key[i] = words[i];
}

static void encrypt_packet(__local const aes_tables *aes, __global const sa_record *sa,
                           __global const uint *side, __global uchar *cipher, uint blocks)
{
  uint key[44];
  load_key(key, sa->encrypt);
  uint4 chain = SWAP4(vload4(0, side));
  esp_hash hash;
  hash_start(&hash, sa, (uint2)(SWAP(side[4]), SWAP(side[5])), chain);
  for (uint n = 0; n < blocks; n++) {
    chain = aes_encrypt(aes, key, chain ^ SWAP4(load_block(cipher)));
    store_block(cipher, SWAP4(chain));
    hash_block(&hash, n, chain);
    cipher += 16;
  }
  const uint4 icv = hash_finish(&hash, sa, blocks, side[6]);
  store_word(cipher, SWAP(icv.x));
  store_word(cipher + 4, SWAP(icv.y));
  store_word(cipher + 8, SWAP(icv.z));
}

static void esp_encrypt(row_view row, __global uchar *packets, __global const uchar *tables,
                        __local const aes_tables *aes)
{
  for (uint p = ITEM_ID; p < row.count; p += GROUP_SIZE) {
    const descriptor d = row.descriptors[p];
    if (d.flag == 0u)
      continue;
    encrypt_packet(aes, (__global const sa_record *)(tables + d.table), row.side + 8u * p,
                   packets + d.data + HB_ESP_CIPHER_OFFSET, d.len / 16u);
    row.outcomes[8u * p] = HB_DONE;
  }
}

/* Whether the ICV after the cipher text is right. Looks at all 96 bits whatever
 * they are. */
static bool icv_is_right(__global const sa_record *sa, __global const uchar *esp, uint blocks,
                         uint esn_high)
{
  esp_hash hash;
  hash_start(&hash, sa, (uint2)(SWAP(load_word(esp)), SWAP(load_word(esp + 4))),
             SWAP4(load_block(esp + 8)));
  __global const uchar *cipher = esp + HB_ESP_CIPHER_OFFSET;
  for (uint n = 0; n < blocks; n++, cipher += 16)
    hash_block(&hash, n, SWAP4(load_block(cipher)));
  const uint4 icv = hash_finish(&hash, sa, blocks, esn_high);
  return ((icv.x ^ SWAP(load_word(cipher))) | (icv.y ^ SWAP(load_word(cipher + 4)))
    | (icv.z ^ SWAP(load_word(cipher + 8)))) == 0u;
}

static void decrypt_packet(__local const aes_tables *aes, __global const sa_record *sa,
                           __global uchar *esp, uint blocks)
{
  uint key[44];
  load_key(key, sa->decrypt);
  uint4 chain = SWAP4(load_block(esp + 8));
  __global uchar *cipher = esp + HB_ESP_CIPHER_OFFSET;
  for (uint n = 0; n < blocks; n++, cipher += 16) {
    const uint4 block = SWAP4(load_block(cipher));
    store_block(cipher, SWAP4(chain ^ aes_decrypt(aes, key, block)));
    chain = block;
  }
}

static void esp_decrypt(row_view row, __global uchar *packets, __global const uchar *tables,
                        __local const aes_tables *aes)
{
  for (uint p = ITEM_ID; p < row.count; p += GROUP_SIZE) {
    const descriptor d = row.descriptors[p];
    if (d.flag == 0u)
      continue;
    __global const sa_record *sa = (__global const sa_record *)(tables + d.table);
    __global uchar *esp = packets + d.data;
    const bool right = icv_is_right(sa, esp, d.len / 16u, row.side[8u * p + 6u]);
    if (right)
      decrypt_packet(aes, sa, esp, d.len / 16u);
    row.outcomes[8u * p] = right ? HB_DONE : HB_BAD_ICV;
  }
}
