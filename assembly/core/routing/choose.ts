// From matches and load to destinations. Source: DESIGN section 6.
//
// Candidates are the best holders, two rendezvous choices of a late key (so that workers and proxies agree on cold prompts without
// talking) and a few random others, not the whole fleet: with load that is half a second old, taking the best of all herds.

import { mix64 } from '../prefix/chain';
import { ENDPOINTS_MAX } from '../summary/format';
import { Summary } from '../summary/summary';
import { matchShare } from './matches';

const HOLDERS: u32 = 3;
const RENDEZVOUS: u32 = 2;
const RANDOM: u32 = 3;
const CANDIDATES_MAX: u32 = HOLDERS + RENDEZVOUS + RANDOM;
/** Destinations at most: the second serves when the first is gone. */
export const DESTINATIONS_MAX: u32 = 3;

/** Credit halves for each so many requests by which a holder's queue exceeds twice the mean of the candidates. */
const EXCESS: f64 = 8;

/** Weights of the score; the seed's by default. */
export class Weights {
  prefix: f64 = 3;
  kv: f64 = 2;
  queue: f64 = 2;
}

const ready: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 1); // ids, u16
const candidates: usize = memory.data(<i32>CANDIDATES_MAX * 4);
const scores: usize = memory.data(<i32>CANDIDATES_MAX * 8);
let count: u32 = 0;
let randomState: u64 = 0x2545f4914f6cdd1d;

/** Destinations of the last `choose`, best first. */
export let destinations: u32 = 0;

export function destination(i: u32): u32 {
  return load<u32>(candidates + ((<usize>i) << 2));
}

export function seedRandom(seed: u64): void {
  randomState = mix64(seed) | 1;
}

/** xorshift64: no two VMs need the same, none needs a good one. */
function random(): u64 {
  let x = randomState;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  randomState = x;
  return x;
}

function addCandidate(id: u32): void {
  for (let i: u32 = 0; i < count; i++) if (destination(i) == id) return;
  store<u32>(candidates + ((<usize>count) << 2), id);
  count++;
}

function readyAt(i: u32): u32 {
  return <u32>load<u16>(ready + ((<usize>i) << 1));
}

function addHolders(total: u32): void {
  for (let n: u32 = 0; n < HOLDERS; n++) {
    let best: u32 = 0;
    let bestShare: f64 = 0;
    for (let i: u32 = 0; i < total; i++) {
      const id = readyAt(i);
      const share = matchShare(id);
      if (share > bestShare && !isCandidate(id)) {
        best = id;
        bestShare = share;
      }
    }
    if (bestShare == 0) return;
    addCandidate(best);
  }
}

function isCandidate(id: u32): bool {
  for (let i: u32 = 0; i < count; i++) if (destination(i) == id) return true;
  return false;
}

/** Highest random weight hashing (Thaler and Ravishankar, 1998). */
function addRendezvous(summary: Summary, total: u32, lateKey: u64): void {
  let first: u32 = 0;
  let second: u32 = 0;
  let firstWeight: u64 = 0;
  let secondWeight: u64 = 0;
  for (let i: u32 = 0; i < total; i++) {
    const id = readyAt(i);
    const weight = mix64(lateKey ^ summary.endpoint(id).addressHash);
    if (weight > firstWeight) {
      second = first;
      secondWeight = firstWeight;
      first = id;
      firstWeight = weight;
    } else if (weight > secondWeight) {
      second = id;
      secondWeight = weight;
    }
  }
  if (firstWeight != 0) addCandidate(first);
  if (secondWeight != 0) addCandidate(second);
}

/** A ready endpoint that is no candidate yet: a second destination must exist wherever there is a second endpoint. */
function addRandom(total: u32): void {
  let i = <u32>(random() % <u64>total);
  while (isCandidate(readyAt(i))) if (++i == total) i = 0;
  addCandidate(readyAt(i));
}

/** Requests that wait or will: what the engine said, and what went there since without it knowing yet. */
function queueOf(summary: Summary, inFlights: usize, id: u32): f64 {
  const endpoint = summary.endpoint(id);
  const inFlight = load<u32>(inFlights + ((<usize>id) << 2));
  const known = <u32>endpoint.running + <u32>endpoint.waiting;
  return <f64>endpoint.waiting + <f64>(inFlight > known ? inFlight - known : 0);
}

/**
 * Chooses destinations among the ready endpoints. inFlights: requests in flight as far as known, u32 per endpoint id. lateKey: a key near the
 * prompt's end, 0 when there is none. Results: destinations, destination(i). Returns whether there is any.
 */
export function choose(summary: Summary, inFlights: usize, lateKey: u64, weights: Weights): bool {
  count = 0;
  destinations = 0;
  let total: u32 = 0;
  for (let id: u32 = 0; id < summary.endpointLimit; id++) {
    if (!summary.endpoint(id).ready) continue;
    store<u16>(ready + ((<usize>total) << 1), <u16>id);
    total++;
  }
  if (total == 0) return false;
  addHolders(total);
  if (lateKey != 0) addRendezvous(summary, total, lateKey);
  for (let n: u32 = 0; n < RANDOM && count < total; n++) addRandom(total);
  score(summary, inFlights, weights);
  order();
  destinations = min<u32>(count, DESTINATIONS_MAX);
  return true;
}

function score(summary: Summary, inFlights: usize, weights: Weights): void {
  let least: f64 = Infinity;
  let most: f64 = 0;
  let sum: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const queue = queueOf(summary, inFlights, destination(i));
    least = min<f64>(least, queue);
    most = max<f64>(most, queue);
    sum += queue;
  }
  const mean = sum / <f64>count;
  for (let i: u32 = 0; i < count; i++) {
    const id = destination(i);
    const queue = queueOf(summary, inFlights, id);
    const queueScore = most > least ? (most - queue) / (most - least) : 1.0;
    const utilisation = <f64>summary.endpoint(id).kvUsage / 65535.0;
    const excess = queue - 2.0 * mean;
    const decay = excess > 0 ? EXCESS / (EXCESS + excess) : 1.0;
    const value = weights.prefix * matchShare(id) * decay + weights.kv * (1.0 - utilisation) + weights.queue * queueScore;
    store<f64>(scores + ((<usize>i) << 3), value);
  }
}

/** Best first; equal ones stay in the order they came: holders, rendezvous, random. */
function order(): void {
  for (let i: u32 = 1; i < count; i++) {
    const id = destination(i);
    const value = load<f64>(scores + ((<usize>i) << 3));
    let j = i;
    while (j > 0 && load<f64>(scores + ((<usize>(j - 1)) << 3)) < value) {
      store<f64>(scores + ((<usize>j) << 3), load<f64>(scores + ((<usize>(j - 1)) << 3)));
      store<u32>(candidates + ((<usize>j) << 2), destination(j - 1));
      j--;
    }
    store<f64>(scores + ((<usize>j) << 3), value);
    store<u32>(candidates + ((<usize>j) << 2), id);
  }
}
