/** Records and keys: K6 and K7 of broker/broker.ts, over both implementations. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { SNAPSHOT_STREAM } from '../../broker/subjects.ts';
import { appended, bytes, describeChange, LOG, readRecord, readValue, revisionOf } from '../support/broker-calls.ts';
import { type BrokerWorld, memoryWorld, natsWorld } from '../support/broker-worlds.ts';

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

  describe('records', () => {
    it('appends behind the expected record only (K6)', async () => {
      const here = log();
      const first = await appended(worker, here, 'one', 0);
      expect(await worker.records.append(here, bytes('again'), 0, 2_000)).toEqual({ kind: 'conflict' });
      const second = await appended(worker, here, 'two', first);
      expect(await worker.records.append(here, bytes('late'), first, 2_000)).toEqual({ kind: 'conflict' });
      expect(second).toBeGreaterThan(first);
    });

    it('reads a record by sequence and the newest by subject, with a pointer to the one before', async () => {
      const here = log();
      const first = await appended(worker, here, 'one', 0);
      await appended(worker, log(), 'of another channel', 0);
      const second = await appended(worker, here, 'two', first);
      expect(await readRecord(worker.records.at(LOG, first))).toEqual({
        sequence: first,
        subject: here,
        text: 'one',
        previous: 0,
      });
      expect(await readRecord(worker.records.last(LOG, here))).toEqual({
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
        expect(await readRecord(worker.records.last(LOG, here))).toMatchObject({ text: `racer ${stored[0]?.i}` });
      }
      await other.close();
    });

    it('acknowledges many appends in flight on different subjects, each its own', async () => {
      const subjects = Array.from({ length: 300 }, log);
      const sequences = await Promise.all(subjects.map((here, i) => appended(worker, here, `record ${i}`, 0)));
      expect(new Set(sequences).size).toBe(subjects.length);
      for (const [i, sequence] of sequences.entries()) {
        if (i % 30 !== 0) continue;
        expect(await readRecord(worker.records.at(LOG, sequence))).toMatchObject({
          subject: subjects[i],
          text: `record ${i}`,
        });
      }
    });

    it('keeps the last value only where snapshots stand', async () => {
      const here = subject('belfry.snap.7.C1');
      const first = await appended(worker, here, 'old', 0);
      const second = await appended(worker, here, 'new', first);
      expect(await readRecord(worker.records.last(SNAPSHOT_STREAM, here))).toMatchObject({
        sequence: second,
        text: 'new',
      });
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
      expect(await readValue(directory().get(here))).toBe('three');
    });

    it('updates a key only at the revision given (K7)', async () => {
      const here = key();
      const first = revisionOf(await directory().put(here, bytes('one')));
      const second = revisionOf(await directory().update(here, bytes('two'), first));
      expect(second).toBeGreaterThan(first);
      expect(await directory().update(here, bytes('stale'), first)).toEqual({ kind: 'conflict' });
      expect(await readValue(directory().get(here))).toBe('two');
    });

    it('lets exactly one of many racing updates in', async () => {
      const here = key();
      const first = revisionOf(await directory().put(here, bytes('0')));
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, i) => directory().update(here, bytes(`racer ${i}`), first)),
      );
      expect(results.filter(({ kind }) => kind === 'written')).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === 'conflict')).toHaveLength(9);
    });

    it('raises revisions over the whole bucket', async () => {
      const revisions = [];
      for (let i = 0; i < 5; i += 1) revisions.push(revisionOf(await directory().put(key(), bytes('x'))));
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
});
