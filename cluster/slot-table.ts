/**
 * The slot table as one node sees it: rows by slot under a view, the revision they were written at. Immutable.
 *
 * Invariants:
 * T1  Views order tables: of two tables the one of the higher view is newer. View 0 is the empty table before the first.
 * T2  `holder` is who may serve a slot now: its owner, or in a hand-off whoever gives it away.
 */
import type { SlotRow, TableValue } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';

const NOBODY: SlotRow = { owner: undefined, epoch: 0, state: 'stable', from: undefined, fence: false };

export interface RowChange {
  readonly slot: number;
  readonly before: SlotRow;
  readonly after: SlotRow;
}

export interface SlotTotals {
  readonly total: number;
  /** Owned and stable. */
  readonly owned: number;
  readonly handoff: number;
  readonly orphaned: number;
}

export class SlotTable {
  static readonly empty = new SlotTable(0, { rows: [] });
  readonly view: number;
  readonly rows: readonly SlotRow[];
  readonly #owned: ReadonlyMap<Incarnation, readonly number[]>;
  readonly #totals: SlotTotals;
  readonly #members: ReadonlySet<Incarnation>;

  constructor(view: number, value: TableValue) {
    this.view = view;
    this.rows = value.rows;
    const owned = new Map<Incarnation, number[]>();
    const givers = new Set<Incarnation>();
    let [handoff, stable] = [0, 0];
    for (const [slot, { owner, from, state }] of value.rows.entries()) {
      if (state === 'handoff') handoff += 1;
      else if (owner !== undefined) stable += 1;
      if (from !== undefined) givers.add(from);
      if (owner === undefined) continue;
      const slots = owned.get(owner);
      if (slots === undefined) owned.set(owner, [slot]);
      else slots.push(slot);
    }
    this.#owned = owned;
    this.#members = new Set([...owned.keys(), ...givers]);
    const total = value.rows.length;
    this.#totals = { total, owned: stable, handoff, orphaned: total - stable - handoff };
  }

  row(slot: number): SlotRow {
    return this.rows[slot] ?? NOBODY;
  }

  ownerOf(slot: number): Incarnation | undefined {
    return this.row(slot).owner;
  }

  /** Who serves the slot, where it is not on its way to another owner. */
  settledOwner(slot: number): Incarnation | undefined {
    const { owner, state } = this.row(slot);
    return state === 'stable' ? owner : undefined;
  }

  /** T2 */
  holder(slot: number): Incarnation | undefined {
    const { owner, from, state } = this.row(slot);
    return state === 'handoff' ? from : owner;
  }

  /** Slots owned, those on their way to the owner included. */
  slotsOf(owner: Incarnation): readonly number[] {
    return this.#owned.get(owner) ?? [];
  }

  /** Everyone named in it, owners and those who hand off. */
  members(): ReadonlySet<Incarnation> {
    return this.#members;
  }

  /** Rows that differ, by slot. */
  changesSince(before: SlotTable): readonly RowChange[] {
    const changes: RowChange[] = [];
    for (const [slot, after] of this.rows.entries()) {
      const old = before.row(slot);
      if (!sameRow(old, after)) changes.push({ slot, before: old, after });
    }
    return changes;
  }

  totals(): SlotTotals {
    return this.#totals;
  }
}

/** A table in which nobody owns anything: what the first ring manager starts from. */
export function unownedRows(slots: number): readonly SlotRow[] {
  return Array.from({ length: slots }, () => NOBODY);
}

export function sameRow(a: SlotRow, b: SlotRow): boolean {
  return (
    a === b ||
    (a.owner === b.owner && a.epoch === b.epoch && a.state === b.state && a.from === b.from && a.fence === b.fence)
  );
}
