/**
 * Skip pointers and the reads that rest on them: against a plain array of events, and with the reads counted.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyLog, placesBefore, placesOf, trailingZeros } from '../../../broker/log-position.ts';
import { type LogAddress, LogReader } from '../../../broker/log-reader.ts';
import type { RecordStore } from '../../../broker/broker.ts';
import { ManualClock, systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { planLog, PlannedStore, tsOf } from '../../support/log-fixtures.ts';

const address: LogAddress = { stream: 'BELFRY_LOG_0', subject: 'belfry.log.0.7.C1' };
const never = new AbortController().signal;
const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 150 });

function reading(recordSizes: readonly number[], stride = 1) {
  const plan = planLog(recordSizes, 5, stride);
  const store = new PlannedStore(address.subject, plan);
  const reader = new LogReader({ store, clock: systemClock }, address);
  return { plan, store, reader, last: plan.position.nextSeq - 1, position: plan.position };
}

describe('skip pointers', () => {
  it('of record i point at records i - 2^l for l = 0 … tz(i) (R3)', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 5 }), (recordSizes, stride) => {
        const { records } = planLog(recordSizes, 5, stride);
        for (const { record } of records) {
          const expected = [];
          for (let level = 0; level <= trailingZeros(record.index); level += 1) {
            const target = records[record.index - 2 ** level - 1];
            if (target !== undefined) expected.push([target.record.index, target.sequence, target.record.firstSeq]);
          }
          const actual = placesBefore(record).map(({ index, pointer }) => [index, pointer.sequence, pointer.firstSeq]);
          expect(actual).toEqual(expected);
        }
      }),
    );
  });

  it('never rise towards older records, fences included', () => {
    fc.assert(
      fc.property(sizes, (recordSizes) => {
        const { position } = planLog(recordSizes);
        const places = placesOf(position);
        for (const [at, { pointer }] of places.entries()) {
          const older = places[at + 1];
          if (older === undefined) continue;
          expect(older.pointer.firstSeq).toBeLessThanOrEqual(pointer.firstSeq);
          expect(older.pointer.firstTs).toBeLessThanOrEqual(pointer.firstTs);
        }
      }),
    );
  });
});

describe('opening a log', () => {
  it('finds from the newest record alone the position that its writer has', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 5 }), async (recordSizes, stride) => {
        const { reader, position } = reading(recordSizes, stride);
        expect(await reader.open(never)).toEqual({ kind: 'open', position, epoch: 1 });
      }),
    );
  });

  it('reads the newest record once, also where what is asked for next is in it (L4)', async () => {
    for (const [recordSizes, reads] of [
      [[2], 0],
      [[2, 2], 1],
    ] as const) {
      const { reader, store, position, last } = reading(recordSizes);
      await reader.open(never);
      store.reads = 0;
      const range = await reader.eventsBetween(position, { afterSeq: 0, upToSeq: last, count: 10 }, never);
      expect(range.kind === 'events' && range.events.map(({ seq }) => seq)).toHaveLength(last);
      expect(store.reads).toBe(reads);
    }
  });

  it('reads one record per set bit of the newest index', async () => {
    for (const [count, reads] of [
      [1, 1],
      [1_023, 9],
      [1_024, 1],
      [1_025, 1],
      [700, 5],
    ] as const) {
      const { reader, store } = reading(Array.from({ length: count }, () => 1));
      await reader.open(never);
      expect({ count, reads: store.reads }).toEqual({ count, reads });
    }
  });

  it('is at the beginning where there is no record', async () => {
    const store = new PlannedStore(address.subject, planLog([]));
    const reader = new LogReader({ store, clock: systemClock }, address);
    expect(await reader.open(never)).toEqual({ kind: 'open', position: emptyLog, epoch: 0 });
  });

  it('does without what was trimmed, and goes on', async () => {
    const { reader, store, position } = reading([1, 1, 1, 1, 1, 1, 1]);
    store.forgetBelow(5 + 5);
    const opening = await reader.open(never);
    expect(opening).toMatchObject({
      kind: 'open',
      position: { sequence: position.sequence, nextSeq: 8, lastTs: tsOf(7) },
    });
  });

  it('refuses a record that it cannot read', async () => {
    const damaged: RecordStore = {
      append: () => Promise.reject(new Error('unused')),
      last: async () => ({
        kind: 'found',
        record: { sequence: 3, subject: address.subject, data: Buffer.from('?'), previous: 0 },
      }),
      at: async () => ({ kind: 'absent' }),
    };
    const reader = new LogReader({ store: damaged, clock: systemClock }, address);
    expect((await reader.open(never)).kind).toBe('broken');
  });

  it('asks again while the broker does not answer, until it is told to stop', async () => {
    const clock = new ManualClock();
    let reads = 0;
    const silent: RecordStore = {
      append: () => Promise.reject(new Error('unused')),
      last: async () => {
        reads += 1;
        return { kind: 'unavailable', cause: 'silence' };
      },
      at: async () => ({ kind: 'absent' }),
    };
    const stop = new AbortController();
    const opening = new LogReader({ store: silent, clock }, address).open(stop.signal);
    await clock.advanceAndSettle(2_000);
    expect(reads).toBeGreaterThan(5);
    expect(reads).toBeLessThan(20);
    stop.abort();
    await clock.advanceAndSettle(limits.logBackoffLastMs);
    expect((await opening).kind).toBe('unavailable');
  });
});

describe('reading events', () => {
  it('gives any range in order and without a gap', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 80 }), async (recordSizes, a, b, count) => {
        const { reader, position, last } = reading(recordSizes, 3);
        const [afterSeq, upToSeq] = [a % (last + 1), b % (last + 2)];
        const range = await reader.eventsBetween(position, { afterSeq, upToSeq, count }, never);
        const wanted = seqs(afterSeq + 1, Math.min(upToSeq, last));
        expect(range).toMatchObject({ kind: 'events', more: wanted.length > count });
        expect(range.kind === 'events' && range.events.map(({ seq, event }) => [seq, event.ts])).toEqual(
          wanted.slice(0, count).map((seq) => [seq, tsOf(seq)]),
        );
      }),
    );
  });

  it('gives every page before a seq or a timestamp, newest first', async () => {
    const before = fc.oneof(
      fc.constant(undefined),
      fc.record({ seq: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ ts: fc.integer({ min: 1, max: 4_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        sizes,
        before,
        fc.nat({ max: 2_000 }),
        fc.integer({ min: 1, max: 90 }),
        async (recordSizes, from, afterTs, count) => {
          const { reader, position, last } = reading(recordSizes, 2);
          const query = { afterTs, count, ...(from === undefined ? {} : { before: from }) };
          const page = await reader.pageBefore(position, query, never);
          const matching = seqs(1, last)
            .filter((seq) => from === undefined || ('seq' in from ? seq < from.seq : tsOf(seq) < from.ts))
            .filter((seq) => tsOf(seq) > afterTs)
            .reverse();
          expect(page.kind === 'page' && page.events.map(({ seq }) => seq)).toEqual(matching.slice(0, count));
        },
      ),
    );
  });

  it('pages through the whole log by nextBefore, counting only what is accepted', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 20 }), async (recordSizes, count) => {
        const { reader, position, last } = reading(recordSizes);
        const found: number[] = [];
        let nextBefore: number | undefined = last + 1;
        while (nextBefore !== undefined) {
          const accept = (event: { readonly ts: number }) => event.ts % 30 === 0;
          const page = await reader.pageBefore(position, { before: { seq: nextBefore }, count, accept }, never);
          if (page.kind !== 'page') throw new Error(page.kind);
          expect(page.events.length).toBeLessThanOrEqual(count);
          found.push(...page.events.map(({ seq }) => seq));
          nextBefore = page.nextBefore;
        }
        expect(found).toEqual(
          seqs(1, last)
            .filter((seq) => seq % 3 === 0)
            .reverse(),
        );
      }),
    );
  });

  it('reaches any page of 10,000 events with few reads, at most 64 at once', async () => {
    const { reader, store, position } = reading(Array.from({ length: 10_000 }, () => 1));
    for (const seq of [10_001, 9_999, 8_193, 8_192, 5_000, 4_097, 1_234, 101, 100]) {
      store.reads = 0;
      const page = await reader.pageBefore(position, { before: { seq }, count: 100 }, never);
      expect(page.kind === 'page' && page.events.length).toBe(Math.min(100, seq - 1));
      // The page itself, and at most two hops per level of the skip list to find it.
      expect(store.reads).toBeLessThanOrEqual(100 + 2 * Math.ceil(Math.log2(10_000)));
    }
    expect(store.readsInFlightMax).toBeLessThanOrEqual(limits.logReadsInFlightMax);
    expect(store.readsInFlightMax).toBeGreaterThan(16);
  });

  it('pays for the gap on resume, not for the log', async () => {
    const { reader, store, position } = reading(Array.from({ length: 10_000 }, () => 1));
    for (const afterSeq of [9_990, 5_000, 3]) {
      store.reads = 0;
      const range = await reader.eventsBetween(position, { afterSeq, upToSeq: afterSeq + 10, count: 500 }, never);
      expect(range.kind === 'events' && range.events.map(({ seq }) => seq)).toEqual(seqs(afterSeq + 1, afterSeq + 10));
      expect(store.reads).toBeLessThanOrEqual(64 + 4 * Math.ceil(Math.log2(10_000)));
    }
  });

  it('says that events were trimmed, where a range needs them', async () => {
    const { reader, store, position } = reading(Array.from({ length: 20 }, () => 2));
    store.forgetBelow(5 + 10);
    expect(await reader.eventsBetween(position, { afterSeq: 3, upToSeq: 40, count: 100 }, never)).toEqual({
      kind: 'trimmed',
    });
    const rest = await reader.eventsBetween(position, { afterSeq: 30, upToSeq: 40, count: 100 }, never);
    expect(rest.kind === 'events' && rest.events.map(({ seq }) => seq)).toEqual(seqs(31, 40));
  });

  it('ends a read at its bound of bytes, and says where to go on', async () => {
    const plan = planLog(Array.from({ length: 40 }, () => 1));
    const long = 'x'.repeat(40_000);
    for (const { record } of plan.records) {
      const [event] = record.events;
      Object.assign(event?.body ?? {}, { draft: { text: long } });
    }
    const store = new PlannedStore(address.subject, plan);
    const reader = new LogReader({ store, clock: systemClock }, address);
    const range = await reader.eventsBetween(plan.position, { afterSeq: 0, upToSeq: 40, count: 1_000 }, never);
    expect(range).toMatchObject({ kind: 'events', more: true });
    const events = range.kind === 'events' ? range.events.length : 0;
    expect(events).toBe(Math.ceil(limits.logPageBytesMax / 40_100));
    const page = await reader.pageBefore(plan.position, { count: 1_000 }, never);
    expect(page).toMatchObject({ kind: 'page', nextBefore: 41 - events });
  });
});

function seqs(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
