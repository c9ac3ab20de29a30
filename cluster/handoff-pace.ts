/**
 * How many slots may be in hand-off at once, and how soon after each other they begin: few at the beginning of a change,
 * more with each step of it, and between two steps time for what the cluster is there for. Each step is a table that every
 * node reads, and the first slots that a process ever hands over run code that was not compiled yet: without a rest the
 * ring manager and those who give slots away do nothing else, and posts wait for each of their loops.
 *
 * P1  From `handoffSlotsFirst` up to `handoffSlotsMax`, doubled with each table that begins hand-offs; back to the first
 *     after `handoffCalmMs` without one.
 * P2  Between two tables that begin hand-offs lie at least `handoffStepMs`.
 */
import { limits } from '../platform/limits.ts';

export class HandoffPace {
  #slots: number = limits.handoffSlotsFirst;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** 0: not yet (P2). */
  slotsMax(nowMs: number): number {
    if (nowMs - this.#lastMs > limits.handoffCalmMs) this.#slots = limits.handoffSlotsFirst;
    return this.waitMs(nowMs) > 0 ? 0 : this.#slots;
  }

  /** Until the next step may begin; 0: now. */
  waitMs(nowMs: number): number {
    return Math.max(0, Math.ceil(this.#lastMs + limits.handoffStepMs - nowMs));
  }

  /** A table was written that begins so many hand-offs. */
  written(begun: number, nowMs: number): void {
    if (begun === 0) return;
    this.#lastMs = nowMs;
    this.#slots = Math.min(2 * this.#slots, limits.handoffSlotsMax);
  }
}
