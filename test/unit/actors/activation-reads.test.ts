/**
 * What it costs a new owner to bring a busy stream to life. With up to 255 records to read for each of its streams, a worker
 * that took over from a killed one was busy reading for half a second, longer with every minute that a cluster ran.
 */
import { afterEach, expect, test } from 'vitest';
import type { Mutation } from '../../../actors/channel-decide.ts';
import type { Broker, RecordStore } from '../../../broker/broker.ts';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { ManualClock, systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { ALICE, BOB, channelMeta, GENERAL, LabClient, LabWorker, mutation, post } from '../../support/actor-lab.ts';

const POSTS = 230;
const slot = slotOf(GENERAL);
const workers: LabWorker[] = [];
const clock = new ManualClock();
let reads = 0;

afterEach(() => {
  for (const worker of workers.splice(0)) worker.stop();
});

/** The broker of a worker, with its reads of single records counted. */
function counted(broker: Broker): Broker {
  const { records } = broker;
  const at: RecordStore['at'] = (stream, sequence) => {
    reads += 1;
    return records.at(stream, sequence);
  };
  const counting: RecordStore = { append: records.append.bind(records), last: records.last.bind(records), at };
  return Object.create(broker, { records: { value: counting } }) as Broker;
}

function nextOwner(hub: MemoryBrokerHub, epoch: number): LabWorker {
  for (const worker of workers.splice(0)) worker.stop();
  const name = `worker-${epoch}`;
  const worker = new LabWorker(counted(hub.connect(name)), name, clock);
  workers.push(worker);
  worker.own(slot, epoch);
  return worker;
}

test('it reads few records, whatever came before, and remembers all of it', async () => {
  const hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  const webapp = new LabClient(hub.connect('webapp'), 'webapp');
  /** Time passes until the answer is there, and long enough for a snapshot. */
  const ask = async (command: Mutation): Promise<unknown> => {
    let answer: unknown;
    void webapp.ask(GENERAL, command).then((result) => (answer = result));
    while (answer === undefined) await clock.advanceAndSettle(limits.snapshotPauseMs);
    return answer;
  };
  nextOwner(hub, 1);
  await ask({ kind: 'open', meta: channelMeta(), members: [ALICE], mutation: mutation('open') });
  for (let n = 0; n < POSTS; n += 1) {
    if (n === 100) await ask({ kind: 'join', user: BOB, mutation: mutation('join') });
    await ask(post(ALICE, 'text', n));
  }
  for (const epoch of [2, 3]) {
    nextOwner(hub, epoch);
    reads = 0;
    expect(await ask(post(ALICE, 'text', POSTS - 1))).toMatchObject({ seq: POSTS + 2 });
    expect(reads).toBeLessThanOrEqual(limits.snapshotIncrementEveryCount);
    expect(await ask(post(BOB, 'text', `${epoch}`))).toMatchObject({ seq: POSTS + 1 + epoch });
  }
});
