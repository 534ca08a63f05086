// Renders chats with the model's own Jinja template.
import { pythonTemplate } from './python-jinja.js';

/** A message as the template sees it: content parsed, arguments re-serialised. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
  readonly reasoning?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly type: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

export interface Chat {
  readonly messages: readonly TemplateMessage[];
  /** each tool as Python's json.dumps writes it */
  readonly tools: readonly string[] | undefined;
  readonly addGenerationPrompt: boolean;
  readonly continueFinalMessage: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
}

export class ChatTemplate {
  private readonly template: ReturnType<typeof pythonTemplate>;

  constructor(source: string) {
    this.template = pythonTemplate(source);
  }

  render(chat: Chat): string {
    // JavaScript objects cannot carry Python's numbers, so each tool goes through `tojson` as a placeholder string.
    const placeholder = (i: number): string => `\u{F0000}tool ${i}\u{F0000}`;
    const rendered = this.template.render({
      ...chat.variables,
      messages: chat.messages,
      tools: chat.tools?.map((_, i) => placeholder(i)),
      add_generation_prompt: chat.addGenerationPrompt,
    });
    const text = (chat.tools ?? []).reduce((out, tool, i) => out.replace(`"${placeholder(i)}"`, () => tool), rendered);
    return chat.continueFinalMessage ? cutAfterFinalMessage(text, chat.messages.at(-1)?.content ?? '') : text;
  }
}

/** What transformers does for `continue_final_message`. */
function cutAfterFinalMessage(rendered: string, content: string): string {
  const at = rendered.lastIndexOf(content.trim());
  const whole = content.trimStart();
  return rendered.slice(0, at + (rendered.startsWith(whole, at) ? whole : content.trim()).length);
}
