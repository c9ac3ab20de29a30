/**
 * A page of a stream's events, filled from the newest on: what belongs on it, and when it is full. Bounded by a count and
 * by logPageBytesMax; an event that is larger still makes a page of its own.
 */
import { limits } from '../platform/limits.ts';
import type { DurableEvent, SequencedEvent } from '../protocol/events.ts';
import type { PlacedRecord, RecordPlace } from './log-position.ts';

export interface PageQuery {
  /** Only events with a smaller seq, or a smaller timestamp (microseconds). Absent: from the newest. */
  readonly before?: { readonly seq: number } | { readonly ts: number };
  /** Stop at events with this timestamp or an older one. */
  readonly afterTs?: number;
  readonly count: number;
  /** Which events count and are returned. Absent: all. */
  readonly accept?: (event: DurableEvent) => boolean;
}

/** Records worth a round trip, even for the last event of a page. */
const WANTED_MIN = 16;

/** Newest first. `nextBefore`: go on with the events before this seq; undefined at the end. */
export interface EventPage {
  readonly kind: 'page';
  readonly events: readonly SequencedEvent[];
  readonly nextBefore: number | undefined;
}

/** What one page holds so far, and when it is full. */
export class PageBuilder {
  readonly #query: PageQuery;
  readonly #events: SequencedEvent[] = [];
  #bytes = 0;
  /** Seq of the oldest event looked at. */
  #reached: number | undefined;
  #ended = false;

  constructor(query: PageQuery) {
    this.#query = query;
  }

  /** True when no event of the record can be on the page. */
  isBehind(place: RecordPlace): boolean {
    const { before } = this.#query;
    if (before === undefined) return false;
    return 'seq' in before ? place.pointer.firstSeq >= before.seq : place.pointer.firstTs >= before.ts;
  }

  /** How many records to read next: each holds at least one event, fences aside, and not every event is accepted. */
  recordsWanted(): number {
    return Math.max(WANTED_MIN, this.#query.count - this.#events.length);
  }

  /** Takes from the newest on. True when the page is full or at its end. */
  takeAll(records: readonly PlacedRecord[]): boolean {
    for (const item of [...eventsOf(records)].reverse()) if (this.#take(item)) return true;
    return false;
  }

  result(): EventPage {
    const more = !this.#ended && this.#reached !== undefined && this.#reached > 1;
    return { kind: 'page', events: this.#events, nextBefore: more ? this.#reached : undefined };
  }

  /** There is no older record. */
  end(): EventPage {
    this.#ended = true;
    return this.result();
  }

  #take({ seq, event, bytes }: SizedEvent): boolean {
    const { before, afterTs, count, accept } = this.#query;
    if (before !== undefined && ('seq' in before ? seq >= before.seq : event.ts >= before.ts)) return false;
    this.#bytes += bytes;
    if (afterTs !== undefined && event.ts <= afterTs) this.#ended = true;
    if (this.#ended) return true;
    this.#reached = seq;
    if (accept === undefined || accept(event)) this.#events.push({ seq, event });
    return this.#events.length >= count || this.#bytes >= limits.logPageBytesMax;
  }
}

export interface SizedEvent extends SequencedEvent {
  /** Its share of its record's bytes. */
  readonly bytes: number;
}

/** The events of records in order. */
export function* eventsOf(records: readonly PlacedRecord[]): Generator<SizedEvent> {
  for (const { record, bytes } of records) {
    const share = bytes / Math.max(1, record.events.length);
    for (const [at, event] of record.events.entries()) yield { seq: record.firstSeq + at, event, bytes: share };
  }
}
