import { type BufferName, type MapName, Status } from './abi';
import type { HeaderMap } from './header-map';
import type { Plugin } from './plugin';
import type { Vm } from './vm';

/** What a buffer shows. `replace` undefined: it cannot be changed. */
export interface BufferView {
  readonly bytes: Uint8Array;
  readonly replace?: (bytes: Uint8Array) => void;
}

/**
 * The host's side of a context: what its maps, buffers and properties are at the moment. The answers of this base class are
 * those of a context that has nothing.
 */
export abstract class HostContext {
  abstract readonly root: RootHostContext;

  constructor(
    readonly vm: Vm,
    readonly id: number,
  ) {}

  /**
   * `undefined`: not there now, and asking for it is a defect; a string: the same, and the string explains it; `null`: not
   * there, as may be (in the log phase).
   */
  map(_name: MapName): HeaderMap | string | null | undefined {
    return undefined;
  }

  buffer(_name: BufferName): BufferView | string | undefined {
    return undefined;
  }

  property(_path: string): Uint8Array | Status {
    return Status.NotFound;
  }

  setProperty(_name: string, _value: Uint8Array): Status {
    return Status.NotFound;
  }

  /** Each of these is carried out once the callback is over. */
  continueStream(_direction: number): Status {
    return Status.Ok;
  }

  closeStream(_direction: number): Status {
    return Status.Ok;
  }

  sendLocalResponse(_response: LocalResponse): void {}
}

export interface LocalResponse {
  readonly status: number;
  readonly body: Uint8Array;
  readonly headers: readonly (readonly [string, string])[];
  readonly details: string;
}

/** A plugin configuration in one VM. */
export class RootHostContext extends HostContext {
  override readonly root = this;
  /** Set while `on_configure` runs. */
  configuration: Uint8Array | undefined;
  vmConfiguration: Uint8Array = new Uint8Array();
  /** Set while an HTTP answer is delivered. */
  answer: { headers: HeaderMap; trailers: HeaderMap; body: Uint8Array } | undefined;
  /** What `proxy_get_status` says. */
  callStatus: { code: number; text: string } = { code: 0, text: '' };
  tickMs = 0;
  /** `onDone` answered false: waits for `proxy_done`. */
  pendingDone = false;
  deleted = false;

  constructor(
    vm: Vm,
    id: number,
    readonly plugin: Plugin,
  ) {
    super(vm, id);
  }

  override map(name: MapName): HeaderMap | undefined {
    return answerMap(this, name);
  }

  override buffer(name: BufferName): BufferView | undefined {
    if (name === 'PluginConfiguration') return this.configuration && { bytes: this.configuration };
    return sharedBuffer(this, name);
  }

  override property(path: string): Uint8Array | Status {
    return this.plugin.property(path) ?? Status.NotFound;
  }
}

/** The answer of an HTTP call can be read through any context of its root. */
export function answerMap(root: RootHostContext, name: MapName): HeaderMap | undefined {
  if (name === 'HttpCallHeaders') return root.answer?.headers;
  return name === 'HttpCallTrailers' ? root.answer?.trailers : undefined;
}

export function sharedBuffer(root: RootHostContext, name: BufferName): BufferView | undefined {
  if (name === 'VmConfiguration') return { bytes: root.vmConfiguration };
  return name === 'HttpCallBody' && root.answer ? { bytes: root.answer.body } : undefined;
}
