/** A worker that was cut off from outside while an append of its was on the way, and that is not frozen. */
import { describe, expect, it } from 'vitest';
import type { MemoryHop } from '../../broker/memory-pipe.ts';
import { RealCluster } from './real-cluster.ts';
import { ALICE, CHANNEL, SLOT } from './scene.ts';
import { SimLoad } from './sim-load.ts';
import { SimWorld } from './sim-world.ts';

/** Its control connection hangs, so that it is declared dead; its append hangs until just after it was cut off. */
async function cutOffWhileAppending(seed: number): Promise<SimWorld> {
  const world = new SimWorld({ seed });
  await world.provision();
  const cluster = new RealCluster(world);
  for (let i = 0; i < 3; i += 1) cluster.startWorker();
  cluster.startGateway('gateway1');
  await world.until('a new cluster serves', 3_000, () => cluster.settled);
  const load = new SimLoad(world, () => cluster.gateways, 1);
  await load.start();
  const owner = cluster.alive.find(({ sim }) => sim.open.has(SLOT))!;
  const { incarnation } = owner.sim;
  const isOn = (lane: MemoryHop['lane']) => (hop: MemoryHop) => hop.incarnation === incarnation && hop.lane === lane;
  world.network.hold(isOn('control'), 3_000);
  const end = world.network.lose((hop) => isOn('append')(hop));
  await world.run(seed * 7);
  void load.poster.post(CHANNEL, ALICE, 'in flight');
  await world.until('it is declared dead', 3_000, () =>
    cluster.alive.some(({ sim }) => sim !== owner.sim && sim.open.has(SLOT)),
  );
  end();
  await load.settle();
  return world;
}

describe('a worker that is cut off in the middle of an append', () => {
  it.each(Array.from({ length: 6 }, (_, at) => at + 1))(
    'appends nothing more when it comes back (%i)',
    async (seed) => {
      const world = await cutOffWhileAppending(seed);
      expect(world.book.seqOf(CHANNEL, ALICE, 'in flight')).toBeDefined();
    },
  );
});
