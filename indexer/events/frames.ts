// PUB messages: [topic, sequence (8 bytes, big-endian), payload]. Source: facts on vLLM, section 2.

export interface Message {
  readonly topic: string;
  readonly sequence: bigint;
  readonly payload: Uint8Array;
}

/** Why a message was not used. */
export type FrameProblem = 'frame_count' | 'sequence_length' | 'empty_payload' | 'unknown_topic' | 'unknown_rank';

export const SEQUENCE_BYTES = 8;

export function readMessage(frames: readonly Buffer[]): Message | FrameProblem {
  const [topic, sequence, payload] = frames;
  if (frames.length !== 3 || !topic || !sequence || !payload) return 'frame_count';
  if (sequence.length !== SEQUENCE_BYTES) return 'sequence_length';
  if (payload.length === 0) return 'empty_payload';
  return { topic: topic.toString('utf8'), sequence: sequence.readBigUInt64BE(), payload };
}

/** One message of a replay: a batch, the end marker, or something else. The leading empty frame may be there or not. */
export function readReplayed(frames: readonly Buffer[]): { sequence: bigint; payload: Uint8Array } | 'end' | 'malformed' {
  // From the end: [… , sequence, payload]; newer engines put the topic before.
  const payload = frames.at(-1);
  const sequence = frames.at(-2);
  if (frames.length < 2 || frames.length > 4 || !payload || sequence?.length !== SEQUENCE_BYTES) return 'malformed';
  const number = sequence.readBigUInt64BE();
  if (number === END_OF_REPLAY && payload.length === 0) return 'end';
  return payload.length === 0 ? 'malformed' : { sequence: number, payload };
}

const END_OF_REPLAY = 0xffff_ffff_ffff_ffffn;

export function sequenceFrame(sequence: bigint): Buffer {
  const frame = Buffer.alloc(SEQUENCE_BYTES);
  frame.writeBigUInt64BE(sequence);
  return frame;
}
