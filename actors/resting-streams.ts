/**
 * The streams of one slot that rest: nobody works with them here, and somebody listens. All that is kept is where each
 * stands and who listens, in one block of memory per slot that the garbage collector need not look into: a worker holds
 * tens of millions of them, and a pause of its loop does not grow with their number.
 *
 * An open-addressing table of 24-byte records, probed linearly; a removal closes the gap behind it.
 *
 *   record  key (3 words, stream-key.ts; the first is 0 in an empty place), seq + 1 (2 words), number of the interest set
 *
 * Invariants:
 * RS1  A stream has at most one record, and no empty place stands between the place its key hashes to and its own.
 * RS2  Each record is one use of its interest set's number (interest.ts, I3).
 * RS3  At most three quarters of the places are taken. Before the table grows, it drops the records that only gateways
 *      that are gone listened to; it grows when that leaves more than three eighths.
 */
import { assert } from '../platform/assert.ts';
import type { StreamId } from '../protocol/ids.ts';
import { isNobody, type InterestSet, type InterestSets } from './interest.ts';
import { hasKey, keyWord, KEY_WORDS, streamOf } from './stream-key.ts';

export interface RestingStream {
  readonly stream: StreamId;
  /** As StreamEntry's: -1 where it is not known. */
  readonly seq: number;
  readonly interest: InterestSet;
}

const SEQ = KEY_WORDS;
const INTEREST = SEQ + 2;
const WORDS = INTEREST + 1;
const TWO_32 = 2 ** 32;
const PLACES_MIN = 8;

export class RestingStreams {
  readonly #interests: InterestSets;
  #words = new Uint32Array(0);
  /** A power of two, or 0. */
  #places = 0;
  #size = 0;

  constructor(interests: InterestSets) {
    this.#interests = interests;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  get(stream: StreamId): RestingStream | undefined {
    const at = this.#find(stream);
    return at < 0 ? undefined : this.#record(stream, at);
  }

  /** As `get`, and it rests no longer. */
  take(stream: StreamId): RestingStream | undefined {
    const at = this.#find(stream);
    if (at < 0) return undefined;
    const record = this.#record(stream, at);
    this.#interests.release(this.#word(at + INTEREST));
    this.#close(at / WORDS);
    this.#size -= 1;
    return record;
  }

  /** A stream that is not here yet. False: its id is too long, it cannot rest. */
  put({ stream, seq, interest }: RestingStream): boolean {
    if (!hasKey(stream)) return false;
    if ((this.#size + 1) * 4 > this.#places * 3) this.#makeRoom();
    const [word0, word1, word2] = [keyWord(stream, 0), keyWord(stream, 1), keyWord(stream, 2)];
    const at = this.#probe(word0, word1, word2);
    assert(this.#words[at] === 0, 'resting-streams/once', { stream });
    this.#words[at] = word0;
    this.#words[at + 1] = word1;
    this.#words[at + 2] = word2;
    this.#words[at + SEQ] = (seq + 1) % TWO_32;
    this.#words[at + SEQ + 1] = Math.floor((seq + 1) / TWO_32);
    this.#words[at + INTEREST] = this.#interests.use(interest);
    this.#size += 1;
    return true;
  }

  /** In no order. Nothing may be put or taken meanwhile. */
  *[Symbol.iterator](): Generator<RestingStream> {
    for (let at = 0; at < this.#words.length; at += WORDS) if (this.#words[at] !== 0) yield this.#record(undefined, at);
  }

  clear(): void {
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (this.#words[at] !== 0) this.#interests.release(this.#word(at + INTEREST));
    }
    this.#words = new Uint32Array(0);
    this.#places = 0;
    this.#size = 0;
  }

  #record(stream: StreamId | undefined, at: number): RestingStream {
    return {
      stream: stream ?? streamOf(this.#word(at), this.#word(at + 1), this.#word(at + 2)),
      seq: this.#word(at + SEQ + 1) * TWO_32 + this.#word(at + SEQ) - 1,
      interest: this.#interests.of(this.#word(at + INTEREST)),
    };
  }

  #word(at: number): number {
    return this.#words[at] as number;
  }

  /** Where the stream's record begins; -1: it has none. */
  #find(stream: StreamId): number {
    if (this.#size === 0 || !hasKey(stream)) return -1;
    const at = this.#probe(keyWord(stream, 0), keyWord(stream, 1), keyWord(stream, 2));
    return this.#words[at] === 0 ? -1 : at;
  }

  /** Where the key's record begins, or the empty place that it would take. */
  #probe(word0: number, word1: number, word2: number): number {
    const words = this.#words;
    for (let place = this.#home(word0, word1, word2); ; place = (place + 1) & (this.#places - 1)) {
      const at = place * WORDS;
      if (words[at] === 0) return at;
      if (words[at] === word0 && words[at + 1] === word1 && words[at + 2] === word2) return at;
    }
  }

  #home(word0: number, word1: number, word2: number): number {
    let hash = Math.imul(word0, 0x9e3779b1) ^ Math.imul(word1, 0x85ebca6b) ^ Math.imul(word2, 0xc2b2ae35);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    hash ^= hash >>> 13;
    return (hash >>> 0) & (this.#places - 1);
  }

  #homeOf(place: number): number {
    const at = place * WORDS;
    return this.#home(this.#word(at), this.#word(at + 1), this.#word(at + 2));
  }

  /** Empties a place: each record behind it that may stand there moves up, so that no probe ends too early (RS1). */
  #close(place: number): void {
    const mask = this.#places - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; this.#words[next * WORDS] !== 0; next = (next + 1) & mask) {
      const probed = (next - this.#homeOf(next)) & mask;
      if (probed < ((next - hole) & mask)) continue;
      this.#words.copyWithin(hole * WORDS, next * WORDS, (next + 1) * WORDS);
      hole = next;
    }
    this.#words[hole * WORDS] = 0;
  }

  /** RS3 */
  #makeRoom(): void {
    const old = this.#words;
    const wanted = this.#dropDeaf();
    const places = this.#places === 0 ? PLACES_MIN : wanted * 8 > this.#places * 3 ? this.#places * 2 : this.#places;
    this.#words = new Uint32Array(places * WORDS);
    this.#places = places;
    this.#size = wanted;
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at] === 0) continue;
      const to = this.#probe(old[at] as number, old[at + 1] as number, old[at + 2] as number);
      for (let i = 0; i < WORDS; i++) this.#words[to + i] = old[at + i] as number;
    }
  }

  /** Empties the places of records that nobody listens to any more, for a table about to be built anew; says what is left. */
  #dropDeaf(): number {
    let left = 0;
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (this.#words[at] === 0) continue;
      const number = this.#word(at + INTEREST);
      if (isNobody(this.#interests.of(number))) {
        this.#interests.release(number);
        this.#words[at] = 0;
      } else left += 1;
    }
    return left;
  }
}
