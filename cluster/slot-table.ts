/**
 * The slot table as one node sees it: rows by slot under a view, the revision they were written at. Immutable.
 *
 * Invariants:
 * T1  Views order tables: of two tables the one of the higher view is newer. View 0 is the empty table before the first.
 * T2  `holder` is who may serve a slot now: its owner, or in a hand-off whoever gives it away.
 */
import type { SlotRow, TableValue } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { SlotTally } from './slot-tally.ts';

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

/** Where a table comes from: the view of the one before it, and all that differs. */
interface Origin {
  readonly view: number;
  readonly changes: readonly RowChange[];
  readonly tally: SlotTally;
}

export class SlotTable {
  static readonly empty = new SlotTable(0, { rows: [] });
  readonly view: number;
  readonly rows: readonly SlotRow[];
  readonly #origin: Origin | undefined;
  readonly #tally: SlotTally;
  readonly #members: ReadonlySet<Incarnation>;
  #owned: ReadonlyMap<Incarnation, readonly number[]> | undefined;

  constructor(view: number, { rows }: TableValue, origin?: Origin) {
    this.view = view;
    this.rows = rows;
    this.#origin = origin;
    this.#tally = origin?.tally ?? tallyOf(rows);
    this.#members = this.#tally.members();
  }

  /** A later table, in which only the rows of `slots` may differ: costs what differs, not what there is. */
  next(view: number, { rows }: TableValue, slots: readonly number[]): SlotTable {
    const changes: RowChange[] = [];
    const tally = new SlotTally(this.#tally);
    for (const slot of slots) {
      const [before, after] = [this.row(slot), rows[slot] ?? NOBODY];
      if (sameRow(before, after)) continue;
      changes.push({ slot, before, after });
      tally.remove(before);
      tally.add(after);
    }
    return new SlotTable(view, { rows }, { view: this.view, changes, tally });
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
    this.#owned ??= slotsByOwner(this.rows);
    return this.#owned.get(owner) ?? [];
  }

  /** Everyone named in it, owners and those who hand off. */
  members(): ReadonlySet<Incarnation> {
    return this.#members;
  }

  /** Rows that differ, by slot. */
  changesSince(before: SlotTable): readonly RowChange[] {
    if (this.#origin?.view === before.view) return this.#origin.changes;
    const changes: RowChange[] = [];
    for (const [slot, after] of this.rows.entries()) {
      const old = before.row(slot);
      if (!sameRow(old, after)) changes.push({ slot, before: old, after });
    }
    return changes;
  }

  totals(): SlotTotals {
    const { handoff, owned } = this.#tally;
    const total = this.rows.length;
    return { total, owned, handoff, orphaned: total - owned - handoff };
  }
}

function tallyOf(rows: readonly SlotRow[]): SlotTally {
  const tally = new SlotTally();
  for (const row of rows) tally.add(row);
  return tally;
}

function slotsByOwner(rows: readonly SlotRow[]): ReadonlyMap<Incarnation, readonly number[]> {
  const owned = new Map<Incarnation, number[]>();
  for (const [slot, { owner }] of rows.entries()) {
    if (owner === undefined) continue;
    const slots = owned.get(owner);
    if (slots === undefined) owned.set(owner, [slot]);
    else slots.push(slot);
  }
  return owned;
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
