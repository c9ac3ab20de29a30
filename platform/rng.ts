/**
 * Randomness, injected. Secrets, ids and jitter all come from an Rng, so that a simulation can replay them.
 *
 * R1  Only `systemRng` is fit for secrets: it is the operating system's generator.
 * R2  A seeded Rng gives the same values for the same seed and the same calls, on every platform.
 * R3  `int` has no bias towards small values, whatever the bound.
 */
import { randomBytes } from 'node:crypto';
import { assert } from './assert.ts';

export type Rng = {
  bytes(count: number): Uint8Array;
  /** An integer in [0, bound). The bound is at most 2^32. */
  int(bound: number): number;
  /** A number in [0, 1) with 32 bits of randomness. */
  float(): number;
};

const uint32Count = 2 ** 32;
const poolBytes = 4_096;

/** Reads the operating system's generator in blocks: a call per id would cost more than the id. */
class SystemRng implements Rng {
  #pool = Buffer.alloc(0);
  #used = 0;

  bytes(count: number): Uint8Array {
    checkCount(count);
    return new Uint8Array(randomBytes(count));
  }

  int(bound: number): number {
    return unbiased(bound, () => this.#uint32());
  }

  float(): number {
    return this.#uint32() / uint32Count;
  }

  #uint32(): number {
    if (this.#used + 4 > this.#pool.length) {
      this.#pool = randomBytes(poolBytes);
      this.#used = 0;
    }
    const value = this.#pool.readUInt32LE(this.#used);
    // What was handed out is wiped, so that a heap dump does not show it.
    this.#pool.writeUInt32LE(0, this.#used);
    this.#used += 4;
    return value;
  }
}

export const systemRng: Rng = new SystemRng();

/** A repeatable generator (mulberry32) for tests, simulations and load generators; never for secrets (R1, R2). */
export class SeededRng implements Rng {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  bytes(count: number): Uint8Array {
    checkCount(count);
    const out = new Uint8Array(count);
    for (let at = 0; at < count; at += 1) out[at] = this.#uint32() & 0xff;
    return out;
  }

  int(bound: number): number {
    return unbiased(bound, () => this.#uint32());
  }

  float(): number {
    return this.#uint32() / uint32Count;
  }

  #uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

function unbiased(bound: number, uint32: () => number): number {
  assert(Number.isInteger(bound) && bound >= 1 && bound <= uint32Count, 'rng/int-bound', { bound });
  // Values above the largest multiple of the bound would favour small results (R3).
  const acceptBelow = uint32Count - (uint32Count % bound);
  for (;;) {
    const value = uint32();
    if (value < acceptBelow) return value % bound;
  }
}

function checkCount(count: number): void {
  assert(Number.isInteger(count) && count >= 0 && count <= 65_536, 'rng/byte-count', { count });
}
