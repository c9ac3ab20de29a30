/**
 * The hand-offs under way, as the ring manager keeps them: since when, what their two sides said. Rebuilt from the
 * table by whoever becomes manager; time is passed in.
 *
 * Invariants:
 * H1  A word about a slot counts only under the epoch it names: a late one about an earlier hand-off changes nothing.
 * H2  Nothing here outlives its hand-off.
 */
import { limits } from '../platform/limits.ts';
import type { SlotClaim } from '../protocol/control.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { SlotTable } from './slot-table.ts';

interface Handoff {
  readonly epoch: number;
  readonly owner: Incarnation;
  readonly from: Incarnation;
  readonly sinceMs: number;
  opened: boolean;
  letGo: boolean;
}

export class HandoffLedger {
  readonly #handoffs = new Map<number, Handoff>();
  #observed: SlotTable | undefined;

  /** Takes up new hand-offs and forgets those that ended. Asked many times a second, mostly of the table seen last. */
  observe(table: SlotTable, nowMs: number): void {
    const observed = this.#observed;
    if (table === observed) return;
    this.#observed = table;
    for (const [slot, { epoch }] of this.#handoffs) {
      const row = table.row(slot);
      if (row.state !== 'handoff' || row.epoch !== epoch) this.#handoffs.delete(slot);
    }
    for (const { slot, after } of table.changesSince(observed ?? SlotTable.empty)) {
      const { state, epoch, owner, from } = after;
      if (state !== 'handoff' || owner === undefined || from === undefined || this.#handoffs.has(slot)) continue;
      this.#handoffs.set(slot, { epoch, owner, from, sinceMs: nowMs, opened: false, letGo: false });
    }
  }

  clear(): void {
    this.#observed = undefined;
    this.#handoffs.clear();
  }

  noteOpened(claims: readonly SlotClaim[]): void {
    for (const handoff of this.#claimed(claims)) handoff.opened = true;
  }

  noteLetGo(claims: readonly SlotClaim[]): void {
    for (const handoff of this.#claimed(claims)) handoff.letGo = true;
  }

  isOpened(slot: number, epoch: number): boolean {
    return this.#at(slot, epoch)?.opened === true;
  }

  isLetGo(slot: number, epoch: number): boolean {
    return this.#at(slot, epoch)?.letGo === true;
  }

  /** By new owner: hand-offs that take longer than one usually does. Their word may have been lost. */
  toAsk(nowMs: number): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
    return this.#group(nowMs, limits.handoffPreparedMs, ({ owner }) => owner);
  }

  /** By old owner: hand-offs past their deadline. */
  overdue(nowMs: number): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
    return this.#group(nowMs, limits.handoffMs, ({ from }) => from);
  }

  #at(slot: number, epoch: number): Handoff | undefined {
    const handoff = this.#handoffs.get(slot);
    return handoff?.epoch === epoch ? handoff : undefined;
  }

  #claimed(claims: readonly SlotClaim[]): Handoff[] {
    return claims.map(([slot, epoch]) => this.#at(slot, epoch)).filter((handoff) => handoff !== undefined);
  }

  #group(
    nowMs: number,
    afterMs: number,
    by: (handoff: Handoff) => Incarnation,
  ): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
    const groups = new Map<Incarnation, SlotClaim[]>();
    for (const [slot, handoff] of this.#handoffs) {
      if (handoff.opened || handoff.letGo || nowMs - handoff.sinceMs < afterMs) continue;
      const claims = groups.get(by(handoff));
      if (claims === undefined) groups.set(by(handoff), [[slot, handoff.epoch]]);
      else claims.push([slot, handoff.epoch]);
    }
    return groups;
  }
}
