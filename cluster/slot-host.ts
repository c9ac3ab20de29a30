/**
 * The seam between the cluster and the actors. The cluster decides which slots this worker owns and hands it their
 * commands; the host keeps the actors. Neither knows the other's inside.
 *
 * Invariants:
 * H1  `open(slot)` comes before the first `deliver` of that slot; after `close` resolved or `abandon` returned, nothing
 *     of the slot is delivered, appended or sent until it is opened again under a higher epoch.
 * H2  `close` loses nothing: every delivered command has been answered when it resolves.
 */
import type { Incarnation } from '../protocol/ids.ts';
import type { HotBudget } from './hot-budget.ts';

export interface SlotGrant {
  readonly epoch: number;
  /** The previous owner is not known to be cut off: append an epoch record before answering anything of a stream. */
  readonly fence: boolean;
}

/**
 * What a slot's next owner may begin with, instead of finding it out anew. Opaque to the cluster; each chunk is useful by
 * itself, and none is needed.
 */
export type HotChunks = readonly Uint8Array[];

export interface SlotHost {
  /** `hot`: what the previous owner's `close` gave, as far as it arrived. Must not be kept. */
  open(slot: number, grant: SlotGrant, hot?: HotChunks): void;
  /** One command as it came (an encoded Envelope); `reply` is the subject to answer on. Must not throw or keep `bytes`. */
  deliver(slot: number, bytes: Uint8Array, reply: string | undefined): void;
  /**
   * Planned: finish what was delivered, await its acknowledgements, then forget the slot. May give what the next owner
   * can begin with, within `budget`; nothing without one.
   */
  close(slot: number, budget?: HotBudget): Promise<HotChunks | void>;
  /** At once: answer what is pending as retryable or unknown and forget the slot. */
  abandon(slot: number, reason: string): void;
  /** While false, commands are answered `retryable` and no append starts: the worker is unsure of its ownership. */
  setServing(serving: boolean): void;
  /** `check` is called right before each attempt to append: the last chance to notice that this process slept. */
  beforeAppend(check: () => void): void;
  /** A gateway's life is over: drop its interest, start the grace of its sessions. */
  gatewayGone(gateway: Incarnation): void;
  /** Gateways alive now, by incarnation: those a presence actor must have heard of before it says "away". */
  gatewaysAlive(gateways: ReadonlyMap<Incarnation, string>): void;
  /** The log showed a higher epoch than ours in this slot: the cluster must look at the table (and may get a higher epoch). */
  onFenced(listener: (slot: number, epochSeen: number) => void): void;
  /** Live actors, for status and metrics. */
  actorCount(): number;
}
