/** A stage for histories told step by step: two workers, a gateway, one channel whose slot the first worker owns. */
import type { MemoryHop } from '../../broker/memory-pipe.ts';
import { subjects } from '../../broker/subjects.ts';
import { slotOf } from '../../cluster/slots.ts';
import type { ChannelId, UserId } from '../../protocol/ids.ts';
import { ScriptedCluster, type ScriptedWorker } from './scripted-cluster.ts';
import { SimLoad } from './sim-load.ts';
import { CHANNELS, USERS } from './sim-names.ts';
import type { SimPoster } from './sim-poster.ts';
import { SimWorld, type SimOptions } from './sim-world.ts';
import type { Mutations } from './sim-faults.ts';

export const CHANNEL = CHANNELS[0] as ChannelId;
export const ALICE = USERS[0] as UserId;
export const SLOT = slotOf(CHANNEL);
export const LOG_SUBJECT = subjects.log(1, SLOT, CHANNEL);

export interface Scene {
  readonly world: SimWorld;
  readonly cluster: ScriptedCluster;
  readonly load: SimLoad;
  readonly poster: SimPoster;
  /** Owns the channel when the scene begins; one message stands in it. */
  readonly old: ScriptedWorker;
  readonly next: ScriptedWorker;
}

export async function openScene(mutations: Mutations = {}, seed = 1, more: Partial<SimOptions> = {}): Promise<Scene> {
  const world = new SimWorld({ seed, mutations, ...more });
  await world.provision();
  const cluster = new ScriptedCluster(world);
  const workers = [cluster.startWorker(), cluster.startWorker()];
  cluster.startGateway('gateway1');
  cluster.giveAll();
  const load = new SimLoad(world, () => cluster.gateways, 1);
  await load.start();
  const { poster } = load;
  void poster.post(CHANNEL, ALICE, 'first');
  await world.until('the first message is there', 100, () => poster.open === 0);
  await world.run(20);
  const old = cluster.owner(SLOT) as ScriptedWorker;
  const next = workers.find((worker) => worker !== old) as ScriptedWorker;
  return { world, cluster, load, poster, old, next };
}

/** Appends of this worker on their way to the server, or their acknowledgements on the way back. */
export function appendsOf(worker: ScriptedWorker, direction: MemoryHop['direction']): (hop: MemoryHop) => boolean {
  const { incarnation } = worker.sim;
  return (hop) => hop.incarnation === incarnation && hop.kind === 'append' && hop.direction === direction;
}
