/**
 * Snapshots: so that an activation reads a bounded tail of the log. Written off the hot path, compared and set, to
 * last-value subjects. Safety never depends on them: whatever is missing, stale or does not fit together, the log is
 * folded from further back.
 *
 * Invariants:
 * V1  What is written is committed state, encoded in one go at one seq.
 * V2  Blocks first, a split block's upper half before its lower one, then the head (snapshot-format F1, F3).
 * V3  A write that finds another one in its place gives up this snapshot and learns where that one stands.
 */
import type { RecordRead, RecordStore } from '../broker/broker.ts';
import type { LogPosition } from '../broker/log-position.ts';
import { SNAPSHOT_STREAM, subjects } from '../broker/subjects.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { StreamState } from './channel-state.ts';
import type { Note } from './membership-outbox.ts';
import {
  blocksOf,
  decodeBlock,
  decodeHead,
  decodeIncrement,
  encodeBlock,
  encodeHead,
  encodeIncrement,
  type AnyBlock,
  type Head,
} from './snapshot-format.ts';

export type SnapshotLoad =
  | {
      readonly kind: 'loaded';
      readonly state: StreamState;
      readonly notes: readonly Note[];
      readonly handle: SnapshotHandle;
      /** Seq of its head: the state may be further, by an increment. */
      readonly headSeq: number;
      /** Where the log stood at the state's seq. */
      readonly position: LogPosition | undefined;
    }
  /** `exists`: there is one, but it cannot be used. */
  | { readonly kind: 'absent'; readonly exists: boolean; readonly handle: SnapshotHandle }
  | { readonly kind: 'unavailable' };

/** Where the stream's snapshot stands. */
export interface SnapshotHandle {
  headSequence: number;
  nextPart: number;
  incrementSequence: number;
}

export interface SnapshotStoreOptions {
  readonly records: RecordStore;
  readonly logger: Logger;
}

const HEAD = 'head';
const INCREMENT = 'increment';
const partName = (part: number) => `m${part}`;

export class SnapshotStore {
  readonly #records: RecordStore;
  readonly #logger: Logger;

  constructor(options: SnapshotStoreOptions) {
    this.#records = options.records;
    this.#logger = options.logger;
  }

  async load(slot: number, stream: StreamId): Promise<SnapshotLoad> {
    const [read, more] = await Promise.all([this.#last(slot, stream, HEAD), this.#last(slot, stream, INCREMENT)]);
    if (read.kind === 'unavailable') return { kind: 'unavailable' };
    const incrementSequence = more.kind === 'found' ? more.record.sequence : 0;
    if (read.kind === 'absent') {
      return { kind: 'absent', exists: false, handle: { headSequence: 0, nextPart: 1, incrementSequence } };
    }
    const handle = { headSequence: read.record.sequence, nextPart: 1, incrementSequence };
    try {
      const head = decodeHead(stream, read.record.data);
      handle.nextPart = head.nextPart;
      if (head.refs.length > 0) await this.#loadBlocks(slot, stream, head, handle);
      const { state, notes } = head;
      const headSeq = state.seq;
      const position = more.kind === 'found' ? addIncrement(head, more.record.data) : head.position;
      return { kind: 'loaded', state, notes, handle, headSeq, position };
    } catch (error) {
      if (error instanceof Unavailable) return { kind: 'unavailable' };
      if (!(error instanceof DecodeError)) throw error;
      this.#logger.warn('snapshot_unusable', { stream, slot, error });
      return { kind: 'absent', exists: true, handle };
    }
  }

  /**
   * What the messages after the head changed, at a tenth of a head's price. `headSeq` is the stored head's. Encodes now,
   * as `save` does; never rejects.
   */
  async saveIncrement(
    slot: number,
    state: StreamState,
    headSeq: number,
    { epoch, position }: { readonly epoch: number; readonly position: LogPosition },
    handle: SnapshotHandle,
  ): Promise<void> {
    const bytes = encodeIncrement(state, headSeq, position, epoch);
    const written = await this.#write(slot, state.stream, INCREMENT, bytes, handle.incrementSequence);
    handle.incrementSequence = written.sequence;
  }

  /** Encodes now, writes in the background; resolves to whether all of it was written. Never rejects. */
  async save(
    slot: number,
    stream: StreamId,
    epoch: number,
    state: StreamState,
    notes: readonly Note[],
    handle: SnapshotHandle,
    position?: LogPosition,
  ): Promise<boolean> {
    const blocks = (blocksOf(state)?.blocks ?? []) as AnyBlock[];
    const inline = (blocksOf(state)?.size ?? 0) <= limits.snapshotInlineKeysMax;
    if (!inline) for (const block of blocks) if (block.part === 0) block.part = handle.nextPart++;
    const changed = inline ? [] : blocks.flatMap((block, i) => captureBlock(state, epoch, block, blocks[i + 1]));
    const head = encodeHead({ state, epoch, notes, nextPart: handle.nextPart, position }, inline);
    for (const { block, bytes } of changed.reverse()) {
      if (!(await this.#writeBlock(slot, stream, block, bytes))) {
        for (const other of changed) other.block.dirty = true;
        return false;
      }
    }
    const written = await this.#write(slot, stream, HEAD, head, handle.headSequence);
    handle.headSequence = written.sequence;
    return written.stored;
  }

  async #loadBlocks(slot: number, stream: StreamId, head: Head, handle: SnapshotHandle): Promise<void> {
    const firsts = await Promise.all(head.refs.map(([, part]) => this.#readBlock(slot, stream, part)));
    const blocks: AnyBlock[] = [];
    for (const [i, first] of firsts.entries()) {
      const next = head.refs[i + 1]?.[0] ?? '';
      let stored = first;
      if (stored.block.from !== head.refs[i]?.[0]) throw new DecodeError('snapshot', 'blocks do not tile');
      blocks.push(stored.block);
      // Split since the head was written: its upper halves stand to the right.
      while (stored.to !== next) {
        const { to, right } = stored;
        if (right === 0 || to === '' || (next !== '' && to > next))
          throw new DecodeError('snapshot', 'blocks do not tile');
        stored = await this.#readBlock(slot, stream, right);
        if (stored.block.from !== to) throw new DecodeError('snapshot', 'blocks do not tile');
        handle.nextPart = Math.max(handle.nextPart, right + 1);
        blocks.push(stored.block);
      }
    }
    blocksOf(head.state)?.restore(blocks);
  }

  async #readBlock(slot: number, stream: StreamId, part: number): Promise<ReturnType<typeof decodeBlock>> {
    const read = await this.#last(slot, stream, partName(part));
    if (read.kind === 'unavailable') throw new Unavailable();
    if (read.kind === 'absent') throw new DecodeError('snapshot', `block ${part} is missing`);
    return decodeBlock(read.record.data, part, read.record.sequence);
  }

  async #writeBlock(slot: number, stream: StreamId, block: AnyBlock, bytes: Uint8Array): Promise<boolean> {
    const written = await this.#write(slot, stream, partName(block.part), bytes, block.storedSequence);
    block.storedSequence = written.sequence;
    return written.stored;
  }

  async #write(
    slot: number,
    stream: StreamId,
    part: string,
    bytes: Uint8Array,
    expected: number,
  ): Promise<{ stored: boolean; sequence: number }> {
    const subject = subjects.snapshot(slot, stream, part);
    const attempt = await this.#records.append(subject, bytes, expected, limits.snapshotWriteTimeoutMs);
    if (attempt.kind === 'stored') return { stored: true, sequence: attempt.sequence };
    this.#logger.debug('snapshot_not_written', { stream, slot, part, outcome: attempt.kind });
    // Another writer, or an attempt of ours whose answer was lost: the next snapshot goes on from there (V3).
    const read = await this.#last(slot, stream, part);
    return { stored: false, sequence: read.kind === 'found' ? read.record.sequence : expected };
  }

  #last(slot: number, stream: StreamId, part: string): Promise<RecordRead> {
    return this.#records.last(SNAPSHOT_STREAM, subjects.snapshot(slot, stream, part));
  }
}

/** Brings the head's state up to the increment, if it belongs to that head; gives where the log stood then. */
function addIncrement({ state, position }: Head, bytes: Uint8Array): LogPosition | undefined {
  const increment = decodeIncrement(bytes);
  if (increment.headSeq !== state.seq || increment.seq <= state.seq) return position;
  state.posts.restore(increment.posts);
  state.seq = increment.seq;
  state.lastTs = increment.lastTs;
  return increment.position;
}

/** The block's bytes if it changed; from now on it counts as written. */
function captureBlock(
  state: StreamState,
  epoch: number,
  block: AnyBlock,
  next: AnyBlock | undefined,
): { block: AnyBlock; bytes: Uint8Array }[] {
  if (!block.dirty && block.storedSequence > 0) return [];
  block.dirty = false;
  return [{ block, bytes: encodeBlock(state, epoch, block, next?.from ?? '', next?.part ?? 0) }];
}

class Unavailable extends Error {}
