/**
 * Checks of gateways' cursors against cold streams: one read of the log each, at a bounded rate, so that a moved slot's
 * hundred thousand subscriptions do not stand in the way of its posts.
 */
import type { Clock, Timer } from '../platform/clock.ts';

export interface CursorChecksOptions {
  readonly clock: Clock;
  readonly perSecondMax: number;
  readonly waitingMax: number;
}

const TICK_MS = 20;

export class CursorChecks {
  readonly #options: CursorChecksOptions;
  readonly #perTick: number;
  #waiting: (() => Promise<void>)[] = [];
  #next = 0;
  #inFlight = 0;
  #timer: Timer | undefined;

  constructor(options: CursorChecksOptions) {
    this.#options = options;
    this.#perTick = Math.max(1, Math.floor((options.perSecondMax * TICK_MS) / 1000));
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  hasRoomFor(count: number): boolean {
    return this.waiting + count <= this.#options.waitingMax;
  }

  /** `check` must not reject. */
  add(check: () => Promise<void>): void {
    this.#waiting.push(check);
    // The first ones go at once: most slots have few.
    if (this.#timer === undefined) this.#tick();
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting = [];
    this.#next = 0;
  }

  #tick(): void {
    this.#timer = undefined;
    // A slow log slows the checks down: never more in flight than one tick's worth.
    for (let i = this.#inFlight; i < this.#perTick && this.waiting > 0; i++) this.#start();
    if (this.waiting === 0) {
      this.#waiting = [];
      this.#next = 0;
    }
    this.#timer = this.waiting > 0 ? this.#options.clock.setTimeout(() => this.#tick(), TICK_MS) : undefined;
  }

  #start(): void {
    const check = this.#waiting[this.#next];
    this.#next += 1;
    if (check === undefined) return;
    this.#inFlight += 1;
    void check().finally(() => {
      this.#inFlight -= 1;
    });
  }
}
