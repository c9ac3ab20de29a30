/**
 * Records: the unit of a stream's log, one JetStream message each. A record holds the events of one group commit.
 *
 * Invariants:
 * R1  `events` is never empty in a data record; an epoch record (a fence) has none.
 * R2  `firstSeq` is the seq of events[0]; in a fence, the seq that the next event will have.
 * R3  Record number `index` (1, 2, 3 …) points at records index - 2^l for l = 0 … tz(index): a deterministic skip
 *     list, so that any event is O(log n) reads away from the tail and a page is read in parallel.
 */
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import type { DurableEvent, EventBody } from './events.ts';
import { parseMutationId, parseStreamId, type MutationId, type TeamId, type UserId } from './ids.ts';

export const RECORD_FORMAT = 1;
/** What a decoder accepts: one event of 40,000 characters with its blocks may pass limits.recordBytesMax by itself. */
export const RECORD_BYTES_ACCEPTED_MAX = 768 * 1024;

/** Where an earlier record stands: its stream sequence, its first event's seq and timestamp (microseconds). */
export interface SkipPointer {
  readonly sequence: number;
  readonly firstSeq: number;
  readonly firstTs: number;
}

export interface LogRecord {
  /** The slot epoch under which it was appended; non-decreasing along the log. */
  readonly epoch: number;
  /** Unique per append attempt chain: finds one's own record again after a lost acknowledgement. */
  readonly recordId: string;
  readonly index: number;
  readonly firstSeq: number;
  readonly skips: readonly SkipPointer[];
  readonly events: readonly DurableEvent[];
}

export function encodeRecord(record: LogRecord): Uint8Array {
  return encode([
    RECORD_FORMAT,
    record.epoch,
    record.recordId,
    record.index,
    record.firstSeq,
    record.skips.map((skip) => [skip.sequence, skip.firstSeq, skip.firstTs]),
    record.events.map((event) => [event.ts, event.author, event.mutation, event.body]),
  ]);
}

/** @throws DecodeError for anything but a well-formed record of this format. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  const fields = decodeVersioned('record', bytes, RECORD_BYTES_ACCEPTED_MAX, RECORD_FORMAT);
  const [, epoch, recordId, index, firstSeq, skips, events] = fields;
  if (!isCount(epoch) || !isCount(index) || !isCount(firstSeq) || typeof recordId !== 'string') {
    throw new DecodeError('record', 'malformed head');
  }
  if (!Array.isArray(skips) || !Array.isArray(events)) throw new DecodeError('record', 'malformed lists');
  return { epoch, recordId, index, firstSeq, skips: skips.map(decodeSkip), events: events.map(decodeEvent) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function decodeSkip(value: unknown): SkipPointer {
  const [sequence, firstSeq, firstTs] = Array.isArray(value) ? (value as unknown[]) : [];
  if (!isCount(sequence) || !isCount(firstSeq) || !isCount(firstTs)) {
    throw new DecodeError('record', 'malformed skip pointer');
  }
  return { sequence, firstSeq, firstTs };
}

function decodeEvent(value: unknown): DurableEvent {
  if (!Array.isArray(value)) throw new DecodeError('record', 'malformed event');
  const [ts, author, mutation, body] = value as unknown[];
  if (!isCount(ts) || parseStreamId(author) === undefined || parseMutationId(mutation) === undefined) {
    throw new DecodeError('record', 'malformed event head');
  }
  if (typeof body !== 'object' || body === null || typeof (body as { kind?: unknown }).kind !== 'string') {
    throw new DecodeError('record', 'malformed event body');
  }
  // The body was validated before it was written; its kind is checked where it is folded.
  return { ts, author: author as UserId | TeamId, mutation: mutation as MutationId, body: body as EventBody };
}
