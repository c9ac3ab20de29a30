/**
 * When the turns of busy channels begin: spaced out, so that several posts share one append, one acknowledgement, one
 * write of their answers and one batch to each gateway. One clock ticks for all busy channels of a worker, so that what
 * different channels do shares the same writes too.
 *
 * Invariants:
 * W1  A turn waits at most `commitWindowMs` (and the timer's own millisecond) after the one before it began.
 * W2  Only a channel under load waits: one whose last turns began within two windows of each other,
 *     `commitWindowTurnsCount` times in a row. After a rest of two windows the next turn begins at once.
 */
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { limits } from '../platform/limits.ts';

/** What one channel remembers of its turns. */
export class CommitPace {
  beganMs = Number.NEGATIVE_INFINITY;
  /** Turns in a row that began soon after the one before. */
  closeCount = 0;
}

export class CommitWindow {
  readonly #clock: Clock;
  readonly #waits: DurationTimer | undefined;
  #end: Promise<void> | undefined;
  #endMs = 0;
  /** When each turn that waits for the end came. */
  #enteredMs: number[] = [];

  constructor(clock: Clock, waits?: DurationTimer) {
    this.#clock = clock;
    this.#waits = waits;
  }

  /** Before each turn. Undefined: begin now; else when it resolves. */
  enter(pace: CommitPace): Promise<void> | undefined {
    const nowMs = this.#clock.monotonicMs();
    const restMs = pace.beganMs + limits.commitWindowMs - nowMs;
    const isClose = restMs > -limits.commitWindowMs;
    pace.closeCount = isClose ? Math.min(pace.closeCount + 1, limits.commitWindowTurnsCount) : 0;
    if (restMs <= 0 || pace.closeCount < limits.commitWindowTurnsCount) {
      pace.beganMs = nowMs;
      this.#waits?.observe(0);
      return undefined;
    }
    const end = (this.#end ??= this.#begin(nowMs, Math.ceil(restMs)));
    pace.beganMs = this.#endMs;
    this.#enteredMs.push(nowMs);
    return end;
  }

  #begin(nowMs: number, lengthMs: number): Promise<void> {
    this.#endMs = nowMs + lengthMs;
    return new Promise((resolve) => {
      this.#clock.setTimeout(() => {
        this.#end = undefined;
        this.#observeWaits();
        resolve();
      }, lengthMs);
    });
  }

  #observeWaits(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const enteredMs of this.#enteredMs) this.#waits?.observe(nowMs - enteredMs);
    this.#enteredMs = [];
  }
}
