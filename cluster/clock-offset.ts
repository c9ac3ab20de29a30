/**
 * How far another node's wall clock is from ours, from the times in its heartbeats, and whose clock is off. Pure.
 *
 * Invariants:
 * O1  A delay on the way only makes the difference larger, so the smallest of the last samples is the best one.
 * O2  Nobody's clock is the right one: a clock is off when it is far from the median of all. So at least one is not.
 */
import { limits } from '../platform/limits.ts';

export class ClockOffset {
  readonly #samplesMs: number[] = [];

  /** Our clock minus the sender's, at receipt. */
  add(differenceMs: number): void {
    this.#samplesMs.push(differenceMs);
    if (this.#samplesMs.length > limits.clockSamplesCount) this.#samplesMs.shift();
  }

  estimateMs(): number | undefined {
    return this.#samplesMs.length === 0 ? undefined : Math.min(...this.#samplesMs);
  }
}

/** The keys whose clock is further than `maxMs` from the (lower) median. */
export function clocksOff<K>(offsetsMs: ReadonlyMap<K, number>, maxMs: number): ReadonlySet<K> {
  const sorted = [...offsetsMs.values()].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const off = new Set<K>();
  for (const [key, offset] of offsetsMs) if (Math.abs(offset - median) > maxMs) off.add(key);
  return off;
}
