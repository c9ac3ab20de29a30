/**
 * This process as a member: its entry in the bucket, its heartbeats, and whether the cluster still knows it.
 *
 * Invariants:
 * N1  The entry is created once and never written again: once somebody deleted it, this incarnation is dead for good.
 * N2  Heartbeats leave from the main loop, so a stalled loop is a silent node.
 */
import type { KeyValue, Messaging } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { encodeHeartbeat, encodeNodeEntry, type Heartbeat, type NodeEntry, type Role } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';

/** The role is part of the key, so that the broker's permissions keep a gateway from listing itself as a worker. */
export const nodeKey = (role: Role, incarnation: Incarnation): string => `node.${role}.${incarnation}`;
export const NODE_KEYS = 'node.>';

export type Standing = 'known' | 'gone' | 'unavailable';

/** The cluster cannot take this node; shown to the operator as one line. */
export class ClusterJoinError extends Error {
  override readonly name = 'ClusterJoinError';
}

export interface OwnNodeOptions {
  readonly entry: NodeEntry;
  readonly bucket: KeyValue;
  readonly lane: Messaging;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What heartbeats say besides. */
  readonly view: () => number;
  readonly load: () => number;
}

export class OwnNode {
  readonly entry: NodeEntry;
  readonly #options: OwnNodeOptions;
  readonly #key: string;
  #state: Heartbeat['state'] = 'joining';
  #beats: Timer | undefined;

  constructor(options: OwnNodeOptions) {
    this.entry = options.entry;
    this.#options = options;
    this.#key = nodeKey(options.entry.role, options.entry.incarnation);
  }

  get incarnation(): Incarnation {
    return this.entry.incarnation;
  }

  get state(): Heartbeat['state'] {
    return this.#state;
  }

  /** Draining is for good: nothing takes it back but the end of the process. */
  setState(state: Heartbeat['state']): void {
    if (this.#state === 'draining' || this.#state === state) return;
    this.#state = state;
    if (this.#beats !== undefined) this.beat();
  }

  /** Writes the entry and begins to beat. @throws ClusterJoinError */
  async register(): Promise<void> {
    const { bucket } = this.#options;
    const present = await bucket.entries(NODE_KEYS).catch((cause: unknown) => {
      throw new ClusterJoinError('the cluster bucket cannot be read', { cause });
    });
    if (present.length >= limits.nodesMax) {
      throw new ClusterJoinError(`the cluster has ${present.length} nodes, at most ${limits.nodesMax}`);
    }
    await this.#createEntry();
    this.beat();
    this.#beats = this.#options.clock.setInterval(() => this.beat(), limits.heartbeatMs);
  }

  /** Sends a heartbeat now, besides those of the interval: a new view or state shall spread at once. */
  beat(): void {
    const { lane, clock, view, load } = this.#options;
    const { role, incarnation } = this.entry;
    const beat: Heartbeat = {
      incarnation,
      role,
      view: view(),
      load: load(),
      wallMs: clock.wallMs(),
      monotonicMs: Math.round(clock.monotonicMs()),
      state: this.#state,
    };
    if (lane.status() === 'connected') lane.publish(subjects.heartbeat(role, incarnation), encodeHeartbeat(beat));
  }

  /** Asks the bucket's leader. */
  async standing(): Promise<Standing> {
    const read = await this.#options.bucket.get(this.#key);
    switch (read.kind) {
      case 'found':
        return 'known';
      case 'absent':
        return 'gone';
      case 'unavailable':
        return 'unavailable';
      default:
        return read satisfies never;
    }
  }

  silence(): void {
    this.#beats?.cancel();
    this.#beats = undefined;
  }

  /** A clean end: nobody has to find out that we are gone. */
  async unregister(): Promise<void> {
    this.silence();
    const write = await this.#options.bucket.delete(this.#key);
    if (write.kind === 'unknown') this.#options.logger.warn('node_entry_left', { incarnation: this.incarnation });
  }

  /** An incarnation is unique, so a conflict can only be an earlier attempt of ours that was written after all. */
  async #createEntry(): Promise<void> {
    const { bucket, clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + limits.natsConnectMs;
    for (;;) {
      const write = await bucket.create(this.#key, encodeNodeEntry(this.entry));
      if (write.kind !== 'unknown') return;
      if (clock.monotonicMs() > deadlineMs) {
        throw new ClusterJoinError('the node entry cannot be written', { cause: write.cause });
      }
      await clock.sleep(limits.confirmRetryMs);
    }
  }
}
