/**
 * The owner of every slot, as a gateway sees it: logs in memory, interest, admissions, batches. It does what a worker
 * does for a gateway and nothing else, synchronously, so that a test decides what is lost, late or repeated.
 */
import { slotOf } from '../../cluster/slots.ts';
import type { Batch, BatchEntry, Effect } from '../../protocol/batches.ts';
import type { Admission, SlotCommand, StreamCommand } from '../../protocol/commands.ts';
import { rejected, type Failure } from '../../protocol/errors.ts';
import type { DurableEvent, EventBody, SequencedEvent } from '../../protocol/events.ts';
import { eventFrameBytes } from '../../protocol/frames.ts';
import {
  isTeamStream,
  isUserStream,
  type ChannelId,
  type Incarnation,
  type MutationId,
  type StreamId,
  type TeamId,
  type UserId,
} from '../../protocol/ids.ts';

import type { RegionBatch } from '../../protocol/region-batches.ts';

export const TEAM = 'T0TEAM' as TeamId;

interface Log {
  events: SequencedEvent[];
  readonly members: Set<UserId>;
  /** Per event: who is a member after it. */
  readonly history: ReadonlySet<UserId>[];
  /** Events up to this seq cannot be read any more. */
  trimmed: number;
}

export type Answer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: Failure };

export class ScriptedOwner {
  worker: Incarnation;
  readonly #logs = new Map<StreamId, Log>();
  readonly #interest = new Set<StreamId>();
  readonly #posts = new Map<string, SequencedEvent>();
  #entries: BatchEntry[] = [];
  #batchNumber = 0;
  #regionNumber = 0;
  /** Region batches that were sent before the gateway was spoken to. */
  #regionFrom = 0;
  #micros = 1_700_000_000_000_000;
  /** The last announcement of each user: sessions and idleness. */
  readonly announced = new Map<UserId, readonly [number, boolean]>();
  readonly watched = new Set<UserId>();
  readonly presence = new Map<UserId, 'active' | 'away'>();
  eventsPerPage = 500;

  constructor(worker: string) {
    this.worker = worker as Incarnation;
  }

  // --- What happens in the world -------------------------------------------------------------------------------

  tail(stream: StreamId): number {
    return this.#log(stream).events.length;
  }

  members(channel: StreamId): ReadonlySet<UserId> {
    return this.#log(channel).members;
  }

  /** Whether the user was a member at some place from just before `seq` (its own leave) to the tail. */
  maySee(user: UserId, stream: StreamId, seq: number): boolean {
    if (isUserStream(stream)) return stream === user;
    if (isTeamStream(stream)) return true;
    return this.#log(stream)
      .history.slice(Math.max(0, seq - 2))
      .some((members) => members.has(user));
  }

  /** Whether the user was no member at some place from `from` to before `to`, or joined at `to` or later. */
  wasAway(user: UserId, stream: StreamId, from: number, to: number): boolean {
    const { history, events } = this.#log(stream);
    const away = from === 0 || history.slice(from - 1, to - 1).some((members) => !members.has(user));
    const joins = events.slice(to - 1).some(({ event }) => event.body.kind === 'joined' && event.body.user === user);
    return away || joins;
  }

  interested(stream: StreamId): boolean {
    return this.#interest.has(stream);
  }

  append(stream: StreamId, body: EventBody, author: UserId, mutation: string): SequencedEvent {
    const log = this.#log(stream);
    const event: DurableEvent = { ts: ++this.#micros, author, mutation: mutation as MutationId, body };
    const sequenced = { seq: log.events.length + 1, event };
    log.events.push(sequenced);
    if (body.kind === 'joined') log.members.add(body.user);
    if (body.kind === 'left') log.members.delete(body.user);
    log.history.push(new Set(log.members));
    if (this.#interest.has(stream)) this.#emit(this.#entryOf(stream, sequenced));
    return sequenced;
  }

  say(channel: StreamId, user: UserId, text: string): SequencedEvent {
    const body: EventBody = { kind: 'message', author: { user }, draft: { text } };
    return this.append(channel, body, user, `web-${this.#micros}`);
  }

  join(user: UserId, channel: ChannelId): void {
    if (this.members(channel).has(user)) return;
    const { seq } = this.append(channel, { kind: 'joined', user }, user, `join-${this.#micros}`);
    this.#note(user, channel, seq, true);
  }

  leave(user: UserId, channel: ChannelId): void {
    if (!this.members(channel).has(user)) return;
    const { seq } = this.append(channel, { kind: 'left', user }, user, `leave-${this.#micros}`);
    this.#note(user, channel, seq, false);
  }

  setPresence(user: UserId, presence: 'active' | 'away'): void {
    this.presence.set(user, presence);
    if (this.watched.has(user)) this.#emit({ kind: 'presence', user, presence });
  }

  trim(stream: StreamId, upTo: number): void {
    this.#log(stream).trimmed = upTo;
  }

  /** After a power loss: the newest events are gone. */
  truncate(stream: StreamId, tail: number): void {
    const log = this.#log(stream);
    log.events = log.events.slice(0, tail);
    log.history.length = tail;
  }

  /** Another worker takes over: interest and batch numbers are its predecessor's. */
  succeed(worker: string): void {
    this.worker = worker as Incarnation;
    this.#interest.clear();
    this.watched.clear();
    this.#entries = [];
    this.#batchNumber = 0;
    this.#regionNumber = 3;
    this.#regionFrom = 3;
  }

  // --- What a worker says ----------------------------------------------------------------------------------------

  /** What gathered since the last batch; undefined when that is nothing. */
  takeBatch(): Batch | undefined {
    if (this.#entries.length === 0) return undefined;
    const entries = this.#entries;
    this.#entries = [];
    return { worker: this.worker, number: ++this.#batchNumber, entries, ...this.#region() };
  }

  /** The same as one for the whole region; undefined also when something gathered that is the gateway's own. */
  takeRegionBatch(): RegionBatch | undefined {
    const entries = this.#entries.filter((entry) => entry.kind !== 'reply' && entry.kind !== 'presence');
    if (entries.length === 0 || entries.length < this.#entries.length) return undefined;
    this.#entries = [];
    const streams = [...new Set(entries.map(({ stream }) => stream))];
    return { worker: this.worker, number: ++this.#regionNumber, streams, entries };
  }

  beat(): Batch {
    return { worker: this.worker, number: this.#batchNumber, entries: [], ...this.#region() };
  }

  emitTransient(entry: Extract<BatchEntry, { kind: 'transient' }>): void {
    this.#emit(entry);
  }

  toSlot(slot: number, command: SlotCommand): Answer {
    switch (command.kind) {
      case 'admit':
        return done({ admissions: command.entries.map(([user, stream]) => this.#admit(slot, user, stream)) });
      case 'cursors':
        for (const [stream, last] of command.entries) this.#cursor(stream, last);
        return done({});
      case 'events':
        return done({
          found: command.entries.map(([stream, after, upTo]) => ({ kind: 'page', ...this.page(stream, after, upTo) })),
        });
      case 'forget':
        for (const stream of command.streams) this.#interest.delete(stream);
        return done({});
      case 'sessions':
        for (const [user, count, idle] of command.entries) this.announced.set(user, [count, idle]);
        return done({});
      case 'watch-presence':
        for (const user of command.users) this.watched.add(user);
        return done({ states: this.#states(command.users) });
      case 'unwatch-presence':
        for (const user of command.users) this.watched.delete(user);
        return done({});
      case 'query-presence':
        return done({ states: this.#states(command.users) });
      default:
        return command satisfies never;
    }
  }

  toStream(stream: StreamId, command: StreamCommand): Answer {
    if (command.kind === 'memberships') {
      return done({ channels: this.#channelsOf(stream as UserId), manualAway: false, seq: this.tail(stream) });
    }
    if (command.kind === 'post') return this.#post(stream, command);
    if (command.kind !== 'typing') throw new Error(`not scripted: ${command.kind}`);
    const frame = Buffer.from(JSON.stringify({ type: 'user_typing', channel: stream, user: command.user }));
    this.#emit({ kind: 'transient', stream, frame, ...(command.origin && { origin: command.origin }) });
    return done({});
  }

  // ---------------------------------------------------------------------------------------------------------------

  #admit(slot: number, user: UserId, stream: StreamId): Admission {
    if (slotOf(stream) !== slot) throw new Error(`admit of ${stream} sent to slot ${slot}`);
    const own = isUserStream(stream) ? stream === user : isTeamStream(stream) || this.members(stream).has(user);
    if (!own) return { user, stream, admitted: false, error: 'not_in_channel', retryable: false };
    this.#interest.add(stream);
    return { user, stream, admitted: true, seq: this.tail(stream) };
  }

  #cursor(stream: StreamId, last: number): void {
    this.#interest.add(stream);
    const { events, trimmed } = this.#log(stream);
    if (last > events.length || last < trimmed) {
      this.#emit({ kind: 'resync', stream, from: last, tail: events.length });
      return;
    }
    for (const event of events.slice(last)) this.#emit(this.#entryOf(stream, event));
  }

  /** What a reader of the past gets. */
  page(stream: StreamId, after: number, upTo: number): { events: SequencedEvent[]; gone: boolean } {
    const { events, trimmed } = this.#log(stream);
    if (after < trimmed) return { events: [], gone: true };
    return { events: events.slice(after, Math.min(upTo, after + this.eventsPerPage)), gone: false };
  }

  #post(channel: StreamId, command: Extract<StreamCommand, { kind: 'post' }>): Answer {
    const { author, draft, mutation, origin } = command;
    if (!this.members(channel).has(author.user)) return { ok: false, failure: rejected('not_in_channel') };
    const key = `${channel} ${author.user} ${mutation}`;
    const known = this.#posts.get(key);
    if (known !== undefined) return done({ seq: known.seq, ts: known.event.ts, first: known.event });
    const body: EventBody = { kind: 'message', author, draft, ...(origin && { origin }) };
    const message = this.append(channel, body, author.user, mutation);
    this.#posts.set(key, message);
    return done({ seq: message.seq, ts: message.event.ts });
  }

  #channelsOf(user: UserId) {
    return [...this.#logs]
      .filter(([stream, log]) => !isUserStream(stream) && !isTeamStream(stream) && log.members.has(user))
      .map(([stream, log]) => ({ meta: metaOf(stream as ChannelId), channelSeq: joinedAt(log, user) }));
  }

  #note(user: UserId, channel: ChannelId, channelSeq: number, member: boolean): void {
    const body: EventBody = { kind: 'membership', meta: metaOf(channel), channelSeq, member };
    this.append(user, body, user, `note-${channel}-${channelSeq}`);
  }

  #states(users: readonly UserId[]) {
    return users.map((user) => [user, this.presence.get(user) ?? 'unknown'] as const);
  }

  #region(): Pick<Batch, 'region'> {
    const [from, to] = [this.#regionFrom, this.#regionNumber];
    return from === to ? {} : { region: { from, to } };
  }

  #emit(entry: BatchEntry): void {
    this.#entries.push(entry);
  }

  #entryOf(stream: StreamId, { seq, event }: SequencedEvent): BatchEntry {
    const frame = eventFrameBytes(stream, seq, event, TEAM);
    const effect = effectOf(stream, event.body);
    const origin = event.body.kind === 'message' ? event.body.origin : undefined;
    return { kind: 'event', stream, seq, frame, ...(effect && { effect }), ...(origin && { origin }) };
  }

  #log(stream: StreamId): Log {
    const known = this.#logs.get(stream);
    if (known !== undefined) return known;
    const log: Log = { events: [], members: new Set(), history: [], trimmed: 0 };
    this.#logs.set(stream, log);
    return log;
  }
}

function joinedAt(log: Log, user: UserId): number {
  return log.events.findLast(({ event }) => event.body.kind === 'joined' && event.body.user === user)?.seq ?? 1;
}

function done(result: unknown): Answer {
  return { ok: true, result };
}

function effectOf(stream: StreamId, body: EventBody): Effect | undefined {
  if (body.kind === 'joined') return { kind: 'join', users: [body.user] };
  if (body.kind === 'left') return { kind: 'leave', users: [body.user] };
  if (body.kind !== 'membership') return undefined;
  const kind = body.member ? 'join' : 'leave';
  return { kind, users: [stream as UserId], stream: body.meta.id, seq: body.channelSeq };
}

function metaOf(id: ChannelId) {
  const base = { id, team: TEAM, name: id.toLowerCase(), creator: 'U0ALICE' as UserId, created: 1 };
  return { ...base, kind: 'public', isGeneral: false } as const;
}
