/**
 * How fast something that only grows is growing, look by look. A count that is lower than the last one was began anew:
 * the step in which that happened is left out.
 */
import type { Clock } from '../platform/clock.ts';

export type RatePoint = {
  /** Since the meter was made. */
  readonly atSeconds: number;
  /** Mean over the step that ends there. */
  readonly perSecond: number;
};

export class RateMeter {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #points: RatePoint[] = [];
  #lastMs: number;
  #lastCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#lastMs = this.#startMs;
  }

  add(count: number): void {
    const nowMs = this.#clock.monotonicMs();
    const stepMs = nowMs - this.#lastMs;
    if (stepMs > 0 && count >= this.#lastCount) {
      const perSecond = ((count - this.#lastCount) * 1_000) / stepMs;
      this.#points.push({ atSeconds: (nowMs - this.#startMs) / 1_000, perSecond });
    }
    this.#lastMs = nowMs;
    this.#lastCount = count;
  }

  points(): readonly RatePoint[] {
    return [...this.#points];
  }
}
