/**
 * How many slots may be in hand-off at once: few at the beginning of a change, more with each step of it. The first slots
 * that a process ever hands over run code that was not compiled yet; with many of them its loop stalls, and then it
 * serves nothing until the cluster has confirmed it.
 *
 * P1  From `handoffSlotsFirst` up to `handoffSlotsMax`, doubled with each table that has slots in hand-off; back to the
 *     first after `handoffCalmMs` without one.
 */
import { limits } from '../platform/limits.ts';

export class HandoffPace {
  #slots: number = limits.handoffSlotsFirst;
  #lastMs = Number.NEGATIVE_INFINITY;

  slotsMax(nowMs: number): number {
    if (nowMs - this.#lastMs > limits.handoffCalmMs) this.#slots = limits.handoffSlotsFirst;
    return this.#slots;
  }

  /** A table was written in which so many slots are in hand-off. */
  written(handoffs: number, nowMs: number): void {
    if (handoffs === 0) return;
    this.#lastMs = nowMs;
    this.#slots = Math.min(2 * this.#slots, limits.handoffSlotsMax);
  }
}
