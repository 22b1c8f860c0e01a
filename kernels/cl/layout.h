/* The memory that CPU and GPU share: src/layout.rs says it in Rust, with what
 * each field means. A Rust test compares every constant of this file; the
 * assertions at its end tie the structs to the constants. */

#define HB_LINE 128
#define HB_CONTROL_BYTES 512
#define HB_CONTROL_CPU_INDEX 0
#define HB_CONTROL_GPU_INDEX 128
#define HB_CONTROL_LEFT 256
#define HB_CONTROL_ALIVE 384
#define HB_LAUNCH_LEAVE 0

#define HB_ROW_HEADER_BYTES 64
#define HB_ROW_HEADER_KERNEL 0
#define HB_ROW_HEADER_COUNT 4
#define HB_DESCRIPTOR_BYTES 32
#define HB_DESCRIPTOR_FLAG 0
#define HB_DESCRIPTOR_TABLE 4
#define HB_DESCRIPTOR_DATA 8
#define HB_DESCRIPTOR_LEN 12
#define HB_SIDE_BYTES 32
#define HB_OUTCOME_BYTES 32

#define HB_KERNEL_ESP_ENCRYPT 1
#define HB_KERNEL_ESP_DECRYPT 2
#define HB_KERNEL_MATCH 3

#define HB_DONE 1
#define HB_BAD_ICV 2
#define HB_ESP_CIPHER_OFFSET 24
#define HB_SA_BYTES 512
#define HB_SA_ENCRYPT 0
#define HB_SA_DECRYPT 176
#define HB_SA_INNER 352
#define HB_SA_OUTER 372
#define HB_SA_ESN 392

#define HB_MATCH_IDS 7
#define HB_MATCH_OVERFLOW 0x80000000u
#define HB_MATCH_NONE 0xffffffffu
#define HB_HAS_OUTPUTS 0x80000000u
#define HB_AUTOMATON_BYTES 64
#define HB_AUTOMATON_CLASSES 0
#define HB_AUTOMATON_STATES 4
#define HB_AUTOMATON_CLASS_MAP 8
#define HB_AUTOMATON_NEXT 12
#define HB_AUTOMATON_INDEX 16
#define HB_AUTOMATON_OUTPUTS 20

typedef struct {
  uint kernel_id; /* "kernel" is a keyword here */
  uint count;
  uint reserved[14];
} row_header;

typedef struct {
  uint flag;
  uint table;
  uint data;
  uint len;
  uint reserved[4];
} descriptor;

typedef struct {
  uint encrypt[44];
  uint decrypt[44];
  uint inner[5];
  uint outer[5];
  uint esn;
  uint reserved[29];
} sa_record;

typedef struct {
  uint classes;
  uint states;
  uint class_map;
  uint next;
  uint index;
  uint outputs;
  uint reserved[10];
} automaton_header;

#define HB_ASSERT(name, truth) typedef char assert_##name[(truth) ? 1 : -1]
#define HB_ASSERT_FIELD(type, field, at) \
  HB_ASSERT(type##_##field, __builtin_offsetof(type, field) == (at))

HB_ASSERT(row_header, sizeof(row_header) == HB_ROW_HEADER_BYTES);
HB_ASSERT_FIELD(row_header, kernel_id, HB_ROW_HEADER_KERNEL);
HB_ASSERT_FIELD(row_header, count, HB_ROW_HEADER_COUNT);
HB_ASSERT(descriptor, sizeof(descriptor) == HB_DESCRIPTOR_BYTES);
HB_ASSERT_FIELD(descriptor, flag, HB_DESCRIPTOR_FLAG);
HB_ASSERT_FIELD(descriptor, table, HB_DESCRIPTOR_TABLE);
HB_ASSERT_FIELD(descriptor, data, HB_DESCRIPTOR_DATA);
HB_ASSERT_FIELD(descriptor, len, HB_DESCRIPTOR_LEN);
HB_ASSERT(sa_record, sizeof(sa_record) == HB_SA_BYTES);
HB_ASSERT_FIELD(sa_record, encrypt, HB_SA_ENCRYPT);
HB_ASSERT_FIELD(sa_record, decrypt, HB_SA_DECRYPT);
HB_ASSERT_FIELD(sa_record, inner, HB_SA_INNER);
HB_ASSERT_FIELD(sa_record, outer, HB_SA_OUTER);
HB_ASSERT_FIELD(sa_record, esn, HB_SA_ESN);
HB_ASSERT(automaton_header, sizeof(automaton_header) == HB_AUTOMATON_BYTES);
HB_ASSERT_FIELD(automaton_header, classes, HB_AUTOMATON_CLASSES);
HB_ASSERT_FIELD(automaton_header, states, HB_AUTOMATON_STATES);
HB_ASSERT_FIELD(automaton_header, class_map, HB_AUTOMATON_CLASS_MAP);
HB_ASSERT_FIELD(automaton_header, next, HB_AUTOMATON_NEXT);
HB_ASSERT_FIELD(automaton_header, index, HB_AUTOMATON_INDEX);
HB_ASSERT_FIELD(automaton_header, outputs, HB_AUTOMATON_OUTPUTS);

/* A row of `items` packets in memory. */
typedef struct {
  __global const row_header *header;
  __global const descriptor *descriptors;
  __global const uint *side;    /* 8 words a packet */
  __global uint *outcomes;      /* 8 words a packet */
  uint count;                   /* packets at the head of the row */
} row_view;

static size_t row_bytes(uint items)
{
  return HB_ROW_HEADER_BYTES + items * (size_t)(HB_DESCRIPTOR_BYTES + HB_SIDE_BYTES + HB_OUTCOME_BYTES);
}

static row_view row_at(__global uchar *base, uint items)
{
  row_view row;
  row.header = (__global const row_header *)base;
  row.descriptors = (__global const descriptor *)(base + HB_ROW_HEADER_BYTES);
  row.side = (__global const uint *)(row.descriptors + items);
  row.outcomes = (__global uint *)(base + HB_ROW_HEADER_BYTES + items * (size_t)(HB_DESCRIPTOR_BYTES + HB_SIDE_BYTES));
  /* A wrong count must not lead beyond the row. */
  row.count = min(row.header->count, items);
  return row;
}
