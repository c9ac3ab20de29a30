/** The histories that were seen on real servers while Belfry was designed (marked [t] in DESIGN sections 5 to 7). */
import { afterEach, describe, expect, it } from 'vitest';
import { COMMAND_QUEUE, subjects } from '../../broker/subjects.ts';
import type { GatewayRef } from '../../protocol/commands.ts';
import { mendDedupe } from './broken-dedupe.ts';
import { RealCluster } from './real-cluster.ts';
import { appendsOf, CHANNEL, LOG_SUBJECT, openScene, SLOT, ALICE } from './scene.ts';
import { SimLoad } from './sim-load.ts';
import { SIM_SLOTS } from './sim-names.ts';
import type { Mutations } from './sim-faults.ts';
import { SimWorld } from './sim-world.ts';

afterEach(mendDedupe);

/** The old owner's append is on its way for 150 ms; meanwhile somebody else takes over and answers. */
async function lateAppend(mutations: Mutations = {}) {
  const scene = await openScene(mutations);
  const { world, cluster, poster, old, next } = scene;
  world.network.hold(appendsOf(old, 'to-server'), 150);
  void poster.post(CHANNEL, ALICE, 'late');
  await world.run(5);
  old.deafen(SLOT);
  await world.run(5);
  cluster.give(SLOT, next, true);
  await world.run(10);
  void poster.read(CHANNEL, ALICE);
  await world.run(150);
  void poster.read(CHANNEL, ALICE);
  await scene.load.settle();
  return scene;
}

/** The old owner's append stands in the log, nobody was told, and it died; its successor reads an older end. */
async function repeatAcrossOwners(mutations: Mutations = {}) {
  const scene = await openScene(mutations);
  const { world, cluster, poster, old, next } = scene;
  world.network.lose(appendsOf(old, 'to-client'));
  void poster.post(CHANNEL, ALICE, 'twice');
  await world.run(4);
  world.readLag.always = true;
  cluster.kill(old, 10_000);
  await world.run(4);
  cluster.give(SLOT, next, false);
  void poster.post(CHANNEL, ALICE, 'twice');
  await world.until('both are answered', 1_000, () => poster.open === 0);
  world.readLag.always = false;
  return scene;
}

/** For 300 ms no batch on the subject arrives at the gateway, and nobody is told; after that the channel is quiet. */
async function vanishedBatches(mutations: Mutations, subjectOf: (ref: GatewayRef) => string, more = {}) {
  const scene = await openScene(mutations, 1, more);
  const { world, cluster, load, poster } = scene;
  const lost = subjectOf(cluster.gateways[0]!.ref);
  const end = world.network.lose(({ subject, direction }) => subject === lost && direction === 'to-client');
  for (let i = 0; i < 20; i += 1) world.clock.setTimeout(() => void poster.post(CHANNEL, ALICE, `p${i}`), i * 15);
  await world.run(300);
  end();
  await world.until('the lost events arrive', 1_000, () =>
    load.devices.slice(0, 3).every((one) => one.behind([CHANNEL]).length === 0),
  );
  return scene;
}

describe('an append that arrives late at a quiet channel', () => {
  it('finds the fence of the new owner, and is carried out there once', async () => {
    const { world } = await lateAppend();
    expect(world.book.seqOf(CHANNEL, ALICE, 'late')).toBeDefined();
    expect(world.history.counts.get('acked')).toBeGreaterThan(1);
  });

  it('would be acknowledged behind the new owner without the epoch record', async () => {
    await expect(lateAppend({ epochRecordOff: true })).rejects.toThrow(/a read sees what was acknowledged before it/);
  });
});

describe('an append without an acknowledgement', () => {
  it('that is absent from the tail, and committed later, stands there once', async () => {
    const { world, poster, old, load } = await openScene();
    world.network.hold(appendsOf(old, 'to-server'), 900);
    void poster.post(CHANNEL, ALICE, 'slow');
    await world.run(800);
    expect(world.book.seqOf(CHANNEL, ALICE, 'slow')).toBeUndefined();
    await load.settle();
    expect(world.book.seqOf(CHANNEL, ALICE, 'slow')).toBe(3);
  });

  it('is found by the next owner, which decides the repeat again', async () => {
    const { world } = await repeatAcrossOwners();
    expect(world.book.tail(CHANNEL)).toBe(3);
    expect(world.history.counts.get('acked')).toBeGreaterThanOrEqual(2);
  });

  it('would stand there twice if the turn were applied without deciding it again', async () => {
    await expect(repeatAcrossOwners({ dedupeAfterConflictOff: true })).rejects.toThrow(
      /each mutation stands in the log once/,
    );
  });
});

describe('a frozen member', () => {
  it('keeps its share of the commands until its connections are closed', async () => {
    const { world, cluster, poster, old, next } = await openScene();
    cluster.freeze(old, 3_000);
    cluster.give(SLOT, next, true);
    await world.run(5);
    for (let i = 0; i < 10; i += 1) void poster.post(CHANNEL, ALICE, `p${i}`);
    await world.run(150);
    expect(poster.open).toBeGreaterThan(0);
    expect(poster.open).toBeLessThan(10);
    world.hub.cut(old.sim.incarnation);
    await world.until('all commands are answered', 300, () => poster.open === 0);
  });
});

describe('the end of a subscription', () => {
  it.each([
    ['drain', 0],
    ['unsubscribe', 1],
  ] as const)('by %s loses %i commands or more', async (how, lostMin) => {
    const world = new SimWorld({ seed: 1 });
    const [sender, owner, taker] = ['sender', 'owner', 'taker'].map((name) => world.hub.connect(name).commands);
    const got = new Set<string>();
    const take = ({ data }: { data: Uint8Array }): void => void got.add(Buffer.from(data).toString());
    const subscription = owner!.subscribe('belfry.cmd.1', take, { queue: COMMAND_QUEUE });
    await world.run(5);
    for (let i = 0; i < 40; i += 1)
      world.clock.setTimeout(() => sender!.publish('belfry.cmd.1', Buffer.from(`${i}`)), i * 0.2);
    world.clock.setTimeout(() => {
      taker!.subscribe('belfry.cmd.1', take, { queue: COMMAND_QUEUE });
    }, 1);
    world.clock.setTimeout(() => {
      if (how === 'drain') return void subscription.drain();
      subscription.unsubscribe();
      void owner!.flush(100);
    }, 5);
    await world.run(50);
    expect(40 - got.size).toBeGreaterThanOrEqual(lostMin);
    if (how === 'drain') expect(got.size).toBe(40);
  });
});

describe.each([
  ['batches', { batchNumbersOff: true }, subjects.batch, {}],
  [
    'region batches',
    { regionNumbersOff: true },
    ({ region }: GatewayRef) => subjects.regionBatch(region),
    { regionBatchGatewaysCount: 1 },
  ],
] as const)('%s that vanish without an error', (_, mutations, subjectOf, more) => {
  it('are found by their numbers, the last event of a quiet channel too', async () => {
    await vanishedBatches({}, subjectOf, more);
  });

  it('would not be found without the numbers', async () => {
    await expect(vanishedBatches(mutations, subjectOf, more)).rejects.toThrow(/the lost events arrive/);
  });
});

describe('a channel whose gateways become two, and one again', () => {
  /** Two share the region's copy: each change finds events on their way that went the other one. */
  it.each([1, 2, 3, 4, 5, 6])('loses and doubles nothing, and opens no gap (%i)', async (seed) => {
    const { world, cluster, load, poster } = await openScene({}, seed, { regionBatchGatewaysCount: 2 });
    const stays = cluster.gateways[0]!;
    for (let i = 0; i < 400; i += 1) world.clock.setTimeout(() => void poster.post(CHANNEL, ALICE, `p${i}`), i);
    for (let round = 0; round < 4; round += 1) {
      const second = cluster.startGateway(`second${round}`);
      for (let i = 0; i < 4; i += 1) world.clock.setTimeout(() => load.devices[i % 3]!.dropSocket(), i * 15);
      await world.run(80);
      cluster.killGateway(second);
      await world.run(20);
    }
    await load.settle();
    expect(world.history.counts.get('region-batch')).toBeGreaterThan(0);
    expect(stays.shell.counts).toMatchObject({ gaps: 0, holes: 0, resyncs: 0 });
  });
});

describe('the answer to a subscription', () => {
  it('comes before the events that follow it, however busy the channel is', async () => {
    const { world, poster, load } = await openScene();
    for (let i = 0; i < 60; i += 1) world.clock.setTimeout(() => void poster.post(CHANNEL, ALICE, `p${i}`), i * 2);
    for (let i = 0; i < 6; i += 1) world.clock.setTimeout(() => load.devices[i % 3]!.dropSocket(), i * 15);
    await world.run(150);
    await load.settle();
    expect(world.history.counts.get('resync')).toBeUndefined();
  });

  it('would be overtaken on a connection of its own', async () => {
    const world = new SimWorld({ seed: 1 });
    const [worker, gateway] = ['worker', 'gateway'].map((name) => world.hub.connect(name));
    const order: string[] = [];
    for (const lane of [gateway!.commands, gateway!.control]) {
      lane.subscribe(lane === gateway!.commands ? 'out' : 'reply', ({ data }) =>
        order.push(Buffer.from(data).toString()),
      );
    }
    await world.run(5);
    for (let i = 0; i < 40; i += 1) {
      worker!.control.publish('reply', Buffer.from(`reply${i}`));
      worker!.commands.publish('out', Buffer.from(`event${i}`));
    }
    await world.run(50);
    const overtaken = Array.from({ length: 40 }, (_, i) => order.indexOf(`event${i}`) < order.indexOf(`reply${i}`));
    expect(overtaken.filter(Boolean).length).toBeGreaterThan(5);
  });
});

describe('a former owner that does not know it yet', () => {
  /** It has its share of the commands, cursors among them, which it would answer by an end that is not the log's. */
  it.each([1, 2, 3, 4, 5, 6])('does not keep a gateway from following the new one (%i)', async (seed) => {
    const { world, cluster, load, old, next } = await openScene({}, seed);
    cluster.give(SLOT, next, true);
    await world.run(60);
    old.deafen(SLOT);
    await world.run(5);
    await load.settle();
  });

  it.each([1, 2, 3, 4, 5, 6])('does not send a gateway back to its own end (%i)', async (seed) => {
    const { world, cluster, load, poster, old, next } = await openScene({}, seed);
    const { shell } = cluster.gateways[0]!;
    old.deafen(SLOT);
    await world.run(5);
    cluster.give(SLOT, next, true);
    for (let i = 0; i < 3; i += 1) void poster.post(CHANNEL, ALICE, `p${i}`);
    await world.until('posts are answered', 500, () => poster.open === 0);
    old.listen(SLOT);
    for (let i = 0; i < 6; i += 1) {
      shell.post({ kind: 'rows-changed', slots: [SLOT] });
      await world.run(10);
    }
    await load.settle();
    expect(world.history.counts.get('resync')).toBeUndefined();
  });
});

describe('a subject that was emptied', () => {
  it('is a fault: nothing begins again at 1', async () => {
    const { world, poster } = await openScene();
    world.hub.streams.purge('BELFRY_LOG_0', LOG_SUBJECT, Number.MAX_SAFE_INTEGER);
    void poster.post(CHANNEL, ALICE, 'after');
    await expect(world.run(1_000)).rejects.toThrow(/log_broken/);
    expect(world.book.seqOf(CHANNEL, ALICE, 'after')).toBeUndefined();
  });
});

describe('a watch that stays deaf', () => {
  it('does not keep a worker from taking over what the table gives it', async () => {
    const world = new SimWorld({ seed: 1 });
    await world.provision();
    const cluster = new RealCluster(world);
    const [first] = [cluster.startWorker(), cluster.startWorker({ deaf: true })];
    cluster.startGateway('gateway1');
    await world.until('a new cluster serves', 3_000, () => cluster.settled);
    const load = new SimLoad(world, () => cluster.gateways, 1);
    await load.start();
    cluster.kill(first!);
    const tookMs = await world.until(
      'the deaf one serves all',
      2_000,
      () => cluster.alive[0]?.sim.open.size === SIM_SLOTS,
    );
    expect(tookMs).toBeLessThan(2_000);
    await load.settle();
  });

  it('does not keep a gateway from following slots to their new owner', async () => {
    const world = new SimWorld({ seed: 1 });
    await world.provision();
    const cluster = new RealCluster(world);
    const [first] = [cluster.startWorker(), cluster.startWorker()];
    cluster.startGateway('gateway1', { deaf: true });
    await world.until('a new cluster serves', 3_000, () => cluster.settled);
    const load = new SimLoad(world, () => cluster.gateways, 3);
    await load.start();
    cluster.kill(first!);
    const follows = () =>
      cluster.viewOf('gateway1') === Math.max(...cluster.alive.map(({ node }) => node.table().view));
    await world.until('all slots are served', 2_000, () => cluster.alive[0]?.sim.open.size === SIM_SLOTS);
    // The next heartbeat of a worker names the view.
    await world.until('the deaf one has the newest table', 250, follows);
    for (let i = 0; i < 20; i += 1) load.act();
    await load.settle();
  });
});
