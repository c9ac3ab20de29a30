/**
 * Messages that sessions post by RTM.
 *
 * Invariants:
 * P1  One post of a session and channel is in flight; the rest wait in order, which keeps the sender's order through
 *     retries and hand-offs.
 * P2  An ack is sent at the event's place in the stream: with the event where it is ours to see, else when the stream
 *     has passed it. The sender's own socket gets no event for it.
 * P3  A post whose fate is unknown is answered with an error; if it comes after all, its sender sees it as an event.
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import { errorFrame, FRAME_ERROR, postAckFrame, type ClientFrame } from '../protocol/client-frames.ts';
import type { StreamResult } from '../protocol/commands.ts';
import type { Failure } from '../protocol/errors.ts';
import type { MessageDraft } from '../protocol/events.ts';
import { makeOriginId, type ChannelId, type MutationId, type SessionId } from '../protocol/ids.ts';
import { formatTs } from '../protocol/timestamp.ts';
import type { GatewayEffect } from './gateway-messages.ts';
import type { Post, Session, Stream, Turn } from './gateway-state.ts';
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
  if (session === undefined || post === undefined) return undefined;
  const frame = postAckFrame(post.id, tsOf(event), post.command.draft.text, seq);
  const waits = stream.waiters?.some((waiter) => waiter.session === session) === true;
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
  const { seq, message } = outcome.result;
  const { body, ts } = message.event;
  const text = body.kind === 'message' ? body.draft.text : post.command.draft.text;
  const frame = postAckFrame(post.id, formatTs(ts), text, seq);
  const stream = turn.state.streams.get(channel);
  if (stream === undefined || stream.last < 0 || stream.last >= seq || !session.user.streams.includes(stream)) {
    turn.out.push({ kind: 'send', session: number, frames: [frame] });
    return complete(turn, session, post);
  }
  (stream.acks ??= []).push({ seq, session, post, frame });
  noteTail(turn, stream, seq);
}

/** The stream moved on: acks whose place it has passed go out, unless the event itself brought them. */
export function flushAcks(turn: Turn, stream: Stream): void {
  const due = stream.acks?.filter((ack) => ack.seq <= stream.last) ?? [];
  if (due.length === 0) return;
  const left = stream.acks?.filter((ack) => ack.seq > stream.last) ?? [];
  stream.acks = left.length === 0 ? undefined : left;
  for (const { session, post, frame } of due) {
    if (find(turn.state.sessions.get(session.number), post.channel, post.number) !== post) continue;
    turn.out.push({ kind: 'send', session: session.number, frames: [frame] });
    complete(turn, session, post);
  }
}

function failure(session: Session, id: number | undefined, failed: Failure): GatewayEffect {
  if (failed.kind === 'rejected') return refusal(session, id, FRAME_ERROR.rejected, failed.error);
  return refusal(session, id, FRAME_ERROR.unavailable, 'service_unavailable');
}

export function refusal(session: Session, id: number | undefined, code: number, message: string): GatewayEffect {
  return { kind: 'send', session: session.number, frames: [errorFrame(id, code, message)] };
}
