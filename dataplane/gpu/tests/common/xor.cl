/* A small GPUSyncer for tests of the row protocol. A packet's bytes are XORed
 * with sixteen bytes of its table; its outcome echoes what the item was given. */
#ifdef __opencl_c_atomic_scope_all_devices
#define HOST memory_scope_all_svm_devices
#else
#define HOST memory_scope_device
#endif
typedef __global atomic_uint *word_t;
#define LOAD(p, o) atomic_load_explicit((p), (o), HOST)
#define STORE(p, v, o) atomic_store_explicit((p), (v), (o), HOST)

static uint await_row(word_t published, word_t left, word_t leave, uint done, uint lease)
{
  for (uint polls = 0;;) {
    if (LOAD(leave, memory_order_relaxed)) return 0;
    if (LOAD(published, memory_order_acquire) != done) return 1;
    if (++polls < lease) continue;
    STORE(left, 1u, memory_order_relaxed);
    atomic_work_item_fence(CLK_GLOBAL_MEM_FENCE, memory_order_seq_cst, HOST);
    if (LOAD(published, memory_order_acquire) == done) return 0;
    STORE(left, 0u, memory_order_relaxed);
    return 1;
  }
}

__kernel void xor_syncer(__global uchar *control, __global uchar *launch, __global uchar *rows,
                         uint depth_mask, uint items, __global uchar *packets,
                         __global const uchar *tables, uint lease)
{
  __local uint go;
  const uint group = get_group_id(0), item = get_local_id(0);
  const word_t published = (word_t)(control + group * 512u);
  const word_t finished = (word_t)(control + group * 512u + 128u);
  const word_t left = (word_t)(control + group * 512u + 256u);
  const word_t alive = (word_t)(control + group * 512u + 384u);
  uint done = LOAD(finished, memory_order_relaxed);
  if (item == 0)
    STORE(alive, LOAD(alive, memory_order_relaxed) + 1u, memory_order_release);
  for (;;) {
    if (item == 0)
      go = await_row(published, left, (word_t)launch, done, lease);
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!go)
      break;
    __global uchar *row = rows + (size_t)(group * (depth_mask + 1u) + (done & depth_mask)) * (64u + 96u * items);
    __global const uint *header = (__global const uint *)row;
    __global const uint *descriptor = (__global const uint *)(row + 64u + 32u * item);
    __global const uint *side = (__global const uint *)(row + 64u + 32u * items + 32u * item);
    __global uint *outcome = (__global uint *)(row + 64u + 64u * items + 32u * item);
    if (descriptor[0]) {
      for (uint i = 0; i < descriptor[3]; i++)
        packets[descriptor[2] + i] ^= tables[descriptor[1] + (i & 15u)];
      outcome[0] = header[0];
      outcome[1] = header[1];
      outcome[2] = group;
      outcome[3] = done;
      outcome[4] = side[0];
      outcome[5] = side[7];
    } else {
      outcome[0] = 0xdeadbeefu;
    }
    done++;
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (item == 0)
      STORE(finished, done, memory_order_release);
  }
}
