/** A timer that keeps what it was told, for tests of who tells it. */
import type { DurationTimer } from '../../platform/duration-histogram.ts';

export class RecordedWaits implements DurationTimer {
  #seenMs: number[] = [];

  observe(durationMs: number): void {
    this.#seenMs.push(durationMs);
  }

  /** What was observed since the last call. */
  take(): readonly number[] {
    const seenMs = this.#seenMs;
    this.#seenMs = [];
    return seenMs;
  }
}
