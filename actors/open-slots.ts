/**
 * The slots that are open in this worker. A slot is made with the first thing that is asked of it: a take-over opens
 * thousands at once, few of which are asked for in its first moments, and making them all made those few wait.
 *
 * P1  A slot that was never made has nothing to finish, to tell or to forget.
 */
import type { SlotGrant } from '../cluster/slot-host.ts';
import { assert } from '../platform/assert.ts';
import type { Clock } from '../platform/clock.ts';
import type { Slot } from './slot.ts';

export type MakeSlot = (slot: number, grant: SlotGrant, openedAtMs: number) => Slot;

interface OpenSlot {
  readonly grant: SlotGrant;
  readonly openedAtMs: number;
  made: Slot | undefined;
}

export class OpenSlots {
  readonly #clock: Clock;
  readonly #make: MakeSlot;
  readonly #open = new Map<number, OpenSlot>();

  constructor(clock: Clock, make: MakeSlot) {
    this.#clock = clock;
    this.#make = make;
  }

  get count(): number {
    return this.#open.size;
  }

  open(slot: number, grant: SlotGrant): void {
    assert(!this.#open.has(slot), 'open-slots/open-once', { slot, epoch: grant.epoch });
    this.#open.set(slot, { grant, openedAtMs: this.#clock.monotonicMs(), made: undefined });
  }

  /** To ask something of it; undefined when it is not open here. */
  get(slot: number): Slot | undefined {
    const one = this.#open.get(slot);
    if (one !== undefined) one.made ??= this.#make(slot, one.grant, one.openedAtMs);
    return one?.made;
  }

  /** Undefined also when nothing was asked of it yet (P1). */
  ifMade(slot: number): Slot | undefined {
    return this.#open.get(slot)?.made;
  }

  forget(slot: number): void {
    this.#open.delete(slot);
  }

  *made(): Generator<Slot> {
    for (const { made } of this.#open.values()) if (made !== undefined) yield made;
  }
}
