/**
 * The gateway's state: plain records that only decide's functions change. It is sized by what is connected: users and
 * streams are shared by the sessions that need them, so a session of its own holds little.
 *
 * Invariants:
 * Y1  Subscriptions belong to users: a user's `streams` are those its sessions may see, each added by the owner's
 *     admission or by a join at its position in the stream, and removed by a leave at its position (G10).
 * Y2  A stream exists while a user has it or asks for it. `last` is -1 until the first admission says where it stands.
 * Y3  A slot has at most one command of each kind in flight; what comes meanwhile is gathered for the next one.
 */
import { slotOf } from '../cluster/slots.ts';
import type { Effect } from '../protocol/batches.ts';
import type { GatewayRef, StreamCommand } from '../protocol/commands.ts';
import type { Presence } from '../protocol/events.ts';
import type { ChannelId, Incarnation, SessionId, StreamId, UserId } from '../protocol/ids.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import type { GatewayEffect, SessionClaims } from './gateway-messages.ts';

export interface Session {
  readonly number: number;
  readonly user: User;
  readonly claims: SessionClaims;
  phase: SessionPhase;
  /** Of the frame rate limit: frames that may still come; below zero they are refused. */
  allowance: number;
  allowanceAtMs: number;
  activeAtMs: number;
  /** Posts begun so far; numbers the next. */
  postCount: number;
  /** Per channel, in order; the first of each is in flight. Undefined: none. */
  posts: Map<ChannelId, Post[]> | undefined;
  presence: PresenceInterest | undefined;
  /** What it is catching up on. */
  waiters: Map<Stream, Waiter> | undefined;
  /** What its client has seen of channels that its user is not known to be in. */
  unheard: Map<StreamId, number> | undefined;
}

export type SessionPhase =
  /** No hello yet: the user's streams are not all admitted. */
  | { readonly kind: 'setting-up'; readonly deadlineMs: number }
  /** hello went out with cursors; `from` says where each stream is to go on. */
  | { readonly kind: 'awaiting-resume'; readonly from: Map<StreamId, number>; cursorCount: number; deadlineMs: number }
  /** `behind`: streams that are not caught up yet. */
  | { readonly kind: 'resuming'; readonly replyTo: number | undefined; behind: number }
  | { readonly kind: 'live' };

/** The same for all: there are as many as sessions. */
export const LIVE: SessionPhase = { kind: 'live' };

export interface Post {
  readonly number: number;
  /** The client's id of the frame. */
  readonly id: number | undefined;
  readonly channel: ChannelId;
  readonly command: Extract<StreamCommand, { kind: 'post' }>;
}

export interface PresenceInterest {
  readonly users: Set<UserId>;
  /** Changes gathered for a session that takes them in batches. */
  readonly pending: Map<UserId, Presence>;
}

export interface User {
  readonly id: UserId;
  readonly slot: Slot;
  phase: UserPhase;
  sessions: readonly Session[];
  streams: Stream[];
  asks: Map<StreamId, Ask> | undefined;
  /** Where it left streams that it had: news of a join before that is old. The oldest are forgotten. */
  leaves: Map<StreamId, number> | undefined;
  /** What was last announced of it. */
  announcedIdle: boolean;
  /** When the last session went; undefined while there is one. */
  emptySinceMs: number | undefined;
}

export type UserPhase =
  /** `listedAt`, `admittedAt`: the seq of the user's own stream at which its channels were listed, and it was admitted. */
  | { readonly kind: 'opening'; listedAt: number | undefined; admittedAt: number | undefined }
  | { readonly kind: 'open' };

export const OPEN: UserPhase = { kind: 'open' };

/** A user's request to be admitted to a stream, until it is answered. */
export interface Ask {
  readonly user: User;
  readonly stream: Stream;
  /** Where the user joined, when known: sessions start there rather than where the admission stands. */
  from: number | undefined;
  /** A leave was seen at this seq while the request was under way. */
  leftAt: number;
  /** Another reason to ask came meanwhile: a refusal may be older than that. */
  repeat: boolean;
  withdrawn: boolean;
}

export interface HeldEvent {
  readonly seq: number;
  readonly frame: Uint8Array;
  readonly effect: Effect | undefined;
  readonly origin: SessionId | undefined;
}

export interface Stream {
  readonly id: StreamId;
  readonly slot: Slot;
  /** The seq last published; -1 before the first admission. */
  last: number;
  /** The highest seq known to exist; above `last` there is a gap. */
  tail: number;
  held: Map<number, HeldEvent> | undefined;
  heldBytes: number;
  gapSinceMs: number;
  gapAskedMs: number;
  userCount: number;
  askCount: number;
  waiters: Map<Session, Waiter> | undefined;
  /** Acknowledgements that wait for their place in the stream. */
  acks: Ack[] | undefined;
}

/** An acknowledgement that waits for its place in the stream. */
export interface Ack {
  readonly seq: number;
  readonly session: Session;
  readonly post: Post;
  readonly frame: Uint8Array;
  readonly sinceMs: number;
}

/** A session that catches up on a stream: pages up to `target`, and what is live since then behind them. */
export interface Waiter {
  readonly session: Session;
  readonly stream: Stream;
  position: number;
  target: number;
  /** The client's cursor where it is ahead of this gateway; 0 else. */
  ahead: number;
  queue: Uint8Array[];
  queueBytes: number;
  overflowed: boolean;
  /** The user left the stream meanwhile: what was before that is still due, nothing after. */
  left: boolean;
  failures: number;
}

/** A user whose presence somebody here follows. */
export interface Watch {
  readonly user: UserId;
  readonly slot: Slot;
  readonly sessions: Set<Session>;
  presence: Presence | undefined;
}

export interface Slot {
  readonly number: number;
  readonly streams: Set<Stream>;
  readonly users: Set<User>;
  readonly watches: Set<Watch>;
  asks: Ask[];
  asking: readonly Ask[] | undefined;
  /** While `asking` was under way, the slot was renewed. */
  renewed: boolean;
  checkAll: boolean;
  checks: Stream[];
  checking: number;
  announcements: User[];
  announcing: boolean;
  toWatch: Watch[];
  watching: boolean;
  toUnwatch: UserId[];
  toForget: StreamId[];
  checkDueMs: number;
  announceDueMs: number;
}

/** What was seen of the numbers of one worker's life (gateway-numbers.ts), and when last. */
export interface WorkerNumbers {
  number: number;
  /** Region batches: those after `from`, up to `to`. */
  region: { from: number; to: number } | undefined;
  seenMs: number;
}

export interface GatewayState {
  readonly ref: GatewayRef;
  readonly limits: GatewayLimits;
  readonly sessions: Map<number, Session>;
  readonly users: Map<UserId, User>;
  readonly streams: Map<StreamId, Stream>;
  readonly slots: Map<number, Slot>;
  readonly watches: Map<UserId, Watch>;
  readonly workers: Map<Incarnation, WorkerNumbers>;
  readonly unready: Set<Session>;
  readonly gapped: Set<Stream>;
  readonly lingering: Set<User>;
  /** Their channels have to be listed again. */
  readonly unlisted: Set<User>;
  readonly dirty: Set<Slot>;
  readonly failed: Set<Slot>;
  /** Slots with an admission under way, and those that wait for fewer of them. */
  askingCount: number;
  readonly askingLater: Set<Slot>;
  readonly presencePending: Set<Session>;
  /** Of posts to channels whose admission is still under way. */
  earlyAcks: Ack[];
  heldBytes: number;
  disconnectedSinceMs: number | undefined;
  slotSweepDueMs: number;
  drain: { readonly closings: { readonly session: Session; readonly dueMs: number }[] } | undefined;
  readonly counts: GatewayCounts;
}

/** Totals since the start, for metrics. */
export interface GatewayCounts {
  events: number;
  transients: number;
  duplicates: number;
  strays: number;
  /** Region batches without a stream that somebody here wants. */
  regionStrays: number;
  holes: number;
  gaps: number;
  resyncs: number;
  frames: number;
  framesRefused: number;
}

/** One call of decide: what its functions share. */
export interface Turn {
  readonly state: GatewayState;
  readonly nowMs: number;
  readonly out: GatewayEffect[];
}

export function createGatewayState(ref: GatewayRef, limits: GatewayLimits): GatewayState {
  return {
    ref,
    limits,
    sessions: new Map(),
    users: new Map(),
    streams: new Map(),
    slots: new Map(),
    watches: new Map(),
    workers: new Map(),
    unready: new Set(),
    gapped: new Set(),
    lingering: new Set(),
    unlisted: new Set(),
    dirty: new Set(),
    failed: new Set(),
    askingCount: 0,
    askingLater: new Set(),
    presencePending: new Set(),
    earlyAcks: [],
    heldBytes: 0,
    disconnectedSinceMs: undefined,
    slotSweepDueMs: 0,
    drain: undefined,
    counts: {
      events: 0,
      transients: 0,
      duplicates: 0,
      strays: 0,
      regionStrays: 0,
      holes: 0,
      gaps: 0,
      resyncs: 0,
      frames: 0,
      framesRefused: 0,
    },
  };
}

export function slotFor(turn: Turn, stream: StreamId): Slot {
  const number = slotOf(stream);
  const known = turn.state.slots.get(number);
  if (known !== undefined) return known;
  const slot = newSlot(number, turn);
  turn.state.slots.set(number, slot);
  return slot;
}

/** Slots come due at different times, so that the periodic work spreads over the period. */
function newSlot(number: number, { state, nowMs }: Turn): Slot {
  const share = (number % 64) / 64;
  return {
    number,
    streams: new Set(),
    users: new Set(),
    watches: new Set(),
    asks: [],
    asking: undefined,
    renewed: false,
    checkAll: false,
    checks: [],
    checking: 0,
    announcements: [],
    announcing: false,
    toWatch: [],
    watching: false,
    toUnwatch: [],
    toForget: [],
    checkDueMs: nowMs + state.limits.interestReconcileMs * (0.5 + share / 2),
    announceDueMs: nowMs + state.limits.presenceAnnounceMs * (0.5 + share / 2),
  };
}
