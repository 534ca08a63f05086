// The central endpoint: from topic (and rank, which only the payload tells) to the stream of a known engine.
import { peekBatch } from './canonical.js';
import { type FrameProblem, readMessage } from './frames.js';
import type { EventStream } from './stream.js';

export interface RoutedEngine {
  readonly name: string;
  /** `host:port`. */
  readonly address: string;
  readonly rank: number;
  readonly stream: EventStream;
}

const TOPICS_MAX = 4_096;

export class EventRouter {
  private readonly byPod = new Map<string, RoutedEngine[]>();
  private readonly byTopic = new Map<string, readonly RoutedEngine[] | undefined>();

  constructor(
    private readonly topicPrefix: string,
    engines: readonly RoutedEngine[],
  ) {
    for (const engine of engines) {
      const host = engine.address.slice(0, engine.address.lastIndexOf(':'));
      // A bare host names an engine only while there is no second one on it.
      const alone = engines.every((other) => other.address === engine.address || !other.address.startsWith(`${host}:`));
      for (const pod of new Set([engine.name, engine.address, ...(alone ? [host] : [])])) {
        const known = this.byPod.get(pod);
        if (known) known.push(engine);
        else this.byPod.set(pod, [engine]);
      }
    }
  }

  /** Hands a message to its stream; or says why not. */
  route(frames: readonly Buffer[]): FrameProblem | undefined {
    const message = readMessage(frames);
    if (typeof message === 'string') return message;
    const engines = this.enginesOf(message.topic);
    if (!engines) return 'unknown_topic';
    const engine = engines.length === 1 ? engines[0]! : this.ofRank(engines, message.payload);
    if (!engine) return 'unknown_rank';
    engine.stream.receive(message.sequence, message.payload);
    return undefined;
  }

  /** `kv@<pod>@<model>`: the pod is a name, an address or a host. */
  private enginesOf(topic: string): readonly RoutedEngine[] | undefined {
    if (this.byTopic.has(topic)) return this.byTopic.get(topic);
    const pod = topic.startsWith(this.topicPrefix) ? topic.slice(this.topicPrefix.length).split('@', 1)[0]! : '';
    const engines = this.byPod.get(pod);
    if (this.byTopic.size < TOPICS_MAX) this.byTopic.set(topic, engines);
    return engines;
  }

  /** All ranks of a pod publish under one topic. */
  private ofRank(engines: readonly RoutedEngine[], payload: Uint8Array): RoutedEngine | undefined {
    const rank = peekBatch(payload)?.rank ?? 0;
    return engines.find((engine) => engine.rank === rank);
  }
}
