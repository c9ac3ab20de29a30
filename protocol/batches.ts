/**
 * Batches: what a worker sends to one gateway on `belfry.out.<region>.<gateway>`, in order, numbered.
 *
 * Invariants:
 * B1  Batch numbers of one (worker incarnation, gateway incarnation) pair are 1, 2, 3 … without a hole; core NATS may
 *     lose some, so the receiver checks. A batch with no entries is a beat: it repeats the last number.
 * B2  Entries stand in the order in which the worker decided: events of a stream by seq; the reply to a subscription
 *     before the first event after the seq that it states.
 */
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import {
  parseIncarnation,
  parseStreamId,
  parseUserId,
  type Incarnation,
  type SessionId,
  type StreamId,
  type UserId,
} from './ids.ts';
import type { Presence } from './events.ts';
import type { Reply } from './commands.ts';

export const BATCH_FORMAT = 1;
export const BATCH_BYTES_MAX = 512 * 1024;
export const BATCH_BYTES_ACCEPTED_MAX = 1024 * 1024;

/**
 * What an event does to subscriptions, at its position in its stream. In a conversation's stream (`joined`, `left`,
 * `opened`) it concerns that stream itself. A `membership` event in a user's stream names the conversation in `stream`:
 * the gateway then has it admitted by its owner (or lets go of it), for it may hold no interest in it yet.
 */
export interface Effect {
  readonly kind: 'join' | 'leave';
  readonly users: readonly UserId[];
  /** Only in a user's stream: the conversation that was joined or left. */
  readonly stream?: StreamId;
  /** With `stream`: the seq of that event in it, so that sessions start there and miss nothing after their join. */
  readonly seq?: number;
}

export type BatchEntry =
  /** A durable event as the RTM frame that clients get (JSON text bytes), encoded once. */
  | {
      readonly kind: 'event';
      readonly stream: StreamId;
      readonly seq: number;
      readonly frame: Uint8Array;
      readonly effect?: Effect;
      readonly origin?: SessionId;
    }
  /** At most once, no seq: typing. */
  | { readonly kind: 'transient'; readonly stream: StreamId; readonly frame: Uint8Array; readonly origin?: SessionId }
  | { readonly kind: 'presence'; readonly user: UserId; readonly presence: Presence }
  /** The events after `from` are not to be had one by one: clients reload that stream. `tail` is where it goes on. */
  | { readonly kind: 'resync'; readonly stream: StreamId; readonly from: number; readonly tail: number }
  | { readonly kind: 'reply'; readonly reply: Reply };

/** What may also be published once for a whole region (region-batches.ts). */
export type StreamedEntry = Extract<BatchEntry, { readonly stream: StreamId }>;

/** Numbers of the worker's region batches: those after `from`, up to `to`, were sent since it first spoke to the gateway. */
export interface RegionSpan {
  readonly from: number;
  readonly to: number;
}

export interface Batch {
  readonly worker: Incarnation;
  readonly number: number;
  readonly entries: readonly BatchEntry[];
  /** Absent: none was sent. */
  readonly region?: RegionSpan;
}

export function encodeBatch({ worker, number, entries, region }: Batch): Uint8Array {
  const packed = [BATCH_FORMAT, worker, number, entries.map(packEntry)];
  return encode(region === undefined ? packed : [...packed, [region.from, region.to]]);
}

export function packEntry(entry: BatchEntry): unknown[] {
  switch (entry.kind) {
    case 'event':
      return ['e', entry.stream, entry.seq, entry.frame, entry.effect ?? null, entry.origin ?? null];
    case 'transient':
      return ['t', entry.stream, entry.frame, entry.origin ?? null];
    case 'presence':
      return ['p', entry.user, entry.presence];
    case 'resync':
      return ['x', entry.stream, entry.from, entry.tail];
    case 'reply':
      return ['r', entry.reply];
    default:
      return entry satisfies never;
  }
}

/** @throws DecodeError for anything but a well-formed batch of this format. */
export function decodeBatch(bytes: Uint8Array): Batch {
  const [, worker, number, entries, span] = decodeVersioned('batch', bytes, BATCH_BYTES_ACCEPTED_MAX, BATCH_FORMAT);
  const incarnation = parseIncarnation(worker);
  if (incarnation === undefined || !isCount(number) || !Array.isArray(entries)) throw malformed('head');
  const batch = { worker: incarnation, number, entries: entries.map(unpackEntry) };
  return span === undefined ? batch : { ...batch, region: unpackSpan(span) };
}

function unpackSpan(value: unknown): RegionSpan {
  if (!Array.isArray(value)) throw malformed('region');
  const span = { from: count(value[0]), to: count(value[1]) };
  if (span.from >= span.to) throw malformed('region');
  return span;
}

/** @throws DecodeError */
export function unpackEntry(value: unknown): BatchEntry {
  if (!Array.isArray(value)) throw malformed('entry');
  switch (value[0]) {
    case 'e':
      return unpackEvent(value);
    case 't':
      return { kind: 'transient', stream: unpackStream(value[1]), frame: bytes(value[2]), ...origin(value[3]) };
    case 'p':
      return { kind: 'presence', user: user(value[1]), presence: value[2] === 'active' ? 'active' : 'away' };
    case 'x':
      return { kind: 'resync', stream: unpackStream(value[1]), from: count(value[2]), tail: count(value[3]) };
    case 'r':
      return { kind: 'reply', reply: reply(value[1]) };
    default:
      throw malformed('entry kind');
  }
}

function unpackEvent(value: unknown[]): BatchEntry {
  const [, name, seq, frame, effect, from] = value;
  const head = {
    kind: 'event',
    stream: unpackStream(name),
    seq: count(seq),
    frame: bytes(frame),
    ...origin(from),
  } as const;
  return effect === null || effect === undefined ? head : { ...head, effect: unpackEffect(effect) };
}

function unpackEffect(value: unknown): Effect {
  const fields = value as { kind?: unknown; users?: unknown; stream?: unknown; seq?: unknown };
  const { kind, users, stream: about, seq } = fields;
  if ((kind !== 'join' && kind !== 'leave') || !Array.isArray(users)) throw malformed('effect');
  const effect = { kind, users: users.map(user) } as const;
  if (about === undefined) return effect;
  return { ...effect, stream: unpackStream(about), ...(seq === undefined ? {} : { seq: count(seq) }) };
}

function malformed(detail: string): DecodeError {
  return new DecodeError('batch', `malformed ${detail}`);
}
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
function count(value: unknown): number {
  if (!isCount(value)) throw malformed('count');
  return value;
}
/** @throws DecodeError */
export function unpackStream(value: unknown): StreamId {
  const id = parseStreamId(value);
  if (id === undefined) throw malformed('stream');
  return id;
}
function user(value: unknown): UserId {
  const id = parseUserId(value);
  if (id === undefined) throw malformed('user');
  return id;
}
function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed('frame');
  return value;
}
function origin(value: unknown): { origin?: SessionId } {
  return typeof value === 'string' ? { origin: value as SessionId } : {};
}
function reply(value: unknown): Reply {
  if (typeof value !== 'object' || value === null || !isCount((value as { requestId?: unknown }).requestId)) {
    throw malformed('reply');
  }
  return value as Reply;
}
