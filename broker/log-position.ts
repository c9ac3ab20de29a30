/**
 * A place in one stream's log: behind which record the next one goes, and the pointers that it will carry. Plain data,
 * so that a snapshot can hold it.
 *
 * P1  `skipStack[l]` points at the newest record whose index is a multiple of 2^l. A record of index i takes its
 *     pointers to i - 2^l (l = 0 … tz(i)) from the first tz(i) + 1 of them: these are exactly those records.
 * P2  Levels that are missing at the end of the stack (the log was trimmed there, or is that young) are missing at the
 *     end of a record's pointers too; what remains keeps its meaning.
 */
import { assert } from '../platform/assert.ts';
import type { LogRecord, SkipPointer } from '../protocol/records.ts';

export interface LogPosition {
  /** Stream sequence of the last record; 0 in an empty log. */
  readonly sequence: number;
  /** Number of the last record; 0 in an empty log. */
  readonly index: number;
  /** What the next event gets. */
  readonly nextSeq: number;
  /** Timestamp of the last event in microseconds; 0 before the first. */
  readonly lastTs: number;
  readonly skipStack: readonly SkipPointer[];
}

/** A record and where it stands. */
export interface PlacedRecord {
  readonly sequence: number;
  readonly record: LogRecord;
  /** Encoded size. */
  readonly bytes: number;
}

/** A record that is known but not read. */
export interface RecordPlace {
  readonly index: number;
  readonly pointer: SkipPointer;
}

export const emptyLog: LogPosition = { sequence: 0, index: 0, nextSeq: 1, lastTs: 0, skipStack: [] };

/** The place behind `record`, which stands at `sequence` as the next one after `position`. */
export function positionAfter(position: LogPosition, sequence: number, record: LogRecord): LogPosition {
  assert(follows(position, sequence, record), 'log-position/record-follows', {
    sequence,
    after: position.sequence,
    index: record.index,
    afterIndex: position.index,
    firstSeq: record.firstSeq,
    nextSeq: position.nextSeq,
  });
  const pointer = pointerTo(sequence, record);
  const skipStack = position.skipStack.slice();
  for (let level = 0; level <= trailingZeros(record.index); level += 1) {
    // Above a trimmed level nothing can be known again until a record of that level is written (P2).
    if (level <= skipStack.length) skipStack[level] = pointer;
  }
  return {
    sequence,
    index: record.index,
    nextSeq: record.firstSeq + record.events.length,
    lastTs: record.events.at(-1)?.ts ?? position.lastTs,
    skipStack,
  };
}

/** True when `record` at `sequence` is well-formed as the next one after `position`. */
export function follows(position: LogPosition, sequence: number, record: LogRecord): boolean {
  return record.index === position.index + 1 && record.firstSeq === position.nextSeq && sequence > position.sequence;
}

/** The pointers that the next record after `position` carries (P1). */
export function skipsOfNext(position: LogPosition): readonly SkipPointer[] {
  return position.skipStack.slice(0, trailingZeros(position.index + 1) + 1);
}

export function pointerTo(sequence: number, record: LogRecord): SkipPointer {
  // A fence has no event: its predecessor's first timestamp keeps the pointers in order.
  const firstTs = record.events[0]?.ts ?? record.skips[0]?.firstTs ?? 0;
  return { sequence, firstSeq: record.firstSeq, firstTs };
}

/** The records that `record` points at, nearest first. */
export function placesBefore(record: LogRecord): readonly RecordPlace[] {
  return record.skips.map((pointer, level) => ({ index: record.index - 2 ** level, pointer }));
}

/** The records that the stack of `position` points at, newest first; the same one may stand on several levels. */
export function placesOf(position: LogPosition): readonly RecordPlace[] {
  return position.skipStack.map((pointer, level) => ({
    index: position.index - (position.index % 2 ** level),
    pointer,
  }));
}

/** How often 2 divides n. */
export function trailingZeros(n: number): number {
  assert(Number.isSafeInteger(n) && n > 0 && n < 2 ** 31, 'log-position/index-in-range', { n });
  return 31 - Math.clz32(n & -n);
}
