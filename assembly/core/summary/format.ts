// The summary format: what an indexer publishes and a filter applies. Constants only, valid in TypeScript and in AssemblyScript.
// Integers are little-endian and unaligned. Writer: indexer/publish/writer.ts. Reader: reader.ts beside this file.
// Source: DESIGN sections 2, 4.5, 4.6 and 7.
//
// A *message* is a snapshot part or a delta. It is one value in Envoy's shared data and the unit of a poll answer,
// which is any number of messages one after the other.
//
//   byte  0        4        6     7      8            16              24              32        36
//        ┌────────┬────────┬─────┬──────┬────────────┬───────────────┬───────────────┬─────────┬─────────┐
//        │magic   │version │kind │flags │epoch       │sequence       │base sequence  │part     │parts    │
//        │u32     │u16     │u8   │u8 0  │u64 random  │u64 afterwards │u64 before     │u32 from0│u32      │
//        ├────────┼────────┴─────┴──────┼────────────┼───────────────┼───────────────┴─────────┴─────────┘
//        │length  │pool name hash       │checksum    │published      │ sections: `length` bytes
//        │u32     │u32                  │u64         │u64 ms, Unix   │
//        └────────┴─────────────────────┴────────────┴───────────────┘
//   byte 40        44                    48           56              64
//
// base sequence: of a delta the one that it applies to; of a snapshot 0. Deltas raise the sequence by 1.
// checksum: hashBytes(hashBytes(0, bytes 0..47), bytes 56..end) (prefix/chain.ts): all but this field.
// pool name hash: low half of hashBytes(0, UTF-8 name).
export const MAGIC = 0x534e564b; // "KVNS"
export const FORMAT_VERSION = 1;
export const KIND_SNAPSHOT = 1;
export const KIND_DELTA = 2;

export const HEADER_BYTES = 64;
export const AT_MAGIC = 0;
export const AT_VERSION = 4;
export const AT_KIND = 6;
export const AT_EPOCH = 8;
export const AT_SEQUENCE = 16;
export const AT_BASE_SEQUENCE = 24;
export const AT_PART = 32;
export const AT_PARTS = 36;
export const AT_LENGTH = 40;
export const AT_POOL = 44;
export const AT_CHECKSUM = 48;
export const AT_PUBLISHED = 56;

/** Largest message, header included (bytes): one segment of shared data. */
export const MESSAGE_MAX_BYTES = 1 << 20;
/** Largest poll answer (bytes): messages are added while the answer stays below. */
export const ANSWER_MAX_BYTES = 4 << 20;
/** Deltas that an indexer keeps for late pollers, and slots of the ring in shared data. */
export const DELTA_RING = 32;

// Sections follow each other without padding.
//
//        ┌──────┬──────┬──────┬──────────────┐
//        │type  │a     │b     │length        │ body: `length` bytes
//        │u8    │u8    │u16   │u32           │
//        └──────┴──────┴──────┴──────────────┘
//   byte  0      1      2      4              8
export const SECTION_BYTES = 8;
export const AT_SECTION_A = 1;
export const AT_SECTION_B = 2;
export const AT_SECTION_LENGTH = 4;

// PARAMETERS (first section of a snapshot; in a delta when one changed).
//   u16 block tokens | u16 stride bytes, a multiple of 8 | u8 enabled | u8 0 | u16 0 | u32 age limit ms |
//   u64 chain seed | u64 namespace seed
export const SECTION_PARAMETERS = 1;
export const PARAMETERS_BYTES = 28;
export const AT_BLOCK_TOKENS = 0;
export const AT_STRIDE = 2;
export const AT_ENABLED = 4;
export const AT_AGE_LIMIT = 8;
export const AT_CHAIN_SEED = 12;
export const AT_NAMESPACE_SEED = 20;

// MODELS: replaces the list. b = number of entries; an empty list means that any model name is the base model.
//   each: u8 kind | u8 0 | u16 length | name
export const SECTION_MODELS = 2;
export const MODEL_BASE = 0;
export const MODEL_ADAPTER = 1;
export const MODEL_ENTRY_BYTES = 4;

// ENDPOINTS: replaces the table. b = number of entries.
//   each: u16 id = 64 × group + slot | u8 flags | u8 rank | u8 address length | u8 name length | u8 namespace length | u8 0 |
//         address "ip:port" | name | namespace
export const SECTION_ENDPOINTS = 3;
export const ENDPOINT_ENTRY_BYTES = 8;
/** The endpoint takes requests; without it the filter never picks it. */
export const ENDPOINT_READY = 1;
/** Highest endpoint id + 1. */
export const ENDPOINTS_MAX = 1024;
export const SLOTS = 64;

// LOAD: replaces the values of the endpoints named. b = number of entries.
//   each: u16 id | u16 KV utilisation, 65535 = 1.0 | u16 running | u16 waiting | u16 in flight | u16 age ms
//   in flight: sum over all proxies of what each last reported; a filter takes its own proxy's report off
export const SECTION_LOAD = 4;
export const LOAD_ENTRY_BYTES = 12;

// PROGRAMS: replaces all render programs. b = number of programs.
//   each: u64 variant (0 = default arguments) | u8 flags | u8 0 | u16 entries | u16 completion prefix length | completion prefix |
//         entries
//   entry: u16 key | u8 content function | u8 0 | u16 literal length | literal
//   key bits: 0 first message is a system message | 1..3 previous role | 4..6 role | 7 after the last user message | 8 last message.
//   The text of a chat is, message by message, literal + content; role ROLE_END (with the last message as previous role and its
//   bits 7 and 8) is what follows the last content, generation prompt included. An absent key is a role order not learned.
export const SECTION_PROGRAMS = 5;
export const PROGRAM_BYTES = 14;
export const PROGRAM_ENTRY_BYTES = 6;
/** The tokenizer normalises its input to NFC. */
export const PROGRAM_NFC = 1;
/** The program renders chats (otherwise only completions). */
export const PROGRAM_CHAT = 2;
export const ROLE_BEGIN = 0;
export const ROLE_SYSTEM = 1;
export const ROLE_USER = 2;
export const ROLE_ASSISTANT = 3;
export const ROLE_TOOL = 4;
export const ROLE_DEVELOPER = 5;
export const ROLE_END = 7;
export const KEY_SYSTEM_BIT = 0;
export const KEY_PREVIOUS_SHIFT = 1;
export const KEY_ROLE_SHIFT = 4;
export const KEY_AFTER_USER_BIT = 7;
export const KEY_LAST_BIT = 8;
export const KEYS = 512;

// Content functions. "strip" is Python's str.strip: Unicode white space. Only where a chat template's function differs from
// identity is the text looked at.
export const CONTENT_IDENTITY = 0;
export const CONTENT_STRIP = 1;
export const CONTENT_STRIP_LEFT = 2;
export const CONTENT_STRIP_RIGHT = 3;
/** Text behind the last "</think>", its leading newlines removed; all of it when there is none (Qwen3 history). */
export const CONTENT_AFTER_THINK_NEWLINES = 4;
/** The same, white space stripped on both sides. */
export const CONTENT_AFTER_THINK_STRIP = 5;
/** Identity, but a text with "</think>" in it is not covered. */
export const CONTENT_WITHOUT_THINK = 6;
/** As 6, and leading newlines are removed. */
export const CONTENT_WITHOUT_THINK_NEWLINES = 7;
/** As 1, but a text with "</think>" in it is not covered. */
export const CONTENT_WITHOUT_THINK_STRIP = 8;
export const CONTENT_FUNCTIONS = 9;

// PLANE: defines a plane and makes all its bits 0. Snapshot only. a = plane number.
//   u8 kind | u8 tier | u8 group: slots are endpoints 64 × group … | u8 rows per key | u32 rows | u64 row salt | u64 checksum |
//   u16 weight, 1000 = 1.0 | u16 0
//   checksum: XOR of `bitMix(row, slot)` (matrix.ts) over the set bits once all of the snapshot is applied.
export const SECTION_PLANE = 6;
export const PLANE_BYTES = 28;
export const AT_PLANE_KIND = 0;
export const AT_PLANE_TIER = 1;
export const AT_PLANE_GROUP = 2;
export const AT_PLANE_HASHES = 3;
export const AT_PLANE_ROWS = 4;
export const AT_PLANE_SALT = 8;
export const AT_PLANE_CHECKSUM = 16;
export const AT_PLANE_WEIGHT = 24;
export const PLANES_MAX = 32;
/** Bits are stride keys; or end keys: where a match of a hybrid model may end. */
export const PLANE_KEYS = 0;
export const PLANE_ENDS = 1;
export const TIER_GPU = 0;
export const TIER_CPU = 1;
export const TIER_OTHER = 2;

// COLUMN: sets bits of one endpoint. Snapshot only; a column may come in several pieces. a = plane, b = slot.
//   u32 first row, a multiple of 64 | u32 rows | u32 set bits | u8 coding | u8 Rice parameter | u16 0 | bits
// coding RAW: bit r of the field = row first + r, lowest bit of the first byte first, (rows + 7) / 8 bytes.
// coding GAPS: set bits as gaps (row − previous row − 1; the first counts from first row − 1), Rice-coded: quotient in unary
//   (ones, then a zero), then the parameter's number of low bits; bits are filled lowest first.
export const SECTION_COLUMN = 7;
export const COLUMN_BYTES = 16;
export const AT_COLUMN_FIRST = 0;
export const AT_COLUMN_ROWS = 4;
export const AT_COLUMN_SET = 8;
export const AT_COLUMN_CODING = 12;
export const AT_COLUMN_RICE = 13;
export const CODING_RAW = 0;
export const CODING_GAPS = 1;
/** Rows of one COLUMN section at most, so that a reader can pause between sections. */
export const COLUMN_ROWS_MAX = 1 << 18;

// TOGGLES: flips bits. Delta only. a = plane, b = number of records.
//   u64 checksum of the plane afterwards | records: u32 head | gaps as above, first row 0
//   head bits: 0..5 slot | 6..10 Rice parameter | 11..31 flipped bits; more than fit come in another record of the slot
export const SECTION_TOGGLES = 8;
export const TOGGLES_BYTES = 8;
export const TOGGLE_RECORD_BYTES = 4;
export const TOGGLE_RICE_SHIFT = 6;
export const TOGGLE_FLIPS_SHIFT = 11;
export const TOGGLE_FLIPS_MAX = 0x1fffff;

// CLEAR: all bits of one endpoint become 0 (pod cleared, left or replaced). Delta only. a = plane, b = slot. Before TOGGLES.
export const SECTION_CLEAR = 9;

// What polls look like: `POST /v1/poll`, `authorization: Bearer <token>`, JSON body:
//   {"version":1,"proxy":"<id>","wait_ms":20000,"pools":[{"name":"p","epoch":"<16 hex>","sequence":12,
//     "snapshot":{"epoch":"<16 hex>","sequence":10,"next":4}}],"inflight":{"p":{"<address>":3}}}
// A poller without a summary sends epoch "0000000000000000" and sequence 0. `snapshot` asks for the parts of that snapshot
// from `next` on; an indexer that no longer has it answers with part 0 of a newer one.
// The answer is 200 with `x-kvane-format: 1` and messages, empty when nothing changed for wait_ms.
