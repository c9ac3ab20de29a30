/**
 * What goes into the gateway actor and what comes out of it. The actor decides; gateway-shell.ts carries out.
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import type { Batch } from '../protocol/batches.ts';
import type { CloseCode } from '../protocol/close-codes.ts';
import type { SlotCommand, SlotResult, StreamCommand, StreamResult } from '../protocol/commands.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import type { ChannelId, StreamId, TeamId, UserId } from '../protocol/ids.ts';
import type { RegionBatch } from '../protocol/region-batches.ts';
import type { TicketClaims } from '../protocol/tickets.ts';

/** Who a session is, from its ticket. */
export type SessionClaims = Pick<
  TicketClaims,
  'user' | 'team' | 'bot' | 'tokenHash' | 'unlimited' | 'resume' | 'batchPresenceAware'
>;

export type GatewayMessage =
  | { readonly kind: 'opened'; readonly session: number; readonly claims: SessionClaims }
  /** `bytes` are only valid during the call. */
  | { readonly kind: 'frame'; readonly session: number; readonly bytes: Uint8Array }
  | { readonly kind: 'closed'; readonly session: number }
  /** Reply entries are the sender's, not the actor's. Frames are only valid during the call. */
  | { readonly kind: 'batch'; readonly batch: Batch }
  | RegionMessage
  | SlotAnswer
  | {
      readonly kind: 'memberships';
      readonly user: UserId;
      readonly outcome: CommandOutcome<StreamResult<'memberships'>>;
    }
  | {
      readonly kind: 'posted';
      readonly session: number;
      readonly post: number;
      readonly channel: ChannelId;
      readonly outcome: CommandOutcome<StreamResult<'post'>>;
    }
  | {
      readonly kind: 'page';
      readonly session: number;
      readonly stream: StreamId;
      readonly page: Page;
    }
  | { readonly kind: 'rows-changed'; readonly slots: readonly number[] }
  | { readonly kind: 'broker'; readonly connected: boolean }
  | { readonly kind: 'revoked'; readonly tokenHash: string }
  | { readonly kind: 'drain' }
  /** The end of a turn in which something asked for it: commands gathered per slot leave. */
  | { readonly kind: 'flush' }
  | { readonly kind: 'tick' };

/** A region batch. No entries: it is about streams that nobody here wants. Frames are only valid during the call. */
export interface RegionMessage extends Pick<RegionBatch, 'worker' | 'number' | 'entries'> {
  readonly kind: 'region-batch';
}

/** An event of a page, with its frame, which all sessions that read the page share. */
export interface PageEvent {
  readonly seq: number;
  readonly frame: Uint8Array;
  /** Where some session posted the event by RTM: that one gets an ack in its place. */
  readonly posted: SequencedEvent | undefined;
}

export type Page =
  /** `gone`: what was asked for is not to be had one by one. */
  | { readonly kind: 'page'; readonly events: readonly PageEvent[]; readonly gone: boolean }
  /** `rejected`: asking again changes nothing. */
  | { readonly kind: 'failed'; readonly rejected: boolean };

/** `ask` is the effect that it answers. */
export type SlotAnswer = {
  readonly kind: 'slot-answered';
  readonly ask: SlotAsk;
  readonly outcome: CommandOutcome<SlotResult<SlotCommand['kind']>>;
};

export interface SlotAsk {
  readonly kind: 'ask-slot';
  readonly slot: number;
  readonly command: SlotCommand;
  /** Who asked, for a query. */
  readonly session?: number;
}

export type GatewayEffect =
  /** To every session subscribed to the topic, but for `except`. */
  | { readonly kind: 'publish'; readonly topic: string; readonly bytes: Uint8Array; readonly except?: number }
  | { readonly kind: 'send'; readonly session: number; readonly frames: readonly Uint8Array[] }
  | { readonly kind: 'subscribe'; readonly session: number; readonly topic: string }
  | { readonly kind: 'unsubscribe'; readonly session: number; readonly topic: string }
  | { readonly kind: 'close'; readonly session: number; readonly code: CloseCode }
  | SlotAsk
  | { readonly kind: 'ask-memberships'; readonly user: UserId }
  | {
      readonly kind: 'post';
      readonly session: number;
      readonly post: number;
      readonly channel: ChannelId;
      readonly command: Extract<StreamCommand, { kind: 'post' }>;
    }
  | { readonly kind: 'type'; readonly channel: ChannelId; readonly command: Extract<StreamCommand, { kind: 'typing' }> }
  /** One page of a stream for a session that catches up; at most one of a session and stream at a time. */
  | {
      readonly kind: 'read';
      readonly session: number;
      readonly stream: StreamId;
      readonly after: number;
      readonly upTo: number;
      /** Frames name it. */
      readonly team: TeamId;
    }
  /** Bring a `flush` message at the end of this turn. */
  | { readonly kind: 'flush-soon' };
