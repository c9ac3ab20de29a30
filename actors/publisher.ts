/**
 * Fan-out of one stream: each event becomes a frame once, and an entry in the outbox of every gateway that listens, or of
 * their region (fan-out-ways.ts).
 */
import type { BatchEntry, Effect } from '../protocol/batches.ts';
import type { DurableEvent, EventBody } from '../protocol/events.ts';
import { eventFrameBytes } from '../protocol/frames.ts';
import type { SessionId, StreamId, TeamId, UserId } from '../protocol/ids.ts';
import type { FanOutWay } from './fan-out-ways.ts';
import type { GatewayOutbox } from './gateway-outbox.ts';
import type { StreamEntry, WorkerContext } from './worker-context.ts';

const ENTRY_BYTES = 96;
const EVENT_BYTES = 320;
const USER_BYTES = 32;

export class Publisher {
  readonly #context: WorkerContext;
  readonly #entry: StreamEntry;

  constructor(context: WorkerContext, entry: StreamEntry) {
    this.#context = context;
    this.#entry = entry;
  }

  /** The stream's next committed event. `bytes`: its size where known, for the hot tail. */
  publish(seq: number, event: DurableEvent, bytes = 0): void {
    const { stream, interest } = this.#entry;
    const { hotTails, team } = this.#context;
    let size = bytes;
    if (interest.outboxes.length > 0) {
      const entry = eventEntry(stream, seq, event, team);
      size = entry.frame.length;
      for (const way of this.#ways()) way.add(entry, entryBytes(entry));
    }
    if (this.#entry.admitting !== undefined && event.body.kind === 'left') this.#revoke(event.body.user);
    hotTails.push(stream, seq, event, EVENT_BYTES + size);
    this.#entry.seq = seq;
  }

  #revoke(user: UserId): void {
    for (const admission of this.#entry.admitting ?? []) if (admission.user === user) admission.revoked = true;
  }

  transient(frame: Uint8Array, origin: SessionId | undefined): void {
    const { stream } = this.#entry;
    const from = origin === undefined ? {} : { origin };
    for (const way of this.#ways()) {
      way.add({ kind: 'transient', stream, frame, ...from }, frame.length + ENTRY_BYTES);
    }
  }

  /** What lies between the last event that was fanned out and `tail` is not sent one by one. */
  resync(tail: number): void {
    const { stream, seq } = this.#entry;
    for (const way of this.#ways()) sayResync(way, stream, seq, tail);
  }

  #ways(): readonly FanOutWay[] {
    return this.#context.ways.of(this.#entry.interest);
  }
}

export function sayResync(way: FanOutWay, stream: StreamId, from: number, tail: number): void {
  way.add({ kind: 'resync', stream, from, tail }, ENTRY_BYTES);
}

export function sayEvent(
  outbox: GatewayOutbox,
  stream: StreamId,
  seq: number,
  event: DurableEvent,
  team?: TeamId,
): void {
  const entry = eventEntry(stream, seq, event, team);
  outbox.add(entry, entryBytes(entry));
}

type EventEntry = Extract<BatchEntry, { kind: 'event' }>;

function eventEntry(stream: StreamId, seq: number, event: DurableEvent, team: TeamId | undefined): EventEntry {
  const frame = eventFrameBytes(stream, seq, event, team);
  const effect = effectOf(stream, event.body);
  const origin = event.body.kind === 'message' ? event.body.origin : undefined;
  if (effect === undefined && origin === undefined) return { kind: 'event', stream, seq, frame };
  return { kind: 'event', stream, seq, frame, ...(effect && { effect }), ...(origin && { origin }) };
}

function entryBytes(entry: EventEntry): number {
  return entry.frame.length + ENTRY_BYTES + (entry.effect?.users.length ?? 0) * USER_BYTES;
}

function effectOf(stream: StreamId, body: EventBody): Effect | undefined {
  switch (body.kind) {
    case 'opened':
      return { kind: 'join', users: body.members };
    case 'joined':
      return { kind: 'join', users: [body.user] };
    case 'left':
      return { kind: 'leave', users: [body.user] };
    case 'membership': {
      const { member, meta, channelSeq } = body;
      return { kind: member ? 'join' : 'leave', users: [stream as UserId], stream: meta.id, seq: channelSeq };
    }
    case 'message':
    case 'archived':
    case 'manual-presence':
    case 'notice':
      return undefined;
    default:
      return body satisfies never;
  }
}
