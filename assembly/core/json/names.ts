// The top-level members of a request that matter to us. All others pass unseen.

export const MEMBER_MODEL: u32 = 0;
export const MEMBER_MESSAGES: u32 = 1;
export const MEMBER_PROMPT: u32 = 2;
export const MEMBER_CACHE_SALT: u32 = 3;
export const MEMBER_TOOLS: u32 = 4;
export const MEMBER_CHAT_TEMPLATE: u32 = 5;
export const MEMBER_CHAT_TEMPLATE_KWARGS: u32 = 6;
export const MEMBER_ADD_GENERATION_PROMPT: u32 = 7;
export const MEMBER_CONTINUE_FINAL_MESSAGE: u32 = 8;
export const MEMBER_DOCUMENTS: u32 = 9;
export const MEMBER_REASONING_EFFORT: u32 = 10;
export const MEMBER_TRUNCATE_PROMPT_TOKENS: u32 = 11;
export const MEMBER_PROMPT_EMBEDS: u32 = 12;
export const MEMBER_PROMPT_LOGPROBS: u32 = 13;
export const MEMBER_ADD_SPECIAL_TOKENS: u32 = 14;
export const MEMBER_MM_PROCESSOR_KWARGS: u32 = 15;
export const MEMBERS: u32 = 16;

/** What `memberOf` says of any other name. */
export const MEMBER_OTHER: u32 = 255;

const names = new StaticArray<usize>(<i32>MEMBERS);

function name(member: u32, text: string): void {
  const length = <usize>text.length; // ASCII
  const ptr = heap.alloc(4 + length);
  store<u32>(ptr, <u32>length);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, ptr + 4);
  names[member] = ptr;
}

name(MEMBER_MODEL, 'model');
name(MEMBER_MESSAGES, 'messages');
name(MEMBER_PROMPT, 'prompt');
name(MEMBER_CACHE_SALT, 'cache_salt');
name(MEMBER_TOOLS, 'tools');
name(MEMBER_CHAT_TEMPLATE, 'chat_template');
name(MEMBER_CHAT_TEMPLATE_KWARGS, 'chat_template_kwargs');
name(MEMBER_ADD_GENERATION_PROMPT, 'add_generation_prompt');
name(MEMBER_CONTINUE_FINAL_MESSAGE, 'continue_final_message');
name(MEMBER_DOCUMENTS, 'documents');
name(MEMBER_REASONING_EFFORT, 'reasoning_effort');
name(MEMBER_TRUNCATE_PROMPT_TOKENS, 'truncate_prompt_tokens');
name(MEMBER_PROMPT_EMBEDS, 'prompt_embeds');
name(MEMBER_PROMPT_LOGPROBS, 'prompt_logprobs');
name(MEMBER_ADD_SPECIAL_TOKENS, 'add_special_tokens');
name(MEMBER_MM_PROCESSOR_KWARGS, 'mm_processor_kwargs');

/** Number of the member whose name is [start, end). */
export function memberOf(start: usize, end: usize): u32 {
  const length = <u32>(end - start);
  for (let member: u32 = 0; member < MEMBERS; member++) {
    const known = names[member];
    if (load<u32>(known) == length && memory.compare(known + 4, start, <usize>length) == 0) return member;
  }
  return MEMBER_OTHER;
}
