/**
 * Messages that sessions post by RTM.
 *
 * Invariants:
 * P1  One post of a session and channel is in flight; the rest wait in order, which keeps the sender's order through
 *     retries and hand-offs.
 * P2  An ack is sent at the event's place in the stream as the session sees it: instead of the event, live or on a
 *     page, else once the session has passed it. The sender's own socket gets no event for it.
 * P3  A post whose fate is unknown is answered with an error; if it comes after all, its sender sees it as an event.
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import { errorFrame, FRAME_ERROR, postAckFrame, type ClientFrame } from '../protocol/client-frames.ts';
import type { StreamResult } from '../protocol/commands.ts';
import type { Failure } from '../protocol/errors.ts';
import type { MessageDraft, SequencedEvent } from '../protocol/events.ts';
import {
  makeOriginId,
  parseOriginId,
  type ChannelId,
  type MutationId,
  type SessionId,
  type StreamId,
} from '../protocol/ids.ts';
import { formatTs } from '../protocol/timestamp.ts';
import type { GatewayEffect } from './gateway-messages.ts';
import type { Ack, Post, Session, Stream, Turn, User } from './gateway-state.ts';
import { noteTail } from './gateway-stream.ts';

type MessageFrame = Extract<ClientFrame, { kind: 'message' }>;

export function postMessage(turn: Turn, session: Session, frame: MessageFrame): void {
  const { state } = turn;
  const posts = (session.posts ??= new Map<ChannelId, Post[]>());
  if (countOf(posts) >= state.limits.sessionFramesInProgressMax) {
    turn.out.push(refusal(session, frame.id, FRAME_ERROR.rateLimited, 'ratelimited'));
    return;
  }
  session.postCount += 1;
  const origin = makeOriginId(state.ref.incarnation, session.number, session.postCount);
  const post: Post = {
    number: session.postCount,
    id: frame.id,
    channel: frame.channel,
    command: commandOf(session, frame, origin),
  };
  const queue = posts.get(frame.channel);
  if (queue !== undefined) {
    queue.push(post);
  } else {
    posts.set(frame.channel, [post]);
    send(turn, session, post);
  }
}

function countOf(posts: ReadonlyMap<ChannelId, readonly Post[]>): number {
  let count = 0;
  for (const queue of posts.values()) count += queue.length;
  return count;
}

function commandOf(session: Session, frame: MessageFrame, origin: SessionId): Post['command'] {
  const { user, bot } = session.claims;
  const draft: MessageDraft = {
    text: frame.text,
    ...(frame.threadTs === undefined ? {} : { threadTs: frame.threadTs }),
    ...(frame.clientMsgId === undefined ? {} : { clientMsgId: frame.clientMsgId }),
  };
  // The origin is unique, so that a client which repeats its frame ids loses no message.
  const mutation = frame.clientMsgId ?? (origin as string as MutationId);
  return { kind: 'post', author: bot === undefined ? { user } : { user, bot }, draft, mutation, origin };
}

function send(turn: Turn, session: Session, post: Post): void {
  const { number, channel, command } = post;
  turn.out.push({ kind: 'post', session: session.number, post: number, channel, command });
}

function find(session: Session | undefined, channel: ChannelId, number: number): Post | undefined {
  return session?.posts?.get(channel)?.find((post) => post.number === number);
}

/** The answered post leaves its queue; the next one goes. */
function complete(turn: Turn, session: Session, post: Post): void {
  const queue = session.posts?.get(post.channel);
  if (queue === undefined || queue[0] !== post) return;
  queue.shift();
  const next = queue[0];
  if (next !== undefined) return send(turn, session, next);
  session.posts?.delete(post.channel);
  if (session.posts?.size === 0) session.posts = undefined;
}

/** The session that posted the event, and what it gets in the event's place. */
export interface Acknowledged {
  readonly session: number;
  readonly frame: Uint8Array;
  /** Whom the publish leaves out; nobody where the session is not subscribed yet. */
  readonly except: number | undefined;
  readonly effects: readonly GatewayEffect[];
}

/** An event that a session of this gateway posted. Undefined: it goes to all, its sender included (P3). */
export function acknowledgeEvent(
  turn: Turn,
  stream: Stream,
  seq: number,
  origin: { readonly session: number; readonly post: number },
  event: Uint8Array,
): Acknowledged | undefined {
  const session = turn.state.sessions.get(origin.session);
  const post = find(session, stream.id as ChannelId, origin.post);
  // Before its admission the session has no place in the stream; the reply waits for it to have one.
  if (session === undefined || post === undefined || !session.user.streams.includes(stream)) return undefined;
  const frame = postAckFrame(post.id, tsOf(event), post.command.draft.text, seq);
  const waits = isBehind(stream, session);
  const inner: Turn = { ...turn, out: [] };
  // A session that still catches up on the stream gets the ack through its queue, in the event's place.
  if (!waits) inner.out.push({ kind: 'send', session: session.number, frames: [frame] });
  complete(inner, session, post);
  return { session: session.number, frame, except: waits ? undefined : session.number, effects: inner.out };
}

function tsOf(event: Uint8Array): string {
  const { ts } = JSON.parse(Buffer.from(event.buffer, event.byteOffset, event.byteLength).toString()) as {
    ts?: unknown;
  };
  return typeof ts === 'string' ? ts : '';
}

/** The reply to a post. Mostly its event came first, and the post is gone. */
export function posted(
  turn: Turn,
  number: number,
  postNumber: number,
  channel: ChannelId,
  outcome: CommandOutcome<StreamResult<'post'>>,
): void {
  const session = turn.state.sessions.get(number);
  const post = find(session, channel, postNumber);
  if (session === undefined || post === undefined) return;
  if (!outcome.ok) {
    turn.out.push(failure(session, post.id, outcome.failure));
    return complete(turn, session, post);
  }
  const { seq, ts, first } = outcome.result;
  const { text } = first?.body.kind === 'message' ? first.body.draft : post.command.draft;
  const frame = postAckFrame(post.id, formatTs(ts), text, seq);
  const ack: Ack = { seq, session, post, frame, sinceMs: turn.nowMs };
  const stream = session.user.streams.find((one) => one.id === channel);
  if (stream === undefined) turn.state.earlyAcks.push(ack);
  else placeAck(turn, stream, ack);
}

function placeAck(turn: Turn, stream: Stream, ack: Ack): void {
  (stream.acks ??= []).push(ack);
  noteTail(turn, stream, ack.seq);
  flushAcks(turn, stream);
}

/** The stream, or a session on it, moved on: acks whose place was passed go out, unless the event itself brought them. */
export function flushAcks(turn: Turn, stream: Stream): void {
  const acks = stream.acks ?? [];
  const due = acks.filter((ack) => ack.seq <= stream.last && !isBehind(stream, ack.session));
  if (due.length === 0) return;
  const left = acks.filter((ack) => !due.includes(ack));
  stream.acks = left.length === 0 ? undefined : left;
  for (const ack of due) sendAck(turn, ack);
}

function isBehind(stream: Stream, session: Session): boolean {
  return stream.waiters?.has(session) === true;
}

function sendAck(turn: Turn, { session, post, frame }: Ack): void {
  if (find(turn.state.sessions.get(session.number), post.channel, post.number) !== post) return;
  turn.out.push({ kind: 'send', session: session.number, frames: [frame] });
  complete(turn, session, post);
}

/** The user now has the stream: acks that came before that take their place in it. */
export function adoptAcks(turn: Turn, user: User, stream: Stream): void {
  const { state } = turn;
  if (state.earlyAcks.length === 0) return;
  const own = state.earlyAcks.filter((ack) => ack.session.user === user && ack.post.channel === stream.id);
  state.earlyAcks = state.earlyAcks.filter((ack) => !own.includes(ack));
  for (const ack of own) placeAck(turn, stream, ack);
}

/** Posts to a channel that never became the session's own, because its user left it again: their place is anywhere. */
export function tickAcks(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.earlyAcks.length === 0) return;
  const due = state.earlyAcks.filter((ack) => nowMs - ack.sinceMs >= state.limits.earlyAckMs);
  state.earlyAcks = state.earlyAcks.filter((ack) => !due.includes(ack));
  for (const ack of due) sendAck(turn, ack);
}

/** An event on a page that a session catches up with: where the session itself posted it, the ack takes its place. */
export function acknowledgeRead(
  turn: Turn,
  session: Session,
  channel: StreamId,
  event: SequencedEvent,
): Uint8Array | undefined {
  const { body, ts } = event.event;
  if (body.kind !== 'message' || body.origin === undefined) return undefined;
  const origin = parseOriginId(turn.state.ref.incarnation, body.origin);
  if (origin?.session !== session.number) return undefined;
  const post = find(session, channel as ChannelId, origin.post);
  if (post === undefined) return undefined;
  complete(turn, session, post);
  return postAckFrame(post.id, formatTs(ts), body.draft.text, event.seq);
}

function failure(session: Session, id: number | undefined, failed: Failure): GatewayEffect {
  if (failed.kind === 'rejected') return refusal(session, id, FRAME_ERROR.rejected, failed.error);
  return refusal(session, id, FRAME_ERROR.unavailable, 'service_unavailable');
}

export function refusal(session: Session, id: number | undefined, code: number, message: string): GatewayEffect {
  return { kind: 'send', session: session.number, frames: [errorFrame(id, code, message)] };
}
