/**
 * How long something that arrives at this process's event loop has to wait for its turn.
 *
 * D1  Free of coordinated omission: a stall of 50 ms counts as the fifty arrivals, one a millisecond, that it would
 *     have kept waiting, for 50, 49, 48 … ms; not as one late timer.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { LatencyHistogram } from './histogram.ts';

const tickMs = 1;

export class LoopDelay {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'setInterval'>;
  readonly #delays = new LatencyHistogram();
  readonly #timer: Timer;
  #lastMs: number;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'setInterval'>) {
    this.#clock = clock;
    this.#lastMs = clock.monotonicMs();
    this.#timer = clock.setInterval(() => this.#tick(), tickMs);
  }

  /** What was seen since the start; it measures no longer. */
  stop(): LatencyHistogram {
    this.#timer.cancel();
    return this.#delays;
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const lateMs = Math.max(0, nowMs - this.#lastMs - tickMs);
    this.#lastMs = nowMs;
    for (let waitMs = lateMs; waitMs >= 0; waitMs -= tickMs) this.#delays.record(waitMs * 1_000);
  }
}
