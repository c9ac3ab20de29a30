/** Histories of the actors, the log and the gateways under scripted ownership: one per seed. */
import { subjects } from '../../broker/subjects.ts';
import { ScriptedCluster } from './scripted-cluster.ts';
import { SimLoad } from './sim-load.ts';
import { SIM_SLOTS } from './sim-names.ts';
import { SILENCE, type Noise } from './sim-network.ts';
import { drawnWays, SimWorld, type SimOptions } from './sim-world.ts';

const ACTS = 30;
const TROUBLE_MS = 900;
/** From the first batch that is lost without a fault at either end to the silence after the trouble. */
const LOST_AT_THE_END_MS = 300;

export async function runActorHistory(options: SimOptions): Promise<SimWorld> {
  const world = new SimWorld({ ...drawnWays(options), ...options });
  await world.provision();
  const cluster = new ScriptedCluster(world);
  for (let i = 0; i < 3; i += 1) cluster.startWorker();
  for (const name of ['gateway1', 'gateway2']) cluster.startGateway(name);
  cluster.giveAll();
  const load = new SimLoad(world, () => cluster.gateways, 1 + world.rng.int(3));
  await load.start();
  const { clock, rng } = world;
  world.readLag.on = rng.int(2) === 0;
  world.network.setNoise(noiseOf(world));
  for (let i = 0; i < ACTS; i += 1) clock.setTimeout(() => load.act(), rng.float() * TROUBLE_MS);
  const faults = rng.int(6);
  for (let i = 0; i < faults; i += 1) clock.setTimeout(() => trouble(world, cluster), rng.float() * TROUBLE_MS);
  if (rng.int(4) > 0) {
    clock.setTimeout(() => loseBatches(world, cluster), TROUBLE_MS - rng.float() * LOST_AT_THE_END_MS);
  }
  await world.run(TROUBLE_MS);
  world.network.heal();
  world.history.note('script', 'heals', undefined);
  await load.settle();
  return world;
}

function noiseOf({ rng }: SimWorld): Noise {
  switch (rng.int(4)) {
    case 0:
      return SILENCE;
    case 1:
      return { loss: 0.02, delay: 0.05, delayMsMax: 60, duplicate: 0.05 };
    case 2:
      return { loss: 0.1, delay: 0, delayMsMax: 0, duplicate: 0.02 };
    default:
      return { loss: 0.01, delay: 0.05, delayMsMax: 500, duplicate: 0.01 };
  }
}

/** What one worker says to one gateway, its region or both vanishes from now to the end of the trouble, in silence. */
function loseBatches({ rng, network, history }: SimWorld, { alive, gateways }: ScriptedCluster): void {
  const worker = alive[rng.int(Math.max(1, alive.length))];
  const gateway = gateways[rng.int(gateways.length)];
  if (worker === undefined || gateway === undefined) return;
  const both = [subjects.batch(gateway.ref), subjects.regionBatch(gateway.ref.region)];
  const which = rng.int(3);
  const lost = both.slice(which === 1 ? 1 : 0, which === 0 ? 1 : 2);
  const { incarnation, name } = worker.sim;
  history.note('script', 'loses batches', undefined, `${name} to ${lost.join(' and ')}`);
  network.lose((hop) => hop.incarnation === incarnation && lost.includes(hop.subject));
}

/** One fault, as far as enough of the cluster is left for it. */
function trouble(world: SimWorld, cluster: ScriptedCluster): void {
  const { rng, clock, hub, network } = world;
  const { alive } = cluster;
  const worker = alive[rng.int(Math.max(1, alive.length))];
  if (worker === undefined) return;
  const { incarnation } = worker.sim;
  switch (rng.int(9)) {
    case 0:
      if (alive.length > 1) cluster.kill(worker, 20 + rng.int(150));
      else cluster.startWorker();
      return;
    case 1:
      if (alive.length > 1) cluster.supersede(worker, rng.int(600));
      return;
    case 2: {
      if (alive.length < 2) return;
      cluster.freeze(worker, 100 + rng.int(700));
      clock.setTimeout(() => cluster.evict(worker), rng.int(300));
      return;
    }
    case 3:
      if (alive.length < 2) return;
      cluster.freeze(worker, 100 + rng.int(700));
      clock.setTimeout(() => cluster.supersede(worker, rng.int(50)), rng.int(300));
      return;
    case 4:
      void cluster.handOff(rng.int(SIM_SLOTS), worker);
      return;
    case 5:
      return hub.cut(incarnation);
    case 6:
      return network.stall(incarnation, rng.int(2) === 0 ? 'to-server' : 'to-client', rng.int(400));
    case 7: {
      const gateway = cluster.gateways[rng.int(cluster.gateways.length)];
      if (gateway !== undefined && rng.int(2) === 0) hub.cut(gateway.ref.incarnation);
      else if (gateway?.alive === true && cluster.gateways.filter((one) => one.alive).length > 1)
        cluster.killGateway(gateway);
      return;
    }
    default:
      worker.sim.clock.wallOffsetMs += rng.int(2_000) - 1_000;
  }
}
