/**
 * A worker as a member of the cluster: puts the parts together. Owns the slots the table gives it, may be ring
 * manager, and ends as an incarnation when the cluster says so.
 *
 * Invariants:
 * N1  It listens before it is listed, and serves only after the cluster confirmed it (serving-gate.ts).
 * N2  Evicted is final: everything is abandoned at once and the process has to end; its supervisor starts a new life.
 */
import { BUCKET_CLUSTER, SLOTS } from '../broker/subjects.ts';
import type { Broker, BrokerSystem } from '../broker/broker.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { NodeEntry } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { ControlChannel } from './control-channel.ts';
import { evict } from './eviction.ts';
import { Leadership } from './leadership.ts';
import { Membership } from './membership.ts';
import { NodeWatch } from './node-watch.ts';
import { OwnNode } from './own-node.ts';
import { RingManager } from './ring-manager.ts';
import { ServingGate } from './serving-gate.ts';
import type { SlotHost } from './slot-host.ts';
import { SlotOwner } from './slot-owner.ts';
import type { SlotTable } from './slot-table.ts';
import { TableFollower } from './table-follower.ts';

export interface WorkerNodeOptions {
  readonly broker: Broker;
  /** Absent: slower detection, and takeovers fence. */
  readonly system: BrokerSystem | undefined;
  readonly host: SlotHost;
  readonly entry: NodeEntry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Only for simulations, which need fewer. Absent: SLOTS. */
  readonly slots?: number;
}

export interface WorkerNode {
  /** Resolves when it serves a slot (or, with weight 0, when it is confirmed). Rejects with ClusterJoinError. */
  readonly ready: Promise<void>;
  readonly membership: Membership;
  table(): SlotTable;
  /** Slots open here now. */
  owned(): readonly number[];
  isRingManager(): boolean;
  /** The cluster declared this incarnation dead: the process must end. Called at once if it already happened. */
  onEvicted(listener: () => void): void;
  /** Somebody asked this node to drain (`belfry drain`). */
  onDrainRequested(listener: () => void): void;
  /** Hands everything off; resolves when no slot is left here, or nobody is there to take them. */
  drain(): Promise<void>;
  /** Ends the membership; what is not drained is abandoned. */
  stop(): Promise<void>;
}

export function startWorkerNode(options: WorkerNodeOptions): WorkerNode {
  const node = new ComposedWorker(options);
  return { ...node.facade(), ready: node.start() };
}

class ComposedWorker {
  readonly #options: WorkerNodeOptions;
  readonly #control: ControlChannel;
  readonly #node: OwnNode;
  readonly #membership: Membership;
  readonly #follower: TableFollower;
  readonly #leadership: Leadership;
  readonly #watch: NodeWatch;
  readonly #manager: RingManager;
  readonly #gate: ServingGate;
  readonly #slots: SlotOwner;
  readonly #evictedListeners: (() => void)[] = [];
  readonly #drainListeners: (() => void)[] = [];
  #evicted = false;
  #stopped = false;

  constructor(options: WorkerNodeOptions) {
    const { broker, clock, host, entry } = options;
    const logger = options.logger.child({ incarnation: entry.incarnation });
    const self = entry.incarnation;
    const bucket = broker.kv(BUCKET_CLUSTER);
    const shared = { bucket, clock, logger };
    this.#options = options;
    this.#control = new ControlChannel(broker.control, entry, logger);
    this.#follower = new TableFollower(shared);
    this.#membership = new Membership({ ...shared, lane: broker.control });
    this.#node = new OwnNode({
      ...shared,
      entry,
      lane: broker.control,
      view: () => this.#follower.table.view,
      load: () => this.#slots.ownedCount(),
    });
    this.#leadership = new Leadership({
      ...shared,
      self,
      eligible: () => this.#gate.serving && this.#node.state === 'serving',
      rank: () => this.#rank(),
    });
    this.#manager = new RingManager({
      ...shared,
      node: this.#node,
      membership: this.#membership,
      follower: this.#follower,
      leadership: this.#leadership,
      control: this.#control,
      slots: options.slots ?? SLOTS,
      evict: (dead) => evict(dead, { self, system: options.system, clock, logger }),
    });
    this.#watch = new NodeWatch({
      self,
      membership: this.#membership,
      control: this.#control,
      lane: broker.control,
      system: options.system,
      clock,
      logger,
      inScope: (member) => this.#leadership.isLeader() || member.entry.incarnation === this.#leadership.leader(),
      onDead: (incarnation) => this.#nodeDied(incarnation),
    });
    this.#gate = new ServingGate({
      commands: broker.commands,
      control: broker.control,
      clock,
      logger,
      standing: () => this.#node.standing(),
      readTable: () => this.#follower.read(),
      onServing: (serving) => this.#servingChanged(serving),
      onEvicted: () => this.#wasEvicted(),
    });
    this.#slots = new SlotOwner({
      self,
      commands: broker.commands,
      control: this.#control,
      host,
      clock,
      logger,
      table: () => this.#follower.table,
      manager: () => this.#leadership.leader(),
      checkPulse: () => this.#gate.checkPulse(),
    });
  }

  facade(): Omit<WorkerNode, 'ready'> {
    return {
      membership: this.#membership,
      table: () => this.#follower.table,
      owned: () => this.#slots.owned(),
      isRingManager: () => this.#leadership.isLeader(),
      onEvicted: (listener) => {
        if (this.#evicted) listener();
        else this.#evictedListeners.push(listener);
      },
      onDrainRequested: (listener) => void this.#drainListeners.push(listener),
      drain: () => this.#drain(),
      stop: () => this.#stop(),
    };
  }

  async start(): Promise<void> {
    const { host } = this.#options;
    host.setServing(false);
    this.#wire();
    this.#control.listen();
    this.#follower.start();
    await this.#node.register();
    await this.#membership.start();
    // Also when there is none: presence has nobody to wait for then.
    this.#gatewaysChanged();
    this.#slots.start();
    this.#manager.start();
    this.#watch.start();
    this.#leadership.start();
    this.#gate.start();
    await this.#served();
  }

  #wire(): void {
    const { host } = this.#options;
    this.#control.handle('drain', () => this.#drainRequested());
    this.#follower.onTable((table, previous) => this.#slots.follow(table, previous));
    this.#leadership.onChange(() => this.#watch.look());
    this.#membership.onBeat(({ role, view, incarnation }) => {
      if (role === 'worker' && incarnation !== this.#node.incarnation) this.#follower.noteView(view);
    });
    this.#membership.onJoined(({ entry }) => {
      if (entry.role === 'gateway') this.#gatewaysChanged();
    });
    this.#membership.onGone((entry) => {
      if (entry.incarnation === this.#node.incarnation) this.#gate.reconfirm('entry_gone');
      if (entry.role !== 'gateway') return;
      host.gatewayGone(entry.incarnation);
      this.#gatewaysChanged();
    });
  }

  #gatewaysChanged(): void {
    const gateways = this.#membership.nodes('gateway').map(({ entry }) => [entry.incarnation, entry.region] as const);
    this.#options.host.gatewaysAlive(new Map(gateways));
  }

  /** Ring manager: it is dead to the cluster. Others only watch the ring manager: the next one takes its place. */
  #nodeDied(incarnation: Incarnation): void {
    if (this.#leadership.isLeader()) this.#manager.declareDead(incarnation);
    else this.#leadership.holderDied(incarnation);
  }

  #rank(): number {
    const names = this.#membership.nodes('worker').map(({ entry }) => entry.incarnation);
    const rivals = names.filter((name) => name < this.#node.incarnation && name !== this.#leadership.leader());
    return rivals.length;
  }

  #servingChanged(serving: boolean): void {
    this.#options.host.setServing(serving);
    this.#node.setState(serving ? 'serving' : 'paused');
    if (serving) this.#manager.poke();
  }

  #wasEvicted(): void {
    this.#evicted = true;
    this.#options.logger.error('evicted', { incarnation: this.#node.incarnation });
    this.#end('evicted');
    for (const listener of this.#evictedListeners) listener();
  }

  #drainRequested(): readonly [] {
    this.#options.logger.info('drain_requested');
    for (const listener of this.#drainListeners) listener();
    return [];
  }

  /** Resolves when there is something to serve; a node that has ended meanwhile is not waited for. */
  async #served(): Promise<void> {
    const { clock, entry } = this.#options;
    const isServed = () => this.#gate.serving && (entry.weight <= 0 || this.#slots.ownedCount() > 0);
    while (!isServed() && !this.#ended()) await clock.sleep(limits.ringManagerRoundMs);
  }

  #ended(): boolean {
    return this.#evicted || this.#stopped;
  }

  async #drain(): Promise<void> {
    this.#node.setState('draining');
    this.#manager.poke();
    while (!this.#ended() && this.#hasTaker() && this.#namedInTable()) {
      await this.#options.clock.sleep(limits.ringManagerRoundMs);
    }
    if (!this.#ended()) await this.#slots.closeAll();
  }

  /** Somebody who could take our slots: listed, heard, and not draining itself. */
  #hasTaker(): boolean {
    return this.#membership.nodes('worker').some((member) => {
      const isOther = member.entry.incarnation !== this.#node.incarnation && member.entry.weight > 0;
      return isOther && member.beat?.state !== 'draining' && this.#membership.isFresh(member);
    });
  }

  #namedInTable(): boolean {
    return this.#follower.table.members().has(this.#node.incarnation);
  }

  async #stop(): Promise<void> {
    if (this.#ended()) return;
    this.#stopped = true;
    this.#gate.stop();
    this.#options.host.setServing(false);
    this.#slots.abandonAll('stopped');
    this.#manager.stop();
    await this.#leadership.stop();
    await this.#node.unregister();
    this.#end('stopped');
  }

  #end(reason: string): void {
    this.#options.host.setServing(false);
    this.#slots.abandonAll(reason);
    this.#leadership.abandon();
    this.#manager.stop();
    this.#watch.stop();
    this.#gate.stop();
    this.#follower.stop();
    this.#membership.stop();
    this.#node.silence();
    this.#control.close();
  }
}
