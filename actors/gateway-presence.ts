/**
 * Presence at the gateway: what sessions follow of others, and what is told of their own.
 *
 * A user that somebody here follows has one watch, kept at the user's slot; sessions follow it by a topic, or gather its
 * changes until the next tick when they take them in batches. The newest state wins (G9).
 */
import type { ClientFrame } from '../protocol/client-frames.ts';
import { jsonFrame } from '../protocol/client-frames.ts';
import type { Presence } from '../protocol/events.ts';
import { presenceFrame } from '../protocol/frames.ts';
import type { UserId } from '../protocol/ids.ts';
import { markDirty } from './gateway-slots.ts';
import { slotFor, type Session, type Slot, type Turn, type User, type Watch } from './gateway-state.ts';

type States = readonly (readonly [UserId, Presence | 'unknown'])[];

/** No stream's id starts so. */
const topicOf = (user: UserId): string => `presence ${user}`;

/** All of its sessions have been still for long. */
export function isUserIdle({ state, nowMs }: Turn, user: User): boolean {
  return user.sessions.every((session) => nowMs - session.activeAtMs >= state.limits.presenceIdleMs);
}

/** The list replaces the one before. */
export function subscribePresence(
  turn: Turn,
  session: Session,
  frame: Extract<ClientFrame, { kind: 'presence-sub' }>,
): void {
  const wanted = new Set(frame.users);
  session.presence ??= { users: new Set(), pending: new Map() };
  for (const user of session.presence.users) if (!wanted.has(user)) unfollow(turn, session, user);
  const known: [UserId, Presence][] = [];
  for (const user of wanted) {
    if (session.presence.users.has(user)) continue;
    const { presence } = follow(turn, session, user);
    if (presence !== undefined) known.push([user, presence]);
  }
  session.presence.users.clear();
  for (const user of wanted) session.presence.users.add(user);
  sendPresence(turn, session, known);
}

function follow(turn: Turn, session: Session, user: UserId): Watch {
  const watch = obtainWatch(turn, user);
  watch.sessions.add(session);
  if (!session.claims.batchPresenceAware) {
    turn.out.push({ kind: 'subscribe', session: session.number, topic: topicOf(user) });
  }
  return watch;
}

function obtainWatch(turn: Turn, user: UserId): Watch {
  const known = turn.state.watches.get(user);
  if (known !== undefined) return known;
  const watch: Watch = { user, slot: slotFor(turn, user), sessions: new Set(), presence: undefined };
  turn.state.watches.set(user, watch);
  watch.slot.watches.add(watch);
  watch.slot.toWatch.push(watch);
  markDirty(turn, watch.slot);
  return watch;
}

function unfollow(turn: Turn, session: Session, user: UserId): void {
  if (!session.claims.batchPresenceAware) {
    turn.out.push({ kind: 'unsubscribe', session: session.number, topic: topicOf(user) });
  }
  release(turn, session, user);
}

function release(turn: Turn, session: Session, user: UserId): void {
  const watch = turn.state.watches.get(user);
  if (watch === undefined) return;
  watch.sessions.delete(session);
  if (watch.sessions.size > 0) return;
  turn.state.watches.delete(user);
  watch.slot.watches.delete(watch);
  watch.slot.toUnwatch.push(user);
  markDirty(turn, watch.slot);
}

/** The session is over; its socket's subscriptions end by themselves. */
export function endPresence(turn: Turn, session: Session): void {
  for (const user of session.presence?.users ?? []) release(turn, session, user);
  session.presence = undefined;
  turn.state.presencePending.delete(session);
}

/** The answer to watch-presence: news for those who follow, where it differs from what they were told. */
export function presenceAnswered(turn: Turn, states: States): void {
  for (const [user, presence] of states) if (presence !== 'unknown') presenceChanged(turn, user, presence);
}

export function presenceChanged(turn: Turn, user: UserId, presence: Presence): void {
  const watch = turn.state.watches.get(user);
  if (watch === undefined || watch.presence === presence) return;
  watch.presence = presence;
  turn.out.push({ kind: 'publish', topic: topicOf(user), bytes: jsonFrame(presenceFrame(user, presence)) });
  for (const session of watch.sessions) {
    if (!session.claims.batchPresenceAware) continue;
    session.presence?.pending.set(user, presence);
    turn.state.presencePending.add(session);
  }
}

export function tickPresence(turn: Turn): void {
  for (const session of turn.state.presencePending) {
    const pending = [...(session.presence?.pending ?? [])];
    session.presence?.pending.clear();
    sendPresence(turn, session, pending);
  }
  turn.state.presencePending.clear();
}

/** One frame per user, or one per state for a session that takes batches. Who is unknown is not spoken of. */
export function sendPresence(turn: Turn, session: Session, states: States): void {
  const frames: Uint8Array[] = [];
  for (const presence of ['active', 'away'] as const) {
    const users = states.filter(([, state]) => state === presence).map(([user]) => user);
    if (users.length === 0) continue;
    if (session.claims.batchPresenceAware) frames.push(jsonFrame(presenceFrame(users, presence)));
    else for (const user of users) frames.push(jsonFrame(presenceFrame(user, presence)));
  }
  if (frames.length > 0) turn.out.push({ kind: 'send', session: session.number, frames });
}

/** One-shot. Who is followed here anyway is answered from what is known; for the others their slots are asked. */
export function queryPresence(
  turn: Turn,
  session: Session,
  frame: Extract<ClientFrame, { kind: 'presence-query' }>,
): void {
  const known: [UserId, Presence][] = [];
  const unknown = new Map<Slot, UserId[]>();
  for (const user of frame.users) {
    const presence = turn.state.watches.get(user)?.presence;
    if (presence !== undefined) {
      known.push([user, presence]);
      continue;
    }
    const slot = slotFor(turn, user);
    unknown.set(slot, [...(unknown.get(slot) ?? []), user]);
  }
  sendPresence(turn, session, known);
  for (const [slot, users] of unknown) {
    const command = { kind: 'query-presence', users } as const;
    turn.out.push({ kind: 'ask-slot', slot: slot.number, command, session: session.number });
  }
}
