/**
 * What an actor leaves to its successor in a planned hand-off, in bytes: where its log ends, its state, the last events,
 * where its snapshot stands. State and blocks are encoded as in a snapshot; position and events as one record, as if all
 * the events had been committed together.
 *
 *   [format, sequence, last ts, record, head, blocks, head's sequence, snapshot's seq]
 *   block: [part, stored sequence, dirty, block as stored]
 *
 * Invariants:
 * W1  Only committed state is encoded: the state's seq is the position's last.
 * W2  A block counts as dirty unless its stored form is known to hold it; a snapshot under way says nothing.
 */
import type { LogPosition } from '../broker/log-position.ts';
import { decodeVersioned, encode } from '../protocol/codec.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import type { StreamId } from '../protocol/ids.ts';
import { decodeRecord, encodeRecord } from '../protocol/records.ts';
import type { StreamState } from './channel-state.ts';
import type { Note } from './membership-outbox.ts';
import type { SnapshotHandle } from './snapshot.ts';
import { type AnyBlock, blocksOf, decodeBlock, decodeHead, encodeBlock, encodeHead } from './snapshot-format.ts';

const HOT_FORMAT = 1;
const HOT_BYTES_MAX = 512 * 1024;

export interface HotActor {
  readonly position: LogPosition;
  readonly state: StreamState;
  readonly notes: readonly Note[];
  readonly snapshot: SnapshotHandle;
  /** Seq that the stored snapshot holds. */
  readonly snapshotSeq: number;
  /** A run without a hole that ends at the log's end; may be empty. */
  readonly tail: readonly SequencedEvent[];
}

/** `unsettled`: a snapshot is being written (W2). */
export function encodeHotActor(actor: HotActor, epoch: number, unsettled: boolean): Uint8Array {
  const { position, state, notes, snapshot, snapshotSeq, tail } = actor;
  const { sequence, index, nextSeq, lastTs, skipStack } = position;
  const events = tail.map(({ event }) => event);
  const record = { epoch, recordId: '', index, firstSeq: nextSeq - events.length, skips: skipStack, events };
  const blocks = (blocksOf(state)?.blocks ?? []) as readonly AnyBlock[];
  return encode([
    HOT_FORMAT,
    sequence,
    lastTs,
    encodeRecord(record),
    encodeHead({ state, epoch, notes, nextPart: snapshot.nextPart, position: undefined }, false),
    blocks.map((block) => {
      const { part, storedSequence, dirty } = block;
      return [part, storedSequence, dirty || unsettled, encodeBlock(state, epoch, block, '', 0)];
    }),
    snapshot.headSequence,
    snapshotSeq,
  ]);
}

/** `tailBytes`: what the events take, encoded. @throws DecodeError */
export function decodeHotActor(stream: StreamId, bytes: Uint8Array): HotActor & { readonly tailBytes: number } {
  const fields = decodeVersioned('hot state', bytes, HOT_BYTES_MAX, HOT_FORMAT);
  const [, sequence, lastTs, recordBytes, headBytes, blocks, headSequence, snapshotSeq] = fields;
  if (!isCount(sequence) || !isCount(lastTs) || !isCount(headSequence) || !isCount(snapshotSeq)) {
    throw malformed('numbers');
  }
  if (!(recordBytes instanceof Uint8Array) || !(headBytes instanceof Uint8Array)) throw malformed('parts');
  const { index, firstSeq, skips, events } = decodeRecord(recordBytes);
  const { state, notes, nextPart } = decodeHead(stream, headBytes);
  restoreBlocks(state, blocks);
  const nextSeq = firstSeq + events.length;
  if (state.seq !== nextSeq - 1 || sequence === 0) throw malformed('position');
  const position = { sequence, index, nextSeq, lastTs, skipStack: skips };
  const tail = events.map((event, i) => ({ seq: firstSeq + i, event }));
  const snapshot = { headSequence, nextPart, incrementSequence: 0 };
  return { position, state, notes, snapshot, snapshotSeq, tail, tailBytes: recordBytes.length };
}

function restoreBlocks(state: StreamState, stored: unknown): void {
  if (!Array.isArray(stored)) throw malformed('blocks');
  const map = blocksOf(state);
  if (map === undefined) return;
  const blocks = stored.map(restoreBlock);
  if (blocks[0]?.from !== '') throw malformed('blocks');
  map.restore(blocks);
}

function restoreBlock(stored: unknown): AnyBlock {
  const [part, sequence, dirty, bytes] = Array.isArray(stored) ? (stored as unknown[]) : [];
  if (!isCount(part) || !isCount(sequence) || !(bytes instanceof Uint8Array)) throw malformed('block');
  const { block } = decodeBlock(bytes, part, sequence);
  block.dirty = dirty === true;
  return block;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
function malformed(detail: string): DecodeError {
  return new DecodeError('hot state', `malformed ${detail}`);
}
