/** Whole histories of a cluster in manual time over the in-memory broker: start, join, crash, freeze, drain. */
import { describe, expect, it } from 'vitest';
import { BUCKET_CLUSTER } from '../../../broker/subjects.ts';
import { requestDrain } from '../../../cluster/drain-request.ts';
import { lookAtCluster } from '../../../cluster/cluster-info.ts';
import { startMemberNode } from '../../../cluster/member-node.ts';
import { nodeKey } from '../../../cluster/own-node.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { NodeId } from '../../../protocol/ids.ts';
import { ClusterLab } from '../../support/cluster-lab.ts';

async function startLab(names: readonly string[], options: { system?: boolean; slots?: number } = {}) {
  const lab = new ClusterLab(options);
  const workers = names.map((name) => lab.startWorker(name));
  await lab.settled();
  return { lab, workers };
}

/** `target` with some of its methods replaced. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  const own = (key: string | symbol): unknown => Reflect.get(methods, key);
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = own(key) ?? Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

describe('a cluster', () => {
  it('shares the slots among workers that start together, without moving any', async () => {
    const { lab } = await startLab(['a', 'b', 'c'], { slots: 4_096 });
    expect(lab.shares().toSorted((a, b) => a - b)).toEqual([1_365, 1_365, 1_366]);
    const table = lab.workers[0]!.node.table();
    expect(new Set(table.rows.map(({ epoch }) => epoch))).toEqual(new Set([1]));
    expect(table.rows.some(({ fence }) => fence)).toBe(false);
    for (const { node } of lab.workers) await node.ready;
    expect(lab.workers.filter(({ node }) => node.isRingManager())).toHaveLength(1);
    await lab.stop();
  });

  it('gives a joiner its share by hand-off, and nobody else moves', async () => {
    const { lab } = await startLab(['a', 'b'], { slots: 4_096 });
    const before = lab.workers[0]!.node.table().rows;
    lab.startWorker('c');
    await lab.until('the joiner to own its share', () => lab.shares()[2] === 1_365, 5_000);
    await lab.settled();
    const after = lab.workers[0]!.node.table().rows;
    const moved = after.filter(({ owner }, slot) => owner !== before[slot]!.owner);
    expect(moved).toHaveLength(1_365);
    expect(moved.every(({ owner }) => owner === lab.workers[2]!.incarnation)).toBe(true);
    expect(moved.every(({ epoch, fence }) => epoch === 2 && !fence)).toBe(true);
    await lab.stop();
  });

  it.each([0, 1, 2])('takes a killed worker over within a second, whoever it is (%i)', async (which) => {
    const { lab, workers } = await startLab(['a', 'b', 'c']);
    lab.kill(workers[which]!);
    const tookMs = await lab.settled();
    expect(tookMs).toBeLessThan(500);
    expect(lab.shares()).toEqual([128, 128]);
    const { rows } = lab.workers[0]!.node.table();
    expect(rows.some(({ fence }) => fence)).toBe(false);
    await lab.stop();
  });

  it('takes a killed worker over without a system account too, and fences', async () => {
    const { lab, workers } = await startLab(['a', 'b', 'c'], { system: false });
    const victim = workers.find(({ node }) => !node.isRingManager())!;
    const orphaned = victim.node.owned();
    lab.kill(victim);
    expect(await lab.settled()).toBeLessThan(1_000);
    const table = lab.workers[0]!.node.table();
    expect(orphaned.every((slot) => table.row(slot).fence)).toBe(true);
    await lab.stop();
  });

  it.each([true, false])(
    'evicts a frozen worker, which finds out when it wakes (ring manager: %s)',
    async (manager) => {
      const { lab, workers } = await startLab(['a', 'b', 'c']);
      const frozen = workers.find(({ node }) => node.isRingManager() === manager)!;
      lab.freeze(frozen);
      const others = lab.workers.filter((worker) => worker !== frozen);
      const isTakenOver = () => others.reduce((sum, { node }) => sum + node.owned().length, 0) === 256;
      expect(await lab.until('the others to own everything', isTakenOver, 2_000)).toBeLessThan(1_500);
      lab.thaw(frozen);
      expect(frozen.host.serving).toBe(false);
      await lab.until('the frozen one to learn of its death', () => frozen.evicted, 1_000);
      expect(frozen.host.open_.size).toBe(0);
      lab.workers.splice(lab.workers.indexOf(frozen), 1);
      await lab.settled();
      await lab.stop();
    },
  );

  it('lets a briefly stalled worker confirm itself and go on', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    const stalled = workers.find(({ node }) => !node.isRingManager())!;
    lab.freeze(stalled);
    await lab.run(250);
    lab.thaw(stalled);
    const hasPaused = () => stalled.logs.some(({ event }) => event === 'serving_paused');
    await lab.until('it to notice', hasPaused, 100);
    await lab.until('it to serve again', () => stalled.host.serving, 500);
    expect(stalled.evicted).toBe(false);
    expect(lab.shares()).toEqual([128, 128]);
    await lab.stop();
  });

  it('hands everything off when a worker drains, without a fence', async () => {
    const { lab, workers } = await startLab(['a', 'b', 'c']);
    const drained = workers[0]!;
    let isDone = false;
    void drained.node.drain().then(() => (isDone = true));
    await lab.until('the drain to end', () => isDone, 5_000);
    expect(drained.host.open_.size).toBe(0);
    expect(lab.shares().slice(1)).toEqual([128, 128]);
    const { rows } = workers[1]!.node.table();
    expect(rows.some(({ fence }) => fence)).toBe(false);
    await lab.stop();
  });

  it('ends a drain when nobody is there to take over', async () => {
    const { lab, workers } = await startLab(['a']);
    let isDone = false;
    void workers[0]!.node.drain().then(() => (isDone = true));
    await lab.until('the drain to end', () => isDone, 1_000);
    expect(workers[0]!.host.open_.size).toBe(0);
    await lab.stop();
  });

  it('answers every command through joins, drains and kills, in the order of the epochs', async () => {
    const { lab, workers } = await startLab(['a', 'b', 'c']);
    const router = lab.startRouter('web');
    let isOver = false;
    const failures: unknown[] = [];
    const send = async (slot: number): Promise<void> => {
      while (!isOver) {
        const outcome = await router.toSlot(slot, { kind: 'query-presence', users: [] });
        if (!outcome.ok) failures.push(outcome.failure);
        await lab.clock.sleep(20);
      }
    };
    const senders = Array.from({ length: 64 }, (_, i) => send(i * 4));
    await lab.run(200);
    lab.startWorker('d');
    await lab.until('the joiner to own its share', () => lab.shares()[3] === 64, 5_000);
    void workers[0]!.node.drain();
    await lab.until('the drained one to be empty', () => workers[0]!.host.open_.size === 0, 5_000);
    lab.kill(workers[1]!);
    await lab.run(1_000);
    isOver = true;
    await lab.run(100);
    await Promise.all(senders);
    expect(failures).toEqual([]);
    expect(new Set(lab.answers.map(({ by }) => by))).toEqual(new Set(['a', 'b', 'c', 'd']));
    await lab.stop();
  });

  it('survives a restart of the broker without declaring anybody dead', async () => {
    const { lab, workers } = await startLab(['a', 'b', 'c']);
    const epochs = workers[0]!.node.table().rows.map(({ epoch }) => epoch);
    lab.hub.stop();
    await lab.run(700);
    expect(workers.every(({ host }) => !host.serving)).toBe(true);
    lab.hub.start();
    await lab.until('everyone to serve again', () => workers.every(({ host }) => host.serving), 1_000);
    await lab.run(2_000);
    expect(workers.some(({ evicted }) => evicted)).toBe(false);
    expect(workers[0]!.node.table().rows.map(({ epoch }) => epoch)).toEqual(epochs);
    await lab.stop();
  });

  it('lets a gateway that was declared dead know, though the bucket does not answer it at first', async () => {
    const { lab } = await startLab(['a', 'b']);
    const entry = lab.entry('gateway-1', 'gateway', {});
    const broker = lab.hub.connect(entry.incarnation);
    const bucket = broker.kv(BUCKET_CLUSTER);
    let isAnswered = true;
    const unavailable = { kind: 'unavailable', cause: new Error('down') } as const;
    const get = (key: string) => (isAnswered ? bucket.get(key) : Promise.resolve(unavailable));
    const node = startMemberNode({
      ...{ entry, logger: silentLogger, clock: lab.clock, load: () => 0 },
      broker: overriding(broker, { kv: () => overriding(bucket, { get }) }),
    });
    let isEvicted = false;
    node.onEvicted(() => (isEvicted = true));
    await lab.until('the gateway to be a member', () => node.gateways().length === 1, 2_000);
    isAnswered = false;
    await bucket.delete(nodeKey('gateway', entry.incarnation));
    await lab.run(1_000);
    expect(isEvicted).toBe(false);
    isAnswered = true;
    await lab.until('the gateway to know', () => isEvicted, 1_000);
    await lab.stop();
  });

  it('takes a single lost connection that comes back for what it is', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    const blipped = workers.find(({ node }) => !node.isRingManager())!;
    lab.hub.cut(blipped.incarnation, 'control');
    await lab.run(1_000);
    expect(blipped.evicted).toBe(false);
    expect(blipped.host.serving).toBe(true);
    await lab.stop();
  });

  it('takes over from a cluster that was killed as a whole', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    for (const worker of workers) lab.kill(worker);
    lab.startWorker('c');
    expect(await lab.settled()).toBeLessThan(2_500);
    expect(lab.shares()).toEqual([256]);
    await lab.stop();
  });

  it('gives no slots to a worker whose clock is off', async () => {
    const lab = new ClusterLab();
    lab.startWorker('a');
    lab.startWorker('b');
    const off = lab.startWorker('c', { wallOffsetMs: 60_000 });
    await lab.settled();
    expect(off.node.owned()).toEqual([]);
    expect(lab.shares()).toEqual([128, 128, 0]);
    await lab.stop();
  });

  it('drops a slot that its owner cannot finish in time, and fences it', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    workers[0]!.host.closing = new Promise(() => {});
    lab.startWorker('c');
    await lab.until('the joiner to own its share', () => lab.shares()[2] === 85, 10_000);
    const table = workers[1]!.node.table();
    const moved = table.slotsOf(lab.workers[2]!.incarnation).map((slot) => table.row(slot));
    expect(moved.some(({ fence }) => fence)).toBe(true);
    expect(moved.some(({ fence }) => !fence)).toBe(true);
    expect(workers[0]!.evicted).toBe(false);
    await lab.stop();
  });

  it('raises the epoch of an owner whose log shows a higher one, and fences', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    const slot = workers[0]!.node.owned()[0]!;
    workers[0]!.host.fenced!(slot, 41);
    await lab.until('the epoch to rise', () => workers[0]!.host.open_.get(slot)?.epoch === 42, 1_000);
    expect(workers[0]!.host.open_.get(slot)?.fence).toBe(true);
    await lab.stop();
  });

  it('drains a node by its name when it is asked to', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    let isAsked = false;
    workers[1]!.node.onDrainRequested(() => (isAsked = true));
    const broker = lab.hub.connect('operator');
    const asked = requestDrain(broker, 'b' as NodeId, silentLogger);
    await lab.run(50);
    expect((await asked).kind).toBe('accepted');
    expect(isAsked).toBe(true);
    expect((await requestDrain(broker, 'nobody' as NodeId, silentLogger)).kind).toBe('not-found');
    await lab.stop();
  });

  it('tells members which slots are served anew, once an epoch', async () => {
    const { lab } = await startLab(['a', 'b']);
    const gateway = lab.startMember('g', 'gateway');
    const served: number[][] = [];
    gateway.onSlotsServed((slots) => served.push([...slots]));
    await lab.run(200);
    await gateway.ready;
    expect(served.map((slots) => slots.length)).toEqual([256]);
    lab.startWorker('c');
    await lab.until('the joiner to own its share', () => lab.shares()[2] === 85, 5_000);
    await lab.run(200);
    expect(served.flat()).toHaveLength(256 + 85);
    expect(gateway.gateways().map(({ region }) => region)).toEqual(['local']);
    await gateway.stop();
    await lab.stop();
  });

  it('shows itself to an operator who is no member', async () => {
    const { lab } = await startLab(['a', 'b']);
    const look = lookAtCluster(lab.hub.connect('operator'), lab.clock, silentLogger);
    await lab.run(300);
    const info = await look;
    expect(info.workers.map(({ id, state, slots }) => ({ id, state, slots }))).toEqual([
      { id: 'a', state: 'serving', slots: 128 },
      { id: 'b', state: 'serving', slots: 128 },
    ]);
    expect(info.slots).toEqual({ total: 256, owned: 256, handoff: 0, orphaned: 0 });
    await lab.stop();
  });

  it('tells hosts of a gateway whose life ended', async () => {
    const { lab, workers } = await startLab(['a', 'b']);
    const gateway = lab.startMember('g', 'gateway');
    await lab.run(200);
    const { incarnation } = workers[0]!.node.membership.nodes('gateway')[0]!.entry;
    const stopped = gateway.stop();
    await lab.run(50);
    await stopped;
    expect(workers.every(({ host }) => host.gateways.includes(incarnation))).toBe(true);
    await lab.stop();
  });
});
