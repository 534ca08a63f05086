import { BodyStatus, HeadersStatus, TrailersStatus } from './types';

/** What the proxy has a number for: a plugin configuration in this VM (root) or a request (stream). */
export abstract class Context {
  /** The proxy's number, unique in this VM; set before the first callback. */
  id: u32 = 0;

  /** The context ends. False: keep it until `done()` is called. Needs `exports/done`; without it every context is done at once. */
  onDone(): bool {
    return true;
  }

  /** The last callback. A pooled object may be taken again from here on. */
  onDelete(): void {}
}

/**
 * One plugin configuration in one VM. A configuration update makes a *second* root in the same VM with the same globals; the
 * old one goes on ticking until its listener has drained. Keep what configuration shapes in here, not in module variables.
 */
export abstract class RootContext extends Context {
  /** The VM starts, or another root of it; read `Buffer.VmConfiguration`. False refuses the module. */
  onStart(vmConfigurationBytes: u32): bool {
    return true;
  }

  /** Read `Buffer.PluginConfiguration`. False refuses the configuration: log why. Runs in a canary too, whose calls are never answered. */
  onConfigure(configurationBytes: u32): bool {
    return true;
  }

  /** Every `setTickPeriod` milliseconds. Needs `exports/tick`. */
  onTick(): void {}

  /** An answer to `httpCall`, or a local one in its place. `headers` 0: there was none. Needs `exports/http`. */
  onHttpCallResponse(token: u32, headers: u32, bodyBytes: u32, trailers: u32): void {}

  /** A queue that this root registered has an item. Needs `exports/queue`. */
  onQueueReady(queue: u32): void {}

  /** A request arrives: the object that will see it, new or from a pool of yours. */
  abstract createStream(id: u32): StreamContext;
}

/** One request and its response. Override what you need, and export only that (`exports/`): each exported callback costs. */
export abstract class StreamContext extends Context {
  /** The last body callback answered `StopIterationAndBuffer`, so that the body can be read in the trailers callback too. */
  requestBodyKept: bool = false;
  responseBodyKept: bool = false;

  constructor(
    /** Set anew by the dispatcher whenever the object is used for a stream. */
    public root: RootContext,
  ) {
    super();
  }

  /** `headers`: how many; `endOfStream`: there is no body. */
  onRequestHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    return HeadersStatus.Continue;
  }

  /**
   * `bytes`: what `Buffer.RequestBody` shows. The last call often brings no bytes. With trailers there is no `endOfStream` here.
   * Once a part of the body went on, answer `Continue` to its end: with a retry policy in the route, stopping again makes Envoy
   * send the upstream all of it a second time (seen on 1.37.0 and 1.40.0).
   */
  onRequestBody(bytes: u32, endOfStream: bool): BodyStatus {
    return BodyStatus.Continue;
  }

  /** The end of a request with trailers. The body can be read here only after `StopIterationAndBuffer`. */
  onRequestTrailers(trailers: u32): TrailersStatus {
    return TrailersStatus.Continue;
  }

  onResponseHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    return HeadersStatus.Continue;
  }

  /** Exporting it costs 2 µs per streamed event, even if it does nothing. */
  onResponseBody(bytes: u32, endOfStream: bool): BodyStatus {
    return BodyStatus.Continue;
  }

  onResponseTrailers(trailers: u32): TrailersStatus {
    return TrailersStatus.Continue;
  }

  /** The stream ended, whichever way; all properties are known. Needs `exports/log`. */
  onLog(): void {}
}
