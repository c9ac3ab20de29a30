/**
 * Events of many streams' pasts for the sessions of a gateway: from the hot tails at once, else from the log, bounded
 * over the worker. No stream is activated for it, unless its slot's log may still have another writer.
 *
 * Invariants:
 * V1  One answer holds about `readAnswerBytesMax`; entries that do not fit are `later`, the first one always fits.
 * V2  Where a log ended a moment ago is enough to read what lies before that: a long gap looks but once in a while.
 */
import { LRUCache } from 'lru-cache';
import type { LogPosition } from '../broker/log-position.ts';
import { limits } from '../platform/limits.ts';
import type { EventsFound, SlotCommand } from '../protocol/commands.ts';
import { retryable } from '../protocol/errors.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { Ticket } from './answers.ts';
import type { Slot } from './slot.ts';
import type { EventsRead, Read } from './stream-reads.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { WorkerContext } from './worker-context.ts';

type Events = Extract<SlotCommand, { kind: 'events' }>;
type Entry = Events['entries'][number];

const ENTRY_BYTES = 64;
const NOTHING: EventsRead = { events: [], bytes: 0, gone: false };

interface Known {
  readonly position: LogPosition;
  readonly atMs: number;
}

/** One answer as it grows. */
interface Answer {
  readonly found: EventsFound[];
  bytes: number;
}

export class EventPages {
  readonly #context: WorkerContext;
  readonly #subscriptions: Pick<Subscriptions, 'position'>;
  /** V2. Made when the first is kept: it takes the room for all of them at once. */
  #positions: LRUCache<StreamId, Known> | undefined;

  constructor(context: WorkerContext, subscriptions: Pick<Subscriptions, 'position'>) {
    this.#context = context;
    this.#subscriptions = subscriptions;
  }

  /** Never rejects. */
  async answer(slot: Slot, ticket: Ticket, { entries }: Events): Promise<void> {
    const answer: Answer = { found: [], bytes: 0 };
    while (answer.found.length < entries.length && this.#addHot(slot, answer, entries)) continue;
    if (answer.found.length < entries.length && !(await this.#addCold(slot, answer, entries))) {
      return this.#context.answers.failure(ticket, retryable('too many reads'));
    }
    this.#context.answers.result(ticket, { found: answer.found }, answer.bytes);
  }

  /** False: the next entry has to be read from the log. */
  #addHot(slot: Slot, answer: Answer, entries: Events['entries']): boolean {
    const entry = entries[answer.found.length];
    if (entry === undefined || isFull(answer)) return add(answer, { kind: 'later' }, 0);
    const hot = this.#hot(slot, entry);
    return hot !== undefined && add(answer, { kind: 'page', events: hot.events, gone: false }, hot.bytes);
  }

  #hot(slot: Slot, [stream, after, upTo]: Entry): { events: EventsRead['events']; bytes: number } | undefined {
    const tail = slot.streams.seqOf(stream);
    if (tail < 0 || after >= tail) return undefined;
    const to = Math.min(upTo, tail, after + limits.resumeReadEventsMax);
    return this.#context.hotTails.sizedBetween(stream, after, to, limits.readAnswerBytesMax);
  }

  /** Takes one place among the worker's reads for all entries that are left; false: there is none. */
  #addCold(slot: Slot, answer: Answer, entries: Events['entries']): Promise<boolean> {
    return new Promise((resolve) => {
      const work = async (): Promise<void> => {
        while (answer.found.length < entries.length && !slot.ended) {
          if (this.#addHot(slot, answer, entries)) continue;
          const entry = entries[answer.found.length];
          if (entry === undefined) break;
          const read = await this.#read(slot, entry);
          if (read.ok)
            add(answer, { kind: 'page', events: read.value.events, gone: read.value.gone }, read.value.bytes);
          else add(answer, { kind: 'failed', failure: read.failure }, 0);
        }
      };
      if (!this.#context.reads.run(() => work().finally(() => resolve(true)))) resolve(false);
    });
  }

  async #read(slot: Slot, [stream, after, upTo]: Entry): Promise<Read<EventsRead>> {
    const entry = slot.streams.hold(stream);
    const failure = await this.#subscriptions.position(slot, entry);
    slot.streams.letGo(entry);
    if (failure !== undefined) return { ok: false, failure };
    if (upTo <= after) return { ok: true, value: NOTHING };
    const position = await this.#position(slot, stream, Math.min(upTo, after + limits.resumeReadEventsMax));
    if (!position.ok) return position;
    return slot.reads.events(stream, position.value, { after, upTo, limit: limits.resumeReadEventsMax });
  }

  /** A place in the log behind `seq`, or its end. */
  async #position(slot: Slot, stream: StreamId, seq: number): Promise<Read<LogPosition>> {
    const { clock } = this.#context;
    const known = this.#positions?.get(stream);
    const isFresh = known !== undefined && clock.monotonicMs() - known.atMs < limits.logPositionFreshMs;
    if (isFresh && known.position.nextSeq > seq) return { ok: true, value: known.position };
    const tail = await slot.reads.tail(stream);
    if (!tail.ok) return tail;
    const { position } = tail.value;
    this.#positions ??= new LRUCache({ max: limits.logPositionsKeptMax });
    this.#positions.set(stream, { position, atMs: clock.monotonicMs() });
    return { ok: true, value: position };
  }
}

function isFull({ found, bytes }: Answer): boolean {
  return found.length > 0 && bytes >= limits.readAnswerBytesMax;
}

function add(answer: Answer, found: EventsFound, bytes: number): true {
  answer.found.push(found);
  answer.bytes += bytes + ENTRY_BYTES;
  return true;
}
