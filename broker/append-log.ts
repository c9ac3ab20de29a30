/**
 * The writing end of one stream's log: compare and set, one append in flight, published again until it is known what
 * became of it.
 *
 * W1  An attempt that ended in neither an acknowledgement nor a conflict says nothing: the identical record is published
 *     again with the same expectation until one of the two comes. Reading the tail instead proves nothing, because a
 *     record that is absent there may still be on its way.
 * W2  After a conflict only the first record behind the expected one can be ours, and it is ours exactly if its recordId
 *     is. Any other record was appended by somebody else.
 * W3  A record of a higher epoch behind ours means another owner: the slot is fenced.
 * W4  `position` moves only over records that are known to stand in the log. After `fenced`, `abandoned` or `broken` it
 *     is not to be written behind again: open the log anew.
 * W5  No attempt, first or repeated, is made while the writer is unsure of its ownership: on a channel where the next
 *     owner has not written yet, compare and set alone would let a late repeat in, and that owner never hears of it.
 */
import { assert } from '../platform/assert.ts';
import type { AppendAttempt } from './broker.ts';
import { limits } from '../platform/limits.ts';
import type { DurableEvent } from '../protocol/events.ts';
import { encodeRecord, type LogRecord, RECORD_BYTES_ACCEPTED_MAX } from '../protocol/records.ts';
import { type LogPosition, type PlacedRecord, positionAfter, skipsOfNext } from './log-position.ts';
import { type LogAddress, LogReader, type LogSource } from './log-reader.ts';

/** What all logs of a worker share. `makeRecordId` never returns an id twice, in any process. */
export interface LogWriterSource extends LogSource {
  readonly makeRecordId: () => string;
  /** Asked right before each attempt; while it says no, the append waits (W5). Absent: always. */
  readonly mayAppend?: () => boolean;
}

export type AppendOutcome =
  /** It stands in the log. `fencedBy`: a later record of that higher epoch was seen; this one stands all the same. */
  | { readonly kind: 'committed'; readonly placed: PlacedRecord; readonly fencedBy: number | undefined }
  /** Others' records came first, in order; ours is not in the log and never will be. Fold them, decide again. */
  | { readonly kind: 'foreign'; readonly records: readonly PlacedRecord[] }
  /** As `foreign`, and one of them is of a higher epoch. */
  | { readonly kind: 'fenced'; readonly epoch: number; readonly records: readonly PlacedRecord[] }
  /** The signal aborted first: it may stand in the log or come to stand there later. */
  | { readonly kind: 'abandoned' }
  /** The log contradicts what we know of it: a fault, never a reason to begin again at 1. */
  | { readonly kind: 'broken'; readonly detail: string };

export class AppendLog {
  readonly #source: LogWriterSource;
  readonly #address: LogAddress;
  #position: LogPosition;
  #state: 'idle' | 'appending' | 'ended' = 'idle';

  constructor(source: LogWriterSource, address: LogAddress, position: LogPosition) {
    this.#source = source;
    this.#address = address;
    this.#position = position;
  }

  get position(): LogPosition {
    return this.#position;
  }

  /**
   * Appends one record of `events`, or a fence where there are none, under `epoch`. Never rejects. An aborted signal is
   * noticed between attempts, at most appendResendMs + logBackoffLastMs later.
   */
  append(events: readonly DurableEvent[], epoch: number, signal: AbortSignal): Promise<AppendOutcome> {
    const { subject } = this.#address;
    assert(this.#state === 'idle', 'append-log/one-in-flight', { state: this.#state, subject });
    this.#state = 'appending';
    const record = this.#next(events, epoch);
    const bytes = encodeRecord(record);
    assert(bytes.length <= RECORD_BYTES_ACCEPTED_MAX, 'append-log/record-size', { subject, bytes: bytes.length });
    const attempt = signal.aborted ? undefined : this.#attempt(bytes);
    if (attempt === undefined) return this.#insist(record, bytes, signal);
    // Nearly always that was all: one promise for it, where a loop that could go on costs several.
    return attempt.then((first) => {
      if (first.kind !== 'stored') return this.#insist(record, bytes, signal, first);
      return this.#committed({ sequence: first.sequence, record, bytes: bytes.length });
    });
  }

  #next(events: readonly DurableEvent[], epoch: number): LogRecord {
    const { index, nextSeq } = this.#position;
    return {
      epoch,
      recordId: this.#source.makeRecordId(),
      index: index + 1,
      firstSeq: nextSeq,
      skips: skipsOfNext(this.#position),
      events,
    };
  }

  /** Undefined: not now (W5). */
  #attempt(bytes: Uint8Array): Promise<AppendAttempt> | undefined {
    if (this.#source.mayAppend?.() === false) return undefined;
    return this.#source.store.append(this.#address.subject, bytes, this.#position.sequence, limits.appendResendMs);
  }

  /** Until it is certain (W1). `last`: what became of the attempt before. */
  async #insist(
    record: LogRecord,
    bytes: Uint8Array,
    signal: AbortSignal,
    last?: AppendAttempt,
  ): Promise<AppendOutcome> {
    let attempt = last;
    for (let waitMs: number = limits.logBackoffFirstMs; ; waitMs = Math.min(2 * waitMs, limits.logBackoffLastMs)) {
      if (attempt?.kind === 'stored') {
        return this.#committed({ sequence: attempt.sequence, record, bytes: bytes.length });
      }
      if (attempt?.kind === 'conflict') {
        const outcome = await this.#afterConflict(record, signal);
        if (outcome !== undefined) return outcome;
      }
      if (signal.aborted) return this.#end({ kind: 'abandoned' });
      // Without the signal: thousands of logs would hang on one signal's list of listeners. The wait is short.
      await this.#source.clock.sleep(waitMs);
      attempt = signal.aborted ? undefined : await this.#attempt(bytes);
    }
  }

  /** Undefined: the record that we conflict with is not readable yet; only the next attempt can tell more. */
  async #afterConflict(record: LogRecord, signal: AbortSignal): Promise<AppendOutcome | undefined> {
    const reader = new LogReader(this.#source, this.#address);
    const since = await reader.since(this.#position, limits.logConflictRecordsMax, signal);
    if (since.kind === 'unavailable') return this.#end({ kind: 'abandoned' });
    if (since.kind === 'trimmed') return this.#end({ kind: 'broken', detail: 'records behind ours were trimmed' });
    if (since.kind === 'broken') return this.#end(since);
    const [first] = since.records;
    if (first === undefined) return undefined;
    const epochs = since.records.map((placed) => placed.record.epoch).filter((epoch) => epoch > record.epoch);
    const fencedBy = epochs.length === 0 ? undefined : Math.max(...epochs);
    if (first.record.recordId === record.recordId) return this.#committed(first, fencedBy);
    if (fencedBy !== undefined) return this.#end({ kind: 'fenced', epoch: fencedBy, records: since.records });
    this.#position = since.position;
    this.#state = 'idle';
    return { kind: 'foreign', records: since.records };
  }

  #committed(placed: PlacedRecord, fencedBy?: number): AppendOutcome {
    this.#position = positionAfter(this.#position, placed.sequence, placed.record);
    this.#state = 'idle';
    return { kind: 'committed', placed, fencedBy };
  }

  /** W4 */
  #end(outcome: AppendOutcome): AppendOutcome {
    this.#state = 'ended';
    return outcome;
  }
}
