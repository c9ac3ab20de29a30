/**
 * The whole cluster in virtual time: worker nodes that own what the table gives them, an elected ring manager, gateways
 * that follow the table. Everything is the real code but the broker, the sockets and the clock.
 */
import { clientName, type Broker, type BrokerSystem } from '../../broker/broker.ts';
import { startMemberNode, type MemberNode } from '../../cluster/member-node.ts';
import { ClusterJoinError } from '../../cluster/own-node.ts';
import { startWorkerNode, type WorkerNode } from '../../cluster/worker-node.ts';
import type { NodeEntry, Role } from '../../protocol/cluster.ts';
import { parseNodeId, type Incarnation } from '../../protocol/ids.ts';
import { SimGateway } from './sim-gateway.ts';
import { SIM_SLOTS } from './sim-names.ts';
import { SimWorker } from './sim-worker.ts';
import type { SimWorld } from './sim-world.ts';
import { TableWatch } from './table-watch.ts';

export interface ClusterWorker {
  readonly sim: SimWorker;
  readonly node: WorkerNode;
  state: 'running' | 'frozen' | 'dead';
}

/** `deaf`: its watches say nothing after what they began with. */
interface Hearing {
  readonly deaf?: boolean;
}

export interface RealClusterOptions {
  /** Absent: true. Without the system account nobody can be cut off, and takeovers fence. */
  readonly system?: boolean;
}

export class RealCluster {
  readonly workers: ClusterWorker[] = [];
  readonly gateways: SimGateway[] = [];
  readonly #world: SimWorld;
  readonly #withSystem: boolean;
  /** Called with each event that a worker logs. */
  onWorkerLog: (worker: string, event: string) => void = () => {};
  readonly #tables: TableWatch;
  #started = 0;

  constructor(world: SimWorld, options: RealClusterOptions = {}) {
    this.#world = world;
    this.#withSystem = options.system ?? true;
    this.#tables = new TableWatch(world.history);
    world.always(() => this.#tables.look());
  }

  get alive(): ClusterWorker[] {
    return this.workers.filter(({ state }) => state === 'running');
  }

  /** Of whoever follows no table: anybody that was ever started, the dead included. */
  guessOwner(): Incarnation | undefined {
    return this.workers[this.#world.rng.int(this.workers.length)]?.sim.incarnation;
  }

  /** The table that a node acts on. */
  viewOf(node: string): number | undefined {
    return this.#tables.viewOf(node);
  }

  manager(): ClusterWorker | undefined {
    return this.alive.find(({ node }) => node.isRingManager());
  }

  startWorker({ deaf = false }: Hearing = {}): ClusterWorker {
    this.#started += 1;
    const name = `worker${this.#started}`;
    const entry = this.#entry(name, 'worker', this.#world.incarnation(name));
    const sim = new SimWorker(this.#world, name, entry.incarnation, (event) => this.onWorkerLog(name, event));
    const { broker, clock, logger } = sim;
    if (deaf) deafen(broker);
    const system = this.#withSystem ? this.#system(entry.incarnation) : undefined;
    const node = startWorkerNode({ broker, system, host: sim.watchedHost(), entry, clock, logger, slots: SIM_SLOTS });
    this.#tables.watch(name, () => node.table());
    const worker: ClusterWorker = { sim, node, state: 'running' };
    // A process that was declared dead ends; its supervisor starts a new life a second later.
    node.onEvicted(() => this.#endLater(worker));
    node.ready.catch((error: unknown) => {
      this.#checkJoin(name, error);
      this.#endLater(worker);
    });
    this.workers.push(worker);
    return worker;
  }

  startGateway(name: string, { deaf = false }: Hearing = {}): SimGateway {
    const late: { node?: MemberNode } = {};
    const gateway = new SimGateway(this.#world, name, {
      slotsOf: (worker) => late.node?.table().slotsOf(worker) ?? [],
      rowOf: (slot) => late.node?.table().rows[slot],
      ownerOf: (slot) => late.node?.table().settledOwner(slot),
    });
    const entry = this.#entry(name, 'gateway', gateway.ref.incarnation);
    const { broker, clock, logger, shell } = gateway;
    if (deaf) deafen(broker);
    const node = startMemberNode({ broker, entry, clock, logger, load: () => shell.sessionCount });
    late.node = node;
    this.#tables.watch(name, () => node.table());
    node.onSlotsServed((slots) => shell.post({ kind: 'rows-changed', slots }));
    node.onEvicted(() => this.killGateway(gateway));
    node.ready.catch((error: unknown) => {
      this.#checkJoin(name, error);
      this.killGateway(gateway);
    });
    this.gateways.push(gateway);
    return gateway;
  }

  killGateway(gateway: SimGateway): void {
    if (!gateway.alive) return;
    gateway.kill();
    this.#world.clock.setTimeout(() => this.startGateway(`${gateway.name}b`), RESTART_MS);
  }

  /** SIGKILL. A supervisor starts it again. */
  kill(worker: ClusterWorker): void {
    if (worker.state === 'dead') return;
    worker.state = 'dead';
    worker.sim.kill();
    this.#world.clock.setTimeout(() => this.startWorker(), RESTART_MS);
  }

  freeze(worker: ClusterWorker, forMs: number): void {
    if (worker.state !== 'running') return;
    worker.state = 'frozen';
    worker.sim.freeze();
    this.#world.clock.setTimeout(() => {
      if (worker.state !== 'frozen') return;
      worker.state = 'running';
      worker.sim.thaw();
    }, forMs);
  }

  /** SIGTERM: everything is handed over, then the process ends. */
  async drain(worker: ClusterWorker): Promise<void> {
    this.#world.history.note(worker.sim.name, 'drains', undefined);
    await worker.node.drain();
    if (worker.state === 'dead') return;
    await worker.node.stop();
    this.kill(worker);
  }

  /** Two managers: somebody else's name stands in the key while the first still believes in its lease. */
  async stealOffice(): Promise<void> {
    const rival = this.alive.find((worker) => worker !== this.manager());
    if (rival === undefined) return;
    this.#world.history.note('script', 'steals-office', undefined, rival.sim.name);
    const value = Buffer.from(JSON.stringify({ incarnation: rival.sim.incarnation, renewedAt: 0 }));
    const thief = this.#world.hub.connect('thief');
    await thief.kv('belfry_cluster').put('manager', value);
    await thief.close();
  }

  /** Every slot is served by the one whom the newest table names. */
  get settled(): boolean {
    const tables = this.alive.map(({ node }) => node.table()).sort((a, b) => b.view - a.view);
    const rows = tables[0]?.rows ?? [];
    return (
      rows.length > 0 &&
      rows.every(({ owner, state, epoch }, slot) => {
        const worker = this.alive.find(({ sim }) => sim.incarnation === owner);
        return state === 'stable' && worker?.sim.open.get(slot) === epoch;
      })
    );
  }

  /** A cluster that cannot take a node says so; anything else is a bug. */
  #checkJoin(name: string, error: unknown): void {
    if (error instanceof ClusterJoinError) return;
    this.#world.history.violate('no process finds a bug in itself', `${name} ${String(error)}`);
  }

  #endLater(worker: ClusterWorker): void {
    this.#world.history.note(worker.sim.name, 'ends', undefined);
    this.#world.clock.setTimeout(() => this.kill(worker), 1);
  }

  #system(self: Incarnation): BrokerSystem {
    const system = this.#world.hub.system();
    if (this.#world.mutations.evictionWaitOff !== true) return system;
    // Everybody but ourselves seems to be closed.
    const isOurs = (prefix: string): boolean => prefix === clientName(self, '');
    const none = { connections: [], isComplete: true };
    return {
      ...system,
      connectionsOf: async (prefix, ms) => (isOurs(prefix) ? system.connectionsOf(prefix, ms) : none),
    };
  }

  #entry(name: string, role: Role, incarnation: Incarnation): NodeEntry {
    const place = { zone: '', weight: 1, region: 'local', publicUrl: '', adminUrl: '', pid: 1, version: '0' };
    return { id: parseNodeId(name)!, incarnation, role, startedAt: this.#world.clock.wallMs(), ...place };
  }
}

const RESTART_MS = 1_000;

function deafen(broker: Broker): void {
  const kv = broker.kv.bind(broker);
  broker.kv = (name) => {
    const bucket = kv(name);
    bucket.watch = () => ({ ready: Promise.resolve(), stop: () => {} });
    return bucket;
  };
}
