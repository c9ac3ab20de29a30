/**
 * Time, injected. Only platform/ touches Date.now and the runtime's timers; everything else is handed a Clock.
 *
 * C1  `wallMs` may step backwards (NTP, suspend); `monotonicMs` never does. Durations and deadlines use the
 *     second, time stamps that people see use the first.
 * C2  A cancelled timer never fires, and cancelling twice is harmless.
 * C3  A ManualClock moves only in advance(): timers fire in the order of their due time, equal ones in the order
 *     in which they were set, each with `monotonicMs` at its due time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from './assert.ts';
import { SharedTicks } from './shared-ticks.ts';

export type Timer = { cancel(): void };

export type Clock = {
  /** Milliseconds since the Unix epoch, with a fraction where the platform has one. Can step backwards. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, with a fraction. Never decreases. */
  monotonicMs(): number;
  setTimeout(run: () => void, delayMs: number): Timer;
  setInterval(run: () => void, periodMs: number): Timer;
  /** Runs once the I/O events of this turn of the event loop are handled. */
  defer(run: () => void): void;
  /** True when the time has passed, false when `signal` aborted first; it never rejects. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<boolean>;
};

/** Beyond this Node fires at once instead of later. */
const delayMsMax = 2 ** 31 - 1;

/** Shorter intervals are for pace and keep their own time; longer ones are too rare to matter. */
const sharedPeriodMs = { min: 20, max: 1_000 } as const;

const sharedTicks = new SharedTicks({
  nowMs: () => performance.now(),
  setTimeout: (run, delayMs) => systemClock.setTimeout(run, delayMs),
});

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout(run, delayMs) {
    checkDelay(delayMs);
    const handle = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  setInterval(run, periodMs) {
    checkPeriod(periodMs);
    if (periodMs >= sharedPeriodMs.min && periodMs <= sharedPeriodMs.max) return sharedTicks.add(run, periodMs);
    const handle = setInterval(run, periodMs);
    return { cancel: () => clearInterval(handle) };
  },
  defer: (run) => void setImmediate(run),
  sleep: (durationMs, signal) => sleepOn(systemClock, durationMs, signal),
};

type PendingTimer = { dueMs: number; order: number; periodMs: number | undefined; run: () => void };

/** A clock for tests and simulations. It starts at the given times and stands still between advances (C3). */
export class ManualClock implements Clock {
  readonly #pending = new Set<PendingTimer>();
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;

  constructor(startWallMs = 1_700_000_000_000) {
    this.#wallMs = startWallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    checkDelay(delayMs);
    return this.#add(run, delayMs, undefined);
  }

  setInterval(run: () => void, periodMs: number): Timer {
    checkPeriod(periodMs);
    return this.#add(run, periodMs, periodMs);
  }

  /** A turn has no end of its own here: it runs in the next advance(), before any time passes. */
  defer(run: () => void): void {
    this.#add(run, 0, undefined);
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<boolean> {
    return sleepOn(this, durationMs, signal);
  }

  /** Moves both clocks on and fires what comes due, timers set by other timers included. */
  advance(durationMs: number): void {
    assert(durationMs >= 0, 'clock/advance-goes-forward', { durationMs });
    const untilMs = this.#monotonicMs + durationMs;
    for (let due = this.#nextDue(untilMs); due !== undefined; due = this.#nextDue(untilMs)) this.#fire(due);
    this.#moveTo(untilMs);
  }

  /** As advance(), and lets everything that a timer's promises set off run before the next timer fires. */
  async advanceAndSettle(durationMs: number): Promise<void> {
    assert(durationMs >= 0, 'clock/advance-goes-forward', { durationMs });
    const untilMs = this.#monotonicMs + durationMs;
    await nextTurn();
    for (let due = this.#nextDue(untilMs); due !== undefined; due = this.#nextDue(untilMs)) {
      this.#fire(due);
      await nextTurn();
    }
    this.#moveTo(untilMs);
  }

  /** Steps the wall clock alone, as NTP does; the monotonic clock and the timers do not notice (C1). */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #add(run: () => void, delayMs: number, periodMs: number | undefined): Timer {
    this.#order += 1;
    const timer: PendingTimer = { dueMs: this.#monotonicMs + delayMs, order: this.#order, periodMs, run };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  #nextDue(untilMs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#pending) {
      if (timer.dueMs > untilMs) continue;
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    return next;
  }

  #fire(timer: PendingTimer): void {
    this.#moveTo(Math.max(this.#monotonicMs, timer.dueMs));
    if (timer.periodMs === undefined) {
      this.#pending.delete(timer);
    } else {
      timer.dueMs += timer.periodMs;
      this.#order += 1;
      timer.order = this.#order;
    }
    timer.run();
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

function sleepOn(clock: Clock, durationMs: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted === true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onAbort = (): void => {
      timer.cancel();
      resolve(false);
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve(true);
    }, durationMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function checkDelay(delayMs: number): void {
  assert(delayMs >= 0 && delayMs <= delayMsMax, 'clock/delay-in-range', { delayMs });
}

function checkPeriod(periodMs: number): void {
  assert(periodMs > 0 && periodMs <= delayMsMax, 'clock/period-in-range', { periodMs });
}
