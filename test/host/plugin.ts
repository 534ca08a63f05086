import { encodeText } from './guest-memory';

export interface PluginOptions {
  /** Default `kvane`, as are root id and VM id. */
  readonly name?: string;
  readonly rootId?: string;
  readonly vmId?: string;
  readonly configuration?: string | Uint8Array;
  /** Pause mode (facts §4). Default true. */
  readonly allowOnHeadersStopIteration?: boolean;
}

/** One plugin configuration: in Envoy, one entry in a list of http filters of one listener. */
export class Plugin {
  readonly name: string;
  readonly rootId: string;
  readonly vmId: string;
  readonly configuration: Uint8Array;
  readonly allowOnHeadersStopIteration: boolean;

  constructor(options: PluginOptions) {
    this.name = options.name ?? 'kvane';
    this.rootId = options.rootId ?? this.name;
    this.vmId = options.vmId ?? 'kvane';
    const { configuration = '' } = options;
    this.configuration = typeof configuration === 'string' ? encodeText(configuration) : configuration;
    this.allowOnHeadersStopIteration = options.allowOnHeadersStopIteration ?? true;
  }

  withConfiguration(configuration: string): Plugin {
    const { name, rootId, vmId, allowOnHeadersStopIteration } = this;
    return new Plugin({ name, rootId, vmId, allowOnHeadersStopIteration, configuration });
  }

  /** Two configurations with the same key share one root context per VM. */
  get key(): string {
    return `${this.name}\u0000${this.rootId}\u0000${Buffer.from(this.configuration).toString('latin1')}`;
  }

  property(path: string): Uint8Array | undefined {
    const values: Record<string, string> = { plugin_name: this.name, plugin_root_id: this.rootId, plugin_vm_id: this.vmId };
    const value = values[path];
    return value === undefined ? undefined : encodeText(value);
  }
}
