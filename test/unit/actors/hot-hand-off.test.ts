/** A planned hand-off of one slot between two hosts: what the old owner leaves, and that nobody depends on it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import fc from 'fast-check';
import type { Broker } from '../../../broker/broker.ts';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { HotBudget } from '../../../cluster/hot-budget.ts';
import type { HotChunks } from '../../../cluster/slot-host.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import type { ChannelId, Incarnation } from '../../../protocol/ids.ts';
import {
  ALICE,
  BOB,
  channelMeta,
  GENERAL,
  LabClient,
  LabGateway,
  LabWorker,
  mutation,
  post,
} from '../../support/actor-lab.ts';
import { until } from '../../support/until.ts';

const SLOT = slotOf(GENERAL);

let hub: MemoryBrokerHub;
let webapp: LabClient;
let gateway: LabGateway;
let workers: LabWorker[];
let logReads: number;

beforeEach(async () => {
  hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  webapp = new LabClient(hub.connect('webapp'), 'webapp');
  gateway = new LabGateway(hub.connect('gateway'), 'gateway');
  workers = [];
  logReads = 0;
});
afterEach(() => {
  for (const worker of workers) worker.stop();
});

function startWorker(name: string): LabWorker {
  const worker = new LabWorker(countingReads(hub.connect(name)), name, systemClock);
  worker.host.gatewaysAlive(new Map([[gateway.ref.incarnation, gateway.ref.region]]));
  workers.push(worker);
  return worker;
}

function countingReads(broker: Broker): Broker {
  const { records } = broker;
  const counted =
    <A extends unknown[], R>(read: (...args: A) => R) =>
    (...args: A): R => {
      if (args.some((arg) => String(arg).includes(GENERAL))) logReads += 1;
      return read.apply(records, args);
    };
  const store = { append: records.append.bind(records), last: counted(records.last), at: counted(records.at) };
  return new Proxy(broker, { get: (target, key) => (key === 'records' ? store : Reflect.get(target, key, target)) });
}

/** From one host to the next, which hears of it what `arrives` lets through. */
async function handOver(
  from: LabWorker,
  to: LabWorker,
  epoch: number,
  arrives: (chunks: HotChunks) => HotChunks = (chunks) => chunks,
): Promise<HotChunks> {
  from.deafen();
  const chunks = (await from.host.close(SLOT, new HotBudget(limits.hotReleaseBytesMax))) ?? [];
  to.host.open(SLOT, { epoch, fence: false }, arrives(chunks));
  return chunks;
}

async function openGeneral(members = [ALICE, BOB]): Promise<void> {
  await webapp.ask(GENERAL, { kind: 'open', meta: channelMeta(), members, mutation: mutation('open') });
}

async function listen(): Promise<void> {
  const command = { kind: 'admit', gateway: gateway.ref, entries: [[BOB, GENERAL]] } as const;
  expect((await gateway.client.askSlot(GENERAL, command)).admissions[0]).toMatchObject({ admitted: true });
}

const say = (text: string, id = text) => webapp.ask(GENERAL, post(ALICE, text, id));
const counted = async (worker: LabWorker, name: string): Promise<number> => {
  const { body } = await worker.metrics.expose();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(body)?.[1]);
};

async function startFirst(): Promise<LabWorker> {
  const first = startWorker('worker-1');
  for (const slot of new Set([GENERAL, ALICE, BOB].map((id) => slotOf(id)))) first.own(slot);
  await openGeneral();
  await listen();
  for (const text of ['one', 'two', 'three']) await say(text);
  return first;
}

describe('the next owner of a slot', () => {
  test('goes on without reading the log, and who listens hears it at once', async () => {
    const first = await startFirst();
    const second = startWorker('worker-2');
    await handOver(first, second, 2);
    logReads = 0;
    expect(await say('four')).toMatchObject({ seq: 5 });
    await until('the event', () => gateway.seqs(GENERAL).at(-1) === 5);
    expect(gateway.seqs(GENERAL)).toEqual([2, 3, 4, 5]);
    expect(logReads).toBe(0);
    expect(await counted(second, 'belfry_activations_hot_total')).toBe(1);
  });

  test('knows the posts before: a repeated one gets its first answer, the last events are read from memory', async () => {
    const first = await startFirst();
    const second = startWorker('worker-2');
    await handOver(first, second, 2);
    logReads = 0;
    expect(await say('two')).toMatchObject({ seq: 3, first: {} });
    const { messages } = await webapp.ask(GENERAL, { kind: 'history', viewer: BOB, limit: 2, inclusive: false });
    expect(messages.map(({ seq }) => seq)).toEqual([4, 3]);
    expect(logReads).toBe(0);
  });

  test('takes it from the next one as well when nobody asked in between', async () => {
    const [first, second, third] = [await startFirst(), startWorker('worker-2'), startWorker('worker-3')];
    await handOver(first, second, 2);
    await handOver(second, third, 3);
    logReads = 0;
    expect(await say('four')).toMatchObject({ seq: 5 });
    await until('the event', () => gateway.seqs(GENERAL).at(-1) === 5);
    expect(logReads).toBe(0);
  });

  test('reads the log when nothing arrived, or nothing that it understands', async () => {
    for (const arrives of [() => [], (chunks: HotChunks) => chunks.map((chunk) => chunk.slice(0, -3))]) {
      const first = await startFirst();
      const second = startWorker('worker-2');
      await handOver(first, second, 2, arrives);
      expect(await say('four')).toMatchObject({ seq: 5 });
      expect(await counted(second, 'belfry_activations_hot_total')).toBe(0);
      for (const worker of workers.splice(0)) worker.stop();
      hub = new MemoryBrokerHub({ clock: systemClock });
      await hub.provision({ partitions: 1, replicas: 1 });
      webapp = new LabClient(hub.connect('webapp'), 'webapp');
      gateway = new LabGateway(hub.connect('gateway'), 'gateway');
    }
  });

  test('finds out by its first append that the log went on, and answers nobody from what it was left', async () => {
    const first = await startFirst();
    const [stale] = [await handOver(first, startWorker('worker-2'), 2)];
    expect(await say('four')).toMatchObject({ seq: 5 });
    const third = startWorker('worker-3');
    await handOver(workers[1]!, third, 3, () => stale);
    expect(await say('four')).toMatchObject({ seq: 5, first: {} });
    expect(await say('five')).toMatchObject({ seq: 6 });
  });

  test('does not count a gateway that it does not know among those who listen', async () => {
    const first = await startFirst();
    const second = startWorker('worker-2');
    second.host.gatewaysAlive(new Map<Incarnation, string>());
    await handOver(first, second, 2);
    await say('four');
    expect(gateway.seqs(GENERAL)).toEqual([2, 3, 4]);
  });
});

test('a stream is gapless over any hand-offs, whatever becomes of the chunks', async () => {
  const step = fc.record({
    posts: fc.integer({ min: 0, max: 3 }),
    fate: fc.constantFrom('arrives', 'lost', 'cut', 'twice'),
    repeats: fc.boolean(),
  });
  const fates: Record<string, (chunks: HotChunks) => HotChunks> = {
    arrives: (chunks) => chunks,
    lost: () => [],
    cut: (chunks) => chunks.map((chunk) => chunk.slice(0, chunk.length >> 1)),
    twice: (chunks) => [...chunks, ...chunks],
  };
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      const channel = `C0RUN${++runs}` as ChannelId;
      const slot = slotOf(channel);
      const open = {
        kind: 'open',
        meta: channelMeta(channel),
        members: [ALICE, BOB],
        mutation: mutation('o'),
      } as const;
      let owner = startWorker(`w-${runs}-0`);
      for (const own of new Set([channel, ALICE, BOB].map((id) => slotOf(id)))) owner.own(own, runs * 10);
      await webapp.ask(channel, open);
      await gateway.client.askSlot(channel, { kind: 'admit', gateway: gateway.ref, entries: [[BOB, channel]] });
      let seq = 1;
      for (const [at, { posts, fate, repeats }] of steps.entries()) {
        for (let i = 0; i < posts; i += 1) {
          expect(await webapp.ask(channel, post(ALICE, 'x', `${at}-${i}`))).toMatchObject({ seq: ++seq });
        }
        if (posts > 0 && repeats) {
          expect(await webapp.ask(channel, post(ALICE, 'x', `${at}-0`))).toMatchObject({ first: {} });
        }
        const next = startWorker(`w-${runs}-${at + 1}`);
        owner.deafen();
        const chunks = (await owner.host.close(slot, new HotBudget(limits.hotReleaseBytesMax))) ?? [];
        next.host.open(slot, { epoch: runs * 10 + at + 1, fence: false }, fates[fate]!(chunks));
        await gateway.client.askSlot(channel, { kind: 'cursors', gateway: gateway.ref, entries: [[channel, seq]] });
        owner = next;
      }
      await webapp.ask(channel, post(ALICE, 'end', 'end'));
      await until('the last event', () => gateway.seqs(channel).includes(seq + 1));
      expect(gateway.seqs(channel)).toEqual(Array.from({ length: seq }, (_, i) => i + 2));
      for (const worker of workers.splice(0)) worker.stop();
    }),
    { numRuns: 25 },
  );
});
