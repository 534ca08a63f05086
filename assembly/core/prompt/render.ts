// A request body → the bytes that the engine will tokenise, straight into the chain. What cannot be rendered for sure ends the
// credit there, with a reason; the request itself is never touched. Source: DESIGN section 5.4, facts on vLLM, sections 8 and 9.

import { closeOpenValue, memberEnd, memberStart } from '../json/members';
import * as names from '../json/names';
import { equals } from '../json/text';
import { Container } from '../json/value';
import { beginChain } from '../prefix/prompt-chain';
import * as format from '../summary/format';
import { contentEnd, contentStart, doubtfulUser, isNull, kindOf, lastUser, MessageKind, messages, readMessages, roleOf } from './messages';
import { Program } from './program';
import { Reason } from './reason';
import { appendBytes, appendJson, appendPrepared, beginText, prepareContent } from './text';

export const enum Endpoint {
  Chat,
  Completions,
}

const TRUE: usize = memory.data<u8>([0x74, 0x72, 0x75, 0x65]);
const FALSE: usize = memory.data<u8>([0x66, 0x61, 0x6c, 0x73, 0x65]);

const AFTER_USER: u32 = 1 << format.KEY_AFTER_USER_BIT;
const LAST: u32 = 1 << format.KEY_LAST_BIT;
/** Key of a role order that nothing is learned for: begin can never follow a message. */
const NOWHERE: u32 = (format.ROLE_END << format.KEY_PREVIOUS_SHIFT) | (format.ROLE_BEGIN << format.KEY_ROLE_SHIFT);

const prompts = Container.create();

let body: usize = 0;
let scanner: usize = 0;

function has(member: u32): bool {
  const start = memberStart(scanner, member);
  return start != 0 && !isNull(body + <usize>start, body + <usize>memberEnd(scanner, member));
}

/** The member is absent, null or this literal. */
function isOnly(member: u32, literal: usize, length: usize): bool {
  return !has(member) || equals(body + <usize>memberStart(scanner, member), body + <usize>memberEnd(scanner, member), literal, length);
}

/** The member is absent, null or an empty object or array. */
function isEmpty(member: u32): bool {
  if (!has(member)) return true;
  const start = body + <usize>memberStart(scanner, member);
  const end = body + <usize>memberEnd(scanner, member);
  if (load<u8>(start) == 0x7b) {
    prompts.open(start, end);
    return !prompts.nextMember() && !prompts.broken;
  }
  return false;
}

/** What keeps the engine from its cache or changes the prompt, by top-level members; `Covered` when nothing does. */
function optionsReason(endpoint: Endpoint): Reason {
  if (has(names.MEMBER_TRUNCATE_PROMPT_TOKENS) || has(names.MEMBER_PROMPT_EMBEDS) || has(names.MEMBER_PROMPT_LOGPROBS))
    return Reason.Options;
  if (endpoint == Endpoint.Completions) return Reason.Covered;
  if (has(names.MEMBER_TOOLS)) return Reason.Tools;
  if (has(names.MEMBER_CHAT_TEMPLATE)) return Reason.Options;
  if (has(names.MEMBER_DOCUMENTS) || has(names.MEMBER_REASONING_EFFORT) || !isEmpty(names.MEMBER_CHAT_TEMPLATE_KWARGS))
    return Reason.Variant;
  if (!isOnly(names.MEMBER_ADD_GENERATION_PROMPT, TRUE, 4) || !isOnly(names.MEMBER_CONTINUE_FINAL_MESSAGE, FALSE, 5)) return Reason.Variant;
  if (!isOnly(names.MEMBER_ADD_SPECIAL_TOKENS, FALSE, 5)) return Reason.Variant;
  return Reason.Covered;
}

/**
 * Renders the request in [bodyPtr, …), whose members `scannerPtr` has found, with `program` into the chain. openLength: 0 when the
 * body's object is closed; else it has arrived so far, and the result is at best `Early`.
 * Results: the return value, and strides and promptBytes of prefix/prompt-chain.ts.
 */
export function render(
  bodyPtr: usize,
  scannerPtr: usize,
  endpoint: Endpoint,
  openLength: u32,
  program: Program,
  stride: u32,
  chainSeed: u64,
): Reason {
  body = bodyPtr;
  scanner = scannerPtr;
  beginChain(stride, chainSeed);
  beginText(program.nfc, stride);
  const open = openLength != 0 ? closeOpenValue(scanner, openLength) : names.MEMBERS;
  const options = optionsReason(endpoint);
  if (options != Reason.Covered) return options;
  const reason =
    endpoint == Endpoint.Chat ? renderChat(program, open == names.MEMBER_MESSAGES) : renderCompletion(program, open == names.MEMBER_PROMPT);
  return openLength == 0 ? reason : Reason.Early;
}

function renderCompletion(program: Program, open: bool): Reason {
  if (!has(names.MEMBER_PROMPT)) return Reason.PromptType;
  let start = body + <usize>memberStart(scanner, names.MEMBER_PROMPT);
  let end = body + <usize>memberEnd(scanner, names.MEMBER_PROMPT);
  if (load<u8>(start) == 0x5b) {
    prompts.open(start, end);
    const whole = prompts.nextElement();
    if (!whole && !(open && prompts.cut)) return Reason.PromptType;
    start = prompts.valueStart;
    end = prompts.valueEnd;
    open = !whole;
  }
  if (load<u8>(start) != 0x22) return Reason.PromptType;
  if (isOnly(names.MEMBER_ADD_SPECIAL_TOKENS, TRUE, 4)) {
    const reason = appendBytes(program.completionPrefix, <usize>program.completionPrefixLength);
    if (reason != Reason.Covered) return reason;
  }
  return appendJson(start + 1, open ? end : end - 1);
}

function renderChat(program: Program, open: bool): Reason {
  if (!program.chat) return Reason.NoProgram;
  if (!has(names.MEMBER_MESSAGES)) return Reason.Json;
  const start = body + <usize>memberStart(scanner, names.MEMBER_MESSAGES);
  if (!readMessages(start, body + <usize>memberEnd(scanner, names.MEMBER_MESSAGES), open)) return Reason.Json;
  if (messages == 0) return Reason.Json;
  if (doubtfulUser) return Reason.Content;
  const system: u32 = roleOf(0) == format.ROLE_SYSTEM ? 1 << format.KEY_SYSTEM_BIT : 0;
  let previous: u32 = format.ROLE_BEGIN;
  let place: u32 = 0;
  for (let i: u32 = 0; i < messages; i++) {
    const kind = kindOf(i);
    if (kind == MessageKind.Other) return Reason.Message;
    const role = roleOf(i);
    place = (lastUser >= 0 && <i32>i > lastUser ? AFTER_USER : 0) | (i + 1 == messages ? LAST : 0);
    const order = system | (previous << format.KEY_PREVIOUS_SHIFT) | (role << format.KEY_ROLE_SHIFT);
    const key = open && place != 0 ? anyPlace(program, order) : order | place;
    const literal = program.literal(key);
    if (literal == 0) return Reason.RoleOrder;
    const content = program.content(key);
    if (kind == MessageKind.Open && <i32>content != format.CONTENT_IDENTITY) return Reason.Early;
    let reason = prepareContent(contentStart(i), contentEnd(i), content);
    if (reason != Reason.Covered) return reason;
    reason = appendBytes(literal, <usize>program.literalLength(key));
    if (reason != Reason.Covered) return reason;
    reason = appendPrepared();
    if (reason != Reason.Covered) return reason;
    previous = role;
  }
  if (open) return Reason.Early;
  const key = system | (previous << format.KEY_PREVIOUS_SHIFT) | (format.ROLE_END << format.KEY_ROLE_SHIFT) | place;
  const literal = program.literal(key);
  if (literal == 0) return Reason.RoleOrder;
  return appendBytes(literal, <usize>program.literalLength(key));
}

/**
 * The key of a role order when more messages may follow: one that was learned, if all places that were learned say the same.
 * Otherwise a key that was not learned.
 */
function anyPlace(program: Program, order: u32): u32 {
  let found = NOWHERE;
  for (let place: u32 = 0; place <= (AFTER_USER | LAST); place += AFTER_USER) {
    const key = order | place;
    const literal = program.literal(key);
    if (literal == 0) continue;
    if (found == NOWHERE) found = key;
    else {
      const length = program.literalLength(key);
      const same =
        program.content(key) == program.content(found) &&
        equals(literal, literal + <usize>length, program.literal(found), <usize>program.literalLength(found));
      if (!same) return NOWHERE;
    }
  }
  return found;
}
