/**
 * What a worker does with the log of a release that it does not know: nothing. It says so, and neither reads past the
 * record nor writes behind it, so that a worker of that release goes on where it was.
 */
import { afterEach, expect, test } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { subjects } from '../../../broker/subjects.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { systemClock } from '../../../platform/clock.ts';
import { decode, encode } from '../../../protocol/codec.ts';
import { ALICE, channelMeta, GENERAL, LabClient, LabWorker, mutation, post } from '../../support/actor-lab.ts';

const slot = slotOf(GENERAL);
const stream = subjects.logStream(1, slot);
const subject = subjects.log(1, slot, GENERAL);
const workers: LabWorker[] = [];

afterEach(() => {
  for (const worker of workers.splice(0)) worker.stop();
});

function nextOwner(hub: MemoryBrokerHub, epoch: number): LabWorker {
  for (const worker of workers.splice(0)) worker.stop();
  const worker = new LabWorker(hub.connect(`worker-${epoch}`), `worker-${epoch}`, systemClock);
  workers.push(worker);
  // Alice's own list too: who opens a channel waits until it is in there.
  for (const owned of new Set([slot, slotOf(ALICE)])) worker.own(owned, epoch);
  return worker;
}

test('a channel with a record of another format is unavailable, and stays as it is', async () => {
  const hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  const { records } = hub.connect('next-release');
  const last = async () => {
    const read = await records.last(stream, subject);
    if (read.kind !== 'found') throw new Error('the log has no record');
    return read.record;
  };
  nextOwner(hub, 1);
  const webapp = new LabClient(hub.connect('webapp'), 'webapp');
  await webapp.ask(GENERAL, { kind: 'open', meta: channelMeta(), members: [ALICE], mutation: mutation('open') });
  const { sequence, data } = await last();
  const [format, ...rest] = decode('record', data, data.length) as [number, ...unknown[]];
  const written = await records.append(subject, encode([format + 1, ...rest]), sequence, 1_000);
  if (written.kind !== 'stored') throw new Error(written.kind);

  const worker = nextOwner(hub, 2);
  expect(await webapp.refusal(GENERAL, post(ALICE, 'hello', 1))).toMatchObject({ kind: 'retryable' });
  expect(worker.logs.some(({ event }) => event === 'log_unusable')).toBe(true);
  expect((await last()).sequence).toBe(written.sequence);
});
