/**
 * Pages of streams' pasts, read once for all sessions of the gateway that miss the same: after a storm of reconnects a
 * channel's gap is asked for as often as the channel has members here.
 *
 * Invariants:
 * Q1  A stream has at most one read under way that covers an event; who needs that event waits for it.
 * Q2  Reads gather during a turn of the event loop and leave as one command per slot; so many streams are read at a
 *     time, the rest wait in the order in which they were asked for.
 * Q3  What was read a moment ago is kept for the next one, bounded in bytes and age: a log that lost its end in a power
 *     loss has long been silent when others' events take the lost ones' places.
 */
import type { CommandOutcome, CommandSender } from '../cluster/command-sender.ts';
import { slotOf } from '../cluster/slots.ts';
import type { Clock } from '../platform/clock.ts';
import type { EventsFound, SlotResult } from '../protocol/commands.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import { eventFrameBytes } from '../protocol/frames.ts';
import type { StreamId, TeamId } from '../protocol/ids.ts';
import type { Page, PageEvent } from './gateway-messages.ts';
import { PageCache } from './page-cache.ts';

export interface PageRequest {
  readonly stream: StreamId;
  readonly after: number;
  readonly upTo: number;
  readonly team: TeamId;
}

export interface PageLimits {
  readonly resumeReadEventsMax: number;
  readonly resumeReadsPerGatewayMax: number;
  readonly resumeReadsPerCommandMax: number;
  readonly pageCacheBytesMax: number;
  readonly pageCacheAgeMs: number;
}

export interface GatewayPagesOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly sender: Pick<CommandSender, 'toSlot'>;
  readonly limits: PageLimits;
}

interface Waiting {
  readonly request: PageRequest;
  readonly settle: (page: Page) => void;
}

interface Reading {
  readonly request: PageRequest;
  readonly waiting: Waiting[];
}

export class GatewayPages {
  readonly #options: GatewayPagesOptions;
  readonly #cache: PageCache;
  /** Queued or under way. */
  readonly #readings = new Map<StreamId, Reading[]>();
  #queue: Reading[] = [];
  #inFlight = 0;
  #isScheduled = false;

  constructor(options: GatewayPagesOptions) {
    this.#options = options;
    this.#cache = new PageCache(options.limits);
  }

  /** Events of (after, upTo] from after + 1 on, as many as one page holds. Never rejects. */
  read(request: PageRequest): Promise<Page> {
    return new Promise((settle) => this.#find({ request, settle }));
  }

  #find(waiting: Waiting): void {
    const { stream, after, upTo } = waiting.request;
    const cached = this.#cache.page(stream, after, upTo, this.#options.clock.monotonicMs());
    if (cached !== undefined) return waiting.settle({ kind: 'page', events: cached, gone: false });
    const readings = this.#readings.get(stream) ?? [];
    const covering = readings.find((reading) => this.#covers(reading, after));
    if (covering !== undefined) covering.waiting.push(waiting);
    else this.#begin({ request: waiting.request, waiting: [waiting] }, readings);
  }

  /** Whether the reading's page may begin at or before event after + 1 and reach it (Q1). */
  #covers({ request }: Reading, after: number): boolean {
    const end = Math.min(request.upTo, request.after + this.#options.limits.resumeReadEventsMax);
    return request.after <= after && after < end;
  }

  #begin(reading: Reading, others: Reading[]): void {
    this.#readings.set(reading.request.stream, [...others, reading]);
    this.#queue.push(reading);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queue.length === 0) return;
    if (this.#inFlight >= this.#options.limits.resumeReadsPerGatewayMax) return;
    this.#isScheduled = true;
    this.#options.clock.defer(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  /** Q2 */
  #flush(): void {
    const { resumeReadsPerGatewayMax, resumeReadsPerCommandMax } = this.#options.limits;
    const taken = this.#queue.splice(0, Math.max(0, resumeReadsPerGatewayMax - this.#inFlight));
    this.#inFlight += taken.length;
    const bySlot = new Map<number, Reading[]>();
    for (const reading of taken) {
      const slot = slotOf(reading.request.stream);
      const gathered = bySlot.get(slot);
      if (gathered === undefined) bySlot.set(slot, [reading]);
      else gathered.push(reading);
    }
    for (const [slot, readings] of bySlot) {
      for (let at = 0; at < readings.length; at += resumeReadsPerCommandMax) {
        void this.#ask(slot, readings.slice(at, at + resumeReadsPerCommandMax));
      }
    }
  }

  async #ask(slot: number, readings: readonly Reading[]): Promise<void> {
    const entries = readings.map(({ request: { stream, after, upTo } }) => [stream, after, upTo] as const);
    const outcome = await this.#options.sender.toSlot<'events'>(slot, { kind: 'events', entries });
    this.#inFlight -= readings.length;
    for (const [at, reading] of readings.entries()) this.#answered(reading, foundAt(outcome, at));
    this.#schedule();
  }

  #answered(reading: Reading, found: EventsFound): void {
    if (found.kind === 'later') {
      this.#queue.unshift(reading);
      return;
    }
    this.#end(reading);
    if (found.kind === 'failed') {
      return settleAll(reading.waiting, { kind: 'failed', rejected: found.failure.kind === 'rejected' });
    }
    const { stream, after, team } = reading.request;
    const events = pageEvents(stream, found.events, team);
    if (events.length > 0 && !found.gone) {
      this.#cache.add(stream, events, this.#options.clock.monotonicMs());
    }
    const own = reading.waiting.filter(({ request }) => request.after === after);
    settleAll(own, { kind: 'page', events, gone: found.gone });
    // Whoever needs a later part finds it in the cache, or asks for itself.
    for (const other of reading.waiting) if (other.request.after !== after) this.#find(other);
  }

  #end(reading: Reading): void {
    const { stream } = reading.request;
    const others = this.#readings.get(stream)?.filter((one) => one !== reading) ?? [];
    if (others.length > 0) this.#readings.set(stream, others);
    else this.#readings.delete(stream);
  }
}

function foundAt(outcome: CommandOutcome<SlotResult<'events'>>, at: number): EventsFound {
  if (!outcome.ok) return { kind: 'failed', failure: outcome.failure };
  return outcome.result.found[at] ?? { kind: 'later' };
}

function settleAll(waiting: readonly Waiting[], page: Page): void {
  for (const { settle } of waiting) settle(page);
}

/** Each with its frame, encoded once for all who read the page. */
export function pageEvents(stream: StreamId, events: readonly SequencedEvent[], team: TeamId): PageEvent[] {
  return events.map((event) => pageEvent(stream, event, team));
}

function pageEvent(stream: StreamId, one: SequencedEvent, team: TeamId): PageEvent {
  const { body } = one.event;
  const posted = body.kind === 'message' && body.origin !== undefined ? one : undefined;
  return { seq: one.seq, frame: eventFrameBytes(stream, one.seq, one.event, team), posted };
}
