/** Histories of the whole cluster: nodes, table, ring manager, hand-off, actors, gateways. One per seed. */
import type { MemoryHop } from '../../broker/memory-pipe.ts';
import { RealCluster, type ClusterWorker } from './real-cluster.ts';
import { SimLoad } from './sim-load.ts';
import { SILENCE, type Noise } from './sim-network.ts';
import { drawnWays, SimWorld, type SimOptions } from './sim-world.ts';

const ACTS = 30;
const TROUBLE_MS = 1_500;

export async function runClusterHistory(options: SimOptions): Promise<SimWorld> {
  const world = new SimWorld({ ...drawnWays(options), ...options });
  await world.provision();
  const { clock, rng } = world;
  const cluster = new RealCluster(world, { system: rng.int(5) > 0 });
  for (let i = 0; i < 3; i += 1) cluster.startWorker();
  for (const name of ['gateway1', 'gateway2']) cluster.startGateway(name);
  await world.until('a new cluster serves', 3_000, () => cluster.settled);
  const ownerOf = () => cluster.guessOwner();
  const load = new SimLoad(world, () => cluster.gateways, 1 + rng.int(3), ownerOf);
  await load.start();
  world.readLag.on = rng.int(2) === 0;
  world.network.setNoise(noiseOf(world));
  let atMs = 0;
  for (let i = 0; i < ACTS; i += 1) {
    // Every third in the same turn as the one before: what they ask of one worker travels together.
    if (i % 3 > 0) atMs = rng.float() * TROUBLE_MS;
    clock.setTimeout(() => load.act(), atMs);
  }
  const faults = 1 + rng.int(4);
  for (let i = 0; i < faults; i += 1) clock.setTimeout(() => trouble(world, cluster), rng.float() * TROUBLE_MS * 0.8);
  await world.run(TROUBLE_MS);
  world.network.heal();
  world.history.note('script', 'heals', undefined);
  await load.settle();
  await world.until('every slot is served again', 8_000, () => cluster.settled);
  return world;
}

/** Less of it than for the actors alone: heartbeats and table reads suffer too. */
function noiseOf({ rng }: SimWorld): Noise {
  switch (rng.int(3)) {
    case 0:
      return SILENCE;
    case 1:
      return { loss: 0.03, delay: 0.03, delayMsMax: 60, duplicate: 0.03 };
    default:
      return { loss: 0.01, delay: 0.03, delayMsMax: 300, duplicate: 0.01 };
  }
}

/** What a ring manager logs at the steps of a change: after each of them it may die. */
const STEPS = ['node_dead', 'node_evicted', 'table_written', 'ring_manager_changed'] as const;

function trouble(world: SimWorld, cluster: RealCluster): void {
  const { rng, clock, hub, network } = world;
  const { alive } = cluster;
  const worker = alive[rng.int(Math.max(1, alive.length))];
  // A majority is not needed, but somebody has to be there.
  if (worker === undefined || alive.length < 2) return;
  const { incarnation } = worker.sim;
  switch (rng.int(13)) {
    case 0:
      return cluster.kill(worker);
    case 1:
      return cluster.freeze(worker, 50 + rng.int(1_500));
    case 2:
      return network.stall(incarnation, rng.int(2) === 0 ? 'to-server' : 'to-client', 50 + rng.int(1_200));
    case 3:
      network.stall(incarnation, 'to-server', 900);
      return network.stall(incarnation, 'to-client', 900);
    case 12: {
      // One connection hangs, the others do not.
      const lanes = ['commands', 'control', 'append', 'read'] as const;
      const [one, two] = [lanes[rng.int(4)], lanes[rng.int(4)]];
      const isOn = (name: string | undefined) => (hop: MemoryHop) =>
        hop.incarnation === incarnation && hop.lane === name;
      network.hold(isOn(one), 100 + rng.int(1_800));
      return network.hold(isOn(two), 100 + rng.int(1_800));
    }
    case 4:
      return hub.cut(incarnation, (['commands', 'control', 'append', 'read'] as const)[rng.int(4)]);
    case 5:
      return killManagerAt(cluster, STEPS[rng.int(STEPS.length)] as string, worker);
    case 6:
      return void cluster.stealOffice();
    case 7:
      return void cluster.drain(worker);
    case 8:
      cluster.startWorker();
      return;
    case 9: {
      const isKeyValue = ({ kind }: MemoryHop): boolean => kind === 'key-value';
      const end = network.lose(isKeyValue);
      clock.setTimeout(end, 100 + rng.int(400));
      return;
    }
    case 10: {
      const gateway = cluster.gateways[rng.int(cluster.gateways.length)];
      if (gateway !== undefined && rng.int(2) === 0) cluster.killGateway(gateway);
      else if (gateway !== undefined) hub.cut(gateway.ref.incarnation);
      return;
    }
    default:
      if (rng.int(2) === 0) return restartBroker(world);
      worker.sim.clock.wallOffsetMs += rng.int(4_000) - 2_000;
  }
}

function restartBroker({ hub, clock, rng, history }: SimWorld): void {
  history.note('script', 'broker-stops', undefined);
  hub.stop();
  clock.setTimeout(() => hub.start(), 50 + rng.int(600));
}

/** Something happens that needs the manager; at one of its steps it dies. */
function killManagerAt(cluster: RealCluster, step: string, other: ClusterWorker): void {
  const manager = cluster.manager();
  if (manager === undefined) return;
  let armed = true;
  cluster.onWorkerLog = (name, event) => {
    if (!armed || name !== manager.sim.name || event !== step) return;
    armed = false;
    // Not within its own turn: a process dies between two.
    queueMicrotask(() => cluster.kill(manager));
  };
  if (other !== manager) cluster.kill(other);
}
