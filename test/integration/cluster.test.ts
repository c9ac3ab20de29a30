/** Worker processes on a real nats-server: shares, a kill, a freeze, a drain, a restart of the broker. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { lookAtCluster, type ClusterInfo } from '../../cluster/cluster-info.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import { requestDrain } from '../../cluster/drain-request.ts';
import { startMemberNode, type MemberNode } from '../../cluster/member-node.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { systemRng } from '../../platform/rng.ts';
import { makeIncarnation, parseNodeId, type Incarnation } from '../../protocol/ids.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

const CHILD = fileURLToPath(new URL('../support/cluster-worker.mjs', import.meta.url));

/**
 * Wall-clock time on a machine that runs other tests beside this one. The bounds of G7 are held in manual time by
 * test/unit/cluster/cluster-history.test.ts.
 */
const takeOverMsMax = 4_000;

interface Worker {
  readonly name: string;
  readonly process: ChildProcess;
  readonly events: { readonly event: string; readonly incarnation?: Incarnation }[];
}

let server: TestNatsServer;
let broker: Broker;
let member: MemberNode;
let router: CommandRouter;
const workers = new Map<string, Worker>();

function startWorker(name: string): Worker {
  const { url, users } = server;
  const args = [CHILD, url, 'worker', users.worker.password, users.sys.password, name];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const worker: Worker = { name, process: child, events: [] };
  createInterface({ input: child.stdout }).on('line', (line) =>
    worker.events.push(JSON.parse(line) as { event: string }),
  );
  workers.set(name, worker);
  return worker;
}

const isReady = (worker: Worker) => worker.events.some(({ event }) => event === 'ready');
const incarnationOf = (worker: Worker) =>
  worker.events.find(({ incarnation }) => incarnation !== undefined)!.incarnation!;
const look = (): Promise<ClusterInfo> => lookAtCluster(broker, systemClock, silentLogger);

/** How long to wait, not how long it may take: a machine that also runs other suites is slow. */
const settleMs = 25_000;

/** Shares are even and nothing is on its way. */
async function settled(count: number): Promise<ClusterInfo> {
  return until(
    `${count} workers to share the slots`,
    async () => {
      const info = await look();
      const slots = info.workers.map((worker) => worker.slots);
      const isEven = slots.length === count && Math.max(...slots) - Math.min(...slots) <= 1;
      return isEven && info.slots.owned === 4_096 ? info : undefined;
    },
    settleMs,
  );
}

async function ask(slot: number): Promise<{ by: string; epoch: number }> {
  const outcome = await router.toSlot(slot, { kind: 'query-presence', users: [] });
  if (!outcome.ok) throw new Error(`slot ${slot}: ${JSON.stringify(outcome.failure)}`);
  return outcome.result as unknown as { by: string; epoch: number };
}

/** A sample of a worker's slots, from all over the table. */
function slotsOf(worker: Worker): readonly number[] {
  const slots = member.table().slotsOf(incarnationOf(worker));
  return slots.filter((_, i) => i % 32 === 0);
}

/** A slow machine may have fenced some in an earlier hand-off. */
const fencedSlots = (): number => member.table().rows.filter(({ fence }) => fence).length;

async function answeredByOthers(slots: readonly number[], victim: Worker): Promise<number> {
  const startMs = performance.now();
  const answers = await Promise.all(slots.map(ask));
  expect(answers.some(({ by }) => by === victim.name)).toBe(false);
  return performance.now() - startMs;
}

beforeAll(async () => {
  server = await startNatsServer();
  const servers = [server.url];
  await provisionNats({ servers, ...server.users.admin, incarnation: 'init' }, { partitions: 1, replicas: 1 });
  const id = parseNodeId('probe')!;
  const incarnation = makeIncarnation(id, systemRng);
  broker = await connectNats({ servers, ...server.users.webapp, incarnation, records: false });
  for (const name of ['w1', 'w2', 'w3']) startWorker(name);
  member = startMemberNode({
    broker,
    entry: {
      id,
      incarnation,
      role: 'webapp',
      zone: '',
      weight: 1,
      region: '',
      publicUrl: '',
      adminUrl: '',
      pid: process.pid,
      version: '0',
      startedAt: systemClock.wallMs(),
    },
    clock: systemClock,
    logger: silentLogger,
    load: () => 0,
  });
  router = new CommandRouter({ lane: broker.commands, self: incarnation, clock: systemClock, logger: silentLogger });
  await member.ready;
  await until('three workers', () => [...workers.values()].every(isReady));
  await settled(3);
});

afterAll(async () => {
  router?.close();
  await member?.stop();
  for (const { process: child } of workers.values()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await broker?.close();
  await server?.stop();
});

describe('worker processes', () => {
  it('share all slots and answer for them', async () => {
    const answers = await Promise.all(Array.from({ length: 256 }, (_, i) => ask(i * 16)));
    expect(new Set(answers.map(({ by }) => by))).toEqual(new Set(['w1', 'w2', 'w3']));
  });

  it('take a killed one over, with its connections known to be closed', async () => {
    const victim = workers.get('w1')!;
    const slots = slotsOf(victim);
    expect(slots.length).toBeGreaterThan(20);
    const fenced = fencedSlots();
    victim.process.kill('SIGKILL');
    expect(await answeredByOthers(slots, victim)).toBeLessThan(takeOverMsMax);
    expect(fencedSlots()).toBe(fenced);
  });

  it('give a new one its share while every command is answered', async () => {
    const joiner = startWorker('w4');
    let isDone = false;
    const asking = (async () => {
      for (let i = 0; !isDone; i = (i + 37) % 4_096) await ask(i);
    })();
    await until('the joiner to be ready', () => isReady(joiner));
    await settled(3);
    isDone = true;
    await asking;
  });

  it('evict a frozen one, and it ends by itself when it wakes', async () => {
    const victim = workers.get('w2')!;
    const slots = slotsOf(victim);
    victim.process.kill('SIGSTOP');
    expect(await answeredByOthers(slots, victim)).toBeLessThan(takeOverMsMax);
    const ended = once(victim.process, 'exit');
    victim.process.kill('SIGCONT');
    expect((await ended)[0]).toBe(3);
    expect(victim.events.some(({ event }) => event === 'evicted')).toBe(true);
  });

  it('hand everything off when one is asked to drain', async () => {
    startWorker('w5');
    await settled(3);
    const drained = workers.get('w3')!;
    const slots = slotsOf(drained);
    const ended = once(drained.process, 'exit');
    expect((await requestDrain(broker, parseNodeId('w3')!, silentLogger)).kind).toBe('accepted');
    let isEnded = false;
    const asking = (async () => {
      for (let i = 0; !isEnded; i = (i + 1) % slots.length) await ask(slots[i]!);
    })();
    expect((await ended)[0]).toBe(0);
    isEnded = true;
    await asking;
    await settled(2);
  });

  it('serve again by themselves after the broker was killed and came back, none of them evicted', async () => {
    const before = member.table().rows.map(({ epoch }) => epoch);
    await server.kill();
    await server.start();
    await Promise.all(Array.from({ length: 64 }, (_, i) => ask(i * 64)));
    await settled(2);
    expect(member.table().rows.map(({ epoch }) => epoch)).toEqual(before);
  });
});
