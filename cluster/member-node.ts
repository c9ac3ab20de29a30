/**
 * A webapp or gateway as a member of the cluster: listed, beating, and following who owns what.
 *
 * Invariants:
 * N1  `onSlotsServed` names a slot once for each epoch, when that epoch's owner serves: after a crash at once, in a
 *     hand-off when it is stable. Tables that were skipped lose nothing: the newest one says it all.
 * N2  A node whose entry is gone was declared dead; nothing brings the incarnation back. It learns so as soon as the
 *     bucket answers it: until then it would live on as one that nobody sends anything.
 */
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import type { Broker } from '../broker/broker.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { NodeEntry } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { ControlChannel } from './control-channel.ts';
import { Membership } from './membership.ts';
import { OwnNode } from './own-node.ts';
import type { SlotTable } from './slot-table.ts';
import { TableFollower } from './table-follower.ts';

export interface MemberNodeOptions {
  readonly broker: Broker;
  readonly entry: NodeEntry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sessions of a gateway; 0 for a webapp. */
  readonly load: () => number;
}

/** A gateway that takes sessions. */
export interface GatewayChoice {
  readonly incarnation: Incarnation;
  readonly region: string;
  readonly publicUrl: string;
  readonly load: number;
  /** What its own monotonic clock shows now, as its heartbeats tell. */
  readonly monotonicMs: number;
}

export interface MemberNode {
  /** Resolves when the node is listed and a table with owners is known. Rejects with ClusterJoinError. */
  readonly ready: Promise<void>;
  readonly membership: Membership;
  table(): SlotTable;
  /** Gateways that are alive and not draining, the least loaded first. */
  gateways(): readonly GatewayChoice[];
  /** N1 */
  onSlotsServed(listener: (slots: readonly number[]) => void): void;
  onEvicted(listener: () => void): void;
  onDrainRequested(listener: () => void): void;
  /** From now on others know that nothing new shall come here. */
  announceDrain(): void;
  stop(): Promise<void>;
}

export function startMemberNode(options: MemberNodeOptions): MemberNode {
  const node = new ComposedMember(options);
  return { ...node.facade(), ready: node.start() };
}

class ComposedMember {
  readonly #options: MemberNodeOptions;
  readonly #control: ControlChannel;
  readonly #node: OwnNode;
  readonly #membership: Membership;
  readonly #follower: TableFollower;
  readonly #servedEpochs: number[] = [];
  readonly #servedListeners: ((slots: readonly number[]) => void)[] = [];
  readonly #evictedListeners: (() => void)[] = [];
  readonly #drainListeners: (() => void)[] = [];
  #stopStatus: (() => void) | undefined;
  #asking = false;
  #ended = false;
  #evicted = false;

  constructor(options: MemberNodeOptions) {
    const { broker, clock, entry, load } = options;
    const logger = options.logger.child({ incarnation: entry.incarnation });
    const shared = { bucket: broker.kv(BUCKET_CLUSTER), clock, logger };
    this.#options = options;
    this.#control = new ControlChannel(broker.control, entry, logger);
    this.#follower = new TableFollower(shared);
    this.#membership = new Membership({ ...shared, lane: broker.control });
    const view = (): number => this.#follower.table.view;
    this.#node = new OwnNode({ ...shared, entry, lane: broker.control, view, load });
  }

  facade(): Omit<MemberNode, 'ready'> {
    return {
      membership: this.#membership,
      table: () => this.#follower.table,
      gateways: () => this.#gateways(),
      onSlotsServed: (listener) => void this.#servedListeners.push(listener),
      onEvicted: (listener) => {
        if (this.#evicted) listener();
        else this.#evictedListeners.push(listener);
      },
      onDrainRequested: (listener) => void this.#drainListeners.push(listener),
      announceDrain: () => this.#node.setState('draining'),
      stop: () => this.#stop(),
    };
  }

  async start(): Promise<void> {
    const { broker, clock } = this.#options;
    this.#wire();
    this.#control.listen();
    this.#follower.start();
    await this.#node.register();
    await this.#membership.start();
    this.#stopStatus = broker.control.onStatus((status) => {
      if (status === 'connected') void this.#reconnected();
    });
    while (!this.#ended && this.#follower.table.totals().owned === 0) await clock.sleep(limits.ringManagerRoundMs);
    this.#node.setState('serving');
  }

  #wire(): void {
    const { entry } = this.#options;
    this.#control.handle('drain', () => this.#drainRequested());
    this.#follower.onTable((table, previous) => this.#tableChanged(table, previous));
    this.#membership.onBeat(({ role, view }) => {
      if (role === 'worker') this.#follower.noteView(view);
    });
    this.#membership.onGone(({ incarnation }) => {
      if (incarnation === entry.incarnation) void this.#checkStanding();
    });
  }

  #gateways(): readonly GatewayChoice[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#membership
      .nodes('gateway')
      .filter((member) => this.#membership.isFresh(member) && member.beat?.state === 'serving')
      .map(({ entry, beat, monotonicOffsetMs = 0 }) => ({
        incarnation: entry.incarnation,
        region: entry.region,
        publicUrl: entry.publicUrl,
        load: beat?.load ?? 0,
        monotonicMs: nowMs - monotonicOffsetMs,
      }))
      .sort((a, b) => a.load - b.load);
  }

  /** N1 */
  #tableChanged(table: SlotTable, previous: SlotTable): void {
    const served: number[] = [];
    for (const { slot, after } of table.changesSince(previous)) {
      const { owner, epoch, state } = after;
      if (owner === undefined || state !== 'stable' || this.#servedEpochs[slot] === epoch) continue;
      this.#servedEpochs[slot] = epoch;
      served.push(slot);
    }
    if (served.length === 0) return;
    for (const listener of this.#servedListeners) listener(served);
  }

  async #reconnected(): Promise<void> {
    await Promise.all([this.#follower.read(), this.#membership.refresh()]);
    await this.#checkStanding();
  }

  async #checkStanding(): Promise<void> {
    if (this.#asking || this.#ended) return;
    this.#asking = true;
    let standing = await this.#node.standing();
    while (standing === 'unavailable' && !this.#ended) {
      await this.#options.clock.sleep(limits.confirmRetryMs);
      standing = await this.#node.standing();
    }
    this.#asking = false;
    if (standing !== 'gone' || this.#ended) return;
    this.#evicted = true;
    this.#options.logger.error('evicted', { incarnation: this.#node.incarnation });
    this.#end();
    for (const listener of this.#evictedListeners) listener();
  }

  #drainRequested(): readonly [] {
    this.#options.logger.info('drain_requested');
    for (const listener of this.#drainListeners) listener();
    return [];
  }

  async #stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#node.unregister();
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#stopStatus?.();
    this.#follower.stop();
    this.#membership.stop();
    this.#node.silence();
    this.#control.close();
  }
}
