/**
 * Streams at the gateway: each event published once, in order, as it comes; what is missing is asked for, what comes too
 * early is held.
 *
 * Invariants:
 * E1  Events of a stream are published in order of seq without a hole; a hole that cannot be filled is said (`resync`).
 * E2  An event's join acts before it is published, its leave after.
 * E3  The session that posted an event by RTM gets its ack in the event's place; all others get the event (G4).
 * E4  What is held is bounded in events, bytes and time; beyond, subscribers are told to reload, and live goes on.
 */
import type { Batch, BatchEntry } from '../protocol/batches.ts';
import { resyncFrame } from '../protocol/frames.ts';
import { jsonFrame } from '../protocol/client-frames.ts';
import { parseOriginId, type StreamId } from '../protocol/ids.ts';
import { joined, left, revalidate } from './gateway-membership.ts';
import type { RegionMessage } from './gateway-messages.ts';
import { checkBatch, checkRegionBatch, type SlotsOf } from './gateway-numbers.ts';
import { acknowledgeEvent, flushAcks } from './gateway-posts.ts';
import { presenceChanged } from './gateway-presence.ts';
import { feedWaiters, meetWaiters } from './gateway-resume.ts';
import { markDirty, requestCheck } from './gateway-slots.ts';
import { slotFor, type HeldEvent, type Stream, type Turn } from './gateway-state.ts';

type EventEntry = Extract<BatchEntry, { kind: 'event' }>;
type ResyncEntry = Extract<BatchEntry, { kind: 'resync' }>;
type TransientEntry = Extract<BatchEntry, { kind: 'transient' }>;

/** `slotsOf` gives the slots that a worker owns, for when some of its batches were lost. */
export function receiveBatch(turn: Turn, batch: Batch, slotsOf: SlotsOf): void {
  for (const entry of batch.entries) receiveEntry(turn, entry);
  checkBatch(turn, batch, slotsOf);
}

export function receiveRegionBatch(turn: Turn, { worker, number, entries }: RegionMessage, slotsOf: SlotsOf): void {
  if (entries.length === 0) turn.state.counts.regionStrays += 1;
  for (const entry of entries) receiveEntry(turn, entry);
  checkRegionBatch(turn, worker, number, slotsOf);
}

function receiveEntry(turn: Turn, entry: BatchEntry): void {
  switch (entry.kind) {
    case 'event':
      return receiveEvent(turn, entry);
    case 'transient':
      return receiveTransient(turn, entry);
    case 'presence':
      return presenceChanged(turn, entry.user, entry.presence);
    case 'resync':
      return receiveResync(turn, entry);
    case 'reply':
      return;
    default:
      return entry satisfies never;
  }
}

function receiveEvent(turn: Turn, entry: EventEntry): void {
  const { state } = turn;
  const stream = state.streams.get(entry.stream);
  if (stream === undefined) {
    state.counts.strays += 1;
  } else if (entry.seq <= stream.last) {
    state.counts.duplicates += 1;
  } else if (entry.seq === stream.last + 1 && stream.last >= 0) {
    deliver(turn, stream, entry.seq, entry);
    if (state.gapped.size > 0 && state.gapped.has(stream)) release(turn, stream);
  } else {
    hold(turn, stream, entry);
  }
}

type Deliverable = Pick<EventEntry, 'frame' | 'effect' | 'origin'> | HeldEvent;

function deliver(turn: Turn, stream: Stream, seq: number, event: Deliverable): void {
  const { state } = turn;
  const { effect } = event;
  if (effect?.kind === 'join') joined(turn, stream, effect);
  stream.last = seq;
  if (seq > stream.tail) stream.tail = seq;
  state.counts.events += 1;
  const origin = event.origin === undefined ? undefined : parseOriginId(state.ref.incarnation, event.origin);
  const acked = origin === undefined ? undefined : acknowledgeEvent(turn, stream, seq, origin, event.frame);
  // The publish of the event must not follow its ack, or the ack of one would overtake the event before it.
  publish(turn, stream.id, event.frame, acked?.except);
  if (stream.waiters !== undefined) {
    feedWaiters(turn, stream, event.frame, acked);
    meetWaiters(turn, stream);
  }
  if (acked !== undefined) turn.out.push(...acked.effects);
  if (stream.acks !== undefined) flushAcks(turn, stream);
  if (effect?.kind === 'leave') left(turn, stream, effect);
}

function publish(turn: Turn, topic: string, bytes: Uint8Array, except: number | undefined): void {
  turn.out.push(except === undefined ? { kind: 'publish', topic, bytes } : { kind: 'publish', topic, bytes, except });
}

function receiveTransient(turn: Turn, entry: TransientEntry): void {
  const { state } = turn;
  if (!state.streams.has(entry.stream)) return;
  state.counts.transients += 1;
  const origin = entry.origin === undefined ? undefined : parseOriginId(state.ref.incarnation, entry.origin);
  const except = origin !== undefined && state.sessions.has(origin.session) ? origin.session : undefined;
  publish(turn, entry.stream, entry.frame, except);
}

function hold(turn: Turn, stream: Stream, entry: EventEntry): void {
  const { state } = turn;
  noteTail(turn, stream, entry.seq);
  stream.held ??= new Map();
  if (stream.held.has(entry.seq)) return;
  // A stream that has not begun drops what is too much: its admission will show the gap, which is then filled.
  if (stream.last < 0 && state.heldBytes >= state.limits.gapHoldBytesMax) return;
  if (stream.held.size >= state.limits.gapHoldEventsMax) {
    if (stream.last < 0) return;
    giveUp(turn, stream);
    return receiveEvent(turn, entry);
  }
  const frame = Buffer.from(entry.frame);
  stream.held.set(entry.seq, { seq: entry.seq, frame, effect: entry.effect, origin: entry.origin });
  stream.heldBytes += frame.length;
  state.heldBytes += frame.length;
  if (state.heldBytes > state.limits.gapHoldBytesMax) relieve(turn);
}

/** Too much is held in all: the stream with the most gives way. */
function relieve(turn: Turn): void {
  let largest: Stream | undefined;
  for (const stream of turn.state.gapped) {
    if (stream.last >= 0 && stream.heldBytes > (largest?.heldBytes ?? 0)) largest = stream;
  }
  if (largest !== undefined) giveUp(turn, largest);
}

/** The stream is known to reach `seq`. */
export function noteTail(turn: Turn, stream: Stream, seq: number): void {
  if (seq > stream.tail) stream.tail = seq;
  if (stream.last < 0 || stream.tail <= stream.last || turn.state.gapped.has(stream)) return;
  turn.state.counts.gaps += 1;
  turn.state.gapped.add(stream);
  stream.gapSinceMs = turn.nowMs;
  stream.gapAskedMs = turn.nowMs;
  requestCheck(turn, stream);
}

/** After the first admission set `last`: what was held since goes out. */
export function beginStream(turn: Turn, stream: Stream): void {
  if (turn.state.streams.get(stream.id) !== stream) return;
  release(turn, stream);
  noteTail(turn, stream, stream.tail);
}

/** Publishes what is held and now in order; ends the gap when nothing more is known to be missing. */
function release(turn: Turn, stream: Stream): void {
  const { held } = stream;
  if (held !== undefined) {
    for (let next = held.get(stream.last + 1); next !== undefined; next = held.get(stream.last + 1)) {
      unhold(turn, stream, next);
      deliver(turn, stream, next.seq, next);
    }
  }
  stream.gapSinceMs = turn.nowMs;
  if (stream.last >= stream.tail) endGap(turn, stream);
}

function unhold(turn: Turn, stream: Stream, event: HeldEvent): void {
  stream.held?.delete(event.seq);
  stream.heldBytes -= event.frame.length;
  turn.state.heldBytes -= event.frame.length;
}

function endGap(turn: Turn, stream: Stream): void {
  turn.state.heldBytes -= stream.heldBytes;
  stream.heldBytes = 0;
  stream.held = undefined;
  turn.state.gapped.delete(stream);
}

/** Gaps that stay open are asked for again, and in the end given up. */
export function tickGaps(turn: Turn): void {
  const { limits } = turn.state;
  for (const stream of turn.state.gapped) {
    if (turn.nowMs - stream.gapSinceMs >= limits.gapHoldMs) {
      giveUp(turn, stream);
    } else if (turn.nowMs - stream.gapAskedMs >= limits.gapAskAgainMs) {
      stream.gapAskedMs = turn.nowMs;
      requestCheck(turn, stream);
    }
  }
}

/** E4: says that events are missing, and goes on behind the hole. */
function giveUp(turn: Turn, stream: Stream): void {
  let first = stream.tail + 1;
  for (const seq of stream.held?.keys() ?? []) if (seq < first) first = seq;
  skipTo(turn, stream, stream.last, first - 1);
  release(turn, stream);
}

function skipTo(turn: Turn, stream: Stream, from: number, last: number): void {
  turn.state.counts.resyncs += 1;
  const bytes = jsonFrame(resyncFrame(stream.id, from));
  publish(turn, stream.id, bytes, undefined);
  stream.last = last;
  if (stream.waiters !== undefined) {
    feedWaiters(turn, stream, bytes, undefined);
    meetWaiters(turn, stream);
  }
  for (const event of [...(stream.held?.values() ?? [])]) if (event.seq <= last) unhold(turn, stream, event);
  if (stream.acks !== undefined) flushAcks(turn, stream);
  revalidate(turn, stream);
}

/** The owner says that events after `from` cannot be had one by one. */
function receiveResync(turn: Turn, entry: ResyncEntry): void {
  const stream = turn.state.streams.get(entry.stream);
  if (stream === undefined || stream.last < 0) return;
  // Behind a power loss the log may end before what was delivered: then the stream starts anew from its tail.
  const truncated = entry.tail < entry.from && entry.tail < stream.last;
  if (truncated) stream.tail = entry.tail;
  else if (entry.tail <= stream.last) return;
  skipTo(turn, stream, truncated ? entry.from : stream.last, entry.tail);
  noteTail(turn, stream, entry.tail);
  release(turn, stream);
}

export function obtainStream(turn: Turn, id: StreamId): Stream {
  const known = turn.state.streams.get(id);
  if (known !== undefined) return known;
  const stream: Stream = {
    id,
    slot: slotFor(turn, id),
    last: -1,
    tail: -1,
    held: undefined,
    heldBytes: 0,
    gapSinceMs: 0,
    gapAskedMs: 0,
    userCount: 0,
    askCount: 0,
    waiters: undefined,
    acks: undefined,
  };
  turn.state.streams.set(id, stream);
  stream.slot.streams.add(stream);
  return stream;
}

/** Forgets the stream when nobody here has it, asks for it or still reads up to a leave. */
export function dropIfUnused(turn: Turn, stream: Stream): void {
  if (stream.userCount > 0 || stream.askCount > 0 || stream.waiters !== undefined) return;
  if (turn.state.streams.get(stream.id) !== stream) return;
  turn.state.streams.delete(stream.id);
  stream.slot.streams.delete(stream);
  endGap(turn, stream);
  stream.last = Number.MAX_SAFE_INTEGER;
  if (stream.acks !== undefined) flushAcks(turn, stream);
  stream.slot.toForget.push(stream.id);
  markDirty(turn, stream.slot);
}
