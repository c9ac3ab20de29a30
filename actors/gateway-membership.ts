/**
 * Which streams a user's sessions may see: setting a user up, admissions, joins and leaves.
 *
 * Invariants:
 * M1  A user is open once its own stream and its team's are admitted, its channels were listed at or after the place
 *     where its own stream was admitted, and each of them was admitted or refused. What changes later arrives as events.
 * M2  Joins and leaves act at their place in the stream; where events were skipped, the owner is asked. An admission that
 *     was decided before a leave which this gateway has already seen admits nobody.
 * M3  The owner's word admits; a list of channels, however fresh, only says whom to ask (G10).
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import type { Effect } from '../protocol/batches.ts';
import { CLOSE } from '../protocol/close-codes.ts';
import type { Admission, StreamResult } from '../protocol/commands.ts';
import type { StreamId, TeamId, UserId } from '../protocol/ids.ts';
import { adoptAcks } from './gateway-posts.ts';
import { startFollowingLate, stopFollowing } from './gateway-resume.ts';
import { endSession, greet } from './gateway-session.ts';
import { markDirty } from './gateway-slots.ts';
import { OPEN, slotFor, type Ask, type Stream, type Turn, type User } from './gateway-state.ts';
import { beginStream, dropIfUnused, noteTail, obtainStream } from './gateway-stream.ts';

/** Further than anything is replayed: a leave among events that were skipped. */
const NOWHERE = Number.MAX_SAFE_INTEGER;

export function obtainUser(turn: Turn, id: UserId, team: TeamId): User {
  const { state } = turn;
  const known = state.users.get(id);
  if (known !== undefined) {
    known.emptySinceMs = undefined;
    state.lingering.delete(known);
    return known;
  }
  const user: User = {
    id,
    slot: slotFor(turn, id),
    phase: { kind: 'opening', listedAt: undefined, admittedAt: undefined },
    sessions: [],
    streams: [],
    asks: undefined,
    leaves: undefined,
    announcedIdle: false,
    emptySinceMs: undefined,
  };
  state.users.set(id, user);
  user.slot.users.add(user);
  request(turn, user, id);
  request(turn, user, team);
  list(turn, user);
  return user;
}

/** After its linger: nobody came back. */
export function dropUser(turn: Turn, user: User): void {
  turn.state.users.delete(user.id);
  turn.state.lingering.delete(user);
  user.slot.users.delete(user);
  for (const ask of [...(user.asks?.values() ?? [])]) finish(turn, ask);
  for (const stream of user.streams.splice(0)) {
    stream.userCount -= 1;
    dropIfUnused(turn, stream);
  }
}

/** The answer to ask-memberships. */
export function listed(turn: Turn, id: UserId, outcome: CommandOutcome<StreamResult<'memberships'>>): void {
  const user = turn.state.users.get(id);
  if (user === undefined) return;
  if (!outcome.ok) {
    turn.state.unlisted.add(user);
    return;
  }
  if (user.phase.kind === 'opening') user.phase.listedAt = outcome.result.seq;
  for (const { meta, channelSeq } of outcome.result.channels) request(turn, user, meta.id, channelSeq);
  openIfComplete(turn, user);
}

function list(turn: Turn, user: User): void {
  turn.out.push({ kind: 'ask-memberships', user: user.id });
}

/** Listings that failed are made again. */
export function tickListings(turn: Turn): void {
  for (const user of turn.state.unlisted) if (turn.state.users.get(user.id) === user) list(turn, user);
  turn.state.unlisted.clear();
}

/**
 * Events of the stream were skipped, and joins or leaves may have been among them: whoever is subscribed has to be
 * admitted again, and a user whose own stream it is may have new channels (M2).
 */
export function revalidate(turn: Turn, stream: Stream): void {
  for (const user of turn.state.users.values()) {
    if (!user.streams.includes(stream)) continue;
    if (user.id === stream.id) list(turn, user);
    if (user.asks?.has(stream.id) !== true) enqueue(turn, user, stream, undefined);
  }
}

/** Gives back the requests that must be made again. */
export function answerAsks(turn: Turn, asks: readonly Ask[], admissions: readonly Admission[]): Ask[] {
  const answers = new Map(admissions.map((admission) => [`${admission.user} ${admission.stream}`, admission]));
  const again: Ask[] = [];
  const begun = new Set<Stream>();
  for (const ask of asks) {
    if (ask.withdrawn) continue;
    const admission = answers.get(`${ask.user.id} ${ask.stream.id}`);
    const isFinal = admission !== undefined && (admission.admitted || !(admission.retryable || ask.repeat));
    ask.repeat = false;
    if (!isFinal) {
      again.push(ask);
      continue;
    }
    if (admission.admitted && ask.stream.last < 0) {
      ask.stream.last = admission.seq;
      begun.add(ask.stream);
    }
    answered(turn, ask, admission);
  }
  // Only now, so that what was held reaches everyone who was admitted with this answer.
  for (const stream of begun) beginStream(turn, stream);
  for (const { user } of asks) openIfComplete(turn, user);
  return again;
}

function answered(turn: Turn, ask: Ask, admission: Admission): void {
  const { user, stream } = ask;
  const has = user.streams.includes(stream);
  if (admission.admitted && admission.seq >= ask.leftAt && !has) addStream(turn, user, stream, ask.from);
  else if (!admission.admitted && has) removeStream(turn, user, stream, NOWHERE);
  finish(turn, ask);
  if (admission.admitted) noteTail(turn, stream, admission.seq);
  if (user.phase.kind !== 'opening' || stream.id !== user.id) return;
  if (admission.admitted) user.phase.admittedAt = admission.seq;
  else refuseUser(turn, user);
}

function refuseUser(turn: Turn, user: User): void {
  for (const session of [...user.sessions]) endSession(turn, session, CLOSE.setupFailed);
}

function openIfComplete(turn: Turn, user: User): void {
  const { phase } = user;
  if (phase.kind !== 'opening' || phase.listedAt === undefined || phase.admittedAt === undefined) return;
  if (phase.listedAt < phase.admittedAt) {
    // The list is older than our place in the user's stream: a join between the two would be lost (M1).
    phase.listedAt = undefined;
    list(turn, user);
    return;
  }
  if (user.asks !== undefined) return;
  user.phase = OPEN;
  // Without the room that an array keeps which was pushed to.
  user.streams = user.streams.slice();
  for (const session of user.sessions) greet(turn, session);
}

/** Asks the stream's owner to admit the user, unless that is done or under way. */
function request(turn: Turn, user: User, id: StreamId, from?: number): void {
  const ask = user.asks?.get(id);
  const has = user.streams.find((stream) => stream.id === id);
  const isNews = from !== undefined && from > (user.leaves?.get(id) ?? 0);
  if (ask !== undefined) {
    ask.repeat = true;
    // The first join after what its sessions have seen.
    if (isNews && (ask.from === undefined || from < ask.from)) ask.from = from;
  }
  if (ask === undefined && has === undefined) enqueue(turn, user, obtainStream(turn, id), isNews ? from : undefined);
  // The user may be about to leave here before it joins again at `from`: the stream must be followed that far.
  const stream = turn.state.streams.get(id);
  if (isNews && stream !== undefined) noteTail(turn, stream, from);
}

function enqueue(turn: Turn, user: User, stream: Stream, from: number | undefined): void {
  stream.askCount += 1;
  const ask: Ask = { user, stream, from, leftAt: 0, repeat: false, withdrawn: false };
  user.asks ??= new Map();
  user.asks.set(stream.id, ask);
  stream.slot.asks.push(ask);
  markDirty(turn, stream.slot);
}

function finish(turn: Turn, ask: Ask): void {
  const { user, stream } = ask;
  ask.withdrawn = true;
  stream.askCount -= 1;
  user.asks?.delete(stream.id);
  if (user.asks?.size === 0) user.asks = undefined;
  dropIfUnused(turn, stream);
}

/** The stream stands at `last`; sessions of the user go on from there, or from just before `from`. */
function addStream(turn: Turn, user: User, stream: Stream, from?: number): void {
  user.streams.push(stream);
  stream.userCount += 1;
  // A stream that is behind here holds events from before the user joined: they are not for its sessions (R5).
  const position = from === undefined ? stream.last : from - 1;
  for (const session of user.sessions) startFollowingLate(turn, session, stream, position);
  adoptAcks(turn, user, stream);
}

/** A `join` at the event's place, before the event is published. `stream.last` is the seq before it. */
export function joined(turn: Turn, stream: Stream, effect: Effect): void {
  for (const id of effect.users) {
    const user = turn.state.users.get(id);
    if (user === undefined) continue;
    if (effect.stream !== undefined) {
      request(turn, user, effect.stream, effect.seq);
    } else if (!user.streams.includes(stream)) {
      addStream(turn, user, stream);
      const ask = user.asks?.get(stream.id);
      if (ask !== undefined) finish(turn, ask);
      openIfComplete(turn, user);
    }
  }
}

/** A `leave` at the event's place, after the event was published. */
export function left(turn: Turn, stream: Stream, effect: Effect): void {
  // A user's stream tells of leaves too, but later than the channel's own: a new join may stand in between.
  if (effect.stream !== undefined) return;
  for (const id of effect.users) {
    const user = turn.state.users.get(id);
    if (user === undefined) continue;
    const ask = user.asks?.get(stream.id);
    if (ask !== undefined) ask.leftAt = stream.last;
    removeStream(turn, user, stream, stream.last);
    rememberLeave(turn, user, stream);
    // More of the stream is known to exist, and may hold another join: the stream is kept until the owner has answered.
    if (stream.tail > stream.last) request(turn, user, stream.id);
  }
  dropIfUnused(turn, stream);
}

function rememberLeave({ state }: Turn, user: User, stream: Stream): void {
  const leaves = (user.leaves ??= new Map());
  leaves.delete(stream.id);
  leaves.set(stream.id, stream.last);
  const [oldest] = leaves.keys();
  if (leaves.size > state.limits.leavesRememberedMax && oldest !== undefined) leaves.delete(oldest);
}

/** `leftAt`: where in the stream, or NOWHERE. */
function removeStream(turn: Turn, user: User, stream: Stream, leftAt: number): void {
  const at = user.streams.indexOf(stream);
  if (at < 0) return;
  user.streams.splice(at, 1);
  stream.userCount -= 1;
  for (const session of user.sessions) stopFollowing(turn, session, stream, leftAt);
}
