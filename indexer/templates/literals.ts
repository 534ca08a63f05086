// First step of learning: what stands between contents. Chats of unmistakable contents are rendered and cut at these.
import { eachLimited } from '../concurrency.js';
import { CHAT_ROLES, type ChatMessage, type ChatRole, keyOf, type Place, placesOf } from './chat.js';
import { randomSource } from './random.js';

/** A rendered chat of sentinels: `literals[i]` stands before message i, the last one behind all. */
export interface Specimen {
  readonly messages: readonly ChatMessage[];
  readonly places: readonly Place[];
  readonly text: string;
  /** Undefined when the template moved, changed, dropped or repeated a content. */
  readonly literals: readonly string[] | undefined;
}

/** Observations that each place should have, from different chats. */
const OBSERVATIONS = 2;
/** Chats with a place that the template may refuse before the place is given up. */
const REFUSALS_MAX = 8;
const ORDER_LENGTH_MAX = 5;
/** Long chats of any order, which show literals that depend on more than their place. */
const LONG_ORDERS = 32;

const sentinel = (i: number): string => `KvaneSentinel${i}Q`;

export const sentinelChat = (roles: readonly ChatRole[]): ChatMessage[] => roles.map((role, i) => ({ role, content: sentinel(i) }));

/** All role orders of up to five messages, which together have every place; the shortest first. */
export function allOrders(): ChatRole[][] {
  let orders: ChatRole[][] = [[]];
  const all: ChatRole[][] = [];
  for (let length = 1; length <= ORDER_LENGTH_MAX; length++) {
    orders = orders.flatMap((order) => CHAT_ROLES.map((role) => [...order, role]));
    all.push(...orders);
  }
  return all;
}

/** Cuts a rendering at its contents. */
export function cut(text: string, messages: readonly ChatMessage[]): string[] | undefined {
  const literals: string[] = [];
  let from = 0;
  for (const { content } of messages) {
    const at = text.indexOf(content ?? '');
    if (at < from || text.indexOf(content ?? '', at + 1) >= 0) return undefined;
    literals.push(text.slice(from, at));
    from = at + (content ?? '').length;
  }
  literals.push(text.slice(from));
  return literals;
}

/** `undefined` from `render`: the template refuses this chat. */
export type TryRender = (messages: readonly ChatMessage[]) => Promise<string | undefined>;

/** Renders as few chats as give every place its observations. */
export async function collectSpecimens(render: TryRender, concurrency: number): Promise<Specimen[]> {
  const candidates = allOrders().map((roles) => ({ roles, keys: new Set(placesOf(roles).map(keyOf)) }));
  const wanted = new Map<number, number>();
  const refusals = new Map<number, number>();
  for (const { keys } of candidates) for (const key of keys) wanted.set(key, OBSERVATIONS);
  const gain = (keys: ReadonlySet<number>): number => {
    let sum = 0;
    for (const key of keys) sum += wanted.get(key)! > 0 && (refusals.get(key) ?? 0) < REFUSALS_MAX ? 1 : 0;
    return sum;
  };
  const specimens: Specimen[] = [];
  for (;;) {
    const batch: typeof candidates = [];
    while (batch.length < concurrency && candidates.length > 0) {
      const gains = candidates.map(({ keys }) => gain(keys));
      const best = gains.indexOf(Math.max(...gains));
      if (gains[best] === 0) break;
      const [chosen] = candidates.splice(best, 1);
      batch.push(chosen!);
      // Counted at once, so that a batch does not ask for the same thing several times.
      for (const key of chosen!.keys) wanted.set(key, wanted.get(key)! - 1);
    }
    if (batch.length === 0) break;
    const rendered = await Promise.all(batch.map(({ roles }) => render(sentinelChat(roles))));
    for (const [i, text] of rendered.entries()) {
      const { roles, keys } = batch[i]!;
      const messages = sentinelChat(roles);
      const literals = text === undefined ? undefined : cut(text, messages);
      if (text !== undefined) specimens.push({ messages, places: placesOf(roles), text, literals });
      if (literals) continue;
      for (const key of keys) {
        wanted.set(key, wanted.get(key)! + 1);
        refusals.set(key, (refusals.get(key) ?? 0) + 1);
      }
    }
  }
  const random = randomSource(LONG_ORDERS);
  const long = Array.from({ length: LONG_ORDERS }, () =>
    sentinelChat(Array.from({ length: 6 + Math.floor(random() * 12) }, () => CHAT_ROLES[Math.floor(random() * CHAT_ROLES.length)]!)),
  );
  await eachLimited(long, concurrency, async (messages) => {
    const text = await render(messages);
    if (text !== undefined)
      specimens.push({ messages, places: placesOf(messages.map(({ role }) => role)), text, literals: cut(text, messages) });
  });
  return specimens;
}

export interface LearnedPlace {
  readonly place: Place;
  readonly literal: string;
  /** The shortest chat that has the place, and where in it. */
  readonly specimen: Specimen;
  readonly index: number;
}

/** One literal per place; a place with two different ones depends on more than its key and is refused. */
export function literalsOf(specimens: readonly Specimen[]): { learned: Map<number, LearnedPlace>; ambiguous: Place[] } {
  const learned = new Map<number, LearnedPlace>();
  const ambiguous = new Map<number, Place>();
  for (const specimen of specimens) {
    if (!specimen.literals) continue;
    for (const [index, place] of specimen.places.entries()) {
      const key = keyOf(place);
      const literal = specimen.literals[index]!;
      const known = learned.get(key);
      if (known && known.literal !== literal) ambiguous.set(key, place);
      if (!known || specimen.messages.length < known.specimen.messages.length) learned.set(key, { place, literal, specimen, index });
    }
  }
  for (const key of ambiguous.keys()) learned.delete(key);
  return { learned, ambiguous: [...ambiguous.values()] };
}
