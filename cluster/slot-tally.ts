/** Counts over a table's rows: how many are served, how many move, and who is named. Brought up to date row by row. */
import type { SlotRow } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';

export class SlotTally {
  readonly #named: Map<Incarnation, number>;
  /** Owned and stable. */
  #owned: number;
  #handoff: number;

  constructor(from?: SlotTally) {
    this.#named = new Map(from === undefined ? [] : from.#named);
    this.#owned = from === undefined ? 0 : from.#owned;
    this.#handoff = from === undefined ? 0 : from.#handoff;
  }

  get owned(): number {
    return this.#owned;
  }

  get handoff(): number {
    return this.#handoff;
  }

  /** Owners, and those who hand off. */
  members(): ReadonlySet<Incarnation> {
    return new Set(this.#named.keys());
  }

  add(row: SlotRow): void {
    this.#count(row, 1);
  }

  remove(row: SlotRow): void {
    this.#count(row, -1);
  }

  #count({ owner, from, state }: SlotRow, times: number): void {
    if (state === 'handoff') this.#handoff += times;
    else if (owner !== undefined) this.#owned += times;
    if (owner !== undefined) this.#name(owner, times);
    if (from !== undefined) this.#name(from, times);
  }

  #name(name: Incarnation, times: number): void {
    const count = (this.#named.get(name) ?? 0) + times;
    if (count === 0) this.#named.delete(name);
    else this.#named.set(name, count);
  }
}
