/**
 * Reads of a stream's past: pages of history, gaps, single messages. They see what stands in the log up to a position
 * that the actor named, so they run beside its turns.
 *
 * R1  The hot tail answers when it holds everything that is asked for; else the log does.
 * R2  An answer holds at most about `readAnswerBytesMax`; what is missing is said to be there.
 */
import type { PageQuery } from '../broker/event-page.ts';
import { LogReader } from '../broker/log-reader.ts';
import type { LogPosition } from '../broker/log-position.ts';
import { limits } from '../platform/limits.ts';
import type { StreamResults } from '../protocol/commands.ts';
import { retryable, type Failure } from '../protocol/errors.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import { encode } from '../protocol/codec.ts';
import { isTopLevel } from '../protocol/frames.ts';
import { decodeRecord } from '../protocol/records.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { CommandOf } from './channel-decide.ts';
import type { HotTails } from './hot-tail.ts';
import { deadline, logAddress, type WorkerContext } from './worker-context.ts';

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

/** `bytes`: what they take in an answer, about. `gone`: some of them are not in the log any more. */
export interface EventsRead {
  readonly events: readonly SequencedEvent[];
  readonly bytes: number;
  readonly gone: boolean;
}

const GONE: EventsRead = { events: [], bytes: 0, gone: true };

const failed = (reason: string): { ok: false; failure: Failure } => ({ ok: false, failure: retryable(reason) });

export class StreamReads {
  readonly #context: WorkerContext;
  readonly #slot: number;
  readonly #signal: AbortSignal;

  constructor(context: WorkerContext, slot: number, signal: AbortSignal) {
    this.#context = context;
    this.#slot = slot;
    this.#signal = signal;
  }

  /** The messages that `command` asks for, newest first. */
  async history(
    stream: StreamId,
    position: LogPosition,
    command: CommandOf<'history'>,
  ): Promise<Read<StreamResults['history']>> {
    const bounds = boundsOf(command);
    const hot = hotPage(this.#context.hotTails, stream, position.nextSeq - 1, bounds);
    if (hot !== undefined) return { ok: true, value: hot };
    return this.#withReader(stream, async (reader, signal) => {
      const page = await reader.pageBefore(position, pageQuery(bounds), signal);
      if (page.kind === 'page') {
        const fitting = fit(page.events).events;
        const nextBefore = fitting.length < page.events.length ? fitting.at(-1)?.seq : page.nextBefore;
        return { ok: true, value: cut(fitting, bounds.limit, nextBefore) };
      }
      // Older messages that were trimmed are no longer there: that is where history ends.
      if (page.kind === 'trimmed') return { ok: true, value: { messages: [], more: false } };
      return failed(page.kind === 'unavailable' ? page.reason : page.detail);
    });
  }

  /** Events after + 1 … upTo; `gone` when some of them are not in the log any more. */
  async events(
    stream: StreamId,
    position: LogPosition,
    query: { readonly after: number; readonly upTo: number; readonly limit: number },
  ): Promise<Read<EventsRead>> {
    const tail = position.nextSeq - 1;
    const upToSeq = Math.min(query.upTo, tail, query.after + query.limit);
    if (query.after > tail) return { ok: true, value: GONE };
    const hot = this.#context.hotTails.sizedBetween(stream, query.after, upToSeq, limits.readAnswerBytesMax);
    if (hot !== undefined) return { ok: true, value: { ...hot, gone: false } };
    return this.#withReader<EventsRead>(stream, async (reader, signal) => {
      const range = await reader.eventsBetween(
        position,
        { afterSeq: query.after, upToSeq, count: query.limit },
        signal,
      );
      if (range.kind === 'events') return { ok: true, value: { ...fit(range.events), gone: false } };
      if (range.kind === 'trimmed') return { ok: true, value: GONE };
      return failed(range.kind === 'unavailable' ? range.reason : range.detail);
    });
  }

  /** Seq and epoch of the log's last record, from that record alone; 0 and 0 of an empty log. */
  async last(stream: StreamId): Promise<Read<{ seq: number; epoch: number }>> {
    const { stream: name, subject } = logAddress(this.#context, this.#slot, stream);
    const read = await this.#context.logs.store.last(name, subject);
    if (read.kind === 'absent') return { ok: true, value: { seq: 0, epoch: 0 } };
    if (read.kind === 'unavailable') return failed('log');
    try {
      const { firstSeq, events, epoch } = decodeRecord(read.record.data);
      return { ok: true, value: { seq: firstSeq + events.length - 1, epoch } };
    } catch (error) {
      this.#context.logger.error('log_unusable', { stream, slot: this.#slot, error });
      return failed('log is unusable');
    }
  }

  /** Where the log ends, for a stream without an actor. */
  async tail(stream: StreamId): Promise<Read<{ position: LogPosition; epoch: number }>> {
    return this.#withReader(stream, async (reader, signal) => {
      const opening = await reader.open(signal);
      if (opening.kind === 'open') return { ok: true, value: { position: opening.position, epoch: opening.epoch } };
      return failed(opening.kind === 'broken' ? opening.detail : opening.kind);
    });
  }

  async #withReader<T>(
    stream: StreamId,
    read: (reader: LogReader, signal: AbortSignal) => Promise<Read<T>>,
  ): Promise<Read<T>> {
    const { clock, logs } = this.#context;
    const { signal, done } = deadline(clock, this.#signal, limits.commandBudgetMs);
    try {
      return await read(new LogReader(logs, logAddress(this.#context, this.#slot, stream)), signal);
    } finally {
      done();
    }
  }
}

/** Seq, ts, author and mutation of an event, about. */
const EVENT_HEAD_BYTES = 200;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** Exclusive on both ends. */
interface Bounds {
  readonly limit: number;
  readonly beforeSeq: number;
  readonly beforeTs: number;
  readonly afterTs: number;
}

function boundsOf(command: CommandOf<'history'>): Bounds {
  const slack = command.inclusive ? 1 : 0;
  return {
    limit: Math.max(1, Math.min(command.limit, limits.historyPageMessagesMax)),
    beforeSeq: command.before ?? UNBOUNDED,
    beforeTs: command.latest === undefined ? UNBOUNDED : command.latest + slack,
    afterTs: (command.oldest ?? 0) - slack,
  };
}

function pageQuery({ beforeSeq, beforeTs, afterTs, limit }: Bounds): PageQuery {
  return {
    // A continued page lies below both; the seq is the nearer one.
    ...(beforeSeq < UNBOUNDED
      ? { before: { seq: beforeSeq } }
      : beforeTs < UNBOUNDED
        ? { before: { ts: beforeTs } }
        : {}),
    ...(afterTs > 0 ? { afterTs } : {}),
    count: limit + 1,
    accept: (event) => event.ts < beforeTs && isTopLevel(event.body),
  };
}

/** Undefined unless the tail reaches back as far as the page does. */
function hotPage(
  tails: HotTails,
  stream: StreamId,
  lastSeq: number,
  bounds: Bounds,
): StreamResults['history'] | undefined {
  const messages: SequencedEvent[] = [];
  let bytes = 0;
  let expected = lastSeq;
  for (const [item, size] of tails.newestFirst(stream)) {
    // The actor may have gone on since the read was allowed, and a tail must not have holes.
    if (item.seq > lastSeq) continue;
    if (item.seq !== expected) return undefined;
    expected = item.seq - 1;
    if (item.event.ts <= bounds.afterTs) return cut(messages, bounds.limit, undefined);
    if (item.seq >= bounds.beforeSeq || item.event.ts >= bounds.beforeTs || !isTopLevel(item.event.body)) continue;
    messages.push(item);
    bytes += size;
    if (messages.length > bounds.limit) return cut(messages, bounds.limit, undefined);
    if (bytes >= limits.readAnswerBytesMax) return cut(messages, bounds.limit, item.seq > 1 ? item.seq : undefined);
  }
  return expected === 0 ? cut(messages, bounds.limit, undefined) : undefined;
}

/** As many of the events as one answer holds, at least one. Records are cut by their own size; a page of several is not. */
function fit(events: readonly SequencedEvent[]): {
  readonly events: readonly SequencedEvent[];
  readonly bytes: number;
} {
  let bytes = 0;
  for (const [i, { event }] of events.entries()) {
    const size = encode(event.body).length + EVENT_HEAD_BYTES;
    if (bytes + size > limits.readAnswerBytesMax && i > 0) return { events: events.slice(0, i), bytes };
    bytes += size;
  }
  return { events, bytes };
}

/** One message more than asked for says that there are more. */
function cut(
  found: readonly SequencedEvent[],
  limit: number,
  nextBefore: number | undefined,
): StreamResults['history'] {
  const messages = found.slice(0, limit);
  const next = found.length > limit ? messages.at(-1)?.seq : nextBefore;
  return next === undefined ? { messages, more: false } : { messages, more: true, next };
}
