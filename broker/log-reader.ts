/**
 * Reading one stream's log: from its tail by the records' skip pointers, never by a scan.
 *
 * L1  Finding a record costs O(log n) reads one after the other; a range of records costs one read each, in parallel
 *     waves of at most logReadsInFlightMax.
 * L2  A read that the broker does not answer is tried again until `signal` aborts. The answer is then `unavailable`.
 * L3  What an actor needs at once is bounded: a page and a range of events hold at most logPageBytesMax (one record more,
 *     where a single one is larger). What is read for them fits: few records where they are large, and along a range ever
 *     more where they are small, since finding a window costs the same whatever its size.
 * L4  The record that `open` read is not read again by the same reader: records never change.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import { decodeRecord, type LogRecord, type SkipPointer } from '../protocol/records.ts';
import type { RecordRead, RecordStore, StoredRecord } from './broker.ts';
import { type EventPage, eventsOf, PageBuilder, type PageQuery } from './event-page.ts';
import {
  emptyLog,
  follows,
  type LogPosition,
  type PlacedRecord,
  placesBefore,
  placesOf,
  pointerTo,
  positionAfter,
  type RecordPlace,
  trailingZeros,
} from './log-position.ts';

/** What all readers of a worker share. */
export interface LogSource {
  readonly store: RecordStore;
  readonly clock: Clock;
}

/** Where one stream's log stands: subjects.logStream and subjects.log. */
export interface LogAddress {
  readonly stream: string;
  readonly subject: string;
}

export type LogFailure =
  /** The signal aborted before the broker answered. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** A record that is needed was trimmed. */
  | { readonly kind: 'trimmed' }
  /** The log contradicts itself, or is of a newer format: nothing must be written behind it. */
  | { readonly kind: 'broken'; readonly detail: string };

export type LogOpening = { readonly kind: 'open'; readonly position: LogPosition; readonly epoch: number } | LogFailure;
/** Records in order; `position` is the place behind the last of them, `epoch` that of the log's newest record. */
export type RecordsSince =
  | {
      readonly kind: 'records';
      readonly records: readonly PlacedRecord[];
      readonly position: LogPosition;
      readonly epoch: number;
    }
  | LogFailure;
/** The newest record of a log; undefined: it has none. */
export type NewestRecord = Fetched | undefined;
export type RecordWindow = { readonly kind: 'records'; readonly records: readonly PlacedRecord[] } | LogFailure;
/** `more`: not everything up to `upToSeq` is there; go on after the last event. */
export type EventRange =
  | { readonly kind: 'events'; readonly events: readonly SequencedEvent[]; readonly more: boolean }
  | LogFailure;

/** Records of one window; a power of two, since windows end at multiples of it. */
const WINDOW_RECORDS = 64;
const WINDOW_RECORDS_MAX = 512;

type Fetched = { readonly kind: 'record'; readonly placed: PlacedRecord } | LogFailure;
type Sought = Fetched | { readonly kind: 'none' };

export class LogReader {
  readonly #source: LogSource;
  readonly #address: LogAddress;
  /** The newest record as `open` found it: of a short log, what comes next is often in there (L4). */
  #newest: PlacedRecord | undefined;

  constructor(source: LogSource, address: LogAddress) {
    this.#source = source;
    this.#address = address;
  }

  /** The log's end, from its newest record alone. Reads one record per set bit of its index. */
  async open(signal: AbortSignal, newest?: Promise<NewestRecord>): Promise<LogOpening> {
    const tail = await (newest ?? this.newest(signal));
    if (tail === undefined) return { kind: 'open', position: emptyLog, epoch: 0 };
    if (tail.kind !== 'record') return tail;
    const { sequence, record } = tail.placed;
    this.#newest = tail.placed;
    const skipStack = await this.#skipStack(tail.placed, signal);
    if ('kind' in skipStack) return skipStack;
    const lastTs = await this.#lastTs(tail.placed, signal);
    if (typeof lastTs !== 'number') return lastTs;
    const position = {
      sequence,
      index: record.index,
      nextSeq: record.firstSeq + record.events.length,
      lastTs,
      skipStack,
    };
    return { kind: 'open', position, epoch: record.epoch };
  }

  /** Everything behind `position`, at most `recordsMax` records; a subject that forgot `position` is broken. */
  async since(
    position: LogPosition,
    recordsMax: number,
    signal: AbortSignal,
    read?: Promise<NewestRecord>,
  ): Promise<RecordsSince> {
    const tail = await (read ?? this.newest(signal));
    if (tail === undefined) {
      return position.sequence === 0
        ? { kind: 'records', records: [], position, epoch: 0 }
        : broken('the subject is empty');
    }
    if (tail.kind !== 'record') return tail;
    const newest = tail.placed;
    const { epoch } = newest.record;
    if (newest.sequence === position.sequence && newest.record.index === position.index) {
      return { kind: 'records', records: [], position, epoch };
    }
    const count = newest.record.index - position.index;
    if (newest.sequence <= position.sequence || count < 1) return broken('the log ends before a known record');
    if (count > recordsMax) return broken(`${count} unknown records, at most ${recordsMax}`);
    const range = await this.#range(newest, position.index + 1, signal);
    return range.kind === 'records' ? chain(position, range.records, epoch) : range;
  }

  /** The one record that holds event `seq`. */
  async #holding(
    position: LogPosition,
    seq: number,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'records'; readonly records: readonly [PlacedRecord] } | LogFailure> {
    const found = await this.#seek(position, (place) => place.pointer.firstSeq > seq, signal);
    if (found.kind === 'none') return { kind: 'trimmed' };
    return found.kind === 'record' ? { kind: 'records', records: [found.placed] } : found;
  }

  /** The records behind the one with `index`: up to an aligned one, which is quickest to find and points at them all. */
  async #behind(position: LogPosition, index: number, records: number, signal: AbortSignal): Promise<RecordWindow> {
    const lastIndex = Math.min(position.index, (Math.floor(index / records) + 1) * records);
    if (lastIndex <= index) return { kind: 'records', records: [] };
    const last = await this.#seek(position, (place) => place.index > lastIndex, signal);
    if (last.kind === 'none') return { kind: 'trimmed' };
    if (last.kind !== 'record') return last;
    return this.#range(last.placed, index + 1, signal);
  }

  /** Events afterSeq + 1 … upToSeq in order, at most `count` and logPageBytesMax (L3). */
  async eventsBetween(
    position: LogPosition,
    query: { readonly afterSeq: number; readonly upToSeq: number; readonly count: number },
    signal: AbortSignal,
  ): Promise<EventRange> {
    const upToSeq = Math.min(query.upToSeq, position.nextSeq - 1);
    const events: SequencedEvent[] = [];
    let seq = query.afterSeq;
    let bytes = 0;
    let size = 1;
    let window: RecordWindow = { kind: 'records', records: [] };
    while (seq < upToSeq) {
      const index: number | undefined = window.records.at(-1)?.record.index;
      window = await (index === undefined
        ? this.#holding(position, seq + 1, signal)
        : this.#behind(position, index, size, signal));
      if (window.kind !== 'records') return window;
      if (window.records.length === 0) return broken(`no record holds event ${seq + 1}`);
      size = nextSize(size, window.records);
      for (const item of eventsOf(window.records)) {
        if (item.seq <= seq || item.seq > upToSeq) continue;
        if (events.length >= query.count || bytes >= limits.logPageBytesMax)
          return { kind: 'events', events, more: true };
        events.push({ seq: item.seq, event: item.event });
        bytes += item.bytes;
        seq = item.seq;
      }
    }
    return { kind: 'events', events, more: false };
  }

  /** A page of the events before a place, newest first (L3). */
  async pageBefore(position: LogPosition, query: PageQuery, signal: AbortSignal): Promise<EventPage | LogFailure> {
    const page = new PageBuilder(query);
    let found = await this.#seek(position, (place) => page.isBehind(place), signal);
    while (found.kind === 'record') {
      const newest = found.placed;
      const records = Math.min(WINDOW_RECORDS, page.recordsWanted(), Math.max(2, fittingRecords(newest.bytes)));
      const oldestIndex = Math.max(1, newest.record.index - records + 1);
      const window = await this.#range(newest, oldestIndex, signal);
      if (window.kind !== 'records') return window;
      if (page.takeAll(window.records)) return page.result();
      const before = window.records[0] && placesBefore(window.records[0].record)[0];
      found = before === undefined ? { kind: 'none' } : await this.#fetch(before, signal);
    }
    return found.kind === 'none' ? page.end() : found;
  }

  /** The newest record for which `isBehind` is false; it must be true for every record behind one that it is true for. */
  async #seek(position: LogPosition, isBehind: (place: RecordPlace) => boolean, signal: AbortSignal): Promise<Sought> {
    let places = placesOf(position);
    for (;;) {
      const behind = places.findLast(isBehind);
      const [nearest] = places;
      if (behind === undefined) return nearest === undefined ? { kind: 'none' } : this.#fetch(nearest, signal);
      const fetched = await this.#fetch(behind, signal);
      if (fetched.kind !== 'record') return fetched;
      places = placesBefore(fetched.placed.record);
    }
  }

  /** Records `oldestIndex` … `newest`, in order: each record read tells of others, so the waves double (L1). */
  async #range(newest: PlacedRecord, oldestIndex: number, signal: AbortSignal): Promise<RecordWindow> {
    const found = new Map([[newest.record.index, newest]]);
    const queue: RecordPlace[] = [];
    const known = new Set<number>();
    const learn = (placed: PlacedRecord): void => {
      for (const place of placesBefore(placed.record)) {
        if (place.index < oldestIndex || known.has(place.index)) continue;
        known.add(place.index);
        queue.push(place);
      }
    };
    learn(newest);
    while (queue.length > 0) {
      const wave = queue.splice(0, limits.logReadsInFlightMax);
      for (const fetched of await Promise.all(wave.map((place) => this.#fetch(place, signal)))) {
        if (fetched.kind !== 'record') return fetched;
        found.set(fetched.placed.record.index, fetched.placed);
        learn(fetched.placed);
      }
    }
    if (found.size !== newest.record.index - oldestIndex + 1) return broken('records without pointers to them');
    return { kind: 'records', records: [...found.values()].sort((a, b) => a.record.index - b.record.index) };
  }

  /** From the newest record down: each points at the newest one of the next level. Ends where the log was trimmed. */
  async #skipStack(tail: PlacedRecord, signal: AbortSignal): Promise<SkipPointer[] | LogFailure> {
    const stack: SkipPointer[] = [];
    let place: RecordPlace = { index: tail.record.index, pointer: pointerTo(tail.sequence, tail.record) };
    let record: LogRecord | undefined = tail.record;
    for (;;) {
      const level = trailingZeros(place.index);
      while (stack.length <= level) stack.push(place.pointer);
      if (place.index === 2 ** level) return stack;
      if (record === undefined) {
        const fetched = await this.#fetch(place, signal);
        if (fetched.kind === 'trimmed') return stack;
        if (fetched.kind !== 'record') return fetched;
        ({ record } = fetched.placed);
      }
      const next = placesBefore(record)[level];
      if (next === undefined) return stack;
      place = next;
      record = undefined;
    }
  }

  /** Fences have no events: their predecessors tell. What was trimmed cannot; its first timestamp is a lower bound. */
  async #lastTs(tail: PlacedRecord, signal: AbortSignal): Promise<number | LogFailure> {
    for (let { record } = tail; ; ) {
      const last = record.events.at(-1);
      if (last !== undefined) return last.ts;
      const [previous] = placesBefore(record);
      if (previous === undefined) return 0;
      const fetched = await this.#fetch(previous, signal);
      if (fetched.kind === 'trimmed') return previous.pointer.firstTs;
      if (fetched.kind !== 'record') return fetched;
      ({ record } = fetched.placed);
    }
  }

  async newest(signal: AbortSignal): Promise<NewestRecord> {
    const { stream, subject } = this.#address;
    const read = await this.#persistently(() => this.#source.store.last(stream, subject), signal);
    if (read.kind === 'unavailable') return { kind: 'unavailable', reason: String(read.cause) };
    return read.kind === 'absent' ? undefined : this.#place(read.record, undefined);
  }

  async #fetch(place: RecordPlace, signal: AbortSignal): Promise<Fetched> {
    const { sequence } = place.pointer;
    if (sequence === this.#newest?.sequence) return { kind: 'record', placed: this.#newest };
    const read = await this.#persistently(() => this.#source.store.at(this.#address.stream, sequence), signal);
    if (read.kind === 'unavailable') return { kind: 'unavailable', reason: String(read.cause) };
    return read.kind === 'absent' ? { kind: 'trimmed' } : this.#place(read.record, place.index);
  }

  async #persistently(read: () => Promise<RecordRead>, signal: AbortSignal): Promise<RecordRead> {
    for (let waitMs: number = limits.logBackoffFirstMs; ; waitMs = Math.min(2 * waitMs, limits.logBackoffLastMs)) {
      if (signal.aborted) return { kind: 'unavailable', cause: 'aborted' };
      const result = await read();
      if (result.kind !== 'unavailable') return result;
      // Without the signal: thousands of readers would hang on one signal's list of listeners. The wait is short.
      await this.#source.clock.sleep(waitMs);
    }
  }

  #place(stored: StoredRecord, index: number | undefined): Fetched {
    if (stored.subject !== this.#address.subject) return broken(`sequence ${stored.sequence} is another stream's`);
    try {
      const record = decodeRecord(stored.data);
      if (index !== undefined && record.index !== index) return broken(`record ${record.index} stands for ${index}`);
      return { kind: 'record', placed: { sequence: stored.sequence, record, bytes: stored.data.length } };
    } catch (error) {
      return broken(`sequence ${stored.sequence}: ${error instanceof Error ? error.message : 'undecodable'}`);
    }
  }
}

function chain(position: LogPosition, records: readonly PlacedRecord[], epoch: number): RecordsSince {
  let at = position;
  // A log that lost its end in a power loss and went on may count as before; its records point elsewhere.
  const before = records[0]?.record.skips[0];
  if (before !== undefined && before.sequence !== position.sequence) return broken('the log went another way');
  for (const { sequence, record } of records) {
    if (!follows(at, sequence, record)) return broken(`sequence ${sequence} does not follow ${at.sequence}`);
    at = positionAfter(at, sequence, record);
  }
  return { kind: 'records', records, position: at, epoch };
}

/** Records of the next window of a range: about a page's worth, a power of two, at most twice as many as the last one. */
function nextSize(size: number, records: readonly PlacedRecord[]): number {
  const bytes = records.reduce((sum, one) => sum + one.bytes, 0) / records.length;
  const fitting = 2 ** Math.floor(Math.log2(Math.max(2, fittingRecords(bytes))));
  return Math.min(fitting, Math.max(WINDOW_RECORDS, 2 * size), WINDOW_RECORDS_MAX);
}

/** How many records of this size make a page. */
function fittingRecords(bytes: number): number {
  return Math.ceil(limits.logPageBytesMax / Math.max(1, bytes));
}

function broken(detail: string): { readonly kind: 'broken'; readonly detail: string } {
  return { kind: 'broken', detail };
}
