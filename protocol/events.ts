/**
 * Durable events: what a stream's log is made of. Each has a place in its stream (`seq`, dense from 1), a timestamp,
 * an author and the mutation that caused it; the body says what happened. How clients see them is frames.ts's.
 */
import type { AppId, BotId, ChannelId, MutationId, SessionId, TeamId, UserId } from './ids.ts';

export type ConversationKind = 'public' | 'private' | 'im' | 'mpim';

/** What is fixed or slowly changing about a conversation. `created` is in whole seconds. */
export interface ChannelMeta {
  readonly id: ChannelId;
  readonly team: TeamId;
  readonly kind: ConversationKind;
  /** Empty for im. */
  readonly name: string;
  readonly creator: UserId;
  readonly created: number;
  readonly isGeneral: boolean;
}

/** Who speaks: a user, or a bot through its user. */
export interface Author {
  readonly user: UserId;
  readonly bot?: { readonly id: BotId; readonly app: AppId; readonly name: string };
}

/** What a client asked to post, already validated. Absent fields stay absent on the wire. */
export interface MessageDraft {
  readonly text: string;
  readonly blocks?: readonly unknown[];
  readonly attachments?: readonly unknown[];
  readonly metadata?: unknown;
  /** Microseconds of the parent message. */
  readonly threadTs?: number;
  readonly broadcast?: boolean;
  /** As the client gave it; echoed in the event. */
  readonly clientMsgId?: string;
}

export type Presence = 'active' | 'away';

export type EventBody =
  /** A conversation's first event (seq 1). */
  | { readonly kind: 'opened'; readonly meta: ChannelMeta; readonly members: readonly UserId[] }
  | {
      readonly kind: 'message';
      readonly author: Author;
      readonly draft: MessageDraft;
      /** The RTM session that sent it: its own socket gets the ack in place of the event. */
      readonly origin?: SessionId;
    }
  | { readonly kind: 'joined'; readonly user: UserId; readonly inviter?: UserId }
  | { readonly kind: 'left'; readonly user: UserId; readonly actor?: UserId }
  | { readonly kind: 'archived'; readonly user: UserId; readonly archived: boolean }
  /** In a user's stream: their membership of `meta.id` changed at that channel's `channelSeq`. */
  | {
      readonly kind: 'membership';
      readonly meta: ChannelMeta;
      readonly channelSeq: number;
      readonly member: boolean;
      readonly actor?: UserId;
    }
  /** In a user's stream: `away` set or cleared by hand. */
  | { readonly kind: 'manual-presence'; readonly presence: Presence }
  /** In the team's stream: a frame for every member, ready but for seq and ts. */
  | { readonly kind: 'notice'; readonly frame: Readonly<Record<string, unknown>> };

export interface DurableEvent {
  /** Microseconds; unique in the stream and rising with seq. */
  readonly ts: number;
  /** Dedupe key together with `mutation`. */
  readonly author: UserId | TeamId;
  readonly mutation: MutationId;
  readonly body: EventBody;
}

export interface SequencedEvent {
  readonly seq: number;
  readonly event: DurableEvent;
}
