/**
 * When what was published may leave: at the end of the turn while little goes on, spaced out under load. A write is a
 * system call on both sides, and the dearest part of a small message.
 *
 * P1  A message waits at most sendSpacingMs (and the timer's own millisecond) for its write.
 * P2  The first sendBurstMax writes after a rest do not wait, and no write does as long as fewer than one per
 *     sendSpacingMs are made.
 * P3  A write that had to wait and gathered nothing meanwhile counts as a rest: who asks one thing after the other is
 *     not made slower by waits that spare no write, but for one in sendBurstMax.
 */
import { limits } from '../platform/limits.ts';

export class SendPace {
  /** Each write moves it on by the spacing; it lags behind now by what the burst allows, at most. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  /** Counts one write; how long it has to wait, 0 for the end of the turn. */
  take(nowMs: number): number {
    const restMs = limits.sendBurstMax * limits.sendSpacingMs;
    const dueMs = Math.max(this.#paidUntilMs, nowMs - restMs);
    this.#paidUntilMs = dueMs + limits.sendSpacingMs;
    return Math.max(0, this.#paidUntilMs - nowMs);
  }

  /** The write that had to wait leaves, with a single message in it (P3). */
  forgive(): void {
    this.#paidUntilMs = Number.NEGATIVE_INFINITY;
  }
}
