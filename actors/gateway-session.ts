/**
 * Sessions: from the ticket to the last frame.
 *
 * Invariants:
 * N1  Nothing but errors precedes hello. A plain RTM session is live from hello on; one with resume=1 gets nothing
 *     after it until it resumed.
 * N2  A frame is answered, obeyed or refused with an error frame; only its size and a flood close a session.
 * N3  A session that ended is gone from the state at once: nothing is sent to it afterwards.
 */
import {
  errorFrame,
  FRAME_ERROR,
  jsonFrame,
  parseClientFrame,
  pongFrame,
  type ClientFrame,
} from '../protocol/client-frames.ts';
import { CLOSE, type CloseCode } from '../protocol/close-codes.ts';
import { makeSessionId, type StreamId, type TeamId } from '../protocol/ids.ts';
import { obtainUser } from './gateway-membership.ts';
import type { SessionClaims } from './gateway-messages.ts';
import { postMessage } from './gateway-posts.ts';
import { endPresence, queryPresence, subscribePresence } from './gateway-presence.ts';
import { forgetWaiters, resume } from './gateway-resume.ts';
import { requestAnnouncement } from './gateway-slots.ts';
import { LIVE, type Session, type Turn, type User } from './gateway-state.ts';

export function openSession(turn: Turn, number: number, claims: SessionClaims): void {
  const { state, nowMs } = turn;
  const user = obtainUser(turn, claims.user, claims.team);
  const session: Session = {
    number,
    user,
    claims: ownClaims(turn, user, claims),
    phase: { kind: 'setting-up', deadlineMs: nowMs + state.limits.sessionSetupMs },
    allowance: state.limits.sessionFramesBurstMax,
    allowanceAtMs: nowMs,
    activeAtMs: nowMs,
    postCount: 0,
    posts: undefined,
    presence: undefined,
    waiters: undefined,
    unheard: undefined,
  };
  state.sessions.set(number, session);
  state.unready.add(session);
  // Not pushed: most users have one session, and an array that was pushed to keeps room for seventeen.
  user.sessions = user.sessions.concat(session);
  requestAnnouncement(turn, user);
  if (user.phase.kind === 'open') greet(turn, session);
}

/** What a session goes on needing of its ticket; ids are the strings that the state has already. */
function ownClaims({ state }: Turn, user: User, claims: SessionClaims): SessionClaims {
  const { bot, tokenHash, unlimited, resume: resumes, batchPresenceAware } = claims;
  const team = (state.streams.get(claims.team)?.id as TeamId | undefined) ?? claims.team;
  const own = { user: user.id, team, tokenHash, unlimited, resume: resumes, batchPresenceAware };
  return bot === undefined ? own : { ...own, bot };
}

/** Everything is admitted: hello. A gateway that is cut off keeps it back, for what it knows may be old. */
export function greet(turn: Turn, session: Session): void {
  if (session.phase.kind !== 'setting-up' || isCutOff(turn)) return;
  const { user, claims, number } = session;
  if (claims.resume) {
    const from = new Map<StreamId, number>(user.streams.map((stream) => [stream.id, stream.last]));
    const deadlineMs = turn.nowMs + turn.state.limits.resumeWaitMs;
    session.phase = { kind: 'awaiting-resume', from, cursorCount: 0, deadlineMs };
    turn.out.push({
      kind: 'send',
      session: number,
      frames: [jsonFrame({ type: 'hello', cursors: Object.fromEntries(from) })],
    });
    return;
  }
  session.phase = LIVE;
  turn.state.unready.delete(session);
  turn.out.push({ kind: 'send', session: number, frames: [HELLO] });
  for (const stream of user.streams) turn.out.push({ kind: 'subscribe', session: number, topic: stream.id });
}

const HELLO = jsonFrame({ type: 'hello' });

function isCutOff({ state, nowMs }: Turn): boolean {
  return state.disconnectedSinceMs !== undefined && nowMs - state.disconnectedSinceMs >= state.limits.isolationHelloMs;
}

/** Ends a session from our side. */
export function endSession(turn: Turn, session: Session, code: CloseCode): void {
  if (!forgetSession(turn, session)) return;
  turn.out.push({ kind: 'close', session: session.number, code });
}

/** The socket is gone, whoever closed it. */
export function sessionClosed(turn: Turn, number: number): void {
  const session = turn.state.sessions.get(number);
  if (session !== undefined) forgetSession(turn, session);
}

function forgetSession(turn: Turn, session: Session): boolean {
  const { state, nowMs } = turn;
  if (!state.sessions.delete(session.number)) return false;
  const { user } = session;
  state.unready.delete(session);
  user.sessions = user.sessions.filter((other) => other !== session);
  forgetWaiters(turn, session);
  endPresence(turn, session);
  requestAnnouncement(turn, user);
  if (user.sessions.length === 0) {
    user.emptySinceMs = nowMs;
    state.lingering.add(user);
  }
  return true;
}

/** Deadlines of sessions that are not live yet. */
export function tickSessions(turn: Turn): void {
  for (const session of turn.state.unready) {
    const { phase } = session;
    if (phase.kind === 'awaiting-resume') {
      if (turn.nowMs >= phase.deadlineMs) endSession(turn, session, CLOSE.resumeExpected);
    } else if (phase.kind === 'setting-up') {
      if (turn.nowMs >= phase.deadlineMs) endSession(turn, session, CLOSE.setupFailed);
      else if (session.user.phase.kind === 'open') greet(turn, session);
    }
  }
}

export function receiveFrame(turn: Turn, number: number, bytes: Uint8Array): void {
  const { state } = turn;
  const session = state.sessions.get(number);
  if (session === undefined) return;
  state.counts.frames += 1;
  const large = bytes.length > state.limits.rtmFrameBytesMax;
  if (large && (!session.claims.resume || bytes.length > state.limits.resumeFrameBytesMax)) {
    return endSession(turn, session, CLOSE.frameTooLarge);
  }
  const frame = parseClientFrame(bytes);
  if (large && frame.kind !== 'resume') return endSession(turn, session, CLOSE.frameTooLarge);
  if (mayProceed(turn, session, frame)) obey(turn, session, frame);
}

/** Costlier frames count for more. */
function costOf(frame: ClientFrame): number {
  return frame.kind === 'presence-query' || frame.kind === 'presence-sub' ? 5 : 1;
}

/** A bucket that refills; below zero frames are refused, far below the session is closed. */
function mayProceed(turn: Turn, session: Session, frame: ClientFrame): boolean {
  if (session.claims.unlimited) return true;
  const { limits, counts } = turn.state;
  const gained = ((turn.nowMs - session.allowanceAtMs) / 1_000) * limits.sessionFramesPerSecondMax;
  session.allowance = Math.min(limits.sessionFramesBurstMax, session.allowance + gained) - costOf(frame);
  session.allowanceAtMs = turn.nowMs;
  if (session.allowance >= 0) return true;
  counts.framesRefused += 1;
  if (session.allowance < -limits.sessionFramesFloodMax) endSession(turn, session, CLOSE.flooding);
  else refuse(turn, session, idOf(frame), FRAME_ERROR.rateLimited, 'ratelimited');
  return false;
}

function idOf(frame: ClientFrame): number | undefined {
  return 'id' in frame ? frame.id : undefined;
}

function obey(turn: Turn, session: Session, frame: ClientFrame): void {
  switch (frame.kind) {
    case 'ping':
      return answer(turn, session, pongFrame(frame.id, frame.extras));
    case 'bad':
      return refuse(turn, session, frame.id, frame.code, frame.message);
    case 'resume':
      return resume(turn, session, frame);
    case 'message':
      if (!isUnder(turn, session, frame.id)) return;
      return postMessage(turn, session, frame);
    case 'typing':
      return type(turn, session, frame);
    case 'presence-sub':
      if (!isUnder(turn, session, frame.id)) return;
      return subscribePresence(turn, session, frame);
    case 'presence-query':
      if (!isUnder(turn, session, frame.id)) return;
      return queryPresence(turn, session, frame);
    default:
      return frame satisfies never;
  }
}

/** Before hello, and between hello and resume, nothing but pings and `resume` is served (N1). */
function isUnder(turn: Turn, session: Session, id: number | undefined): boolean {
  noteActivity(turn, session);
  const { kind } = session.phase;
  if (kind === 'live' || kind === 'resuming') return true;
  refuse(
    turn,
    session,
    id,
    FRAME_ERROR.unavailable,
    kind === 'setting-up' ? 'hello comes first' : 'resume comes first',
  );
  return false;
}

function type(turn: Turn, session: Session, frame: Extract<ClientFrame, { kind: 'typing' }>): void {
  noteActivity(turn, session);
  const { user, number } = session;
  if (!user.streams.some((stream) => stream.id === frame.channel)) return;
  const origin = makeSessionId(turn.state.ref.incarnation, number);
  const thread = frame.threadTs === undefined ? {} : { threadTs: frame.threadTs };
  turn.out.push({
    kind: 'type',
    channel: frame.channel,
    command: { kind: 'typing', user: user.id, origin, ...thread },
  });
}

function noteActivity(turn: Turn, session: Session): void {
  session.activeAtMs = turn.nowMs;
  if (session.user.announcedIdle) requestAnnouncement(turn, session.user);
}

function refuse(turn: Turn, session: Session, id: number | undefined, code: number, message: string): void {
  answer(turn, session, errorFrame(id, code, message));
}

function answer(turn: Turn, session: Session, frame: Uint8Array): void {
  turn.out.push({ kind: 'send', session: session.number, frames: [frame] });
}
