/**
 * A worker takes slots over that hundreds of gateways' subscriptions come with: posts go first, subscriptions activate
 * nothing, and cursors are verified at a bounded rate.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import type { ChannelId, StreamId } from '../../../protocol/ids.ts';
import { ALICE, channelMeta, LabClient, LabGateway, LabWorker, mutation, post } from '../../support/actor-lab.ts';
import { until } from '../../support/until.ts';

const SUBSCRIBED = 100_000;
const BUSY = 20;
/** Cursors that are verified while posts are measured. */
const CHECKED = 1_500;

const coldChannel = (n: number) => `C${String(n).padStart(8, '0')}` as ChannelId;
const busyChannel = (n: number) => `C0BUSY${String(n).padStart(4, '0')}` as ChannelId;

let hub: MemoryBrokerHub;
let worker: LabWorker;
let gateway: LabGateway;
let webapp: LabClient;

beforeEach(async () => {
  hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  webapp = new LabClient(hub.connect('webapp'), 'webapp');
  gateway = new LabGateway(hub.connect('gateway'), 'gateway');
  const before = new LabWorker(hub.connect('worker-1'), 'worker-1', systemClock);
  before.ownAll(1);
  for (let n = 0; n < BUSY; n += 1) await open(busyChannel(n));
  await open(coldChannel(7));
  before.stop();
  worker = new LabWorker(hub.connect('worker-2'), 'worker-2', systemClock);
  worker.ownAll(2);
});
afterEach(() => worker.stop());

async function open(channel: ChannelId): Promise<void> {
  const meta = channelMeta(channel, { name: channel.toLowerCase() });
  await webapp.ask(channel, { kind: 'open', meta, members: [ALICE], mutation: mutation(`o-${channel}`) });
}

/** The gateway's cursors of all subscribed channels, as it sends them: one command per slot. */
function sendCursors(): Promise<unknown> {
  const bySlot = new Map<number, [StreamId, number][]>();
  for (let n = 0; n < SUBSCRIBED; n += 1) {
    const channel = coldChannel(n);
    const entries = bySlot.get(slotOf(channel)) ?? [];
    entries.push([channel, n === 7 ? 1 : 0]);
    bySlot.set(slotOf(channel), entries);
  }
  const { client, ref } = gateway;
  return Promise.all(
    [...bySlot].map(([slot, entries]) => client.router.toSlot(slot, { kind: 'cursors', gateway: ref, entries })),
  );
}

async function waiting(): Promise<number> {
  const text = await worker.metrics.registry.metrics();
  return Number(/^belfry_cursor_checks_waiting\S* (\d+)/m.exec(text)?.[1]);
}

describe(`taking over slots with ${SUBSCRIBED} subscriptions`, () => {
  test('keeps answering posts, activates nothing that is not asked for, and verifies cursors at a bounded rate', async () => {
    const sent = sendCursors();
    const latencies: number[] = [];
    const startMs = performance.now();
    for (let n = 0; SUBSCRIBED - (await waiting()) < CHECKED || n < 100; n += 1) {
      // The next turn of the event loop: posts come from other processes.
      await nextTurn();
      const fromMs = performance.now();
      await webapp.ask(busyChannel(n % BUSY), post(ALICE, `p${n}`, `p-${n}`));
      latencies.push(performance.now() - fromMs);
    }
    await sent;
    latencies.sort((a, b) => a - b);
    const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
    const left = await waiting();
    const checked = SUBSCRIBED - left;
    const seconds = (performance.now() - startMs) / 1_000;
    console.info(
      `posts p50 ${latencies[latencies.length >> 1]?.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms; ${checked} cursors checked in ${seconds.toFixed(1)} s`,
    );
    // Posts do not wait behind a hundred thousand reads, which take more than a minute.
    expect(left).toBeGreaterThan(SUBSCRIBED / 2);
    expect(checked).toBeLessThan(limits.cursorChecksPerSecondMax * (seconds + 1) * 1.5);
    expect(p99Ms).toBeLessThan(500);
    expect(worker.host.actorCount()).toBeLessThanOrEqual(BUSY + 2);
  }, 30_000);

  test('sends what is posted to a subscribed channel before its cursor was verified', async () => {
    await sendCursors();
    await webapp.ask(coldChannel(7), post(ALICE, 'live', 'live'));
    await until('the event', () => gateway.seqs(coldChannel(7)).includes(2));
    expect(await waiting()).toBeGreaterThan(0);
  }, 30_000);
});
