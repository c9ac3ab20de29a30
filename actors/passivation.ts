/**
 * Which actors stay in memory. An actor that nobody needs for a while is dropped, and beyond a bound on bytes the least
 * recently used ones go earlier; their state is in the log.
 *
 * P1  An actor with work in flight is never dropped: it is asked again later.
 */
import type { Clock, Timer } from '../platform/clock.ts';

export interface Passivable {
  /** False: it is busy and stays. */
  passivate(): boolean;
}

export interface PassivationOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly bytesMax: number;
  readonly sweepMs: number;
}

interface Use {
  usedAtMs: number;
  bytes: number;
}

export class Passivation {
  readonly #options: PassivationOptions;
  /** In the order of their last use. */
  readonly #uses = new Map<Passivable, Use>();
  readonly #sweeps: Timer;
  #bytes = 0;

  constructor(options: PassivationOptions) {
    this.#options = options;
    this.#sweeps = options.clock.setInterval(() => this.sweep(), options.sweepMs);
  }

  get count(): number {
    return this.#uses.size;
  }

  /** It did something; `bytes` is its size now, about. */
  used(actor: Passivable, bytes: number): void {
    const use = this.#uses.get(actor);
    this.#uses.delete(actor);
    this.#bytes += bytes - (use?.bytes ?? 0);
    this.#uses.set(actor, { usedAtMs: this.#options.clock.monotonicMs(), bytes });
  }

  forget(actor: Passivable): void {
    const use = this.#uses.get(actor);
    if (use === undefined) return;
    this.#bytes -= use.bytes;
    this.#uses.delete(actor);
  }

  sweep(): void {
    const idleSinceMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
    for (const [actor, use] of this.#uses) {
      if (use.usedAtMs > idleSinceMs && this.#bytes <= this.#options.bytesMax) return;
      if (actor.passivate()) this.forget(actor);
    }
  }

  close(): void {
    this.#sweeps.cancel();
  }
}
