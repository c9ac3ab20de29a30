/**
 * Which actors stay in memory. An actor that nobody needs for a while is dropped, and beyond a bound on bytes the least
 * recently used ones go earlier; their state is in the log.
 *
 * P1  An actor with work in flight is never dropped: it is asked again later.
 * P2  Using an actor only notes the time; its place in the order is put right when a sweep comes to it.
 */
import type { Clock, Timer } from '../platform/clock.ts';

export interface Passivable {
  /** False: it is busy and stays. */
  passivate(): boolean;
  /** Kept by Passivation. */
  use?: Use | undefined;
}

export interface PassivationOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly bytesMax: number;
  readonly sweepMs: number;
}

interface Use {
  usedAtMs: number;
  /** Its time when it got its place. */
  placedAtMs: number;
  bytes: number;
}

export class Passivation {
  readonly #options: PassivationOptions;
  /** In the order of their last use, as far as it is put right (P2). */
  readonly #actors = new Set<Passivable>();
  readonly #sweeps: Timer;
  #bytes = 0;

  constructor(options: PassivationOptions) {
    this.#options = options;
    this.#sweeps = options.clock.setInterval(() => this.sweep(), options.sweepMs);
  }

  get count(): number {
    return this.#actors.size;
  }

  /** It did something; `bytes` is its size now, about. */
  used(actor: Passivable, bytes: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    const { use } = actor;
    this.#bytes += bytes - (use?.bytes ?? 0);
    if (use === undefined) {
      actor.use = { usedAtMs: nowMs, placedAtMs: nowMs, bytes };
      this.#actors.add(actor);
    } else {
      use.usedAtMs = nowMs;
      use.bytes = bytes;
    }
  }

  forget(actor: Passivable): void {
    if (actor.use === undefined) return;
    this.#bytes -= actor.use.bytes;
    actor.use = undefined;
    this.#actors.delete(actor);
  }

  sweep(): void {
    const idleSinceMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
    for (const actor of this.#actors) {
      const { use } = actor;
      if (use !== undefined && use.usedAtMs > use.placedAtMs) {
        this.#place(actor, use);
        continue;
      }
      if (use !== undefined && use.usedAtMs > idleSinceMs && this.#bytes <= this.#options.bytesMax) return;
      if (actor.passivate()) this.forget(actor);
    }
  }

  /** Last, where the sweep under way comes to it again. */
  #place(actor: Passivable, use: Use): void {
    use.placedAtMs = use.usedAtMs;
    this.#actors.delete(actor);
    this.#actors.add(actor);
  }

  close(): void {
    this.#sweeps.cancel();
  }
}
