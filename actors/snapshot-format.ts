/**
 * What a snapshot looks like in bytes: a head per stream, and the blocks of its members or memberships beside it when
 * they are many.
 *
 *   head       [format, epoch, seq, last ts, kind fields, posts, changes, notes, next part, blocks, place]
 *   block      [format, epoch, seq, from, to, right part, keys, values | null]
 *   increment  [format, epoch, head's seq, seq, last ts, posts, place]
 *   place      [stream sequence, record without events] of the log's last record then, or null
 *
 * Invariants:
 * F1  A head is written after every block that changed since the head before it: a block reflects a seq at or after
 *     its head's whenever it changed at all.
 * F2  Folding the events after the head's seq again over a newer block gives the same end: who is a member is decided
 *     by the last event about them.
 * F3  A block that was split after the head was written says where its upper half went (`right`): following it until
 *     the next block's `from` gives the whole range again. What does not tile is not used.
 * F4  An increment holds what the messages after one head changed, and is used only with a head of that seq and only
 *     where nothing but messages came after it: then head and increment together are the state at its seq.
 */
import type { LogPosition } from '../broker/log-position.ts';
import { decodeVersioned, encode } from '../protocol/codec.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { ChannelMeta } from '../protocol/events.ts';
import type { StreamId, UserId } from '../protocol/ids.ts';
import { decodeRecord, encodeRecord } from '../protocol/records.ts';
import { emptyState, type Membership, type StreamState } from './channel-state.ts';
import type { DedupeRow } from './dedupe.ts';
import type { Note } from './membership-outbox.ts';
import { newBlock, type Block, type OrderedMap } from './ordered-map.ts';

const SNAPSHOT_FORMAT = 1;
const SNAPSHOT_BYTES_MAX = 512 * 1024;

/** A block of either kind of map, as the snapshot sees it. */
export type AnyBlock = Block<string, unknown>;

/** Where the head finds a block: its lowest key and its part. */
export type BlockRef = readonly [from: string, part: number];

export interface Head {
  readonly state: StreamState;
  readonly epoch: number;
  readonly notes: readonly Note[];
  readonly nextPart: number;
  /** Where the log stood at the state's seq. */
  readonly position: LogPosition | undefined;
  /** Blocks stored beside the head; empty when the head holds all. */
  readonly refs: readonly BlockRef[];
}

/** F4 */
export interface Increment {
  readonly headSeq: number;
  readonly seq: number;
  readonly lastTs: number;
  readonly posts: readonly DedupeRow[];
  readonly position: LogPosition;
}

export interface StoredBlock {
  readonly seq: number;
  readonly to: string;
  readonly right: number;
  readonly block: AnyBlock;
}

/** The map that a stream's snapshot keeps in blocks; the team's stream has none. */
export function blocksOf(state: StreamState): OrderedMap<string, unknown> | undefined {
  if (state.kind === 'conversation') return state.members as unknown as OrderedMap<string, unknown>;
  return state.kind === 'user' ? (state.memberships as unknown as OrderedMap<string, unknown>) : undefined;
}

export function encodeHead(head: Omit<Head, 'refs'>, inline: boolean): Uint8Array {
  const { state, epoch, notes, nextPart, position } = head;
  const map = blocksOf(state);
  const stored = map?.blocks.map((block) => (inline ? [block.keys, valuesOf(state, block)] : [block.from, block.part]));
  return encode([
    SNAPSHOT_FORMAT,
    epoch,
    state.seq,
    state.lastTs,
    kindFields(state),
    state.posts.rows(),
    state.changes.rows(),
    notes.map((note) => [note.user, note.seq, note.member, note.actor ?? null]),
    nextPart,
    [inline, stored ?? []],
    position === undefined ? null : encodePlace(position, epoch),
  ]);
}

/** @throws DecodeError */
export function decodeHead(stream: StreamId, bytes: Uint8Array): Head {
  const fields = decodeVersioned('snapshot', bytes, SNAPSHOT_BYTES_MAX, SNAPSHOT_FORMAT);
  const [, epoch, seq, lastTs, kind, posts, changes, notes, nextPart, blocks, place] = fields;
  if (!isCount(epoch) || !isCount(seq) || !isCount(lastTs) || !isCount(nextPart)) throw malformed('head');
  if (!Array.isArray(posts) || !Array.isArray(changes) || !Array.isArray(notes) || !Array.isArray(blocks)) {
    throw malformed('head lists');
  }
  const state = emptyState(stream);
  state.seq = seq;
  state.lastTs = lastTs;
  state.posts.restore(posts as DedupeRow[]);
  state.changes.restore(changes as DedupeRow[]);
  restoreKind(state, kind);
  const [inline, stored] = blocks as [unknown, unknown];
  if (!Array.isArray(stored)) throw malformed('blocks');
  if (inline === true) restoreInline(state, stored as [string[], unknown][]);
  const refs = inline === true ? [] : (stored as BlockRef[]);
  const position = place === null || place === undefined ? undefined : decodePlace(place, seq, lastTs);
  return { state, epoch, notes: (notes as unknown[]).map(decodeNote), nextPart, position, refs };
}

export function encodeIncrement(state: StreamState, headSeq: number, position: LogPosition, epoch: number): Uint8Array {
  const posts = state.posts.rows(headSeq);
  return encode([SNAPSHOT_FORMAT, epoch, headSeq, state.seq, state.lastTs, posts, encodePlace(position, epoch)]);
}

/** @throws DecodeError */
export function decodeIncrement(bytes: Uint8Array): Increment {
  const fields = decodeVersioned('snapshot increment', bytes, SNAPSHOT_BYTES_MAX, SNAPSHOT_FORMAT);
  const [, , headSeq, seq, lastTs, posts, place] = fields;
  if (!isCount(headSeq) || !isCount(seq) || !isCount(lastTs) || !Array.isArray(posts)) throw malformed('increment');
  return { headSeq, seq, lastTs, posts: posts as DedupeRow[], position: decodePlace(place, seq, lastTs) };
}

function encodePlace({ sequence, index, nextSeq, skipStack }: LogPosition, epoch: number): unknown[] {
  const record = { epoch, recordId: '', index, firstSeq: nextSeq, skips: skipStack, events: [] };
  return [sequence, encodeRecord(record)];
}

function decodePlace(place: unknown, seq: number, lastTs: number): LogPosition {
  const [sequence, bytes] = Array.isArray(place) ? (place as unknown[]) : [];
  if (!isCount(sequence) || !(bytes instanceof Uint8Array)) throw malformed('place');
  const { index, firstSeq, skips } = decodeRecord(bytes);
  if (firstSeq !== seq + 1) throw malformed('place');
  return { sequence, index, nextSeq: firstSeq, lastTs, skipStack: skips };
}

/** `to` is the `from` of the next block, '' at the end; `right` its part. */
export function encodeBlock(state: StreamState, epoch: number, block: AnyBlock, to: string, right: number): Uint8Array {
  const { from, keys } = block;
  return encode([SNAPSHOT_FORMAT, epoch, state.seq, from, to, right, keys, valuesOf(state, block)]);
}

/** @throws DecodeError */
export function decodeBlock(bytes: Uint8Array, part: number, sequence: number): StoredBlock {
  const fields = decodeVersioned('snapshot block', bytes, SNAPSHOT_BYTES_MAX, SNAPSHOT_FORMAT);
  const [, , seq, from, to, right, keys, values] = fields;
  if (!isCount(seq) || !isCount(right) || typeof from !== 'string' || typeof to !== 'string' || !Array.isArray(keys)) {
    throw malformed('block');
  }
  const block = newBlock<string, unknown>(from, keys as string[], restoreValues(keys, values));
  block.part = part;
  block.storedSequence = sequence;
  return { seq, to, right, block };
}

/** Members have no values worth a byte. */
function valuesOf(state: StreamState, block: AnyBlock): unknown[] | null {
  return state.kind === 'user' ? block.values : null;
}
function restoreValues(keys: unknown[], values: unknown): unknown[] {
  if (values === null) return keys.map(() => 1);
  if (!Array.isArray(values) || values.length !== keys.length) throw malformed('values');
  return values as Membership[];
}

function kindFields(state: StreamState): unknown[] {
  if (state.kind === 'conversation') return [state.meta ?? null, state.archived];
  return state.kind === 'user' ? [state.manualAway] : [];
}

function restoreKind(state: StreamState, fields: unknown): void {
  if (!Array.isArray(fields)) throw malformed('kind');
  if (state.kind === 'user') state.manualAway = fields[0] === true;
  if (state.kind !== 'conversation') return;
  const [meta, archived] = fields as [ChannelMeta | null, boolean];
  state.meta = meta ?? undefined;
  state.archived = archived;
}

function restoreInline(state: StreamState, stored: [string[], unknown][]): void {
  const map = blocksOf(state);
  for (const [keys, values] of stored) {
    const restored = restoreValues(keys, values);
    for (const [i, key] of keys.entries()) map?.set(key, restored[i]);
  }
}

function decodeNote(value: unknown): Note {
  const [user, seq, member, actor] = value as [UserId, number, boolean, UserId | null];
  return actor === null ? { user, seq, member } : { user, seq, member, actor };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
function malformed(detail: string): DecodeError {
  return new DecodeError('snapshot', `malformed ${detail}`);
}
