/**
 * How far another node's clock is from ours, the wall clock or the monotonic one, from the times in its heartbeats, and whose clock is off. Pure.
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

/** The lower median; 0 of none. */
export function medianMs(offsetsMs: Iterable<number>): number {
  const sorted = [...offsetsMs].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

/** The keys whose clock is further than `maxMs` from the median (O2). */
export function clocksOff<K>(offsetsMs: ReadonlyMap<K, number>, maxMs: number): ReadonlySet<K> {
  const median = medianMs(offsetsMs.values());
  const off = new Set<K>();
  for (const [key, offset] of offsetsMs) if (Math.abs(offset - median) > maxMs) off.add(key);
  return off;
}
