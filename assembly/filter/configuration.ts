// The plugin configuration: JSON, checked as a whole when it arrives. A wrong field refuses it, with a message that names the
// field; an unknown one too, so that a typing error does not silently mean the default.
//
//   {
//     "pools": [{"name": "qwen", "clusters": ["vllm-qwen", {"prefix": "outbound|8000||qwen"}]}],
//     "indexer": {"cluster": "kvane-indexer", "authority": "kvane-indexer", "token": "…", "waitMs": 20000},
//     "header": "x-gateway-destination-endpoint",
//     "bodyBytes": 917504, "arenaBytes": 33554432, "maxSummaryBytes": 67108864,
//     "tickMs": 25, "watchdogMs": 250, "weights": {"prefix": 3, "kv": 2, "queue": 2}
//   }

import { Utf8 } from 'as-proxy-wasm';
import { Escape, escapeStatus, skipSpace, unescapeInto } from '../core/json/text';
import { Container } from '../core/json/value';
import { Weights } from '../core/routing/choose';

/** A cluster name, or the beginning of one, and the pool that its requests go to. */
export class Binding {
  constructor(
    readonly cluster: Utf8,
    readonly prefix: bool,
    readonly pool: string,
  ) {}

  matches(ptr: usize, length: usize): bool {
    const own = this.cluster.length;
    if (this.prefix ? length < own : length != own) return false;
    return memory.compare(ptr, this.cluster.ptr, own) == 0;
  }
}

export class Configuration {
  pools: string[] = [];
  bindings: Binding[] = [];
  /** Cluster of the indexer; empty: nobody polls. */
  indexerCluster: string = '';
  indexerAuthority: string = '';
  token: string = '';
  waitMs: u32 = 20000;
  header: string = 'x-gateway-destination-endpoint';
  /** A body is decided about at this many bytes at the latest. */
  bodyBytes: u32 = 896 << 10;
  arenaBytes: u32 = 32 << 20;
  maxSummaryBytes: u32 = 64 << 20;
  tickMs: u32 = 25;
  watchdogMs: u32 = 250;
  weights: Weights = new Weights();
}

/** What is wrong with the last configuration, with the path of the field; empty when nothing is. */
export let problem: string = '';

function refuse(path: string, what: string): void {
  if (problem.length == 0) problem = path + ': ' + what;
}

/** Reads a configuration; null when `problem` says why. The bytes must be readable for 16 more. */
export function readConfiguration(ptr: usize, length: usize): Configuration | null {
  problem = '';
  const configuration = new Configuration();
  const end = ptr + length;
  const start = skipSpace(ptr, end);
  const walk = openObject(start, end, 'configuration');
  if (walk === null) return null;
  let hasPools = false;
  while (walk.nextMember()) {
    const name = textOf(walk.keyStart, walk.keyEnd);
    const from = walk.valueStart;
    const to = walk.valueEnd;
    if (name == 'pools') {
      hasPools = true;
      readPools(configuration, from, to);
    } else if (name == 'indexer') readIndexer(configuration, from, to);
    else if (name == 'header') configuration.header = text(name, from, to).toLowerCase();
    else if (name == 'bodyBytes') configuration.bodyBytes = integer(name, from, to, 1024, 64 << 20);
    else if (name == 'arenaBytes') configuration.arenaBytes = integer(name, from, to, 1 << 20, 512 << 20);
    else if (name == 'maxSummaryBytes') configuration.maxSummaryBytes = integer(name, from, to, 1 << 16, 512 << 20);
    else if (name == 'tickMs') configuration.tickMs = integer(name, from, to, 1, 1000);
    else if (name == 'watchdogMs') configuration.watchdogMs = integer(name, from, to, 10, 60000);
    else if (name == 'weights') readWeights(configuration.weights, from, to);
    else refuse(name, 'unknown field');
  }
  if (walk.broken || skipSpace(walk.end, end) != end) refuse('configuration', 'not valid JSON');
  if (!hasPools) refuse('pools', 'missing');
  return problem.length == 0 ? configuration : null;
}

function openObject(start: usize, end: usize, path: string): Container | null {
  if (start >= end || load<u8>(start) != 0x7b) {
    refuse(path, 'must be an object');
    return null;
  }
  const walk = Container.create();
  walk.open(start, end);
  return walk;
}

function readPools(configuration: Configuration, start: usize, end: usize): void {
  if (load<u8>(start) != 0x5b) return refuse('pools', 'must be a list');
  const walk = Container.create();
  walk.open(start, end);
  for (let i = 0; walk.nextElement(); i++) readPool(configuration, 'pools[' + i.toString() + ']', walk.valueStart, walk.valueEnd);
  if (walk.broken) refuse('pools', 'not valid JSON');
  else if (configuration.pools.length == 0) refuse('pools', 'must not be empty');
}

function readPool(configuration: Configuration, path: string, start: usize, end: usize): void {
  const walk = openObject(start, end, path);
  if (walk === null) return;
  let name = '';
  let clusters: usize = 0;
  let clustersEnd: usize = 0;
  while (walk.nextMember()) {
    const key = textOf(walk.keyStart, walk.keyEnd);
    if (key == 'name') name = text(path + '.name', walk.valueStart, walk.valueEnd);
    else if (key == 'clusters') {
      clusters = walk.valueStart;
      clustersEnd = walk.valueEnd;
    } else refuse(path + '.' + key, 'unknown field');
  }
  if (walk.broken) return refuse(path, 'not valid JSON');
  if (name.length == 0) return refuse(path + '.name', 'missing');
  if (configuration.pools.includes(name)) return refuse(path + '.name', 'there is another pool of this name');
  configuration.pools.push(name);
  if (clusters == 0) return refuse(path + '.clusters', 'missing');
  readClusters(configuration, name, path + '.clusters', clusters, clustersEnd);
}

function readClusters(configuration: Configuration, pool: string, path: string, start: usize, end: usize): void {
  if (load<u8>(start) != 0x5b) return refuse(path, 'must be a list');
  const walk = Container.create();
  walk.open(start, end);
  let count = 0;
  while (walk.nextElement()) {
    const element = path + '[' + count.toString() + ']';
    count++;
    if (load<u8>(walk.valueStart) == 0x7b) readPrefix(configuration, pool, element, walk.valueStart, walk.valueEnd);
    else configuration.bindings.push(new Binding(Utf8.of(text(element, walk.valueStart, walk.valueEnd)), false, pool));
  }
  if (walk.broken) refuse(path, 'not valid JSON');
  else if (count == 0) refuse(path, 'must not be empty');
}

function readPrefix(configuration: Configuration, pool: string, path: string, start: usize, end: usize): void {
  const walk = openObject(start, end, path);
  if (walk === null) return;
  let prefix = '';
  while (walk.nextMember()) {
    const key = textOf(walk.keyStart, walk.keyEnd);
    if (key == 'prefix') prefix = text(path + '.prefix', walk.valueStart, walk.valueEnd);
    else refuse(path + '.' + key, 'unknown field');
  }
  if (walk.broken) return refuse(path, 'not valid JSON');
  if (prefix.length == 0) return refuse(path + '.prefix', 'missing');
  configuration.bindings.push(new Binding(Utf8.of(prefix), true, pool));
}

function readIndexer(configuration: Configuration, start: usize, end: usize): void {
  const walk = openObject(start, end, 'indexer');
  if (walk === null) return;
  while (walk.nextMember()) {
    const key = textOf(walk.keyStart, walk.keyEnd);
    const path = 'indexer.' + key;
    if (key == 'cluster') configuration.indexerCluster = text(path, walk.valueStart, walk.valueEnd);
    else if (key == 'authority') configuration.indexerAuthority = text(path, walk.valueStart, walk.valueEnd);
    else if (key == 'token') configuration.token = text(path, walk.valueStart, walk.valueEnd);
    else if (key == 'waitMs') configuration.waitMs = integer(path, walk.valueStart, walk.valueEnd, 100, 60000);
    else refuse(path, 'unknown field');
  }
  if (walk.broken) return refuse('indexer', 'not valid JSON');
  if (configuration.indexerCluster.length == 0) return refuse('indexer.cluster', 'missing');
  if (configuration.indexerAuthority.length == 0) configuration.indexerAuthority = configuration.indexerCluster;
}

function readWeights(weights: Weights, start: usize, end: usize): void {
  const walk = openObject(start, end, 'weights');
  if (walk === null) return;
  while (walk.nextMember()) {
    const key = textOf(walk.keyStart, walk.keyEnd);
    const value = weight('weights.' + key, walk.valueStart, walk.valueEnd);
    if (key == 'prefix') weights.prefix = value;
    else if (key == 'kv') weights.kv = value;
    else if (key == 'queue') weights.queue = value;
    else refuse('weights.' + key, 'unknown field');
  }
  if (walk.broken) refuse('weights', 'not valid JSON');
}

function textOf(start: usize, end: usize): string {
  return String.UTF8.decodeUnsafe(start, end - start);
}

function text(path: string, start: usize, end: usize): string {
  if (load<u8>(start) != 0x22 || end - start < 3) {
    refuse(path, 'must be a string that is not empty');
    return '';
  }
  const room = heap.alloc(end - start + 32);
  const stop = unescapeInto(start + 1, end - 1, room);
  const result = String.UTF8.decodeUnsafe(room, stop - room);
  heap.free(room);
  if (escapeStatus != Escape.Ok) refuse(path, 'has a broken escape');
  return result;
}

function integer(path: string, start: usize, end: usize, least: u32, most: u32): u32 {
  let value: u64 = 0;
  let valid = end - start < 11;
  for (let ptr = start; ptr < end && valid; ptr++) {
    const digit = <u32>load<u8>(ptr) - 0x30;
    if (digit > 9) valid = false;
    value = value * 10 + digit;
  }
  if (!valid || value < <u64>least || value > <u64>most)
    refuse(path, 'must be a whole number from ' + least.toString() + ' to ' + most.toString());
  return <u32>value;
}

function weight(path: string, start: usize, end: usize): f64 {
  const value = F64.parseFloat(textOf(start, end));
  if (!(value >= 0 && value <= 1000)) {
    refuse(path, 'must be a number from 0 to 1000');
    return 0;
  }
  return value;
}
