/**
 * What a stream remembers of its latest mutations, so that a retry finds the first result (G3).
 *
 * Invariants:
 * D1  Keyed by author and mutation: another author's same id is a different mutation.
 * D2  Bounded: at `entriesMax` the oldest is forgotten; of several authors' same id, the later ones may be kept longer.
 *     Posts have a map of their own, so that joins and leaves never push a message out of the last thousand.
 */
import type { MutationId, TeamId, UserId } from '../protocol/ids.ts';

type AuthorId = UserId | TeamId;

/** The seq of a mutation's first event, and how many events it made. */
export interface Remembered {
  readonly seq: number;
  readonly count: number;
}
/** author, mutation, seq, count: how a snapshot keeps it. */
export type DedupeRow = readonly [string, string, number, number];

/** By the id alone, which comes with its hash: a key of both would be made and hashed for every post. */
interface Entry extends Remembered {
  readonly author: AuthorId;
  count: number;
  /** Another author's, of the same id and before it. */
  before: Entry | undefined;
}

export class Dedupe {
  readonly #entriesMax: number;
  readonly #seen = new Map<MutationId, Entry>();
  #size = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#size;
  }

  find(author: AuthorId, mutation: MutationId): Remembered | undefined {
    return entryOf(this.#seen.get(mutation), author);
  }

  /** An event of the same mutation right behind the last one extends it. */
  remember(author: AuthorId, mutation: MutationId, seq: number): void {
    const known = entryOf(this.#seen.get(mutation), author);
    if (known === undefined) this.#add(author, mutation, seq, 1);
    else if (known.seq + known.count === seq) known.count += 1;
  }

  /** Of the mutations behind `afterSeq`, oldest first. */
  rows(afterSeq = 0): DedupeRow[] {
    const rows: DedupeRow[] = [];
    for (const [mutation, newest] of this.#seen) {
      const row = ({ author, seq, count }: Entry): DedupeRow => [author, mutation, seq, count];
      if (newest.before !== undefined) rows.push(...oldestFirst(newest).filter(({ seq }) => seq > afterSeq).map(row));
      else if (newest.seq > afterSeq) rows.push(row(newest));
    }
    return rows;
  }

  /** Rows of mutations newer than those that are there. */
  restore(rows: readonly DedupeRow[]): void {
    for (const [author, mutation, seq, count] of rows) {
      this.#add(author as AuthorId, mutation as MutationId, seq, count);
    }
  }

  #add(author: AuthorId, mutation: MutationId, seq: number, count: number): void {
    if (this.#size >= this.#entriesMax) this.#forgetOldest();
    this.#seen.set(mutation, { author, seq, count, before: this.#seen.get(mutation) });
    this.#size += 1;
  }

  #forgetOldest(): void {
    for (const [mutation, newest] of this.#seen) {
      this.#size -= 1;
      this.#seen.delete(mutation);
      if (newest.before === undefined) return;
      const [, second] = oldestFirst(newest);
      if (second !== undefined) second.before = undefined;
      this.#seen.set(mutation, newest);
      return;
    }
  }
}

function entryOf(newest: Entry | undefined, author: AuthorId): Entry | undefined {
  let entry = newest;
  while (entry !== undefined && entry.author !== author) entry = entry.before;
  return entry;
}

function oldestFirst(newest: Entry): Entry[] {
  const entries: Entry[] = [];
  for (let entry: Entry | undefined = newest; entry !== undefined; entry = entry.before) entries.push(entry);
  return entries.reverse();
}
