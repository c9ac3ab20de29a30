/**
 * Work that may wait a turn: done in the order in which it came, until the turn of the event loop has had its share of
 * it; the rest in the next one, behind heartbeats and what is live. Who adds work bounds how much of it there is.
 */
import type { Clock } from '../platform/clock.ts';

export class TurnSlices {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly #sliceMs: number;
  readonly #waiting: (() => void)[] = [];
  /** When this turn's share is used up; undefined: nothing was done in it yet. */
  #endMs: number | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'defer'>, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  run(work: () => void): void {
    if (this.#waiting.length === 0 && this.#hasTime()) work();
    else this.#waiting.push(work);
  }

  #hasTime(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#endMs === undefined) {
      this.#endMs = nowMs + this.#sliceMs;
      this.#clock.defer(() => this.#turn());
    }
    return nowMs < this.#endMs;
  }

  #turn(): void {
    this.#endMs = undefined;
    while (this.#waiting.length > 0 && this.#hasTime()) this.#waiting.shift()?.();
  }
}
