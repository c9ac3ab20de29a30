/**
 * Commands: what travels to a slot's owner on `belfry.cmd.<slot>`, and the replies that come back. A `StreamCommand`
 * is for one stream's actor, a `SlotCommand` for the slot as a whole (gateways batch per slot).
 *
 * Delivery: at least once (the sender repeats the same request id), in order per sender and slot. Mutations carry a
 * MutationId, so that a repeat finds the first result.
 */
import type { Author, ChannelMeta, DurableEvent, MessageDraft, Presence, SequencedEvent } from './events.ts';
import type { Failure } from './errors.ts';
import type { ChannelId, Incarnation, MutationId, SessionId, StreamId, UserId } from './ids.ts';

/** Names one life of a gateway and where its batches go. */
export interface GatewayRef {
  readonly region: string;
  readonly incarnation: Incarnation;
}

export type StreamCommand =
  // Conversations.
  | {
      readonly kind: 'open';
      readonly meta: ChannelMeta;
      readonly members: readonly UserId[];
      readonly mutation: MutationId;
    }
  | {
      readonly kind: 'post';
      readonly author: Author;
      readonly draft: MessageDraft;
      readonly mutation: MutationId;
      readonly origin?: SessionId;
    }
  /** `full`: the user is in as many channels as one may be. */
  | { readonly kind: 'join'; readonly user: UserId; readonly mutation: MutationId; readonly full?: true }
  | { readonly kind: 'leave'; readonly user: UserId; readonly mutation: MutationId }
  | {
      readonly kind: 'invite';
      readonly by: UserId;
      readonly users: readonly UserId[];
      readonly mutation: MutationId;
      readonly force: boolean;
      /** Those of `users` who are in as many channels as one may be. */
      readonly full?: readonly UserId[];
    }
  | { readonly kind: 'kick'; readonly by: UserId; readonly user: UserId; readonly mutation: MutationId }
  | { readonly kind: 'archive'; readonly by: UserId; readonly archived: boolean; readonly mutation: MutationId }
  | { readonly kind: 'info'; readonly viewer: UserId }
  /** Members in the order of their ids, after `after`. */
  | { readonly kind: 'members'; readonly viewer: UserId; readonly after?: UserId; readonly limit: number }
  /** Messages newest first; bounds in microseconds. `before` (a seq, exclusive) continues an earlier page. */
  | {
      readonly kind: 'history';
      readonly viewer: UserId;
      readonly limit: number;
      readonly oldest?: number;
      readonly latest?: number;
      readonly inclusive: boolean;
      readonly before?: number;
    }
  | { readonly kind: 'typing'; readonly user: UserId; readonly origin?: SessionId; readonly threadTs?: number }
  // User streams.
  /** From a channel's actor: at least once, idempotent by channelSeq. */
  | {
      readonly kind: 'note-membership';
      readonly meta: ChannelMeta;
      readonly channelSeq: number;
      readonly member: boolean;
      readonly actor?: UserId;
    }
  /** Channels in the order of their ids, after `after`; one answer holds what fits, and at most `limit`. */
  | { readonly kind: 'memberships'; readonly after?: ChannelId; readonly limit?: number }
  | { readonly kind: 'set-presence'; readonly presence: 'auto' | 'away'; readonly mutation: MutationId }
  | { readonly kind: 'get-presence' }
  // The team's stream.
  | {
      readonly kind: 'notice';
      readonly frame: Readonly<Record<string, unknown>>;
      readonly mutation: MutationId;
      readonly by: UserId;
    };

export type SlotCommand =
  /**
   * Registers the gateway's interest in streams it is already entitled to (reconnect, hole in the batches, new owner)
   * and says the last seq it holds of each. The owner sends, in the gateway's batches, every later event, or a
   * `resync` where the gap is too long. Activates no stream; verified at a bounded rate.
   */
  | {
      readonly kind: 'cursors';
      readonly gateway: GatewayRef;
      readonly entries: readonly (readonly [StreamId, number])[];
    }
  | { readonly kind: 'forget'; readonly gateway: GatewayRef; readonly streams: readonly StreamId[] }
  /**
   * (stream, after, upTo): the stream's events with seq in (after, upTo], for sessions that resume. Activates no stream
   * whose place in its log is certain. The gateway has checked who asks.
   */
  | { readonly kind: 'events'; readonly entries: readonly (readonly [StreamId, number, number])[] }
  /**
   * Asks, for each (user, stream), whether the user may subscribe; registers the gateway's interest where yes. The
   * reply is an entry of the gateway's batch: every event after the `seq` it states follows it.
   */
  | { readonly kind: 'admit'; readonly gateway: GatewayRef; readonly entries: readonly (readonly [UserId, StreamId])[] }
  /** How many sessions each user has on the gateway now (0: none) and whether all are idle. Newest wins, by `at` (ms). */
  | {
      readonly kind: 'sessions';
      readonly gateway: GatewayRef;
      readonly at: number;
      readonly entries: readonly (readonly [UserId, number, boolean])[];
    }
  /** The gateway wants presence changes of these users; the reply states what they are now. */
  | { readonly kind: 'watch-presence'; readonly gateway: GatewayRef; readonly users: readonly UserId[] }
  | { readonly kind: 'unwatch-presence'; readonly gateway: GatewayRef; readonly users: readonly UserId[] }
  | { readonly kind: 'query-presence'; readonly users: readonly UserId[] };

/** A command on its way. `requestId` is unique in the sender's life. */
export type Envelope =
  | {
      readonly to: 'stream';
      readonly requestId: number;
      readonly stream: StreamId;
      readonly command: StreamCommand;
      readonly via?: GatewayRef;
    }
  | {
      readonly to: 'slot';
      readonly requestId: number;
      readonly slot: number;
      readonly command: SlotCommand;
      readonly via?: GatewayRef;
    };
// `via`: the reply is to travel as an entry of that gateway's batches, in order with the events.

export interface ChannelInfo {
  readonly meta: ChannelMeta;
  readonly archived: boolean;
  readonly memberCount: number;
  readonly isMember: boolean;
  readonly seq: number;
  /** The other one, in an im; all of them in an mpim. */
  readonly members?: readonly UserId[];
}

/** What a successful command answers, by the command's kind. */
export interface StreamResults {
  open: { readonly info: ChannelInfo; readonly created: boolean };
  /** `first`: of a repeated post, which may have said something else. */
  post: { readonly seq: number; readonly ts: number; readonly first?: DurableEvent };
  join: { readonly info: ChannelInfo; readonly already: boolean };
  leave: { readonly wasMember: boolean };
  invite: { readonly info: ChannelInfo; readonly failed: readonly (readonly [UserId, string])[] };
  kick: Record<string, never>;
  archive: Record<string, never>;
  info: { readonly info: ChannelInfo };
  members: { readonly members: readonly UserId[]; readonly more: boolean };
  history: { readonly messages: readonly SequencedEvent[]; readonly more: boolean; readonly next?: number };
  typing: Record<string, never>;
  'note-membership': Record<string, never>;
  memberships: {
    readonly channels: readonly { readonly meta: ChannelMeta; readonly channelSeq: number }[];
    readonly manualAway: boolean;
    readonly seq: number;
    /** There may be more, after this one; absent: that was all, or none was asked for. */
    readonly next?: ChannelId;
    /** The user is in as many channels as one may be, those of other answers included. */
    readonly full?: true;
  };
  'set-presence': Record<string, never>;
  'get-presence': PresenceState;
  notice: { readonly seq: number };
}

export interface PresenceState {
  readonly presence: Presence;
  readonly manualAway: boolean;
  readonly autoAway: boolean;
  readonly connections: number;
  /** Whole seconds; 0 when never seen. */
  readonly lastActivity: number;
}

export type Admission =
  | { readonly user: UserId; readonly stream: StreamId; readonly admitted: true; readonly seq: number }
  | {
      readonly user: UserId;
      readonly stream: StreamId;
      readonly admitted: false;
      readonly error: string;
      readonly retryable: boolean;
    };

/** What one entry of `events` found. */
export type EventsFound =
  /** From after + 1 on without a hole, as many as one answer holds; `gone`: they are not to be had one by one. */
  | { readonly kind: 'page'; readonly events: readonly SequencedEvent[]; readonly gone: boolean }
  /** The answer was full before: ask again. Never the first entry. */
  | { readonly kind: 'later' }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface SlotResults {
  cursors: Record<string, never>;
  forget: Record<string, never>;
  /** In the order of the entries. */
  events: { readonly found: readonly EventsFound[] };
  admit: { readonly admissions: readonly Admission[] };
  sessions: Record<string, never>;
  'watch-presence': { readonly states: readonly (readonly [UserId, Presence | 'unknown'])[] };
  'unwatch-presence': Record<string, never>;
  'query-presence': { readonly states: readonly (readonly [UserId, Presence | 'unknown'])[] };
}

export type StreamResult<K extends StreamCommand['kind']> = StreamResults[K];
export type SlotResult<K extends SlotCommand['kind']> = SlotResults[K];

/**
 * A reply: what the command answers, or why it did not. In a gateway's batch, `epoch` is the one under which the slot's
 * owner answered.
 */
export type Reply<T = unknown> = { readonly requestId: number; readonly epoch?: number } & (
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly failure: Failure }
);
