/**
 * Virtual time for simulations: one clock for the world, a view of it for each simulated process.
 *
 * V1  Timers fire in the order of their due time, equal ones in the order in which they were set. After each one,
 *     everything that its promises set off runs before the next fires, so one seed is one history.
 * V2  A frozen process runs no timer; when it thaws, the overdue ones fire in the order in which they came due. A dead
 *     one never runs any.
 */
import type { Clock, Timer } from '../../platform/clock.ts';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

const START_WALL_MS = 1_700_000_000_000;

export class SimClock implements Clock {
  /** A binary heap by due time, then order. */
  readonly #heap: Entry[] = [];
  #nowMs = 0;
  #order = 0;
  #fired = 0;

  /** Timers fired so far: what a history costs. */
  get fired(): number {
    return this.#fired;
  }

  wallMs(): number {
    return START_WALL_MS + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    const entry: Entry = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(entry);
    return { cancel: () => (entry.run = undefined) };
  }

  setInterval(run: () => void, periodMs: number): Timer {
    return repeat(this, run, periodMs);
  }

  defer(run: () => void): void {
    this.setTimeout(run, 0);
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<boolean> {
    return sleepOn(this, durationMs, signal);
  }

  /** Fires what comes due until `untilMs`, or until `isOver` says so between two timers. */
  run(untilMs: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (isOver() || !this.#fireNext(untilMs)) resolve();
          else setImmediate(step);
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(step);
    });
  }

  #fireNext(untilMs: number): boolean {
    for (let next = this.#heap[0]; next !== undefined && next.dueMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      if (next.run === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#fired += 1;
      next.run();
      return true;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** One process's view of the time (V2). */
export class ProcessClock implements Clock {
  readonly #world: SimClock;
  #state: 'running' | 'frozen' | 'dead' = 'running';
  #overdue: (() => void)[] = [];
  /** How wrong its wall clock is; a step of it is a change of this. */
  wallOffsetMs = 0;

  constructor(world: SimClock) {
    this.#world = world;
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  wallMs(): number {
    return this.#world.wallMs() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#world.monotonicMs();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    if (this.#state === 'dead') return { cancel: () => {} };
    let wanted = true;
    const timer = this.#world.setTimeout(() => this.#fire(() => wanted && run()), delayMs);
    return {
      cancel: () => {
        wanted = false;
        timer.cancel();
      },
    };
  }

  setInterval(run: () => void, periodMs: number): Timer {
    return repeat(this, run, periodMs);
  }

  defer(run: () => void): void {
    this.setTimeout(run, 0);
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<boolean> {
    return sleepOn(this, durationMs, signal);
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    for (const run of this.#overdue.splice(0)) this.#world.setTimeout(() => this.#fire(run), 0);
  }

  die(): void {
    this.#state = 'dead';
    this.#overdue = [];
  }

  #fire(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'frozen') this.#overdue.push(run);
  }
}

function repeat(clock: Clock, run: () => void, periodMs: number): Timer {
  let timer = clock.setTimeout(fire, periodMs);
  let stopped = false;
  function fire(): void {
    run();
    if (!stopped) timer = clock.setTimeout(fire, periodMs);
  }
  return {
    cancel: () => {
      stopped = true;
      timer.cancel();
    },
  };
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
