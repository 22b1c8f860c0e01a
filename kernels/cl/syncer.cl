/* GPUSyncer: the persistent kernel (the paper's algorithm 1, repaired: see the
 * crate's README). Launched once; each workgroup takes the rows of its ring in
 * order until it is told to leave or has been idle for its lease. */

typedef struct {
  __global shared_word *cpu_index;
  __global shared_word *gpu_index;
  __global shared_word *left;
  __global shared_word *alive;
  __global shared_word *leave;   /* of the launch */
} doorbell;

static __global shared_word *word_at(__global uchar *base, uint offset)
{
  return (__global shared_word *)(base + offset);
}

static doorbell doorbell_of(__global uchar *control, __global uchar *launch)
{
  __global uchar *mine = control + (size_t)GROUP_ID * HB_CONTROL_BYTES;
  doorbell d;
  d.cpu_index = word_at(mine, HB_CONTROL_CPU_INDEX);
  d.gpu_index = word_at(mine, HB_CONTROL_GPU_INDEX);
  d.left = word_at(mine, HB_CONTROL_LEFT);
  d.alive = word_at(mine, HB_CONTROL_ALIVE);
  d.leave = word_at(launch, HB_LAUNCH_LEAVE);
  return d;
}

/* Waits for a row beyond the `done` finished ones. True: there is one, and what
 * the host wrote before it published it is visible. False: the group leaves, and
 * `left` says so. Work item 0 alone calls this: one reader a group.
 *
 * Leaving by lease is a handshake with a host that may be publishing just now
 * (Dekker's): this side stores `left`, then loads cpuIndex; the host stores
 * cpuIndex, then loads `left`; all four sequentially consistent. So either the
 * row is seen here, or `left` is seen there and the host relaunches. The host
 * clears `left` before a relaunch, when no group runs; the kernel only takes its
 * own 1 back. A host that saw that 1 meanwhile relaunches for nothing, no more.
 *
 * Leaving by order needs no handshake: who orders it waits for the end of the
 * launch and then relaunches or is done, and a launch resumes at gpuIndex. */
static bool row_is_there(doorbell d, uint done, uint lease_polls)
{
  uint polls = 0u;
  for (;;) {
    if (LOAD(d.leave, memory_order_relaxed) != 0u) {
      STORE(d.left, 1u, memory_order_seq_cst);
      return false;
    }
    if (LOAD(d.cpu_index, memory_order_acquire) != done)
      return true;
    if (lease_polls != 0u && ++polls >= lease_polls) {
      STORE(d.left, 1u, memory_order_seq_cst);
      if (LOAD(d.cpu_index, memory_order_seq_cst) == done)
        return false;
      STORE(d.left, 0u, memory_order_seq_cst);
      return true;
    }
  }
}

/* control: one control block a group. rows: one ring of depth_mask + 1 rows a
 * group, `items` packets a row. packets, tables: what descriptors address.
 * lease_polls: empty polls before a group leaves by itself; 0: it never does. */
__kernel void gpu_syncer(__global uchar *control, __global uchar *launch, __global uchar *rows,
                         uint depth_mask, uint items, __global uchar *packets,
                         __global const uchar *tables, uint lease_polls)
{
  __local aes_tables aes;
  __local uint go;
  const doorbell bell = doorbell_of(control, launch);
  aes_fill(&aes);
  /* The only writer of gpuIndex is this group, in this launch or the one before. */
  uint done = LOAD(bell.gpu_index, memory_order_relaxed);
  if (ITEM_ID == 0u)
    STORE(bell.alive, LOAD(bell.alive, memory_order_relaxed) + 1u, memory_order_release);

  for (;;) {
    if (ITEM_ID == 0u)
      go = row_is_there(bell, done, lease_polls);
    /* Shares `go`, the row and, the first time, the tables. */
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!go)
      break;

    const size_t slot = (size_t)GROUP_ID * (depth_mask + 1u) + (done & depth_mask);
    const row_view row = row_at(rows + slot * row_bytes(items), items);
    switch (row.header->kernel_id) {
    case HB_KERNEL_ESP_ENCRYPT: esp_encrypt(row, packets, tables, &aes); break;
    case HB_KERNEL_ESP_DECRYPT: esp_decrypt(row, packets, tables, &aes); break;
    case HB_KERNEL_MATCH: match_row(row, packets, tables); break;
    default: break;   /* a row for nobody is done at once, its outcomes as they were */
    }

    done++;
    /* All items' writes come before the store that hands the row back; and no
     * item still reads `go` when item 0 writes it again. */
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (ITEM_ID == 0u)
      STORE(bell.gpu_index, done, memory_order_release);
  }
}
