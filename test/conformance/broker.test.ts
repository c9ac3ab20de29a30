/**
 * The broker contract (broker/broker.ts, K1-K9) as one suite over both implementations.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Broker,
  BrokerLimitError,
  type BrokerMessage,
  clientName,
  type KvChange,
  type LaneStatus,
} from '../../broker/broker.ts';
import { BUCKET_CLUSTER, COMMAND_QUEUE, SNAPSHOT_STREAM } from '../../broker/subjects.ts';
import { type BrokerWorld, memoryWorld, natsWorld } from '../support/broker-worlds.ts';

const LOG = 'BELFRY_LOG_0';

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('a broker %s', (_name, makeWorld) => {
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

  describe('messaging', () => {
    it('delivers what one lane publishes in publish order, across subjects (K1)', async () => {
      const seen: string[] = [];
      const head = subject('belfry.ctl');
      const both = worker.commands.subscribe(`${head}.*`, (message) => void seen.push(text(message.data)));
      await flush(worker);
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
      const answering = subject('belfry.ctl');
      const silent = subject('belfry.ctl');
      worker.control.subscribe(answering, (message) => {
        worker.control.publish(message.reply ?? '', bytes(`to ${text(message.data)}`));
      });
      worker.control.subscribe(silent, () => undefined);
      await flush(worker);
      const reply = await webapp.control.request(answering, bytes('ping'), 2_000);
      expect(reply.kind === 'reply' && text(reply.data)).toBe('to ping');
      expect(await webapp.control.request(subject('belfry.ctl'), bytes(''), 2_000)).toEqual({ kind: 'no-responders' });
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
      await Promise.all([flush(worker), flush(other)]);
      for (let i = 0; i < 200; i += 1) webapp.commands.publish('belfry.cmd.11', bytes(String(i)));
      await vi.waitFor(() => expect(seen).toHaveLength(200));
      await Promise.all([flush(webapp), flush(worker), flush(other)]);
      expect(new Set(seen).size).toBe(200);
      expect(seen).toHaveLength(200);
      for (const member of members) member.unsubscribe();
      await other.close();
    });

    it('has seen every earlier subscription of a lane when its flush is done (K4)', async () => {
      for (let round = 0; round < 20; round += 1) {
        const here = subject('belfry.ctl');
        const seen: string[] = [];
        const listening = worker.commands.subscribe(here, (message) => void seen.push(text(message.data)));
        expect(await worker.commands.flush(2_000)).toBe(true);
        expect((await webapp.commands.request(here, bytes('x'), 20)).kind).toBe('timeout');
        expect(seen).toEqual(['x']);
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
      await Promise.all([flush(worker), flush(successor)]);
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
      const here = subject('belfry.ctl');
      const seen: string[] = [];
      const listening = worker.commands.subscribe(here, (message) => {
        seen.push(text(message.data));
        listening.unsubscribe();
      });
      await flush(worker);
      for (let i = 0; i < 50; i += 1) webapp.commands.publish(here, bytes(String(i)));
      await Promise.all([flush(webapp), flush(worker)]);
      await flush(worker);
      expect(seen).toEqual(['0']);
    });

    it('refuses payloads over its limit before anything is sent (K9)', async () => {
      const here = subject('belfry.ctl');
      const large = new Uint8Array(worker.payloadBytesMax + 1);
      expect(() => worker.commands.publish(here, large)).toThrow(BrokerLimitError);
      await expect(async () => worker.records.append(log(), large, 0, 1_000)).rejects.toThrow(BrokerLimitError);
      await expect(webapp.kv('belfry_directory').put('large', large)).rejects.toThrow(BrokerLimitError);
      const largest = await worker.records.append(log(), large.subarray(1), 0, 5_000);
      expect(largest.kind).toBe('stored');
    });
  });

  describe('records', () => {
    it('appends behind the expected record only (K6)', async () => {
      const here = log();
      const first = await append(worker, here, 'one', 0);
      expect(await worker.records.append(here, bytes('again'), 0, 2_000)).toEqual({ kind: 'conflict' });
      const second = await append(worker, here, 'two', first);
      expect(await worker.records.append(here, bytes('late'), first, 2_000)).toEqual({ kind: 'conflict' });
      expect(second).toBeGreaterThan(first);
    });

    it('reads a record by sequence and the newest by subject, with a pointer to the one before', async () => {
      const here = log();
      const first = await append(worker, here, 'one', 0);
      await append(worker, log(), 'of another channel', 0);
      const second = await append(worker, here, 'two', first);
      expect(await read(worker.records.at(LOG, first))).toEqual({
        sequence: first,
        subject: here,
        text: 'one',
        previous: 0,
      });
      expect(await read(worker.records.last(LOG, here))).toEqual({
        sequence: second,
        subject: here,
        text: 'two',
        previous: first,
      });
    });

    it('says that a record is absent', async () => {
      expect(await worker.records.last(LOG, log())).toEqual({ kind: 'absent' });
      expect(await worker.records.at(LOG, 1_000_000)).toEqual({ kind: 'absent' });
    });

    it('lets exactly one of many racing appends in (K6)', async () => {
      const other = await world.connect('worker-4');
      for (let round = 0; round < 10; round += 1) {
        const here = log();
        const racers = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? worker : other));
        const results = await Promise.all(
          racers.map(({ records }, i) => records.append(here, bytes(`racer ${i}`), 0, 2_000)),
        );
        const stored = results.flatMap((result, i) => (result.kind === 'stored' ? [{ i, ...result }] : []));
        expect(stored).toHaveLength(1);
        expect(results.filter(({ kind }) => kind === 'conflict')).toHaveLength(9);
        expect(await read(worker.records.last(LOG, here))).toMatchObject({ text: `racer ${stored[0]?.i}` });
      }
      await other.close();
    });

    it('acknowledges many appends in flight on different subjects, each its own', async () => {
      const subjects = Array.from({ length: 300 }, log);
      const sequences = await Promise.all(subjects.map((here, i) => append(worker, here, `record ${i}`, 0)));
      expect(new Set(sequences).size).toBe(subjects.length);
      for (const [i, sequence] of sequences.entries()) {
        if (i % 30 !== 0) continue;
        expect(await read(worker.records.at(LOG, sequence))).toMatchObject({
          subject: subjects[i],
          text: `record ${i}`,
        });
      }
    });

    it('keeps the last value only where snapshots stand', async () => {
      const here = subject('belfry.snap.7.C1');
      const first = await append(worker, here, 'old', 0);
      const second = await append(worker, here, 'new', first);
      expect(await read(worker.records.last(SNAPSHOT_STREAM, here))).toMatchObject({ sequence: second, text: 'new' });
      expect(await worker.records.at(SNAPSHOT_STREAM, first)).toEqual({ kind: 'absent' });
    });

    it('leaves the fate of an append open when no stream takes it', async () => {
      expect((await worker.records.append('belfry.log.99.7.C1', bytes('x'), 0, 300)).kind).toBe('unknown');
    });
  });

  describe('keys', () => {
    const directory = () => webapp.kv('belfry_directory');
    const key = () => subject('key');

    it('creates a key once, and again after its deletion', async () => {
      const here = key();
      const first = await directory().create(here, bytes('one'));
      expect(first.kind).toBe('written');
      expect(await directory().create(here, bytes('two'))).toEqual({ kind: 'conflict' });
      expect((await directory().delete(here)).kind).toBe('written');
      expect(await directory().get(here)).toEqual({ kind: 'absent' });
      expect((await directory().create(here, bytes('three'))).kind).toBe('written');
      expect(await value(directory().get(here))).toBe('three');
    });

    it('updates a key only at the revision given (K7)', async () => {
      const here = key();
      const first = revision(await directory().put(here, bytes('one')));
      const second = revision(await directory().update(here, bytes('two'), first));
      expect(second).toBeGreaterThan(first);
      expect(await directory().update(here, bytes('stale'), first)).toEqual({ kind: 'conflict' });
      expect(await value(directory().get(here))).toBe('two');
    });

    it('lets exactly one of many racing updates in', async () => {
      const here = key();
      const first = revision(await directory().put(here, bytes('0')));
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, i) => directory().update(here, bytes(`racer ${i}`), first)),
      );
      expect(results.filter(({ kind }) => kind === 'written')).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === 'conflict')).toHaveLength(9);
    });

    it('raises revisions over the whole bucket', async () => {
      const revisions = [];
      for (let i = 0; i < 5; i += 1) revisions.push(revision(await directory().put(key(), bytes('x'))));
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      expect(new Set(revisions).size).toBe(5);
    });

    it('lists the present entries that match', async () => {
      const head = key();
      await directory().put(`${head}.a.1`, bytes('a1'));
      await directory().put(`${head}.b.1`, bytes('b1'));
      await directory().put(`${head}.b.2`, bytes('b2'));
      await directory().delete(`${head}.b.2`);
      const listed = async (filter: string) => (await directory().entries(filter)).map(({ key: name }) => name).sort();
      expect(await listed(`${head}.>`)).toEqual([`${head}.a.1`, `${head}.b.1`]);
      expect(await listed(`${head}.*.1`)).toEqual([`${head}.a.1`, `${head}.b.1`]);
      expect(await listed(`${head}.b.*`)).toEqual([`${head}.b.1`]);
      expect(await listed(`${head}.c.>`)).toEqual([]);
    });

    it('tells a watcher of the present entries, then of changes, until it stops', async () => {
      const head = key();
      await directory().put(`${head}.a`, bytes('1'));
      const seen: string[] = [];
      const watch = directory().watch(`${head}.*`, (change) => void seen.push(describeChange(head, change)));
      await watch.ready;
      expect(seen).toEqual(['a=1']);
      await directory().put(`${head}.b`, bytes('2'));
      await directory().delete(`${head}.a`);
      await vi.waitFor(() => expect(seen).toEqual(['a=1', 'b=2', 'a gone']));
      watch.stop();
      const still = directory().watch(`${head}.*`, () => undefined);
      await still.ready;
      await directory().put(`${head}.c`, bytes('3'));
      still.stop();
      expect(seen).toHaveLength(3);
    });

    it('is ready at once where nothing matches', async () => {
      const watch = directory().watch(`${key()}.>`, () => undefined);
      await watch.ready;
      watch.stop();
    });
  });

  describe('connections', () => {
    it('names them for the system account, which can find and close them', async () => {
      const system = await world.system();
      const gone: string[] = [];
      system.onDisconnect((event) => void gone.push(event.clientName));
      const victim = await world.connect('victim-1');
      const found = await system.connectionsOf('belfry.victim-1.', 2_000);
      expect(sorted(found)).toEqual(sorted(victim.connections()));
      expect(found).toHaveLength(4);
      const ref = victim.commands.connection();
      expect(await system.kick(ref!, 2_000)).toBe(true);
      await vi.waitFor(() => expect(gone).toContain(clientName('victim-1', 'commands')));
      expect(await system.kick(ref!, 2_000)).toBe(false);
      await victim.close();
      await vi.waitFor(async () => expect(await system.connectionsOf('belfry.victim-1.', 500)).toEqual([]));
    });

    it('reports the loss of one lane on every lane, then the return, and hears messages again', async () => {
      const system = await world.system();
      const victim = await world.connect('victim-2');
      const seen: string[] = [];
      const heard: [string, LaneStatus][] = [];
      const here = subject('belfry.ctl');
      victim.commands.subscribe(here, (message) => void seen.push(text(message.data)));
      victim.commands.onStatus((status) => void heard.push(['commands', status]));
      victim.control.onStatus((status) => void heard.push(['control', status]));
      const [, , appendLane] = victim.connections();
      await system.kick(appendLane!, 2_000);
      await vi.waitFor(() => expect(heard).toHaveLength(4));
      expect(heard).toEqual([
        ['commands', 'disconnected'],
        ['control', 'disconnected'],
        ['commands', 'connected'],
        ['control', 'connected'],
      ]);
      expect(sorted(victim.connections())).not.toContainEqual(appendLane);
      await system.kick(victim.commands.connection()!, 2_000);
      await vi.waitFor(() => expect(heard).toHaveLength(8));
      expect(await victim.commands.flush(2_000)).toBe(true);
      webapp.commands.publish(here, bytes('back'));
      await vi.waitFor(() => expect(seen).toEqual(['back']));
      await victim.close();
    });

    it('answers nothing with certainty while the server is gone, and has everything stored when it is back', async () => {
      const victim = await world.connect('victim-3');
      const table = victim.kv(BUCKET_CLUSTER);
      await table.put('outage', bytes('before'));
      const changes: string[] = [];
      const watch = table.watch('outage', (change) => void changes.push(describeChange('', change)));
      await watch.ready;
      const here = log();
      const first = await append(victim, here, 'before', 0);
      await world.stopServer();
      await vi.waitFor(() => expect(victim.connections()).toEqual([]));
      expect(victim.commands.status()).toBe('disconnected');
      expect(victim.commands.connection()).toBeUndefined();
      expect((await victim.records.append(here, bytes('during'), first, 500)).kind).toBe('unknown');
      expect((await victim.records.last(LOG, here)).kind).toBe('unavailable');
      expect((await table.get('outage')).kind).toBe('unavailable');
      expect((await table.put('outage', bytes('during'))).kind).toBe('unknown');
      await expect(table.entries('>')).rejects.toThrow();
      expect(await victim.commands.flush(500)).toBe(false);
      expect((await victim.control.request('belfry.ctl.x', bytes(''), 500)).kind).toBe('unavailable');
      victim.commands.publish('belfry.ctl.x', bytes('dropped'));
      await world.startServer();
      await vi.waitFor(() => expect(victim.commands.status()).toBe('connected'), { timeout: 5_000 });
      await vi.waitFor(async () => expect((await victim.records.last(LOG, here)).kind).toBe('found'));
      expect(await read(victim.records.last(LOG, here))).toMatchObject({ text: 'before' });
      await append(victim, here, 'after', first);
      // The watch is set up again by itself: it replays what is present, and hears of changes.
      await vi.waitFor(() => expect(changes).toEqual(['outage=before', 'outage=before']), { timeout: 5_000 });
      await vi.waitFor(async () => expect((await table.put('outage', bytes('after'))).kind).toBe('written'));
      await vi.waitFor(() => expect(changes.at(-1)).toBe('outage=after'));
      watch.stop();
      await victim.close();
    });

    it('settles what was waiting when its connection is lost', async () => {
      const system = await world.system();
      const victim = await world.connect('victim-4');
      const silent = subject('belfry.ctl');
      worker.control.subscribe(silent, () => undefined);
      await flush(worker);
      const waiting = victim.control.request(silent, bytes(''), 60_000);
      expect(await victim.control.flush(2_000)).toBe(true);
      await system.kick(victim.control.connection()!, 2_000);
      expect((await waiting).kind).toBe('unavailable');
      await victim.close();
    });

    it('is closed for good after close', async () => {
      const victim = await world.connect('victim-5');
      const heard: LaneStatus[] = [];
      victim.control.onStatus((status) => void heard.push(status));
      await victim.close();
      expect(victim.control.status()).toBe('closed');
      expect(heard).toEqual(['closed']);
      expect(victim.connections()).toEqual([]);
      expect((await victim.records.append(log(), bytes('x'), 0, 100)).kind).toBe('unknown');
      expect((await victim.control.request('belfry.ctl.x', bytes(''), 100)).kind).toBe('unavailable');
      victim.commands.publish('belfry.ctl.x', bytes('dropped'));
    });
  });
});

const bytes = (body: string): Uint8Array => Buffer.from(body);
const text = (data: Uint8Array): string => Buffer.from(data).toString();

function pick({ subject, data, reply, noResponders }: BrokerMessage): BrokerMessage {
  return { subject, data: data.slice(), reply, noResponders };
}

async function flush(broker: Broker): Promise<void> {
  expect(await broker.commands.flush(2_000)).toBe(true);
  expect(await broker.control.flush(2_000)).toBe(true);
}

async function append(broker: Broker, subject: string, body: string, expected: number): Promise<number> {
  const attempt = await broker.records.append(subject, bytes(body), expected, 2_000);
  if (attempt.kind !== 'stored') throw new Error(`not stored: ${JSON.stringify(attempt)}`);
  return attempt.sequence;
}

async function read(reading: ReturnType<Broker['records']['at']>) {
  const result = await reading;
  if (result.kind !== 'found') throw new Error(`not found: ${result.kind}`);
  const { data, ...rest } = result.record;
  return { ...rest, text: text(data) };
}

async function value(reading: ReturnType<ReturnType<Broker['kv']>['get']>): Promise<string> {
  const result = await reading;
  return result.kind === 'found' ? text(result.entry.value) : result.kind;
}

function revision(write: { readonly kind: string; readonly revision?: number }): number {
  expect(write.kind).toBe('written');
  return write.revision ?? 0;
}

function describeChange(head: string, change: KvChange): string {
  const name = (key: string) => (head === '' ? key : key.slice(head.length + 1));
  return change.kind === 'put' ? `${name(change.entry.key)}=${text(change.entry.value)}` : `${name(change.key)} gone`;
}

function sorted<T>(list: readonly T[]): string[] {
  return list.map((item) => JSON.stringify(item)).sort();
}
