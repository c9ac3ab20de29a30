/**
 * Intervals of one process that fire together: each at multiples of its period on the same clock, and what is due at the
 * same time with one timer. Waking a process costs as much as a message does, and an idle one did little else.
 *
 * T1  An interval first fires between a half and one and a half of its periods after it was set, then each period.
 *     What a stall made it miss is not made up for.
 * T2  A timer stands only while somebody waits for it.
 */
interface Cancellable {
  cancel(): void;
}

export interface TickTimers {
  nowMs(): number;
  setTimeout(run: () => void, delayMs: number): Cancellable;
}

interface Due {
  readonly ticks: Set<Tick>;
  readonly timer: Cancellable;
}

interface Tick {
  readonly periodMs: number;
  readonly run: () => void;
  /** When it fires next; undefined after it was cancelled. */
  dueMs: number | undefined;
}

export class SharedTicks {
  readonly #timers: TickTimers;
  readonly #due = new Map<number, Due>();

  constructor(timers: TickTimers) {
    this.#timers = timers;
  }

  add(run: () => void, periodMs: number): Cancellable {
    const tick: Tick = { periodMs, run, dueMs: undefined };
    this.#plan(tick);
    return { cancel: () => this.#cancel(tick) };
  }

  #plan(tick: Tick): void {
    const nowMs = this.#timers.nowMs();
    const dueMs = Math.ceil(nowMs / tick.periodMs + 0.5) * tick.periodMs;
    tick.dueMs = dueMs;
    const due = this.#due.get(dueMs);
    if (due !== undefined) return void due.ticks.add(tick);
    const timer = this.#timers.setTimeout(() => this.#fire(dueMs), Math.ceil(dueMs - nowMs));
    this.#due.set(dueMs, { ticks: new Set([tick]), timer });
  }

  #fire(dueMs: number): void {
    const ticks = [...(this.#due.get(dueMs)?.ticks ?? [])];
    this.#due.delete(dueMs);
    for (const tick of ticks) this.#plan(tick);
    for (const tick of ticks) if (tick.dueMs !== undefined) tick.run();
  }

  #cancel(tick: Tick): void {
    const { dueMs } = tick;
    tick.dueMs = undefined;
    const due = dueMs === undefined ? undefined : this.#due.get(dueMs);
    if (dueMs === undefined || due === undefined) return;
    due.ticks.delete(tick);
    if (due.ticks.size > 0) return;
    due.timer.cancel();
    this.#due.delete(dueMs);
  }
}
