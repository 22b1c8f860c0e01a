/* What differs between OpenCL C 2.0, OpenCL C 3.0 with its optional features,
 * PoCL 3.1 (3.0 without memory_scope_all_svm_devices) and the interpreter
 * oclgrind (1.2: no C11 atomics; built with -DHB_CL12). */

#ifndef __ENDIAN_LITTLE__
#error "rows, records and packets are read as little-endian words"
#endif

#ifdef HB_CL12
/* Read-modify-write operations are atomic but order nothing: good for a finite
 * run without a live host only. */
typedef volatile uint shared_word;
#define LOAD(word, order) atomic_or((word), 0u)
#define STORE(word, value, order) atomic_xchg((word), (value))
#else
typedef atomic_uint shared_word;
#if defined(__opencl_c_atomic_scope_all_devices) || __OPENCL_C_VERSION__ == 200
#define HOST_SCOPE memory_scope_all_svm_devices
#else
/* The device is the host's own CPU, so its scope holds the host. */
#define HOST_SCOPE memory_scope_device
#endif
#define LOAD(word, order) atomic_load_explicit((word), (order), HOST_SCOPE)
#define STORE(word, value, order) atomic_store_explicit((word), (value), (order), HOST_SCOPE)
#endif

/* Indices of this work item. A driver that starts the compiled kernel without
 * OpenCL's launch parameters replaces these three lines. */
#define GROUP_ID ((uint)get_group_id(0))
#define ITEM_ID ((uint)get_local_id(0))
#define GROUP_SIZE ((uint)get_local_size(0))

/* Packet bytes as big-endian words, and back. */
#define SWAP(x) as_uint(as_uchar4(x).wzyx)
#define SWAP4(x) as_uint4(as_uchar16(x).s32107654ba98fedc)

#define ALIGNED(p, bytes) (((size_t)(p) & ((bytes) - 1)) == 0)

/* Sixteen packet bytes at any alignment; one access where it is 16, four where
 * it is 4. */
static uint4 load_block(__global const uchar *p)
{
  if (ALIGNED(p, 16))
    return *(__global const uint4 *)p;
  if (ALIGNED(p, 4))
    return vload4(0, (__global const uint *)p);
  return as_uint4(vload16(0, p));
}

static void store_block(__global uchar *p, uint4 block)
{
  if (ALIGNED(p, 16))
    *(__global uint4 *)p = block;
  else if (ALIGNED(p, 4))
    vstore4(block, 0, (__global uint *)p);
  else
    vstore16(as_uchar16(block), 0, p);
}

/* Four packet bytes at any alignment. */
static uint load_word(__global const uchar *p)
{
  return ALIGNED(p, 4) ? *(__global const uint *)p : as_uint(vload4(0, p));
}

static void store_word(__global uchar *p, uint word)
{
  if (ALIGNED(p, 4))
    *(__global uint *)p = word;
  else
    vstore4(as_uchar4(word), 0, p);
}
