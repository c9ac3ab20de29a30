/**
 * The ring manager's next step: from the table and what is known of the workers to the next table. Pure, so that two
 * managers plan alike and a simulation can run it.
 *
 * Invariants:
 * R1  A row changes its owner only with its epoch: up by one, or above what the log showed.
 * R2  A slot of a dead owner waits in the table until that owner was evicted. Not `cut-off` means `fence`.
 * R3  `fence` stays with a slot through later owners: one that never activated a channel fenced nothing there, and the
 *     uncertain owner may still be around.
 * R4  At most `handoffMax` slots are in hand-off; what does not fit waits for a later step. New ones begin when half
 *     of that is free: each step is a table that every node reads.
 */
import type { SlotRow } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { Eviction } from './eviction.ts';
import type { Candidate, Move } from './hash-table.ts';
import { sameRow } from './slot-table.ts';

export interface RingSituation {
  readonly rows: readonly SlotRow[];
  /** Every living worker. */
  readonly workers: readonly Candidate[];
  /** Owners that are no longer members and were evicted, and how sure that is. */
  readonly evicted: ReadonlyMap<Incarnation, Eviction>;
  /** The new owner of a hand-off serves the slot. */
  readonly isOpened: (slot: number, epoch: number) => boolean;
  /** The old owner of a hand-off dropped the slot when it was told to: something of it may still be under way. */
  readonly isLetGo: (slot: number, epoch: number) => boolean;
  /** Slots that may be in hand-off at once. */
  readonly handoffMax: number;
  /** Epochs seen in slots' logs above their rows'. */
  readonly seenEpochs: ReadonlyMap<number, number>;
  /** `assign`, or what remembers its answer. */
  readonly movesOf: (owners: readonly (Incarnation | undefined)[], workers: readonly Candidate[]) => readonly Move[];
}

/** The rows of the next table, the same objects where they do not change; undefined when none does. */
export function planRing(situation: RingSituation): readonly SlotRow[] | undefined {
  const living = new Set(situation.workers.map(({ incarnation }) => incarnation));
  const rows = [...situation.rows];
  const settled = settleAll(rows, living, situation);
  const placed = placeAll(rows, living, situation);
  return settled || placed ? rows : undefined;
}

/** Plain loops here and below: all rows are looked at each time, in code that seldom runs. */
function settleAll(rows: SlotRow[], living: ReadonlySet<Incarnation>, situation: RingSituation): boolean {
  let isChanged = false;
  for (let slot = 0; slot < rows.length; slot += 1) {
    const row = rows[slot] as SlotRow;
    const settled = settle(row, slot, living, situation);
    if (sameRow(row, settled)) continue;
    rows[slot] = settled;
    isChanged = true;
  }
  return isChanged;
}

/** What happened to the row since it was written, before anybody is given anything new. */
function settle(row: SlotRow, slot: number, living: ReadonlySet<Incarnation>, situation: RingSituation): SlotRow {
  const { owner, state } = row;
  if (owner === undefined) return row;
  if (state === 'handoff') return settleHandoff(row, slot, living, situation);
  if (!living.has(owner)) {
    const eviction = situation.evicted.get(owner);
    return eviction === undefined ? row : orphan(row, eviction === 'unsure');
  }
  const seen = situation.seenEpochs.get(slot) ?? 0;
  return seen > row.epoch ? { ...row, epoch: seen + 1, fence: true } : row;
}

function settleHandoff(
  row: SlotRow,
  slot: number,
  living: ReadonlySet<Incarnation>,
  { evicted, isOpened, isLetGo }: RingSituation,
): SlotRow {
  const { owner, from, epoch } = row;
  const ownerEviction = owner === undefined || living.has(owner) ? 'living' : evicted.get(owner);
  const fromEviction = from === undefined || living.has(from) ? 'living' : evicted.get(from);
  if (ownerEviction === undefined) return row;
  if (ownerEviction !== 'living') {
    if (fromEviction === undefined) return row;
    const fence = ownerEviction === 'unsure' || fromEviction === 'unsure';
    if (fromEviction !== 'living' || from === undefined) return orphan(row, fence);
    // Back to whoever gave it away; whether it had let go already, it opens anew under the higher epoch.
    return { owner: from, epoch: epoch + 1, state: 'stable', from: undefined, fence: row.fence || fence };
  }
  const stable: SlotRow = { ...row, state: 'stable', from: undefined };
  if (isOpened(slot, epoch)) return stable;
  if (fromEviction === 'cut-off') return stable;
  if (fromEviction === 'unsure' || isLetGo(slot, epoch)) return { ...stable, fence: true };
  return row;
}

function orphan(row: SlotRow, fence: boolean): SlotRow {
  return { owner: undefined, epoch: row.epoch, state: 'stable', from: undefined, fence: row.fence || fence };
}

function placeAll(
  rows: SlotRow[],
  living: ReadonlySet<Incarnation>,
  { workers, handoffMax, movesOf }: RingSituation,
): boolean {
  const moves = movesOf(
    rows.map(({ owner }) => owner),
    workers,
  );
  if (moves.length === 0) return false;
  const free = handoffMax - rows.filter(({ state }) => state === 'handoff').length;
  let room = free >= handoffMax / 2 ? free : 0;
  let isChanged = false;
  for (const move of moves) {
    const row = rows[move.slot] as SlotRow;
    const moved = moveRow(row, move, living, room > 0);
    if (moved === row) continue;
    if (moved.state === 'handoff') room -= 1;
    rows[move.slot] = moved;
    isChanged = true;
  }
  return isChanged;
}

function moveRow(row: SlotRow, { from, to }: Move, living: ReadonlySet<Incarnation>, hasRoom: boolean): SlotRow {
  const { epoch, fence } = row;
  if (from === undefined) return { owner: to, epoch: epoch + 1, state: 'stable', from: undefined, fence };
  // In hand-off already, or waiting for an eviction (R2), or no room (R4): a later step moves it.
  if (!hasRoom || row.state === 'handoff' || !living.has(from)) return row;
  return { owner: to, epoch: epoch + 1, state: 'handoff', from, fence };
}
