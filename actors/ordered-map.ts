/**
 * An ordered map in blocks: a channel's members, a user's memberships. Ids stand in order, cut into blocks of bounded
 * size, so that one look-up, one change and one page each cost one block, at ten ids and at a hundred thousand.
 * A block is also the unit of a snapshot: only changed blocks are written again.
 *
 * Invariants:
 * O1  Keys rise strictly within a block and from block to block.
 * O2  Block i holds exactly the keys k with blocks[i].from <= k < blocks[i + 1].from; the first block's `from` is ''.
 * O3  A block never shrinks to nothing by merging: blocks are only ever split, so a stored block's range only narrows
 *     at its upper end.
 */
import { assert } from '../platform/assert.ts';

export interface Block<K extends string, V> {
  /** Lowest key that belongs here; '' for the first block. */
  readonly from: string;
  readonly keys: K[];
  readonly values: V[];
  /** Changed since it was last stored. */
  dirty: boolean;
  /** Its name among the stored blocks of its owner; 0 while it has none. */
  part: number;
  /** Where its stored form stands, for compare-and-set; 0 while there is none. */
  storedSequence: number;
}

export class OrderedMap<K extends string, V> {
  readonly #keysPerBlockMax: number;
  #blocks: Block<K, V>[] = [newBlock<K, V>('')];
  #size = 0;

  constructor(keysPerBlockMax: number) {
    assert(keysPerBlockMax >= 2, 'ordered-map/block-size');
    this.#keysPerBlockMax = keysPerBlockMax;
  }

  get size(): number {
    return this.#size;
  }

  get blocks(): readonly Block<K, V>[] {
    return this.#blocks;
  }

  has(key: K): boolean {
    const block = this.#blockOf(key);
    return block.keys[lowerBound(block.keys, key)] === key;
  }

  get(key: K): V | undefined {
    const block = this.#blockOf(key);
    const at = lowerBound(block.keys, key);
    return block.keys[at] === key ? block.values[at] : undefined;
  }

  /** True when the key was not there. */
  set(key: K, value: V): boolean {
    const index = this.#indexOf(key);
    const block = this.#at(index);
    const at = lowerBound(block.keys, key);
    block.dirty = true;
    if (block.keys[at] === key) {
      block.values[at] = value;
      return false;
    }
    block.keys.splice(at, 0, key);
    block.values.splice(at, 0, value);
    this.#size += 1;
    if (block.keys.length > this.#keysPerBlockMax) this.#split(index);
    return true;
  }

  /** True when the key was there. */
  delete(key: K): boolean {
    const block = this.#blockOf(key);
    const at = lowerBound(block.keys, key);
    if (block.keys[at] !== key) return false;
    block.keys.splice(at, 1);
    block.values.splice(at, 1);
    block.dirty = true;
    this.#size -= 1;
    return true;
  }

  /** At most `limit` keys in order, after `after` (undefined: from the first). */
  page(after: K | undefined, limit: number): K[] {
    const page: K[] = [];
    let index = after === undefined ? 0 : this.#indexOf(after);
    let at = after === undefined ? 0 : upperBound(this.#at(index).keys, after);
    while (page.length < limit && index < this.#blocks.length) {
      const { keys } = this.#at(index);
      const take = Math.min(limit - page.length, keys.length - at);
      for (let i = 0; i < take; i++) page.push(keys[at + i] as K);
      index += 1;
      at = 0;
    }
    return page;
  }

  *entries(): Generator<readonly [K, V]> {
    for (const { keys, values } of this.#blocks) {
      for (const [i, key] of keys.entries()) yield [key, values[i] as V];
    }
  }

  /** Puts stored blocks in place of everything; they must satisfy O1 and O2. */
  restore(blocks: Block<K, V>[]): void {
    assert(blocks[0]?.from === '', 'ordered-map/restore-covers-everything');
    this.#blocks = blocks;
    this.#size = blocks.reduce((sum, block) => sum + block.keys.length, 0);
  }

  #split(index: number): void {
    const block = this.#at(index);
    const middle = block.keys.length >> 1;
    const right = newBlock<K, V>(block.keys[middle] as K, block.keys.splice(middle), block.values.splice(middle));
    right.dirty = true;
    this.#blocks.splice(index + 1, 0, right);
  }

  #blockOf(key: K): Block<K, V> {
    return this.#at(this.#indexOf(key));
  }

  #at(index: number): Block<K, V> {
    return this.#blocks[index] as Block<K, V>;
  }

  /** The last block whose `from` is not after the key. */
  #indexOf(key: K): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#at(middle).from <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

export function newBlock<K extends string, V>(from: string, keys: K[] = [], values: V[] = []): Block<K, V> {
  return { from, keys, values, dirty: false, part: 0, storedSequence: 0 };
}

/** The first index whose key is not below `key`. */
function lowerBound<K extends string>(keys: readonly K[], key: K): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as K) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first index whose key is above `key`. */
function upperBound<K extends string>(keys: readonly K[], key: K): number {
  const at = lowerBound(keys, key);
  return keys[at] === key ? at + 1 : at;
}
