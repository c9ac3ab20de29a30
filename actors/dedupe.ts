/**
 * What a stream remembers of its latest mutations, so that a retry finds the first result (G3).
 *
 * Invariants:
 * D1  Keyed by author and mutation: another author's same id is a different mutation.
 * D2  Bounded: at `entriesMax` the oldest is forgotten. Posts have a map of their own, so that joins and leaves never
 *     push a message out of the last thousand.
 */
import type { MutationId, TeamId, UserId } from '../protocol/ids.ts';

/** The seq of a mutation's first event, and how many events it made. */
export interface Remembered {
  readonly seq: number;
  readonly count: number;
}
/** author, mutation, seq, count: how a snapshot keeps it. */
export type DedupeRow = readonly [string, string, number, number];

const SEPARATOR = ' ';

export class Dedupe {
  readonly #entriesMax: number;
  readonly #seen = new Map<string, Remembered>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#seen.size;
  }

  find(author: UserId | TeamId, mutation: MutationId): Remembered | undefined {
    return this.#seen.get(author + SEPARATOR + mutation);
  }

  /** An event of the same mutation right behind the last one extends it. */
  remember(author: UserId | TeamId, mutation: MutationId, seq: number): void {
    const key = author + SEPARATOR + mutation;
    const known = this.#seen.get(key);
    if (known !== undefined) {
      if (known.seq + known.count === seq) this.#seen.set(key, { seq: known.seq, count: known.count + 1 });
      return;
    }
    if (this.#seen.size >= this.#entriesMax) this.#forgetOldest();
    this.#seen.set(key, { seq, count: 1 });
  }

  /** Of the mutations behind `afterSeq`, oldest first. */
  rows(afterSeq = 0): DedupeRow[] {
    const rows: DedupeRow[] = [];
    for (const [key, { seq, count }] of this.#seen) {
      if (seq <= afterSeq) continue;
      const cut = key.indexOf(SEPARATOR);
      rows.push([key.slice(0, cut), key.slice(cut + 1), seq, count]);
    }
    return rows;
  }

  /** Rows of mutations newer than those that are there. */
  restore(rows: readonly DedupeRow[]): void {
    for (const [author, mutation, seq, count] of rows) {
      if (this.#seen.size >= this.#entriesMax) this.#forgetOldest();
      this.#seen.set(author + SEPARATOR + mutation, { seq, count });
    }
  }

  #forgetOldest(): void {
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      return;
    }
  }
}
