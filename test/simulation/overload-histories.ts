/**
 * Bursts at a cluster whose buffers are small, while slots move and batches are lost: what does not fit is refused, or said
 * with `resync`, and everything is answered and delivered in the end (G8).
 */
import { subjects } from '../../broker/subjects.ts';
import type { UserId } from '../../protocol/ids.ts';
import { watchBuffers } from './buffer-watch.ts';
import { withLimits } from './other-limits.ts';
import { RealCluster } from './real-cluster.ts';
import { SimLoad } from './sim-load.ts';
import { CHANNELS, USERS } from './sim-names.ts';
import { drawnWays, SimWorld, type SimOptions } from './sim-world.ts';

const SMALL = {
  mailboxMessagesMax: 8,
  mailboxBytesMax: 4_096,
  handoffBufferMessagesMax: 6,
  handoffBufferBytesMax: 2_048,
  gapHoldBytesMax: 4_096,
} as const;

const CHANNELS_COUNT = 3;
const TROUBLE_MS = 800;
const BURSTS = 24;
const BURST_POSTS = 16;

export async function runOverloadHistory(options: SimOptions): Promise<SimWorld> {
  const world = new SimWorld({ ...drawnWays(options), ...options });
  const cluster = new RealCluster(world);
  const unwatch = watchBuffers(world, () => cluster.gateways, SMALL);
  try {
    await withLimits(world.mutations.limitsOff === true ? {} : SMALL, () => overload(world, cluster));
  } finally {
    unwatch();
  }
  return world;
}

async function overload(world: SimWorld, cluster: RealCluster): Promise<void> {
  await world.provision();
  for (let i = 0; i < 3; i += 1) cluster.startWorker();
  for (const name of ['gateway1', 'gateway2']) cluster.startGateway(name);
  await world.until('a new cluster serves', 3_000, () => cluster.settled);
  const load = new SimLoad(world, () => cluster.gateways, CHANNELS_COUNT);
  await load.start();
  world.mayGiveUp = true;
  const { clock, rng } = world;
  for (let i = 0; i < BURSTS; i += 1) clock.setTimeout(() => burst(world, load, i), rng.float() * TROUBLE_MS);
  clock.setTimeout(() => void cluster.startWorker(), rng.int(TROUBLE_MS / 2));
  clock.setTimeout(() => void cluster.drain(cluster.alive[rng.int(cluster.alive.length)]!), rng.int(TROUBLE_MS));
  clock.setTimeout(() => loseBatches(world, cluster), rng.int(TROUBLE_MS / 2));
  await world.run(TROUBLE_MS);
  world.network.heal();
  await load.settle();
}

function burst({ rng }: SimWorld, { poster, devices }: SimLoad, number: number): void {
  const channel = CHANNELS[rng.int(CHANNELS_COUNT)]!;
  for (let i = 0; i < BURST_POSTS; i += 1) {
    if (i % 4 === 0) devices[0]!.post(channel, `rtm${number}.${i}`);
    else void poster.post(channel, USERS[0] as UserId, `http${number}.${i}`);
  }
}

/** Half of what the workers say to one gateway, so that it sees gaps and holds what comes behind them. */
function loseBatches({ rng, network, clock }: SimWorld, { gateways }: RealCluster): void {
  const { ref } = gateways[0]!;
  const lost: string[] = [subjects.batch(ref), subjects.regionBatch(ref.region)];
  const end = network.lose(({ subject, direction }) => {
    return direction === 'to-client' && lost.includes(subject) && rng.int(2) === 0;
  });
  clock.setTimeout(end, 100 + rng.int(200));
}
