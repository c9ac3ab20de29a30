/**
 * Resuming: how a session gets from where it was to what is live, on each of its streams by itself.
 *
 * A session follows a stream by its topic once it stands where the stream stands. Until then a waiter reads pages from
 * the stream's owner, while what goes out live queues behind it; when the pages reach the place where the queue began,
 * the queue follows and the session joins the topic, in one turn.
 *
 * Invariants:
 * R1  Per stream, what was missed precedes what is live, each event once.
 * R2  What cannot be replayed (a gap too long, gone, or beyond the tail) is said with `resync`, and live goes on.
 * R3  A queue that grows too long is dropped and its events are read as pages instead: nothing is lost by it.
 * R4  The reply to `resume` follows the last stream's catching up.
 * R5  A cursor ahead of this gateway is either right, when the client was at a faster one, or beyond the log's end. The
 *     owner knows: the gateway reads the event at the cursor, and either waits until it has come that far or resyncs.
 * R6  So may a whole channel be that the user has just joined: its cursor is kept until the join is heard of here.
 * R7  hello names streams, and `resume` says from where: a stream that the user leaves in between is still due from there
 *     up to the leave, as for a session that catches up when its user leaves; or a `resync`, where only the owner knows
 *     the place of the leave.
 */
import { errorFrame, FRAME_ERROR, jsonFrame, type ClientFrame } from '../protocol/client-frames.ts';
import { CLOSE } from '../protocol/close-codes.ts';
import { resyncFrame } from '../protocol/frames.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { Page, PageEvent } from './gateway-messages.ts';
import { acknowledgeRead, flushAcks, type Acknowledged } from './gateway-posts.ts';
import { endSession } from './gateway-session.ts';
import { LIVE, type Session, type SessionPhase, type Stream, type Turn, type Waiter } from './gateway-state.ts';
import { dropIfUnused, noteTail } from './gateway-stream.ts';

type ResumeFrame = Extract<ClientFrame, { kind: 'resume' }>;
type Resuming = Extract<SessionPhase, { kind: 'resuming' }>;

export function resume(turn: Turn, session: Session, frame: ResumeFrame): void {
  const { phase } = session;
  if (phase.kind !== 'awaiting-resume') {
    const why = session.claims.resume ? 'already resumed' : 'rtm.connect did not say resume=1';
    return send(turn, session, [errorFrame(frame.id, FRAME_ERROR.rejected, why)]);
  }
  phase.cursorCount += frame.cursors.length;
  if (phase.cursorCount > turn.state.limits.resumeCursorsMax) return endSession(turn, session, CLOSE.resumeExpected);
  for (const [stream, cursor] of frame.cursors) {
    if (phase.from.has(stream)) phase.from.set(stream, cursor);
    else keepUnheard(turn, session, stream, cursor);
  }
  if (!frame.last) return;
  begin(turn, session, phase.from, frame.id);
}

/** R6. Of a stream that the user may not see, or sees no more, nothing will come: the cursor then says nothing. */
function keepUnheard(turn: Turn, session: Session, stream: StreamId, cursor: number): void {
  session.unheard ??= new Map();
  if (session.unheard.size < turn.state.limits.resumeUnheardMax) session.unheard.set(stream, cursor);
}

/** The user is heard of as a member from `position` on: a session that has seen more goes on from there (R6). */
export function startFollowingLate(turn: Turn, session: Session, stream: Stream, position: number): void {
  const seen = session.unheard?.get(stream.id) ?? position;
  session.unheard?.delete(stream.id);
  startFollowing(turn, session, stream, Math.max(position, seen));
}

function begin(turn: Turn, session: Session, from: Map<StreamId, number>, replyTo: number | undefined): void {
  // One too many while this loop runs, so that the first stream to catch up does not end it.
  const phase: Resuming = { kind: 'resuming', replyTo, behind: 1 };
  session.phase = phase;
  turn.state.unready.delete(session);
  for (const waiter of session.waiters?.values() ?? []) catchUpToLeave(turn, waiter, phase, from);
  for (const stream of session.user.streams) startFollowing(turn, session, stream, from.get(stream.id) ?? stream.last);
  phase.behind -= 1;
  finishIfCaughtUp(turn, session);
}

/** R7. A client that has seen more than the leave was at a faster gateway: its user may be back (R6). */
function catchUpToLeave(turn: Turn, waiter: Waiter, phase: Resuming, from: ReadonlyMap<StreamId, number>): void {
  const { session, stream, target } = waiter;
  waiter.position = from.get(stream.id) ?? target;
  if (waiter.position > target) keepUnheard(turn, session, stream.id, waiter.position);
  phase.behind += 1;
  advance(turn, waiter);
}

/** The session is to get every event of the stream after `position`. */
function startFollowing(turn: Turn, session: Session, stream: Stream, position: number): void {
  switch (session.phase.kind) {
    case 'setting-up':
      return;
    case 'awaiting-resume': {
      const left = waiterOf(stream, session);
      // It left after hello and is back: it goes on from where it would have, through all of that.
      if (left === undefined) session.phase.from.set(stream.id, position);
      else removeWaiter(turn, left);
      return;
    }
    case 'resuming':
    case 'live':
      return catchUp(turn, session, stream, position);
    default:
      return session.phase satisfies never;
  }
}

function catchUp(turn: Turn, session: Session, stream: Stream, position: number): void {
  const before = waiterOf(stream, session);
  if (before !== undefined) {
    // It left and joined again before it had read up to its leave: the rest of that is given up, and said.
    send(turn, session, [resyncOf(stream.id, before.position)]);
    endWaiter(turn, before);
  }
  if (position === stream.last) {
    turn.out.push({ kind: 'subscribe', session: session.number, topic: stream.id });
    return;
  }
  const waiter = addWaiter(session, stream, position);
  if (waiter.ahead > 0) aimAtCursor(waiter);
  if (session.phase.kind === 'resuming') session.phase.behind += 1;
  advance(turn, waiter);
}

function addWaiter(session: Session, stream: Stream, position: number): Waiter {
  const ahead = position > stream.last ? position : 0;
  const waiter: Waiter = {
    ...{ session, stream, position, target: stream.last, ahead, failures: 0 },
    ...{ queue: [], queueBytes: 0, overflowed: false, left: false },
  };
  (stream.waiters ??= new Map<Session, Waiter>()).set(session, waiter);
  (session.waiters ??= new Map<Stream, Waiter>()).set(stream, waiter);
  return waiter;
}

/** Reads on, or joins the topic when the pages have met the queue. */
function advance(turn: Turn, waiter: Waiter): void {
  const { session, stream } = waiter;
  if (waiter.position < waiter.target && waiter.target - waiter.position > turn.state.limits.resumeGapEventsMax) {
    skip(turn, waiter, waiter.target);
  }
  if (waiter.position >= waiter.target && waiter.overflowed) aimAtTail(waiter);
  if (waiter.position < waiter.target) {
    const { position: after, target: upTo } = waiter;
    const { team } = session.claims;
    turn.out.push({ kind: 'read', session: session.number, stream: stream.id, after, upTo, team });
    return;
  }
  // The client is ahead of this gateway: what comes up to its cursor is not for it.
  if (stream.last < waiter.ahead) return;
  send(turn, session, waiter.queue);
  if (!waiter.left) turn.out.push({ kind: 'subscribe', session: session.number, topic: stream.id });
  endWaiter(turn, waiter);
}

function waiterOf(stream: Stream, session: Session): Waiter | undefined {
  return session.waiters?.get(stream);
}

/** R5: whether the event at the cursor is there. */
function aimAtCursor(waiter: Waiter): void {
  waiter.position = waiter.ahead - 1;
  waiter.target = waiter.ahead;
}

/** R3 */
function aimAtTail(waiter: Waiter): void {
  waiter.target = Math.max(waiter.position, waiter.stream.last);
  waiter.overflowed = false;
}

function skip(turn: Turn, waiter: Waiter, to: number): void {
  send(turn, waiter.session, [resyncOf(waiter.stream.id, waiter.position)]);
  waiter.position = to;
}

/** One page, as the owner read it. */
export function pageRead(turn: Turn, number: number, id: StreamId, page: Page): void {
  const session = turn.state.sessions.get(number);
  const stream = turn.state.streams.get(id);
  const waiter = session === undefined || stream === undefined ? undefined : waiterOf(stream, session);
  if (waiter === undefined) return;
  if (page.kind === 'failed') return pageFailed(turn, waiter, page.rejected);
  waiter.failures = 0;
  const events = page.gone ? [] : wanted(page.events, waiter);
  if (waiter.ahead > 0) aheadRead(turn, waiter, events.length > 0);
  else if (events.length === 0) skip(turn, waiter, waiter.target);
  else deliverPage(turn, waiter, events);
  advance(turn, waiter);
}

/** R5 */
function aheadRead(turn: Turn, waiter: Waiter, exists: boolean): void {
  waiter.position = waiter.ahead;
  if (exists) return noteTail(turn, waiter.stream, waiter.ahead);
  send(turn, waiter.session, [resyncOf(waiter.stream.id, waiter.ahead)]);
  waiter.ahead = 0;
  waiter.queue = [];
}

/** What is dense from the waiter's position on and not beyond its target: a hole in a page counts as gone. */
function wanted(events: readonly PageEvent[], waiter: Waiter): PageEvent[] {
  const dense: PageEvent[] = [];
  for (const event of events) {
    if (event.seq !== waiter.position + dense.length + 1 || event.seq > waiter.target) continue;
    dense.push(event);
  }
  return dense;
}

function deliverPage(turn: Turn, waiter: Waiter, events: readonly PageEvent[]): void {
  const { session, stream } = waiter;
  const frames = events.map(
    ({ posted, frame }) => (posted && acknowledgeRead(turn, session, stream.id, posted)) ?? frame,
  );
  send(turn, session, frames);
  waiter.position += events.length;
}

function pageFailed(turn: Turn, waiter: Waiter, rejected: boolean): void {
  waiter.failures += 1;
  if (rejected && waiter.ahead > 0) aheadRead(turn, waiter, false);
  else if (rejected) skip(turn, waiter, waiter.target);
  else if (waiter.failures >= turn.state.limits.resumeReadFailuresMax) {
    return endSession(turn, waiter.session, CLOSE.streamLost);
  }
  advance(turn, waiter);
}

/** An event went out live. `frame` is only valid now, so the queues share one copy of it. */
export function feedWaiters(turn: Turn, stream: Stream, frame: Uint8Array, acked: Acknowledged | undefined): void {
  const { limits } = turn.state;
  let copy: Uint8Array | undefined;
  for (const waiter of stream.waiters?.values() ?? []) {
    if (waiter.overflowed || waiter.left || stream.last <= waiter.ahead) continue;
    const own = acked !== undefined && waiter.session.number === acked.session;
    waiter.queue.push(own ? acked.frame : (copy ??= Buffer.from(frame)));
    waiter.queueBytes += frame.length;
    if (waiter.queue.length > limits.resumeQueueEventsMax || waiter.queueBytes > limits.resumeQueueBytesMax) {
      waiter.overflowed = true;
      waiter.queue = [];
      waiter.queueBytes = 0;
    }
  }
}

/** The stream has moved: sessions that were ahead of it may be met. */
export function meetWaiters(turn: Turn, stream: Stream): void {
  for (const waiter of [...(stream.waiters?.values() ?? [])]) {
    if (waiter.ahead > 0 && waiter.position === waiter.ahead && stream.last >= waiter.ahead) advance(turn, waiter);
  }
}

/** The user left the stream, at its place in it; a session that catches up still gets what came before. `upTo`: that place. */
export function stopFollowing(turn: Turn, session: Session, stream: Stream, upTo: number): void {
  const waiter = waiterOf(stream, session);
  // One that is ahead of this gateway has seen more than the leave already.
  if (waiter !== undefined) return waiter.ahead > stream.last ? endWaiter(turn, waiter) : leaveWaiter(waiter);
  if (session.phase.kind === 'awaiting-resume') awaitCursor(session, stream, upTo);
  else if (session.phase.kind !== 'setting-up') {
    turn.out.push({ kind: 'unsubscribe', session: session.number, topic: stream.id });
  }
}

/** R7: until the client says from where. */
function awaitCursor(session: Session, stream: Stream, upTo: number): void {
  const waiter = addWaiter(session, stream, stream.last);
  waiter.target = upTo;
  waiter.left = true;
}

function leaveWaiter(waiter: Waiter): void {
  waiter.left = true;
  if (waiter.overflowed) aimAtTail(waiter);
}

/** The session is over: its socket's subscriptions end by themselves. */
export function forgetWaiters(turn: Turn, session: Session): void {
  for (const waiter of [...(session.waiters?.values() ?? [])]) removeWaiter(turn, waiter);
}

function removeWaiter(turn: Turn, waiter: Waiter): void {
  const { session, stream } = waiter;
  stream.waiters?.delete(session);
  session.waiters?.delete(stream);
  if (stream.waiters?.size === 0) stream.waiters = undefined;
  if (session.waiters?.size === 0) session.waiters = undefined;
  dropIfUnused(turn, stream);
}

function endWaiter(turn: Turn, waiter: Waiter): void {
  const { session, stream } = waiter;
  removeWaiter(turn, waiter);
  if (stream.acks !== undefined) flushAcks(turn, stream);
  if (session.phase.kind !== 'resuming') return;
  session.phase.behind -= 1;
  finishIfCaughtUp(turn, session);
}

/** R4. The check waits for `begin` to have started every stream, which it does before it calls this. */
function finishIfCaughtUp(turn: Turn, session: Session): void {
  const { phase } = session;
  if (phase.kind !== 'resuming' || phase.behind > 0) return;
  session.phase = LIVE;
  const reply = phase.replyTo === undefined ? { ok: true } : { ok: true, reply_to: phase.replyTo };
  send(turn, session, [jsonFrame(reply)]);
}

function resyncOf(stream: StreamId, from: number): Buffer {
  return jsonFrame(resyncFrame(stream, from));
}

function send(turn: Turn, session: Session, frames: readonly Uint8Array[]): void {
  if (frames.length > 0) turn.out.push({ kind: 'send', session: session.number, frames });
}
