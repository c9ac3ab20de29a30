/** Messaging: K1 to K5, K8 and K9 of broker/broker.ts, over both implementations. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Broker, BrokerLimitError, type BrokerMessage } from '../../broker/broker.ts';
import { COMMAND_QUEUE } from '../../broker/subjects.ts';
import { bytes, flushed, text } from '../support/broker-calls.ts';
import { type BrokerWorld, memoryWorld, natsWorld } from '../support/broker-worlds.ts';

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('messaging %s', (_name, makeWorld) => {
  let world: BrokerWorld;
  let worker: Broker;
  let webapp: Broker;
  let unique = 0;
  const subject = (head: string) => `${head}.t${(unique += 1)}`;
  const log = () => subject('belfry.log.0.7');

  beforeAll(async () => {
    world = await makeWorld();
    worker = await world.connect('worker-1');
    webapp = await world.connect('webapp-1', 'webapp');
  });
  afterAll(() => world.close());

  it('delivers what one lane publishes in publish order, across subjects (K1)', async () => {
    const seen: string[] = [];
    const head = 'belfry.ctl.drain';
    const both = worker.commands.subscribe(`${head}.*`, (message) => void seen.push(text(message.data)));
    await flushed(worker);
    const sent = Array.from({ length: 500 }, (_, i) => String(i));
    for (const [i, body] of sent.entries()) webapp.commands.publish(`${head}.${i % 2}`, bytes(body));
    await vi.waitFor(() => expect(seen).toHaveLength(sent.length));
    expect(seen).toEqual(sent);
    both.unsubscribe();
  });

  it('tells at once, on the reply subject, that nobody listens (K2)', async () => {
    const replies: BrokerMessage[] = [];
    const listening = webapp.commands.subscribe('belfry.rep.webapp-1.*', (message) => {
      replies.push({ ...pick(message) });
    });
    webapp.commands.publish('belfry.cmd.4000', bytes('anybody?'), 'belfry.rep.webapp-1.17');
    await vi.waitFor(() => expect(replies).toHaveLength(1));
    expect(replies[0]).toMatchObject({ subject: 'belfry.rep.webapp-1.17', noResponders: true });
    listening.unsubscribe();
  });

  it('answers a request with its reply, with nobody, or with silence', async () => {
    const answering = subject('belfry.ctl.drain');
    const silent = subject('belfry.ctl.drain');
    worker.control.subscribe(answering, (message) => {
      worker.control.publish(message.reply ?? '', bytes(`to ${text(message.data)}`));
    });
    worker.control.subscribe(silent, () => undefined);
    await flushed(worker);
    const reply = await webapp.control.request(answering, bytes('ping'), 2_000);
    expect(reply.kind === 'reply' && text(reply.data)).toBe('to ping');
    expect(await webapp.control.request(subject('belfry.ctl.drain'), bytes(''), 2_000)).toEqual({
      kind: 'no-responders',
    });
    expect(await webapp.control.request(silent, bytes(''), 50)).toEqual({ kind: 'timeout' });
  });

  it('gives each message to one member of a queue group, and to none twice (K3)', async () => {
    const other = await world.connect('worker-2');
    const seen: string[] = [];
    const members = [worker, other].map((member) =>
      member.commands.subscribe('belfry.cmd.11', (message) => void seen.push(text(message.data)), {
        queue: COMMAND_QUEUE,
      }),
    );
    await Promise.all([flushed(worker), flushed(other)]);
    for (let i = 0; i < 200; i += 1) webapp.commands.publish('belfry.cmd.11', bytes(String(i)));
    await vi.waitFor(() => expect(seen).toHaveLength(200));
    await Promise.all([flushed(webapp), flushed(worker), flushed(other)]);
    expect(new Set(seen).size).toBe(200);
    expect(seen).toHaveLength(200);
    for (const member of members) member.unsubscribe();
    await other.close();
  });

  it('has seen every earlier subscription of a lane when its flush is done (K4)', async () => {
    for (let round = 0; round < 20; round += 1) {
      const here = subject('belfry.ctl.drain');
      const seen: string[] = [];
      const listening = worker.commands.subscribe(here, (message) => void seen.push(text(message.data)));
      expect(await worker.commands.flush(2_000)).toBe(true);
      expect((await webapp.commands.request(here, bytes('x'), 20)).kind).toBe('timeout');
      await vi.waitFor(() => expect(seen).toEqual(['x']));
      listening.unsubscribe();
      expect(await worker.commands.flush(2_000)).toBe(true);
      expect((await webapp.commands.request(here, bytes('y'), 1_000)).kind).toBe('no-responders');
    }
  });

  it('loses nothing when a member of a queue group drains, and brings it nothing afterwards (K5)', async () => {
    const successor = await world.connect('worker-3');
    const seen: string[] = [];
    let drained = false;
    let late = 0;
    const leaving = worker.commands.subscribe(
      'belfry.cmd.12',
      (message) => {
        seen.push(text(message.data));
        if (drained) late += 1;
      },
      { queue: COMMAND_QUEUE },
    );
    successor.commands.subscribe('belfry.cmd.12', (message) => void seen.push(text(message.data)), {
      queue: COMMAND_QUEUE,
    });
    await Promise.all([flushed(worker), flushed(successor)]);
    const total = 600;
    for (let i = 0; i < total / 2; i += 1) webapp.commands.publish('belfry.cmd.12', bytes(String(i)));
    const draining = leaving.drain().then(() => {
      drained = true;
    });
    for (let i = total / 2; i < total; i += 1) webapp.commands.publish('belfry.cmd.12', bytes(String(i)));
    await draining;
    await vi.waitFor(() => expect(new Set(seen).size).toBe(total));
    expect(seen).toHaveLength(total);
    expect(late).toBe(0);
    await successor.close();
  });

  it('delivers nothing after unsubscribe, not even what was on its way', async () => {
    const here = subject('belfry.ctl.drain');
    const seen: string[] = [];
    const listening = worker.commands.subscribe(here, (message) => {
      seen.push(text(message.data));
      listening.unsubscribe();
    });
    await flushed(worker);
    for (let i = 0; i < 50; i += 1) webapp.commands.publish(here, bytes(String(i)));
    await Promise.all([flushed(webapp), flushed(worker)]);
    await flushed(worker);
    expect(seen).toEqual(['0']);
  });

  it('refuses payloads over its limit before anything is sent (K9)', async () => {
    const here = subject('belfry.ctl.drain');
    const large = new Uint8Array(worker.payloadBytesMax + 1);
    expect(() => worker.commands.publish(here, large)).toThrow(BrokerLimitError);
    await expect(async () => worker.records.append(log(), large, 0, 1_000)).rejects.toThrow(BrokerLimitError);
    await expect(webapp.kv('belfry_directory').put('large', large)).rejects.toThrow(BrokerLimitError);
    const largest = await worker.records.append(log(), large.subarray(1), 0, 5_000);
    expect(largest.kind).toBe('stored');
  });
});

function pick({ subject, data, reply, noResponders }: BrokerMessage): BrokerMessage {
  return { subject, data: data.slice(), reply, noResponders };
}
