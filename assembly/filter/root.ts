// One plugin configuration in one VM: configures, ticks, polls.

import { Buffer, getBuffer, LogLevel, log, resultLength, resultPtr, Status, StreamContext, setTickPeriod } from 'as-proxy-wasm';
import { hashBytes } from '../core/prefix/chain';
import { Configuration, problem, readConfiguration } from './configuration';
import { generationOf, holdLease } from './lease';
import { Plugin, PluginRoot } from './plugin';
import { PolledPool, Poller } from './poller';
import { takeStream } from './stream';

export class KvaneRoot extends PluginRoot {
  private polled: PolledPool[] = [];
  private poller: Poller | null = null;
  private generation: u64 = 0;

  onConfigure(bytes: u32): bool {
    if (getBuffer(Buffer.PluginConfiguration, 0, bytes) != Status.Ok || resultLength == 0) {
      log(LogLevel.Error, 'kvane: configuration: missing');
      return false;
    }
    // A copy with room behind it, for core reads ahead.
    const length = resultLength;
    const text = heap.alloc(length + 16);
    memory.copy(text, resultPtr, length);
    const configuration = readConfiguration(text, length);
    const hash = hashBytes(0, text, length);
    heap.free(text);
    if (configuration === null) {
      log(LogLevel.Error, 'kvane: configuration: ' + problem);
      return false;
    }
    this.adopt(configuration, hash);
    return true;
  }

  private adopt(configuration: Configuration, hash: u64): void {
    const plugin = new Plugin(configuration);
    const vm = plugin.vm;
    this.plugin = plugin;
    this.polled = [];
    for (let i = 0; i < configuration.pools.length; i++) {
      this.polled.push(vm.entryOf(configuration.pools[i], configuration.maxSummaryBytes).polled);
    }
    this.generation = generationOf(hash);
    vm.generation = max<u64>(vm.generation, this.generation);
    this.poller = new Poller(configuration, vm.metrics, hash ^ (vm.tag << 32));
    setTickPeriod(configuration.tickMs);
  }

  onTick(): void {
    const plugin = this.plugin;
    const vm = plugin.vm;
    vm.tick();
    plugin.reading.watch(vm.nowMs, plugin.configuration.watchdogMs);
    const poller = this.poller;
    if (poller === null || this.generation != vm.generation) return;
    if (holdLease(vm.tag, this.generation, vm.nowMs, vm.served)) poller.tick(this.polled, vm.nowMs);
  }

  onHttpCallResponse(token: u32, headers: u32, bodyBytes: u32, trailers: u32): void {
    const poller = this.poller;
    if (poller !== null) poller.answered(token, this.polled, bodyBytes, this.plugin.vm.now());
  }

  createStream(id: u32): StreamContext {
    return takeStream(this);
  }
}
