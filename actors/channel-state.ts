/**
 * What an actor knows about its stream, and how each event changes it. One kind of state for conversations (C, G, D),
 * one for a user's own stream (U), one for the team's (T).
 *
 * Invariants:
 * T1  The state is the fold of the events 1 … seq in order, and of nothing else: rebuilt from the log it is the same.
 * T2  `seq` is dense, `lastTs` rises with it.
 * T3  Folding is total: an event that does not fit the stream's kind changes only seq, ts and dedupe.
 *
 * The state is changed in place (a channel may have 100,000 members); only the fold does it.
 */
import { limits } from '../platform/limits.ts';
import type { ChannelMeta, DurableEvent, EventBody } from '../protocol/events.ts';
import {
  isTeamStream,
  isUserStream,
  type ChannelId,
  type StreamId,
  type TeamId,
  type UserId,
} from '../protocol/ids.ts';
import { Dedupe } from './dedupe.ts';
import { OrderedMap } from './ordered-map.ts';

interface Common {
  /** Seq and timestamp (microseconds) of the last event; 0 before the first. */
  seq: number;
  lastTs: number;
  /** Messages, and everything else. */
  readonly posts: Dedupe;
  readonly changes: Dedupe;
}

export interface ConversationState extends Common {
  readonly kind: 'conversation';
  readonly stream: ChannelId;
  /** Undefined until it is opened. */
  meta: ChannelMeta | undefined;
  archived: boolean;
  readonly members: OrderedMap<UserId, 1>;
}

export interface UserState extends Common {
  readonly kind: 'user';
  readonly stream: UserId;
  readonly memberships: OrderedMap<ChannelId, Membership>;
  manualAway: boolean;
}

export interface TeamState extends Common {
  readonly kind: 'team';
  readonly stream: TeamId;
}

export type StreamState = ConversationState | UserState | TeamState;

/** The newest thing a user's stream heard about one channel. Kept after leaving, so that an older note stays older. */
export interface Membership {
  readonly meta: ChannelMeta;
  readonly channelSeq: number;
  readonly member: boolean;
}

export function emptyState(stream: StreamId): StreamState {
  const entriesMax = limits.dedupeEntriesPerChannelMax;
  const common = { seq: 0, lastTs: 0, posts: new Dedupe(entriesMax), changes: new Dedupe(entriesMax) };
  if (isUserStream(stream)) {
    const memberships = new OrderedMap<ChannelId, Membership>(limits.membershipsPerBlockMax);
    return { kind: 'user', stream, ...common, memberships, manualAway: false };
  }
  if (isTeamStream(stream)) return { kind: 'team', stream, ...common };
  const members = new OrderedMap<UserId, 1>(limits.membersPerBlockMax);
  return { kind: 'conversation', stream, ...common, meta: undefined, archived: false, members };
}

/** Folds the next event in. */
export function apply(state: StreamState, event: DurableEvent): void {
  state.seq += 1;
  state.lastTs = event.ts;
  const { body } = event;
  const dedupe = body.kind === 'message' ? state.posts : state.changes;
  dedupe.remember(event.author, event.mutation, state.seq);
  switch (state.kind) {
    case 'conversation':
      return applyToConversation(state, body);
    case 'user':
      return applyToUser(state, body);
    case 'team':
      return;
    default:
      state satisfies never;
  }
}

function applyToConversation(state: ConversationState, body: EventBody): void {
  switch (body.kind) {
    case 'opened':
      state.meta = body.meta;
      for (const user of body.members) state.members.set(user, 1);
      return;
    case 'joined':
      state.members.set(body.user, 1);
      return;
    case 'left':
      state.members.delete(body.user);
      return;
    case 'archived':
      state.archived = body.archived;
      return;
    case 'message':
    case 'membership':
    case 'manual-presence':
    case 'notice':
      return;
    default:
      body satisfies never;
  }
}

function applyToUser(state: UserState, body: EventBody): void {
  if (body.kind === 'manual-presence') state.manualAway = body.presence === 'away';
  if (body.kind !== 'membership') return;
  const { meta, channelSeq, member } = body;
  state.memberships.set(meta.id, { meta, channelSeq, member });
}
