/* Multi-pattern match: one walk through a dense automaton (Aho-Corasick with
 * its failure links compiled in), one look-up a byte whatever the traffic. */

typedef struct {
  uint seen;                  /* occurrences */
  uint distinct;              /* ids held */
  uint overflow;              /* HB_MATCH_OVERFLOW once an id found no place */
  uint ids[HB_MATCH_IDS];
} match_result;

/* Patterns end at the state whose row is `at`. Once the result has overflowed
 * they are only counted, so a state costs the same however many end there. */
static void match_report(match_result *r, __global const automaton_header *a, uint at)
{
  __global const uchar *base = (__global const uchar *)a;
  __global const uint *index = (__global const uint *)(base + a->index) + at / a->classes;
  __global const uint *outputs = (__global const uint *)(base + a->outputs);
  const uint first = index[0], end = index[1];
  /* Both terms are below 2^31. */
  r->seen = min(r->seen + (end - first), HB_MATCH_OVERFLOW - 1u);
  for (uint i = first; i < end && r->overflow == 0u; i++) {
    const uint id = outputs[i];
    bool known = false;
#pragma unroll
    for (uint k = 0; k < HB_MATCH_IDS; k++)
      known |= r->ids[k] == id;
    if (known)
      continue;
#pragma unroll
    for (uint k = 0; k < HB_MATCH_IDS; k++)
      r->ids[k] = k == r->distinct ? id : r->ids[k];
    r->overflow = r->distinct == HB_MATCH_IDS ? HB_MATCH_OVERFLOW : 0u;
    r->distinct = min(r->distinct + 1u, (uint)HB_MATCH_IDS);
  }
}

/* One byte on from the state whose row is `at`. */
static uint match_step(match_result *r, __global const automaton_header *a,
                       __global const uchar *class_map, __global const uint *next, uint at, uint byte)
{
  const uint to = next[at + class_map[byte]];
  const uint row = to & ~HB_HAS_OUTPUTS;
  if (to & HB_HAS_OUTPUTS)
    match_report(r, a, row);
  return row;
}

static void match_packet(__global const automaton_header *a, __global const uchar *payload, uint len,
                         __global uint *outcome)
{
  __global const uchar *class_map = (__global const uchar *)a + a->class_map;
  __global const uint *next = (__global const uint *)((__global const uchar *)a + a->next);
  match_result r;
  r.seen = r.distinct = r.overflow = 0u;
#pragma unroll
  for (uint k = 0; k < HB_MATCH_IDS; k++)
    r.ids[k] = HB_MATCH_NONE;

  uint at = 0u, i = 0u;
  for (; i + 4u <= len; i += 4u) {
    const uint word = load_word(payload + i);
#pragma unroll
    for (uint shift = 0; shift < 32; shift += 8)
      at = match_step(&r, a, class_map, next, at, (word >> shift) & 255u);
  }
  for (; i < len; i++)
    at = match_step(&r, a, class_map, next, at, payload[i]);

  outcome[0] = r.seen | r.overflow;
#pragma unroll
  for (uint k = 0; k < HB_MATCH_IDS; k++)
    outcome[1u + k] = r.ids[k];
}

static void match_row(row_view row, __global const uchar *packets, __global const uchar *tables)
{
  for (uint p = ITEM_ID; p < row.count; p += GROUP_SIZE) {
    const descriptor d = row.descriptors[p];
    if (d.flag != 0u)
      match_packet((__global const automaton_header *)(tables + d.table), packets + d.data, d.len,
                   row.outcomes + 8u * p);
  }
}
