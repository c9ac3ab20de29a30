/**
 * Work that may wait a turn: done in the order in which it came, until the turn of the event loop has had its share of
 * it; the rest in the next one, behind heartbeats and what is live. Who adds work bounds how much of it there is.
 */
import type { Clock } from './clock.ts';

export class TurnSlices {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly #sliceMs: number;
  #waiting: (() => void)[] = [];
  /** How many of those are done already. */
  #done = 0;
  /** When this turn's share is used up; undefined: nothing was done in it yet. */
  #endMs: number | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'defer'>, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  run(work: () => void): void {
    if (this.hasRoom()) work();
    else this.later(work);
  }

  /** Whether work may be done at once: none waits, and the turn has time. Where it may not, it is for `later`. */
  hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#hasTime();
  }

  /** Behind what waits. Only after `hasRoom` said no: that has seen to the next turn. */
  later(work: () => void): void {
    this.#waiting.push(work);
  }

  /** Does the first of what waits, whether there is time or not. */
  runNext(): void {
    const work = this.#waiting[this.#done];
    this.#done += 1;
    // Cut off in halves: one at a time takes quadratic time, and a queue that never ends would keep all it ever held.
    if (this.#done * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#done);
      this.#done = 0;
    }
    work?.();
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
    while (this.#waiting.length > 0 && this.#hasTime()) this.runNext();
  }
}
