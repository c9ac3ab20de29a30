/**
 * The directory's memory: records of one kind by id, in the order of their ids, kept current by the bucket's watch.
 *
 * Invariants:
 * X1  A record is replaced only by one of a higher revision: a late hint never undoes what this process wrote or read.
 * X2  The order is that of the ids, so that a page after an id is the same whatever came in between.
 * X3  It holds what it was told, and may lack what it was not: who must be sure reads the bucket.
 */
import { limits } from '../platform/limits.ts';

export interface IndexedRecord {
  readonly id: string;
}

/** Beyond so many new ids sorting all again is cheaper than inserting each. */
const INSERT_ONE_BY_ONE_MAX = 64;

export class DirectoryIndex<T extends IndexedRecord> {
  readonly #records = new Map<string, { readonly record: T; readonly revision: number }>();
  /** Sorted; may lack ids that are in `#unsorted`, and hold ids that were removed. */
  #sorted: string[] = [];
  #unsorted: string[] = [];

  get size(): number {
    return this.#records.size;
  }

  /** True: what is new is not taken in, and creating more is refused. */
  get full(): boolean {
    return this.#records.size >= limits.directoryEntriesMax;
  }

  get(id: string): T | undefined {
    return this.#records.get(id)?.record;
  }

  apply(record: T, revision: number): boolean {
    const known = this.#records.get(record.id);
    if (known === undefined ? this.full : known.revision >= revision) return false;
    this.#records.set(record.id, { record, revision });
    if (known === undefined) this.#unsorted.push(record.id);
    return true;
  }

  remove(id: string, revision: number): void {
    const known = this.#records.get(id);
    if (known === undefined || known.revision >= revision) return;
    this.#records.delete(id);
    this.#settle();
    this.#sorted = this.#sorted.filter((other) => other !== id);
  }

  /** Up to `limit` records with ids above `after` that pass `keep`, and whether there are more. */
  page(after: string, limit: number, keep: (record: T) => boolean = () => true): { records: T[]; more: boolean } {
    this.#settle();
    const records: T[] = [];
    for (let at = firstAbove(this.#sorted, after); at < this.#sorted.length; at++) {
      const record = this.get(this.#sorted[at] ?? '');
      if (record === undefined || !keep(record)) continue;
      if (records.length === limit) return { records, more: true };
      records.push(record);
    }
    return { records, more: false };
  }

  #settle(): void {
    if (this.#unsorted.length === 0) return;
    if (this.#unsorted.length > INSERT_ONE_BY_ONE_MAX) {
      this.#sorted = this.#sorted.concat(this.#unsorted).sort();
    } else {
      for (const id of this.#unsorted) this.#sorted.splice(firstAbove(this.#sorted, id), 0, id);
    }
    this.#unsorted = [];
  }
}

/** The place of the first item above `id` in a sorted list. */
function firstAbove(sorted: readonly string[], id: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= id) low = middle + 1;
    else high = middle;
  }
  return low;
}
