/**
 * Watches every record that the in-memory log stores, at the moment it is stored, and knows afterwards what stands
 * where. The checks are DESIGN's invariants of the log.
 *
 * B1  Per stream seq is dense and ts rises (G2); a mutation of an author stands there once (G3).
 * B2  Per stream epochs do not decrease: no record of epoch e after the first of e + 1 (G6).
 * B3  Once a slot was opened without a fence under an epoch, nothing of an older epoch is stored in it: the old owner
 *     was said to be cut off.
 */
import type { MemoryBrokerHub } from '../../broker/memory-broker.ts';
import type { DurableEvent, EventBody } from '../../protocol/events.ts';
import type { StreamId, UserId } from '../../protocol/ids.ts';
import { decodeRecord, type LogRecord } from '../../protocol/records.ts';
import type { SimHistory } from './sim-history.ts';

interface StreamPages {
  readonly events: DurableEvent[];
  readonly seqs: Map<string, number>;
  epoch: number;
}

export const keyOf = (author: string, mutation: string): string => `${author} ${mutation}`;

export class LogBook {
  readonly #history: SimHistory;
  readonly #streams = new Map<string, StreamPages>();
  readonly #trusted = new Map<number, number>();
  records = 0;

  constructor(hub: MemoryBrokerHub, history: SimHistory) {
    this.#history = history;
    const store = hub.streams.append.bind(hub.streams);
    hub.streams.append = (subject, data, expected) => {
      const attempt = store(subject, data, expected);
      if (attempt.kind === 'stored' && subject.startsWith('belfry.log.')) this.#stored(subject, decodeRecord(data));
      return attempt;
    };
  }

  /** Seq of the last event. */
  tail(stream: StreamId): number {
    return this.#streams.get(stream)?.events.length ?? 0;
  }

  event(stream: StreamId, seq: number): DurableEvent | undefined {
    return this.#streams.get(stream)?.events[seq - 1];
  }

  seqOf(stream: StreamId, author: string, mutation: string): number | undefined {
    return this.#streams.get(stream)?.seqs.get(keyOf(author, mutation));
  }

  /** Seq of the user's last join; 0: none. */
  joinOf(stream: StreamId, user: UserId): number {
    const events = this.#streams.get(stream)?.events ?? [];
    return 1 + events.findLastIndex(({ body }) => isJoinOf(body, user));
  }

  /** Seq of the user's last leave; 0: none. */
  leaveOf(stream: StreamId, user: UserId): number {
    const events = this.#streams.get(stream)?.events ?? [];
    return 1 + events.findLastIndex(({ body }) => body.kind === 'left' && body.user === user);
  }

  /** A slot was opened; B3 holds from now on unless the grant says fence. */
  opened(slot: number, epoch: number, fence: boolean): void {
    if (!fence) this.#trusted.set(slot, Math.max(epoch, this.#trusted.get(slot) ?? 0));
  }

  #stored(subject: string, record: LogRecord): void {
    const [, , , slot, stream] = subject.split('.') as [string, string, string, string, StreamId];
    this.records += 1;
    const pages = this.#pages(stream);
    const kinds = record.events.map(({ body }) => (body.kind === 'message' ? body.draft.text : body.kind)).join(' ');
    const said = `epoch ${record.epoch}, seq ${record.firstSeq} [${kinds}] by ${record.recordId}`;
    this.#history.note('log', 'stored', stream, said);
    this.#checkOrder(stream, pages, record, said);
    if (record.epoch < (this.#trusted.get(Number(slot)) ?? 0)) {
      this.#history.violate('nothing of an owner that was cut off is stored', said, stream, `slot ${slot}`);
    }
    pages.epoch = record.epoch;
    for (const event of record.events) this.#add(stream, pages, event);
  }

  #checkOrder(stream: StreamId, pages: StreamPages, record: LogRecord, said: string): void {
    if (record.firstSeq !== pages.events.length + 1) this.#history.violate('seq is dense', said, stream);
    if (record.epoch < pages.epoch) this.#history.violate('epochs do not decrease', said, stream);
  }

  #add(stream: StreamId, pages: StreamPages, event: DurableEvent): void {
    const last = pages.events.at(-1);
    if (last !== undefined && event.ts <= last.ts) this.#history.violate('ts rises', `${event.ts}`, stream);
    const key = keyOf(event.author, event.mutation);
    if (pages.seqs.has(key)) this.#history.violate('each mutation stands in the log once', key, stream);
    pages.events.push(event);
    pages.seqs.set(key, pages.events.length);
  }

  #pages(stream: StreamId): StreamPages {
    let pages = this.#streams.get(stream);
    if (pages === undefined) {
      pages = { events: [], seqs: new Map(), epoch: 0 };
      this.#streams.set(stream, pages);
    }
    return pages;
  }
}

function isJoinOf(body: EventBody, user: UserId): boolean {
  if (body.kind === 'opened') return body.members.includes(user);
  return body.kind === 'joined' && body.user === user;
}
