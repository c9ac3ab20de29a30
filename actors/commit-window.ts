/**
 * When the turns of busy channels begin: spaced out, so that several posts share one append, one acknowledgement, one
 * write of their answers and one batch to each gateway. One clock ticks for all busy channels of a worker, so that what
 * different channels do shares the same writes too; a slower one ticks for the busiest.
 *
 * Invariants:
 * W1  A turn waits at most its channel's window (and the timer's own millisecond) after the one before it began.
 * W2  Only a channel under load waits: one whose last turns began at most `commitWindowMs` after the window of the one
 *     before was over, `commitWindowTurnsCount` times in a row. After a longer rest the next turn begins at once.
 * W3  The window is `commitWindowMs`, and `commitWindowWideMs` after a turn that found `commitWindowWideCount` messages.
 */
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { limits } from '../platform/limits.ts';

/** What one channel remembers of its turns. */
export class CommitPace {
  beganMs = Number.NEGATIVE_INFINITY;
  /** Turns in a row that began soon after the one before. */
  closeCount = 0;
  #isFull = false;

  /** How many messages its turn takes. */
  takes(messages: number): void {
    this.#isFull = messages >= limits.commitWindowWideCount;
  }

  get isBusy(): boolean {
    return this.closeCount >= limits.commitWindowTurnsCount;
  }

  /** W3 */
  get isWide(): boolean {
    return this.#isFull && this.isBusy;
  }
}

export class CommitWindow {
  readonly #clock: Clock;
  readonly #narrow: Tick;
  readonly #wide: Tick;
  readonly #waits: DurationTimer | undefined;

  constructor(clock: Clock, waits?: DurationTimer) {
    this.#clock = clock;
    this.#narrow = new Tick(clock, waits);
    this.#wide = new Tick(clock, waits);
    this.#waits = waits;
  }

  /** Before each turn. Undefined: begin now; else when it resolves. */
  enter(pace: CommitPace): Promise<void> | undefined {
    const nowMs = this.#clock.monotonicMs();
    const { isWide } = pace;
    const restMs = pace.beganMs + (isWide ? limits.commitWindowWideMs : limits.commitWindowMs) - nowMs;
    const isClose = restMs > -limits.commitWindowMs;
    pace.closeCount = isClose ? Math.min(pace.closeCount + 1, limits.commitWindowTurnsCount) : 0;
    if (restMs <= 0 || !pace.isBusy) {
      pace.beganMs = nowMs;
      this.#waits?.observe(0);
      return undefined;
    }
    const tick = isWide ? this.#wide : this.#narrow;
    const end = tick.wait(nowMs, Math.ceil(restMs));
    pace.beganMs = tick.endMs;
    return end;
  }
}

/** The next time at which turns begin that wait for one. */
class Tick {
  readonly #clock: Clock;
  readonly #waits: DurationTimer | undefined;
  #end: Promise<void> | undefined;
  /** When each turn that waits for the end came. */
  #enteredMs: number[] = [];
  endMs = 0;

  constructor(clock: Clock, waits: DurationTimer | undefined) {
    this.#clock = clock;
    this.#waits = waits;
  }

  /** `lengthMs`: from now to its end, if nobody waits for one yet. */
  wait(nowMs: number, lengthMs: number): Promise<void> {
    this.#enteredMs.push(nowMs);
    return (this.#end ??= this.#begin(nowMs, lengthMs));
  }

  #begin(nowMs: number, lengthMs: number): Promise<void> {
    this.endMs = nowMs + lengthMs;
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
