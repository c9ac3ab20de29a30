/**
 * Open loop pacing: message i is due at start + i / rate, whatever became of the ones before it.
 *
 * E1  Latency counts from the time at which a message was due, not from when the generator got round to it: a server
 *     that stalls for a second makes a second's worth of late messages, not one.
 * E2  A generator that falls behind catches up at once; it never stretches the schedule.
 */
import type { Clock } from '../platform/clock.ts';
import type { MachineClock } from './machine-clock.ts';

export class Schedule {
  readonly startUs: number;
  readonly #periodUs: number;
  #count: number;
  #next = 0;

  /** `count` may be Infinity: until end() is called. */
  constructor(startUs: number, ratePerSecond: number, count: number) {
    this.startUs = startUs;
    this.#count = count;
    this.#periodUs = 1e6 / ratePerSecond;
  }

  get done(): boolean {
    return this.#next >= this.#count;
  }

  /** How many were taken. */
  get taken(): number {
    return this.#next;
  }

  /** Nothing more is due. */
  end(): void {
    this.#count = this.#next;
  }

  dueUs(index: number): number {
    return Math.round(this.startUs + index * this.#periodUs);
  }

  /** Takes the next message that is due at `nowUs`; undefined when none is. */
  take(nowUs: number): { readonly index: number; readonly dueUs: number } | undefined {
    const dueUs = this.dueUs(this.#next);
    if (this.done || dueUs > nowUs) return undefined;
    const index = this.#next;
    this.#next += 1;
    return { index, dueUs };
  }
}

/** The shortest period that Node's timers keep. */
const tickMs = 1;

/** Calls `fire` for every message of the schedule once it is due (E2); resolves after the last. */
export function runSchedule(
  clock: Clock,
  machine: MachineClock,
  schedule: Schedule,
  fire: (index: number, dueUs: number) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setInterval(() => {
      const nowUs = machine.nowUs();
      for (let due = schedule.take(nowUs); due !== undefined; due = schedule.take(nowUs)) fire(due.index, due.dueUs);
      if (!schedule.done) return;
      timer.cancel();
      resolve();
    }, tickMs);
  });
}
