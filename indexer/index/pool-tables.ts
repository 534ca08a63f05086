// The tables of a pool's summary. A part that did not change stays the same object: that is how the publisher sees what did.
import type { EngineModels } from '../engines/api.js';
import type { SummaryEndpoint, SummaryModel, SummaryParameters, SummaryTables } from '../publish/summary.js';
import type { RenderProgram } from '../templates/program.js';
import type { Endpoint } from './endpoint.js';

export class PoolTables {
  tables: SummaryTables;
  private readonly found = new Map<string, EngineModels>();

  constructor(
    parameters: SummaryParameters,
    /** Configured names of the base model. */
    private readonly bases: readonly string[],
    private readonly changed: () => void,
  ) {
    this.tables = { parameters, models: [], endpoints: [], programs: [] };
    this.tables = { ...this.tables, models: this.modelList() };
  }

  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.set({
      endpoints: endpoints.map(({ id, config, ready }): SummaryEndpoint => {
        const { address, name, namespace, rank } = config;
        return { id, address, name, namespace, rank, ready };
      }),
    });
  }

  setPrograms(programs: readonly RenderProgram[]): void {
    this.set({ programs });
  }

  /** What the engine at `url` says that it serves. */
  setModels(url: string, models: EngineModels): void {
    this.found.set(url, models);
    const list = this.modelList();
    if (JSON.stringify(list) !== JSON.stringify(this.tables.models)) this.set({ models: list });
  }

  private modelList(): SummaryModel[] {
    const found = [...this.found.values()];
    const bases = new Set([...this.bases, ...found.flatMap((models) => models.bases)]);
    const adapters = new Set(found.flatMap((models) => models.adapters).filter((name) => !bases.has(name)));
    return [...[...bases].map((name) => ({ name, adapter: false })), ...[...adapters].map((name) => ({ name, adapter: true }))];
  }

  private set(change: Partial<SummaryTables>): void {
    this.tables = { ...this.tables, ...change };
    this.changed();
  }
}
