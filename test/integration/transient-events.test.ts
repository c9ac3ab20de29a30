/** Typing and presence on both brokers: told, and nowhere kept (G9). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { subjects } from '../../broker/subjects.ts';
import { slotOf } from '../../cluster/slots.ts';
import { systemClock } from '../../platform/clock.ts';
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
} from '../support/actor-lab.ts';
import { memoryWorld, natsWorld, type BrokerWorld } from '../support/broker-worlds.ts';
import { until } from '../support/until.ts';

const SLOT = slotOf(GENERAL);

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('what is transient, %s', (_name, makeWorld) => {
  let world: BrokerWorld;
  let worker: LabWorker;
  let broker: Broker;
  let webapp: LabClient;
  let gateway: LabGateway;

  beforeAll(async () => {
    world = await makeWorld();
    broker = await world.connect('worker-1');
    worker = new LabWorker(broker, 'worker-1', systemClock);
    worker.ownAll();
    webapp = new LabClient(await world.connect('webapp-1', 'webapp'), 'webapp-1');
    gateway = new LabGateway(await world.connect('gateway-1', 'gateway'), 'gateway-1');
    await broker.commands.flush(2_000);
    const open = { kind: 'open', meta: channelMeta(), members: [ALICE, BOB], mutation: mutation('open') } as const;
    await webapp.ask(GENERAL, open);
    const { ref } = gateway;
    await gateway.client.askSlot(GENERAL, { kind: 'admit', gateway: ref, entries: [[ALICE, GENERAL]] });
    await gateway.client.askSlot(BOB, { kind: 'watch-presence', gateway: ref, users: [BOB] });
  });
  afterAll(async () => {
    worker.stop();
    await world.close();
  });

  /** Where the channel's newest record stands in the stream that holds the logs of all. */
  async function logEnd(): Promise<number> {
    const read = await broker.records.last(subjects.logStream(1, SLOT), subjects.log(1, SLOT, GENERAL));
    return read.kind === 'found' ? read.record.sequence : 0;
  }

  let at = 0;
  /** Bob has so many sessions at the gateway now. */
  const sessions = (count: number, idle = false) => {
    const command = { kind: 'sessions', gateway: gateway.ref, at: ++at, entries: [[BOB, count, idle]] } as const;
    return gateway.client.askSlot(BOB, command);
  };
  const told = () => gateway.of('presence').map(({ presence }) => presence);

  test('is told, and no log of any stream grows by it', async () => {
    const before = await webapp.ask(GENERAL, post(ALICE, 'before', 'before'));
    const end = await logEnd();
    for (const user of [ALICE, BOB]) await webapp.ask(GENERAL, { kind: 'typing', user });
    await until('both to be seen typing', () => gateway.of('transient').length === 2);
    await sessions(1);
    await until('bob to be active', () => told().at(-1) === 'active');
    await sessions(1, true);
    await sessions(0);
    expect(await logEnd()).toBe(end);
    const after = await webapp.ask(GENERAL, post(ALICE, 'after', 'after'));
    expect(after.seq).toBe(before.seq + 1);
    // The next sequence of the whole stream: nothing was appended for anybody in between.
    expect(await logEnd()).toBe(end + 1);
  });
});
