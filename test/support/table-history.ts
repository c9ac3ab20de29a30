/**
 * Every table that a lab's cluster writes, and who serves what between them, checked as they come.
 *
 * T1  A slot's epoch never falls, and its owner changes only with it.
 * T2  The views that a node sees only go up.
 * T3  No slot has two hosts that serve it.
 */
import { expect } from 'vitest';
import { BUCKET_CLUSTER } from '../../broker/subjects.ts';
import { TABLE_KEY } from '../../cluster/table-follower.ts';
import type { SlotRow } from '../../protocol/cluster.ts';
import { decodeTable } from '../../protocol/table-codec.ts';
import type { ClusterLab, LabWorker } from './cluster-lab.ts';

/** The watcher's own connection: a lab's faults leave it alone. */
export const HISTORIAN = 'historian-1';

const stepMs = 4;

export class TableHistory {
  /** Tables written since it looks. */
  tables = 0;
  readonly #lab: ClusterLab;
  readonly #views = new Map<LabWorker, number>();
  #rows: readonly SlotRow[] = [];

  constructor(lab: ClusterLab) {
    this.#lab = lab;
    lab.hub
      .connect(HISTORIAN)
      .kv(BUCKET_CLUSTER)
      .watch(TABLE_KEY, (change) => {
        if (change.kind === 'put') this.#written(decodeTable(change.entry.value).rows);
      });
  }

  /** Advances step by step, looking after each. */
  async run(durationMs: number, look: () => void = () => {}): Promise<void> {
    for (let ms = 0; ms < durationMs; ms += stepMs) {
      await this.#lab.run(stepMs);
      this.#checkViews();
      this.unserved();
      look();
    }
  }

  /** Gives the time it took, in ms. */
  async until(what: string, withinMs: number, holds: () => boolean): Promise<number> {
    let tookMs = 0;
    for (; !holds(); tookMs += stepMs) {
      expect(tookMs, what).toBeLessThan(withinMs);
      await this.run(stepMs);
    }
    return tookMs;
  }

  /** Slots that nobody serves now (T3 for the others). */
  unserved(): number[] {
    const serving = new Map<number, string>();
    for (const { name, host, evicted } of this.#lab.workers) {
      if (!host.serving || evicted) continue;
      for (const slot of host.open_.keys()) {
        expect(serving.get(slot), `slot ${slot} is served twice, also by ${name}`).toBeUndefined();
        serving.set(slot, name);
      }
    }
    return this.#rows.flatMap((_, slot) => (serving.has(slot) ? [] : [slot]));
  }

  /** T1 */
  #written(rows: readonly SlotRow[]): void {
    this.tables += 1;
    for (const [slot, { owner, epoch }] of rows.entries()) {
      const before = this.#rows[slot];
      if (before === undefined) continue;
      expect(epoch, `the epoch of slot ${slot}`).toBeGreaterThanOrEqual(before.epoch);
      if (epoch === before.epoch && owner !== undefined) expect(owner, `the owner of slot ${slot}`).toBe(before.owner);
    }
    this.#rows = rows;
  }

  /** T2 */
  #checkViews(): void {
    for (const worker of this.#lab.workers) {
      const { view } = worker.node.table();
      expect(view, worker.name).toBeGreaterThanOrEqual(this.#views.get(worker) ?? 0);
      this.#views.set(worker, view);
    }
  }
}
