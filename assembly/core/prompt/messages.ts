// The messages of a chat request: a table of roles and contents, made before rendering, because what stands before a message may
// depend on where the last user message is.
//
//   entry: u32 content start │ u32 content end │ u8 role │ u8 kind │ u16 0        (content: between the quotes)

import { Escape, equals, escapeBytes, escapeStatus, findByte, readEscape } from '../json/text';
import { Container } from '../json/value';
import { ROLE_ASSISTANT, ROLE_BEGIN, ROLE_DEVELOPER, ROLE_SYSTEM, ROLE_TOOL, ROLE_USER } from '../summary/format';

const ENTRY_BYTES: usize = 12;
/** Most messages of one chat that are followed. */
export const MESSAGES_MAX: u32 = 1 << 14;

export const enum MessageKind {
  /** Role and text. */
  Text,
  /** Anything else: parts, media, tool calls, unknown members or roles. */
  Other,
  /** Role and the beginning of a text: the body has not arrived further. */
  Open,
}

const SYSTEM: usize = memory.data<u8>([0x73, 0x79, 0x73, 0x74, 0x65, 0x6d]);
const USER: usize = memory.data<u8>([0x75, 0x73, 0x65, 0x72]);
const ASSISTANT: usize = memory.data<u8>([0x61, 0x73, 0x73, 0x69, 0x73, 0x74, 0x61, 0x6e, 0x74]);
const TOOL: usize = memory.data<u8>([0x74, 0x6f, 0x6f, 0x6c]);
const DEVELOPER: usize = memory.data<u8>([0x64, 0x65, 0x76, 0x65, 0x6c, 0x6f, 0x70, 0x65, 0x72]);
const ROLE_NAME: usize = memory.data<u8>([0x72, 0x6f, 0x6c, 0x65]);
const CONTENT_NAME: usize = memory.data<u8>([0x63, 0x6f, 0x6e, 0x74, 0x65, 0x6e, 0x74]);
const NULL: usize = memory.data<u8>([0x6e, 0x75, 0x6c, 0x6c]);
const TOOL_RESPONSE: usize = memory.data<u8>([0x3c, 0x74, 0x6f, 0x6f, 0x6c, 0x5f, 0x72, 0x65, 0x73, 0x70, 0x6f, 0x6e, 0x73, 0x65, 0x3e]); // <tool_response>

const table: usize = heap.alloc(<usize>MESSAGES_MAX * ENTRY_BYTES);

/** Messages of the last list read. */
export let messages: u32 = 0;
/** Index of the last user message, −1 if there is none. */
export let lastUser: i32 = -1;
/** A user message looks like a tool's answer: which user message is the last one is then the template's secret. */
export let doubtfulUser: bool = false;

export function contentStart(index: u32): usize {
  return load<u32>(table + <usize>index * ENTRY_BYTES);
}

export function contentEnd(index: u32): usize {
  return load<u32>(table + <usize>index * ENTRY_BYTES, 4);
}

export function roleOf(index: u32): u32 {
  return <u32>load<u8>(table + <usize>index * ENTRY_BYTES, 8);
}

export function kindOf(index: u32): MessageKind {
  return <MessageKind>load<u8>(table + <usize>index * ENTRY_BYTES, 9);
}

export function isNull(start: usize, end: usize): bool {
  return equals(start, end, NULL, 4);
}

const list = Container.create();
const members = Container.create();

/** Reads the array [start, end); open: it may be cut off. False: not an array of at most MESSAGES_MAX objects. */
export function readMessages(start: usize, end: usize, open: bool): bool {
  messages = 0;
  lastUser = -1;
  doubtfulUser = false;
  if (start >= end || load<u8>(start) != 0x5b) return false;
  list.open(start, end);
  while (list.beginElement()) {
    const fits = load<u8>(list.valueStart) == 0x7b && messages < MESSAGES_MAX;
    if (!fits || !readMessage(list.valueStart, end, open)) return !list.endElement() && open;
    if (members.broken) return true;
    list.goOn(members.end);
  }
  return !list.broken || open;
}

/** Reads the message that begins at `start`; true with `members.broken`: its text is open, the body has not arrived further. */
function readMessage(start: usize, end: usize, open: bool): bool {
  let roleStart: usize = 0;
  let roleEnd: usize = 0;
  let textStart: usize = 0;
  let textEnd: usize = 0;
  let kind = MessageKind.Text;
  members.open(start, end);
  while (members.nextMember()) {
    const keyStart = members.keyStart;
    const keyEnd = members.keyEnd;
    const from = members.valueStart;
    const to = members.valueEnd;
    const text = load<u8>(from) == 0x22;
    if (equals(keyStart, keyEnd, ROLE_NAME, 4)) {
      roleStart = text ? from + 1 : 0;
      roleEnd = text ? to - 1 : 0;
    } else if (equals(keyStart, keyEnd, CONTENT_NAME, 7)) {
      textStart = text ? from + 1 : 0;
      textEnd = text ? to - 1 : 0;
      if (!text && !isNull(from, to)) kind = MessageKind.Other;
    } else if (!isNull(from, to)) kind = MessageKind.Other; // name, tool_calls, reasoning … or a key written with escapes
  }
  if (members.broken) {
    // Worth keeping only when the role is known and the text has begun.
    const begun = members.cut && equals(members.keyStart, members.keyEnd, CONTENT_NAME, 7) && load<u8>(members.valueStart) == 0x22;
    if (!open || !begun || kind != MessageKind.Text) return false;
    textStart = members.valueStart + 1;
    textEnd = members.valueEnd;
    kind = MessageKind.Open;
  }
  const role = roleNumber(roleStart, roleEnd);
  if (role == ROLE_BEGIN) {
    kind = MessageKind.Other;
    // A role that we cannot read may be the last user's, and what stands before that one depends on it.
    if (roleStart == 0 || findByte(roleStart, roleEnd, 0x5c) != roleEnd) doubtfulUser = true;
  }
  if (role == ROLE_USER) {
    lastUser = messages;
    if (looksLikeToolResponse(textStart, textEnd)) doubtfulUser = true;
  }
  const entry = table + <usize>messages * ENTRY_BYTES;
  store<u32>(entry, <u32>textStart);
  store<u32>(entry, <u32>textEnd, 4);
  store<u8>(entry, <u8>role, 8);
  store<u8>(entry, <u8>kind, 9);
  messages++;
  return true;
}

function roleNumber(start: usize, end: usize): u32 {
  switch (<u32>(end - start)) {
    case 4:
      if (equals(start, end, USER, 4)) return ROLE_USER;
      if (equals(start, end, TOOL, 4)) return ROLE_TOOL;
      break;
    case 6:
      if (equals(start, end, SYSTEM, 6)) return ROLE_SYSTEM;
      break;
    case 9:
      if (equals(start, end, ASSISTANT, 9)) return ROLE_ASSISTANT;
      if (equals(start, end, DEVELOPER, 9)) return ROLE_DEVELOPER;
      break;
  }
  return ROLE_BEGIN;
}

/** Qwen3's template takes a user message in these marks for a tool's answer. Its characters may be written as escapes. */
function looksLikeToolResponse(ptr: usize, end: usize): bool {
  for (let i: usize = 0; i < 15; i++) {
    if (ptr >= end) return false;
    let byte = <u32>load<u8>(ptr);
    if (byte == 0x5c) {
      ptr = readEscape(ptr, end);
      byte = escapeStatus == Escape.Ok ? escapeBytes : 0;
    } else ptr++;
    if (byte != <u32>load<u8>(TOOL_RESPONSE + i)) return false;
  }
  return true;
}
