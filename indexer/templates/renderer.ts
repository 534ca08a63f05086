import type { ChatMessage } from './chat.js';

/** A chat to render; `arguments` are `chat_template_kwargs`, absent for the default variant. */
export interface RenderRequest {
  readonly messages: readonly ChatMessage[];
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/**
 * The engine's own rendering: what `templates/learn.ts` learns from. Rejects with `render.refused` when the template does not
 * take this chat (a role order it forbids); any other rejection ends the learning.
 */
export interface Renderer {
  render(request: RenderRequest): Promise<Uint8Array>;
  /** Bytes that a completion prompt is tokenised to; where present it settles the completion prefix. */
  renderCompletion?(prompt: string): Promise<Uint8Array>;
}
