/**
 * The log over both brokers: what an append's outcome may be, and that nothing is lost, doubled or reordered whatever
 * the broker does to a message or to its acknowledgement.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppendLog, type AppendOutcome } from '../../broker/append-log.ts';
import type { Broker, RecordStore } from '../../broker/broker.ts';
import { emptyLog, type LogPosition } from '../../broker/log-position.ts';
import { type LogAddress, LogReader } from '../../broker/log-reader.ts';
import { subjects } from '../../broker/subjects.ts';
import { ManualClock, systemClock } from '../../platform/clock.ts';
import { limits } from '../../platform/limits.ts';
import { SeededRng } from '../../platform/rng.ts';
import { encodeRecord } from '../../protocol/records.ts';
import { type BrokerWorld, memoryWorld, natsWorld } from '../support/broker-worlds.ts';
import { messageEvent, planLog, type StoreFaults, tsOf, withFaults } from '../support/log-fixtures.ts';

const never = new AbortController().signal;
let unique = 0;

function address(): LogAddress {
  unique += 1;
  return { stream: subjects.logStreamOf(0), subject: `belfry.log.0.7.L${unique}` };
}

function writer(store: RecordStore, at: LogAddress, position: LogPosition = emptyLog): AppendLog {
  const makeRecordId = (): string => `record-${(unique += 1)}`;
  return new AppendLog({ store, clock: systemClock, makeRecordId }, at, position);
}

const post = (label: string) => [messageEvent(label, tsOf(1))];

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('the log %s', (_name, makeWorld) => {
  let world: BrokerWorld;
  let broker: Broker;
  beforeAll(async () => {
    world = await makeWorld();
    broker = await world.connect('worker-1');
  });
  afterAll(() => world.close());

  const faulty = (faults: StoreFaults) => withFaults(broker.records, faults);
  /** What stands in the log, read anew: seq and mutation of each event. */
  const contents = async (at: LogAddress): Promise<string[]> => {
    const reader = new LogReader({ store: broker.records, clock: systemClock }, at);
    const opening = await reader.open(never);
    if (opening.kind !== 'open') throw new Error(opening.kind);
    const range = await reader.eventsBetween(opening.position, { afterSeq: 0, upToSeq: 1_000, count: 1_000 }, never);
    if (range.kind !== 'events') throw new Error(range.kind);
    return range.events.map(({ seq, event }) => `${seq} ${event.mutation}`);
  };

  it('appends records one behind the other, with a gap-free seq', async () => {
    const here = address();
    const log = writer(broker.records, here);
    expect((await log.append([messageEvent('a', 1), messageEvent('b', 2)], 1, never)).kind).toBe('committed');
    expect((await log.append([], 2, never)).kind).toBe('committed');
    const last = await log.append([messageEvent('c', 3)], 2, never);
    expect(last).toMatchObject({
      kind: 'committed',
      fencedBy: undefined,
      placed: { record: { firstSeq: 3, index: 3 } },
    });
    expect(log.position).toMatchObject({ nextSeq: 4, index: 3, lastTs: 3 });
    expect(await contents(here)).toEqual(['1 a', '2 b', '3 c']);
    const opening = await new LogReader({ store: broker.records, clock: systemClock }, here).open(never);
    expect(opening).toEqual({ kind: 'open', position: log.position, epoch: 2 });
  });

  it('finds its own record after a lost acknowledgement, and stores it once', async () => {
    const here = address();
    const fates = ['lose-ack', 'lose-append', 'pass'] as const;
    let attempt = 0;
    const store = faulty({ append: () => fates[attempt++] ?? 'pass' });
    const log = writer(store, here);
    expect((await log.append(post('once'), 1, never)).kind).toBe('committed');
    expect(store.appends).toBe(3);
    expect((await log.append(post('next'), 1, never)).kind).toBe('committed');
    expect(await contents(here)).toEqual(['1 once', '2 next']);
  });

  it('publishes again what never arrived', async () => {
    const here = address();
    let attempt = 0;
    const store = faulty({ append: () => (attempt++ < 3 ? 'lose-append' : 'pass') });
    expect((await writer(store, here).append(post('stubborn'), 1, never)).kind).toBe('committed');
    expect(await contents(here)).toEqual(['1 stubborn']);
  });

  it('hands over what others appended first, and appends behind it then', async () => {
    const here = address();
    const [mine, other] = [writer(broker.records, here), writer(broker.records, here)];
    await other.append(post('other 1'), 1, never);
    await other.append(post('other 2'), 1, never);
    const outcome = await mine.append(post('mine'), 1, never);
    expect(labels(outcome)).toEqual(['other 1', 'other 2']);
    expect(outcome.kind).toBe('foreign');
    expect(mine.position).toEqual(other.position);
    expect((await mine.append(post('mine'), 1, never)).kind).toBe('committed');
    expect(await contents(here)).toEqual(['1 other 1', '2 other 2', '3 mine']);
  });

  it('is fenced by a record of a higher epoch, and not written behind', async () => {
    const here = address();
    const [stale, owner] = [writer(broker.records, here), writer(broker.records, here)];
    await stale.append(post('before'), 1, never);
    const first = await owner.append([], 2, never);
    expect(first.kind).toBe('foreign');
    await owner.append([], 2, never);
    expect(await stale.append(post('too late'), 1, never)).toMatchObject({ kind: 'fenced', epoch: 2 });
    expect(() => stale.append(post('again'), 1, never)).toThrow('append-log/one-in-flight');
    expect(await contents(here)).toEqual(['1 before']);
  });

  it('tells of a higher epoch behind its own record, which stands all the same', async () => {
    const here = address();
    const owner = writer(broker.records, here);
    let attempt = 0;
    const store = withFaults(broker.records, { append: () => (attempt++ === 0 ? 'lose-ack' : 'pass') });
    const slow: RecordStore = {
      last: (stream, subject) => store.last(stream, subject),
      at: (stream, sequence) => store.at(stream, sequence),
      async append(subject, data, expected, timeoutMs) {
        const result = await store.append(subject, data, expected, timeoutMs);
        // The new owner comes in while the acknowledgement of the old one's record is lost.
        if (result.kind === 'unknown') {
          await owner.append([], 7, never);
          await owner.append([], 7, never);
        }
        return result;
      },
    };
    const outcome = await writer(slow, here).append(post('just in time'), 1, never);
    expect(outcome).toMatchObject({ kind: 'committed', fencedBy: 7 });
    expect(await contents(here)).toEqual(['1 just in time']);
  });

  it('gives up only when told to, and the record may then stand or not', async () => {
    const here = address();
    const stop = new AbortController();
    let attempt = 0;
    const store = faulty({
      append: () => {
        if (attempt++ === 2) stop.abort();
        return 'lose-append';
      },
    });
    const log = writer(store, here);
    expect(await log.append(post('never heard of'), 1, stop.signal)).toEqual({ kind: 'abandoned' });
    expect(() => log.append(post('x'), 1, never)).toThrow('append-log/one-in-flight');
  });

  it('never begins again at 1 where the subject forgot its records', async () => {
    const here = address();
    const log = writer(broker.records, here);
    await log.append(post('known'), 1, never);
    const forgetful: RecordStore = {
      append: async () => ({ kind: 'conflict' }),
      last: async () => ({ kind: 'absent' }),
      at: async () => ({ kind: 'absent' }),
    };
    const outcome = await writer(forgetful, here, log.position).append(post('at 1?'), 1, never);
    expect(outcome).toMatchObject({ kind: 'broken' });
  });

  it('waits while the record that it conflicts with cannot be read yet', async () => {
    const here = address();
    const other = writer(broker.records, here);
    await other.append(post('other'), 1, never);
    let reads = 0;
    const store = faulty({
      read: () => (reads++ < 3 ? { kind: 'unavailable', cause: 'not yet' } : undefined),
    });
    expect(labels(await writer(store, here).append(post('mine'), 1, never))).toEqual(['other']);
  });

  it('keeps one order, and each event once, among racing writers over a lossy broker', async () => {
    const here = address();
    const seed = 20_260_601;
    const rng = new SeededRng(seed);
    const lossy = faulty({
      append: () => (['pass', 'pass', 'lose-ack', 'lose-append'] as const)[rng.int(4)] ?? 'pass',
    });
    const write = async (name: string): Promise<string[]> => {
      const log = writer(lossy, here);
      const placed: string[] = [];
      for (let n = 0; placed.length < 12; ) {
        const outcome = await log.append(post(`${name}${n}`), 1, never);
        if (outcome.kind === 'foreign') continue;
        if (outcome.kind !== 'committed') throw new Error(`${outcome.kind} (seed ${seed})`);
        placed.push(`${outcome.placed.record.firstSeq} ${name}${n}`);
        n += 1;
      }
      return placed;
    };
    const placed = (await Promise.all(['a', 'b', 'c'].map(write))).flat();
    const bySeq = (a: string, b: string) => Number.parseInt(a, 10) - Number.parseInt(b, 10);
    expect(await contents(here), `seed ${seed}`).toEqual(placed.sort(bySeq));
    expect(placed).toHaveLength(36);
  });

  it('reaches any page of 10,000 events with a bounded number of reads', async () => {
    const here = address();
    const start = await broker.records.append(here.subject, Buffer.from('placeholder'), 0, 2_000);
    if (start.kind !== 'stored') throw new Error(start.kind);
    const long = address();
    const plan = planLog(
      Array.from({ length: 10_000 }, () => 1),
      start.sequence + 1,
    );
    // In windows that are one write of a connection each, so that appends to one subject are in order without a wait for each.
    for (let from = 0; from < plan.records.length; from += 50) {
      const window = plan.records.slice(from, from + 50);
      const stored = window.map(({ record, previous }) =>
        broker.records.append(long.subject, encodeRecord(record), previous, 10_000),
      );
      const expected = window.map(({ sequence }) => ({ kind: 'stored', sequence }));
      expect(await Promise.all(stored)).toEqual(expected);
    }
    let reads = 0;
    const counted = withFaults(broker.records, { read: () => void (reads += 1) });
    const reader = new LogReader({ store: counted, clock: systemClock }, long);
    const opening = await reader.open(never);
    expect(opening).toMatchObject({ kind: 'open', position: plan.position });
    expect(reads).toBeLessThanOrEqual(14);
    for (const seq of [10_001, 7_777, 4_096, 512, 100]) {
      reads = 0;
      const page = await reader.pageBefore(plan.position, { before: { seq }, count: 100 }, never);
      expect(page.kind === 'page' && page.events.map((event) => event.seq)).toEqual(
        Array.from({ length: Math.min(100, seq - 1) }, (_, i) => seq - 1 - i),
      );
      expect(reads).toBeLessThanOrEqual(128);
    }
  });
});

describe('the writing end', () => {
  it('backs off between attempts, and never waits longer than its limit', async () => {
    const clock = new ManualClock();
    const attempts: number[] = [];
    const dead: RecordStore = {
      append: async () => {
        attempts.push(clock.monotonicMs());
        return { kind: 'unknown', reason: 'dead' };
      },
      last: async () => ({ kind: 'absent' }),
      at: async () => ({ kind: 'absent' }),
    };
    const stop = new AbortController();
    const log = new AppendLog({ store: dead, clock, makeRecordId: () => 'r' }, address(), emptyLog);
    const appending = log.append(post('x'), 1, stop.signal);
    await clock.advanceAndSettle(3_000);
    const waits = attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));
    expect(waits[0]).toBe(limits.logBackoffFirstMs);
    expect(Math.max(...waits)).toBe(limits.logBackoffLastMs);
    expect(waits.at(-1)).toBe(limits.logBackoffLastMs);
    stop.abort();
    await clock.advanceAndSettle(limits.logBackoffLastMs);
    expect(await appending).toEqual({ kind: 'abandoned' });
  });

  it('makes no attempt, and repeats none, while its owner is unsure of itself', async () => {
    const clock = new ManualClock();
    let sure = true;
    let attempts = 0;
    const lossy: RecordStore = {
      append: async () => {
        attempts += 1;
        return attempts < 3 ? { kind: 'unknown', reason: 'lost' } : { kind: 'stored', sequence: 1 };
      },
      last: async () => ({ kind: 'absent' }),
      at: async () => ({ kind: 'absent' }),
    };
    const source = { store: lossy, clock, makeRecordId: () => 'r', mayAppend: () => sure };
    const appending = new AppendLog(source, address(), emptyLog).append(post('x'), 1, never);
    await clock.advanceAndSettle(0);
    expect(attempts).toBe(1);
    sure = false;
    await clock.advanceAndSettle(60_000);
    expect(attempts).toBe(1);
    sure = true;
    await clock.advanceAndSettle(2 * limits.logBackoffLastMs);
    expect(await appending).toMatchObject({ kind: 'committed', placed: { sequence: 1 } });
  });

  it('refuses a second append while one is in flight', async () => {
    const stuck: RecordStore = {
      append: () => new Promise(() => undefined),
      last: async () => ({ kind: 'absent' }),
      at: async () => ({ kind: 'absent' }),
    };
    const log = writer(stuck, address());
    void log.append(post('first'), 1, never);
    expect(() => log.append(post('second'), 1, never)).toThrow('append-log/one-in-flight');
  });
});

function labels(outcome: AppendOutcome): string[] {
  if (outcome.kind !== 'foreign' && outcome.kind !== 'fenced') throw new Error(outcome.kind);
  return outcome.records.flatMap(({ record }) => record.events.map((event) => event.mutation));
}
