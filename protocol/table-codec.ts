/**
 * The slot table as it is stored: [format, names, cells], eight bytes a slot, little endian: epoch x 4 + flags in four, the
 * places of its owner and of who gives it away in two each. Place 0 is nobody, place n the nth name.
 *
 * Every node reads each table, a dozen in one planned change, in code that seldom runs. So cells stand where their slot
 * says, what is as in the table before is compared as bytes, and only the rows of the rest are made.
 *
 * Invariants:
 * C1  Names keep their places from a table to the next: the same bytes under them are the same rows.
 * C2  A table means the same with and without the one before; that one only spares work.
 */
import { assert } from '../platform/assert.ts';
import type { SlotRow, TableValue } from './cluster.ts';
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import { parseIncarnation, type Incarnation } from './ids.ts';

const TABLE_FORMAT = 2;
const TABLE_BYTES_MAX = 1024 * 1024;
const CELL_BYTES = 8;
const OWNER_AT = 4;
const FROM_AT = 6;
const HANDOFF_BIT = 1;
const FENCE_BIT = 2;
const FLAGS_COUNT = 4;
const EPOCH_MAX = 2 ** 30 - 1;
const NAMES_MAX = 2 ** 16 - 1;
/** Names that nobody bears any more stay (C1), but not for ever: each worker's life brings one. Beyond: all have new places. */
const NAMES_KEPT_MAX = 256;
/** Cells compared at once. */
const STRETCH_BYTES = 64 * CELL_BYTES;

export interface StoredTable extends TableValue {
  readonly names: readonly Incarnation[];
  readonly cells: Buffer;
  /** Slots whose row is not that of the table before; undefined: any may differ. */
  readonly changed: readonly number[] | undefined;
}

export function encodeTable({ names, cells }: StoredTable): Uint8Array {
  return encode([TABLE_FORMAT, names, cells]);
}

/** `before`: an earlier table. Rows that are as in it are the same objects. */
export function storeTable(rows: readonly SlotRow[], before?: StoredTable): StoredTable {
  const base = before?.rows.length === rows.length && before.names.length <= NAMES_KEPT_MAX ? before : undefined;
  const changed = base === undefined ? undefined : changedRows(rows, base.rows);
  const names = base === undefined ? [] : [...base.names];
  const cells = base === undefined ? Buffer.alloc(rows.length * CELL_BYTES) : Buffer.from(base.cells);
  const places = new Map(names.map((name, at) => [name, at + 1]));
  const place = (name: Incarnation | undefined): number => {
    if (name === undefined) return 0;
    if (!places.has(name)) places.set(name, names.push(name));
    return places.get(name) ?? 0;
  };
  for (const slot of changed ?? rows.keys()) writeCell(cells, slot, rows[slot] as SlotRow, place);
  assert(names.length <= NAMES_MAX, 'table/names', { names: names.length });
  return { rows, names, cells, changed };
}

function changedRows(rows: readonly SlotRow[], before: readonly SlotRow[]): number[] {
  const changed: number[] = [];
  for (let slot = 0; slot < rows.length; slot += 1) if (rows[slot] !== before[slot]) changed.push(slot);
  return changed;
}

function writeCell(
  cells: Buffer,
  slot: number,
  { owner, epoch, state, from, fence }: SlotRow,
  place: (name: Incarnation | undefined) => number,
): void {
  assert(epoch <= EPOCH_MAX, 'table/epoch', { slot, epoch });
  const flags = (state === 'handoff' ? HANDOFF_BIT : 0) + (fence ? FENCE_BIT : 0);
  const at = slot * CELL_BYTES;
  cells.writeUInt32LE(epoch * FLAGS_COUNT + flags, at);
  cells.writeUInt16LE(place(owner), at + OWNER_AT);
  cells.writeUInt16LE(place(from), at + FROM_AT);
}

/** `before`: a table read or written earlier. Rows that are as in it are its rows. @throws DecodeError */
export function decodeTable(bytes: Uint8Array, before?: StoredTable): StoredTable {
  const [, written, stored] = decodeVersioned('table', bytes, TABLE_BYTES_MAX, TABLE_FORMAT);
  if (!Array.isArray(written) || !(stored instanceof Uint8Array) || stored.length % CELL_BYTES !== 0) {
    throw new DecodeError('table', 'malformed');
  }
  const names = written.map(readName);
  const cells = Buffer.from(stored);
  if (before === undefined || !isNext(names, cells, before)) {
    return { rows: readCells(names, cells), names, cells, changed: undefined };
  }
  const changed = changedCells(cells, before.cells);
  const rows = [...before.rows];
  for (const slot of changed) rows[slot] = readCell(names, cells, slot);
  return { rows, names, cells, changed };
}

/** C1 */
function isNext(names: readonly Incarnation[], cells: Buffer, before: StoredTable): boolean {
  return cells.length === before.cells.length && before.names.every((name, at) => name === names[at]);
}

function changedCells(cells: Buffer, before: Buffer): number[] {
  const changed: number[] = [];
  for (let from = 0; from < cells.length; from += STRETCH_BYTES) {
    const end = Math.min(from + STRETCH_BYTES, cells.length);
    if (cells.compare(before, from, end, from, end) === 0) continue;
    for (let at = from; at < end; at += CELL_BYTES) {
      if (cells.compare(before, at, at + CELL_BYTES, at, at + CELL_BYTES) !== 0) changed.push(at / CELL_BYTES);
    }
  }
  return changed;
}

function readCells(names: readonly Incarnation[], cells: Buffer): SlotRow[] {
  const rows: SlotRow[] = [];
  const count = cells.length / CELL_BYTES;
  for (let slot = 0; slot < count; slot += 1) rows.push(readCell(names, cells, slot));
  return rows;
}

function readCell(names: readonly Incarnation[], cells: Buffer, slot: number): SlotRow {
  const at = slot * CELL_BYTES;
  const word = cells.readUInt32LE(at);
  return {
    owner: nameAt(names, cells.readUInt16LE(at + OWNER_AT)),
    epoch: Math.floor(word / FLAGS_COUNT),
    state: word & HANDOFF_BIT ? 'handoff' : 'stable',
    from: nameAt(names, cells.readUInt16LE(at + FROM_AT)),
    fence: (word & FENCE_BIT) !== 0,
  };
}

function nameAt(names: readonly Incarnation[], place: number): Incarnation | undefined {
  if (place > names.length) throw new DecodeError('table', 'no such owner');
  return place === 0 ? undefined : names[place - 1];
}

function readName(value: unknown): Incarnation {
  const name = parseIncarnation(value);
  if (name === undefined) throw new DecodeError('table', 'malformed owner');
  return name;
}
