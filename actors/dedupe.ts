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

interface Entry extends Remembered {
  readonly author: string;
  readonly mutation: string;
  count: number;
}

export class Dedupe {
  readonly #entriesMax: number;
  /** By the id alone, which is hashed once: a key that names the author too would be made and hashed for every post. */
  readonly #seen = new Map<string, Entry>();
  /** What another author's same id keeps from standing there, by author and id. Nearly always empty. */
  readonly #others = new Map<string, Entry>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#seen.size + this.#others.size;
  }

  find(author: UserId | TeamId, mutation: MutationId): Remembered | undefined {
    return this.#entry(author, mutation);
  }

  /** An event of the same mutation right behind the last one extends it. */
  remember(author: UserId | TeamId, mutation: MutationId, seq: number): void {
    const known = this.#entry(author, mutation);
    if (known === undefined) this.#add({ author, mutation, seq, count: 1 });
    else if (known.seq + known.count === seq) known.count += 1;
  }

  /** Of the mutations behind `afterSeq`, oldest first. */
  rows(afterSeq = 0): DedupeRow[] {
    const rows: DedupeRow[] = [];
    for (const entries of [this.#seen, this.#others]) {
      for (const { author, mutation, seq, count } of entries.values()) {
        if (seq > afterSeq) rows.push([author, mutation, seq, count]);
      }
    }
    return this.#others.size === 0 ? rows : rows.sort((a, b) => a[2] - b[2]);
  }

  /** Rows of mutations newer than those that are there. */
  restore(rows: readonly DedupeRow[]): void {
    for (const [author, mutation, seq, count] of rows) this.#add({ author, mutation, seq, count });
  }

  #entry(author: string, mutation: string): Entry | undefined {
    const entry = this.#seen.get(mutation);
    if (entry?.author === author) return entry;
    return this.#others.size === 0 ? undefined : this.#others.get(otherKey(author, mutation));
  }

  #add(entry: Entry): void {
    if (this.size >= this.#entriesMax) this.#forgetOldest();
    const { author, mutation } = entry;
    if (this.#seen.has(mutation)) this.#others.set(otherKey(author, mutation), entry);
    else this.#seen.set(mutation, entry);
  }

  #forgetOldest(): void {
    const [first] = this.#seen.values();
    const [other] = this.#others.size === 0 ? [] : this.#others.values();
    if (first !== undefined && (other === undefined || first.seq < other.seq)) this.#seen.delete(first.mutation);
    else if (other !== undefined) this.#others.delete(otherKey(other.author, other.mutation));
  }
}

/** Ids hold no spaces. */
function otherKey(author: string, mutation: string): string {
  return `${author} ${mutation}`;
}
