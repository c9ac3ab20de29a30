/**
 * Slots given to workers by a script, in the ways the cluster may do it and nothing more: after a crash, after an
 * eviction that closed the old owner's connections, with a fence where nothing is known of the old owner, by a planned
 * hand-off. Much cheaper than the real cluster, so that many histories of the actors and the log can be tried.
 */
import type { Subscription } from '../../broker/broker.ts';
import { COMMAND_QUEUE, subjects } from '../../broker/subjects.ts';
import type { SlotHost } from '../../cluster/slot-host.ts';
import type { Incarnation } from '../../protocol/ids.ts';
import { SimGateway } from './sim-gateway.ts';
import { SIM_SLOTS } from './sim-names.ts';
import { SimWorker } from './sim-worker.ts';
import type { SimWorld } from './sim-world.ts';

interface Row {
  owner: ScriptedWorker | undefined;
  epoch: number;
  fence: boolean;
}

/** A worker as the script sees it. */
export class ScriptedWorker {
  readonly sim: SimWorker;
  readonly #host: SlotHost;
  readonly #subscriptions = new Map<number, Subscription>();
  state: 'running' | 'frozen' | 'dead' = 'running';

  constructor(world: SimWorld, name: string) {
    this.sim = new SimWorker(world, name, world.incarnation(name));
    this.#host = this.sim.watchedHost();
  }

  get host(): SlotHost {
    return this.#host;
  }

  open(slot: number, epoch: number, fence: boolean): void {
    const again = this.sim.open.has(slot);
    if (again) this.abandon(slot, 'epoch_raised');
    this.#host.open(slot, { epoch, fence: fence || again });
    this.listen(slot);
  }

  listen(slot: number): void {
    const receive = (data: Uint8Array, reply: string | undefined): void => {
      if (this.sim.open.has(slot)) this.#host.deliver(slot, data, reply);
    };
    const { commands } = this.sim.broker;
    this.#subscriptions.set(
      slot,
      commands.subscribe(subjects.command(slot), ({ data, reply }) => receive(data, reply), { queue: COMMAND_QUEUE }),
    );
  }

  async handOff(slot: number): Promise<void> {
    await this.#subscriptions.get(slot)?.drain();
    this.#subscriptions.delete(slot);
    if (this.sim.open.has(slot)) await this.#host.close(slot);
  }

  /** No command reaches it any more, but it does not know why. */
  deafen(slot: number): void {
    this.#subscriptions.get(slot)?.unsubscribe();
    this.#subscriptions.delete(slot);
  }

  abandon(slot: number, reason: string): void {
    this.#subscriptions.get(slot)?.unsubscribe();
    this.#subscriptions.delete(slot);
    if (this.sim.open.has(slot)) this.#host.abandon(slot, reason);
  }

  /** As the serving gate does: a lost lane closes it, and what it then learns decides. */
  followLanes(isOwner: (slot: number) => boolean): void {
    this.sim.broker.commands.onStatus((status) => {
      this.#host.setServing(false);
      if (status === 'connected') this.#confirm(isOwner);
    });
  }

  /** Back from a long sleep: nothing is served before it is confirmed. */
  thaw(isOwner: (slot: number) => boolean): void {
    this.state = 'running';
    this.#host.setServing(false);
    this.sim.thaw();
    this.#confirm(isOwner);
  }

  #confirm(isOwner: (slot: number) => boolean): void {
    this.sim.clock.setTimeout(() => {
      for (const slot of [...this.sim.open.keys()]) if (!isOwner(slot)) this.abandon(slot, 'moved');
      this.#host.setServing(true);
    }, 5);
  }
}

export class ScriptedCluster {
  readonly workers: ScriptedWorker[] = [];
  readonly gateways: SimGateway[] = [];
  readonly #world: SimWorld;
  readonly #rows: Row[] = Array.from({ length: SIM_SLOTS }, () => ({ owner: undefined, epoch: 0, fence: false }));
  #started = 0;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  get alive(): ScriptedWorker[] {
    return this.workers.filter(({ state }) => state === 'running');
  }

  owner(slot: number): ScriptedWorker | undefined {
    return this.#rows[slot]?.owner;
  }

  startWorker(): ScriptedWorker {
    this.#started += 1;
    const worker = new ScriptedWorker(this.#world, `worker${this.#started}`);
    worker.followLanes((slot) => this.owner(slot) === worker);
    this.workers.push(worker);
    this.#tellGateways();
    return worker;
  }

  startGateway(name: string): SimGateway {
    const gateway = new SimGateway(this.#world, name, {
      slotsOf: (worker) => this.#slotsOf(worker),
      rowOf: (slot) => ({ owner: this.owner(slot)?.sim.incarnation, epoch: this.#rows[slot]?.epoch ?? 0 }),
    });
    this.gateways.push(gateway);
    this.#tellGateways();
    return gateway;
  }

  killGateway(gateway: SimGateway): void {
    gateway.kill();
    for (const { host } of this.workers) host.gatewayGone(gateway.ref.incarnation);
    this.#tellGateways();
  }

  /** Each slot to somebody, the first time. */
  giveAll(): void {
    const { alive } = this;
    for (let slot = 0; slot < SIM_SLOTS; slot += 1) this.give(slot, alive[slot % alive.length]!, false);
  }

  /** The next epoch of the slot begins at `to`. `fence`: nobody knows what the last owner still does. */
  give(slot: number, to: ScriptedWorker, fence: boolean): void {
    const row = this.#rows[slot] as Row;
    row.epoch += 1;
    row.owner = to;
    // An owner that never touched a stream fenced nothing there: as in the table, a fence stays.
    row.fence ||= fence;
    if (to.state === 'dead') return;
    to.open(slot, row.epoch, row.fence);
    this.#served([slot]);
  }

  /** SIGKILL; somebody else has its slots `afterMs` later. */
  kill(worker: ScriptedWorker, afterMs: number): void {
    worker.state = 'dead';
    worker.sim.kill();
    this.#world.clock.setTimeout(() => this.#spread(worker, false), afterMs);
  }

  /** Nobody can tell: others take its slots over with a fence, while it goes on until it hears of it. */
  supersede(worker: ScriptedWorker, hearsAfterMs: number): void {
    this.#world.history.note('script', 'supersedes', undefined, worker.sim.name);
    this.#spread(worker, true);
    // A fence keeps its appends out, not its answers to reads: nobody promised those until it has heard.
    this.#world.isStale(worker.sim.name);
    worker.sim.clock.setTimeout(() => {
      this.#world.isStaleNoMore(worker.sim.name);
      // Also of what it lost without having heard of it yet, when this happens to it twice.
      for (const slot of [...worker.sim.open.keys()]) if (this.owner(slot) !== worker) worker.abandon(slot, 'moved');
    }, hearsAfterMs);
  }

  /** Its connections are closed from outside before anybody takes over; it hears of that when it hears anything. */
  evict(worker: ScriptedWorker): void {
    this.#world.history.note('script', 'evicts', undefined, worker.sim.name);
    this.#world.hub.cut(worker.sim.incarnation);
    this.#spread(worker, false);
  }

  async handOff(slot: number, to: ScriptedWorker): Promise<void> {
    const from = this.owner(slot);
    if (from === undefined || from === to || from.state !== 'running') return;
    this.#world.history.note('script', 'hand-off', `slot ${slot}`, `${from.sim.name} to ${to.sim.name}`);
    await from.handOff(slot);
    if (this.owner(slot) !== from) return;
    // Who was to have it died meanwhile: whoever is left has it.
    const taker = to.state === 'dead' ? this.alive[0] : to;
    if (taker !== undefined) this.give(slot, taker, false);
  }

  freeze(worker: ScriptedWorker, forMs: number): void {
    if (worker.state !== 'running') return;
    worker.state = 'frozen';
    worker.sim.freeze();
    this.#world.clock.setTimeout(() => {
      if (worker.state !== 'frozen') return;
      worker.thaw((slot) => this.owner(slot) === worker);
    }, forMs);
  }

  #spread(from: ScriptedWorker, fence: boolean): void {
    const takers = this.alive.filter((worker) => worker !== from);
    for (const slot of this.#slotsOf(from.sim.incarnation)) {
      const to = takers[this.#world.rng.int(Math.max(1, takers.length))];
      if (to !== undefined) this.give(slot, to, fence);
    }
  }

  #slotsOf(worker: Incarnation): number[] {
    return this.#rows.flatMap(({ owner }, slot) => (owner?.sim.incarnation === worker ? [slot] : []));
  }

  #served(slots: readonly number[]): void {
    // The table reaches the gateways a little later.
    this.#world.clock.setTimeout(() => {
      for (const gateway of this.gateways) if (gateway.alive) gateway.shell.post({ kind: 'rows-changed', slots });
    }, 2);
  }

  #tellGateways(): void {
    const alive = this.gateways.filter((gateway) => gateway.alive);
    const gateways = new Map(alive.map(({ ref }) => [ref.incarnation, ref.region] as const));
    for (const { host, state } of this.workers) if (state !== 'dead') host.gatewaysAlive(gateways);
  }
}
