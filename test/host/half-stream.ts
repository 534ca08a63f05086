import { BodyAnswer, HeadersAnswer } from './abi';

/** What one direction of a stream needs from its surroundings. Answers come as Envoy's filter manager sees them. */
export interface HalfStreamHooks {
  onHeaders(endOfStream: boolean): number;
  onData(bytes: number, endOfStream: boolean): number;
  onTrailers(): number;
  forwardHeaders(endOfStream: boolean): void;
  forwardData(bytes: Uint8Array, endOfStream: boolean): void;
  forwardTrailers(): void;
  /** More is buffered than may be, and the filter wanted it buffered: 413 for a request, 500 for a response. */
  tooLarge(): void;
  /** The stream is over: whatever was going on, stop. */
  over(): boolean;
}

/**
 * One direction of a stream through one filter, as Envoy's `ActiveStreamFilterBase` runs it (source/common/http/filter_manager.cc).
 *
 *   flowing ──StopIteration, body status 1 2 3──► stopped ──Continue from a callback, continueStream──► flowing
 *      └─────StopAll…──► stopped all ──continueStream──► flowing; the filter then sees what was held
 */
export class HalfStream {
  state: 'flowing' | 'stopped' | 'stopped all' = 'flowing';
  /** The filter may change the headers, for they are still here. */
  headersOpen = false;
  headersForwarded = false;
  /** Above the limit and under back-pressure: the other side is not read from. */
  stalled = false;
  ended = false;
  /** What the body buffer shows; undefined outside of a body callback. */
  view: Uint8Array | undefined;
  hasTrailers = false;
  #held: Uint8Array[] = [];
  #bodyAnswer: number = BodyAnswer.Continue;
  #stopAllBuffers = false;

  constructor(
    private readonly hooks: HalfStreamHooks,
    private readonly limitBytes: number,
  ) {}

  get heldBytes(): number {
    return this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  /** The whole body is with the host and may be read in the trailers callback. */
  get showsWhole(): boolean {
    return this.#bodyAnswer === BodyAnswer.StopAndBuffer;
  }

  get held(): Uint8Array {
    return Buffer.concat(this.#held);
  }

  headers(endOfStream: boolean): void {
    this.headersOpen = true;
    this.ended = endOfStream;
    const answer = this.hooks.onHeaders(endOfStream);
    if (this.hooks.over()) return;
    if (answer === HeadersAnswer.Continue || answer === HeadersAnswer.ContinueAndEndStream) {
      this.headersOpen = false;
      this.#forwardHeaders(endOfStream || answer === HeadersAnswer.ContinueAndEndStream);
    } else if (answer === HeadersAnswer.StopIteration) {
      this.state = 'stopped';
    } else {
      this.state = 'stopped all';
      this.#stopAllBuffers = answer === HeadersAnswer.StopAllAndBuffer;
    }
  }

  data(bytes: Uint8Array, endOfStream: boolean): void {
    if (this.hooks.over()) return;
    this.ended ||= endOfStream;
    if (this.state === 'stopped all') {
      this.#held.push(bytes);
      this.#checkLimit(this.#stopAllBuffers);
      return;
    }
    // After "buffer", Envoy appends what comes before it asks the filter: too much is a 413 even if the filter would let go now.
    const whole = this.showsWhole;
    if (whole) {
      this.#held.push(bytes);
      this.#checkLimit(true);
      if (this.hooks.over()) return;
    }
    this.view = whole ? this.held : bytes;
    const answer = this.hooks.onData(this.view.length, endOfStream);
    const shown = this.view;
    this.view = undefined;
    this.#bodyAnswer = answer;
    if (this.hooks.over()) return;
    if (whole) this.#held = [shown];
    if (answer === BodyAnswer.Continue && this.state === 'flowing') {
      this.#held = [];
      this.hooks.forwardData(shown, endOfStream);
    } else if (answer === BodyAnswer.Continue) {
      if (!whole) this.#held.push(shown);
      this.resume();
    } else {
      this.state = 'stopped';
      if (answer === BodyAnswer.StopNoBuffer) return;
      if (!whole) this.#held.push(shown);
      this.#checkLimit(answer === BodyAnswer.StopAndBuffer);
    }
  }

  trailers(): void {
    if (this.hooks.over()) return;
    this.ended = true;
    this.hasTrailers = true;
    if (this.state === 'stopped all') return;
    const answer = this.hooks.onTrailers();
    if (this.hooks.over()) return;
    if (answer !== 0) this.state = 'stopped';
    else if (this.state === 'stopped') this.resume();
    else this.hooks.forwardTrailers();
  }

  /** Lets go what is held. What "stop all" held goes through the filter first. */
  resume(): void {
    if (this.hooks.over()) return;
    const throughFilter = this.state === 'stopped all';
    const held = this.held;
    this.state = 'flowing';
    this.stalled = false;
    this.#held = [];
    const endsInData = this.ended && !this.hasTrailers;
    if (!this.headersForwarded) this.#forwardHeaders(endsInData && !held.length);
    if (throughFilter) {
      if (held.length) this.data(held, endsInData);
      if (this.hasTrailers) this.trailers();
      return;
    }
    if (held.length) this.hooks.forwardData(held, endsInData);
    if (this.hasTrailers) this.hooks.forwardTrailers();
  }

  #forwardHeaders(endOfStream: boolean): void {
    this.headersForwarded = true;
    this.hooks.forwardHeaders(endOfStream);
  }

  #checkLimit(refuse: boolean): void {
    if (this.heldBytes <= this.limitBytes) return;
    if (refuse) this.hooks.tooLarge();
    else this.stalled = true;
  }
}
